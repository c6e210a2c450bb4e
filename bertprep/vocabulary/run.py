"""The stages of `bertprep vocab` that run in workers, and what a person is told meanwhile."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from bertprep.corpus import Split, estimate_text_bytes, plan_splits
from bertprep.data import InputFile
from bertprep.engines.local import LocalEngine
from bertprep.kernels import counting
from bertprep.options import VocabOptions, available_cores
from bertprep.terminal import message, progress
from bertprep.vocab import SPECIAL_TOKENS
from bertprep.vocabulary.count import (
    BLOCK_BYTES,
    Bucket,
    CountedSplit,
    Job,
    count_split,
    merge_bucket,
)
from bertprep.vocabulary.counter import WordCounter
from bertprep.vocabulary.measure import Figures, add_figures, measure_bucket, split_words
from bertprep.vocabulary.words import Words, merge_words, pack_buckets, unpack_words

T = TypeVar("T")
R = TypeVar("R")

#: Splits a worker, so that none waits long for another. A split's words are merged before they are
#: written: the larger it is, the less is left to merge.
_SPLITS_A_WORKER = 4
_LARGEST_SPLIT_BYTES = 512 << 20
#: Text that fills a bucket, and the most buckets: the merge of one reads from all blobs.
_BUCKET_BYTES, _MOST_BUCKETS = 16 << 20, 4096


class Run:
    """One run's workers, its folder of unfinished things, and its voice.

    Attributes:
        options: of the command.
        work: the folder.
    """

    def __init__(self, options: VocabOptions, work: Path, files: Sequence[InputFile]) -> None:
        text_bytes = estimate_text_bytes(files)
        workers = options.workers or available_cores()
        self.options = options
        self.work = work
        self._files = files
        self._job = Job(options, min(_MOST_BUCKETS, 1 + text_bytes // _BUCKET_BYTES), work)
        split_bytes = text_bytes // (_SPLITS_A_WORKER * workers)
        self._split_bytes = min(max(BLOCK_BYTES, split_bytes), _LARGEST_SPLIT_BYTES)
        self._num_measured = 0
        self._engine = LocalEngine(workers, on_retry=functools.partial(tell_retry, options))

    def __enter__(self) -> "Run":
        _warm_up(self._job)
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.close()

    def count(self) -> list[CountedSplit]:
        """Counts the words of all files, split by split."""
        splits = plan_splits(self._files, self._split_bytes, self.options.corpus)
        tasks = [(f"split {split.ordinal} ({split.file.path})", split) for split in splits]
        return self._all("count", count_split, tasks, list(map(_size, splits)))

    def merge(self, counted: Sequence[CountedSplit]) -> list[Bucket]:
        """Adds the words of all splits up, bucket by bucket."""
        blobs = [blob for split in counted for blob in split.blobs]
        tasks = [(f"bucket {number}", (number, blobs)) for number in range(self._job.num_buckets)]
        return self._all("merge", merge_bucket, tasks)

    def measure(self, buckets: Sequence[Bucket], vocabulary: bytes) -> Figures:
        """How a vocabulary, a file's bytes, splits the words."""
        path = self.keep(vocabulary)
        tasks = [(f"measuring {bucket.name}", (bucket.name, path)) for bucket in buckets]
        return add_figures(self._all("", measure_bucket, tasks))

    def keep(self, vocabulary: bytes) -> Path:
        """Puts a vocabulary where the workers find it; each has a file of its own for good."""
        path = self.work / f"vocab-{self._num_measured}.txt"
        self._num_measured += 1
        path.write_bytes(vocabulary)
        return path

    def _all(
        self,
        stage: str,
        function: Callable[[Job, T], R],
        tasks: list[tuple[str, T]],
        sizes: Sequence[int] = (),
    ) -> list[R]:
        """Runs tasks; returns their results in their order. A stage without a name shows no bar."""
        size_of = dict(zip((name for name, _ in tasks), sizes or [1] * len(tasks), strict=True))
        quiet, unit = self.options.quiet or not stage, "B" if sizes else "tasks"
        results: dict[str, R] = {}
        with progress(stage, sum(size_of.values()), quiet=quiet, unit=unit) as bar:
            for name, result in self._engine.run(functools.partial(function, self._job), tasks):
                results[name] = result
                bar.advance(size_of[name])
        return [results[name] for name, _ in tasks]


def _warm_up(job: Job) -> None:
    """Compiles what the workers use, for those that are forked from here."""
    counter = WordCounter(job.options.tokenizer, job.options.corpus, room=(64, 1024))
    counter.count_text(b"One line.\n")
    words = merge_words([unpack_words(pack_buckets(counter.take_words(), 1)[0])])
    totals = np.zeros(0x110000, np.int64)
    counting.count_characters(words.data, words.offsets, words.counts, totals)
    vocabulary = job.work / "no-vocab.txt"
    vocabulary.write_text("".join(f"{token}\n" for token in SPECIAL_TOKENS))
    split_words(Words.of({"a": 1}), vocabulary, 1)


def _size(split: Split) -> int:
    return split.end - split.start


def tell_retry(options: VocabOptions, name: str, cause: str) -> None:
    """Says that a task is tried again."""
    warn(options, f"{name}: {cause}; trying again")


def warn(options: VocabOptions, *texts: str | None) -> None:
    """Warns of what there is to warn of."""
    for text in texts:
        if text:
            say(options, f"Warning: {text}")


def say(options: VocabOptions, text: str) -> None:
    """One line on stderr, unless told to be quiet."""
    if not options.quiet:
        message(text)
