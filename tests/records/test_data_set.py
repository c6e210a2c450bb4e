"""Paths -> data sets, bytes -> frames, frames -> features: the plain readers, and what they say."""

import gzip
import importlib.util
import json
import os
import random
import re
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import pytest
from hand_built import (
    byte_strings,
    edit_manifest,
    encoded,
    entry,
    example,
    field,
    floats,
    frame,
    frames,
    int64s,
    made_records,
    varint,
    write_data_set,
    write_with_tensorflow,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from tfrecords import masked_crc

from bertprep.errors import BertprepError, UsageError
from bertprep.options import InstanceOptions, RecordOptions
from bertprep.records import (
    DataSet,
    FeatureValues,
    FrameError,
    RecordSchema,
    Shard,
    find_data_set,
    parse_example,
    read_frames,
    read_schema,
)
from bertprep.records.frames import count_records, join_crc32c, look_at, masked_crc32c
from bertprep.vocab import Vocabulary

OPTIONS = InstanceOptions(max_seq_length=16, max_predictions_per_seq=3, dupe_factor=1)
NAMES = ["tf_examples.tfrecord-00000-of-00002", "tf_examples.tfrecord-00001-of-00002"]
HELD_OUT = "eval/tf_examples.tfrecord-00000-of-00001"


@pytest.fixture
def records(sample_vocabulary: Vocabulary) -> list[bytes]:
    return made_records(sample_vocabulary, OPTIONS, num_sentences=9)


@pytest.fixture
def folder(records: list[bytes], sample_vocabulary: Vocabulary, tmp_path: Path) -> Path:
    """A data set of two shards, and a held-out one."""
    shards, held_out = [records[:3], records[3:5]], [records[5:6]]
    path = tmp_path / "rec"
    return write_data_set(path, shards, sample_vocabulary, OPTIONS, held_out=held_out)


@pytest.fixture
def bare(folder: Path) -> Path:
    """The same without what bertprep leaves beside the records."""
    for name in ("plan.json", "manifest.json", "vocab.txt"):
        (folder / name).unlink()
    return folder


def found(data_set: DataSet, folder: Path) -> list[str]:
    return [os.path.relpath(shard.path, folder) for shard in data_set.shards]


def problem_of(call: Callable[[], object], kind: type[BertprepError] = UsageError) -> str:
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Data sets from paths.


def test_a_folder_with_a_manifest(folder: Path, sample_vocabulary: Vocabulary) -> None:
    edit_manifest(folder, lambda manifest: manifest["shards"].reverse())
    data_set = find_data_set([str(folder)])
    assert found(data_set, folder) == [*NAMES[::-1], HELD_OUT]  # in the manifest's order
    assert [shard.summary and shard.summary.records for shard in data_set.shards] == [2, 3, 1]
    assert data_set.vocabulary
    assert data_set.vocabulary.sha256 == sample_vocabulary.sha256
    assert data_set.vocabulary_path == folder / "vocab.txt"
    (home,) = data_set.homes
    assert (home.folder, home.missing, home.strangers, home.is_whole) == (folder, (), (), True)
    assert data_set.plan == home.manifest["plan"]
    assert data_set.unfinished == ()
    assert data_set.name == str(folder)
    sizes = [os.path.getsize(folder / name) for name in (*NAMES, HELD_OUT)]
    assert data_set.size == sum(sizes)


def test_the_path_may_be_written_in_other_ways(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    for path in ("rec", "rec/", "./rec", "rec/../rec", str(folder)):
        data_set = find_data_set([path])
        assert [shard.path for shard in data_set.shards] == [
            str(Path(path) / name) for name in (*NAMES, HELD_OUT)
        ]
        assert [home.is_whole for home in data_set.homes] == [True]
        assert data_set.homes[0].strangers == ()
    monkeypatch.chdir(folder)
    assert find_data_set(["."]).homes[0].is_whole
    assert find_data_set(NAMES).plan


def test_a_folder_without_a_manifest(bare: Path) -> None:
    (bare / "more").mkdir()
    for name in ("more/z.tfrecord", "a.tfrec", ".hidden.tfrecord", "notes.txt"):
        shutil.copy(bare / NAMES[0], bare / name)
    data_set = find_data_set([str(bare)])
    assert found(data_set, bare) == ["a.tfrec", *NAMES, HELD_OUT, "more/z.tfrecord"]
    assert (data_set.plan, data_set.homes, data_set.vocabulary) == (None, (), None)
    with pytest.raises(UsageError, match=r"there is no vocab\.txt next to .* with --vocab"):
        data_set.require_vocabulary()


def test_records_of_any_name_are_found_by_their_first_bytes(bare: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "part-0").write_bytes((bare / NAMES[0]).read_bytes())
    (other / "part-1").write_bytes(gzip.compress((bare / NAMES[1]).read_bytes()))
    (other / "README").write_text("These are not records.")
    (other / "empty").touch()
    (other / "vocab.txt").write_text("[PAD]")
    assert found(find_data_set([str(other)]), other) == ["part-0", "part-1"]


def test_a_shard_keeps_its_manifest(folder: Path) -> None:
    data_set = find_data_set([str(folder / NAMES[1])])
    assert found(data_set, folder) == NAMES[1:]
    assert [home.is_whole for home in data_set.homes] == [False]
    assert data_set.plan
    assert data_set.vocabulary
    assert data_set.shards[0].summary
    assert data_set.shards[0].summary.records == 2


@pytest.mark.parametrize("path", ["eval", HELD_OUT, "eval/*"])
def test_held_out_shards_keep_their_manifest(folder: Path, path: str) -> None:
    data_set = find_data_set([str(folder / path)])
    assert found(data_set, folder) == [HELD_OUT]
    assert [home.folder for home in data_set.homes] == [folder]
    assert data_set.plan
    assert data_set.vocabulary


def test_all_paths_together_are_the_whole_data_set(folder: Path) -> None:
    paths = [str(folder / "eval"), f"{folder}/*-00001-of-00002", str(folder / NAMES[0])]
    data_set = find_data_set(paths)
    assert found(data_set, folder) == [HELD_OUT, NAMES[1], NAMES[0]]
    assert data_set.homes[0].is_whole


def test_a_glob_passes_over_what_stands_beside_the_records(folder: Path) -> None:
    assert found(find_data_set([f"{folder}/*"]), folder) == NAMES
    assert found(find_data_set([f"{folder}/**"]), folder) == [HELD_OUT, *NAMES]


def test_a_glob_of_folders_is_these_folders(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "rec2")
    data_set = find_data_set([f"{tmp_path}/rec*"])
    assert len(data_set.shards) == 6
    assert [home.is_whole for home in data_set.homes] == [True, True]
    assert data_set.plan


def test_a_file_named_as_a_glob_is_that_file(folder: Path) -> None:
    shutil.copy(folder / NAMES[0], folder / "[ab]*.rec")
    assert found(find_data_set([str(folder / "[ab]*.rec")]), folder) == ["[ab]*.rec"]


def test_a_file_is_read_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(folder / NAMES[0])
    (tmp_path / "folder").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    paths = [
        *("link", str(folder / NAMES[0]), "./link", f"rec/{NAMES[0]}"),
        *(f"rec/*{NAMES[0][-14:]}", f"folder/{NAMES[0]}"),
    ]
    data_set = find_data_set(paths)
    assert [shard.path for shard in data_set.shards] == ["link"]
    assert data_set.shards[0].summary
    assert data_set.name == f"link {folder / NAMES[0]} ./link and 3 more"
    assert len(find_data_set(["folder", "rec"]).shards) == 3


def test_a_data_set_behind_a_link_is_shown_by_that(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    data_set = find_data_set([str(tmp_path / "link")])
    assert [home.folder for home in data_set.homes] == [tmp_path / "link"]
    assert data_set.homes[0].is_whole
    assert data_set.vocabulary_path == tmp_path / "link/vocab.txt"


def test_missing_and_strange_files(folder: Path) -> None:
    (folder / NAMES[0]).unlink()
    (folder / "b.tfrecord").touch()
    (folder / "eval/c.tfrec.bak").touch()
    (folder / ".b.tfrecord.crc").touch()
    data_set = find_data_set([str(folder)])
    assert found(data_set, folder) == [NAMES[1], HELD_OUT]
    (home,) = data_set.homes
    assert home.missing == (str(folder / NAMES[0]),)
    assert home.strangers == (str(folder / "b.tfrecord"), str(folder / "eval/c.tfrec.bak"))
    assert home.is_whole  # but for those that nobody could have named


def test_a_stranger_that_is_named_has_no_manifest(folder: Path) -> None:
    shutil.copy(folder / NAMES[0], folder / "b.tfrecord")
    data_set = find_data_set([str(folder / "b.tfrecord")])
    assert (data_set.plan, data_set.homes) == (None, ())
    assert data_set.vocabulary  # still the one beside it
    data_set = find_data_set([str(folder), str(folder / "b.tfrecord")])
    assert data_set.plan is None
    assert [bool(shard.summary) for shard in data_set.shards] == [True] * 3 + [False]


def test_nothing_is_left_of_a_data_set(folder: Path) -> None:
    for name in (*NAMES, HELD_OUT):
        (folder / name).unlink()
    problem = problem_of(lambda: find_data_set([str(folder)]))
    assert problem == (f"{folder}: none of the files that the manifest lists exists any more")


def test_a_run_that_was_not_finished(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    data_set = find_data_set([str(folder)])
    assert found(data_set, folder) == [*NAMES, HELD_OUT]
    assert data_set.unfinished == (folder,)
    assert data_set.plan is None


def test_a_vocabulary_of_the_wrong_size(folder: Path, sample_vocabulary: Vocabulary) -> None:
    other = folder / "other.txt"
    other.write_bytes(sample_vocabulary.data + b"more\n")
    problem = problem_of(lambda: find_data_set([str(folder)], other))
    assert problem == (
        f"{other}: has 3,668 pieces, but the records were created with 3,667: name that vocabulary "
        "with --vocab"
    )
    (folder / "vocab.txt").unlink()
    assert find_data_set([str(folder)]).vocabulary is None
    other.write_bytes(sample_vocabulary.data)
    assert find_data_set([str(folder)], other).vocabulary_path == other


def test_a_vocabulary_that_is_not_there(folder: Path) -> None:
    problem = problem_of(lambda: find_data_set([str(folder)], folder / "none.txt"))
    assert problem.startswith(f"{folder}/none.txt: no such file")


def test_a_vocabulary_that_create_would_refuse_is_taken(bare: Path) -> None:
    (bare / "vocab.txt").write_text("[CLS]\n[PAD]\ntwice\ntwice\n\n")
    vocabulary = find_data_set([str(bare)]).require_vocabulary()
    assert vocabulary.tokens == ("[CLS]", "[PAD]", "twice", "twice", "")


def test_data_sets_of_other_options_are_not_one(
    folder: Path, records: list[bytes], sample_vocabulary: Vocabulary, tmp_path: Path
) -> None:
    options = InstanceOptions(max_seq_length=16, max_predictions_per_seq=3, dupe_factor=2)
    other = write_data_set(tmp_path / "other", [records], sample_vocabulary, options)
    problem = problem_of(lambda: find_data_set([str(folder), str(other)]))
    assert problem == (
        f"{folder} {other}: {folder} and {other} were created with different options or "
        "vocabularies (dupe_factor 1 and 2): create them with the same ones, or compare them with "
        "`bertprep inspect --compare`"
    )
    same = write_data_set(tmp_path / "same", [records], sample_vocabulary, OPTIONS)
    assert find_data_set([str(folder), str(same)]).plan


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("lowercase", False),
        ("strip_accents", False),
        ("never_split", ["the"]),
        ("word_segmenter", "rjieba"),
        ("segmented", True),
    ],
)
def test_data_sets_of_text_that_was_tokenized_otherwise_are_not_one(
    option: str,
    value: object,
    folder: Path,
    records: list[bytes],
    sample_vocabulary: Vocabulary,
    tmp_path: Path,
) -> None:
    other = write_data_set(tmp_path / "other", [records], sample_vocabulary, OPTIONS)
    edit_manifest(other, lambda manifest: manifest["plan"]["tokenizer"].update({option: value}))
    for paths in ([folder, other], [other, folder]):
        problem = problem_of(lambda paths=paths: find_data_set(list(map(str, paths))))
        assert re.search(rf"different options .*\({option} [^;]* and [^;]*\):", problem), problem
    tokenizer = find_data_set([str(other)]).tokenizer
    assert tokenizer
    assert getattr(tokenizer, option) == (tuple(value) if isinstance(value, list) else value)


@pytest.mark.parametrize(
    "values", [3, ["lowercase"], {"lowercase": "yes"}, {"max_input_chars_per_word": "9"}]
)
def test_tokenizer_options_that_cannot_be(folder: Path, values: object) -> None:
    edit_manifest(folder, lambda manifest: manifest["plan"].update({"tokenizer": values}))
    problem = problem_of(lambda: find_data_set([str(folder)]).tokenizer)
    assert problem == f"{folder}: manifest.json: bertprep did not write these tokenizer options"


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("none", "no such file or folder. Name record files, or the folder that they are in"),
        ("n*ne", "no file matches this glob. Name record files, or the folder that they are in"),
        (
            "empty",
            "there are no records in this folder. Name one that `bertprep create` wrote, or record "
            "files",
        ),
        ("pipe", "neither a file nor a folder. Name a record file"),
    ],
)
def test_paths_without_records(path: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/notes.txt").write_text("nothing")
    os.mkfifo(tmp_path / "pipe")
    path = str(tmp_path / path)
    assert problem_of(lambda: find_data_set([path])) == f"{path}: {problem}"


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\xff", b"{", b"[]", b"null", b"7", b"{}", b'{"plan": {}}', b'{"plan": 1}'),
        b'{"plan": {"instances": {}, "records": {}, "vocabulary": {}}}',
        b'{"shards": ["a"], "eval_shards": [], "counts": {}, "plan": {}}',
    ],
)
def test_a_manifest_of_another_program(folder: Path, content: bytes) -> None:
    (folder / "manifest.json").write_bytes(content)
    advice = (
        ". bertprep did not write this manifest. Move it away, and name the vocabulary with --vocab"
    )
    for path in (folder, folder / NAMES[0], folder / HELD_OUT):
        problem = problem_of(lambda path=path: find_data_set([str(path)]))
        assert problem.startswith(f"{folder}/manifest.json: ")
        assert problem.endswith(advice)


