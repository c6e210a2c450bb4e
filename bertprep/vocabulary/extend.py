"""A published vocabulary and the words of a corpus -> the same vocabulary with its slots filled.

A slot is an `[unusedN]` line. Into the slots go the words that save most pieces: whole words, since the
model has its pieces already, and a word of a domain is what it has to learn. No other line
changes, so the ids of the published model stay what they were.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from bertprep.errors import UsageError
from bertprep.vocab import Vocabulary
from bertprep.vocabulary.measure import split
from bertprep.vocabulary.words import Words

_SLOT = re.compile(rb"\[unused[0-9]+\]")


def find_slots(vocabulary: Vocabulary, name: Path) -> list[int]:
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

    A word saves its pieces but one, as often as it stands; one that is [UNK] saves as many as it has
    characters, and so comes before a word that can be told from its pieces.

    Args:
        buckets: all words of the corpus.
        vocabulary: the file that is extended.
        longest: characters of a word that is no [UNK].
        min_frequency: rarer words are not chosen.
        most: words that are chosen at most.
    """
    best: list[tuple[int, str]] = []
    for words in buckets:
        sizes, _, _ = split(words, vocabulary, longest)
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
