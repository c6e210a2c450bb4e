"""What a map task is given, and what it gets from it: splits of files, blocks of whole documents.

Every format ends up as the same lines: a sentence a line, an empty line behind each document. What
comes after reading knows no formats; a message asks the block where a line is from.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bertprep.data import InputFile


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
    """Whole documents.

    Attributes:
        file: where the documents are from.
        data: a sentence a line, a blank line behind each document; the block's end ends one too.
        skipped: documents that could not be read and were left out (`CorpusOptions.on_error`).
    """

    file: InputFile
    data: bytearray
    skipped: int = 0

    def where(self, line: int) -> str:
        """Name the place in the file that line `line` of the block, from 0, is from; slow."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False, kw_only=True)
class RowBlock(Block):
    """Documents of which each has one empty line in the block, its last, and no other.

    Attributes:
        place: names the place of a document and of a line in it, both by number from 0.
    """

    place: Callable[[int, int], str]

    def where(self, line: int) -> str:
        before = bytes(self.data).split(b"\n", line)[:line]
        row = before.count(b"")
        inside = before[::-1].index(b"") if row else line
        return self.place(row, inside)
