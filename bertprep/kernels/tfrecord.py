"""Training instances -> framed `tf.train.Example`s, in the order of a permutation.

All that does not change between records is prepared: the bytes before each feature by its size, the
varint of each token, and runs of ones and zeros whose windows are the masks. Copies write up to a
machine word past their end, which the next copy overwrites.

Cost: about 0.3 us per record of 128 tokens.
Source: TFRecord framing and `example.proto` of TensorFlow.
"""

from typing import NamedTuple

import numpy as np

from bertprep.kernels.crc32c import masked_crc32c
from bertprep.kernels.jit import inlined, njit
from bertprep.kernels.machine import load64, prefetch, store32, store64

#: The features in the order in which a record holds them; their numbers are rows of `headers`.
FEATURES = (
    "input_ids",
    "masked_lm_ids",
    "masked_lm_positions",
    "input_mask",
    "segment_ids",
    "masked_lm_weights",
    "next_sentence_labels",
)
_INPUT_IDS, _MASKED_LM_IDS, _MASKED_LM_POSITIONS, _INPUT_MASK = range(4)
_SEGMENT_IDS, _MASKED_LM_WEIGHTS, _PAIR_LABEL = range(4, 7)

#: Width of a row of `headers`; its last byte is the header's size.
HEADER_WIDTH = 72
FRAME_SIZE, HEADER_SIZE = 16, 12
#: The varint of 0, which is the id of [PAD] in most vocabularies.
_ZERO = np.uint32(1 << 24)


class Layout(NamedTuple):
    """The numbers that all records of a data set share.

    Attributes:
        cls, sep, pad: varints of [CLS], [SEP] and [PAD], as `pack_varints` writes them.
        num_sizes: sizes per feature in `headers`.
        fixed_size: bytes of the features of fixed size, headers included.
        zeros_ones, weights: starts of the second and the third part of `runs`.
        slack: bytes of a buffer that must be free for another record.
    """

    max_seq_length: int
    max_predictions: int
    cls: np.uint32
    sep: np.uint32
    pad: np.uint32
    num_sizes: int
    fixed_size: int
    zeros_ones: int
    weights: int
    slack: int


class Tables(NamedTuple):
    """The bytes that records are put together from.

    Attributes:
        headers: uint8[features * num_sizes * HEADER_WIDTH]. The bytes before each feature, by its
            size.
        runs: uint8[...]. Ones then zeros, zeros then ones, 1.0s then 0.0s, to copy windows of.
        packed_ids: uint32[vocab_size]. The varint of each id.
    """

    headers: np.ndarray
    runs: np.ndarray
    packed_ids: np.ndarray


class _Record(NamedTuple):
    """The numbers of one record; sizes in bytes."""

    a_length: int
    num_tokens: int
    num_masks: int
    label: int
    ids_size: int
    labels_size: int
    positions_size: int


class Source(NamedTuple):
    """The instances to serialize.

    Attributes:
        instances: INSTANCE[...].
        masks: MASK[...].
        packed_tokens: uint32[num_tokens]. The partition's tokens as varints.
        order: int32[...]. The instances in the order of the file.
    """

    instances: np.ndarray
    masks: np.ndarray
    packed_tokens: np.ndarray
    order: np.ndarray


@inlined()
def _varint(value):
    """The varint of a number below 2**21 in the low three bytes, its size in the top one."""
    long, longer = np.uint32(value >= 1 << 7), np.uint32(value >= 1 << 14)
    varint = (value & np.uint32(0x7F)) | (value & np.uint32(0x3F80)) << np.uint32(1)
    varint |= (value & np.uint32(0x1FC000)) << np.uint32(2)
    varint |= long << np.uint32(7) | longer << np.uint32(15)
    return varint | (np.uint32(1) + long + longer) << np.uint32(24)


@njit()
def pack_varints(tokens, packed):
    """Writes the varint of each token's id beside its size into `packed`."""
    for i in range(tokens.size):
        packed[i] = _varint(tokens[i] & np.uint32(0x1FFFFF))


