"""What a person meets: bad input in one line, manners of stdout and stderr, flags and defaults."""

import bz2
import contextlib
import fcntl
import gzip
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import zstandard
from click.testing import CliRunner, Result
from foreseen import LINE, without_line

from bertprep import __version__
from bertprep import terminal as progress
from bertprep.cli import main
from bertprep.corpus import Block, Split
from bertprep.create import job as create_job
from bertprep.create import pipeline as create_module
from bertprep.create import tokenizing
from bertprep.errors import MachineError
from bertprep.options import (
    InstanceOptions,
)

ROOT = Path(__file__).parents[2]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TEXT = b"The first line.\nA second one.\n\nAnother document.\nIt has two lines.\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, sample_corpus: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a text and a vocabulary."""
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_bytes(TEXT)
    Path("long.txt").write_bytes((sample_corpus / "english-a.txt").read_bytes())
    Path("vocab.txt").write_bytes((sample_corpus / "vocab.txt").read_bytes())
    return tmp_path


def create(
    *arguments: str, vocab: str = "vocab.txt", output: str = "out", stdin: bytes = b""
) -> Result:
    """Runs `bertprep create` in this process."""
    files = ["--vocab", vocab, "--output", output, "--workers", "1"]
    return CliRunner().invoke(main, ["create", *files, *arguments], input=stdin)


def start(*arguments: str, **settings: Any) -> "subprocess.Popen[bytes]":
    """Starts `python -m bertprep` as a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "bertprep", *arguments]
    return subprocess.Popen(command, env=environment, **settings)


def tree(root: str = ".") -> dict[str, bytes | None]:
    """Everything in a folder, hidden files too."""
    paths = sorted(Path(root).rglob("*"))
    return {str(path): path.read_bytes() if path.is_file() else None for path in paths}


def assert_error(
    arguments: list[str], status: int, message: str, *, stdin: bytes = b"", **names: str
) -> None:
    """One `Error:` line that matches `message` from its start to its end, and nothing was left."""
    before = tree()
    result = create(*arguments, stdin=stdin, **names)
    assert result.exit_code == status, result.output
    assert result.stdout == ""
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert result.stderr.endswith(f"{errors[0]}\n")
    assert re.fullmatch(message, errors[0].removeprefix("Error: ")), errors[0]
    assert tree() == before


# The corpus.


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (["nope.txt"], r"nope\.txt: no such file or folder\. Check the spelling of the input"),
        (["a.txt", "no*.txt"], r"no\*\.txt: no file matches this glob\. Check the spelling .*"),
        (
            ["empty"],
            r"empty: no text files in this folder\. .* Name other files with a glob, as in .*",
        ),
        (["vocab.txt"], r"vocab\.txt: this is the vocabulary \(--vocab\)\. Remove it from .*"),
    ],
)
def test_names_without_text_are_usage_errors(inputs: list[str], message: str) -> None:
    Path("empty").mkdir()
    Path("empty", ".hidden.txt").write_bytes(TEXT)
    assert_error(inputs, 2, message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", r"bad\.txt: all input files are empty\. Name other files"),
        (b"\n \n\t\r\n\xe3\x80\x80\n", r"bad\.txt: no documents: all lines are blank .*"),
        ("\u200b\n".encode(), r"bad\.txt: no documents: .* or have no tokens\. Name other files"),
        (
            b"a\n\nb\nc\xff\n",
            r"bad\.txt:4: not UTF-8 \(byte 0xff\)\. Fix the line, convert the file "
            r"\(iconv .*\), or pass --encoding-errors replace or skip",
        ),
        (b"a\nb\0\n", r"bad\.txt:2: NUL byte\. Fix the line, .* or pass --encoding-errors .*"),
        (b"a\nb b b\n" + b"c " * 26, r"bad\.txt:3: line is 52 characters, the limit is 50\. .*"),
        ("aé\n".encode("utf-16"), r"bad\.txt: this text is UTF-16, .* iconv -f UTF-16 .*"),
        (
            b"a\n\n" + b"b\n" * 60,
            r"bad\.txt:3: the document that starts here is over 100 bytes, the limit\. Are the "
            r"empty lines between documents missing\? Add them, or pass --max-document-bytes",
        ),
    ],
    ids=["empty", "blank", "no token", "encoding", "NUL", "long line", "UTF-16", "document"],
)
@pytest.mark.parametrize("compression", ["plain", "gzip"])
def test_bad_text_is_named_by_file_and_line(text: bytes, message: str, compression: str) -> None:
    if compression == "gzip":
        # That it is empty shows only when it is read.
        message = message.replace(r"all input files are empty\. Name other files", "no docu.*")
        text = gzip.compress(text)
    Path("bad.txt").write_bytes(text)
    assert_error(["bad.txt", "--max-line-chars", "50", "--max-document-bytes", "100"], 1, message)


@pytest.mark.parametrize("compression", ["plain", "gzip"])
def test_the_line_is_right_in_later_splits_and_blocks(
    monkeypatch: pytest.MonkeyPatch, compression: str
) -> None:
    monkeypatch.setattr(tokenizing, "BLOCK_BYTES", 4_000)
    monkeypatch.setattr(create_job, "BLOCK_BYTES", 12_000)
    lines = Path("long.txt").read_bytes().split(b"\n")
    lines[len(lines) - 30] += b"\xc3("
    text = b"\n".join(lines)
    Path("bad.txt").write_bytes(gzip.compress(text) if compression == "gzip" else text)
    assert_error(["a.txt", "bad.txt"], 1, rf"bad\.txt:{len(lines) - 29}: not UTF-8 .*")


@pytest.mark.parametrize("packed", [gzip.compress, bz2.compress], ids=["gzip", "bzip2"])
def test_a_truncated_file_is_named(packed: Callable[[bytes], bytes]) -> None:
    Path("bad").write_bytes(packed(Path("long.txt").read_bytes())[:9_000])
    message = r"bad: the \w+ stream ends in the middle \(truncated download\?\)\. Download or .*"
    assert_error(["bad"], 1, message)


MEASURE = """
import re, resource, sys
from pathlib import Path
from bertprep.cli import main
try:
    main()
