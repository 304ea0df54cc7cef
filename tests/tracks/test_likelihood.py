"""The likelihood of a conditional random field and its gradient, against enumeration."""

import math

import numpy
import pytest
from thinc.api import NumpyOps

from spacy_contrastive_ner import tracks
from spacy_contrastive_ner.tracks import Layout, Transitions

from .. import oracle
from .test_inference import KINDS, random_transitions, split, table_of

OPS = NumpyOps()


def make_case(seed, kind, heads, lengths, missing):
    rng = numpy.random.default_rng(seed)
    layout = Layout.build(heads, {"A": 2, "B": 1})
    spans = [[(0, 2, "A"), (1, 2, "A"), (2, 3, "B")] if n > 2 else [] for n in lengths]
    gaps = [[(0, n, "B"), (n - 1, n, "")] if n else [] for n in lengths] if missing else None
    target = tracks.targets(layout, lengths, spans, gaps)
    shape = (sum(lengths), layout.n_tracks, layout.n_tags)
    scores = rng.normal(0, 2, shape).astype("float32")
    transitions = None
    if kind != "none":
        transitions = random_transitions(
            rng, layout.n_tracks, layout.labels_per_track, kind == "shared"
        )
    return scores, transitions, target


def true_loss(scores, lengths, transitions, target, weights):
    """Naively: over all paths minus over all allowed ones, for each document and track."""
    total = 0.0
    allowed = target.allowed
    if allowed is None:
        allowed = target.tags[:, :, None] == numpy.arange(scores.shape[2])
    for (_, track, own), (_, _, may) in zip(split(scores, lengths), split(allowed, lengths)):
        if len(own):
            table = table_of(transitions, track)
            nll = oracle.log_partition(own, table) - oracle.allowed_log_partition(own, may, table)
            total += float(weights[track]) * nll
    return total


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("heads", ["per_label", "joint"])
@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradients(kind, heads, missing):
    lengths = [3, 0, 1, 4] if heads == "per_label" else [3, 0, 1, 3]
    scores, transitions, target = make_case(0, kind, heads, lengths, missing)
    weights = numpy.linspace(0.5, 2.0, scores.shape[1]).astype("float32")
    loss, d_scores, d_transitions = tracks.crf_loss(
        OPS,
        scores,
        lengths,
        target.tags,
        transitions=transitions,
        allowed=target.allowed,
        weights=weights,
    )

    def naive(scores, transitions):
        return true_loss(scores, lengths, transitions, target, weights)

    assert float(loss) == pytest.approx(naive(scores, transitions), rel=1e-5, abs=1e-4)
    rng = numpy.random.default_rng(1)
    scores = scores.astype("float64")
    for _ in range(12):
        at = tuple(int(rng.integers(0, n)) for n in scores.shape)
        slope = slope_at(scores, at, lambda scores: naive(scores, transitions))
        assert d_scores[at] == pytest.approx(slope, abs=1e-4)
    if transitions is None:
        assert d_transitions is None
        return
    wide = Transitions(*(table.astype("float64") for table in transitions))
    for name in Transitions._fields:
        table, gradient = getattr(wide, name), getattr(d_transitions, name)
        assert gradient.shape == table.shape
        for _ in range(8):
            at = tuple(int(rng.integers(0, n)) for n in table.shape)
            slope = slope_at(
                table, at, lambda table, name=name: naive(scores, wide._replace(**{name: table}))
            )
            assert gradient[at] == pytest.approx(slope, abs=1e-4)


def slope_at(array, at, f, step=1e-4):
    """The central difference of f at one entry of an array."""
    values = []
    for sign in (1, -1):
        moved = array.copy()
        moved[at] += sign * step
        values.append(f(moved))
    return (values[0] - values[1]) / (2 * step)


