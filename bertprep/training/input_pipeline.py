"""Places of a run -> batches of features for a step, by tf.data, ready before they are asked for.

    stream = RecordStream(data_set, vocab_size=30522, seed=1)
    for features in training_batches(stream, range(1000, 2000), batch_size=32):
        ...                                  # step 1000 gets what it would get from any start

Step s takes places [s x batch, (s + 1) x batch) of the run, in the order of `order`; worker i of n
takes the i-th n-th part of them. Hence nothing about the data stands in a checkpoint, and no step
depends on how many workers there are. Evaluation takes all places of one pass, and fills up the
last batch with records of zeros, which count nothing.
"""

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from bertprep.loading.windows import RecordStream
from bertprep.records import RecordSchema

_PREFETCHED_BATCHES = 16

Batch = dict[str, tf.Tensor]


def training_batches(
    stream: RecordStream, steps: range, batch_size: int, worker: int = 0, num_workers: int = 1
) -> Iterator[Batch]:
    """A batch for each step: what one worker gets of `batch_size` sequences.

    Yields:
        Each feature of the schema: int32[batch_size / num_workers, …], the weights float32.
    """
    size = batch_size // num_workers
    assert size * num_workers == batch_size

    def places() -> Iterator[range]:
        for step in steps:
            start = step * batch_size + worker * size
            yield range(start, start + size)

    return _batches(stream, places, size)


def evaluation_batches(
    stream: RecordStream, batch_size: int, worker: int = 0, num_workers: int = 1
) -> Iterator[Batch]:
    """The same for one pass over all records; the same number of batches for each worker."""
    size, end = batch_size // num_workers, stream.num_records

    def places() -> Iterator[range]:
        for start in range(worker * size, -(-end // batch_size) * batch_size, batch_size):
            yield range(min(start, end), min(start + size, end))

    return _batches(stream, places, size)


def _batches(
    stream: RecordStream, places: Callable[[], Iterator[range]], size: int
) -> Iterator[Batch]:
    """Batches of `size`; rows of zeros where there are fewer places."""
    errors: list[Exception] = []
    width = stream.schema.width

    def rows() -> Iterator[np.ndarray]:
        try:
            for found in stream.read(places()):
                yield np.pad(found, ((0, size - len(found)), (0, 0)))
        except Exception as error:  # tf.data would print it, and pass on its text alone
            errors.append(error)

    def features(rows: tf.Tensor) -> Batch:
        return _features_of(rows, stream.schema)

    dataset = tf.data.Dataset.from_generator(
        rows, output_signature=tf.TensorSpec((size, width), tf.int32)
    )
    dataset = dataset.map(features, tf.data.AUTOTUNE, deterministic=True)
    yield from dataset.prefetch(_PREFETCHED_BATCHES)
    if errors:
        raise errors[0]


def _features_of(rows: tf.Tensor, schema: RecordSchema) -> Batch:
    """int32[batch, width] -> the features; the weights stand among them as the bits of floats."""
    batch = {name: rows[:, columns] for name, columns in schema.columns.items()}
    batch["masked_lm_weights"] = tf.bitcast(batch["masked_lm_weights"], tf.float32)
    return batch
