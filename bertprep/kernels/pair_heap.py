"""A heap of pairs of pieces, most frequent first; a tie goes to the older left, then right piece.

    push(heap, pairs, state, row)
    count, row = heap[0].count, heap[0].row
    pop(heap, pairs, state)

A pair's count may change while it waits: an entry keeps the count that it was pushed with.
"""

import numpy as np

from bertprep.kernels.jit import njit

#: One pair: its pieces, its count, its first position, and the last merge that changed it.
PAIR = np.dtype(
    [
        ("left", np.int32),
        ("right", np.int32),
        ("count", np.int64),
        ("first", np.int32),
        ("changed_by", np.int32),
    ]
)

#: One entry of the heap: a row of `pairs`, and its count when it was entered.
HEAP_ENTRY = np.dtype([("count", np.int64), ("row", np.int32)])


@njit()
def _precedes(pairs, count, row, other_count, other):
    if count != other_count:
        return count > other_count
    if pairs[row].left != pairs[other].left:
        return pairs[row].left < pairs[other].left
    return pairs[row].right < pairs[other].right


@njit()
def push(heap, pairs, state, row):
    """Add a row of `pairs` with its present count; the heap has room for it."""
    count = pairs[row].count
    at = state.heap_size
    state.heap_size = at + 1
    while at > 0:
        parent = (at - 1) >> 1
        if not _precedes(pairs, count, row, heap[parent].count, heap[parent].row):
            break
        heap[at].count, heap[at].row = heap[parent].count, heap[parent].row
        at = parent
    heap[at].count, heap[at].row = count, row


@njit()
def pop(heap, pairs, state):
    """Remove the first entry of the heap, which is not empty."""
    size = state.heap_size - 1
    state.heap_size = size
    count, row = heap[size].count, heap[size].row
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        right = child + 1
        if right < size and _precedes(
            pairs, heap[right].count, heap[right].row, heap[child].count, heap[child].row
        ):
            child = right
        if not _precedes(pairs, heap[child].count, heap[child].row, count, row):
            break
        heap[at].count, heap[at].row = heap[child].count, heap[child].row
        at = child
    heap[at].count, heap[at].row = count, row
