"""Two data sets -> whether they are equal; if not, the first differences and those of statistics.

    comparison = compare(options)
    comparison.is_equal
    for line in show_comparison(comparison, click.style):
        print(line)

    A  /tmp/a: 4,821 records in 4 shards
    B  /tmp/b: 4,821 records in 1 shard

    not equal: 4,820 records are equal in the same place; 1 only in A and 1 only in B

    A  /tmp/a/x.tfrecord: record 17 at byte 13,944
    B  /tmp/b/y.tfrecord: record 17 at byte 13,944
       masked_lm_ids[3]: ferry -> dawn

Records are equal if their features are: the order and the names of the features, compression and
shards do not count. Both data sets are read at once, as fast as `statistics` reads one, in 300 MB.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Any

from bertprep.inspection.compare.alignment import (
    MOST_HASHES,
    Alignment,
    Difference,
    Side,
    align,
)
from bertprep.inspection.statistics import (
    WIDTH,
    Style,
    conclude,
    measure,
    section_lines,
)
from bertprep.inspection.statistics.counts import RecordCounter
from bertprep.inspection.statistics.findings import FindingPair, Statistics, pair_findings
from bertprep.options import InspectOptions, available_cores
from bertprep.records import DataSet, RecordSchema, find_data_set, read_schema
from bertprep.terminal import count_of, printable, wrapped

#: Values of a feature to show.
_MOST_VALUES = 3


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two data sets, compared.

    Attributes:
        statistics: those of A and of B.
        alignment: their records, compared; None if no record of one can equal one of the other.
        reason: why no record can be equal.
    """

    statistics: tuple[Statistics, Statistics]
    alignment: Alignment | None = None
    reason: str = ""

    @property
    def frames(self) -> tuple[int, int]:
        """Records of A and of B, with the unreadable ones."""
        a, b = (statistics.counts for statistics in self.statistics)
        return a.records + a.unreadable, b.records + b.unreadable

    @property
    def differences(self) -> list[Difference]:
        """The first differences."""
        return self.alignment.differences if self.alignment else []

    @property
    def is_equal(self) -> bool:
        """Both have the same records in the same order."""
        return self.alignment is not None and self.frames == (self.alignment.equal,) * 2

    @property
    def is_reordered(self) -> bool:
        """Both have the same records, all readable, in another order."""
        a, b = (statistics.counts for statistics in self.statistics)
        is_read = self.alignment is not None and not (a.unreadable or b.unreadable)
        is_same = a.records == b.records and a.hash_sum == b.hash_sum
        return is_read and is_same and not self.is_equal

    @property
    def pairs(self) -> list[FindingPair]:
        return list(pair_findings(*self.statistics))


