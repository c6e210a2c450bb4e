"""Lines of unspaced text -> where their words begin, by a library that knows the language.

    WordMarker("rjieba").word_starts("北京的大学")  # [0, 2, 3]: 北京, 的, 大学

The words are used for masking alone, so that ids do not depend on them. A line whose words do not
join to the line again (blanks aside) has no words but its characters, and is counted. The library
is loaded by the first `WordMarker`; its rate is the rate of tokenizing.
"""

import re
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

import numpy as np

from bertprep.options.segmenters import segmenter_versions
from bertprep.tokenization.properties import IDEOGRAPHS

Cut = Callable[[str], Sequence[str]]

_HAS_IDEOGRAPH = re.compile("[" + "".join(f"{chr(a)}-{chr(b)}" for a, b in IDEOGRAPHS) + "]").search
_BLANKS = re.compile(r"\s+")
#: In the place of NUL, which stands between words here; the tokenizer drops both.
_ANOTHER = "\1"


def _rjieba() -> Cut:
    import rjieba

    cut: Cut = rjieba.cut
    return cut


def _sudachipy() -> Cut:
    import sudachipy

    tokenizer = sudachipy.Dictionary().tokenizer()

    def cut(line: str) -> list[str]:
        try:
            return [word.surface() for word in tokenizer.tokenize(line)]
        except sudachipy.errors.SudachiError:  # more than 49,149 bytes
            return []

    return cut


_LOADERS = {"rjieba": _rjieba, "sudachipy": _sudachipy}


class WordMarker:
    """Words of whole blocks of text by a segmenter.

    Args:
        name: one of `options.segmenters.SEGMENTERS`.

    Attributes:
        lines: so far, those with an ideograph; others are not looked at.
        unaligned_lines: of these, those whose words do not join to the line again.

    Raises:
        UsageError: the segmenter is not installed.
    """

    def __init__(self, name: str) -> None:
        segmenter_versions(name)  # raises where one is missing
        self._cut = _LOADERS[name]()
        self.lines = self.unaligned_lines = 0
        self._cut("词")  # loads the dictionary

    def word_starts(self, line: str) -> list[int]:
        """Offsets of the characters at which words begin; of all where the words do not align."""
        line = line.replace("\0", _ANOTHER)
        if not _HAS_IDEOGRAPH(line):
            return [0]
        self.lines += 1
        words = self._aligned(line, "\0".join(self._cut(line))).split("\0")
        return list(accumulate(map(len, words), initial=0))[:-1]

    def mark(self, text: bytes, marks: np.ndarray) -> None:
        """Marks the words of a text, line by line.

        Args:
            text: UTF-8; what is not gets no marks, and is for the tokenizer to refuse.
            marks: uint8[>= len(text)]. Out: 0 where a word begins, 1 elsewhere.
        """
        marks[: len(text)] = 1
        text = text.replace(b"\0", _ANOTHER.encode())
        try:
            lines = text.decode().split("\n")
        except UnicodeDecodeError:
            return
        # A string a line, since the words of a whole block would not stay in the cache.
        parts, cut, join = [], self._cut, "\0".join
        for line in lines:
            if line.isascii() or not _HAS_IDEOGRAPH(line):
                parts.append(line)
            else:
                parts.append(join(cut(line)))
                self.lines += 1
        apart = "\n".join(parts).encode()
        if apart.translate(None, b"\0") != text:
            apart = "\n".join(map(self._aligned, lines, parts)).encode()
        borders = np.flatnonzero(np.frombuffer(apart, np.uint8) == 0)
        borders -= np.arange(borders.size)
        marks[borders] = 0
        marks[0] = 0

    def _aligned(self, line: str, apart: str) -> str:
        """A line with NUL between its words, of the words with NUL between them."""
        if apart.replace("\0", "") == line:
            return apart
        words = _align(line, apart.split("\0"))
        if words is None:
            self.unaligned_lines += 1
            return "\0".join(line)
        return "\0".join(words)


def _align(line: str, words: Sequence[str]) -> list[str] | None:
    """The words as they stand in a line with more or fewer blanks; None where it is other text."""
    starts, at = [], 0
    for word in words:
        for number, character in enumerate(_BLANKS.sub("", word)):
            while at < len(line) and line[at].isspace():
                at += 1
            if at == len(line) or line[at] != character:
                return None
            if number == 0:
                starts.append(at)
            at += 1
    if line[at:].strip():
        return None
    return [line[a:b] for a, b in pairwise([0, *starts, len(line)])]
