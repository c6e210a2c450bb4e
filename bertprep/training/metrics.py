"""Sums of steps -> the numbers that people follow, and the file that keeps them.

    {"split": "baseline", "step": 0, "mlm_loss": 6.1, "mlm_accuracy": 0.06, ...}
    {"split": "train", "step": 10, "loss": 9.7, "mlm_loss": 9.0, ..., "learning_rate": 1e-05, ...}
    {"split": "eval", "step": 1000, "loss": 5.2, ..., "sequences": 1200, "masks": 23000}

A line of training is of the steps since the line before; every sequence and every mask counts once.
A run that goes on from step s first takes out what was written behind s: the file ends up as that
of a run that was never stopped, but for `sequences_per_second`.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from bertprep.errors import naming
from bertprep.storage.files import write_whole

Row = dict[str, Any]


def means(sums: Mapping[str, float]) -> dict[str, float]:
    """The losses and accuracies of some sums: those of a step, of several, or of a whole pass.

    Args:
        sums: by the names of `optimization.SUMS`.
    """
    masks, sequences = max(sums["masked_lm_weights"], 1.0), max(sums["sequences"], 1.0)
    mlm_loss = sums["masked_lm_loss"] / masks
    nsp_loss = sums["next_sentence_loss"] / sequences
    return {
        "loss": mlm_loss + nsp_loss,
        "mlm_loss": mlm_loss,
        "nsp_loss": nsp_loss,
        "mlm_accuracy": sums["masked_lm_correct"] / masks,
        "nsp_accuracy": sums["next_sentence_correct"] / sequences,
    }


class Meter:
    """Adds up what steps have counted.

    Args:
        sums: of the steps before; what `sums` was when a checkpoint was saved.
    """

    def __init__(self, sums: Mapping[str, float] | None = None) -> None:
        self.sums: dict[str, float] = dict(sums or {})

    def add(self, sums: Mapping[str, float]) -> None:
        """One more step."""
        for name, value in sums.items():
            if name not in ("learning_rate", "stops"):
                self.sums[name] = self.sums.get(name, 0.0) + value

    def take(self) -> dict[str, float]:
        """The sums since the last time."""
        sums, self.sums = self.sums, {}
        return sums


def read_rows(path: Path) -> Iterator[Row]:
    """The lines of a metrics file; what a killed process has left of a line is passed over."""
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


class MetricsFile:
    """`metrics.jsonl` of a run that is at work.

    Args:
        path: of the file.
        step: updates that the weights have seen; lines of later ones go.
        is_kept: otherwise the file is read, and nothing is written: another process does that.
    """

    def __init__(self, path: Path, step: int, *, is_kept: bool = True) -> None:
        self.rows = [row for row in read_rows(path) if row["step"] <= step]
        self._path, self._is_kept = path, is_kept
        if self._is_kept:
            text = "".join(map(_encode, self.rows)).encode()
            write_whole(path, path.with_name(f"{path.name}.partial"), text)
        self._file = open(path if is_kept else os.devnull, "ab")

    def __enter__(self) -> "MetricsFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with naming(self._path):
            self._file.close()

    def write(self, split: str, step: int, values: Mapping[str, Any]) -> None:
        """One more line."""
        row = {"split": split, "step": step, **values}
        self.rows.append(row)
        with naming(self._path):
            self._file.write(_encode(row).encode())
            self._file.flush()

    def has(self, split: str, step: int) -> bool:
        """There is such a line of a step."""
        return any(row["split"] == split and row["step"] == step for row in reversed(self.rows))

    def sync(self) -> None:
        """Makes the lines last through a power cut, as a checkpoint behind them will."""
        if self._is_kept:
            with naming(self._path):
                os.fsync(self._file.fileno())


def _encode(row: Row) -> str:
    return json.dumps(row) + "\n"
