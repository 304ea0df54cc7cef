"""The section about scores and errors."""

import random

import pytest

from spacy_contrastive_ner.evaluation.analysis.errors import errors_of
from spacy_contrastive_ner.evaluation.classes import Training
from spacy_contrastive_ner.evaluation.figures.style import styled
from spacy_contrastive_ner.report.results import percent, results_section

from ..evaluation.made import TEXT, case_of, evaluation_of, random_cases

NAMES = ["overall", "labels", "structure", "lengths", "nesting-depth", "training-data"]
NAMES += ["confusions", "error-kinds", "nestings", "errors"]


def cases_of(labels="ABC"):
    return random_cases(random.Random(0), labels, 10)


def training_of():
    training = Training()
    training.add(TEXT, {(0, 6, "A")})
    return training


def panels_of(scores, cases, training=None):
    section = results_section(scores, cases, training)
    assert section.name == "results"
    assert [panel.name for panel in section.panels] == NAMES
    return {panel.name: panel for panel in section.panels}


def absent(panels):
    return {name for name, panel in panels.items() if panel.absent}


def test_all_of_it():
    cases, training = cases_of(), training_of()
    scores = evaluation_of(cases, training).as_dict()
    panels = panels_of(scores, cases, training)
    assert absent(panels) == set()
    names = [table.name for panel in panels.values() for table in panel.tables]
    assert len(names) == len(set(names)) and "sentence-length" not in names
    for panel in panels.values():
        assert panel.text and panel.tables and "  " not in panel.text
        # What is drawn is told in words, too; what is not drawn is a table on the page.
        assert bool(panel.draw) == bool(panel.alt) == (not panel.show)
        if panel.draw:
            with styled():
                assert panel.draw().axes
    for label, score in scores["labels"].items():
        assert f"{label}: {percent(score['f'])}" in panels["labels"].alt
    errors = errors_of(cases, training)
    assert panels["errors"].tables[0] == errors.errors
    missed = sum(row[1] == "missed" for row in errors.errors.rows)
    assert f"missed {missed}," in panels["error-kinds"].alt
    assert f"Of {sum(errors.nestings.column('pairs'))} nested pairs" in panels["nestings"].alt
    assert "Sentences are not known" in panels["lengths"].text


def test_nothing_is_computed_again():
    """What is shown of scores is what was written, whatever the documents are."""
    cases = cases_of()
    scores = evaluation_of(cases).as_dict()
    panels = panels_of(scores, [])
    assert absent(panels) == {"training-data", "confusions", "error-kinds", "nestings", "errors"}
    assert panels["labels"].tables[0].column("f") == [s["f"] for s in scores["labels"].values()]
    assert "--train" in panels["training-data"].absent


def test_older_evaluations():
    cases, training = cases_of(), training_of()
    scores = evaluation_of(cases, training).as_dict()
    del scores["nesting_depth"], scores["training_frequency"]
    panels = panels_of(scores, cases, training)
    assert absent(panels) == {"nesting-depth"}
    assert "earlier version" in panels["nesting-depth"].absent
    assert [table.name for table in panels["training-data"].tables] == ["surface"]
    assert "earlier version" in panels["training-data"].text
    scores["surface"] = None
    panels = panels_of(scores, cases)
    assert "--train" in panels["training-data"].absent


def test_nothing_wrong():
    gold = [(0, 2, "A"), (4, 6, "B")]
    case = case_of(gold, gold)
    panels = panels_of(evaluation_of([case]).as_dict(), [case])
    assert panels["error-kinds"].absent == panels["errors"].absent == "There are no errors."
    assert panels["nestings"].absent and "Most often confused: none" in panels["confusions"].alt


def test_nothing_at_all():
    case = case_of([], [])
    panels = panels_of(evaluation_of([case]).as_dict(), [case])
    assert absent(panels) == set(NAMES)


def test_what_is_not_drawn_is_said():
    cases = random_cases(random.Random(0), [f"L{i}" for i in range(70)], 80)
    panels = panels_of(evaluation_of(cases).as_dict(), cases)
    for name in ("labels", "confusions", "error-kinds", "nestings"):
        assert " are drawn" in panels[name].text
    assert panels["labels"].alt.endswith(", ....")


@pytest.mark.parametrize(
    "value, text", [(None, "-"), (0.8735, "87.4 %"), (0.0, "0.0 %"), (1, "100.0 %")]
)
def test_percent(value, text):
    assert percent(value) == text
