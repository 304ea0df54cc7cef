"""PubTator files."""

import pytest

from spacy_contrastive_ner.convert.formats.pubtator import (
    COMPOSITE,
    OTHER_DOCUMENT,
    RELATIONS,
    SAME_DOCUMENT,
    SEVERAL_TYPES,
    read,
    recognise,
)
from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.records import entity
from spacy_contrastive_ner.convert.standoff import COUNTED, UNLIKE
from spacy_contrastive_ner.convert.textfile import TextFile

ONE = "1|t|Gout in mice\n1|a|Gout is bad.\n1\t0\t4\tGout\tDisease\tD006073\n"
TWO = "2|t|Ibuprofen\n2|a|\n2\t0\t9\tIbuprofen\tChemical\t-1\n"


def records_of(tmp_path, content, notes=None, **options):
    path = tmp_path / "corpus.txt"
    path.write_bytes(content.encode())
    return list(read(TextFile(path), notes or Notes(), **options))


def test_titles_and_abstracts(tmp_path):
    content = ONE + "1\t13\t17\tGout\tDisease\tD006073\n\n\n" + TWO
    one, two = records_of(tmp_path, content)
    assert one.text == "Gout in mice\nGout is bad." and one.id == one.document == "1"
    assert one.entities == [
        entity(0, 4, "Disease", "D006073"),
        entity(13, 17, "Disease", "D006073"),
    ]
    assert (two.text, two.entities) == ("Ibuprofen", [entity(0, 9, "Chemical")])
    assert two.where.line == 7 and two.where.id == "2"
    assert records_of(tmp_path, content, join="blank")[0].text == "Gout in mice Gout is bad."


def test_documents_need_no_blank_line_and_may_have_no_mentions(tmp_path):
    records = records_of(tmp_path, ONE.replace("\n", "\r\n") + "3|t|x\n3|a|y|a|z\n" + TWO)
    assert [r.id for r in records] == ["1", "3", "2"]
    assert records[1].text == "x\ny|a|z" and records[1].entities == []


def test_empty_title_and_several_abstracts(tmp_path):
    content = "1|t|\n1|a|Gout.\n1|a|More gout.\n1\t1\t5\tGout\tDisease\tD1\n1\t12\t16\tgout\tDisease\tD1\n"
    (record,) = records_of(tmp_path, content)
    assert record.text == "\nGout.\nMore gout."
    assert [e.text_in(record.text) for e in record.entities] == ["Gout", "gout"]


def test_several_types_and_ids(tmp_path):
    content = "1|t|TP53 gene\n1|a|-\n1\t0\t4\tTP53\tGene,Protein\tD1|D2\n"
    notes = Notes()
    (record,) = records_of(tmp_path, content, notes)
    assert record.entities == [entity(0, 4, "Gene", "D1|D2"), entity(0, 4, "Protein", "D1|D2")]
    assert notes.tallies[SEVERAL_TYPES].total == 1
    (record,) = records_of(tmp_path, content, types="keep")
    assert record.entities == [entity(0, 4, "Gene,Protein", "D1|D2")]


def test_composite_mentions_and_relations(tmp_path):
    content = (
        "1|t|renal and hepatic failure\n1|a|x\n"
        "1\t0\t25\trenal and hepatic failure\tDisease\tD1|D2\trenal failure|hepatic failure\n"
        "1\t0\t5\trenal\tPart\tD3\t\n1\t6\t9\tand\tWord\n1\tCID\tD1\tD2\n"
    )
    notes = Notes()
    (record,) = records_of(tmp_path, content, notes)
    assert record.entities == [
        entity(0, 25, "Disease", "D1|D2"), entity(0, 5, "Part", "D3"), entity(6, 9, "Word"),
    ]  # fmt: skip
    assert notes.tallies[COMPOSITE].total == 1 == notes.tallies[RELATIONS].total


