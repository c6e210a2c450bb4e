"""Start a Spark application: a cluster's URL and settings become a SparkContext.

It takes about ten seconds: a Java process starts here and asks the cluster for executors.
"""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from bertprep.engines.spark.executor import find_cause
from bertprep.errors import BertprepError, MachineError, UsageError
from bertprep.options import EngineOptions

try:
    import pyspark
    from pyspark import SparkConf, SparkContext, TaskContext
    from pyspark.java_gateway import launch_gateway
except ModuleNotFoundError as error:
    raise UsageError(
        f"--engine spark needs {error.name}: pip install 'bertprep[spark]', and Java 17 or newer"
    ) from error

__all__ = ["SparkContext", "TaskContext", "start_spark"]

_DEFAULTS = {"spark.app.name": "bertprep", "spark.ui.showConsoleProgress": "false"}
#: Java only hands bytes on, and its second compiler costs more than it saves: 152 MB of text took
#: 25 s without it and 40 s with it, on two busy cores. extraJavaOptions come after these.
_JAVA = dict.fromkeys(
    ("spark.driver.defaultJavaOptions", "spark.executor.defaultJavaOptions"),
    "-XX:TieredStopAtLevel=1",
)


def start_spark(options: EngineOptions, log: Path) -> SparkContext:
    """Ask a cluster for an application.

    Args:
        options: the master and settings; spark-submit may give both instead.
        log: a new file for Java's output. Under spark-submit Java runs already and logs elsewhere.

    Raises:
        UsageError: no master is named.
        MachineError: there is no Java, or no cluster.
    """
    is_submitted = "PYSPARK_GATEWAY_PORT" in os.environ
    if not (options.spark_master or is_submitted or "spark.master" in options.spark_settings):
        raise UsageError(
            "--engine spark: no cluster is named. Pass --spark-master URL, or run under "
            "spark-submit"
        )
    conf = SparkConf()
    if options.spark_master:
        conf.setMaster(options.spark_master)
    for key, value in options.spark_settings.items():
        conf.set(key, value)
    for key, value in (_DEFAULTS if is_submitted else _DEFAULTS | _JAVA).items():
        conf.setIfMissing(key, value)
    # Spark's default is `python3`, which is seldom this one.
    python = conf.get("spark.pyspark.python", os.environ.get("PYSPARK_PYTHON"))
    os.environ["PYSPARK_PYTHON"] = python or sys.executable
    before = signal.getsignal(signal.SIGINT)
    try:
        with open(log, "xb") as file:
            start: Any = launch_gateway  # without types
            gateway = start(conf, {"stdout": file, "stderr": file})
        return SparkContext(conf=conf, gateway=gateway)
    except Exception as error:
        raise _describe_start(str(error), log) from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)  # Spark replaces it


def _describe_start(text: str, log: Path) -> BertprepError:
    if "JAVA_GATEWAY_EXITED" not in text:
        return MachineError(f"Spark does not start: {find_cause(text)}")
    cause = find_cause(log.read_text(errors="replace"))
    if any(words in cause for words in ("JAVA_HOME", "java: ", "ClassVersion")):
        cause += ". Spark needs Java 17 or newer, in JAVA_HOME or on PATH"
    return MachineError(f"Spark {pyspark.__version__} does not start: {cause}")