LEAVES = [
    *(("plan", "vocabulary", "size"), ("plan", "vocabulary", "sha256")),
    *(("plan", "instances", "max_seq_length"), ("plan", "instances", "max_predictions_per_seq")),
    *(("plan", "instances", "masked_lm_prob"), ("plan", "instances", "masking")),
    *(("plan", "instances", "quirks"), ("plan", "records", "feature_names")),
    *(("plan", "records", "compression"), ("shards", 0, "name"), ("shards", 1, "bytes")),
    *(("eval_shards", 0, "crc32c"), ("counts", "masks"), ("counts", "random_next")),
    *(("counts", "instances"), ("counts", "instance_tokens"), ("counts",), ("eval_shards",)),
]


@pytest.mark.parametrize("is_there", [False, True])
def test_a_manifest_with_a_part_that_cannot_be(folder: Path, is_there: bool) -> None:
    manifest = (folder / "manifest.json").read_bytes()
    for *parents, last in LEAVES:
        edited = inner = json.loads(manifest)
        for parent in parents:
            inner = inner[parent]
        del inner[last]
        if is_there:
            inner[last] = {"not": "this"}
        (folder / "manifest.json").write_text(json.dumps(edited))
        problem = problem_of(lambda: find_data_set([str(folder)]))
        key = ".".join(map(str, [*parents, last])).replace(".0", "[0]").replace(".1", "[1]")
        assert problem.startswith(f"{folder}/manifest.json: {key}")
        assert " must be " in problem


