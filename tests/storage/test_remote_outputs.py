"""Data sets on an object store: the same bytes, the manifest last, resumed after any failure.

The store is that of `object_store.py`, without renames and appends; `local://` is fsspec's own.
"""

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import object_store
import pytest
from click.testing import CliRunner, Result
from object_store import ObjectStore
from waiting import LIMIT

from bertprep.cli import main
from bertprep.create import job as create_job
from bertprep.create import tokenizing
from bertprep.records import shards
from bertprep.storage import stores

SUPPORT = Path(__file__).parents[1] / "support"
RUN = "teststore://bucket/run"


@pytest.fixture(autouse=True)
def small_and_quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a new store, the sizes of object_store.py, no delays, and a visible temporary folder."""
    monkeypatch.setattr(tokenizing, "BLOCK_BYTES", 4_000)
    monkeypatch.setattr(create_job, "BLOCK_BYTES", 12_000)
    monkeypatch.setattr(shards, "BLOCK_BYTES", 1 << 16)
    monkeypatch.setattr(stores, "WAITS", (0.0,) * 3)
    (tmp_path / "store").mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TEST_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr("bertprep.storage.files._LOCK_PATIENCE_SECONDS", LIMIT)


def arguments(corpus: Path, output: str | Path, *flags: str) -> list[str]:
    inputs = [str(corpus / "english-a.txt"), str(corpus / "english-b.txt")]
    flags = ("--num-partitions", "4", "--eval-fraction", "0.1", "--dupe-factor", "2", *flags)
    return [
        *("create", *inputs, "--vocab", str(corpus / "vocab.txt"), "--output", str(output)),
        *("--workers", "2", *flags),
    ]


def create(corpus: Path, output: str | Path, *flags: str) -> Result:
    return CliRunner().invoke(main, arguments(corpus, output, *flags))


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(files)}


def stored_files() -> dict[str, bytes]:
    return contents(object_store.root() / "bucket")


def log() -> list[str]:
    path = object_store.root() / ".log"
    return path.read_text().splitlines() if path.exists() else []


def left_here(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "tmp").iterdir() if "bertprep-" in path.name]


@pytest.fixture(scope="module")
def expected(
    sample_corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, bytes]]:
    """The files of a local run, by compression, under their names in the bucket."""
    made = {}
    for compression in ("none", "gzip"):
        folder = tmp_path_factory.mktemp("local") / "out"
        result = create(sample_corpus, folder, "--compression", compression)
        assert result.exit_code == 0, result.output
        made[compression] = {f"run/{name}": data for name, data in contents(folder).items()}
    return made


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_the_files_are_those_of_a_local_run_and_the_manifest_is_last(
    compression: str, sample_corpus: Path, tmp_path: Path, expected: dict[str, dict[str, bytes]]
) -> None:
    result = create(sample_corpus, RUN, "--compression", compression)
    assert result.exit_code == 0, result.output
    assert stored_files() == expected[compression]
    names = [line.removeprefix("put bucket/run/") for line in log()]
    assert names[0] == "plan.json"
    assert names[-2:] == ["vocab.txt", "manifest.json"]
    assert len(names) == len(set(names))
    assert left_here(tmp_path) == []


def test_fsspecs_own_file_system_makes_its_folders(
    sample_corpus: Path, tmp_path: Path, expected: dict[str, dict[str, bytes]]
) -> None:
    result = create(sample_corpus, f"local://{tmp_path}/deep/down/run")
    assert result.exit_code == 0, result.output
    assert contents(tmp_path / "deep/down") == expected["none"]


def test_a_file_url_is_a_folder_of_this_machine(
    sample_corpus: Path, tmp_path: Path, expected: dict[str, dict[str, bytes]]
) -> None:
    assert create(sample_corpus, f"file://{tmp_path}/own/run").exit_code == 0
    assert contents(tmp_path / "own") == expected["none"]


def test_a_complete_data_set_is_left_alone(sample_corpus: Path, tmp_path: Path) -> None:
    assert create(sample_corpus, RUN).exit_code == 0
    before = log()
    result = create(sample_corpus, f"{RUN}/")
    assert result.exit_code == 0
    assert "is already complete" in result.output
    assert log() == before
    assert left_here(tmp_path) == []


MOMENTS = {
    "before the plan": ("before", "plan.json", 1),
    "after the plan": ("after", "plan.json", 1),
    "before a shard": ("before", "tfrecord-00001-of-00004", 1),
    "after a shard": ("after", "tfrecord-0000[0-3]-of-00004", 2),
    "after a held-out shard": ("after", "eval/tfrecord|eval/tf", 1),
    "after the vocabulary": ("after", "vocab.txt", 1),
    "before the manifest": ("before", "manifest.json", 1),
    "after the manifest": ("after", "manifest.json", 1),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_a_killed_run_resumes_to_the_same_bytes(
    name: str, sample_corpus: Path, tmp_path: Path, expected: dict[str, dict[str, bytes]]
) -> None:
    words = [*map(str, MOMENTS[name]), *arguments(sample_corpus, RUN)]
    killed = subprocess.run(
        [sys.executable, str(SUPPORT / "object_store.py"), *words],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(SUPPORT.parents[1]), str(SUPPORT)])},
        timeout=LIMIT,
    )
    assert killed.returncode == -9, killed.stderr
    sent = [line for line in log() if "tfrecord" in line]
    if name != "after the manifest":
        assert "run/manifest.json" not in stored_files()
    result = create(sample_corpus, RUN)
    assert result.exit_code == 0, result.output
    assert stored_files() == expected["none"]
    # Only what was under way in the two workers, without a receipt yet, is sent again.
    again = [line for line in log() if "tfrecord" in line][len(sent) :]
    assert len(set(sent) & set(again)) <= 2
    if name in ("after the vocabulary", "before the manifest"):
        assert again == []
    assert left_here(tmp_path) == []


def test_another_command_is_refused_naming_the_difference(
    sample_corpus: Path, tmp_path: Path
) -> None:
    assert create(sample_corpus, RUN).exit_code == 0
    before = stored_files()
    result = create(sample_corpus, RUN, "--random-seed", "5")
    assert result.exit_code == 2
    assert f"{RUN}: made by another command (random_seed was 12345, is 5)" in result.stderr
    assert stored_files() == before
    assert left_here(tmp_path) == []


def test_overwrite_removes_what_the_plan_lists_and_nothing_else(sample_corpus: Path) -> None:
    assert create(sample_corpus, RUN).exit_code == 0
    for name in ("notes.txt", "eval/notes.txt"):
        (object_store.root() / "bucket/run" / name).write_text("mine")
    result = create(sample_corpus, RUN, "--num-partitions", "2", "--overwrite")
    assert result.exit_code == 0, result.output
    names = {name for name in stored_files() if "tfrecord" not in name}
    assert names == {
        *("run/notes.txt", "run/eval/notes.txt"),
        *("run/plan.json", "run/manifest.json", "run/vocab.txt"),
    }
    kept = [name for name in stored_files() if "tfrecord" in name and "eval" not in name]
    assert kept == [f"run/tf_examples.tfrecord-0000{i}-of-00002" for i in range(2)]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("tf_examples.tfrecord-00000-of-00001", b"", "is here without a plan.json"),
        ("vocab.txt", b"[PAD]\n", "is a different vocabulary, where"),
        ("plan.json", b"{}", "bertprep did not write this file"),
    ],
)
def test_foreign_files_are_not_overwritten(
    name: str, data: bytes, message: str, sample_corpus: Path, tmp_path: Path
) -> None:
    path = object_store.root() / "bucket/run" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    result = create(sample_corpus, RUN, "--overwrite")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {RUN}/{name}: ")
    assert message in result.stderr
    assert stored_files() == {f"run/{name}": data}
    assert left_here(tmp_path) == []


def test_an_error_in_the_corpus_leaves_nothing_at_the_url(
    sample_corpus: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.txt").write_bytes(b"One.\n\nTwo \xff.\n")
    words = arguments(sample_corpus, RUN)
    words[1] = str(tmp_path / "bad.txt")
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1
    assert "not UTF-8" in result.stderr
    assert stored_files() == {}
    assert left_here(tmp_path) == []


def test_temporary_errors_are_retried(
    sample_corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    expected: dict[str, dict[str, bytes]],
) -> None:
    def fault(action: str, path: str) -> None:
        # Once for each file, also when another process sends it.
        mark = tmp_path / f"{action}-{path.replace('/', '-')}"
        if action in ("put", "has put") and not mark.exists():
            mark.touch()
            raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

    monkeypatch.setattr(ObjectStore, "fault", staticmethod(fault))
    result = create(sample_corpus, RUN)
    assert result.exit_code == 0, result.output
    assert stored_files() == expected["none"]


def test_an_upload_that_is_refused_is_one_line_and_the_run_resumes_later(
    sample_corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    expected: dict[str, dict[str, bytes]],
) -> None:
    def fault(action: str, path: str) -> None:
        if action == "put" and "tfrecord-00003" in path:
            raise PermissionError(errno.EACCES, "Access Denied")

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "fault", staticmethod(fault))
        result = create(sample_corpus, RUN)
    assert result.exit_code == 1
    name = f"{RUN}/tf_examples.tfrecord-00003-of-00004"
    assert result.stderr.splitlines()[-1].startswith(
        f"Error: {name}: cannot be written (Permission"
    )
    assert len(left_here(tmp_path)) == 1
    assert "run/manifest.json" not in stored_files()
    assert create(sample_corpus, RUN).exit_code == 0
    assert stored_files() == expected["none"]
    assert left_here(tmp_path) == []


def test_a_store_that_refuses_every_upload_leaves_no_local_files(
    sample_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(action: str, path: str) -> None:
        if action == "put":
            raise PermissionError(errno.EACCES, "Access Denied")

    monkeypatch.setattr(ObjectStore, "fault", staticmethod(fault))
    result = create(sample_corpus, RUN)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {RUN}/plan.json: cannot be written")
    assert left_here(tmp_path) == []


def test_a_shard_that_the_store_has_lost_is_built_again(
    sample_corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    expected: dict[str, dict[str, bytes]],
) -> None:
    def fault(action: str, path: str) -> None:
        if action == "put" and "vocab.txt" in path:
            raise PermissionError(errno.EACCES, "Access Denied")

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "fault", staticmethod(fault))
        assert create(sample_corpus, RUN).exit_code == 1
    (object_store.root() / "bucket/run/tf_examples.tfrecord-00002-of-00004").unlink()
    (object_store.root() / "bucket/run/tf_examples.tfrecord-00001-of-00004").write_bytes(b"cut")
    before = len(log())
    assert create(sample_corpus, RUN).exit_code == 0
    assert stored_files() == expected["none"]
    assert len([line for line in log()[before:] if "tfrecord" in line]) == 2


def test_a_complete_data_set_that_lost_a_shard_is_completed(
    sample_corpus: Path, expected: dict[str, dict[str, bytes]]
) -> None:
    assert create(sample_corpus, RUN).exit_code == 0
    (object_store.root() / "bucket/run/tf_examples.tfrecord-00002-of-00004").unlink()
    assert create(sample_corpus, RUN).exit_code == 0
    assert stored_files() == expected["none"]


def test_a_named_work_folder_is_used_and_locked(
    sample_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"

    def fault(action: str, path: str) -> None:
        if "tfrecord-00000" in path and action == "put" and not seen.exists():
            seen.touch()
            # The same command from elsewhere, while this one is at work.
            words = [sys.executable, str(SUPPORT / "object_store.py"), "before", "^$", "1"]
            words += arguments(sample_corpus, RUN, "--work-folder", str(tmp_path / "work"))
            paths = os.pathsep.join([str(SUPPORT.parents[1]), str(SUPPORT)])
            done = subprocess.run(
                words,
                capture_output=True,
                text=True,
                timeout=LIMIT,
                env={**os.environ, "PYTHONPATH": paths},
            )
            seen.write_text(done.stderr)

    monkeypatch.setattr(ObjectStore, "fault", staticmethod(fault))
    result = create(sample_corpus, RUN, "--work-folder", str(tmp_path / "work"))
    assert result.exit_code == 0, result.output
    assert f"{tmp_path / 'work'}: another bertprep process is using this folder" in seen.read_text()
    assert not (tmp_path / "work").exists()
    assert left_here(tmp_path) == []


def test_a_temporary_folder_of_another_user_is_refused(
    sample_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    result = create(sample_corpus, RUN)
    assert result.exit_code == 2
    assert "belongs to another user; pass --work-folder" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--output", "https://host/run"],
            "https://host/run: this kind of URL cannot be written to",
        ),
        (["--output", "memory://run"], "memory://run: this kind of URL cannot be written to"),
        (["--output", "here", "--work-folder", "w"], "work_folder is for an output on an object"),
        (["--output", "teststore:///"], "teststore:///: names no folder"),
    ],
)
def test_an_impossible_output_is_a_usage_error(
    words: list[str], message: str, sample_corpus: Path, tmp_path: Path
) -> None:
    inputs = ["create", str(sample_corpus), "--vocab", str(sample_corpus / "vocab.txt")]
    result = CliRunner().invoke(main, [*inputs, *words])
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert left_here(tmp_path) == []


def test_remote_records_must_be_copied_first() -> None:
    result = CliRunner().invoke(main, ["inspect", RUN])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {RUN}: records are read from local disks only")
