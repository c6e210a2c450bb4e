"""Spelled words -> the pieces that merging their most frequent pair, again and again, makes.

What the WordPiece trainers in use do: byte-pair encoding with `##` before what continues a word.
A word begins as its characters; the pair of neighbours that stands most often in all words (a tie:
the one of the older left piece, then of the older right one) becomes a piece, wherever it stands,
from left to right. All is updated where it changes: a merge costs what the pair has places.

A pair has a row in `pairs`, and a list of its places (`after`, `before`, by position); rows that
are due wait in a heap, some with a count that they no longer have.

Memory: 20 bytes a character of the distinct words, 64 a distinct pair.
"""

import numpy as np

from bertprep.kernels.counting import add_word
from bertprep.kernels.jit import njit

# Fields of `progress: int64[5]`, in and out.
NUM_PAIRS, HEAP_SIZE, NUM_MERGES, REASON, TOUCHED = range(5)

#: Why `merge_pairs` came back: nothing is left to merge; enough pieces; it has merged as many as
#: it may at a time; the rows have no room.
EXHAUSTED, ENOUGH, PAUSED, NO_ROOM = range(4)

#: Stands between words.
GAP = -1

_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@njit()
def _slot_of(pairs, left, right):
    """The slot of a pair, or the free one where it belongs."""
    slots, lefts, rights = pairs[0], pairs[1], pairs[2]
    mask = np.uint64(slots.size - 1)
    key = np.uint64(left) << np.uint64(32) | np.uint64(right)
    key = (key ^ (key >> np.uint64(29))) * _SPREAD
    slot = (key >> np.uint64(24)) & mask
    while slots[slot] != 0:
        row = slots[slot] - 1
        if lefts[row] == left and rights[row] == right:
            break
        slot = (slot + np.uint64(1)) & mask
    return slot


@njit()
def fill_slots(pairs, num_pairs):
    """Enters the rows into `slots`, which are empty and larger than before."""
    for row in range(num_pairs):
        pairs[0][_slot_of(pairs, pairs[1][row], pairs[2][row])] = row + 1


@njit()
def _enter(text, pairs, progress, touched, at, stamp):
    """Notes the pair whose left piece begins at `at`; gives a row to a new one."""
    symbols, sizes, word_of, counts, after, before = text
    slots, lefts, rights, totals, heads, stamps = pairs
    left, right = symbols[at], symbols[at + sizes[at]]
    slot = _slot_of(pairs, left, right)
    if slots[slot] == 0:
        row = progress[NUM_PAIRS]
        progress[NUM_PAIRS] = row + 1
        slots[slot] = row + 1
        lefts[row], rights[row], totals[row], heads[row], stamps[row] = left, right, 0, -1, -1
    row = slots[slot] - 1
    totals[row] += counts[word_of[at]]
    head = heads[row]
    after[at], before[at] = head, -1
    if head >= 0:
        before[head] = at
    heads[row] = at
    if stamps[row] != stamp:
        stamps[row] = stamp
        touched[progress[TOUCHED]] = row
        progress[TOUCHED] += 1


@njit()
def _strike(text, pairs, at):
    """Takes the pair whose left piece begins at `at` off its list."""
    symbols, sizes, word_of, counts, after, before = text
    _, _, _, totals, heads, _ = pairs
    row = pairs[0][_slot_of(pairs, symbols[at], symbols[at + sizes[at]])] - 1
    totals[row] -= counts[word_of[at]]
    if before[at] >= 0:
        after[before[at]] = after[at]
    else:
        heads[row] = after[at]
    if after[at] >= 0:
        before[after[at]] = before[at]


@njit()
def _comes_first(pairs, count, row, other_count, other):
    if count != other_count:
        return count > other_count
    lefts, rights = pairs[1], pairs[2]
    if lefts[row] != lefts[other]:
        return lefts[row] < lefts[other]
    return rights[row] < rights[other]


