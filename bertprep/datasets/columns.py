"""A range of a shard -> batches of records as columns, with what stands between them.

    reader = RecordReader(shard, schema, start, end)
    for batch in reader:
        batch.rows, batch.offsets       # and what cannot be read, in batch.faults
    reader.first, reader.end, reader.crc32c, reader.num_records

A range begins anywhere: the reader starts at the first frame in it and ends with the last that
begins in it, so that ranges side by side read each record once. Memory: a block of 256 KB and its
rows, or the longest record.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from bertprep.data import FEATURES, stored_name
from bertprep.datasets.examples import Feature, RecordSchema, parse_example
from bertprep.datasets.frames import (
    FRAME_SIZE,
    GZIP_ERRORS,
    HEADER,
    HEADER_SIZE,
    LONGEST_RECORD,
    Shard,
    open_stream,
    what_stands_there,
)
from bertprep.errors import naming
from bertprep.kernels import examples as kernel
from bertprep.kernels.machine import PADDING
from bertprep.kernels.tfrecord import extend_crc32c, masked_crc32c

BLOCK_BYTES = 1 << 18
_DAMAGED = "its data does not match its CRC: it was changed after it was written"
#: The shortest frame that is worth a row: a record of the shortest sequence has 200 bytes.
_ROWS = BLOCK_BYTES // 128


@dataclass(frozen=True)
class Fault:
    """What is wrong with a frame.

    Attributes:
        index: of the record in its range, from 0.
        offset: byte of the frame in the uncompressed stream.
        problem: what was found.
    """

    index: int
    offset: int
    problem: str


@dataclass(frozen=True, eq=False)
class RecordBatch:
    """Some records that follow one another.

    Attributes:
        indices: int64[num_records]. Their places in the range.
        offsets: int64[num_records]. The bytes of their frames in the uncompressed stream.
        rows: int32[num_records, width]. The features in the order of data.FEATURES, one behind the
            other; those of float32 by their bits.
        states: uint8[num_records]. READ; DAMAGED where the CRC is wrong; UNUSUAL where the
            features are not what the schema says. Only rows that are READ have a meaning.
        faults: what is wrong with frames, these or others near them.
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
        """The serialized example; only until the next batch is taken."""
        start = self._starts[i]
        return self._data[start : start + self._sizes[i]].tobytes()

    def __len__(self) -> int:
        return len(self.offsets)


def columns_of(schema: RecordSchema) -> dict[str, slice]:
    """Where each of FEATURES stands in a row."""
    ends = np.cumsum(list(schema.lengths.values())).tolist()
    starts = [0, *ends[:-1]]
    return {name: slice(a, b) for name, a, b in zip(FEATURES, starts, ends, strict=True)}


