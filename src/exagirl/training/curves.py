"""The picture of a stage: losses and learning rate over its steps."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from exagirl.artifact import file_faults

# The colours of the report's pictures; they read well on white and on black.
_INK, _VIOLET, _ORANGE = "#7a7a85", "#8b6fd6", "#e2895a"


def can_draw() -> bool:
    """True where matplotlib (extra ``report``) is installed."""
    return find_spec("matplotlib") is not None


def draw_curves(rows: Sequence[dict[str, float]], title: str, path: Path) -> None:
    """Draw ``curves.png``; the labels are English, since a font for Korean may be missing.

    Args:
        rows: Rows of ``metrics.jsonl``.
        title: The stage's name.
        path: A PNG file.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.8), layout="constrained")
    losses, rates = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    steps = [row["step"] for row in rows]
    losses.plot(steps, [row["loss"] for row in rows], color=_VIOLET, label="training")
    validated = [row for row in rows if "validation_loss" in row]
    losses.plot(
        [row["step"] for row in validated],
        [row["validation_loss"] for row in validated],
        color=_ORANGE,
        marker="o",
        label="validation",
    )
    losses.set_ylabel("loss (nats/token)")
    losses.set_title(title, color=_INK)
    losses.legend(frameon=False)
    rates.plot(steps, [row["learning_rate"] for row in rows], color=_INK)
    rates.set_ylabel("learning rate")
    rates.set_xlabel("step")
    for axes in (losses, rates):
        _quiet(axes)
    with file_faults(path):
        figure.savefig(path, format="png", dpi=120)


def _quiet(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=_INK, labelsize=8)
