"""`python -m spacy contrastive annotate`, called as a user calls it."""

import errno
import json
import re

import pytest
import spacy
from spacy.cli._util import app
from spacy.tokens import DocBin
from typer.testing import CliRunner

import spacy_contrastive_ner.cli.app  # noqa: F401
from spacy_contrastive_ner import files


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("Anna left the Bank of England. It rained.", "utf8")
    (tmp_path / "in" / "b.txt").write_text("nothing", "utf8")
    (tmp_path / "g.tsv").write_text("Bank of England\tORG\tQ1\nEngland\tGPE\n", "utf8")
    lines = [
        {"label": "PER", "pattern": [{"LOWER": "anna"}]},
        {"label": "ORG", "pattern": "Bank of England", "id": "boe"},
        {"label": "GPE", "pattern": "England"},
    ]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf8")
    return tmp_path


def annotate(*arguments, code=0):
    """What the command prints, as one line."""
    result = CliRunner().invoke(app, ["contrastive", "annotate", *map(str, arguments)])
    assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    return " ".join(re.sub(r"\x1b\[[\d;]*m", "", result.output).split())


def fails(folder, *arguments):
    """The same, of a command that fails and leaves nothing behind."""
    before = sorted(folder.rglob("*"))
    text = annotate(*arguments, code=1)
    assert "Nothing was labelled" in text
    assert sorted(folder.rglob("*")) == before
    return text


def read(path):
    return list(DocBin(store_user_data=True).from_disk(path).get_docs(spacy.blank("en").vocab))


def found(doc, key="sc"):
    return [(span.text, span.label_) for span in doc.spans[key]]


def test_gazetteer(folder):
    out = folder / "new" / "out.spacy"
    text = annotate(folder / "in", out, "--gazetteer", folder / "g.tsv")
    a, b = read(out)
    assert found(a) == [("Bank of England", "ORG"), ("England", "GPE")]
    assert a.spans["sc"][0].kb_id_ == "Q1" and a.user_data["id"] == "a"
    assert found(a, "missing") == [("Anna left the", ""), (". It rained.", "")]
    assert "sc" in b.spans and found(b) == [] and found(b, "missing") == [("nothing", "")]
    for part in ("Documents 2", "Entities 2", "Inside another one 1", "ORG 1 50.0 %"):
        assert part in text
    assert "g.tsv: 2 phrases and 0 token patterns for 2 labels" in text
    assert f"2 documents are in {out}" in text


def test_patterns(folder):
    annotate(folder / "in", folder / "o.spacy", "-p", folder / "p.jsonl", "--vouch", "sentences")
    a, b = read(folder / "o.spacy")
    assert found(a) == [("Anna", "PER"), ("Bank of England", "ORG"), ("England", "GPE")]
    assert found(a, "missing") == [("It rained.", "")]


def test_settings(folder):
    (folder / "a.jsonl").write_text('{"text": "BANK OF ENGLAND", "id": 3}\n', "utf8")
    settings = ["--ignore-case", "--vouch", "all", "--spans-key", "x", "--missing-key", "y"]
    annotate(folder / "a.jsonl", folder / "o.spacy", "-g", folder / "g.tsv", *settings)
    (doc,) = read(folder / "o.spacy")
    assert found(doc, "x") == [("BANK OF ENGLAND", "ORG"), ("ENGLAND", "GPE")]
    assert found(doc, "y") == [] and "sc" not in doc.spans and doc.user_data["id"] == "3"


def test_pipeline(folder):
    nlp = spacy.blank("en")
    lemmas = nlp.add_pipe("attribute_ruler")
    lemmas.add([[{}]], {"LEMMA": "something"})
    lemmas.add([[{"LOWER": "rained"}]], {"LEMMA": "rain"})
    nlp.to_disk(folder / "pipeline")
    (folder / "p.jsonl").write_text('{"label": "W", "pattern": [{"LEMMA": "rain"}]}', "utf8")
    common = [folder / "in", folder / "o.spacy", "-p", folder / "p.jsonl"]
    annotate(*common, "--pipeline", folder / "pipeline")
    assert found(read(folder / "o.spacy")[0]) == [("rained", "W")]


def test_documents(folder):
    first, second = folder / "1.spacy", folder / "2.spacy"
    annotate(folder / "in", first, "-g", folder / "g.tsv")
    assert "already" in fails(folder, first, second, "-p", folder / "p.jsonl")
    text = annotate(first, second, "-p", folder / "p.jsonl", "--overwrite")
    assert ("Anna", "PER") in found(read(second)[0])
    assert "Documents whose doc.ents were replaced by the flat view: 1" in text


