"""Statistics -> the charts that people look for, each with a title and what it says in words.

    charts = draw_charts(statistics, vocabulary, InstanceOptions())
    charts["lengths"].svg

Long axes are drawn in bins and curves at some of their points, so that a chart has some kilobytes
whatever the data. All of them take half a second, and importing matplotlib another half.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator

from bertprep.inspection.measure.measures import Measures, Statistics
from bertprep.inspection.report.figures import FIRST, SECOND, as_svg
from bertprep.inspection.report.plots import (
    binned,
    draw_bars,
    draw_shares,
    percent,
    show_counts,
    show_shares,
)
from bertprep.options import InstanceOptions
from bertprep.terminal import printable
from bertprep.vocab import Vocabulary

#: Bars, steps of a line, points of a curve, letters of a label: what a card has room for.
_MOST_BARS, _MOST_STEPS, _MOST_POINTS, _MOST_LETTERS = 32, 128, 200, 14


@dataclass(frozen=True)
class Chart:
    """A chart of the page.

    Attributes:
        title: what is drawn.
        caption: what it says, in numbers.
        svg: an `svg` element, to stand in HTML.
    """

    title: str
    caption: str
    svg: str


@dataclass(frozen=True)
class _Subject:
    """What is drawn, and what is known of it."""

    measures: Measures
    tokens: Sequence[str]
    made_with: InstanceOptions | None

    def share(self, count: float) -> float:
        """Of the records; a mean, where the count is of tokens or masks."""
        return count / max(1, self.measures.records)

    def shares(self, counts: np.ndarray) -> list[float]:
        return [self.share(count) for count in counts.tolist()]


@dataclass(frozen=True)
class _Drawing:
    title: str
    caption: str
    draw: Callable[[Axes], None]


def draw_charts(
    statistics: Statistics, vocabulary: Vocabulary, made_with: InstanceOptions | None = None
) -> dict[str, Chart]:
    """The charts by name, in the order of the page.

    Args:
        statistics: what is drawn.
        vocabulary: names the pieces.
        made_with: the options of the records; None where they are not known.
    """
    subject = _Subject(statistics.measures, vocabulary.tokens, made_with)
    drawings = {
        "lengths": _lengths(subject),
        "segments": _segments(subject),
        "next-sentence": _next_sentence(subject),
        "masks": _masks(subject),
        "positions": _positions(subject),
        "replacements": _replacements(subject),
        "pieces": _pieces(subject),
    }
    return {
        key: Chart(d.title, d.caption, as_svg(key, d.title, d.caption, d.draw))
        for key, d in drawings.items()
    }


def _lengths(subject: _Subject) -> _Drawing:
    lengths = subject.measures.lengths
    longest = len(lengths) - 1
    # The records without padding are of one length, and mostly many: they have their own bar. A
    # bin that is narrower than the others stands at the left, where no records are.
    width = -(-longest // _MOST_BARS)
    missing = -longest % width
    edges, counts = binned(np.append(np.zeros(missing, np.int64), lengths[:-1]), _MOST_BARS)
    starts = [edge - missing for edge in edges[:-1]] + [longest]
    shares = subject.shares(np.append(counts, lengths[-1]))

    def draw(axes: Axes) -> None:
        draw_bars(axes, starts, shares, width)
        axes.set(title="share of the records", xlabel="tokens, [CLS] and [SEP] counted")

    caption = (
        f"{percent(shares[-1])} of the records have all {longest:,} tokens, the bar at the right; "
        f"the others end in padding. The mean is {subject.share(subject.measures.tokens):,.1f}."
    )
    each = f" Each of the other bars is {width:,} lengths." if width > 1 else ""
    return _Drawing("Tokens a record", caption + each, draw)


def _segments(subject: _Subject) -> _Drawing:
    measures = subject.measures
    lines = (("A", measures.lengths_a, FIRST, "-"), ("B", measures.lengths_b, SECOND, "--"))

    def draw(axes: Axes) -> None:
        for name, lengths, color, style in lines:
            edges, counts = binned(lengths, _MOST_STEPS // 2)
            axes.stairs(
                subject.shares(counts), edges, label=name, color=color, ls=style, linewidth=1.6
            )
        axes.set(title="share of the records", xlabel="tokens of the segment", ylim=(0, None))
        show_shares(axes.yaxis)
        axes.grid(visible=False, axis="x")
        axes.legend()

    caption = (
        f"Segment A has {subject.share(measures.tokens_a):,.1f} tokens on average and B has "
        f"{subject.share(measures.tokens_b):,.1f}, without [CLS] and [SEP]."
    )
    return _Drawing("Tokens of the segments", caption, draw)


def _next_sentence(subject: _Subject) -> _Drawing:
    random_next = subject.measures.random_next
    counts = np.array([random_next, subject.measures.records - random_next])
    shares = subject.shares(counts)

    def draw(axes: Axes) -> None:
        draw_shares(axes, ["B is random", "B follows A"], shares, [0.5, 0.5])

    caption = (
        f"In {percent(shares[0])} of the records B is random. More than one half is as it should "
        "be: half of the chunks draw it, and a chunk of one sentence has no other choice."
    )
    return _Drawing("Next sentence", caption, draw)


def _masks(subject: _Subject) -> _Drawing:
    measures = subject.measures
    most = len(measures.masks_per_record) - 1
    edges, counts = binned(measures.masks_per_record, 2 * _MOST_BARS)
    shares = subject.shares(counts)
    mean = f"A record has {subject.share(measures.masks):.1f} masks on average"
    budget: np.ndarray | None = None
    if subject.made_with is None:
        caption = f"{mean}, and room for {most:,}. No manifest says how many it should have."
    else:
        budget = _budget(measures.lengths, most, subject.made_with)
        caption = (
            f"{mean}. {percent(subject.share(measures.at_budget))} have as many as their length "
            f"calls for, {subject.made_with.masked_lm_prob:.4g} of the tokens and {most:,} at "
            "most."
        )
        if measures.off_budget:
            off = percent(subject.share(measures.off_budget))
            caption += f" {off} have more, or have room for another word."

    def draw(axes: Axes) -> None:
        draw_bars(axes, edges[:-1], shares, edges[1] - edges[0])
        if budget is not None:
            _, expected = binned(budget, 2 * _MOST_BARS)
            borders = [edge - 0.5 for edge in edges]
            axes.stairs(
                subject.shares(expected), borders, color=SECOND, linewidth=1.6, label="budget"
            )
            axes.legend()
        axes.set(title="share of the records", xlabel="masks")

    return _Drawing("Masks a record", caption, draw)


def _budget(lengths: np.ndarray, most: int, made_with: InstanceOptions) -> np.ndarray:
    """int64[P + 1]. Records by the masks that their length calls for, at most P."""
    budget = np.zeros(most + 1, np.int64)
    for length in np.flatnonzero(lengths).tolist():
        budget[made_with.num_to_predict(length)] += lengths[length]
    return budget


def _positions(subject: _Subject) -> _Drawing:
    measures = subject.measures
    edges, counts = binned(measures.mask_positions, _MOST_STEPS)
    _, expected = binned(measures.expected_positions, _MOST_STEPS)
    widths = np.diff(edges)

    def draw(axes: Axes) -> None:
        axes.stairs(counts / widths, edges, fill=True, color=FIRST, alpha=0.45, label="masks")
        axes.stairs(expected / widths, edges, color=SECOND, linewidth=1.6, label="expected")
        axes.set(title="masks at a position", xlabel="position", ylim=(0, None))
        axes.set_xlim(0, edges[-1])
        axes.yaxis.set_major_locator(MaxNLocator(5, min_n_ticks=2))
        show_counts(axes.yaxis)
        axes.legend(loc="lower left")

    caption = (
        f"{measures.masks:,} masks. Expected is what each position would have if the masks of a "
        "record fell on all its words alike; it falls where short records have ended."
    )
    return _Drawing("Where the masks are", caption, draw)


def _replacements(subject: _Subject) -> _Drawing:
    measures = subject.measures
    kinds = {
        "[MASK]": measures.mask_tokens,
        "kept": measures.kept,
        "replaced": measures.replaced,
    }
    shares = [count / max(1, measures.masks) for count in kinds.values()]

    def draw(axes: Axes) -> None:
        draw_shares(axes, list(kinds), shares, [0.8, 0.1, 0.1])

    shown = ", ".join(f"{count:,} {name}" for name, count in kinds.items())
    caption = (
        f"What stands at the masks: {shown}. The lines across are at 80%, 10% and 10%, which the "
        "algorithm draws."
    )
    return _Drawing("80/10/10", caption, draw)


def _pieces(subject: _Subject) -> _Drawing:
    pieces = subject.measures.pieces
    order = np.argsort(-pieces, kind="stable")
    used, size = int(np.count_nonzero(pieces)), len(pieces)
    ranks = np.geomspace(1, max(1, used), _MOST_POINTS).round().astype(np.int64)
    ranks = np.unique(ranks)[: used or None]
    labelled = [10**power for power in range(9) if 10**power <= min(used, size / 4)]

    def draw(axes: Axes) -> None:
        axes.set(title="occurrences", xlabel="rank of the piece", xscale="log", yscale="log")
        axes.set(xlim=(0.8, 1.2 * max(10, size)), ylim=(0.7, 8 * max(10, pieces.max(initial=0))))
        for axis in (axes.xaxis, axes.yaxis):
            show_counts(axis)
            axis.set_minor_locator(NullLocator())
        axes.plot(ranks, pieces[order[ranks - 1]], color=FIRST, linewidth=1.6)
        for rank in labelled:
            piece = int(order[rank - 1])
            place = (rank, int(pieces[piece]))
            axes.plot(*place, "o", color=FIRST, markersize=4)
            axes.annotate(
                f"“{_cut(printable(subject.tokens[piece]))}”",
                place,
                xytext=(5, 4),
                textcoords="offset points",
            )

    first = int(pieces[order[:100]].sum()) / max(1, int(pieces.sum()))
    caption = (
        f"{used:,} of the {size:,} pieces are used, before masking; {size - used:,} never are. "
        f"{percent(first)} of the tokens are one of the 100 most frequent."
    )
    return _Drawing("Pieces by rank", caption, draw)


def _cut(name: str) -> str:
    return name if len(name) <= _MOST_LETTERS else f"{name[: _MOST_LETTERS - 1]}…"
