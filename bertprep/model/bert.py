"""Features of records -> the logits of BERT's two pretraining heads.

    PretrainingModel
        Embeddings, EncoderLayer x n
        pooler            tanh of a dense layer on [CLS]
        MaskedLmHead      dense, gelu, LayerNorm, then the word embeddings again, and a bias
        next_sentence     dense to two logits

Only the masked positions and [CLS] are asked for behind the last layer, so it computes no others:
an eighth of the work of `mini` at length 128 and 20 predictions is saved, outputs are the same.

Axes: batch, seq_length, max_predictions, hidden_size, vocab_size.

Source: sections 3 and 3.1 of arXiv:1810.04805; run_pretraining.py of google-research/bert.
"""

from typing import Any

import keras
from keras import ops

from bertprep.model.config import BertConfig
from bertprep.model.layers import (
    DropoutSeeds,
    Embeddings,
    EncoderLayer,
    Tensor,
    gelu,
    make_dense,
    make_layer_norm,
)

#: Added to the score of a padded key: nothing is left of it behind the softmax.
_PADDING_SCORE = -10000.0


class MaskedLmHead(keras.layers.Layer):
    """Hidden states of the masked positions -> a logit of each piece of the vocabulary.

    Source: get_masked_lm_output in run_pretraining.py; section 3.1, task 1 of the paper.
    """

    def __init__(self, config: BertConfig, dtype: Any, name: str = "masked_lm") -> None:
        super().__init__(dtype=dtype, name=name)
        self.config = config
        self.transform = make_dense(config.hidden_size, config, dtype, "transform")
        self.layer_norm = make_layer_norm(dtype)

    def build(self, input_shape: Any = None) -> None:
        self.transform.build((None, None, self.config.hidden_size))
        self.layer_norm.build((None, None, self.config.hidden_size))
        shape = (self.config.vocab_size,)
        self.bias = self.add_weight(shape=shape, initializer="zeros", autocast=False, name="bias")
        self.built = True

    def call(self, hidden: Tensor, *, word_embeddings: Tensor) -> Tensor:
        """float[batch, max_predictions, hidden_size] -> float32[..., vocab_size].

        `word_embeddings`, float[vocab_size, hidden_size], is the table of the embeddings itself.
        """
        hidden = self.layer_norm(gelu(self.transform(hidden)))
        table = ops.cast(word_embeddings, hidden.dtype)
        batch, max_predictions, hidden_size = ops.shape(hidden)
        logits = ops.matmul(ops.reshape(hidden, (-1, hidden_size)), ops.transpose(table))
        logits = ops.cast(logits, "float32") + self.bias
        return ops.reshape(logits, (batch, max_predictions, self.config.vocab_size))


@keras.saving.register_keras_serializable("bertprep")
class PretrainingModel(keras.Model):
    """BERT with its masked-LM and next-sentence heads.

    Args:
        config: the shape.
        dtype: a Keras dtype policy: "float32", "mixed_bfloat16" or "mixed_float16". Variables,
            softmax and logits are float32 under each.

    Source: model_fn_builder in run_pretraining.py; sections 3 and 3.1 of the paper.
    """

    def __init__(
        self, config: BertConfig, dtype: Any = "float32", name: str = "bert", **kwargs: Any
    ) -> None:
        super().__init__(dtype=dtype, name=name, **kwargs)
        self.config, self._dtype = config, dtype
        self.embeddings = Embeddings(config, dtype)
        self.encoder_layers = [
            EncoderLayer(config, dtype, f"layer_{i}") for i in range(config.num_hidden_layers)
        ]
        self.pooler = make_dense(config.hidden_size, config, dtype, "pooler")
        self.masked_lm = MaskedLmHead(config, dtype)
        self.next_sentence = make_dense(2, config, dtype, "next_sentence")

    def build(self, input_shape: Any = None) -> None:
        hidden_shape = (None, None, self.config.hidden_size)
        self.embeddings.build()
        for layer in self.encoder_layers:
            layer.build(hidden_shape)
        self.masked_lm.build(hidden_shape)
        self.pooler.build((None, self.config.hidden_size))
        self.next_sentence.build((None, self.config.hidden_size))
        self.built = True

    def get_config(self) -> dict[str, Any]:
        """What Keras writes beside the weights."""
        return {"config": self.config.to_json(), "dtype": self._dtype, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "PretrainingModel":
        """The model that `get_config` tells of, with fresh weights."""
        return cls(**{**config, "config": BertConfig(**config["config"])})

    def encode(
        self,
        features: dict[str, Tensor],
        positions: Tensor | None = None,
        seeds: DropoutSeeds | None = None,
    ) -> Tensor:
        """Hidden states behind the last layer.

        Args:
            features: `input_ids`, `input_mask`, `segment_ids`: int[batch, seq_length].
            positions: int[batch, num_queries]. Where they are wanted; None is everywhere.
            seeds: of the dropout; None is none.

        Returns:
            float[batch, num_queries or seq_length, hidden_size].
        """
        hidden = self.embeddings(
            features["input_ids"], segment_ids=features["segment_ids"], seeds=seeds
        )
        mask = ops.cast(features["input_mask"], "float32")[:, None, None, :]
        padding = (1.0 - mask) * _PADDING_SCORE
        for layer in self.encoder_layers[:-1]:
            hidden = layer(hidden, padding=padding, seeds=seeds)
        last = self.encoder_layers[-1]
        return last(hidden, padding=padding, positions=positions, seeds=seeds)

    def call(
        self, features: dict[str, Tensor], seeds: DropoutSeeds | None = None
    ) -> dict[str, Tensor]:
        """The outputs of both heads.

        Args:
            features: `input_ids`, `input_mask`, `segment_ids`: int[batch, seq_length];
                `masked_lm_positions`: int[batch, max_predictions].
            seeds: of the dropout; None is none.

        Returns:
            `masked_lm_logits`: float32[batch, max_predictions, vocab_size];
            `next_sentence_logits`: float32[batch, 2], the second one for a random sentence;
            `pooled_output`: float[batch, hidden_size].
        """
        masked = features["masked_lm_positions"]
        positions = ops.concatenate([ops.zeros_like(masked[:, :1]), masked], axis=1)
        hidden = self.encode(features, positions, seeds)
        return self.apply_heads(hidden[:, 0], hidden[:, 1:])

    def apply_heads(self, first: Tensor, hidden: Tensor) -> dict[str, Tensor]:
        """The outputs of both heads, as `call` tells of them.

        Args:
            first: float[batch, hidden_size]. The hidden state of [CLS].
            hidden: float[batch, num_queries, hidden_size]. Where pieces are to be predicted.
        """
        pooled = ops.tanh(self.pooler(first))
        table = self.embeddings.word_embeddings
        return {
            "masked_lm_logits": self.masked_lm(hidden, word_embeddings=table),
            "next_sentence_logits": ops.cast(self.next_sentence(pooled), "float32"),
            "pooled_output": pooled,
        }
