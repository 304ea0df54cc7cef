"""Places by the probabilities of all labels."""

import numpy
import pytest

from spacy_contrastive_ner.evaluation.analysis.outputs import label_outputs
from spacy_contrastive_ner.evaluation.analysis.projections import principal

from .random_cases import make_case, make_study


@pytest.mark.parametrize("seed", range(3))
def test_projection(seed):
    rng = numpy.random.default_rng(seed)
    rows = rng.normal(size=(40, 5)) * [5, 1, 3, 1, 1] + 7
    points, directions, shares = principal(rows)
    u, s, v = numpy.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    assert numpy.abs(points) == pytest.approx(numpy.abs(u[:, :2] * s[:2]))
    assert numpy.abs(directions) == pytest.approx(numpy.abs(v[:2]))
    assert shares == pytest.approx(s[:2] ** 2 / (s**2).sum())
    assert points == pytest.approx((rows - rows.mean(axis=0)) @ directions.T)
    # Whatever the sign that the library gives.
    largest = numpy.abs(directions).argmax(axis=1)
    assert (directions[[0, 1], largest] > 0).all()
    assert principal(numpy.ones((5, 3))).shares.tolist() == [0.0, 0.0]


def test_places():
    gold = [
        (0, 4, "A"),
        (0, 4, "B"),
        (5, 9, "C"),
        *((10 * i, 10 * i + 1, "A") for i in range(1, 9)),
    ]
    scores = {(0, 4, "A"): 0.9, (0, 4, "B"): 0.8, (5, 9, "B"): 0.5, (95, 97, "C"): 0.4}
    candidates = {**scores, (5, 9, "C"): 0.1, (98, 99, "C"): 0.1}
    cases = [
        make_case("1", gold, scores, candidates),
        make_case("2", gold, scores, None),
        make_case("3", gold, scores, candidates, annotated=False),
    ]
    outputs = label_outputs(cases)
    rows = {(row["start"], row["end"]): row for row in outputs.points.records()}
    # Neither the second nor the third document, nor what is no more than a candidate.
    assert len(outputs.points.rows) == outputs.places == len(rows) == 11
    assert {row["document"] for row in rows.values()} == {"1"}
    told = {
        place: (row["gold"], row["predicted"], row["label"], row["right"])
        for place, row in rows.items()
    }
    assert told[0, 4] == ("A + B", "A + B", "A", True)
    assert told[5, 9] == ("C", "B", "C", False)
    assert told[95, 97] == ("O", "C", "O", False)
    assert told[10, 11] == ("A", "O", "A", False)
    # The vectors, by hand, in the order of the labels.
    assert outputs.axes.column("label") == ["A", "B", "C"]
    vectors = numpy.zeros((11, 3))
    vectors[list(rows).index((0, 4))] = [0.9, 0.8, 0]
    vectors[list(rows).index((5, 9))] = [0, 0.5, 0.1]
    vectors[list(rows).index((95, 97))] = [0, 0, 0.4]
    points, directions, shares = principal(vectors)
    found = numpy.array([outputs.points.column("x"), outputs.points.column("y")]).T
    assert found == pytest.approx(points)
    assert outputs.shares == tuple(shares.tolist())
    axes = numpy.array([outputs.axes.column("x"), outputs.axes.column("y")])
    assert axes == pytest.approx(directions)


def test_unknown_predictions_are_no_places():
    found = make_study()
    case = found.cases[0]
    (place, *_) = sorted(set(case.scores) - case.gold_spans())
    unknown = case._replace(gold=case.gold._replace(missing=[place]))
    assert label_outputs([case]).places == label_outputs([unknown]).places + 1


def test_some_are_drawn():
    found = make_study(documents=20)
    every, some = label_outputs(found.cases), label_outputs(found.cases, most=30)
    assert every.places == some.places == len(every.points.rows) > 30 == len(some.points.rows)
    places = [row[:3] for row in every.points.rows]
    drawn = [row[:3] for row in some.points.rows]
    assert [place for place in places if place in drawn] == drawn
    assert label_outputs(found.cases, most=30).points == some.points
    assert label_outputs(found.cases, most=30, seed=1).points != some.points


def test_too_little():
    assert label_outputs([]) is None
    assert label_outputs(make_study(labels=("A", "B")).cases) is None
    assert label_outputs(make_study(documents=1, spans=8).cases) is None
