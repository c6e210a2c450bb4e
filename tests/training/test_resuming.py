"""A run that is stopped, in whatever way: what is left, and that it ends with the same bits."""

import errno
import os
import re
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pretraining import make_records, pretrain, rows_of, start, write_config
from waiting import finish
from worker_cluster import worker_environments

from bertprep.model.saved_run import Checkpoints

#: No multiple of one another, so that checkpoints stand between two lines of metrics.
FLAGS = "--no-xla --steps 300 --batch-size 16 --gradient-accumulation 2 --learning-rate 0.002"
EVERY = "--save-every 25 --log-every 7 --eval-every 50 --keep 2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("going-on")
    make_records(folder)
    write_config(folder)
    return folder


def arguments(folder: Path, output: Path, *more: str) -> list[str]:
    flags = f"--model {folder / 'config.json'} --output {output} {FLAGS} {EVERY}"
    return [str(folder / "records"), *flags.split(), *more]


def test_a_run_that_was_stopped_twice_ends_with_the_same_bits(folder: Path, tmp_path: Path) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    status, stdout, stderr = finish(start(*arguments(folder, whole)))
    assert status == 0, stderr
    assert stdout.startswith("steps        300\ntraining     loss ")
    # All that reaches the terminal is ours.
    heads = "; ".join(rf"{label} loss \d\.\d{{3}}, accuracy \d+\.\d%" for label in ("MLM", "NSP"))
    lines = stderr.splitlines()
    assert re.match(
        r"baseline without context +loss +accuracy +\(labels of [\d,]+ records", lines[0]
    )
    assert re.fullmatch(r"uniform, ln 101 +4\.615 +1\.0%", lines[1])
    for label, line in zip(("MLM", "NSP"), lines[2:4], strict=True):
        assert re.fullmatch(rf"{label}, label frequency +\d\.\d{{3}} +\d+\.\d%", line)
    assert len(lines) == 4 + 300 // 50
    for line in lines[4:]:
        assert re.fullmatch(rf"step \d+, held-out: loss \d\.\d{{3}}; {heads}", line), line

    process = start(*arguments(folder, stopped), stop=(60, signal.SIGTERM))
    status, stdout, stderr = finish(process)
    assert (status, stdout) == (143, "")
    assert stderr.splitlines()[-2:] == [
        "checkpoint saved at step 60",
        "Error: stopped; repeat the command to resume",
    ]

    process = start(*arguments(folder, stopped), stop=(120, signal.SIGKILL))
    assert finish(process)[0] == -signal.SIGKILL
    assert Checkpoints(stopped / "checkpoints").latest() == 100
    with open(stopped / "metrics.jsonl", "a") as file:
        file.write('{"split": "train", "st')  # as a kill in the middle of a write leaves it
    status, _, stderr = finish(start(*arguments(folder, stopped)))
    assert status == 0, stderr
    assert re.match(rf"{stopped}: resuming at step 100 of 300\n", stderr)

    expected, facts = Checkpoints(whole / "checkpoints").load(300)
    found, _ = Checkpoints(stopped / "checkpoints").load(300)
    assert facts == {"sums": {}}
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    rows, rows_whole = rows_of(stopped), rows_of(whole)
    for row in rows + rows_whole:
        row.pop("sequences_per_second", None)
    assert rows == rows_whole
    assert (whole / "run.json").read_bytes() == (stopped / "run.json").read_bytes()


@contextmanager
def two_workers(
    *command: str, stopped: int = 0, stop: tuple[int, int] = (0, 0)
) -> Iterator[list["subprocess.Popen[str]"]]:
    """Start both workers of a run, one of which is stopped; kill what has not ended."""
    processes: list[subprocess.Popen[str]] = []
    with worker_environments(2) as environments:
        try:
            for index, variables in enumerate(environments):
                when = stop if index == stopped else (0, 0)
                more = ["--distribute", "multiworker"]
                processes.append(start(*command, *more, stop=when, **variables))
            yield processes
        finally:
            for process in processes:
                process.kill()


