"""`bertprep vocab` from beginning to end: the one place that knows the order of its stages.

Memory: what `train.py` says, or a bucket in each worker; the corpus is only ever read in blocks.
"""

import functools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np

from bertprep.corpus import Split, estimate_text_bytes, find_inputs, plan_splits
from bertprep.data import InputFile
from bertprep.engines.local import LocalEngine
from bertprep.errors import BertprepError, UsageError
from bertprep.files import write_whole
from bertprep.kernels import counting
from bertprep.options import VocabOptions, available_cores
from bertprep.progress import message, progress
from bertprep.vocab import SPECIAL_TOKENS, Vocabulary
from bertprep.vocabulary import extend, report
from bertprep.vocabulary.count import (
    BLOCK_BYTES,
    Bucket,
    CountedSplit,
    Job,
    count_split,
    merge_bucket,
    read_buckets,
)
from bertprep.vocabulary.counter import WordCounter
from bertprep.vocabulary.measure import Figures, add_figures, measure_bucket
from bertprep.vocabulary.train import Alphabet, choose_alphabet, least_count, train_pieces
from bertprep.vocabulary.words import Words, merge_words, pack_buckets, unpack_words

T = TypeVar("T")
R = TypeVar("R")

STDOUT = "-"
#: Splits a worker, so that none waits long for another; a split's words are merged before they
#: are written, so that larger ones leave less to merge.
_SPLITS_A_WORKER = 4
_LARGEST_SPLIT_BYTES = 512 << 20
#: Text that fills a bucket, and the most buckets: a merge reads from all blobs.
_BUCKET_BYTES, _MOST_BUCKETS = 64 << 20, 1024
#: Positions of the words that are learned from (see `train.py`): 400 MB.
_MOST_POSITIONS = 16 << 20


def make_vocabulary(options: VocabOptions) -> tuple[bytes | None, str]:
    """Makes the file of a vocabulary, or a published one with its slots filled.

    Returns:
        The file's bytes where they are for stdout, else None; and the report on it.

    Raises:
        BertprepError: with one line that says what to do.
    """
    _require_place(options)
    published = None if options.extend is None else Vocabulary.load(options.extend)
    slots = []
    if published is not None and options.extend is not None:
        slots = extend.find_slots(published, options.extend)
        _warn(options, published.casing_warning(options.tokenizer.lowercase))
    with _work_folder(options) as work:
        files = _find_files(options, work)
        run = _Run(options, work, estimate_text_bytes(files))
        _warm_up(run.job)
        with run.engine:
            counted = run.count(files)
            buckets = run.merge(counted)
            _review(options, counted, buckets)
            num_too_long = sum(split.left_out for split in counted)
            if published is not None:
                data, text = _extend(run, published, slots, buckets, num_too_long)
            else:
                data, text = _make(run, buckets, num_too_long)
        if str(options.output) == STDOUT:
            return data, text
        write_whole(options.output, work / "vocab.tmp", data)
    return None, text


