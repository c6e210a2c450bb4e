"""bert_config.json -> `BertConfig`: the shape of a model, checked before anything is built.

Example:
    >>> BertConfig.published("mini", vocab_size=30522).num_attention_heads
    4
"""

import dataclasses
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from bertprep.errors import UsageError
from bertprep.json_files import read_json
from bertprep.model.heads import HEADS
from bertprep.model.positions import POSITIONS

#: Layers and hidden size of the published models. The head size is 64, the feed-forward layer has
#: four times the hidden size.
PUBLISHED_SIZES = {
    "tiny": (2, 128),
    "mini": (4, 256),
    "small": (4, 512),
    "medium": (8, 512),
    "base": (12, 768),
    "large": (24, 1024),
}
_HEAD_SIZE = 64
#: Of any size of a model: that of the largest vocabulary.
_LARGEST = 2**21
LAYER_NORM_EPSILON = 1e-12

#: Functions of the feed-forward layers by the names that configs give them. "gelu" is exact, by
#: erf, as in the paper; "gelu_new" approximates it by tanh.
ACTIVATIONS = {
    **dict.fromkeys(("gelu", "gelu_python"), "gelu"),
    **dict.fromkeys(("gelu_new", "gelu_fast", "gelu_pytorch_tanh"), "gelu_new"),
    "relu": "relu",
}
#: Keys of other programs' configs with the only value that this model implements; None is absent.
_FIXED: dict[str, Any] = {
    "num_hidden_groups": None,  # of models whose layers share weights
    "quantization_config": None,
    "pruned_heads": {},
    "is_decoder": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
}


@dataclass(frozen=True)
class BertConfig:
    """The shape of a BERT, under the keys of a published `bert_config.json`.

    Attributes:
        vocab_size: rows of the word embeddings.
        hidden_size: width of the hidden states.
        num_hidden_layers: number of encoder layers.
        num_attention_heads: attention heads per layer; a divisor of `hidden_size`.
        intermediate_size: width of the feed-forward layer.
        hidden_act: a name of ACTIVATIONS.
        hidden_dropout_prob: dropout probability of the embeddings and of each sublayer's output.
        attention_probs_dropout_prob: dropout probability of the attention probabilities.
        max_position_embeddings: longest sequence in tokens.
        type_vocab_size: number of token types.
        initializer_range: standard deviation of the initial weights.
        position_embedding_type: a position kind, a name of POSITIONS.
        layer_norm_eps: added to the variance in LayerNorm.

    Source: BertConfig in google-research/bert's modeling.py; section 3 of arXiv:1810.04805.
    """

    #: Module with the `PretrainingModel` of this family; imported on demand, with Keras.
    model_module: ClassVar[str] = "bertprep.model.bert"

    vocab_size: int
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    position_embedding_type: str = "absolute"
    layer_norm_eps: float = LAYER_NORM_EPSILON

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            name, value = field.name, getattr(self, field.name)
            if field.type is int and (type(value) is not int or not 1 <= value <= _LARGEST):
                raise UsageError(
                    f"{name} must be an integer between 1 and {_LARGEST}, got {value!r}"
                )
            if field.type is float and not (type(value) in (int, float) and math.isfinite(value)):
                raise UsageError(f"{name} must be a number, got {value!r}")
            if name.endswith("dropout_prob") and not 0.0 <= value < 1.0:
                raise UsageError(f"{name} must be at least 0 and below 1, got {value}")
        if self.hidden_size % self.num_attention_heads:
            raise UsageError(
                f"num_attention_heads must divide hidden_size ({self.hidden_size}), "
                f"got {self.num_attention_heads}"
            )
        for name, known in (("hidden_act", ACTIVATIONS), ("position_embedding_type", POSITIONS)):
            if getattr(self, name) not in list(known):
                raise UsageError(
                    f"{name} must be {' or '.join(known)}, got {getattr(self, name)!r}"
                )
        for name in ("initializer_range", "layer_norm_eps"):
            if getattr(self, name) <= 0.0:
                raise UsageError(f"{name} must be above 0, got {getattr(self, name)}")
        if self.type_vocab_size < 2:  # records have the segments A and B
            raise UsageError(f"type_vocab_size must be at least 2, got {self.type_vocab_size}")

    @classmethod
    def published(cls, name: str, vocab_size: int) -> "BertConfig":
        """Return the config of a published size, a name of PUBLISHED_SIZES."""
        num_layers, hidden_size = PUBLISHED_SIZES[name]
        return cls(
            vocab_size=vocab_size,
            hidden_size=hidden_size,
            num_hidden_layers=num_layers,
            num_attention_heads=hidden_size // _HEAD_SIZE,
            intermediate_size=4 * hidden_size,
        )

    @classmethod
    def parse(cls, content: Any, name: str = "bert_config.json") -> "BertConfig":
        """Return the config that a JSON document holds; `name` is its file in errors.

        Keys that do not change the function of the model are ignored.
        """
        if not isinstance(content, dict) or "vocab_size" not in content:
            raise UsageError(f"{name}: not the config of a BERT: vocab_size is missing")
        embedding_size = content.get("hidden_size", cls.hidden_size)
        for key, expected in (_FIXED | {"embedding_size": embedding_size}).items():
            if content.get(key, expected) != expected:
                wanted = "absent" if expected is None else json.dumps(expected)
                found = json.dumps(content[key])
                raise UsageError(f"{name}: {key} must be {wanted}, got {found:.100}")
        known = {field.name for field in dataclasses.fields(cls)}
        try:
            return cls(**{key: value for key, value in content.items() if key in known})
        except UsageError as error:
            raise UsageError(f"{name}: {error}") from None

    def to_json(self) -> dict[str, Any]:
        """Return the content of a `bert_config.json`."""
        values = dataclasses.asdict(self)
        if self.layer_norm_eps == LAYER_NORM_EPSILON:
            del values["layer_norm_eps"]  # not a key of the release's configs
        return values


