"""A vocabulary and a sample -> how they do not fit: casing, accents, words that become [UNK]."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from bertprep.create.review.sample import Sample
from bertprep.create.review.text_problems import (
    Evidence,
    Script,
    loses_marks,
    marked_script,
    strip_marks,
)
from bertprep.create.review.unknown_words import UnknownWords, find_unknown_words
from bertprep.options import CreateOptions
from bertprep.terminal import printable
from bertprep.vocab import Vocabulary

#: Shares of tokens or letters from which on something is said.
_MANY_UNKNOWN = 0.01
_MUCH_OF_A_SCRIPT = 0.05
_MANY_CHANGED = 0.005
_FEW_CAPITALS = 0.0005


class Fit:
    """What does not go together; each is one line for a person, or nothing."""

    def __init__(
        self, options: CreateOptions, vocabulary: Vocabulary, sample: Sample, evidence: Evidence
    ) -> None:
        self._options = options.tokenizer
        self._vocabulary = vocabulary
        self._sample = sample
        self._evidence = evidence

    @cached_property
    def unknown(self) -> UnknownWords:
        """The words behind [UNK]."""
        return find_unknown_words(self._sample, self._vocabulary, self._options)

    def casing(self) -> str | None:
        """The vocabulary's casing, the option, and the capitals of the text."""
        capitals, cased = self._evidence.capitals
        warning = self._vocabulary.casing_warning(self._options.lowercase)
        if warning:
            share = capitals / max(1, cased)
            return f"{warning} (Of the letters of the text {share:.1%} are capitals.)"
        if self._options.lowercase or capitals >= _FEW_CAPITALS * cased:
            return None
        # The vocabulary is cased, as the option says, or it has no letters with cases.
        if not self._vocabulary.casing_warning(lowercase=True):
            return None
        return (
            f"{capitals or 'none'} of the {cased:,} letters of the text are capitals, and "
            "the vocabulary is cased: was the text lower-cased before? Use the text as it was, or "
            "an uncased vocabulary"
        )

    def accents(self) -> str | None:
        """Accents are stripped from a script in which they are no accents."""
        if not self._options.strip_accents:
            return None
        letters = max(1, self._evidence.num_letters)
        scripts = [
            script
            for script in self._evidence.scripts()
            if script.letters >= _MUCH_OF_A_SCRIPT * letters
            and script.changed >= _MANY_CHANGED * script.letters
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
        way_out = (
            f"Pass --no-strip-accents: {marked:,} pieces of the vocabulary have them"
            if marked
            else "Pass --no-strip-accents, with a vocabulary that was made so"
        )
        return (
            f"--strip-accents (on with --lowercase) takes marks off that {script.name} needs: "
            f"{self._marks_lost(script)}. {way_out}"
        )

    def _has_jamo(self) -> bool:
        """The vocabulary knows Hangul by the letters that its syllables fall apart into."""
        return any("\u1100" <= c <= "\u11ff" for token in self._vocabulary.tokens for c in token)

    def _marks_lost(self, script: Script) -> str:
        """An example: `がく becomes かく (ja.txt:3)`."""
        word, where = self._evidence.find_word(script.example)
        at = word.index(script.example)
        word = word[max(0, at - 4) : at + 5]
        stripped = strip_marks(word)
        # Letters of Hangul are drawn as the syllable that they are of, unless they stand apart.
        shown = " ".join(stripped) if script.name == "Hangul" else stripped
        return f'"{printable(word)}" becomes "{printable(shown)}" ({where})'

    def many_unknown(self) -> str | None:
        """There are many [UNK]."""
        share = self.share_unknown
        if share <= _MANY_UNKNOWN:
            return None
        words = self.unknown
        such = f", such as {some_counted(words.words)} ({words.where})" if words.words else ""
        lacks = some_counted(words.characters)
        missing = f"; the vocabulary has no {lacks}" if lacks else ""
        return (
            f"{share:.1%} of the tokens are [UNK]{such}{missing}: does the vocabulary fit the "
            "language, and --lowercase its casing?"
        )

    @cached_property
    def share_unknown(self) -> float:
        """Share of the sample's tokens that are [UNK]."""
        unknown = np.count_nonzero(self._sample.documents.token_ids == self._vocabulary.unk_id)
        return unknown / max(1, self._sample.documents.num_tokens)


def some_counted(items: Sequence[tuple[str, int]], most: int = 4) -> str:
    """The first of some counted words: `ᚠᛇᚻ 12x, ᛒᛦᚦ 3x`."""
    return ", ".join(f"{_shown(word)} {count:,}x" for word, count in items[:most])


def _shown(word: str) -> str:
    word = word if len(word) <= 20 else f"{word[:20]}..."
    return printable(word)
