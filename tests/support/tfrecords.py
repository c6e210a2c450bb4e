"""Reads TFRecord files without TensorFlow, as a second opinion on what `bertprep` writes.

Frames by `struct`, CRCs by google-crc32c, protobufs by a plain walk over their fields.
"""

import gzip
import struct
from collections.abc import Iterator
from pathlib import Path

import google_crc32c
import numpy as np

MASK_DELTA = 0xA282EAD8


def masked_crc(data: bytes) -> int:
    """CRC32C of `data` as TFRecord stores it."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + MASK_DELTA) & 0xFFFFFFFF


def frames(path: Path) -> Iterator[bytes]:
    """The records of a file, gzip or not; raises ValueError for a frame that is not right."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    at = 0
    while at < len(data):
        header = data[at : at + 8]
        (size,) = struct.unpack("<Q", header)
        (length_crc,) = struct.unpack("<I", data[at + 8 : at + 12])
        record = data[at + 12 : at + 12 + size]
        (record_crc,) = struct.unpack("<I", data[at + 12 + size : at + 16 + size])
        if length_crc != masked_crc(header) or record_crc != masked_crc(record):
            raise ValueError(f"{path}: wrong CRC in the frame at byte {at}")
        yield record
        at += 16 + size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 != 2:
            raise ValueError(f"wire type {tag & 7} where all fields are length-delimited")
        size, at = _varint(data, at)
        if at + size > len(data):
            raise ValueError("a field that is longer than its message")
        yield tag >> 3, data[at : at + size]
        at += size


def _only(fields: Iterator[tuple[int, bytes]], *numbers: int) -> list[bytes]:
    """The fields of a message, which has just those, each once and in this order."""
    found = list(fields)
    if [number for number, _ in found] != list(numbers):
        raise ValueError(f"fields {[number for number, _ in found]}, and not {numbers}")
    return [content for _, content in found]


def features(record: bytes) -> dict[str, np.ndarray]:
    """The features of a serialized `tf.train.Example`."""
    parsed: dict[str, np.ndarray] = {}
    (all_features,) = _only(_fields(record), 1)
    for number, entry in _fields(all_features):
        if number != 1:
            raise ValueError(f"field {number} among features")
        name, feature = _only(_fields(entry), 1, 2)
        ((kind, values),) = _fields(feature)
        (packed,) = _only(_fields(values), 1)
        if kind == 2:
            parsed[name.decode()] = np.frombuffer(packed, "<f4")
        elif kind == 3:
            numbers, at = [], 0
            while at < len(packed):
                number, at = _varint(packed, at)
                numbers.append(number)
            parsed[name.decode()] = np.array(numbers, np.int64)
        else:
            raise ValueError(f"a list of kind {kind}")
    return parsed


def read_features(path: Path) -> list[dict[str, np.ndarray]]:
    """The features of every record of a file."""
    return [features(record) for record in frames(path)]
