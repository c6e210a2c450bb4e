"""UTF-8 text by characters: their code points and classes, and the ends of runs of them.

The classes are in pages of 256 characters, made from Python's `unicodedata` when a text first needs
them. Cost: about 3 ns per character. All functions stop where the text is not UTF-8 (RFC 3629).
"""

import numpy as np

from bertprep.kernels.jit import njit

# Classes of characters, in `pages[1]`.
LETTER, SPACE, DROPPED, IDEOGRAPH, PUNCTUATION, CONTEXTUAL = range(6)
#: Flag added to the class of a character that Python's `str.strip()` removes.
STRIPPED = 8

# Why a scan, or a kernel that reads text, returned: the text is done; the page of a code point is
# missing; a chunk depends on context; a byte is not UTF-8; a line is too long.
DONE, NEED_PAGE, CHUNK, INVALID, LONG_LINE = range(5)


@njit(allocates=False)
def decode(text, at):
    """Return the code point at byte `at` and its length in bytes; length 0 if it is not UTF-8."""
    a = np.int64(text[at])
    if a < 0x80:
        return a, 1
    b = np.int64(text[at + 1])
    if 0xC2 <= a <= 0xDF and (b & 0xC0) == 0x80:
        return (a & 0x1F) << 6 | (b & 0x3F), 2
    c = np.int64(text[at + 2])
    if (a & 0xF0) == 0xE0 and (b & 0xC0) == 0x80 and (c & 0xC0) == 0x80:
        code_point = (a & 0x0F) << 12 | (b & 0x3F) << 6 | (c & 0x3F)
        if code_point >= 0x800 and not 0xD800 <= code_point <= 0xDFFF:
            return code_point, 3
        return np.int64(0), 0
    d = np.int64(text[at + 3])
    if (a & 0xF8) == 0xF0 and (b & 0xC0) == 0x80 and (c & 0xC0) == 0x80 and (d & 0xC0) == 0x80:
        code_point = (a & 0x07) << 18 | (b & 0x3F) << 12 | (c & 0x3F) << 6 | (d & 0x3F)
        if 0x10000 <= code_point <= 0x10FFFF:
            return code_point, 4
    return np.int64(0), 0


@njit(allocates=False)
def class_of(pages, code_point):
    """Return the class of a code point, or -1 if its page does not exist yet."""
    page = pages[0][code_point >> 8]
    return np.int64(pages[1][page, code_point & 255]) if page >= 0 else np.int64(-1)


@njit(allocates=False)
def scan_word(pages, text, at):
    """Return the end of the word at byte `at` and DONE, or the detail of another reason and it."""
    while True:
        code_point, length = decode(text, at)
        if length == 0:
            return at, INVALID
        kind = class_of(pages, code_point)
        if kind < 0:
            return code_point, NEED_PAGE
        kind &= 7
        if kind == CONTEXTUAL:
            return at, CHUNK
        if kind != LETTER and kind != DROPPED:
            return at, DONE
        at += length


@njit(allocates=False)
def scan_chunk(pages, text, at, ends_at_ideographs):
    """Return the end of the chunk at `at`: the next space, or ideograph if that ends chunks."""
    while True:
        code_point, length = decode(text, at)
        if length == 0:
            return at, INVALID
        kind = class_of(pages, code_point)
        if kind < 0:
            return code_point, NEED_PAGE
        if kind & 7 == SPACE or (kind & 7 == IDEOGRAPH and ends_at_ideographs):
            return at, DONE
        at += length


@njit(allocates=False)
def num_characters(text, start, end):
    """Return the number of code points in `text[start:end]`."""
    characters = 0
    for i in range(start, end):
        characters += (text[i] & 0xC0) != 0x80
    return characters


@njit(allocates=False)
def strip(pages, text, start, end):
    """Apply `str.strip()` to a line of valid UTF-8 whose pages exist; return start and end."""
    while start < end:
        code_point, length = decode(text, start)
        if not class_of(pages, code_point) & STRIPPED:
            break
        start += length
    while end > start:
        at = end - 1
        while (text[at] & 0xC0) == 0x80:
            at -= 1
        code_point, _ = decode(text, at)
        if not class_of(pages, code_point) & STRIPPED:
            break
        end = at
    return start, end


@njit(allocates=False)
def map_characters(pages, text, start, end, word):
    """Write the mapped characters of `text[start:end]` into `word`; return their size in bytes.

    Stop when `word` is full: only a word that becomes [UNK] is longer.
    """
    page_of, _, lengths, mapped = pages
    size = 0
    while start < end and size + 16 <= word.size:
        code_point, length = decode(text, start)
        start += length
        page, cell = page_of[code_point >> 8], code_point & 255
        for i in range(lengths[page, cell]):
            word[size + i] = (mapped[page, cell, i >> 3] >> np.uint64(8 * (i & 7))) & np.uint64(255)
        size += np.int64(lengths[page, cell])
    return size