finally:
    own = re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())
    print(int(own[1]), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.parametrize("is_compressed", [False, True])
def test_a_line_of_100_megabytes_is_an_error_in_little_memory(is_compressed: bool) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("reads the most memory that a process had in /proc")
    with open("bad.txt", "wb") as file:
        packed = zstandard.ZstdCompressor().stream_writer(file, closefd=False)
        with packed if is_compressed else contextlib.nullcontext(file) as stream:
            for _ in range(100 * (4 if is_compressed else 1)):
                stream.write(b"a " * 500_000)
    files = ("--vocab", "vocab.txt", "--output", "out")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, "create", "bad.txt", *files],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        "Error: bad.txt:1: line is over 1,000,000 characters, the limit. "
        "Split it into sentences, or pass --max-line-chars\n"
    )
    assert not Path("out").exists()
    # 160 MB of it for Python and the kernels, 250 MB where they are compiled.
    assert all(int(kilobytes) < 350_000 for kilobytes in done.stdout.split())


@pytest.mark.parametrize("late", [False, True])
def test_a_corpus_that_is_overwritten_during_the_run_is_named(
    late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = Path("long.txt").read_bytes()
    read_blocks = tokenizing.read_blocks

    def overwrite_then_read(split: Split, *arguments: Any) -> Iterator[Block]:
        if late:
            yield from read_blocks(split, *arguments)
        Path("long.txt").write_bytes(text[::-1])
        os.utime("long.txt", ns=(1, 1))
        if not late:
            yield from read_blocks(split, *arguments)

    monkeypatch.setattr(tokenizing, "read_blocks", overwrite_then_read)
    result = create("long.txt", "--quiet")
    assert result.exit_code == 1
    assert result.output == (
        "Error: long.txt: the file was written to during the run: it has changed. Let nothing "
        "write to it, and start again\n"
    )
    assert not Path("out").exists()


def test_bad_lines_can_be_replaced_or_left_out() -> None:
    Path("bad.txt").write_bytes(TEXT + b"bad \xff line\n\nNUL \0\nlast\n")
    for mode, words in (("replace", "replaced"), ("skip", "skipped")):
        result = create("bad.txt", "--encoding-errors", mode, output=mode)
        assert result.exit_code == 0, result.output
        assert without_line(result.stderr) == (
            f"Warning: 2 lines had invalid UTF-8 or NUL bytes: {words} (--encoding-errors {mode})\n"
        )


# The vocabulary.


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        (None, r"v: no such file\. Pass the vocab\.txt of the model\."),
        (b"", r"v: this file is empty\. .*"),
        ("\n".join(SPECIAL[:-1]).encode(), r"v: has 4 lines, none of which is \[MASK\]\. .*"),
        ("\n".join([*SPECIAL, "a", "", ""]).encode(), r"v:7: .* Remove them: .* has 6 pieces\."),
        ("\n".join([*SPECIAL, "a", "a"]).encode(), r"v:7: 'a' is already in line 6\. .*"),
        ("\n".join([*SPECIAL, "", "a"]).encode(), r"v:6: this line is empty\. .*"),
        (json.dumps({"model": {"vocab": {}}}).encode(), r"v: this is JSON, not a vocab\.txt\. .*"),
        (b"<unk>\t0\n\xe2\x96\x81the\t-3.2\n", r"v:1: this is a SentencePiece vocabulary .*"),
        (b"\n\x0e\n\x05<unk>\x15\0\0\0\0\x18\x02", r"v: this is a SentencePiece model, not .*"),
        ("\n".join([*SPECIAL, "é"]).encode("latin-1"), r"v:6: not UTF-8 \(byte 0xe9.*"),
    ],
    ids=[
        "none",
        "empty",
        "no mask",
        "empty lines at the end",
        "twice",
        "gap",
        "json",
        "scores",
        "model",
        "latin",
    ],
)
def test_each_defect_of_a_vocabulary_is_named(vocabulary: bytes | None, message: str) -> None:
    if vocabulary is not None:
        Path("v").write_bytes(vocabulary)
    assert_error(["a.txt"], 2, message, vocab="v")