def test_the_output_can_be_read_by_info(folder):
    annotate(folder / "in", folder / "o.spacy", "-g", folder / "g.tsv", "--silent")
    arguments = ["contrastive", "info", str(folder / "o.spacy"), "--json"]
    counts = json.loads(CliRunner().invoke(app, arguments).stdout)
    assert counts["entities"] == 2 and counts["missing"] == 2
    assert counts["documents_not_annotated"] == 1


def test_silent(folder):
    assert annotate(folder / "in", folder / "o.spacy", "-g", folder / "g.tsv", "--silent") == ""


def test_what_cannot_be_done(folder):
    source, out, tsv = folder / "in", folder / "o.spacy", folder / "g.tsv"
    both = ["-g", tsv, "-p", folder / "p.jsonl"]
    for some in ([], both):
        assert "Give either --patterns or --gazetteer" in fails(folder, source, out, *some)
    assert "both 'sc'" in fails(folder, source, out, "-g", tsv, "--missing-key", "sc")
    assert "no such file or folder" in fails(folder, folder / "x", out, "-g", tsv)
    assert "cannot be opened" in fails(folder, source, out, "-g", folder / "x.tsv")
    assert "ends in .spacy" in fails(folder, source, folder / "o.txt", "-g", tsv)
    assert "ends in .spacy" in fails(folder, source, source, "-g", tsv)
    assert "no encoding 'utf-99'" in fails(folder, source, out, "-g", tsv, "--encoding", "utf-99")
    assert "no tokenizer for --lang qq" in fails(folder, source, out, "-g", tsv, "--lang", "qq")
    assert "Can't find model" in fails(folder, source, out, "-g", tsv, "--pipeline", "nothing")
    assert "--attr ORTH" in fails(folder, source, out, "-g", tsv, "--attr", "nonsense")
    annotate(source, out, "-g", tsv, "--silent")
    text = fails(folder, out, out, "-p", folder / "p.jsonl", "--overwrite")
    assert "is read and to be written" in text


def test_bad_input(folder):
    source, out, tsv = folder / "in", folder / "o.spacy", folder / "g.tsv"
    tsv.write_text("England\tGPE\nParis\n", "utf8")
    text = fails(folder, source, out, "-g", tsv)
    assert "g.tsv, line 2: 1 columns instead of 2 or 3" in text
    patterns = folder / "p.jsonl"
    patterns.write_text('{"label": "A", "pattern": "b"}\n{"label": "A", "patt', "utf8")
    assert "p.jsonl, line 2: no valid JSON" in fails(folder, source, out, "-p", patterns)
    tsv.write_text("England\tGPE\n", "utf8")
    (source / "b.txt").write_bytes(b"caf\xe9")
    text = fails(folder, source, out, "-g", tsv)
    assert "b.txt, line 1: the bytes e9 are no utf-8" in text
    annotate(source, out, "-g", tsv, "--encoding", "latin-1")
    assert read(out)[1].text == "café"


def test_nothing_to_label(folder):
    for path in (folder / "in").iterdir():
        path.write_text(" \n", "utf8")
    text = fails(folder, folder / "in", folder / "o.spacy", "-g", folder / "g.tsv")
    assert "holds no text" in text


def test_an_error_leaves_the_old_file(folder, monkeypatch):
    out = folder / "o.spacy"
    out.write_bytes(b"old")

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    text = fails(folder, folder / "in", out, "-g", folder / "g.tsv")
    assert "o.spacy: No space left on device. Check the path" in text
    assert out.read_bytes() == b"old"


def test_errors_say_what_to_do(folder):
    text = fails(folder, folder / "in", folder / "g.tsv" / "o.spacy", "-g", folder / "g.tsv")
    assert "g.tsv cannot be written to. Name another output." in text
    text = fails(
        folder, folder / "in", folder / "o.spacy", "-g", folder / "g.tsv", "--pipeline", "x"
    )
    assert "--pipeline x cannot be loaded" in text


def test_help():
    text = annotate("--help")
    for option in (
        "--patterns",
        "--gazetteer",
        "--vouch",
        "--attr",
        "--missing-key",
        "--overwrite",
    ):
        assert option in text


def test_files_of_other_kinds_and_of_the_same_name(folder):
    (folder / "in" / "deep").mkdir()
    (folder / "in" / "deep" / "a.txt").write_text("England")
    arguments = [folder / "in", folder / "out.spacy", "--gazetteer", folder / "g.tsv"]
    assert "not read" not in annotate(*arguments)
    assert [doc.user_data["id"] for doc in read(folder / "out.spacy")] == ["a", "b", "deep/a"]
    (folder / "in" / "table.csv").write_text("x")
    assert "1 other file was not read: only .txt, .jsonl, .spacy are" in annotate(*arguments)
