"""Shards -> columns: what the plain reader reads, in any ranges; and each fault told apart."""

import gzip
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import google_crc32c
import numpy as np
import pytest
from hand_built import (
    V2_NAMES,
    byte_strings,
    encoded,
    entry,
    example,
    field,
    floats,
    frame,
    frames,
    int64s,
    made_records,
    write_with_tensorflow,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import Faults, as_lists
from tfrecords import features, masked_crc, read_features

from bertprep.engines import local
from bertprep.inspection import scan as scan_module
from bertprep.inspection.scan import scan
from bertprep.kernels.examples import DAMAGED, READ, UNUSUAL
from bertprep.options import LONGEST_SEQUENCE, InstanceOptions, RecordOptions
from bertprep.records import DataSet, RecordSchema, Shard, blocks, parse_example
from bertprep.records.columns import RecordReader, find_schema
from bertprep.records.frames import LONGEST_RECORD, look_at
from bertprep.vocab import SPECIAL_TOKENS, Vocabulary

SCHEMA = RecordSchema(16, 3)
#: The same, as it is found in a record: there may be other features.
FOUND = RecordSchema(16, 3, is_closed=False)
OPTIONS = InstanceOptions(max_seq_length=16, max_predictions_per_seq=3, dupe_factor=1)


@cache
def large_vocabulary() -> Vocabulary:
    """30,000 pieces: ids are varints of one to three bytes."""
    words = [f"w{i}" for i in range(20_000)] + [f"##p{i}" for i in range(9_995)]
    return Vocabulary.parse("\n".join([*SPECIAL_TOKENS, *words]).encode())


@cache
def records() -> list[bytes]:
    """A dozen short records."""
    return made_records(large_vocabulary(), OPTIONS)[:12]


def shard_of(folder: Path, content: bytes, name: str = "shard") -> Shard:
    path = folder / name
    path.write_bytes(content)
    return look_at(str(path))


@dataclass
class Reading:
    """What was read of a range: records by index, and what was said."""

    reader: RecordReader | None
    indices: list[int]
    offsets: list[int]
    states: list[int]
    records: list[bytes]
    rows: list[bytes]
    faults: list[tuple[int, int, str]]

    @property
    def intact(self) -> list[bytes]:
        pairs = zip(self.records, self.states, strict=True)
        return [record for record, state in pairs if state != DAMAGED]


def visit(reader: RecordReader) -> Reading:
    reading = Reading(None, [], [], [], [], [], [])
    for number, batch in enumerate(reader):
        reading.indices += batch.indices.tolist()
        reading.offsets += batch.offsets.tolist()
        reading.states += batch.states.tolist()
        reading.records += [batch.record(i) for i in range(len(batch))]
        reading.rows += [
            row.tobytes() if state == READ else b""
            for row, state in zip(batch.rows, batch.states, strict=True)
        ]
        reading.faults += [(fault.index, fault.offset, fault.problem) for fault in batch.faults]
        assert number < 100_000  # it comes to an end
    return reading


def read(
    shard: Shard, start: int = 0, end: int | None = None, schema: RecordSchema = SCHEMA
) -> Reading:
    reader = RecordReader(shard, schema, start, end)
    return replace(visit(reader), reader=reader)


def read_bytes(folder: Path, content: bytes) -> Reading:
    return read(shard_of(folder, content))


def as_features(reading: Reading, schema: RecordSchema) -> list[dict[str, list[Any]]]:
    """Rows as the features that they hold, by the names of the first release."""
    assert set(reading.states) <= {READ}
    found = []
    for data in reading.rows:
        row = np.frombuffer(data, np.int32)
        values = {name: row[where] for name, where in schema.columns.items()}
        values["masked_lm_weights"] = values["masked_lm_weights"].view(np.float32)
        found.append({name: column.tolist() for name, column in values.items()})
    return found


# What the plain reader reads.


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("names", ["v1", "v2"])
@pytest.mark.parametrize("length", [5, 64, 200, 512])
def test_rows_are_the_features(length: int, names: str, compression: str, tmp_path: Path) -> None:
    options = InstanceOptions(max_seq_length=length, dupe_factor=2)
    schema = RecordSchema(length, options.predictions, names)
    made = made_records(large_vocabulary(), options, RecordOptions(feature_names=names))
    made *= max(1, 600_000 // sum(map(len, made)))  # some blocks
    stream = frames(made)
    content = gzip.compress(stream, 1) if compression == "gzip" else stream
    reading = read(shard_of(tmp_path, content), schema=schema)
    assert reading.records == made
    assert reading.faults == []
    assert reading.indices == list(range(len(made)))
    assert reading.offsets == [0, *np.cumsum([len(record) + 16 for record in made])[:-1].tolist()]
    assert as_features(reading, schema) == list(map(as_lists, made))
    assert reading.reader
    assert (reading.reader.first, reading.reader.end) == (0, len(stream))
    assert reading.reader.num_records == len(made)
    assert reading.reader.crc32c == google_crc32c.value(stream)


def test_rows_of_the_longest_sequences(tmp_path: Path) -> None:
    options = InstanceOptions(
        max_seq_length=LONGEST_SEQUENCE,
        max_predictions_per_seq=LONGEST_SEQUENCE,
        masked_lm_prob=1.0,
        short_seq_prob=0.5,
        dupe_factor=1,
    )
    schema = RecordSchema(LONGEST_SEQUENCE, LONGEST_SEQUENCE)
    made = made_records(large_vocabulary(), options, num_sentences=4)
    assert min(map(len, made)) > blocks.BLOCK_BYTES
    expected = list(map(as_lists, made))
    for name, content in (("plain", frames(made)), ("gzip", gzip.compress(frames(made), 1))):
        reading = read(shard_of(tmp_path, content, name), schema=schema)
        assert as_features(reading, schema) == expected
        assert reading.faults == []


@pytest.mark.parametrize("content", [b"", gzip.compress(b"")], ids=["empty", "empty gzip"])
def test_an_empty_shard(content: bytes, tmp_path: Path) -> None:
    reading = read_bytes(tmp_path, content)
    assert (reading.records, reading.faults) == ([], [])
    assert reading.reader
    assert (reading.reader.first, reading.reader.end, reading.reader.crc32c) == (0, 0, 0)


def test_a_gzip_file_of_several_members(tmp_path: Path) -> None:
    halves = frames(records()[:5]), frames(records()[5:])
    reading = read_bytes(tmp_path, b"".join(map(gzip.compress, halves)))
    assert (reading.records, reading.faults) == (records(), [])


@pytest.fixture(scope="module")
def by_tensorflow(
    tmp_path_factory: pytest.TempPathFactory,
) -> list[tuple[Path, str, list[dict[str, list[Any]]]]]:
    """Shards that TensorFlow wrote, their names of features, and what it wrote."""
    folder = tmp_path_factory.mktemp("tensorflow")
    made = list(map(as_lists, made_records(large_vocabulary(), OPTIONS)))
    written = []
    for number, (names, compression) in enumerate(
        (names, compression) for names in ("v1", "v2") for compression in ("", "GZIP")
    ):
        shuffled = [dict(Random(number).sample(list(r.items()), len(r))) for r in made]
        renamed = [
            {V2_NAMES.get(name, name) if names == "v2" else name: v for name, v in r.items()}
            for r in shuffled
        ]
        path = folder / f"{names}{compression}.tfrecord"
        written.append((path, names, compression, renamed))
    write_with_tensorflow(
        [{"path": str(p), "compression": how, "records": rs} for p, _, how, rs in written]
    )
    return [(path, names, renamed) for path, names, _, renamed in written]


def test_shards_that_tensorflow_wrote(
    by_tensorflow: list[tuple[Path, str, list[dict[str, list[Any]]]]],
) -> None:
    for path, names, written in by_tensorflow:
        schema = RecordSchema(16, 3, names, is_closed=False)
        assert find_schema(look_at(str(path))) == schema
        reading = read(look_at(str(path)), schema=schema)
        assert reading.faults == []
        assert as_features(reading, schema) == list(map(as_lists, reading.records))
        assert [
            {name: values.tolist() for name, values in record.items()}
            for record in read_features(path)
        ] == written


def test_features_in_any_order_and_any_encoding(tmp_path: Path) -> None:
    rng = Random(3)
    odd = []
    for record in records():
        names = rng.sample(list(as_lists(record)), 7)
        values = {name: as_lists(record)[name] for name in names}
        pieces = b""
        for name in names:
            make = floats if name == "masked_lm_weights" else int64s
            half = rng.randrange(len(values[name]) + 1)
            packed = [rng.random() < 0.5 for _ in range(2)]
            parts = make(values[name][:half], packed[0]), make(values[name][half:], packed[1])
            feature = b"".join(parts) if rng.random() < 0.5 else make(values[name], packed[0])
            unknown = field(9, b"x") if rng.random() < 0.3 else b""
            named = [field(1, name.encode()), field(2, feature), unknown]
            pieces += field(1, b"".join(rng.sample(named, 3)))
        odd.append(pieces)
    cut = [rng.randrange(2) for _ in odd]
    examples = [
        field(1, p) if c else field(3, b"z") + field(1, p) for p, c in zip(odd, cut, strict=True)
    ]
    reading = read_bytes(tmp_path, frames(examples))
    assert as_features(reading, SCHEMA) == list(map(as_lists, records()))


def test_numbers_that_are_longer_than_they_must_be(tmp_path: Path) -> None:
    numbers = b"\x81\x00" + b"\x82\x80\x00" + b"\xff\xff\x7f" + b"\x83\x80\x80\x80\x00" + b"\0" * 12
    data = encoded(as_lists(records()[0]) | {"input_ids": []})
    data = data[3:].replace(entry("input_ids", int64s([])), b"")
    example = field(1, entry("input_ids", field(3, field(1, numbers))) + data)
    (row,) = as_features(read_bytes(tmp_path, frame(example)), SCHEMA)
    assert row["input_ids"] == [1, 2, 2**21 - 1, 3] + [0] * 12


def around(record: bytes, name: str) -> Callable[[bytes], bytes]:
    """Makes examples of a record with another entry in a feature's place, at the end."""
    others = b"".join(
        entry(other, (floats if other == "masked_lm_weights" else int64s)(values))
        for other, values in as_lists(record).items()
        if other != name
    )
    return lambda content: field(1, others + field(1, content))


def test_a_number_of_four_bytes_is_one_number(tmp_path: Path) -> None:
    numbers = b"\x83\x80\x80\x00" + b"\0" * 14
    feature = field(3, field(1, numbers))
    data = around(records()[0], "input_ids")(field(1, b"input_ids") + field(2, feature))
    assert len(parse_example(data)["input_ids"].values) == 15
    assert read_bytes(tmp_path, frame(data)).states == [UNUSUAL]


def twice_at_every_level(record: bytes) -> Iterator[bytes]:
    """Examples of which a part is there twice, or has something unknown behind it."""
    values = as_lists(record)["input_mask"]
    make = around(record, "input_mask")
    name, packed = field(1, b"input_mask"), field(1, bytes(values))
    for more in (packed, field(9, b"x"), field(1, b"")):
        yield make(name + field(2, field(3, packed + more)))
        yield make(name + field(2, field(3, packed) + field(3, more)))
        yield make(name + field(2, field(3, packed)) + field(2, field(3, more)))
    for behind in (field(2, b""), field(1, b"x"), field(7, b""), field(2, field(2, b""))):
        yield make(name + field(2, field(3, packed)) + behind)
        yield make(name + field(2, field(3, packed) + behind))
    for other in (values, values[::-1], values * 2):
        again = encoded({"input_mask": other})
        yield record + again
        yield again + record
    yield record + record
    yield record + field(2, b"x")


def test_what_stands_twice_is_read_as_the_plain_reader_does(tmp_path: Path) -> None:
    odd = list(twice_at_every_level(records()[0]))
    reading = read_bytes(tmp_path, frames(odd))
    assert [state == READ for state in reading.states] == list(map(fits, odd))
    assert set(reading.states) == {READ, UNUSUAL}
    for row, record in zip(reading.rows, odd, strict=True):
        if row:
            mask = np.frombuffer(row, np.int32)[SCHEMA.columns["input_mask"]]
            assert mask.tolist() == parse_example(record)["input_mask"].values


@pytest.mark.parametrize("value", [127, 128, 2**14, 2**21 - 1, 2**21, 2**31 - 1])
def test_numbers_at_the_borders_of_varints(value: int, tmp_path: Path) -> None:
    record = as_lists(records()[0]) | {"masked_lm_ids": [value, 0, value]}
    reading = read_bytes(tmp_path, frame(encoded(record)))
    assert as_features(reading, SCHEMA) == [record]


@pytest.mark.parametrize("value", [2**31, 2**32 + 1, 2**63 - 1, -1, -(2**63)])
def test_numbers_that_fit_no_row_are_unusual(value: int, tmp_path: Path) -> None:
    record = as_lists(records()[0]) | {"masked_lm_ids": [0, value, 0]}
    reading = read_bytes(tmp_path, frames([records()[1], encoded(record), records()[2]]))
    assert reading.states == [READ, UNUSUAL, READ]
    assert reading.faults == []  # what is wrong with a record, the rules say


def fits(record: bytes) -> bool:
    """The plain reader finds in it what the schema says, in numbers that fit a row."""
    try:
        found = parse_example(record)
    except ValueError:
        return False
    if found.keys() != SCHEMA.lengths.keys():
        return False
    return all(
        feature.kind == ("float" if name == "masked_lm_weights" else "int64")
        and len(feature.values) == SCHEMA.lengths[name]
        and (feature.kind == "float" or all(0 <= value < 2**31 for value in feature.values))
        for name, feature in found.items()
    )


@pytest.mark.parametrize("seed", range(5))
def test_damaged_examples_are_read_as_the_plain_reader_does(seed: int, tmp_path: Path) -> None:
    rng, faults = Random(seed), Faults(large_vocabulary())
    damaged = [
        faults.put(rng, rng.choice(records()), rng.choice(list(faults.kinds))) for _ in range(300)
    ]
    reading = read_bytes(tmp_path, frames(damaged))
    assert reading.records == damaged
    assert [state == READ for state in reading.states] == list(map(fits, damaged))
    for row, record in zip(reading.rows, damaged, strict=True):
        if row:
            weights = parse_example(record).pop("masked_lm_weights").values
            values = np.concatenate(
                [
                    np.array(f.values, np.float32).view(np.int32)
                    if f.kind == "float"
                    else np.array(f.values, np.int32)
                    for f in (parse_example(record)[name] for name in SCHEMA.lengths)
                ]
            )
            assert row == values.tobytes()
            assert len(weights) == 3


# Ranges.

STREAM_RECORDS = 40


@cache
def stream() -> bytes:
    """Records of several sizes, some of them no examples, one of them empty."""
    rng = Random(8)
    some = [rng.choice(records()) for _ in range(STREAM_RECORDS)]
    some[3], some[20], some[21] = b"", rng.randbytes(5000), b"\0" * 700
    return frames(some)


@cache
def frame_starts() -> list[int]:
    starts, at = [], 0
    while at < len(stream()):
        starts.append(at)
        at += 16 + struct.unpack_from("<Q", stream(), at)[0]
    return starts


#: A border may lie inside a header.
NEAR = st.integers(0, 13)


@pytest.fixture(scope="module")
def ranged(tmp_path_factory: pytest.TempPathFactory) -> Shard:
    return shard_of(tmp_path_factory.mktemp("ranges"), stream())


def test_a_border_at_any_byte_parts_the_records(ranged: Shard) -> None:
    whole = read(ranged)
    for border in [*range(1, frame_starts()[5]), *range(9000, len(stream()), 97)]:
        first, second = read(ranged, 0, border), read(ranged, border, len(stream()))
        assert first.records + second.records == whole.records
        assert first.reader
        assert second.reader
        assert second.reader.first in (first.reader.end, None)
        begin = sum(start < border for start in frame_starts())
        assert len(first.records) == begin
        assert first.faults == second.faults == []


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.integers(0, len(stream()))
        | st.builds(lambda start, more: start + more, st.sampled_from(frame_starts()), NEAR),
        max_size=12,
    )
)
def test_each_record_is_read_once_whatever_the_ranges(ranged: Shard, borders: list[int]) -> None:
    edges = sorted({0, len(stream()), *(min(border, len(stream())) for border in borders)})
    readings = [read(ranged, *pair) for pair in pairwise(edges)]
    at, read_records, offsets = 0, [], []
    for reading, (start, end) in zip(readings, pairwise(edges), strict=True):
        reader = reading.reader
        assert reader
        assert reading.faults == []
        if reader.first is None:
            assert reading.records == []
            assert (reader.end, reader.crc32c) == (end, 0)
            assert not [one for one in frame_starts() if start <= one < end]
            continue
        assert start <= reader.first == at < end
        assert reading.indices == list(range(len(reading.records)))
        read_records += reading.records
        offsets += reading.offsets
        assert reader.crc32c == google_crc32c.value(stream()[at : reader.end])
        at = reader.end
    assert at == len(stream())
    assert read_records == read(ranged).records
    assert offsets == frame_starts()


