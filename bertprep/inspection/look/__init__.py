"""Paths -> their first records, or others, as text for a person or a line of JSON each.

    for chunk in look(InspectOptions(paths=("rec",), num=1), click.style):
        click.echo(chunk)

The first records of any folder are there in 0.3 s, most of it Python's own start and numpy's.

JSON keys: file, record, byte, tokens (pieces as they stand, without padding), a and b (text before
masking), masks (of each position, now, was, and kind: mask, kept or replaced), is_random_next
(null where the record does not say), num_tokens, max_seq_length, problems (phrases; none in a sound
record). Of raw records: file, record, byte, features (the values by their stored names).
"""

import json
import math
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from bertprep.inspection.look.printed import Line, raw_lines, record_lines
from bertprep.inspection.look.records import Record, read_record
from bertprep.inspection.look.selection import Chosen, choose_records
from bertprep.options import InspectOptions
from bertprep.records import DataSet, find_data_set, read_frames
from bertprep.vocab import Vocabulary

#: Columns: a narrower terminal breaks lines itself, wider lines are hard to read.
_NARROWEST, _WIDEST = 30, 100
_STYLES: dict[str, dict[str, Any]] = {
    "name": {"bold": True},
    "heading": {"dim": True},
    "mask": {"fg": "yellow"},
    "kept": {"fg": "green"},
    "replaced": {"fg": "magenta"},
    "match": {"fg": "cyan", "bold": True},
    "problem": {"fg": "red"},
}
#: Legal in JSON's strings, and yet the end of a line, or no character at all, to some readers.
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def look(options: InspectOptions, style: Callable[..., str]) -> Iterator[str]:
    """The records that the options choose, each as a chunk of text or a line of JSON.

    Args:
        options: `num` says nothing about an index or a sample, which bring their own number;
            `skip` does not go with them.
        style: puts colours around a text by `fg`, `bold` and `dim`, as `click.style` does.

    Raises:
        UsageError: there is no such record, shard or piece, or no vocabulary.
        BertprepError: a shard or a record cannot be read.
    """
    data_set = find_data_set(options.paths, options.vocab)
    vocabulary = None if options.raw else _require_vocabulary(data_set)
    width = min(max(shutil.get_terminal_size().columns, _NARROWEST), _WIDEST)
    gap = ""
    for chosen in choose_records(data_set, options):
        record = None if vocabulary is None else _record(chosen, vocabulary)
        if options.json:
            yield _one_line(_raw_object(chosen) if record is None else _object(chosen, record))
            continue
        lines = raw_lines(chosen, width) if record is None else record_lines(chosen, record, width)
        yield gap + "\n".join(_painted(line, style) for line in lines)
        gap = "\n"


def _require_vocabulary(data_set: DataSet) -> Vocabulary:
    if data_set.vocabulary is None:  # a file without records needs none: let it have its own error
        next(read_frames(data_set.shards[0], check_data=False), None)
    return data_set.require_vocabulary()


def _record(chosen: Chosen, vocabulary: Vocabulary) -> Record:
    try:
        return read_record(chosen.sequence(), vocabulary)
    except ValueError as error:
        raise chosen.error(error) from None


def _painted(line: Line, style: Callable[..., str]) -> str:
    return "".join(style(text, **_STYLES[look]) if look else text for text, look in line)


def _object(chosen: Chosen, record: Record) -> dict[str, Any]:
    return _place(chosen) | {
        "tokens": record.tokens,
        "a": record.text(record.a),
        "b": record.text(record.b),
        "masks": [asdict(mask) for mask in record.masks],
        "is_random_next": record.sequence.is_random_next,
        "num_tokens": len(record.tokens),
        "max_seq_length": record.sequence.max_seq_length,
        "problems": [*chosen.damage, *record.problems],
    }


def _raw_object(chosen: Chosen) -> dict[str, Any]:
    features = {
        name: list(map(_json_value, feature.values)) for name, feature in chosen.features().items()
    }
    return _place(chosen) | {"features": features}


def _place(chosen: Chosen) -> dict[str, Any]:
    frame = chosen.frame
    return {"file": chosen.shard.path, "record": frame.index, "byte": frame.offset}


def _json_value(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, float):  # as short as float32 has it; what JSON has no number for as text
        return float(str(np.float32(value))) if math.isfinite(value) else str(value)
    return value


def _one_line(value: dict[str, Any]) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
