"""An instance's tokens -> its masks, draw for draw as the reference draws them.

Cost: about 0.5 us per instance of 128 tokens; half of it is shuffling the candidates.
Source: create_masked_lm_predictions of google-research/bert.
"""

from typing import NamedTuple

import numpy as np

from bertprep.kernels.jit import njit
from bertprep.kernels.machine import count_trailing_zeros
from bertprep.kernels.mt19937 import POSITION, ensure, fraction, randbelow, shuffle

#: One mask: its position in the instance, and the id that replaces the token there.
MASK = np.dtype([("position", np.int32), ("token_id", np.int32)])

#: Rows of max_seq_length numbers that `fill_instances` needs as scratch.
SCRATCH_ROWS = 4


class Settings(NamedTuple):
    """The instance options. Probabilities are numerators over RANDOM_UNIT.

    Attributes:
        short_seq_below, mask_below, keep_below: a draw below it means yes.
        starts_below: a token below it starts a candidate.
    """

    max_seq_length: int
    max_predictions: int
    short_seq_below: int
    fix_quirks: int
    starts_below: int
    mask_id: int
    mask_below: int
    keep_below: int


class Tables(NamedTuple):
    """What is looked up for each instance and each mask.

    Attributes:
        budgets: int64[max_seq_length + 1]. Masks of a sequence, by its number of tokens.
        replacements: int32[...]. Ids that may replace a token.
    """

    budgets: np.ndarray
    replacements: np.ndarray


@njit()
def _find_candidates(tokens, instance, settings, starts):
    """Writes where each candidate starts among A's and B's tokens; returns their number.

    Reference quirk: if truncation cut B inside a word, the rest of it joins the last word of A.
    """
    below = settings.starts_below
    count = np.int64(0)
    a_length = np.int64(instance.a_length)
    for segment in range(2):
        first = np.int64(instance.b_start if segment else instance.a_start)
        size = np.int64(instance.b_length if segment else instance.a_length)
        at = a_length if segment else np.int64(0)
        if segment == 0 or settings.fix_quirks:
            starts[count] = at
            count += 1
            first += 1
            at += 1
            size -= 1
        for i in range(size):
            starts[np.uint64(count)] = at + i
            count += np.int64(tokens[np.uint64(first + i)]) < below
    starts[count] = a_length + instance.b_length
    return count


@njit()
def mask(rng, position, instance, tokens, settings, replacements, scratch, masks):
    """Draws one instance's masks, at most `num_masks`; sets their number, returns the position."""
    max_seq_length = settings.max_seq_length
    starts = scratch[max_seq_length : 2 * max_seq_length]
    replaced_at, bits_at = 2 * max_seq_length, 3 * max_seq_length
    num_candidates = _find_candidates(tokens, instance, settings, starts)
    for i in range(num_candidates):
        scratch[i] = i
    position = shuffle(rng, position, scratch, num_candidates)

    a_length = np.int64(instance.a_length)
    to_a, to_b = np.int64(instance.a_start), np.int64(instance.b_start) - a_length
    num_tokens = a_length + instance.b_length + 3
    budget = np.int64(instance.num_masks)
    num = np.int64(0)
    for i in range(num_candidates):
        if num >= budget:
            break
        candidate = np.uint64(scratch[i])
        at = np.int64(starts[candidate])
        end = np.int64(starts[candidate + np.uint64(1)])
        if num + end - at > budget:
            continue
        num += end - at
        while at < end:
            in_b = np.int64(at >= a_length)
            # Not a separate function: called or inlined, it costs a quarter more per instance.
            replacement = settings.mask_id
            position = ensure(rng, position, 4)
            draw = fraction(rng, position)
            position += 2
            if draw >= settings.mask_below:
                draw = fraction(rng, position)
                position += 2
                if draw < settings.keep_below:
                    token = tokens[np.uint64(at + (to_b if in_b else to_a))]
                    replacement = np.int64(token & np.uint32(0x7FFFFFFF))
                else:
                    chosen, position = randbelow(rng, position, replacements.size)
                    replacement = np.int64(replacements[np.uint64(chosen)])
            place = at + 1 + in_b
            scratch[np.uint64(replaced_at + place)] = replacement
            scratch[np.uint64(bits_at + (place >> 5))] |= np.int32(1) << np.int32(place & 31)
            at += 1
    # The set bits are the positions in ascending order.
    first = instance.first_mask
    for part in range((num_tokens + 31) >> 5):
        rest = np.uint64(np.uint32(scratch[bits_at + part]))
        scratch[bits_at + part] = 0
        while rest:
            place = part * 32 + count_trailing_zeros(rest)
            rest &= rest - np.uint64(1)
            mask = masks[np.uint64(first)]
            mask.position = place
            mask.token_id = scratch[np.uint64(replaced_at + place)]
            first += 1
    instance.num_masks = first - instance.first_mask
    return position


@njit()
def mask_instance(rng, tokens, instances, settings, replacements, scratch, masks):
    """Masks `instances[0]` alone, with at most its `num_masks`. Arguments as `fill_instances`."""
    rng[POSITION] = mask(
        *(rng, np.int64(rng[POSITION]), instances[0], tokens),
        *(settings, replacements, scratch, masks),
    )
