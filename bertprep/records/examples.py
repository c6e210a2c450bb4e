"""The bytes of a `tf.train.Example` -> its features, in plain Python: the compiled reader's twin.

Everything that protobuf allows is read: entries in any order, packed and single numbers, a message
in several pieces. 100 us per record of 128 tokens.

Example:
    >>> data = bytes.fromhex("0a0d0a0b0a01781206" "1a040a020107")
    >>> parse_example(data)
    {'x': FeatureValues(kind='int64', values=[1, 7])}

Source: example.proto and feature.proto of TensorFlow; protobuf's encoding.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

#: Fields of the message `Feature`: which kind of list it holds.
_KINDS = {1: "bytes", 2: "float", 3: "int64"}
_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5


@dataclass
class FeatureValues:
    """The values of one feature.

    Attributes:
        kind: "int64", "float" or "bytes"; "nothing" where the feature holds no list.
        values: ints, floats or byte strings.
    """

    kind: str = "nothing"
    values: list[Any] = field(default_factory=list)


def parse_example(data: bytes) -> dict[str, FeatureValues]:
    """Return the features of a serialized `tf.train.Example` by name; of two equal names the last.

    Raises:
        ValueError: it is not one; the message says what is wrong at which byte of `data`.
    """
    features: dict[str, FeatureValues] = {}
    for number, start, end in _messages(data, 0, len(data)):
        if number != 1:
            continue  # an unknown field: protobuf's readers skip it
        for entry_number, entry_start, entry_end in _messages(data, start, end):
            if entry_number == 1:
                name, feature = _entry(data, entry_start, entry_end)
                features[name] = feature
    return features


def _entry(data: bytes, start: int, end: int) -> tuple[str, FeatureValues]:
    name, feature = "", FeatureValues()
    for number, at, stop in _messages(data, start, end):
        if number == 1:
            try:
                name = data[at:stop].decode()
            except UnicodeDecodeError:
                raise ValueError(f"a feature's name is not UTF-8 at byte {at}") from None
        elif number == 2:
            feature = _feature(data, at, stop, feature)
    return name, feature


def _feature(data: bytes, start: int, end: int, feature: FeatureValues) -> FeatureValues:
    for number, at, stop in _messages(data, start, end):
        kind = _KINDS.get(number)
        if kind is None:
            continue
        if feature.kind != kind:  # the last kind counts; pieces of one kind are joined
            feature = FeatureValues(kind)
        feature.values += _values(data, at, stop, kind)
    return feature


def _values(data: bytes, start: int, end: int, kind: str) -> Iterator[Any]:
    for number, wire_type, at, stop in _fields(data, start, end):
        if number != 1:
            continue
        if kind == "bytes" and wire_type == _LENGTH_DELIMITED:
            yield data[at:stop]
        elif kind == "float" and wire_type == _LENGTH_DELIMITED:
            if (stop - at) % 4:
                raise ValueError(f"{stop - at} bytes are no whole number of floats at byte {at}")
            yield from struct.unpack_from(f"<{(stop - at) // 4}f", data, at)
        elif kind == "float" and wire_type == _FIXED32:
            yield struct.unpack_from("<f", data, at)[0]
        elif kind == "int64" and wire_type == _LENGTH_DELIMITED:
            if data[at:stop].isascii():  # as most features are: each number is one byte
                yield from data[at:stop]
                continue
            while at < stop:
                value, at = _varint(data, at, stop)
                yield _signed(value)
        elif kind == "int64" and wire_type == _VARINT:
            yield _signed(_varint(data, at, stop)[0])
        else:
            raise ValueError(f"wire type {wire_type} in a list of {kind} at byte {at}")


def _signed(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def _messages(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and end of each length-delimited field; others are skipped."""
    for number, wire_type, at, stop in _fields(data, start, end):
        if wire_type == _LENGTH_DELIMITED:
            yield number, at, stop


def _fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield number, wire type, start and end of the content of each field of a message."""
    at = start
    while at < end:
        tag, value_at = _varint(data, at, end)
        number, wire_type = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise ValueError(f"a field with the number {number} at byte {at}")
        if wire_type == _VARINT:
            stop = _varint(data, value_at, end)[1]
        elif wire_type == _LENGTH_DELIMITED:
            size, value_at = _varint(data, value_at, end)
            stop = value_at + size
        elif wire_type in (_FIXED32, _FIXED64):
            stop = value_at + (4 if wire_type == _FIXED32 else 8)
        else:
            raise ValueError(f"wire type {wire_type}, which does not exist, at byte {at}")
        if stop > end:
            raise ValueError(
                f"a field of {stop - value_at:,} bytes where {end - value_at:,} are "
                f"left at byte {at}"
            )
        yield number, wire_type, value_at, stop
        at = stop


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return a number of at most ten bytes, and the byte after it."""
    value = shift = 0
    for i in range(at, min(end, at + 10)):
        value |= (data[i] & 127) << shift
        if data[i] < 128:
            return value, i + 1
        shift += 7
    raise ValueError(f"a number without an end at byte {at}")
