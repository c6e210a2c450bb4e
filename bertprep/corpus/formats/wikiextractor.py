"""WikiExtractor's `<doc ...>` files -> blocks: a document from each element, a line a paragraph.

The line behind `<doc ...>` is the title, which its JSON lines do not have in their text either: it
is left out, and `&lt;`, `&gt;` and `&amp;` become what they stand for, in both forms. The border of
x is the end of the first `</doc>` line that begins at or after the first line start after x.
Cost: 5 ns a byte. Memory: four times a block, and the largest document.

Source: attardi/wikiextractor, wikiextractor/extract.py, `Extractor.extract`.
"""

import re
from collections.abc import Iterator
from functools import partial
from typing import NoReturn

from bertprep.corpus.canonical import BOM, lines_of, unescape
from bertprep.corpus.ranges import cut_evenly, line_number, numbered_lines, read_ranges
from bertprep.corpus.splits import RowBlock, Split
from bertprep.data import InputFile
from bertprep.errors import BertprepError
from bertprep.options import CorpusOptions

HEADER = re.compile(rb"<doc id=\"[^\n]*>[\t\r ]*(?:\n|\Z)")
_FOOTER = re.compile(rb"\n</doc>[\t\r ]*(?:\n|\Z)")
_SKIP = "Mend it, or pass --on-error skip to leave such documents out"


def cut(file: InputFile, target_bytes: int, options: CorpusOptions) -> list[tuple[int, int]]:
    """Cut a file into ranges that tasks of their own can read; nothing is read."""
    return cut_evenly(file, target_bytes)


def read(split: Split, options: CorpusOptions, block_bytes: int) -> Iterator[RowBlock]:
    """Read the elements of a split, as many at a time as make up about `block_bytes`.

    Raises:
        BertprepError: the file cannot be read, a document is over --max-document-bytes, or, unless
            `options.on_error` is "skip", there is text outside of the elements.
    """
    file = split.file
    for offset, data in read_ranges(split, block_bytes, partial(_grow_to_footer, file, options)):
        documents, skipped, start = bytearray(), 0, 0
        if offset == 0 and data.startswith(BOM):
            start = len(BOM)
        while start < len(data):
            footer = _FOOTER.search(data, start)
            end = footer.start() if footer else len(data)
            if end - start > options.max_document_bytes:
                _refuse(file, offset + start, options)
            text = _text_of(bytes(data[start:end]), is_closed=footer is not None)
            if text is None:
                if options.on_error == "stop":
                    raise BertprepError(_problem(file, offset + start))
                skipped += 1
            documents += lines_of(text)
            start = footer.end() if footer else len(data)
        yield RowBlock(file, documents, skipped, place=partial(_place, file, offset))


def _text_of(element: bytes, *, is_closed: bool) -> str | None:
    """The text of an element without its footer; None where it is none; blank lines are ""."""
    element = element.lstrip()
    header = HEADER.match(element)
    if header is None or not is_closed or element.find(b"\n<doc id=", header.end() - 1) >= 0:
        return None if element else ""
    body = element[header.end() :].decode("utf-8", "surrogateescape")
    return unescape(body.partition("\n")[2])


def _problem(file: InputFile, offset: int) -> str:
    """Say what is wrong with the element that begins at or behind byte `offset`."""
    is_inside, start = False, line_number(file, offset)
    for number, line in numbered_lines(file, offset):
        line = line.removeprefix(BOM) if number == 1 else line
        if not is_inside and line.strip():
            start = number
            if not HEADER.match(line):
                return (
                    f'{file.path}:{number}: text where <doc id="..."> was expected. {_SKIP}; '
                    "or is it another --format?"
                )
            is_inside = True
        elif is_inside and line.startswith((b"<doc id=", b"</doc>")):
            break
    return f"{file.path}:{start}: this <doc> has no </doc>: is the file cut off? {_SKIP}"


def _place(file: InputFile, offset: int, document: int, line: int) -> str:
    """Find a line of the text again."""
    state, wanted = "outside", line
    for number, raw in numbered_lines(file, offset):
        if state == "outside" and raw.strip(b" \t\r") and not raw.startswith(b"</doc>"):
            state = "title"
        elif raw.startswith(b"</doc>"):
            if document == 0:
                break
            document, state = document - 1, "outside"
        elif state == "title":
            state = "text"
        elif state == "text" and not document and raw.decode("utf-8", "surrogateescape").strip():
            if not wanted:
                return f"{file.path}:{number}"
            wanted -= 1
    return file.path


def _grow_to_footer(
    file: InputFile,
    options: CorpusOptions,
    data: bytearray,
    pieces: Iterator[bytes],
    begin: int,
    offset: int,
) -> int:
    searched = begin - 1
    # A footer at the very end of the buffer may go on: it counts once its line has ended.
    while (footer := _FOOTER.search(data, searched)) is None or footer.end() == len(data):
        if footer is None:
            if len(data) - begin > options.max_document_bytes:
                _refuse(file, offset + begin, options)
            searched = max(begin - 1, len(data) - len(b"\n</doc"))
        piece = next(pieces, None)
        if piece is None:
            return len(data)
        data += piece
    return footer.end()


def _refuse(file: InputFile, offset: int, options: CorpusOptions) -> NoReturn:
    """Raise for the element that holds byte `offset`; it may start in another split."""
    position, header = 0, 1
    for number, line in numbered_lines(file, 0):
        if position > offset:
            break
        if line.startswith(b"<doc id="):
            header = number
        position += len(line) + 1
    raise BertprepError(
        f"{file.path}:{header}: the document that starts here is over "
        f"{options.max_document_bytes:,} bytes, the limit. Is its </doc> missing? Put it in, or "
        "pass --max-document-bytes"
    )
