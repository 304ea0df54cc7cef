"""brat, in and out."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_contrastive_ner.convert.formats.brat import (
    BLANK,
    NO_ANNOTATION,
    NO_CORPUS,
    NO_LABEL,
    NO_META,
    NO_MISSING,
    NO_TOKENS,
    PASSED_OVER,
    RENAMED,
    UNSAFE,
    escape,
    read,
    recognise,
    unescape,
    write,
)
from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.records import Entity, Record, Where, entity
from spacy_contrastive_ner.convert.standoff import COUNTED, MOVED, UNLIKE
from spacy_contrastive_ner.convert.textfile import TextFile

WHERE = Where(Path("in.jsonl"))


def put(folder, **files):
    for name, content in files.items():
        stem, _, suffix = name.rpartition("_")
        path = folder / f"{stem}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def read_folder(folder, notes=None, **options):
    notes = notes or Notes()
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [record for path in files for record in read(TextFile(path), notes, **options)]


def read_one(folder, text, ann, notes=None, **options):
    put(folder, d_txt=text, d_ann=ann)
    (record,) = read_folder(folder, notes, **options)
    return record


def heads(folder):
    return {path.name: recognise(TextFile(path).head()) for path in folder.iterdir()}


def test_pairs_in_nested_folders(tmp_path):
    for folder, name in (("", "a"), ("x", "b"), ("x/y", "c")):
        put(
            tmp_path / folder, **{f"{name}_txt": "Ann met Bo.", f"{name}_ann": "T1\tPER 0 3\tAnn\n"}
        )
    records = read_folder(tmp_path)
    assert [r.id for r in records] == [r.document for r in records] == ["a", "b", "c"]
    assert all(r.entities == [entity(0, 3, "PER")] for r in records)
    assert records[1].where == Where(tmp_path / "x" / "b.ann", 0, "b")


def test_one_pair(tmp_path):
    put(tmp_path, d_txt="Ann", d_ann="T1\tPER 0 3\tAnn")
    (record,) = read(TextFile(tmp_path / "d.ann"), Notes())
    assert record.text == "Ann" and len(record.entities) == 1


def test_discontinuous_and_other_lines(tmp_path):
    ann = (
        "T1\tDIS 0 4;15 19\tleft lung\nT2\tDIS 9 19\tright lung\n"
        "R1\tPart Arg1:T1 Arg2:T2\nE1\tGrow:T2 Theme:T1\nA1\tNegated T1\nM1\tSure E1\n"
        "*\tEquiv T1 T2\n#1\tAnnotatorNotes T1\tlook again\n\n"
        "N1\tReference T1 MESH:D003110\tLung, left\nN2\tReference E1 GO:1\tgrowth\n"
        "N3\tReference T2 MESH:D1\tx\nN4\tReference T2 UMLS:C1\n"
    )
    notes = Notes()
    record = read_one(tmp_path, "left and right lung", ann, notes)
    assert record.entities == [
        Entity(((0, 4), (15, 19)), "DIS", "MESH:D003110"),
        entity(9, 19, "DIS", "MESH:D1|UMLS:C1"),
    ]
    totals = {sign: notes.tallies[kind].total for sign, kind in PASSED_OVER.items()}
    assert totals == {"R": 1, "E": 1, "A": 2, "M": 2, "N": 1, "#": 1, "*": 1}


def test_missing_ann(tmp_path):
    put(tmp_path, a_txt="Ann", a_ann="", b_txt="Bo", README_txt="Hello")
    with pytest.raises(BadInput, match=r"b\.txt: there are no annotations .*missing_ann=empty"):
        read_folder(tmp_path)
    notes = Notes()
    records = read_folder(tmp_path, notes, missing_ann="empty")
    assert [(r.id, r.text, r.entities) for r in records] == [("a", "Ann", []), ("b", "Bo", [])]
    assert notes.tallies[NO_ANNOTATION].total == notes.tallies[NO_CORPUS].total == 1


def test_missing_txt(tmp_path):
    put(tmp_path, a_ann="T1\tPER 0 3\tAnn", b_ann="T1\tPER 0 2\tBo", b_txt="Bo")
    with pytest.raises(BadInput, match=r"a\.ann: there is no text beside it"):
        read_folder(tmp_path)
    notes = Notes(skip_bad=True)
    assert [r.id for r in read_folder(tmp_path, notes)] == ["b"] and notes.n_skipped == 1


def test_several_annotation_files(tmp_path):
    put(
        tmp_path,
        d_txt="Ann in Ulm",
        d_a1="T1\tPER 0 3\tAnn\n",
        d_a2="T2\tLOC 7 10\tUlm\nN1\tRef T1 W:1\n",
    )
    (record,) = read(TextFile(tmp_path / "d.txt"), Notes())
    assert record.entities == [entity(0, 3, "PER", "W:1"), entity(7, 10, "LOC")]


@pytest.mark.parametrize("n", [1, 2])
def test_crlf(tmp_path, n):
    text = "Ann\r\nand\r\nBo"
    start = text.index("Bo") - (0 if n == 2 else 2)
    ann = f"T1\tPER 0 3\tAnn\r\nT2\tPER {start} {start + 2}\tBo\r\n"
    notes = Notes()
    record = read_one(tmp_path, text, ann, notes)
    assert record.text == text
    assert [e.text_in(text) for e in record.entities] == ["Ann", "Bo"]
    assert (COUNTED in notes.tallies) == (n == 1) == bool("as one" in str(notes.decisions))


def test_byte_order_mark(tmp_path):
    mark = b"\xef\xbb\xbf"
    counted = read_one(tmp_path, mark + b"Ann", mark + b"T1\tPER 1 4\tAnn")
    assert counted.text == "\ufeffAnn" and counted.entities == [entity(1, 4, "PER")]
    notes = Notes()
    other = read_one(tmp_path, mark + b"Ann", "T1\tPER 0 3\tAnn", notes)
    assert other.text == "Ann" and other.entities == [entity(0, 3, "PER")]
    assert "no byte order mark" in str(notes.decisions)


def test_text_that_does_not_match(tmp_path):
    text = "Ann and Bo went to Ulm in May"
    notes = Notes()
    ann = "T1\tPER 1 4\tAnn\nT2\tPER 9 11\tBo\nT3\tLOC 20 23\tUlm\n"
    record = read_one(tmp_path, text, ann, notes)
    assert [e.text_in(text) for e in record.entities] == ["Ann", "Bo", "Ulm"]
    assert notes.tallies[MOVED].total == 3
    notes = Notes()
    ann = "T1\tPER 0 3\tAnn\nT2\tPER 8 10\tBo\nT3\tLOC 19 22\tRome\n"
    record = read_one(tmp_path, text, ann, notes)
    assert record.entities[2] == entity(19, 22, "LOC")
    assert notes.tallies[UNLIKE].labels == {"LOC": 1}
    assert "d.ann, line 3" in notes.tallies[UNLIKE].examples[0]
    with pytest.raises(BadInput, match=r"d\.ann, line 1 .*1 of 1 mentions are not what"):
        read_one(tmp_path, text, "T1\tPER 0 3\tPeter\n")
    assert read_one(tmp_path, text, "T1\tPER 0 3\tPeter\n", surfaces="ignore").entities


def test_line_breaks_inside_entities(tmp_path):
    record = read_one(tmp_path, "New\nYork\r\nCity", "T1\tLOC 0 14\tNew York City\n")
    assert record.entities == [entity(0, 14, "LOC")]


def test_lines_without_surface_and_labels_with_blanks(tmp_path):
    record = read_one(tmp_path, "Ann Bo", "T1\tfirst name 0 3\nT2\tPER 4 6\n")
    assert record.entities == [entity(0, 3, "first name"), entity(4, 6, "PER")]


@pytest.mark.parametrize(
    "line",
    ["T2\tPER 0", "T2\tPER 0 x\tAnn", "T2 PER 0 3 Ann", "?", "T1\tPER 0 3\tAnn", "X1\tA 0 3\tAnn"],
)
def test_bad_lines(tmp_path, line):
    ann = f"T1\tPER 0 3\tAnn\n{line}\nT9\tPER 4 6\tBo"
    with pytest.raises(BadInput, match=r"d\.ann, line 2"):
        read_one(tmp_path, "Ann Bo", ann)
    notes = Notes(skip_bad=True)
    assert len(read_one(tmp_path, "Ann Bo", ann, notes).entities) == 2 and notes.n_skipped == 1


def test_undecodable_bytes(tmp_path):
    put(tmp_path, d_txt=b"caf\xe9", d_ann="")
    with pytest.raises(BadInput, match=r"d\.txt, line 1: the bytes e9 are no utf-8"):
        read_folder(tmp_path)
    (record,) = read(TextFile(tmp_path / "d.ann", "latin-1"), Notes())
    assert record.text == "café"


def test_recognise(tmp_path):
    put(
        tmp_path,
        a_txt="Ann", a_ann="T1\tPER 0 3\tAnn\n", b_txt="Bo", b_ann="", c_txt="alone",
        d_ann="#1\tAnnotatorNotes T1\tno\nT1\tPER 0 1;2 3\tx y", e_ann="Ann B-PER\n",
        f_tsv="Ann\tB-PER\nT1\tO\n", g_tsv="T1\tO\n", h_a1="T1\tPER 0 3\tAnn\n",
    )  # fmt: skip
    found = heads(tmp_path)
    assert {name for name, reason in found.items() if reason} == {
        "a.txt", "a.ann", "b.txt", "b.ann", "d.ann"
    }  # fmt: skip
    assert "a.ann" in found["a.txt"]


# ---- out


def out_and_in(folder, records, notes=None):
    out = Path(folder) / "out"
    out.mkdir()
    write(records, out, notes or Notes())
    return read_folder(out)


def record_of(text, *entities, id="d", **more):
    return Record(text, list(entities), WHERE, id=id, document=more.pop("document", id), **more)


def test_written_files(tmp_path):
    text = "New\nYork lung and heart"
    record = record_of(
        text, entity(0, 8, "LOC", "W:1|W:2"), Entity(((9, 13), (18, 23)), "body part"), id="a/b"
    )
    out_and_in(tmp_path, [record])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a%2Fb.ann", "a%2Fb.txt"]
    assert (tmp_path / "out" / "a%2Fb.ann").read_text() == (
        "T1\tLOC 0 8\tNew York\nN1\tReference T1 W:1\nN2\tReference T1 W:2\n"
        "T2\tbody%20part 9 13;18 23\tlung heart\n"
    )


def test_what_brat_cannot_hold(tmp_path):
    notes = Notes()
    record = record_of(
        "Ann Bo", entity(0, 3, ""), missing=[entity(4, 6, "")], tokens=[(0, 3), (4, 6)],
        document="book", meta={"lang": "en"},
    )  # fmt: skip
    (back,) = out_and_in(tmp_path, [record], notes)
    assert back.entities == []
    assert all(notes.tallies[k].total == 1 for k in (NO_LABEL, NO_MISSING, NO_TOKENS, NO_META))
    assert NO_LABEL.is_loss and NO_MISSING.is_loss


def test_names_of_files(tmp_path):
    ids = [
        "a",
        "A",
        "a",
        "a",
        "",
        "",
        "..",
        ".x",
        "x.",
        "a b",
        "%20",
        "CON:1",
        "a\\b",
        "é",
        "e\u0301",
    ]
    ids += ["x" * 300, "x" * 300, "ä" * 90]
    notes = Notes()
    records = [record_of(str(i), id=id) for i, id in enumerate(ids)]
    back = {r.text: r.id for r in out_and_in(tmp_path, records, notes)}
    assert len(back) == len(ids)
    unchanged = [id for i, id in enumerate(ids) if back[str(i)] == id]
    assert unchanged == ["a", "A", "a", *ids[6:15], "ä" * 90]
    assert notes.tallies[RENAMED].total == 3
    names = [path.name.casefold() for path in (tmp_path / "out").iterdir()]
    assert len(set(names)) == 2 * len(ids) and max(map(len, names)) < 255


def test_half_characters_are_bad_input(tmp_path):
    records = [record_of("a\ud800"), record_of("b", id="\udfff"), record_of("c", id="e")]
    with pytest.raises(BadInput, match=r"'\\ud800' cannot be written"):
        write(records[:1], tmp_path, Notes())
    notes = Notes(skip_bad=True)
    assert [r.text for r in out_and_in(tmp_path, records, notes)] == ["c"]
    assert notes.n_skipped == 2 and len(list((tmp_path / "out").iterdir())) == 2


@given(st.text(st.sampled_from("%2A0aé \n\x85/.")))
def test_escapes(text):
    assert unescape(escape(text, BLANK)) == text == unescape(escape(text, UNSAFE))
    assert not any(char.isspace() for char in escape(text, BLANK))


CHARS = st.sampled_from('ab é😀\u0301中א\u200f\r\n\t\u2028\x85\ufeff%"|')
TEXTS = st.lists(st.one_of(CHARS, st.just("\r\n")), min_size=1, max_size=30).map("".join)
NAMES = st.text(st.sampled_from("AB-| é中%2F0;\t\n/"), min_size=1, max_size=6)


@st.composite
def records_of(draw):
    text = draw(TEXTS)
    spots = [i for i, char in enumerate(text) if not char.isspace()]
    entities = []
    for _ in range(draw(st.integers(0, 4)) if spots else 0):
        bounds = sorted(draw(st.lists(st.sampled_from(spots), min_size=2, max_size=6)))
        pairs = [(s, e + 1) for s, e in zip(bounds[::2], bounds[1::2])]
        fragments = [pairs[0]]
        for start, end in pairs[1:]:
            if start > fragments[-1][1]:
                fragments.append((start, end))
        entities.append(Entity(tuple(fragments), draw(NAMES), draw(st.just("") | NAMES)))
    return text, entities


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(records_of(), NAMES), min_size=1, max_size=3, unique_by=lambda x: x[1]))
def test_out_and_in(tmp_path_factory, made):
    records = [record_of(text, *entities, id=id) for (text, entities), id in made]
    notes = Notes(strict=True)
    back = out_and_in(tmp_path_factory.mktemp("brat"), records, notes)
    assert not notes.tallies
    found = {r.id: (r.text, r.entities, r.document) for r in back}
    assert found == {r.id: (r.text, r.entities, r.id) for r in records}


def test_undecodable_lines_are_passed_over(tmp_path):
    put(
        tmp_path,
        a_txt="Ann saw Bob",
        a_ann=b"T1\tPER 0 3\tAnn\nT2\tPER 4 7\ts\xff\nT3\tPER 8 11\tBob\n",
    )
    notes = Notes(skip_bad=True)
    (record,) = read_folder(tmp_path, notes)
    assert record.entities == [entity(0, 3, "PER"), entity(8, 11, "PER")] and notes.n_skipped == 1


def test_damaged_annotations_are_recognised_beside_their_text(tmp_path):
    put(tmp_path, a_txt="Ann", a_ann="T1 PER 0 3 Ann\n", b_ann="T1 PER 0 3 Ann\n")
    assert recognise(TextFile(tmp_path / "a.ann").head()) == "a file of annotations (.ann)"
    assert recognise(TextFile(tmp_path / "b.ann").head()) is None
    with pytest.raises(BadInput, match=r"a.ann, line 1: 'T1 PER 0 3 Ann' is no annotation of brat"):
        read_folder(tmp_path)
