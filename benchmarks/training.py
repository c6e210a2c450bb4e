"""A step of `bertprep pretrain` beside those of keras-hub and PyTorch, and the machine's own rate.

The model is `mini`, the batch 32 sequences of 128 tokens with 20 predictions, the update AdamW with
a clip, dropout as published. All must find the same masked-LM logits before a ratio is shown.
"""

import json
import statistics
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import training_peers
from training_peers import (
    BATCH,
    DEFAULT,
    MODEL,
    PREDICTIONS,
    PREPARE,
    SEQ_LENGTH,
    VARIANTS,
    read_config,
)

_GOAL_KERAS_HUB, _GOAL_TORCH, _GOAL_SHARE, _GOAL_INPUT = 1 / 1.05, 3.0, 0.8, 20.0
_TEXT_BYTES = 2_000_000
#: Largest difference of logits, whose spread is 0.3. keras-hub has gelu by tanh, and 1e-5 in the
#: head's LayerNorm, both by design.
_MOST_DIFFERENCE = {"keras-hub": 5e-3, "PyTorch": 1e-4}


def step_flop(config: Any, batch: int, seq_length: int, predictions: int) -> float:
    """Floating-point operations of the matrix products of a step: forward, and twice back.

    The last layer computes [CLS] and the masked positions only.
    """
    width, inner = config.hidden_size, config.intermediate_size

    def layer(queries: int) -> int:
        dense = 2 * width * (2 * seq_length * width + 2 * queries * width + 2 * queries * inner)
        return dense + 2 * 2 * queries * seq_length * width

    layers = (config.num_hidden_layers - 1) * layer(seq_length) + layer(predictions + 1)
    heads = 2 * predictions * width * (width + config.vocab_size) + 2 * width * width
    return 3.0 * batch * (layers + heads)


def measure(settings: Any, report: Any, work: Path) -> None:
    """Runs the section."""
    import processes
    from corpora import write_repeated

    names = [name for name in VARIANTS if name != PREPARE]
    for package, start in (("keras_hub", "keras-hub"), ("transformers", "PyTorch")):
        if find_spec(package) is None:
            report.left_out(f"pretrain: {package} is not installed: pip install '.[bench,interop]'")
            names = [name for name in names if not name.startswith(start)]
    text = work / "english.txt"
    write_repeated(text, settings.english, _TEXT_BYTES)
    vocab, records = settings.english.vocab, work / "records"
    command = processes.create(text, vocab, records, workers=2)
    processes.run([*command, f"--max-predictions-per-seq={PREDICTIONS}"])
    taken = _child(PREPARE, work)["sequences_per_second"]
    report.record("run", what="input pipeline", sequences_per_second=taken)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    rates = []
    for number in range(settings.repeat):
        report.say(f"round {number + 1} of {settings.repeat}")
        for name in names:
            values = _child(name, work)
            seconds[name] += values["seconds"]
            rates += [values["flop_per_second"]] if "flop_per_second" in values else []
            report.record("run", what=name, **values)
            report.say(f"{name}: {statistics.median(values['seconds']):.3f} s a step")
    _require_equal(work, report)
    medians = {name: statistics.median(runs) for name, runs in seconds.items()}
    _add_ratios(report, medians)
    _add_shares(report, medians[DEFAULT], max(rates), taken, read_config(work))


def _child(name: str, work: Path) -> dict[str, Any]:
    from corpora import environment_with_root

    command = [sys.executable, training_peers.__file__, name, str(work)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment_with_root())
    if done.returncode:
        raise SystemExit(f"{done.stderr[-4000:]}\nfailed: {' '.join(command)}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _require_equal(work: Path, report: Any) -> None:
    ours = np.load(work / f"{DEFAULT}, None.npy")
    for path in sorted(work.glob("*.npy")):
        name = path.stem.split(",")[0]
        difference = float(np.abs(np.load(path) - ours).max())
        report.say(f"largest difference of logits, {path.stem}: {difference:.1e}")
        if difference > _MOST_DIFFERENCE.get(name, 1e-5):
            raise SystemExit(f"{path.stem} is another function: its logits differ by {difference}")


def _add_ratios(report: Any, seconds: dict[str, float]) -> None:
    """Rows beside the peers, the goal in that of the faster one; and beside our other settings."""
    from report import Row, yes_or_no

    ours, shown = seconds[DEFAULT], {name: _rate(value) for name, value in seconds.items()}
    for peer, goal in (("keras-hub", _GOAL_KERAS_HUB), ("PyTorch", _GOAL_TORCH)):
        names = [name for name in seconds if name.startswith(peer)]
        best = min(names, key=seconds.__getitem__, default="")
        for name in names:
            ratio, what = seconds[name] / ours, f"pretrain, {MODEL}, batch {BATCH}"
            aim = (f"{goal:.2f}x", yes_or_no(ratio >= goal)) if name == best else ("", "")
            report.add(Row(what, shown[DEFAULT], f"{name}: {shown[name]}", ratio, *aim))
    for name in seconds:
        if name.startswith(DEFAULT) and name != DEFAULT:
            what, ratio = f"pretrain, the default and {name.split()[-1]}", seconds[name] / ours
            aim = ("1.00x", yes_or_no(ratio >= 1))
            report.add(Row(what, shown[DEFAULT], shown[name], ratio, *aim))


def _add_shares(report: Any, ours: float, flop_rate: float, taken: float, config: Any) -> None:
    """Rows of what the machine could do, and of what feeds the model."""
    from report import Row, yes_or_no

    share = step_flop(config, BATCH, SEQ_LENGTH, PREDICTIONS) / ours / flop_rate
    peak, met = f"{flop_rate / 1e9:.0f} GFLOP/s", yes_or_no(share >= _GOAL_SHARE)
    what = "pretrain, share of the rate of float32 products"
    report.add(Row(what, f"{share:.0%}", peak, goal=f"{_GOAL_SHARE:.0%}", met=met))
    ratio, goal = taken * ours / BATCH, f"{_GOAL_INPUT:g}x"
    what, met = "pretrain, input pipeline to model", yes_or_no(ratio >= _GOAL_INPUT)
    report.add(Row(what, f"{taken:,.0f} seq/s", _rate(ours), ratio, goal, met))


def _rate(seconds: float) -> str:
    return f"{BATCH / seconds:.1f} seq/s"
