"""Classes of characters in BERT's tokenizer, and the mapping of text to lower case.

Properties are those of Python's `unicodedata`. Source: tokenization.py of google-research/bert.
"""

from unicodedata import category, normalize

#: CJK Unified Ideographs, its extensions A to E, and the two compatibility blocks; inclusive.
IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


def is_space(character: str) -> bool:
    """Return whether the character only separates words."""
    return character in "\t\n\r" or category(character) == "Zs"


def is_dropped(character: str) -> bool:
    """Return whether the character is removed first; private-use characters are not."""
    if character in "\0\ufffd":
        return True
    return category(character) in ("Cc", "Cf") and not is_space(character)


def is_ideograph(character: str) -> bool:
    """Return whether the character is an ideograph, a word of its own; not kana or hangul."""
    return any(first <= ord(character) <= last for first, last in IDEOGRAPHS)


def is_punctuation(character: str) -> bool:
    """Return whether the character is a word of its own: punctuation, and ASCII symbols ($, +)."""
    if character.isascii():
        return character.isprintable() and not character.isalnum() and character != " "
    return category(character).startswith("P")


def map_characters(text: str, lowercase: bool, strip_accents: bool) -> str:
    """Lower-case a chunk as a whole, and remove its combining marks."""
    if lowercase:
        text = text.lower()
    if strip_accents:
        text = "".join(c for c in normalize("NFD", text) if category(c) != "Mn")
    return text
