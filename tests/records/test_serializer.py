"""Records and shards: bytes by hand, TensorFlow's own reader, CRC32C, whole files or none."""

import errno
import gzip
import json
import os
import resource
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfrecords import features, masked_crc, read_features
from waiting import LIMIT

from bertprep.data import TokenizedDocuments
from bertprep.kernels import crc32c
from bertprep.kernels.instances import INSTANCE
from bertprep.kernels.masking import MASK
from bertprep.objectives import create_training_instances
from bertprep.objectives.sentence_pairs import TrainingInstance, TrainingInstances
from bertprep.options import LONGEST_SEQUENCE, InstanceOptions, RecordOptions
from bertprep.records.serializer import RecordLayout, RecordSerializer, feature_header
from bertprep.records.shards import BLOCK_BYTES, ShardWriter, checksum
from bertprep.vocab import SPECIAL_TOKENS, Vocabulary

# Instances to write.


@cache
def large_vocabulary() -> Vocabulary:
    """20,000 pieces: ids from 16384 on are varints of three bytes."""
    return Vocabulary.parse(
        "\n".join([*SPECIAL_TOKENS, *(f"w{i}" for i in range(19_995))]).encode()
    )


@cache
def padded_elsewhere(num_before: int) -> Vocabulary:
    """[PAD] after some words, so that its id is not 0, and a varint of one to three bytes."""
    words = [f"w{i}" for i in range(17_000)]
    tokens = [*words[:num_before], *reversed(SPECIAL_TOKENS), *words[num_before:]]
    return Vocabulary.parse("\n".join(tokens).encode())


@cache
def odd_vocabulary() -> Vocabulary:
    """[SEP] and [MASK] have ids of two bytes, [CLS] has one of three."""
    words = [f"w{i}" for i in range(17_000)]
    tokens = ["[PAD]", "[UNK]", *words[:200], "[SEP]", "[MASK]", *words[200:], "[CLS]"]
    return Vocabulary.parse("\n".join(tokens).encode())


def random_documents(vocabulary: Vocabulary, seed: int, sizes: list[int]) -> TokenizedDocuments:
    """Documents of three sentences, with as many ids of one byte as of two and of three."""
    rng = np.random.default_rng(seed)
    borders_of_varints = np.array([128, 16_384, len(vocabulary.tokens)])
    largest = rng.choice(np.minimum(borders_of_varints, len(vocabulary.tokens)), sum(sizes))
    ids = rng.integers(5, largest).astype(np.uint32)
    sentences = np.array([0, *accumulate(sizes)], np.int64)
    last = len(sizes)
    borders = np.array([*range(0, last, 3), last], np.int64)
    return TokenizedDocuments(ids, sentences, borders)


def random_instances(
    vocabulary: Vocabulary, options: InstanceOptions, seed: int = 1, num_sentences: int = 60
) -> TrainingInstances:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, options.max_seq_length, num_sentences).tolist()
    documents = random_documents(vocabulary, seed, sizes)
    return create_training_instances(documents, vocabulary, options)


def expected_features(
    instance: TrainingInstance, options: InstanceOptions, records: RecordOptions, pad_id: int = 0
) -> dict[str, list[float]]:
    """An instance as its view has it, padded."""
    size, num_masks = len(instance.token_ids), len(instance.masked_lm_ids)
    padding = [0] * (options.max_seq_length - size)
    no_masks = [0] * (options.predictions - num_masks)
    v2 = records.feature_names == "v2"
    return {
        "input_word_ids" if v2 else "input_ids": instance.token_ids + [pad_id] * len(padding),
        "input_mask": [1] * size + padding,
        "input_type_ids" if v2 else "segment_ids": instance.segment_ids + padding,
        "masked_lm_positions": instance.masked_lm_positions + no_masks,
        "masked_lm_ids": instance.masked_lm_ids + no_masks,
        "masked_lm_weights": [1.0] * num_masks + [0.0] * len(no_masks),
        "next_sentence_labels": [int(instance.is_random_next)],
    }


def serialized(serializer: RecordSerializer, layout: RecordLayout, size: int = 1 << 16) -> bytes:
    """All records, by as many buffers of `size` bytes and the slack as it takes."""
    parts = []
    buffer = np.zeros(size + layout.slack, np.uint8)
    while end := serializer.fill(buffer, 0):
        parts.append(buffer[:end].tobytes())
    return b"".join(parts)


