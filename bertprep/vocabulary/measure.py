"""A vocabulary and the words of a corpus -> how well the one fits the other, in figures.

Every word of the corpus counts, the rarest too, bucket by bucket in the workers.
"""

import functools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bertprep.kernels import counting
from bertprep.kernels import trie as splitting
from bertprep.tokenization.lookups import make_trie
from bertprep.tokenization.plain import WordpieceTokenizer
from bertprep.vocab import Vocabulary, is_reserved
from bertprep.vocabulary.count import Job, read_bucket
from bertprep.vocabulary.words import Words

_NUM_EXAMPLES = 12
#: What it is sorted by, twice, and the word.
Example = tuple[int, int, str]


@dataclass(eq=False)
class Figures:
    """What the words of a bucket, or of all, become.

    Attributes:
        words: of the corpus; a word that stands twice counts twice here and in what follows.
        distinct_words: each once.
        known_words: those that are not [UNK].
        whole_words: those that are one piece.
        pieces: of the known words.
        longer_pieces: those in words of two characters or more.
        single_pieces: of these, those that are a single character.
        usage: int64[V]. How often each piece is used.
        common: words that become several pieces, the most frequent first.
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


@functools.lru_cache(2)
def load_vocabulary(path: Path) -> Vocabulary:
    """A vocabulary in the work folder, where none ever changes."""
    return Vocabulary.load(path)


@functools.lru_cache(2)
def _prepared(path: Path, longest: int) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    vocabulary = load_vocabulary(path)
    bare = (token.removeprefix("##") or token for token in vocabulary.tokens)
    return make_trie(vocabulary, longest), np.fromiter((len(b) == 1 for b in bare), np.bool_)


def split_words(
    words: Words, vocabulary: Path, longest: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Splits words into the pieces of a vocabulary file.

    Returns:
        int32[n], int32[n], int64[V]. The pieces of each word (0 where it is [UNK]), those of them
        that are single characters, and how often each piece is used in the corpus.
    """
    trie, is_single = _prepared(vocabulary, longest)
    tokens = np.empty(int(np.diff(words.offsets).max(initial=0)) + 1, np.uint32)
    sizes, singles = np.empty(len(words), np.int32), np.empty(len(words), np.int32)
    usage = np.zeros(len(is_single), np.int64)
    splitting.split_words(
        trie, words.data, words.offsets, words.counts, is_single, tokens, sizes, singles, usage
    )
    return sizes, singles, usage


def measure_bucket(job: Job, task: tuple[str, Path]) -> Figures:
    """Measures the words of one bucket, by the name of its blob and a vocabulary file."""
    name, vocabulary = task
    words = read_bucket(job.work, name)
    sizes, singles, usage = split_words(
        words, vocabulary, job.options.tokenizer.max_input_chars_per_word
    )
    counts = words.counts
    # A word of one character has at most one piece; UTF-8 of two or more is told by its first byte.
    lengths, first = np.diff(words.offsets), words.data[words.offsets[:-1]]
    is_longer = lengths > 1 + (first >= 0xC0) + (first >= 0xE0) + (first >= 0xF0)
    several = np.flatnonzero(sizes > 1)
    return Figures(
        words=int(counts.sum()),
        distinct_words=len(words),
        known_words=int(counts[sizes > 0].sum()),
        whole_words=int(counts[sizes == 1].sum()),
        pieces=int((counts * sizes).sum()),
        longer_pieces=int((counts * sizes)[is_longer].sum()),
        single_pieces=int((counts * singles)[is_longer].sum()),
        usage=usage,
        common=_examples(words, several, -counts),
        rare=_examples(words, several, counts),
    )


def _examples(words: Words, rows: np.ndarray, keys: np.ndarray) -> list[Example]:
    """The words of `rows` with the lowest keys; of equal ones the same choice each time."""
    draws = np.empty(len(words), np.int64)
    counting.bucket_words(words.data, words.offsets, 1 << 31, draws)
    order = rows[np.lexsort((draws[rows], keys[rows]))[:_NUM_EXAMPLES]]
    return [(int(keys[row]), int(draws[row]), words.word(row)) for row in order.tolist()]


def add_figures(parts: Iterable[Figures]) -> Figures:
    """The figures of several buckets as those of all."""
    parts = list(parts)
    names = [name for name, value in vars(Figures()).items() if isinstance(value, int)]
    sums: Counter[str] = Counter()
    for part in parts:
        sums.update({name: getattr(part, name) for name in names})
    usage: np.ndarray = np.sum([part.usage for part in parts], axis=0)
    common, rare = (
        sorted(example for part in parts for example in getattr(part, name))[:_NUM_EXAMPLES]
        for name in ("common", "rare")
    )
    return Figures(**sums, usage=usage, common=common, rare=rare)


def num_unused(vocabulary: Vocabulary, usage: np.ndarray) -> int:
    """Pieces that no word of the corpus uses; special and `[unusedN]` ones are not counted."""
    return sum(
        not used and not is_reserved(token)
        for token, used in zip(vocabulary.tokens, usage.tolist(), strict=True)
    )


def spelled(vocabulary: Vocabulary, longest: int, words: Iterable[str]) -> list[str]:
    """Words as a person reads their pieces: `ferry ##man`."""
    wordpiece = WordpieceTokenizer(vocabulary.ids, max_input_chars_per_word=longest)
    return [" ".join(wordpiece.tokenize(word)) for word in words]
