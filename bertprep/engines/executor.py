"""What a task of Spark does in a process of another machine, before and after the stage's own part.

It sees to it that the machine can do it: that it has this bertprep and sees the run's folder, and
that kernels are compiled once there. Nothing of this page loads numba before that. What goes wrong
travels home as one line of JSON in an exception's text, which is all that Spark hands on.
"""

import errno
import json
import os
import pickle
import socket
import tempfile
import traceback
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bertprep import __version__
from bertprep.engines.tasks import Task
from bertprep.errors import BertprepError, MachineError, UsageError

#: Trying again does not help: full disk, quota, no permission, read-only file system.
_HOPELESS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS}


class TaskError(Exception):
    """A task's failure; the text is JSON, for `as_error`."""


@dataclass(frozen=True)
class Errand:
    """What all tasks of a step are sent with.

    Attributes:
        run: a word that no other run has.
        folder: of the run, on every machine; a file there, named by `run`, is its mark.
        facts: of the driver, which must be true of every machine.
        work: pickled (setup, stage). Unpickled when the machine is ready: that loads numba.
    """

    run: str
    folder: str
    facts: dict[str, str]
    work: bytes


#: Runs that this process has been readied for.
_ready: set[str] = set()


def facts() -> dict[str, str]:
    """What bytes follow from besides the options, as it is in this process."""
    return {"bertprep": __version__, "Unicode": unicodedata.unidata_version}


def mark_of(run: str, folder: str | Path) -> Path:
    """The file that shows a machine that it sees the run's folder, and not one of its own."""
    return Path(folder, f"run-{run}.mark")


def check_machine(errand: Errand, tasks: Iterable[str]) -> list[str]:
    """Sees whether a task can run here; leaves a file for the driver to see. Returns its name."""
    with _telling("the first look at the cluster"):
        _require_same(errand)
        names = [f"{mark_of(errand.run, errand.folder).stem}-{name}.seen" for name in tasks]
        for name in names:
            Path(errand.folder, name).write_text(socket.gethostname())
        return names


def run_map(
    errand: Errand, keys: Collection[int], home: int, tasks: Iterable[tuple[int, Task[Any]]]
) -> Iterator[tuple[int, tuple[int, int, Any]]]:
    """Yields (key, (task number, blob number, blob's bytes)), then the counts under key `home`."""
    for number, task in tasks:
        with _telling(task.name):
            blobs = _readied(errand)(task.value)
            count = 0
            while True:
                try:
                    packed = next(blobs)
                except StopIteration as end:
                    counts = end.value
                    break
                for key, blob in enumerate(packed):
                    if blob[0] and key in keys:
                        yield key, (number, count, blob.tobytes())
                count += 1
        yield home, (number, count, counts)


def run_reduce(
    errand: Errand, names: dict[int, str], attempt: str, pairs: Iterable[tuple[int, Any]], key: int
) -> Any:
    """The stage's result for one key; `pairs` are in any order, the stage gets them in theirs."""
    with _telling(names[key]):
        stage = _readied(errand)
        # Task and blob number: no two are equal, so that bytes are never compared.
        blobs = sorted(pair[1] for pair in pairs)
        return stage(key, (np.frombuffer(blob, np.uint32) for _, _, blob in blobs), attempt)


def as_error(text: str, failures: str) -> BertprepError | None:
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


def _readied(errand: Errand) -> Any:
    """The stage, when this process is fit to run it."""
    is_new = errand.run not in _ready
    if is_new:
        _require_same(errand)
        _find_cache()
    setup, stage = pickle.loads(errand.work)
    if is_new:
        setup()
        _ready.add(errand.run)
    return stage


def _require_same(errand: Errand) -> None:
    host = socket.gethostname()
    if not mark_of(errand.run, errand.folder).exists():
        raise MachineError(
            f"{errand.folder}: {host} does not see what this machine has written there: name an "
            "--output on storage that all machines see"
        )
    for name, theirs in facts().items():
        if theirs != errand.facts[name]:
            raise MachineError(
                f"{name} is {theirs} on {host} and {errand.facts[name]} here, and bytes may "
                "differ: install the same on all machines"
            )


def _find_cache() -> None:
    """Has kernels kept in the machine's temporary folder, where the home cannot be written.

    Where a private folder would do for one process, here hundreds would compile for themselves.
    """
    if "NUMBA_CACHE_DIR" in os.environ:
        return
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    try:
        os.makedirs(caches, exist_ok=True)
        with tempfile.TemporaryFile(dir=caches):
            return
    except OSError:
        folder = Path(tempfile.gettempdir(), f"bertprep-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    # Compiled code is run: none from a folder that someone else has put there.
    if folder.is_dir() and status.st_uid == os.getuid() and not status.st_mode & 0o022:
        os.environ["NUMBA_CACHE_DIR"] = str(folder)


@contextmanager
def _telling(name: str) -> Iterator[None]:
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
