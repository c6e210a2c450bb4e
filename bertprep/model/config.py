"""bert_config.json -> a `BertConfig`: the shape of a model, checked before anything is built.

Example:
    >>> BertConfig.published("mini", vocab_size=30522).num_attention_heads
    4
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertprep.errors import UsageError

#: Layers and hidden size of the published models; a head is 64 wide, the feed-forward layer 4 x.
PUBLISHED_SIZES = {
    "tiny": (2, 128),
    "mini": (4, 256),
    "small": (4, 512),
    "medium": (8, 512),
    "base": (12, 768),
    "large": (24, 1024),
}
_HEAD_SIZE = 64

#: What other programs write into the file, with the only value that this model has.
_FIXED = {
    "layer_norm_eps": 1e-12,
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
}


@dataclass(frozen=True)
class BertConfig:
    """The shape of a BERT, under the keys of a published `bert_config.json`.

    Attributes:
        vocab_size: rows of the word embeddings.
        hidden_size: width of a token between the layers.
        num_hidden_layers: encoder layers.
        num_attention_heads: heads of each; they divide `hidden_size`.
        intermediate_size: width inside the feed-forward part.
        hidden_act: "gelu", the exact one, by erf.
        hidden_dropout_prob: of what a part of a layer adds, and of the embeddings.
        attention_probs_dropout_prob: of the attention's weights.
        max_position_embeddings: the longest sequence, in tokens.
        type_vocab_size: kinds of segments.
        initializer_range: standard deviation of fresh weights.

    Source: BertConfig in google-research/bert's modeling.py; section 3 of arXiv:1810.04805.
    """

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

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type is int and (type(value) is not int or value < 1):
                raise UsageError(f"{field.name} must be a whole number from 1 on, got {value!r}")
            if field.type is float and type(value) not in (int, float):
                raise UsageError(f"{field.name} must be a number, got {value!r}")
        if self.hidden_size % self.num_attention_heads:
            raise UsageError(
                f"num_attention_heads must divide hidden_size ({self.hidden_size}), "
                f"got {self.num_attention_heads}"
            )
        if self.hidden_act != "gelu":
            raise UsageError(f"hidden_act must be gelu, got {self.hidden_act!r}")
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            probability = getattr(self, name)
            if not 0.0 <= probability < 1.0:
                raise UsageError(f"{name} must be 0 or more and below 1, got {probability}")
        if self.initializer_range <= 0.0:
            raise UsageError(f"initializer_range must be above 0, got {self.initializer_range}")

    @classmethod
    def published(cls, name: str, vocab_size: int) -> "BertConfig":
        """The model of a published size: a name of PUBLISHED_SIZES."""
        num_layers, hidden_size = PUBLISHED_SIZES[name]
        return cls(
            vocab_size=vocab_size,
            hidden_size=hidden_size,
            num_hidden_layers=num_layers,
            num_attention_heads=hidden_size // _HEAD_SIZE,
            intermediate_size=4 * hidden_size,
        )

    @classmethod
    def load(cls, path: Path) -> "BertConfig":
        """Reads a `bert_config.json`, or the `config.json` of a Hugging Face BERT.

        Keys that say nothing about the model's function are passed over.

        Raises:
            UsageError: the file is not there, or is the config of no BERT that this package builds.
        """
        try:
            content = json.loads(path.read_bytes())
        except OSError as error:
            raise UsageError(
                f"{path}: cannot be read: {error.strerror}. Name a bert_config.json, or one of "
                f"{', '.join(PUBLISHED_SIZES)}"
            ) from None
        except ValueError as error:
            raise UsageError(f"{path}: is not JSON: {error}") from None
        return cls.parse(content, str(path))

    @classmethod
    def parse(cls, content: Any, name: str = "bert_config.json") -> "BertConfig":
        """The same from the file's JSON; `name` is what errors call it."""
        if not isinstance(content, dict) or "vocab_size" not in content:
            raise UsageError(f"{name}: no BERT's config: it has no vocab_size")
        for key, expected in _FIXED.items():
            if content.get(key, expected) != expected:
                raise UsageError(
                    f"{name}: {key} must be {json.dumps(expected)}, got {json.dumps(content[key])}"
                )
        known = {field.name for field in dataclasses.fields(cls)}
        try:
            return cls(**{key: value for key, value in content.items() if key in known})
        except UsageError as error:
            raise UsageError(f"{name}: {error}") from None

    def to_json(self) -> dict[str, Any]:
        """The keys of a `bert_config.json`."""
        return dataclasses.asdict(self)
