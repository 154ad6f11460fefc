"""Loops within a turn, and turns that say what was said before."""

import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence

from exagirl.korean.actions import action_spans
from exagirl.korean.findings import Spot
from exagirl.korean.turn import TurnText

_STRETCHED = re.compile(r"(.)\1{2,}", re.DOTALL)
_NOT_SAID = re.compile(r"[^가-힣A-Za-z0-9]+")

# Human dialogues compress to 0.54 of their bytes on average and to 0.45 at least; loops to less
# than 0.25. Shared 4-grams of words: loops above 0.2 (shared/ANCHORS.md, "Checking Korean").
_LOOP_RATIO = 0.25
_LOOP_SHARE = 0.2
_GRAM_WORDS = 4
_SHORTEST_LOOP_CHARS = 60
_SHORTEST_LOOP_BYTES = 300
_SURE_WORDS = 20
_MAYBE_WORDS = 10
_MAYBE_SHARE = 0.5

_SENTENCE_CHARS = 8
_SENTENCE_TIMES = 3

# Similarity is the share of common letter trigrams. Short turns (잘 자!) may well come again.
_GRAM_CHARS = 3
_SHORTEST_SIMILAR = 14
_SHORTEST_SAME = 20
_SIMILAR = 0.6
_SAME = 0.9
_LOOKED_BACK = 20
_COMPARED_CHARS = 2000
_SAMPLED_WORDS = 40
_SHARED_WORDS = 0.25


def repeated_ngram_share(text: str, words: int = _GRAM_WORDS) -> float:
    """Give the share of word n-grams that stood in the text before; 0.0 for a short text."""
    parts = text.split()
    grams = [tuple(parts[at : at + words]) for at in range(len(parts) - words + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def compression_ratio(text: str) -> float:
    """Give the size of the text under zlib, by its size in UTF-8; 1.0 for the empty text."""
    data = text.encode("utf-8", "replace")
    return len(zlib.compress(data)) / len(data) if data else 1.0


def similarity(one: str, two: str) -> float:
    """Give the share of letter trigrams that two texts have in common, from 0.0 to 1.0.

    Blanks, marks and actions do not count; only the first 2,000 letters do.
    """
    return _jaccard(_said(one), _said(two))


def loop_spots(turn: TurnText) -> Iterator[Spot]:
    """Find a turn that goes round in circles."""
    if len(turn.text) < _SHORTEST_LOOP_CHARS:
        return
    text = _STRETCHED.sub(r"\1\1", turn.text)
    words = len(text.split())
    share = repeated_ngram_share(text)
    is_long = len(text) * 3 >= _SHORTEST_LOOP_BYTES
    if (words >= _SURE_WORDS and share > _LOOP_SHARE) or (
        is_long and compression_ratio(text) < _LOOP_RATIO
    ):
        yield Spot("repeat.loop", 0, len(turn.text))
    elif words >= _MAYBE_WORDS and share > _MAYBE_SHARE:
        yield Spot("repeat.loop", 0, len(turn.text), severity="warning")


def sentence_spots(turn: TurnText) -> Iterator[Spot]:
    """Find a sentence that stands in a turn three times or more."""
    if len(turn.clauses) < _SENTENCE_TIMES:
        return
    said = [clause for clause in turn.clauses if len(clause.text) >= _SENTENCE_CHARS]
    times = Counter(clause.text for clause in said)
    seen: set[str] = set()
    for clause in said:
        if times[clause.text] >= _SENTENCE_TIMES and clause.text not in seen:
            seen.add(clause.text)
            yield Spot("repeat.sentence", clause.start, clause.end)


def history_spots(turn: TurnText, history: Sequence[str]) -> Iterator[Spot]:
    """Find a turn that is nearly one of the last twenty before it."""
    if not history:
        return
    said = _said(turn.text)
    if len(said) < _SHORTEST_SIMILAR:
        return
    # Cheap first: a turn that shares few words with another shares few trigrams with it.
    words = turn.text.split()[:_SAMPLED_WORDS]
    close = [
        earlier
        for earlier in history[-_LOOKED_BACK:]
        if len(words) < _GRAM_WORDS
        or sum(word in earlier for word in words) >= _SHARED_WORDS * len(words)
    ]
    best = max((_likeness(said, earlier) for earlier in close), default=0.0)
    if best >= _SAME and len(said) >= _SHORTEST_SAME:
        yield Spot("repeat.history", 0, len(turn.text))
    elif best >= _SIMILAR:
        yield Spot("repeat.history", 0, len(turn.text), severity="warning")


def _likeness(said: str, earlier: str) -> float:
    """Compare with an earlier turn, giving up early where lengths rule a likeness out."""
    if len(earlier) < len(said) * _SIMILAR:
        return 0.0
    other = _said(earlier)
    if not other or not _SIMILAR <= len(said) / len(other) <= 1 / _SIMILAR:
        return 0.0
    return 1.0 if said == other else _jaccard(said, other)


def _said(text: str) -> str:
    """Leave only the spoken letters."""
    pieces = []
    at = 0
    for start, end in action_spans(text[: 2 * _COMPARED_CHARS]):
        pieces.append(text[at:start])
        at = end
    return _NOT_SAID.sub("", "".join([*pieces, text[at : 2 * _COMPARED_CHARS]]))[:_COMPARED_CHARS]


def _jaccard(one: str, two: str) -> float:
    """Give the common trigrams of all trigrams."""
    grams, others = _grams(one), _grams(two)
    return len(grams & others) / len(grams | others) if grams and others else 0.0


def _grams(text: str) -> set[str]:
    return {text[at : at + _GRAM_CHARS] for at in range(len(text) - _GRAM_CHARS + 1)}
