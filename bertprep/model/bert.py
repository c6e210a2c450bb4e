"""Features of records -> the logits of BERT's pretraining heads.

    PretrainingModel
        Embeddings, EncoderLayer x n
        pooler            tanh of a dense layer on [CLS], for the heads that predict per sequence
        masked_lm         dense, gelu, LayerNorm, then the tied word embeddings, and a bias
        next_sentence     dense to two logits

The last layer computes only the masked positions and [CLS]: the outputs are the same, and an eighth
of the work of `mini` at length 128 with 20 predictions is saved.

Axes: batch, seq_length, max_predictions, hidden_size, vocab_size.

Source: sections 3 and 3.1 of arXiv:1810.04805; run_pretraining.py of google-research/bert.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from bertprep.model.config import BertConfig
from bertprep.model.heads import HEADS
from bertprep.model.layers import (
    DropoutSeeds,
    Embeddings,
    EncoderLayer,
    Tensor,
    activate,
    make_dense,
    make_layer_norm,
)

#: Added to the attention score of a padding token, whose probability is then 0.
_PADDING_SCORE = -10000.0


class MaskedLmHead(keras.layers.Layer):
    """Hidden states of the masked positions -> a logit of each piece of the vocabulary.

    Source: get_masked_lm_output in run_pretraining.py; section 3.1, task 1 of the paper.
    """

    def __init__(self, config: BertConfig, dtype: Any, name: str) -> None:
        super().__init__(dtype=dtype, name=name)
        self.config = config
        self.transform = make_dense(config.hidden_size, config, dtype, "transform")
        self.layer_norm = make_layer_norm(config, dtype)

    def build(self, input_shape: Any = None) -> None:
        self.transform.build((None, None, self.config.hidden_size))
        self.layer_norm.build((None, None, self.config.hidden_size))
        shape = (self.config.vocab_size,)
        self.bias = self.add_weight(shape=shape, initializer="zeros", autocast=False, name="bias")
        self.built = True

    def call(self, hidden: Tensor, *, word_embeddings: Tensor) -> Tensor:
        """Return float32[batch, max_predictions, vocab_size].

        Args:
            hidden: float[batch, max_predictions, hidden_size].
            word_embeddings: float[vocab_size, hidden_size]. The table of the embedding layer.
        """
        hidden = self.layer_norm(activate(self.transform(hidden), self.config))
        table = ops.cast(word_embeddings, hidden.dtype)
        batch, max_predictions, hidden_size = ops.shape(hidden)
        logits = ops.matmul(ops.reshape(hidden, (-1, hidden_size)), ops.transpose(table))
        logits = ops.cast(logits, "float32") + self.bias
        return ops.reshape(logits, (batch, max_predictions, self.config.vocab_size))


@keras.saving.register_keras_serializable("bertprep")
class PretrainingModel(keras.Model):
    """BERT with pretraining heads.

    Args:
        config: the shape.
        dtype: a Keras dtype policy: "float32", "mixed_bfloat16" or "mixed_float16". Variables,
            softmax and logits are float32 under each.
        heads: names of HEADS.

    Source: model_fn_builder in run_pretraining.py; sections 3 and 3.1 of the paper.
    """

    def __init__(
        self,
        config: BertConfig,
        dtype: Any = "float32",
        name: str = "bert",
        heads: Sequence[str] = tuple(HEADS),
        **kwargs: Any,
    ) -> None:
        super().__init__(dtype=dtype, name=name, **kwargs)
        self.config, self._dtype = config, dtype
        self.head_names = tuple(heads)
        self.embeddings = Embeddings(config, dtype)
        self.encoder_layers = [
            EncoderLayer(config, dtype, f"layer_{i}") for i in range(config.num_hidden_layers)
        ]
        self.pooler = None
        if any(HEADS[head].weights is None for head in heads):
            self.pooler = make_dense(config.hidden_size, config, dtype, "pooler")
        for head in heads:
            num_classes = HEADS[head].num_classes
            if num_classes is None:
                layer = MaskedLmHead(config, dtype, head)
            else:
                layer = make_dense(num_classes, config, dtype, head)
            setattr(self, head, layer)

    def build(self, input_shape: Any = None) -> None:
        hidden_shape = (None, None, self.config.hidden_size)
        self.embeddings.build()
        for layer in self.encoder_layers:
            layer.build(hidden_shape)
        if self.pooler is not None:
            self.pooler.build((None, self.config.hidden_size))
        for head in self.head_names:
            getattr(self, head).build((None, self.config.hidden_size))
        self.built = True

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, which Keras writes next to the weights."""
        return {
            "config": self.config.to_json(),
            "dtype": self._dtype,
            "name": self.name,
            "heads": list(self.head_names),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "PretrainingModel":
        """Return the model that `get_config` describes, with newly drawn weights."""
        return cls(**{**config, "config": BertConfig(**config["config"])})

    def encode(
        self,
        features: dict[str, Tensor],
        positions: Tensor | None = None,
        seeds: DropoutSeeds | None = None,
    ) -> Tensor:
        """Return the hidden states of the last layer.

        Args:
            features: `input_ids`, `input_mask`, `segment_ids`: int[batch, seq_length].
            positions: int[batch, num_queries]. Positions to compute; None computes all.
            seeds: of the dropout; None disables it.

        Returns:
            float[batch, num_queries or seq_length, hidden_size].
        """
        hidden = self.embeddings(
            features["input_ids"], segment_ids=features["segment_ids"], seeds=seeds
        )
        mask = ops.cast(features["input_mask"], "float32")[:, None, None, :]
        bias = (1.0 - mask) * _PADDING_SCORE
        for layer in self.encoder_layers[:-1]:
            hidden = layer(hidden, bias=bias, seeds=seeds)
        last = self.encoder_layers[-1]
        return last(hidden, bias=bias, positions=positions, seeds=seeds)

    def call(
        self, features: dict[str, Tensor], seeds: DropoutSeeds | None = None
    ) -> dict[str, Tensor]:
        """Return the outputs of the heads.

        Args:
            features: `input_ids`, `input_mask`, `segment_ids`: int[batch, seq_length];
                `masked_lm_positions`: int[batch, max_predictions].
            seeds: of the dropout; None disables it.

        Returns:
            `masked_lm_logits`: float32[batch, max_predictions, vocab_size];
            `next_sentence_logits`: float32[batch, 2], the second for a random sentence;
            `pooled_output`: float[batch, hidden_size]. Those of the heads that the model has.
        """
        masked = features["masked_lm_positions"]
        positions = ops.concatenate([ops.zeros_like(masked[:, :1]), masked], axis=1)
        hidden = self.encode(features, positions, seeds)
        return self.apply_heads(hidden[:, 0], hidden[:, 1:])

    def apply_heads(self, first: Tensor, hidden: Tensor) -> dict[str, Tensor]:
        """Return the outputs of the heads, as `call` does.

        Args:
            first: float[batch, hidden_size]. Hidden state of [CLS].
            hidden: float[batch, num_queries, hidden_size]. Hidden states to predict tokens from.
        """
        pooled = None if self.pooler is None else ops.tanh(self.pooler(first))
        outputs = {}
        for head in self.head_names:
            layer = getattr(self, head)
            if HEADS[head].weights is None:
                logits = ops.cast(layer(pooled), "float32")
            else:
                logits = layer(hidden, word_embeddings=self.embeddings.word_embeddings)
            outputs[f"{head}_logits"] = logits
        return outputs if pooled is None else outputs | {"pooled_output": pooled}
