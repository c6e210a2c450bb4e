"""Comparison of two data sets: equal ones in any form, the first differences, and statistics."""

import json
import random
import shutil
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hand_built import V2_NAMES, encoded, frames, made_records, write_data_set
from tfrecords import features

from bertprep.create.pipeline import create
from bertprep.errors import BertprepError, UsageError
from bertprep.inspection import compare as compare_module
from bertprep.inspection import scan as scan_module
from bertprep.inspection.compare import Comparison, compare, show_comparison
from bertprep.inspection.compare import alignment as alignment_module
from bertprep.options import CreateOptions, InspectOptions, InstanceOptions, RecordOptions
from bertprep.vocab import Vocabulary

OPTIONS = InstanceOptions(max_seq_length=32, dupe_factor=2)


@pytest.fixture(scope="module")
def made(sample_vocabulary: Vocabulary) -> list[bytes]:
    return made_records(sample_vocabulary, OPTIONS)


@pytest.fixture
def a(made: list[bytes], sample_vocabulary: Vocabulary, tmp_path: Path) -> Path:
    """The data set in two shards."""
    shards = [made[:50], made[50:]]
    return write_data_set(tmp_path / "a", shards, sample_vocabulary, OPTIONS)


def write(path: Path, records: Sequence[bytes], vocabulary: Vocabulary) -> Path:
    """The records in one shard with a vocabulary beside it."""
    path.mkdir()
    (path / "x.tfrecord").write_bytes(frames(records))
    (path / "vocab.txt").write_bytes(vocabulary.data)
    return path


def plain(text: str, **_: Any) -> str:
    return text


def compared(a: Path, b: Path, **options: Any) -> Comparison:
    values = {"workers": 2, "quiet": True} | options
    return compare(InspectOptions((str(a),), compare=str(b), **values))


def lines_of(comparison: Comparison) -> list[str]:
    return list(show_comparison(comparison, plain))


def as_json(a: Path, b: Path, **options: Any) -> dict[str, Any]:
    comparison = compared(a, b, **options)
    (line,) = show_comparison(comparison, plain, as_json=True)
    values: dict[str, Any] = json.loads(line, parse_constant=pytest.fail)
    assert values["is_equal"] == comparison.is_equal
    return values


def as_lists(data: bytes) -> dict[str, list[Any]]:
    return {name: values.tolist() for name, values in features(data).items()}


def changed(data: bytes, name: str, index: int, value: Any) -> bytes:
    """A record with another value."""
    record = as_lists(data)
    record[name][index] = value
    return encoded(record)


def verdict(comparison: Comparison) -> str:
    lines = lines_of(comparison)
    start = lines.index("") + 1
    end = lines.index("", start) if "" in lines[start:] else len(lines)
    return " ".join(lines[start:end])


# Equal.


def test_a_data_set_is_equal_to_itself(a: Path, made: list[bytes]) -> None:
    comparison = compared(a, a)
    assert comparison.is_equal
    assert lines_of(comparison) == [
        f"A  {a}: {len(made)} records in 2 shards",
        f"B  {a}: {len(made)} records in 2 shards",
        "",
        f"equal: the same {len(made)} records in the same order",
    ]


