"""The span typer as the model of the pipe: its life from fitting to saving."""

import pickle
import warnings

import numpy
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import Model

from spacy_contrastive_ner.annotations import Gold
from spacy_contrastive_ner.models.span_scores import typing_of

from ..oracle import slope
from ..util import (
    TEXTS,
    TOK2VEC,
    collect_gradients,
    found,
    make_examples,
    predict,
    require_memorised,
    require_same,
    require_same_as_alone,
    train,
)

TYPER = "spacy-contrastive-ner.SpanTyper.v1"
NGRAMS = {"@misc": "spacy.ngram_range_suggester.v1", "min_size": 1, "max_size": 6}
FINDER = {
    "@architectures": "spacy-contrastive-ner.MultiHeadTagger.v1",
    "tok2vec": TOK2VEC,
    "crf": {"@layers": "spacy-contrastive-ner.CRF.v1"},
}
BOTH = [NGRAMS, FINDER]
proposers = pytest.mark.parametrize("propose", BOTH, ids=["ngrams", "finder"])


def make(propose=NGRAMS, seed=0, model=None, **settings):
    spacy.util.fix_random_seed(seed)
    nlp = spacy.blank("en")
    config = {"@architectures": TYPER, "tok2vec": TOK2VEC, "width": 10, "propose": propose}
    config.update(model or {})
    nlp.add_pipe("contrastive_ner", config={"model": config, "threshold": 0.5, **settings})
    return nlp


@proposers
def test_it_learns_nested_entities(propose):
    nlp = make(propose)
    train(nlp, steps=90)
    require_memorised(nlp)
    for text, _ in TEXTS:
        scores = predict(nlp, text).spans["sc"].attrs["scores"]
        assert (scores >= 0.5).all() and (scores <= 1).all()


@proposers
def test_saved_and_loaded(propose, tmp_path):
    nlp = make(propose)
    train(nlp, steps=30)
    nlp.to_disk(tmp_path)
    again, fresh = spacy.load(tmp_path), make(propose, seed=3)
    fresh.get_pipe("contrastive_ner").from_bytes(nlp.get_pipe("contrastive_ner").to_bytes())
    pickled = make(propose, seed=3)
    pickled.get_pipe("contrastive_ner").model = pickle.loads(
        pickle.dumps(nlp.get_pipe("contrastive_ner").model)
    )
    for other in (again, fresh, pickled):
        require_same(nlp, other)
    losses = again.update(make_examples(again), sgd=again.resume_training())
    assert 0 < losses["contrastive_ner"] < 100


@proposers
def test_results_do_not_depend_on_the_batch(propose):
    nlp = make(propose, threshold=0.02)
    train(nlp, steps=5)
    texts = [*(text.split() for text, _ in TEXTS), [], ["x"]]
    for options in ({"batch_size": 1}, {"batch_size": 3}, {"n_process": 2, "batch_size": 2}):
        require_same_as_alone(nlp, texts, **options)


@proposers
def test_gradient_of_everything(propose, monkeypatch):
    """From the loss to parameters and encoder, against differences. Nothing is drawn by chance."""
    nlp = make(propose, model={"negatives": 100, "hard": 0})
    examples = make_examples(nlp)
    train(nlp, examples, steps=2)
    pipe = nlp.get_pipe("contrastive_ner")
    network, loss = pipe.model, collect_gradients(pipe, examples)
    rng = numpy.random.default_rng(0)
    layer = typing_of(network)
    nodes = [(layer, name) for name in ("right_inputs", "left_states", "right_bias", "W", "b")]
    encoder = next(
        n for n in network.get_ref("tok2vec").walk() if n.has_param("W") and n is not layer
    )
    nodes.append((encoder, "W"))
    for node, name in nodes:
        values, gradient = node.get_param(name), node.get_grad(name)
        assert gradient.any(), name
        # Along the gradient, and half along it: elsewhere single precision sees nothing but noise.
        length = float(numpy.linalg.norm(gradient))
        for share in (0.0, 1.0):
            noise = rng.normal(size=values.shape).astype("float32")
            direction = gradient / length + share * noise / numpy.linalg.norm(noise)
            expected = float((gradient * direction).sum())
            assert abs(slope(loss, values, direction) - expected) < 0.02 * length, name


