"""Pretraining heads: what each predicts, where its labels are, and the names of its metrics.

An objective asks for heads by name. The layers of a head belong to a model family; the loss, the
metrics and everything that shows them follow from the entries here. The module loads no Keras.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

#: Sum that counts the sequences of a batch, whatever its heads are.
SEQUENCES = "sequences"


@dataclass(frozen=True)
class Head:
    """One prediction task, learned by cross entropy.

    Attributes:
        name: name of the layer, in checkpoints as well; its output is `{name}_logits`.
        description: name of the head in messages.
        label: abbreviation on the terminal.
        metric: prefix in metrics.jsonl: `{metric}_loss`, `{metric}_accuracy`.
        title: what is predicted, for charts.
        labels: feature with the correct classes.
        weights: feature with the weight of each prediction; None predicts once per sequence, from
            the pooled output.
        predictions: name of the number of predictions in metrics.jsonl.
        num_classes: number of classes; None is the size of the vocabulary.
        denominator_offset: added to the number of predictions in the denominator of the loss.
    """

    name: str
    description: str
    label: str
    metric: str
    title: str
    labels: str
    weights: str | None = None
    predictions: str = SEQUENCES
    num_classes: int | None = None
    denominator_offset: float = 0.0

    @property
    def loss_sum(self) -> str:
        """Name of the sum of cross entropies."""
        return f"{self.name}_loss"

    @property
    def correct_sum(self) -> str:
        """Name of the sum of correct predictions."""
        return f"{self.name}_correct"

    @property
    def count(self) -> str:
        """Name of the sum of the weights of the predictions."""
        return f"{self.name}_weights" if self.weights else SEQUENCES

    @property
    def loss_metric(self) -> str:
        """Name of the mean loss in metrics.jsonl."""
        return f"{self.metric}_loss"

    @property
    def accuracy_metric(self) -> str:
        """Name of the accuracy in metrics.jsonl."""
        return f"{self.metric}_accuracy"


HEADS: Mapping[str, Head] = {
    head.name: head
    for head in (
        Head(
            name="masked_lm",
            description="masked-LM head",
            label="MLM",
            metric="mlm",
            title="masked tokens",
            labels="masked_lm_ids",
            weights="masked_lm_weights",
            predictions="masks",
            denominator_offset=1e-5,  # a batch without masked tokens has a denominator
        ),
        Head(
            name="next_sentence",
            description="next-sentence head",
            label="NSP",
            metric="nsp",
            title="next sentence",
            labels="next_sentence_labels",
            num_classes=2,
        ),
    )
}


def sum_names(heads: Iterable[Head]) -> tuple[str, ...]:
    """Return the names of all sums of a step, each once."""
    names = (name for head in heads for name in (head.loss_sum, head.correct_sum, head.count))
    return tuple(dict.fromkeys((*names, SEQUENCES)))
