"""The factorised scores, losses and gradients against spans written out in full."""

import numpy
import pytest
from thinc.api import NumpyOps

from spacy_contrastive_ner.spans import LARGEST_SCALE, Margins, Space, Weights, contrast, targets

from ..device import DeviceOps
from . import oracle
from .oracle import torch

OPS = NumpyOps()
ALL = Weights(0.5, 0.5, 0.2, 0.2, 0.6, 0.3)
LABELS = ["A", "B", "C"]


def make(n_tokens, K=3, D=5, W=3, R=2, seed=0, dtype="float64", scale=1.0):
    rng = numpy.random.default_rng(seed)
    n = sum(n_tokens) + len(n_tokens)
    rows = rng.normal(0, scale, (n, 4 * D + 2 * R)).astype(dtype)
    space = Space(
        rng.normal(0, 1, (K, 3, D)).astype(dtype),
        rng.normal(0, 0.3, (W, D)).astype(dtype),
        rng.normal(0.5, 0.3, 4).astype(dtype),
    )
    return rows, space


def random_gold(rng, n_tokens, K, W):
    gold, unknown = [], []
    for n in n_tokens:
        spans = set()
        for _ in range(int(rng.integers(0, 5)) if n else 0):
            i = int(rng.integers(0, n))
            spans.add((i, min(n - 1, i + int(rng.integers(0, W))), int(rng.integers(0, K))))
        gold.append(sorted(spans))
        some = []
        if n > 1 and rng.random() < 0.5:
            i = int(rng.integers(0, n))
            some.append((i, int(rng.integers(i + 1, n + 1)), [None, 0][int(rng.integers(0, 2))]))
        unknown.append(some)
    return gold, unknown


def read(gold, unknown, n_tokens, K, W):
    labels = [f"L{k}" for k in range(K)]
    spans = [[(i, j + 1, labels[k]) for i, j, k in doc] for doc in gold]
    missing = [[(a, b, "" if k is None else labels[k]) for a, b, k in doc] for doc in unknown]
    return targets(labels, W, n_tokens, spans, missing)


def both(rows, space, n_tokens, gold, unknown, weights, **settings):
    """Loss and gradients of ours and of the oracle."""
    K, W = len(space.types), len(space.widths)
    margins = Margins(OPS, rows, n_tokens, space)
    goal = read(gold, unknown, n_tokens, K, W)
    loss, gradients = contrast(OPS, margins, goal, weights, **settings)
    tensors = [torch.tensor(x, requires_grad=True) for x in (rows, *space)]
    expected = oracle.loss(*tensors, n_tokens, gold, unknown, weights, **settings)
    expected.backward()
    wanted = [
        numpy.zeros(tensor.shape) if tensor.grad is None else tensor.grad.numpy()
        for tensor in tensors
    ]
    return loss, [gradients.rows, *gradients.space], float(expected), wanted


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("others", ["negative", "ignore"])
def test_loss_and_gradients(seed, others):
    rng = numpy.random.default_rng(seed)
    n_tokens = [int(n) for n in rng.integers(0, 7, size=int(rng.integers(1, 5)))]
    K, W, R = int(rng.integers(1, 4)), int(rng.integers(1, 5)), int(rng.integers(0, 3))
    rows, space = make(n_tokens, K=K, W=W, R=R, seed=seed)
    gold, unknown = random_gold(rng, n_tokens, K, W)
    weights = rng.random(K) + 0.5
    loss, gradients, expected, wanted = both(
        rows, space, n_tokens, gold, unknown, ALL, others=others, label_weights=weights
    )
    assert loss == pytest.approx(expected, abs=1e-9)
    for ours, theirs in zip(gradients, wanted):
        assert numpy.abs(ours - theirs).max(initial=0) < 1e-9


def check(n_tokens, gold, unknown=None, weights=ALL, tolerance=1e-9, **settings):
    rows, space = make(n_tokens, **settings)
    unknown = unknown or [[] for _ in n_tokens]
    loss, gradients, expected, wanted = both(rows, space, n_tokens, gold, unknown, weights)
    assert loss == pytest.approx(expected, abs=tolerance)
    for ours, theirs in zip(gradients, wanted):
        assert numpy.abs(ours - theirs).max(initial=0) < tolerance
    return loss


def test_one_token_one_label_one_width():
    assert check([1], [[(0, 0, 0)]], K=1, W=1, R=0) > 0


