"""The variables of a model <-> arrays under the names that Hugging Face and the release give them.

One table holds all three names of each variable. A kernel is [inputs, outputs] here and in the
release; in Hugging Face's files it is the other way round.

    arrays = to_names(model, "hugging_face")       numpy arrays by name, copied
    assign(model, arrays, "hugging_face")          the way back, with every shape checked
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from bertprep.errors import UsageError
from bertprep.model.bert import PretrainingModel
from bertprep.model.config import BertConfig


@dataclass(frozen=True)
class WeightName:
    """One variable in three worlds.

    Attributes:
        path: of the Keras variable, behind the model's name.
        hugging_face: in the state of `BertForPreTraining`.
        release: in a TensorFlow 1 checkpoint of google-research/bert.
        is_kernel: [inputs, outputs] here, transposed in Hugging Face's files.
        is_flipped_in_release: transposed in the release's, too.
    """

    path: str
    hugging_face: str
    release: str
    is_kernel: bool = False
    is_flipped_in_release: bool = False

    def is_transposed(self, naming: str) -> bool:
        return self.is_kernel if naming == "hugging_face" else self.is_flipped_in_release


#: Parts of the model, by their path; both the others' names, and what they hold.
_PARTS = (
    ("embeddings/layer_norm", "bert.embeddings.LayerNorm", "bert/embeddings/LayerNorm"),
    ("pooler", "bert.pooler.dense", "bert/pooler/dense"),
    (
        "masked_lm/transform",
        "cls.predictions.transform.dense",
        "cls/predictions/transform/dense",
    ),
    (
        "masked_lm/layer_norm",
        "cls.predictions.transform.LayerNorm",
        "cls/predictions/transform/LayerNorm",
    ),
)
_LAYER_PARTS = (
    ("attention/query", "attention.self.query"),
    ("attention/key", "attention.self.key"),
    ("attention/value", "attention.self.value"),
    ("attention/output", "attention.output.dense"),
    ("attention_layer_norm", "attention.output.LayerNorm"),
    ("intermediate", "intermediate.dense"),
    ("output", "output.dense"),
    ("output_layer_norm", "output.LayerNorm"),
)


def weight_names(config: BertConfig) -> Iterator[WeightName]:
    """The table: every variable of the model once."""
    for name in ("word_embeddings", "position_embeddings", "token_type_embeddings"):
        their = f"embeddings.{name}"
        yield WeightName(f"embeddings/{name}", f"bert.{their}.weight", f"bert/embeddings/{name}")
    for part in _PARTS:
        yield from _pair(*part)
    for i in range(config.num_hidden_layers):
        for path, name in _LAYER_PARTS:
            release = f"bert/encoder/layer_{i}/{name.replace('.', '/')}"
            yield from _pair(f"layer_{i}/{path}", f"bert.encoder.layer.{i}.{name}", release)
    yield WeightName("masked_lm/bias", "cls.predictions.bias", "cls/predictions/output_bias")
    relation, release = "cls.seq_relationship", "cls/seq_relationship"
    yield WeightName(
        "next_sentence/kernel", f"{relation}.weight", f"{release}/output_weights", True, True
    )
    yield WeightName("next_sentence/bias", f"{relation}.bias", f"{release}/output_bias")


def _pair(path: str, hugging_face: str, release: str) -> Iterator[WeightName]:
    """Scale and shift of a LayerNorm, or kernel and bias of a dense layer."""
    if path.endswith("layer_norm"):
        yield WeightName(f"{path}/gamma", f"{hugging_face}.weight", f"{release}/gamma")
        yield WeightName(f"{path}/beta", f"{hugging_face}.bias", f"{release}/beta")
    else:
        yield WeightName(
            f"{path}/kernel", f"{hugging_face}.weight", f"{release}/kernel", is_kernel=True
        )
        yield WeightName(f"{path}/bias", f"{hugging_face}.bias", f"{release}/bias")


def variables_by_path(model: PretrainingModel) -> dict[str, Any]:
    """The model's variables by their path behind its name."""
    return {variable.path.split("/", 1)[1]: variable for variable in model.trainable_variables}


def to_names(model: PretrainingModel, naming: str = "hugging_face") -> dict[str, np.ndarray]:
    """The model's weights as float32 arrays.

    Args:
        model: a model that is built.
        naming: "hugging_face" or "release".
    """
    variables = variables_by_path(model)
    arrays = {}
    for weight in weight_names(model.config):
        array = ops.convert_to_numpy(variables[weight.path])
        name = getattr(weight, naming)
        arrays[name] = np.ascontiguousarray(array.T) if weight.is_transposed(naming) else array
    return arrays


def assign(
    model: PretrainingModel, arrays: Mapping[str, np.ndarray], naming: str = "hugging_face"
) -> None:
    """Sets the model's weights; names that are not of the table are passed over.

    Raises:
        UsageError: a weight is missing, or has another shape.
    """
    variables = variables_by_path(model)
    new_values = []
    for weight in weight_names(model.config):
        name, variable = getattr(weight, naming), variables[weight.path]
        if name not in arrays:
            raise UsageError(f"there is no {name} among the weights")
        array = arrays[name].T if weight.is_transposed(naming) else arrays[name]
        if array.shape != tuple(variable.shape):
            raise UsageError(
                f"{name} must have the shape {tuple(variable.shape)}, got {tuple(array.shape)}"
            )
        new_values.append((variable, array))
    for variable, array in new_values:
        variable.assign(array)
