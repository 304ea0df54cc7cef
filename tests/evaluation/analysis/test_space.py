import numpy
import pytest

from spacy_contrastive_ner.evaluation.analysis.points import ENTITY, OUTSIDE, TOKEN
from spacy_contrastive_ner.evaluation.analysis.projections import Projection
from spacy_contrastive_ner.evaluation.analysis.space import (
    choose_shown,
    coordinates,
    look_into,
    measure,
    measures_table,
    only_finite,
    paired_tests,
    project_states,
    purity_table,
    silhouette_table,
)
from spacy_contrastive_ner.evaluation.distributions import wilcoxon
from spacy_contrastive_ner.evaluation.tables import Table
from spacy_contrastive_ner.spaces import effective_rank, normalize, spread

from ...util import make_pipeline, train
from .made import make_case, make_cases
from .spaces_made import entities_of, make_space, many_labels


def cosine_distance(x, y):
    x, y = x.astype("float64"), y.astype("float64")
    return 1 - (x @ y) / numpy.sqrt((x @ x) * (y @ y))


def naive_silhouette(vectors, labels, label):
    """The mean silhouette of a label, entity by entity."""
    scores = []
    for i, own in enumerate(labels):
        if own != label:
            continue
        distances = {}
        for j, other in enumerate(labels):
            if i != j:
                distances.setdefault(other, []).append(cosine_distance(vectors[i], vectors[j]))
        a = numpy.mean(distances.pop(own))
        b = min(numpy.mean(some) for some in distances.values())
        scores.append((b - a) / max(a, b))
    return numpy.mean(scores)


def test_silhouettes_of_entities():
    _, space = make_space()
    table = silhouette_table(space)
    labels = [point.label for point in entities_of(space)]
    assert table.column("label") == ["GPE", "ORG", "PER"] and table.column("n") == [12] * 3
    for state, vectors in space.vectors.items():
        for label, value in zip(table.column("label"), table.column(state)):
            assert value == pytest.approx(naive_silhouette(vectors[: len(labels)], labels, label))
    assert min(table.column("stage2")) > max(table.column("before"))


def test_silhouettes_of_a_single_entity_and_of_a_single_label():
    cases = [*make_cases(4), make_case("x y", [(0, 1, "ONE")])]
    _, space = make_space(cases)
    table = silhouette_table(space)
    assert table.rows[-1] == ["ONE", 1, None, None, None]
    assert all(value is not None for row in table.rows[:-1] for value in row)
    _, space = make_space([make_case("x y x", [(0, 1, "A"), (4, 5, "A")])])
    assert silhouette_table(space).rows == [["A", 2, None, None, None]]


def test_an_entity_with_two_labels_stands_for_the_rarer():
    cases = make_cases(6)
    gold = cases[0].gold.entities
    two = cases[0].gold._replace(entities=[*gold, (gold[0][0], "RARE")])
    _, space = make_space([cases[0]._replace(gold=two), *cases[1:]])
    counts = dict(zip(silhouette_table(space).column("label"), silhouette_table(space).column("n")))
    assert counts == {"GPE": 6, "ORG": 5, "PER": 6, "RARE": 1}
    counts = dict(zip(purity_table(space).column("label"), purity_table(space).column("n")))
    assert counts == {"GPE": 6, "ORG": 6, "PER": 6, "RARE": 1}


def test_purity_of_entities():
    _, space = make_space()
    table = purity_table(space, k=3)
    places = space.sample.where(ENTITY, OUTSIDE)
    points = [space.sample.points[i] for i in places]
    for state in space.vectors:
        vectors = space.vectors[state][places]
        shares = {label: [] for label in table.column("label")}
        for i, point in enumerate(points):
            others = [j for j, other in enumerate(points) if other.case != point.case]
            near = sorted(others, key=lambda j: cosine_distance(vectors[i], vectors[j]))[:3]
            if point.label:
                same = [points[j].label == point.label for j in near]
                shares[point.label].append(numpy.mean(same))
        expected = [numpy.mean(shares[label]) for label in table.column("label")]
        assert table.column(state) == pytest.approx(expected, abs=1e-5)


