"""Byte ranges of a file -> the same ranges moved to borders between documents, block by block.

A format says where its documents end, by a function that lets a buffer grow to a border. Only the
text between a nominal cut and its border is searched: a block costs little more than a read.
Memory: a block, and the document that it ends with.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

from bertprep.corpus.first_bytes import refuse_wide_text
from bertprep.corpus.splits import Split
from bertprep.corpus.streams import READ_BYTES, read_bytes, read_text
from bertprep.data import InputFile

_SEARCH_BYTES = 1 << 16

#: (data, pieces, begin, offset) -> border. Appends pieces to `data`, which stands at `offset` of
#: the text, until it holds the border of `begin`, which is at least 1: the end of the first
#: document that ends behind the first line start at or after `begin`. The border is the length of
#: `data` when the pieces end before it.
Grow = Callable[[bytearray, Iterator[bytes], int, int], int]


def cut_evenly(file: InputFile, target_bytes: int) -> list[tuple[int, int]]:
    """Cut a plain file into equal ranges of at most `target_bytes`; nothing is read."""
    # Nobody can start in the middle of a compressed file.
    count = -(-file.size // target_bytes) if file.can_be_split else 1
    cuts = [file.size * k // count for k in range(count + 1)] if file.size else []
    return list(pairwise(cuts))


def read_ranges(split: Split, block_bytes: int, grow: Grow) -> Iterator[tuple[int, bytearray]]:
    """Read the documents of a split, as many at a time as make up `block_bytes` or just more.

    Yields:
        Where the documents start, in bytes of text (after decompression), and their bytes.

    Raises:
        BertprepError: the file cannot be read, is damaged, cut off, shorter than when it was
            found, or UTF-16; and what `grow` raises.
    """
    file = split.file
    if file.compression == "none":
        offset = border(file, split.start, grow)
        end = border(file, split.end, grow)
        pieces = read_bytes(file, offset, end, min(block_bytes, READ_BYTES))
    else:
        offset, pieces = 0, read_text(file)
    data = bytearray()
    while cut := grow(data, pieces, block_bytes, offset):
        rest = data[cut:]
        del data[cut:]
        if offset == 0:
            refuse_wide_text(file.path, data)
        yield offset, data
        offset += cut
        data = rest


def border(file: InputFile, nominal: int, grow: Grow) -> int:
    """Move a nominal cut of a plain file to where a document ends."""
    if nominal in (0, file.size):
        return nominal
    # The byte before tells whether a line starts here.
    pieces = read_bytes(file, nominal - 1, file.size, _SEARCH_BYTES)
    return nominal - 1 + grow(bytearray(), pieces, 1, nominal - 1)


def line_number(file: InputFile, offset: int) -> int:
    """Count the line, from 1, that holds byte `offset` of the (decompressed) file.

    Slow, for messages: the file is read from its start.
    """
    line = 1
    for piece in read_text(file):
        line += piece.count(b"\n", 0, offset)
        offset -= len(piece)
        if offset <= 0:
            break
    return line


def numbered_lines(file: InputFile, offset: int) -> Iterator[tuple[int, bytes]]:
    """Yield the lines from byte `offset` on, which starts one, with their numbers from 1.

    Slow, for messages: the file is read from its start.
    """
    number, tail = 1, b""
    for piece in read_text(file):
        if offset >= len(piece):
            number += piece.count(b"\n")
            offset -= len(piece)
            continue
        number += piece.count(b"\n", 0, offset)
        *lines, tail = (tail + piece[offset:]).split(b"\n")
        offset = 0
        for line in lines:
            yield number, line
            number += 1
    yield number, tail
