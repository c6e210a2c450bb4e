"""Characters and vocabularies -> the tables that the kernels look them up in.

Cost: milliseconds for 30,000 pieces, and 0.8 ms per page of characters.
"""

from collections.abc import Sequence
from itertools import chain
from unicodedata import category, combining

import numpy as np

from bertprep.data import offsets_of
from bertprep.kernels.characters import (
    CONTEXTUAL,
    DROPPED,
    IDEOGRAPH,
    LETTER,
    PUNCTUATION,
    SPACE,
    STRIPPED,
)
from bertprep.kernels.trie import build_trie
from bertprep.options import TokenizerOptions
from bertprep.tokenization.properties import (
    is_dropped,
    is_ideograph,
    is_punctuation,
    is_space,
    map_characters,
)
from bertprep.vocab import Vocabulary

Lookup = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]

_PAGES = 0x110000 >> 8
_MAPPED_BYTES = 16
_CAPITAL_SIGMA = "\u03a3"
_MEMO_ROWS = 1 << 17


class CharacterTable:
    """Class of each character and the UTF-8 that it is mapped to, in pages of 256 characters.

    A page takes 0.8 ms to make and 4.6 KB, so that pages are made when a text first needs them: two
    or three for English, a hundred for Chinese.
    """

    def __init__(self, options: TokenizerOptions) -> None:
        self._lowercase = options.lowercase
        self._strip_accents = bool(options.strip_accents)
        self._num_pages = 0
        self._row_of = np.full(_PAGES, -1, np.int16)
        self._classes = np.zeros((4, 256), np.uint8)
        self._sizes = np.zeros((4, 256), np.uint8)
        self._mapped = np.zeros((4, 256, 2), np.uint64)
        self.load(0)  # the kernel takes ASCII from the first row

    @property
    def arrays(self) -> Lookup:
        """int16[4352], uint8[n, 256], uint8[n, 256], uint64[n, 256, 2].

        The row of each page (-1: not made yet); per row, the classes, the sizes of the mapped
        characters in bytes, their UTF-8. Adding pages may replace the arrays.
        """
        return self._row_of, self._classes, self._sizes, self._mapped

    def load(self, page: int) -> None:
        """Add the characters from `256 * page` on, unless they are there."""
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
                continue  # surrogates, which UTF-8 does not have
            kind, mapped = self._describe(chr(code_point))
            self._classes[row, cell] = kind
            self._sizes[row, cell] = len(mapped)
            cells[cell, : len(mapped)] = np.frombuffer(mapped, np.uint8)
        self._num_pages += 1
        self._row_of[page] = row

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
        if is_ideograph(character):
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


def make_trie(vocabulary: Vocabulary, longest_word: int) -> Lookup:
    """Return the trie of the pieces; see `wordpiece.tokenize`."""
    # "##" comes first, so that its node is 2 even if it is no piece: nodes count from the root.
    keys, values, accepts = _fill_trie([b"##", *(token.encode() for token in vocabulary.tokens)])
    accepts[accepts >= 0] -= 1
    return keys, values, accepts, np.array([vocabulary.unk_id, 2, longest_word], np.int64)


def make_kept(tokens: Sequence[str], vocabulary: Vocabulary) -> Lookup:
    """Return the trie of the tokens that are never split; see `never_split.match_kept`."""
    keys, values, ids = _fill_trie([token.encode() for token in tokens])
    ids[ids >= 0] = [vocabulary.ids[tokens[number]] for number in ids[ids >= 0]]
    begins = np.zeros(256, np.bool_)
    begins[[token.encode()[0] for token in tokens]] = True
    # A character that is dropped may precede one; beyond 16 bits every character counts as such.
    for character in map(chr, chain(range(0xD800), range(0xE000, 0x10000))):
        if is_dropped(character) or category(character) == "Mn":
            begins[character.encode()[0]] = True
    begins[0xF0:] = True
    return begins, keys, values, ids


def make_memo() -> np.ndarray:
    """uint64[2**n, 8]. Return an empty memo: keys of zero bytes, which have no tokens."""
    memo = np.empty((_MEMO_ROWS, 8), np.uint64)
    memo[:, :4] = 0
    memo[:, 4:] = ~np.uint64(0)
    return memo


def to_offsets(ends: np.ndarray) -> np.ndarray:
    """int64[n + 1]. Return the ends with the first start, 0, before them."""
    offsets = np.zeros(ends.size + 1, np.int64)
    offsets[1:] = ends
    return offsets


def _fill_trie(pieces: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return keys and values of the edges, and the number of the piece that ends at each node."""
    offsets = offsets_of(np.array([len(piece) for piece in pieces], np.int64))
    num_bytes = int(offsets[-1])
    # At most half full, or the search for a free slot takes long.
    slots = 1 << (2 * num_bytes).bit_length()
    keys, values = np.zeros(slots, np.int64), np.zeros(slots, np.int32)
    accepts = np.full(num_bytes + 1, -1, np.int32)
    build_trie(np.frombuffer(b"".join(pieces), np.uint8), offsets, keys, values, accepts)
    return keys, values, accepts
