"""Rows of records -> which of them are legal: the plain rules' answer, fast.

Rows are those of `kernels.examples`. Only yes or no is decided here; `records.rules` tells what is
wrong with a record that is not legal.

Cost: 0.2 us per record of 128 tokens.
"""

from typing import NamedTuple

import numpy as np

from bertprep.kernels.jit import inlined, njit


class Rules(NamedTuple):
    """What is known of the records.

    Attributes:
        whole_words: IN_PART, ACROSS_SEP or WITHIN_SEGMENTS.
        has_plan: 0 where the number of masks and the truncation are unknown.
        joins_ideographs: 1 where words may hold several ideographs, which records do not show.
    """

    max_seq_length: int
    max_predictions: int
    vocab_size: int
    cls_id: int
    sep_id: int
    pad_id: int
    mask_id: int
    whole_words: int
    has_plan: int
    joins_ideographs: int


#: Words may be masked in part; whole, where a `##` piece at the start of B belongs to the last word
#: of A; whole, where it does not.
IN_PART, ACROSS_SEP, WITHIN_SEGMENTS = range(3)

#: Bits of `kinds: uint8[vocab_size]`: a special token that text cannot hold; a `##` piece; a token
#: that never replaces another.
SPECIAL, CONTINUES, NOT_DRAWN = 1, 2, 4
#: An ideograph, or [UNK], which may be one; punctuation, which is joined to nothing.
IDEOGRAPH, PUNCTUATION = 8, 16

#: Sums over legal records: tokens, masks, records with label 1. An array of one.
TOTALS = np.dtype([("tokens", np.int64), ("masks", np.int64), ("labels", np.int64)])

_ONE = np.int32(np.float32(1).view(np.int32))


@inlined()
def _word_left(is_masked, kinds, sep, last, rules, room):
    """Whether a candidate of at most `room` tokens is not masked, though it would have fitted.

    Where ideographs may be joined, a candidate is taken to be as long as it can have been.
    """
    size, found = np.int64(0), False
    is_open = False
    for i in range(1, last + 1):
        joins = kinds[i] & CONTINUES != 0
        if rules.joins_ideographs and not joins and kinds[i] & PUNCTUATION == 0:
            # B may begin inside a word, which is then one with the last of A.
            either = kinds[i] | kinds[i - 1]
            joins = i == sep + 1 or (either & IDEOGRAPH != 0 and either & PUNCTUATION == 0)
        joins = joins and i != sep and i != last and rules.whole_words != IN_PART
        joins = joins and not (i == sep + 1 and rules.whole_words == WITHIN_SEGMENTS)
        if i != sep:
            if not (joins and size):
                found |= is_open and size > 0 and size <= room
                size, is_open = np.int64(0), True
            is_open &= is_masked[i] == 0
            size += 1
    return found


@inlined()
def _has_legal_frame(row, rules, num_tokens, sep):
    """Whether input_mask, segment_ids, padding, the special tokens and the label are legal."""
    length, last = rules.max_seq_length, num_tokens - 1
    bad = np.int32(0)
    for i in range(length):
        bad |= row[np.uint64(length + i)] ^ np.int32(i < num_tokens)
        bad |= row[np.uint64(2 * length + i)] ^ np.int32((i > sep) & (i < num_tokens))
    for i in range(num_tokens, length):
        bad |= row[np.uint64(i)] ^ np.int32(rules.pad_id)
    bad |= row[0] ^ np.int32(rules.cls_id)
    bad |= row[sep] ^ np.int32(rules.sep_id) | row[last] ^ np.int32(rules.sep_id)
    bad |= row[3 * length + 3 * rules.max_predictions] & ~np.int32(1)
    return bad == 0


@inlined()
def _count_masks(row, rules):
    """The number of masks; -1 where weights, positions or labels are not padded with zeros."""
    predictions = rules.max_predictions
    position_at = 3 * rules.max_seq_length
    label_at, weight_at = position_at + predictions, position_at + 2 * predictions
    num_masks = np.int64(0)
    while num_masks < predictions and row[np.uint64(weight_at + num_masks)] == _ONE:
        num_masks += 1
    bad = np.int32(0)
    for i in range(num_masks, predictions):
        bad |= row[np.uint64(weight_at + i)] | row[np.uint64(position_at + i)]
        bad |= row[np.uint64(label_at + i)]
    return np.int64(-1) if bad else num_masks


