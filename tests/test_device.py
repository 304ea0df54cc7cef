"""No device array meets NumPy by accident, and batches cross the border once each way."""

import numpy
import pytest
from thinc.api import Model, NumpyOps
from thinc.types import Ragged

from spacy_contrastive_ner import tracks
from spacy_contrastive_ner.annotations import Gold
from spacy_contrastive_ner.layers.crf import get_transitions
from spacy_contrastive_ner.layers.projections import GaussianProjection
from spacy_contrastive_ner.layers.token_rows import TokenRows
from spacy_contrastive_ner.losses import (
    cross_entropy_dice,
    distance_logistic,
    gaussian_kl,
    info_nce,
    make_info_nce,
    pairs,
    supcon,
)
from spacy_contrastive_ner.pretraining.rows import Sampling, make_rows, pool_rows
from spacy_contrastive_ner.pretraining.terms import ContrastTerm, Part, Reading
from spacy_contrastive_ner.tracks import Layout, Transitions

from .device import DeviceArray, DeviceOps
from .tracks.test_inference import KINDS, random_transitions
from .util import make_pipeline, train

CPU = NumpyOps()


def make_case(kind="none", missing=False):
    rng = numpy.random.default_rng(0)
    layout = Layout.build("per_label", {"A": 2, "B": 1})
    lengths = [4, 0, 150, 1]
    spans = [[(0, 3, "A"), (1, 2, "A")], [], [(60, 70, "B")], []]
    gaps = [[(3, 4, "A")], [], [(5, 9, "")], []] if missing else None
    target = tracks.targets(layout, lengths, spans, gaps)
    scores = rng.normal(0, 2, (155, 3, 5)).astype("float32")
    transitions = None
    if kind != "none":
        transitions = random_transitions(rng, 3, 1, kind == "shared")
    return layout, lengths, target, scores, transitions


def on_device(ops, value):
    if value is None:
        return None
    if isinstance(value, Transitions):
        return Transitions(*(ops.asarray(table) for table in value))
    return ops.asarray(value)


def test_the_stand_in_is_strict():
    array = DeviceOps().asarray(numpy.ones(3, dtype="float32"))
    host = numpy.ones(3)
    for accident in (
        lambda: numpy.asarray(array),
        lambda: array + host,
        lambda: host + array,
        lambda: numpy.concatenate([array, array]),
        lambda: array[host.astype("int64")],
        lambda: array.__setitem__(slice(None), host),
        lambda: host.__setitem__(slice(None), array),
    ):
        with pytest.raises((TypeError, ValueError)):
            accident()
    assert isinstance(array + 1, DeviceArray) and (array * 2).sum().get() == 6


@pytest.mark.parametrize("kind", KINDS)
def test_inference(kind):
    _, lengths, _, scores, transitions = make_case(kind)
    ops = DeviceOps()
    X, table = ops.asarray(scores), on_device(ops, transitions)
    for function in (tracks.log_partition, tracks.posteriors, tracks.viterbi):
        there = function(ops, X, lengths, table)
        assert isinstance(there, DeviceArray)
        assert numpy.allclose(there.get(), function(CPU, scores, lengths, transitions), atol=1e-5)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_crf_loss(kind, missing):
    _, lengths, target, scores, transitions = make_case(kind, missing)
    ops = DeviceOps()
    weights = numpy.ones(3, dtype="float32")
    here = tracks.crf_loss(
        CPU,
        scores,
        lengths,
        target.tags,
        transitions=transitions,
        allowed=target.allowed,
        weights=weights,
    )
    there = tracks.crf_loss(
        ops,
        ops.asarray(scores),
        lengths,
        ops.asarray(target.tags),
        transitions=on_device(ops, transitions),
        allowed=on_device(ops, target.allowed),
        weights=ops.asarray(weights),
    )
    assert float(there[0]) == pytest.approx(float(here[0]), rel=1e-5)
    assert numpy.allclose(there[1].get(), here[1], atol=1e-5)
    if transitions is not None:
        for a, b in zip(there[2], here[2]):
            assert numpy.allclose(a.get(), b, atol=1e-4)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("scope", ["token", "batch"])
