import numpy
import pytest

from spacy_contrastive_ner.evaluation.analysis.points import (
    ENTITY,
    OUTSIDE,
    TOKEN,
    draw_sample,
    stretches,
)

from .made import make_case, make_cases

TEXT = "the Ministry of Health of France thanked Anna"


def told(points):
    return [(p.kind, p.first, p.last, p.label, p.position, p.right) for p in points]


def test_entities_their_tokens_and_those_outside():
    gold = [(4, 22, "ORG"), (26, 32, "GPE"), (26, 32, "LOC")]
    case = make_case(TEXT, gold, [(4, 22, "ORG"), (26, 32, "PER"), (41, 45, "PER")])
    sample = draw_sample([case])
    assert sample.is_gold and sample.n_entities == 3 and sample.n_cases == 1
    assert told(sample.points) == [
        (ENTITY, 1, 4, "ORG", "", True),
        (ENTITY, 5, 6, "GPE", "U", False),
        (ENTITY, 5, 6, "LOC", "U", False),
        (TOKEN, 1, 2, "ORG", "B", True),
        (TOKEN, 2, 3, "ORG", "I", True),
        (TOKEN, 3, 4, "ORG", "L", True),
        (TOKEN, 5, 6, "GPE", "U", False),
        (TOKEN, 5, 6, "LOC", "U", False),
        (OUTSIDE, 0, 1, "", "O", True),
        (OUTSIDE, 4, 5, "", "O", True),
        (OUTSIDE, 6, 7, "", "O", True),
        (OUTSIDE, 7, 8, "", "O", False),
    ]
    assert [TEXT[p.start : p.end] for p in sample.points[:4]] == [
        *("Ministry of Health", "France", "France"),
        "Ministry",
    ]
    assert sample.labels() == ["GPE", "LOC", "ORG"]
    assert sample.where(TOKEN, OUTSIDE).tolist() == list(range(3, 12))
    assert sample.only([0, 8]).count(OUTSIDE) == 1


def test_gold_may_cut_tokens_or_lie_between_them():
    case = make_case(TEXT, [(6, 9, "A"), (3, 4, "B"), (31, 40, "C"), (0, 0, "D")])
    entities = [p for p in draw_sample([case]).points if p.kind == ENTITY]
    assert [(p.label, p.first, p.last) for p in entities] == [("A", 1, 2), ("C", 5, 7)]


def test_what_is_unknown_is_not_outside():
    case = make_case(TEXT, [(26, 32, "GPE")], missing=[(0, 12, ""), (41, 45, "PER")])
    outside = [p.first for p in draw_sample([case]).points if p.kind == OUTSIDE]
    assert outside == [2, 3, 4, 6]


def test_white_space_is_not_outside():
    case = make_case("Anna  left", [(0, 4, "PER")])
    assert case.tokens == [(0, 4), (5, 5), (6, 10)]
    assert [p.first for p in draw_sample([case]).points if p.kind == OUTSIDE] == [2]


def test_without_gold_it_is_what_was_predicted():
    cases = [make_case(TEXT, None, [(26, 32, "GPE")]), make_case("x y", None)]
    sample = draw_sample(cases)
    assert not sample.is_gold and sample.n_cases == 2
    assert {p.right for p in sample.points} == {None}
    assert sample.count(ENTITY) == 1 and sample.count(OUTSIDE) == 7
    # Documents that are not annotated do not count beside others that are.
    sample = draw_sample([*cases, make_case(TEXT, [(41, 45, "PER")], name="b")])
    assert sample.is_gold and sample.n_cases == 1 and sample.cases == [2]


@pytest.mark.parametrize("cases", [[], [make_case("a b", [])], [make_case("a b", None)]])
def test_nothing_to_look_at(cases):
    sample = draw_sample(cases)
    assert not sample.points and not sample.cases


def test_rare_labels_stay_in_a_bounded_sample():
    frequent = [make_case("Anna saw Paris", [(0, 4, "PER")], name=str(i)) for i in range(200)]
    rare = [make_case("Anna saw Paris", [(9, 14, "GPE")], name="rare") for _ in range(3)]
    sample = draw_sample([*frequent, *rare], most=20, most_outside=7)
    counts = dict.fromkeys(("PER", "GPE"), 0)
    for point in sample.points:
        if point.kind == ENTITY:
            counts[point.label] += 1
    assert counts == {"PER": 17, "GPE": 3}
    assert sample.n_entities == 203 and sample.count(OUTSIDE) == 7
    assert len(sample.cases) == 20 and {200, 201, 202} <= set(sample.cases)


def test_documents_of_a_bounded_sample_have_so_many_words():
    cases = [make_case("Anna " * i + "Anna", [(0, 4, "PER")], name=str(i)) for i in range(40)]
    sample = draw_sample(cases, most_words=50)
    assert sum(len(cases[i].tokens) for i in sample.cases) <= 50
    assert len(sample.cases) > 1
    # A document that is too long is taken only if there is no other.
    assert draw_sample([cases[39], cases[0]], most_words=10).cases == [1]
    assert draw_sample([cases[39], cases[30]], most_words=10).cases == [1]


def test_long_entities_give_some_of_their_tokens():
    case = make_case("x " * 999 + "x", [(0, 1999, "LONG")])
    points = draw_sample([case]).points
    assert (points[0].first, points[0].last) == (0, 1000)
    tokens = [p for p in points if p.kind == TOKEN]
    assert len(tokens) == 20
    assert [p.position for p in tokens] == ["B", *"I" * 18, "L"]
    assert (tokens[0].first, tokens[-1].first) == (0, 999)


def test_the_draw_is_seeded():
    cases = make_cases(30)
    first = draw_sample(cases, most=20, most_outside=20)
    assert draw_sample(cases, most=20, most_outside=20) == first
    assert draw_sample(cases, most=20, most_outside=20, seed=1) != first


def test_labels_at_one_place_are_put_together():
    case = make_case(TEXT, [(26, 32, "GPE"), (26, 32, "LOC"), (41, 45, "PER")])
    sample = draw_sample([case, case._replace(id="b")])
    some = [sample.points[i] for i in sample.where(ENTITY)]
    firsts, labels, names = stretches(some)
    assert names == ["GPE", "LOC", "PER"]
    assert firsts.tolist() == [0, 2, 3, 5]
    assert labels.tolist() == [[True, True, False], [False, False, True]] * 2
    firsts, labels, names = stretches([])
    assert firsts.shape == (0,) and labels.shape == (0, 0) and numpy.array_equal(names, [])
