"""The tagger of word pieces, from fitting to saving."""

import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_contrastive_ner.models.span_typer import build_span_typer
from spacy_contrastive_ner.pretraining.joint import build_joint_tagger

from ..util import (
    CE,
    TEXTS,
    TOK2VEC,
    found,
    make_examples,
    predict,
    require_memorised,
    require_same,
    require_same_as_alone,
    scores_of,
    train,
    windows,
)
from .on_transformer import (
    KINDS,
    make_on_transformer,
    require_gradients_of_pieces,
    require_learning_on_a_frozen_transformer,
    require_whole_when_loaded,
)

SUB = "spacy-contrastive-ner.SubwordTagger.v1"
CRF = {"@layers": "spacy-contrastive-ner.CRF.v1"}
# An entity within another of its own label, of pieces, and white space within and around entities.
BLANKS = [
    (["Anna", " ", "left", "Paris", " "], [(0, 1, "PER"), (3, 4, "GPE")]),
    (["the", "Ministry", " ", "of", "Health"], [(1, 5, "ORG"), (4, 5, "ORG")]),
]


def make(bert, kind="inline", model=None, **settings):
    """A pipeline that reads most texts through several windows."""
    config = {"@architectures": SUB, "crf": CRF, **(model or {})}
    return make_on_transformer(bert, kind, windows(4, 2), config, **settings)


def examples_of(nlp, texts=BLANKS):
    """Like `make_examples`, of words that may be white space."""
    examples = []
    for words, spans in texts:
        reference = Doc(nlp.vocab, words=words)
        reference.spans["sc"] = [Span(reference, *span) for span in spans]
        examples.append(Example(Doc(nlp.vocab, words=words), reference))
    return examples


@pytest.mark.filterwarnings("error::UserWarning:spacy_contrastive_ner")
@KINDS
def test_it_learns_and_is_saved(bert, kind, tmp_path):
    nlp = make(bert, kind)
    train(nlp, make_examples(nlp) + examples_of(nlp))
    require_memorised(nlp)
    for words, spans in BLANKS:
        assert found(nlp(Doc(nlp.vocab, words=words))) == sorted(spans)
    require_same(nlp, make(bert, kind).from_bytes(nlp.to_bytes()), atol=1e-5)
    require_whole_when_loaded(nlp, kind, tmp_path)


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
    require_memorised(nlp)


def test_joint_heads(bert):
    nlp = make(bert, model={"heads": "joint"})
    flat = [(text, [span for span in spans if span[1] - span[0] != 3]) for text, spans in TEXTS[:3]]
    flat[0] = (flat[0][0], [(1, 6, "ORG")])
    train(nlp, make_examples(nlp, flat))
    require_memorised(nlp, flat)


@KINDS
def test_results_do_not_depend_on_the_batch(bert, kind):
    nlp = make(bert, kind, threshold=0.0)
    train(nlp, steps=5)
    texts = [[], *(text.split() for text, _ in TEXTS), [], ["health"], [" "], [" ", "Paris"]]
    for size in (1, 4, 20):
        require_same_as_alone(nlp, texts, batch_size=size)


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
    require_same_as_alone(nlp, [text.split() for text, _ in TEXTS], n_process=2, batch_size=2)


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
    require_gradients_of_pieces(nlp, kind, examples)


def test_learns_on_a_frozen_transformer(bert):
    require_learning_on_a_frozen_transformer(make(bert, "listener"))


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
    require_memorised(nlp, known)


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
