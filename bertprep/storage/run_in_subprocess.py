"""A call in a process of its own, for a process that will fork workers and must have no threads."""

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from bertprep.errors import BertprepError, MachineError

R = TypeVar("R")

_START_METHOD = "fork" if sys.platform == "linux" else "spawn"
_STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM}


def run_in_subprocess(function: Callable[..., R], *arguments: Any) -> R:
    """Calls a function that pickle can find by name, in a process that ends with the call.

    Raises:
        MachineError: the process died.
        BaseException: what the function raised.
    """
    if multiprocessing.current_process().daemon:  # a worker forks nobody
        return function(*arguments)
    context: Any = multiprocessing.get_context(_START_METHOD)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(theirs, function, arguments), daemon=True)
    # A stop that comes now is ours: the child would take it with our handlers.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
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
            f"the process that asks the store ended by itself ({process.exitcode}): "
            "give the same command again"
        ) from error
    finally:
        process.kill()
        process.join()
        ours.close()
    if done:
        answer: R = result
        return answer
    raise result


def _answer(
    connection: Connection, function: Callable[..., object], arguments: tuple[Any, ...]
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent acts, and kills this process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        reply = (True, function(*arguments))
    except BertprepError as error:
        reply = (False, error)
    except BaseException as error:
        error.add_note(traceback.format_exc())
        reply = (False, error)
    try:
        connection.send(reply)
    except Exception as error:  # a result or an exception that pickle cannot carry
        connection.send((False, MachineError(f"{reply[1]} ({error})")))


def _end_with_parent() -> None:
    """Ends this process soon after its parent: a killed run must leave nobody behind."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    while os.getppid() == parent.pid and parent.is_alive():
        parent.join(1.0)
    os._exit(1)
