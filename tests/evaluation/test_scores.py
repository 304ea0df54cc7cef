"""Precision, recall, F, means over labels, and the scores of RuNNE."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_contrastive_ner.evaluation.scores import (
    Score,
    by_label,
    macro,
    micro,
    of_group,
    runne,
    tally,
)

from .random_mentions import mentions


def test_score():
    score = Score(support=4, predicted=5, found=2, right=1)
    assert (score.precision, score.recall) == (0.2, 0.5)
    assert score.f == pytest.approx(2 * 0.2 * 0.5 / 0.7)
    assert score.as_dict() == {
        "precision": 0.2,
        "recall": 0.5,
        "f": score.f,
        "support": 4,
        "predicted": 5,
        "found": 2,
        "right": 1,
    }


def test_what_is_not_defined():
    assert (Score().precision, Score().recall, Score().f) == (None, None, None)
    only_gold, only_predicted = Score(support=1), Score(predicted=1)
    assert (only_gold.precision, only_gold.recall, only_gold.f) == (None, 0.0, 0.0)
    assert (only_predicted.precision, only_predicted.recall, only_predicted.f) == (0.0, None, 0.0)
    assert Score(1, 1, 0, 0).f == 0.0
    assert Score(2, 0, 1, 0).f == 0.0


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_f_is_the_harmonic_mean(tp, fp, fn):
    score = Score(tp + fn, tp + fp, tp, tp)
    if tp:
        p, r = tp / (tp + fp), tp / (tp + fn)
        assert score.f == pytest.approx(2 * p * r / (p + r))


@given(mentions(), mentions())
def test_tally(gold, predicted):
    scores = {}
    tally(scores, gold, predicted, lambda side: ((m[2], m) for m in side))
    for label in "AB":
        right = {m for m in gold & predicted if m[2] == label}
        n_gold = sum(m[2] == label for m in gold)
        n_predicted = sum(m[2] == label for m in predicted)
        expected = Score(n_gold, n_predicted, len(right), len(right))
        assert scores.get(label, Score()) == expected
    total = micro(scores.values())
    assert (total.support, total.predicted) == (len(gold), len(predicted))
    assert total.found == total.right == len(gold & predicted)


def test_a_class_that_differs_on_both_sides():
    """Of two gold spans one is small, of two predictions both are; one is on both sides."""
    scores = {}
    gold, predicted = {(0, 9), (3, 4)}, {(3, 4), (5, 6)}
    tally(scores, gold, predicted, lambda side: (("small", s) for s in side if s[1] - s[0] < 5))
    assert scores == {"small": Score(1, 2, 1, 1)}


LABELS = {
    "A": Score(10, 8, 6, 6),
    "B": Score(2, 0, 0, 0),
    "C": Score(0, 3, 0, 0),
    "D": Score(1, 1, 1, 1),
}


def test_macro_leaves_out_labels_without_gold():
    means = macro(LABELS.values())
    assert means["labels"] == 3
    assert means["precision"] == pytest.approx((0.75 + 0 + 1) / 3)
    assert means["recall"] == pytest.approx((0.6 + 0 + 1) / 3)
    assert means["f"] == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert macro([]) == {"precision": None, "recall": None, "f": None, "labels": 0}


def test_by_label_has_the_most_frequent_first():
    found = by_label(LABELS)
    assert list(found["labels"]) == ["A", "B", "D", "C"]
    assert found["micro"]["support"] == 13 and found["micro"]["predicted"] == 12


def test_groups():
    found = of_group(LABELS, {"B", "C", "nowhere"})
    assert found["micro"]["support"] == 2 and found["micro"]["predicted"] == 3
    assert found["macro"]["labels"] == 1


def official(counts, few_shot):
    """The shared task's rule: F is 0 without true positives; main labels need gold."""

    def f1(tp, fp, fn):
        return 0.0 if tp == 0 else 2 * tp / (2 * tp + fp + fn)

    main = [f1(*c) for label, c in counts.items() if label not in few_shot and c[0] + c[2] > 0]
    few = sum(f1(*counts.get(label, (0, 0, 0))) for label in few_shot) / len(few_shot)
    return sum(main) / len(main) if main else None, few


@given(
    st.dictionaries(
        st.sampled_from("ABCDE"), st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=5
    ),
    st.sets(st.sampled_from("ABCDEF"), min_size=1),
)
def test_runne(counts, few_shot):
    scores = {label: Score(tp + fn, tp + fp, tp, tp) for label, (tp, fp, fn) in counts.items()}
    found = runne(scores, sorted(few_shot))
    main, few = official(counts, few_shot)
    assert found["main"] == (None if main is None else pytest.approx(main))
    assert found["few_shot"] == pytest.approx(few)
