"""Small records and small runs for the tests of `bertprep pretrain`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from generated_language import write_language

from bertprep.cli import main

ROOT = Path(__file__).parents[2]
#: Pieces of the generated language's vocabulary.
VOCAB_SIZE = 101
SMALL = {
    "vocab_size": VOCAB_SIZE,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 24,
}


def make_records(folder: Path, *flags: str, num_documents: int = 200) -> Path:
    """Create records of the generated language, of 24 tokens, with some held out."""
    corpus, vocab = write_language(folder, num_documents)
    output = folder / "records"
    shape = "--max-seq-length 24 --dupe-factor 3 --eval-fraction 0.1 --short-seq-prob 0 --quiet"
    arguments = ["create", str(corpus), "--vocab", str(vocab), "--output", str(output)]
    done = CliRunner().invoke(main, [*arguments, *shape.split(), "--workers", "1", *flags])
    assert done.exit_code == 0, done.output
    return output


def write_config(folder: Path, **changes: Any) -> Path:
    """Write the config of a very small model."""
    path = folder / "config.json"
    path.write_text(json.dumps(SMALL | changes))
    return path


def pretrain(*arguments: str | Path) -> Result:
    """Run `bertprep pretrain` in this process."""
    return CliRunner().invoke(main, ["pretrain", *map(str, arguments)])


def start(
    *arguments: str | Path, stop: tuple[int, int] = (0, 0), **variables: str
) -> "subprocess.Popen[str]":
    """Start `bertprep pretrain` as a process.

    Args:
        arguments: of `pretrain`.
        stop: the step at which the process sends itself a signal, and the signal; 0 is never.
        variables: added to the environment.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "2",
        "TF_NUM_INTRAOP_THREADS": "2",
        "TF_NUM_INTEROP_THREADS": "2",
        **variables,
    }
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    driver = Path(__file__).with_name("interrupted_pretrain.py")
    command = [sys.executable, driver, *stop, *arguments]
    return subprocess.Popen(
        list(map(str, command)),
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def rows_of(run: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's metrics."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
