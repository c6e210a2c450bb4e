"""A sample and a vocabulary -> whether casing, accents and words of the text match its pieces.

The words that become [UNK] are found with the plain tokenizer classes, in some of the lines that
have an [UNK]: 0.1 s at most.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from unicodedata import category

import numpy as np

from bertprep.create.review.sample import SampledBlock
from bertprep.create.review.text_problems import Evidence
from bertprep.create.worker import tools_of
from bertprep.terminal import printable
from bertprep.tokenization import BasicTokenizer, WordpieceTokenizer
from bertprep.tokenization.characters import (
    LOST_MARKS_SHARE,
    loses_marks,
    map_characters,
    marked_script,
)
from bertprep.tokenization.unreachable import unreachable_warning

#: A script with a smaller share of the letters is not reported.
_MIN_SCRIPT_SHARE = 0.05
#: Text with a smaller share of uppercase letters was probably lowercased.
_MIN_CAPITALS_SHARE = 0.0005
#: Characters of lines that are searched for unknown words.
_MAX_CHARACTERS = 50_000
_UNKNOWN = ["[UNK]"]


def find_unreachable(evidence: Evidence, _: float) -> str | None:
    """Find many pieces that no text becomes, unless it is for the reason of another finding."""
    vocabulary, tokenizer = tools_of(evidence.job).vocabulary, evidence.job.options.tokenizer
    warning = unreachable_warning(vocabulary, tokenizer)
    if warning == vocabulary.casing_warning(tokenizer.lowercase):
        return None
    if warning and "--strip-accents" in warning and find_lost_marks(evidence, LOST_MARKS_SHARE):
        return None
    return warning


def find_casing(evidence: Evidence, _: float) -> str | None:
    """Find a difference in casing between the vocabulary, the options and the text."""
    vocabulary = tools_of(evidence.job).vocabulary
    lowercase = evidence.job.options.tokenizer.lowercase
    capitals, cased = evidence.capitals
    warning = vocabulary.casing_warning(lowercase)
    if warning and not find_unreachable(evidence, 0):
        share = capitals / max(1, cased)
        return f"{warning} ({share:.1%} of the letters of the text are uppercase.)"
    if lowercase or capitals >= _MIN_CAPITALS_SHARE * cased:
        return None
    # The vocabulary is cased, as the option says, or it has no letters with two cases.
    if not vocabulary.casing_warning(lowercase=True):
        return None
    return (
        f"the vocabulary is cased, but {capitals or 'none'} of the {cased:,} letters of the text "
        "are uppercase. If the text was lowercased, use the original text or an uncased vocabulary"
    )


def find_lost_marks(evidence: Evidence, limit: float) -> str | None:
    """Find a script whose letters lose parts when accents are stripped.

    Args:
        limit: share of the script's letters that change.
    """
    if not evidence.job.options.tokenizer.strip_accents:
        return None
    letters = {c: n for c, n in evidence.characters.items() if category(c)[0] in "LM"}
    scripts: dict[str, dict[str, int]] = defaultdict(dict)
    for character, count in letters.items():
        if script := marked_script(character):
            scripts[script][character] = count
    sizes: dict[str, int] = {}
    changed: dict[str, dict[str, int]] = {}
    for script, characters in scripts.items():
        size = sum(characters.values())
        losing = {c: n for c, n in characters.items() if loses_marks(c)}
        is_frequent = size >= _MIN_SCRIPT_SHARE * max(1, sum(letters.values()))
        if is_frequent and sum(losing.values()) >= limit * size:
            sizes[script], changed[script] = size, losing
    if not sizes:
        return None
    script = max(sizes, key=lambda script: sizes[script])
    tokens = tools_of(evidence.job).vocabulary.tokens
    marked = sum(
        loses_marks(token) and any(marked_script(c) == script for c in token) for token in tokens
    )
    # A vocabulary of the letters that Hangul syllables decompose into loses nothing.
    has_jamo = any("\u1100" <= c <= "\u11ff" for token in tokens for c in token)
    if script == "Hangul" and not marked and has_jamo:
        return None
    advice = (
        f"Pass --no-strip-accents: {marked:,} pieces of the vocabulary have such marks"
        if marked
        else "Pass --no-strip-accents, and a vocabulary that was trained with it"
    )
    example = max(changed[script], key=lambda c: changed[script][c])
    return (
        f"--strip-accents (implied by --lowercase) removes marks that {script} needs: "
        f"{_stripped_example(evidence, script, example)}. {advice}"
    )


def _strip_marks(text: str) -> str:
    return map_characters(text, lowercase=False, strip_accents=True)


def _stripped_example(evidence: Evidence, script: str, character: str) -> str:
    """Return the first word with a character: `"がく" becomes "かく" (ja.txt:3)`."""
    sampled, number, line = next(found for found in evidence.lines() if character in found[2])
    word = next(word for word in line.split() if character in word)
    at = word.index(character)
    word = word[max(0, at - 4) : at + 5]
    stripped = _strip_marks(word)
    # Fonts draw adjacent letters of Hangul as a syllable, so they are shown with spaces.
    shown = " ".join(stripped) if script == "Hangul" else stripped
    return f'"{printable(word)}" becomes "{printable(shown)}" ({sampled.where(number)})'


def find_unknown(evidence: Evidence, limit: float) -> str | None:
    """Find many [UNK].

    Args:
        limit: share of the tokens.
    """
    share = evidence.counts["unknown_tokens"] / max(1, evidence.counts["tokens"])
    if share <= limit:
        return None
    examples = missing = ""
    if evidence.sample:
        unknown = find_unknown_words(evidence)
        examples = unknown.examples
        missing = with_counts(unknown.characters)
        missing = f"; the vocabulary lacks {missing}" if missing else ""
    return (
        f"{share:.1%} of the tokens are [UNK]{examples}{missing}: does the vocabulary match the "
        "language, and --lowercase its casing?"
    )


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

    @property
    def examples(self) -> str:
        """The most frequent words, to follow a statement; empty if there are none."""
        return f", such as {with_counts(self.words)} ({self.where})" if self.words else ""


@lru_cache(1)
def find_unknown_words(evidence: Evidence) -> UnknownWords:
    """Return the words of the sample that become [UNK]."""
    words: Counter[str] = Counter()
    first: dict[str, tuple[SampledBlock, int]] = {}
    for sampled, number, word in _unknown_words(evidence):
        words[word] += 1
        first.setdefault(word, (sampled, number))
    known = set("".join(tools_of(evidence.job).vocabulary.tokens))
    characters: Counter[str] = Counter()
    for word, count in words.items():
        characters.update({c: count for c in word if c not in known})
    ranked = words.most_common()
    where = ""
    if ranked:
        sampled, number = first[ranked[0][0]]
        where = sampled.where(number)
    return UnknownWords(ranked, characters.most_common(), where)


def _unknown_words(evidence: Evidence) -> Iterator[tuple[SampledBlock, int, str]]:
    """Yield each unknown word with its block and line, from some lines of every block."""
    options, vocabulary = evidence.job.options.tokenizer, tools_of(evidence.job).vocabulary
    basic = BasicTokenizer.of(options)
    wordpiece = WordpieceTokenizer(
        vocabulary.ids, max_input_chars_per_word=options.max_input_chars_per_word
    )
    limit = _MAX_CHARACTERS // max(1, len(evidence.sampled.blocks))
    for sampled in evidence.sampled.blocks:
        searched = 0
        for number in _lines_with(sampled, vocabulary.unk_id):
            # As in the tokenizer, which drops U+FFFD.
            line = re.sub("[\ud800-\udfff]", "\ufffd", sampled.lines[number])
            for word in basic.tokenize(line):
                if wordpiece.tokenize(word) == _UNKNOWN:
                    yield sampled, number, word
            searched += len(line)
            if searched > limit:
                break


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
