"""The figures of a vocabulary -> the lines that a person reads, 80 columns wide."""

import textwrap
from collections.abc import Iterable, Sequence

from bertprep.options import VocabOptions
from bertprep.vocab import Vocabulary, is_reserved
from bertprep.vocabulary.measure import Example, Figures, num_unused, spelled
from bertprep.vocabulary.train import CONTINUES

_WIDTH = 80
_COLUMN = 20


def describe_new(
    options: VocabOptions, vocabulary: Vocabulary, num_left_out: int, figures: Figures
) -> str:
    """The report on a vocabulary that was made.

    Args:
        num_left_out: characters of the corpus that are not in its alphabet.
    """
    tokens = [token for token in vocabulary.tokens if not is_reserved(token)]
    continuing = sum(token.startswith(CONTINUES) and len(token) > 2 for token in tokens)
    alphabet = sum(len(token) == 1 for token in tokens)
    left_out = f", {num_left_out:,} left out" if num_left_out else ""
    reserved = len(vocabulary.tokens) - len(tokens)
    return _table(
        [
            ("lines", f"{len(vocabulary.tokens):,}, {reserved:,} of them special or unused"),
            ("alphabet", f"{_count(alphabet, 'character')}{left_out}"),
            ("pieces", f"{len(tokens) - continuing:,} that begin a word, {continuing:,} with ##"),
            ("never used", _count(num_unused(vocabulary, figures.usage), "piece")),
            ("words", f"{figures.words:,}, {figures.distinct_words:,} of them distinct"),
            (
                "coverage",
                f"{_share(figures.whole_words, figures.words)} of the words are one piece",
            ),
            ("pieces a word", _ratio(figures.pieces, figures.known_words)),
            ("[UNK]", f"{_unknown(figures)} of the words"),
            (
                "single characters",
                f"{_share(figures.single_pieces, figures.longer_pieces)} of the pieces of words "
                "of two or more",
            ),
            *_examples(options, vocabulary, figures),
        ]
    )


def describe_extended(
    options: VocabOptions,
    vocabulary: Vocabulary,
    words: Sequence[str],
    num_slots: int,
    before: Figures,
    after: Figures,
) -> str:
    """The report on a vocabulary that was extended.

    Args:
        words: in its slots now.
        num_slots: that there were.
    """
    return _table(
        [
            ("lines", f"{len(vocabulary.tokens):,}, as before"),
            ("filled", f"{len(words):,} of {num_slots:,} [unusedN] lines"),
            ("words", f"{after.words:,}, {after.distinct_words:,} of them distinct"),
            (
                "coverage",
                f"{_share(before.whole_words, before.words)} of the words were one piece, "
                f"{_share(after.whole_words, after.words)} are now",
            ),
            (
                "pieces a word",
                f"{_ratio(before.pieces, before.known_words)} before, "
                f"{_ratio(after.pieces, after.known_words)} now",
            ),
            ("[UNK]", f"{_unknown(before)} of the words before, {_unknown(after)} now"),
            ("new words", "  ".join(words[:12])),
            *_examples(options, vocabulary, after),
        ]
    )


def _examples(
    options: VocabOptions, vocabulary: Vocabulary, figures: Figures
) -> list[tuple[str, str]]:
    longest = options.tokenizer.max_input_chars_per_word

    def shown(examples: Iterable[Example]) -> str:
        return "  ".join(spelled(vocabulary, longest, (word for _, _, word in examples)))

    rows = [("common words", shown(figures.common)), ("rare words", shown(figures.rare))]
    return [(name, text) for name, text in rows if text]


def _table(rows: Iterable[tuple[str, str]]) -> str:
    lines = []
    for name, text in rows:
        # Two blanks stand between words, and lines break there; one between the pieces of a word.
        kept_together = "  ".join(word.replace(" ", "\xa0") for word in text.split("  "))
        wrapped = textwrap.wrap(
            kept_together, _WIDTH - _COLUMN, break_long_words=False, break_on_hyphens=False
        )
        lines += [f"{name:<{_COLUMN}}{wrapped[0]}"]
        lines += [" " * _COLUMN + line for line in wrapped[1:]]
    return "\n".join(lines).replace("\xa0", " ")


def _unknown(figures: Figures) -> str:
    return _share(figures.words - figures.known_words, figures.words)


def _share(part: int, whole: int) -> str:
    return f"{part / max(1, whole):.2%}"


def _ratio(part: int, whole: int) -> str:
    return f"{part / max(1, whole):.3f}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