@inlined()
def _copy(source, start, size, out, at):
    """Copies `size` bytes and up to seven more; returns where the copy ends."""
    for i in range(0, size, 8):
        store64(out, at + i, load64(source, start + i))
    return at + size


@inlined()
def _header_at(feature, size, num_sizes):
    """The index in `headers` of the header of a feature of `size` bytes."""
    return (feature * num_sizes + size) * HEADER_WIDTH


@inlined()
def _header(headers, row, out, at):
    """Writes the header at byte `row` of `headers`; returns where it ends."""
    size = np.int64(headers[row + HEADER_WIDTH - 1])
    for i in range(0, size, 8):
        store64(out, at + i, load64(headers, row + i))
    return at + size


@inlined()
def _write_varints(varints, first, size, padded_size, out, at):
    """Writes `varints[first:first + size]`, and zeros up to `padded_size` numbers in all."""
    for i in range(first, first + size):
        varint = varints[np.uint64(i)]
        store32(out, at, varint)
        at += np.int64(varint >> np.uint32(24))
    for i in range(size, padded_size, 8):
        store64(out, at + i - size, np.uint64(0))
    return at + padded_size - size


@inlined()
def _prefetch(instances, masks, packed_tokens, order, first):
    """Asks for the next instances: in random order, half the time would be waiting for memory."""
    prefetch(instances, order[min(first + 16, order.size - 1)])
    upcoming = instances[order[min(first + 6, order.size - 1)]]
    for i in range(0, upcoming.a_length + 15, 16):
        prefetch(packed_tokens, upcoming.a_start + i)
    for i in range(0, upcoming.b_length + 15, 16):
        prefetch(packed_tokens, upcoming.b_start + i)
    for i in range(0, upcoming.num_masks + 7, 8):
        prefetch(masks, upcoming.first_mask + i)


@inlined()
def _copy_tokens(packed_tokens, start, size, scratch, at):
    """Copies a segment's varints into `scratch`; returns their bytes."""
    # Unsigned indices have no check for negative ones; with 32-bit sums this loop vectorizes.
    num_bytes = np.uint32(0)
    for i in range(size):
        varint = packed_tokens[np.uint64(start + i)]
        scratch[np.uint64(at + i)] = varint
        num_bytes += varint >> np.uint32(24)
    return np.int64(num_bytes)


@inlined()
def _replace_masked(masks, packed_ids, scratch, labels_at, predictions):
    """Puts the masks into the tokens of `scratch`; labels and positions go after the tokens.

    Returns the bytes of the labels, of the replacements, and of the positions.
    """
    label_bytes = replacement_bytes = position_bytes = np.uint32(0)
    for i in range(masks.size):
        mask = masks[np.uint64(i)]
        position = np.uint64(mask.position)
        label = scratch[position]
        replacement = packed_ids[np.uint64(mask.token_id)]
        scratch[position] = replacement
        scratch[np.uint64(labels_at + i)] = label
        label_bytes += label >> np.uint32(24)
        replacement_bytes += replacement >> np.uint32(24)
    for i in range(masks.size):
        packed_position = _varint(np.uint32(masks[np.uint64(i)].position))
        scratch[np.uint64(labels_at + predictions + i)] = packed_position
        position_bytes += packed_position >> np.uint32(24)
    return np.int64(label_bytes), np.int64(replacement_bytes), np.int64(position_bytes)


