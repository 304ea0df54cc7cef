"""The memory of the pipe: filled without training, asked, chosen, emptied, saved."""

import pickle

import numpy
import pytest
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_contrastive_ner.layers.memory import Memory, get_store
from spacy_contrastive_ner.models import filling

from .device import DeviceArray, DeviceOps
from .util import TEXTS, found, make_examples, make_pipeline, predict, train

DRINKS = [
    ("she drank red wine in Paris", [(2, 4, "DRINK"), (5, 6, "GPE")]),
    ("cold beer is nice", [(0, 2, "DRINK")]),
]
MEMORY = {"@layers": "spacy-contrastive-ner.Memory.v1"}


def make(steps=40, memory=None, **settings):
    model = {"memory": {**MEMORY, **(memory or {})}, **settings.pop("model", {})}
    nlp = make_pipeline(model=model, **settings)
    train(nlp, steps=steps)
    return nlp, nlp.get_pipe("contrastive_ner")


@pytest.fixture(scope="module")
def saved():
    return make()[0].to_bytes()


@pytest.fixture
def nlp(saved):
    return make_pipeline(model={"memory": MEMORY}).from_bytes(saved)


@pytest.fixture
def pipe(nlp):
    return nlp.get_pipe("contrastive_ner")


def test_remember(nlp, pipe):
    told = pipe.remember(make_examples(nlp))
    assert (told.tokens, told.outside, told.unknown, told.left_out) == (19, 7, 0, 0)
    assert not told.new_labels and not told.lost
    memory = pipe.memory
    assert memory["tokens"] == 19 and memory["labels"] == {"GPE": 3, "ORG": 5, "PER": 6}
    assert memory["bytes"] == 19 * (32 * 4 + 4 * 2) and memory["only"] == []
    assert pipe.remember(make_examples(nlp)[:1]).tokens == 26


@pytest.mark.parametrize("distance", ["cosine", "euclidean", "gaussian"])
@pytest.mark.parametrize("heads", ["per_label", "joint"])
@pytest.mark.filterwarnings("ignore:.*no layer left")
def test_what_is_remembered_is_found(distance, heads):
    """Also by heads that learned nothing, if the memory alone is asked."""
    nlp, pipe = make(0, {"distance": distance, "k": 1}, decoder="nearest", model={"heads": heads})
    pipe.remember(make_examples(nlp))
    for text, spans in TEXTS:
        flat = [(1, 6, "ORG")] if len(spans) == 3 and spans[0][0] == 1 else spans
        if heads == "joint" and text == TEXTS[3][0]:
            flat = [spans[0], spans[2]]
        doc = predict(nlp, text)
        assert found(doc) == sorted(spans if heads == "per_label" else flat)
        assert all(0.8 < p <= 1 for p in doc.spans["sc"].attrs["scores"])


@pytest.mark.parametrize("decoder", ["posterior", "viterbi"])
def test_weights(decoder):
    """0 leaves everything as it was, 1 asks the memory alone."""
    nlp, pipe = make(40, {"weight": 0.0}, decoder=decoder)
    text, spans = TEXTS[0]
    before = predict(nlp, text)
    # What is remembered contradicts what was learned.
    wrong = [(text, [(5, 6, "PER")])] * 5
    pipe.remember(make_examples(nlp, wrong))
    after = predict(nlp, text)
    assert found(after) == found(before) == sorted(spans)
    assert numpy.array_equal(after.spans["sc"].attrs["scores"], before.spans["sc"].attrs["scores"])
    pipe.tune_memory(weight=1.0)
    assert found(predict(nlp, text)) == [(5, 6, "PER")]
    pipe.tune_memory(weight=0.5)
    if decoder == "posterior":
        # Both have half of it.
        doc = predict(nlp, text)
        scores = {
            (s.start, s.label_): x for s, x in zip(doc.spans["sc"], doc.spans["sc"].attrs["scores"])
        }
        assert scores[5, "PER"] == pytest.approx(0.5, abs=0.02)
        assert scores[5, "GPE"] == pytest.approx(0.5, abs=0.02)


