"""On a real device. Left out unless asked for: python -m pytest -m gpu"""

import numpy
import pytest
import spacy
from thinc.api import NumpyOps, get_ops

from spacy_contrastive_ner import tracks
from spacy_contrastive_ner.losses import cross_entropy_dice
from spacy_contrastive_ner.spans import Margins, Space, contrast, decode

from .spans.test_contrast import ALL, make, read
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


BI = {"@architectures": "spacy-contrastive-ner.BiEncoder.v1", "width": 16, "fit_width": 4}


@pytest.mark.parametrize(
    "model", [{"crf": None}, {}, BI, {**BI, "types": "prototypes", "n_examples": 2}], ids=str
)
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


def test_spans_and_labels_in_one_space(ops):
    n_tokens = [7, 0, 3]
    rows, space = make(n_tokens, dtype="float32")
    gold, unknown = [[(0, 1, 0), (0, 1, 1)], [], [(2, 2, 2)]], [[], [], [(0, 1, None)]]
    goal = read(gold, unknown, n_tokens, 3, 3)
    here = Margins(CPU, rows, n_tokens, space)
    there = Margins(ops, ops.asarray(rows), n_tokens, Space(*map(ops.asarray, space)))
    a, b = contrast(CPU, here, goal, ALL), contrast(ops, there, goal, ALL)
    assert b[0] == pytest.approx(a[0], rel=1e-4)
    assert numpy.allclose(ops.to_numpy(b[1].rows), a[1].rows, atol=1e-5)
    for near, far in zip(a[1].space, b[1].space):
        assert numpy.allclose(ops.to_numpy(far), near, atol=1e-5)
    least = numpy.full(3, -1.0)
    for near, far in zip(decode(CPU, here, least), decode(ops, there, least)):
        assert numpy.allclose(far, near, atol=1e-4)
