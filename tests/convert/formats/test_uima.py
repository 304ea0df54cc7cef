"""UIMA CAS as XMI and JSON."""

import json
import zipfile
from io import BytesIO
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_contrastive_ner.convert.formats.shared.annotators import (
    NO_ANNOTATOR,
    NO_MAJORITY,
    OTHER_ANNOTATOR,
)
from spacy_contrastive_ner.convert.formats.uima.read import (
    FORMAT,
    NO_LABEL,
    OTHER_TYPE,
    OTHER_VIEW,
    RELATION,
    read,
)
from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.textfile import TextFile

DKPRO = "de.tudarmstadt.ukp.dkpro.core.api"
NER = f"{DKPRO}.ner.type.NamedEntity"
SPAN = "webanno.custom.Span"
TEXT = "Ms. Haag likes 😊 of Rome.\nSo."


def units(text, offset):
    return len(text[:offset].encode("utf-16-le")) // 2


def xmi(text, spans, title="", more="", view="_InitialView"):
    """Write a CAS as XMI; spans are (type, begin, end, features), in characters."""
    names = {type: f"t{n}" for n, type in enumerate(dict.fromkeys(span[0] for span in spans))}
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>\n<xmi:XMI xmlns:xmi="http://www.omg.org/XMI" '
        'xmlns:cas="http:///uima/cas.ecore" xmi:version="2.0"'
    ]
    for type, prefix in names.items():
        space, _, _ = type.rpartition(".")
        lines.append(f' xmlns:{prefix}="http:///{space.replace(".", "/")}.ecore"')
    lines.append('>\n<cas:NULL xmi:id="0"/>\n')
    if title:
        lines.append(
            '<m:DocumentMetaData xmlns:m="http:///de/tudarmstadt/ukp/dkpro/core/api/metadata/type.'
            f'ecore" xmi:id="9999" sofa="1" begin="0" end="2" language="de" documentTitle="{title}"/>'
        )
    for number, (type, begin, end, features) in enumerate(spans, 2):
        given = "".join(f" {key}={attr(value)}" for key, value in features.items())
        lines.append(
            f'<{names[type]}:{type.rpartition(".")[2]} xmi:id="{number}" sofa="1" '
            f'begin="{units(text, begin)}" end="{units(text, end)}"{given}/>\n'
        )
    lines.append(
        f'{more}<cas:Sofa xmi:id="1" sofaNum="1" sofaID="{view}" mimeType="text" '
        f'sofaString={attr(text)}/><cas:View sofa="1" members=""/></xmi:XMI>'
    )
    return "".join(lines)


