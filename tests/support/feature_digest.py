"""Parsed training records -> one SHA-256, so that the goldens of a whole file fit on a line.

The digest is over feature values, not file bytes: the order of a protobuf's map entries is free.
For each record in order, and each of the seven v1 features by ascending name, the hash takes the
name in ASCII, a NUL byte and the values: little-endian int64, `masked_lm_weights` float32.

Example:
    >>> record = {"input_ids": [2, 7, 3], "input_mask": [1, 1, 1], "segment_ids": [0, 0, 0],
    ...     "masked_lm_positions": [1], "masked_lm_ids": [9], "masked_lm_weights": [1.0],
    ...     "next_sentence_labels": [0]}
    >>> digest([record])[:16]
    'a4a78e7027e2027b'
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

FEATURE_DTYPES = {
    "input_ids": "<i8",
    "input_mask": "<i8",
    "masked_lm_ids": "<i8",
    "masked_lm_positions": "<i8",
    "masked_lm_weights": "<f4",
    "next_sentence_labels": "<i8",
    "segment_ids": "<i8",
}


def digest(records: Iterable[Mapping[str, Sequence[float] | np.ndarray[Any, Any]]]) -> str:
    """Hashes the features of `records` in order; each record has the seven v1 features only."""
    sha256 = hashlib.sha256()
    for record in records:
        if record.keys() != FEATURE_DTYPES.keys():
            raise ValueError(f"features must be {sorted(FEATURE_DTYPES)}, got {sorted(record)}")
        for name, dtype in sorted(FEATURE_DTYPES.items()):
            values = np.asarray(record[name]).astype(dtype)
            sha256.update(name.encode("ascii") + b"\0" + values.tobytes())
    return sha256.hexdigest()
