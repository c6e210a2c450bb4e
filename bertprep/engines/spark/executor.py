"""What a Spark task does in a Python process of the cluster, around the stage's own work.

It checks that the machine has the driver's versions and sees the run's folder, and lets one process
of each machine compile the kernels. Nothing here loads numba before that.

A failure becomes one line of JSON here, and one line for the user in the driver: Spark hands on
nothing but an exception's text, within a thousand lines of its own.
"""

import json
import os
import pickle
import re
import socket
import tempfile
import traceback
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bertprep import __version__
from bertprep.engines import BlobStream, Task, permanent_failure
from bertprep.errors import BertprepError, MachineError, UsageError

_LOST = re.compile(
    r"Task (\d+) in stage \d+\.(\d+) failed (\d+) times[\s\S]*?Lost task [^()]*\([^()]*\) "
    r"\(([^()]*)\): (.*)"
)
_ENDED = re.compile(r"Application has been killed\. Reason: (.*)")
#: Python's errors first: Java's enclose them and only say that there was one.
_ERRORS = (re.compile(r"^\w+(Error|Exception): .*"), re.compile(r"[\w.]+(Error|Exception): .*"))


@dataclass(frozen=True)
class Step:
    """What the driver sends with every task of a step.

    Attributes:
        run_id: unique to the run.
        folder: of the run, on every machine; it holds the run's marker file.
        versions: the driver's, which every machine must have.
        work: pickled (set_up, stage), unpickled once the machine is checked: that loads numba.
    """

    run_id: str
    folder: str
    versions: dict[str, str]
    work: bytes


#: Runs that this process is set up for.
_set_up_runs: set[str] = set()


def versions() -> dict[str, str]:
    """Return what the output depends on besides options and input, as it is in this process."""
    return {"bertprep": __version__, "Unicode": unicodedata.unidata_version}


def marker_path(run_id: str, folder: str | Path) -> Path:
    """Return the file that shows a machine that it sees the driver's folder."""
    return Path(folder, f"run-{run_id}.mark")


def check_machine(step: Step, tasks: Iterable[tuple[int, Task[int]]]) -> list[str]:
    """Check that tasks can run here; write a file for the driver to see, and return its name."""
    with errors_as_json("the check of the cluster"):
        _require_same(step)
        marker = marker_path(step.run_id, step.folder)
        names = [f"{marker.stem}-{number}.seen" for number, _ in tasks]
        for name in names:
            Path(step.folder, name).write_text(socket.gethostname())
        return names


def run_map(
    step: Step, keys: Collection[int], counts_key: int, tasks: Iterable[tuple[int, Task[Any]]]
) -> Iterator[tuple[int, tuple[int, int, Any]]]:
    """Yield (key, (task number, blob number, blob's bytes)).

    The last item of a task, under `counts_key`, has the stage's counts and the keys of the blobs.
    """
    for number, task in tasks:
        with errors_as_json(task.name):
            blobs = BlobStream(_load_stage(step)(task.value))
            blob_number = 0
            sent: list[int] = []
            for packed in blobs:
                for key, blob in enumerate(packed):
                    if blob[0] and key in keys:
                        sent.append(key)
                        yield key, (number, blob_number, blob.tobytes())
                blob_number += 1
        counts = (blobs.counts, np.array(sent, np.uint32).tobytes())
        yield counts_key, (number, blob_number, counts)


def gather_counts(
    num_keys: int, pairs: Iterable[tuple[int, tuple[int, int, Any]]]
) -> list[tuple[list[dict[str, Any]], np.ndarray]]:
    """Collect what `run_map` sent under the key of the counts.

    Returns:
        One pair: the stages' counts by task, and int64[num_keys], the number of each key's blobs.
    """
    num_blobs = np.zeros(num_keys, np.int64)
    counts = {}
    for _, (number, _, (counted, sent)) in pairs:
        num_blobs += np.bincount(np.frombuffer(sent, np.uint32), minlength=num_keys)
        counts[number] = counted
    return [([counts[number] for number in sorted(counts)], num_blobs)]


def run_reduce(
    step: Step,
    names: dict[int, str],
    num_blobs: dict[int, int],
    attempt: str,
    pairs: Iterable[tuple[int, Any]],
    key: int,
) -> Any:
    """Return the stage's result for one key; the stage receives the blobs of `pairs` in order.

    When an executor with shuffle files is lost, Java closes the stream in the middle, which looks
    like its end. Java then drops this attempt's result, but the stage would have written its files:
    it must not run on fewer blobs than there are.
    """
    with errors_as_json(names[key]):
        stage = _load_stage(step)
        # No two have the same task and blob number, so bytes are never compared.
        blobs = sorted(pair[1] for pair in pairs)
        if len(blobs) != num_blobs[key]:
            raise EOFError(f"only {len(blobs)} of {num_blobs[key]} blobs have arrived")
        return stage(key, (np.frombuffer(blob, np.uint32) for _, _, blob in blobs), attempt)


def run_plain(step: Step, tasks: Iterable[tuple[int, Task[Any]]]) -> Any:
    """Return the result of the one task of an RDD partition."""
    ((_, task),) = tasks
    with errors_as_json(task.name):
        return [_load_stage(step)(task.value)]


def _load_stage(step: Step) -> Any:
    """Return the stage, after this process is checked and set up."""
    is_new = step.run_id not in _set_up_runs
    if is_new:
        _require_same(step)
        _choose_kernel_cache()
    set_up, stage = pickle.loads(step.work)
    if is_new:
        set_up()
        _set_up_runs.add(step.run_id)
    return stage


def _require_same(step: Step) -> None:
    host = socket.gethostname()
    if not marker_path(step.run_id, step.folder).exists():
        raise MachineError(
            f"{step.folder}: {host} does not see the driver's files there: put --output or "
            "--work-folder on storage that all machines share"
        )
    for name, here in versions().items():
        if here != step.versions[name]:
            raise MachineError(
                f"{name} is {here} on {host} and {step.versions[name]} on the driver, and the "
                "output could differ: install the same version on all machines"
            )


def _choose_kernel_cache() -> None:
    """Keep kernels in the machine's temporary folder where the home folder is not writable.

    The private folder that one process would use instead would make hundreds compile for
    themselves here.
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
    # Compiled code is executed: none from a folder that somebody else made.
    if folder.is_dir() and status.st_uid == os.getuid() and not status.st_mode & 0o022:
        os.environ["NUMBA_CACHE_DIR"] = str(folder)


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
