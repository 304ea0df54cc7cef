"""Tables of mentions by offsets."""

import pytest

from spacy_contrastive_ner.convert.formats.offset_tsv.columns import (
    columns_by_content,
    columns_by_name,
)
from spacy_contrastive_ner.convert.formats.offset_tsv.read import (
    LEFT_TO_OTHER,
    NOT_ANNOTATED,
    read,
    recognise,
)
from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.records import Entity, entity
from spacy_contrastive_ner.convert.standoff import MOVED, UNLIKE
from spacy_contrastive_ner.convert.textfile import TextFile

LIVING = "filename\tmark\tlabel\toff0\toff1\tspan"
CODES = LIVING + "\tisH\tisN\tiscomplex\tNCBITax"
BIONNE = "document_id\ttext\tentity_type\tspans\tUMLS_CUI"
BIONNE_R = "document_id\tentity_type\tentity_text\tentity_span"
ANN, BOB = "Ann has E. coli.", "Un perro y un gato"


def table(folder, *lines, name="train.tsv"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


def texts(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.txt").write_bytes(text.encode())


def read_all(path, notes=None, **options):
    return list(read(TextFile(path), notes or Notes(), **options))


@pytest.fixture
def corpus(tmp_path):
    texts(tmp_path, ann=ANN, bob=BOB)
    return tmp_path


def test_livingner(corpus):
    path = table(
        corpus, CODES,
        "bob\tT1\tSPECIES\t3\t8\tperro\tFalse\tFalse\tFalse\t9615",
        "ann\tT1\tHUMAN\t0\t3\tAnn\tTrue\tFalse\tFalse\t9606|x",
        "bob\tT2\tSPECIES\t14\t18\tgato\tFalse\tFalse\tFalse\tNOCODE",
    )  # fmt: skip
    notes = Notes()
    bob, ann = read_all(path, notes)
    assert (bob.id, bob.document, bob.text) == ("bob", "bob", BOB)
    assert bob.entities == [entity(3, 8, "SPECIES", "9615"), entity(14, 18, "SPECIES")]
    assert ann.entities == [entity(0, 3, "HUMAN", "9606|x")]
    assert (ann.where.line, ann.where.id) == (3, "ann")
    assert notes.decisions == [
        "columns of the table, by their names: file 1, label 3, start 4, end 5, text 6, code 10; "
        "not read: 2, 7, 8, 9"
    ]


@pytest.mark.parametrize("header", [BIONNE, BIONNE_R])
def test_bionne(corpus, header):
    cells = {
        "document_id": "bob.txt", "text": "gato perro", "entity_text": "gato perro",
        "entity_type": "DISO", "spans": "14-18,3-8", "entity_span": "14-18,3-8", "UMLS_CUI": "C1",
    }  # fmt: skip
    line = "\t".join(cells[name] for name in header.split("\t"))
    bob, ann = read_all(table(corpus, header, line))
    code = "C1" if header == BIONNE else ""
    assert bob.entities == [Entity(((3, 8), (14, 18)), "DISO", code)] and bob.id == "bob"
    assert ann.entities == []


def test_header_of_other_names(corpus):
    path = table(corpus, "Doc-ID\tann_id\tTag\tstart_span\tend_span\ttext", "ann\tT1\tX\t0\t3\tAnn")
    assert read_all(path)[0].entities == [entity(0, 3, "X")]


def test_columns_by_content(corpus):
    rows = ["ann\tT1\tX\t0\t3\tAnn", "bob\tT1\tX\t3\t8\tperro", "bob\tT2\tY\t14\t18\tgato"]
    notes = Notes()
    ann, bob = read_all(table(corpus, *rows), notes)
    assert ann.entities == [entity(0, 3, "X")] and bob.entities[1] == entity(14, 18, "Y")
    assert "by their content: file 1, label 3, start 4, end 5, text 6; not read: 2" in str(
        notes.decisions
    )
    rows = ["ann\tDIAG\tc18\tAnn coli\t0 3;11 15", "bob\tDIAG\tc19\tperro\t3 8"]
    ann, bob = read_all(table(corpus, *rows))
    assert ann.entities == [Entity(((0, 3), (11, 15)), "DIAG")]


def test_columns_given(corpus):
    line = "X\tann\t0\t3"
    with pytest.raises(BadInput, match=r"line 1: the columns are not known .*--read columns="):
        read_all(table(corpus, line))
    path = table(corpus, line)
    assert read_all(path, columns=["label", "file", "start", "end"])[0].entities[0].label == "X"
    found = read_all(path, columns=["-", "file", "start", "end"], label="Y")[0]
    assert found.entities == [entity(0, 3, "Y")]
    with pytest.raises(BadInput, match="no column holds the label"):
        read_all(path, columns=["-", "file", "start", "end"])
    with pytest.raises(BadInput, match="columns=name,file does not say where"):
        read_all(path, columns=["name", "file"])


@pytest.mark.parametrize(
    "place, where",
    [
        (".", "."), ("text", "."), ("texts", "."), ("text-files", "."), ("txt", "."),
        ("text_files", "sub/task"), ("texts/en/train", "tsv/en"),
    ],
)  # fmt: skip
def test_where_texts_are(tmp_path, place, where):
    texts(tmp_path / place, ann=ANN)
    path = table(tmp_path / where, LIVING, "ann\tT1\tX\t0\t3\tAnn")
    assert read_all(path)[0].text == ANN


def test_other_folders_are_not_looked_in(tmp_path):
    texts(tmp_path / "old", ann="other")
    path = table(tmp_path, LIVING, "ann\tT1\tX\t0\t3\tAnn")
    with pytest.raises(BadInput, match="not found"):
        read_all(path)


def test_texts_given(tmp_path):
    texts(tmp_path / "a" / "deep", ann=ANN)
    path = table(tmp_path / "b", LIVING, "ann\tT1\tX\t0\t3\tAnn")
    assert read_all(path, texts=tmp_path / "a")[0].text == ANN
    with pytest.raises(BadInput, match="no such folder"):
        read_all(path, texts=tmp_path / "c")


def test_a_missing_text_is_bad_input(corpus):
    path = table(corpus, LIVING, "eve\tT1\tX\t0\t3\tEve", "ann\tT1\tX\t0\t3\tAnn")
    with pytest.raises(
        BadInput, match=r"train\.tsv, line 2 .*the text 'eve' is not found in .*texts=FOLDER"
    ):
        read_all(path)
    notes = Notes(skip_bad=True)
    assert [r.id for r in read_all(path, notes, unannotated="drop")] == ["ann"]
    assert notes.n_skipped == 1


def test_texts_without_annotations(corpus):
    texts(corpus, README="Read me")
    texts(corpus / "texts", zoe="not of this folder")
    path = table(corpus, LIVING, "ann\tT1\tX\t0\t3\tAnn")
    notes = Notes()
    assert [(r.id, len(r.entities)) for r in read_all(path, notes)] == [("ann", 1), ("bob", 0)]
    assert notes.tallies[NOT_ANNOTATED].total == 1
    assert [r.id for r in read_all(path, unannotated="drop")] == ["ann"]
    path = table(corpus, LIVING, "ann\tT1\tX\t0\t3\tAnn", "bob.txt\t-\t-\t-\t-\t-")
    assert [(r.id, len(r.entities)) for r in read_all(path)] == [("ann", 1), ("bob", 0)]


def test_several_tables(corpus):
    texts(corpus, eve="Eve")
    dev = table(corpus, LIVING, "ann\tT1\tX\t0\t3\tAnn", name="dev.tsv")
    train = table(corpus, LIVING, "bob\tT1\tX\t3\t8\tperro", name="train.tsv")
    table(corpus, "something\telse", name="a.tsv")
    notes = Notes()
    assert [r.id for r in read_all(dev, notes)] == ["ann", "eve"]
    assert [r.id for r in read_all(train, notes)] == ["bob"]
    assert notes.tallies[LEFT_TO_OTHER].total == 1
    assert [r.id for r in read_all(train, notes, unannotated="keep")] == ["bob", "ann", "eve"]


def test_spans_that_do_not_match(corpus):
    good = ["bob\tT1\tX\t3\t8\tperro", "bob\tT2\tX\t0\t2\tUn", "bob\tT3\tX\t11\t13\tun"]
    notes = Notes()
    (bob, _) = read_all(table(corpus, LIVING, *good, "bob\tT4\tX\t13\t17\tgato"), notes)
    assert bob.entities[3] == entity(14, 18, "X") and notes.tallies[MOVED].total == 1
    notes = Notes()
    (bob, _) = read_all(table(corpus, LIVING, *good, "bob\tT4\tX\t13\t17\toveja"), notes)
    assert bob.entities[3] == entity(13, 17, "X")
    assert "line 5" in notes.tallies[UNLIKE].examples[0]
    path = table(corpus, LIVING, "bob\tT4\tX\t14\t18\toveja")
    with pytest.raises(BadInput, match=r"line 2 .*1 of 1 mentions"):
        read_all(path)
    assert read_all(path, surfaces="ignore")[0].entities == [entity(14, 18, "X")]


def test_inclusive_ends(corpus):
    lines = [LIVING, "bob\tT1\tX\t3\t7\tperro", "ann\tT1\tX\t0\t2\tAnn"]
    notes = Notes()
    bob, ann = read_all(table(corpus, *lines), notes)
    assert bob.entities == [entity(3, 8, "X")] and ann.entities == [entity(0, 3, "X")]
    assert "the end of a mention is its last character" in notes.decisions
    path = table(corpus, LIVING.replace("span", "note"), "ann\tT1\tX\t0\t2\t?")
    assert read_all(path, ends="inclusive")[0].entities == [entity(0, 3, "X")]


def test_quoted_cells(tmp_path):
    texts(tmp_path, a='say "hi" x')
    path = table(tmp_path, LIVING, 'a\tT1\tX\t4\t10\t"""hi"" x"')
    assert read_all(path)[0].entities == [entity(4, 10, "X")]


@pytest.mark.parametrize(
    "line",
    ["ann\tT1\tX", "ann\tT1\tX\t0\tthree\tAnn", "\tT1\tX\t0\t3\tAnn", "ann\tT1\t\t0\t3\tAnn"],
)
def test_bad_lines(corpus, line):
    path = table(corpus, LIVING, "bob\tT1\tX\t3\t8\tperro", line)
    with pytest.raises(BadInput, match=r"train\.tsv, line 3: .*is no mention"):
        read_all(path)
    notes = Notes(skip_bad=True)
    assert len(read_all(path, notes)) == 2 and notes.n_skipped == 1


def test_empty_and_undecodable_tables(tmp_path):
    (tmp_path / "x.tsv").touch()
    with pytest.raises(BadInput, match="the file is empty"):
        read_all(tmp_path / "x.tsv")
    (tmp_path / "y.tsv").write_bytes(LIVING.encode() + b"\nann\tT1\tX\t0\t3\t\xe9\n")
    with pytest.raises(BadInput, match="line 2: the bytes e9"):
        read_all(tmp_path / "y.tsv")


def test_marks_and_line_ends(tmp_path):
    texts(tmp_path, a="\ufeffAnn\r\nBo")
    path = table(tmp_path, "\ufeff" + LIVING + "\r", "a\tT1\tX\t6\t8\tBo\r")
    # Neither the mark nor the line end counts as it stands: only one of both does.
    (record,) = read_all(path)
    assert record.entities[0].text_in(record.text) == "Bo"


@pytest.mark.parametrize(
    "lines, yes",
    [
        ([LIVING], True),
        ([CODES, "a\tT1\tX\t0\t3\tAnn\tF\tF\tF\t1"], True),
        ([BIONNE, "a\tAnn\tX\t0-3\tC1"], True),
        (["a\tT1\tX\t0\t3\tAnn", "b\tT1\tX\t3\t8\tperro"], True),
        (["document_id\trelation\thead_text\thead_span", "a\tX\tAnn\t0-3"], False),
        (["1|t|Gout", "1|a|x", "1\t0\t4\tGout\tDisease\tD1"], False),
        (["T1\tPER 0 3\tAnn"], False),
        (["#FORMAT=WebAnno TSV 3.2", "", "#Text=Ann", "1-1\t0-3\tAnn\tPER"], False),
        (["1\tAnn\t_\tPROPN", "2\tBo\t_\tPROPN"], False),
        (["Ann\tNNP\tB\tB-PER", "Bo\tNNP\tB\tI-PER"], False),
        (["Ann has E. coli."], False),
        ([""], False),
    ],
)
def test_recognise(tmp_path, lines, yes):
    path = table(tmp_path, *lines)
    assert (recognise(TextFile(path).head()) is not None) == yes


def test_columns():
    assert columns_by_name([["a", "b"]]) is None
    assert (
        columns_by_name([["file", "spans", "text", "label"], ["a", "0-1;3-4", "x y", "X"]])[4] == 1
    )
    assert columns_by_content([["a", "X", "0", "3", "Anna Bo"]]) is None


def test_undecodable_lines_are_passed_over(corpus):
    path = table(corpus, LIVING, "ann\tT1\tHUMAN\t0\t3\tAnn", "bob\tT1\tSPECIES\t3\t8\tperro")
    path.write_bytes(path.read_bytes() + b"bob\tT2\tSPECIES\t14\t18\tgat\xff\n")
    notes = Notes(skip_bad=True)
    assert [len(record.entities) for record in read_all(path, notes)] == [1, 1]
    assert notes.n_skipped == 1
