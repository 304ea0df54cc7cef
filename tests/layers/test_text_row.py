import numpy
import pytest
from thinc.types import Ragged

from spacy_contrastive_ner.layers.text_row import TextRow

from ..device import DeviceOps
from ..oracle import require_slopes


def make(lengths, width=4, seed=0):
    rng = numpy.random.default_rng(seed)
    X = rng.normal(0, 1, (sum(lengths), width)).astype("float32")
    ragged = Ragged(X, numpy.asarray(lengths, dtype="int32"))
    layer = TextRow()
    layer.initialize(X=ragged)
    return layer, ragged, rng


def test_each_text_gets_its_mean_in_front():
    layer, X, _ = make([2, 0, 3])
    Y = layer.predict(X)
    assert Y.lengths.tolist() == [3, 1, 4]
    assert numpy.allclose(Y.dataXd[0], X.dataXd[:2].mean(axis=0))
    assert not Y.dataXd[3].any()
    assert numpy.allclose(Y.dataXd[4], X.dataXd[2:].mean(axis=0), atol=1e-6)
    assert (Y.dataXd[[1, 2, 5, 6, 7]] == X.dataXd).all()


@pytest.mark.parametrize("lengths", [[2, 0, 3], [1], [0, 4]])
def test_gradients(lengths):
    layer, X, rng = make(lengths)
    layer.set_param("W", rng.normal(0, 1, (4, 4)).astype("float32"))
    weight = rng.normal(0, 1, (sum(lengths) + len(lengths), 4)).astype("float32")

    def total():
        return (layer.predict(X).dataXd * weight).sum()

    Y, backprop = layer.begin_update(X)
    dX = backprop(Ragged(weight, Y.lengths))
    require_slopes(total, X.dataXd, dX.dataXd, rng)
    for name in ("W", "b"):
        require_slopes(total, layer.get_param(name), layer.get_grad(name), rng)


def test_on_a_device():
    layer, X, _ = make([2, 0, 3])
    near = layer.predict(X).dataXd
    ops = DeviceOps()
    layer.ops = ops
    for name in ("W", "b"):
        layer.set_param(name, ops.asarray(layer.get_param(name)))
    # The lengths that a chain hands over lie on the CPU or not.
    for lengths in (X.lengths, ops.asarray(X.lengths)):
        Y, _ = layer(Ragged(ops.asarray(X.dataXd), lengths), False)
        assert numpy.allclose(Y.dataXd.get(), near, atol=1e-6)
