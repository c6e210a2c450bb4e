"""Files of a folder on a store, each under its final name only when it is whole.

    files = RemoteFiles("s3://bucket/run")
    files.write({"plan.json": b"..."})

An object store shows a file when its last part has arrived. A plain file system behind a URL may
show a part of a file: it is uploaded again, since nothing records that it is whole.

A process that forks workers calls the methods through `InSubprocess`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from bertprep.errors import MachineError, UsageError
from bertprep.json_files import COUNT, read_json
from bertprep.options import shown_url
from bertprep.storage.files import Found, write_whole
from bertprep.storage.stores import (
    FIRST_TRIES,
    attempt,
    call_if_found,
    locate,
    locate_fresh,
    require_system,
    scheme_of,
)
from bertprep.terminal import count_of

_REQUESTS_AT_ONCE = 16
#: Nothing can be written there, or no other process sees it.
_READ_ONLY = ("http", "https", "memory")


class RemoteFiles:
    """Files of a folder on a store; the interface of `LocalFiles`.

    Raises:
        UsageError: nothing can be written to such a URL.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        if scheme_of(url) in _READ_ONLY:
            raise UsageError(
                f"{shown_url(url)}: this kind of URL cannot be written to; name an --output on an "
                "object store, such as s3://bucket/folder, or a local folder"
            )
        if not url.partition("://")[2].strip("/"):
            raise UsageError(f"{shown_url(url)}: names no folder; use s3://bucket/folder")
        require_system(url)

    def where(self, name: str) -> str:
        """Return the URL of a file as messages show it."""
        return shown_url(self._inside(name))

    def look(self, folders: Sequence[str], names: Sequence[str]) -> Found:
        """List the folder and some subfolders, and read the files with these names."""
        sizes = self._sizes(folders, FIRST_TRIES)
        read = partial(call_if_found, problem="cannot be read", method="cat_file")
        contents = {name: read(self._inside(name)) for name in names if name in sizes}
        documents = {name: data for name, data in contents.items() if data is not None}
        return Found(sizes, frozenset(), documents)

    def write(self, documents: Mapping[str, bytes]) -> None:
        """Write small files, in this order."""
        for name, data in documents.items():
            system, path = locate(self._inside(name))
            _put(self._inside(name), partial(system.pipe_file, path, data), len(data))

    def remove(self, *batches: Sequence[str]) -> None:
        """Remove files, batch by batch; they need not exist."""
        remove = partial(call_if_found, problem="cannot be removed", method="rm_file")
        with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as threads:
            for batch in batches:
                list(threads.map(remove, map(self._inside, batch)))

    def remove_empty(self, folders: Sequence[str]) -> None:
        """Do nothing: a store has no folders."""

    def confirm(self, folders: Sequence[str], work: Path) -> None:
        """Check that the store has each file that was uploaded, in its full size.

        Raises:
            MachineError: another process has changed or removed files.
        """
        sizes = self._sizes(folders)
        uploaded: dict[str, int] = {}
        for path in sorted(work.glob("sent-*.json")):
            uploaded |= read_json(path, {str: COUNT})
        changed = [name for name, size in uploaded.items() if sizes.get(name) != size]
        if changed:
            others = f" and {count_of(len(changed) - 1, 'other file')}" if changed[1:] else ""
            raise MachineError(
                f"{self.where(changed[0])}{others}: changed after the upload; repeat the command "
                "to rebuild what has changed"
            )

    def upload(self, names: Sequence[str], folder: Path, work: Path, task: int) -> None:
        """Upload whole files of a task, write a receipt, and remove the local copies.

        Args:
            names: relative to `folder`, and to the URL.
            work: where the receipt is written.
        """
        sizes = {}
        for name in names:
            system, path = locate(self._inside(name))
            sizes[name] = (folder / name).stat().st_size
            put = partial(system.put_file, str(folder / name), path)
            _put(self._inside(name), put, sizes[name])
        receipt = _receipt(work, task)
        write_whole(receipt, receipt.with_suffix(".tmp"), json.dumps(sizes).encode())
        for name in names:
            (folder / name).unlink()

    def has_uploaded(self, names: Sequence[str], work: Path, task: int) -> bool:
        """Whether an earlier run has uploaded the files of a task, and the store has them."""
        receipt = _receipt(work, task)
        if not receipt.exists():
            return False
        sizes = read_json(receipt, {str: COUNT})
        info = partial(call_if_found, problem="cannot be accessed", method="info")
        stored = ((name, info(self._inside(name))) for name in names)
        return all(entry and entry["size"] == sizes.get(name) for name, entry in stored)

    def _inside(self, name: str) -> str:
        return f"{self._url.rstrip('/')}/{name}" if name else self._url

    def _sizes(self, folders: Sequence[str], tries: int | None = None) -> dict[str, int]:
        sizes: dict[str, int] = {}
        for below in ("", *folders):
            url = self._inside(below)
            found = call_if_found(url, "cannot be listed", "ls", tries, detail=True) or ()
            for info in found:
                if info["type"] == "file":
                    base = info["name"].rpartition("/")[2]
                    sizes[f"{below}/{base}" if below else base] = int(info["size"])
        return sizes


def _receipt(work: Path, task: int) -> Path:
    return work / f"sent-{task:06d}.json"


def _put(url: str, put: Callable[[], object], size: int) -> None:
    """Call `put`, and check that a file of this size has arrived."""
    system, path = locate_fresh(url)

    def once() -> None:
        try:
            put()
        except FileNotFoundError:  # a file system with folders; buckets are not created
            top = "/" * path.startswith("/") + path.strip("/").partition("/")[0]
            if not system.exists(top):
                raise
            system.makedirs(system._parent(path), exist_ok=True)
            put()
        system.invalidate_cache()
        arrived = system.info(path)["size"]
        if arrived != size:
            raise ConnectionError(f"{arrived:,} of {size:,} bytes have arrived")

    try:
        attempt(url, "cannot be written", once)
    except FileNotFoundError as error:
        raise MachineError(
            f"{shown_url(url)}: cannot be written: no such bucket or folder. Create it, or name "
            "another --output"
        ) from error
