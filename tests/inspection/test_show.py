"""`bertprep inspect` without a mode: what is shown of a record, and which records are shown."""

import gzip
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hand_built import (
    V2_NAMES,
    byte_strings,
    encoded,
    entry,
    field,
    floats,
    frames,
    int64s,
    made_records,
    write_data_set,
    write_with_tensorflow,
)
from hypothesis import given
from hypothesis import strategies as st
from tfrecords import features

from bertprep.errors import BertprepError, UsageError
from bertprep.inspection.masked_record import MaskedSequence, read_record, space_between
from bertprep.inspection.show import Span, show_records, wrap_units
from bertprep.options import InspectOptions, InstanceOptions
from bertprep.terminal import columns, printable
from bertprep.vocab import Vocabulary

#: Pieces with ids of one byte and, from 128 on, of two.
TOKENS = (
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "ferry", "cross", "##ed", "a", "boat"),
    *("##man", ",", "東", "京", "。", "は", "", "##", *(f"[unused{i}]" for i in range(150))),
    *("sound", "##ing", "שלום", "caf", "##e", "☃"),
)
VOCABULARY = Vocabulary.parse("\n".join(TOKENS).encode(), lenient=True)
IDS = VOCABULARY.ids
SHARD = "tf_examples.tfrecord-{:05}-of-{:05}"

Record = dict[str, list[Any]]


def made(
    a: str,
    b: str = "",
    masks: Mapping[int, str] | None = None,
    label: int = 0,
    *,
    length: int = 16,
    predictions: int = 4,
) -> Record:
    """A record of pieces with blanks between them; `masks` has what stands at a position now."""
    segments = [[token for token in part.split(" ") if token] for part in (a, b)]
    pieces = ["[CLS]", *segments[0], "[SEP]", *segments[1], "[SEP]"]
    masks = masks or {}
    ids = [IDS[masks.get(i, piece)] for i, piece in enumerate(pieces)]
    in_b = len(segments[1]) + 1

    def padded(values: Sequence[Any], size: int = length) -> list[Any]:
        return [*values, *[type(values[0])() if values else 0] * (size - len(values))]

    return {
        "input_ids": padded(ids),
        "input_mask": padded([1] * len(ids)),
        "segment_ids": padded([0] * (len(ids) - in_b) + [1] * in_b),
        "masked_lm_positions": padded(list(masks), predictions),
        "masked_lm_ids": padded([IDS[pieces[i]] for i in masks], predictions),
        "masked_lm_weights": padded([1.0] * len(masks) or [0.0], predictions),
        "next_sentence_labels": [label],
    }


FERRY = made("the ferry cross ##ed", "a boat ##man , sound", {2: "[MASK]", 4: "##ed", 7: "東"})
TOKYO = made("東 京 は は 東 。 京", "sound 東 שלום", {1: "京"}, label=1)
LAST = made("the sound ##ing", "the ferry ferry", {3: "[MASK]"})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder; the terminal has 60 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "60")
    (tmp_path / "vocab.txt").write_bytes(VOCABULARY.data)
    return tmp_path


def plain(text: str, **look: Any) -> str:
    return text


def shown(*paths: str, style: Callable[..., str] = plain, **options: Any) -> list[str]:
    return list(show_records(InspectOptions(paths=paths, **options), style))


def read(*paths: str, **options: Any) -> list[dict[str, Any]]:
    lines = shown(*paths, json=True, **options)
    assert not any(len(line.splitlines()) != 1 for line in lines)
    return [json.loads(line) for line in lines]


def places(*paths: str, **options: Any) -> list[tuple[str, int]]:
    """The file and the place in it of each record that is shown."""
    return [(Path(line["file"]).name, line["record"]) for line in read(*paths, **options)]


def write(name: str, *records: Record | bytes) -> str:
    data = [record if isinstance(record, bytes) else encoded(record) for record in records]
    Path(name).write_bytes(frames(data))
    return name


def failure(*paths: str, **options: Any) -> tuple[str, int]:
    """The message and the exit status of a command that fails before it shows anything."""
    with pytest.raises(BertprepError) as caught:
        next(show_records(InspectOptions(paths=paths, **options), plain))
    assert "\n" not in str(caught.value)
    return str(caught.value), caught.value.exit_status


# What a record looks like.


