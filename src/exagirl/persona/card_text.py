"""The JSON of a card, read with bounds and told with places."""

from __future__ import annotations

import json
import math
from typing import Any

MAX_CARD_BYTES = 20_000_000
MAX_DEPTH = 60
MAX_VALUES = 400_000


class CardFault(ValueError):  # noqa: N818 (a fault of a file; `read_card` adds the path)
    """What is wrong with a card, and where in it; a Korean clause without the file's name."""


def parse_json(text: bytes) -> dict[str, Any]:
    """Read a card's JSON object.

    Raises:
        CardFault: Too large or too deep, no UTF-8, no JSON, no object.
    """
    if len(text) > MAX_CARD_BYTES:
        raise CardFault(
            f"카드가 {len(text) / 1e6:.1f} MB입니다. {MAX_CARD_BYTES / 1e6:.0f} MB까지 읽습니다"
        )
    try:
        value = json.loads(text.decode("utf-8-sig"), parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise CardFault(f"UTF-8 글이 아닙니다({error.start}번째 바이트)") from error
    except json.JSONDecodeError as error:
        raise CardFault(
            f"{error.lineno}행 {error.colno}열: JSON을 읽을 수 없습니다({error.msg})"
        ) from error
    except RecursionError as error:
        raise CardFault(f"JSON이 {MAX_DEPTH}겹보다 깊습니다") from error
    except CardFault:
        raise
    except ValueError as error:  # a number of thousands of digits
        raise CardFault(f"JSON을 읽을 수 없습니다({error})") from error
    if not isinstance(value, dict):
        raise CardFault("캐릭터 카드가 아닙니다. JSON의 맨 바깥이 { }여야 합니다")
    cleaned: dict[str, Any] = _Cleaner().clean(value, 1)
    return cleaned


def write_json(value: dict[str, Any]) -> bytes:
    """A card as UTF-8, bounded like what is read.

    Raises:
        CardFault: Larger than what is read.
    """
    text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False).encode()
    if len(text) > MAX_CARD_BYTES:
        raise CardFault(
            f"카드가 {len(text) / 1e6:.1f} MB가 됩니다. {MAX_CARD_BYTES / 1e6:.0f} MB까지 씁니다"
        )
    return text


def _refuse(constant: str) -> Any:
    raise CardFault(f"{constant}은(는) JSON의 수가 아닙니다")


class _Cleaner:
    """Counts values and depth, and mends halves of emoji that no file can hold."""

    def __init__(self) -> None:
        self._left = MAX_VALUES

    def clean(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise CardFault(f"값이 {MAX_VALUES:,}개보다 많습니다")
        if depth > MAX_DEPTH:
            raise CardFault(f"JSON이 {MAX_DEPTH}겹보다 깊습니다")
        if isinstance(value, str):
            return _whole(value)
        if isinstance(value, float) and not math.isfinite(value):
            raise CardFault("너무 큰 수가 있습니다")
        if isinstance(value, list):
            return [self.clean(item, depth + 1) for item in value]
        if isinstance(value, dict):
            return {_whole(key): self.clean(item, depth + 1) for key, item in value.items()}
        return value


def _whole(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
