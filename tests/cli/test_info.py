"""`python -m spacy contrastive info`, called as a user calls it."""

import json
import re

import pytest
import spacy
from spacy.cli._util import app
from spacy.tokens import Doc, DocBin, Span
from typer.testing import CliRunner

import spacy_contrastive_ner.cli.app  # noqa: F401


@pytest.fixture(scope="module")
def vocab():
    return spacy.blank("en").vocab


def doc_of(vocab, text, spans=None, key="sc", missing=(), ents=None, ids=()):
    doc = Doc(vocab, words=text.split())
    if spans is not None:
        ids = list(ids) + [0] * len(spans)
        doc.spans[key] = [Span(doc, *span, span_id=id) for span, id in zip(spans, ids)]
    if missing:
        doc.spans["missing"] = [Span(doc, *span) for span in missing]
    if ents is not None:
        doc.ents = [Span(doc, *ent) for ent in ents]
    return doc


def save(path, *docs):
    path.parent.mkdir(exist_ok=True)
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    return path


@pytest.fixture
def corpus(vocab, tmp_path):
    folder = tmp_path / "corpus"
    nested = [(0, 4, "PER"), (3, 4, "GPE"), (1, 2, "病")]
    save(folder / "a.spacy", doc_of(vocab, "the mayor of Paris", nested), doc_of(vocab, "no", []))
    pieces = [(0, 1, "DIS"), (3, 4, "DIS"), (2, 4, "DIS")]
    save(
        folder / "b.spacy",
        doc_of(vocab, "heart and lung disease <b>", pieces, missing=[(4, 5, "")], ids=["1", "1"]),
        doc_of(vocab, "not annotated"),
        Doc(vocab),
    )
    return folder


def info(*arguments, code=0):
    result = CliRunner().invoke(app, ["contrastive", "info", *map(str, arguments)])
    assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    return re.sub(r"\x1b\[[\d;]*m", "", result.stdout)


def lines_of(*arguments, code=0):
    return [" ".join(line.split()) for line in info(*arguments, code=code).splitlines()]


def one_line(*arguments, code=0):
    return " ".join(lines_of(*arguments, code=code))


def test_counts_all_files_of_a_folder(corpus):
    lines = lines_of(corpus)
    for line in (
        "Documents 5",
        "- without entities 3",
        "- not annotated 1",
        "Tokens 12",
        "Entities 5",
        "Stretches with unknown annotation 1",
        "Inside another one 3 60.0 %",
        "Inside another one of the same label 1 20.0 %",
        "Discontinuous 1 20.0 %",
        "Deepest 2 levels",
        f"Longest 4 tokens: 'the mayor of Paris' (PER), {corpus / 'a.spacy'} (document '1')",
        "DIS 2 40.0 % 1 1 2",
        f"- {corpus / 'b.spacy'} (document '3')",
    ):
        assert line in lines, (line, lines)
    text = " ".join(lines)
    assert "Documents without this span group, which count as not annotated: 2" in text
    assert "No document has" not in text


def test_one_file(corpus):
    assert "Documents 2" in lines_of(corpus / "a.spacy")


def test_json(corpus):
    found = json.loads(info(corpus, "--json"))
    assert found["read_from"] == "doc.spans['sc']"
    assert found["span_groups"] == {"sc": 3, "missing": 1}
    assert found["labels"]["病"]["entities"] == 1
    assert found["documents"] == 5 and found["missing"] == 1 and found["characters"] == 63
    assert {note["count"] for note in found["notes"]} == {1, 2}


def test_other_keys(vocab, tmp_path):
    docs = [doc_of(vocab, "in Paris", [(1, 2, "GPE")], key="ruler", ents=[])] * 3
    path = save(tmp_path / "a.spacy", *docs)
    text = one_line(path)
    assert "No document has doc.spans['sc'], or entities in doc.ents" in text
    assert "in how many documents: 'ruler' (3). Name one of them with --spans-key." in text
    assert "GPE 3 100.0 %" in one_line(path, "--spans-key", "ruler")
    found = json.loads(info(path, "--spans-key", "x", "--missing-key", "ruler", "--json"))
    assert found["documents_not_annotated"] == 3
    assert found["notes"][0]["labels"] == {"'ruler'": 3}


def test_falls_back_to_ents(vocab, tmp_path):
    unknown = doc_of(vocab, "in Paris or Rome", ents=[(1, 2, "GPE")])
    unknown.set_ents([Span(unknown, 1, 2, "GPE")], missing=[unknown[3:4]], default="outside")
    path = save(tmp_path / "a.spacy", unknown, doc_of(vocab, "nothing", ents=[]), Doc(vocab))
    page = tmp_path / "page.html"
    text = one_line(path, "--html", page)
    assert "No document has doc.spans['sc']: these are the entities of doc.ents" in text
    assert "GPE 1 100.0 %" in text and "Documents without this span group" not in text
    assert "GPE" in page.read_text("utf8")
    found = json.loads(info(path, "--json"))
    assert found["read_from"] == "doc.ents" and found["missing"] == 1
    assert found["documents_not_annotated"] == 0


def test_ents_are_not_read_if_any_document_has_the_group(vocab, tmp_path):
    docs = doc_of(vocab, "in Paris", ents=[(1, 2, "GPE")]), doc_of(vocab, "in Rome", [])
    found = json.loads(info(save(tmp_path / "a.spacy", *docs), "--json"))
    assert found["read_from"] == "doc.spans['sc']" and found["entities"] == 0


def test_page(corpus, tmp_path):
    page = tmp_path / "new" / "page.html"
    text = one_line(corpus, "--html", page)
    assert f"The first 2 documents with entities are in {page}" in text
    written = page.read_text("utf8")
    assert written.count("<h2>") == 2 and "DIS #1" in written and "&lt;b&gt;" in written
    assert '<span class="unknown">' in written
    info(corpus, "--html", page, "--limit", 1)
    assert page.read_text("utf8").count("<h2>") == 1
    assert [path.name for path in page.parent.iterdir()] == ["page.html"]


def test_silent(corpus, tmp_path):
    assert info(corpus, "--silent", "--html", tmp_path / "page.html") == ""
    assert (tmp_path / "page.html").exists()
    assert "no such file" in one_line(corpus / "x", "--silent", code=1)


def test_bad_input(corpus, tmp_path):
    assert "there is no such file or folder" in one_line(tmp_path / "x", code=1)
    (tmp_path / "empty").mkdir()
    assert "holds no .spacy files" in one_line(tmp_path / "empty", code=1)
    (tmp_path / "empty.spacy").write_bytes(b"")
    assert "is no file of spaCy documents" in one_line(tmp_path / "empty.spacy", code=1)
    data = (corpus / "b.spacy").read_bytes()
    (corpus / "b.spacy").write_bytes(data[:-30])
    page = tmp_path / "page.html"
    text = info(corpus, "--html", page, code=1)
    assert "b.spacy" in text and "damaged" in text and "Documents" not in text
    assert not page.exists()
    save(tmp_path / "none.spacy")
    assert "holds no documents" in one_line(tmp_path / "none.spacy", code=1)
    assert "is a folder" in one_line(corpus / "a.spacy", "--html", corpus, code=1)
    blocked = corpus / "a.spacy" / "page.html"
    assert "a.spacy: File exists. Check" in one_line(corpus / "a.spacy", "--html", blocked, code=1)


def test_help():
    text = one_line("--help")
    for option in ("--spans-key", "--missing-key", "--html", "--limit", "--json", "--silent"):
        assert option in text
