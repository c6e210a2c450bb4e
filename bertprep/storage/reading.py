"""A file of a store -> its size and version, and its bytes, in pieces or by seeking.

Ranges of megabytes are requested over one connection, the next one while a piece is in use. A file
on a web server without ranges is read once from its start. At the end the size and version are
compared again: a file that has changed is an error. Memory: three pieces.
"""

import io
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, BinaryIO

from bertprep.data import RemoteFile
from bertprep.errors import RESUME, BertprepError, MachineError, UsageError
from bertprep.options import shown_url
from bertprep.storage.stores import FIRST_TRIES, attempt, is_web, locate, locate_fresh

#: Bytes of a request, at most: with 50 ms a request, a gigabit per second needs 6 MB in flight.
PIECE_BYTES = 8 << 20
#: The first request may be all that is read; each further one is so many times as large.
_GROWTH = 8
_SEEK_BYTES = 1 << 20
#: What identifies the content of a file, the most reliable first.
_VERSIONS = (
    *("ETag", "etag", "Content-MD5", "content_md5", "md5Hash", "Digest", "generation", "crc32c"),
    *("LastModified", "Last-Modified", "last_modified", "mtime", "updated", "modified", "created"),
)


def look(url: str, head_bytes: int) -> tuple[RemoteFile, bytes, str]:
    """Return a file, its first bytes, and the media type that a web server states for it.

    Raises:
        UsageError: no such file, or its size is unknown.
        MachineError: the store does not answer.
    """
    name = shown_url(url)
    try:
        info = attempt(url, "cannot be accessed", lambda: _info(url), FIRST_TRIES)
    except FileNotFoundError as error:
        raise UsageError(f"{name}: no such file. Check the spelling of the URL") from error
    if info["type"] != "file":
        raise UsageError(f"{name}: not a file. Name a file, a folder or a glob")
    if info.get("size") is None:
        raise UsageError(
            f"{name}: the server does not state the size of the file. Download it, or pipe it: "
            f"curl -L '{name}' | bertprep create -"
        )
    file = RemoteFile(url, int(info["size"]), _version(info))
    head = _fetch(file, 0, min(head_bytes, file.size)) if file.size else b""
    if is_web(url) and file.size and not (info.get("partial", True) and _has_ranges(file)):
        file = RemoteFile(url, file.size, file.version, has_ranges=False)
    return file, head, str(info.get("mimetype", ""))


def read_remote(file: RemoteFile, start: int, end: int, piece_bytes: int) -> Iterator[bytes]:
    """Read bytes [start, end) in pieces of at most `piece_bytes`.

    Raises:
        BertprepError: the file has changed since it was found.
        MachineError: it has disappeared, or cannot be read.
    """
    fetched = _fetch_all if file.has_ranges else _stream
    for data in fetched(file, start, end, piece_bytes):
        for at in range(0, len(data), piece_bytes):
            yield data[at : at + piece_bytes]
    if end > start:
        require_unchanged(file)


def require_unchanged(file: RemoteFile) -> None:
    """Check the size and version of a file that has been read. `read_remote` does so by itself.

    Raises:
        BertprepError: the file has changed since it was found.
        MachineError: it has disappeared, or the store does not answer.
    """
    with _reporting_loss(file, file.size):
        attempt(file.url, "cannot be accessed", lambda: _require_unchanged(file))


def open_remote(file: RemoteFile) -> BinaryIO:
    """Open a file for seeking. Each read requests a range; small reads are buffered.

    Call `require_unchanged` after the last read.

    Raises:
        UsageError: the server does not support ranges.
    """
    if not file.has_ranges:
        raise UsageError(
            f"{shown_url(file.url)}: this server does not support byte ranges, which this format "
            "needs. Download the file"
        )
    return io.BufferedReader(_Seeking(file), _SEEK_BYTES)


class _Seeking(io.RawIOBase):
    def __init__(self, file: RemoteFile) -> None:
        self._file, self._position = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._file.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        end = min(self._position + len(view), self._file.size, self._position + PIECE_BYTES)
        size = max(0, end - self._position)
        if size:
            view[:size] = _fetch(self._file, self._position, end)
        self._position += size
        return size


