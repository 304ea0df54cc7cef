"""Labels that say themselves what they are: by descriptions, or by mentions."""

import json

import numpy
import pytest
import spacy
from spacy.tokens import Doc, Span
from thinc.api import Adam

from spacy_contrastive_ner.models.descriptions import LONGEST, read_descriptions
from spacy_contrastive_ner.models.label_vectors import Source, choose_mentions, vectors_of

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


def write(path, *lines):
    path.write_text("\n".join(lines), encoding="utf8")
    return str(path)


def test_descriptions_are_read(tmp_path):
    lines = [json.dumps({"label": k, "description": v}) for k, v in WRITTEN.items()]
    more = json.dumps({"label": "OTHER", "description": ""})
    assert (
        read_descriptions(write(tmp_path / "a.jsonl", *lines, "", more), list(WRITTEN)) == WRITTEN
    )
    binder = [
        json.dumps({"dataset": "x", "name": k, "description": v, "description_source": "y"})
        for k, v in WRITTEN.items()
    ]
    assert read_descriptions(write(tmp_path / "b.json", *binder), list(WRITTEN)) == WRITTEN
    assert read_descriptions(write(tmp_path / "c.json", json.dumps(WRITTEN)), ["PER"]) == {
        "PER": WRITTEN["PER"]
    }
    assert read_descriptions(WRITTEN, ["PER"]) == {"PER": WRITTEN["PER"]}


@pytest.mark.parametrize(
    "lines, message",
    [
        (['{"label": "PER", "description": "a"}'], "no description of GPE"),
        (['{"label": "PER", "description": " "}'], "line 1: the description of PER is empty"),
        (['{"label": "PER", "description": 3}'], "line 1: the description of PER is empty"),
        (
            ['{"label": "PER", "description": "a"}'] * 2 + ['{"label": "PER", "description": "b"}'],
            "line 3: PER is described a second",
        ),
        ([json.dumps({"label": "PER", "description": "a " * 301})], "line 1: .* 301 words"),
        (['{"label": "PER", "description": "a"}', "{"], "line 2: this is no JSON"),
        (['{"label": "PER"}'], "line 1: expected"),
        (["[1]"], "line 1: expected"),
        ([], "no description of PER, GPE"),
    ],
)
def test_descriptions_that_are_no_good(tmp_path, lines, message):
    with pytest.raises(ValueError, match=message):
        read_descriptions(write(tmp_path / "a.jsonl", *lines), ["PER", "GPE"])


def test_files_of_descriptions_that_cannot_be_read(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.jsonl"):
        read_descriptions(tmp_path / "nowhere.jsonl", ["PER"])
    (tmp_path / "latin").write_bytes(b"\xe9")
    with pytest.raises(ValueError, match="latin"):
        read_descriptions(tmp_path / "latin", ["PER"])


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