def test_a_record_as_text() -> None:
    write("one", FERRY)
    assert shown("one") == [
        """\
one: record 0 at byte 0
12 of 16 tokens, 3 masks, label 0: B follows A
  A  the {ferry} cross{ed}
  B  a {boat}man , sound

     position  now     was    kind
            2  [MASK]  ferry  mask
            4  ##ed    ##ed   kept
            7  東      boat   replaced"""
    ]


def test_chinese_has_no_spaces() -> None:
    write("one", TOKYO)
    assert shown("one") == [
        """\
one: record 0 at byte 0
13 of 16 tokens, 1 mask, label 1: B is random
  A  {東}京は は東。京
  B  sound 東 שלום

     position  now  was  kind
            1  京   東   replaced"""
    ]


def test_masks_are_side_by_side_if_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    write("one", FERRY)
    monkeypatch.setenv("COLUMNS", "75")
    assert shown("one")[0].splitlines()[-3:] == [
        "     position  now     was    kind        position  now     was    kind",
        "            2  [MASK]  ferry  mask               7  東      boat   replaced",
        "            4  ##ed    ##ed   kept",
    ]


def test_records_have_an_empty_line_between_them() -> None:
    write("two", LAST, FERRY)
    first, second = shown("two")
    assert first.startswith("two: record 0 at byte 0\n9 of 16 tokens, 1 mask")
    assert not first.endswith("\n")
    assert second.startswith(f"\ntwo: record 1 at byte {len(frames([encoded(LAST)]))}\n12 of")


def test_unprintable_pieces_are_escaped() -> None:
    record = made("the ##", "a", {1: "[unused0]", 2: "##ing"})
    record["input_ids"][1] = IDS[""]
    tokens = list(TOKENS)
    tokens[IDS["ferry"]], tokens[IDS["boat"]] = "fer\u2028ry", "\u202ebo\x1bat"
    Path("vocab.txt").write_text("\n".join(tokens) + "\n", newline="")
    record["input_ids"][4] = IDS["boat"]
    write("one", record, FERRY)
    first, second = shown("one")
    assert first.splitlines()[2:4] == ['  A  {the""}', r"  B  \u202ebo\x1bat"]
    assert '            1  ""' in first
    assert r"the {fer\u2028ry} cross{ed}" in second


def test_a_segment_that_begins_inside_a_word() -> None:
    write("one", made("##ed the", "##man , a"))
    assert shown("one")[0].splitlines()[1:] == [
        "8 of 16 tokens, no masks, label 0: B follows A",
        "  A  ##ed the",
        "  B  ##man , a",
    ]


def test_styles_are_passed_to_the_callback() -> None:
    def marked(text: str, **look: Any) -> str:
        return f"<{' '.join(map(str, look.values()))}:{text}>"

    write("one", FERRY)
    lines = shown("one", find="cross", style=marked)[0].splitlines()
    assert lines[0] == "<True:one: record 0 at byte 0>"
    assert lines[2] == (
        "<True:  A  >the <yellow:{><yellow:ferry><yellow:}> "
        "<cyan True:*><cyan True:cross><green:{><green:ed><green:}><cyan True:*>"
    )
    assert lines[7].endswith("  <green:##ed>    ##ed   <green:kept>")


# As JSON, and raw.


def test_a_record_as_json() -> None:
    write("one", FERRY, TOKYO)
    (line,) = shown("one", json=True, num=1)
    assert line == (
        '{"file": "one", "record": 0, "byte": 0, "tokens": ["[CLS]", "the", "[MASK]", "cross", '
        '"##ed", "[SEP]", "a", "東", "##man", ",", "sound", "[SEP]"], "a": "the ferry crossed", '
        '"b": "a boatman , sound", "masks": [{"position": 2, "now": "[MASK]", "was": "ferry", '
        '"kind": "mask"}, {"position": 4, "now": "##ed", "was": "##ed", "kind": "kept"}, '
        '{"position": 7, "now": "東", "was": "boat", "kind": "replaced"}], '
        '"is_random_next": false, "num_tokens": 12, "max_seq_length": 16, "problems": []}'
    )
    assert read("one", skip=1)[0]["is_random_next"] is True


