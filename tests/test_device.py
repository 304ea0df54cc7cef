"""No device array meets NumPy by accident, and batches cross the border once each way."""

import numpy
import pytest
from thinc.api import NumpyOps
from thinc.types import Ragged

from spacy_contrastive_ner import tracks
from spacy_contrastive_ner.annotations import Gold
from spacy_contrastive_ner.layers.crf import get_transitions
from spacy_contrastive_ner.losses import cross_entropy_dice
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
