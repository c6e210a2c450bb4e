"""`bertprep` that is interrupted at one moment, which is an event of its own and not a time.

    python crash_driver.py MOMENT NAME NTH ACTION MARKER create CORPUS --vocab ...

MOMENT is something that happens to a file or a split whose name matches NAME: `block` (read for
tokenizing or counting), `build` (the stage begins), `write`, `fsync`, `half` (a file before its
fsync, and half of it gets lost), `replace` and `replaced` (before and after its rename), `unlink`.
At its NTH time in a process, ACTION is done: `kill-worker`, `kill-parent`, `kill-both`,
`leave-parent` (killed, while the worker is in a long computation), `freeze` (the worker stopped,
then the parent killed), `int-group`, `int-twice` (again while the engine closes), `term-parent`,
`fail` (an exception), `full` (a full disk), or `wait` (for a line in the FIFO that is named
MARKER). It is done once, if MARKER is a path where no file is yet; each time, if MARKER is `-`.

Nothing here depends on time: progress lines are off, and a lock is waited for as long as it takes.
"""

import errno
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from waiting import FOREVER, LIMIT

from bertprep import terminal
from bertprep.cli import main
from bertprep.create import job as create_job
from bertprep.create import pipeline as create
from bertprep.create import tokenizing
from bertprep.engines.worker_pool import WorkerPool
from bertprep.records import shards
from bertprep.storage import files
from bertprep.vocabulary import counting, job

MOMENT, NAME, NTH, ACTION, MARKER = sys.argv[1:6]
PARENT = os.getpid()
times = 0


def happen(moment: str, name: str, descriptor: int = -1) -> None:
    """Counts what happens, and acts when it is the moment."""
    global times
    if moment != MOMENT or not re.search(NAME, name):
        return
    times += 1
    if times != int(NTH):
        return
    if ACTION == "wait":
        Path(MARKER).read_text()
        return
    if MARKER != "-":
        try:
            os.close(os.open(MARKER, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
    if moment == "half":
        os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
    act()


def act() -> None:
    if ACTION == "kill-worker":
        assert os.getpid() != PARENT
        os.kill(os.getpid(), signal.SIGKILL)
    elif ACTION == "kill-parent":
        os.kill(PARENT, signal.SIGKILL)
    elif ACTION == "kill-both":
        os.kill(PARENT, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
    elif ACTION == "leave-parent":
        os.kill(PARENT, signal.SIGKILL)
        time.sleep(FOREVER)
    elif ACTION == "freeze":
        # Another process kills the parent: a worker that has lost it would end before it stops.
        is_stopped = f"grep -q '^State:.T' /proc/{os.getpid()}/status"
        script = f"until {is_stopped}; do sleep 0.05; done; kill -9 {PARENT}"
        subprocess.Popen(["sh", "-c", script])
        os.kill(os.getpid(), signal.SIGSTOP)
    elif ACTION == "int-twice":
        os.kill(PARENT, signal.SIGINT)
    elif ACTION == "int-group":  # what a terminal does at Ctrl-C
        os.killpg(PARENT, signal.SIGINT)
    elif ACTION == "term-parent":
        os.kill(PARENT, signal.SIGTERM)
    elif ACTION == "fail":
        raise RuntimeError("the moment has come")
    elif ACTION == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def path_of(descriptor: int) -> str:
    with suppress(OSError):
        return os.readlink(f"/proc/self/fd/{descriptor}")
    return ""


def before(function: Callable[..., Any], moment: str, name: Callable[..., str]) -> Any:
    def wrapper(*args: Any, **keywords: Any) -> Any:
        happen(moment, name(*args))
        return function(*args, **keywords)

    return wrapper


def watch_replace(replace: Callable[..., None]) -> Any:
    def wrapper(source: Any, target: Any, **folders: int) -> None:
        happen("replace", os.fspath(target))
        replace(source, target, **folders)
        happen("replaced", os.fspath(target))

    return wrapper


def watch_fsync(fsync: Callable[[int], None]) -> Any:
    def wrapper(descriptor: int) -> None:
        name = path_of(descriptor)
        happen("fsync", name)
        happen("half", name, descriptor)
        fsync(descriptor)

    return wrapper


def watch_blocks(read_blocks: Callable[..., Iterator[Any]]) -> Any:
    def wrapper(split: Any, *args: Any) -> Iterator[Any]:
        for block in read_blocks(split, *args):
            happen("block", f"split {split.ordinal}")
            yield block

    return wrapper


def watch_close(close: Callable[[WorkerPool], None]) -> Any:
    def wrapper(pool: WorkerPool) -> None:
        if ACTION == "int-twice":
            os.kill(PARENT, signal.SIGINT)
        close(pool)

    return wrapper


os.replace = watch_replace(os.replace)
os.fsync = watch_fsync(os.fsync)
os.write = before(os.write, "write", lambda descriptor, _: path_of(descriptor))
os.unlink = before(os.unlink, "unlink", lambda path: os.fspath(path))
tokenizing.read_blocks = watch_blocks(tokenizing.read_blocks)
counting.read_blocks = watch_blocks(counting.read_blocks)
WorkerPool.close = watch_close(WorkerPool.close)
create._build = before(create._build, "build", lambda *_: "")
# As in test_determinism.py: many blocks, splits, blobs and writes of a small corpus.
tokenizing.BLOCK_BYTES, create_job.BLOCK_BYTES, shards.BLOCK_BYTES = 4_000, 12_000, 1 << 16
counting.BLOCK_BYTES, job.SPLIT_BYTES, job._BUCKET_BYTES = 4_000, 12_000, 20_000
terminal._PLAIN_LINE_SECONDS = math.inf
files._LOCK_PATIENCE_SECONDS = LIMIT

main(sys.argv[6:], prog_name="bertprep")
