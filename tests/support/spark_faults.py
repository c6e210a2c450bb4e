"""`bertprep create` on Spark, one task of which stops at one moment: for a kill, or to fail.

    python spark_faults.py create CORPUS --spark-conf spark.executorEnv.BERTPREP_MOMENT=... ...

The moment is "STEP NUMBER ACTION MARKER". STEP is `map` (before split NUMBER), `reduce` (before
partition NUMBER) or `write` (in the middle of a shard of partition NUMBER). With ACTION `wait` the
ids of the Python process, its daemon and its executor go to the file MARKER, and nothing happens
until one of them is killed; that comes once, the next attempt goes through. With `fail` each
attempt fails. On the executors this is a module whose stages replace the real ones. Progress lines
are off.
"""

import contextlib
import json
import math
import os
import sys
import time
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from waiting import FOREVER

from bertprep import terminal
from bertprep.corpus import Split
from bertprep.create import building, tokenizing
from bertprep.create.building import BuiltPartition
from bertprep.create.job import Job
from bertprep.records.shards import ShardWriter

# Many blocks and blobs of a small corpus, as in test_determinism.py.
tokenizing.BLOCK_BYTES = 4_000
terminal._PLAIN_LINE_SECONDS = math.inf


def happen(step: str, number: int) -> None:
    """Act if this is the moment."""
    moment = os.environ.get("BERTPREP_MOMENT", "").split(" ", 3)
    if moment[:2] != [step, str(number)]:
        return
    if moment[2] == "fail":
        raise RuntimeError("the moment has come")
    marker = Path(moment[3])
    daemon = os.getppid()
    ids = {"worker": os.getpid(), "daemon": daemon, "executor": psutil.Process(daemon).ppid()}
    whole = marker.with_name(f"{marker.name}-{os.getpid()}")
    whole.write_text(json.dumps(ids))
    with contextlib.suppress(FileExistsError):
        os.link(whole, marker)
        time.sleep(FOREVER)


def tokenize_split(job: Job, split: Split) -> Generator[list[np.ndarray], None, dict[str, int]]:
    happen("map", split.ordinal)
    return (yield from tokenizing.tokenize_split(job, split))


def build_partition(
    job: Job, partition: int, parts: Iterable[np.ndarray], attempt: str = ""
) -> BuiltPartition:
    happen("reduce", partition)

    class Writer(ShardWriter):
        def write(self, end: int) -> None:
            happen("write", partition)
            super().write(end)

    building.ShardWriter = Writer  # type: ignore[misc,attr-defined]
    return building.build_partition(job, partition, parts, attempt)


def main() -> None:
    import spark_faults

    from bertprep.cli import main
    from bertprep.create import job
    from bertprep.create import pipeline as create

    # By the name that executors import this page by.
    names: Any = create
    names.tokenize_split = spark_faults.tokenize_split
    names.build_partition = spark_faults.build_partition
    job.BLOCK_BYTES = 6_000
    main(sys.argv[1:], prog_name="bertprep")


if __name__ == "__main__":
    main()
