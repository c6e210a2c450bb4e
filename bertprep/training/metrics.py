"""Sums of steps -> losses and accuracies, baselines for them, and the files that keep them.

    {"split": "baseline", "step": 0, "mlm_loss": 6.1, "mlm_accuracy": 0.06, ...}
    {"split": "train", "step": 10, "loss": 9.7, "mlm_loss": 9.0, ..., "learning_rate": 1e-05, ...}
    {"split": "eval", "step": 1000, "loss": 5.2, ..., "sequences": 1200, "masks": 23000}

A training line covers the steps since the line before; every sequence and every masked token counts
once. A run that resumes at step s first removes the lines after s, so that the file ends like that
of an uninterrupted run, except for `sequences_per_second`.

The baseline line has the losses and accuracies of predictions that ignore the text. A loss that
stays at one of these means that the model learns nothing:

    uniform     ln V: every piece is equally likely; the loss of an untrained model
    frequency   a class, a piece or a next-sentence label, is as likely as it is among the labels of
                the training records

Cost of the baseline: a second for several hundred thousand records; at most MAX_RECORDS are read.
"""

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bertprep.errors import naming
from bertprep.loading.windows import RecordStream
from bertprep.model.heads import Head
from bertprep.storage.files import write_whole

#: Records of each data set that the baseline counts: the first, a sample of the training records.
MAX_RECORDS = 1 << 16
_RECORDS_PER_READ = 1 << 12

Row = dict[str, Any]


def mean_metrics(heads: Iterable[Head], sums: Mapping[str, float]) -> dict[str, float]:
    """Return the losses and accuracies of the sums of a step, of several, or of an evaluation.

    Args:
        heads: heads of the model.
        sums: by the names of `heads.sum_names`.
    """
    counts = {head: max(sums[head.count], 1.0) for head in heads}
    losses = {head.loss_metric: sums[head.loss_sum] / count for head, count in counts.items()}
    accuracies = {
        head.accuracy_metric: sums[head.correct_sum] / count for head, count in counts.items()
    }
    return {"loss": sum(losses.values()), **losses, **accuracies}


def describe_heads(heads: Iterable[Head], row: Mapping[str, float]) -> str:
    """Return loss and accuracy of each head: `MLM loss 6.812, accuracy 7.1%; NSP loss ...`."""
    return "; ".join(
        f"{head.label} loss {row[head.loss_metric]:.3f}, accuracy {row[head.accuracy_metric]:.1%}"
        for head in heads
    )


def describe_progress(heads: Iterable[Head], row: Mapping[str, float]) -> str:
    """Return the same in short, for a progress bar, with learning rate and speed."""
    shown = ", ".join(
        f"{head.label} {row[head.loss_metric]:.3f} {row[head.accuracy_metric]:.1%}"
        for head in heads
    )
    return (
        f"loss {row['loss']:.3f}, {shown}, lr {row['learning_rate']:.2e}, "
        f"{row['sequences_per_second']:,.0f} sequences/s"
    )


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the lines of a metrics file; skip the rest of a line that a killed process left."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and "split" in row and isinstance(row.get("step"), int):
            yield row


