"""JSON lines in the shapes of spaCy, Prodigy and doccano, and our own."""

import json

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Span

from spacy_contrastive_ner.convert.formats import jsonl
from spacy_contrastive_ner.convert.formats.jsonl import FORMAT
from spacy_contrastive_ner.convert.formats.shared import json_lines
from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.records import Record, Where, entity
from spacy_contrastive_ner.convert.textfile import TextFile

from .json_records import array, counts, everything, lines, read, recognised, records, spans

TEXT = "Anna Lee saw Zoë in Rom."
ANNA, ZOE = ("Anna Lee", "PER"), ("Zoë", "PER")


@pytest.mark.parametrize(
    "value",
    [
        {"text": TEXT, "spans": [{"start": 0, "end": 8, "label": "PER"}]},
        {"text": TEXT, "label": [[0, 8, "PER"]]},
        {"text": TEXT, "labels": [[0, 8, "PER"]]},
        {"text": TEXT, "entities": [[0, 8, "PER"]]},
        {"text": TEXT, "entities": [["PER", 0, 8]]},
        {"text": TEXT, "entities": [[0, 8, "PER", "Anna Lee"]]},
        {"text": TEXT, "spans": [{"fragments": [[0, 8]], "label": "PER"}]},
        {"text": TEXT, "entities": [{"name": "Anna Lee", "span": [0, 8], "type": "PER"}]},
        {"text": TEXT, "entities": [{"start_offset": 0, "end_offset": 8, "label": "PER"}]},
        {"text": TEXT, "entities": [{"begin": 0.0, "end": 8.0, "tag": "PER"}]},
        {"text": TEXT, "spans": [{"start": 0, "end": 8, "labels": ["PER"]}]},
        {"text": TEXT, "spans": {"sc": [{"start": 0, "end": 8, "label": "PER"}]}},
        [TEXT, {"entities": [[0, 8, "PER"]]}],
    ],
)
def test_shapes(tmp_path, value):
    for path in (lines(tmp_path / "a.jsonl", value), array(tmp_path / "b.json", value, indent=2)):
        assert recognised(path) == ["jsonl"]
        (record,) = read(FORMAT, path)
        assert spans(record) == [ANNA] and record.text == TEXT
        assert record.where.path == path and record.where.line in (1, 2)


def test_prodigy(tmp_path):
    tokens = [{"text": w, "start": s, "end": s + len(w), "id": i, "ws": True}
              for i, (s, w) in enumerate([(0, "Anna"), (5, "Lee"), (9, "ran")])]  # fmt: skip
    task = {"text": "Anna Lee ran", "_input_hash": 3, "tokens": tokens, "_view_id": "ner_manual"}
    span = {"start": 0, "end": 8, "token_start": 0, "token_end": 1, "label": "PER"}
    notes = Notes()
    path = lines(
        tmp_path / "a.jsonl",
        {**task, "spans": [span], "answer": "accept", "meta": {"source": "x"}},
        {**task, "spans": [span], "answer": "reject"},
        {**task, "spans": [], "answer": "ignore"},
        {**task, "spans": [{**span, "label": None}], "relations": [{"head": 0}, {"head": 1}]},
        {"text": "Bob", "answer": "accept"},
    )
    first, fourth, last = read(FORMAT, path, notes)
    assert spans(first) == [ANNA] and first.tokens == [(0, 4), (5, 8), (9, 12)]
    assert first.meta == {"_input_hash": 3, "_view_id": "ner_manual", "source": "x"}
    assert fourth.entities == last.entities == []
    assert counts(notes) == {
        jsonl.REJECTED: 1,
        jsonl.IGNORED: 1,
        jsonl.NO_LABEL: 1,
        jsonl.RELATIONS: 2,
        jsonl.NO_SPANS: 1,
    }
    assert jsonl.NO_LABEL.is_loss


