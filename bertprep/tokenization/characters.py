"""Python's `unicodedata` -> the tables of characters that the tokenizer kernel reads.

A page is 256 characters and takes 0.8 ms to make, so pages are made when a text first
needs them: two or three for English, a hundred for Chinese. 4.6 KB a page.
"""

from unicodedata import combining

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
from bertprep.tokenization.properties import (
    is_dropped,
    is_ideograph,
    is_punctuation,
    is_space,
    map_characters,
)

_PAGES = 0x110000 >> 8
_MAPPED_BYTES = 16
_CAPITAL_SIGMA = "\u03a3"


class CharacterTable:
    """What each character is to the tokenizer and what it is mapped to.

    Attributes:
        arrays: int16[4352], uint8[n, 256], uint8[n, 256], uint64[n, 256, 2]. The row of each page
            (-1: not made yet), then by row the classes, the sizes of the mapped characters
            in bytes, their UTF-8. New arrays take their place when pages are added.
    """

    def __init__(self, options: TokenizerOptions) -> None:
        self._lowercase = options.lowercase
        self._strip_accents = bool(options.strip_accents)
        self._num_pages = 0
        self._row_of = np.full(_PAGES, -1, np.int16)
        self._classes = np.zeros((4, 256), np.uint8)
        self._sizes = np.zeros((4, 256), np.uint8)
        self._mapped = np.zeros((4, 256, 2), np.uint64)
        self.load(0)  # The kernel takes ASCII from the first row.

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        return self._row_of, self._classes, self._sizes, self._mapped

    def load(self, page: int) -> None:
        """Adds the characters from `256 * page` on, if they are not there."""
        if self._row_of[page] >= 0:
            return
        row = self._num_pages
        if row == len(self._classes):
            self._classes, self._sizes, self._mapped = (
                np.concatenate([table, np.zeros_like(table)])
                for table in (self._classes, self._sizes, self._mapped)
            )
        cells = self._mapped[row].view(np.uint8)
        for cell in range(256):
            code_point = 256 * page + cell
            if 0xD800 <= code_point <= 0xDFFF:
                continue  # Surrogates, which UTF-8 does not have.
            kind, mapped = self._describe(chr(code_point))
            self._classes[row, cell] = kind
            self._sizes[row, cell] = len(mapped)
            cells[cell, : len(mapped)] = np.frombuffer(mapped, np.uint8)
        self._num_pages += 1
        self._row_of[page] = row

    def _describe(self, character: str) -> tuple[int, bytes]:
        """The class, with its flag, and the UTF-8 of what the character becomes."""
        flag = STRIPPED if character.isspace() else 0
        if is_dropped(character):
            return DROPPED | flag, b""
        # `str.split()` parts at U+2028 and U+2029 too.
        if is_space(character) or character.isspace():
            return SPACE | flag, b""
        mapped = map_characters(character, self._lowercase, self._strip_accents)
        encoded = mapped.encode()
        if self._depends_on_context(character, mapped):
            return CONTEXTUAL, b""
        if is_ideograph(character):
            return IDEOGRAPH, encoded
        if len(mapped) == 1 and is_punctuation(mapped):
            return PUNCTUATION, encoded
        return LETTER, encoded

    def _depends_on_context(self, character: str, mapped: str) -> bool:
        """Cannot be mapped alone, or its mapping is not one letter run that a page has room for."""
        if self._lowercase and character == _CAPITAL_SIGMA:
            return True  # Final or not: that is for the letters around it to say.
        if self._strip_accents and any(map(combining, mapped)):
            return True  # NFD may change places with its neighbours.
        if len(mapped) > 1 and any(map(is_punctuation, mapped)):
            return True
        if any(map(str.isspace, mapped)):
            return True
        # The kernel's buffer has room for one token a byte of text.
        return len(mapped.encode()) > _MAPPED_BYTES or len(mapped) > len(character.encode())
