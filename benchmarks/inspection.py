"""`bertprep inspect` beside TensorFlow's readers: the same shards, warm, in processes of their own.

Everybody must find the same records before anything is timed. What is timed is the reading alone,
without the start of the process; looking at the first records is timed with it.

Example:
    python benchmarks/inspection.py verify /tmp/records 1 /tmp/small-records
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # as a child of the benchmarks
    sys.path[:0] = [str(Path(__file__).parents[1])]

_LOOKS = 10
_LARGE_FOLDER = 10_000_000_000
_GOAL_RATE, _MOST_SECONDS, _MOST_BYTES = 500e6, 0.6, 500_000_000
#: What is run: who, with how many workers or threads, on one core or on all.
_VERIFY, _SINGLE, _BATCHED = "verify", "parse_single_example", "parse_example"
_VARIANTS = {
    "verify, 1 core": (_VERIFY, 1, True),
    "verify, 2 workers": (_VERIFY, 2, False),
    "stats, 1 core": ("stats", 1, True),
    "tf.io.parse_single_example, all cores": (_SINGLE, 0, False),
    "tf.io.parse_example in batches, all cores": (_BATCHED, 0, False),
    "tf.io.parse_example in batches, 1 core": (_BATCHED, 1, True),
}


def verify(folder: Path, workers: int) -> int:
    """Every CRC and every rule."""
    from bertprep.inspection.verify import Verification
    from bertprep.options import InspectOptions

    options = InspectOptions((str(folder),), verify=True, workers=workers, quiet=True)
    verification = Verification(options)
    for _ in verification:
        pass
    assert not verification.num_faults
    return verification.num_records


def stats(folder: Path, workers: int) -> int:
    """Every measure."""
    from bertprep.inspection.statistics import measure as measure_records
    from bertprep.records import find_data_set, read_schema

    data_set = find_data_set([str(folder)])
    found = measure_records(data_set, read_schema(data_set), workers=workers, quiet=True)
    return found.counts.records


def _read_with_tensorflow(folder: Path, threads: int, batch: int | None) -> int:
    import tensorflow as tf

    from bertprep.records import find_data_set, read_schema

    data_set = find_data_set([str(folder)])
    schema = read_schema(data_set)
    features = {
        name: tf.io.FixedLenFeature(
            [length], tf.float32 if name == "masked_lm_weights" else tf.int64
        )
        for name, length in schema.lengths.items()
    }
    records = tf.data.TFRecordDataset([shard.path for shard in data_set.shards])
    parallel = threads or tf.data.AUTOTUNE
    if batch is None:
        parsed = records.map(
            lambda record: tf.io.parse_single_example(record, features),
            num_parallel_calls=parallel,
        ).batch(1024)
    else:
        parsed = records.batch(batch).map(
            lambda batch: tf.io.parse_example(batch, features), num_parallel_calls=parallel
        )
    return sum(int(batch["input_ids"].shape[0]) for batch in parsed.prefetch(2))


def parse_single_example(folder: Path, threads: int) -> int:
    """A record at a time, as most training scripts read."""
    return _read_with_tensorflow(folder, threads, None)


def parse_example(folder: Path, threads: int) -> int:
    """1,024 records at a time."""
    return _read_with_tensorflow(folder, threads, 1024)


_READERS: dict[str, Callable[[Path, int], int]] = {
    _VERIFY: verify,
    "stats": stats,
    _SINGLE: parse_single_example,
    _BATCHED: parse_example,
}


def main() -> None:
    """Times one reader over a folder; over a small one first, which compiles and loads."""
    reader, folder, workers = _READERS[sys.argv[1]], Path(sys.argv[2]), int(sys.argv[3])
    reader(Path(sys.argv[4]), workers)
    begin = time.perf_counter()
    records = reader(folder, workers)
    print(json.dumps({"seconds": time.perf_counter() - begin, "records": records}))


def measure(settings: Any, report: Any, work: Path) -> None:
    """Runs the section."""
    import processes
    from corpora import write_repeated

    size = settings.bytes // 10
    problem = processes.enough_disk(work, size)
    if problem:
        report.left_out(f"inspect: {problem}")
        return
    text, folder, small = work / "english.txt", work / "records", work / "small"
    for target, text_bytes in ((small, 100_000), (folder, size)):
        write_repeated(text, settings.english, text_bytes)
        processes.run(processes.create(text, settings.english.vocab, target, workers=2))
        text.unlink()
    shards = sorted(folder.glob("tf_examples.tfrecord-*"))
    num_bytes = sum(shard.stat().st_size for shard in shards)
    seconds = _seconds(settings, report, folder, small)
    rates = {name: num_bytes / runs for name, runs in seconds.items()}
    _add_rates(report, rates, num_bytes)
    _measure_looking(report, work, shards, settings)
    _measure_memory(report, folder)
    for made in (folder, small):
        shutil.rmtree(made)


def _seconds(settings: Any, report: Any, folder: Path, small: Path) -> dict[str, float]:
    """Medians over rounds of all variants, which must all find the same number of records."""
    import processes
    from corpora import environment_with_root

    runs: dict[str, list[float]] = {name: [] for name in _VARIANTS}
    found = set()
    for number in range(settings.repeat):
        report.say(f"round {number + 1} of {settings.repeat}")
        for name, (reader, workers, is_on_one_core) in _VARIANTS.items():
            command = [sys.executable, __file__, reader, str(folder), str(workers), str(small)]
            with processes.one_core() if is_on_one_core else nullcontext():
                done = subprocess.run(
                    command, capture_output=True, text=True, env=environment_with_root()
                )
            if done.returncode:
                raise SystemExit(f"{done.stderr[-4000:]}\nfailed: {' '.join(command)}")
            values = json.loads(done.stdout.splitlines()[-1])
            runs[name].append(values["seconds"])
            found.add(values["records"])
            report.record("run", what=name, **values)
            report.say(f"{name}: {values['seconds']:.2f} s")
    if len(found) != 1:
        raise SystemExit(f"the readers find different numbers of records: {sorted(found)}")
    return {name: statistics.median(seconds) for name, seconds in runs.items()}


def _add_rates(report: Any, rates: dict[str, float], num_bytes: int) -> None:
    from report import Row, megabytes, yes_or_no

    def shown(name: str) -> str:
        return f"{rates[name] / 1e6:.0f} MB/s"

    ours = "verify, 1 core"
    size = megabytes(num_bytes)
    met = yes_or_no(rates[ours] >= _GOAL_RATE)
    report.add(Row(f"{ours}, {size}", shown(ours), goal="500 MB/s", met=met))
    for name, (reader, _, _) in _VARIANTS.items():
        if reader in (_VERIFY, "stats"):
            if name != ours:
                report.add(Row(f"{name}, {size}", shown(name)))
            continue
        ratio, least = rates[ours] / rates[name], 10.0 if reader == _SINGLE else 1.0
        met = yes_or_no(ratio >= least)
        goal = f"{least:g}x"
        report.add(Row(f"{ours}, {size}", shown(ours), f"{name}: {shown(name)}", ratio, goal, met))


def _measure_looking(report: Any, work: Path, shards: list[Path], settings: Any) -> None:
    """The first records of a large folder, whole process: the same shards, linked many times."""
    import processes
    from report import Row, yes_or_no

    large = work / "large"
    large.mkdir()
    size = links = 0
    while size < _LARGE_FOLDER:
        for shard in shards:
            os.link(shard, large / f"{links:05d}.tfrecord")
            size, links = size + shard.stat().st_size, links + 1
    command = processes.bertprep("inspect", large, "--vocab", settings.english.vocab)
    walls = [processes.run(command).wall for _ in range(_LOOKS)]
    shutil.rmtree(large)
    median = statistics.median(walls)
    report.record("run", what="look", seconds=walls, bytes=size, shards=links)
    what = f"first records of {size / 1e9:.0f} GB in {links} shards"
    goal = f"under {_MOST_SECONDS} s"
    report.add(Row(what, f"{median:.2f} s", goal=goal, met=yes_or_no(median < _MOST_SECONDS)))


def _measure_memory(report: Any, folder: Path) -> None:
    import processes
    from memory import peak_pss
    from report import Row, yes_or_no

    if not Path("/proc/self/smaps_rollup").exists():
        report.left_out("inspect, memory: this system has no /proc/PID/smaps_rollup")
        return
    for flag in ("--verify", "--stats"):
        command = processes.bertprep("inspect", folder, flag, "--workers", 2)
        peak, samples = peak_pss(command)
        report.record("run", what=flag, peak_pss=peak, samples=samples)
        met = yes_or_no(peak < _MOST_BYTES)
        ours = f"{peak / 2**20:.0f} MiB"
        report.add(Row(f"peak PSS, {flag}, 2 workers", ours, goal="under 500 MB", met=met))


if __name__ == "__main__":
    main()
