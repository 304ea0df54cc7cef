"""The JSON lines of BINDER."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_contrastive_ner.convert.formats import binder
from spacy_contrastive_ner.convert.formats.binder import FORMAT
from spacy_contrastive_ner.convert.formats.shared import json_lines
from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.records import Entity, Record, Where, entity

from .json_records import counts, lines, read, recognised, records, spans

VALUE = {
    "text": "Anna Lee 's dog",
    "entity_types": ["PER", "ANIMAL"],
    "entity_start_chars": [0, 0],
    "entity_end_chars": [8, 15],
    "id": "doc-1",
    "word_start_chars": [0, 5, 9, 12],
    "word_end_chars": [4, 8, 11, 15],
}


def test_as_published(tmp_path):
    path = lines(tmp_path / "train.json", VALUE, {**VALUE, "id": 2})
    first, second = read(FORMAT, path)
    assert spans(first) == [("Anna Lee", "PER"), ("Anna Lee 's dog", "ANIMAL")]
    assert first.tokens == [(0, 4), (5, 8), (9, 11), (12, 15)]
    assert (first.id, second.id, second.where.line) == ("doc-1", "2", 2)
    assert recognised(path) == ["binder"]


def test_words_may_be_missing_or_wrong(tmp_path):
    path = lines(
        tmp_path / "train.json",
        {key: value for key, value in VALUE.items() if not key.startswith("word")},
        {**VALUE, "word_start_chars": [1, 5, 9, 12], "source": "x"},
    )
    notes = Notes()
    first, second = read(FORMAT, path, notes)
    assert first.tokens is second.tokens is None and second.meta == {"source": "x"}
    assert counts(notes) == {binder.BAD_WORDS: 1}


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"text": None}, '"text" is null'),
        ({"entity_types": ["PER"]}, '"entity_types" has 1 items, "entity_start_chars" 2'),
        ({"entity_end_chars": [8]}, '"entity_start_chars" has 2 items, "entity_end_chars" 1'),
        ({"entity_end_chars": 8}, '"entity_end_chars" is the number 8'),
        ({"entity_types": [1, 2]}, "something else than strings"),
        ({"entity_start_chars": ["0", 0]}, "a start is '0'"),
        ({"word_end_chars": [4]}, '"word_start_chars" has 4 items'),
    ],
)
def test_bad_records(tmp_path, change, reason):
    path = lines(tmp_path / "train.json", VALUE, {**VALUE, **change}, VALUE)
    with pytest.raises(BadInput, match=reason) as error:
        read(FORMAT, path)
    assert error.value.where.line == 2
    notes = Notes(skip_bad=True)
    assert len(read(FORMAT, path, notes)) == 2 and notes.n_skipped == 1


@given(st.lists(records(), max_size=4))
def test_out_and_in(tmp_path_factory, some):
    for record in some:
        record.tokens = [] if not record.text.strip() else None
        if record.text.strip() == record.text != "":
            record.tokens = [(0, len(record.text))]
    path, notes = tmp_path_factory.mktemp("out") / "a.json", Notes(strict=True)
    FORMAT.write(some, path, notes)
    if some:
        assert recognised(path) == ["binder"]
    got = [(r.text, r.entities, r.id, r.tokens) for r in read(FORMAT, path, notes)]
    assert got == [(r.text, r.entities, r.id, r.tokens) for r in some]
    assert not notes.tallies


def test_what_is_written(tmp_path):
    record = Record("Ann or Bob", [Entity(((0, 3), (7, 10)), "PER", "Q1")], Where(tmp_path), "12")
    record.tokens, record.missing = [(0, 3), (4, 6), (7, 10)], [entity(0, 1, "")]
    notes, path = Notes(), tmp_path / "a.json"
    FORMAT.write([record], path, notes)
    value = json.loads(path.read_text())
    assert list(value) == ["text", *binder.FIELDS[2:5], "id", *binder.FIELDS[5:]]
    assert value["entity_end_chars"] == [10] and value["word_end_chars"] == [3, 6, 10]
    assert set(counts(notes)) == {json_lines.JOINED, json_lines.NO_REFERENCE, json_lines.NO_MISSING}
    assert FORMAT.needs_tokens
