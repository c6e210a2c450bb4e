"""The kernels' generator draws what `random.Random` draws, word for word."""

import random
from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertprep.kernels import mt19937
from bertprep.kernels.jit import njit
from bertprep.kernels.mt19937 import BUFFER, GENERATOR_SIZE, POSITION, RANDOM_UNIT, seeded

SEEDS = [0, 1, 12345, 2**31, 2**32 - 1, 2**32, 2**32 + 7, 2**64 - 1, 2**64, 2**64 + 12345, 3**200]
#: Around every power of two that a draw can meet, and the sizes that drawing is for.
SIZES = sorted(
    {1, 2, 3, 10, 110, 21_128, 30_522, 2**31 - 1}
    | {2**k + d for k in range(1, 31) for d in (-1, 0, 1)}
)
#: Words that the buffer holds: draws of more must cross a refill.
CAPACITY = GENERATOR_SIZE - BUFFER


# `ensure` and `fraction` are put into their callers, so they are tested from kernels of our own.
@njit()
def _draw_words(rng: np.ndarray, out: np.ndarray) -> None:
    position = np.int64(rng[POSITION])
    for i in range(out.size):
        position = mt19937.ensure(rng, position, 1)
        out[i] = rng[position]
        position += 1
    rng[POSITION] = position


@njit()
def _draw_fractions(rng: np.ndarray, out: np.ndarray) -> None:
    position = np.int64(rng[POSITION])
    for i in range(out.size):
        position = mt19937.ensure(rng, position, 2)
        out[i] = mt19937.fraction(rng, position)
        position += 2
    rng[POSITION] = position


@njit()
def _draw_below(rng: np.ndarray, sizes: np.ndarray, out: np.ndarray) -> None:
    position = np.int64(rng[POSITION])
    for i in range(sizes.size):
        out[i], position = mt19937.randbelow(rng, position, sizes[i])
    rng[POSITION] = position


def words(rng: np.ndarray, size: int) -> list[int]:
    out = np.empty(size, np.int64)
    _draw_words(rng, out)
    return out.tolist()


def fractions(rng: np.ndarray, size: int) -> list[float]:
    out = np.empty(size, np.int64)
    _draw_fractions(rng, out)
    return (out / RANDOM_UNIT).tolist()


def below(rng: np.ndarray, sizes: list[int]) -> list[int]:
    out = np.empty(len(sizes), np.int64)
    _draw_below(rng, np.array(sizes, np.int64), out)
    return out.tolist()


def shuffled(rng: np.ndarray, size: int) -> list[int]:
    order = np.arange(size)
    mt19937.shuffle_order(rng, order)
    return order.tolist()


def shuffled_by_python(twin: random.Random, size: int) -> list[int]:
    order = list(range(size))
    twin.shuffle(order)
    return order


def generators() -> Iterator[tuple[np.ndarray, random.Random]]:
    for seed in count():
        yield seeded(seed), random.Random(seed)


def test_check_values_of_the_published_algorithm() -> None:
    rng = seeded(12345)
    assert shuffled(rng, 10) == [8, 7, 3, 5, 1, 2, 9, 4, 0, 6]
    assert below(rng, [1]) == [0]
    assert fractions(rng, 1) == [0.3730638408978796]
    assert below(rng, [30522]) == [28644]


@pytest.mark.parametrize("seed", SEEDS)
def test_words_equal_python(seed: int) -> None:
    size = 3 * CAPACITY + 5
    twin = random.Random(seed)
    assert words(seeded(seed), size) == [twin.getrandbits(32) for _ in range(size)]


@pytest.mark.parametrize("seed", SEEDS)
def test_fractions_equal_python(seed: int) -> None:
    twin = random.Random(seed)
    assert fractions(seeded(seed), 3 * CAPACITY) == [twin.random() for _ in range(3 * CAPACITY)]


@pytest.mark.parametrize("first", range(4))
def test_fractions_equal_python_from_any_word_of_the_buffer(first: int) -> None:
    # Two words that a refill parts: the first at the end of the buffer, the second made after it.
    rng, twin = seeded(5), random.Random(5)
    assert words(rng, first) == [twin.getrandbits(32) for _ in range(first)]
    assert fractions(rng, 2 * CAPACITY) == [twin.random() for _ in range(2 * CAPACITY)]
    assert words(rng, 1) == [twin.getrandbits(32)]


@pytest.mark.parametrize("seed", SEEDS)
def test_randbelow_equals_python(seed: int) -> None:
    sizes = SIZES * 20
    rng, twin = seeded(seed), random.Random(seed)
    assert below(rng, sizes) == [twin.randrange(size) for size in sizes]
    assert fractions(rng, 1) == [twin.random()]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 30_522, 2**16, 2**31 - 1])
def test_randbelow_of_one_size_equals_python(size: int) -> None:
    rng, twin = seeded(size), random.Random(size)
    assert below(rng, [size] * 5000) == [twin.randrange(size) for _ in range(5000)]
    # As many words are used up as Python uses: for n = 1 too, which leaves nothing to choose.
    assert words(rng, 1) == [twin.getrandbits(32)]


@pytest.mark.parametrize(
    "size", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 110, 125, 127, 128, 129]
)
def test_small_shuffles_equal_python(size: int) -> None:
    for _, (rng, twin) in zip(range(50), generators(), strict=False):
        for _ in range(5):
            assert shuffled(rng, size) == shuffled_by_python(twin, size)
        assert words(rng, 1) == [twin.getrandbits(32)]


@pytest.mark.parametrize("size", [CAPACITY - 1, CAPACITY, CAPACITY + 1, 65_535, 65_537, 100_000])
@pytest.mark.parametrize("seed", [0, 2**64 + 1])
def test_shuffles_across_refills_equal_python(size: int, seed: int) -> None:
    rng, twin = seeded(seed), random.Random(seed)
    assert shuffled(rng, size) == shuffled_by_python(twin, size)
    assert words(rng, 1) == [twin.getrandbits(32)]


draws = st.one_of(
    st.tuples(st.just("words"), st.integers(0, 2 * CAPACITY)),
    st.tuples(st.just("fractions"), st.integers(0, 50)),
    st.tuples(st.just("below"), st.integers(1, 2**31 - 1)),
    st.tuples(st.just("shuffle"), st.integers(0, 300)),
)


@settings(deadline=None)
@given(st.integers(0, 2**80), st.lists(draws, max_size=30))
def test_interleaved_draws_equal_python(seed: int, steps: list[tuple[str, int]]) -> None:
    rng, twin = seeded(seed), random.Random(seed)
    for kind, size in steps:
        if kind == "words":
            assert words(rng, size) == [twin.getrandbits(32) for _ in range(size)]
        elif kind == "fractions":
            assert fractions(rng, size) == [twin.random() for _ in range(size)]
        elif kind == "below":
            assert below(rng, [size] * 3) == [twin.randrange(size) for _ in range(3)]
        else:
            assert shuffled(rng, size) == shuffled_by_python(twin, size)
