"""Hashes of records -> the number of duplicates, counted among all records or a random sample.

    hashes = HashSample(MOST_HASHES)
    hashes.add(hashes_of_a_part)
    count_duplicates(hashes)

Eight bytes per record up to `MOST_HASHES`. Beyond that only hashes below a threshold are kept, and
the threshold is halved each time the array is full. Equal records have equal hashes, so a sample
holds either all copies of a record or none.
"""

from dataclasses import dataclass

import numpy as np

from bertprep.kernels.hashes import count_common, count_copies

MOST_HASHES = 20_000_000
_CHUNK = 1 << 20


class HashSample:
    """Hashes of records: all of them, or those below 2**64 * share.

    Args:
        most: hashes to keep at most.

    Attributes:
        halvings: how often the threshold was halved.
    """

    def __init__(self, most: int) -> None:
        self._room = np.empty(most, np.uint64)  # takes no memory until it is written
        self._count = 0
        self.halvings = 0

    @property
    def share(self) -> float:
        """Fraction of all hashes that is kept."""
        return 0.5**self.halvings

    @property
    def kept(self) -> np.ndarray:
        """uint64[...]. The hashes that are kept."""
        return self._room[: self._count]

    def add(self, hashes: np.ndarray) -> None:
        """Add the hashes of more records; 0 is the hash of an unreadable one."""
        for start in range(0, len(hashes), _CHUNK):
            chunk = hashes[start : start + _CHUNK]
            chunk = self._below(chunk[chunk != 0])
            while self._count + len(chunk) > len(self._room):
                self.thin(self.halvings + 1)
                chunk = self._below(chunk)
            self._room[self._count : self._count + len(chunk)] = chunk
            self._count += len(chunk)

    def thin(self, halvings: int) -> None:
        """Lower the threshold to 2**64 / 2**halvings."""
        self.halvings, have, self._count = halvings, self._count, 0
        for start in range(0, have, _CHUNK):
            below = self._below(self._room[start : min(start + _CHUNK, have)])
            self._room[self._count : self._count + len(below)] = below
            self._count += len(below)

    def lacks(self, hashes: np.ndarray) -> np.ndarray:
        """Return bool[...]: which hashes are certainly not in the data; `kept` must be sorted."""
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


@dataclass(frozen=True)
class Duplicates:
    """Duplicate records of a data set.

    Attributes:
        duplicates: records equal to an earlier one; an estimate if `share` is below 1.
        largest_group: size of the largest group of equal records.
        compared: records that were compared, by their hashes.
        share: fraction of all records that was compared.
        copies: mean size of the group of equal records that a record is in; so many records count
            as one observation.
        certain: compared records of so many words and masks that none has an equal by chance.
        certain_duplicates: records among those that equal an earlier one.
    """

    duplicates: int
    largest_group: int
    compared: int
    share: float
    copies: float = 1.0
    certain: int = 0
    certain_duplicates: int = 0


def count_duplicates(hashes: HashSample) -> Duplicates:
    """Count equal hashes; sorts `hashes.kept`."""
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
    """Compare two samples below the lower of their thresholds; sorts both.

    Returns:
        The fraction of the hashes that is compared, and how many of those are in the left sample,
        in the right one, and in both.
    """
    halvings = max(left.halvings, right.halvings)
    for sample in (left, right):
        sample.thin(halvings)
        sample.kept.sort()
    common = int(count_common(left.kept, right.kept))
    return left.share, len(left.kept), len(right.kept), common
