"""Tokenized documents -> masked sentence pairs, draw for draw as the reference makes them.

A segment of a pair is a slice of the partition's tokens: sentences are contiguous, and truncation
only shortens a segment at its ends. So an instance is 32 bytes (two slices, a label, the start of
its masks) plus eight bytes per mask, and no token is copied.

Cost: about 0.75 us per instance of 128 tokens, masks included.
Source: create_instances_from_document and truncate_seq_pair of google-research/bert.
"""

from typing import NamedTuple

import numpy as np

from bertprep.kernels.jit import njit
from bertprep.kernels.machine import prefetch
from bertprep.kernels.masking import mask
from bertprep.kernels.mt19937 import END, POSITION, ensure, fraction, randbelow

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
    # choosing the pair is not a separate function: with the arrays in a tuple it costs 4 % more.
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
            position = mask(rng, position, instance, tokens, settings, replacements, scratch, masks)
            num_masks += instance.num_masks
            state.num_random += is_random
            count += 1
            chunk = sentence
        at += 1
    rng[POSITION] = position
    state.next_document, state.num_instances, state.num_masks = at, count, num_masks
