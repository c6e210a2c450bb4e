"""Findings: good data has no anomalies, broken data has; the text and the JSON."""

import json
import math
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hand_built import encoded, frames, made_records, write_data_set
from tfrecords import read_features

from bertprep.create.pipeline import create
from bertprep.inspection.statistics import measure, show_statistics
from bertprep.inspection.statistics.findings import (
    Finding,
    Statistics,
    count_p,
    difference_p,
    share_p,
    sum_p,
)
from bertprep.options import CreateOptions, InspectOptions, InstanceOptions
from bertprep.records import find_data_set, read_schema
from bertprep.terminal import in_bytes
from bertprep.vocab import Vocabulary

Record = dict[str, np.ndarray]


def measured(path: Path) -> Statistics:
    data_set = find_data_set([str(path)])
    return measure(data_set, read_schema(data_set), workers=1, quiet=True)


def found(statistics: Statistics, key: str) -> Finding:
    (finding,) = [f for rows in statistics.sections.values() for f in rows if f.key == key]
    return finding


def anomalies(statistics: Statistics) -> set[str]:
    return {f.key for rows in statistics.sections.values() for f in rows if f.is_anomaly}


def plain(text: str, **_: Any) -> str:
    return text


# Probabilities.


@pytest.mark.parametrize("of", [1, 7, 40, 300])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5, 0.8, 1.0])
def test_bounds_hold(of: int, share: float) -> None:
    exact = [math.comb(of, k) * share**k * (1 - share) ** (of - k) for k in range(of + 1)]
    variance = of * share * (1 - share)
    for bounds in (
        [share_p(count, of, share, share) for count in range(of + 1)],
        [sum_p(count, of * share, variance) for count in range(of + 1)],
        [count_p(count, of * share) for count in range(of + 1)],
    ):
        for bound in bounds:
            rarer = (p for p, other in zip(exact, bounds, strict=True) if other <= bound)
            assert sum(rarer) <= bound * (1 + 1e-9)


def test_bounds_are_near_the_exact_probability() -> None:
    # 10,000 of 20,000 at 0.52: 5.7 standard deviations.
    exact = math.erfc(400 / math.sqrt(20_000 * 0.52 * 0.48) / math.sqrt(2))
    assert exact < 2e-8
    for bound in (share_p(10_000, 20_000, 0.52, 0.52), sum_p(10_000, 10_400, 20_000 * 0.52 * 0.48)):
        assert exact < bound < 30 * exact


def test_copies_are_one_observation() -> None:
    assert share_p(800, 1000, 0.7, 0.7, copies=10) == pytest.approx(
        share_p(80, 100, 0.7, 0.7), rel=1
    )
    assert share_p(5, 10, 0.4, 0.6) == 1.0
    assert share_p(0, 0, 0.4, 0.6) == 1.0
    assert difference_p(0.3, 0.3, 0.0) == 1.0
    assert difference_p(0.3, 0.4, 0.0) == 0.0


# Good data has no anomalies.


LETTERS = "abcdefghijklmnopqrstuvwxyz.,"
TINY = "\n".join(
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
)
SMALLEST = "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "of"])


@pytest.mark.parametrize(
    ("file", "vocabulary", "options", "ours"),
    [
        ("english-a.txt", None, {}, True),
        ("english-a.txt", None, {"whole_word_mask": False}, True),
        ("english-b.txt", None, {"quirks": "fix", "masked_lm_prob": 0.3137}, False),
        ("english-b.txt", None, {"max_predictions_per_seq": 1}, True),
        ("english-a.txt", None, {"max_seq_length": 512, "dupe_factor": 30}, True),
        ("english-b.txt", None, {"short_seq_prob": 1.0}, False),
        ("english-a.txt", TINY, {"max_predictions_per_seq": 3}, True),
        ("english-a.txt", TINY, {"whole_word_mask": False, "max_seq_length": 256}, False),
        ("english-b.txt", SMALLEST, {}, True),
        ("english-b.txt", SMALLEST, {"quirks": "fix"}, True),
        ("english-b.txt", SMALLEST, {"quirks": "fix"}, False),
        ("chinese.txt", None, {"dupe_factor": 20}, True),
        ("chinese.txt", None, {"masked_lm_prob": 1.0, "max_seq_length": 64}, False),
    ],
)
def test_good_data_has_no_anomalies(
    file: str,
    vocabulary: str | None,
    options: dict[str, Any],
    ours: bool,
    sample_corpus: Path,
    tmp_path: Path,
) -> None:
    vocab = sample_corpus / "vocab.txt"
    if vocabulary:
        vocab = tmp_path / "vocab.txt"
        vocab.write_text(vocabulary)
    path = tmp_path / "rec"
    instances = InstanceOptions(**options)
    job = CreateOptions(
        (str(sample_corpus / file),), vocab, path, workers=1, quiet=True, instances=instances
    )
    create(job)
    if not ours:
        (path / "manifest.json").unlink()
    assert anomalies(measured(path)) == set()


