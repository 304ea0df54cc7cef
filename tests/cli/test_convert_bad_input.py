"""Every kind of bad input, as a user meets it: file, line, what was found, what to do; no output."""

import errno
import os
import re
import resource
from pathlib import Path

import pytest

from .converting import call, docs, fails, lines

RECORD = '{"text": "Anna ran to Rome.", "spans": [{"start": 0, "end": 4, "label": "PER"}]}\n'
TOKENS = "Anna B-PER\nran O\n\n"
BIOC = (
    "<collection><document><id>{}</id><passage><offset>0</offset><text>Anna ran</text>\n"
    '<annotation id="1"><infon key="type">PER</infon><location offset="0" length="4"/>'
    "<text>Anna</text></annotation>\n</passage></document>\n"
)
# The file, what is in it, what is told of it, and how many documents are left without what is bad.
BAD = {
    "truncated_json": ("a.jsonl", f"{RECORD * 2}{RECORD[:15]}", r"a.jsonl, line 3: the JSON breaks off.*Correct it", 2),
    "broken_json_in_the_middle": ("a.jsonl", f'{RECORD}{{"text": x}}\n{RECORD}', r"a.jsonl, line 2: .*--skip-bad", 2),
    "column_count": ("a.conll", f"{TOKENS}Bob B-PER\nran\n\n{TOKENS}", r"a.conll, line 5: 1 column where the others have 2: 'ran'. Correct the line", 2),
    "unclosed_xml": ("a.xml", BIOC.format(1) + BIOC.format(2)[:60], r"a.xml, line 4: the XML ends here, but <\w+> of line 4 is not closed. The file may be cut off", 1),
    "undecodable_bytes": ("a.conll", f"{TOKENS}Zoë B-PER\nran O\n\n{TOKENS}".encode("latin-1"), r"a.conll, line 4: the bytes eb 20 42 2d are no utf-8. Say which encoding it is, for instance --encoding latin-1", 2),
    "offsets_past_the_end": ("a.jsonl", f"{RECORD}{RECORD.replace('4', '40')}", r"a.jsonl, line 2: an entity \(PER\) goes from 0 to 40, in a text of 17 characters. Correct its offsets", 2),
}  # fmt: skip
REFUSED = {
    "unknown_format": ({"a.txt": "Once upon a time\n"}, r"a.txt: the format is not recognised; a.txt begins with 'Once upon a time'. Say which it is: --from with one of spacy, "),
    "mixed_formats": ({"in/a.jsonl": RECORD, "in/b.conll": TOKENS}, r"in: the folder holds several formats: a.jsonl looks like jsonl .*, and b.conll like columns .*--from jsonl"),
    "empty_file": ({"a.jsonl": ""}, r"a.jsonl: the file is empty. Check how it was made"),
}  # fmt: skip


def write(files):
    for name, content in files.items():
        Path(name).parent.mkdir(exist_ok=True)
        data = content if isinstance(content, bytes) else content.encode("utf8")
        Path(name).write_bytes(data)


@pytest.mark.parametrize("name, content, told, n_left", BAD.values(), ids=BAD)
def test_bad_input(folder, name, content, told, n_left):
    write({name: content})
    assert re.search(told, fails(name, "o.spacy"))
    text = call(name, "o.spacy", "--skip-bad", "--report", "r.jsonl")
    assert "Bad input, skipped" in text and re.search(told, text)
    assert len(docs("o.spacy")) == n_left
    assert [note["kind"] for note in lines("r.jsonl")].count("skipped") == 1


@pytest.mark.parametrize("files, told", REFUSED.values(), ids=REFUSED)
def test_refused_input(folder, files, told):
    write(files)
    path = Path(next(iter(files)))
    for options in ((), ("--skip-bad",)):
        assert re.search(told, fails(path.parts[0], "o.spacy", *options))


@pytest.fixture
def locked(monkeypatch):
    """Makes files and folders with these names neither readable nor writable, also for root."""

    def lock(*names):
        real_open, real_access = Path.open, os.access

        def opened(path, *arguments, **settings):
            if path.name in names:
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return real_open(path, *arguments, **settings)

        def access(path, mode, **settings):
            return Path(path).name not in names and real_access(path, mode, **settings)

        monkeypatch.setattr(Path, "open", opened)
        monkeypatch.setattr(os, "access", access)

    return lock


def test_unreadable_files(folder, locked):
    write({"in/a.jsonl": RECORD, "in/b.jsonl": RECORD})
    locked("b.jsonl")
    told = "b.jsonl: cannot be opened: permission denied. Check the path and its rights."
    for path in ("in", "in/b.jsonl"):
        assert f"in/{told}" in call(path, "o.spacy", code=1)
        assert not Path("o.spacy").exists()
    assert told in call("in", "o.spacy", "--skip-bad") and len(docs("o.spacy")) == 1


def test_output_folders_without_rights(folder, locked):
    Path("locked").mkdir()
    locked("locked")
    for path in ("locked", "locked/o.spacy", "locked/new/o.spacy"):
        assert "locked cannot be written to. Name another output." in fails("a.jsonl", path)


def test_missing_output_folders_are_made(folder):
    call("a.jsonl", "new/deep/o.spacy")
    assert len(docs("new/deep/o.spacy")) == 4


@pytest.mark.parametrize("output", ["new/o.spacy", "new/o.jsonl", "new/o.conll", "new/o"])
def test_no_more_room(folder, output):
    """A limit to the size of files is what a full disk looks like."""
    write({"big.jsonl": RECORD * 2000})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        text = fails("big.jsonl", output)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert re.search(rf"{output}: File too large. Check the path, its rights and the space", text)


def test_the_input_as_output(folder):
    assert "a.jsonl: it is the input as well. Name another output" in fails("a.jsonl", "a.jsonl")
