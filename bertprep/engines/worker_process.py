"""The process of a worker: receive a task, run it, reply; end when the parent ends."""

import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from bertprep.engines import permanent_failure
from bertprep.errors import BertprepError
from bertprep.storage.run_in_subprocess import end_with_parent

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
    end_with_parent()
    is_set_up = False
    with suppress(EOFError, OSError):  # the parent is gone
        while True:
            message = connection.recv_bytes()
            connection.send_bytes(_reply(message, None if is_set_up else set_up))
            is_set_up = True


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
