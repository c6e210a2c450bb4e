"""A sample and a vocabulary -> whether casing, accents and words of the text match its pieces.

The words that become [UNK] are found with the plain tokenizer classes, in some of the lines that
have an [UNK]: 0.1 s at most.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bertprep.create.review.sample import Sample, SampledBlock
from bertprep.create.review.text_problems import (
    SampleText,
    Script,
    loses_marks,
    marked_script,
    strip_marks,
)
from bertprep.options import TokenizerOptions
from bertprep.terminal import printable
from bertprep.tokenization import BasicTokenizer, WordpieceTokenizer
from bertprep.vocab import Vocabulary

#: A script with a smaller share of the letters is not reported.
_MIN_SCRIPT_SHARE = 0.05
#: Text with a smaller share of uppercase letters was probably lowercased.
_MIN_CAPITALS_SHARE = 0.0005
#: Characters of lines that are searched for unknown words.
_MAX_CHARACTERS = 50_000
_UNKNOWN = ["[UNK]"]


@dataclass(frozen=True)
class UnknownWords:
    """Words that become [UNK].

    Attributes:
        words: words with their counts in the lines that were searched, most frequent first.
        characters: characters of these words that no piece has, likewise.
        where: file and line of the most frequent word.
    """

    words: list[tuple[str, int]]
    characters: list[tuple[str, int]]
    where: str


class VocabularyFit:
    """Compares a sample with a vocabulary."""

    def __init__(
        self, sample: Sample, text: SampleText, vocabulary: Vocabulary, options: TokenizerOptions
    ) -> None:
        self._sample = sample
        self._text = text
        self._vocabulary = vocabulary
        self._options = options

    def casing(self) -> str | None:
        """Warn if the casing of the vocabulary, the options and the text differ."""
        capitals, cased = self._text.capitals
        warning = self._vocabulary.casing_warning(self._options.lowercase)
        if warning:
            share = capitals / max(1, cased)
            return f"{warning} ({share:.1%} of the letters of the text are uppercase.)"
        if self._options.lowercase or capitals >= _MIN_CAPITALS_SHARE * cased:
            return None
        # The vocabulary is cased, as the option says, or it has no letters with two cases.
        if not self._vocabulary.casing_warning(lowercase=True):
            return None
        return (
            f"the vocabulary is cased, but {capitals or 'none'} of the {cased:,} letters of the "
            "text are uppercase. If the text was lowercased, use the original text or an uncased "
            "vocabulary"
        )

    def accents(self, min_share: float) -> str | None:
        """Warn if accents are stripped from a script in which they are parts of letters.

        Args:
            min_share: share of a script's letters that must change.
        """
        if not self._options.strip_accents:
            return None
        letters = max(1, self._text.num_letters)
        scripts = [
            script
            for script in self._text.scripts
            if script.letters >= _MIN_SCRIPT_SHARE * letters
            and script.changed >= min_share * script.letters
        ]
        if not scripts:
            return None
        script = max(scripts, key=lambda script: script.letters)
        marked = sum(
            loses_marks(token) and any(marked_script(c) == script.name for c in token)
            for token in self._vocabulary.tokens
        )
        if script.name == "Hangul" and not marked and self._has_jamo():
            return None
        advice = (
            f"Pass --no-strip-accents: {marked:,} pieces of the vocabulary have such marks"
            if marked
            else "Pass --no-strip-accents, and a vocabulary that was trained with it"
        )
        return (
            f"--strip-accents (implied by --lowercase) removes marks that {script.name} needs: "
            f"{self._stripped_example(script)}. {advice}"
        )

    def _has_jamo(self) -> bool:
        """Return whether the vocabulary has the letters that Hangul syllables decompose into."""
        return any("\u1100" <= c <= "\u11ff" for token in self._vocabulary.tokens for c in token)

    def _stripped_example(self, script: Script) -> str:
        """Return an example: `"がく" becomes "かく" (ja.txt:3)`."""
        word, where = self._text.find_word(script.example)
        at = word.index(script.example)
        word = word[max(0, at - 4) : at + 5]
        stripped = strip_marks(word)
        # Fonts draw adjacent letters of Hangul as a syllable, so they are shown with spaces.
        shown = " ".join(stripped) if script.name == "Hangul" else stripped
        return f'"{printable(word)}" becomes "{printable(shown)}" ({where})'

    def unknown(self, min_share: float) -> str | None:
        """Warn of many [UNK].

        Args:
            min_share: share of the tokens from which on they are reported.
        """
        share = self.unknown_share
        if share <= min_share:
            return None
        words = self.unknown_words
        examples = f", such as {with_counts(words.words)} ({words.where})" if words.words else ""
        characters = with_counts(words.characters)
        missing = f"; the vocabulary lacks {characters}" if characters else ""
        return f"{share:.1%} of the tokens are [UNK]{examples}{missing}: {UNKNOWN_ADVICE}"

    @cached_property
    def unknown_share(self) -> float:
        """Share of the sample's tokens that are [UNK]."""
        unknown = np.count_nonzero(self._sample.documents.token_ids == self._vocabulary.unk_id)
        return unknown / max(1, self._sample.documents.num_tokens)

    @cached_property
    def unknown_words(self) -> UnknownWords:
        """The words of the sample that become [UNK]."""
        words: Counter[str] = Counter()
        first: dict[str, tuple[SampledBlock, int]] = {}
        for sampled, number, word in self._find_unknown():
            words[word] += 1
            first.setdefault(word, (sampled, number))
        known = set("".join(self._vocabulary.tokens))
        characters: Counter[str] = Counter()
        for word, count in words.items():
            characters.update({c: count for c in word if c not in known})
        ranked = words.most_common()
        where = ""
        if ranked:
            sampled, number = first[ranked[0][0]]
            where = sampled.where(number)
        return UnknownWords(ranked, characters.most_common(), where)

    def _find_unknown(self) -> list[tuple[SampledBlock, int, str]]:
        options = self._options
        basic = BasicTokenizer(
            options.lowercase, options.strip_accents, never_split=options.never_split
        )
        wordpiece = WordpieceTokenizer(
            self._vocabulary.ids, max_input_chars_per_word=options.max_input_chars_per_word
        )
        found = []
        limit = _MAX_CHARACTERS // max(1, len(self._sample.blocks))
        for sampled in self._sample.blocks:
            searched = 0
            for number in _lines_with(sampled, self._vocabulary.unk_id):
                # As in the tokenizer, which drops U+FFFD.
                line = re.sub("[\ud800-\udfff]", "\ufffd", sampled.lines[number])
                searched += len(line)
                found += [
                    (sampled, number, word)
                    for word in basic.tokenize(line)
                    if wordpiece.tokenize(word) == _UNKNOWN
                ]
                if searched > limit:
                    break
        return found


UNKNOWN_ADVICE = "does the vocabulary match the language, and --lowercase its casing?"


def _lines_with(sampled: SampledBlock, unknown_id: int) -> list[int]:
    """Return the lines that have an [UNK], or all lines if those of sentences are not known."""
    documents = sampled.documents
    unknown = np.flatnonzero(documents.token_ids == unknown_id)
    if not len(unknown):
        return []
    if not len(sampled.sentence_lines):
        return list(range(len(sampled.lines)))
    sentences = np.searchsorted(documents.sentence_offsets, unknown, side="right") - 1
    lines: list[int] = np.unique(sampled.sentence_lines[sentences]).tolist()
    return lines


def with_counts(items: Sequence[tuple[str, int]], most: int = 4) -> str:
    """Return the first of some counted words as text: `ᚠᛇᚻ 12x, ᛒᛦᚦ 3x`."""
    return ", ".join(f"{_shortened(word)} {count:,}x" for word, count in items[:most])


def _shortened(word: str) -> str:
    return printable(word if len(word) <= 20 else f"{word[:20]}...")
