"""The pieces of a record -> its words, which of them are masked, and what to expect.

Only words that are not one piece are gone through, one by one; most words are one piece.
"""

import numpy as np

from bertprep.kernels.jit import inlined
from bertprep.kernels.measure_fields import SPLIT_WORDS, TOUCHED_WORDS


@inlined()
def list_words(continuing, num_continuing, a_stop, b_start, b_stop, is_joined, words):
    """Lists first piece, end and size of each word of several pieces; returns their number.

    B may begin inside a word, which the reference joins to the last one of A, and others do not:
    these two are listed whatever their size, which is said to be 0.
    """
    count = np.int64(0)
    for i in range(num_continuing):
        at = continuing[np.uint64(i)]
        if not (1 < at < a_stop or b_start < at < b_stop):
            continue
        if count > 0 and words[1, np.uint64(count - 1)] == at:
            words[1, np.uint64(count - 1)] += 1
            words[2, np.uint64(count - 1)] += 1
        else:
            words[0, np.uint64(count)], words[1, np.uint64(count)] = at - 1, at + 1
            words[2, np.uint64(count)] = 2
            count += 1
    if is_joined:
        has_last = has_first = False
        for i in range(count):
            is_last, is_first = words[1, i] == a_stop, words[0, i] == b_start
            has_last |= is_last
            has_first |= is_first
            if is_last or is_first:
                words[2, i] = 0
        if not has_last:
            words[0, count], words[1, count], words[2, count] = a_stop - 1, a_stop, 0
            count += 1
        if not has_first:
            words[0, count], words[1, count], words[2, count] = b_start, b_start + 1, 0
            count += 1
    return count


@inlined()
def count_words(words, num_words, is_masked, a_stop, b_start, b_stop, has_words, counts, sizes):
    """Counts the masks of the listed words by their size, and those of the single pieces.

    Returns:
        The number of single pieces; of masked ones; and of masked words that are listed.
    """
    num_single, num_single_masked = a_stop - 1 + b_stop - b_start, np.int64(0)
    num_words_masked = np.int64(0)
    for i in range(1, a_stop):
        num_single_masked += is_masked[np.uint64(i)]
    for i in range(b_start, b_stop):
        num_single_masked += is_masked[np.uint64(i)]
    for word in range(num_words):
        first, end = words[0, np.uint64(word)], words[1, np.uint64(word)]
        masked = np.int64(0)
        for i in range(first, end):
            masked += is_masked[np.uint64(i)]
        num_single -= end - first
        num_single_masked -= masked
        num_words_masked += masked > 0
        size = np.uint64(words[2, np.uint64(word)])
        sizes[0, size] += end - first
        sizes[1, size] += masked
        sizes[2, size] += masked < end - first if not has_words else masked == 0
        if masked > 0 and (size > 0 or (end - first > 1 and first != b_start)):
            counts[TOUCHED_WORDS] += 1
            counts[SPLIT_WORDS] += masked < end - first
    return num_single, num_single_masked, num_words_masked


@inlined()
def expect_masks(words, num_words, is_masked, a_stop, b_start, b_stop, share, sizes, positions):
    """Adds the masks that each position is to expect, and their variance; empties `sizes`.

    In a record masks fall on all words of a size alike; not on all words, since at the end of the
    budget a long one is passed over where a short one fits.

    Returns:
        The size of the shortest listed word without a mask; if there is none, more than any has.
    """
    variance = share * (1.0 - share)
    for i in range(1, a_stop):
        positions[0, np.uint64(i)] += share
        positions[1, np.uint64(i)] += variance
    for i in range(b_start, b_stop):
        positions[0, np.uint64(i)] += share
        positions[1, np.uint64(i)] += variance
    shortest = np.int64(is_masked.size)
    for word in range(num_words):
        size = words[2, np.uint64(word)]
        own = sizes[1, np.uint64(size)] / sizes[0, np.uint64(size)]
        own_variance = own * (1.0 - own)
        if size > 0 and sizes[2, np.uint64(size)] > 0:
            shortest = min(shortest, size)
        for i in range(words[0, np.uint64(word)], words[1, np.uint64(word)]):
            if size == 0:
                own, own_variance = np.float64(is_masked[np.uint64(i)]), 0.0
            positions[0, np.uint64(i)] += own - share
            positions[1, np.uint64(i)] += own_variance - variance
    for word in range(num_words):
        sizes[:, words[2, np.uint64(word)]] = 0
    return shortest
