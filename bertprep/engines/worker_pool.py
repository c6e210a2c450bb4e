"""Run named tasks in worker processes of this machine, and retry a task that fails.

Each worker has a pipe of its own and one task at a time: no queue or lock is shared, so killing a
worker at any moment stops its task and nothing else.

    with WorkerPool(8, on_retry=print) as pool:
        for name, counts in pool.run(build_partition, [("partition 0", 0), ("partition 1", 1)]):
            ...

No library does this: when a worker dies, concurrent.futures and loky fail every waiting task and
name none; pebble forks from threads of its own, and its workers share one pipe and one lock.
"""

import multiprocessing
import pickle
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from bertprep.engines import permanent_failure
from bertprep.errors import STOP_SIGNALS, BertprepError, MachineError, UsageError
from bertprep.storage.run_in_subprocess import end_with_parent

T = TypeVar("T")
R = TypeVar("R")

#: A forked worker inherits the kernels that the parent compiled; no thread of the parent may hold a
#: lock then. A spawned one loads them from numba's cache: libraries of macOS survive no fork.
_START_METHOD = "fork" if sys.platform == "linux" else "spawn"

_MAX_ATTEMPTS = 3


@dataclass(frozen=True)
class Done:
    """The reply with the result of a task."""

    result: Any


@dataclass(frozen=True)
class Failed:
    """The reply about a failure that a retry may cure. Any other one is a BertprepError."""

    cause: str
    traceback: str | None = None

    @classmethod
    def from_error(cls, error: BaseException) -> "Failed":
        """Describe the error that is being handled."""
        words = "".join(traceback.format_exception_only(error))
        if isinstance(error, OSError) and error.strerror:
            words = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
        return cls(" ".join(words.split()), traceback.format_exc())


Reply = Done | Failed | BertprepError


@dataclass(eq=False)
class _Assignment:
    name: str
    value: Any
    failures: int = 0


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    connection: Connection
    assignment: _Assignment | None = None


