"""The formats: each says where its files may be cut, and turns a split into blocks of lines.

A page a format, with two functions: `cut(file, target_bytes, options)` gives byte ranges that tasks
of their own can read, and `read(split, options, block_bytes)` yields their documents as blocks. A
page is imported when a file needs it, and its library with it.
"""

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Protocol, cast

from bertprep.corpus.splits import Block, Split
from bertprep.data import InputFile
from bertprep.options import CorpusOptions

#: `InputFile.format` -> the page that reads it.
_PAGES = {
    "text": "plain_text",
    "paragraphs": "paragraphs",
    "jsonl": "jsonl",
    "parquet": "parquet",
    "wikiextractor": "wikiextractor",
    "wikiextractor-json": "jsonl",
}


class Format(Protocol):
    """What the pages have in common."""

    def cut(
        self, file: InputFile, target_bytes: int, options: CorpusOptions
    ) -> list[tuple[int, int]]: ...

    def read(self, split: Split, options: CorpusOptions, block_bytes: int) -> Iterator[Block]: ...


def format_of(file: InputFile) -> Format:
    """Import the page that reads a file."""
    return cast(Format, import_module(f"{__name__}.{_PAGES[file.format]}"))


def plan_splits(
    files: Sequence[InputFile],
    target_bytes: int,
    options: CorpusOptions = CorpusOptions(),  # noqa: B008 (frozen)
) -> list[Split]:
    """Cut files into ranges of at most `target_bytes` where formats allow; nothing is read."""
    ranges = [
        (file, start, end)
        for file in files
        for start, end in format_of(file).cut(file, target_bytes, options)
    ]
    return [Split(ordinal, *range_) for ordinal, range_ in enumerate(ranges)]


def read_blocks(split: Split, options: CorpusOptions, block_bytes: int) -> Iterator[Block]:
    """Read the documents of a split, as many at a time as make up about `block_bytes`.

    Raises:
        BertprepError: the file cannot be read, is damaged, cut off or shorter than when it was
            found, is not in its format, or a line or a document is over its limit.
    """
    return format_of(split.file).read(split, options, block_bytes)