def test_a_casing_that_does_not_fit_is_a_warning() -> None:
    pieces = [f"{mark}{letter}" for mark in ("", "##") for letter in "abcdefghijklmnopqrstuvwxyz."]
    Path("v").write_text("\n".join([*SPECIAL, *pieces]))
    result = create("a.txt", "--no-lowercase", vocab="v")
    assert result.exit_code == 0
    assert without_line(result.stderr).startswith("Warning: the vocabulary has ")
    assert "If the model is uncased, pass --lowercase." in result.stderr


# Numbers that do not go together.


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--max-seq-length 4", r"max_seq_length must be between 5 and 65536, got 4"),
        ("--max-predictions-per-seq 129", r"max_predictions_per_seq must be .* \(128\), got 129"),
        ("--max-predictions-per-seq 0", r"max_predictions_per_seq must be .* got 0"),
        ("--masked-lm-prob 1.5", r"masked_lm_prob must be between 0 and 1, got 1\.5"),
        ("--short-seq-prob nan", r"short_seq_prob must be between 0 and 1, got nan"),
        ("--dupe-factor 0", r"dupe_factor must be between 1 and 100000, got 0"),
        ("--random-seed -1", r"random_seed must be 0 or more, got -1"),
        ("--workers 0", r"workers must be at least 1, got 0"),
        ("--num-shards 0", r"num_shards must be at least 1, got 0"),
        ("--eval-fraction 1", r"eval_fraction must be 0 or more and below 1, got 1\.0"),
        (
            "--num-shards 8 --num-partitions 3",
            r"8 shards cannot be divided evenly among 3 partitions: pass --num-shards 6 or 9",
        ),
        ("--num-shards 2 --num-partitions 4", r"2 shards cannot be .*: pass --num-shards 4"),
        ("--foo 3", r"No such option '--foo'\..*"),
        ("--dupe-factor ten", r"Invalid value for '--dupe-factor': 'ten' is not a valid integer\."),
        ("--quirks some", r"Invalid value for '--quirks': 'some' is not one of 'keep', 'fix'\."),
    ],
)
def test_numbers_and_flags_that_cannot_be_meant_are_usage_errors(flags: str, message: str) -> None:
    assert_error(["a.txt", *flags.split()], 2, message)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            "--eval-fraction 1e-9",
            r"--eval-fraction 1e-09 holds out 0 of 34 documents; at least 2 are needed\. Pass a "
            r"larger fraction, or leave it out",
        ),
        ("--eval-fraction 0.999999999", r"--eval-fraction .* holds out all 34 documents\. Pass .*"),
        (
            "--num-partitions 20 --quirks fix",
            r"partition \d+: with quirks=fix .* has a single one: use fewer partitions or shards, "
            r"or --quirks keep",
        ),
    ],
)
def test_numbers_that_do_not_fit_the_corpus_leave_nothing(flags: str, message: str) -> None:
    assert_error(["long.txt", *flags.split()], 1, message)


