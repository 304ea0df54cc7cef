"""What the report says of probabilities."""

import pytest
import spacy

from spacy_contrastive_ner.evaluation.analysis.study import study
from spacy_contrastive_ner.evaluation.figures.style import as_svg, styled
from spacy_contrastive_ner.evaluation.predictor import choose_pipe
from spacy_contrastive_ner.report.probabilities import probabilities_section

from ..evaluation.analysis.random_cases import make_case, make_study
from ..evaluation.analysis.test_study import SOURCE, golds_of

NAMES = [
    "reliability",
    "reliability-labels",
    "thresholds",
    "scores",
    "score-differences",
    "outputs",
]


@pytest.fixture(scope="module")
def found():
    return make_study(documents=15)


def panels_of(study):
    section = probabilities_section(study)
    assert section.name == "probabilities" and section.title and section.text
    assert [panel.name for panel in section.panels] == NAMES
    panels = {panel.name: panel for panel in section.panels}
    for panel in section.panels:
        assert panel.title and bool(panel.absent) != bool(panel.text and panel.alt and panel.draw)
        tables = [table.name for some in section.panels for table in some.tables]
        assert len(set(tables)) == len(tables)
    return panels


def absent(panels):
    return {name: panel.absent for name, panel in panels.items() if panel.absent}


def told(panel):
    return " ".join(panel.text.split())


def test_everything(found):
    panels = panels_of(found)
    assert absent(panels) == {}
    for panel in panels.values():
        with styled():
            assert "<svg" in as_svg(panel.draw(), panel.name)
    gold = sum(len(case.gold_spans()) for case in found.cases)
    asked = sum(len(case.candidates) for case in found.cases)
    outside = sum(len(case.gold_spans() - set(case.candidates)) for case in found.cases)
    text = told(panels["reliability"])
    assert f"all {asked} spans with a probability of at least 0.01" in text
    assert f"{outside} of {gold} gold spans" in text and "first" not in text
    assert panels["reliability"].show == -1 and f"{asked} spans" in panels["reliability"].alt
    right = sum(len(case.gold_spans() & set(case.scores)) for case in found.cases)
    wrong = sum(len(set(case.scores) - case.gold_spans()) for case in found.cases)
    assert f"{right} right predictions" in panels["scores"].alt
    assert f"{wrong} wrong ones" in panels["scores"].alt


def test_thresholds_are_said(found):
    panel = panels_of(found)["thresholds"]
    rows = panel.tables[0].records()
    best = max(rows, key=lambda row: row["F"])
    (row,) = [row for row in rows if row["threshold"] == 0.35]
    text = told(panel)
    assert f"threshold of the pipe, 0.35, with F {row['F']:.3f}" in text
    assert f"highest F here, {best['F']:.3f} at {best['threshold']:.3g}" in text
    assert "choose a threshold on your dev set" in text and "contrastive tune" in text
    ceiling = rows[0]["recall"]
    assert f"recall ends at {ceiling:.3f}" in text


def test_another_decoder(found):
    text = told(panels_of(found._replace(threshold=None))["thresholds"])
    assert "its decoder is another" in text and "square" not in text


def test_candidates_of_some_documents(found):
    cases = [case._replace(candidates=None) for case in found.cases[5:]]
    panels = panels_of(found._replace(cases=[*found.cases[:5], *cases], n_candidates=5))
    assert "the first 5 of 15 documents" in told(panels["reliability"])
    assert "the first 5 documents" in told(panels["thresholds"])


def test_what_is_unknown_is_counted(found):
    case = found.cases[0]
    (place, *_) = sorted(set(case.candidates) - case.gold_spans())
    unknown = case._replace(gold=case.gold._replace(missing=[place]))
    text = told(panels_of(found._replace(cases=[unknown, *found.cases[1:]]))["reliability"])
    assert "1 more are left out" in text
    assert "left out" not in told(panels_of(found)["reliability"])


def test_only_predicted_spans_are_known(found):
    cases = [case._replace(candidates=None) for case in found.cases]
    panels = panels_of(found._replace(cases=cases, threshold=None, n_candidates=0))
    assert set(absent(panels)) == {"thresholds", "outputs"}
    assert all("pipe of this package" in text for text in absent(panels).values())
    n = sum(len(case.scores) for case in cases)
    assert f"the {n} predicted spans" in told(panels["reliability"])


def test_no_gold(found):
    panels = panels_of(found._replace(cases=[case._replace(gold=None) for case in found.cases]))
    assert set(absent(panels)) == set(NAMES)
    assert all("not annotated" in text for text in absent(panels).values())


def test_nothing_found_in_anything():
    panels = panels_of(make_study()._replace(cases=[make_case("1", [(0, 1, "A")], {}, {})]))
    assert set(absent(panels)) == set(NAMES) and "found no entities" in panels["scores"].absent
    assert set(absent(panels_of(make_study()._replace(cases=[])))) == set(NAMES)


def test_nothing_probable_enough():
    candidates = {(0, 1, "A"): 0.02}
    panels = panels_of(make_study()._replace(cases=[make_case("1", [(0, 1, "A")], {}, candidates)]))
    assert "No predicted span" in panels["scores"].absent and not panels["thresholds"].absent
    assert "one label only" in panels["reliability-labels"].absent


def test_no_gold_entities():
    scores = {(i, i + 1, "AB"[i % 2]): 0.5 for i in range(50)}
    panels = panels_of(make_study()._replace(cases=[make_case("1", [], scores, scores)]))
    assert "no gold entities" in panels["thresholds"].absent
    assert "No label has enough" in panels["score-differences"].absent
    assert panels["score-differences"].tables[0].column("verdict") == ["too few"] * 2
    assert "3 labels" in panels["outputs"].absent


def test_pipes_without_probabilities():
    nlp = spacy.blank("en")
    nlp.add_pipe("span_ruler", config={"spans_key": "sc"}).add_patterns(
        [{"label": "PER", "pattern": "Anna"}]
    )
    panels = panels_of(study(nlp, golds_of(nlp), choose_pipe(nlp), SOURCE))
    assert set(absent(panels)) == set(NAMES) and "no probabilities" in panels["scores"].absent


def test_labels_that_cannot_be_tested_are_named(found):
    extra = make_case("x", [], {(0, 1, "RARE" * 30): 0.9}, {(0, 1, "RARE" * 30): 0.9})
    text = told(panels_of(found._replace(cases=[*found.cases, extra]))["score-differences"])
    assert "for a test have: RARERARE" in text and "RARE" * 30 not in text
    assert "could be tested" in told(panels_of(found)["score-differences"])


def test_same_input_same_words(found):
    assert [p[:3] for p in probabilities_section(found).panels] == [
        p[:3] for p in probabilities_section(found).panels
    ]
