"""What is said about data that nothing can be learned from."""

import warnings

import numpy
import pytest
import spacy
from spacy.tokens import Doc, Span
from thinc.api import Adam, Linear, Model, chain

from spacy_contrastive_ner.corpora.marks import Mark, set_mark
from spacy_contrastive_ner.losses import make_info_nce
from spacy_contrastive_ner.pretraining import watch as module
from spacy_contrastive_ner.pretraining.objective import (
    make_contrastive_objective,
    make_sum_objective,
    make_tagging_objective,
)
from spacy_contrastive_ner.pretraining.watch import Watch, require_no_listener

from .test_model import make_docs, make_model, update

NLP = spacy.blank("en")


def make_doc(words="Anna left Paris", space="", **groups):
    doc = Doc(NLP.vocab, words=words.split())
    for key, spans in groups.items():
        doc.spans[key] = [Span(doc, *span) for span in spans]
    set_mark(doc, Mark(space, space))
    return doc


def make_watch(**settings):
    return Watch(make_contrastive_objective(make_info_nce(), **settings).terms)


def message(watch, docs):
    watch.see(docs)
    with pytest.raises(ValueError) as error:
        watch.end_epoch()
    text = str(error.value)
    assert text.startswith("[pretraining] ") and text.endswith(".")
    return text


def test_no_annotation_names_what_is_there():
    docs = [make_doc(mine=[(0, 1, "PER")]), make_doc(mine=[], other=[]), make_doc()]
    docs[2].set_ents([Span(docs[2], 0, 1, "PER")])
    text = message(make_watch(), docs)
    assert "None of the 3 documents has annotation in doc.spans['sc']" in text
    assert "spans_key (or use_ents) in [pretraining.objective]" in text
    for name in ("doc.spans['mine'] (2 docs)", "doc.spans['other'] (1 docs)", "doc.ents (1 docs)"):
        assert name in text
    assert "spacy-contrastive-ner.Corpus.v1" in text


def test_no_annotation_at_all():
    text = message(make_watch(use_ents=True), [make_doc()])
    assert "annotation in doc.ents" in text and "spans_key" not in text
    assert "annotate the entities" in text


def test_all_places_where_annotation_is_looked_for_are_named():
    parts = {
        "a": make_contrastive_objective(make_info_nce(), spans_key="x"),
        "b": make_tagging_objective(spans_key="y"),
        "c": make_tagging_objective(spans_key="x"),
    }
    terms = make_sum_objective(parts).terms
    assert "doc.spans['x'] or doc.spans['y']." in message(Watch(terms), [make_doc()])
    # One of them will do.
    watch = Watch(terms)
    watch.see([make_doc(y=[(0, 1, "PER")])] * 2)
    watch.end_epoch()


@pytest.mark.parametrize("docs", [[], [make_doc("")], [make_doc(""), make_doc("")]])
def test_empty_corpus(docs):
    assert "The corpus is empty" in message(make_watch(), docs)


def test_no_entities():
    text = message(make_watch(), [make_doc(sc=[]), make_doc(sc=[])])
    assert "The 2 documents are annotated, but hold no entity at all" in text


def test_one_mention_of_each_label():
    docs = [make_doc(sc=[(0, 1, "PER"), (2, 3, "GPE")]), make_doc()]
    text = message(make_watch(), docs)
    assert "No label has two mentions (GPE, PER have one each)" in text and "merge" in text


def test_each_label_is_named_once():
    """Whatever the number of terms and label spaces."""
    parts = {name: make_contrastive_objective(make_info_nce()) for name in "ab"}
    docs = [make_doc(space=space, sc=[(0, 1, "PER")]) for space in ("x", "y")]
    assert "(PER have one each)" in message(Watch(make_sum_objective(parts).terms), docs)


def test_two_mentions_in_one_space_are_enough():
    watch = make_watch()
    docs = [make_doc(space=space, sc=[(0, 1, "PER")]) for space in ("x", "x")]
    watch.see(docs)
    watch.end_epoch()


def test_merged_labels_count_as_one():
    docs = [make_doc(sc=[(0, 1, "LOC.NAM"), (2, 3, "LOC.NOM")])]
    watch = make_watch(merge="prefix")
    watch.see(docs)
    watch.end_epoch()
    assert "LOC.NAM, LOC.NOM" in message(make_watch(), docs)


def test_it_is_satisfied_after_an_epoch():
    """Later epochs, of which a sample may hold less, are not looked at."""
    watch = make_watch()
    watch.see([make_doc(sc=[(0, 1, "PER"), (2, 3, "PER")])])
    watch.end_epoch()
    n_docs = watch.n_docs
    watch.see([make_doc()])
    watch.end_epoch()
    assert watch.satisfied and watch.n_docs == n_docs


