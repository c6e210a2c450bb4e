"""Two data sets -> the values in which records differ, and the statistics that differ.

Difference(record, other).changes       Change("masked_lm_ids", 3, "ferry", "dawn"), …
compare_findings(a, b)                  FindingPair("next sentence", …), …
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from bertprep.inspection.compare.alignment import Place
from bertprep.inspection.statistics import Statistics
from bertprep.inspection.statistics.findings import Finding, difference_p, is_anomaly
from bertprep.records import FrameError, RecordSchema, parse_example, read_frames
from bertprep.vocab import Vocabulary


@dataclass(frozen=True)
class PlacedRecord:
    """A record and where it is.

    Attributes:
        file, record: its shard, and its index there.
        byte: start of its frame; None if it cannot be found.
        features: values by v1 name, ids as tokens; empty if the record cannot be read.
    """

    file: str
    record: int
    byte: int | None
    features: dict[str, list[Any]]

    @property
    def place(self) -> dict[str, Any]:
        """Where it is, as JSON values."""
        return {"file": self.file, "record": self.record, "byte": self.byte}


@dataclass(frozen=True)
class Change:
    """A value that differs: the feature, its index there, and the value in A and in B."""

    name: str
    index: int
    left: Any
    right: Any


@dataclass(frozen=True)
class Difference:
    """Records that only one side has: of A, of B, or one of each in the same place."""

    left: PlacedRecord | None
    right: PlacedRecord | None

    @property
    def changes(self) -> list[Change]:
        """The values that differ; none unless there are two records."""
        left, right = (record.features if record else {} for record in (self.left, self.right))
        return [
            Change(name, i, a, b)
            for name in left
            for i, (a, b) in enumerate(zip(left[name], right.get(name, ()), strict=False))
            if a != b
        ]


def read_placed(place: Place, schema: RecordSchema, vocabulary: Vocabulary) -> PlacedRecord:
    """Read a record; passing over each one before it in its shard takes 0.5 us."""
    path, index = place.shard.path, place.index
    try:
        frame = next(read_frames(place.shard, first=index, check_data=False), None)
    except FrameError:
        frame = None
    if frame is None or not place.is_readable:
        return PlacedRecord(path, index, frame.offset if frame else None, {})
    stored, tokens = parse_example(frame.data), vocabulary.tokens
    values = {
        feature: stored[schema.stored_names[feature.name]].values for feature in schema.features
    }
    features = {
        feature.name: [tokens[i] if i < len(tokens) else f"id {i:,}" for i in ids]
        if feature.below == "vocab_size"
        else ids
        for feature, ids in values.items()
    }
    return PlacedRecord(path, index, frame.offset, features)


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


def compare_findings(a: Statistics, b: Statistics) -> list[FindingPair]:
    """Return all findings that both have, in the order in which they are shown."""
    pairs = []
    for title in a.sections:
        others = {finding.key: finding for finding in b.sections.get(title, ())}
        for left in a.sections[title]:
            if left.key in others:
                right = others[left.key]
                p, is_off = _test(left, right, a.duplicates.copies, b.duplicates.copies)
                is_off |= left.is_anomaly != right.is_anomaly
                pairs.append(FindingPair(title, left, right, p, is_off))
    return pairs


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
