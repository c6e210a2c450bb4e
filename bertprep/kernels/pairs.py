"""Words with counts -> the pieces that repeatedly merging their most frequent pair makes.

This is byte-pair encoding as the WordPiece trainers in use do it, with `##` before what continues a
word. A word begins as its characters. The pair of neighbours with the highest count in all words (a
tie: the one of the older left piece, then of the older right one) becomes a piece, everywhere, from
left to right. Only what changes is updated: a merge costs the number of the pair's positions.

A pair has a row in `pairs` and a linked list of its positions. The rows wait in a heap, some with a
count that is out of date.

Memory: 20 bytes per character of the distinct words, 64 per distinct pair.
"""

import numpy as np

from bertprep.kernels.characters import decode
from bertprep.kernels.counting import add_word
from bertprep.kernels.jit import njit
from bertprep.kernels.pair_heap import pop, push

#: One position of the words: the piece that begins there, its characters, the word, and the list of
#: positions with the same pair (-1 at its ends). A piece also has its number and its size at its
#: last position. GAP is the piece between words.
POSITION = np.dtype([(name, np.int32) for name in ("piece", "size", "word", "next", "previous")])

#: The state of a training, the one element of `state: STATE[1]`; `max_` and `min_` are limits,
#: `max_merges` one per call.
_SIZES = ("num_positions", "num_words", "num_pairs", "heap_size", "num_merges", "num_touched")
_LIMITS = ("max_pieces", "max_merges", "min_word_count", "min_pair_count")
STATE = np.dtype([(name, np.int64) for name in (*_SIZES, *_LIMITS, "reason")])

#: Why `merge_pairs` returned: no pair is left to merge; enough pieces; as many merges as one call
#: may make; no room for more rows.
EXHAUSTED, ENOUGH, PAUSED, NO_ROOM = range(4)

GAP = -1

_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@njit()
def _find_slot(slots, pairs, left, right):
    """Return the slot of a pair, or the free one where it belongs."""
    mask = np.uint64(slots.size - 1)
    key = np.uint64(left) << np.uint64(32) | np.uint64(right)
    key = (key ^ (key >> np.uint64(29))) * _SPREAD
    slot = (key >> np.uint64(24)) & mask
    while slots[slot] != 0:
        pair = pairs[slots[slot] - 1]
        if pair.left == left and pair.right == right:
            break
        slot = (slot + np.uint64(1)) & mask
    return slot


@njit()
def fill_slots(slots, pairs, num_pairs):
    """Enter all rows into `slots`, which are empty."""
    for row in range(num_pairs):
        slots[_find_slot(slots, pairs, pairs[row].left, pairs[row].right)] = row + 1


@njit()
def _add_position(text, counts, slots, pairs, touched, state, at):
    """Add the pair whose left piece begins at `at`; a new pair gets a row."""
    left, right = text[at].piece, text[at + text[at].size].piece
    slot = _find_slot(slots, pairs, left, right)
    if slots[slot] == 0:
        pair = pairs[state.num_pairs]
        pair.left, pair.right, pair.count, pair.first, pair.changed_by = left, right, 0, -1, -1
        state.num_pairs += 1
        slots[slot] = state.num_pairs
    row = slots[slot] - 1
    pair = pairs[row]
    pair.count += counts[text[at].word]
    text[at].next, text[at].previous = pair.first, -1
    if pair.first >= 0:
        text[pair.first].previous = at
    pair.first = at
    if pair.changed_by != state.num_merges:
        pair.changed_by = state.num_merges
        touched[state.num_touched] = row
        state.num_touched += 1


@njit()
def _remove_position(text, counts, slots, pairs, at):
    """Remove the pair whose left piece begins at `at`."""
    position = text[at]
    right = text[at + position.size].piece
    pair = pairs[slots[_find_slot(slots, pairs, position.piece, right)] - 1]
    pair.count -= counts[position.word]
    if position.previous >= 0:
        text[position.previous].next = position.next
    else:
        pair.first = position.next
    if position.next >= 0:
        text[position.next].previous = position.previous


@njit()
def _pop_most_frequent(heap, pairs, state):
    """Return the row of the most frequent pair, or -1; entries that are out of date are renewed."""
    while state.heap_size > 0:
        count, row = heap[0].count, heap[0].row
        pop(heap, pairs, state)
        if count == pairs[row].count:
            return row
        if pairs[row].count >= state.min_pair_count:
            push(heap, pairs, state, row)
    return np.int32(-1)