def write_shard(path: Path, serializer: RecordSerializer, layout: RecordLayout, how: str) -> None:
    with ShardWriter(path, path.with_suffix(".tmp"), how, layout.slack) as writer:
        while True:
            buffer, start = writer.buffer()
            end = serializer.fill(buffer, start)
            if end == start:
                break
            writer.write(end)


# Bytes.


def test_header_of_a_feature() -> None:
    # A map entry of 14 + 3 bytes: its key "name", its value a feature with an int64 list, packed.
    header = bytes.fromhex("0a0f 0a04 6e616d65 1207 1a05 0a03")
    assert feature_header("name", 0x1A, 3) == header
    # Lengths from 128 on take two bytes: all but the key's grow.
    header = bytes.fromhex("0a9401 0a04 6e616d65 128b01 128801 0a8501")
    assert feature_header("name", 0x12, 133) == header


def test_bytes_of_a_record() -> None:
    # [CLS] 300 [SEP] 16384 7 500 [SEP]: [MASK] stands for 300, and 130 for 7.
    vocabulary = large_vocabulary()
    documents = TokenizedDocuments(
        np.array([300, 16_384, 7, 500], np.uint32), np.array([0, 1, 4]), np.array([0, 2])
    )
    instances = TrainingInstances(
        documents,
        arrays=np.array([(0, 1, 1, 3, 0, 2, 1)], INSTANCE),
        masks=np.array([(1, vocabulary.mask_id), (4, 130)], MASK),
        order=np.arange(1),
        cls_id=vocabulary.cls_id,
        sep_id=vocabulary.sep_id,
        num_random_next=1,
        num_truncated=0,
    )
    options = InstanceOptions(max_seq_length=8, max_predictions_per_seq=3)
    layout = RecordLayout.of(vocabulary, options, RecordOptions())
    # The order of the features is free; another one makes other files of the same records.
    entries = [
        ("0a1d 0a09", b"input_ids", "1210 1a0e 0a0c 02 04 03 808001 8201 f403 03 00"),
        ("0a19 0a0d", b"masked_lm_ids", "1208 1a06 0a04 ac02 07 00"),
        ("0a1e 0a13", b"masked_lm_positions", "1207 1a05 0a03 01 04 00"),
        ("0a1a 0a0a", b"input_mask", "120c 1a0a 0a08 01 01 01 01 01 01 01 00"),
        ("0a1b 0a0b", b"segment_ids", "120c 1a0a 0a08 00 00 00 01 01 01 01 00"),
        ("0a25 0a11", b"masked_lm_weights", "1210 120e 0a0c 0000803f 0000803f 00000000"),
        ("0a1d 0a14", b"next_sentence_labels", "1205 1a03 0a01 01"),
    ]
    data = bytes.fromhex("0ad901") + b"".join(
        bytes.fromhex(head) + name + bytes.fromhex(rest) for head, name, rest in entries
    )
    size = bytes.fromhex("dc00000000000000")
    crcs = struct.pack("<I", masked_crc(size)), struct.pack("<I", masked_crc(data))
    serializer = RecordSerializer(instances, layout)
    assert serialized(serializer, layout) == size + crcs[0] + data + crcs[1]


# What is read back.

READER = """
import json, sys
import numpy as np
import tensorflow as tf

for case in json.load(sys.stdin):
    length, predictions = case["max_seq_length"], case["predictions"]
    shapes = {name: (length, tf.int64) for name in case["length_features"]}
    shapes["masked_lm_positions"] = shapes["masked_lm_ids"] = (predictions, tf.int64)
    shapes["masked_lm_weights"] = (predictions, tf.float32)
    shapes["next_sentence_labels"] = (1, tf.int64)
    spec = {name: tf.io.FixedLenFeature([size], kind) for name, (size, kind) in shapes.items()}
    compression = "GZIP" if case["compression"] == "gzip" else ""
    records = tf.data.TFRecordDataset(case["path"], compression_type=compression)
    parsed = list(records.map(lambda record: tf.io.parse_single_example(record, spec)))
    arrays = {name: np.stack([example[name].numpy() for example in parsed]) for name in spec}
    # What the parser does not ask for, it does not see: the names of all that is there.
    example = tf.train.Example.FromString(next(iter(records)).numpy())
    np.savez(case["path"] + ".npz", names=sorted(example.features.feature), **arrays)
"""

