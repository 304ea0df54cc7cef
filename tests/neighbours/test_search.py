"""Search beside loops over all pairs."""

import sys
from types import SimpleNamespace

import numpy
import pytest
from thinc.api import NumpyOps

from spacy_contrastive_ner.neighbours import (
    DISTANCES,
    Index,
    Neighbours,
    distances,
    nearest,
    search,
    vote,
)
from spacy_contrastive_ner.neighbours.variances import spread_of_classes
from spacy_contrastive_ner.neighbours.votes import FLOOR

from ..device import DeviceArray, DeviceOps
from . import oracle

OPS = NumpyOps()


def make_rows(rng, n, kind, width=3):
    rows = rng.normal(size=(n, width))
    if kind == "gaussian":
        rows = numpy.concatenate((rows, rng.uniform(0.3, 3, size=(n, width))), axis=1)
    return rows.astype("float32")


@pytest.mark.parametrize("kind", DISTANCES)
def test_distances(kind):
    rng = numpy.random.default_rng(0)
    a, b = make_rows(rng, 5, kind), make_rows(rng, 7, kind)
    true = [[oracle.distance(kind, x, y) for y in b] for x in a]
    assert numpy.allclose(distances(OPS, kind, a, b), true, atol=1e-4)


@pytest.mark.parametrize("kind", DISTANCES)
@pytest.mark.parametrize("n,k", [(1, 1), (1, 5), (4, 4), (60, 1), (60, 7), (60, 100)])
def test_nearest(monkeypatch, kind, n, k):
    rng = numpy.random.default_rng(n + k)
    queries, rows = make_rows(rng, 9, kind), make_rows(rng, n, kind)
    monkeypatch.setattr(search, "BLOCK", 500)
    found = nearest(OPS, queries, rows, k, kind)
    true = oracle.nearest(kind, queries, rows, k)
    assert found.index.tolist() == [[i for i, _ in some] for some in true]
    assert numpy.allclose(found.distance, [[d for _, d in some] for some in true], atol=1e-4)


@pytest.mark.parametrize("kind", DISTANCES)
def test_of_equals_the_first(kind):
    """However many are equal, and wherever the row to be found stands."""
    rng = numpy.random.default_rng(0)
    rows = numpy.repeat(make_rows(rng, 2, kind), 30, axis=0)
    found = nearest(OPS, rows[[0, 59]], rows, 4, kind)
    assert found.index.tolist() == [[0, 1, 2, 3], [30, 31, 32, 33]]
    assert numpy.allclose(found.distance, 0, atol=1e-5)


@pytest.mark.parametrize("kind", DISTANCES)
def test_far_from_the_origin(kind):
    """Where products of matrices lose digits, the order is still right."""
    rng = numpy.random.default_rng(0)
    rows = make_rows(rng, 50, kind)
    rows[:, :3] += 300
    found = nearest(OPS, rows, rows, 2, kind)
    assert found.index[:, 0].tolist() == list(range(50))


def test_rows_without_direction():
    rows = numpy.asarray([[0, 0], [1, 0]], dtype="float32")
    found = nearest(OPS, numpy.asarray([[0, 0], [2, 0]], dtype="float32"), rows, 2)
    assert found.index.tolist() == [[0, 1], [1, 0]]
    assert found.distance.tolist() == [[0, 0.5], [0, 0.5]]


@pytest.mark.parametrize("kind", DISTANCES)
def test_blocks_do_not_show(monkeypatch, kind):
    rng = numpy.random.default_rng(1)
    queries, rows = make_rows(rng, 40, kind, 8), make_rows(rng, 90, kind, 8)
    whole = nearest(OPS, queries, rows, 5, kind)
    for block in (1, 700, 5000):
        monkeypatch.setattr(search, "BLOCK", block)
        parts = nearest(OPS, queries, rows, 5, kind)
        assert parts.index.tolist() == whole.index.tolist()
        assert numpy.array_equal(parts.distance, whole.distance)


def test_no_queries():
    found = nearest(OPS, numpy.zeros((0, 2), dtype="float32"), numpy.ones((3, 2)), 2)
    assert found.index.shape == found.distance.shape == (0, 2)


@pytest.mark.parametrize("kind", DISTANCES)
def test_on_device(kind):
    rng = numpy.random.default_rng(0)
    queries, rows = make_rows(rng, 9, kind), make_rows(rng, 40, kind)
    rows[20:] = rows[0]
    tags = rng.integers(0, 5, (40, 2)).astype("int16")
    ops = DeviceOps()
    here = nearest(OPS, queries, rows, 4, kind)
    there = nearest(ops, ops.asarray(queries), ops.asarray(rows), 4, kind)
    assert isinstance(there.index, DeviceArray) and isinstance(there.distance, DeviceArray)
    assert there.index.get().tolist() == here.index.tolist()
    shares = vote(ops, there, ops.asarray(tags), 5, 0.5)
    assert isinstance(shares, DeviceArray)
    assert numpy.allclose(shares.get(), vote(OPS, here, tags, 5, 0.5), atol=1e-6)


