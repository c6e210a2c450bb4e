"""UTF-8 text -> its distinct words with their counts, in an open-addressed hash table.

The words are those that `wordpiece.tokenize` looks up: runs of letters, punctuation characters
and ideographs. They are counted as they stand and mapped (lower-cased, accents off) when a
table is full or a text done, each distinct one once. A chunk that depends on context is handed
back.

A table is a tuple: `slots: int32[2**n]`, row + 1 or 0; `hashes: uint64[rows]`;
`offsets: int64[rows + 1]`; `counts: int64[rows]`; `words: uint8[bytes + PADDING]`, concatenated;
and `used: int64[1]`, rows taken. At most half of the slots are.

Before the table stands a memo, `uint64[2**n, 8]`: four words of key, a count, the size in bytes.
Most words are found there, in one cache line; one that takes a row over sends its count to the
table.

Cost: about 8 ns a byte of English.
"""

import numpy as np

from bertprep.kernels.characters import (
    CHUNK,
    DONE,
    DROPPED,
    IDEOGRAPH,
    LETTER,
    LONG_LINE,
    PUNCTUATION,
    SPACE,
    class_of,
    decode,
    map_characters,
    num_characters,
    scan_chunk,
    scan_word,
)
from bertprep.kernels.jit import njit
from bertprep.kernels.machine import PADDING, first_bytes, load64, store64

#: Why `count_words` came back, beside the reasons of `characters`: no room for another word.
FULL = LONG_LINE + 1

# Fields of `progress: int64[5]`, in and out of `count_words`.
REASON, POSITION, LINE_START, CHUNK_START, DETAIL = range(5)

_HASH_A = np.uint64(0x9E3779B97F4A7C15)
_HASH_B = np.uint64(0xC2B2AE3D27D4EB4F)

#: The longest word, in bytes, that the memo keeps.
MEMO_BYTES = 32
_COUNT, _SIZE = 4, 5


@njit()
def hash_word(text, start, size):
    """A 64-bit hash of `text[start:start + size]`, the same on every machine."""
    state = np.uint64(size) * _HASH_B
    at, left = start, size
    while left > 0:
        state = (state ^ first_bytes(load64(text, at), left)) * _HASH_A
        state ^= state >> np.uint64(32)
        at += 8
        left -= 8
    state *= _HASH_B
    return state ^ (state >> np.uint64(29))


@njit()
def _is_word(words, offset, text, start, size):
    left = size
    while left > 0:
        if first_bytes(load64(words, offset) ^ load64(text, start), left) != 0:
            return False
        offset += 8
        start += 8
        left -= 8
    return True


