"""CPython's `random.Random`, as a stream of 32-bit words that kernels read by position.

The generator makes tempered words 624 at a time, in two loops that vectorize; a kernel keeps a
position in the buffer and calls `ensure` before it reads words. The draws of `Random` are here too:
`random()` takes two words, `random() < 0.5` is the top bit of the first, `_randbelow(n)` takes the
top `n.bit_length()` bits of words until they are below n.

Cost: about 0.25 ns per word. Example: `shuffle_order(seeded(12345), np.arange(10))`.
Source: Matsumoto and Nishimura 1998 (MT19937); CPython's `_randommodule.c` and `random.py`.
"""

import random

import numpy as np

from bertprep.kernels.jit import inlined, njit
from bertprep.kernels.machine import count_leading_zeros

#: Parts of a generator, `uint32[GENERATOR_SIZE]`: index of the next word, end of the buffered
#: words, the generator's state of 624 words, and the buffer of tempered words.
POSITION, END, STATE, BUFFER = 0, 1, 2, 626
_BLOCK = 624
GENERATOR_SIZE = BUFFER + 4 * _BLOCK
#: `random()` is an integer below this, divided by it.
RANDOM_UNIT = 1 << 53


def seeded(seed: int) -> np.ndarray:
    """Return a generator in the state of `random.Random(seed)`: uint32[GENERATOR_SIZE]."""
    rng = np.zeros(GENERATOR_SIZE, np.uint32)
    rng[POSITION] = rng[END] = BUFFER
    rng[STATE:BUFFER] = random.Random(seed).getstate()[1][:_BLOCK]
    return rng


@njit()
def _twist(state):
    upper, lower = np.uint32(0x80000000), np.uint32(0x7FFFFFFF)
    matrix, one = np.uint32(0x9908B0DF), np.uint32(1)
    for i in range(227):
        y = (state[i] & upper) | (state[i + 1] & lower)
        state[i] = state[i + 397] ^ (y >> one) ^ (matrix * (y & one))
    for i in range(227, 623):
        y = (state[i] & upper) | (state[i + 1] & lower)
        state[i] = state[i - 227] ^ (y >> one) ^ (matrix * (y & one))
    y = (state[623] & upper) | (state[0] & lower)
    state[623] = state[396] ^ (y >> one) ^ (matrix * (y & one))


@njit()
def _temper(state, out):
    for i in range(_BLOCK):
        y = state[i]
        y ^= y >> np.uint32(11)
        y ^= (y << np.uint32(7)) & np.uint32(0x9D2C5680)
        y ^= (y << np.uint32(15)) & np.uint32(0xEFC60000)
        out[i] = y ^ (y >> np.uint32(18))


@njit()
def refill(rng):
    """Moves the unread words to the front of the buffer and fills the rest with new ones."""
    unread = np.int64(rng[END]) - np.int64(rng[POSITION])
    for i in range(unread):
        rng[BUFFER + i] = rng[rng[POSITION] + i]
    end = BUFFER + unread
    while end + _BLOCK <= GENERATOR_SIZE:
        _twist(rng[STATE:BUFFER])
        _temper(rng[STATE:BUFFER], rng[end : end + _BLOCK])
        end += _BLOCK
    rng[POSITION] = BUFFER
    rng[END] = end


@inlined()
def ensure(rng, position, size):
    """The position from which `size` words can be read: `position`, or the front after a refill."""
    if position + size > np.int64(rng[END]):
        rng[POSITION] = position
        refill(rng)
        position = np.int64(rng[POSITION])
    return position


@inlined()
def fraction(rng, position):
    """`random()` of the two words at `position`, as its integer numerator over RANDOM_UNIT."""
    high = rng[np.uint64(position)] >> np.uint32(5)
    low = rng[np.uint64(position + 1)] >> np.uint32(6)
    return np.int64(high) << 26 | np.int64(low)


@njit()
def randbelow(rng, position, n):
    """A uniform integer in [0, n), as `Random._randbelow` draws it; the new position."""
    shift = np.uint32(count_leading_zeros(np.uint64(n)) - 32)
    while True:
        position = ensure(rng, position, 1)
        value = np.int64(rng[np.uint64(position)] >> shift)
        position += 1
        if value < n:
            return value, position
        if n < 1:  # a mistake of the caller, which must not hang
            return np.int64(0), position


@njit()
def shuffle(rng, position, values, size):
    """Shuffles `values[:size]` in place, as `Random.shuffle` does; returns the new position.

    Without a branch per draw: a word that is too large swaps an element with itself.
    """
    i = size - 1
    while i > 0:
        position = ensure(rng, position, 1)
        bits = 64 - count_leading_zeros(np.uint64(i + 1))
        lowest = max((1 << (bits - 1)) - 1, 1)
        shift = np.uint32(32 - bits)
        end = np.int64(rng[END])
        while i >= lowest and position < end:
            j = np.int64(rng[np.uint64(position)] >> shift)
            position += 1
            rejected = (i - j) >> 63  # all ones where j > i
            j ^= (j ^ i) & rejected
            here, there = np.uint64(i), np.uint64(j)  # unsigned: no check for negative indices
            held = values[here]
            values[here] = values[there]
            values[there] = held
            i -= 1 + rejected
    return position


@njit()
def shuffle_order(rng, order):
    """Shuffles a whole int32 array; the position stays in the generator."""
    rng[POSITION] = shuffle(rng, np.int64(rng[POSITION]), order, order.size)