def test_many_shards_for_little_memory_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bertprep.create.partitions.LARGEST_PARTITION_BYTES", 10_000)
    message = r"2 shards are too few for this corpus: .*\. Pass --num-shards 7 or more, .*"
    assert_error(["long.txt", "--num-shards", "2"], 2, message)


# The output folder.


def test_the_output_of_another_run_is_refused_and_the_options_are_named() -> None:
    assert create("a.txt").exit_code == 0
    message = (
        r"out: made by another command \(max_seq_length was 128, is 64; max_predictions_per_seq "
        r"was 20, is 10; dupe_factor was 10, is 3\): name another --output, or pass --overwrite"
    )
    assert_error(["a.txt", "--max-seq-length", "64", "--dupe-factor", "3"], 2, message)
    message = (
        r"out: .* \(input a\.txt was \d+ bytes, .* modified_ns, is absent; input long\.txt was "
        r"absent, is .*\): name another --output, or pass --overwrite"
    )
    assert_error(["long.txt"], 2, message)
    Path("a.txt").write_bytes(TEXT + b"\nMore.\n")
    assert_error(["a.txt"], 2, r"out: .*\(input a\.txt was .* bytes, .*, is .*\): name another .*")


def test_an_older_format_is_refused_and_its_records_are_read() -> None:
    assert create("a.txt", "--no-whole-word-mask").exit_code == 0
    manifest = json.loads(Path("out", "manifest.json").read_bytes())
    plan = manifest["plan"] | {"format": 1} | manifest["plan"]["libraries"]
    del plan["libraries"], plan["instances"]["objective"], plan["instances"]["masking"]
    plan["instances"]["whole_word_mask"] = False
    Path("out", "plan.json").write_text(json.dumps(plan))
    Path("out", "manifest.json").write_text(json.dumps(manifest | {"plan": plan}))
    message = (
        r"out: made by another command \(in format 1, by another version of bertprep; this "
        r"version writes format 2\): name another --output, or pass --overwrite"
    )
    assert_error(["a.txt"], 2, message)
    shown = CliRunner().invoke(main, ["inspect", "out", "--verify"])
    assert shown.exit_code == 0, shown.output
    assert create("a.txt", "--overwrite").exit_code == 0


def test_a_vocabulary_that_changed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    build = create_module._build
    monkeypatch.setattr(create_module, "_build", fail)
    assert create("a.txt").exit_code == 1
    monkeypatch.setattr(create_module, "_build", build)
    vocabulary = Path("vocab.txt").read_bytes()
    Path("vocab.txt").write_bytes(vocabulary + b"##another\n")
    message = (
        r"out: made by another command \(vocabulary sha256 was [0-9a-f]{8}\.\.\., is [0-9a-f]{8}"
        r"\.\.\.; vocabulary size was \d+, is \d+\): name another --output, or pass --overwrite"
    )
    assert_error(["a.txt"], 2, message)
    Path("vocab.txt").write_bytes(vocabulary)
    result = create("a.txt")
    assert result.exit_code == 0
    assert result.stderr == "out: resuming an earlier run\n"


def test_a_vocabulary_that_changes_between_two_runs_of_a_process_is_read_again() -> None:
    assert create("a.txt", output="one").exit_code == 0
    lines = Path("vocab.txt").read_text().split("\n")
    turned = [*lines[:5], *lines[-2:4:-1], ""]
    Path("vocab.txt").write_text("\n".join(turned))
    assert create("a.txt", output="two").exit_code == 0
    name = "tf_examples.tfrecord-00000-of-00001"
    assert Path("one", name).read_bytes() != Path("two", name).read_bytes()


def fail(*_: object) -> None:
    raise MachineError("stopped by the test")


def test_overwrite_removes_only_what_the_plan_lists() -> None:
    flags = ("--num-shards", "4", "--eval-fraction", "0.2")
    assert create("long.txt", *flags).exit_code == 0
    Path("out", "notes.md").write_text("mine")
    Path("out", "eval", "tf_examples.tfrecord-mine").write_text("mine")
    result = create("long.txt", "--overwrite")
    assert result.exit_code == 0, result.output
    assert sorted(path.removeprefix("out/") for path in tree("out")) == [
        "eval",
        "eval/tf_examples.tfrecord-mine",
        "manifest.json",
        "notes.md",
        "plan.json",
        "tf_examples.tfrecord-00000-of-00001",
        "vocab.txt",
    ]
    assert Path("out", "notes.md").read_text() == "mine"
    create("long.txt", output="fresh")
    for name in ("manifest.json", "plan.json", "tf_examples.tfrecord-00000-of-00001"):
        assert Path("out", name).read_bytes() == Path("fresh", name).read_bytes()


