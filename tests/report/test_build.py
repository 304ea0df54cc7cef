"""Which documents are on the page, and how all of it comes together."""

import random

import pytest

from spacy_contrastive_ner.evaluation.analysis.study import Case
from spacy_contrastive_ner.evaluation.evaluate import Annotation
from spacy_contrastive_ner.report import build as module
from spacy_contrastive_ner.report.build import choose_documents, point_to
from spacy_contrastive_ner.report.panels import Panel, Section

ANNA = (((0, 4),), "PER")


def case(text="Anna", gold=(), predicted=()):
    annotation = None if gold is None else Annotation(list(gold), [])
    return Case("x", text, [(0, 4)], None, annotation, list(predicted), {})


RIGHT, WRONG, EMPTY = case(gold=[ANNA], predicted=[ANNA]), case(gold=[ANNA]), case()
UNJUDGED = case(gold=None, predicted=[ANNA])


def test_all_documents_if_there_are_not_too_many():
    assert choose_documents([EMPTY, WRONG, RIGHT], 3) == [0, 1, 2]
    assert choose_documents([], 3) == []


@pytest.mark.parametrize("most, wanted", [(1, [3]), (2, [3, 4]), (3, [1, 3, 4]), (4, [0, 1, 3, 4])])
def test_rather_those_with_errors(most, wanted):
    cases = [EMPTY, RIGHT, EMPTY, WRONG, WRONG]
    assert choose_documents(cases, most) == wanted
    assert choose_documents([EMPTY, UNJUDGED], 1) == [1]


def test_not_more_text_than_a_page_holds(monkeypatch):
    monkeypatch.setattr(module, "MOST_CHARACTERS", 100)
    rng = random.Random(0)
    for _ in range(50):
        sizes = [rng.randrange(1, 60) for _ in range(8)]
        cases = [rng.choice([WRONG, EMPTY])._replace(text="x" * n) for n in sizes]
        chosen = choose_documents(cases, 10)
        assert chosen == sorted(chosen) and 0 < sum(sizes[i] for i in chosen) <= 100
        # What is left out does not fit, or gave way to documents with errors.
        left = set(range(8)) - set(chosen)
        if sum(sizes) <= 100:
            assert not left
    # One document is there, however long.
    assert choose_documents([EMPTY._replace(text="x" * 500)], 10) == [0]


def test_points_lead_to_documents_as_they_are_numbered():
    data = {"kind": "scatter", "points": {"document": [0, 2, 1, 2], "id": list("acbc")}}
    section = Section("space", "Space", "", [Panel("map", "Map", data=data), Panel("x", "X")])
    panels = point_to(section, [0, 2]).panels
    assert panels[0].data["points"] == {"document": [0, 1, None, 1], "id": list("acbc")}
    assert panels[1] == section.panels[1]
    # The panel that was given stays as it was.
    assert data["points"]["document"] == [0, 2, 1, 2]
