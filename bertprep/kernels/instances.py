"""Tokenized documents -> training instances: sentence pairs and masks, draw for draw.

A segment of an instance is a slice of the partition's tokens, since sentences lie behind each
other and truncation only shortens at the ends. So an instance is 32 bytes (two slices, a label,
where its masks start) and eight bytes a mask, and nothing is copied.

Cost: about 0.75 us an instance of 128 tokens; a third of it is the shuffle of the candidates.
Source: create_instances_from_document, create_masked_lm_predictions and truncate_seq_pair of
google-research/bert, draw for draw.
"""

import numpy as np

from bertprep.kernels.jit import njit
from bertprep.kernels.machine import count_trailing_zeros, prefetch
from bertprep.kernels.mt19937 import END, POSITION, ensure, fraction, randbelow, shuffle

#: One instance: two half-open slices of the tokens, and its slice of the masks.
INSTANCE = np.dtype(
    [
        ("a_start", np.int32),
        ("b_start", np.int32),
        ("a_length", np.int32),
        ("b_length", np.int32),
        ("first_mask", np.int64),
        ("num_masks", np.int32),
        ("is_random_next", np.int32),
    ]
)

#: One mask: its position in the instance, and the id that stands there afterwards.
MASK = np.dtype([("position", np.int32), ("token_id", np.int32)])

# Fields of `settings: int64[NUM_TO_PREDICT + max_seq_length + 1]`. Probabilities are numerators
# over RANDOM_UNIT; from NUM_TO_PREDICT on stands the number of masks for each number of tokens.
(
    MAX_SEQ_LENGTH,
    MAX_PREDICTIONS,
    SHORT_SEQ_BELOW,
    FIX_QUIRKS,
    WHOLE_WORD_MASK,
    MASK_ID,
    MASK_BELOW,
    KEEP_BELOW,
    NUM_TO_PREDICT,
) = range(9)

# Fields of `progress: int64[PROGRESS_SIZE]`, in and out of `fill_instances`.
NEXT_DOCUMENT, NUM_INSTANCES, NUM_MASKS, NUM_RANDOM_NEXT, NUM_TRUNCATED, PROGRESS_SIZE = range(6)

#: Rows of max_seq_length numbers that `fill_instances` wants as scratch.
SCRATCH_ROWS = 4

_HALF = np.uint32(1 << 31)


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
            # random() < 0.5 is the top bit of its first word; the second has no say.
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
    """Writes where each candidate starts among the instance's A and B tokens; returns their number.

    Reference quirk: the rest of a word that B was cut in joins the last word of A.
    """
    # A token below this starts a candidate: one that starts a word, or any.
    below = np.int64(_HALF) << (settings[WHOLE_WORD_MASK] ^ 1)
    count = np.int64(0)
    a_length = np.int64(instance.a_length)
    for segment in range(2):
        first = np.int64(instance.b_start if segment else instance.a_start)
        size = np.int64(instance.b_length if segment else instance.a_length)
        at = a_length if segment else np.int64(0)
        if segment == 0 or settings[FIX_QUIRKS]:
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
def _mask(rng, position, instance, tokens, settings, replacements, scratch, masks, first):
    """Draws one instance's masks into `masks` from `first` on; returns their end, the position."""
    max_seq_length = settings[MAX_SEQ_LENGTH]
    starts = scratch[max_seq_length : 2 * max_seq_length]
    replaced_at, bits_at = 2 * max_seq_length, 3 * max_seq_length
    num_candidates = _find_candidates(tokens, instance, settings, starts)
    for i in range(num_candidates):
        scratch[i] = i
    position = shuffle(rng, position, scratch, num_candidates)

    a_length = np.int64(instance.a_length)
    to_a, to_b = np.int64(instance.a_start), np.int64(instance.b_start) - a_length
    num_tokens = a_length + instance.b_length + 3
    target = settings[NUM_TO_PREDICT + num_tokens]
    mask_below, keep_below = settings[MASK_BELOW], settings[KEEP_BELOW]
    num = np.int64(0)
    for i in range(num_candidates):
        if num >= target:
            break
        candidate = np.uint64(scratch[i])
        at = np.int64(starts[candidate])
        end = np.int64(starts[candidate + np.uint64(1)])
        if num + end - at > target:
            continue
        num += end - at
        while at < end:
            in_b = np.int64(at >= a_length)
            masked = settings[MASK_ID]
            position = ensure(rng, position, 4)
            draw = fraction(rng, position)
            position += 2
            if draw >= mask_below:
                draw = fraction(rng, position)
                position += 2
                if draw < keep_below:
                    token = tokens[np.uint64(at + (to_b if in_b else to_a))]
                    masked = np.int64(token & np.uint32(0x7FFFFFFF))
                else:
                    chosen, position = randbelow(rng, position, replacements.size)
                    masked = np.int64(replacements[np.uint64(chosen)])
            place = at + 1 + in_b
            scratch[np.uint64(replaced_at + place)] = masked
            scratch[np.uint64(bits_at + (place >> 5))] |= np.int32(1) << np.int32(place & 31)
            at += 1
    # The set bits are the positions in ascending order.
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
    return first, position


