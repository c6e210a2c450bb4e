"""The first bytes of each file, and its name -> its format, or a question.

Text is what nothing speaks against: it may begin with `{` or `<`. What is asked about is where two
readings are likely, since records of the wrong one would look like good ones for weeks.
Cost: 64 KB of a file are read, and its footer if it is parquet; a megabyte if a JSON line is long.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bertprep.corpus.canonical import BOM
from bertprep.corpus.first_bytes import refuse_wide_text
from bertprep.corpus.names import named_format, some_of, suffix_of
from bertprep.corpus.streams import read_bytes, read_text
from bertprep.data import InputFile
from bertprep.errors import BertprepError, UsageError
from bertprep.options import CorpusOptions
from bertprep.storage import run_in_subprocess

_HEAD_BYTES = 1 << 16
#: A line of text of more bytes would be over --max-line-chars; a JSON line may well be longer.
_LONG_HEAD_BYTES = 4 << 20
_LINES_LOOKED_AT = 5
_PARQUET = b"PAR1"
_WIKI_DOCUMENT = re.compile(rb'<doc id="[^"\n]*" [^\n]*>[\t\r ]*\n')
_OBJECT_BEGINS = re.compile(rb'\{\s*"[^"\n]*"\s*:')
_ARRAY_BEGINS = re.compile(rb'\[\s*\{\s*"[^"\n]*"\s*:')


def find_formats(
    files: Sequence[InputFile], options: CorpusOptions
) -> tuple[tuple[InputFile, ...], str | None]:
    """Give each file its format.

    Returns:
        The files, and what a person should be told of what was found; None where it is all text,
        or what `options.format` says.

    Raises:
        UsageError: a file may be one or the other, is not what it is said to be, or cannot be read
            without a library that is missing.
        BertprepError: a file cannot be read.
    """
    if any(file.remote for file in files):
        # In a process of its own, since workers will be forked from this one.
        found = run_in_subprocess(_with_formats, files, options)
    else:
        found = _with_formats(files, options)
    names: dict[str, list[str]] = {}
    for file in found:
        if file.size:
            names.setdefault(file.format, []).append(file.path)
    if options.format != "auto" or not names or names.keys() == {"text"}:
        return found, None
    told = (f"{kind}: {some_of(paths)}" for kind, paths in names.items())
    return found, f"Found {'; '.join(told)}"


def _with_formats(files: Sequence[InputFile], options: CorpusOptions) -> tuple[InputFile, ...]:
    return tuple(_with_format(file, options) for file in files)


def _with_format(file: InputFile, options: CorpusOptions) -> InputFile:
    if not file.size:
        return file
    format = options.format
    is_packed_json = format == "jsonl" and file.compression != "none"
    if format in ("text", "paragraphs") or is_packed_json:
        # Nothing to look for, and unpacking the first block of many files takes its time.
        return replace(file, format=format)
    head = _head(file)
    refuse_wide_text(file.path, head)
    start = head.removeprefix(BOM).lstrip()
    if format == "auto":
        format = _detect(file, start, options)
    elif format == "wikiextractor" and start.startswith(b"{"):
        format = "wikiextractor-json"
    if format == "jsonl" and start.startswith(b"["):
        raise _array(file)
    if format == "parquet":
        return replace(file, format=format, text_bytes=_parquet_bytes(file, options))
    return replace(file, format=format)


def _detect(file: InputFile, start: bytes, options: CorpusOptions) -> str:
    named = named_format(file.path)
    is_json_name = named == "jsonl" or suffix_of(file.path) == ".json"
    if named == "parquet" or (start.startswith(_PARQUET) and _tail(file) == _PARQUET):
        return "parquet"
    if _WIKI_DOCUMENT.match(start):
        return "wikiextractor"
    if start.startswith(b"[") and (is_json_name or _ARRAY_BEGINS.match(start)):
        raise _array(file)
    if start.startswith(b"{"):
        return _detect_objects(file, start, options, is_json_name=is_json_name)
    if is_json_name and start:
        raise UsageError(
            f"{file.path}: by its name this is JSON, and it does not begin with an object. Pass "
            "--format text if it is text, or --format jsonl"
        )
    return "text"


def _detect_objects(
    file: InputFile, start: bytes, options: CorpusOptions, *, is_json_name: bool
) -> str:
    if b"\n" not in start:
        start = _head(file, _LONG_HEAD_BYTES).removeprefix(BOM).lstrip()
    lines = start.split(b"\n")
    if len(lines) > 1:
        # The last one may have been cut off by the size of the head.
        del lines[-1]
    values = [_parse(line) for line in lines[:_LINES_LOOKED_AT] if line.strip()]
    are_objects = [isinstance(value, dict) for value in values]
    if not are_objects[0]:
        is_long = b"\n" not in start and len(start) > _HEAD_BYTES // 2
        if is_long and _OBJECT_BEGINS.match(start):
            return "jsonl"
        if is_json_name:
            raise UsageError(
                f"{file.path}:1: by its name this is JSON, and this line is no JSON object. If an "
                "object goes over several lines: jq -c . FILE > FILE.jsonl; else pass --format"
            )
        return "text"
    if is_json_name:
        return "jsonl"
    if all(are_objects) and options.text_field.split(".")[0] in values[0]:
        return "jsonl"
    raise UsageError(
        f"{file.path}:1: a JSON object (fields {', '.join(list(values[0])[:8]) or 'none'}), and it "
        "is not clear that the others are and have text: pass --format jsonl with --text-field, "
        "or --format text"
    )


def _parse(line: bytes) -> Any:
    try:
        return json.loads(line.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return None


def _array(file: InputFile) -> BertprepError:
    return UsageError(
        f"{file.path}: a JSON array, and one object a line is read. Convert it: "
        "jq -c '.[]' FILE > FILE.jsonl"
    )


def _parquet_bytes(file: InputFile, options: CorpusOptions) -> int:
    if file.compression != "none":
        raise UsageError(
            f"{file.path}: a {file.compression} file, and parquet is read from its end: decompress "
            "it first (parquet is compressed inside)"
        )
    from bertprep.corpus.formats import parquet  # pyarrow, where it is wanted

    return parquet.text_bytes(file, options)


def _head(file: InputFile, size: int = _HEAD_BYTES) -> bytes:
    if file.compression == "none":
        return b"".join(read_bytes(file, 0, min(size, file.size), size))
    data = bytearray()
    for piece in read_text(file):
        data += piece
        if len(data) >= size:
            break
    return bytes(data[:size])


def _tail(file: InputFile) -> bytes:
    if file.compression != "none":
        return b""
    return b"".join(read_bytes(file, max(0, file.size - 4), file.size, 4))
