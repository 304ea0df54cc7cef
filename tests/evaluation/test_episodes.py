"""Few-shot episodes are drawn as they are asked for, or it is said why not."""

from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spacy_contrastive_ner.evaluation.episodes import (
    Request,
    count_in,
    draw_documents,
    draw_episodes,
    find_labels,
)

LABELS = "ABCDE"
DOCUMENT = st.dictionaries(st.sampled_from(LABELS), st.integers(1, 4), max_size=3)


def mentions(counts, documents):
    """The naive version: all mentions one after the other."""
    return Counter(label for i in documents for label, n in counts[i].items() for _ in range(n))


def has_enough(counts, documents, labels, n):
    return all(mentions(counts, documents)[label] >= n for label in labels)


def is_minimal(counts, documents, labels, n):
    return not any(
        has_enough(counts, [j for j in documents if j != i], labels, n) for i in documents
    )


@given(
    st.lists(DOCUMENT, min_size=10, max_size=40),
    st.builds(Request, st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)),
    st.integers(0, 99),
)
def test_episodes_are_what_was_asked_for(counts, request, seed):
    total = mentions(counts, range(len(counts)))
    try:
        episodes = draw_episodes(counts, 3, request, seed)
    except ValueError as error:
        # One sentence with a number for the label that lacks, and a way out.
        assert "Ask for less" in str(error)
        return
    for labels, support, queries in episodes:
        assert len(set(labels)) == len(labels) == request.ways and sorted(labels) == labels
        assert sorted(set(support)) == support and sorted(set(queries)) == queries
        assert not set(support) & set(queries)
        for documents, n in ((support, request.shots), (queries, request.queries)):
            assert has_enough(counts, documents, labels, n)
            assert is_minimal(counts, documents, labels, n)
            got = {label: count_in(counts, documents, label) for label in labels}
            assert got == {label: mentions(counts, documents)[label] for label in labels}
        assert all(total[label] >= request.shots + request.queries for label in labels)


@given(st.lists(DOCUMENT, min_size=10, max_size=40), st.integers(0, 99))
def test_the_first_of_many_are_those_of_few(counts, seed):
    request = Request(2, 1, 2)
    try:
        many = draw_episodes(counts, 6, request, seed)
    except ValueError:
        assume(False)
    assert draw_episodes(counts, 2, request, seed) == many[:2]


def test_seeds_and_numbers_draw_others():
    counts = [{LABELS[i % 5]: 1} for i in range(200)]
    request = Request(3, 2, 2)
    first, other = (draw_episodes(counts, 5, request, seed) for seed in (0, 1))
    assert first == draw_episodes(counts, 5, request, 0)
    assert not {tuple(e.support) for e in first} & {tuple(e.support) for e in other}
    assert len({tuple(e.support) for e in first}) == 5
    drawn = Counter(label for e in draw_episodes(counts, 200, request) for label in e.labels)
    # Each in 3 of 5: 120, give or take four standard deviations.
    assert set(drawn) == set(LABELS) and all(92 < n < 148 for n in drawn.values())


@given(st.integers(1, 5), st.data())
def test_no_more_than_twice_as_many(n, data):
    """What brings at most one mention too many never brings more than twice those asked for."""
    crowd = st.tuples(st.sampled_from("AB"), st.integers(1, n + 1))
    counts = [{label: k} for label, k in data.draw(st.lists(crowd, min_size=20, max_size=40))]
    taken = draw_documents(counts, range(len(counts)), "AB", n)
    assume(taken is not None)
    got = mentions(counts, taken)
    assert n <= min(got["A"], got["B"]) and max(got.values()) <= 2 * n


def test_crowds_are_passed_over_if_they_can_be():
    counts = [{"A": 9}, {"A": 5, "B": 1}, {"B": 2}, {"A": 2}, {"A": 1, "B": 1}]
    assert sorted(draw_documents(counts, range(5), "AB", 2)) == [2, 3]
    # There is no other way: the smallest crowd.
    assert draw_documents(counts[:2], range(2), "A", 2) == [1]
    assert draw_documents(counts[:2], range(2), "AB", 2) is None
    # A document that is not needed any more is left out.
    assert draw_documents([{"A": 1}, {"A": 2}], range(2), "A", 2) == [1]
    assert draw_documents([{"A": 1}, {"A": 1, "B": 1}, {"B": 5}], range(3), "AB", 1) == [1]


def test_other_orders_are_tried_if_one_leads_to_crowds():
    """After the first document each other one with A leads to more than four of B."""
    counts = [{"A": 1, "B": 4}, *[{"A": 1, "B": 1}] * 6]
    crowded = draw_documents(counts, range(7), "AB", 2)
    assert count_in(counts, crowded, "B") == 5
    for episode in draw_episodes(counts, 30, Request(2, 2, 2)):
        for documents in (episode.support, episode.queries):
            assert count_in(counts, documents, "B") <= 4


def test_something_is_left_for_queries():
    counts = [{"A": 3}, {"A": 1}, {"A": 1}]
    for seed in range(20):
        (episode,) = draw_episodes(counts, 1, Request(1, 2, 3), seed)
        assert episode == (["A"], [1, 2], [0])


def test_what_cannot_be():
    counts = [{"A": 3, "B": 1}, {"A": 3, "B": 1}, {"C": 9}]
    assert find_labels(counts, Request(1, 2, 2)) == ["A"]
    with pytest.raises(ValueError) as error:
        find_labels(counts, Request(2, 2, 3))
    assert str(error.value) == (
        "--ways 2 asks for so many labels with 5 mentions (2 for --shots, 3 for --queries) in two "
        "documents or more, but there are 1: 'A'; 'C' has 9 in 1 document, 'B' has 2 in 2 documents. "
        "Ask for less, or cut long documents."
    )
    with pytest.raises(ValueError, match="but there are 0; there are no others"):
        find_labels([{}], Request(1, 1, 1))
    with pytest.raises(ValueError, match=r"'A' has 6 mentions in 2 documents\. Ask for less"):
        draw_episodes([{"A": 3}, {"A": 3}], 1, Request(1, 2, 4))
    with pytest.raises(ValueError, match="--shots is 0, but must be at least 1"):
        draw_episodes(counts, 1, Request(1, 0, 1))
    with pytest.raises(ValueError, match="--episodes is 0"):
        draw_episodes(counts, 0, Request(1, 1, 1))


def test_labels_that_are_hard_to_draw_give_way():
    """B is only where A is, all of it in two documents, which cannot be parted."""
    counts = [{"B": 1}, {"B": 5}, *[{label: 1} for label in "AC" for _ in range(9)]]
    for episode in draw_episodes(counts, 10, Request(2, 3, 3)):
        assert episode.labels == ["A", "C"]
