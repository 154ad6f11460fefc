"""A blind voting sheet for people: two replies to the same words, and nobody knows whose."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, StrictUndefined

from exagirl.artifact import fingerprint, make_folder, write_text
from exagirl.errors import ArtifactError
from exagirl.evaluation.report.safe import TURN_CHARS, safe, spoken
from exagirl.evaluation.scores import Reply
from exagirl.evaluation.votes.records import FORMAT, KeyPair, SheetKey

SHEET, KEY = "voting-sheet.html", "voting-key.json"
PAIRS = 30
TURNS_MOST = 6
"""Of the conversation before a reply, the last."""


class _Pair(NamedTuple):
    one: Reply
    other: Reply

    @property
    def place(self) -> tuple[str, str, int]:
        return self.one.scenario, self.one.kind, self.one.position


def write_sheet(  # noqa: PLR0913 (all after the replies is named)
    replies: Sequence[Reply],
    folder: Path,
    *,
    one: str = "tuned",
    other: str = "base",
    character: str,
    pairs: int = PAIRS,
    seed: int,
) -> Path:
    """Write a sheet and its key into a folder; the same replies and seed give the same sheet.

    Replies are paired where both models answered the very same conversation and not in the same
    words. Each model stands on the left as often as on the right. The page names neither, nor the
    scenarios; the key beside it does, and is for the one who counts.

    Args:
        replies: Of both models; those of others are passed over.
        folder: Where ``voting-sheet.html`` and ``voting-key.json`` go.
        one: The model whose wins are counted.
        other: The model against it.
        character: Whose name the page tells.
        pairs: At most so many are drawn.
        seed: Draws the pairs, their order and their sides.

    Raises:
        ArtifactError: No pair can be made, or the folder cannot be written.
    """
    found = _paired(replies, one, other)
    if not found:
        raise ArtifactError(
            f"같은 말에 '{one}'과 '{other}'이 함께 답한 것이 없어 투표지를 만들 수 없습니다. "
            "'exagirl evaluate'로 두 모델을 먼저 재세요."
        )
    dice = random.Random(f"{seed}/sheet")
    chosen = dice.sample(found, min(pairs, len(found)))
    sides = [number % 2 == 0 for number in range(len(chosen))]
    dice.shuffle(sides)
    asked = [_question(pair, is_left) for pair, is_left in zip(chosen, sides, strict=True)]
    sheet = fingerprint([character, asked])[:16]
    key = SheetKey(
        sheet=sheet,
        one=one,
        other=other,
        seed=seed,
        pairs=tuple(
            KeyPair(
                id=question["id"],
                scenario=pair.one.scenario,
                left=one if is_left else other,
                right=other if is_left else one,
            )
            for question, pair, is_left in zip(asked, chosen, sides, strict=True)
        ),
    )
    shown = safe(character, 120)
    page = _template().render(
        character=shown,
        sheet=sheet,
        count=len(asked),
        data=_as_script({"format": FORMAT, "sheet": sheet, "character": shown, "pairs": asked}),
    )
    write_text(make_folder(folder) / KEY, key.model_dump_json(indent=2) + "\n")
    return write_text(folder / SHEET, page)


def _paired(replies: Sequence[Reply], one: str, other: str) -> list[_Pair]:
    """The replies of both to the same conversation, in the order of the first model's."""
    theirs = {_place(reply): reply for reply in replies if reply.model == other}
    return [
        _Pair(reply, match)
        for reply in replies
        if reply.model == one
        and (match := theirs.get(_place(reply))) is not None
        and match.before == reply.before
        and match.text.strip() != reply.text.strip()
    ]


def _place(reply: Reply) -> tuple[str, str, int]:
    return reply.scenario, reply.kind, reply.position


def _question(pair: _Pair, is_left: bool) -> dict[str, Any]:
    left, right = (pair.one, pair.other) if is_left else (pair.other, pair.one)
    before = pair.one.before[-TURNS_MOST:]
    shown = {
        "before": [
            {"role": turn.role, "parts": _parts(turn.content, TURN_CHARS)} for turn in before
        ],
        "left": _parts(left.text),
        "right": _parts(right.text),
    }
    # The id tells nothing of the scenario, whose name may tell what is looked at.
    return {"id": fingerprint([pair.place, shown])[:12], **shown}


def _parts(text: str, most: int | None = None) -> list[list[Any]]:
    """Stretches as ``[is it an action, text]``; an empty reply is said to be one."""
    parts = spoken(text, most) if most else spoken(text)
    return [[part["is_action"], part["text"]] for part in parts]


def _template() -> Any:
    environment = Environment(
        undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    source = resources.files("exagirl.evaluation.votes") / "page.html.jinja"
    return environment.from_string(source.read_text("utf-8"))


def _as_script(data: Any) -> str:
    """JSON that may stand in a ``script`` element: nothing in it can end the element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
