"""Plain text: one sentence per line, a blank line between documents; the bytes stay as they are.

The boundary of x is the end of the first blank line that begins at or after the first line start at
or after x; a blank line is one that `str.strip()` leaves empty.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bertprep.corpus.formats.base import Block, FileStart, Split
from bertprep.corpus.formats.text_ranges import TextFormat, line_number
from bertprep.data import InputFile
from bertprep.errors import UsageError
from bertprep.options import CorpusOptions

#: A line with only bytes that occur in UTF-8 white space; most lines fail at their first byte.
_BLANK_CANDIDATE = re.compile(
    rb"\n[\t\v\f\r\x1c-\x20\x80-\x8a\x9a\x9f\xa0\xa8\xa9\xaf\xc2\xe1\xe2\xe3]*\n"
)
#: A carriage return that is no part of a line end of Windows.
_LONE_RETURN = re.compile(rb"\r(?![\r\n])")
_FEWEST_LONE_RETURNS = 3
#: Suffix of files of columns -> argument of Python's csv module.
_DELIMITERS = {".csv": "", ".tsv": ", delimiter='\\t'"}


@dataclass(frozen=True, eq=False, kw_only=True)
class TextBlock(Block):
    """Documents exactly as in the file, including blank lines.

    Attributes:
        offset: of the first document in the file, in bytes of text (after decompression).
        first_line: number of the first line, from 1, if it is known without another read.
    """

    offset: int
    first_line: int | None

    def where(self, line: int) -> str:
        first_line = self.first_line or line_number(self.file, self.offset)
        return f"{self.file.path}:{first_line + line}"


class BlankLineFormat(TextFormat):
    """Text whose documents end at blank lines."""

    is_bare_text = True
    limits_lines = True
    size_advice = "Are the empty lines between documents missing? Add them"

    def find_boundary(self, data: bytearray, begin: int) -> int:
        newline = data.find(b"\n", begin - 1)
        while newline >= 0:
            candidate = _BLANK_CANDIDATE.search(data, newline)
            if candidate is None:
                break
            if self.ends_document(candidate[0]):
                return candidate.end()
            newline = candidate.end() - 1
        return 0

    def ends_document(self, line: bytes | bytearray) -> bool:
        try:
            return not line.replace(b"\r", b"").decode().strip()
        except UnicodeDecodeError:
            return False


def require_line_feeds(start: FileStart, way_out: str = "") -> None:
    """Raise UsageError if most lines at the start of a file end in a carriage return alone."""
    text = start.text
    # A NUL is no text: the tokenizer's error names it.
    lone = 0 if b"\0" in text else len(_LONE_RETURN.findall(text))
    if lone >= _FEWEST_LONE_RETURNS and lone > text.count(b"\n"):
        raise UsageError(
            f"{start.file.path}: the lines end in a carriage return (CR, \\r) alone, and bertprep, "
            "as the reference does, reads lines that end in \\n and removes \\r. Convert it: "
            f"tr '\\r' '\\n' < FILE > FILE.txt{way_out}"
        )


def _refuse_columns(start: FileStart) -> None:
    """Raise UsageError if the name says that the lines are rows of several columns."""
    if start.suffix in _DELIMITERS:
        delimiter = _DELIMITERS[start.suffix]
        raise UsageError(
            f"{start.file.path}: the name says that this is a {start.suffix[1:].upper()} file, and "
            "as text all its columns would become tokens. Write JSON lines, and name the column "
            'with --text-field: python -c "import csv, json; [print(json.dumps(row)) for row in '
            f"csv.DictReader(open('FILE', newline=''){delimiter})]\" > FILE.jsonl; or pass "
            "--format text if it is text"
        )


class PlainText(BlankLineFormat):
    """Plain text. It is what a file holds unless another format recognizes it."""

    name = "text"
    suffixes = (".txt", ".text")
    weak_suffixes = ("",)

    def sniff(self, start: FileStart, options: CorpusOptions) -> bool:
        return True

    def prepare(self, start: FileStart, options: CorpusOptions) -> InputFile:
        if options.format == "auto":
            _refuse_columns(start)
            require_line_feeds(start, "; or pass --format text to read it so")
        return super().prepare(start, options)

    def read(self, split: Split, options: CorpusOptions, block_bytes: int) -> Iterator[TextBlock]:
        file = split.file
        is_stored = file.compression == "none"
        first_line = 1
        for offset, data in self.read_ranges(split, options, block_bytes):
            # Decompressing again to count lines takes long; reading a stored file again does not.
            is_known = not (is_stored and offset)
            yield TextBlock(file, data, offset=offset, first_line=first_line if is_known else None)
            first_line += 0 if is_stored else data.count(b"\n")
