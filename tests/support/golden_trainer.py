"""A trainer with the model of the goldens, and their batches."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from bertprep.model.config import BertConfig
from bertprep.model.weights import assign_weights, collect_weights
from bertprep.options import TrainingOptions
from bertprep.training.loop import Trainer

SUPPORT = Path(__file__).parent


GOLDENS = SUPPORT.parent / "goldens" / "trainer_goldens.npz"


Arrays = dict[str, np.ndarray]


def part(goldens: Arrays, name: str) -> Arrays:
    return {key.split("/", 1)[1]: value for key, value in goldens.items() if key.startswith(name)}


@cache
def traced_trainer(dropout: float, options: TrainingOptions) -> tuple[Trainer, list[np.ndarray]]:
    """Return a trainer and its initial optimizer state; tracing one takes seconds."""
    shape = {k: int(v) for k, v in part(dict(np.load(GOLDENS)), "config/").items()}
    probabilities = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), dropout)
    trainer = Trainer(BertConfig(**shape, **probabilities), options)
    return trainer, [ops.convert_to_numpy(variable) for variable in trainer.optimizer.variables]


def set_golden_weights(model: Any, goldens: Arrays) -> None:
    """Set a model to the goldens' weights."""
    arrays = collect_weights("goldens", model.config, part(goldens, "weights/"), "hugging_face")
    assign_weights(model, arrays.arrays, "goldens")


def make_trainer(goldens: Arrays, dropout: float = 0.0, **options: Any) -> Trainer:
    """Return a trainer with the goldens' model at its start, shared by calls of equal options."""
    defaults = {"steps": 10, "batch_size": 6, "learning_rate": 2e-3, "warmup": 3.0, "xla": False}
    trainer, start = traced_trainer(dropout, TrainingOptions(**{**defaults, **options}))
    set_golden_weights(trainer.model, goldens)
    for variable, value in zip(trainer.optimizer.variables, start, strict=True):
        variable.assign(value)
    return trainer


def golden_batches(goldens: Arrays) -> list[Arrays]:
    steps = part(goldens, "steps/")
    names = [name for name in steps if name != "losses"]
    return [{name: steps[name][i] for name in names} for i in range(len(steps["losses"]))]


def large_batches(goldens: Arrays, size: int = 16, count: int = 3) -> list[Arrays]:
    """Return batches of the goldens' records, repeated; their numbers of masked tokens differ."""
    all_records = {
        name: np.concatenate([batch[name] for batch in golden_batches(goldens)])
        for name in golden_batches(goldens)[0]
    }
    return [
        {
            name: values.take(range(i * size, (i + 1) * size), axis=0, mode="wrap")
            for name, values in all_records.items()
        }
        for i in range(count)
    ]


def loss(sums: dict[str, float]) -> float:
    masked_lm = sums["masked_lm_loss"] / (sums["masked_lm_weights"] + 1e-5)
    return masked_lm + sums["next_sentence_loss"] / sums["sequences"]
