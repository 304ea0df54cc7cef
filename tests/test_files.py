import errno
import os
import stat

import pytest

from spacy_contrastive_ner.files import write_atomically


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
