import numpy
import pytest
from thinc.api import Adam, registry, resizable

from spacy_contrastive_ner.layers.crf import CRF, get_transitions, set_tracks
from spacy_contrastive_ner.layers.dropout import FixedDropout
from spacy_contrastive_ner.layers.heads import TrackHeads, set_width

RNG = numpy.random.default_rng(0)


def make_heads(nO=10, nI=6):
    container = resizable(TrackHeads(), resize_layer=set_width)
    set_width(container, nO, [0.1 * i for i in range(nO)])
    container.initialize(X=RNG.normal(0, 1, (3, nI)).astype("float32"))
    return container


def test_heads_are_an_affine_map():
    heads = make_heads()
    X = RNG.normal(0, 1, (7, 6)).astype("float32")
    layer = heads.layers[0]
    W, b = layer.get_param("W"), layer.get_param("b")
    assert b.tolist() == pytest.approx([0.1 * i for i in range(10)])
    Y, backprop = heads.begin_update(X)
    assert numpy.allclose(Y, X @ W.T + b, atol=1e-5)
    dY = RNG.normal(0, 1, Y.shape).astype("float32")
    assert numpy.allclose(backprop(dY), dY @ W, atol=1e-5)
    assert numpy.allclose(layer.get_grad("W"), dY.T @ X, atol=1e-4)
    assert numpy.allclose(layer.get_grad("b"), dY.sum(axis=0), atol=1e-4)


def test_heads_grow_and_keep_their_outputs():
    heads = make_heads()
    X = RNG.normal(0, 1, (7, 6)).astype("float32")
    before = heads.predict(X)
    optimizer = Adam(0.001)
    heads.begin_update(X)[1](before)
    saved = heads.predict(X)
    heads.finish_update(optimizer)
    trained = heads.predict(X)
    assert not numpy.array_equal(saved, trained)
    set_width(heads, 15, [7.0] * 15)
    after = heads.predict(X)
    assert numpy.array_equal(after[:, :10], trained)
    assert (after[:, 10:] == 7.0).all()
    # The optimizer that knew the smaller layer goes on.
    heads.begin_update(X)[1](after)
    heads.finish_update(optimizer)
    # A copy loads what was saved.
    copy = resizable(TrackHeads(), resize_layer=set_width).from_bytes(heads.to_bytes())
    assert numpy.array_equal(copy.predict(X), heads.predict(X))


@pytest.mark.parametrize("sharing, n_tables", [("per_track", 3), ("shared", 1)])
def test_crf_grows_and_keeps_its_transitions(sharing, n_tables):
    crf = resizable(CRF(sharing), resize_layer=set_tracks)
    set_tracks(crf, 3, 1)
    known = get_transitions(crf.layers[0])
    assert [table.shape for table in known] == [
        (n_tables, 4, 3),
        (n_tables, 2, 2, 1),
        (n_tables, 3),
    ]
    for table in known:
        table[:] = RNG.normal(0, 1, table.shape)
    set_tracks(crf, 5, 1)
    more = get_transitions(crf.layers[0])
    for a, b in zip(known, more):
        assert len(b) == (5 if sharing == "per_track" else 1)
        assert numpy.array_equal(b[:n_tables], a) and not b[n_tables:].any()


def test_crf_grows_by_labels_on_a_joint_track():
    crf = resizable(CRF("per_track"), resize_layer=set_tracks)
    set_tracks(crf, 1, 1)
    known = get_transitions(crf.layers[0])
    known.closed[0] = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]]
    set_tracks(crf, 1, 2)
    # From O, L1, L2, U1, U2, start to O, B1, B2, U1, U2.
    assert get_transitions(crf.layers[0]).closed[0].tolist() == [
        [1, 2, 0, 3, 0],
        [4, 5, 0, 6, 0],
        [0, 0, 0, 0, 0],
        [7, 8, 0, 9, 0],
        [0, 0, 0, 0, 0],
        [10, 11, 0, 12, 0],
    ]


def test_crf_passes_scores_through():
    crf = registry.layers.get("spacy-contrastive-ner.CRF.v1")(transitions="constraints")
    X = RNG.normal(0, 1, (4, 5)).astype("float32")
    Y, backprop = crf(X, is_train=True)
    assert numpy.array_equal(X, Y) and numpy.array_equal(backprop(X), X)
    assert get_transitions(crf) is None
    with pytest.raises(ValueError, match="per_track, shared, constraints"):
        CRF("learned")


def test_fixed_dropout_keeps_its_rate():
    layer = FixedDropout(0.5)
    X = numpy.ones((50, 40), dtype="float32")
    assert numpy.array_equal(layer.predict(X), X)
    from thinc.api import set_dropout_rate

    set_dropout_rate(layer, 0.0)
    Y, backprop = layer.begin_update(X)
    assert 0.4 < (Y == 0).mean() < 0.6 and set(numpy.unique(Y)) == {0.0, 2.0}
    assert numpy.array_equal(backprop(X), Y)
