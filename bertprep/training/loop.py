"""One step of training, whatever it is spread over.

    batch of this process -> its replicas -> micro-batches -> gradients, summed on the way back
    -> one update

The denominators of the loss (masks and sequences of the whole batch) are counted and added up over
all replicas before the first forward pass. So each part's gradient is its share of the whole one,
shares are only ever added, and one replica or eight, in one go or in micro-batches, make the same
update. The clip sees the whole gradient.

Only this file and `dataset` know that TensorFlow runs the model.
"""

import functools
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bertprep.errors import BertprepError, UsageError
from bertprep.model.bert import PretrainingModel
from bertprep.model.config import BertConfig
from bertprep.model.layers import DropoutSeeds
from bertprep.options import TrainingOptions
from bertprep.training.optimization import SUMS, denominators, loss_of, make_optimizer, sums_of

Features = Mapping[str, Any]

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


def make_strategy(distribute: str) -> tf.distribute.Strategy:
    """The tf.distribute strategy of a `--distribute`; before anything else of TensorFlow is used.

    Raises:
        UsageError: "multiworker" without a TF_CONFIG that names the workers.
    """
    if distribute == "none":
        return tf.distribute.get_strategy()
    if distribute == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
        return _unless_alone(strategy)
    try:
        workers = json.loads(os.environ.get("TF_CONFIG", ""))["cluster"]["worker"]
        assert workers
    except (ValueError, KeyError, TypeError, AssertionError):
        raise UsageError(
            "--distribute multiworker needs the workers in the environment variable TF_CONFIG, as "
            'in {"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", '
            '"index": 0}}, with the same list and its own index on each'
        ) from None
    return _unless_alone(tf.distribute.MultiWorkerMirroredStrategy())


def _unless_alone(strategy: tf.distribute.Strategy) -> tf.distribute.Strategy:
    """The default strategy for a single replica, whose update may be compiled by itself."""
    is_alone = strategy.num_replicas_in_sync == 1
    return tf.distribute.get_strategy() if is_alone else strategy


class SummedAdamW(keras.optimizers.AdamW):
    """AdamW for gradients that are summed over the replicas before they are clipped.

    Keras sums them after its clip, which then sees each replica's part alone.
    """

    def _all_reduce_sum_gradients(self, grads_and_vars: Iterable[Any]) -> list[Any]:
        return list(grads_and_vars)


