"""A file of a store -> its size and version, and its bytes, piece by piece or by seeking.

Ranges of megabytes over one connection that is kept, the next one under way while a piece is in
use. A web server that knows no ranges is read from the start, once. At the end the file is looked
at again: what changed meanwhile is an error, not a mixture. Memory: three pieces.
"""

import io
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, BinaryIO

from bertprep.data import RemoteFile
from bertprep.errors import BertprepError, MachineError, UsageError
from bertprep.options import shown_url
from bertprep.storage.retries import FIRST_TRIES, attempt
from bertprep.storage.systems import is_web, locate, look_anew

#: What one request is for, at most: at 50 ms each, a gigabit needs 6 MB under way.
PIECE_BYTES = 8 << 20
#: The first request may be for a look only; whoever reads on gets pieces so many times as large.
_GROWTH = 8
_SEEK_BYTES = 1 << 20
#: What a store says of a file's content, the surest first.
_VERSIONS = (
    *("ETag", "etag", "Content-MD5", "content_md5", "md5Hash", "Digest", "generation", "crc32c"),
    *("LastModified", "Last-Modified", "last_modified", "mtime", "updated", "modified", "created"),
)


def look(url: str, head_bytes: int) -> tuple[RemoteFile, bytes, str]:
    """Looks at a file.

    Returns:
        The file, its first bytes, and its media type where a web server calls it one.

    Raises:
        UsageError: there is no such file, or its size is not known.
        MachineError: the store does not answer.
    """
    name = shown_url(url)
    try:
        info = attempt(url, "cannot be looked at", lambda: _info(url), FIRST_TRIES)
    except FileNotFoundError as error:
        raise UsageError(f"{name}: there is no such file. Check the spelling of the URL") from error
    if info["type"] != "file":
        raise UsageError(f"{name}: not a file. Name a file, a folder or a glob")
    if info.get("size") is None:
        raise UsageError(
            f"{name}: the server does not say how large this is. Fetch it first, or pipe it: "
            f"curl -L '{name}' | bertprep create -"
        )
    file = RemoteFile(url, int(info["size"]), _version(info))
    head = _fetch(file, 0, min(head_bytes, file.size)) if file.size else b""
    if is_web(url) and file.size and not (info.get("partial", True) and _has_ranges(file)):
        file = RemoteFile(url, file.size, file.version, has_ranges=False)
    return file, head, str(info.get("mimetype", ""))


def read_remote(file: RemoteFile, start: int, end: int, piece_bytes: int) -> Iterator[bytes]:
    """Reads bytes [start, end), in pieces of at most `piece_bytes`.

    Raises:
        BertprepError: the file has changed since it was found.
        MachineError: it is not there any more, or cannot be read.
    """
    fetched = _fetch_all if file.has_ranges else _stream
    for data in fetched(file, start, end, piece_bytes):
        for at in range(0, len(data), piece_bytes):
            yield data[at : at + piece_bytes]
    if end > start:
        require_unchanged(file)


def require_unchanged(file: RemoteFile) -> None:
    """Looks at a file again, when it has been read: `read_remote` does so by itself.

    Raises:
        BertprepError: it is another one than was found.
        MachineError: it is not there any more, or the store does not answer.
    """
    with _vanishing(file, file.size):
        attempt(file.url, "cannot be looked at", lambda: _require_unchanged(file))


def open_remote(file: RemoteFile) -> BinaryIO:
    """A file object that seeks: each read is a range, small ones go through a buffer.

    Whoever is through with it calls `require_unchanged`.

    Raises:
        UsageError: the server knows no ranges.
    """
    if not file.has_ranges:
        raise UsageError(
            f"{shown_url(file.url)}: this server knows no byte ranges, which this format needs. "
            "Fetch the file first"
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
    """Fetches ranges in order; from the second on, one more is under way than is in use."""
    spans = _spans(start, end, min(first_bytes, PIECE_BYTES))
    for span in spans:
        yield _fetch(file, *span)
        break
    helper = ThreadPoolExecutor(1)
    try:
        under_way: deque[Future[bytes]] = deque()
        for span in spans:
            under_way.append(helper.submit(_fetch, file, *span))
            if len(under_way) > 1:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        helper.shutdown(wait=False, cancel_futures=True)


def _spans(start: int, end: int, size: int) -> Iterator[tuple[int, int]]:
    while start < end:
        yield start, min(start + size, end)
        start += size
        size = min(size * _GROWTH, PIECE_BYTES)


def _fetch(file: RemoteFile, start: int, end: int) -> bytes:
    """One range, whole."""

    def once() -> bytes:
        data = _range(file, start, end)
        if len(data) != end - start:
            _require_unchanged(file)
            raise ConnectionError(f"{len(data):,} bytes came, and {end - start:,} were asked for")
        return data

    with _vanishing(file, start):
        return attempt(file.url, f"cannot be read at byte {start:,}", once)


def _range(file: RemoteFile, start: int, end: int) -> bytes:
    system, path = locate(file.url)
    if is_web(file.url):
        # Not cat_file: from a server that ignores the range it would take the whole file.
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
        except ValueError:  # fsspec's word for an answer with the whole file
            return False

    return file.size == 1 or attempt(file.url, "cannot be looked at", once, FIRST_TRIES)


def _stream(file: RemoteFile, start: int, end: int, piece_bytes: int) -> Iterator[bytes]:
    """Reads on from the start; after a break, from the start again up to where it was."""
    system, path = locate(file.url)
    position = start
    stream: Any = None
    reached = 0  # by this connection

    def read_on() -> bytes:
        nonlocal stream, reached
        try:
            if stream is None:
                # Without a block size fsspec makes one request, and no other.
                stream, reached = system.open(path, size=file.size, block_size=0), 0
            while True:
                data: bytes = stream.read(piece_bytes)
                reached += len(data)
                if reached > position:
                    return data[max(0, len(data) - (reached - position)) :]
                if not data:
                    _require_unchanged(file)
                    raise ConnectionError("the server stopped before the end")
        except BaseException:
            if stream is not None:
                stream.close()
                stream = None
            raise

    try:
        while position < end:
            with _vanishing(file, position):
                data = attempt(file.url, f"cannot be read at byte {position:,}", read_on)
            data = data[: end - position]
            position += len(data)
            yield data
    finally:
        if stream is not None:
            stream.close()


def _info(url: str) -> dict[str, Any]:
    system, path = look_anew(url)
    info: dict[str, Any] = system.info(path)
    return info


def _version(info: dict[str, Any]) -> str:
    return next((f"{name} {info[name]}" for name in _VERSIONS if info.get(name)), "")


def _require_unchanged(file: RemoteFile) -> None:
    info = _info(file.url)
    if (info.get("size"), _version(info)) != (file.size, file.version):
        raise BertprepError(
            f"{shown_url(file.url)}: the file has {info.get('size'):,} bytes "
            f"({_version(info) or 'no version'}) and had {file.size:,} "
            f"({file.version or 'no version'}) before: it has changed. Let nothing write to it, "
            "and start again"
        )


@contextmanager
def _vanishing(file: RemoteFile, position: int) -> Iterator[None]:
    """Turns "not found" into one line: the file was there when the run began."""
    try:
        yield
    except FileNotFoundError as error:
        raise MachineError(
            f"{shown_url(file.url)}: is not there any more, at byte {position:,} of "
            f"{file.size:,}. Put it back, then give the same command again: it goes on from here"
        ) from error
