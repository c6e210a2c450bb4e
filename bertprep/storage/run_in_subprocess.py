"""A call in a subprocess, for a process that will fork workers and so must have no threads.

fsspec runs an event loop in a thread. The subprocess is forked, which takes 5 ms. A `forkserver`
would take 60 ms for its start and 250 ms to import a store's library anew, would not see stores
that the caller has registered or configured in fsspec, and would import the caller's main module
once more, so that a script without `if __name__ == "__main__"` would start itself. Workers that
came from it could not inherit compiled kernels.
"""

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from bertprep.errors import STOP_SIGNALS, BertprepError, MachineError

R = TypeVar("R")

_START_METHOD = "fork" if sys.platform == "linux" else "spawn"


def run_in_subprocess(function: Callable[..., R], *arguments: Any) -> R:
    """Call a function that pickle can find by name, in a process that ends with the call.

    Raises:
        MachineError: the process died.
        BaseException: what the function raised.
    """
    if multiprocessing.current_process().daemon:  # a worker forks nobody, and may have threads
        return function(*arguments)
    context: Any = multiprocessing.get_context(_START_METHOD)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(theirs, function, arguments), daemon=True)
    # A signal that arrives now is for this process: the child would handle it with our handlers.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
    try:
        done, result = ours.recv()
    except EOFError as error:
        process.join()
        raise MachineError(
            f"the subprocess that accesses the store died (exit code {process.exitcode}): repeat "
            "the command"
        ) from error
    finally:
        process.kill()
        process.join()
        ours.close()
    if done:
        answer: R = result
        return answer
    raise result


class InSubprocess:
    """A proxy that calls each method of an object in a subprocess."""

    def __init__(self, target: object) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(run_in_subprocess, getattr(self._target, name))


def end_with_parent() -> None:
    """Start a thread that ends this process within a second of its parent.

    A killed run must leave no process behind. A kernel that keeps the GIL delays the end.
    """
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    # Forked siblings hold ends of each other's pipes, so a pipe alone does not show that the parent
    # has died; its id does, except on Windows, where it never changes and the pipe (there a handle)
    # does.
    while os.getppid() == parent.pid and parent.is_alive():
        parent.join(1.0)
    os._exit(1)


def _answer(
    connection: Connection, function: Callable[..., object], arguments: tuple[Any, ...]
) -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the parent acts, and kills this process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    end_with_parent()
    try:
        reply = (True, function(*arguments))
    except BertprepError as error:
        reply = (False, error)
    except BaseException as error:
        error.add_note(traceback.format_exc())
        reply = (False, error)
    try:
        connection.send(reply)
    except Exception as error:  # a result or an exception that cannot be pickled
        connection.send((False, MachineError(f"{reply[1]} ({error})")))
