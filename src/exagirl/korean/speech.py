"""The speech level of a turn, sentence by sentence.

Patterns decide what they can; only what they leave open goes to the analyser (see
``analyser.py``), so that most turns never need it.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from exagirl.korean.analyser import Analyser, analyser
from exagirl.korean.endings import (
    AMBIGUOUS_YO,
    GOING,
    NOTHING,
    SpeechLevel,
    Verdict,
    certain,
    closings,
    plain_word,
    polite_word,
    without_calls,
)
from exagirl.korean.normalise import normalise_with_map
from exagirl.korean.spoken import spoken_text

__all__ = ["SentenceLevel", "SpeechLevel", "sentence_levels", "speech_level"]

_SENTENCE = re.compile(
    r"[^.!?…~\n。！？♡♥ㅋㅎㅠㅜ^;]+(?:[.!?…~。！？♡♥;\s]|[ㅋㅎㅠㅜ]|\^[_ㅡ.]?\^?)*|[^\n]"
)
_WORD = re.compile("[가-힣]+")
_UP_TO_HANGUL = re.compile("(?s:.*)[가-힣]")
# 네, 라는 대답: a word that is spoken of, not said.
_CITED = re.compile(r",\s?(?:이?라(?:는|고|며)|하(?:고|며|는))(?![가-힣])")
# A word of so many syllables may hold a whole sentence without its spaces.
_UNSPACED = 7
# The level stands at the end; nobody needs to see more of a clause.
_JUDGED_CHARS = 200
# No ending is longer; the patterns see no more of a word, so that none can be slow.
_WORD_END = 24
_INNER = re.compile(
    "(?:습니다|입니다|합니다|세요|어요|아요|해요|에요|예요|네요|까요|군요)(?=[가-힣])"
)


class SentenceLevel(BaseModel):
    """One sentence and the ending that decided its level."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    start: int
    end: int
    level: SpeechLevel
    ending: str
    """As it is written; empty where nothing decides."""


class Clause(NamedTuple):
    """A stretch of talk that is judged as one, with its place in the normal text."""

    text: str
    start: int
    end: int


def sentence_levels(text: str, *, judge: Analyser | None = None) -> list[SentenceLevel]:
    """Give every spoken sentence of a turn with its place, its level and its ending.

    Args:
        text: A turn; actions, quotations, code and addresses are left out.
        judge: Who judges what patterns leave open; this machine's analyser if left out.
    """
    normal = normalise_with_map(text)
    found: list[SentenceLevel] = []
    for clause in clauses(spoken_text(normal.text)):
        verdict = verdict_of(clause.text)
        if verdict is None:
            verdict = (judge or analyser()).judge(plain_clause(clause.text))
        start, end = normal.span(clause.start, clause.end, len(text))
        found.append(
            SentenceLevel(
                text=text[start:end],
                start=start,
                end=end,
                level=verdict.level,
                ending=verdict.ending,
            )
        )
    return found


def speech_level(text: str, *, judge: Analyser | None = None) -> SpeechLevel:
    """Give the level of a whole turn outside actions and quotations.

    Args:
        text: A turn.
        judge: As for ``sentence_levels``.

    Returns:
        ``polite`` if any sentence is; ``none`` where nothing determines it.
    """
    return level_of(clauses(spoken_text(normalise_with_map(text).text)), judge)


def level_of(parts: list[Clause], judge: Analyser | None = None) -> SpeechLevel:
    """Give the level of clauses together, asking the analyser only while it matters."""
    open_clauses: list[str] = []
    level: SpeechLevel = "none"
    for clause in parts:
        verdict = verdict_of(clause.text)
        if verdict is None:
            open_clauses.append(clause.text)
        elif verdict.level == "polite":
            return "polite"
        elif verdict.level == "banmal":
            level = "banmal"
    for text in open_clauses:
        if level == "banmal" and not may_be_polite(text):
            continue
        judged = (judge or analyser()).judge(plain_clause(text)).level
        if judged == "polite":
            return "polite"
        level = judged if judged != "none" else level
    return level


def clauses(spoken: str) -> list[Clause]:
    """Cut spoken text at its marks, and where an ending closes a sentence without one."""
    return [part for match in _SENTENCE.finditer(spoken) for part in _parts(match)]


def _parts(match: re.Match[str]) -> Iterator[Clause]:
    """Cut one marked sentence where endings close it, and leave out blank edges."""
    text, offset = match[0], match.start()
    if not _WORD.search(text):
        return
    at = 0
    for place in [*closings(text), len(text)]:
        piece = text[at:place]
        words = piece.strip()
        if words:
            start = offset + at + len(piece) - len(piece.lstrip())
            yield Clause(words, start, start + len(words))
        at = place


def verdict_of(clause: str) -> Verdict | None:
    """Judge a clause by patterns; None where they leave it open."""
    called = without_calls(_trimmed(clause))
    words = list(_WORD.finditer(called))
    if not words:
        return NOTHING
    for word in words[:-1]:
        after = called[word.end() :]
        comma = after[:1] == "," and not _CITED.match(after)
        if ending := polite_word(word[0][-_WORD_END:], comma=comma):
            return Verdict("polite", ending)
    last = words[-1][0]
    if GOING.search(called):
        return Verdict("polite", "용")
    if len(last) >= _UNSPACED and (inner := _INNER.search(last)):
        return Verdict("polite", inner[0])
    return certain(last[-_WORD_END:], alone=len(words) == 1)


def may_be_polite(clause: str) -> bool:
    """Tell whether an open clause could still turn out polite."""
    words = _WORD.findall(clause)
    return any(len(word) >= _UNSPACED or plain_word(word) in AMBIGUOUS_YO for word in words)


def _trimmed(clause: str) -> str:
    """Leave out marks, laughter and foreign words behind the last Hangul word."""
    match = _UP_TO_HANGUL.match(clause)
    return match[0] if match else ""


def plain_clause(clause: str) -> str:
    """Write a clause the way an analyser knows: plain words, nobody called at the end."""
    called = without_calls(_trimmed(clause)) or clause
    return _WORD.sub(lambda word: _plain_end(word[0]), called[-_JUDGED_CHARS:])


def _plain_end(word: str) -> str:
    """Write the end of a word the plain way."""
    return word[:-_WORD_END] + plain_word(word[-_WORD_END:])
