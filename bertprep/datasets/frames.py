"""A shard's bytes -> the frames of its records, in plain Python and one at a time.

A frame is a length of 8 bytes, its masked CRC32C, the record, and the record's. All offsets are of
the uncompressed stream. Passing over a record costs 1 us, its CRC 100 us.

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
from bertprep.errors import BertprepError

_GZIP_MAGIC = b"\x1f\x8b"
HEADER_SIZE, FRAME_SIZE = 12, 16
#: A longer record is taken for a length that is wrong: the longest sequence makes less than 1 MB.
LONGEST_RECORD = 1 << 26

#: What reading gzip raises when the file is cut or damaged.
GZIP_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)


@dataclass(frozen=True)
class Shard:
    """A file of records.

    Attributes:
        path: as it is shown, and opened.
        size: bytes on disk.
        compression: "none" or "gzip", by the first bytes and not by the name.
        summary: what a manifest says of it; None without one.
    """

    path: str
    size: int
    compression: str
    summary: ShardSummary | None = None


@dataclass(frozen=True)
class Frame:
    """A record in its place.

    Attributes:
        index: of the record in the shard, from 0.
        offset: byte of the frame.
        data: the serialized example.
    """

    index: int
    offset: int
    data: bytes


class FrameError(BertprepError):
    """A shard that cannot be read on."""

    def __init__(self, shard: Shard, index: int, offset: int, problem: str) -> None:
        super().__init__(f"{shard.path}: record {index} at byte {offset}: {problem}")


@cache
def _crc32c_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


def masked_crc32c(data: bytes) -> int:
    """The CRC32C of `data`, rotated and shifted as TFRecord stores it."""
    table, crc = _crc32c_table(), 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def look_at(path: str, summary: ShardSummary | None = None) -> Shard:
    """The shard at a path."""
    with open(path, "rb") as file:
        magic, size = file.read(len(_GZIP_MAGIC)), os.fstat(file.fileno()).st_size
    return Shard(path, size, "gzip" if magic == _GZIP_MAGIC else "none", summary)


def is_header(path: str) -> bool:
    """A file begins as one of records does: with a length and its CRC, under gzip or not."""
    with open_stream(look_at(path)) as stream, suppress(OSError, *GZIP_ERRORS):
        header = stream.read(HEADER_SIZE)
        size, crc = header[:8], header[8:]
        return len(header) == HEADER_SIZE and struct.pack("<I", masked_crc32c(size)) == crc
    return False


def open_stream(shard: Shard) -> BinaryIO:
    """The shard's uncompressed bytes."""
    file = open(shard.path, "rb")
    return gzip.GzipFile(fileobj=file) if shard.compression == "gzip" else file  # type: ignore


def read_frames(shard: Shard, *, first: int = 0, check_data: bool = True) -> Iterator[Frame]:
    """The frames of a shard from record `first` on; those before it are passed over.

    Args:
        shard: to read.
        first: index of the first record to yield.
        check_data: compare the CRC of each record; that of its length is compared always.

    Raises:
        FrameError: what stands at a record's place is none, or is damaged.
    """
    with open_stream(shard) as stream:
        index = offset = 0
        try:
            for index, offset, size in _headers(shard, stream):
                if index < first:
                    continue
                data, crc = stream.read(size), stream.read(4)
                if len(crc) < 4:
                    raise FrameError(shard, index, offset, "the file ends inside this record")
                if check_data and struct.unpack("<I", crc)[0] != masked_crc32c(data):
                    raise FrameError(shard, index, offset, "its data does not match its CRC")
                yield Frame(index, offset, data)
        except GZIP_ERRORS as error:
            raise FrameError(shard, index, offset, f"gzip: {error}".lower()) from error


def count_records(shard: Shard) -> int:
    """Goes through the whole shard, header by header."""
    with open_stream(shard) as stream:
        return sum(1 for _ in _headers(shard, stream))


def _headers(shard: Shard, stream: BinaryIO) -> Iterator[tuple[int, int, int]]:
    """Index, offset and record size of each frame; the stream stands behind the header then."""
    index = offset = 0
    is_plain = shard.compression == "none"
    while header := stream.read(HEADER_SIZE):
        if len(header) < HEADER_SIZE:
            raise FrameError(shard, index, offset, "the file ends inside this record")
        size, crc = struct.unpack("<QI", header)
        if crc != masked_crc32c(header[:8]) or size > LONGEST_RECORD:
            raise FrameError(shard, index, offset, what_stands_there(header, offset))
        yield index, offset, size
        index, offset = index + 1, offset + FRAME_SIZE + size
        if is_plain and offset > shard.size:
            raise FrameError(
                shard, index - 1, offset - FRAME_SIZE - size, "the file ends inside this record"
            )
        stream.seek(offset)


def what_stands_there(header: bytes, offset: int) -> str:
    """What bytes that are no header seem to be."""
    if offset == 0:
        if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in header):
            start = header.decode("ascii").split("\n")[0]
            return f"this is text ({start!r}…), not a TFRecord file"
        return "this is not a TFRecord file"
    return "its length field does not match its CRC"
