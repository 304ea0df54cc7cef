import numpy
import pytest
from thinc.api import NumpyOps, resizable

from spacy_contrastive_ner.layers.beside import Beside
from spacy_contrastive_ner.layers.crf import CRF
from spacy_contrastive_ner.layers.held import set_gradient
from spacy_contrastive_ner.layers.span_pairs import (
    PARAMS,
    FragmentLinker,
    is_sized,
    make_ends,
    reset_linker,
    score_pairs,
    size_linker,
)
from spacy_contrastive_ner.links import Spans, pair_up

from ..device import DeviceArray, DeviceOps

OPS = NumpyOps()


def make_linker(n_labels=2, width=3, hidden=4):
    container = resizable(FragmentLinker(hidden_width=hidden, max_distance=9), size_linker)
    size_linker(container, numpy.linspace(-2, -1, n_labels))
    container.initialize(X=numpy.zeros((1, width), dtype="float32"))
    return container


def make_case(rng, n=9, n_tokens=20, width=3, dtype="float64"):
    start = rng.integers(0, n_tokens - 3, n)
    end = start + rng.integers(1, 4, n)
    spans = Spans(rng.integers(0, 2, n), start, end, rng.integers(0, 2, n))
    pairs = pair_up(spans, 9)
    offsets = numpy.asarray([0, n_tokens])
    rows = rng.normal(size=(2 * n_tokens, width)).astype(dtype)
    return rows, make_ends(OPS, offsets, spans, pairs), (spans, pairs, offsets)


def randomize(layer, rng, dtype="float64"):
    for name in PARAMS:
        shape = layer.get_param(name).shape
        layer.set_param(name, rng.normal(size=shape).astype(dtype))


def naive_scores(layer, rows, spans, pairs, offsets):
    W, labels, gaps, V, b = (layer.get_param(name) for name in PARAMS)
    document, start, end, label = spans
    scores = []
    for left, right, gap in zip(*pairs):
        at = [start[left], end[left] - 1, start[right], end[right] - 1]
        x = numpy.concatenate([rows[offsets[document[left]] + token] for token in at])
        bucket = gap if gap < 4 else 4 if gap < 8 else 5
        hidden = numpy.maximum(W @ x + labels[label[left]] + gaps[bucket], 0)
        scores.append(V @ hidden + b[label[left]])
    return numpy.asarray(scores)


def test_scores_of_pairs():
    rng = numpy.random.default_rng(0)
    layer = make_linker().layers[0]
    randomize(layer, rng)
    for _ in range(5):
        rows, ends, case = make_case(rng)
        scores, _ = score_pairs(layer, rows, ends)
        assert len(scores) and numpy.allclose(scores, naive_scores(layer, rows, *case))


def test_gradients():
    """Of the rows and all parameters, by finite differences in double precision."""
    rng = numpy.random.default_rng(1)
    layer = make_linker().layers[0]
    randomize(layer, rng)
    rows, ends, _ = make_case(rng)
    direction = rng.normal(size=len(ends.label))
    d_rows, gradient = score_pairs(layer, rows, ends)[1](direction)
    assert set(gradient) == set(PARAMS)
    tables = {"rows": (rows, d_rows)}
    tables.update({name: (layer.get_param(name), gradient[name]) for name in PARAMS})
    for table, found in tables.values():
        assert table.shape == found.shape
        for at in numpy.ndindex(table.shape):
            values = []
            for step in (1e-6, -1e-6):
                before = table[at]
                table[at] = before + step
                values.append(float(score_pairs(layer, rows, ends)[0] @ direction))
                table[at] = before
            assert found[at] == pytest.approx((values[0] - values[1]) / 2e-6, abs=1e-6)


def test_on_the_device():
    rng = numpy.random.default_rng(2)
    layer, ops = make_linker().layers[0], DeviceOps()
    randomize(layer, rng, "float32")
    rows, ends, (spans, pairs, offsets) = make_case(rng, dtype="float32")
    direction = rng.normal(size=len(ends.label)).astype("float32")
    scores, backprop = score_pairs(layer, rows, ends)
    d_rows, gradient = backprop(direction)
    layer.ops = ops
    for name in PARAMS:
        layer.set_param(name, ops.asarray(layer.get_param(name)))
    X, d_scores = ops.asarray(rows), ops.asarray(direction)
    ops.to_device = 0
    there, backprop = score_pairs(layer, X, make_ends(ops, offsets, spans, pairs))
    d_there, gradient_there = backprop(d_scores)
    assert ops.to_device == 1 and ops.to_host == 0
    assert isinstance(there, DeviceArray) and numpy.allclose(there.get(), scores, atol=1e-5)
    assert numpy.allclose(d_there.get(), d_rows, atol=1e-5)
    for name in PARAMS:
        assert numpy.allclose(gradient_there[name].get(), gradient[name], atol=1e-4)


def test_labels_are_added():
    container = make_linker()
    old = container.layers[0]
    before = {name: old.get_param(name).copy() for name in PARAMS}
    size_linker(container, numpy.asarray([7.0, 7.0]))
    assert container.layers[0] is old
    size_linker(container, numpy.asarray([7.0, 7.0, -3.0]))
    layer = container.layers[0]
    assert layer is not old and layer.attrs["max_distance"] == 9
    assert layer.get_param("b").tolist() == [*before["b"].tolist(), -3]
    assert not layer.get_param("labels")[2].any()
    for name in PARAMS:
        kept = layer.get_param(name)[: len(before[name])]
        assert numpy.array_equal(kept, before[name])
    reset_linker(container)
    assert not is_sized(container.layers[0])


def test_rows_stand_beside_scores_where_there_is_something_to_link():
    X = numpy.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    empty = Beside(CRF(), resizable(FragmentLinker(), size_linker))
    empty.initialize(X=X)
    assert empty(X, True)[0] is X
    layer = Beside(CRF(), make_linker())
    Y, backprop = layer(X, True)
    assert numpy.array_equal(Y, numpy.concatenate((X, X), axis=1))
    linker = layer.layers[1].layers[0]
    set_gradient(linker, {"b": numpy.ones(2, dtype="float32")})
    d_X = backprop(numpy.concatenate((X, 2 * X), axis=1))
    assert numpy.allclose(d_X, 3 * X) and linker.get_grad("b").tolist() == [1, 1]


@pytest.mark.parametrize("settings", [{"hidden_width": 0}, {"max_distance": -1}, {"weight": -0.5}])
def test_settings_are_checked(settings):
    with pytest.raises(ValueError, match=f"{next(iter(settings))} of FragmentLinker is"):
        FragmentLinker(**settings)
