"""The names of a model's variables here, in Hugging Face's files and in the release's checkpoints.

    collect_weights(name, config, arrays, "hugging_face")     arrays under their names -> by path
    assign_weights(model, weights.arrays, name)               by path -> the model
    weights_by_name(model, "hugging_face")                    the model -> arrays under their names

One table holds all three names of each variable. A kernel is [inputs, outputs] here and in the
release, and [outputs, inputs] in Hugging Face's files.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bertprep.errors import UsageError
from bertprep.model.config import BertConfig
from bertprep.model.heads import HEADS
from bertprep.vocab import Vocabulary

#: Parts that pretrained weights may lack as a whole, by the first part of their path.
_OPTIONAL_PARTS = {"pooler": "pooler"} | {head.name: head.description for head in HEADS.values()}


@dataclass(frozen=True)
class WeightName:
    """The names of one variable.

    Attributes:
        path: path of the Keras variable below the model's name.
        hugging_face: name in the state of `BertForPreTraining`.
        release: name in a TensorFlow 1 checkpoint of google-research/bert.
        transposed_in: namings ("hugging_face", "release") under which the array is transposed.
    """

    path: str
    hugging_face: str
    release: str
    transposed_in: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class PretrainedWeights:
    """Weights and what is known of the model that they were trained in.

    Attributes:
        name: file or folder, for messages.
        config: shape of the model.
        arrays: float32 by `WeightName.path`.
        trained_positions: number of position embeddings that data has reached, from 0.
        vocabulary: the vocabulary next to them; None where there is none.
        tokenizer_options: tokenizer options of their text by name, as far as they are known.
        missing: parts of the model without weights, in words.
        unused: names of arrays that the model has no variable for.
    """

    name: str
    config: BertConfig
    arrays: Mapping[str, np.ndarray] = field(repr=False)
    trained_positions: int
    vocabulary: Vocabulary | None = None
    tokenizer_options: Mapping[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


#: Types of weights that are read. Others are of a quantization, whose values mean nothing alone.
_FLOATS = ("float16", "bfloat16", "float32", "float64")
#: Parts of the names of a model that other modules wrap.
_WRAPPERS = re.compile(r"(^|(?<=\.))(module|_orig_mod|_fsdp_wrapped_module)\.")

_LAYERS = (
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
    """Yield the names of every variable of a model with all heads."""
    for name in ("word_embeddings", "position_embeddings", "token_type_embeddings"):
        path = f"embeddings/{name}"
        yield WeightName(path, f"bert.embeddings.{name}.weight", f"bert/{path}")
    yield from _layer_names("embeddings/layer_norm", "bert.embeddings.LayerNorm")
    yield from _layer_names("pooler", "bert.pooler.dense")
    for i in range(config.num_hidden_layers):
        for path, name in _LAYERS:
            release = f"bert/encoder/layer_{i}/{name.replace('.', '/')}"
            yield from _layer_names(f"layer_{i}/{path}", f"bert.encoder.layer.{i}.{name}", release)
    yield from _layer_names("masked_lm/transform", "cls.predictions.transform.dense")
    yield from _layer_names("masked_lm/layer_norm", "cls.predictions.transform.LayerNorm")
    yield WeightName("masked_lm/bias", "cls.predictions.bias", "cls/predictions/output_bias")
    head, release = "cls.seq_relationship", "cls/seq_relationship"
    yield WeightName(
        "next_sentence/kernel",
        f"{head}.weight",
        f"{release}/output_weights",
        transposed_in=("hugging_face", "release"),
    )
    yield WeightName("next_sentence/bias", f"{head}.bias", f"{release}/output_bias")


def _layer_names(path: str, hugging_face: str, release: str = "") -> Iterator[WeightName]:
    """Yield the two variables of a LayerNorm or of a dense layer."""
    release = release or hugging_face.replace(".", "/")
    is_norm = path.endswith("layer_norm")
    kernel, bias = ("gamma", "beta") if is_norm else ("kernel", "bias")
    transposed_in = () if is_norm else ("hugging_face",)
    yield WeightName(
        f"{path}/{kernel}", f"{hugging_face}.weight", f"{release}/{kernel}", transposed_in
    )
    yield WeightName(f"{path}/{bias}", f"{hugging_face}.bias", f"{release}/{bias}")


def variables_by_path(model: Any) -> dict[str, Any]:
    """Return the trainable variables of a built model by their path below its name."""
    return {variable.path.split("/", 1)[1]: variable for variable in model.trainable_variables}


def weights_by_name(model: Any, naming: str = "hugging_face") -> dict[str, np.ndarray]:
    """Return the weights of a built model as float32 arrays.

    Args:
        model: a built model.
        naming: "hugging_face" or "release".
    """
    from keras import ops

    variables, arrays = variables_by_path(model), {}
    for weight in weight_names(model.config):
        if weight.path in variables:
            array = ops.convert_to_numpy(variables[weight.path])
            array = array.T if naming in weight.transposed_in else array
            arrays[getattr(weight, naming)] = np.ascontiguousarray(array)
    return arrays


def plain_names(names: Iterable[str], naming: str) -> dict[str, str]:
    """Return the name in the table of each name in a file, by the latter.

    The scope of the model, wrappers, and names of older and newer versions of a layer differ.

    Args:
        names: names of arrays; "hugging_face" or "release" ones.
        naming: which of both.
    """
    dot, table = ".", "embeddings.word_embeddings.weight"
    if naming == "release":
        dot, table = "/", "embeddings/word_embeddings"
    names = {name: _WRAPPERS.sub("", name) for name in names}
    scopes = [n.removesuffix(table) for n in names.values() if f"{dot}{n}".endswith(dot + table)]
    scope = min(scopes, key=len, default="")
    outer = scope.removesuffix(f"bert{dot}")
    for name, plain in names.items():
        below = plain.removeprefix(scope)
        is_bert = below.startswith((f"embeddings{dot}", f"encoder{dot}", f"pooler{dot}"))
        plain = f"bert{dot}{below}" if is_bert else plain.removeprefix(outer)
        plain = re.sub(r"\blayer_normalization(_\d+)?/", "LayerNorm/", plain)
        plain = plain.replace("LayerNorm.gamma", "LayerNorm.weight")
        names[name] = plain.replace("LayerNorm.beta", "LayerNorm.bias")
    return names


def require_floats(name: str, key: str, kind: str) -> None:
    """Raise UsageError for an array of another type than weights have."""
    if kind not in _FLOATS:
        raise UsageError(
            f"{name}: {key} has values of the type {kind}, which are quantized or are not weights: "
            "only float32, float16 and bfloat16 are read; name the model before its quantization"
        )


def collect_weights(
    name: str, config: BertConfig, found: Mapping[str, np.ndarray], naming: str
) -> PretrainedWeights:
    """Return the weights of a model, of which pooler and heads may be missing as a whole.

    Args:
        name: file or folder, for messages.
        config: shape of the model.
        found: arrays by name.
        naming: "path", "hugging_face" or "release".

    Raises:
        UsageError: other weights are missing, or a part of the pooler or of a head.
    """
    table = {getattr(weight, naming): weight for weight in weight_names(config)}
    for key in found.keys() & table.keys():
        require_floats(name, key, found[key].dtype.name)
    arrays = {
        weight.path: np.ascontiguousarray(
            found[key].T if naming in weight.transposed_in else found[key], np.float32
        )
        for key, weight in table.items()
        if key in found
    }
    present_parts = {path.partition("/")[0] for path in arrays}
    missing = [part for part in _OPTIONAL_PARTS if part not in present_parts]
    lacking = [
        key
        for key, weight in table.items()
        if weight.path not in arrays and weight.path.partition("/")[0] not in missing
    ]
    unused = sorted(key for key in found if key not in table)
    if lacking:
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        there = f" (there are {', '.join(unused[:3])})" if unused else ""
        raise UsageError(
            f"{name}: the weights lack {', '.join(lacking[:3])}{more}, which the config next to "
            f"them asks for{there}"
        )
    return PretrainedWeights(
        name=name,
        config=config,
        arrays=arrays,
        trained_positions=config.max_position_embeddings,
        missing=tuple(_OPTIONAL_PARTS[part] for part in missing),
        unused=tuple(unused),
    )


def assign_weights(model: Any, arrays: Mapping[str, np.ndarray], name: str) -> None:
    """Set the variables of a model; those without an array keep their values.

    Args:
        model: a built model.
        arrays: by path; those of parts that the model does not have are ignored.
        name: file or folder of the arrays, for messages.

    Raises:
        UsageError: an array has another shape than its variable; nothing is set.
    """
    pairs = [(v, path) for path, v in variables_by_path(model).items() if path in arrays]
    for variable, path in pairs:
        shape, expected = tuple(arrays[path].shape), tuple(variable.shape)
        if shape != expected:
            raise UsageError(
                f"{name}: {path} must have the shape {expected} by its config, got {shape}"
            )
    for variable, path in pairs:
        variable.assign(arrays[path])
