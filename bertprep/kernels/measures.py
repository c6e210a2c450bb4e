"""Rows of records -> counts, histograms and a hash of each record, in one pass.

A row holds the features as `examples` lays them out, with L max_seq_length and P max_predictions:
three times L integers, three times P (the last P by the bits of float32), one integer. "Restored"
text has the labels back at the masks. Whatever stands in a row, nothing outside it is touched.

Cost: 0.7 us a record of 128 tokens.
"""

import numpy as np

from bertprep.kernels import measure_fields as at
from bertprep.kernels.examples import READ
from bertprep.kernels.hashes import hash_row
from bertprep.kernels.jit import inlined, njit
from bertprep.kernels.words import count_words, expect_masks, list_words

#: Columns of `contexts`. What too many contexts share is given to the most common of them.
NUM_CONTEXTS = 1 << 14
_WAYS = 8
_SPREAD = np.uint64(0x9E3779B97F4A7C15)

#: The lowest bit of a hash tells that the record is equal to no other by chance, even where the
#: text is the same: so many of so many words can be masked in 10**9 ways.
MANY_WORDS, MANY_MASKED = 40, 8


@inlined()
def _count_tokens(row, length):
    """Tokens up to the last that the mask lets through; up to the last id but 0 without one."""
    count = length
    while count > 0 and row[np.uint64(length + count - 1)] == 0:
        count -= 1
    if count == 0:
        count = length
        while count > 0 and row[np.uint64(count - 1)] == 0:
            count -= 1
    return count


@inlined()
def _restore(row, settings, num_tokens, b_start, kinds_by_id, counts, restored, is_masked):
    """Puts the labels back, counts the masks and marks where they are; returns their number."""
    length, predictions = settings[at.MAX_SEQ_LENGTH], settings[at.MAX_PREDICTIONS]
    mask_id, size = np.int32(settings[at.MASK_ID]), np.uint32(settings[at.VOCABULARY_SIZE])
    mask_positions = counts[settings[at.MASK_POSITIONS] :]
    for i in range(num_tokens):
        restored[np.uint64(i)] = row[np.uint64(i)]
        is_masked[np.uint64(i)] = 0
    num_masks = num_mask_tokens = num_kept = num_replaced = num_stray = np.int64(0)
    for i in range(3 * length, 3 * length + predictions):
        if row[np.uint64(i + 2 * predictions)] & np.int32(0x7FFFFFFF) == 0:  # 0.0 or -0.0
            continue
        num_masks += 1
        position, label = np.int64(row[np.uint64(i)]), row[np.uint64(i + predictions)]
        if position < length:
            mask_positions[np.uint64(position)] += 1
        if position >= num_tokens:
            num_stray += 1
            continue
        num_stray += (position == 0) | (position == b_start - 1) | (position == num_tokens - 1)
        now = row[np.uint64(position)]
        is_mask, is_label = now == mask_id, now == label
        num_mask_tokens += is_mask
        num_kept += is_label & (not is_mask)
        is_replaced = not (is_mask | is_label)
        num_replaced += is_replaced
        if is_replaced and np.uint32(now) < size:
            counts[at.SPECIAL_REPLACEMENTS] += kinds_by_id[np.uint32(now)] & at.RESERVED != 0
        if np.uint32(label) < size:
            counts[at.SPECIAL_LABELS] += kinds_by_id[np.uint32(label)] & at.RESERVED != 0
        restored[np.uint64(position)] = label
        is_masked[np.uint64(position)] = 1
    counts[at.MASKS] += num_masks
    counts[at.MASK_TOKENS] += num_mask_tokens
    counts[at.KEPT] += num_kept
    counts[at.REPLACED] += num_replaced
    counts[at.STRAY_MASKS] += num_stray
    counts[settings[at.MASKS_PER_RECORD] + num_masks] += 1
    return num_masks


@inlined()
def _count_context(contexts, counts, before, behind):
    """Counts an [UNK] between two pieces; the rarest context of a set makes room."""
    key = np.int64(1) << 62 | np.int64(before) << 31 | np.int64(behind)
    spread = np.uint64(key) * _SPREAD >> np.uint64(40)
    first = np.int64(spread & np.uint64(NUM_CONTEXTS - _WAYS))
    place, is_found = first, False
    for i in range(first, first + _WAYS):
        if contexts[0, i] == key:
            place, is_found = i, True
        elif not is_found and contexts[1, i] < contexts[1, place]:
            place = i
    if not is_found:
        counts[at.UNKNOWN_CONTEXTS_LEFT_OUT] += contexts[1, place]
        contexts[0, place], contexts[1, place] = key, 0
    contexts[1, place] += 1


