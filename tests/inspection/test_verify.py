"""`inspect --verify` on whole data sets: its lines, what manifests promise, a thousand faults."""

import gzip
import json
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import google_crc32c
import pytest
from click.testing import CliRunner
from hand_built import (
    edit_manifest,
    encoded,
    example,
    frame,
    frames,
    int64s,
    made_records,
    write_data_set,
)
from legality import could_be_written
from mutations import Faults, as_lists

from bertprep.cli import main
from bertprep.errors import BertprepError, UsageError
from bertprep.inspection import scan
from bertprep.inspection.verify import Verification
from bertprep.options import InspectOptions, InstanceOptions, RecordOptions
from bertprep.vocab import Vocabulary

OPTIONS = InstanceOptions(max_seq_length=32, max_predictions_per_seq=5, dupe_factor=1)
NAMES = [f"tf_examples.tfrecord-0000{k}-of-00003" for k in range(3)]
NAMES_OF_TWO = [f"tf_examples.tfrecord-0000{k}-of-00002" for k in range(2)]
HELD_OUT = "eval/tf_examples.tfrecord-00000-of-00001"
DAMAGED = "its data does not match its CRC: it was changed after it was written"


@pytest.fixture
def records(sample_vocabulary: Vocabulary) -> list[bytes]:
    return made_records(sample_vocabulary, OPTIONS)[:40]


@pytest.fixture
def folder(records: list[bytes], sample_vocabulary: Vocabulary, tmp_path: Path) -> Path:
    """A data set of three shards and a held-out one, with counts that are right."""
    shards = [records[:15], records[15:16], records[16:36]]
    return write_data_set(
        *(tmp_path / "rec", shards, sample_vocabulary, OPTIONS),
        held_out=[records[36:]],
        counts=counts_of(records),
    )


def counts_of(records: Sequence[bytes]) -> dict[str, int]:
    """What the manifest counts, by another reader."""
    read = list(map(as_lists, records))
    return {
        "instances": len(read),
        "instance_tokens": sum(sum(record["input_mask"]) - 3 for record in read),
        "masks": int(sum(sum(record["masked_lm_weights"]) for record in read)),
        "random_next": sum(record["next_sentence_labels"][0] for record in read),
    }


def verify(*paths: str | Path, **options: Any) -> list[str]:
    """The lines that verifying prints."""
    options = {"workers": 2} | options
    verification = Verification(InspectOptions(tuple(map(str, paths)), verify=True, **options))
    lines = list(verification)
    assert verification.num_faults == len(lines) - 1
    assert not any("\n" in line for line in lines)
    return lines


def faults_of(lines: list[str], folder: Path) -> list[str]:
    """The faults by paths inside the folder, without the summary."""
    return [line.removeprefix(f"{folder}/") for line in lines[:-1]]


def offset_of(records: Sequence[bytes], number: int) -> int:
    return sum(len(record) + 16 for record in records[:number])


def change(path: Path, at: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)


# A whole data set.


def test_a_whole_data_set(folder: Path, records: list[bytes]) -> None:
    size = offset_of(records, 40)
    assert verify(folder) == [
        f"{folder}: 40 records in 4 shards, {size / 1000:.1f} KB: no faults, as the manifest says"
    ]
    assert [json.loads(line) for line in verify(folder, json=True)] == [
        {"faults": 0, "records": 40, "shards": 4, "bytes": size}
    ]


def test_nothing_else_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verify(folder)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("names", ["v1", "v2"])
@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("quirks", ["keep", "fix"])
@pytest.mark.parametrize("whole_words", [True, False])
def test_records_of_all_options_have_no_faults(
    names: str,
    compression: str,
    quirks: str,
    whole_words: bool,
    sample_vocabulary: Vocabulary,
    tmp_path: Path,
) -> None:
    options = InstanceOptions(
        max_seq_length=48, quirks=quirks, whole_word_mask=whole_words, dupe_factor=1
    )
    how = RecordOptions(compression=compression, feature_names=names)
    made = made_records(sample_vocabulary, options, how)
    shards = [made[0::3], [], made[1::3], made[2::3]]
    folder = write_data_set(
        *(tmp_path / "rec", shards, sample_vocabulary, options, how), counts=counts_of(made)
    )
    (summary,) = verify(folder, workers=1)
    assert summary.endswith(": no faults, as the manifest says")
    assert f" {len(made)} records in 4 shards, " in summary


