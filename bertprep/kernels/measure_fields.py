"""What the numbers are that `measures` takes and counts, by their places in flat arrays."""

# Fields of `settings: int64[BUDGETS + L + 1]`: sizes; ids; whether a record has just as many masks
# as its budget if its words allow it, or one at least; whether masks cover words, so that a word
# too long for what is left of a budget is passed over; the least room left over that no word can
# explain: 1, more where words are not seen; where each histogram starts in `counts`.
# From BUDGETS on stand the masks that a record of each number of tokens should have.
(
    MAX_SEQ_LENGTH,
    MAX_PREDICTIONS,
    VOCABULARY_SIZE,
    CLS_ID,
    SEP_ID,
    MASK_ID,
    HAS_BUDGETS,
    HAS_WORDS,
    LEAST_ROOM,
    LENGTHS,
    LENGTHS_A,
    LENGTHS_B,
    MASKS_PER_RECORD,
    MASK_POSITIONS,
    PIECES,
    MISPLACED,
    BUDGETS,
) = range(17)

# Fields at the beginning of `counts`; see inspection.measures.Measures.
(
    RECORDS,
    TOKENS,
    FULL,
    MASKS,
    MASK_TOKENS,
    KEPT,
    REPLACED,
    SPECIAL_REPLACEMENTS,
    SPECIAL_LABELS,
    STRAY_MASKS,
    RANDOM_NEXT,
    BUDGET,
    AT_BUDGET,
    OFF_BUDGET,
    TOUCHED_WORDS,
    SPLIT_WORDS,
    UNKNOWN,
    UNKNOWN_CONTEXTS_LEFT_OUT,
    TOKENS_A,
    TOKENS_B,
    TOKENS_B_RANDOM,
    EMPTY_SEGMENTS,
    MISSING_SPECIALS,
    OUTSIDE_VOCABULARY,
    NUM_TOTALS,
) = range(25)

# Bits of `kinds`, by id: continues a word; [PAD], [CLS], [SEP] or [MASK]; [UNK]; special or unused.
CONTINUES, SPECIAL, IS_UNKNOWN, RESERVED = 1, 2, 4, 8
