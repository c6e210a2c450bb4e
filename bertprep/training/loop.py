"""One training step, on one replica or many, whole or in micro-batches.

    batch of this process -> its replicas -> micro-batches -> gradients, added up on the way back
    -> one update

The denominators of the loss are counted over the whole batch before the first forward pass. So the
gradient of each part is its share of the whole gradient, shares are only added up, and any number
of replicas and micro-batches makes the same update. The clip sees the whole gradient.
"""

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from bertprep.errors import BertprepError, UsageError
from bertprep.model.config import BertConfig, make_model
from bertprep.model.heads import HEADS, Head, sum_names
from bertprep.model.layers import DropoutSeeds
from bertprep.options import TrainingOptions
from bertprep.training.optimization import loss_of, make_optimizer, prediction_counts, sums_of
from bertprep.training.process import read_worker

Features = Mapping[str, Any]
Sums = dict[str, tf.Tensor]

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def make_strategy(distribute: str) -> tf.distribute.Strategy:
    """Return the strategy of a `--distribute`; call it before anything else of TensorFlow.

    Raises:
        UsageError: "multiworker" without a TF_CONFIG that names the workers.
    """
    if distribute == "none":
        return tf.distribute.get_strategy()
    if distribute == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
    else:
        read_worker()
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    # The update of a single replica may be compiled, which only the default strategy allows.
    is_alone = strategy.num_replicas_in_sync == 1
    return tf.distribute.get_strategy() if is_alone else strategy


def diverged(step: int, what: str) -> BertprepError:
    """Return the error of a run with values that are not finite."""
    return BertprepError(
        f"step {step}: {what}: resume from the last checkpoint with a lower --learning-rate, or a "
        "longer --warmup"
    )


class StepResult(NamedTuple):
    """Result of one update.

    Attributes:
        sums: over the whole batch, by the names of `heads.sum_names`.
        learning_rate: learning rate of the update.
        is_stopping: a process asks to stop; the same in every process after the same step.
    """

    sums: dict[str, float]
    learning_rate: float
    is_stopping: bool