def test_duplicates_are_the_only_anomaly_of_copied_data(
    sample_vocabulary: Vocabulary, tmp_path: Path
) -> None:
    # Each draw counts once: what is a little off by chance is not twenty times as sure.
    options = InstanceOptions(dupe_factor=1)
    made = made_records(sample_vocabulary, options, num_sentences=40)
    path = write_data_set(tmp_path / "rec", [made * 20], sample_vocabulary, options)
    statistics = measured(path)
    assert statistics.duplicates.copies == pytest.approx(20)
    assert anomalies(statistics) == {"duplicates"}
    assert "another pass teaches nothing" in found(statistics, "duplicates").note


def test_short_records_are_equal_by_chance(sample_vocabulary: Vocabulary, tmp_path: Path) -> None:
    options = InstanceOptions(max_seq_length=6, dupe_factor=50)
    made = made_records(sample_vocabulary, options, num_sentences=12)
    path = write_data_set(tmp_path / "rec", [made], sample_vocabulary, options)
    statistics = measured(path)
    assert statistics.duplicates.duplicates > 0
    assert not found(statistics, "duplicates").is_anomaly
    assert found(statistics, "duplicates").note == "short records can be equal by chance"


# Broken data has exactly the expected anomalies.


@pytest.fixture(scope="module")
def good(sample_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """English and Chinese records."""
    path = tmp_path_factory.mktemp("good") / "rec"
    texts = [str(sample_corpus / name) for name in ("english-a.txt", "chinese.txt")]
    instances = InstanceOptions(dupe_factor=5)
    vocab = sample_corpus / "vocab.txt"
    create(CreateOptions(tuple(texts), vocab, path, workers=1, quiet=True, instances=instances))
    return path


@pytest.fixture(scope="module")
def good_records(good: Path) -> list[Record]:
    """The same, parsed."""
    (shard,) = good.glob("*.tfrecord*")
    return read_features(shard)


def broken(records: list[Record], change: Callable[[Record], None]) -> bytes:
    """The stream of the records with a change in each."""
    changed = [{name: values.copy() for name, values in record.items()} for record in records]
    for record in changed:
        change(record)
    return frames(encoded({name: v.tolist() for name, v in r.items()}) for r in changed)


Break = Callable[[Record, Vocabulary, random.Random], None]


def every_label_is_1(record: Record, vocabulary: Vocabulary, rng: random.Random) -> None:
    record["next_sentence_labels"][0] = 1


def every_label_is_0(record: Record, vocabulary: Vocabulary, rng: random.Random) -> None:
    record["next_sentence_labels"][0] = 0


def labels_are_exchanged(record: Record, vocabulary: Vocabulary, rng: random.Random) -> None:
    record["next_sentence_labels"][0] = 1 - record["next_sentence_labels"][0]


def masks_of(record: Record) -> Iterator[tuple[int, int]]:
    positions, labels = record["masked_lm_positions"], record["masked_lm_ids"]
    num = int(record["masked_lm_weights"].sum())
    yield from zip(positions.tolist()[:num], labels.tolist()[:num], strict=True)


def all_are_mask(record: Record, vocabulary: Vocabulary, rng: random.Random) -> None:
    for position, _ in masks_of(record):
        record["input_ids"][position] = vocabulary.mask_id


def none_is_mask(record: Record, vocabulary: Vocabulary, rng: random.Random) -> None:
    for position, label in masks_of(record):
        record["input_ids"][position] = label


def none_is_kept(record: Record, vocabulary: Vocabulary, rng: random.Random) -> None:
    for position, label in masks_of(record):
        if record["input_ids"][position] == label:
            record["input_ids"][position] = vocabulary.mask_id


def words_are_replaced_by_specials(
    record: Record, vocabulary: Vocabulary, rng: random.Random
) -> None:
    for position, label in masks_of(record):
        if record["input_ids"][position] not in (label, vocabulary.mask_id):
            record["input_ids"][position] = rng.choice([vocabulary.cls_id, vocabulary.unk_id])


def no_masks(record: Record, vocabulary: Vocabulary, rng: random.Random) -> None:
    none_is_mask(record, vocabulary, rng)
    record["masked_lm_weights"][:] = 0


def half_of_the_masks(record: Record, vocabulary: Vocabulary, rng: random.Random) -> None:
    masks = list(masks_of(record))
    for position, label in masks[: len(masks) // 2]:
        record["input_ids"][position] = label
    kept = masks[len(masks) // 2 :]
    for name in ("masked_lm_positions", "masked_lm_ids", "masked_lm_weights"):
        values = record[name][len(masks) // 2 : len(masks)].copy()
        record[name][:] = 0
        record[name][: len(kept)] = values


def masks_at_the_front(record: Record, vocabulary: Vocabulary, rng: random.Random) -> None:
    none_is_mask(record, vocabulary, rng)
    ids, around = record["input_ids"], (vocabulary.cls_id, vocabulary.sep_id)
    num = int(record["masked_lm_weights"].sum())
    positions = [i for i in range(len(ids)) if ids[i] not in around][:num]
    record["masked_lm_positions"][:num] = positions
    record["masked_lm_ids"][:num] = ids[positions]
    for position in positions:
        if rng.random() < 0.8:
            ids[position] = vocabulary.mask_id
        elif rng.random() < 0.5:
            ids[position] = rng.randrange(len(vocabulary.tokens))


def masks_on_pieces(record: Record, vocabulary: Vocabulary, rng: random.Random) -> None:
    none_is_mask(record, vocabulary, rng)
    ids, around = record["input_ids"], (vocabulary.cls_id, vocabulary.sep_id)
    num, num_tokens = int(record["masked_lm_weights"].sum()), int(record["input_mask"].sum())
    text = [i for i in range(num_tokens) if ids[i] not in around]
    positions = sorted(rng.sample(text, num))
    record["masked_lm_positions"][:num] = positions
    record["masked_lm_ids"][:num] = ids[positions]
    for position in positions:
        if rng.random() < 0.8:
            ids[position] = vocabulary.mask_id
        elif rng.random() < 0.5:
            ids[position] = rng.randrange(len(vocabulary.tokens))


def specials_in_the_text(record: Record, vocabulary: Vocabulary, rng: random.Random) -> None:
    if rng.random() < 0.1:
        masked = {position for position, _ in masks_of(record)}
        num_tokens = int(record["input_mask"].sum())
        free = [i for i in range(1, num_tokens - 1) if i not in masked]
        record["input_ids"][rng.choice(free)] = vocabulary.cls_id


def cls_is_masked(record: Record, vocabulary: Vocabulary, rng: random.Random) -> None:
    ids, (position, label) = record["input_ids"], next(masks_of(record))
    now, ids[position] = ids[position], label
    ids[0] = vocabulary.cls_id if now == label else now
    record["masked_lm_positions"][0] = 0
    record["masked_lm_ids"][0] = vocabulary.cls_id


def one_segment(record: Record, vocabulary: Vocabulary, rng: random.Random) -> None:
    record["segment_ids"][:] = 0


def ids_of_a_larger_vocabulary(record: Record, vocabulary: Vocabulary, rng: random.Random) -> None:
    masked = {position for position, _ in masks_of(record)}
    for position in {1, 2, 3, 4} - masked:
        record["input_ids"][position] = 30_000


@pytest.mark.parametrize(
    ("break_record", "keys", "note"),
    [
        (
            every_label_is_1,
            {"random_next"},
            "every label is 1: the model learns to answer 'random'",
        ),
        (every_label_is_0, {"random_next"}, "every label is 0: the model learns to answer 'next'"),
        (labels_are_exchanged, {"random_next"}, "fewer than half are random"),
        (all_are_mask, {"mask_tokens", "kept", "replaced"}, "too many masks show [MASK]"),
        (none_is_mask, {"mask_tokens", "kept", "replaced"}, "no mask shows [MASK]"),
        (none_is_kept, {"mask_tokens", "kept"}, "no mask keeps its token"),
        (
            words_are_replaced_by_specials,
            {"special_replacements"},
            "special and unused tokens replace",
        ),
        (no_masks, {"at_budget"}, "no record has a mask"),
        (half_of_the_masks, {"at_budget", "positions", "whole_words"}, "do not follow"),
        (masks_at_the_front, {"positions", "whole_words"}, "words are masked in part"),
        (masks_on_pieces, {"whole_words"}, "words are masked in part"),
        (specials_in_the_text, {"misplaced"}, "the text holds special tokens"),
        (cls_is_masked, {"stray_masks", "positions", "whole_words"}, "the model predicts [CLS]"),
        (one_segment, {"empty_segments", "misplaced"}, "A or B has no text"),
        (ids_of_a_larger_vocabulary, {"outside_vocabulary"}, "--vocab is not the vocabulary"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_broken_data_has_anomalies(
    break_record: Break,
    keys: set[str],
    note: str,
    good: Path,
    good_records: list[Record],
    sample_vocabulary: Vocabulary,
    tmp_path: Path,
) -> None:
    path, rng = tmp_path / "rec", random.Random(1)
    shutil.copytree(good, path)
    (shard,) = path.glob("*.tfrecord*")
    stream = broken(good_records, lambda record: break_record(record, sample_vocabulary, rng))
    shard.write_bytes(stream)
    statistics = measured(path)
    assert anomalies(statistics) == keys
    assert any(note in found(statistics, key).note for key in keys)
    (path / "manifest.json").unlink()  # what was asked for is not known any more
    bare = keys - {"whole_words", "at_budget"}
    assert anomalies(measured(path)) == (
        bare | {"without_masks"} if break_record is no_masks else bare
    )


# Text and JSON.


def test_what_never_happens_is_an_anomaly_once(
    good_records: list[Record], sample_vocabulary: Vocabulary, tmp_path: Path
) -> None:
    once = iter([len(sample_vocabulary.tokens) + 7])

    def change(record: Record) -> None:
        record["input_ids"][5] = next(once, record["input_ids"][5])

    path = tmp_path / "a.tfrecord"
    path.write_bytes(broken(good_records, change))
    (tmp_path / "vocab.txt").write_bytes(sample_vocabulary.data)
    statistics = measured(path)
    assert statistics.counts.outside_vocabulary == 1
    assert found(statistics, "outside_vocabulary").is_anomaly


def text_of(path: Path, style: Callable[..., str] = plain) -> list[str]:
    return list(show_statistics(InspectOptions((str(path),), quiet=True, workers=1), style))


def test_the_text_of_good_data(good: Path) -> None:
    lines = text_of(good)
    counts = measured(good).counts
    assert lines[0] == (f"{good}: {counts.records:,} records in 1 shard, {in_bytes(counts.bytes)}")
    assert " ".join(lines[1 : lines.index("")]) == (
        "128 tokens and 20 masks per record at most, 3,667 pieces, whole-word masking, quirks keep"
    )
    assert lines[-1] == "no anomalies found"
    assert all(len(line) <= 80 and line == line.rstrip() for line in lines[1:])
    (row,) = [line for line in lines if line.startswith("  [MASK] ")]
    assert row.split() == ["[MASK]", found(measured(good), "mask_tokens").shown, "80.00%"]
    (common,) = [line for line in lines if line.startswith("  most frequent pieces")]
    assert ", " in common
    assert any("[UNK]" in line for line in lines if line.startswith("  most frequent around"))
    expected = [line.index("expected") for line in lines if line.endswith("  expected")]
    assert set(expected) == {row.index("80.00%")}


def test_the_text_of_broken_data(
    good_records: list[Record], sample_vocabulary: Vocabulary, tmp_path: Path
) -> None:
    def change(record: Record) -> None:
        record["next_sentence_labels"][0] = 1

    (tmp_path / "x.tfrecord").write_bytes(broken(good_records, change))
    (tmp_path / "vocab.txt").write_bytes(sample_vocabulary.data)
    painted = []

    def style(text: str, **look: Any) -> str:
        painted.append((text, look))
        return text

    lines = text_of(tmp_path, style)
    assert "no manifest" in " ".join(lines[1:3])
    (row,) = [i for i, line in enumerate(lines) if line.startswith("! random next sentence ")]
    assert lines[row].split() == ["!", "random", "next", "sentence", "100%", "50%", "to", "98%"]
    assert lines[row + 1].startswith("    every label is 1: the model learns")
    assert lines[-1] == "1 anomaly found: random next sentence (next sentence)"
    red = [text for text, look in painted if look.get("fg") == "red"]
    assert red[0] == lines[row]


def test_json_has_stable_keys(good: Path) -> None:
    (line,) = show_statistics(InspectOptions((str(good),), quiet=True, workers=1, json=True), plain)
    values = json.loads(line, parse_constant=pytest.fail)
    assert list(values) == [
        *("name", "records", "unreadable", "shards", "bytes", "max_seq_length", "max_predictions"),
        *("sections", "histograms", "pieces", "never_used"),
        *("unknown_contexts", "unknown_contexts_left_out", "duplicates"),
    ]
    assert {title: [row["key"] for row in rows] for title, rows in values["sections"].items()} == {
        "records": ["records", "unreadable", "tokens", "length", "full", "padding"],
        "masks": [
            *("masks", "masked", "at_budget", "mask_tokens", "kept", "replaced"),
            *("special_replacements", "stray_masks", "whole_words", "positions"),
        ],
        "next sentence": ["random_next"],
        "segments": ["length_a", "length_b", "length_b_next", "length_b_random", "empty_segments"],
        "text": ["unknown", "used_pieces", "never_used", "misplaced", "outside_vocabulary"],
        "duplicates": ["duplicates", "largest_group"],
    }
    for rows in values["sections"].values():
        for row in rows:
            assert list(row) == [
                *("key", "name", "value", "shown", "expected", "p", "is_anomaly", "note")
            ]
    statistics = measured(good)
    counts, records = statistics.counts, values["records"]
    histograms = values["histograms"]
    for name in ("lengths", "lengths_a", "lengths_b", "masks_per_record"):
        assert sum(histograms[name]) == records == counts.records
    assert sum(histograms["mask_positions"]) == counts.masks
    assert sum(histograms["expected_positions"]) == pytest.approx(counts.masks, rel=1e-3)
    assert values["never_used"] == found(statistics, "never_used").value
    assert len(values["pieces"]) == 50
    vocabulary = find_data_set([str(good)]).require_vocabulary()
    occurrences = [entry["count"] for entry in values["pieces"]]
    assert occurrences == sorted(counts.pieces.tolist(), reverse=True)[:50]
    assert all(vocabulary.ids[entry["piece"]] == entry["id"] for entry in values["pieces"])
    contexts = values["unknown_contexts"]
    assert contexts[0]["count"] == max(counts.unknown_contexts.values())
    assert set(contexts[0]) == {"before", "after", "count"}


def test_pieces_never_used(tmp_path: Path) -> None:
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]", "here", "there", "##where"]
    vocabulary = Vocabulary.parse("\n".join(tokens).encode())
    record = {
        "input_ids": [2, 6, 3, 1, 3, 0],
        "input_mask": [1, 1, 1, 1, 1, 0],
        "segment_ids": [0, 0, 0, 1, 1, 0],
        "masked_lm_positions": [1],
        "masked_lm_ids": [7],
        "masked_lm_weights": [1.0],
        "next_sentence_labels": [0],
    }
    options = InstanceOptions(max_seq_length=6, max_predictions_per_seq=1, dupe_factor=1)
    path = write_data_set(tmp_path / "rec", [[encoded(record)]], vocabulary, options)
    statistics = measured(path)
    assert found(statistics, "never_used").value == 2  # `here` was put in the place of `there`
    assert found(statistics, "used_pieces").shown == "33.33%"
    assert found(statistics, "unknown").shown == "50.00%"
    assert (
        found(statistics, "unknown").note
        == "check that the vocabulary matches the language and its case"
    )
    assert statistics.counts.unknown_contexts == {(3, 3): 1}
    assert statistics.counts.replaced == 1


def test_labels_are_compared_with_the_manifest(good: Path, tmp_path: Path) -> None:
    path = tmp_path / "rec"
    shutil.copytree(good, path)
    finding = found(measured(path), "random_next")
    assert finding.note == "above one half: a chunk of one sentence has no next sentence"
    manifest = json.loads((path / "manifest.json").read_bytes())
    manifest["counts"]["random_next"] = round(0.9 * manifest["counts"]["instances"])
    (path / "manifest.json").write_text(json.dumps(manifest))
    finding = found(measured(path), "random_next")
    assert finding.is_anomaly
    assert finding.note.startswith("the manifest counts ")