@inlined()
def _count_pieces(
    restored, settings, num_tokens, b_start, kinds_by_id, counts, contexts, kinds, continuing
):
    """Counts pieces and what is out of its place; lists where a piece continues a word."""
    size = np.uint32(settings[at.VOCABULARY_SIZE])
    cls_id, sep_id = settings[at.CLS_ID], settings[at.SEP_ID]
    pieces, misplaced = counts[settings[at.PIECES] :], counts[settings[at.MISPLACED] :]
    num_continuing = num_odd = np.int64(0)
    for i in range(num_tokens):
        token, kind = np.uint32(restored[np.uint64(i)]), np.uint8(0)
        if token < size:
            kind = kinds_by_id[token]
            pieces[token] += 1
        else:
            restored[np.uint64(i)] = -1  # it has no name
            counts[at.OUTSIDE_VOCABULARY] += 1
        kinds[np.uint64(i)] = kind
        continuing[np.uint64(num_continuing)] = i
        num_continuing += kind & np.uint8(at.CONTINUES)
        num_odd += kind & np.uint8(at.SPECIAL | at.IS_UNKNOWN) != 0
    # [CLS] and [SEP] in their places are no pieces of the text.
    has_b, last = 0 < b_start < num_tokens, num_tokens - 1
    has_cls = num_tokens > 0 and restored[0] == cls_id
    has_sep = has_b and b_start > 1 and restored[b_start - 1] == sep_id
    has_last_sep = last > 0 and restored[last] == sep_id
    num_in_place = np.int64(has_cls) + has_sep + has_last_sep
    pieces[cls_id] -= has_cls
    pieces[sep_id] -= num_in_place - has_cls
    counts[at.MISSING_SPECIALS] += 2 + has_b - num_in_place
    for i in range(num_tokens if num_odd > num_in_place else 0):
        kind, token = kinds[np.uint64(i)], restored[np.uint64(i)]
        if kind & np.uint8(at.IS_UNKNOWN):
            counts[at.UNKNOWN] += 1
            if 0 < i < last and restored[i - 1] >= 0 and restored[i + 1] >= 0:
                _count_context(contexts, counts, restored[i - 1], restored[i + 1])
            else:
                counts[at.UNKNOWN_CONTEXTS_LEFT_OUT] += 1
        elif kind & np.uint8(at.SPECIAL):
            is_end = i > 0 and ((has_b and i == b_start - 1) or i == last)
            is_in_place = (i == 0 and token == cls_id) or (is_end and token == sep_id)
            misplaced[token] += not is_in_place
    return num_continuing


@njit()
def measure_rows(rows, states, settings, kinds_by_id, counts, positions, contexts, hashes):
    """Counts records.

    Args:
        rows: int32[num_records, 3 * L + 3 * P + 1].
        states: uint8[num_records]. Only records that are READ are counted.
        settings: int64[...]. As `measure_fields` names them.
        kinds_by_id: uint8[V]. The bits that it names.
        counts: int64[...]. Totals, as it names them, and histograms; added to.
        positions: float64[2, L]. The masks that each position would have if in each record all
            words of as many pieces were masked alike, and the variance of that; added to.
        contexts: int64[2, NUM_CONTEXTS]. Where [UNK] stands, and how often; added to.
        hashes: uint64[num_records]. Gets the record's; 0 where there is none.
    """
    length, has_words = settings[at.MAX_SEQ_LENGTH], settings[at.HAS_WORDS] > 0
    restored, kinds = np.zeros(length + 1, np.int32), np.zeros(length + 1, np.uint8)
    is_masked, continuing = np.zeros(length + 1, np.int64), np.zeros(length + 1, np.int64)
    words, sizes = np.zeros((3, length + 2), np.int64), np.zeros((3, length + 2), np.int64)
    for record in range(rows.shape[0]):
        hashes[record] = 0
        if states[record] != READ:
            continue
        row = rows[record]
        num_tokens = _count_tokens(row, length)
        b_start = np.int64(0)
        while b_start < num_tokens and row[np.uint64(2 * length + b_start)] != 1:
            b_start += 1
        a_length, b_length = max(b_start - 2, 0), max(num_tokens - 1 - b_start, 0)
        a_stop, b_stop = a_length + 1, b_start + b_length
        is_random = np.int64(row[row.size - 1] == 1)
        counts[at.RECORDS] += 1
        counts[at.TOKENS] += num_tokens
        counts[at.FULL] += num_tokens == length
        counts[at.TOKENS_A] += a_length
        counts[at.TOKENS_B] += b_length
        counts[at.TOKENS_B_RANDOM] += b_length * is_random
        counts[at.RANDOM_NEXT] += is_random
        counts[at.EMPTY_SEGMENTS] += a_length == 0 or b_length == 0
        counts[settings[at.LENGTHS] + num_tokens] += 1
        counts[settings[at.LENGTHS_A] + a_length] += 1
        counts[settings[at.LENGTHS_B] + b_length] += 1

        num_masks = _restore(
            row, settings, num_tokens, b_start, kinds_by_id, counts, restored, is_masked
        )
        num_continuing = _count_pieces(
            restored,
            settings,
            num_tokens,
            b_start,
            kinds_by_id,
            counts,
            contexts,
            kinds,
            continuing,
        )
        is_joined = has_words and a_length > 0 and b_length > 0
        is_joined = is_joined and kinds[b_start] & np.uint8(at.CONTINUES) > 0
        num_words = list_words(
            continuing, num_continuing, a_stop, b_start, b_stop, is_joined, words
        )
        num_single, num_single_masked, num_words_masked = count_words(
            words, num_words, is_masked, a_stop, b_start, b_stop, has_words, counts, sizes
        )
        share = num_single_masked / max(num_single, 1)
        shortest = expect_masks(
            words, num_words, is_masked, a_stop, b_start, b_stop, share, sizes, positions
        )
        if num_single_masked < num_single or (shortest <= length and not has_words):
            shortest = np.int64(1)
        shortest = max(shortest, settings[at.LEAST_ROOM])
        budget = min(settings[at.BUDGETS + num_tokens], a_length + b_length)
        counts[at.OFF_BUDGET] += num_masks + shortest <= budget
        if settings[at.HAS_BUDGETS]:
            counts[at.BUDGET] += budget
            counts[at.AT_BUDGET] += num_masks == budget
            counts[at.OFF_BUDGET] += num_masks > budget
        has_many = num_words + num_single >= MANY_WORDS
        has_many &= num_words_masked + num_single_masked >= MANY_MASKED
        hashed = hash_row(row) & ~np.uint64(1) | np.uint64(has_many)
        hashes[record] = hashed if hashed else np.uint64(2)
