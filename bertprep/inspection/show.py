"""Paths -> some of their records, as text for a person or one line of JSON each.

    for text in show_records(InspectOptions(paths=("rec",), num=1), click.style):
        click.echo(text)

    rec/tf_examples.tfrecord-00000-of-00003: record 0 at byte 0
    23 of 128 tokens, 3 masks, label 0: B follows A
      A  the {ferry} crossed the sound twice a day
      B  in winter {it} was laid up , and the {island} had no mail

         position  now     was     kind
                2  [MASK]  ferry   mask
               12  it      it      kept
               20  king    island  replaced

The words are those before masking: masked ones are in {braces}, those that match `--find` in
*stars*, so that the text needs no colours. The first records are shown after 0.3 s.

JSON keys: file, record, byte, tokens (as stored, without padding), a and b (text before masking),
masks (position, now, was and kind: mask, kept or replaced), is_random_next (null if the record does
not say), num_tokens, max_seq_length, problems (phrases; none for a sound record). With `--raw`:
file, record, byte, features (the values by their stored names).
"""

import json
import math
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import accumulate, count, groupby
from typing import Any, NamedTuple

import numpy as np

from bertprep.inspection.masked_record import Mask, MaskedRecord, Word
from bertprep.inspection.selection import Chosen, choose_records
from bertprep.options import InspectOptions
from bertprep.records import DataSet, find_data_set, read_frames
from bertprep.terminal import columns, printable
from bertprep.vocab import Vocabulary

#: Columns: a narrower terminal breaks lines itself, wider lines are hard to read.
_NARROWEST, _WIDEST = 30, 100
#: Columns before the text, and between masks side by side.
_INDENT, _GAP = 5, 4
_STYLES: dict[str, dict[str, Any]] = {
    "name": {"bold": True},
    "heading": {"dim": True},
    "mask": {"fg": "yellow"},
    "kept": {"fg": "green"},
    "replaced": {"fg": "magenta"},
    "match": {"fg": "cyan", "bold": True},
    "problem": {"fg": "red"},
}
#: Legal in JSON strings, but line ends, or no characters at all, to some readers.
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Span(NamedTuple):
    """Text with one style, a key of `_STYLES`."""

    text: str
    style: str = ""


Line = list[Span]
#: A space, if any, and the spans that no line break may separate.
Unit = tuple[str, Sequence[Span]]


def show_records(options: InspectOptions, style: Callable[..., str]) -> Iterator[str]:
    """Yield the records that the options select, each as text or as a line of JSON.

    Args:
        options: `num` is not used with an index or a sample, `skip` is refused with them.
        style: styles a text by `fg`, `bold` and `dim`, as `click.style` does.

    Raises:
        UsageError: there is no such record, shard or token, or no vocabulary.
        BertprepError: a shard or a record cannot be read.
    """
    data_set = find_data_set(options.paths, options.vocab)
    vocabulary = None if options.raw else _require_vocabulary(data_set)
    width = min(max(shutil.get_terminal_size().columns, _NARROWEST), _WIDEST)
    gap = ""

    def painted(span: Span) -> str:
        return style(span.text, **_STYLES[span.style]) if span.style else span.text

    for chosen in choose_records(data_set, options):
        record = None if vocabulary is None else chosen.record(vocabulary)
        if options.json:
            yield _as_json(chosen, record)
            continue
        lines = _raw_lines(chosen, width) if record is None else _lines(chosen, record, width)
        yield gap + "\n".join("".join(map(painted, line)) for line in lines)
        gap = "\n"


def _require_vocabulary(data_set: DataSet) -> Vocabulary:
    if data_set.vocabulary is None:  # a file that is no record file has an error of its own
        next(read_frames(data_set.shards[0], check_data=False), None)
    return data_set.require_vocabulary()


def _as_json(chosen: Chosen, record: MaskedRecord | None) -> str:
    frame = chosen.frame
    values = {"file": chosen.shard.path, "record": frame.index, "byte": frame.offset}
    if record is None:
        features = chosen.features().items()
        values |= {"features": {name: list(map(_json_value, f.values)) for name, f in features}}
    else:
        label = record.sequence.pair_label
        values |= {
            "tokens": record.tokens,
            "a": record.text(record.a),
            "b": record.text(record.b),
            "masks": [asdict(mask) for mask in record.masks],
            "is_random_next": bool(label) if label in (0, 1) else None,
            "num_tokens": len(record.tokens),
            "max_seq_length": record.sequence.max_seq_length,
            "problems": [*chosen.damage, *record.problems],
        }
    text = json.dumps(values, ensure_ascii=False)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _json_value(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, float):  # the shortest number of the same float32; JSON has no nan
        return float(str(np.float32(value))) if math.isfinite(value) else str(value)
    return value