# Schemas.


def test_the_schema_of_a_manifest(folder: Path) -> None:
    assert read_schema(find_data_set([str(folder)])) == RecordSchema(16, 3, "v1")


@pytest.mark.parametrize("names", ["v1", "v2"])
def test_the_schema_of_the_first_record_that_has_one(
    names: str, sample_vocabulary: Vocabulary, tmp_path: Path
) -> None:
    records = made_records(sample_vocabulary, OPTIONS, RecordOptions(feature_names=names))
    for name, content in (("a", b""), ("b", b"no frame at all"), ("c", frame(b"no example"))):
        (tmp_path / f"{name}.tfrecord").write_bytes(content)
    (tmp_path / "d.tfrecord").write_bytes(frames([example({"x": int64s([1])}), records[0]]))
    found = read_schema(find_data_set([str(tmp_path)]))
    assert found == RecordSchema(16, 3, names, is_closed=False)


def test_no_schema_without_records(tmp_path: Path) -> None:
    (tmp_path / "a.tfrecord").touch()
    (tmp_path / "b.tfrecord").write_bytes(gzip.compress(b""))
    data_set = find_data_set([str(tmp_path)])
    problem = problem_of(lambda: read_schema(data_set), BertprepError)
    assert problem == f"{tmp_path}: there are no records, only empty files. Name other files"


