"""How long a person waits: for help, and for the sample corpus, kernels compiled or not."""

import shutil
import statistics
import tempfile
from collections.abc import Iterable
from pathlib import Path

import processes
from corpora import SAMPLE, SAMPLE_VOCAB, Settings
from report import Report, Row, yes_or_no

_HELP_RUNS = 10


def measure(settings: Settings, report: Report, work: Path) -> None:
    """Runs the section."""
    helps = [processes.run(processes.bertprep("--help")).wall for _ in range(_HELP_RUNS)]
    _add(report, "bertprep --help", helps, 0.2)
    sample = processes.bertprep("create", SAMPLE, "--vocab", SAMPLE_VOCAB, "--output")

    def create(cache: Path | None) -> float:
        output = work / "records"
        # The first is the user's own choice of a folder, the second is where it is without one.
        changes = {"NUMBA_CACHE_DIR": str(cache), "XDG_CACHE_HOME": str(cache)} if cache else {}
        wall = processes.run([*sample, str(output)], changes).wall
        shutil.rmtree(output)
        return wall

    create(None)
    _add(report, "create, sample, warm", [create(None) for _ in range(settings.repeat)], 2.0)
    cold = []
    for _ in range(settings.repeat):
        with tempfile.TemporaryDirectory(dir=work) as cache:
            cold.append(create(Path(cache)))
    _add(report, "create, sample, cold JIT cache", cold, 15.0)


def _add(report: Report, what: str, walls: Iterable[float], most: float) -> None:
    walls = list(walls)
    report.record("run", what=what, seconds=walls)
    median = statistics.median(walls)
    goal, met = f"under {most:g} s", yes_or_no(median < most)
    report.add(Row(what, f"{median:.2f} s", goal=goal, met=met))
