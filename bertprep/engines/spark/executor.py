"""What a task of Spark does in a process of another machine, before and after the stage's own part.

It sees to it that the machine can do it: that it has this bertprep and sees the run's folder, and
that kernels are compiled once there. Nothing of this page loads numba before that.
"""

import os
import pickle
import socket
import tempfile
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bertprep import __version__
from bertprep.engines.spark.errors import telling
from bertprep.engines.tasks import Task
from bertprep.errors import MachineError


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
    with telling("the first look at the cluster"):
        _require_same(errand)
        names = [f"{mark_of(errand.run, errand.folder).stem}-{name}.seen" for name in tasks]
        for name in names:
            Path(errand.folder, name).write_text(socket.gethostname())
        return names


def run_map(
    errand: Errand, keys: Collection[int], home: int, tasks: Iterable[tuple[int, Task[Any]]]
) -> Iterator[tuple[int, tuple[int, int, Any]]]:
    """Yields (key, (task number, blob number, blob's bytes)).

    The last one, under the key `home`, has what the stage has counted, and the keys of the blobs.
    """
    for number, task in tasks:
        with telling(task.name):
            blobs = _readied(errand)(task.value)
            count = 0
            sent: list[int] = []
            while True:
                try:
                    packed = next(blobs)
                except StopIteration as end:
                    counts = end.value
                    break
                for key, blob in enumerate(packed):
                    if blob[0] and key in keys:
                        sent.append(key)
                        yield key, (number, count, blob.tobytes())
                count += 1
        yield home, (number, count, (counts, np.array(sent, np.uint32).tobytes()))


def gather_counts(
    home: int, pairs: Iterable[tuple[int, tuple[int, int, Any]]]
) -> list[tuple[list[dict[str, Any]], np.ndarray]]:
    """What `run_map` has sent home: the stages' counts by task, and the number of each key's blobs.

    Returns:
        One pair. Its array: int64[home].
    """
    num_blobs = np.zeros(home, np.int64)
    counts = {}
    for _, (number, _, (counted, sent)) in pairs:
        num_blobs += np.bincount(np.frombuffer(sent, np.uint32), minlength=home)
        counts[number] = counted
    return [([counts[number] for number in sorted(counts)], num_blobs)]


def run_reduce(
    errand: Errand,
    names: dict[int, str],
    num_blobs: dict[int, int],
    attempt: str,
    pairs: Iterable[tuple[int, Any]],
    key: int,
) -> Any:
    """The stage's result for one key; `pairs` are in any order, the stage gets them in theirs.

    When what Java reads breaks off (an executor with shuffle files is lost) Java closes the stream,
    which looks as its end does. Java forgets this attempt's result then, but the stage would
    have written its files: it must not see fewer blobs than there are.
    """
    with telling(names[key]):
        stage = _readied(errand)
        # Task and blob number: no two are equal, so that bytes are never compared.
        blobs = sorted(pair[1] for pair in pairs)
        if len(blobs) != num_blobs[key]:
            raise EOFError(f"only {len(blobs)} of {num_blobs[key]} blobs have come")
        return stage(key, (np.frombuffer(blob, np.uint32) for _, _, blob in blobs), attempt)


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
