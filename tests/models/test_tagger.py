"""The tagger behind the functions that the component asks for."""

import numpy
import pytest
from spacy.tokens import Doc
from thinc.types import Ragged

from spacy_contrastive_ner.annotations import Gold
from spacy_contrastive_ner.models import tag_scores, tagger
from spacy_contrastive_ner.tracks import Layout

from ..util import CE, make_examples, make_pipeline, train

GOLD = [Gold(4, [(0, 3, "A"), (1, 2, "A"), (3, 4, "B")], [], []), Gold(2, [], [], [])]


def make_model(gold=GOLD, given=None, max_layers=2, **settings):
    nlp = make_pipeline(model=settings)
    model = nlp.get_pipe("contrastive_ner").model
    lost = model.attrs["fit"](model, gold, given, max_layers)
    docs = [Doc(nlp.vocab, words=["w"] * doc.n_tokens) for doc in gold]
    model.initialize(X=docs)
    return model, docs, lost


def test_fit_reads_layers():
    model, docs, lost = make_model()
    assert tagger.labels(model) == {"A": 2, "B": 1} and not lost
    scores = model.predict(docs)
    assert scores.dataXd.shape == (6, 15) and scores.lengths.tolist() == [4, 2]


def test_fit_returns_what_does_not_fit():
    _, _, lost = make_model(max_layers=1)
    assert [(item.document, item.span) for item in lost] == [(0, (1, 2, "A"))]
    _, _, lost = make_model(heads="joint")
    assert [item.span for item in lost] == [(1, 2, "A")]
    _, _, lost = make_model(given={"A": 0})
    assert [item.span for item in lost] == [(3, 4, "B")]


def test_heads_start_from_the_frequency_of_the_tags():
    model, _, _ = make_model()
    bias = model.get_ref("heads").layers[0].get_param("b").reshape((3, 5))
    shares = numpy.exp(bias)
    assert numpy.allclose(shares.sum(axis=1), 1, atol=1e-5)
    # Layer 1 of A has 3 O, B, I, L on 6 tokens; each tag counts once more than it occurs.
    assert shares[0] == pytest.approx([4 / 11, 2 / 11, 2 / 11, 2 / 11, 1 / 11])


@pytest.mark.parametrize("settings", [{}, {"crf": None}, {"loss": CE}], ids=str)
@pytest.mark.parametrize("heads", ["per_label", "joint"])
def test_gradient_of_the_scores(heads, settings):
    model, docs, _ = make_model(heads=heads, **settings)
    rng = numpy.random.default_rng(0)
    width = model.predict(docs).dataXd.shape[1]
    lengths = numpy.asarray([4, 2], dtype="int32")
    X = rng.normal(0, 1, (6, width)).astype("float32")
    loss, gradient, lost = tag_scores.learn(model, GOLD, Ragged(X, lengths))
    assert loss > 0 and len(lost) == (1 if heads == "joint" else 0)
    for _ in range(15):
        at = int(rng.integers(0, 6)), int(rng.integers(0, width))
        values = []
        for step in (1e-2, -1e-2):
            moved = X.copy()
            moved[at] += step
            values.append(tag_scores.learn(model, GOLD, Ragged(moved, lengths))[0])
        slope = (values[0] - values[1]) / 2e-2
        assert gradient.dataXd[at] == pytest.approx(slope, abs=2e-3)


@pytest.mark.parametrize("settings", [{}, {"crf": None}], ids=str)
def test_label_weights(settings):
    """A label's tracks learn as fast as it weighs, the others as before."""
    gradients = []
    for weights in ({}, {"A": 3.0}):
        model, docs, _ = make_model(label_weights=weights, **settings)
        scores = Ragged(numpy.ones((6, 15), dtype="float32"), model.predict(docs).lengths)
        gradients.append(tag_scores.learn(model, GOLD, scores)[1].dataXd)
        of_transitions = model.get_ref("crf").layers[0].attrs.get("gradient")
        if of_transitions:
            gradients[-1] = [gradients[-1], of_transitions["closed"]]
    plain, weighted = gradients
    if settings:
        assert numpy.allclose(weighted[:, :10], 3 * plain[:, :10], atol=1e-5)
        assert numpy.allclose(weighted[:, 10:], plain[:, 10:], atol=1e-5)
    else:
        assert numpy.allclose(weighted[0][:, :10], 3 * plain[0][:, :10], atol=1e-5)
        assert numpy.allclose(weighted[1][:2], 3 * plain[1][:2], atol=1e-4)
        assert numpy.allclose(weighted[1][2:], plain[1][2:], atol=1e-4)


