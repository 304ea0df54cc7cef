"""Entities that may have fragments in common, beside an enumeration of all sets of spans."""

import numpy
import pytest

from spacy_contrastive_ner.links import Pairs, Spans, pair_up, partition, share
from spacy_contrastive_ner.links.sharing import MOST

from ..oracle import shared_entities
from .test_partition import entities_of, make_case


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 8])
@pytest.mark.parametrize("mean", [-1.0, 0.5, 2.0])
def test_largest_sets_that_are_linked(n, mean):
    rng = numpy.random.default_rng(n)
    for _ in range(30):
        start, end, pairs, log_odds = make_case(rng, n)
        log_odds = log_odds + mean
        assert share(start, end, pairs, log_odds) == shared_entities(start, end, pairs, log_odds)


def line_of(n, max_distance=1000):
    """Spans of one token, every second one."""
    start = numpy.arange(n) * 2
    zeros = numpy.zeros(n, dtype="int64")
    return start, start + 1, pair_up(Spans(zeros, start, start + 1, zeros), max_distance)


def test_a_fragment_of_two():
    start, end, pairs = line_of(3)
    assert list(zip(pairs.left, pairs.right)) == [(0, 1), (0, 2), (1, 2)]
    assert share(start, end, pairs, numpy.asarray([-1.0, 2.0, 3.0])) == [[0, 2], [1, 2]]
    assert share(start, end, pairs, numpy.zeros(3)) == []


def test_as_divided_where_nothing_is_shared():
    """Scores that speak for separate entities are read in the same way."""
    rng = numpy.random.default_rng(0)
    for _ in range(20):
        start, end, pairs = line_of(9)
        wanted = rng.integers(0, 3, 9)
        same = wanted[pairs.left] == wanted[pairs.right]
        log_odds = numpy.where(same, 1.0, -1.0) * rng.uniform(0.1, 9, len(same))
        parts = entities_of(partition(start, end, pairs, log_odds))
        assert share(start, end, pairs, log_odds) == [part for part in parts if len(part) > 1]


def test_many_that_are_connected_are_divided():
    start, end, pairs = line_of(MOST + 1)
    near = pairs.right - pairs.left == 1
    log_odds = numpy.where(near, 1.0, -1.0)
    found = share(start, end, pairs, log_odds)
    parts = entities_of(partition(start, end, pairs, log_odds))
    assert found == [part for part in parts if len(part) > 1]
    assert len({i for part in found for i in part}) == sum(map(len, found))
    # With one less each link is an entity.
    start, end, pairs = line_of(MOST)
    log_odds = numpy.where(pairs.right - pairs.left == 1, 1.0, -1.0)
    assert share(start, end, pairs, log_odds) == [[i, i + 1] for i in range(MOST - 1)]


def test_the_worst_case_is_bounded():
    """As many entities as so many spans can have: one of each three, in every way."""
    start, end, pairs = line_of(MOST)
    log_odds = numpy.where(pairs.left // 3 == pairs.right // 3, -1.0, 1.0)
    assert len(share(start, end, pairs, log_odds)) == 3 ** (MOST // 3)


def test_without_pairs():
    none = numpy.zeros(0, dtype="int64")
    assert share(none, none, Pairs(none, none, none), numpy.zeros(0)) == []