@pytest.mark.parametrize(
    ("features", "problem"),
    [
        ({}, "there is no input_ids among its features (none)"),
        ({"a": [1], "x": [2]}, "there is no input_ids among its features (a, x)"),
        ({"input_ids": [1]}, "there is no input_mask among its features (input_ids)"),
        (
            {"input_word_ids": [1], "masked_lm_positions": [2], "input_mask": [1]},
            "there is no input_type_ids among its features (input_mask, input_word_ids, "
            "masked_lm_positions)",
        ),
        (
            {"attention_mask": [1], "input_ids": [1]},
            "there is no input_mask among its features (attention_mask, input_ids); "
            "attention_mask may be it: write it as input_mask",
        ),
        (
            {
                **{name: [1, 2] for name in ("input_ids", "input_mask")},
                **{name: [1] for name in ("masked_lm_positions", "masked_lm_ids")},
                **{"segment_ids": [0], "masked_lm_weights": [1], "next_sentence_labels": [0]},
            },
            "segment_ids has 1 values instead of 2",
        ),
    ],
)
def test_features_that_are_no_schema(
    features: dict[str, list[int]], problem: str, tmp_path: Path
) -> None:
    data = example({name: int64s(values) for name, values in features.items()})
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the whole text is compared)
        RecordSchema.of(parse_example(data))
    assert str(caught.value) == problem
    path = tmp_path / "a.tfrecord"
    path.write_bytes(frame(data))
    data_set = find_data_set([str(path)])
    expected = f"{path}: record 0 at byte 0: {problem}"
    assert problem_of(lambda: read_schema(data_set), FrameError) == expected


