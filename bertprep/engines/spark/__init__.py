"""The engine that runs tasks on Apache Spark."""