@proposers
def test_a_new_label(propose):
    nlp = make(propose)
    train(nlp, steps=60)
    pipe = nlp.get_pipe("contrastive_ner")
    before = [predict(nlp, text) for text, _ in TEXTS]
    assert pipe.add_label("LAW") == 1 and pipe.add_label("LAW") == 0
    for doc, (text, _) in zip(before, TEXTS):
        after = predict(nlp, text)
        assert found(after) == found(doc)
        assert numpy.allclose(
            after.spans["sc"].attrs["scores"], doc.spans["sc"].attrs["scores"], atol=1e-6
        )
        (values,) = pipe.type_spans([after], [[(0, 1)]])
        assert values[0][pipe.labels.index("LAW")] == 0
    examples = make_examples(nlp, [*TEXTS, ("the Health Act passed", [(1, 3, "LAW")])])
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    for _ in range(80):
        nlp.update(examples, sgd=optimizer)
    assert found(predict(nlp, "the Health Act passed")) == [(1, 3, "LAW")]
    assert found(predict(nlp, TEXTS[1][0])) == TEXTS[1][1]


@proposers
def test_rehearsal(propose):
    nlp = make(propose)
    train(nlp, steps=40)
    examples = make_examples(nlp)
    optimizer = nlp.resume_training()
    nlp.get_pipe("contrastive_ner").add_label("LAW")
    same = nlp.rehearse(examples, sgd=None, losses={})["contrastive_ner"]
    assert abs(same) < 1e-3
    others = make_examples(nlp, [(text, []) for text, _ in TEXTS])
    for _ in range(3):
        nlp.update(others, sgd=optimizer)
    before = nlp.rehearse(examples, sgd=None, losses={})["contrastive_ner"]
    for _ in range(10):
        after = nlp.rehearse(examples, sgd=optimizer, losses={})["contrastive_ner"]
    assert 0 < after < before


def test_decoders():
    nlp = make(threshold=0.01)
    train(nlp, steps=4)
    pipe, text = nlp.get_pipe("contrastive_ner"), TEXTS[0][0]
    many = found(predict(nlp, text))
    pipe.cfg["decoder"] = "nested"
    nested = [span[:2] for span in found(predict(nlp, text))]
    assert not any(a < c < b < d for a, b in nested for c, d in nested)
    pipe.cfg["decoder"] = "flat"
    flat = [span[:2] for span in found(predict(nlp, text))]
    assert not any(a < d and c < b for a, b in flat for c, d in flat if (a, b) != (c, d))
    assert 0 < len(flat) < len(nested) < len(many)
    with pytest.raises(ValueError, match="decoder is 'viterbi'"):
        make(decoder="viterbi")


def test_a_span_with_two_labels():
    nlp = make(threshold=0.35)
    texts = [("Paris met Anna", [(0, 1, "GPE"), (0, 1, "PER"), (2, 3, "PER")])]
    train(nlp, make_examples(nlp, texts), steps=60)
    doc = predict(nlp, "Paris met Anna")
    assert found(doc) == texts[0][1]
    assert numpy.allclose(doc.spans["sc"].attrs["scores"][:2], 0.5, atol=0.1)


def test_spans_that_are_too_wide_are_told():
    nlp = make(model={"max_width": 3})
    with pytest.warns(UserWarning, match=r"wider than any span.*ORG 1, PER 1.*max_width"):
        train(nlp, steps=60)
    assert found(predict(nlp, TEXTS[0][0])) == [(1, 4, "ORG"), (5, 6, "GPE")]
    # What is given may be as wide as it likes.
    pipe = nlp.get_pipe("contrastive_ner")
    (values,) = pipe.type_spans([predict(nlp, TEXTS[0][0])], [[(0, 7)]])
    assert values.shape == (1, 3) and numpy.isclose(values.sum(), 1)


def test_what_a_finder_cannot_find_is_told():
    nlp = make(FINDER, max_layers=1)
    examples = make_examples(nlp)
    with pytest.warns(UserWarning, match="max_layers"):
        nlp.initialize(lambda: examples)


@proposers
def test_empty_documents(propose):
    nlp = make(propose)
    examples = [*make_examples(nlp), *make_examples(nlp, [("", []), ("x", [])])]
    train(nlp, examples, steps=2)
    empty = make_examples(nlp, [("", [])])
    assert numpy.isfinite(nlp.update(empty, sgd=None, losses={})["contrastive_ner"])
    docs = list(nlp.pipe([Doc(nlp.vocab), Doc(nlp.vocab, words=["x"]), Doc(nlp.vocab)]))
    assert not docs[0].spans["sc"] and not docs[2].spans["sc"]
    pipe = nlp.get_pipe("contrastive_ner")
    assert pipe.propose_spans([docs[0]]) == [[]]
    assert [values.shape for values in pipe.type_spans(docs, [[], [(0, 1)], []])] == [
        (0, 3),
        (1, 3),
        (0, 3),
    ]


def test_nothing_is_proposed():
    wide = {"@misc": "spacy.ngram_suggester.v1", "sizes": [50]}
    nlp = make(wide)
    train(nlp, steps=3)
    assert not predict(nlp, TEXTS[0][0]).spans["sc"]


