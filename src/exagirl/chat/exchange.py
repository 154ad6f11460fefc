"""Logs in and out: SillyTavern's JSONL, and ``messages`` to train on.

A log of SillyTavern is a line of metadata, then a line a message: ``name``, ``is_user``, ``mes``,
and ``swipes`` with ``swipe_id`` where there are versions. Keys that we do not know are kept and go
out as they came. What we show differs from what the model wrote (names for placeholders), so the
model's words go along under ``extra.exagirl`` and come back where the shown text is unchanged.

Source: files that SillyTavern 1.12 writes (`chats/NAME/*.jsonl`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from exagirl.artifact import file_faults
from exagirl.chat.conversation import Conversation, Role, Setting, Turn, Version
from exagirl.chat.faults import ChatError
from exagirl.korean.normalise import SURROGATE, normalise

MAX_BYTES = 100_000_000
MAX_MESSAGE_CHARS = 100_000
MAX_DEPTH = 64
OURS = "exagirl"
_MODELLED = ("name", "is_user", "is_system", "mes", "swipes", "swipe_id")


class Names(NamedTuple):
    """Who talks, and how names are filled in."""

    user: str
    character: str
    greetings: tuple[str, ...]
    fill: Callable[[str, str], str]
    """Fills a text that somebody says; an empty speaker is the character."""


def sillytavern_rows(talk: Conversation, names: Names) -> Iterator[str]:
    """A conversation as lines of SillyTavern's log.

    Args:
        talk: What was said; the greeting goes first.
        names: Who talks.
    """
    setting = talk.setting
    ours = setting.model_dump(exclude={"foreign"}, exclude_defaults=True)
    head = {"user_name": names.user, "character_name": names.character, **setting.foreign}
    metadata = head.get("chat_metadata")
    head["chat_metadata"] = {**(metadata if isinstance(metadata, dict) else {}), OURS: ours}
    yield _dump(head)
    if 0 <= setting.greeting < len(names.greetings):
        yield _dump(
            {
                "name": names.character,
                "is_user": False,
                "is_system": False,
                "mes": names.fill(names.greetings[setting.greeting], ""),
                "swipes": [names.fill(text, "") for text in names.greetings],
                "swipe_id": setting.greeting,
                "extra": {OURS: {"greeting": setting.greeting}},
            }
        )
    for turn in talk.turns:
        yield _dump(_row_of(turn, names))


def messages_row(talk: Conversation, system: str) -> str:
    """A conversation as one line of ``{"messages": […]}``, as the model knows it.

    Args:
        talk: What was said; hidden turns are left out.
        system: The system message.
    """
    said = [{"role": turn.role, "content": turn.raw} for turn in talk.turns if not turn.is_hidden]
    return _dump({"messages": [{"role": "system", "content": system}, *said]})


def read_log(path: Path, names: Names, setting: Setting) -> Conversation:
    """Read a log of either kind.

    Args:
        path: The file.
        names: Who talks here; other names in the log stay with their turns.
        setting: What stands now; what the log says of it counts more.

    Raises:
        ChatError: The file is empty or too large, or a line is not of such a log; it is named.
        ArtifactError: The file cannot be read.
    """
    rows = list(_lines(path))
    if not rows:
        raise ChatError(f"{path}: 빈 파일입니다. 대화를 내보낸 JSONL 파일을 골라 주세요.")
    if "messages" in rows[0][1]:
        if len(rows) > 1:
            raise ChatError(
                f"{path}: 대화가 {len(rows)}개 들어 있습니다. 이어서 할 대화 한 줄만 남겨 주세요."
            )
        return _of_messages(path, rows[0][1], setting)
    return _of_sillytavern(path, rows, names, setting)


def _of_messages(path: Path, row: dict[str, Any], setting: Setting) -> Conversation:
    talk = Conversation(setting=setting)
    messages = row["messages"]
    if not isinstance(messages, list):
        raise _fault(path, 1, "messages가 목록이 아닙니다")
    for message in messages:
        role = message.get("role") if isinstance(message, dict) else None
        if role == "system":
            continue
        if role not in ("user", "assistant"):
            raise _fault(path, 1, f"role이 {role!r}입니다. user나 assistant여야 합니다")
        text = _text(path, 1, message, "content")
        talk = talk.adding(Turn(id=0, role=role, versions=(Version(raw=text),)))
    return talk


def _of_sillytavern(
    path: Path, rows: list[tuple[int, dict[str, Any]]], names: Names, setting: Setting
) -> Conversation:
    if "mes" not in rows[0][1]:
        setting = _setting_of(rows[0][1], setting)
        rows = rows[1:]
    else:
        setting = setting.model_copy(update={"foreign": {}})
    turns: list[Turn] = []
    greeting = -1
    for number, row in rows:
        ours = _ours(row.get("extra"))
        if not turns and isinstance(ours.get("greeting"), int):
            greeting = ours["greeting"]
            continue
        turns.append(_turn_of(path, number, row, names))
    usable = greeting if -1 <= greeting < len(names.greetings) else -1
    setting = setting.model_copy(update={"greeting": usable})
    return Conversation(setting=setting).adding(*turns)


def _setting_of(head: dict[str, Any], setting: Setting) -> Setting:
    metadata = head.get("chat_metadata")
    ours = _ours(metadata)
    foreign = dict(head)
    if isinstance(metadata, dict):
        foreign["chat_metadata"] = {key: metadata[key] for key in metadata if key != OURS}
    try:
        return Setting.model_validate({**ours, "user": setting.user, "foreign": foreign})
    except ValueError:
        # Somebody wrote into our part by hand: the log is worth more than its settings.
        return setting.model_copy(update={"foreign": foreign})


def _turn_of(path: Path, number: int, row: dict[str, Any], names: Names) -> Turn:
    shown = _text(path, number, row, "mes")
    role: Role = "user" if row.get("is_user") is True else "assistant"
    swipes, chosen = row.get("swipes"), row.get("swipe_id")
    texts = [shown]
    if isinstance(swipes, list) and swipes and all(isinstance(one, str) for one in swipes):
        texts = [_bounded(path, number, one) for one in swipes]
        if not isinstance(chosen, int) or not 0 <= chosen < len(texts):
            chosen = texts.index(shown) if shown in texts else len(texts) - 1
        texts[chosen] = shown
    else:
        chosen = 0
    known = _ours(row.get("extra")).get("raw")
    raws: list[Any] = known if isinstance(known, list) else []
    name = row.get("name")
    own = names.user if role == "user" else names.character
    speaker = name if isinstance(name, str) and name != own else ""

    def shows(raw: Any, text: str) -> bool:
        return isinstance(raw, str) and names.fill(raw, speaker) == text

    # What the model wrote, where it is known and still shows as this text.
    versions = tuple(
        Version(raw=raws[at] if at < len(raws) and shows(raws[at], text) else text)
        for at, text in enumerate(texts)
    )
    return Turn(
        id=0,
        role=role,
        speaker=speaker,
        versions=versions,
        chosen=chosen,
        is_hidden=row.get("is_system") is True,
        extra=_foreign(row),
    )


def _foreign(row: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in row.items() if key not in _MODELLED}
    if isinstance(kept.get("extra"), dict):
        kept["extra"] = {key: value for key, value in kept["extra"].items() if key != OURS}
    return kept


def _row_of(turn: Turn, names: Names) -> dict[str, Any]:
    is_user = turn.role == "user"
    raws = [version.raw for version in turn.versions]
    shown = raws if is_user else [names.fill(raw, turn.speaker) for raw in raws]
    chosen = min(turn.chosen, len(raws) - 1)
    row: dict[str, Any] = {
        "name": turn.speaker or (names.user if is_user else names.character),
        "is_user": is_user,
        "is_system": turn.is_hidden,
        "mes": shown[chosen],
    }
    if not is_user or len(raws) > 1:
        row |= {"swipes": shown, "swipe_id": chosen}
    row |= turn.extra
    if shown != raws:
        extra = row.get("extra")
        row["extra"] = {**(extra if isinstance(extra, dict) else {}), OURS: {"raw": raws}}
    info = row.get("swipe_info")
    if isinstance(info, list) and "swipes" in row:
        row["swipe_info"] = [*info, *({} for _ in raws[len(info) :])]
    return row


def _ours(value: Any) -> dict[str, Any]:
    ours = value.get(OURS) if isinstance(value, dict) else None
    return ours if isinstance(ours, dict) else {}


def _text(path: Path, number: int, row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str):
        raise _fault(path, number, f"'{key}'가 글이 아닙니다")
    return _bounded(path, number, value)


def _bounded(path: Path, number: int, text: str) -> str:
    if len(text) > MAX_MESSAGE_CHARS:
        raise _fault(
            path, number, f"한마디가 {len(text):,}자입니다. {MAX_MESSAGE_CHARS:,}자까지 읽습니다"
        )
    return normalise(text)


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Lines that are not blank, with their numbers from 1."""
    with file_faults(path):
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ChatError(
                f"{path}: {size / 1e6:.0f} MB입니다. {MAX_BYTES / 1e6:.0f} MB까지 읽습니다."
            )
        whole = path.read_bytes()
    for number, line in enumerate(whole.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = _read(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise _fault(path, number, "UTF-8 글이 아닙니다") from error
        except (ValueError, RecursionError) as error:
            raise _fault(path, number, f"JSON이 아닙니다({error})") from error
        if not isinstance(row, dict):
            raise _fault(path, number, "{ }로 된 줄이 아닙니다")
        yield number, row


def _read(line: str) -> Any:
    value = json.loads(line, parse_constant=_refuse)
    if _depth(value) > MAX_DEPTH:
        raise ValueError(f"묶음이 {MAX_DEPTH}겹보다 깊습니다")
    text = json.dumps(value, ensure_ascii=False)
    # Half a letter, written as an escape, cannot be stored anywhere.
    return json.loads(SURROGATE.sub("", text)) if SURROGATE.search(text) else value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant}은(는) 쓸 수 없는 값입니다")


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)


def _fault(path: Path, number: int, what: str) -> ChatError:
    return ChatError(f"{path} {number}행: {what}. 그 줄을 고치거나 지운 뒤 다시 불러오세요.")


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
