"""The contrastive losses against naive loops, their gradients against finite differences."""

import warnings

import numpy
import pytest
from thinc.api import NumpyOps

from spacy_contrastive_ner.losses import (
    distance_logistic,
    gaussian_kl,
    info_nce,
    make_distance_logistic,
    make_gaussian_kl,
    make_info_nce,
    make_supcon,
    pairs,
    supcon,
)
from spacy_contrastive_ner.losses.span_contrast import make_span_contrast

from .. import oracle

OPS = NumpyOps()
NAN, INF = float("nan"), float("inf")

CASES = [
    (info_nce, oracle.info_nce, {}),
    (info_nce, oracle.info_nce, {"temperature": 0.5, "reduction": "labels"}),
    (supcon, oracle.supcon, {}),
    (supcon, oracle.supcon, {"temperature": 0.7}),
    (gaussian_kl, oracle.gaussian_kl, {}),
    (gaussian_kl, oracle.gaussian_kl, {"width": 3, "temperature": 4.0}),
    (distance_logistic, oracle.distance_logistic, {}),
    (
        distance_logistic,
        oracle.distance_logistic,
        {"margin": 2.0, "label_smoothing": 0.1, "temperature": 0.25},
    ),
]
ids = [f"{loss.__name__}{index}" for index, (loss, _, _) in enumerate(CASES)]
every_loss = pytest.mark.parametrize("loss, slow, settings", CASES, ids=ids)


def make_rows(rng, n, loss, scale=1.0):
    rows = rng.normal(0, scale, (n, 6))
    if loss is gaussian_kl:
        rows[:, 3:] = numpy.exp(rows[:, 3:])
    return rows


def make_labels(rng, n, n_labels=3):
    """Nested labels, rows without any, and a label that one row alone has."""
    labels = rng.random((n, n_labels)) < 0.3
    labels = numpy.concatenate((labels, numpy.zeros((n, 1), dtype="bool")), axis=1)
    labels[:1, -1] = True
    return labels


@every_loss
@pytest.mark.parametrize("n, with_maybe", [(9, False), (12, True), (2, False)])
@pytest.mark.parametrize("seed", range(3))
def test_loss_and_gradient(loss, slow, settings, n, with_maybe, seed):
    rng = numpy.random.default_rng(seed)
    rows, labels = make_rows(rng, n, loss), make_labels(rng, n)
    if n == 2:
        labels[:] = True
    maybe = rng.random(labels.shape) < 0.2 if with_maybe else None
    value, d_rows = loss(OPS, rows, labels, maybe=maybe, **settings)
    assert float(value) == pytest.approx(slow(rows, labels, maybe, **settings), rel=1e-6, abs=1e-7)
    assert d_rows.shape == rows.shape and d_rows.dtype == rows.dtype
    for at in numpy.ndindex(rows.shape):
        values = []
        for step in (1e-5, -1e-5):
            moved = rows.copy()
            moved[at] += step
            values.append(slow(moved, labels, maybe, **settings))
        slope = (values[0] - values[1]) / 2e-5
        assert d_rows[at] == pytest.approx(slope, rel=1e-4, abs=1e-6), at


@every_loss
def test_blocks_do_not_matter(loss, slow, settings, monkeypatch):
    rng = numpy.random.default_rng(0)
    rows, labels = make_rows(rng, 50, loss), make_labels(rng, 50)
    whole, d_whole = loss(OPS, rows, labels, **settings)
    assert float(whole) == pytest.approx(slow(rows, labels, **settings))
    for block in (1, 70, 1000):
        monkeypatch.setattr(pairs, "BLOCK", block)
        parts, d_parts = loss(OPS, rows, labels, **settings)
        assert float(parts) == pytest.approx(float(whole), rel=1e-9)
        assert numpy.allclose(d_parts, d_whole, atol=1e-10)


@every_loss
def test_single_precision(loss, slow, settings):
    rng = numpy.random.default_rng(1)
    rows, labels = make_rows(rng, 40, loss), make_labels(rng, 40)
    wide, d_wide = loss(OPS, rows, labels, **settings)
    value, d_rows = loss(OPS, rows.astype("float32"), labels, **settings)
    assert d_rows.dtype == "float32"
    assert float(value) == pytest.approx(float(wide), rel=1e-4)
    assert numpy.abs(d_rows - d_wide).max() < 1e-4 * max(1.0, numpy.abs(d_wide).max())


@every_loss
@pytest.mark.parametrize(
    "labels",
    [
        numpy.zeros((0, 3)),
        numpy.zeros((5, 0)),
        numpy.zeros((5, 2)),
        numpy.eye(5),
        numpy.eye(1),
    ],
    ids=["empty", "no labels", "all outside", "all single", "one row"],
)
def test_nothing_to_learn(loss, slow, settings, labels):
    rows = make_rows(numpy.random.default_rng(0), len(labels), loss).astype("float32")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value, d_rows = loss(OPS, rows, labels.astype("bool"), **settings)
    assert float(value) == 0.0
    assert d_rows.shape == rows.shape and not d_rows.any()


