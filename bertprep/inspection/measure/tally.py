"""Records -> counts in the workers, and their sum in the order of the records.

    tally = Tally(data_set, schema)
    for part in tally.scan(stage="measure", workers=None, quiet=False):
        part.result.hashes          # of the part's records, in order
    tally.measures()

A worker sends its counts (half a megabyte for 30,000 pieces) and eight bytes a record.
"""

import dataclasses
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from bertprep.inspection.measure.duplicates import HashSample
from bertprep.inspection.measure.measures import Measures
from bertprep.inspection.scan import Part, scan
from bertprep.kernels import measure_fields as fields
from bertprep.kernels.measures import NUM_CONTEXTS, measure_rows
from bertprep.records import DataSet, RecordSchema
from bertprep.records.columns import RecordReader
from bertprep.records.manifest import instance_options
from bertprep.records.rules import Promise
from bertprep.vocab import Vocabulary

#: Contexts of [UNK] that a part sends, that are kept between two parts, and at the end.
_SENT_CONTEXTS, _MOST_CONTEXTS, _KEPT_CONTEXTS = 4096, 1 << 16, 1000
_BELOW_31_BITS = (1 << 31) - 1
#: Where words of several ideographs cannot be seen: no record has nothing but longer ones.
_LONG_WORD = 8

_HISTOGRAMS = (
    *("lengths", "lengths_a", "lengths_b", "masks_per_record", "mask_positions"),
    *("pieces", "misplaced"),
)
_TOTALS = [
    field.name
    for field in dataclasses.fields(Measures)
    if field.default == 0 and hasattr(fields, field.name.upper())
]


@dataclass(frozen=True, eq=False)
class Counts:
    """What a worker has of the records of a range.

    Attributes:
        counts: int64[...]. Totals and histograms, one behind the other.
        positions: float64[2, L]. Expected masks, and their variance.
        contexts: int64[2, ...]. The common contexts of [UNK], and how often they were seen.
        hashes: uint64[num_records]. In the order of the records; 0 for one that cannot be read.
    """

    counts: np.ndarray
    positions: np.ndarray
    contexts: np.ndarray
    hashes: np.ndarray


@dataclass(frozen=True, eq=False)
class _Visitor:
    """Counts the records of a range.

    Attributes:
        settings: int64[...]. The kernel's.
        kinds: uint8[V]. Of each piece.
        size: of `Counts.counts`.
    """

    settings: np.ndarray
    kinds: np.ndarray
    size: int

    def __call__(self, reader: RecordReader) -> Counts:
        counts = np.zeros(self.size, np.int64)
        positions = np.zeros((2, int(self.settings[fields.MAX_SEQ_LENGTH])))
        contexts = np.zeros((2, NUM_CONTEXTS), np.int64)
        indices, hashes = [np.zeros(0, np.int64)], [np.zeros(0, np.uint64)]
        for batch in reader:
            hashed = np.zeros(len(batch), np.uint64)
            measure_rows(
                *(batch.rows, batch.states, self.settings, self.kinds),
                *(counts, positions, contexts, hashed),
            )
            indices.append(batch.indices)
            hashes.append(hashed)
        in_order = np.zeros(reader.num_records, np.uint64)
        in_order[np.concatenate(indices)] = np.concatenate(hashes)
        common = np.lexsort((contexts[0], -contexts[1]))
        counts[fields.UNKNOWN_CONTEXTS_LEFT_OUT] += contexts[1, common[_SENT_CONTEXTS:]].sum()
        return Counts(counts, positions, contexts[:, common[:_SENT_CONTEXTS]], in_order)


