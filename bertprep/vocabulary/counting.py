"""The corpus -> its words with their counts, in buckets: the tasks of `bertprep vocab`.

    splits -> map -> blobs of words by bucket -> reduce -> merged buckets, with summaries

A word alone determines its bucket, and counts are only added, so neither the engine nor the splits
nor the order of the tasks change anything.
Memory: two million words of a split, or one bucket.
"""

import functools
import json
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from bertprep.corpus import Split, read_blocks, require_unchanged
from bertprep.engines import Engine, Task
from bertprep.engines.local import read_slice, write_blob
from bertprep.errors import BertprepError, TextError
from bertprep.json_files import COUNT, read_json
from bertprep.kernels import counting
from bertprep.options import CorpusOptions, TokenizerOptions
from bertprep.storage.files import write_whole
from bertprep.terminal import progress
from bertprep.vocabulary.job import VocabJob
from bertprep.vocabulary.words import WordCounter, Words, merge_words, pack_buckets, unpack_words

BLOCK_BYTES = 8 << 20
_MOST_WAITING = 1 << 21
#: Counts from this one on are equal where words are chosen by how rare they are.
MOST_RARE = 1 << 10
_CODE_POINTS = 0x110000


@dataclass(frozen=True)
class TextProblems:
    """Counts of what the words leave out.

    Attributes:
        overlong_words: occurrences of words over the length limit, which are [UNK].
        invalid_lines: lines that were not UTF-8 or had NUL bytes.
        skipped_documents: documents that could not be read.
        letters, lost_letters: see WordCounter.
    """

    overlong_words: int = 0
    invalid_lines: int = 0
    skipped_documents: int = 0
    letters: int = 0
    lost_letters: int = 0


@dataclass(frozen=True, eq=False)
class Bucket:
    """Summary of a merged bucket, whose words are in a blob in the work folder.

    Attributes:
        number: from 0.
        num_words: distinct words.
        characters, character_counts: int64[n] each. Code points and their counts in the corpus.
        sizes: int64[MOST_RARE + 1]. By count of a word (the last for all higher counts): the bytes
            of all such words, and one more for each.
    """

    number: int
    num_words: int
    characters: np.ndarray
    character_counts: np.ndarray
    sizes: np.ndarray


def count_words(
    engine: Engine, job: VocabJob, splits: Sequence[Split], *, quiet: bool
) -> tuple[TextProblems, list[Bucket]]:
    """Count the words of the corpus; parts that an interrupted run has counted are kept."""
    numbers = range(job.num_buckets)
    missing = [number for number in numbers if not _bucket_path(job, number).exists()]
    problems_file = job.work / "counts.json"
    if missing or not problems_file.exists():
        tasks = [Task(split.name, split, split.num_bytes) for split in splits]
        with progress("count", sum(task.size for task in tasks), quiet=quiet) as bar:
            counts = engine.map(functools.partial(count_split, job), tasks, missing, bar.advance)
        require_unchanged(*(part.file for split in splits for part in split.parts))
        totals: Counter[str] = Counter()
        for each in counts:
            totals.update(each)
        problems = TextProblems(**totals)
        reduces = [Task(f"bucket {number}", number, 1) for number in missing]
        with progress("merge", len(reduces), quiet=quiet, unit="buckets") as bar:
            engine.reduce(functools.partial(merge_bucket, job), reduces, bar.advance)
        data = json.dumps(asdict(problems)).encode()
        write_whole(problems_file, problems_file.with_suffix(".tmp"), data)
    else:
        shape = {field.name: COUNT for field in fields(TextProblems)}
        values = read_json(problems_file, shape, "Remove it, then repeat the command")
        problems = TextProblems(**{name: values[name] for name in shape})
    merged = [Task(f"bucket {number}", number, 1) for number in numbers]
    function = functools.partial(summarize_bucket, job)
    return problems, list(engine.run(function, merged, lambda size: None))


def count_split(job: VocabJob, split: Split) -> Generator[list[np.ndarray], None, dict[str, Any]]:
    """Count the words of a split.

    Yields:
        The packed words of each bucket.

    Returns:
        The fields of its TextProblems.
    """
    counter = _counter(job.tokenizer, job.corpus)
    overlong, invalid, skipped = counter.left_out, counter.invalid_lines, 0
    letters, lost = counter.letters, counter.lost_letters
    for block in read_blocks(split, job.corpus, BLOCK_BYTES):
        try:
            counter.count_text(block.data)
        except TextError as error:
            require_unchanged(block.file)
            where = block.where(error.line)
            raise BertprepError(f"{where}: {error.problem}. {error.advice}") from error
        skipped += block.skipped
        if counter.num_waiting > _MOST_WAITING:
            yield pack_buckets(counter.take_words(), job.num_buckets)
    yield pack_buckets(counter.take_words(), job.num_buckets)
    return asdict(
        TextProblems(
            counter.left_out - overlong,
            counter.invalid_lines - invalid,
            skipped,
            counter.letters - letters,
            counter.lost_letters - lost,
        )
    )


@functools.lru_cache(1)
def _counter(tokenizer: TokenizerOptions, corpus: CorpusOptions) -> WordCounter:
    return WordCounter(tokenizer, corpus)


def merge_bucket(
    job: VocabJob, number: int, parts: Iterable[np.ndarray], attempt: str = ""
) -> None:
    """Add up the words of a bucket, and write them to a blob.

    Args:
        parts: the bucket's packed words in each blob.
        attempt: prefix for names of temporary files.
    """
    words = merge_words([unpack_words(part) for part in parts])
    write_blob(_bucket_path(job, number), pack_buckets(words, 1), attempt)


def summarize_bucket(job: VocabJob, number: int) -> Bucket:
    """Return the summary of a merged bucket."""
    return summarize_words(number, read_bucket(job, number))


def summarize_words(number: int, words: Words) -> Bucket:
    """Return the summary of a bucket with these words."""
    totals = np.zeros(_CODE_POINTS, np.int64)
    counting.count_characters(words.data, words.offsets, words.counts, totals)
    characters = np.flatnonzero(totals)
    sizes = np.bincount(
        np.minimum(words.counts, MOST_RARE),
        weights=np.diff(words.offsets) + 1,
        minlength=MOST_RARE + 1,
    ).astype(np.int64)
    return Bucket(number, len(words), characters, totals[characters], sizes)


def read_bucket(job: VocabJob, number: int) -> Words:
    """Return the words of a merged bucket."""
    return unpack_words(read_slice(_bucket_path(job, number), 0, 1))


def _bucket_path(job: VocabJob, number: int) -> Path:
    return job.work / f"bucket-{number:06d}.blob"