def compare(options: InspectOptions) -> Comparison:
    """Compare the records of `paths` with those of `compare`.

    Args:
        options: `num`, `vocab`, `workers` and `quiet` are used as well.

    Raises:
        UsageError: there are no such records, or no vocabulary for them.
        BertprepError: one of the two has no record that can be read.
    """
    assert options.compare is not None
    left = find_data_set(options.paths, options.vocab)
    right = find_data_set((options.compare,), options.vocab)
    schemas = read_schema(left), read_schema(right)
    data_sets = _with_vocabulary(left, right), _with_vocabulary(right, left)
    reason = _why_not(data_sets, schemas)
    if reason:
        a, b = (
            measure(*of, workers=options.workers, quiet=options.quiet)
            for of in zip(data_sets, schemas, strict=True)
        )
        return Comparison((a, b), reason=reason)
    counter_a, counter_b = (
        RecordCounter(*of, MOST_HASHES) for of in zip(data_sets, schemas, strict=True)
    )
    workers, quiet = max(1, (options.workers or available_cores()) // 2), options.quiet
    with (
        closing(counter_a.scan(stage="compare A", workers=workers, quiet=quiet)) as parts_a,
        closing(counter_b.scan(stage="compare B", workers=workers, quiet=quiet)) as parts_b,
    ):
        alignment = align(Side(counter_a, parts_a), Side(counter_b, parts_b), options.num)
    return Comparison((conclude(counter_a), conclude(counter_b)), alignment)


def show_comparison(
    comparison: Comparison, style: Style, *, as_json: bool = False
) -> Iterator[str]:
    """Yield the comparison as lines of text, or as one line of JSON.

    Args:
        comparison: the comparison.
        style: styles a text by `fg`, `bold` and `dim`, as `click.style` does.
        as_json: JSON instead of text.
    """
    if as_json:
        yield json.dumps(_as_json(comparison), ensure_ascii=False)
        return
    for name, statistics in zip("AB", comparison.statistics, strict=True):
        counts, data_set = statistics.counts, statistics.data_set
        shards = count_of(len(data_set.shards), "shard")
        text = f"{data_set.name}: {count_of(counts.records, 'record')} in {shards}"
        text += f", and {counts.unreadable:,} unreadable" if counts.unreadable else ""
        yield f"{style(name, bold=True)}  {text}"
    yield ""
    looks = {"fg": "green"} if comparison.is_equal else {"fg": "red", "bold": True}
    for line in wrapped(_verdict(comparison), WIDTH):
        yield style(line, **looks)
    for difference in comparison.differences:
        yield ""
        yield from _difference_lines(difference, style)
    if comparison.is_equal or comparison.is_reordered:
        return
    for title, pairs in groupby(comparison.pairs, lambda pair: pair.title):
        rows = (
            replace(p.left, expected=p.right.shown, is_anomaly=p.is_anomaly, note="") for p in pairs
        )
        yield from section_lines(title, ("A", "B"), rows, style)
    yield ""
    num_anomalies = sum(pair.is_anomaly for pair in comparison.pairs)
    found = f"{count_of(num_anomalies, 'anomaly', 'anomalies')} found"
    yield (
        style(found, bold=True)
        if num_anomalies
        else f"{found}: the statistics differ no more than by chance"
    )


def _with_vocabulary(data_set: DataSet, other: DataSet) -> DataSet:
    """Return the data set, with the vocabulary of the other one if it has none."""
    if data_set.vocabulary is None and other.vocabulary is not None:
        path = other.vocabulary_path
        return replace(data_set, vocabulary=other.vocabulary, vocabulary_path=path)
    data_set.require_vocabulary()
    return data_set


def _why_not(data_sets: tuple[DataSet, DataSet], schemas: tuple[RecordSchema, RecordSchema]) -> str:
    """Return why no record of one can equal one of the other; an empty text if it can."""
    a, b = schemas
    if a.objective != b.objective:
        return f"A is made for objective {a.objective}, B for {b.objective}"
    for what, of_a, of_b in (
        ("max_seq_length", a.max_seq_length, b.max_seq_length),
        ("max_predictions_per_seq", a.max_predictions, b.max_predictions),
    ):
        if of_a != of_b:
            return f"{what} is {of_a:,} in A and {of_b:,} in B"
    tokens = [data_set.require_vocabulary().tokens for data_set in data_sets]
    if tokens[0] != tokens[1]:
        sizes = f"{len(tokens[0]):,} and {len(tokens[1]):,} pieces"
        return f"A and B have different vocabularies, of {sizes}"
    return ""


def _verdict(comparison: Comparison) -> str:
    (a, b), alignment = comparison.frames, comparison.alignment
    if alignment is None:
        return f"not equal, and no records are compared: {comparison.reason}"
    if comparison.is_equal:
        return f"equal: the same {count_of(a, 'record')} in the same order"
    if comparison.is_reordered:
        return f"not equal: the same {count_of(a, 'record')} in another order"
    about = "" if alignment.share == 1.0 else "about "
    only = " and ".join(
        f"{about}{count:,} only in {name}" for count, name in zip(alignment.only, "AB", strict=True)
    )
    is_or_are = "is" if alignment.equal == 1 else "are"
    equal = count_of(alignment.equal, "record")
    phrases = [f"not equal: {equal} {is_or_are} equal in the same place", only]
    if a != b:
        phrases.append(f"{'A' if a > b else 'B'} has {abs(a - b):,} more")
    if alignment.share < 1.0:
        phrases.append(f"estimated from 1 in {round(1 / alignment.share):,} records")
    return "; ".join(phrases)


def _difference_lines(difference: Difference, style: Style) -> Iterator[str]:
    for name, record in (("A", difference.left), ("B", difference.right)):
        if record is not None:
            byte = "" if record.byte is None else f" at byte {record.byte:,}"
            problem = "" if record.features else " cannot be read: --verify says why"
            place = f"{printable(record.file)}: record {record.record:,}{byte}{problem}"
            yield f"{style(name, bold=True)}  {place}"
    if difference.left is None or difference.right is None:
        yield f"   only in {'A' if difference.right is None else 'B'}"
    # Feature by feature: `masked_lm_ids[3]: ferry -> dawn, [4]: sea -> in, and 4 more`.
    for name, group in groupby(difference.changes, lambda change: change.name):
        changes = list(group)
        shown = [
            f"[{change.index}]: {_value(change.left)} -> {_value(change.right)}"
            for change in changes[:_MOST_VALUES]
        ]
        more = len(changes) - len(shown)
        text = f"{name}{', '.join(shown)}{f', and {more:,} more' if more else ''}"
        yield from wrapped(text, WIDTH, " " * 3, " " * 5)


def _value(value: Any) -> str:
    return printable(value) if isinstance(value, str) else f"{value:g}"


def _as_json(comparison: Comparison) -> dict[str, Any]:
    alignment, (a, b) = comparison.alignment, comparison.statistics
    return {
        "a": a.data_set.name,
        "b": b.data_set.name,
        "is_equal": comparison.is_equal,
        "is_reordered": comparison.is_reordered,
        "records": list(comparison.frames),
        "unreadable": [a.counts.unreadable, b.counts.unreadable],
        "not_compared": comparison.reason or None,
        "equal": alignment.equal if alignment else None,
        "only": list(alignment.only) if alignment else None,
        "share": alignment.share if alignment else None,
        "differences": [
            {
                "a": difference.left.place if difference.left else None,
                "b": difference.right.place if difference.right else None,
                "changes": [asdict(change) for change in difference.changes],
            }
            for difference in comparison.differences
        ],
        "statistics": [
            {
                "section": pair.title,
                "key": pair.left.key,
                "a": pair.left.value,
                "b": pair.right.value,
                "p": pair.p,
                "is_anomaly": pair.is_anomaly,
            }
            for pair in comparison.pairs
        ],
    }
