"""Options of `bertprep export`."""

from dataclasses import dataclass
from pathlib import Path

from bertprep.options.fields import Options, option, require


@dataclass(frozen=True)
class ExportOptions(Options):
    """All options of `bertprep export`."""

    run: Path = option(..., "Folder of a training run.", group="Output", argument="RUN")
    output: Path = option(
        ..., "Output folder.", group="Output", flags=("--output", "-o"), metavar="PATH"
    )
    format: str = option(
        "huggingface",
        "Export to transformers, TensorFlow (SavedModel) or Keras.",
        group="Output",
        choices=("huggingface", "savedmodel", "keras"),
    )
    checkpoint: str = option(
        "last",
        "Checkpoint to export: the last one, the one with the lowest evaluation loss, or the one "
        "of a step.",
        group="Output",
        metavar="last|best|STEP",
    )
    overwrite: bool = option(
        False, "Replace files of the same names that no export wrote.", group="Output"
    )

    def check(self) -> None:
        require(
            self.checkpoint in ("last", "best") or self.checkpoint.isdecimal(),
            f"checkpoint must be last, best or the number of a step, got {self.checkpoint}",
        )
