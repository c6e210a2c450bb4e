"""Engines: where the tasks of `create`, `vocab` and `inspect` run. No output depends on the choice.

    tasks -> map -> blobs by key -> reduce -> results       or, in one step,       tasks -> results

    with open_engine(options, notify=print, folder=work, num_keys=12) as engine:
        counts = engine.map(tokenize, splits, range(12), bar.advance)
        results = engine.reduce(build, partitions, bar.advance)

An engine may run a task anywhere and more than once, and chooses how blobs travel. So a stage
depends on its task alone, and the blobs of a key are in the order of the tasks.

A new engine is a class with the methods of `Engine`, made from an `EngineSetup`, and an entry in
`options.ENGINES`.
"""

import errno
import importlib
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import numpy as np

from bertprep.errors import MachineError
from bertprep.options import ENGINES, EngineOptions

T = TypeVar("T")
R = TypeVar("R")

#: A retry does not help: disk full, quota exceeded, no permission, read-only file system.
_PERMANENT = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS}


@dataclass(frozen=True)
class Task(Generic[T]):
    """One unit of work.

    Attributes:
        name: how messages name it; unique within a step.
        value: what the stage receives.
        size: its part of the progress, in any unit.
    """

    name: str
    value: T
    size: float


#: Yields blobs, a list with one per key each time, and returns counts as JSON values. A blob is
#: uint32[...] and begins with the number of its items; an engine may drop one that begins with 0.
MapStage: TypeAlias = Callable[[T], Generator[Sequence[np.ndarray], None, dict[str, Any]]]
#: Receives a key, its blobs (read on demand), and a prefix for temporary file names that is unique
#: to this attempt: "" where two attempts at a task never overlap.
ReduceStage: TypeAlias = Callable[[int, Iterable[np.ndarray], str], R]
#: Receives the size of the tasks finished since the last call.
Advance: TypeAlias = Callable[[float], None]


@dataclass(frozen=True)
class EngineSetup:
    """What an engine is made from; see `open_engine`."""

    options: EngineOptions
    notify: Callable[[str], None]
    workers: int | None
    folder: Path | None
    num_keys: int
    set_up: Callable[[], object]


class Engine(Protocol):
    """Runs tasks. `map` precedes `reduce`; blobs last until the engine is closed."""

    def map(
        self, stage: MapStage[T], tasks: Sequence[Task[T]], keys: Collection[int], advance: Advance
    ) -> list[dict[str, Any]]:
        """Run the tasks, keep their blobs (at least those of `keys`), and return counts by task."""

    def reduce(
        self, stage: ReduceStage[R], tasks: Sequence[Task[int]], advance: Advance
    ) -> list[R]:
        """Run a task for each of some keys, which are the tasks' values; return results by task."""

    def run(
        self, function: Callable[[T], R], tasks: Sequence[Task[T]], advance: Advance
    ) -> Iterator[R]:
        """Call a function with the value of each task; yield the results in the tasks' order."""


def open_engine(
    options: EngineOptions,
    *,
    notify: Callable[[str], None],
    workers: int | None = None,
    folder: Path | None = None,
    num_keys: int = 0,
    set_up: Callable[[], object] = bool,
) -> AbstractContextManager[Engine]:
    """Return the engine that the options name, to be entered.

    Args:
        notify: receives warnings, such as that a task is retried.
        workers: processes of the local engine; None uses all cores.
        folder: for blobs and temporary files, on storage that every machine sees; not needed for
            `Engine.run` on the local engine.
        num_keys: number of keys of the blobs, which are numbered from 0.
        set_up: called once in each process before its first task.
    """
    module, name = ENGINES[options.engine].split(":")
    engine = getattr(importlib.import_module(f"bertprep.engines.{module}"), name)
    opened: AbstractContextManager[Engine] = engine(
        EngineSetup(options, notify, workers, folder, num_keys, set_up)
    )
    return opened


class BlobStream:
    """The blobs that a map stage yields.

    Attributes:
        counts: what the stage returns, once all blobs are read.
    """

    def __init__(self, stage: Generator[Sequence[np.ndarray], None, dict[str, Any]]) -> None:
        self._stage = stage
        self.counts: dict[str, Any] = {}

    def __iter__(self) -> Iterator[Sequence[np.ndarray]]:
        self.counts = yield from self._stage


def permanent_failure(name: str, error: BaseException, place: str = "") -> MachineError | None:
    """Return the error that ends a run at once, where the file system refuses; else None."""
    if not isinstance(error, OSError) or error.errno not in _PERMANENT:
        return None
    path = "" if error.filename is None else f"{error.filename}: "
    return MachineError(f"{name}: {path}{error.strerror}{place}", error.errno)
