"""The tagger of word pieces, from fitting to saving."""

import numpy
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.types import Ragged

from spacy_contrastive_ner.annotations import Gold
from spacy_contrastive_ner.models import subword_tagger
from spacy_contrastive_ner.models.span_typer import build_span_typer
from spacy_contrastive_ner.pretraining.joint import build_joint_tagger
from spacy_contrastive_ner.tracks.encoding import NO_LABEL, NO_ROOM
from spacy_contrastive_ner.tracks.subwords import NO_PIECE

from .. import oracle
from ..device import DeviceOps
from ..util import (
    CE,
    POOLING,
    TEXTS,
    TOK2VEC,
    found,
    make_examples,
    predict,
    train,
    transformer_config,
)

SUB = "spacy-contrastive-ner.SubwordTagger.v1"
# Most texts are read through several windows.
WINDOWS = {"@span_getters": "spacy-transformers.strided_spans.v1", "window": 4, "stride": 2}
LISTENER = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "grad_factor": 1.0,
    "upstream": "transformer",
    "pooling": POOLING,
}
CRF = {"@layers": "spacy-contrastive-ner.CRF.v1"}
KINDS = pytest.mark.parametrize("kind", ["listener", "inline"])
# An entity within another of its own label, of pieces, and white space within and around entities.
BLANKS = [
    (["Anna", " ", "left", "Paris", " "], [(0, 1, "PER"), (3, 4, "GPE")]),
    (["the", "Ministry", " ", "of", "Health"], [(1, 5, "ORG"), (4, 5, "ORG")]),
]


def make(bert, kind="inline", seed=0, **settings):
    """A pipeline; settings of the model are given as `model`."""
    spacy.util.fix_random_seed(seed)
    nlp = spacy.blank("en")
    tok2vec = LISTENER
    if kind == "listener":
        shared = transformer_config("TransformerModel", bert, get_spans=WINDOWS)
        nlp.add_pipe("transformer", config={"model": shared})
    else:
        own = {"grad_factor": 1.0, "pooling": POOLING, "get_spans": WINDOWS}
        tok2vec = transformer_config("Tok2VecTransformer", bert, **own)
    model = {"@architectures": SUB, "tok2vec": tok2vec, "crf": CRF, **settings.pop("model", {})}
    nlp.add_pipe("contrastive_ner", config={"model": model, **settings})
    return nlp


def scores_of(doc):
    return doc.spans["sc"].attrs["scores"].tolist()


def examples_of(nlp, texts=BLANKS):
    """Like `make_examples`, of words that may be white space."""
    examples = []
    for words, spans in texts:
        reference = Doc(nlp.vocab, words=words)
        reference.spans["sc"] = [Span(reference, *span) for span in spans]
        examples.append(Example(Doc(nlp.vocab, words=words), reference))
    return examples


def require_same(nlp, other):
    """Of all spans that are not quite improbable."""
    n = 0
    for each in (nlp, other):
        each.get_pipe("contrastive_ner").cfg["threshold"] = 0.0
    for text, _ in TEXTS:
        doc, again = predict(nlp, text), predict(other, text)
        assert found(again) == found(doc)
        assert scores_of(again) == pytest.approx(scores_of(doc), abs=1e-5)
        n += len(found(doc))
    assert n > 5


# On scores alone.

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


# In a pipeline.


@pytest.mark.filterwarnings("error::UserWarning:spacy_contrastive_ner")
@KINDS
def test_it_learns_and_is_saved(bert, kind, tmp_path):
    nlp = make(bert, kind)
    train(nlp, make_examples(nlp) + examples_of(nlp))
    for text, spans in TEXTS:
        assert found(predict(nlp, text)) == sorted(spans)
    for words, spans in BLANKS:
        assert found(nlp(Doc(nlp.vocab, words=words))) == sorted(spans)
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    require_same(nlp, again)
    require_same(nlp, make(bert, kind).from_bytes(nlp.to_bytes()))
    losses = again.update(make_examples(again), sgd=again.resume_training())
    assert 0 < losses["contrastive_ner"] < 100
    if kind == "listener":
        before = spacy.load(tmp_path)
        nlp.replace_listeners("transformer", "contrastive_ner", ["model.tok2vec"])
        nlp.remove_pipe("transformer")
        require_same(before, nlp)
        nlp.to_disk(tmp_path / "replaced")
        require_same(before, spacy.load(tmp_path / "replaced"))


@pytest.mark.parametrize(
    "settings",
    [
        {"decoder": "viterbi"},
        {"model": {"crf": None, "loss": CE}},
        {"model": {"crf": None, "loss": {**CE, "alpha": 0.5, "beta": 0.5, "scope": "batch"}}},
        {"model": {"hidden_width": 8, "dropout": 0.1, "label_weights": {"ORG": 2.0}}},
    ],
    ids=str,
)
def test_it_learns_with_other_settings(bert, settings):
    nlp = make(bert, **settings)
    train(nlp, make_examples(nlp) + examples_of(nlp))
    for text, spans in TEXTS:
        assert found(predict(nlp, text)) == sorted(spans)


def test_joint_heads(bert):
    nlp = make(bert, model={"heads": "joint"})
    flat = [(text, [span for span in spans if span[1] - span[0] != 3]) for text, spans in TEXTS[:3]]
    flat[0] = (flat[0][0], [(1, 6, "ORG")])
    train(nlp, make_examples(nlp, flat))
    for text, spans in flat:
        assert found(predict(nlp, text)) == sorted(spans)


