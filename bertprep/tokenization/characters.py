"""Classes of characters in BERT's tokenizer, lower-casing, and a table of both for the kernels.

Properties are those of Python's `unicodedata`. Source: tokenization.py of google-research/bert.
"""

from unicodedata import category, combining, name, normalize

import numpy as np

from bertprep.kernels.characters import (
    CONTEXTUAL,
    DROPPED,
    IDEOGRAPH,
    LETTER,
    PUNCTUATION,
    SPACE,
    STRIPPED,
)
from bertprep.options import TokenizerOptions

#: CJK Unified Ideographs, its extensions A to E, and the two compatibility blocks; inclusive.
IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)

#: Scripts in which stripping accents removes parts of letters: vowels, voiced kana, syllables, й.
#: By the first word of Unicode's character names.
_MARKED_SCRIPTS = {
    word: word.capitalize()
    for word in (
        *("HANGUL", "HIRAGANA", "KATAKANA", "DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI"),
        *("ORIYA", "TAMIL", "TELUGU", "KANNADA", "MALAYALAM", "SINHALA", "THAI", "LAO", "TIBETAN"),
        *("MYANMAR", "KHMER", "CYRILLIC"),
    )
}
#: Share of letters that lose parts from which on it is reported.
LOST_MARKS_SHARE = 0.005

_PAGES = 0x110000 >> 8
_MAPPED_BYTES = 16
_CAPITAL_SIGMA = "\u03a3"


def is_space(character: str) -> bool:
    """Return whether the character only separates words."""
    return character in "\t\n\r" or category(character) == "Zs"


def is_dropped(character: str) -> bool:
    """Return whether the character is removed first; private-use characters are not."""
    if character in "\0\ufffd":
        return True
    return category(character) in ("Cc", "Cf") and not is_space(character)


def is_ideograph(character: str) -> bool:
    """Return whether the character is an ideograph, a word of its own; not kana or hangul."""
    return any(first <= ord(character) <= last for first, last in IDEOGRAPHS)


def is_punctuation(character: str) -> bool:
    """Return whether the character is a word of its own: punctuation, and ASCII symbols ($, +)."""
    if character.isascii():
        return character.isprintable() and not character.isalnum() and character != " "
    return category(character).startswith("P")


def map_characters(text: str, lowercase: bool, strip_accents: bool) -> str:
    """Lower-case a chunk as a whole, and remove its combining marks."""
    if lowercase:
        text = text.lower()
    if strip_accents:
        text = "".join(c for c in normalize("NFD", text) if category(c) != "Mn")
    return text


def marked_script(character: str) -> str | None:
    """Return which of _MARKED_SCRIPTS a letter or mark belongs to, if any."""
    if character.isascii() or category(character)[0] not in "LM":
        return None
    return _MARKED_SCRIPTS.get(name(character, "").partition(" ")[0])


def loses_marks(text: str) -> bool:
    """Return whether stripping accents changes a text."""
    return map_characters(text, lowercase=False, strip_accents=True) != text


class CharacterTable:
    """Class of each character and the UTF-8 that it is mapped to, in pages of 256 characters.

    A page takes 0.8 ms to make and 4.6 KB, so that pages are made when a text first needs them: two
    or three for English, a hundred for Chinese. Rows that are not used yet take no memory.

    Attributes:
        arrays: int16[4352], uint8[4352, 256], uint8[4352, 256], uint64[4352, 256, 2]. The row of
            each page (-1: not made yet); per row, the classes, the sizes of the mapped characters
            in bytes, their UTF-8.
    """

    def __init__(self, options: TokenizerOptions) -> None:
        self._lowercase = options.lowercase
        self._strip_accents = bool(options.strip_accents)
        self._splits_ideographs = options.tokenize_chinese_chars
        self._num_pages = 0
        self.arrays = (
            np.full(_PAGES, -1, np.int16),
            np.zeros((_PAGES, 256), np.uint8),
            np.zeros((_PAGES, 256), np.uint8),
            np.zeros((_PAGES, 256, _MAPPED_BYTES // 8), np.uint64),
        )
        self.load(0)  # the kernel takes ASCII from the first row

    def load(self, page: int) -> None:
        """Add the characters from `256 * page` on, unless they are there."""
        row_of, classes, sizes, texts = self.arrays
        if row_of[page] >= 0:
            return
        row = self._num_pages
        cells = texts[row].view(np.uint8)
        for cell in range(256):
            code_point = 256 * page + cell
            if 0xD800 <= code_point <= 0xDFFF:
                continue  # surrogates, which UTF-8 does not have
            classes[row, cell], mapped = self._describe(chr(code_point))
            sizes[row, cell] = len(mapped)
            cells[cell, : len(mapped)] = np.frombuffer(mapped, np.uint8)
        self._num_pages += 1
        row_of[page] = row

    def _describe(self, character: str) -> tuple[int, bytes]:
        """Return the class, with its flag, and the UTF-8 of the mapped character."""
        flag = STRIPPED if character.isspace() else 0
        if is_dropped(character):
            return DROPPED | flag, b""
        # `str.split()` splits at U+2028 and U+2029 too.
        if is_space(character) or character.isspace():
            return SPACE | flag, b""
        mapped = map_characters(character, self._lowercase, self._strip_accents)
        encoded = mapped.encode()
        if self._depends_on_context(character, mapped):
            return CONTEXTUAL, b""
        if self._splits_ideographs and is_ideograph(character):
            return IDEOGRAPH, encoded
        if len(mapped) == 1 and is_punctuation(mapped):
            return PUNCTUATION, encoded
        return LETTER, encoded

    def _depends_on_context(self, character: str, mapped: str) -> bool:
        """Return whether a character cannot be mapped alone, or not to one short run of letters."""
        if self._lowercase and character == _CAPITAL_SIGMA:
            return True  # the letters around it decide whether it is final
        if self._strip_accents and any(map(combining, mapped)):
            return True  # NFD may reorder it and its neighbours
        if len(mapped) > 1 and any(map(is_punctuation, mapped)):
            return True
        if any(map(str.isspace, mapped)):
            return True
        # The kernel's buffer has room for one token per byte of text.
        return len(mapped.encode()) > _MAPPED_BYTES or len(mapped) > len(character.encode())