@pytest.mark.parametrize("range_bytes", [2000, 1 << 25])
def test_form_and_sharding_do_not_count(
    a: Path,
    made: list[bytes],
    range_bytes: int,
    sample_vocabulary: Vocabulary,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # v2 names, features and numbers in another form, gzip, and other shards, one of them empty.
    monkeypatch.setattr(scan_module, "RANGE_BYTES", range_bytes)
    rng, records = random.Random(4), []
    for data in made:
        record = {V2_NAMES.get(name, name): values for name, values in as_lists(data).items()}
        records.append(encoded(dict(rng.sample(list(record.items()), 7)), packed=False))
    stored = RecordOptions(compression="gzip", feature_names="v2")
    shards = [records[:7], [], records[7:80], records[80:]]
    b = write_data_set(tmp_path / "b", shards, sample_vocabulary, OPTIONS, stored)
    assert compared(a, b).is_equal
    assert compared(b, a).is_equal


def test_the_vocabulary_of_one_is_used_for_both(a: Path, made: list[bytes], tmp_path: Path) -> None:
    (tmp_path / "b.tfrecord").write_bytes(frames(made))
    assert compared(a, tmp_path / "b.tfrecord").is_equal
    assert compared(tmp_path / "b.tfrecord", a).is_equal
    alone = shutil.copy(tmp_path / "b.tfrecord", tmp_path / "c.tfrecord")
    with pytest.raises(UsageError, match="--vocab"):
        compared(tmp_path / "b.tfrecord", Path(alone))
    assert compared(tmp_path / "b.tfrecord", Path(alone), vocab=a / "vocab.txt").is_equal


# Not equal.


def test_records_in_another_order(
    a: Path, made: list[bytes], sample_vocabulary: Vocabulary, tmp_path: Path
) -> None:
    b = write(tmp_path / "b", made[::-1], sample_vocabulary)
    comparison = compared(a, b)
    assert not comparison.is_equal
    assert verdict(comparison) == f"not equal: the same {len(made)} records in another order"
    assert lines_of(comparison)[-1] == verdict(comparison)
    values = as_json(a, b)
    assert values["is_reordered"]
    assert values["differences"] == []
    assert values["only"] == [0, 0]


def test_first_differences(
    a: Path, made: list[bytes], sample_vocabulary: Vocabulary, tmp_path: Path
) -> None:
    ids = sample_vocabulary.ids
    records = list(made)
    records[3] = changed(made[3], "masked_lm_ids", 0, ids["the"])
    records[60] = changed(made[60], "next_sentence_labels", 0, 2)
    records[61] = changed(made[61], "masked_lm_weights", 0, 0.5)
    records[62] = changed(made[62], "input_ids", 1, ids["of"])
    b = write(tmp_path / "b", records, sample_vocabulary)
    num = len(made)
    assert verdict(compared(a, b)) == (
        f"not equal: {num - 4} records are equal in the same place; 4 only in A and 4 only in B"
    )
    values = as_json(a, b, num=4)
    assert values["equal"] == num - 4
    assert values["only"] == [4, 4]
    assert (values["share"], values["not_compared"]) == (1.0, None)
    first, shard, second, third = values["differences"]
    was = sample_vocabulary.tokens[as_lists(made[3])["masked_lm_ids"][0]]
    assert first["changes"] == [{"name": "masked_lm_ids", "index": 0, "left": was, "right": "the"}]
    byte = sum(16 + len(data) for data in made[:3])
    name = "tf_examples.tfrecord-0000{}-of-00002"
    assert first["a"] == {"file": str(a / name.format(0)), "record": 3, "byte": byte}
    assert first["b"] == {"file": str(b / "x.tfrecord"), "record": 3, "byte": byte}
    assert shard["a"]["file"] == str(a / name.format(1))
    assert (shard["a"]["record"], shard["b"]["record"]) == (10, 60)
    label = as_lists(made[60])["next_sentence_labels"][0]
    assert shard["changes"] == [
        {"name": "next_sentence_labels", "index": 0, "left": label, "right": 2}
    ]
    assert [change["name"] for change in second["changes"]] == ["masked_lm_weights"]
    assert third["changes"][0]["right"] == "of"

    lines = lines_of(compared(a, b, num=1))
    place = lines.index(f"A  {a / name.format(0)}: record 3 at byte {byte:,}")
    assert lines[place + 1 : place + 4] == [
        f"B  {b / 'x.tfrecord'}: record 3 at byte {byte:,}",
        f"   masked_lm_ids[0]: {was} -> the",
        "",
    ]
    assert sum(line.startswith("A  ") for line in lines) == 2  # the data set and one difference
    assert all(len(line) <= 80 or ": record " in line for line in lines[2:])


def test_records_missing_from_one_side(
    a: Path, made: list[bytes], sample_vocabulary: Vocabulary, tmp_path: Path
) -> None:
    # All that follow stand elsewhere, and are not taken for others.
    b = write(tmp_path / "b", [*made[:20], *made[22:]], sample_vocabulary)
    num = len(made)
    comparison = compared(a, b)
    assert verdict(comparison) == (
        "not equal: 20 records are equal in the same place; 2 only in A and 0 only in B; "
        "A has 2 more"
    )
    values = as_json(a, b)
    assert values["records"] == [num, num - 2]
    assert [(d["a"]["record"], d["b"], d["changes"]) for d in values["differences"]] == [
        (20, None, []),
        (21, None, []),
    ]
    values = as_json(b, a)
    assert [(d["a"], d["b"]["record"]) for d in values["differences"]] == [(None, 20), (None, 21)]
    lines = lines_of(comparison)
    assert lines.count("   only in A") == 2

    longer = write(tmp_path / "longer", [*made, *made[:3]], sample_vocabulary)
    values = as_json(a, longer)
    assert (values["equal"], values["only"], values["differences"]) == (num, [0, 3], [])


def test_records_that_cannot_be_read_are_not_equal(
    a: Path, made: list[bytes], sample_vocabulary: Vocabulary, tmp_path: Path
) -> None:
    b = write(tmp_path / "b", made, sample_vocabulary)
    shard = b / "x.tfrecord"
    data = bytearray(shard.read_bytes())
    data[12 + len(made[0]) // 2] ^= 1
    shard.write_bytes(data)
    comparison = compared(a, b)
    assert not comparison.is_equal
    assert lines_of(comparison)[1].endswith(f"{len(made) - 1} records in 1 shard, and 1 unreadable")
    assert f"B  {shard}: record 0 at byte 0 cannot be read: --verify says why" in lines_of(
        comparison
    )
    assert as_json(b, b)["equal"] == len(made) - 1
    assert not compared(b, b).is_equal


def test_data_sets_that_cannot_have_equal_records(
    a: Path, sample_vocabulary: Vocabulary, tmp_path: Path
) -> None:
    def other(name: str, vocabulary: Vocabulary, **options: Any) -> Comparison:
        instances = InstanceOptions(dupe_factor=2, **options)
        records = made_records(vocabulary, instances)
        b = write_data_set(tmp_path / name, [records], vocabulary, instances)
        comparison = compared(a, b)
        assert not comparison.is_equal
        assert as_json(a, b)["equal"] is None
        assert any("tokens per record" in line for line in lines_of(comparison))
        return comparison

    start = "not equal, and no records are compared: "
    assert verdict(other("longer", sample_vocabulary, max_seq_length=64)) == (
        f"{start}max_seq_length is 32 in A and 64 in B"
    )
    masks = other("masks", sample_vocabulary, max_seq_length=32, max_predictions_per_seq=9)
    assert verdict(masks) == f"{start}max_predictions_per_seq is 5 in A and 9 in B"
    vocabulary = Vocabulary.parse(sample_vocabulary.data + b"##xyzzy\n")
    assert verdict(other("vocabulary", vocabulary, max_seq_length=32)) == (
        f"{start}A and B have different vocabularies, of 3,667 and 3,668 pieces"
    )


def test_an_empty_side_is_an_error(a: Path, sample_vocabulary: Vocabulary, tmp_path: Path) -> None:
    b = write_data_set(tmp_path / "b", [[]], sample_vocabulary, OPTIONS)
    for left, right in ((a, b), (b, a)):
        with pytest.raises(BertprepError, match="b: there are no records, only empty files"):
            compared(left, right)


# Their statistics.


def test_statistics_that_differ_are_anomalies(
    a: Path, made: list[bytes], sample_vocabulary: Vocabulary, tmp_path: Path
) -> None:
    records = [changed(data, "next_sentence_labels", 0, 0) for data in made]
    b = write(tmp_path / "b", records, sample_vocabulary)
    values = as_json(a, b)
    assert [row["key"] for row in values["statistics"] if row["is_anomaly"]] == ["random_next"]
    (row,) = [row for row in values["statistics"] if row["key"] == "random_next"]
    assert row["section"] == "next sentence"
    assert (row["b"], row["p"] < 1e-6) == (0.0, True)
    lines = lines_of(compared(a, b))
    (line,) = [line for line in lines if line.startswith("! ")]
    assert line.startswith("! random next sentence ")
    assert lines[-1] == "1 anomaly found"


@pytest.mark.parametrize("file", ["english-a.txt", "chinese.txt"])
def test_statistics_of_two_seeds_have_no_anomalies(
    file: str, sample_corpus: Path, tmp_path: Path
) -> None:
    paths = [tmp_path / str(seed) for seed in range(3)]
    for seed, path in enumerate(paths):
        text, vocab = str(sample_corpus / file), sample_corpus / "vocab.txt"
        instances = InstanceOptions(random_seed=seed, dupe_factor=5)
        create(CreateOptions((text,), vocab, path, workers=1, quiet=True, instances=instances))
    for a, b in combinations(paths, 2):
        values = as_json(a, b)
        assert values["equal"] == 0
        assert [row for row in values["statistics"] if row["is_anomaly"]] == []
        assert len([row for row in values["statistics"] if row["p"] is not None]) > 10


# More records than there is room for.


def test_estimates_from_a_sample(
    a: Path,
    made: list[bytes],
    sample_vocabulary: Vocabulary,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    num = len(made)
    monkeypatch.setattr(compare_module, "MOST_HASHES", num // 2)
    assert compared(a, a).is_equal  # exact, whatever the room
    b = write(tmp_path / "b", made[::-1], sample_vocabulary)
    assert as_json(a, b)["is_reordered"]
    records = [*made[: num // 2], *(changed(d, "segment_ids", 31, 3) for d in made[num // 2 :])]
    c = write(tmp_path / "c", records, sample_vocabulary)
    values = as_json(a, c)
    assert values["equal"] == num // 2
    assert values["share"] in (0.5, 0.25)
    assert values["only"] == pytest.approx([num / 2] * 2, rel=0.5)
    assert len(values["differences"]) == 3
    assert "about" in verdict(compared(a, c))
    assert "estimated from 1 in" in verdict(compared(a, c))


def test_only_the_first_differing_places_are_searched(
    a: Path,
    made: list[bytes],
    sample_vocabulary: Vocabulary,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alignment_module, "_MOST_PLACES", 10)
    records = made[::-1]
    records[4] = changed(records[4], "segment_ids", 31, 3)
    records[40] = changed(records[40], "segment_ids", 31, 3)
    b = write(tmp_path / "b", records, sample_vocabulary)
    values = as_json(a, b)
    assert values["only"] == [2, 2]
    assert [d["b"]["record"] for d in values["differences"]] == [4]
