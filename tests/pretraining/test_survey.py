"""What is counted of a corpus, and what of it is noticed when it changes."""

import pytest
from spacy.tokens import Span

from spacy_contrastive_ner.corpora.marks import Mark, set_mark
from spacy_contrastive_ner.pretraining.rows import Sampling
from spacy_contrastive_ner.pretraining.survey import (
    Survey,
    require_judgeable,
    require_same_documents,
    tell_of_lone_labels,
    tell_of_unknown_labels,
    tell_of_unknown_merges,
)
from spacy_contrastive_ner.pretraining.terms import ContrastTerm, Reading

from .tiny import make_docs


def make_survey(docs, merge="label", **reading):
    term = ContrastTerm(None, None, Sampling(merge=merge), Reading(**reading))
    return Survey([term]).see(docs)


def test_facts():
    docs = make_docs(5)
    survey = Survey([ContrastTerm(None, None, Sampling(), Reading())])
    for doc in docs[::-1]:
        survey.see([doc])
    facts = survey.facts()
    # Four documents of nine words and three entities, and a short one.
    assert [facts[name] for name in ("documents", "words", "entities")] == [5, 40, 13]
    # However it is cut into batches, and in whatever order it comes.
    assert make_survey(docs).facts() == facts


def rename(doc):
    doc.spans["sc"] = [Span(doc, span.start, span.end, "X") for span in doc.spans["sc"]]


def move(doc):
    doc.spans["sc"] = [Span(doc, span.start, span.end - 1, span.label) for span in doc.spans["sc"]]


def forget(doc):
    doc.spans["unknown"] = [Span(doc, 0, 1)]


def put_elsewhere(doc):
    set_mark(doc, Mark("b", "b"))


def tell_nothing(doc):
    del doc.spans["sc"]


@pytest.mark.parametrize("change", [rename, move, forget, put_elsewhere, tell_nothing])
def test_what_is_noticed(change):
    docs = make_docs(4)[:3]
    before = make_survey(docs, missing_key="unknown").facts()
    require_same_documents({"documents": before}, {"documents": dict(before)})
    change(docs[1])
    now = make_survey(docs, missing_key="unknown").facts()
    assert now["content"] != before["content"]
    with pytest.raises(ValueError, match="The documents have changed"):
        require_same_documents({"documents": before}, {"documents": now})
    # Nothing is known of what was not looked at.
    require_same_documents({"documents": before}, {})
    require_same_documents({}, {"documents": now})


def test_a_document_more_or_twice_is_noticed():
    docs = make_docs(3)
    facts = [make_survey(some).facts()["content"] for some in (docs[:2], docs, [*docs, docs[0]])]
    assert len(set(facts)) == 3


def test_labels_are_those_that_are_learned():
    docs = make_docs(4)
    assert dict(make_survey(docs).labels[0][""]) == {"ORG": 6, "PLACE": 4}
    merged = make_survey(docs, merge={"ORG": "ANY", "PLACE": "ANY"})
    assert dict(merged.labels[0][""]) == {"ANY": 10}
    assert make_survey(docs, spans_key="other").labels == [{}]


def test_unknown_labels_are_told_unless_their_names_are_known(recwarn):
    train, dev = make_docs(6), make_docs(6)
    for doc in train:
        set_mark(doc, Mark("a", "a"))
    tell_of_unknown_labels(make_survey(train), make_survey(dev))
    assert not recwarn
    rename(dev[0])
    with pytest.warns(UserWarning, match=r"them: X 3\. If"):
        tell_of_unknown_labels(make_survey(train), make_survey(dev))
    # Of a space that is learned from, its own labels count.
    other = make_docs(3)
    rename(other[0])
    for doc in other:
        set_mark(doc, Mark("b", "b"))
    for doc in dev:
        set_mark(doc, Mark("a", "a"))
    with pytest.warns(UserWarning, match=r"them: X 3\. If"):
        tell_of_unknown_labels(make_survey([*train, *other]), make_survey(dev))


def in_space(docs, corpus, space):
    for doc in docs:
        set_mark(doc, Mark(corpus, space))
    return docs


