"""What is drawn over a document."""

import json
import random

import pytest

from spacy_contrastive_ner.evaluation.analysis.errors import judge
from spacy_contrastive_ner.evaluation.analysis.marks import marks_of
from spacy_contrastive_ner.evaluation.classes import Training

from ..made import TEXT, case_of, random_cases


def test_a_mark():
    training = Training()
    training.add(TEXT, {(0, 6, "PER")})
    gold, predicted = [(0, 6, "ORG"), (1, 4, "GPE")], [(0, 5, "ORG")]
    case = case_of(gold, predicted, scores={(0, 5, "ORG"): 0.75}, candidates={(1, 4, "GPE"): 0.125})
    outer, found, inner = (mark.as_dict() for mark in marks_of(case, training))
    assert outer == {
        "start": 0,
        "end": 6,
        "label": "ORG",
        "side": "gold",
        "kind": "too short",
        "score": None,
        "group": None,
        "nested": False,
        "new": False,
        "partner": [0, 5, "ORG"],
        "label_right": True,
        "change": None,
    }
    assert found["side"] == "predicted" and found["score"] == 0.75 and found["new"] is True
    assert found["partner"] == [0, 6, "ORG"]
    assert inner["kind"] == "missed" and inner["score"] == 0.125 and inner["nested"]
    assert inner["partner"] is None and inner["label_right"] is None
    assert all(mark.new is None for mark in marks_of(case))
    json.dumps([outer, found, inner])


def test_fragments_have_a_number_in_common():
    heart, lung = (((0, 1), (4, 5)), "DIS"), (((2, 3), (4, 5)), "DIS")
    case = case_of([heart, lung, (((6, 7),), "DIS")], [heart])
    marks = marks_of(case)
    groups = {}
    for mark in marks:
        groups.setdefault((mark.side, mark.group), set()).add((mark.start, mark.end))
    assert groups.pop(("gold", None)) == {(6, 7)}
    assert sorted(groups.values(), key=sorted) == [
        {(0, 1), (4, 5)},
        {(0, 1), (4, 5)},
        {(2, 3), (4, 5)},
    ]
    # No number of the gold is one of the predictions.
    assert len({number for _, number in groups}) == 3
    kinds = {(m.side, m.start): m.kind for m in marks}
    assert kinds["gold", 2] == "missed" and kinds["gold", 4] == kinds["predicted", 4] == "right"


def test_duplicates_are_drawn_once():
    assert len(marks_of(case_of([(0, 1, "A"), (0, 1, "A")], []))) == 1


def test_what_is_not_known_is_not_judged():
    case = case_of([(0, 9, "A")], [(0, 9, "A"), (3, 5, "A"), (3, 4, "B")], missing=[(4, 6, "A")])
    kinds = {(m.side, m.start, m.label): (m.kind, m.nested) for m in marks_of(case)}
    assert kinds == {
        ("gold", 0, "A"): ("right", False),
        ("predicted", 0, "A"): ("right", False),
        ("predicted", 3, "A"): ("unjudged", True),
        ("predicted", 3, "B"): ("spurious", True),
    }
    plain = marks_of(case_of(None, [(3, 5, "A")]))
    assert [(m.side, m.kind) for m in plain] == [("predicted", "unjudged")]


@pytest.mark.parametrize("seed", range(3))
def test_marks_are_verdicts(seed):
    for case in random_cases(random.Random(seed), "AB"):
        marks = marks_of(case)
        verdicts = judge(case.gold_spans(), case.predicted_spans())
        told = {(m.side, (m.start, m.end, m.label), m.kind, m.partner) for m in marks}
        assert told == {(v.side, v.span, v.kind, v.partner) for v in verdicts}
        assert [(m.start, -m.end) for m in marks] == sorted((m.start, -m.end) for m in marks)
        assert len(marks) == len(verdicts)


def test_changes():
    gold = [(0, 1, "A"), (2, 3, "A"), (4, 5, "A")]
    before = case_of(gold, [(0, 1, "A"), (2, 3, "A")])
    after = case_of(gold, [(2, 3, "A"), (4, 5, "A"), (6, 7, "A")])
    changes = {(m.side, m.start): m.change for m in marks_of(after, before=before)}
    assert changes == {
        ("gold", 0): "lost",
        ("gold", 2): None,
        ("predicted", 2): None,
        ("gold", 4): "gained",
        ("predicted", 4): "gained",
        ("predicted", 6): None,
    }
