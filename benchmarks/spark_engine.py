"""`bertprep create` on Spark beside the local engine, at the same cores: a cluster of two workers.

The cluster stands on this machine, one core a worker, and runs before the clock does; the command's
own start is in the time, with its Java, its executors and their first look at the vocabulary.
"""

import shutil
import statistics
from dataclasses import asdict
from pathlib import Path

import processes
from corpora import Settings, write_repeated
from processes import Run
from report import Report, Row, megabytes, yes_or_no
from spark_cluster import Cluster, missing

_WORKERS = 2
#: At most so many times the local engine's time, and so many seconds more.
_MOST_RATIO, _MOST_START = 1.35, 20.0


def measure(settings: Settings, report: Report, work: Path) -> None:
    """Runs the section."""
    problem = missing() or processes.enough_disk(work, settings.bytes)
    if problem:
        report.left_out(f"spark: {problem}")
        return
    text, output = work / "english.txt", work / "records"
    size = write_repeated(text, settings.english, settings.bytes)
    runs: dict[str, list[Run]] = {"local": [], "spark": []}
    manifests = set()
    cluster_folder = work / "cluster"
    cluster_folder.mkdir()
    with Cluster(cluster_folder, _WORKERS) as cluster:
        command = processes.create(text, settings.english.vocab, output, workers=_WORKERS)
        workers = command.index("--workers")
        flags = cluster.flags(work / "events", **{"spark.executor.memory": "800m"})
        commands = {
            "local": command,
            "spark": [*command[:workers], *command[workers + 2 :], *flags],
        }
        for number in range(settings.repeat):
            report.say(f"round {number + 1} of {settings.repeat}")
            for name, words in commands.items():
                run = processes.run(words, cluster.environment if name == "spark" else None)
                runs[name].append(run)
                manifests.add((output / "manifest.json").read_bytes())
                shutil.rmtree(output)
                report.record("run", what=f"spark, {name}", bytes=size, **asdict(run))
                report.say(f"{name}: {run.wall:.1f} s")
    local, spark = (statistics.median(run.wall for run in found) for found in runs.values())
    most = _MOST_RATIO * local + _MOST_START
    goal = f"{most:.1f} s: {_MOST_RATIO} x local + {_MOST_START:.0f} s"
    row = Row(
        f"create on Spark, {megabytes(size)}, {_WORKERS} executors",
        f"{spark:.1f} s",
        f"{_WORKERS} local workers: {local:.1f} s",
        local / spark,
        goal,
        yes_or_no(spark <= most),
    )
    report.add(row)
    report.add(Row("same bytes", goal="equal", met=yes_or_no(len(manifests) == 1)))
    if len(manifests) > 1:
        report.end()
        raise SystemExit("the manifests differ: the bytes depend on the engine")