class MetricsLog:
    """The metrics of a run in progress: a file of JSON lines, and TensorBoard's files.

    TensorFlow's own summaries need the package `tensorboard`, an extra.

    Args:
        path: metrics.jsonl.
        step: updates so far; lines of later steps are removed.
        tensorboard: folder of TensorBoard's files, one per split; None writes none.
        is_writer: otherwise another process writes the files, and this one only reads.
    """

    def __init__(
        self, path: Path, step: int, tensorboard: Path | None = None, *, is_writer: bool = True
    ) -> None:
        self.rows = [row for row in read_rows(path) if row["step"] <= step]
        self._path, self._is_writer = path, is_writer
        if is_writer:
            text = "".join(map(_encode, self.rows)).encode()
            write_whole(path, path.with_name(f"{path.name}.partial"), text)
        self._file = open(path if is_writer else os.devnull, "ab")
        self._tensorboard = tensorboard if is_writer else None
        self._summary_writers: dict[str, Any] = {}

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._summary_writers.values():
            writer.close()
        with naming(self._path):
            self._file.close()

    def write(
        self, split: str, step: int, metrics: Mapping[str, float], facts: Mapping[str, Any]
    ) -> None:
        """Write one line.

        Args:
            split: "baseline", "train" or "eval".
            step: updates so far.
            metrics: numbers that change over the steps, for TensorBoard as well.
            facts: other JSON values, for the line alone.
        """
        row = {"split": split, "step": step, **metrics, **facts}
        self.rows.append(row)
        with naming(self._path):
            self._file.write(_encode(row).encode())
            self._file.flush()
        if self._tensorboard is not None and metrics:
            self._write_summaries(self._tensorboard / split, step, metrics)

    def _write_summaries(self, folder: Path, step: int, metrics: Mapping[str, float]) -> None:
        import tensorflow as tf

        if folder.name not in self._summary_writers:
            self._summary_writers[folder.name] = tf.summary.create_file_writer(str(folder))
        writer = self._summary_writers[folder.name]
        with writer.as_default(step=step):
            for name, value in metrics.items():
                tf.summary.scalar(name, value)
        writer.flush()

    def has(self, split: str, step: int) -> bool:
        """Whether there is a line of a split and step."""
        return any(row["split"] == split and row["step"] == step for row in reversed(self.rows))

    def sync(self) -> None:
        """Write the lines to the disk, before the checkpoint that follows them."""
        if self._is_writer:
            with naming(self._path):
                os.fsync(self._file.fileno())


def _encode(row: Row) -> str:
    return json.dumps(row) + "\n"


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
        `uniform_loss`; loss and accuracy of each head from the frequencies of the training labels,
        with one added to each count; `counted_records`, `measured_records`, `is_held_out`.
    """
    counts, num_counted = _count_labels(heads, train, vocab_size)
    measured, num_measured = counts, num_counted
    if held_out is not None:
        measured, num_measured = _count_labels(heads, held_out, vocab_size)
    row: Row = {"uniform_loss": math.log(vocab_size)}
    for head in heads:
        labels, total = measured[head.name], max(int(measured[head.name].sum()), 1)
        counted = counts[head.name]
        probabilities = (counted + 1.0) / (counted.sum() + len(counted))
        row[head.loss_metric] = -float(labels @ np.log(probabilities)) / total
        row[head.accuracy_metric] = float(labels[counted.argmax()]) / total
    return row | {
        "counted_records": num_counted,
        "measured_records": num_measured,
        "is_held_out": held_out is not None,
    }


def describe_baselines(heads: Sequence[Head], row: Row, vocab_size: int) -> list[str]:
    """Return the lines of the table of the baselines for the terminal."""
    which = f"{row['measured_records']:,} held-out records" if row["is_held_out"] else "the same"
    rows = [(f"uniform, ln {vocab_size:,}", row["uniform_loss"], 1 / vocab_size)]
    rows += [
        (f"{head.label}, label frequency", row[head.loss_metric], row[head.accuracy_metric])
        for head in heads
    ]
    lines = [f"{name:24}{loss:8.3f}{accuracy:10.1%}" for name, loss, accuracy in rows]
    labels = f"labels of {row['counted_records']:,} records, measured on {which}"
    return [f"{'baseline without context':24}    loss  accuracy  ({labels})", *lines]


def _count_labels(
    heads: Sequence[Head], stream: RecordStream, vocab_size: int
) -> tuple[dict[str, np.ndarray], int]:
    """Count the labels of the first records: int64[num_classes] by head; the number of records."""
    columns, num_records = stream.schema.columns, min(stream.num_records, MAX_RECORDS)
    counts = {head.name: np.zeros(head.num_classes or vocab_size, np.int64) for head in heads}
    starts = range(0, num_records, _RECORDS_PER_READ)
    for rows in stream.read(range(s, min(s + _RECORDS_PER_READ, num_records)) for s in starts):
        for head in heads:
            labels = rows[:, columns[head.labels]]
            if head.weights is not None:
                labels = labels[rows[:, columns[head.weights]].view(np.float32) > 0.0]
            size = len(counts[head.name])
            counts[head.name] += np.bincount(labels.ravel(), minlength=size)
    return counts, num_records
