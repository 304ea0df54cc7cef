"""The span typer as the model of the pipe: its life from fitting to saving."""

import pickle
import warnings

import numpy
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example
from thinc.api import Model, NumpyOps
from thinc.types import Ragged

from spacy_contrastive_ner.annotations import Gold
from spacy_contrastive_ner.models.proposals import (
    Proposals,
    make_group_suggester,
    suggest,
    suggest_group,
)
from spacy_contrastive_ner.models.span_scores import typing_of
from spacy_contrastive_ner.models.typed_spans import cross_entropy, draw, make_lesson

from ..oracle import slope
from ..util import TEXTS, TOK2VEC, found, make_examples, predict, train

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
    for text, spans in TEXTS:
        doc = predict(nlp, text)
        assert found(doc) == sorted(spans)
        scores = doc.spans["sc"].attrs["scores"]
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
    for text, _ in TEXTS:
        doc = predict(nlp, text)
        for other in (again, fresh, pickled):
            same = predict(other, text)
            assert found(same) == found(doc)
            theirs, ours = same.spans["sc"].attrs["scores"], doc.spans["sc"].attrs["scores"]
            assert theirs.tolist() == ours.tolist()
    losses = again.update(make_examples(again), sgd=again.resume_training())
    assert 0 < losses["contrastive_ner"] < 100


@proposers
def test_results_do_not_depend_on_the_batch(propose):
    nlp = make(propose, threshold=0.02)
    train(nlp, steps=5)
    texts = [text for text, _ in TEXTS] + ["", "x"]
    docs = [Doc(nlp.vocab, words=text.split()) for text in texts]
    for options in ({"batch_size": 1}, {"batch_size": 3}, {"n_process": 2, "batch_size": 2}):
        for doc, text in zip(nlp.pipe([doc.copy() for doc in docs], **options), texts):
            alone = predict(nlp, text)
            assert found(doc) == found(alone)
            scores = doc.spans["sc"].attrs["scores"], alone.spans["sc"].attrs["scores"]
            assert numpy.allclose(*scores, atol=1e-5)


@proposers
def test_gradient_of_everything(propose, monkeypatch):
    """From the loss to parameters and encoder, against differences. Nothing is drawn by chance."""
    nlp = make(propose, model={"negatives": 100, "hard": 0})
    examples = make_examples(nlp)
    train(nlp, examples, steps=2)
    pipe = nlp.get_pipe("contrastive_ner")
    network, docs = pipe.model, [example.predicted for example in examples]
    rng = numpy.random.default_rng(0)

    def loss():
        rows, _ = network(docs, True)
        return pipe.get_loss(examples, rows)[0]

    for node in network.walk():
        for name in node.param_names:
            if node.has_param(name):
                node.set_grad(name, node.get_param(name) * 0)
    rows, backprop = network.begin_update(docs)
    # A loss that is only looked at leaves nothing behind.
    pipe.get_loss(examples, rows)
    _, d_rows = pipe.get_loss(examples, rows)
    backprop(d_rows)
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


# What is learned from


LABELS = ("A", "B")


def lesson_of(spans, missing=(), proposals=None, n=6, negatives=100.0, hard=0.0, max_width=4):
    gold = [Gold(2, [], [], []), Gold(n, list(spans), list(missing), [])]
    if proposals is None:
        proposals = [(1, i, j) for i in range(n) for j in range(i + 1, n + 1)]
    some = Proposals.of(*(zip(*proposals) if proposals else [[]] * 3))
    return make_lesson(LABELS, max_width, gold, some, negatives, hard)


def rows_of(lesson):
    return {
        tuple(map(int, span)): (target.tolist(), float(weight))
        for *span, target, weight in zip(*lesson.spans, lesson.target, lesson.weight)
    }


def test_gold_and_all_else():
    rows = rows_of(lesson_of([(0, 2, "A"), (0, 2, "B"), (1, 2, "B")]))
    assert rows.pop((1, 0, 2)) == ([0, 0.5, 0.5], 1)
    assert rows.pop((1, 1, 2)) == ([0, 0, 1], 1)
    # Spans of up to four tokens of six: 6 + 5 + 4 + 3.
    assert len(rows) == 16 and all(row == ([1, 0, 0], 1) for row in rows.values())


def test_gold_that_is_not_proposed_is_learned():
    rows = rows_of(lesson_of([(0, 2, "A")], proposals=[]))
    assert rows == {(1, 0, 2): ([0, 1, 0], 1)}
    assert len(lesson_of([], proposals=[]).weight) == 0


def test_what_is_not_annotated_is_not_learned():
    rows = rows_of(lesson_of([(0, 2, "A")], missing=[(1, 3, "")]))
    assert (1, 0, 2) in rows and (1, 0, 1) in rows and (1, 3, 4) in rows
    assert not any(start < 3 and end > 1 for _, start, end in rows if (start, end) != (0, 2))


def test_what_is_not_annotated_for_a_label():
    """It may be none, or of that label, and nothing else."""
    lesson = lesson_of([(0, 2, "A")], missing=[(1, 3, "B")])
    assert lesson_of([(0, 2, "A")]).can_be is None
    assert len(lesson.weight) == 18
    for _, start, end, can_be in zip(*lesson.spans, lesson.can_be.tolist()):
        is_open = start < 3 and end > 1 and (start, end) != (0, 2)
        assert can_be == ([True, False, True] if is_open else [False] * 3)


