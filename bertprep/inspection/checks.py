"""A range of a shard -> the faults of its records: what a worker of `verify` does.

The compiled rules tell which records are legal; only what is not is read once more, by the plain
rules, which say what is wrong.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from bertprep.kernels import rules as kernel
from bertprep.kernels.examples import DAMAGED
from bertprep.records import DataSet, RecordSchema
from bertprep.records.columns import RecordReader
from bertprep.records.rules import Promise, RecordRules
from bertprep.vocab import Vocabulary


@dataclass(frozen=True, eq=False)
class Checked:
    """What a worker has of a range: (record, byte, problem) of each fault, and sums."""

    faults: list[tuple[int, int, str]]
    totals: np.ndarray


@dataclass(frozen=True)
class CheckJob:
    """What a worker makes its rules from; a vocabulary is too large to go with every range."""

    promise: Promise
    vocabulary_path: Path

    @classmethod
    def of(cls, data_set: DataSet, schema: RecordSchema) -> "CheckJob":
        data_set.require_vocabulary()
        assert data_set.vocabulary_path is not None
        return cls(Promise.of(data_set.plan, schema), data_set.vocabulary_path)


@dataclass(frozen=True, eq=False)
class _CompiledRules:
    """The rules for the kernel, and the plain ones.

    Attributes:
        plain: the rules in words.
        fields: int64[kernel.RULES_SIZE].
        kinds: uint8[vocab_size]. What each id may be.
        budgets: int64[max_seq_length + 1]. Most masks by tokens.
    """

    plain: RecordRules
    fields: np.ndarray
    kinds: np.ndarray
    budgets: np.ndarray


@lru_cache(1)
def _compile_rules(job: CheckJob) -> _CompiledRules:
    promise, vocabulary = job.promise, Vocabulary.load(job.vocabulary_path, lenient=True)
    rules = RecordRules(promise, vocabulary)
    length = promise.schema.max_seq_length
    fields = np.zeros(kernel.RULES_SIZE, np.int64)
    fields[kernel.MAX_SEQ_LENGTH] = length
    fields[kernel.MAX_PREDICTIONS] = promise.schema.max_predictions
    fields[kernel.VOCAB_SIZE] = len(vocabulary.tokens)
    fields[kernel.CLS_ID], fields[kernel.SEP_ID] = vocabulary.cls_id, vocabulary.sep_id
    fields[kernel.MASK_ID] = vocabulary.mask_id
    fields[kernel.HAS_PLAN] = promise.has_plan
    if promise.whole_words:
        is_kept = promise.quirks == "keep"
        fields[kernel.WHOLE_WORDS] = kernel.ACROSS_SEP if is_kept else kernel.WITHIN_SEGMENTS
    fields[kernel.MARKS_WORDS] = promise.marks_words
    kinds = [
        kernel.SPECIAL * rules.is_special(token)
        | kernel.IDEOGRAPH * rules.may_be_ideograph(token)
        | kernel.PUNCTUATION * rules.is_mark(token)
        | kernel.CONTINUES * token.startswith("##")
        | kernel.NOT_DRAWN * (not rules.is_drawn(token))
        for token in vocabulary.tokens
    ]
    budgets = promise.budgets or (0,) * (length + 1)
    return _CompiledRules(rules, fields, np.array(kinds, np.uint8), np.array(budgets, np.int64))


def check_range(job: CheckJob, reader: RecordReader) -> Checked:
    """What a worker does with a range."""
    rules = _compile_rules(job)
    scratch = np.zeros(2 * job.promise.schema.max_seq_length, np.int32)
    checked = Checked([], np.zeros(kernel.TOTALS_SIZE, np.int64))
    for batch in reader:
        is_legal = np.zeros(len(batch), np.uint8)
        kernel.check_rows(
            *(batch.rows, batch.states, rules.fields, rules.kinds, rules.budgets, scratch),
            *(is_legal, checked.totals),
        )
        found = checked.faults
        found += [(fault.index, fault.offset, fault.problem) for fault in batch.faults]
        for i in np.flatnonzero((is_legal == 0) & (batch.states != DAMAGED)).tolist():
            place = int(batch.indices[i]), int(batch.offsets[i])
            found += [(*place, problem) for problem in rules.plain.faults(batch.record(i))]
    return checked
