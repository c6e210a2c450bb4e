"""The order of the records, and the batches that come of it."""

import gzip
import struct
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertprep.errors import BertprepError
from bertprep.loading.order import EpochOrder, ShardRange, hashes, shuffled
from bertprep.loading.windows import RecordStream
from bertprep.objectives import OBJECTIVES
from bertprep.records import DataSet, find_data_set
from bertprep.records.frames import masked_crc32c
from bertprep.training.input_pipeline import evaluation_batches, training_batches

LENGTH, PREDICTIONS, VOCAB = 8, 2, 1 << 20


def records_of(order: EpochOrder) -> list[tuple[int, int]]:
    """Shard and record at each place of an epoch."""
    found = []
    for window in range(order.num_windows):
        ranges = [part for lane in order.ranges(window) for part in lane]
        there = [(p.shard, p.first + i) for p in ranges for i in range(p.count)]
        found += [there[i] for i in order.permutation(window)]
    return found


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(0, 400), min_size=1, max_size=30).filter(any),
    seed=st.integers(0, 2**64),
    epoch=st.integers(0, 1000),
    window=st.integers(1, 500),
    is_shuffled=st.booleans(),
)
def test_every_record_comes_once_an_epoch(
    counts: list[int], seed: int, epoch: int, window: int, is_shuffled: bool
) -> None:
    order = EpochOrder(counts, seed, epoch, window, is_shuffled=is_shuffled)
    found = records_of(order)
    everything = [(shard, i) for shard, count in enumerate(counts) for i in range(count)]
    assert (sorted(found) if is_shuffled else found) == everything
    assert max(np.diff(order.window_starts)) <= max(window, 2 * 16)
    for place in {0, len(found) // 2, len(found) - 1}:
        number, first = order.window_of(place)
        assert first == order.window_starts[number] <= place < order.window_starts[number + 1]


def test_the_order_is_pinned() -> None:
    # A run that goes on after an update of bertprep must find the records where they were.
    assert hashes(2, 1, 2).tolist() == [0x508AFB8E036D2294, 0x25D57FCB2B61F9C1]
    order = EpochOrder([5, 0, 7], seed=1, epoch=2)
    records = "20 25 24 02 21 00 23 04 01 22 03 26"
    assert " ".join(f"{shard}{record}" for shard, record in records_of(order)) == records
    assert order.ranges(0)[1:3] == [[ShardRange(2, 3, 1)], [ShardRange(2, 4, 1)]]


def test_epochs_and_seeds_differ() -> None:
    orders = [EpochOrder([300], seed, epoch, 64) for seed, epoch in ((1, 0), (1, 1), (2, 0))]
    places = [records_of(order) for order in orders]
    assert places[0] != places[1] != places[2] != places[0]
    assert records_of(EpochOrder([300], 1, 0, 64)) == places[0]


@pytest.mark.parametrize("counts", [[20000], [1250] * 16, [20] * 1000])
def test_neighbours_come_from_everywhere(counts: list[int]) -> None:
    # Whatever the number of shards: a batch has records of many places, and few are neighbours.
    starts = np.cumsum([0, *counts])
    found = np.array([starts[s] + i for s, i in records_of(EpochOrder(counts, 3, 0, 2048))])
    for batch in found[:19968].reshape(-1, 64):
        assert len(set(batch // 1250)) >= 8
    near = np.abs(np.diff(found)) < 200
    assert near.mean() < 0.15


def test_shuffling_is_fair() -> None:
    where = np.array([shuffled(8, seed).tolist() for seed in range(4000)])
    counts = np.array([[(where[:, i] == j).sum() for i in range(8)] for j in range(8)])
    assert abs(counts / 500 - 1).max() < 0.2


def varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes([*encoded, value])


def field(tag: int, data: bytes) -> bytes:
    return bytes([tag]) + varint(len(data)) + data


def example(number: int, names: str = "v1", **changes: list[int]) -> bytes:
    """A record that carries its number as its second and third token."""
    v2 = names == "v2"
    lists = {
        "input_word_ids" if v2 else "input_ids": [1, number % 1000, number // 1000, 2, 7, 2, 0, 0],
        "input_mask": [1, 1, 1, 1, 1, 1, 0, 0],
        "input_type_ids" if v2 else "segment_ids": [0, 0, 0, 0, 1, 1, 0, 0],
        "masked_lm_positions": [1, 0],
        "masked_lm_ids": [5, 0],
        "next_sentence_labels": [number % 2],
    } | changes
    entries = b""
    for name, values in lists.items():
        packed = field(0x1A, field(0x0A, b"".join(varint(value) for value in values)))
        entries += field(0x0A, field(0x0A, name.encode()) + field(0x12, packed))
    weights = field(0x12, field(0x0A, struct.pack("<2f", 1.0, 0.0)))
    entries += field(0x0A, field(0x0A, b"masked_lm_weights") + field(0x12, weights))
    return field(0x0A, entries)


def frame(record: bytes) -> bytes:
    size = struct.pack("<Q", len(record))
    crcs = (struct.pack("<I", masked_crc32c(data)) for data in (size, record))
    return size + next(crcs) + record + next(crcs)


def write_shards(
    folder: Path, counts: list[int], names: str = "v1", *, compressed: bool = False
) -> DataSet:
    first = 0
    for shard, count in enumerate(counts):
        data = b"".join(frame(example(first + i, names)) for i in range(count))
        path = folder / f"tf_examples.tfrecord-{shard:05d}"
        path.write_bytes(gzip.compress(data, 1) if compressed else data)
        first += count
    return find_data_set([str(folder)])


def numbers(batches: Iterator[dict[str, object]]) -> list[list[int]]:
    found = []
    for batch in batches:
        ids = np.array(batch["input_ids"])
        found.append((ids[:, 1] + 1000 * ids[:, 2]).tolist())
    return found


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return write_shards(tmp_path_factory.mktemp("plain"), [300, 0, 500, 1, 230])


def test_an_epoch_of_batches_has_every_record_once(plain: DataSet) -> None:
    stream = RecordStream(plain, VOCAB, seed=1, window_records=100)
    assert stream.num_records == 1031
    found = list(chain(*numbers(training_batches(stream, range(400), 8))))
    for epoch in range(3):
        assert sorted(found[1031 * epoch : 1031 * (epoch + 1)]) == list(range(1031))
    assert found[:1031] != found[1031:2062]


@pytest.mark.parametrize("start", [1, 37, 128, 129, 257, 300])
def test_a_step_gets_the_same_from_any_start(start: int, plain: DataSet) -> None:
    stream = RecordStream(plain, VOCAB, seed=5, window_records=100)
    whole = numbers(training_batches(stream, range(310), 8))
    assert numbers(training_batches(stream, range(start, 310), 8)) == whole[start:]


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_share_the_batch_of_one(workers: int, plain: DataSet) -> None:
    stream = RecordStream(plain, VOCAB, seed=5, window_records=100)
    whole = numbers(training_batches(stream, range(100, 110), 16))
    shares = [
        numbers(training_batches(stream, range(100, 110), 16, worker, workers))
        for worker in range(workers)
    ]
    assert [list(chain(*parts)) for parts in zip(*shares, strict=True)] == whole


@pytest.mark.parametrize(("names", "compressed"), [("v2", False), ("v1", True), ("v2", True)])
def test_other_names_and_gzip_give_the_same(
    names: str, compressed: bool, plain: DataSet, tmp_path: Path
) -> None:
    other = write_shards(tmp_path, [300, 0, 500, 1, 230], names, compressed=compressed)
    assert other.shards[0].compression == ("gzip" if compressed else "none")
    streams = [RecordStream(d, VOCAB, seed=1, window_records=100) for d in (plain, other)]
    found = [list(training_batches(stream, range(120, 140), 8)) for stream in streams]
    for one, two in zip(*found, strict=True):
        assert one.keys() == two.keys() == set(OBJECTIVES["nsp"].stored_names("v1"))
        for name in one:
            np.testing.assert_array_equal(np.array(one[name]), np.array(two[name]))


def test_features_are_those_of_the_records(plain: DataSet) -> None:
    stream = RecordStream(plain, VOCAB, seed=1, is_shuffled=False)
    batch = next(training_batches(stream, range(1), 4))
    assert np.array(batch["input_ids"])[3].tolist() == [1, 3, 0, 2, 7, 2, 0, 0]
    assert np.array(batch["input_mask"])[3].tolist() == [1, 1, 1, 1, 1, 1, 0, 0]
    assert np.array(batch["segment_ids"])[3].tolist() == [0, 0, 0, 0, 1, 1, 0, 0]
    assert np.array(batch["masked_lm_positions"])[3].tolist() == [1, 0]
    assert np.array(batch["masked_lm_ids"])[3].tolist() == [5, 0]
    assert np.array(batch["masked_lm_weights"])[3].tolist() == [1.0, 0.0]
    assert batch["masked_lm_weights"].dtype == "float32"
    assert np.array(batch["next_sentence_labels"]).tolist() == [[0], [1], [0], [1]]


@pytest.mark.parametrize("workers", [1, 2])
def test_evaluation_goes_through_all_once(workers: int, plain: DataSet) -> None:
    stream = RecordStream(plain, VOCAB, seed=1, is_shuffled=False)
    shares = [list(evaluation_batches(stream, 100, i, workers)) for i in range(workers)]
    assert {len(share) for share in shares} == {11}
    found = []
    for batches in zip(*shares, strict=True):
        for batch in batches:
            assert batch["input_ids"].shape == (100 // workers, LENGTH)
            present = np.array(batch["input_mask"])[:, 0] == 1
            found += np.array(numbers(iter([batch]))[0])[present].tolist()
            assert not np.array(batch["masked_lm_weights"])[~present].any()
    assert Counter(found) == Counter(range(1031))


def test_a_damaged_record_is_named(plain: DataSet, tmp_path: Path) -> None:
    path = Path(write_shards(tmp_path, [40]).shards[0].path)
    data = bytearray(path.read_bytes())
    size = len(frame(example(0)))
    data[size * 30 + 50] ^= 1
    path.write_bytes(data)
    stream = RecordStream(find_data_set([str(tmp_path)]), VOCAB, seed=1)
    with pytest.raises(BertprepError, match=rf"-00000: record 30 at byte {size * 30}: its data"):
        list(training_batches(stream, range(4), 8))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"input_ids": [99, 1, 1, 1, 1, 1, 1, 1]},
            "input_ids has the value 99, which must be",
        ),
        ({"masked_lm_ids": [99, 0]}, "below 60: the records were created with another vocabulary"),
        (
            {"masked_lm_positions": [8, 0]},
            "masked_lm_positions has the value 8, which must be",
        ),
        (
            {"next_sentence_labels": [2]},
            "next_sentence_labels has the value 2, which must be",
        ),
        (
            {"input_mask": [1]},
            "its features are not those of the others, for 8 tokens and 2",
        ),
    ],
)
def test_a_record_that_does_not_fit_is_named(
    changes: dict[str, list[int]], message: str, tmp_path: Path
) -> None:
    good = frame(example(1))
    (tmp_path / "a.tfrecord").write_bytes(good * 5 + frame(example(1, **changes)) + good)
    stream = RecordStream(find_data_set([str(tmp_path)]), 60, seed=1)
    with pytest.raises(BertprepError, match=rf"a\.tfrecord: record 5 at byte \d+: .*{message}"):
        list(training_batches(stream, range(1), 4))


def test_a_file_that_became_shorter_is_named(tmp_path: Path) -> None:
    data_set = write_shards(tmp_path, [40])
    stream = RecordStream(data_set, VOCAB, seed=1)
    path = Path(data_set.shards[0].path)
    path.write_bytes(path.read_bytes()[: len(frame(example(0))) * 39])
    with pytest.raises(BertprepError, match=r"1 records are missing at its end"):
        list(training_batches(stream, range(5), 8))


def test_files_without_records_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(BertprepError, match="there are no records"):
        RecordStream(write_shards(tmp_path, [0, 0]), VOCAB, seed=1)
