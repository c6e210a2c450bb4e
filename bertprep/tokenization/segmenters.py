"""Lines of unspaced text -> the starts of their words, by a segmenter of the language.

    WordMarker("rjieba").word_starts("北京的大学")  # [0, 2, 3]: 北京, 的, 大学

The words are used for masking only: ids do not depend on them. If the words of a line do not join
to the line (blanks aside), each character is a word, and the line is counted. The library is loaded
by the first `WordMarker`; it takes most of the time of tokenizing.
"""

import re
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

import numpy as np

from bertprep.options.segmenters import segmenter_versions
from bertprep.tokenization.characters import IDEOGRAPHS

Cut = Callable[[str], Sequence[str]]

_HAS_IDEOGRAPH = re.compile("[" + "".join(f"{chr(a)}-{chr(b)}" for a, b in IDEOGRAPHS) + "]").search
_BLANKS = re.compile(r"\s+")
#: Replaces NUL, which separates words here; the tokenizer drops both.
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
    """Word starts in blocks of text, by a segmenter.

    Args:
        name: one of `options.segmenters.SEGMENTERS`.

    Attributes:
        lines: number of lines so far with an ideograph; others are not segmented.
        unaligned_lines: number of those whose words do not join to the line.

    Raises:
        UsageError: the segmenter is not installed.
    """

    def __init__(self, name: str) -> None:
        segmenter_versions(name)  # raises if a package is missing
        self._cut = _LOADERS[name]()
        self.lines = self.unaligned_lines = 0
        self._cut("词")  # loads the dictionary

    def word_starts(self, line: str) -> list[int]:
        """Return the offsets at which words begin; every offset if the words do not align."""
        line = line.replace("\0", _ANOTHER)
        if not _HAS_IDEOGRAPH(line):
            return [0]
        self.lines += 1
        words = self._aligned(line, "\0".join(self._cut(line))).split("\0")
        return list(accumulate(map(len, words), initial=0))[:-1]

    def mark(self, text: bytes, marks: np.ndarray) -> None:
        """Mark the word starts of a text, line by line.

        Args:
            text: UTF-8; other text gets no marks, and the tokenizer reports it.
            marks: uint8[>= len(text)]. Out: 0 where a word begins, 1 elsewhere.
        """
        marks[: len(text)] = 1
        text = text.replace(b"\0", _ANOTHER.encode())
        try:
            lines = text.decode().split("\n")
        except UnicodeDecodeError:
            return
        # One string per line, because the words of a whole block would not stay in the cache.
        parts, cut, join = [], self._cut, "\0".join
        for line in lines:
            if line.isascii() or not _HAS_IDEOGRAPH(line):
                parts.append(line)
            else:
                parts.append(join(cut(line)))
                self.lines += 1
        joined = "\n".join(parts).encode()
        if joined.translate(None, b"\0") != text:
            joined = "\n".join(map(self._aligned, lines, parts)).encode()
        starts = np.flatnonzero(np.frombuffer(joined, np.uint8) == 0)
        starts -= np.arange(starts.size)
        marks[starts] = 0
        marks[0] = 0

    def _aligned(self, line: str, joined: str) -> str:
        """Return a line with NUL between its words, from the segmenter's words joined by NUL."""
        if joined.replace("\0", "") == line:
            return joined
        words = _align(line, joined.split("\0"))
        if words is None:
            self.unaligned_lines += 1
            return "\0".join(line)
        return "\0".join(words)


def _align(line: str, words: Sequence[str]) -> list[str] | None:
    """Return the words as they are in a line with other blanks, or None if the text differs."""
    words = [text for word in words if (text := _BLANKS.sub("", word))]
    offsets = [at for at, character in enumerate(line) if not character.isspace()]
    if "".join(words) != _BLANKS.sub("", line):
        return None
    starts = [offsets[at] for at in accumulate(map(len, words[:-1]), initial=0) if offsets]
    return [line[a:b] for a, b in pairwise([0, *starts, len(line)])]
