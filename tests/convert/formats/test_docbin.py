"""Files of spaCy documents, in and out."""

import zlib

import pytest
import spacy
from hypothesis import given, settings
from spacy.tokens import DocBin, Span

from spacy_contrastive_ner.convert.documents import Keys, annotate
from spacy_contrastive_ner.convert.formats.docbin import FORMAT, NO_KEY
from spacy_contrastive_ner.convert.mending import mend
from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.records import Record, Where, entity
from spacy_contrastive_ner.convert.textfile import TextFile
from spacy_contrastive_ner.convert.tokens import make_tokenizer

from .json_records import everything, read, records

NLP = spacy.blank("en")


def save(path, *docs, **settings):
    DocBin(docs=docs, store_user_data=True, **settings).to_disk(path)
    return path


def make(text="Anna left Paris.", **groups):
    doc = NLP.make_doc(text)
    for key, spans in groups.items():
        doc.spans[key] = [Span(doc, *span) for span in spans]
    return doc


def annotated(record):
    notes = Notes()
    doc = make_tokenizer("auto", NLP, notes)(record)
    return annotate(record, doc, NLP, Keys(), "retokenize", notes)


@settings(max_examples=80, deadline=None)
@given(records(max_fragments=3, is_full=True))
def test_out_and_in(tmp_path_factory, record):
    path = tmp_path_factory.mktemp("docbin") / "a.spacy"
    record = annotated(mend(record, Notes()))
    expected = everything(record)
    ents = [(e.start, e.end, e.label_) for e in record.doc.ents]
    iob = [token.ent_iob for token in record.doc]
    FORMAT.write([record, annotated(Record("", [], Where(path)))], path, Notes())
    again, empty = read(FORMAT, path)
    found = everything(again)
    assert found[:2] == expected[:2] and found[4:7] == expected[4:7] and found[3] == expected[3]
    assert found[2] == expected[2] and listed(found[7]) == listed(expected[7])
    assert [(e.start, e.end, e.label_) for e in again.doc.ents] == ents
    assert [token.ent_iob for token in again.doc] == iob
    assert (empty.text, empty.entities, empty.missing) == ("", [], [])


def listed(value):
    """DocBin makes tuples of lists."""
    if isinstance(value, dict):
        return {key: listed(item) for key, item in value.items()}
    return [listed(item) for item in value] if isinstance(value, (list, tuple)) else value


def test_keys(tmp_path):
    doc = make(ruler=[(0, 1, "PER"), (2, 3, "GPE")], unknown=[(1, 2, "")], other=[(0, 3, "X")])
    path = save(tmp_path / "a.spacy", doc)
    (record,) = read(FORMAT, path, key="ruler", missing="unknown")
    assert record.entities == [entity(0, 4, "PER"), entity(10, 15, "GPE")]
    assert record.missing == [entity(5, 9, "")] and record.id == ""
    # They may be written under other keys.
    assert set(record.doc.spans) == {"other"}


def test_ents(tmp_path):
    first, second = make(sc=[(1, 2, "X")]), make()
    first.ents = [Span(first, 0, 1, "PER", kb_id="Q1")]
    docs = read(FORMAT, save(tmp_path / "a.spacy", first, second), ents=True)
    assert docs[0].entities == [entity(0, 4, "PER", "Q1")] and docs[0].missing == []
    assert docs[1].missing == [entity(0, 16, "")]


def test_no_group(tmp_path):
    notes = Notes()
    path = save(tmp_path / "a.spacy", make(), make(sc=[]), make(ner=[]))
    first, second, third = read(FORMAT, path, notes)
    assert first.missing == third.missing == [entity(0, 16, "")] and second.missing == []
    assert notes.tallies[NO_KEY].total == 2
    doc = make(ner=[], z=[])
    doc.ents = [Span(doc, 0, 1, "PER")]
    save(path, doc, make())
    with pytest.raises(BadInput) as error:
        read(FORMAT, path)
    assert "no document has the span group 'sc'" in str(error.value)
    assert "--read key=NAME with one of these: 'ner', 'z', or --read ents=true" in str(error.value)
    save(path, make())
    with pytest.raises(BadInput, match="Nothing in it is annotated"):
        read(FORMAT, path)
    notes = Notes(skip_bad=True)
    assert read(FORMAT, path, notes) == [] and notes.n_skipped == 1
    assert read(FORMAT, save(path)) == []


