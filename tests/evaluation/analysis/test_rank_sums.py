"""The test of two samples, against all ways to choose one of them, and against scipy."""

from itertools import combinations

import numpy
import pytest

from spacy_contrastive_ner.evaluation.analysis import rank_sums
from spacy_contrastive_ner.evaluation.analysis.rank_sums import rank_sum


def oracle(first, second):
    """Over all ways to choose the first sample from both: how often U is as far from its mean."""
    both = [*first, *second]
    mean = len(first) * len(second) / 2

    def u(chosen):
        rest = [both[i] for i in range(len(both)) if i not in chosen]
        return sum((both[i] > b) + 0.5 * (both[i] == b) for i in chosen for b in rest)

    observed = u(range(len(first)))
    every = [u(set(some)) for some in combinations(range(len(both)), len(first))]
    far = [abs(value - mean) >= abs(observed - mean) - 1e-9 for value in every]
    return observed / (2 * mean), sum(far) / len(far)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("ties", [False, True])
def test_exact(seed, ties):
    rng = numpy.random.default_rng(seed)
    n, m = rng.integers(1, 6, size=2)
    values = rng.integers(0, 4, n + m) / 4 if ties else rng.random(n + m)
    found = rank_sum(values[:n], values[n:])
    auc, p = oracle(values[:n].tolist(), values[n:].tolist())
    assert found.is_exact and (found.n_first, found.n_second) == (n, m)
    assert found.auc == pytest.approx(auc) and found.p == pytest.approx(p)
    # The other way round it is the same question.
    other = rank_sum(values[n:], values[:n])
    assert other.p == pytest.approx(p) and other.auc == pytest.approx(1 - auc)


# scipy's exact distribution knows no ties.
@pytest.mark.parametrize("ties, exact", [(False, False), (True, False), (False, True)])
def test_as_scipy_has_it(ties, exact, monkeypatch):
    stats = pytest.importorskip("scipy.stats")
    if not exact:
        monkeypatch.setattr(rank_sums, "EXACT_SMALLER", 0)
    rng = numpy.random.default_rng(1)
    first, second = rng.normal(0.1, 1, 11), rng.normal(0, 1, 40)
    if ties:
        first, second = first.round(1), second.round(1)
    found = rank_sum(first, second)
    method = "exact" if exact else "asymptotic"
    wanted = stats.mannwhitneyu(first, second, method=method, use_continuity=False)
    assert found.is_exact == exact and 0.01 < found.p < 0.9
    assert found.p == pytest.approx(wanted.pvalue, rel=1e-9)
    assert found.auc == pytest.approx(wanted.statistic / (11 * 40))


def test_the_normal_distribution_is_close_to_the_exact_one(monkeypatch):
    rng = numpy.random.default_rng(2)
    first, second = rng.normal(0.7, 1, 12), rng.normal(0, 1, 60)
    exact = rank_sum(first, second)
    monkeypatch.setattr(rank_sums, "EXACT_BOTH", 71)
    normal = rank_sum(first, second)
    assert exact.is_exact and not normal.is_exact
    assert normal.p == pytest.approx(exact.p, rel=0.1)


def test_what_is_all_the_same():
    for n in (5, 300):
        found = rank_sum(numpy.ones(n), numpy.ones(n))
        assert found.p == pytest.approx(1.0) and found.auc == 0.5


def test_empty_samples():
    for first, second in (([], [1.0]), ([1.0], []), ([], [])):
        found = rank_sum(numpy.array(first), numpy.array(second))
        assert found.p is None and found.auc is None and not found.can_tell


@pytest.mark.parametrize("n, m", [(1, 50), (2, 7), (2, 8), (3, 3), (3, 4), (4, 4), (5, 2), (9, 2)])
def test_when_it_can_tell(n, m):
    """Exactly when the most extreme outcome has a p value under 0.05."""
    found = rank_sum(numpy.arange(n) + 100.0, numpy.arange(m) * 1.0)
    assert found.can_tell == (found.p < 0.05 and min(n, m) > 1)
