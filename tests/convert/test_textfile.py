"""Encodings, lines, byte order marks."""

import codecs
import tracemalloc

import pytest

from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.textfile import HEAD, BadLine, TextFile

TEXT = "Zoë\r\n\n  x \u2028 \x0b y\nעברית 🦊"  # noqa: RUF001
LINES = ["Zoë", "", "  x \u2028 \x0b y", "עברית 🦊"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.txt"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_encodings(path, encoding, end):
    path.write_bytes((TEXT + end).encode(encoding))
    file = TextFile(path, encoding)
    assert list(file.lines()) == list(enumerate(LINES, 1))
    assert file.text() == TEXT + end
    head = file.head()
    assert head.lines == LINES and head.text == TEXT + end and head.complete
    assert file.raw() == b"".join(file.chunks(3)) == path.read_bytes()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_byte_order_marks(path, encoding):
    path.write_bytes("\ufeffa\n\ufeffb".encode(encoding))
    file = TextFile(path, encoding)
    assert list(file.lines()) == [(1, "a"), (2, "\ufeffb")]
    assert file.text() == "a\n\ufeffb" and file.text(keep_mark=True) == "\ufeffa\n\ufeffb"
    assert file.head().text == "a\n\ufeffb"


def test_other_encodings(path):
    path.write_bytes("Zoë\nä".encode("latin-1"))
    assert [line for _, line in TextFile(path, "latin-1").lines()] == ["Zoë", "ä"]
    file = TextFile(path)
    assert file.head().text == "" and file.head().lines == []
    with pytest.raises(BadInput, match=r"a.txt, line 1: the bytes eb 0a are no utf-8.*latin-1"):
        list(file.lines())
    path.write_bytes("a\nb\nä".encode("latin-1"))
    for read in (lambda: list(file.lines()), file.text):
        with pytest.raises(BadInput, match=r"a.txt, line 3: the bytes e4 are no utf-8"):
            read()
    path.write_bytes("Zoë".encode("utf-16"))
    with pytest.raises(BadInput, match="--encoding utf-16"):
        file.text()


@pytest.mark.parametrize("encoding", ["utf-99", "rot13", "hex", ""])
def test_unknown_encodings(path, encoding):
    with pytest.raises(ValueError, match=f"There is no encoding '{encoding}'"):
        TextFile(path, encoding)


def test_empty(path):
    path.write_bytes(b"")
    for encoding in ("utf-8", "utf-16"):
        file = TextFile(path, encoding)
        assert list(file.lines()) == [] and file.text() == ""
        assert file.head()[1:] == (b"", "", [], True)
    path.write_bytes(codecs.BOM_UTF8)
    assert TextFile(path).head().lines == []


def test_heads_of_long_files(path):
    line = "🦊" * 99
    path.write_text(f"x{line}\n" * 1000, encoding="utf-8")
    head = TextFile(path).head()
    assert not head.complete and len(head.data) == HEAD
    assert len(head.lines) > 100 and all(found == f"x{line}" for found in head.lines)
    path.write_text("🦊" * HEAD, encoding="utf-8")
    assert len(TextFile(path).head().lines) == 1


def test_what_was_read_is_told(path):
    path.write_bytes(b"ab\ncd\n")
    told = []
    file = TextFile(path, on_bytes=told.append)
    list(file.lines())
    assert sum(told) == 6
    file.text(), file.raw(), list(file.chunks()), file.head()
    assert sum(told) == 24


def test_lines_take_little_memory(path):
    path.write_bytes(b"x" * 99 + b"\n" + (b"y" * 99 + b"\n") * 100_000)
    tracemalloc.start()
    assert sum(1 for _ in TextFile(path, "utf-8-sig").lines()) == 100_001
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_files_beside(path):
    path.write_text("a", encoding="utf-8")
    path.with_suffix(".ann").write_bytes("é".encode("latin-1"))
    file = TextFile(path, "latin-1")
    assert file.beside(".ann").text() == "é" and file.beside(".xml") is None
    assert file.at(path.parent) is None
    assert str(file.where(3, "x")) == f"{path}, line 3 (document 'x')"


def test_files_that_cannot_be_opened(path):
    with pytest.raises(BadInput, match=r"a.txt: cannot be opened: no such file or directory"):
        TextFile(path).head()
    with pytest.raises(BadInput, match=r"cannot be opened: is a directory. Check the path"):
        TextFile(path.parent).text()


def test_bad_lines_are_told_and_marked(path):
    path.write_bytes(b"\xef\xbb\xbfa\nb\xff\r\nc\n")
    notes = Notes(skip_bad=True)
    lines = list(TextFile(path).lines(notes))
    assert lines == [(1, "a"), (2, "b\ufffd"), (3, "c")]
    assert [isinstance(line, BadLine) for _, line in lines] == [False, True, False]
    assert ["line 2: the bytes ff 0d 0a" in str(error) for error in notes.skipped] == [True]
    with pytest.raises(BadInput, match="line 2"):
        list(TextFile(path).lines(Notes()))


def test_the_head_ends_where_it_is_no_text(path):
    path.write_bytes(b"\xef\xbb\xbfa\r\nb\nc\xff\nd\n")
    head = TextFile(path).head()
    assert (head.text, head.lines, head.complete) == ("a\r\nb\n", ["a", "b"], False)
    path.write_bytes("a\nb".encode("utf-16-le") + b"\n")
    head = TextFile(path, "utf-16-le").head()
    assert (head.text, head.lines) == ("", [])
