"""Counted words -> the pieces of a new vocabulary: its alphabet, then merges of frequent pairs.

The merges are those of byte-pair encoding, by count, as in the WordPiece trainers in use. Merging
by the likelihood ratio count(ab) / (count(a) count(b)) needs more pieces for the same text:
benchmarks/README.md has the figures.

Memory: 20 bytes per character of the words trained on, 350 MB at most: if there are more, the
rarest words are left out. 30,000 merges per second.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bertprep.kernels import counting, pair_heap, pairs
from bertprep.kernels.machine import PADDING
from bertprep.tokenization.characters import is_ideograph, is_punctuation
from bertprep.vocabulary.words import Table, Words, make_table, table_words

#: Words of more bytes, mostly garbage, are not trained on; the tokenizer splits them all the same.
_LONGEST_WORD = 1 << 10
_MERGES_AT_A_TIME = 500
#: Initial room for pairs.
_FIRST_ROWS = 1 << 16
CONTINUES = "##"


@dataclass(frozen=True)
class Alphabet:
    """The characters of the pieces.

    Attributes:
        characters: sorted by code point.
        num_left_out: number of other characters in the corpus.
        splits_ideographs: ideographs are always words of their own.
        pieces: each character, then, with `##`, each one that can continue a word.
    """

    characters: tuple[str, ...]
    num_left_out: int
    splits_ideographs: bool = True

    @property
    def pieces(self) -> list[str]:
        continuing = [CONTINUES + c for c in self.characters if self._can_continue(c)]
        return [*self.characters, *continuing]

    def _can_continue(self, character: str) -> bool:
        """Return whether a character can be inside a word; others are words of their own."""
        is_word = self.splits_ideographs and is_ideograph(character)
        return not is_word and not is_punctuation(character)


def choose_alphabet(
    totals: np.ndarray, min_frequency: int, limit: int | None, splits_ideographs: bool = True
) -> Alphabet:
    """Return the characters that are frequent enough, or the most frequent of them.

    Args:
        totals: int64[0x110000]. The count of each character in the corpus.
        min_frequency: minimum count.
        limit: maximum number of characters; of equally frequent ones the lower code points win.
        splits_ideographs: see Alphabet.
    """
    chosen = np.flatnonzero(totals >= min_frequency)
    kept = np.sort(chosen[np.argsort(-totals[chosen], kind="stable")[:limit]])
    left_out = int(np.count_nonzero(totals)) - len(kept)
    return Alphabet(tuple(map(chr, kept.tolist())), left_out, splits_ideographs)


def choose_min_count(sizes: np.ndarray, most_positions: int) -> int:
    """Return the lowest count for which the words of that count or more fit.

    Args:
        sizes: int64[n + 1]. Positions that the words of each count take, the last for all counts
            from n on; see `counting.Bucket`.
        most_positions: positions there is room for. Words of count n or more are few: they fit.
    """
    cumulative = np.cumsum(sizes[::-1])[::-1]
    fits = np.flatnonzero(cumulative[1:] <= most_positions)
    return int(fits[0]) + 1 if fits.size else len(sizes) - 1


class Trainer:
    """Trains pieces on words that are added bucket by bucket.

    Args:
        alphabet: the initial pieces.
        room: for the words: their number, and their bytes plus one for each.
        most_pieces: number of pieces to be asked for; it can make twice as many.
        min_count: words of a lower count are not trained on.
        min_frequency: minimum count of a pair to be merged.
    """

    def __init__(
        self,
        alphabet: Alphabet,
        room: tuple[int, int],
        most_pieces: int,
        min_count: int,
        min_frequency: int,
    ) -> None:
        initial = Words.of(dict.fromkeys(alphabet.pieces, 0))
        self._most_pieces = len(initial) + 2 * most_pieces
        # Pages that are never written cost nothing.
        self._pieces: Table = make_table(
            self._most_pieces, self._most_pieces * (_LONGEST_WORD + len(CONTINUES))
        )
        counting.add_words(self._pieces, initial.data, initial.offsets, initial.counts)
        self._piece_of = np.full((2, 0x110000), -1, np.int32)
        for number, piece in enumerate(alphabet.pieces):
            self._piece_of[int(len(piece) > 1), ord(piece[-1])] = number
        num_words, num_bytes = room
        self._text = np.empty(num_bytes + 2, pairs.POSITION)
        self._counts = np.empty(num_words, np.int64)
        self._state = np.zeros(1, pairs.STATE)
        self._state["max_merges"] = _MERGES_AT_A_TIME
        self._state["min_word_count"] = min_count
        self._state["min_pair_count"] = min_frequency
        self._touched = np.empty(2 * self._most_pieces + 4, np.int32)
        self._make_room(_FIRST_ROWS)

    def add(self, words: Words) -> None:
        """Add words; those with a character outside the alphabet are left out."""
        known = np.flatnonzero(np.diff(words.offsets) <= _LONGEST_WORD)
        if len(known) < len(words):
            words = words.chosen(known)
        given = words.data, words.offsets, words.counts
        pairs.spell_words(*given, self._piece_of, self._text, self._counts, self._state)

    def train(self, num_pieces: int, advance: Callable[[int], None] | None = None) -> list[str]:
        """Merge the most frequent pairs until there are `num_pieces` more, or no such pair is left.

        Args:
            advance: receives the number of pieces made since the last call.

        Returns:
            The new pieces, in the order of the merges.
        """
        if not self._state["num_pairs"][0]:
            self._find_pairs()
        first = made = self._num_pieces
        self._state["max_pieces"] = min(first + num_pieces, self._most_pieces)
        scratch = self._touched, np.empty(2 * _LONGEST_WORD + 2 * PADDING, np.uint8)
        reason = pairs.PAUSED
        while reason in (pairs.PAUSED, pairs.NO_ROOM):
            if reason == pairs.NO_ROOM:
                self._grow()
            arrays = self._text, self._counts, self._slots, self._pairs
            pairs.merge_pairs(*arrays, self._heap, self._pieces, scratch, self._state)
            reason = int(self._state["reason"][0])
            if advance is not None:
                advance(self._num_pieces - made)
            made = self._num_pieces
        pieces = table_words(self._pieces)
        return [pieces.word(row) for row in range(first, made)]

    def _find_pairs(self) -> None:
        self._state["num_merges"] = -1  # no merge has changed a pair yet
        end, at = int(self._state["num_positions"][0]) + 1, 0
        while True:
            arrays = self._text, self._counts, self._slots, self._pairs
            at = pairs.find_pairs(*arrays, self._touched, self._state, at)
            if at >= end:
                break
            self._grow()
        self._state["num_merges"] = 0
        pairs.fill_heap(self._pairs, self._heap, self._state)

    def _make_room(self, num_rows: int) -> None:
        self._slots = np.zeros(4 * num_rows, np.int32)
        self._pairs = np.empty(num_rows, pair_heap.PAIR)
        self._heap = np.empty(2 * num_rows, pair_heap.HEAP_ENTRY)

    def _grow(self) -> None:
        """Double the room for pairs; the new heap has no entries that are out of date."""
        used, old = int(self._state["num_pairs"][0]), self._pairs
        self._make_room(2 * len(old))
        self._pairs[:used] = old[:used]
        pairs.fill_slots(self._slots, self._pairs, used)
        pairs.fill_heap(self._pairs, self._heap, self._state)

    @property
    def _num_pieces(self) -> int:
        return int(self._pieces[5][0])
