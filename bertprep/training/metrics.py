"""Sums of steps -> losses and accuracies, and the files that keep them.

    {"split": "baseline", "step": 0, "mlm_loss": 6.1, "mlm_accuracy": 0.06, ...}
    {"split": "train", "step": 10, "loss": 9.7, "mlm_loss": 9.0, ..., "learning_rate": 1e-05, ...}
    {"split": "eval", "step": 1000, "loss": 5.2, ..., "sequences": 1200, "masks": 23000}

A training line covers the steps since the line before; every sequence and every masked token counts
once. A run that resumes at step s first removes the lines after s, so that the file ends like that
of an uninterrupted run, except for `sequences_per_second`.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from bertprep.errors import naming
from bertprep.model.heads import Head
from bertprep.storage.files import write_whole

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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
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
