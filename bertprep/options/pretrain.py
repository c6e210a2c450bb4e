"""The options of `bertprep pretrain`."""

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bertprep.options.checks import require


@dataclass(frozen=True)
class UpdateOptions:
    """How each update of the weights is made, and in how many places at once.

    Attributes:
        batch_size: sequences of an update, over all replicas and micro-batches.
        gradient_accumulation: micro-batches that a replica's share of an update is cut into.
        learning_rate: the highest one, where the warm-up ends.
        warmup: updates of the warm-up; below 1, the share of all steps.
        weight_decay: of AdamW; not on biases and LayerNorm.
        precision: of matrix products: "float32", "bfloat16" or "float16".
        xla: compile the whole step, or nothing; None compiles the update of the weights alone.
        seed: of fresh weights, of the order of the records and of dropout.
        distribute: "none", "mirrored" or "multiworker", by tf.distribute.
    """

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
        for name in ("batch_size", "gradient_accumulation"):
            value = getattr(self, name)
            require(value >= 1, f"{name} must be at least 1, got {value}")
        require(
            self.batch_size % self.gradient_accumulation == 0,
            f"batch_size must be a multiple of gradient_accumulation "
            f"({self.gradient_accumulation}), got {self.batch_size}",
        )
        rate, decay, warmup = self.learning_rate, self.weight_decay, self.warmup
        require(0.0 < rate < math.inf, f"learning_rate must be above 0, got {rate}")
        require(0.0 <= decay < math.inf, f"weight_decay must be 0 or more, got {decay}")
        require(
            0.0 <= warmup < 1.0 or (1.0 <= warmup < math.inf and warmup == int(warmup)),
            f"warmup must be a number of steps, or a share of them below 1, got {warmup}",
        )
        require(
            self.precision in ("float32", "bfloat16", "float16"),
            f"precision must be float32, bfloat16 or float16, got {self.precision}",
        )
        require(self.seed >= 0, f"seed must be 0 or more, got {self.seed}")
        require(
            self.distribute in ("none", "mirrored", "multiworker"),
            f"distribute must be none, mirrored or multiworker, got {self.distribute}",
        )


@dataclass(frozen=True)
class TrainingOptions(UpdateOptions):
    """What a training run's weights follow from, beside its data and its model.

    Attributes:
        steps: updates of the weights.
    """

    steps: int = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.steps >= 1, f"steps must be at least 1, got {self.steps}")
        require(
            self.warmup_steps <= self.steps,
            f"warmup must be at most steps ({self.steps}), got {self.warmup}",
        )

    @property
    def warmup_steps(self) -> int:
        """Updates of the warm-up."""
        return round(self.warmup * self.steps) if self.warmup < 1.0 else int(self.warmup)


@dataclass(frozen=True)
class PretrainOptions:
    """All of `bertprep pretrain`.

    Attributes:
        data: record files, globs, folders; of shards in a folder eval/ nothing is learned.
        output: the folder of the run.
        steps: updates of the weights; or
        epochs: times that the records are gone through, which is a number of steps.
        model: a published size, or the path of a bert_config.json; None takes that of `init_from`.
        vocab: the vocabulary file; None takes the one beside the records.
        init_from: weights to begin with.
        eval_every: steps between two passes over the held-out records; None is `save_every`.
        save_every: steps between two checkpoints.
        keep: of the last checkpoints, how many stay.
        log_every: steps that a line of metrics.jsonl tells of.
        plot: draw the curves when the run ends.
        tensorboard: write what TensorBoard reads.
        overwrite: remove what another run left in `output`.
        quiet: no progress, no notes, no summary.
        updates: how the weights are changed.
    """

    data: tuple[str, ...]
    output: Path
    steps: int | None = None
    epochs: float | None = None
    model: str | None = None
    vocab: Path | None = None
    init_from: Path | None = None
    eval_every: int | None = None
    save_every: int = 1000
    keep: int = 3
    log_every: int = 10
    plot: bool = False
    tensorboard: bool = False
    overwrite: bool = False
    quiet: bool = False
    updates: UpdateOptions = field(default_factory=UpdateOptions)

    def __post_init__(self) -> None:
        require(bool(self.data), "no records: name files, globs, or a folder")
        require(
            (self.steps is None) != (self.epochs is None),
            "say how long to train: --steps, or --epochs, and not both",
        )
        require(
            self.epochs is None or 0.0 < self.epochs < math.inf,
            f"epochs must be above 0, got {self.epochs}",
        )
        require(
            self.model is not None or self.init_from is not None,
            "say which model to train: --model with a published size or a bert_config.json, or "
            "--init-from with a model that is there",
        )
        for name in ("steps", "eval_every", "save_every", "keep", "log_every"):
            value = getattr(self, name)
            require(value is None or value >= 1, f"{name} must be at least 1, got {value}")
        if self.steps is not None:
            self.training(0)  # a warm-up that is too long is known at once

    def training(self, num_records: int) -> TrainingOptions:
        """The options of the updates, with their number for so many records."""
        steps = self.steps
        if steps is None:
            assert self.epochs is not None
            steps = max(1, math.ceil(self.epochs * num_records / self.updates.batch_size))
        return TrainingOptions(**asdict(self.updates), steps=steps)

    @property
    def eval_steps(self) -> int:
        """Steps between two passes over the held-out records."""
        return self.eval_every or self.save_every
