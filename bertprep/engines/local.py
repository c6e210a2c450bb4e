"""The engine of one machine: worker processes, and keyed blobs as files in a folder.

A map task writes each blob to a file, then a small result file, so that a later run with the same
folder skips it; a reduce task reads its key's slice of every blob. Memory: one blob, or the slices
of one key.
"""

import json
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from bertprep.engines import Advance, BlobStream, EngineSetup, MapStage, ReduceStage, Task
from bertprep.engines.worker_pool import WorkerPool
from bertprep.json_files import read_json
from bertprep.options import available_cores
from bertprep.storage.files import write_whole

T = TypeVar("T")
R = TypeVar("R")


class LocalEngine:
    """Runs tasks in processes of this machine; see `open_engine`."""

    def __init__(self, setup: EngineSetup) -> None:
        self._pool = WorkerPool(
            setup.workers or available_cores(),
            set_up=setup.set_up,
            on_retry=lambda name, cause: setup.notify(f"{name}: {cause}; retrying"),
        )
        self._folder, self._num_keys = setup.folder, setup.num_keys
        self._blobs: list[Path] = []

    def map(
        self, stage: MapStage[T], tasks: Sequence[Task[T]], keys: Collection[int], advance: Advance
    ) -> list[dict[str, Any]]:
        """Run the map tasks that have no result file yet; see `Engine.map`."""
        folder = self._folder
        assert folder is not None
        numbered = [
            Task(task.name, (number, task.value), task.size) for number, task in enumerate(tasks)
        ]
        done = list(self.run(partial(_write_blobs, stage, folder), numbered, advance))
        self._blobs = [folder / name for names, _ in done for name in names]
        return [counts for _, counts in done]

    def reduce(
        self, stage: ReduceStage[R], tasks: Sequence[Task[int]], advance: Advance
    ) -> list[R]:
        """Run the reduce tasks; see `Engine.reduce`."""
        function = partial(_read_slices, stage, self._blobs, self._num_keys)
        return list(self.run(function, tasks, advance))

    def run(
        self, function: Callable[[T], R], tasks: Sequence[Task[T]], advance: Advance
    ) -> Iterator[R]:
        """Run the tasks; the few early results wait for their turn. See `Engine.run`."""
        sizes = {task.name: task.size for task in tasks}
        names = iter(sizes)
        awaited = next(names, None)
        early: dict[str, R] = {}
        for name, result in self._pool.run(function, [(task.name, task.value) for task in tasks]):
            advance(sizes[name])
            early[name] = result
            while awaited in early:
                yield early.pop(awaited)
                awaited = next(names, None)

    def __enter__(self) -> "LocalEngine":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()


# The functions below run in the workers.


def _write_blobs(
    stage: MapStage[T], folder: Path, task: tuple[int, T]
) -> tuple[list[str], dict[str, Any]]:
    """Run a map task; return the names of its blobs and its counts."""
    number, value = task
    result_file = folder / f"tokens-{number:06d}.json"
    if result_file.exists():
        shape = {"blobs": [str], "counts": {str: object}}
        result = read_json(result_file, shape, "Remove it, then repeat the command")
        return result["blobs"], result["counts"]
    names: list[str] = []

    blobs = BlobStream(stage(value))
    for packed in blobs:
        names.append(f"tokens-{number:06d}-{len(names):06d}.blob")
        write_blob(folder / names[-1], packed)
    data = json.dumps({"blobs": names, "counts": blobs.counts}).encode()
    write_whole(result_file, result_file.with_suffix(".tmp"), data)
    return names, blobs.counts


def _read_slices(stage: ReduceStage[R], paths: Sequence[Path], num_keys: int, key: int) -> R:
    return stage(key, (read_slice(path, key, num_keys) for path in paths), "")


def write_blob(path: Path, packed: Sequence[np.ndarray], attempt: str = "") -> None:
    """Write the arrays of all keys, followed by an index of their offsets, as one whole file.

    Args:
        attempt: prefix of the temporary name, as in `ReduceStage`.
    """
    offsets = np.cumsum([0, *(part.nbytes for part in packed)], dtype=np.int64)
    temporary = path.with_name(f"{attempt}{path.stem}.tmp")
    write_whole(path, temporary, *(part.data for part in packed), offsets.data)


def read_slice(path: Path, key: int, num_keys: int) -> np.ndarray:
    """Return the array of one key that `write_blob` wrote: uint32[...]."""
    with open(path, "rb") as file:
        file.seek((key - num_keys - 1) * 8, os.SEEK_END)
        start, end = np.frombuffer(file.read(16), np.int64)
        file.seek(start)
        return np.fromfile(file, np.uint32, (end - start) // 4)
