"""Counted words -> the pieces of a new vocabulary: its alphabet, then merges of frequent pairs.

The merges are those of byte-pair encoding, by count, as the trainers in use make them for
WordPiece. Merging by the likelihood ratio count(ab) / (count(a) count(b)) needs more pieces for the
same text: benchmarks/README.md has the figures.

Memory: 20 bytes a position of the words that are learned from, 350 MB at most: of a corpus with
more of them, the rarest are left out. 30,000 merges a second.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bertprep.kernels import counting, pairs
from bertprep.kernels.machine import PADDING
from bertprep.tokenization.properties import is_ideograph, is_punctuation
from bertprep.vocabulary.words import Table, Words, make_table, table_words

#: Words of more bytes, mostly garbage, teach nothing; the tokenizer splits them all the same.
_LONGEST_WORD = 1 << 10
_MERGES_AT_A_TIME = 500
#: Room for pairs to begin with.
_FIRST_ROWS = 1 << 16
CONTINUES = "##"


@dataclass(frozen=True)
class Alphabet:
    """The characters that pieces are made of.

    Attributes:
        characters: by code point.
        num_left_out: others of the corpus.
        pieces: one a character, and another one with `##` where it can continue a word.
    """

    characters: tuple[str, ...]
    num_left_out: int

    @property
    def pieces(self) -> list[str]:
        continuing = [CONTINUES + c for c in self.characters if _can_continue(c)]
        return [*self.characters, *continuing]


def _can_continue(character: str) -> bool:
    """The tokenizer makes words of their own of all others."""
    return not is_punctuation(character) and not is_ideograph(character)


def choose_alphabet(totals: np.ndarray, min_frequency: int, limit: int | None) -> Alphabet:
    """The characters that stand often enough, or the most frequent of them.

    Args:
        totals: int64[0x110000]. How often each stands in the corpus.
        min_frequency: least total.
        limit: most characters; of equally frequent ones the lower code points.
    """
    chosen = np.flatnonzero(totals >= min_frequency)
    kept = np.sort(chosen[np.argsort(-totals[chosen], kind="stable")[:limit]])
    left_out = int(np.count_nonzero(totals)) - len(kept)
    return Alphabet(tuple(map(chr, kept.tolist())), left_out)


def least_count(positions: np.ndarray, most_positions: int) -> int:
    """The least count of words that together have at most so many positions.

    Args:
        positions: int64[n + 1]. By count, the last one for all from n on; see `count.Bucket`.
    """
    # Those of the highest counts are taken in any case: they are few.
    from_there_on = np.cumsum(positions[::-1])[::-1]
    fits = np.flatnonzero(from_there_on[1:] <= most_positions)
    return int(fits[0]) + 1 if fits.size else len(positions) - 1


class Trainer:
    """Learns pieces from words that it is given bucket by bucket.

    Args:
        alphabet: the pieces to begin with.
        room: for the words: how many, and their bytes with one more each.
        most_pieces: pieces that will be asked for; it can make twice as many.
        least: words of a lower count are not learned from.
        min_frequency: pairs that stand less often are not merged.
    """

    def __init__(
        self,
        alphabet: Alphabet,
        room: tuple[int, int],
        most_pieces: int,
        least: int,
        min_frequency: int,
    ) -> None:
        begin = Words.of(dict.fromkeys(alphabet.pieces, 0))
        self._least = least
        self._min_frequency = min_frequency
        self._most_pieces = len(begin) + 2 * most_pieces
        # Pages that nobody writes to cost nothing.
        self._pieces: Table = make_table(
            self._most_pieces, self._most_pieces * (_LONGEST_WORD + len(CONTINUES))
        )
        counting.add_words(self._pieces, begin.data, begin.offsets, begin.counts)
        self._piece_of = np.full((2, 0x110000), -1, np.int32)
        for number, piece in enumerate(alphabet.pieces):
            self._piece_of[int(len(piece) > 1), ord(piece[-1])] = number
        num_words, size = room[0], room[1] + 2
        self._text = (
            np.empty(size, np.int32),
            np.empty(size, np.int32),
            np.empty(size, np.int32),
            np.empty(num_words, np.int64),
            np.empty(size, np.int32),
            np.empty(size, np.int32),
        )
        self._spelled = np.zeros(2, np.int64)
        self._progress = np.zeros(5, np.int64)
        self._touched = np.empty(2 * self._most_pieces + 4, np.int32)
        self._rows = _make_rows(_FIRST_ROWS)
        self._heap = _heap_for(self._rows)

    def add(self, words: Words) -> None:
        """Takes words to learn from; those with a character outside the alphabet are left out."""
        known = np.flatnonzero(np.diff(words.offsets) <= _LONGEST_WORD)
        if len(known) < len(words):
            words = words.chosen(known)
        pairs.spell_words(
            words.data,
            words.offsets,
            words.counts,
            self._piece_of,
            self._least,
            self._text,
            self._spelled,
        )

    def train(self, num_pieces: int, advance: Callable[[int], None] | None = None) -> list[str]:
        """Merges the most frequent pairs until there are so many pieces more, or no such pair.

        Args:
            num_pieces: to make.
            advance: is called with the number of pieces that were made meanwhile.

        Returns:
            The new pieces, in the order in which they were made.
        """
        if not self._progress[pairs.NUM_PAIRS]:
            self._find_pairs()
        first = made = self._num_pieces
        most = min(first + num_pieces, self._most_pieces)
        limits = np.array([most, self._min_frequency, _MERGES_AT_A_TIME], np.int64)
        word = np.empty(2 * _LONGEST_WORD + 2 * PADDING, np.uint8)
        while True:
            pairs.merge_pairs(
                self._text,
                self._rows,
                self._heap,
                self._pieces,
                self._touched,
                word,
                limits,
                self._progress,
            )
            if advance is not None:
                advance(self._num_pieces - made)
            made = self._num_pieces
            if self._progress[pairs.REASON] == pairs.NO_ROOM:
                self._grow()
            elif self._progress[pairs.REASON] != pairs.PAUSED:
                break
        pieces = table_words(self._pieces)
        return [pieces.word(row) for row in range(first, made)]

    def _find_pairs(self) -> None:
        end, at = int(self._spelled[0]) + 1, 0
        while True:
            at = pairs.find_pairs(self._text, end, self._rows, self._touched, self._progress, at)
            if at >= end:
                break
            self._grow()
        pairs.fill_heap(self._rows, self._heap, self._progress, self._min_frequency)

    def _grow(self) -> None:
        """Twice the room for pairs; the heap is made anew, without what was out of date in it."""
        used = int(self._progress[pairs.NUM_PAIRS])
        grown = _make_rows(2 * len(self._rows[1]))
        for new, old in zip(grown[1:], self._rows[1:], strict=True):
            new[:used] = old[:used]
        pairs.fill_slots(grown, used)
        self._rows, self._heap = grown, _heap_for(grown)
        pairs.fill_heap(self._rows, self._heap, self._progress, self._min_frequency)

    @property
    def _num_pieces(self) -> int:
        return int(self._pieces[5][0])


Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _make_rows(size: int) -> Rows:
    return (
        np.zeros(4 * size, np.int32),
        np.empty(size, np.int32),
        np.empty(size, np.int32),
        np.empty(size, np.int64),
        np.empty(size, np.int32),
        np.empty(size, np.int32),
    )


def _heap_for(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    size = 2 * len(rows[1])
    return np.empty(size, np.int64), np.empty(size, np.int32)
