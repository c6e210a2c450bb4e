"""What was measured -> a table for people, and JSON lines beside it with every single run.

The table's ratio is ours to the peer's: 1.00x means equal, higher means bertprep is faster.
"""

import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from corpora import ROOT

RESULTS = Path(__file__).with_name("results")
_PACKAGES = (
    "bertprep",
    "numpy",
    "numba",
    "tensorflow",
    "tensorflow-text",
    "tokenizers",
    "blingfire",
    "sentencex",
    "icu4py",
    "nltk",
    "pysbd",
    "sentence-splitter",
    "spacy",
    "syntok",
    *("rjieba", "jieba_next", "jieba", "budoux", "sudachipy", "fugashi"),
)


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        what: what was measured.
        ours, peer: the figures with their units, "" where there is none.
        ratio: ours to the peer's, in the sense in which more is better; None where it has none.
        goal: what was set as the aim, "" where nothing was.
        met: whether it is met, in words; "" without a goal.
    """

    what: str
    ours: str = ""
    peer: str = ""
    ratio: float | None = None
    goal: str = ""
    met: str = ""

    @property
    def cells(self) -> list[str]:
        """The line's columns."""
        ratio = "" if self.ratio is None else f"{self.ratio:,.2f}x"
        return [self.what, self.ours, self.peer, ratio, self.goal, self.met]


_HEADINGS = ["what", "ours", "peer", "ratio", "goal", "met"]


def megabytes(size: float) -> str:
    """A number of bytes, in three digits."""
    return f"{size / 1e6:.3g} MB"


def yes_or_no(met: bool) -> str:
    """The word in the last column."""
    return "yes" if met else "NO"


def table(headings: list[str], lines: list[list[str]]) -> str:
    """A Markdown table, so that it can go into a README as it stands."""
    widths = [max(map(len, column)) for column in zip(headings, *lines, strict=True)]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in (headings, rule, *lines)
    )


class Report:
    """Collects the rows of a run of the benchmarks and writes everything down as it comes."""

    def __init__(self, folder: Path = RESULTS) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / time.strftime("%Y-%m-%dT%H%M%S.jsonl")
        self.section = ""
        self._rows: list[Row] = []
        self.record("machine", **machine())

    def record(self, kind: str, **values: Any) -> None:
        """Keeps one raw result."""
        line = {"kind": kind, "section": self.section} | values
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def begin(self, section: str) -> None:
        """Opens a section."""
        self.section = section
        self._rows = []
        print(f"\n## {section}", flush=True)

    def add(self, row: Row) -> None:
        """Adds a line to the section's table."""
        self._rows.append(row)
        self.record("row", **asdict(row))

    def say(self, text: str) -> None:
        """Shows a line at once."""
        print(text, flush=True)

    def left_out(self, what: str) -> None:
        """Says what is not measured, and why."""
        self.say(f"left out: {what}")
        self.record("left out", what=what)

    def end(self) -> None:
        """Prints the section's table."""
        if self._rows:
            print("\n" + table(_HEADINGS, [row.cells for row in self._rows]), flush=True)


def machine() -> dict[str, Any]:
    """What the figures depend on beside the code; nothing that names this computer."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "commit": _commit(),
        "cpu": _cpu_model(),
        "cores": cores,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "load": [round(load, 2) for load in os.getloadavg()],
        "kernel": f"{platform.system()} {platform.release()}",
        "python": sys.version.split()[0],
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "unknown")


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
