"""Bytes -> a whole file under its final name, or no file; written while the next bytes are made.

A separate thread compresses and writes, so that serializing does not wait for the disk. Plain files
bypass the page cache where the system allows it (O_DIRECT): 10 GB of records would evict everything
else, and copying them there takes as long as making them. Memory: 16 MB of buffers.
"""

import errno
import fcntl
import functools
import os
import queue
import threading
import zlib
from contextlib import suppress
from mmap import mmap
from pathlib import Path
from types import TracebackType

import numpy as np

from bertprep.errors import naming
from bertprep.kernels.crc32c import extend_crc32c
from bertprep.storage.files import NewFile

#: Bytes written at a time; a multiple of any disk's block.
BLOCK_BYTES = 1 << 20
#: Records come in bursts, faster than they are written: enough buffers for the pauses between.
_NUM_BUFFERS = 16
_BLOCK = 4096
#: zlib's level: 1.5 times as fast as its default 6, for files 4 % larger (benchmarks/README.md).
_GZIP_LEVEL = 3


def checksum(data: np.ndarray, size: int, crc32c: int = 0) -> int:
    """Return the CRC32C of some bytes, by their `crc32c`, and of the first `size` of `data`."""
    return int(extend_crc32c(np.uint32(crc32c), data, size)) & 0xFFFFFFFF


def gzip_bytes(data: np.ndarray) -> int:
    """Return the number of bytes that a uint8 array takes in a gzip shard."""
    compressor = zlib.compressobj(_GZIP_LEVEL, wbits=31)
    return len(compressor.compress(data.data)) + len(compressor.flush())


class ShardWriter:
    """One shard: fill `buffer()`, then `write(size)`; complete when the `with` block succeeds.

    Args:
        path: final path.
        temporary: path while it is written, on the same file system.
        compression: "none" or "gzip".
        slack: bytes of a buffer after its first BLOCK_BYTES.
    """

    def __init__(self, path: Path, temporary: Path, compression: str, slack: int) -> None:
        self._path, self._new = path, NewFile(path, temporary)
        self._compressor = (
            zlib.compressobj(_GZIP_LEVEL, wbits=31) if compression == "gzip" else None
        )
        self._free = _buffers(BLOCK_BYTES + slack)
        self._full: queue.SimpleQueue[tuple[np.ndarray, int] | None] = queue.SimpleQueue()
        self._error: BaseException | None = None
        self._descriptor = self._new.descriptor
        if self._compressor is None:
            _go_direct(self._descriptor)
        self._filling = self._free.get()
        self._carried = 0
        self.bytes = 0
        self.crc32c = 0
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def buffer(self) -> tuple[np.ndarray, int]:
        """Return the buffer to fill, uint8[BLOCK_BYTES + slack], and the byte to begin at."""
        return self._filling, self._carried

    def write(self, end: int) -> None:
        """Queue the buffer, filled up to byte `end`; bytes past a whole block are carried over."""
        self._raise_from_thread()
        if end < BLOCK_BYTES:
            self._carried = end
            return
        self._count(BLOCK_BYTES)
        following = self._free.get()
        self._carried = end - BLOCK_BYTES
        following[: self._carried] = self._filling[BLOCK_BYTES:end]
        self._full.put((self._filling, BLOCK_BYTES))
        self._filling = following

    def _count(self, size: int) -> None:
        # Here and not in the thread: this core has the bytes in its cache.
        self.crc32c = checksum(self._filling, size, self.crc32c)
        self.bytes += size

    def _raise_from_thread(self) -> None:
        if self._error:
            with naming(self._path):
                raise self._error

    def _drain(self) -> None:
        while (item := self._full.get()) is not None:
            buffer, size = item
            if not self._error:
                try:
                    self._write_out(buffer, size)
                except BaseException as error:  # raised by the next write
                    self._error = error
            self._free.put(buffer)

    def _write_out(self, buffer: np.ndarray, size: int) -> None:
        data = buffer.data[:size]
        if self._compressor:
            data = memoryview(self._compressor.compress(data))
        elif len(data) % _BLOCK:
            _leave_direct(self._descriptor)
        _write_all(self._descriptor, data)

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error:
                self._carried = 0
            self._count(self._carried)
            self._full.put((self._filling, self._carried))
            self._full.put(None)
            self._thread.join()
            if error is None:
                self._raise_from_thread()
                with naming(self._path):
                    if self._compressor:
                        _write_all(self._descriptor, memoryview(self._compressor.flush()))
                self._new.finish()
        finally:
            self._new.__exit__(None, None, None)


@functools.lru_cache(1)
def _buffers(size: int) -> queue.LifoQueue[np.ndarray]:
    """Return the process's free buffers, the last used first: few are in use on a fast disk."""
    free: queue.LifoQueue[np.ndarray] = queue.LifoQueue()
    for _ in range(_NUM_BUFFERS):
        # Anonymous memory begins at a page, as O_DIRECT wants it.
        free.put(np.frombuffer(mmap(-1, size), np.uint8))
    return free


def _go_direct(descriptor: int) -> None:
    """Bypass the page cache, where the file system can; older tmpfs cannot."""
    if hasattr(os, "O_DIRECT"):
        with suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_DIRECT)


def _leave_direct(descriptor: int) -> None:
    """Write through the page cache from here on: the tail of a file is not a whole block."""
    if hasattr(os, "O_DIRECT"):
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        if flags & os.O_DIRECT:
            fcntl.fcntl(descriptor, fcntl.F_SETFL, flags & ~os.O_DIRECT)


def _write_all(descriptor: int, data: memoryview) -> None:
    while len(data):
        try:
            written = os.write(descriptor, data)
        except OSError as error:
            if error.errno != errno.EINVAL or not _is_direct(descriptor):
                raise
            _leave_direct(descriptor)  # EINVAL: accepted at opening, not at writing
            continue
        if written % _BLOCK:
            _leave_direct(descriptor)
        data = data[written:]


def _is_direct(descriptor: int) -> bool:
    return hasattr(os, "O_DIRECT") and bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DIRECT)