def attr(value):
    return quoteattr(value, {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def cas_json(text, spans, title="", as_object=False, anchor="", types=None):
    structures = [
        {
            "%ID": 1,
            "%TYPE": "uima.cas.Sofa",
            "sofaNum": 1,
            "sofaID": "_InitialView",
            "mimeType": "text",
            "sofaString": text,
        },
    ]
    if title:
        structures.append(
            {
                "%ID": 9999,
                "%TYPE": f"{DKPRO}.metadata.type.DocumentMetaData",
                "@sofa": 1,
                "begin": 0,
                "end": 2,
                "documentTitle": title,
            }
        )
    for number, (type, begin, end, features) in enumerate(spans, 2):
        structures.append(
            {
                "%ID": number,
                "%TYPE": type,
                "@sofa": 1,
                f"{anchor}begin": units(text, begin),
                f"{anchor}end": units(text, end),
                **features,
            }
        )
    if as_object:
        structures = {str(item.pop("%ID")): item for item in structures}
    return json.dumps(
        {
            "%TYPES": types or {},
            "%FEATURE_STRUCTURES": structures,
            "%VIEWS": {"_InitialView": {"%SOFA": 1, "%MEMBERS": []}},
        }
    )


def old_json(text, spans):
    by_type = {}
    for type, begin, end, features in spans:
        one = {"sofa": 12, "end": units(text, end), **features}
        if begin:
            one["begin"] = units(text, begin)
        by_type.setdefault(type.rpartition(".")[2], []).append(one)
    types = {type.rpartition(".")[2]: {"_id": type} for type, *_ in spans}
    return json.dumps(
        {
            "_context": {"_types": types},
            "_views": {"_InitialView": by_type},
            "_referenced_fss": {
                "12": {
                    "_type": "Sofa",
                    "sofaNum": 1,
                    "sofaID": "_InitialView",
                    "mimeType": "text",
                    "sofaString": text,
                }
            },
        }
    )


def words(text):
    at, found = 0, []
    for word in text.replace(".\n", " .\n").split():
        at = text.index(word, at)
        found.append((f"{DKPRO}.segmentation.type.Token", at, at + len(word), {}))
        at += len(word)
    return found


ENTITIES = [
    (NER, 0, 8, {"value": "PER", "identifier": "http://x/1"}),
    (NER, 4, 8, {"value": "PER"}),
    (NER, 15, 24, {"value": "OTH"}),
    (NER, 20, 24, {"value": "LOC"}),
]
SPANS = [
    (f"{DKPRO}.segmentation.type.Sentence", 0, 25, {}),
    (f"{DKPRO}.segmentation.type.Sentence", 26, 29, {}),
    (f"{DKPRO}.lexmorph.type.pos.POS", 0, 3, {"PosValue": "NN"}),
    *words("Ms. Haag likes 😊 of Rome"),
    *ENTITIES,
]


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return TextFile(path)


def convert(path, content=None, notes=None, **options):
    file = put(path, content) if content is not None else TextFile(path)
    return list(read(file, notes or Notes(), **options))


def spans(record):
    return [(found.text_in(record.text), found.label) for found in record.entities]


def totals(notes):
    return {kind: tally.total for kind, tally in notes.tallies.items()}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.xmi", xmi(TEXT, SPANS)),
        ("a.json", cas_json(TEXT, SPANS)),
        ("a.json", cas_json(TEXT, SPANS, as_object=True)),
        ("a.json", cas_json(TEXT, SPANS, anchor="^")),
        ("a.json", old_json(TEXT, SPANS)),
    ],
)
def test_named_entities_tokens_and_sentences(tmp_path, name, content):
    notes = Notes()
    (record,) = convert(tmp_path / name, content, notes)
    assert record.text == TEXT and record.id == "a"
    assert spans(record) == [
        ("Ms. Haag", "PER"),
        ("Haag", "PER"),
        ("😊 of Rome", "OTH"),
        ("Rome", "LOC"),
    ]
    assert [found.kb_id for found in record.entities] == ["http://x/1", "", "", ""]
    tokens = ["Ms.", "Haag", "likes", "😊", "of", "Rome"]
    assert [record.text[s:e] for s, e in record.tokens] == tokens
    assert record.sents == [(0, 25), (26, 29)]
    assert not notes.tallies
    assert notes.decisions == [
        f"entities are read from the type {NER}",
        f"the label is the feature 'value' of the type {NER}",
    ]


def test_custom_types(tmp_path):
    found = [
        (SPAN, 0, 3, {"comment": "no", "kind": "A"}),
        ("custom.Other", 4, 8, {"value": "B"}),
        ("custom.Bare", 4, 8, {}),
        (
            f"{DKPRO}.syntax.type.dependency.Dependency",
            0,
            3,
            {"Governor": "3", "Dependent": "4", "DependencyType": "nsubj"},
        ),
        ("custom.Relation", 0, 3, {"Governor": "3", "Dependent": "4", "label": "of"}),
    ]
    notes = Notes()
    (record,) = convert(tmp_path / "a.xmi", xmi(TEXT, found), notes)
    assert spans(record) == [("Ms.", "A"), ("Haag", "B")]
    assert totals(notes) == {OTHER_TYPE: 1, RELATION: 2}
    (record,) = convert(tmp_path / "a.xmi", type=["Span"], feature="comment")
    assert spans(record) == [("Ms.", "no")]
    (record,) = convert(tmp_path / "a.xmi", type=["custom.Bare", "custom.Other"])
    assert spans(record) == [("Haag", "B"), ("Haag", "Bare")]
    # Where there are named entities, others are counted.
    notes = Notes()
    (record,) = convert(tmp_path / "b" / "b.xmi", xmi(TEXT, [*found[:3], *ENTITIES]), notes)
    assert len(record.entities) == 4 and totals(notes) == {OTHER_TYPE: 3}


def test_spans_without_a_label(tmp_path):
    notes = Notes()
    found = [(NER, 0, 3, {}), (NER, 4, 8, {"value": "PER"})]
    (record,) = convert(tmp_path / "a.xmi", xmi(TEXT, found), notes)
    assert spans(record) == [("Haag", "PER")]
    assert totals(notes) == {NO_LABEL: 1} and NO_LABEL.is_loss


