"""The whole of `bertprep create`: equal to the reference, and how many times as fast.

The reference gets some megabytes, since it holds 78 bytes of memory for each byte of text; ours
gets the large text. Wall time from the start of the process to its end, everything included.
"""

import itertools
import multiprocessing
import shutil
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import processes
from corpora import Settings, first_bytes, write_repeated
from feature_digest import digest
from make_goldens import SCRIPTS, SHIM, Case, read_records
from processes import Run
from report import Report, Row, megabytes, yes_or_no

_LEAST, _GOAL, _TWO_WORKERS_GOAL = 100, 200, 1.8

_ONE_WORKER, _TWO_WORKERS = "create, 1 worker", "create, 2 workers"
_NO_START = "reference, start-up taken off"
#: Workers, and whether all of it is kept on one core, where the writer's thread has none to itself.
_VARIANTS = {
    _ONE_WORKER: (1, False),
    _TWO_WORKERS: (2, False),
    "create, 1 worker on one core": (1, True),
}


def measure(settings: Settings, report: Report, work: Path) -> None:
    """Runs the section: rounds of all that is compared, and medians at the end."""
    runs: dict[str, list[Run]] = {}
    sizes: dict[str, int] = {}

    def keep(name: str, size: int, run: Run) -> None:
        runs.setdefault(name, []).append(run)
        sizes[name] = size
        report.record("run", what=name, bytes=size, **asdict(run))
        report.say(f"{name}: {run.wall:.1f} s, CPU {run.cpu:.1f} s")

    texts = _reference_texts(settings, report)
    if texts:
        _require_equal(settings, report, work, texts[0])
    problem = processes.enough_disk(work, settings.bytes)
    if problem:
        report.left_out(f"create: {problem}")
    large = work / "english.txt"
    size = 0 if problem else write_repeated(large, settings.english, settings.bytes)
    manifests = set()
    for number in range(settings.repeat):
        report.say(f"round {number + 1} of {settings.repeat}")
        for data in texts:
            run = _run_reference(settings, work, data)
            keep(f"reference, {megabytes(len(data))}", len(data), run)
        for name, (workers, pinned) in {} if problem else _VARIANTS.items():
            with processes.one_core() if pinned else nullcontext(True) as possible:
                if possible:
                    run, manifest = _run_ours(settings, work, large, workers)
                    keep(name, size, run)
                    manifests.add(manifest)
    if not problem:
        report.add(Row("same bytes in all runs", goal="equal", met=yes_or_no(len(manifests) == 1)))
    _add_rows(report, runs, sizes)
    if len(manifests) > 1:
        report.end()
        raise SystemExit("the manifests of these runs differ: the bytes depend on the workers")


def _reference_texts(settings: Settings, report: Report) -> list[bytes]:
    """What the reference gets: two sizes, so that its start-up can be told from its rate."""
    if settings.reference is None:
        report.left_out("equality with the reference, and its rate: REFERENCE= names no checkout")
        return []
    short, long = (
        first_bytes(settings.english.data, size)
        for size in (settings.reference_bytes, 2 * settings.reference_bytes)
    )
    if len(long) < 1.5 * len(short):
        report.left_out("the reference without its start-up: the text is too short for two sizes")
        return [short]
    return [short, long]


def _run_reference(settings: Settings, work: Path, data: bytes, keep: Path | None = None) -> Run:
    """Times the reference's script, as it is, on a text; its records stay only in `keep`."""
    assert settings.reference
    text, records = work / "reference.txt", keep or work / "reference.tfrecord"
    text.write_bytes(data)
    flags = asdict(Case((), do_whole_word_mask=True))
    del flags["input_files"], flags["num_output_files"]
    flags |= {"input_file": text, "output_file": records, "vocab_file": settings.english.vocab}
    script = str(settings.reference.resolve() / SCRIPTS[0])
    arguments = [f"--{name}={value}" for name, value in flags.items()]
    run = processes.run([sys.executable, "-c", SHIM, script, *arguments])
    text.unlink()
    if keep is None:
        records.unlink()
    return run


def _run_ours(settings: Settings, work: Path, text: Path, workers: int) -> tuple[Run, bytes]:
    """Times `create`; returns its manifest too, which has the checksum of every shard."""
    output = work / "records"
    run = processes.run(processes.create(text, settings.english.vocab, output, workers=workers))
    manifest = (output / "manifest.json").read_bytes()
    shutil.rmtree(output)
    return run, manifest


