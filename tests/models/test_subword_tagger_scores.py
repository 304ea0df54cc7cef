"""What the tagger of word pieces learns from scores and reads from them, against slow versions."""

import numpy
import pytest
from spacy.tokens import Doc
from thinc.types import Ragged

from spacy_contrastive_ner.annotations import Gold
from spacy_contrastive_ner.models import subword_tagger
from spacy_contrastive_ner.tracks.encoding import NO_LABEL, NO_ROOM
from spacy_contrastive_ner.tracks.subwords import NO_PIECE

from .. import oracle
from ..device import DeviceOps
from ..util import CE
from .test_subword_tagger import CRF, make

COUNTS = [1, 3, 0, 2, 1, 0, 2]
GOLD = [
    Gold(5, [(0, 4, "A"), (1, 2, "A"), (4, 5, "B")], [], []),
    Gold(2, [(1, 2, "B")], [], []),
]


@pytest.fixture
def fitted(bert):
    """A function that makes a model whose tracks are laid out for GOLD."""

    def fit(gold=GOLD, given=None, max_layers=2, **model):
        nlp = make(bert, model=model)
        model = nlp.get_pipe("contrastive_ner").model
        model.attrs["fit"](model, gold, given, max_layers)
        doc = Doc(nlp.vocab, words=["Paris"])
        model.initialize(X=[doc])
        width = model.predict([doc]).dataXd.shape[1]
        rng = numpy.random.default_rng(0)
        X = rng.normal(0, 1, (sum(COUNTS), width)).astype("float32")
        return model, Ragged(X, numpy.asarray(COUNTS, dtype="int32"))

    return fit


def moved(scores, at, step):
    X = scores.dataXd.copy()
    X[at] += step
    return Ragged(X, scores.lengths)


@pytest.mark.parametrize("settings", [{}, {"crf": None}, {"loss": CE}], ids=str)
@pytest.mark.parametrize("heads", ["per_label", "joint"])
def test_gradient_of_the_scores(fitted, heads, settings):
    model, scores = fitted(heads=heads, **settings)
    loss, gradient, lost = subword_tagger.learn(model, GOLD, scores)
    assert loss > 0 and [item.span for item in lost] == ([(1, 2, "A")] if heads == "joint" else [])
    assert gradient.lengths is scores.lengths and gradient.dataXd.shape == scores.dataXd.shape
    rng = numpy.random.default_rng(1)
    for _ in range(20):
        at = tuple(int(rng.integers(n)) for n in scores.dataXd.shape)
        values = [subword_tagger.learn(model, GOLD, moved(scores, at, s))[0] for s in (0.01, -0.01)]
        slope = (values[0] - values[1]) / 0.02
        assert gradient.dataXd[at] == pytest.approx(slope, abs=3e-3)
    # The middle of a token is in an entity or is not, on every track.
    tags = gradient.dataXd.reshape((sum(COUNTS), -1, 9 if heads == "joint" else 5))[2]
    assert not tags[:, [tag for tag in range(1, tags.shape[1]) if tag % 4 != 2]].any()
    assert tags[:, [0, 2]].all()


def test_what_is_learned_is_the_likelihood_of_entities_of_tokens(fitted):
    model, scores = fitted(crf={**CRF, "transitions": "constraints"})
    expected, first = 0.0, 0
    # A has two layers, B one: which entities of tokens stand on each track.
    on_tracks = [
        (COUNTS[:5], [[(0, 4, 0)], [(1, 2, 0)], [(4, 5, 0)]]),
        (COUNTS[5:], [[], [], [(1, 2, 0)]]),
    ]
    for counts, tracks in on_tracks:
        X = scores.dataXd[first : first + sum(counts)].reshape((-1, 3, 5))
        first += sum(counts)
        for track, spans in enumerate(tracks):
            readings = [
                (oracle.path_score(X[:, track], path), each)
                for path, each in oracle.subword_paths(counts, 5).items()
            ]
            expected += oracle.log_sum([score for score, _ in readings])
            expected -= next(score for score, each in readings if each == spans)
    assert subword_tagger.learn(model, GOLD, scores)[0] == pytest.approx(expected, rel=1e-5)


def test_probabilities_are_those_of_all_readings(fitted):
    model, scores = fitted(crf={**CRF, "transitions": "constraints"})
    result = subword_tagger.find(model, [5, 2], scores, "posterior", 0.01)
    absent, first = {}, 0
    for doc, counts in enumerate((COUNTS[:5], COUNTS[5:])):
        X = scores.dataXd[first : first + sum(counts)].reshape((-1, 3, 5))
        first += sum(counts)
        for track, label in enumerate((0, 0, 1)):
            readings = [
                (oracle.path_score(X[:, track], path), spans)
                for path, spans in oracle.subword_paths(counts, 5).items()
            ]
            total, present = oracle.log_sum([score for score, _ in readings]), {}
            for score, spans in readings:
                for start, end, _ in spans:
                    key = (doc, start, end, label)
                    present[key] = present.get(key, 0.0) + numpy.exp(score - total)
            for key, p in present.items():
                absent[key] = absent.get(key, 1.0) * (1 - p)
    keys = list(zip(*(column.tolist() for column in result[:4])))
    assert len(keys) > 10
    assert {key for key, p in absent.items() if 1 - p > 0.011} <= set(keys)
    for key, p in zip(keys, result.probability):
        assert p == pytest.approx(1 - absent[key], abs=2e-5)