def test_label_weights_on_a_joint_track_go_by_gold_tag():
    layout = Layout.build("joint", {"A": 1, "B": 1})
    weights = tag_scores._label_weights(layout, {"B": 2.0})
    assert weights.tolist() == [[1, 1, 1, 1, 1, 2, 2, 2, 2]]


def test_imitation():
    model, docs, _ = make_model()
    rng = numpy.random.default_rng(0)
    lengths = model.predict(docs).lengths
    X = rng.normal(0, 1, (6, 15)).astype("float32")
    teacher = Ragged(rng.normal(0, 1, (6, 15)).astype("float32"), lengths)
    same = tag_scores.imitate(model, Ragged(X, lengths), model, Ragged(X.copy(), lengths))
    assert same[0] == pytest.approx(0, abs=1e-6) and numpy.abs(same[1].dataXd).max() < 1e-6
    _, gradient = tag_scores.imitate(model, Ragged(X, lengths), model, teacher)
    for at in ((0, 0), (3, 7), (5, 14)):
        values = []
        for step in (1e-2, -1e-2):
            moved = X.copy()
            moved[at] += step
            values.append(tag_scores.imitate(model, Ragged(moved, lengths), model, teacher)[0])
        assert gradient.dataXd[at] == pytest.approx((values[0] - values[1]) / 2e-2, abs=2e-3)


def test_a_second_initialize_starts_anew():
    """All but the labels: weights that belong to an older encoder are worth nothing."""
    nlp = make_pipeline()
    train(nlp)
    pipe = nlp.get_pipe("contrastive_ner")
    deeper = ("the Court of the City of Rome", [(1, 7, "GPE"), (4, 7, "GPE"), (5, 6, "DATE")])
    nlp.initialize(lambda: make_examples(nlp, [deeper]))
    assert pipe.label_data == {"GPE": 2, "ORG": 2, "PER": 1, "DATE": 1}
    transitions = pipe.model.get_ref("crf").layers[0].get_param("closed")
    assert len(transitions) == 6 and not transitions.any()


def test_looking_at_the_loss_changes_nothing():
    model, docs, _ = make_model()
    layer = model.get_ref("crf").layers[0]
    scores, backprop = model.begin_update(docs)
    for _ in range(3):
        _, gradient, _ = tag_scores.learn(model, GOLD, scores)
    assert not layer.has_grad("closed")
    backprop(gradient)
    once = layer.get_grad("closed").copy()
    assert once.any()
    scores, backprop = model.begin_update(docs)
    backprop(scores)
    assert numpy.array_equal(layer.get_grad("closed"), once)


def test_transitions_that_are_not_finite():
    model, docs, _ = make_model()
    scores = model.predict(docs)
    model.get_ref("crf").layers[0].get_param("closed")[0, 0] = numpy.nan
    with pytest.raises(ValueError, match="transitions of the CRF are not finite"):
        tag_scores.find(model, [4, 2], scores, "viterbi", 0.5)


def test_settings_are_checked():
    with pytest.raises(ValueError, match="label_weights names C, but the labels are A, B"):
        make_model(label_weights={"C": 2.0})
    with pytest.raises(ValueError, match="cannot be used with a CRF on a joint track"):
        make_model(heads="joint", label_weights={"A": 2.0})
    with pytest.raises(ValueError, match="hidden_width"):
        make_model(hidden_width=-3)
    with pytest.raises(ValueError, match="not negative"):
        make_model(label_weights={"A": -1.0})
    with pytest.raises(ValueError, match="dropout"):
        make_model(dropout=1.5)


def test_unknown_heads():
    with pytest.raises(ValueError, match="per_label, joint"):
        tagger.build_multi_head_tagger(None, heads="all")
