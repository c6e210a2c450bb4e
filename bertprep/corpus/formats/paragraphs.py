"""Running text: consecutive lines are one paragraph, which becomes one line of the block.

An empty line ends a document, or, with --document-break file, a paragraph of the single document
that the file is. The lines of a paragraph are joined by a blank, except between two characters of
Chinese or Japanese, which are written without blanks. A carriage return inside a line is a blank.
Cost: 10 ns per byte. Memory: nine times a block, or the largest file with --document-break file.
"""

import re
from collections.abc import Iterator
from functools import partial

from bertprep.corpus.first_bytes import require_text
from bertprep.corpus.formats.base import FileStart, RowBlock, Split, encode
from bertprep.corpus.formats.plain_text import BlankLineFormat, require_line_feeds
from bertprep.corpus.formats.text_ranges import numbered_lines
from bertprep.corpus.streams import read_text
from bertprep.data import InputFile
from bertprep.errors import BertprepError
from bertprep.options import CorpusOptions

#: Ideographs, kana, and the full-width marks between them; no hangul, which has blanks.
_UNSPACED = (
    "[\u2e80-\u2fdf\u3001-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff01-\uff60\uff66-\uff9f\U00020000-\U0003ffff]"
)
# The newline comes first, because it can be searched for fast; the lookbehinds include it.
_UNSPACED_BREAK = re.compile(f"\n(?<={_UNSPACED}\n)(?={_UNSPACED})")
_BREAK = re.compile("\n(?<!\n\n)(?!\n)")
_EMPTY_LINES = re.compile("\n\n+")


class Paragraphs(BlankLineFormat):
    """Running text. It looks like plain text, so that it is never detected."""

    name = "paragraphs"
    stored_as = ("text",)

    def prepare(self, start: FileStart, options: CorpusOptions) -> InputFile:
        # Decompressing the first block of many files takes long.
        if start.file.compression == "none":
            require_line_feeds(start)
        return super().prepare(start, options)

    def cut(
        self, file: InputFile, target_bytes: int, options: CorpusOptions
    ) -> list[tuple[int, int]]:
        if options.document_break == "file":
            return [(0, file.size)] if file.size else []
        return super().cut(file, target_bytes, options)

    def read(self, split: Split, options: CorpusOptions, block_bytes: int) -> Iterator[RowBlock]:
        file = split.file
        if options.document_break == "file":
            ranges = iter([(0, _read_whole(file, options))])
        else:
            ranges = self.read_ranges(split, options, block_bytes)
        for offset, data in ranges:
            lines = join_paragraphs(data, document_break=options.document_break)
            yield RowBlock(file, lines, locate=partial(_locate, file, offset))


def join_paragraphs(data: bytes | bytearray, *, document_break: str) -> bytearray:
    """Return each paragraph as a line, with an empty line after each document."""
    text = data.decode("utf-8", "surrogateescape").replace("\r\n", "\n").replace("\r", " ")
    text = "\n".join([line.strip() for line in text.split("\n")]).strip("\n")
    if not text:
        return bytearray()
    text = _BREAK.sub(" ", _UNSPACED_BREAK.sub("", text))
    text = _EMPTY_LINES.sub("\n\n" if document_break == "empty-line" else "\n", text)
    return bytearray(encode(text) + b"\n\n")


def _read_whole(file: InputFile, options: CorpusOptions) -> bytearray:
    data = bytearray()
    for piece in read_text(file):
        data += piece
        if len(data) > options.max_document_bytes:
            raise BertprepError(
                f"{file.path}: with --document-break file this is one document, and over "
                f"{options.max_document_bytes:,} bytes, the limit. Pass --document-break "
                "empty-line, or --max-document-bytes"
            )
    require_text(file.path, data)
    return data


def _locate(file: InputFile, offset: int, document: int, paragraph: int) -> str:
    """Return the line in which a paragraph begins: one of the two numbers is always 0."""
    remaining = document + paragraph
    was_blank = True
    for number, line in numbered_lines(file, offset):
        is_blank = not line.decode("utf-8", "surrogateescape").strip()
        if was_blank and not is_blank:
            if not remaining:
                return f"{file.path}:{number}"
            remaining -= 1
        was_blank = is_blank
    return file.path
