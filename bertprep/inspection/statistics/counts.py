"""Records -> their counts, on all cores, added up in the order of the records.

    counter = RecordCounter(data_set, schema)
    for part in counter.scan(stage="measure"):
        part.result.hashes          # of the records of this part, in order
    counter.counts

A worker sends its counts (half a megabyte for 30,000 tokens) and eight bytes per record. "Restored"
tokens are those before masking, with the labels in place of the masks. L is max_seq_length, P
max_predictions, V the size of the vocabulary.
"""

from collections.abc import Generator
from dataclasses import dataclass, field, fields

import numpy as np

from bertprep.inspection.scan import Part, scan
from bertprep.inspection.statistics.duplicates import MOST_HASHES, HashSample
from bertprep.kernels import record_counts as kernel
from bertprep.records import DataSet, RecordSchema
from bertprep.records.columns import RecordReader
from bertprep.records.manifest import instance_options
from bertprep.records.rules import Promise
from bertprep.vocab import Vocabulary

#: Contexts of [UNK]: sent by a worker, kept while adding up, and kept at the end.
_SENT_CONTEXTS, _MOST_CONTEXTS, _KEPT_CONTEXTS = 4096, 1 << 16, 1000
_LOW_31_BITS = (1 << 31) - 1
#: Tokens of a long word. If words cannot be seen in the records, each record has a shorter one.
_LONG_WORD = 8


@dataclass(eq=False)
class Counts:
    """Counts of records.

    Attributes:
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
        unknown_contexts: occurrences of [UNK] by (token before, token after); the common ones.
        unknown_contexts_left_out: occurrences of [UNK] that are not in `unknown_contexts`.
        hash_sum: sum of the records' hashes modulo 2**64; independent of their order.
        bytes: size of the uncompressed records.
    """

    lengths: np.ndarray
    lengths_a: np.ndarray
    lengths_b: np.ndarray
    masks_per_record: np.ndarray
    mask_positions: np.ndarray
    expected_positions: np.ndarray
    variance_positions: np.ndarray
    pieces: np.ndarray
    misplaced: np.ndarray
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
    unknown_contexts_left_out: int = 0
    hash_sum: int = 0
    bytes: int = 0
    unknown_contexts: dict[tuple[int, int], int] = field(default_factory=dict)

    @classmethod
    def empty(cls, schema: RecordSchema, vocab_size: int) -> "Counts":
        """Return the counts of no records."""
        length = schema.max_seq_length
        return cls(
            lengths=np.zeros(length + 1, np.int64),
            lengths_a=np.zeros(length + 1, np.int64),
            lengths_b=np.zeros(length + 1, np.int64),
            masks_per_record=np.zeros(schema.max_predictions + 1, np.int64),
            mask_positions=np.zeros(length, np.int64),
            expected_positions=np.zeros(length),
            variance_positions=np.zeros(length),
            pieces=np.zeros(vocab_size, np.int64),
            misplaced=np.zeros(vocab_size, np.int64),
        )

    def add(self, other: "Counts") -> None:
        """Add the counts of other records."""
        contexts = self.unknown_contexts
        for context, count in other.unknown_contexts.items():
            contexts[context] = contexts.get(context, 0) + count
        for name, value in vars(other).items():
            if value is not other.unknown_contexts:
                setattr(self, name, getattr(self, name) + value)
        self.hash_sum %= 1 << 64

    def prune_contexts(self, most: int) -> None:
        """Keep the `most` frequent contexts of [UNK]."""
        kept = dict(self.common_contexts(most))
        left_out = sum(self.unknown_contexts.values()) - sum(kept.values())
        self.unknown_contexts_left_out += left_out
        self.unknown_contexts = kept

    def per_record(self, count: float) -> float:
        """Return a count as a share of the records, or as a mean per record."""
        return count / max(1, self.records)

    def shares(self, histogram: np.ndarray) -> list[float]:
        """Return a histogram as shares of the records."""
        return [self.per_record(count) for count in histogram.tolist()]

    def common_pieces(self, most: int) -> list[tuple[int, int]]:
        """Return the `most` frequent restored tokens: id and occurrences."""
        ids = np.argsort(-self.pieces, kind="stable")[:most].tolist()
        return [(i, int(self.pieces[i])) for i in ids if self.pieces[i]]

    def common_contexts(self, most: int) -> list[tuple[tuple[int, int], int]]:
        """Return the `most` frequent contexts of [UNK]: ids before and after, and occurrences."""
        contexts = self.unknown_contexts.items()
        return sorted(contexts, key=lambda item: (-item[1], item[0]))[:most]


#: The totals of the kernel: the counts that are one number.
_TOTALS = np.dtype([(count.name, np.int64) for count in fields(Counts) if count.type is int])


@dataclass(frozen=True, eq=False)
class RangeCounts:
    """Counts of a range of records.

    Attributes:
        counts: the counts; of the contexts of [UNK] the common ones.
        hashes: uint64[num_records]. In the order of the records; 0 for an unreadable one.
    """

    counts: Counts
    hashes: np.ndarray


