"""What is said about data that nothing can be learned from."""

import warnings

import numpy
import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from thinc.api import Adam

from spacy_contrastive_ner.corpora.marks import Mark, set_mark
from spacy_contrastive_ner.corpora.reader import Corpus
from spacy_contrastive_ner.losses import make_info_nce
from spacy_contrastive_ner.pretraining import watch as module
from spacy_contrastive_ner.pretraining.objective import (
    make_contrastive_objective,
    make_sum_objective,
    make_tagging_objective,
)
from spacy_contrastive_ner.pretraining.watch import Watch

from .test_model import make_docs, make_model, update

NLP = spacy.blank("en")


def make_doc(words="Anna left Paris", space="", source="", **groups):
    doc = Doc(NLP.vocab, words=words.split())
    for key, spans in groups.items():
        doc.spans[key] = [Span(doc, *span) for span in spans]
    set_mark(doc, Mark(space, space, source=source))
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
    assert "(PER has one)" in message(Watch(make_sum_objective(parts).terms), docs)


def test_two_mentions_in_one_space_are_enough():
    watch = make_watch()
    docs = [make_doc(space=space, sc=[(0, 1, "PER")]) for space in ("x", "x")]
    watch.see(docs)
    watch.end_epoch()


def test_copies_of_a_document_count_once():
    """A mention is no pair with its own copy."""
    docs = [make_doc(source=":0:0", sc=[(0, 1, "PER")]) for _ in range(3)]
    assert "(PER has one)" in message(make_watch(), docs)
    watch = make_watch()
    watch.see([*docs, make_doc(source=":1:0", sc=[(0, 1, "PER")])])
    watch.end_epoch()
    # A variant may have a mention more.
    watch = make_watch()
    watch.see([*docs, make_doc(source=":0:0", sc=[(0, 1, "PER"), (2, 3, "PER")])])
    watch.end_epoch()


def test_a_weight_does_not_make_pairs(tmp_path):
    """Reader and model together, whoever makes the batches."""
    (doc,) = make_docs(NLP)[:1]
    doc.spans["sc"] = [doc.spans["sc"][0]]
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "x.spacy")
    corpus = Corpus({"mine": tmp_path / "x.spacy"}, weights={"mine": 3.0})
    docs = [example.reference for example in corpus(NLP)]
    model, _ = make_model()
    with pytest.raises(ValueError, match=r"No label has two mentions \(\w+ has one\)"):
        update(model, docs, Adam(0.01))


NO_OTHERS = [
    ({"outside": "ignore"}, 'outside = "ignore" leaves', 'write outside = "negative"'),
    ({"max_outside": 0}, "max_outside = 0 leaves", "raise max_outside"),
    ({"units": "segments", "background": 0.0}, "background = 0 leaves", "raise background"),
]


@pytest.mark.parametrize("settings, reason, way_out", NO_OTHERS)
def test_one_label_and_nothing_to_tell_it_from(settings, reason, way_out):
    docs = [make_doc(sc=[(0, 1, "PER"), (2, 3, "PER")]) for _ in range(2)]
    text = message(make_watch(**settings), docs)
    assert "there is one label only (PER)" in text and reason in text
    assert f"add labels, or {way_out} in [pretraining.objective]." in text and text.count(".") == 2
    merged = {"merge": {"GPE": "PER"}, **settings}
    docs = [make_doc(sc=[(0, 1, "PER"), (2, 3, "GPE")]) for _ in range(2)]
    assert "one label only (PER)" in message(make_watch(**merged), docs)
    spaces = [make_doc(space=s, sc=[(0, 1, f"IN_{s}"), (2, 3, f"IN_{s}")]) for s in "xy"]
    assert "each label space has one label (IN_x, IN_y)" in message(make_watch(**settings), spaces)
    # A second label is enough, though it occurs once and elsewhere.
    watch = make_watch(**settings)
    watch.see([make_doc(sc=[(0, 1, "PER")])] * 2 + [make_doc(sc=[(0, 1, "ORG")])])
    watch.end_epoch()


