"""Calibration, thresholds and scores of right and wrong spans, against loops."""

import math

import numpy
import pytest

from spacy_contrastive_ner.evaluation.analysis.probabilities import (
    best_threshold,
    by_threshold,
    calibration,
    calibration_errors,
    density,
    error_by_chance,
    log2_odds,
    reliability,
    score_differences,
    score_summary,
    scored_spans,
    wilson,
)
from spacy_contrastive_ner.evaluation.analysis.study import study
from spacy_contrastive_ner.evaluation.distributions import holm
from spacy_contrastive_ner.evaluation.predictor import choose_pipe

from ...util import TEXTS, make_pipeline, train
from .random_cases import make_case, make_study
from .test_study import SOURCE, golds_of


@pytest.fixture(scope="module")
def found():
    return make_study(documents=30)


@pytest.fixture(scope="module")
def every(found):
    return scored_spans(found.cases, candidates=True)


def pairs_of(scored):
    names = [scored.names[i] for i in scored.label]
    return list(zip(scored.probability.tolist(), scored.right.tolist(), names))


# What is collected


def test_spans_of_documents():
    gold = [(0, 4, "A"), (5, 9, "B"), (10, 14, "A")]
    scores = {(0, 4, "A"): 0.9, (5, 9, "A"): 0.5}
    candidates = {**scores, (5, 9, "B"): 0.2}
    cases = [make_case("1", gold, scores, candidates), make_case("2", gold[:1], scores, None)]
    predicted, asked = scored_spans(cases), scored_spans(cases, candidates=True)
    wanted = [(0.9, True, "A"), (0.5, False, "A")]
    assert pairs_of(predicted) == [*wanted, *wanted] and predicted.documents == 2
    assert sorted(pairs_of(asked)) == sorted([*wanted, (0.2, True, "B")]) and asked.documents == 1
    assert asked.gold == {"A": 2, "B": 1} and asked.names == ["A", "B"]
    # Nobody thought of the last A.
    assert asked.n_gold == 3 and asked.n_elsewhere == 1
    assert pairs_of(asked.of("B")) == [(0.2, True, "B")] and asked.of("B").n_gold == 1
    assert asked.of("A").n_elsewhere == 1


def test_what_is_unknown_is_left_out():
    scores = {(0, 4, "A"): 0.9, (5, 9, "A"): 0.5, (5, 9, "B"): 0.4, (6, 8, "A"): 0.3}
    case = make_case("1", [(6, 8, "A")], scores, scores, missing=[(5, 9, "A")])
    for candidates in (False, True):
        found = scored_spans([case], candidates=candidates)
        # Gold is gold wherever it is.
        assert sorted(p for p, _, _ in pairs_of(found)) == [0.3, 0.4, 0.9]
        assert found.left_out == 1


def test_what_is_not_annotated_or_no_number():
    scores = {(0, 4, "A"): math.nan, (5, 9, "A"): 1.0000001}
    cases = [make_case("1", [], scores), make_case("2", [], scores, annotated=False)]
    found = scored_spans(cases)
    assert pairs_of(found) == [(1.0, False, "A")] and found.left_out == 1 and found.documents == 1
    assert pairs_of(scored_spans([])) == [] and scored_spans([]).n_gold == 0


# Calibration


def test_wilsons_interval():
    """Its ends are the shares from which what was seen is 1.96 standard errors away."""
    for hits, n in ((0, 5), (3, 7), (50, 100), (9, 9)):
        low, high = wilson(hits, n)
        assert 0.0 <= low <= hits / n <= high <= 1.0
        for end in (low, high):
            if 0.0 < end < 1.0:
                error = math.sqrt(end * (1 - end) / n)
                assert abs(hits / n - end) / error == pytest.approx(1.96, abs=1e-3)
    assert wilson(0, 0) == (0.0, 1.0)


def test_bins_of_equal_width(every):
    rows = reliability(every, 10).records()
    for row in rows:
        inside = [
            (p, right)
            for p, right, _ in pairs_of(every)
            if row["from"] <= p and (p < row["to"] or row["to"] == p == 1.0)
        ]
        assert row["spans"] == len(inside) and row["right"] == sum(r for _, r in inside)
        assert row["probability"] == pytest.approx(sum(p for p, _ in inside) / len(inside))
        assert (row["share low"], row["share high"]) == wilson(row["right"], row["spans"])
    assert sum(row["spans"] for row in rows) == len(every.probability)
    assert [row["from"] for row in rows] == pytest.approx([i / 10 for i in range(10)])


def test_bins_of_equal_mass(every):
    rows = reliability(every, 7, "mass").records()
    sizes = [row["spans"] for row in rows]
    assert len(rows) == 7 and max(sizes) - min(sizes) <= 2 and sum(sizes) == len(every.probability)
    assert all(a["to"] < b["from"] for a, b in zip(rows, rows[1:]))


