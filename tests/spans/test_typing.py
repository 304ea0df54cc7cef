"""A BiLSTM over spans and attention over its states, against one written out token by token."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thinc.api import NumpyOps

from spacy_contrastive_ner.spans.typing import Scored, Weights, log_softmax

from ..device import DeviceOps
from ..oracle import type_scores

OPS = NumpyOps()
WIDTH, HIDDEN, LABELS = 3, 4, 2


def make_weights(rng, scale=0.6):
    cell = [(4 * HIDDEN, WIDTH), (4 * HIDDEN, HIDDEN), (4 * HIDDEN,)]
    shapes = [*cell, *cell, (1 + LABELS, 2 * HIDDEN), (1 + LABELS,)]
    return Weights(*(rng.normal(0, scale, shape) for shape in shapes))


def borders(spans):
    return numpy.asarray(spans, dtype="int64").reshape((-1, 2)).T


def all_spans(n):
    return [(i, j) for i in range(n) for j in range(i + 1, n + 1)]


@st.composite
def cases(draw):
    n = draw(st.integers(1, 7))
    spans = draw(st.lists(st.sampled_from(all_spans(n)), unique=True, max_size=12))
    return n, spans, draw(st.integers(0, 1000))


@settings(max_examples=40, deadline=None)
@given(cases())
def test_scores_are_those_of_the_oracle(case):
    """Spans in any order, of one token or more, that nest, cross, lie apart, or are none at all."""
    n, spans, seed = case
    rng = numpy.random.default_rng(seed)
    rows, weights = rng.normal(size=(n, WIDTH)), make_weights(rng)
    found = Scored(OPS, weights, rows, *borders(spans)).scores
    assert found.shape == (len(spans), 1 + LABELS)
    for scores, (start, end) in zip(found, spans):
        assert numpy.allclose(scores, type_scores(weights, rows[start:end]), atol=1e-12)


@pytest.mark.parametrize("n", [1, 5])
def test_gradient(n):
    """Of rows and all weights, by differences."""
    rng = numpy.random.default_rng(n)
    rows, weights, spans = rng.normal(size=(n, WIDTH)), make_weights(rng), all_spans(n)
    d_scores = rng.normal(size=(len(spans), 1 + LABELS))
    d_rows, d_weights = Scored(OPS, weights, rows, *borders(spans)).backprop(d_scores)

    def loss():
        return float((Scored(OPS, weights, rows, *borders(spans)).scores * d_scores).sum())

    for values, found in zip((rows, *weights), (d_rows, *d_weights)):
        assert found.shape == values.shape
        flat = values.reshape(-1)
        for i in rng.choice(flat.size, min(flat.size, 12), replace=False):
            kept = flat[i]
            flat[i] = kept + 1e-6
            above = loss()
            flat[i] = kept - 1e-6
            below = loss()
            flat[i] = kept
            assert numpy.isclose((above - below) / 2e-6, found.reshape(-1)[i], atol=1e-6)


def test_rows_outside_of_spans_have_no_say():
    rng = numpy.random.default_rng(0)
    rows, weights = rng.normal(size=(6, WIDTH)), make_weights(rng)
    scored = Scored(OPS, weights, rows, *borders([(1, 3), (2, 3), (4, 5)]))
    others = rows.copy()
    others[[0, 3, 5]] = 1e6
    again = Scored(OPS, weights, others, *borders([(1, 3), (2, 3), (4, 5)]))
    assert (scored.scores == again.scores).all()
    d_rows, _ = scored.backprop(numpy.ones_like(scored.scores))
    assert not d_rows[[0, 3, 5]].any() and d_rows[[1, 2, 4]].any(axis=1).all()


def test_extreme_weights():
    rng = numpy.random.default_rng(0)
    rows, weights = 1e4 * rng.normal(size=(4, WIDTH)), make_weights(rng, 1e3)
    scored = Scored(OPS, weights, rows, *borders(all_spans(4)))
    d_rows, _ = scored.backprop(numpy.ones_like(scored.scores))
    assert numpy.isfinite(scored.scores).all() and numpy.isfinite(d_rows).all()


def test_on_a_device():
    ops, rng = DeviceOps(), numpy.random.default_rng(0)
    rows, weights, spans = rng.normal(size=(6, WIDTH)), make_weights(rng), all_spans(6)
    here = Scored(OPS, weights, rows, *borders(spans))
    device = Weights(*(ops.asarray(values) for values in weights))
    there = Scored(ops, device, ops.asarray(rows), *borders(spans))
    assert numpy.allclose(there.scores.get(), here.scores)
    d_scores = rng.normal(size=here.scores.shape)
    ours, theirs = here.backprop(d_scores), there.backprop(ops.asarray(d_scores))
    for a, b in zip((ours[0], *ours[1]), (theirs[0], *theirs[1])):
        assert numpy.allclose(a, b.get())
    assert ops.to_host == 0


def test_log_softmax():
    scores = numpy.array([[0.0, numpy.log(3), -numpy.inf], [1e5, 0, -1e5], [2, 2, 2]])
    assert numpy.allclose(
        numpy.exp(log_softmax(numpy, scores)), [[0.25, 0.75, 0], [1, 0, 0], [1 / 3] * 3]
    )
