"""Runs named tasks in worker processes of this machine; a task that fails is tried again.

One process a worker, each with a pipe of its own and one task in flight: no queue or lock is
shared, so killing a worker at any moment stops its task and nothing else.

    with LocalEngine(workers=8) as engine:
        for name, counts in engine.run(build_partition, [("partition 0", 0), ("partition 1", 1)]):
            ...

Why no library: when a worker dies, concurrent.futures and loky fail every task that waits and name
none; pebble forks from threads of its own, and its workers share one pipe under one lock.
"""

import errno
import multiprocessing
import pickle
import signal
import sys
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from bertprep.errors import BertprepError, MachineError, UsageError
from bertprep.storage.run_in_subprocess import end_with_parent

T = TypeVar("T")
R = TypeVar("R")

#: A forked worker inherits the kernels that the parent compiled once; no thread of the parent may
#: hold a lock then. A spawned one loads them from numba's cache: macOS libraries survive no fork.
_START_METHOD = "fork" if sys.platform == "linux" else "spawn"

_TRIES = 3

#: Trying again does not help: full disk, quota, no permission, read-only file system.
_HOPELESS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS}

_STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM}


@dataclass(eq=False)
class _Job:
    name: str
    task: Any
    failures: int = 0


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    connection: Connection
    job: _Job | None = None
    run: object = None  # the run whose setup it has had


@dataclass(frozen=True)
class _Done:
    result: Any


@dataclass(frozen=True)
class _Failed:
    cause: str
    traceback: str | None = None


@dataclass(frozen=True)
class _Mistake:
    """A BertprepError in parts: pickle would call its class, which may not take its `args`."""

    kind: type[BertprepError]
    args: tuple[object, ...]
    attributes: dict[str, object]

    def rebuild(self) -> BertprepError:
        error = self.kind.__new__(self.kind, *self.args)
        vars(error).update(self.attributes)
        return error


def _warn(name: str, cause: str) -> None:
    warnings.warn(f"{name} is tried again: {cause}", RuntimeWarning, stacklevel=2)


class LocalEngine:
    """Worker processes of this machine, started when tasks first need them and kept until `close`.

    Args:
        workers: the largest number of processes; one is a process too, so its memory goes back.
        on_retry: called with a task's name and, in words, why it failed, before it is tried again.
    """

    def __init__(self, workers: int, *, on_retry: Callable[[str, str], None] = _warn) -> None:
        if workers < 1:
            raise UsageError(f"workers must be at least 1, got {workers}")
        self._num_workers = workers
        self._on_retry = on_retry
        self._workers: list[_Worker] = []
        self._run: object = None

    def run(
        self,
        function: Callable[[T], R],
        tasks: Iterable[tuple[str, T]],
        *,
        setup: Callable[[], object] | None = None,
    ) -> Iterator[tuple[str, R]]:
        """Runs function(task) for each (name, task), yields (name, result) as each is done.

        Results come in any order. Leaving early (an error, Ctrl-C, the iterator closed) kills the
        workers, so what they do must be resumable.

        Args:
            function: what pickle can find by name, or a `functools.partial` of it.
            tasks: taken one by one, as workers become free.
            setup: called in each worker before its first task of this run; as it fails, so does
                that task.

        Raises:
            BertprepError: the function's own, at once and unchanged; or the file system refuses,
                which no second try can mend; or a task failed three times.
        """
        if self._run is not None:
            raise RuntimeError("another run of this engine has not ended")
        this_run = self._run = object()
        new_jobs = (_Job(name, task) for name, task in tasks)
        failed_jobs: deque[_Job] = deque()
        finished: list[tuple[str, R]] = []
        try:
            while True:
                while len(self._busy_workers()) < self._num_workers:
                    job = failed_jobs.popleft() if failed_jobs else next(new_jobs, None)
                    if job is None:
                        break
                    self._give(job, function, setup, this_run)
                # Only now: the workers have their next tasks while the caller takes the results.
                yield from finished
                if self._run is not this_run:
                    raise RuntimeError("the engine was closed during this run")
                if not self._busy_workers():
                    break
                finished.clear()
                for job, reply in self._replies():
                    if isinstance(reply, _Done):
                        finished.append((job.name, reply.result))
                    else:
                        self._count_failure(job, reply)
                        failed_jobs.append(job)
        except BaseException:  # KeyboardInterrupt and GeneratorExit too
            if self._run is this_run:
                self.close()
            raise
        self._run = None

    def close(self) -> None:
        """Kills the workers, whatever they are at; a later `run` starts new ones."""
        self._run = None
        for worker in self._workers:
            worker.process.kill()
        while self._workers:
            self._bury(self._workers[-1])

    def __enter__(self) -> "LocalEngine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _busy_workers(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.job is not None]

    def _give(self, job: _Job, function: object, setup: object, this_run: object) -> None:
        worker = next((w for w in self._workers if w.job is None), None) or self._start()
        setup_or_none = None if worker.run is this_run else setup
        message = pickle.dumps((setup_or_none, function, job.name, job.task))
        worker.job, worker.run = job, this_run
        try:
            worker.connection.send_bytes(message)
        except OSError:
            worker.process.kill()  # it was dying; the next wait sees its end and why

    def _start(self) -> _Worker:
        context: Any = multiprocessing.get_context(_START_METHOD)
        with _stop_signals_held():  # no worker that is not in the list, none with our handlers
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs,), daemon=True)
            try:
                process.start()
            except OSError as error:
                ours.close()
                raise MachineError(
                    f"worker {len(self._workers) + 1} of {self._num_workers} cannot be started: "
                    f"{error.strerror}. Ask for fewer workers."
                ) from error
            finally:
                theirs.close()
            self._workers.append(_Worker(process, ours))
        return self._workers[-1]

    def _replies(self) -> Iterator[tuple[_Job, _Done | _Failed]]:
        """Waits for busy workers. One whose job failed is ended: its state may be spoilt."""
        owners: dict[Any, _Worker] = {}
        for worker in self._busy_workers():
            owners |= {worker.connection: worker, worker.process.sentinel: worker}
        for worker in dict.fromkeys(owners[ready] for ready in wait(owners)):
            job, worker.job = worker.job, None
            assert job is not None
            reply = _receive(worker)
            if reply is None:
                reply = _Failed(_end_in_words(self._bury(worker)))
            elif isinstance(reply, _Mistake):
                raise reply.rebuild()
            elif isinstance(reply, _Failed):
                worker.process.kill()
                self._bury(worker)
            yield job, reply

    def _count_failure(self, job: _Job, failure: _Failed) -> None:
        job.failures += 1
        if job.failures == _TRIES:
            origin = RuntimeError(failure.traceback) if failure.traceback else None
            raise MachineError(f"{job.name} failed three times: {failure.cause}") from origin
        self._on_retry(job.name, failure.cause)

    def _bury(self, worker: _Worker) -> int:
        """Waits for a worker that is ending; returns its exit code."""
        worker.process.join(5)
        worker.process.kill()  # in case that it has closed its pipe and lives on
        worker.process.join()
        exit_code = worker.process.exitcode
        assert exit_code is not None
        worker.connection.close()
        worker.process.close()
        self._workers.remove(worker)
        return exit_code


