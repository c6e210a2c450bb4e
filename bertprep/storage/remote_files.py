"""Files of a folder on a store, each under its final name only when it is whole.

    files = RemoteFiles("s3://bucket/run")
    files.write({"plan.json": b"..."})

An object store shows a file when its last part has arrived. A plain file system behind a URL may
show a part of a file: it is uploaded again, since nothing records that it is whole.

A process that forks workers calls the methods through `in_subprocess`.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from bertprep.errors import MachineError, UsageError
from bertprep.options import shown_url
from bertprep.storage.files import Found, write_whole
from bertprep.storage.retries import FIRST_TRIES, attempt, attempt_if_found
from bertprep.storage.stores import locate, locate_fresh, require_system, scheme_of
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
        contents = {name: _read(self._inside(name)) for name in names if name in sizes}
        documents = {name: data for name, data in contents.items() if data is not None}
        return Found(sizes, frozenset(), documents)

    def write(self, documents: Mapping[str, bytes]) -> None:
        """Write small files, in this order."""
        for name, data in documents.items():
            system, path = locate(self._inside(name))
            _put(self._inside(name), partial(system.pipe_file, path, data), len(data))

    def remove(self, *batches: Sequence[str]) -> None:
        """Remove files, batch by batch; they need not exist."""
        with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as threads:
            for batch in batches:
                list(threads.map(_remove, [self._inside(name) for name in batch]))

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
            uploaded |= json.loads(path.read_bytes())
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
        sizes = json.loads(receipt.read_bytes())
        return all(sizes.get(name) == _size(self._inside(name)) for name in names)

    def _inside(self, name: str) -> str:
        return f"{self._url.rstrip('/')}/{name}" if name else self._url

    def _sizes(self, folders: Sequence[str], tries: int | None = None) -> dict[str, int]:
        sizes: dict[str, int] = {}
        for below in ("", *folders):
            prefix = f"{below}/" if below else ""
            listed = _list(self._inside(below), tries)
            sizes |= {prefix + name: size for name, size in listed.items()}
        return sizes


def default_work_folder(url: str) -> Path:
    """Return a folder below the system's temporary folder, named after a URL and the user."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", url.rstrip("/").rpartition("/")[2])[:40]
    digest = hashlib.sha256(url.rstrip("/").encode("utf-8", "surrogateescape")).hexdigest()
    return Path(tempfile.gettempdir()) / f"bertprep-{os.getuid()}-{name}-{digest[:12]}"


def _receipt(work: Path, task: int) -> Path:
    return work / f"sent-{task:06d}.json"


def _list(url: str, tries: int | None) -> dict[str, int]:
    """Return the size of each file in a folder; none if there is no such folder."""
    system, path = locate_fresh(url)
    found: list[dict[str, Any]] | None = attempt_if_found(
        url, "cannot be listed", partial(system.ls, path, detail=True), tries
    )
    files = [info for info in found or () if info["type"] == "file"]
    return {info["name"].rpartition("/")[2]: int(info["size"]) for info in files}


def _read(url: str) -> bytes | None:
    system, path = locate(url)
    data: bytes | None = attempt_if_found(url, "cannot be read", partial(system.cat_file, path))
    return data


def _size(url: str) -> int | None:
    system, path = locate_fresh(url)
    info = attempt_if_found(url, "cannot be accessed", partial(system.info, path))
    return int(info["size"]) if info else None


def _remove(url: str) -> None:
    system, path = locate(url)
    attempt_if_found(url, "cannot be removed", partial(system.rm_file, path))


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
