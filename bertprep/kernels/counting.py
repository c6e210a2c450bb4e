"""UTF-8 text -> its distinct words with their counts, in an open-addressed hash table.

The words are those that `wordpiece.tokenize` looks up: runs of letters, punctuation characters and
ideographs. They are counted as they are in the text, and mapped (lower-cased, accents removed) when
a table is full or the text ends, each distinct one once. A chunk that depends on context is handed
back.

A table is a tuple: `slots: int32[2**n]`, row + 1 or 0; `hashes: uint64[rows]`;
`offsets: int64[rows + 1]`; `counts: int64[rows]`; `words: uint8[bytes + PADDING]`, concatenated;
and `used: int64[1]`, the rows taken. At most half of the slots are taken.

A memo (`word_lookup`) comes before the table, with a count and the size in bytes as values. Most
words are found there, in one cache line; a word that takes over a row sends the count of the
previous one to the table.

Cost: about 7 ns per byte of English.
"""

import numpy as np

from bertprep.kernels.characters import (
    DONE,
    IDEOGRAPH,
    LETTER,
    LONG_LINE,
    SPACE,
    decode,
    map_characters,
    num_characters,
)
from bertprep.kernels.jit import inlined, njit
from bertprep.kernels.machine import PADDING, first_bytes, load64, store64
from bertprep.kernels.word_lookup import (
    HASH_A,
    HASH_B,
    MEMO_BYTES,
    SCAN_FIELDS,
    find_word_end,
    probe,
    write_key,
)

#: Why `count_words` returned, besides the reasons of `characters`: no room for another word.
FULL = LONG_LINE + 1

#: State of `count_words` between its calls.
STATE = np.dtype(SCAN_FIELDS)

_COUNT, _SIZE = 4, 5
_NEWLINE = 10


@njit(allocates=False)
def hash_word(text, start, size):
    """Return a 64-bit hash of `text[start:start + size]`, the same on every machine."""
    state = np.uint64(size) * HASH_B
    at, left = start, size
    while left > 0:
        state = (state ^ first_bytes(load64(text, at), left)) * HASH_A
        state ^= state >> np.uint64(32)
        at += 8
        left -= 8
    state *= HASH_B
    return state ^ (state >> np.uint64(29))


@njit(allocates=False)
def _is_word(words, offset, text, start, size):
    left = size
    while left > 0:
        if first_bytes(load64(words, offset) ^ load64(text, start), left) != 0:
            return False
        offset += 8
        start += 8
        left -= 8
    return True


@njit(allocates=False)
def add_word(table, text, start, size, count):
    """Add `count` to that of a word; return its row, or -1 if the table has no room for it.

    `text` needs PADDING bytes after the word.
    """
    slots, hashes, offsets, counts, words, used = table
    word_hash = hash_word(text, start, size)
    mask = np.uint64(slots.size - 1)
    slot = (word_hash >> np.uint64(32)) & mask
    while slots[slot] != 0:
        row = np.uint64(slots[slot] - 1)
        if hashes[row] == word_hash:
            offset = offsets[row]
            if offsets[row + np.uint64(1)] - offset == size and _is_word(
                words, offset, text, start, size
            ):
                counts[row] += count
                return np.int64(row)
        slot = (slot + np.uint64(1)) & mask
    row = used[0]
    offset = offsets[row]
    if row == counts.size or offset + size + PADDING > words.size:
        return np.int64(-1)
    slots[slot] = row + 1
    hashes[row], counts[row] = word_hash, count
    for i in range(size):
        words[offset + i] = text[start + i]
    offsets[row + 1] = offset + size
    used[0] = row + 1
    return row


@njit(allocates=False)
def _empty_row(row, table, word):
    """Move the count of a row of the memo to the table; return whether there was room for it."""
    size = np.int64(row[_SIZE])
    if size > 0:
        for part in range(4):
            store64(word, np.int64(8 * part), row[part])
        if add_word(table, word, np.int64(0), size, np.int64(row[_COUNT])) < 0:
            return False
        row[_SIZE] = 0
    return True


@njit(allocates=False)
def empty_memo(memo, table, word):
    """Move all counts of the memo to the table; return whether there was room for them."""
    is_empty = True
    for slot in range(memo.shape[0]):
        is_empty &= _empty_row(memo[slot], table, word)
    return is_empty


