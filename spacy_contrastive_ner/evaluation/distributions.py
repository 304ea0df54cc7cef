"""Tests of paired differences: how often chance alone would give as much. Numbers only."""

import math
from itertools import product
from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ALPHA = 0.05
# Each of n differences has one of two signs, so that no p value is under 2 / 2 ** n, and
# 2 / 2 ** 6 < 0.05 <= 2 / 2 ** 5.
NEEDED_SIGNS = 6
# The spread of two or three differences says next to nothing about their distribution, which the
# t test takes for normal.
NEEDED_T = 4
# Beyond this, ranks are many enough for the normal distribution, and sign flips too many to list.
EXACT_RANKS, EXACT_FLIPS = 50, 16
FLIPS = 100_000
# What is as large as this apart from rounding is as large.
TOLERANCE = 1e-12


class Outcome(NamedTuple):
    """The outcome of a test.

    n (int): How many differences it rests on.
    statistic (Optional[float]): What the test is about, None if it is not defined.
    p (Optional[float]): The p value, two-sided, None if it is not defined.
    needed (int): How many differences it takes for the test to tell anything.
    """

    n: int
    statistic: Optional[float]
    p: Optional[float]
    needed: int

    @property
    def can_tell(self) -> bool:
        """RETURNS (bool): Whether there are enough differences."""
        return self.p is not None and self.n >= self.needed


def incomplete_beta(x: float, a: float, b: float) -> float:
    """Compute the regularised incomplete beta function.

    x (float): From 0 to 1.
    a, b (float): The parameters, greater than 0.
    RETURNS (float): Its value.
    """
    if x <= 0.0 or x >= 1.0:
        return min(max(x, 0.0), 1.0)
    # The fraction converges fast on this side of the mean only; the function is symmetric.
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - incomplete_beta(1.0 - x, b, a)
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(scale + a * math.log(x) + b * math.log1p(-x))
    return front / (a * _beta_fraction(x, a, b))


def _beta_fraction(x: float, a: float, b: float) -> float:
    """The continued fraction 1 + d1 / (1 + d2 / (1 + ...)), from its front, by Lentz's method: as
    ratios of neighbouring convergents, none of which may be 0."""
    tiny = 1e-300
    value, above, below = 1.0, 1.0, 0.0
    for step in range(1, 10_000):
        m = step // 2
        if step % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        below = 1.0 / ((1.0 + d * below) or tiny)
        above = (1.0 + d / above) or tiny
        value *= above * below
        if abs(above * below - 1.0) < 1e-15:
            break
    return value


def t_tails(t: float, df: float) -> float:
    """RETURNS (float): The probability of a value at least as far from 0, by Student's distribution
    with so many degrees of freedom.
    """
    return incomplete_beta(df / (df + t * t), df / 2.0, 0.5)


def t_value(level: float, df: float) -> float:
    """RETURNS (float): The value between which and its negative Student's distribution with so many
    degrees of freedom has this share, such as 0.95.
    """
    low, high = 0.0, 1.0
    while t_tails(high, df) > 1.0 - level:
        high *= 2.0
    # Halved until nothing is between the two any more.
    while low < (middle := (low + high) / 2.0) < high:
        low, high = (middle, high) if t_tails(middle, df) > 1.0 - level else (low, middle)
    return high


def interval_of_mean(values: Sequence[float], level: float = 0.95) -> Optional[Tuple[float, float]]:
    """Tell where the mean of many such values may lie, if they are drawn independently and their mean is
    normally distributed.

    values (Sequence[float]): The values.
    level (float): How often the mean lies in such an interval.
    RETURNS (Optional[Tuple[float, float]]): Its borders, None with fewer than two values.
    """
    some = np.asarray(values, dtype="float64")
    n = len(some)
    if n < 2:
        return None
    half = t_value(level, n - 1) * float(some.std(ddof=1)) / math.sqrt(n)
    return float(some.mean()) - half, float(some.mean()) + half


def normal_tails(z: float) -> float:
    """RETURNS (float): The same by the standard normal distribution."""
    return math.erfc(abs(z) / math.sqrt(2.0))


def paired_t(differences: Sequence[float]) -> Outcome:
    """Test whether the mean of differences is 0, if they are normally distributed.

    differences (Sequence[float]): The differences.
    RETURNS (Outcome): The outcome. Differences that are all the same have no spread to compare their
        mean with: p is 1 if they are 0, and undefined otherwise.
    """
    some = np.asarray(differences, dtype="float64")
    n = len(some)
    if n < 2:
        return Outcome(n, None, None, NEEDED_T)
    mean, spread = float(some.mean()), float(some.std(ddof=1))
    if spread <= TOLERANCE:
        is_zero = abs(mean) <= TOLERANCE
        return Outcome(n, 0.0 if is_zero else None, 1.0 if is_zero else None, NEEDED_T)
    t = mean / (spread / math.sqrt(n))
    return Outcome(n, t, t_tails(t, n - 1), NEEDED_T)


