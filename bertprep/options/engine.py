"""Where the tasks of `bertprep create` run. No byte of a data set depends on it."""

from dataclasses import dataclass

from bertprep.options.checks import require

#: The engines by name: each one's module in `bertprep.engines`, and its class there.
ENGINES = {"local": "local:LocalEngine", "spark": "spark.engine:SparkEngine"}


@dataclass(frozen=True)
class EngineOptions:
    """The engine, and what it is told.

    Attributes:
        engine: "local" is processes of this machine, "spark" a cluster.
        spark_master: the cluster's URL; None where spark-submit or Spark's own files name it.
        spark_conf: Spark's settings, each "key=value".
    """

    engine: str = "local"
    spark_master: str | None = None
    spark_conf: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require(self.engine in ENGINES, f"engine must be {' or '.join(ENGINES)}, got {self.engine}")
        require(
            self.engine == "spark" or not (self.spark_master or self.spark_conf),
            "spark_master and spark_conf are for the engine spark: pass --engine spark",
        )
        for setting in self.spark_conf:
            key, equals, _ = setting.partition("=")
            require(
                bool(key.strip() and equals),
                f"spark_conf must be key=value, as in spark.executor.memory=2g, got {setting}",
            )

    def check_workers(self, workers: int | None) -> None:
        """Raise UsageError for a number of workers that the engine does not take."""
        require(
            workers is None or self.engine == "local",
            "workers are processes of this machine; with --engine spark, set their number with "
            "--spark-conf spark.cores.max=N or spark.executor.instances=N",
        )

    @property
    def spark_settings(self) -> dict[str, str]:
        """`spark_conf` by key; the last one of a key that is given twice."""
        pairs = (setting.split("=", 1) for setting in self.spark_conf)
        return {key.strip(): value for key, value in pairs}