def test_cross_entropy_dice(scope, missing):
    _, _, target, scores, _ = make_case(missing=missing)
    ops = DeviceOps()
    weights = numpy.ones((3, 5), dtype="float32")
    settings = {"beta": 1.0, "scope": scope, "label_smoothing": 0.1}
    here = cross_entropy_dice(
        CPU, scores, target.tags, allowed=target.allowed, weights=weights, **settings
    )
    there = cross_entropy_dice(
        ops,
        ops.asarray(scores),
        ops.asarray(target.tags),
        allowed=on_device(ops, target.allowed),
        weights=ops.asarray(weights),
        **settings,
    )
    assert float(there[0]) == pytest.approx(float(here[0]), rel=1e-5)
    assert numpy.allclose(there[1].get(), here[1], atol=1e-5)


@pytest.mark.parametrize("model", [{"crf": None}, {}], ids=str)
def test_one_transfer_each_way(model):
    """The tagger's own work on a batch: targets go to the device, scores come back."""
    nlp = make_pipeline(model=model)
    train(nlp, steps=0)
    tagger = nlp.get_pipe("contrastive_ner").model
    ops = DeviceOps()
    for node in tagger.walk():
        node.ops = ops
        for name in node.param_names:
            if node.has_param(name):
                node.set_param(name, ops.asarray(node.get_param(name)))
    rng = numpy.random.default_rng(0)
    lengths = [6, 3]
    gold = [Gold(6, [(1, 6, "ORG"), (1, 4, "ORG")], [], []), Gold(3, [], [], [])]
    scores = Ragged(
        ops.asarray(rng.normal(0, 2, (9, 20)).astype("float32")), CPU.asarray1i(lengths)
    )
    ops.to_device = ops.to_host = 0
    loss, d_scores, _ = tagger.attrs["learn"](tagger, gold, scores)
    assert isinstance(d_scores.dataXd, DeviceArray) and loss > 0
    # The targets go there, for a CRF with what its recursion needs to know of the layout.
    assert ops.to_host == 0
    assert ops.to_device == (1 if model else 3)
    ops.to_device = ops.to_host = 0
    tagger.attrs["find"](tagger, lengths, scores, "viterbi", 0.5)
    tables = 0 if get_transitions(tagger.get_ref("crf").layers[0]) is None else 3
    assert ops.to_device == 0 and ops.to_host == 1 + tables


PAIR_LOSSES = [
    (info_nce, {"temperature": 0.5}),
    (info_nce, {"temperature": 0.5, "reduction": "labels"}),
    (supcon, {"temperature": 0.5}),
    (gaussian_kl, {"temperature": 4.0}),
    (distance_logistic, {"temperature": 0.5, "label_smoothing": 0.1}),
    (distance_logistic, {"label_smoothing": 0.0}),
]
pair_losses = pytest.mark.parametrize(
    "loss, settings", PAIR_LOSSES, ids=lambda value: getattr(value, "__name__", None)
)


