"""Words with their counts as flat arrays: tables to count in, what they hold, how it is stored.

Memory: 26 bytes a word beside its UTF-8; a table takes 32 more.

Example:
    >>> words = Words.of({"the": 3, "ferry": 1})
    >>> dict(words.items())
    {'the': 3, 'ferry': 1}
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bertprep.kernels import counting
from bertprep.kernels.machine import PADDING

#: What `kernels.counting` calls a table.
Table = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Words:
    """Distinct words, in no promised order.

    Attributes:
        data: uint8[bytes + PADDING]. Their UTF-8, concatenated.
        offsets: int64[n + 1]. Where each begins in `data`, and where the last one ends.
        counts: int64[n]. How often each stands in the corpus.
    """

    data: np.ndarray
    offsets: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> "Words":
        """The words of a dictionary; those with a count of 0 are words too."""
        encoded = [word.encode() for word in counts]
        # A copy: one that is read-only would be another type to the kernels, compiled by itself.
        data = np.frombuffer(b"".join(encoded) + bytes(PADDING), np.uint8).copy()
        return cls(data, _offsets([len(word) for word in encoded]), _int64(counts.values()))

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def num_bytes(self) -> int:
        """Of all words' UTF-8."""
        return int(self.offsets[-1])

    def word(self, row: int) -> str:
        """One word."""
        return self.data[self.offsets[row] : self.offsets[row + 1]].tobytes().decode()

    def items(self) -> Iterator[tuple[str, int]]:
        """The words with their counts."""
        return ((self.word(row), int(self.counts[row])) for row in range(len(self)))

    def chosen(self, rows: np.ndarray) -> "Words":
        """Some of the words, by their rows."""
        offsets = _offsets(self.offsets[rows + 1] - self.offsets[rows])
        data = np.zeros(offsets[-1] + PADDING, np.uint8)
        counting.gather_words(self.data, self.offsets, rows, data)
        return Words(data, offsets, self.counts[rows])


def make_table(num_words: int, num_bytes: int) -> Table:
    """An empty table with room for so many words of so many bytes together."""
    slots = np.zeros(1 << max(3, (2 * num_words).bit_length()), np.int32)
    hashes = np.empty(num_words, np.uint64)
    offsets = np.zeros(num_words + 1, np.int64)
    counts = np.empty(num_words, np.int64)
    data = np.empty(num_bytes + 2 * PADDING, np.uint8)
    return slots, hashes, offsets, counts, data, np.zeros(1, np.int64)


def clear_table(table: Table) -> None:
    """Empties a table."""
    table[0].fill(0)
    table[5][0] = 0


def table_words(table: Table) -> Words:
    """The words of a table, in new arrays."""
    _, _, offsets, counts, data, used = table
    num_words = int(used[0])
    end = int(offsets[num_words])
    return Words(
        data[: end + PADDING].copy(), offsets[: num_words + 1].copy(), counts[:num_words].copy()
    )


def merge_words(parts: Sequence[Words]) -> Words:
    """All words of some parts, each once, with its counts added up; none of a count of 0."""
    table = make_table(sum(map(len, parts)), sum(part.num_bytes for part in parts))
    for part in parts:
        counting.add_words(table, part.data, part.offsets, part.counts)
    merged = table_words(table)
    return merged if merged.counts.all() else merged.chosen(np.flatnonzero(merged.counts))


def pack_buckets(words: Words, num_buckets: int) -> list[np.ndarray]:
    """Deals words to buckets by what they are alone, and packs each: uint32[...] a bucket."""
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
    """What `pack_buckets` made of one bucket."""
    count, num_bytes = packed[:2].tolist()
    lengths, counts, text = np.split(packed[2:], [count, 3 * count])
    data = np.zeros(num_bytes + PADDING, np.uint8)
    data[:num_bytes] = text.view(np.uint8)[:num_bytes]
    return Words(data, _offsets(lengths), counts.copy().view(np.int64))


def _offsets(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def _int64(values: Iterable[int]) -> np.ndarray:
    return np.fromiter(values, np.int64)
