"""The uncompressed bytes of a shard, in a buffer that kernels look into and that moves along.

Memory: 256 KB, or the longest record.
"""

from typing import Any, BinaryIO

import numpy as np

from bertprep.kernels.crc32c import extend_crc32c, masked_crc32c
from bertprep.kernels.examples import find_header
from bertprep.kernels.machine import PADDING
from bertprep.records.frames import GZIP_ERRORS, HEADER, HEADER_SIZE, LONGEST_RECORD

#: What fits the second-level cache together with the rows that are made of it.
BLOCK_BYTES = 1 << 18


class Blocks:
    """A window on a stream.

    Args:
        stream: opened without a buffer of its own.
        start: byte to begin at.

    Attributes:
        data: uint8[...]. Bytes `at` to `have` are read and not used, and PADDING more may be
            touched; they stay where they are until more is read.
        base: byte of the stream at which `data` begins.
        is_ended: there is nothing behind `have`.
        gzip_problem: why it ended too soon; None where it did not.
        crc32c: of all that was used.
    """

    def __init__(self, stream: BinaryIO, start: int = 0) -> None:
        # What is unpacked of a gzip file before its damage is lost to a read of more than that.
        self._read: Any = getattr(stream, "readinto1", None) or stream.readinto  # type: ignore
        if start:
            stream.seek(start)
        self.data = np.zeros(BLOCK_BYTES + PADDING, np.uint8)
        self.at = self.have = 0
        self.base = start
        self.is_ended = False
        self.gzip_problem: str | None = None
        self.crc32c = 0

    @property
    def offset(self) -> int:
        """The byte of the stream that is next."""
        return self.base + self.at

    def require(self, size: int) -> bool:
        """Has `size` unused bytes there; False where the stream ends before."""
        if self.have - self.at < size and not self.is_ended:
            self._fill(size)
        return self.have - self.at >= size

    def _fill(self, size: int) -> None:
        """Moves what is not used to the front and reads on, `size` bytes in all or more."""
        left = self.data[self.at : self.have].copy()
        if size > len(self.data) - PADDING:
            self.data = np.zeros(size + BLOCK_BYTES + PADDING, np.uint8)
        self.data[: len(left)] = left
        self.base += self.at
        self.at, self.have = 0, len(left)
        room = memoryview(self.data)[: len(self.data) - PADDING]  # type: ignore[arg-type]
        while self.have < len(room) and not self.is_ended:
            try:
                count = self._read(room[self.have :])
            except GZIP_ERRORS as error:
                is_cut = isinstance(error, EOFError)
                problem = "stops before its end: the file was cut off" if is_cut else str(error)
                self.gzip_problem, count = f"its gzip stream is broken: {problem}", 0
            self.is_ended = not count
            self.have += count

    def use(self, size: int) -> None:
        """The next `size` bytes have been used."""
        unused = self.data[self.at :]
        self.crc32c = int(extend_crc32c(np.uint32(self.crc32c), unused, size))
        self.at += size

    # What stands some bytes ahead of the first that is not used.

    def header(self, ahead: int) -> tuple[int, bool]:
        """The length in the header there, and whether its CRC is right."""
        start = self.at + ahead
        size, crc = HEADER.unpack(self.data[start : start + HEADER_SIZE].tobytes())
        return size, int(masked_crc32c(self.data, start, start + 8)) == crc

    def own_size(self, ahead: int) -> int | None:
        """The size of the record there by its own account; None where its CRC does not agree."""
        self.require(ahead + 6)
        start = self.at + ahead
        # A serialized example is one field: a tag, its size in up to five bytes, the content.
        head = self.data[start : min(start + 6, self.have)].tobytes()
        width = next((i for i, byte in enumerate(head[1:], 1) if byte < 128), 0)
        size = 1 + width + sum((head[i] & 127) << 7 * (i - 1) for i in range(1, width + 1))
        is_example = head[:1] == b"\x0a" and width and size <= LONGEST_RECORD
        if not is_example or not self.require(ahead + size + 4):
            return None
        start = self.at + ahead
        crc = int.from_bytes(self.data[start + size : start + size + 4].tobytes(), "little")
        return size if int(masked_crc32c(self.data, start, start + size)) == crc else None

    def is_boundary(self, ahead: int) -> bool:
        """A record may end there: another begins, whole or cut off, or the stream ends."""
        if not self.require(ahead + HEADER_SIZE):
            return self.have - self.at >= ahead
        size, is_right = self.header(ahead)
        is_header = is_right and size <= LONGEST_RECORD
        return is_header or self.own_size(ahead + HEADER_SIZE) is not None

    def seek_header(self, ahead: int = 0, limit: int | None = None) -> bool:
        """Uses everything up to the next header, or up to the end.

        Args:
            ahead: the first byte where it may stand.
            limit: byte of the stream before which it must begin; None is the end.
        """
        while True:
            self.require(ahead + HEADER_SIZE)
            stop = self.have if limit is None else min(self.have, limit - self.base)
            end = self.have if limit is None else min(self.have, stop + HEADER_SIZE - 1)
            found = int(find_header(self.data, self.at + ahead, end, LONGEST_RECORD))
            if found >= 0:
                self.use(found - self.at)
                return True
            if self.is_ended or end < self.have:
                self.use(max(0, stop - self.at))
                return False
            self.use(max(ahead, self.have - HEADER_SIZE + 1 - self.at))
            ahead = 0


def warm_up() -> None:
    """Compiles what only some ranges and faults need: workers find it done."""
    data = np.zeros(HEADER_SIZE + PADDING, np.uint8)
    find_header(data, 0, HEADER_SIZE, LONGEST_RECORD)
    masked_crc32c(data, 0, HEADER_SIZE)