@pytest.mark.parametrize("temperature", [0.01, 0.5, 100.0])
def test_vote(temperature):
    rng = numpy.random.default_rng(0)
    queries, rows = make_rows(rng, 6, "euclidean"), make_rows(rng, 30, "euclidean")
    tags = rng.integers(0, 5, (30, 2)).astype("int16")
    found = nearest(OPS, queries, rows, 8, "euclidean")
    shares = vote(OPS, found, tags, 5, temperature)
    true = oracle.vote(oracle.nearest("euclidean", queries, rows, 8), tags, 5, temperature)
    assert numpy.allclose(shares, (1 - 5 * FLOOR) * true + FLOOR, atol=1e-4)
    assert numpy.allclose(shares.sum(axis=2), 1, atol=1e-5) and (shares > 0).all()


def test_votes_of_far_neighbours():
    """Distances that are too large for an exponential of themselves."""
    far = Neighbours(numpy.asarray([[0, 1]]), numpy.asarray([[1e6, 1e6 + 1]], dtype="float32"))
    shares = vote(OPS, far, numpy.asarray([[0], [1]]), 2, 1.0)
    assert shares[0, 0, 0] == pytest.approx(1 / (1 + numpy.exp(-1)), abs=1e-3)


def test_spread_of_classes():
    rng = numpy.random.default_rng(0)
    classes = numpy.asarray([0] * 400 + [1] * 400 + [2])
    rows = rng.normal(0, numpy.where(classes == 0, 1.0, 3.0)[:, None], (801, 2)).astype("float32")
    rows[classes == 1] += 50
    var, pooled = spread_of_classes(rows, classes)
    for c in (0, 1):
        own = rows[classes == c].var(axis=0)
        assert numpy.allclose(var[classes == c][0], (400 * own + 10 * pooled[0]) / 410, rtol=1e-3)
    assert numpy.allclose(pooled[0], [(1 + 9) / 2] * 2, rtol=0.15)
    # Of a single row nothing is known but the others.
    assert numpy.allclose(var[-1], pooled[0] * 10 / 11, rtol=1e-3)
    same, _ = spread_of_classes(numpy.ones((3, 2)), numpy.asarray([0, 0, 1]))
    assert numpy.isfinite(same).all() and (same > 0).all()


class FlatIndex:
    """As in faiss."""

    def __init__(self, width):
        self.rows = numpy.zeros((0, width), dtype="float32")

    def add(self, rows):
        self.rows = rows

    def search(self, queries, k):
        products = queries @ self.rows.T
        order = numpy.argsort(-products, axis=1, kind="stable")[:, :k]
        return numpy.take_along_axis(products, order, axis=1), order


class Graph(FlatIndex):
    """As in hnswlib."""

    def __init__(self, space, dim):
        assert space == "ip"
        super().__init__(dim)

    def init_index(self, max_elements, M, ef_construction, random_seed):
        self.room = max_elements

    def add_items(self, rows, num_threads):
        assert len(rows) <= self.room
        self.add(rows)

    def set_ef(self, ef):
        self.ef = ef

    def knn_query(self, queries, k):
        assert self.ef >= k
        products, order = self.search(queries, k)
        return order.astype("uint64"), 1 - products


@pytest.mark.parametrize("kind", DISTANCES)
@pytest.mark.parametrize("name", ["faiss", "hnswlib"])
def test_libraries(monkeypatch, name, kind):
    """They are asked as they want to be, and agree with exact search."""
    monkeypatch.setitem(sys.modules, "faiss", SimpleNamespace(IndexFlatIP=FlatIndex))
    monkeypatch.setitem(sys.modules, "hnswlib", SimpleNamespace(Index=Graph))
    rng = numpy.random.default_rng(0)
    queries, rows = make_rows(rng, 9, kind), make_rows(rng, 60, kind)
    found, exact = (nearest(OPS, queries, rows, 5, kind, search) for search in (name, "exact"))
    assert found.index.tolist() == exact.index.tolist()
    assert numpy.array_equal(found.distance, exact.distance)


def test_bad_input(monkeypatch):
    rows = numpy.ones((3, 3), dtype="float32")
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ValueError, match="search is 'faiss', but the library is not installed"):
        Index(OPS, rows, search="faiss")
    with pytest.raises(ValueError, match="must be one of exact, faiss, hnswlib"):
        Index(OPS, rows, search="fast")
    with pytest.raises(ValueError, match="must be one of cosine, euclidean, gaussian"):
        Index(OPS, rows, "manhattan")
    with pytest.raises(ValueError, match="no stored rows"):
        Index(OPS, rows[:0])
    with pytest.raises(ValueError, match="queries have 2 columns, but the stored rows have 3"):
        nearest(OPS, rows[:, :2], rows, 1)
    with pytest.raises(ValueError, match="k is 0"):
        nearest(OPS, rows, rows, 0)
    with pytest.raises(ValueError, match="3 columns, but the distance 'gaussian'"):
        nearest(OPS, rows, rows, 1, "gaussian")
    with pytest.raises(ValueError, match="variances that are not above 0"):
        nearest(OPS, rows[:, :2] * 0, rows[:, :2] * 0, 1, "gaussian")
