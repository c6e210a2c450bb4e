"""Read the bytes of an input file in pieces: stored or decompressed, local or remote.

A compression is one entry of COMPRESSIONS. Memory: one piece and the state of the decoder.
"""

import bz2
import lzma
import os
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import zstandard

from bertprep.corpus.decoders import ZSTD_MAGIC, Decoder, GzipDecoder, ZstdDecoder
from bertprep.data import InputFile
from bertprep.errors import BertprepError, MachineError
from bertprep.storage import read_remote

READ_BYTES = 1 << 20
_COMPRESSED_READ_BYTES = 1 << 16
#: Decoded at a time, whatever the compression ratio: nothing is decoded before it is used.
_DECODED_BYTES = 1 << 18


@dataclass(frozen=True)
class Compression:
    """A compression of whole files.

    Attributes:
        suffix: of file names.
        magic: matches the first bytes of a file.
        decoder: makes a decoder.
    """

    suffix: str
    magic: re.Pattern[bytes]
    decoder: Callable[[], Decoder]


#: `InputFile.compression` -> the compression.
COMPRESSIONS = {
    "gzip": Compression(".gz", re.compile(rb"\x1f\x8b"), GzipDecoder),
    # Text may begin with "BZh9", but not with the block header after it.
    "bzip2": Compression(
        ".bz2",
        re.compile(rb"BZh[1-9](?:\x31\x41\x59\x26\x53\x59|\x17\x72\x45\x38\x50\x90)"),
        bz2.BZ2Decompressor,
    ),
    "xz": Compression(
        ".xz", re.compile(rb"\xfd7zXZ\x00"), lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ)
    ),
    "zstd": Compression(".zst", ZSTD_MAGIC, ZstdDecoder),
}

_BAD_STREAM_ADVICE = "Download or compress the file again"
_DECODER_ERRORS = (zlib.error, lzma.LZMAError, zstandard.ZstdError, OSError, ValueError)


def compression_of(head: bytes) -> str:
    """Return the compression of a file with these first bytes, or "none"."""
    return next((name for name, kind in COMPRESSIONS.items() if kind.magic.match(head)), "none")


def require_unchanged(*files: InputFile) -> None:
    """Raise an error if a file has changed since it was found; `read_remote` checks remote ones.

    Raises:
        BertprepError: its size or its time of modification is another.
        MachineError: it has disappeared.
    """
    for file in files:
        if file.remote is not None:
            continue
        try:
            status = os.stat(file.location)
        except OSError as error:
            raise MachineError(f"{file.path}: cannot be read ({error.strerror})") from error
        change = ""
        if status.st_size != file.size:
            change = f"had {file.size:,} bytes and now has {status.st_size:,}"
        elif file.modified not in (0, status.st_mtime_ns):  # 0: the copy of stdin
            change = "was written to during the run"
        if change:
            raise BertprepError(
                f"{file.path}: the file {change}: it has changed. Let nothing write to it, and "
                "start again"
            )


def read_bytes(file: InputFile, start: int, end: int, piece_bytes: int) -> Iterator[bytes]:
    """Read bytes [start, end) of the file as it is stored."""
    if file.remote is not None:
        yield from read_remote(file.remote, start, end, piece_bytes)
        return
    try:
        with open(file.location, "rb", buffering=0) as stream:
            stream.seek(start)
            while start < end:
                piece = stream.read(min(piece_bytes, end - start))
                if not piece:
                    raise BertprepError(
                        f"{file.path}: the file ends at byte {start:,} and had {file.size:,} bytes "
                        "before: it has changed. Let nothing write to it, and start again"
                    )
                start += len(piece)
                yield piece
    except OSError as error:
        raise MachineError(f"{file.path}: cannot be read ({error.strerror})") from error


def read_text(file: InputFile) -> Iterator[bytes]:
    """Read the whole file, decompressed."""
    if file.compression == "none":
        return read_bytes(file, 0, file.size, READ_BYTES)
    return _decompress(file, read_bytes(file, 0, file.size, _COMPRESSED_READ_BYTES))


def _decompress(file: InputFile, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Decode one stream after another until the pieces end; zeros after a stream are padding."""
    decoder: Decoder | None = None
    streams = 0
    for piece in pieces:
        while piece := piece if decoder or not streams else piece.lstrip(b"\0"):
            is_new = decoder is None
            decoder = decoder or COMPRESSIONS[file.compression].decoder()
            try:
                yield from _decode(decoder, piece)
            except _DECODER_ERRORS as error:
                problem = f"the {file.compression} stream is damaged ({error})"
                if is_new and streams and compression_of(piece) != file.compression:
                    problem = f"after the end of the {file.compression} stream come other bytes"
                raise BertprepError(f"{file.path}: {problem}. {_BAD_STREAM_ADVICE}") from error
            piece = decoder.unused_data if decoder.eof else b""
            if decoder.eof:
                decoder = None
                streams += 1
    if decoder:
        raise BertprepError(
            f"{file.path}: the {file.compression} stream ends in the middle (truncated download?). "
            f"{_BAD_STREAM_ADVICE}"
        )


def _decode(decoder: Decoder, piece: bytes) -> Iterator[bytes]:
    yield decoder.decompress(piece, _DECODED_BYTES)
    while not (decoder.eof or decoder.needs_input):
        yield decoder.decompress(b"", _DECODED_BYTES)
