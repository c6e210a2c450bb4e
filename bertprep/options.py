"""The options of each stage: frozen, checked once, with the defaults that the flags show.

Nothing below `cli` sees a flag; a stage takes the one object that is its own.
"""

import math
import os
from dataclasses import dataclass, field
from pathlib import Path

from bertprep.errors import UsageError

#: The record format counts a sequence's bytes in numbers that fit three varint bytes.
LONGEST_SEQUENCE = 65536


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise UsageError(message)


def _require_share(name: str, value: float) -> None:
    _require(0.0 <= value <= 1.0, f"{name} must be between 0 and 1, got {value}")


@dataclass(frozen=True)
class TokenizerOptions:
    """How text becomes pieces.

    Attributes:
        lowercase: lower-case the text before it is looked up.
        strip_accents: drop combining marks; None follows `lowercase`.
        max_input_chars_per_word: a longer word, in code points, is one [UNK].
    """

    lowercase: bool = True
    strip_accents: bool | None = None
    max_input_chars_per_word: int = 200

    def __post_init__(self) -> None:
        if self.strip_accents is None:
            object.__setattr__(self, "strip_accents", self.lowercase)
        _require(
            self.max_input_chars_per_word >= 1,
            f"max_input_chars_per_word must be at least 1, got {self.max_input_chars_per_word}",
        )


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
        _require(
            5 <= length <= LONGEST_SEQUENCE,
            f"max_seq_length must be between 5 and {LONGEST_SEQUENCE}, got {length}",
        )
        _require_share("masked_lm_prob", self.masked_lm_prob)
        _require_share("short_seq_prob", self.short_seq_prob)
        if self.max_predictions_per_seq is None:
            # Rounded first: 100 x 0.07 is 7.000000000000001 in floating point, and means 7.
            predictions = math.ceil(round(length * self.masked_lm_prob, 9))
            object.__setattr__(self, "max_predictions_per_seq", max(1, predictions))
        _require(
            1 <= self.predictions <= length,
            f"max_predictions_per_seq must be between 1 and max_seq_length ({length}), "
            f"got {self.predictions}",
        )
        _require(self.dupe_factor >= 1, f"dupe_factor must be at least 1, got {self.dupe_factor}")
        _require(self.random_seed >= 0, f"random_seed must be 0 or more, got {self.random_seed}")
        _require(self.quirks in ("keep", "fix"), f"quirks must be keep or fix, got {self.quirks}")

    @property
    def predictions(self) -> int:
        """max_predictions_per_seq as the number that it is after the checks."""
        assert self.max_predictions_per_seq is not None
        return self.max_predictions_per_seq