class _Run:
    """The stages that run in the workers."""

    def __init__(self, options: VocabOptions, work: Path, text_bytes: int) -> None:
        self.options = options
        num_buckets = min(_MOST_BUCKETS, 1 + text_bytes // _BUCKET_BYTES)
        self.job = Job(options, num_buckets, work)
        workers = options.workers or available_cores()
        self.split_bytes = min(
            max(BLOCK_BYTES, text_bytes // (_SPLITS_A_WORKER * workers)), _LARGEST_SPLIT_BYTES
        )
        on_retry = functools.partial(_tell_retry, options)
        self.engine = LocalEngine(workers, on_retry=on_retry)

    def count(self, files: Sequence[InputFile]) -> list[CountedSplit]:
        splits = plan_splits(files, self.split_bytes)
        tasks = [(f"split {split.ordinal} ({split.file.path})", split) for split in splits]
        return self._all("count", count_split, tasks, [_size(split) for split in splits])

    def merge(self, counted: Sequence[CountedSplit]) -> list[Bucket]:
        blobs = [blob for split in counted for blob in split.blobs]
        tasks = [(f"bucket {number}", (number, blobs)) for number in range(self.job.num_buckets)]
        return self._all("merge", merge_bucket, tasks)

    def measure(self, buckets: Sequence[Bucket], data: bytes, name: str) -> Figures:
        """How a vocabulary of these bytes splits the words."""
        vocabulary = self.job.work / name
        vocabulary.write_bytes(data)
        tasks = [(f"measuring {bucket.name}", (bucket.name, vocabulary)) for bucket in buckets]
        return add_figures(self._all("measure", measure_bucket, tasks))

    def _all(
        self,
        stage: str,
        function: Callable[[Job, T], R],
        tasks: list[tuple[str, T]],
        sizes: Sequence[int] | None = None,
    ) -> list[R]:
        """Runs tasks; returns their results in their order."""
        by_name = dict(zip((name for name, _ in tasks), sizes or [1] * len(tasks), strict=True))
        unit = "B" if sizes else "tasks"
        results: dict[str, R] = {}
        with progress(stage, sum(by_name.values()), quiet=self.options.quiet, unit=unit) as bar:
            for name, result in self.engine.run(functools.partial(function, self.job), tasks):
                results[name] = result
                bar.advance(by_name[name])
        return [results[name] for name, _ in tasks]


def _make(run: _Run, buckets: list[Bucket], num_too_long: int) -> tuple[bytes, str]:
    options = run.options
    totals: np.ndarray = np.zeros(0x110000, np.int64)
    for bucket in buckets:
        totals[bucket.characters] += bucket.totals
    characters = np.flatnonzero(totals)
    alphabet = choose_alphabet(
        characters, totals[characters], options.min_frequency, options.limit_alphabet
    )
    _require_size(options, alphabet)
    positions: np.ndarray = np.sum([bucket.positions for bucket in buckets], axis=0)
    least = least_count(positions, _MOST_POSITIONS)
    if least > 1:
        _say(options, f"learning from the words that stand {least:,} times or more")
    room = sum(bucket.num_words for bucket in buckets), int(positions[least:].sum())
    begin = alphabet.pieces
    wanted = options.lines - len(SPECIAL_TOKENS) - options.unused - len(begin)
    with progress("train", wanted, quiet=options.quiet, unit="pieces") as bar:
        words = read_buckets(run.job.work, buckets)
        made = train_pieces(options, alphabet, words, room, least, bar.advance)
    if len(made) < wanted:
        reached = options.lines - wanted + len(made)
        _warn(
            options,
            f"the corpus gives {reached:,} lines of the {options.lines:,} asked for, since no other "
            f"two pieces stand {options.min_frequency:,} times beside each other: use more text, "
            "or pass a lower --min-frequency or --size",
        )
    data = _file_of(options, [*begin, *made])
    figures = run.measure(buckets, data, "new-vocab.txt")
    figures.words += num_too_long
    vocabulary = Vocabulary.parse(data)
    return data, report.describe_new(options, vocabulary, alphabet.num_left_out, figures)


def _extend(
    run: _Run, published: Vocabulary, slots: list[int], buckets: list[Bucket], num_too_long: int
) -> tuple[bytes, str]:
    options = run.options
    before = run.measure(buckets, published.data, "published-vocab.txt")
    most = min(len(slots), options.size or len(slots))
    words = extend.choose_words(
        read_buckets(run.job.work, buckets),
        run.job.work / "published-vocab.txt",
        options.tokenizer.max_input_chars_per_word,
        options.min_frequency,
        most,
    )
    if len(words) < most:
        _warn(
            options,
            f"the corpus has {len(words):,} words for the {most:,} lines to fill: all others are "
            f"one piece already, or stand less than {options.min_frequency:,} times "
            "(--min-frequency)",
        )
    data = extend.fill_slots(published, slots, words)
    after = run.measure(buckets, data, "new-vocab.txt")
    for figures in (before, after):
        figures.words += num_too_long
    vocabulary = Vocabulary.parse(data)
    text = report.describe_extended(options, vocabulary, words, len(slots), before, after)
    return data, text


def _file_of(options: VocabOptions, pieces: list[str]) -> bytes:
    """The lines: special tokens, unused ones, pieces, and what fills up to a multiple."""
    num_lines = len(SPECIAL_TOKENS) + options.unused + len(pieces)
    filling = -num_lines % options.pad_to_multiple
    unused = [f"[unused{number}]" for number in range(options.unused + filling)]
    lines = [*SPECIAL_TOKENS, *unused[: options.unused], *pieces, *unused[options.unused :]]
    return "".join(f"{line}\n" for line in lines).encode()


def _require_size(options: VocabOptions, alphabet: Alphabet) -> None:
    least = len(SPECIAL_TOKENS) + options.unused + len(alphabet.pieces)
    if options.lines < least:
        raise UsageError(
            f"--size {options.lines} is too small: the corpus has {len(alphabet.characters):,} "
            f"characters, which with their ## forms, {len(SPECIAL_TOKENS)} special and "
            f"{options.unused} unused tokens take {least:,} lines. Pass --size {least} or more, or "
            "keep fewer characters with --limit-alphabet"
        )


def _require_place(options: VocabOptions) -> None:
    output = options.output
    if str(output) == STDOUT:
        return
    if output.is_dir():
        raise UsageError(
            f"{output}: is a folder. Name a file in it: --output {output / 'vocab.txt'}"
        )
    if not output.parent.is_dir():
        raise UsageError(f"{output.parent}: no such folder. Make it, or name another --output")
    if output.exists() and not options.overwrite:
        raise UsageError(f"{output}: is there already: name another --output, or pass --overwrite")


@contextmanager
def _work_folder(options: VocabOptions) -> Iterator[Path]:
    """A folder beside the output, which a corpus larger than memory needs the disk of."""
    place = None if str(options.output) == STDOUT else options.output.parent
    with tempfile.TemporaryDirectory(prefix=".bertprep-vocab-", dir=place) as folder:
        yield Path(folder)


def _find_files(options: VocabOptions, work: Path) -> tuple[InputFile, ...]:
    inputs = find_inputs(
        options.inputs,
        vocab=options.extend or options.output,
        output=options.output,
        spool=work / "stdin",
    )
    files = tuple(file for file in inputs.files if not _is_vocabulary(file))
    left_out = ", ".join(file.path for file in inputs.files if file not in files)
    _warn(
        options,
        *inputs.warnings,
        left_out and f"{left_out}: a vocabulary, and not text: left out",
    )
    if not any(file.size for file in files):
        raise BertprepError(f"{_named(options)}: there is no text, only empty files: name others")
    return files


def _is_vocabulary(file: InputFile) -> bool:
    """One lies in many a corpus's folder, and would make its own pieces more frequent."""
    with open(file.location, "rb") as stream:
        return stream.read(6) in (b"[PAD]\n", b"[PAD]\r")


def _review(
    options: VocabOptions, counted: Sequence[CountedSplit], buckets: Sequence[Bucket]
) -> None:
    if not any(bucket.num_words for bucket in buckets):
        raise BertprepError(
            f"{_named(options)}: no words, since all lines are blank: name other files"
        )
    mended = sum(split.mended_lines for split in counted)
    if mended:
        done = "replaced" if options.corpus.encoding_errors == "replace" else "left out"
        _warn(options, f"{mended:,} lines were not UTF-8 or had NUL bytes: {done}")


def _warm_up(job: Job) -> None:
    """Compiles what the workers use, for those that are forked from here."""
    counter = WordCounter(job.options.tokenizer, job.options.corpus, room=(64, 1024))
    counter.count_text(b"One line.\n")
    words = merge_words([unpack_words(pack_buckets(counter.take_words(), 1)[0])])
    counting.count_characters(words.data, words.offsets, words.counts, np.zeros(0x110000, np.int64))
    vocabulary = job.work / "no-vocab.txt"
    vocabulary.write_text("".join(f"{token}\n" for token in SPECIAL_TOKENS))
    extend.choose_words([Words.of({"a": 1})], vocabulary, 1, 1, 1)


def _size(split: Split) -> int:
    return split.end - split.start


def _named(options: VocabOptions) -> str:
    more = f" and {len(options.inputs) - 3:,} more" if len(options.inputs) > 3 else ""
    return " ".join(options.inputs[:3]) + more


def _tell_retry(options: VocabOptions, name: str, cause: str) -> None:
    _warn(options, f"{name}: {cause}; trying again")


def _warn(options: VocabOptions, *texts: str | None) -> None:
    for text in texts:
        if text:
            _say(options, f"Warning: {text}")


def _say(options: VocabOptions, text: str) -> None:
    if not options.quiet:
        message(text)
