import sys
from types import ModuleType

import numpy
import pytest

from spacy_contrastive_ner.evaluation.analysis import projections as module
from spacy_contrastive_ner.evaluation.analysis.projections import fit, methods, principal, project


def make_rows(n=40, width=6, seed=0):
    rng = numpy.random.default_rng(seed)
    return rng.normal(size=(n, width)) * numpy.linspace(3, 0.5, width) + 2


@pytest.mark.parametrize("n, width", [(40, 6), (5, 30), (3, 3)])
def test_principal_directions_are_those_of_the_covariance(n, width):
    rows = make_rows(n, width)
    values, vectors = numpy.linalg.eigh(numpy.cov(rows.T))
    found, _, shares = principal(rows)
    assert shares == pytest.approx(values[::-1][:2] / values.sum())
    for at in range(2):
        axis = vectors[:, -1 - at]
        axis = axis * numpy.sign(axis[numpy.abs(axis).argmax()])
        assert found[:, at] == pytest.approx((rows - rows.mean(axis=0)) @ axis, abs=1e-9)


def test_signs_do_not_depend_on_the_order_of_rows():
    rows = make_rows()
    found = principal(rows).points
    order = numpy.random.default_rng(1).permutation(len(rows))
    assert principal(rows[order]).points == pytest.approx(found[order])


@pytest.mark.parametrize(
    "rows, shares",
    [
        (numpy.zeros((0, 4)), [0, 0]),
        (numpy.ones((1, 4)), [0, 0]),
        (numpy.full((5, 3), 0.1), [0, 0]),
        (numpy.asarray([[1.0], [3.0]]), [1, 0]),
        (numpy.asarray([[1.0, 1.0], [3.0, 3.0]]), [1, 0]),
    ],
)
def test_few_rows_and_dimensions(rows, shares):
    found, _, explained = principal(rows)
    assert found.shape == (len(rows), 2)
    assert explained == pytest.approx(shares)
    assert numpy.isfinite(found).all()
    plane = project(rows, ["pca"]).found["pca"]
    assert plane.xy.shape == (len(rows), 2) and numpy.isfinite(plane.xy).all()


def test_points_are_fitted_by_one_scale():
    xy = fit(numpy.asarray([[2.0, 10.0], [6.0, 11.0], [4.0, 12.0]]))
    assert xy.tolist() == [[-1, -0.5], [1, 0], [0, 0.5]]
    assert fit(numpy.full((3, 2), 7.0)).tolist() == [[0, 0]] * 3


def test_pca_needs_nothing_else(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert methods() == ["pca"]
    assert list(project(make_rows()).found) == ["pca"]
    result = project(make_rows(), ["pca", "tsne", "umap"])
    assert list(result.found) == ["pca"]
    assert [note.split(" is not")[0] for note in result.notes] == [
        "There is no t-SNE, as scikit-learn",
        "There is no UMAP, as umap-learn",
    ]


def test_tsne_puts_neighbours_together():
    pytest.importorskip("sklearn")
    kinds = numpy.repeat([0, 1, 2], 12)
    rows = 8 * numpy.eye(3, 6)[kinds] + make_rows(36) / 3
    first = project(rows, ["tsne"], seed=3).found["tsne"]
    assert first.explained is None
    assert numpy.abs(first.xy).max() == pytest.approx(1.0)
    for i, place in enumerate(first.xy):
        distances = ((first.xy - place) ** 2).sum(axis=1)
        assert kinds[distances.argsort()[1]] == kinds[i]
    assert (project(rows, ["tsne"], seed=3).found["tsne"].xy == first.xy).all()


def test_few_different_points_have_no_neighbours():
    rows = numpy.repeat(make_rows(9), 10, axis=0)
    result = project(rows, ["pca", "tsne"])
    assert list(result.found) == ["pca"]
    assert result.notes == ["There is no t-SNE, which takes at least 10 different points."]
    pytest.importorskip("sklearn")
    assert list(project(make_rows(10), ["tsne"]).found) == ["tsne"]


class FakeUmap:
    """Takes what the real one takes, and keeps the first dimensions."""

    def __init__(self, *, n_neighbors, random_state, n_jobs):
        self.settings = (n_neighbors, random_state, n_jobs)

    def fit_transform(self, rows):
        assert self.settings == (min(15, len(rows) - 1), 5, 1)
        return rows[:, :2]


def with_umap(monkeypatch, method):
    pytest.importorskip("threadpoolctl")
    library = ModuleType("umap")
    library.UMAP = method
    monkeypatch.setitem(sys.modules, "umap", library)
    monkeypatch.setattr(module, "find_spec", lambda name: True)


def test_umap(monkeypatch):
    with_umap(monkeypatch, FakeUmap)
    assert methods() == ["pca", "tsne", "umap"]
    for n in (12, 40):
        result = project(make_rows(n), ["pca", "umap"], seed=5)
        assert result.found["umap"].xy == pytest.approx(result.found["pca"].xy, abs=1e-5)


def test_a_library_that_fails_costs_only_its_own_projection(monkeypatch):
    class Broken(FakeUmap):
        def fit_transform(self, rows):
            raise RuntimeError("no spectral layout")

    class Endless(FakeUmap):
        def fit_transform(self, rows):
            return rows[:, :2] * numpy.nan

    for method, reason in ((Broken, "no spectral layout"), (Endless, "not finite")):
        with_umap(monkeypatch, method)
        result = project(make_rows(), ["pca", "umap"], seed=5)
        assert list(result.found) == ["pca"]
        assert result.notes[0].startswith("There is no UMAP: umap-learn failed with")
        assert reason in result.notes[0]
