"""The JSON that spaCy 2 trained from."""

import pytest
import spacy
from spacy.tokens import Span
from spacy.training import docs_to_json

from spacy_contrastive_ner.convert.formats import spacy_json
from spacy_contrastive_ner.convert.formats.spacy_json import FORMAT
from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.records import entity

from .json_records import array, counts, lines, read, recognised, spans


def sentence(*tokens):
    return {"tokens": [{"id": i, "orth": w, "ner": t} for i, (w, t) in enumerate(tokens)]}


TOKENS = [("Anna", "B-PER"), ("van", "I-PER"), ("Lee", "L-PER"), ("met", "O"), ("Bob", "U-PER")]
FOUND = [("Anna van Lee", "PER"), ("Bob", "PER")]


def document(*sentences, id=0, **more):
    return {"id": id, "paragraphs": [{"sentences": list(sentences), **more}]}


def test_raw_and_tags(tmp_path):
    raw = "Anna van  Lee\nmet Bob."
    value = document(sentence(*TOKENS[:3]), sentence(*TOKENS[3:], (".", "O")), raw=raw)
    value["paragraphs"][0]["cats"] = [{"label": "news", "value": 1.0}]
    for path in (array(tmp_path / "a.json", value, indent=2), lines(tmp_path / "b.json", value)):
        (record,) = read(FORMAT, path)
        assert record.text == raw and spans(record) == [("Anna van  Lee", "PER"), ("Bob", "PER")]
        assert record.tokens[2:4] == [(10, 13), (14, 17)] and len(record.tokens) == 6
        assert record.sents == [(0, 13), (14, 22)] and not record.missing
        assert record.meta == {"cats": value["paragraphs"][0]["cats"]}
        assert recognised(path) == ["spacy-json"]


def test_without_raw(tmp_path):
    last = {"orth": "Bob", "space": "", "ner": "U-PER"}
    parts = [sentence(*TOKENS[:4]), {"tokens": [last, {"orth": ".", "space": "", "ner": "O"}]}]
    for raw in (None, "something else"):
        notes = Notes()
        (record,) = read(FORMAT, array(tmp_path / "a.json", document(*parts, raw=raw)), notes)
        assert record.text == "Anna van Lee met Bob." and spans(record) == FOUND
        assert counts(notes) == ({spacy_json.OTHER_RAW: 1} if raw else {})


def test_unknown_tags(tmp_path):
    part = sentence(("a", "-"), ("b", ""), ("c", "O"), ("d", "U-X"), ("e", "!O"))
    part["tokens"].append({"orth": "f"})
    notes = Notes()
    (record,) = read(FORMAT, array(tmp_path / "a.json", document(part)), notes)
    assert record.missing == [entity(0, 3, ""), entity(8, 11, "")]
    assert spans(record) == [("d", "X")] and counts(notes) == {spacy_json.NOT_THIS: 1}


def test_odd_tags(tmp_path):
    part = sentence(("a", "I-X"), ("b", "O"), ("c", "B-X"), ("d", "B-Y"), ("e", "L-Y"))
    notes = Notes()
    (record,) = read(FORMAT, array(tmp_path / "a.json", document(part)), notes)
    assert sorted(spans(record)) == [("a", "X"), ("c", "X"), ("d e", "Y")]
    assert counts(notes)[spacy_json.ORPHAN] == 1


def test_white_space_tokens(tmp_path):
    part = sentence(("Anna", "U-PER"), ("\n", "O"), ("ran", "O"))
    (record,) = read(FORMAT, array(tmp_path / "a.json", document(part, raw="Anna \nran")))
    assert record.text == "Anna \nran" and record.tokens == [(0, 4), (6, 9)]


@pytest.mark.parametrize(
    "entities", [[[0, 4, "PER"]], [{"start": 0, "end": 4, "label": "PER"}]]
)  # fmt: skip
def test_entities_as_offsets(tmp_path, entities):
    paragraphs = [{"raw": "Anna ran", "entities": entities}, {"raw": "No"}]
    path = array(tmp_path / "a.json", {"id": "d", "paragraphs": paragraphs})
    first, second = read(FORMAT, path)
    assert spans(first) == [("Anna", "PER")] and not first.missing and first.tokens is None
    # Nothing is known of the other.
    assert second.missing == [entity(0, 2, "")]
    assert recognised(path) == ["spacy-json"]


