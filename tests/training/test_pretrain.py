"""`bertprep pretrain`: options, errors, metrics and output files."""

import importlib.util
import json
import math
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import termios
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.image import imread
from pretraining import ROOT, VOCAB_SIZE, make_records, pretrain, rows_of, start, write_config
from waiting import finish

from bertprep.cli import main
from bertprep.loading.windows import RecordStream
from bertprep.model.config import load_config
from bertprep.model.heads import HEADS, sum_names
from bertprep.model.saved_run import RUN_LAYOUT
from bertprep.options import PretrainOptions, UpdateOptions
from bertprep.records import find_data_set
from bertprep.storage.planned_folder import PlannedFolder
from bertprep.training.metrics import MetricsLog, mean_metrics, read_rows
from bertprep.training.process import StopSignals

MEASURES = ["loss", "mlm_loss", "nsp_loss", "mlm_accuracy", "nsp_accuracy"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create records, a config, and faulty ones of both."""
    folder = tmp_path_factory.mktemp("pretrain")
    records = make_records(folder)
    write_config(folder)
    (folder / "none_held").mkdir()
    shutil.copy(next(records.glob("tf_*")), folder / "none_held")
    shutil.copy(records / "vocab.txt", folder / "none_held")
    (folder / "no_vocab").mkdir()
    shutil.copy(next(records.glob("tf_*")), folder / "no_vocab")
    (folder / "unfinished").mkdir()
    for name in ("plan.json", "vocab.txt", next(records.glob("tf_*")).name):
        shutil.copy(records / name, folder / "unfinished")
    (folder / "other.txt").write_text((records / "vocab.txt").read_text().replace("ba\n", "xx\n"))
    (folder / "a_file").write_text("")
    for name, change in (
        ("large", {"vocab_size": 200}),
        ("short", {"max_position_embeddings": 16}),
        ("one_type", {"type_vocab_size": 1}),
    ):
        (folder / name).mkdir()
        write_config(folder / name, **change)
    (folder / "foreign" / "checkpoints").mkdir(parents=True)
    return folder


@pytest.fixture(autouse=True)
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    """A finished run."""
    output = folder / "run"
    flags = "--steps 45 --log-every 10 --save-every 20 --eval-every 15 --batch-size 16 --no-xla"
    result = pretrain(
        *(folder / "records", "--model", folder / "config.json", "--output", output),
        *(*flags.split(), "--learning-rate", "0.002", "--warmup", "5", "--plot"),
    )
    assert result.exit_code == 0, result.output
    (folder / "stdout.txt").write_text(result.stdout)
    return output


GOOD = "records --model config.json --steps 9 --output new"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("records --output new --model tiny", "say how long to train: --steps, or --epochs, .*"),
        (GOOD + " --epochs 1", "say how long to train: --steps, or --epochs, and not both"),
        (
            "records --output new --steps 9",
            "say which model to train: --model .* or --init-from .*",
        ),
        (GOOD + " --steps 0", "steps must be at least 1, got 0"),
        (
            "records --model tiny --output new --epochs nan",
            "epochs must be above 0, got nan",
        ),
        (GOOD + " --batch-size 0", "batch_size must be at least 1, got 0"),
        (
            GOOD + " --batch-size 10 --gradient-accumulation 4",
            r"batch_size must be a multiple of gradient_accumulation \(4\), got 10",
        ),
        (GOOD + " --learning-rate nan", "learning_rate must be above 0, got nan"),
        (GOOD + " --weight-decay -1", "weight_decay must be 0 or more, got -1.0"),
        (GOOD + " --warmup 10", r"warmup must be at most steps \(9\), got 10.0"),
        (GOOD + " --warmup inf", "warmup must be a number of steps, or a share .*, got inf"),
        (GOOD + " --warmup 1.5", "warmup must be a number of steps, or a share .*, got 1.5"),
        (GOOD + " --seed -1", "seed must be 0 or more, got -1"),
        (GOOD + " --keep 0", "keep must be at least 1, got 0"),
        (GOOD + " --save-every 0", "save_every must be at least 1, got 0"),
        (GOOD + " --eval-every 0", "eval_every must be at least 1, got 0"),
        (GOOD + " --log-every 0", "log_every must be at least 1, got 0"),
        (
            "records --model nothing.json --steps 9 --output new",
            "nothing.json: cannot be read: No such file or directory. Name a bert_config.json, "
            "or one of tiny, mini, small, medium, base, large",
        ),
        (
            "records --model large/config.json --steps 9 --output new",
            r"large/config.json: vocab_size must be that of records/vocab.txt \(101\), got 200",
        ),
        (
            "records --model short/config.json --steps 9 --output new",
            "short/config.json: has 16 position embeddings, the records have 24 tokens: .*",
        ),
        (
            "records --model one_type/config.json --steps 9 --output new",
            "one_type/config.json: type_vocab_size must be at least 2, got 1",
        ),
        ("nowhere --model tiny --steps 9 --output new", "nowhere: no such file or folder. .*"),
        (
            "records/eval --model tiny --steps 9 --output new",
            "records/eval: all of these are held-out records, in eval/: name the folder above",
        ),
        (
            "none_held --model config.json --steps 9 --output new --eval-every 5",
            "none_held: no held-out records for --eval-every: .*",
        ),
        ("no_vocab --model tiny --steps 9 --output new", "no_vocab: there is no vocab.txt .*"),
        (
            "unfinished --model tiny --steps 9 --output new",
            "unfinished: incomplete records: repeat the command of `bertprep create` .*",
        ),
        (GOOD + " --vocab other.txt", "other.txt: not the vocabulary .* leave out --vocab .*"),
        (
            GOOD + " --distribute multiworker",
            "--distribute multiworker needs the workers in the environment variable TF_CONFIG, .*",
        ),
        (
            "records --model config.json --steps 9 --output a_file",
            "a_file: is not a folder; name another --output",
        ),
        (
            "records --model config.json --steps 9 --output foreign",
            "foreign/checkpoints: is here without a run.json; name another --output, .*",
        ),
        (
            "records --init-from nowhere --steps 9 --output new",
            "nowhere: no such file or folder. Name a bertprep run, .*",
        ),
        (
            "records --init-from . --steps 9 --output .",
            ".: in the output folder of the new run: name another --output .*",
        ),
        (
            "records --init-from none_held --steps 9 --output new",
            "none_held: no weights found. Name a bertprep run, .*",
        ),
    ],
)
def test_errors_in_options_and_data_are_one_line(flags: str, message: str) -> None:
    result = pretrain(*flags.split())
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert re.fullmatch(f"Error: {message}\n", result.stderr), result.stderr
    assert not Path("new").exists()


def test_padding_of_the_word_embeddings_is_kept_and_reported(tmp_path: Path) -> None:
    config = write_config(tmp_path, vocab_size=104, hidden_act="relu", layer_norm_eps=1e-6)
    flags = f"records --model {config} --steps 1 --batch-size 8 --no-xla --output {tmp_path / 'r'}"
    result = pretrain(*flags.split())
    assert result.exit_code == 0, result.output
    assert "3 word embeddings are padding, beyond the vocabulary: kept" in result.stderr
    exported = CliRunner().invoke(
        main, f"export {tmp_path / 'r'} --output {tmp_path / 'm'}".split()
    )
    assert exported.exit_code == 0, exported.output
    content = json.loads((tmp_path / "m" / "config.json").read_bytes())
    shown = [content[name] for name in ("vocab_size", "hidden_act", "layer_norm_eps")]
    assert shown == [104, "relu", 1e-6]


def test_batch_size_must_divide_among_workers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = {"cluster": {"worker": ["a:1", "b:1", "c:1"]}, "task": {"index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    result = pretrain(*GOOD.split(), "--distribute", "multiworker")
    expected = "Error: batch_size must be a multiple of workers x gradient_accumulation (3 x 1)"
    assert (result.exit_code, result.stderr) == (2, f"{expected}, got 32\n")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tensorboard" else find(name)
    )
    result = pretrain(*GOOD.split(), "--tensorboard")
    expected = "--tensorboard needs tensorboard: pip install 'bertprep[tensorboard]'"
    assert (result.exit_code, result.stderr) == (2, f"Error: {expected}\n")


def test_errors_are_found_before_tensorflow_is_loaded() -> None:
    program = """
import sys
from bertprep.cli import main
try:
    main(sys.argv[1:], standalone_mode=False)
except SystemExit as end:
    print(end.code, sorted({"tensorflow", "keras", "matplotlib"} & sys.modules.keys()))
"""
    flags = "pretrain records --model config.json --steps 9 --output foreign"
    done = subprocess.run(
        [sys.executable, "-c", program, *flags.split()],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout == "2 []\n", done.stderr


def test_every_option_has_a_flag_with_its_default_and_help() -> None:
    params = main.commands["pretrain"].params
    parameters = {parameter.name: parameter for parameter in params if parameter.expose_value}
    options = [
        (field, kind)
        for kind in (PretrainOptions, UpdateOptions)
        for field in fields(kind)
        if field.name != "updates"
    ]
    assert parameters.keys() == {field.name for field, _ in options}
    for field, _ in options:
        parameter = parameters[field.name]
        expected = None if field.default is MISSING else field.default
        if field.name not in ("data", "output"):
            assert parameter.default == expected, field.name
        if isinstance(parameter, click.Option):
            assert parameter.help, field.name


def test_epochs_are_converted_to_steps() -> None:
    def steps(epochs: float, num_records: int) -> int:
        updates = UpdateOptions(batch_size=32)
        options = PretrainOptions(
            ("records",), Path("run"), model="tiny", epochs=epochs, updates=updates
        )
        return options.training(num_records).steps

    assert [steps(1, 64), steps(1, 65), steps(2.5, 640), steps(0.001, 64)] == [2, 3, 50, 1]


def test_metrics_have_a_line_every_n_steps(run: Path) -> None:
    rows = rows_of(run)
    assert [(row["split"], row["step"]) for row in rows] == [
        ("baseline", 0),
        ("train", 10),
        ("eval", 15),
        *(("train", 20), ("train", 30), ("eval", 30), ("train", 40), ("train", 45), ("eval", 45)),
    ]
    baseline = rows[0]
    assert baseline["uniform_loss"] == pytest.approx(math.log(VOCAB_SIZE))
    for row in rows[1:]:
        shared = ["split", "step", *MEASURES]
        extra = ["sequences", "masks"]
        assert list(row) == shared + (
            ["learning_rate", "sequences_per_second"] if row["split"] == "train" else extra
        )
        assert row["loss"] == pytest.approx(row["mlm_loss"] + row["nsp_loss"])
        assert 0 <= row["mlm_accuracy"] <= 1
        assert 0 <= row["nsp_accuracy"] <= 1
    rates = {row["step"]: row["learning_rate"] for row in rows if row["split"] == "train"}
    # Of the last update of the line, whose number is one less: 0 is the first.
    assert rates[10] == pytest.approx(0.002 * (1 - 9 / 45), rel=1e-5)
    assert rates[45] == pytest.approx(0.002 * (1 - 44 / 45), rel=1e-4)


def read_all(records: Path, *, held_out: bool) -> dict[str, np.ndarray]:
    """Return the features of all records, in the order of the shards."""
    pattern = "eval/tf_*" if held_out else "tf_*"
    data_set = find_data_set([str(path) for path in sorted(records.glob(pattern))])
    stream = RecordStream(data_set, VOCAB_SIZE, 0, is_shuffled=False)
    (rows,) = stream.read([range(stream.num_records)])
    features = {name: rows[:, columns] for name, columns in stream.schema.columns.items()}
    features["masked_lm_weights"] = features["masked_lm_weights"].copy().view(np.float32)
    return features


def test_baselines_follow_from_the_labels(folder: Path, run: Path) -> None:
    train, held = (read_all(folder / "records", held_out=kind) for kind in (False, True))
    counts = np.zeros(VOCAB_SIZE)
    for label in train["masked_lm_ids"][train["masked_lm_weights"] > 0]:
        counts[label] += 1
    labels = held["masked_lm_ids"][held["masked_lm_weights"] > 0]
    probabilities = (counts + 1) / (counts + 1).sum()
    row = rows_of(run)[0]
    assert row["mlm_loss"] == pytest.approx(-np.log(probabilities[labels]).mean())
    assert row["mlm_accuracy"] == pytest.approx((labels == counts.argmax()).mean())
    pairs, held_pairs = (each["next_sentence_labels"].mean() for each in (train, held))
    is_random = (pairs * len(train["input_ids"]) + 1) / (len(train["input_ids"]) + 2)
    entropy = -held_pairs * np.log(is_random) - (1 - held_pairs) * np.log(1 - is_random)
    assert row["nsp_loss"] == pytest.approx(entropy)
    assert row["nsp_accuracy"] == pytest.approx(held_pairs if pairs > 0.5 else 1 - held_pairs)
    sizes = (row["counted_records"], row["measured_records"])
    assert sizes == (len(train["input_ids"]), len(held["input_ids"]))


def test_evaluation_counts_every_held_out_record_once(folder: Path, run: Path) -> None:
    from bertprep.model.initialization import restore_model
    from bertprep.model.saved_run import load_run

    held = read_all(folder / "records", held_out=True)
    assert len(held["input_ids"]) % 16  # the last batch is not full
    outputs = {k: np.array(v) for k, v in restore_model(load_run(run))(held).items()}

    def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
        logits = logits.astype(np.float64)
        each = (
            np.log(np.exp(logits).sum(-1))
            - np.take_along_axis(logits, labels[..., None], -1)[..., 0]
        )
        return np.asarray(each)

    is_mask = held["masked_lm_weights"] > 0
    mlm = cross_entropy(outputs["masked_lm_logits"], held["masked_lm_ids"])[is_mask]
    labels = held["next_sentence_labels"][:, 0]
    nsp = cross_entropy(outputs["next_sentence_logits"], labels)
    right = (outputs["masked_lm_logits"].argmax(-1) == held["masked_lm_ids"])[is_mask]
    row = rows_of(run)[-1]
    assert (row["sequences"], row["masks"]) == (len(labels), is_mask.sum())
    assert row["mlm_loss"] == pytest.approx(mlm.mean(), rel=1e-5)
    assert row["nsp_loss"] == pytest.approx(nsp.mean(), rel=1e-5)
    assert row["mlm_accuracy"] == pytest.approx(right.mean(), abs=1e-6)
    nsp_right = outputs["next_sentence_logits"].argmax(-1) == labels
    assert row["nsp_accuracy"] == pytest.approx(nsp_right.mean(), abs=1e-6)


def test_the_run_folder_has_all_files(folder: Path, run: Path) -> None:
    assert sorted(path.name for path in run.iterdir()) == [
        *("bert_config.json", "checkpoints", "curves.png", "metrics.jsonl", "run.json"),
        "vocab.txt",
    ]
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == [
        *("best.json", "step-00000020.npz", "step-00000040.npz", "step-00000045.npz"),
    ]
    about = json.loads((run / "run.json").read_bytes())
    assert about["trained_positions"] == 24
    assert about["plan"]["training"] == asdict(UpdateOptions()) | {
        **{"steps": 45, "batch_size": 16, "learning_rate": 0.002, "warmup": 5.0, "xla": False},
    }
    assert load_config(run / "bert_config.json") == load_config(folder / "config.json")
    shown = (folder / "stdout.txt").read_text().splitlines()
    heads = [line.split("  ")[0] for line in shown]
    assert heads == [
        *("steps", "training", "held-out", "baseline", "checkpoints", "metrics", "curves"),
        "time",
    ]


def test_the_plot_is_a_png(run: Path) -> None:
    data = (run / "curves.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n")
    width, height = (int.from_bytes(data[i : i + 4], "big") for i in (16, 20))
    assert (width, height) == (1200, 780)
    pixels = imread(run / "curves.png")
    assert len(np.unique(pixels.reshape(-1, 4), axis=0)) > 20


AGAIN = "records --model config.json --output run --log-every 10 --save-every 20 --eval-every 15"
SAME = AGAIN + " --batch-size 16 --no-xla --learning-rate 0.002 --warmup 5"


def test_a_complete_run_is_not_changed(run: Path) -> None:
    before = (run / "metrics.jsonl").read_bytes()
    result = pretrain(*SAME.split(), "--steps", "45")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("steps        45, already complete\n")
    assert result.stderr == ""
    assert (run / "metrics.jsonl").read_bytes() == before


def test_other_options_are_refused_and_named(run: Path) -> None:
    result = pretrain(*SAME.split(), "--steps", "50", "--seed", "7")
    expected = "Error: run: made by another command (seed was 12345, is 7; steps was 45, is 50): "
    assert (result.exit_code, result.stderr) == (
        2,
        f"{expected}name another --output, or pass --overwrite\n",
    )


def test_a_locked_folder_is_refused(run: Path) -> None:
    with PlannedFolder(run, RUN_LAYOUT):
        result = pretrain(*SAME.split(), "--steps", "45")
    expected = (
        "another bertprep process is using this folder; wait for it, or name another --output"
    )
    assert (result.exit_code, result.stderr) == (2, f"Error: run: {expected}\n")


def test_a_run_can_be_exported_and_initialize_another(run: Path, tmp_path: Path) -> None:
    from bertprep.model.saved_run import load_run

    exported = CliRunner().invoke(main, ["export", str(run), "--output", str(tmp_path / "model")])
    assert exported.exit_code == 0, exported.output
    names = sorted(path.name for path in (tmp_path / "model").iterdir())
    assert {"config.json", "model.safetensors", "vocab.txt"} <= set(names)
    flags = (
        f"none_held --init-from {run} --steps 1 --warmup 1 --batch-size 8 --no-xla "
        f"--output {tmp_path / 'b'}"
    )
    result = pretrain(*flags.split())
    assert result.exit_code == 0, result.output
    lines = result.stderr.splitlines()
    assert lines[0].startswith("Note: no held-out records, so only the training loss is measured")
    assert lines[1] == f"initialized with the weights of {run} (step 45)"
    assert lines[2].endswith(" records, measured on the same)")
    assert len(lines) == 6
    rows = rows_of(tmp_path / "b")
    assert [(row["split"], row["step"]) for row in rows] == [("baseline", 0), ("train", 1)]
    # The first update of a warm-up has the rate 0: these are the weights that it began with.
    begun, source = load_run(tmp_path / "b"), load_run(run)
    for name, array in source.arrays.items():
        np.testing.assert_array_equal(begun.arrays[name], array)
    assert begun.step == 1
    # Overwritten by another command, which leaves what is not its own.
    (tmp_path / "b" / "notes.md").write_text("mine")
    result = pretrain(*flags.replace("--steps 1", "--steps 2").split(), "--overwrite", "--quiet")
    assert (result.exit_code, result.output) == (0, "")
    assert [path.name for path in (tmp_path / "b" / "checkpoints").iterdir()] == [
        "step-00000002.npz"
    ]
    assert (tmp_path / "b" / "notes.md").read_text() == "mine"


@pytest.mark.parametrize("distribute", ["mirrored", "multiworker"])
def test_every_distribution_runs_on_a_single_device(
    distribute: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = "127.0.0.1:0"
    cluster = {"cluster": {"worker": [port]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    process = start(*GOOD.replace("new", str(tmp_path)).split(), "--distribute", distribute)
    status, stdout, stderr = finish(process)
    assert status == 0, stderr
    assert stdout.startswith("steps        9\n")


def test_tensorboard_files_are_written(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="writes what only the extra can read")
    flags = f"{GOOD.replace('new', str(tmp_path / 'run'))} --no-xla --tensorboard --quiet"
    result = pretrain(*flags.split())
    assert result.exit_code == 0, result.output
    events = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("events.out.*")]
    folders = sorted(name.rpartition("/")[0] for name in events)
    assert folders == ["run/tensorboard/eval", "run/tensorboard/train"]


def test_signals_are_deferred_until_obeyed() -> None:
    seen: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda n, _: seen.append(n)) for number in numbers]
    try:
        with StopSignals() as stop:
            assert not stop.is_wanted
            os.kill(os.getpid(), signal.SIGINT)
            assert (stop.is_wanted, seen) == (True, [])
            stop.obey()
            assert seen == [signal.SIGINT]
        with StopSignals():  # a second one does not wait
            os.kill(os.getpid(), signal.SIGTERM)
            assert len(seen) == 1
            os.kill(os.getpid(), signal.SIGTERM)
            assert len(seen) == 2
        with StopSignals():  # one that comes behind the last step is not lost
            os.kill(os.getpid(), signal.SIGINT)
        assert seen[2:] == [signal.SIGINT]
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def test_lines_after_a_step_and_truncated_lines_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with MetricsLog(path, 0) as file:
        for step in (10, 20, 30):
            file.write("train", step, {"loss": float(step)}, {})
        file.write("eval", 20, {"loss": 1.0}, {"masks": 3})
    with open(path, "a") as broken:
        broken.write('{"split": "tra')
    assert [row["step"] for row in read_rows(path)] == [10, 20, 30, 20]
    with MetricsLog(path, 20) as file:
        assert file.has("eval", 20)
        assert not file.has("train", 30)
        file.write("train", 30, {"loss": 2.0}, {})
    assert [(row["split"], row["step"]) for row in read_rows(path)] == [
        *(("train", 10), ("train", 20), ("eval", 20), ("train", 30)),
    ]


def test_a_line_weighs_every_masked_token_equally() -> None:
    sums = {
        "masked_lm_loss": 8.0 + 4.0,
        "masked_lm_correct": 1.0 + 4.0,
        "masked_lm_weights": 2.0 + 4.0,
        "next_sentence_loss": 1.0 + 2.0,
        "next_sentence_correct": 1.0 + 3.0,
        "sequences": 4.0 + 4.0,
    }
    assert sums.keys() == set(sum_names(HEADS.values()))
    assert mean_metrics(HEADS.values(), sums) == {
        **{"loss": 2.375, "mlm_loss": 2.0, "nsp_loss": 0.375},
        **{"mlm_accuracy": 5 / 6, "nsp_accuracy": 0.5},
    }


SHOW = """
import sys
from bertprep import terminal
terminal._PLAIN_LINE_SECONDS = 0.0
from bertprep.model.heads import HEADS
from bertprep.training.metrics import describe_progress
values = {"loss": 7.5, "mlm_loss": 6.8, "nsp_loss": 0.7, "mlm_accuracy": 0.05,
    "nsp_accuracy": 0.5, "learning_rate": 1e-4, "sequences_per_second": 1234.5}
text = describe_progress(HEADS.values(), values)
with terminal.step_progress(10, 20, quiet=sys.argv[1] == "quiet") as bar:
    for _ in range(10):
        bar.show(text)
        bar.advance()
"""
SHOWN = r"loss 7\.500, MLM 6\.800 5\.0%, NSP 0\.700 50\.0%, lr 1\.00e-04, 1,234 sequences/s"


def show(mode: str, **settings: Any) -> "subprocess.CompletedProcess[bytes]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", SHOW, mode]
    return subprocess.run(command, env=environment, check=True, **settings)


def test_stderr_without_a_terminal_gets_plain_lines() -> None:
    lines = show("", capture_output=True).stderr.decode().splitlines()
    assert len(lines) == 10
    assert re.fullmatch(rf"step 11 of 20, {SHOWN}, \d+ s left", lines[0]), lines[0]
    assert show("quiet", capture_output=True).stderr == b""


def test_a_terminal_gets_a_progress_bar() -> None:
    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (24, 200))
    show("", stderr=end)
    os.close(end)
    text = b""
    while True:
        try:
            text += os.read(terminal, 1 << 16)
        except OSError:
            break
    os.close(terminal)
    last = text.decode().strip().split("\r")[-1]
    assert re.search(rf"step 20/20 \[\d\d:\d\d, \d\d:\d\d left, {SHOWN}\]", last), last


def test_help_has_the_example() -> None:
    # Without waiting for anything heavy: test_floors holds the imports, this the output.
    result = CliRunner().invoke(main, ["pretrain", "--help"])
    assert result.exit_code == 0
    assert "      bertprep pretrain /tmp/r --model tiny --steps 200 --output /tmp/run\n" in (
        result.output.replace("    bertprep", "      bertprep")
    )
