"""Which features the records of a data set have: by its manifest, or by one of its records.

schema = read_schema(data_set)
schema.lengths["input_ids"], schema.columns["masked_lm_ids"]
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from bertprep.data import Feature
from bertprep.errors import BertprepError
from bertprep.objectives import OBJECTIVES, find_objective
from bertprep.records.data_set import DataSet
from bertprep.records.examples import FeatureValues, parse_example
from bertprep.records.frames import FrameError, read_frames

#: The first records of a shard may be damaged, or written by another program.
RECORDS_TRIED = 100


@dataclass(frozen=True)
class RecordSchema:
    """The features of every record of a data set: their lengths and names.

    Attributes:
        max_seq_length: length of features such as input_ids.
        max_predictions: length of features such as masked_lm_positions.
        feature_names: "v1" or "v2".
        is_closed: records have no other features; other tools write some of their own.
        objective: name of the objective, whose features these are.
    """

    max_seq_length: int
    max_predictions: int
    feature_names: str = "v1"
    is_closed: bool = True
    objective: str = "nsp"

    @classmethod
    def of(cls, features: Mapping[str, FeatureValues]) -> "RecordSchema":
        """Return the schema of a data set without a manifest, by one of its records.

        Raises:
            ValueError: a feature is missing or has the wrong length.
        """
        objective = find_objective(features)
        ids, positions = objective.features[0], "masked_lm_positions"
        names = "v2" if ids.v2_name in features else "v1"
        for name in (ids.stored_name(names), positions):
            if name not in features:
                raise ValueError(
                    f"there is no {name} among its features "
                    f"({', '.join(sorted(features)) or 'none'})"
                )
        length = len(features[ids.stored_name(names)].values)
        schema = cls(length, len(features[positions].values), names, False, objective.name)
        for name, stored in schema.stored_names.items():
            num_values = len(features[stored].values) if stored in features else 0
            if num_values != schema.lengths[name]:
                raise ValueError(
                    f"{stored} has {num_values} values instead of {schema.lengths[name]}"
                )
        return schema

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features in the order of a row's columns."""
        return OBJECTIVES[self.objective].features

    @cached_property
    def stored_names(self) -> dict[str, str]:
        """The name in the files of each feature, by its v1 name."""
        return OBJECTIVES[self.objective].stored_names(self.feature_names)

    @cached_property
    def lengths(self) -> dict[str, int]:
        """Number of values of each feature."""
        sizes = {"max_seq_length": self.max_seq_length, "max_predictions": self.max_predictions}
        return {
            feature.name: sizes[feature.length]
            if isinstance(feature.length, str)
            else feature.length
            for feature in self.features
        }

    @cached_property
    def columns(self) -> dict[str, slice]:
        """The columns of each feature in a row."""
        columns, start = {}, 0
        for name, length in self.lengths.items():
            columns[name] = slice(start, start + length)
            start += length
        return columns

    @property
    def width(self) -> int:
        """Numbers of a row: all values of a record."""
        return sum(self.lengths.values())


def read_schema(data_set: DataSet) -> RecordSchema:
    """Return the schema of a data set: by its manifest, or by the first readable record.

    Raises:
        BertprepError: there are no records, or none with features that bertprep knows.
    """
    if data_set.plan is not None:
        instances, records = data_set.plan["instances"], data_set.plan["records"]
        return RecordSchema(
            instances["max_seq_length"],
            instances["max_predictions_per_seq"],
            records["feature_names"],
            objective=instances.get("objective", "nsp"),
        )
    problem = None
    for shard in data_set.shards:
        try:
            for frame in islice(read_frames(shard, check_data=False), RECORDS_TRIED):
                try:
                    return RecordSchema.of(parse_example(frame.data))
                except ValueError as error:
                    problem = problem or FrameError(shard, frame.index, frame.offset, str(error))
        except FrameError as error:
            problem = problem or error
    raise problem or BertprepError(
        f"{data_set.name}: there are no records, only empty files. Name other files"
    )