def test_entities_beside_tags(tmp_path):
    offsets = [[0, 12, "PER"], [0, 4, "X"]]
    notes = Notes()
    (record,) = read(FORMAT, array(tmp_path / "a.json", document(sentence(*TOKENS), entities=offsets)), notes)  # fmt: skip
    assert spans(record) == FOUND and counts(notes) == {spacy_json.UNTAGGED: 1}
    assert spacy_json.UNTAGGED.is_loss
    bare = {"tokens": [{"orth": word} for word, _ in TOKENS]}
    (record,) = read(FORMAT, array(tmp_path / "a.json", document(bare, entities=offsets)))
    assert spans(record) == [("Anna van Lee", "PER"), ("Anna", "X")] and not record.missing


def test_ids(tmp_path):
    one, two = document(sentence(("a", "O")), id=3), document(sentence(("b", "O")), id=4)
    two["paragraphs"] *= 2
    got = read(FORMAT, array(tmp_path / "a.json", one, two))
    assert [(r.id, r.document) for r in got] == [("3", ""), ("4-1", "4"), ("4-2", "4")]
    # A single document holds a whole corpus.
    got = read(FORMAT, array(tmp_path / "a.json", two))
    assert [(r.id, r.document) for r in got] == [("4-1", ""), ("4-2", "")]


def test_what_spacy_writes(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    docs = [nlp("Anna Lee isn't here.  Bob 🦊 is."), nlp("Rome fell.")]
    docs[0].ents = [Span(docs[0], 0, 2, "PER"), Span(docs[0], 7, 8, "PER")]
    docs[1].ents = [Span(docs[1], 0, 1, "GPE")]
    path = array(tmp_path / "a.json", docs_to_json(docs))
    got = read(FORMAT, path)
    for record, doc in zip(got, docs, strict=True):
        assert record.text == doc.text
        assert record.entities == [entity(e.start_char, e.end_char, e.label_) for e in doc.ents]
        words = [token.text for token in doc if not token.is_space]
        assert [record.text[s:e] for s, e in record.tokens] == words
        assert len(record.sents) == len(list(doc.sents))


@pytest.mark.parametrize(
    "paragraph, reason",
    [
        ("x", "a paragraph is a string"),
        ({"raw": 3}, '"raw" is the number 3'),
        ({}, 'neither "raw" nor tokens'),
        ({"sentences": [3]}, "a sentence is the number 3"),
        ({"sentences": [{"tokens": [{"ner": "O"}]}]}, "a token is"),
        ({"sentences": [sentence(("a", "PERSON"))]}, "'PERSON' is no tag"),
        ({"sentences": [sentence(("a", 3))]}, "a tag is the number 3"),
        ({"sentences": {}}, '"sentences" is an object'),
        ({"raw": "a", "entities": [[0]]}, "a span is"),
    ],
)
def test_bad_paragraphs(tmp_path, paragraph, reason):
    good = document(sentence(("a", "O")))
    path = lines(tmp_path / "a.json", good, {"id": 1, "paragraphs": [paragraph]}, good)
    with pytest.raises(BadInput, match=reason) as error:
        read(FORMAT, path)
    assert error.value.where.line == 2
    notes = Notes(skip_bad=True)
    assert len(read(FORMAT, path, notes)) == 2 and notes.n_skipped == 1


def test_no_paragraphs(tmp_path):
    with pytest.raises(BadInput, match='"paragraphs" is null'):
        read(FORMAT, lines(tmp_path / "a.json", {"id": 1}))


def test_recognised_though_cut_off(tmp_path):
    value = document(*[sentence(*TOKENS * 5)] * 300, raw=None)
    path = array(tmp_path / "a.json", value)
    assert path.stat().st_size > 1 << 17 and recognised(path) == ["spacy-json"]