def test_doccano_with_relations(tmp_path):
    entities = [{"id": 5, "label": "PER", "start_offset": 0, "end_offset": 8}]
    relations = [{"id": 1, "from_id": 5, "to_id": 5, "type": "is"}]
    value = {"id": 7, "text": TEXT, "entities": entities, "relations": relations, "Comments": []}
    notes = Notes()
    (record,) = read(FORMAT, lines(tmp_path / "a.jsonl", value), notes)
    assert spans(record) == [ANNA] and record.id == "7" and record.meta == {"Comments": []}
    assert counts(notes) == {jsonl.RELATIONS: 1}


def test_all_parts_of_a_record(tmp_path):
    value = {
        "id": "x",
        "text": "Ann or Bob",
        "spans": [{"fragments": [[0, 3], [7, 10]], "label": "PER", "kb_id": "Q1"}],
        "tokens": [[0, 3], [3, 4], [4, 6], [7, 10]],
        "sents": [[0, 10]],
        "missing": [{"start": 4, "end": 6}, {"start": 0, "end": 3, "label": "LOC"}],
        "lang": "en",
        "curid": 12,
    }
    (record,) = read(FORMAT, lines(tmp_path / "a.jsonl", value))
    assert record.entities == [(((0, 3), (7, 10)), "PER", "Q1")]
    assert record.tokens == [(0, 3), (4, 6), (7, 10)] and record.sents == [(0, 10)]
    assert record.missing == [entity(4, 6, ""), entity(0, 3, "LOC")]
    assert (record.id, record.document, record.meta) == ("x", "12", {"lang": "en"})
    assert record.where.id == "x"


def test_tokens_as_words_and_tokens_that_do_not_fit(tmp_path):
    notes = Notes()
    path = lines(
        tmp_path / "a.jsonl",
        {"text": "a  b", "spans": [], "tokens": ["a", "b"]},
        {"text": "a b", "spans": [], "tokens": [[0, 1]]},
        {"text": "a b", "spans": [], "tokens": ["x"]},
        {"text": "", "spans": [], "tokens": []},
    )
    assert [r.tokens for r in read(FORMAT, path, notes)] == [[(0, 1), (3, 4)], None, None, []]
    assert counts(notes) == {jsonl.BAD_TOKENS: 2}


def test_json_of_spacy(tmp_path):
    nlp = spacy.blank("en")
    doc = nlp("Anna Lee saw Zoë")
    doc.spans["sc"] = [Span(doc, 0, 2, "PER"), Span(doc, 0, 1, "PER", kb_id="Q5")]
    doc.spans["other"] = [Span(doc, 3, 4, "X")]
    path, notes = lines(tmp_path / "a.jsonl", doc.to_json()), Notes()
    (record,) = read(FORMAT, path, notes)
    assert spans(record) == [ANNA, ("Anna", "PER")] and record.entities[1].kb_id == "Q5"
    assert record.tokens[0] == (0, 4)
    assert any("'sc'" in text for text in notes.decisions)
    assert spans(read(FORMAT, path, group="other")[0]) == [("Zoë", "X")]
    doc.spans["a"] = doc.spans.pop("sc")
    with pytest.raises(BadInput, match="--read group=NAME"):
        read(FORMAT, lines(path, doc.to_json()))


def test_keys_can_be_given(tmp_path):
    value = {"body": TEXT, "text": "x", "marks": [[0, 8, "PER"]], "label": "news"}
    path = lines(tmp_path / "a.jsonl", value)
    (record,) = read(FORMAT, path, text_key="body", spans_key="marks")
    assert spans(record) == [ANNA] and record.meta == {"text": "x", "label": "news"}
    with pytest.raises(BadInput, match=r"no list of spans.*spans_key"):
        read(FORMAT, path, spans_key="label")


