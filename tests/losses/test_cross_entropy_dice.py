import itertools

import numpy
import pytest
from thinc.api import NumpyOps, registry

from spacy_contrastive_ner import tracks
from spacy_contrastive_ner.losses import cross_entropy_dice, make_cross_entropy_dice
from spacy_contrastive_ner.tracks import Layout

from .. import oracle

OPS = NumpyOps()

SETTINGS = [
    {},
    {"label_smoothing": 0.1},
    {"alpha": 0.3, "beta": 1.0},
    {"alpha": 0.0, "beta": 0.7, "gamma": 1.0},
    {"alpha": 0.1, "beta": 1.0, "scope": "batch", "label_smoothing": 0.01},
]


def make_case(heads="per_label", missing=False, scale=2.0):
    rng = numpy.random.default_rng(0)
    layout = Layout.build(heads, {"A": 2, "B": 1})
    lengths = [4, 0, 1, 3]
    spans = [[(0, 3, "A"), (1, 2, "A"), (3, 4, "B")], [], [(0, 1, "B")], []]
    gaps = [[(3, 4, "A")], [], [], [(1, 3, "")]] if missing else None
    target = tracks.targets(layout, lengths, spans, gaps)
    scores = rng.normal(0, scale, (8, layout.n_tracks, layout.n_tags)).astype("float32")
    return layout, scores, target


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("heads", ["per_label", "joint"])
def test_loss_and_gradient(heads, missing, weighted, settings):
    layout, scores, target = make_case(heads, missing)
    weights = None
    if weighted:
        # What a label counts: by track, or on a joint track by tag.
        if heads == "per_label":
            weights = numpy.asarray([[0.5] * 5, [2.0] * 5, [1.0] * 5], dtype="float32")
        else:
            weights = numpy.linspace(0.5, 2, 9, dtype="float32")[None]
    options = {**settings, "allowed": target.allowed, "weights": weights}
    loss, d_scores = cross_entropy_dice(OPS, scores, target.tags, **options)
    assert float(loss) == pytest.approx(
        oracle.cross_entropy_dice(scores, target.tags, **options), rel=1e-4
    )
    assert d_scores.shape == scores.shape
    wide = scores.astype("float64")
    for at in itertools.product(*map(range, scores.shape)):
        values = []
        for step in (1e-4, -1e-4):
            moved = wide.copy()
            moved[at] += step
            values.append(oracle.cross_entropy_dice(moved, target.tags, **options))
        assert d_scores[at] == pytest.approx((values[0] - values[1]) / 2e-4, abs=2e-4)


def test_missing_everywhere_teaches_nothing():
    layout, scores, target = make_case()
    allowed = numpy.ones((*target.tags.shape, layout.n_tags), dtype="bool")
    loss, d_scores = cross_entropy_dice(OPS, scores, target.tags, allowed=allowed, beta=1.0)
    assert abs(float(loss)) < 1e-5 and numpy.abs(d_scores).max() < 1e-6


def test_extreme_scores_stay_finite():
    _, scores, target = make_case(scale=1e5)
    for settings in SETTINGS:
        loss, d_scores = cross_entropy_dice(OPS, scores, target.tags, **settings)
        assert numpy.isfinite(loss) and numpy.isfinite(d_scores).all()


def test_no_tokens():
    loss, d_scores = cross_entropy_dice(
        OPS, numpy.zeros((0, 2, 5), dtype="float32"), numpy.zeros((0, 2), dtype="uint8"), beta=1.0
    )
    assert float(loss) == 0 and d_scores.shape == (0, 2, 5)


def test_is_registered_and_checks_its_settings():
    make = registry.losses.get("spacy-contrastive-ner.CrossEntropyDice.v1")
    assert make is make_cross_entropy_dice
    _, scores, target = make_case()
    configured = make(alpha=0.5, beta=2.0, scope="batch")(OPS, scores, target.tags)
    direct = cross_entropy_dice(OPS, scores, target.tags, alpha=0.5, beta=2.0, scope="batch")
    assert float(configured[0]) == float(direct[0])
    with pytest.raises(ValueError, match="token, batch"):
        make(scope="document")
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"gamma is {wrong}, but must be positive and finite"):
            make(beta=1.0, gamma=wrong)
        if wrong:
            for name in ("alpha", "beta"):
                with pytest.raises(ValueError, match=f"{name} is {wrong}, but must be finite and"):
                    make(**{name: wrong})
    with pytest.raises(ValueError, match="label_smoothing"):
        make(label_smoothing=1.0)
