r"""Blocks of text -> their words with counts, as flat arrays, by the compiled kernel.

The words are those that the tokenizer would look pieces up for, mapped as it maps them; the twin
is `collections.Counter` over `BasicTokenizer`. 110 MB/s of English on one core.
Memory: 26 bytes per word and its UTF-8; a counter takes 60 MB, and the largest block.

Example:
    >>> counter = WordCounter(TokenizerOptions(), CorpusOptions())
    >>> counter.count_text(b"One sentence per line.\nOne more line.\n")
    >>> dict(counter.take_words().items())["line"]
    2
"""

import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from unicodedata import category

import numpy as np

from bertprep.data import offsets_of
from bertprep.kernels import counting
from bertprep.kernels.characters import CHUNK, DONE, NEED_PAGE
from bertprep.kernels.counting import FULL
from bertprep.kernels.machine import PADDING
from bertprep.options import CorpusOptions, TokenizerOptions
from bertprep.tokenization.characters import CharacterTable, loses_marks, marked_script
from bertprep.tokenization.plain import BasicTokenizer
from bertprep.tokenization.text_buffer import Text, TextBuffer

#: What `kernels.counting` calls a table.
Table = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
_TABLE_WORDS, _TABLE_BYTES = 1 << 19, 8 << 20
_MEMO_ROWS = 1 << 16
_MOST_CHUNKS = 1 << 16
_LONGEST_CHUNK = 1 << 10


@dataclass(frozen=True, eq=False)
class Words:
    """Distinct words, in any order.

    Attributes:
        data: uint8[bytes + PADDING]. Their UTF-8, concatenated.
        offsets: int64[n + 1]. Word i is data[offsets[i]:offsets[i + 1]].
        counts: int64[n]. Occurrences of each in the corpus.
    """

    data: np.ndarray
    offsets: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> "Words":
        """Return the words of a dictionary, also those with a count of 0."""
        encoded = [word.encode() for word in counts]
        # A copy: for a read-only array the kernels would be compiled again.
        data = np.frombuffer(b"".join(encoded) + bytes(PADDING), np.uint8).copy()
        lengths = [len(word) for word in encoded]
        return cls(
            data, offsets_of(np.array(lengths, np.int64)), np.array([*counts.values()], np.int64)
        )

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def num_characters(self) -> np.ndarray:
        """int64[n]. Characters of each word."""
        is_first = (self.data & 0xC0) != 0x80
        before = np.concatenate([np.zeros(1, np.int64), np.cumsum(is_first)])
        lengths: np.ndarray = np.diff(before[self.offsets])
        return lengths

    @property
    def num_bytes(self) -> int:
        """Bytes of the UTF-8 of all words."""
        return int(self.offsets[-1])

    def word(self, row: int) -> str:
        """Return one word."""
        return self.data[self.offsets[row] : self.offsets[row + 1]].tobytes().decode()

    def items(self) -> Iterator[tuple[str, int]]:
        """Yield the words with their counts."""
        return ((self.word(row), int(self.counts[row])) for row in range(len(self)))

    def chosen(self, rows: np.ndarray) -> "Words":
        """Return some of the words, by their rows."""
        offsets = offsets_of(self.offsets[rows + 1] - self.offsets[rows])
        data = np.zeros(offsets[-1] + PADDING, np.uint8)
        counting.gather_words(self.data, self.offsets, rows, data)
        return Words(data, offsets, self.counts[rows])


def make_table(num_words: int, num_bytes: int) -> Table:
    """Return an empty table with room for some words of so many bytes together."""
    slots = np.zeros(1 << max(3, (2 * num_words).bit_length()), np.int32)
    hashes = np.empty(num_words, np.uint64)
    offsets = np.zeros(num_words + 1, np.int64)
    counts = np.empty(num_words, np.int64)
    data = np.empty(num_bytes + 2 * PADDING, np.uint8)
    return slots, hashes, offsets, counts, data, np.zeros(1, np.int64)


