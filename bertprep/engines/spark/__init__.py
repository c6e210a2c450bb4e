"""The engine of a Spark cluster. Only `start` and `engine` import pyspark, which is an extra."""