KINDS = [
    (length, names, compression, large)
    for length in (32, 128, 512)
    for names in ("v1", "v2")
    for compression in ("none", "gzip")
    for large in (True, False)
]


class Case:
    """A shard, and what should be in it."""

    def __init__(
        self, length: int, names: str, compression: str, vocabulary: Vocabulary, folder: Path
    ) -> None:
        # Four predictions a sequence of 32 fill up; the 77 of 512 need positions of two bytes.
        predictions = {32: 4, 128: 18, 512: 77}[length]
        self.options = InstanceOptions(
            max_seq_length=length, max_predictions_per_seq=predictions, dupe_factor=2
        )
        self.records = RecordOptions(compression=compression, feature_names=names)
        self.instances = random_instances(vocabulary, self.options)
        self.path = folder / f"{length}-{names}-{compression}-{len(vocabulary.tokens)}"
        layout = RecordLayout.of(vocabulary, self.options, self.records)
        serializer = RecordSerializer(self.instances, layout)
        write_shard(self.path, serializer, layout, compression)

    def description(self) -> dict[str, Any]:
        v2 = self.records.feature_names == "v2"
        names = ["input_word_ids", "input_type_ids"] if v2 else ["input_ids", "segment_ids"]
        return {
            "path": str(self.path),
            "compression": self.records.compression,
            "max_seq_length": self.options.max_seq_length,
            "predictions": self.options.predictions,
            "length_features": [*names, "input_mask"],
        }


