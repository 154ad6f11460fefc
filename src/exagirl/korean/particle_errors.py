"""Particles that do not agree with the final consonant before them: 책를, 친구과, 학교으로.

A mismatch alone proves little (마을, 작가, 아이 end like one), so that only two kinds stand by
themselves; the others count where the analyser finds the corrected clause clearly likelier.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from exagirl.korean.analyser import analyser
from exagirl.korean.findings import Severity, Spot
from exagirl.korean.syllables import final_of
from exagirl.korean.turn import TurnText
from exagirl.korean.words import words

_SUSPECT = re.compile(
    r"(?<![가-힣])(?P<stem>[가-힣]{1,16}?)(?P<particle>으로|이랑|예요|에요|[을를은는이가과와로랑])(?![가-힣])"
)
_AFTER_CONSONANT = frozenset(("을", "은", "이", "과", "이랑", "으로"))
_OTHER = {
    "을": "를", "를": "을", "은": "는", "는": "은", "이": "가", "가": "이", "과": "와", "와": "과",
    "으로": "로", "로": "으로", "이랑": "랑", "랑": "이랑", "예요": "이에요", "에요": "예요",
}  # fmt: skip

# Verb stems before -는: 있는, 먹는, 찾는. No stem ends in ㅇ, and only these in ㄴ.
_VERB_FINALS = frozenset("ㄲㄷㅅㅆㅈㅊㅋㅌㅍㅎㄶㅀㄺㄻㄼㄾㄿㅄㄵ")
_VERB_SYLLABLES = frozenset(
    "먹막박적찍죽썩식익녹속묵낚북입잡뽑접씹집업굽눕돕줍뵙쉽남감숨참담심품넘삼굶뿜신안"
)
# Letters around a suspect that the analyser sees, and suspects of a turn that it is asked about.
_WINDOW_CHARS = 60
_WEIGHED_MOST = 8


class _Suspect(NamedTuple):
    """A particle that does not fit, with its place in the clause."""

    stem: str
    particle: str
    stem_start: int
    start: int
    end: int


def particle_spots(turn: TurnText) -> Iterator[Spot]:
    """Find particles that do not agree with the word before them."""
    weighed = 0
    for clause in turn.clauses:
        for suspect in _suspects(clause.text):
            start = clause.start + suspect.stem_start
            end = clause.start + suspect.end
            # A name or a quotation stands in for what the turn holds there.
            if turn.spoken[start:end] != turn.text[start:end]:
                continue
            severity = _known_severity(suspect)
            if severity is None and weighed < _WEIGHED_MOST:
                weighed += 1
                severity = _weighed(clause.text, suspect)
            if severity:
                fix = suspect.stem + _OTHER[suspect.particle]
                yield Spot("particle.wrong", start, end, severity=severity, fix=fix)


def _suspects(clause: str) -> Iterator[_Suspect]:
    """Give the mismatches of a clause that no list excuses."""
    for match in _SUSPECT.finditer(clause):
        stem, particle = match["stem"], match["particle"]
        if _is_mismatch(stem, particle) and not _is_excused(stem, particle):
            yield _Suspect(stem, particle, match.start(), match.start("particle"), match.end())


def _is_mismatch(stem: str, particle: str) -> bool:
    """Tell whether a particle goes against the final consonant of the stem."""
    final = final_of(stem[-1])
    if particle == "예요":
        return final != ""
    if particle == "에요":
        return final == "" and stem[-1] not in "니이"
    vowels = {"", "ㄹ"} if particle in {"으로", "로"} else {""}
    return (particle in _AFTER_CONSONANT) != (final not in vowels)


def _is_excused(stem: str, particle: str) -> bool:
    """Tell whether a word merely ends like a particle, or is a verb before -는."""
    if stem + particle in words("particle_lookalikes"):
        return True
    if particle == "는":
        return final_of(stem[-1]) in _VERB_FINALS or stem[-1] in _VERB_SYLLABLES
    return False


def _known_severity(suspect: _Suspect) -> Severity | None:
    """Give the severity of what needs no analysis; None where the mismatch proves nothing.

    No Korean word ends in a consonant and 를, or in 으로 after a vowel or ㄹ. 학생예요 and 거에요
    are common spellings, and wrong.
    """
    if suspect.particle in {"예요", "에요"}:
        return "warning"
    is_direction = suspect.particle == "으로" and len(suspect.stem) > 1
    return "error" if suspect.particle == "를" or is_direction else None


def _weighed(clause: str, suspect: _Suspect) -> Severity | None:
    """Ask the analyser whether the clause is clearly likelier with the other form."""
    before = clause[max(0, suspect.start - _WINDOW_CHARS) : suspect.start]
    after = clause[suspect.end : suspect.end + _WINDOW_CHARS]
    corrected = before + _OTHER[suspect.particle] + after
    is_wrong = analyser().prefers(corrected, before + suspect.particle + after)
    return "warning" if is_wrong else None
