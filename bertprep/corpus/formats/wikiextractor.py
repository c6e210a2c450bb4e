"""WikiExtractor's output: a document per `<doc ...>` element, a line per paragraph; or its JSON.

The line after `<doc ...>` is the title, which the JSON form does not have in its text: it is left
out. `&lt;`, `&gt;` and `&amp;` are undone in both forms. The boundary of x is the end of the first
`</doc>` line that begins at or after the first line start after x.
Cost: 5 ns per byte. Memory: four times a block, and the largest document.

Source: attardi/wikiextractor, wikiextractor/extract.py, `Extractor.extract`.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from bertprep.corpus.formats.base import (
    BOM,
    SKIP_ADVICE,
    FileStart,
    RowBlock,
    Split,
    Text,
    lines_of,
)
from bertprep.corpus.formats.jsonl import JsonLines
from bertprep.corpus.formats.text_ranges import TextFormat, line_number, numbered_lines
from bertprep.data import InputFile
from bertprep.errors import BertprepError
from bertprep.options import CorpusOptions

_HEADER = re.compile(rb"<doc id=\"[^\n]*>[\t\r ]*(?:\n|\Z)")
_FOOTER_LINE = re.compile(rb"\n</doc>[\t\r ]*\n")
#: The file may end after its last footer.
_FOOTER = re.compile(rb"\n</doc>[\t\r ]*(?:\n|\Z)")
#: Stricter than _HEADER: text may well begin with a tag.
_FILE_BEGINS = re.compile(rb'<doc id="[^"\n]*" [^\n]*>[\t\r ]*\n')


class WikiExtractor(TextFormat):
    """WikiExtractor's `<doc ...>` elements; files of its JSON form are read as such."""

    name = "wikiextractor"
    stored_as = ("text", "jsonl")
    size_advice = "Is its </doc> missing? Add it"

    def sniff(self, start: FileStart, options: CorpusOptions) -> bool:
        return _FILE_BEGINS.match(start.text) is not None

    def prepare(self, start: FileStart, options: CorpusOptions) -> InputFile:
        is_json = start.text.startswith(b"{")
        return replace(start.file, format=WikiExtractorJson.name if is_json else self.name)

    def find_boundary(self, data: bytearray, begin: int) -> int:
        footer = _FOOTER_LINE.search(data, begin - 1)
        return footer.end() if footer else 0

    def ends_document(self, line: bytes | bytearray) -> bool:
        return line.startswith(b"</doc>")

    def read(self, split: Split, options: CorpusOptions, block_bytes: int) -> Iterator[RowBlock]:
        file = split.file
        for offset, data in self.read_ranges(split, options, block_bytes):
            documents, skipped, start = bytearray(), 0, 0
            if offset == 0 and data.startswith(BOM):
                start = len(BOM)
            while start < len(data):
                footer = _FOOTER.search(data, start)
                end = footer.start() if footer else len(data)
                text = _text_of(bytes(data[start:end]), is_closed=footer is not None)
                if text is None:
                    if options.on_error == "stop":
                        raise BertprepError(_problem(file, offset + start))
                    skipped += 1
                documents += lines_of(text)
                start = footer.end() if footer else len(data)
            yield RowBlock(file, documents, skipped, locate=partial(_locate, file, offset))


class WikiExtractorJson(JsonLines):
    """WikiExtractor's JSON lines; the user asks for "wikiextractor", and the file decides."""

    name = "wikiextractor-json"
    suffixes = ()
    weak_suffixes = ()

    def sniff(self, start: FileStart, options: CorpusOptions) -> bool:
        return False

    def clean(self, text: Text) -> Text:
        return _unescape(text) if isinstance(text, str) else text


def _unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _text_of(element: bytes, *, is_closed: bool) -> str | None:
    """Return the text of an element without its footer; None if invalid, "" for blank lines."""
    element = element.lstrip()
    header = _HEADER.match(element)
    if header is None or not is_closed or element.find(b"\n<doc id=", header.end() - 1) >= 0:
        return None if element else ""
    body = element[header.end() :].decode("utf-8", "surrogateescape")
    return _unescape(body.partition("\n")[2])


def _problem(file: InputFile, offset: int) -> str:
    """Return what is wrong with the element that begins at or after byte `offset`."""
    is_inside, start = False, line_number(file, offset)
    for number, line in numbered_lines(file, offset):
        line = line.removeprefix(BOM) if number == 1 else line
        if not is_inside and line.strip():
            start = number
            if not _HEADER.match(line):
                return (
                    f'{file.path}:{number}: text where <doc id="..."> was expected. {SKIP_ADVICE}; '
                    "or is this another --format?"
                )
            is_inside = True
        elif is_inside and line.startswith((b"<doc id=", b"</doc>")):
            break
    return f"{file.path}:{start}: this <doc> has no </doc>: is the file truncated? {SKIP_ADVICE}"


def _locate(file: InputFile, offset: int, document: int, line: int) -> str:
    """Return the position in the file of a line of a document."""
    state, remaining = "outside", line
    for number, raw in numbered_lines(file, offset):
        if state == "outside" and raw.strip(b" \t\r") and not raw.startswith(b"</doc>"):
            state = "title"
        elif raw.startswith(b"</doc>"):
            if document == 0:
                break
            document, state = document - 1, "outside"
        elif state == "title":
            state = "text"
        elif state == "text" and not document:
            parts = raw.decode("utf-8", "surrogateescape").split("\r")
            remaining -= sum(bool(part.strip()) for part in parts)
            if remaining < 0:
                return f"{file.path}:{number}"
    return file.path