def test_texts_without_entities_teach_the_thresholds():
    assert check([3, 2], [[], []]) > 0


def test_empty_texts_count_for_nothing():
    rows, space = make([3])
    goal = read([[(0, 1, 0)]], [[]], [3], 3, 3)
    alone, _ = contrast(OPS, Margins(OPS, rows, [3], space), goal, ALL)
    more, _ = make([0, 3, 0])
    more[1:5] = rows
    goal = read([[], [(0, 1, 0)], []], [[], [], []], [0, 3, 0], 3, 3)
    loss, gradients = contrast(OPS, Margins(OPS, more, [0, 3, 0], space), goal, ALL)
    assert loss == pytest.approx(alone, abs=1e-12)
    assert not gradients.rows[[0, 5]].any() and gradients.rows[1:5].any()
    nothing, _ = contrast(OPS, Margins(OPS, more[:1], [0], space), read([[]], [[]], [0], 3, 3), ALL)
    assert nothing == 0


def test_text_that_is_not_annotated_teaches_nothing():
    rows, space = make([4])
    goal = read([[]], [[(0, 4, None)]], [4], 3, 3)
    loss, gradients = contrast(OPS, Margins(OPS, rows, [4], space), goal, ALL)
    assert loss == 0 and not gradients.rows.any() and not gradients.space.types.any()


def test_gold_at_all_cells():
    gold = [(i, j, k) for i in range(2) for j in range(i, 2) for k in range(2)]
    check([2], [gold], K=2, W=2)


@pytest.mark.parametrize("is_right", [True, False])
def test_scales_over_their_limit_can_only_come_down(is_right):
    """A larger scale is good where the threshold beats what is no entity, and bad elsewhere."""
    rows, space = make([3], R=0)
    space.types[:] = numpy.eye(5)[0]
    rows[:] = numpy.tile(numpy.eye(5)[0] * 5 + numpy.eye(5)[1], 4)
    rows[0 if is_right else slice(1, 4)] = numpy.tile(numpy.eye(5)[0], 4)
    space.widths[:] = 0
    goal = read([[]], [[]], [3], 3, 3)
    space.scales[:3] = numpy.log(LARGEST_SCALE)
    _, free = contrast(OPS, Margins(OPS, rows, [3], space), goal, ALL)
    space.scales[:3] += 1
    _, held = contrast(OPS, Margins(OPS, rows, [3], space), goal, ALL)
    assert (numpy.sign(free.space.scales[:3]) == (-1 if is_right else 1)).all()
    assert numpy.abs(free.space.scales[:3]).min() > 1e-3
    assert numpy.allclose(held.space.scales, numpy.maximum(free.space.scales, 0), atol=1e-9)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_single_precision_at_extremes(scale):
    """Opposite vectors, the largest scales, rows of any length: finite, and as in float64."""
    n_tokens = [40, 1]
    rows, space = make(n_tokens, K=2, D=4, W=12, R=1, dtype="float32", scale=scale)
    space.types[1] = -space.types[0]
    space.scales[:] = 50
    goal = read([[(3, 5, 0), (3, 5, 1)], [(0, 0, 1)]], [[], []], n_tokens, 2, 12)
    loss, gradients = contrast(OPS, Margins(OPS, rows, n_tokens, space), goal, ALL)
    assert numpy.isfinite(loss)
    assert all(numpy.isfinite(part).all() for part in (gradients.rows, *gradients.space))
    wide = Space(*(part.astype("float64") for part in space))
    exact, _ = contrast(OPS, Margins(OPS, rows.astype("float64"), n_tokens, wide), goal, ALL)
    assert loss == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize("far", [1e-7, 1e-5, 1e-4])
@pytest.mark.parametrize("length", [1.0, 100.0])
def test_first_and_last_tokens_that_cancel_out(far, length):
    """Of such spans single precision knows no direction. Their scores stay those of cosines."""
    rows, space = make([20], D=16, R=0, dtype="float32", scale=length)
    rows[:, 48:] = -rows[:, 32:48] * (1 + far)
    space.widths[:] = 0
    space.scales[:] = 5
    margins = Margins(OPS, rows, [20], space)
    for _, values in margins.spans():
        assert values[numpy.isfinite(values)].max() < 2.2 * LARGEST_SCALE
    loss, gradients = contrast(OPS, margins, read([[(0, 0, 0)]], [[]], [20], 3, 3), ALL)
    assert loss < 100 and numpy.isfinite(gradients.rows).all()