@inlined()
def _count_word(text, at, size, memo, table, word):
    """Count the word at byte `at`; return whether there was room for it."""
    if size > MEMO_BYTES:
        return add_word(table, text, at, size, np.int64(1)) >= 0
    slot, found = probe(memo, text, at, size)
    if found and memo[slot, _SIZE] == np.uint64(size):
        memo[slot, _COUNT] += np.uint64(1)
        return True
    row = memo[slot]
    if not _empty_row(row, table, word):
        return False
    write_key(row, text, at, size)
    row[_COUNT], row[_SIZE] = np.uint64(1), np.uint64(size)
    return True


@njit(allocates=False)
def count_words(text, end, pages, memo, table, word, states):
    """Count the words of `text[:end]`, from the position of the state on.

    Args:
        text: uint8[>= end + PADDING]. UTF-8 without 0x0D; newlines at its end and after it.
        pages: int16[4352], uint8[n, 256], uint8[n, 256], uint64[n, 256, 2]: see
            `wordpiece.tokenize`.
        memo, table: in and out; see the module.
        word: uint8[>= MEMO_BYTES + PADDING]. Scratch.
        states: STATE[1]. In and out. After CHUNK the words from the start of the chunk to the
            position are counted already, and those of the whole chunk, which ends at the detail,
            are to be counted in their place.
    """
    state = states[0]
    at, line_start, chunk_start = state.position, state.line_start, state.chunk_start
    longest = state.max_line_chars
    reason, detail = DONE, np.int64(0)
    classes = pages[1][0]
    while at < end:
        byte = text[np.uint64(at)]
        kind = np.int64(classes[byte] & 7) if byte < 0x80 else LETTER
        if byte == _NEWLINE:
            if at - line_start > longest and num_characters(text, line_start, at) > longest:
                reason = LONG_LINE
                break
            line_start = at + 1
        if kind == SPACE:
            at += 1
            chunk_start = at
            continue
        stop, kind, reason = find_word_end(text, at, kind, pages, classes, True)
        if reason != DONE:
            detail = stop
            break
        if kind != SPACE and not _count_word(text, at, stop - at, memo, table, word):
            reason = FULL
            break
        at = stop
        if kind in (IDEOGRAPH, SPACE):
            chunk_start = at
    state.reason, state.position, state.detail = reason, at, detail
    state.line_start, state.chunk_start = line_start, chunk_start


@njit(allocates=False)
def map_words(pages, table, longest, word, mapped):
    """Map the counted words, and add up the counts of those that become the same.

    Args:
        pages: as in `count_words`.
        table: the words as they are in the text.
        longest: most characters of a mapped word.
        word: uint8[>= 4 * longest + 32 + PADDING]. Scratch.
        mapped: the table to add to; it needs as much room as `table`.

    Returns:
        The occurrences of words that are too long, which are left out.
    """
    _, _, offsets, counts, words, used = table
    room = word[: word.size - PADDING]
    left_out = np.int64(0)
    for row in range(used[0]):
        size = map_characters(pages, words, offsets[row], offsets[row + 1], room)
        if size == 0:
            continue
        if num_characters(word, np.int64(0), np.int64(size)) > longest:
            left_out += counts[row]
        else:
            add_word(mapped, word, np.int64(0), size, counts[row])
    return left_out


@njit(allocates=False)
def add_words(table, words, offsets, counts):
    """Add words with their counts to a table that has room for them."""
    for row in range(counts.size):
        add_word(table, words, offsets[row], offsets[row + 1] - offsets[row], counts[row])


@njit(allocates=False)
def bucket_words(words, offsets, num_buckets, buckets):
    """Fill `buckets: int64[n]` with numbers in [0, num_buckets) that depend on the words alone."""
    for row in range(buckets.size):
        word_hash = hash_word(words, offsets[row], offsets[row + 1] - offsets[row])
        mixed = (word_hash ^ (word_hash >> np.uint64(31))) * HASH_A
        buckets[row] = np.int64((mixed >> np.uint64(33)) % np.uint64(num_buckets))


@njit(allocates=False)
def gather_words(words, offsets, order, gathered):
    """Copy the words in `order` into `gathered`, concatenated."""
    at = 0
    for i in range(order.size):
        for j in range(offsets[order[i]], offsets[order[i] + 1]):
            gathered[at] = words[j]
            at += 1


@njit(allocates=False)
def count_characters(words, offsets, counts, totals):
    """Add the occurrences of each character in the words to `totals: int64[0x110000]`."""
    for row in range(counts.size):
        at = offsets[row]
        while at < offsets[row + 1]:
            code_point, length = decode(words, at)
            totals[code_point] += counts[row]
            at += length
