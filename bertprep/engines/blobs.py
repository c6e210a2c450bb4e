"""Keyed blobs between tasks of one machine: files in a folder, which a stopped run goes on from.

A map task writes a file a blob, then a small result file; a reduce task reads its key's slice of
every blob. Memory: a blob, or the slices of a key.
"""

import json
import os
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

from bertprep.engines.local import LocalEngine
from bertprep.engines.tasks import Advance, MapStage, ReduceStage, Task
from bertprep.storage.files import write_whole

T = TypeVar("T")
R = TypeVar("R")


class LocalExchange:
    """The engine of one machine: `LocalEngine` runs the tasks, a folder holds the blobs.

    Args:
        engine: whose workers run the tasks; it is closed with this.
        folder: of the blobs.
        num_keys: keys are numbered from 0.
        setup: called in each worker before its first task.
    """

    def __init__(
        self, engine: LocalEngine, folder: Path, num_keys: int, setup: Callable[[], object]
    ) -> None:
        self._engine, self._folder, self._setup = engine, folder, setup
        self._num_keys = num_keys
        self._blobs: list[str] = []

    def map(
        self, stage: MapStage[T], tasks: Sequence[Task[T]], keys: Collection[int], advance: Advance
    ) -> list[dict[str, Any]]:
        """As in `Engine`; a task whose result file is there is not run again."""
        numbered = [
            Task(task.name, (number, task.value), task.size) for number, task in enumerate(tasks)
        ]
        done = self._run(partial(_write_blobs, stage, self._folder), numbered, advance)
        self._blobs = [blob for blobs, _ in done for blob in blobs]
        return [counts for _, counts in done]

    def reduce(
        self, stage: ReduceStage[R], tasks: Sequence[Task[int]], advance: Advance
    ) -> list[R]:
        """As in `Engine`."""
        paths = [self._folder / blob for blob in self._blobs]
        return self._run(partial(_read_slices, stage, paths, self._num_keys), tasks, advance)

    def _run(
        self, function: Callable[[T], R], tasks: Sequence[Task[T]], advance: Advance
    ) -> list[R]:
        sizes = {task.name: task.size for task in tasks}
        results: dict[str, R] = {}
        given = [(task.name, task.value) for task in tasks]
        for name, result in self._engine.run(function, given, setup=self._setup):
            results[name] = result
            advance(sizes[name])
        return [results[task.name] for task in tasks]

    def __enter__(self) -> "LocalExchange":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._engine.close()


# What follows runs in the workers.


def _write_blobs(
    stage: MapStage[T], folder: Path, task: tuple[int, T]
) -> tuple[list[str], dict[str, Any]]:
    number, value = task
    result_file = folder / f"tokens-{number:06d}.json"
    if result_file.exists():
        left = json.loads(result_file.read_bytes())
        return left["blobs"], left["counts"]
    blobs: list[str] = []
    blobs_of_task = stage(value)
    while True:
        try:
            packed = next(blobs_of_task)
        except StopIteration as end:
            counts: dict[str, Any] = end.value
            break
        name = f"tokens-{number:06d}-{len(blobs):06d}.blob"
        write_blob(folder / name, packed)
        blobs.append(name)
    data = json.dumps({"blobs": blobs, "counts": counts}).encode()
    write_whole(result_file, result_file.with_suffix(".tmp"), data)
    return blobs, counts


def _read_slices(stage: ReduceStage[R], paths: Sequence[Path], num_keys: int, key: int) -> R:
    return stage(key, (read_slice(path, key, num_keys) for path in paths), "")


def write_blob(path: Path, packed: Sequence[np.ndarray]) -> None:
    """Writes packed partitions with an index behind them; whole or not at all under its name."""
    offsets = np.cumsum([0, *(part.nbytes for part in packed)], dtype=np.int64)
    write_whole(path, path.with_suffix(".tmp"), *(part.data for part in packed), offsets.data)


def read_slice(path: Path, partition: int, num_partitions: int) -> np.ndarray:
    """What `write_blob` wrote of one partition: uint32[...]."""
    with open(path, "rb") as file:
        file.seek((partition - num_partitions - 1) * 8, os.SEEK_END)
        start, end = np.frombuffer(file.read(16), np.int64)
        file.seek(start)
        return np.fromfile(file, np.uint32, (end - start) // 4)
