"""What `create` and the engines speak of: tasks in two steps, and keyed blobs in between.

    tasks -> map -> blobs by key -> reduce -> results

The engine is free in where a task runs, how often, and how blobs travel. So a stage is a function
of its task alone, and the order of the blobs of a key is that of the tasks, never that of time.
"""

from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import numpy as np

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Task(Generic[T]):
    """One piece of work.

    Attributes:
        name: what messages call it.
        value: what the stage gets.
        size: its share of the progress, in bytes of text.
    """

    name: str
    value: T
    size: float


#: Yields, again and again, a blob a key; returns what it has counted, as JSON values. A blob is a
#: uint32[...] that begins with the number of things in it; one that begins with 0 may get lost.
MapStage: TypeAlias = Callable[[T], Generator[Sequence[np.ndarray], None, dict[str, Any]]]
#: Takes a key, its blobs, read as they are asked for, and a name of this attempt for temporary
#: files: "" where no two attempts at a task run at the same time.
ReduceStage: TypeAlias = Callable[[int, Iterable[np.ndarray], str], R]
#: Called with the bytes that have been done since the last call.
Advance: TypeAlias = Callable[[float], None]


class Engine(Protocol):
    """Runs both steps. `map` comes first; blobs live until the engine is left."""

    def map(
        self, stage: MapStage[T], tasks: Sequence[Task[T]], keys: Collection[int], advance: Advance
    ) -> list[dict[str, Any]]:
        """Runs the tasks and keeps their blobs, at least those of `keys`; counts by task."""

    def reduce(
        self, stage: ReduceStage[R], tasks: Sequence[Task[int]], advance: Advance
    ) -> list[R]:
        """Runs a task for each of some keys, which are their values; results by task."""
