"""A shard's bytes -> the frames of its records, in plain Python and one at a time.

A frame is a length of 8 bytes, its masked CRC32C, the record, and the record's. All offsets are of
the uncompressed stream. Passing over a record costs half a microsecond, its CRC 100 us.

Source: TFRecord's format, as TensorFlow documents it.
"""

import gzip
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from bertprep.data import ShardSummary
from bertprep.errors import BertprepError, naming
from bertprep.records.checksums import masked_crc32c

_GZIP_MAGIC = b"\x1f\x8b"
HEADER = struct.Struct("<QI")
HEADER_SIZE, FRAME_SIZE = 12, 16
#: A longer record is taken for a length that is wrong: the longest sequence makes less than 1 MB.
LONGEST_RECORD = 1 << 26
_BUFFER_BYTES = 1 << 17

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


@dataclass(frozen=True, slots=True)
class Frame:
    """A record in its place.

    Attributes:
        index: of the record in the shard, from 0.
        offset: byte of the frame.
        data: the serialized example.
        crc: what the frame says that the masked CRC32C of `data` is.
    """

    index: int
    offset: int
    data: bytes
    crc: int

    @property
    def is_intact(self) -> bool:
        return masked_crc32c(self.data) == self.crc


class FrameError(BertprepError):
    """A shard that cannot be read on."""

    def __init__(self, shard: Shard, index: int, offset: int, problem: str) -> None:
        super().__init__(f"{shard.path}: record {index} at byte {offset}: {problem}")


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


def open_stream(shard: Shard, buffering: int = -1) -> BinaryIO:
    """The shard's uncompressed bytes."""
    if shard.compression == "gzip":
        return gzip.GzipFile(shard.path, "rb")  # type: ignore[return-value]
    return open(shard.path, "rb", buffering)


def read_frames(shard: Shard, *, first: int = 0, check_data: bool = True) -> Iterator[Frame]:
    """The frames of a shard from record `first` on; those before it are passed over.

    Args:
        shard: to read.
        first: index of the first record to yield.
        check_data: compare the CRC of each record; that of its length is compared always.

    Raises:
        FrameError: what stands at a record's place is none, or is damaged.
    """
    for index, (offset, body) in enumerate(_bodies(shard)):
        if index >= first:
            frame = Frame(index, offset, body[:-4], int.from_bytes(body[-4:], "little"))
            if check_data and not frame.is_intact:
                raise FrameError(shard, index, offset, "its data does not match its CRC")
            yield frame


def count_records(shard: Shard) -> int:
    """Goes through the whole shard, frame by frame."""
    return sum(1 for _ in _bodies(shard))


def _bodies(shard: Shard) -> Iterator[tuple[int, bytes]]:
    """Offset of each frame, and what follows its header: the record and its CRC."""
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
                    problem = f"the file ends {short:,} bytes before this record does: it was cut"
                    raise FrameError(shard, index, offset, f"{problem}. Copy or make it again")
                yield offset, body
                index, offset = index + 1, offset + FRAME_SIZE + size
        except GZIP_ERRORS as error:
            is_cut = isinstance(error, EOFError)
            problem = "ends before its end: the file was cut" if is_cut else f"is damaged: {error}"
            problem = f"the gzip stream {problem}. Copy or make it again"
            raise FrameError(shard, index, offset, problem) from error


def _size(shard: Shard, index: int, offset: int, header: bytes) -> int:
    """The size of a record by its header."""
    if len(header) == HEADER_SIZE:
        size, crc = HEADER.unpack(header)
        if crc == masked_crc32c(header[:8]) and size <= LONGEST_RECORD:
            return int(size)
    elif offset:
        problem = f"the file ends {len(header)} bytes into it: it was cut. Copy or make it again"
        raise FrameError(shard, index, offset, problem)
    advice = "--verify says what else is wrong" if offset else "name record files"
    raise FrameError(shard, index, offset, f"{what_stands_there(header, offset)}: {advice}")


def what_stands_there(header: bytes, offset: int) -> str:
    """What bytes that are no header seem to be."""
    if offset == 0:
        if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in header):
            start = header.decode("ascii").split("\n")[0]
            return f"this is text ({start!r}…), not a TFRecord file"
        return "this is not a TFRecord file"
    return "its length field does not match its CRC"
