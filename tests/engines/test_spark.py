"""`create` on a real cluster: the same bytes, whatever is killed. `make test-spark` runs it.

Each kill is aimed at a process that a task has named, at a moment of that task; that something was
really lost is then read in Spark's own events.
"""

import contextlib
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import zstandard
from click.testing import CliRunner
from foreseen import without_line
from spark_cluster import HEAP_BYTES, SUPPORT, Cluster, create, missing, read_events
from waiting import LIMIT, finish, wait_for
from web_server import WebServer

from bertprep.cli import main

pytestmark = pytest.mark.skipif(
    "BERTPREP_TEST_SPARK" not in os.environ,
    reason="starts a Spark cluster, which needs Java and minutes: make test-spark",
)

FLAGS = ("--num-partitions", 6, "--eval-fraction", 0.1, "--dupe-factor", 2)
NUM_TASKS = 7  # partitions, the held-out one too
DRIVER = (str(SUPPORT / "spark_faults.py"),)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    assert not missing(), missing()
    with Cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory, sample_corpus: Path) -> Path:
    """A folder to stand in: plain and compressed files, a vocabulary, and what the local engine
    makes of them in `local`.
    """
    folder = tmp_path_factory.mktemp("corpus")
    for name in ("english-a.txt", "scripts.txt", "vocab.txt"):
        shutil.copy(sample_corpus / name, folder)
    packed = {
        "english-b.txt": gzip.compress,
        "chinese.txt": zstandard.ZstdCompressor().compress,
    }
    for name, compress in packed.items():
        (folder / f"{name}.packed").write_bytes(compress((sample_corpus / name).read_bytes()))
    with contextlib.chdir(folder):
        result = CliRunner().invoke(main, ["create", *map(str, arguments("local"))])
    assert result.exit_code == 0, result.output
    return folder


def arguments(output: str | Path) -> list[object]:
    inputs = ["english-a.txt", "english-b.txt.packed", "chinese.txt.packed", "scripts.txt"]
    return [*inputs, "--vocab", "vocab.txt", "--output", output, *FLAGS]


class Run:
    """A `create` command on the cluster, begun; relative paths, which executors must not follow."""

    def __init__(
        self, cluster: Cluster, corpus: Path, folder: Path, moment: str = "", **settings: str
    ) -> None:
        number = len(list(folder.glob("events-*")))
        self.output, self.events = folder / "out", folder / f"events-{number}"
        self.marker = folder / "marker"
        if moment:
            settings["spark.executorEnv.BERTPREP_MOMENT"] = f"{moment} {self.marker}"
        output = os.path.relpath(self.output, corpus)
        flags = [*arguments(output), *cluster.flags(self.events, **settings)]
        self.process = subprocess.Popen(
            create(*flags, driver=DRIVER),
            cwd=corpus,
            env=cluster.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self) -> tuple[int, str]:
        """Wait for its end; return its exit status and stderr."""
        status, _, stderr = finish(self.process)
        return status, stderr

    def moment(self) -> dict[str, psutil.Process]:
        """Wait for the moment; return the processes that the task named."""

        def has_come() -> bool:
            assert self.process.poll() is None, self.end()
            return self.marker.exists()

        wait_for(has_come, "the moment")
        ids = json.loads(self.marker.read_text())
        found = {name: psutil.Process(number) for name, number in ids.items()}
        words = {name: " ".join(each.cmdline()) for name, each in found.items()}
        assert "CoarseGrainedExecutorBackend" in words["executor"]
        assert "pyspark" in words["daemon"]
        assert "pyspark" in words["worker"]
        return found

    def ends(self) -> list[dict[str, Any]]:
        """How each attempt at a task ended."""
        return [
            event for event in read_events(self.events) if event["Event"] == "SparkListenerTaskEnd"
        ]

    def reasons(self) -> set[str]:
        return {event["Task End Reason"]["Reason"] for event in self.ends()}


