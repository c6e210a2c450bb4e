"""Record counts of shards -> the order of a shuffled epoch, computed and not stored.

    order = EpochOrder([5000, 7000], seed=1, epoch=0)
    order.window_of(8000)        the window of position 8000, and the window's first position
    order.ranges(0)              the records of window 0, as ranges of shards
    order.permutation(0)         the order of these records

An epoch has every record once. The shards, in a shuffled order, form a ring; the epoch starts at a
random record of it and divides it into NUM_LANES equal lanes. A window takes the next part of each
lane, so that its records come from 16 regions of the data set, whether that is one shard or a
thousand; inside a window records are shuffled. Shards are only read forwards.

So the position of a record follows from the seed and from the record counts alone: a resumed run
computes where it was. No state is saved, and no record is read again to get there.

Memory: 8 bytes per record of one window. The hashes are defined here, so that an order never
changes with the version of NumPy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bertprep.data import mix64

#: Regions of the data set that a window takes records from.
NUM_LANES = 16
#: Most records of a window.
WINDOW_RECORDS = 1 << 16

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class ShardRange:
    """Consecutive records of a shard: `[first, first + count)`."""

    shard: int
    first: int
    count: int


def hashes(count: int, *words: int) -> np.ndarray:
    """Return uint64[count]: pseudo-random numbers that follow from a few words."""
    state = np.zeros(1, np.uint64)
    for word in words:
        # An array of one: NumPy warns when a scalar overflows, as it must here.
        state = mix64(state + np.array([word & (2**64 - 1)], np.uint64) * _GOLDEN + _GOLDEN)
    return mix64(state + np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN)


def shuffled(count: int, *words: int) -> np.ndarray:
    """Return int64[count]: the numbers below `count`, in an order that follows from a few words."""
    return np.argsort(hashes(count, *words), kind="stable")


class EpochOrder:
    """The order of the records in one epoch.

    Args:
        counts: number of records of each shard.
        seed, epoch: what the order follows from.
        window_records: most records of a window.
        is_shuffled: False keeps the order of the shards.

    Attributes:
        num_records: records of the epoch.
        window_starts: int64[num_windows + 1]. First position of each window, and the end.
    """

    def __init__(
        self,
        counts: Sequence[int],
        seed: int,
        epoch: int,
        window_records: int = WINDOW_RECORDS,
        *,
        is_shuffled: bool = True,
    ) -> None:
        self._words = (seed, epoch)
        self._is_shuffled = is_shuffled
        num_shards, lanes = len(counts), NUM_LANES if is_shuffled else 1
        self._shards = (
            shuffled(num_shards, seed, epoch, 0) if is_shuffled else np.arange(num_shards)
        )
        self._counts = np.array(counts, np.int64)[self._shards]
        self._ends = np.cumsum(self._counts)
        self.num_records = int(self._ends[-1])
        assert self.num_records > 0
        rotation = int(hashes(1, seed, epoch, 1)[0]) % self.num_records if is_shuffled else 0
        self._lanes = rotation + self.num_records * np.arange(lanes + 1, dtype=np.int64) // lanes
        longest = int(np.diff(self._lanes).max())
        num_windows = -(-longest // max(1, window_records // lanes))
        # Windows take equal shares of a lane: no small window is left at the end.
        parts = np.arange(num_windows + 1, dtype=np.int64)[:, None]
        self._bounds = self._lanes[:-1] + np.diff(self._lanes) * parts // num_windows
        self.window_starts = np.concatenate(
            [[0], np.cumsum(np.diff(self._bounds, axis=0).sum(axis=1))]
        )

    @property
    def num_windows(self) -> int:
        """Number of windows of the epoch."""
        return len(self.window_starts) - 1

    def window_of(self, position: int) -> tuple[int, int]:
        """Return the window of a position of the epoch, and the window's first position."""
        window = int(np.searchsorted(self.window_starts, position, side="right")) - 1
        return window, int(self.window_starts[window])

    def ranges(self, window: int) -> list[list[ShardRange]]:
        """Return the records of a window, by lane, in the order in which they are read."""
        bounds = self._bounds[window : window + 2].T.tolist()
        return [self._ranges_between(start, end) for start, end in bounds]

    def _ranges_between(self, start: int, end: int) -> list[ShardRange]:
        """Return the records between two positions of the ring."""
        ranges = []
        while start < end:
            position = start % self.num_records
            number = int(np.searchsorted(self._ends, position, side="right"))
            left = int(self._ends[number]) - position
            count = min(left, end - start)
            first = int(self._counts[number]) - left
            ranges.append(ShardRange(int(self._shards[number]), first, count))
            start += count
        return ranges

    def permutation(self, window: int) -> np.ndarray:
        """Return int64[records of the window]: which of its records comes at each position."""
        size = int(self.window_starts[window + 1] - self.window_starts[window])
        return shuffled(size, *self._words, 2, window) if self._is_shuffled else np.arange(size)
