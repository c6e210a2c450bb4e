"""A process of test_spark: shuffles random blobs, more than fit into the executors' heaps.

python spark_shuffle.py MASTER EVENTS
"""

import sys
import tempfile
import zlib
from collections.abc import Generator, Iterable
from pathlib import Path

import numpy as np
from spark_cluster import HEAP_BYTES, Cluster

NUM_TASKS, NUM_KEYS, BLOBS = 40, 12, 4
#: Of 2 executors twice, and a tenth more; random, so that Spark cannot pack them.
BLOB_NUMBERS = int(2 * 2 * HEAP_BYTES * 1.1) // (4 * NUM_TASKS * NUM_KEYS * BLOBS)


def blob(task: int, number: int, key: int) -> np.ndarray:
    rng = np.random.default_rng([task, number, key])
    made = rng.integers(0, 1 << 32, BLOB_NUMBERS, np.uint32)
    made[0] = 1
    return made


def send(task: int) -> Generator[list[np.ndarray], None, dict[str, int]]:
    for number in range(BLOBS):
        yield [blob(task, number, key) for key in range(NUM_KEYS)]
    return {"task": task}


def receive(key: int, blobs: Iterable[np.ndarray], attempt: str) -> tuple[int, int]:
    count = checksum = 0
    for each in blobs:
        checksum = zlib.crc32(each.tobytes(), checksum)
        count += 1
    return count, checksum


def main() -> None:
    import spark_shuffle

    from bertprep.engines import Task, open_engine
    from bertprep.options import EngineOptions

    master, events = sys.argv[1:]
    flags = Cluster(Path()).flags(Path(events))[4:]
    options = EngineOptions("spark", master, tuple(flags[1::2]))
    keys = list(range(NUM_KEYS))
    tasks = [Task(f"task {n}", n, 1.0) for n in range(NUM_TASKS)]
    with (
        tempfile.TemporaryDirectory() as folder,
        open_engine(options, notify=print, folder=Path(folder), num_keys=NUM_KEYS) as engine,
    ):
        counts = engine.map(spark_shuffle.send, tasks, keys, lambda size: None)
        assert counts == [{"task": n} for n in range(NUM_TASKS)]
        made = [Task(f"key {key}", key, 1.0) for key in keys]
        results = engine.reduce(spark_shuffle.receive, made, lambda size: None)
    for key in keys:
        checksum = 0
        for task in range(NUM_TASKS):
            for number in range(BLOBS):
                checksum = zlib.crc32(blob(task, number, key).tobytes(), checksum)
        assert results[key] == (NUM_TASKS * BLOBS, checksum)


if __name__ == "__main__":
    main()
