"""Pairs of gold and prediction, against trying all of them out."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_contrastive_ner.evaluation.matching import (
    SCHEMES,
    Outcomes,
    best_pairs,
    match,
    outcomes_of,
    scheme_of,
)

from .random_mentions import mentions


def all_matchings(options):
    """Every set of pairs in which nothing occurs twice."""
    if not options:
        yield ()
        return
    first, rest = options[0], options[1:]
    yield from all_matchings(rest)
    free = [pair for pair in rest if pair[0] != first[0] and pair[1] != first[1]]
    for others in all_matchings(free):
        yield (first, *others)


def quality(pairs):
    """What is wanted of pairs, the most important first."""
    return (
        sum(a == b for a, b in pairs),
        sum(a[:2] == b[:2] for a, b in pairs),
        sum(a[2] == b[2] for a, b in pairs),
        len(pairs),
        -sum(abs(a[0] - b[0]) + abs(a[1] - b[1]) for a, b in pairs),
    )


@settings(max_examples=300, deadline=None)
@given(mentions(6), mentions(6))
def test_no_other_pairs_are_better(gold, predicted):
    options = [(a, b) for a in gold for b in predicted if set(range(*a[:2])) & set(range(*b[:2]))]
    pairs = match(gold, predicted)
    assert set(pairs) <= set(options)
    assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs)
    assert quality(pairs) == max(map(quality, all_matchings(options)))


weights = st.dictionaries(
    st.tuples(st.integers(0, 4), st.integers(0, 4)), st.integers(-5, 20), max_size=9
)


@settings(max_examples=300, deadline=None)
@given(weights)
def test_the_greatest_weight(weights):
    pairs = best_pairs(weights)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    best = max(sum(weights[pair] for pair in some) for some in all_matchings(list(weights)))
    assert sum(weights[pair] for pair in pairs) == best


def test_others_make_way():
    weights = {(0, 1): 4, (1, 1): 5, (1, 2): 2, (2, 2): 20, (2, 3): 40, (3, 0): 1, (4, 3): -1}
    assert best_pairs(weights) == [(0, 1), (1, 2), (2, 3), (3, 0)]


def test_a_long_chain():
    gold = {(4 * i, 4 * i + 3, "A") for i in range(300)}
    predicted = {(4 * i + 2, 4 * i + 5, "A") for i in range(300)}
    assert len(match(gold, predicted)) == 300


def test_nested_spans_are_not_paired_with_the_first_that_overlaps():
    gold = {(0, 9, "ORG"), (3, 5, "GPE"), (8, 9, "GPE")}
    predicted = {(2, 5, "GPE"), (0, 9, "PER"), (20, 21, "GPE")}
    assert set(match(gold, predicted)) == {
        ((0, 9, "ORG"), (0, 9, "PER")),
        ((3, 5, "GPE"), (2, 5, "GPE")),
    }
    counts = {"other_label": 1, "other_borders": 1, "missed": 1, "spurious": 1}
    assert +outcomes_of(gold, predicted) == counts


def test_schemes():
    outcomes = Outcomes(
        correct=10, other_label=5, other_borders=4, other_both=3, missed=2, spurious=6
    )
    columns = ("correct", "incorrect", "partial", "missed", "spurious")
    expected = {
        "strict": (10, 12, 0, 2, 6),
        "exact": (15, 7, 0, 2, 6),
        "partial": (15, 0, 7, 2, 6),
        "type": (14, 8, 0, 2, 6),
    }
    for name in SCHEMES:
        scores = scheme_of(outcomes, name)
        assert tuple(scores[column] for column in columns) == expected[name]
        credit = scores["correct"] + scores["partial"] / 2
        assert scores["precision"] == pytest.approx(credit / 28)
        assert scores["recall"] == pytest.approx(credit / 24)
        p, r = scores["precision"], scores["recall"]
        assert scores["f"] == pytest.approx(2 * p * r / (p + r))


def test_nothing_to_pair():
    assert match(set(), {(0, 1, "A")}) == []
    assert scheme_of(Outcomes(), "strict")["f"] is None
    assert scheme_of(Outcomes(spurious=1), "strict")["recall"] is None
    assert scheme_of(Outcomes(spurious=1), "strict")["precision"] == 0.0


def test_touching_spans_do_not_overlap():
    for gold, predicted in itertools.permutations(({(0, 2, "A")}, {(2, 4, "A")})):
        assert match(gold, predicted) == []
