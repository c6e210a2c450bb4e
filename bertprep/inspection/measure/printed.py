"""Statistics -> lines for a person, and one JSON object for a program.

    rec: 4,821 records in 4 shards, 3,849,185 bytes
    128 tokens and 20 masks a record at most, 3,667 pieces, whole words, quirks keep

    masks                                            expected
      [MASK]                            80.03%       80.00%
    ! kept                              0.00%        10.00%
        no word is kept: the model learns that …

Marked rows begin with `!`, so that they need no colour.
"""

import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from bertprep.inspection.measure.measures import Finding, Statistics
from bertprep.records import DataSet
from bertprep.terminal import columns, printable

_WIDTH = 80
_NAME, _VALUE = 30, 20
_SHOWN_PIECES, _SHOWN_CONTEXTS, _LISTED = 20, 8, 50

Style = Callable[..., str]


def as_text(statistics: Statistics, data_set: DataSet, style: Style) -> Iterator[str]:
    """The statistics, line by line."""
    yield from _head(statistics, data_set, style)
    for title, findings in statistics.sections.items():
        yield ""
        gap = " " * (2 + _NAME + _VALUE - len(title))
        yield style(title, bold=True) + gap + style("expected", dim=True)
        for finding in findings:
            yield from _row(finding, style)
        if title == "text":
            yield from _pieces(statistics, data_set, style)
    yield ""
    yield _verdict(statistics, style)


def _head(statistics: Statistics, data_set: DataSet, style: Style) -> Iterator[str]:
    measures, schema = statistics.measures, statistics.schema
    shards = len(data_set.shards)
    yield style(data_set.name, bold=True) + (
        f": {measures.records:,} records in {shards:,} shard{'s' * (shards != 1)}, "
        f"{measures.bytes:,} bytes"
    )
    facts = [
        f"{schema.max_seq_length:,} tokens and {schema.max_predictions:,} masks a record at most",
        f"{len(data_set.require_vocabulary().tokens):,} pieces",
    ]
    if data_set.plan is None:
        facts.append("no manifest, so that what was asked for is not known")
    else:
        instances = data_set.plan["instances"]
        facts += [
            f"{'whole words' if instances['masking'] == 'whole-word' else 'single pieces'} masked",
            *_segmentation(data_set.plan.get("tokenizer", {})),
            f"quirks {instances['quirks']}",
        ]
    yield from textwrap.wrap(", ".join(facts), _WIDTH)


def _segmentation(tokenizer: dict[str, Any]) -> list[str]:
    """How words of ideographs were told, which the records do not show."""
    if tokenizer.get("segmented"):
        return ["words by blanks"]
    return [f"words by {name}" for name in [tokenizer.get("word_segmenter")] if name]


def _row(finding: Finding, style: Style) -> Iterator[str]:
    cells = f"{finding.name:<{_NAME}}{finding.shown:<{_VALUE}}{finding.expected}".rstrip()
    if finding.is_marked:
        yield style(f"! {cells}", fg="red", bold=True)
    else:
        yield f"  {cells}"
    for line in textwrap.wrap(finding.note, _WIDTH - 4):
        yield "    " + (style(line, fg="red") if finding.is_marked else style(line, dim=True))


def _pieces(statistics: Statistics, data_set: DataSet, style: Style) -> Iterator[str]:
    """The most common pieces, and what stands around [UNK]."""
    whole = max(1, int(statistics.measures.pieces.sum()))
    common = _common_pieces(statistics, data_set)[:_SHOWN_PIECES]
    shares = [f"{printable(entry['piece'])} {entry['count'] / whole:.1%}" for entry in common]
    yield from _listed("most common pieces", shares)
    contexts = _contexts(statistics, data_set)[:_SHOWN_CONTEXTS]
    around = [
        f"{printable(entry['before'])} [UNK] {printable(entry['behind'])} {entry['count']:,}"
        for entry in contexts
    ]
    if around:
        yield from _listed("most common around [UNK]", around)


def _listed(name: str, texts: Sequence[str]) -> Iterator[str]:
    """A row of texts, in as many lines as they need."""
    line, used = "", 0
    for text in texts:
        if line and used + columns(text) > _WIDTH - _NAME - 4:
            yield f"  {name:<{_NAME}}{line}"
            name, line, used = "", "", 0
        line += f"{'  ' if line else ''}{text}"
        used = columns(line)
    yield f"  {name:<{_NAME}}{line}"


def _verdict(statistics: Statistics, style: Style) -> str:
    names = [
        f"{finding.name} ({title})"
        for title, findings in statistics.sections.items()
        for finding in findings
        if finding.is_marked
    ]
    if not names:
        return "nothing is marked: all is as the algorithm leads to expect"
    rows = "1 row is" if len(names) == 1 else f"{len(names)} rows are"
    return style(f"{rows} marked: {', '.join(names)}", fg="red", bold=True)


def as_json(statistics: Statistics, data_set: DataSet) -> dict[str, Any]:
    """The statistics as values of JSON."""
    measures, duplicates = statistics.measures, statistics.duplicates
    (never_used,) = [f.value for f in statistics.sections["text"] if f.key == "never_used"]
    return {
        "name": data_set.name,
        "records": measures.records,
        "unreadable": measures.unreadable,
        "shards": len(data_set.shards),
        "bytes": measures.bytes,
        "max_seq_length": statistics.schema.max_seq_length,
        "max_predictions": statistics.schema.max_predictions,
        "sections": {
            title: [as_entry(finding) for finding in findings]
            for title, findings in statistics.sections.items()
        },
        "histograms": {
            "lengths": measures.lengths.tolist(),
            "lengths_a": measures.lengths_a.tolist(),
            "lengths_b": measures.lengths_b.tolist(),
            "masks_per_record": measures.masks_per_record.tolist(),
            "mask_positions": measures.mask_positions.tolist(),
            "expected_positions": np.round(measures.expected_positions, 3).tolist(),
        },
        "pieces": _common_pieces(statistics, data_set),
        "never_used": never_used,
        "unknown_contexts": _contexts(statistics, data_set),
        "unknown_contexts_left_out": measures.unknown_contexts_left_out,
        "duplicates": {
            "duplicates": duplicates.duplicates,
            "largest_group": duplicates.largest_group,
            "compared": duplicates.compared,
            "share": duplicates.share,
        },
    }


def as_entry(finding: Finding) -> dict[str, Any]:
    """A finding as values of JSON."""
    keys = ("key", "name", "value", "shown", "expected", "p", "is_marked", "note")
    return {key: getattr(finding, key) for key in keys}


def _common_pieces(statistics: Statistics, data_set: DataSet) -> list[dict[str, Any]]:
    pieces, tokens = statistics.measures.pieces, data_set.require_vocabulary().tokens
    ids = np.argsort(-pieces, kind="stable")[:_LISTED].tolist()
    return [{"piece": tokens[i], "id": i, "count": int(pieces[i])} for i in ids if pieces[i]]


def _contexts(statistics: Statistics, data_set: DataSet) -> list[dict[str, Any]]:
    tokens = data_set.require_vocabulary().tokens
    contexts = statistics.measures.unknown_contexts.items()
    common = sorted(contexts, key=lambda item: (-item[1], item[0]))[:_LISTED]
    return [
        {"before": tokens[before], "behind": tokens[behind], "count": count}
        for (before, behind), count in common
    ]