def test_what_no_plan_lists_is_never_written_over() -> None:
    Path("out").mkdir()
    records = Path("out", "tf_examples.tfrecord-00000-of-00001")
    records.write_text("from elsewhere")
    message = rf"{records}: is here without a plan\.json; name another --output, .*"
    for flags in ([], ["--overwrite"]):
        assert_error(["a.txt", *flags], 2, message)
    records.unlink()
    Path("out", "vocab.txt").write_text("my own")
    message = r"out/vocab\.txt: is a different vocabulary, where a copy of this run's belongs; .*"
    assert_error(["a.txt"], 2, message)
    Path("out", "vocab.txt").unlink()
    for plan in ("{", "[1, 2]", '{"name": "my plan"}'):
        Path("out", "plan.json").write_text(plan)
        message = r"out/plan\.json: .*\. bertprep did not write this file; name another --output"
        for flags in ([], ["--overwrite"]):
            assert_error(["a.txt", *flags], 2, message)


def test_a_vocabulary_in_the_output_folder_stays() -> None:
    Path("out").mkdir()
    vocabulary = Path("vocab.txt").read_bytes()
    Path("out", "vocab.txt").write_bytes(vocabulary)
    Path("bad.txt").write_bytes(b"\xff\n")
    message = r"bad\.txt:1: not UTF-8 .*"
    assert_error(["bad.txt"], 1, message, vocab="out/vocab.txt")
    for flags in ([], ["--overwrite", "--max-seq-length", "64"]):
        result = create("a.txt", *flags, vocab="out/vocab.txt")
        assert result.exit_code == 0, result.output
        assert Path("out", "vocab.txt").read_bytes() == vocabulary


def test_inputs_in_the_output_folder_are_refused() -> None:
    Path("out").mkdir()
    Path("out", "a.txt").write_bytes(TEXT)
    message = r"{}: this input is in the output folder\. Choose another folder for --output"
    assert_error(["out"], 2, message.format("out"))
    assert_error(["out/a.txt"], 2, message.format(r"out/a\.txt"))
    assert_error(["a.txt"], 2, r"a\.txt: this input is in the output folder\. .*", output=".")
    result = create("out", output="out/records")
    assert result.exit_code == 0, result.output
    assert create("out", output="out/records").stdout.startswith("out/records is already complete")


@pytest.mark.parametrize("output", ["a.txt", "a.txt/out", "a.txt/more/out"])
def test_an_output_that_is_no_folder_is_a_usage_error(output: str) -> None:
    message = rf"{output}: is not a folder; name another --output"
    assert_error(["long.txt"], 2, message, output=output)


def test_a_folder_that_cannot_be_made_is_named() -> None:
    if not Path("/proc/self").exists():
        pytest.skip("there is no /proc, where nobody can make a folder")
    message = r"/proc/out: cannot be written to \(No such file or directory\)"
    assert_error(["a.txt"], 1, message, output="/proc/out")


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Mounts a small file system on the folder `disk`, or changes it."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def run(options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "bertprep-test", str(disk)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"file systems cannot be mounted here: {done.stderr.strip()}")

    if sys.platform != "linux":
        pytest.skip("mounts a tmpfs, which is of Linux")
    yield run
    subprocess.run(["umount", "-l", str(disk)], capture_output=True, check=False)


def test_a_read_only_folder_is_named(mount: Callable[[str], None]) -> None:
    mount("size=1m")
    mount("remount,ro")
    message = (
        r"disk/out: cannot be written to \(Read-only file system\. "
        r"Choose a path on a file system that is not read-only\)"
    )
    assert_error(["a.txt"], 1, message, output="disk/out")


def test_a_disk_that_is_too_small_is_known_before_anything_is_written(
    mount: Callable[[str], None],
) -> None:
    mount("size=2m")
    message = (
        r"disk/out: about 2\.\d MB will be written, but only 2\.\d MB are free\. Choose another "
        r"--output, lower --dupe-factor, or pass --no-check-disk"
    )
    assert_error(["long.txt", "--dupe-factor", "15"], 1, message, output="disk/out")
    result = create("long.txt", "--dupe-factor", "5", output="disk/out")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("kilobytes", [40, 1000], ids=["while tokenizing", "in the shards"])
