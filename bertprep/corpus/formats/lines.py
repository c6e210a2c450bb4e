r"""Rows that are lines of documents, where an empty row ends a document: `--rows lines`.

A format reads its rows as documents, each with an empty line after it; here that line is removed,
so that only empty rows end documents. A file is read by one task, since a row does not tell where
its document begins. Memory: two blocks, and the largest document.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from bertprep.corpus.formats.base import Block
from bertprep.errors import BertprepError
from bertprep.options import CorpusOptions


@dataclass(frozen=True, eq=False, kw_only=True)
class LinesBlock(Block):
    """Documents made of rows.

    Attributes:
        sources: the blocks that the rows come from.
        first: number of lines with text at the start of `sources` that belong to other documents.
    """

    sources: tuple[Block, ...]
    first: int

    def where(self, line: int) -> str:
        remaining = self.first + sum(map(bool, bytes(self.data).split(b"\n", line)[:line]))
        for source in self.sources:
            for number, text in enumerate(bytes(source.data).split(b"\n")):
                if text and not remaining:
                    return source.where(number)
                remaining -= bool(text)
        return self.file.path


def join_rows(blocks: Iterator[Block], options: CorpusOptions) -> Iterator[Block]:
    """Join the rows of a file's blocks to documents, as many at a time as a block completes.

    Raises:
        BertprepError: a document is over --max-document-bytes.
    """
    data, sources, first, skipped = bytearray(), list[Block](), 0, 0
    for block in blocks:
        # A row of text ends with two newlines, and an empty row is one.
        data += block.data.replace(b"\n\n", b"\n")
        sources.append(block)
        skipped += block.skipped
        cut = data.rfind(b"\n\n") + 2
        rest = data[cut:] if cut > 1 else data
        if len(rest) > options.max_document_bytes:
            where = LinesBlock(block.file, data, sources=tuple(sources), first=first)
            raise BertprepError(
                f"{where.where(data.count(10, 0, cut) if cut > 1 else 0)}: the document that "
                f"starts here is over {options.max_document_bytes:,} bytes, the limit. Does no "
                "empty row end it? Leave out --rows lines, or pass --max-document-bytes"
            )
        if cut > 1:
            done = data[:cut]
            yield LinesBlock(block.file, done, skipped, sources=tuple(sources), first=first)
            first = sum(map(bool, bytes(block.data).split(b"\n"))) - rest.count(b"\n")
            data, sources, skipped = rest, [block], 0
    if data or skipped:
        yield LinesBlock(sources[-1].file, data, skipped, sources=tuple(sources), first=first)
