"""Position kinds: how a model knows the order of its tokens. One class and one entry each.

The module loads no Keras, so that a config is checked against POSITIONS before TensorFlow is.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

Tensor = Any


class Positions(Protocol):
    """What the embeddings ask of a position kind."""

    def build(self, layer: Any, initializer: Callable[[], Any]) -> None:
        """Add the variables, if there are any, to the embedding layer."""

    def embeddings(self, seq_length: int) -> Tensor:
        """Return float[seq_length, hidden_size], which is added to the word embeddings."""


class AbsolutePositions:
    """Learned position embeddings, as published.

    Args:
        max_position_embeddings: longest sequence in tokens.
        hidden_size: width of an embedding.

    Source: section 3.2 of arXiv:1810.04805; embedding_postprocessor in modeling.py.
    """

    def __init__(self, max_position_embeddings: int, hidden_size: int) -> None:
        self._shape = (max_position_embeddings, hidden_size)

    def build(self, layer: Any, initializer: Callable[[], Any]) -> None:
        """Add the table of embeddings."""
        self.table = layer.add_weight(
            shape=self._shape, initializer=initializer(), name="position_embeddings"
        )

    def embeddings(self, seq_length: int) -> Tensor:
        """Return the first rows of the table."""
        return self.table[:seq_length]


#: By the value of `position_embedding_type` in a config.
POSITIONS: Mapping[str, Callable[[int, int], Positions]] = {"absolute": AbsolutePositions}
