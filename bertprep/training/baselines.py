"""Records -> what a model reaches that has learned nothing, or only how often each piece stands.

A loss that stays at one of these is stuck:

    ln V          every piece is as likely as any other: where training begins
    unigram       a piece is as likely as it is among the labels of the training records
    0.693, ln 2   both next sentences are as likely

Cost: records in hundreds of thousands a second; at most MOST_RECORDS are counted.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bertprep.loading.windows import RecordStream

#: Of each data set, the first in its order: for training that is a sample from all of it.
MOST_RECORDS = 1 << 16
_READ_AT_ONCE = 1 << 12


@dataclass(frozen=True)
class Baselines:
    """What there is to reach without reading a sentence.

    Attributes:
        uniform_loss: ln V.
        unigram_loss: cross entropy of the measured masks, by the training labels' frequencies,
            with one added to each count.
        unigram_accuracy: share of the measured masks whose label is the most frequent one.
        nsp_loss: ln 2.
        nsp_accuracy: share of the measured sequences with the more frequent next-sentence label.
        counted_records: training records whose labels were counted.
        measured_records: records that were measured: held out, or the counted ones.
        is_held_out: they were held out.
    """

    uniform_loss: float
    unigram_loss: float
    unigram_accuracy: float
    nsp_loss: float
    nsp_accuracy: float
    counted_records: int
    measured_records: int
    is_held_out: bool

    def to_row(self) -> dict[str, Any]:
        """The values of a line of metrics.jsonl."""
        return {
            "uniform_loss": self.uniform_loss,
            "mlm_loss": self.unigram_loss,
            "mlm_accuracy": self.unigram_accuracy,
            "nsp_loss": self.nsp_loss,
            "nsp_accuracy": self.nsp_accuracy,
            "counted_records": self.counted_records,
            "measured_records": self.measured_records,
            "is_held_out": self.is_held_out,
        }

    def text(self, vocab_size: int) -> str:
        """What a person reads of it."""
        which = f"{self.measured_records:,} held out" if self.is_held_out else "the same"
        return (
            f"without context: MLM ln {vocab_size:,} = {self.uniform_loss:.3f}, unigram "
            f"{self.unigram_loss:.3f} and {self.unigram_accuracy:.1%} right (labels of "
            f"{self.counted_records:,} records, measured on {which}); NSP {self.nsp_loss:.3f} and "
            f"{self.nsp_accuracy:.1%} right"
        )


def measure_baselines(
    train: RecordStream, held_out: RecordStream | None, vocab_size: int
) -> Baselines:
    """Counts labels of the training records, and measures on those held out, where there are some.

    The first MOST_RECORDS of each count, in the order of the run, so the numbers are its own.
    """
    labels, pairs = _count(train, vocab_size)
    measured_labels, measured_pairs = _count(held_out, vocab_size) if held_out else (labels, pairs)
    probabilities = (labels + 1.0) / (labels.sum() + vocab_size)
    num_masks = max(int(measured_labels.sum()), 1)
    return Baselines(
        uniform_loss=math.log(vocab_size),
        unigram_loss=-float(measured_labels @ np.log(probabilities)) / num_masks,
        unigram_accuracy=float(measured_labels[labels.argmax()]) / num_masks,
        nsp_loss=math.log(2.0),
        nsp_accuracy=float(measured_pairs.max() / measured_pairs.sum()),
        counted_records=int(pairs.sum()),
        measured_records=int(measured_pairs.sum()),
        is_held_out=held_out is not None,
    )


def _count(stream: RecordStream, vocab_size: int) -> tuple[np.ndarray, np.ndarray]:
    """int64[vocab_size], int64[2]. Masked labels and next-sentence labels of the first records."""
    columns = stream.schema.columns
    labels, pairs = np.zeros(vocab_size, np.int64), np.zeros(2, np.int64)
    for rows in stream.read(_ranges(min(stream.num_records, MOST_RECORDS))):
        is_mask = rows[:, columns["masked_lm_weights"]].view(np.float32) > 0.0
        labels += np.bincount(rows[:, columns["masked_lm_ids"]][is_mask], minlength=vocab_size)
        pairs += np.bincount(rows[:, columns["next_sentence_labels"]].ravel(), minlength=2)
    return labels, pairs


def _ranges(end: int) -> Iterator[range]:
    for start in range(0, end, _READ_AT_ONCE):
        yield range(start, min(start + _READ_AT_ONCE, end))
