"""Options of `bertprep pretrain`."""

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bertprep.options.fields import Options, option, part, require


@dataclass(frozen=True)
class UpdateOptions(Options):
    """How each update of the weights is made, and on how many devices."""

    batch_size: int = option(
        32,
        "Sequences per update, over all devices and micro-batches.",
        group="Optimization",
        at_least=1,
    )
    gradient_accumulation: int = option(
        1,
        "Micro-batches per update: the same update in less memory.",
        group="Optimization",
        at_least=1,
    )
    learning_rate: float = option(
        1e-4, "Peak learning rate.", group="Optimization", metavar="RATE", above=0
    )
    warmup: float = option(
        0.01,
        "Warm-up steps; below 1, the share of all steps.",
        group="Optimization",
        metavar="STEPS|SHARE",
    )
    weight_decay: float = option(
        0.01,
        "Weight decay of AdamW, not applied to biases and LayerNorm.",
        group="Optimization",
        metavar="RATE",
        at_least=0,
    )
    precision: str = option(
        "float32",
        "Precision of matrix products; weights are float32.",
        group="Execution",
        choices=("float32", "bfloat16", "float16"),
    )
    xla: bool | None = option(
        None,
        "Compile the whole step with XLA, or nothing.",
        group="Execution",
        shown_default="the update of the weights alone",
    )
    seed: int = option(
        12345,
        "Random seed for initial weights, data order and dropout.",
        group="Optimization",
        at_least=0,
    )
    distribute: str = option(
        "none",
        "Train on one device (none), on all devices of this machine (mirrored), or on the machines "
        "of TF_CONFIG (multiworker).",
        group="Execution",
        choices=("none", "mirrored", "multiworker"),
    )

    def check(self) -> None:
        require(
            self.batch_size % self.gradient_accumulation == 0,
            f"batch_size must be a multiple of gradient_accumulation "
            f"({self.gradient_accumulation}), got {self.batch_size}",
        )
        warmup = self.warmup
        require(
            0.0 <= warmup < 1.0 or (1.0 <= warmup < math.inf and warmup == int(warmup)),
            f"warmup must be a number of steps, or a share of them below 1, got {warmup}",
        )


@dataclass(frozen=True)
class TrainingOptions(UpdateOptions):
    """What the weights of a run follow from, beside its data and its model.

    Attributes:
        steps: number of updates of the weights.
    """

    steps: int = field(kw_only=True)

    def check(self) -> None:
        super().check()
        require(self.steps >= 1, f"steps must be at least 1, got {self.steps}")
        require(
            self.warmup_steps <= self.steps,
            f"warmup must be at most steps ({self.steps}), got {self.warmup}",
        )

    @property
    def warmup_steps(self) -> int:
        """Return the number of warm-up steps."""
        return round(self.warmup * self.steps) if self.warmup < 1.0 else int(self.warmup)


@dataclass(frozen=True)
class PretrainOptions(Options):
    """All options of `bertprep pretrain`."""

    data: tuple[str, ...] = option(
        ..., "Record files, globs or folders.", group="Model", argument="DATA..."
    )
    output: Path = option(
        ..., "Folder of the run.", group="Output", flags=("--output", "-o"), metavar="PATH"
    )
    steps: int | None = option(
        None, "Number of updates of the weights; or use --epochs.", group="Optimization", at_least=1
    )
    epochs: float | None = option(None, "Passes over the records.", group="Optimization", above=0)
    model: str | None = option(
        None,
        "A published size, or a bert_config.json.",
        group="Model",
        metavar="tiny|mini|small|medium|base|large|FILE",
    )
    vocab: Path | None = option(
        None,
        "Vocabulary file.",
        group="Model",
        flags=("--vocab", "--vocab-file"),
        metavar="FILE",
        shown_default="the one beside the records",
    )
    init_from: Path | None = option(
        None,
        "Start from the weights of a run, a Hugging Face folder, or a TensorFlow 1 checkpoint.",
        group="Model",
        metavar="PATH",
    )
    eval_every: int | None = option(
        None,
        "Evaluate on eval/ every N steps, and at the end.",
        group="Evaluation and checkpoints",
        shown_default="with each checkpoint",
        at_least=1,
    )
    save_every: int = option(
        1000, "Save a checkpoint every N steps.", group="Evaluation and checkpoints", at_least=1
    )
    keep: int = option(
        3,
        "Number of latest checkpoints to keep, beside the best one.",
        group="Evaluation and checkpoints",
        at_least=1,
    )
    log_every: int = option(10, "Write metrics every N steps.", group="Output", at_least=1)
    plot: bool = option(
        False, "Draw the curves into curves.png at the end of the run.", group="Output"
    )
    tensorboard: bool = option(False, "Write TensorBoard summaries too.", group="Output")
    overwrite: bool = option(
        False, "Remove what another command left in the output folder.", group="Output"
    )
    quiet: bool = option(
        False,
        "Print errors only: no progress, no notes, no summary.",
        group="Output",
        flags=("--quiet", "-q"),
    )
    updates: UpdateOptions = part(UpdateOptions)

    def check(self) -> None:
        require(bool(self.data), "no records: name files, globs, or a folder")
        require(
            (self.steps is None) != (self.epochs is None),
            "say how long to train: --steps, or --epochs, and not both",
        )
        require(
            self.model is not None or self.init_from is not None,
            "say which model to train: --model with a published size or a bert_config.json, or "
            "--init-from with a model that is there",
        )
        if self.steps is not None:
            self.training(0)  # a warm-up that is too long is known at once

    def training(self, num_records: int) -> TrainingOptions:
        """Return the options of the updates, with the number of steps for so many records."""
        steps = self.steps
        if steps is None:
            assert self.epochs is not None
            steps = max(1, math.ceil(self.epochs * num_records / self.updates.batch_size))
        return TrainingOptions(**asdict(self.updates), steps=steps)

    @property
    def eval_steps(self) -> int:
        """Return the number of steps between two evaluations."""
        return self.eval_every or self.save_every