@pytest.fixture(scope="module")
def cases(
    tmp_path_factory: pytest.TempPathFactory, sample_vocabulary: Vocabulary
) -> dict[tuple[int, str, str, bool], Case]:
    """Shards of every kind, read by one TensorFlow, which takes seconds to import."""
    folder = tmp_path_factory.mktemp("records")
    made = {
        kind: Case(*kind[:3], large_vocabulary() if kind[3] else sample_vocabulary, folder)
        for kind in KINDS
    }
    descriptions = json.dumps([case.description() for case in made.values()])
    subprocess.run(
        [sys.executable, "-c", READER],
        input=descriptions,
        text=True,
        check=True,
        timeout=LIMIT,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    return made


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_tensorflow_reads_the_records(
    kind: tuple[int, str, str, bool], cases: dict[tuple[int, str, str, bool], Case]
) -> None:
    case = cases[kind]
    read = dict(np.load(f"{case.path}.npz"))
    expected = [expected_features(i, case.options, case.records) for i in case.instances]
    assert read.pop("names").tolist() == sorted(expected[0])
    assert read.keys() == expected[0].keys()
    for name, values in read.items():
        assert values.tolist() == [record[name] for record in expected], name
    # There is something of everything to see.
    num_tokens = [len(i.token_ids) for i in case.instances]
    num_masks = [len(i.masked_lm_ids) for i in case.instances]
    assert min(num_tokens) < max(num_tokens) == case.options.max_seq_length
    assert min(num_masks) < max(num_masks) == case.options.predictions
    assert {i.is_random_next for i in case.instances} == {True, False}


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_our_reader_agrees_with_tensorflow(
    kind: tuple[int, str, str, bool], cases: dict[tuple[int, str, str, bool], Case]
) -> None:
    path = cases[kind].path
    read = read_features(path)
    for name, values in np.load(f"{path}.npz").items():
        if name != "names":
            assert values.tolist() == [record[name].tolist() for record in read]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_features_are_the_padded_views(data: st.DataObject) -> None:
    elsewhere = (partial(padded_elsewhere, number) for number in (0, 200, 16_500))
    vocabulary = data.draw(st.sampled_from([large_vocabulary, odd_vocabulary, *elsewhere]))()
    length = data.draw(st.integers(5, 300))
    options = InstanceOptions(
        max_seq_length=length,
        max_predictions_per_seq=data.draw(st.integers(1, length)),
        masked_lm_prob=data.draw(st.sampled_from([0.0, 0.15, 1.0])),
        short_seq_prob=data.draw(st.sampled_from([0.0, 0.5, 1.0])),
        dupe_factor=1,
        random_seed=data.draw(st.integers(0, 1000)),
    )
    records = RecordOptions(feature_names=data.draw(st.sampled_from(["v1", "v2"])))
    instances = random_instances(vocabulary, options, seed=options.random_seed, num_sentences=12)
    layout = RecordLayout.of(vocabulary, options, records)
    written = serialized(RecordSerializer(instances, layout), layout)
    at = 0
    for instance in instances:
        (size,) = struct.unpack_from("<Q", written, at)
        record = written[at + 12 : at + 12 + size]
        read = {name: values.tolist() for name, values in features(record).items()}
        assert read == expected_features(instance, options, records, vocabulary.pad_id)
        assert written[at + 8 : at + 12] == struct.pack("<I", masked_crc(written[at : at + 8]))
        assert written[at + 12 + size : at + 16 + size] == struct.pack("<I", masked_crc(record))
        at += 16 + size
        assert 16 + size <= layout.largest_record
    assert at == len(written)


def test_features_of_the_longest_sequence_are_the_padded_view(tmp_path: Path) -> None:
    vocabulary = large_vocabulary()
    options = InstanceOptions(
        max_seq_length=LONGEST_SEQUENCE,
        max_predictions_per_seq=LONGEST_SEQUENCE,
        masked_lm_prob=1.0,
        short_seq_prob=0.0,
        dupe_factor=1,
    )
    sizes = [LONGEST_SEQUENCE - 3, 1, 1, 40_000, 30_000, 1]
    documents = random_documents(vocabulary, 3, sizes)
    instances = create_training_instances(documents, vocabulary, options)
    layout = RecordLayout.of(vocabulary, options, RecordOptions())
    # A block takes in what a record goes over the block before: `ShardWriter.write` counts on it.
    assert layout.largest_record <= BLOCK_BYTES
    path = tmp_path / "shard"
    write_shard(path, RecordSerializer(instances, layout), layout, "none")
    read = [{name: v.tolist() for name, v in record.items()} for record in read_features(path)]
    assert read == [expected_features(i, options, RecordOptions()) for i in instances]
    assert max(read[0]["masked_lm_positions"]) > 60_000


@pytest.mark.parametrize("size", [1, 500, 5000, 50_000])
def test_records_do_not_depend_on_the_size_of_the_buffers(size: int) -> None:
    options = InstanceOptions(max_seq_length=64, dupe_factor=2)
    instances = random_instances(large_vocabulary(), options)
    layout = RecordLayout.of(large_vocabulary(), options, RecordOptions())
    whole = serialized(RecordSerializer(instances, layout), layout, size=1 << 20)
    assert serialized(RecordSerializer(instances, layout), layout, size) == whole


def test_filling_begins_behind_what_is_there() -> None:
    options = InstanceOptions(max_seq_length=64, dupe_factor=1)
    instances = random_instances(large_vocabulary(), options)
    layout = RecordLayout.of(large_vocabulary(), options, RecordOptions())
    whole = serialized(RecordSerializer(instances, layout), layout, size=1 << 20)
    for start in (1, 7, 8, 4095):
        buffer = np.full((1 << 20) + layout.slack, 0xEE, np.uint8)
        end = RecordSerializer(instances, layout).fill(buffer, start)
        assert buffer[start:end].tobytes() == whole
        assert (buffer[:start] == 0xEE).all()


@pytest.mark.parametrize("num_shards", [1, 2, 3, 7, 500])
def test_instances_are_dealt_in_turn(num_shards: int) -> None:
    options = InstanceOptions(max_seq_length=32, dupe_factor=2)
    instances = random_instances(large_vocabulary(), options)
    layout = RecordLayout.of(large_vocabulary(), options, RecordOptions())
    records = [expected_features(i, options, RecordOptions())["input_ids"] for i in instances]
    for shard in range(num_shards):
        serializer = RecordSerializer(instances, layout, shard, num_shards)
        assert serializer.num_records == len(records[shard::num_shards])
        data = serialized(serializer, layout)
        read = []
        while data:
            (size,) = struct.unpack_from("<Q", data)
            read.append(features(data[12 : 12 + size])["input_ids"].tolist())
            data = data[16 + size :]
        assert read == records[shard::num_shards]


# CRC32C.

VECTORS = [
    (b"", 0),
    (bytes(32), 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
    (bytes(range(31, -1, -1)), 0x113FDB5C),
    (b"123456789", 0xE3069283),
]
#: Bytes after which the three lanes of the kernel begin another round.
ROUND = 3 * 256


def by_table(data: bytes) -> int:
    """As a processor without the instruction has it: eight bytes a step, then one."""
    register, whole = np.uint32(0xFFFFFFFF), len(data) // 8 * 8
    for word in np.frombuffer(data[:whole], np.uint64):
        register = np.uint32(crc32c._crc32c_by_table(register, word))
    for byte in data[whole:]:
        row = (int(register) ^ byte) & 0xFF
        register = np.uint32(int(crc32c.CRC32C_TABLES[0, row]) ^ int(register) >> 8)
    return int(register) ^ 0xFFFFFFFF


def as_array(data: bytes) -> np.ndarray:
    return np.array(bytearray(data), np.uint8)


@pytest.mark.parametrize(("data", "expected"), VECTORS)
def test_crc32c_of_published_vectors(data: bytes, expected: int) -> None:
    # RFC 3720, B.4; the last is the check value of the catalogues.
    assert checksum(as_array(data), len(data)) == expected
    assert by_table(data) == expected


def test_crc32c_at_every_alignment() -> None:
    data = np.random.default_rng(1).integers(0, 256, 4000, np.uint8)
    sizes = [*range(101), *range(ROUND - 9, ROUND + 10), 2 * ROUND - 1, 2 * ROUND, 3 * ROUND + 5]
    for start in range(16):
        for size in sizes:
            part = data[start:]
            expected = google_crc32c.value(part[:size].tobytes())
            assert checksum(part, size) == expected, (start, size)
            if start == 0 and size <= 100:
                assert by_table(part[:size].tobytes()) == expected, size


def test_crc32c_of_random_words_by_table_and_by_instruction() -> None:
    rng = np.random.default_rng(2)
    for _ in range(300):
        data = rng.bytes(8)
        assert by_table(data) == checksum(as_array(data), 8) == google_crc32c.value(data)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=1200), max_size=6))
