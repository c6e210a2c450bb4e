"""What a person did wrong or the machine could not do, said in one line.

`cli` turns these into a message and an exit status; nothing else catches them.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class BertprepError(Exception):
    """A job that cannot go on. The message says what was found, where, and what to do."""

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
    """A flag, a path or a combination of them that cannot be meant."""

    exit_status = 2


class MachineError(BertprepError):
    """The machine could not do it now; the same command may later, and what it did is kept.

    Attributes:
        number: the system's `errno`; 0 if the system did not refuse anything.
    """

    def __init__(self, message: str, number: int = 0) -> None:
        super().__init__(message)
        self.number = number


class TextError(BertprepError):
    """Text that is not as it should be. Who reads the file puts its name and the line before it.

    Attributes:
        problem: what was found.
        position: byte of the block where it was found, 0x0D bytes not counted.
        line: newlines of the block before it.
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


_GO_ON = "then give the same command again: it goes on from here"
_REMEDIES = {
    errno.ENOSPC: f"Free some space, {_GO_ON}",
    errno.EDQUOT: f"Free some space or have the quota raised, {_GO_ON}",
    errno.EACCES: "Name a place that you may write to, or have the permission changed",
    errno.EPERM: "Name a place that you may write to, or have the permission changed",
    errno.EROFS: "Name a place that can be written to",
}


def remedy(number: int | None) -> str:
    """What to do about an `errno`, to go behind the message; nothing for most."""
    return f". {_REMEDIES[number]}" if number in _REMEDIES else ""


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Puts a file's name into errors of the system that have none: a write knows no name."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error
