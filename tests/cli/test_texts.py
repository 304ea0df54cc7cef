"""Texts that are read without a model."""

import pytest

from spacy_contrastive_ner.cli.texts import make_tokenizer, read_files


def test_a_tokenizer_for_texts_of_any_length():
    nlp = make_tokenizer("de")
    assert nlp.lang == "de" and nlp.max_length > 10**8
    with pytest.raises(ValueError, match="There is no tokenizer for --lang qq"):
        make_tokenizer("qq")


def test_files_are_read_one_after_the_other(tmp_path, monkeypatch):
    """Also those of one name, one of them by an absolute path."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").mkdir()
    first, second = tmp_path / "x" / "a.txt", (tmp_path / "a.txt").relative_to(tmp_path)
    first.write_text("One.")
    second.write_text("Two.")
    files, nlp = [first, second], make_tokenizer("en")
    items = list(read_files(files, nlp, "utf-8", True))
    assert [item.content for item in items] == ["One.", "Two."]
    assert [item.id for item in items] == ["a", "a"]
    named = read_files(files, nlp, "utf-8", True, {first: "x/a"})
    assert [item.id for item in named] == ["x/a", "a"]
