"""Encodings, lines, byte order marks."""

import codecs
import tracemalloc

import pytest

from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.textfile import HEAD, BadLine, TextFile, names_of

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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
@pytest.mark.parametrize("last", ["", "\r"])
def test_carriage_returns_alone_end_lines(path, encoding, last):
    """As on old Macs; blank lines are lines."""
    path.write_bytes(("a\rZoë\r\rb" + last).encode(encoding))
    notes = Notes()
    file = TextFile(path, encoding)
    assert list(file.lines(notes)) == [(1, "a"), (2, "Zoë"), (3, ""), (4, "b")]
    assert notes.decisions == ["lines end with carriage returns (old Mac)"]
    assert file.head().lines == ["a", "Zoë", "", "b"]
    assert file.text() == "a\rZoë\r\rb" + last


@pytest.mark.parametrize("text", ["a\rb\n\rc\n", "a\r\nb\r\n", "a\r\nb\rc", "ab"])
def test_other_carriage_returns_end_no_lines(path, text):
    notes = Notes()
    path.write_text(text, newline="")
    parts = text.removesuffix("\n").split("\n")
    assert [line for _, line in TextFile(path).lines(notes)] == [
        p.removesuffix("\r") for p in parts
    ]
    assert not notes.decisions


def test_line_ends_on_the_border_of_what_is_looked_at(path):
    first = "a" * (HEAD - 1)
    path.write_bytes(f"{first}\r\nb\rc\r\n".encode())
    assert list(TextFile(path).lines()) == [(1, first), (2, "b\rc")]


def test_long_files_with_carriage_returns(path):
    """Each line once, also where pieces that are read end within a line end."""
    lines = ["x" * (i % 97) for i in range(9000)]
    path.write_bytes(("\r".join(lines) + "\r\nlast\n").encode())
    assert [line for _, line in TextFile(path).lines()] == [*lines, "last"]
    counted = []
    assert list(TextFile(path, on_bytes=counted.append).lines())
    # A line end of two characters counts as one.
    assert sum(counted) == path.stat().st_size - 1


def test_undecodable_lines_that_end_with_carriage_returns(path):
    path.write_bytes(b"a\rb\r\xff\rc\r")
    with pytest.raises(BadInput, match=r"line 3: the bytes ff"):
        list(TextFile(path).lines())
    with pytest.raises(BadInput, match=r"line 3: the bytes ff"):
        TextFile(path).text()
    assert TextFile(path).head().lines == ["a", "b"]


def test_names_of_files(tmp_path):
    paths = [tmp_path / name for name in ("a.ann", "a.txt", "b.ann", "x/a.ann", "x/y/c.d.ann", "y/c.d.ann")]  # fmt: skip
    named = {path.relative_to(tmp_path).as_posix(): name for path, name in names_of(paths).items()}
    assert named == {"a.ann": "a", "a.txt": "a", "x/a.ann": "x/a",
                     "x/y/c.d.ann": "x/y/c.d", "y/c.d.ann": "y/c.d"}  # fmt: skip
    assert names_of(paths[:3]) == {} == names_of([])
    assert TextFile(paths[0]).name == "a" and TextFile(paths[0], name="x/a").name == "x/a"
