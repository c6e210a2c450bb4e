"""The features of a record -> a `MaskedRecord`: tokens, words, segments and masks.

    sequence = read_sequence(parse_example(frame.data))
    sequence.restored_ids, sequence.labels, sequence.pair_label
    record = read_record(sequence, vocabulary)
    record.text(record.a), record.text(record.b), record.masks

Records are read as far as possible, whichever program wrote them; `problems` says what is wrong.
130 us per record of 128 tokens, after 200 us to parse it.
"""

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from bertprep.objectives import find_objective
from bertprep.records import FeatureValues
from bertprep.terminal import count_of, printable
from bertprep.vocab import Vocabulary


@dataclass(frozen=True)
class MaskedSequence:
    """A record as ids.

    Attributes:
        token_ids: the ids as stored, without padding.
        segment_ids: segment of each token; None if the record has none.
        labels: original id by masked position; ascending.
        pair_label: label of the pair; None if the record has none.
        label: the same as text; empty if the record has none.
        max_seq_length: tokens and padding.
        problems: phrases that say what is wrong.
    """

    token_ids: list[int]
    segment_ids: list[int] | None
    labels: dict[int, int]
    pair_label: int | None
    label: str
    max_seq_length: int
    problems: list[str]

    @property
    def restored_ids(self) -> list[int]:
        """The ids before masking."""
        return [self.labels.get(i, token_id) for i, token_id in enumerate(self.token_ids)]


def read_sequence(features: Mapping[str, FeatureValues]) -> MaskedSequence:
    """Return a record as ids; its features may have the names of either release.

    Raises:
        ValueError: it has no ids.
    """
    reader = _FeatureReader(features)
    ids = reader.values("input_ids")
    if ids is None:
        names = ", ".join(printable(name) for name in sorted(features)) or "none"
        raise ValueError(f"{reader.problems[0]} among its features ({names}): --raw shows them")
    length = _num_tokens(ids, reader.values("input_mask"))
    segments = reader.values("segment_ids")
    pair = reader.objective.pair_label
    pair_labels = reader.values(pair.feature) if pair else None
    label = ""
    if pair and pair_labels:
        meaning = dict(enumerate(pair.meanings)).get(pair_labels[0], "neither 0 nor 1")
        label = f"label {pair_labels[0]}: {meaning}"
    masks = list(reader.masks())
    labels = dict(masks)
    if len(labels) < len(masks):
        reader.problems.append("several masks at one position")
    outside = [str(position) for position in labels if not 0 <= position < length]
    if outside:
        reader.problems.append(f"masks outside the tokens, at {', '.join(outside)}")
    return MaskedSequence(
        token_ids=ids[:length],
        segment_ids=segments and segments[:length],
        labels={position: labels[position] for position in range(length) if position in labels},
        pair_label=pair_labels[0] if pair_labels else None,
        label=label,
        max_seq_length=len(ids),
        problems=reader.problems,
    )


class _FeatureReader:
    """Reads features by their v1 names; notes which are missing or of another type."""

    def __init__(self, features: Mapping[str, FeatureValues]) -> None:
        self.problems: list[str] = []
        self.objective = find_objective(features)
        self._features = features
        has_v2_names = self.objective.stored_names("v2")["input_ids"] in features
        self._stored_names = self.objective.stored_names("v2" if has_v2_names else "v1")

    def values(self, feature: str, kind: str = "int64") -> list[int] | None:
        """Return the values of a feature; None, and a problem, if there are none of this kind."""
        name = self._stored_names[feature]
        found = self._features.get(name)
        if found and found.kind == kind and found.values:
            return found.values
        what = f"{name} holds {len(found.values)} values of {found.kind}" if found else f"no {name}"
        self.problems.append(what)
        return None

    def masks(self) -> Iterator[tuple[int, int]]:
        """Yield position and label of each mask; without weights, of each position above 0."""
        positions, labels = self.values("masked_lm_positions"), self.values("masked_lm_ids")
        weights = self.values("masked_lm_weights", "float") or positions
        if positions and labels and weights:
            lengths = len(positions), len(labels), len(weights)
            if len(set(lengths)) > 1:
                self.problems.append("masks with {} positions, {} ids, {} weights".format(*lengths))
            for position, label, weight in zip(positions, labels, weights, strict=False):
                if weight:
                    yield position, label


def _num_tokens(ids: Sequence[int], input_mask: Sequence[int] | None) -> int:
    """Return the tokens up to the last one in the mask; without a mask, to the last nonzero id."""
    for values in (input_mask or (), ids):
        length = max((i for i, value in enumerate(values, 1) if value), default=0)
        if 0 < length <= len(ids):
            return length
    return 0


@dataclass(frozen=True)
class Mask:
    """A masked position.

    Attributes:
        position: position in the record.
        now: the token that the record shows.
        was: the original token.
        kind: "mask" if it shows [MASK], "kept", or "replaced".
    """

    position: int
    now: str
    was: str
    kind: str


class Piece(NamedTuple):
    """A token of a word as printable text, without `##`; with its mask, if any."""

    position: int
    text: str
    mask: Mask | None


