"""A run's folder -> what is handed on of it: the model and what its token ids mean.

    run.json            what the model learned from: how text became ids, how many positions
    bert_config.json    the shape of the model
    vocab.txt           the vocabulary of the data
    checkpoints/        the weights

`describe_run` writes the first three when a run begins; `load_run` reads all four.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bertprep.errors import UsageError
from bertprep.model.bert import PretrainingModel
from bertprep.model.checkpoints import Checkpoints
from bertprep.model.config import BertConfig
from bertprep.model.run_layout import CHECKPOINTS_NAME, CONFIG_NAME, RUN_NAME, VOCABULARY_NAME
from bertprep.model.weights import variables_by_path
from bertprep.options import TokenizerOptions
from bertprep.storage.files import write_whole
from bertprep.vocab import Vocabulary

#: Of a model's variables in a checkpoint: the part of the state, then the model's name.
_MODEL_PREFIX = "model/bert/"


@dataclass(frozen=True, eq=False)
class Run:
    """A trained model.

    Attributes:
        folder: of the run.
        step: updates behind the weights.
        config: the shape of the model.
        vocabulary: of the data.
        tokenizer: how its text became ids; None for records that do not say.
        trained_positions: of the position embeddings, those that data has reached, from 0.
        arrays: float32 by `WeightName.path`.
    """

    folder: Path
    step: int
    config: BertConfig
    vocabulary: Vocabulary
    tokenizer: TokenizerOptions | None
    trained_positions: int
    arrays: Mapping[str, np.ndarray]


def describe_run(
    folder: Path,
    config: BertConfig,
    vocabulary: Vocabulary,
    tokenizer: TokenizerOptions | None,
    trained_positions: int,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Writes what stands beside the checkpoints; `run.json`, the mark of a run, last.

    Args:
        folder: of the run; made if need be.
        config: as in `Run`, and so are the next ones.
        vocabulary: its file's bytes are copied.
        tokenizer: of the data's plan.
        trained_positions: the data's max_seq_length, or more if the weights began elsewhere.
        facts: JSON values that go into `run.json` as well.
    """
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        **(facts or {}),
        "tokenizer": asdict(tokenizer) if tokenizer else None,
        "trained_positions": trained_positions,
    }
    for name, data in (
        (CONFIG_NAME, _encode(config.to_json())),
        (VOCABULARY_NAME, vocabulary.data),
        (RUN_NAME, _encode(about)),
    ):
        write_whole(folder / name, folder / f"{name}.partial", data)


def _encode(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def is_run(folder: Path) -> bool:
    """There is a run in this folder."""
    return (folder / RUN_NAME).is_file()


def load_run(folder: Path, checkpoint: str = "last") -> Run:
    """Reads a run.

    Args:
        folder: that `bertprep pretrain` has made.
        checkpoint: "last", "best", or the number of a step.

    Raises:
        UsageError: there is no run here, or no such checkpoint.
        BertprepError: the checkpoint is damaged.
    """
    if not is_run(folder):
        what = "has no run in it" if folder.is_dir() else "no such folder"
        raise UsageError(
            f"{folder}: {what}. Name the folder that `bertprep pretrain` wrote to, with its "
            f"{RUN_NAME} and {CHECKPOINTS_NAME}"
        )
    try:
        about = json.loads((folder / RUN_NAME).read_bytes())
        options = about["tokenizer"]
        tokenizer = TokenizerOptions(**options) if options else None
        trained_positions = int(about["trained_positions"])
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{folder / RUN_NAME}: bertprep did not write this file") from None
    step, arrays = _load_checkpoint(Checkpoints(folder / CHECKPOINTS_NAME), checkpoint)
    config = BertConfig.load(folder / CONFIG_NAME)
    vocabulary = Vocabulary.load(folder / VOCABULARY_NAME, lenient=True)
    return Run(folder, step, config, vocabulary, tokenizer, trained_positions, arrays)


def _load_checkpoint(
    checkpoints: Checkpoints, checkpoint: str
) -> tuple[int, dict[str, np.ndarray]]:
    steps = checkpoints.steps()
    if not steps:
        raise UsageError(f"{checkpoints.folder}: the run has saved no checkpoint yet")
    named = {"last": checkpoints.latest(), "best": checkpoints.best()}
    step = named.get(checkpoint, int(checkpoint) if checkpoint.isdecimal() else None)
    if step not in steps:
        there = ", ".join(map(str, steps))
        raise UsageError(
            f"{checkpoints.folder}: there is no checkpoint {checkpoint!r}, only those of the "
            f"steps {there}: name one of them, last, or best (if the run evaluates)"
        )
    arrays, _ = checkpoints.load(step)
    prefix = len(_MODEL_PREFIX)
    return step, {k[prefix:]: v for k, v in arrays.items() if k.startswith(_MODEL_PREFIX)}


def model_of(run: Run) -> PretrainingModel:
    """The model with the run's weights, in float32 whatever it was trained in.

    Raises:
        UsageError: the checkpoint and the run's config are not of one model.
    """
    model = PretrainingModel(run.config)
    model.build()
    for path, variable in variables_by_path(model).items():
        if path not in run.arrays or run.arrays[path].shape != tuple(variable.shape):
            raise UsageError(
                f"{run.folder / CONFIG_NAME}: is of another model than the checkpoint of step "
                f"{run.step}: {path} is not there, or has another shape"
            )
        variable.assign(run.arrays[path])
    return model
