"""Who judges what patterns leave open: Kiwi where it is installed, wider patterns elsewhere.

``analyser()`` loads Kiwi on the first call and only then; it takes seconds and half a gigabyte.
"""

import re
import threading
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

from exagirl.korean.endings import NOTHING, Verdict
from exagirl.korean.guesses import guess

if TYPE_CHECKING:
    from kiwipiepy import Kiwi

# A clause that is longer is judged by its end, where Korean puts the level; Kiwi's time grows
# with length, and a turn without spaces must not hold up a run.
_LONGEST_CLAUSE = 160
_LOADING = threading.Lock()

# Log probability that a corrected particle must gain. Measured on the 1,180 turns of the shipped
# dialogues: 92 of 100 particles made wrong gain more, none of the words that only look wrong (the
# nearest, "용돈도 물가", gains 3.7). benchmarks/korean.py measures the check end to end.
_MARGIN = 4.0

_POLITE_FORM = re.compile(
    r"(?:요|죠|쥬|쵸|니다|니다만|[\u11b8]니까|습니까|시오|십시오|소서|슴다|\u11b7다|시다|[어세네아]여|어유|유)$"
)
_POLITE_CRY = frozenset(
    ("네", "예", "네네", "아니요", "아뇨", "그럼요", "글쎄요", "여보세요", "저기요")
)
_BANMAL_CRY = frozenset(("응", "응응", "그래", "안녕", "미안", "웅", "엉"))
_NOMINAL = frozenset(("음", "\u11b7", "기"))
#: Connectives that do not stand at the end of talk; elsewhere one leaves 요 out on purpose.
_UNFINISHED = frozenset(("며", "으며", "듯", "듯이", "도록", "고서", "자마자", "ᆯ수록", "을수록"))
_WITHOUT_MEANING = frozenset(
    ("SF", "SP", "SS", "SSO", "SSC", "SE", "SO", "SW", "SB", "IC", "Z_CODA")
)
_NOTHING_AFTER = frozenset(("SF", "SP", "SE", "SO"))
#: Common nouns that are called: 친구야!, 아가야.
_CALLED = frozenset(
    ("친구", "아가", "자기", "오빠", "언니", "누나", "바보", "꼬마", "공주", "애기")
)


class Morpheme(NamedTuple):
    """One morpheme of a text."""

    form: str
    tag: str
    """Sejong tag as Kiwi gives it: EF, EC, VCP, JX …"""
    start: int
    end: int


class Analyser(Protocol):
    """Judges clauses and weighs spellings."""

    name: str

    def judge(self, clause: str) -> Verdict:
        """Give the level of one clause."""

    def prefers(self, corrected: str, written: str) -> bool:
        """Tell whether ``corrected`` is clearly the likelier Korean."""


class PatternAnalyser:
    """The fallback: word ends and a list of nouns. See docs/korean.md for what it misses."""

    name = "patterns"

    def judge(self, clause: str) -> Verdict:
        """Give the level of one clause by its last word."""
        return guess(clause)

    def prefers(self, corrected: str, written: str) -> bool:
        """Never: without an analysis a suspicion stays a suspicion."""
        del corrected, written
        return False


class KiwiAnalyser:
    """Kiwi's morphemes, read for their endings."""

    name = "kiwi"

    def __init__(self, kiwi: "Kiwi") -> None:
        self._kiwi = kiwi

    def morphemes(self, text: str) -> list[Morpheme]:
        """Analyse a text."""
        return [
            Morpheme(token.form, str(token.tag), token.start, token.end)
            for token in self._kiwi.tokenize(text)
        ]

    def judge(self, clause: str) -> Verdict:
        """Give the level of one clause: polite if any ending is, else by its last ending."""
        clause = clause[-_LONGEST_CLAUSE:]
        found = NOTHING
        for verdict in _verdicts(self.morphemes(clause), clause):
            if verdict.level == "polite":
                return verdict
            found = verdict
        return found

    def prefers(self, corrected: str, written: str) -> bool:
        """Tell whether ``corrected`` scores clearly higher, with a particle where it differs."""
        tokens, score = self._kiwi.analyze(corrected)[0]
        if score - self._kiwi.analyze(written)[0][1] <= _MARGIN:
            return False
        at = next(
            (
                at
                for at, pair in enumerate(zip(written, corrected, strict=False))
                if pair[0] != pair[1]
            ),
            0,
        )
        return any(token.start == at and str(token.tag).startswith("J") for token in tokens)


def _verdicts(tokens: list[Morpheme], clause: str) -> Iterator[Verdict]:
    """Give a verdict for every token that decides something."""
    for at, token in enumerate(tokens):
        rest = tokens[at + 1 :]
        if token.tag in {"EF", "EC"} or (token.tag in {"JX", "IC"} and token.form.endswith("요")):
            yield from _ending(token, tokens[:at], rest, clause)
        elif token.tag == "IC":
            yield from _cry(token, rest)


def _ending(
    token: Morpheme, before: list[Morpheme], rest: list[Morpheme], clause: str
) -> Iterator[Verdict]:
    """Judge one ending, final or connective."""
    written = clause[token.start : token.end]
    if _POLITE_FORM.search(token.form):
        yield Verdict("polite", written)
    elif token.form in _NOMINAL or _is_call(token, before):
        return
    elif token.tag == "EF" or _closes(token, rest):
        yield Verdict("banmal", written)


def _closes(token: Morpheme, rest: list[Morpheme]) -> bool:
    """Tell whether a connective ending stands at the end of the talk."""
    return token.form not in _UNFINISHED and all(t.tag in _WITHOUT_MEANING for t in rest)


def _is_call(token: Morpheme, before: list[Morpheme]) -> bool:
    """Tell 엑사야! (a call) from 나는 엑사야! (a copula)."""
    if token.form != "야" or len(before) < 2 or before[-1].tag != "VCP":
        return False
    name = before[-2]
    called = name.tag == "NNP" or name.form in _CALLED
    return called and all(t.tag in _WITHOUT_MEANING for t in before[:-2])


def _cry(token: Morpheme, rest: list[Morpheme]) -> Iterator[Verdict]:
    """Judge an interjection that stands apart: 네, 응."""
    if rest and rest[0].tag not in _NOTHING_AFTER:
        return
    if token.form in _POLITE_CRY:
        yield Verdict("polite", token.form)
    elif token.form in _BANMAL_CRY:
        yield Verdict("banmal", token.form)


@lru_cache(maxsize=1)
def _load() -> Analyser:
    try:
        from kiwipiepy import Kiwi
    except ImportError:
        return PatternAnalyser()
    kiwi = Kiwi(num_workers=1)
    kiwi.tokenize("가")  # Kiwi builds half of itself on first use; do it while others wait.
    return KiwiAnalyser(kiwi)


def analyser() -> Analyser:
    """Give the analyser of this machine, loading it once, whichever thread asks first."""
    with _LOADING:
        return _load()


def compose(jamo: str) -> str:
    """Write Kiwi's loose final consonants as compatibility jamo, for people to read."""
    return unicodedata.normalize("NFKC", jamo)
