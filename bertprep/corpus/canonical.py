r"""A document's text, however a format holds it -> its lines: sentences, then one empty line.

Lines end at `\n` only and 0x0D is taken out later, as in a text file; lines that `str.strip()`
leaves empty are dropped, so that the empty line at the end is the only one.
Bytes that are not UTF-8 go through as they are: the tokenizer does with them what it is told to.
"""

import re
from collections.abc import Iterable

#: What may stand for a text: its lines, or its sentences; None is no text.
Value = str | bytes | Iterable[str | bytes | None] | None

BOM = b"\xef\xbb\xbf"
_BLANK_LINES = re.compile(r"\n\s*\n")


def lines_of(value: Value) -> bytes:
    """Make the lines of a document; a newline inside a sentence of a list is a blank."""
    if value is None:
        return b"\n"
    if not isinstance(value, str | bytes):
        sentences = (_decode(item).replace("\n", " ") for item in value if item is not None)
        value = "\n".join(sentences)
    text = _decode(value).strip()
    if not text:
        return b"\n"
    return encode(_BLANK_LINES.sub("\n", text)) + b"\n\n"


def unescape(text: str) -> str:
    """Undo what WikiExtractor does to make its text safe for HTML."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def encode(text: str) -> bytes:
    """Turn text into UTF-8, where half a surrogate pair becomes bytes that are not UTF-8.

    What `surrogateescape` made of such bytes becomes the same bytes again.
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _decode(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")
