"""Records as documents of spaCy and back, against slow and obvious versions."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span

from spacy_contrastive_ner.convert import documents
from spacy_contrastive_ner.convert.documents import (
    ALIGNMENTS,
    Keys,
    annotate,
    read_doc_record,
)
from spacy_contrastive_ner.convert.mending import mend
from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.records import Entity, Record, Where, entity
from spacy_contrastive_ner.convert.tokens import UNCOVERED, make_tokenizer

from .formats.json_records import records

NLP = spacy.blank("en")
KEYS = Keys()
WHERE = Where(Path("a.jsonl"), 3)
RECORDS = records(is_full=True).map(lambda record: mend(record, Notes()))


def make(record, how="auto", alignment="expand", nlp=NLP, keys=KEYS, notes=None):
    notes = notes or Notes()
    return annotate(record, make_tokenizer(how, nlp, notes)(record), nlp, keys, alignment, notes)


def touched(tokens, start, end):
    return [i for i, (first, last) in enumerate(tokens) if first < end and start < last]


def within(tokens, start, end):
    return [i for i, (first, last) in enumerate(tokens) if start <= first and last <= end]


def characters(fragments):
    return {i for start, end in fragments for i in range(start, end)}


def runs(places):
    """Stretches of characters that follow each other."""
    found = []
    for place in sorted(places):
        if found and found[-1][1] == place:
            found[-1] = (found[-1][0], place + 1)
        else:
            found.append((place, place + 1))
    return found


def aligned(item, doc, alignment):
    """The fragments that an entity should get, None if it should be dropped."""
    tokens = [(token.idx, token.idx + len(token)) for token in doc]
    edges = {start for start, _ in tokens}, {end for _, end in tokens}
    if all(start in edges[0] and end in edges[1] for start, end in item.fragments):
        return item.fragments
    if alignment == "strict":
        return None
    choose = touched if alignment == "expand" else within
    parts = [chosen for part in item.fragments if (chosen := choose(tokens, *part))]
    joined = []
    for part in parts:
        if joined and (part[0] <= joined[-1][-1]):
            joined[-1] = sorted({*joined[-1], *part})
        else:
            joined.append(part)
    stretches = [(tokens[part[0]][0], tokens[part[-1]][1]) for part in joined]
    return tuple(runs(characters(stretches))) or None


@pytest.mark.parametrize("alignment", ["expand", "contract", "strict"])
@pytest.mark.parametrize("how", ["auto", "whitespace", "characters"])
@settings(max_examples=60, deadline=None)
@given(record=RECORDS)
def test_alignment(alignment, how, record):
    notes = Notes()
    made = make(record, how, alignment, notes=notes)
    assert made.text == made.doc.text == record.text
    expected = {(aligned(e, made.doc, alignment), e.label) for e in record.entities}
    assert {e[:2] for e in made.entities} == {e for e in expected if e[0]}
    assert len(made.entities) == len({e[:2] for e in made.entities})
    n_changed = sum(aligned(e, made.doc, alignment) != e.fragments for e in record.entities)
    kinds = (documents.EXPANDED, documents.CONTRACTED, documents.MISALIGNED)
    assert sum(notes.tallies[kind].total for kind in kinds if kind in notes.tallies) == n_changed
    unknown = characters(part for e in record.missing for part in e.fragments)
    assert unknown <= characters(part for e in made.missing for part in e.fragments)


@settings(max_examples=80, deadline=None)
@given(record=RECORDS)
def test_retokenize(record):
    notes = Notes()
    made = make(record, alignment="retokenize", notes=notes)
    assert made.doc.text == record.text
    assert sorted(made.entities) == sorted(record.entities)
    assert not any(kind.is_loss for kind in notes.tallies)
    before = make(replace(record, entities=[])).doc
    borders = {token.idx for token in before}
    assert borders <= {token.idx for token in made.doc}


@settings(max_examples=80, deadline=None)
@given(record=RECORDS)
def test_annotating_and_reading(record):
    """What is aligned comes back as it was."""
    record = replace(record, tokens=None, sents=None)
    first = make(record)
    words = first.tokens
    sents = None
    if len(words) > 1:
        half = len(words) // 2
        sents = [(words[0][0], words[half - 1][1]), (words[half][0], words[-1][1])]
    record = replace(first, doc=None, sents=sents)
    again = make(record)
    for name in ("text", "tokens", "id", "document", "meta"):
        assert getattr(again, name) == getattr(record, name), name
    assert sorted(again.entities) == sorted(record.entities)
    assert sorted(again.missing) == sorted(record.missing)
    if len(again.doc) > 1:
        assert again.sents == record.sents
    check_ids(again.doc, record)
    check_ents(again.doc, record)


def check_ids(doc, record):
    """Fragments share an id, which no other entity has."""
    ids = {}
    for span in doc.spans["sc"]:
        if span.id_:
            ids.setdefault(span.id_, []).append(span)
    several = [e for e in record.entities if len(e.fragments) > 1]
    assert len(ids) == len(several)
    assert all(len({span.label for span in spans}) == 1 < len(spans) for spans in ids.values())


def check_ents(doc, record):
    """The flat view: as many as fit, nothing else; unknown where nothing is known."""
    ents = [(e.start_char, e.end_char, e.label_) for e in doc.ents]
    whole = [(e.start, e.end, e.label) for e in record.entities if len(e.fragments) == 1]
    assert set(ents) <= set(whole)
    ends, count = 0, 0
    for _, end, _ in sorted(whole, key=lambda e: e[1]):
        start = max(s for s, e, _ in whole if e == end)
        if start >= ends:
            ends, count = end, count + 1
    assert len(ents) == count
    covered = characters((start, end) for start, end, _ in ents)
    unknown = characters(part for e in record.missing for part in e.fragments)
    for token in doc:
        is_unknown = token.idx in unknown and token.idx not in covered
        assert (token.ent_iob == 0) == is_unknown


def test_tokens_with_white_space():
    record = Record("New York", [entity(4, 8, "X")], WHERE, tokens=[(0, 8)])
    made = make(record, alignment="retokenize")
    assert made.tokens == [(0, 3), (4, 8)] and made.entities == record.entities
    assert made.doc.text == record.text


def test_two_discontinuous_entities_of_a_label():
    items = [Entity(((0, 1), (4, 5)), "X"), Entity(((2, 3), (6, 7)), "X"), entity(0, 1, "X")]
    made = make(Record("a b c d", items, WHERE))
    assert sorted(made.entities) == sorted(items)
    assert [span.label_ for span in made.doc.ents] == ["X"]


def test_entities_that_become_the_same():
    notes = Notes()
    made = make(Record("abc", [entity(0, 1, "X"), entity(1, 3, "X"), entity(0, 1, "Y")], WHERE),
                notes=notes)  # fmt: skip
    assert made.entities == [entity(0, 3, "X"), entity(0, 3, "Y")]
    assert notes.tallies[documents.MERGED].labels == {"X": 1}
    assert notes.tallies[documents.EXPANDED].total == 3


def test_fragments_between_which_nothing_is_left():
    record = Record("abcd", [Entity(((0, 1), (3, 4)), "X")], WHERE, tokens=[(0, 2), (2, 4)])
    made = make(record)
    assert made.entities == [entity(0, 4, "X")] and not made.doc.spans["sc"][0].id


@pytest.mark.parametrize("text", ["", " ", "\n\n", " \t  \r\n", "\u3000\xa0"])
@pytest.mark.parametrize("how", ["auto", "whitespace", "characters"])
@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_no_words(text, how, alignment):
    missing = [entity(0, len(text), "")] if text else []
    made = make(Record(text, [], WHERE, missing=missing), how, alignment)
    assert made.text == made.doc.text == text
    assert made.tokens == [] and made.entities == [] and "sc" in made.doc.spans


def test_missing_for_all_labels():
    made = make(Record("a b c", [entity(0, 1, "X")], WHERE, missing=[entity(0, 3, "")]))
    assert [token.ent_iob for token in made.doc] == [3, 0, 2]
    assert [(s.text, s.label_) for s in made.doc.spans["missing"]] == [("a b", "")]


def test_given_tokens():
    notes = Notes()
    record = Record("ab,c  d", [entity(2, 3, "X")], WHERE, tokens=[(0, 2), (6, 7)])
    made = make(record, "given", notes=notes)
    assert made.tokens == [(0, 2), (2, 4), (6, 7)]
    assert notes.tallies[UNCOVERED].total == 1
    with pytest.raises(BadInput, match="line 3: the source has no tokens here"):
        make(Record("a", [], WHERE), "given")
    assert make(Record("", [], WHERE, tokens=[])).tokens == []


def test_sentences_that_do_not_fit():
    notes = Notes()
    record = Record("a b c", [], WHERE, sents=[(0, 1), (4, 5)])
    assert make(record, notes=notes).sents == [(0, 3), (4, 5)]
    assert notes.tallies[documents.SENTENCES].total == 1


@pytest.mark.parametrize("how", ["auto", "whitespace", "characters"])
@pytest.mark.parametrize(
    "record",
    [Record("a \ud800", [], WHERE), Record("a", [entity(0, 1, "\udc00")], WHERE),
     Record("a", [], WHERE, missing=[entity(0, 1, "\udc00")])],
)  # fmt: skip
def test_half_characters(how, record):
    with pytest.raises(BadInput, match=r"line 3: the character '.u(d8|dc)00' is half of one"):
        make(record, how)


def test_a_tokenizer_that_changes_the_text():
    nlp = spacy.blank("en")
    nlp.tokenizer = lambda text: Doc(nlp.vocab, words=text.split())
    with pytest.raises(BadInput, match="the tokenizer changes the text"):
        make(Record("a  b", [], WHERE), nlp=nlp)

    def fails(text):
        raise ValueError("no")

    nlp.tokenizer = fails
    with pytest.raises(BadInput, match="cannot be tokenized: no"):
        make(Record("a  b", [], WHERE), nlp=nlp)


def a_doc():
    doc = NLP.make_doc("Anna left Paris.")
    doc[1].lemma_, doc[1].tag_ = "leave", "VBD"
    doc.spans["sc"] = [Span(doc, 0, 1, "PER", kb_id="Q1")]
    doc.spans["other"] = [Span(doc, 2, 3, "Z")]
    doc.cats = {"news": 1.0}
    doc.user_data["mine"] = 3
    return doc


def test_documents_keep_what_they_have():
    record = read_doc_record(a_doc(), WHERE)
    notes = Notes()
    made = make(replace(record, entities=[entity(10, 15, "GPE")]), keys=Keys("new"), notes=notes)
    assert made.doc is record.doc and made.doc[1].lemma_ == "leave" and not notes.tallies
    assert [s.text for s in made.doc.spans["new"]] == ["Paris"]
    assert [s.text for s in made.doc.spans["other"]] == ["Paris"]
    assert [e.text for e in made.doc.ents] == ["Paris"]


@pytest.mark.parametrize(("how", "alignment"), [("whitespace", "expand"), ("auto", "retokenize")])
def test_documents_with_other_tokens(how, alignment):
    record = read_doc_record(a_doc(), WHERE)
    notes = Notes()
    made = make(replace(record, entities=[entity(0, 2, "X")]), how, alignment, notes=notes)
    assert made.doc is not record.doc
    assert made.doc.cats == {"news": 1.0} and made.doc.user_data["mine"] == 3
    assert notes.tallies[documents.REMADE].total == 1 and documents.REMADE.is_loss


def test_documents_without_the_group():
    doc = NLP.make_doc("a b")
    assert read_doc_record(doc, WHERE).missing == [entity(0, 3, "")]
    assert read_doc_record(NLP.make_doc(""), WHERE).missing == []
    doc.spans["sc"] = [Span(doc, 1, 1, "X"), Span(doc, 0, 1, "Y")]
    assert read_doc_record(doc, WHERE).entities == [entity(0, 1, "Y")]


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from("ab \n\t\r\u3000\xa0é🦊中"), max_size=20))
def test_words(text):
    made = make(Record(text, [], WHERE), "whitespace")
    assert made.doc.text == text
    assert made.tokens == [match.span() for match in re.finditer(r"\S+", text)]
    made = make(Record(text, [], WHERE), "characters")
    assert made.doc.text == text
    assert made.tokens == [match.span() for match in re.finditer(r"\S", text)]
