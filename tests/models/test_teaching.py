"""Labels that say themselves what they are: by descriptions, or by mentions."""

import numpy
import pytest
import spacy
from spacy.tokens import Doc, Span
from thinc.api import Adam

from spacy_contrastive_ner.descriptions import LONGEST
from spacy_contrastive_ner.models.label_vectors import (
    Source,
    choose_mentions,
    encode_mentions,
    margins_of,
    vectors_of,
)

from ..util import TEXTS, TOK2VEC, found, make_examples, make_pipeline, predict, train
from .test_bi_encoder import ALL_TYPES, WRITTEN, make, types

LAW = [("the Health Act passed", (1, 3)), ("the Tax Act failed", (1, 3))]


def mentions(nlp):
    return [Span(predict(nlp, text), *place, "LAW") for text, place in LAW]


def all_scores(nlp):
    """Every span with its probability, of the labels of the training data."""
    nlp.get_pipe("contrastive_ner").cfg["threshold"] = 0.0
    out = {}
    for text, _ in [*TEXTS, *LAW]:
        doc = predict(nlp, text)
        for span, score in zip(doc.spans["sc"], doc.spans["sc"].attrs["scores"].tolist()):
            if span.label_ != "LAW":
                out[text, span.start, span.end, span.label_] = score
    return out


@types
def test_a_label_by_examples(model):
    nlp = make(model)
    train(nlp)
    pipe = nlp.get_pipe("contrastive_ner")
    before = all_scores(nlp)
    assert pipe.add_label("LAW", examples=mentions(nlp)) == 1
    assert all_scores(nlp) == before  # to the last bit
    pipe.cfg["threshold"] = 0.5
    # It is saved and loaded with the others, and its vectors can be given anew.
    again = make(model)
    again.get_pipe("contrastive_ner").from_bytes(pipe.to_bytes())
    assert found(predict(again, LAW[0][0])) == found(predict(nlp, LAW[0][0]))
    assert pipe.add_label("LAW", examples=mentions(nlp)[:1]) == 0 and len(pipe.labels) == 4
    # No span is closer to the vector of one example than that example.
    doc = predict(nlp, LAW[0][0])
    scores = doc.spans["sc"].attrs["scores"].tolist()
    laws = {(s.start, s.end): p for s, p in zip(doc.spans["sc"], scores) if s.label_ == "LAW"}
    assert laws and max(laws, key=lambda place: laws[place]) == LAW[0][1]


@pytest.mark.parametrize("model", ALL_TYPES[1:3], ids=["one encoder", "two encoders"])
def test_a_label_by_its_description(model):
    nlp = make(model)
    train(nlp)
    pipe = nlp.get_pipe("contrastive_ner")
    before = all_scores(nlp)
    # Described as another label is, it is found where that one is.
    assert pipe.add_label("LAW", description=WRITTEN["PER"]) == 1
    assert all_scores(nlp) == before
    pipe.cfg["threshold"] = 0.5
    assert found(predict(nlp, "Anna left Paris")) == [
        (0, 1, "LAW"),
        (0, 1, "PER"),
        (2, 3, "GPE"),
    ]
    # When the pipe is trained on, the description is encoded anew with the others.
    vectors = vectors_of(pipe.model).types[3].copy()
    nlp.update(make_examples(nlp), sgd=nlp.resume_training())
    predict(nlp, "x")
    after = vectors_of(pipe.model).types
    assert not numpy.allclose(after[3], vectors, atol=1e-6)
    assert numpy.allclose(after[3], after[pipe.labels.index("PER")], atol=1e-6)


@pytest.mark.parametrize("model", ALL_TYPES[1:], ids=["one", "two", "prototypes"])
def test_vectors_are_made_anew_only_if_the_encoder_changed(model, monkeypatch):
    nlp = make(model)
    train(nlp, steps=5)
    predict(nlp, "x")
    calls = []
    from spacy_contrastive_ner.models import label_vectors

    make_them = label_vectors.encode_types
    monkeypatch.setattr(
        label_vectors, "encode_types", lambda *args: calls.append(1) or make_them(*args)
    )
    predict(nlp, "y")
    assert not calls
    saved = nlp.get_pipe("contrastive_ner").to_bytes()
    again = make(model)
    again.get_pipe("contrastive_ner").from_bytes(saved)
    predict(again, "y")
    assert not calls
    nlp.update(make_examples(nlp), sgd=nlp.resume_training())
    predict(nlp, "y")
    predict(nlp, "y")
    assert len(calls) == 1


