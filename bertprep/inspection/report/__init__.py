"""A data set -> an HTML page about it: charts, statistics, a few records, the manifest.

    write_report(InspectOptions(paths=("rec",), report=Path("report.html")))

All records are measured, on all cores; the page has about 100 KB, whatever their number. It has no
scripts and loads nothing, and forbids itself both. The template escapes the text of records and
paths. The same contents give the same bytes.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertprep import __version__
from bertprep.errors import BertprepError, UsageError, require_extra
from bertprep.inspection.masked_record import Mask, Word
from bertprep.inspection.report import drawing
from bertprep.inspection.report.charts import draw_charts
from bertprep.inspection.selection import Chosen, choose_records
from bertprep.inspection.statistics import measure
from bertprep.inspection.statistics.findings import Statistics, percent
from bertprep.options import InspectOptions
from bertprep.records import DataSet, find_data_set, read_schema
from bertprep.storage.files import write_whole
from bertprep.terminal import count_of, in_bytes, printable
from bertprep.vocab import Vocabulary

_BEGINNINGS = (b"<!doctype html", b"<html")
_TEMPLATE = "report.html.jinja"
#: Rows and names to show; the others are counted.
_MOST_ROWS, _MOST_CONTEXTS, _MOST_PIECES = 30, 12, 40


def write_report(options: InspectOptions) -> str:
    """Measure the records that the options name, and write the page.

    Returns:
        The line for the terminal: the path, and what the page is about.

    Raises:
        UsageError: no page can be written there, or there are no records or no vocabulary.
        BertprepError: no record can be read, or the page cannot be written.
    """
    require_extra("--report", "report", "jinja2")
    assert options.report is not None
    path = options.report
    _require_writable(path)
    data_set = find_data_set(options.paths, options.vocab)
    data_set.require_vocabulary()
    schema = read_schema(data_set)
    statistics = measure(data_set, schema, workers=options.workers, quiet=options.quiet)
    page = render_page(statistics, read_excerpts(data_set, options))
    encoded = page.encode(errors="backslashreplace")
    try:
        write_whole(path, path.with_name(f".{path.name}.{os.getpid()}.tmp"), encoded)
    except OSError as error:
        raise BertprepError(f"{path}: cannot be written: {error.strerror or error}") from None
    return f"{path}: {_summary(statistics)}; {in_bytes(len(encoded))}"


def _summary(statistics: Statistics) -> str:
    counts = statistics.counts
    unreadable = f", {counts.unreadable:,} unreadable" if counts.unreadable else ""
    anomalies = count_of(len(statistics.anomalies), "anomaly", "anomalies")
    return f"{count_of(counts.records, 'record')}{unreadable}, {anomalies} found"


def _require_writable(path: Path) -> None:
    """Raise a UsageError, before the long work, if the page cannot or should not be written."""
    folder = path.parent
    if not folder.is_dir():
        raise UsageError(f"{path}: there is no folder {folder}. Create it, or name another path")
    if path.is_dir():
        raise UsageError(f"{path}: is a folder. Name a file in it: {path / 'report.html'}")
    if path.exists() and not _is_page(path):
        # A glob after --report names a shard there.
        raise UsageError(f"{path}: exists and is not an HTML page. Name another file")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{path}: the folder is not writable. Name another path")


def _is_page(path: Path) -> bool:
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        start = file.read(256).lstrip().lower()
    return not start or start.startswith(_BEGINNINGS)


@dataclass(frozen=True)
class Excerpt:
    """A record of the page.

    Attributes:
        place: file, record and byte.
        facts: phrases about its tokens, its masks and its label.
        problems: phrases that say what is wrong; all there is if it cannot be read.
        segments: the words of "A" and "B" before masking.
        masks: the masks by position.
    """

    place: str
    facts: list[str]
    problems: list[str]
    segments: dict[str, list[Word]]
    masks: tuple[Mask, ...]


def read_excerpts(data_set: DataSet, options: InspectOptions) -> list[Excerpt]:
    """Return `options.num` random records; the first ones if the shards cannot be counted."""
    vocabulary, num, problem = data_set.require_vocabulary(), options.num, ""
    drawn = InspectOptions(paths=options.paths, sample=num, seed=options.seed)
    chosen: list[Chosen] = []
    try:
        chosen += choose_records(data_set, drawn)
    except BertprepError as error:
        chosen, problem = [], str(error)
        with suppress(BertprepError):  # up to the damage
            chosen.extend(choose_records(data_set, InspectOptions(paths=options.paths, num=num)))
    excerpts = [_excerpt(record, vocabulary) for record in chosen]
    return excerpts + [_failure("Other records", problem)] * bool(problem)


def _excerpt(chosen: Chosen, vocabulary: Vocabulary) -> Excerpt:
    try:
        record = chosen.record(vocabulary)
    except BertprepError as error:
        return _failure(chosen.place, str(error))
    return Excerpt(
        place=chosen.place,
        facts=record.facts,
        problems=[*chosen.damage, *record.problems],
        segments={"A": list(record.words(record.a)), "B": list(record.words(record.b))},
        masks=record.masks,
    )


def _failure(place: str, problem: str) -> Excerpt:
    return Excerpt(place, [], [problem.removeprefix(f"{place}: ")], {}, ())


def render_page(statistics: Statistics, excerpts: Sequence[Excerpt]) -> str:
    """Return the page about a data set with a vocabulary, with a few of its records."""
    import jinja2  # no other part of bertprep waits for it

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    environment.filters |= {
        "bytes": in_bytes,
        "count_of": count_of,
        "number": lambda value: f"{value:,}",
        "percent": percent,
    }
    counts, tokens = statistics.counts, statistics.vocabulary.tokens
    return environment.get_template(_TEMPLATE).render(
        version=__version__,
        data_set=statistics.data_set,
        statistics=statistics,
        counts=counts,
        tokens=tokens,
        num_text_tokens=max(1, int(counts.pieces.sum())),
        facts=_facts(statistics),
        notes=_notes(statistics),
        anomalies=[finding for _, finding in statistics.anomalies],
        figures=_figures(statistics),
        drawing=drawing,
        charts=draw_charts(statistics),
        contexts=counts.common_contexts(_MOST_CONTEXTS),
        common=counts.common_pieces(_MOST_PIECES),
        never_used=_never_used(statistics),
        most_pieces=_MOST_PIECES,
        excerpts=excerpts,
        most_rows=_MOST_ROWS,
    )


def _finalized(value: Any) -> Any:
    """Escape unprintable characters, so that those of a vocabulary stay out of the page."""
    is_text = isinstance(value, str) and not hasattr(value, "__html__")
    return printable(value) if is_text and not value.isprintable() else value


def _facts(statistics: Statistics) -> list[str]:
    data_set = statistics.data_set
    shards = f"{count_of(len(data_set.shards), 'shard')}, {in_bytes(data_set.size)}"
    return [shards, *statistics.facts, f"{statistics.schema.feature_names} feature names"]


def _notes(statistics: Statistics) -> list[str]:
    """Return what a reader has to know before the numbers."""
    data_set, unreadable, notes = statistics.data_set, statistics.counts.unreadable, []
    if unreadable:
        are = "is" if unreadable == 1 else "are"
        what = f"{count_of(unreadable, 'record')} {are} damaged and not counted"
        notes.append(f"{what}: --verify says what is wrong.")
    for folder in data_set.unfinished:
        notes.append(f"{folder}: a plan without a manifest: bertprep create has not finished.")
    for home in data_set.homes:
        for paths, what in (
            (home.missing, "missing"),
            (home.strangers, "not in the manifest"),
        ):
            if paths:
                files = count_of(len(paths), "record file")
                notes.append(f"{home.folder}: {files} {what}, for example {paths[0]}.")
    if not (data_set.homes or data_set.unfinished):
        notes.append("There is no manifest: the options of the records are not known.")
    return notes


def _figures(statistics: Statistics) -> dict[str, str]:
    """Return the numbers that people look for first."""
    counts, duplicates = statistics.counts, statistics.duplicates
    about = "about " if duplicates.share < 1 else ""
    return {
        "records": f"{counts.records:,}",
        "tokens per record": f"{counts.per_record(counts.tokens):,.1f}",
        "masks per record": f"{counts.per_record(counts.masks):,.1f}",
        "random next": percent(counts.per_record(counts.pair_label_1)),
        "[UNK]": percent(counts.unknown / max(1, int(counts.pieces.sum()))),
        "duplicates": f"{about}{duplicates.duplicates:,}",
    }


def _never_used(statistics: Statistics) -> list[str]:
    """Return the ordinary pieces that no record has."""
    vocabulary, pieces = statistics.vocabulary, statistics.counts.pieces
    ordinary = vocabulary.ordinary_ids
    return [vocabulary.tokens[i] for i in ordinary[pieces[ordinary] == 0].tolist()]