def test_documents_that_stand_twice(tmp_path):
    notes = Notes()
    other = ONE.replace("is bad", "is worse")
    records = records_of(tmp_path, ONE + "\n" + TWO + "\n" + ONE + "\n" + other, notes)
    assert [r.id for r in records] == ["1", "2", "1"] and "worse" in records[2].text
    assert notes.tallies[SAME_DOCUMENT].total == notes.tallies[OTHER_DOCUMENT].total == 1


def test_a_title_begins_a_document(tmp_path):
    records = records_of(tmp_path, "1|t|x\n1|a|y\n1|t|z\n1|a|y\n")
    assert [r.text for r in records] == ["x\ny", "z\ny"]


def test_offsets_in_bytes_and_wrong_surfaces(tmp_path):
    notes = Notes()
    content = "1|t|Ménière's disease\n1|a|Vertigo\n1\t0\t19\tMénière's disease\tDisease\tD1\n"
    (record,) = records_of(tmp_path, content + "1\t20\t27\tVertigo\tDisease\tD2\n", notes)
    assert [e.text_in(record.text) for e in record.entities] == ["Ménière's disease", "Vertigo"]
    assert COUNTED in notes.tallies
    notes = Notes()
    (record,) = records_of(tmp_path, ONE + "1\t8\t12\tmice\tX\tD\n1\t13\t17\tfever\tX\tD\n", notes)
    assert notes.tallies[UNLIKE].total == 1 and record.entities[2] == entity(13, 17, "X", "D")
    with pytest.raises(BadInput, match=r"line 3 .*2 of 2 mentions"):
        records_of(tmp_path, "1|t|a\n1|a|b\n1\t0\t1\tx\tX\tD\n1\t2\t3\ty\tX\tD\n")


@pytest.mark.parametrize(
    "line, found",
    [
        ("1\t0\t4\tGo", "4 columns"),
        ("1\t0\tx\tGout\tDisease\tD1", "is no mention"),
        ("9\t0\t4\tGout\tDisease\tD1", "belongs to '9'"),
        ("Gout", "neither text"),
    ],
)
def test_bad_lines(tmp_path, line, found):
    with pytest.raises(BadInput, match=f"corpus.txt, line 4.*{found}"):
        records_of(tmp_path, ONE + line + "\n")
    notes = Notes(skip_bad=True)
    records = records_of(tmp_path, ONE + line + "\n\n" + TWO, notes)
    assert [len(r.entities) for r in records] == [1, 1] and notes.n_skipped == 1


def test_a_mention_before_all_texts_is_bad(tmp_path):
    with pytest.raises(BadInput, match=r"line 1: .*that of nothing"):
        records_of(tmp_path, "1\t0\t4\tGout\tDisease\tD1\n" + ONE)


@pytest.mark.parametrize(
    "content, yes",
    [
        ("\n" + ONE, True),
        ("1|a|Gout\n", True),
        ("Ann\tB-PER\nBo\tI-PER\n", False),
        ('{"a|t|b": 1}\n', False),
        ("<a>1|t|x</a>\n", False),
        ("1\t0\t4\tGout\tDisease\tD1\n", False),
        ("1|x|y\n", False),
        ("", False),
    ],
)
def test_recognise(tmp_path, content, yes):
    path = tmp_path / "x.txt"
    path.write_text(content)
    assert (recognise(TextFile(path).head()) is not None) == yes


@pytest.mark.parametrize("line", [b"2|t|Ibuprof\xe9ne", b"2|a|\xe9"])
def test_documents_with_undecodable_texts_are_passed_over(tmp_path, line):
    path = tmp_path / "corpus.txt"
    two = TWO.encode().replace(b"2|t|Ibuprofen" if b"|t|" in line else b"2|a|", line)
    path.write_bytes(ONE.encode() + b"\n" + two + b"\n" + TWO.replace("2", "3").encode())
    notes = Notes(skip_bad=True)
    assert [record.id for record in read(TextFile(path), notes)] == ["1", "3"]
    assert notes.n_skipped == 1
