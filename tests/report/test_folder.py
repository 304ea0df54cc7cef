import json
import os
from pathlib import Path

import pytest

from spacy_contrastive_ner.report import folder
from spacy_contrastive_ner.report.folder import check_folder, write_report

FILES = {"figures/a.png": b"\x89PNG", "tables/a.csv": b"x\n"}


def there(path):
    """All that is in a folder."""
    return sorted(each.relative_to(path).as_posix() for each in path.rglob("*"))


def contents(path):
    return {each: (path / each).read_bytes() for each in there(path) if (path / each).is_file()}


def test_writes_all(tmp_path):
    out = tmp_path / "new" / "report"
    write_report(out, "<p>é", FILES)
    found = contents(out)
    assert found.pop("index.html") == "<p>é".encode()
    assert json.loads(found.pop("report.json"))["files"] == sorted(FILES)
    assert found == FILES
    assert os.listdir(out.parent) == ["report"]
    assert out.stat().st_mode & 0o777 == 0o755


def test_writes_into_an_empty_folder(tmp_path):
    out = tmp_path / "report"
    out.mkdir()
    write_report(out, "x", FILES)
    assert (out / "index.html").read_text() == "x"


def test_replaces_a_report_if_told_to(tmp_path):
    out = tmp_path / "report"
    write_report(out, "old", {**FILES, "figures/old.png": b"old"})
    with pytest.raises(ValueError, match=r"holds a report.*--force"):
        write_report(out, "new", FILES)
    assert (out / "index.html").read_text() == "old"
    write_report(out, "new", FILES, force=True)
    assert (out / "index.html").read_text() == "new"
    assert there(out) == [
        *("figures", "figures/a.png", "index.html", "report.json", "tables", "tables/a.csv")
    ]
    assert os.listdir(tmp_path) == ["report"]


def test_other_folders_are_never_replaced(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="is no report"):
        write_report(tmp_path, "new", FILES, force=True)
    assert contents(tmp_path) == {"notes.txt": b"mine"}


@pytest.mark.parametrize("name", ["notes.txt", "figures/mine.png", "empty/", "link"])
def test_other_files_are_never_removed(tmp_path, name):
    out = tmp_path / "report"
    write_report(out, "old", FILES)
    if name.endswith("/"):
        (out / name).mkdir()
    elif name == "link":
        (out / name).symlink_to(tmp_path)
    else:
        (out / name).write_text("mine")
    before = there(out)
    with pytest.raises(ValueError, match=rf"not the report's: {name.rstrip('/')}\."):
        write_report(out, "new", FILES, force=True)
    assert there(out) == before and (out / "index.html").read_text() == "old"


def test_a_link_in_place_of_a_file_of_ours_is_not_ours(tmp_path):
    out = tmp_path / "report"
    write_report(out, "old", FILES)
    (out / "tables/a.csv").unlink()
    (out / "tables/a.csv").symlink_to(tmp_path)
    with pytest.raises(ValueError, match=r"tables/a\.csv"):
        check_folder(out, force=True)


@pytest.mark.parametrize("told", ["", "[]", "{}", '{"generator": "x", "files": []}', "\x00"])
def test_what_tells_of_no_report(tmp_path, told):
    (tmp_path / "report.json").write_text(told)
    with pytest.raises(ValueError, match="is no report"):
        check_folder(tmp_path, force=True)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="is a file"):
        write_report(tmp_path / "file", "x", FILES)
    with pytest.raises(ValueError, match="cannot be written to"):
        write_report(tmp_path / "file" / "report", "x", FILES)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("replaced", [False, True])
def test_after_an_error_all_is_as_before(tmp_path, monkeypatch, error, replaced):
    out = tmp_path / "above" / "report"
    if replaced:
        write_report(out, "old", FILES)
    before = contents(tmp_path)
    write = folder._write

    def full(part, name, data):
        if name == "index.html":
            raise error
        write(part, name, data)

    monkeypatch.setattr(folder, "_write", full)
    with pytest.raises(type(error)):
        write_report(out, "new", FILES, force=True)
    assert contents(tmp_path) == before
    assert os.listdir(tmp_path) == (["above"] if replaced else [])
    assert not replaced or os.listdir(out.parent) == ["report"]


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "a\\..\\x"])
def test_files_stay_in_the_folder(tmp_path, name):
    with pytest.raises(ValueError, match="no path within"):
        write_report(tmp_path / "out" / "report", "x", {name: b""})
    assert os.listdir(tmp_path) == []


def test_a_link_to_a_folder_stays(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_report(tmp_path / "link", "x", FILES)
    assert (tmp_path / "link").is_symlink()
    assert Path(tmp_path / "real" / "index.html").read_text() == "x"