def test_a_line_of_json_is_one_line_for_any_reader() -> None:
    tokens = list(TOKENS)
    tokens[IDS["ferry"]] = "fer\u2028\u2029\x85\x0b\x1cry"
    Path("vocab.txt").write_text("\n".join(tokens) + "\n", newline="")
    write("one", FERRY)
    (record,) = read("one")
    assert record["a"] == "the fer\u2028\u2029\x85\x0b\x1cry crossed"


RAW = field(
    1,
    b"".join(
        entry(name, feature)
        for name, feature in {
            "ids": int64s([7, -1, 300, 1 << 62]),
            "weights": floats([1.0, 0.1, float("nan")]),
            "bytes": byte_strings([b"ok", b"\xff\n"]),
            "none": b"",
        }.items()
    ),
)


def test_raw_features_are_shown_as_stored() -> None:
    Path("vocab.txt").unlink()
    write("one", RAW)
    assert shown("one", raw=True) == [
        """\
one: record 0 at byte 0
  ids  int64[4]
     7 -1 300 4611686018427387904
  weights  float[3]
     1.0 0.1 nan
  bytes  bytes[2]
     b'ok' b'\\xff\\n'
  none  nothing[0]"""
    ]
    assert read("one", raw=True) == [
        {
            "file": "one",
            "record": 0,
            "byte": 0,
            "features": {
                "ids": [7, -1, 300, 1 << 62],
                "weights": [1.0, 0.1, "nan"],
                "bytes": ["ok", "\\xff\n"],
                "none": [],
            },
        }
    ]


def test_raw_lines_are_as_wide_as_the_terminal() -> None:
    write("one", FERRY | {"input_ids": list(range(200, 300))})
    lines = shown("one", raw=True)[0].splitlines()
    assert lines[1] == "  input_ids  int64[100]"
    assert lines[2] == "     " + " ".join(map(str, range(200, 214)))
    assert max(map(len, lines)) <= 60


# Records of other writers.


def shuffled(record: Record, seed: int) -> Record:
    names = list(record)
    random.Random(seed).shuffle(names)
    return {name: record[name] for name in names}


def renamed(record: Record) -> Record:
    return {V2_NAMES.get(name, name): values for name, values in record.items()}


def without_place(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in line.items() if k not in ("file", "byte")} for line in lines]


def test_records_that_tensorflow_wrote() -> None:
    records = [FERRY, TOKYO, LAST]
    write("ours", *records)
    write_with_tensorflow(
        [
            {"path": "v1", "records": [shuffled(record, 1) for record in records]},
            {
                "path": "v2.gz",
                "records": [shuffled(renamed(record), 2) for record in records],
                "compression": "GZIP",
            },
        ]
    )
    assert Path("v2.gz").read_bytes()[:2] == b"\x1f\x8b"
    expected = without_place(read("ours"))
    assert without_place(read("v1")) == expected
    assert without_place(read("v2.gz")) == expected
    assert places("v2.gz", find="##ing") == [("v2.gz", 2)]
    assert read("v2.gz", raw=True)[1]["features"] == renamed(TOKYO)


