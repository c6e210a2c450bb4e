"""Measures bertprep beside its peers: all of it, or the sections that are named.

Figures are ratios wherever there is a peer: 1.00x means equal, higher means bertprep is faster.
Equal outputs are required before anything is timed. README.md beside this file explains the rows.

Example:
    REFERENCE=~/bert BENCH_CORPUS=english.txt.gz BENCH_VOCAB=vocab.txt make bench
    BENCH_BYTES=4_000_000 python benchmarks/bench.py stages start
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import processes
from corpora import GOAL_BYTES, ROOT, SAMPLE, SAMPLE_VOCAB, SettingError, Settings
from report import Report

# In this order: what loads TensorFlow into this process comes after what is timed in it.
SECTIONS = {
    "create": "creation",
    "stages": "stage_profile",
    "tokenize": "tokenizer_rates",
    "formats": "formats",
    "sentences": "sentences",
    "words": "word_segmenters",
    "inspect": "inspection",
    "vocab": "vocabulary",
    "pretrain": "training",
    "memory": "memory",
    "spark": "spark_engine",
    "start": "start",
}


def main() -> int:
    """Runs the sections that are named, or all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    names = parser.parse_args().sections or list(SECTIONS)
    if unknown := set(names) - set(SECTIONS):
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    try:
        settings = Settings.of(os.environ)
    except SettingError as error:
        parser.error(str(error))
    # No search for a GPU, no words about it; here and in all that is started.
    os.environ |= {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

    report = Report()
    report.say("1.00x means equal, higher means bertprep is faster")
    for text, variable in ((settings.english, "BENCH_CORPUS"), (settings.chinese, "BENCH_CHINESE")):
        if text.is_sample:
            report.say(
                f"{text.name}: {variable}= is not given, so it is the sample corpus over and over; "
                "so small a text flatters every cache, and its figures are not the published ones"
            )
    if settings.bytes != GOAL_BYTES:
        report.say(f"BENCH_BYTES={settings.bytes:,}: the goals are set for {GOAL_BYTES:,}")
    with tempfile.TemporaryDirectory(prefix="bertprep-bench-", dir=settings.output) as folder:
        work = Path(folder)
        _load_kernels(work)
        for name, module in SECTIONS.items():
            if name in names:
                measure: Callable[[Settings, Report, Path], None]
                measure = import_module(module).measure
                report.begin(name)
                measure(settings, report, work)
                report.end()
    report.say(f"\nevery run: {os.path.relpath(report.path)}")
    return 0


def _load_kernels(work: Path) -> None:
    """Compiles what is not in the cache yet, so that nothing later waits for it."""
    output = work / "records"
    command = processes.bertprep("create", SAMPLE, "--vocab", SAMPLE_VOCAB, "--output", output)
    processes.run([*command, "--overwrite"])
    shutil.rmtree(output)


if __name__ == "__main__":
    sys.exit(main())
