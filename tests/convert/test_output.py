"""Output is there as a whole, or not at all."""

import errno
import os
from pathlib import Path

import pytest

from spacy_contrastive_ner.convert import output
from spacy_contrastive_ner.convert.format import Format
from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.output import (
    beside,
    check_output,
    explain,
    is_shard,
    write_records,
)
from spacy_contrastive_ner.convert.records import Record, Where

WHERE = Where(Path("a"))


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def write_lines(records, path, notes):
    with path.open("x", encoding="utf8") as file:
        for record in records:
            file.write(record.text + "\n")


LINES = Format("lines", "", (".lines", ".x"), lambda head: None, lambda file, notes: iter(()),
               write_lines)  # fmt: skip


def records(n, n_words=1):
    return (Record(" ".join([f"w{i}"] * n_words), [], WHERE) for i in range(n))


def test_a_file(tmp_path):
    path = tmp_path / "new" / "deep" / "a.txt"
    with beside(path, False) as place:
        place.write_text("new")
        assert not path.exists()
        assert place.parent.parent == path.parent
    assert path.read_text() == "new" and tree(tmp_path) == ["new", "new/deep", "new/deep/a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
@pytest.mark.parametrize("is_folder", [False, True])
def test_errors_leave_nothing(tmp_path, error, is_folder):
    for path in (tmp_path / "a.x", tmp_path / "b" / "c"):
        with pytest.raises(error), beside(path, is_folder) as place:
            (place / "part" if is_folder else place).write_text("half")
            raise error
        assert tree(tmp_path) == []


def test_an_error_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ValueError), beside(path, False) as place:
        place.write_text("half")
        raise ValueError
    assert path.read_text() == "old" and tree(tmp_path) == ["a.txt"]
    with beside(path, False) as place:
        place.write_text("new")
    assert path.read_text() == "new" and tree(tmp_path) == ["a.txt"]


