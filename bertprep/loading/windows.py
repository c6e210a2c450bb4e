"""Shards -> rows of features by their place in a run, read and checked by the compiled reader.

    stream = RecordStream(data_set, vocab_size=30522, seed=1)
    for rows in stream.read([range(0, 32), range(32, 64)]):
        rows[:, stream.schema.columns["input_ids"]]

Cost: 1 us a record of 128 tokens; to begin in the middle, 0.5 us for every record that stands
before in the 16 shards that are open. Memory: 250 MB, a window and what is read of the next.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bertprep.errors import BertprepError
from bertprep.kernels.examples import READ
from bertprep.loading.order import WINDOW_RECORDS, EpochOrder, Piece
from bertprep.records import DataSet, FrameError, RecordSchema, Shard, read_schema
from bertprep.records.columns import RecordBatch, RecordReader
from bertprep.records.frames import count_records

#: Bytes of the rows of a window, at most: longer records have smaller windows.
_WINDOW_BYTES = 1 << 27


@dataclass(frozen=True)
class _Checks:
    """What every record must be like: the largest value of each column, with what it is called."""

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
        """Raises FrameError for the first record that is not as it should be."""
        for fault in batch.faults[:1]:
            raise FrameError(shard, fault.index, fault.offset, fault.problem)
        for i in np.flatnonzero(batch.states != READ)[:1].tolist():
            lengths = f"{self.schema.max_seq_length} tokens and {self.schema.max_predictions} masks"
            problem = f"it has not the features of the others, of {lengths}"
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
        hint = ": the records were made with another vocabulary" if name.endswith("ids") else ""
        return f"{name} has the value {largest:,}, and must be below {values:,}{hint}"


class _Lane:
    """Reads pieces; one that follows another in its shard without looking for it."""

    def __init__(self, shards: Sequence[Shard], checks: _Checks) -> None:
        self._shards, self._checks = shards, checks
        self._next = (-1, 0)  # shard and record
        self._batches: Iterator[np.ndarray] = iter(())
        self._left = np.zeros((0, 0), np.int32)

    def read(self, piece: Piece, rows: np.ndarray) -> None:
        """Writes the records of a piece into the int32[piece.count, width] that is given."""
        shard = self._shards[piece.shard]
        if self._next != (piece.shard, piece.first):
            self._batches, self._left = self._rows(shard, piece.first), self._left[:0]
        at = 0
        while at < piece.count:
            if not len(self._left):
                self._left = next(self._batches, self._left)
                if not len(self._left):
                    raise BertprepError(
                        f"{shard.path}: ends {piece.count - at:,} records too soon: it is not the "
                        "file that its manifest tells of, or was changed since this run began"
                    )
            part = self._left[: piece.count - at]
            rows[at : at + len(part)] = part
            at, self._left = at + len(part), self._left[len(part) :]
        self._next = (piece.shard, piece.first + piece.count)

    def _rows(self, shard: Shard, first: int) -> Iterator[np.ndarray]:
        """The rows of a shard from a record on."""
        for batch in RecordReader(shard, self._checks.schema):
            self._checks.require(shard, batch)
            skipped = max(0, first - int(batch.indices[0])) if len(batch) else 0
            if skipped < len(batch):
                yield batch.rows[skipped:].copy()  # the reader uses its rows again


class RecordStream:
    """The records of a data set, by their place in a run: epoch after epoch, each in its order.

    Args:
        data_set: of records that are all of one kind.
        vocab_size: an id from here on is an error.
        seed: of the order.
        is_shuffled: otherwise the records come as they stand in the shards.
        window_records: records that are shuffled among one another, at most.

    Attributes:
        schema: what the records are like.
        num_records: of the data set, so of an epoch.
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
            raise BertprepError(f"{data_set.name}: there are no records, only empty files")
        self._width = self.schema.width
        self._window_records = min(window_records, _WINDOW_BYTES // (4 * self._width))
        self._seed, self._is_shuffled = seed, is_shuffled
        self._checks = _Checks(self.schema, vocab_size)

    def read(self, places: Iterable[range]) -> Iterator[np.ndarray]:
        """int32[len(range), width] for each of some ranges of places, which ascend.

        Raises:
            BertprepError: a record is damaged or is not like the others; or the system's errors.
        """
        windows: Iterator[tuple[int, np.ndarray, np.ndarray]] | None = None
        for wanted in places:
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

    def _windows(self, place: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """First place, rows and order of the windows, from the one that a place is in on."""
        epoch, start = divmod(place, self.num_records)
        while True:
            order = EpochOrder(
                self._counts,
                self._seed,
                epoch,
                self._window_records,
                is_shuffled=self._is_shuffled,
            )
            first = epoch * self.num_records
            lanes = [_Lane(self._shards, self._checks) for _ in order.pieces(0)]
            for window in range(order.window_of(start)[0], order.num_windows):
                permutation = order.permutation(window)
                rows = np.empty((len(permutation), self._width), np.int32)
                at = 0
                for lane, pieces in zip(lanes, order.pieces(window), strict=True):
                    for piece in pieces:
                        lane.read(piece, rows[at : at + piece.count])
                        at += piece.count
                yield first + int(order.window_starts[window]), rows, permutation
            epoch, start = epoch + 1, 0
