"""The folder of a training run: what its files are called, what describes the model, its weights.

    run.json            plan of the run, tokenizer options, number of trained positions
    bert_config.json    shape of the model
    vocab.txt           vocabulary of the data
    checkpoints/        step-00001000.npz, ..., best.json
    metrics.jsonl       losses and accuracies
    curves.png          the same as a chart
    tensorboard/        the same for TensorBoard

`write_run_description` writes the first three when a run begins; `load_run` reads the first four.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bertprep.errors import UsageError
from bertprep.model.checkpoints import Checkpoints
from bertprep.model.config import BertConfig, load_config
from bertprep.model.weights import PretrainedWeights, collect_weights
from bertprep.options import TokenizerOptions
from bertprep.storage.files import write_whole
from bertprep.storage.plans import FolderLayout, Plan, encode
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


def _read_plan(value: Any) -> Plan:
    plan: Plan = value["plan"]
    if not isinstance(plan["training"]["steps"], int):
        raise TypeError("steps")
    if not isinstance(plan["vocabulary"]["sha256"], str):
        raise TypeError("sha256")
    return plan


RUN_LAYOUT = FolderLayout(
    read_plan=_read_plan,
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

#: Prefix of a model's variables in a checkpoint: the part of the state, then the model's name.
_MODEL_PREFIX = "model/bert/"


@dataclass(frozen=True, eq=False, kw_only=True)
class SavedRun(PretrainedWeights):
    """The model of a run at a checkpoint.

    Attributes:
        folder: folder of the run.
        step: updates before the checkpoint.
        vocabulary: vocabulary of the data.
        tokenizer: options that the data was tokenized with; None where the records do not say.
    """

    folder: Path
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
    try:
        description = json.loads((folder / RUN_NAME).read_bytes())
        options = description["tokenizer"]
        tokenizer = TokenizerOptions(**options) if options else None
        trained_positions = int(description["trained_positions"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UsageError(f"{folder / RUN_NAME}: bertprep did not write this file") from None
    checkpoints = Checkpoints(folder / CHECKPOINTS_NAME)
    step = _find_step(checkpoints, checkpoint)
    config = load_config(folder / CONFIG_NAME)
    state, _ = checkpoints.load(step)
    arrays = {
        name.removeprefix(_MODEL_PREFIX): array
        for name, array in state.items()
        if name.startswith(_MODEL_PREFIX)
    }
    weights = collect_weights(f"{folder} (step {step:,})", config, arrays, "path")
    return SavedRun(
        name=weights.name,
        config=config,
        arrays=weights.arrays,
        missing=weights.missing,
        trained_positions=min(trained_positions, config.max_position_embeddings),
        folder=folder,
        step=step,
        vocabulary=Vocabulary.load(folder / VOCABULARY_NAME, lenient=True),
        tokenizer=tokenizer,
    )


def _find_step(checkpoints: Checkpoints, checkpoint: str) -> int:
    steps = checkpoints.steps()
    if not steps:
        raise UsageError(f"{checkpoints.folder}: the run has not saved a checkpoint yet")
    named = {"last": checkpoints.latest(), "best": checkpoints.best()}
    step = named.get(checkpoint, int(checkpoint) if checkpoint.isdecimal() else None)
    if step is None or step not in steps:
        raise UsageError(
            f"{checkpoints.folder}: no checkpoint {checkpoint!r}; there are those of the steps "
            f"{', '.join(map(str, steps))}: name one of them, last, or best (if the run evaluates)"
        )
    return step