def test_torch_agrees():
    """Autograd in float64 over the textbook recursion on one long document."""
    torch = pytest.importorskip("torch")
    rng = numpy.random.default_rng(2)
    n = 150
    scores = rng.normal(0, 2, (n, 1, 5)).astype("float32")
    transitions = random_transitions(rng, 1, 1)
    layout = Layout.build("per_label", {"A": 1})
    target = tracks.targets(layout, [n], [[(3, 4, "A"), (60, 90, "A"), (148, 150, "A")]])
    loss, d_scores, d_transitions = tracks.crf_loss(
        OPS, scores, [n], target.tags, transitions=transitions
    )
    X = torch.tensor(scores[:, 0].astype("float64"), requires_grad=True)
    closed, opened, end = (
        torch.tensor(table[0].astype("float64"), requires_grad=True) for table in transitions
    )
    between, final = torch.full((5, 5), -math.inf, dtype=torch.float64), end[[0, 2, 1]]
    places = {(0, 0): closed[0, 0], (0, 1): closed[0, 1], (0, 4): closed[0, 2]}
    for source, i in ((3, 1), (4, 2)):
        for goal, j in ((0, 0), (1, 1), (4, 2)):
            places[source, goal] = closed[i, j]
    for i, source in enumerate((1, 2)):
        for j, goal in enumerate((2, 3)):
            places[source, goal] = opened[i, j, 0]
    rows = [torch.stack([places.get((i, j), between[i, j]) for j in range(5)]) for i in range(5)]
    table = torch.stack(rows)
    alpha = torch.full((5,), -math.inf, dtype=torch.float64)
    start = torch.stack([closed[3, 0], closed[3, 1], alpha[0], alpha[0], closed[3, 2]])
    alpha = start + X[0]
    gold = start[int(target.tags[0, 0])] + X[0, int(target.tags[0, 0])]
    for t in range(1, n):
        before, now = int(target.tags[t - 1, 0]), int(target.tags[t, 0])
        gold = gold + table[before, now] + X[t, now]
        alpha = torch.logsumexp(alpha[:, None] + table, dim=0) + X[t]
    lasts = torch.stack([alpha[0] + final[0], alpha[4] + final[1], alpha[3] + final[2]])
    nll = torch.logsumexp(lasts, dim=0) - gold - final[{0: 0, 4: 1, 3: 2}[int(target.tags[-1, 0])]]
    nll.backward()
    assert float(loss) == pytest.approx(nll.item(), rel=1e-6)
    assert numpy.allclose(d_scores[:, 0], X.grad.numpy(), atol=1e-5)
    for ours, theirs in zip(d_transitions, (closed, opened, end)):
        assert numpy.allclose(ours[0], theirs.grad.numpy(), atol=1e-4)


def test_all_o_and_nothing_at_all():
    layout = Layout.build("per_label", {"A": 1})
    scores = numpy.zeros((2, 1, 5), dtype="float32")
    scores[:, :, 0] = 50
    tags = tracks.targets(layout, [2], [[]]).tags
    loss, d_scores, _ = tracks.crf_loss(OPS, scores, [2], tags)
    assert abs(float(loss)) < 1e-6 and numpy.abs(d_scores).max() < 1e-6
    rng = numpy.random.default_rng(0)
    none = tracks.crf_loss(
        OPS, scores[:0], [0, 0], tags[:0], transitions=random_transitions(rng, 1, 1)
    )
    assert float(none[0]) == 0 and none[1].shape == (0, 1, 5)
    assert not any(table.any() for table in none[2])


def test_extreme_scores_stay_finite():
    rng = numpy.random.default_rng(3)
    scores = rng.normal(0, 1e4, (40, 2, 5)).astype("float32")
    layout = Layout.build("per_label", {"A": 2})
    tags = tracks.targets(layout, [40], [[(0, 30, "A"), (5, 6, "A")]]).tags
    for scale in (0, 1, 20):
        transitions = random_transitions(rng, 2, 1, scale=scale) if scale else None
        loss, d_scores, _ = tracks.crf_loss(OPS, scores, [40], tags, transitions=transitions)
        assert numpy.isfinite(loss) and numpy.isfinite(d_scores).all()
        best = tracks.viterbi(OPS, scores, [40], transitions)
        own = tracks.crf_loss(OPS, scores, [40], best, transitions=transitions)[0]
        assert float(own) < 1.0 < float(loss)


def test_strong_transitions_stay_exact():
    """Transitions far beyond what float32 holds in probability space."""
    rng = numpy.random.default_rng(4)
    scores = rng.normal(0, 2, (5, 1, 5)).astype("float32")
    transitions = random_transitions(rng, 1, 1)
    transitions.closed[:] += 120
    transitions.open[:] -= 120
    table = table_of(transitions, 0)
    total = tracks.log_partition(OPS, scores, [5], transitions)[0, 0]
    assert total == pytest.approx(oracle.log_partition(scores[:, 0], table), rel=1e-5)
    probs = tracks.posteriors(OPS, scores, [5], transitions)
    assert numpy.allclose(probs[:, 0], oracle.tag_posteriors(scores[:, 0], table), atol=1e-4)


def test_nan_comes_back():
    """A NaN does not keep the pieces of a long document running."""
    scores = numpy.full((300, 1, 5), numpy.nan, dtype="float32")
    tags = numpy.zeros((300, 1), dtype="uint8")
    assert numpy.isnan(tracks.crf_loss(OPS, scores, [300], tags)[0])
