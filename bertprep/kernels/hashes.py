"""A row of numbers -> its hash; sorted hashes -> how many are equal, in one array and in two.

Cost: 0.2 us per record of 128 tokens; a nanosecond per hash that is compared.
"""

import numpy as np

from bertprep.kernels.jit import inlined, njit

#: Fractions of the golden ratio and of the square root of two.
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0x6A09E667F3BCC909)


@inlined()
def _mixed(state, word):
    state = (state ^ word) * _SPREAD
    return state ^ (state >> np.uint64(32))


@inlined()
def _two(row, at):
    low = np.uint64(np.uint32(row[np.uint64(at)]))
    return low | np.uint64(np.uint32(row[np.uint64(at + 1)])) << np.uint64(32)


@njit()
def hash_row(row):
    """The hash of all numbers of a row; in four chains, since a step waits for the one before."""
    first, second, third, fourth = _SPREAD, _MIX, ~_SPREAD, ~_MIX
    at = 0
    while at + 8 <= row.size:
        first = _mixed(first, _two(row, at))
        second = _mixed(second, _two(row, at + 2))
        third = _mixed(third, _two(row, at + 4))
        fourth = _mixed(fourth, _two(row, at + 6))
        at += 8
    while at < row.size:
        first = _mixed(first, np.uint64(np.uint32(row[np.uint64(at)])))
        at += 1
    state = _mixed(_mixed(_mixed(first, second), third), fourth)
    return _mixed(state * _MIX, state >> np.uint64(29))


@njit()
def count_copies(hashes):
    """Counts equal hashes.

    Args:
        hashes: uint64[...]. Sorted.

    Returns:
        The number of hashes equal to the one before; the size of the largest group; the sum of the
        squares of all groups' sizes; and, of hashes with the lowest bit set, their number and the
        first count again.
    """
    duplicates = largest = certain = certain_duplicates = size = np.int64(0)
    squares = 0.0
    for i in range(hashes.size):
        is_certain = np.int64(hashes[i] & np.uint64(1))
        is_equal = np.int64(i > 0 and hashes[i] == hashes[i - 1])
        size = size * is_equal + 1
        squares += 2.0 * size - 1.0
        largest = max(largest, size)
        duplicates += is_equal
        certain += is_certain
        certain_duplicates += is_equal & is_certain
    return duplicates, largest, squares, certain, certain_duplicates


@njit()
def count_common(left, right):
    """The number of hashes that two sorted arrays share, each as often as both have it."""
    common = i = j = np.int64(0)
    while i < left.size and j < right.size:
        if left[i] == right[j]:
            common += 1
            i += 1
            j += 1
        elif left[i] < right[j]:
            i += 1
        else:
            j += 1
    return common
