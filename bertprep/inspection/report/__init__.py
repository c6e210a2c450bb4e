"""A data set -> a page that shows what is in it: charts, statistics, a few records, the manifest.

    write_report(InspectOptions(paths=("rec",), report=Path("report.html")))

All records are measured, by all cores; the page has some 120 KB whatever their number.
"""

import logging
import os
from pathlib import Path

from bertprep.errors import BertprepError, UsageError
from bertprep.inspection.measure import measure
from bertprep.inspection.measure.measures import Statistics
from bertprep.options import InspectOptions
from bertprep.records import DataSet, find_data_set, read_schema
from bertprep.records.manifest import instance_options
from bertprep.storage.files import write_whole
from bertprep.terminal import in_bytes

_BEGINNINGS = (b"<!doctype html", b"<html")


def write_report(options: InspectOptions) -> str:
    """Measures the records that the options name, and writes the page.

    Returns:
        The line for the terminal: what was written where.

    Raises:
        UsageError: no page can be written there, or there are no records or no vocabulary.
        BertprepError: none of the records can be read, or the page cannot be written.
    """
    assert options.report is not None
    path = options.report
    _require_place(path)
    data_set = find_data_set(options.paths, options.vocab)
    data_set.require_vocabulary()
    schema = read_schema(data_set)
    statistics = measure(data_set, schema, workers=options.workers, quiet=options.quiet)
    page = _page(data_set, statistics, options).encode(errors="backslashreplace")
    try:
        write_whole(path, path.with_name(f".{path.name}.{os.getpid()}.tmp"), page)
    except OSError as error:
        raise BertprepError(f"{path}: cannot be written: {error.strerror or error}") from None
    return f"{path}: {_told(statistics)}; {in_bytes(len(page))}"


def _told(statistics: Statistics) -> str:
    measures = statistics.measures
    marks = sum(finding.is_marked for rows in statistics.sections.values() for finding in rows)
    facts = [f"{measures.records:,} records"]
    if measures.unreadable:
        facts.append(f"{measures.unreadable:,} more that cannot be read")
    facts.append(f"{marks:,} row{'s' * (marks != 1)} marked" if marks else "nothing marked")
    return ", ".join(facts)


def _page(data_set: DataSet, statistics: Statistics, options: InspectOptions) -> str:
    # Only here: no other way to look at records waits for a plotting library, and no worker that
    # measures was forked with one. It would tell on stderr where it keeps its list of fonts.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from bertprep.inspection.report.charts import draw_charts
    from bertprep.inspection.report.excerpts import read_excerpts
    from bertprep.inspection.report.page import render_page

    made_with = instance_options(data_set.plan) if data_set.plan else None
    charts = draw_charts(statistics, data_set.require_vocabulary(), made_with)
    return render_page(data_set, statistics, charts, read_excerpts(data_set, options))


def _require_place(path: Path) -> None:
    """Raises UsageError before the long work where a page cannot or should not be written."""
    folder = path.parent
    if not folder.is_dir():
        raise UsageError(f"{path}: there is no folder {folder}. Make it, or name another place")
    if path.is_dir():
        raise UsageError(f"{path}: is a folder. Name the page in it: {path / 'report.html'}")
    if path.exists() and not _is_page(path):
        # A glob behind --report names a shard there.
        raise UsageError(f"{path}: is there and is no HTML page, so it stays. Name another file")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{path}: the folder cannot be written to. Name another place")


def _is_page(path: Path) -> bool:
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        start = file.read(256).lstrip().lower()
    return not start or start.startswith(_BEGINNINGS)