def test_equal_probabilities_share_a_bin():
    case = make_case("1", [], {(i, i + 1, "A"): 0.5 if i < 9 else 0.6 for i in range(10)})
    assert sorted(reliability(scored_spans([case]), 5, "mass").column("spans")) == [1, 9]
    edge = make_case("1", [], {(0, 1, "A"): 1.0, (1, 2, "A"): 0.0})
    assert reliability(scored_spans([edge])).column("from") == [0.0, 0.9]


def test_calibration_error(every):
    gaps, n = [], 0
    for i in range(10):
        some = [
            (p, r)
            for p, r, _ in pairs_of(every)
            if i / 10 <= p < (i + 1) / 10 or p == 1.0 == (i + 1) / 10
        ]
        gaps.append((len(some), abs(sum(p - r for p, r in some)) / len(some)))
        n += len(some)
    expected, greatest = calibration_errors(reliability(every))
    assert expected == pytest.approx(sum(k * gap for k, gap in gaps) / n)
    assert greatest == pytest.approx(max(gap for _, gap in gaps))


def test_calibration_of_all_and_of_each_label(every):
    rows = calibration(every).records()
    assert [row["label"] for row in rows] == ["", *every.names] and rows[0]["of"] == "all labels"
    brier = [(p - right) ** 2 for p, right, _ in pairs_of(every)]
    assert rows[0]["Brier score"] == pytest.approx(sum(brier) / len(brier))
    assert sum(row["spans"] for row in rows[1:]) == rows[0]["spans"]
    assert sum(row["gold in no bin"] for row in rows[1:]) == rows[0]["gold in no bin"]


def test_true_probabilities_err_by_chance_only():
    """As much as is foretold; wrong ones err more."""
    errors = []
    for seed in range(10):
        scored = scored_spans(make_study(seed=seed).cases, candidates=True)
        errors.append(calibration_errors(reliability(scored))[0])
    foretold = error_by_chance(scored)
    assert foretold == pytest.approx(sum(errors) / 10, rel=0.25)
    sure = scored._replace(probability=numpy.sqrt(scored.probability))
    assert calibration_errors(reliability(sure))[0] > 2 * foretold
    assert error_by_chance(scored) == foretold != error_by_chance(scored, seed=1)


def test_nothing_to_calibrate():
    none = scored_spans([])
    for equal in ("width", "mass"):
        assert reliability(none, 10, equal).rows == []
    assert calibration_errors(reliability(none)) == (None, None) and error_by_chance(none) is None
    assert calibration(none).rows[0][4:] == [0] + [None] * 7
    with pytest.raises(ValueError, match="width"):
        reliability(none, 10, "size")


# Thresholds


def test_thresholds(every):
    for row in by_threshold(every, 0.355).records():
        kept = [right for p, right, _ in pairs_of(every) if p >= row["threshold"]]
        assert (row["predicted"], row["right"]) == (len(kept), sum(kept))
        assert row["precision"] == (sum(kept) / len(kept) if kept else None)
        assert row["recall"] == pytest.approx(sum(kept) / every.n_gold)
        assert row["F"] == pytest.approx(2 * sum(kept) / (len(kept) + every.n_gold))


def test_the_threshold_of_the_pipe_is_tried_once(every):
    plain = by_threshold(every).column("threshold")
    assert len(plain) == 99 and plain[0] == 0.01
    # JSON does not keep the last bit.
    assert len(by_threshold(every, 0.35000000000000003).rows) == 99
    assert by_threshold(every, 0.355).column("threshold").count(0.355) == 1
    for less in (0.0, 0.01):
        assert by_threshold(every, less).column("threshold") == plain


def test_a_probability_at_the_threshold_is_enough():
    """As with decoders, whose probabilities are in single precision: 0.35 is a bit less there."""
    p = float(numpy.float32(0.35))
    assert p < 0.35
    scored = scored_spans([make_case("1", [], {(0, 1, "A"): p})])
    counts = {row["threshold"]: row["predicted"] for row in by_threshold(scored).records()}
    assert (counts[0.34], counts[0.35], counts[0.36]) == (1, 1, 0)


def test_the_best_threshold(every):
    table = by_threshold(every)
    best = best_threshold(table)
    assert best["F"] == max(table.column("F"))
    assert best["threshold"] == min(r["threshold"] for r in table.records() if r["F"] == best["F"])
    assert best_threshold(by_threshold(scored_spans([]))) is None


def test_at_its_threshold_the_scores_are_those_of_the_model():
    nlp = make_pipeline()
    train(nlp, steps=15)
    texts = [*TEXTS, ("Anna resigned", [(0, 1, "GPE"), (1, 2, "PER")])]
    found = study(nlp, golds_of(nlp, texts), choose_pipe(nlp), SOURCE)
    scored = scored_spans(found.cases, candidates=True)
    table = by_threshold(scored, found.threshold)
    (row,) = [r for r in table.records() if r["threshold"] == found.threshold]
    wanted = found.evaluation.as_dict()["micro"]
    assert 0 < wanted["found"] < wanted["support"]
    assert (row["predicted"], row["right"], row["gold"]) == (
        wanted["predicted"],
        wanted["found"],
        wanted["support"],
    )
    assert row["F"] == pytest.approx(wanted["f"])


