"""Options of where tasks run. No byte of the output depends on them."""

from dataclasses import dataclass

from bertprep.options.fields import Options, option, require


@dataclass(frozen=True)
class EngineOptions(Options):
    """The engine and its settings."""

    engine: str = option(
        "local",
        "Run on the processes of this machine, or on a Spark cluster. The output is the same.",
        group="Execution",
        choices=("local", "spark"),
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
            "spark_master and spark_conf are for the engine spark: pass --engine spark",
        )
        for setting in self.spark_conf:
            key, equals, _ = setting.partition("=")
            require(
                bool(key.strip() and equals),
                f"spark_conf must be key=value, as in spark.executor.memory=2g, got {setting}",
            )

    @property
    def spark_settings(self) -> dict[str, str]:
        """Return `spark_conf` as a dict; the last value of a repeated key counts."""
        pairs = (setting.split("=", 1) for setting in self.spark_conf)
        return {key.strip(): value for key, value in pairs}
