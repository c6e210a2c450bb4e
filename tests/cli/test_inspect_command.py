"""What a person meets at `bertprep inspect`: bad input in one line, exit statuses, flags, pipes."""

import gzip
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from bertprep.cli import main
from bertprep.options import InspectOptions

ROOT = Path(__file__).parents[2]
SHARD = "tf_examples.tfrecord-00000-of-00002"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, sample_corpus: Path) -> Path:
    """A small data set."""
    output = tmp_path_factory.mktemp("made") / "records"
    arguments = ["create", str(sample_corpus / "chinese.txt"), "--output", str(output), "--quiet"]
    arguments += ["--vocab", str(sample_corpus / "vocab.txt"), "--dupe-factor", "1"]
    arguments += ["--num-partitions", "2", "--max-seq-length", "64"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    return output


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the data set in `records` and a shard without a manifest beside."""
    shutil.copytree(made, tmp_path / "records")
    shutil.copy(made / SHARD, tmp_path / "alone.tfrecord")
    shutil.copy(made / "vocab.txt", tmp_path / "pieces.txt")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def inspect(*arguments: str) -> Result:
    """Runs `bertprep inspect` in this process."""
    return CliRunner().invoke(main, ["inspect", *arguments])


def assert_error(arguments: list[str], status: int, message: str) -> None:
    """One `Error:` line that matches `message` from its start to its end, and nothing else."""
    result = inspect(*arguments)
    assert result.exit_code == status, result.output
    assert isinstance(result.exception, SystemExit)
    assert re.fullmatch(f"Error: {message}\n", result.stderr), result.stderr
    assert result.stdout == ""


MODES = [[], ["--stats"], ["--verify"], ["--report", "page.html"], ["--compare", "records"]]
MODE_NAMES = ["look", "stats", "verify", "report", "compare"]


@pytest.mark.parametrize("mode", MODES, ids=MODE_NAMES)
@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("nope", 2, r"nope: no such file or folder\. Name record files, or the folder .*"),
        ("zz*", 2, r"zz\*: no file matches this glob\. Name record files, or .*"),
        ("empty", 2, r"empty: there are no records in this folder\. Name one that .*"),
        ("nothing.tfrecord", 1, r"nothing\.tfrecord: there are no records, .*empty.*"),
        (
            "text.txt",
            1,
            r"text\.txt: record 0 at byte 0: this is text \('The ferry le.*\), not a TFRecord.*",
        ),
    ],
    ids=["no file", "no match", "empty folder", "empty file", "text"],
)
def test_paths_without_records_are_named(
    path: str, status: int, message: str, mode: list[str]
) -> None:
    Path("empty").mkdir()
    Path("nothing.tfrecord").touch()
    Path("text.txt").write_text("The ferry leaves at dawn.\n")
    vocab = ["--vocab", "pieces.txt", "--quiet"]
    assert_error([path, *vocab, *mode], status, message)
    assert not Path("page.html").exists()


@pytest.mark.parametrize("mode", MODES[:-1], ids=MODE_NAMES[:-1])
def test_without_a_vocabulary_the_flag_is_named(mode: list[str]) -> None:
    message = (
        r"alone\.tfrecord: there is no vocab\.txt next to the records: name the vocabulary "
        r"that they were created with, with --vocab"
    )
    assert_error(["alone.tfrecord", "--quiet", *mode], 2, message)


@pytest.mark.parametrize("mode", MODES, ids=MODE_NAMES)
def test_a_vocabulary_of_another_size_is_named(mode: list[str]) -> None:
    pieces = Path("pieces.txt").read_text().split("\n")
    Path("short.txt").write_text("\n".join(pieces[:100]))
    message = r"short\.txt: has 100 pieces, but the records were created with 3,667: name .*"
    assert_error(["records", "--vocab", "short.txt", *mode], 2, message)


def test_a_vocabulary_that_is_too_small_is_detected_by_the_ids() -> None:
    pieces = Path("pieces.txt").read_text().split("\n")
    Path("short.txt").write_text("\n".join(pieces[:100]))
    result = inspect("alone.tfrecord", "--vocab", "short.txt", "--verify", "--quiet")
    assert result.exit_code == 1
    assert "is outside the vocabulary of 100 pieces" in result.stdout
    result = inspect("alone.tfrecord", "--vocab", "short.txt")
    assert result.exit_code == 1
    assert re.match(r"Error: alone\.tfrecord: record \d+ at byte \d+: .*--vocab", result.stderr)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--num 0", "num must be at least 1, got 0"),
        ("--skip -1", "skip must be 0 or more, got -1"),
        ("--sample 0", "sample must be at least 1, got 0"),
        ("--seed -1", "seed must be 0 or more, got -1"),
        ("--workers 0 --stats", "workers must be at least 1, got 0"),
        ("--stats --verify", "--stats and --verify are one at a time"),
        ("--index 0:1 --find the", "--index and --find are one at a time"),
        ("--verify --find the", "--verify takes all records, and no --find"),
        ("--stats --raw --skip 3", "--stats takes all records, and no --raw or --skip"),
        ("--index 7", "index must be SHARD:K with a number for K, as in 0:17, got 7"),
        ("--index 0:x", "index must be SHARD:K with a number for K, as in 0:17, got 0:x"),
        ("--report a.html --json", "--report is a page, and takes no --json"),
    ],
)
def test_impossible_options_are_usage_errors(flags: str, message: str) -> None:
    assert_error(["records", *flags.split()], 2, re.escape(message))


@pytest.mark.parametrize("mode", [[], ["--verify"], ["--stats"]], ids=["look", "verify", "stats"])
def test_a_truncated_file_gives_no_traceback(mode: list[str]) -> None:
    data = Path("alone.tfrecord").read_bytes()
    for size in (1, 11, 12, 100, len(data) // 2, len(data) - 1):
        Path("cut.tfrecord").write_bytes(data[:size])
        result = inspect("cut.tfrecord", "--vocab", "pieces.txt", "--quiet", *mode)
        assert result.exit_code in (0, 1)
        assert isinstance(result.exception, SystemExit | None), (size, result.exception)
        if result.stderr:
            assert re.match(r"Error: cut\.tfrecord: record \d+ at byte \d+: ", result.stderr)
        if mode == ["--verify"]:
            assert result.exit_code == 1
            words = "it is truncated" if size >= 12 else "not a TFRecord file"
            assert words in result.output


def test_verify_ends_with_a_count_and_its_status() -> None:
    result = inspect("records", "--verify")
    assert result.exit_code == 0
    assert re.fullmatch(
        r"records: \d+ records in 2 shards, [0-9.]+ KB: no faults, as the manifest says\n",
        result.stdout,
    )
    shard = Path("records", SHARD)
    data = bytearray(shard.read_bytes())
    data[40] ^= 1
    shard.write_bytes(data)
    result = inspect("records", "--verify")
    assert result.exit_code == 1
    *faults, summary = result.stdout.splitlines()
    assert faults[0].startswith(f"records/{SHARD}: record 0 at byte 0: its data does not match")
    assert summary.endswith(f": {len(faults)} faults" if len(faults) > 1 else ": 1 fault")
    lines = [
        json.loads(line) for line in inspect("records", "--verify", "--json").stdout.splitlines()
    ]
    assert lines[0]["record"] == 0
    assert lines[-1]["faults"] == len(faults)


def test_compare_has_the_exit_statuses_of_diff() -> None:
    shutil.copytree("records", "same")
    assert inspect("records", "--compare", "same", "--quiet").exit_code == 0
    result = inspect("records", "--compare", "alone.tfrecord", "--vocab", "pieces.txt", "--quiet")
    assert result.exit_code == 1


def test_every_option_has_a_flag_with_its_default_and_help() -> None:
    command = main.commands["inspect"]
    flags = {each.name: each for each in command.params if each.expose_value}
    options = {field.name: field.default for field in fields(InspectOptions)}
    assert set(flags) == set(options)
    context = click.Context(command, info_name="inspect")
    for name, default in options.items():
        flag = flags[name]
        if default is MISSING:
            assert flag.required
            continue
        assert isinstance(flag, click.Option)
        assert flag.get_default(context) == default
        assert flag.help


def start(*arguments: str, **settings: Any) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT)} | settings.pop("environment", {})
    command = [sys.executable, "-m", "bertprep", "inspect", *arguments]
    return subprocess.Popen(command, env=environment, **settings)


@pytest.mark.parametrize(
    "arguments", [[], ["--num", "500"], ["--stats"], ["--verify", "--json"]], ids=" ".join
)
def test_a_closed_pipe_is_quiet(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)  # as `| head` does when it has enough
    flags = {"stdout": writer, "stderr": subprocess.PIPE}
    process = start("records", "--quiet", *arguments, **flags)
    os.close(writer)
    _, words = process.communicate()
    assert words == b""
    assert process.returncode in (0, 1)


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_terminal_gets_colour_unless_no_color_is_set(no_color: str) -> None:
    parent, child = pty.openpty()
    environment = {"NO_COLOR": no_color, "TERM": "xterm"}
    process = start("records", "--num", "1", stdout=child, environment=environment)
    os.close(child)
    shown = b""
    while True:
        try:
            shown += os.read(parent, 65536)
        except OSError:  # the other end is closed
            break
    assert process.wait() == 0
    os.close(parent)
    assert (b"\x1b[" in shown) == (no_color == "")


def test_gzip_and_plain_records_are_shown_alike() -> None:
    Path("packed.tfrecord.gz").write_bytes(gzip.compress(Path("alone.tfrecord").read_bytes()))
    plain = inspect("alone.tfrecord", "--vocab", "pieces.txt")
    packed = inspect("packed.tfrecord.gz", "--vocab", "pieces.txt")
    assert plain.exit_code == packed.exit_code == 0
    assert plain.stdout == packed.stdout.replace("packed.tfrecord.gz", "alone.tfrecord")


@pytest.mark.parametrize("flag", ["--stats", "--verify", "--report"])
def test_output_does_not_depend_on_workers(flag: str) -> None:
    outputs = []
    for workers in ("1", "2"):
        name = ["page.html"] if flag == "--report" else []
        result = inspect("records", flag, *name, "--workers", workers, "--quiet")
        assert result.exit_code == 0
        outputs.append(result.stdout + (Path("page.html").read_text() if name else ""))
    assert outputs[0] == outputs[1]