class InProcess:
    """A worker pool without processes, whose tasks are done in random order."""

    def __init__(self, workers: int, **_: object) -> None:
        self._rng = Random(workers)

    def close(self) -> None:
        pass

    def run(self, function: Callable[[Any], Any], tasks: list[Any]) -> Iterator[tuple[str, Any]]:
        for name, task in self._rng.sample(list(tasks), len(tasks)):
            yield name, function(task)


def scanned(
    shards: list[Shard], range_bytes: int, patch: pytest.MonkeyPatch, workers: int = 2
) -> list[tuple[Reading, int | None, int | None, int | None]]:
    """What scan() finds of each shard, its parts put together, and the shard's own numbers."""
    patch.setattr(scan_module, "RANGE_BYTES", range_bytes)
    found: dict[str, tuple[Reading, int | None, int | None, int | None]] = {}
    empty = Reading(None, [], [], [], [], [], [])
    data_set = DataSet("x", tuple(shards))
    for part in scan(data_set, SCHEMA, visit, stage="test", workers=workers, quiet=True):
        whole = found.get(part.shard.path, (replace(empty, indices=[]), None, None, None))[0]
        result = part.result
        assert found.get(part.shard.path, (0, None))[1] is None  # only the last part has numbers
        joined = Reading(
            None,
            whole.indices + [part.first_record + index for index in result.indices],
            whole.offsets + result.offsets,
            whole.states + result.states,
            whole.records + result.records,
            whole.rows + result.rows,
            whole.faults + [(part.first_record + i, *rest) for i, *rest in result.faults],
        )
        found[part.shard.path] = (joined, part.num_records, part.num_bytes, part.crc32c)
    assert list(found) == [shard.path for shard in shards]
    return list(found.values())


