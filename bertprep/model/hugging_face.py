"""Config and weights -> the files that `BertForPreTraining.from_pretrained` reads.

Source: `save_pretrained` of transformers' BertForPreTraining.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from bertprep.model.config import BertConfig
from bertprep.model.layers import LAYER_NORM_EPSILON
from bertprep.storage.plans import encode
from bertprep.vocab import Vocabulary


def write_hugging_face(
    folder: Path,
    config: BertConfig,
    weights: Mapping[str, np.ndarray],
    vocabulary: Vocabulary,
) -> None:
    """Write `config.json` and `model.safetensors`.

    Args:
        folder: an empty one.
        config: the shape of the model.
        weights: float32 by their names in `BertForPreTraining`, the decoder left out: it is the
            word embeddings.
        vocabulary: of the model.
    """
    (folder / "config.json").write_bytes(encode(config_of(config, vocabulary)))
    # Without the format transformers takes the file for another framework's.
    save_file(dict(weights), folder / "model.safetensors", metadata={"format": "pt"})


def config_of(config: BertConfig, vocabulary: Vocabulary) -> dict[str, Any]:
    """The content of config.json."""
    return {
        "architectures": ["BertForPreTraining"],
        "model_type": "bert",
        **config.to_json(),
        "layer_norm_eps": LAYER_NORM_EPSILON,
        "position_embedding_type": "absolute",
        "pad_token_id": vocabulary.pad_id,
        "tie_word_embeddings": True,
    }
