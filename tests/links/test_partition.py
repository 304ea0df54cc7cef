"""Entities out of scores of pairs, beside an enumeration of all divisions."""

import numpy
import pytest

from spacy_contrastive_ner.links import EXACT, Spans, pair_up, partition

from ..oracle import best_partition, gain_of


def make_case(rng, n, n_tokens=14, scale=2.0):
    """Some spans of one label, overlapping or not, and scores of their pairs."""
    start = numpy.sort(rng.integers(0, n_tokens, n))
    end = start + rng.integers(1, 4, n)
    zeros = numpy.zeros(n, dtype="int64")
    pairs = pair_up(Spans(zeros, start, end, zeros), int(rng.integers(1, n_tokens)))
    return start, end, pairs, rng.normal(0, scale, len(pairs.left))


def entities_of(entity):
    found = {}
    for i, root in enumerate(entity.tolist()):
        found.setdefault(root, []).append(i)
    assert all(root == min(part) for root, part in found.items())
    return sorted(found.values())


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 7])
def test_exact_division_is_the_best_of_all(n):
    rng = numpy.random.default_rng(n)
    for _ in range(40 if n < 7 else 10):
        start, end, pairs, log_odds = make_case(rng, n)
        found = entities_of(partition(start, end, pairs, log_odds))
        expected = best_partition(start, end, pairs, log_odds)
        assert gain_of(found, start, end, pairs, log_odds) == pytest.approx(
            gain_of(expected, start, end, pairs, log_odds)
        )
        assert found == expected


def test_of_equal_divisions_the_finest():
    start = numpy.asarray([0, 2, 4])
    zeros = numpy.zeros(3, dtype="int64")
    pairs = pair_up(Spans(zeros, start, start + 1, zeros), 10)
    assert partition(start, start + 1, pairs, numpy.zeros(3)).tolist() == [0, 1, 2]
    # (0, 1) gains 1, (0, 2) takes it away again, and so does (1, 2).
    assert partition(start, start + 1, pairs, numpy.asarray([1.0, 1.0, -1.0])).tolist() == [0, 0, 2]


def test_scores_may_be_extreme():
    start = numpy.asarray([0, 2, 4, 6])
    zeros = numpy.zeros(4, dtype="int64")
    pairs = pair_up(Spans(zeros, start, start + 1, zeros), 10)
    log_odds = numpy.asarray([1e30, -1e30, 1e-30, 5.0, -1e30, -1e30])
    found = entities_of(partition(start, start + 1, pairs, log_odds))
    assert found == [[0, 1], [2], [3]]


def test_spans_that_overlap_are_never_one_entity():
    # The third goes with either of two that overlap, more with the second.
    start, end = numpy.asarray([0, 1, 5]), numpy.asarray([2, 3, 6])
    zeros = numpy.zeros(3, dtype="int64")
    pairs = pair_up(Spans(zeros, start, end, zeros), 10)
    assert list(zip(pairs.left.tolist(), pairs.right.tolist())) == [(0, 2), (1, 2)]
    assert partition(start, end, pairs, numpy.asarray([2.0, 3.0])).tolist() == [0, 1, 1]


def test_a_chain_may_be_longer_than_the_distance():
    start = numpy.asarray([0, 5, 10])
    zeros = numpy.zeros(3, dtype="int64")
    pairs = pair_up(Spans(zeros, start, start + 1, zeros), 5)
    assert partition(start, start + 1, pairs, numpy.asarray([1.0, 1.0])).tolist() == [0, 0, 0]


def test_many_spans_are_divided_greedily():
    """What belongs together for certain is found whole, and nothing is gained by moving a span."""
    n, rng = 6 * EXACT, numpy.random.default_rng(0)
    start = numpy.arange(n) * 2
    zeros = numpy.zeros(n, dtype="int64")
    pairs = pair_up(Spans(zeros, start, start + 1, zeros), 2 * n)
    wanted = numpy.arange(n) % 3
    same = wanted[pairs.left] == wanted[pairs.right]
    # One weak link between two entities makes all of it one component.
    log_odds = numpy.where(same, 4.0, -4.0)
    log_odds[(pairs.left == 0) & (pairs.right == 1)] = 1.0
    assert partition(start, start + 1, pairs, log_odds).tolist() == wanted.tolist()
    log_odds = rng.normal(0, 1, len(same))
    parts = entities_of(partition(start, start + 1, pairs, log_odds))
    gain = gain_of(parts, start, start + 1, pairs, log_odds)
    assert gain > 0
    for i, a in enumerate(parts):
        for b in parts[:i]:
            rest = [part for part in parts if part not in (a, b)]
            assert gain_of([*rest, a + b], start, start + 1, pairs, log_odds) <= gain + 1e-9