def test_scanning_by_workers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    streams = [stream(), b"", frames(records()), stream()[:100_000], stream()]
    shards = [
        shard_of(tmp_path, gzip.compress(content) if number == 4 else content, str(number))
        for number, content in enumerate(streams)
    ]
    for range_bytes in (997, 1 << 30):
        found = scanned(shards, range_bytes, monkeypatch)
        for content, (reading, num_records, num_bytes, crc32c) in zip(streams, found, strict=True):
            assert frames(reading.records) == content
            assert reading.faults == []
            assert reading.indices == list(range(len(reading.records)))
            assert num_records == len(reading.records)
            assert num_bytes == len(content)
            assert crc32c == google_crc32c.value(content)


def test_bytes_that_look_like_a_frame_inside_a_record(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(local, "WorkerPool", InProcess)
    header = struct.pack("<Q", 40)
    header += struct.pack("<I", masked_crc(header))
    inside = [frames(records()[:3]), header + bytes(50), header * 20]
    tricky = []
    for k, record in enumerate(records()):
        extra = entry("x", byte_strings([inside[k % 3]]))
        body = b"".join(
            entry(n, (floats if n == "masked_lm_weights" else int64s)(v))
            for n, v in as_lists(record).items()
        )
        tricky.append(field(1, extra + body))
    content = frames(tricky)
    shard = shard_of(tmp_path, content)
    for range_bytes in (13, 64, 100, 333, 1000):
        ((reading, num_records, num_bytes, crc32c),) = scanned([shard], range_bytes, monkeypatch)
        assert reading.records == tricky
        assert reading.faults == []
        assert (num_records, num_bytes) == (len(tricky), len(content))
        assert crc32c == google_crc32c.value(content)


def damaged_anywhere(rng: Random, content: bytes) -> bytes:
    """A stream after some accidents."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) or 1)
        size = rng.choice([1, 8, 100, 1500])
        accident = rng.randrange(7)
        if accident < 2 and data:
            data[at] ^= 1 << rng.randrange(8)
        elif accident == 2:
            del data[at : at + size]
        elif accident == 3:
            data[at:at] = rng.randbytes(size)
        elif accident == 4:
            data[at : at + size] = bytes(len(data[at : at + size]))
        elif accident == 5:
            length = struct.pack("<Q", rng.choice([0, 5, 200, 10**6]))
            data[at : at + 12] = length + struct.pack("<I", masked_crc(length))
        else:
            del data[rng.randrange(len(data) + 1) :]
    return bytes(data)


def test_damage_is_told_alike_in_any_ranges_and_blocks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(local, "WorkerPool", InProcess)
    for seed in range(40):
        rng = Random(seed)
        content = damaged_anywhere(rng, stream())
        shard = shard_of(tmp_path, content)
        monkeypatch.setattr(blocks, "BLOCK_BYTES", 1 << 18)
        ((expected, *numbers),) = scanned([shard], 1 << 30, monkeypatch)
        assert numbers[1:] == [len(content), google_crc32c.value(content)]
        for range_bytes, block_bytes in (
            (rng.randint(20, 900), 1 << 18),
            (rng.randint(500, 3000), rng.choice([64, 200, 1000])),
        ):
            monkeypatch.setattr(blocks, "BLOCK_BYTES", block_bytes)
            found = scanned([shard], range_bytes, monkeypatch, workers=seed)
            assert found == [(expected, *numbers)], (seed, range_bytes, block_bytes)


# Faults. In the fifth record of twelve, or at the end.

K = 4
CUT = "it is truncated"


@cache
def starts() -> list[int]:
    """Where the frames of records() begin, and the end."""
    return [0, *np.cumsum([len(record) + 16 for record in records()]).tolist()]


def whole() -> bytes:
    return frames(records())


def with_length(number: int, size: int, crc: int | None = None) -> bytes:
    """The stream with another length in a frame, its CRC made right."""
    length = struct.pack("<Q", size)
    header = length + struct.pack("<I", masked_crc(length) if crc is None else crc)
    at = starts()[number]
    return whole()[:at] + header + whole()[at + 12 :]


def expect(reading: Reading, index: int, problem: str, left_out: int = 1) -> None:
    """One fault at the start of a record, and all others are read."""
    assert reading.faults == [(index, starts()[index], problem)]
    assert reading.intact == records()[:index] + records()[index + left_out :]
    assert set(reading.states) <= {READ, DAMAGED}


def test_a_file_that_was_cut_anywhere(tmp_path: Path) -> None:
    for size in range(starts()[10] + 1, starts()[12]):
        number = 10 if size <= starts()[11] else 11
        into, short = size - starts()[number], starts()[number + 1] - size
        reading = read_bytes(tmp_path, whole()[:size])
        if not short:
            assert reading.faults == []
        elif into < 12:
            expect(reading, number, f"the file ends {into} bytes into a record: {CUT}", 2)
        else:
            expect(
                reading, number, f"the file ends {short} bytes before this record does: {CUT}", 2
            )
        assert reading.records == records()[: number + (not short)]


def test_a_file_that_was_cut_in_its_first_record(tmp_path: Path) -> None:
    for size in range(1, starts()[1]):
        (fault,) = read_bytes(tmp_path, whole()[:size]).faults
        short = starts()[1] - size
        assert fault == (
            0,
            0,
            f"the file ends {size} bytes into a record: {CUT}"
            if size < 12
            else f"the file ends {short} bytes before this record does: {CUT}",
        )


def test_a_bit_that_was_flipped_anywhere(tmp_path: Path) -> None:
    size = len(records()[K])
    for place in [*range(96), *range(96, 8 * (size + 16), 9)]:
        damaged = bytearray(whole())
        damaged[starts()[K] + place // 8] ^= 1 << place % 8
        reading = read_bytes(tmp_path, bytes(damaged))
        if place < 64:
            wrong = size ^ 1 << place
            expect(
                reading, K, f"its length field says {wrong:,} bytes, but the record has {size}", 0
            )
        elif place < 96:
            problem = "the CRC of its length is wrong; the length and the record are intact"
            expect(reading, K, problem, 0)
        else:
            problem = "its data does not match its CRC: it was changed after it was written"
            expect(reading, K, problem)
            assert reading.states.index(DAMAGED) == K
        assert reading.reader
        assert reading.reader.num_records == 12
        assert reading.reader.crc32c == google_crc32c.value(bytes(damaged))


def test_a_wrong_length_with_a_right_crc(tmp_path: Path) -> None:
    for number in (0, K, 10, 11):
        size = len(records()[number])
        over_the_next = size + 16 + len(records()[(number + 1) % 12])
        lengths = [
            *(0, 1, 4, size - 1, size + 1, size + 16, over_the_next, over_the_next + 16),
            *(len(whole()), 10**6, LONGEST_RECORD, LONGEST_RECORD + 1, 1 << 40, (1 << 64) - 1),
            *range(10, 3000, 37),
        ]
        for wrong in lengths:
            problem = f"its length field says {wrong:,} bytes, but the record has {size}"
            if wrong != size:
                expect(read_bytes(tmp_path, with_length(number, wrong)), number, problem, 0)


def test_a_wrong_length_of_a_record_that_is_no_example(tmp_path: Path) -> None:
    # Its own size cannot be asked: the next header is looked for.
    some = [records()[0], b"one", b"two" * 30, records()[1]]
    content = frames(some)
    at = len(some[0]) + 16
    behind = at + 19
    for wrong in (1, 2, 4, 10, 50, 125, 3000, LONGEST_RECORD + 1, 1 << 40, (1 << 64) - 1):
        length = struct.pack("<Q", wrong)
        header = length + struct.pack("<I", masked_crc(length))
        reading = read_bytes(tmp_path, content[:at] + header + content[at + 12 :])
        assert reading.faults == [
            (
                1,
                at,
                f"its length field says {wrong:,} bytes, but no record begins after them; the "
                f"next record begins at byte {behind}",
            )
        ]
        assert reading.records == [some[0], some[2], some[3]]
        assert reading.indices == [0, 2, 3]


def test_a_wrong_length_in_a_long_file(tmp_path: Path) -> None:
    # Nothing is reserved for a length that cannot be.
    long = records() * 200
    assert len(frames(long)) > 2 * blocks.BLOCK_BYTES
    for wrong in (20_000_000, LONGEST_RECORD + 1, 1 << 40, 1 << 62, (1 << 64) - 1):
        damaged = with_length(K, wrong) + frames(long[12:])
        problem = f"its length field says {wrong:,} bytes, but the record has {len(long[K])}"
        reading = read_bytes(tmp_path, damaged)
        assert reading.faults == [(K, starts()[K], problem)]
        assert reading.records == long
        # And where the record does not know its own size either.
        damaged = bytearray(damaged)
        damaged[starts()[K] + 12] ^= 0xFF
        reading = read_bytes(tmp_path, bytes(damaged))
        problem = (
            f"its length field says {wrong:,} bytes, but no record begins after them; the next "
            f"record begins at byte {starts()[K + 1]}"
        )
        assert reading.faults == [(K, starts()[K], problem)]
        assert reading.records == [*long[:K], *long[K + 1 :]]


def test_damaged_records_one_behind_the_other(tmp_path: Path) -> None:
    damaged = bytearray(whole())
    for number, byte in ((3, 100), (4, 3), (5, 9), (6, 60), (7, 0)):
        damaged[starts()[number] + byte] ^= 1
    reading = read_bytes(tmp_path, bytes(damaged))
    assert [index for index, _, _ in reading.faults] == [3, 4, 5, 6, 7]
    assert [offset for _, offset, _ in reading.faults] == starts()[3:8]
    assert [problem.split(" ")[1] for _, _, problem in reading.faults] == [
        *("data", "length", "CRC", "data", "length")
    ]
    assert reading.indices == list(range(12))


def test_a_damaged_record_and_a_cut(tmp_path: Path) -> None:
    damaged = bytearray(whole()[: starts()[11] + 5])
    damaged[starts()[10] + 50] ^= 1
    assert read_bytes(tmp_path, bytes(damaged)).faults == [
        (10, starts()[10], "its data does not match its CRC: it was changed after it was written"),
        (11, starts()[11], "the file ends 5 bytes into a record: it is truncated"),
    ]


def test_a_damaged_record_and_garbage_behind_it(tmp_path: Path) -> None:
    damaged = bytearray(whole())
    damaged[starts()[11] + 50] ^= 1
    problem = f"its length field says {len(records()[11])} bytes, but no record begins after them"
    reading = read_bytes(tmp_path, bytes(damaged) + bytes(29))
    assert reading.faults == [(11, starts()[11], problem)]


def test_a_zeroed_page_in_the_middle(tmp_path: Path) -> None:
    long = records() * 12
    borders = [0, *np.cumsum([len(record) + 16 for record in long]).tolist()]
    content = frames(long)
    for at in (borders[20] + 100, borders[20], borders[20] + 5, borders[20] + 12):
        damaged = content[:at] + bytes(4096) + content[at + 4096 :]
        reading = read_bytes(tmp_path, damaged)
        following = next(i for i, border in enumerate(borders) if border >= at + 4096)
        if at - borders[20] >= 12:
            size = len(long[20])
            what = f"its length field says {size} bytes, but no record begins after them"
        else:
            what = "its length field does not match its CRC"
        assert reading.faults == [
            (20, borders[20], f"{what}; the next record begins at byte {borders[following]}")
        ]
        assert reading.records == long[:20] + long[following:]
        # How many are lost is not known: they count as one.
        assert reading.indices == [*range(20), *range(21, 21 + len(long) - following)]
        assert reading.offsets[20] == borders[following]


@pytest.mark.parametrize("size", [1, 3, 11, 12, 500, 300_000])
def test_garbage_between_records(size: int, tmp_path: Path) -> None:
    at = starts()[K]
    garbage = Random(size).randbytes(size)
    reading = read_bytes(tmp_path, whole()[:at] + garbage + whole()[at:])
    problem = f"its length field does not match its CRC; the next record begins at byte {at + size}"
    assert reading.faults == [(K, at, problem)]
    assert reading.records == records()
    assert reading.indices == [*range(K), *range(K + 1, 13)]


def test_a_header_that_lies_across_two_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 64)
    for size in range(20, 90):
        content = whole()[: starts()[K]] + Random(size).randbytes(size) + whole()[starts()[K] :]
        reading = read_bytes(tmp_path, content)
        assert reading.records == records()
        assert len(reading.faults) == 1
        following = read(shard_of(tmp_path, content), starts()[K] - 3, len(content))
        assert following.records == records()[K:]


@pytest.mark.parametrize("size", [1, 11, 12, 500])
def test_garbage_at_the_end(size: int, tmp_path: Path) -> None:
    reading = read_bytes(tmp_path, whole() + bytes(size))
    problem = (
        f"the file ends {size} bytes into a record: {CUT}"
        if size < 12
        else "its length field does not match its CRC"
    )
    assert reading.faults == [(12, len(whole()), problem)]
    assert reading.records == records()


def test_bytes_that_were_lost(tmp_path: Path) -> None:
    at = starts()[K]
    reading = read_bytes(tmp_path, whole()[: at + 50] + whole()[at + 60 :])
    size = len(records()[K])
    problem = (
        f"its length field says {size} bytes, but no record begins after them; the next record "
        f"begins at byte {starts()[K + 1] - 10}"
    )
    expect(reading, K, problem)


def whole_frames(stream: bytes) -> int:
    """How many frames of records() are in the start of their stream."""
    return sum(end <= len(stream) for end in starts()[1:])


def test_a_gzip_file_that_was_cut_anywhere(tmp_path: Path) -> None:
    packed = gzip.compress(whole(), 1)
    seen = set()
    for size in [
        *range(2, 40),
        *range(40, len(packed) - 40, 11),
        *range(len(packed) - 40, len(packed)),
    ]:
        inflated = zlib.decompressobj(31).decompress(packed[:size])
        number = whole_frames(inflated)
        reading = read_bytes(tmp_path, packed[:size])
        problem = "its gzip stream is damaged: it is truncated"
        assert reading.faults == [(number, starts()[number], problem)], size
        assert reading.records == records()[:number]
        seen.add(number)
    assert {0, 11, 12} < seen


def test_a_gzip_file_that_is_damaged(tmp_path: Path) -> None:
    packed = gzip.compress(whole(), 1)
    for at in range(10, len(packed), 7):
        damaged = bytearray(packed)
        damaged[at] ^= 0x55
        faults = read_bytes(tmp_path, bytes(damaged)).faults
        assert faults
        assert any("its gzip stream is damaged: " in problem for _, _, problem in faults)


def test_a_gzip_file_whose_own_crc_is_wrong(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(whole()))
    packed[-8] ^= 1
    reading = read_bytes(tmp_path, bytes(packed))
    assert reading.records == records()
    ((index, offset, problem),) = reading.faults
    assert (index, offset) == (12, len(whole()))
    assert problem.startswith("its gzip stream is damaged: CRC check failed")


def test_records_damaged_before_they_were_compressed(tmp_path: Path) -> None:
    damaged = bytearray(whole())
    damaged[starts()[K] + 40] ^= 1
    problem = "its data does not match its CRC: it was changed after it was written"
    expect(read_bytes(tmp_path, gzip.compress(bytes(damaged))), K, problem)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"Once upon a time\nthere", "this is text ('Once upon a '…), not a TFRecord file"),
        (b"Once upon a time\n" * 99999, "this is text ('Once upon a '…), not a TFRecord file"),
        ("Ärger und Übel".encode(), "this is not a TFRecord file"),
        (
            gzip.compress(b"Once upon a time\n"),
            "this is text ('Once upon a '…), not a TFRecord file",
        ),
        (bytes(5000), "this is not a TFRecord file"),
        (b"text", "the file ends 4 bytes into a record: it is truncated"),
    ],
    ids=["short", "long", "not ASCII", "compressed", "zeros", "very short"],
)
def test_files_that_are_not_records(content: bytes, problem: str, tmp_path: Path) -> None:
    shard = shard_of(tmp_path, content)
    assert read(shard).faults == [(0, 0, problem)]
    assert find_schema(shard) is None


def test_the_schema_of_the_first_record_that_can_be_read(tmp_path: Path) -> None:
    content = b"garbage" * 9 + frame(b"no example") + frame(records()[0])
    assert find_schema(shard_of(tmp_path, content)) == FOUND


def test_records_of_another_program_are_not_all_read_for_a_schema(tmp_path: Path) -> None:
    others = [example({"image": byte_strings([b"..."])})] * 100
    damaged = frames(others).replace(b"...", b"..,")
    assert find_schema(shard_of(tmp_path, frames([*others[1:], records()[0]]))) == FOUND
    assert find_schema(shard_of(tmp_path, frames([*others, records()[0]]))) is None
    assert find_schema(shard_of(tmp_path, damaged + frames(records()[:1]))) == FOUND


def test_records_that_are_no_examples_are_unusual(tmp_path: Path) -> None:
    some = [b"", b"x", records()[0][:-1], records()[0]]
    reading = read_bytes(tmp_path, frames(some))
    assert reading.states == [UNUSUAL, UNUSUAL, UNUSUAL, READ]
    assert reading.faults == []
    assert features(reading.records[3])