def test_two_processes_make_the_run_of_one(folder: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    flags = f"--model {config} --steps 12 --log-every 3 --batch-size 16 --no-xla"
    command = [str(folder / "records"), *flags.split()]
    with two_workers(*command, "--output", str(tmp_path / "two")) as processes:
        ends = [finish(process) for process in processes]
    assert [status for status, _, _ in ends] == [0, 0], ends
    assert ends[0][1].startswith("steps        12\n")
    assert ends[1][1:] == ("", "")  # one speaks and writes for both
    result = pretrain(*command, "--output", tmp_path / "one", "--quiet")
    assert result.exit_code == 0, result.output
    one, two = rows_of(tmp_path / "one"), rows_of(tmp_path / "two")
    assert [(row["split"], row["step"]) for row in two] == [(r["split"], r["step"]) for r in one]
    for row, expected in zip(two, one, strict=True):
        for name in ("mlm_loss", "nsp_loss"):
            assert row[name] == pytest.approx(expected[name], abs=1e-4)


@pytest.mark.parametrize("stopped", [0, 1])
def test_all_workers_stop_when_one_is_stopped(stopped: int, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    command = arguments(folder, output)
    with two_workers(*command, stopped=stopped, stop=(14, signal.SIGTERM)) as processes:
        ends = [finish(process) for process in processes]
    # The worker asks for a stop in the step after the signal, which all make together.
    assert Checkpoints(output / "checkpoints").latest() == 15
    assert ends[stopped][0] == 143, ends
    status, _, stderr = ends[1 - stopped]
    assert status == 1, ends
    assert stderr.splitlines()[-1] == (
        "Error: another worker was stopped after step 15: repeat the command on all workers "
        "to resume"
    )


@pytest.mark.parametrize("killed", [0, 1])
def test_a_worker_that_is_killed_ends_the_other_with_one_line(
    killed: int, folder: Path, tmp_path: Path
) -> None:
    command = arguments(folder, tmp_path / "run")
    with two_workers(*command, stopped=killed, stop=(14, signal.SIGKILL)) as processes:
        ends = [finish(process) for process in processes]
    assert ends[killed][0] == -signal.SIGKILL
    status, _, stderr = ends[1 - killed]
    assert status == 1, stderr
    assert "Traceback" not in stderr
    assert stderr.splitlines()[-1] == (
        "Error: another worker has exited or cannot be reached: repeat the command on all workers "
        "to resume from the last checkpoint"
    )


@pytest.mark.parametrize("steps", [20, 30])
def test_an_evaluation_that_is_cut_short_is_made_up_for(
    steps: int, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bertprep.training.loop import Trainer

    flags = f"--model {folder / 'config.json'} --steps {steps} --eval-every 20 --no-xla"
    command = [str(folder / "records"), *flags.split(), "--output", str(tmp_path / "run")]
    evaluate = Trainer.evaluate

    def interrupted(self: Trainer, batches: Iterable[Any]) -> dict[str, float]:
        os.kill(os.getpid(), signal.SIGINT)
        return evaluate(self, batches)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "evaluate", interrupted)
        result = pretrain(*command)
    assert result.exit_code == 130, result.output
    assert result.stderr.splitlines()[4:] == [
        "checkpoint saved at step 20",
        "Error: stopped; repeat the command to resume",
    ]
    result = pretrain(*command, "--quiet")
    assert (result.exit_code, result.output) == (0, "")
    evaluated = [row["step"] for row in rows_of(tmp_path / "run") if row["split"] == "eval"]
    assert evaluated == sorted({20, steps})
    assert Checkpoints(tmp_path / "run" / "checkpoints").best() is not None


def assert_stops(output: Path, message: str, *arguments: str) -> None:
    """The command ends with one line, and the checkpoint of step 25 is whole."""
    result = pretrain(*arguments, "--quiet")
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert re.fullmatch(f"Error: {message}\n", result.stderr), result.stderr
    assert Checkpoints(output / "checkpoints").latest() == 25
    arrays, _ = Checkpoints(output / "checkpoints").load(25)
    assert all(np.isfinite(array).all() for array in arrays.values())


def test_a_full_disk_and_a_damaged_record_leave_the_last_checkpoint_and_are_got_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, output = make_records(tmp_path), tmp_path / "run"
    flags = f"--model {write_config(tmp_path)} --steps 50 --save-every 25 --output {output}"
    command = [str(records), *flags.split(), "--no-xla"]
    save, calls = np.savez, []

    def full(file: object, **arrays: np.ndarray) -> None:
        calls.append(file)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(file, **arrays)

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        name = re.escape(str(output / "checkpoints" / "step-00000050.npz"))
        remedy = "Free some space, then repeat the command to resume"
        assert_stops(output, f"{name}: No space left on device. {remedy}", *command)

    shard = next(records.glob("tf_examples.tfrecord-*"))
    data = shard.read_bytes()
    half = len(data) // 2
    shard.write_bytes(data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :])
    problem = "its data does not match its CRC: it was changed after it was written"
    name = re.escape(str(shard))
    assert_stops(output, rf"{name}: record \d+ at byte \d+: {problem}", *command)

    shard.write_bytes(data)
    result = pretrain(*command)
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith(f"{output}: resuming at step 25 of 50\n")
    assert Checkpoints(output / "checkpoints").latest() == 50


def test_a_loss_that_is_no_number_leaves_the_last_good_checkpoint(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bertprep.training.loop import StepResult, Trainer

    output = tmp_path / "run"
    flags = (
        f"--model {folder / 'config.json'} --steps 75 --save-every 25 --no-xla --output {output}"
    )
    step = Trainer.train_step

    def poisoned(self: Trainer, number: int, *arguments: Any) -> StepResult:
        if number == 48:
            bias = self.model.masked_lm.bias
            bias.assign(np.full(bias.shape, np.nan))
        return step(self, number, *arguments)

    monkeypatch.setattr(Trainer, "train_step", poisoned)
    advice = "resume from the last checkpoint with a lower --learning-rate, or a longer --warmup"
    assert_stops(
        output,
        f"step 48: the loss is nan: {advice}",
        str(folder / "records"),
        *flags.split(),
        "--no-xla",
    )


def test_weights_that_are_no_numbers_are_not_saved(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bertprep.training.loop import StepResult, Trainer

    output = tmp_path / "run"
    flags = (
        f"--model {folder / 'config.json'} --steps 75 --save-every 25 --no-xla --output {output}"
    )
    step = Trainer.train_step

    def poisoned(self: Trainer, number: int, *arguments: Any) -> StepResult:
        result = step(self, number, *arguments)
        if number == 49:  # its gradient was no number, and its loss still was one
            bias = self.model.masked_lm.bias
            bias.assign(np.full(bias.shape, np.inf))
        return result

    monkeypatch.setattr(Trainer, "train_step", poisoned)
    message = "step 50: model/bert/masked_lm/bias has values that are not finite: .*"
    assert_stops(output, message, str(folder / "records"), *flags.split(), "--no-xla")
