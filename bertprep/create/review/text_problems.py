"""The lines of a sample -> traces of text that was read wrongly or not cleaned, with an example.

What is looked for has a cheap sign (a character, a `<`), so that clean text costs little:
0.05 s for 2 MB. Characters are counted with numpy; only distinct ones are looked at in Python.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from unicodedata import category, name

import numpy as np

from bertprep.create.review.sample import Sample, SampledBlock
from bertprep.tokenization.characters import map_characters

_CODE_POINTS = 0x110000

#: Scripts in which what NFD takes apart or `Mn` are not accents but parts of the letters: vowels,
#: voiced kana, syllables, й. By the first word of Unicode's names.
MARKED_SCRIPTS = {
    word: word.capitalize()
    for word in (
        *("HANGUL", "HIRAGANA", "KATAKANA", "DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI"),
        *("ORIYA", "TAMIL", "TELUGU", "KANNADA", "MALAYALAM", "SINHALA", "THAI", "LAO", "TIBETAN"),
        *("MYANMAR", "KHMER", "CYRILLIC"),
    )
}

#: What bytes 0x80 to 0xBF of UTF-8 become when they are read as Windows-1252 or Latin-1.
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
class Trace:
    """Something that is in some lines of the sample.

    Attributes:
        count: how often.
        lines: in how many lines.
        where: file and line of the first.
        example: what stands there.
    """

    count: int
    lines: int
    where: str
    example: str


@dataclass(frozen=True)
class Script:
    """The letters of a script in the sample.

    Attributes:
        name: for people.
        letters: their number, marks counted.
        changed: those that lose something, or fall apart, when accents are stripped.
        example: one of these.
    """

    name: str
    letters: int
    changed: int
    example: str


class Evidence:
    """What is in the text of a sample; each is looked for when it is asked for."""

    def __init__(self, sample: Sample) -> None:
        self._blocks = sample.blocks

    @cached_property
    def _counts(self) -> np.ndarray:
        """int64[_CODE_POINTS]. How often each character stands in the sample."""
        counts = np.zeros(_CODE_POINTS, np.int64)
        for sampled in self._blocks:
            encoded = "\n".join(sampled.lines).encode("utf-32-le", "surrogatepass")
            # Of the size of the largest character only: most texts have none beyond U+FFFF.
            found = np.bincount(np.frombuffer(encoded, np.uint32))
            counts[: len(found)] += found
        return counts

    @cached_property
    def characters(self) -> dict[str, int]:
        """The distinct characters and how often they stand there."""
        return {chr(c): int(self._counts[c]) for c in np.flatnonzero(self._counts)}

    @cached_property
    def num_characters(self) -> int:
        return int(self._counts.sum())

    @cached_property
    def num_lines(self) -> int:
        """Lines that are not blank."""
        return sum(bool(line.strip()) for sampled in self._blocks for line in sampled.lines)

    @cached_property
    def num_letters(self) -> int:
        """Letters and marks."""
        return sum(n for c, n in self.characters.items() if category(c)[0] in "LM")

    def misread(self) -> Trace | None:
        """UTF-8 that was read as Latin-1 or Windows-1252 and saved again: `Ã©`."""
        if not self._counts[0xC2:0xF5].any():
            return None
        return self._trace(_misread_parts)

    def replaced(self) -> Trace | None:
        """U+FFFD: somebody's decoder did not know what to make of the bytes."""
        if not self._counts[0xFFFD]:
            return None
        return self._trace(lambda line: ["\ufffd"] * line.count("\ufffd"))

    def markup(self) -> Trace | None:
        """Tags and entities of HTML."""
        if not (self._counts[ord("<")] or self._counts[ord("&")]):
            return None
        return self._trace(
            lambda line: (
                [found[0] for found in _MARKUP.finditer(line)] if "<" in line or "&" in line else []
            )
        )

    def _trace(self, parts: Callable[[str], list[str]]) -> Trace | None:
        """Counts what `parts` finds in each line."""
        first: tuple[SampledBlock, int, str] | None = None
        count = lines = 0
        for sampled, number, line in self._lines():
            found = parts(line)
            if found:
                first = first or (sampled, number, found[0])
                count += len(found)
                lines += 1
        if first is None:
            return None
        sampled, number, example = first
        return Trace(count, lines, sampled.where(number), example)

    def _lines(self) -> Iterator[tuple[SampledBlock, int, str]]:
        for sampled in self._blocks:
            for number, line in enumerate(sampled.lines):
                yield sampled, number, line

    def find_word(self, character: str) -> tuple[str, str]:
        """The first word with a character, and where it stands."""
        for sampled, number, line in self._lines():
            if character in line:
                word = next(word for word in line.split() if character in word)
                return word, sampled.where(number)
        raise AssertionError(f"{character!r} was counted and is not there")

    def scripts(self) -> list[Script]:
        """Those of MARKED_SCRIPTS that are there."""
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

    @cached_property
    def capitals(self) -> tuple[int, int]:
        """Letters that are capitals, and all that have two cases."""
        cased = {c: n for c, n in self.characters.items() if c.lower() != c.upper()}
        return sum(n for c, n in cased.items() if c != c.lower()), sum(cased.values())


def marked_script(character: str) -> str | None:
    """The one of MARKED_SCRIPTS that a letter or a mark is of."""
    if character.isascii() or category(character)[0] not in "LM":
        return None
    return MARKED_SCRIPTS.get(name(character, "").partition(" ")[0])


def strip_marks(text: str) -> str:
    """What stripping accents leaves of a text."""
    return map_characters(text, lowercase=False, strip_accents=True)


def loses_marks(text: str) -> bool:
    """A text that is another when accents are stripped."""
    return strip_marks(text) != text


def _misread_parts(line: str) -> list[str]:
    if line.isascii():
        return []
    return [part for part in _MISREAD.findall(line) if _reads_as_utf8(part)]


def _reads_as_utf8(part: str) -> bool:
    """The characters' bytes are the UTF-8 of a letter or a mark that texts have."""
    try:
        data = b"".join(_byte_of(character) for character in part)
        meant = data.decode()
    except UnicodeError:
        return False
    # Between these are scripts that no text has by millions, but "à »" would be a letter of them.
    common = meant < "\u0800" or meant >= "\u0900"
    return common and (category(meant)[0] in "LMNPS" or meant in "\xa0\ufeff")


def _byte_of(character: str) -> bytes:
    try:
        return character.encode("cp1252")
    except UnicodeEncodeError:
        return character.encode("latin-1")
