"""Text -> blocks: a sentence a line, a blank line between documents, byte for byte as it stands.

The border of x is the end of the first blank line that begins at or after the first line start at
or after x; a blank line is one that `str.strip()` leaves empty.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

from bertprep.corpus.ranges import Grow, cut_evenly, line_number, read_ranges
from bertprep.corpus.splits import Block, Split
from bertprep.corpus.streams import read_text
from bertprep.data import InputFile
from bertprep.errors import BertprepError
from bertprep.options import CorpusOptions

#: No UTF-8 character is longer, so that a line of more bytes has too many characters for certain.
_BYTES_PER_CHAR = 4
#: A line of nothing but bytes of UTF-8 white space; most lines fail at their first byte.
_BLANK_CANDIDATE = re.compile(
    rb"\n[\t\v\f\r\x1c-\x20\x80-\x8a\x9a\x9f\xa0\xa8\xa9\xaf\xc2\xe1\xe2\xe3]*\n"
)


@dataclass(frozen=True, eq=False, kw_only=True)
class TextBlock(Block):
    """Documents as they stand in the file, blank lines included.

    Attributes:
        offset: where they start in the file, in bytes of text (after decompression).
        first_line: number of the first line, from 1, where it is known without reading back.
    """

    offset: int
    first_line: int | None

    def where(self, line: int) -> str:
        first_line = self.first_line or line_number(self.file, self.offset)
        return f"{self.file.path}:{first_line + line}"


def cut(file: InputFile, target_bytes: int, options: CorpusOptions) -> list[tuple[int, int]]:
    """Cut a file into ranges that tasks of their own can read; nothing is read."""
    return cut_evenly(file, target_bytes)


def read(split: Split, options: CorpusOptions, block_bytes: int) -> Iterator[TextBlock]:
    """Read the documents of a split, as many at a time as make up `block_bytes` or just more.

    Raises:
        BertprepError: the file cannot be read, is damaged, cut off or shorter than when it was
            found, or a line or a document is over its limit.
    """
    file = split.file
    is_plain = file.compression == "none"
    first_line = 1
    for offset, data in read_ranges(split, block_bytes, grow_to_blank_line(file, options)):
        if len(data) > options.max_document_bytes:
            _require_small_documents(data, file, offset, options)
        # Decompressing again to count lines takes long; a plain file is read again in no time.
        is_known = not (is_plain and offset)
        yield TextBlock(file, data, offset=offset, first_line=first_line if is_known else None)
        first_line += 0 if is_plain else data.count(b"\n")


def grow_to_blank_line(file: InputFile, options: CorpusOptions) -> Grow:
    """Make the function that `read_ranges` finds the borders of text with."""
    return partial(_grow_to_border, file, options)


def _is_blank(line: bytes) -> bool:
    try:
        return not line.replace(b"\r", b"").decode().strip()
    except UnicodeDecodeError:
        return False


def _find_border(data: bytearray, begin: int) -> int:
    """Find the border of `begin`, which is at least 1; 0 when `data` does not reach so far."""
    newline = data.find(b"\n", begin - 1)
    while newline >= 0:
        candidate = _BLANK_CANDIDATE.search(data, newline)
        if candidate is None:
            break
        if _is_blank(candidate[0]):
            return candidate.end()
        newline = candidate.end() - 1
    return 0


def _grow_to_border(
    file: InputFile,
    options: CorpusOptions,
    data: bytearray,
    pieces: Iterator[bytes],
    begin: int,
    offset: int,
) -> int:
    first_line_start = 0
    searched = begin
    while not (border := _find_border(data, searched)):
        line_start = data.rfind(b"\n", searched - 1) + 1
        if line_start:
            first_line_start = first_line_start or data.find(b"\n", begin - 1) + 1
            searched = line_start
        # No blank line follows the first line start, so all from there on is one document.
        if first_line_start and len(data) - first_line_start > options.max_document_bytes:
            _refuse_document(file, offset + first_line_start, options)
        if len(data) - searched > _BYTES_PER_CHAR * options.max_line_chars:
            raise BertprepError(
                f"{file.path}:{line_number(file, offset + searched)}: "
                f"line is over {options.max_line_chars:,} characters, the limit. "
                "Split it into sentences, or pass --max-line-chars"
            )
        piece = next(pieces, None)
        if piece is None:
            return len(data)
        data += piece
    return border


def _require_small_documents(
    data: bytearray, file: InputFile, offset: int, options: CorpusOptions
) -> None:
    """Look at each document of a block that is large enough to hold one over the limit."""
    line_end = data.find(b"\n") + 1
    start = line_end if _is_blank(bytes(data[:line_end])) else 0
    while start < len(data):
        end = _find_border(data, max(start, 1)) or len(data)
        if end - start > options.max_document_bytes and not _is_blank(bytes(data[start:end])):
            _refuse_document(file, offset + start, options)
        start = end


def _refuse_document(file: InputFile, offset: int, options: CorpusOptions) -> NoReturn:
    """Raise for the document that holds byte `offset`; it may start in another split."""
    line_start, line_count, document_line, tail = 0, 0, 1, b""
    for piece in read_text(file):
        *lines, tail = (tail + piece).split(b"\n")
        for line in lines:
            if line_start > offset:
                break
            line_count += 1
            line_start += len(line) + 1
            if line_start <= offset and _is_blank(line):
                document_line = line_count + 1
        if line_start > offset:
            break
    raise BertprepError(
        f"{file.path}:{document_line}: the document that starts here is over "
        f"{options.max_document_bytes:,} bytes, the limit. Are the empty lines between documents "
        "missing? Put them in, or pass --max-document-bytes"
    )
