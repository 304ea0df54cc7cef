"""What goes out comes back, by way of each format, which is found by itself; and each format is
recognised by itself only."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_contrastive_ner.convert.detect import Found, find
from spacy_contrastive_ner.convert.format import Format
from spacy_contrastive_ner.convert.formats import FORMATS
from spacy_contrastive_ner.convert.mending import mend
from spacy_contrastive_ner.convert.notes import Notes
from spacy_contrastive_ner.convert.records import Record, Where, entity
from spacy_contrastive_ner.convert.run import Conversion, convert
from spacy_contrastive_ner.convert.textfile import TextFile

from .formats.json_records import records

NLP = spacy.blank("en")
WRITTEN = [name for name, format in FORMATS.items() if format.write]


def write(some, path, name, notes=None, **options):
    """Convert records to a format."""
    source = Format("given", "", (), lambda head: None, lambda file, notes: (r for r in some))
    found = Found(source, "", [Path(__file__)], [])
    conversion = Conversion(found, path, FORMATS[name], NLP, write=options)
    if FORMATS[name].needs_tokens:
        conversion = replace(conversion, alignment="retokenize")
    convert(conversion, notes or Notes())


def read(path, notes=None):
    """Find the format, and read."""
    found = find(path, FORMATS)
    conversion = Conversion(found, path, FORMATS["jsonl"], NLP)
    return found.format.name, list(conversion.records(notes or Notes(), None))


def content(record):
    return record.text, sorted((e.fragments, e.label) for e in record.entities)


@pytest.mark.parametrize("name", WRITTEN)
@settings(max_examples=50, deadline=None)
@given(some=st.lists(records(max_fragments=3, is_full=True), min_size=1, max_size=3))
def test_out_and_in(tmp_path_factory, name, some):
    some = [mend(replace(r, id=f"d{i}", document=""), Notes()) for i, r in enumerate(some)]
    format = FORMATS[name]
    path = tmp_path_factory.mktemp("trip") / (
        "out" if format.to_folder else f"out{format.suffixes[0]}"
    )
    notes = Notes()
    write(some, path, name, notes)
    found, again = read(path)
    assert found == name
    losses = [kind for kind in notes.tallies if kind.is_loss]
    if not losses:
        assert [content(r) for r in again] == [content(r) for r in some]
        assert [r.id for r in again] == [r.id for r in some]
    else:
        n_lost = sum(notes.tallies[kind].total for kind in losses)
        before = Counter(e.label for r in some for e in r.entities)
        after = Counter(e.label for r in again for e in r.entities)
        assert (before - after).total() <= n_lost


SAMPLE = [
    Record("Anna left Paris.", [entity(0, 4, "PER"), entity(10, 15, "GPE")], Where(Path("a")),
           "d1", tokens=[(0, 4), (5, 9), (10, 15), (15, 16)]),
    Record("It rained.", [], Where(Path("a")), "d2", tokens=[(0, 2), (3, 9), (9, 10)]),
]  # fmt: skip
XMI = """<?xml version="1.0" encoding="UTF-8"?>
<xmi:XMI xmlns:xmi="http://www.omg.org/XMI" xmlns:cas="http:///uima/cas.ecore"
 xmlns:type4="http:///de/tudarmstadt/ukp/dkpro/core/api/ner/type.ecore" xmi:version="2.0">
<cas:NULL xmi:id="0"/>
<type4:NamedEntity xmi:id="5" sofa="1" begin="0" end="4" value="PER"/>
<cas:Sofa xmi:id="1" sofaNum="1" sofaID="_InitialView" mimeType="text" sofaString="Anna left."/>
<cas:View sofa="1" members="5"/></xmi:XMI>
"""
WEBANNO = """#FORMAT=WebAnno TSV 3.3
#T_SP=de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity|identifier|value


#Text=Anna left.
1-1\t0-4\tAnna\t_\tPER\t
1-2\t5-9\tleft\t_\t_\t
1-3\t9-10\t.\t_\t_\t
"""
BIOC = """<?xml version="1.0"?><!DOCTYPE collection SYSTEM "BioC.dtd"><collection><source>x</source>
<date>1</date><key>k</key><document><id>1</id><passage><offset>0</offset><text>Anna left.</text>
<annotation id="0"><infon key="type">PER</infon><location offset="0" length="4"/><text>Anna</text>
</annotation></passage></document></collection>
"""
PASSAGE = {"infons": {}, "offset": 0, "text": "Anna left.", "annotations": [
    {"id": "0", "infons": {"type": "PER"}, "text": "Anna",
     "locations": [{"offset": 0, "length": 4}]}]}  # fmt: skip
PARAGRAPH = {"raw": "Anna left.", "sentences": [{"tokens": [
    {"id": 0, "orth": "Anna", "ner": "U-PER"}, {"id": 1, "orth": "left.", "ner": "O"}]}]}  # fmt: skip
CONLLU = """# newdoc id = d
# global.Entity = eid-etype-head
# sent_id = 1
# text = Anna left.
1\tAnna\tAnna\tPROPN\t_\t_\t2\tnsubj\t_\tEntity=(e1-person-1)
2\tleft\tleave\tVERB\t_\t_\t0\troot\t_\tSpaceAfter=No
3\t.\t.\tPUNCT\t_\t_\t2\tpunct\t_\t_

