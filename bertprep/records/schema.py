"""Which features the records of a data set have: by its manifest, or by one of its records.

schema = read_schema(data_set)
schema.lengths["input_ids"], schema.columns["masked_lm_ids"]
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from bertprep.data import Feature
from bertprep.errors import BertprepError
from bertprep.objectives import OBJECTIVES, find_objective
from bertprep.records.data_set import DataSet
from bertprep.records.examples import FeatureValues, parse_example
from bertprep.records.frames import FrameError, Shard, read_frames

#: The first records of a shard may be damaged, or written by another program.
RECORDS_TRIED = 100
#: So many lengths among so many records are no damage: they are not padded.
_DIFFERENT_LENGTHS, _RECORDS_COMPARED = 4, 10


#: Names that other tools give to features, without their v1 and v2 names.
_OTHER_NAMES = {
    **dict.fromkeys(("input_ids", "input_word_ids"), ("tokens", "token_ids")),
    "input_mask": ("attention_mask", "mask"),
    **dict.fromkeys(("segment_ids", "input_type_ids"), ("token_type_ids", "type_ids")),
    "masked_lm_positions": ("mlm_positions", "masked_positions"),
    "masked_lm_ids": ("mlm_labels", "masked_lm_labels", "masked_labels", "labels"),
    "masked_lm_weights": ("mlm_weights", "masked_weights"),
    "next_sentence_labels": ("next_sentence_label", "is_random_next", "nsp_labels", "labels"),
}


def _likely_name(name: str, features: Mapping[str, FeatureValues]) -> str:
    """Return the advice to rename a feature, if there is one that may be it."""
    likely = next((other for other in _OTHER_NAMES.get(name, ()) if other in features), None)
    return f"; {likely} may be it: write it as {name}" if likely else ""


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
        for name in objective.stored_names(names).values():
            if name not in features:
                raise ValueError(
                    f"there is no {name} among its features "
                    f"({', '.join(sorted(features)) or 'none'}){_likely_name(name, features)}"
                )
        length = len(features[ids.stored_name(names)].values)
        schema = cls(length, len(features[positions].values), names, False, objective.name)
        for name, stored in schema.stored_names.items():
            num_values = len(features[stored].values)
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
                    schema = RecordSchema.of(parse_example(frame.data))
                except ValueError as error:
                    problem = problem or FrameError(shard, frame.index, frame.offset, str(error))
                    continue
                _require_padded(shard, schema)
                return schema
        except FrameError as error:
            problem = problem or error
    raise problem or BertprepError(
        f"{data_set.name}: there are no records, only empty files. Name other files"
    )


def _require_padded(shard: Shard, schema: RecordSchema) -> None:
    """Raise BertprepError if the first records of a shard have a different length each."""
    stored, lengths = schema.stored_names["input_ids"], set()
    with suppress(FrameError, KeyError, ValueError):
        for frame in islice(read_frames(shard, check_data=False), _RECORDS_COMPARED):
            lengths.add(len(parse_example(frame.data)[stored].values))
    if len(lengths) >= _DIFFERENT_LENGTHS:
        raise BertprepError(
            f"{shard.path}: {stored} has {min(lengths):,} to {max(lengths):,} values: the records "
            "are not padded. Write them again, all padded to one length"
        )
