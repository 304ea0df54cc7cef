"""Two opinions about spans are mixed, against all spans one by one."""

import numpy
import pytest
from thinc.api import NumpyOps

from spacy_contrastive_ner.models.calibration import Curves
from spacy_contrastive_ner.models.span_memory import Opinion, margin_of, mix_spans
from spacy_contrastive_ner.spans import Margins, decode

from .. import oracle
from ..device import DeviceOps
from ..spans.test_contrast import make
from ..spans.test_decoding import by_hand
from ..tracks.test_inference import random_transitions, split, table_of

OPS = NumpyOps()
N_TOKENS = [4, 1, 0, 5]
# The first label is not remembered, the second is nothing else, the third has two layers.
TRACK_LABELS = numpy.asarray([[1], [2], [2]])


def draw(seed):
    """Rows and space; curves; what a memory says that has nothing to do with them."""
    rng = numpy.random.default_rng(seed)
    rows, space = make(N_TOKENS, W=3, R=seed % 3, seed=seed)
    curves = Curves(rng.normal(size=3), rng.uniform(0.3, 2, 3), rng.normal(size=3))
    weights = numpy.asarray([0.0, 1.0, rng.uniform(0.1, 0.9)])
    scores = rng.normal(0, 2, (sum(N_TOKENS), 3, 5)).astype("float32")
    transitions = random_transitions(rng, 3, 1, shared=seed % 2 == 0)
    return rows, space, curves, Opinion(weights, scores, TRACK_LABELS, transitions)


def enumerated(rows, space, curves, opinion):
    """The mixture of each span of each label."""
    own, absent = {}, {}
    for d, a, b, k, margin in by_hand(rows, space, N_TOKENS, [-numpy.inf] * 3):
        logit = curves.slopes[k] * (margin - curves.offsets[k]) + curves.shifts[k]
        own[d, a, b, k] = 1 / (1 + numpy.exp(-logit))
    for d, track, scores in split(opinion.scores, N_TOKENS):
        table = table_of(opinion.transitions, track)
        for (a, b, _), p in oracle.span_posteriors(scores, table).items() if len(scores) else ():
            place = d, a, b, int(TRACK_LABELS[track, 0])
            absent[place] = absent.get(place, 1) * (1 - p)
    share = opinion.weights
    return {
        at: (1 - share[at[3]]) * own.get(at, 0) + share[at[3]] * (1 - absent.get(at, 1))
        for at in {**own, **absent}
    }


def mixed(ops, rows, space, curves, opinion, threshold):
    margins = Margins(ops, rows, N_TOKENS, space)
    least = curves.margins(numpy.log(threshold) - numpy.log1p(-threshold))
    least[1] = numpy.inf
    found = decode(ops, margins, least)
    return mix_spans(opinion, margins, curves, N_TOKENS, found, threshold)


@pytest.mark.parametrize("thresholds", [0.01, 0.1, 0.4, 0.7, (0.5, 0.05, 0.2)])
@pytest.mark.parametrize("seed", range(6))
def test_no_span_is_lost(seed, thresholds):
    """One threshold for all labels, or one for each."""
    case = draw(seed)
    every = enumerated(*case)
    assert len({b - a for _, a, b, _ in every}) == 5
    least = numpy.broadcast_to(thresholds, 3)
    expected = {at: p for at, p in every.items() if p >= least[at[3]]}
    found, over = mixed(OPS, *case, numpy.asarray(thresholds))
    places = list(zip(*(column.tolist() for column in found[:4])))
    assert places == sorted(expected, key=lambda at: (at[0], at[1], -at[2], at[3])) and places
    assert found.probability == pytest.approx([expected[at] for at in places], abs=1e-5)
    assert not found.group.any()
    # By how much, in margins: what the curve has to be raised by to get from the threshold to it.
    k = found.label
    threshold = least[k]
    logits = numpy.log(threshold) - numpy.log1p(-threshold) + case[2].slopes[k] * over
    p = found.probability.astype("float64")
    clear = (p < 0.99) & (p > threshold + 0.01)
    assert numpy.allclose(1 / (1 + numpy.exp(-logits))[clear], p[clear], atol=1e-4)
    assert (over > -1e-3).all()


def test_margins_of_given_spans():
    """On a device, too; spans wider than any with a margin have none."""
    rows, space, _, _ = draw(2)
    true = by_hand(rows, space, N_TOKENS, [-numpy.inf] * 3)
    document, start, end, label, margin = (numpy.asarray(column) for column in zip(*true))
    margins = Margins(OPS, rows, N_TOKENS, space)
    found = margin_of(margins, document, start, end)
    assert found.shape == (len(true), 3)
    assert numpy.allclose(found[numpy.arange(len(true)), label], margin, atol=1e-9)
    wide = margin_of(margins, numpy.asarray([3, 3]), numpy.asarray([0, 1]), numpy.asarray([4, 2]))
    assert (wide[0] == -numpy.inf).all() and numpy.isfinite(wide[1]).all()
    assert margin_of(margins, *(numpy.zeros(0, dtype="int64"),) * 3).shape == (0, 3)
    ops = DeviceOps()
    there = type(space)(*(ops.asarray(part) for part in space))
    far = Margins(ops, ops.asarray(rows), N_TOKENS, there)
    ops.to_host = 0
    assert numpy.allclose(margin_of(far, document, start, end), found, atol=1e-6)
    assert ops.to_host == 1


def test_nothing_found():
    rows, space, curves, opinion = draw(0)
    opinion.scores[:, :, 0] = 100
    found, over = mixed(
        OPS, rows, space, curves._replace(shifts=numpy.full(3, -500.0)), opinion, 0.5
    )
    assert [len(column) for column in (*found, over)] == [0] * 7


def test_sure_spans_stay_finite():
    rows, space, curves, opinion = draw(1)
    opinion.scores[0, :, 4] = 500
    found, over = mixed(
        OPS, rows, space, curves._replace(shifts=numpy.full(3, 500.0)), opinion, 0.5
    )
    assert (found.probability == 1).any() and numpy.isfinite(over).all()
