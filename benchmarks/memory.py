"""Peak memory of `bertprep create` and all its workers, for a text and for ten times as much.

PSS, the proportional set size: a page that n processes share counts 1/n for each, so the sum over
the tree is what the tree holds. Taken from outside, every 50 ms; Linux only.
"""

import shutil
import subprocess
import time
from pathlib import Path

import processes
from corpora import Settings, environment_with_root, write_repeated
from report import Report, Row, megabytes, yes_or_no

_PAUSE_SECONDS = 0.05
_WORKERS = 2
_MOST_GROWTH = 1.15
_MOST_BYTES = 1 << 30


def tree(root: int) -> list[int]:
    """A process and all its descendants; what has ended meanwhile is left out."""
    found = [root]
    for process in found:
        for children in Path(f"/proc/{process}/task").glob("*/children"):
            try:
                found += map(int, children.read_text().split())
            except OSError:
                continue
    return found


def pss_bytes(process: int) -> int:
    """The proportional set size of one process; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(x.split()[1]) * 1024 for x in lines if x.startswith("Pss:")), 0)


def peak_pss(command: list[str]) -> tuple[int, int]:
    """Runs a command; returns the largest sum seen, in bytes, and how often it looked."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment_with_root()
    )
    peak = samples = 0
    while process.poll() is None:
        peak = max(peak, sum(map(pss_bytes, tree(process.pid))))
        samples += 1
        time.sleep(_PAUSE_SECONDS)
    assert process.stderr
    errors = process.stderr.read().decode()
    process.stderr.close()
    if process.returncode:
        raise SystemExit(f"{errors[-4000:]}\nfailed: {' '.join(command)}")
    return peak, samples


def measure(settings: Settings, report: Report, work: Path) -> None:
    """Runs the section."""
    if not Path("/proc/self/smaps_rollup").exists():
        report.left_out("memory: this system has no /proc/PID/smaps_rollup")
        return
    problem = processes.enough_disk(work, settings.bytes)
    if problem:
        report.left_out(f"memory: {problem}")
        return
    peaks = []
    for size in (settings.bytes // 10, settings.bytes):
        text, output = work / "english.txt", work / "records"
        written = write_repeated(text, settings.english, size)
        command = processes.create(text, settings.english.vocab, output, workers=_WORKERS)
        peak, samples = peak_pss(command)
        shutil.rmtree(output)
        text.unlink()
        report.record("run", bytes=written, workers=_WORKERS, peak_pss=peak, samples=samples)
        report.add(
            Row(
                f"peak PSS, {megabytes(written)}, {_WORKERS} workers",
                f"{peak / 2**20:.0f} MiB",
                goal="under 1 GiB",
                met=yes_or_no(peak < _MOST_BYTES),
            )
        )
        peaks.append(peak)
    growth = peaks[1] / peaks[0]
    report.add(
        Row(
            "memory at ten times the text",
            f"{growth:.2f} times as much",
            goal=f"at most {_MOST_GROWTH}",
            met=yes_or_no(growth <= _MOST_GROWTH),
        )
    )