@njit()
def _push(heap, pairs, progress, row):
    heap_counts, heap_rows = heap
    count = pairs[3][row]
    at = progress[HEAP_SIZE]
    progress[HEAP_SIZE] = at + 1
    while at > 0:
        parent = (at - 1) >> 1
        if not _comes_first(pairs, count, row, heap_counts[parent], heap_rows[parent]):
            break
        heap_counts[at], heap_rows[at] = heap_counts[parent], heap_rows[parent]
        at = parent
    heap_counts[at], heap_rows[at] = count, row


@njit()
def _pop(heap, pairs, progress):
    """Removes the first of the heap, which is not empty."""
    heap_counts, heap_rows = heap
    size = progress[HEAP_SIZE] - 1
    progress[HEAP_SIZE] = size
    count, row = heap_counts[size], heap_rows[size]
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and _comes_first(
            pairs,
            heap_counts[child + 1],
            heap_rows[child + 1],
            heap_counts[child],
            heap_rows[child],
        ):
            child += 1
        if not _comes_first(pairs, heap_counts[child], heap_rows[child], count, row):
            break
        heap_counts[at], heap_rows[at] = heap_counts[child], heap_rows[child]
        at = child
    heap_counts[at], heap_rows[at] = count, row


@njit()
def spell_words(words, offsets, counts, piece_of, least, text, progress):
    """Spells words as characters, each with GAP before it and GAP behind the last.

    Args:
        words, offsets, counts: see `counting`.
        piece_of: int32[2, 0x110000]. The piece of a character at the start of a word, and of one
            that continues it; -1 where it has none, and its word is left out.
        least: words of a lower count are left out, as are those of one character.
        text: out: `symbols: int32[n]`, `sizes: int32[n]`, `word_of: int32[n]`,
            `counts: int64[words]` and two more that are not looked at. Each n is the characters of
            all words and one GAP a word, and one more.
        progress: int64[2]. In and out: positions and words that are taken.
    """
    symbols, sizes, word_of, text_counts, _, _ = text
    size, num_words = progress[0], progress[1]
    symbols[size] = GAP
    for row in range(counts.size):
        if counts[row] < least:
            continue
        at, end = offsets[row], offsets[row + 1]
        stop = size + 1
        is_spelled = True
        while at < end and is_spelled:
            first = np.int64(words[at])
            length = 1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
            code_point = first if length == 1 else first & (0x7F >> length)
            for i in range(1, length):
                code_point = code_point << 6 | np.int64(words[at + i]) & 0x3F
            piece = piece_of[1 if stop > size + 1 else 0, code_point]
            is_spelled = piece >= 0
            symbols[stop], sizes[stop], word_of[stop] = piece, 1, num_words
            stop += 1
            at += length
        if is_spelled and stop > size + 2:
            text_counts[num_words] = counts[row]
            num_words += 1
            size = stop
        symbols[size] = GAP
    progress[0], progress[1] = size, num_words


@njit()
def find_pairs(text, end, pairs, touched, progress, start):
    """Enters the pairs of `symbols[:end]` from position `start` on, as far as there is room.

    Returns:
        Where it stopped: `end` when all are entered.
    """
    symbols = text[0]
    for at in range(start, end - 1):
        if symbols[at] == GAP or symbols[at + 1] == GAP:
            continue
        if progress[NUM_PAIRS] == pairs[1].size or 2 * progress[NUM_PAIRS] + 2 > pairs[0].size:
            return at
        progress[TOUCHED] = 0
        _enter(text, pairs, progress, touched, at, -1)
    return end


@njit()
def fill_heap(pairs, heap, progress, least):
    """Puts all pairs of a count of `least` or more into the heap, which has room for them."""
    progress[HEAP_SIZE] = 0
    for row in range(progress[NUM_PAIRS]):
        if pairs[3][row] >= least:
            _push(heap, pairs, progress, row)