def wilcoxon(differences: Sequence[float]) -> Outcome:
    """Test whether differences lie evenly around 0, by their signed ranks. Those that are 0 are left
    out. Up to 50 the distribution is exact, with ties too, as the normal distribution is far off
    where there are few ranks; beyond, it is normal, with the variance that ties leave.

    differences (Sequence[float]): The differences.
    RETURNS (Outcome): The outcome. The statistic is the smaller sum of ranks.
    """
    some = _not_zero(differences)
    n = len(some)
    if not n:
        return Outcome(0, None, 1.0, NEEDED_SIGNS)
    # Twice the ranks, so that tied ones, the mean of their places, are whole numbers too.
    ranks = double_ranks(np.abs(some))
    total = int(ranks.sum())
    positive = int(ranks[some > 0].sum())
    least = min(positive, total - positive)
    if n <= EXACT_RANKS:
        p = min(1.0, 2.0 * float(_subset_sums(ranks)[: least + 1].sum()))
    else:
        # The variance of the sum of ranks with random signs: a fourth of the sum of their squares.
        deviation = math.sqrt(float((ranks.astype("float64") ** 2).sum()) / 4.0)
        p = normal_tails((least - total / 2.0) / deviation)
    return Outcome(n, least / 2.0, p, NEEDED_SIGNS)


def _not_zero(differences: Sequence[float]) -> Floats:
    some = np.asarray(differences, dtype="float64")
    return some[np.abs(some) > TOLERANCE]


def double_ranks(sizes: Floats) -> NDArray[np.int64]:
    """RETURNS (NDArray[np.int64]): Twice the rank of each number. Those that are the same but for
    rounding are tied."""
    order = np.argsort(sizes, kind="stable")
    ranks = np.zeros(len(sizes), dtype="int64")
    start = 0
    for end in range(1, len(sizes) + 1):
        is_last = end == len(sizes)
        if is_last or sizes[order[end]] - sizes[order[end - 1]] > TOLERANCE:
            # Of the places start + 1 to end.
            ranks[order[start:end]] = start + 1 + end
            start = end
    return ranks


def _subset_sums(ranks: NDArray[np.int64]) -> Floats:
    """How probable each sum of ranks is if each is in it or not with the same probability."""
    found = np.zeros(int(ranks.sum()) + 1)
    found[0] = 1.0
    for rank in ranks:
        found[rank:] = (found[rank:] + found[:-rank]) / 2.0
        found[:rank] /= 2.0
    return found


def sign_flip(differences: Sequence[float], seed: int = 0) -> Outcome:
    """Test whether the mean of differences is 0, if each could as well have the other sign. All
    signs are tried; of more than 16 differences, some that are drawn.

    differences (Sequence[float]): The differences.
    seed (int): What draws begin with.
    RETURNS (Outcome): The outcome. The statistic is the mean.
    """
    every = np.asarray(differences, dtype="float64")
    some = _not_zero(differences)
    n = len(some)
    mean = float(every.mean()) if len(every) else None
    if n <= EXACT_FLIPS:
        sums = np.array(list(product((1.0, -1.0), repeat=n))).reshape(2**n, n) @ some
        p = float((np.abs(sums) >= abs(some.sum()) - TOLERANCE).mean())
    else:
        bits = np.random.default_rng(seed).integers(0, 2, size=(FLIPS, n), dtype="int8")
        sums = some.sum() - 2.0 * (bits @ some)
        p = share_of(int((np.abs(sums) >= abs(some.sum()) - TOLERANCE).sum()), FLIPS)
    return Outcome(n, mean, p, NEEDED_SIGNS)


def share_of(hits: int, draws: int) -> float:
    """RETURNS (float): The p value when so many of the draws were as extreme as what was observed,
    which is one of the possible draws itself.
    """
    return (hits + 1) / (draws + 1)


def holm(values: Sequence[float]) -> List[float]:
    """Correct p values for their number by Holm's method, which holds however they depend on each
    other.

    values (Sequence[float]): The p values.
    RETURNS (List[float]): The corrected ones, in the same order.
    """
    corrected = [0.0] * len(values)
    highest = 0.0
    for place, i in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        highest = max(highest, min(1.0, (len(values) - place) * values[i]))
        corrected[i] = highest
    return corrected