def test_settings_that_cannot_be_meant():
    for model, message in (
        ({"dropout": 1.0}, "dropout"),
        ({"max_width": 0}, "max_width"),
        ({"coverage": 0.0}, "coverage"),
        ({"propose_threshold": 2.0}, "propose_threshold"),
        ({"negatives": -1.0}, "negatives"),
        ({"hard": -1.0}, "hard"),
        ({"none_weight": -1.0}, "none_weight"),
        ({"label_weights": {"PER": -1.0}}, "PER"),
        ({"width": 0}, "width"),
        ({"propose": TOK2VEC}, "propose"),
    ):
        with pytest.raises(ValueError, match=message):
            make(model=model)
    nlp = make(model={"label_weights": {"NOBODY": 2.0}})
    with pytest.raises(ValueError, match="label_weights names NOBODY"):
        nlp.initialize(lambda: make_examples(nlp))


def test_weights_of_labels_count():
    losses = []
    for weights in ({}, {"PER": 3.0}, {"PER": 0.0, "GPE": 0.0, "ORG": 0.0}):
        nlp = make(model={"label_weights": weights, "negatives": 100, "hard": 0})
        examples = make_examples(nlp)
        nlp.initialize(lambda examples=examples: examples)
        rows, _ = nlp.get_pipe("contrastive_ner").model([e.predicted for e in examples], True)
        losses.append(nlp.get_pipe("contrastive_ner").get_loss(examples, rows)[0])
    assert losses[1] > losses[0] > losses[2] > 0


def test_a_damaged_model():
    nlp = make()
    train(nlp, steps=1)
    pipe = nlp.get_pipe("contrastive_ner")
    pipe.model.attrs["names"] = ["A"]
    with pytest.raises(ValueError, match="does not fit together: its softmax has 4 outputs"):
        make().get_pipe("contrastive_ner").from_bytes(pipe.to_bytes())


def test_it_types_what_another_pipe_found():
    nlp = make({"@misc": "spacy-contrastive-ner.group_suggester.v1", "spans_key": "found"})
    examples = make_examples(nlp)
    for example in examples:
        for doc in (example.predicted, example.reference):
            spans = example.reference.spans["sc"]
            doc.spans["found"] = [Span(doc, s.start, s.end) for s in spans]
    train(nlp, examples, steps=60)
    doc = Doc(nlp.vocab, words=TEXTS[1][0].split())
    doc.spans["found"] = [Span(doc, 2, 3)]
    assert found(nlp(doc)) == [(2, 3, "GPE")]


def test_all_of_it_on_a_device():
    """Typing itself; the encoder stays on the CPU."""
    from ..device import DeviceOps

    nlp = make()
    examples = make_examples(nlp)
    train(nlp, examples, steps=5)
    pipe, ops = nlp.get_pipe("contrastive_ner"), DeviceOps()
    here, docs = pipe.model, [example.predicted for example in examples]
    rows, _ = here(docs, False)
    layer = typing_of(here)
    copied = Model(
        "span_typing", lambda *args: None, ops=ops, params=dict.fromkeys(layer.param_names)
    )
    copied.set_dim("nI", layer.get_dim("nI")) if copied.has_dim("nI") else copied._dims.update(
        nI=layer.get_dim("nI")
    )
    for name in layer.param_names:
        copied.set_param(name, ops.asarray(layer.get_param(name)))
    holder = Model("holder", lambda *args: None, ops=ops, layers=[copied])
    there = Model("span_typer", here._func, ops=ops, layers=[holder], refs={"typing": holder})
    there.attrs.update(here.attrs)
    outside = type(rows)(ops.asarray(rows.dataXd), ops.asarray(rows.lengths), rows.proposals)
    gold = [Gold(len(doc), spans, [], []) for doc, (_, spans) in zip(docs, TEXTS)]
    for name in ("negatives", "hard"):
        here.attrs[name] = there.attrs[name] = 100 if name == "negatives" else 0
    ours, theirs = here.attrs["learn"](here, gold, rows), here.attrs["learn"](there, gold, outside)
    assert numpy.isclose(ours[0], theirs[0], rtol=1e-5)
    assert numpy.allclose(ours[1].dataXd, theirs[1].dataXd.get(), atol=1e-5)
    lengths = [len(doc) for doc in docs]
    for a, b in zip(
        here.attrs["find"](here, lengths, rows, "posterior", 0.1),
        here.attrs["find"](there, lengths, outside, "posterior", 0.1),
    ):
        assert numpy.allclose(a, b, atol=1e-5)


def test_updates_from_examples_that_are_not_annotated():
    nlp = make()
    examples = make_examples(nlp)
    bare = Doc(nlp.vocab, words=["Anna", "left"])
    examples.append(Example(bare.copy(), bare))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train(nlp, examples, steps=60)
    assert found(predict(nlp, TEXTS[1][0])) == TEXTS[1][1]