class Trainer:
    """A model, its optimizer, and the steps that change them.

    Args:
        config: the shape of the model; its weights are drawn from the seed.
        options: of the run.
        strategy: from `make_strategy(options.distribute)`.

    Attributes:
        model, optimizer: Keras's, with their variables made.
        local_batch_size: sequences of a step that this process gets.
    """

    def __init__(
        self,
        config: BertConfig,
        options: TrainingOptions,
        strategy: tf.distribute.Strategy | None = None,
    ) -> None:
        self.strategy = strategy or make_strategy(options.distribute)
        self.options = options
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
            self.model = PretrainingModel(config, _POLICIES[options.precision])
            self.model.build()
            self.optimizer = make_optimizer(self.model, options, SummedAdamW)
        # The update is elementwise over all weights: compiled, it goes through memory once. XLA
        # cannot hold the exchange between replicas, which Keras's update is woven into.
        compiles_update = is_alone and options.xla is not False
        function = functools.partial(tf.function, autograph=False)
        self._gradients = function(self._compute_gradients, jit_compile=options.xla or None)
        self._apply = function(self._update, jit_compile=compiles_update or None)
        self._train_step = function(self._run_train_step)
        self._eval_step = function(self._run_eval_step)

    def train_step(
        self, step: int, features: Features, wants_stop: bool = False
    ) -> dict[str, float]:
        """One update.

        Args:
            step: its number in the run; dropout follows from it.
            features: this process's [local_batch_size, ...] of each feature of the schema.
            wants_stop: what this process has to say to all of them.

        Returns:
            The SUMS over the whole batch, the `learning_rate`, and `stops`: above 0 in every
            process, after the same step, when one of them wants to stop.
        """
        first_pass = np.int32(
            step * self._num_replicas * self.options.gradient_accumulation % 2**31
        )
        stop = tf.constant([float(wants_stop)])
        sums, rate = self._train_step(self._per_replica(features), tf.constant(first_pass), stop)
        values = dict(zip((*SUMS, "stops"), sums.numpy().tolist(), strict=True))
        return values | {"learning_rate": float(rate)}

    def evaluate(self, batches: Iterable[Features]) -> dict[str, float]:
        """The SUMS over batches, without dropout; the same number of batches in every process."""
        total = np.zeros(len(SUMS))
        for features in batches:
            total += self._eval_step(self._per_replica(features)).numpy()
        return dict(zip(SUMS, total.tolist(), strict=True))

    def run(
        self,
        steps: Iterable[int],
        batches: Iterable[Features],
        wants_stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[dict[str, float]]:
        """Steps, one after the other: what `train_step` gives for each.

        Raises:
            BertprepError: the loss is no number; the weights are of no use any more.
        """
        for step, features in zip(steps, batches, strict=False):
            result = self.train_step(step, features, wants_stop())
            if not math.isfinite(result["masked_lm_loss"] + result["next_sentence_loss"]):
                raise BertprepError(
                    f"step {step}: the loss is {result['masked_lm_loss']}: go on from the last "
                    "checkpoint with a lower --learning-rate, or a longer --warmup"
                )
            yield result

    def state(self) -> dict[str, np.ndarray]:
        """Every variable of model and optimizer by its path."""
        return {
            name: keras.ops.convert_to_numpy(variable) for name, variable in self._named_variables()
        }

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Sets what `state` gave.

        Raises:
            UsageError: it is the state of another model or optimizer.
        """
        variables = self._named_variables()
        for name, variable in variables:
            if name not in arrays or arrays[name].shape != tuple(variable.shape):
                raise UsageError(f"{name} is not there, or has another shape: it is another model")
        for name, variable in variables:
            variable.assign(arrays[name])

    def _named_variables(self) -> list[tuple[str, Any]]:
        parts = (("model", self.model), ("optimizer", self.optimizer))
        return [(f"{name}/{v.path}", v) for name, part in parts for v in part.variables]

    def _per_replica(self, features: Features) -> Any:
        """The batch of this process, cut for its replicas."""
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
            return self._sum(sums_of(self.model(features), features))

        return self._one_of(self.strategy.run(replica_step, (features,)))

    def _one_of(self, value: Any) -> tf.Tensor:
        """What is the same in every replica."""
        return self.strategy.experimental_local_results(value)[0]

    def _sum(self, value: Any) -> Any:
        """A tensor, or a list of them, summed over all replicas."""
        if self._num_replicas == 1:
            return value
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, value)

    def _replica_step(
        self, features: Features, first_pass: tf.Tensor, stop: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        first_pass += tf.cast(replica, tf.int32) * self.options.gradient_accumulation
        gradients, sums = self._gradients(features, self._sum(denominators(features)), first_pass)
        rate = tf.identity(self.optimizer.learning_rate)
        apply = self._apply if self._num_replicas == 1 else self._update
        apply(self._sum(gradients))
        return self._sum(tf.concat([sums, stop], axis=0)), rate

    def _update(self, gradients: list[tf.Tensor]) -> None:
        self.optimizer.apply(gradients, self.model.trainable_variables)

    def _compute_gradients(
        self, features: Features, whole: tf.Tensor, first_pass: tf.Tensor
    ) -> tuple[list[tf.Tensor], tf.Tensor]:
        """A replica's share of the gradients, and its SUMS, over its micro-batches."""
        count, size = self.options.gradient_accumulation, self._micro_batch_size
        if count == 1:
            return self._micro_gradients(features, whole, first_pass)

        def add(i: tf.Tensor, gradients: list[tf.Tensor], sums: tf.Tensor) -> tuple[Any, ...]:
            part = {name: value[i * size : (i + 1) * size] for name, value in features.items()}
            part = {n: tf.ensure_shape(v, [size, *features[n].shape[1:]]) for n, v in part.items()}
            new_gradients, new_sums = self._micro_gradients(part, whole, first_pass + i)
            added = [old + new for old, new in zip(gradients, new_gradients, strict=True)]
            return i + 1, added, sums + new_sums

        zeros = [tf.zeros(v.shape, v.dtype) for v in self.model.trainable_variables]
        state = (tf.constant(0), zeros, tf.zeros(len(SUMS)))
        _, gradients, sums = tf.while_loop(
            lambda i, *_: i < count, add, state, parallel_iterations=1
        )
        return gradients, sums

    def _micro_gradients(
        self, features: Features, whole: tf.Tensor, number: tf.Tensor
    ) -> tuple[list[tf.Tensor], tf.Tensor]:
        with tf.GradientTape() as tape:
            outputs = self.model(features, seeds=DropoutSeeds(self.options.seed, number))
            sums = sums_of(outputs, features)
            loss = self.optimizer.scale_loss(loss_of(sums, whole))
        variables = [variable.value for variable in self.model.trainable_variables]
        return [tf.convert_to_tensor(g) for g in tape.gradient(loss, variables)], sums
