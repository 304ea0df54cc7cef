"""Tests of paired differences, beside enumeration, known values and, if it is there, SciPy."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_contrastive_ner.evaluation.distributions import (
    holm,
    incomplete_beta,
    interval_of_mean,
    normal_tails,
    paired_t,
    share_of,
    sign_flip,
    t_tails,
    t_value,
    wilcoxon,
)

# Whole numbers, so that ties and sums that are equal are so exactly.
DIFFERENCES = st.lists(st.integers(-5, 5), max_size=8)


def ranks_of(sizes):
    """Midranks, by counting."""
    return [sum(o < s for o in sizes) + (1 + sum(o == s for o in sizes)) / 2 for s in sizes]


def all_flips(values, statistic):
    """The share of flips of signs for which the statistic is at least as far from 0."""
    observed = abs(statistic(values))
    flips = product((1, -1), repeat=len(values))
    found = [abs(statistic([s * v for s, v in zip(flip, values)])) for flip in flips]
    return sum(size >= observed for size in found) / len(found)


@settings(max_examples=150, deadline=None)
@given(DIFFERENCES)
def test_wilcoxon_is_the_enumeration_of_signs(differences):
    some = [d for d in differences if d]
    ranks = ranks_of([abs(d) for d in some])

    def signed_sum(values):
        return sum(math.copysign(r, v) for r, v in zip(ranks, values))

    found = wilcoxon(differences)
    assert found.n == len(some)
    assert found.p == pytest.approx(all_flips(some, signed_sum))
    if some:
        positive = sum(r for r, d in zip(ranks, some) if d > 0)
        assert found.statistic == min(positive, sum(ranks) - positive)


@settings(max_examples=150, deadline=None)
@given(DIFFERENCES)
def test_sign_flips_are_all_tried(differences):
    found = sign_flip(differences)
    assert found.p == pytest.approx(all_flips(differences, sum))
    assert found.n == sum(d != 0 for d in differences)


def test_many_sign_flips_are_drawn():
    rng = np.random.default_rng(0)
    some = rng.normal(0.4, 1.0, size=20)
    signs = np.array(list(product((1.0, -1.0), repeat=20)), dtype="float32")
    exact = (np.abs(signs @ some) >= abs(some.sum()) - 1e-5).mean()
    assert sign_flip(some).p == pytest.approx(exact, abs=0.005)
    assert sign_flip(some) == sign_flip(some)
    assert sign_flip([1.0] * 40).p == share_of(0, 100_000)


def test_rounding_makes_no_ties_and_breaks_none():
    third = [0.1 + 0.2, -0.3, 0.3, 0.6 - 0.3]
    assert wilcoxon(third).p == wilcoxon([3, -3, 3, 3]).p
    assert wilcoxon([1e-15, 1.0]).n == 1
    assert sign_flip([0.1, 0.2, -0.3]).p == 1.0


def test_five_differences_never_suffice():
    five, six = wilcoxon([3] * 5), wilcoxon([3] * 6)
    assert five.p == 0.0625 and not five.can_tell
    assert six.p == 0.03125 and six.can_tell
    assert sign_flip([1, 2, 3, 4, 5]).p == 0.0625
    assert not sign_flip([1, 2, 3, 4, 5]).can_tell and sign_flip([1, 2, 3, 4, 5, 6]).can_tell
    # Those that are 0 say nothing.
    assert wilcoxon([3] * 5 + [0] * 9) == five


def test_many_ranks_are_normal():
    """Around 50 both ways agree."""
    rng = np.random.default_rng(1)
    some = list(rng.normal(0.2, 1.0, size=51))
    exact = wilcoxon(some[:50])
    # One more that hardly counts, as its rank is the lowest.
    near = wilcoxon([*some[:50], 1e-9])
    assert 0.01 < exact.p < 0.9
    assert near.n == 51 and near.p == pytest.approx(exact.p, abs=0.02)


def test_t_against_known_values():
    """Two-sided critical values as tables give them."""
    for df, t, p in (
        (1, 12.706, 0.05),
        (2, 4.303, 0.05),
        (4, 2.776, 0.05),
        (10, 2.228, 0.05),
        (30, 2.042, 0.05),
        (10, 3.169, 0.01),
        (5, 6.869, 0.001),
    ):
        assert t_tails(t, df) == t_tails(-t, df) == pytest.approx(p, rel=2e-3)
    # One degree of freedom is Cauchy's distribution, two have a closed form.
    for t in (0.0, 0.3, 1.0, 7.0, 1e3):
        assert t_tails(t, 1) == pytest.approx(1 - 2 * math.atan(t) / math.pi, abs=1e-14)
        assert t_tails(t, 2) == pytest.approx(1 - t / math.sqrt(2 + t * t), abs=1e-14)
    assert t_tails(2.0, 1e7) == pytest.approx(normal_tails(2.0), rel=1e-5)
    assert normal_tails(1.959964) == pytest.approx(0.05, rel=1e-5)


def test_incomplete_beta_of_whole_numbers():
    """It is the tail of a binomial distribution."""
    for a, b in product(range(1, 7), repeat=2):
        for x in (0.0, 0.05, 0.5, 0.93, 1.0):
            n = a + b - 1
            tail = sum(math.comb(n, k) * x**k * (1 - x) ** (n - k) for k in range(a, n + 1))
            assert incomplete_beta(x, a, b) == pytest.approx(tail, abs=1e-13)


def test_paired_t():
    # Mean 3, standard error sqrt(2.5 / 5).
    found = paired_t([1, 2, 3, 4, 5])
    assert found.statistic == pytest.approx(3 / math.sqrt(0.5))
    assert found.p == pytest.approx(0.0132, abs=1e-4) and found.can_tell
    assert not paired_t([1, 2, 3]).can_tell
    assert paired_t([0.0] * 4).p == 1.0
    for some in ([], [1.0], [0.1] * 7):
        assert paired_t(some).p is None and not paired_t(some).can_tell


def test_holm():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == [] and holm([0.2]) == [0.2]


def test_scipy_agrees():
    stats = pytest.importorskip("scipy.stats")
    special = pytest.importorskip("scipy.special")
    rng = np.random.default_rng(0)
    for _ in range(300):
        a, b = np.exp(rng.uniform(-3, 6, size=2))
        x = rng.beta(a, b)
        assert incomplete_beta(x, a, b) == pytest.approx(special.betainc(a, b, x), rel=1e-9)
    for n in (2, 5, 8, 30, 50, 51, 90):
        some = rng.normal(0.1, 1.0, size=n)
        assert paired_t(some).p == pytest.approx(stats.ttest_1samp(some, 0).pvalue)
        method = "exact" if n <= 50 else "asymptotic"
        expected = stats.wilcoxon(some, method=method, correction=False)
        found = wilcoxon(some)
        assert found.statistic == pytest.approx(expected.statistic)
        assert found.p == pytest.approx(expected.pvalue)
    tied = np.round(rng.normal(0.1, 1.0, size=90), 1)
    expected = stats.wilcoxon(tied[tied != 0], method="asymptotic", correction=False)
    assert wilcoxon(tied).p == pytest.approx(expected.pvalue)


@pytest.mark.parametrize(
    "level, df, value",
    [(0.95, 1, 12.7062), (0.95, 9, 2.26216), (0.99, 30, 2.75), (0.5, 4, 0.740697)],
)
def test_t_values_are_those_of_tables(level, df, value):
    assert t_value(level, df) == pytest.approx(value, rel=1e-5)
    assert t_tails(t_value(level, df), df) == pytest.approx(1 - level, abs=1e-9)


def test_interval_of_mean():
    low, high = interval_of_mean([1.0, 2.0, 3.0, 4.0])
    # 2.5 ± 3.18245 * 1.29099 / 2
    assert (low, high) == pytest.approx((0.44574, 4.55426), abs=1e-4)
    assert interval_of_mean([3.0, 3.0]) == (3.0, 3.0) and interval_of_mean([3.0]) is None
    # It holds the true mean as often as it says.
    draws = np.random.default_rng(0).normal(size=(400, 5))
    hits = [a <= 0 <= b for a, b in map(interval_of_mean, draws)]
    assert 0.91 < np.mean(hits) < 0.98
