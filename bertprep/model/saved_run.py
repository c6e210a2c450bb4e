"""The folder of a training run: names of its files, description of the model, checkpoints.

    run.json            plan of the run, tokenizer options, number of trained positions
    bert_config.json    shape of the model
    vocab.txt           vocabulary of the data
    checkpoints/        step-00001000.npz, ..., best.json
    metrics.jsonl       losses and accuracies
    curves.png          the same as a chart
    tensorboard/        the same for TensorBoard

`write_run_description` writes the first three when a run begins; `load_run` reads the first four.

    checkpoints = Checkpoints(folder, keep=3)
    checkpoints.save(1000, trainer.state(), facts={"sums": {}}, loss=2.31)
    arrays, facts = checkpoints.load(checkpoints.latest())

A checkpoint holds every variable of model and optimizer by its path, and the facts as JSON. The
position in the data and the seeds of dropout follow from the step. The format is NumPy's: each
array has a checksum, and no other library is needed to read one. A file is written whole or not at
all. Size: 12 bytes per parameter.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bertprep.errors import BertprepError, UsageError, naming
from bertprep.json_files import COUNT, parse_json, read_json
from bertprep.model.config import BertConfig, load_config
from bertprep.model.weights import PretrainedWeights, collect_weights
from bertprep.options import TokenizerOptions
from bertprep.storage.files import NewFile, fsync_folder, write_whole
from bertprep.storage.plans import FolderLayout, encode
from bertprep.vocab import Vocabulary

RUN_NAME = "run.json"
CONFIG_NAME = "bert_config.json"
VOCABULARY_NAME = "vocab.txt"
CHECKPOINTS_NAME = "checkpoints"
METRICS_NAME = "metrics.jsonl"
CURVES_NAME = "curves.png"
TENSORBOARD_NAME = "tensorboard"

_RUN_FILE = re.compile(
    rf"{CHECKPOINTS_NAME}/(step-[0-9]{{8,}}\.npz|best\.json)"
    rf"|{TENSORBOARD_NAME}/(train|eval)/events\.out\.tfevents\.[^/]+"
    rf"|{re.escape(METRICS_NAME)}|{re.escape(CURVES_NAME)}|{re.escape(CONFIG_NAME)}"
)


RUN_LAYOUT = FolderLayout(
    plan_shape={"training": {"steps": COUNT}, "vocabulary": {"sha256": str}},
    plan_key="plan",
    lists=lambda plan, name: _RUN_FILE.fullmatch(name) is not None,
    reserved=re.compile(f"{CHECKPOINTS_NAME}|{re.escape(METRICS_NAME)}"),
    work_names=re.compile(r"(?!)"),  # none
    folders=(
        CHECKPOINTS_NAME,
        *(f"{TENSORBOARD_NAME}/{split}" for split in ("train", "eval")),
        TENSORBOARD_NAME,
    ),
    plan_name=RUN_NAME,
)

_FACTS = "facts.json"
_BEST = "best.json"
_CHECKPOINT = re.compile(r"step-([0-9]{8,})\.npz")
#: Prefix of a model's variables in a checkpoint: the part of the state, then the model's name.
_MODEL_PREFIX = "model/bert/"


class Checkpoints:
    """The checkpoints of a run.

    Args:
        folder: folder of the files; created with the first.
        keep: number of latest checkpoints to keep, besides the best.
    """

    def __init__(self, folder: Path, keep: int = 3) -> None:
        assert keep >= 1
        self.folder, self._keep = folder, keep

    def path(self, step: int) -> Path:
        """Return the file of the checkpoint after `step` updates."""
        return self.folder / f"step-{step:08d}.npz"

    def steps(self) -> list[int]:
        """Return the steps that have a checkpoint, ascending."""
        if not self.folder.is_dir():
            return []
        names = (_CHECKPOINT.fullmatch(path.name) for path in self.folder.iterdir())
        return sorted(int(name[1]) for name in names if name)

    def latest(self) -> int | None:
        """Return the last step with a checkpoint; None without one."""
        return max(self.steps(), default=None)

    def best(self) -> int | None:
        """Return the step of the checkpoint with the lowest held-out loss."""
        return self._read_best()[0]

    def find(self, checkpoint: str) -> int:
        """Return the step of "last", "best" or a number.

        Raises:
            UsageError: there is no such checkpoint.
        """
        steps = self.steps()
        if not steps:
            raise UsageError(f"{self.folder}: the run has not saved a checkpoint yet")
        named = {"last": steps[-1], "best": self.best()}
        step = named.get(checkpoint, int(checkpoint) if checkpoint.isdecimal() else None)
        if step is None or step not in steps:
            raise UsageError(
                f"{self.folder}: no checkpoint {checkpoint!r}; there are those of the steps "
                f"{', '.join(map(str, steps))}: name one of them, last, or best (if the run "
                "evaluates)"
            )
        return step

    def save(
        self,
        step: int,
        arrays: Mapping[str, np.ndarray],
        facts: Mapping[str, Any],
        loss: float | None = None,
    ) -> Path:
        """Write a checkpoint, then remove old ones.

        Args:
            step: updates so far.
            arrays: arrays by name.
            facts: JSON values.
            loss: held-out loss; the checkpoint with the lowest one is the best.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.path(step)
        temporary = path.with_suffix(".partial")
        content: dict[str, Any] = dict(arrays)
        content[_FACTS] = np.frombuffer(json.dumps(dict(facts)).encode(), np.uint8)
        with NewFile(path, temporary) as new:
            with naming(path), open(new.descriptor, "wb", closefd=False) as file:
                np.savez(file, **content)
            new.finish()
        fsync_folder(self.folder)
        best_step, best_loss = self._read_best()
        if loss is not None and np.isfinite(loss) and (best_loss is None or loss < best_loss):
            best_step = step
            text = json.dumps({"step": step, "loss": loss}).encode()
            write_whole(self.folder / _BEST, self.folder / f"{_BEST}.partial", text)
        for old in self.steps()[: -self._keep]:
            if old != best_step:
                self.path(old).unlink()
        return path

    def load(self, step: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return the arrays and the facts of a checkpoint.

        Raises:
            BertprepError: the file is damaged, or not a checkpoint.
        """
        path = self.path(step)
        try:
            with open(path, "rb") as file, np.load(file) as content:
                arrays = dict(content)
            facts = parse_json(arrays.pop(_FACTS).tobytes(), _FACTS, dict)
        except (OSError, MemoryError):
            raise
        except Exception as error:  # NumPy, zipfile and zlib raise a dozen kinds
            raise BertprepError(
                f"{path}: damaged ({error}). Remove it to resume from the checkpoint before it"
            ) from None
        return arrays, facts

    def _read_best(self) -> tuple[int | None, float | None]:
        try:
            content = read_json(self.folder / _BEST, {"step": COUNT, "loss": float}, "Remove it")
        except FileNotFoundError:
            return None, None
        return content["step"], content["loss"]


@dataclass(frozen=True, eq=False, kw_only=True)
class SavedRun(PretrainedWeights):
    """The model of a run at a checkpoint.

    Attributes:
        step: updates before the checkpoint.
        vocabulary: vocabulary of the data.
        tokenizer: options that the data was tokenized with; None where the records do not say.
    """

    step: int
    vocabulary: Vocabulary
    tokenizer: TokenizerOptions | None


def write_run_description(
    folder: Path,
    config: BertConfig,
    vocabulary: Vocabulary,
    tokenizer: TokenizerOptions | None,
    trained_positions: int,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write the files next to the checkpoints; `run.json`, which marks a run, last.

    Args:
        folder: folder of the run; created if needed.
        config: as in `SavedRun`, like the next ones.
        vocabulary: vocabulary whose file is copied.
        tokenizer: tokenizer options of the data.
        trained_positions: max_seq_length of the data, or more with `--init-from`.
        facts: more JSON values for `run.json`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    description = {
        **(facts or {}),
        "tokenizer": asdict(tokenizer) if tokenizer else None,
        "trained_positions": trained_positions,
    }
    for name, data in (
        (CONFIG_NAME, encode(config.to_json())),
        (VOCABULARY_NAME, vocabulary.data),
        (RUN_NAME, encode(description)),
    ):
        write_whole(folder / name, folder / f"{name}.partial", data)


def is_run(folder: Path) -> bool:
    """Whether the folder holds a run."""
    return (folder / RUN_NAME).is_file()


def load_run(folder: Path, checkpoint: str = "last") -> SavedRun:
    """Read a run.

    Args:
        folder: folder that `bertprep pretrain` wrote.
        checkpoint: "last", "best", or the number of a step.

    Raises:
        UsageError: there is no run, or no such checkpoint.
        BertprepError: the checkpoint is damaged.
    """
    if not is_run(folder):
        what = "not the folder of a run" if folder.is_dir() else "no such folder"
        raise UsageError(
            f"{folder}: {what}. Name the output folder of `bertprep pretrain`, with its {RUN_NAME} "
            f"and {CHECKPOINTS_NAME}"
        )
    shape = {"tokenizer": (dict, None), "trained_positions": COUNT}
    advice = "bertprep did not write this file"
    description = read_json(folder / RUN_NAME, shape, advice)
    options, trained_positions = description["tokenizer"], description["trained_positions"]
    tokenizer = TokenizerOptions.parse(options, str(folder / RUN_NAME)) if options else None
    checkpoints = Checkpoints(folder / CHECKPOINTS_NAME)
    step = checkpoints.find(checkpoint)
    config = load_config(folder / CONFIG_NAME)
    state, _ = checkpoints.load(step)
    arrays = {
        name.removeprefix(_MODEL_PREFIX): array
        for name, array in state.items()
        if name.startswith(_MODEL_PREFIX)
    }
    weights = collect_weights(f"{folder} (step {step:,})", config, arrays, "path")
    known = vars(weights) | {
        "trained_positions": min(trained_positions, config.max_position_embeddings),
        "vocabulary": Vocabulary.load(folder / VOCABULARY_NAME, lenient=True),
        "tokenizer_options": asdict(tokenizer) if tokenizer else {},
    }
    return SavedRun(**known, step=step, tokenizer=tokenizer)
