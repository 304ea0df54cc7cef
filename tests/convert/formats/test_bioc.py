"""BioC, as XML and as JSON."""

import json

import pytest

from spacy_contrastive_ner.convert.formats.bioc import read_json as bioc_json
from spacy_contrastive_ner.convert.formats.bioc import read_xml as bioc
from spacy_contrastive_ner.convert.formats.bioc.documents import (
    JOINED,
    NO_PLACE,
    RELATIONS,
    SEVERAL_TYPES,
)
from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.records import Entity, entity
from spacy_contrastive_ner.convert.standoff import COUNTED, MOVED
from spacy_contrastive_ner.convert.textfile import TextFile

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE collection SYSTEM "BioC.dtd">\n'


def note(text, *places, type="Disease", **infons):
    """An annotation."""
    locations = [{"offset": start, "length": length} for start, length in places]
    return {"id": "1", "infons": {"type": type, **infons}, "text": text, "locations": locations}


def part(offset, text, *annotations, **more):
    return {"offset": offset, "text": text, "annotations": list(annotations), **more}


def document(*passages, id="d1", **more):
    return {"id": id, "infons": {}, "passages": list(passages), **more}


def to_xml(owner, tag):
    """Write what BioC JSON has as BioC XML has it."""

    def esc(text):
        return str(text).replace("&", "&amp;").replace("<", "&lt;")

    found = "".join(
        f'<infon key="{key}">{esc(value)}</infon>' for key, value in owner.get("infons", {}).items()
    )
    for key in ("offset", "text"):
        if owner.get(key) is not None:
            found += f"<{key}>{esc(owner[key])}</{key}>"
    for place in owner.get("locations", ()):
        found += '<location offset="{offset}" length="{length}"/>'.format(**place)
    for inner in ("annotation", "sentence", "relation", "passage"):
        found += "".join(to_xml(child, inner) for child in owner.get(inner + "s", ()))
    if tag == "annotation":
        return f'<annotation id="{owner["id"]}">{found}</annotation>'
    return (
        f"<{tag}>" + (f"<id>{owner['id']}</id>" if tag == "document" else "") + found + f"</{tag}>"
    )


def xml_of(*documents):
    inner = "\n".join(to_xml(one, "document") for one in documents)
    return f"{HEAD}<collection><source>x</source><key>k</key>\n{inner}\n</collection>\n"


def read_xml(tmp_path, content, notes=None, **options):
    path = tmp_path / "c.xml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(bioc.read(TextFile(path), notes or Notes(), **options))


def read_json(tmp_path, value, notes=None, **options):
    path = tmp_path / "c.json"
    path.write_text(json.dumps(value))
    return list(bioc_json.read(TextFile(path), notes or Notes(), **options))


def read_both(tmp_path, *documents, notes=None, **options):
    """Read documents from XML and from JSON, which must say the same."""
    records = read_xml(tmp_path, xml_of(*documents), notes, **options)
    others = read_json(tmp_path, {"source": "", "documents": list(documents)}, **options)
    for one, other in zip(records, others, strict=True):
        assert (one.id, one.text, one.entities, one.sents) == (
            other.id, other.text, other.entities, other.sents
        )  # fmt: skip
    return records


def found_in(record):
    return [e.text_in(record.text) for e in record.entities]


def test_title_and_abstract(tmp_path):
    one = document(
        part(0, "Gout & mice", note("Gout", (0, 4), MESH="D1", OMIM="-1"), note("mice", (7, 4))),
        part(12, "Gout <bad>.", note("Gout", (12, 4), identifier="MESH:D1", MESH="D1")),
    )
    two = document(part(0, "x"), id="d2")
    record, other = read_both(tmp_path, one, two)
    assert (record.id, record.document, record.text) == ("d1", "d1", "Gout & mice\nGout <bad>.")
    assert record.entities == [
        entity(0, 4, "Disease", "MESH:D1"), entity(7, 11, "Disease"),
        entity(12, 16, "Disease", "MESH:D1"),
    ]  # fmt: skip
    assert record.sents is None and other.entities == [] and other.where.id == "d2"
    assert other.where.line == 5


def test_sentences(tmp_path):
    notes = Notes()
    one = document(
        {"offset": 0, "sentences": [part(0, "Ann ran."), part(10, "Bo sat.", note("Bo", (10, 2)))]},
        {"offset": 20, "sentences": [part(20, "Cy ate.")],
         "annotations": [note("Cy", (20, 2)), note("ate", (23, 3))]},
    )  # fmt: skip
    (record,) = read_both(tmp_path, one, notes=notes)
    assert record.text == "Ann ran.  Bo sat.\n  Cy ate."
    assert [record.text[s:e] for s, e in record.sents] == ["Ann ran.", "Bo sat.", "Cy ate."]
    assert found_in(record) == ["Bo", "Cy", "ate"] and not notes.tallies


