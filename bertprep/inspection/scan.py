"""All records of a data set, on all cores -> one result per range, in the order of the files.

The ranges of a large shard are read at the same time. Each finds its first frame by itself; a
result is used only if the range before it ends exactly at that frame.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Generic, TypeVar

from bertprep.engines import Task, open_engine
from bertprep.options import EngineOptions
from bertprep.records import DataSet, RecordSchema, Shard
from bertprep.records.blocks import warm_up
from bertprep.records.columns import RecordReader
from bertprep.records.frames import join_crc32c
from bertprep.terminal import message, progress

R = TypeVar("R")
#: What a worker does with the records of a range; it is pickled.
Visitor = Callable[[RecordReader], R]

RANGE_BYTES = 32 << 20
_NOTHING = Shard(os.devnull, 0, "none")


@dataclass(frozen=True)
class _Range:
    shard: Shard
    start: int = 0
    end: int | None = None
    is_frame: bool = False


@dataclass(frozen=True)
class _Piece(Generic[R]):
    """The result of a range. `first` is None if no frame begins in it."""

    first: int | None
    end: int
    num_records: int
    crc32c: int
    result: R


@dataclass(frozen=True)
class Part(Generic[R]):
    """A visitor's result for consecutive records of a shard.

    Attributes:
        shard: the shard.
        first_record: index of the first record in the shard.
        result: what the visitor returned.
        num_records, num_bytes, crc32c: of the uncompressed shard; None in all parts but its last.
    """

    shard: Shard
    first_record: int
    result: R
    num_records: int | None = None
    num_bytes: int | None = None
    crc32c: int | None = None


def scan(
    data_set: DataSet,
    schema: RecordSchema,
    visit: Visitor[R],
    *,
    stage: str,
    workers: int | None = None,
    quiet: bool = False,
) -> Iterator[Part[R]]:
    """Call `visit` on every range, in workers; yield the results in order.

    Args:
        data_set: the data set to read.
        schema: the schema of its records.
        visit: iterates over a reader; its result is pickled.
        stage: name of the progress bar.
        workers: processes; None is all cores.
        quiet: no progress bar.
    """
    ranges = {shard.path: list(_ranges(shard)) for shard in data_set.shards}
    tasks = [
        Task(f"{r.shard.path} from byte {r.start}", r, (r.end or r.shard.size) - r.start)
        for r in chain(*ranges.values())
    ]
    read = partial(_read, schema, visit)
    warm_up()
    read(_Range(_NOTHING))  # compiles the kernels before workers are started
    with (
        open_engine(
            EngineOptions(), notify=lambda text: message(f"Warning: {text}"), workers=workers
        ) as engine,
        progress(stage, data_set.size, quiet=quiet) as bar,
    ):
        pieces = engine.run(read, tasks, bar.advance)
        for shard in data_set.shards:
            yield from _join(shard, ranges[shard.path], pieces, read)


def _ranges(shard: Shard) -> Iterator[_Range]:
    """Yield the ranges of a shard; a compressed one is read whole."""
    if shard.compression != "none" or shard.size <= RANGE_BYTES:
        yield _Range(shard)
        return
    for start in range(0, shard.size, RANGE_BYTES):
        yield _Range(shard, start, min(start + RANGE_BYTES, shard.size))


def _read(schema: RecordSchema, visit: Visitor[R], task: _Range) -> _Piece[R]:
    reader = RecordReader(task.shard, schema, task.start, task.end, is_frame=task.is_frame)
    result = visit(reader)
    return _Piece(reader.first, reader.end, reader.num_records, reader.crc32c, result)


def _join(
    shard: Shard,
    ranges: Sequence[_Range],
    pieces: Iterator[_Piece[R]],
    read: Callable[[_Range], _Piece[R]],
) -> Iterator[Part[R]]:
    end = index = crc = 0
    for task, piece in zip(ranges, pieces, strict=False):
        begins_here = task.end is None or end < task.end
        if piece.first != (end if begins_here else None):
            # What looked like a header is inside a record, once in four billion bytes.
            piece = read(replace(task, start=end, is_frame=True))
        crc = join_crc32c(crc, piece.crc32c, max(0, piece.end - end))
        part = Part(shard, index, piece.result)
        index, end = index + piece.num_records, max(end, piece.end)
        is_last = task is ranges[-1]
        yield replace(part, num_records=index, num_bytes=end, crc32c=crc) if is_last else part
