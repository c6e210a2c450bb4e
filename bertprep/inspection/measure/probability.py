"""How likely numbers are that are as far off as those that were measured: bounds that hold.

Each is an upper bound at any size, where a normal approximation would be wrong for rare events. A
bound needs independent events; `copies` says how often each stands in the data on average, which
then counts as one.

    share_p(count=7_000, of=10_000, low=0.8, high=0.8)     2.3e-118

Source: Chernoff's bound in Hoeffding's form, and Bennett's inequality.
"""

import math

#: The one knob: a row is marked where what it shows is as unlikely as this, and as far off.
MARK_P, MARK_POINTS = 1e-6, 0.01


def is_marked(p: float | None, distance: float) -> bool:
    """Too unlikely, and too far off to be of no account. `distance` is a share."""
    return p is not None and p < MARK_P and distance > MARK_POINTS


def distance_from(value: float, low: float, high: float) -> float:
    """How far a value is outside `[low, high]`."""
    return max(low - value, value - high, 0.0)


def share_p(count: float, of: float, low: float, high: float, copies: float = 1.0) -> float:
    """Of `of` events, each with a probability in `[low, high]`, `count` or a number further off."""
    if of <= 0 or low <= count / of <= high:
        return 1.0
    share = count / of
    expected = low if share < low else high
    exponent = of * (_term(share, expected) + _term(1.0 - share, 1.0 - expected))
    return min(1.0, 2.0 * math.exp(-exponent / copies))


def _term(share: float, expected: float) -> float:
    if share <= 0.0:
        return 0.0
    return share * math.log(share / expected) if expected > 0.0 else math.inf


def sum_p(value: float, expected: float, variance: float, copies: float = 1.0) -> float:
    """A sum of numbers between 0 and 1 that is as far from what is expected."""
    distance = abs(value - expected)
    if distance <= 1e-9 * max(1.0, expected):  # what is left of adding fractions
        return 1.0
    if variance <= 1e-9 * max(1.0, expected):
        return 0.0
    ratio = distance / variance
    exponent = variance * ((1.0 + ratio) * math.log1p(ratio) - ratio)
    return min(1.0, 2.0 * math.exp(-exponent / copies))


def count_p(count: float, expected: float) -> float:
    """`count` rare events, or more."""
    if count <= expected:
        return 1.0
    if expected <= 0.0:
        return 0.0
    return math.exp(count - expected - count * math.log(count / expected))


def difference_p(a: float, b: float, variance: float) -> float:
    """Two means of many numbers that are as far apart, if `variance` is that of the difference."""
    if a == b:
        return 1.0
    return math.erfc(abs(a - b) / math.sqrt(2.0 * variance)) if variance > 0.0 else 0.0
