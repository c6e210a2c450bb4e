"""The layers of BERT's encoder, written with keras.ops so that any Keras backend runs them.

    Embeddings        word + position + token type, LayerNorm, dropout
    EncoderLayer      SelfAttention, add and LayerNorm; feed-forward, add and LayerNorm

Axes: batch, seq_length, num_queries (positions that a layer computes), num_heads, head_size,
hidden_size, vocab_size.

Source: section 3 of arXiv:1810.04805; modeling.py of google-research/bert.
"""

import math
import zlib
from typing import Any

import keras
import numpy as np
from keras import ops

from bertprep.model.config import BertConfig

#: Of every LayerNorm, as the release has it.
LAYER_NORM_EPSILON = 1e-12
_GOLDEN = 0x9E3779B1  # odd: multiples of it visit all words

Tensor = Any


class DropoutSeeds:
    """One seed for each dropout of a pass through the model, all following from two numbers.

    Nothing is kept from step to step, so that a run that goes on draws what it would have drawn.

    Args:
        seed: of the run.
        step: int32 scalar tensor. A number that no other pass of the run has.
    """

    def __init__(self, seed: int, step: Tensor) -> None:
        self._seed, self._step, self._drawn = seed, ops.cast(step, "uint32"), 0

    def next(self) -> tuple[Tensor, Tensor]:
        """Two uint32 scalars; others at each call."""
        stream = zlib.crc32(f"{self._seed} {self._drawn}".encode())
        self._drawn += 1
        first = _mix(self._step * _word(_GOLDEN) + _word(stream))
        return first, _mix(first + _word(_GOLDEN))


def _word(value: int) -> Tensor:
    return ops.convert_to_tensor(np.uint32(value), "uint32")


def _mix(words: Tensor, key: Tensor | None = None) -> Tensor:
    """uint32[...] -> uint32[...], every bit of which depends on all of them.

    Source: the finisher of MurmurHash3; its last step is left out, since only high bits count.
    """

    def folded(words: Tensor, bits: int) -> Tensor:
        return ops.bitwise_xor(words, ops.bitwise_right_shift(words, _word(bits)))

    words = folded(words, 16) * _word(0x85EBCA6B)
    words = words if key is None else ops.bitwise_xor(words, key)
    return folded(words, 13) * _word(0xC2B2AE35)


def dropout(inputs: Tensor, probability: float, seeds: DropoutSeeds | None) -> Tensor:
    """Zeroes elements and scales up the others; without seeds nothing is dropped.

    What is dropped is a hash of an element's place. Keras's own dropout takes twice as long on a
    CPU, and two hundred times as long when XLA compiles it.
    """
    if seeds is None or probability == 0.0:
        return inputs
    first, second = seeds.next()
    size = math.prod(inputs.shape)
    places = ops.cast(ops.arange(size, dtype="int32"), "uint32")
    words = _mix(places * _word(_GOLDEN) + first, second)
    is_kept = ops.reshape(words >= _word(round(probability * 2**32)), inputs.shape)
    return inputs * (ops.cast(is_kept, inputs.dtype) * (1.0 / (1.0 - probability)))


@ops.custom_gradient
def gelu(inputs: Tensor) -> tuple[Tensor, Any]:
    """Each x times the normal distribution's share below x, by erf; the gradient in fewest passes.

    Source: gelu in modeling.py, arXiv:1606.08415.
    """
    share = 0.5 * ops.erf(inputs * math.sqrt(0.5)) + 0.5

    def gradient(*upstreams: Tensor, upstream: Tensor | None = None) -> Tensor:
        density = ops.exp(-0.5 * ops.square(inputs)) * (1.0 / math.sqrt(2.0 * math.pi))
        above = upstreams[0] if upstream is None else upstream
        return above * (share + inputs * density)

    return inputs * share, gradient


def make_dense(units: int, config: BertConfig, dtype: Any, name: str) -> keras.layers.Dense:
    initializer = keras.initializers.TruncatedNormal(stddev=config.initializer_range)
    return keras.layers.Dense(units, kernel_initializer=initializer, dtype=dtype, name=name)


def make_layer_norm(dtype: Any, name: str = "layer_norm") -> keras.layers.LayerNormalization:
    return keras.layers.LayerNormalization(epsilon=LAYER_NORM_EPSILON, dtype=dtype, name=name)


def gather_positions(hidden: Tensor, positions: Tensor) -> Tensor:
    """Rows of each sequence.

    Args:
        hidden: float[batch, seq_length, hidden_size].
        positions: int[batch, num_queries].

    Returns:
        float[batch, num_queries, hidden_size].

    Source: gather_indexes in run_pretraining.py.
    """
    batch, seq_length, hidden_size = ops.shape(hidden)
    offsets = ops.arange(batch, dtype=positions.dtype)[:, None] * seq_length
    return ops.take(ops.reshape(hidden, (-1, hidden_size)), positions + offsets, axis=0)


