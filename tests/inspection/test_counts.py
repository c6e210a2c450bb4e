"""Counts against their slow twin; duplicates, exact and from a sample."""

import dataclasses
import math
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hand_built import encoded, frames, made_records, write_data_set
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_counts import Twin, hash_row
from tfrecords import features

from bertprep.errors import BertprepError, UsageError
from bertprep.inspection import scan as scan_module
from bertprep.inspection.statistics import counts as counts_module
from bertprep.inspection.statistics import measure, show_statistics
from bertprep.inspection.statistics.counts import Counts
from bertprep.inspection.statistics.duplicates import HashSample, count_duplicates, share_common
from bertprep.inspection.statistics.findings import Finding, Statistics
from bertprep.kernels.hashes import hash_row as fast_hash_row
from bertprep.objectives import OBJECTIVES
from bertprep.options import InspectOptions, InstanceOptions, RecordOptions
from bertprep.records import DataSet, RecordSchema, find_data_set, read_schema
from bertprep.vocab import Vocabulary

Record = dict[str, np.ndarray]


def plain(text: str, **_: Any) -> str:
    return text


def found(statistics: Statistics, key: str) -> Finding:
    (finding,) = [f for rows in statistics.sections.values() for f in rows if f.key == key]
    return finding


def measured(path: Path, **options: Any) -> Statistics:
    data_set = find_data_set([str(path)])
    return measure(data_set, read_schema(data_set), **({"workers": 1, "quiet": True} | options))


def twin_of(records: Sequence[bytes], data_set: DataSet, schema: RecordSchema) -> Twin:
    plan = data_set.plan
    twin = Twin(schema, data_set.require_vocabulary(), plan and plan["instances"])
    for data in records:
        stored = features(data)
        twin.add({name: stored[known_as] for name, known_as in schema.stored_names.items()})
    return twin


def assert_as_twin(path: Path, records: Sequence[bytes], **options: Any) -> None:
    data_set = find_data_set([str(path)])
    schema = read_schema(data_set)
    counts = measure(data_set, schema, **({"workers": 1, "quiet": True} | options)).counts
    twin = twin_of(records, data_set, schema)
    expected = twin.counts
    ours = {"bytes", "hash_sum", "unknown_contexts", "unknown_contexts_left_out", "unreadable"}
    for field in dataclasses.fields(Counts):
        value, wanted = getattr(counts, field.name), getattr(expected, field.name)
        if field.name.endswith("_positions") and field.name != "mask_positions":
            np.testing.assert_allclose(value, wanted, atol=1e-9, err_msg=field.name)
        elif field.name not in ours:
            np.testing.assert_array_equal(value, wanted, err_msg=field.name)
    assert counts.hash_sum == sum(twin.hashes) % 2**64
    assert counts.bytes == sum(16 + len(data) for data in records)
    assert counts.unreadable == 0
    assert counts.unknown_contexts == dict(twin.contexts.most_common(1000))
    assert counts.unknown_contexts_left_out == expected.unknown_contexts_left_out


def shown(statistics: Statistics) -> list[tuple[str, str, str, bool, str]]:
    """The findings without p values, whose last digits hang on the order of additions."""
    findings = [finding for rows in statistics.sections.values() for finding in rows]
    return [(f.key, f.shown, f.expected, f.is_anomaly, f.note) for f in findings]


# The kernel and its twin.


@pytest.mark.parametrize(
    ("instances", "records"),
    [
        ({}, {}),
        ({"whole_word_mask": False, "max_seq_length": 64}, {"feature_names": "v2"}),
        ({"quirks": "fix", "masked_lm_prob": 0.31}, {"compression": "gzip"}),
        ({"max_predictions_per_seq": 1, "max_seq_length": 16}, {}),
        ({"max_seq_length": 512, "max_predictions_per_seq": 77}, {}),
        ({"max_seq_length": 5, "masked_lm_prob": 1.0}, {"feature_names": "v2"}),
    ],
    ids=["default", "pieces v2", "fix gzip", "one mask", "512", "shortest"],
)
def test_counts_equal_the_twin(
    instances: dict[str, Any],
    records: dict[str, Any],
    sample_vocabulary: Vocabulary,
    tmp_path: Path,
) -> None:
    options = InstanceOptions(dupe_factor=2, **instances)
    stored = RecordOptions(**records)
    made = made_records(sample_vocabulary, options, stored, num_sentences=40)
    half = len(made) // 2
    path = write_data_set(
        tmp_path / "rec", [made[:half], made[half:]], sample_vocabulary, options, stored
    )
    assert_as_twin(path, made)
    for name in ("plan.json", "manifest.json"):  # what was asked for is not known any more
        (path / name).unlink()
    assert_as_twin(path, made)