def test_class_of_a_text_is_no_span(tmp_path):
    value = {"text": TEXT, "label": ["sport"], "entities": [[0, 8, "PER"]]}
    (record,) = read(FORMAT, lines(tmp_path / "a.jsonl", value))
    assert spans(record) == [ANNA] and record.meta == {"label": ["sport"]}


def test_rival_lists_of_spans_are_told(tmp_path):
    notes = Notes()
    value = {"text": TEXT, "spans": [[0, 8, "PER"]], "entities": [[13, 16, "PER"]]}
    (record,) = read(FORMAT, lines(tmp_path / "a.jsonl", value), notes)
    assert spans(record) == [ANNA] and record.meta == {"entities": [[13, 16, "PER"]]}
    assert 'entities are read from "spans", not from "entities"' in notes.decisions


# What offsets count


def corpus(units="characters", ends="exclusive", n=20):
    """Records whose offsets are to be found out."""
    encode = {"characters": "utf-32-le", "bytes": "utf-8", "utf-16": "utf-16-le"}[units]
    size = {"characters": 4, "bytes": 1, "utf-16": 2}[units]
    for i in range(n):
        text = f"🦊 Märchen {i}: Zoë traf Anna Müller."
        marks = []
        for name in ("Zoë", "Anna Müller"):
            start = text.index(name)
            s, e = (len(text[:x].encode(encode)) // size for x in (start, start + len(name)))
            marks.append([s, e - (ends == "inclusive"), "PER"])
        yield {"text": text, "label": marks}


@pytest.mark.parametrize("ends", ["exclusive", "inclusive"])
@pytest.mark.parametrize("units", ["characters", "bytes", "utf-16"])
def test_offsets_are_found_out_or_given(tmp_path, units, ends):
    path = lines(tmp_path / "a.jsonl", *corpus(units, ends))
    for options in ({}, {"offsets": units, "ends": ends}, {"offsets": units}, {"ends": ends}):
        notes = Notes()
        for record in read(FORMAT, path, notes, **options):
            assert spans(record) == [("Zoë", "PER"), ("Anna Müller", "PER")]
        assert bool(notes.decisions) == (len(options) < 2 and (not options or "ends" not in options or units != "characters"))  # fmt: skip
        assert all(f"ends are {ends}" in text for text in notes.decisions)


def test_offsets_are_found_out_from_names(tmp_path):
    value = {
        "text": "東京都千代田区",
        "entities": [{"name": "東京都", "span": [0, 2], "type": "L"}],
    }
    notes = Notes()
    (record,) = read(FORMAT, lines(tmp_path / "a.jsonl", value), notes)
    assert spans(record) == [("東京都", "L")]
    assert "ends are inclusive (1 of 1 spans looked at have their given text)" in notes.decisions[0]


def test_units_may_show_late(tmp_path):
    plain = [{"text": "Anna saw Bob", "label": [[0, 4, "P"], [9, 12, "P"]]}] * 400
    for units in ("characters", "bytes", "utf-16"):
        path, notes = lines(tmp_path / "a.jsonl", *plain, *corpus(units)), Notes()
        got = read(FORMAT, path, notes)
        assert len(got) == 420 and spans(got[-1])[-1] == ("Anna Müller", "PER")
        assert len(notes.decisions) == (1 if units == "characters" else 2)


def test_contradicting_offsets_are_asked_for(tmp_path):
    path = lines(tmp_path / "a.jsonl", *corpus(), *corpus(ends="inclusive"))
    with pytest.raises(BadInput, match=r"contradict.*--read ends=inclusive or --read ends=excl"):
        read(FORMAT, path)
    assert len(read(FORMAT, path, ends="exclusive", offsets="characters")) == 40
    notes = Notes(skip_bad=True)
    assert read(FORMAT, path, notes) == [] and notes.n_skipped == 1
    path = lines(tmp_path / "a.jsonl", *corpus("bytes"), *corpus("utf-16"))
    with pytest.raises(BadInput, match="--read offsets="):
        read(FORMAT, path)


def test_a_few_odd_spans_do_not_matter(tmp_path):
    odd = {"text": "The Brits met Poles.", "label": [[4, 8, "P"], [14, 18, "P"]]}
    notes = Notes()
    got = read(FORMAT, lines(tmp_path / "a.jsonl", odd, *corpus(), odd), notes)
    assert spans(got[0]) == [("Brit", "P"), ("Pole", "P")]
    assert "ends are exclusive (40 of 44" in notes.decisions[0]


def test_offsets_within_characters(tmp_path):
    path = lines(tmp_path / "a.jsonl", {"text": "aé🦊b", "label": [[2, 5, "X"], [0, 99, "X"]]})
    notes = Notes()
    (record,) = read(FORMAT, path, notes, offsets="bytes", ends="exclusive")
    assert record.entities == [entity(1, 3, "X"), entity(0, 4 + 91, "X")]
    assert counts(notes) == {jsonl.CUT_CHARACTER: 1} and jsonl.CUT_CHARACTER.is_loss


def test_tokens_count_like_spans(tmp_path):
    value = {
        "text": "Zoë ran",
        "spans": [[0, 4, "P"]],
        "tokens": [[0, 4], [5, 8]],
        "sents": [[0, 8]],
    }
    (record,) = read(FORMAT, lines(tmp_path / "a.jsonl", value), offsets="bytes")
    assert record.tokens == [(0, 3), (4, 7)] and record.sents == [(0, 7)]


# Bad input


@pytest.mark.parametrize(
    "value, reason",
    [
        ({"txt": "a", "spans": []}, 'no "text" in the record, which has "txt", "spans".*text_key'),
        ({"text": 5, "spans": []}, '"text" is the number 5'),
        ({"text": None, "spans": []}, '"text" is null'),
        ({"text": "a", "spans": [[0, 1]]}, r"a span is \[0, 1\]"),
        ({"text": "a", "spans": [{"start": 0, "label": "X"}]}, "no start or no end"),
        ({"text": "a", "spans": [{"start": "0", "end": 1, "label": "X"}]}, "a start is '0'"),
        ({"text": "a", "spans": [{"start": 0.5, "end": 1, "label": "X"}]}, "a start is 0.5"),
        ({"text": "a", "spans": [{"start": True, "end": 1, "label": "X"}]}, "true or false"),
        ({"text": "a", "spans": [{"fragments": [], "label": "X"}]}, "no fragments"),
        ({"text": "a", "spans": [{"fragments": [[0]], "label": "X"}]}, '"fragments" is no list'),
        ({"text": "a", "spans": [{"start": 0, "end": 1, "label": {}}]}, "a label is an object"),
        ({"text": "a", "spans": [], "missing": "x"}, '"missing" is a string'),
        ({"id": 1, "ners": [[0, 1, "X"]]}, "--from runne"),
        ({"text": "a", "entity_types": [], "entity_start_chars": []}, "--from binder"),
        ("text", "a JSON object is expected, not a string"),
        ([1, 2], "a JSON object is expected, not a list"),
    ],
)
def test_bad_records(tmp_path, value, reason):
    good = {"text": "a", "spans": []}
    path = lines(tmp_path / "a.jsonl", good, value, good)
    with pytest.raises(BadInput, match=reason) as error:
        read(FORMAT, path)
    assert error.value.where.line == 2 and error.value.where.path == path
    notes = Notes(skip_bad=True)
    assert [record.where.line for record in read(FORMAT, path, notes)] == [1, 3]
    assert notes.n_skipped == 1


def test_lines_are_streamed(tmp_path):
    path = lines(tmp_path / "a.jsonl", *corpus(n=jsonl_batch() + 1))
    with path.open("a", encoding="utf-8") as file:
        file.write("{broken")
    stream = FORMAT.read(TextFile(path), Notes())
    assert next(stream).where.line == 1
    with pytest.raises(BadInput):
        list(stream)


def jsonl_batch():
    """How many records of the corpus are held back at most."""
    from spacy_contrastive_ner.convert.formats.shared.offsets import ENOUGH_SPANS

    return ENOUGH_SPANS // 2


# Writing


@given(st.lists(records(max_fragments=3, is_full=True), max_size=4))
def test_out_and_in(tmp_path_factory, some):
    path, notes = tmp_path_factory.mktemp("out") / "a.jsonl", Notes(strict=True)
    FORMAT.write(some, path, notes)
    if some:
        assert recognised(path) == ["jsonl"]
    assert [everything(r) for r in read(FORMAT, path, notes)] == [everything(r) for r in some]
    assert not notes.tallies and not notes.decisions


@given(st.lists(records(is_full=True), max_size=4))
def test_prodigy_out_and_in(tmp_path_factory, some):
    for record in some:
        record.entities = [item for item in record.entities if len(item.fragments) == 1]
        record.missing = [item for item in record.missing if len(item.fragments) == 1]
    path, notes = tmp_path_factory.mktemp("out") / "a.jsonl", Notes(strict=True)
    FORMAT.write(some, path, notes, shape="prodigy")
    assert [everything(r) for r in read(FORMAT, path, notes)] == [everything(r) for r in some]
    assert not notes.tallies and not notes.decisions


@given(st.lists(records(), max_size=4))
def test_doccano_out_and_in(tmp_path_factory, some):
    path, notes = tmp_path_factory.mktemp("out") / "a.jsonl", Notes(strict=True)
    FORMAT.write(some, path, notes, shape="doccano")
    assert [everything(r) for r in read(FORMAT, path, notes)] == [everything(r) for r in some]


def sample():
    record = Record("Ann or Bob", [(entity(0, 3, "PER", "Q1"))], Where(__file__), "7")
    record.entities.append(record.entities[0]._replace(fragments=((0, 3), (7, 10)), kb_id=""))
    record.tokens, record.sents = [(0, 3), (4, 6), (7, 10)], [(0, 10)]
    record.missing, record.meta = [entity(4, 6, "")], {"lang": "en", "id": 3}
    return record


def test_shape_of_records(tmp_path):
    path = tmp_path / "a.jsonl"
    FORMAT.write([sample()], path, Notes(strict=True))
    value = json.loads(path.read_text("utf-8"))
    assert value["id"] == "7" and value["lang"] == "en" and value["meta"] == {"id": 3}
    assert value["spans"] == [
        {"start": 0, "end": 3, "label": "PER", "kb_id": "Q1"},
        {"fragments": [[0, 3], [7, 10]], "label": "PER"},
    ]


def test_shape_of_prodigy(tmp_path):
    path, notes = tmp_path / "a.jsonl", Notes()
    FORMAT.write([sample()], path, notes, shape="prodigy")
    value = json.loads(path.read_text("utf-8"))
    assert value["tokens"][0] == {"text": "Ann", "start": 0, "end": 3, "id": 0, "ws": True}
    assert value["tokens"][2]["ws"] is False and value["answer"] == "accept"
    assert value["spans"][1] == {
        "start": 0, "end": 10, "label": "PER", "token_start": 0, "token_end": 2,
    }  # fmt: skip
    assert counts(notes) == {json_lines.JOINED: 1} and json_lines.JOINED.is_loss


def test_shape_of_doccano(tmp_path):
    path, notes = tmp_path / "a.jsonl", Notes()
    FORMAT.write([sample()], path, notes, shape="doccano")
    value = json.loads(path.read_text("utf-8"))
    assert value["label"] == [[0, 3, "PER"], [0, 10, "PER"]]
    assert counts(notes) == {
        json_lines.JOINED: 1,
        json_lines.NO_REFERENCE: 1,
        json_lines.NO_MISSING: 1,
        json_lines.NOT_WRITTEN: 2,
    }
