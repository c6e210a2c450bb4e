"""Logits and labels -> sums that add up over micro-batches and replicas; and the optimizer.

A batch's loss is a quotient whose denominator is known only for the whole batch, so nothing here
divides but `loss_of`. Every count of steps is one of updates, not of micro-batches.

Source: run_pretraining.py and optimization.py of google-research/bert; appendix A.2 of the paper.
"""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from bertprep.model.bert import PretrainingModel
from bertprep.options import TrainingOptions

Tensor = Any

#: What `sums_of` counts, in its order.
SUMS = (
    "masked_lm_loss",  # cross entropy of the masked tokens
    "masked_lm_correct",
    "masked_lm_weights",
    "next_sentence_loss",  # cross entropy of the pairs
    "next_sentence_correct",
    "sequences",
)
_BETA_1, _BETA_2, _EPSILON, _CLIP_NORM = 0.9, 0.999, 1e-6, 1.0
#: In the denominator of the masked-LM loss, so that a batch without a mask has one.
_NO_MASK = 1e-5


def denominators(features: Mapping[str, Tensor]) -> Tensor:
    """float32[2]. Masks and sequences of a batch: what `loss_of` divides by, before any model.

    A sequence without tokens (its `input_mask` is 0 at [CLS]) fills a batch up, and counts nothing.
    """
    weights, present = features["masked_lm_weights"], features["input_mask"][:, 0]
    return ops.stack([ops.sum(weights), ops.sum(ops.cast(present, "float32"))])


def sums_of(outputs: Mapping[str, Tensor], features: Mapping[str, Tensor]) -> Tensor:
    """float32[6]. The SUMS of a batch.

    Args:
        outputs: of a PretrainingModel.
        features: `masked_lm_ids`, `masked_lm_weights`: [batch, max_predictions];
            `next_sentence_labels`: int[batch, 1]; `input_mask`: int[batch, seq_length].
    """
    present = ops.cast(features["input_mask"][:, 0], "float32")
    masked_lm = _head_sums(
        outputs["masked_lm_logits"], features["masked_lm_ids"], features["masked_lm_weights"]
    )
    labels = features["next_sentence_labels"][:, 0]
    return ops.stack([*masked_lm, *_head_sums(outputs["next_sentence_logits"], labels, present)])


def _head_sums(logits: Tensor, labels: Tensor, weights: Tensor) -> list[Tensor]:
    """Cross entropy, right answers and weights: float32[..., n], int[...], float32[...]."""
    logits = ops.reshape(logits, (-1, logits.shape[-1]))
    labels, weights = ops.reshape(labels, (-1, 1)), ops.reshape(weights, (-1,))
    # The largest logit is found faster than its place.
    own = ops.take_along_axis(logits, labels, axis=1)[:, 0]
    is_right = ops.cast(own >= ops.max(logits, axis=1), "float32")
    return [
        _cross_entropy(logits, labels, weights),
        ops.sum(weights * ops.stop_gradient(is_right)),
        ops.sum(weights),
    ]


@ops.custom_gradient
def _cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> tuple[Tensor, Any]:
    """Weighted sum of cross entropies: float32[n, k], int[n, 1], float32[n] -> float32 scalar.

    The logits of 640 masks are 80 MB, and every pass over them counts: the exponentials are kept,
    and the gradient is one product and one number a row. Half the time of Keras's.
    """
    largest = ops.max(logits, axis=1, keepdims=True)
    exponentials = ops.exp(logits - largest)
    total = ops.sum(exponentials, axis=1, keepdims=True)
    own = ops.take_along_axis(logits, labels, axis=1)
    each = ops.log(total) + largest - own

    def gradient(*upstreams: Tensor, upstream: Tensor | None = None) -> tuple[Any, ...]:
        scale = (upstreams[0] if upstream is None else upstream) * weights[:, None]
        probabilities = exponentials * (scale / total)
        rows = ops.arange(ops.shape(labels)[0], dtype=labels.dtype)[:, None]
        places = ops.concatenate([rows, labels], axis=1)
        corrected = ops.take_along_axis(probabilities, labels, axis=1) - scale
        return ops.scatter_update(probabilities, places, corrected[:, 0]), None, None

    return ops.sum(weights[:, None] * each), gradient


def loss_of(sums: Tensor, denominators: Tensor) -> Tensor:
    """float32 scalar. A part's share in the loss: these shares add up to the whole batch's loss.

    Args:
        sums: float32[6]. Of the part.
        denominators: float32[2]. Of the whole batch, over all replicas and micro-batches.
    """
    return sums[0] / (denominators[0] + _NO_MASK) + sums[3] / denominators[1]


@keras.saving.register_keras_serializable("bertprep")
class WarmupLinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Linear from 0 up to the peak; behind it the line from the peak at update 0 to 0 at the end.

    So the first update has the rate 0, and the rate falls a little where the warm-up ends.

    Args:
        peak: the rate that the warm-up leads to.
        warmup_steps: updates of the warm-up.
        total_steps: updates of the run.

    Source: create_optimizer in optimization.py.
    """

    def __init__(self, peak: float, warmup_steps: int, total_steps: int) -> None:
        super().__init__()
        self.peak, self.warmup_steps, self.total_steps = peak, warmup_steps, total_steps

    def __call__(self, step: Tensor) -> Tensor:
        """The rate of update `step`, from 0."""
        step = ops.cast(step, "float32")
        rising = step / max(1, self.warmup_steps)
        falling = ops.maximum(0.0, 1.0 - step / self.total_steps)
        return self.peak * ops.where(step < self.warmup_steps, rising, falling)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        names = ("peak", "warmup_steps", "total_steps")
        return {name: getattr(self, name) for name in names}


def make_optimizer(
    model: PretrainingModel,
    options: TrainingOptions,
    optimizer_class: type[keras.optimizers.AdamW] = keras.optimizers.AdamW,
) -> keras.optimizers.Optimizer:
    """AdamW as BERT has it, with its variables made; under float16 with a loss scale around it.

    Weights of a LayerNorm and biases do not decay. Keras corrects the bias of Adam's averages,
    which the release does not: its first updates are larger there.
    """
    optimizer = optimizer_class(
        WarmupLinearDecay(options.learning_rate, options.warmup_steps, options.steps),
        weight_decay=options.weight_decay,
        beta_1=_BETA_1,
        beta_2=_BETA_2,
        epsilon=_EPSILON,
        global_clipnorm=_CLIP_NORM,
        name="adamw",  # stands in checkpoints
    )
    variables = model.trainable_variables
    optimizer.exclude_from_weight_decay([v for v in variables if len(v.shape) == 1])
    if options.precision == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, name="loss_scale")
    optimizer.build(variables)
    return optimizer