def test_damaged_files(tmp_path):
    path = save(tmp_path / "a.spacy", make(sc=[]), make(sc=[]))
    data = path.read_bytes()
    for damaged in (b"", b"Anna", data[:-20], b"\x78" + b"x" * 50, data[:50] + data[60:]):
        path.write_bytes(damaged)
        notes = Notes(skip_bad=True)
        assert read(FORMAT, path, notes) == [] and notes.n_skipped == 1
        with pytest.raises(BadInput, match=r"a.spacy: it is no file of spaCy documents"):
            read(FORMAT, path)
    docs = DocBin(docs=[make(sc=[]), make(sc=[])], store_user_data=True)
    docs.span_groups[1] = b"\x00nonsense"
    docs.to_disk(path)
    notes = Notes(skip_bad=True)
    assert len(read(FORMAT, path, notes)) == 1
    assert "document 2 is damaged" in str(notes.skipped[0])


def test_what_documents_have_is_kept(tmp_path):
    doc = make(sc=[(0, 1, "PER")], other=[(0, 3, "X")])
    doc[1].lemma_, doc[1].tag_ = "leave", "VBD"
    doc.cats, doc.user_data["mine"] = {"news": 1.0}, (1, "a")
    (record,) = read(FORMAT, save(tmp_path / "a.spacy", doc))
    made = annotate(record, record.doc, NLP, Keys("new"), "expand", Notes())
    FORMAT.write([made], tmp_path / "b.spacy", Notes())
    (again,) = DocBin().from_disk(tmp_path / "b.spacy").get_docs(NLP.vocab)
    assert {key: [s.label_ for s in group] for key, group in again.spans.items()} == {
        "new": ["PER"],
        "other": ["X"],
    }
    assert (again[1].lemma_, again[1].tag_) == ("leave", "VBD")
    assert again.cats == {"news": 1.0} and again.user_data["mine"] == (1, "a")


@pytest.mark.parametrize("value", [2**70, "\ud800", object()])
def test_what_cannot_be_written(tmp_path, value):
    record = annotated(Record("a", [], Where(tmp_path / "x.jsonl", 4), meta={"n": value}))
    with pytest.raises(BadInput, match=r"line 4: what it has in doc.user_data cannot be written"):
        FORMAT.write([record], tmp_path / "a.spacy", Notes())


def test_recognise(tmp_path):
    path = save(tmp_path / "a.spacy", make(sc=[]))
    assert FORMAT.recognise(TextFile(path).head())
    for size in (200, 3):
        (tmp_path / "a.bin").write_bytes(path.read_bytes()[:size])
        assert bool(FORMAT.recognise(TextFile(tmp_path / "a.bin").head())) == (size == 200)
        (tmp_path / "b.spacy").write_bytes(path.read_bytes()[:size])
        assert FORMAT.recognise(TextFile(tmp_path / "b.spacy").head())
    for data in (b"", b"x", b"xml is text", b"x\x9c\x01\x02", zlib.compress(b"text")):
        (tmp_path / "a.bin").write_bytes(data)
        assert FORMAT.recognise(TextFile(tmp_path / "a.bin").head()) is None


def test_documents_are_made_one_at_a_time(tmp_path, monkeypatch):
    path = save(tmp_path / "a.spacy", *(make(sc=[]) for _ in range(5)))
    made = []
    get_docs = DocBin.get_docs

    def counted(self, vocab):
        for doc in get_docs(self, vocab):
            made.append(1)
            yield doc

    monkeypatch.setattr(DocBin, "get_docs", counted)
    seen = [len(made) for _ in FORMAT.read(TextFile(path), Notes())]
    assert seen == [1, 2, 3, 4, 5]


def test_no_names_are_made_up(tmp_path):
    (record,) = read(FORMAT, save(tmp_path / "a.spacy", make(sc=[])))
    assert record.id == "" and record.where.id == "1"