def test_a_label_that_is_only_remembered(nlp, pipe):
    pipe.remember(make_examples(nlp))
    told = pipe.remember(make_examples(nlp, DRINKS))
    assert told.new_labels == ["DRINK"] and pipe.memory["only"] == ["DRINK"]
    assert pipe.labels[-1] == "DRINK"
    for weight in (0.0, 0.1, 0.9):
        pipe.tune_memory(weight=weight)
        doc = predict(nlp, DRINKS[1][0])
        assert (0, 2, "DRINK") in found(doc)
    # Nothing is known of it in what was remembered before it was there.
    tags = pipe.model.get_ref("memory").get_param("tags")
    assert (tags[:19, -1] == -1).all() and (tags[19:, -1] >= 0).all()


@pytest.mark.parametrize("heads", ["per_label", "joint"])
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.filterwarnings("ignore:.*no layer left")
def test_a_label_that_was_there_and_never_learned(before, heads):
    """It is as one that came with the memory, whether it was added before training or after it."""
    nlp = make_pipeline(model={"heads": heads})
    pipe = nlp.get_pipe("contrastive_ner")
    if before:
        pipe.add_label("DRINK")
    train(nlp, steps=30)
    if not before:
        pipe.add_label("DRINK")
    assert pipe.remember(make_examples(nlp, DRINKS)).new_labels == []
    assert pipe.memory["only"] == ["DRINK"]
    for weight in (0.0, 0.1):
        pipe.tune_memory(weight=weight)
        assert (0, 2, "DRINK") in found(predict(nlp, DRINKS[1][0]))
    pipe.forget()
    nlp.update(make_examples(nlp, DRINKS), sgd=nlp.resume_training())
    assert pipe.memory["only"] == []


def test_a_label_that_is_trained_after_all(nlp, pipe):
    pipe.remember(make_examples(nlp, DRINKS))
    pipe.forget()
    assert pipe.memory["only"] == ["DRINK"]
    nlp.update(make_examples(nlp, DRINKS), sgd=nlp.resume_training())
    assert pipe.memory["only"] == []


def test_labels_that_were_not_looked_for(nlp, pipe):
    """Text without them says nothing."""
    drinks = [(text, [span for span in spans if span[2] == "DRINK"]) for text, spans in DRINKS]
    pipe.remember(make_examples(nlp, drinks), labels=["DRINK"])
    tags = pipe.model.get_ref("memory").get_param("tags")
    assert (tags[:, :-1] == -1).all() and (tags[:, -1] >= 0).all()
    pipe.tune_memory(weight=1.0)
    assert (0, 1, "PER") in found(predict(nlp, TEXTS[1][0]))
    with pytest.raises(ValueError, match="labels is 'DRINK', but must be a list"):
        pipe.remember(make_examples(nlp, drinks), labels="DRINK")
    with pytest.raises(ValueError, match="names DRINKS, which neither the model nor the examples"):
        pipe.remember(make_examples(nlp, drinks), labels=["DRINK", "DRINKS"])
    assert pipe.memory["tokens"] == 10


@pytest.mark.parametrize("decoder", ["posterior", "viterbi"])
@pytest.mark.parametrize("transitions", ["per_track", "shared"])
@pytest.mark.parametrize("labels,weight", [(["DRINK"], 0.7), (None, 0.0)])
def test_labels_of_which_it_says_nothing_are_found_as_before(decoder, transitions, labels, weight):
    """With the transitions that the heads have learned, and so with the same probabilities: labels of
    which nothing is remembered, and without weight all that the heads have learned."""
    crf = {"@layers": "spacy-contrastive-ner.CRF.v1", "transitions": transitions}
    nlp, pipe = make(10, decoder=decoder, threshold=0.05, model={"crf": crf})
    layer, rng = pipe.model.get_ref("crf").layers[0], numpy.random.default_rng(0)
    for name in layer.param_names:
        table = layer.get_param(name)
        table += rng.normal(size=table.shape).astype("float32")
    before = [predict(nlp, text) for text, _ in TEXTS]
    pipe.remember(make_examples(nlp, DRINKS), labels=labels)
    pipe.tune_memory(weight=weight)
    assert found(predict(nlp, DRINKS[1][0])) and any(found(doc) for doc in before)
    for doc in before:
        now = predict(nlp, doc.text)
        known = [i for i, span in enumerate(now.spans["sc"]) if span.label_ != "DRINK"]
        spans = [(s.start, s.end, s.label_) for s in now.spans["sc"] if s.label_ != "DRINK"]
        assert spans == [(s.start, s.end, s.label_) for s in doc.spans["sc"]]
        scores = now.spans["sc"].attrs["scores"][known]
        assert numpy.allclose(scores, doc.spans["sc"].attrs["scores"], atol=1e-6)


