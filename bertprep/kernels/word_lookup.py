"""Find the end of a word and its row in a memo: the part that tokenizing and counting share.

A word is a run of characters between blanks, punctuation and ideographs. A memo is
`uint64[2**n, 8]`: four machine words of key, which are the bytes of the word, then four of value.
"""

import numpy as np

from bertprep.kernels.characters import (
    CHUNK,
    DONE,
    DROPPED,
    PUNCTUATION,
    class_of,
    decode,
    scan_chunk,
    scan_word,
)
from bertprep.kernels.jit import inlined
from bertprep.kernels.machine import count_trailing_zeros, first_bytes, load64

#: State of a kernel that reads text, between its calls: why it returned (`characters`), the byte
#: where it continues, what it needs (see the reasons), the starts of the line and of the
#: blank-separated chunk it is in; and the limit of characters per line.
SCAN_FIELDS = [
    ("reason", np.int64),
    ("position", np.int64),
    ("detail", np.int64),
    ("line_start", np.int64),
    ("chunk_start", np.int64),
    ("max_line_chars", np.int64),
]

#: The longest word, in bytes, that a memo keeps.
MEMO_BYTES = 32

HASH_A = np.uint64(0x9E3779B97F4A7C15)
HASH_B = np.uint64(0xC2B2AE3D27D4EB4F)

_ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)
_ONES = np.uint64(0x0101010101010101)
_HIGH = np.uint64(0x8080808080808080)
_LOW7 = np.uint64(0x7F7F7F7F7F7F7F7F)
_CASE = np.uint64(0x2020202020202020)


@inlined()
def _not_alphanumeric(value):
    """Return bit 7 of each byte of `value` that is not an ASCII letter or digit."""
    lower = (value | _CASE) & _LOW7
    seven = value & _LOW7
    letter = (lower + np.uint64(0x1F) * _ONES) & ~(lower + np.uint64(0x05) * _ONES)
    digit = (seven + np.uint64(0x50) * _ONES) & ~(seven + np.uint64(0x46) * _ONES)
    return ~(letter | digit) & _HIGH | value & _HIGH


@inlined()
def find_word_end(text, at, kind, pages, classes, ends_at_ideographs):
    """Find the end of the word at byte `at`, whose first byte has class `kind` (LETTER if >= 0x80).

    Returns:
        The end, the class of the word's first character, and DONE; or, with another reason, the
        `detail` of that reason in place of the end. With CHUNK that is the end of the chunk.
    """
    stop, reason = at + 1, DONE
    if kind != PUNCTUATION:
        # An ASCII word shows its end in a few machine words; any other is read by character.
        stop = at
        outside = _not_alphanumeric(load64(text, stop))
        while outside == 0:
            stop += 8
            outside = _not_alphanumeric(load64(text, stop))
        stop += count_trailing_zeros(outside) >> 3
        border = text[np.uint64(stop)]
        if border >= 0x80 or classes[border] & 7 == DROPPED:
            stop, reason = scan_word(pages, text, stop)
            if reason == CHUNK:
                stop, reason = scan_chunk(pages, text, stop, ends_at_ideographs)
                if reason == DONE:
                    reason = CHUNK
        if reason == DONE and stop == at:
            code_point, length = decode(text, at)
            kind = class_of(pages, code_point) & 7
            stop = at + length
    return stop, kind, reason


@inlined()
def probe(memo, text, at, size):
    """Return the row of a word in a memo, and whether its key is there.

    The key does not tell a word from the same word with NUL bytes after it, up to 8 bytes.
    """
    row, found = np.uint64(0), False
    mask = np.uint64(memo.shape[0] - 1)
    if size <= 8:
        k0 = load64(text, at) & (_ALL_BITS >> np.uint64(64 - 8 * size))
        row = ((k0 * HASH_A) >> np.uint64(40)) & mask
        found = memo[row, 0] == k0 and memo[row, 1] == 0
    elif size <= MEMO_BYTES:
        k0, k1 = load64(text, at), first_bytes(load64(text, at + 8), size - 8)
        k2 = first_bytes(load64(text, at + 16), size - 16)
        k3 = first_bytes(load64(text, at + 24), size - 24)
        mixed = (k0 ^ (k2 * HASH_B)) * HASH_A ^ (k1 ^ (k3 * HASH_A)) * HASH_B
        mixed = (mixed ^ (mixed >> np.uint64(29))) * HASH_A
        row = (mixed >> np.uint64(40)) & mask
        found = memo[row, 0] == k0 and memo[row, 1] == k1
        found = found and memo[row, 2] == k2 and memo[row, 3] == k3
    return row, found


@inlined()
def write_key(row, text, at, size):
    """Write the key of a word of at most MEMO_BYTES into the row of a memo."""
    for part in range(4):
        row[part] = first_bytes(load64(text, at + 8 * part), size - 8 * part)
