"""The bi-encoder with a memory: filled without training, asked beside margins or alone, emptied, saved."""

import pickle

import numpy
import pytest
import spacy
from spacy.tokens import Doc

from spacy_contrastive_ner.models.calibration import Curves
from spacy_contrastive_ner.models.label_vectors import margins_of
from spacy_contrastive_ner.models.memory import as_scores, layout_of
from spacy_contrastive_ner.models.span_memory import Heard

from .. import oracle
from ..test_memory_in_training import LISTENER
from ..test_remembering import DRINKS, MEMORY
from ..util import (
    TEXTS,
    found,
    make_examples,
    predict,
    require_memorised,
    require_same_as_alone,
    scores_of,
    train,
    windows,
)
from .on_transformer import KINDS, make_on_transformer
from .test_bi_encoder import BI, make, types
from .test_bi_encoder_on_device import on_device
from .test_subword_tagger import examples_of

NESTED = [("a bank of a bank", [(0, 5, "ORG"), (1, 2, "ORG"), (4, 5, "ORG")])]


@pytest.fixture(scope="module")
def saved():
    nlp = make({"memory": MEMORY})
    train(nlp, steps=90)
    return nlp.to_bytes()


@pytest.fixture
def nlp(saved):
    return make({"memory": MEMORY}).from_bytes(saved)


@pytest.fixture
def pipe(nlp):
    return nlp.get_pipe("contrastive_ner")


def all_spans(pipe, doc):
    """Of all spans and labels the probability without a memory, and that of the memory alone, by
    enumeration of all that its tracks can hold."""
    model, names = pipe.model, pipe.labels
    n, curves = len(doc), Curves.of(pipe.model)
    own = numpy.zeros((n, n + 1, len(names)))
    for w, values in margins_of(model, model.get_ref("text").predict([doc])).spans():
        for start in range(n - w):
            logits = curves.logits(values[1 + start].astype("float64"))
            own[start, start + w + 1] = 1 / (1 + numpy.exp(-logits))
    own[:, :, [label in model.attrs["silent"] for label in names]] = 0
    absent = numpy.ones_like(own)
    rows = numpy.concatenate(model.get_ref("tok2vec").predict([doc]))
    scores, steps = as_scores(model, model.get_ref("memory").predict(rows))
    table = oracle.Table(*(part[0] for part in steps))
    layout = layout_of(model)
    for label, slots in zip(layout.labels, layout.slots()):
        for track, _ in slots:
            for (a, b, _), p in oracle.span_posteriors(scores[:, track], table).items():
                absent[a, b, names.index(label)] *= 1 - p
    return own, 1 - absent


