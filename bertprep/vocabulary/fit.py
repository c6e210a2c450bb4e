"""How well a vocabulary fits the words of a corpus: measured per bucket, added up, reported.

Every word of the corpus counts, also those that were too rare to train on.
"""

import functools
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
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

    words: int
    distinct_words: int
    known_words: int
    whole_words: int
    pieces: int
    longer_pieces: int
    single_pieces: int
    usage: np.ndarray
    common: list[Example]
    rare: list[Example]

    def __add__(self, other: "VocabularyFit") -> "VocabularyFit":
        """Return the figures of both together."""
        added = {name: value + getattr(other, name) for name, value in vars(self).items()}
        for name in ("common", "rare"):
            added[name] = sorted(added[name])[:_NUM_EXAMPLES]
        return VocabularyFit(**added)

    def shown(self) -> dict[str, str]:
        """Return the figures as a report shows them: shares of all words, or of their pieces."""
        return {
            "words": f"{self.words:,} ({self.distinct_words:,} distinct)",
            "coverage": _share(self.whole_words, self.words),
            "pieces per word": f"{self.pieces / max(1, self.known_words):.3f}",
            "[UNK]": _share(self.words - self.known_words, self.words),
            "single characters": _share(self.single_pieces, self.longer_pieces),
        }


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
    is_longer = words.num_characters > 1
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
    """Return report rows as lines of at most 80 columns; rows without a value are left out.

    Lines break only at two spaces, which separate words; one space separates pieces of a word.
    """
    indent = " " * _VALUE_COLUMN
    wrap = functools.partial(
        textwrap.wrap, width=_WIDTH, break_long_words=False, break_on_hyphens=False
    )
    lines: list[str] = []
    for name, text in rows:
        unbroken = "  ".join(word.replace(" ", "\xa0") for word in text.split("  "))
        first = f"{name:<{_VALUE_COLUMN}}"
        lines += wrap(unbroken, initial_indent=first, subsequent_indent=indent)
    return "\n".join(lines).replace("\xa0", " ")


def _share(part: int, whole: int) -> str:
    return f"{part / max(1, whole):.2%}"