def clear_table(table: Table) -> None:
    """Empty a table."""
    table[0].fill(0)
    table[5][0] = 0


def table_words(table: Table) -> Words:
    """Return the words of a table, in new arrays."""
    _, _, offsets, counts, data, used = table
    num_words = int(used[0])
    end = int(offsets[num_words])
    return Words(
        data[: end + PADDING].copy(), offsets[: num_words + 1].copy(), counts[:num_words].copy()
    )


def merge_words(parts: Sequence[Words]) -> Words:
    """Return the words of all parts, each once with the sum of its counts, unless that is 0."""
    table = make_table(sum(map(len, parts)), sum(part.num_bytes for part in parts))
    for part in parts:
        counting.add_words(table, part.data, part.offsets, part.counts)
    merged = table_words(table)
    return merged if merged.counts.all() else merged.chosen(np.flatnonzero(merged.counts))


def pack_buckets(words: Words, num_buckets: int) -> list[np.ndarray]:
    """Divide words into buckets by the words alone; return uint32[...] for each bucket."""
    buckets = np.empty(len(words), np.int64)
    counting.bucket_words(words.data, words.offsets, num_buckets, buckets)
    dealt = words.chosen(np.argsort(buckets, kind="stable"))
    sizes = np.bincount(buckets, minlength=num_buckets)
    ends = np.cumsum(sizes)
    packed = []
    for first, end in zip(ends - sizes, ends, strict=True):
        data = dealt.data[dealt.offsets[first] : dealt.offsets[end]].tobytes()
        lengths = np.diff(dealt.offsets[first : end + 1]).astype(np.uint32)
        header = np.array([end - first, len(data)], np.uint32)
        counts = dealt.counts[first:end].view(np.uint32)
        text = np.frombuffer(data + bytes(-len(data) % 4), np.uint32)
        packed.append(np.concatenate([header, lengths, counts, text]))
    return packed


def unpack_words(packed: np.ndarray) -> Words:
    """Return the words of a bucket that `pack_buckets` packed."""
    count, num_bytes = packed[:2].tolist()
    lengths, counts, text = np.split(packed[2:], [count, 3 * count])
    data = np.zeros(num_bytes + PADDING, np.uint8)
    data[:num_bytes] = text.view(np.uint8)[:num_bytes]
    return Words(data, offsets_of(lengths), counts.copy().view(np.int64))


@functools.cache
def _letter_kind(character: str) -> tuple[bool, bool]:
    """Return whether a character is a letter or mark, and one whose script needs what it loses."""
    is_lost = marked_script(character) is not None and loses_marks(character)
    return category(character)[0] in "LM", is_lost