class Trainer:
    """A model, its optimizer, and the steps that change them.

    Args:
        config: shape of the model, whose initial weights follow from the seed.
        options: options of the run.
        heads: heads of the model.
        strategy: from `make_strategy(options.distribute)`.

    Attributes:
        model, optimizer: Keras's, with their variables built.
        local_batch_size: sequences of a step in this process.
    """

    def __init__(
        self,
        config: BertConfig,
        options: TrainingOptions,
        heads: Sequence[Head] = tuple(HEADS.values()),
        strategy: tf.distribute.Strategy | None = None,
    ) -> None:
        self.strategy = strategy or make_strategy(options.distribute)
        self.options, self._heads, self._sum_names = options, heads, sum_names(heads)
        self._num_replicas = self.strategy.num_replicas_in_sync
        num_parts = self._num_replicas * options.gradient_accumulation
        if options.batch_size % num_parts:
            raise UsageError(
                f"batch_size must be a multiple of replicas x gradient_accumulation "
                f"({self._num_replicas} x {options.gradient_accumulation}), "
                f"got {options.batch_size}"
            )
        self._micro_batch_size = options.batch_size // num_parts
        is_alone = self._num_replicas == 1
        self._num_local = 1 if is_alone else len(self.strategy.extended.worker_devices)
        self.local_batch_size = options.batch_size // self._num_replicas * self._num_local
        keras.utils.set_random_seed(options.seed % 2**32)
        with self.strategy.scope():
            policy = _POLICIES[options.precision]
            self.model = make_model(config, policy, [head.name for head in heads])
            self.optimizer = make_optimizer(self.model, options)
        # The update is elementwise over all weights: compiled, it reads memory once. XLA cannot
        # compile the reduction between replicas, which is part of Keras's update.
        compiles_update = is_alone and options.xla is not False
        function = functools.partial(tf.function, autograph=False)
        self._gradients = function(self._compute_gradients, jit_compile=options.xla or None)
        self._apply = function(self._update, jit_compile=compiles_update or None)
        self._train_step = function(self._run_train_step)
        self._eval_step = function(self._run_eval_step)

    def train_step(self, step: int, features: Features, wants_stop: bool = False) -> StepResult:
        """Make one update.

        Args:
            step: number of the update in the run, which dropout follows from.
            features: [local_batch_size, ...] of each feature.
            wants_stop: this process asks all processes to stop.
        """
        first_pass = np.int32(
            step * self._num_replicas * self.options.gradient_accumulation % 2**31
        )
        stop = tf.constant([float(wants_stop)])
        packed, rate = self._train_step(self._per_replica(features), tf.constant(first_pass), stop)
        *sums, stops = packed.numpy().tolist()
        return StepResult(self._named(sums), float(rate), stops > 0.0)

    def evaluate(self, batches: Iterable[Features]) -> dict[str, float]:
        """Return the sums over batches, without dropout; every process needs as many batches."""
        total = np.zeros(len(self._sum_names))
        for features in batches:
            total += self._eval_step(self._per_replica(features)).numpy()
        return self._named(total.tolist())

    def run(
        self,
        steps: Iterable[int],
        batches: Iterable[Features],
        wants_stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[StepResult]:
        """Make steps one after the other; yield the result of each.

        Raises:
            BertprepError: the loss is not finite, and the weights are lost.
        """
        for step, features in zip(steps, batches, strict=False):
            result = self.train_step(step, features, wants_stop())
            loss = sum(result.sums[head.loss_sum] for head in self._heads)
            if not math.isfinite(loss):
                raise diverged(step, f"the loss is {loss}")
            yield result

    def state(self) -> dict[str, np.ndarray]:
        """Return every variable of model and optimizer by its path."""
        return {
            name: keras.ops.convert_to_numpy(variable) for name, variable in self._named_variables()
        }

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Set every variable to the state that `state` returned.

        Raises:
            UsageError: it is the state of another model or optimizer.
        """
        variables = self._named_variables()
        for name, variable in variables:
            if name not in arrays or arrays[name].shape != tuple(variable.shape):
                raise UsageError(
                    f"{name} is missing or has another shape: the checkpoint is of another model"
                )
        for name, variable in variables:
            variable.assign(arrays[name])

    def _named_variables(self) -> list[tuple[str, Any]]:
        parts = (("model", self.model), ("optimizer", self.optimizer))
        return [(f"{name}/{v.path}", v) for name, part in parts for v in part.variables]

    def _named(self, sums: list[float]) -> dict[str, float]:
        return dict(zip(self._sum_names, sums, strict=True))

    def _packed(self, sums: Sums) -> tf.Tensor:
        """Return the sums as one float32 vector, for one reduction over the replicas."""
        return tf.stack([sums[name] for name in self._sum_names])

    def _per_replica(self, features: Features) -> Any:
        """Split the batch of this process for its replicas."""
        if self._num_local == 1:
            return {name: tf.convert_to_tensor(value) for name, value in features.items()}
        size = len(features["input_ids"]) // self._num_local

        def share(context: Any) -> dict[str, Any]:
            first = context.replica_id_in_sync_group % self._num_local * size
            return {name: value[first : first + size] for name, value in features.items()}

        return self.strategy.experimental_distribute_values_from_function(share)

    def _run_train_step(
        self, features: Any, first_pass: tf.Tensor, stop: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        sums, rate = self.strategy.run(self._replica_step, (features, first_pass, stop))
        return self._one_of(sums), self._one_of(rate)

    def _run_eval_step(self, features: Any) -> tf.Tensor:
        def replica_step(features: Features) -> tf.Tensor:
            return self._reduce(self._packed(sums_of(self._heads, self.model(features), features)))

        return self._one_of(self.strategy.run(replica_step, (features,)))

    def _one_of(self, value: Any) -> tf.Tensor:
        """Return a value that is the same in every replica."""
        return self.strategy.experimental_local_results(value)[0]

    def _reduce(self, value: Any) -> Any:
        """Return tensors summed over all replicas."""
        if self._num_replicas == 1:
            return value
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, value)

    def _replica_step(
        self, features: Features, first_pass: tf.Tensor, stop: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        first_pass += tf.cast(replica, tf.int32) * self.options.gradient_accumulation
        counts = self._reduce(prediction_counts(self._heads, features))
        gradients, sums = self._gradients(features, counts, first_pass)
        rate = tf.identity(self.optimizer.learning_rate)
        apply = self._apply if self._num_replicas == 1 else self._update
        apply(self._reduce(gradients))
        return self._reduce(tf.concat([self._packed(sums), stop], axis=0)), rate

    def _update(self, gradients: list[tf.Tensor]) -> None:
        self.optimizer.apply(gradients, self.model.trainable_variables)

    def _compute_gradients(
        self, features: Features, counts: Sums, first_pass: tf.Tensor
    ) -> tuple[list[tf.Tensor], Sums]:
        """Return a replica's share of the gradients and its sums, over its micro-batches."""
        num_parts, size = self.options.gradient_accumulation, self._micro_batch_size
        if num_parts == 1:
            return self._micro_gradients(features, counts, first_pass)

        def add(i: tf.Tensor, gradients: list[tf.Tensor], sums: Sums) -> tuple[Any, ...]:
            part = {name: value[i * size : (i + 1) * size] for name, value in features.items()}
            part = {n: tf.ensure_shape(v, [size, *features[n].shape[1:]]) for n, v in part.items()}
            new_gradients, new_sums = self._micro_gradients(part, counts, first_pass + i)
            added = [old + new for old, new in zip(gradients, new_gradients, strict=True)]
            return i + 1, added, {name: sums[name] + new_sums[name] for name in sums}

        zeros = [tf.zeros(v.shape, v.dtype) for v in self.model.trainable_variables]
        state = (tf.constant(0), zeros, {name: tf.constant(0.0) for name in self._sum_names})
        _, gradients, sums = tf.while_loop(
            lambda i, *_: i < num_parts, add, state, parallel_iterations=1
        )
        return gradients, sums

    def _micro_gradients(
        self, features: Features, counts: Sums, number: tf.Tensor
    ) -> tuple[list[tf.Tensor], Sums]:
        with tf.GradientTape() as tape:
            outputs = self.model(features, seeds=DropoutSeeds(self.options.seed, number))
            sums = sums_of(self._heads, outputs, features)
            loss = self.optimizer.scale_loss(loss_of(self._heads, sums, counts))
        variables = [variable.value for variable in self.model.trainable_variables]
        return [tf.convert_to_tensor(g) for g in tape.gradient(loss, variables)], sums