@njit()
def mask_instance(rng, tokens, instances, settings, replacements, scratch, masks):
    """Masks `instances[0]` alone; returns the number of masks. Arguments as `fill_instances`."""
    position = np.int64(rng[POSITION])
    num_masks, position = _mask(
        rng, position, instances[0], tokens, settings, replacements, scratch, masks, 0
    )
    rng[POSITION] = position
    return num_masks


@njit()
def _draw_random_next(
    rng, position, at, order, sentence_offsets, document_offsets, target_length, fix_quirks
):
    """The first and the end sentence of a random segment B, and the new position.

    `at` is the place in `order` of the document that A is from.
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
def fill_instances(
    rng,
    tokens,
    sentence_offsets,
    document_offsets,
    order,
    settings,
    replacements,
    scratch,
    instances,
    masks,
    progress,
):
    """Makes the instances of the documents in `order`, from `progress[NEXT_DOCUMENT]` on.

    Stops before a document whose instances might not fit; call again with larger outputs.

    Args:
        rng: the generator, see `mt19937.seeded`.
        tokens: uint32[num_tokens]. Id, and the top bit where the token continues a word.
        sentence_offsets: int64[num_sentences + 1]. Where sentences start in `tokens`.
        document_offsets: int64[num_documents + 1]. Where documents start among the sentences.
        order: int32[num_documents]. The shuffled documents.
        settings: int64[...]. The fields named above.
        replacements: int32[...]. The ids that may replace a token.
        scratch: int32[SCRATCH_ROWS * max_seq_length], zero.
        instances: INSTANCE[...]. Out.
        masks: MASK[...]. Out.
        progress: int64[PROGRESS_SIZE]. In and out.
    """
    max_num_tokens = settings[MAX_SEQ_LENGTH] - 3
    count, num_masks = progress[NUM_INSTANCES], progress[NUM_MASKS]
    at = progress[NEXT_DOCUMENT]
    position = np.int64(rng[POSITION])
    while at < order.size:
        document = order[at]
        first, last = document_offsets[document], document_offsets[document + 1]
        most = last - first
        if (
            count + most > instances.size
            or num_masks + most * settings[MAX_PREDICTIONS] > masks.size
        ):
            break
        target = max_num_tokens
        position = ensure(rng, position, 2)
        is_short = fraction(rng, position) < settings[SHORT_SEQ_BELOW]
        position += 2
        if is_short:
            target, position = randbelow(rng, position, max_num_tokens - 1)
            target += 2
        chunk = sentence = first
        while sentence < last:
            sentence += 1
            length = sentence_offsets[sentence] - sentence_offsets[chunk]
            if sentence < last and length < target:
                continue
            num_sentences = sentence - chunk
            a_end = chunk + 1
            is_random = num_sentences == 1
            if num_sentences >= 2:
                drawn, position = randbelow(rng, position, num_sentences - 1)
                a_end += drawn
                position = ensure(rng, position, 2)
                is_random = rng[position] < _HALF
                position += 2
            b_start, b_end = a_end, sentence
            a_length = sentence_offsets[a_end] - sentence_offsets[chunk]
            if is_random:
                b_start, b_end, position = _draw_random_next(
                    rng,
                    position,
                    at,
                    order,
                    sentence_offsets,
                    document_offsets,
                    target - a_length,
                    settings[FIX_QUIRKS],
                )
                sentence = a_end  # the sentences after A are put back
            instance = instances[count]
            instance.a_start, instance.a_length = sentence_offsets[chunk], a_length
            instance.b_start = sentence_offsets[b_start]
            instance.b_length = sentence_offsets[b_end] - sentence_offsets[b_start]
            instance.is_random_next = is_random
            for i in range(0, min(instance.b_length, max_num_tokens), 16):
                prefetch(tokens, instance.b_start + i)
            excess = a_length + instance.b_length - max_num_tokens
            progress[NUM_TRUNCATED] += max(excess, 0)
            position = _truncate(rng, position, instance, max_num_tokens)
            instance.first_mask = num_masks
            num_masks, position = _mask(
                rng, position, instance, tokens, settings, replacements, scratch, masks, num_masks
            )
            instance.num_masks = num_masks - instance.first_mask
            progress[NUM_RANDOM_NEXT] += is_random
            count += 1
            chunk = sentence
        at += 1
    rng[POSITION] = position
    progress[NEXT_DOCUMENT], progress[NUM_INSTANCES], progress[NUM_MASKS] = at, count, num_masks