@pytest.mark.parametrize("limit, message", [("DOCUMENTS", "the 6 docu"), ("BATCHES", "the 4 docu")])
def test_it_does_not_wait_forever(monkeypatch, limit, message):
    """Readers need not say when an epoch ends."""
    monkeypatch.setattr(module, limit, {"DOCUMENTS": 5, "BATCHES": 2}[limit])
    watch = make_watch()
    watch.see([make_doc()] * 2)
    watch.lose_patience()
    watch.see([make_doc()] * (4 if limit == "DOCUMENTS" else 2))
    with pytest.raises(ValueError, match=f"None of {message}"):
        watch.lose_patience()
    # A single annotated one keeps it quiet, for the time being.
    watch.see([make_doc(sc=[])])
    watch.lose_patience()


def test_the_model_loses_patience(monkeypatch):
    monkeypatch.setattr(module, "BATCHES", 3)
    model, nlp = make_model(spans_key="other")
    for _ in range(2):
        assert update(model, make_docs(nlp), Adam(0.01)) == 0
    with pytest.raises(ValueError, match=r"has annotation in doc.spans\['other'\]"):
        update(model, make_docs(nlp), Adam(0.01))


def test_the_model_watches():
    model, nlp = make_model()
    docs = make_docs(nlp, last=True)
    for doc in docs:
        doc.spans["mine"] = doc.spans.pop("sc")
    with pytest.raises(ValueError, match=r"doc.spans\['mine'\] \(4 docs\), doc.ents \(4 docs\)"):
        update(model, docs, Adam(0.01))


def test_loss_that_is_not_finite():
    model, nlp = make_model()
    encoder = model.get_ref("tok2vec")
    node = next(node for node in encoder.walk() if "W" in node.param_names)
    node.set_param("W", node.get_param("W") * numpy.nan)
    with pytest.raises(ValueError, match=r"not finite.*'the Ministry of Health.*learning rate"):
        update(model, make_docs(nlp), Adam(0.01))
    watch = make_watch()
    watch.require_finite(1.0, [])
    for loss in (float("inf"), float("nan")):
        with pytest.raises(ValueError, match="in a batch that begins with 'Anna left Paris"):
            watch.require_finite(loss, [make_doc(), make_doc("x")])


def layer_of(kind, upstream):
    """A layer of a type of this name, as spaCy's listeners are."""
    layer = type(kind, (Model,), {})(kind, forward=None)
    layer.upstream_name = upstream
    return layer


@pytest.mark.parametrize(
    "kind, upstream, name",
    [
        ("Tok2VecListener", "*", "tok2vec"),
        ("Tok2VecListener", "mine", "mine"),
        ("TransformerListener", "*", "transformer"),
        ("LastTransformerLayerListener", "*", "transformer"),
        ("TransformerListener", None, "transformer"),
    ],
)
def test_listeners(kind, upstream, name):
    with pytest.raises(ValueError) as error:
        require_no_listener(chain(Linear(), layer_of(kind, upstream)))
    assert f"is a {kind}" in str(error.value)
    assert f'Write component = "{name}" and layer = ""' in str(error.value)


def test_no_listeners():
    require_no_listener(chain(Linear(), layer_of("TransformerModel", "*")))


def test_batches_in_which_nothing_can_be_compared():
    watch = make_watch()
    docs = [make_doc(sc=[(0, 1, "PER"), (2, 3, "PER")])]
    watch.see(docs)
    for loss in (0.0, 0.0, 0.5):
        watch.heard(loss)
    with pytest.warns(UserWarning, match="Nothing could be learned from 2 of 3 batches"):
        watch.end_epoch()
    # Each epoch is counted anew.
    watch.heard(0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        watch.end_epoch()


def test_a_judge_needs_to_know_when_epochs_end():
    watch = make_watch()
    watch.require_marks([make_doc()])
    with pytest.raises(ValueError, match=r"does not say when\. Use the reader"):
        watch.require_marks([Doc(NLP.vocab, words=["so"])])
    model, nlp = make_model()
    model.at_epoch_end = lambda model, optimizer: None
    docs = make_docs(nlp)
    for doc in docs:
        doc.user_data.clear()
    with pytest.raises(ValueError, match="does not say when"):
        update(model, docs, Adam(0.01))


def test_tagging_needs_no_pairs():
    watch = Watch(make_tagging_objective().terms)
    watch.see([make_doc(sc=[(0, 1, "PER")])])
    watch.end_epoch()
    assert watch.satisfied