class WordCounter:
    """Counts words over many blocks.

    Args:
        options: how text becomes words; `max_input_chars_per_word` limits the words counted.
        corpus: what is done about invalid text.
        room: words, and bytes of words, that are kept before they are mapped.

    Attributes:
        left_out: occurrences of longer words, which the tokenizer makes [UNK].
        letters, lost_letters: letters and marks, and those of scripts that need their marks which
            lose them; 0 where accents are not stripped.
    """

    def __init__(
        self,
        options: TokenizerOptions,
        corpus: CorpusOptions,
        *,
        room: tuple[int, int] = (_TABLE_WORDS, _TABLE_BYTES),
    ) -> None:
        self.left_out = self.letters = self.lost_letters = 0
        self._buffer = TextBuffer(corpus)
        self._max_line_chars = corpus.max_line_chars
        self._longest = options.max_input_chars_per_word
        self._characters = CharacterTable(options)
        self._basic = BasicTokenizer.of(options)
        self._room = room
        self._table = make_table(*room)
        self._mapped = make_table(*room)
        self._memo = np.zeros((_MEMO_ROWS, 8), np.uint64)
        self._scratch = np.empty(4 * self._longest + 32 + PADDING, np.uint8)
        #: Chunks that only the plain class can map, with the bytes counted already.
        self._chunks: Counter[tuple[bytes, int]] = Counter()
        self._odd_words: Counter[str] = Counter()
        self._full: list[Words] = []

    @property
    def invalid_lines(self) -> int:
        """Number of lines so far with invalid text, which was replaced or left out."""
        return self._buffer.invalid_lines

    def count_text(self, text: Text) -> None:
        """Count the words of a block of whole lines.

        Args:
            text: UTF-8; uint8[...] if it is an array. 0x0D bytes are removed.

        Raises:
            TextError: bytes that are not UTF-8 or NUL ("strict"), or a line that is too long.
        """
        buffer = self._buffer
        buffer.take(text)
        states = np.zeros(1, counting.STATE)
        state = states[0]
        state["max_line_chars"] = self._max_line_chars
        while True:
            pages = self._characters.arrays
            counting.count_words(
                buffer.text, buffer.end, pages, self._memo, self._table, self._scratch, states
            )
            if state["reason"] == DONE:
                return
            if state["reason"] == NEED_PAGE:
                self._characters.load(int(state["detail"]) >> 8)
            elif state["reason"] == CHUNK:
                self._note_chunk(state)
            elif state["reason"] == FULL:
                self._map(room=buffer.end)
            else:
                raise buffer.error(state)

    def take_words(self) -> Words:
        """Return the words counted since the last call, each once."""
        while not counting.empty_memo(self._memo, self._table, self._scratch):
            self._map()
        self._map()
        self._count_chunks()
        parts = [*self._full, Words.of(self._odd_words)]
        self._full.clear()
        self._odd_words.clear()
        return merge_words(parts)

    @property
    def num_waiting(self) -> int:
        """Number of words that `take_words` would merge, with repetitions."""
        return sum(map(len, self._full))

    def _map(self, room: int = 0) -> None:
        """Empty the table, and leave it with room for a word of `room` bytes."""
        if self._basic.strip_accents:
            self._count_letters(table_words(self._table))
        self.left_out += counting.map_words(
            self._characters.arrays, self._table, self._longest, self._scratch, self._mapped
        )
        self._full.append(table_words(self._mapped))
        clear_table(self._table)
        clear_table(self._mapped)
        if room > self._room[1]:
            self._room = (self._room[0], room)
            self._table, self._mapped = make_table(*self._room), make_table(*self._room)

    def _count_letters(self, words: Words) -> None:
        totals = np.zeros(0x110000, np.int64)
        counting.count_characters(words.data, words.offsets, words.counts, totals)
        characters = np.flatnonzero(totals)
        for code_point, count in zip(characters.tolist(), totals[characters].tolist(), strict=True):
            is_letter, is_lost = _letter_kind(chr(code_point))
            self.letters += count * is_letter
            self.lost_letters += count * is_lost

    def _note_chunk(self, state: np.void) -> None:
        """Keep the chunk that the kernel stopped at, and let it continue after the chunk."""
        start, stop = int(state["chunk_start"]), int(state["detail"])
        chunk, counted = self._buffer.slice(start, stop), int(state["position"]) - start
        self._chunks[chunk, counted] += 1
        if len(self._chunks) > _MOST_CHUNKS or len(chunk) > _LONGEST_CHUNK:
            self._count_chunks()
        state["position"] = state["chunk_start"] = stop

    def _count_chunks(self) -> None:
        for (chunk, counted), times in self._chunks.items():
            self._add_words(chunk, times)
            # The part before the character that depends on context was mapped on its own.
            self._add_words(chunk[:counted], -times)
        self._chunks.clear()

    def _add_words(self, text: bytes, times: int) -> None:
        for word in self._basic.tokenize(text.decode()):
            if len(word) <= self._longest:
                self._odd_words[word] += times
            else:
                self.left_out += times
