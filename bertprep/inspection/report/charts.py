"""Statistics -> the charts of the page, each with a title and a caption.

    charts = draw_charts(statistics)
    charts["lengths"].caption

Long axes are drawn in bins and curves at some of their points, so that a chart takes a few
kilobytes whatever the data. An objective is one entry of `CHARTS`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bertprep.inspection.report.drawing import Drawing, as_count, as_power, as_share
from bertprep.inspection.statistics.findings import Statistics, percent
from bertprep.terminal import printable

#: Bars, steps of a line, points of a curve, characters of a name: as many as a card has room for.
_MOST_BARS, _MOST_STEPS, _MOST_POINTS, _MOST_CHARACTERS = 32, 128, 200, 14
#: A bar so many times as high as the next one is cut off, so that the others can be seen.
_TOWERING = 4
_SHARE = "share of records"


class Chart(NamedTuple):
    """A chart of the page: what is drawn, and what it says in numbers."""

    title: str
    caption: str
    drawing: Drawing


def draw_charts(statistics: Statistics) -> dict[str, Chart]:
    """Return the charts by key, in the order of the page."""
    charts = CHARTS[statistics.objective.name]
    return {key: draw(statistics) for key, draw in charts.items()}


def binned(counts: np.ndarray, most: int) -> tuple[list[int], np.ndarray]:
    """Return the edges of at most `most` bins, and the sum of each; the last may be narrower."""
    size = len(counts)
    starts = np.arange(0, size, -(-size // most))
    return [*starts.tolist(), size], np.add.reduceat(counts, starts)


def _bar_drawing(starts: Sequence[int], width: int, shares: Sequence[float], label: str) -> Drawing:
    """Draw shares of the records; a bar that towers over the others is cut off."""
    second, highest = sorted(shares)[-2:]
    is_cut = second > 0 and highest >= _TOWERING * second
    top = 2 * second if is_cut else 1.05 * highest or 1.0
    # Half a unit to the left: a bar of one number is centered at its tick.
    lefts = [start - 0.5 for start in starts]
    drawing = Drawing((lefts[0], lefts[-1] + width), (0, top))
    drawing.y_axis(_SHARE, as_share)
    drawing.bars(lefts, width, shares)
    drawing.x_axis(label, as_count)
    if is_cut:
        drawing.break_bar(lefts[list(shares).index(highest)], width, percent(highest))
    return drawing


def _lengths(statistics: Statistics) -> Chart:
    counts = statistics.counts
    lengths = counts.lengths
    longest = len(lengths) - 1
    # Records without padding have one length and are mostly many: they have a bar of their own.
    # The narrower bin, if any, is the leftmost one, which no record is short enough for.
    width = -(-longest // _MOST_BARS)
    missing = -longest % width
    edges, in_bins = binned(np.append(np.zeros(missing, np.int64), lengths[:-1]), _MOST_BARS)
    starts = [edge - missing for edge in edges[:-1]] + [longest]
    shares = counts.shares(np.append(in_bins, lengths[-1]))
    caption = (
        f"{percent(shares[-1])} of the records have all {longest:,} tokens (the bar on the right); "
        f"the others end in padding. The mean is {counts.per_record(counts.tokens):,.1f}."
    )
    each = f" Each other bar covers {width:,} lengths." if width > 1 else ""
    drawing = _bar_drawing(starts, width, shares, "tokens, with [CLS] and [SEP]")
    return Chart("Tokens per record", caption + each, drawing)


def _segments(statistics: Statistics) -> Chart:
    counts = statistics.counts
    edges, of_a = binned(counts.lengths_a, _MOST_STEPS // 2)
    of_b = binned(counts.lengths_b, _MOST_STEPS // 2)[1]
    shares_a, shares_b = counts.shares(of_a), counts.shares(of_b)
    drawing = Drawing((0, edges[-1]), (0, 1.05 * max(*shares_a, *shares_b) or 1.0))
    drawing.y_axis(_SHARE, as_share)
    drawing.steps("line first", edges, shares_a)
    drawing.steps("line second dashed", edges, shares_b)
    drawing.x_axis("tokens of the segment", as_count)
    drawing.legend(("line first", "A"), ("line second dashed", "B"))
    caption = (
        f"Segment A has {counts.per_record(counts.tokens_a):,.1f} tokens on average and B has "
        f"{counts.per_record(counts.tokens_b):,.1f}, without [CLS] and [SEP]."
    )
    return Chart("Tokens per segment", caption, drawing)


def _share_drawing(
    names: Sequence[str], shares: Sequence[float], expected: Sequence[float]
) -> Drawing:
    """Draw a bar per name, with a line across at the expected share."""
    drawing = Drawing((0, 1), (0, 1), left=86)
    drawing.x_axis("", as_share, step=0.2, has_grid=True)
    drawing.rows(list(zip(names, shares, map(percent, shares), expected, strict=True)))
    return drawing


def _next_sentence(statistics: Statistics) -> Chart:
    assert statistics.objective.pair_label is not None
    counts = statistics.counts
    random_share = counts.per_record(counts.pair_label_1)
    shares = [random_share, counts.per_record(counts.records - counts.pair_label_1)]
    caption = (
        f"B is random in {percent(random_share)} of the records. More than one half is expected: a "
        "chunk of several sentences takes a random B with probability 0.5, a chunk of one always."
    )
    names = statistics.objective.pair_label.meanings[::-1]
    return Chart("Next sentence", caption, _share_drawing(names, shares, [0.5, 0.5]))


def _masks(statistics: Statistics) -> Chart:
    counts, options = statistics.counts, statistics.instances
    most = len(counts.masks_per_record) - 1
    edges, masks = binned(counts.masks_per_record, 2 * _MOST_BARS)
    width = edges[1] - edges[0]
    drawing = _bar_drawing(edges[:-1], width, counts.shares(masks), "masks")
    mean = f"A record has {counts.per_record(counts.masks):.1f} masks on average"
    if options is None:
        caption = f"{mean}, and at most {most:,}. Without a manifest the budget is not known."
        return Chart("Masks per record", caption, drawing)
    budgets = np.zeros(most + 1, np.int64)
    for length in np.flatnonzero(counts.lengths).tolist():
        budgets[options.num_to_predict(length)] += counts.lengths[length]
    borders = [edge - 0.5 for edge in edges]
    drawing.steps("line second", borders, counts.shares(binned(budgets, 2 * _MOST_BARS)[1]))
    drawing.legend(("line second", "budget"))
    caption = (
        f"{mean}. {percent(counts.per_record(counts.at_budget))} of the records use their whole "
        f"budget: {options.masked_lm_prob:.4g} of the tokens, at most {most:,}."
    )
    if counts.off_budget:
        off = percent(counts.per_record(counts.off_budget))
        caption += f" {off} have more masks, or too few: another word would fit."
    return Chart("Masks per record", caption, drawing)


def _positions(statistics: Statistics) -> Chart:
    counts = statistics.counts
    edges, masks = binned(counts.mask_positions, _MOST_STEPS)
    widths = np.diff(edges)
    found = (masks / widths).tolist()
    expected = (binned(counts.expected_positions, _MOST_STEPS)[1] / widths).tolist()
    drawing = Drawing((0, edges[-1]), (0, 1.05 * max(*found, *expected) or 1.0))
    drawing.y_axis("masks per position", as_count)
    drawing.steps("area", edges, found)
    drawing.steps("line second", edges, expected)
    drawing.x_axis("position", as_count)
    drawing.legend(("area", "masks"), ("line second", "expected"))
    caption = (
        f"{counts.masks:,} masks. Expected is the number at each position if all words of a record "
        "were equally likely to be masked; it falls where shorter records end."
    )
    return Chart("Mask positions", caption, drawing)


def _replacements(statistics: Statistics) -> Chart:
    counts = statistics.counts
    kinds = {"[MASK]": counts.mask_tokens, "kept": counts.kept, "replaced": counts.replaced}
    shares = [count / max(1, counts.masks) for count in kinds.values()]
    shown = ", ".join(f"{count:,} {name}" for name, count in kinds.items())
    caption = f"What the masks show: {shown}. The lines are at the expected 80%, 10% and 10%."
    return Chart("80/10/10", caption, _share_drawing(list(kinds), shares, [0.8, 0.1, 0.1]))


def _pieces(statistics: Statistics) -> Chart:
    pieces = statistics.counts.pieces
    order = np.argsort(-pieces, kind="stable")
    used, size = int(np.count_nonzero(pieces)), len(pieces)
    ranks = np.geomspace(1, max(1, used), _MOST_POINTS).round().astype(np.int64)
    ranks = np.unique(ranks)[:used]
    top = math.log10(8 * max(10, int(pieces.max(initial=0))))
    drawing = Drawing((-0.1, math.log10(1.2 * max(10, size))), (-0.15, top))
    drawing.y_axis("occurrences", as_power, step=1)
    drawing.x_axis("rank of the piece", as_power, has_grid=True)
    occurrences = pieces[order[ranks - 1]]
    drawing.curve(np.stack([np.log10(ranks), np.log10(occurrences)], axis=1).tolist())
    for power in range(math.floor(math.log10(max(1, min(used, size / 4)))) + 1 if used else 0):
        piece = int(order[10**power - 1])
        name = f"“{_short(printable(statistics.vocabulary.tokens[piece]))}”"
        drawing.point(power, math.log10(pieces[piece]), name)
    first = int(pieces[order[:100]].sum()) / max(1, int(pieces.sum()))
    caption = (
        f"{used:,} of the {size:,} pieces occur in the text before masking; {size - used:,} never "
        f"do. The 100 most frequent make up {percent(first)} of the tokens."
    )
    return Chart("Pieces by rank", caption, drawing)


def _short(name: str) -> str:
    return name if len(name) <= _MOST_CHARACTERS else f"{name[: _MOST_CHARACTERS - 1]}…"


#: The charts of each objective, in the order of the page.
CHARTS: Mapping[str, Mapping[str, Callable[[Statistics], Chart]]] = {
    "nsp": {
        "lengths": _lengths,
        "segments": _segments,
        "next-sentence": _next_sentence,
        "masks": _masks,
        "positions": _positions,
        "replacements": _replacements,
        "pieces": _pieces,
    }
}