def test_labels_that_only_some_corpora_of_a_space_have_are_told(recwarn):
    ours, theirs = in_space(make_docs(4), "ours", "both"), in_space(make_docs(4), "theirs", "both")
    tell_of_lone_labels(make_survey([*ours, *theirs]))
    rename(theirs[0])
    # Alone, and in a space of its own, a corpus may have what labels it likes.
    tell_of_lone_labels(make_survey(theirs))
    tell_of_lone_labels(make_survey([*ours, *in_space(theirs, "theirs", "own")]))
    in_space(theirs, "theirs", "both")
    tell_of_lone_labels(make_survey([*ours, *theirs], merge={"X": "ORG"}))
    for label in ("X", ""):
        ours[0].spans["unknown"] = [Span(ours[0], 0, 1, label)]
        tell_of_lone_labels(make_survey([*ours, *theirs], missing_key="unknown"))
    assert not recwarn
    ours[0].spans["unknown"] = [Span(ours[0], 0, 1, "ORG")]
    with pytest.warns(UserWarning, match="of the space 'both'"):
        tell_of_lone_labels(make_survey([*ours, *theirs], missing_key="unknown"))
    with pytest.warns(
        UserWarning, match=r"X \(3 in 'theirs', of the space 'both'\)\. If .*--rename"
    ):
        tell_of_lone_labels(make_survey([*ours, *theirs]))


def test_lone_labels_that_are_rare_or_of_a_corpus_without_any_are_not_told(recwarn):
    ours, theirs = make_docs(8), make_docs(8)
    rename(theirs[0])
    for docs, name in ((ours, "ours"), (theirs, "theirs")):
        in_space(docs, name, "both")
    # Three mentions in eight documents: in four there may well be none.
    tell_of_lone_labels(make_survey([*ours[:4], *theirs]))
    # There may be a purpose to text without entities.
    for doc in ours:
        doc.spans["sc"] = []
    tell_of_lone_labels(make_survey([*ours, *theirs]))
    assert not recwarn


def test_of_many_lone_labels_the_most_frequent_are_told():
    ours, theirs = in_space(make_docs(40), "ours", "both"), in_space(make_docs(40), "b", "both")
    for i, doc in enumerate(theirs):
        doc.spans["sc"] = [Span(doc, 0, 1, f"L{i % 7}") for _ in range(3)]
    with pytest.warns(
        UserWarning, match=r"there: ORG \(60 in .*, L0 \(18 in 'b'.*\) and 4 more\. If"
    ) as told:
        tell_of_lone_labels(make_survey([*ours, *theirs]))
    assert len(str(told[0].message)) < 700


def test_merged_labels_that_do_not_occur_are_told(recwarn):
    docs = make_docs(4)
    none = make_survey([])
    for merge in ("label", "prefix", {"ORG": "ANY"}, {"ORG": "PLACE"}):
        tell_of_unknown_merges(make_survey(docs, merge=merge), none)
    docs[0].spans["unknown"] = [Span(docs[0], 0, 1, "LAW")]
    tell_of_unknown_merges(make_survey(docs, merge={"LAW": "ORG"}, missing_key="unknown"), none)
    # Those to judge by may have it.
    dev = make_docs(4)
    rename(dev[0])
    merge = {"X": "ORG"}
    tell_of_unknown_merges(make_survey(docs, merge=merge), make_survey(dev, merge=merge))
    assert not recwarn
    with pytest.warns(UserWarning, match=r"names 'OGR', but .* the labels are 'ORG', 'PLACE'\."):
        tell_of_unknown_merges(make_survey(docs, merge={"OGR": "ANY", "PLACE": "ANY"}), none)


def test_each_term_must_be_judged():
    terms = [ContrastTerm(None, None, Sampling(), Reading(key)) for key in ("sc", "other")]
    train, dev = make_docs(4), make_docs(4)
    for doc in train:
        doc.spans["other"] = list(doc.spans["sc"])
    surveys = [Survey(terms).see(docs) for docs in (train, dev)]
    message = (
        r"None of the 4 .* annotation in doc.spans\['other'\], which is needed to judge second"
    )
    with pytest.raises(ValueError, match=message):
        require_judgeable(["first", "second"], *surveys)
    require_judgeable(["first", "second"], surveys[0], surveys[0])
