"""The options of `bertprep create`."""

import math
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from bertprep.options.checks import require, require_share
from bertprep.options.engine import EngineOptions
from bertprep.options.places import Place, place
from bertprep.options.segmenters import SEGMENTERS

#: The record format counts a sequence's bytes in numbers that fit three varint bytes.
LONGEST_SEQUENCE = 65536

#: What text can be stored as.
FORMATS = ("text", "paragraphs", "jsonl", "parquet", "wikiextractor")


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


@dataclass(frozen=True)
class InstanceOptions:
    """How tokenized documents become training instances; the reference's own names.

    Attributes:
        max_seq_length: tokens of an instance, [CLS] and both [SEP] counted.
        max_predictions_per_seq: masks of an instance at most; None is ceil(length x probability).
        masked_lm_prob: share of the tokens to mask.
        dupe_factor: how often the documents are gone through, with other masks each time.
        short_seq_prob: share of the documents whose instances aim at a shorter length.
        random_seed: partition p draws from `random.Random(random_seed + p)`.
        whole_word_mask: mask all pieces of a word or none.
        quirks: "keep" draws as the reference does, "fix" mends three oddities (see the README).
    """

    max_seq_length: int = 128
    max_predictions_per_seq: int | None = None
    masked_lm_prob: float = 0.15
    dupe_factor: int = 10
    short_seq_prob: float = 0.1
    random_seed: int = 12345
    whole_word_mask: bool = True
    quirks: str = "keep"

    def __post_init__(self) -> None:
        length = self.max_seq_length
        require(
            5 <= length <= LONGEST_SEQUENCE,
            f"max_seq_length must be between 5 and {LONGEST_SEQUENCE}, got {length}",
        )
        require_share("masked_lm_prob", self.masked_lm_prob)
        require_share("short_seq_prob", self.short_seq_prob)
        if self.max_predictions_per_seq is None:
            # Rounded first: 100 x 0.07 is 7.000000000000001 in floating point, and means 7.
            predictions = math.ceil(round(length * self.masked_lm_prob, 9))
            object.__setattr__(self, "max_predictions_per_seq", max(1, predictions))
        require(
            1 <= self.predictions <= length,
            f"max_predictions_per_seq must be between 1 and max_seq_length ({length}), "
            f"got {self.predictions}",
        )
        require(self.dupe_factor >= 1, f"dupe_factor must be at least 1, got {self.dupe_factor}")
        require(self.random_seed >= 0, f"random_seed must be 0 or more, got {self.random_seed}")
        require(self.quirks in ("keep", "fix"), f"quirks must be keep or fix, got {self.quirks}")

    @property
    def predictions(self) -> int:
        """max_predictions_per_seq as the number that it is after the checks."""
        assert self.max_predictions_per_seq is not None
        return self.max_predictions_per_seq


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
class RecordOptions:
    """How instances stand in the files.

    Attributes:
        compression: "none" or "gzip".
        feature_names: "v1" as the reference, "v2" as the TensorFlow Model Garden.
    """

    compression: str = "none"
    feature_names: str = "v1"

    def __post_init__(self) -> None:
        require(
            self.compression in ("none", "gzip"),
            f"compression must be none or gzip, got {self.compression}",
        )
        require(
            self.feature_names in ("v1", "v2"),
            f"feature_names must be v1 or v2, got {self.feature_names}",
        )


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class CreateOptions:
    """All of `bertprep create`.

    Attributes:
        inputs: files, globs, folders, URLs of these; "-" is stdin.
        vocab: the vocabulary file.
        output: the folder of the shards; a URL as a str.
        num_shards: files to write; None follows the partitions.
        num_partitions: None follows the size of the corpus.
        eval_fraction: share of the documents that are held out.
        workers: processes; None is all cores.
        check_disk: compare an estimate of the output with the free disk first.
        overwrite: remove what another run left in `output`.
        work_folder: where shards are built whose output is a URL; None is a temporary folder.
        dry_run: look ahead and write nothing.
        quiet: no progress, no warnings.
    """

    inputs: tuple[str, ...]
    vocab: Path
    output: Place
    num_shards: int | None = None
    num_partitions: int | None = None
    eval_fraction: float = 0.0
    workers: int | None = None
    check_disk: bool = True
    overwrite: bool = False
    work_folder: Path | None = None
    dry_run: bool = False
    quiet: bool = False
    tokenizer: TokenizerOptions = field(default_factory=TokenizerOptions)
    instances: InstanceOptions = field(default_factory=InstanceOptions)
    corpus: CorpusOptions = field(default_factory=CorpusOptions)
    records: RecordOptions = field(default_factory=RecordOptions)
    execution: EngineOptions = field(default_factory=EngineOptions)

    def __post_init__(self) -> None:
        require(bool(self.inputs), "no input: name files, globs, folders, or - for stdin")
        require(
            self.corpus.format != "paragraphs" or self.corpus.split_sentences is not None,
            "--format paragraphs has no sentences, and instances are made of them: pass "
            "--split-sentences LANG",
        )
        for name in ("num_shards", "num_partitions", "workers"):
            value = getattr(self, name)
            require(value is None or value >= 1, f"{name} must be at least 1, got {value}")
        require(
            self.workers is None or self.execution.engine == "local",
            "workers are processes of this machine; with --engine spark, say how many with "
            "--spark-conf spark.cores.max=N or spark.executor.instances=N",
        )
        require(
            0.0 <= self.eval_fraction < 1.0,
            f"eval_fraction must be 0 or more and below 1, got {self.eval_fraction}",
        )
        object.__setattr__(self, "output", place(str(self.output)))
        require(
            self.work_folder is None or isinstance(self.output, str),
            f"work_folder is for an output on an object store, got {self.work_folder} with "
            f"{self.output}",
        )
        require(
            self.instances.whole_word_mask or not self.tokenizer.marks_words,
            "words of several ideographs are marked for whole-word masking alone: leave out "
            "--no-whole-word-mask, or --segmented and --word-segmenter",
        )
