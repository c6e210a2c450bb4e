"""Options of `bertprep create`."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from bertprep.options.engine import EngineOptions
from bertprep.options.fields import Options, option, part, require
from bertprep.options.places import Place, is_url, place
from bertprep.options.text import CorpusOptions, TokenizerOptions

#: The record format counts a sequence's bytes in numbers that fit three varint bytes.
LONGEST_SEQUENCE = 65536


@dataclass(frozen=True)
class InstanceOptions(Options):
    """How tokenized documents become training instances, under the reference's names.

    Attributes:
        max_predictions_per_seq: None becomes ceil(max_seq_length x masked_lm_prob).
        random_seed: partition p draws from `random.Random(random_seed + p)`.
    """

    max_seq_length: int = option(
        128,
        "Maximum tokens per sequence, [CLS] and [SEP] included.",
        group="Records",
        at_least=5,
        at_most=LONGEST_SEQUENCE,
    )
    max_predictions_per_seq: int | None = option(
        None,
        "Maximum masked tokens per sequence.",
        group="Records",
        shown_default="length x probability, rounded up: 20",
    )
    masked_lm_prob: float = option(
        0.15, "Share of the tokens to mask.", group="Records", metavar="P", at_least=0, at_most=1
    )
    dupe_factor: int = option(
        10,
        "Passes over the corpus, each masked differently.",
        group="Records",
        at_least=1,
        at_most=100_000,
    )
    short_seq_prob: float = option(
        0.1,
        "Probability of targeting a shorter sequence.",
        group="Records",
        metavar="P",
        at_least=0,
        at_most=1,
    )
    random_seed: int = option(
        12345,
        "Random seed; partition p draws with seed + p.",
        group="Records",
        flags=("--seed", "--random-seed"),
        at_least=0,
    )
    whole_word_mask: bool = option(
        True,
        "Mask all pieces of a word or none.",
        group="Records",
        flags=("--whole-word-mask", "--do-whole-word-mask"),
    )
    quirks: str = option(
        "keep",
        "Keep three oddities of the reference, or fix them.",
        group="Records",
        choices=("keep", "fix"),
    )

    def check(self) -> None:
        length = self.max_seq_length
        if self.max_predictions_per_seq is None:
            # Rounded first: 100 x 0.07 is 7.000000000000001 in floating point, and means 7.
            predictions = math.ceil(round(length * self.masked_lm_prob, 9))
            object.__setattr__(self, "max_predictions_per_seq", max(1, predictions))
        require(
            1 <= self.predictions <= length,
            f"max_predictions_per_seq must be between 1 and max_seq_length ({length}), "
            f"got {self.predictions}",
        )

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
        """Return `max_predictions_per_seq`, a number after the checks."""
        assert self.max_predictions_per_seq is not None
        return self.max_predictions_per_seq

    def num_to_predict(self, num_tokens: int) -> int:
        """Return the mask budget of a sequence of `num_tokens` tokens, [CLS] and [SEP] included."""
        return min(self.predictions, max(1, round(num_tokens * self.masked_lm_prob)))


@dataclass(frozen=True)
class RecordOptions(Options):
    """How instances are stored."""

    compression: str = option(
        "none", "Shard compression.", group="Records", choices=("none", "gzip")
    )
    feature_names: str = option(
        "v1",
        "Feature names: input_ids as in the reference (v1), or input_word_ids as in the "
        "TensorFlow Model Garden (v2).",
        group="Records",
        choices=("v1", "v2"),
    )


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class CreateOptions(Options):
    """All options of `bertprep create`.

    Attributes:
        inputs: files, globs, folders, URLs of these; "-" is stdin.
        output: a folder; a URL as a str.
    """

    inputs: tuple[str, ...] = option(
        ...,
        "Files, globs, folders, URLs of these, or - for stdin.",
        group="Corpus",
        argument="CORPUS...",
    )
    vocab: Path = option(
        ...,
        "Vocabulary file, one token per line.",
        group="Text",
        flags=("--vocab", "--vocab-file"),
        metavar="FILE",
    )
    output: Place = option(
        ...,
        "Output folder, local or on an object store.",
        group="Output",
        flags=("--output", "-o"),
        metavar="PATH|URL",
    )
    output_file: tuple[str, ...] = option(
        (),
        "Files to link the shards to, as in the reference: one per shard, separated by commas. "
        "Without --output, the folder is named after the first, plus .data.",
        group="Output",
        metavar="FILES",
    )
    num_shards: int | None = option(
        None, "Number of shards.", group="Output", shown_default="one per partition", at_least=1
    )
    num_partitions: int | None = option(
        None,
        "Number of partitions: parts of the corpus that are shuffled, and draw random sentences, "
        "on their own.",
        group="Output",
        shown_default="one per 8 MB of text",
        at_least=1,
    )
    eval_fraction: float = option(
        0.0,
        "Share of the documents to hold out, in shards in eval/.",
        group="Output",
        metavar="F",
        at_least=0,
        below=1,
    )
    workers: int | None = option(
        None,
        "Number of worker processes.",
        group="Execution",
        flags=("--workers", "-j"),
        shown_default="all cores",
        at_least=1,
    )
    check_disk: bool = option(
        True, "Compare the estimated output with the free disk space first.", group="Output"
    )
    overwrite: bool = option(
        False, "Remove what another command left in the output folder.", group="Output"
    )
    work_folder: Path | None = option(
        None,
        "Folder to build shards in when --output is a URL.",
        group="Output",
        metavar="PATH",
        shown_default="a temporary folder",
    )
    dry_run: bool = option(
        False,
        "Show what would be written and what may be wrong, from a sample. Write nothing.",
        group="Output",
    )
    quiet: bool = option(
        False,
        "Print errors only: no progress, no warnings, no summary.",
        group="Output",
        flags=("--quiet", "-q"),
    )
    tokenizer: TokenizerOptions = part(TokenizerOptions)
    instances: InstanceOptions = part(InstanceOptions)
    corpus: CorpusOptions = part(CorpusOptions)
    records: RecordOptions = part(RecordOptions)
    execution: EngineOptions = part(EngineOptions)

    def check(self) -> None:
        require(bool(self.inputs), "no input: name files, globs, folders, or - for stdin")
        require(
            self.corpus.format != "paragraphs" or self.corpus.split_sentences is not None,
            "--format paragraphs has no sentences, and instances are made of them: pass "
            "--split-sentences LANG",
        )
        self.execution.check_workers(self.workers)
        object.__setattr__(self, "output", place(str(self.output)))
        if self.output_file:
            number = len(self.output_file)
            require(
                isinstance(self.output, Path) and not any(map(is_url, self.output_file)),
                "--output-file names local files: for a URL, pass --output alone",
            )
            require(
                len(set(self.output_file)) == number,
                f"--output-file names a file twice: {', '.join(self.output_file)}",
            )
            require(
                self.num_shards in (None, number),
                f"num_shards must be {number}, the number of files in --output-file, got "
                f"{self.num_shards}",
            )
            object.__setattr__(self, "num_shards", number)
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