def test_given_spans_are_typed_with_memory(nlp, pipe):
    """A label that is only remembered is one, as it is when entities are found."""
    (doc,) = [Doc(nlp.vocab, words=DRINKS[1][0].split())]
    (before,) = pipe.type_spans([doc], [[(0, 2)]])
    pipe.remember(make_examples(nlp, DRINKS))
    (values,) = pipe.type_spans([doc], [[(0, 2), (0, 1)]])
    assert before.shape == (1, 3) and values.shape == (2, 4)
    assert pipe.labels[values[0].argmax()] == "DRINK" and values[0, 3] > 0.9


def test_missing_annotation():
    nlp, pipe = make(0, missing_key="missing")
    example = make_examples(nlp, [("a b c d", [(0, 1, "ORG")])])[0]
    doc = example.reference
    doc.spans["missing"] = [Span(doc, 2, 3, "ORG"), Span(doc, 3, 4, "")]
    told = pipe.remember([example])
    assert told.tokens == 3 and told.unknown == 1
    tags = pipe.model.get_ref("memory").get_param("tags")
    # GPE, ORG twice, PER.
    assert tags.tolist() == [[0, 4, 0, 0], [0, 0, 0, 0], [0, -1, -1, 0]]


def test_forget(nlp, pipe):
    pipe.remember(make_examples(nlp))
    pipe.remember(make_examples(nlp, DRINKS[:1]), labels=["DRINK"])
    assert (0, 2, "DRINK") in found(predict(nlp, "red wine"))
    assert pipe.forget("DRINK") == 6
    assert pipe.memory["tokens"] == 19 and pipe.memory["labels"]["DRINK"] == 0
    for weight in (0.0, 0.5, 1.0):
        pipe.tune_memory(weight=weight)
        assert "DRINK" not in {label for *_, label in found(predict(nlp, DRINKS[0][0]))}
    with pytest.raises(ValueError, match=r"There is no label 'X'.* GPE, ORG, PER, DRINK"):
        pipe.forget("X")
    assert pipe.forget() == 19 and pipe.forget() == 0 and pipe.forget("DRINK") == 0
    assert pipe.memory["tokens"] == 0


def test_forgetting_on_a_joint_track():
    nlp, pipe = make(0, decoder="nearest", model={"heads": "joint"})
    flat = make_examples(nlp, [TEXTS[1], TEXTS[2], DRINKS[1]])
    pipe.remember(flat)
    assert pipe.forget("PER") == 1
    assert pipe.memory["labels"] == {"GPE": 1, "ORG": 0, "PER": 0, "DRINK": 2}


def test_there_is_room_for_so_many():
    nlp, pipe = make(0, {"max_tokens": 14})
    with pytest.warns(UserWarning, match=r"14 tokens: 5 are left out \(GPE 1, ORG 3, PER 2\)"):
        told = pipe.remember(make_examples(nlp))
    assert told.tokens == 14 and told.outside == 7 and told.left_out == 5
    assert told.left_out_of == {"GPE": 1, "ORG": 3, "PER": 2}
    with pytest.warns(UserWarning, match="19 are left out"):
        assert pipe.remember(make_examples(nlp)).tokens == 14
    # What follows what was counted on all of it.
    assert sum(pipe.model.get_ref("memory").attrs["counts"]) == 2 * 4 * (19 - 4)


