"""Whether a reply says something: phrases found in Korean, with particles, but not denied.

A phrase counts wherever it stands in the reply, actions included: who strokes *분홍 리본* has said
what colour it is. Three things are told apart because they are easy to tell: a phrase that is only
a part of another word, a phrase that is denied right behind it, and the question asked once more.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from exagirl.korean.repetition import similarity

_BLANKS = re.compile(r"\s+")
_MARKS = re.compile("[*_~\"'“”‘’「」『』]")
_SENTENCE = re.compile(r"[^.!?…\n]+[.!?…]*")
_ASKED_AGAIN = 0.5
"""Letter trigrams that a question of the reply shares with what was asked."""
_LONE = 1
"""Syllables of a phrase that must stand as a word of its own: 응 is not in 적응."""

# What may stand between a phrase and the end of its word.
_PARTICLE = (
    "(?:이야|야|이에요|예요|이예요|에요|입니다|이지요?|지요?|죠|이죠|이거든요?|거든요?|이라고|라고"
    "|이라|라|이고|고|이네요?|네요?|인데요?|이요|요|이오|이|가|은|는|을|를|도|만|와|과|랑|이랑"
    "|으로|로|의|에|에서|에는|에서는|까지)"
)
# 안경 아니야, 안경은 없어, 안경 안 써, 쓰지 않아, 도서관에 살지 않아, 분홍 말고, 분홍인지 몰라.
_DENIED = re.compile(
    rf"^(?:색|색깔|것|거|쪽)?{_PARTICLE}?[ ,]{{0,2}}(?:절대 |전혀 |이제 |아직 |딱히 )?"
    r"(?:아니(?!라고 할 수 없|겠)|아닌(?!가)|아닙|아녜|아냐|아이다|없[는어지네다습었]"
    r"|안 [가-힣]|못 [가-힣]|않(?!을)|말고|모르|몰라|몰랐"
    r"|[가-힣]{1,5}지(?:는|도|를)? ?(?:않(?!을)|못|마|말))"
)
_REACH = 24
"""Letters behind a phrase that a denial may take."""


def says(reply: str, phrase: str, *, asked: str = "") -> bool:
    """Tell whether a reply says a phrase and does not deny it.

    Args:
        reply: What was replied, actions included.
        phrase: Words of a card or a probe. Blanks, marks and capitals make no difference.
        asked: The question; a question of the reply that is much like it says nothing.
    """
    words = _plain(phrase)
    if not words:
        return False
    lines = [_plain(line) for line in _SENTENCE.findall(reply) if not _asks_again(line, asked)]
    pattern = _pattern(words)
    return any(
        not _DENIED.match(line[match.end() : match.end() + _REACH])
        for line in lines
        for match in pattern.finditer(line)
    )


def first_said(reply: str, phrases: Iterable[str], *, asked: str = "") -> str:
    """The first of the phrases that a reply says, or ``""``; arguments as for ``says``."""
    return next((one for one in phrases if says(reply, one, asked=asked)), "")


def _plain(text: str) -> str:
    """Composed, in small letters, without marks, blanks as one space."""
    text = _MARKS.sub("", unicodedata.normalize("NFC", text)).lower()
    return _BLANKS.sub(" ", text).strip()


def _asks_again(line: str, asked: str) -> bool:
    """Tell whether a sentence only says the question once more: 내가 사람이냐, AI냐고?"""
    return line.endswith("?") and similarity(line, asked) >= _ASKED_AGAIN


@lru_cache(maxsize=1024)
def _pattern(words: str) -> re.Pattern[str]:
    """A phrase with blanks left free, and edges where it would be found within other words."""
    syllables = words.replace(" ", "")
    loose = " ?".join(re.escape(one) for one in syllables)
    before, after = "", ""
    if syllables[0].isascii():
        before = r"(?<![0-9a-z])(?<!\d[,.])" if syllables[0].isalnum() else ""
    if syllables[-1].isascii():
        after = r"(?![0-9a-z])(?![,.]\d)" if syllables[-1].isalnum() else ""
    if len(syllables) == _LONE and not syllables.isascii():
        before, after = "(?<![가-힣ㄱ-ㅎ])", rf"(?={_PARTICLE}?(?![가-힣ㄱ-ㅎ]))"
    return re.compile(before + loose + after)