@njit()
def add_word(table, text, start, size, count):
    """Adds `count` to a word's own; returns its row, or -1 where the table has no room for it.

    `text` needs PADDING bytes behind the word.
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


@njit()
def empty_row(row, table, word):
    """Sends what a row of the memo has counted to the table; says whether there was room for it."""
    size = np.int64(row[_SIZE])
    if size > 0:
        for part in range(4):
            store64(word, np.int64(8 * part), row[part])
        if add_word(table, word, np.int64(0), size, np.int64(row[_COUNT])) < 0:
            return False
        row[_SIZE] = 0
    return True


@njit()
def empty_memo(memo, table, word):
    """Sends all that the memo has counted to the table; says whether there was room for it."""
    is_empty = True
    for slot in range(memo.shape[0]):
        is_empty &= empty_row(memo[slot], table, word)
    return is_empty


@njit()
def count_words(text, end, longest_line, pages, memo, table, word, progress):
    """Counts the words of `text[:end]`, from `progress[POSITION]` on.

    Args:
        text: uint8[>= end + PADDING]. UTF-8 without 0x0D; newlines at its end and behind.
        longest_line: most characters that a line may have.
        pages: int16[4352], uint8[n, 256], uint8[n, 256], uint64[n, 256, 2]: see
            `wordpiece.tokenize`.
        memo, table: where to; see the module.
        word: uint8[>= MEMO_BYTES + PADDING]. Scratch.
        progress: int64[5]. In and out: the fields named above. After CHUNK the words between
            CHUNK_START and POSITION are counted already, and those of the chunk, which ends at
            DETAIL, are to be counted in their place.
    """
    at, line_start = progress[POSITION], progress[LINE_START]
    chunk_start = progress[CHUNK_START]
    reason, detail = DONE, np.int64(0)
    classes = pages[1][0]
    memo_mask = np.uint64(memo.shape[0] - 1)
    while at < end:
        byte = text[np.uint64(at)]
        kind = np.int64(classes[byte] & 7) if byte < 0x80 else LETTER
        if (
            byte == 10
            and at - line_start > longest_line
            and num_characters(text, line_start, at) > longest_line
        ):
            reason = LONG_LINE
            break
        if kind == SPACE:
            at += 1
            chunk_start = at
            line_start = at if byte == 10 else line_start
            continue
        stop = at + 1
        if kind != PUNCTUATION:
            stop = at
            border = byte
            while border < 0x80 and classes[border] & 7 == LETTER:
                stop += 1
                border = text[np.uint64(stop)]
            if border >= 0x80 or classes[border] & 7 == DROPPED:
                stop, reason = scan_word(pages, text, stop)
                if reason == CHUNK:
                    detail, reason = scan_chunk(pages, text, stop, True)
                    if reason == DONE:
                        reason = CHUNK
                        break
                    stop = detail
                if reason != DONE:
                    detail = stop
                    break
            if stop == at:
                code_point, length = decode(text, at)
                kind = np.int64(class_of(pages, code_point) & 7)
                stop = at + length
                if kind == SPACE:
                    at = stop
                    chunk_start = at
                    continue
        size = stop - at
        if size <= MEMO_BYTES:
            k0, k1 = (
                first_bytes(load64(text, at), size),
                first_bytes(load64(text, at + 8), size - 8),
            )
            k2 = first_bytes(load64(text, at + 16), size - 16)
            k3 = first_bytes(load64(text, at + 24), size - 24)
            mixed = (k0 ^ (k2 * _HASH_B)) * _HASH_A ^ (k1 ^ (k3 * _HASH_A)) * _HASH_B
            mixed = (mixed ^ (mixed >> np.uint64(29))) * _HASH_A
            row = memo[(mixed >> np.uint64(40)) & memo_mask]
            found = row[_SIZE] == np.uint64(size) and row[0] == k0 and row[1] == k1
            if found and row[2] == k2 and row[3] == k3:
                row[_COUNT] += np.uint64(1)
            elif empty_row(row, table, word):
                row[0], row[1], row[2], row[3] = k0, k1, k2, k3
                row[_COUNT], row[_SIZE] = np.uint64(1), np.uint64(size)
            else:
                reason = FULL
                break
        elif add_word(table, text, at, size, np.int64(1)) < 0:
            reason = FULL
            break
        at = stop
        if kind == IDEOGRAPH:
            chunk_start = at
    progress[REASON], progress[POSITION], progress[LINE_START] = reason, at, line_start
    progress[CHUNK_START], progress[DETAIL] = chunk_start, detail


@njit()
def map_words(pages, table, longest, word, mapped):
    """Maps the counted words and adds them up anew.

    Args:
        pages: as in `count_words`.
        table: the words as they stood.
        longest: most characters of a word, mapped.
        word: uint8[>= 4 * longest + 32 + PADDING]. Scratch.
        mapped: table, where to; it needs as much room as `table`.

    Returns:
        How often there were words that are too long, and are left out.
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


@njit()
def add_words(table, words, offsets, counts):
    """Adds words with their counts to a table that has room for them all."""
    for row in range(counts.size):
        add_word(table, words, offsets[row], offsets[row + 1] - offsets[row], counts[row])


@njit()
def bucket_words(words, offsets, num_buckets, buckets):
    """Fills `buckets: int64[n]` with numbers in [0, num_buckets) by the words alone."""
    for row in range(buckets.size):
        word_hash = hash_word(words, offsets[row], offsets[row + 1] - offsets[row])
        mixed = (word_hash ^ (word_hash >> np.uint64(31))) * _HASH_A
        buckets[row] = np.int64((mixed >> np.uint64(33)) % np.uint64(num_buckets))


@njit()
def gather_words(words, offsets, order, gathered):
    """Copies the words in `order`, one behind the other, into `gathered`."""
    at = 0
    for i in range(order.size):
        for j in range(offsets[order[i]], offsets[order[i] + 1]):
            gathered[at] = words[j]
            at += 1


@njit()
def count_characters(words, offsets, counts, totals):
    """Adds how often each character stands in the words to `totals: int64[0x110000]`."""
    for row in range(counts.size):
        at = offsets[row]
        while at < offsets[row + 1]:
            code_point, length = decode(words, at)
            totals[code_point] += counts[row]
            at += length
