"""Killed at any moment, the same command again ends with the same bytes; see crash_driver.py."""

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from foreseen import LINE
from waiting import LIMIT, finish, wait_for

from bertprep.cli import main
from bertprep.create import job as create_job
from bertprep.create import tokenizing
from bertprep.records import shards
from bertprep.storage import files

SUPPORT = Path(__file__).parents[1] / "support"

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="the driver knows files by /proc"
)

#: Moments that come in a worker: what happens, to what, for which time.
IN_WORKERS = {
    "tokenizing a split": ("block", "split 3$", 2),
    "a half-written blob": ("half", r"/tokens-000002-000000\.tmp$", 1),
    "before a blob's rename": ("replace", r"/tokens-000004-000000\.blob$", 1),
    "after a blob's rename": ("replaced", r"/tokens-000001-000000\.blob$", 1),
    "after a split's result": ("replaced", r"/tokens-000005\.json$", 1),
    "in the middle of a shard": ("write", r"tfrecord-00002-of-00006\.tmp$", 2),
    "in the middle of a held-out shard": ("write", r"eval-tf.*-of-00001\.tmp$", 1),
    "before a shard's fsync": ("fsync", r"tfrecord-00004-of-00006\.tmp$", 1),
    "before a shard's rename": ("replace", r"tfrecord-00003-of-00006$", 1),
    "after a shard's rename": ("replaced", r"tfrecord-00001-of-00006$", 1),
    "a half-written result": ("half", r"/shards-000000\.tmp$", 1),
    "after a partition's result": ("replaced", r"/shards-000002\.json$", 1),
}
#: Moments that come in the parent.
IN_PARENT = {
    "before the plan": ("replace", "plan.json", 1),
    "after the plan": ("replaced", "plan.json", 1),
    "between the stages": ("build", "", 1),
    "after vocab.txt": ("replaced", "vocab.txt", 1),
    "a half-written manifest": ("half", "manifest.tmp", 1),
    "before the manifest": ("replace", "manifest.json", 1),
    "after the manifest": ("replaced", "manifest.json", 1),
    "while the work folder is cleared": ("unlink", r"^tokens-.*json", 3),
}


@dataclass
class Command:
    """One `create` command, and the files that it makes when nothing disturbs it."""

    arguments: list[str]
    output: Path
    undisturbed: dict[str, bytes]

    def start(
        self, moment: tuple[str, str, int], action: str, *, marker: str | None = None
    ) -> "subprocess.Popen[bytes]":
        """Starts it with a moment; stderr goes to a file, which orphaned workers may keep open."""
        marker = marker or f"{self.output}.marker"
        driver = [sys.executable, str(SUPPORT / "crash_driver.py")]
        with open(f"{self.output}.stderr", "wb") as stderr:
            return subprocess.Popen(
                [*driver, *map(str, moment), action, marker, *self.arguments],
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                cwd=SUPPORT.parents[1],
                env={**os.environ, "PYTHONPATH": str(SUPPORT.parents[1])},
                start_new_session=True,
            )

    def run(self, moment: tuple[str, str, int], action: str, *, marker: str | None = None) -> int:
        return finish(self.start(moment, action, marker=marker))[0]

    @property
    def stderr(self) -> str:
        """All but the line before the work."""
        return LINE.sub("", Path(f"{self.output}.stderr").read_text())

    def again(self) -> str:
        """The same command once more, in this process; returns what it says on stderr."""
        result = CliRunner().invoke(main, self.arguments)
        assert result.exit_code == 0, result.output
        return result.stderr

    def assert_complete(self) -> None:
        assert contents(self.output) == self.undisturbed

    def processes(self) -> list[psutil.Process]:
        """The command's processes: workers that are forked have its arguments too."""
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            if str(self.output) in (process.info["cmdline"] or []):
                found.append(process)
        return [each for each in found if each.info["status"] != psutil.STATUS_ZOMBIE]


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(files)}


def arguments(corpus: Path, output: Path) -> list[str]:
    inputs = [str(corpus / "english-a.txt"), str(corpus / "english-b.txt")]
    flags = ["--num-partitions", "6", "--eval-fraction", "0.1", "--dupe-factor", "3"]
    files = ["--vocab", str(corpus / "vocab.txt"), "--output", str(output)]
    return ["create", *inputs, *files, "--workers", "2", *flags]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sizes of crash_driver.py."""
    monkeypatch.setattr(tokenizing, "BLOCK_BYTES", 4_000)
    monkeypatch.setattr(create_job, "BLOCK_BYTES", 12_000)
    monkeypatch.setattr(shards, "BLOCK_BYTES", 1 << 16)


@pytest.fixture(autouse=True)
def patient_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for the workers of a killed run, however slow they are."""
    monkeypatch.setattr(files, "_LOCK_PATIENCE_SECONDS", LIMIT)