@inlined()
def _restore(row, rules, vocab_kinds, num_masks, sep, last, restored, is_masked):
    """Puts the labels back into the text; False where a mask or an id is not legal."""
    position_at = 3 * rules.max_seq_length
    label_at = position_at + rules.max_predictions
    vocab_size = np.uint32(rules.vocab_size)
    for i in range(last + 1):
        restored[np.uint64(i)] = row[np.uint64(i)]
        is_masked[np.uint64(i)] = 0
    before = np.int64(0)
    is_legal = True
    for i in range(num_masks):
        position = np.int64(row[np.uint64(position_at + i)])
        if position <= before or position >= last or position == sep:
            is_legal = False
            break
        before = position
        label, stand_in = row[np.uint64(label_at + i)], row[np.uint64(position)]
        if np.uint32(stand_in) >= vocab_size:
            is_legal = False
            break
        is_drawn = stand_in != label and stand_in != rules.mask_id
        if is_drawn and vocab_kinds[np.uint64(stand_in)] & NOT_DRAWN:
            is_legal = False
            break
        restored[np.uint64(position)] = label
        is_masked[np.uint64(position)] = 1
    is_outside = False
    for i in range(last + 1):
        is_outside |= np.uint32(restored[np.uint64(i)]) >= vocab_size
    return is_legal and not is_outside


@inlined()
def _has_legal_text(kinds, rules, num_tokens, sep):
    """Whether no special token is in the text, and no segment begins inside a word without cause.

    Only a truncated segment can begin inside a word: in a full record, and not the shorter of two,
    since the longer one is shortened, token by token, and B of two alike.
    """
    last = num_tokens - 1
    special = np.uint8(0)
    for i in range(1, sep):
        special |= kinds[np.uint64(i)]
    for i in range(sep + 1, last):
        special |= kinds[np.uint64(i)]
    first, second = sep - 1, last - sep - 1
    is_full, is_any = num_tokens == rules.max_seq_length, rules.has_plan == 0
    a_may, b_may = is_any or first >= second, is_any or second >= first - 1
    a_is_legal = kinds[1] & CONTINUES == 0 or (is_full and a_may)
    b_is_legal = kinds[sep + 1] & CONTINUES == 0 or (is_full and b_may)
    return special & SPECIAL == 0 and a_is_legal and b_is_legal


@inlined()
def _is_torn(kinds, is_masked, sep, last, whole_words):
    """Whether a word is masked in part."""
    torn = np.uint8(0)
    for i in range(2, last):
        differs = is_masked[np.uint64(i)] ^ is_masked[np.uint64(i - 1)]
        torn |= (kinds[np.uint64(i)] & np.uint8(CONTINUES)) * np.uint8(
            differs & np.uint8((i != sep) & (i != sep + 1))
        )
    if whole_words == ACROSS_SEP and kinds[sep + 1] & CONTINUES:
        torn |= is_masked[sep + 1] ^ is_masked[sep - 1]
    return torn != 0


@njit()
def _is_legal(row, rules, vocab_kinds, budgets, restored, kinds, is_masked):
    length = rules.max_seq_length
    num_tokens = num_second = np.int64(0)
    for i in range(length):
        num_tokens += row[np.uint64(length + i)]
        num_second += row[np.uint64(2 * length + i)]
    last = num_tokens - 1
    sep = last - num_second
    if num_tokens > length or sep < 2 or num_second < 2:
        return False
    if not _has_legal_frame(row, rules, num_tokens, sep):
        return False
    num_masks, budget = _count_masks(row, rules), budgets[num_tokens]
    if num_masks < 0 or (rules.has_plan and num_masks > budget):
        return False
    if not _restore(row, rules, vocab_kinds, num_masks, sep, last, restored, is_masked):
        return False
    for i in range(num_tokens):
        kinds[np.uint64(i)] = vocab_kinds[np.uint64(restored[np.uint64(i)])]
    if not _has_legal_text(kinds, rules, num_tokens, sep):
        return False
    if rules.whole_words != IN_PART and _is_torn(kinds, is_masked, sep, last, rules.whole_words):
        return False
    if rules.has_plan and num_masks < budget:
        return not _word_left(is_masked, kinds, sep, last, rules, budget - num_masks)
    return True


@njit()
def check_rows(rows, states, rules, vocab_kinds, budgets, scratch, is_legal, totals):
    """Decides which rows are legal.

    Args:
        rows: int32[n, width].
        states: uint8[n]. Rows that are not 0 (READ) are skipped, and not legal.
        rules: Rules.
        vocab_kinds: uint8[vocab_size]. Bits named above.
        budgets: int64[max_seq_length + 1]. Most masks of a record, by its tokens.
        scratch: int32[2 * max_seq_length]. Room for the restored ids, and for two bytes per token.
        is_legal: bool[n]. Out.
        totals: TOTALS[1]. Gets the sums of the legal rows added.
    """
    length, predictions = rules.max_seq_length, rules.max_predictions
    restored = scratch[:length]
    bytes_left = scratch[length:].view(np.uint8)
    kinds, is_masked = bytes_left[:length], bytes_left[length : 2 * length]
    weights = 3 * length + 2 * predictions
    sums = totals[0]
    for k in range(states.size):
        row = rows[k]
        legal = states[k] == 0 and _is_legal(
            row, rules, vocab_kinds, budgets, restored, kinds, is_masked
        )
        is_legal[k] = legal
        if legal:
            for i in range(length):
                sums.tokens += row[np.uint64(length + i)]
            for i in range(predictions):
                sums.masks += row[np.uint64(weights + i)] != 0
            sums.labels += row[np.uint64(weights + predictions)]
