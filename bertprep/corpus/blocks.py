"""Files -> splits by size -> blocks of whole documents, which end at a blank line or with the file.

A split is a nominal byte range. Its documents lie between the borders of its two ends, where the
border of x is the end of the first blank line that begins at or after the first line start at or
after x. Only the text between x and its border is searched: a block costs little more than a read.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NoReturn

from bertprep.corpus.inputs import refuse_wide_text
from bertprep.corpus.streams import READ_BYTES, read_bytes, read_text
from bertprep.data import InputFile
from bertprep.errors import BertprepError
from bertprep.options import CorpusOptions

_SEARCH_BYTES = 1 << 16
#: No UTF-8 character is longer, so that a line of more bytes has too many characters for certain.
_BYTES_PER_CHAR = 4
#: A line of nothing but bytes of UTF-8 white space; most lines fail at their first byte.
_BLANK_CANDIDATE = re.compile(
    rb"\n[\t\v\f\r\x1c-\x20\x80-\x8a\x9a\x9f\xa0\xa8\xa9\xaf\xc2\xe1\xe2\xe3]*\n"
)


@dataclass(frozen=True)
class Split:
    """What one map task reads.

    Attributes:
        ordinal: position among all splits, from 0; documents are ordered by it.
        start: first byte of the nominal range.
        end: the byte after it; a compressed file is one split of all its bytes on disk.
    """

    ordinal: int
    file: InputFile
    start: int
    end: int


@dataclass(frozen=True, eq=False)
class Block:
    """Whole documents as they stand in the file, blank lines included.

    Attributes:
        file: where the documents are from.
        data: the bytes.
        offset: where they start in the file, in bytes of text (after decompression).
        first_line: number of the first line, from 1, where it is known without reading back.
    """

    file: InputFile
    data: bytearray
    offset: int
    first_line: int | None


def plan_splits(files: Sequence[InputFile], target_bytes: int) -> list[Split]:
    """Cut plain files into equal ranges of at most `target_bytes`; nothing is read."""
    ranges = []
    for file in files:
        # Nobody can start in the middle of a compressed file.
        count = -(-file.size // target_bytes) if file.can_be_split else 1
        cuts = [file.size * k // count for k in range(count + 1)] if count else []
        ranges += [(file, start, end) for start, end in pairwise(cuts)]
    return [Split(ordinal, *range_) for ordinal, range_ in enumerate(ranges)]


def read_blocks(split: Split, options: CorpusOptions, block_bytes: int) -> Iterator[Block]:
    """Read the documents of a split, as many at a time as make up `block_bytes` or just more.

    Raises:
        BertprepError: the file cannot be read, is damaged, cut off or shorter than when it was
            found, or a line or a document is over its limit.
    """
    file = split.file
    if file.compression == "none":
        offset = _border(file, split.start, options)
        pieces = read_bytes(
            file, offset, _border(file, split.end, options), min(block_bytes, READ_BYTES)
        )
    else:
        offset, pieces = 0, read_text(file)
    first_line = 1 if offset == 0 else None
    data = bytearray()
    while cut := _grow_to_border(data, pieces, block_bytes, file, offset, options):
        rest = data[cut:]
        del data[cut:]
        if offset == 0:
            refuse_wide_text(file.path, data)
        if cut > options.max_document_bytes:
            _require_small_documents(data, file, offset, options)
        yield Block(file, data, offset, first_line)
        # Decompressing again to count lines takes long; a plain file is read again in no time.
        is_plain = file.compression == "none"
        first_line = None if is_plain or not first_line else first_line + data.count(b"\n")
        offset += cut
        data = rest


def line_number(source: InputFile | Split | Block, offset: int) -> int:
    """Count the line, from 1, that holds byte `offset` of the (decompressed) file.

    Slow, for messages: the file is read from its start, unless a block knows its first line.
    """
    if isinstance(source, Block) and source.first_line is not None:
        inside = offset - source.offset
        if 0 <= inside <= len(source.data):
            return source.first_line + source.data.count(b"\n", 0, inside)
    line = 1
    for piece in read_text(source if isinstance(source, InputFile) else source.file):
        line += piece.count(b"\n", 0, offset)
        offset -= len(piece)
        if offset <= 0:
            break
    return line


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


def _border(file: InputFile, nominal: int, options: CorpusOptions) -> int:
    if nominal in (0, file.size):
        return nominal
    # The byte before tells whether a line starts here.
    pieces = read_bytes(file, nominal - 1, file.size, _SEARCH_BYTES)
    return nominal - 1 + _grow_to_border(bytearray(), pieces, 1, file, nominal - 1, options)


def _grow_to_border(
    data: bytearray,
    pieces: Iterator[bytes],
    begin: int,
    file: InputFile,
    offset: int,
    options: CorpusOptions,
) -> int:
    """Append pieces to `data`, which stands at `offset`, until it holds the border of `begin`.

    Returns:
        The border, or the length of `data` when the pieces end before it.
    """
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
