"""The uncompressed bytes of a shard, in a buffer that kernels look into and that moves along.

Memory: 256 KB, or the longest record.
"""

from typing import BinaryIO

import numpy as np

from bertprep.datasets.frames import FRAME_SIZE, GZIP_ERRORS, HEADER, HEADER_SIZE, LONGEST_RECORD
from bertprep.kernels.examples import find_header
from bertprep.kernels.machine import PADDING
from bertprep.kernels.tfrecord import extend_crc32c, masked_crc32c

#: What fits the second-level cache together with the rows that are made of it.
BLOCK_BYTES = 1 << 18


class Blocks:
    """A window on a stream.

    Args:
        stream: opened without a buffer of its own.
        start: byte to begin at.

    Attributes:
        data: uint8[...]. Bytes `at` to `have` are read and not used, and PADDING more may be
            touched; they stay where they are until the next `fill`.
        base: byte of the stream at which `data` begins.
        is_ended: there is nothing behind `have`.
        gzip_problem: why it ended too soon; None where it did not.
        crc32c: of all that was used.
    """

    def __init__(self, stream: BinaryIO, start: int = 0) -> None:
        self._stream = stream
        if start:
            stream.seek(start)
        self.data = np.zeros(BLOCK_BYTES + PADDING, np.uint8)
        self.at = self.have = 0
        self.base = start
        self.is_ended = False
        self.gzip_problem: str | None = None
        self.crc32c = 0
        self.fill()

    @property
    def offset(self) -> int:
        """The byte of the stream that is next."""
        return self.base + self.at

    def fill(self, wanted: int = 0) -> None:
        """Moves what is not used to the front and reads on, `wanted` bytes in all or more."""
        left = self.data[self.at : self.have].copy()
        if wanted > len(self.data) - PADDING:
            self.data = np.zeros(wanted + BLOCK_BYTES + PADDING, np.uint8)
        self.data[: len(left)] = left
        self.base += self.at
        self.at, self.have = 0, len(left)
        room = memoryview(self.data)[: len(self.data) - PADDING]  # type: ignore[arg-type]
        while self.have < len(room) and not self.is_ended:
            try:
                size = self._stream.readinto(room[self.have :])  # type: ignore[attr-defined]
            except GZIP_ERRORS as error:
                is_cut = isinstance(error, EOFError)
                problem = "stops before its end: the file was cut off" if is_cut else str(error)
                self.gzip_problem, size = f"its gzip stream is broken: {problem}", 0
            self.is_ended = not size
            self.have += size

    def use(self, to: int) -> None:
        """Everything before `data[to]` has been used."""
        size = to - self.at
        self.crc32c = int(extend_crc32c(self.crc32c, self.data[self.at :], size))
        self.at = to

    def header(self, at: int) -> tuple[int, bool]:
        """The length that stands at `at`, and whether its CRC is right."""
        size, crc = HEADER.unpack(self.data[at : at + HEADER_SIZE].tobytes())
        return size, int(masked_crc32c(self.data, at, at + 8)) == crc

    def frame_size(self, at: int) -> int:
        """Bytes of the frame at `at` by its header; those of a header where none is whole."""
        if at + HEADER_SIZE > self.have:
            return HEADER_SIZE
        return FRAME_SIZE + min(self.header(at)[0], LONGEST_RECORD)

    def is_boundary(self, at: int) -> bool:
        """A record may end here: another begins, or the stream ends."""
        if self.is_ended and at == self.have:
            return True
        end = min(at + HEADER_SIZE, self.have)
        return bool(find_header(self.data, at, end, LONGEST_RECORD) == at)

    def seek_header(self, start: int, limit: int | None = None) -> bool:
        """Uses everything up to the next header, or up to the end.

        Args:
            start: the first byte of `data` where it may stand.
            limit: byte of the stream before which it must begin; None is the end.
        """
        while True:
            end = self.have
            if limit is not None:
                end = min(end, limit - self.base + HEADER_SIZE - 1)
            found = int(find_header(self.data, start, end, LONGEST_RECORD))
            if found >= 0:
                self.use(found)
                return True
            if self.is_ended or end < self.have:
                self.use(self.have if self.is_ended else max(self.at, end - HEADER_SIZE + 1))
                return False
            self.use(max(start, self.have - HEADER_SIZE + 1))
            self.fill()
            start = self.at
