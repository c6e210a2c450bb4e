"""The process of a worker: receive a task, run it, reply; end when the parent ends."""

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from bertprep.engines.tasks import permanent_failure
from bertprep.errors import BertprepError

STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM}


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
        return cls(" ".join(words.split()), traceback.format_exc())


Reply = Done | Failed | BertprepError


def serve(connection: Connection, set_up: Callable[[], object]) -> None:
    """Run the tasks that arrive, until the parent is gone.

    Args:
        connection: gives pickled (function, name, value), takes pickled replies.
        set_up: called before the first task; its failure is the task's.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent acts
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    is_set_up = False
    with suppress(EOFError, OSError):  # the parent is gone
        while True:
            message = connection.recv_bytes()
            connection.send_bytes(_reply(message, None if is_set_up else set_up))
            is_set_up = True


def _end_with_parent() -> None:
    """End this process within a second of its parent, unless a kernel keeps the GIL."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    # Forked siblings hold ends of each other's pipes, so a pipe does not show the parent's end. Its
    # id does, except on Windows, where the id never changes and the pipe (there a handle) shows it.
    while os.getppid() == parent.pid and parent.is_alive():
        parent.join(1.0)
    os._exit(1)


def _reply(message: bytes, set_up: Callable[[], object] | None) -> bytes:
    name = "a task"
    try:
        function, name, value = pickle.loads(message)
        if set_up is not None:
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
