"""A shard's bytes -> the frames of its records, in plain Python and one at a time.

A frame is a length of 8 bytes, its masked CRC32C, the record, and the record's masked CRC32C. All
offsets are into the uncompressed stream. Skipping a record takes 0.5 us, checking its CRC 100 us.

Source: TFRecord's format, as TensorFlow documents it.
"""

import gzip
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import BinaryIO

from bertprep.data import ShardSummary
from bertprep.errors import BertprepError, naming

_POLYNOMIAL = 0x82F63B78
_ONES = 0xFFFFFFFF
_GZIP_MAGIC = b"\x1f\x8b"
HEADER = struct.Struct("<QI")
HEADER_SIZE, FRAME_SIZE = 12, 16
#: A larger length is taken to be wrong: the longest sequence needs less than 1 MB.
LONGEST_RECORD = 1 << 26
_BUFFER_BYTES = 1 << 17

#: What reading gzip raises when the file is truncated or damaged.
GZIP_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)


@dataclass(frozen=True)
class Shard:
    """A file of records.

    Attributes:
        path: path to open and to show.
        size: bytes on disk.
        compression: "none" or "gzip", by the first bytes and not by the name.
        summary: its entry in a manifest; None without one.
    """

    path: str
    size: int
    compression: str
    summary: ShardSummary | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """A record and where it was found.

    Attributes:
        index: index of the record in the shard, from 0.
        offset: first byte of the frame.
        data: the serialized example.
        crc: masked CRC32C of `data` by the frame.
    """

    index: int
    offset: int
    data: bytes
    crc: int

    @property
    def is_intact(self) -> bool:
        """Whether the data match the CRC."""
        return masked_crc32c(self.data) == self.crc


class FrameError(BertprepError):
    """A shard cannot be read past some record."""

    def __init__(self, shard: Shard, index: int, offset: int, problem: str) -> None:
        super().__init__(f"{shard.path}: record {index} at byte {offset}: {problem}")


def look_at(path: str, summary: ShardSummary | None = None) -> Shard:
    """Return the shard at a path."""
    with open(path, "rb") as file:
        magic, size = file.read(len(_GZIP_MAGIC)), os.fstat(file.fileno()).st_size
    return Shard(path, size, "gzip" if magic == _GZIP_MAGIC else "none", summary)


def is_header(path: str) -> bool:
    """Return whether a file begins with a length and its CRC, compressed or not."""
    with open_stream(look_at(path)) as stream, suppress(OSError, *GZIP_ERRORS):
        header = stream.read(HEADER_SIZE)
        size, crc = header[:8], header[8:]
        return len(header) == HEADER_SIZE and struct.pack("<I", masked_crc32c(size)) == crc
    return False


def open_stream(shard: Shard, buffering: int = -1) -> BinaryIO:
    """Open the shard's uncompressed bytes."""
    if shard.compression == "gzip":
        return gzip.GzipFile(shard.path, "rb")  # type: ignore[return-value]
    return open(shard.path, "rb", buffering)


def read_frames(shard: Shard, *, first: int = 0, check_data: bool = True) -> Iterator[Frame]:
    """Yield the frames of a shard from record `first` on.

    Args:
        shard: the shard to read.
        first: index of the first record to yield.
        check_data: check the CRC of each record; the CRC of its length is always checked.

    Raises:
        FrameError: a record is damaged, or the file holds something else.
    """
    for index, (offset, body) in enumerate(_bodies(shard)):
        if index >= first:
            frame = Frame(index, offset, body[:-4], int.from_bytes(body[-4:], "little"))
            if check_data and not frame.is_intact:
                raise FrameError(shard, index, offset, "its data does not match its CRC")
            yield frame


def count_records(shard: Shard) -> int:
    """Return the number of records, reading the whole shard."""
    return sum(1 for _ in _bodies(shard))


def _bodies(shard: Shard) -> Iterator[tuple[int, bytes]]:
    """Yield the offset of each frame, and what follows its header: the record and its CRC."""
    index = offset = 0
    sizes: dict[bytes, int] = {}  # by header: few are distinct, so that few CRCs are computed
    with naming(shard.path), open_stream(shard, _BUFFER_BYTES) as stream:
        try:
            while header := stream.read(HEADER_SIZE):
                size = sizes.get(header)
                if size is None:
                    size = sizes[header] = _size(shard, index, offset, header)
                body = stream.read(size + 4)
                if len(body) < size + 4:
                    short = size + 4 - len(body)
                    problem = (
                        f"the file ends {short:,} bytes before this record does: it is truncated"
                    )
                    raise FrameError(shard, index, offset, f"{problem}. Copy or create it again")
                yield offset, body
                index, offset = index + 1, offset + FRAME_SIZE + size
        except GZIP_ERRORS as error:
            is_cut = isinstance(error, EOFError)
            problem = "is truncated" if is_cut else f"is damaged: {error}"
            problem = f"the gzip stream {problem}. Copy or create it again"
            raise FrameError(shard, index, offset, problem) from error


def _size(shard: Shard, index: int, offset: int, header: bytes) -> int:
    """Return the size of a record by its header."""
    if len(header) == HEADER_SIZE:
        size, crc = HEADER.unpack(header)
        if crc == masked_crc32c(header[:8]) and size <= LONGEST_RECORD:
            return int(size)
    elif offset:
        problem = (
            f"the file ends {len(header)} bytes into it: it is truncated. Copy or create it again"
        )
        raise FrameError(shard, index, offset, problem)
    advice = "--verify lists every fault" if offset else "name record files"
    raise FrameError(shard, index, offset, f"{describe_header(header, offset)}: {advice}")


def describe_header(header: bytes, offset: int) -> str:
    """Return what a header that is not valid seems to be."""
    if offset == 0:
        if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in header):
            start = header.decode("ascii").split("\n")[0]
            return f"this is text ({start!r}…), not a TFRecord file"
        if header[0] == 0x78 and int.from_bytes(header[:2], "big") % 31 == 0:
            return (
                "this is a TFRecord file compressed with ZLIB, and bertprep reads plain and GZIP "
                "ones: write it with compression_type='GZIP'"
            )
        return "this is not a TFRecord file"
    return "its length field does not match its CRC"


@cache
def _table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
        table.append(byte)
    return table


def masked_crc32c(data: bytes) -> int:
    """Return the CRC32C of `data`, masked as TFRecord stores it. 0.1 us per byte."""
    table, crc = _table(), _ONES
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= _ONES
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & _ONES


def join_crc32c(first: int, second: int, second_size: int) -> int:
    """Return the CRC32C of two joined pieces.

    Args:
        first, second: CRC32C of each piece; 0 for an empty one.
        second_size: bytes of the second piece.

    Source: linear algebra over GF(2), as in zlib's crc32_combine.
    """
    # The effect of a zero bit on each bit of the register; squared, that of two, four, … of them.
    operator = [_POLYNOMIAL, *(1 << bit for bit in range(31))]
    zero_bits = 8 * second_size
    while zero_bits:
        if zero_bits & 1:
            first = _apply(operator, first)
        operator = [_apply(operator, column) for column in operator]
        zero_bits >>= 1
    return first ^ second


def _apply(operator: list[int], register: int) -> int:
    result = 0
    for bit, column in enumerate(operator):
        if register >> bit & 1:
            result ^= column
    return result