def test_links_stay_links(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with beside(tmp_path / "link", False) as place:
        place.write_text("new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_text() == "new"


@pytest.mark.parametrize("is_there", [False, True])
def test_a_folder(tmp_path, monkeypatch, is_there):
    monkeypatch.chdir(tmp_path)
    path = Path("out")
    if is_there:
        path.mkdir()
        monkeypatch.chdir(path)
        path = Path(".")
    with beside(path, True) as place:
        assert place.is_dir()
        (place / "a").write_text("1")
        (place / "b").mkdir()
        (place / "b" / "c").write_text("2")
    assert tree(tmp_path) == ["out", "out/a", "out/b", "out/b/c"]


def test_moving_fails_in_the_middle(tmp_path, monkeypatch):
    path = tmp_path / "out"
    path.mkdir()
    replace = os.replace

    def fails(old, new):
        if Path(new) == path / "b":
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(old, new)

    monkeypatch.setattr(output.os, "replace", fails)
    with pytest.raises(OSError, match="No space"), beside(path, True) as place:
        (place / "a").mkdir()
        (place / "b").write_text("2")
    assert tree(tmp_path) == ["out"]


def test_checks(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("a")
    (tmp_path / "empty").mkdir()
    for path in ("new", "new/deep", "empty"):
        check_output(tmp_path / path, True)
    check_output(tmp_path / "new.txt", False)
    check_output(tmp_path / "full" / "a.txt", False)
    with pytest.raises(BadInput, match=r"the output folder is not empty. Name another one"):
        check_output(tmp_path / "full", True)
    with pytest.raises(BadInput, match="it is a file, but several are to be written"):
        check_output(tmp_path / "full" / "a.txt", True)
    with pytest.raises(BadInput, match=r"a.txt cannot be written to"):
        check_output(tmp_path / "full" / "a.txt" / "b", False)


def test_rights(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(output.os, "access", lambda path, mode: Path(path).name == "out")
    check_output(tmp_path / "out", True)
    check_output(tmp_path / "out" / "a" / "b.txt", False)
    with pytest.raises(BadInput, match="cannot be written to"):
        check_output(tmp_path / "b.txt", False)


@pytest.mark.parametrize("n", [0, 1, 9, 10, 11, 20, 35])
def test_parts_of_a_folder(tmp_path, monkeypatch, n):
    monkeypatch.setattr(output, "SHARD", 20)
    write_records(records(n, 2), tmp_path, LINES, write_lines, Notes())
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == [f"part-{i + 1:04}.lines" for i in range(-(-n // 10))]
    texts = [file.read_text().splitlines() for file in files]
    assert all(texts) and [line for lines in texts for line in lines] == [
        f"w{i} w{i}" for i in range(n)
    ]


def test_formats_that_write_folders(tmp_path):
    def write(records, path, notes):
        for record in records:
            (path / record.text).write_text("")

    format = LINES._replace(to_folder=True)
    write_records(records(3), tmp_path, format, write, Notes())
    assert tree(tmp_path) == ["w0", "w1", "w2"]
    write_records(records(3), tmp_path / "a.lines", LINES, write_lines, Notes())
    assert (tmp_path / "a.lines").read_text() == "w0\nw1\nw2\n"


def folder(path, **files):
    for name, text in files.items():
        file = path / name.replace("__", "/").replace("_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def contents(path):
    files = (file for file in path.rglob("*") if file.is_file())
    return {str(file.relative_to(path)): file.read_text() for file in files}


def test_a_folder_is_written_again(tmp_path):
    folder(tmp_path, a_x="old", notes_md="stays", README_x="stays", train__b_x="old")
    with pytest.raises(BadInput, match=r"not empty.*--overwrite"):
        check_output(tmp_path, True)
    check_output(tmp_path, True, overwrite=True)
    with beside(tmp_path, True, (".x",)) as place:
        folder(place, a_x="new", train__b_x="new", dev__c_x="new")
    assert contents(tmp_path) == {"a.x": "new", "notes.md": "stays", "README.x": "stays",
                                  "train/b.x": "new", "dev/c.x": "new"}  # fmt: skip


def test_nothing_is_left_over(tmp_path):
    files = {f"{name}_x": "old" for name in "abcdefgh"}
    folder(tmp_path, **files, deep__i_X="old", other_y="old")
    before = contents(tmp_path)
    with pytest.raises(BadInput) as error, beside(tmp_path, True, (".x",)) as place:
        folder(place, a_x="new", b_x="new")
    assert "old files would be left over among the new ones: c.x, d.x, deep/i.X, e.x, f.x and 2 more. Remove them" in str(error.value)  # fmt: skip
    assert contents(tmp_path) == before


def test_an_error_leaves_the_old_folder(tmp_path, monkeypatch):
    folder(tmp_path, a_x="old", z_x="old")
    real, calls = os.replace, []

    def replace(source, target):
        calls.append(target)
        if len(calls) == 5:
            raise OSError(errno.ENOSPC, "full")
        real(source, target)

    monkeypatch.setattr(output.os, "replace", replace)
    with pytest.raises(OSError, match="full"), beside(tmp_path, True) as place:
        folder(place, a_x="new", m__n_x="new", z_x="new")
    assert contents(tmp_path) == {"a.x": "old", "z.x": "old"} and tree(tmp_path) == ["a.x", "z.x"]


def test_a_folder_in_the_way_stays(tmp_path):
    folder(tmp_path, a_x="old", b_x__kept="old")
    with pytest.raises(BadInput, match=r"b.x: it is a folder"), beside(tmp_path, True) as place:
        folder(place, a_x="new", b_x="new")
    assert contents(tmp_path) == {"a.x": "old", "b.x/kept": "old"}


@pytest.mark.parametrize("error, told", [
    (OSError(errno.ENOSPC, "No space left"), "out: No space left. Check"),
    (OSError(errno.EACCES, "Denied", "/x/.o.abc.part/o/a.txt"), "out: Denied. Check"),
    (OSError(errno.EACCES, "Denied", "given.json"), "given.json: Denied. Check"),
])  # fmt: skip
def test_errors_name_a_file(error, told):
    assert explain(error, "out").startswith(told)


def test_shards():
    assert is_shard("part-0001.lines", LINES) and is_shard("part-12345.lines", LINES)
    assert not is_shard("part-1.lines", LINES) and not is_shard("part-0001.x", LINES)
