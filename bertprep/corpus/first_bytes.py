"""The first bytes of a file -> how it is compressed, and whether it is text that is not UTF-8."""

import re

from bertprep.errors import BertprepError

_MAGIC = {
    "gzip": re.compile(rb"\x1f\x8b"),
    # Text may well begin with "BZh9", but not with the block header after it.
    "bzip2": re.compile(rb"BZh[1-9](?:\x31\x41\x59\x26\x53\x59|\x17\x72\x45\x38\x50\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    # The second form is a skippable frame, with which some tools begin their files.
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
}


_WIDE_ENCODINGS = {  # UTF-32 first: its little-endian mark begins with that of UTF-16.
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


def compression_of(head: bytes) -> str:
    """Name the compression that a file with these first bytes has."""
    return next((name for name, magic in _MAGIC.items() if magic.match(head)), "none")


def refuse_wide_text(path: str, head: bytes | bytearray) -> None:
    """Raise if text with these first bytes is UTF-16 or UTF-32, by its byte order mark."""
    for mark, encoding in _WIDE_ENCODINGS.items():
        if head.startswith(mark):
            raise BertprepError(
                f"{path}: this text is {encoding}, and bertprep reads UTF-8. "
                f"Convert it with: iconv -f {encoding} -t UTF-8 FILE > FILE.utf8"
            )
