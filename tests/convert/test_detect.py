"""Which files are read, and as what."""

import os
from pathlib import Path

import pytest

from spacy_contrastive_ner.convert.detect import find, list_files
from spacy_contrastive_ner.convert.format import Format
from spacy_contrastive_ner.convert.formats import FORMATS
from spacy_contrastive_ner.convert.notes import BadInput

RECORD = '{"text": "Anna ran", "spans": [{"start": 0, "end": 4, "label": "PER"}]}\n'
TOKENS = "Anna\tB-PER\nran\tO\n\n"


def make(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def names(found):
    return [path.name for path in found.files], [path.name for path in found.passed_over]


def test_files_of_a_folder(tmp_path):
    make(tmp_path, b_txt="", a__c_txt="", a__d__e_txt="", _hidden="", a___f__g_txt="")
    files = [str(path.relative_to(tmp_path)) for path in list_files(tmp_path)]
    assert files == ["a/c.txt", "a/d/e.txt", "b.txt"]
    assert list_files(tmp_path / ".hidden") == [tmp_path / ".hidden"]


def test_a_file(tmp_path):
    path = make(tmp_path, a_odd=RECORD) / "a.odd"
    found = find(path, FORMATS)
    assert found.format.name == "jsonl" and '"text" and "spans"' in found.reason
    assert found.files == [path] and found.passed_over == []
    found = find(path, FORMATS, "columns")
    assert (found.format.name, found.reason, found.files) == ("columns", "", [path])


def test_a_folder(tmp_path):
    make(tmp_path, a_jsonl=RECORD, b__c_jsonl=RECORD, README="Hello", img_png=b"\x89PNG\xff")
    found = find(tmp_path, FORMATS)
    assert names(found) == (["a.jsonl", "c.jsonl"], ["README", "img.png"])


def test_damaged_files_are_not_passed_over(tmp_path):
    make(tmp_path, a_jsonl='{"text": ', b_jsonl=RECORD, c_JSONL="", d_json=RECORD)
    found = find(tmp_path, FORMATS)
    assert names(found) == (["a.jsonl", "b.jsonl", "c.JSONL", "d.json"], [])


def test_files_about_the_others(tmp_path):
    """A format may have a suffix that other files have too."""
    make(tmp_path, a_conll=TOKENS, notes_txt="Some notes.", b_conll="x\n")
    assert names(find(tmp_path, FORMATS)) == (["a.conll", "b.conll"], ["notes.txt"])
    make(tmp_path, c_txt=TOKENS, README_txt="About.", LICENSE_txt="All rights.")
    everything = (["a.conll", "b.conll", "c.txt", "notes.txt"], ["LICENSE.txt", "README.txt"])
    assert names(find(tmp_path, FORMATS)) == everything
    assert names(find(tmp_path, FORMATS, "columns")) == everything


def test_named_formats(tmp_path):
    make(tmp_path, a_jsonl=RECORD, b_conll=TOKENS)
    assert names(find(tmp_path, FORMATS, "columns")) == (["b.conll"], ["a.jsonl"])
    # If nothing is called as usual, all is read.
    assert names(find(tmp_path, FORMATS, "spacy")) == (["a.jsonl", "b.conll"], [])


def test_the_first_of_several_formats(tmp_path):
    def format(name, reason):
        return Format(name, "", (".x",), lambda head: reason, lambda file, notes: iter(()))

    formats = {f.name: f for f in (format("a", None), format("b", "why"), format("c", "why not"))}
    found = find(make(tmp_path, a_x="x"), formats)
    assert (found.format.name, found.reason) == ("b", "why")


def fails(path, *arguments):
    with pytest.raises(BadInput) as error:
        find(path, FORMATS, *arguments)
    return str(error.value)


def test_several_formats(tmp_path):
    text = fails(make(tmp_path, a_jsonl=RECORD, b_conll=TOKENS))
    assert "the folder holds several formats: a.jsonl looks like jsonl (" in text
    assert "and b.conll like columns (" in text and "--from jsonl" in text


def test_what_is_not_recognised(tmp_path):
    make(tmp_path, empty_txt="", prose_txt="\n  \nOnce upon a time.\n", latin_txt=b"Zo\xeb x\n")
    make(tmp_path, wide_txt="Zoe x".encode("utf-16"), folder__a="Hello", folder__b="")
    (tmp_path / "nothing").mkdir()
    assert "there is no such file or folder" in fails(tmp_path / "x")
    assert "the folder is empty" in fails(tmp_path / "nothing")
    assert "the file is empty. Check how it was made" in fails(tmp_path / "empty.txt")
    text = fails(tmp_path / "prose.txt")
    assert "not recognised; prose.txt begins with 'Once upon a time.'" in text
    assert "--from with one of spacy, webanno" in text
    assert "no text in utf-8" in fails(tmp_path / "latin.txt")
    assert "--encoding latin-1" in fails(tmp_path / "latin.txt")
    assert "--encoding utf-16" in fails(tmp_path / "wide.txt")
    assert "a begins with 'Hello'" in fails(tmp_path / "folder")
    with pytest.raises(ValueError, match="no encoding 'x'"):
        find(tmp_path, FORMATS, None, "x")


def test_nothing_but_white_space(tmp_path):
    make(tmp_path, blank_conll="\n \n\n")
    assert "there is nothing but white space in it" in fails(tmp_path / "blank.conll")


def test_files_that_cannot_be_opened(tmp_path, monkeypatch):
    """They are left to whoever reads them, if others tell the format."""
    make(tmp_path, a_jsonl=RECORD, b_jsonl=RECORD)
    real = Path.open

    def refuse(path, *arguments, **settings):
        if path.name == "a.jsonl":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **settings)

    monkeypatch.setattr(Path, "open", refuse)
    assert names(find(tmp_path, FORMATS)) == (["a.jsonl", "b.jsonl"], [])
    (tmp_path / "b.jsonl").unlink()
    for path in (tmp_path, tmp_path / "a.jsonl"):
        assert "a.jsonl: cannot be opened: permission denied. Check the path" in fails(path)