def test_several_values(tmp_path):
    text = "a b"
    more = (
        '<c:Span xmlns:c="http:///webanno/custom.ecore" xmi:id="5" sofa="1" begin="2" end="3">'
        "<labels>A</labels><labels>B c</labels></c:Span>"
    )
    (record,) = convert(tmp_path / "a.xmi", xmi(text, [], more=more))
    assert spans(record) == [("b", "A"), ("b", "B c")]
    structures = json.loads(cas_json(text, [(SPAN, 2, 3, {"@labels": 7})]))
    structures["%FEATURE_STRUCTURES"].append(
        {"%ID": 7, "%TYPE": "uima.cas.StringArray", "%ELEMENTS": ["A", None, "B c"]}
    )
    (record,) = convert(tmp_path / "a.json", json.dumps(structures))
    assert spans(record) == [("b", "A"), ("b", "B c")]


TYPES = """<?xml version="1.0" encoding="UTF-8"?>
<typeSystemDescription xmlns="http://uima.apache.org/resourceSpecifier"><types>
<typeDescription><name>custom.Base</name><supertypeName>uima.tcas.Annotation</supertypeName>
<features><featureDescription><name>code</name><rangeTypeName>custom.Tags</rangeTypeName>
</featureDescription></features></typeDescription>
<typeDescription><name>custom.Tags</name><supertypeName>uima.cas.String</supertypeName>
</typeDescription>
<typeDescription><name>custom.Thing</name><supertypeName>custom.Base</supertypeName>
<features><featureDescription><name>head</name><rangeTypeName>custom.Base</rangeTypeName>
</featureDescription><featureDescription><name>n</name><rangeTypeName>uima.cas.Integer
</rangeTypeName></featureDescription></features></typeDescription>
</types></typeSystemDescription>
"""


def test_type_system_tells_strings_from_references(tmp_path):
    found = [("custom.Thing", 0, 3, {"head": "3", "n": "1", "code": "2019"})]
    (record,) = convert(tmp_path / "a.xmi", xmi(TEXT, found))
    # Without it, what looks like a number is taken for one.
    assert spans(record) == [("Ms.", "Thing")]
    put(tmp_path / "TypeSystem.xml", TYPES)
    (record,) = convert(tmp_path / "a.xmi")
    assert spans(record) == [("Ms.", "2019")]


def test_initial_view_of_several(tmp_path):
    more = (
        '<cas:Sofa xmi:id="77" sofaNum="2" sofaID="other" mimeType="text" sofaString="x y"/>'
        '<c:Span xmlns:c="http:///webanno/custom.ecore" xmi:id="5" sofa="77" begin="0" end="1"/>'
    )
    notes = Notes()
    (record,) = convert(tmp_path / "a.xmi", xmi(TEXT, ENTITIES, more=more), notes)
    assert record.text == TEXT and len(record.entities) == 4
    assert totals(notes) == {OTHER_VIEW: 1}
    notes = Notes()
    content = xmi(TEXT, ENTITIES, view="plain")
    (record,) = convert(tmp_path / "b" / "b.xmi", content, notes)
    assert len(record.entities) == 4 and any("'plain'" in text for text in notes.decisions)


def test_title_and_language(tmp_path):
    (record,) = convert(tmp_path / "admin.xmi", xmi(TEXT, ENTITIES, title="doc 1.txt"))
    assert record.id == "doc 1.txt" and record.meta == {"lang": "de"}


def annotators(folder, **entities):
    for name, chosen in entities.items():
        put(folder / f"{name}.xmi", xmi(TEXT, [ENTITIES[number] for number in chosen]))
    return sorted(folder.glob("*.xmi"))


def convert_all(paths, notes, **options):
    return [record for path in paths for record in convert(path, notes=notes, **options)]


def test_curation_is_read_of_several_annotators(tmp_path):
    paths = annotators(tmp_path / "doc.txt", CURATION_USER=[0], INITIAL_CAS=[], ann=[1], bob=[2, 3])
    notes = Notes()
    (record,) = convert_all(paths, notes)
    assert record.id == "doc.txt" and record.entities[0].label == "PER"
    assert len(record.entities) == 1 and totals(notes) == {OTHER_ANNOTATOR: 3}
    assert any("CURATION_USER is read" in text for text in notes.decisions)


def test_first_annotator_is_read_without_curation(tmp_path):
    paths = annotators(tmp_path / "doc.txt", INITIAL_CAS=[], ann=[1], bob=[2, 3])
    notes = Notes()
    (record,) = convert_all(paths, notes)
    assert spans(record) == [("Haag", "PER")] and totals(notes) == {OTHER_ANNOTATOR: 2}


def test_annotator_by_name(tmp_path):
    paths = annotators(tmp_path / "one.txt", ann=[1], bob=[2, 3])
    paths += annotators(tmp_path / "two.txt", ann=[1], cy=[2])
    notes = Notes()
    (record,) = convert_all(paths, notes, annotator="bob")
    assert record.id == "one.txt" and len(record.entities) == 2
    assert totals(notes) == {OTHER_ANNOTATOR: 2, NO_ANNOTATOR: 1}


