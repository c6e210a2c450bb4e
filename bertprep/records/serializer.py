"""Training instances -> the bytes of TFRecord files.

A record is a `tf.train.Example` with seven features; `RecordLayout` holds all of it that is the
same in every record, so that the kernel writes only ids, positions and masks. Memory: a table of
headers, about 200 KB at length 128.

    layout = RecordLayout.of(vocabulary, instance_options, record_options)
    serializer = RecordSerializer(instances, layout)
    while (size := serializer.fill(buffer, 0)): ...
"""

from dataclasses import dataclass

import numpy as np

from bertprep.kernels import tfrecord as kernel
from bertprep.kernels.machine import PADDING
from bertprep.objectives import OBJECTIVES
from bertprep.objectives.sentence_pairs import TrainingInstances
from bertprep.options import InstanceOptions, RecordOptions
from bertprep.vocab import Vocabulary

_INT64_LIST, _FLOAT_LIST = 0x1A, 0x12

#: The features by the kernel's numbers of them.
_FEATURES = {
    kernel.INPUT_IDS: "input_ids",
    kernel.MASKED_LM_IDS: "masked_lm_ids",
    kernel.MASKED_LM_POSITIONS: "masked_lm_positions",
    kernel.INPUT_MASK: "input_mask",
    kernel.SEGMENT_IDS: "segment_ids",
    kernel.MASKED_LM_WEIGHTS: "masked_lm_weights",
    kernel.NEXT_SENTENCE_LABELS: "next_sentence_labels",
}


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
        fields: int64[kernel.LAYOUT_SIZE].
        headers: uint8[...]. The header of each feature for each size that it can have.
        runs: uint8[...]. Ones and zeros to copy masks and weights from.
        packed_ids: uint32[vocab_size]. Every id's varint.
        largest_record: bytes of the largest record with its frame.
    """

    fields: np.ndarray
    headers: np.ndarray
    runs: np.ndarray
    packed_ids: np.ndarray
    largest_record: int

    @classmethod
    def of(
        cls, vocabulary: Vocabulary, instances: InstanceOptions, records: RecordOptions
    ) -> "RecordLayout":
        length, predictions = instances.max_seq_length, instances.predictions
        num_sizes = max(3 * length, 4 * predictions) + 1
        headers = np.zeros((len(_FEATURES), num_sizes, kernel.HEADER_WIDTH), np.uint8)
        # A size of a variable feature is a number of varints of one to three bytes each.
        sizes = {feature: range(predictions, 3 * predictions + 1) for feature in _FEATURES}
        sizes[kernel.INPUT_IDS] = range(length, 3 * length + 1)
        sizes[kernel.INPUT_MASK] = sizes[kernel.SEGMENT_IDS] = range(length, length + 1)
        sizes[kernel.MASKED_LM_WEIGHTS] = range(4 * predictions, 4 * predictions + 1)
        sizes[kernel.NEXT_SENTENCE_LABELS] = range(1, 2)
        stored = OBJECTIVES[instances.objective].stored_names(records.feature_names)
        for feature, known_as in _FEATURES.items():
            name = stored[known_as]
            tag = _FLOAT_LIST if feature == kernel.MASKED_LM_WEIGHTS else _INT64_LIST
            for size in sizes[feature]:
                header = feature_header(name, tag, size)
                headers[feature, size, : len(header)] = np.frombuffer(header, np.uint8)
                headers[feature, size, -1] = len(header)

        fixed = (
            kernel.INPUT_MASK,
            kernel.SEGMENT_IDS,
            kernel.MASKED_LM_WEIGHTS,
            kernel.NEXT_SENTENCE_LABELS,
        )
        fixed_size = sum(int(headers[f, sizes[f][0], -1]) + sizes[f][0] for f in fixed)
        ones, zeros = np.ones(length, np.uint8), np.zeros(length, np.uint8)
        gap = np.zeros(PADDING, np.uint8)
        weights = np.repeat(np.array([1, 0], "<f4"), predictions).view(np.uint8)
        runs = np.concatenate([ones, zeros, gap, zeros, ones, gap, weights, gap])

        fields = np.zeros(kernel.LAYOUT_SIZE, np.int64)
        fields[kernel.MAX_SEQ_LENGTH] = length
        fields[kernel.MAX_PREDICTIONS] = predictions
        fields[kernel.CLS_ID], fields[kernel.SEP_ID] = vocabulary.cls_id, vocabulary.sep_id
        fields[kernel.FIXED_SIZE], fields[kernel.NUM_SIZES] = fixed_size, num_sizes
        fields[kernel.ZEROS_ONES] = 2 * length + PADDING
        fields[kernel.WEIGHTS] = 4 * length + 2 * PADDING
        packed_ids = np.empty(len(vocabulary.tokens), np.uint32)
        kernel.pack_varints(np.arange(len(packed_ids), dtype=np.uint32), packed_ids)
        variable = 3 * (length + 2 * predictions + kernel.HEADER_WIDTH)
        return cls(
            fields=fields,
            headers=headers.reshape(-1),
            runs=runs,
            packed_ids=packed_ids,
            largest_record=kernel.FRAME_SIZE + 8 + fixed_size + variable,
        )

    @property
    def slack(self) -> int:
        """Bytes that a buffer needs behind the byte where filling stops."""
        return self.largest_record + PADDING


class RecordSerializer:
    """Writes the records of some of the instances into one buffer after the other.

    Args:
        instances: of one partition.
        layout: of the data set.
        first, step: instances first, first + step, … are written.
    """

    def __init__(
        self, instances: TrainingInstances, layout: RecordLayout, first: int = 0, step: int = 1
    ) -> None:
        self._instances = instances
        self._layout = layout
        self._order = np.ascontiguousarray(instances.order[first::step])
        self._next = 0
        self._packed_tokens = np.empty(instances.documents.num_tokens, np.uint32)
        kernel.pack_varints(instances.documents.tokens, self._packed_tokens)
        fields = layout.fields
        scratch_size = fields[kernel.MAX_SEQ_LENGTH] + fields[kernel.MAX_PREDICTIONS]
        self._scratch = np.zeros(scratch_size, np.uint32)

    @property
    def num_records(self) -> int:
        return len(self._order)

    def fill(self, buffer: np.ndarray, start: int) -> int:
        """Writes whole records from byte `start` on, until less than `layout.slack` is left.

        Args:
            buffer: uint8[>= start + slack].

        Returns:
            The byte behind the last record; `start` when there are no more.
        """
        fields = self._layout.fields.copy()
        fields[kernel.LIMIT] = len(buffer) - self._layout.slack
        self._next, end = kernel.serialize_instances(
            self._instances.arrays,
            self._instances.masks,
            self._packed_tokens,
            self._layout.packed_ids,
            self._order,
            self._next,
            fields,
            self._layout.headers,
            self._layout.runs,
            self._scratch,
            buffer,
            start,
        )
        return int(end)