@given(seed=st.integers(0, 1 << 32), packed=st.booleans(), is_v2=st.booleans())
def test_the_order_and_the_packing_of_features_do_not_matter(
    seed: int, packed: bool, is_v2: bool
) -> None:
    record = shuffled(renamed(FERRY) if is_v2 else FERRY, seed)
    write("ours", FERRY)
    write("theirs", encoded(record, packed))
    assert without_place(read("theirs")) == without_place(read("ours"))
    assert places("theirs", find="boat") == [("theirs", 0)]


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("input_mask", "12 of 16 tokens, 3 masks, label 0: B follows A, no input_mask"),
        ("segment_ids", "12 of 16 tokens, 3 masks, label 0: B follows A, no segment_ids"),
        ("next_sentence_labels", "12 of 16 tokens, 3 masks, no next_sentence_labels"),
        (
            "masked_lm_weights",
            "12 of 16 tokens, 3 masks, label 0: B follows A, no masked_lm_weights",
        ),
        ("masked_lm_ids", "12 of 16 tokens, no masks, label 0: B follows A, no masked_lm_ids"),
        (
            "masked_lm_positions",
            "12 of 16 tokens, no masks, label 0: B follows A, no masked_lm_positions",
        ),
    ],
)
def test_a_record_is_shown_without_a_feature(name: str, head: str) -> None:
    write("one", {key: values for key, values in FERRY.items() if key != name})
    lines = shown("one")[0].splitlines()
    end = next(i for i, line in enumerate(lines) if line.startswith("  A"))
    assert " ".join(lines[1:end]) == head
    is_masked = head.startswith("12 of 16 tokens, 3")
    a, b = ("the {ferry} cross{ed}", "{boat}") if is_masked else ("the [MASK] crossed", "東")
    assert lines[end : end + 2] == [f"  A  {a}", f"  B  a {b}man , sound"]
    (record,) = read("one")
    assert record["problems"] == [f"no {name}"]
    assert record["is_random_next"] is (None if name == "next_sentence_labels" else False)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"next_sentence_labels": [7]}, None),
        ({"next_sentence_labels": [1.5]}, "next_sentence_labels holds 1 values of float"),
        ({"masked_lm_positions": [2, 4, 300, 0]}, "masks outside the tokens, at 300"),
        ({"masked_lm_positions": [2, 4, -1, 0]}, "masks outside the tokens, at -1"),
        (
            {"masked_lm_positions": [2, 4, 4, 0], "masked_lm_ids": [IDS["ferry"], 5, 8, 0]},
            "several masks at one position",
        ),
        ({"masked_lm_positions": [2, 4]}, "masks with 2 positions, 4 ids, 4 weights"),
        ({"segment_ids": []}, "segment_ids holds 0 values of nothing"),
        ({"input_mask": [0] * 16}, None),
        ({"input_mask": [1] * 99}, None),
    ],
)
def test_an_odd_record_is_shown_as_far_as_possible(change: Record, problem: str | None) -> None:
    record = FERRY | change
    data = [
        entry(
            name,
            b"" if not values else (floats if isinstance(values[0], float) else int64s)(values),
        )
        for name, values in record.items()
    ]
    write("one", field(1, b"".join(data)))
    (line,) = read("one")
    assert line["problems"] == ([problem] if problem else [])
    assert (line["a"], line["num_tokens"]) == ("the ferry crossed", 12)
    assert not problem or problem in " ".join(shown("one")[0].split())


def test_an_unknown_label_is_shown() -> None:
    write("one", FERRY | {"next_sentence_labels": [7]})
    assert "label 7: neither 0 nor 1" in shown("one")[0]
    assert read("one")[0]["is_random_next"] is None


def test_a_record_of_one_segment() -> None:
    record = FERRY | {"segment_ids": [0] * 16}
    write("one", record)
    assert shown("one")[0].splitlines()[2:4] == [
        "  A  the {ferry} cross{ed} [SEP] a {boat}man , sound",
        "  B  (empty)",
    ]


def test_a_damaged_record_is_shown_as_damaged() -> None:
    write("one", FERRY)
    data = bytearray(Path("one").read_bytes())
    data[-1] ^= 1
    Path("one").write_bytes(data)
    assert "its data does not match its CRC" in " ".join(shown("one")[0].split())
    assert read("one")[0]["problems"] == ["its data does not match its CRC"]
    assert "does not match" in shown("one", raw=True)[0]


def test_a_path_that_is_not_utf8_can_be_printed() -> None:
    name = os.fsdecode(b"\xff.tfrecord")
    write(name, FERRY)
    shown(name)[0].encode()
    assert shown(name)[0].startswith(r"\udcff.tfrecord: record 0 at byte 0")
    shown(name, json=True)[0].encode()
    assert read(name)[0]["file"] == name


# Restoring.


SEQUENCES = st.lists(
    st.tuples(
        st.sampled_from(range(5, len(TOKENS))), st.none() | st.sampled_from(range(len(TOKENS)))
    ),
    min_size=1,
    max_size=20,
)


@given(SEQUENCES)
def test_restoring_puts_the_labels_back(pairs: list[tuple[int, int | None]]) -> None:
    was = [IDS["[CLS]"], *(label for label, _ in pairs), IDS["[SEP]"]]
    now = [IDS["[CLS]"], *(was if put is None else put for was, put in pairs), IDS["[SEP]"]]
    labels = {i: was[i] for i, (_, put) in enumerate(pairs, 1) if put is not None}
    sequence = MaskedSequence(now, None, labels, 0, "", 32, [])
    assert sequence.restored_ids == was
    record = read_record(sequence, VOCABULARY)
    assert record.restored == tuple(TOKENS[i] for i in was)
    assert [mask.position for mask in record.masks] == list(labels)
    for mask in record.masks:
        assert (mask.now, mask.was) == (TOKENS[now[mask.position]], TOKENS[was[mask.position]])
        assert (mask.kind == "mask") == (mask.now == "[MASK]")
        assert (mask.kind == "replaced") == (mask.now not in ("[MASK]", mask.was))
    pieces = [piece for word in record.words(record.a) for piece in word.pieces]
    assert [piece.position for piece in pieces] == list(record.a)
    assert [piece.mask for piece in pieces if piece.mask] == list(record.masks)
    letters = "".join(piece.text for piece in pieces if piece.text != '""')
    assert record.text(record.a).replace(" ", "") == letters


