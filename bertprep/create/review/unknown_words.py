"""The words that become [UNK] in a sample, told by the plain classes.

Only lines with an [UNK] are gone through, and not all of them: 0.1 s at most.
"""

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np

from bertprep.create.review.sample import Sample, SampledBlock
from bertprep.options import TokenizerOptions
from bertprep.tokenization import BasicTokenizer, WordpieceTokenizer
from bertprep.vocab import Vocabulary

_MOST_CHARACTERS = 50_000
_UNKNOWN = ["[UNK]"]


@dataclass(frozen=True)
class UnknownWords:
    """The words behind [UNK].

    Attributes:
        words: the most frequent first, with their number in the lines that were gone through.
        characters: those of them that no piece of the vocabulary has, likewise.
        where: file and line of one of the most frequent word.
    """

    words: list[tuple[str, int]]
    characters: list[tuple[str, int]]
    where: str


def find_unknown_words(
    sample: Sample, vocabulary: Vocabulary, options: TokenizerOptions
) -> UnknownWords:
    """The words of the sample that the vocabulary has no pieces for."""
    basic = BasicTokenizer(
        options.lowercase, options.strip_accents, never_split=options.never_split
    )
    pieces = WordpieceTokenizer(
        vocabulary.ids, max_input_chars_per_word=options.max_input_chars_per_word
    )
    words: Counter[str] = Counter()
    first: dict[str, tuple[SampledBlock, int]] = {}
    most = _MOST_CHARACTERS // max(1, len(sample.blocks))
    for sampled in sample.blocks:
        seen = 0
        for number in _lines_with(sampled, vocabulary.unk_id):
            # As the tokenizer sees it, which drops U+FFFD.
            line = re.sub("[\ud800-\udfff]", "\ufffd", sampled.lines[number])
            seen += len(line)
            for word in basic.tokenize(line):
                if pieces.tokenize(word) == _UNKNOWN:
                    words[word] += 1
                    first.setdefault(word, (sampled, number))
            if seen > most:
                break
    known = set("".join(vocabulary.tokens))
    characters: Counter[str] = Counter()
    for word, count in words.items():
        for character in set(word) - known:
            characters[character] += count
    common = words.most_common(1)
    where = ""
    if common:
        sampled, number = first[common[0][0]]
        where = sampled.where(number)
    return UnknownWords(words.most_common(), characters.most_common(), where)


def _lines_with(sampled: SampledBlock, unknown_id: int) -> list[int]:
    """The lines that have an [UNK], or all of them where sentences are no lines."""
    documents = sampled.documents
    unknown = np.flatnonzero(documents.token_ids == unknown_id)
    if not len(unknown):
        return []
    if not len(sampled.sentence_lines):
        return list(range(len(sampled.lines)))
    sentences = np.searchsorted(documents.sentence_offsets, unknown, side="right") - 1
    lines: list[int] = np.unique(sampled.sentence_lines[sentences]).tolist()
    return lines
