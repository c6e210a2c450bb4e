"""A number, and what is to be expected of it -> a `Finding`, marked where the two disagree.

judge = Judge(copies=1.0)
judge.share("mask_tokens", "[MASK]", count=812, of=1000, low=0.8)
"""

import math
from dataclasses import dataclass

import numpy as np

from bertprep.inspection.measure.measures import Finding
from bertprep.inspection.measure.probability import distance_from, is_marked, share_p


@dataclass(frozen=True)
class Judge:
    """Makes findings.

    Attributes:
        copies: how often a record stands in the data on average; so many are one observation.
    """

    copies: float

    def share(
        self,
        key: str,
        name: str,
        count: float,
        of: float,
        low: float | None = None,
        high: float | None = None,
        *,
        note: str = "",
        meaning: str = "",
    ) -> Finding:
        """A share of independent events, each with a probability in `[low, high]`.

        Args:
            key, name: of the finding.
            count: events of this kind.
            of: all events.
            low: None where nothing is expected.
            high: `low` unless it is given.
            note: what is always to be said.
            meaning: what is to be said before it where the finding is marked.
        """
        value = count / of if of else 0.0
        shown = percent(value) if of else "-"
        if low is None:
            return Finding(key, name, value, shown, note=note, of=of)
        high = low if high is None else high
        p = share_p(count, of, low, high, self.copies) if of else None
        marked = is_marked(p, distance_from(value, low, high))
        notes = filter(None, (meaning if marked else "", note))
        expected = percents(low, high)
        return Finding(key, name, value, shown, expected, p, marked, ". ".join(notes), of)


def count_finding(key: str, name: str, count: int, *, note: str = "") -> Finding:
    """A number."""
    return Finding(key, name, count, f"{count:,}", note=note)


def mean_finding(key: str, name: str, total: float, of: int, spread: float) -> Finding:
    """A mean of numbers that have a standard deviation of `spread`."""
    value = total / of if of else 0.0
    return Finding(key, name, value, f"{value:,.1f}" if of else "-", of=of, spread=spread)


def spread_of(histogram: np.ndarray) -> float:
    """Standard deviation of the numbers of which there are so many each."""
    numbers, count = np.arange(len(histogram)), max(1, int(histogram.sum()))
    mean = float(histogram @ numbers) / count
    return math.sqrt(max(0.0, float(histogram @ (numbers - mean) ** 2) / count))


def percent(share: float) -> str:
    """A share for people: a trace is not nothing, and nearly all is not all."""
    if 0.0 < share < 0.00005:
        return "<0.01%"
    if 0.99995 <= share < 1.0:
        return ">99.99%"
    return f"{share:.0%}" if share in (0.0, 1.0) else f"{share:.2%}"


def percents(low: float, high: float) -> str:
    """What is expected, for people: `none`, `all`, `80.00%`, `50% to 98%`."""
    if percent(low) == percent(high):
        return {0.0: "none", 1.0: "all"}.get(low) or percent(low)
    is_whole = all(f"{100 * end:.4f}".endswith(".0000") for end in (low, high))
    return " to ".join(f"{end:.0%}" if is_whole else f"{end:.2%}" for end in (low, high))
