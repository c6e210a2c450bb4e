"""A trie of the vocabulary, and the greedy longest match in it.

All edges are in one open-addressed hash table, so that a vocabulary of 30,000 pieces is built in
milliseconds and a step is one lookup. Source: WordpieceTokenizer of google-research/bert.
"""

import numpy as np

from bertprep.kernels.characters import num_characters
from bertprep.kernels.jit import njit

#: Bit of a token that continues the word before it; the other bits are its id.
CONTINUES = np.uint32(1 << 31)
_CONTINUES = 1 << 31
_ID = np.uint32((1 << 31) - 1)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@njit(allocates=False)
def build_trie(piece_bytes, piece_offsets, keys, values, accepts):
    """Fill a trie of the vocabulary's pieces; return the number of its nodes.

    Args:
        piece_bytes, piece_offsets: the pieces' UTF-8, concatenated; int64[V + 1].
        keys: int64[2**n], zero. (node * 256 + byte + 1) of each edge.
        values: int32[2**n]. The node that the edge leads to.
        accepts: int32[max nodes], -1. The piece that ends at each node.
    """
    mask = keys.size - 1
    num_nodes = 1
    for piece in range(piece_offsets.size - 1):
        node = 0
        for i in range(piece_offsets[piece], piece_offsets[piece + 1]):
            key = node * 256 + np.int64(piece_bytes[i]) + 1
            slot = _edge_slot(keys, mask, key)
            if keys[slot] == 0:
                keys[slot] = key
                values[slot] = num_nodes
                num_nodes += 1
            node = values[slot]
        accepts[node] = piece
    return num_nodes


@njit(allocates=False)
def _edge_slot(keys, mask, key):
    slot = np.int64((np.uint64(key) * _SPREAD) >> np.uint64(32)) & mask
    while keys[slot] != 0 and keys[slot] != key:
        slot = (slot + 1) & mask
    return slot


@njit(allocates=False)
def next_node(keys, values, node, byte):
    """Return the node after `byte`, or -1."""
    key = node * 256 + np.int64(byte) + 1
    slot = _edge_slot(keys, keys.size - 1, key)
    return np.int64(values[slot]) if keys[slot] == key else np.int64(-1)


@njit(allocates=False)
def match_pieces(trie, word, size, tokens, start):
    """Match pieces in `word[:size]`, longest first; write tokens from `start`, return their end.

    A word with a part that matches no piece becomes one [UNK].
    """
    keys, values, accepts, limits = trie
    unknown, continued, max_characters = limits[0], limits[1], limits[2]
    at = 0 if num_characters(word, np.int64(0), np.int64(size)) <= max_characters else -1
    end = start
    while 0 <= at < size:
        node = np.int64(0) if at == 0 else continued
        piece, piece_end = -1, -1
        i = at
        while i < size and node >= 0:
            node = next_node(keys, values, node, word[i])
            i += 1
            if node >= 0 and accepts[node] >= 0:
                piece, piece_end = accepts[node], i
        if piece >= 0:
            tokens[end] = np.uint32(piece) | (np.uint32(_CONTINUES) if at else np.uint32(0))
            end += 1
        at = piece_end
    if at < 0:
        tokens[start] = np.uint32(unknown)
        end = start + 1
    return end


@njit(allocates=False)
def split_words(trie, words, offsets, counts, is_single, tokens, sizes, singles, usage):
    """Split counted words into pieces, each word once.

    Args:
        trie: see `trie.match_pieces`.
        words, offsets, counts: see `counting`.
        is_single: bool[V]. Which pieces are single characters.
        tokens: uint32[...]. Scratch, one more than the longest word has bytes.
        sizes: int32[n]. Out: the number of pieces of each word; 0 if it is [UNK].
        singles: int32[n]. Out: the number of them that are single characters.
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
