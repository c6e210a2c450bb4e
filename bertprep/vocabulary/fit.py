"""How well a vocabulary fits the words of a corpus: measured per bucket, added up, reported.

Every word of the corpus counts, also those that were too rare to train on.
"""

import functools
import textwrap
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bertprep.kernels import counting
from bertprep.kernels import trie as splitting
from bertprep.tokenization.fast import make_trie
from bertprep.tokenization.plain import WordpieceTokenizer
from bertprep.vocab import Vocabulary, is_reserved
from bertprep.vocabulary.counting import read_bucket
from bertprep.vocabulary.job import VocabJob
from bertprep.vocabulary.words import Words

_NUM_EXAMPLES = 12
_WIDTH, _VALUE_COLUMN = 80, 20
#: Two sort keys, and the word.
Example = tuple[int, int, str]


@dataclass(eq=False)
class VocabularyFit:
    """Figures of a vocabulary and the words of a bucket, or of all buckets.

    Attributes:
        words: words of the corpus; repeated words count repeatedly here and below.
        distinct_words: distinct words.
        known_words: words that are not [UNK].
        whole_words: words that are one piece.
        pieces: pieces of the known words.
        longer_pieces: pieces of words of two characters or more.
        single_pieces: those of them that are a single character.
        usage: int64[V]. How often each piece is used.
        common: words that are several pieces, most frequent first.
        rare: the rarest of them.
    """

    words: int = 0
    distinct_words: int = 0
    known_words: int = 0
    whole_words: int = 0
    pieces: int = 0
    longer_pieces: int = 0
    single_pieces: int = 0
    usage: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    common: list[Example] = field(default_factory=list)
    rare: list[Example] = field(default_factory=list)

    @classmethod
    def sum(cls, parts: Iterable["VocabularyFit"]) -> "VocabularyFit":
        """Return the figures of all parts together."""
        listed = list(parts)
        sums: Counter[str] = Counter()
        for part in listed:
            sums.update({k: value for k, value in vars(part).items() if isinstance(value, int)})
        usage: np.ndarray = np.sum([part.usage for part in listed], axis=0)
        common, rare = (
            sorted(example for part in listed for example in getattr(part, name))[:_NUM_EXAMPLES]
            for name in ("common", "rare")
        )
        return cls(**sums, usage=usage, common=common, rare=rare)

    @property
    def coverage(self) -> str:
        """Return the share of words that are one piece."""
        return _share(self.whole_words, self.words)

    @property
    def pieces_per_word(self) -> str:
        """Return the mean number of pieces of the known words."""
        return f"{self.pieces / max(1, self.known_words):.3f}"

    @property
    def unknown(self) -> str:
        """Return the share of words that are [UNK]."""
        return _share(self.words - self.known_words, self.words)

    @property
    def single_characters(self) -> str:
        """Return the share of single characters among the pieces of longer words."""
        return _share(self.single_pieces, self.longer_pieces)

    @property
    def total(self) -> str:
        """Return the numbers of words and of distinct words."""
        return f"{self.words:,} ({self.distinct_words:,} distinct)"


@functools.lru_cache(2)
def load_vocabulary(path: Path) -> Vocabulary:
    """Return a vocabulary of the work folder, whose name is that of its content."""
    return Vocabulary.load(path)


