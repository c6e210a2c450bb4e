r"""Blocks of paragraphs, one a line -> blocks of sentences, one a line: `--split-sentences`.

sentencex finds the boundaries: rules and abbreviations by language, full stops of all scripts. No
text is lost or changed; a line whose pieces do not join to the line stays whole and is counted. A
blank line stays one, the end of a document, and no other line becomes blank.

Cost: that of the library, 8 to 15 ns per byte, and a quarter more. Memory: the result, and 4 bytes
per line; about 32 KB of text, or one line, are Python strings at a time.

Example:
    >>> splitter = SentenceSplitter(CorpusOptions(split_sentences="en"))
    >>> splitter.split_block(b"He left. I did not.").data
    b'He left. \nI did not.'
"""

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from bertprep.errors import UsageError
from bertprep.options import CorpusOptions

#: Languages with rules of their own in sentencex, then those that do well with the rules of a
#: related language (cs) or the general ones. sentencex silently applies English rules to others.
LANGUAGES = (
    *("am", "ar", "bg", "bn", "ca", "da", "de", "el", "en", "es", "fi", "fr", "gu", "hi", "hy"),
    *("it", "ja", "kk", "kn", "ml", "mr", "my", "nl", "pa", "pl", "pt", "ru", "sk", "ta", "te"),
    *("uk", "cs", "fa", "he", "ko", "ur", "zh"),
)

#: Bytes of text that are converted to Python strings at a time.
_PORTION_BYTES = 1 << 15
#: A longer line is split window by window, in characters: without blanks between words, the library
#: looks back to the start of its text at every full stop, which takes quadratic time.
_WINDOW, _LARGEST_WINDOW = 1 << 11, 1 << 16
#: Characters that str.strip() removes, except the blank, the tab and the newline.
_OTHER_BLANKS = (
    "\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
    "\u200a\u2028\u2029\u202f\u205f\u3000"
)


@dataclass(frozen=True, eq=False)
class SentenceBlock:
    """A block whose lines are sentences.

    Attributes:
        data: UTF-8 without 0x0D, except for lines that the tokenizer reports as errors.
        counts: the number of sentences of each line of the original block.
        invalid_lines: number of lines with invalid text, replaced by U+FFFD ("replace").
        unsplit_lines: number of lines that stay whole because the library failed on them.
    """

    data: bytes
    counts: "array[int]"
    invalid_lines: int
    unsplit_lines: int

    @property
    def split_lines(self) -> int:
        """Number of lines that have become more than one."""
        return int(np.count_nonzero(np.frombuffer(self.counts, np.uint32) > 1))

    def source_line(self, line: int) -> int:
        """Return the line of the original block, from 0, that a line of `data` comes from."""
        ends = np.cumsum(np.frombuffer(self.counts, np.uint32), dtype=np.int64)
        return min(int(np.searchsorted(ends, line, side="right")), len(ends) - 1)


