"""A published vocabulary and the words of a corpus -> the same vocabulary with its slots filled.

A slot is an `[unusedN]` line. Into the slots go the words that save most pieces: whole words, since
the model has their pieces already, and a word of the domain is what it has to learn. No other line
changes, so the ids of the published model stay what they were.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from bertprep.errors import UsageError
from bertprep.vocab import Vocabulary
from bertprep.vocabulary.count import Bucket, read_buckets
from bertprep.vocabulary.measure import split_words
from bertprep.vocabulary.report import describe_extended
from bertprep.vocabulary.run import Run, warn
from bertprep.vocabulary.words import Words

_SLOT = re.compile(rb"\[unused[0-9]+\]")


def extend_vocabulary(
    run: Run, published: Vocabulary, buckets: Sequence[Bucket], num_too_long: int
) -> tuple[bytes, str]:
    """Fills a vocabulary's slots with words of the buckets.

    Args:
        num_too_long: words of the corpus that are in no bucket, and [UNK] whatever the pieces.

    Returns:
        The file's bytes, and the report on them.
    """
    options = run.options
    slots = find_slots(published)
    before = run.measure(buckets, published.data)
    most = min(len(slots), options.size or len(slots))
    words = choose_words(
        read_buckets(run.work, buckets),
        run.keep(published.data),
        options.tokenizer.max_input_chars_per_word,
        options.min_frequency,
        most,
    )
    if len(words) < most:
        warn(
            options,
            f"the corpus has {len(words):,} words for the {most:,} lines to fill: all others are "
            f"one piece already, or stand less than {options.min_frequency:,} times "
            "(--min-frequency)",
        )
    data = fill_slots(published, slots, words)
    after = run.measure(buckets, data)
    for figures in (before, after):
        figures.words += num_too_long
    extended = Vocabulary.parse(data)
    return data, describe_extended(options, extended, words, len(slots), before, after)


def find_slots(vocabulary: Vocabulary, name: Path | str = "vocab.txt") -> list[int]:
    """The lines of the slots, from 0.

    Raises:
        UsageError: there is none.
    """
    lines = vocabulary.data.split(b"\n")
    slots = [number for number, line in enumerate(lines) if _SLOT.fullmatch(line.strip())]
    if not slots:
        raise UsageError(
            f"{name}: has no [unusedN] line to fill. Make a vocabulary without --extend, or name "
            "one that has them"
        )
    return slots


def choose_words(
    buckets: Iterable[Words], vocabulary: Path, longest: int, min_frequency: int, most: int
) -> list[str]:
    """The words that save most pieces, in that order.

    A word saves its pieces but one, as often as it stands; one that is [UNK] saves as many as it
    has characters, and so comes before a word that can be told from its pieces.

    Args:
        buckets: all words of the corpus.
        vocabulary: the file that is extended.
        longest: characters of a word that is no [UNK].
        min_frequency: rarer words are not chosen.
        most: words that are chosen at most.
    """
    best: list[tuple[int, str]] = []
    for words in buckets:
        sizes, _, _ = split_words(words, vocabulary, longest)
        saved = np.where(sizes > 0, sizes - 1, _lengths(words)) * words.counts
        rows = np.flatnonzero((saved > 0) & (words.counts >= min_frequency))
        if len(rows) > most:
            least = np.partition(saved[rows], -most)[-most]
            rows = rows[saved[rows] >= least]
        best += [(-int(saved[row]), words.word(row)) for row in rows.tolist()]
        best = sorted(best)[:most]
    return [word for _, word in best]


def _lengths(words: Words) -> np.ndarray:
    """int64[n]. The characters of each word."""
    begins = (words.data & 0xC0) != 0x80
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(begins)])
    lengths: np.ndarray = np.diff(before[words.offsets])
    return lengths


def fill_slots(vocabulary: Vocabulary, slots: list[int], words: list[str]) -> bytes:
    """The file's bytes with the words in its first slots."""
    lines = vocabulary.data.split(b"\n")
    for slot, word in zip(slots, words, strict=False):
        lines[slot] = lines[slot].replace(lines[slot].strip(), word.encode())
    return b"\n".join(lines)