def test_records_that_are_not_padded(records: list[bytes], tmp_path: Path) -> None:
    # No length repeats: this is how they were written, and no damage.
    path, parts = tmp_path / "a.tfrecord", []
    for size in (9, 11, 14, 12, 13):
        values: dict[str, list[Any]] = {
            n: [1] * size for n in ("input_ids", "input_mask", "segment_ids")
        }
        values |= {name: [1] for name in ("masked_lm_positions", "masked_lm_ids")}
        values |= {"masked_lm_weights": [1.0], "next_sentence_labels": [0]}
        parts.append(encoded(values))
    path.write_bytes(frames(parts))
    data_set = find_data_set([str(path)])
    problem = problem_of(lambda: read_schema(data_set), BertprepError)
    assert problem.startswith(f"{path}: input_ids has 9 to 14 values: the records are not padded.")


def test_a_file_that_tensorflow_compressed_with_zlib(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    path.write_bytes(zlib.compress(frame(b"a record" * 9)))
    problem = problem_of(lambda: read_schema(find_data_set([str(path)])), FrameError)
    assert "compressed with ZLIB" in problem
    assert "compression_type='GZIP'" in problem


# Frames.


def shard_of(tmp_path: Path, content: bytes, name: str = "shard") -> Shard:
    path = tmp_path / name
    path.write_bytes(content)
    return look_at(str(path))


def read_until_error(shard: Shard) -> tuple[list[bytes], str]:
    """The records, and what was said of the next one, from its byte on."""
    records: list[bytes] = []
    problem = ""
    try:
        for number, one in enumerate(read_frames(shard)):
            assert one.index == number
            records.append(one.data)
    except FrameError as error:
        problem = str(error)
    where = f"{shard.path}: record {len(records)} at byte "
    assert not problem or problem.startswith(where)
    return records, problem.removeprefix(where)


SOME = [b"", b"one", bytes(range(256)) * 3, b"x"]


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_frames_are_read_in_order(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    shard = shard_of(tmp_path, compress(frames(SOME)))
    read = list(read_frames(shard))
    assert [one.data for one in read] == SOME
    assert [one.index for one in read] == [0, 1, 2, 3]
    assert [one.offset for one in read] == [0, 16, 35, 35 + 784]
    assert [one.crc for one in read] == list(map(masked_crc, SOME))
    assert all(one.is_intact for one in read)
    assert count_records(shard) == 4
    for first in range(6):
        assert list(read_frames(shard, first=first)) == read[first:]


def test_an_empty_file_has_no_records(tmp_path: Path) -> None:
    for number, content in enumerate((b"", gzip.compress(b""))):
        assert list(read_frames(shard_of(tmp_path, content, str(number)))) == []


def test_a_gzip_file_of_several_members(tmp_path: Path) -> None:
    shard = shard_of(tmp_path, gzip.compress(frames(SOME)) + gzip.compress(frames(SOME)))
    assert [one.data for one in read_frames(shard)] == SOME * 2


def test_a_file_that_was_cut_anywhere(tmp_path: Path) -> None:
    stream = frames(SOME)
    starts = [0, 16, 35, 819, len(stream)]
    for size in range(1, len(stream)):
        records, problem = read_until_error(shard_of(tmp_path, stream[:size]))
        whole = sum(end <= size for end in starts[1:])
        start, end = starts[whole : whole + 2]
        assert records == SOME[:whole]
        if size == start:
            expected = ""
        elif size >= start + 12:
            expected = (
                f"{start}: the file ends {end - size} bytes before this record does: it is "
                "truncated. Copy or create it again"
            )
        elif start:
            expected = (
                f"{start}: the file ends {size - start} bytes into it: it is truncated. Copy or "
                "create it again"
            )
        else:
            expected = "0: this is not a TFRecord file: name record files"
        assert problem == expected, size


def test_a_gzip_file_that_was_cut_anywhere(tmp_path: Path) -> None:
    records = [random.Random(1).randbytes(300) for _ in range(4)]
    packed = gzip.compress(frames(records))
    seen = set()
    for size in range(2, len(packed)):
        read, problem = read_until_error(shard_of(tmp_path, packed[:size]))
        assert read == records[: len(read)]
        assert problem == (
            f"{316 * len(read)}: the gzip stream is truncated. Copy or create it again"
        )
        seen.add(len(read))
    assert seen == {0, 1, 2, 3, 4}


def test_a_gzip_file_that_is_damaged(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(frames(SOME)))
    packed[-8] ^= 1
    records, problem = read_until_error(shard_of(tmp_path, bytes(packed)))
    assert records == SOME
    assert problem.startswith("836: the gzip stream is damaged: CRC check failed")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"Once upon a time\nthere", "this is text ('Once upon a '…), not a TFRecord file"),
        (b"one\ntwo\n", "this is text ('one'…), not a TFRecord file"),
        ("Ärger und Übel".encode(), "this is not a TFRecord file"),
        (b"\0" * 100, "this is not a TFRecord file"),
        (b"\xff" * 5, "this is not a TFRecord file"),
    ],
)
def test_files_that_are_not_records(tmp_path: Path, content: bytes, problem: str) -> None:
    shard = shard_of(tmp_path, content)
    assert read_until_error(shard) == ([], f"0: {problem}: name record files")


