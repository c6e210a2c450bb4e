"""Text -> WordPiece tokens in plain Python: the readable twin of the compiled tokenizer.

Three classes with the names and the results of the original release. 700 KB of text per second;
`FastTokenizer` gives the same ids more than a hundred times as fast, and uses these classes for the
rare words whose lower-casing depends on the characters around them.

Example:
    >>> BasicTokenizer().tokenize("Ça va, 東京?")
    ['ca', 'va', ',', '東', '京', '?']

Source: tokenization.py of google-research/bert.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from os import PathLike
from typing import NamedTuple
from unicodedata import category

from bertprep.errors import UsageError
from bertprep.options import TokenizerOptions
from bertprep.tokenization.characters import (
    is_dropped,
    is_ideograph,
    is_punctuation,
    is_space,
    map_characters,
)
from bertprep.vocab import SPECIAL_TOKENS, Vocabulary


class MarkedWord(NamedTuple):
    """A word of the tokenizer, with its place in a word of the language.

    Attributes:
        text: the word.
        continues: it belongs to the same word of the language as the previous one, as `京` to `北`.
        is_kept: it is one of `never_split`, and a piece by itself.
    """

    text: str
    continues: bool
    is_kept: bool


class BasicTokenizer:
    """Text -> words: cleaned, lower-cased, split at blanks, punctuation and ideographs.

    Args:
        lowercase: lower-case the text.
        strip_accents: drop combining marks; None follows `lowercase`.
        never_split: words that stay as they are where the text has a word boundary on both sides
            of them: its ends, blanks, punctuation, ideographs. The longest match wins.
        tokenize_chinese_chars: make each ideograph a word; otherwise they are letters.
    """

    def __init__(
        self,
        lowercase: bool = True,
        strip_accents: bool | None = None,
        never_split: Collection[str] = (),
        tokenize_chinese_chars: bool = True,
    ) -> None:
        self.lowercase = lowercase
        self.strip_accents = lowercase if strip_accents is None else strip_accents
        self.never_split = sorted(never_split, key=len, reverse=True)
        self.tokenize_chinese_chars = tokenize_chinese_chars

    @classmethod
    def of(cls, options: TokenizerOptions) -> "BasicTokenizer":
        """Return the tokenizer of some options."""
        return cls(
            options.lowercase,
            options.strip_accents,
            options.never_split,
            options.tokenize_chinese_chars,
        )

    def tokenize(self, text: str) -> list[str]:
        """Return the words of a text."""
        return [word.text for word in self.mark_words(text)]

    def mark_words(self, text: str, starts: Collection[int] = ()) -> Iterator[MarkedWord]:
        """Yield the words of a text, and mark those that continue a word of the language.

        A word continues the previous one if no blank is between them, at least one is an ideograph,
        neither is punctuation or kept, and it does not begin at one of `starts`.

        Args:
            text: the text.
            starts: offsets of the characters at which a segmenter's words begin; empty for text
                with blanks between words.
        """
        for chunk, offsets in _chunks(text):
            before = ""  # the previous word, if this one may continue it
            for at, part, is_kept in self._parts(chunk):
                joins = offsets[at] not in starts
                for word in [part] if is_kept else self._words(part):
                    either = _is_joined(before, word) and not is_kept
                    yield MarkedWord(word, joins and either, is_kept)
                    joins, before = False, "" if is_kept else word

    def _map(self, text: str) -> str:
        return map_characters(text, self.lowercase, self.strip_accents)

    def _words(self, part: str) -> list[str]:
        spaced = (f" {c} " if is_punctuation(c) else c for c in self._map(part))
        return "".join(spaced).split()

    def _parts(self, chunk: str) -> Iterator[tuple[int, str, bool]]:
        """Yield the parts of a chunk between ideographs and kept words: offset, text, if kept."""
        start = at = 0
        while at < len(chunk):
            kept = self._kept_at(chunk, start, at)
            if not kept and not self._is_word(chunk[at]):
                at += 1
                continue
            if start < at:
                yield start, chunk[start:at], False
            yield at, kept or chunk[at], bool(kept)
            start = at = at + len(kept or chunk[at])
        if start < at:
            yield start, chunk[start:at], False

    def _kept_at(self, chunk: str, start: int, at: int) -> str:
        """Return the longest of `never_split` at an offset, or "". The part begins at `start`."""
        for word in self.never_split:
            if chunk.startswith(word, at):
                after = at + len(word)
                if self._is_boundary(chunk[start:at][::-1]) and self._is_boundary(chunk[after:]):
                    return word
        return ""

    def _is_boundary(self, text: str) -> bool:
        """Return whether the first character that is not dropped is no letter, or is missing."""
        mapped = next(filter(None, map(self._map, text)), "")
        is_mark = len(mapped) == 1 and is_punctuation(mapped)
        return not mapped or is_mark or self._is_word(mapped[0])

    def _is_word(self, character: str) -> bool:
        return self.tokenize_chinese_chars and is_ideograph(character)


def _chunks(text: str) -> Iterator[tuple[str, list[int]]]:
    """Yield the text between blanks, without dropped characters, with the offset of each one."""
    chunk, offsets = "", list[int]()
    for offset, character in enumerate(text):
        if is_dropped(character):
            continue
        if is_space(character) or character.isspace():
            if chunk:
                yield chunk, offsets
            chunk, offsets = "", []
        else:
            chunk += character
            offsets.append(offset)
    if chunk:
        yield chunk, offsets


def _is_joined(before: str, word: str) -> bool:
    """Return whether two words are separate only because one is an ideograph."""
    if not before or is_punctuation(before[0]) or is_punctuation(word[0]):
        return False
    return is_ideograph(before[0]) or is_ideograph(word[0])


class WordpieceTokenizer:
    """Words -> pieces, longest match first; all but the first of a word begin with `##`.

    Args:
        vocab: a mapping whose keys are the pieces.
        unk_token: replaces a word that is too long or has a part that no piece matches.
        max_input_chars_per_word: the longest word, in code points.
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
        """Return the pieces of one word, or of words separated by blanks."""
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


