"""metrics.jsonl -> a chart of the loss and the accuracy of each head.

Training is a line, held-out records are points, the baseline without context is a dotted line.
matplotlib is used through its objects: no display is needed, and no global state is changed.
"""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from bertprep.model.heads import Head
from bertprep.storage.files import write_whole
from bertprep.training.metrics import Row

#: matplotlib's properties of each split.
_STYLES: dict[str, dict[str, Any]] = {
    "train": {"color": "#7aa6d6", "linewidth": 1.0, "label": "training"},
    "eval": {
        "color": "#c0392b",
        "linewidth": 1.5,
        "marker": "o",
        "markersize": 4,
        "label": "held-out",
    },
    "baseline": {"color": "#555555", "linewidth": 1.2, "linestyle": ":", "label": "baseline"},
}


def draw_curves(heads: Sequence[Head], rows: Iterable[Row], path: Path) -> None:
    """Draw the rows of a metrics file into a PNG, a row of two panels per head."""
    by_split: dict[str, list[Row]] = {split: [] for split in _STYLES}
    for row in rows:
        by_split.setdefault(row["split"], []).append(row)
    figure = Figure(figsize=(10, 3.25 * len(heads)), layout="constrained")
    FigureCanvasAgg(figure)
    grid: Any = figure.subplots(len(heads), 2, sharex=True, squeeze=False)
    for (loss, accuracy), head in zip(grid, heads, strict=True):
        _draw_panel(loss, head.loss_metric, by_split)
        loss.set_title(f"{head.title}: cross entropy (nats)", loc="left", fontsize=10)
        loss.set_ylim(bottom=0.0)
        _draw_panel(accuracy, head.accuracy_metric, by_split)
        accuracy.set_title(f"{head.title}: accuracy", loc="left", fontsize=10)
        accuracy.set_ylim(0.0, 1.0 if head.num_classes == 2 else None)
        accuracy.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    for axes in grid[-1]:
        axes.set_xlabel("step")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=120)
    write_whole(path, path.with_name(f"{path.name}.partial"), drawn.getbuffer())


def _draw_panel(axes: Axes, name: str, by_split: dict[str, list[Row]]) -> None:
    for split, style in _STYLES.items():
        rows = by_split[split]
        if rows and split == "baseline":
            axes.axhline(rows[0][name], **style)
        elif rows:
            axes.plot([row["step"] for row in rows], [row[name] for row in rows], **style)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
