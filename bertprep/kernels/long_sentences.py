"""Long sentences -> parts of a bounded number of tokens, cut between words."""

import numpy as np

from bertprep.kernels.jit import njit
from bertprep.kernels.trie import CONTINUES

_ID = np.uint32(CONTINUES - 1)


@njit(allocates=False)
def _find_cut(tokens, pauses, start, target, limit):
    """Return the cut in (start, limit] nearest to `target`, or -1 if one word fills the range.

    A cut after a piece of `pauses`, at most a quarter of a part from the target, comes before the
    nearest word start; of two equally near, the earlier one is taken.
    """
    slack = (target - start) >> 2
    furthest = max(target - start, limit - target)
    word = -1
    for distance in range(furthest + 1):
        for side in range(2):
            place = target + distance if side else target - distance
            if place <= start or place > limit or (side and not distance):
                continue
            # More than the limit is left of the sentence, so that the place is before its end.
            if tokens[place] & CONTINUES:
                continue
            if distance <= slack and pauses[tokens[place - 1] & _ID]:
                return place
            if word < 0:
                word = place
        if word >= 0 and distance >= slack:
            break
    return word


@njit(allocates=False)
def cut_sentences(tokens, offsets, pauses, most, parts, ends):
    """Cut each sentence of more than `most` tokens into parts of about the same size.

    A word of more than `most` tokens is a part of its own.

    Args:
        tokens: uint32[num_tokens]. CONTINUES_WORD in the top bit.
        offsets: int64[num_sentences + 1].
        pauses: bool[size of the vocabulary]. Pieces that parts preferably end with.
        most: most tokens per part.
        parts: int64[num_sentences + 1]. Out: the parts before each sentence; the last is their
            number.
        ends: int64[num_parts], or size 0 to count them only. Out: the end of each part.
    """
    count = 0
    for sentence in range(offsets.size - 1):
        parts[sentence] = count
        start, end = offsets[sentence], offsets[sentence + 1]
        while end - start > most:
            size = end - start
            num_parts = (size + most - 1) // most
            target = start + (size + num_parts - 1) // num_parts
            place = _find_cut(tokens, pauses, start, target, start + most)
            if place < 0:
                place = start + most + 1
                while place < end and tokens[place] & CONTINUES:
                    place += 1
                if place == end:
                    break
            start = place
            if ends.size:
                ends[count] = start
            count += 1
        if ends.size:
            ends[count] = end
        count += 1
    parts[offsets.size - 1] = count
