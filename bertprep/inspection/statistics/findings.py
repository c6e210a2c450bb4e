"""Counts -> findings: measured values with what is expected, and whether they are anomalies.

    data = Statistics(data_set, schema, counts, duplicates)
    data.share("mask_tokens", "[MASK]", count=812, total=1000, low=0.8)

A value is an anomaly if it is both too unlikely and too far from what is expected. The bounds on
the probability hold at any size; a normal approximation would be wrong for rare events.

    share_p(count=7_000, total=10_000, low=0.8, high=0.8)     2.3e-118

Source: Chernoff's bound in Hoeffding's form, and Bennett's inequality.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from bertprep.data import Objective
from bertprep.inspection.statistics.counts import Counts
from bertprep.inspection.statistics.duplicates import Duplicates
from bertprep.objectives import OBJECTIVES
from bertprep.options import InstanceOptions
from bertprep.records import DataSet, RecordSchema
from bertprep.records.manifest import instance_options
from bertprep.vocab import Vocabulary

#: A value is an anomaly below this probability and beyond this distance, one percentage point.
ANOMALY_P, ANOMALY_DISTANCE = 1e-6, 0.01
#: Records made from a document in one pass, if no manifest tells; more than usual.
_RECORDS_PER_DOCUMENT = 25


@dataclass(frozen=True)
class Finding:
    """A row of the statistics.

    Attributes:
        key: name in JSON; stable.
        name: name for people.
        value: measured value.
        shown: the value as text.
        expected: the expected value as text; empty without an expectation.
        p: upper bound on the probability of a value as far off; None without a test.
        is_anomaly: p < 1e-6, and more than one percentage point off.
        note: what an anomaly means for training, or how to read the value.
        num_observations: independent observations that the value is a share or a mean of; 0 if it
            is neither.
        deviation: standard deviation of the observations of a mean; None for a share.
    """

    key: str
    name: str
    value: float
    shown: str
    expected: str = ""
    p: float | None = None
    is_anomaly: bool = False
    note: str = ""
    num_observations: float = 0
    deviation: float | None = None


#: Findings by section title, in the order in which they are shown.
Sections = dict[str, list[Finding]]


@dataclass(frozen=True, eq=False)
class Statistics:
    """The counts of a data set with a vocabulary, and the findings that they give.

    The draws of each pass over a text are new, and so are those for each token of a word. Equal
    records are not independent: `duplicates.copies` of them count as one observation.
    """

    data_set: DataSet
    schema: RecordSchema
    counts: Counts
    duplicates: Duplicates
    sections: Sections = field(default_factory=dict)  # empty while they are made

    @property
    def facts(self) -> list[str]:
        """Phrases about the sizes of the records and of the vocabulary."""
        length, most = self.schema.max_seq_length, self.schema.max_predictions
        sizes = f"{length:,} tokens and {most:,} masks per record at most"
        return [sizes, f"{len(self.counts.pieces):,} pieces"]

    @property
    def anomalies(self) -> list[tuple[str, Finding]]:
        """The findings that are anomalies, each with the title of its section."""
        rows = ((title, row) for title, rows in self.sections.items() for row in rows)
        return [(title, row) for title, row in rows if row.is_anomaly]

    @property
    def instances(self) -> InstanceOptions | None:
        """Options that the records were made with; None without a manifest."""
        return instance_options(self.data_set.plan) if self.data_set.plan else None

    @property
    def objective(self) -> Objective:
        return OBJECTIVES[self.schema.objective]

    @property
    def vocabulary(self) -> Vocabulary:
        return self.data_set.require_vocabulary()

    @property
    def manifest_counts(self) -> dict[str, int]:
        """Counts of the manifest; empty unless it describes exactly these records."""
        homes = self.data_set.homes
        if not (self.data_set.plan and len(homes) == 1 and homes[0].is_whole):
            return {}
        counts: dict[str, int] = homes[0].manifest["counts"]
        return counts if counts.get("instances") == self.counts.records else {}

    def share(
        self,
        key: str,
        name: str,
        count: float,
        total: float,
        low: float | None = None,
        high: float | None = None,
        *,
        meaning: str = "",
    ) -> Finding:
        """Return a share of independent events, each with a probability in `[low, high]`.

        Args:
            key, name: of the finding.
            count, total: events of this kind, and all events.
            low, high: bounds of the probability; `high` is `low` unless given, and without `low`
                nothing is expected.
            meaning: what an anomaly means for training.
        """
        value = count / total if total else 0.0
        finding = Finding(key, name, value, percent(value) if total else "-")
        finding = replace(finding, num_observations=total)
        if low is None:
            return finding
        high = low if high is None else high
        p = share_p(count, total, low, high, self.duplicates.copies) if total else None
        # What never happens is an anomaly if it happens once.
        is_off = count > 0 if high == 0.0 else is_anomaly(p, max(low - value, value - high, 0.0))
        note = meaning if is_off else ""
        return replace(finding, expected=_percents(low, high), p=p, is_anomaly=is_off, note=note)

    def per_document(self, finding: Finding) -> Finding:
        """Return a finding whose observations are documents, one per pass.

        The text decides such a value, so it is alike in all records of a document.
        """
        manifest, instances, records = self.manifest_counts, self.instances, self.counts.records
        passes = records / _RECORDS_PER_DOCUMENT
        if instances and manifest.get("documents"):
            held_out = manifest.get("eval_documents", 0)
            passes = (manifest["documents"] - held_out) * instances.dupe_factor + held_out
        num_observations = finding.num_observations * min(1.0, passes / records)
        return replace(finding, num_observations=num_observations)


def number(key: str, name: str, value: int, *, note: str = "") -> Finding:
    """Return a plain number without an expectation."""
    return Finding(key, name, value, f"{value:,}", note=note)


def mean(key: str, name: str, total: float, of: int, histogram: np.ndarray) -> Finding:
    """Return the mean `total / of`; the histogram gives its standard deviation."""
    value = total / of if of else 0.0
    shown = f"{value:,.1f}" if of else "-"
    numbers, size = np.arange(len(histogram)), max(1, int(histogram.sum()))
    center = float(histogram @ numbers) / size
    deviation = math.sqrt(max(0.0, float(histogram @ (numbers - center) ** 2) / size))
    return Finding(key, name, value, shown, num_observations=of, deviation=deviation)


def percent(share: float) -> str:
    """Return a share as a percentage; 0% and 100% only where it is exactly that."""
    if 0.0 < share < 0.00005:
        return "<0.01%"
    if 0.99995 <= share < 1.0:
        return ">99.99%"
    return f"{share:.0%}" if share in (0.0, 1.0) else f"{share:.2%}"


def _percents(low: float, high: float) -> str:
    """Return an expected range as text: `none`, `all`, `80.00%`, `50% to 98%`."""
    if percent(low) == percent(high):
        return {0.0: "none", 1.0: "all"}.get(low) or percent(low)
    is_whole = all(f"{100 * end:.4f}".endswith(".0000") for end in (low, high))
    return " to ".join(f"{end:.0%}" if is_whole else f"{end:.2%}" for end in (low, high))


def is_anomaly(p: float | None, distance: float) -> bool:
    """Return whether a value is too unlikely and, by `distance`, a share, too far off."""
    return p is not None and p < ANOMALY_P and distance > ANOMALY_DISTANCE


def share_p(count: float, total: float, low: float, high: float, copies: float = 1.0) -> float:
    """Bound the probability of `count` of `total` events, each likely in `[low, high]`.

    `copies`, here and below, is how often each independent event is in the data on average.
    """
    if total <= 0 or low <= count / total <= high:
        return 1.0
    share = count / total
    expected = low if share < low else high
    exponent = total * (_term(share, expected) + _term(1.0 - share, 1.0 - expected))
    return min(1.0, 2.0 * math.exp(-exponent / copies))


def _term(share: float, expected: float) -> float:
    if share <= 0.0:
        return 0.0
    return share * math.log(share / expected) if expected > 0.0 else math.inf


def sum_p(value: float, expected: float, variance: float, copies: float = 1.0) -> float:
    """Bound the probability of a sum of numbers in [0, 1] as far from the expected one."""
    distance = abs(value - expected)
    if distance <= 1e-9 * max(1.0, expected):  # rounding errors of the sum
        return 1.0
    if variance <= 1e-9 * max(1.0, expected):
        return 0.0
    ratio = distance / variance
    exponent = variance * ((1.0 + ratio) * math.log1p(ratio) - ratio)
    return min(1.0, 2.0 * math.exp(-exponent / copies))


def count_p(count: float, expected: float) -> float:
    """Bound the probability of `count` or more rare events."""
    if count <= expected:
        return 1.0
    if expected <= 0.0:
        return 0.0
    return math.exp(count - expected - count * math.log(count / expected))


def difference_p(a: float, b: float, variance: float) -> float:
    """Return the probability of two means as far apart; `variance` is that of the difference."""
    if a == b:
        return 1.0
    return math.erfc(abs(a - b) / math.sqrt(2.0 * variance)) if variance > 0.0 else 0.0


class FindingPair(NamedTuple):
    """A finding of A and the same one of B.

    Attributes:
        title: title of their section.
        left, right: the finding of A and of B.
        p: probability of values as far apart, if both data sets were made alike; None without a
            test.
        is_anomaly: p < 1e-6, and more than one percentage point apart (a mean: one percent of it);
            or one of the two is an anomaly by itself and the other is not.
    """

    title: str
    left: Finding
    right: Finding
    p: float | None
    is_anomaly: bool


def pair_findings(a: Statistics, b: Statistics) -> Iterator[FindingPair]:
    """Yield the findings that both data sets have, in the order in which they are shown."""
    for title, findings in a.sections.items():
        others = {finding.key: finding for finding in b.sections.get(title, ())}
        for left in findings:
            if right := others.get(left.key):
                p, is_off = _test(left, right, a.duplicates.copies, b.duplicates.copies)
                is_off |= left.is_anomaly != right.is_anomaly
                yield FindingPair(title, left, right, p, is_off)


def _test(a: Finding, b: Finding, copies_a: float, copies_b: float) -> tuple[float | None, bool]:
    """Return how likely two shares or means are as far apart, and whether that is an anomaly."""
    if not a.num_observations or not b.num_observations:
        return None, False
    num_a, num_b = a.num_observations / copies_a, b.num_observations / copies_b
    distance = abs(a.value - b.value)
    if a.deviation is None or b.deviation is None:
        share = (a.value * num_a + b.value * num_b) / (num_a + num_b)
        variance = share * (1.0 - share) * (1.0 / num_a + 1.0 / num_b)
    else:
        variance = a.deviation**2 / num_a + b.deviation**2 / num_b
        distance /= max(a.value, b.value, 1e-300)
    p = difference_p(a.value, b.value, variance)
    return p, is_anomaly(p, distance)
