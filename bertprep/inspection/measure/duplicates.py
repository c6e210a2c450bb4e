"""Hashes of records -> how many records are equal: of all of them, or of a fair sample.

    hashes = HashSample()
    hashes.add(one_part)
    count_duplicates(hashes)

Eight bytes a record up to `MOST_HASHES`; then only hashes below a threshold are kept, which is
halved whenever the room is full again. The copies of a record have one hash, so that a sample has
all copies of what it has.
"""

import numpy as np

from bertprep.inspection.measure.measures import Duplicates
from bertprep.kernels.hashes import count_common, count_copies

MOST_HASHES = 20_000_000
_CHUNK = 1 << 20


class HashSample:
    """The hashes of records: all, or those below 2**64 * share.

    Args:
        most: hashes to keep.

    Attributes:
        halvings: of the threshold.
    """

    def __init__(self, most: int = MOST_HASHES) -> None:
        self._room = np.empty(most, np.uint64)  # the system gives no memory before it is written
        self._count = 0
        self.halvings = 0

    @property
    def share(self) -> float:
        """Of all hashes, those that are kept."""
        return 0.5**self.halvings

    @property
    def kept(self) -> np.ndarray:
        """uint64[...]. The hashes."""
        return self._room[: self._count]

    def add(self, hashes: np.ndarray) -> None:
        """Takes the hashes of more records; 0 is none."""
        for start in range(0, len(hashes), _CHUNK):
            chunk = hashes[start : start + _CHUNK]
            chunk = self._below(chunk[chunk != 0])
            while self._count + len(chunk) > len(self._room):
                self.thin(self.halvings + 1)
                chunk = self._below(chunk)
            self._room[self._count : self._count + len(chunk)] = chunk
            self._count += len(chunk)

    def thin(self, halvings: int) -> None:
        """Keeps the hashes up to a lower threshold."""
        self.halvings, have, self._count = halvings, self._count, 0
        for start in range(0, have, _CHUNK):
            below = self._below(self._room[start : min(start + _CHUNK, have)])
            self._room[self._count : self._count + len(below)] = below
            self._count += len(below)

    def lacks(self, hashes: np.ndarray) -> np.ndarray:
        """bool[...]. Which hashes were surely not added; what is kept must be sorted."""
        places = np.searchsorted(self.kept, hashes)
        last = max(0, len(self.kept) - 1)
        is_in = self._room[np.minimum(places, last)] == hashes if self._count else hashes == 0
        lacks: np.ndarray = ~is_in & (hashes != 0) & (hashes <= self._highest)
        return lacks

    @property
    def _highest(self) -> np.uint64:
        return np.uint64((1 << 64 - self.halvings) - 1)

    def _below(self, hashes: np.ndarray) -> np.ndarray:
        if not self.halvings:
            return hashes
        return hashes[hashes <= self._highest]


def count_duplicates(hashes: HashSample) -> Duplicates:
    """Counts the equal ones; sorts what is kept."""
    hashes.kept.sort()
    num = len(hashes.kept)
    duplicates, largest, squares, certain, certain_duplicates = count_copies(hashes.kept)
    return Duplicates(
        duplicates=round(duplicates / hashes.share),
        largest_group=int(largest),
        compared=num,
        share=hashes.share,
        copies=squares / num if num else 1.0,
        certain=int(certain),
        certain_duplicates=int(certain_duplicates),
    )


def share_common(left: HashSample, right: HashSample) -> tuple[float, int, int, int]:
    """Sorts two samples, and compares them below the lower of their thresholds.

    Returns:
        The share of the hashes that were compared; how many the left has, the right, and both.
    """
    halvings = max(left.halvings, right.halvings)
    for sample in (left, right):
        sample.thin(halvings)
        sample.kept.sort()
    common = int(count_common(left.kept, right.kept))
    return left.share, len(left.kept), len(right.kept), common
