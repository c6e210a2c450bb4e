"""The formats of a corpus: the registry, and reading files of any of them.

A format is one page, a subclass of `Format`, and one entry here. Detection takes the first format
whose `sniff` returns true; text takes every file and comes last. A page imports a library of its
own where it reads, so that nothing loads before a file needs it.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from bertprep.corpus.formats.base import Block, Format, Split
from bertprep.corpus.formats.jsonl import JsonLines
from bertprep.corpus.formats.lines import join_rows
from bertprep.corpus.formats.paragraphs import Paragraphs
from bertprep.corpus.formats.parquet import Parquet
from bertprep.corpus.formats.plain_text import PlainText
from bertprep.corpus.formats.wikiextractor import WikiExtractor, WikiExtractorJson
from bertprep.corpus.streams import require_unchanged
from bertprep.data import InputFile
from bertprep.errors import BertprepError
from bertprep.options import CorpusOptions

#: `InputFile.format` -> the format, in the order of detection.
FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        Parquet(),
        WikiExtractor(),
        WikiExtractorJson(),
        JsonLines(),
        PlainText(),
        Paragraphs(),
    )
}

#: Assumed ratio of text to its compressed bytes: partitions are counted before anything is read.
TEXT_BYTES_PER_COMPRESSED_BYTE = 4

#: A task costs some milliseconds of its own, and 1,024 small files more than that.
_MOST_FILES_OF_A_SPLIT = 1024
_SAMPLED_FILES = 4
_SAMPLE_BYTES, _SAMPLE_BLOCK_BYTES = 1 << 20, 1 << 14
#: A file of zeros is a thousand times as large as its compressed form: a sample stops here.
_MAX_SAMPLE_TEXT_BYTES = 64 << 20


def plan_splits(
    files: Sequence[InputFile],
    target_bytes: int,
    options: CorpusOptions = CorpusOptions(),  # noqa: B008 (frozen)
) -> list[Split]:
    """Cut files into ranges of at most `target_bytes` where formats allow; nothing is read.

    Small files share a split: one of `target_bytes` of text, or of 1,024 files.
    """
    groups: list[list[tuple[InputFile, int, int]]] = []
    room = 0.0
    for file in files:
        text_bytes = estimate_text_bytes([file])
        for start, end in _cut(file, target_bytes, options):
            share = text_bytes * (end - start) / file.size
            if not groups or share > room or len(groups[-1]) == _MOST_FILES_OF_A_SPLIT:
                groups.append([])
                room = target_bytes
            groups[-1].append((file, start, end))
            room -= share
    splits = []
    for ordinal, group in enumerate(groups):
        first, *more = (Split(ordinal, *range_) for range_ in group)
        splits.append(replace(first, more=tuple(more)))
    return splits


def read_blocks(split: Split, options: CorpusOptions, block_bytes: int) -> Iterator[Block]:
    """Read the documents of a split, about `block_bytes` at a time.

    Raises:
        BertprepError: the file cannot be read, is damaged, truncated, not in its format or not as
            it was found, or a line or a document is over its limit.
    """
    for part in split.parts:
        require_unchanged(part.file)
        try:
            yield from _read(part, options, block_bytes)
        except BertprepError:
            require_unchanged(part.file)  # then that is the cause
            raise
        require_unchanged(part.file)


def _read(split: Split, options: CorpusOptions, block_bytes: int) -> Iterator[Block]:
    blocks = FORMATS[split.file.format].read(split, options, block_bytes)
    return join_rows(blocks, options) if _joins_rows(split.file, options) else blocks


def _cut(file: InputFile, target_bytes: int, options: CorpusOptions) -> list[tuple[int, int]]:
    # A document may have rows of all parts of a file.
    if _joins_rows(file, options):
        return [(0, file.size)] if file.size else []
    return FORMATS[file.format].cut(file, target_bytes, options)


def _joins_rows(file: InputFile, options: CorpusOptions) -> bool:
    return options.rows == "lines" and FORMATS[file.format].has_rows


def estimate_text_bytes(files: Sequence[InputFile]) -> int:
    """Return the bytes of text in `files`, estimated from file sizes where they are unknown."""
    return sum(
        file.size * (1 if file.compression == "none" else TEXT_BYTES_PER_COMPRESSED_BYTE)
        if file.text_bytes is None
        else file.text_bytes
        for file in files
    )


def measure_text_bytes(files: Sequence[InputFile], options: CorpusOptions) -> float:
    """Return the bytes of text in `files`, estimated from a sample where they are unknown.

    Cost: one megabyte of each of four files is read, at most 0.1 s.
    """
    known = sum(_known_text_bytes(file) or 0 for file in files)
    unknown = [file for file in files if _known_text_bytes(file) is None]
    sampled = unknown[:: max(1, -(-len(unknown) // _SAMPLED_FILES))]
    stored_bytes = sum(min(file.size, _SAMPLE_BYTES) for file in sampled)
    text_bytes = sum(_sample_text_bytes(file, options) for file in sampled)
    density = text_bytes / max(1, stored_bytes) or TEXT_BYTES_PER_COMPRESSED_BYTE
    return known + density * sum(file.size for file in unknown)


def _known_text_bytes(file: InputFile) -> int | None:
    is_bare = file.compression == "none" and FORMATS[file.format].is_bare_text
    return file.size if is_bare else file.text_bytes


def _sample_text_bytes(file: InputFile, options: CorpusOptions) -> int:
    """Return the bytes of text in the first bytes of a file."""
    start = replace(file, size=min(file.size, _SAMPLE_BYTES))
    size = 0
    # The sample ends inside a document; damage is reported by the task that reads the whole file.
    with suppress(BertprepError):
        for block in _read(Split(0, start, 0, start.size), options, _SAMPLE_BLOCK_BYTES):
            size += len(block.data)
            if size > _MAX_SAMPLE_TEXT_BYTES:
                break
    return size