def test_what_the_tracks_cannot_hold(fitted):
    gold = [
        Gold(5, [(0, 4, "A"), (0, 2, "A"), (0, 1, "A"), (1, 3, "B"), (0, 1, "X")], [], []),
        Gold(2, [(0, 1, "B")], [], []),
    ]
    model, scores = fitted()
    _, _, lost = subword_tagger.learn(model, gold, scores)
    assert sorted((item.document, item.span, item.reason) for item in lost) == [
        (0, (0, 1, "A"), NO_ROOM),
        (0, (0, 1, "X"), NO_LABEL),
        (0, (1, 3, "B"), NO_PIECE),
        (1, (0, 1, "B"), NO_PIECE),
    ]


def test_what_cannot_be_put_on_pieces_is_missing(fitted):
    """So that a track does not learn that nothing is there."""
    model, scores = fitted()
    lost = [Gold(5, [(1, 3, "B")], [], []), Gold(2, [], [], [])]
    missing = [Gold(5, [], [(1, 3, "B")], []), Gold(2, [], [], [])]
    nothing = [Gold(5, [], [], []), Gold(2, [], [], [])]
    losses = [subword_tagger.learn(model, gold, scores) for gold in (lost, missing, nothing)]
    assert losses[0][0] == losses[1][0] < losses[2][0]
    assert numpy.array_equal(losses[0][1].dataXd, losses[1][1].dataXd)
    assert len(losses[0][2]) == 1 and not losses[1][2]


def test_missing_stretches_are_stretches_of_pieces(fitted):
    """All of a document: whatever is there would be right. Of one without pieces: nothing is lost."""
    model, scores = fitted()
    gold = [Gold(5, [], [(0, 5, "")], []), Gold(2, [], [(0, 1, ""), (0, 2, "")], [])]
    loss, gradient, lost = subword_tagger.learn(model, gold, scores)
    assert loss == pytest.approx(0, abs=1e-4) and not lost
    assert numpy.allclose(gradient.dataXd, 0, atol=1e-6)


def test_label_weights(fitted):
    gradients = []
    for weights in ({}, {"A": 3.0}):
        model, scores = fitted(label_weights=weights)
        gradients.append(subword_tagger.learn(model, GOLD, scores)[1].dataXd)
    assert numpy.allclose(gradients[1][:, :10], 3 * gradients[0][:, :10], atol=1e-5)
    assert numpy.allclose(gradients[1][:, 10:], gradients[0][:, 10:], atol=1e-5)


def test_imitation(fitted):
    model, scores = fitted()
    other = Ragged(scores.dataXd[::-1].copy(), scores.lengths)
    same = subword_tagger.imitate(model, scores, model, scores)
    assert same[0] == pytest.approx(0, abs=1e-6) and abs(same[1].dataXd).max() < 1e-6
    loss, gradient = subword_tagger.imitate(model, scores, model, other)
    assert loss > 0.1
    for at in ((0, 0), (1, 1), (1, 3), (2, 2), (3, 5), (8, 14)):
        values = [
            subword_tagger.imitate(model, moved(scores, at, step), model, other)[0]
            for step in (0.01, -0.01)
        ]
        assert gradient.dataXd[at] == pytest.approx((values[0] - values[1]) / 0.02, abs=2e-3)
    # L on the first of three pieces.
    assert gradient.dataXd[1, 3] == 0


@pytest.mark.parametrize(
    "settings", [{}, {"crf": None, "loss": {**CE, "label_smoothing": 0.1}}], ids=str
)
def test_on_a_device(fitted, settings):
    model, scores = fitted(**settings)
    here = subword_tagger.learn(model, GOLD, scores)
    entities = subword_tagger.find(model, [5, 2], scores, "posterior", 0.1)
    ops = DeviceOps()
    for node in (model, *model.get_ref("crf").walk()):
        node.ops = ops
        for name in node.param_names:
            node.set_param(name, ops.asarray(node.get_param(name)))
    there = Ragged(ops.asarray(scores.dataXd), scores.lengths)
    ops.to_device = ops.to_host = 0
    loss, gradient, _ = subword_tagger.learn(model, GOLD, there)
    assert loss == pytest.approx(here[0], rel=1e-5)
    # Targets and what is legal go there; for a CRF, what its recursion needs to know of the layout.
    assert ops.to_host == 0 and ops.to_device == (2 if settings else 4)
    assert numpy.allclose(gradient.dataXd.get(), here[1].dataXd, atol=1e-5)
    ops.to_device = ops.to_host = 0
    again = subword_tagger.find(model, [5, 2], there, "posterior", 0.1)
    assert ops.to_device == 0 and ops.to_host == (1 if settings else 4)
    assert all(numpy.allclose(a, b, atol=1e-5) for a, b in zip(again[:5], entities[:5]))
    other = Ragged(ops.asarray(scores.dataXd[::-1].copy()), scores.lengths)
    assert subword_tagger.imitate(model, there, model, other)[0] > 0.1
