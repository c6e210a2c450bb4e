"""Files of a folder on a store, each under its final name only when it is whole.

    files = RemoteFiles("s3://bucket/run")
    files.write({"plan.json": b"..."})

An object store shows a file when its last part has arrived. A plain file system behind a URL may
show a part of a file: it is uploaded again, since nothing records that it is whole.

Each method of `RemoteFiles` runs in a subprocess (see `run_in_subprocess`); the functions do not.
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
from bertprep.storage.retries import FIRST_TRIES, attempt
from bertprep.storage.run_in_subprocess import run_in_subprocess
from bertprep.storage.systems import locate, look_anew, require_system, scheme_of
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
        return _inside(shown_url(self._url), name)

    def look(self, folders: Sequence[str], names: Sequence[str]) -> Found:
        """List the folder and some subfolders, and read the files with these names."""
        return run_in_subprocess(_look, self._url, folders, names, FIRST_TRIES)

    def write(self, documents: Mapping[str, bytes]) -> None:
        """Write small files, in this order."""
        run_in_subprocess(_write, self._url, documents)

    def remove(self, *batches: Sequence[str]) -> None:
        """Remove files, batch by batch; they need not exist."""
        run_in_subprocess(_remove, self._url, batches)

    def remove_empty(self, folders: Sequence[str]) -> None:
        """Do nothing: a store has no folders."""

    def confirm(self, folders: Sequence[str], work: Path) -> None:
        """Check that the store has each file that was uploaded, in its full size.

        Raises:
            MachineError: somebody else has changed or removed files.
        """
        sizes = run_in_subprocess(_look, self._url, folders).sizes
        uploaded: dict[str, int] = {}
        for path in sorted(work.glob("sent-*.json")):
            uploaded |= json.loads(path.read_bytes())
        changed = [name for name, size in uploaded.items() if sizes.get(name) != size]
        if changed:
            others = f" and {count_of(len(changed) - 1, 'other file')}" if len(changed) > 1 else ""
            raise MachineError(
                f"{self.where(changed[0])}{others}: changed after the upload: run the same command "
                "again to rebuild what has changed"
            )


def default_work_folder(url: str) -> Path:
    """Return a folder below the system's temporary folder, named after a URL and the user."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", url.rstrip("/").rpartition("/")[2])[:40]
    digest = hashlib.sha256(url.rstrip("/").encode("utf-8", "surrogateescape")).hexdigest()
    return Path(tempfile.gettempdir()) / f"bertprep-{os.getuid()}-{name}-{digest[:12]}"


def receipt_path(work: Path, key: int) -> Path:
    """Return the JSON file with the names and sizes of the files that a task has uploaded."""
    return work / f"sent-{key:06d}.json"


def upload(names: Sequence[str], folder: Path, receipt: Path, url: str) -> None:
    """Upload whole files, write the receipt, and remove the local copies.

    Args:
        names: relative to `folder`, and to `url`.
    """
    sizes = {name: _upload(folder / name, _inside(url, name)) for name in names}
    write_whole(receipt, receipt.with_suffix(".tmp"), json.dumps(sizes).encode())
    for name in names:
        (folder / name).unlink()


def is_uploaded(names: Sequence[str], receipt: Path, url: str) -> bool:
    """Whether an earlier run has uploaded these files, and the store still has them."""
    if not receipt.exists():
        return False
    sizes = json.loads(receipt.read_bytes())
    return all(sizes.get(name) == _size_of(_inside(url, name)) for name in names)


def _inside(url: str, name: str) -> str:
    return f"{url.rstrip('/')}/{name}" if name else url


def _look(
    url: str, folders: Sequence[str], names: Sequence[str] = (), tries: int | None = None
) -> Found:
    sizes: dict[str, int] = {}
    for below in ("", *folders):
        listed = _list_sizes(_inside(url, below), tries)
        sizes |= {f"{below}/{name}" if below else name: size for name, size in listed.items()}
    contents = {name: _read(_inside(url, name)) for name in names if name in sizes}
    documents = {name: data for name, data in contents.items() if data is not None}
    return Found(sizes, frozenset(), documents)


def _list_sizes(url: str, tries: int | None) -> dict[str, int]:
    system, path = look_anew(url)

    def list_here() -> list[dict[str, Any]]:
        return [info for info in system.ls(path, detail=True) if info["type"] == "file"]

    try:
        found = attempt(url, "cannot be listed", list_here, tries)
    except FileNotFoundError:
        return {}
    return {info["name"].rpartition("/")[2]: int(info["size"]) for info in found}


def _read(url: str) -> bytes | None:
    system, path = locate(url)

    def once() -> bytes:
        data: bytes = system.cat_file(path)
        return data

    try:
        return attempt(url, "cannot be read", once)
    except FileNotFoundError:
        return None


def _size_of(url: str) -> int | None:
    system, path = look_anew(url)
    try:
        return int(attempt(url, "cannot be read", lambda: system.info(path))["size"])
    except FileNotFoundError:
        return None


def _remove(url: str, batches: Sequence[Sequence[str]]) -> None:
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as threads:
        for batch in batches:
            list(threads.map(_remove_file, [_inside(url, name) for name in batch]))


def _remove_file(url: str) -> None:
    system, path = locate(url)
    try:
        attempt(url, "cannot be removed", lambda: system.rm_file(path))
    except FileNotFoundError:
        return


def _write(url: str, documents: Mapping[str, bytes]) -> None:
    for name, data in documents.items():
        system, path = locate(_inside(url, name))
        _put(_inside(url, name), partial(system.pipe_file, path, data), len(data))


def _upload(source: Path, url: str) -> int:
    system, path = locate(url)
    size = source.stat().st_size
    _put(url, partial(system.put_file, str(source), path), size)
    return size


def _put(url: str, put: Callable[[], object], size: int) -> None:
    """Call `put`, and check that a file of this size has arrived."""
    system, path = look_anew(url)

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
