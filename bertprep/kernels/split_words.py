"""Counted words, as the tokenizer splits them: how many pieces each becomes, and which."""

import numpy as np

from bertprep.kernels.jit import njit
from bertprep.kernels.trie import match_pieces

_ID = np.uint32((1 << 31) - 1)


@njit()
def split_words(trie, words, offsets, counts, is_single, tokens, sizes, singles, usage):
    """Splits each word once.

    Args:
        trie: see `trie.match_pieces`.
        words, offsets, counts: see `counting`.
        is_single: bool[V]. Which pieces are single characters.
        tokens: uint32[...]. Scratch: as many as the longest word has bytes, and one.
        sizes: int32[n]. Out: the pieces of each word; 0 where it is [UNK].
        singles: int32[n]. Out: those of them that are single characters.
        usage: int64[V]. The count of each word is added to those of its pieces.
    """
    unknown = trie[3][0]
    for row in range(counts.size):
        word = words[offsets[row] :]
        end = match_pieces(trie, word, offsets[row + 1] - offsets[row], tokens, 0)
        sizes[row] = singles[row] = 0
        for i in range(end):
            piece = np.int64(tokens[i] & _ID)
            usage[piece] += counts[row]
            if piece != unknown:  # no text spells [UNK]
                sizes[row] += 1
                singles[row] += is_single[piece]
