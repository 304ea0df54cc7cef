"""Documents are cut into sentences, and nothing is lost."""

from dataclasses import replace
from pathlib import Path

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Span

from spacy_contrastive_ner.convert.documents import Keys, annotate, read_doc_record
from spacy_contrastive_ner.convert.mending import mend
from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.records import Entity, Record, Where, entity
from spacy_contrastive_ner.convert.sentences import CROSSED, make_splitter
from spacy_contrastive_ner.convert.tokens import make_tokenizer

from .formats.json_records import entities

NLP = spacy.blank("en")
WHERE = Where(Path("news.jsonl"), 3)


def cut(record, how="given", notes=None):
    notes = notes or Notes()
    record = mend(record, notes)
    made = annotate(
        record, make_tokenizer("auto", NLP, notes)(record), NLP, Keys(), "expand", notes
    )
    return made, list(make_splitter(how, NLP, Keys(), notes)(made))


@st.composite
def sentenced(draw):
    """A record whose sentences have white space around and between them."""
    blanks = st.sampled_from([" ", "  ", "\n", " \n\t", "\r\n\r\n"])
    text = draw(st.sampled_from(["", " ", "\n"]))
    sents = []
    for _ in range(draw(st.integers(1, 5))):
        start = len(text)
        n_words = draw(st.integers(1, 3))
        for i in range(n_words):
            text += (draw(blanks) if i else "") + draw(st.sampled_from(["é", "ab", "中文", "🦊."]))
        sents.append((start, len(text)))
        text += draw(blanks)
    if draw(st.booleans()):
        text = text.rstrip()
    items = draw(st.lists(entities(len(text), 2), max_size=4))
    missing = draw(st.lists(entities(len(text), 1), max_size=2))
    name = draw(st.sampled_from(["", "d"]))
    return Record(text, items, WHERE, name, sents=sents, missing=missing)


@settings(max_examples=150, deadline=None)
@given(sentenced())
def test_nothing_is_lost(record):
    notes = Notes()
    whole, pieces = cut(record, notes=notes)
    assert "".join(piece.text for piece in pieces) == record.text
    shift, found, missing, sents = 0, [], [], []
    for piece in pieces:
        assert piece.text == piece.doc.text
        for item in piece.entities:
            moved = tuple((start + shift, end + shift) for start, end in item.fragments)
            found.append(item._replace(fragments=moved))
        for item in piece.missing:
            missing += range(item.start + shift, item.end + shift)
        sents += [(start + shift, end + shift) for start, end in piece.sents or ()]
        shift += len(piece.text)
    assert sorted(found) == sorted(whole.entities)
    words = {i for i, character in enumerate(record.text) if not character.isspace()}
    assert words & {*missing} == words & {i for e in whole.missing for i in range(e.start, e.end)}
    assert sents == whole.sents
    inner = [start for start, _ in whole.sents[1:]]
    kept = [s for s in inner if not any(e.start < s < e.end for e in whole.entities)]
    assert len(pieces) == len(kept) + 1
    crossing = sum(any(e.start < s < e.end for s in inner) for e in whole.entities)
    assert crossing == (notes.tallies[CROSSED].total if CROSSED in notes.tallies else 0)
    if len(pieces) > 1:
        assert {piece.document for piece in pieces} == {record.id or "news-1"}
        assert len({piece.id for piece in pieces}) == len(pieces)


def test_joined_sentences():
    text = "Anna ran. Bob hid. He slept."
    sents = [(0, 9), (10, 18), (19, 28)]
    items = [entity(0, 4, "PER"), Entity(((5, 8), (14, 17)), "X"), entity(19, 21, "PER")]
    notes = Notes()
    _, pieces = cut(Record(text, items, WHERE, "d", "book", sents=sents), notes=notes)
    assert [piece.text for piece in pieces] == ["Anna ran. Bob hid. ", "He slept."]
    assert [(piece.id, piece.document) for piece in pieces] == [("d-1", "book"), ("d-2", "book")]
    assert pieces[1].entities == [entity(0, 2, "PER")]
    assert not CROSSED.is_loss and "'ran hid' (X)" in notes.tallies[CROSSED].examples[0]
    assert pieces[0].sents == [(0, 9), (10, 18)] and len(list(pieces[0].doc.sents)) == 2


@pytest.mark.parametrize("blank", [" ", "  ", "\n", "\r\n\r\n ", "\t"])
def test_rules(blank):
    record = Record(f"\nIt rained.{blank}Anna ran.{blank}", [], WHERE, missing=[entity(0, 2, "")])
    _, pieces = cut(record, "rules")
    assert [piece.text.strip() for piece in pieces] == ["It rained.", "Anna ran."]
    assert pieces[0].text.startswith("\nIt") and pieces[1].text.startswith("Anna")


def test_sentences_of_the_source_come_first():
    record = Record("A. B. C", [], WHERE, sents=[(0, 5), (6, 7)])
    assert [piece.text for piece in cut(record, "rules")[1]] == ["A. B. ", "C"]


def test_no_sentences():
    with pytest.raises(
        BadInput, match=r"line 3: the source has no sentences here. Use --sentences"
    ):
        cut(Record("A. B.", [], WHERE))
    for text in ("", " \n ", "A", " A\n"):
        for how in ("given", "rules"):
            assert [piece.text for piece in cut(Record(text, [], WHERE), how)[1]] == [text]
    assert make_splitter("keep", NLP, Keys(), Notes()) is None


def test_other_groups_stay_whole():
    doc = NLP.make_doc("A ran. B hid. C")
    doc.spans["sc"] = []
    doc.spans["other"] = [Span(doc, 0, 4, "Z")]
    doc.user_data["mine"] = 1
    record = replace(read_doc_record(doc, WHERE), sents=None)
    notes = Notes()
    _, pieces = cut(record, "rules", notes)
    assert [piece.text for piece in pieces] == ["A ran. B hid. ", "C"]
    assert [span.text for span in pieces[0].doc.spans["other"]] == ["A ran. B"]
    assert notes.tallies[CROSSED].labels == {"Z": 1}
    assert all(piece.doc.user_data["mine"] == 1 for piece in pieces)
    assert all("missing" not in piece.doc.spans for piece in pieces)


def test_documents_without_names():
    notes = Notes()
    split = make_splitter("rules", NLP, Keys(), notes)
    names = []
    for _ in range(2):
        record = Record("Anna ran. Bob hid.", [], WHERE)
        doc = make_tokenizer("auto", NLP, notes)(record)
        names += [p.document for p in split(annotate(record, doc, NLP, Keys(), "expand", notes))]
    assert names == ["news-1", "news-1", "news-2", "news-2"]
