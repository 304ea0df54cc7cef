"""On a real device. Left out unless asked for: python -m pytest -m gpu"""

import numpy
import pytest
import spacy
from thinc.api import NumpyOps, get_ops

from spacy_contrastive_ner import tracks
from spacy_contrastive_ner.losses import cross_entropy_dice

from .test_device import make_case, on_device
from .tracks.test_inference import KINDS
from .util import TEXTS, found, make_pipeline, predict, train

pytestmark = pytest.mark.gpu

CPU = NumpyOps()


@pytest.fixture
def ops():
    return get_ops("cupy")


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_same_as_on_the_cpu(ops, kind, missing):
    _, lengths, target, scores, transitions = make_case(kind, missing)
    X, table = ops.asarray(scores), on_device(ops, transitions)
    for function in (tracks.log_partition, tracks.posteriors, tracks.viterbi):
        there = ops.to_numpy(function(ops, X, lengths, table))
        assert numpy.allclose(there, function(CPU, scores, lengths, transitions), atol=1e-4)
    here = tracks.crf_loss(
        CPU, scores, lengths, target.tags, transitions=transitions, allowed=target.allowed
    )
    there = tracks.crf_loss(
        ops,
        X,
        lengths,
        ops.asarray(target.tags),
        transitions=table,
        allowed=on_device(ops, target.allowed),
    )
    assert float(there[0]) == pytest.approx(float(here[0]), rel=1e-4)
    assert numpy.allclose(ops.to_numpy(there[1]), here[1], atol=1e-4)
    for scope in ("token", "batch"):
        settings = {"beta": 1.0, "scope": scope, "label_smoothing": 0.1}
        a = cross_entropy_dice(CPU, scores, target.tags, allowed=target.allowed, **settings)
        b = cross_entropy_dice(
            ops, X, ops.asarray(target.tags), allowed=on_device(ops, target.allowed), **settings
        )
        assert float(b[0]) == pytest.approx(float(a[0]), rel=1e-4)
        assert numpy.allclose(ops.to_numpy(b[1]), a[1], atol=1e-4)


@pytest.mark.parametrize("model", [{"crf": None}, {}], ids=str)
def test_trains_on_the_device_and_moves_to_the_cpu(model):
    spacy.require_gpu()
    try:
        nlp = make_pipeline(model=model)
        train(nlp)
        for text, spans in TEXTS:
            doc = predict(nlp, text)
            assert found(doc) == sorted(spans)
            assert isinstance(doc.spans["sc"].attrs["scores"], numpy.ndarray)
        saved = nlp.to_bytes()
    finally:
        spacy.require_cpu()
    copy = make_pipeline(model=model).from_bytes(saved)
    assert found(predict(copy, TEXTS[0][0])) == sorted(TEXTS[0][1])
