"""Local files: written whole or not at all, also across a power cut, without following links."""

import errno
import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bertprep.errors import UsageError, naming

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY
#: Workers of a killed run, which hold its lock, end within this time.
_LOCK_PATIENCE_SECONDS = 6.0
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


def fsync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class NewFile:
    """A file under a temporary name, until `finish`. What has that name is removed, not opened.

    Attributes:
        descriptor: of the open file.
    """

    def __init__(self, path: Path, temporary: Path) -> None:
        self._path, self._name, self._is_whole = path, temporary.name, False
        # A work folder begins with a dot, and is never a link; an output folder may be one.
        no_link = os.O_NOFOLLOW if temporary.parent.name[:1] == "." else 0
        self._folder = os.open(temporary.parent, _OPEN_FOLDER | no_link)
        try:
            self._remove()
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            self.descriptor = os.open(self._name, flags, 0o666, dir_fd=self._folder)
        except BaseException:
            os.close(self._folder)
            raise

    def finish(self) -> None:
        """Make the content durable, and give the file its final name."""
        with naming(self._path):
            os.fsync(self.descriptor)
        os.replace(self._name, self._path, src_dir_fd=self._folder)
        self._is_whole = True

    def _remove(self) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._name, dir_fd=self._folder)

    def __enter__(self) -> "NewFile":
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        os.close(self.descriptor)
        if not self._is_whole:
            self._remove()
        os.close(self._folder)


def write_whole(path: Path, temporary: Path, *parts: bytes | memoryview) -> None:
    """Write the parts in order under a temporary name, then rename the file."""
    with NewFile(path, temporary) as new:
        with naming(path), open(new.descriptor, "wb", closefd=False) as file:
            for part in parts:
                file.write(part)
        new.finish()
    fsync_folder(path.parent)


def lock(path: Path) -> int:
    """Create a lock file, in a folder that is created too, and return its open descriptor.

    Raises:
        BlockingIOError: another process holds the lock.
    """
    deadline = time.monotonic() + _LOCK_PATIENCE_SECONDS
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = -1
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
            # Not a record lock: forked workers hold this one too, so that a run that follows a
            # killed one waits until the last worker has ended.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
            problem = "removed by a run that has just ended"
        except (BlockingIOError, FileNotFoundError) as error:
            problem = str(error)
        except OSError as error:
            if descriptor >= 0 and error.errno in _NO_LOCKS:
                return descriptor  # a file system without locks
            raise
        if descriptor >= 0:
            os.close(descriptor)
        if time.monotonic() > deadline:
            raise BlockingIOError(errno.EWOULDBLOCK, problem, str(path))
        time.sleep(0.1)


@dataclass(frozen=True)
class Found:
    """Content of an output folder.

    Attributes:
        sizes: bytes of each regular file by its name relative to the folder.
        others: names of folders, links and special files.
        documents: content of the small files that were asked for and exist.
    """

    sizes: Mapping[str, int]
    others: frozenset[str]
    documents: Mapping[str, bytes]


class LocalFiles:
    """Files of a local folder and its subfolders. Links inside the folder are never followed.

    Args:
        folder: may itself be a link.
        work: existing folder for temporary files, on the same file system.
    """

    def __init__(self, folder: Path, work: Path) -> None:
        self._folder, self._work = folder, work

    def where(self, name: str) -> str:
        """Return the name of a file as messages show it."""
        return str(self._folder / name)

    def look(self, folders: Sequence[str], names: Sequence[str]) -> Found:
        """List the folder and some subfolders, and read the files with these names.

        Raises:
            UsageError: one of the subfolders or of the files is a link or something else.
        """
        sizes: dict[str, int] = {}
        others: set[str] = set()
        for below in ("", *folders):
            with self._open(below) as descriptor:
                if descriptor is None:
                    continue
                for entry in os.scandir(descriptor):
                    name = f"{below}/{entry.name}" if below else entry.name
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode):
                        sizes[name] = status.st_size
                    else:
                        others.add(name)
        for name in names:
            if name in others:
                raise UsageError(f"{self.where(name)}: is not a regular file; remove it")
        documents = {name: (self._folder / name).read_bytes() for name in names if name in sizes}
        return Found(sizes, frozenset(others), documents)

    def own(self, folder: str, *names: re.Pattern[str]) -> list[str]:
        """Return the files in a work folder, whose names all match one of the patterns.

        Raises:
            UsageError: it is a link, or has links, folders or files of somebody else in it.
        """
        found = self.look((folder,), ())
        inside = [name for name in (*found.sizes, *found.others) if name.startswith(f"{folder}/")]
        for name in sorted(inside):
            base = name.rpartition("/")[2]
            if name in found.others or not any(known.fullmatch(base) for known in names):
                raise UsageError(
                    f"{self.where(name)}: bertprep did not create this; remove it, or name "
                    "another --output"
                )
        return inside

    def write(self, documents: Mapping[str, bytes]) -> None:
        """Write small files, in this order."""
        for name, data in documents.items():
            write_whole(self._folder / name, self._work / f"{Path(name).stem}.tmp", data)

    def remove(self, *batches: Sequence[str]) -> None:
        """Remove files, batch by batch; they need not exist."""
        for name in (name for batch in batches for name in batch):
            below, _, base = name.rpartition("/")
            with self._open(below) as descriptor, suppress(FileNotFoundError):
                if descriptor is not None:
                    os.unlink(base, dir_fd=descriptor)

    def confirm(self, folders: Sequence[str], work: Path) -> None:
        """Make the renames in the folder and in some subfolders durable."""
        for below in ("", *folders):
            with self._open(below) as descriptor:
                if descriptor is not None:
                    os.fsync(descriptor)

    def remove_empty(self, folders: Sequence[str]) -> None:
        """Remove those subfolders that are empty."""
        for name in folders:
            with suppress(OSError):
                (self._folder / name).rmdir()

    @contextmanager
    def _open(self, below: str) -> Iterator[int | None]:
        """Open a subfolder, each part of its path below the descriptor of the one before."""
        descriptor = -1
        try:
            descriptor = os.open(self._folder, _OPEN_FOLDER)
            for part in Path(below).parts:
                inner = os.open(part, _OPEN_FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
        except FileNotFoundError:
            yield None
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            what = "is a link or a file, not a folder" if below else "is not a folder"
            raise UsageError(f"{self.where(below)}: {what}; name another --output") from error
        else:
            yield descriptor
        finally:
            if descriptor >= 0:
                os.close(descriptor)