def test_measures():
    _, space = make_space()
    table = measures_table(space)
    assert [row[:2] for row in table.rows] == [
        [state, name] for name in ("entities", "tokens") for state in space.vectors
    ]
    silhouettes = silhouette_table(space).column("stage2")
    found = measure(space, "stage2", ENTITY)
    places = space.sample.where(ENTITY, OUTSIDE)
    rows = space.vectors["stage2"][places]
    assert (found.n, found.width) == (len(places), 6)
    assert found.silhouette == pytest.approx(numpy.mean(silhouettes))
    assert found.purity == pytest.approx(numpy.mean(purity_table(space).column("stage2")))
    assert found.spread == pytest.approx(spread(normalize(rows)))
    assert found.rank == pytest.approx(effective_rank(rows))
    assert table.rows[2][2:] == pytest.approx(list(found), abs=1e-8)
    tokens = measure(space, "stage2", TOKEN)
    places = {(p.case, p.first) for p in space.sample.points if p.kind != ENTITY}
    assert tokens.n == len(places) != found.n


def test_measures_of_next_to_nothing():
    _, space = make_space([make_case("x", [(0, 1, "A")])])
    for row in measures_table(space).records():
        assert row["n"] == 1 and row["rank"] == 0.0
        assert [row[key] for key in ("silhouette", "purity", "spread")] == [None] * 3


def test_paired_tests():
    rows = [[f"L{i}", 5, 0.1 * i, 0.1 * i + 0.01 * (i + 1), 0.05 * i] for i in range(7)]
    rows.append(["ONE", 1, None, 0.5, None])
    table = Table.of("some", ["label", "n", "a", "b", "c"], rows)
    tests = paired_tests(table, ["a", "b", "c"]).records()
    assert [(row["from"], row["to"]) for row in tests] == [("a", "b"), ("a", "c"), ("b", "c")]
    first = tests[0]
    assert (first["labels"], first["higher"], first["lower"]) == (7, 7, 0)
    assert first["mean_difference"] == pytest.approx(0.04)
    outcome = wilcoxon([0.01 * (i + 1) for i in range(7)])
    assert (first["rank_sum"], first["p"]) == (0.0, pytest.approx(outcome.p))
    assert first["p"] == pytest.approx(2 / 2**7) and first["can_tell"] is True
    assert first["p_corrected"] == pytest.approx(3 * first["p"])
    assert (tests[1]["higher"], tests[1]["lower"]) == (0, 6)
    few = paired_tests(Table.of("some", ["label", "n", "a", "b"], rows[:3]), ["a", "b"])
    assert few.column("can_tell") == [False]
    none = paired_tests(Table.of("some", ["label", "n", "a", "b"], rows[7:]), ["a", "b"])
    assert none.records()[0]["labels"] == 0 and none.column("mean_difference") == [None]


def test_points_that_are_not_finite_are_left_out_everywhere():
    _, space = make_space()
    n = len(space.sample.points)
    space.vectors["before"][3, 1] = numpy.nan
    space.vectors["stage2"][[3, 7], 0] = numpy.inf
    found = only_finite(space)
    assert len(found.sample.points) == n - 2
    assert space.sample.points[3] not in found.sample.points
    for state, vectors in found.vectors.items():
        kept = [i for i in range(n) if i not in (3, 7)]
        assert (vectors == space.vectors[state][kept]).all()
    assert len(found.notes) == 2
    assert f"1 of {n} vectors before training are not finite" in found.notes[0]
    assert f"2 of {n} vectors after stage 2" in found.notes[1]


