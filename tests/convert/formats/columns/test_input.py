"""Columns: what cannot be read, and what is no such file."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_contrastive_ner.convert.formats.columns.read import FORMAT, read, recognise
from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.textfile import TextFile

from .samples import HIPE, read_text


@pytest.mark.parametrize(
    "text, message",
    [
        ("a\tO\nb\tB-X\tO\nc\tO\n", "line 2: 3 columns where the others have 2"),
        ("a\tO\nb\nc\tB-X\n", "line 2: 1 column where the others have 2"),
        ("a\tB-X\n" * 60 + "b\tX-X\n", "line 61: 'X-X' in column 2 is no tag"),
        ("a\tB-X\nb\tI-X\nc\tO\nd\tPER\n", "line 4: 'PER' in column 2 is no tag"),
        ("a\tB-X\n" * 60 + "b\tB-\n", "line 61: 'B-' in column 2 is no tag"),
        ("", "it is empty"),
        ("some\nwords\nonly\n", "no columns"),
        ("a\tb\nc\td\n", "no column holds tags"),
    ],
)
def test_bad_input(tmp_path, text, message):
    with pytest.raises(BadInput, match=message):
        read_text(tmp_path, text)


def test_undecodable_bytes(tmp_path):
    path = tmp_path / "latin.tsv"
    path.write_bytes("a\tO\n".encode() * 40000 + "é\tB-X\n".encode("latin-1"))
    with pytest.raises(BadInput, match="line 40001"):
        list(read(TextFile(path), Notes()))


def test_sentences_with_bad_lines_are_passed_over(tmp_path):
    notes = Notes(skip_bad=True)
    text = "a\tO\nb\tB-X\n\nb\nc\tO\n\nd\tQ-X\n\n" + "e\tB-X\n" * 60
    records, _ = read_text(tmp_path, text, notes=notes)
    assert [len(record.tokens) for record in records] == [2, 60]
    assert notes.n_skipped == 2


# Recognising


@pytest.mark.parametrize(
    "text",
    [
        "T1\tPER 0 5\tJane A\nT2\tLOC 6 9\tB-C\n",
        '{"text": "O B-PER", "spans": []}\n',
        "12|t|Title O\n12|a|Text\n12\t0\t5\tTitle\tDisease\tD1\n",
        "<doc><p>O</p>\n<p>B-PER</p></doc>\n",
        "#FORMAT=WebAnno TSV 3.3\n\n#Text=A b\n1-1\t0-1\tA\tPER[1]\t_\t\n1-2\t2-3\tb\t_\t_\t\n",
        "1\tA\ta\tX\t_\t_\t0\troot\t_\tEntity=(e1-person-1)\n",
        "1\tA\ta\tX\t_\t_\t0\troot\t_\t_\n",
        "filename\tmark\tlabel\toff0\toff1\tspan\nf1\tT1\tSPECIES\t0\t5\thuman\n",
        "This is a README.\n\nIt has O and B-PER in it.\n",
        "O\nB-PER\n",
        "\0\1\2",
        "",
        "the quick\nbrown fox\nO no\n",
    ],
)
def test_other_formats_are_not_recognised(tmp_path, text):
    path = tmp_path / "x.txt"
    path.write_text(text, encoding="utf8")
    assert recognise(TextFile(path).head()) is None


def test_columns_are_recognised_with_a_reason(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text(HIPE, encoding="utf8")
    assert "tags" in recognise(TextFile(path).head())
    path.write_text("# a comment\n1\tJane\tB-PER\n2\tsleeps\tO\n", encoding="utf8")
    assert recognise(TextFile(path).head()).startswith("columns parted by tabs: token 2, tags 3")


@given(text=st.text(alphabet="OBI-_PER#|\t \n1aé\r\0", max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_recognising_and_reading_never_fail_otherwise(tmp_path, text):
    path = tmp_path / "x.txt"
    path.write_text(text, encoding="utf8", newline="")
    recognise(TextFile(path).head())
    list(read(TextFile(path), Notes(skip_bad=True)))


def test_the_format():
    assert FORMAT.name == "columns" and FORMAT.needs_tokens


def skip_bad(tmp_path, data):
    path = tmp_path / "a.conll"
    path.write_bytes(data)
    notes = Notes(skip_bad=True)
    return [record.text for record in read(TextFile(path), notes)], notes


def test_sentences_with_undecodable_lines_are_passed_over(tmp_path):
    good = b"a\tO\nb\tB-X\n\n"
    texts, notes = skip_bad(tmp_path, good * 2 + b"a\tO\n\xe9\tB-X\nc\tO\n\n" + good)
    assert texts == ["a b"] * 3 and notes.n_skipped == 1
    assert "line 8: the bytes e9" in str(notes.skipped[0])


@pytest.mark.parametrize("bad", [b"\xe9\tB-X\n", b"c\n"])
@pytest.mark.parametrize("end", [b"\n", b"-DOCSTART- -X-\n\n"])
def test_a_sentence_of_bad_lines_takes_no_other_along(tmp_path, bad, end):
    good = b"a\tO\nb\tB-X\n\n"
    texts, notes = skip_bad(tmp_path, good * 2 + bad + end + b"c\tO\n\n" + good)
    assert "".join(texts).count("b") == 3 and "c" in "".join(texts) and notes.n_skipped == 1


def test_documents_that_we_wrote_with_bad_lines_are_passed_over(tmp_path):
    texts, notes = skip_bad(
        tmp_path,
        b"# global.columns = FORM NER MISC\n# global.tags = BIO\n# newdoc id = 1\na\tO\t_\n\n"
        b"\xe9\tO\t_\n\n# newdoc id = 2\nb\tO\t_\n\n",
    )
    assert notes.n_skipped == 1 and "b" in texts


def test_no_text_at_all(tmp_path):
    path = tmp_path / "a.conll"
    path.write_bytes("a O\nb B-X\n".encode("utf-16"))
    with pytest.raises(BadInput, match=r"line 1: the bytes ff fe.*--encoding utf-16"):
        list(read(TextFile(path), Notes()))


def test_a_name_that_tells_leaves_room_for_bad_lines(tmp_path):
    for name, is_known in (("a.conll", True), ("a.txt", False)):
        (tmp_path / name).write_text("a\tO\nb\tB-X\nc\nd\tO\n")
        assert bool(recognise(TextFile(tmp_path / name).head())) == is_known
