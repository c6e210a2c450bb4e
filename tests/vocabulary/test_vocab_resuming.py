"""`bertprep vocab` killed at any moment: the same command resumes, with the same bytes."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from waiting import LIMIT, finish

from bertprep.cli import main
from bertprep.errors import UsageError
from bertprep.options import STDOUT, EngineOptions, VocabOptions
from bertprep.storage import files
from bertprep.vocabulary import counting, job, work_folder

SUPPORT = Path(__file__).parents[1] / "support"

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="the driver knows files by /proc"
)

#: What happens, to which file or split, for which time; and who is killed then.
MOMENTS = {
    "after the plan": ("replaced", "plan.json", 1, "kill-parent"),
    "counting a split": ("block", "split 3$", 2, "kill-both"),
    "a half-written blob": ("half", r"/tokens-000002-000000\.tmp$", 1, "kill-both"),
    "after a split's result": ("replaced", r"/tokens-000005\.json$", 1, "kill-both"),
    "before a bucket": ("replace", r"/bucket-000001\.blob$", 1, "kill-both"),
    "after a bucket": ("replaced", r"/bucket-000002\.blob$", 1, "kill-both"),
    "after all counts": ("replaced", r"/counts\.json$", 1, "kill-parent"),
    "before the vocabulary": ("replace", r"/vocab\.txt$", 1, "kill-parent"),
}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the sizes of crash_driver.py."""
    monkeypatch.setattr(counting, "BLOCK_BYTES", 4_000)
    monkeypatch.setattr(job, "SPLIT_BYTES", 12_000)
    monkeypatch.setattr(job, "_BUCKET_BYTES", 20_000)


