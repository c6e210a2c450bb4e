r"""What the formats share: splits in, blocks of whole documents out, the interface of a format.

Every format yields the same lines: one sentence per line, an empty line after each document. Lines
end at `\n`. In text files the tokenizer removes 0x0D, as the reference does; inside a value, where
the file's line ends are no part of the text, `\r\n` and `\r` end a line. The code after reading
knows no formats; an error message asks the block where a line comes from.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from bertprep.corpus.first_bytes import require_text
from bertprep.corpus.streams import COMPRESSIONS, read_bytes, read_text
from bertprep.data import InputFile
from bertprep.options import CorpusOptions

#: The text of a document as a file stores it: its lines or its sentences; None is no text.
Text = str | bytes | Iterable[str | bytes | None] | None

BOM = b"\xef\xbb\xbf"
#: What to do about a document that cannot be read.
SKIP_ADVICE = "Fix it, or pass --on-error skip to leave such documents out"

_BLANK_LINES = re.compile(r"\n\s*\n")
_START_BYTES = 1 << 16
#: A longer first line would be over --max-line-chars in text, but a JSON line may be longer.
_LONG_START_BYTES = 4 << 20


@dataclass(frozen=True)
class Split:
    """Range of a file that one task reads, and the small files that it reads next.

    Attributes:
        ordinal: position among all splits, from 0; it gives the documents their order.
        file: the file.
        start: first byte of the nominal range.
        end: the byte after the range; a compressed file is one split of all its stored bytes.
        more: what the same task reads after it; these have no more themselves.
    """

    ordinal: int
    file: InputFile
    start: int
    end: int
    more: tuple["Split", ...] = ()

    @property
    def parts(self) -> tuple["Split", ...]:
        """The ranges that the task reads, in order."""
        return (self, *self.more)

    @property
    def num_bytes(self) -> int:
        """Stored bytes that the task reads."""
        return sum(part.end - part.start for part in self.parts)

    @property
    def name(self) -> str:
        """How messages name the task."""
        more = f" and {len(self.more):,} more" if self.more else ""
        return f"split {self.ordinal} ({self.file.path}{more})"


@dataclass(frozen=True, eq=False)
class Block:
    """Whole documents.

    Attributes:
        file: the file that the documents come from.
        data: one sentence per line, an empty line after each document; the end of the block ends
            a document too.
        skipped: documents left out because they cannot be read (`CorpusOptions.on_error`).
    """

    file: InputFile
    data: bytearray
    skipped: int = 0

    def where(self, line: int) -> str:
        """Return the position in the file of line `line` of the block, from 0. Slow."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False, kw_only=True)
class RowBlock(Block):
    """Documents that each have exactly one empty line in the block, as their last line.

    Attributes:
        locate: returns the position in the file of a line of a document, both counted from 0.
    """

    locate: Callable[[int, int], str]

    def where(self, line: int) -> str:
        before = bytes(self.data).split(b"\n", line)[:line]
        document = before.count(b"")
        inside = before[::-1].index(b"") if document else line
        return self.locate(document, inside)


class FileStart:
    """Name and first bytes of a file, read when a format first asks for them."""

    def __init__(self, file: InputFile) -> None:
        self.file = file

    @cached_property
    def suffix(self) -> str:
        """Last suffix of the name, in lower case, before that of a compression."""
        return suffix_of(self.file.path)

    @cached_property
    def text(self) -> bytes:
        """First 64 KB, decompressed, without a byte order mark and blanks at the start."""
        head = self._read(_START_BYTES)
        require_text(self.file.path, head)
        return _without_mark(head)

    @cached_property
    def lines(self) -> list[bytes]:
        """First lines of the text, without one that the end of the read may have truncated."""
        text = self.text
        if b"\n" not in text:
            text = _without_mark(self._read(_LONG_START_BYTES))
        lines = text.split(b"\n")
        return lines[:-1] or lines

    @cached_property
    def stored_end(self) -> bytes:
        """Last four bytes of the file as it is stored."""
        file = self.file
        return b"".join(read_bytes(file, max(0, file.size - 4), file.size, 4))

    def _read(self, size: int) -> bytes:
        file = self.file
        if file.compression == "none":
            return b"".join(read_bytes(file, 0, min(size, file.size), size))
        data = bytearray()
        for piece in read_text(file):
            data += piece
            if len(data) >= size:
                break
        return bytes(data[:size])


