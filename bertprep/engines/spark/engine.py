"""The engine of a Spark cluster: tasks and blobs as an RDD, and Spark's own shuffle between them.

    tasks -> RDD, one a partition -> (key, blob) -> partitionBy -> one task a key -> results

Counts travel through the shuffle too, under a key of their own, so that asking for that key alone
runs the map step and nothing else; the reduce step then finds what it has left, and knows how many
blobs a key has, since a shuffle that breaks off looks to Python as one that ends. Lost executors,
shuffle files and Python processes are Spark's to make good. Memory of the driver: results alone.
"""

import contextlib
import pickle
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from bertprep.engines.spark.errors import in_words
from bertprep.engines.spark.executor import (
    Errand,
    check_machine,
    facts,
    gather_counts,
    mark_of,
    run_map,
    run_reduce,
)
from bertprep.engines.spark.start import SparkContext, TaskContext, start_spark
from bertprep.engines.tasks import Advance, MapStage, ReduceStage, Task
from bertprep.errors import BertprepError, MachineError
from bertprep.options import EngineOptions

T = TypeVar("T")
R = TypeVar("R")

_POLL_SECONDS = 0.2
_PATIENCE_SECONDS = 30.0


class SparkEngine:
    """One application of a cluster, from entering to leaving.

    Args:
        options: the master and Spark's settings; both may come from spark-submit instead.
        folder: of the run, by a path that is the same storage on all machines.
        num_keys: keys are numbered from 0.
        setup: called in each Python process before its first task.
        tell: called with what a person should know meanwhile.
    """

    def __init__(
        self,
        options: EngineOptions,
        folder: Path,
        num_keys: int,
        setup: Callable[[], object],
        tell: Callable[[str], None],
    ) -> None:
        self._options, self._folder, self._setup = options, folder, setup
        self._home, self._tell = num_keys, tell
        self._run = uuid.uuid4().hex[:12]
        # Not in the folder: Java holds it open, and such a file is not gone from NFS when removed.
        self._log = Path(tempfile.gettempdir(), f"bertprep-spark-{self._run}.log")
        self._shuffled: Any = None
        self._num_blobs: dict[int, int] = {}
        self._steps = 0

    def __enter__(self) -> "SparkEngine":
        self._remove_leftovers()
        mark_of(self._run, self._folder).touch()
        try:
            self._context = start_spark(self._options, self._log)
            self._look_at_machines()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def map(
        self, stage: MapStage[T], tasks: Sequence[Task[T]], keys: Collection[int], advance: Advance
    ) -> list[dict[str, Any]]:
        """As in `Engine`."""
        function = partial(run_map, self._errand(stage), frozenset(keys), self._home)
        with self._in_our_words(tasks):
            given = self._context.parallelize(list(enumerate(tasks)), max(1, len(tasks)))
            self._shuffled = given.mapPartitions(function).partitionBy(self._home + 1, int)
            gather = partial(gather_counts, self._home)
            ((counts, num_blobs),) = self._follow(gather, [self._home], tasks, advance, min)
        self._num_blobs = dict(enumerate(num_blobs.tolist()))
        return list(counts)

    def reduce(
        self, stage: ReduceStage[R], tasks: Sequence[Task[int]], advance: Advance
    ) -> list[R]:
        """As in `Engine`."""
        names = {task.value: task.name for task in tasks}
        num_blobs = {key: self._num_blobs[key] for key in names}
        function = partial(_reduce, self._errand(stage), names, num_blobs)
        with self._in_our_words(tasks):
            return self._follow(function, list(names), tasks, advance, max)

    def _errand(self, stage: Callable[..., Any] | None) -> Errand:
        return Errand(self._run, str(self._folder), facts(), pickle.dumps((self._setup, stage)))

    def _look_at_machines(self) -> None:
        """Sends tasks to all cores that are there; those that come later are looked at then."""
        with self._in_our_words([]):
            num = max(1, self._context.defaultParallelism)
            self._shuffled = self._context.parallelize([str(n) for n in range(num)], num)
            tasks = [Task("the first look at the cluster", n, 0.0) for n in range(num)]
            function = partial(check_machine, self._errand(None))
            seen = self._follow(function, list(range(num)), tasks, lambda size: None, max)
        for name in seen:
            path = self._folder / name
            if not path.exists():
                raise MachineError(
                    f"{path}: a machine has written this, and it is not seen here: name an "
                    "--output on storage that all machines see"
                )
            path.unlink()

    def _follow(
        self,
        function: Callable[[Any], Any],
        partitions: list[int],
        tasks: Sequence[Task[Any]],
        advance: Advance,
        which: Callable[[list[int]], int],
    ) -> list[Any]:
        """Runs a job in a thread of its own and tells how far its first or last stage is."""
        self._steps += 1
        group = f"{self._run}-{self._steps}"
        outcome: list[Any] = []

        def work() -> None:
            try:
                self._context.setJobGroup(group, tasks[0].name if tasks else "nothing")
                outcome.append(self._context.runJob(self._shuffled, function, partitions))
            except BaseException as error:
                outcome.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        size = sum(task.size for task in tasks)
        done, failed, begin = 0, 0, time.monotonic()
        while thread.is_alive():
            thread.join(_POLL_SECONDS)
            completed, active, failures = self._tasks_of(group, which)
            if done < completed <= len(tasks):
                advance(size * (completed - done) / len(tasks))
                done = completed
            if failures > failed:
                failed = failures
                count = "1 task has" if failed == 1 else f"{failed} tasks have"
                self._tell(f"Spark: {count} failed, and will be tried again")
            if active or completed:
                begin = float("inf")
            elif time.monotonic() - begin > _PATIENCE_SECONDS:
                begin = float("inf")
                self._tell("Spark has started no task yet: are there executors, with free cores?")
        (found,) = outcome
        if isinstance(found, BaseException):
            raise found
        advance(size * (len(tasks) - done) / max(1, len(tasks)))
        return list(found)

    def _tasks_of(self, group: str, which: Callable[[list[int]], int]) -> tuple[int, int, int]:
        """Completed, active and failed tasks of a stage, as Spark's status tracker has them."""
        info = None
        with contextlib.suppress(Exception):  # if Spark has ended, the job's own error tells why
            tracker = self._context.statusTracker()
            jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(group)]
            stages = [stage for job in jobs if job for stage in job.stageIds]
            info = tracker.getStageInfo(which(stages)) if stages else None
        if info is None:
            return 0, 0, 0
        return info.numCompletedTasks, info.numActiveTasks, info.numFailedTasks

    @contextlib.contextmanager
    def _in_our_words(self, tasks: Sequence[Task[Any]]) -> Iterator[None]:
        try:
            yield
        except BertprepError:
            raise
        except Exception as error:
            log = self._log.read_text(errors="replace")
            raise in_words(str(error), [task.name for task in tasks], log) from error

    def _remove_leftovers(self) -> None:
        """Removes what attempts have left that were killed, or that came too late."""
        for pattern in ("*.tmp", "run-*"):
            for path in self._folder.glob(pattern):
                path.unlink(missing_ok=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        context: SparkContext | None = getattr(self, "_context", None)
        if context is not None:
            with contextlib.suppress(Exception):  # it may have ended by itself
                context.cancelAllJobs()
            with contextlib.suppress(Exception):
                context.stop()
        self._remove_leftovers()
        is_mistake = isinstance(error, BertprepError) and not isinstance(error, MachineError)
        has_log = self._log.exists() and self._log.stat().st_size
        if has_log and isinstance(error, Exception) and not is_mistake:
            self._tell(f"Spark's own log of this run is {self._log}")
        else:
            self._log.unlink(missing_ok=True)


def _reduce(
    errand: Errand, names: dict[int, str], num_blobs: dict[int, int], pairs: Any
) -> list[Any]:
    context = TaskContext.get()
    assert context is not None
    attempt = f"run-{errand.run}-{context.taskAttemptId()}-"
    return [run_reduce(errand, names, num_blobs, attempt, pairs, context.partitionId())]
