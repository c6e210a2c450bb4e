"""Formats that are text: byte ranges of a file, moved to boundaries between documents.

The boundary of a position is the end of the first document that ends after the first line start at
or after it. Only the text between a nominal cut and its boundary is searched: a block costs little
more than a read. Memory: a block, and the document that it ends with.
"""

import sys
from collections.abc import Iterator
from typing import NoReturn

from bertprep.corpus.first_bytes import require_text
from bertprep.corpus.formats.base import Format, Split
from bertprep.corpus.streams import READ_BYTES, read_bytes, read_text
from bertprep.data import InputFile
from bertprep.errors import BertprepError
from bertprep.options import CorpusOptions

_SEARCH_BYTES = 1 << 16
#: No UTF-8 character is longer: a line of more bytes certainly has too many characters.
_BYTES_PER_CHAR = 4


class TextFormat(Format):
    """A format whose documents end at line ends.

    Attributes:
        limits_lines: lines are sentences, and --max-line-chars applies to them.
        size_advice: what to do about a document over --max-document-bytes.
    """

    limits_lines = False
    size_advice: str

    def find_boundary(self, data: bytearray, begin: int) -> int:
        """Return the boundary of `begin`, which is at least 1, or 0 if it is not in `data`."""
        raise NotImplementedError

    def ends_document(self, line: bytes | bytearray) -> bool:
        """Return whether no document goes on after a line."""
        raise NotImplementedError

    def read_ranges(
        self, split: Split, options: CorpusOptions, block_bytes: int
    ) -> Iterator[tuple[int, bytearray]]:
        """Read the documents of a split, as many at a time as make up `block_bytes` or just more.

        Yields:
            The offset of the documents, in bytes of (decompressed) text, and their bytes.

        Raises:
            BertprepError: the file cannot be read, is damaged, truncated, shorter than when it was
                listed, or UTF-16; or a document or a line is over its limit.
        """
        file = split.file
        if file.compression == "none":
            offset = self._move(file, split.start, options)
            end = self._move(file, split.end, options)
            pieces = read_bytes(file, offset, end, min(block_bytes, READ_BYTES))
        else:
            offset, pieces = 0, read_text(file)
        data = bytearray()
        while cut := self._extend(file, options, data, pieces, block_bytes, offset):
            rest = data[cut:]
            del data[cut:]
            if offset == 0:
                require_text(file.path, data)
            if cut > options.max_document_bytes:
                self._require_small_documents(file, options, data, offset)
            yield offset, data
            offset += cut
            data = rest

    def _move(self, file: InputFile, nominal: int, options: CorpusOptions) -> int:
        """Return the boundary of a nominal cut of an uncompressed file."""
        if nominal in (0, file.size):
            return nominal
        # The byte before tells whether a line starts here.
        pieces = read_bytes(file, nominal - 1, file.size, _SEARCH_BYTES)
        return nominal - 1 + self._extend(file, options, bytearray(), pieces, 1, nominal - 1)

    def _extend(
        self,
        file: InputFile,
        options: CorpusOptions,
        data: bytearray,
        pieces: Iterator[bytes],
        begin: int,
        offset: int,
    ) -> int:
        """Append pieces to `data`, from byte `offset` of the text, until it has a boundary.

        Returns:
            The boundary of `begin`, or the length of `data` if the pieces end before it.
        """
        searched, line_start = begin, 0
        while not (boundary := self.find_boundary(data, searched)):
            searched = (data.rfind(b"\n", searched - 1) + 1) or searched
            # No document ends after the first line start: from there on everything is one.
            line_start = line_start or data.find(b"\n", begin - 1) + 1
            if len(data) - (line_start or begin) > options.max_document_bytes:
                self._refuse(file, options, offset + (line_start or begin))
            if (
                self.limits_lines
                and len(data) - searched > _BYTES_PER_CHAR * options.max_line_chars
            ):
                raise BertprepError(
                    f"{file.path}:{line_number(file, offset + searched)}: "
                    f"line is over {options.max_line_chars:,} characters, the limit. "
                    "Split it into sentences, or pass --max-line-chars"
                )
            piece = next(pieces, None)
            if piece is None:
                return len(data)
            data += piece
        return boundary

    def _require_small_documents(
        self, file: InputFile, options: CorpusOptions, data: bytearray, offset: int
    ) -> None:
        start = 0
        while start < len(data):
            end = (data.find(b"\n", start) + 1) or len(data)
            if not self.ends_document(data[start:end]):
                end = self.find_boundary(data, end) or len(data)
            is_large = end - start > options.max_document_bytes
            # A long blank line is no document.
            if is_large and data[start:end].decode(errors="replace").strip():
                self._refuse(file, options, offset + start)
            start = end

    def _refuse(self, file: InputFile, options: CorpusOptions, offset: int) -> NoReturn:
        """Raise an error about the document at byte `offset`, which may start in another split."""
        document_line, end, is_between = 1, 0, True
        for number, line in numbered_lines(file, 0, offset + _SEARCH_BYTES):
            if is_between and line.strip():
                document_line, is_between = number, False
            end += len(line) + 1
            if end > offset and not is_between:
                break
            is_between = is_between or self.ends_document(line)
        raise BertprepError(
            f"{file.path}:{document_line}: the document that starts here is over "
            f"{options.max_document_bytes:,} bytes, the limit. {self.size_advice}, or pass "
            "--max-document-bytes"
        )


def line_number(file: InputFile, offset: int) -> int:
    """Return the line, from 1, that holds byte `offset` of the (decompressed) file.

    Slow, for messages: the file is read from its start.
    """
    line = 1
    for piece in read_text(file):
        line += piece.count(b"\n", 0, offset)
        offset -= len(piece)
        if offset <= 0:
            break
    return line


def numbered_lines(
    file: InputFile, offset: int, end: int = sys.maxsize
) -> Iterator[tuple[int, bytes]]:
    """Yield the lines in bytes [offset, end) of the text, with their numbers from 1.

    Slow, for messages: the file is read from its start.

    Args:
        offset: the start of a line.
        end: the line that holds this byte is truncated there, and is the last one.
    """
    number, position, tail = 1, 0, bytearray()
    for piece in read_text(file):
        start, position = position, position + len(piece)
        skipped = min(max(0, offset - start), len(piece))
        number += piece.count(b"\n", 0, skipped)
        head, newline, rest = piece[skipped : max(0, end - start)].partition(b"\n")
        tail += head
        if newline:
            *lines, last = [bytes(tail), *rest.split(b"\n")]
            tail = bytearray(last)
            for line in lines:
                yield number, line
                number += 1
        if position >= end:
            break
    yield number, bytes(tail)
