"""metrics.jsonl -> a picture: the losses of both heads, and how often they are right.

A panel a head and measure; training as a line, held-out records as points, what there is without
context as a dotted line. matplotlib is used through its objects, so that no display is needed and
no state of the caller's is touched.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from bertprep.training.metrics import Row

#: The panels, row by row: what is shown, and its title.
_PANELS = (
    ("mlm_loss", "masked words: cross entropy (nats)"),
    ("mlm_accuracy", "masked words: right"),
    ("nsp_loss", "next sentence: cross entropy (nats)"),
    ("nsp_accuracy", "next sentence: right"),
)
_TRAIN_COLOUR, _EVAL_COLOUR, _BASELINE_COLOUR = "#7aa6d6", "#c0392b", "#555555"


def draw_curves(rows: Iterable[Row], path: Path) -> None:
    """Draws the rows of a metrics file into a PNG."""
    by_split: dict[str, list[Row]] = {"train": [], "eval": [], "baseline": []}
    for row in rows:
        by_split.setdefault(row["split"], []).append(row)
    figure = Figure(figsize=(10, 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    grid: Any = figure.subplots(2, 2, sharex=True)
    for axes, (name, title) in zip(grid.ravel(), _PANELS, strict=True):
        _draw_panel(axes, name, title, by_split)
    for axes in grid[1]:
        axes.set_xlabel("step")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    temporary = path.with_name(f"{path.name}.partial")
    try:
        figure.savefig(temporary, format="png", dpi=120)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _draw_panel(axes: Axes, name: str, title: str, by_split: dict[str, list[Row]]) -> None:
    train, held_out = by_split["train"], by_split["eval"]
    axes.plot(
        [row["step"] for row in train],
        [row[name] for row in train],
        color=_TRAIN_COLOUR,
        linewidth=1.0,
        label="training",
    )
    if held_out:
        axes.plot(
            [row["step"] for row in held_out],
            [row[name] for row in held_out],
            color=_EVAL_COLOUR,
            marker="o",
            markersize=4,
            linewidth=1.5,
            label="held out",
        )
    for row in by_split["baseline"][:1]:
        axes.axhline(
            row[name], color=_BASELINE_COLOUR, linestyle=":", linewidth=1.2, label="without context"
        )
    axes.set_title(title, loc="left", fontsize=10)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if name.endswith("accuracy"):
        axes.set_ylim(0.0, 1.0 if name == "nsp_accuracy" else None)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    else:
        axes.set_ylim(bottom=0.0)