@functools.lru_cache(2)
def _lookups(vocabulary: Vocabulary, longest: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    bare = (token.removeprefix("##") or token for token in vocabulary.tokens)
    return make_trie(vocabulary, longest), np.fromiter((len(b) == 1 for b in bare), np.bool_)


def split_words(
    words: Words, vocabulary: Vocabulary, longest: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split words into pieces.

    Args:
        longest: maximum characters of a word that is not [UNK].

    Returns:
        int32[n], int32[n], int64[V]. The number of pieces of each word (0 for [UNK]), how many of
        them are single characters, and how often each piece is used in the corpus.
    """
    trie, is_single = _lookups(vocabulary, longest)
    tokens = np.empty(int(np.diff(words.offsets).max(initial=0)) + 1, np.uint32)
    sizes, singles = np.empty(len(words), np.int32), np.empty(len(words), np.int32)
    usage = np.zeros(len(is_single), np.int64)
    splitting.split_words(
        trie, words.data, words.offsets, words.counts, is_single, tokens, sizes, singles, usage
    )
    return sizes, singles, usage


def measure_bucket(job: VocabJob, vocabulary: Path, number: int) -> VocabularyFit:
    """Measure a vocabulary of the work folder on the words of one bucket."""
    words = read_bucket(job, number)
    sizes, singles, usage = split_words(
        words, load_vocabulary(vocabulary), job.tokenizer.max_input_chars_per_word
    )
    counts = words.counts
    # A word of one character has at most one piece; the first byte of UTF-8 tells its length.
    lengths, first = np.diff(words.offsets), words.data[words.offsets[:-1]]
    is_longer = lengths > 1 + (first >= 0xC0) + (first >= 0xE0) + (first >= 0xF0)
    several = np.flatnonzero(sizes > 1)
    return VocabularyFit(
        words=int(counts.sum()),
        distinct_words=len(words),
        known_words=int(counts[sizes > 0].sum()),
        whole_words=int(counts[sizes == 1].sum()),
        pieces=int((counts * sizes).sum()),
        longer_pieces=int((counts * sizes)[is_longer].sum()),
        single_pieces=int((counts * singles)[is_longer].sum()),
        usage=usage,
        common=_choose_examples(words, several, -counts),
        rare=_choose_examples(words, several, counts),
    )


def _choose_examples(words: Words, rows: np.ndarray, keys: np.ndarray) -> list[Example]:
    """Return the words of `rows` with the lowest keys; a hash of the word breaks ties."""
    draws = np.empty(len(words), np.int64)
    counting.bucket_words(words.data, words.offsets, 1 << 31, draws)
    order = rows[np.lexsort((draws[rows], keys[rows]))[:_NUM_EXAMPLES]]
    return [(int(keys[row]), int(draws[row]), words.word(row)) for row in order.tolist()]


def example_rows(vocabulary: Vocabulary, longest: int, fit: VocabularyFit) -> list[tuple[str, str]]:
    """Return report rows with words as their pieces: `ferry ##man`."""
    wordpiece = WordpieceTokenizer(vocabulary.ids, max_input_chars_per_word=longest)
    rows = []
    for name, examples in (("common split words", fit.common), ("rare split words", fit.rare)):
        if examples:
            split = (" ".join(wordpiece.tokenize(word)) for _, _, word in examples)
            rows.append((name, "  ".join(split)))
    return rows


def count_unused(vocabulary: Vocabulary, usage: np.ndarray) -> int:
    """Return the number of pieces that no word uses, reserved ones not counted."""
    return sum(
        not used and not is_reserved(token)
        for token, used in zip(vocabulary.tokens, usage.tolist(), strict=True)
    )


def format_report(rows: Iterable[tuple[str, str]]) -> str:
    """Return report rows as lines of at most 80 columns.

    Lines break only at two spaces, which separate words; one space separates pieces of a word.
    """
    lines = []
    for name, text in rows:
        unbroken = "  ".join(word.replace(" ", "\xa0") for word in text.split("  "))
        wrapped = textwrap.wrap(
            unbroken, _WIDTH - _VALUE_COLUMN, break_long_words=False, break_on_hyphens=False
        )
        lines += [f"{name:<{_VALUE_COLUMN}}{wrapped[0]}"]
        lines += [" " * _VALUE_COLUMN + line for line in wrapped[1:]]
    return "\n".join(lines).replace("\xa0", " ")


def _share(part: int, whole: int) -> str:
    return f"{part / max(1, whole):.2%}"
