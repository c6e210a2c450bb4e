"""A standalone cluster for tests and benchmarks: a master and one-core workers, on 127.0.0.1 only.

    with Cluster(folder) as cluster:
        subprocess.run([..., "--spark-master", cluster.url], env=cluster.environment)

It is stopped by the ids of the processes that were started here.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
from waiting import LIMIT, wait_for

SUPPORT = Path(__file__).parent
#: The smallest heap that Spark starts an executor with.
HEAP_BYTES = 450 << 20


def missing() -> str:
    """What a cluster needs and is not here, in words; "" when nothing is."""
    try:
        import pyspark  # noqa: F401
    except ModuleNotFoundError:
        return "no pyspark: pip install 'bertprep[spark]'"
    java_home = os.environ.get("JAVA_HOME")
    java = Path(java_home, "bin", "java").exists() if java_home else shutil.which("java")
    return "" if java else "no Java on PATH or in JAVA_HOME: Spark needs Java 17"


class Cluster:
    """Master and workers.

    Attributes:
        url: of the master.
        environment: for drivers.
    """

    def __init__(self, folder: Path, num_workers: int = 2, worker_memory: str = "1g") -> None:
        import pyspark

        self._folder, self._home = folder, Path(pyspark.__file__).parent
        self._num_workers, self._memory = num_workers, worker_memory
        self._processes: list[subprocess.Popen[bytes]] = []
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))},
            "SPARK_HOME": str(self._home),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": str(folder / "local"),
            "TMPDIR": str(folder),
            "PYTHONPATH": os.pathsep.join([str(SUPPORT.parents[1]), str(SUPPORT)]),
        }
        self.url = ""

    def __enter__(self) -> "Cluster":
        try:
            master = self._start("master.Master", "--port", "0", "--webui-port", "0")
            self.url = self._find(master, r"Starting Spark master at (spark://127\.0\.0\.1:\d+)")
            for number in range(self._num_workers):
                folder = self._folder / f"worker-{number}"
                flags = ("--cores", "1", "--memory", self._memory, "--work-dir", str(folder))
                worker = self._start("worker.Worker", *flags, "--webui-port", "0", self.url)
                self._find(worker, r"(Successfully registered) with master")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _start(self, name: str, *flags: str) -> Path:
        command = [str(self._home / "bin" / "spark-class"), f"org.apache.spark.deploy.{name}"]
        log = self._folder / f"{name}-{len(self._processes)}.log"
        with open(log, "wb") as out:
            process = subprocess.Popen(
                [*command, "--host", "127.0.0.1", *flags],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
            )
        self._processes.append(process)
        return log

    def _find(self, log: Path, pattern: str) -> str:
        def find() -> re.Match[str] | None:
            text = log.read_text(errors="replace")
            assert self._processes[-1].poll() is None, text
            return re.search(pattern, text)

        wait_for(find, f"{pattern} in {log}")
        found = find()
        assert found is not None
        return found[1]

    def flags(self, events: Path, **settings: str) -> list[str]:
        """Flags of `bertprep create` for this cluster; Spark writes its events into a folder."""
        events.mkdir(parents=True, exist_ok=True)
        conf = {
            "spark.ui.enabled": "false",
            "spark.driver.memory": "600m",
            # Begin with all executors, however long they take to start.
            "spark.scheduler.minRegisteredResourcesRatio": "1.0",
            "spark.scheduler.maxRegisteredResourcesWaitingTime": f"{LIMIT:.0f}s",
            "spark.network.timeout": f"{LIMIT:.0f}s",
            "spark.executor.memory": f"{HEAP_BYTES >> 20}m",
            # Of one machine, executors would read a dead one's files, and nothing were lost.
            "spark.shuffle.readHostLocalDisk": "false",
            "spark.eventLog.enabled": "true",
            "spark.eventLog.rolling.enabled": "false",
            "spark.eventLog.compress": "false",
            "spark.eventLog.dir": events.as_uri(),
            "spark.executorEnv.PYTHONPATH": self.environment["PYTHONPATH"],
            **settings,
        }
        pairs = [flag for key, value in conf.items() for flag in ("--spark-conf", f"{key}={value}")]
        return ["--engine", "spark", "--spark-master", self.url, *pairs]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        family: list[psutil.Process] = []
        for process in reversed(self._processes):  # workers first, and with them their executors
            with contextlib.suppress(psutil.NoSuchProcess):
                family += psutil.Process(process.pid).children(recursive=True)
            process.terminate()
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(LIMIT)
            process.kill()
            process.wait()
        for child in psutil.wait_procs(family, LIMIT)[1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


def create(*arguments: object, driver: tuple[str, ...] = ("-m", "bertprep")) -> list[str]:
    """The command line of `bertprep create` in this Python."""
    return [sys.executable, *driver, "create", *map(str, arguments)]


def read_events(folder: Path) -> list[dict[str, Any]]:
    """Spark's own events of the one application that wrote into a folder, in their order."""
    (log,) = (path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")
    return [json.loads(line) for line in log.read_text().splitlines()]