def _require_equal(settings: Settings, report: Report, work: Path, data: bytes) -> None:
    """Ends the benchmarks unless our records of a text are the reference's."""
    report.say(f"is it equal to the reference? {megabytes(len(data))}, a minute or two")
    text, records, output = work / "text.txt", work / "equal.tfrecord", work / "ours"
    _run_reference(settings, work, data, keep=records)
    text.write_bytes(data)
    vocab = settings.english.vocab
    processes.run(processes.create(text, vocab, output, workers=1, partitions=1))
    (ours,) = output.glob("tf_examples.tfrecord-*")
    # In processes of their own: TensorFlow reads both, and stays out of this one.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, spawn, initializer=processes.silence_stderr) as pool:
        theirs, own = pool.map(count_and_digest, (records, ours))
    report.record("equality", bytes=len(data), reference=theirs, ours=own)
    report.add(
        Row(
            f"records of {megabytes(len(data))}, digest",
            f"{own[0]:,}, {own[1][:8]}",
            f"{theirs[0]:,}, {theirs[1][:8]}",
            goal="equal",
            met=yes_or_no(own == theirs),
        )
    )
    if own != theirs:
        report.end()
        raise SystemExit(f"the records of the first {len(data):,} bytes are not the reference's")
    shutil.rmtree(output)
    text.unlink()
    records.unlink()


def count_and_digest(path: Path) -> tuple[int, str]:
    """The number of records of a file, and the digest of their features."""
    numbers = itertools.count()
    # The records first: at their end no number more is taken.
    found = digest(record for record, _ in zip(read_records(path), numbers, strict=False))
    return next(numbers), found


def _add_rows(report: Report, runs: dict[str, list[Run]], sizes: dict[str, int]) -> None:
    walls = {name: statistics.median(run.wall for run in found) for name, found in runs.items()}
    rates = {name: sizes[name] / wall for name, wall in walls.items()}
    references = {name: rate for name, rate in rates.items() if name not in _VARIANTS}
    for name, rate in references.items():
        report.add(Row(name, peer=f"{rate / 1e3:.1f} KB/s, {_seconds(runs[name])}"))
    if len(references) == 2:
        short, long = references
        # Two points and a straight line; ratios are to the first one and to the line.
        del references[long]
        rate = (sizes[long] - sizes[short]) / max(1e-9, walls[long] - walls[short])
        start = walls[short] - sizes[short] / rate
        if start < 0:
            report.left_out(f"{_NO_START}: it would be {start:.1f} s, other work was in the way")
        else:
            references[_NO_START] = rate
            report.add(Row(_NO_START, peer=f"{rate / 1e3:.1f} KB/s after {start:.1f} s"))
    for name in filter(rates.__contains__, _VARIANTS):
        report.add(Row(f"{name}, {megabytes(sizes[name])}", _seconds(runs[name])))
        for peer, peer_rate in references.items():
            row = Row(name, f"{rates[name] / 1e6:.1f} MB/s", peer, rates[name] / peer_rate)
            report.add(_judged(row) if name == _ONE_WORKER else row)
    if _ONE_WORKER in rates:
        ours, other = rates[_TWO_WORKERS], rates[_ONE_WORKER]
        ratio, met = ours / other, yes_or_no(ours / other >= _TWO_WORKERS_GOAL)
        figures = (f"{ours / 1e6:.1f} MB/s", f"1 worker: {other / 1e6:.1f} MB/s")
        report.add(Row(_TWO_WORKERS, *figures, ratio, f"{_TWO_WORKERS_GOAL}x", met))


def _seconds(runs: list[Run]) -> str:
    """Medians of runs of the same."""
    wall, cpu = (statistics.median(getattr(run, of) for run in runs) for of in ("wall", "cpu"))
    return f"{wall:.1f} s, CPU {cpu:.1f} s"


def _judged(row: Row) -> Row:
    assert row.ratio is not None
    met = "yes" if row.ratio >= _GOAL else "the least only" if row.ratio >= _LEAST else "NO"
    return Row(row.what, row.ours, row.peer, row.ratio, f"{_GOAL}x, least {_LEAST}x", met)
