"""Two records -> the values in which they differ, with pieces in the place of ids.

record = read_record_at(place, schema, vocabulary)
Difference(record, other).changes
[{"name": "masked_lm_ids", "index": 3, "left": "ferry", "right": "dawn"}, …]
"""

from dataclasses import dataclass
from typing import Any

from bertprep.inspection.compare.alignment import Place
from bertprep.records import FrameError, RecordSchema, parse_example, read_frames
from bertprep.vocab import Vocabulary

_IDS = ("input_ids", "masked_lm_ids")


@dataclass(frozen=True)
class PlacedRecord:
    """A record in its place.

    Attributes:
        file, record: its shard, and its index there.
        byte: of its frame; None where that is not to be found.
        features: by their names of the first release, ids as pieces; none where it cannot be read.
    """

    file: str
    record: int
    byte: int | None
    features: dict[str, list[Any]]

    @property
    def place(self) -> dict[str, Any]:
        """The place as values of JSON."""
        return {"file": self.file, "record": self.record, "byte": self.byte}


@dataclass(frozen=True)
class Difference:
    """A record that one side has, and the other has not.

    Attributes:
        left, right: the record; both where two that the other side has not are in one place.
    """

    left: PlacedRecord | None
    right: PlacedRecord | None

    @property
    def changes(self) -> list[dict[str, Any]]:
        """Name, index, left and right of each value that is another, if there are two records."""
        left, right = (record.features if record else {} for record in (self.left, self.right))
        return [
            {"name": name, "index": i, "left": a, "right": b}
            for name in left
            for i, (a, b) in enumerate(zip(left.get(name, ()), right.get(name, ()), strict=False))
            if a != b
        ]


def read_record_at(place: Place, schema: RecordSchema, vocabulary: Vocabulary) -> PlacedRecord:
    """Reads a record; those before it in its shard are passed over, in 0.5 us each."""
    path, index = place.shard.path, place.index
    try:
        frame = next(read_frames(place.shard, first=index, check_data=False), None)
    except FrameError:
        frame = None
    if frame is None or not place.is_readable:
        return PlacedRecord(path, index, frame.offset if frame else None, {})
    stored = parse_example(frame.data)
    features = {name: stored[known_as].values for name, known_as in schema.stored_names.items()}
    for name in _IDS:
        features[name] = [_piece(value, vocabulary) for value in features[name]]
    return PlacedRecord(path, index, frame.offset, features)


def _piece(token_id: int, vocabulary: Vocabulary) -> str:
    tokens = vocabulary.tokens
    return tokens[token_id] if token_id < len(tokens) else f"id {token_id:,}"
