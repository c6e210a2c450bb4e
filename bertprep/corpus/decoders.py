"""Decoders of compressed streams whose output is bounded: compressed bytes in, pieces of text out.

bz2 and lzma take a bound themselves. zlib does too, but keeps the input that is left apart.
zstandard does not: it gets one block of a frame at a time, which holds at most 128 KB of text
(RFC 8878, 3.1.1). Memory: a piece of each side, and the window that the stream declares.
"""

import re
import zlib
from typing import Protocol

import zstandard

#: The second form is a skippable frame, with which some tools begin their files.
ZSTD_MAGIC = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")

# The frame header descriptor of zstd: bytes of its fields by their flags.
_SINGLE_SEGMENT, _CHECKSUM = 0x20, 0x04
_DICTIONARY_BYTES, _CONTENT_BYTES = (0, 1, 2, 4), (0, 2, 4, 8)
_BLOCK_HEADER_BYTES, _RUN = 3, 1


class Decoder(Protocol):
    """Decoder of one stream, member or frame, as bz2 and lzma define it."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class GzipDecoder:
    """Decoder of a gzip member."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        text = self._stream.decompress(self._stream.unconsumed_tail + data, max_length)
        self.needs_input = len(text) < max_length
        return text


class ZstdDecoder:
    """Decoder of a zstd frame; a piece of text may be one block longer than its bound."""

    def __init__(self) -> None:
        # Files made with --long=31, as large dumps are, need a window of that size.
        self._stream = zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj()
        self._input = b""
        self._left = 0  # bytes of the header or the block that was begun
        self._in_frame = self._has_checksum = False
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._input

    def decompress(self, data: bytes, max_length: int) -> bytes:
        given, position, text = self._input + data, 0, bytearray()
        while len(text) < max_length and not self.eof:
            self._left = self._left or self._measure(given[position : position + 8])
            if not self._left or position == len(given):
                break
            end = min(position + self._left, len(given))
            text += self._stream.decompress(given[position:end])
            self._left -= end - position
            position = end
        self._input = given[position:]
        self.needs_input = len(text) < max_length
        return bytes(text)

    def _measure(self, head: bytes) -> int:
        """Return the bytes of the header or the block that begins here; 0 for too few to tell."""
        if self._in_frame:
            if len(head) < _BLOCK_HEADER_BYTES:
                return 0
            header = int.from_bytes(head[:_BLOCK_HEADER_BYTES], "little")
            self._in_frame = not header & 1
            content = 1 if header >> 1 & 3 == _RUN else header >> 3
            checksum = 4 if self._has_checksum and not self._in_frame else 0
            return _BLOCK_HEADER_BYTES + content + checksum
        if len(head) >= 4 and not ZSTD_MAGIC.match(head):
            return len(head)  # for the library's own error
        if len(head) < 8:
            return 0
        if head[3] == 0x18:
            return 8 + int.from_bytes(head[4:8], "little")
        descriptor = head[4]
        self._in_frame, self._has_checksum = True, bool(descriptor & _CHECKSUM)
        is_single = bool(descriptor & _SINGLE_SEGMENT)
        content = _CONTENT_BYTES[descriptor >> 6] or is_single
        return 5 + (not is_single) + _DICTIONARY_BYTES[descriptor & 3] + content
