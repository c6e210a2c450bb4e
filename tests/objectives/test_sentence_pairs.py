"""Instances: small exact ones, equality with the plain-Python twin, properties; options."""

import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from itertools import accumulate, chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from twin import twin_options

from bertprep.data import CONTINUES_WORD, TokenizedDocuments
from bertprep.errors import BertprepError, UsageError
from bertprep.kernels.mt19937 import seeded, shuffle_order
from bertprep.objectives import create_training_instances
from bertprep.objectives.sentence_pairs import (
    TrainingInstance,
    _numerator,
    create_masked_lm_predictions,
)
from bertprep.options import (
    LONGEST_SEQUENCE,
    CorpusOptions,
    CreateOptions,
    InstanceOptions,
    RecordOptions,
    TokenizerOptions,
)
from bertprep.vocab import SPECIAL_TOKENS, Vocabulary

Document = list[list[str]]
Corpus = list[Document]


def make_vocabulary(words: int, pieces: int) -> Vocabulary:
    """Specials among the words, as nothing says that they come first; `[unusedx]` is a word."""
    ordinary = [f"w{i}" for i in range(words)] + [f"##p{i}" for i in range(pieces)]
    tokens = ["[PAD]", "[unused0]", *ordinary[:3], *SPECIAL_TOKENS[1:], "[unusedx]", *ordinary[3:]]
    return Vocabulary.parse("\n".join([*tokens, "[unused99]"]).encode())


@cache
def vocabulary() -> Vocabulary:
    return make_vocabulary(20, 10)


def tokens_of(sentence: list[str], vocabulary: Vocabulary) -> list[int]:
    top = int(CONTINUES_WORD)
    return [vocabulary.ids[t] | (top if t.startswith("##") else 0) for t in sentence]


def tokenized(corpus: Corpus, vocabulary: Vocabulary) -> TokenizedDocuments:
    sentences = list(chain(*corpus))
    return TokenizedDocuments(
        np.array([t for s in sentences for t in tokens_of(s, vocabulary)], np.uint32),
        np.array([0, *accumulate(len(s) for s in sentences)], np.int64),
        np.array([0, *accumulate(len(d) for d in corpus)], np.int64),
    )


def in_ids(instance: reference.TrainingInstance, vocabulary: Vocabulary) -> TrainingInstance:
    return TrainingInstance(
        token_ids=[vocabulary.ids[token] for token in instance.tokens],
        segment_ids=instance.segment_ids,
        masked_lm_positions=instance.masked_lm_positions,
        masked_lm_ids=[vocabulary.ids[label] for label in instance.masked_lm_labels],
        is_random_next=instance.is_random_next,
    )


def from_twin(
    corpus: Corpus, vocabulary: Vocabulary, options: InstanceOptions
) -> list[TrainingInstance]:
    instances = reference.create_training_instances(
        corpus,
        list(vocabulary.ids),
        random.Random(options.random_seed),
        **twin_options(options),
    )
    return [in_ids(instance, vocabulary) for instance in instances]


# Corpora by their shape, filled at random: few decisions for hypothesis, so that it shrinks well.


def random_sentence(rng: random.Random, size: int, continued: float) -> list[str]:
    """Words of several pieces; now and then one begins the sentence, as only odd input can."""
    return [
        f"##p{rng.randrange(10)}" if rng.random() < continued else f"w{rng.randrange(20)}"
        for _ in range(size)
    ]


def random_corpus(shape: list[list[int]], seed: int, continued: float) -> Corpus:
    rng = random.Random(seed)
    return [[random_sentence(rng, size, continued) for size in document] for document in shape]


lengths = st.one_of(st.integers(1, 4), st.integers(1, 40), st.integers(100, 700))
documents = st.one_of(
    st.lists(lengths, min_size=1, max_size=8),
    st.lists(st.integers(1, 3), min_size=1, max_size=60),
    st.lists(lengths, min_size=1, max_size=1),
)
corpora = st.builds(
    random_corpus,
    st.lists(documents, min_size=1, max_size=6),
    st.integers(0, 2**32),
    st.sampled_from([0.0, 0.3, 0.9]),
)
shares = st.one_of(st.sampled_from([0.0, 0.15, 1.0]), st.floats(0, 1))


