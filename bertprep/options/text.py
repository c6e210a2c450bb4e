"""Options of every command that reads a corpus: how text is stored, and how it is tokenized."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from bertprep.errors import UsageError
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
    rows: str = option(
        "documents",
        "What a row of JSON lines or parquet is: a document, or a line, where an empty row ends a "
        "document.",
        group="Corpus",
        choices=("documents", "lines"),
    )
    text_field: str = option(
        "text",
        "Field of the text in JSON lines, as a dotted path: meta.body.",
        group="Corpus",
        metavar="NAME",
    )
    text_column: str = option(
        "text",
        "Column of the text in parquet files, or a dotted path into structs: article.text.",
        group="Corpus",
        metavar="NAME",
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
    tokenize_chinese_chars: bool = option(
        True,
        "Split text at each Chinese character. Pass --no-tokenize-chinese-chars with a vocabulary "
        "of Chinese words.",
        group="Text",
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

    @classmethod
    def parse(cls, values: Any, name: str) -> "TokenizerOptions":
        """Return the options that the file `name` holds; it may lack some, or have newer ones.

        Raises:
            UsageError: these are not the options of a tokenizer.
        """
        try:
            known = {each: values[each.name] for each in fields(cls) if each.name in values}
            for each, value in known.items():
                kind: Any = list if each.name == "never_split" else each.type
                require(isinstance(value, kind), each.name)
            return cls(**{each.name: value for each, value in known.items()})
        except (TypeError, UsageError):
            raise UsageError(f"{name}: bertprep did not write these tokenizer options") from None

    def check(self) -> None:
        if self.strip_accents is None:
            object.__setattr__(self, "strip_accents", self.lowercase)
        require(
            not (self.segmented and self.word_segmenter),
            "segmented text has its words already: leave out --segmented or --word-segmenter",
        )
        require(
            self.tokenize_chinese_chars or not self.marks_words,
            "words are whole with --no-tokenize-chinese-chars, and masked whole: leave out "
            "--segmented or --word-segmenter",
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


def differing_options(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, str]:
    """Return the flags that make `second` like `first`, by each option that both know.

    Args:
        first: tokenizer options by name, or some of them.
        second: the same of another tokenizer.
    """
    return {
        name: flags_of(name, first[name])
        for name, value in second.items()
        if name in first and value != first[name]
    }


def flags_of(name: str, value: Any) -> str:
    """Return a tokenizer option as it is typed."""
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{flag}" if value else f"--no-{flag}"
    if not value:
        return f"no --{flag}"
    values = value if isinstance(value, list | tuple) else [value]
    return " ".join(f"--{flag} {each}" for each in values)
