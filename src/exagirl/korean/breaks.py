"""What breaks a character: assistant-speak, disclosure, refusals, layout, leaked labels.

The wordings are in ``breaks.yaml``; layout and labels are here.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from typing import Literal, NamedTuple

import yaml

from exagirl.korean.findings import Severity, Spot
from exagirl.korean.rules import Rules
from exagirl.korean.turn import TurnText
from exagirl.record import Record

_LIST_ITEM = re.compile(r"(?m)^[ \t]*(?:[-•·▪◦*]|\d{1,2}[.)])[ \t]+\S")
_HEADING = re.compile(r"(?m)^[ \t]{0,3}#{1,6}[ \t]+\S[^\n]{0,80}")
_TABLE = re.compile(
    r"(?m)^[ \t]{0,8}\|?[ \t]{0,8}:?-{3,80}:?[ \t]{0,8}\|[-:| \t]*$"
    r"|^[ \t]{0,8}\|[^|\n]{1,400}\|[^|\n]{1,400}\|[^\n]*$"
)
_FENCE = re.compile("```")
_USER_ACTS = re.compile(
    r"\*\s{0,4}(?:\{\s{0,4}유저\s{0,4}\}|\{\{\s{0,4}user\s{0,4}\}\})(?:[은는이가]|은\(는\)|이\(가\))\s"
    r"[^*\n]{1,80}다[.!…~ ]{0,3}\*",
    re.IGNORECASE,
)
_ERROR_ITEMS = 3

_LABEL_WORDS = "human|user|gpt|assistant|system|bot|유저|사용자|시스템|캐릭터|어시스턴트|봇|챗봇"
_LABEL = re.compile(
    rf"(?im)^[ \t>*\-]{{0,8}}\[?(?:{_LABEL_WORDS})[ \t]{{0,4}}\d{{0,4}}\]?[ \t*]{{0,4}}[:：]"
    r"|\b(?:human|gpt)[ \t]{0,4}\d{1,3}[ \t]{0,4}[:：]"
    # In the middle of a line only behind the end of a sentence: 갈게. 사용자: 고마워
    rf"|(?<=[.!?~…] )(?:{_LABEL_WORDS})[:：](?= ?\S)"
)
_PLACEHOLDER_LABEL = (
    r"(?im)^[ \t>*\-]{{0,8}}"
    r"(?:\{{\s{{0,4}}{korean}\s{{0,4}}\}}|\{{\{{\s{{0,4}}{english}\s{{0,4}}\}}\}})"
    r"[ \t*]{{0,4}}[:：]"
)
_USER_LABEL = re.compile(_PLACEHOLDER_LABEL.format(korean="유저", english="user"))
_OWN_LABEL = re.compile(_PLACEHOLDER_LABEL.format(korean="캐릭터", english="char"))
_TOKEN = re.compile(
    r"<\|[^|<>\n]{1,40}\|>|\[\|[^|\]\n]{1,40}\|\]|</?s>|<(?:bos|eos|pad|unk|start_of_turn|end_of_turn)>"
    r"|\[/?INST\]|<</?SYS>>"
)


class Break(Record):
    """One wording that breaks a character; a row of ``breaks.yaml``."""

    code: str
    where: Literal["spoken", "text"]
    words: tuple[str, ...]
    """One of these must stand in the turn before the pattern is tried."""
    pattern: str
    unless: Literal["ai_friend", "servant"] | None = None
    severity: Severity | None = None


class _Compiled(NamedTuple):
    row: Break
    pattern: re.Pattern[str]


def break_spots(turn: TurnText, rules: Rules) -> Iterator[Spot]:
    """Find the wordings of ``breaks.yaml`` in a character's turn."""
    if not _gate().search(turn.text):
        return
    for row, pattern in _breaks():
        if _is_excused(row, rules) or not any(word in turn.text for word in row.words):
            continue
        text = turn.spoken if row.where == "spoken" else turn.text
        for match in pattern.finditer(text):
            yield Spot(row.code, *match.span(), severity=row.severity)


def _is_excused(row: Break, rules: Rules) -> bool:
    """Tell whether the character may use a wording."""
    may_serve = rules.may_offer_service and row.unless == "servant"
    return may_serve or (rules.may_disclose_ai and row.unless == "ai_friend")


@lru_cache(maxsize=1)
def _breaks() -> tuple[_Compiled, ...]:
    """Read the wordings, once."""
    text = (files("exagirl.korean") / "breaks.yaml").read_text(encoding="utf-8")
    rows = (Break.model_validate(row) for row in yaml.safe_load(text))
    return tuple(_Compiled(row, re.compile(row.pattern)) for row in rows)


@lru_cache(maxsize=1)
def _gate() -> re.Pattern[str]:
    """Build one pattern of all words of all rows: most turns hold none."""
    words = {word for row, _ in _breaks() for word in row.words}
    return re.compile("|".join(re.escape(word) for word in sorted(words)))


def layout_spots(turn: TurnText) -> Iterator[Spot]:
    """Find lists, headings, tables and code blocks."""
    text = turn.text
    if "\n" in text:
        items = list(_LIST_ITEM.finditer(text))
        if len(items) > 1:
            severity: Severity = "error" if len(items) >= _ERROR_ITEMS else "warning"
            yield Spot("break.list", items[0].start(), items[-1].end(), severity=severity)
    if "#" in text and (heading := _HEADING.search(text)):
        yield Spot("break.heading", *heading.span())
    if "|" in text and (table := _TABLE.search(text)):
        yield Spot("break.table", *table.span())
    if "```" in text and (fence := _FENCE.search(text)):
        yield Spot("break.code", *fence.span())


def label_spots(turn: TurnText, rules: Rules, *, is_user: bool) -> Iterator[Spot]:
    """Find leaked labels and special tokens, and lines that speak for somebody else."""
    text = turn.text
    if "<" in text or "[" in text:
        for match in _TOKEN.finditer(text):
            yield Spot("label.token", *match.span())
    if ":" not in text and "：" not in text:
        return
    own, other = (rules.user_names, rules.names) if is_user else (rules.names, rules.user_names)
    other_code = "label.speaker" if is_user else "label.user"
    found: dict[tuple[int, int], Spot] = {}
    for code, pattern in (
        (other_code, _USER_LABEL),
        ("label.speaker", _OWN_LABEL),
        (other_code, _names(other)),
        ("label.speaker", _names(own)),
        ("label.speaker", _LABEL),
    ):
        for match in pattern.finditer(text) if pattern else ():
            found.setdefault(match.span(), Spot(code, *match.span()))
    yield from found.values()


@lru_cache(maxsize=64)
def _names(names: tuple[str, ...]) -> re.Pattern[str] | None:
    """Build the pattern of a line that opens with ``NAME:``."""
    known = "|".join(re.escape(name) for name in names if name.strip())
    return (
        re.compile(rf"(?m)^[ \t>*\-]{{0,8}}(?:{known})[ \t*]{{0,4}}[:：](?!\d)") if known else None
    )


def user_action_spots(turn: TurnText) -> Iterator[Spot]:
    """Find actions that decide what the user does."""
    if turn.actions:
        for match in _USER_ACTS.finditer(turn.text):
            yield Spot("break.user_action", *match.span())


def forbidden_spots(turn: TurnText, rules: Rules) -> Iterator[Spot]:
    """Find the character's forbidden words."""
    for word in rules.forbidden_words:
        if word and word in turn.text:
            for match in re.finditer(re.escape(word), turn.text):
                yield Spot("word.forbidden", *match.span())
