"""What charts have in common: bins, bars, shares against what is expected, numbers for people.

edges, counts = binned(lengths, 32)
draw_bars(axes, edges[:-1], counts / counts.sum(), edges[1] - edges[0])
"""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bertprep.inspection.report.figures import FIRST, INK, PAPER, SECOND

#: A bar that is so many times the next one is cut off, so that the others can be seen.
_TOWERING = 4


def binned(counts: np.ndarray, most: int) -> tuple[list[int], np.ndarray]:
    """Sums of neighbours.

    Args:
        counts: of neighbouring values.
        most: bins at most.

    Returns:
        The edges of the bins, one more than there are, and the sums. The last bin may be narrower.
    """
    size = len(counts)
    starts = np.arange(0, size, -(-size // most))
    return [*starts.tolist(), size], np.add.reduceat(counts, starts)


def draw_bars(axes: Axes, starts: Sequence[int], shares: Sequence[float], width: int) -> None:
    """Bars in the middle of the bins that start there, if bins are of whole numbers.

    One that towers over the others is cut, and its share is written beside it.
    """
    middles = [start + (width - 1) / 2 for start in starts]
    axes.bar(middles, shares, width=0.8 * width, color=FIRST)
    show_shares(axes.yaxis)
    axes.grid(visible=False, axis="x")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    second, highest = sorted(shares)[-2:]
    if not second or highest < _TOWERING * second:
        return
    top = 2 * second
    middle = middles[list(shares).index(highest)]
    axes.set_ylim(0, top)
    for height in (0.86, 0.9):
        axes.plot(
            [middle - 0.6 * width, middle + 0.6 * width],
            [(height - 0.02) * top, (height + 0.02) * top],
            color=PAPER,
            linewidth=2,
        )
    is_left = middle < (middles[0] + middles[-1]) / 2
    axes.annotate(
        percent(highest),
        (middle + (0.4 if is_left else -0.4) * width, 0.97 * top),
        xytext=(4 if is_left else -4, 0),
        textcoords="offset points",
        horizontalalignment="left" if is_left else "right",
        verticalalignment="top",
    )


def draw_shares(
    axes: Axes, names: Sequence[str], shares: Sequence[float], expected: Sequence[float]
) -> None:
    """A bar for each name, with its share, and a line across where its end is expected."""
    rows = range(len(names))
    axes.barh(rows, shares, height=0.5, color=FIRST)
    for row, share, mark in zip(rows, shares, expected, strict=True):
        axes.plot([mark, mark], [row - 0.36, row + 0.36], color=SECOND, linewidth=2)
        is_right = share > 0.85
        axes.annotate(
            percent(share),
            (share if is_right else max(share, mark), row),
            xytext=(-6 if is_right else 6, 0),
            textcoords="offset points",
            horizontalalignment="right" if is_right else "left",
            verticalalignment="center",
            color=PAPER if is_right else INK,
        )
    axes.set(xlim=(0, 1), ylim=(len(names) - 0.4, -0.6))
    axes.set_yticks(rows, names, color=INK)
    axes.grid(visible=False, axis="y")
    show_shares(axes.xaxis)
    axes.spines["bottom"].set_visible(False)


def show_shares(axis: Axis) -> None:
    """Per cent at the ticks."""
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g}%"))
    axis.set_major_locator(MaxNLocator(5, min_n_ticks=2))


def show_counts(axis: Axis) -> None:
    """Numbers at the ticks: 0, 250, 1.5k, 3M."""
    axis.set_major_formatter(FuncFormatter(lambda count, _: short(count)))


def percent(share: float) -> str:
    """A share with one digit behind the point; 0% and 100% only where it is just that."""
    if share in (0, 1):
        return f"{share:.0%}"
    rounded = f"{share:.1%}"
    return {"0.0%": "under 0.1%", "100.0%": "over 99.9%"}.get(rounded, rounded)


def short(number: float) -> str:
    """A number with few digits: 0.5, 250, 1.5k, 3M."""
    if number < 1:
        return f"{number:.3g}"
    power = min(int(math.log10(number) + 1e-9) // 3, 4)
    return f"{number / 1000**power:.4g}{'kMGT'[power - 1] if power else ''}"
