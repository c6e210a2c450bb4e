"""Commands in forks of this process, which has imported bertprep and compiled its kernels once.

    warm_up(folder)
    ending = run(["create", "a.txt", ...], folder, limit=60)
    ending.status, ending.stderr, ending.traceback

A start of Python with numba takes seconds, a fork some milliseconds. Each fork leads a process
group of its own, which is killed when the command has ended or the limit is over.
"""

import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from bertprep.cli import main

#: Seconds after which a command counts as a hang.
LIMIT = 60.0
#: Exit status of a fork whose command raised; no command of ours has it.
RAISED = 99
_STDIN, _STDOUT, _STDERR, _TRACEBACK = "stdin", "stdout", "stderr", "traceback"


@dataclass(frozen=True)
class Ending:
    """How a command ended.

    Attributes:
        status: exit status; negative for a signal; None for a hang.
        megabytes: largest resident set of a process of the command.
        left: whether a process of its group outlived it.
    """

    status: int | None
    stdout: str
    stderr: str
    traceback: str
    seconds: float
    megabytes: int
    left: bool


def warm_up(folder: Path, corpus: Path, vocabulary: Path) -> None:
    """Compile or load the kernels of all commands that need no TensorFlow, in this process."""
    import pyarrow.parquet  # noqa: F401 (its import, so that no fork pays for it)
    import zstandard  # noqa: F401

    output = folder / "warm"
    create = ["create", str(corpus), "--vocab", str(vocabulary), "--output", str(output)]
    for arguments in (
        [*create, "--dupe-factor", "1", "--workers", "1"],
        ["inspect", str(output)],
        ["inspect", str(output), "--verify", "--workers", "1"],
        ["inspect", str(output), "--stats", "--workers", "1"],
        ["inspect", str(output), "--compare", str(output)],
        ["inspect", str(output), "--report", str(folder / "report.html")],
        ["vocab", str(corpus), "--size", "600", "--output", str(folder / "v"), "--workers", "1"],
    ):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, done.output


def run(
    arguments: Sequence[str],
    folder: Path,
    *,
    stdin: bytes | None = None,
    limit: float = LIMIT,
    limits: Mapping[int, int] | None = None,
    before: Callable[[], object] = bool,
    after: Callable[[], str] = str,
    meanwhile: Callable[[int], object] | None = None,
    patience: float = 1.0,
) -> Ending:
    """Run one command in a fork, with `folder` as its current folder.

    Args:
        arguments: of `bertprep`.
        folder: has its standard streams as files afterwards.
        stdin: None is an empty one.
        limit: seconds.
        limits: resource limits by number.
        before: called in the fork before the command.
        after: called in the fork after a command of status 0; what it returns is a traceback's
            equal.
        patience: seconds that other processes of the command may outlive it.
        meanwhile: called in this process with the fork's number, while the command runs.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    (folder / _STDIN).write_bytes(stdin or b"")
    begin = time.monotonic()
    number = os.fork()
    if number == 0:
        _serve(arguments, folder, limits or {}, before, after)
    if meanwhile is not None:
        meanwhile(number)
    ended = os.pidfd_open(number)
    try:
        in_time = bool(select.select([ended], [], [], limit)[0])
    finally:
        os.close(ended)
    if not in_time:
        _kill_group(number)
    _, status, usage = os.wait4(number, 0)
    seconds = time.monotonic() - begin
    left = _kill_group(number, patience)
    return Ending(
        status=os.waitstatus_to_exitcode(status) if in_time else None,
        stdout=_text(folder / _STDOUT),
        stderr=_text(folder / _STDERR),
        traceback=_text(folder / _TRACEBACK),
        seconds=seconds,
        megabytes=usage.ru_maxrss // 1024,
        left=left,
    )


def _kill_group(number: int, patience: float = 0.0) -> bool:
    """Kill what is left of a group; whether anything was, some seconds after its leader's end."""
    for _ in range(1 + int(patience / 0.05)):
        if not _is_alive(number):
            return False
        time.sleep(0.05)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(number, signal.SIGKILL)
    return True


def _is_alive(number: int) -> bool:
    try:
        os.killpg(number, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_bytes()[:1_000_000].decode("utf-8", "backslashreplace")
    return ""


def _serve(
    arguments: Sequence[str],
    folder: Path,
    limits: Mapping[int, int],
    before: Callable[[], object],
    after: Callable[[], str],
) -> None:
    """Run the command in the fork, which ends here."""
    status = RAISED
    try:
        os.setsid()
        _redirect(folder)
        os.chdir(folder)
        for number, value in limits.items():
            resource.setrlimit(number, (value, value))
        before()
        status = _command(arguments)
        complaint = after() if status == 0 else ""
        if complaint:
            _note(folder, complaint)
    except BaseException:
        _note(folder, traceback.format_exc())
        status = RAISED
    finally:
        os._exit(status)


def _command(arguments: Sequence[str]) -> int:
    try:
        main(list(arguments), prog_name="bertprep")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    return status


def _redirect(folder: Path) -> None:
    for descriptor, name, mode in (
        (0, _STDIN, os.O_RDONLY),
        (1, _STDOUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, _STDERR, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        opened = os.open(folder / name, mode, 0o644)
        os.dup2(opened, descriptor)
        os.close(opened)
    with suppress(FileNotFoundError):
        (folder / _TRACEBACK).unlink()
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False, buffering=1)


def _note(folder: Path, text: str) -> None:
    # The limit of file sizes or a full disk may be what is tried: then it is lost, not the status.
    with suppress(OSError):
        (folder / _TRACEBACK).write_text(text, "utf-8", "backslashreplace")