def test_the_cache_serves_when_the_description_encoder_is_gone():
    model = ALL_TYPES[2]
    nlp = make(model)
    train(nlp)
    pipe = nlp.get_pipe("contrastive_ner")
    expected = found(predict(nlp, TEXTS[0][0]))

    def gone(*args, **kwargs):
        raise OSError("no such encoder")

    pipe.model.get_ref("describer").layers[0]._func = gone
    assert found(predict(nlp, TEXTS[0][0])) == expected != []


def test_averages_of_weights_have_their_own_vectors():
    nlp = make(ALL_TYPES[3])
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.01, use_averages=True)
    for _ in range(5):
        nlp.update(examples, sgd=optimizer)
    text = TEXTS[0][0]
    pipe = nlp.get_pipe("contrastive_ner")
    pipe.cfg["threshold"] = 0.0

    def scores():
        return predict(nlp, text).spans["sc"].attrs["scores"].tolist()

    own = scores()
    with nlp.use_params(optimizer.averages):
        assert scores() != own
    assert scores() == own


@types
def test_averages_of_weights_are_saved_as_they_were_evaluated(model):
    """As `spacy train` does it: averages are scored, and later put in place once more to be saved."""
    nlp = make(model, threshold=0.0)
    examples = make_examples(nlp)
    nlp.initialize(lambda: examples)
    optimizer = Adam(0.01, use_averages=True)
    for _ in range(10):
        nlp.update(examples, sgd=optimizer)
    with nlp.use_params(optimizer.averages):
        scores = predict(nlp, TEXTS[0][0]).spans["sc"].attrs["scores"].tolist()
    with nlp.use_params(optimizer.averages):
        saved = nlp.to_bytes()
    again = make(model, threshold=0.0).from_bytes(saved)
    same = predict(again, TEXTS[0][0]).spans["sc"].attrs["scores"].tolist()
    assert same == pytest.approx(scores, abs=1e-6)


@pytest.mark.parametrize("kind", ["descriptions", "prototypes"])
def test_a_shared_encoder_will_not_do(kind):
    model = ALL_TYPES[1] if kind == "descriptions" else ALL_TYPES[3]
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 32, "upstream": "*"}
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    config = {
        "@architectures": "spacy-contrastive-ner.BiEncoder.v1",
        **model,
        "tok2vec": listener,
    }
    nlp.add_pipe("contrastive_ner", config={"model": config})
    with pytest.raises(ValueError, match="a listener will not do"):
        nlp.initialize(lambda: make_examples(nlp))


def test_examples_through_a_shared_encoder():
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 32, "upstream": "*"}
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    config = {
        "@architectures": "spacy-contrastive-ner.BiEncoder.v1",
        "width": 12,
        "tok2vec": listener,
    }
    nlp.add_pipe("contrastive_ner", config={"model": config, "threshold": 0.5})
    train(nlp)
    pipe = nlp.get_pipe("contrastive_ner")
    assert pipe.add_label("LAW", examples=mentions(nlp)) == 1
    assert (1, 3, "LAW") in found(predict(nlp, LAW[0][0]))


def test_documents_of_examples_have_to_go_through_a_shared_encoder():
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 32, "upstream": "*"}
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    config = {"@architectures": "spacy-contrastive-ner.BiEncoder.v1", "tok2vec": listener}
    nlp.add_pipe("contrastive_ner", config={"model": config})
    train(nlp, steps=1)
    raw = Doc(nlp.vocab, words=LAW[0][0].split())
    good = mentions(nlp)[0]
    assert "did not go through" in bad_label(nlp, examples=[good, Span(raw, 1, 3)])


def test_training_goes_on_from_what_examples_taught():
    nlp = make()
    train(nlp)
    pipe = nlp.get_pipe("contrastive_ner")
    pipe.add_label("LAW", examples=mentions(nlp))
    assert pipe.model.attrs["offsets"]["LAW"] > 3
    # The loss of a label that is recognised as it should be is small from the start.
    texts = [(text, [(*place, "LAW")]) for text, place in LAW]
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    for _ in range(60):
        nlp.update(make_examples(nlp, [*TEXTS, *texts]), sgd=optimizer)
    for text, spans in [*TEXTS, *texts]:
        assert found(predict(nlp, text)) == sorted(spans)