def kill(process: psutil.Process) -> None:
    # What is a zombie already cannot be killed, and nothing would tell.
    assert process.status() != psutil.STATUS_ZOMBIE
    process.kill()

    def has_ended() -> bool:
        try:
            return process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    wait_for(has_ended, "the end of a killed process")


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(files)}


@pytest.mark.parametrize("cores", [1, 2])
def test_bytes_are_those_of_the_local_engine(
    cluster: Cluster, corpus: Path, tmp_path: Path, cores: int
) -> None:
    run = Run(cluster, corpus, tmp_path, **{"spark.cores.max": str(cores)})
    status, stderr = run.end()
    assert (status, without_line(stderr)) == (0, "")
    assert contents(run.output) == contents(corpus / "local")
    assert {event["Task Info"]["Executor ID"] for event in run.ends()} == set("01"[:cores])
    assert run.reasons() == {"Success"}
    assert sum(event["Task Type"] == "ShuffleMapTask" for event in run.ends()) >= 10


def test_vocabularies_are_those_of_the_local_engine(
    cluster: Cluster, corpus: Path, tmp_path: Path
) -> None:
    inputs = [corpus / name for name in map(str, arguments("")[:4])]
    vocab = [sys.executable, *DRIVER, "vocab", *map(str, inputs), "--size", "3000"]
    made = {}
    for engine in ("local", "spark"):
        flags = cluster.flags(tmp_path / "events") if engine == "spark" else ["--workers", "1"]
        output = tmp_path / f"{engine}.txt"
        done = subprocess.run(
            [*vocab, "--output", str(output), *flags],
            cwd=corpus,
            env=cluster.environment,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")
        made[engine] = output.read_bytes(), done.stdout
    assert made["spark"] == made["local"]
    assert {path.suffix for path in tmp_path.iterdir() if path.is_file()} == {".txt"}


def test_a_vocabulary_resumes_on_the_cluster(
    cluster: Cluster, corpus: Path, tmp_path: Path
) -> None:
    output = tmp_path / "vocab.txt"
    vocab = ["vocab", str(corpus / "english-a.txt"), "--output", str(output), "--size", "900"]
    moment = ["replaced", r"/counts\.json$", "1", "kill-parent", "-"]
    crash = [sys.executable, str(SUPPORT / "crash_driver.py"), *moment, *vocab]
    assert subprocess.run(crash, env=cluster.environment).returncode == -signal.SIGKILL
    assert not output.exists()
    # The sizes of the driver, which are in the plan.
    resume = [sys.executable, str(SUPPORT / "crash_driver.py"), "none", "", "1", "wait", "-"]
    done = subprocess.run(
        [*resume, *vocab, *cluster.flags(tmp_path / "events")],
        env=cluster.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "resuming an interrupted run" in done.stderr
    assert len(output.read_text().splitlines()) == 900


def test_urls_are_read_by_the_executors(cluster: Cluster, corpus: Path, tmp_path: Path) -> None:
    local = [name for name in map(str, arguments("local")) if (corpus / name).is_file()]
    inputs = {name: (corpus / name).read_bytes() for name in local if name != "vocab.txt"}
    with WebServer(inputs) as server:
        urls = [server.url(name) for name in inputs]
        flags = ["--vocab", "vocab.txt", "--output", tmp_path / "out", *FLAGS]
        flags += cluster.flags(tmp_path / "events")
        environment = cluster.environment
        done = subprocess.run(
            create(*urls, *flags), cwd=corpus, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    made, expected = contents(tmp_path / "out"), contents(corpus / "local")
    records = {name for name in expected if "tfrecord" in name}
    assert {name: made[name] for name in records} == {name: expected[name] for name in records}


@pytest.mark.parametrize("step", ["map", "write"])
def test_a_killed_executor_is_made_good(
    cluster: Cluster, corpus: Path, tmp_path: Path, step: str
) -> None:
    run = Run(cluster, corpus, tmp_path, f"{step} 3 wait")
    kill(run.moment()["executor"])
    status, stderr = run.end()
    assert status == 0, stderr
    assert contents(run.output) == contents(corpus / "local")
    assert "ExecutorLostFailure" in run.reasons()
    events = read_events(run.events)
    names = [event["Event"] for event in events]
    assert names.count("SparkListenerExecutorRemoved") == 1
    if step == "write":  # its shuffle files are lost, and made again
        after = events[names.index("SparkListenerExecutorRemoved") :]
        assert any(event.get("Task Type") == "ShuffleMapTask" for event in after)


@pytest.mark.parametrize(
    ("step", "victims"),
    [("map", ["worker"]), ("write", ["daemon", "worker"])],
    ids=["worker", "daemon"],
)
def test_killed_python_is_made_good(
    cluster: Cluster, corpus: Path, tmp_path: Path, step: str, victims: list[str]
) -> None:
    run = Run(cluster, corpus, tmp_path, f"{step} 3 wait", **{"spark.cores.max": "1"})
    found = run.moment()
    for victim in victims:  # a worker ends its task without its daemon, if it is not killed too
        kill(found[victim])
    status, stderr = run.end()
    assert status == 0, stderr
    assert contents(run.output) == contents(corpus / "local")
    assert "ExceptionFailure" in run.reasons()
    said = [event["Task End Reason"].get("Full Stack Trace", "") for event in run.ends()]
    assert any("Python worker exited unexpectedly" in words for words in said)
    assert "Spark: 1 task has failed and will be retried" in stderr
    attempts = [json.loads(path.read_text()) for path in tmp_path.glob("marker-*")]
    assert len({tuple(ids[name] for name in victims) for ids in attempts}) == 2
    assert len({ids["executor"] for ids in attempts}) == 1


def test_another_run_goes_on_when_the_driver_has_died(
    cluster: Cluster, corpus: Path, tmp_path: Path
) -> None:
    run = Run(cluster, corpus, tmp_path, "write 5 wait")
    run.moment()
    left = sorted(path.name for path in (run.output / ".bertprep").glob("shards-*.json"))
    assert 1 <= len(left) < NUM_TASKS
    run.process.kill()
    run.end()
    assert not (run.output / "manifest.json").exists()
    assert list((run.output / ".bertprep").glob("*.tmp"))
    shards = {path: path.stat().st_mtime_ns for path in run.output.glob("tf_examples*")}
    run.marker.unlink()
    again = Run(cluster, corpus, tmp_path)
    status, stderr = again.end()
    assert status == 0, stderr
    assert "resuming an earlier run" in stderr
    assert contents(run.output) == contents(corpus / "local")
    assert {path for path in shards if path.stat().st_mtime_ns == shards[path]} == set(shards)
    last = max(event["Stage ID"] for event in again.ends())
    reduces = [event for event in again.ends() if event["Stage ID"] == last]
    assert len(reduces) <= NUM_TASKS - len(left)


def test_a_task_that_keeps_failing_is_one_line(
    cluster: Cluster, corpus: Path, tmp_path: Path
) -> None:
    run = Run(cluster, corpus, tmp_path, "write 3 fail")
    status, stderr = run.end()
    assert status == 1
    last = stderr.splitlines()[-1]
    assert last.startswith("Error: partition 3 failed repeatedly: RuntimeError: the moment")
    assert not (run.output / "manifest.json").exists()
    assert list(run.output.rglob("*.tmp")) == []
    assert Run(cluster, corpus, tmp_path).end()[0] == 0
    assert contents(run.output) == contents(corpus / "local")


def test_a_mistake_in_the_corpus_is_told_as_the_local_engine_tells_it(
    cluster: Cluster, corpus: Path, tmp_path: Path
) -> None:
    # At the end of so much text that the look before the work does not see it.
    text = (corpus / "english-a.txt").read_bytes() + b"\n\n"
    (tmp_path / "broken.txt").write_bytes(text * 100 + b"Three \xff four.\n")
    flags = ["--vocab", corpus / "vocab.txt", "--output", "out"]
    command = create("broken.txt", *flags, driver=DRIVER)
    local = subprocess.run(
        command, cwd=tmp_path, env=cluster.environment, capture_output=True, text=True
    )
    error = without_line(local.stderr)
    assert re.match(r"Error: broken\.txt:\d{5}: not UTF-8 \(byte 0xff\)\.", error)
    flags = cluster.flags(tmp_path / "events")
    spark = subprocess.run(
        [*command, *flags], cwd=tmp_path, env=cluster.environment, capture_output=True, text=True
    )
    assert spark.returncode == local.returncode == 1
    assert spark.stderr.splitlines()[-1] == error.strip()
    assert not (tmp_path / "out").exists()


def test_ctrl_c_ends_it_quietly(cluster: Cluster, corpus: Path, tmp_path: Path) -> None:
    run = Run(cluster, corpus, tmp_path, "write 3 wait")
    found = run.moment()
    run.process.send_signal(signal.SIGINT)
    status, stderr = run.end()
    assert status == 130
    assert stderr.splitlines()[-1] == "Error: stopped; repeat the command to resume"
    assert list(run.output.rglob("*.tmp")) == []
    assert psutil.wait_procs(found.values(), LIMIT)[1] == []


def test_spark_submit_names_the_cluster(cluster: Cluster, corpus: Path, tmp_path: Path) -> None:
    flags = cluster.flags(tmp_path / "events")
    master, conf = flags[2:4], flags[4:]
    settings = [flag.replace("--spark-conf", "--conf") for flag in conf]
    script = SUPPORT.parents[1] / "bertprep" / "__main__.py"
    submit = Path(cluster.environment["SPARK_HOME"], "bin", "spark-submit")
    command = [submit, master[0].replace("--spark-", "--"), master[1], *settings, script, "create"]
    command += [*arguments(tmp_path / "out"), "--engine", "spark"]
    environment = {**cluster.environment, "PYSPARK_PYTHON": sys.executable}
    done = subprocess.run(
        list(map(str, command)), cwd=corpus, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "out") == contents(corpus / "local")
    assert "instances" in done.stdout


def test_a_shuffle_of_twice_the_heaps(cluster: Cluster, tmp_path: Path) -> None:
    script = [sys.executable, str(SUPPORT / "spark_shuffle.py"), cluster.url, str(tmp_path / "e")]
    done = subprocess.run(script, env=cluster.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    written = sum(
        event["Task Metrics"]["Shuffle Write Metrics"]["Shuffle Bytes Written"]
        for event in read_events(tmp_path / "e")
        if event["Event"] == "SparkListenerTaskEnd"
    )
    assert written >= 2 * 2 * HEAP_BYTES


def test_without_java_one_line_says_so(corpus: Path, cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("bash", "dirname", "env", "python3"):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    environment = {**cluster.environment, "PATH": str(tmp_path / "bin")}
    environment.pop("JAVA_HOME", None)
    command = create(*arguments(tmp_path / "out"), "--engine", "spark", "--spark-master", "local")
    done = subprocess.run(command, cwd=corpus, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert "JAVA_HOME is not set" in line
    assert "Spark needs Java 17" in line


@pytest.mark.parametrize(
    ("flags", "status", "words"),
    [
        ([], 2, "no cluster is named. Pass --spark-master URL, or run under spark-submit"),
        (["--spark-master", "nowhere"], 1, "Master must either be yarn or start with spark"),
        (["--spark-master", "spark://127.0.0.1:1"], 1, "All masters are unresponsive"),
    ],
    ids=["no master", "no URL", "nobody there"],
)
def test_a_master_that_is_not_there_is_one_line(
    cluster: Cluster, corpus: Path, tmp_path: Path, flags: list[str], status: int, words: str
) -> None:
    command = create(*arguments(tmp_path / "out"), "--engine", "spark", *flags)
    done = subprocess.run(
        command, cwd=corpus, env=cluster.environment, capture_output=True, text=True
    )
    assert done.returncode == status
    assert words in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
