"""Record files, whoever wrote them -> data sets, frames, features, and columns of many records.

    find_data_set(paths) -> DataSet of Shards             names and manifests, nothing else read
    read_frames(shard) -> Frame, Frame, …                 plain Python, a record at a time
    parse_example(frame.data) -> features                 the exact twin of the compiled reader
    columns.RecordReader(shard, …) -> RecordBatch, …      hundreds of megabytes a second

Whoever looks at a few records waits for no compiler: only `columns` imports kernels.
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
