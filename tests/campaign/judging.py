"""What no command may do, whatever it is given: the complaints about one ending.

Complaints: a traceback, a hang, an end by a signal, a status that is none of ours, an error
without its line, an exception's name in a message, control characters on the terminal, memory,
a process that is left, and files that are not ours changed.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from forks import RAISED, Ending

#: The limit of a command's memory, far above what small inputs take beside the warm process.
MEGABYTES = 1500
_STATUSES = (0, 1, 2)
_EXCEPTION = re.compile(r"\b(?!MemoryError)[A-Z][A-Za-z]*(Error|Exception)\b(?!:? *$)|<class '")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\u2028\u2029\u202e]")
#: Files that the forks themselves write.
STREAMS = {"stdin", "stdout", "stderr", "traceback"}


def complaint(ending: Ending, *, may_fail_silently: bool = False) -> str:
    """What is wrong with an ending; empty for nothing.

    Args:
        ending: of a command.
        may_fail_silently: its standard error cannot be read, or faults are its result.
    """
    if ending.status is None:
        return f"hang: no end within {ending.seconds:.0f} s"
    if ending.status == RAISED or ending.traceback:
        return f"raised: {_summary(ending.traceback)}"
    for stream in (ending.stderr, ending.stdout):
        if "Traceback (most recent call last)" in stream:
            return f"traceback printed: {_summary(stream)}"
    if ending.status < 0:
        return f"ended by signal {-ending.status}"
    if ending.status not in _STATUSES:
        return f"status {ending.status}"
    if ending.megabytes > MEGABYTES:
        return f"memory: {ending.megabytes:,} MB"
    errors = [line for line in ending.stderr.splitlines() if line.startswith("Error: ")]
    if ending.status and not may_fail_silently and len(errors) != 1:
        return f"status {ending.status} with {len(errors)} error lines"
    for line in ending.stderr.splitlines():
        if named := _EXCEPTION.search(line.removeprefix("Error: ")):
            return f"exception named: {named[0]}: {line[:300]}"
        if len(line) > 3000:
            return f"a line of {len(line):,} characters: {line[:100]}"
    for name, stream in (("stderr", ending.stderr), ("stdout", ending.stdout)):
        if found := _CONTROL.search(stream):
            return f"control character {found[0]!r} on {name}"
    return "a process is left" if ending.left else ""


def _summary(text: str) -> str:
    """The kind of the last exception, and the innermost line of ours that it came through."""
    frames = re.findall(r'File "[^"]*/(bertprep/[^"]+)", line (\d+), in (\S+)', text)
    last = [line for line in text.strip().splitlines() if line and not line.startswith(" ")]
    where = f" at {frames[-1][0]}:{frames[-1][1]} {frames[-1][2]}" if frames else ""
    return (last[-1][:200] if last else "") + where


def signature(text: str) -> str:
    """The complaint without its numbers, names of folders and quoted values."""
    text = re.sub(r"'[^']*'|\"[^\"]*\"", "'…'", text)
    text = re.sub(r"(?<![\w.:])/[^\s:]+", "PATH", text)
    where = re.search(r" at bertprep/\S+ \S+$", text)
    head = re.sub(r"(?<![:\w])\d[\d,.]*", "N", text[: where.start()] if where else text)
    return head[:90] + (where[0] if where else "")


class Snapshot:
    """The files of a folder, but those that a command may write.

    Args:
        folder: of a try.
        written: names in it that the command may write: a file, or a folder with all it has.
    """

    def __init__(self, folder: Path, written: tuple[str, ...]) -> None:
        self._folder, self._written = folder, {*written, *STREAMS}
        self._before = dict(self._look())

    def _look(self) -> Iterator[tuple[str, str]]:
        for entry in os.scandir(self._folder):
            if entry.name in self._written:
                continue
            if not entry.is_dir(follow_symlinks=False):
                yield entry.name, _digest(entry.path)
                continue
            for path, folders, names in os.walk(entry.path):
                for name in [*folders, *names]:
                    full = os.path.join(path, name)
                    yield full, _digest(full)

    def complaint(self) -> str:
        """What has changed since; empty for nothing."""
        after = dict(self._look())
        changed = {name for name, _ in self._before.items() ^ after.items()}
        names = sorted(os.path.relpath(name, self._folder) for name in changed)
        return f"touched: {', '.join(names[:5])}" if changed else ""


def _digest(path: str) -> str:
    if os.path.islink(path):
        return f"link to {os.readlink(path)}"
    if os.path.isdir(path):
        return "a folder"
    if not os.path.isfile(path):
        return "no file"
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha1").hexdigest()