def test_a_bit_that_was_flipped_anywhere(tmp_path: Path) -> None:
    records = [b"first", b"second", b"third"]
    stream = frames(records)
    for bit in range(8 * 21, 8 * 43):
        damaged = bytearray(stream)
        damaged[bit // 8] ^= 1 << bit % 8
        shard = shard_of(tmp_path, bytes(damaged))
        read, problem = read_until_error(shard)
        assert read == records[:1]
        if bit // 8 < 33:
            assert problem == (
                "21: its length field does not match its CRC: --verify lists every fault"
            )
        else:
            assert problem == "21: its data does not match its CRC"
            assert [one.is_intact for one in read_frames(shard, check_data=False)] == [
                *(True, False, True)
            ]
            assert [one.data for one in read_frames(shard, first=2)] == records[2:]


def test_a_length_that_no_record_has(tmp_path: Path) -> None:
    size = (1 << 40).to_bytes(8, "little")
    header = size + masked_crc(size).to_bytes(4, "little")
    read, problem = read_until_error(shard_of(tmp_path, frame(b"a") + header))
    assert read == [b"a"]
    assert problem.startswith("17: its length field")


# Examples.


def test_an_example() -> None:
    data = example(
        [
            ("ids", int64s([0, 1, 127, 128, -1, 2**63 - 1, -(2**63)])),
            ("weights", floats([1.0, -0.5])),
            ("text", byte_strings([b"", b"a\xff"])),
            ("none", b""),
            ("empty", int64s([])),
        ]
    )
    assert parse_example(data) == {
        "ids": FeatureValues("int64", [0, 1, 127, 128, -1, 2**63 - 1, -(2**63)]),
        "weights": FeatureValues("float", [1.0, -0.5]),
        "text": FeatureValues("bytes", [b"", b"a\xff"]),
        "none": FeatureValues("nothing", []),
        "empty": FeatureValues("int64", []),
    }
    assert parse_example(b"") == {}


def test_numbers_that_are_not_packed() -> None:
    values = [3, -(2**40), 0]
    data = example({"i": int64s(values, packed=False), "f": floats([1.0, 2.0], packed=False)})
    assert parse_example(data) == {
        "i": FeatureValues("int64", values),
        "f": FeatureValues("float", [1.0, 2.0]),
    }


def test_numbers_of_more_than_64_bits_lose_the_others() -> None:
    numbers = b"\xff" * 9 + b"\x7f" + b"\x81" + b"\x80" * 8 + b"\x7e"
    features = entry("a", field(3, field(1, numbers)))
    assert parse_example(field(1, features)) == {"a": FeatureValues("int64", [-1, 1])}
    assert parse_example(field(1, features)) == by_protobuf(features)


def test_messages_in_pieces() -> None:
    pieces = field(2, int64s([1])) + field(1, b"name") + field(2, int64s([2], packed=False))
    data = example({"first": int64s([9])}) + field(1, field(1, pieces))
    assert parse_example(data) == {
        "first": FeatureValues("int64", [9]),
        "name": FeatureValues("int64", [1, 2]),
    }
    halves = field(3, field(1, b"\1") + field(1, b"\2")) + field(3, field(1, b"\3"))
    assert parse_example(example({"a": halves})) == {"a": FeatureValues("int64", [1, 2, 3])}


def test_of_two_the_last_one_counts() -> None:
    data = example([("a", int64s([1])), ("b", int64s([2])), ("a", floats([3.0]))])
    assert parse_example(data) == {
        "a": FeatureValues("float", [3.0]),
        "b": FeatureValues("int64", [2]),
    }
    assert parse_example(example({"a": int64s([1]) + floats([2.0])})) == {
        "a": FeatureValues("float", [2.0])
    }
    two_names = field(1, field(1, b"x") + field(1, b"y") + field(2, int64s([1])))
    assert parse_example(field(1, two_names)) == {"y": FeatureValues("int64", [1])}


def test_unknown_fields_are_passed_over() -> None:
    unknown = (
        field(9, b"abc")
        + (varint(10 << 3) + varint(300))
        + (varint(11 << 3 | 1) + bytes(8))
        + (varint(12 << 3 | 5) + bytes(4))
    )
    ids = unknown + field(3, unknown + field(1, b"\1\2") + unknown) + unknown
    data = unknown + field(1, unknown + entry("a", ids) + unknown) + unknown
    assert parse_example(data) == {"a": FeatureValues("int64", [1, 2])}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("0a", "a number without an end at byte 1"),
        ("0aff", "a number without an end at byte 1"),
        ("0a05 0a00", "a field of 5 bytes where 2 are left at byte 0"),
        ("0a02 0a05", "a field of 5 bytes where 0 are left at byte 2"),
        ("00", "a field with the number 0 at byte 0"),
        ("808080801000", "a field with the number 536870912 at byte 0"),
        ("0b0c", "wire type 3, which does not exist, at byte 0"),
        ("0a05 0a03 0a01 ff", "a feature's name is not UTF-8 at byte 6"),
        ("0a08 0a06 1204 1a02 0a80", "a number without an end at byte 9"),
        ("0a09 0a07 1205 1a03 0a01 80", "a number without an end at byte 10"),
        ("0a12 0a10 120e 1a0c 0a0a 80808080808080808080", "a number without an end at byte 10"),
        ("0a13 0a11 120f 1a0d 0a0b 8080808080808080808000", "a number without an end at byte 10"),
        ("0a09 0a07 1205 1203 0a01 00", "1 bytes are no whole number of floats at byte 10"),
        ("0a08 0a06 1204 1202 0801", "wire type 0 in a list of float at byte 9"),
    ],
)
def test_bytes_that_are_no_example(data: str, problem: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the whole text is compared)
        parse_example(bytes.fromhex(data))
    assert str(caught.value) == problem


