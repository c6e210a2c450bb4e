"""Statistics, charts and a few records -> one HTML page that needs no other file.

The page has no scripts and loads nothing, and forbids itself both. The template escapes the text of
records and paths. The same contents give the same bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from bertprep import __version__
from bertprep.errors import BertprepError
from bertprep.inspection.masked_record import Mask, Word, read_record
from bertprep.inspection.report import drawing
from bertprep.inspection.report.charts import Chart
from bertprep.inspection.selection import Chosen, choose_records
from bertprep.inspection.statistics import Statistics
from bertprep.inspection.statistics.findings import percent
from bertprep.options import InspectOptions
from bertprep.records import DataSet
from bertprep.terminal import count_of, in_bytes, printable
from bertprep.vocab import SPECIAL_TOKENS, Vocabulary

_TEMPLATE = "report.html.jinja"
#: Rows and names to show; the others are counted.
_MOST_ROWS, _MOST_CONTEXTS, _MOST_PIECES = 30, 12, 40


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
    try:
        chosen = list(choose_records(data_set, drawn))
    except BertprepError as error:
        chosen = list(_readable(data_set, InspectOptions(paths=options.paths, num=num)))
        problem = str(error)
    excerpts = [_excerpt(record, vocabulary) for record in chosen]
    return excerpts + [_failure("Other records", problem)] * bool(problem)


def _readable(data_set: DataSet, options: InspectOptions) -> Iterator[Chosen]:
    try:
        yield from choose_records(data_set, options)
    except BertprepError:
        return


def _excerpt(chosen: Chosen, vocabulary: Vocabulary) -> Excerpt:
    try:
        record = read_record(chosen.sequence(), vocabulary)
    except (BertprepError, ValueError) as error:
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


def render_page(
    data_set: DataSet,
    statistics: Statistics,
    charts: Mapping[str, Chart],
    excerpts: Sequence[Excerpt],
) -> str:
    """Return the page.

    Args:
        data_set: a data set with a vocabulary.
        statistics: its statistics.
        charts: charts of the statistics, in the order of the page.
        excerpts: a few of its records.
    """
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
        "number": lambda value: f"{value:,}",
        "percent": percent,
    }
    counts, tokens = statistics.counts, data_set.require_vocabulary().tokens
    return environment.get_template(_TEMPLATE).render(
        version=__version__,
        data_set=data_set,
        statistics=statistics,
        counts=counts,
        tokens=tokens,
        num_text_tokens=max(1, int(counts.pieces.sum())),
        facts=_facts(data_set, statistics),
        notes=_notes(data_set, statistics),
        anomalies=[finding for _, finding in statistics.anomalies],
        figures=_figures(statistics),
        drawing=drawing,
        charts=charts,
        contexts=counts.common_contexts(_MOST_CONTEXTS),
        common=counts.common_pieces(_MOST_PIECES),
        never_used=_never_used(statistics, tokens),
        most_pieces=_MOST_PIECES,
        excerpts=excerpts,
        most_rows=_MOST_ROWS,
    )


def _finalized(value: Any) -> Any:
    """Escape unprintable characters, so that those of a vocabulary stay out of the page."""
    is_text = isinstance(value, str) and not hasattr(value, "__html__")
    return printable(value) if is_text and not value.isprintable() else value


def _facts(data_set: DataSet, statistics: Statistics) -> list[str]:
    schema = statistics.schema
    return [
        f"{count_of(len(data_set.shards), 'shard')}, {in_bytes(data_set.size)}",
        f"{schema.max_seq_length:,} tokens and {schema.max_predictions:,} masks per record at most",
        f"{len(data_set.require_vocabulary().tokens):,} pieces",
        f"{schema.feature_names} feature names",
    ]


def _notes(data_set: DataSet, statistics: Statistics) -> list[str]:
    """Return what a reader has to know before the numbers."""
    notes, unreadable = [], statistics.counts.unreadable
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
    records = max(1, counts.records)
    about = "about " if duplicates.share < 1 else ""
    return {
        "records": f"{counts.records:,}",
        "tokens per record": f"{counts.tokens / records:,.1f}",
        "masks per record": f"{counts.masks / records:,.1f}",
        "random next": percent(counts.pair_label_1 / records),
        "[UNK]": percent(counts.unknown / max(1, int(counts.pieces.sum()))),
        "duplicates": f"{about}{duplicates.duplicates:,}",
    }


def _never_used(statistics: Statistics, tokens: Sequence[str]) -> list[str]:
    """Return the ordinary pieces that no record has."""
    pieces = (tokens[i] for i in np.flatnonzero(statistics.counts.pieces == 0).tolist())
    return [p for p in pieces if p not in SPECIAL_TOKENS and not p.startswith("[unused")]
