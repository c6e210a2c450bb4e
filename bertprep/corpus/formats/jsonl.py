"""JSON lines: each line is an object and a document; one field of it is the text.

The boundary of x is the first line start at or after x, so that every core gets a part of the file.
orjson parses a line; what it refuses and Python's own `json` does not (NaN, invalid UTF-8, half a
surrogate pair) is parsed by that, and the tokenizer reports the line that is not UTF-8.
Cost: 3 ns per byte with documents of 3 KB. Memory: six times a block, and the longest line.
"""

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from bertprep.corpus.formats.base import (
    BOM,
    SKIP_ADVICE,
    FileStart,
    RowBlock,
    Split,
    Text,
    lines_of,
)
from bertprep.corpus.formats.text_ranges import TextFormat, line_number
from bertprep.data import InputFile
from bertprep.errors import BertprepError, UsageError
from bertprep.options import CorpusOptions

_KINDS = {bool: "true or false", int: "a number", float: "a number", dict: "an object"}
_SNIFFED_LINES = 5
#: A first line of more bytes is too long to be parsed, and may still begin like an object.
_LONG_LINE_BYTES = 1 << 15
_OBJECT_BEGINS = re.compile(rb'\{\s*"[^"\n]*"\s*:')
_ARRAY_BEGINS = re.compile(rb'\[\s*\{\s*"[^"\n]*"\s*:')


class JsonLines(TextFormat):
    """JSON lines. Text may begin with `{` or `[` too, so that doubtful files raise an error."""

    name = "jsonl"
    suffixes: tuple[str, ...] = (".jsonl", ".ndjson")
    weak_suffixes: tuple[str, ...] = (".json",)
    has_rows = True
    size_advice = "Is there one JSON object per line? Put each on a line of its own"

    def sniff(self, start: FileStart, options: CorpusOptions) -> bool:
        path, text = start.file.path, start.text
        is_json_name = start.suffix in (*self.suffixes, *self.weak_suffixes)
        if text.startswith(b"[") and (is_json_name or _ARRAY_BEGINS.match(text)):
            raise _array_error(path)
        if text.startswith(b"{"):
            return _are_objects(path, start.lines, options, is_json_name=is_json_name)
        if is_json_name and text:
            raise UsageError(
                f"{path}: the name says JSON, but the file does not begin with an object. Pass "
                "--format text if it is text, or --format jsonl"
            )
        return False

    def prepare(self, start: FileStart, options: CorpusOptions) -> InputFile:
        # Decompressing the first block of many files takes long.
        if start.file.compression == "none" and start.text.startswith(b"["):
            raise _array_error(start.file.path)
        return super().prepare(start, options)

    def find_boundary(self, data: bytearray, begin: int) -> int:
        return data.find(b"\n", begin - 1) + 1

    def ends_document(self, line: bytes | bytearray) -> bool:
        return True

    def read(self, split: Split, options: CorpusOptions, block_bytes: int) -> Iterator[RowBlock]:
        import orjson  # workers on other machines need it only for this format

        file = split.file
        for offset, data in self.read_ranges(split, options, block_bytes):
            lines = bytes(data).split(b"\n")
            if not lines[-1]:
                del lines[-1]
            documents, skipped = bytearray(), 0
            for row, line in enumerate(lines):
                try:
                    text = self.clean(_text_of(line, options.text_field, orjson.loads))
                except _NoTextError as error:
                    if options.on_error == "stop":
                        where = _locate(file, offset, row)
                        raise BertprepError(f"{where}: {error}. {error.advice}") from None
                    skipped += 1
                    text = None
                documents += lines_of(text)
            yield RowBlock(file, documents, skipped, locate=partial(_locate, file, offset))

    def clean(self, text: Text) -> Text:
        """Return the text of a field without what the format adds to it."""
        return text


class _NoTextError(Exception):
    """A line has no text: the message says why, `advice` what to do."""

    def __init__(self, problem: str, advice: str = SKIP_ADVICE) -> None:
        super().__init__(problem)
        self.advice = advice