def test_the_offset_of_examples_goes_when_a_description_comes():
    nlp = make({**ALL_TYPES[1], "offsets": {"PER": 0.5}})
    train(nlp)
    pipe = nlp.get_pipe("contrastive_ner")
    pipe.add_label("LAW", examples=mentions(nlp))
    assert set(pipe.model.attrs["offsets"]) == {"PER", "LAW"}
    pipe.add_label("LAW", description=WRITTEN["GPE"])
    assert pipe.model.attrs["offsets"] == {"PER": 0.5}
    assert (2, 3, "LAW") in found(predict(nlp, "Anna left Paris"))


def test_rehearsal_keeps_the_probabilities_that_are_predicted():
    """The offset of examples is a part of them."""
    nlp = make()
    train(nlp)
    pipe = nlp.get_pipe("contrastive_ner")
    pipe.add_label("LAW", examples=mentions(nlp))
    docs = [predict(nlp, text) for text, _ in LAW]
    rows, wanted = pipe.model.predict(docs), pipe.model.predict(docs)
    rows.dataXd[:] += numpy.random.default_rng(0).normal(0, 0.1, rows.dataXd.shape)
    loss, _ = pipe.model.attrs["imitate"](pipe.model, rows, pipe.model, wanted)
    expected = 0.0
    offsets = [pipe.model.attrs["offsets"].get(label, 0.0) for label in pipe.labels]
    both = (margins_of(pipe.model, some).spans() for some in (rows, wanted))
    for (_, found_margins), (_, wanted_margins) in zip(*both):
        is_span = numpy.isfinite(found_margins[:, 0])
        q, p = (
            1 / (1 + numpy.exp(-(m[is_span] - offsets).astype("float64")))
            for m in (found_margins, wanted_margins)
        )
        expected += (p * numpy.log(p / q) + (1 - p) * numpy.log((1 - p) / (1 - q))).sum()
    assert loss == pytest.approx(expected / len(docs), rel=1e-3)


def test_many_examples_of_one_document_cost_no_more_than_one():
    nlp = make()
    train(nlp)
    pipe = nlp.get_pipe("contrastive_ner")
    doc, other = predict(nlp, LAW[0][0] + " " + LAW[1][0]), predict(nlp, LAW[0][0])
    examples = [doc[1:3], other[1:3], doc[5:7]]
    seen = []
    text = pipe.model.get_ref("text")
    forward = text._func

    def counting(model, docs, is_train):
        seen.extend(docs)
        return forward(model, docs, is_train)

    text._func = counting
    pipe.add_label("LAW", examples=examples)
    # Once for the vector, once for the offset.
    assert sorted(map(len, seen)) == [4, 4, 8, 8]
    each, _ = encode_mentions(
        pipe.model, [s.doc for s in examples], [(s.start, s.end) for s in examples], False
    )
    assert numpy.allclose(vectors_of(pipe.model).types[3], each.mean(axis=0), atol=1e-6)


def test_prototypes_stay_as_they_were_added_while_the_encoder_does():
    """They are made of what is kept of the examples, not of more of their documents."""
    nlp = make(ALL_TYPES[3])
    train(nlp)
    pipe = nlp.get_pipe("contrastive_ner")
    tok2vec = pipe.model.get_ref("tok2vec")
    forward = tok2vec._func

    def reads_all_of_a_text(model, docs, is_train):
        rows, backprop = forward(model, docs, is_train)
        return [some + len(some) / 10 for some in rows], backprop

    tok2vec._func = reads_all_of_a_text
    doc = predict(nlp, "the Health Act passed " + "w " * 40)
    pipe.add_label("LAW", examples=[doc[1:3]])
    before = vectors_of(pipe.model).types.copy()
    pipe.model.attrs["made_by"] = []
    predict(nlp, "x")
    assert numpy.allclose(vectors_of(pipe.model).types[3], before[3], atol=1e-6)


def test_a_fitted_curve_goes_with_its_vectors_only():
    nlp = make()
    train(nlp)
    pipe = nlp.get_pipe("contrastive_ner")
    pipe.calibrate(make_examples(nlp, [*TEXTS, *((text, []) for text, _ in TEXTS)] * 5))
    curves = dict(pipe.model.attrs["calibration"])
    before = all_scores(nlp)
    assert set(curves) == {"GPE", "ORG", "PER"}
    pipe.add_label("LAW", examples=mentions(nlp))
    pipe.add_label("NEXT")
    assert all_scores(nlp) == before and pipe.model.attrs["calibration"] == curves
    # Of other vectors it says nothing.
    pipe.add_label("PER", examples=mentions(nlp))
    assert set(pipe.model.attrs["calibration"]) == {"GPE", "ORG"}


