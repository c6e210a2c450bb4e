"""Counted words -> the lines of a vocabulary file: a new one, or a published one with slots filled.

Merging leaves pieces that were only steps to longer ones: one in fifteen of 30,522 lines. The
tokenizer takes the longest piece that fits, so it never uses them. They are dropped and more pairs
merged, until every line is used; the same text then needs 0.4 % fewer tokens.

A slot is an `[unusedN]` line. Slots take the words that save the most pieces, whole words only: the
published model has their pieces already. No other line changes, so the ids of the model stay valid.
"""

import functools
import hashlib
import operator
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bertprep.engines import Engine, Task
from bertprep.errors import UsageError
from bertprep.options import VocabOptions
from bertprep.terminal import progress
from bertprep.vocab import SPECIAL_TOKENS, Vocabulary, is_reserved
from bertprep.vocabulary.counting import Bucket, read_bucket
from bertprep.vocabulary.fit import (
    VocabularyFit,
    count_unused,
    example_rows,
    format_report,
    measure_bucket,
    split_words,
)
from bertprep.vocabulary.job import VocabJob, say, warn
from bertprep.vocabulary.training import (
    CONTINUES,
    Alphabet,
    Trainer,
    choose_alphabet,
    choose_min_count,
)
from bertprep.vocabulary.words import Words

#: Characters of the words that are trained on (see `training`): 400 MB.
_MOST_POSITIONS = 16 << 20
#: Each round drops a tenth of what the round before has added, or less.
_MOST_ROUNDS = 20
_SLOT = re.compile(rb"\[unused[0-9]+\]")


@dataclass(frozen=True, eq=False)
class WordStore:
    """All words of the corpus, in buckets on disk, and the engine that reads them.

    Attributes:
        overlong_words: words of the corpus that are in no bucket, since they are always [UNK].
    """

    engine: Engine
    job: VocabJob
    buckets: Sequence[Bucket]
    overlong_words: int

    def read(self) -> Iterator[Words]:
        """Yield the words of each bucket."""
        return (read_bucket(self.job, bucket.number) for bucket in self.buckets)

    def measure(self, vocabulary: bytes) -> VocabularyFit:
        """Return how well a vocabulary, as the bytes of a file, fits the words."""
        digest = hashlib.sha256(vocabulary).hexdigest()[:16]
        path = self.job.work / f"vocab-{digest}.txt"
        path.write_bytes(vocabulary)
        tasks = [Task(f"measuring bucket {b.number}", b.number, 1) for b in self.buckets]
        function = functools.partial(measure_bucket, self.job, path)
        fits = self.engine.run(function, tasks, lambda size: None)
        fit = functools.reduce(operator.add, fits)
        fit.words += self.overlong_words
        return fit


def new_vocabulary(options: VocabOptions, words: WordStore) -> tuple[bytes, str]:
    """Return the bytes of a new vocabulary file, and the report on it.

    Raises:
        UsageError: the alphabet does not fit.
    """
    totals: np.ndarray = np.zeros(0x110000, np.int64)
    for bucket in words.buckets:
        totals[bucket.characters] += bucket.character_counts
    alphabet = choose_alphabet(
        totals,
        options.min_frequency,
        options.limit_alphabet,
        options.tokenizer.tokenize_chinese_chars,
    )
    least = _num_reserved(options) + len(alphabet.pieces)
    if options.lines < least:
        raise UsageError(
            f"--size {options.lines} is too small: {len(alphabet.characters):,} characters with "
            f"their ## forms, {len(SPECIAL_TOKENS)} special and {options.unused} unused tokens "
            f"take {least:,} lines. Pass --size {least} or more, or keep fewer characters with "
            "--limit-alphabet"
        )
    pieces, fit = _train_pieces(options, words, alphabet)
    num_lines = least + len(pieces)
    if num_lines < options.lines:
        warn(
            options,
            f"the vocabulary has {num_lines:,} lines, not {options.lines:,}: no other piece occurs "
            f"{options.min_frequency:,} times in the corpus. Use more text, or pass a lower "
            "--min-frequency or --size",
        )
    # Padding comes last and is never used, so the fit holds for this file too.
    data = _file_bytes(options, [*alphabet.pieces, *pieces])
    return data, _describe_new(options, Vocabulary.parse(data), alphabet, fit)


def _train_pieces(
    options: VocabOptions, words: WordStore, alphabet: Alphabet
) -> tuple[list[str], VocabularyFit]:
    """Return the pieces after the alphabet by rank, all of them in use, and their fit."""
    first = _num_reserved(options) + len(alphabet.pieces)
    wanted = options.lines - first
    trainer = _make_trainer(options, words, alphabet, wanted)
    made: list[str] = []
    dropped: set[str] = set()
    with progress("train", wanted, quiet=options.quiet, unit="pieces") as bar:
        for _ in range(_MOST_ROUNDS):
            missing = wanted - (len(made) - len(dropped))
            made += trainer.train(missing, bar.advance if not made else None)
            pieces = [piece for piece in made if piece not in dropped]
            fit = words.measure(_file_bytes(options, [*alphabet.pieces, *pieces]))
            usage = fit.usage[first : first + len(pieces)]
            rare = [p for p, n in zip(pieces, usage, strict=True) if n < options.min_frequency]
            if not rare:
                break
            dropped.update(rare)
    return pieces, fit


def _make_trainer(
    options: VocabOptions, words: WordStore, alphabet: Alphabet, wanted: int
) -> Trainer:
    sizes: np.ndarray = np.sum([bucket.sizes for bucket in words.buckets], axis=0)
    min_count = choose_min_count(sizes, _MOST_POSITIONS)
    if min_count > 1:
        say(options, f"training on words that occur {min_count:,} times or more")
    num_words = sum(bucket.num_words for bucket in words.buckets)
    room = num_words, int(sizes[min_count:].sum())
    trainer = Trainer(alphabet, room, wanted, min_count, options.min_frequency)
    for each in words.read():
        trainer.add(each)
    return trainer


