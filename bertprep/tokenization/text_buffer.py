"""A block of bytes -> UTF-8 text that the kernels can read: mended where told to, else refused.

Memory: the largest block so far, and an eighth of it.
"""

import numpy as np

from bertprep.errors import TextError
from bertprep.kernels.machine import PADDING
from bertprep.options import CorpusOptions

Text = bytes | bytearray | memoryview | np.ndarray

_NOT_TEXT_ADVICE = (
    "Mend the line, convert the file (iconv -f ITS-ENCODING -t UTF-8), or pass --encoding-errors "
    "replace or skip"
)
_LONG_LINE_ADVICE = "Split it into sentences, or pass --max-line-chars"


class TextBuffer:
    """What every reader of blocks begins with: a buffer that ends in newlines, without 0x0D.

    Args:
        corpus: what is done about text that is not as it should be.

    Attributes:
        mended_lines: lines so far with text that was replaced or that were left out
            (`CorpusOptions.encoding_errors`).
    """

    def __init__(self, corpus: CorpusOptions) -> None:
        self.mended_lines = 0
        self._corpus = corpus
        self._end = 0
        self._allocate(0)

    def _take(self, text: Text) -> list[int]:
        """Fills the text buffer; returns the lines that were left out."""
        given = np.frombuffer(text, np.uint8)
        self._fill(given)
        if self._text_bytes.find(b"\r", 0, given.size) >= 0:
            self._fill(np.frombuffer(given.tobytes().replace(b"\r", b""), np.uint8))
        if self._corpus.encoding_errors == "strict":
            position = self._text_bytes.find(b"\0", 0, self._end)
            if position >= 0:
                line = self._text_bytes.count(b"\n", 0, position)
                raise TextError("NUL byte", position, line, _NOT_TEXT_ADVICE)
            return []
        skip = self._corpus.encoding_errors == "skip"
        mended, faulty = _mend(bytes(self._text_bytes[: self._end]), skip)
        self.mended_lines += len(faulty)
        if faulty:
            self._fill(np.frombuffer(mended, np.uint8))
        return faulty if skip else []

    def _fill(self, text: np.ndarray) -> None:
        """Copies a block into the text buffer and ends its last document."""
        self._end = text.size + 2
        self._reserve(self._end)
        self._text[: text.size] = text
        self._text[text.size : self._end + PADDING] = ord("\n")

    def _reserve(self, size: int) -> None:
        """Makes the buffers large enough for a text of `size` bytes."""
        if size + PADDING > self._text.size:
            # Room for blocks that are a little larger. Pages that nobody writes to cost nothing.
            self._allocate(size + (size >> 3))

    def _allocate(self, size: int) -> None:
        # A bytearray, for its fast search; the kernel sees it as an array.
        self._text_bytes = bytearray(size + PADDING)
        self._text = np.frombuffer(self._text_bytes, np.uint8)

    def _not_utf8(self, position: int, left_out: list[int]) -> TextError:
        problem = f"not UTF-8 (byte 0x{self._text[position]:02x})"
        return TextError(problem, position, self._line_of(position, left_out), _NOT_TEXT_ADVICE)

    def _long_line(self, start: int, end: int, left_out: list[int]) -> TextError:
        characters = np.count_nonzero(self._text[start:end] & 0xC0 != 0x80)
        limit = self._corpus.max_line_chars
        problem = f"line is {characters:,} characters, the limit is {limit:,}"
        return TextError(problem, start, self._line_of(start, left_out), _LONG_LINE_ADVICE)

    def _line_of(self, position: int, left_out: list[int]) -> int:
        line = self._text_bytes.count(b"\n", 0, position)
        for number in left_out:
            line += number <= line
        return line


def _mend(text: bytes, skip: bool) -> tuple[bytes, list[int]]:
    """Replaces or leaves out what is not UTF-8; returns the text and the lines it was found in."""
    try:
        text.decode()
        if b"\0" not in text:
            return text, []
    except UnicodeDecodeError:
        pass
    kept, faulty = [], []
    for number, line in enumerate(text.split(b"\n")):
        mended = line.decode("utf-8", "replace").encode()
        # The tokenizer drops NUL as it does U+FFFD: no need to put one for the other.
        if mended != line or b"\0" in line:
            faulty.append(number)
            if skip:
                continue
        kept.append(mended)
    return b"\n".join(kept), faulty