def test_saving(tmp_path, nlp, pipe):
    pipe.remember(make_examples(nlp))
    pipe.remember(make_examples(nlp, DRINKS))
    pipe.tune_memory(weight=0.4, k=3, temperature=0.2)
    nlp.to_disk(tmp_path / "model")
    copies = [
        make_pipeline(model={"memory": MEMORY}).from_bytes(nlp.to_bytes()),
        make_pipeline(model={"memory": MEMORY}).from_disk(tmp_path / "model"),
        pickle.loads(pickle.dumps(nlp)),
    ]
    for copy in copies:
        assert copy.get_pipe("contrastive_ner").memory == pipe.memory
        for text, _ in (*TEXTS, *DRINKS):
            here, there = predict(nlp, text), predict(copy, text)
            assert found(here) == found(there)
            scores = [doc.spans["sc"].attrs["scores"] for doc in (here, there)]
            assert numpy.allclose(*scores, atol=1e-6)


def test_batches_and_processes(nlp, pipe):
    pipe.remember(make_examples(nlp, [*TEXTS, *DRINKS]))
    pipe.tune_memory(weight=0.5)
    texts = [text for text, _ in (*TEXTS, *DRINKS)] * 4

    def run(**how):
        docs = [Doc(nlp.vocab, words=text.split()) for text in texts] + [Doc(nlp.vocab)]
        return [
            (found(doc), numpy.round(doc.spans["sc"].attrs["scores"], 4).tolist())
            for doc in nlp.pipe(docs, **how)
        ]

    one = run(batch_size=1)
    assert any(spans for spans, _ in one)
    for how in ({"batch_size": 5}, {"batch_size": 100}, {"batch_size": 7, "n_process": 2}):
        other = run(**how)
        assert [spans for spans, _ in other] == [spans for spans, _ in one]
        for (_, a), (_, b) in zip(one, other):
            assert numpy.allclose(a, b, atol=1e-3)


def test_choosing(nlp, pipe):
    """On examples that only the memory has right its weight is high, on those of the heads it is 0."""
    pipe.remember(make_examples(nlp, [(text, []) for text, _ in TEXTS]))
    table = pipe.tune_memory(make_examples(nlp))
    assert pipe.memory["weight"] == 0 and max(table.values()) == 1
    assert len(table) == 21
    other = [("the mayor of Paris met Anna", [(5, 6, "ORG")]), ("nothing happened today", [])]
    pipe.forget()
    pipe.remember(make_examples(nlp, other))
    table = pipe.tune_memory(make_examples(nlp, other), temperature=0.1, score="macro")
    assert pipe.memory["weight"] >= 0.5 and table[pipe.memory["weight"], 0.1] == 1
    assert (5, 6, "ORG") in found(predict(nlp, other[0][0]))
    # What is given stays.
    table = pipe.tune_memory(make_examples(nlp), weight=0.25, temperature=0.3)
    assert list(table) == [(0.25, 0.3)] and pipe.memory["weight"] == 0.25
    assert pipe.tune_memory(k=5) == {} and pipe.memory["k"] == 5


def test_nearest_needs_a_memory():
    nlp, pipe = make(0, decoder="nearest")
    with pytest.raises(
        ValueError, match=r"\[contrastive_ner\] .* asks the memory, but it is empty"
    ):
        predict(nlp, TEXTS[0][0])
    pipe.remember(make_examples(nlp))
    assert found(predict(nlp, TEXTS[0][0]))
    assert found(nlp(Doc(nlp.vocab))) == []


def test_vectors_that_are_not_finite(nlp, pipe):
    pipe.model.get_ref("tok2vec").layers[0].walk()
    for node in pipe.model.get_ref("tok2vec").walk():
        if node.has_param("b"):
            node.get_param("b")[:] = numpy.nan
    with pytest.raises(ValueError, match="vectors of the encoder are not finite"):
        pipe.remember(make_examples(nlp))
    assert pipe.memory["tokens"] == 0