def test_a_lift_of_thresholds():
    """It is taken off the margins of spans, and only those."""
    rows, space = make([5, 0, 3])
    plain = Margins(OPS, rows, [5, 0, 3], space)
    lifted = Margins(OPS, rows, [5, 0, 3], space, numpy.asarray([0.0, 1.5, -2.0]))
    for (_, a), (_, b) in zip(plain.spans(), lifted.spans()):
        is_span = numpy.isfinite(a)
        rows_of_spans = is_span[:, 0]
        difference = a[rows_of_spans] - b[rows_of_spans]
        assert numpy.allclose(difference, [0.0, 1.5, -2.0], atol=1e-12)
        assert (numpy.isfinite(b) == is_span).all()
    assert (plain.boundary(0).values == lifted.boundary(0).values).all()


def test_zero_rows_are_compared_with_nothing():
    rows, space = make([3], dtype="float32")
    rows[:] = 0
    goal = read([[(0, 1, 0)]], [[]], [3], 3, 3)
    loss, gradients = contrast(OPS, Margins(OPS, rows, [3], space), goal, ALL)
    assert numpy.isfinite(loss) and numpy.isfinite(gradients.rows).all()


def test_exponentials_that_are_not_kept_give_the_same(monkeypatch):
    from spacy_contrastive_ner.spans import contrast as module

    n_tokens = [6, 4]
    rows, space = make(n_tokens)
    goal = read([[(0, 1, 0), (0, 0, 1)], [(1, 3, 2)]], [[], [(0, 2, 0)]], n_tokens, 3, 3)
    kept = contrast(OPS, Margins(OPS, rows, n_tokens, space), goal, ALL)
    monkeypatch.setattr("spacy_contrastive_ner.spans.contrast.KEPT", 0, raising=False)
    monkeypatch.setitem(module.__globals__, "KEPT", 0)
    again = contrast(OPS, Margins(OPS, rows, n_tokens, space), goal, ALL)
    assert kept[0] == again[0]
    assert (kept[1].rows == again[1].rows).all()


def test_a_wrong_kind_of_others_is_an_error():
    rows, space = make([2])
    with pytest.raises(ValueError, match="negative, ignore"):
        goal = read([[]], [[]], [2], 3, 3)
        contrast(OPS, Margins(OPS, rows, [2], space), goal, ALL, others="some")


def test_device_arrays_stay_on_the_device():
    device = DeviceOps()
    n_tokens = [5, 0, 3]
    rows, space = make(n_tokens, dtype="float32")
    gold, unknown = [[(0, 1, 0), (0, 1, 1)], [], [(2, 2, 2)]], [[], [], [(0, 1, None)]]
    goal = read(gold, unknown, n_tokens, 3, 3)
    loss, gradients = contrast(OPS, Margins(OPS, rows, n_tokens, space), goal, ALL)
    there = Space(*(device.asarray(part) for part in space))
    margins = Margins(device, device.asarray(rows), n_tokens, there)
    far, far_gradients = contrast(device, margins, goal, ALL)
    assert far == pytest.approx(loss, rel=1e-5)
    assert numpy.allclose(far_gradients.rows.get(), gradients.rows, atol=1e-6)


def test_weights_text_by_text():
    """A text whose labels count nothing teaches nothing, and half as much is half the gradient."""
    n_tokens = [4, 3]
    rows, space = make(n_tokens)
    goal = read([[(0, 1, 0)], [(1, 1, 2)]], [[], []], n_tokens, 3, 3)
    losses = []
    for weights in ([[1] * 3, [0] * 3], [[0] * 3, [1] * 3], [[0.5] * 3, [2] * 3]):
        margins = Margins(OPS, rows, n_tokens, space)
        some = numpy.asarray(weights, dtype="float64")
        losses.append(contrast(OPS, margins, goal, ALL, label_weights=some))
    first, second, both = losses
    assert both[0] == pytest.approx(0.5 * first[0] + 2 * second[0])
    assert not first[1].rows[5:].any() and not second[1].rows[:5].any()
    assert numpy.allclose(both[1].rows, 0.5 * first[1].rows + 2 * second[1].rows, atol=1e-12)