# Right and wrong predictions


@pytest.mark.parametrize("low", [0.0, 0.35])
@pytest.mark.parametrize(
    "values", [[1.0], [0.4, 1.0], [0.99] * 50, [0.35, 0.36, 0.5, 0.9, 1.0] * 3]
)
def test_no_probability_leaks(low, values):
    grid, height = density(numpy.array(values), low)
    assert grid[0] == low and grid[-1] == 1.0 and (height >= 0).all()
    integral = ((height[1:] + height[:-1]) / 2 * numpy.diff(grid)).sum()
    assert integral == pytest.approx(1.0, abs=1e-3)


def test_density_is_high_where_values_are():
    rng = numpy.random.default_rng(0)
    for low in (0.0, 0.4):
        # Also at the ends, from where kernels alone would have half of it elsewhere.
        _, height = density(rng.uniform(low, 1, 4000), low)
        assert numpy.abs(height * (1 - low) - 1).max() < 0.15
    grid, height = density(rng.normal(0.5, 0.1, 4000))
    true = numpy.exp(-0.5 * ((grid - 0.5) / 0.1) ** 2) / (0.1 * math.sqrt(2 * math.pi))
    assert numpy.abs(height - true).max() < 0.1 * true.max()
    assert density(numpy.zeros(0))[1].sum() == 0.0


def test_summary_of_scores(found):
    scored = scored_spans(found.cases)
    rows = score_summary(scored).records()
    assert len(rows) == 2 * (1 + len(scored.names))
    for row in rows:
        wanted = sorted(
            p
            for p, right, label in pairs_of(scored)
            if right == (row["predictions"] == "right") and row["label"] in ("", label)
        )
        assert row["spans"] == len(wanted)
        assert (row["least"], row["greatest"]) == (wanted[0], wanted[-1])
        assert row["median"] == pytest.approx(numpy.median(wanted))
    wrong = score_summary(scored_spans([make_case("1", [(0, 1, "A")], {(0, 1, "A"): 0.5})])).rows[1]
    assert wrong == ["all labels", "", "wrong", 0] + [None] * 5


def test_odds():
    assert log2_odds(numpy.array([0.5, 2 / 3, 0.2])).tolist() == pytest.approx([0.0, 1.0, -2.0])
    assert log2_odds(numpy.array([0.0, 1.0])).tolist() == pytest.approx([-9.9644, 9.9644], abs=1e-3)


def label_with(label, right, wrong, at):
    """Predictions of a label with these probabilities."""
    places = [(at + i, at + i + 1, label) for i in range(len(right) + len(wrong))]
    return places[: len(right)], dict(zip(places, [*right, *wrong]))


def test_verdicts():
    high, low = [0.9 + i / 1000 for i in range(9)], [0.4 + i / 1000 for i in range(9)]
    parts = [
        label_with("GOOD", high, low, 0),
        label_with("BAD", low, high, 100),
        label_with("SAME", high[::2], high[1::2], 200),
        label_with("FEW", high, low[:1], 300),
        label_with("SURE", high, [], 400),
        # Told apart, but by nothing worth speaking of.
        label_with("CLOSE", [p + 0.01 for p in high], high, 500),
    ]
    scores = {span: p for _, some in parts for span, p in some.items()}
    case = make_case("1", [*(s for gold, _ in parts for s in gold), (0, 2, "NEVER")], scores)
    rows = {row["label"]: row for row in score_differences(scored_spans([case])).records()}
    verdicts = {label: row["verdict"] for label, row in rows.items()}
    assert verdicts == {
        "GOOD": "higher",
        "BAD": "lower",
        "SAME": "neither",
        "CLOSE": "neither",
        "FEW": "too few",
        "SURE": "too few",
    }
    tested = ["GOOD", "BAD", "SAME", "CLOSE"]
    corrected = holm([rows[label]["p"] for label in tested])
    assert [rows[label]["p Holm"] for label in tested] == pytest.approx(corrected)
    assert rows["FEW"]["p"] is not None and rows["FEW"]["p Holm"] is None
    assert rows["CLOSE"]["p Holm"] < 0.05 and 0 < rows["CLOSE"]["difference"] < 1
    good = rows["GOOD"]
    wanted = [
        numpy.log2(numpy.array(side) / (1 - numpy.array(side))).mean() for side in (high, low)
    ]
    assert good["difference"] == pytest.approx(wanted[0] - wanted[1]) and good["AUC"] == 1.0
    assert rows["BAD"]["difference"] == pytest.approx(-good["difference"])
    assert (rows["SURE"]["difference"], rows["SURE"]["p"]) == (None, None)