def _file_bytes(options: VocabOptions, pieces: list[str]) -> bytes:
    """Return special tokens, unused ones, pieces, and padding to a multiple, as lines."""
    padding = -(_num_reserved(options) + len(pieces)) % options.pad_to_multiple
    unused = [f"[unused{number}]" for number in range(options.unused + padding)]
    lines = [*SPECIAL_TOKENS, *unused[: options.unused], *pieces, *unused[options.unused :]]
    return "".join(f"{line}\n" for line in lines).encode()


def _num_reserved(options: VocabOptions) -> int:
    return len(SPECIAL_TOKENS) + options.unused


def _describe_new(
    options: VocabOptions, vocabulary: Vocabulary, alphabet: Alphabet, fit: VocabularyFit
) -> str:
    tokens = [token for token in vocabulary.tokens if not is_reserved(token)]
    continuing = sum(token.startswith(CONTINUES) and len(token) > 2 for token in tokens)
    characters = sum(len(token) == 1 for token in tokens)
    dropped = f" ({alphabet.num_left_out:,} dropped)" if alphabet.num_left_out else ""
    reserved = len(vocabulary.tokens) - len(tokens)
    longest = options.tokenizer.max_input_chars_per_word
    shown = fit.shown()
    return format_report(
        [
            ("lines", f"{len(vocabulary.tokens):,} ({reserved:,} special or unused)"),
            ("alphabet", f"{characters:,} character{'s' * (characters != 1)}{dropped}"),
            ("pieces", f"{len(tokens) - continuing:,} word-initial, {continuing:,} with ##"),
            ("unused pieces", f"{count_unused(vocabulary, fit.usage):,}"),
            ("words", shown["words"]),
            ("coverage", f"{shown['coverage']} of words are a single piece"),
            ("pieces per word", shown["pieces per word"]),
            ("[UNK]", f"{shown['[UNK]']} of words"),
            ("single characters", f"{shown['single characters']} of the pieces of longer words"),
            *example_rows(vocabulary, longest, fit),
        ]
    )


def extend_vocabulary(
    options: VocabOptions, words: WordStore, published: Vocabulary
) -> tuple[bytes, str]:
    """Return the bytes of a vocabulary with its slots filled, and the report on it."""
    slots = find_slots(published)
    before = words.measure(published.data)
    most = min(len(slots), options.size or len(slots))
    longest = options.tokenizer.max_input_chars_per_word
    chosen = choose_words(words.read(), published, longest, options.min_frequency, most)
    if len(chosen) < most:
        warn(
            options,
            f"only {len(chosen):,} words for {most:,} lines: all others are a single piece "
            f"already, or occur less than {options.min_frequency:,} times (--min-frequency)",
        )
    data = fill_slots(published, slots, chosen)
    after = words.measure(data)
    old, new = before.shown(), after.shown()
    extended = Vocabulary.parse(data)
    report = format_report(
        [
            ("lines", f"{len(extended.tokens):,} (unchanged)"),
            ("filled", f"{len(chosen):,} of {len(slots):,} [unusedN] lines"),
            ("words", new["words"]),
            ("coverage", f"{old['coverage']} of words were a single piece, now {new['coverage']}"),
            ("pieces per word", f"{old['pieces per word']}, now {new['pieces per word']}"),
            ("[UNK]", f"{old['[UNK]']} of words, now {new['[UNK]']}"),
            ("new words", "  ".join(chosen[:12])),
            *example_rows(extended, longest, after),
        ]
    )
    return data, report


def find_slots(vocabulary: Vocabulary, name: Path | str = "vocab.txt") -> list[int]:
    """Return the numbers of the `[unusedN]` lines, from 0.

    Raises:
        UsageError: there is none.
    """
    lines = vocabulary.data.split(b"\n")
    slots = [number for number, line in enumerate(lines) if _SLOT.fullmatch(line.strip())]
    if not slots:
        raise UsageError(
            f"{name}: has no [unusedN] lines to fill. Make a vocabulary without --extend, or name "
            "one that has them"
        )
    return slots


def choose_words(
    buckets: Iterable[Words], vocabulary: Vocabulary, longest: int, min_frequency: int, most: int
) -> list[str]:
    """Return the words that save the most pieces, in that order.

    Each occurrence of a word saves all of its pieces but one. An occurrence of a word that is [UNK]
    saves as many as it has characters.

    Args:
        buckets: all words of the corpus.
        vocabulary: the one to be extended.
        longest: maximum characters of a word that is not [UNK].
        min_frequency: minimum count of a word.
        most: maximum number of words.
    """
    best: list[tuple[int, str]] = []
    for words in buckets:
        sizes, _, _ = split_words(words, vocabulary, longest)
        saved = np.where(sizes > 0, sizes - 1, words.num_characters) * words.counts
        rows = np.flatnonzero((saved > 0) & (words.counts >= min_frequency))
        if len(rows) > most:
            least = np.partition(saved[rows], -most)[-most]
            rows = rows[saved[rows] >= least]
        best += [(-int(saved[row]), words.word(row)) for row in rows.tolist()]
        best = sorted(best)[:most]
    return [word for _, word in best]


def fill_slots(vocabulary: Vocabulary, slots: list[int], words: list[str]) -> bytes:
    """Return the bytes of the file with the words in its first slots."""
    lines = vocabulary.data.split(b"\n")
    for slot, word in zip(slots, words, strict=False):
        lines[slot] = lines[slot].replace(lines[slot].strip(), word.encode())
    return b"\n".join(lines)
