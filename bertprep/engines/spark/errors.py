"""Failures of Spark tasks: one line of JSON from the executor, then one line for the user.

Spark hands on nothing but an exception's text, within a thousand lines of its own.
"""

import json
import re
import socket
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bertprep.engines import permanent_failure
from bertprep.errors import BertprepError, MachineError, UsageError

_LOST = re.compile(
    r"Task (\d+) in stage \d+\.(\d+) failed (\d+) times[\s\S]*?Lost task [^()]*\([^()]*\) "
    r"\(([^()]*)\): (.*)"
)
_ENDED = re.compile(r"Application has been killed\. Reason: (.*)")
#: Python's errors first: Java's enclose them and only say that there was one.
_ERRORS = (re.compile(r"^\w+(Error|Exception): .*"), re.compile(r"[\w.]+(Error|Exception): .*"))


class TaskError(Exception):
    """A task's failure; its text is JSON for `describe_failure`."""


@contextmanager
def errors_as_json(name: str) -> Iterator[None]:
    """Turn any error of a task into a TaskError."""
    try:
        yield
    except Exception as error:
        raise TaskError(json.dumps(_encode(name, error))) from error


def _encode(name: str, error: Exception) -> dict[str, Any]:
    place = f" on {socket.gethostname()}"
    known = permanent_failure(name, error, place) or error
    if isinstance(known, MachineError):
        return {"text": str(known), "number": known.number}
    if isinstance(known, BertprepError):
        return {"text": str(known), "kind": type(known).__name__}
    words = " ".join("".join(traceback.format_exception_only(error)).split())
    return {"name": name, "cause": f"{words} ({place.strip()})"}


def describe_failure(text: str, names: Sequence[str], log: str = "") -> BertprepError:
    """Return the failure of a job as one line: the task, if it is known, and the cause.

    Args:
        text: Spark's message.
        names: of the job's tasks.
        log: Java's output so far. It says why a whole application was ended.
    """
    lost = _LOST.search(text)
    error = _decode(text, f"{lost[3]} times" if lost else "repeatedly")
    if error:
        return error
    cause = find_cause(f"{lost[5]}\n{text}" if lost else text)
    if lost:
        # In a second attempt at a stage, the numbers count only the tasks that were missing.
        is_first = lost[2] == "0" and int(lost[1]) < len(names)
        name = names[int(lost[1])] if is_first else "a task"
        return MachineError(f"{name} failed {lost[3]} times: {cause} (on {lost[4]})")
    ended = _ENDED.findall(log) if "SparkContext" in text else []
    return MachineError(f"Spark ended this run: {ended[-1]}" if ended else f"Spark: {cause}")


def find_cause(text: str) -> str:
    """Return the line of a long message that names the cause."""
    lines = [line.strip(": ") for line in text.splitlines()]
    lines = [line for line in lines if line.strip() and not line.strip().startswith("at ")]
    found = [line.partition("Reason: ")[2] for line in lines if "Reason: " in line]
    for errors in _ERRORS:
        found += [match[0] for line in lines if (match := errors.search(line))]
    return (found or lines[-1:] or ["no cause given"])[0]


def _decode(text: str, failures: str) -> BertprepError | None:
    """Return the error of a TaskError within Spark's message; None if there is none.

    Args:
        failures: how often the task failed, in words.
    """
    _, found, rest = text.partition(f"{TaskError.__name__}: ")
    if not found:
        return None
    values = json.JSONDecoder().raw_decode(rest)[0]
    if "cause" in values:
        return MachineError(f"{values['name']} failed {failures}: {values['cause']}")
    if "number" in values:
        return MachineError(values["text"], values["number"])
    return (UsageError if values["kind"] == "UsageError" else BertprepError)(values["text"])