@dataclass(frozen=True)
class CorpusOptions:
    """What is read, and what is done about text that is not as it should be.

    Attributes:
        encoding_errors: at bytes that are not UTF-8 and at NUL, "strict" stops, "replace" puts
            U+FFFD for them, "skip" leaves their line out.
        max_line_chars: a longer line is an error.
        max_document_bytes: a larger document is an error.
    """

    encoding_errors: str = "strict"
    max_line_chars: int = 1_000_000
    max_document_bytes: int = 256_000_000

    def __post_init__(self) -> None:
        _require(
            self.encoding_errors in ("strict", "replace", "skip"),
            f"encoding_errors must be strict, replace or skip, got {self.encoding_errors}",
        )
        _require(
            self.max_line_chars >= 1, f"max_line_chars must be 1 or more, got {self.max_line_chars}"
        )
        _require(
            self.max_document_bytes >= 1,
            f"max_document_bytes must be 1 or more, got {self.max_document_bytes}",
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
        _require(
            self.compression in ("none", "gzip"),
            f"compression must be none or gzip, got {self.compression}",
        )
        _require(
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
        inputs: files, globs, folders; "-" is stdin.
        vocab: the vocabulary file.
        output: the folder of the shards.
        num_shards: files to write; None follows the partitions.
        num_partitions: None follows the size of the corpus.
        eval_fraction: share of the documents that are held out.
        workers: processes; None is all cores.
        check_disk: compare an estimate of the output with the free disk first.
        overwrite: remove what another run left in `output`.
        quiet: no progress, no warnings.
    """

    inputs: tuple[str, ...]
    vocab: Path
    output: Path
    num_shards: int | None = None
    num_partitions: int | None = None
    eval_fraction: float = 0.0
    workers: int | None = None
    check_disk: bool = True
    overwrite: bool = False
    quiet: bool = False
    tokenizer: TokenizerOptions = field(default_factory=TokenizerOptions)
    instances: InstanceOptions = field(default_factory=InstanceOptions)
    corpus: CorpusOptions = field(default_factory=CorpusOptions)
    records: RecordOptions = field(default_factory=RecordOptions)

    def __post_init__(self) -> None:
        _require(bool(self.inputs), "no input: name files, globs, folders, or - for stdin")
        for name in ("num_shards", "num_partitions", "workers"):
            value = getattr(self, name)
            _require(value is None or value >= 1, f"{name} must be at least 1, got {value}")
        _require(
            0.0 <= self.eval_fraction < 1.0,
            f"eval_fraction must be 0 or more and below 1, got {self.eval_fraction}",
        )


@dataclass(frozen=True)
class TrainingOptions:
    """What a training run's weights follow from, beside its data and its model.

    Attributes:
        steps: updates of the weights.
        batch_size: sequences of an update, over all replicas and micro-batches.
        gradient_accumulation: micro-batches that a replica's share of an update is cut into.
        learning_rate: the highest one, where the warm-up ends.
        warmup: updates of the warm-up; below 1, the share of `steps`.
        weight_decay: of AdamW; not on biases and LayerNorm.
        precision: of matrix products: "float32", "bfloat16" or "float16".
        xla: compile the whole step, or nothing; None compiles the update of the weights alone.
        seed: of fresh weights, of the order of the records and of dropout.
        distribute: "none", "mirrored" or "multiworker", by tf.distribute.
    """

    steps: int
    batch_size: int = 32
    gradient_accumulation: int = 1
    learning_rate: float = 1e-4
    warmup: float = 0.01
    weight_decay: float = 0.01
    precision: str = "float32"
    xla: bool | None = None
    seed: int = 12345
    distribute: str = "none"

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "gradient_accumulation"):
            value = getattr(self, name)
            _require(value >= 1, f"{name} must be at least 1, got {value}")
        _require(
            self.batch_size % self.gradient_accumulation == 0,
            f"batch_size must be a multiple of gradient_accumulation "
            f"({self.gradient_accumulation}), got {self.batch_size}",
        )
        rate, decay, warmup = self.learning_rate, self.weight_decay, self.warmup
        _require(rate > 0.0, f"learning_rate must be above 0, got {rate}")
        _require(decay >= 0.0, f"weight_decay must be 0 or more, got {decay}")
        _require(
            warmup >= 0.0 and (warmup < 1.0 or warmup == int(warmup)),
            f"warmup must be a number of steps, or a share of them below 1, got {warmup}",
        )
        _require(
            self.warmup_steps <= self.steps,
            f"warmup must be at most steps ({self.steps}), got {warmup}",
        )
        _require(
            self.precision in ("float32", "bfloat16", "float16"),
            f"precision must be float32, bfloat16 or float16, got {self.precision}",
        )
        _require(self.seed >= 0, f"seed must be 0 or more, got {self.seed}")
        _require(
            self.distribute in ("none", "mirrored", "multiworker"),
            f"distribute must be none, mirrored or multiworker, got {self.distribute}",
        )

    @property
    def warmup_steps(self) -> int:
        """Updates of the warm-up."""
        return round(self.warmup * self.steps) if self.warmup < 1.0 else int(self.warmup)


@dataclass(frozen=True)
class InspectOptions:
    """All of `bertprep inspect`. Without a mode (stats, verify, report, compare) it shows records.

    Attributes:
        paths: record files, globs, folders.
        vocab: the vocabulary file; None takes the one beside the records.
        num: records to show.
        skip: records to pass over first.
        index: the one record to show, "SHARD:K": a shard's name, or its place among the shards,
            and a record's place in it, both from 0.
        sample: records to show that are drawn at random; None shows them in order.
        seed: of the sample.
        find: show records with this piece or word only.
        json: one JSON object a record, or one for the whole of a mode.
        raw: features as they are stored.
        stats: measure the records.
        verify: check every byte and every rule.
        report: the HTML page to write.
        compare: another data set to compare this one with.
        workers: processes; None is all cores.
        quiet: no progress, no notes.
    """

    paths: tuple[str, ...]
    vocab: Path | None = None
    num: int = 3
    skip: int = 0
    index: str | None = None
    sample: int | None = None
    seed: int = 0
    find: str | None = None
    json: bool = False
    raw: bool = False
    stats: bool = False
    verify: bool = False
    report: Path | None = None
    compare: str | None = None
    workers: int | None = None
    quiet: bool = False

    def __post_init__(self) -> None:
        _require(bool(self.paths), "no records: name files, globs, or a folder")
        _require(self.num >= 1, f"num must be at least 1, got {self.num}")
        _require(self.skip >= 0, f"skip must be 0 or more, got {self.skip}")
        _require(self.seed >= 0, f"seed must be 0 or more, got {self.seed}")
        for name in ("sample", "workers"):
            value = getattr(self, name)
            _require(value is None or value >= 1, f"{name} must be at least 1, got {value}")
        modes = [name for name in ("stats", "verify", "report", "compare") if getattr(self, name)]
        _require(len(modes) <= 1, f"--{' and --'.join(modes)} are one at a time")
        chosen = [name for name in ("index", "sample", "find") if getattr(self, name) is not None]
        if modes:
            shown = [*chosen, *(["raw"] if self.raw else []), *(["skip"] if self.skip else [])]
            _require(not shown, f"--{modes[0]} takes all records, and no --{' or --'.join(shown)}")
        _require(len(chosen) <= 1, f"--{' and --'.join(chosen)} are one at a time")
        _require(
            self.index is None or self.index.rpartition(":")[2].isdecimal(),
            f"index must be SHARD:K with a number for K, as in 0:17, got {self.index}",
        )
        _require(not (self.report and self.json), "--report is a page, and takes no --json")


@dataclass(frozen=True)
class ExportOptions:
    """All of `bertprep export`.

    Attributes:
        run: the folder of `bertprep pretrain`.
        output: the folder to write.
        format: "huggingface" for transformers, "savedmodel" for TensorFlow, "keras" for Keras.
        checkpoint: "last", "best" (by its loss held out), or the number of a step.
        overwrite: replace files in `output` that no export wrote.
    """

    run: Path
    output: Path
    format: str = "huggingface"
    checkpoint: str = "last"
    overwrite: bool = False

    def __post_init__(self) -> None:
        _require(
            self.format in ("huggingface", "savedmodel", "keras"),
            f"format must be huggingface, savedmodel or keras, got {self.format}",
        )
        _require(
            self.checkpoint in ("last", "best") or self.checkpoint.isdecimal(),
            f"checkpoint must be last, best or the number of a step, got {self.checkpoint}",
        )