def test_our_records_restore_to_their_instances(sample_vocabulary: Vocabulary) -> None:
    options = InstanceOptions(max_seq_length=64, dupe_factor=1, random_seed=3)
    records = made_records(sample_vocabulary, options)
    write_data_set(Path("made"), [records], sample_vocabulary, options)
    lines = read("made", num=1000)
    assert len(lines) == len(records)
    kinds = set()
    for line, data in zip(lines, records, strict=True):
        stored = {name: values.tolist() for name, values in features(data).items()}
        ids = [sample_vocabulary.ids[token] for token in line["tokens"]]
        assert ids == stored["input_ids"][: sum(stored["input_mask"])]
        assert line["is_random_next"] == bool(stored["next_sentence_labels"][0])
        masks = int(sum(stored["masked_lm_weights"]))
        was = [sample_vocabulary.ids[mask["was"]] for mask in line["masks"]]
        assert was == stored["masked_lm_ids"][:masks]
        assert [m["position"] for m in line["masks"]] == stored["masked_lm_positions"][:masks]
        assert line["problems"] == []
        kinds |= {mask["kind"] for mask in line["masks"]}
    assert kinds == {"mask", "kept", "replaced"}


# Lines.


@pytest.mark.parametrize(
    ("left", "right", "blank"),
    [
        ("a", "b", " "),
        ("東", "京", ""),
        ("東", "。", ""),
        ("。", "東", ""),
        ("東", "“", ""),
        ("東", ",", ""),
        ("東", "は", ""),
        ("は", "は", " "),
        ("안녕", "하세요", " "),
        ("東", "a", " "),
        ("8", "月", " "),
        ("a", ",", " "),
        ("a", "…", " "),
        ("", "a", ""),
    ],
)
def test_spaces_between_words(left: str, right: str, blank: str) -> None:
    assert space_between(left, right) == blank


def test_widths_are_those_of_a_terminal() -> None:
    assert [columns(text) for text in ("", "abc", "東京", "ｶ", "e\u0301", "，", "שלום")] == [
        *(0, 3, 4, 1, 1, 2, 4)
    ]
    assert printable("") == '""'
    assert printable("a\u2028b\u200d\ud800\x00") == r"a\u2028b\u200d\ud800\x00"


@given(st.lists(st.text("ab東京́ ", min_size=1, max_size=30), max_size=30), st.integers(5, 40))
def test_no_line_is_wider_than_the_terminal(texts: list[str], width: int) -> None:
    lines = list(wrap_units([(" ", [Span(text, "mask")]) for text in texts], width))
    assert all(sum(columns(span.text) for span in line) <= width for line in lines)
    whole = "".join(span.text for line in lines for span in line)
    assert whole.replace(" ", "") == "".join(texts).replace(" ", "")