def bad_label(nlp, **what):
    pipe = nlp.get_pipe("contrastive_ner")
    before = pipe.labels, pipe.model.to_bytes()
    with pytest.raises(ValueError) as error:
        pipe.add_label("LAW", **what)
    assert (pipe.labels, pipe.model.to_bytes()) == before
    return str(error.value)


def test_labels_that_cannot_be_added():
    nlp = make(ALL_TYPES[1])
    assert "trained on other labels before" in bad_label(nlp, description="a law")
    train(nlp, steps=2)
    span = mentions(nlp)[0]
    assert "either a description or at least one" in bad_label(nlp, examples=[])
    assert "either a description or" in bad_label(nlp, description="a law", examples=[span])
    assert "has 0 tokens" in bad_label(nlp, description="")
    assert "'Act' is no Span" in bad_label(nlp, examples=["Act"])
    assert f"1 to {LONGEST}" in bad_label(nlp, description="law " * (LONGEST + 1))
    doc = Doc(nlp.vocab, words=["w"] * 50)
    wide = bad_label(nlp, examples=[span, Span(nlp(doc), 0, 40)])
    assert "40 tokens" in wide and "1 to 5" in wide
    nlp = make()
    train(nlp, steps=2)
    assert 'not "descriptions"' in bad_label(nlp, description="a law")
    nlp = make_pipeline()
    train(nlp, steps=1)
    assert "BiEncoder" in bad_label(nlp, examples=[span])


def test_nothing_is_half_added_when_the_encoder_fails():
    nlp = make(ALL_TYPES[2])
    train(nlp, steps=2)
    predict(nlp, "x")
    pipe = nlp.get_pipe("contrastive_ner")
    before = pipe.labels, pipe.model.to_bytes()

    def gone(*args, **kwargs):
        raise OSError("no such encoder")

    pipe.model.get_ref("describer").layers[0]._func = gone
    with pytest.raises(OSError, match="no such encoder"):
        pipe.add_label("LAW", description="a law")
    assert (pipe.labels, pipe.model.to_bytes()) == before
    predict(nlp, "x")


def test_a_missing_description_stops_initialisation():
    nlp = make({"types": "descriptions", "descriptions": {"PER": "a person"}})
    with pytest.raises(ValueError, match="no description of GPE, ORG"):
        train(nlp)


def test_mentions_are_spread_over_the_documents():
    nlp = spacy.blank("en")
    docs = [Doc(nlp.vocab, words=["w"] * 40) for _ in range(4)]
    from spacy_contrastive_ner.annotations import Gold

    gold = [Gold(40, [(i, i + 2, "A"), (30, 39, "B")], [], []) for i in range(4)]
    sources = choose_mentions(["A", "B", "C"], docs, gold, 5, 2)
    assert set(sources) == {"A"}  # B is too wide, C is not there
    first, last = (Source(*some) for some in sources["A"])
    assert (first.start, first.end, len(first.words)) == (0, 2, 14)
    assert (last.start, last.end, len(last.words)) == (3, 5, 17)


def test_a_mention_keeps_its_context():
    nlp = spacy.blank("en")
    doc = Doc(nlp.vocab, words=[str(i) for i in range(60)])
    source = Source.of(doc, 30, 33)
    assert source.words == [str(i) for i in range(18, 45)]
    assert source.words[source.start : source.end] == ["30", "31", "32"]


def test_a_described_label_without_entities_is_predicted():
    """It is given with the labels, and described as another one is."""
    nlp = make({**ALL_TYPES[1], "descriptions": {**WRITTEN, "HUMAN": WRITTEN["PER"]}})
    nlp.get_pipe("contrastive_ner").add_label("HUMAN")
    nlp.initialize(lambda: make_examples(nlp))
    pipe = nlp.get_pipe("contrastive_ner")
    pipe.cfg["threshold"] = 0.0
    doc = predict(nlp, "Anna left Paris")
    assert {span.label_ for span in doc.spans["sc"]} == {"HUMAN", "PER", "GPE", "ORG"}
