"""Errors that a person reads: one line that says what was found, where, and what to do.

`cli` turns them into a message and an exit status; nothing else catches them.
"""

import errno
import importlib.util
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

#: Signals that stop a run. Those of a terminal, SIGINT and SIGHUP, reach its workers too.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class BertprepError(Exception):
    """A job that cannot continue. The message says what was found, where, and what to do."""

    exit_status = 1

    def __reduce__(self) -> tuple[Any, ...]:
        # Other exceptions are rebuilt by calling the class, which may not take `args`.
        return _unpickled, (type(self), self.args, vars(self))


def _unpickled(
    kind: type[BertprepError], args: tuple[object, ...], attributes: dict[str, Any]
) -> BertprepError:
    error = kind.__new__(kind, *args)
    vars(error).update(attributes)
    return error


class UsageError(BertprepError):
    """A flag, a path or a combination of them that cannot work."""

    exit_status = 2


class MachineError(BertprepError):
    """A failure of the machine: the same command may succeed later, and finished work is kept.

    Attributes:
        number: the system's `errno`; 0 if no system call failed.
    """

    def __init__(self, message: str, number: int = 0) -> None:
        super().__init__(message)
        self.number = number


class TextError(BertprepError):
    """Invalid text in a block. The reader of the file adds its name and the line number.

    Attributes:
        problem: what was found.
        position: its byte offset in the block, 0x0D bytes not counted.
        line: number of newlines of the block before it.
        advice: what to do about it.
    """

    def __init__(self, problem: str, position: int, line: int, advice: str = "") -> None:
        super().__init__(problem, position, line, advice)
        self.problem = problem
        self.position = position
        self.line = line
        self.advice = advice

    def __str__(self) -> str:
        return self.problem


#: Ends the advice after a failure that can be repaired.
RESUME = "then repeat the command to resume"

_REMEDIES = {
    errno.ENOSPC: f"Free some space, {RESUME}",
    errno.EDQUOT: f"Free some space or raise the quota, {RESUME}",
    errno.EACCES: "Choose a path that you can write to, or change its permissions",
    errno.EPERM: "Choose a path that you can write to, or change its permissions",
    errno.EROFS: "Choose a path on a file system that is not read-only",
}


def remedy(number: int | None) -> str:
    """Return the advice for an `errno`, to follow the message; empty for most."""
    return f". {_REMEDIES[number]}" if number in _REMEDIES else ""


def require_extra(purpose: str, extra: str, *modules: str) -> None:
    """Raise UsageError unless the modules that an extra installs are there. None is loaded."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise UsageError(f"{purpose} needs {module}: pip install 'bertprep[{extra}]'")


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Add a file's name to system errors that have none, such as those of `write`."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error
