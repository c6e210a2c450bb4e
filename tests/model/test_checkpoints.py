"""Checkpoints are whole or missing, and a run resumes from them bit for bit."""

import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from waiting import finish

from bertprep.errors import BertprepError, UsageError
from bertprep.model.saved_run import Checkpoints

DRIVER = Path(__file__).parents[1] / "support" / "resume_driver.py"


def arrays(value: float) -> dict[str, np.ndarray]:
    return {
        "model/a/kernel": np.full((3, 2), value, np.float32),
        "optimizer/iteration": np.array(int(value)),
    }


def test_arrays_survive_a_round_trip(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "run")
    assert checkpoints.latest() is None
    assert checkpoints.best() is None
    path = checkpoints.save(120, arrays(1.5), {"seed": 3})
    assert path.name == "step-00000120.npz"
    found, facts = checkpoints.load(120)
    assert facts == {"seed": 3}
    assert found.keys() == arrays(0).keys()
    for name, array in arrays(1.5).items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_the_last_and_the_best_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step, loss in ((10, 3.0), (20, 1.0), (30, None), (40, 2.0), (50, 1.5)):
        checkpoints.save(step, arrays(step), {}, loss)
    assert checkpoints.steps() == [20, 40, 50]
    assert (checkpoints.best(), checkpoints.latest()) == (20, 50)
    Checkpoints(tmp_path, keep=2).save(60, arrays(60), {}, 0.5)
    assert checkpoints.steps() == [50, 60]
    assert json.loads((tmp_path / "best.json").read_bytes()) == {"step": 60, "loss": 0.5}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best.json",
        "step-00000050.npz",
        "step-00000060.npz",
    ]


def test_a_failed_write_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(1, arrays(1), {})

    def full(file: object, **_: object) -> None:
        file.write(b"the beginning")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left") as caught:
        checkpoints.save(2, arrays(2), {})
    assert caught.value.filename == str(tmp_path / "step-00000002.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001.npz"]
    assert checkpoints.load(1)[0]["optimizer/iteration"] == 1


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "other", "array"])
def test_a_damaged_checkpoint_is_named(damage: str, tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    path = checkpoints.save(1, {"a": np.arange(1000.0)}, {})
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
    elif damage == "cut":
        del data[len(data) // 2 :]
    if damage == "array":
        buffer = io.BytesIO()
        np.save(buffer, np.arange(4))
        data = bytearray(buffer.getvalue())
    path.write_bytes({"empty": b"", "other": b"no zip file"}.get(damage, bytes(data)))
    with pytest.raises(BertprepError, match=r"step-00000001\.npz: damaged \(.*\)\. Remove it"):
        checkpoints.load(1)


@pytest.mark.parametrize("content", ["{", "[]", '{"step": 1}', '{"step": "1", "loss": 2}'])
def test_a_damaged_note_of_the_best_is_one_line(content: str, tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, arrays(1), {}, 2.0)
    (tmp_path / "best.json").write_text(content)
    with pytest.raises(UsageError, match=r"best.json: [^\n]+\. Remove it$"):
        checkpoints.best()


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "step-final.npz").write_text("mine")
    (tmp_path / "step-00000009.partial").write_text("of a run that was killed")
    checkpoints = Checkpoints(tmp_path, keep=1)
    assert checkpoints.latest() is None
    checkpoints.save(9, arrays(9), {})
    checkpoints.save(10, arrays(10), {})
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step-00000010.npz",
        "step-final.npz",
    ]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory, sample_corpus: Path) -> Path:
    output = tmp_path_factory.mktemp("records") / "out"
    program = "from bertprep.cli import main; main()"
    flags = f"--max-seq-length 32 --dupe-factor 1 --num-shards 2 --quiet --output {output}"
    command = [sys.executable, "-c", program, "create", str(sample_corpus), *flags.split()]
    subprocess.run([*command, "--vocab", str(sample_corpus / "vocab.txt")], check=True)
    return output


def train(records: Path, run: Path, kill_step: int = 0) -> None:
    """Train for 200 steps, with a checkpoint every 50; the process is killed after `kill_step`."""
    command = [sys.executable, str(DRIVER), str(records), str(run), "200", "50", str(kill_step)]
    status, _, errors = finish(subprocess.Popen(command, stderr=subprocess.PIPE))
    assert status == (-signal.SIGKILL if kill_step else 0), errors.decode()[-3000:]


def test_a_killed_run_resumes_to_the_same_weights(records: Path, tmp_path: Path) -> None:
    train(records, tmp_path / "whole")
    checkpoints = Checkpoints(tmp_path / "killed")
    train(records, tmp_path / "killed", kill_step=125)
    assert checkpoints.latest() == 100
    train(records, tmp_path / "killed")
    expected, facts = Checkpoints(tmp_path / "whole").load(200)
    found, _ = checkpoints.load(200)
    assert facts == {"steps": 200}
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    assert int(expected["optimizer/adamw/iteration"]) == 200
