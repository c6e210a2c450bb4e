"""The text of a sample -> wrongly decoded text and markup, with an example.

Every problem has a cheap sign (a character, a `<`), so clean text costs little: 0.05 s for 2 MB.
Characters are counted with numpy; only distinct characters are examined in Python.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from unicodedata import category

import numpy as np

from bertprep.create.job import Job
from bertprep.create.review.sample import Sample, SampledBlock
from bertprep.terminal import printable

_CODE_POINTS = 0x110000
#: Fewer occurrences than this may be chance, or a text about the matter.
_MIN_OCCURRENCES = 3

#: Characters that the bytes 0x80 to 0xBF of UTF-8 decode to in Windows-1252 and Latin-1.
_CONTINUATIONS = "".join(
    sorted({bytes([byte]).decode(codec, "ignore") for byte in range(0x80, 0xC0)
            for codec in ("cp1252", "latin-1")})
)  # fmt: skip
_MISREAD = re.compile(
    f"[\u00c2-\u00df][{_CONTINUATIONS}]|[\u00e0-\u00ef][{_CONTINUATIONS}]{{2}}"
    f"|[\u00f0-\u00f4][{_CONTINUATIONS}]{{3}}"
)
_MARKUP = re.compile(
    r"</?(?:a|abbr|b|big|blockquote|body|br|center|code|dd|div|dl|doc|dt|em|font|form|h[1-6]|head"
    r"|hr|html|i|iframe|img|input|li|link|meta|nav|ol|option|p|pre|ref|script|section|small|span"
    r"|strong|style|sub|sup|table|tbody|td|th|thead|title|tr|tt|u|ul)(?:\s[^<>]*)?/?>"
    r"|&(?:amp|apos|bull|copy|euro|gt|hellip|laquo|ldquo|lsquo|lt|mdash|middot|nbsp|ndash|quot"
    r"|raquo|rdquo|reg|rsquo|#[0-9]{2,6}|#x[0-9a-f]{2,5});",
    re.IGNORECASE,
)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the checks are evaluated on; the characters of a sample are counted when first used.

    Attributes:
        job: the run.
        counts: counts of the sample or of a stage, as in the manifest; 0 for others.
        sample: None after a stage.
    """

    job: Job
    counts: Counter[str]
    sample: Sample | None = None

    @property
    def sampled(self) -> Sample:
        """The sample, for checks that need one."""
        assert self.sample is not None
        return self.sample

    @cached_property
    def _counts(self) -> np.ndarray:
        """int64[_CODE_POINTS]. Occurrences of each character in the text."""
        counts = np.zeros(_CODE_POINTS, np.int64)
        for sampled in self.sampled.blocks:
            encoded = "\n".join(sampled.lines).encode("utf-32-le", "surrogatepass")
            # As long as the largest character requires: most texts have none above U+FFFF.
            found = np.bincount(np.frombuffer(encoded, np.uint32))
            counts[: len(found)] += found
        return counts

    @cached_property
    def characters(self) -> dict[str, int]:
        """The distinct characters with their numbers of occurrences."""
        return {chr(c): int(self._counts[c]) for c in np.flatnonzero(self._counts)}

    def count_between(self, first: int, last: int) -> int:
        """Return the number of characters from one code point to another, both included."""
        return int(self._counts[first : last + 1].sum())

    @cached_property
    def num_lines(self) -> int:
        """Number of lines that are not blank."""
        return sum(bool(line.strip()) for _, _, line in self.lines())

    def lines(self) -> Iterator[tuple[SampledBlock, int, str]]:
        """Yield each line with its block and its number there."""
        for sampled in self.sampled.blocks:
            for number, line in enumerate(sampled.lines):
                yield sampled, number, line

    @property
    def capitals(self) -> tuple[int, int]:
        """Number of uppercase letters, and of all letters that have two cases."""
        cased = {c: n for c, n in self.characters.items() if c.lower() != c.upper()}
        return sum(n for c, n in cased.items() if c != c.lower()), sum(cased.values())


def find_misread(evidence: Evidence, limit: float) -> str | None:
    """Find UTF-8 that was decoded as Latin-1 or Windows-1252 and saved again: `Ã©`.

    Args:
        limit: share of the characters.
    """
    if not evidence.count_between(0xC2, 0xF4):
        return None
    min_count = limit * evidence.count_between(0, _CODE_POINTS)
    return _report(
        *(evidence, _misread_parts, min_count, 0.0),
        "UTF-8 that was decoded as Windows-1252 or Latin-1 and saved again. Undo it with: "
        "iconv -f UTF-8 -t CP1252 (or LATIN1) FILE > FILE.utf8",
    )


def find_replaced(evidence: Evidence, limit: float) -> str | None:
    """Find U+FFFD, which decoders put in place of invalid bytes.

    Args:
        limit: share of the lines.
    """
    if not evidence.count_between(0xFFFD, 0xFFFD):
        return None
    return _report(
        *(evidence, lambda line: ["\ufffd"] * line.count("\ufffd"), 0.0, limit),
        "it replaces characters that were lost when the text was decoded. Convert the original "
        "again: iconv -f ITS-ENCODING -t UTF-8",
    )


def find_markup(evidence: Evidence, limit: float) -> str | None:
    """Find HTML tags and entities.

    Args:
        limit: share of the lines.
    """
    if not any(evidence.count_between(ord(c), ord(c)) for c in "<&"):
        return None
    return _report(
        *(evidence, _markup_parts, 0.0, limit),
        "HTML tags and entities are tokenized like any other text. Remove them first",
    )


def _report(
    evidence: Evidence,
    find: Callable[[str], list[str]],
    min_count: float,
    min_lines: float,
    explanation: str,
) -> str | None:
    """Return a warning about what `find` finds in the lines.

    Args:
        min_count: number of matches from which on they are reported.
        min_lines: share of lines with a match from which on they are reported.
    """
    found = [
        (sampled, number, parts)
        for sampled, number, line in evidence.lines()
        if (parts := find(line))
    ]
    share = len(found) / max(1, evidence.num_lines)
    count = sum(len(parts) for _, _, parts in found)
    if count < max(min_count, _MIN_OCCURRENCES) or share < min_lines:
        return None
    sampled, number, (example, *_) = found[0]
    shown = "U+FFFD" if example == "\ufffd" else f'"{printable(example)}"'
    return (
        f"{sampled.where(number)} contains {shown}, as do {share:.1%} of the lines: {explanation}"
    )


def _misread_parts(line: str) -> list[str]:
    if line.isascii():
        return []
    return [part for part in _MISREAD.findall(line) if _reads_as_utf8(part)]


def _reads_as_utf8(part: str) -> bool:
    """Return whether the characters' bytes are the UTF-8 of one common letter or sign."""
    try:
        data = b"".join(_byte_of(character) for character in part)
        meant = data.decode()
    except UnicodeError:
        return False
    # The scripts between these are rare, and "à »" would be a letter of one of them.
    common = meant < "\u0800" or meant >= "\u0900"
    return common and (category(meant)[0] in "LMNPS" or meant in "\xa0\ufeff")


def _byte_of(character: str) -> bytes:
    try:
        return character.encode("cp1252")
    except UnicodeEncodeError:
        return character.encode("latin-1")


def _markup_parts(line: str) -> list[str]:
    if "<" not in line and "&" not in line:
        return []
    return [found[0] for found in _MARKUP.finditer(line)]