def test_records_of_the_command_have_no_faults(sample_corpus: Path, tmp_path: Path) -> None:
    output = tmp_path / "rec"
    arguments = [sample_corpus, "--vocab", sample_corpus / "vocab.txt", "--output", output]
    arguments += ["--num-partitions", 2, "--eval-fraction", 0.1, "--dupe-factor", 1, "--quiet"]
    result = CliRunner().invoke(main, ["create", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    (summary,) = verify(output)
    assert summary.endswith(": no faults, as the manifest says")


def test_a_part_of_a_data_set(folder: Path, records: list[bytes]) -> None:
    # Its counts are of all, and are not compared.
    size = offset_of(records, 15)
    assert verify(folder / NAMES[0]) == [
        f"{folder / NAMES[0]}: 15 records in 1 shard, {size / 1000:.1f} KB: no faults, as the "
        "manifest says"
    ]
    assert len(verify(folder / "eval")) == 1
    assert len(verify(folder / "eval", f"{folder}/*")) == 1


def test_several_data_sets(folder: Path, tmp_path: Path) -> None:
    other = shutil.copytree(folder, tmp_path / "other")
    (summary,) = verify(folder, other)
    assert summary.startswith(f"{folder} {other}: 80 records in 8 shards, ")
    assert summary.endswith(": no faults, as the manifest says")
    change(other / NAMES[1], 40)
    lines = verify(folder, other)
    assert lines[:-1] == [f"{other / NAMES[1]}: record 0 at byte 0: {DAMAGED}"]
    assert lines[-1].endswith(": 1 fault")


# Faults.


def test_faults_are_in_the_order_of_the_files(folder: Path, records: list[bytes]) -> None:
    first, last, held_out = folder / NAMES[0], folder / NAMES[2], folder / HELD_OUT
    at = offset_of(records, 10)
    change(first, at + 50)
    change(last, 8)
    held_out.write_bytes(held_out.read_bytes()[:-3])
    (folder / NAMES[1]).unlink()
    (folder / "copy.tfrecord").touch()
    of_four = offset_of(records[36:], 3)
    expected = [
        f"{NAMES[1]}: missing, but listed in the manifest",
        "copy.tfrecord: not listed in the manifest; readers may take it for records",
        f"{NAMES[0]}: record 10 at byte {at}: {DAMAGED}",
        f"{NAMES[2]}: record 0 at byte 0: the CRC of its length is wrong; the length and the "
        "record are intact",
        f"{HELD_OUT}: record 3 at byte {of_four}: the file ends 3 bytes before this record does: "
        "it is truncated",
    ]
    lines = verify(folder)
    assert faults_of(lines, folder) == expected
    assert lines[-1].startswith(f"{folder}: 39 records in 3 shards, ")
    assert lines[-1].endswith(": 5 faults")


def test_faults_as_json(folder: Path, records: list[bytes]) -> None:
    change(folder / NAMES[0], offset_of(records, 3) + 60)
    (folder / HELD_OUT).unlink()
    *faults, summary = map(json.loads, verify(folder, json=True))
    assert faults == [
        {
            "file": str(folder / HELD_OUT),
            "record": None,
            "byte": None,
            "problem": "missing, but listed in the manifest",
        },
        {
            "file": str(folder / NAMES[0]),
            "record": 3,
            "byte": offset_of(records, 3),
            "problem": DAMAGED,
        },
    ]
    size = offset_of(records, 36)
    assert summary == {"faults": 2, "records": 36, "shards": 3, "bytes": size}


def replace_record(
    folder: Path, records: list[bytes], number: int, record: bytes, name: str = NAMES[0]
) -> None:
    """Puts another record into a shard, with right CRCs, and tells the manifest."""
    records = [*records[:number], record, *records[number + 1 :]]
    (folder / name).write_bytes(frames(records))
    make_right(folder)


def make_right(folder: Path) -> None:
    """Makes what the manifest says of files right."""

    def edit(manifest: Any) -> None:
        for shard in manifest["shards"] + manifest["eval_shards"]:
            stream = (folder / shard["name"]).read_bytes()
            stream = gzip.decompress(stream) if stream[:2] == b"\x1f\x8b" else stream
            shard["bytes"], shard["crc32c"] = len(stream), google_crc32c.value(stream)

    edit_manifest(folder, edit)


def test_a_record_with_several_faults(
    folder: Path, records: list[bytes], sample_vocabulary: Vocabulary
) -> None:
    record = as_lists(records[4])
    record["next_sentence_labels"] = [7]
    record["input_ids"][0] = 5
    replace_record(folder, records[:15], 4, encoded(record))
    at = offset_of(records, 4)
    token = sample_vocabulary.tokens[5]
    assert faults_of(verify(folder), folder) == [
        f"{NAMES[0]}: record 4 at byte {at}: next_sentence_labels is 7, not 0 or 1",
        f"{NAMES[0]}: record 4 at byte {at}: {token} at position 0 instead of [CLS]",
    ]


@pytest.mark.parametrize("number", [0, 14])
def test_a_record_that_is_no_example(number: int, folder: Path, records: list[bytes]) -> None:
    replace_record(folder, records[:15], number, b"\x0a\x05abc")
    assert faults_of(verify(folder), folder) == [
        f"{NAMES[0]}: record {number} at byte {offset_of(records, number)}: it is not a "
        "tf.train.Example: a field of 5 bytes where 3 are left at byte 0"
    ]


def test_the_faults_do_not_depend_on_workers_and_ranges(
    folder: Path, records: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, at in enumerate(range(100, 4900, 400)):
        change(folder / NAMES[number % 2 * 2], at, number % 8)
    expected = verify(folder, workers=1)
    assert len(expected) > 10
    for workers, range_bytes in ((1, 300), (2, 1000), (5, 1000), (3, 1 << 30)):
        monkeypatch.setattr(scan, "RANGE_BYTES", range_bytes)
        assert verify(folder, workers=workers) == expected


# What the manifest says.


def test_a_record_too_few_or_too_many(folder: Path, records: list[bytes]) -> None:
    for some, count in ((records[:14], 14), ([*records[:15], records[0]], 16)):
        (folder / NAMES[0]).write_bytes(frames(some))
        assert faults_of(verify(folder), folder) == [
            f"{NAMES[0]}: {count} records, the manifest says 15"
        ]


def test_records_of_another_size(folder: Path, records: list[bytes]) -> None:
    (folder / NAMES[0]).write_bytes(frames([*records[:14], records[20]]))
    size, promised = offset_of(records, 14) + len(records[20]) + 16, offset_of(records, 15)
    assert size != promised
    assert faults_of(verify(folder), folder) == [
        f"{NAMES[0]}: {size:,} bytes of records, the manifest says {promised:,}"
    ]


def test_a_legal_record_in_place_of_another(folder: Path, records: list[bytes]) -> None:
    record = as_lists(records[2])
    record["next_sentence_labels"][0] ^= 1
    (folder / NAMES[0]).write_bytes(frames([*records[:2], encoded(record), *records[3:15]]))
    (fault,) = faults_of(verify(folder), folder)
    assert fault.startswith(f"{NAMES[0]}: the CRC32C of its records is ")
    assert fault.endswith(": records and their own CRCs have been changed")
    # With the checksum made right as well, the counts tell.
    make_right(folder)
    counts = counts_of(records)
    (fault,) = faults_of(verify(folder), folder)
    changed = counts["random_next"] + (1 if record["next_sentence_labels"][0] else -1)
    assert fault == (
        f"manifest.json: random_next is {counts['random_next']}, the records have {changed}"
    )


@pytest.mark.parametrize("name", ["instances", "instance_tokens", "masks", "random_next"])
def test_counts_that_differ_from_the_manifest(name: str, folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    right = manifest["counts"][name]
    edit_manifest(folder, lambda manifest: manifest["counts"].update({name: 12_345}))
    assert faults_of(verify(folder), folder) == [
        f"manifest.json: {name} is 12,345, the records have {right:,}"
    ]
    assert len(verify(folder / NAMES[0])) == 1


def test_another_vocabulary_of_the_same_size(folder: Path, sample_vocabulary: Vocabulary) -> None:
    (folder / "vocab.txt").write_bytes(sample_vocabulary.data.replace(b"\nthe\n", b"\nthy\n"))
    (fault,) = faults_of(verify(folder), folder)
    assert fault.startswith(
        "vocab.txt: not the vocabulary that the records were made with (its SHA-256 is "
    )
    assert fault.endswith(f"…, the manifest says {sample_vocabulary.sha256[:8]}…)")
    right = folder.parent / "right.txt"
    right.write_bytes(sample_vocabulary.data)
    assert len(verify(folder, vocab=right)) == 1


def test_an_incomplete_data_set(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    assert faults_of(verify(folder), folder) == [
        "plan.json: there is no manifest.json: the data set is incomplete. Run the same bertprep "
        "create command again to resume it"
    ]


def test_a_file_compressed_against_the_manifest(folder: Path) -> None:
    path = folder / NAMES[0]
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert faults_of(verify(folder), folder) == [
        f"{NAMES[0]}: compressed with gzip, the manifest says none"
    ]


def test_a_file_not_compressed_against_the_manifest(
    records: list[bytes], sample_vocabulary: Vocabulary, tmp_path: Path
) -> None:
    how = RecordOptions(compression="gzip")
    folder = write_data_set(
        *(tmp_path / "rec", [records], sample_vocabulary, OPTIONS, how), counts=counts_of(records)
    )
    assert len(verify(folder)) == 1
    (path,) = folder.glob("*tfrecord*")
    path.write_bytes(frames(records))
    assert faults_of(verify(folder), folder) == [
        f"{path.name}: not compressed, the manifest says gzip"
    ]


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_an_emptied_shard(
    compression: str,
    records: list[bytes],
    sample_vocabulary: Vocabulary,
    tmp_path: Path,
) -> None:
    how = RecordOptions(compression=compression)
    shards = [records[:15], records[15:]]
    folder = write_data_set(tmp_path / "rec", shards, sample_vocabulary, OPTIONS, how)
    (folder / NAMES_OF_TWO[0]).write_bytes(b"")
    assert faults_of(verify(folder), folder) == [
        f"{NAMES_OF_TWO[0]}: 0 records, the manifest says 15"
    ]


def test_a_text_file_among_shards(folder: Path) -> None:
    (folder / NAMES[1]).write_text("Once upon a time\n")
    assert faults_of(verify(folder), folder) == [
        f"{NAMES[1]}: record 0 at byte 0: this is text ('Once upon a '…), not a TFRecord file"
    ]


# Without a manifest.


@pytest.fixture
def bare(folder: Path) -> Path:
    """The shards alone; the vocabulary beside the folder."""
    shutil.move(folder / "vocab.txt", folder.parent / "vocab.txt")
    for name in ("manifest.json", "plan.json"):
        (folder / name).unlink()
    return folder


def test_without_a_manifest(
    bare: Path, records: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="name the vocabulary that they were created with"):
        verify(bare)
    size = offset_of(records, 40)
    assert verify(bare, vocab=bare.parent / "vocab.txt") == [
        f"{bare}: 40 records in 4 shards, {size / 1000:.1f} KB: no faults"
    ]
    out, said = capsys.readouterr()
    assert out == ""
    assert said == (
        "Note: without a manifest, whole words and the number of masks are not checked; "
        "bertprep inspect --stats measures both\n"
    )
    verify(bare, vocab=bare.parent / "vocab.txt", quiet=True)
    assert capsys.readouterr() == ("", "")


def test_compression_without_a_manifest(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vocab = bare.parent / "vocab.txt"
    first, second = bare / NAMES[0], bare / NAMES[1]
    first.write_bytes(gzip.compress(first.read_bytes()))
    second.rename(second.with_suffix(".tfrecord.gz"))
    assert faults_of(verify(bare, vocab=vocab), bare) == [
        f"{second.with_suffix('.tfrecord.gz').name}: not compressed, although its name says gzip"
    ]
    assert (
        f"Note: {first} is compressed with gzip, although its name does not say so"
        in capsys.readouterr().err
    )


def test_features_of_another_tool_are_a_fault_only_where_a_manifest_promises_none(
    folder: Path, records: list[bytes], sample_vocabulary: Vocabulary, tmp_path: Path
) -> None:
    more = [record + example({"token_boundary": int64s([1, 0])}) for record in records]
    shard = folder / NAMES[0]
    shard.write_bytes(frames(more[:15]))
    with_manifest = list(Verification(InspectOptions((str(folder),), verify=True, quiet=True)))
    assert f"{shard}: record 0 at byte 0: unexpected feature 'token_boundary'" in "".join(
        with_manifest
    )
    alone = tmp_path / "alone.tfrecord"
    alone.write_bytes(frames(more))
    vocab = folder / "vocab.txt"
    options = InspectOptions((str(alone),), vocab, verify=True, quiet=True)
    verification = Verification(options)
    assert [line.endswith(": no faults") for line in verification] == [True]
    assert verification.num_records == len(records)


def test_an_empty_file_without_a_manifest(bare: Path) -> None:
    (bare / NAMES[0]).write_bytes(b"")
    assert faults_of(verify(bare, vocab=bare.parent / "vocab.txt"), bare) == [
        f"{NAMES[0]}: no records: the file is empty"
    ]


def test_other_masks_are_legal_without_a_manifest(
    bare: Path, records: list[bytes], sample_vocabulary: Vocabulary
) -> None:
    faults, rng = Faults(sample_vocabulary), Random(1)
    some = [
        *(faults.put(rng, record, "all_masks_left_out") for record in records),
        *(faults.put(rng, record, "mask_moved") for record in records),
    ]
    (bare / NAMES[0]).write_bytes(frames(some))
    assert len(verify(bare, vocab=bare.parent / "vocab.txt")) == 1


@pytest.mark.parametrize("start", [b"garbage that is no frame", frame(b"no example")])
def test_a_faulty_first_record(bare: Path, start: bytes) -> None:
    # What the records are like is then known from another one.
    for name in (*NAMES, HELD_OUT):
        path = bare / name
        path.write_bytes(start + path.read_bytes())
    lines = faults_of(verify(bare, vocab=bare.parent / "vocab.txt"), bare)
    assert [line.split(":")[0] for line in lines] == [*NAMES, HELD_OUT]
    assert all(": record 0 at byte 0: " in line for line in lines)


def test_a_damaged_first_record(bare: Path, records: list[bytes]) -> None:
    for name in (*NAMES[1:], HELD_OUT):
        (bare / name).unlink()
    for byte in (3, 10, 40, 200):
        (bare / NAMES[0]).write_bytes(frames(records))
        change(bare / NAMES[0], byte)
        lines = faults_of(verify(bare, vocab=bare.parent / "vocab.txt"), bare)
        assert len(lines) == 1
        assert lines[0].startswith(f"{NAMES[0]}: record 0 at byte 0: ")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "there are no records, only empty files. Name other files"),
        (
            b"Once upon a time",
            "record 0 at byte 0: this is text ('Once upon a '…), not a TFRecord file: name record "
            "files",
        ),
        (frame(b"no example"), "record 0 at byte 0: wire type 6, which does not exist, at byte 0"),
        (frame(b""), "record 0 at byte 0: there is no input_ids among its features (none)"),
    ],
    ids=["empty", "text", "no example", "no features"],
)
def test_a_file_without_records(
    content: bytes, problem: str, tmp_path: Path, sample_corpus: Path
) -> None:
    path = tmp_path / "a.tfrecord"
    path.write_bytes(content)
    with pytest.raises(BertprepError) as caught:
        verify(path, vocab=sample_corpus / "vocab.txt")
    assert caught.value.exit_status == 1
    assert str(caught.value) == f"{path}: {problem}"


def test_a_vocabulary_without_the_specials(bare: Path) -> None:
    vocab = bare.parent / "other.txt"
    vocab.write_text("".join(f"w{i}\n" for i in range(4000)))
    with pytest.raises(UsageError, match=r"the vocabulary has no \[CLS\]"):
        verify(bare, vocab=vocab)


# A thousand faults.

CASES = [
    (InstanceOptions(max_seq_length=64, dupe_factor=1), RecordOptions()),
    (
        InstanceOptions(
            max_seq_length=24,
            max_predictions_per_seq=8,
            masked_lm_prob=0.3,
            dupe_factor=1,
            quirks="fix",
        ),
        RecordOptions(compression="gzip", feature_names="v2"),
    ),
    (
        InstanceOptions(max_seq_length=128, dupe_factor=1, whole_word_mask=False),
        RecordOptions(feature_names="v2"),
    ),
    (
        InstanceOptions(max_seq_length=40, dupe_factor=1, quirks="fix", whole_word_mask=False),
        RecordOptions(),
    ),
]
NUM_FAULTS = 1000


def with_faults(
    vocabulary: Vocabulary, case: int, seed: int
) -> tuple[list[bytes], dict[int, tuple[str, bool]]]:
    """Records of which every other one has a fault: its kind, and whether it is legal still."""
    options, how = CASES[case]
    rng, faults = Random(seed), Faults(vocabulary, how.feature_names)
    good = made_records(vocabulary, options, how, num_sentences=400)
    records: list[bytes] = []
    known = {}
    while len(known) < NUM_FAULTS // len(CASES):
        record, kind = rng.choice(good), rng.choice(list(faults.kinds))
        damaged = faults.put(rng, record, kind)
        if damaged != record:
            records.append(rng.choice(good))
            known[len(records)] = (
                kind,
                could_be_written(damaged, vocabulary.tokens, options, how.feature_names),
            )
            records.append(damaged)
    return records, known


def test_a_thousand_faults_are_found(sample_vocabulary: Vocabulary, tmp_path: Path) -> None:
    # With the CRCs, the manifest's sums and its counts made right: only the rules are left.
    illegal, legal = Counter[str](), Counter[str]()
    for case, (options, how) in enumerate(CASES):
        records, known = with_faults(sample_vocabulary, case, seed=case)
        shards = [records[:100], records[100:]]
        folder = write_data_set(tmp_path / f"{case}", shards, sample_vocabulary, options, how)
        accused = {
            100 * NAMES_OF_TWO.index(Path(fault["file"]).name) + fault["record"]
            for fault in map(json.loads, verify(folder, json=True)[:-1])
        }
        assert accused == {number for number, (_, is_legal) in known.items() if not is_legal}
        for kind, is_legal in known.values():
            (legal if is_legal else illegal)[kind] += 1
    assert illegal.total() + legal.total() == NUM_FAULTS
    assert illegal.total() > 600
    assert len(illegal) > 35  # kinds of faults
