"""Two data sets, hash by hash in the order of their records -> which records are equal.

    alignment = align(left, right, num=3)
    alignment.equal, alignment.only, alignment.differences
    Difference(record, other).changes           # Change("masked_lm_ids", 3, "ferry", "dawn"), ...

Both are read at the same time, so that only a sample of up to 8 million hashes per side and the
first places at which the two differ are kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bertprep.inspection.scan import Part
from bertprep.inspection.statistics.counts import RangeCounts, RecordCounter
from bertprep.inspection.statistics.duplicates import share_common
from bertprep.records import FrameError, Shard, parse_example, read_frames

MOST_HASHES = 8_000_000
#: Differing places that are searched for records that the other side does not have.
_MOST_PLACES = 1 << 16
_NONE = np.zeros(0, np.uint64)


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


class Side:
    """A data set, record by record.

    Args:
        counter: counts the records, and samples their hashes.
        parts: parts from `counter.scan`.

    Attributes:
        count: records so far, with the unreadable ones.
    """

    def __init__(self, counter: RecordCounter, parts: Iterator[Part[RangeCounts]]) -> None:
        self.sample, self.count = counter.hashes, 0
        self._counter, self._parts = counter, parts
        self._shards: list[tuple[int, Shard]] = []

    def hashes(self) -> Iterator[np.ndarray]:
        """Yield arrays of uint64: a hash per record, 0 for an unreadable one."""
        for part in self._parts:
            if not self._shards or self._shards[-1][1] is not part.shard:
                self._shards.append((self.count, part.shard))
            self.count += len(part.result.hashes)
            if len(part.result.hashes):
                yield part.result.hashes

    def record(self, number: int, is_readable: bool) -> PlacedRecord:
        """Read the record with this number, counted over all shards; 0.5 us for each before it."""
        first, shard = [(first, shard) for first, shard in self._shards if first <= number][-1]
        index = number - first
        try:
            frame = next(read_frames(shard, first=index, check_data=False), None)
        except FrameError:
            frame = None
        if frame is None or not is_readable:
            return PlacedRecord(shard.path, index, frame.offset if frame else None, {})
        schema, tokens = self._counter.schema, self._counter.data_set.require_vocabulary().tokens
        stored, features = parse_example(frame.data), {}
        for feature in schema.features:
            values = stored[schema.stored_names[feature.name]].values
            if feature.below == "vocab_size":
                values = [tokens[i] if i < len(tokens) else f"id {i:,}" for i in values]
            features[feature.name] = values
        return PlacedRecord(shard.path, index, frame.offset, features)


@dataclass(frozen=True)
class Alignment:
    """The records that two data sets have in common.

    Attributes:
        equal: records that equal the one in the same place of the other data set.
        only: records that the other side does not have in any place, left and right, counted with
            their copies.
        share: fraction of the records that `only` is computed from; below 1 it is an estimate.
        differences: the first of these records; both if they are in the same place.
    """

    equal: int
    only: tuple[int, int]
    share: float
    differences: list[Difference]


def align(left: Side, right: Side, num: int) -> Alignment:
    """Read both to their ends; find the first `num` differences."""
    equal, number, places = 0, 0, list[np.ndarray]()
    room = _MOST_PLACES
    for a, b in _side_by_side(left.hashes(), right.hashes()):
        size = max(len(a), len(b))
        a, b = (np.pad(hashes, (0, size - len(hashes))) for hashes in (a, b))
        is_equal = (a == b) & (a != 0)
        equal += int(is_equal.sum())
        if room:
            other = np.flatnonzero(~is_equal)[:room]
            places.append(
                np.stack([other.astype(np.uint64) + np.uint64(number), a[other], b[other]])
            )
            room -= len(other)
        number += size
    share, num_left, num_right, common = share_common(left.sample, right.sample)
    numbers, a, b = np.concatenate([np.zeros((3, 0), np.uint64), *places], axis=1)
    missing = [
        other.sample.lacks(hashes) | ((hashes == 0) & (numbers < side.count))
        for hashes, side, other in ((a, left, right), (b, right, left))
    ]
    differences = [
        Difference(
            left.record(int(numbers[i]), bool(a[i])) if missing[0][i] else None,
            right.record(int(numbers[i]), bool(b[i])) if missing[1][i] else None,
        )
        for i in np.flatnonzero(missing[0] | missing[1])[:num].tolist()
    ]
    only = round((num_left - common) / share), round((num_right - common) / share)
    return Alignment(equal, only, share, differences)


def _side_by_side(
    left: Iterator[np.ndarray], right: Iterator[np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield pieces of both, of equal length; after the end of one, the other with nothing."""
    a = b = _NONE
    while True:
        a = a if len(a) else next(left, _NONE)
        b = b if len(b) else next(right, _NONE)
        if not len(a) and not len(b):
            return
        size = min(len(a), len(b)) or max(len(a), len(b))
        yield a[:size], b[:size]
        a, b = a[size:], b[size:]
