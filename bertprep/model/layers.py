"""The layers of BERT's encoder, written with keras.ops so that any Keras backend runs them.

    Embeddings        word + position + token type, LayerNorm, dropout
    EncoderLayer      SelfAttention, add and LayerNorm; feed-forward, add and LayerNorm

Axes: batch, seq_length, num_queries (positions whose outputs are computed), num_heads, head_size,
hidden_size, vocab_size.

Source: section 3 of arXiv:1810.04805; modeling.py of google-research/bert.
"""

import math
import zlib
from typing import Any

import keras
import numpy as np
from keras import ops

from bertprep.model.config import ACTIVATIONS, BertConfig
from bertprep.model.positions import POSITIONS

_GOLDEN = 0x9E3779B1  # odd, so that its multiples visit all 32-bit words

Tensor = Any


class DropoutSeeds:
    """Seeds for the dropout layers of one forward pass, computed from two numbers.

    No state is kept between steps, so that a resumed run draws what an uninterrupted one draws.

    Args:
        seed: seed of the run.
        step: int32 scalar tensor. Number of the forward pass, unique in the run.
    """

    def __init__(self, seed: int, step: Tensor) -> None:
        self._seed, self._step, self._drawn = seed, ops.cast(step, "uint32"), 0

    def next(self) -> tuple[Tensor, Tensor]:
        """Return two uint32 scalars, different at each call."""
        stream = zlib.crc32(f"{self._seed} {self._drawn}".encode())
        self._drawn += 1
        first = _mix(self._step * _word(_GOLDEN) + _word(stream))
        return first, _mix(first + _word(_GOLDEN))


def _word(value: int) -> Tensor:
    return ops.convert_to_tensor(np.uint32(value), "uint32")


def _mix(words: Tensor, key: Tensor | None = None) -> Tensor:
    """Return uint32[...], each hashed, so that every bit of a word depends on all of its bits.

    Source: the finalizer of MurmurHash3 without its last step, since only high bits are used.
    """

    def fold(words: Tensor, bits: int) -> Tensor:
        return ops.bitwise_xor(words, ops.bitwise_right_shift(words, _word(bits)))

    words = fold(words, 16) * _word(0x85EBCA6B)
    words = words if key is None else ops.bitwise_xor(words, key)
    return fold(words, 13) * _word(0xC2B2AE35)


def dropout(inputs: Tensor, probability: float, seeds: DropoutSeeds | None) -> Tensor:
    """Zero elements at random and scale up the others; without seeds return the inputs.

    Whether an element is dropped is a hash of its index. Keras's own dropout takes twice as long on
    a CPU, and two hundred times as long when XLA compiles it.
    """
    if seeds is None or probability == 0.0:
        return inputs
    first, second = seeds.next()
    size = math.prod(inputs.shape)
    indices = ops.cast(ops.arange(size, dtype="int32"), "uint32")
    words = _mix(indices * _word(_GOLDEN) + first, second)
    is_kept = ops.reshape(words >= _word(round(probability * 2**32)), inputs.shape)
    return inputs * (ops.cast(is_kept, inputs.dtype) * (1.0 / (1.0 - probability)))


@ops.custom_gradient
def gelu(inputs: Tensor) -> tuple[Tensor, Any]:
    """Return x * Phi(x), the exact GELU by erf, with a gradient in few passes over memory.

    Source: gelu in modeling.py, arXiv:1606.08415.
    """
    cdf = 0.5 * ops.erf(inputs * math.sqrt(0.5)) + 0.5

    def gradient(*upstreams: Tensor, upstream: Tensor | None = None) -> Tensor:
        density = ops.exp(-0.5 * ops.square(inputs)) * (1.0 / math.sqrt(2.0 * math.pi))
        above = upstreams[0] if upstream is None else upstream
        return above * (cdf + inputs * density)

    return inputs * cdf, gradient


def activate(inputs: Tensor, config: BertConfig) -> Tensor:
    """Return the activation function of a config, elementwise."""
    return _ACTIVATIONS[ACTIVATIONS[config.hidden_act]](inputs)


#: By the values of ACTIVATIONS.
_ACTIVATIONS = {
    "gelu": gelu,
    "gelu_new": lambda inputs: ops.gelu(inputs, approximate=True),
    "relu": ops.relu,
}


def make_dense(units: int, config: BertConfig, dtype: Any, name: str) -> keras.layers.Dense:
    """Return a dense layer with BERT's initial weights."""
    initializer = keras.initializers.TruncatedNormal(stddev=config.initializer_range)
    return keras.layers.Dense(units, kernel_initializer=initializer, dtype=dtype, name=name)


def make_layer_norm(
    config: BertConfig, dtype: Any, name: str = "layer_norm"
) -> keras.layers.LayerNormalization:
    """Return a LayerNorm with the epsilon of the config."""
    return keras.layers.LayerNormalization(epsilon=config.layer_norm_eps, dtype=dtype, name=name)


