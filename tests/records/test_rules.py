"""What makes a record legal: each rule by a tiny example, and the rules against the algorithm."""

import dataclasses
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hand_built import (
    V2_NAMES,
    Record,
    byte_strings,
    encoded,
    entry,
    example,
    floats,
    frames,
    int64s,
    made_records,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from judges import Judges
from legality import could_be_written
from mutations import Faults, as_lists

from bertprep.options import InstanceOptions, RecordOptions
from bertprep.records import RecordSchema
from bertprep.records.checks import CheckJob, check_range
from bertprep.records.columns import RecordReader
from bertprep.records.frames import look_at
from bertprep.records.manifest import describe_instances
from bertprep.records.rules import Promise
from bertprep.vocab import SPECIAL_TOKENS, Vocabulary

TOKENS = (*SPECIAL_TOKENS, "[unused7]", "a", "b", "c", "d", "##x", "##y")
PAD, UNK, CLS, SEP, MASK, UNUSED, A, B, C, D, X, Y = range(12)
TINY = Vocabulary.parse("\n".join(TOKENS).encode())


#: [CLS] a ##x b [SEP] c d ##y [SEP], with [MASK] for a and ##x kept: nine tokens have two masks.
OPTIONS = InstanceOptions(max_seq_length=12, max_predictions_per_seq=3, masked_lm_prob=0.25)
GOOD: Record = {
    "input_ids": [CLS, MASK, X, B, SEP, C, D, Y, SEP, 0, 0, 0],
    "input_mask": [1] * 9 + [0] * 3,
    "segment_ids": [0] * 5 + [1] * 4 + [0] * 3,
    "masked_lm_positions": [1, 2, 0],
    "masked_lm_ids": [A, X, 0],
    "masked_lm_weights": [1.0, 1.0, 0.0],
    "next_sentence_labels": [0],
}
#: The same at a length that it fills.
FULL: Record = GOOD | {name: GOOD[name][:9] for name in list(GOOD)[:3]}


@pytest.fixture
def said(tmp_path: Path) -> Any:
    """What is said of GOOD with other features, made with other options (None: no manifest)."""

    def judge(options: InstanceOptions | None = OPTIONS, /, **changes: list[Any]) -> list[str]:
        record = GOOD | changes
        schema = RecordSchema(len(GOOD["input_ids"]), 3)
        return Judges(tmp_path, TINY, schema, options).faults(encoded(record))

    return judge


@pytest.fixture
def said_of_full(tmp_path: Path) -> Any:
    """The same of a record without padding."""
    full = dataclasses.replace(OPTIONS, max_seq_length=9)

    def judge(options: InstanceOptions | None = full, /, **changes: list[Any]) -> list[str]:
        judges = Judges(tmp_path, TINY, RecordSchema(9, 3), options)
        return judges.faults(encoded(FULL | changes))

    return judge


def changed(feature: str, **places: Any) -> dict[str, list[Any]]:
    """A feature of GOOD with other values at some places, named `at_<place>`."""
    values = list(GOOD[feature])
    for place, value in places.items():
        values[int(place.removeprefix("at_"))] = value
    return {feature: values}


# Features.


def test_a_legal_record(said: Any, said_of_full: Any) -> None:
    assert said() == said(None) == said_of_full() == said_of_full(None) == []


def test_a_legal_record_of_the_second_release(tmp_path: Path) -> None:
    judges = Judges(tmp_path, TINY, RecordSchema(12, 3, "v2"), OPTIONS)
    record = {V2_NAMES.get(name, name): values for name, values in GOOD.items()}
    assert judges.faults(encoded(record)) == []
    assert judges.faults(encoded(GOOD)) == [
        "input_word_ids is missing",
        "input_type_ids is missing",
        "unexpected feature 'input_ids'",
        "unexpected feature 'segment_ids'",
    ]


def test_the_order_of_the_features_is_free(said: Any, tmp_path: Path) -> None:
    judges = Judges(tmp_path, TINY, RecordSchema(12, 3), OPTIONS)
    for seed in range(5):
        names = Random(seed).sample(list(GOOD), 7)
        assert judges.faults(encoded({name: GOOD[name] for name in names})) == []
        assert judges.faults(encoded({name: GOOD[name] for name in names}, packed=False)) == []


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_feature(name: str, tmp_path: Path) -> None:
    judges = Judges(tmp_path, TINY, RecordSchema(12, 3), OPTIONS)
    record = {other: values for other, values in GOOD.items() if other != name}
    assert judges.faults(encoded(record)) == [f"{name} is missing"]
    assert judges.faults(encoded(record | {"other": [1]})) == [
        f"{name} is missing",
        "unexpected feature 'other'",
    ]


def test_an_unexpected_feature(said: Any) -> None:
    assert said(token_boundary=[1]) == ["unexpected feature 'token_boundary'"]


@pytest.mark.parametrize("name", GOOD)
def test_a_feature_of_another_kind(name: str, tmp_path: Path) -> None:
    judges = Judges(tmp_path, TINY, RecordSchema(12, 3), OPTIONS)
    is_float = name == "masked_lm_weights"
    values = list(map(int, GOOD[name]))
    kinds = {
        "int64" if is_float else "float": (int64s if is_float else floats)(values),
        "bytes": byte_strings([b"\1"] * len(values)),
        "nothing": b"",
    }
    for kind, feature in kinds.items():
        entries = [
            (other, floats(v) if other == "masked_lm_weights" else int64s(v))
            for other, v in GOOD.items()
        ]
        data = example((n, feature if n == name else own) for n, own in entries)
        should = "float" if is_float else "int64"
        assert judges.faults(data) == [f"{name} holds {kind} values instead of {should}"]


@pytest.mark.parametrize("name", GOOD)
def test_a_feature_of_another_length(name: str, said: Any) -> None:
    length = len(GOOD[name])
    for values in (GOOD[name][:-1] or [1, 1], GOOD[name] * 2):
        assert said(**{name: values}) == [f"{name} has {len(values)} values instead of {length}"]


def test_bytes_that_are_no_example(tmp_path: Path) -> None:
    judges = Judges(tmp_path, TINY, RecordSchema(12, 3), OPTIONS)
    data = encoded(GOOD)
    assert judges.faults(data[:-1]) == [
        f"it is not a tf.train.Example: a field of {len(data) - 3} bytes where {len(data) - 4} are "
        "left at byte 0"
    ]
    assert judges.faults(b"")[0] == "input_ids is missing"


def test_of_two_features_with_one_name_the_last_counts(tmp_path: Path) -> None:
    judges = Judges(tmp_path, TINY, RecordSchema(12, 3), OPTIONS)
    features = [
        (name, (floats if name == "masked_lm_weights" else int64s)(values))
        for name, values in GOOD.items()
    ]
    label = ("next_sentence_labels", int64s([2]))
    assert judges.faults(example([label, *features])) == []
    assert judges.faults(example([*features, label])) == ["next_sentence_labels is 2, not 0 or 1"]


def test_unknown_fields_of_protobuf_are_no_fault(tmp_path: Path) -> None:
    judges = Judges(tmp_path, TINY, RecordSchema(12, 3), OPTIONS)
    assert judges.faults(encoded(GOOD) + b"\x12\x00") == []
    assert entry("a", b"") == b"\x0a\x05\x0a\x01a\x12\x00"


# The sequence.


@pytest.mark.parametrize("label", [2, -1, 1 << 40])
def test_a_label_that_is_neither_0_nor_1(label: int, said: Any) -> None:
    assert said(next_sentence_labels=[1]) == []
    assert said(next_sentence_labels=[label]) == [f"next_sentence_labels is {label}, not 0 or 1"]


@pytest.mark.parametrize("value", [0, 2, -1, 1 << 33])
def test_a_hole_in_the_input_mask(value: int, said: Any) -> None:
    place = "index 4 is 1" if value == 0 else f"index 3 is {value}"
    assert said(**changed("input_mask", at_3=value)) == [
        f"input_mask is not 1s followed by 0s: {place}"
    ]


def test_padding_in_the_input_mask(said: Any) -> None:
    assert said(**changed("input_mask", at_11=1)) == [
        "input_mask is not 1s followed by 0s: index 11 is 1"
    ]


def test_an_input_mask_of_another_length(said: Any) -> None:
    assert said(**changed("input_mask", at_9=1)) == [
        "segment_ids are not 0s, then 1s up to the last token, then 0s: index 9 is 0"
    ]
    assert said(**changed("input_mask", at_8=0)) == [
        "segment_ids are not 0s, then 1s up to the last token, then 0s: index 8 is 1"
    ]
    assert said(input_mask=[0] * 12) == [
        "segment_ids are not 0s, then 1s up to the last token, then 0s: index 5 is 1"
    ]


@pytest.mark.parametrize(("place", "value"), [(2, 1), (6, 0), (7, 2), (10, 1), (0, 1), (5, -1)])
def test_segment_ids_out_of_order(place: int, value: int, said: Any) -> None:
    (fault,) = said(**changed("segment_ids", **{f"at_{place}": value}))
    assert fault.startswith("segment_ids are not 0s, then 1s up to the last token, then 0s: index ")


@pytest.mark.parametrize("first", [0, 1, 2, 8, 9])
def test_a_segment_without_text(first: int, said: Any) -> None:
    segments = [0] * first + [1] * (9 - first) + [0] * 3
    assert said(segment_ids=segments) == [
        f"segments of {first} and {9 - first} tokens: one holds no text"
    ]


def test_a_record_of_padding_only(said: Any) -> None:
    assert said(**{name: [0] * 12 for name in list(GOOD)[:3]}) == [
        "segments of 0 and 0 tokens: one holds no text"
    ]


def test_a_segment_border_that_was_moved(said: Any) -> None:
    assert said(**changed("segment_ids", at_4=1)) == [
        "b at position 3 instead of [SEP]",
        "[SEP] at position 4, inside the text",
    ]
    assert said(**changed("segment_ids", at_5=0)) == [
        "c at position 5 instead of [SEP]",
        "[SEP] at position 4, inside the text",
    ]


def test_an_id_in_the_padding(said: Any) -> None:
    assert said(**changed("input_ids", at_10=A)) == [
        f"input_ids has {A} at position 10, after the last token"
    ]


def test_padding_is_the_id_of_the_padding_token(tmp_path: Path) -> None:
    # [PAD] and [unused7] have changed places.
    order = [UNUSED, UNK, CLS, SEP, MASK, PAD, *range(6, 12)]
    vocabulary = Vocabulary.parse("\n".join(TOKENS[i] for i in order).encode())
    judges = Judges(tmp_path, vocabulary, RecordSchema(12, 3), OPTIONS)
    padded = GOOD | {"input_ids": [*GOOD["input_ids"][:9], 5, 5, 5]}
    assert judges.faults(encoded(padded)) == []
    assert judges.faults(encoded(GOOD)) == ["input_ids has 0 at position 9, after the last token"]


def test_specials_that_are_not_in_their_places(said: Any) -> None:
    assert said(**changed("input_ids", at_0=SEP)) == ["[SEP] at position 0 instead of [CLS]"]
    assert said(**changed("input_ids", at_4=CLS)) == ["[CLS] at position 4 instead of [SEP]"]
    assert said(**changed("input_ids", at_8=PAD)) == ["[PAD] at position 8 instead of [SEP]"]


@pytest.mark.parametrize("number", [12, -1, 1 << 21, 1 << 31, 1 << 40, -(1 << 63)])
def test_an_id_outside_the_vocabulary(number: int, said: Any) -> None:
    outside = "is outside the vocabulary of 12 pieces"
    assert said(**changed("input_ids", at_6=number)) == [f"id {number} at position 6 {outside}"]
    # At a mask, too; and in a special's place.
    assert said(**changed("input_ids", at_1=number)) == [f"id {number} at position 1 {outside}"]
    assert said(**changed("input_ids", at_4=number)) == [
        f"id {number} at position 4 instead of [SEP]",
        f"id {number} at position 4 {outside}",
    ]
    assert said(**changed("masked_lm_ids", at_1=number)) == [f"label {number} of mask 1 {outside}"]


# Masks.


@pytest.mark.parametrize(
    ("weights", "place", "value"),
    [
        ([1.0, 0.5, 0.0], 1, "0.5"),
        ([1.0, 1.0, -0.0], 2, "-0"),
        ([1.0, 1.0, 2.0], 2, "2"),
        ([0.0, 1.0, 0.0], 1, "1"),
        ([1.0, float("nan"), 0.0], 1, "nan"),
        ([float("inf"), 1.0, 0.0], 0, "inf"),
        ([1.0, 1.0, 1e-45], 2, "1.4013e-45"),
    ],
)
def test_weights_that_are_not_1_then_0(
    weights: list[float], place: int, value: str, said: Any
) -> None:
    assert said(masked_lm_weights=weights) == [
        f"masked_lm_weights are not 1.0s followed by 0.0s: index {place} is {value}"
    ]


def test_something_after_the_last_mask(said: Any) -> None:
    assert said(**changed("masked_lm_positions", at_2=3)) == [
        "masked_lm_positions has 3 at index 2, after the last mask"
    ]
    assert said(**changed("masked_lm_ids", at_2=-1)) == [
        "masked_lm_ids has -1 at index 2, after the last mask"
    ]


def test_a_weight_too_few(said: Any) -> None:
    assert said(masked_lm_weights=[1.0, 0.0, 0.0]) == [
        "masked_lm_positions has 2 at index 1, after the last mask",
        f"masked_lm_ids has {X} at index 1, after the last mask",
    ]


def test_a_weight_too_many(said: Any) -> None:
    assert said(masked_lm_weights=[1.0] * 3) == [
        "mask 2 is at position 0, which must be above 2",
        "3 masks, but 9 tokens have at most 2",
    ]


@pytest.mark.parametrize(
    ("positions", "fault"),
    [
        ([2, 1, 0], "mask 1 is at position 1, which must be above 2"),
        ([1, 1, 0], "mask 1 is at position 1, which must be above 1"),
        ([0, 2, 0], "mask 0 is at position 0, which must be above 0"),
        ([-1, 2, 0], "mask 0 is at position -1, which must be above 0"),
    ],
)
def test_positions_that_do_not_ascend(positions: list[int], fault: str, said: Any) -> None:
    assert said(masked_lm_positions=positions) == [fault]


def test_a_mask_at_a_special(said: Any) -> None:
    for position in (4, 8):
        assert said(**changed("masked_lm_positions", at_1=position)) == [
            f"mask 1 is at position {position}, which holds [SEP]"
        ]


@pytest.mark.parametrize("position", [9, 11, 12, 1 << 40])
def test_a_mask_behind_the_last_token(position: int, said: Any) -> None:
    assert said(**changed("masked_lm_positions", at_1=position)) == [
        f"mask 1 is at position {position}, after the last token"
    ]


def masked_as(*masks: tuple[int, int]) -> dict[str, list[Any]]:
    """GOOD's text with other masks: at a position, what was there."""
    ids = [CLS, A, X, B, SEP, C, D, Y, SEP, 0, 0, 0]
    for position, _ in masks:
        ids[position] = MASK
    none = [0] * (3 - len(masks))
    return {
        "input_ids": ids,
        "masked_lm_positions": [position for position, _ in masks] + none,
        "masked_lm_ids": [label for _, label in masks] + none,
        "masked_lm_weights": [1.0] * len(masks) + [0.0] * len(none),
    }


def test_too_many_masks(said: Any) -> None:
    three = masked_as((1, A), (2, X), (3, B))
    assert said(**three) == ["3 masks, but 9 tokens have at most 2"]
    assert said(None, **three) == []
    assert said(dataclasses.replace(OPTIONS, masked_lm_prob=0.3), **three) == []


def test_too_few_masks(said: Any) -> None:
    # One more fits: c; not a ##x, nor d ##y.
    assert said(**masked_as((3, B))) == ["1 of 2 masks, but a word that would fit is not masked"]
    assert said(None, **masked_as((3, B))) == []
    assert said(None, **masked_as()) == []
    assert said(**masked_as()) == ["0 of 2 masks, but a word that would fit is not masked"]


def test_a_word_that_does_not_fit_is_not_missed(said: Any) -> None:
    # Three masks would be due; with both pairs of pieces there are four, and no single is left.
    more = dataclasses.replace(OPTIONS, masked_lm_prob=0.3)
    assert said(more, **masked_as((3, B), (5, C))) == []
    assert said(more, **masked_as((1, A), (2, X))) == [
        "2 of 3 masks, but a word that would fit is not masked"
    ]


def test_half_a_mask_is_rounded_to_even(said: Any) -> None:
    # 9 x 0.5 is 4.5, and 9 x 1/6 is 1.5: rounded to 4 (here cut to 3) and to 2.
    assert said(dataclasses.replace(OPTIONS, masked_lm_prob=1 / 6)) == []
    assert said(dataclasses.replace(OPTIONS, masked_lm_prob=0.5)) == [
        "2 of 3 masks, but a word that would fit is not masked"
    ]


def test_at_least_one_mask_is_due(said: Any) -> None:
    none = dataclasses.replace(OPTIONS, masked_lm_prob=0.0)
    assert said(none, **masked_as((3, B))) == []
    assert said(none, **masked_as()) == ["0 of 1 masks, but a word that would fit is not masked"]


def test_what_replaces_a_token(said: Any) -> None:
    fix = dataclasses.replace(OPTIONS, quirks="fix")
    for now in (A, X, UNK, PAD, CLS, SEP, MASK, UNUSED):
        assert said(**changed("input_ids", at_1=now)) == []
        assert said(None, **changed("input_ids", at_1=now)) == []
        is_drawn = now in (A, X, MASK)
        assert said(fix, **changed("input_ids", at_1=now)) == (
            []
            if is_drawn
            else [f"{TOKENS[now]} replaces a token at position 1, but is never drawn"]
        )


def test_an_unknown_token_may_be_kept(said: Any) -> None:
    fix = dataclasses.replace(OPTIONS, quirks="fix")
    ids = [CLS, UNK, X, B, SEP, C, D, Y, SEP, 0, 0, 0]
    assert said(fix, input_ids=ids, masked_lm_ids=[UNK, X, 0]) == []


# The text.


@pytest.mark.parametrize("special", [PAD, CLS, SEP, MASK])
def test_a_special_token_in_the_text(special: int, said: Any) -> None:
    token = TOKENS[special]
    for options in (OPTIONS, None):
        assert said(options, **changed("input_ids", at_5=special)) == [
            f"{token} at position 5, inside the text"
        ]
        assert said(options, **changed("masked_lm_ids", at_0=special)) == [
            f"{token} at position 1, inside the text"
        ]


def test_unknown_tokens_are_text(said: Any) -> None:
    assert said(**changed("input_ids", at_5=UNK)) == []
    assert said(None, **changed("input_ids", at_5=UNK)) == []


def test_unused_tokens_are_no_text_of_ours(said: Any) -> None:
    assert said(**changed("input_ids", at_5=UNUSED)) == ["[unused7] at position 5, inside the text"]
    assert said(None, **changed("input_ids", at_5=UNUSED)) == []


def test_a_segment_that_begins_inside_a_word(said: Any) -> None:
    why = "begins a segment inside a word, but the record is not full, so nothing was truncated"
    for options in (OPTIONS, None):
        assert said(options, **changed("masked_lm_ids", at_0=X)) == [f"##x at position 1 {why}"]
        (fault, *_) = said(options, **changed("input_ids", at_5=X))
        assert fault == f"##x at position 5 {why}"


def test_a_segment_that_was_cut_may_begin_inside_a_word(said_of_full: Any) -> None:
    fix = dataclasses.replace(OPTIONS, max_seq_length=9, quirks="fix")
    first = {"masked_lm_ids": [X, X, 0]}
    second = {"input_ids": [CLS, MASK, X, B, SEP, X, D, Y, SEP]}
    for options in (fix, None):
        assert said_of_full(options, **first) == []
        assert said_of_full(options, **second) == []
    assert said_of_full(**first) == []


def test_the_shorter_segment_was_not_cut(said_of_full: Any) -> None:
    # [CLS] ##x b [SEP] c d a b [SEP] and [CLS] a b c d [SEP] ##x b [SEP].
    one = dataclasses.replace(OPTIONS, max_seq_length=9, masked_lm_prob=0.0, quirks="fix")
    mask = {
        "masked_lm_positions": [2, 0, 0],
        "masked_lm_ids": [B, 0, 0],
        "masked_lm_weights": [1.0, 0.0, 0.0],
    }
    first = {
        "input_ids": [CLS, X, B, SEP, C, D, A, B, SEP],
        "segment_ids": [0, 0, 0, 0, 1, 1, 1, 1, 1],
    }
    second = {
        "input_ids": [CLS, A, B, C, D, SEP, X, B, SEP],
        "segment_ids": [0, 0, 0, 0, 0, 0, 1, 1, 1],
    }
    why = "begins a segment inside a word, but the other one"
    assert said_of_full(one, **first, **mask) == [
        f"##x at position 1 {why} was longer (2 and 4 tokens)"
    ]
    assert said_of_full(one, **second, **mask) == [
        f"##x at position 6 {why} was longer (4 and 2 tokens)"
    ]
    # Other programs may cut otherwise.
    assert said_of_full(None, **first, **mask) == said_of_full(None, **second, **mask) == []


# Words.


def test_a_word_that_is_partly_masked(said: Any) -> None:
    assert said(**masked_as((2, X), (3, B))) == ["the word a ##x at position 1 is partly masked"]
    assert said(None, **masked_as((2, X), (3, B))) == []
    pieces = dataclasses.replace(OPTIONS, whole_word_mask=False)
    assert said(pieces, **masked_as((2, X), (3, B))) == []


def test_pieces_are_masked_by_themselves_where_words_are_not_promised(said: Any) -> None:
    pieces = dataclasses.replace(OPTIONS, whole_word_mask=False)
    assert said(pieces, **masked_as((7, Y))) == [
        "1 of 2 masks, but a word that would fit is not masked"
    ]
    assert said(pieces, **masked_as((3, B), (7, Y))) == []


ACROSS = {"input_ids": [CLS, A, X, MASK, SEP, MASK, D, Y, SEP]}
ONE_SIDE = {"input_ids": [CLS, A, X, MASK, SEP, X, MASK, B, SEP]}


def test_a_cut_word_belongs_to_the_last_one_before_it(said_of_full: Any) -> None:
    # Reference quirk: [CLS] a ##x b [SEP] ##x d ##y [SEP] has the word b ##x across the [SEP].
    keep = dataclasses.replace(OPTIONS, max_seq_length=9)
    fix = dataclasses.replace(keep, quirks="fix")
    pieces = dataclasses.replace(keep, whole_word_mask=False)
    both = {"masked_lm_positions": [3, 5, 0], "masked_lm_ids": [B, X, 0]} | ACROSS
    for options in (keep, fix, pieces, None):
        assert said_of_full(options, **both) == []
    one = {"masked_lm_positions": [3, 6, 0], "masked_lm_ids": [B, D, 0]} | ONE_SIDE
    assert said_of_full(keep, **one) == ["the word b ##x at position 3 is partly masked"]
    for options in (fix, pieces, None):
        assert said_of_full(options, **one) == []


def test_a_record_that_begins_inside_a_word_has_a_candidate_for_it(said_of_full: Any) -> None:
    keep = dataclasses.replace(OPTIONS, max_seq_length=9, masked_lm_prob=0.0)
    changes = {
        "input_ids": [CLS, X, Y, B, SEP, C, D, MASK, SEP],
        "masked_lm_positions": [7, 0, 0],
        "masked_lm_ids": [A, 0, 0],
        "masked_lm_weights": [1.0, 0.0, 0.0],
    }
    assert said_of_full(keep, **changes) == []
    changes["masked_lm_positions"], changes["masked_lm_ids"] = [2, 0, 0], [Y, 0, 0]
    changes["input_ids"] = [CLS, X, MASK, B, SEP, C, D, A, SEP]
    assert said_of_full(keep, **changes) == ["the word ##x ##y at position 1 is partly masked"]


# The rules against the algorithm.


@cache
def vocabulary(name: str) -> Vocabulary:
    """Vocabularies of several kinds."""
    if name == "tiny":
        return TINY
    if name == "without pieces":
        return Vocabulary.parse("\n".join([*SPECIAL_TOKENS, "a", "b"]).encode())
    unused = [f"[unused{i}]" for i in range(1, 100)]
    ideographs = [chr(number) for number in range(0x4E00, 0x4E00 + 20_000)]
    tokens = [
        "[PAD]",
        *unused,
        *SPECIAL_TOKENS[1:],
        *ideographs,
        "a",
        *(f"##{i}" for i in range(9)),
    ]
    return Vocabulary.parse("\n".join(tokens).encode())


def random_options(rng: Random) -> InstanceOptions:
    length = rng.choice([5, 6, 7, 8, 12, 20, 32, 128, rng.randint(5, 512)])
    return InstanceOptions(
        max_seq_length=length,
        max_predictions_per_seq=rng.randint(1, min(length, rng.choice([1, 3, 20, 512]))),
        masked_lm_prob=rng.choice([0.0, 0.15, 0.15, 0.5, 1.0, rng.random()]),
        short_seq_prob=rng.choice([0.0, 0.1, 1.0]),
        dupe_factor=1,
        random_seed=rng.randrange(1000),
        whole_word_mask=rng.random() < 0.6,
        quirks=rng.choice(["keep", "fix"]),
    )


@pytest.mark.parametrize("seed", range(24))
def test_rules_find_what_the_algorithm_cannot_write(
    seed: int, sample_vocabulary: Vocabulary, tmp_path: Path
) -> None:
    rng = Random(seed)
    names = ["tiny", "without pieces", "ideographs", "sample"]
    pieces = sample_vocabulary if names[seed % 4] == "sample" else vocabulary(names[seed % 4])
    options, release = random_options(rng), rng.choice(["v1", "v2"])
    good = made_records(pieces, options, RecordOptions(feature_names=release), num_sentences=20)
    faults = Faults(pieces, release)
    kinds = [rng.choice(list(faults.kinds)) for _ in range(120)]
    records = [*good[:20], *(faults.put(rng, rng.choice(good), kind) for kind in kinds)]
    schema = RecordSchema(options.max_seq_length, options.predictions, release)
    judges = Judges(tmp_path, pieces, schema, options)
    expected = [could_be_written(record, pieces.tokens, options, release) for record in records]
    assert all(expected[: len(good[:20])])
    assert not all(expected)
    assert [not judges.plain.faults(record) for record in records] == expected
    assert judges.compiled(records) == expected
    # Without the plan less is known, and nothing else is wrong.
    unknown = Judges(tmp_path, pieces, schema, None)
    compiled = unknown.compiled(records)
    assert compiled == [not unknown.plain.faults(record) for record in records]
    assert all(less or not all_known for less, all_known in zip(compiled, expected, strict=True))


@settings(deadline=None, max_examples=60)
@given(st.randoms(use_true_random=False), st.sampled_from(["tiny", "without pieces", "ideographs"]))
def test_no_record_that_was_made_is_accused(
    tmp_path_factory: pytest.TempPathFactory, rng: Random, name: str
) -> None:
    options = random_options(rng)
    records = made_records(vocabulary(name), options, num_sentences=rng.choice([2, 10, 100]))
    schema = RecordSchema(options.max_seq_length, options.predictions)
    folder = tmp_path_factory.mktemp("made")
    for known in (options, None):
        judges = Judges(folder, vocabulary(name), schema, known)
        assert all(judges.compiled(records))
        assert [judges.plain.faults(record) for record in records[:5]] == [[]] * len(records[:5])


def test_totals_of_legal_records(sample_vocabulary: Vocabulary, tmp_path: Path) -> None:
    options = InstanceOptions(max_seq_length=40, max_predictions_per_seq=5, dupe_factor=1)
    records = made_records(sample_vocabulary, options)
    faults = Faults(sample_vocabulary)
    wrong = [faults.put(Random(1), record, "all_masks_left_out") for record in records]
    path = tmp_path / "shard"
    path.write_bytes(frames([*records, *wrong]))
    (tmp_path / "vocab.txt").write_bytes(sample_vocabulary.data)
    promise = Promise.of({"instances": describe_instances(options)}, RecordSchema(40, 5))
    job = CheckJob(promise, tmp_path / "vocab.txt")
    reader = RecordReader(look_at(str(path)), promise.schema)
    checked = check_range(job, reader)
    assert [index for index, _, _ in checked.faults] == list(range(len(records), 2 * len(records)))
    read = list(map(as_lists, records))
    assert checked.counts == {
        "tokens": sum(sum(record["input_mask"]) for record in read),
        "masks": sum(sum(record["masked_lm_weights"]) for record in read),
        "random_next": sum(record["next_sentence_labels"][0] for record in read),
    }
