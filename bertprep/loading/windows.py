"""Shards -> rows of features by their position in a run, read and checked by the compiled reader.

    stream = RecordStream(data_set, vocab_size=30522, seed=1)
    for rows in stream.read([range(0, 32), range(32, 64)]):
        rows[:, stream.schema.columns["input_ids"]]

Cost: 1 us per record of 128 tokens; starting in the middle takes 0.5 us for every record before
that position in the 16 open shards. Memory: 250 MB: a window, and the part of the next one that is
already read.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bertprep.errors import BertprepError
from bertprep.kernels.examples import READ
from bertprep.loading.order import WINDOW_RECORDS, EpochOrder, ShardRange
from bertprep.records import DataSet, FrameError, RecordSchema, Shard, read_schema
from bertprep.records.columns import RecordBatch, RecordReader
from bertprep.records.frames import count_records

#: Most bytes of a window's rows: longer records have smaller windows.
_WINDOW_BYTES = 1 << 27


@dataclass(frozen=True)
class _Checks:
    """The checks that every record must pass: its features are there, and no value is too large."""

    schema: RecordSchema
    vocab_size: int

    def __post_init__(self) -> None:
        limits = np.full(self.schema.width, np.iinfo(np.int32).max, np.int32)
        for name, values in self._number_of_values().items():
            limits[self.schema.columns[name]] = values - 1
        object.__setattr__(self, "_limits", limits)

    def _number_of_values(self) -> dict[str, int]:
        sizes = {"vocab_size": self.vocab_size, "max_seq_length": self.schema.max_seq_length}
        return {
            feature.name: sizes[feature.below] if isinstance(feature.below, str) else feature.below
            for feature in self.schema.features
            if feature.below is not None
        }

    def require(self, shard: Shard, batch: RecordBatch) -> None:
        """Raise FrameError for the first record that fails a check."""
        for fault in batch.faults[:1]:
            raise FrameError(shard, fault.index, fault.offset, fault.problem)
        for i in np.flatnonzero(batch.states != READ)[:1].tolist():
            lengths = f"{self.schema.max_seq_length} tokens and {self.schema.max_predictions} masks"
            problem = f"its features are not those of the others, for {lengths}"
            raise FrameError(shard, int(batch.indices[i]), int(batch.offsets[i]), problem)
        limits: np.ndarray = self._limits  # type: ignore[attr-defined]
        for i in np.flatnonzero((batch.rows > limits).any(axis=1))[:1].tolist():
            problem = self._too_large(batch.rows[i])
            raise FrameError(shard, int(batch.indices[i]), int(batch.offsets[i]), problem)

    def _too_large(self, row: np.ndarray) -> str:
        for name, values in self._number_of_values().items():
            largest = int(row[self.schema.columns[name]].max())
            if largest >= values:
                break
        hint = ": the records were created with another vocabulary" if name.endswith("ids") else ""
        return f"{name} has the value {largest:,}, which must be below {values:,}{hint}"


class _Lane:
    """Reads ranges of shards; one that continues the range before is read without a search."""

    def __init__(self, shards: Sequence[Shard], checks: _Checks) -> None:
        self._shards, self._checks = shards, checks
        self._next = (-1, 0)  # shard and record
        self._batches: Iterator[np.ndarray] = iter(())
        self._left = np.zeros((0, 0), np.int32)

    def read(self, wanted: ShardRange, rows: np.ndarray) -> None:
        """Read a range into `rows`, int32[count, width]."""
        shard = self._shards[wanted.shard]
        if self._next != (wanted.shard, wanted.first):
            self._batches, self._left = self._rows(shard, wanted.first), self._left[:0]
        at = 0
        while at < wanted.count:
            if not len(self._left):
                self._left = next(self._batches, self._left)
                if not len(self._left):
                    raise BertprepError(
                        f"{shard.path}: {wanted.count - at:,} records are missing at its end: it "
                        "is not the file that the manifest describes, or has changed since this "
                        "run started"
                    )
            part = self._left[: wanted.count - at]
            rows[at : at + len(part)] = part
            at, self._left = at + len(part), self._left[len(part) :]
        self._next = (wanted.shard, wanted.first + wanted.count)

    def _rows(self, shard: Shard, first: int) -> Iterator[np.ndarray]:
        """Yield the rows of a shard from a record on."""
        for batch in RecordReader(shard, self._checks.schema):
            self._checks.require(shard, batch)
            skipped = max(0, first - int(batch.indices[0])) if len(batch) else 0
            if skipped < len(batch):
                yield batch.rows[skipped:].copy()  # the reader reuses its rows


class RecordStream:
    """The records of a data set by their position in a run: epoch after epoch, each in its order.

    Args:
        data_set: a data set whose records all have the same features.
        vocab_size: ids must be below it.
        seed: seed of the order.
        is_shuffled: False keeps the order of the shards.
        window_records: most records that are shuffled together.

    Attributes:
        schema: features of the records.
        num_records: number of records of an epoch.
    """

    def __init__(
        self,
        data_set: DataSet,
        vocab_size: int,
        seed: int,
        *,
        is_shuffled: bool = True,
        window_records: int = WINDOW_RECORDS,
    ) -> None:
        self.schema = read_schema(data_set)
        self._shards = data_set.shards
        self._counts = [s.summary.records if s.summary else count_records(s) for s in self._shards]
        self.num_records = sum(self._counts)
        if not self.num_records:
            raise BertprepError(
                f"{data_set.name}: there are no records, only empty files. Name other files"
            )
        self._width = self.schema.width
        self._window_records = min(window_records, _WINDOW_BYTES // (4 * self._width))
        self._seed, self._is_shuffled = seed, is_shuffled
        self._checks = _Checks(self.schema, vocab_size)

    def read(self, positions: Iterable[range]) -> Iterator[np.ndarray]:
        """Yield int32[len(range), width] for each of some ascending ranges of positions.

        Raises:
            BertprepError: a record is damaged or fails a check.
            OSError: a shard cannot be read.
        """
        windows: Iterator[tuple[int, np.ndarray, np.ndarray]] | None = None
        for wanted in positions:
            if windows is None:
                windows = self._windows(wanted.start)
                first, rows, permutation = next(windows)
            parts, at = [rows[:0]], wanted.start
            while at < wanted.stop:
                while at >= first + len(rows):
                    first, rows, permutation = next(windows)
                parts.append(rows[permutation[at - first : wanted.stop - first]])
                at += len(parts[-1])
            yield np.concatenate(parts)

    def _windows(self, position: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Yield first position, rows and order of the windows, from the one of a position on."""
        epoch, start = divmod(position, self.num_records)
        while True:
            order = EpochOrder(
                self._counts,
                self._seed,
                epoch,
                self._window_records,
                is_shuffled=self._is_shuffled,
            )
            first = epoch * self.num_records
            lanes = [_Lane(self._shards, self._checks) for _ in order.ranges(0)]
            for window in range(order.window_of(start)[0], order.num_windows):
                permutation = order.permutation(window)
                rows = np.empty((len(permutation), self._width), np.int32)
                at = 0
                for lane, ranges in zip(lanes, order.ranges(window), strict=True):
                    for wanted in ranges:
                        lane.read(wanted, rows[at : at + wanted.count])
                        at += wanted.count
                yield first + int(order.window_starts[window]), rows, permutation
            epoch, start = epoch + 1, 0
