"""Two data sets, hash by hash in the order of their records -> what is equal, and what is not.

    alignment = align(left, right, num=3)
    alignment.equal, alignment.only, alignment.differences

Both are read at the same time, so that no more is kept than a sample of the hashes, up to 8 million
a side, and the first places at which the two differ.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bertprep.inspection.measure.duplicates import HashSample, share_common
from bertprep.inspection.measure.tally import Counts
from bertprep.inspection.scan import Part
from bertprep.records import Shard

MOST_HASHES = 8_000_000
#: Places that are looked through for records that the other side does not have.
_MOST_PLACES = 1 << 16
_NONE = np.zeros(0, np.uint64)


@dataclass(frozen=True)
class Place:
    """A record, by its index in its shard."""

    shard: Shard
    index: int
    is_readable: bool


class Side:
    """The hashes of a data set as they come.

    Args:
        parts: of a tally's scan.
        sample: what that tally fills.

    Attributes:
        count: frames so far, records that cannot be read among them.
    """

    def __init__(self, parts: Iterator[Part[Counts]], sample: HashSample) -> None:
        self.sample, self.count = sample, 0
        self._parts = parts
        self._shards: list[tuple[int, Shard]] = []

    def hashes(self) -> Iterator[np.ndarray]:
        """uint64[...] after uint64[...]. 0 for a record that cannot be read."""
        for part in self._parts:
            if not self._shards or self._shards[-1][1] is not part.shard:
                self._shards.append((self.count, part.shard))
            self.count += len(part.result.hashes)
            if len(part.result.hashes):
                yield part.result.hashes

    def place(self, number: int, is_readable: bool) -> Place:
        """Where the record with this number, over all shards, is."""
        first, shard = [(first, shard) for first, shard in self._shards if first <= number][-1]
        return Place(shard, number - first, is_readable)


@dataclass(frozen=True)
class Alignment:
    """What two data sets have in common.

    Attributes:
        equal: records that are equal to the one in the same place.
        only: records that the other side does not have in any place, left and right. Equal ones
            count as often as they are there.
        share: of the records that `only` was found by; it is an estimate where this is below 1.
        differences: the first of these records by their places, left and right; both where the
            two stand in the same place.
    """

    equal: int
    only: tuple[int, int]
    share: float
    differences: list[tuple[Place | None, Place | None]]


def align(left: Side, right: Side, num: int) -> Alignment:
    """Reads both to their ends; finds the first `num` differences."""
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
        (
            left.place(int(numbers[i]), bool(a[i])) if missing[0][i] else None,
            right.place(int(numbers[i]), bool(b[i])) if missing[1][i] else None,
        )
        for i in np.flatnonzero(missing[0] | missing[1])[:num].tolist()
    ]
    only = round((num_left - common) / share), round((num_right - common) / share)
    return Alignment(equal, only, share, differences)


def _side_by_side(
    left: Iterator[np.ndarray], right: Iterator[np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Stretches of both, of one length; where one has ended, the other with none."""
    a = b = _NONE
    while True:
        a = a if len(a) else next(left, _NONE)
        b = b if len(b) else next(right, _NONE)
        if not len(a) and not len(b):
            return
        size = min(len(a), len(b)) or max(len(a), len(b))
        yield a[:size], b[:size]
        a, b = a[size:], b[size:]
