"""Partitions: their numbers, who goes where, and the blobs in which documents travel."""

from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertprep.create.partitions import (
    LARGEST_PARTITION_BYTES,
    PARTITION_BYTES,
    deal,
    join_documents,
    pack_partitions,
    plan_partitions,
    unpack_documents,
)
from bertprep.data import HashedDocuments, PartitionPlan, TokenizedDocuments
from bertprep.engines.local import read_slice, write_blob
from bertprep.errors import UsageError
from bertprep.options import TokenizerOptions
from bertprep.tokenization import FastTokenizer
from bertprep.vocab import Vocabulary

MB = 1 << 20

# Numbers.


@pytest.mark.parametrize(
    ("text_bytes", "given", "expected"),
    [
        # Nothing asked for: a shard a partition, by the size.
        (0, {}, (1, 1, 0)),
        (8 * MB, {}, (1, 1, 0)),
        (80 * MB, {}, (10, 1, 0)),
        (83 * MB, {}, (10, 1, 0)),
        (85 * MB, {}, (11, 1, 0)),
        # Partitions asked for: taken as they are, whatever their size.
        (80 * MB, {"num_partitions": 3}, (3, 1, 0)),
        (80 * MB, {"num_partitions": 1, "num_shards": 16}, (1, 16, 0)),
        (80 * MB, {"num_partitions": 4, "num_shards": 12}, (4, 3, 0)),
        # Shards asked for: the smallest divisor that keeps a partition within 32 MB.
        (1 * MB, {"num_shards": 6}, (1, 6, 0)),
        (32 * MB, {"num_shards": 6}, (1, 6, 0)),
        (32 * MB + 1, {"num_shards": 6}, (2, 3, 0)),
        (65 * MB, {"num_shards": 6}, (3, 2, 0)),
        (100 * MB, {"num_shards": 6}, (6, 1, 0)),
        (100 * MB, {"num_shards": 7}, (7, 1, 0)),
        (192 * MB, {"num_shards": 6}, (6, 1, 0)),
        # Held-out documents: partitions of their own, of a shard each, next to fewer of the rest.
        (80 * MB, {"eval_fraction": 0.1}, (9, 1, 1)),
        (80 * MB, {"eval_fraction": 0.5}, (5, 1, 5)),
        (8 * MB, {"eval_fraction": 0.001}, (1, 1, 1)),
        (80 * MB, {"eval_fraction": 0.1, "num_partitions": 2, "num_shards": 4}, (2, 2, 1)),
    ],
)
def test_numbers_follow_from_the_size_and_what_is_asked_for(
    text_bytes: int, given: dict[str, float], expected: tuple[int, int, int]
) -> None:
    plan = plan_partitions(text_bytes, **given)
    assert (plan.num_partitions, plan.shards_per_partition, plan.num_eval_partitions) == expected
    assert plan.eval_fraction == given.get("eval_fraction", 0.0)
    assert plan.num_shards == expected[0] * expected[1] == given.get("num_shards", plan.num_shards)
    assert plan.num_all_partitions == expected[0] + expected[2]


@pytest.mark.parametrize(
    ("num_shards", "num_partitions", "nearest"),
    [(10, 4, "8 or 12"), (3, 4, "4"), (7, 2, "6 or 8"), (5, 3, "3 or 6")],
)
def test_shards_that_do_not_divide_are_an_error_with_the_nearest_that_do(
    num_shards: int, num_partitions: int, nearest: str
) -> None:
    with pytest.raises(UsageError) as caught:
        plan_partitions(1, num_shards=num_shards, num_partitions=num_partitions)
    assert str(caught.value) == (
        f"{num_shards} shards cannot be divided evenly among {num_partitions} partitions: "
        f"pass --num-shards {nearest}"
    )
    for number in nearest.split(" or "):  # what the message says is right
        plan_partitions(1, num_shards=int(number), num_partitions=num_partitions)


@pytest.mark.parametrize(("text_bytes", "least"), [(193 * MB, 7), (10_000 * MB, 313)])
def test_too_few_shards_are_an_error_with_the_least(text_bytes: int, least: int) -> None:
    with pytest.raises(UsageError, match=f"6 shards are too few .* Pass --num-shards {least} or"):
        plan_partitions(text_bytes, num_shards=6)
    plan_partitions(text_bytes, num_shards=least)
    plan_partitions(text_bytes, num_partitions=6)


