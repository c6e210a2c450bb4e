"""Runs as `bertprep pretrain` writes them, with random weights."""

from pathlib import Path

import numpy as np
from keras import ops

from bertprep.model.bert import PretrainingModel
from bertprep.model.config import BertConfig
from bertprep.model.saved_run import CHECKPOINTS_NAME, Checkpoints, write_run_description
from bertprep.options import TokenizerOptions
from bertprep.vocab import Vocabulary


def tiny_config(vocab_size: int, max_position_embeddings: int = 24) -> BertConfig:
    return BertConfig(
        vocab_size=vocab_size,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=40,
        max_position_embeddings=max_position_embeddings,
    )


def random_model(config: BertConfig, seed: int = 1) -> PretrainingModel:
    """Return a model with weights so large that every part affects the outputs."""
    model = PretrainingModel(config)
    model.build()
    generator = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        scale = 0.2 if len(variable.shape) == 2 else 0.1
        drawn = generator.normal(0.0, scale, tuple(variable.shape)).astype(np.float32)
        variable.assign(drawn + 1.0 if variable.path.endswith("gamma") else drawn)
    return model


def make_run(
    folder: Path,
    model: PretrainingModel,
    vocabulary: Vocabulary,
    tokenizer: TokenizerOptions | None = None,
    *,
    trained_positions: int = 24,
    step: int = 900,
    loss: float | None = None,
) -> Path:
    """Write a run, or one more checkpoint of it."""
    arrays = {f"model/{v.path}": ops.convert_to_numpy(v) for v in model.variables}
    arrays["optimizer/adamw/iteration"] = np.array(step)
    Checkpoints(folder / CHECKPOINTS_NAME).save(step, arrays, {}, loss)
    write_run_description(folder, model.config, vocabulary, tokenizer, trained_positions)
    return folder


def random_features(
    config: BertConfig, seed: int = 3, length: int | None = None
) -> dict[str, np.ndarray]:
    """Return a batch of padded sequences."""
    generator = np.random.default_rng(seed)
    batch, length = 5, length or config.max_position_embeddings
    lengths = generator.integers(length // 2 + 1, length + 1, batch)
    mask = np.arange(length) < lengths[:, None]
    positions = [np.sort(generator.choice(int(n), 4, replace=False)) for n in lengths]
    return {
        "input_ids": (generator.integers(1, config.vocab_size, mask.shape) * mask).astype(np.int32),
        "input_mask": mask.astype(np.int32),
        "segment_ids": ((np.arange(length) > lengths[:, None] // 2) & mask).astype(np.int32),
        "masked_lm_positions": np.array(positions, np.int32),
    }


def outputs(model: PretrainingModel, features: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: ops.convert_to_numpy(value) for name, value in model(features).items()}
