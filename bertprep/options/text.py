"""Options of every command that reads a corpus: how text is stored, and how it is tokenized."""

import re
from dataclasses import dataclass

from bertprep.options.fields import Options, option, require
from bertprep.options.segmenters import SEGMENTERS

#: How text can be stored.
FORMATS = ("text", "paragraphs", "jsonl", "parquet", "wikiextractor")


@dataclass(frozen=True)
class CorpusOptions(Options):
    """How documents are read.

    Attributes:
        split_sentences: an ISO 639 language code; "EN", "en-US" and "en_GB" become "en".
    """

    format: str = option(
        "auto",
        "Format of the corpus. auto detects the format of each file.",
        group="Corpus",
        choices=("auto", *FORMATS),
    )
    document_break: str = option(
        "empty-line",
        "What ends a document of the format paragraphs.",
        group="Corpus",
        choices=("empty-line", "file"),
    )
    text_field: str = option(
        "text",
        "Field of the text in JSON lines, as a dotted path: meta.body.",
        group="Corpus",
        metavar="NAME",
    )
    text_column: str = option(
        "text", "Column of the text in parquet files.", group="Corpus", metavar="NAME"
    )
    split_sentences: str | None = option(
        None,
        "Split each line, a paragraph, into sentences by the rules of a language: en, de, zh ...",
        group="Corpus",
        metavar="LANG",
        shown_default="a line is a sentence",
    )
    max_sentence_tokens: int | None = option(
        None,
        "Cut longer sentences into parts at word boundaries.",
        group="Corpus",
        shown_default="no limit",
        at_least=1,
    )
    on_error: str = option(
        "stop",
        "At a document that cannot be read: stop, or skip and count it.",
        group="Corpus",
        choices=("stop", "skip"),
    )
    encoding_errors: str = option(
        "strict",
        "At invalid UTF-8 and NUL: stop (strict), replace with U+FFFD, or skip the line.",
        group="Corpus",
        choices=("strict", "replace", "skip"),
    )
    max_line_chars: int = option(
        1_000_000, "A longer line is an error.", group="Corpus", at_least=1
    )
    max_document_bytes: int = option(
        256_000_000, "A larger document is an error.", group="Corpus", at_least=1
    )

    def check(self) -> None:
        for name in ("text_field", "text_column"):
            require(bool(getattr(self, name)), f"{name} must be a name, got an empty one")
        if self.split_sentences is not None:
            language = re.split("[-_]", self.split_sentences.strip().lower())[0]
            require(
                re.fullmatch("[a-z]{2,3}", language) is not None,
                f"split_sentences must be the code of a language, as en, de or zh, "
                f"got {self.split_sentences!r}",
            )
            object.__setattr__(self, "split_sentences", language)


@dataclass(frozen=True)
class TokenizerOptions(Options):
    """How text becomes WordPiece tokens.

    Attributes:
        strip_accents: None follows `lowercase`.
        max_input_chars_per_word: in code points, after lower-casing.
        never_split: sorted, without duplicates.
    """

    lowercase: bool = option(
        True,
        "Lower-case the text. Pass --no-lowercase with a cased vocabulary.",
        group="Text",
        flags=("--lowercase", "--do-lower-case"),
    )
    strip_accents: bool | None = option(
        None,
        "Strip accents (combining marks): é becomes e.",
        group="Text",
        shown_default="as --lowercase",
    )
    max_input_chars_per_word: int = option(
        200, "A longer word becomes one [UNK].", group="Text", at_least=1, at_most=10_000
    )
    segmented: bool = option(
        False,
        "The text has spaces between words in Chinese and Japanese too: mask these words whole.",
        group="Text",
    )
    word_segmenter: str | None = option(
        None,
        "Find the words of Chinese (rjieba) or Japanese (sudachipy) and mask them whole.",
        group="Text",
        choices=tuple(SEGMENTERS),
    )
    never_split: tuple[str, ...] = option(
        (),
        "Token of the vocabulary to keep whole where the text spells it. Can be repeated.",
        group="Text",
        metavar="TOKEN",
    )

    def check(self) -> None:
        if self.strip_accents is None:
            object.__setattr__(self, "strip_accents", self.lowercase)
        require(
            not (self.segmented and self.word_segmenter),
            "segmented text has its words already: leave out --segmented or --word-segmenter",
        )
        object.__setattr__(self, "never_split", tuple(sorted(set(self.never_split))))
        for token in self.never_split:
            require(
                bool(token) and not any(map(str.isspace, token)),
                f"never_split tokens must have no blanks in them, got {token!r}",
            )

    @property
    def marks_words(self) -> bool:
        """Whether words of several ideographs are known."""
        return self.segmented or self.word_segmenter is not None
