"""The options of every command that reads a corpus: what is text in it, and what becomes of it."""

import re
from dataclasses import dataclass

from bertprep.options.checks import require
from bertprep.options.segmenters import SEGMENTERS

#: What text can be stored as.
FORMATS = ("text", "paragraphs", "jsonl", "parquet", "wikiextractor")


@dataclass(frozen=True)
class CorpusOptions:
    """What is read, and what is done about text that is not as it should be.

    Attributes:
        format: one of FORMATS, or "auto": what each file looks like.
        document_break: where documents of "paragraphs" end, at an "empty-line" or with the "file".
        text_field: the field of a JSON line that has the text; a dotted path.
        text_column: the column of a parquet file that has the text.
        on_error: at a document that cannot be read, "stop", or "skip" it.
        encoding_errors: at bytes that are not UTF-8 and at NUL, "strict" stops, "replace" puts
            U+FFFD for them, "skip" leaves their line out.
        max_line_chars: a longer line is an error.
        max_document_bytes: a larger document is an error.
        split_sentences: ISO 639 code of the language by whose rules a line is split into
            sentences ("EN", "en-US" and "en_GB" are "en"); None takes a line for a sentence.
        max_sentence_tokens: a sentence of more tokens is cut into parts between words; None cuts
            none.
    """

    format: str = "auto"
    document_break: str = "empty-line"
    text_field: str = "text"
    text_column: str = "text"
    on_error: str = "stop"
    encoding_errors: str = "strict"
    max_line_chars: int = 1_000_000
    max_document_bytes: int = 256_000_000
    split_sentences: str | None = None
    max_sentence_tokens: int | None = None

    def __post_init__(self) -> None:
        require(
            self.format in ("auto", *FORMATS),
            f"format must be auto or one of {', '.join(FORMATS)}, got {self.format}",
        )
        require(
            self.document_break in ("empty-line", "file"),
            f"document_break must be empty-line or file, got {self.document_break}",
        )
        require(
            self.on_error in ("stop", "skip"), f"on_error must be stop or skip, got {self.on_error}"
        )
        for name in ("text_field", "text_column"):
            require(bool(getattr(self, name)), f"{name} must be a name, got an empty one")
        require(
            self.encoding_errors in ("strict", "replace", "skip"),
            f"encoding_errors must be strict, replace or skip, got {self.encoding_errors}",
        )
        require(
            self.max_line_chars >= 1, f"max_line_chars must be 1 or more, got {self.max_line_chars}"
        )
        require(
            self.max_document_bytes >= 1,
            f"max_document_bytes must be 1 or more, got {self.max_document_bytes}",
        )
        if self.split_sentences is not None:
            language = re.split("[-_]", self.split_sentences.strip().lower())[0]
            require(
                re.fullmatch("[a-z]{2,3}", language) is not None,
                f"split_sentences must be the code of a language, as en, de or zh, "
                f"got {self.split_sentences!r}",
            )
            object.__setattr__(self, "split_sentences", language)
        require(
            self.max_sentence_tokens is None or self.max_sentence_tokens >= 1,
            f"max_sentence_tokens must be at least 1, got {self.max_sentence_tokens}",
        )


@dataclass(frozen=True)
class TokenizerOptions:
    """How text becomes pieces.

    Attributes:
        lowercase: lower-case the text before it is looked up.
        strip_accents: drop combining marks; None follows `lowercase`.
        max_input_chars_per_word: a longer word, in code points, is one [UNK].
        segmented: blanks stand between words in unspaced scripts too; the ideographs of a word are
            masked together.
        word_segmenter: the same by a library, one of SEGMENTERS, for text without such blanks.
        never_split: pieces that stand for themselves in text, as they are, between borders of
            words; sorted.
    """

    lowercase: bool = True
    strip_accents: bool | None = None
    max_input_chars_per_word: int = 200
    segmented: bool = False
    word_segmenter: str | None = None
    never_split: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.strip_accents is None:
            object.__setattr__(self, "strip_accents", self.lowercase)
        require(
            self.max_input_chars_per_word >= 1,
            f"max_input_chars_per_word must be at least 1, got {self.max_input_chars_per_word}",
        )
        require(
            self.word_segmenter is None or self.word_segmenter in SEGMENTERS,
            f"word_segmenter must be {' or '.join(SEGMENTERS)}, got {self.word_segmenter}",
        )
        require(
            not (self.segmented and self.word_segmenter),
            "segmented text has its words already: leave out --segmented or --word-segmenter",
        )
        # From a plan they come as a list; the order says nothing.
        object.__setattr__(self, "never_split", tuple(sorted(set(self.never_split))))
        for token in self.never_split:
            require(
                bool(token) and not any(map(str.isspace, token)),
                f"never_split tokens must have no blanks in them, got {token!r}",
            )

    @property
    def marks_words(self) -> bool:
        """Words of several ideographs are known."""
        return self.segmented or self.word_segmenter is not None