@njit()
def _piece_of_pair(pieces, left, right, word):
    """The number of the piece that two make together; a new one if there was none."""
    offsets, words = pieces[2], pieces[4]
    size = np.int64(0)
    for i in range(offsets[left], offsets[left + 1]):
        word[size] = words[i]
        size += 1
    for i in range(offsets[right] + 2, offsets[right + 1]):  # without its ##
        word[size] = words[i]
        size += 1
    return add_word(pieces, word, np.int64(0), size, 0)


@njit()
def _merge_at(text, pairs, touched, progress, at, piece):
    """Merges the two pieces from `at` on."""
    symbols, sizes = text[0], text[1]
    middle = at + sizes[at]
    end = middle + sizes[middle]
    _strike(text, pairs, at)
    has_left, has_right = symbols[at - 1] != GAP, symbols[end] != GAP
    # A piece's size stands at its first and its last position.
    previous = at - sizes[at - 1]
    if has_left:
        _strike(text, pairs, previous)
    if has_right:
        _strike(text, pairs, middle)
    symbols[at] = piece
    symbols[end - 1] = piece
    sizes[at] = sizes[end - 1] = end - at
    stamp = progress[NUM_MERGES]
    if has_left:
        _enter(text, pairs, progress, touched, previous, stamp)
    if has_right:
        _enter(text, pairs, progress, touched, at, stamp)


@njit()
def merge_pairs(text, pairs, heap, pieces, touched, word, limits, progress):
    """Merges the most frequent pair until there are enough pieces, or none is frequent enough.

    Args:
        text: `spell_words`, with `after: int32[n]` and `before: int32[n]`.
        pairs: `slots: int32[2**m]`, `lefts: int32[rows]`, `rights: int32[rows]`,
            `totals: int64[rows]`, `heads: int32[rows]`, `stamps: int32[rows]`.
        heap: int64[...], int32[...]. Counts and rows.
        pieces: the table of pieces (see `counting`), `##` with those that continue a word.
        touched: int32[>= 2 * most pieces + 2]. Scratch.
        word: uint8[...]. Scratch for the longest piece, PADDING and more.
        limits: int64[3]. Most pieces; least count of a pair; most merges at a time.
        progress: int64[5]. In and out: the fields named above.
    """
    symbols, sizes = text[0], text[1]
    totals, heads = pairs[3], pairs[4]
    used = pieces[5]
    progress[REASON] = PAUSED
    for _ in range(limits[2]):
        if used[0] >= limits[0]:
            progress[REASON] = ENOUGH
            return
        # Each piece can be the new one's left or right neighbour, and so can the new one.
        new_rows = 2 * used[0] + 4
        if (
            progress[NUM_PAIRS] + new_rows > totals.size
            or 2 * (progress[NUM_PAIRS] + new_rows) > pairs[0].size
            or progress[HEAP_SIZE] + new_rows > heap[0].size
        ):
            progress[REASON] = NO_ROOM
            return
        row = np.int32(-1)
        while progress[HEAP_SIZE] > 0:
            count, row = heap[0][0], heap[1][0]
            _pop(heap, pairs, progress)
            if count == totals[row]:
                break
            if totals[row] >= limits[1]:
                _push(heap, pairs, progress, row)
            row = np.int32(-1)
        if row < 0:
            progress[REASON] = EXHAUSTED
            return
        left, right = pairs[1][row], pairs[2][row]
        piece = _piece_of_pair(pieces, left, right, word)
        progress[TOUCHED] = 0
        while heads[row] >= 0:
            at = np.int64(heads[row])
            if left == right:
                # In a run of the same piece pairs overlap: from its start on.
                while symbols[at - 1] == left:
                    at -= sizes[at - 1]
            _merge_at(text, pairs, touched, progress, at, piece)
        for i in range(progress[TOUCHED]):
            if totals[touched[i]] >= limits[1]:
                _push(heap, pairs, progress, touched[i])
        progress[NUM_MERGES] += 1
