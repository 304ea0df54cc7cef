"""What Label Studio exports as JSON and JSON_MIN."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_contrastive_ner.convert.formats.label_studio import FORMAT, regions, tasks
from spacy_contrastive_ner.convert.formats.label_studio import read as label_studio
from spacy_contrastive_ner.convert.formats.shared import json_lines
from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.records import Entity, Record, Where, entity

from .json_records import array, counts, lines, read, recognised, records, spans

TEXT = "Anna Lee saw Zoë in Rom."


def region(start, end, *labels, text=TEXT, surface=True, **more):
    value = {"start": start, "end": end, "labels": list(labels)}
    if surface:
        value["text"] = text[start:end] if surface is True else surface
    return {
        "id": "a",
        "from_name": "label",
        "to_name": "text",
        "type": "labels",
        "value": value,
    } | more


def marked(*result, by=1, **more):
    return {"id": 9, "completed_by": by, "result": list(result), "was_cancelled": False, **more}


def task(*annotations, id=1, **data):
    return {
        "id": id,
        "annotations": list(annotations),
        "predictions": [],
        "data": {"text": TEXT} | data,
    }


ANNA, ZOE, ROM = region(0, 8, "PER"), region(13, 16, "PER"), region(20, 23, "LOC")


def test_export(tmp_path):
    values = [task(marked(ANNA, region(0, 4, "PER"), ROM)), task(marked(), id=2, source="web")]
    for path in (array(tmp_path / "a.json", *values), lines(tmp_path / "b.json", *values)):
        first, second = read(FORMAT, path)
        assert spans(first) == [("Anna Lee", "PER"), ("Anna", "PER"), ("Rom", "LOC")]
        assert (first.id, second.id, second.entities) == ("1", "2", [])
        assert second.meta == {"source": "web"}
        assert recognised(path) == ["label-studio"]


def test_several_labels_on_a_region(tmp_path):
    (record,) = read(FORMAT, array(tmp_path / "a.json", task(marked(region(20, 23, "LOC", "ORG")))))
    assert spans(record) == [("Rom", "LOC"), ("Rom", "ORG")]


def test_min_export(tmp_path):
    def row(id, by, *regions):
        label = {"label": [r["value"] for r in regions]} if regions else {}
        return {"text": TEXT, "id": id, **label, "annotator": by, "annotation_id": id, "created_at": "x",
                "lead_time": 2.0, "topic": "news"}  # fmt: skip

    path = array(tmp_path / "a.json", row(1, 1, ANNA, ROM), row(2, 1), row(1, 2, ANNA), row(1, 3))
    assert recognised(path) == ["label-studio"]
    first, second = read(FORMAT, path)
    assert spans(first) == [("Anna Lee", "PER"), ("Rom", "LOC")] and first.id == "1"
    assert second.entities == [] and second.meta == {"topic": "news"}
    assert spans(read(FORMAT, path, annotator="2")[0]) == [("Anna Lee", "PER")]
    assert spans(read(FORMAT, path, annotator="majority")[0]) == [("Anna Lee", "PER")]


def people():
    """Three annotators, who are written in three ways."""
    anna = {"id": 5, "email": "anna@x.org", "first_name": "Anna", "last_name": "Lee"}
    return task(marked(ANNA, ANNA, ROM, by=anna), marked(ANNA, ZOE, by=6), marked(ZOE, by="bob"))


def test_first_annotator(tmp_path):
    notes = Notes()
    (record,) = read(FORMAT, array(tmp_path / "a.json", people()), notes)
    assert spans(record) == [("Anna Lee", "PER")] * 2 + [("Rom", "LOC")]
    assert counts(notes) == {label_studio.OTHERS: 2} and "first is read" in notes.decisions[0]


@pytest.mark.parametrize("name", ["6", "bob", "5", "anna@x.org", "Anna Lee"])
def test_annotator_by_name(tmp_path, name):
    notes = Notes()
    path = array(tmp_path / "a.json", people(), task(marked(ROM, by="else"), id=2))
    (record,) = read(FORMAT, path, notes, annotator=name)
    expected = {"6": [ANNA, ZOE], "bob": [ZOE]}.get(name, [ANNA, ANNA, ROM])
    assert [s for s, _ in spans(record)] == [r["value"]["text"] for r in expected]
    assert counts(notes) == {label_studio.OTHERS: 2, label_studio.NOT_BY: 1}


def test_annotator_who_is_not_there(tmp_path):
    with pytest.raises(BadInput, match=r"no annotation by 'eve', only by anna@x.org, 6, bob"):
        read(FORMAT, array(tmp_path / "a.json", people()), annotator="eve")


def test_majority(tmp_path):
    notes = Notes()
    # Of two, one is half.
    pair = task(marked(ANNA, by=1), marked(by=2), id=2)
    path = array(tmp_path / "a.json", people(), pair)
    first, second = read(FORMAT, path, notes, annotator="majority")
    assert spans(first) == [("Anna Lee", "PER"), ("Zoë", "PER")]
    assert spans(second) == [("Anna Lee", "PER")]
    assert counts(notes) == {label_studio.MINORITY: 1}


def test_cancelled_and_unannotated(tmp_path):
    notes = Notes()
    path = array(
        tmp_path / "a.json",
        task(marked(ROM, was_cancelled=True), marked(ANNA, by=2)),
        task(marked(ROM, was_cancelled=True), id=2),
        task(id=3) | {"predictions": [{"result": [ROM]}]},
    )
    (record,) = read(FORMAT, path, notes)
    assert spans(record) == [("Anna Lee", "PER")]
    assert counts(notes) == {
        label_studio.CANCELLED: 2,
        label_studio.NOT_ANNOTATED: 1,
        tasks.PREDICTIONS: 1,
    }


def test_other_results(tmp_path):
    notes = Notes()
    relation = {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"}
    choice = {
        "type": "choices",
        "to_name": "text",
        "value": {"choices": ["x"], "start": 0, "end": 8},
    }
    bare = region(0, 8)
    path = array(tmp_path / "a.json", task(marked(ANNA, relation, choice, bare)))
    (record,) = read(FORMAT, path, notes)
    assert spans(record) == [("Anna Lee", "PER")]
    assert counts(notes) == {
        regions.RELATIONS: 1,
        regions.OTHER: 1,
        regions.NO_LABEL: 1,
    }


# Where the text is


def test_text_by_the_name_of_its_tag(tmp_path):
    value = {**task(marked(ANNA)), "data": {"title": "x", "text": TEXT, "body": "y"}}
    assert spans(read(FORMAT, array(tmp_path / "a.json", value))[0]) == [("Anna Lee", "PER")]


def test_text_by_what_is_marked(tmp_path):
    notes = Notes()
    values = [
        {"id": 1, "data": {"title": "Z", "body": TEXT}, "annotations": [marked(region(0, 8, "PER", to_name="t"))]},
        {"id": 2, "data": {"title": "Z", "body": "x"}, "annotations": [marked()]},
    ]  # fmt: skip
    path = array(tmp_path / "a.json", *values)
    first, second = read(FORMAT, path, notes)
    assert spans(first) == [("Anna Lee", "PER")] and second.text == "x"
    assert first.meta == {"title": "Z"} and notes.decisions == ['the texts are those in "body"']
    assert read(FORMAT, path, text_key="title")[0].text == "Z"


def test_only_text_there_is(tmp_path):
    value = {"id": 1, "data": {"n": 3, "body": TEXT}, "annotations": [marked()]}
    assert read(FORMAT, array(tmp_path / "a.json", value))[0].text == TEXT


def test_no_text(tmp_path):
    value = {"id": 1, "data": {"a": "x", "b": "y"}, "annotations": [marked()]}
    with pytest.raises(BadInput, match=r'no "text", "data" has "a", "b".*text_key=NAME'):
        read(FORMAT, array(tmp_path / "a.json", value))


def test_link_to_a_text(tmp_path):
    value = task(marked(region(100, 120, "PER", surface=False))) | {
        "data": {"text": "s3://b/a.txt"}
    }
    with pytest.raises(BadInput, match="only a link"):
        read(FORMAT, array(tmp_path / "a.json", value))


def test_two_texts_in_a_task(tmp_path):
    notes = Notes()
    value = task(marked(ANNA, ROM, region(0, 1, "X", to_name="title", text="Z")), title="Z")
    (record,) = read(FORMAT, array(tmp_path / "a.json", value), notes)
    assert spans(record) == [("Anna Lee", "PER"), ("Rom", "LOC")]
    assert counts(notes) == {label_studio.OTHER_TEXT: 1} and label_studio.OTHER_TEXT.is_loss


# What offsets count

EMOJI = "🦊 and 👩 met Anna\r\nin Rom."


def emoji_task(units, crlf, surface=True, **more):
    text = EMOJI.replace("\r\n", "\n") if crlf else EMOJI
    result = []
    for name in ("Anna", "Rom"):
        start = text.index(name)
        if units == "utf-16":
            start = len(text[:start].encode("utf-16-le")) // 2
        result.append(region(start, start + len(name), "X", surface=name if surface else False))
    return task(marked(*result), **more) | {"data": {"text": EMOJI}}


@pytest.mark.parametrize("crlf", [False, True])
@pytest.mark.parametrize("units", ["utf-16", "characters"])
def test_offsets_are_found_out(tmp_path, units, crlf):
    notes = Notes()
    (record,) = read(FORMAT, array(tmp_path / "a.json", emoji_task(units, crlf)), notes)
    assert spans(record) == [("Anna", "X"), ("Rom", "X")] and record.text == EMOJI
    what = {"utf-16": "UTF-16 units", "characters": "characters"}[units]
    line_ends = ", CR LF as one" if crlf else ""
    assert notes.decisions == [
        f"offsets count {what}{line_ends} (2 of 2 regions have their text so)"
    ]


@pytest.mark.parametrize("units", ["utf-16", "characters"])
def test_offsets_without_texts(tmp_path, units):
    path, notes = array(tmp_path / "a.json", emoji_task(units, False, surface=False)), Notes()
    (record,) = read(FORMAT, path, notes)
    assert (spans(record)[0] == ("Anna", "X")) == (units == "utf-16")
    assert "do not show what they count" in notes.decisions[0]
    (record,) = read(FORMAT, path, offsets=units)
    assert spans(record) == [("Anna", "X"), ("Rom", "X")]


def test_stray_regions_are_mended(tmp_path):
    values = [emoji_task("utf-16", False, id=i) for i in range(3)] + [
        emoji_task("characters", False, id=9)
    ]
    notes = Notes()
    got = read(FORMAT, array(tmp_path / "a.json", *values), notes)
    assert all(spans(record) == [("Anna", "X"), ("Rom", "X")] for record in got)
    assert counts(notes) == {regions.MENDED: 2}


def test_texts_of_regions_have_escaped_line_ends(tmp_path):
    notes = Notes()
    value = task(marked(region(0, 8, "PER", surface="Anna\\nLee"))) | {
        "data": {"text": "Anna\nLee"}
    }
    (record,) = read(FORMAT, array(tmp_path / "a.json", value), notes)
    assert spans(record) == [("Anna\nLee", "PER")] and not notes.tallies


def test_text_of_a_region_that_is_elsewhere(tmp_path):
    notes = Notes()
    (record,) = read(FORMAT, array(tmp_path / "a.json", task(marked(region(5, 8, "X", surface="nna L")))), notes)  # fmt: skip
    assert spans(record) == [("Lee", "X")]
    assert counts(notes) == {regions.OTHER_SURFACE: 1}


def html(start, end, surface="Anna Lee", **more):
    value = {"start": start, "end": end, "text": surface, "hypertextlabels": ["PER"], **more}
    return {"type": "hypertextlabels", "to_name": "text", "from_name": "l", "value": value}


def test_regions_of_web_pages(tmp_path):
    path = tmp_path / "a.json"
    there = html("/p[1]/text()[1]", "/p[1]/text()[1]", globalOffsets={"start": 0, "end": 8})
    (record,) = read(FORMAT, array(path, task(marked(there))))
    assert spans(record) == [("Anna Lee", "PER")]
    plain = html("/text()[1]", "/text()[1]", startOffset=0, endOffset=8)
    assert spans(read(FORMAT, array(path, task(marked(plain))))[0]) == [("Anna Lee", "PER")]
    shown = html("/p[1]/text()[1]", "/p[1]/text()[1]", globalOffsets={"start": 3, "end": 11})
    with pytest.raises(BadInput, match="as it is shown"):
        read(FORMAT, array(path, task(marked(shown))))
    lost = html("/p[1]/text()[1]", "/p[2]/text()[1]", startOffset=0, endOffset=8)
    with pytest.raises(BadInput, match=r"path in a web page.*without globalOffsets"):
        read(FORMAT, array(path, task(marked(lost))))


@pytest.mark.parametrize(
    "value, reason",
    [
        ({"id": 1, "text": "x"}, '"data" is null'),
        (task(marked("x")), "a result is a string"),
        (task(marked(region(0.5, 3, "X", surface=False))), "a start is 0.5"),
        (task(marked(region(None, 3, "X", surface=False))), "a start is null"),
        (
            task(marked({"type": "paragraphlabels", "value": {"start": "0", "end": "1"}})),
            "dialogue",
        ),
        ("x", "a JSON object is expected"),
    ],
)
def test_bad_tasks(tmp_path, value, reason):
    good = task(marked(ANNA))
    path = lines(tmp_path / "a.json", good, value, good)
    with pytest.raises(BadInput, match=reason) as error:
        read(FORMAT, path)
    assert error.value.where.line == 2
    notes = Notes(skip_bad=True)
    assert len(read(FORMAT, path, notes)) == 2 and notes.n_skipped == 1


def test_recognised_though_cut_off(tmp_path):
    value = {"id": 1, "annotations": [marked(*[ANNA] * 2000)], "data": {"text": TEXT}}
    assert recognised(array(tmp_path / "a.json", value)) == ["label-studio"]
    value = {"data": {"text": TEXT * 5000}, "annotations": []}
    path = array(tmp_path / "a.json", value, indent=2)
    assert "jsonl" not in recognised(path)


@given(st.lists(records(), max_size=4))
def test_out_and_in(tmp_path_factory, some):
    path, notes = tmp_path_factory.mktemp("out") / "a.json", Notes(strict=True)
    FORMAT.write(some, path, notes)
    if some:
        assert recognised(path) == ["label-studio"]
    got = read(FORMAT, path, notes)
    assert [(r.text, r.entities, r.id) for r in got] == [(r.text, r.entities, r.id) for r in some]
    assert not notes.tallies


def test_what_is_written(tmp_path):
    record = Record("🦊 or Bob", [Entity(((0, 1), (5, 8)), "PER", "Q1")], Where(tmp_path), "12")
    record.missing, record.document, record.meta = (
        [entity(0, 1, "")],
        "d",
        {"lang": "en", "text": 1},
    )
    path, notes = tmp_path / "a.json", Notes()
    FORMAT.write([record], path, notes)
    (value,) = json.loads(path.read_text("utf-8"))
    assert value["data"]["document_id"] == "d" and value["data"]["lang"] == "en"
    assert value["annotations"][0]["result"][0]["value"] == {
        "start": 0, "end": 9, "text": "🦊 or Bob", "labels": ["PER"],
    }  # fmt: skip
    assert set(counts(notes)) == {json_lines.JOINED, json_lines.NO_REFERENCE, json_lines.NO_MISSING}
    (back,) = read(FORMAT, path)
    assert (back.document, back.meta) == (record.document, record.meta)