def test_an_example_that_was_cut_anywhere(records: list[bytes]) -> None:
    whole = parse_example(records[0])
    for size in range(1, len(records[0])):
        with pytest.raises(ValueError, match="at byte"):
            parse_example(records[0][:size])
    assert len(whole) == 7


INT64S = st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(0, 300)
FLOATS = st.floats(width=32, allow_nan=False)
LISTS = (
    st.builds(int64s, st.lists(INT64S, max_size=5), st.booleans())
    | st.builds(floats, st.lists(FLOATS, max_size=5), st.booleans())
    | st.builds(byte_strings, st.lists(st.binary(max_size=4), max_size=3))
)
FEATURES = st.lists(LISTS, max_size=3).map(b"".join)
ENTRIES = st.lists(st.tuples(st.sampled_from(["a", "b", "input_ids", "é"]), FEATURES), max_size=4)


def tensorflow_messages() -> Any:
    """TensorFlow's own `feature_pb2`, without the seconds that importing the rest takes."""
    tensorflow = importlib.util.find_spec("tensorflow")
    assert tensorflow
    assert tensorflow.origin
    path = Path(tensorflow.origin).parent / "core/example/feature_pb2.py"
    spec = importlib.util.spec_from_file_location("tensorflow_feature_pb2", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MESSAGES = tensorflow_messages()


def by_protobuf(features: bytes) -> dict[str, FeatureValues] | None:
    """What protobuf makes of a `Features` message; None where it is none."""
    try:
        message = MESSAGES.Features.FromString(features)
    except Exception:
        return None
    read = {}
    for name, feature in message.feature.items():
        kind = feature.WhichOneof("kind")
        values = list(getattr(feature, kind).value) if kind else []
        read[name] = FeatureValues((kind or "nothing").removesuffix("_list"), values)
    return read


@settings(deadline=None, max_examples=200)
@given(ENTRIES)
def test_examples_are_read_as_protobuf_reads_them(entries: list[tuple[str, bytes]]) -> None:
    features = b"".join(entry(name, feature) for name, feature in entries)
    expected = by_protobuf(features)
    assert expected is not None
    assert parse_example(field(1, features)) == expected


@settings(deadline=None, max_examples=400)
@given(ENTRIES, st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=3))
def test_damaged_examples_are_read_as_protobuf_reads_them(
    entries: list[tuple[str, bytes]], changes: list[tuple[int, int]]
) -> None:
    features = bytearray().join(entry(name, feature) for name, feature in entries)
    for place, byte in changes:
        if features:
            features[place % len(features)] = byte
    expected = by_protobuf(bytes(features))
    read, problem = None, ""
    try:
        read = parse_example(field(1, bytes(features)))
    except ValueError as error:
        problem = str(error)
    if read is None:
        # Stricter, as TensorFlow's own fast parser is: no groups, no odd types in a list.
        assert expected is None or "wire type" in problem
        return
    # protobuf drops an entry with unknown fields, whatever else is in it; nobody writes one. Of a
    # name that is there twice, the entry before it is then the one that counts.
    assert expected is not None
    names = [name for name, _ in entries]
    if read.keys() == expected.keys() and (not changes or len(set(names)) == len(names)):
        assert repr(read) == repr({name: expected[name] for name in read})