@every_loss
def test_one_label_only(loss, slow, settings):
    """Without negatives there is no contrast, though distances may still count."""
    rows = make_rows(numpy.random.default_rng(0), 5, loss)
    labels = numpy.ones((5, 1), dtype="bool")
    value, d_rows = loss(OPS, rows, labels, **settings)
    assert float(value) == pytest.approx(slow(rows, labels, **settings), rel=1e-6, abs=1e-9)
    assert numpy.isfinite(d_rows).all()
    if loss in (info_nce, gaussian_kl):
        assert float(value) == pytest.approx(0.0, abs=1e-9)


@every_loss
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_extreme_rows_and_ties(loss, slow, settings, scale):
    rng = numpy.random.default_rng(0)
    rows = make_rows(rng, 12, loss).astype("float32")
    rows[:, :3] *= scale
    rows[3] = rows[4]
    rows[5] = rows[6]
    if loss is not gaussian_kl:
        rows[7:9] = 0
        rows[10] = -rows[11]
    labels = make_labels(rng, 12)
    labels[3], labels[4] = labels[4], ~labels[4]
    value, d_rows = loss(OPS, rows, labels, **settings)
    assert numpy.isfinite(float(value)) and float(value) >= -1e-6
    assert numpy.isfinite(d_rows).all()
    if loss is not gaussian_kl:
        assert not d_rows[7:9].any()


def unit(rows):
    """In double precision, one row after the other."""
    wide = rows.astype("float64")
    return numpy.asarray([row / numpy.sqrt((row * row).sum()) for row in wide])


@pytest.mark.parametrize("scale", [1e-4, 1.0, 3e18, 1e19, 1e25, 1e37, 3e38])
def test_rows_of_any_length_are_normalised(scale):
    """Also where the squares of their entries are more than a float can hold."""
    rng = numpy.random.default_rng(0)
    rows = rng.uniform(-1, 1, (6, 5)).astype("float32")
    rows /= numpy.abs(rows).max(axis=1, keepdims=True)
    rows[1] /= 1000
    rows[2, 1:] = 0
    rows *= numpy.float32(scale)
    rows[3] = 0
    there = [0, 1, 2, 4, 5]
    found, backprop = pairs.unit_rows(OPS, rows)
    assert found.dtype == "float32" and not found[3].any()
    assert numpy.allclose(found[there], unit(rows[there]), atol=1e-6)
    d_unit = rng.normal(size=rows.shape).astype("float32")
    d_rows = backprop(d_unit)
    assert not d_rows[3].any()
    wide, d_wide = rows.astype("float64"), d_unit.astype("float64")
    for i in there:
        length = numpy.sqrt((wide[i] * wide[i]).sum())
        along = wide[i] / length
        expected = (d_wide[i] - (d_wide[i] @ along) * along) / length
        # Near the smallest floats some digits are lost.
        assert numpy.allclose(d_rows[i] * length, expected * length, atol=1e-5)


@pytest.mark.parametrize("loss, slow", [case[:2] for case in CASES[::2] if case[0] != gaussian_kl])
def test_long_rows_are_compared_as_short_ones(loss, slow):
    rng = numpy.random.default_rng(0)
    rows, labels = make_rows(rng, 12, loss).astype("float32"), make_labels(rng, 12)
    short, _ = loss(OPS, rows, labels)
    rows *= numpy.float32(1e25)
    value, d_rows = loss(OPS, rows, labels)
    assert float(value) == pytest.approx(slow(rows.astype("float64"), labels), rel=1e-4)
    assert float(value) == pytest.approx(float(short), rel=1e-5)
    assert d_rows.any()


@every_loss
def test_not_finite_rows_show(loss, slow, settings):
    rows = numpy.ones((4, 6), dtype="float32")
    rows[1] = numpy.nan
    value, _ = loss(OPS, rows, numpy.ones((4, 1), dtype="bool"), **settings)
    labels = numpy.eye(2, dtype="bool")[[0, 0, 1, 1]]
    value, _ = loss(OPS, rows, labels, **settings)
    assert numpy.isnan(float(value))


@every_loss
def test_descent_parts_the_labels(loss, slow, settings):
    """Following the gradient brings rows of a label together, and those of others apart."""
    rng = numpy.random.default_rng(0)
    rows = make_rows(rng, 30, loss)
    kinds = numpy.arange(30) % 3
    labels = numpy.eye(3, dtype="bool")[kinds]
    first, _ = loss(OPS, rows, labels, **settings)
    for _ in range(300):
        _, d_rows = loss(OPS, rows, labels, **settings)
        step = 0.03 if loss is gaussian_kl else 0.3
        rows -= step * d_rows / max(1e-9, numpy.abs(d_rows).max())
        if loss is gaussian_kl:
            rows[:, 3:] = numpy.maximum(rows[:, 3:], 0.05)
    last, _ = loss(OPS, rows, labels, **settings)
    assert float(last) < 0.4 * float(first)

    def likeness(i, j):
        if loss is gaussian_kl:
            return -oracle.gaussian_distance(rows[i], rows[j])
        return oracle.cosine(rows[i], rows[j])

    near = [likeness(i, i + 3) for i in range(27)]
    far = [likeness(i, i + 1) for i in range(29)]
    if loss is gaussian_kl:
        # Variances shrink, so that distances of one label differ much.
        assert numpy.median(near) > numpy.median(far)
    else:
        assert min(near) > max(far)


