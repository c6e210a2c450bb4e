"""Counts of a data set: totals and histograms that add up over any number of parts.

"Restored" tokens are those before masking, with the labels in place of the masks. L is
max_seq_length, P max_predictions, V the size of the vocabulary.
"""

from dataclasses import dataclass, field

import numpy as np


def _empty() -> np.ndarray:
    return np.zeros(0, np.int64)


@dataclass(eq=False)
class Counts:
    """Counts of records.

    Attributes:
        records: records that can be read.
        unreadable: damaged records, and records whose features do not match the schema; in no other
            count.
        tokens: tokens of all records, with [CLS] and [SEP], without padding.
        full: records without padding.
        masks: labels with a weight.
        mask_tokens, kept, replaced: masks that show [MASK], the original token, or another one.
        special_replacements: replaced masks that show a special or unused token.
        special_labels: labels that are a special or unused token, as [UNK] may be. With
            `quirks="fix"` such a token never replaces itself, which shows in a small vocabulary.
        stray_masks: masks on [CLS], [SEP], padding or outside the record.
        pair_label_1: records whose pair has the label 1, which `Objective.pair_label` explains.
        budget: masks that the records should have at most; 0 if masked_lm_prob is unknown.
        at_budget: records with exactly that many masks.
        off_budget: records with more masks, or with so few that another word would have fitted.
            Without a budget, records without masks: whole words may leave a record below its
            budget, but not at 0.
        touched_words: words of two or more tokens with at least one token masked.
        split_words: touched words with at least one token not masked.
        unknown: restored [UNK] tokens.
        tokens_a, tokens_b: tokens of the segments, without special tokens.
        tokens_b_label_1: tokens of the segments B of these records.
        empty_segments: records in which A or B has no tokens.
        missing_specials: positions of [CLS] and [SEP] that hold another token.
        outside_vocabulary: restored token ids of V or more.
        lengths: int64[L + 1]. Records by tokens.
        lengths_a, lengths_b: int64[L + 1]. Records by tokens of A and of B.
        masks_per_record: int64[P + 1]. Records by masks.
        mask_positions: int64[L]. Masks by position.
        expected_positions: float64[L]. Expected masks by position, if within each record all words
            of one size are equally likely to be masked. Words of different sizes are not: near the
            end of a budget a long word is passed over.
        variance_positions: float64[L]. Variance of the same.
        pieces: int64[V]. Restored tokens by id, without [CLS] and [SEP] in their places.
        misplaced: int64[V]. Restored special tokens other than [UNK] in other places.
        unknown_contexts: occurrences of [UNK] by (token before, token after); the common ones.
        unknown_contexts_left_out: occurrences of [UNK] that are not in `unknown_contexts`.
        hash_sum: sum of the records' hashes modulo 2**64; independent of their order.
        bytes: size of the uncompressed records.
    """

    records: int = 0
    unreadable: int = 0
    tokens: int = 0
    full: int = 0
    masks: int = 0
    mask_tokens: int = 0
    kept: int = 0
    replaced: int = 0
    special_replacements: int = 0
    special_labels: int = 0
    stray_masks: int = 0
    pair_label_1: int = 0
    budget: int = 0
    at_budget: int = 0
    off_budget: int = 0
    touched_words: int = 0
    split_words: int = 0
    unknown: int = 0
    tokens_a: int = 0
    tokens_b: int = 0
    tokens_b_label_1: int = 0
    empty_segments: int = 0
    missing_specials: int = 0
    outside_vocabulary: int = 0
    lengths: np.ndarray = field(default_factory=_empty)
    lengths_a: np.ndarray = field(default_factory=_empty)
    lengths_b: np.ndarray = field(default_factory=_empty)
    masks_per_record: np.ndarray = field(default_factory=_empty)
    mask_positions: np.ndarray = field(default_factory=_empty)
    expected_positions: np.ndarray = field(default_factory=_empty)
    variance_positions: np.ndarray = field(default_factory=_empty)
    pieces: np.ndarray = field(default_factory=_empty)
    misplaced: np.ndarray = field(default_factory=_empty)
    unknown_contexts: dict[tuple[int, int], int] = field(default_factory=dict)
    unknown_contexts_left_out: int = 0
    hash_sum: int = 0
    bytes: int = 0

    def common_pieces(self, most: int) -> list[tuple[int, int]]:
        """Return the `most` frequent restored tokens: id and occurrences."""
        ids = np.argsort(-self.pieces, kind="stable")[:most].tolist()
        return [(i, int(self.pieces[i])) for i in ids if self.pieces[i]]

    def common_contexts(self, most: int) -> list[tuple[tuple[int, int], int]]:
        """Return the `most` frequent contexts of [UNK]: ids before and after, and occurrences."""
        contexts = self.unknown_contexts.items()
        return sorted(contexts, key=lambda item: (-item[1], item[0]))[:most]


@dataclass(frozen=True)
class Duplicates:
    """Duplicate records of a data set.

    Attributes:
        duplicates: records equal to an earlier one; an estimate if `share` is below 1.
        largest_group: size of the largest group of equal records.
        compared: records that were compared, by their hashes.
        share: fraction of all records that was compared.
        copies: mean size of the group of equal records that a record is in; so many records count
            as one observation.
        certain: compared records of so many words and masks that none has an equal by chance.
        certain_duplicates: records among those that equal an earlier one.
    """

    duplicates: int
    largest_group: int
    compared: int
    share: float
    copies: float = 1.0
    certain: int = 0
    certain_duplicates: int = 0