class Word(NamedTuple):
    """A word: the space before it, if any, and its tokens."""

    gap: str
    pieces: list[Piece]


@dataclass(frozen=True)
class MaskedRecord:
    """A record as tokens.

    Attributes:
        sequence: the record as ids.
        tokens: the tokens as stored, without padding.
        restored: the tokens before masking.
        a, b: positions of the segments, without [CLS] and [SEP]; b is empty if there is none.
        masks: the masks by position.
        problems: phrases that say what is wrong.
    """

    sequence: MaskedSequence
    tokens: tuple[str, ...]
    restored: tuple[str, ...]
    a: range
    b: range
    masks: tuple[Mask, ...]
    problems: tuple[str, ...]

    @property
    def facts(self) -> list[str]:
        """Phrases about its length, its masks and its label."""
        label, length = self.sequence.label, self.sequence.max_seq_length
        facts = [f"{len(self.tokens):,} of {length:,} tokens", count_of(len(self.masks), "mask")]
        return [*facts, label] if label else facts

    def words(self, segment: range, shown: Callable[[str], str] = printable) -> Iterator[Word]:
        """Yield the words of a segment before masking, each token as `shown` returns it."""
        masks = {mask.position: mask for mask in self.masks}
        starts = [i for i in segment if i == segment.start or not self.restored[i].startswith("##")]
        before = ""
        for start, end in pairwise([*starts, segment.stop]):
            # A `##` stays where the segment begins inside a word.
            tokens = [self.restored[start], *(t[2:] for t in self.restored[start + 1 : end])]
            pieces = [Piece(i, shown(t), masks.get(i)) for i, t in enumerate(tokens, start)]
            text = "".join(piece.text for piece in pieces)
            yield Word(space_between(before, text), pieces)
            before = text or before

    def text(self, segment: range) -> str:
        """Return a segment as running text, before masking."""
        words = self.words(segment, shown=str)
        return "".join(word.gap + "".join(piece.text for piece in word.pieces) for word in words)


def read_record(sequence: MaskedSequence, vocabulary: Vocabulary) -> MaskedRecord:
    """Return a record as tokens.

    Raises:
        ValueError: an id is outside the vocabulary.
    """
    tokens = _tokens(sequence.token_ids, vocabulary)
    restored = _tokens(sequence.restored_ids, vocabulary)
    b_start = _start_of_b(sequence, restored)
    problems = sequence.problems
    if restored[:1] != ("[CLS]",):
        problems = [*problems, "no [CLS] at the start: is --vocab the right one?"]
    return MaskedRecord(
        sequence=sequence,
        tokens=tokens,
        restored=restored,
        a=_trimmed(range(b_start), restored),
        b=_trimmed(range(b_start, len(tokens)), restored),
        masks=tuple(_mask(i, tokens[i], restored[i]) for i in sequence.labels),
        problems=tuple(problems),
    )


def _tokens(ids: Sequence[int], vocabulary: Vocabulary) -> tuple[str, ...]:
    tokens = vocabulary.tokens
    for position, token_id in enumerate(ids):
        if not 0 <= token_id < len(tokens):
            raise ValueError(
                f"id {token_id} at position {position} is outside the vocabulary of "
                f"{len(tokens):,} pieces: is --vocab the right one?"
            )
    return tuple(tokens[token_id] for token_id in ids)


def _start_of_b(sequence: MaskedSequence, restored: Sequence[str]) -> int:
    """Return the start of segment 1; without segment ids, the position after the first [SEP]."""
    if sequence.segment_ids:
        is_b = [segment == 1 for segment in sequence.segment_ids]
    else:
        is_b = [False, *(token == "[SEP]" for token in restored)]
    return is_b.index(True) if True in is_b else len(restored)


def _trimmed(segment: range, restored: Sequence[str]) -> range:
    """Return a segment without the special tokens around it."""
    start = segment.start + (segment.start in segment and restored[segment.start] == "[CLS]")
    is_closed = start < segment.stop and restored[segment.stop - 1] == "[SEP]"
    return range(start, segment.stop - is_closed)


def _mask(position: int, now: str, was: str) -> Mask:
    kind = "mask" if now == "[MASK]" else "kept" if now == was else "replaced"
    return Mask(position, now, was, kind)


def space_between(left: str, right: str) -> str:
    """Return the space between two words: none in running Chinese.

    The tokenizer separates ideographs and punctuation, so whether the text had a space beside one
    is not known.
    """
    return " " if left and right and not _is_joined(left[-1], right[0]) else ""


@cache
def _is_joined(left: str, right: str) -> bool:
    """Return whether two characters have no space: an ideograph beside a wide one or a mark."""
    ends = (left, right)
    marks = [unicodedata.category(end).startswith("P") for end in ends]
    wide = [unicodedata.east_asian_width(end) in "WF" for end in ends]
    has_ideograph = any(unicodedata.name(end, "").startswith("CJK") for end in ends)
    is_narrow = any(not (mark or is_wide) for mark, is_wide in zip(marks, wide, strict=True))
    return any(wide) and not is_narrow and (has_ideograph or any(marks))
