"""A vocabulary -> what the tokenizer kernel looks words up in. Milliseconds for 30,000 pieces."""

from collections.abc import Sequence
from itertools import chain
from unicodedata import category

import numpy as np

from bertprep.kernels.trie import build_trie
from bertprep.tokenization.properties import is_dropped
from bertprep.vocab import Vocabulary

Lookup = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]

_MEMO_ROWS = 1 << 17


def to_offsets(ends: np.ndarray) -> np.ndarray:
    """int64[n + 1]. The same with the first start, 0, before them."""
    offsets = np.zeros(ends.size + 1, np.int64)
    offsets[1:] = ends
    return offsets


def make_trie(vocabulary: Vocabulary, longest_word: int) -> Lookup:
    """What the kernel finds pieces with; see `wordpiece.tokenize`."""
    # "##" goes first, so that its node is 2 even where it is no piece: nodes count from the root.
    keys, values, accepts = _fill_trie([b"##", *(token.encode() for token in vocabulary.tokens)])
    accepts[accepts >= 0] -= 1
    return keys, values, accepts, np.array([vocabulary.unk_id, 2, longest_word], np.int64)


def _fill_trie(pieces: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keys and values of the edges, and the number of the piece that ends at each node."""
    offsets = to_offsets(np.cumsum([len(piece) for piece in pieces]))
    num_bytes = int(offsets[-1])
    # At most half full, or the search for a free slot gets long.
    slots = 1 << (2 * num_bytes).bit_length()
    keys, values = np.zeros(slots, np.int64), np.zeros(slots, np.int32)
    accepts = np.full(num_bytes + 1, -1, np.int32)
    build_trie(np.frombuffer(b"".join(pieces), np.uint8), offsets, keys, values, accepts)
    return keys, values, accepts


def make_kept(tokens: Sequence[str], vocabulary: Vocabulary) -> Lookup:
    """What the kernel finds tokens with that are never split; see `marks.match_kept`."""
    keys, values, ids = _fill_trie([token.encode() for token in tokens])
    ids[ids >= 0] = [vocabulary.ids[tokens[number]] for number in ids[ids >= 0]]
    begins = np.zeros(256, np.bool_)
    begins[[token.encode()[0] for token in tokens]] = True
    # What becomes nothing may stand before one. Beyond 16 bits it is not told from its like.
    for character in map(chr, chain(range(0xD800), range(0xE000, 0x10000))):
        if is_dropped(character) or category(character) == "Mn":
            begins[character.encode()[0]] = True
    begins[0xF0:] = True
    return begins, keys, values, ids


def make_memo() -> np.ndarray:
    """uint64[2**n, 8]. An empty memo: keys of zero bytes, which have no tokens."""
    memo = np.empty((_MEMO_ROWS, 8), np.uint64)
    memo[:, :4] = 0
    memo[:, 4:] = ~np.uint64(0)
    return memo
