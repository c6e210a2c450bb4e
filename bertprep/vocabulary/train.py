"""Counted words -> the pieces of a new vocabulary: its alphabet, then merges of frequent pairs.

The merges are those of byte-pair encoding, by count, as the trainers in use make them for WordPiece.
Merging by the likelihood ratio count(ab) / (count(a) count(b)) needs more pieces for the same text:
benchmarks/README.md has the figures.

Memory: 24 bytes a position of the words that are learned from, 400 MB at most: of a corpus with more
of them, the rarest are left out. 20,000 merges a second.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from bertprep.kernels import counting, pairs
from bertprep.kernels.machine import PADDING
from bertprep.options import VocabOptions
from bertprep.tokenization.plain import is_ideograph, is_punctuation
from bertprep.vocab import SPECIAL_TOKENS
from bertprep.vocabulary.words import Table, Words, make_table, table_words

_CODE_POINTS = 0x110000
#: Words of more bytes, mostly garbage, teach nothing; the tokenizer splits them all the same.
_LONGEST_WORD = 1 << 10
_MERGES_AT_A_TIME = 500
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


def choose_alphabet(
    characters: np.ndarray, totals: np.ndarray, min_frequency: int, limit: int | None
) -> Alphabet:
    """The characters that stand often enough, or the most frequent of them.

    Args:
        characters: int64[n]. Code points, ascending.
        totals: int64[n]. How often each stands in the corpus.
        min_frequency: least total.
        limit: most characters; of equally frequent ones the lower code points.
    """
    chosen = characters[totals >= min_frequency]
    by_frequency = np.argsort(-totals[totals >= min_frequency], kind="stable")
    kept = np.sort(chosen[by_frequency[:limit]])
    return Alphabet(tuple(map(chr, kept.tolist())), len(characters) - len(kept))


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
        num_words, num_positions: room for the words: how many, and their bytes with one more each.
        most_pieces: most pieces that will be made, the alphabet counted.
        least: words of a lower count are not learned from.
    """

    def __init__(
        self, alphabet: Alphabet, num_words: int, num_positions: int, most_pieces: int, least: int
    ) -> None:
        self._least = least
        self._most_pieces = most_pieces
        # Pages that nobody writes to cost nothing.
        self._pieces: Table = make_table(most_pieces, most_pieces * (_LONGEST_WORD + 2))
        begin = Words.of(dict.fromkeys(alphabet.pieces, 0))
        counting.add_words(self._pieces, begin.data, begin.offsets, begin.counts)
        self._num_alphabet = len(begin)
        self._piece_of = np.full((2, _CODE_POINTS), -1, np.int32)
        for number, piece in enumerate(alphabet.pieces):
            continues = len(piece) > 1
            self._piece_of[int(continues), ord(piece[-1])] = number
        size = num_positions + 2
        self._text = (
            np.empty(size, np.int32),
            np.empty(size, np.int32),
            np.empty(size, np.int32),
            np.empty(num_words, np.int64),
            np.empty(size, np.int32),
            np.empty(size, np.int32),
        )
        self._spelled = np.zeros(2, np.int64)

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

    def train(self, min_frequency: int, advance: Callable[[int], None]) -> list[str]:
        """Merges pairs that stand at least so often, until there are enough pieces.

        Returns:
            The new pieces, in the order in which they were made.
        """
        progress = np.zeros(5, np.int64)
        touched = np.empty(2 * self._most_pieces + 4, np.int32)
        rows = _make_rows(1 << 16)
        end, at = int(self._spelled[0]) + 1, 0
        while at < end:
            at = pairs.find_pairs(self._text, end, rows, touched, progress, at)
            if at < end:
                rows = _grown(rows, progress)
        heap = _heap_for(rows)
        pairs.fill_heap(rows, heap, progress, min_frequency)
        limits = np.array([self._most_pieces, min_frequency, _MERGES_AT_A_TIME], np.int64)
        word = np.empty(2 * _LONGEST_WORD + 2 * PADDING, np.uint8)
        made = self._num_pieces
        while True:
            pairs.merge_pairs(self._text, rows, heap, self._pieces, touched, word, limits, progress)
            advance(self._num_pieces - made)
            made = self._num_pieces
            if progress[pairs.REASON] == pairs.NO_ROOM:
                rows = _grown(rows, progress)
                heap = _heap_for(rows)
                pairs.fill_heap(rows, heap, progress, min_frequency)
            elif progress[pairs.REASON] != pairs.PAUSED:
                break
        pieces = table_words(self._pieces)
        return [pieces.word(row) for row in range(self._num_alphabet, len(pieces))]

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


def _grown(rows: Rows, progress: np.ndarray) -> Rows:
    """The same pairs with twice the room."""
    used = int(progress[pairs.NUM_PAIRS])
    grown = _make_rows(2 * len(rows[1]))
    for new, old in zip(grown[1:], rows[1:], strict=True):
        new[:used] = old[:used]
    pairs.fill_slots(grown, used)
    return grown


def _heap_for(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    size = 2 * len(rows[1])
    return np.empty(size, np.int64), np.empty(size, np.int32)


def train_pieces(
    options: VocabOptions,
    alphabet: Alphabet,
    buckets: Iterable[Words],
    room: tuple[int, int],
    least: int,
    advance: Callable[[int], None],
) -> list[str]:
    """The pieces of a new vocabulary behind its alphabet, by rank.

    Args:
        buckets: all words of the corpus.
        room: distinct words of the corpus, and positions of those of `least` or more.
        least: words of a lower count are not learned from.
        advance: is called with the number of pieces that were made.
    """
    most = options.lines - len(SPECIAL_TOKENS) - options.unused
    trainer = Trainer(alphabet, *room, most, least)
    for words in buckets:
        trainer.add(words)
    return trainer.train(options.min_frequency, advance)