def test_states_without_a_finite_vector_are_left_out():
    _, space = make_space()
    space.vectors["stage2"][:] = numpy.nan
    found = only_finite(space)
    assert list(found.vectors) == list(found.titles) == ["before", "stage1"]
    assert found.sample == space.sample
    assert "No vector after stage 2 is finite" in found.notes[0]
    for vectors in space.vectors.values():
        vectors[:] = numpy.nan
    assert not only_finite(space).vectors


def test_shown_points_keep_rare_labels_and_positions():
    _, space = make_space([*make_cases(40), make_case("x y", [(0, 1, "ONE")])])
    shown = choose_shown(space, {ENTITY: 12, TOKEN: 10, OUTSIDE: 5})
    assert [shown.sample.count(kind) for kind in (ENTITY, TOKEN, OUTSIDE)] == [12, 10, 5]
    assert sorted(shown.sample.labels()) == ["GPE", "ONE", "ORG", "PER"]
    tokens = {(p.label, p.position) for p in shown.sample.points if p.kind == TOKEN}
    assert {position for _, position in tokens} == set("BILU")
    for i, point in enumerate(shown.sample.points):
        at = space.sample.points.index(point)
        assert (shown.vectors["stage1"][i] == space.vectors["stage1"][at]).all()
    every = choose_shown(space, dict.fromkeys((ENTITY, TOKEN, OUTSIDE), 1000))
    assert every.sample == space.sample


def test_projections_of_states():
    _, space = make_space()
    steps = []
    planes, notes = project_states(space, ["pca"], on_step=steps.append)
    assert list(planes) == list(space.vectors) == ["before", "stage1", "stage2"]
    assert not notes and len(steps) == 3
    # Lengths of vectors make no difference, only their directions do.
    longer = {state: 7 * vectors for state, vectors in space.vectors.items()}
    again, _ = project_states(space._replace(vectors=longer), ["pca"])
    assert again["stage2"]["pca"].xy == pytest.approx(planes["stage2"]["pca"].xy, abs=1e-6)


def test_a_projection_that_fails_for_one_state_is_left_out():
    _, space = make_space(states=("before", "stage2"))
    space.vectors["before"][:] = 1.0
    planes, notes = project_states(space, ["pca", "tsne"])
    assert [list(some) for some in planes.values()] == [["pca"], ["pca"]]
    assert len(notes) == 1 and "t-SNE" in notes[0]


def test_coordinates():
    cases, space = make_space(make_cases(2), states=("before",))
    n = len(space.sample.points)
    planes = {"before": {"pca": Projection(numpy.arange(2.0 * n).reshape(n, 2), (0.5, 0.2))}}
    rows = coordinates(space, planes, cases).records()
    assert rows[0] == {
        "document": 0,
        "id": "document 0",
        "start": 4,
        "end": 32,
        "text": "Ministry of Health of France",
        "kind": "entity",
        "label": "ORG",
        "position": "",
        "right": False,
        "before-pca-x": 0.0,
        "before-pca-y": 1.0,
    }
    assert rows[-1]["kind"] == "outside" and rows[-1]["before-pca-y"] == 2 * n - 1


def test_many_labels():
    _, space = make_space(many_labels(60))
    assert len(silhouette_table(space).rows) == 60


def test_look_into_a_pipeline():
    nlp = make_pipeline()
    train(nlp, steps=5)
    cases = make_cases(4)
    space = look_into(nlp, "contrastive_ner", cases)
    assert list(space.vectors) == ["before", "stage2"] and not space.notes
    assert space.vectors["stage2"].shape == (len(space.sample.points), 32)
    assert (
        look_into(nlp, "contrastive_ner", cases).vectors["before"] == space.vectors["before"]
    ).all()
    assert not look_into(nlp, "contrastive_ner", [make_case("x", [])]).vectors
    for node in nlp.get_pipe("contrastive_ner").model.get_ref("tok2vec").walk():
        for name in node.param_names:
            node.get_param(name)[:] = numpy.nan
    broken = look_into(nlp, "contrastive_ner", cases)
    assert list(broken.vectors) == ["before"] and "diverged" in broken.notes[0]
