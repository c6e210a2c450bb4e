"""A command -> its wall time, and the processor time of its whole tree of processes."""

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from corpora import environment_with_root

#: Bytes of records that dupe 10 makes of a byte of text, with some room.
RECORDS_A_BYTE = 21


@dataclass(frozen=True)
class Run:
    """What a process took, from its start to its exit.

    Attributes:
        wall: seconds.
        user, system: processor seconds of it and of all its children.
    """

    wall: float
    user: float
    system: float

    @property
    def cpu(self) -> float:
        """All processor seconds."""
        return self.user + self.system


def bertprep(*arguments: object) -> list[str]:
    """The command line of bertprep, as it is installed or as it stands in this checkout."""
    script = Path(sys.executable).with_name("bertprep")
    command = [str(script)] if script.exists() else [sys.executable, "-m", "bertprep"]
    return [*command, *map(str, arguments)]


def create(
    text: Path, vocab: Path, output: Path, *, workers: int, partitions: int | None = None
) -> list[str]:
    """`bertprep create` as all sections run it: length 128, dupe 10, whole words."""
    command = bertprep("create", text, "--vocab", vocab, "--output", output, "--workers", workers)
    command += ["--max-seq-length=128", "--dupe-factor=10", "--whole-word-mask"]
    if partitions:
        command += [f"--num-partitions={partitions}"]
    return command


def run(command: list[str], changes: Mapping[str, str] | None = None) -> Run:
    """Runs a command; its output is shown only when it fails, which ends the benchmarks.

    Args:
        command: a program and its arguments.
        changes: of the environment.
    """
    environment = environment_with_root() | dict(changes or {})
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    wall = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{done.stderr[-4000:]}\nfailed: {' '.join(command)}")
    return Run(wall, after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime)


def enough_disk(folder: Path, text_bytes: int) -> str:
    """What is wrong with running `create` on so much text, in words; "" when nothing is."""
    wanted, free = RECORDS_A_BYTE * text_bytes, shutil.disk_usage(folder).free
    if wanted < free:
        return ""
    return (
        f"{wanted / 1e9:.1f} GB of records and {free / 1e9:.1f} GB free in {folder}: give "
        "BENCH_OUTPUT, or a smaller BENCH_BYTES"
    )


def silence_stderr() -> None:
    """Sends what is written to stderr nowhere, by C++ libraries too; for good."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)


@contextmanager
def silent_stderr() -> Iterator[None]:
    """The same while the `with` lasts."""
    before = os.dup(2)
    silence_stderr()
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


@contextmanager
def one_core() -> Iterator[bool]:
    """Keeps this process, and what it starts meanwhile, on one core.

    Yields:
        Whether the system can do that.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield False
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield True
    finally:
        os.sched_setaffinity(0, before)
