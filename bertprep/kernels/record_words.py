"""The WordPiece tokens of a record -> its words, which of them are masked, and the expected masks.

Most words are a single token. Only the others are listed: `words` holds first position, end
(exclusive) and size of each. "Single tokens" below are the tokens of all words that are not listed.
`bounds` is the end of A and start and end of B; A starts at 1.
"""

import numpy as np

from bertprep.kernels.jit import inlined


@inlined()
def list_words(continuing, num_continuing, bounds, is_joined, words):
    """List the words of several tokens; return their number.

    B may begin inside a word. The reference joins that rest to the last word of A, other tools do
    not: where `is_joined`, both are listed with a size of 0, whatever their length.
    """
    a_stop, b_start, b_stop = bounds
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
def count_words(words, num_words, is_masked, bounds, whole_words, totals, sizes):
    """Count the masks of the listed words by word size, and those of the single tokens.

    `sizes` gets per size: tokens, masked tokens, and words that could take another mask.

    Returns:
        The single tokens, the masked ones among them, and the listed words with a mask.
    """
    a_stop, b_start, b_stop = bounds
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
        sizes[2, size] += masked < end - first if not whole_words else masked == 0
        if masked > 0 and (size > 0 or (end - first > 1 and first != b_start)):
            totals.touched_words += 1
            totals.split_words += masked < end - first
    return num_single, num_single_masked, num_words_masked


@inlined()
def expect_masks(words, num_words, is_masked, bounds, share, sizes, positions):
    """Add the expected masks of each position and their variance; clear `sizes`.

    Within a record, all words of one size are equally likely to be masked. Words of different sizes
    are not: near the end of the budget a long word is passed over where a short one still fits.

    Returns:
        The size of the shortest listed word that could take another mask; if there is none, a
        number larger than any size.
    """
    a_stop, b_start, b_stop = bounds
    expected, variances = positions
    variance = share * (1.0 - share)
    for i in range(1, a_stop):
        expected[np.uint64(i)] += share
        variances[np.uint64(i)] += variance
    for i in range(b_start, b_stop):
        expected[np.uint64(i)] += share
        variances[np.uint64(i)] += variance
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
            expected[np.uint64(i)] += own - share
            variances[np.uint64(i)] += own_variance - variance
    for word in range(num_words):
        sizes[:, words[2, np.uint64(word)]] = 0
    return shortest
