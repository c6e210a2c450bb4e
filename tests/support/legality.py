"""Could the algorithm have written this record? Found out by writing it once more.

A second opinion on `bertprep.records.rules`, by the algorithm itself: a record is read, taken
for an instance, written again by the reference's twin, and masked again from the text that it was
made of. Text may be any ordinary pieces. Nothing of `bertprep` is used but its options.
"""

import re
from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import reference
from tfrecords import features

from bertprep.options import InstanceOptions

_NAMES = (
    *("input_ids", "input_mask", "segment_ids"),
    *("masked_lm_positions", "masked_lm_ids", "masked_lm_weights", "next_sentence_labels"),
)
_V1_NAMES = {name: name for name in _NAMES if name not in ("input_ids", "segment_ids")} | {
    "input_word_ids": "input_ids",
    "input_type_ids": "segment_ids",
}


def could_be_written(
    record: bytes, vocabulary: Sequence[str], options: InstanceOptions, feature_names: str = "v1"
) -> bool:
    """Whether these options can lead to this record; the vocabulary has each piece once."""
    try:
        read = features(record)
        if feature_names == "v2":
            read = {_V1_NAMES.get(name, f"not {name}"): values for name, values in read.items()}
        lengths = [options.max_seq_length] * 3 + [options.predictions] * 3 + [1]
        assert {name: len(values) for name, values in read.items()} == dict(
            zip(_NAMES, lengths, strict=True)
        )
        instance = _instance(read, vocabulary)
    except (ValueError, IndexError, OverflowError, AssertionError):
        return False
    ids = {token: number for number, token in enumerate(vocabulary)}
    again = reference.features(instance, ids, options.max_seq_length, options.predictions)
    if _bits(again) != _bits(read):
        return False
    return _could_be_made(instance, list(vocabulary), options)


def _bits(values: dict[str, Any]) -> dict[str, bytes]:
    return {
        name: np.array(v, "<f4" if name == "masked_lm_weights" else "<i8").tobytes()
        for name, v in values.items()
    }


def _instance(read: dict[str, np.ndarray], vocabulary: Sequence[str]) -> reference.TrainingInstance:
    """What the record says that it is, believed too much: it is compared afterwards."""
    assert [values.dtype.kind for values in map(read.get, _NAMES)] == list("iiiiifi")  # type: ignore
    ids, mask, segments, positions, labels, weights, label = (read[n].tolist() for n in _NAMES)
    size, num_masks = mask.count(1), weights.count(1.0)
    assert min(ids + labels) >= 0
    return reference.TrainingInstance(
        tokens=[vocabulary[number] for number in ids[:size]],
        segment_ids=segments[:size],
        is_random_next=bool(label[0]),
        masked_lm_positions=positions[:num_masks],
        masked_lm_labels=[vocabulary[number] for number in labels[:num_masks]],
    )


def _could_be_made(
    instance: reference.TrainingInstance, words: list[str], options: InstanceOptions
) -> bool:
    text, masked = list(instance.tokens), instance.masked_lm_positions
    if not all(0 <= position < len(text) for position in masked):
        return False
    for position, label in zip(masked, instance.masked_lm_labels, strict=True):
        text[position] = label
    # One letter a token: specials in their places, words, pieces that go on with them.
    pair = re.fullmatch("C([wp]+)S([wp]+)S", "".join(map(_letter, text)))
    if not pair or len(set(masked) | {0, len(pair[1]) + 1, len(text) - 1}) != len(masked) + 3:
        return False
    if instance.segment_ids != [0] * (len(pair[1]) + 2) + [1] * (len(pair[2]) + 1):
        return False
    first, second = (int(segment.startswith("p")) for segment in pair.groups())
    if (first or second) and (first, second) not in _front_cuts(
        len(pair[1]), len(pair[2]), options.max_seq_length - 3
    ):
        return False
    if options.quirks == "fix":
        words = [word for word in words if _letter(word) in "wp" and word != "[UNK]"]
    may_stand = {*words, "[MASK]"}
    for position in masked:
        if instance.tokens[position] not in may_stand | {text[position]}:
            return False
    return _walk(text, masked, options) == masked


@cache
def _letter(token: str) -> str:
    if token in ("[CLS]", "[SEP]"):
        return token[1]
    if re.fullmatch(r"\[(PAD|MASK|unused[0-9]+)\]", token):
        return "?"
    return "p" if token.startswith("##") else "w"


@cache
def _front_cuts(first: int, second: int, most: int) -> set[tuple[int, int]]:
    """Which fronts (A's, B's) can have been cut, where segments of these lengths are left."""
    found = set()
    for more_first, more_second in product(range(4), repeat=2):
        a, b = first + more_first, second + more_second
        while a + b > most:
            a, b = (a - 1, b) if a > b else (a, b - 1)
        if (a, b) == (first, second):
            found |= set(product(range(min(more_first, 1) + 1), range(min(more_second, 1) + 1)))
    return found


def _walk(text: list[str], masked: list[int], options: InstanceOptions) -> list[int]:
    """The masks, where the shuffle puts those candidates first that should be masked."""
    candidates = reference._candidates(
        text, whole_word_mask=options.whole_word_mask, quirks=options.quirks
    )
    budget = min(options.predictions, max(1, round(len(text) * options.masked_lm_prob)))
    positions: list[int] = []
    for candidate in sorted(candidates, key=lambda c: not set(c) <= set(masked)):
        if len(positions) + len(candidate) <= budget:
            positions += candidate
    return sorted(positions)
