"""A vocabulary and the tokenizer's options -> the pieces that no text becomes, by cause.

A piece is reachable if the tokenizer makes it from its own text; a `##` piece, from its text after
a letter. Pieces with the marks of another tokenizer (`▁`, `Ġ`, `@@`) are not: text lacks these
marks. Only characters are examined, each one once: 30,000 pieces take 30 ms.

    unreachable_warning(vocabulary, TokenizerOptions())
"""

import re
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

from bertprep.options import TokenizerOptions
from bertprep.terminal import printable
from bertprep.tokenization.characters import (
    is_dropped,
    is_ideograph,
    is_punctuation,
    is_space,
    map_characters,
)
from bertprep.vocab import Vocabulary, is_reserved

_ANOTHER = "Pass a BERT vocab.txt, or train one with `bertprep vocab`"


class Cause(NamedTuple):
    """Why pieces are unreachable.

    Attributes:
        limit: share of the pieces from which on they are reported.
        what: follows their number.
        advice: what to do.
    """

    limit: float
    what: str
    advice: str


#: By name. A piece has the first that applies; the first one over its limit is reported.
CAUSES = {
    "score": Cause(
        0.01,
        "have a tab in them, and a count or a score after it",
        "Keep what is before the tab (cut -f1); if the pieces begin with ▁, they are "
        "SentencePiece's: train a vocabulary with `bertprep vocab`",
    ),
    "sentencepiece": Cause(0.05, "begin with ▁, the mark of SentencePiece", _ANOTHER),
    "byte-level": Cause(0.1, "begin with Ġ, the mark of byte-level BPE (GPT-2)", _ANOTHER),
    "bpe": Cause(0.05, "end in @@ or </w>, the marks of BPE", _ANOTHER),
    "capital": Cause(0.05, "have capitals, and text is lower-cased", "Pass --no-lowercase"),
    "blank": Cause(0.01, "have a blank in them, where text is split", "Write one word per line"),
    "dropped": Cause(0.01, "have a character that is dropped from text", _ANOTHER),
    "accent": Cause(
        0.01,
        "have accents, which are stripped from text (--strip-accents, implied by --lowercase)",
        "If the model has accents, pass --no-strip-accents",
    ),
    "ideographs": Cause(
        0.01,
        "are words with ideographs, and text is split at each ideograph",
        "If the model has such words, pass --no-tokenize-chinese-chars",
    ),
    # The published Chinese vocabulary has one for every ideograph.
    "inner ideograph": Cause(1.1, "are ideographs that continue a word", ""),
    "punctuation": Cause(
        0.05,
        "have punctuation in them, where text is split",
        "Pass --never-split for those that must stay whole",
    ),
    "long": Cause(
        0.01,
        "are longer than --max-input-chars-per-word",
        "Pass a larger --max-input-chars-per-word",
    ),
}
_MARKS = {
    "score": re.compile(r"[^\t]+\t"),
    "sentencepiece": re.compile("▁"),
    "byte-level": re.compile("Ġ"),
    "bpe": re.compile(r"(?s)(?!##).+(@@|</w>)$"),
}


def find_unreachable(vocabulary: Vocabulary, options: TokenizerOptions) -> dict[str, str]:
    """Return the unreachable pieces with the names of their causes."""
    kinds = {c: _kind(c, options) for c in set("".join(vocabulary.ids))}
    odd = {c for c, kind in kinds.items() if kind} | {"▁", "Ġ", "@", ">"}
    longest = options.max_input_chars_per_word
    found = {}
    for piece in vocabulary.ids:
        if odd.isdisjoint(piece.removeprefix("##")) and len(piece) <= longest:
            continue
        if not piece or is_reserved(piece) or piece in options.never_split:
            continue
        cause = _cause(piece, kinds, longest)
        if cause:
            found[piece] = cause
    return found


def _kind(character: str, options: TokenizerOptions) -> str:
    """Return the name of what happens to a character in a word; empty for a letter that stays."""
    if character.isspace() or is_space(character):
        return "blank"
    if is_dropped(character):
        return "dropped"
    if options.lowercase and character.lower() != character:
        return "capital"
    if map_characters(character, False, bool(options.strip_accents)) != character:
        return "accent"
    if is_ideograph(character) and options.tokenize_chinese_chars:
        return "ideographs"
    return "punctuation" if is_punctuation(character) else ""


def _cause(piece: str, kinds: dict[str, str], longest: int) -> str:
    for name, pattern in _MARKS.items():
        if pattern.match(piece):
            return name
    continues = piece.startswith("##") and piece != "##"
    text = piece[2:] if continues else piece
    present = {kinds[c] for c in text}
    if len(text) == 1 and not continues:
        present -= {"ideographs", "punctuation"}
    elif present == {"ideographs"} and len(text) == 1:
        return "inner ideograph"
    if len(text) + continues > longest:
        present.add("long")
    return next((name for name in CAUSES if name in present), "")


@lru_cache(1)  # several checks of one review ask
def unreachable_warning(vocabulary: Vocabulary, options: TokenizerOptions) -> str | None:
    """Return a warning if too many pieces are unreachable for one reason, else None."""
    unreachable = find_unreachable(vocabulary, options)
    counts = Counter(unreachable.values())
    num_ordinary = sum(not is_reserved(piece) for piece in vocabulary.ids)
    for name, cause in CAUSES.items():
        if counts[name] and counts[name] >= cause.limit * num_ordinary:
            if name == "capital":
                return vocabulary.casing_warning(lowercase=True)
            example = next(piece for piece, found in unreachable.items() if found == name)
            return (
                f"{counts[name]:,} pieces of the vocabulary ({counts[name] / num_ordinary:.1%}) "
                f"{cause.what}, so no text becomes one, such as {printable(example)}. "
                f"{cause.advice}"
            )
    return None