@pytest.fixture(scope="module")
def undisturbed(sample_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    output = tmp_path_factory.mktemp("undisturbed") / "out"
    result = CliRunner().invoke(main, arguments(sample_corpus, output))
    assert result.exit_code == 0, result.output
    return contents(output)


@pytest.fixture
def command(sample_corpus: Path, tmp_path: Path, undisturbed: dict[str, bytes]) -> Command:
    output = tmp_path / "out"
    return Command(arguments(sample_corpus, output), output, undisturbed)


@pytest.mark.parametrize("name", [*IN_WORKERS, *IN_PARENT])
def test_a_killed_run_goes_on_to_the_same_bytes(command: Command, name: str) -> None:
    # A worker goes on for a moment without its parent, but not where half of its file is lost.
    action = "kill-both" if "half" in name else "kill-parent"
    assert command.run((IN_WORKERS | IN_PARENT)[name], action) == -9
    assert contents(command.output) != command.undisturbed
    words = command.again()
    command.assert_complete()
    has_begun = name not in ("before the plan", "after the manifest") and "cleared" not in name
    assert ("resuming an earlier run" in words) == has_begun
    assert "Warning" not in words


@pytest.mark.parametrize("name", IN_WORKERS)
def test_a_killed_worker_is_reported_and_replaced(command: Command, name: str) -> None:
    moment = IN_WORKERS[name]
    assert command.run(moment, "kill-worker") == 0
    command.assert_complete()
    (line,) = command.stderr.splitlines()
    task = "partition " if any(word in name for word in ("shard", "result")) else "split "
    task = "split " if "split" in name else task
    assert line.startswith(f"Warning: {task}")
    assert line.endswith(": killed by signal 9 (SIGKILL): out of memory?; retrying")


def test_a_worker_that_raises_is_reported_and_replaced(command: Command) -> None:
    assert command.run(IN_WORKERS["before a shard's rename"], "fail") == 0
    command.assert_complete()
    line = "Warning: partition 3: RuntimeError: the moment has come; retrying\n"
    assert command.stderr == line


@pytest.mark.parametrize("name", ["tokenizing a split", "in the middle of a shard"])
def test_a_task_whose_worker_dies_each_time_is_an_error(command: Command, name: str) -> None:
    assert command.run(IN_WORKERS[name], "kill-worker", marker="-") == 1
    *warnings, error = command.stderr.splitlines()
    assert len(warnings) == 2
    task = "split 3 (" if "split" in name else "partition 2"
    assert error.startswith(f"Error: {task}")
    assert "failed three times: killed by signal 9 (SIGKILL): out of memory?" in error
    assert not (command.output / "manifest.json").exists()
    assert "resuming an earlier run" in command.again()
    command.assert_complete()


@pytest.mark.parametrize(
    "name",
    [
        "a half-written blob",
        "in the middle of a shard",
        "before a shard's fsync",
        "a half-written result",
        "after vocab.txt",
        "a half-written manifest",
    ],
)
def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(
    command: Command, name: str
) -> None:
    moment = (IN_WORKERS | IN_PARENT)[name]
    if name == "after vocab.txt":
        moment = ("fsync", "vocab.tmp", 1)
    assert command.run(moment, "full") == 1
    (line,) = command.stderr.splitlines()
    assert line.startswith("Error: ")
    assert str(command.output) in line
    assert line.endswith(
        "No space left on device. Free some space, then repeat the command to resume"
    )
    assert not (command.output / "manifest.json").exists()
    files = contents(command.output)
    for file in files:
        if "tfrecord" in file and not file.startswith(".bertprep"):
            assert files[file] == command.undisturbed[file]
    assert "resuming an earlier run" in command.again()
    command.assert_complete()


@pytest.mark.parametrize("name", ["tokenizing a split", "in the middle of a shard"])
@pytest.mark.parametrize(
    ("action", "status"), [("int-group", 130), ("int-twice", 130), ("term-parent", 143)]
)
def test_a_stopped_run_says_so_and_leaves_no_worker(
    command: Command, name: str, action: str, status: int
) -> None:
    assert command.run(IN_WORKERS[name], action) == status
    assert command.processes() == []
    assert command.stderr == "Error: stopped; repeat the command to resume\n"
    assert "resuming an earlier run" in command.again()
    command.assert_complete()


def test_no_worker_outlives_a_killed_parent(command: Command) -> None:
    assert command.run(IN_WORKERS["tokenizing a split"], "leave-parent") == -9
    wait_for(lambda: not command.processes(), "the end of the workers")
    command.again()
    command.assert_complete()


def test_the_next_run_waits_for_the_workers_of_a_killed_one(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_LOCK_PATIENCE_SECONDS", 0.0)
    assert command.run(IN_WORKERS["in the middle of a shard"], "freeze") == -9
    frozen = command.processes()
    result = CliRunner().invoke(main, command.arguments)
    assert result.exit_code == 2
    assert "another bertprep process is using" in result.stderr
    for process in frozen:
        with suppress(psutil.NoSuchProcess):
            process.resume()
    monkeypatch.setattr(files, "_LOCK_PATIENCE_SECONDS", LIMIT)
    command.again()
    command.assert_complete()


def test_what_is_whole_is_not_made_again(command: Command) -> None:
    assert command.run(IN_PARENT["before the manifest"], "kill-parent") == -9
    before = {path: path.stat().st_mtime_ns for path in command.output.rglob("tf_examples*")}
    assert len(before) == 7
    command.again()
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_a_run_that_is_killed_again_and_again_gets_there(command: Command) -> None:
    for number, moment in enumerate([*(IN_WORKERS | IN_PARENT).values()][::3]):
        action = "kill-both" if moment[0] == "half" else "kill-parent"
        command.run(moment, action, marker=f"{command.output}.marker-{number}")
    command.again()
    command.assert_complete()


def test_a_finished_run_given_again_touches_nothing(command: Command) -> None:
    command.again()
    before = {path: path.stat().st_mtime_ns for path in command.output.rglob("*")}
    result = CliRunner().invoke(main, command.arguments)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.startswith(f"{command.output} is already complete: ")
    assert before == {path: path.stat().st_mtime_ns for path in command.output.rglob("*")}
    command.assert_complete()


def test_a_lost_shard_is_made_again(command: Command) -> None:
    command.again()
    (command.output / "tf_examples.tfrecord-00002-of-00006").unlink()
    assert "resuming an earlier run" in command.again()
    command.assert_complete()


def test_a_lost_plan_is_taken_from_the_manifest(command: Command) -> None:
    command.again()
    (command.output / "plan.json").unlink()
    assert command.again() == ""
    command.assert_complete()


def test_what_is_left_without_a_plan_is_not_gone_on_with(command: Command) -> None:
    assert command.run(IN_PARENT["between the stages"], "kill-parent") == -9
    (command.output / "plan.json").unlink()
    for result in (command.output / ".bertprep").glob("tokens-*.json"):
        result.write_text("of another plan")
    assert "resuming an earlier run" not in command.again()
    command.assert_complete()


def test_a_second_process_in_the_folder_is_refused(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_LOCK_PATIENCE_SECONDS", 0.0)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    first = command.start(IN_WORKERS["tokenizing a split"], "wait", marker=str(fifo))
    with open(fifo, "w") as release:  # opens as soon as the worker waits there
        for more in ([], ["--overwrite"], ["--max-seq-length", "64"]):
            result = CliRunner().invoke(main, [*command.arguments, *more])
            assert result.exit_code == 2
            assert result.stderr == (
                f"Error: {command.output}: another bertprep process is using this folder; "
                "wait for it, or name another --output\n"
            )
        release.write("go on\n")
    assert finish(first)[0] == 0
    command.assert_complete()


@pytest.mark.parametrize("moment", [("unlink", "tfrecord", 3), ("unlink", "plan.json", 1)])
def test_overwriting_that_is_killed_goes_on(
    command: Command, sample_corpus: Path, moment: tuple[str, str, int]
) -> None:
    others = [*arguments(sample_corpus, command.output), "--max-seq-length", "64"]
    assert CliRunner().invoke(main, others).exit_code == 0
    command.arguments.append("--overwrite")
    assert command.run(moment, "kill-parent") == -9
    command.again()
    command.assert_complete()
