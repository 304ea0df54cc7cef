"""The section about two models."""

import random

import pytest

from spacy_contrastive_ner.evaluation.analysis.gains import gains_of
from spacy_contrastive_ner.evaluation.figures.style import styled
from spacy_contrastive_ner.report.gains import MOST_NAME, gains_section, told_apart
from spacy_contrastive_ner.report.results import percent

from ..evaluation.made import case_of, random_cases, study_of

NAMES = ["gains-f", "gains-labels", "gains-documents", "losses-documents"]


def two_studies(labels="ABC"):
    rng = random.Random(0)
    cases = random_cases(rng, labels, 12)
    sides = [
        [c._replace(predicted=[e for e in c.predicted if rng.random() < 0.7]) for c in cases]
        for _ in range(2)
    ]
    return [study_of(some) for some in sides]


def panels_of(before, after):
    section = gains_section(before, after, ("old", "new"), seed=1, draws=100)
    assert section.name == "gains"
    return section, {panel.name: panel for panel in section.panels}


def test_all_of_it():
    before, after = two_studies()
    section, panels = panels_of(before, after)
    assert list(panels) == NAMES and not any(panel.absent for panel in panels.values())
    assert "What new gets right that old does not" in section.text
    found = gains_of(before, after, ("old", "new"), 1, 100)
    assert (
        panels["gains-f"].tables == [found.overall, found.labels] and panels["gains-f"].show == -1
    )
    assert panels["gains-labels"].tables == [found.labels]
    f = [study.evaluation.as_dict()["micro"]["f"] for study in (before, after)]
    assert f"{percent(f[0])} before, {percent(f[1])} after" in panels["gains-f"].alt
    gained = sum(found.labels.column("gained"))
    assert panels["gains-labels"].alt.startswith(f"{gained} gold spans were gained")
    better, worse = (panels[name].tables[0].column("change") for name in NAMES[2:])
    assert better and better == sorted(better, reverse=True) and better[-1] > 0
    assert worse and worse == sorted(worse) and worse[-1] < 0
    assert found.documents in panels["gains-documents"].tables
    assert any("one run" in line for line in panels["gains-f"].text.split("\n"))
    for panel in panels.values():
        if panel.draw:
            with styled():
                assert panel.draw().axes


def test_the_same_model_twice():
    study = two_studies()[0]
    _, panels = panels_of(study, study)
    assert [name for name in NAMES if panels[name].absent] == NAMES[1:]
    assert "perhaps due to chance" in panels["gains-f"].alt


def test_no_gold():
    study = study_of([case_of([], [(0, 1, "A")])])
    _, panels = panels_of(study, study)
    assert list(panels) == ["gains-f"] and panels["gains-f"].absent


@pytest.mark.parametrize(
    "names, wanted",
    [
        (("old", "new"), ("old", "new")),
        (("training/a/model-best", "training/b/model-best"), ("a/model-best", "b/model-best")),
        ((f"/{'x' * 40}/old", f"/{'x' * 40}/new"), ("old", "new")),
        ((f"/r/a/{'y' * 40}/model", f"/r/b/{'y' * 40}/model"), ("a", "b")),
        (("x" * 40 + "1", "x" * 40 + "2"), ("before", "after")),
        (("same/model", "same/model"), ("model", "model")),
    ],
)
def test_names_of_models_are_told_apart(names, wanted):
    found = told_apart(*names)
    assert found == wanted and all(len(name) <= MOST_NAME for name in found)


def test_the_numbers_behind_the_figure_are_there_though_no_gold_was_gained():
    first = study_of([case_of([(0, 1, "A")], [(0, 1, "A"), (3, 4, "A")])])
    second = study_of([case_of([(0, 1, "A")], [(0, 1, "A")])])
    _, panels = panels_of(first, second)
    assert panels["gains-labels"].absent
    assert [table.name for table in panels["gains-f"].tables] == ["gains-overall", "gains-by-label"]