@settings(deadline=None)
@given(
    st.integers(0, 2**41),
    st.integers(1, 5000),
    st.sampled_from([0.0, 0.001, 0.25, 0.9]),
)
def test_partitions_for_shards_are_the_fewest_within_bounds(
    text_bytes: int, num_shards: int, eval_fraction: float
) -> None:
    kept = text_bytes * (1 - eval_fraction)
    divisors = [p for p in range(1, num_shards + 1) if num_shards % p == 0]
    within = [p for p in divisors if kept <= p * LARGEST_PARTITION_BYTES]
    if within:
        plan = plan_partitions(text_bytes, num_shards=num_shards, eval_fraction=eval_fraction)
        assert plan.num_partitions == within[0]
        assert plan.num_shards == num_shards
    else:
        with pytest.raises(UsageError, match="too few"):
            plan_partitions(text_bytes, num_shards=num_shards, eval_fraction=eval_fraction)


@pytest.mark.parametrize("number", [5001, 326_263, 2_000_000_000, 10**20])
@pytest.mark.parametrize("name", ["num_shards", "num_partitions"])
def test_more_parts_than_the_text_has_use_for_are_refused(name: str, number: int) -> None:
    flag = f"--{name.replace('_', '-')}"
    with pytest.raises(UsageError, match=rf"are too many for 12.3 KB .* pass {flag} 5000 or fewer"):
        plan_partitions(12_345, **{name: number})
    assert plan_partitions(10**9, **{name: 50_000}).num_shards >= 50_000


@settings(deadline=None)
@given(st.integers(0, 2**43))
def test_partitions_are_of_about_the_size_that_is_aimed_at(text_bytes: int) -> None:
    plan = plan_partitions(text_bytes)
    assert text_bytes <= 1.5 * PARTITION_BYTES * plan.num_partitions
    assert plan.num_partitions == 1 or 2 * text_bytes >= PARTITION_BYTES * plan.num_partitions


# Dealing.

HASHES = np.array([0, 1, 2, 3, 2**32, 2**63, 2**64 - 1, 0x0123456789ABCDEF], np.uint64)


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (PartitionPlan(1, 1, 0, 0.0), [0, 0, 0, 0, 0, 0, 0, 0]),
        (PartitionPlan(2, 1, 0, 0.0), [1, 0, 0, 1, 0, 1, 1, 0]),
        (PartitionPlan(7, 3, 0, 0.0), [4, 2, 1, 3, 2, 6, 5, 1]),
        (PartitionPlan(1000, 1, 0, 0.0), [708, 314, 210, 505, 290, 975, 846, 256]),
        (PartitionPlan(7, 1, 3, 0.5), [7, 2, 8, 3, 9, 6, 5, 8]),
    ],
)
def test_dealing_is_stable(plan: PartitionPlan, expected: list[int]) -> None:
    # WARNING: other numbers here are other data sets for everyone: no run could be resumed, made
    # again, or compared with one of before. Do not change them without a new plan format.
    assert deal(HASHES, plan).tolist() == expected


def test_hashes_of_documents_are_stable(sample_vocabulary: Vocabulary) -> None:
    # WARNING: as above.
    text = "One line.\nAnother one.\n\n  The next document. \n\n中\n".encode()
    tokenizer = FastTokenizer(sample_vocabulary, TokenizerOptions(), seed=12345)
    hashes = tokenizer.tokenize_text(text).hashes.tolist()
    assert hashes == [0x26FEE27D756D3B4B, 0xAAFBB2BF16061B3D, 0xA2C9F9149AEDA76A]