@pytest.fixture(scope="module")
def by_tensorflow(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """A file that TensorFlow wrote, and what it wrote."""
    rng = random.Random(5)
    borders = [0, 1, 127, 128, 16_383, 16_384, 2**21, 2**31, 2**32, 2**62, -1, -(2**63)]
    written: list[dict[str, Any]] = []
    for _ in range(50):
        names = rng.sample(["input_ids", "b", "a", "much longer a name than others", "ü"], 4)
        values = [
            [rng.choice(borders) for _ in range(rng.choice([0, 1, 200]))],
            [rng.choice([0.0, 1.0, 0.1, -3.5e8]) for _ in range(rng.choice([0, 1, 200]))],
            ["text"] * rng.randint(0, 2),
            list(range(rng.randint(0, 130))),
        ]
        written.append(dict(zip(names, values, strict=True)))
    path = tmp_path_factory.mktemp("tensorflow") / "odd.tfrecord"
    write_with_tensorflow([{"path": str(path), "records": written}])
    return path, written


def test_examples_that_tensorflow_serialized(
    by_tensorflow: tuple[Path, list[dict[str, Any]]],
) -> None:
    path, written = by_tensorflow
    read = [parse_example(one.data) for one in read_frames(look_at(str(path)))]
    as_written = [
        {
            name: [np.float32(v) if isinstance(v, float) else v for v in values]
            for name, values in record.items()
            if values
        }
        for record in written
    ]
    assert as_written == [
        {
            name: [v.decode() if isinstance(v, bytes) else v for v in feature.values]
            for name, feature in record.items()
            if feature.values
        }
        for record in read
    ]


def test_hand_built_examples_are_those_of_tensorflow(sample_vocabulary: Vocabulary) -> None:
    # So that what the other tests build by hand is what protobuf reads.
    record = {"input_ids": [1, 300, -1], "masked_lm_weights": [1.0, 0.0]}
    for packed in (True, False):
        data = encoded(record, packed)
        read = by_protobuf(data[2:] if len(data) < 130 else data[3:])
        assert read == {
            "input_ids": FeatureValues("int64", [1, 300, -1]),
            "masked_lm_weights": FeatureValues("float", [1.0, 0.0]),
        }


# CRCs.


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_masked_crc32c(data: bytes) -> None:
    assert masked_crc32c(data) == masked_crc(data)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=3000), max_size=5))
def test_crcs_are_joined(parts: list[bytes]) -> None:
    crc = 0
    for part in parts:
        crc = join_crc32c(crc, google_crc32c.value(part), len(part))
    assert crc == google_crc32c.value(b"".join(parts))


def test_crcs_of_gigabytes_are_joined() -> None:
    size = 100_000_000
    piece = google_crc32c.value(bytes(size))
    zeros, whole = 0, google_crc32c.value(b"a")
    for _ in range(50):
        zeros = join_crc32c(zeros, piece, size)
        whole = join_crc32c(whole, piece, size)
    assert join_crc32c(google_crc32c.value(b"a"), zeros, 50 * size) == whole
