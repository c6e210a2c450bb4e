"""What comes out when two data sets are compared: records in common, and numbers in pairs.

compared.is_equal
[pair.left.name for pair in compared.pairs if pair.is_marked]
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bertprep.inspection.compare.alignment import Alignment
from bertprep.inspection.compare.differences import Difference
from bertprep.inspection.measure.measures import Finding, Statistics
from bertprep.inspection.measure.probability import difference_p, is_marked
from bertprep.records import DataSet


@dataclass(frozen=True)
class NumberPair:
    """A number of A and the same one of B.

    Attributes:
        title: of their section.
        left, right: the number in A and in B.
        p: probability of two as far apart, if both data sets were made alike; None without a test.
        is_marked: p < 1e-6, and more than a percentage point apart; for a mean, a hundredth of it.
            Or one of the two is marked by itself, and the other is not.
    """

    title: str
    left: Finding
    right: Finding
    p: float | None
    is_marked: bool


@dataclass(frozen=True, eq=False)
class Compared:
    """Two data sets.

    Attributes:
        data_sets, statistics: of A and of B.
        alignment: what their records have in common; None where they cannot be compared.
        differences: the first of them.
        reason: why they cannot be compared, a phrase about the records.
    """

    data_sets: tuple[DataSet, DataSet]
    statistics: tuple[Statistics, Statistics]
    alignment: Alignment | None = None
    differences: Sequence[Difference] = field(default_factory=list)
    reason: str = ""

    @property
    def frames(self) -> tuple[int, int]:
        """Records of A and of B, and those among them that cannot be read."""
        a, b = (statistics.measures for statistics in self.statistics)
        return a.records + a.unreadable, b.records + b.unreadable

    @property
    def is_equal(self) -> bool:
        """They have the same records in the same order."""
        return self.alignment is not None and self.frames == (self.alignment.equal,) * 2

    @property
    def is_reordered(self) -> bool:
        """They have the same records, all of which were read, in another order."""
        a, b = (statistics.measures for statistics in self.statistics)
        is_read = self.alignment is not None and not (a.unreadable or b.unreadable)
        is_same = a.records == b.records and a.hash_sum == b.hash_sum
        return is_read and is_same and not self.is_equal

    @property
    def pairs(self) -> list[NumberPair]:
        """All numbers that both have, in the order in which they are shown."""
        copies = [statistics.duplicates.copies for statistics in self.statistics]
        a, b = (statistics.sections for statistics in self.statistics)
        pairs = []
        for title in a:
            others = {finding.key: finding for finding in b[title]}
            for left in a[title]:
                if left.key in others:
                    right = others[left.key]
                    p, marked = _test(left, right, *copies)
                    marked |= left.is_marked != right.is_marked
                    pairs.append(NumberPair(title, left, right, p, marked))
        return pairs


def _test(a: Finding, b: Finding, copies_a: float, copies_b: float) -> tuple[float | None, bool]:
    """Two shares or two means: how likely such a difference is, and whether it is marked."""
    if not a.of or not b.of:
        return None, False
    of_a, of_b = a.of / copies_a, b.of / copies_b
    distance = abs(a.value - b.value)
    if a.spread is None or b.spread is None:
        share = (a.value * of_a + b.value * of_b) / (of_a + of_b)
        variance = share * (1.0 - share) * (1.0 / of_a + 1.0 / of_b)
    else:
        variance = a.spread**2 / of_a + b.spread**2 / of_b
        distance /= max(a.value, b.value, 1e-300)
    p = difference_p(a.value, b.value, variance)
    return p, is_marked(p, distance)
