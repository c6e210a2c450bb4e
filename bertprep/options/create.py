"""The options of `bertprep create`."""

import math
import os
from dataclasses import dataclass, field
from pathlib import Path

from bertprep.options.checks import require, require_share
from bertprep.options.engine import EngineOptions
from bertprep.options.places import Place, place
from bertprep.options.text import CorpusOptions, TokenizerOptions

#: The record format counts a sequence's bytes in numbers that fit three varint bytes.
LONGEST_SEQUENCE = 65536


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
    def objective(self) -> str:
        """Name of the pretraining objective."""
        return "nsp"

    @property
    def masking(self) -> str:
        """Name of the masking."""
        return "whole-word" if self.whole_word_mask else "wordpiece"

    @property
    def predictions(self) -> int:
        """max_predictions_per_seq as the number that it is after the checks."""
        assert self.max_predictions_per_seq is not None
        return self.max_predictions_per_seq

    def num_to_predict(self, num_tokens: int) -> int:
        """Return the mask budget of a sequence of `num_tokens` tokens, [CLS] and [SEP] included."""
        return min(self.predictions, max(1, round(num_tokens * self.masked_lm_prob)))


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
            self.execution.engine == "local"
            or isinstance(self.output, Path)
            or self.work_folder is not None,
            "shards for a URL are built in a work folder, which all machines of a cluster must "
            "see: pass --work-folder with --engine spark",
        )
        require(
            self.instances.whole_word_mask or not self.tokenizer.marks_words,
            "words of several ideographs are marked for whole-word masking alone: leave out "
            "--no-whole-word-mask, or --segmented and --word-segmenter",
        )