def test_crc32c_goes_on_where_it_stopped(parts: list[bytes]) -> None:
    crc = 0
    for part in parts:
        crc = checksum(as_array(part), len(part), crc)
    assert crc == google_crc32c.value(b"".join(parts))


# Shards.

SLACK = 5000
SIZES = [
    *(0, 1, 4095, 4096, 4097, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1),
    *(BLOCK_BYTES + 4096, 2 * BLOCK_BYTES - 1, 2 * BLOCK_BYTES, 2 * BLOCK_BYTES + 1),
    *(5 * BLOCK_BYTES, 5 * BLOCK_BYTES + 123_457),
]


@cache
def random_bytes() -> bytes:
    return np.random.default_rng(3).bytes(max(SIZES))


def fill_shard(writer: ShardWriter, data: bytes, record: int = SLACK) -> None:
    """Hands `data` on as records of so many bytes, which may begin within the block only."""
    given, at = np.frombuffer(data, np.uint8), 0
    while at < len(data):
        buffer, end = writer.buffer()
        while end < BLOCK_BYTES and at < len(data):
            part = given[at : at + record]
            buffer[end : end + len(part)] = part
            at, end = at + len(part), end + len(part)
        writer.write(end)


def memory_folder() -> Iterator[Path]:
    folder = Path(f"/dev/shm/bertprep-test-{os.getpid()}")
    folder.mkdir()
    yield folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


