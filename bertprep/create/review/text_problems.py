"""The text of a sample -> wrongly decoded text and markup, and the characters of each script.

Every problem has a cheap sign (a character, a `<`), so clean text costs little: 0.05 s for 2 MB.
Characters are counted with numpy; only distinct characters are examined in Python.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from unicodedata import category, name

import numpy as np

from bertprep.create.review.sample import Sample, SampledBlock
from bertprep.terminal import printable
from bertprep.tokenization.plain import map_characters

_CODE_POINTS = 0x110000
#: Fewer occurrences than this may be chance, or a text about the matter.
_MIN_OCCURRENCES = 3

#: Scripts in which stripping accents removes parts of letters: vowels, voiced kana, syllables, й.
#: By the first word of Unicode's character names.
MARKED_SCRIPTS = {
    word: word.capitalize()
    for word in (
        *("HANGUL", "HIRAGANA", "KATAKANA", "DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI"),
        *("ORIYA", "TAMIL", "TELUGU", "KANNADA", "MALAYALAM", "SINHALA", "THAI", "LAO", "TIBETAN"),
        *("MYANMAR", "KHMER", "CYRILLIC"),
    )
}

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


@dataclass(frozen=True)
class Matches:
    """Parts of the text that match some pattern.

    Attributes:
        count: number of matches.
        lines: number of lines with a match.
        where: file and line of the first match.
        example: text of the first match.
    """

    count: int
    lines: int
    where: str
    example: str


@dataclass(frozen=True)
class Script:
    """The letters of a script in the sample.

    Attributes:
        name: name for messages.
        letters: number of letters and marks.
        changed: number of these that stripping accents changes.
        example: the most frequent of those that it changes.
    """

    name: str
    letters: int
    changed: int
    example: str


class SampleText:
    """The characters and lines of a sample; counted when first used."""

    def __init__(self, sample: Sample) -> None:
        self._blocks = sample.blocks

    @cached_property
    def _counts(self) -> np.ndarray:
        """int64[_CODE_POINTS]. Occurrences of each character in the sample."""
        counts = np.zeros(_CODE_POINTS, np.int64)
        for sampled in self._blocks:
            encoded = "\n".join(sampled.lines).encode("utf-32-le", "surrogatepass")
            # As long as the largest character requires: most texts have none above U+FFFF.
            found = np.bincount(np.frombuffer(encoded, np.uint32))
            counts[: len(found)] += found
        return counts

    @cached_property
    def characters(self) -> dict[str, int]:
        """The distinct characters with their numbers of occurrences."""
        return {chr(c): int(self._counts[c]) for c in np.flatnonzero(self._counts)}

    @cached_property
    def num_lines(self) -> int:
        """Number of lines that are not blank."""
        return sum(bool(line.strip()) for sampled in self._blocks for line in sampled.lines)

    @cached_property
    def num_letters(self) -> int:
        """Number of letters and marks."""
        return sum(n for c, n in self.characters.items() if category(c)[0] in "LM")

    @cached_property
    def capitals(self) -> tuple[int, int]:
        """Number of uppercase letters, and of all letters that have two cases."""
        cased = {c: n for c, n in self.characters.items() if c.lower() != c.upper()}
        return sum(n for c, n in cased.items() if c != c.lower()), sum(cased.values())

    @cached_property
    def scripts(self) -> list[Script]:
        """Those of MARKED_SCRIPTS that occur in the text."""
        found: dict[str, list[tuple[str, int]]] = {}
        for character, count in self.characters.items():
            script = marked_script(character)
            if script:
                found.setdefault(script, []).append((character, count))
        scripts = []
        for script, characters in found.items():
            changed = {c: n for c, n in characters if loses_marks(c)}
            example = max(changed, key=lambda c: changed[c], default="")
            scripts.append(
                Script(script, sum(n for _, n in characters), sum(changed.values()), example)
            )
        return scripts

    def misread(self, min_share: float) -> str | None:
        """Warn of UTF-8 that was decoded as Latin-1 or Windows-1252 and saved again: `Ã©`.

        Args:
            min_share: share of the characters from which on the text is reported.
        """
        if not self._counts[0xC2:0xF5].any():
            return None
        matches = self._match(_misread_parts)
        if matches is None or matches.count < min_share * self._counts.sum():
            return None
        return (
            f"{self._shown(matches)}: UTF-8 that was decoded as Windows-1252 or Latin-1 and saved "
            "again. Undo it with: iconv -f UTF-8 -t CP1252 (or LATIN1) FILE > FILE.utf8"
        )

    def replaced(self, min_share: float) -> str | None:
        """Warn of U+FFFD, which a decoder puts in place of bytes that it cannot decode.

        Args:
            min_share: share of the lines from which on the text is reported.
        """
        if not self._counts[0xFFFD]:
            return None
        matches = self._match(lambda line: ["\ufffd"] * line.count("\ufffd"))
        if matches is None or matches.lines < min_share * self.num_lines:
            return None
        return (
            f"{self._shown(matches)}: it replaces characters that were lost when the text was "
            "decoded. Convert the original again: iconv -f ITS-ENCODING -t UTF-8"
        )

    def markup(self, min_share: float) -> str | None:
        """Warn of HTML tags and entities.

        Args:
            min_share: share of the lines from which on the text is reported.
        """
        if not (self._counts[ord("<")] or self._counts[ord("&")]):
            return None
        matches = self._match(
            lambda line: (
                [found[0] for found in _MARKUP.finditer(line)] if "<" in line or "&" in line else []
            )
        )
        if matches is None or matches.lines < min_share * self.num_lines:
            return None
        return (
            f"{self._shown(matches)}: HTML tags and entities are tokenized like any other text. "
            "Remove them first"
        )

    def _match(self, find: Callable[[str], list[str]]) -> Matches | None:
        """Return what `find` finds in the lines; None for fewer than _MIN_OCCURRENCES."""
        found = [
            (sampled, number, parts)
            for sampled, number, line in self._lines()
            if (parts := find(line))
        ]
        count = sum(len(parts) for _, _, parts in found)
        if count < _MIN_OCCURRENCES:
            return None
        sampled, number, parts = found[0]
        return Matches(count, len(found), sampled.where(number), parts[0])

    def _shown(self, matches: Matches) -> str:
        share = matches.lines / max(1, self.num_lines)
        example = matches.example
        shown = "U+FFFD" if example == "\ufffd" else f'"{printable(example)}"'
        return f"{matches.where} contains {shown}, as do {share:.1%} of the lines"

    def _lines(self) -> Iterator[tuple[SampledBlock, int, str]]:
        for sampled in self._blocks:
            for number, line in enumerate(sampled.lines):
                yield sampled, number, line

    def find_word(self, character: str) -> tuple[str, str]:
        """Return the first word with a character, and its location."""
        for sampled, number, line in self._lines():
            if character in line:
                word = next(word for word in line.split() if character in word)
                return word, sampled.where(number)
        raise AssertionError(f"{character!r} is not in the text")


def marked_script(character: str) -> str | None:
    """Return which of MARKED_SCRIPTS a letter or mark belongs to, if any."""
    if character.isascii() or category(character)[0] not in "LM":
        return None
    return MARKED_SCRIPTS.get(name(character, "").partition(" ")[0])


def strip_marks(text: str) -> str:
    """Return a text with its accents stripped."""
    return map_characters(text, lowercase=False, strip_accents=True)


def loses_marks(text: str) -> bool:
    """Return whether stripping accents changes a text."""
    return strip_marks(text) != text


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