def test_many_patterns_of_labels():
    """Every row has another set of labels."""
    rng = numpy.random.default_rng(0)
    rows = rng.normal(size=(40, 4))
    labels = (numpy.arange(1, 41)[:, None] >> numpy.arange(6)) & 1 > 0
    value, _ = info_nce(OPS, rows, labels)
    assert float(value) == pytest.approx(oracle.info_nce(rows, labels))


def test_temperature_lets_distance_logistic_tell_rows_apart():
    """As published, rows at a right angle cannot be called different."""
    rows = numpy.eye(4)[[0, 0, 1, 1]]
    labels = numpy.eye(2, dtype="bool")[[0, 0, 1, 1]]
    published, _ = distance_logistic(OPS, rows, labels)
    sharper, _ = distance_logistic(OPS, rows, labels, temperature=0.2)
    assert float(published) > 0.15
    assert float(sharper) < 0.01


def test_rows_that_do_not_fit():
    rows = numpy.ones((3, 4), dtype="float32")
    with pytest.raises(ValueError, match="3 rows, but the shape of labels is"):
        supcon(OPS, rows, numpy.ones((2, 1), dtype="bool"))
    with pytest.raises(ValueError, match="3 rows, but the shape of maybe is"):
        supcon(OPS, rows, numpy.ones((3, 1), dtype="bool"), maybe=numpy.ones(3, dtype="bool"))
    with pytest.raises(ValueError, match="4 columns, but GaussianKL needs 3 means"):
        gaussian_kl(OPS, rows, numpy.ones((3, 1), dtype="bool"), width=3)
    with pytest.raises(ValueError, match="3 columns"):
        gaussian_kl(OPS, rows[:, :3], numpy.ones((3, 1), dtype="bool"))


def test_variances_of_no_gaussian():
    rows = numpy.full((3, 4), -1.0, dtype="float32")
    with pytest.raises(ValueError, match="Set projection to GaussianProjection"):
        gaussian_kl(OPS, rows, numpy.ones((3, 1), dtype="bool"))


@pytest.mark.parametrize(
    "make, settings",
    [
        *(
            (make, {"temperature": value})
            for make in (make_info_nce, make_supcon, make_gaussian_kl, make_distance_logistic)
            for value in (0.0, -1.0, NAN, INF, -INF)
        ),
        (make_distance_logistic, {"margin": NAN}),
        (make_distance_logistic, {"margin": INF}),
        (make_distance_logistic, {"label_smoothing": NAN}),
        (make_info_nce, {"reduction": "sum"}),
        (make_gaussian_kl, {"width": 0}),
        (make_distance_logistic, {"margin": -1.0}),
        (make_distance_logistic, {"label_smoothing": 1.0}),
    ],
)
def test_settings_are_checked(make, settings):
    ((name, value),) = settings.items()
    with pytest.raises(ValueError, match=f"{name} is .*{value}.*, but must"):
        make(**settings)


@pytest.mark.parametrize("name", ["entities", "thresholds", "start", "end", "span", "anchor"])
@pytest.mark.parametrize("value", [-1.0, NAN, INF])
def test_weights_of_span_contrast_are_checked(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}, but must be finite and not negative"):
        make_span_contrast(**{name: value})


@pytest.mark.parametrize("make", [make_info_nce, make_supcon, make_distance_logistic])
def test_configured_losses(make):
    rng = numpy.random.default_rng(0)
    rows, labels = rng.normal(size=(8, 3)), make_labels(rng, 8)
    loss, _ = make(temperature=0.5)(OPS, rows, labels)
    assert float(loss) == pytest.approx(
        {
            make_info_nce: oracle.info_nce,
            make_supcon: oracle.supcon,
            make_distance_logistic: oracle.distance_logistic,
        }[make](rows, labels, temperature=0.5)
    )


def test_a_common_offset_of_gaussians_costs_no_digits():
    rng = numpy.random.default_rng(0)
    rows, labels = make_rows(rng, 40, gaussian_kl), make_labels(rng, 40)
    rows[:, 3:] = 0.1
    wide, d_wide = gaussian_kl(OPS, rows, labels)
    rows[:, :3] += 20
    value, d_rows = gaussian_kl(OPS, rows.astype("float32"), labels)
    assert float(value) == pytest.approx(float(wide), rel=1e-4)
    assert numpy.abs(d_rows - d_wide).max() < 1e-3 * numpy.abs(d_wide).max()


def test_distances_at_the_ends_of_the_temperatures():
    rng = numpy.random.default_rng(0)
    rows, labels = rng.normal(size=(20, 4)).astype("float32"), make_labels(rng, 20)
    rows[1] = rows[0]
    for temperature in (0.01, 100.0):
        loss, d_rows = make_distance_logistic(temperature=temperature)(OPS, rows, labels)
        assert numpy.isfinite(float(loss)) and numpy.isfinite(d_rows).all()
