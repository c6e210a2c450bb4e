"""A TensorFlow 1 checkpoint of google-research/bert -> weights.

    bert_config.json, bert_model.ckpt.index, bert_model.ckpt.data-*

Reference quirk: the last code of the release approximates gelu by tanh; the paper, its first code
and this model do not. The published weights are used with either.

Source: get_assignment_map_from_checkpoint in google-research/bert's modeling.py.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf

from bertprep.errors import UsageError
from bertprep.model.config import load_config
from bertprep.model.weights import PretrainedWeights, collect_weights, weight_names

CONFIG_NAME = "bert_config.json"


def checkpoint_prefix(path: Path) -> Path | None:
    """Return the common prefix of a checkpoint's files; None where there is no checkpoint.

    Args:
        path: the folder, the prefix, or one of the files.

    Raises:
        UsageError: the folder has several checkpoints.
    """
    if path.is_dir():
        indices = sorted(path.glob("*.index"))
        latest = tf.train.latest_checkpoint(path)
        if latest is not None:
            return Path(latest)
        if len(indices) > 1:
            names = ", ".join(index.name for index in indices[:3])
            raise UsageError(f"{path}: has several checkpoints ({names}): name one of them")
        return indices[0].with_suffix("") if indices else None
    name, dot, _ = path.name.partition(".data-")
    prefix = path.with_name(name) if dot else path
    if prefix.suffix in (".index", ".meta"):
        prefix = prefix.with_suffix("")
    return prefix if prefix.with_name(f"{prefix.name}.index").is_file() else None


def read_tf1_checkpoint(prefix: Path) -> PretrainedWeights:
    """Read a checkpoint and the config next to it.

    Raises:
        UsageError: there is no config, or the checkpoint is damaged or of another model.
    """
    config_path = prefix.with_name(CONFIG_NAME)
    if not config_path.is_file():
        raise UsageError(f"{prefix}: no {CONFIG_NAME} next to the checkpoint: copy it there")
    config = load_config(config_path)
    known = {weight.release for weight in weight_names(config)}
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        names = sorted(reader.get_variable_to_shape_map())
        if "_CHECKPOINTABLE_OBJECT_GRAPH" in names:
            raise UsageError(
                f"{prefix}: is a TensorFlow 2 checkpoint; only TensorFlow 1 checkpoints of "
                "google-research/bert are read, whose variables have known names"
            )
        found = {n: reader.get_tensor(n) if n in known else np.empty(0) for n in names}
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"{prefix}: cannot be read as a checkpoint: {reason}") from None
    return collect_weights(str(prefix), config, found, "release")