def test_counts_of_ranges_add_up(
    sample_vocabulary: Vocabulary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = InstanceOptions(max_seq_length=32, dupe_factor=2)
    made = made_records(sample_vocabulary, options)
    path = write_data_set(tmp_path / "rec", [made], sample_vocabulary, options)
    whole = measured(path)
    monkeypatch.setattr(scan_module, "RANGE_BYTES", 3000)
    for workers in (1, 3):
        assert_as_twin(path, made, workers=workers)
        parts = measured(path, workers=workers)
        assert parts.duplicates == whole.duplicates
        assert shown(parts) == shown(whole)


def odd(record: Record, rng: random.Random, num_pieces: int) -> Record:
    """The record with some values that none should have."""
    record = {name: values.copy() for name, values in record.items()}
    for _ in range(rng.choice((1, 1, 3, 30))):
        name = rng.choice([feature.name for feature in OBJECTIVES["nsp"].features])
        at = rng.randrange(len(record[name]))
        limit = {"segment_ids": 3, "input_mask": 2, "next_sentence_labels": 3}.get(name)
        value = rng.randrange(limit or rng.choice((5, 40, num_pieces, num_pieces + 9, 2**31)))
        if name == "masked_lm_weights":
            record[name][at] = rng.choice((0.0, -0.0, 1.0, 0.5, -1.0, math.inf, 1e-45))
        else:
            record[name][at] = value
    if rng.random() < 0.1:
        record[rng.choice(("input_mask", "segment_ids", "input_ids"))][:] = rng.randrange(2)
    return record


@pytest.mark.parametrize("seed", range(4))
def test_counts_of_odd_records_equal_the_twin(
    seed: int, sample_vocabulary: Vocabulary, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    options = InstanceOptions(max_seq_length=24, dupe_factor=1, whole_word_mask=seed < 2)
    good = [features(data) for data in made_records(sample_vocabulary, options)]
    records = [odd(record, rng, len(sample_vocabulary.tokens)) for record in good * 3]
    made = [
        encoded({name: values.tolist() for name, values in sorted_by(rng, record)})
        for record in records
    ]
    path = write_data_set(tmp_path / "rec", [made], sample_vocabulary, options)
    assert_as_twin(path, made)
    (path / "manifest.json").unlink()
    assert_as_twin(path, made)


def sorted_by(rng: random.Random, record: Record) -> list[tuple[str, np.ndarray]]:
    return rng.sample(list(record.items()), len(record))


@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=40), st.data())
@settings(max_examples=50, deadline=None)
def test_hash_of_a_row(numbers: list[int], data: st.DataObject) -> None:
    def fast(row: list[int]) -> int:
        return int(fast_hash_row(np.array(row, np.int32)))

    assert fast(numbers) == hash_row(numbers)
    if numbers:
        at = data.draw(st.integers(0, len(numbers) - 1))
        other = data.draw(st.integers(-(2**31), 2**31 - 1))
        assert (fast([*numbers[:at], other, *numbers[at + 1 :]]) == fast(numbers)) == (
            other == numbers[at]
        )


