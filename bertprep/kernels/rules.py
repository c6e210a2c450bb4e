"""Rows of records -> which of them are legal: what the plain rules say in words, fast.

A row is as `kernels.examples` makes it. Only yes or no is found here; `inspection.rules` says of a
record that is not legal what is wrong with it.

Cost: 0.2 us a record of 128 tokens.
"""

import numpy as np

from bertprep.kernels.jit import inlined, njit

# Fields of `rules: int64[RULES_SIZE]`. WHOLE_WORDS is one of the three below; HAS_PLAN is 0 where
# nothing is known of the number of masks, and of how segments were cut. MARKS_WORDS: ideographs may
# have been joined to words, which nobody can see any more.
(
    MAX_SEQ_LENGTH,
    MAX_PREDICTIONS,
    VOCAB_SIZE,
    CLS_ID,
    SEP_ID,
    MASK_ID,
    WHOLE_WORDS,
    HAS_PLAN,
    MARKS_WORDS,
    RULES_SIZE,
) = range(10)
#: Words may be masked in part; whole, and a `##` piece at the start of B belongs to the last word
#: of A; whole, and it does not.
IN_PART, ACROSS_SEP, WITHIN_SEGMENTS = range(3)

#: Bits of `kinds: uint8[vocab_size]`: a special token that text has not; a `##` piece; a token that
#: never replaces another.
SPECIAL, CONTINUES, NOT_DRAWN = 1, 2, 4
#: An ideograph, or [UNK], which may be one; punctuation, which is joined to nothing.
IDEOGRAPH, PUNCTUATION = 8, 16

# Sums of `totals: int64[TOTALS_SIZE]`.
TOKENS, MASKS, RANDOM_NEXT, TOTALS_SIZE = range(4)

_ONE = np.int32(np.float32(1).view(np.int32))


@inlined()
def _candidates_left(is_masked, kinds, sep, last, whole_words, marks_words, room):
    """A candidate of at most `room` tokens is not masked, though it would have fitted.

    With MARKS_WORDS a candidate stands for the largest that it can have been a part of.
    """
    size, found = np.int64(0), False
    is_open = False
    for i in range(1, last + 1):
        joins = kinds[i] & CONTINUES != 0
        if marks_words and not joins and kinds[i] & PUNCTUATION == 0:
            # B may begin inside a word, which is then one with the last of A.
            either = kinds[i] | kinds[i - 1]
            joins = i == sep + 1 or (either & IDEOGRAPH != 0 and either & PUNCTUATION == 0)
        joins = joins and i != sep and i != last and whole_words != IN_PART
        joins = joins and not (i == sep + 1 and whole_words == WITHIN_SEGMENTS)
        if i != sep:
            if not (joins and size):
                found |= is_open and size > 0 and size <= room
                size, is_open = np.int64(0), True
            is_open &= is_masked[i] == 0
            size += 1
    return found


