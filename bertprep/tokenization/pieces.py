"""A vocabulary -> the trie that the kernels find its pieces with; 10 ms for 30,000 pieces."""

import numpy as np

from bertprep.kernels import trie
from bertprep.vocab import Vocabulary

Trie = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def make_trie(vocabulary: Vocabulary, longest_word: int) -> Trie:
    """What `kernels.trie.match_pieces` takes.

    Args:
        vocabulary: the pieces.
        longest_word: most characters of a word that is no [UNK].

    Raises:
        UsageError: the vocabulary has no [UNK].
    """
    # "##" goes first, so that its node is 2 even where it is no piece: nodes count from the root.
    pieces = [b"##", *(token.encode() for token in vocabulary.tokens)]
    offsets = np.zeros(len(pieces) + 1, np.int64)
    np.cumsum([len(piece) for piece in pieces], out=offsets[1:])
    num_bytes = int(offsets[-1])
    # At most half full, or the search for a free slot gets long.
    slots = 1 << (2 * num_bytes).bit_length()
    keys, values = np.zeros(slots, np.int64), np.zeros(slots, np.int32)
    accepts = np.full(num_bytes + 1, -1, np.int32)
    data = np.frombuffer(b"".join(pieces), np.uint8)
    trie.build_trie(data, offsets, keys, values, accepts)
    accepts[accepts >= 0] -= 1
    return keys, values, accepts, np.array([vocabulary.unk_id, 2, longest_word], np.int64)