def _lines(chosen: Chosen, record: MaskedRecord, width: int) -> Iterator[Line]:
    yield from _head(chosen, record.facts, record.problems, width)
    for name, segment in (("A", record.a), ("B", record.b)):
        units = [_unit(word, chosen.matches) for word in record.words(segment)]
        for line in wrap_units(units, width - _INDENT):
            yield [Span(f"  {name}  ", "name"), *(line or [Span("(empty)", "heading")])]
            name = " "
    if record.masks:
        yield []
        yield from _mask_table(record.masks, width)


def _raw_lines(chosen: Chosen, width: int) -> Iterator[Line]:
    features = chosen.features()
    yield from _head(chosen, [], [], width)
    for name, feature in features.items():
        size = f"  {feature.kind}[{len(feature.values)}]"
        yield [Span(f"  {printable(name)}", "name"), Span(size, "heading")]
        values = map(np.float32, feature.values) if feature.kind == "float" else feature.values
        units = ((" ", [Span(str(value))]) for value in values)
        for line in wrap_units(units, width - _INDENT):
            if line:
                yield [Span(" " * _INDENT), *line]


def _head(
    chosen: Chosen, facts: Sequence[str], problems: Sequence[str], width: int
) -> Iterator[Line]:
    """Yield where the record is, then the facts and problems separated by commas."""
    yield [Span(printable(chosen.place), "name")]
    phrases = [Span(fact) for fact in facts]
    phrases += [Span(printable(problem), "problem") for problem in (*chosen.damage, *problems)]
    if phrases:
        commas = [","] * (len(phrases) - 1) + [""]
        yield from wrap_units(
            (
                (" ", [Span(word, look)])
                for (text, look), comma in zip(phrases, commas, strict=True)
                for word in f"{text}{comma}".split(" ")
            ),
            width,
        )


def _unit(word: Word, matches: frozenset[int]) -> Unit:
    """Return a word with braces around masked tokens and stars around a match."""
    positions = [piece.position for piece in word.pieces]
    is_match = not matches.isdisjoint(positions)
    # Words that match together share one pair of stars.
    starts = is_match and not {positions[0] - 1, positions[0]} <= matches
    ends = is_match and not {positions[-1], positions[-1] + 1} <= matches
    spans = [Span("*", "match")] * starts
    for is_masked, pieces in groupby(word.pieces, lambda piece: piece.mask is not None):
        run = [
            Span(piece.text, piece.mask.kind if piece.mask else "match" * is_match)
            for piece in pieces
        ]
        spans += [Span("{", run[0].style), *run, Span("}", run[-1].style)] if is_masked else run
    return word.gap, spans + [Span("*", "match")] * ends


def wrap_units(units: Iterable[Unit], width: int) -> Iterator[Line]:
    """Yield lines of at most `width` columns, at least one; only a longer unit is broken."""
    line: Line = []
    used = 0
    for unit in units:
        for gap, spans in [unit] if _size(unit[1]) <= width else _characters(*unit):
            size = _size(spans)
            if line and used + len(gap) + size > width:
                yield line
                line, used = [], 0
            if line and gap:
                line.append(Span(gap))
                used += len(gap)
            line += spans
            used += size
    yield line


def _size(spans: Iterable[Span]) -> int:
    return sum(columns(span.text) for span in spans)


def _characters(gap: str, spans: Iterable[Span]) -> Iterator[Unit]:
    for text, style in spans:
        for character in text:
            yield gap, [Span(character, style)]
            gap = ""


def _mask_table(masks: Sequence[Mask], width: int) -> Iterator[Line]:
    """Yield a row per mask; several masks side by side if there is room."""
    heading = [Span(name, "heading") for name in ("position", "now", "was", "kind")]
    rows = [
        [
            Span(f"{mask.position:>8}"),
            Span(printable(mask.now), mask.kind),
            Span(printable(mask.was)),
            Span(mask.kind, mask.kind),
        ]
        for mask in masks
    ]
    sizes = [max(columns(row[i].text) for row in (heading, *rows)) for i in range(4)]
    starts = list(accumulate((2 + size for size in sizes[:-1]), initial=0))
    block_size = starts[-1] + sizes[-1] + _GAP
    height = -(-len(rows) // max(1, (width - _INDENT + _GAP) // block_size))
    blocks = [[heading, *rows[at : at + height]] for at in range(0, len(rows), height)]
    for i in range(height + 1):
        line: Line = []
        for left, block in zip(count(_INDENT, block_size), blocks, strict=False):
            for start, cell in zip(starts, block[i] if i < len(block) else [], strict=False):
                line += [Span(" " * (left + start - _size(line))), cell]
        yield line
