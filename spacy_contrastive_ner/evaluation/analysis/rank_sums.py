"""A test of whether one sample has greater values than another. Numbers only."""

import math
from typing import NamedTuple, Optional

import numpy as np

from ..distributions import ALPHA, TOLERANCE, Floats, double_ranks, normal_tails

# Up to so many values of the smaller sample, and of both, the distribution is exact.
EXACT_SMALLER, EXACT_BOTH = 12, 200


class RankSum(NamedTuple):
    """The outcome of Mann and Whitney's test, also known as Wilcoxon's rank sum test.

    n_first, n_second (int): How many values there are.
    auc (Optional[float]): How probable it is that a value of the first sample is greater than one of
        the second, ties counting half. None if a sample is empty.
    p (Optional[float]): The p value, two-sided. None if a sample is empty.
    is_exact (bool): Whether the distribution is exact; if not, it is normal.
    """

    n_first: int
    n_second: int
    auc: Optional[float]
    p: Optional[float]
    is_exact: bool

    @property
    def can_tell(self) -> bool:
        """RETURNS (bool): Whether there are values enough for a p value under 0.05: the most extreme
        of all ways to choose the first sample has this one at least, and its mirror image.
        """
        ways = math.comb(self.n_first + self.n_second, self.n_first)
        return min(self.n_first, self.n_second) >= 2 and 2 / ways < ALPHA


def rank_sum(first: Floats, second: Floats) -> RankSum:
    """Test whether two samples come from the same distribution, against one having greater values.
    The distribution is exact where a sample is small, with ties too; beyond, it is normal, with the
    variance that ties leave.

    first, second (Floats): The samples.
    RETURNS (RankSum): The outcome.
    """
    n, m = len(first), len(second)
    if not n or not m:
        return RankSum(n, m, None, None, True)
    # Twice the ranks, so that tied ones are whole numbers too.
    ranks = double_ranks(np.concatenate([first, second]).astype("float64"))
    total = int(ranks[:n].sum())
    auc = (total / 2 - n * (n + 1) / 2) / (n * m)
    is_exact = min(n, m) <= EXACT_SMALLER and n + m <= EXACT_BOTH
    if is_exact:
        # The sums of the two samples are mirror images of each other.
        size, observed = (n, total) if n <= m else (m, int(ranks.sum()) - total)
        p = _exact_p(ranks, size, observed)
    else:
        everything = n + m
        centre = n * ranks.mean()
        spread = float(ranks.var()) * n * m / (everything - 1)
        p = normal_tails((total - centre) / math.sqrt(spread)) if spread > TOLERANCE else 1.0
    return RankSum(n, m, auc, p, is_exact)


def _exact_p(ranks: "np.ndarray", size: int, observed: int) -> float:
    """The share of all ways to choose so many ranks whose sum is at least as far from the mean."""
    top = int(np.sort(ranks)[-size:].sum())
    # How many ways there are to choose k ranks of a sum, as floats: counts grow beyond integers.
    ways = np.zeros((size + 1, top + 1))
    ways[0, 0] = 1.0
    for rank in ranks.tolist():
        for k in range(size, 0, -1):
            ways[k, rank:] += ways[k - 1, : top + 1 - rank]
    counts = ways[size]
    # Multiplied out, so that the mean is a whole number.
    far = np.abs(np.arange(top + 1) * len(ranks) - size * int(ranks.sum()))
    extreme = far >= abs(observed * len(ranks) - size * int(ranks.sum()))
    return min(1.0, float(counts[extreme].sum() / counts.sum()))
