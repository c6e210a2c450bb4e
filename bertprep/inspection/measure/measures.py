"""What is counted of a data set: sums and histograms that add up, whatever the number of parts.

"Restored" text has the labels put back at the masks. L is max_seq_length, P max_predictions, V the
size of the vocabulary.
"""

from dataclasses import dataclass, field

import numpy as np

from bertprep.records import RecordSchema


@dataclass(eq=False)
class Measures:
    """The counts of some records.

    Attributes:
        records: that could be read.
        unreadable: damaged, or with features that are not the schema's; counted here alone.
        tokens: of all records, [CLS] and both [SEP] counted, padding not.
        full: records without padding.
        masks: labels with a weight.
        mask_tokens, kept, replaced: masks at which [MASK], the label itself, or another id stands.
        special_replacements: of the replaced, those where a special token or an unused one stands.
        special_labels: labels that are such a token, as [UNK] may be: with quirks fix, it is no
            replacement for itself, which tells in a small vocabulary.
        stray_masks: masks at [CLS], [SEP], padding or nowhere.
        random_next: records whose label says that B is random.
        budget: the masks that the records should have at most; 0 where masked_lm_prob is unknown.
        at_budget: records that have just as many.
        off_budget: records that have more, or so few that another word would have fitted. Without
            a budget, those without any mask: whole words leave records below their budget, but
            not these.
        touched_words: words of two pieces or more, of which a piece is masked.
        split_words: of those, the ones of which another piece is not.
        unknown: [UNK] in the restored text.
        tokens_a, tokens_b: of the segments, without specials.
        tokens_b_random: of the segments B that are random.
        empty_segments: records in which A or B has no token.
        missing_specials: places of [CLS] and [SEP] where another token stands.
        outside_vocabulary: ids that are not below V, in the restored text.
        lengths: int64[L + 1]. Records by tokens.
        lengths_a, lengths_b: int64[L + 1]. Records by the tokens of A and of B, without specials.
        masks_per_record: int64[P + 1]. Records by masks.
        mask_positions: int64[L]. Masks by position.
        expected_positions: float64[L]. Masks that each position would have if in each record all
            tokens in words of as many pieces were masked alike. Not all tokens: at the end of a
            budget a whole word of many pieces is passed over.
        variance_positions: float64[L]. The variance of that.
        pieces: int64[V]. Ids in the restored text, [CLS] and [SEP] in their places left out.
        misplaced: int64[V]. Special tokens in the restored text but [UNK], out of their places.
        unknown_contexts: occurrences by (piece before, piece behind) of an [UNK]; the common ones.
        unknown_contexts_left_out: how often a context was counted that is not kept there.
        hash_sum: sum of the records' hashes, modulo 2**64: the same for the same records in
            whatever order.
        bytes: of the uncompressed records.
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
    random_next: int = 0
    budget: int = 0
    at_budget: int = 0
    off_budget: int = 0
    touched_words: int = 0
    split_words: int = 0
    unknown: int = 0
    tokens_a: int = 0
    tokens_b: int = 0
    tokens_b_random: int = 0
    empty_segments: int = 0
    missing_specials: int = 0
    outside_vocabulary: int = 0
    lengths: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    lengths_a: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    lengths_b: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    masks_per_record: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    mask_positions: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    expected_positions: np.ndarray = field(default_factory=lambda: np.zeros(0))
    variance_positions: np.ndarray = field(default_factory=lambda: np.zeros(0))
    pieces: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    misplaced: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    unknown_contexts: dict[tuple[int, int], int] = field(default_factory=dict)
    unknown_contexts_left_out: int = 0
    hash_sum: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Duplicates:
    """How many records are equal to an earlier one.

    Attributes:
        duplicates: records with an equal one before them; an estimate where not all were compared.
        largest_group: of equal records.
        compared: records whose hashes were compared.
        share: of the records that were compared, by their hash; 1.0 is all.
        copies: how many records equal to it, itself among them, a record has on average: as many
            count as one in a test.
        certain: compared records of so many words and masks that none is equal by chance.
        certain_duplicates: of those, the ones that are equal to an earlier one.
    """

    duplicates: int
    largest_group: int
    compared: int
    share: float
    copies: float = 1.0
    certain: int = 0
    certain_duplicates: int = 0


@dataclass(frozen=True)
class Finding:
    """One row of the statistics.

    Attributes:
        key: its name in JSON; stable.
        name: for people.
        value: what was measured.
        shown: the value as a person reads it.
        expected: what the algorithm leads to expect, for people; empty where nothing.
        p: probability of a value as far off, if the expectation holds; None without a test.
        is_marked: p < 1e-6, and more than one percentage point off.
        note: what a marked row means, or how an unmarked one is to be read.
        of: how many independent events the value is a share or a mean of; 0 where it is neither.
            With `spread` it tells whether another data set's value is another by chance.
        spread: standard deviation of what the value is a mean of; None for a share.
    """

    key: str
    name: str
    value: float
    shown: str
    expected: str = ""
    p: float | None = None
    is_marked: bool = False
    note: str = ""
    of: float = 0
    spread: float | None = None


@dataclass(frozen=True, eq=False)
class Statistics:
    """A data set, measured.

    Attributes:
        schema: what its records are like.
        measures: the counts.
        duplicates: of all records.
        sections: title -> findings, in the order in which they are shown.
    """

    schema: RecordSchema
    measures: Measures
    duplicates: Duplicates
    sections: dict[str, list[Finding]]
