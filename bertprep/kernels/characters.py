"""UTF-8 text by characters: code points, what they are to the tokenizer, where runs of them end.

What a character is stands in pages of 256, made by Python's `unicodedata` when a text first needs
them. Cost: some 3 ns a character. Everything here stops where the text is not UTF-8 (RFC 3629).
"""

import numpy as np

from bertprep.kernels.jit import njit

# What a character is to the tokenizer, in `pages.classes`.
LETTER, SPACE, DROPPED, IDEOGRAPH, PUNCTUATION, CONTEXTUAL = range(6)
#: Set beside a class where Python's `str.strip()` takes the character off.
STRIPPED = 8

# Why a scan, or the tokenizer, came back.
DONE, NEED_PAGE, CHUNK, INVALID, LONG_LINE = range(5)


@njit(allocates=False)
def decode(text, at):
    """The code point at byte `at` and its length in bytes; length 0 where it is not UTF-8."""
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
    """The class of a code point, or -1 where its page is not there yet."""
    page = pages[0][code_point >> 8]
    return np.int64(pages[1][page, code_point & 255]) if page >= 0 else np.int64(-1)


@njit(allocates=False)
def scan_word(pages, text, at):
    """The end of the word at byte `at`, and the reason why it cannot be told (or DONE)."""
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
    """The end of the blank-separated chunk at `at`: the next space, or ideograph if that is one."""
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
    """Number of code points in `text[start:end]`."""
    characters = 0
    for i in range(start, end):
        characters += (text[i] & 0xC0) != 0x80
    return characters


@njit(allocates=False)
def strip(pages, text, start, end):
    """`str.strip()` of a line of valid UTF-8 whose pages are all there."""
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
    """Writes the mapped characters of `text[start:end]` into `word`; returns their size in bytes.

    Stops where `word` is full, which is more than a word that is no [UNK] can have.
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