def test_common_contexts_are_kept_and_others_counted(
    sample_vocabulary: Vocabulary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # More contexts than there is room for at any stage; one stands in every record.
    rng = np.random.default_rng(3)
    unknown, special = (
        sample_vocabulary.unk_id,
        (sample_vocabulary.cls_id, sample_vocabulary.sep_id),
    )
    length = 200
    numbers = np.full((400, length), unknown)
    numbers[:, 1::2] = rng.integers(200, 3600, (400, length // 2))
    numbers[:, 1], numbers[:, 3] = 1000, 1001
    numbers[:, 0], numbers[:, -1] = special
    records = [
        {
            "input_ids": row.tolist(),
            "input_mask": [1] * length,
            "segment_ids": [0] * length,
            "masked_lm_positions": [0],
            "masked_lm_ids": [0],
            "masked_lm_weights": [0.0],
            "next_sentence_labels": [0],
        }
        for row in numbers
    ]
    (tmp_path / "x.tfrecord").write_bytes(frames(map(encoded, records)))
    (tmp_path / "vocab.txt").write_bytes(sample_vocabulary.data)
    monkeypatch.setattr(scan_module, "RANGE_BYTES", 50_000)
    monkeypatch.setattr(counts_module, "_MOST_CONTEXTS", 5000)
    monkeypatch.setattr(counts_module, "_KEPT_CONTEXTS", 300)
    counts = measured(tmp_path).counts
    contexts = counts.unknown_contexts
    assert len(contexts) == 300
    assert max(contexts, key=lambda context: contexts[context]) == (1000, 1001)
    assert contexts[1000, 1001] == 400
    assert counts.unknown == 400 * (length // 2 - 1)
    assert sum(contexts.values()) + counts.unknown_contexts_left_out == counts.unknown


def test_records_that_cannot_be_read_are_counted(
    sample_vocabulary: Vocabulary, tmp_path: Path
) -> None:
    options = InstanceOptions(max_seq_length=32, dupe_factor=1)
    made = made_records(sample_vocabulary, options)
    path = write_data_set(tmp_path / "rec", [made], sample_vocabulary, options)
    shard = next(path.glob("*.tfrecord*"))
    data = bytearray(shard.read_bytes())
    data[12 + len(made[0]) // 2] ^= 1  # its data do not match its CRC
    shard.write_bytes(data + frames([encoded({"x": [1]})]) + b"\x07" * 9)
    counts = measured(path).counts
    assert (counts.records, counts.unreadable) == (len(made) - 1, 3)
    expected = twin_of(made[1:], find_data_set([str(path)]), RecordSchema(32, 5)).counts
    assert counts.tokens == expected.tokens
    (unreadable,) = [f for f in measured(path).sections["records"] if f.key == "unreadable"]
    assert unreadable.is_anomaly


def test_nothing_to_measure_is_an_error(sample_vocabulary: Vocabulary, tmp_path: Path) -> None:
    path = write_data_set(tmp_path / "rec", [[], []], sample_vocabulary)
    with pytest.raises(BertprepError, match="there are no records, only empty files"):
        measured(path)
    shard = next(path.glob("*.tfrecord*"))
    shard.write_bytes(frames([encoded({"x": [1]})] * 2))
    with pytest.raises(BertprepError, match="none of 2 records can be read: --verify says why"):
        measured(path)
    (path / "vocab.txt").unlink()
    with pytest.raises(UsageError, match="--vocab"):
        list(show_statistics(InspectOptions((str(path),), quiet=True), plain))


# Duplicates.


@given(st.lists(st.integers(1, 40), max_size=300), st.integers(5, 60))
@settings(max_examples=60, deadline=None)
def test_a_sample_has_all_copies_of_its_records(numbers: list[int], most: int) -> None:
    hashes = np.array([hash_row([number]) for number in numbers], np.uint64)
    sample = HashSample(most)
    for part in np.array_split(hashes, 7):
        sample.add(part)
    kept = sample.kept.tolist()
    assert len(kept) <= most
    below = [h for h in hashes.tolist() if h < 2**64 * sample.share]
    assert sorted(kept) == sorted(below)
    assert sample.share == 1.0 or len(numbers) > most
    duplicates = count_duplicates(sample)
    groups = [below.count(h) for h in set(below)]
    assert duplicates.compared == len(below)
    assert duplicates.duplicates == round((len(below) - len(groups)) / sample.share)
    assert duplicates.largest_group == max(groups, default=0)
    assert duplicates.copies == pytest.approx(
        sum(size * size for size in groups) / len(below) if below else 1.0
    )


def test_an_estimate_is_near_the_truth() -> None:
    rng = np.random.default_rng(1)
    hashes = rng.integers(1, 2**63, 20_000, np.uint64) * np.uint64(2)
    hashes = np.concatenate([hashes, hashes[:10_000]])  # a third is there already
    sample = HashSample(3_000)
    sample.add(hashes)
    found = count_duplicates(sample)
    assert 1 / 32 <= found.share <= 1 / 8
    assert found.duplicates == pytest.approx(10_000, rel=0.15)
    other = HashSample(1 << 16)
    other.add(hashes[:20_000])
    share, left, right, common = share_common(sample, other)
    assert share == found.share
    assert (left, common) == (found.compared, right)
    assert (left - common) / share == found.duplicates


def test_an_estimate_is_labelled(
    sample_vocabulary: Vocabulary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = InstanceOptions(max_seq_length=32, dupe_factor=5)
    made = made_records(sample_vocabulary, options)
    path = write_data_set(tmp_path / "rec", [made * 2], sample_vocabulary, options)
    exact = found(measured(path), "duplicates")
    assert "estimated" not in exact.note
    assert exact.value == pytest.approx(0.5, abs=0.02)
    monkeypatch.setattr(counts_module.RecordCounter.__init__, "__defaults__", (len(made),))
    estimate = found(measured(path), "duplicates")
    assert re.search(r"estimated from \d+ records, 1 in [24] by hash", estimate.note)
    assert estimate.value == pytest.approx(0.5, abs=0.2)
