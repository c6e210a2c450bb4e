"""Options of where tasks run. No byte of the output depends on them."""

from dataclasses import dataclass

from bertprep.options.fields import Options, option, require

#: The engines by name: each one's module in `bertprep.engines`, and its class there.
ENGINES = {"local": "local:LocalEngine", "spark": "spark.engine:SparkEngine"}


@dataclass(frozen=True)
class EngineOptions(Options):
    """The engine and its settings."""

    engine: str = option(
        "local",
        "Run on the processes of this machine, or on a Spark cluster. The output is the same.",
        group="Execution",
        choices=tuple(ENGINES),
    )
    spark_master: str | None = option(
        None,
        "URL of the cluster: spark://HOST:7077, yarn, k8s://..., local[2].",
        group="Spark",
        metavar="URL",
        shown_default="from spark-submit",
    )
    spark_conf: tuple[str, ...] = option(
        (), "Spark setting. Can be repeated.", group="Spark", metavar="KEY=VALUE"
    )

    def check(self) -> None:
        require(
            self.engine == "spark" or not (self.spark_master or self.spark_conf),
            "spark_master and spark_conf are options of the Spark engine: pass --engine spark",
        )
        for setting in self.spark_conf:
            key, equals, _ = setting.partition("=")
            require(
                bool(key.strip() and equals),
                f"spark_conf must be key=value, such as spark.executor.memory=2g, got {setting}",
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
        """Return `spark_conf` as a dict; the last value of a repeated key counts."""
        pairs = (setting.split("=", 1) for setting in self.spark_conf)
        return {key.strip(): value for key, value in pairs}
