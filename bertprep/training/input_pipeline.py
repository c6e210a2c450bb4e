"""Positions of a run -> batches of features for each step, prefetched by tf.data.

    stream = RecordStream(data_set, vocab_size=30522, seed=1)
    for features in training_batches(stream, range(1000, 2000), batch_size=32):
        ...                                  # step 1000 gets the same batch from any start

Step s takes positions [s * batch_size, (s + 1) * batch_size) of the run, in the order of
`loading.order`; worker i of n takes the i-th n-th of them. So a checkpoint needs no state of the
data, and no step depends on the number of workers. Evaluation takes every record once, and fills
the last batch with records of zeros, which count nothing.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from bertprep.loading.windows import RecordStream

_PREFETCHED_BATCHES = 16

Batch = dict[str, tf.Tensor]


def training_batches(
    stream: RecordStream, steps: range, batch_size: int, worker: int = 0, num_workers: int = 1
) -> Iterator[Batch]:
    """Yield the batch of each step: one worker's part of `batch_size` sequences.

    Yields:
        Each feature of the records: int32 or float32[batch_size / num_workers, ...].
    """
    size = batch_size // num_workers
    assert size * num_workers == batch_size
    starts = (step * batch_size + worker * size for step in steps)
    return _batches(stream, (range(start, start + size) for start in starts), size)


def evaluation_batches(
    stream: RecordStream, batch_size: int, worker: int = 0, num_workers: int = 1
) -> Iterator[Batch]:
    """Yield the batches of one pass over all records; each worker gets the same number."""
    size, end = batch_size // num_workers, stream.num_records
    starts = range(worker * size, -(-end // batch_size) * batch_size, batch_size)
    parts = (range(min(start, end), min(start + size, end)) for start in starts)
    return _batches(stream, parts, size)


def _batches(stream: RecordStream, positions: Iterable[range], size: int) -> Iterator[Batch]:
    """Yield batches of `size`, padded with rows of zeros."""
    errors: list[Exception] = []
    columns = stream.schema.columns
    floats = [feature.name for feature in stream.schema.features if feature.dtype == "float32"]

    def padded_rows() -> Iterator[np.ndarray]:
        try:
            for rows in stream.read(positions):
                yield np.pad(rows, ((0, size - len(rows)), (0, 0)))
        except Exception as error:  # tf.data would print it, and keep only its text
            errors.append(error)

    def split_features(rows: tf.Tensor) -> Batch:
        batch = {name: rows[:, column] for name, column in columns.items()}
        # A row holds the bits of its float features.
        return batch | {name: tf.bitcast(batch[name], tf.float32) for name in floats}

    signature = tf.TensorSpec((size, stream.schema.width), tf.int32)
    dataset = tf.data.Dataset.from_generator(padded_rows, output_signature=signature)
    dataset = dataset.map(split_features, tf.data.AUTOTUNE, deterministic=True)
    yield from dataset.prefetch(_PREFETCHED_BATCHES)
    if errors:
        raise errors[0]
