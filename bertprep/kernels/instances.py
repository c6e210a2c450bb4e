"""Tokenized documents -> masked sentence pairs, draw for draw as the reference makes them.

A segment of a pair is a slice of the partition's tokens: sentences are contiguous, and truncation
only shortens a segment at its ends. So an instance is 32 bytes (two slices, a label, the start of
its masks) plus eight bytes per mask, and no token is copied.

Cost: about 0.75 us per instance of 128 tokens; a third of it is shuffling the candidates.
Source: create_instances_from_document, create_masked_lm_predictions and truncate_seq_pair of
google-research/bert.
"""

from typing import NamedTuple

import numpy as np

from bertprep.kernels.jit import njit
from bertprep.kernels.machine import count_trailing_zeros, prefetch
from bertprep.kernels.mt19937 import END, POSITION, ensure, fraction, randbelow, shuffle

#: One instance: two half-open slices of the tokens, its slice of the masks, and the pair's label.
INSTANCE = np.dtype(
    [
        ("a_start", np.int32),
        ("b_start", np.int32),
        ("a_length", np.int32),
        ("b_length", np.int32),
        ("first_mask", np.int64),
        ("num_masks", np.int32),
        ("label", np.int32),
    ]
)

#: One mask: its position in the instance, and the id that replaces the token there.
MASK = np.dtype([("position", np.int32), ("token_id", np.int32)])

#: How far `fill_instances` has come, and what it has counted. An array of one.
PROGRESS = np.dtype(
    [
        ("next_document", np.int64),
        ("num_instances", np.int64),
        ("num_masks", np.int64),
        ("num_random", np.int64),
        ("num_truncated", np.int64),
    ]
)

#: Rows of max_seq_length numbers that `fill_instances` needs as scratch.
SCRATCH_ROWS = 4

_HALF = np.uint32(1 << 31)


class Documents(NamedTuple):
    """Documents in the order in which instances are made of them.

    Attributes:
        tokens: uint32[num_tokens]. Id, and the top bit where the token continues a word.
        sentence_offsets: int64[num_sentences + 1]. Starts of the sentences in `tokens`.
        document_offsets: int64[num_documents + 1]. Starts of the documents among the sentences.
        order: int32[num_documents]. The shuffled documents.
    """

    tokens: np.ndarray
    sentence_offsets: np.ndarray
    document_offsets: np.ndarray
    order: np.ndarray


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
def _truncate(rng, position, instance, max_num_tokens):
    """Shortens the longer segment, token by token, until both fit; returns the new position."""
    a_length, b_length = np.int64(instance.a_length), np.int64(instance.b_length)
    a_front, b_front = np.int64(0), np.int64(0)
    left = a_length + b_length - max_num_tokens
    while left > 0:
        position = ensure(rng, position, 2)
        batch = min(left, (np.int64(rng[END]) - position) >> 1)
        left -= batch
        for _ in range(batch):
            # random() < 0.5 is the top bit of its first word; the second one does not matter.
            front = np.int64(rng[np.uint64(position)] < _HALF)
            position += 2
            from_a = np.int64(a_length > b_length)
            a_length -= from_a
            b_length -= 1 - from_a
            a_front += front & from_a
            b_front += front & (1 - from_a)
    instance.a_start += a_front
    instance.b_start += b_front
    instance.a_length = a_length
    instance.b_length = b_length
    return position


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
def _mask(rng, position, instance, tokens, settings, replacements, scratch, masks):
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
            # Not a function of its own: called or inlined, it costs a quarter more per instance.
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
    rng[POSITION] = _mask(
        *(rng, np.int64(rng[POSITION]), instances[0], tokens),
        *(settings, replacements, scratch, masks),
    )


