"""The processes that train together: one of them writes, all of them agree."""

from __future__ import annotations

from typing import Any

from accelerate import PartialState  # type: ignore[import-untyped]
from accelerate.utils import broadcast_object_list  # type: ignore[import-untyped]

from exagirl.chatmodel.local import best_device


def process_count() -> int:
    """How many processes train together; 1 without a launcher."""
    return int(_state().num_processes)


def is_main() -> bool:
    """True in the one process that writes files."""
    return bool(_state().is_main_process)


def wait_for_all() -> None:
    """Wait until every process has come here."""
    _state().wait_for_everyone()


def agreed(answer: bool) -> bool:
    """What the main process answers, in every process: clocks differ."""
    if process_count() == 1:
        return answer
    return bool(broadcast_object_list([answer])[0])


def _state() -> Any:
    # Without ``cpu`` accelerate takes processes without an accelerator for single ones.
    return PartialState(cpu=best_device() == "cpu")
