"""The particles and copula forms that depend on how the word before them ends."""

from functools import lru_cache
from typing import NamedTuple

from exagirl.korean.words import words


class Pair(NamedTuple):
    """Two forms of one particle."""

    after_consonant: str
    after_vowel: str
    followers: str = ""
    """What may stand between the particle and the word's end, as a regex; nothing if empty."""
    treats_rieul_as_vowel: bool = False
    """서울로, not 서울으로."""


CALL = Pair("아", "야", "[아야]+")
STATEMENT = Pair("이야", "야", "[아야]+")
PAST = Pair("이었", "였")

_CASE = (
    Pair("을", "를", "요"),
    Pair("이", "가", "요"),
    Pair("은", "는", "요|커녕"),
    Pair("과", "와", "는|도|의|만|요|는요"),
    Pair("이랑", "랑", "은|도|만|의|요|은요"),
    Pair("으로", "로", "는|도|만|서|써|서는|서의|서도|부터|의|요|까지", treats_rieul_as_vowel=True),
    Pair("이나", "나", "마|요"),
    Pair("이에요", "예요"),
    Pair("이에용", "예용"),
    Pair("이에여", "예여"),
    Pair("이여", "여"),
    Pair("이어서", "여서", "요"),
)


@lru_cache(maxsize=1)
def written_forms() -> dict[str, Pair]:
    """Map what a template may write, such as ``을``, ``를(을)`` or ``(이)라고``, to its pair."""
    forms: dict[str, Pair] = {}
    for pair in (*_CASE, *(Pair("이" + ending, ending) for ending in words("copula_endings"))):
        for form in _spellings(pair):
            forms.setdefault(form, pair)
    for particle in words("friendly"):
        forms.setdefault("이" + particle, Pair("이" + particle, particle))
    polite = next(pair for pair in _CASE if pair.after_vowel == "예요")
    for slip in ("에요", "이예요", "(이)에요", "(이)예요"):
        forms[slip] = polite
    for form in _spellings(STATEMENT):
        forms[form] = STATEMENT
    for form in ("아", "야", "아(야)", "야(아)", "아/야", "야/아"):
        forms[form] = CALL
    return forms


def _spellings(pair: Pair) -> list[str]:
    """List the ways to write one of a pair, or both."""
    first, second = pair.after_consonant, pair.after_vowel
    forms = [first, second]
    forms += [f"{first}({second})", f"{second}({first})", f"{first}/{second}", f"{second}/{first}"]
    if first in (f"이{second}", f"으{second}"):
        forms.append(f"({first[0]}){second}")
    return forms


def pair_of(particle: str) -> Pair | None:
    """Give the pair that a written particle belongs to; None if it never changes.

    Longer forms of the past, such as 이었어요 and 였는데, are pairs too.
    """
    if pair := written_forms().get(particle):
        return pair
    particle = particle.split("/")[0]
    for stem in ("이었", "이였", "(이)었", "(이)였", "였"):
        if particle.startswith(stem):
            rest = particle[len(stem) :]
            return Pair(PAST.after_consonant + rest, PAST.after_vowel + rest)
    return None