def gather_positions(hidden: Tensor, positions: Tensor) -> Tensor:
    """Return the hidden states at some positions of each sequence.

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
    """Token ids and token types -> the input of the first encoder layer.

    Source: embedding_lookup and embedding_postprocessor in modeling.py; figure 2 of the paper.
    """

    def __init__(self, config: BertConfig, dtype: Any, name: str = "embeddings") -> None:
        super().__init__(dtype=dtype, name=name)
        self.config = config
        make_positions = POSITIONS[config.position_embedding_type]
        self.positions = make_positions(config.max_position_embeddings, config.hidden_size)
        self.layer_norm = make_layer_norm(config, dtype)

    def build(self, input_shape: Any = None) -> None:
        config = self.config

        def initializer() -> keras.initializers.Initializer:
            return keras.initializers.TruncatedNormal(stddev=config.initializer_range)

        def add_table(name: str, rows: int) -> Any:
            shape = (rows, config.hidden_size)
            return self.add_weight(shape=shape, initializer=initializer(), name=name)

        # Initial weights follow from the seed and the order of the tables.
        self.word_embeddings = add_table("word_embeddings", config.vocab_size)
        self.positions.build(self, initializer)
        self.token_type_embeddings = add_table("token_type_embeddings", config.type_vocab_size)
        self.layer_norm.build((None, None, config.hidden_size))
        self.built = True

    def call(
        self, input_ids: Tensor, *, segment_ids: Tensor, seeds: DropoutSeeds | None = None
    ) -> Tensor:
        """Return float[batch, seq_length, hidden_size] for two int[batch, seq_length]."""
        words = ops.take(self.word_embeddings, input_ids, axis=0)
        positions = self.positions.embeddings(ops.shape(input_ids)[1])
        # The table is small: a product is faster than a gather, its gradient than a scatter.
        one_hot = ops.one_hot(segment_ids, self.config.type_vocab_size, dtype=words.dtype)
        types = ops.matmul(one_hot, self.token_type_embeddings)
        hidden = self.layer_norm(words + types + positions)
        return dropout(hidden, self.config.hidden_dropout_prob, seeds)


class SelfAttention(keras.layers.Layer):
    """Multi-head attention of some positions to all positions.

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
        bias: Tensor,
        seeds: DropoutSeeds | None = None,
    ) -> Tensor:
        """Return the concatenated outputs of the heads after the output projection.

        Args:
            queries: float[batch, num_queries, hidden_size].
            hidden: float[batch, seq_length, hidden_size].
            bias: float32[batch, 1, 1, seq_length]. Added to the attention scores.
            seeds: of the dropout; None disables it.

        Returns:
            float[batch, num_queries, hidden_size].
        """
        num_heads = self.config.num_attention_heads
        head_size = self.config.hidden_size // num_heads

        def heads(dense: keras.layers.Dense, inputs: Tensor) -> Tensor:
            return ops.reshape(dense(inputs), (-1, ops.shape(inputs)[1], num_heads, head_size))

        # Scaling the queries equals scaling the scores, on fewer elements.
        query = heads(self.query, queries) * head_size**-0.5
        scores = ops.einsum("bqnd,bknd->bnqk", query, heads(self.key, hidden))
        # In float32 under every policy; Keras casts the arguments of a layer.
        scores = ops.cast(scores, "float32") + ops.cast(bias, "float32")
        probabilities = ops.cast(ops.softmax(scores), query.dtype)
        probabilities = dropout(probabilities, self.config.attention_probs_dropout_prob, seeds)
        context = ops.einsum("bnqk,bknd->bqnd", probabilities, heads(self.value, hidden))
        return self.output_dense(ops.reshape(context, ops.shape(queries)))


class EncoderLayer(keras.layers.Layer):
    """Self-attention and feed-forward, each added to its input and normalized.

    Source: the body of the loop in transformer_model in modeling.py.
    """

    def __init__(self, config: BertConfig, dtype: Any, name: str) -> None:
        super().__init__(dtype=dtype, name=name)
        self.config = config
        self.attention = SelfAttention(config, dtype)
        self.attention_norm = make_layer_norm(config, dtype, "attention_layer_norm")
        self.intermediate = make_dense(config.intermediate_size, config, dtype, "intermediate")
        self.output_dense = make_dense(config.hidden_size, config, dtype, "output")
        self.output_norm = make_layer_norm(config, dtype, "output_layer_norm")

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
        bias: Tensor,
        positions: Tensor | None = None,
        seeds: DropoutSeeds | None = None,
    ) -> Tensor:
        """Return the hidden states after this layer.

        Args:
            hidden: float[batch, seq_length, hidden_size].
            bias: float32[batch, 1, 1, seq_length]. Added to the attention scores.
            positions: int[batch, num_queries]. Positions to compute; None computes all.
            seeds: of the dropout; None disables it.

        Returns:
            float[batch, num_queries or seq_length, hidden_size].
        """
        probability = self.config.hidden_dropout_prob
        queries = hidden if positions is None else gather_positions(hidden, positions)
        attended = self.attention(queries, hidden=hidden, bias=bias, seeds=seeds)
        queries = self.attention_norm(queries + dropout(attended, probability, seeds))
        intermediate = activate(self.intermediate(queries), self.config)
        output = dropout(self.output_dense(intermediate), probability, seeds)
        return self.output_norm(queries + output)
