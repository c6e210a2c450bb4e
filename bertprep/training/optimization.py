"""Logits and labels -> sums that add up over micro-batches and replicas; and the optimizer.

The denominators of a batch's loss are known only for the whole batch, so only `loss_of` divides.
Every number of steps counts updates, not micro-batches.

Source: run_pretraining.py and optimization.py of google-research/bert; appendix A.2 of the paper.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
from keras import ops

from bertprep.model.heads import SEQUENCES, Head
from bertprep.options import TrainingOptions

Tensor = Any
Features = Mapping[str, Tensor]

_BETA_1, _BETA_2, _EPSILON, _CLIP_NORM = 0.9, 0.999, 1e-6, 1.0


def prediction_counts(heads: Iterable[Head], features: Features) -> dict[str, Tensor]:
    """Return the sums that `loss_of` divides by: `count` of each head, and the sequences.

    A sequence without tokens, whose `input_mask` is 0 at [CLS], fills a batch and counts nothing.
    """
    counts = {head.count: ops.sum(features[head.weights]) for head in heads if head.weights}
    return counts | {SEQUENCES: ops.sum(_is_sequence(features))}


def _is_sequence(features: Features) -> Tensor:
    """Return float32[batch]: 1 for a sequence, 0 for padding of the batch."""
    return ops.cast(features["input_mask"][:, 0], "float32")


def sums_of(
    heads: Sequence[Head], outputs: Mapping[str, Tensor], features: Features
) -> dict[str, Tensor]:
    """Return the sums of a batch, by the names of `heads.sum_names`.

    Args:
        heads: heads of the model.
        outputs: outputs of the model.
        features: `input_mask`: int[batch, seq_length]; labels and weights of the heads.
    """
    sums = prediction_counts(heads, features)
    for head in heads:
        weights = features[head.weights] if head.weights else _is_sequence(features)
        logits = outputs[f"{head.name}_logits"]
        loss, correct = _loss_and_correct(logits, features[head.labels], weights)
        sums |= {head.loss_sum: loss, head.correct_sum: correct}
    return sums


def _loss_and_correct(logits: Tensor, labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Return weighted sums of cross entropies and correct predictions.

    Args:
        logits: float32[..., num_classes].
        labels: int[...].
        weights: float32[...].
    """
    logits = ops.reshape(logits, (-1, logits.shape[-1]))
    labels, weights = ops.reshape(labels, (-1, 1)), ops.reshape(weights, (-1,))
    # The maximum is faster than its index.
    own = ops.take_along_axis(logits, labels, axis=1)[:, 0]
    is_correct = ops.cast(own >= ops.max(logits, axis=1), "float32")
    correct = ops.sum(weights * ops.stop_gradient(is_correct))
    return _cross_entropy(logits, labels, weights), correct


@ops.custom_gradient
def _cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> tuple[Tensor, Any]:
    """Return the weighted sum of cross entropies of float32[n, k], int[n, 1], float32[n].

    The logits of 640 masked tokens are 80 MB, and every pass over them counts: the exponentials are
    kept, and the gradient is one product and one update per row. Half the time of Keras's.
    """
    largest = ops.max(logits, axis=1, keepdims=True)
    exponentials = ops.exp(logits - largest)
    total = ops.sum(exponentials, axis=1, keepdims=True)
    own = ops.take_along_axis(logits, labels, axis=1)
    losses = ops.log(total) + largest - own

    def gradient(*upstreams: Tensor, upstream: Tensor | None = None) -> tuple[Any, ...]:
        scale = (upstreams[0] if upstream is None else upstream) * weights[:, None]
        probabilities = exponentials * (scale / total)
        rows = ops.arange(ops.shape(labels)[0], dtype=labels.dtype)[:, None]
        indices = ops.concatenate([rows, labels], axis=1)
        corrected = ops.take_along_axis(probabilities, labels, axis=1) - scale
        return ops.scatter_update(probabilities, indices, corrected[:, 0]), None, None

    return ops.sum(weights[:, None] * losses), gradient


def loss_of(
    heads: Sequence[Head], sums: Mapping[str, Tensor], counts: Mapping[str, Tensor]
) -> Tensor:
    """Return a part's share of the loss, float32; the shares add up to the loss of the batch.

    Args:
        heads: heads of the model.
        sums: sums of the part.
        counts: `prediction_counts` of the batch, over all replicas and micro-batches.
    """
    shares = (
        sums[head.loss_sum] / (counts[head.count] + head.denominator_offset) for head in heads
    )
    return sum(shares)


@keras.saving.register_keras_serializable("bertprep")
class WarmupLinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Linear from 0 to the peak, then the line that leads from the peak at update 0 to 0.

    So the first update has rate 0, and the rate drops slightly where the warm-up ends.

    Args:
        peak: learning rate at the end of the warm-up.
        warmup_steps: updates of the warm-up.
        total_steps: updates of the run.

    Source: create_optimizer in optimization.py.
    """

    def __init__(self, peak: float, warmup_steps: int, total_steps: int) -> None:
        super().__init__()
        self.peak, self.warmup_steps, self.total_steps = peak, warmup_steps, total_steps

    def __call__(self, step: Tensor) -> Tensor:
        """Return the learning rate of update `step`, counted from 0."""
        step = ops.cast(step, "float32")
        rising = step / max(1, self.warmup_steps)
        falling = ops.maximum(0.0, 1.0 - step / self.total_steps)
        return self.peak * ops.where(step < self.warmup_steps, rising, falling)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        names = ("peak", "warmup_steps", "total_steps")
        return {name: getattr(self, name) for name in names}


class SummedAdamW(keras.optimizers.AdamW):
    """AdamW for gradients that are summed over the replicas before they are clipped.

    Keras sums them after clipping, which then applies to each replica's part alone.
    """

    def _all_reduce_sum_gradients(self, grads_and_vars: Iterable[Any]) -> list[Any]:
        return list(grads_and_vars)


def make_optimizer(model: keras.Model, options: TrainingOptions) -> keras.optimizers.Optimizer:
    """Return BERT's AdamW with its variables built; under float16 with loss scaling.

    Biases and the weights of LayerNorm do not decay. Keras corrects the bias of Adam's averages,
    which the release does not: its first updates are larger there.
    """
    optimizer = SummedAdamW(
        WarmupLinearDecay(options.learning_rate, options.warmup_steps, options.steps),
        weight_decay=options.weight_decay,
        beta_1=_BETA_1,
        beta_2=_BETA_2,
        epsilon=_EPSILON,
        global_clipnorm=_CLIP_NORM,
        name="adamw",  # part of the names in checkpoints
    )
    variables = model.trainable_variables
    optimizer.exclude_from_weight_decay([v for v in variables if len(v.shape) == 1])
    if options.precision == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, name="loss_scale")
    optimizer.build(variables)
    return optimizer