def _receive(worker: _Worker) -> _Done | _Failed | _Mistake | None:
    """The reply; None if the worker died without a whole one."""
    try:
        if not worker.connection.poll():
            return None
        message = worker.connection.recv_bytes()
    except (EOFError, OSError):  # OSError: cut short
        return None
    try:
        reply: _Done | _Failed | _Mistake = pickle.loads(message)
    except Exception as error:
        reply = _failure(error)
    return reply


@contextmanager
def _stop_signals_held() -> Iterator[None]:
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_in_words(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exited with status {exit_code}"
    name = {int(number): number.name for number in signal.Signals}.get(-exit_code, "no name")
    hint = ": out of memory?" if name == "SIGKILL" else ""
    return f"killed by signal {-exit_code} ({name}){hint}"


def _failure(error: BaseException) -> _Failed:
    words = "".join(traceback.format_exception_only(error))
    return _Failed(" ".join(words.split()), traceback.format_exc())


# What follows runs in the workers.


def _serve(connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent acts
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
    end_with_parent()
    with suppress(EOFError, OSError):  # the parent is gone
        while True:
            connection.send_bytes(_reply(connection.recv_bytes()))


def _reply(message: bytes) -> bytes:
    name = "a task"
    try:
        setup, function, name, task = pickle.loads(message)
        if setup is not None:
            setup()
        return pickle.dumps(_Done(function(task)))
    except BertprepError as error:
        return _pickle_mistake(error)
    except BaseException as error:
        if isinstance(error, OSError) and error.errno in _HOPELESS:
            path = "" if error.filename is None else f"{error.filename}: "
            problem = f"{name}: {path}{error.strerror}"
            return _pickle_mistake(MachineError(problem, error.errno))
        return pickle.dumps(_failure(error))


def _pickle_mistake(error: BertprepError) -> bytes:
    try:
        message = pickle.dumps(_Mistake(type(error), error.args, vars(error)))
        pickle.loads(message).rebuild()
    except Exception:  # a class or an attribute that pickle cannot carry
        attributes: dict[str, object] = {"exit_status": error.exit_status}
        message = pickle.dumps(_Mistake(BertprepError, (str(error),), attributes))
    return message