def _fetch_all(file: RemoteFile, start: int, end: int, first_bytes: int) -> Iterator[bytes]:
    """Fetch ranges in order; from the second on, one is in flight while another is in use."""
    spans = _spans(start, end, min(first_bytes, PIECE_BYTES))
    for span in spans:
        yield _fetch(file, *span)
        break
    helper = ThreadPoolExecutor(1)
    try:
        ahead: Future[bytes] | None = None
        for span in spans:
            ready, ahead = ahead, helper.submit(_fetch, file, *span)
            if ready:
                yield ready.result()
        if ahead:
            yield ahead.result()
    finally:
        helper.shutdown(wait=False, cancel_futures=True)


def _spans(start: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    while start < end:
        yield start, min(start + size, end)
        start += size
        size = min(size * _GROWTH, PIECE_BYTES)


def _fetch(file: RemoteFile, start: int, end: int) -> bytes:
    """Fetch one range completely."""

    def once() -> bytes:
        data = _range(file, start, end)
        if len(data) != end - start:
            _require_unchanged(file)
            raise ConnectionError(f"received {len(data):,} of {end - start:,} bytes")
        return data

    with _reporting_loss(file, start):
        return attempt(file.url, f"cannot be read at byte {start:,}", once)


def _range(file: RemoteFile, start: int, end: int) -> bytes:
    system, path = locate(file.url)
    if is_web(file.url):
        # Not cat_file: it would read the whole file from a server that ignores the range.
        opened = system.open(path, size=file.size, block_size=end - start, cache_type="none")
        with opened as stream:
            stream.seek(start)
            data: bytes = stream.read(end - start)
            return data
    data = system.cat_file(path, start=start, end=end)
    return data


def _has_ranges(file: RemoteFile) -> bool:
    def once() -> bool:
        try:
            return len(_range(file, file.size - 1, file.size)) == 1
        except ValueError:  # raised by fsspec when the whole file is sent
            return False

    return file.size == 1 or attempt(file.url, "cannot be accessed", once, FIRST_TRIES)


def _stream(file: RemoteFile, start: int, end: int, piece_bytes: int) -> Iterator[bytes]:
    """Read a file from its start; after an error, request it again and skip what was read."""
    system, path = locate(file.url)
    position = start
    stream: Any = None
    reached = 0  # byte offset of this connection

    def read_on() -> bytes:
        nonlocal stream, reached
        try:
            if stream is None:
                # Without a block size, fsspec makes a single request.
                stream, reached = system.open(path, size=file.size, block_size=0), 0
            while True:
                data: bytes = stream.read(piece_bytes)
                reached += len(data)
                if reached > position:
                    return data[max(0, len(data) - (reached - position)) :]
                if not data:
                    _require_unchanged(file)
                    raise ConnectionError("the connection was closed before the end")
        except BaseException:
            if stream is not None:
                stream.close()
                stream = None
            raise

    try:
        while position < end:
            with _reporting_loss(file, position):
                data = attempt(file.url, f"cannot be read at byte {position:,}", read_on)
            data = data[: end - position]
            position += len(data)
            yield data
    finally:
        if stream is not None:
            stream.close()


def _info(url: str) -> dict[str, Any]:
    system, path = locate_fresh(url)
    info: dict[str, Any] = system.info(path)
    return info


def _version(info: dict[str, Any]) -> str:
    return next((f"{name} {info[name]}" for name in _VERSIONS if info.get(name)), "")


def _require_unchanged(file: RemoteFile) -> None:
    info = _info(file.url)
    if (info.get("size"), _version(info)) != (file.size, file.version):
        raise BertprepError(
            f"{shown_url(file.url)}: the file had {file.size:,} bytes "
            f"({file.version or 'no version'}) and now has {info.get('size') or 0:,} "
            f"({_version(info) or 'no version'}): it has changed. Let nothing write to it, and "
            "start again"
        )


@contextmanager
def _reporting_loss(file: RemoteFile, position: int) -> Iterator[None]:
    """Report "not found" as the loss of a file that existed when the run began."""
    try:
        yield
    except FileNotFoundError as error:
        raise MachineError(
            f"{shown_url(file.url)}: has disappeared, at byte {position:,} of {file.size:,}. "
            f"Restore it, {RESUME}"
        ) from error
