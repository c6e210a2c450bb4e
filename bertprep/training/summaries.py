"""Lines of metrics -> files that TensorBoard reads, in a folder a split.

TensorFlow's own summaries need the package `tensorboard`, which it no longer brings.
"""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import tensorflow as tf


class Summaries:
    """What TensorBoard reads of a run.

    Args:
        folder: None writes nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._writers: dict[str, Any] = {}

    def __enter__(self) -> "Summaries":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for writer in self._writers.values():
            writer.close()

    def write(self, split: str, step: int, values: Mapping[str, float]) -> None:
        """The values of a line of metrics."""
        if self._folder is None:
            return
        if split not in self._writers:
            self._writers[split] = tf.summary.create_file_writer(str(self._folder / split))
        with self._writers[split].as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        self._writers[split].flush()