def test_majority(tmp_path):
    paths = annotators(tmp_path / "d", CURATION_USER=[3], ann=[0, 1], bob=[0, 2], cy=[0, 1])
    notes = Notes()
    (record,) = convert_all(paths, notes, annotator="majority")
    assert spans(record) == [("Ms. Haag", "PER"), ("Haag", "PER")]
    assert totals(notes) == {NO_MAJORITY: 1, OTHER_ANNOTATOR: 1}
    # Half is no majority.
    paths = annotators(tmp_path / "e", ann=[0, 1], bob=[0])
    (record,) = convert_all(paths, Notes(), annotator="majority")
    assert spans(record) == [("Ms. Haag", "PER")]


def test_every_annotator(tmp_path):
    paths = annotators(tmp_path / "d", ann=[0], bob=[1])
    notes = Notes()
    first, second = convert_all(paths, notes, annotator="every")
    assert [first.document, second.document] == ["d", "d"]
    assert [first.id, second.id] == ["d/ann", "d/bob"] and not notes.tallies


@pytest.mark.parametrize("annotator", ["auto", "majority"])
def test_folder_of_documents_is_not_of_annotators(tmp_path, annotator):
    for number in range(4):
        put(tmp_path / f"{number}.xmi", xmi(f"Bob {number}", [(NER, 0, 3, {"value": "PER"})]))
    notes = Notes()
    records = convert_all(sorted(tmp_path.glob("*.xmi")), notes, annotator=annotator)
    assert [record.id for record in records] == ["0", "1", "2", "3"]
    assert all(len(record.entities) == 1 for record in records) and not notes.tallies


def test_annotation_and_curation_of_a_project(tmp_path):
    paths = annotators(tmp_path / "annotation" / "one.txt", ann=[1], bob=[2, 3])
    paths += annotators(tmp_path / "curation" / "one.txt", CURATION_USER=[0])
    notes = Notes()
    (record,) = [record for path in paths for record in read(TextFile(path, together=paths), notes)]
    assert record.id == "one.txt" and spans(record) == [("Ms. Haag", "PER")]
    assert totals(notes) == {OTHER_ANNOTATOR: 2}


def zipped(**files):
    data = BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def test_archive_of_one_annotator(tmp_path):
    data = zipped(**{"admin.xmi": xmi(TEXT, ENTITIES[:1]), "TypeSystem.xml": TYPES})
    put(tmp_path / "doc.txt" / "admin.zip", data)
    data = zipped(**{"bob.xmi": xmi(TEXT, ENTITIES), "TypeSystem.xml": TYPES})
    file = put(tmp_path / "doc.txt" / "bob.zip", data)
    notes = Notes()
    records = convert(tmp_path / "doc.txt" / "admin.zip", notes=notes) + list(read(file, notes))
    assert len(records[0].entities) == 1
    assert "admin.xmi" in FORMAT.recognise(TextFile(tmp_path / "doc.txt" / "admin.zip").head())


def test_archive_of_a_project(tmp_path):
    data = zipped(
        **{
            "exportedproject.json": "{}",
            "annotation/one.txt/ann.zip": zipped(**{"ann.xmi": xmi(TEXT, ENTITIES[:1])}),
            "annotation/one.txt/bob.zip": zipped(**{"bob.xmi": xmi(TEXT, ENTITIES[:2])}),
            "annotation/two.txt/ann.zip": zipped(**{"ann.xmi": xmi("Bob", [])}),
            "curation/one.txt/CURATION_USER.zip": zipped(
                **{"CURATION_USER.xmi": xmi(TEXT, ENTITIES[:3])}
            ),
            "source/one.txt": TEXT,
        }
    )
    notes = Notes()
    first, second = convert(tmp_path / "project.zip", data, notes)
    assert (first.id, second.id) == ("one.txt", "two.txt")
    assert len(first.entities) == 3 and totals(notes) == {OTHER_ANNOTATOR: 2}
    assert FORMAT.recognise(TextFile(tmp_path / "project.zip").head())
    (record,) = convert(tmp_path / "project.zip", annotator="bob")
    assert record.id == "one.txt" and len(record.entities) == 2
    records = convert(tmp_path / "project.zip", annotator="every")
    assert [record.id for record in records] == [
        "one.txt/ann",
        "one.txt/bob",
        "one.txt/CURATION_USER",
        "ann",
    ]