@pytest.fixture(params=["disk", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A disk, that may be written to directly, and a tmpfs, that may not."""
    if request.param == "disk":
        yield tmp_path
    elif Path("/dev/shm").is_dir():
        yield from memory_folder()
    else:
        pytest.skip("this system has no /dev/shm")


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("size", SIZES)
def test_a_shard_holds_what_was_written(folder: Path, size: int, compression: str) -> None:
    data = random_bytes()[:size]
    path, temporary = folder / "shard", folder / "temporary"
    with ShardWriter(path, temporary, compression, SLACK) as writer:
        fill_shard(writer, data)
        assert not path.exists()
    written = path.read_bytes()
    assert (gzip.decompress(written) if compression == "gzip" else written) == data
    assert writer.bytes == size
    assert writer.crc32c == google_crc32c.value(data)
    assert list(folder.iterdir()) == [path]


@pytest.mark.parametrize("record", [1024, 4096, 4999])
def test_a_shard_does_not_depend_on_the_sizes_of_records(tmp_path: Path, record: int) -> None:
    data = random_bytes()[: 3 * BLOCK_BYTES + 77]
    for compression in ("none", "gzip"):
        with ShardWriter(tmp_path / compression, tmp_path / "t", compression, SLACK) as writer:
            fill_shard(writer, data, record)
    assert (tmp_path / "none").read_bytes() == data
    assert gzip.decompress((tmp_path / "gzip").read_bytes()) == data


def test_a_gzip_shard_has_no_time_and_no_name(tmp_path: Path) -> None:
    data = bytes(range(256)) * 100
    with ShardWriter(tmp_path / "shard", tmp_path / "t", "gzip", SLACK) as writer:
        fill_shard(writer, data)
    written = (tmp_path / "shard").read_bytes()
    assert written[:4] == b"\x1f\x8b\x08\x00"  # gzip, deflate, no flags: no name follows
    assert written[4:8] == bytes(4)
    assert len(written) < len(data) / 10
    # What is counted is the stream before compression.
    assert (writer.bytes, writer.crc32c) == (len(data), google_crc32c.value(data))


def test_several_writes_to_one_block_follow_each_other(tmp_path: Path) -> None:
    with ShardWriter(tmp_path / "shard", tmp_path / "t", "none", SLACK) as writer:
        for part in (b"one ", b"two ", b"three"):
            fill_shard(writer, part)
    assert (tmp_path / "shard").read_bytes() == b"one two three"


@pytest.mark.parametrize("size", [0, 100, 4 * BLOCK_BYTES + 5])
@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_no_file(
    tmp_path: Path, size: int, compression: str, error: type[BaseException]
) -> None:
    path, temporary = tmp_path / "shard", tmp_path / "temporary"
    with pytest.raises(error), ShardWriter(path, temporary, compression, SLACK) as writer:  # noqa: PT012
        fill_shard(writer, random_bytes()[:size])
        assert temporary.exists()
        raise error
    assert list(tmp_path.iterdir()) == []


def test_an_exception_leaves_an_older_file_alone(tmp_path: Path) -> None:
    path, temporary = tmp_path / "shard", tmp_path / "temporary"
    path.write_bytes(b"older")
    with pytest.raises(ValueError, match="stop"), ShardWriter(path, temporary, "none", SLACK):
        raise ValueError("stop")
    assert path.read_bytes() == b"older"
    with ShardWriter(path, temporary, "none", SLACK) as writer:
        fill_shard(writer, b"newer")
    assert path.read_bytes() == b"newer"


# A write that fails, by a system that is really out of room.


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file grows over so many bytes: the system answers EFBIG, in every thread."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a file system takes root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fail_to_write(folder: Path, size: int, compression: str) -> OSError:
    path, temporary = folder / "shard", folder / "temporary"
    with (
        pytest.raises(OSError, match="shard") as caught,
        ShardWriter(path, temporary, compression, SLACK) as writer,
    ):
        fill_shard(writer, random_bytes()[:size])
    assert caught.value.filename == str(path)
    assert not path.exists()
    assert not temporary.exists()
    return caught.value


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize(
    ("size", "limit"),
    [
        (5 * BLOCK_BYTES, BLOCK_BYTES + 10_000),  # while records are being made
        (BLOCK_BYTES + 5000, BLOCK_BYTES + 4096),  # in the last, unfinished block
        (12_000, 4096),  # all of it in zlib's own buffer until it is flushed
    ],
)
def test_a_file_that_may_not_grow_is_an_error_with_its_name(
    tmp_path: Path, compression: str, size: int, limit: int
) -> None:
    with file_size_limit(limit):
        error = fail_to_write(tmp_path, size, compression)
    assert error.errno == errno.EFBIG


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_full_disk_is_an_error_with_the_name_of_the_file(
    full_disk: Path, compression: str
) -> None:
    error = fail_to_write(full_disk, 5 * BLOCK_BYTES, compression)
    assert error.errno == errno.ENOSPC
    assert list(full_disk.iterdir()) == []


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ShardWriter(tmp_path / "no" / "shard", tmp_path / "no" / "t", "none", SLACK)
