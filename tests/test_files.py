import errno
import os
import stat

import pytest

from spacy_contrastive_ner.files import find_bar, require_free, write_atomically, write_folder


def test_a_file_and_its_folders_are_made(tmp_path):
    path = tmp_path / "some" / "folder" / "weights.bin"
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    write_atomically(str(path), b"newer")
    assert path.read_bytes() == b"newer"
    assert os.listdir(path.parent) == ["weights.bin"]


@pytest.mark.parametrize("step", ["fdopen", "fsync", "chmod", "replace"])
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_error_midway_leaves_the_old_file(tmp_path, monkeypatch, step, error):
    path = tmp_path / "weights.bin"
    write_atomically(path, b"old")

    def fail(*args, **kwargs):
        raise error("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(error):
            write_atomically(path, b"new")
        with pytest.raises(error):
            write_atomically(tmp_path / "some" / "folder" / "weights.bin", b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["weights.bin"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_error_names_the_file(tmp_path, monkeypatch, step):
    """The system names none, or the one beside it."""

    def fail(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *args[:1])

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left") as error:
        write_atomically(tmp_path / "weights.bin", b"new")
    assert error.value.filename == str(tmp_path / "weights.bin")
    assert error.value.errno == errno.ENOSPC


def test_readers_see_the_old_file_or_the_new_one(tmp_path, monkeypatch):
    """The new one is whole, and on the disk, before it takes the place of the old."""
    path = tmp_path / "weights.bin"
    write_atomically(path, b"old")
    real, seen = os.replace, []

    def replace(source, target):
        with open(source, "rb") as file:
            seen.append((path.read_bytes(), file.read()))
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    write_atomically(path, b"new" * 100_000)
    assert seen == [(b"old", b"new" * 100_000)]


def fill(folder):
    (folder / "a").write_text("new")


def test_a_folder_is_written_where_there_is_none_or_an_empty_one(tmp_path):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "some" / "new", tmp_path / "empty"):
        require_free(path, "to write to")
        write_folder(path, fill)
        assert [file.read_text() for file in path.iterdir()] == ["new"]
        assert stat.S_IMODE(path.stat().st_mode) == 0o755
        assert os.listdir(path.parent) == [path.name] or path.parent == tmp_path
    assert sorted(os.listdir(tmp_path)) == ["empty", "some"]


def test_a_folder_with_contents_is_replaced_only_if_asked(tmp_path):
    path = tmp_path / "out"
    path.mkdir()
    (path / "b").write_text("old")
    with pytest.raises(ValueError, match=r"out is not empty\. Name another folder to write to"):
        require_free(path, "to write to")
    with pytest.raises(OSError):
        write_folder(path, fill)
    assert os.listdir(path) == ["b"]
    write_folder(path, fill, replace=True)
    assert os.listdir(path) == ["a"]
    assert os.listdir(tmp_path) == ["out"]
    with pytest.raises(ValueError, match=r"a is a file\. Name a folder to write to"):
        require_free(path / "a", "to write to")


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_error_leaves_nothing_of_a_folder(tmp_path, error, replace):
    def fail(folder):
        fill(folder)
        raise error("the disk is full")

    with pytest.raises(error):
        write_folder(tmp_path / "some" / "out", fail, replace)
    assert os.listdir(tmp_path) == []


def test_the_old_folder_comes_back_if_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    path = tmp_path / "out"
    write_folder(path, lambda folder: (folder / "b").write_text("old"))
    rename = os.rename

    def fail(source, target):
        if str(source).endswith(".part"):
            raise OSError("no")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OSError, match="no"):
        write_folder(path, fill, replace=True)
    assert os.listdir(path) == ["b"] and (path / "b").read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


def test_folders_that_cannot_be_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ValueError, match=r"is the current folder, which cannot be .* to write to\."
    ):
        require_free(type(tmp_path)("."), "to write to")
    (tmp_path / "disk").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: True)
    with pytest.raises(ValueError, match="disk is a mount point"):
        require_free(tmp_path / "disk", "to write to")


def test_where_nothing_can_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file" / "new", tmp_path / "file" / "deep" / "new"):
        assert find_bar(path) == tmp_path / "file"
        with pytest.raises(ValueError, match=r"/file cannot be written to, and .*new would be put"):
            require_free(path, "to write to")
    require_free(tmp_path / "deep" / "new", "to write to")
    assert find_bar(tmp_path / "deep" / "new") is None
    # Beside an empty folder, which alone is of no use.
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    with pytest.raises(ValueError, match=r"cannot be written to, and .*empty would be put there"):
        require_free(tmp_path / "empty", "to write to")


def test_where_the_current_folder_is_gone(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    (tmp_path / "new").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    require_free(tmp_path / "new", "to write to")


def test_an_empty_folder_stays_if_it_cannot_be_replaced(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()

    def fail(source, target):
        raise OSError("no")

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OSError):
        write_folder(tmp_path / "out", fill)
    assert os.listdir(tmp_path) == ["out"]