class WorkerPool:
    """Worker processes, started when tasks first need them and kept until `close`.

    Args:
        workers: maximum number of processes. One worker is a process too, so that its memory is
            returned to the system.
        on_retry: receives a task's name and why it failed, before it is retried.
        set_up: called in each worker before its first task; if it fails, so does that task.
    """

    def __init__(
        self,
        workers: int,
        *,
        on_retry: Callable[[str, str], None],
        set_up: Callable[[], object] = bool,
    ) -> None:
        if workers < 1:
            raise UsageError(f"workers must be at least 1, got {workers}")
        self._num_workers = workers
        self._set_up = set_up
        self._on_retry = on_retry
        self._workers: list[_Worker] = []
        self._current_run: object = None

    def run(
        self, function: Callable[[T], R], tasks: Iterable[tuple[str, T]]
    ) -> Iterator[tuple[str, R]]:
        """Call function(value) for each (name, value); yield (name, result) as each is done.

        Results come in any order. Leaving early (an error, Ctrl-C, the iterator closed) kills the
        workers, so tasks must be resumable.

        Args:
            function: what pickle can find by name, or a `functools.partial` of it.
            tasks: taken one by one, as workers become free.

        Raises:
            BertprepError: the function's own, at once and unchanged; the file system refuses, which
                no retry can cure; or a task failed three times.
        """
        if self._current_run is not None:
            raise RuntimeError("another run of this pool has not ended")
        this_run = self._current_run = object()
        new = (_Assignment(name, value) for name, value in tasks)
        failed: deque[_Assignment] = deque()
        finished: list[tuple[str, R]] = []
        try:
            while True:
                while len(self._busy_workers()) < self._num_workers:
                    assignment = failed.popleft() if failed else next(new, None)
                    if assignment is None:
                        break
                    self._assign(assignment, function)
                # Only now: the workers have their next tasks while the caller takes the results.
                yield from finished
                if self._current_run is not this_run:
                    raise RuntimeError("the pool was closed during this run")
                if not self._busy_workers():
                    break
                finished.clear()
                for assignment, reply in self._replies():
                    if isinstance(reply, Done):
                        finished.append((assignment.name, reply.result))
                    else:
                        self._count_failure(assignment, reply)
                        failed.append(assignment)
        except BaseException:  # KeyboardInterrupt and GeneratorExit too
            if self._current_run is this_run:
                self.close()
            raise
        self._current_run = None

    def close(self) -> None:
        """Kill the workers, busy or not; a later `run` starts new ones."""
        self._current_run = None
        for worker in self._workers:
            worker.process.kill()
        while self._workers:
            self._remove(self._workers[-1])

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _busy_workers(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.assignment is not None]

    def _assign(self, assignment: _Assignment, function: object) -> None:
        idle = next((worker for worker in self._workers if worker.assignment is None), None)
        worker = idle or self._start()
        message = pickle.dumps((function, assignment.name, assignment.value))
        worker.assignment = assignment
        try:
            worker.connection.send_bytes(message)
        except OSError:
            worker.process.kill()  # it was dying; the next wait sees its end and why

    def _start(self) -> _Worker:
        context: Any = multiprocessing.get_context(_START_METHOD)
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._set_up), daemon=True)
        # Until the worker is in the list, and so that it never has our handlers.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            process.start()
            self._workers.append(_Worker(process, ours))
        except OSError as error:
            ours.close()
            raise MachineError(
                f"worker {len(self._workers) + 1} of {self._num_workers} cannot be started: "
                f"{error.strerror}. Use fewer workers."
            ) from error
        finally:
            theirs.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return self._workers[-1]

    def _replies(self) -> Iterator[tuple[_Assignment, Done | Failed]]:
        """Wait for busy workers. A worker whose task failed is ended: its state may be corrupt."""
        owners: dict[Any, _Worker] = {}
        for worker in self._busy_workers():
            owners |= {worker.connection: worker, worker.process.sentinel: worker}
        for worker in dict.fromkeys(owners[ready] for ready in wait(owners)):
            assignment, worker.assignment = worker.assignment, None
            assert assignment is not None
            reply = _receive(worker)
            if reply is None:
                reply = Failed(_describe_exit(self._remove(worker)))
            elif isinstance(reply, BertprepError):
                raise reply
            elif isinstance(reply, Failed):
                worker.process.kill()
                self._remove(worker)
            yield assignment, reply

    def _count_failure(self, assignment: _Assignment, failure: Failed) -> None:
        assignment.failures += 1
        if assignment.failures == _MAX_ATTEMPTS:
            origin = RuntimeError(failure.traceback) if failure.traceback else None
            raise MachineError(f"{assignment.name} failed three times: {failure.cause}") from origin
        self._on_retry(assignment.name, failure.cause)

    def _remove(self, worker: _Worker) -> int:
        """Wait for a worker that is ending; return its exit code."""
        worker.process.join(5)
        worker.process.kill()  # in case it has closed its pipe and still runs
        worker.process.join()
        exit_code = worker.process.exitcode
        assert exit_code is not None
        worker.connection.close()
        worker.process.close()
        self._workers.remove(worker)
        return exit_code


def _receive(worker: _Worker) -> Reply | None:
    """Return the reply; None if the worker died before it was complete."""
    try:
        if not worker.connection.poll():
            return None
        message = worker.connection.recv_bytes()
    except (EOFError, OSError):  # OSError: incomplete
        return None
    try:
        reply: Reply = pickle.loads(message)
    except Exception as error:
        reply = Failed.from_error(error)
    return reply


def _describe_exit(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exited with status {exit_code}"
    name = {int(number): number.name for number in signal.Signals}.get(-exit_code, "no name")
    hint = ": out of memory?" if name == "SIGKILL" else ""
    return f"killed by signal {-exit_code} ({name}){hint}"


def _serve(connection: Connection, set_up: Callable[[], object]) -> None:
    """Run the tasks that arrive in a worker, until the parent is gone.

    Args:
        connection: gives pickled (function, name, value), takes pickled replies.
        set_up: called before the first task; its failure is the task's.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent acts
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    end_with_parent()
    with suppress(EOFError, OSError):  # the parent is gone
        while True:
            connection.send_bytes(_reply(connection.recv_bytes(), set_up))
            set_up = bool  # only once


def _reply(message: bytes, set_up: Callable[[], object]) -> bytes:
    name = "a task"
    try:
        function, name, value = pickle.loads(message)
        set_up()
        return pickle.dumps(Done(function(value)))
    except BertprepError as error:
        return _pickle_error(error)
    except BaseException as error:
        permanent = permanent_failure(name, error)
        return _pickle_error(permanent) if permanent else pickle.dumps(Failed.from_error(error))


def _pickle_error(error: BertprepError) -> bytes:
    try:
        message = pickle.dumps(error)
        pickle.loads(message)
    except Exception:  # a class or an attribute that pickle cannot carry
        plain = BertprepError(str(error))
        plain.exit_status = error.exit_status
        message = pickle.dumps(plain)
    return message