def test_a_full_disk_is_an_error_that_the_same_command_gets_over(
    mount: Callable[[str], None], kilobytes: int
) -> None:
    mount(f"size={kilobytes}k")
    flags = ("long.txt", "--no-check-disk", "--num-partitions", "3")
    result = create(*flags, output="disk/out")
    assert result.exit_code == 1
    (line,) = without_line(result.stderr).splitlines()
    assert line.startswith("Error: split" if kilobytes == 40 else "Error: partition ")
    assert ": disk/out/" in line
    assert line.endswith(
        "No space left on device. Free some space, then repeat the command to resume"
    )
    left = tree("disk/out")
    mount("remount,size=64m")
    assert create(*flags, output="out").exit_code == 0
    whole = tree("out")
    assert "disk/out/manifest.json" not in left
    for path, data in left.items():
        if path.startswith("disk/out/tf_examples"):
            assert data == whole[path.removeprefix("disk/")]
    result = create(*flags, output="disk/out")
    assert result.exit_code == 0, result.output
    assert {path.removeprefix("disk/"): data for path, data in tree("disk/out").items()} == whole


# What is said, and where.


def test_the_summary_goes_to_stdout_and_what_is_foreseen_to_stderr() -> None:
    result = create("long.txt", "--eval-fraction", "0.2")
    assert without_line(result.stderr) == ""
    names = [re.split(r"  +", line)[0] for line in result.stdout.splitlines()]
    assert names == [
        *("documents", "held out", "sentences", "tokens", "[UNK]", "truncated", "instances"),
        *("random next", "masked", "largest partition", "written", "time"),
    ]


def test_quiet_says_nothing() -> None:
    for text in (TEXT, b"a\n\nb\n"):  # the second with a warning
        Path("a.txt").write_bytes(text)
        result = create("a.txt", "--quiet", "--overwrite")
        assert (result.exit_code, result.output) == (0, "")
    assert create("nope.txt", "--quiet").stderr.startswith("Error: nope.txt")


@pytest.mark.parametrize(
    ("text", "flags", "warning"),
    [
        (
            b"One document.\nOf two sentences.\n",
            [],
            "the corpus is a single document, so random next sentences come from the same "
            "document. Put an empty line between documents",
        ),
        (
            b"One.\n\nTwo.\n\nThree.\n",
            [],
            "every document has one sentence (for example a.txt:1), so no instance has a true "
            "next sentence. Put empty lines between documents, not between sentences",
        ),
        (
            TEXT + "\nᚠᛇᚻ ᛒᛦᚦ ᚠᚱᚩᚠᚢᚱ.\nᚠᛁᚱᚪ.\n".encode(),
            [],
            "of the tokens are [UNK], such as ᚠᛇᚻ 1x, ᛒᛦᚦ 1x, ᚠᚱᚩᚠᚢᚱ 1x, ᚠᛁᚱᚪ 1x (a.txt:7); the "
            "vocabulary lacks ",
        ),
        (
            TEXT * 3,
            ["--max-seq-length", "6"],
            "of the tokens are truncated to --max-seq-length. If the lines are paragraphs, "
            "pass --split-sentences",
        ),
        (
            TEXT,
            ["--num-partitions", "9"],
            "partitions have no documents, so their shards ",
        ),
    ],
    ids=["single", "one sentence", "unknown", "cut", "empty partitions"],
)
def test_warnings_name_the_cause(text: bytes, flags: list[str], warning: str) -> None:
    Path("a.txt").write_bytes(text)
    result = create("a.txt", *flags)
    assert result.exit_code == 0, result.output
    (line,) = without_line(result.stderr).splitlines()
    assert line.startswith("Warning: ")
    assert warning in line


def test_stderr_that_is_no_terminal_gets_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_PLAIN_LINE_SECONDS", 0.0)
    result = create("long.txt")
    assert "\r" not in result.stderr
    plain = re.compile(r"(tokenize|build): \d+%, \d+\.\d MB/s, \d+ s left")
    lines = without_line(result.stderr).splitlines()
    assert all(plain.fullmatch(line) for line in lines)
    assert {line.split(":")[0] for line in lines} == {"tokenize", "build"}


