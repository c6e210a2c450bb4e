"""The corpus -> its words with their counts, in buckets: what the workers of `bertprep vocab` do.

    splits -> blobs of words, dealt to buckets -> merged buckets -> what they hold, in figures

A word's bucket follows from the word alone, and counts are only added: so neither the workers nor
the splits nor the order in which they are done change anything.
Memory: two million words of a split, or one bucket, which holds a share of all words.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bertprep.corpus import Split, read_blocks
from bertprep.engines.blobs import read_slice, write_blob
from bertprep.errors import BertprepError, TextError
from bertprep.kernels import counting
from bertprep.options import CorpusOptions, TokenizerOptions, VocabOptions
from bertprep.vocabulary.counter import WordCounter
from bertprep.vocabulary.words import Words, merge_words, pack_buckets, unpack_words

BLOCK_BYTES = 8 << 20
_MOST_WAITING = 1 << 21
#: Counts from this one on are not told apart where words are chosen by how rare they are.
MOST_RARE = 1 << 10
_CODE_POINTS = 0x110000


@dataclass(frozen=True)
class Job:
    """What every task of a run knows: the options, the number of buckets, where things lie."""

    options: VocabOptions
    num_buckets: int
    work: Path


@dataclass(frozen=True)
class CountedSplit:
    """A split's blobs, by name, and what was found on the way.

    Attributes:
        left_out: how often there were words over the length limit.
        mended_lines: lines that were replaced or left out.
        skipped_documents: documents that could not be read.
    """

    blobs: list[str]
    left_out: int
    mended_lines: int
    skipped_documents: int


@dataclass(frozen=True, eq=False)
class Bucket:
    """A merged bucket.

    Attributes:
        name: of its blob.
        num_words: distinct words.
        characters, totals: int64[n] each. Its code points, and how often each stands there.
        positions: int64[MOST_RARE + 1]. By the count of a word, the last one for all higher counts:
            the bytes of all such words, and one more a word.
    """

    name: str
    num_words: int
    characters: np.ndarray
    totals: np.ndarray
    positions: np.ndarray


@functools.lru_cache(1)
def _counter(tokenizer: TokenizerOptions, corpus: CorpusOptions) -> WordCounter:
    return WordCounter(tokenizer, corpus)


def count_split(job: Job, split: Split) -> CountedSplit:
    """Counts the words of a split and leaves them in blobs."""
    counter = _counter(job.options.tokenizer, job.options.corpus)
    left_out, mended, skipped = counter.left_out, counter.invalid_lines, 0
    blobs: list[str] = []

    def write() -> None:
        name = f"words-{split.ordinal:06d}-{len(blobs):06d}.blob"
        write_blob(job.work / name, pack_buckets(counter.take_words(), job.num_buckets))
        blobs.append(name)

    for block in read_blocks(split, job.options.corpus, BLOCK_BYTES):
        try:
            counter.count_text(block.data)
        except TextError as error:
            where = block.where(error.line)
            raise BertprepError(f"{where}: {error.problem}. {error.advice}") from error
        skipped += block.skipped
        if counter.num_waiting > _MOST_WAITING:
            write()
    write()
    mended = counter.invalid_lines - mended
    return CountedSplit(blobs, counter.left_out - left_out, mended, skipped)


def merge_bucket(job: Job, task: tuple[int, list[str]]) -> Bucket:
    """Adds up the words of a bucket.

    Args:
        task: the bucket's number, and all blobs.
    """
    number, blobs = task
    words = merge_words(
        [unpack_words(read_slice(job.work / blob, number, job.num_buckets)) for blob in blobs]
    )
    name = f"bucket-{number:06d}.blob"
    write_blob(job.work / name, pack_buckets(words, 1))
    totals = np.zeros(_CODE_POINTS, np.int64)
    counting.count_characters(words.data, words.offsets, words.counts, totals)
    characters = np.flatnonzero(totals)
    positions = np.bincount(
        np.minimum(words.counts, MOST_RARE),
        weights=np.diff(words.offsets) + 1,
        minlength=MOST_RARE + 1,
    ).astype(np.int64)
    return Bucket(name, len(words), characters, totals[characters], positions)


def read_bucket(work: Path, name: str) -> Words:
    """The words of a merged bucket."""
    return unpack_words(read_slice(work / name, 0, 1))


def read_buckets(work: Path, buckets: Sequence[Bucket]) -> Iterator[Words]:
    """The words of all buckets, one bucket at a time."""
    return (read_bucket(work, bucket.name) for bucket in buckets)