@njit()
def _is_legal(row, rules, vocab_kinds, budgets, restored, kinds, is_masked):
    length, predictions = rules[MAX_SEQ_LENGTH], rules[MAX_PREDICTIONS]
    mask, segment, position_at = length, 2 * length, 3 * length
    label_at, weight_at = position_at + predictions, position_at + 2 * predictions
    num_tokens = num_second = np.int64(0)
    for i in range(length):
        num_tokens += row[np.uint64(mask + i)]
        num_second += row[np.uint64(segment + i)]
    last = num_tokens - 1
    sep = last - num_second
    if num_tokens > length or sep < 2 or num_second < 2:
        return False
    bad = np.int32(0)
    for i in range(length):
        bad |= row[np.uint64(mask + i)] ^ np.int32(i < num_tokens)
        bad |= row[np.uint64(segment + i)] ^ np.int32((i > sep) & (i < num_tokens))
    for i in range(num_tokens, length):
        bad |= row[np.uint64(i)]
    bad |= row[0] ^ np.int32(rules[CLS_ID])
    bad |= row[sep] ^ np.int32(rules[SEP_ID]) | row[last] ^ np.int32(rules[SEP_ID])
    bad |= row[weight_at + predictions] & ~np.int32(1)
    if bad:
        return False

    num_masks = np.int64(0)
    while num_masks < predictions and row[np.uint64(weight_at + num_masks)] == _ONE:
        num_masks += 1
    for i in range(num_masks, predictions):
        bad |= row[np.uint64(weight_at + i)] | row[np.uint64(position_at + i)]
        bad |= row[np.uint64(label_at + i)]
    budget = budgets[num_tokens]
    if bad or (rules[HAS_PLAN] and num_masks > budget):
        return False
    for i in range(num_tokens):
        restored[np.uint64(i)] = row[np.uint64(i)]
        is_masked[np.uint64(i)] = 0
    before = np.int64(0)
    vocab_size = np.uint32(rules[VOCAB_SIZE])
    for i in range(num_masks):
        position = np.int64(row[np.uint64(position_at + i)])
        if position <= before or position >= last or position == sep:
            return False
        before = position
        label, stand_in = row[np.uint64(label_at + i)], row[np.uint64(position)]
        if np.uint32(stand_in) >= vocab_size:
            return False
        is_drawn = stand_in != label and stand_in != rules[MASK_ID]
        if is_drawn and vocab_kinds[np.uint64(stand_in)] & NOT_DRAWN:
            return False
        restored[np.uint64(position)] = label
        is_masked[np.uint64(position)] = 1

    is_outside = False
    for i in range(num_tokens):
        is_outside |= np.uint32(restored[np.uint64(i)]) >= vocab_size
    if is_outside:
        return False
    for i in range(num_tokens):
        kinds[np.uint64(i)] = vocab_kinds[np.uint64(restored[np.uint64(i)])]
    special = np.uint8(0)
    for i in range(1, sep):
        special |= kinds[np.uint64(i)]
    for i in range(sep + 1, last):
        special |= kinds[np.uint64(i)]
    if special & SPECIAL:
        return False
    # Only what was cut can begin inside a word: in a full record, and not in the shorter segment,
    # since it is the longer one that is shortened, token by token, and B of two alike.
    first, second = sep - 1, last - sep - 1
    is_full, is_any = num_tokens == length, rules[HAS_PLAN] == 0
    if kinds[1] & CONTINUES and not (is_full and (is_any or first >= second)):
        return False
    if kinds[sep + 1] & CONTINUES and not (is_full and (is_any or second >= first - 1)):
        return False
    whole_words = rules[WHOLE_WORDS]
    if whole_words != IN_PART:
        torn = np.uint8(0)
        for i in range(2, last):
            differs = is_masked[np.uint64(i)] ^ is_masked[np.uint64(i - 1)]
            torn |= (kinds[np.uint64(i)] & np.uint8(CONTINUES)) * np.uint8(
                differs & np.uint8((i != sep) & (i != sep + 1))
            )
        if whole_words == ACROSS_SEP and kinds[sep + 1] & CONTINUES:
            torn |= is_masked[sep + 1] ^ is_masked[sep - 1]
        if torn:
            return False
    if rules[HAS_PLAN] and num_masks < budget:
        room = budget - num_masks
        marks_words = rules[MARKS_WORDS] != 0
        return not _candidates_left(is_masked, kinds, sep, last, whole_words, marks_words, room)
    return True


@njit()
def check_rows(rows, states, rules, vocab_kinds, budgets, scratch, is_legal, totals):
    """Tells which rows are legal.

    Args:
        rows: int32[n, width].
        states: uint8[n]. Rows that are not 0 (READ) are passed over, and not legal.
        rules: int64[RULES_SIZE].
        vocab_kinds: uint8[vocab_size]. Bits named above.
        budgets: int64[max_seq_length + 1]. Most masks of a record, by its tokens.
        scratch: int32[2 * max_seq_length]. Room for the restored ids, and for two bytes a token.
        is_legal: uint8[n]. Gets 1 or 0.
        totals: int64[TOTALS_SIZE]. Gets the sums of the legal rows added.
    """
    length = rules[MAX_SEQ_LENGTH]
    restored = scratch[:length]
    bytes_left = scratch[length:].view(np.uint8)
    kinds, is_masked = bytes_left[:length], bytes_left[length : 2 * length]
    weights = 3 * length + 2 * rules[MAX_PREDICTIONS]
    for k in range(states.size):
        row = rows[k]
        legal = states[k] == 0 and _is_legal(
            row, rules, vocab_kinds, budgets, restored, kinds, is_masked
        )
        is_legal[k] = legal
        if legal:
            for i in range(length):
                totals[TOKENS] += row[np.uint64(length + i)]
            for i in range(rules[MAX_PREDICTIONS]):
                totals[MASKS] += row[np.uint64(weights + i)] != 0
            totals[RANDOM_NEXT] += row[np.uint64(weights + rules[MAX_PREDICTIONS])]