@dataclass(frozen=True, eq=False)
class _Visitor:
    """Counts the records of a range, in a worker."""

    schema: RecordSchema
    settings: np.ndarray
    kinds: np.ndarray
    budgets: np.ndarray

    def __call__(self, reader: RecordReader) -> RangeCounts:
        counts = Counts.empty(self.schema, len(self.kinds))
        totals, contexts = np.zeros(1, _TOTALS), np.zeros((2, kernel.NUM_CONTEXTS), np.int64)
        histograms = {name: getattr(counts, name) for name in kernel.CountArrays._fields[2:]}
        arrays = kernel.CountArrays(totals, contexts, **histograms)
        indices, hashes = [np.zeros(0, np.int64)], [np.zeros(0, np.uint64)]
        for batch in reader:
            hashed = np.zeros(len(batch), np.uint64)
            kernel.count_records(
                *(batch.rows, batch.states, self.settings, self.kinds, self.budgets),
                *(arrays, hashed),
            )
            indices.append(batch.indices)
            hashes.append(hashed)
        in_order = np.zeros(reader.num_records, np.uint64)
        in_order[np.concatenate(indices)] = np.concatenate(hashes)
        for name, total in zip(_TOTALS.names or (), totals[0].tolist(), strict=True):
            setattr(counts, name, total)
        common = np.lexsort((contexts[0], -contexts[1]))
        counts.unknown_contexts_left_out += int(contexts[1, common[_SENT_CONTEXTS:]].sum())
        counts.unknown_contexts = {
            (key >> 31 & _LOW_31_BITS, key & _LOW_31_BITS): count
            for key, count in contexts[:, common[:_SENT_CONTEXTS]].T.tolist()
            if count
        }
        counts.hash_sum = int(in_order.sum())
        counts.unreadable = int(np.count_nonzero(in_order == 0))
        return RangeCounts(counts, in_order)


class RecordCounter:
    """Adds up the counts of all records.

    Args:
        data_set: a data set with a vocabulary.
        schema: the schema of its records.
        most_hashes: hashes to keep.

    Attributes:
        counts, hashes: those of the records so far.
    """

    def __init__(
        self, data_set: DataSet, schema: RecordSchema, most_hashes: int = MOST_HASHES
    ) -> None:
        self.data_set, self.schema = data_set, schema
        self.counts = Counts.empty(schema, len(data_set.require_vocabulary().tokens))
        self.hashes = HashSample(most_hashes)
        self._visitor = _visitor_of(data_set, schema)

    def scan(
        self, *, stage: str, workers: int | None, quiet: bool
    ) -> Generator[Part[RangeCounts], None, None]:
        """Count all records; yield the parts in order, each after it is added."""
        for part in scan(
            *(self.data_set, self.schema, self._visitor),
            stage=stage,
            workers=workers,
            quiet=quiet,
        ):
            self.hashes.add(part.result.hashes)
            self.counts.add(part.result.counts)
            self.counts.bytes += part.num_bytes or 0
            if len(self.counts.unknown_contexts) > _MOST_CONTEXTS:
                self.counts.prune_contexts(_MOST_CONTEXTS // 2)
            yield part
        self.counts.prune_contexts(_KEPT_CONTEXTS)


def _visitor_of(data_set: DataSet, schema: RecordSchema) -> _Visitor:
    vocabulary, plan, length = data_set.require_vocabulary(), data_set.plan, schema.max_seq_length
    settings, budgets = np.zeros(1, kernel.SETTINGS), np.ones(length + 1, np.int64)
    settings["max_seq_length"] = length
    settings["max_predictions"] = schema.max_predictions
    settings["vocab_size"] = len(vocabulary.tokens)
    for name in ("cls_id", "sep_id", "mask_id"):
        settings[name] = getattr(vocabulary, name)
    settings["whole_words"] = settings["min_room"] = 1
    if plan is not None:
        options = instance_options(plan)
        settings["has_budgets"] = 1
        settings["whole_words"] = options.whole_word_mask
        if Promise.of(plan, schema).marks_words:
            settings["min_room"] = _LONG_WORD
        budgets[:] = [options.num_to_predict(n) for n in range(length + 1)]
    return _Visitor(schema, settings, _kinds(vocabulary), budgets)


def _kinds(vocabulary: Vocabulary) -> np.ndarray:
    """Return uint8[V], the kernel's bits by token id."""
    continues = [token.startswith("##") for token in vocabulary.tokens]
    kinds = np.array(continues, np.uint8) * np.uint8(kernel.CONTINUES)
    is_reserved = np.ones(len(kinds), bool)
    is_reserved[vocabulary.ordinary_ids] = False
    kinds[is_reserved] |= kernel.RESERVED
    for token in ("[PAD]", "[CLS]", "[SEP]", "[MASK]"):
        if token in vocabulary.ids:
            kinds[vocabulary.ids[token]] |= kernel.SPECIAL
    if "[UNK]" in vocabulary.ids:
        kinds[vocabulary.unk_id] |= kernel.UNKNOWN
    return kinds
