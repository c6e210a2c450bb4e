"""What goes wrong in a task of Spark, on its way home: one line of JSON, then one for people.

An exception's text is all that Spark hands on, among a thousand lines of its own.
"""

import errno
import json
import re
import socket
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bertprep.errors import BertprepError, MachineError, UsageError

#: Trying again does not help: full disk, quota, no permission, read-only file system.
_HOPELESS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS}

_LOST = re.compile(
    r"Task (\d+) in stage \d+\.(\d+) failed (\d+) times[\s\S]*?Lost task [^()]*\([^()]*\) "
    r"\(([^()]*)\): (.*)"
)
_ENDED = re.compile(r"Application has been killed\. Reason: (.*)")
#: Python's own errors first: Java's are around them, and only say that there was one.
_ERRORS = (re.compile(r"^\w+(Error|Exception): .*"), re.compile(r"[\w.]+(Error|Exception): .*"))


class TaskError(Exception):
    """A task's failure; the text is JSON, for `in_words`."""


@contextmanager
def telling(name: str) -> Iterator[None]:
    """Turns what goes wrong into a TaskError."""
    try:
        yield
    except BertprepError as error:
        told: dict[str, Any] = {"kind": type(error).__name__, "text": str(error)}
        if isinstance(error, MachineError):
            told["number"] = error.number
        raise TaskError(json.dumps(told)) from error
    except OSError as error:
        if error.errno not in _HOPELESS:
            raise _told(name, error) from error
        where = f"{error.filename}: " if error.filename else ""
        text = f"{name}: {where}{error.strerror} on {socket.gethostname()}"
        raise TaskError(json.dumps({"text": text, "number": error.errno})) from error
    except Exception as error:
        raise _told(name, error) from error


def _told(name: str, error: Exception) -> TaskError:
    words = " ".join("".join(traceback.format_exception_only(error)).split())
    return TaskError(json.dumps({"name": name, "cause": f"{words} (on {socket.gethostname()})"}))


def in_words(text: str, names: Sequence[str], log: str = "") -> BertprepError:
    """A failed job of Spark's in one line: the task, if it is known, and the cause.

    Args:
        text: what Spark says.
        names: of the job's tasks.
        log: what Java has said meanwhile. It knows why a whole run was ended.
    """
    lost = _LOST.search(text)
    told = _as_error(text, f"{lost[3]} times" if lost else "again and again")
    if told:
        return told
    cause = cause_of(f"{lost[5]}\n{text}" if lost else text)
    if lost:
        # Of a second attempt at a stage the numbers are of the tasks that were missing.
        is_first = lost[2] == "0" and int(lost[1]) < len(names)
        name = names[int(lost[1])] if is_first else "a task"
        return MachineError(f"{name} failed {lost[3]} times: {cause} (on {lost[4]})")
    ended = _ENDED.findall(log) if "SparkContext" in text else []
    return MachineError(f"Spark has ended this run: {ended[-1]}" if ended else f"Spark: {cause}")


def cause_of(text: str) -> str:
    """The one line of many that says what happened."""
    lines = [line.strip(": ") for line in text.splitlines()]
    lines = [line for line in lines if line.strip() and not line.strip().startswith("at ")]
    found = [line.partition("Reason: ")[2] for line in lines if "Reason: " in line]
    for errors in _ERRORS:
        found += [match[0] for line in lines if (match := errors.search(line))]
    return (found or lines[-1:] or ["it does not say why"])[0]


def _as_error(text: str, failures: str) -> BertprepError | None:
    """The failure that a text of Spark's tells of; None if a task's own words are not in it.

    Args:
        text: an exception's, with the task's in it somewhere.
        failures: how often the task failed, in words.
    """
    _, found, rest = text.partition(f"{TaskError.__name__}: ")
    if not found:
        return None
    told = json.JSONDecoder().raw_decode(rest)[0]
    if "cause" in told:
        return MachineError(f"{told['name']} failed {failures}: {told['cause']}")
    if "number" in told:
        return MachineError(told["text"], told["number"])
    return (UsageError if told["kind"] == "UsageError" else BertprepError)(told["text"])
