"""A data set -> its statistics, by all cores in one pass.

    statistics = measure(data_set, read_schema(data_set))
    for line in measure_text(options, click.style):
        print(line)

450 MB/s a core. Whatever the size of the data, the memory is that of Python and the libraries, some
100 MB, and of the hashes of 20 million records, 160 MB.
"""

import json
from collections.abc import Callable, Iterator

from bertprep.errors import BertprepError
from bertprep.inspection.measure.duplicates import HashSample, count_duplicates
from bertprep.inspection.measure.expectations import expect
from bertprep.inspection.measure.measures import Statistics
from bertprep.inspection.measure.printed import as_json, as_text
from bertprep.inspection.measure.tally import Tally
from bertprep.options import InspectOptions
from bertprep.records import DataSet, RecordSchema, find_data_set, read_schema


def measure_text(options: InspectOptions, style: Callable[..., str]) -> Iterator[str]:
    """The statistics of the records that the options name: lines of text, or one of JSON.

    Args:
        options: of which `paths`, `vocab`, `json`, `workers` and `quiet` are looked at.
        style: puts colours around a text by `fg`, `bold` and `dim`, as `click.style` does.

    Raises:
        UsageError: there are no such records, or there is no vocabulary.
        BertprepError: there is no record that can be read.
    """
    data_set = find_data_set(options.paths, options.vocab)
    schema = read_schema(data_set)
    statistics = measure(data_set, schema, workers=options.workers, quiet=options.quiet)
    if options.json:
        yield json.dumps(as_json(statistics, data_set), ensure_ascii=False)
    else:
        yield from as_text(statistics, data_set, style)


def measure(
    data_set: DataSet, schema: RecordSchema, *, workers: int | None = None, quiet: bool = False
) -> Statistics:
    """Measures all records.

    Args:
        data_set: with a vocabulary.
        schema: what its records are like.
        workers: processes; None is all cores.
        quiet: no progress bar.

    Raises:
        UsageError: there is no vocabulary, or it has no [CLS], [SEP] or [MASK].
        BertprepError: there is no record that can be read.
    """
    hashes = HashSample()
    tally = Tally(data_set, schema, hashes)
    for _ in tally.scan(stage="measure", workers=workers, quiet=quiet):
        pass
    return conclude(data_set, schema, tally, hashes)


def conclude(
    data_set: DataSet, schema: RecordSchema, tally: Tally, hashes: HashSample
) -> Statistics:
    """What was counted, with what is to be expected of it."""
    measures = tally.measures()
    if not measures.records:
        problem = "there are no records, only empty files. Name others"
        if measures.unreadable:
            problem = f"none of {measures.unreadable:,} records can be read: --verify says why"
        raise BertprepError(f"{data_set.name}: {problem}")
    duplicates = count_duplicates(hashes)
    sections = expect(measures, duplicates, data_set)
    return Statistics(schema, measures, duplicates, sections)