@inlined()
def _write_example(record, layout, headers, runs, scratch, out, at):
    """Writes a serialized example from byte `at`; returns where it ends."""
    length, predictions, num_sizes = layout.max_seq_length, layout.max_predictions, layout.num_sizes
    ids_header = _header_at(_INPUT_IDS, record.ids_size, num_sizes)
    lm_ids_header = _header_at(_MASKED_LM_IDS, record.labels_size, num_sizes)
    positions_header = _header_at(_MASKED_LM_POSITIONS, record.positions_size, num_sizes)
    # `features` is the example's one field: its tag, its size as a varint, then the entries.
    size = layout.fixed_size + record.ids_size + record.labels_size + record.positions_size
    size += np.int64(headers[ids_header + HEADER_WIDTH - 1])
    size += np.int64(headers[lm_ids_header + HEADER_WIDTH - 1])
    size += np.int64(headers[positions_header + HEADER_WIDTH - 1])
    out[at] = 10
    varint = _varint(np.uint32(size))
    store32(out, at + 1, varint)
    at += 1 + np.int64(varint >> np.uint32(24))

    at = _header(headers, ids_header, out, at)
    written = record.num_tokens if layout.pad == _ZERO else length
    at = _write_varints(scratch, 0, written, length, out, at)
    at = _header(headers, lm_ids_header, out, at)
    at = _write_varints(scratch, length, record.num_masks, predictions, out, at)
    at = _header(headers, positions_header, out, at)
    at = _write_varints(scratch, length + predictions, record.num_masks, predictions, out, at)

    at = _header(headers, _header_at(_INPUT_MASK, length, num_sizes), out, at)
    at = _copy(runs, length - record.num_tokens, length, out, at)
    at = _header(headers, _header_at(_SEGMENT_IDS, length, num_sizes), out, at)
    _copy(runs, layout.zeros_ones + length - 2 - record.a_length, record.num_tokens, out, at)
    for i in range(record.num_tokens, length, 8):
        store64(out, at + i, np.uint64(0))
    at += length
    at = _header(headers, _header_at(_MASKED_LM_WEIGHTS, 4 * predictions, num_sizes), out, at)
    window = layout.weights + 4 * (predictions - record.num_masks)
    at = _copy(runs, window, 4 * predictions, out, at)
    at = _header(headers, _header_at(_PAIR_LABEL, 1, num_sizes), out, at)
    out[at] = record.label
    return at + 1


@njit()
def serialize_instances(source, layout, tables, scratch, out, first, at):
    """Writes the frames of `instances[order[first:]]` into `out` from byte `at`, until it is full.

    Args:
        source: Source.
        layout: Layout.
        tables: Tables.
        scratch: uint32[max_seq_length + 2 * max_predictions].
        out: uint8[> layout.slack].

    Returns:
        The next instance of `order`, and the byte after the last record.
    """
    instances, masks = source.instances, source.masks
    packed_tokens, order = source.packed_tokens, source.order
    headers, runs, packed_ids = tables.headers, tables.runs, tables.packed_ids
    length, predictions = layout.max_seq_length, layout.max_predictions
    special_size = np.int64(layout.cls >> np.uint32(24)) + 2 * np.int64(layout.sep >> np.uint32(24))
    while first < order.size and at < out.size - layout.slack:
        _prefetch(instances, masks, packed_tokens, order, first)
        instance = instances[order[first]]
        first += 1
        a, b = np.int64(instance.a_length), np.int64(instance.b_length)
        num_tokens, num_masks = a + b + 3, np.int64(instance.num_masks)
        scratch[0] = layout.cls
        ids_size = (length - num_tokens) * np.int64(layout.pad >> np.uint32(24)) + special_size
        ids_size += _copy_tokens(packed_tokens, np.int64(instance.a_start), a, scratch, 1)
        scratch[1 + a] = layout.sep
        ids_size += _copy_tokens(packed_tokens, np.int64(instance.b_start), b, scratch, 2 + a)
        scratch[2 + a + b] = layout.sep
        if layout.pad != _ZERO:
            scratch[num_tokens:length] = layout.pad
        first_mask = np.int64(instance.first_mask)
        label_bytes, replacement_bytes, position_bytes = _replace_masked(
            masks[first_mask : first_mask + num_masks], packed_ids, scratch, length, predictions
        )
        record = _Record(
            a_length=a,
            num_tokens=num_tokens,
            num_masks=num_masks,
            label=np.int64(instance.label),
            ids_size=ids_size + replacement_bytes - label_bytes,
            labels_size=predictions - num_masks + label_bytes,
            positions_size=predictions - num_masks + position_bytes,
        )
        end = _write_example(record, layout, headers, runs, scratch, out, at + HEADER_SIZE)
        store64(out, at, np.uint64(end - at - HEADER_SIZE))
        store32(out, at + 8, masked_crc32c(out, at, at + 8))
        store32(out, end, masked_crc32c(out, at + HEADER_SIZE, end))
        at = end + 4
    return first, at