@njit()
def _draw_random_next(
    rng, position, at, order, sentence_offsets, document_offsets, target_length, fix_quirks
):
    """The first and the end sentence of a random segment B, and the new position.

    `at` is the index in `documents.order` of the document that A is from.
    """
    if fix_quirks:
        chosen, position = randbelow(rng, position, order.size - 1)
        chosen += chosen >= at
    else:
        # Reference quirk: the tenth draw is used even where it is this very document.
        chosen = at
        for _ in range(10):
            chosen, position = randbelow(rng, position, order.size)
            if chosen != at:
                break
    document = order[chosen]
    first, last = document_offsets[document], document_offsets[document + 1]
    start, position = randbelow(rng, position, last - first)
    start += first
    end = start + 1
    while end < last and sentence_offsets[end] - sentence_offsets[start] < target_length:
        end += 1
    return start, end, position


@njit()
def _draw_target(rng, position, settings):
    """The number of tokens that a document's pairs aim at, and the new position."""
    target = settings.max_seq_length - 3
    position = ensure(rng, position, 2)
    is_short = fraction(rng, position) < settings.short_seq_below
    position += 2
    if is_short:
        target, position = randbelow(rng, position, settings.max_seq_length - 4)
        target += 2
    return target, position


@njit()
def fill_instances(rng, documents, settings, tables, scratch, instances, masks, progress):
    """Makes the instances of the documents from `progress[0].next_document` on.

    Stops before a document whose instances might not fit; call again with larger outputs.

    Args:
        rng: a generator of `mt19937.seeded`.
        documents: Documents.
        settings: Settings.
        tables: Tables.
        scratch: int32[SCRATCH_ROWS * max_seq_length], zero.
        instances: INSTANCE[...]. Out.
        masks: MASK[...]. Out.
        progress: PROGRESS[1]. In and out.
    """
    # Arrays leave their tuples once: each time costs a counted reference. For the same reason
    # choosing the pair is no function of its own: with the arrays in a tuple it costs 4 % more.
    sentence_offsets, tokens = documents.sentence_offsets, documents.tokens
    document_offsets, order = documents.document_offsets, documents.order
    budgets, replacements = tables.budgets, tables.replacements
    max_num_tokens = settings.max_seq_length - 3
    state = progress[0]
    count, num_masks, at = state.num_instances, state.num_masks, state.next_document
    position = np.int64(rng[POSITION])
    while at < order.size:
        document = order[at]
        first, last = document_offsets[document], document_offsets[document + 1]
        most = last - first
        if (
            count + most > instances.size
            or num_masks + most * settings.max_predictions > masks.size
        ):
            break
        target, position = _draw_target(rng, position, settings)
        chunk = sentence = first
        while sentence < last:
            sentence += 1
            length = sentence_offsets[sentence] - sentence_offsets[chunk]
            if sentence < last and length < target:
                continue
            a_end = chunk + 1
            is_random = sentence - chunk == 1
            if not is_random:
                drawn, position = randbelow(rng, position, sentence - chunk - 1)
                a_end += drawn
                position = ensure(rng, position, 2)
                is_random = rng[position] < _HALF
                position += 2
            b_start, b_end = a_end, sentence
            a_length = sentence_offsets[a_end] - sentence_offsets[chunk]
            if is_random:
                b_start, b_end, position = _draw_random_next(
                    *(rng, position, at, order, sentence_offsets, document_offsets),
                    *(target - a_length, settings.fix_quirks),
                )
                sentence = a_end  # the sentences after A are put back
            instance = instances[count]
            instance.a_start, instance.a_length = sentence_offsets[chunk], a_length
            instance.b_start = sentence_offsets[b_start]
            instance.b_length = sentence_offsets[b_end] - sentence_offsets[b_start]
            instance.label = is_random
            for i in range(0, min(instance.b_length, max_num_tokens), 16):
                prefetch(tokens, instance.b_start + i)
            state.num_truncated += max(a_length + instance.b_length - max_num_tokens, 0)
            position = _truncate(rng, position, instance, max_num_tokens)
            instance.first_mask = num_masks
            instance.num_masks = budgets[instance.a_length + instance.b_length + 3]
            position = _mask(
                rng, position, instance, tokens, settings, replacements, scratch, masks
            )
            num_masks += instance.num_masks
            state.num_random += is_random
            count += 1
            chunk = sentence
        at += 1
    rng[POSITION] = position
    state.next_document, state.num_instances, state.num_masks = at, count, num_masks