def test_archive_of_documents(tmp_path):
    files = {f"{n}.xmi": xmi(f"Bob {n}", [(NER, 0, 3, {"value": "P"})]) for n in range(3)}
    records = convert(tmp_path / "all.zip", zipped(**files))
    assert [record.id for record in records] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("name", "content", "found", "line"),
    [
        ("a.xmi", xmi(TEXT, ENTITIES)[:-60], "is not closed", 8),
        ("a.xmi", "<a>b</a>", "no XMI", 1),
        ("a.xmi", xmi(TEXT, ENTITIES).replace('begin="4"', 'begin="x"'), "offset 'x'", 2),
        ("a.xmi", xmi(TEXT, ENTITIES).replace("sofaString", "sofaURI"), "has no text", 1),
        (
            "a.xmi",
            xmi(TEXT, ENTITIES).replace("\n<xmi", '\n<!DOCTYPE a [<!ENTITY x "y">]><xmi'),
            "declares the entity 'x'",
            2,
        ),
        ("a.json", cas_json(TEXT, ENTITIES)[:-9], "the JSON is not valid", 1),
        ("a.json", '{"%TYPES": {},\n "%FEATURE_STRUCTURES": [,]}', "the JSON is not valid", 2),
        ("a.json", '{"a": 1}', "no UIMA CAS", 1),
        ("a.json", '{"%FEATURE_STRUCTURES": [1]}', "no list of objects", 1),
        ("a.json", b'{"%TYPES": {},\n"\xe9": 1}', "no UTF-8", 2),
        ("a.json", "[" * 100000, "the JSON is not valid", 1),
        ("a.zip", b"PK\x03\x04 broken", "cannot be read", 0),
        ("a.zip", zipped(**{"x.txt": "a"}), "no UIMA CAS", 0),
    ],
)
def test_bad_input(tmp_path, name, content, found, line):
    with pytest.raises(BadInput, match=found) as caught:
        convert(tmp_path / name, content)
    assert caught.value.where.line == line
    notes = Notes(skip_bad=True)
    assert convert(tmp_path / name, notes=notes) == [] and notes.n_skipped == 1


def test_recognise(tmp_path):
    def reason(content, name="a.json"):
        return FORMAT.recognise(put(tmp_path / name, content).head())

    assert "xmi:XMI" in reason(xmi(TEXT, SPANS), "a.xmi")
    assert "%FEATURE_STRUCTURES" in reason(cas_json(TEXT, SPANS))
    assert "_referenced_fss" in reason(old_json(TEXT, SPANS))
    for content in (
        "",
        '{"text": "a", "spans": []}',
        '[{"id": 1, "data": {"text": "a"}, "annotations": []}]',
        "<typeSystemDescription/>",
        "<collection><document/></collection>",
        "a\tO\n",
        zipped(**{"word/document.xml": "<w/>"}),
        b"PK\x03\x04",
        b"\x00\x01",
    ):
        assert reason(content) is None, content


CHARS = st.characters(exclude_categories=("Cs", "Cc", "Cn")) | st.sampled_from(
    "😀e\u0301中אب\r\n\t"
)


@settings(max_examples=150, deadline=None)
@given(
    text=st.text(CHARS, min_size=1, max_size=30),
    cuts=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=6),
    label=st.text(CHARS, min_size=1, max_size=6),
    kind=st.sampled_from(["xmi", "json", "old"]),
)
def test_random_documents(tmp_path_factory, text, cuts, label, kind):
    stretches = [sorted((a % (len(text) + 1), b % (len(text) + 1))) for a, b in cuts]
    found = [(NER, start, end, {"value": label}) for start, end in stretches]
    content = {"xmi": xmi, "json": cas_json, "old": old_json}[kind](text, found)
    suffix = "xmi" if kind == "xmi" else "json"
    (record,) = convert(tmp_path_factory.mktemp("cas") / f"a.{suffix}", content)
    assert record.text == text
    assert [(one.start, one.end, one.label) for one in record.entities] == [
        (start, end, label) for start, end in stretches
    ]


def test_halves_of_characters_are_refused(tmp_path):
    path = tmp_path / "a.json"
    content = cas_json(TEXT, [(NER, 0, 3, {"value": "PER"})])
    path.write_text(content.replace("\\ud83d\\ude0a", "\\ude0a"))
    assert "\\ude0a" in path.read_text()
    with pytest.raises(BadInput, match="half a character"):
        list(read(TextFile(path), Notes()))


def test_offsets_that_are_no_numbers(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(cas_json(TEXT, [(NER, 0, 3, {})]).replace('"end": 3', '"end": 1e400'))
    assert "1e400" in path.read_text()
    with pytest.raises(BadInput, match="has the offset inf"):
        list(read(TextFile(path), Notes()))
