"""Training instances -> the bytes of TFRecord files.

A record is a `tf.train.Example` with the features of the objective. `RecordLayout` holds all that
is the same in every record, so that the kernel writes only ids, positions and masks. Memory: a
table of headers, about 200 KB at length 128.

    layout = RecordLayout.of(vocabulary, instance_options, record_options)
    serializer = RecordSerializer(instances, layout)
    while (size := serializer.fill(buffer, 0)): ...
"""

from dataclasses import dataclass

import numpy as np

from bertprep.kernels import tfrecord as kernel
from bertprep.kernels.machine import PADDING
from bertprep.objectives.sentence_pairs import TrainingInstances
from bertprep.options import InstanceOptions, RecordOptions
from bertprep.records.schema import RecordSchema
from bertprep.vocab import Vocabulary

_INT64_LIST, _FLOAT_LIST = 0x1A, 0x12


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes([*encoded, value])


def _field(tag: int, size: int) -> bytes:
    """Tag and size of a length-delimited protobuf field."""
    return bytes([tag]) + _varint(size)


def feature_header(name: str, list_tag: int, size: int) -> bytes:
    """All bytes of a map entry of `Features.feature` in front of its `size` packed bytes.

    Source: example.proto and feature.proto of TensorFlow, protobuf's encoding of maps.
    """
    packed = _field(0x0A, size)
    values = _field(list_tag, len(packed) + size) + packed
    feature = _field(0x12, len(values) + size) + values
    key = _field(0x0A, len(name)) + name.encode()
    return _field(0x0A, len(key) + len(feature) + size) + key + feature


@dataclass(frozen=True, eq=False)
class RecordLayout:
    """What every record of a data set has in common.

    Attributes:
        numbers: lengths, sizes and offsets for the kernel.
        tables: the bytes that records are put together from.
        largest_record: bytes of the largest record with its frame.
    """

    numbers: kernel.Layout
    tables: kernel.Tables
    largest_record: int

    @classmethod
    def of(
        cls, vocabulary: Vocabulary, instances: InstanceOptions, records: RecordOptions
    ) -> "RecordLayout":
        """Return the layout of the records that the options lead to."""
        length, predictions = instances.max_seq_length, instances.predictions
        schema = RecordSchema(
            length, predictions, records.feature_names, objective=instances.objective
        )
        packed_ids = np.empty(len(vocabulary.tokens), np.uint32)
        kernel.pack_varints(np.arange(len(packed_ids), dtype=np.uint32), packed_ids)
        headers, fixed_size = _headers(schema)
        ones, zeros = np.ones(length, np.uint8), np.zeros(length, np.uint8)
        gap = np.zeros(PADDING, np.uint8)
        weights = np.repeat(np.array([1, 0], "<f4"), predictions).view(np.uint8)
        variable = 3 * (length + 2 * predictions + kernel.HEADER_WIDTH)
        largest_record = kernel.FRAME_SIZE + 8 + fixed_size + variable
        return cls(
            numbers=kernel.Layout(
                max_seq_length=length,
                max_predictions=predictions,
                cls=packed_ids[vocabulary.cls_id],
                sep=packed_ids[vocabulary.sep_id],
                pad=packed_ids[vocabulary.pad_id],
                num_sizes=headers.shape[1],
                fixed_size=fixed_size,
                zeros_ones=2 * length + PADDING,
                weights=4 * length + 2 * PADDING,
                slack=largest_record + PADDING,
            ),
            tables=kernel.Tables(
                headers=headers.reshape(-1),
                runs=np.concatenate([ones, zeros, gap, zeros, ones, gap, weights, gap]),
                packed_ids=packed_ids,
            ),
            largest_record=largest_record,
        )

    @property
    def slack(self) -> int:
        """Bytes that a buffer needs after the byte where filling stops."""
        return self.numbers.slack


def _headers(schema: RecordSchema) -> tuple[np.ndarray, int]:
    """Return the header of each feature for each size, and the bytes of those of fixed size.

    uint8[features, sizes, HEADER_WIDTH]. A number below 128 is a byte, a larger one up to three.
    """
    features = {feature.name: feature for feature in schema.features}
    num_sizes = max(3 * schema.max_seq_length, 4 * schema.max_predictions) + 1
    headers = np.zeros((len(features), num_sizes, kernel.HEADER_WIDTH), np.uint8)
    fixed_size = 0
    for row, name in zip(headers, kernel.FEATURES, strict=True):
        feature, length = features[name], schema.lengths[name]
        is_float, bound = feature.dtype == "float32", feature.below
        is_fixed = is_float or (isinstance(bound, int) and bound <= 128)
        smallest = 4 * length if is_float else length
        tag = _FLOAT_LIST if is_float else _INT64_LIST
        for size in range(smallest, (smallest if is_fixed else 3 * length) + 1):
            header = feature_header(schema.stored_names[name], tag, size)
            row[size, : len(header)] = np.frombuffer(header, np.uint8)
            row[size, -1] = len(header)
        if is_fixed:
            fixed_size += int(row[smallest, -1]) + smallest
    return headers, fixed_size


class RecordSerializer:
    """Writes the records of some of the instances into one buffer after the other.

    Args:
        instances: instances of one partition.
        layout: layout of the data set.
        first, step: instances first, first + step, … are written.
    """

    def __init__(
        self, instances: TrainingInstances, layout: RecordLayout, first: int = 0, step: int = 1
    ) -> None:
        packed_tokens = np.empty(instances.documents.num_tokens, np.uint32)
        kernel.pack_varints(instances.documents.tokens, packed_tokens)
        order = np.ascontiguousarray(instances.order[first::step])
        self._source = kernel.Source(instances.arrays, instances.masks, packed_tokens, order)
        self._layout = layout
        self._next = 0
        numbers = layout.numbers
        self._scratch = np.zeros(numbers.max_seq_length + 2 * numbers.max_predictions, np.uint32)

    @property
    def num_records(self) -> int:
        """Number of records of all buffers."""
        return len(self._source.order)

    def fill(self, buffer: np.ndarray, start: int) -> int:
        """Write whole records from byte `start` on, until less than `layout.slack` is left.

        Args:
            buffer: uint8[>= start + slack].

        Returns:
            The byte after the last record; `start` when there are no more.
        """
        layout = self._layout
        self._next, end = kernel.serialize_instances(
            self._source, layout.numbers, layout.tables, self._scratch, buffer, self._next, start
        )
        return int(end)
