"""The regex fallback: what a word's end probably means when no analyser is there to ask."""

import re

from exagirl.korean.endings import NOTHING, Verdict, plain_word, polite_ending
from exagirl.korean.words import words

_LAST_WORD = re.compile("[가-힣]+$")
_INNER_POLITE = re.compile(
    "(?:습니다|입니다|합니다|세요|어요|아요|해요|에요|예요|네요|까요|군요|나요)(?=[가-힣])"
)
_VERBAL = re.compile(
    "(?:[아어여와워해돼봐줘꿔둬놔셔져려켜쳐펴춰겨껴]라?|[가-힣]야|가|자|지|네|나|니|냐|대|래|재|냬|걸|게|까"
    "|구나|군|다|데|든|고|서|면|니까|노|라|랑|[팡행줭떵엉앙징당]|힝|쟈|쥐|지만|다던가|거라)$"
)
_CALL = re.compile("^[가-힣]{2,3}[아야]$")


def guess(clause: str) -> Verdict:
    """Judge a clause by the shape of its last word; nouns that are not listed fool it."""
    match = _LAST_WORD.search(clause)
    if match is None:
        return NOTHING
    word = plain_word(match[0])
    if inner := _INNER_POLITE.search(word):
        return Verdict("polite", inner[0])
    if ending := polite_ending(word) or _context_yo(word, clause):
        return Verdict("polite", ending)
    if word == "마" and clause[: -len(match[0])].rstrip().endswith("지"):
        return Verdict("banmal", "마")
    if word.endswith(tuple(words("noun_ends"))) or (_CALL.match(word) and match.start() == 0):
        return NOTHING
    verbal = _VERBAL.search(word)
    return Verdict("banmal", verbal[0]) if verbal else NOTHING


def _context_yo(word: str, clause: str) -> str:
    """Tell 먼저 가요 from 옛 가요, 하지 마요 from 참치 마요."""
    before = clause[: -len(word)].rstrip()
    if word == "마요" and before.endswith("지"):
        return "요"
    is_going = word == "가요" and re.search(
        r"(?:먼저|같이|이만|이제|그만|저|지금|[에로]|다|못|안|러|빨리|잘|어디)$", before
    )
    return "요" if is_going else ""