def test_too_wide_gold_is_lost_and_what_is_in_it_is_none():
    lesson = lesson_of([(0, 5, "A")])
    assert [item.span for item in lesson.lost] == [(0, 5, "A")]
    assert len(lesson.weight) == 18 and lesson.can_be is None and (lesson.target[:, 0] == 1).all()


def test_few_stand_for_many():
    """Whatever is drawn, weights add up to how many spans there are."""
    for negatives in (0.4, 1.0, 3.0):
        lesson = lesson_of([(0, 2, "A")], negatives=negatives)
        none = lesson.target[:, 0] == 1
        assert none.sum() == numpy.ceil(negatives * 3)
        assert numpy.isclose(lesson.weight[none].sum(), 17)
    assert rows_of(lesson_of([(0, 2, "A")], negatives=0)) == {(1, 0, 2): ([0, 1, 0], 1)}


def test_hard_ones_miss_by_a_token():
    seen = set()
    for _ in range(60):
        lesson = lesson_of([(2, 4, "A")], proposals=[(1, 2, 3)], hard=3)
        rows = rows_of(lesson)
        assert rows.pop((1, 2, 4)) == ([0, 1, 0], 1)
        assert rows.pop((1, 2, 3)) == ([1, 0, 0], 1)
        assert all(row == ([1, 0, 0], 1) for row in rows.values())
        seen |= set(rows)
    assert seen == {(1, 2, 5), (1, 3, 4), (1, 1, 4), (1, 3, 5), (1, 1, 3)}
    # Never outside of the document, nor empty.
    for _ in range(20):
        rows = rows_of(lesson_of([(0, 1, "A")], proposals=[], n=1, hard=5))
        assert set(rows) == {(1, 0, 1)}


def test_draw():
    pool = Proposals.of([0] * 5, range(5), range(1, 6))
    some, share = draw(pool, 2)
    assert len(some.start) == 2 and share == 2.5 and (numpy.diff(some.start) > 0).all()
    assert draw(pool, 5) == (pool, 1.0)


@pytest.mark.parametrize("is_open", [False, True])
def test_cross_entropy(is_open):
    rng = numpy.random.default_rng(0)
    scores, target = rng.normal(size=(4, 3)), rng.dirichlet([1, 1, 1], 4)
    target[0] = [0, 0, 1]
    weight = numpy.array([1.0, 0.0, 2.0, 0.5])
    can_be = numpy.array([[0, 0, 0], [0, 0, 0], [1, 0, 1], [1, 1, 1]]) if is_open else None
    loss, gradient = cross_entropy(numpy, scores, target, weight, can_be)
    p = numpy.exp(scores) / numpy.exp(scores).sum(axis=1, keepdims=True)
    naive = 0.0
    for i in range(4):
        if is_open and can_be[i].any():
            naive -= weight[i] * numpy.log(sum(p[i, k] for k in range(3) if can_be[i, k]))
            continue
        for k in range(3):
            if target[i, k]:
                naive += weight[i] * target[i, k] * numpy.log(target[i, k] / p[i, k])
    assert numpy.isclose(loss, naive)
    for i in range(4):
        for k in range(3):
            moved = scores.copy()
            moved[i, k] += 1e-6
            rate = (cross_entropy(numpy, moved, target, weight, can_be)[0] - loss) / 1e-6
            assert numpy.isclose(rate, gradient[i, k], atol=1e-5)


# Proposals


def doc_with(vocab, spans, key="found"):
    doc = Doc(vocab, words=list("abcdef"))
    doc.spans[key] = [Span(doc, *span) for span in spans]
    return doc


def test_spans_of_another_pipe():
    vocab, ops = spacy.blank("en").vocab, NumpyOps()
    docs = [doc_with(vocab, [(3, 5), (0, 2, "X"), (0, 2, "Y")]), Doc(vocab, words=["a"])]
    some = suggest(ops, make_group_suggester("found"), docs)
    assert [column.tolist() for column in some] == [[0, 0], [0, 3], [2, 5]]
    with pytest.raises(
        ValueError, match=r"No document has the group doc.spans\['other'\].*'found'"
    ):
        suggest_group(docs, "other", ops=ops)
    assert len(suggest_group([Doc(vocab)], "other").dataXd) == 0
    with pytest.raises(ValueError, match="spans_key"):
        make_group_suggester("")


def test_a_suggester_that_is_wrong():
    vocab, ops = spacy.blank("en").vocab, NumpyOps()

    def suggester(docs, ops):
        return Ragged(numpy.asarray([[0, 9]], dtype="i"), numpy.asarray([1], dtype="i"))

    with pytest.raises(ValueError, match="not in its document"):
        suggest(ops, suggester, [Doc(vocab, words=["a"])])
    with pytest.raises(ValueError, match="1 documents in place of 2"):
        suggest(ops, suggester, [Doc(vocab, words=["a"]), Doc(vocab, words=["a"])])


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
