"""Whether a launcher started this process, known without torch: before anything is loaded."""

from __future__ import annotations

import os


def launched_count() -> int:
    """How many processes `torchrun` or `accelerate launch` started together; 1 without them."""
    return _number("WORLD_SIZE", 1)


def is_follower() -> bool:
    """True in every process of a launcher but the first, which alone writes and speaks."""
    return launched_count() > 1 and _number("RANK", 0) > 0


def _number(name: str, default: int) -> int:
    found = os.environ.get(name, "")
    return int(found) if found.isdecimal() else default