class RecordReader:
    """Reads the records whose frames begin in `[start, end)` of a shard.

    Args:
        shard: the shard; one that is compressed is read whole.
        schema: what its records are like.
        start, end: bytes; None ends with the file. From a start behind 0 on, the first frame is
            looked for.
        is_frame: a frame is known to begin at `start`.

    Attributes (complete when the iterator has ended):
        first: byte of the first frame; None where none begins in the range.
        end: the byte behind the last record, where the next one begins or the file ends.
        crc32c: of the bytes from `first` to `end`.
        num_records: frames that were found, and those that were not where one should be.
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
        names = np.zeros((kernel.NUM_FEATURES, kernel.NAME_WIDTH), np.uint8)
        for row, feature in zip(names, FEATURES, strict=True):
            name = stored_name(feature, schema.feature_names).encode()
            row[: len(name)], row[-1] = np.frombuffer(name, np.uint8), len(name)
        self._names = names.reshape(-1)
        self._lengths = np.array(list(schema.lengths.values()), np.int64)
        self._columns = columns_of(schema)
        self._rows = np.zeros((_ROWS, int(self._lengths.sum())), np.int32)
        self._starts, self._sizes = np.zeros(_ROWS, np.int64), np.zeros(_ROWS, np.int64)
        self._states = np.zeros(_ROWS, np.uint8)
        # Bytes `_at` to `_have` of the buffer are read and not used; byte 0 is `_base` of the file.
        self._buffer = np.zeros(BLOCK_BYTES + PADDING, np.uint8)
        self._at = self._have = 0
        self._base = start
        self._is_ended = self._is_lost = False
        self._wanted = 0
        self._gzip_problem: str | None = None

    def __iter__(self) -> Iterator[RecordBatch]:
        with naming(self._shard.path), open_stream(self._shard, buffering=0) as stream:
            if self._base:
                stream.seek(self._base)
            self._fill(stream)
            if not self._is_frame and not self._find_first(stream):
                return
            self.first = self._base + self._at
            while not self._is_done():
                yield self._next_batch(stream)
            self.end = self._base + self._at

    def _is_done(self) -> bool:
        at = self._base + self._at
        is_past = self._limit is not None and at >= self._limit
        return is_past or (self._is_ended and self._at == self._have and not self._gzip_problem)

    def _fill(self, stream: BinaryIO, wanted: int = 0) -> None:
        """Moves what is not used to the front and reads on; `wanted` bytes are to be there."""
        left = self._buffer[self._at : self._have].copy()
        if wanted > len(self._buffer) - PADDING:
            self._buffer = np.zeros(wanted + BLOCK_BYTES + PADDING, np.uint8)
        self._buffer[: len(left)] = left
        self._base += self._at
        self._at, self._have = 0, len(left)
        room = memoryview(self._buffer)[: len(self._buffer) - PADDING]  # type: ignore[arg-type]
        while self._have < len(room) and not self._is_ended:
            try:
                size = stream.readinto(room[self._have :])  # type: ignore[attr-defined]
            except GZIP_ERRORS as error:
                is_cut = isinstance(error, EOFError)
                problem = "ends before its end: the file was cut off" if is_cut else str(error)
                self._gzip_problem, size = f"the gzip stream {problem}", 0
            self._is_ended = not size
            self._have += size

    def _find_first(self, stream: BinaryIO) -> bool:
        """Goes to the first header in the range."""
        while True:
            limit = len(self._buffer) if self._limit is None else self._limit - self._base
            end = min(self._have, limit + HEADER_SIZE - 1)
            found = kernel.find_header(self._buffer, self._at, end, LONGEST_RECORD)
            if found >= 0:
                self._at = found
                return True
            if end < self._have or self._is_ended:
                self.end = self._base + self._have
                return False
            self._at = max(self._at, self._have - HEADER_SIZE + 1)
            self._fill(stream)

    def _next_batch(self, stream: BinaryIO) -> RecordBatch:
        if self._is_lost:
            return self._recover(stream)
        if self._wanted or self._at == self._have:
            self._fill(stream, self._wanted)
            self._wanted = 0
        start = self._at
        stop = self._have if self._limit is None else min(self._have, self._limit - self._base)
        count, at, reason = kernel.scan_frames(
            *(self._buffer, start, stop, self._have, LONGEST_RECORD),
            *(self._starts, self._sizes, self._states),
        )
        self._is_lost = reason == kernel.WRONG_HEADER
        if reason == kernel.INCOMPLETE:
            self._is_lost = self._is_ended and (at < self._have or self._gzip_problem is not None)
            self._wanted = self._frame_size(at) + HEADER_SIZE
        if count and self._states[count - 1] == kernel.DAMAGED and not self._is_boundary(at):
            # A wrong length under a right CRC leads to where no record begins; look there first.
            count, at = count - 1, int(self._starts[count - 1]) - HEADER_SIZE
            self._wanted = self._frame_size(at) + HEADER_SIZE
            self._is_lost = self._is_ended or at + self._wanted <= self._have
        self._at = at
        self._extend_crc32c(start, at)
        return self._batch(count)

    def _frame_size(self, at: int) -> int:
        """Bytes of the frame at `at`, by its header; those of a header where none is whole."""
        if at + HEADER_SIZE > self._have:
            return HEADER_SIZE
        return FRAME_SIZE + min(self._header(at)[0], LONGEST_RECORD)

    def _header(self, at: int) -> tuple[int, int]:
        size, crc = HEADER.unpack(self._buffer[at : at + HEADER_SIZE].tobytes())
        return size, crc

    def _is_boundary(self, at: int) -> bool:
        """A record may end here: another begins, or the file ends."""
        if self._is_ended and at == self._have:
            return True
        end = min(at + HEADER_SIZE, self._have)
        return bool(kernel.find_header(self._buffer, at, end, LONGEST_RECORD) == at)

    def _extend_crc32c(self, start: int, end: int) -> None:
        self.crc32c = int(extend_crc32c(self.crc32c, self._buffer[start:], end - start))

    def _batch(self, count: int, faults: Sequence[Fault] = ()) -> RecordBatch:
        """The first `count` records that were found, read."""
        rows, starts, sizes, states = (
            array[:count] for array in (self._rows, self._starts, self._sizes, self._states)
        )
        kernel.parse_examples(
            self._buffer, starts, sizes, count, self._names, self._lengths, rows, states
        )
        batch = RecordBatch(
            indices=np.arange(self.num_records, self.num_records + count),
            offsets=starts + (self._base - HEADER_SIZE),
            rows=rows,
            states=states,
            faults=list(faults),
            _data=self._buffer,
            _starts=starts,
            _sizes=sizes,
        )
        for i in np.flatnonzero(states).tolist():
            if states[i] == kernel.DAMAGED:
                fault = Fault(int(batch.indices[i]), int(batch.offsets[i]), _DAMAGED)
                batch.faults.append(fault)
            elif self._read_plainly(batch.record(i), rows[i]):
                states[i] = kernel.READ
        self.num_records += count
        return batch

    def _read_plainly(self, record: bytes, row: np.ndarray) -> bool:
        """Reads what the kernel leaves alone; False where the features are not the schema's."""
        try:
            features = parse_example(record)
        except ValueError:
            return False
        for name, length in self._schema.lengths.items():
            feature = features.pop(stored_name(name, self._schema.feature_names), Feature())
            is_float = name == "masked_lm_weights"
            if feature.kind != ("float" if is_float else "int64") or len(feature.values) != length:
                return False
            if not is_float and any(not 0 <= value < 1 << 31 for value in feature.values):
                return False
            values = np.array(feature.values, np.float32 if is_float else np.int32)
            row[self._columns[name]] = values.view(np.int32)
        return not features

    def _recover(self, stream: BinaryIO) -> RecordBatch:
        """Says what is wrong where a frame should begin, and goes to where the next one does."""
        self._is_lost, self._wanted = False, 0
        self._fill(stream)
        offset, left = self._base, self._have
        if left < HEADER_SIZE:
            problem = (
                self._gzip_problem or f"the file ends {left} bytes into a record: it was cut off"
            )
            return self._skip(problem, offset, left)
        size, crc = self._header(0)
        header = self._buffer[:HEADER_SIZE].tobytes()
        is_size_right = int(masked_crc32c(self._buffer, 0, 8)) == crc
        own_size = self._own_size(stream)
        if own_size is not None:
            problem = (
                "the CRC of its length is wrong; the length and the record are right"
                if own_size == size
                else f"its length field says {size:,} bytes, and the record has {own_size:,}"
            )
            self._starts[0], self._sizes[0], self._states[0] = HEADER_SIZE, own_size, kernel.READ
            self._at = FRAME_SIZE + own_size
            self._extend_crc32c(0, self._at)
            return self._batch(1, [Fault(self.num_records, offset, problem)])

        is_found = self._seek_header(stream)
        next_offset = self._base + self._at
        if is_found:
            what = (
                f"its length field says {size:,} bytes, and no record begins behind them"
                if is_size_right
                else "its length field does not match its CRC"
            )
            problem = f"{what}; the next record begins at byte {next_offset}"
        elif self._gzip_problem:
            problem = self._gzip_problem
        elif is_size_right and size <= LONGEST_RECORD:
            short = offset + FRAME_SIZE + size - next_offset
            problem = f"the file ends {short:,} bytes before this record does: it was cut off"
        else:
            problem = what_stands_there(header, offset)
        return self._skip(problem, offset, self._at)

    def _skip(self, problem: str, offset: int, at: int) -> RecordBatch:
        """Passes over what is no frame; it counts as a record."""
        self._at = at
        if self._is_ended and at == self._have:
            self._gzip_problem = None
        batch = self._batch(0, [Fault(self.num_records, offset, problem)])
        self.num_records += 1
        return batch

    def _own_size(self, stream: BinaryIO) -> int | None:
        """Size of the record behind the header at byte 0 by its own account, if its CRC agrees."""
        data = self._buffer[HEADER_SIZE : min(HEADER_SIZE + 6, self._have)].tobytes()
        stops = [i for i, byte in enumerate(data[1:], 1) if byte < 128]
        if data[:1] != b"\x0a" or not stops:
            return None
        size = (
            1
            + stops[0]
            + sum((byte & 127) << 7 * i for i, byte in enumerate(data[1 : stops[0] + 1]))
        )
        if size > LONGEST_RECORD:
            return None
        if FRAME_SIZE + size > self._have:
            self._fill(stream, FRAME_SIZE + size)
        end = HEADER_SIZE + size
        if end + 4 > self._have:
            return None
        crc = int.from_bytes(self._buffer[end : end + 4].tobytes(), "little")
        return size if int(masked_crc32c(self._buffer, HEADER_SIZE, end)) == crc else None

    def _seek_header(self, stream: BinaryIO) -> bool:
        """Goes to the next header behind byte 0, or to the end of the file."""
        start = 1
        while True:
            found = int(kernel.find_header(self._buffer, start, self._have, LONGEST_RECORD))
            at = found if found >= 0 else max(start, self._have - HEADER_SIZE + 1)
            if found < 0 and self._is_ended:
                at = self._have
            self._extend_crc32c(self._at, at)
            self._at = at
            if found >= 0 or self._is_ended:
                return found >= 0
            self._fill(stream)
            start = 0