@KINDS
def test_results_do_not_depend_on_the_batch(bert, kind):
    nlp = make(bert, kind, threshold=0.0)
    train(nlp, steps=5)
    texts = [[], *(text.split() for text, _ in TEXTS), [], ["health"], [" "], [" ", "Paris"]]
    for size in (1, 4, 20):
        docs = [Doc(nlp.vocab, words=words) for words in texts]
        for doc, words in zip(nlp.pipe(docs, batch_size=size), texts):
            alone = nlp(Doc(nlp.vocab, words=words))
            assert found(doc) == found(alone)
            assert scores_of(doc) == pytest.approx(scores_of(alone), abs=1e-5)


@pytest.fixture
def one_thread():
    """A process that is a copy of another one waits for ever for the threads of torch, which it lacks."""
    torch = pytest.importorskip("torch")
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@KINDS
def test_processes(bert, kind, one_thread):
    nlp = make(bert, kind, threshold=0.0)
    train(nlp, steps=2)
    texts = [text for text, _ in TEXTS]
    for doc, text in zip(nlp.pipe(texts, n_process=2, batch_size=2), texts):
        alone = nlp(text)
        assert found(doc) == found(alone)
        assert scores_of(doc) == pytest.approx(scores_of(alone), abs=1e-5)


def test_entities_that_begin_with_white_space_are_told(bert):
    nlp = make(bert)
    texts = [([" ", "Paris", "slept"], [(0, 2, "GPE")]), *BLANKS]
    told = r"1 of 5 gold entities are left out .*without word pieces.*: GPE 1"
    with pytest.warns(UserWarning, match=told):
        train(nlp, examples_of(nlp, texts), steps=1)


@KINDS
def test_gradients_reach_the_transformer(bert, kind):
    nlp = make(bert, kind)
    examples = examples_of(nlp, [([], []), *BLANKS, ([" "], []), (["x"], [])])
    train(nlp, examples, steps=1)
    reader = nlp.get_pipe("transformer" if kind == "listener" else "contrastive_ner")
    module = next(node for node in reader.model.walk() if node.name == "transformer").transformer
    module.zero_grad()
    nlp.update(examples, sgd=False)
    assert module.get_input_embeddings().weight.grad.abs().max() > 1e-5


def test_learns_on_a_frozen_transformer(bert):
    nlp = make(bert, "listener")
    frozen = {"exclude": ["transformer"], "annotates": ["transformer"]}
    _, first = train(nlp, steps=1, **frozen)
    _, losses = train(nlp, steps=30, **frozen)
    assert losses["contrastive_ner"] < 0.7 * first["contrastive_ner"]


def test_a_new_label_and_rehearsal(bert):
    nlp = make(bert)
    train(nlp)
    before = [(found(predict(nlp, text)), scores_of(predict(nlp, text))) for text, _ in TEXTS]
    pipe = nlp.get_pipe("contrastive_ner")
    assert pipe.add_label("DAY", layers=1) == 1
    for (text, _), (spans, scores) in zip(TEXTS, before):
        doc = predict(nlp, text)
        assert found(doc) == spans and scores_of(doc) == pytest.approx(scores, abs=1e-5)
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    new = ("nothing happened today", [(2, 3, "DAY")])
    known = [(text, spans) for text, spans in TEXTS if text != new[0]]
    first = pipe.rehearse(make_examples(nlp, known), sgd=False)["contrastive_ner"]
    assert first == pytest.approx(0, abs=1e-4)
    losses = []
    for _ in range(60):
        nlp.update(make_examples(nlp, [new]), sgd=optimizer)
        losses.append(nlp.rehearse(make_examples(nlp, known), sgd=optimizer)["contrastive_ner"])
    assert max(losses) > 2 * losses[-1]
    assert found(predict(nlp, new[0])) == new[1]
    for text, spans in known:
        assert found(predict(nlp, text)) == sorted(spans)


def test_it_is_as_good_as_a_tagger_of_tokens_where_tokens_are_pieces(bert):
    """With one piece a token and one window, both are the same model."""
    text = ("the mayor of Paris met Anna", TEXTS[3][1])
    losses = []
    for architecture in (SUB, "spacy-contrastive-ner.MultiHeadTagger.v1"):
        nlp = make(bert, model={"@architectures": architecture, "dropout": 0.0})
        own = nlp.get_pipe("contrastive_ner").model
        reader = next(node for node in own.walk() if node.name == "transformer")
        reader.attrs["get_spans"] = lambda docs: [[doc[:]] for doc in docs]
        _, loss = train(nlp, make_examples(nlp, [text]), steps=10)
        losses.append(loss["contrastive_ner"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_without_a_transformer():
    nlp = spacy.blank("en")
    config = {"@architectures": SUB, "tok2vec": TOK2VEC}
    with pytest.raises(ValueError, match=r"tok2vec is no transformer.*MultiHeadTagger"):
        nlp.add_pipe("contrastive_ner", config={"model": config})


def test_settings_are_checked(bert):
    with pytest.raises(ValueError, match="cannot be used with a CRF on a joint track"):
        make(bert, model={"heads": "joint", "label_weights": {"A": 2.0}})
    with pytest.raises(ValueError, match="dropout"):
        make(bert, model={"dropout": 1.5})


def test_no_joint_objective(bert):
    """Which compares rows of tokens. Nor does it propose spans of tokens."""
    model = make(bert).get_pipe("contrastive_ner").model
    with pytest.raises(ValueError, match="must be a MultiHeadTagger"):
        build_joint_tagger(model, None)
    with pytest.raises(ValueError, match=r"must be a suggester, such as .*, or a MultiHeadTagger"):
        build_span_typer(model.get_ref("tok2vec"), model)