def test_outside_is_enough_to_be_told_from():
    unlimited = {"units": "segments", "max_outside": 0}
    for settings in ({"outside": "negative"}, {"outside": "query"}, {"background": 0}, unlimited):
        watch = make_watch(**settings)
        watch.see([make_doc(sc=[(0, 1, "PER"), (2, 3, "PER")])])
        watch.end_epoch()


def test_the_model_stops_if_all_is_alike():
    model, nlp = make_model(outside="ignore", merge={"GPE": "X", "ORG": "X", "PER": "X"})
    docs = make_docs(nlp, last=True)
    for doc in docs:
        doc.spans["sc"] = [Span(doc, span.start, span.end, "PER") for span in doc.spans["sc"]]
    with pytest.raises(ValueError, match="No two rows differ, as there is one label only"):
        update(model, docs, Adam(0.01))


def test_spaces_that_nothing_is_learned_from():
    docs = [make_doc(space="x", sc=[(0, 1, "PER"), (1, 2, "ORG"), (2, 3, "PER")])]
    docs.append(make_doc(space="alike", sc=[(0, 1, "PER"), (2, 3, "PER")]))
    docs.append(make_doc(space="single", sc=[(0, 1, "PER"), (1, 2, "ORG")]))
    docs.append(make_doc(space="none", sc=[]))
    watch = make_watch(outside="ignore")
    watch.see(docs)
    with pytest.warns(UserWarning) as told:
        watch.end_epoch()
    texts = [str(each.message) for each in told]
    assert len(texts) == 3
    assert "space 'alike', as it has one label only, and outside = \"ignore\": add" in texts[0]
    for text, space in zip(texts[1:], ("single", "none")):
        assert f"learns nothing from the label space {space!r}, as no label has two" in text
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        watch.see(docs)
        watch.end_epoch()


def test_unknown_stretches_that_nobody_reads(recwarn):
    docs = [make_doc(sc=[(0, 1, "PER"), (2, 3, "PER")], missing=[]) for _ in range(2)]
    watches = [make_watch(), make_watch(missing_key="missing"), make_watch()]
    watches[0].see(docs)
    docs[0].spans["missing"] = [Span(docs[0], 1, 2)]
    for watch in watches[1:]:
        watch.see(docs)
    for watch in watches[:2]:
        watch.end_epoch()
    assert not recwarn
    with pytest.warns(UserWarning, match='1 documents have spans in .*Set missing_key = "missing"'):
        watches[2].end_epoch()


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


def test_batches_in_which_nothing_can_be_compared():
    watch = make_watch()
    docs = [make_doc(sc=[(0, 1, "PER"), (2, 3, "PER")])]
    watch.see(docs)
    for learned in (False, False, True):
        watch.heard(learned)
    with pytest.warns(UserWarning, match="Nothing could be learned from 2 of 3 batches"):
        watch.end_epoch()
    # Each epoch is counted anew.
    watch.heard(True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        watch.end_epoch()


def test_errors_come_alone():
    """Why nothing could be learned, not that nothing was."""
    watch = make_watch()
    watch.heard(False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "No label has two mentions" in message(watch, [make_doc(sc=[(0, 1, "PER")])])


def test_a_loss_of_zero_may_be_a_good_one(monkeypatch):
    """At a low temperature it is what a space that is learned comes to."""
    model, nlp = make_model()
    for term in model.terms:
        monkeypatch.setattr(term, "_compare", lambda ops, pooled, rows: (0.0, pooled * 0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert update(model, make_docs(nlp, last=True), Adam(0.01)) == 0
    docs = make_docs(nlp, last=True)[-1:]
    docs[0].spans["sc"] = []
    with pytest.warns(UserWarning, match="Nothing could be learned from 1 of 1 batches"):
        update(model, docs, Adam(0.01))


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
