"""The projections against their formulas, and their gradients against finite differences."""

import numpy
import pytest
from thinc.api import registry

from spacy_contrastive_ner.layers.projections import (
    LEAST_VARIANCE,
    GaussianProjection,
    MlpProjection,
)

from .. import oracle

PROJECTIONS = [
    (MlpProjection, {"width": 4}),
    (MlpProjection, {"width": 3, "hidden_width": 7, "pieces": 3}),
    (GaussianProjection, {"width": 4}),
]
every_projection = pytest.mark.parametrize("make, settings", PROJECTIONS)


def make_layer(make, settings, seed=0, n=6, nI=5):
    rng = numpy.random.default_rng(seed)
    numpy.random.seed(seed)
    X = rng.normal(size=(n, nI)).astype("float32")
    layer = make(**settings)
    layer.initialize(X=X)
    for node in layer.walk():
        for name in node.param_names:
            param = node.get_param(name)
            node.set_param(name, param + rng.normal(0, 0.3, param.shape).astype("float32"))
    return layer, X, rng


@every_projection
@pytest.mark.parametrize("seed", range(3))
def test_gradients(make, settings, seed):
    layer, X, rng = make_layer(make, settings, seed)
    Y, backprop = layer.begin_update(X)
    wanted = rng.normal(size=Y.shape).astype("float32")

    def loss():
        return (layer.predict(X).astype("float64") * wanted).sum()

    dX = backprop(wanted)
    assert dX.shape == X.shape and dX.dtype == "float32"
    found = [(X, dX)]
    for node in layer.walk():
        found += [(node.get_param(name), node.get_grad(name)) for name in node.param_names]
    assert len(found) == (7 if make is MlpProjection else 3)
    for array, gradient in found:
        oracle.require_slopes(loss, array, gradient, rng)


def test_mlp_is_maxout_norm_and_affine_map():
    layer, X, _ = make_layer(MlpProjection, {"width": 4, "hidden_width": 6, "pieces": 2})
    maxout, norm, linear = (
        next(node for node in layer.walk() if node.name == name)
        for name in ("maxout", "layernorm", "linear")
    )
    W, b = maxout.get_param("W"), maxout.get_param("b")
    hidden = (numpy.einsum("ni,opi->nop", X, W) + b).max(axis=2)
    hidden -= hidden.mean(axis=1, keepdims=True)
    hidden /= numpy.sqrt((hidden * hidden).mean(axis=1, keepdims=True) + 1e-8)
    hidden = hidden * norm.get_param("G") + norm.get_param("b")
    expected = hidden @ linear.get_param("W").T + linear.get_param("b")
    assert numpy.allclose(layer.predict(X), expected, atol=1e-4)


def test_gaussian_formula():
    layer, X, _ = make_layer(GaussianProjection, {"width": 4})
    W, b = layer.layers[0].get_param("W"), layer.layers[0].get_param("b")
    mean, raw = numpy.split(numpy.maximum(X, 0) @ W.T + b, 2, axis=1)
    elu = numpy.where(raw > 0, raw, numpy.exp(raw) - 1)
    Y = layer.predict(X)
    assert (raw > 0).any() and (raw < 0).any()
    assert numpy.allclose(Y[:, :4], mean, atol=1e-5)
    assert numpy.allclose(Y[:, 4:], elu + 1 + LEAST_VARIANCE, atol=1e-5)


@pytest.mark.parametrize("scale", [0.0, 1e-20, 1e3, 1e15])
def test_variances_stay_positive(scale):
    layer, X, _ = make_layer(GaussianProjection, {"width": 4}, n=50)
    Y, backprop = layer.begin_update(X * numpy.float32(scale))
    assert (Y[:, 4:] >= LEAST_VARIANCE).all() and numpy.isfinite(Y).all()
    assert numpy.isfinite(1 / Y[:, 4:]).all()
    assert numpy.isfinite(backprop(numpy.ones_like(Y))).all()


@every_projection
def test_copies_are_independent(make, settings):
    """Also those made before the shapes are known, which is when the config makes them."""
    blank = make(**settings)
    copies = [blank.copy(), blank.copy()]
    X = numpy.random.default_rng(0).normal(size=(3, 5)).astype("float32")
    for layer in copies:
        layer.initialize(X=X)
    one, other = ([node for node in copy.walk() if node.param_names] for copy in copies)
    assert {node.id for node in one}.isdisjoint(node.id for node in other)
    before = copies[1].predict(X)
    for node in one:
        for name in node.param_names:
            node.set_param(name, node.get_param(name) * 0)
    assert numpy.array_equal(copies[1].predict(X), before)


def test_registered():
    for make, settings in PROJECTIONS:
        name = f"spacy-contrastive-ner.{make.__name__}.v1"
        layer = registry.resolve({"layer": {"@layers": name, **settings}})["layer"]
        layer.initialize(X=numpy.zeros((2, 5), dtype="float32"))
        width = settings["width"] * (2 if make is GaussianProjection else 1)
        assert layer.predict(numpy.zeros((2, 5), dtype="float32")).shape == (2, width)


def test_settings_are_checked():
    for name in ("width", "hidden_width", "pieces"):
        with pytest.raises(ValueError, match=f"{name} is 0"):
            MlpProjection(**{name: 0})
    with pytest.raises(ValueError, match="width is 0"):
        GaussianProjection(width=0)
