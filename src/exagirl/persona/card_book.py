"""A card's ``character_book`` and our lorebook.

What the record does not model stays in ``extra``. So does the way a program wrote what we do model
(``"selective": true`` without a second key); it is written back while it still means the same.

Source: SPEC_V2 and SPEC_V3 of Character Card, `CharacterBook` and `Lorebook`.
"""

from __future__ import annotations

from typing import Any

from exagirl.persona.card_text import CardFault
from exagirl.persona.macros import modern, portable
from exagirl.persona.parts import Lorebook, LoreEntry


def parse_book(book: Any) -> Lorebook:
    """Read ``data.character_book``.

    Raises:
        CardFault: A value has another type than the specification says.
    """
    if book is None:
        return Lorebook()
    if not isinstance(book, dict):
        raise CardFault("data.character_book: { }로 된 묶음이어야 합니다")
    rows = book.get("entries") or []
    if isinstance(rows, dict):  # SillyTavern's own world files
        rows = list(rows.values())
    if not isinstance(rows, list):
        raise CardFault("data.character_book.entries: [ ]로 된 목록이어야 합니다")
    entries = tuple(_parse_entry(row, f"{ENTRIES}[{n}]") for n, row in enumerate(rows))
    plain = _plain_book(book).model_copy(update={"entries": entries})
    rendered = _render_plain(plain)
    extra = {
        key: value
        for key, value in book.items()
        if key != "entries" and rendered.get(key, ...) != value
    }
    return plain.model_copy(update={"extra": extra})


def render_book(lorebook: Lorebook) -> dict[str, Any] | None:
    """Write ``data.character_book``; None where there is nothing to write."""
    if lorebook == Lorebook():
        return None
    plain = lorebook.model_copy(update={"extra": {}})
    book = _render_plain(plain)
    for key, value in lorebook.extra.items():
        changed = book | {key: value}
        if key not in MODELLED_IN_BOOK or _same_book(changed, plain):
            book = changed
    return {"extensions": {}, **book, "entries": [_render_entry(e) for e in lorebook.entries]}


ENTRIES = "data.character_book.entries"
MODELLED_IN_BOOK = ("token_budget", "scan_depth", "entries")
MODELLED = (
    *("keys", "secondary_keys", "selective", "content", "constant", "insertion_order", "enabled"),
    *("use_regex", "extensions"),
)


def _plain_book(book: dict[str, Any]) -> Lorebook:
    plain = Lorebook()
    return Lorebook(
        budget_tokens=_count(book.get("token_budget"), plain.budget_tokens),
        scan_depth=_count(book.get("scan_depth"), plain.scan_depth),
    )


def _render_plain(lorebook: Lorebook) -> dict[str, Any]:
    usual, book = Lorebook(), {}
    if lorebook.budget_tokens != usual.budget_tokens:
        book["token_budget"] = lorebook.budget_tokens
    if lorebook.scan_depth != usual.scan_depth:
        book["scan_depth"] = lorebook.scan_depth
    return book


def _same_book(book: dict[str, Any], lorebook: Lorebook) -> bool:
    read = _plain_book(book)
    return (read.budget_tokens, read.scan_depth) == (lorebook.budget_tokens, lorebook.scan_depth)


def _parse_entry(row: Any, where: str) -> LoreEntry:
    if not isinstance(row, dict):
        raise CardFault(f"{where}: {{ }}로 된 항목이어야 합니다")
    entry = _plain_entry(row, where)
    rendered = _plain_row(entry)
    extra = {key: value for key, value in row.items() if rendered.get(key, ...) != value}
    return entry.model_copy(update={"extra": extra})


def _render_entry(entry: LoreEntry) -> dict[str, Any]:
    plain = entry.model_copy(update={"extra": {}})
    row = _plain_row(plain)
    unmodelled = {key: value for key, value in entry.extra.items() if key not in MODELLED}
    modelled = {key: value for key, value in entry.extra.items() if key in MODELLED}
    for key, value in modelled.items():
        changed = row | {key: value}
        if key == "extensions" and isinstance(value, dict):
            kept = value if _depth(value) == plain.depth else _without(value, "depth")
            changed[key] = kept | row["extensions"]
        if _plain_entry(changed, ENTRIES) == plain:
            row = changed
    return row | unmodelled


def _plain_entry(row: dict[str, Any], where: str) -> LoreEntry:
    second = _words(row.get("secondary_keys"), f"{where}.secondary_keys")
    if row.get("selective") is False:
        second = ()
    content = row.get("content") or ""
    if not isinstance(content, str):
        raise CardFault(f"{where}.content: 글이어야 합니다")
    order = row.get("insertion_order")
    return LoreEntry(
        keys=_words(row.get("keys"), f"{where}.keys"),
        secondary_keys=second,
        content=modern(content),
        constant=bool(row.get("constant")),
        order=round(order) if isinstance(order, int | float) else 100,
        depth=_depth(row.get("extensions")),
        enabled=row.get("enabled") is not False,
        use_regex=bool(row.get("use_regex")),
    )


def _plain_row(entry: LoreEntry) -> dict[str, Any]:
    row: dict[str, Any] = {
        "keys": list(entry.keys),
        "content": portable(entry.content),
        "extensions": {} if entry.depth is None else {"depth": entry.depth},
        "enabled": entry.enabled,
        "insertion_order": entry.order,
        "use_regex": entry.use_regex,
    }
    if entry.constant:
        row["constant"] = True
    if entry.secondary_keys:
        row |= {"selective": True, "secondary_keys": list(entry.secondary_keys)}
    return row


def _words(value: Any, where: str) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split(",")
    value = [] if value is None else value
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise CardFault(f"{where}: 글의 목록이어야 합니다")
    return tuple(value)


def _without(values: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != key}


def _depth(extensions: Any) -> int | None:
    depth = extensions.get("depth") if isinstance(extensions, dict) else None
    return depth if isinstance(depth, int) and depth >= 0 else None


def _count(value: Any, usual: int) -> int:
    return round(value) if isinstance(value, int | float) and value >= 0 else usual