def test_an_annotation_over_sentences_and_one_of_the_document(tmp_path):
    one = document(
        {"offset": 5, "sentences": [part(5, "Ann ran"), part(13, "far off.")],
         "annotations": [note("ran far", (9, 7))]},
        annotations=[note("off", (17, 3))],
    )  # fmt: skip
    (record,) = read_json(tmp_path, one)
    assert record.text == "Ann ran far off." and found_in(record) == ["off", "ran far"]


def test_passages_with_text_and_sentences(tmp_path):
    one = document(part(0, "Ann ran. Bo sat.", sentences=[part(9, "Bo sat.", note("Bo", (9, 2)))]))
    (record,) = read_both(tmp_path, one)
    assert record.text == "Ann ran. Bo sat." and found_in(record) == ["Bo"]


def test_several_locations_are_fragments(tmp_path):
    one = document(part(0, "renal and hepatic failure", note("renal failure", (0, 5), (18, 7))))
    (record,) = read_both(tmp_path, one)
    assert record.entities == [Entity(((0, 5), (18, 25)), "Disease")]


def test_offsets_that_do_not_begin_at_0_or_leave_gaps(tmp_path):
    notes = Notes()
    one = document(
        part(100, "Gout.", note("Gout", (100, 4))), part(108, "Bad.", note("Bad", (108, 3))),
        part(9000, "More.", note("More", (9000, 4))), part(9002, "Less.", note("Less", (9002, 4))),
        part(9007, "End.", note("End", (9007, 3))),
    )  # fmt: skip
    (record,) = read_both(tmp_path, one, notes=notes)
    assert record.text == "Gout.\n  Bad.\nMore.\nLess.\nEnd."
    assert found_in(record) == ["Gout", "Bad", "More", "Less", "End"]
    assert notes.tallies[JOINED].total == 2


@pytest.mark.parametrize("code, unit", [("utf-8", 1), ("utf-16-le", 2)])
def test_offsets_in_bytes(tmp_path, code, unit):
    def n(text):
        return len(text.encode(code)) // unit

    title, abstract = "Ménière 😀 disease", "Naïve mice"
    start = n(title) + 1
    one = document(
        part(0, title, note("disease", (n(title[:10]), 7))),
        part(start, abstract, note("mice", (start + n("Naïve "), 4))),
    )
    notes = Notes()
    (record,) = read_both(tmp_path, one, notes=notes)
    assert record.text == f"{title}\n{abstract}" and found_in(record) == ["disease", "mice"]
    assert notes.tallies[COUNTED].total == 1 and JOINED not in notes.tallies


def test_offsets_within_the_passage(tmp_path):
    words = [(6, "bad"), (11, "worse")]
    one = document(
        part(0, "Title"), part(6, "It is bad, worse.", *(note(w, (at, len(w))) for at, w in words))
    )
    notes = Notes()
    (record,) = read_both(tmp_path, one, notes=notes)
    assert found_in(record) == ["bad", "worse"] and notes.tallies[MOVED].total == 2


def test_types_and_keys(tmp_path):
    one = document(part(0, "TP53", note("TP53", (0, 4), type="Gene,Protein", Kind="K")))
    notes = Notes()
    (record,) = read_both(tmp_path, one, notes=notes)
    assert [e.label for e in record.entities] == ["Gene", "Protein"]
    assert notes.tallies[SEVERAL_TYPES].total == 1
    assert read_both(tmp_path, one, types="keep")[0].entities == [entity(0, 4, "Gene,Protein")]
    assert read_both(tmp_path, one, type_key="kind")[0].entities == [entity(0, 4, "K")]
    with pytest.raises(BadInput, match=r"has no 'class', but 'type', 'Kind'. Say .*type_key=NAME"):
        read_both(tmp_path, one, type_key="class")
    twice = xml_of(one).replace('<infon key="Kind">', '<infon key="type">')
    assert [e.label for e in read_xml(tmp_path, twice)[0].entities] == ["Gene", "Protein", "K"]


def test_relations_and_annotations_without_a_place(tmp_path):
    one = document(
        part(0, "Gout", note("Gout"), relations=[{"infons": {"type": "CID"}}]),
        relations=[{"infons": {"type": "CID"}}],
    )
    notes = Notes()
    assert read_both(tmp_path, one, notes=notes)[0].entities == []
    assert notes.tallies[RELATIONS].total == 2 and notes.tallies[NO_PLACE].total == 1


def test_text_that_does_not_match(tmp_path):
    one = document(part(0, "Gout is bad", note("Fever", (0, 4)), note("fine", (8, 3))))
    with pytest.raises(BadInput, match=r"c\.xml, line 4 \(document 'd1'\): 2 of 2 mentions"):
        read_both(tmp_path, one)
    notes = Notes(skip_bad=True)
    assert [r.id for r in read_both(tmp_path, document(part(0, "x"), id="e"), notes=notes)] == ["e"]
    assert len(read_both(tmp_path, one, surfaces="ignore")[0].entities) == 2


