"""A file -> its bytes, decompressed if need be, piece by piece; or a file object that seeks.

Local or remote is told apart here, and nowhere above. Memory: a piece, and what the decoder keeps.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

import zstandard

from bertprep.corpus.first_bytes import compression_of
from bertprep.data import InputFile
from bertprep.errors import BertprepError, MachineError
from bertprep.storage import open_remote, read_remote, require_unchanged

READ_BYTES = 1 << 20
#: Small, since a decoder hands out all that its input holds, a thousand times its size at worst.
_PACKED_READ_BYTES = 1 << 15


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


def open_seekable(file: InputFile) -> BinaryIO:
    """Open the file as it is stored, for formats whose reader seeks; then `refuse_changed`.

    A process that will fork workers opens remote files in a subprocess
    (`storage.run_in_subprocess`).

    Raises:
        UsageError: it is on a web server that knows no byte ranges.
        MachineError: it cannot be opened.
    """
    if file.remote is not None:
        return open_remote(file.remote)
    try:
        return open(file.location, "rb")
    except OSError as error:
        raise MachineError(f"{file.path}: cannot be read ({error.strerror})") from error


def refuse_changed(file: InputFile) -> None:
    """Raise if a remote file is not the one any more that was found."""
    if file.remote is not None:
        require_unchanged(file.remote)


def read_text(file: InputFile) -> Iterator[bytes]:
    """Read the whole file, decompressed."""
    if file.compression == "none":
        return read_bytes(file, 0, file.size, READ_BYTES)
    return _decompress(file, read_bytes(file, 0, file.size, _PACKED_READ_BYTES))


class _Decoder(Protocol):
    """What the decoders of all four libraries share: one stream, member or frame is decoded."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


_DECODERS: dict[str, Callable[[], _Decoder]] = {
    "gzip": lambda: zlib.decompressobj(wbits=16 + zlib.MAX_WBITS),
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ),
    # Files made with --long=31, as large dumps are, are refused without a window of that size.
    "zstd": lambda: zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj(),
}
_BAD_STREAM_ADVICE = "Fetch or compress the file again"
_DECODER_ERRORS = (zlib.error, lzma.LZMAError, zstandard.ZstdError, OSError, ValueError)


def _decompress(file: InputFile, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Decode one stream after the other until the pieces end; zeros after a stream are padding."""
    decoder: _Decoder | None = None
    streams = 0
    for piece in pieces:
        while piece := piece if decoder or not streams else piece.lstrip(b"\0"):
            is_new = decoder is None
            decoder = decoder or _DECODERS[file.compression]()
            try:
                text = decoder.decompress(piece)
            except _DECODER_ERRORS as error:
                found = f"the {file.compression} stream is damaged ({error})"
                if is_new and streams and compression_of(piece) != file.compression:
                    found = f"after the end of the {file.compression} stream come other bytes"
                raise BertprepError(f"{file.path}: {found}. {_BAD_STREAM_ADVICE}") from error
            yield text
            piece = decoder.unused_data if decoder.eof else b""
            if decoder.eof:
                decoder = None
                streams += 1
    if decoder:
        raise BertprepError(
            f"{file.path}: the {file.compression} stream ends in the middle (truncated download?). "
            f"{_BAD_STREAM_ADVICE}"
        )