"""
# Of the formats that are read only, and of other shapes than are written.
TEXTS = {
    ("webanno", "a.tsv"): WEBANNO,
    ("uima", "a.xmi"): XMI,
    ("bioc", "a.xml"): BIOC,
    ("bioc-json", "a.json"): json.dumps({"documents": [{"id": "1", "passages": [PASSAGE]}]}),
    ("inline-xml", "a.xml"): "<doc><s><PER>Anna</PER> left <GPE>Paris</GPE>.</s></doc>\n",
    ("pubtator", "a.pubtator"): "1|t|Anna left.\n1|a|It rained.\n1\t0\t4\tAnna\tPER\n\n",
    ("spacy-json", "a.json"): json.dumps([{"id": 0, "paragraphs": [PARAGRAPH]}]),
    ("offset-tsv", "a.tsv"): "filename\tmark\tlabel\toff0\toff1\tspan\nd\tT1\tPER\t0\t4\tAnna\n",
    ("conllu", "a.conllu"): CONLLU,
    ("columns", "a.conll"): "-DOCSTART- -X- O O\n\nAnna NNP B-NP B-PER\nleft VBD B-VP O\n\n",
    ("columns", "a.txt"): "Anna\tB-PER\tO\nleft\tO\tB-EV\n\n",
    ("jsonl", "a.jsonl"): '{"text": "Anna left.", "label": [[0, 4, "PER"]]}\n',
}


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Files by their format and name."""
    folder = tmp_path_factory.mktemp("samples")
    found = {}
    for (name, file), text in TEXTS.items():
        path = folder / name / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf8")
        found[name, file] = path
    (folder / "offset-tsv" / "d.txt").write_text("Anna left.")
    for name in WRITTEN:
        format = FORMATS[name]
        path = folder / "written" / name / f"out{'' if format.to_folder else format.suffixes[0]}"
        write(SAMPLE, path, name)
        for file in [path] if path.is_file() else path.iterdir():
            found[name, file.name] = file
    return found


def test_there_is_a_sample_of_each_format(samples):
    assert {name for name, _ in samples} == set(FORMATS)


def test_samples_are_recognised(samples):
    """By their format, and by no other."""
    wrong = {}
    for (name, file), path in samples.items():
        head = TextFile(path).head()
        names = [other for other, format in FORMATS.items() if format.recognise(head)]
        if names != [name]:
            wrong[name, file] = names
    assert wrong == {}


def test_samples_are_read(samples):
    for (name, file), path in samples.items():
        if name == "brat":
            # The second text has no entities.
            path, file = path.parent, "folder"
        found, some = read(path)
        assert found == name and some, (name, file)
        labels = [label for r in some for _, label in content(r)[1]]
        assert labels and labels[0].upper() in ("PER", "PERSON"), (name, file)


@pytest.mark.parametrize(
    "text",
    ["", "\n", "# Title\n\nSome text, with **words**.\n", "MIT License\n\nCopyright (c) 2020 X\n",
     "a,b,c\n1,2,3\n", "Anna\tParis\nBob\tRome\n", "{}", "[]", '{"a": 1}', "null", "3", "<", "<a/>",
     "<html><body><p>Hello <b>you</b></p></body></html>", "[tool]\nx = 1\n", "\x00\x01\x02", "x\x9c"],
)  # fmt: skip
@pytest.mark.parametrize("file", ["README.md", "a.txt", "a.json", "a.tsv", "a.xml"])
def test_what_is_no_format(tmp_path, text, file):
    path = tmp_path / file
    path.write_bytes(text.encode())
    head = TextFile(path).head()
    assert [name for name, format in FORMATS.items() if format.recognise(head)] == []


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=60) | st.text("{}[]<>\"':,|#\t\n -_OBITesxt1a0", max_size=60),
       suffix=st.sampled_from([".txt", ".json", ".xml", ".tsv", ".ann", ".spacy", ".zip", ""]))  # fmt: skip
def test_recognising_never_fails(tmp_path_factory, data, suffix):
    path = tmp_path_factory.getbasetemp() / f"noise{suffix}"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    for format in FORMATS.values():
        format.recognise(TextFile(path).head())