@st.composite
def instance_options(draw: Callable[[st.SearchStrategy[Any]], Any]) -> InstanceOptions:
    length = draw(st.one_of(st.integers(5, 20), st.integers(5, 300)))
    return InstanceOptions(
        max_seq_length=length,
        max_predictions_per_seq=draw(st.one_of(st.none(), st.integers(1, length))),
        masked_lm_prob=draw(shares),
        dupe_factor=draw(st.integers(1, 3)),
        short_seq_prob=draw(st.sampled_from([0.0, 0.1, 1.0])),
        random_seed=draw(st.one_of(st.integers(0, 100), st.integers(0, 2**70))),
        whole_word_mask=draw(st.booleans()),
        quirks=draw(st.sampled_from(["keep", "fix"])),
    )


@settings(max_examples=500, deadline=None)
@given(corpora, instance_options())
def test_instances_equal_the_twin(corpus: Corpus, options: InstanceOptions) -> None:
    if options.quirks == "fix" and len(corpus) == 1:
        corpus = corpus * 2
    made = create_training_instances(tokenized(corpus, vocabulary()), vocabulary(), options)
    expected = from_twin(corpus, vocabulary(), options)
    assert list(made) == expected
    assert made.num_random_next == sum(instance.is_random_next for instance in expected)
    assert len(made.masks) == sum(len(instance.masked_lm_ids) for instance in expected)


def test_instances_of_more_documents_than_a_generator_buffer_equal_the_twin() -> None:
    corpus = random_corpus([[3, 9, 2]] * 3000, seed=4, continued=0.3)
    options = InstanceOptions(max_seq_length=32, dupe_factor=1, random_seed=2**40)
    made = create_training_instances(tokenized(corpus, vocabulary()), vocabulary(), options)
    assert list(made) == from_twin(corpus, vocabulary(), options)