@njit()
def spell_words(words, offsets, word_counts, piece_of, text, counts, states):
    """Append words as characters, each between GAPs.

    Args:
        words, offsets, word_counts: see `counting`.
        piece_of: int32[2, 0x110000]. The piece of a character at the start of a word, and of one
            that continues it; -1 for none, which leaves the word out. Words of one character and
            those below `min_word_count` are left out too.
        text: POSITION[n]. Out. n is the characters of all words, one more per word, and one.
        counts: int64[words]. Out.
        states: STATE[1]. In and out: num_positions, num_words.
    """
    state = states[0]
    size, num_words = state.num_positions, state.num_words
    text[size].piece = GAP
    for row in range(word_counts.size):
        if word_counts[row] < state.min_word_count:
            continue
        at, end = offsets[row], offsets[row + 1]
        stop = size + 1
        is_spelled = True
        while at < end and is_spelled:
            code_point, length = decode(words, at)
            piece = piece_of[1 if stop > size + 1 else 0, code_point]
            is_spelled = piece >= 0
            text[stop].piece, text[stop].size, text[stop].word = piece, 1, num_words
            stop += 1
            at += length
        if is_spelled and stop > size + 2:
            counts[num_words] = word_counts[row]
            num_words += 1
            size = stop
        text[size].piece = GAP
    state.num_positions, state.num_words = size, num_words


@njit()
def find_pairs(text, counts, slots, pairs, touched, states, start):
    """Add the pairs of all characters from position `start` on, as far as there is room.

    Returns:
        Where it stopped: after the last position when all are added.
    """
    state = states[0]
    end = state.num_positions + 1
    for at in range(start, end - 1):
        if text[at].piece == GAP or text[at + 1].piece == GAP:
            continue
        if state.num_pairs == pairs.size or 2 * state.num_pairs + 2 > slots.size:
            return at
        state.num_touched = 0
        _add_position(text, counts, slots, pairs, touched, state, at)
    return end


@njit()
def fill_heap(pairs, heap, states):
    """Make the heap anew of all pairs that are frequent enough; it has room for them."""
    state = states[0]
    state.heap_size = 0
    for row in range(state.num_pairs):
        if pairs[row].count >= state.min_pair_count:
            push(heap, pairs, state, row)


@njit()
def _piece_of_pair(pieces, left, right, word):
    """Return the number of the piece that two pieces form; it may be a new one."""
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
def _merge_at(text, counts, slots, pairs, touched, state, at, piece):
    """Merge the two pieces from `at` on."""
    middle = at + text[at].size
    end = middle + text[middle].size
    _remove_position(text, counts, slots, pairs, at)
    has_left, has_right = text[at - 1].piece != GAP, text[end].piece != GAP
    previous = at - text[at - 1].size
    if has_left:
        _remove_position(text, counts, slots, pairs, previous)
    if has_right:
        _remove_position(text, counts, slots, pairs, middle)
    text[at].piece = text[end - 1].piece = piece
    text[at].size = text[end - 1].size = end - at
    if has_left:
        _add_position(text, counts, slots, pairs, touched, state, previous)
    if has_right:
        _add_position(text, counts, slots, pairs, touched, state, at)


@njit()
def merge_pairs(text, counts, slots, pairs, heap, pieces, scratch, states):
    """Merge the most frequent pair until there are enough pieces, or none is frequent enough.

    Args:
        text, counts: see `spell_words`.
        slots: int32[2**m]. Rows of `pairs` plus 1, by hash; 0 is free.
        pairs: PAIR[rows].
        heap: HEAP_ENTRY[...].
        pieces: the table of pieces (see `counting`), with `##` where they continue a word.
        scratch: int32[>= 2 * max_pieces + 2], and uint8[...] for the longest piece and PADDING.
        states: STATE[1]. In and out.
    """
    state = states[0]
    touched, word = scratch
    used = pieces[5]
    state.reason = PAUSED
    for _ in range(state.max_merges):
        if used[0] >= state.max_pieces:
            state.reason = ENOUGH
            return
        # Each piece can become the left or right neighbour of the new one, and so can the new one.
        num_new = 2 * used[0] + 4
        num_rows = state.num_pairs + num_new
        if (
            num_rows > pairs.size
            or 2 * num_rows > slots.size
            or state.heap_size + num_new > heap.size
        ):
            state.reason = NO_ROOM
            return
        row = _pop_most_frequent(heap, pairs, state)
        if row < 0:
            state.reason = EXHAUSTED
            return
        left, right = pairs[row].left, pairs[row].right
        piece = _piece_of_pair(pieces, left, right, word)
        state.num_touched = 0
        while pairs[row].first >= 0:
            at = np.int64(pairs[row].first)
            if left == right:
                # Pairs overlap in a run of the same piece: begin at its start.
                while text[at - 1].piece == left:
                    at -= text[at - 1].size
            _merge_at(text, counts, slots, pairs, touched, state, at, piece)
        for i in range(state.num_touched):
            if pairs[touched[i]].count >= state.min_pair_count:
                push(heap, pairs, state, touched[i])
        state.num_merges += 1
