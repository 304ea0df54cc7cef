import json

import numpy
import pytest

from spacy_contrastive_ner.evaluation.predictor import choose_pipe
from spacy_contrastive_ner.report import space as module
from spacy_contrastive_ner.report.space import space_section

from ..evaluation.analysis.made import make_case, make_cases
from ..evaluation.analysis.spaces_made import make_space
from ..util import make_pipeline, train

PANELS = ["map", "positions", "right", "silhouettes", "neighbours", "extent"]


@pytest.fixture(scope="module")
def nlp():
    nlp = make_pipeline()
    train(nlp, steps=5)
    return nlp


@pytest.fixture
def with_space(nlp, monkeypatch):
    """The section of made vectors."""
    from spacy_contrastive_ner.evaluation.analysis import projections

    monkeypatch.setattr(projections, "methods", lambda: ["pca"])

    def section(cases=None, states=("before", "stage1", "stage2"), **kwargs):
        cases, space = make_space(cases, states)
        monkeypatch.setattr(module, "look_into", lambda *args, **kwargs: space)
        return space_section(nlp, choose_pipe(nlp), cases, **kwargs)

    return section


def panel_of(section, name):
    return next(panel for panel in section.panels if panel.name == f"space-{name}")


def test_all_panels(with_space):
    section = with_space(stage1="somewhere")
    assert (section.name, section.title) == ("space", "Space")
    assert [panel.name for panel in section.panels] == [f"space-{name}" for name in PANELS]
    for panel in section.panels:
        assert panel.title and panel.text and panel.alt and panel.draw and panel.tables
        assert not panel.absent
    names = {table.name for panel in section.panels for table in panel.tables}
    assert names == {
        *("space-points", "space-silhouettes", "space-silhouettes-tests"),
        *("space-purity", "space-purity-tests", "space-measures"),
    }
    assert "36 of the 36 entities of the gold" in section.text
    assert "from 12 of 12 documents" in section.text
    assert "After stage 1: with the weights in somewhere" in section.text


def test_figures_can_be_drawn(with_space):
    pytest.importorskip("matplotlib")
    from spacy_contrastive_ner.evaluation.figures.style import as_svg, styled

    for panel in with_space().panels:
        with styled():
            assert as_svg(panel.draw(), panel.name).startswith("<?xml")


def test_the_data_of_the_page(with_space):
    section = with_space()
    cases, space = make_space()
    data = panel_of(section, "map").data
    assert json.loads(json.dumps(data, allow_nan=False))["kind"] == "scatter"
    assert data["states"] == [
        {"name": "before", "title": "Before training"},
        {"name": "stage1", "title": "After stage 1"},
        {"name": "stage2", "title": "After stage 2"},
    ]
    assert data["projections"] == [{"name": "pca", "title": "PCA"}]
    assert data["labels"] == ["GPE", "ORG", "PER"]
    points = data["points"]
    n = len(points["label"])
    assert {len(values) for values in points.values()} == {n}
    i = points["text"].index("Ministry of Health of France")
    told = {name: values[i] for name, values in points.items()}
    assert told == {
        "label": 1,
        "kind": "entity",
        "position": "",
        "right": False,
        "text": "Ministry of Health of France",
        "context": ["the", "thanked Anna"],
        "document": 0,
        "id": "document 0",
    }
    outside = [j for j in range(n) if points["label"][j] < 0]
    assert {points["kind"][j] for j in outside} == {"token"}
    assert {points["position"][j] for j in outside} == {"O"}
    table = panel_of(section, "map").tables[0]
    for state in space.vectors:
        xs, ys = data["xy"][state]["pca"]
        assert xs == pytest.approx(table.column(f"{state}-pca-x"), abs=6e-4)
        assert ys == pytest.approx(table.column(f"{state}-pca-y"), abs=6e-4)
        assert max(map(abs, xs + ys)) == 1.0
        assert all(value == round(value, 3) for value in xs + ys)
        assert 0 < sum(data["axes"][state]["pca"]) <= 1


def test_long_texts_are_cut_on_the_page_only(with_space):
    long = "x" * 5000
    section = with_space([make_case(f"{long} y", [(0, 5000, "A")], name=long)])
    panel = panel_of(section, "map")
    assert max(map(len, panel.data["points"]["text"])) <= 120
    assert max(map(len, panel.data["points"]["id"])) <= 120
    assert panel.tables[0].records()[0]["text"] == long


