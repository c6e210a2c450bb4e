"""The features of a record, whoever wrote it -> a `MaskedSequence`: ids, masks and the label.

    sequence = read_sequence(parse_example(frame.data))
    sequence.restored_ids, sequence.labels, sequence.label

Records are read as far as they can be; what is odd about them is told in `problems`. It needs no
vocabulary, and 30 us for 128 tokens.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bertprep.objectives import find_objective
from bertprep.records import FeatureValues


@dataclass(frozen=True)
class MaskedSequence:
    """A record as ids.

    Attributes:
        token_ids: as they stand, padding left out.
        segment_ids: of the same tokens; None where the record has none.
        labels: the id that stood there by the position of each mask; ascending.
        next_sentence_label: 1 where B is random; None where the record has none.
        max_seq_length: tokens and padding.
        problems: what is not as it should be, each a phrase.
    """

    token_ids: list[int]
    segment_ids: list[int] | None
    labels: dict[int, int]
    next_sentence_label: int | None
    max_seq_length: int
    problems: list[str]

    @property
    def restored_ids(self) -> list[int]:
        """The ids before masking."""
        return [self.labels.get(i, token_id) for i, token_id in enumerate(self.token_ids)]

    @property
    def is_random_next(self) -> bool | None:
        """None where the label is not there, or neither 0 nor 1."""
        label = self.next_sentence_label
        return bool(label) if label in (0, 1) else None

    @property
    def label(self) -> str:
        """The label in words; empty where the record has none."""
        label = self.next_sentence_label
        if label is None:
            return ""
        meaning = {0: "B follows A", 1: "B is random"}.get(label, "neither 0 nor 1")
        return f"label {label}: {meaning}"


def read_sequence(features: Mapping[str, FeatureValues]) -> MaskedSequence:
    """The features of a record, under the names of either release.

    Raises:
        ValueError: they hold no ids.
    """
    reader = _FeatureReader(features)
    ids = reader.values("input_ids")
    if ids is None:
        names = ", ".join(repr(name)[1:-1] for name in sorted(features)) or "none"
        raise ValueError(f"{reader.problems[0]} among its features ({names}): --raw shows them")
    length = _num_tokens(ids, reader.values("input_mask"))
    segments = reader.values("segment_ids")
    next_sentence_labels = reader.values("next_sentence_labels")
    masks = list(reader.masks())
    labels = dict(masks)
    if len(labels) < len(masks):
        reader.problems.append("several masks at one position")
    outside = [str(position) for position in labels if not 0 <= position < length]
    if outside:
        reader.problems.append(f"masks at {', '.join(outside)}, where no token is")
    return MaskedSequence(
        token_ids=ids[:length],
        segment_ids=segments and segments[:length],
        labels={position: labels[position] for position in range(length) if position in labels},
        next_sentence_label=next_sentence_labels[0] if next_sentence_labels else None,
        max_seq_length=len(ids),
        problems=reader.problems,
    )


class _FeatureReader:
    """Takes features by their names of the first release, and notes which cannot be taken."""

    def __init__(self, features: Mapping[str, FeatureValues]) -> None:
        self.problems: list[str] = []
        self._features = features
        objective = find_objective(features)
        has_v2_names = objective.stored_names("v2")["input_ids"] in features
        self._stored_names = objective.stored_names("v2" if has_v2_names else "v1")

    def values(self, feature: str, kind: str = "int64") -> list[int] | None:
        """The values of a feature; None, and a problem, where there are none of this kind."""
        name = self._stored_names[feature]
        found = self._features.get(name)
        if found and found.kind == kind and found.values:
            return found.values
        what = f"{len(found.values)} values of {found.kind} as" if found else "no"
        self.problems.append(f"{what} {name}")
        return None

    def masks(self) -> Iterator[tuple[int, int]]:
        """Position and label of each mask; without weights, of each position above 0."""
        positions, labels = self.values("masked_lm_positions"), self.values("masked_lm_ids")
        weights = self.values("masked_lm_weights", "float") or positions
        if positions and labels and weights:
            lengths = len(positions), len(labels), len(weights)
            if len(set(lengths)) > 1:
                self.problems.append("{} positions, {} ids, {} weights of masks".format(*lengths))
            for position, label, weight in zip(positions, labels, weights, strict=False):
                if weight:
                    yield position, label


def _num_tokens(ids: Sequence[int], input_mask: Sequence[int] | None) -> int:
    """Tokens up to the last that the mask lets through; up to the last id but 0 without one."""
    for marks in (input_mask or (), ids):
        length = max((i for i, mark in enumerate(marks, 1) if mark), default=0)
        if 0 < length <= len(ids):
            return length
    return 0