class Embeddings(keras.layers.Layer):
    """Token ids -> the input of the first layer.

    Source: embedding_lookup and embedding_postprocessor in modeling.py; figure 2 of the paper.
    """

    def __init__(self, config: BertConfig, dtype: Any, name: str = "embeddings") -> None:
        super().__init__(dtype=dtype, name=name)
        self.config = config
        self.layer_norm = make_layer_norm(dtype)

    def build(self, input_shape: Any = None) -> None:
        config = self.config
        for name, rows in (
            ("word_embeddings", config.vocab_size),
            ("position_embeddings", config.max_position_embeddings),
            ("token_type_embeddings", config.type_vocab_size),
        ):
            initializer = keras.initializers.TruncatedNormal(stddev=config.initializer_range)
            shape = (rows, config.hidden_size)
            setattr(self, name, self.add_weight(shape=shape, initializer=initializer, name=name))
        self.layer_norm.build((None, None, config.hidden_size))
        self.built = True

    def call(
        self, input_ids: Tensor, *, segment_ids: Tensor, seeds: DropoutSeeds | None = None
    ) -> Tensor:
        """int[batch, seq_length] twice -> float[batch, seq_length, hidden_size]."""
        words = ops.take(self.word_embeddings, input_ids, axis=0)
        positions = self.position_embeddings[: ops.shape(input_ids)[1]]
        # The table is small: a product beats gathering, and its gradient beats scattering.
        kinds = ops.one_hot(segment_ids, self.config.type_vocab_size, dtype=words.dtype)
        types = ops.matmul(kinds, self.token_type_embeddings)
        hidden = self.layer_norm(words + types + positions)
        return dropout(hidden, self.config.hidden_dropout_prob, seeds)


class SelfAttention(keras.layers.Layer):
    """Multi-head attention of some positions to all of them.

    Source: attention_layer in modeling.py; section 3.2 of arXiv:1706.03762.
    """

    def __init__(self, config: BertConfig, dtype: Any, name: str = "attention") -> None:
        super().__init__(dtype=dtype, name=name)
        self.config = config
        self.query, self.key, self.value, self.output_dense = (
            make_dense(config.hidden_size, config, dtype, part)
            for part in ("query", "key", "value", "output")
        )

    def build(self, input_shape: Any = None) -> None:
        for dense in (self.query, self.key, self.value, self.output_dense):
            dense.build((None, None, self.config.hidden_size))
        self.built = True

    def call(
        self,
        queries: Tensor,
        *,
        hidden: Tensor,
        padding: Tensor,
        seeds: DropoutSeeds | None = None,
    ) -> Tensor:
        """What the heads find, put together again.

        Args:
            queries: float[batch, num_queries, hidden_size].
            hidden: float[batch, seq_length, hidden_size].
            padding: float32[batch, 1, 1, seq_length]. Added to the scores.
            seeds: of the dropout.

        Returns:
            float[batch, num_queries, hidden_size].
        """
        num_heads = self.config.num_attention_heads
        head_size = self.config.hidden_size // num_heads

        def heads(dense: keras.layers.Dense, inputs: Tensor) -> Tensor:
            return ops.reshape(dense(inputs), (-1, ops.shape(inputs)[1], num_heads, head_size))

        # Scaling the queries is the same as scaling the scores, and they are fewer.
        query = heads(self.query, queries) * head_size**-0.5
        scores = ops.einsum("bqnd,bknd->bnqk", query, heads(self.key, hidden))
        # In float32 under every policy; Keras casts what is passed to a layer.
        scores = ops.cast(scores, "float32") + ops.cast(padding, "float32")
        weights = ops.softmax(scores)
        weights = ops.cast(weights, query.dtype)
        weights = dropout(weights, self.config.attention_probs_dropout_prob, seeds)
        found = ops.einsum("bnqk,bknd->bqnd", weights, heads(self.value, hidden))
        return self.output_dense(ops.reshape(found, ops.shape(queries)))


class EncoderLayer(keras.layers.Layer):
    """Self-attention and feed-forward, each added to its input and normalized.

    Source: the body of the loop in transformer_model in modeling.py.
    """

    def __init__(self, config: BertConfig, dtype: Any, name: str) -> None:
        super().__init__(dtype=dtype, name=name)
        self.config = config
        self.attention = SelfAttention(config, dtype)
        self.attention_norm = make_layer_norm(dtype, "attention_layer_norm")
        self.intermediate = make_dense(config.intermediate_size, config, dtype, "intermediate")
        self.output_dense = make_dense(config.hidden_size, config, dtype, "output")
        self.output_norm = make_layer_norm(dtype, "output_layer_norm")

    def build(self, input_shape: Any = None) -> None:
        hidden_shape = (None, None, self.config.hidden_size)
        for layer in (self.attention, self.attention_norm, self.intermediate, self.output_norm):
            layer.build(hidden_shape)
        self.output_dense.build((None, None, self.config.intermediate_size))
        self.built = True

    def call(
        self,
        hidden: Tensor,
        *,
        padding: Tensor,
        positions: Tensor | None = None,
        seeds: DropoutSeeds | None = None,
    ) -> Tensor:
        """The next layer's input.

        Args:
            hidden: float[batch, seq_length, hidden_size].
            padding: float32[batch, 1, 1, seq_length]. Added to the scores.
            positions: int[batch, num_queries]. Where the output is wanted; None is everywhere.
            seeds: of the dropout.

        Returns:
            float[batch, num_queries or seq_length, hidden_size].
        """
        probability = self.config.hidden_dropout_prob
        queries = hidden if positions is None else gather_positions(hidden, positions)
        found = self.attention(queries, hidden=hidden, padding=padding, seeds=seeds)
        queries = self.attention_norm(queries + dropout(found, probability, seeds))
        wide = gelu(self.intermediate(queries))
        added = dropout(self.output_dense(wide), probability, seeds)
        return self.output_norm(queries + added)
