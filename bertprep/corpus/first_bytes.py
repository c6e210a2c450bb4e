r"""Refuse a file that is no UTF-8 text, by its first bytes, with the command that converts it.

UTF-16 and UTF-32 are known by their mark, or by their NUL bytes, which no other text has.

Example:
    >>> wide_encoding("A boat.\n".encode("utf-16-le"))
    'UTF-16LE'
"""

import codecs
import unicodedata

from bertprep.errors import BertprepError
from bertprep.storage import find_container

_MARKS = {  # UTF-32 first: its little-endian mark begins with that of UTF-16.
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_UNMARKED = ("UTF-32LE", "UTF-32BE", "UTF-16LE", "UTF-16BE")
#: Fewer bytes say nothing about an encoding without a mark.
_FEWEST_BYTES, _EXAMINED_BYTES = 32, 512
#: Letters, marks, numbers, punctuation, symbols and blanks; not controls, nor what is unassigned.
_TEXT_CATEGORIES = "LMNPSZ"
_TEXT_CONTROLS = "\t\n\r\f\xad\u200b\u200c\u200d\u200e\u200f\ufeff"


def require_text(path: str, head: bytes | bytearray) -> None:
    """Raise BertprepError if a file with these first bytes is a container or UTF-16 or UTF-32."""
    if found := find_container(head):
        raise BertprepError(f"{path}: this is {found.kind}, not text. {found.advice}")
    if encoding := wide_encoding(head):
        raise BertprepError(
            f"{path}: this text is {encoding}, and bertprep reads UTF-8. "
            f"Convert it with: iconv -f {encoding} -t UTF-8 FILE > FILE.utf8"
        )


def wide_encoding(head: bytes | bytearray) -> str | None:
    """Return the name of UTF-16 or UTF-32 if a file with these first bytes is in it, or None."""
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    head = bytes(head[:_EXAMINED_BYTES])
    if b"\0" not in head or len(head) < _FEWEST_BYTES:
        return None
    controls = sum(byte < 32 and byte not in b"\r\n" for byte in head)
    if 4 * controls < len(head) and _decode(head, "UTF-8") is not None:
        return None  # A NUL inside UTF-8 text is the tokenizer's error.
    return next((name for name in _UNMARKED if _is_text(head, name)), None)


def _is_text(head: bytes, encoding: str) -> bool:
    """Return whether bytes are characters that text consists of, some of them ASCII."""
    text = _decode(head, encoding)
    if text is None:
        return False
    others = (c for c in text if unicodedata.category(c)[0] not in _TEXT_CATEGORIES)
    return any(c < "\x80" for c in text) and all(c in _TEXT_CONTROLS for c in others)


def _decode(head: bytes, encoding: str) -> str | None:
    """Return the text, without a character that the end of `head` truncates; None if invalid."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return None
