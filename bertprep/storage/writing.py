"""Files and small documents -> a store, each under its final name when it is there whole.

An object store shows a file when its last part has come. Where a plain file system is behind the
URL, a file may be seen half: it is sent again, since nothing says that it is whole.
"""

from collections.abc import Callable
from pathlib import Path

from bertprep.errors import MachineError
from bertprep.options import shown_url
from bertprep.storage.retries import attempt
from bertprep.storage.systems import locate, look_anew


def put_file(source: Path, url: str) -> int:
    """Uploads a file, and looks whether it has arrived; returns its size in bytes."""
    system, path = locate(url)
    size = source.stat().st_size
    _put(url, lambda: system.put_file(str(source), path), size)
    return size


def put_bytes(data: bytes, url: str) -> None:
    """Writes a small document."""
    system, path = locate(url)
    _put(url, lambda: system.pipe_file(path, data), len(data))


def read_whole(url: str) -> bytes | None:
    """A small document; None where there is none."""
    system, path = locate(url)

    def once() -> bytes:
        data: bytes = system.cat_file(path)
        return data

    try:
        return attempt(url, "cannot be read", once)
    except FileNotFoundError:
        return None


def size_of(url: str) -> int | None:
    """Bytes of a file; None where there is none."""
    system, path = look_anew(url)
    try:
        return int(attempt(url, "cannot be looked at", lambda: system.info(path))["size"])
    except FileNotFoundError:
        return None


def remove(url: str) -> None:
    """Removes a file; it need not be there."""
    system, path = locate(url)
    try:
        attempt(url, "cannot be removed", lambda: system.rm_file(path))
    except FileNotFoundError:
        return


def _put(url: str, put: Callable[[], object], size: int) -> None:
    system, path = look_anew(url)

    def once() -> None:
        try:
            put()
        except FileNotFoundError:  # a file system with folders; no bucket is made
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
            f"{shown_url(url)}: cannot be written: there is no such bucket or folder. "
            "Name another --output, or make it"
        ) from error