def make_pairs(n=30, width=8):
    rng = numpy.random.default_rng(0)
    rows = rng.normal(size=(n, width)).astype("float32")
    rows[:, width // 2 :] = numpy.abs(rows[:, width // 2 :]) + 0.1
    labels = rng.random((n, 4)) < 0.3
    return rows, labels, rng.random((n, 4)) < 0.1


@pair_losses
@pytest.mark.parametrize("with_maybe", [False, True])
@pytest.mark.parametrize("block", [None, 100])
def test_pair_losses(loss, settings, with_maybe, block, monkeypatch):
    if block is not None:
        monkeypatch.setattr(pairs, "BLOCK", block)
    rows, labels, maybe = make_pairs()
    maybe = maybe if with_maybe else None
    ops = DeviceOps()
    here = loss(CPU, rows, labels, maybe=maybe, **settings)
    there = loss(ops, ops.asarray(rows), labels, maybe=maybe, **settings)
    assert float(here[0]) > 0 and float(there[0]) == pytest.approx(float(here[0]), rel=1e-5)
    assert isinstance(there[1], DeviceArray) and there[1].get().dtype == "float32"
    assert numpy.allclose(there[1].get(), here[1], atol=1e-6)
    # Nothing comes back: labels are known on the host.
    assert ops.to_host == 0
    # Labels may also lie on the device.
    again = loss(
        ops, ops.asarray(rows), ops.asarray(labels), maybe=on_device(ops, maybe), **settings
    )
    assert numpy.array_equal(again[1].get(), there[1].get())
    assert ops.to_host == 1 + with_maybe


@pair_losses
def test_pair_losses_of_nothing(loss, settings):
    rows, labels, _ = make_pairs()
    ops = DeviceOps()
    for n, some in ((0, labels[:0]), (5, labels[:5] & False), (5, labels[:5, :0])):
        value, d_rows = loss(ops, ops.asarray(rows[:n]), some, **settings)
        assert float(value) == 0 and d_rows.get().shape == (n, 8) and not d_rows.get().any()


@pytest.mark.parametrize("units", ["tokens", "segments"])
def test_pooled_rows(units):
    gold = [Gold(6, [(1, 6, "ORG"), (1, 4, "ORG")], [], []), Gold(3, [(0, 1, "PER")], [], [])]
    rows = make_rows(gold, [0, 6], Sampling(units=units), numpy.random.default_rng(0))
    tokens = numpy.random.default_rng(0).normal(size=(9, 4)).astype("float32")
    ops = DeviceOps()
    here, backprop_here = pool_rows(CPU, tokens, rows)
    there, backprop_there = pool_rows(ops, ops.asarray(tokens), rows)
    assert numpy.allclose(there.get(), here, atol=1e-6)
    d_here = backprop_here(here)
    d_there = backprop_there(ops.asarray(here))
    assert numpy.allclose(d_there.get(), d_here, atol=1e-6)
    assert ops.to_host == 0
    # An epoch may have batches without rows.
    nothing = make_rows([], [], Sampling(), numpy.random.default_rng(0))
    pooled, backprop = pool_rows(ops, ops.asarray(tokens), nothing)
    assert pooled.get().shape == (0, 4) and not backprop(pooled).get().any()


@pytest.mark.parametrize("units", ["tokens", "segments"])
def test_contrast_of_a_batch(units):
    """From the rows of the encoder to their gradient, with missing annotation and a weight."""
    gold = [
        Gold(6, [(1, 6, "ORG"), (1, 4, "ORG"), (4, 5, "PER")], [(0, 1, "PER")], []),
        Gold(4, [(0, 1, "PER"), (2, 3, "ORG")], [(3, 4, "")], []),
    ]
    part = Part("", gold, [0, 6])
    tokens = numpy.random.default_rng(0).normal(size=(10, 4)).astype("float32")
    loss = make_info_nce(temperature=0.5)
    term = ContrastTerm(loss, None, Sampling(units=units), Reading(), weight=0.5)
    results = []
    for ops in (CPU, DeviceOps()):
        rng = numpy.random.default_rng(0)
        value, d_tokens = term.learn(ops, part, ops.asarray(tokens), rng, True, 0.25)
        results.append((value, ops.to_numpy(d_tokens)))
    (here, d_here), (there, d_there) = results
    assert isinstance(there, float) and there == pytest.approx(here, rel=1e-5) and here > 0
    assert d_here.any() and numpy.allclose(d_there, d_here, atol=1e-6)


def test_gaussian_projection():
    """Its own arithmetic; the affine map inside is Thinc's."""
    X = numpy.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    layer = GaussianProjection(3)
    layer.initialize(X=X)
    here, backprop_here = layer.begin_update(X)
    d_here = backprop_here(here)
    ops = DeviceOps()
    W, b = (ops.asarray(layer.layers[0].get_param(name)) for name in ("W", "b"))
    layer.ops = ops
    layer.layers[0] = Model("affine", lambda model, Y, is_train: (Y @ W.T + b, lambda dY: dY @ W))
    there, backprop_there = layer.begin_update(ops.asarray(X))
    assert numpy.allclose(there.get(), here, atol=1e-5)
    assert numpy.allclose(backprop_there(there).get(), d_here, atol=1e-4)
    assert ops.to_host == 0


def test_token_rows():
    ops = DeviceOps()
    layer = TokenRows()
    layer.ops = ops
    arrays = [numpy.full((n, 2), n, dtype="float32") for n in (2, 0, 1)]
    rows, backprop = layer([ops.asarray(array) for array in arrays], True)
    assert rows.get().tolist() == [[2, 2], [2, 2], [1, 1]]
    parts = backprop(rows * 2)
    assert [part.get().tolist() for part in parts] == [[[4, 4], [4, 4]], [], [[2, 2]]]
    assert isinstance(layer([], True)[0], DeviceArray)
