"""The JSON lines of RuNNE and NEREL."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_contrastive_ner.convert.formats import runne
from spacy_contrastive_ner.convert.formats.runne import FORMAT
from spacy_contrastive_ner.convert.formats.shared import json_lines
from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.records import Entity, Record, Where, entity

from .json_records import array, counts, lines, read, recognised, records, spans

TEXT = "Анна Каренина живёт в Москве летом."
NERS = [[0, 12, "PERSON"], [0, 3, "PERSON"], [22, 27, "CITY"]]
FOUND = [("Анна Каренина", "PERSON"), ("Анна", "PERSON"), ("Москве", "CITY")]
VALUE = {"id": 4, "sentences": TEXT, "ners": NERS}


def test_ends_are_inclusive(tmp_path):
    for path in (lines(tmp_path / "a.jsonl", VALUE), array(tmp_path / "b.json", VALUE, indent=1)):
        notes = Notes()
        (record,) = read(FORMAT, path, notes)
        assert spans(record) == FOUND and record.text == TEXT and record.id == "4"
        assert recognised(path) == ["runne"] and notes.decisions == ["ends are inclusive"]


def test_other_ends_are_told_but_only_read_if_asked_for(tmp_path):
    path = lines(tmp_path / "a.jsonl", {**VALUE, "ners": [[s, e + 1, x] for s, e, x in NERS]})
    notes = Notes()
    assert spans(read(FORMAT, path, notes)[0]) != FOUND
    assert "3 of 3 spans" in notes.decisions[0] and "--read ends=exclusive" in notes.decisions[0]
    notes = Notes()
    assert spans(read(FORMAT, path, notes, ends="exclusive")[0]) == FOUND
    assert notes.decisions == ["ends are exclusive"]


def test_submission(tmp_path):
    path = lines(tmp_path / "a.jsonl", {"id": 4, "ners": NERS}, {"id": 5, "ners": []})
    texts = lines(tmp_path / "t.jsonl", {"id": 5, "senences": "x"}, {"id": "4", "sentences": TEXT})
    assert recognised(path) == ["runne"]
    with pytest.raises(BadInput, match=r"no text.*--read texts=FILE") as error:
        read(FORMAT, path)
    assert error.value.where.line == 1
    assert spans(read(FORMAT, path, texts=texts)[0]) == FOUND
    with pytest.raises(BadInput, match="no such file"):
        read(FORMAT, path, texts=tmp_path / "none.jsonl")
    with pytest.raises(BadInput, match="none with the id '4'"):
        read(FORMAT, path, texts=lines(texts, {"id": 5, "sentences": "x"}))


@pytest.mark.parametrize("key", ["senences", "sentences"])
def test_test_data_has_no_entities(tmp_path, key):
    path, notes = lines(tmp_path / "a.jsonl", {key: TEXT, "id": 584, "lang": "ru"}), Notes()
    (record,) = read(FORMAT, path, notes)
    assert (record.text, record.entities, record.meta) == (TEXT, [], {"lang": "ru"})
    assert recognised(path) == ["runne"] and counts(notes) == {runne.NO_ENTITIES: 1}


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"ners": {}}, '"ners" is an object'),
        ({"ners": [[0, 3]]}, "an entity is"),
        ({"ners": [[0, 3, 4]]}, "an entity is"),
        ({"ners": [["0", 3, "X"]]}, "a start is '0'"),
        ({"sentences": ["a", "b"]}, '"sentences" is a list'),
    ],
)
def test_bad_records(tmp_path, change, reason):
    path = lines(tmp_path / "a.jsonl", VALUE, {**VALUE, **change}, VALUE)
    with pytest.raises(BadInput, match=reason) as error:
        read(FORMAT, path)
    assert error.value.where.line == 2
    notes = Notes(skip_bad=True)
    assert len(read(FORMAT, path, notes)) == 2 and notes.n_skipped == 1


@given(st.lists(records(), max_size=4))
def test_out_and_in(tmp_path_factory, some):
    path, notes = tmp_path_factory.mktemp("out") / "a.jsonl", Notes(strict=True)
    FORMAT.write(some, path, notes)
    if some:
        assert recognised(path) == ["runne"]
    got = read(FORMAT, path, notes)
    assert [(r.text, r.entities, r.id) for r in got] == [(r.text, r.entities, r.id) for r in some]


def test_what_is_written(tmp_path):
    record = Record("Ann or Bob", [Entity(((0, 3), (7, 10)), "PER", "Q1")], Where(tmp_path), "12")
    record.missing, record.tokens, record.meta = [entity(0, 1, "")], [(0, 10)], {"lang": "en"}
    notes, path = Notes(), tmp_path / "a.jsonl"
    FORMAT.write([record], path, notes)
    assert json.loads(path.read_text()) == {
        "id": 12, "sentences": "Ann or Bob", "ners": [[0, 9, "PER"]],
    }  # fmt: skip
    assert counts(notes) == {
        json_lines.JOINED: 1,
        json_lines.NO_REFERENCE: 1,
        json_lines.NO_MISSING: 1,
        json_lines.NOT_WRITTEN: 2,
    }
    FORMAT.write([record], path, Notes(), with_text=False)
    assert json.loads(path.read_text()) == {"id": 12, "ners": [[0, 9, "PER"]]}
    with pytest.raises(BadInput, match="each record needs an id"):
        FORMAT.write([Record("a", [], Where(tmp_path))], path, Notes(), with_text=False)
