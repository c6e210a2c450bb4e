"""A range of a shard -> the faults of its records: what a worker of `inspect --verify` does.

The compiled rules decide which records are legal; only the others are read once more, by the plain
rules, which tell what is wrong.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from bertprep.kernels import rules as kernel
from bertprep.kernels.examples import DAMAGED
from bertprep.objectives import OBJECTIVES
from bertprep.records.columns import RecordReader
from bertprep.records.data_set import DataSet
from bertprep.records.rules import Promise, RecordRules
from bertprep.records.schema import RecordSchema
from bertprep.vocab import Vocabulary


@dataclass(frozen=True, eq=False)
class Checked:
    """What a worker has found in a range.

    Attributes:
        faults: (record, byte, problem) of each fault.
        counts: sums over the legal records: "tokens", and others by their names in the manifest.
    """

    faults: list[tuple[int, int, str]]
    counts: dict[str, int]


@dataclass(frozen=True)
class CheckJob:
    """What a worker makes its rules from; a vocabulary is too large to travel with every range."""

    promise: Promise
    vocabulary_path: Path

    @classmethod
    def of(cls, data_set: DataSet, schema: RecordSchema) -> "CheckJob":
        """Return the job of a data set that has a vocabulary."""
        data_set.require_vocabulary()
        assert data_set.vocabulary_path is not None
        return cls(Promise.of(data_set.plan, schema), data_set.vocabulary_path)


@dataclass(frozen=True, eq=False)
class CompiledRules:
    """The rules for the kernel, and the plain ones.

    Attributes:
        plain: the rules that tell what is wrong.
        kinds: uint8[vocab_size]. What each id may be, in the kernel's bits.
        budgets: int64[max_seq_length + 1]. Most masks of a record, by its tokens.
    """

    plain: RecordRules
    rules: kernel.Rules
    kinds: np.ndarray
    budgets: np.ndarray

    @classmethod
    def of(cls, promise: Promise, vocabulary: Vocabulary) -> "CompiledRules":
        """Return the rules for records of a vocabulary, with what is promised of them."""
        plain, length = RecordRules(promise, vocabulary), promise.schema.max_seq_length
        across = kernel.ACROSS_SEP if promise.quirks == "keep" else kernel.WITHIN_SEGMENTS
        kinds = [
            kernel.SPECIAL * plain.is_special(token)
            | kernel.IDEOGRAPH * plain.may_be_ideograph(token)
            | kernel.PUNCTUATION * plain.is_mark(token)
            | kernel.CONTINUES * token.startswith("##")
            | kernel.NOT_DRAWN * (not plain.is_drawn(token))
            for token in vocabulary.tokens
        ]
        return cls(
            plain=plain,
            rules=kernel.Rules(
                max_seq_length=length,
                max_predictions=promise.schema.max_predictions,
                vocab_size=len(vocabulary.tokens),
                cls_id=vocabulary.cls_id,
                sep_id=vocabulary.sep_id,
                pad_id=plain.pad_id,
                mask_id=vocabulary.mask_id,
                whole_words=across if promise.whole_words else kernel.IN_PART,
                has_plan=int(promise.has_plan),
                joins_ideographs=int(promise.marks_words),
            ),
            kinds=np.array(kinds, np.uint8),
            budgets=np.array(promise.budgets or (0,) * (length + 1), np.int64),
        )

    def check(self, rows: np.ndarray, states: np.ndarray, totals: np.ndarray) -> np.ndarray:
        """Return which rows are legal, bool[n], and add the sums of those to `totals`."""
        is_legal = np.zeros(len(rows), np.bool_)
        scratch = np.zeros(2 * self.rules.max_seq_length, np.int32)
        kernel.check_rows(
            *(rows, states, self.rules, self.kinds, self.budgets, scratch, is_legal, totals)
        )
        return is_legal


@lru_cache(1)
def _compiled_rules(job: CheckJob) -> CompiledRules:
    return CompiledRules.of(job.promise, Vocabulary.load(job.vocabulary_path, lenient=True))


def check_range(job: CheckJob, reader: RecordReader) -> Checked:
    """Return the faults and the counts of a range."""
    rules, totals = _compiled_rules(job), np.zeros(1, kernel.TOTALS)
    faults: list[tuple[int, int, str]] = []
    for batch in reader:
        is_legal = rules.check(batch.rows, batch.states, totals)
        faults += [(fault.index, fault.offset, fault.problem) for fault in batch.faults]
        for i in np.flatnonzero(~is_legal & (batch.states != DAMAGED)).tolist():
            place = int(batch.indices[i]), int(batch.offsets[i])
            faults += [(*place, problem) for problem in rules.plain.faults(batch.record(i))]
    sums = totals[0]
    counts = {"tokens": int(sums["tokens"]), "masks": int(sums["masks"])}
    label = OBJECTIVES[job.promise.schema.objective].pair_label
    if label:
        counts[label.count] = int(sums["labels"])
    return Checked(faults, counts)