@pytest.mark.parametrize("width", ["30", "47", "100", "1"])
def test_text_fits_any_terminal(width: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", width)
    long = made("東 京 " * 30, "the cross ##ed " + "cross " + "##ed " * 60, {1: "a"}, length=200)
    write("one", long)
    lines = shown("one")[0].splitlines()
    segments = [line for line in lines if re.match("  A|  B|     ", line)][:-2]
    assert max(map(columns, segments)) <= max(30, int(width))
    assert all(line == line.rstrip() for line in lines)


# Which records.


@pytest.fixture
def data_set(folder: Path) -> str:
    """Three shards with a manifest, of four records, none and six."""
    record = encoded(FERRY)
    shards = [[record] * 4, [], [encoded(LAST)] + [record] * 5]
    write_data_set(folder / "set", shards, VOCABULARY, InstanceOptions(max_seq_length=16))
    return "set"


def first_to_last(data_set: str) -> list[tuple[str, int]]:
    return [(SHARD.format(0, 3), i) for i in range(4)] + [(SHARD.format(2, 3), i) for i in range(6)]


def test_records_in_order(data_set: str) -> None:
    everything = first_to_last(data_set)
    assert places(data_set) == everything[:3]
    assert places(data_set, num=99) == everything
    for skip in range(10):
        assert places(data_set, skip=skip, num=2) == everything[skip : skip + 2]
        for name in ("manifest.json", "plan.json"):
            (Path("set") / name).rename(name)
        assert places(data_set, skip=skip, num=2) == everything[skip : skip + 2]
        for name in ("manifest.json", "plan.json"):
            Path(name).rename(Path("set") / name)


def test_shards_without_wanted_records_are_not_read(data_set: str) -> None:
    Path(data_set, SHARD.format(0, 3)).write_text("no records any more\n")
    assert places(data_set, skip=4, num=1) == [(SHARD.format(2, 3), 0)]
    assert places(data_set, index="2:5") == [(SHARD.format(2, 3), 5)]
    seeds = [s for s in range(20) if random.Random(s).sample(range(10), 1)[0] >= 4]
    assert {places(data_set, sample=1, seed=s)[0][0] for s in seeds} == {SHARD.format(2, 3)}


@pytest.mark.parametrize(
    "shard",
    [
        "2",
        SHARD.format(2, 3),
        f"set/{SHARD.format(2, 3)}",
        "00002-of-00003",
        f"./set/{SHARD.format(2, 3)}",
    ],
)
def test_a_record_by_its_index(data_set: str, shard: str) -> None:
    assert places(data_set, index=f"{shard}:0") == [(SHARD.format(2, 3), 0)]
    assert places(data_set, index=f"{shard}:5", num=1) == [(SHARD.format(2, 3), 5)]


def test_the_whole_name_of_a_shard_has_priority() -> None:
    for name in ("a.tfrecord", "aa.tfrecord", "a/a.tfrecord"):
        Path(name).parent.mkdir(exist_ok=True)
        write(name, FERRY)
    (line,) = read("*.tfrecord", "a", index="a.tfrecord:0")
    assert line["file"] == "a.tfrecord"
    (line,) = read("aa.tfrecord", "a", index="a.tfrecord:0")
    assert line["file"] == "a/a.tfrecord"


@pytest.mark.parametrize(
    ("index", "problem"),
    [
        ("3:0", "there are 3 shards. Give a shard's path or its number, 0 to 2"),
        ("nope:0", "no shards with a path that ends in 'nope'. Give .*"),
        ("of-00003:0", "3 shards with a path that ends in 'of-00003'. Give .*"),
        ("0:4", "set/.*-00000-of-00003 has 4 records, the last is 3"),
        ("1:0", "set/.*-00001-of-00003 has no records"),
    ],
)
def test_an_index_without_a_record(data_set: str, index: str, problem: str) -> None:
    message, status = failure(data_set, index=index)
    assert re.fullmatch(f"--index {index}: {problem}", message), message
    assert status == 2


def test_a_sample_is_distinct_in_order_and_the_same_for_its_seed(data_set: str) -> None:
    everything = first_to_last(data_set)
    drawn = set()
    for seed in range(40):
        chosen = places(data_set, sample=3, seed=seed)
        assert chosen == sorted(set(chosen))
        assert len(chosen) == 3
        assert chosen == places(data_set, sample=3, seed=seed)
        drawn |= set(chosen)
    assert drawn == set(everything)
    assert places(data_set, sample=10, seed=1) == everything
    assert places(data_set, sample=99, seed=1) == everything


def test_a_sample_is_the_same_with_and_without_a_manifest(data_set: str) -> None:
    expected = [places(data_set, sample=2, seed=seed) for seed in range(5)]
    shutil.move("set/manifest.json", "manifest.json")
    assert [places(data_set, sample=2, seed=seed) for seed in range(5)] == expected


@pytest.mark.parametrize("flag", ["index", "sample"])
def test_skip_is_refused_with_index_and_sample(data_set: str, flag: str) -> None:
    chosen: dict[str, Any] = {"index": "0:0"} if flag == "index" else {"sample": 1}
    message, status = failure(data_set, skip=1, **chosen)
    assert message == f"--skip cannot be combined with --{flag}"
    assert status == 2


def test_skipping_everything(data_set: str) -> None:
    message, status = failure(data_set, skip=10)
    assert message == "--skip 10: set has 10 records"
    assert status == 2


# Records with a piece.


@pytest.mark.parametrize(
    ("find", "expected"),
    [
        ("ferry", [0, 2]),  # behind [MASK] in one, in the open in the other
        ("##ed", [0]),
        ("boat", [0]),  # behind a replacement
        ("京", [1]),  # that stands there now in one more
        ("##ing", [2]),  # an id of two bytes
        ("שלום", [1]),
        ("[SEP]", [0, 1, 2]),
        ("crossed", [0]),
        ("Crossed", [0]),
        ("boatman", [0]),
        ("a BOATMAN,", [0]),
        ("ferry ferry", [2]),
        ("東京", [1]),
    ],
)
@pytest.mark.parametrize("packed", [True, False])
def test_find_looks_at_the_text_before_masking(
    find: str, expected: list[int], packed: bool
) -> None:
    write("three", *(encoded(record, packed) for record in (FERRY, TOKYO, LAST)))
    assert [record for _, record in places("three", find=find)] == expected


@given(st.lists(SEQUENCES, min_size=1, max_size=4), st.sampled_from(range(len(TOKENS))))
def test_find_finds_all_records_with_a_piece(
    sequences: list[list[tuple[int, int | None]]], wanted: int
) -> None:
    records = []
    for pairs in sequences:
        masks = {i: TOKENS[put] for i, (_, put) in enumerate(pairs, 1) if put is not None}
        record = made("", "", masks={}, length=32, predictions=20)
        ids = [IDS["[CLS]"], *(was if put is None else put for was, put in pairs), IDS["[SEP]"]]
        record["input_ids"][: len(ids)] = ids
        record["input_mask"] = [1] * len(ids) + [0] * (32 - len(ids))
        for k, position in enumerate(masks):
            record["masked_lm_positions"][k] = position
            record["masked_lm_ids"][k] = pairs[position - 1][0]
            record["masked_lm_weights"][k] = 1.0
        records.append(record)
    write("some", *records)
    expected = [
        k
        for k, pairs in enumerate(sequences)
        if wanted in (*(was for was, _ in pairs), IDS["[CLS]"], IDS["[SEP]"])
    ]
    found = []
    if expected:
        found = [record for _, record in places("some", find=TOKENS[wanted], num=99)]
    else:
        assert "none of" in failure("some", find=TOKENS[wanted])[0]
    assert found == expected


def test_matches_are_in_stars() -> None:
    write("three", FERRY, TOKYO, LAST)
    assert shown("three", find="crossed")[0].splitlines()[2] == "  A  the {ferry} *cross{ed}*"
    assert shown("three", find="##ed")[0].splitlines()[2] == "  A  the {ferry} *cross{ed}*"
    assert shown("three", find="ferry ferry")[0].splitlines()[3] == "  B  the *ferry ferry*"
    assert shown("three", find="東京")[0].splitlines()[2] == "  A  *{東}京*は は東。京"


def test_num_and_skip_count_matches() -> None:
    write("many", *([FERRY, TOKYO] * 5))
    assert [record for _, record in places("many", find="ferry")] == [0, 2, 4]
    assert [record for _, record in places("many", find="ferry", num=2, skip=2)] == [4, 6]
    assert [record for _, record in places("many", find="ferry", num=9, skip=4)] == [8]
    assert failure("many", find="ferry", skip=5) == (
        "many: only 5 of 10 records contain 'ferry' before masking",
        1,
    )
    assert failure("many", find="caf") == (
        "many: none of 10 records contains 'caf' before masking",
        1,
    )


def test_find_without_pieces() -> None:
    write("one", FERRY)
    for text in ("zebra", "the zebra", " "):
        message, status = failure("one", find=text)
        assert message.startswith(f"--find {text}: the vocabulary cannot represent it")
        assert status == 2


def test_find_tokenizes_as_the_plan_says(data_set: str) -> None:
    assert places(data_set, find="Crossed", num=1)
    manifest = json.loads(Path("set/manifest.json").read_bytes())
    manifest["plan"]["tokenizer"] |= {"lowercase": False, "strip_accents": False}
    Path("set/manifest.json").write_text(json.dumps(manifest))
    assert failure(data_set, find="Crossed")[1] == 2


def test_find_works_with_raw() -> None:
    write("three", FERRY, TOKYO, LAST)
    assert read("three", find="##ing", raw=True)[0]["features"] == LAST


# Errors.


def test_a_data_set_without_records() -> None:
    Path("empty.tfrecord").touch()
    Path("packed.tfrecord").write_bytes(gzip.compress(b""))
    for options in ({}, {"sample": 3}, {"find": "ferry"}, {"raw": True}):
        message, status = failure("*.tfrecord", **options)
        assert message == "*.tfrecord: there are no records, only empty files. Name other files"
        assert status == 1


def test_a_text_file_is_named_before_a_missing_vocabulary() -> None:
    Path("text.md").write_text("# Notes\nNot a record.\n")
    Path("vocab.txt").unlink()
    message, status = failure("text.md")
    assert message == (
        "text.md: record 0 at byte 0: this is text ('# Notes'…), not a TFRecord file: "
        "name record files"
    )
    assert status == 1
    write("one", FERRY)
    message, status = failure("one")
    assert message.startswith("one: there is no vocab.txt next to the records")
    assert status == 2


def test_an_id_outside_the_vocabulary() -> None:
    write("one", made("the ferry"), FERRY | {"input_ids": [2, 5, 999, 3, 3] + [0] * 11})
    chunks = show_records(InspectOptions(paths=("one",)), plain)
    next(chunks)
    size = len(frames([encoded(made("the ferry"))]))
    with pytest.raises(
        BertprepError, match=f"^one: record 1 at byte {size}: id 999 at position 2 is"
    ):
        next(chunks)
    assert "999" in shown("one", raw=True)[1]


def test_another_vocabulary_of_the_same_size_is_noticed() -> None:
    write("one", FERRY)
    tokens = [*TOKENS[5:], *TOKENS[:5]]
    Path("other.txt").write_text("\n".join(tokens) + "\n")
    (line,) = read("one", vocab=Path("other.txt"))
    assert line["problems"] == ["no [CLS] at the start: is --vocab the right one?"]


def test_a_record_that_is_not_an_example() -> None:
    write("one", b"\x0a\x05hello")
    message, status = failure("one")
    assert message.startswith("one: record 0 at byte 0: not a tf.train.Example: ")
    assert status == 1
    assert failure("one", raw=True) == (message, status)


def test_an_example_without_ids() -> None:
    write("one", {"label": [1], "a\nb": [2]})
    assert failure("one") == (
        "one: record 0 at byte 0: no input_ids among its features (a\\nb, label): --raw shows them",
        1,
    )


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_truncated_file_shows_its_whole_records(compression: str) -> None:
    stream = frames([encoded(FERRY), encoded(TOKYO)])
    data, last = stream[:-9], f"1 at byte {len(frames([encoded(FERRY)]))}"
    if compression == "gzip":  # what was cut is the checksum behind the records
        data, last = gzip.compress(stream)[:-1], f"2 at byte {len(stream)}"
    Path("cut").write_bytes(data)
    chunks = show_records(InspectOptions(paths=("cut",)), plain)
    assert next(chunks).startswith("cut: record 0 at byte 0\n")
    with pytest.raises(BertprepError, match=rf"^cut: record {last}: .* is truncated\. .* again$"):
        list(chunks)


def test_a_shard_with_fewer_records_than_in_the_manifest(data_set: str) -> None:
    write(f"set/{SHARD.format(2, 3)}", FERRY)
    with pytest.raises(BertprepError, match="fewer records than in the manifest"):
        shown(data_set, sample=10)
    with pytest.raises(UsageError, match="has 1 record, the last is 0"):
        shown(data_set, index="2:5")


# What it costs.


def test_showing_loads_neither_a_compiler_nor_a_framework(data_set: str) -> None:
    program = """
import sys
from bertprep.inspection.show import show_records
from bertprep.options import InspectOptions
for options in ({}, {"sample": 2}, {"find": "ferry"}, {"raw": True, "json": True}):
    assert list(show_records(InspectOptions(paths=("set",), **options), lambda text, **_: text))
print(*{name.split(".")[0] for name in sys.modules})
"""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(root)},
    )
    heavy = {"numba", "llvmlite", "click", "tqdm", "tensorflow", "keras"}
    assert heavy.isdisjoint(done.stdout.split())
