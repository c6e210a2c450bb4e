"""TFRecord files of any tool, and the shards that `create` writes.

    find_data_set(paths) -> DataSet of Shards             reads names and manifests only
    read_schema(data_set) -> RecordSchema                 the features of its records
    read_frames(shard) -> Frame, Frame, …                 plain Python, one record at a time
    parse_example(frame.data) -> {name: FeatureValues}    the exact twin of the compiled reader
    columns.RecordReader(shard, …) -> RecordBatch, …      rows, at hundreds of megabytes per second

Reading a few records loads no compiler: these names import no kernels.
"""

from bertprep.records.data_set import DataSet, Home, find_data_set
from bertprep.records.examples import FeatureValues, parse_example
from bertprep.records.frames import Frame, FrameError, Shard, open_stream, read_frames
from bertprep.records.schema import RecordSchema, read_schema

__all__ = [
    "DataSet",
    "FeatureValues",
    "Frame",
    "FrameError",
    "Home",
    "RecordSchema",
    "Shard",
    "find_data_set",
    "open_stream",
    "parse_example",
    "read_frames",
    "read_schema",
]
