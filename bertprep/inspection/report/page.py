"""Statistics, charts and excerpts -> one page of HTML that needs nothing but itself.

No scripts and nothing from elsewhere, and the page forbids both to itself; the text of records and
paths is escaped by the template. The same contents give the same bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from bertprep import __version__
from bertprep.inspection.measure.measures import Finding, Statistics
from bertprep.inspection.report.charts import Chart
from bertprep.inspection.report.excerpts import Excerpt
from bertprep.records import DataSet
from bertprep.terminal import in_bytes, printable
from bertprep.vocab import SPECIAL_TOKENS, Vocabulary

_TEMPLATE = "report.html.jinja"
#: Rows and names that a person still looks through; the rest is counted.
_MOST_ROWS, _MOST_CONTEXTS, _MOST_PIECES = 30, 12, 40


@dataclass(frozen=True)
class PieceCount:
    """A piece, or the pieces around an [UNK], and how often it is there."""

    pieces: tuple[str, ...]
    count: int
    share: float


def render_page(
    data_set: DataSet,
    statistics: Statistics,
    charts: Mapping[str, Chart],
    excerpts: Sequence[Excerpt],
) -> str:
    """The page.

    Args:
        data_set: what was measured; with a vocabulary.
        statistics: of its records.
        charts: of the statistics, in the order of the page.
        excerpts: of a few records.
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
        "percent": lambda value: f"{value:.2%}",
    }
    measures, vocabulary = statistics.measures, data_set.require_vocabulary()
    return environment.get_template(_TEMPLATE).render(
        version=__version__,
        data_set=data_set,
        statistics=statistics,
        measures=measures,
        num_pieces=len(vocabulary.tokens),
        facts=_facts(data_set, statistics),
        notes=_notes(data_set, statistics),
        marked=_marked(statistics),
        figures=_figures(statistics),
        charts=charts,
        contexts=_contexts(statistics, vocabulary),
        common=_common(statistics, vocabulary),
        never_used=_never_used(statistics, vocabulary),
        most_pieces=_MOST_PIECES,
        excerpts=excerpts,
        most_rows=_MOST_ROWS,
    )


def _finalized(value: Any) -> Any:
    """Escapes what has no look, so that a vocabulary's control characters stay out of the page."""
    is_text = isinstance(value, str) and not hasattr(value, "__html__")
    return printable(value) if is_text and not value.isprintable() else value


def _marked(statistics: Statistics) -> list[Finding]:
    """The rows with a mark."""
    return [
        finding for rows in statistics.sections.values() for finding in rows if finding.is_marked
    ]


def _facts(data_set: DataSet, statistics: Statistics) -> list[str]:
    schema = statistics.schema
    shards = len(data_set.shards)
    return [
        f"{shards:,} shard{'s' * (shards != 1)}, {in_bytes(data_set.size)}",
        f"{schema.max_seq_length:,} tokens and {schema.max_predictions:,} predictions a record",
        f"{len(data_set.require_vocabulary().tokens):,} pieces",
        f"{schema.feature_names} feature names",
    ]


def _notes(data_set: DataSet, statistics: Statistics) -> list[str]:
    """What the reader of the numbers has to know first."""
    notes, unreadable = [], statistics.measures.unreadable
    if unreadable:
        what = "1 record is" if unreadable == 1 else f"{unreadable:,} records are"
        notes.append(f"{what} damaged, and in none of the numbers: --verify tells what is wrong.")
    for folder in data_set.unfinished:
        notes.append(f"{folder}: has a plan and no manifest: bertprep create did not finish.")
    for home in data_set.homes:
        for paths, what in (
            (home.missing, "of the manifest's files are not there"),
            (home.strangers, "record files stand beside those of the manifest"),
        ):
            if paths:
                notes.append(f"{home.folder}: {len(paths):,} {what}, {paths[0]} for one.")
    if not (data_set.homes or data_set.unfinished):
        notes.append("No manifest stands beside the records: what they should be is not known.")
    return notes


def _figures(statistics: Statistics) -> dict[str, str]:
    """The numbers that people look for first."""
    measures, duplicates = statistics.measures, statistics.duplicates
    records = max(1, measures.records)
    about = "about " if duplicates.share < 1 else ""
    return {
        "records": f"{measures.records:,}",
        "tokens a record": f"{measures.tokens / records:,.1f}",
        "masks a record": f"{measures.masks / records:,.1f}",
        "random next": f"{measures.random_next / records:.1%}",
        "[UNK]": _unknown_share(statistics),
        "duplicates": f"{about}{duplicates.duplicates:,}",
    }


def _unknown_share(statistics: Statistics) -> str:
    measures = statistics.measures
    if not measures.unknown:
        return "0%"
    return f"{max(0.00001, measures.unknown / max(1, int(measures.pieces.sum()))):.3%}"


def _contexts(statistics: Statistics, vocabulary: Vocabulary) -> list[PieceCount]:
    """The most common neighbours of [UNK]."""
    measures, tokens = statistics.measures, vocabulary.tokens
    ordered = sorted(measures.unknown_contexts.items(), key=lambda item: (-item[1], item[0]))
    return [
        PieceCount((tokens[before], tokens[behind]), count, count / max(1, measures.unknown))
        for (before, behind), count in ordered[:_MOST_CONTEXTS]
    ]


def _common(statistics: Statistics, vocabulary: Vocabulary) -> list[PieceCount]:
    """The pieces that there are most of."""
    pieces = statistics.measures.pieces
    order = np.argsort(-pieces, kind="stable")[:_MOST_PIECES].tolist()
    whole = max(1, int(pieces.sum()))
    return [
        PieceCount((vocabulary.tokens[i],), int(pieces[i]), int(pieces[i]) / whole)
        for i in order
        if pieces[i]
    ]


def _never_used(statistics: Statistics, vocabulary: Vocabulary) -> list[str]:
    """Pieces that stand nowhere, but those that are not there for text."""
    ids = np.flatnonzero(statistics.measures.pieces == 0).tolist()
    pieces = (vocabulary.tokens[i] for i in ids)
    return [p for p in pieces if p not in SPECIAL_TOKENS and not p.startswith("[unused")]
