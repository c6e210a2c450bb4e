"""Records -> the losses and accuracies of predictions that ignore the text.

A loss that stays at one of these means that the model learns nothing:

    uniform     ln V: every piece is equally likely; the loss of an untrained model
    unigram     a piece is as likely as it is among the labels of the training records
    ln 2        both next-sentence labels are equally likely

Cost: a second for several hundred thousand records; at most MAX_RECORDS are counted.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from bertprep.loading.windows import RecordStream
from bertprep.model.heads import Head
from bertprep.training.metrics import Row, describe_heads

#: Records of each data set, the first in its order: a sample of all training records.
MAX_RECORDS = 1 << 16
_RECORDS_PER_READ = 1 << 12


def measure_baselines(
    heads: Sequence[Head], train: RecordStream, held_out: RecordStream | None, vocab_size: int
) -> Row:
    """Return the values of the baseline line of metrics.jsonl.

    Args:
        heads: heads of the model.
        train: training records, whose labels are counted.
        held_out: records to measure on; None measures on the training records.
        vocab_size: number of pieces.

    Returns:
        `uniform_loss`; loss and accuracy of each head, for a head over the vocabulary those of the
        training labels' frequencies, with one added to each count; `counted_records`,
        `measured_records`, `is_held_out`.
    """
    counts, num_counted = _count_labels(heads, train, vocab_size)
    measured, num_measured = counts, num_counted
    if held_out is not None:
        measured, num_measured = _count_labels(heads, held_out, vocab_size)
    row: Row = {"uniform_loss": math.log(vocab_size)}
    for head in heads:
        labels, total = measured[head.name], max(int(measured[head.name].sum()), 1)
        if head.num_classes is None:
            probabilities = (counts[head.name] + 1.0) / (counts[head.name].sum() + vocab_size)
            row[head.loss_metric] = -float(labels @ np.log(probabilities)) / total
            row[head.accuracy_metric] = float(labels[counts[head.name].argmax()]) / total
        else:
            row[head.loss_metric] = math.log(head.num_classes)
            row[head.accuracy_metric] = float(labels.max() / total)
    return row | {
        "counted_records": num_counted,
        "measured_records": num_measured,
        "is_held_out": held_out is not None,
    }


def describe_baselines(heads: Sequence[Head], row: Row, vocab_size: int) -> str:
    """Return the line about the baselines on the terminal."""
    which = f"{row['measured_records']:,} held-out records" if row["is_held_out"] else "the same"
    return (
        f"baseline without context: {describe_heads(heads, row)} (uniform: ln {vocab_size:,} = "
        f"{row['uniform_loss']:.3f}; labels of {row['counted_records']:,} records, measured on "
        f"{which})"
    )


def _count_labels(
    heads: Sequence[Head], stream: RecordStream, vocab_size: int
) -> tuple[dict[str, np.ndarray], int]:
    """Count the labels of the first records: int64[num_classes] by head; the number of records."""
    columns, num_records = stream.schema.columns, min(stream.num_records, MAX_RECORDS)
    counts = {head.name: np.zeros(head.num_classes or vocab_size, np.int64) for head in heads}
    for rows in stream.read(_ranges(num_records)):
        for head in heads:
            labels = rows[:, columns[head.labels]]
            if head.weights is not None:
                labels = labels[rows[:, columns[head.weights]].view(np.float32) > 0.0]
            size = len(counts[head.name])
            counts[head.name] += np.bincount(labels.ravel(), minlength=size)
    return counts, num_records


def _ranges(end: int) -> Iterator[range]:
    for start in range(0, end, _RECORDS_PER_READ):
        yield range(start, min(start + _RECORDS_PER_READ, end))
