"""A Hugging Face folder: config.json and model.safetensors, read and written.

Reads the weights of BertForPreTraining, BertForMaskedLM, BertModel or any model around one; writes
those of BertForPreTraining. The tokenizer's files are in `tokenization.hugging_face`.

Source: `save_pretrained` and the state of transformers' BertForPreTraining.
"""

from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from bertprep.errors import UsageError
from bertprep.model.config import LAYER_NORM_EPSILON, load_config
from bertprep.model.weights import PretrainedWeights, collect_weights, weights_by_name
from bertprep.storage.plans import encode
from bertprep.vocab import Vocabulary

CONFIG_NAME, WEIGHTS_NAME = "config.json", "model.safetensors"
_DECODER = "cls.predictions.decoder."
_BIAS = "cls.predictions.bias"
_WORD_EMBEDDINGS = "bert.embeddings.word_embeddings.weight"


def write_hugging_face(folder: Path, model: Any, vocabulary: Vocabulary) -> None:
    """Write config and weights; the decoder is left out, since it is the word embeddings.

    Args:
        folder: an empty folder.
        model: a built model.
        vocabulary: vocabulary of the model.
    """
    content = {
        "architectures": ["BertForPreTraining"],
        "model_type": "bert",
        **model.config.to_json(),
        "layer_norm_eps": LAYER_NORM_EPSILON,
        "pad_token_id": vocabulary.pad_id,
        "tie_word_embeddings": True,
    }
    (folder / CONFIG_NAME).write_bytes(encode(content))
    # Without the format, transformers takes the file for another framework's.
    save_file(weights_by_name(model), folder / WEIGHTS_NAME, metadata={"format": "pt"})


def read_hugging_face(folder: Path) -> PretrainedWeights:
    """Read config and weights.

    Raises:
        UsageError: the files cannot be read, or are of a model that is not implemented.
    """
    path = folder / WEIGHTS_NAME
    config = load_config(folder / CONFIG_NAME)
    try:
        with safe_open(path, framework="np") as file:
            found = {_current_name(name): file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    found.pop("bert.embeddings.position_ids", None)  # 0, 1, 2, ...: in files from before 2023
    _remove_decoder(path, found)
    return collect_weights(str(folder), config, found, "hugging_face")


def _current_name(name: str) -> str:
    """Return the name in `BertForPreTraining` of a weight of another class or an older version."""
    if name.startswith(("embeddings.", "encoder.", "pooler.")):
        name = f"bert.{name}"
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace(
        "LayerNorm.beta", "LayerNorm.bias"
    )


def _remove_decoder(path: Path, found: dict[str, np.ndarray]) -> None:
    """Remove the copies of the tied decoder.

    Raises:
        UsageError: the decoder is not tied to the word embeddings.
    """
    table, bias = found.pop(f"{_DECODER}weight", None), found.pop(f"{_DECODER}bias", None)
    if bias is not None:
        found.setdefault(_BIAS, bias)
    for name, array, tied in (
        ("weight", table, found.get(_WORD_EMBEDDINGS)),
        ("bias", bias, found.get(_BIAS)),
    ):
        if array is not None and tied is not None and not np.array_equal(array, tied):
            raise UsageError(
                f"{path}: {_DECODER}{name} has values of its own; in this model the decoder is "
                "tied to the word embeddings, as in the paper"
            )