def test_folders_that_cannot_be_opened(tmp_path, monkeypatch):
    make(tmp_path, a_jsonl=RECORD, deep__b_jsonl=RECORD)
    real = os.scandir

    def refuse(path):
        if Path(path).name == "deep":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert "deep: cannot be opened: permission denied. Check the path" in fails(tmp_path)


def test_neither_file_nor_folder():
    with pytest.raises(BadInput, match=r"it is no file and no folder. Write it to a file first"):
        find(Path("/dev/null"), FORMATS)


def test_encodings(tmp_path):
    make(tmp_path, a_jsonl=RECORD.replace("Anna", "Zoë").encode("utf-16"))
    assert find(tmp_path, FORMATS, None, "utf-16").format.name == "jsonl"


def test_text_of_brat_stands_for_its_annotations(tmp_path):
    (tmp_path / "a.txt").write_text("Bob ran.", encoding="utf8")
    (tmp_path / "a.ann").write_text("T1\tPER 0 3\tBob\n", encoding="utf8")
    for name in (None, "brat"):
        assert find(tmp_path / "a.txt", FORMATS, name).files == [tmp_path / "a.ann"]


def test_bytes_that_are_no_text_are_named(tmp_path):
    path = make(tmp_path, a_jsonl=b'{"text": "\xff\xfe"}\n') / "a.jsonl"
    with pytest.raises(BadInput, match=r"no text in utf-8.*the bytes ff fe 22 7d in line 1.*latin"):
        find(path, FORMATS)
    # What stands before them tells the format.
    path.write_bytes(RECORD.encode() + b'{"text": "\xff"}\n')
    assert find(path, FORMATS).format.name == "jsonl"
