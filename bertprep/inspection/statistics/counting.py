"""Records -> their counts, on all cores, added up in the order of the records.

    counter = RecordCounter(data_set, schema, HashSample())
    for part in counter.scan(stage="measure"):
        part.result.hashes          # of the records of this part, in order
    counter.counts()

A worker sends its counts (half a megabyte for 30,000 tokens) and eight bytes per record.
"""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from bertprep.inspection.scan import Part, scan
from bertprep.inspection.statistics.counts import Counts
from bertprep.inspection.statistics.duplicates import HashSample
from bertprep.kernels import record_counts as kernel
from bertprep.kernels.record_counts import CountArrays
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


@dataclass(frozen=True, eq=False)
class RangeCounts:
    """Counts of a range of records.

    Attributes:
        arrays: the counts; of the contexts of [UNK] the common ones.
        hashes: uint64[num_records]. In the order of the records; 0 for an unreadable one.
    """

    arrays: CountArrays
    hashes: np.ndarray


@dataclass(frozen=True, eq=False)
class _Visitor:
    """Counts the records of a range, in a worker."""

    settings: np.ndarray
    kinds: np.ndarray
    budgets: np.ndarray

    def empty(self) -> CountArrays:
        """Return arrays of zeros."""
        settings = self.settings[0]
        length, num_pieces = int(settings["max_seq_length"]), len(self.kinds)
        return CountArrays(
            totals=np.zeros(1, kernel.TOTALS),
            lengths=np.zeros(length + 1, np.int64),
            lengths_a=np.zeros(length + 1, np.int64),
            lengths_b=np.zeros(length + 1, np.int64),
            masks_per_record=np.zeros(int(settings["max_predictions"]) + 1, np.int64),
            mask_positions=np.zeros(length, np.int64),
            expected_positions=np.zeros((2, length)),
            pieces=np.zeros(num_pieces, np.int64),
            misplaced=np.zeros(num_pieces, np.int64),
            contexts=np.zeros((2, kernel.NUM_CONTEXTS), np.int64),
        )

    def __call__(self, reader: RecordReader) -> RangeCounts:
        arrays = self.empty()
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
        contexts = arrays.contexts
        common = np.lexsort((contexts[0], -contexts[1]))
        left_out = contexts[1, common[_SENT_CONTEXTS:]].sum()
        arrays.totals["unknown_contexts_left_out"] += left_out
        sent = arrays._replace(contexts=contexts[:, common[:_SENT_CONTEXTS]])
        return RangeCounts(sent, in_order)


class RecordCounter:
    """Adds up the counts of all records.

    Args:
        data_set: a data set with a vocabulary.
        schema: the schema of its records.
        hashes: where the hashes of the records go.
    """

    def __init__(self, data_set: DataSet, schema: RecordSchema, hashes: HashSample) -> None:
        self._data_set, self._schema, self._hashes = data_set, schema, hashes
        self._visitor = _visitor_of(data_set, schema)
        self._sums = self._visitor.empty()
        self._contexts: dict[int, int] = {}
        self._hash_sum = self._bytes = self._unreadable = 0

    def scan(
        self, *, stage: str, workers: int | None, quiet: bool
    ) -> Generator[Part[RangeCounts], None, None]:
        """Count all records; yield the parts in order, each after it is added."""
        for part in scan(
            *(self._data_set, self._schema, self._visitor),
            stage=stage,
            workers=workers,
            quiet=quiet,
        ):
            self._add(part)
            yield part

    def _add(self, part: Part[RangeCounts]) -> None:
        arrays, hashes = part.result.arrays, part.result.hashes
        self._sums.totals.view(np.int64)[:] += arrays.totals.view(np.int64)
        # The first array is the totals, the last one the contexts.
        for mine, theirs in zip(self._sums[1:-1], arrays[1:-1], strict=True):
            mine += theirs
        self._hashes.add(hashes)
        self._hash_sum = (self._hash_sum + int(hashes.sum())) % (1 << 64)
        self._unreadable += int(np.count_nonzero(hashes == 0))
        self._bytes += part.num_bytes or 0
        for key, count in zip(*arrays.contexts.tolist(), strict=True):
            if count:
                self._contexts[key] = self._contexts.get(key, 0) + count
        if len(self._contexts) > _MOST_CONTEXTS:
            self._prune_contexts(_MOST_CONTEXTS // 2)

    def _prune_contexts(self, most: int) -> None:
        ordered = sorted(self._contexts.items(), key=lambda item: (-item[1], item[0]))
        left_out = sum(count for _, count in ordered[most:])
        self._sums.totals["unknown_contexts_left_out"] += left_out
        self._contexts = dict(ordered[:most])

    def counts(self) -> Counts:
        """Return the counts of all records so far."""
        self._prune_contexts(_KEPT_CONTEXTS)
        totals, histograms = self._sums.totals[0], self._sums._asdict()
        for name in ("totals", "expected_positions", "contexts"):
            del histograms[name]
        return Counts(
            **{name: int(totals[name]) for name in kernel.TOTALS.names or ()},  # type: ignore[arg-type]
            **histograms,
            unreadable=self._unreadable,
            bytes=self._bytes,
            hash_sum=self._hash_sum,
            expected_positions=self._sums.expected_positions[0],
            variance_positions=self._sums.expected_positions[1].clip(0.0),
            unknown_contexts={
                (key >> 31 & _LOW_31_BITS, key & _LOW_31_BITS): count
                for key, count in self._contexts.items()
            },
        )


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
    return _Visitor(settings, _kinds(vocabulary), budgets)


def _kinds(vocabulary: Vocabulary) -> np.ndarray:
    """Return uint8[V], the kernel's bits by token id."""
    continues = [token.startswith("##") for token in vocabulary.tokens]
    kinds = np.array(continues, np.uint8) * np.uint8(kernel.CONTINUES)
    is_reserved = np.ones(len(kinds), bool)
    is_reserved[vocabulary.replacement_ids(ordinary_only=True)] = False
    kinds[is_reserved] |= kernel.RESERVED
    for token in ("[PAD]", "[CLS]", "[SEP]", "[MASK]"):
        if token in vocabulary.ids:
            kinds[vocabulary.ids[token]] |= kernel.SPECIAL
    if "[UNK]" in vocabulary.ids:
        kinds[vocabulary.unk_id] |= kernel.UNKNOWN
    return kinds
