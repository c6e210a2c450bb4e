"""The options of `bertprep export`."""

from dataclasses import dataclass
from pathlib import Path

from bertprep.options.checks import require


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
        require(
            self.format in ("huggingface", "savedmodel", "keras"),
            f"format must be huggingface, savedmodel or keras, got {self.format}",
        )
        require(
            self.checkpoint in ("last", "best") or self.checkpoint.isdecimal(),
            f"checkpoint must be last, best or the number of a step, got {self.checkpoint}",
        )