#: Config classes of the model families, by the `model_type` of a Hugging Face config; a config
#: without one is BERT's.
FAMILIES = {"bert": BertConfig}


def load_config(path: Path) -> BertConfig:
    """Read a `bert_config.json`, or the `config.json` of a Hugging Face folder.

    Raises:
        UsageError: there is no such file, or it configures a model that is not implemented.
    """
    try:
        content = read_json(path)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read: {error.strerror}. Name a bert_config.json, or one of "
            f"{', '.join(PUBLISHED_SIZES)}"
        ) from None
    family = content.get("model_type", "bert") if isinstance(content, dict) else "bert"
    if family not in list(FAMILIES):
        known = " or ".join(FAMILIES)
        raise UsageError(f"{path}: model_type must be {known}, got {json.dumps(family):.100}")
    if isinstance(content, dict) and "model_type" not in content and content.get("architectures"):
        architecture = json.dumps(content["architectures"])
        if not re.match(r'\["Bert[A-Z]', architecture):
            raise UsageError(f"{path}: architectures must be BERT's, got {architecture:.100}")
    return FAMILIES[family].parse(content, str(path))


def is_padded(rows: int, num_pieces: int) -> bool:
    """Whether word embeddings may be those of a vocabulary, padded to a multiple up to 128."""
    return num_pieces <= rows <= -(-num_pieces // 128) * 128


def make_model(
    config: BertConfig, policy: str = "float32", heads: Sequence[str] = tuple(HEADS)
) -> Any:
    """Return a model with its variables drawn. Imports Keras.

    Args:
        config: the shape, of any family.
        policy: a Keras dtype policy.
        heads: names of HEADS.
    """
    model = import_module(config.model_module).PretrainingModel(config, policy, heads=heads)
    model.build()
    return model