def mixed(value: int) -> int:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014), in integers without end."""
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB % 2**64
    return value ^ (value >> 31)


def dealt(value: int, plan: PartitionPlan) -> int:
    """`deal` of one document, told slowly."""
    drawn = mixed(value ^ 0xA0761D6478BD642F)
    if plan.num_eval_partitions and Fraction(drawn >> 11, 2**53) < Fraction(plan.eval_fraction):
        return plan.num_partitions + ((mixed(drawn) >> 32) * plan.num_eval_partitions >> 32)
    return (mixed(value ^ 0xD6E8FEB86659FD93) >> 32) * plan.num_partitions >> 32


plans = st.builds(
    PartitionPlan,
    st.integers(1, 10_000),
    st.integers(1, 3),
    st.integers(0, 50),
    st.floats(0, 1, exclude_max=True),
)


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), max_size=50), plans)
def test_dealing_equals_the_twin(hashes: list[int], plan: PartitionPlan) -> None:
    chosen = deal(np.array(hashes, np.uint64), plan)
    assert chosen.dtype == np.int64
    assert chosen.tolist() == [dealt(value, plan) for value in hashes]


def chi_squared(counts: np.ndarray) -> float:
    expected = counts.sum() / counts.size
    return float(((counts - expected) ** 2 / expected).sum())


@pytest.mark.parametrize("num_partitions", [2, 7, 64, 1000])
@pytest.mark.parametrize("step", [1, 1 << 32, 0x9E3779B97F4A7C15])
def test_dealing_is_uniform_even_for_hashes_in_a_row(num_partitions: int, step: int) -> None:
    with np.errstate(over="ignore"):
        hashes = np.arange(200_000, dtype=np.uint64) * np.uint64(step)
    counts = np.bincount(deal(hashes, PartitionPlan(num_partitions, 1, 0, 0.0)))
    # Six standard deviations of the distribution over its mean.
    freedom = num_partitions - 1
    assert counts.size == num_partitions
    assert chi_squared(counts) < freedom + 6 * (2 * freedom) ** 0.5


@pytest.mark.parametrize("fraction", [0.001, 0.1, 0.5, 0.99])
def test_the_share_held_out_is_the_one_asked_for(fraction: float) -> None:
    size = 200_000
    hashes = np.random.default_rng(1).integers(0, 2**64, size, np.uint64)
    plan = PartitionPlan(8, 1, 4, fraction)
    chosen = deal(hashes, plan)
    held_out = chosen >= 8
    assert abs(held_out.sum() - fraction * size) < 6 * (fraction * (1 - fraction) * size) ** 0.5
    # Each half is dealt evenly, and who is not held out stays where it was.
    for part, parts in ((chosen[~held_out], 8), (chosen[held_out] - 8, 4)):
        counts = np.bincount(part, minlength=parts)
        assert chi_squared(counts) < parts - 1 + 6 * (2 * (parts - 1)) ** 0.5
    without = deal(hashes, PartitionPlan(8, 1, 0, 0.0))
    assert (chosen[~held_out] == without[~held_out]).all()


# The exchange.

Nested = list[list[list[int]]]  # documents are sentences, sentences are tokens
sentences = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=6)
corpora = st.lists(st.lists(sentences, min_size=1, max_size=5), max_size=30)
small_plans = st.builds(
    PartitionPlan, st.integers(1, 9), st.just(1), st.integers(0, 3), st.just(0.3)
)


def hashed(corpus: Nested) -> HashedDocuments:
    flat = [sentence for document in corpus for sentence in document]
    documents = TokenizedDocuments(
        np.array([token for sentence in flat for token in sentence], np.uint32),
        np.array([0, *accumulate(map(len, flat))], np.int64),
        np.array([0, *accumulate(map(len, corpus))], np.int64),
    )
    hashes = np.array([mixed(crc32(str(document).encode())) for document in corpus], np.uint64)
    return HashedDocuments(documents, hashes)


def nested(documents: TokenizedDocuments) -> Nested:
    tokens = documents.tokens.tolist()
    at, borders = documents.sentence_offsets.tolist(), documents.document_offsets.tolist()
    return [
        [tokens[at[s] : at[s + 1]] for s in range(borders[d], borders[d + 1])]
        for d in range(documents.num_documents)
    ]


@settings(deadline=None)
@given(corpora, small_plans)
def test_unpacking_gives_each_partition_its_documents_in_order(
    corpus: Nested, plan: PartitionPlan
) -> None:
    given = hashed(corpus)
    packed = pack_partitions(given, plan)
    assert len(packed) == plan.num_all_partitions
    chosen = deal(given.hashes, plan).tolist()
    for partition, part in enumerate(packed):
        assert part.dtype == np.uint32
        documents = unpack_documents([part])
        expected = [d for d, p in zip(corpus, chosen, strict=True) if p == partition]
        assert nested(documents) == expected
        assert documents.tokens.dtype == np.uint32
        assert documents.sentence_offsets.dtype == documents.document_offsets.dtype == np.int64


@settings(deadline=None)
@given(corpora, small_plans, st.lists(st.integers(0, 30), max_size=4))
def test_partitions_do_not_depend_on_the_borders_of_blocks(
    corpus: Nested, plan: PartitionPlan, cuts: list[int]
) -> None:
    whole = pack_partitions(hashed(corpus), plan)
    borders = [0, *sorted(min(cut, len(corpus)) for cut in cuts), len(corpus)]
    blocks = [hashed(corpus[a:b]) for a, b in pairwise(borders)]
    each = [pack_partitions(block, plan) for block in blocks]
    joined = pack_partitions(join_documents(blocks), plan)
    for partition in range(plan.num_all_partitions):
        expected = nested(unpack_documents([whole[partition]]))
        assert nested(unpack_documents([block[partition] for block in each])) == expected
        assert joined[partition].tolist() == whole[partition].tolist()


@settings(deadline=None)
@given(st.lists(corpora, min_size=1, max_size=4))
def test_joined_documents_follow_each_other(blocks: list[Nested]) -> None:
    parts = [hashed(block) for block in blocks]
    joined = join_documents(parts)
    assert nested(joined.documents) == [document for block in blocks for document in block]
    assert joined.hashes.tolist() == [h for part in parts for h in part.hashes.tolist()]
    assert joined.hashes.dtype == np.uint64
    assert joined.documents.tokens.dtype == np.uint32


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2**32 - 1), max_size=9), min_size=1, max_size=20))
def test_blobs_give_back_their_slices(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[int]]
) -> None:
    path = tmp_path_factory.mktemp("blob") / "tokens.blob"
    write_blob(path, [np.array(part, np.uint32) for part in parts])
    for number, part in enumerate(parts):
        read = read_slice(path, number, len(parts))
        assert read.dtype == np.uint32
        assert read.tolist() == part
    assert list(path.parent.iterdir()) == [path]


@settings(max_examples=30, deadline=None)
@given(corpora, small_plans)
def test_documents_survive_the_exchange(
    tmp_path_factory: pytest.TempPathFactory, corpus: Nested, plan: PartitionPlan
) -> None:
    folder = tmp_path_factory.mktemp("exchange")
    half = len(corpus) // 2
    paths = [folder / "a.blob", folder / "b.blob"]
    for path, part in zip(paths, (corpus[:half], corpus[half:]), strict=True):
        write_blob(path, pack_partitions(hashed(part), plan))
    size = plan.num_all_partitions
    back: Nested = []
    for partition in range(size):
        slices = [read_slice(path, partition, size) for path in paths]
        back += nested(unpack_documents(slices))
    chosen = deal(hashed(corpus).hashes, plan)
    assert back == [corpus[i] for i in np.argsort(chosen, kind="stable")]


def test_an_empty_partition_has_no_documents() -> None:
    packed = pack_partitions(hashed([]), PartitionPlan(3, 1, 0, 0.0))
    assert [part.tolist() for part in packed] == [[0, 0, 0]] * 3
    for documents in (unpack_documents(packed), unpack_documents([])):
        counts = documents.num_documents, documents.num_sentences, documents.num_tokens
        assert counts == (0, 0, 0)
        assert documents.tokens.dtype == np.uint32
        assert documents.sentence_offsets.tolist() == documents.document_offsets.tolist() == [0]


def test_more_partitions_than_documents_leave_some_empty() -> None:
    corpus = [[[1, 2], [3]], [[4]]]
    packed = pack_partitions(hashed(corpus), PartitionPlan(100, 1, 0, 0.0))
    sizes = [unpack_documents([part]).num_documents for part in packed]
    assert sum(sizes) == 2
    assert sizes.count(0) >= 98


def test_a_blob_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken.blob").mkdir()  # a folder cannot be replaced by a file
    with pytest.raises(OSError, match=r"taken\.blob"):
        write_blob(tmp_path / "taken.blob", [np.arange(3, dtype=np.uint32)])
    assert list(tmp_path.iterdir()) == [tmp_path / "taken.blob"]