#: A piece, and whether it continues the word of the piece before it.
MarkedPiece = tuple[str, bool]


def require_pieces(vocab: Vocabulary, never_split: Iterable[str]) -> None:
    """Raise UsageError for a `never_split` token that cannot be a token of the text."""
    for token in never_split:
        if token in SPECIAL_TOKENS:
            raise UsageError(
                f"--never-split {token}: this is a special token, and text never becomes one: "
                "remove it"
            )
        begins_oddly = token.startswith("##") or category(token[0]) == "Mn"
        if begins_oddly or any(map(is_dropped, token)):
            raise UsageError(
                f"--never-split {token!r}: a token must not begin with ## or a combining mark, or "
                "have a character that is dropped from text: name another token"
            )
        if token not in vocab.ids:
            raise UsageError(
                f"--never-split {token}: not in the vocabulary: write it there in place of an "
                "unused token such as [unused1]"
            )


class FullTokenizer:
    """Text -> pieces, and pieces <-> ids.

    Args:
        vocab: a vocabulary, or the path of its file.
        options: how text becomes pieces.

    Raises:
        UsageError: the file is not a vocabulary (see `Vocabulary.load`), or lacks a `never_split`
            token.
    """

    def __init__(
        self,
        vocab: Vocabulary | str | PathLike[str],
        options: TokenizerOptions | None = None,
    ) -> None:
        self.options = options = options or TokenizerOptions()
        self.vocab = vocab if isinstance(vocab, Vocabulary) else Vocabulary.load(vocab)
        require_pieces(self.vocab, options.never_split)
        self.basic_tokenizer = BasicTokenizer.of(options)
        self.wordpiece_tokenizer = WordpieceTokenizer(
            self.vocab.ids, max_input_chars_per_word=options.max_input_chars_per_word
        )

    def tokenize(self, text: str) -> list[str]:
        """Return the pieces of a text. A text that spells `[MASK]` is ordinary text."""
        return [piece for piece, _ in self.mark_pieces(text)]

    def mark_pieces(self, text: str, starts: Collection[int] | None = None) -> list[MarkedPiece]:
        """Return the pieces of a text, and whether each continues the word of the previous piece.

        Args:
            text: the text.
            starts: as in `BasicTokenizer.mark_words`; None where ideographs are words of their own.
        """
        split = self.wordpiece_tokenizer.tokenize
        return [
            (piece, number > 0 or (word.continues and starts is not None))
            for word in self.basic_tokenizer.mark_words(text, starts or ())
            for number, piece in enumerate([word.text] if word.is_kept else split(word.text))
        ]

    def convert_tokens_to_ids(self, tokens: Iterable[str]) -> list[int]:
        """Return the ids of pieces.

        Raises:
            UsageError: a piece is not in the vocabulary.
        """
        try:
            return [self.vocab.ids[token] for token in tokens]
        except KeyError as error:
            raise UsageError(f"{error.args[0]!r} is not a piece of the vocabulary") from None

    def convert_ids_to_tokens(self, ids: Iterable[int]) -> list[str]:
        """Return the pieces of ids.

        Raises:
            UsageError: an id is not in the vocabulary.
        """
        tokens = self.vocab.tokens
        numbers = [int(number) for number in ids]
        for number in numbers:
            if not 0 <= number < len(tokens):
                raise UsageError(f"id {number} is outside the vocabulary of {len(tokens):,} pieces")
        return [tokens[number] for number in numbers]
