"""A data set -> an HTML page about it: charts, statistics, a few records, the manifest.

    write_report(InspectOptions(paths=("rec",), report=Path("report.html")))

All records are measured, on all cores; the page has about 100 KB, whatever their number.
"""

import os
from pathlib import Path

from bertprep.errors import BertprepError, UsageError
from bertprep.inspection.statistics import Statistics, measure
from bertprep.options import InspectOptions
from bertprep.records import DataSet, find_data_set, read_schema
from bertprep.records.manifest import instance_options
from bertprep.storage.files import write_whole
from bertprep.terminal import count_of, in_bytes

_BEGINNINGS = (b"<!doctype html", b"<html")


def write_report(options: InspectOptions) -> str:
    """Measure the records that the options name, and write the page.

    Returns:
        The line for the terminal: the path, and what the page is about.

    Raises:
        UsageError: no page can be written there, or there are no records or no vocabulary.
        BertprepError: no record can be read, or the page cannot be written.
    """
    assert options.report is not None
    path = options.report
    _require_writable(path)
    data_set = find_data_set(options.paths, options.vocab)
    data_set.require_vocabulary()
    schema = read_schema(data_set)
    statistics = measure(data_set, schema, workers=options.workers, quiet=options.quiet)
    page = _page(data_set, statistics, options).encode(errors="backslashreplace")
    try:
        write_whole(path, path.with_name(f".{path.name}.{os.getpid()}.tmp"), page)
    except OSError as error:
        raise BertprepError(f"{path}: cannot be written: {error.strerror or error}") from None
    return f"{path}: {_summary(statistics)}; {in_bytes(len(page))}"


def _summary(statistics: Statistics) -> str:
    counts, anomalies = statistics.counts, statistics.anomalies
    facts = [count_of(counts.records, "record")]
    if counts.unreadable:
        facts.append(f"{counts.unreadable:,} unreadable")
    found = "1 anomaly" if len(anomalies) == 1 else f"{len(anomalies) or 'no'} anomalies"
    return ", ".join([*facts, f"{found} found"])


def _page(data_set: DataSet, statistics: Statistics, options: InspectOptions) -> str:
    # Imports a template engine, which nothing else waits for.
    from bertprep.inspection.report.charts import draw_charts
    from bertprep.inspection.report.page import read_excerpts, render_page

    instances = instance_options(data_set.plan) if data_set.plan else None
    charts = draw_charts(statistics, data_set.require_vocabulary(), instances)
    return render_page(data_set, statistics, charts, read_excerpts(data_set, options))


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
