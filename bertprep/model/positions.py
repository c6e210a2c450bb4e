"""Position kinds: how a model knows the order of its tokens. One class and one entry each.

A class adds its variables to the embedding layer, and returns what is added to word embeddings.
The module loads no Keras, so that a config is checked against POSITIONS before TensorFlow is
loaded.
"""

from collections.abc import Callable
from typing import Any

Tensor = Any


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
        """Add the table of position embeddings to the embedding layer."""
        self.table = layer.add_weight(
            shape=self._shape, initializer=initializer(), name="position_embeddings"
        )

    def embeddings(self, seq_length: int) -> Tensor:
        """Return float[seq_length, hidden_size], which is added to the word embeddings."""
        return self.table[:seq_length]


#: By the value of `position_embedding_type` in a config.
POSITIONS = {"absolute": AbsolutePositions}