class Tally:
    """Adds up what workers count.

    Args:
        data_set: with a vocabulary.
        schema: what its records are like.
        hashes: where the records' hashes go.
    """

    def __init__(self, data_set: DataSet, schema: RecordSchema, hashes: HashSample) -> None:
        self._data_set, self._schema, self._hashes = data_set, schema, hashes
        length, num_pieces = schema.max_seq_length, len(data_set.require_vocabulary().tokens)
        sizes = (*(length + 1,) * 3, schema.max_predictions + 1, length, num_pieces, num_pieces)
        ends = fields.NUM_TOTALS + np.cumsum(sizes)
        self._slices = {
            name: slice(int(end) - size, int(end))
            for name, size, end in zip(_HISTOGRAMS, sizes, ends, strict=True)
        }
        self._counts = np.zeros(int(ends[-1]), np.int64)
        self._positions = np.zeros((2, length))
        self._contexts: dict[int, int] = {}
        self._hash_sum = self._bytes = self._unreadable = 0

    def scan(
        self, *, stage: str, workers: int | None, quiet: bool
    ) -> Generator[Part[Counts], None, None]:
        """Reads all records; yields the parts in order, when they are counted."""
        vocabulary = self._data_set.require_vocabulary()
        visit = _Visitor(self._settings(vocabulary), _kinds(vocabulary), len(self._counts))
        for part in scan(
            self._data_set, self._schema, visit, stage=stage, workers=workers, quiet=quiet
        ):
            self._add(part)
            yield part

    def _settings(self, vocabulary: Vocabulary) -> np.ndarray:
        length, plan = self._schema.max_seq_length, self._data_set.plan
        settings = np.zeros(fields.BUDGETS + length + 1, np.int64)
        settings[fields.MAX_SEQ_LENGTH] = length
        settings[fields.MAX_PREDICTIONS] = self._schema.max_predictions
        settings[fields.VOCABULARY_SIZE] = len(vocabulary.tokens)
        settings[fields.CLS_ID] = vocabulary.cls_id
        settings[fields.SEP_ID] = vocabulary.sep_id
        settings[fields.MASK_ID] = vocabulary.mask_id
        for name, where in self._slices.items():
            settings[getattr(fields, name.upper())] = where.start
        settings[fields.HAS_WORDS] = settings[fields.LEAST_ROOM] = 1
        settings[fields.BUDGETS :] = 1
        if plan is not None:
            options = instance_options(plan)
            settings[fields.HAS_BUDGETS] = 1
            settings[fields.HAS_WORDS] = options.whole_word_mask
            marks_words = Promise.of(plan, self._schema).marks_words
            settings[fields.LEAST_ROOM] = _LONG_WORD if marks_words else 1
            settings[fields.BUDGETS :] = [options.num_to_predict(n) for n in range(length + 1)]
        return settings

    def _add(self, part: Part[Counts]) -> None:
        result = part.result
        self._counts += result.counts
        self._positions += result.positions
        self._hashes.add(result.hashes)
        self._hash_sum = (self._hash_sum + int(result.hashes.sum())) % (1 << 64)
        self._unreadable += int(np.count_nonzero(result.hashes == 0))
        self._bytes += part.num_bytes or 0
        for key, count in zip(*result.contexts.tolist(), strict=True):
            if count:
                self._contexts[key] = self._contexts.get(key, 0) + count
        if len(self._contexts) > _MOST_CONTEXTS:
            self._prune_contexts(_MOST_CONTEXTS // 2)

    def _prune_contexts(self, most: int) -> None:
        ordered = sorted(self._contexts.items(), key=lambda item: (-item[1], item[0]))
        left_out = sum(count for _, count in ordered[most:])
        self._counts[fields.UNKNOWN_CONTEXTS_LEFT_OUT] += left_out
        self._contexts = dict(ordered[:most])

    def measures(self) -> Measures:
        """All that was counted."""
        self._prune_contexts(_KEPT_CONTEXTS)
        totals = {name: int(self._counts[getattr(fields, name.upper())]) for name in _TOTALS}
        histograms = {name: self._counts[where] for name, where in self._slices.items()}
        return Measures(
            **totals,  # type: ignore[arg-type]
            **histograms,  # type: ignore[arg-type]
            unreadable=self._unreadable,
            bytes=self._bytes,
            hash_sum=self._hash_sum,
            expected_positions=self._positions[0],
            variance_positions=self._positions[1].clip(0.0),
            unknown_contexts={
                (key >> 31 & _BELOW_31_BITS, key & _BELOW_31_BITS): count
                for key, count in self._contexts.items()
            },
        )


def _kinds(vocabulary: Vocabulary) -> np.ndarray:
    """uint8[V]. What the kernel is to know of each piece."""
    continues = [token.startswith("##") for token in vocabulary.tokens]
    kinds = np.array(continues, np.uint8) * np.uint8(fields.CONTINUES)
    is_reserved = np.ones(len(kinds), bool)
    is_reserved[vocabulary.replacement_ids(ordinary_only=True)] = False
    kinds[is_reserved] |= fields.RESERVED
    for token in ("[PAD]", "[CLS]", "[SEP]", "[MASK]"):
        if token in vocabulary.ids:
            kinds[vocabulary.ids[token]] |= fields.SPECIAL
    if "[UNK]" in vocabulary.ids:
        kinds[vocabulary.unk_id] |= fields.IS_UNKNOWN
    return kinds