@pytest.fixture(autouse=True)
def patient_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for the workers of a killed run, however slow they are."""
    monkeypatch.setattr(files, "_LOCK_PATIENCE_SECONDS", LIMIT)


@pytest.fixture
def corpus(tmp_path: Path, sample_corpus: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name in ("english-a.txt", "english-b.txt"):
        shutil.copy(sample_corpus / name, folder)
    return folder


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out" / "vocab.txt"


@pytest.fixture
def command(corpus: Path, output: Path) -> list[str]:
    output.parent.mkdir()
    return ["vocab", str(corpus), "-o", str(output), "--size", "1200", "--workers", "2"]


@pytest.fixture
def expected(corpus: Path) -> bytes:
    arguments = ["vocab", str(corpus), "-o", "-", "--size", "1200", "--workers", "1", "--quiet"]
    return CliRunner().invoke(main, arguments).stdout_bytes


def drive(command: list[str], moment: tuple[str, str, int, str]) -> tuple[int, str]:
    """Run the command until its moment; return its exit status and stderr."""
    driver = [sys.executable, str(SUPPORT / "crash_driver.py"), *map(str, moment), "-"]
    process = subprocess.Popen(
        [*driver, *command],
        cwd=SUPPORT.parents[1],
        env={**os.environ, "PYTHONPATH": str(SUPPORT.parents[1])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    status, _, stderr = finish(process)
    return status, stderr


def crash(command: list[str], name: str) -> None:
    """Run the command until its moment, at which it is killed."""
    status, stderr = drive(command, MOMENTS[name])
    assert status == -9, stderr


def run(command: list[str]) -> Result:
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.parametrize("name", MOMENTS)
def test_a_killed_run_resumes(name: str, command: list[str], output: Path, expected: bytes) -> None:
    crash(command, name)
    work = output.parent / ".vocab.txt.bertprep"
    assert not output.exists()
    assert (work / "plan.json").exists()
    result = run(command)
    assert f"{work}: resuming an interrupted run\n" in result.stderr
    assert output.read_bytes() == expected
    assert list(output.parent.iterdir()) == [output]


def test_counted_splits_are_not_counted_again(
    command: list[str], output: Path, expected: bytes
) -> None:
    crash(command, "after a split's result")
    result_file = output.parent / ".vocab.txt.bertprep" / "tokens-000005.json"
    result = json.loads(result_file.read_bytes())
    result["counts"]["skipped_documents"] = 7  # shows that this file was read
    result_file.write_text(json.dumps(result))
    assert "Warning: 7 unreadable documents skipped" in run(command).stderr
    assert output.read_bytes() == expected


def test_other_workers_size_and_pieces_resume_from_the_same_counts(
    command: list[str], output: Path
) -> None:
    crash(command, "after all counts")
    result = run([*command, "--workers", "1", "--size", "1000", "--min-frequency", "3"])
    assert "resuming" in result.stderr
    assert len(output.read_text().splitlines()) == 1000


@pytest.mark.parametrize("change", ["options", "file"])
def test_another_plan_starts_over(
    change: str, command: list[str], corpus: Path, output: Path, expected: bytes
) -> None:
    crash(command, "after a bucket")
    if change == "file":
        with open(corpus / "english-a.txt", "a") as file:
            file.write("\nOne more line.\n")
    else:
        command = [*command, "--no-lowercase"]
    assert "resuming" not in run(command).stderr
    assert output.read_bytes() != expected
    assert list(output.parent.iterdir()) == [output]
    made = output.read_bytes()
    run([*command, "--overwrite"])
    assert output.read_bytes() == made


def test_a_signal_keeps_the_counts(command: list[str], output: Path) -> None:
    status, stderr = drive(command, ("block", "split 4$", 1, "term-parent"))
    assert status == 143
    assert stderr.startswith("Error: stopped; ")
    assert "resuming" in run(command).stderr


def test_the_work_folder_can_be_elsewhere(
    command: list[str], output: Path, tmp_path: Path, expected: bytes
) -> None:
    command += ["--work-folder", str(tmp_path / "scratch" / "deep")]
    crash(command, "after a split's result")
    assert list(output.parent.iterdir()) == []
    assert (tmp_path / "scratch" / "deep" / ".vocab.txt.bertprep" / "plan.json").exists()
    assert "resuming" in run(command).stderr
    assert output.read_bytes() == expected


def test_output_to_stdout_resumes_too(
    corpus: Path, tmp_path: Path, expected: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(work_folder.tempfile, "tempdir", None)
    monkeypatch.chdir(SUPPORT.parents[1])
    command = ["vocab", str(corpus), "-o", "-", "--size", "1200"]
    crash(command, "after a bucket")
    (folder,) = temporary.glob("bertprep-vocab-*")
    assert folder.stat().st_mode & 0o777 == 0o700
    result = run(command)
    assert "resuming" in result.stderr
    assert result.stdout_bytes == expected
    assert not folder.exists()


def test_only_one_run_uses_a_work_folder(
    command: list[str], output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_LOCK_PATIENCE_SECONDS", 0.0)
    work = output.parent / ".vocab.txt.bertprep"
    work.mkdir()
    with open(work / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = CliRunner().invoke(main, command)
    assert result.exit_code == 2
    assert f"{work}: another bertprep process is using this folder" in result.stderr


@pytest.mark.parametrize("name", ["notes.txt", "my.tmp", "run-me", "letters-000001.blob"])
def test_a_work_folder_with_other_files_is_refused(
    name: str, command: list[str], output: Path
) -> None:
    work = output.parent / ".vocab.txt.bertprep"
    work.mkdir()
    for ours in (name, "plan.json", "tokens-000000.json"):
        (work / ours).write_text("mine")
    before = sorted(work.iterdir())
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2
    assert f"{work / name}: bertprep did not create this" in result.stderr
    assert sorted(work.iterdir()) == before


@pytest.mark.parametrize("name", ["lock", "plan.json", "plan.tmp", "stdin"])
def test_a_link_in_a_work_folder_is_refused(
    name: str, command: list[str], output: Path, tmp_path: Path
) -> None:
    (letter := tmp_path / "letter.txt").write_text("mine")
    (work := output.parent / ".vocab.txt.bertprep").mkdir()
    (work / name).symlink_to(letter)
    assert CliRunner().invoke(main, command).exit_code == 2
    assert letter.read_text() == "mine"


def test_a_link_is_no_work_folder(command: list[str], output: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "plan.json").write_text("{}")
    (output.parent / ".vocab.txt.bertprep").symlink_to(elsewhere)
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2
    assert "is not a folder of yours; pass a --work-folder" in result.stderr
    assert list(elsewhere.iterdir()) == [elsewhere / "plan.json"]


def test_spark_to_stdout_needs_a_work_folder() -> None:
    with pytest.raises(UsageError, match="pass --work-folder, or an --output file"):
        VocabOptions(("a.txt",), STDOUT, execution=EngineOptions("spark"))
