"""Numbers of records -> which record stands at which place of a shuffled epoch, by arithmetic.

    order = EpochOrder([5000, 7000], seed=1, epoch=0)
    order.window_of(8000)        the window with place 8000, and the first place in it
    order.pieces(0)              the records of window 0, as ranges of shards
    order.permutation(0)         the order of these among themselves

An epoch has every record once. It lays the shards behind one another in an order of its own, begins
somewhere in that ring, and cuts it into LANES equal stretches. A window takes the next part of
each lane, so that its records come from 16 places of the data set, whether that is one shard or a
thousand; and inside a window the order is any. Shards are only ever read forwards.

So the place of a record follows from the seed and from the numbers of records alone: a run that
goes on computes where it was. No state is kept, and nothing is gone through again.

Memory: 8 bytes a record of one window. Hashes are our own, so that an order never changes with a
version of NumPy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bertprep.data import mix_bits

#: Stretches of the data set that a window has records of.
LANES = 16
#: Records of a window, at most.
WINDOW_RECORDS = 1 << 16

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Piece:
    """Records that follow one another in a shard: `[first, first + count)`."""

    shard: int
    first: int
    count: int


def hashes(count: int, *words: int) -> np.ndarray:
    """uint64[count]. Numbers that look random, and follow from a few words."""
    state = np.zeros(1, np.uint64)
    for word in words:
        # An array of one: NumPy warns when a scalar overflows, as it must here.
        state = mix_bits(state + np.array([word & (2**64 - 1)], np.uint64) * _GOLDEN + _GOLDEN)
    return mix_bits(state + np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN)


def shuffled(count: int, *words: int) -> np.ndarray:
    """int64[count]. The numbers below `count` in an order that follows from a few words."""
    return np.argsort(hashes(count, *words), kind="stable")


class EpochOrder:
    """The order of one epoch.

    Args:
        counts: records of each shard.
        seed, epoch: what the order follows from.
        window_records: records of a window, at most.
        is_shuffled: otherwise every record stands at its own place.

    Attributes:
        num_records: places of the epoch.
        window_starts: int64[num_windows + 1]. The first place of each window, and the end.
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
        num_shards, lanes = len(counts), LANES if is_shuffled else 1
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
        # Of each lane the same share a window: the last one is not a rest with few neighbours.
        parts = np.arange(num_windows + 1, dtype=np.int64)[:, None]
        self._bounds = self._lanes[:-1] + np.diff(self._lanes) * parts // num_windows
        self.window_starts = np.concatenate(
            [[0], np.cumsum(np.diff(self._bounds, axis=0).sum(axis=1))]
        )

    @property
    def num_windows(self) -> int:
        return len(self.window_starts) - 1

    def window_of(self, place: int) -> tuple[int, int]:
        """The window that a place of the epoch is in, and the window's first place."""
        window = int(np.searchsorted(self.window_starts, place, side="right")) - 1
        return window, int(self.window_starts[window])

    def pieces(self, window: int) -> list[list[Piece]]:
        """The records of a window, by lane, in the order in which they are read."""
        bounds = self._bounds[window : window + 2].T.tolist()
        return [self._pieces_between(start, end) for start, end in bounds]

    def _pieces_between(self, start: int, end: int) -> list[Piece]:
        """The records from one place of the ring to another."""
        pieces = []
        while start < end:
            place = start % self.num_records
            number = int(np.searchsorted(self._ends, place, side="right"))
            left = int(self._ends[number]) - place
            count = min(left, end - start)
            first = int(self._counts[number]) - left
            pieces.append(Piece(int(self._shards[number]), first, count))
            start += count
        return pieces

    def permutation(self, window: int) -> np.ndarray:
        """int64[records of the window]. Which of its records stands at each of its places."""
        size = int(self.window_starts[window + 1] - self.window_starts[window])
        return shuffled(size, *self._words, 2, window) if self._is_shuffled else np.arange(size)