def test_a_terminal_gets_a_bar_with_the_rate_and_the_time_left() -> None:
    Path("long.txt").write_bytes(Path("long.txt").read_bytes() * 20)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    files = ("--vocab", "vocab.txt", "--output", "out", "--dupe-factor", "1")
    process = start("create", "long.txt", *files, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # the terminal's way to say that nobody writes to it any more
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    process.communicate()
    assert process.returncode == 0
    for stage in ("tokenize", "build"):
        bar = rf"\r{stage}: 100%\|█+\| 1\.\d+M/1\.\d+M \[00:\d\d, 00:00 left, *[\d.]+MB/s\]"
        assert re.search(bar, shown.decode()), shown.decode()


@pytest.mark.parametrize("arguments", [["--help"], ["create", "--help"], ["create", "a.txt"]])
def test_a_closed_pipe_is_quiet(arguments: list[str]) -> None:
    if arguments[-1] == "a.txt":
        arguments = [*arguments, "--vocab", "vocab.txt", "--output", "out"]
    reader, writer = os.pipe()
    os.close(reader)  # as `| head` does when it has enough
    process = start(*arguments, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    _, words = process.communicate()
    assert LINE.sub("", words.decode()) == ""
    assert process.returncode in (0, 1)


# stdin.


@pytest.mark.parametrize("pack", [bytes, partial(gzip.compress, mtime=0)], ids=["plain", "gzip"])
def test_stdin_is_a_corpus_and_is_gone_on_with(
    pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = Path("long.txt").read_bytes()
    flags = ("-", "--num-partitions", "2")
    assert text.count(b"the") > 100
    assert create("long.txt", *flags[1:], output="file").exit_code == 0
    assert create(*flags, output="whole", stdin=pack(text)).exit_code == 0
    build = create_module._build
    monkeypatch.setattr(create_module, "_build", fail)
    assert create(*flags, stdin=pack(text)).exit_code == 1
    monkeypatch.setattr(create_module, "_build", build)
    for other in (TEXT, text.replace(b"the", b"teh")):
        result = create(*flags, stdin=pack(other))
        assert result.exit_code == 2
        assert "made by another command (input - was " in result.stderr
    result = create(*flags, stdin=pack(text))
    assert result.stderr == "out: resuming an earlier run\n"
    out, whole = tree("out"), tree("whole")
    assert list(out.values()) == list(whole.values())
    for number in range(2):
        name = f"tf_examples.tfrecord-{number:05d}-of-00002"
        assert whole[f"whole/{name}"] == Path("file", name).read_bytes()


def test_an_empty_stdin_is_an_error() -> None:
    assert_error(["-"], 1, r"-: all input files are empty\. Name other files")


# The interface itself.


def test_the_module_runs_as_the_command_does() -> None:
    process = start("--version", stdout=subprocess.PIPE)
    words, _ = process.communicate()
    assert words.decode() == f"bertprep {__version__}\n"
    assert process.returncode == 0


@pytest.mark.parametrize("arguments", [[], ["create"]])
def test_every_command_has_help(arguments: list[str]) -> None:
    short, long = (CliRunner().invoke(main, [*arguments, flag]) for flag in ("-h", "--help"))
    assert short.exit_code == long.exit_code == 0
    assert short.stdout == long.stdout
    assert "Usage: " in long.stdout


def test_flags_may_be_spelled_with_underscores() -> None:
    result = create("a.txt", "--max_seq_length", "64", "--do_whole_word_mask", "--dupe_factor=2")
    assert result.exit_code == 0, result.output
    result = create("a.txt", "--max-seq-length", "64", "--dupe-factor", "2", "--do_lower_case")
    assert result.stdout.startswith("out is already complete")


def test_max_predictions_follow_length_and_probability() -> None:
    create("a.txt", "--max-seq-length", "512")
    plan = json.loads(Path("out", "plan.json").read_text())
    assert plan["instances"]["max_predictions_per_seq"] == 77
    assert InstanceOptions().predictions == 20


def test_errors_of_the_system_name_the_file_and_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "out/plan.json")

    monkeypatch.setattr("bertprep.storage.files.write_whole", refuse)
    message = (
        r"out/plan\.json: Permission denied\. Choose a path that you can write to, or change its "
        r"permissions"
    )
    assert_error(["a.txt"], 1, message)


def test_the_example_in_the_help_stands_on_a_line_of_its_own() -> None:
    shown = CliRunner().invoke(main, ["create", "--help"]).output
    assert "\\b" not in shown
    assert "\n    bertprep create sample_corpus --vocab sample_corpus/vocab.txt" in shown


@pytest.mark.parametrize(
    ("argument", "field", "expected"),
    [
        ("--do_lower_case=True", "lowercase", True),
        ("--do_lower_case=False", "lowercase", False),
        ("--do_whole_word_mask=True", "whole_word_mask", True),
        ("--do-whole-word-mask=false", "whole_word_mask", False),
        ("--check_disk=false", "check_disk", False),
    ],
)
def test_switches_are_taken_as_the_reference_spells_them(
    argument: str, field: str, expected: bool
) -> None:
    command = main.commands["create"]
    context = command.make_context("create", ["text", "--vocab", "v", "-o", "out", argument])
    assert context.params[field] is expected


def test_a_switch_with_another_value_is_a_mistake() -> None:
    result = CliRunner().invoke(main, ["create", "text", "--do_lower_case=maybe"])
    assert result.exit_code == 2
    assert "does not take a value" in result.output


# The reference's own command line.

SHARDS = [f"tf_examples.tfrecord-{k:05d}-of-00002" for k in range(2)]


def paste(*arguments: str) -> Result:
    """Run the command of the reference's README with these arguments."""
    flags = ["--vocab_file=vocab.txt", "--do_lower_case=True", "--max_seq_length=128"]
    flags += ["--max_predictions_per_seq=20", "--masked_lm_prob=0.15", "--random_seed=12345"]
    return CliRunner().invoke(main, ["create", *arguments, *flags, "--dupe_factor=5"])


def test_a_pasted_command_writes_the_file_that_it_names() -> None:
    result = paste("--input_file=long.txt", "--output_file=made/records.tfrecord")
    assert result.exit_code == 0, result.output
    data = Path("made/records.tfrecord").read_bytes()
    assert create("long.txt", "--dupe-factor", "5", "--num-shards", "1").exit_code == 0
    assert data == Path("out/tf_examples.tfrecord-00000-of-00001").read_bytes()
    assert sorted(os.listdir("made")) == ["records.tfrecord", "records.tfrecord.data"]
    before = tree()
    assert paste("--input_file=long.txt", "--output_file=made/records.tfrecord").exit_code == 0
    assert tree() == before
    Path("made/records.tfrecord").unlink()
    assert paste("--input_file", "long.txt", "--output_file", "made/records.tfrecord").stdout
    assert tree() == before


def test_lists_of_a_pasted_command_are_inputs_and_shards() -> None:
    result = paste("--input_file=long.txt,a*.txt", "--output_file=./0,./1", "--output", "folder")
    assert result.exit_code == 0, result.output
    assert create("long.txt", "a.txt", "--dupe-factor", "5", "--num-shards", "2").exit_code == 0
    for name, shard in zip("01", SHARDS, strict=True):
        assert Path(name).read_bytes() == Path("out", shard).read_bytes()
        assert os.path.samefile(name, Path("folder", shard))


def test_a_file_with_the_name_of_the_output_is_kept_unless_overwritten() -> None:
    Path("records").write_text("mine")
    before = tree()
    for more in ([], ["--dry-run"]):
        result = paste("--input_file=a.txt", "--output_file=records", *more)
        assert (result.exit_code, result.stderr) == (
            2,
            "Error: records: already exists. Name another --output-file, or pass --overwrite\n",
        )
        assert tree() == before
    assert paste("--input_file=a.txt", "--output_file=records", "--overwrite").exit_code == 0
    data = Path("records.data/tf_examples.tfrecord-00000-of-00001").read_bytes()
    assert Path("records").read_bytes() == data


def test_a_shard_is_copied_where_there_are_no_hard_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    result = paste("--input_file=a.txt", "--output_file=records")
    assert result.exit_code == 0, result.output
    shard = Path("records.data/tf_examples.tfrecord-00000-of-00001")
    assert shard.read_bytes() == Path("records").read_bytes()
    assert not os.path.samefile(shard, "records")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output_file=a,b", "--num-shards=3"], "num_shards must be 2, the number of files"),
        (["--output_file=a,a"], "--output-file names a file twice: a, a"),
        (["--output_file=s3://bucket/a"], "--output-file names local files: for a URL, pass"),
    ],
)
def test_lists_of_outputs_that_cannot_be_meant_are_usage_errors(
    arguments: list[str], message: str
) -> None:
    before = tree()
    result = paste("--input_file=a.txt", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert tree() == before
