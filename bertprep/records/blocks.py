"""The uncompressed bytes of a shard, in a sliding buffer that kernels read.

Memory: 256 KB, or the longest record.
"""

from typing import Any, BinaryIO

import numpy as np

from bertprep.kernels.crc32c import extend_crc32c, masked_crc32c
from bertprep.kernels.examples import find_header
from bertprep.kernels.machine import PADDING
from bertprep.records.frames import GZIP_ERRORS, HEADER, HEADER_SIZE, LONGEST_RECORD

#: Fits the second-level cache together with the rows parsed from it.
BLOCK_BYTES = 1 << 18


class Blocks:
    """A sliding window on a stream.

    Args:
        stream: an unbuffered stream.
        start: byte to begin at.

    Attributes:
        data: uint8[...]. Bytes `at` to `have` are read but not used yet; PADDING bytes more may be
            accessed. They stay in place until more is read.
        base: byte of the stream at which `data` begins.
        is_ended: the stream ends at `have`.
        gzip_problem: why a gzip stream ended too early; None where it did not.
        crc32c: CRC32C of all used bytes.
    """

    def __init__(self, stream: BinaryIO, start: int = 0) -> None:
        # A larger read of a damaged gzip file would lose what is unpacked before the damage.
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
        """The next byte of the stream."""
        return self.base + self.at

    def require(self, size: int) -> bool:
        """Provide `size` unused bytes; False where the stream ends before."""
        if self.have - self.at < size and not self.is_ended:
            self._fill(size)
        return self.have - self.at >= size

    def _fill(self, size: int) -> None:
        """Move the unused bytes to the front and read until there are `size` or more."""
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
                problem = "it is truncated" if is_cut else str(error)
                self.gzip_problem, count = f"its gzip stream is damaged: {problem}", 0
            self.is_ended = not count
            self.have += count

    def use(self, size: int) -> None:
        """Mark the next `size` bytes as used."""
        unused = self.data[self.at :]
        self.crc32c = int(extend_crc32c(np.uint32(self.crc32c), unused, size))
        self.at += size

    # The following look `ahead` bytes past the first unused one.

    def header(self, ahead: int) -> tuple[int, bool]:
        """Return the length in the header, and whether its CRC is correct."""
        start = self.at + ahead
        size, crc = HEADER.unpack(self.data[start : start + HEADER_SIZE].tobytes())
        return size, int(masked_crc32c(self.data, start, start + 8)) == crc

    def own_size(self, ahead: int) -> int | None:
        """Return the size of a record as its protobuf encodes it; None where its CRC is wrong."""
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
        """Return whether a record may end here: another one begins, or the stream ends."""
        if not self.require(ahead + HEADER_SIZE):
            return self.have - self.at >= ahead
        size, is_right = self.header(ahead)
        is_header = is_right and size <= LONGEST_RECORD
        return is_header or self.own_size(ahead + HEADER_SIZE) is not None

    def seek_header(self, ahead: int = 0, limit: int | None = None) -> bool:
        """Use everything up to the next header, or up to the end.

        Args:
            ahead: first byte to search.
            limit: byte of the stream before which the header must begin; None is the end.
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
    """Compile what only some ranges and faults need, so that workers do not have to."""
    data = np.zeros(HEADER_SIZE + PADDING, np.uint8)
    find_header(data, 0, HEADER_SIZE, LONGEST_RECORD)
    masked_crc32c(data, 0, HEADER_SIZE)
