"""What commands write."""

import json
from pathlib import Path

import pytest

from spacy_contrastive_ner.cli.output import check_not_read, write_json


def test_what_is_read_is_not_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_not_read(Path("a.json"), [None, Path("b.json")])
    with pytest.raises(ValueError, match="is read and to be written"):
        check_not_read(Path("a.json"), [None, Path("b.json"), tmp_path / "x" / ".." / "a.json"])


def test_json_is_written_as_it_is_read(tmp_path):
    write_json(tmp_path / "a.json", {"label": "Ort", "text": "K\u00f6ln"})
    text = (tmp_path / "a.json").read_text(encoding="utf8")
    assert "K\u00f6ln" in text and text.endswith("}\n")
    assert json.loads(text) == {"label": "Ort", "text": "K\u00f6ln"}