def test_bad_input(nlp, pipe):
    with pytest.raises(ValueError, match="None of the 1 examples to remember has the span group"):
        pipe.remember([Example(Doc(nlp.vocab, words=["a"]), Doc(nlp.vocab, words=["a"]))])
    with pytest.raises(ValueError, match="examples have no tokens"):
        pipe.remember(make_examples(nlp, [("", [])]))
    with pytest.raises(ValueError, match="memory is empty"):
        pipe.tune_memory(make_examples(nlp))
    with pytest.raises(ValueError, match="must be micro or macro"):
        pipe.tune_memory(make_examples(nlp), score="f")
    with pytest.raises(ValueError, match="weight of the memory is 2"):
        pipe.tune_memory(weight=2.0)
    fresh = make_pipeline()
    with pytest.raises(ValueError, match=r"\[contrastive_ner\] The model is not initialised"):
        fresh.get_pipe("contrastive_ner").remember(make_examples(fresh))


@pytest.mark.parametrize(
    "settings,message",
    [
        ({"k": 0}, "k of the memory is 0"),
        ({"weight": -1.0}, "weight of the memory is -1"),
        ({"temperature": 0.0}, "temperature of the memory is 0"),
        ({"distance": "far"}, "distance is 'far'"),
        ({"search": "fast"}, "search of the memory is 'fast'"),
        ({"max_tokens": 0}, "max_tokens of the memory is 0"),
        ({"transition_power": -1.0}, "transition_power is -1"),
        ({"transitions": [0.5, 0.5, 1.0]}, "must be five numbers above 0"),
        ({"transitions": [0.5, 0.4, 0.5, 0.2, 0.3]}, "must each sum to 1"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        Memory(**settings)


def test_given_transitions():
    """Of an entity that the neighbours are of two minds about, the transitions decide."""
    nlp, pipe = make(0, {"k": 2}, decoder="nearest")
    pipe.remember(make_examples(nlp, [("a b", [(0, 1, "ORG")]), ("a b", [])]))
    memory = pipe.model.get_ref("memory")
    for transitions, spans in (
        ([0.99, 0.01, 0.9, 0.05, 0.05], []),
        ([0.01, 0.99, 0.9, 0.05, 0.05], [(0, 1, "ORG")]),
    ):
        memory.attrs["transitions"] = transitions
        assert found(predict(nlp, "a b")) == spans


def test_families_without_memory():
    nlp = make_pipeline()
    config = {
        "@architectures": "spacy-contrastive-ner.SpanTyper.v1",
        "propose": {"@misc": "spacy.ngram_suggester.v1", "sizes": [1]},
        "tok2vec": nlp.get_pipe_config("contrastive_ner")["model"]["tok2vec"],
    }
    nlp.remove_pipe("contrastive_ner")
    pipe = nlp.add_pipe("contrastive_ner", config={"model": config})
    for action in (lambda: pipe.memory, lambda: pipe.remember(make_examples(nlp)), pipe.forget):
        with pytest.raises(
            ValueError, match="MultiHeadTagger, SubwordTagger and BiEncoder have one"
        ):
            action()


@pytest.mark.parametrize("distance", ["cosine", "gaussian"])
def test_on_device(distance):
    """The layer asks its rows where they are."""
    nlp, pipe = make(0, {"distance": distance})
    pipe.remember(make_examples(nlp, [*TEXTS, *DRINKS]))
    layer = pipe.model.get_ref("memory")
    X = numpy.random.default_rng(0).normal(size=(5, 32)).astype("float32")
    here = layer.predict(X)
    ops = DeviceOps()
    layer.ops = ops
    for name in ("rows", "tags"):
        layer.set_param(name, ops.asarray(layer.get_param(name)))
    ready = get_store(layer)
    assert get_store(layer) is ready
    ops.to_host = 0
    there = layer.predict(ops.asarray(X))
    assert isinstance(there, DeviceArray) and ops.to_host == 0
    assert numpy.allclose(there.get(), here, atol=1e-5)


def test_batches_of_documents_that_are_remembered(monkeypatch, nlp, pipe):
    pipe.remember(make_examples(nlp))
    rows = pipe.model.get_ref("memory").get_param("rows").copy()
    monkeypatch.setattr(filling, "BLOCK", 5)
    pipe.forget()
    pipe.remember(make_examples(nlp))
    assert numpy.allclose(pipe.model.get_ref("memory").get_param("rows"), rows, atol=1e-5)