@pytest.mark.parametrize("threshold", [0.01, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("weight", [0.0, 0.3, 0.75, 1.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_mixture_of_all_spans(seed, weight, threshold):
    """Against enumeration: spans that only one of both finds, spans too wide for the bi-encoder, a label on
    several layers, one that is only remembered, and one of which nothing is."""
    nlp = make({"max_width": 3}, seed=seed)
    train(nlp, steps=15)
    pipe = nlp.get_pipe("contrastive_ner")
    pipe.remember(make_examples(nlp, [*TEXTS[1:], *NESTED]), labels=["ORG", "PER"])
    pipe.remember(make_examples(nlp, DRINKS), labels=["DRINK"])
    pipe.tune_memory(weight=weight, temperature=0.2)
    pipe.cfg["threshold"] = threshold
    pipe.model.attrs["calibration"] = {"PER": [0.7, 0.4]}
    share = numpy.asarray([{"GPE": 0.0, "DRINK": 1.0}.get(label, weight) for label in pipe.labels])
    n_found = 0
    for text, _ in (*TEXTS, *DRINKS, *NESTED):
        doc = predict(nlp, text)
        own, theirs = all_spans(pipe, doc)
        p = (1 - share) * own + share * theirs
        expected = {
            (a, b, pipe.labels[k]): p[a, b, k] for a, b, k in numpy.argwhere(p >= threshold)
        }
        assert found(doc) == sorted(expected)
        order = [
            (span.start, -span.end, pipe.labels.index(span.label_)) for span in doc.spans["sc"]
        ]
        assert order == sorted(order)
        values = [expected[span.start, span.end, span.label_] for span in doc.spans["sc"]]
        assert scores_of(doc) == pytest.approx(values, abs=2e-5)
        n_found += len(expected)
        # Given spans have the same, of all labels together.
        given = [(a, b) for a in range(len(doc)) for b in range(a + 1, len(doc) + 1)]
        (typed,) = pipe.type_spans([doc], [given])
        for (a, b), values in zip(given, typed):
            if p[a, b].sum() > 1e-3:
                assert values == pytest.approx(p[a, b] / p[a, b].sum(), abs=1e-3)
    assert n_found > 2


def all_found(nlp, texts=TEXTS):
    docs = [predict(nlp, text) for text, _ in texts]
    return [(found(doc), scores_of(doc)) for doc in docs]


@pytest.mark.parametrize("decoder", ["posterior", "nested", "flat"])
def test_without_a_say_nothing_changes(nlp, pipe, decoder):
    """Bit for bit: an empty memory, one of weight 0, one that is emptied again."""
    pipe.cfg.update(threshold=0.0, decoder=decoder)
    before = all_found(nlp)
    assert sum(len(spans) for spans, _ in before) > 5
    docs = [eg.predicted for eg in make_examples(nlp)]
    rows = pipe.predict(docs).dataXd
    pipe.remember(make_examples(nlp, [(text, []) for text, _ in TEXTS]))
    assert (pipe.predict(docs).dataXd == rows).all()
    assert all_found(nlp) != before
    pipe.tune_memory(weight=0.0)
    assert all_found(nlp) == before
    pipe.tune_memory(weight=0.5)
    pipe.forget()
    assert all_found(nlp) == before


@types
def test_nearest(model):
    """The memory alone, whatever was learned, wherever vectors of labels come from."""
    nlp = make({**model, "memory": {**MEMORY, "k": 1}}, decoder="nearest")
    train(nlp, steps=1)
    pipe = nlp.get_pipe("contrastive_ner")
    with pytest.raises(
        ValueError, match=r"\[contrastive_ner\] .* asks the memory, but it is empty"
    ):
        predict(nlp, TEXTS[0][0])
    told = pipe.remember(make_examples(nlp))
    assert (told.tokens, told.outside, told.lost, told.new_labels) == (19, 7, [], [])
    assert pipe.memory["labels"] == {"GPE": 3, "ORG": 5, "PER": 6} and pipe.memory["only"] == []
    require_memorised(nlp)
    assert all(p > 0.8 for _, scores in all_found(nlp) for p in scores)
    assert found(nlp(Doc(nlp.vocab))) == []


def test_decoders_choose_by_the_mixture(nlp, pipe):
    """Of two that cross, the one that the memory is for."""
    text = TEXTS[0][0]
    pipe.remember(make_examples(nlp, [(text, [(0, 2, "ORG")])] * 8))
    pipe.tune_memory(weight=0.6)
    pipe.cfg["threshold"] = 0.3
    assert found(predict(nlp, text)) == sorted([*TEXTS[0][1], (0, 2, "ORG")])
    pipe.cfg["decoder"] = "nested"
    assert found(predict(nlp, text)) == [(0, 2, "ORG"), (5, 6, "GPE")]
    pipe.tune_memory(weight=0.35)
    assert found(predict(nlp, text)) == sorted(TEXTS[0][1])
    pipe.cfg["decoder"] = "flat"
    assert found(predict(nlp, text)) == [(1, 4, "ORG"), (5, 6, "GPE")]


def test_a_label_that_is_only_remembered(nlp, pipe):
    """Whatever the weight; and not any more when it is learned, from updates or from examples."""
    pipe.remember(make_examples(nlp))
    told = pipe.remember(make_examples(nlp, DRINKS))
    assert told.new_labels == ["DRINK"] == pipe.memory["only"] and pipe.labels[-1] == "DRINK"
    for weight in (0.0, 0.1, 1.0):
        pipe.tune_memory(weight=weight)
        assert (0, 2, "DRINK") in found(predict(nlp, DRINKS[1][0]))
    # Nothing is known of it in what was remembered before it was there.
    tags = pipe.model.get_ref("memory").get_param("tags")
    assert (tags[:19, -1] == -1).all() and (tags[19:, -1] >= 0).all()
    assert pipe.forget("DRINK") == 0 and pipe.memory["labels"]["DRINK"] == 0
    assert "DRINK" not in {label for *_, label in found(predict(nlp, DRINKS[1][0]))}
    pipe.add_label("DRINK", examples=[predict(nlp, DRINKS[1][0])[0:2]])
    assert pipe.memory["only"] == [] and pipe.memory["tokens"] == 29
    pipe.forget()
    pipe.add_label("DISH")
    assert pipe.memory["labels"]["DISH"] == 0 and pipe.forget("DISH") == 0
    pipe.remember(make_examples(nlp, [("cold soup", [(0, 2, "DISH")])]))
    assert pipe.memory["only"] == ["DISH"]
    assert (0, 2, "DISH") in found(predict(nlp, "cold soup"))
    pipe.forget()
    nlp.update(make_examples(nlp, [("cold soup", [(0, 2, "DISH")])]), sgd=nlp.create_optimizer())
    assert pipe.memory["only"] == []


def test_labels_of_which_nothing_is_remembered(nlp, pipe):
    """They are found as before; with labels that are added later, too."""
    pipe.cfg["threshold"] = 0.0
    before = all_found(nlp)
    pipe.remember(make_examples(nlp, DRINKS), labels=["DRINK"])
    pipe.add_label("LATER")
    for (spans, scores), text in zip(before, TEXTS):
        doc = predict(nlp, text[0])
        known = [i for i, span in enumerate(doc.spans["sc"]) if span.label_ != "DRINK"]
        assert [some for some in found(doc) if some[2] != "DRINK"] == spans
        assert numpy.asarray(scores_of(doc))[known] == pytest.approx(scores, abs=1e-6)
    with pytest.raises(ValueError, match="names DRINKS, which neither the model nor the examples"):
        pipe.remember(make_examples(nlp, DRINKS), labels=["DRINKS"])
    with pytest.raises(ValueError, match=r"no label 'X'.* are GPE, ORG, PER, DRINK, LATER"):
        pipe.forget("X")


def test_more_layers(nlp, pipe):
    """Of a label that has one in the memory: where it is known, nothing is on the new one."""
    pipe.remember(make_examples(nlp, TEXTS[1:]))
    pipe.remember(make_examples(nlp, DRINKS), labels=["DRINK"])
    assert layout_of(pipe.model).layers == (1, 1, 1, 1)
    pipe.remember(make_examples(nlp, NESTED))
    layout = layout_of(pipe.model)
    assert dict(zip(layout.labels, layout.layers)) == {"GPE": 1, "ORG": 2, "PER": 1, "DRINK": 1}
    tags = pipe.model.get_ref("memory").get_param("tags")
    assert tags.shape == (12 + 10 + 5, 5)
    assert (tags[:12, :4] >= 0).all() and (tags[:12, 1:3] == 0).all() and tags[:12, 3].any()
    assert (tags[:12, 4] == -1).all() and (tags[12:22, :4] == -1).all() and tags[12:22, 4].any()
    assert tags[22:, 1].tolist() == [1, 2, 2, 2, 3] and tags[22:, 2].tolist() == [0, 4, 0, 0, 4]
    pipe.cfg["decoder"] = "nearest"
    assert found(predict(nlp, NESTED[0][0])) == sorted(NESTED[0][1])
    # No more than the pipe has layers.
    pipe.cfg["max_layers"] = 1
    pipe.forget()
    with pytest.warns(UserWarning, match="1 of 2 gold entities .*WINE 1"):
        pipe.remember(make_examples(nlp, [("a b", [(0, 2, "WINE"), (0, 1, "WINE")])]))


def test_choosing(nlp, pipe):
    other = [("the mayor of Paris met Anna", [(5, 6, "ORG")]), ("nothing happened today", [])]
    pipe.remember(make_examples(nlp, other))
    table = pipe.tune_memory(make_examples(nlp))
    assert pipe.memory["weight"] == 0 and max(table.values()) == 1 and len(table) == 21
    table = pipe.tune_memory(make_examples(nlp, other), temperature=0.1)
    assert pipe.memory["weight"] >= 0.5 and table[pipe.memory["weight"], 0.1] == 1
    assert found(predict(nlp, other[0][0])) == [(5, 6, "ORG")]


def test_calibration_is_that_of_margins(nlp, pipe):
    """Whatever is remembered."""
    examples = make_examples(nlp, [*TEXTS, *TEXTS, *((text, []) for text, _ in TEXTS)])
    counts, curves = pipe.calibrate(examples), dict(pipe.model.attrs["calibration"])
    pipe.model.attrs["calibration"] = {}
    pipe.remember(make_examples(nlp, [(text, []) for text, _ in TEXTS]))
    assert pipe.calibrate(examples) == counts and counts
    assert pipe.model.attrs["calibration"] == curves


def test_updates_of_the_encoder_empty_the_memory(nlp, pipe):
    pipe.remember(make_examples(nlp, [*TEXTS, *DRINKS]))
    optimizer = nlp.resume_training()
    assert pipe.rehearse(make_examples(nlp))["contrastive_ner"] == pytest.approx(0, abs=1e-3)
    with pytest.warns(UserWarning, match=r"memory of 29 tokens is empty from now on: training has"):
        nlp.update(make_examples(nlp), sgd=optimizer)
    assert pipe.memory["tokens"] == 0 and pipe.memory["only"] == ["DRINK"]
    pipe.remember(make_examples(nlp, DRINKS))
    for node in pipe.model.get_ref("tok2vec").walk():
        if node.has_param("b"):
            node.get_param("b")[:] += 1
    for action in (lambda: predict(nlp, TEXTS[0][0]), lambda: pipe.remember(make_examples(nlp))):
        with pytest.raises(ValueError, match="vectors of another encoder"):
            action()
    pipe.cfg["decoder"] = "nearest"
    with pytest.raises(ValueError, match="vectors of another encoder"):
        predict(nlp, TEXTS[0][0])
    nlp.initialize(lambda: make_examples(nlp))
    assert pipe.memory["tokens"] == 0 and layout_of(pipe.model).labels == ()


def test_saving(tmp_path, nlp, pipe):
    pipe.remember(make_examples(nlp, [*TEXTS, *DRINKS]))
    pipe.tune_memory(weight=0.4, k=3, temperature=0.2)
    pipe.cfg["threshold"] = 0.0
    nlp.to_disk(tmp_path / "model")
    copies = [
        make({"memory": MEMORY}).from_bytes(nlp.to_bytes()),
        spacy.load(tmp_path / "model"),
        pickle.loads(pickle.dumps(nlp)),
    ]
    for copy in copies:
        assert copy.get_pipe("contrastive_ner").memory == pipe.memory
        assert all_found(copy, [*TEXTS, *DRINKS]) == all_found(nlp, [*TEXTS, *DRINKS])
    # The memory is that of the bytes, whatever there was before.
    pipe.forget()
    empty = nlp.to_bytes()
    assert not copies[0].from_bytes(empty).get_pipe("contrastive_ner").memory["tokens"]
    memory = pipe.model.get_ref("memory")
    memory.set_param("rows", numpy.zeros((2, 32), dtype="float32"))
    memory.set_param("tags", numpy.zeros((2, 9), dtype="int16"))
    with pytest.raises(ValueError, match="tags of 2 tokens on 9 tracks, but there are 5 tracks"):
        copies[0].from_bytes(nlp.to_bytes())


def test_batches_and_processes(nlp, pipe):
    pipe.remember(make_examples(nlp, [*TEXTS, *DRINKS]))
    pipe.cfg["threshold"] = 0.0
    texts = [text for text, _ in (*TEXTS, *DRINKS)] * 3

    def run(**how):
        docs = [Doc(nlp.vocab, words=text.split()) for text in texts] + [Doc(nlp.vocab)]
        return [(found(doc), scores_of(doc)) for doc in nlp.pipe(docs, **how)]

    one = run(batch_size=1)
    assert any(label == "DRINK" for spans, _ in one for *_, label in spans)
    for how in ({"batch_size": 5}, {"batch_size": 100}, {"batch_size": 7, "n_process": 2}):
        for (spans, scores), (same, theirs) in zip(one, run(**how), strict=True):
            assert spans == same and scores == pytest.approx(theirs, abs=1e-4)


@pytest.mark.parametrize("decoder", ["posterior", "nearest"])
def test_on_device(nlp, pipe, decoder):
    """What the memory says is on the device of the rows."""
    pipe.remember(make_examples(nlp, [*TEXTS, *DRINKS]))
    model, docs = pipe.model, [eg.predicted for eg in make_examples(nlp)]
    there = on_device(model)
    for name in ("memory", "tok2vec"):
        there.layers.append(model.get_ref(name))
        there.set_ref(name, model.get_ref(name))
    rows, ops = pipe.predict(docs), there.ops
    memory = model.get_ref("memory")
    ours = model.attrs["find"](model, [len(doc) for doc in docs], rows, decoder, 0.02)
    for name in ("rows", "tags"):
        memory.set_param(name, ops.asarray(memory.get_param(name)))
    far = Heard(*(ops.asarray(part) for part in (rows.dataXd, rows.lengths, rows.said)))
    theirs = there.attrs["find"](there, [len(doc) for doc in docs], far, decoder, 0.02)
    assert len(ours.start) and all(numpy.allclose(a, b, atol=1e-4) for a, b in zip(ours, theirs))


def test_shared_encoder():
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec")
    model = {"@architectures": BI, "tok2vec": LISTENER, "width": 12}
    pipe = nlp.add_pipe("contrastive_ner", config={"model": model})
    train(nlp, steps=3)
    examples = make_examples(nlp)
    with pytest.raises(ValueError, match="did not go through the encoder"):
        pipe.remember(examples)
    for example in examples:
        nlp.get_pipe("tok2vec")(example.predicted)
    assert pipe.remember(examples).tokens == 19
    pipe.cfg["decoder"] = "nearest"
    pipe.tune_memory(k=1)
    require_memorised(nlp)
    nlp.replace_listeners("tok2vec", "contrastive_ner", ["model.tok2vec"])
    require_memorised(nlp)
    with pytest.warns(UserWarning, match="memory of 19 tokens is empty from now on"):
        nlp.update(make_examples(nlp), sgd=nlp.resume_training())


@KINDS
@pytest.mark.parametrize("text_row", ["mean", "cls"])
def test_transformer(bert, kind, text_row):
    """Stored and asked are the rows of tokens, whatever stands for the text as a whole."""
    model = {"@architectures": BI, "width": 12, "text_row": text_row, "memory": {**MEMORY, "k": 1}}
    nlp = make_on_transformer(bert, kind, windows(4, 2), model, decoder="nearest")
    train(nlp, steps=1)
    pipe, examples = nlp.get_pipe("contrastive_ner"), make_examples(nlp)
    if kind == "listener":
        with pytest.raises(ValueError, match="did not go through the encoder"):
            pipe.remember(examples)
        for example in examples:
            nlp.get_pipe("transformer")(example.predicted)
    assert pipe.remember(examples).tokens == 19
    require_memorised(nlp)
    require_same_as_alone(nlp, [[], *(text.split() for text, _ in TEXTS)], batch_size=3)
    # A transformer that has read nothing but white space has no more to say of it than before.
    blank = examples_of(nlp, [([" "], [])])
    if kind == "listener":
        nlp.get_pipe("transformer")(blank[0].predicted)
    assert pipe.remember(blank).tokens == 20


def test_not_initialised():
    nlp = make()
    with pytest.raises(ValueError, match=r"\[contrastive_ner\] The model is not initialised"):
        nlp.get_pipe("contrastive_ner").remember(make_examples(nlp))