def test_bad_documents(tmp_path):
    for bad in (
        document({"text": "Gout"}),
        document({"offset": "x", "text": "Gout"}),
        document(part(0, "Gout", {"infons": {"type": "X"}, "locations": [{"offset": 0}]})),
        document(annotations=[note("Gout", (0, 4))]),
    ):
        with pytest.raises(BadInput, match="document 'd1'"):
            read_json(tmp_path, {"documents": [bad]})
        notes = Notes(skip_bad=True)
        good = document(part(0, "x"), id="e")
        assert [r.id for r in read_json(tmp_path, {"documents": [bad, good]}, notes)] == ["e"]
        assert notes.n_skipped == 1
    for bad in (
        {"passages": 5},
        {"passages": [5]},
        {"passages": [{"offset": 0, "sentences": [1]}]},
    ):
        with pytest.raises(BadInput, match="not built as BioC"):
            read_json(tmp_path, bad)


@pytest.mark.parametrize(
    "declared",
    [
        '<!ENTITY x SYSTEM "file:///etc/passwd">',
        '<!ENTITY a "lol"><!ENTITY x "&a;&a;&a;">',
        '<!ENTITY % p SYSTEM "http://example.org/x.dtd"> %p;',
    ],
)
def test_entities_are_refused(tmp_path, declared):
    content = xml_of(document(part(0, "Gout"))).replace(
        'SYSTEM "BioC.dtd"', f"[{declared}]"
    ).replace("Gout", "&x;")  # fmt: skip
    with pytest.raises(BadInput, match="declares the entity"):
        read_xml(tmp_path, content)


def test_unclosed_xml(tmp_path):
    content = xml_of(document(part(0, "Gout")), document(part(0, "x"), id="e"))
    cut = content[: content.rindex("</passage>")]
    with pytest.raises(BadInput, match=r"c\.xml, line 5: the XML ends here"):
        read_xml(tmp_path, cut)
    notes = Notes(skip_bad=True)
    assert [r.id for r in read_xml(tmp_path, cut, notes)] == ["d1"] and notes.n_skipped == 1


def test_encodings(tmp_path):
    content = xml_of(document(part(0, "Ménière"))).replace("UTF-8", "ISO-8859-1")
    assert read_xml(tmp_path, content.encode("latin-1"))[0].text == "Ménière"


def test_json_lines_and_other_collections(tmp_path):
    one, two = document(part(0, "Gout")), document(part(0, "x"), id="e")
    assert [r.id for r in read_json(tmp_path, [one, two])] == ["d1", "e"]
    assert [r.id for r in read_json(tmp_path, {"PubTator3": [one, two]})] == ["d1", "e"]
    path = tmp_path / "c.jsonl"
    path.write_text(json.dumps(one) + "\n" + json.dumps(two) + "\n")
    records = list(bioc_json.read(TextFile(path), Notes()))
    assert [(r.id, r.where.line) for r in records] == [("d1", 1), ("e", 2)]
    assert read_json(tmp_path, {"documents": []}) == []
    with pytest.raises(BadInput, match="no documents with passages"):
        read_json(tmp_path, {"text": "Gout"})


@pytest.mark.parametrize(
    "content, which",
    [
        (xml_of(document(part(0, "Gout"))), bioc),
        ("<collection>\n<document><id>1</id></document></collection>", bioc),
        (json.dumps({"documents": [document(part(0, "Gout"))]}), bioc_json),
        (json.dumps(document(part(0, "Gout"))) + "\n{}\n", bioc_json),
        (json.dumps([document(part(0, "Gout" * 50000))], indent=1), bioc_json),
        ("<set><sentence>a <cons>b</cons></sentence></set>", None),
        ("<collection><DOC>x</DOC></collection>", None),
        ('{"text": "a", "spans": []}', None),
        ('{"documents": [{"text": "a"}]}', None),
        ('{"passages": []}', None),
        ("[1, 2]", None),
        ("Gout <collection> <document>", None),
        ("", None),
    ],
)
def test_recognise(tmp_path, content, which):
    path = tmp_path / "x"
    path.write_text(content)
    head = TextFile(path).head()
    assert [module for module in (bioc, bioc_json) if module.recognise(head)] == (
        [which] if which else []
    )


def test_memory_is_bounded(tmp_path):
    """Documents come one by one, before the file has been read to its end."""
    read_so_far = []
    path = tmp_path / "c.xml"
    content = xml_of(*(document(part(0, "Gout " * 2000), id=str(i)) for i in range(200)))
    path.write_text(content)
    records = bioc.read(TextFile(path, on_bytes=read_so_far.append), Notes())
    assert next(records).id == "0" and sum(read_so_far) < len(content) / 2
    assert sum(1 for _ in records) == 199