@pytest.mark.parametrize("seed", range(10))
def test_arrays_that_were_estimated_too_small_grow(seed: int) -> None:
    # Sentences of one token that make instances of two or three, where 0.6 x 5 are expected: with
    # the long document last or in between, what is there already is moved.
    corpus = random_corpus([[1] * 10, [1] * 400, [1] * 30, [1] * 200], seed, continued=0.2)
    options = InstanceOptions(max_seq_length=5, dupe_factor=3, random_seed=seed)
    made = create_training_instances(tokenized(corpus, vocabulary()), vocabulary(), options)
    estimate = options.dupe_factor * (640 // 3 + len(corpus))
    assert len(made) > estimate
    assert list(made) == from_twin(corpus, vocabulary(), options)


def test_a_piece_that_stands_twice_is_replaced_by_its_last_id() -> None:
    text = "\n".join([*SPECIAL_TOKENS, "w0", "w1", "w0", "w2", "w1"])
    doubled = Vocabulary.parse(text.encode(), lenient=True)
    assert doubled.replacement_ids(ordinary_only=True).tolist() == [7, 9, 8]
    corpus = [[["w0", "w1"], ["w2"]]] * 10
    options = InstanceOptions(max_seq_length=9, masked_lm_prob=1.0, dupe_factor=20)
    made = create_training_instances(tokenized(corpus, doubled), doubled, options)
    assert list(made) == from_twin(corpus, doubled, options)


def test_seed_takes_the_place_of_random_seed() -> None:
    tokens = tokenized(random_corpus([[5, 6, 7]] * 4, 1, 0.3), vocabulary())
    made = [
        create_training_instances(tokens, vocabulary(), InstanceOptions(random_seed=9)),
        create_training_instances(tokens, vocabulary(), InstanceOptions(random_seed=5), seed=9),
        create_training_instances(tokens, vocabulary(), InstanceOptions(random_seed=9), seed=0),
    ]
    assert list(made[0]) == list(made[1]) != list(made[2])


def test_no_documents_make_no_instances() -> None:
    made = create_training_instances(tokenized([], vocabulary()), vocabulary(), InstanceOptions())
    assert len(made) == 0
    assert list(made) == made[:] == []


def test_one_document_draws_from_itself_with_quirks_kept() -> None:
    corpus = [[["w1"], ["w2"]]]
    options = InstanceOptions(max_seq_length=8, dupe_factor=50, quirks="keep")
    made = create_training_instances(tokenized(corpus, vocabulary()), vocabulary(), options)
    assert 0 < made.num_random_next < len(made)
    assert list(made) == from_twin(corpus, vocabulary(), options)


def test_one_document_is_an_error_with_quirks_fixed() -> None:
    tokens = tokenized([[["w1"], ["w2"]]], vocabulary())
    with pytest.raises(BertprepError, match="single one: use fewer partitions or shards, or --qu"):
        create_training_instances(tokens, vocabulary(), InstanceOptions(quirks="fix"))


def test_a_vocabulary_without_ordinary_pieces_is_an_error_with_quirks_fixed() -> None:
    special = Vocabulary.parse("\n".join([*SPECIAL_TOKENS, "[unused0]"]).encode())
    corpus = [[["[UNK]"] * 9, ["[UNK]"] * 9], [["[UNK]"] * 9]]
    with pytest.raises(UsageError, match="tokens only: pass another --vocab"):
        create_training_instances(
            tokenized(corpus, special), special, InstanceOptions(quirks="fix")
        )
    assert create_training_instances(tokenized(corpus, special), special, InstanceOptions())


@pytest.mark.parametrize("corpus", [[[["w1"]], []], [[["w1"], []], [["w2"]]]])
def test_an_empty_document_or_sentence_is_an_error(corpus: Corpus) -> None:
    with pytest.raises(BertprepError, match="each document needs a sentence, and each sentence"):
        create_training_instances(tokenized(corpus, vocabulary()), vocabulary(), InstanceOptions())


def test_more_tokens_than_can_be_numbered_are_an_error() -> None:
    # One token in memory, seen 2**31 times. Without the check, places wrap around to -2**31.
    tokens = np.broadcast_to(np.uint32(7), (2**31,))
    documents = TokenizedDocuments(tokens, np.array([0, 1, 2**31]), np.array([0, 1, 2]))
    with pytest.raises(BertprepError, match="has 2,147,483,648: use more partitions"):
        create_training_instances(documents, vocabulary(), InstanceOptions())


@pytest.mark.parametrize(
    ("lengths", "cut"), [([10, 10], 10), ([8, 8], 6), ([5, 5], 0), ([3, 4], 0)]
)
def test_tokens_cut_away_are_counted(lengths: list[int], cut: int) -> None:
    # Ten tokens fit. Every A is one of the two documents, and its B is the other.
    corpus = random_corpus([[length] for length in lengths], 1, 0.0)
    options = InstanceOptions(max_seq_length=13, dupe_factor=7, short_seq_prob=0.0, quirks="fix")
    made = create_training_instances(tokenized(corpus, vocabulary()), vocabulary(), options)
    assert made.num_truncated == 2 * 7 * cut
    assert made.num_random_next == len(made) == 2 * 7


@given(st.one_of(st.sampled_from([0.0, 0.1, 0.5, 0.8, 1.0, 5e-324, 2.0**-53]), st.floats(0, 1)))
def test_a_numerator_is_the_least_that_random_may_not_reach(probability: float) -> None:
    numerator = _numerator(probability)
    assert Fraction(numerator, 2**53) >= Fraction(probability)
    assert numerator == 0 or Fraction(numerator - 1, 2**53) < Fraction(probability)


def test_the_view_is_a_sequence() -> None:
    tokens = tokenized(random_corpus([[5, 6, 7]] * 4, 1, 0.3), vocabulary())
    made = create_training_instances(tokens, vocabulary(), InstanceOptions())
    listed = list(made)
    assert [made[i] for i in range(len(made))] == listed
    assert made[-1] == listed[-1]
    assert made[1:7:2] == listed[1:7:2]
    assert made[::-1] == listed[::-1]
    assert list(reversed(made)) == listed[::-1]
    with pytest.raises(IndexError):
        made[len(made)]


# Properties. Each token of the corpus is another one, so that an instance tells where it is from.

PROPERTY_OPTIONS = [
    InstanceOptions(max_seq_length=128, quirks="keep"),
    InstanceOptions(max_seq_length=128, quirks="fix"),
    InstanceOptions(max_seq_length=16, dupe_factor=4, masked_lm_prob=0.5, quirks="keep"),
    InstanceOptions(max_seq_length=16, dupe_factor=4, masked_lm_prob=0.5, quirks="fix"),
    InstanceOptions(max_seq_length=5, dupe_factor=2, masked_lm_prob=1.0),
    InstanceOptions(max_seq_length=64, short_seq_prob=1.0, whole_word_mask=False, quirks="fix"),
    InstanceOptions(max_seq_length=300, short_seq_prob=0.5, max_predictions_per_seq=3),
]


class Made:
    """Documents without a token twice, and their instances."""

    def __init__(self, options: InstanceOptions) -> None:
        rng = random.Random(6)
        self.vocabulary = make_vocabulary(8000, 8000)
        self.options = options
        self.corpus: Corpus = []
        used = 0
        for _ in range(25):
            document = []
            for size in rng.choices([1, 2, 3, 8, 20, 21, 60, 200], k=rng.randint(1, 7)):
                kinds = ["w", *("##p" if rng.random() < 0.4 else "w" for _ in range(size - 1))]
                document.append([f"{kind}{used + i}" for i, kind in enumerate(kinds)])
                used += size
            self.corpus.append(document)
        tokens = tokenized(self.corpus, self.vocabulary)
        self.instances = list(create_training_instances(tokens, self.vocabulary, options))
        self.place = {id: place for place, id in enumerate(tokens.token_ids.tolist())}
        self.continues = tokens.continues_word.tolist()
        self.sentence_borders = set(tokens.sentence_offsets.tolist())
        ends = tokens.sentence_offsets[tokens.document_offsets].tolist()
        self.document = [d for d, (a, b) in enumerate(pairwise(ends)) for _ in range(a, b)]

    def pairs(self) -> Iterator[tuple[TrainingInstance, list[int], list[int]]]:
        """Each instance with the places in the corpus of what A and B were before masking."""
        for instance in self.instances:
            ids = restored(instance)
            middle = instance.segment_ids.index(1)
            a = [self.place[id] for id in ids[1 : middle - 1]]
            b = [self.place[id] for id in ids[middle:-1]]
            yield instance, a, b


def restored(instance: TrainingInstance) -> list[int]:
    """The ids before masking."""
    ids = list(instance.token_ids)
    for position, label in zip(instance.masked_lm_positions, instance.masked_lm_ids, strict=True):
        ids[position] = label
    return ids


def is_range(places: list[int]) -> bool:
    return places == list(range(places[0], places[-1] + 1))


@pytest.fixture(scope="module", params=range(len(PROPERTY_OPTIONS)))
def made(request: pytest.FixtureRequest) -> Made:
    return Made(PROPERTY_OPTIONS[request.param])


def test_specials_stand_at_the_borders_and_are_never_masked(made: Made) -> None:
    vocabulary = made.vocabulary
    for instance in made.instances:
        size, middle = len(instance.token_ids), instance.segment_ids.index(1)
        borders = {0: vocabulary.cls_id, middle - 1: vocabulary.sep_id, size - 1: vocabulary.sep_id}
        assert {p: instance.token_ids[p] for p in borders} == borders
        assert borders.keys().isdisjoint(instance.masked_lm_positions)
        assert instance.segment_ids == [0] * middle + [1] * (size - middle)
        assert size <= made.options.max_seq_length


def test_restored_labels_give_slices_of_documents(made: Made) -> None:
    for _, a, b in made.pairs():
        assert is_range(a)
        assert is_range(b)
        assert made.document[a[0]] == made.document[a[-1]]
        assert made.document[b[0]] == made.document[b[-1]]


def test_pairs_that_fit_are_whole_sentences(made: Made) -> None:
    for instance, a, b in made.pairs():
        if len(instance.token_ids) < made.options.max_seq_length:
            assert {a[0], a[-1] + 1, b[0], b[-1] + 1} <= made.sentence_borders


def test_a_true_next_sentence_follows(made: Made) -> None:
    followers = 0
    for instance, a, b in made.pairs():
        if not instance.is_random_next:
            followers += 1
            assert made.document[a[0]] == made.document[b[0]]
            assert a[-1] < b[0]
            if len(instance.token_ids) < made.options.max_seq_length:
                assert a[-1] + 1 == b[0]
    assert followers


def test_a_random_next_sentence_is_of_another_document_with_quirks_fixed(made: Made) -> None:
    others = [
        made.document[a[0]] != made.document[b[0]]
        for instance, a, b in made.pairs()
        if instance.is_random_next
    ]
    assert sum(others) > 0.9 * len(others) > 0
    if made.options.quirks == "fix":
        assert all(others)


def test_masked_positions_are_sorted(made: Made) -> None:
    for instance in made.instances:
        assert all(p < q for p, q in pairwise(instance.masked_lm_positions))


def test_masks_are_at_most_the_number_to_predict(made: Made) -> None:
    as_many = 0
    for instance in made.instances:
        size, num_masks = len(instance.token_ids), len(instance.masked_lm_positions)
        most = made.options.num_to_predict(size)
        assert num_masks <= most <= made.options.predictions
        as_many += num_masks == min(most, size - 3)
    assert as_many


def test_a_word_is_masked_whole_or_not_at_all(made: Made) -> None:
    joined = parted = 0
    for instance, a, b in made.pairs():
        masked = set(instance.masked_lm_positions)
        middle = len(a) + 2
        words: list[list[int]] = []
        for segment, first in ((a, 1), (b, middle)):
            for offset, place in enumerate(segment):
                if offset and made.continues[place]:
                    words[-1].append(first + offset)
                else:
                    words.append([first + offset])
        if made.continues[b[0]]:
            joined += 1
            if made.options.quirks == "keep":
                # Reference quirk: what B was cut in the middle of is one with the last word of A.
                index = next(i for i, word in enumerate(words) if word[0] == middle)
                words[index - 1] += words.pop(index)
        assert masked <= set(chain(*words))
        whole = [len(masked.intersection(word)) in (0, len(word)) for word in words]
        parted += not all(whole)
        if made.options.whole_word_mask:
            assert all(whole)
    assert joined, "no B begins with the rest of a word: the corpus tests nothing"
    assert bool(parted) != made.options.whole_word_mask


def test_replacements_are_ordinary_with_quirks_fixed(made: Made) -> None:
    mask_id = made.vocabulary.mask_id
    ordinary = set(made.vocabulary.replacement_ids(ordinary_only=True).tolist())
    for instance in made.instances:
        ids, labels = instance.token_ids, instance.masked_lm_ids
        for position, label in zip(instance.masked_lm_positions, labels, strict=True):
            if made.options.quirks == "fix":
                assert ids[position] == mask_id or ids[position] in ordinary
            assert label in ordinary  # what the text was


def test_replacements_may_be_special_with_quirks_kept() -> None:
    small = Vocabulary.parse("\n".join([*SPECIAL_TOKENS, "[unused7]", "w0", "w1"]).encode())
    corpus = [[["w0", "w1"], ["w0"]]] * 20
    seen = {}
    for quirks in ("keep", "fix"):
        options = InstanceOptions(
            max_seq_length=9, masked_lm_prob=1.0, dupe_factor=20, quirks=quirks
        )
        made = create_training_instances(tokenized(corpus, small), small, options)
        seen[quirks] = {i.token_ids[p] for i in made for p in i.masked_lm_positions}
    assert seen == {"keep": set(range(8)), "fix": {small.mask_id, 6, 7}}


# One pair at a time.


def as_tokens(words: list[str]) -> np.ndarray:
    return np.array(tokens_of(words, vocabulary()), np.uint32)


def mask_pair(a: list[str], b: list[str], options: InstanceOptions, seed: int) -> TrainingInstance:
    rng = seeded(seed)
    return create_masked_lm_predictions(as_tokens(a), as_tokens(b), vocabulary(), options, rng)


def test_every_token_is_masked_with_a_probability_of_one() -> None:
    options = InstanceOptions(max_seq_length=9, masked_lm_prob=1.0, whole_word_mask=False)
    instance = mask_pair(["w1", "##p2"], ["w3", "w4", "##p5", "w6"], options, seed=3)
    expected = [vocabulary().ids[t] for t in ("w1", "##p2", "w3", "w4", "##p5", "w6")]
    assert instance.masked_lm_positions == [1, 2, 4, 5, 6, 7]
    assert instance.masked_lm_ids == expected
    assert instance.segment_ids == [0, 0, 0, 0, 1, 1, 1, 1, 1]


def test_one_token_is_masked_with_a_probability_of_zero() -> None:
    options = InstanceOptions(max_seq_length=64, masked_lm_prob=0.0)
    for seed in range(50):
        instance = mask_pair(["w1"] * 30, ["w2"] * 31, options, seed)
        assert len(instance.masked_lm_positions) == 1


@pytest.mark.parametrize(("quirks", "ever_masked"), [("keep", {4}), ("fix", {1, 3, 4})])
def test_the_rest_of_a_word_at_the_start_of_b_joins_a_unless_fixed(
    quirks: str, ever_masked: set[int]
) -> None:
    # One mask: too few for `w1` and `##p2`, which are one word when they are joined across [SEP].
    options = InstanceOptions(max_seq_length=9, max_predictions_per_seq=1, quirks=quirks)
    made = [mask_pair(["w1"], ["##p2", "w3"], options, seed) for seed in range(60)]
    assert set(chain(*(instance.masked_lm_positions for instance in made))) == ever_masked


pieces = st.sampled_from([t for t in vocabulary().tokens if t[0] in "w#"])
segments = st.lists(pieces, min_size=1, max_size=120)


@settings(deadline=None)
@given(st.lists(st.tuples(segments, segments), min_size=1, max_size=4), st.data())
def test_masked_pairs_equal_the_twin_one_after_the_other(
    pairs: list[tuple[list[str], list[str]]], data: st.DataObject
) -> None:
    longest = max(len(a) + len(b) for a, b in pairs) + 3
    options = InstanceOptions(
        max_seq_length=longest + data.draw(st.integers(0, 40)),
        max_predictions_per_seq=data.draw(st.integers(1, longest)),
        masked_lm_prob=data.draw(shares),
        whole_word_mask=data.draw(st.booleans()),
        quirks=data.draw(st.sampled_from(["keep", "fix"])),
    )
    seed = data.draw(st.integers(0, 2**65))
    rng, twin_rng = seeded(seed), random.Random(seed)
    for a, b in pairs:
        made = create_masked_lm_predictions(as_tokens(a), as_tokens(b), vocabulary(), options, rng)
        whole = ["[CLS]", *a, "[SEP]", *b, "[SEP]"]
        tokens, positions, labels = reference.create_masked_lm_predictions(
            whole, list(vocabulary().ids), twin_rng, **twin_options(options)
        )
        segment_ids = [0] * (len(a) + 2) + [1] * (len(b) + 1)
        twin = reference.TrainingInstance(tokens, segment_ids, False, positions, labels)
        assert made == in_ids(twin, vocabulary())
    # Both generators stand at the same draw.
    ours, theirs = np.arange(9), list(range(9))
    shuffle_order(rng, ours)
    twin_rng.shuffle(theirs)
    assert ours.tolist() == theirs


@pytest.mark.parametrize(("a", "b"), [(0, 3), (3, 0), (4, 3), (1, 9)])
def test_a_pair_that_does_not_fit_is_an_error(a: int, b: int) -> None:
    with pytest.raises(BertprepError, match=f"at most 9 tokens .* got {a} and {b}"):
        mask_pair(["w1"] * a, ["w1"] * b, InstanceOptions(max_seq_length=9), seed=1)


# Options.


@pytest.mark.parametrize(
    ("num_tokens", "share", "most", "expected"),
    [
        (100, 0.15, 20, 15),
        (128, 0.15, 20, 19),
        (128, 0.15, 18, 18),
        (5, 0.0, 1, 1),
        (10, 0.25, 9, 2),  # 2.5: Python rounds halves to even
        (14, 0.25, 9, 4),  # 3.5
        (20, 1.0, 20, 20),
    ],
)
def test_number_of_masks(num_tokens: int, share: float, most: int, expected: int) -> None:
    options = InstanceOptions(masked_lm_prob=share, max_predictions_per_seq=most)
    assert options.num_to_predict(num_tokens) == expected


@pytest.mark.parametrize(
    ("length", "share", "expected"),
    [(128, 0.15, 20), (512, 0.15, 77), (100, 0.07, 7), (100, 0.0, 1), (100, 1.0, 100)],
)
def test_default_of_max_predictions_per_seq(length: int, share: float, expected: int) -> None:
    options = InstanceOptions(max_seq_length=length, masked_lm_prob=share)
    assert options.predictions == options.max_predictions_per_seq == expected


def create_options(**changes: Any) -> CreateOptions:
    named = {"inputs": ("a.txt",), "vocab": Path("vocab.txt"), "output": Path("out")}
    return CreateOptions(**(named | changes))


NAN = float("nan")


@pytest.mark.parametrize(
    ("kind", "name", "value", "message"),
    [
        (TokenizerOptions, "max_input_chars_per_word", 0, "must be between 1 and 10000, got 0"),
        (InstanceOptions, "max_seq_length", 4, "must be between 5 and 65536, got 4"),
        (InstanceOptions, "max_seq_length", 65537, "must be between 5 and 65536, got 65537"),
        (InstanceOptions, "masked_lm_prob", -0.01, "must be between 0 and 1, got -0.01"),
        (InstanceOptions, "masked_lm_prob", 1.01, "must be between 0 and 1, got 1.01"),
        (InstanceOptions, "masked_lm_prob", NAN, "must be between 0 and 1, got nan"),
        (InstanceOptions, "short_seq_prob", -1.0, "must be between 0 and 1, got -1.0"),
        (InstanceOptions, "short_seq_prob", 2.0, "must be between 0 and 1, got 2.0"),
        (
            InstanceOptions,
            "max_predictions_per_seq",
            0,
            "must be between 1 and max_seq_length (128), got 0",
        ),
        (
            InstanceOptions,
            "max_predictions_per_seq",
            129,
            "must be between 1 and max_seq_length (128), got 129",
        ),
        (InstanceOptions, "dupe_factor", 0, "must be between 1 and 100000, got 0"),
        (InstanceOptions, "random_seed", -1, "must be 0 or more, got -1"),
        (InstanceOptions, "quirks", "some", "must be keep or fix, got some"),
        (CorpusOptions, "encoding_errors", "ignore", "must be strict, replace or skip, got ignore"),
        (CorpusOptions, "max_line_chars", 0, "must be at least 1, got 0"),
        (CorpusOptions, "max_document_bytes", 0, "must be at least 1, got 0"),
        (RecordOptions, "compression", "zip", "must be none or gzip, got zip"),
        (RecordOptions, "feature_names", "v3", "must be v1 or v2, got v3"),
        (create_options, "num_shards", 0, "must be at least 1, got 0"),
        (create_options, "num_partitions", -3, "must be at least 1, got -3"),
        (create_options, "workers", 0, "must be at least 1, got 0"),
        (create_options, "eval_fraction", 1.0, "must be 0 or more and below 1, got 1.0"),
        (create_options, "eval_fraction", -0.1, "must be 0 or more and below 1, got -0.1"),
        (create_options, "eval_fraction", NAN, "must be 0 or more and below 1, got nan"),
    ],
)
def test_an_option_out_of_bounds_is_an_error(
    kind: Callable[..., object], name: str, value: object, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        kind(**{name: value})
    assert str(caught.value) == f"{name} {message}"


def test_no_input_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"^no input: name files, globs, folders, or - for stdin$"):
        create_options(inputs=())


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (InstanceOptions, {"max_seq_length": 5, "max_predictions_per_seq": 5}),
        (InstanceOptions, {"max_seq_length": LONGEST_SEQUENCE}),
        (InstanceOptions, {"masked_lm_prob": 0.0, "short_seq_prob": 1.0, "random_seed": 0}),
        (InstanceOptions, {"masked_lm_prob": 1.0, "short_seq_prob": 0.0, "random_seed": 2**100}),
        (create_options, {"num_shards": 1, "num_partitions": 1, "workers": 1}),
        (create_options, {"eval_fraction": 0.999}),
    ],
)
def test_the_bounds_of_options_are_allowed(
    kind: Callable[..., object], values: dict[str, Any]
) -> None:
    options = kind(**values)
    assert {name: getattr(options, name) for name in values} == values


@pytest.mark.parametrize(("lowercase", "expected"), [(True, True), (False, False)])
def test_strip_accents_follows_lowercase(lowercase: bool, expected: bool) -> None:
    assert TokenizerOptions(lowercase=lowercase).strip_accents is expected
    assert TokenizerOptions(lowercase=lowercase, strip_accents=not expected).strip_accents is (
        not expected
    )
