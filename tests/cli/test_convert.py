"""`python -m spacy contrastive convert`, called as a user calls it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
from spacy.cli._util import app
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_contrastive_ner.cli import convert as cli
from spacy_contrastive_ner.cli import progress
from spacy_contrastive_ner.convert.formats import FORMATS

from .converting import TEXTS, call, docs, fails, lines

ALL = [[("Anna", "PER"), ("Bob", "PER"), ("Paris", "GPE")], [("Eve", "PER"), ("Rome", "GPE")],
       [], [("Bob", "PER")]]  # fmt: skip


def test_convert(folder):
    text = call("a.jsonl", "new/o.spacy")
    assert docs("new/o.spacy") == ALL
    assert 'Reading jsonl (JSON records of a text and its entities: spaCy, Prodigy, doccano): JSON records with "text" and "spans"' in text  # fmt: skip
    assert "Wrote 4 documents to new/o.spacy" in text and "PER 4" in text
    text = call("new/o.spacy", "b.jsonl")
    assert [value["text"] for value in lines("b.jsonl")] == TEXTS
    assert call("a.jsonl", "parts") and docs("parts/part-0001.spacy") == ALL


def test_silent(folder):
    assert call("a.jsonl", "o.spacy", "--silent", "--only", "GPE", "--split", "1/1") == ""
    assert "there is no such file" in fails("x.jsonl", "p.spacy", "--silent")


def test_formats_by_name(folder):
    text = call("a.jsonl", "o.txt", "--from", "jsonl", "--to", "columns")
    assert "Reading jsonl" in text and ", as given" in text
    assert "B-PER" in (folder / "o.txt").read_text()
    call("o.txt", "o.jsonl", "-f", "columns", "-r", "separator=tab", "-w", "shape=doccano")
    assert lines("o.jsonl")[0]["label"][0] == [0, 4, "PER"]
    call("a.jsonl", "brat", "-t", "brat")
    assert (folder / "brat" / "d0.ann").read_text().startswith("T1\tPER 0 4\tAnna\n")
    call("brat", "o.json")
    assert lines("o.json")[0]["id"] == "d0"


def test_tokens(folder):
    (folder / "b.jsonl").write_text('{"text": "Bobs.", "spans": [[0, 3, "PER"]]}\n')
    whole, part = [[("Bobs", "PER")]], [[("Bob", "PER")]]
    text = call("b.jsonl", "o.spacy")
    assert docs("o.spacy") == whole and "made longer: 1 (PER 1) - 'Bob' (PER), b.jsonl" in text
    for how, found in (("strict", [[]]), ("contract", [[]]), ("retokenize", part)):
        call("b.jsonl", "o.spacy", "--alignment", how)
        assert docs("o.spacy") == found
    call("b.jsonl", "o.spacy", "--tokenizer", "characters")
    assert docs("o.spacy") == part
    call("b.jsonl", "o.spacy", "--tokenizer", "whitespace", "--lang", "de")
    assert docs("o.spacy") == [[("Bobs.", "PER")]]
    spacy.blank("en").to_disk("pipeline")
    call("b.jsonl", "o.spacy", "--tokenizer", "pipeline")
    assert docs("o.spacy") == whole
    assert "leave out --strict" in fails("b.jsonl", "p.spacy", "--strict")
    assert "the source has no tokens" in fails("b.jsonl", "p.spacy", "--tokenizer", "given")


def test_sentences(folder):
    call("a.jsonl", "o.spacy", "--sentences", "rules")
    assert docs("o.spacy") == [*ALL[:2], [], *ALL[2:]]


def test_labels(folder):
    options = ["--rename", "PER=person,XX=Y", "--drop", "GPE", "--only", "person"]
    text = call("a.jsonl", "o.spacy", *options)
    assert docs("o.spacy")[0] == [("Anna", "person"), ("Bob", "person")]
    assert "no entity has the label 'XX'" in text
    call("a.jsonl", "o.spacy", "--merge", "NAME=PER+GPE")
    assert docs("o.spacy")[1] == [("Eve", "NAME"), ("Rome", "NAME")]
    assert "There are no entities in it" in call("a.jsonl", "o.spacy", "--drop", "PER,GPE")


def test_parts_and_shots(folder):
    text = call("a.jsonl", "o", "--split", "x=3,y=1", "--seed", "3", "--spans-key", "e",
                "--shots", "1", "--labels", "PER", "--missing-key", "m")  # fmt: skip
    first, second = docs("o/x.spacy", "e"), docs("o/y.spacy", "e")
    assert len(first) == 3 and len(second) == 1
    assert sum(label == "PER" for doc in first for _, label in doc) == 1
    assert "o/x.spacy, o/y.spacy" in text and "Split" in text and "Shots" in text
    call("a.jsonl", "p", "--shots", "1", "--shots-mode", "documents")
    assert 1 <= len(docs("p/part-0001.spacy")) <= 2


def test_bad_input(folder):
    with open("a.jsonl", "a") as file:
        file.write('{"text": \n')
    assert "a.jsonl, line 5: " in fails("a.jsonl", "o.spacy")
    text = call("a.jsonl", "o.spacy", "--skip-bad")
    assert docs("o.spacy") == ALL and "a.jsonl, line 5: " in text
    assert "exclude each other" in fails("a.jsonl", "o.spacy", "--skip-bad", "--strict")


def test_report(folder):
    (folder / "b.jsonl").write_text('{"text": "Bobs", "spans": [[0, 3, "PER"]]}\n')
    call("b.jsonl", "o.spacy", "--report", "r.jsonl")
    notes = lines("r.jsonl")
    assert [note["fragments"] for note in notes if note.get("loss")] == [[[0, 3]]]
    for path in ("b.jsonl", "new.spacy"):
        assert "this is input or output" in fails("b.jsonl", "new.spacy", "--report", path)
    assert "No such file or directory" in fails("b.jsonl", "new.spacy", "--report", "x/y")


def test_encodings(folder):
    (folder / "b.jsonl").write_bytes('{"text": "Zoë", "spans": []}\n'.encode("latin-1"))
    assert "--encoding latin-1" in fails("b.jsonl", "o.spacy")
    assert "There is no encoding 'utf-99'" in fails("b.jsonl", "o.spacy", "-e", "utf-99")
    call("b.jsonl", "o.jsonl", "--encoding", "latin-1")
    assert json.loads((folder / "o.jsonl").read_text("utf8"))["text"] == "Zoë"


def test_input_that_cannot_be_used(folder):
    (folder / "empty").mkdir()
    (folder / "mixed").mkdir()
    (folder / "mixed" / "a.conll").write_text("Anna B-PER\nran O\n\n")
    (folder / "mixed" / "b.jsonl").write_text((folder / "a.jsonl").read_text())
    (folder / "empty.txt").touch()
    (folder / "prose.txt").write_text("Once upon a time.\n")
    assert "x: there is no such file or folder" in fails("x", "o.spacy")
    assert "empty: the folder is empty" in fails("empty", "o.spacy")
    assert "the file is empty" in fails("empty.txt", "o.spacy")
    assert "several formats" in fails("mixed", "o.spacy")
    assert "not recognised" in fails("prose.txt", "o.spacy")
    text = call("mixed", "o.spacy", "--from", "jsonl")
    assert "1 other file is not read as jsonl: a.conll" in text


def test_output_that_cannot_be_used(folder):
    call("a.jsonl", "o", "--silent")
    assert "the output folder is not empty" in fails("a.jsonl", "o")
    assert "the output folder is not empty" in fails("a.jsonl", "o", "--split", "1/1")
    assert "cannot be written to" in fails("a.jsonl", "a.jsonl/o.spacy")
    assert "no format has the suffix '.xyz'" in fails("a.jsonl", "o.xyz")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--from", "x"], "--from x: there is no such format. It is one of spacy,"),
        (["--to", "x"], "--to x: there is no such format"),
        (["--to", "conllu"], "it can be read only. Write one of spacy, brat,"),
        (["--read", "x=1"], "the format 'jsonl' has no option 'x'. It has: offsets,"),
        (["--write", "x=1"], "the format 'spacy' has no option 'x'. It has: no options"),
        (["--alignment", "x"], "--alignment x: it is one of expand, contract"),
        (["--sentences", "x"], "--sentences x: it is one of keep, given, rules"),
        (["--shots-mode", "x"], "--shots-mode x: it is one of mentions, documents"),
        (["--tokenizer", "nothing"], "--tokenizer nothing: it is auto, given"),
        (["--lang", "qq"], "--lang qq: "),
        (["--rename", "x"], "--rename x"),
        (["--only", "x.json"], "x.json: the file cannot be opened"),
        (["--drop", "a,"], "--drop a,"),
        (["--merge", "x"], "--merge x"),
        (["--split", "1"], "--split 1"),
        (["--split", "1/1/1", "--drop", "PER,GPE", "--seed", "1", "--to", "conllu"], "read only"),
        (["--labels", "A"], "--labels is about --shots"),
        (["--spans-key", "missing"], "are both 'missing'"),
    ],
)
def test_wrong_options(folder, options, told):
    assert told in fails("a.jsonl", "o.spacy", *options)


@pytest.mark.parametrize(
    "suffix", sorted({s.lower() for f in FORMATS.values() for s in f.suffixes})
)
def test_targets_by_suffix(folder, suffix):
    """A particular format is asked for by name."""
    can_write = [f.name for f in FORMATS.values() if f.write and suffix.endswith(f.suffixes)]
    expected = {
        ".json": "jsonl",
        ".jsonl": "jsonl",
        ".txt": "columns",
        ".pubtator.txt": "columns",
    }.get(suffix)
    if can_write == ["brat"] or not can_write:
        with pytest.raises(ValueError, match="no format has the suffix"):
            cli._target(folder / f"a{suffix}", None, False, FORMATS)
    else:
        found = cli._target(folder / f"a{suffix}", None, False, FORMATS).name
        assert found == (expected or can_write[0])


def test_interrupts(folder, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.Conversion, "finish", interrupted)
    assert fails("a.jsonl", "o.spacy", told="Interrupted: nothing was written", code=130)


def test_a_full_disk(folder, monkeypatch):
    def full(self, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(DocBin, "to_disk", full)
    assert "No space left on device. Check the path" in fails("a.jsonl", "o.spacy")


def test_list_of_formats(monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    result = CliRunner().invoke(app, ["contrastive", "convert", "--formats"])
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert [line.split()[0] for line in lines if line[0] != " "] == list(FORMATS)
    at = lines.index("    --read ends=auto|exclusive|inclusive")
    assert lines[at + 1].startswith("        Whether an end is")
    assert "    --write shape=records|prodigy|doccano" in lines
    indented = [line for line in lines if line.startswith(" " * 8)]
    assert len(indented) > 50 and all(len(line) <= 70 for line in indented)


def test_help():
    text = call("--help")
    for option in ("--from", "--alignment", "--sentences", "--split", "--shots", "--report"):
        assert option in text


def test_other_commands_do_not_wait_for_the_formats():
    code = (
        "import sys, spacy_contrastive_ner.cli.app\n"
        "assert not [name for name in sys.modules if '.convert.formats' in name]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_bar_on_a_terminal_only(folder, monkeypatch):
    shown = []

    class Bar(progress.tqdm):
        def __init__(self, **settings):
            super().__init__(**settings)
            shown.append((settings["total"], self.disable))

    monkeypatch.setattr(progress, "tqdm", Bar)
    call("a.jsonl", "o.spacy")
    size = (folder / "a.jsonl").stat().st_size
    assert shown == [(size, True)]


def test_documents_of_the_same_name_in_several_folders(folder):
    """They are named by their paths; others keep their names. Out and in, it is the same corpus."""
    for path, text in (("x/a", "Anna ran."), ("x/y/a", "Bob ran."), ("x/b", "Eve ran.")):
        Path("in", path).parent.mkdir(parents=True, exist_ok=True)
        Path("in", f"{path}.txt").write_text(text)
        Path("in", f"{path}.ann").write_text(f"T1\tPER 0 {text.index(' ')}\t{text.split()[0]}\n")
    call("in", "o.jsonl")
    found = {record["id"]: record["text"] for record in lines("o.jsonl")}
    assert found == {"a": "Anna ran.", "b": "Eve ran.", "y/a": "Bob ran."}
    call("in", "brat", "--to", "brat")
    assert sorted(path.name for path in Path("brat").glob("*.ann")) == ["a.ann", "b.ann", "y%2Fa.ann"]  # fmt: skip
    call("brat", "p.jsonl")
    assert lines("p.jsonl") == sorted(lines("o.jsonl"), key=lambda record: record["id"])
    # Formats of sentences do the same.
    for name in ("x", "y"):
        Path("c", name).mkdir(parents=True)
        Path("c", name, "a.conll").write_text("Anna B-PER\nran O\n\nBob B-PER\n\n")
    call("c", "c.jsonl")
    assert [record["id"] for record in lines("c.jsonl")] == ["x/a-1", "x/a-2", "y/a-1", "y/a-2"]


def test_line_ends_of_old_macs(folder):
    tokens, record = "Anna\tB-PER\nran\tO\n\nBob\tB-PER\n\n", (folder / "a.jsonl").read_text()
    brat, pubtator = (
        "T1\tPER 0 4\tAnna\nT2\tPER 5 8\tBob\n",
        "1|t|Anna\n1|a|ran\n1\t0\t4\tAnna\tPER\n\n",
    )
    for name, content in (
        ("a.conll", tokens),
        ("b.jsonl", record),
        ("c.ann", brat),
        ("p.txt", pubtator),
    ):
        (folder / "c.txt").write_text("Anna\rBob", newline="")
        for end in ("\n", "\r"):
            Path(name).write_text(content.replace("\n", end), newline="")
            told = call(name, f"{ord(end)}.jsonl")
            assert ("lines end with carriage returns (old Mac)" in told) == (end == "\r")
        assert lines("13.jsonl") == lines("10.jsonl") and lines("10.jsonl")[0]["spans"]


def test_overwrite(folder):
    call("a.jsonl", "o")
    text = fails("a.jsonl", "o", "--only", "GPE")
    assert "the output folder is not empty" in text and "--overwrite" in text
    (folder / "o" / "notes.md").write_text("mine")
    call("a.jsonl", "o", "--only", "GPE", "--overwrite")
    assert docs("o/part-0001.spacy") == [[("Paris", "GPE")], [("Rome", "GPE")], [], []]
    assert (folder / "o" / "notes.md").read_text() == "mine" and len(list(Path("o").iterdir())) == 2
    (folder / "o" / "part-0002.spacy").write_bytes(b"old")
    assert "left over among the new ones: part-0002.spacy" in fails("a.jsonl", "o", "--overwrite")


def test_overwrite_parts(folder):
    call("a.jsonl", "o", "--split", "1/1")
    before = (folder / "o" / "train.spacy").read_bytes()
    call("a.jsonl", "o", "--split", "1/1", "--only", "GPE", "--overwrite")
    assert (folder / "o" / "train.spacy").read_bytes() != before
    text = fails("a.jsonl", "o", "--split", "a=1,b=1", "--overwrite")
    assert "left over among the new ones: dev.spacy, train.spacy" in text


def test_overwrite_brat(folder):
    call("a.jsonl", "b", "--to", "brat")
    (folder / "b" / "README.txt").write_text("mine")
    call("a.jsonl", "b", "--to", "brat", "--drop", "PER", "--overwrite")
    assert (folder / "b" / "d0.ann").read_text() == "T1\tGPE 16 21\tParis\n"
    (folder / "c.jsonl").write_text((folder / "a.jsonl").read_text().partition("\n")[0])
    text = fails("c.jsonl", "b", "--to", "brat", "--overwrite")
    assert "left over among the new ones: d1.ann, d1.txt, d2.ann, d2.txt, d3.ann and 1 more" in text


def test_reports_in_the_output(folder):
    for name in ("o", "o/deep"):
        text = fails("a.jsonl", "o", "--report", f"{name}/r.jsonl")
        assert "this is in the output. Name a file elsewhere" in text


def test_bad_bytes_are_passed_over_and_the_rest_is_read(folder):
    lines_there = (folder / "a.jsonl").read_bytes().splitlines(keepends=True)
    lines_there[1] = b'{"text": "\xff", "spans": []}\n'
    (folder / "b.jsonl").write_bytes(b"".join(lines_there))
    assert "b.jsonl, line 2: the bytes ff" in fails("b.jsonl", "o.jsonl")
    text = call("b.jsonl", "o.jsonl", "--skip-bad")
    assert "line 2" in text and [value["id"] for value in lines("o.jsonl")] == ["d0", "d2", "d3"]


def test_errors_without_a_file_name_the_output(folder, monkeypatch):
    def write(records, path, notes):
        raise OSError(28, "No space left on device")

    broken = {**FORMATS, "jsonl": FORMATS["jsonl"]._replace(write=write)}
    monkeypatch.setattr(cli, "_formats", lambda: broken)
    text = fails("a.jsonl", "new/o.jsonl")
    assert "new/o.jsonl: No space left on device. Check the path" in text