class SentenceSplitter:
    """Splits blocks of lines into sentences.

    Args:
        corpus: the language, and how invalid text is handled.

    Raises:
        UsageError: the language has no rules, or sentencex is not installed.
    """

    def __init__(self, corpus: CorpusOptions) -> None:
        splitter_identity(corpus)
        from sentencex import segment  # an extra, loaded only with the option

        self._segment: Callable[[str, str], list[str]] = segment
        self._language = corpus.split_sentences or ""
        self._corpus = corpus
        self._invalid = self._unsplit = 0

    def split_block(self, block: bytes | bytearray) -> SentenceBlock:
        """Split the lines of a block.

        Lines that the tokenizer refuses are not split, so that it reports them whole: they are
        longer than `max_line_chars`, or invalid and not to be replaced.
        """
        self._invalid = self._unsplit = 0
        parts: list[bytes] = []
        counts = array("I")
        for portion in _portions(block):
            text, whole = self._decode(portion.replace(b"\r", b""))
            plain = _with_plain_blanks(text)
            lines = plain.split("\n")
            found = None if whole or plain is not text else self._split_short(text, lines)
            if found is None:
                found = [
                    [original] if number in whole else self._split_line(line, original)
                    for number, (line, original) in enumerate(
                        zip(lines, text.split("\n"), strict=True)
                    )
                ]
            counts.extend(map(len, found))
            sentences = "\n".join(chain.from_iterable(found))
            parts.append(sentences.encode("utf-8", "surrogateescape"))
        return SentenceBlock(b"\n".join(parts), counts, self._invalid, self._unsplit)

    def _split_short(self, text: str, lines: list[str]) -> list[list[str]] | None:
        """Return the sentences of each line, or None if lines have to be split one by one."""
        language, segment = self._language, self._segment
        if len(max(lines, key=len)) > min(_WINDOW, self._corpus.max_line_chars):
            return None
        try:
            found = [segment(language, line) or [""] for line in lines]
        except BaseException as error:
            _require_panic(error)
            return None
        pieces = list(chain.from_iterable(found))
        same = "".join(pieces) == text.replace("\n", "")
        # A blank line has one blank piece; one more, and a line of text would end a document.
        blank = sum(map(str.isspace, pieces))
        return found if same and blank == sum(map(str.isspace, lines)) else None

    def _decode(self, data: bytes) -> tuple[str, set[int]]:
        """Return the text and the numbers of its invalid lines; count the lines replaced."""
        try:
            text = data.decode()
            if "\0" not in text:
                return text, set()
        except UnicodeDecodeError:
            pass
        lines, whole = [], set()
        for number, line in enumerate(data.split(b"\n")):
            text = line.decode("utf-8", "replace").replace("\0", "\ufffd")
            if text.encode() != line:
                if self._corpus.encoding_errors == "replace":
                    self._invalid += 1
                else:
                    whole.add(number)
                    text = line.decode("utf-8", "surrogateescape")
            lines.append(text)
        return "\n".join(lines), whole

    def _split_line(self, line: str, original: str) -> list[str]:
        """Return the sentences of `original`, cut where `line`, with plain blanks, is split.

        A blank piece, which would end the document, is joined to the next one.
        """
        if len(line) > self._corpus.max_line_chars:
            return [original]
        pieces, start = [], 0
        try:
            for end in self._find_ends(line):
                if not line[start:end].isspace():
                    pieces.append(original[start:end])
                    start = end
        except BaseException as error:
            _require_panic(error)
            self._unsplit += 1
            return [original]
        if not pieces:
            return [original]
        pieces[-1] += original[start:]
        return pieces

    def _find_ends(self, line: str) -> Iterator[int]:
        """Yield the ends of the sentences of a line, in characters, found window by window."""
        start, size = 0, _WINDOW
        while len(line) - start > size:
            # The last sentence of a window may continue after it: the next window begins with it.
            pieces = self._pieces(line[start : start + size])[:-1]
            if not pieces and size < _LARGEST_WINDOW:
                size *= 2
                continue
            if not pieces:
                start += size
            for piece in pieces:
                start += len(piece)
                yield start
            size = _WINDOW
        for piece in self._pieces(line[start:]):
            start += len(piece)
            yield start

    def _pieces(self, text: str) -> list[str]:
        pieces = self._segment(self._language, text)
        if "".join(pieces) != text:
            raise _NotTheLineError
        return pieces


class _NotTheLineError(Exception):
    """The library's pieces do not join to its input."""


def splitter_identity(corpus: CorpusOptions) -> dict[str, str]:
    """Return the library version for the plan, which the sentences depend on; {} if not splitting.

    Raises:
        UsageError: the language has no rules, or sentencex is not installed.
    """
    language = corpus.split_sentences
    if language is None:
        return {}
    if language not in LANGUAGES:
        raise UsageError(
            f"--split-sentences {language}: there are rules for {', '.join(sorted(LANGUAGES))}. "
            "Pass the most similar language; en knows the full stops of all scripts"
        )
    from importlib.metadata import PackageNotFoundError, version  # slow to import

    try:
        return {"sentencex": version("sentencex")}
    except PackageNotFoundError:
        raise UsageError(
            "--split-sentences needs the package sentencex: pip install 'bertprep[sentences]'"
        ) from None


def _portions(block: bytes | bytearray) -> Iterator[bytes]:
    """Yield whole lines, about `_PORTION_BYTES` at a time, without the last newline."""
    start = 0
    while (end := block.find(b"\n", start + _PORTION_BYTES)) >= 0:
        yield bytes(block[start:end])
        start = end + 1
    yield bytes(block[start:])


def _with_plain_blanks(text: str) -> str:
    """Return the text with each blank replaced by U+0020, or `text` itself if all are.

    sentencex 1.0.32 panics at some initials before a blank of several bytes, as U+00A0 is.
    """
    for blank in _OTHER_BLANKS:
        if blank in text:
            text = text.replace(blank, " ")
    return text


def _require_panic(error: BaseException) -> None:
    """Raise errors other than the library's failures on a text; Rust panics are BaseExceptions."""
    if not isinstance(error, _NotTheLineError) and type(error).__name__ != "PanicException":
        raise error