def test_words_about_what_changed(with_space):
    section = with_space()
    table = panel_of(section, "silhouettes").tables[0]
    change = numpy.mean(numpy.subtract(table.column("stage2"), table.column("before")))
    text = panel_of(section, "silhouettes").text
    assert (
        f"From before training to after stage 2, 3 of 3 labels rise and 0 fall, by {change:+.3f}"
        in text
    )
    # Three labels are too few to tell.
    assert text.count("too few labels differ for a test") == 3 and "Wilcoxon" not in text


def test_words_about_a_test_that_can_tell(with_space):
    labels = [make_case(f"a b L{i}", [(0, 1, f"L{i}"), (2, 3, f"L{i}")]) for i in range(9)]
    section = with_space([*labels, *labels], ("before", "stage2"))
    record = panel_of(section, "neighbours").tables[1].records()[0]
    text = panel_of(section, "neighbours").text
    assert record["can_tell"] and f"(p = {record['p']:.3f}" in text
    assert "Wilcoxon's signed ranks" in text


def test_without_gold(with_space):
    section = with_space([make_case("x y", None, [(0, 1, "A")]), make_case("x y", None)])
    assert "1 of the 1 entities that were predicted, as there is no gold" in section.text
    assert "no gold" in panel_of(section, "right").absent
    assert set(panel_of(section, "map").data["points"]["right"]) == {None}


def test_one_label_has_no_silhouette(with_space):
    section = with_space([make_case("x y", [(0, 1, "A")]), make_case("x y", [(0, 1, "A")])])
    assert "two labels" in panel_of(section, "silhouettes").absent
    assert not panel_of(section, "neighbours").absent
    assert "in other documents" in panel_of(section, "neighbours").text
    assert "unknown" in panel_of(section, "map").alt


def test_one_document(with_space):
    section = with_space([make_case("x y", [(0, 1, "A"), (2, 3, "B")])])
    assert "in the one document that there is" in panel_of(section, "neighbours").text
    section = with_space([make_case("x", [(0, 1, "A")])])
    assert "takes two entities" in panel_of(section, "neighbours").absent
    # The entity, and its only token, lie on a line.
    assert panel_of(section, "map").data["xy"]["stage2"]["pca"] == [[-1.0, 1.0], [0.0, 0.0]]


def test_a_pipeline_from_beginning_to_end(nlp, tmp_path, with_space, monkeypatch):
    from spacy_contrastive_ner.evaluation.analysis.space import look_into

    cases, steps = make_cases(4), []
    with_space()
    monkeypatch.setattr(module, "look_into", look_into)
    weights = tmp_path / "model-best.bin"
    weights.write_bytes(nlp.get_pipe("contrastive_ner").model.get_ref("tok2vec").to_bytes())
    pipe = choose_pipe(nlp)
    section = space_section(nlp, pipe, cases, on_step=steps.append)
    assert [state["name"] for state in section.panels[0].data["states"]] == ["before", "stage2"]
    assert "left out, as --stage1 names no weights" in section.text
    assert steps[0] == "vectors before training" and steps[-1] == "silhouettes and neighbours"
    again = space_section(nlp, pipe, cases, stage1=weights)
    assert [state["name"] for state in again.panels[0].data["states"]] == [
        "before",
        "stage1",
        "stage2",
    ]
    xy = again.panels[0].data["xy"]
    assert xy["stage1"] == xy["stage2"] and xy["before"] == section.panels[0].data["xy"]["before"]
    with pytest.raises(ValueError, match="nowhere"):
        space_section(nlp, pipe, cases, stage1=tmp_path / "nowhere")


def test_nothing_to_look_at(nlp):
    section = space_section(nlp, choose_pipe(nlp), [make_case("x", [])])
    assert [panel.name for panel in section.panels] == ["space-map"]
    assert "no entities" in section.panels[0].absent


def test_a_pipe_without_an_encoder(nlp):
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "A", "pattern": "x"}])
    pipe = choose_pipe(nlp, "entity_ruler")
    section = space_section(nlp, pipe, make_cases(2))
    nlp.remove_pipe("entity_ruler")
    assert "has no encoder" in section.panels[0].absent


def test_notes_are_told(with_space, monkeypatch):
    section = with_space(states=("stage2",))
    assert "Before training:" not in section.text
    cases, space = make_space()
    space.notes.append("Something could not be had.")
    monkeypatch.setattr(module, "look_into", lambda *args, **kwargs: space)
    section = space_section(make_pipeline(), choose_pipe(make_pipeline()), cases)
    assert "Something could not be had." in section.text
