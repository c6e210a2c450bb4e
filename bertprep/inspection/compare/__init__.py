"""Two data sets -> whether they are equal; else the first differences, and those of their numbers.

    comparison = compare(options, click.style)
    comparison.is_equal
    for line in comparison.lines:
        print(line)

Records are equal where their features are: the order of the features, their names, compression and
shards do not count. Both data sets are read at once, at the pace of `measure`, in 300 MB.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from bertprep.inspection.compare.alignment import MOST_HASHES, Place, Side, align
from bertprep.inspection.compare.compared import Compared
from bertprep.inspection.compare.differences import Difference, PlacedRecord, read_record_at
from bertprep.inspection.compare.printed import as_json, as_text
from bertprep.inspection.measure import conclude, measure
from bertprep.inspection.measure.duplicates import HashSample
from bertprep.inspection.measure.tally import Tally
from bertprep.options import InspectOptions, available_cores
from bertprep.records import DataSet, RecordSchema, find_data_set, read_schema


@dataclass(frozen=True)
class Comparison:
    """What there is to say of two data sets.

    Attributes:
        is_equal: they have the same records in the same order.
        lines: of text, or one of JSON.
    """

    is_equal: bool
    lines: Sequence[str]


def compare(options: InspectOptions, style: Callable[..., str]) -> Comparison:
    """Compares the records of `paths` with those of `compare`.

    Args:
        options: of which `num`, `vocab`, `json`, `workers` and `quiet` are looked at too.
        style: puts colours around a text by `fg`, `bold` and `dim`, as `click.style` does.

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
        workers, quiet = options.workers, options.quiet
        a, b = (
            measure(data_set, schema, workers=workers, quiet=quiet)
            for data_set, schema in zip(data_sets, schemas, strict=True)
        )
        compared = Compared(data_sets, (a, b), reason=reason)
    else:
        compared = _compare_records(data_sets, schemas, options)
    if options.json:
        lines = [json.dumps(as_json(compared), ensure_ascii=False)]
    else:
        lines = list(as_text(compared, style))
    return Comparison(compared.is_equal, lines)


def _with_vocabulary(data_set: DataSet, other: DataSet) -> DataSet:
    """The data set with the other's vocabulary, if it has none."""
    if data_set.vocabulary is None and other.vocabulary is not None:
        path = other.vocabulary_path
        return replace(data_set, vocabulary=other.vocabulary, vocabulary_path=path)
    data_set.require_vocabulary()
    return data_set


def _why_not(data_sets: tuple[DataSet, DataSet], schemas: tuple[RecordSchema, RecordSchema]) -> str:
    """Why no record of one can be equal to one of the other, in words; empty where it can."""
    a, b = schemas
    if a.max_seq_length != b.max_seq_length:
        return f"those of A have {a.max_seq_length:,} tokens, and those of B {b.max_seq_length:,}"
    if a.max_predictions != b.max_predictions:
        return f"those of A have room for {a.max_predictions:,} masks, of B {b.max_predictions:,}"
    pieces = [data_set.require_vocabulary().tokens for data_set in data_sets]
    if pieces[0] != pieces[1]:
        sizes = f"{len(pieces[0]):,} and {len(pieces[1]):,} pieces"
        return f"their ids mean other pieces, of two vocabularies with {sizes}"
    return ""


def _compare_records(
    data_sets: tuple[DataSet, DataSet],
    schemas: tuple[RecordSchema, RecordSchema],
    options: InspectOptions,
) -> Compared:
    samples = HashSample(MOST_HASHES), HashSample(MOST_HASHES)
    left, right = tallies = [Tally(*of) for of in zip(data_sets, schemas, samples, strict=True)]
    workers, quiet = max(1, (options.workers or available_cores()) // 2), options.quiet
    with (
        closing(left.scan(stage="compare A", workers=workers, quiet=quiet)) as parts_a,
        closing(right.scan(stage="compare B", workers=workers, quiet=quiet)) as parts_b,
    ):
        alignment = align(Side(parts_a, samples[0]), Side(parts_b, samples[1]), options.num)
    a, b = (conclude(*of) for of in zip(data_sets, schemas, tallies, samples, strict=True))

    def read(place: Place | None, side: int) -> PlacedRecord | None:
        vocabulary = data_sets[side].require_vocabulary()
        return read_record_at(place, schemas[side], vocabulary) if place else None

    differences = [Difference(read(x, 0), read(y, 1)) for x, y in alignment.differences]
    return Compared(data_sets, (a, b), alignment, differences)
