"""The engine of a Spark cluster: tasks and blobs as an RDD, with Spark's own shuffle between them.

    tasks -> RDD, one per partition -> (key, blob) -> partitionBy -> one task per key -> results

Counts travel through the shuffle too, under a key of their own. A job that asks for that key alone
runs the map step and nothing else; the reduce step then reuses the map output. The counts also tell
how many blobs each key has, since to Python an interrupted shuffle looks like one that has ended.
Spark recovers lost executors, shuffle files and Python processes. The driver holds results only.
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
from typing import Any, TypeVar

from bertprep.engines import Advance, EngineSetup, MapStage, ReduceStage, Task
from bertprep.engines.spark.executor import (
    Step,
    check_machine,
    describe_failure,
    gather_counts,
    marker_path,
    run_map,
    run_plain,
    run_reduce,
    versions,
)
from bertprep.engines.spark.start import SparkContext, TaskContext, start_spark
from bertprep.errors import BertprepError, MachineError

T = TypeVar("T")
R = TypeVar("R")

_POLL_SECONDS = 0.2
#: A warning follows when no task has started by then.
_START_SECONDS = 30.0


class SparkEngine:
    """One Spark application, from entering to leaving; see `open_engine`.

    The folder must be the same storage under the same path on all machines.
    """

    def __init__(self, setup: EngineSetup) -> None:
        assert setup.folder is not None
        self._setup, self._folder = setup, setup.folder.absolute()
        #: The key of the counts; those of the blobs are lower.
        self._counts_key = setup.num_keys
        self._run_id = uuid.uuid4().hex[:12]
        # Not in the folder: Java keeps it open, and NFS does not remove an open file.
        self._log = Path(tempfile.gettempdir(), f"bertprep-spark-{self._run_id}.log")
        self._context: SparkContext | None = None
        self._shuffled: Any = None
        self._num_blobs: list[int] = []
        self._num_jobs = 0

    def __enter__(self) -> "SparkEngine":
        self._remove_leftovers()
        marker_path(self._run_id, self._folder).touch()
        try:
            self._context = start_spark(self._setup.options, self._log)
            self._check_machines()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def map(
        self, stage: MapStage[T], tasks: Sequence[Task[T]], keys: Collection[int], advance: Advance
    ) -> list[dict[str, Any]]:
        """Run the map tasks; see `Engine.map`."""
        function = partial(run_map, self._step(stage), frozenset(keys), self._counts_key)
        given = self._distribute(tasks)
        with self._translated_errors(tasks):
            self._shuffled = given.mapPartitions(function).partitionBy(self._counts_key + 1, int)
        gather = partial(gather_counts, self._counts_key)
        ((counts, num_blobs),) = self._run_job(
            self._shuffled, gather, [self._counts_key], tasks, advance, min
        )
        self._num_blobs = num_blobs.tolist()
        return list(counts)

    def reduce(
        self, stage: ReduceStage[R], tasks: Sequence[Task[int]], advance: Advance
    ) -> list[R]:
        """Run the reduce tasks; see `Engine.reduce`."""
        names = {task.value: task.name for task in tasks}
        num_blobs = {key: self._num_blobs[key] for key in names}
        function = partial(_reduce, self._step(stage), names, num_blobs)
        return self._run_job(self._shuffled, function, list(names), tasks, advance, max)

    def run(
        self, function: Callable[[T], R], tasks: Sequence[Task[T]], advance: Advance
    ) -> Iterator[R]:
        """Run the tasks, then yield their results; see `Engine.run`."""
        if tasks:
            work = partial(run_plain, self._step(function))
            partitions = list(range(len(tasks)))
            given = self._distribute(tasks)
            yield from self._run_job(given, work, partitions, tasks, advance, max)

    def _step(self, stage: Callable[..., Any] | None) -> Step:
        work = pickle.dumps((self._setup.set_up, stage))
        return Step(self._run_id, str(self._folder), versions(), work)

    def _distribute(self, tasks: Sequence[Task[Any]]) -> Any:
        assert self._context is not None
        with self._translated_errors(tasks):
            return self._context.parallelize(list(enumerate(tasks)), max(1, len(tasks)))

    @contextlib.contextmanager
    def _translated_errors(self, tasks: Sequence[Task[Any]]) -> Iterator[None]:
        """Turn Spark's errors into one line each."""
        try:
            yield
        except BertprepError:
            raise
        except Exception as error:
            log = self._log.read_text(errors="replace")
            raise describe_failure(str(error), [task.name for task in tasks], log) from error

    def _check_machines(self) -> None:
        """Run a check on all present cores; cores that join later are checked by their tasks."""
        assert self._context is not None
        num = max(1, self._context.defaultParallelism)
        tasks = [Task("the check of the cluster", n, 0.0) for n in range(num)]
        function = partial(check_machine, self._step(None))
        seen = self._run_job(
            self._distribute(tasks), function, list(range(num)), tasks, lambda size: None, max
        )
        for name in seen:
            path = self._folder / name
            if not path.exists():
                raise MachineError(
                    f"{path}: written by another machine and not visible here: put --output or "
                    "--work-folder on storage that all machines share"
                )
            path.unlink()

    def _run_job(
        self,
        rdd: Any,
        function: Callable[[Any], Any],
        partitions: list[int],
        tasks: Sequence[Task[Any]],
        advance: Advance,
        choose_stage: Callable[[list[int]], int],
    ) -> list[Any]:
        """Run a job in a thread of its own and report the progress of its first or last stage."""
        self._num_jobs += 1
        group = f"{self._run_id}-{self._num_jobs}"
        outcome: list[Any] = []

        def work() -> None:
            try:
                assert self._context is not None
                self._context.setJobGroup(group, tasks[0].name if tasks else "nothing")
                outcome.append(self._context.runJob(rdd, function, partitions))
            except BaseException as error:
                outcome.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        size = sum(task.size for task in tasks)
        done, failed, begin = 0, 0, time.monotonic()
        while thread.is_alive():
            thread.join(_POLL_SECONDS)
            completed, active, failures = self._count_tasks(group, choose_stage)
            if done < completed <= len(tasks):
                advance(size * (completed - done) / len(tasks))
                done = completed
            if failures > failed:
                failed = failures
                count = "1 task has" if failed == 1 else f"{failed} tasks have"
                self._setup.notify(f"Spark: {count} failed and will be retried")
            if active or completed:
                begin = float("inf")
            elif time.monotonic() - begin > _START_SECONDS:
                begin = float("inf")
                self._setup.notify(
                    "Spark has not started a task yet: check that executors with free cores exist"
                )
        (result,) = outcome
        if isinstance(result, BaseException):
            with self._translated_errors(tasks):
                raise result
        advance(size * (len(tasks) - done) / max(1, len(tasks)))
        return list(result)

    def _count_tasks(
        self, group: str, choose_stage: Callable[[list[int]], int]
    ) -> tuple[int, int, int]:
        """Return the completed, active and failed tasks of a stage, from Spark's status tracker."""
        info = None
        with contextlib.suppress(Exception):  # if Spark has ended, the job's own error says why
            assert self._context is not None
            tracker = self._context.statusTracker()
            jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(group)]
            stages = [stage for job in jobs if job for stage in job.stageIds]
            info = tracker.getStageInfo(choose_stage(stages)) if stages else None
        if info is None:
            return 0, 0, 0
        return info.numCompletedTasks, info.numActiveTasks, info.numFailedTasks

    def _remove_leftovers(self) -> None:
        """Remove the files of attempts that were killed or that ended too late."""
        for pattern in ("*.tmp", "run-*"):
            for path in self._folder.glob(pattern):
                path.unlink(missing_ok=True)

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if self._context is not None:
            with contextlib.suppress(Exception):  # it may have ended by itself
                self._context.cancelAllJobs()
            with contextlib.suppress(Exception):
                self._context.stop()
        self._remove_leftovers()
        is_mistake = isinstance(error, BertprepError) and not isinstance(error, MachineError)
        has_log = self._log.exists() and self._log.stat().st_size
        if has_log and isinstance(error, Exception) and not is_mistake:
            self._setup.notify(f"Spark's log of this run is {self._log}")
        else:
            self._log.unlink(missing_ok=True)


def _reduce(step: Step, names: dict[int, str], num_blobs: dict[int, int], pairs: Any) -> list[Any]:
    context = TaskContext.get()
    assert context is not None
    attempt = f"run-{step.run_id}-{context.taskAttemptId()}-"
    return [run_reduce(step, names, num_blobs, attempt, pairs, context.partitionId())]