def _array_error(path: str) -> UsageError:
    return UsageError(
        f"{path}: this is a JSON array, and bertprep reads one object per line. Convert it: "
        "jq -c '.[]' FILE > FILE.jsonl"
    )


def _are_objects(
    path: str, lines: list[bytes], options: CorpusOptions, *, is_json_name: bool
) -> bool:
    """Return whether the first lines of a file that begins with `{` are objects with text.

    Raises:
        UsageError: they may be either objects or text.
    """
    values: list[Any] = []
    for line in filter(bytes.strip, lines[:_SNIFFED_LINES]):
        try:
            values.append(_parse(line))
        except _NoTextError:
            values.append(None)
    are_objects = [isinstance(value, dict) for value in values]
    if not are_objects[0]:
        is_long = len(lines) == 1 and len(lines[0]) > _LONG_LINE_BYTES
        if is_long and _OBJECT_BEGINS.match(lines[0]):
            return True
        if is_json_name:
            raise UsageError(
                f"{path}:1: the name says JSON, but this line is not a JSON object. If an object "
                "takes several lines: jq -c . FILE > FILE.jsonl; otherwise pass --format"
            )
        return False
    if is_json_name:
        return True
    if all(are_objects) and options.text_field.split(".")[0] in values[0]:
        return True
    raise UsageError(
        f"{path}:1: this is a JSON object (fields {', '.join(list(values[0])[:8]) or 'none'}), but "
        "it is unclear whether every line is one and has text: pass --format jsonl with "
        "--text-field, or --format text"
    )


def _text_of(line: bytes, path: str, loads: Callable[[bytes], Any]) -> Any:
    """Return the text in a line: a string, a list of them, or None.

    Raises:
        _NoTextError: there is none.
    """
    try:
        document = loads(line)
    except ValueError:
        line = line.removeprefix(BOM)
        if not line.strip():
            return None
        document = _parse(line)
    value = _find_field(document, path)
    if value is None or type(value) is str:
        return value
    is_list = isinstance(value, list)
    if not is_list or not all(item is None or isinstance(item, str) for item in value):
        kind = _KINDS.get(type(value), "a list with items that are not strings")
        raise _NoTextError(
            f'the field "{path}" is {kind}, not text',
            "Name another field with --text-field, or pass --on-error skip",
        )
    return value


def _find_field(document: Any, path: str) -> Any:
    """Follow a dotted path; a field with the whole path as its name comes first.

    Raises:
        _NoTextError: the document is not an object, or the path leads nowhere.
    """
    if not isinstance(document, dict):
        raise _NoTextError("JSON, but not an object with fields")
    if path in document:
        return document[path]
    value: Any = document
    for name in path.split("."):
        if value is None:
            return None
        if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            value = _field_of_items(value, name)
            if value is not None:
                continue
        if not isinstance(value, dict) or name not in value:
            fields = ", ".join(list(document)[:8]) or "none"
            raise _NoTextError(
                f'no field "{path}" (fields: {fields})',
                "Name the field of the text with --text-field, or pass --on-error skip",
            )
        value = value[name]
    return value


def _field_of_items(items: list[Any], name: str) -> list[Any] | None:
    """Return a field of each object of a list, lists of them joined; None if none has it."""
    found: list[Any] = []
    has_field = False
    for item in items:
        if isinstance(item, dict) and name in item:
            has_field = True
            value = item[name]
            # A line end inside a text of an object ends a line, as in the field of a document.
            found += (
                re.split("[\\r\\n]+", value)
                if isinstance(value, str)
                else (value if isinstance(value, list) else [value])
            )
    return found if has_field else None


def _parse(line: bytes) -> Any:
    """Parse a line with Python's parser.

    Raises:
        _NoTextError: it is not JSON.
    """
    try:
        return json.loads(line.decode("utf-8", "surrogateescape"))
    except json.JSONDecodeError as error:
        reason = f"{error.msg} at character {error.pos + 1}"
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits; too deep
        reason = str(error).partition(";")[0]
    raise _NoTextError(f"not JSON ({reason})")


def _locate(file: InputFile, offset: int, row: int, line: int = 0) -> str:
    return f"{file.path}:{line_number(file, offset) + row}"
