"""A block of bytes -> UTF-8 text that the kernels read; invalid text is an error or repaired.

Memory: the largest block so far, and an eighth of it.
"""

import numpy as np

from bertprep.errors import TextError
from bertprep.kernels.characters import INVALID
from bertprep.kernels.machine import PADDING
from bertprep.options import CorpusOptions

Text = bytes | bytearray | memoryview | np.ndarray

_NOT_TEXT_ADVICE = (
    "Fix the line, convert the file (iconv -f ITS-ENCODING -t UTF-8), or pass --encoding-errors "
    "replace or skip"
)
_LONG_LINE_ADVICE = "Split it into sentences, or pass --max-line-chars"


class TextBuffer:
    """Text of the current block: it ends in newlines and has no 0x0D.

    Args:
        corpus: how invalid text is handled.

    Attributes:
        text: uint8[>= end + PADDING]. The text, and newlines after it.
        end: its size in bytes, with two newlines that end the last document.
        invalid_lines: number of lines so far with invalid text, which was replaced or left out.
    """

    def __init__(self, corpus: CorpusOptions) -> None:
        self.invalid_lines = 0
        self.end = 0
        self._corpus = corpus
        self._left_out: list[int] = []
        self._allocate(0)

    def take(self, text: Text) -> None:
        """Take a new block.

        Raises:
            TextError: there is a NUL byte ("strict").
        """
        given = np.frombuffer(text, np.uint8)
        self._fill(given)
        if self._bytes.find(b"\r", 0, given.size) >= 0:
            self._fill(np.frombuffer(given.tobytes().replace(b"\r", b""), np.uint8))
        self._left_out = []
        if self._corpus.encoding_errors == "strict":
            position = self._bytes.find(b"\0", 0, self.end)
            if position >= 0:
                raise TextError("NUL byte", position, self._line_of(position), _NOT_TEXT_ADVICE)
            return
        skip = self._corpus.encoding_errors == "skip"
        repaired, invalid = _repair(self.slice(0, self.end), skip)
        self.invalid_lines += len(invalid)
        if invalid:
            self._fill(np.frombuffer(repaired, np.uint8))
            self._left_out = invalid if skip else []

    def slice(self, start: int, end: int) -> bytes:
        """Return bytes [start, end) of the text."""
        return bytes(self._bytes[start:end])

    def error(self, state: np.void) -> TextError:
        """Return the error about text that a kernel stopped at (`word_lookup.SCAN_FIELDS`)."""
        if state["reason"] == INVALID:
            position = int(state["detail"])
            problem = f"not UTF-8 (byte 0x{self.text[position]:02x})"
            return TextError(problem, position, self._line_of(position), _NOT_TEXT_ADVICE)
        start, end = int(state["line_start"]), int(state["position"])
        characters = np.count_nonzero(self.text[start:end] & 0xC0 != 0x80)
        limit = self._corpus.max_line_chars
        problem = f"line is {characters:,} characters, the limit is {limit:,}"
        return TextError(problem, start, self._line_of(start), _LONG_LINE_ADVICE)

    def _fill(self, text: np.ndarray) -> None:
        self.end = text.size + 2
        if self.end + PADDING > self.text.size:
            # Room for slightly larger blocks. Pages that are never written cost nothing.
            self._allocate(self.end + (self.end >> 3))
        self.text[: text.size] = text
        self.text[text.size : self.end + PADDING] = ord("\n")

    def _allocate(self, size: int) -> None:
        # A bytearray, for its fast search; the kernel reads it as an array.
        self._bytes = bytearray(size + PADDING)
        self.text = np.frombuffer(self._bytes, np.uint8)

    def _line_of(self, position: int) -> int:
        line = self._bytes.count(b"\n", 0, position)
        for number in self._left_out:
            line += number <= line
        return line


def _repair(text: bytes, skip: bool) -> tuple[bytes, list[int]]:
    """Replace or leave out invalid text; return the text and the numbers of the invalid lines."""
    try:
        text.decode()
        if b"\0" not in text:
            return text, []
    except UnicodeDecodeError:
        pass
    kept, invalid = [], []
    for number, line in enumerate(text.split(b"\n")):
        repaired = line.decode("utf-8", "replace").encode()
        # The tokenizer drops NUL as it does U+FFFD: there is no need to replace it.
        if repaired != line or b"\0" in line:
            invalid.append(number)
            if skip:
                continue
        kept.append(repaired)
    return b"\n".join(kept), invalid
