"""A range of a shard -> batches of rows, one per record, and the faults between them.

    reader = RecordReader(shard, schema, start, end)
    for batch in reader:
        batch.rows, batch.offsets, batch.faults
    reader.first, reader.end, reader.crc32c, reader.num_records

A range may begin at any byte: the reader starts at the first frame in it and ends with the last one
that begins in it, so that adjacent ranges read each record once. Memory: a block of 256 KB and its
rows, or the longest record.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from bertprep.errors import naming
from bertprep.kernels import examples as kernel
from bertprep.records.blocks import BLOCK_BYTES, Blocks
from bertprep.records.examples import FeatureValues, parse_example
from bertprep.records.frames import (
    FRAME_SIZE,
    HEADER_SIZE,
    LONGEST_RECORD,
    Shard,
    describe_header,
    open_stream,
)
from bertprep.records.schema import RECORDS_TRIED, RecordSchema

_DAMAGED = "its data does not match its CRC: it was changed after it was written"


@dataclass(frozen=True)
class Fault:
    """A damaged frame.

    Attributes:
        index: index of the record in its range, from 0.
        offset: first byte of the frame in the uncompressed stream.
        problem: what is wrong.
    """

    index: int
    offset: int
    problem: str


@dataclass(frozen=True, eq=False)
class RecordBatch:
    """Consecutive records.

    Attributes:
        indices: int64[num_records]. Indices of the records in the range.
        offsets: int64[num_records]. First bytes of their frames in the uncompressed stream.
        rows: int32[num_records, width]. The values of all features, in the columns of
            `schema.columns`; those of float32 as their bits.
        states: uint8[num_records]. READ; DAMAGED where the CRC is wrong; UNUSUAL where the
            features are not those of the schema. Only rows that are READ are valid.
        faults: damaged frames, among these records or next to them.
    """

    indices: np.ndarray
    offsets: np.ndarray
    rows: np.ndarray
    states: np.ndarray
    faults: list[Fault]
    _data: np.ndarray
    _starts: np.ndarray
    _sizes: np.ndarray

    def record(self, i: int) -> bytes:
        """Return the serialized example; valid until the next batch is read."""
        start = self._starts[i]
        return self._data[start : start + self._sizes[i]].tobytes()

    def __len__(self) -> int:
        return len(self.offsets)


class RecordReader:
    """Reads the records whose frames begin in `[start, end)` of a shard.

    Args:
        shard: the shard; a compressed one is read whole.
        schema: features of its records.
        start, end: bytes; None ends with the file. If `start` is not 0, the first frame is searched
            for.
        is_frame: a frame is known to begin at `start`.

    Attributes (complete when the iterator has ended):
        first: first byte of the first frame; None where none begins in the range.
        end: the byte after the last record.
        crc32c: CRC32C of the bytes from `first` to `end`.
        num_records: frames that were found, and damaged regions that count as one each.
    """

    def __init__(
        self,
        shard: Shard,
        schema: RecordSchema,
        start: int = 0,
        end: int | None = None,
        *,
        is_frame: bool = False,
    ) -> None:
        self.first: int | None = None
        self.end = start
        self.crc32c = 0
        self.num_records = 0
        self._shard, self._schema = shard, schema
        self._limit = end
        self._is_frame = is_frame or start == 0
        names = np.zeros((len(schema.features), kernel.NAME_WIDTH), np.uint8)
        for row, stored in zip(names, schema.stored_names.values(), strict=True):
            name = stored.encode()
            row[: len(name)], row[-1] = np.frombuffer(name, np.uint8), len(name)
        self._names = names.reshape(-1)
        columns = schema.columns
        self._features = np.array(
            [
                (columns[f.name].start, schema.lengths[f.name], f.dtype == "float32")
                for f in schema.features
            ],
            kernel.FEATURE,
        )
        width = schema.width
        num_rows = 1 + BLOCK_BYTES // width  # a number is a byte at least
        self._rows = np.zeros((num_rows, width), np.int32)
        self._starts, self._sizes = np.zeros(num_rows, np.int64), np.zeros(num_rows, np.int64)
        self._states = np.zeros(num_rows, np.uint8)
        self._is_lost = False
        self._wanted = 1

    def __iter__(self) -> Iterator[RecordBatch]:
        """Yield one batch or more; some are empty."""
        with naming(self._shard.path), open_stream(self._shard, buffering=0) as stream:
            blocks = self._blocks = Blocks(stream, self.end)
            if not self._is_frame and not blocks.seek_header(0, self._limit):
                self.end = blocks.offset
                return
            self.first, blocks.crc32c = blocks.offset, 0
            yield self._next_batch()
            while not self._is_done():
                yield self._recover() if self._is_lost else self._next_batch()
            self.end, self.crc32c = blocks.offset, blocks.crc32c

    def _is_done(self) -> bool:
        blocks = self._blocks
        if self._limit is not None and blocks.offset >= self._limit:
            return True
        return blocks.is_ended and blocks.at == blocks.have and not blocks.gzip_problem

    def _next_batch(self) -> RecordBatch:
        blocks = self._blocks
        blocks.require(self._wanted)
        stop = blocks.have if self._limit is None else min(blocks.have, self._limit - blocks.base)
        count, at, reason = kernel.scan_frames(
            *(blocks.data, blocks.at, stop, blocks.have, LONGEST_RECORD),
            *(self._starts, self._sizes),
        )
        self._states[:count] = kernel.READ
        blocks.use(at - blocks.at)
        is_cut = reason == kernel.INCOMPLETE or (at == blocks.have and bool(blocks.gzip_problem))
        self._is_lost = reason == kernel.WRONG or (blocks.is_ended and is_cut)
        self._wanted = self._frame_size() if reason == kernel.INCOMPLETE else 1
        return self._batch(count)

    def _frame_size(self) -> int:
        """Return the size of the next frame by its header; of a header where it is incomplete."""
        blocks = self._blocks
        if blocks.have - blocks.at < HEADER_SIZE:
            return HEADER_SIZE
        return FRAME_SIZE + blocks.header(0)[0]

    def _batch(self, count: int, faults: Sequence[Fault] = ()) -> RecordBatch:
        """Return the first `count` records that were found, parsed."""
        rows, starts, sizes, states = (
            array[:count] for array in (self._rows, self._starts, self._sizes, self._states)
        )
        kernel.parse_examples(
            self._blocks.data, starts, sizes, count, self._names, self._features, rows, states
        )
        batch = RecordBatch(
            indices=np.arange(self.num_records, self.num_records + count),
            offsets=starts + (self._blocks.base - HEADER_SIZE),
            rows=rows,
            states=states,
            faults=list(faults),
            _data=self._blocks.data,
            _starts=starts,
            _sizes=sizes,
        )
        for i in np.flatnonzero(states).tolist():
            if states[i] == kernel.UNUSUAL and self._read_plainly(batch.record(i), rows[i]):
                states[i] = kernel.READ
        self.num_records += count
        return batch

    def _read_plainly(self, record: bytes, row: np.ndarray) -> bool:
        """Parse an unusual record; False where its features are not those of the schema."""
        try:
            features = parse_example(record)
        except ValueError:
            return False
        for feature in self._schema.features:
            found = features.pop(self._schema.stored_names[feature.name], FeatureValues())
            is_float = feature.dtype == "float32"
            length = self._schema.lengths[feature.name]
            if found.kind != ("float" if is_float else "int64") or len(found.values) != length:
                return False
            if not is_float and any(not 0 <= value < 1 << 31 for value in found.values):
                return False
            values = np.array(found.values, np.float32 if is_float else np.int32)
            row[self._schema.columns[feature.name]] = values.view(np.int32)
        return not (features and self._schema.is_closed)

    def _recover(self) -> RecordBatch:
        """Report what is wrong with the next frame, and continue where the one after it begins."""
        blocks, offset = self._blocks, self._blocks.offset
        self._is_lost = False
        if not blocks.require(HEADER_SIZE):
            left = blocks.have - blocks.at
            blocks.use(left)
            cut = f"the file ends {left} bytes into a record: it is truncated"
            return self._no_record(offset, blocks.gzip_problem or cut)
        size, is_size_right = blocks.header(0)
        own_size = blocks.own_size(HEADER_SIZE)
        if own_size is not None:
            problem = f"its length field says {size:,} bytes, but the record has {own_size:,}"
            if own_size == size:
                problem = "the CRC of its length is wrong; the length and the record are intact"
            return self._one_record(own_size, kernel.READ, problem)
        may_be_whole = is_size_right and size <= LONGEST_RECORD
        if may_be_whole and blocks.is_boundary(FRAME_SIZE + size):
            return self._one_record(size, kernel.DAMAGED, _DAMAGED)
        header = blocks.data[blocks.at : blocks.at + HEADER_SIZE].tobytes()
        is_found = blocks.seek_header(1)
        short = offset + FRAME_SIZE + size - blocks.offset
        if not is_found and blocks.gzip_problem:
            problem = blocks.gzip_problem
        elif not is_found and may_be_whole and short > 0:
            problem = f"the file ends {short:,} bytes before this record does: it is truncated"
        elif is_size_right:
            problem = f"its length field says {size:,} bytes, but no record begins after them"
        elif is_found:
            problem = "its length field does not match its CRC"
        else:
            problem = describe_header(header, offset)
        if is_found:
            problem += f"; the next record begins at byte {blocks.offset}"
        return self._no_record(offset, problem)

    def _one_record(self, size: int, state: int, problem: str) -> RecordBatch:
        """Return the next frame, whose header or data are damaged, with `size` bytes of data."""
        blocks, fault = self._blocks, Fault(self.num_records, self._blocks.offset, problem)
        self._starts[0], self._sizes[0] = blocks.at + HEADER_SIZE, size
        self._states[0] = state
        blocks.use(FRAME_SIZE + size)
        return self._batch(1, [fault])

    def _no_record(self, offset: int, problem: str) -> RecordBatch:
        """Report a skipped region; it counts as a record."""
        if self._blocks.is_ended and self._blocks.at == self._blocks.have:
            self._blocks.gzip_problem = None
        batch = self._batch(0, [Fault(self.num_records, offset, problem)])
        self.num_records += 1
        return batch


def find_schema(shard: Shard) -> RecordSchema | None:
    """Return the schema of the first intact record that has one, wherever it is in the shard."""
    tries = 0
    for batch in RecordReader(shard, RecordSchema(1, 1)):
        for i in np.flatnonzero(batch.states != kernel.DAMAGED).tolist():
            with suppress(ValueError):
                return RecordSchema.of(parse_example(batch.record(i)))
            tries += 1
            if tries == RECORDS_TRIED:
                return None
    return None