class Format:
    """A way in which files store documents. A subclass is one page and one registry entry.

    Attributes:
        name: `InputFile.format`, and `CorpusOptions.format` if it is one of its values.
        suffixes: suffixes of file names in this format.
        weak_suffixes: suffixes in this format that unrelated files have too (LICENSE,
            state.json); "" is no suffix.
        stored_as: formats whose file names this one uses; its own where empty.
        is_bare_text: the stored bytes are the text, so that the file size is the text size.
        has_rows: documents are rows, to which `CorpusOptions.rows` applies.
    """

    name: str
    suffixes: tuple[str, ...] = ()
    weak_suffixes: tuple[str, ...] = ()
    stored_as: tuple[str, ...] = ()
    is_bare_text = False
    has_rows = False

    def sniff(self, start: FileStart, options: CorpusOptions) -> bool:
        """Return whether a file is in this format, by its name and first bytes.

        Raises:
            UsageError: this format is as likely as another, or the file is nearly in it.
        """
        return False

    def prepare(self, start: FileStart, options: CorpusOptions) -> InputFile:
        """Check that a file can be read in this format; return it with all that is known of it.

        Raises:
            UsageError: it cannot, or a library is missing.
        """
        return replace(start.file, format=self.name)

    def cut(
        self, file: InputFile, target_bytes: int, options: CorpusOptions
    ) -> list[tuple[int, int]]:
        """Cut a file into byte ranges that separate tasks can read; nothing is read."""
        # No task can start in the middle of a compressed file.
        count = -(-file.size // target_bytes) if file.can_be_split else 1
        cuts = [file.size * k // count for k in range(count + 1)] if file.size else []
        return list(pairwise(cuts))

    def read(self, split: Split, options: CorpusOptions, block_bytes: int) -> Iterator[Block]:
        """Read the documents of a split, about `block_bytes` at a time.

        Raises:
            BertprepError: the file cannot be read, is damaged, truncated or not in this format,
                or a line or a document is over its limit.
        """
        raise NotImplementedError


def suffix_of(path: str) -> str:
    """Return the last suffix of a name, in lower case, ignoring that of a compression."""
    stem, suffix = os.path.splitext(os.path.basename(path).lower())
    is_compressed = any(suffix == kind.suffix for kind in COMPRESSIONS.values())
    return os.path.splitext(stem)[1] if is_compressed else suffix


def lines_of(text: Text) -> bytes:
    r"""Return a document's text as lines; a line end inside a sentence of a list is a blank.

    `\r\n` and a lone `\r` end a line: removing them would join the words on both sides. Lines
    that `str.strip()` leaves empty are dropped, so that only the last line is empty. Invalid UTF-8
    passes unchanged: the tokenizer handles it.
    """
    if text is None:
        return b"\n"
    if not isinstance(text, str | bytes):
        items = (_decode(item) for item in text if item is not None)
        text = "\n".join(item.replace("\r", " ").replace("\n", " ") for item in items)
    text = _decode(text).strip()
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text:
        return b"\n"
    return encode(_BLANK_LINES.sub("\n", text)) + b"\n\n"


def encode(text: str) -> bytes:
    """Encode text as UTF-8; bytes that `surrogateescape` decoded come back as they were.

    Half a surrogate pair becomes bytes that are not UTF-8.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _decode(text: str | bytes) -> str:
    return text if isinstance(text, str) else text.decode("utf-8", "surrogateescape")


def _without_mark(head: bytes) -> bytes:
    return head.removeprefix(BOM).lstrip()
