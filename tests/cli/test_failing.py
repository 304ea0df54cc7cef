"""Errors of a command: told in place of a traceback."""

from pathlib import Path

import pytest

from spacy_contrastive_ner.cli.failing import failing


def tell(error, capsys, path=None):
    with pytest.raises(SystemExit) as ended, failing("Nothing came of it", path):
        raise error
    assert ended.value.code == 1
    return " ".join(capsys.readouterr().out.split())


def test_a_foreseen_error_ends_the_command(capsys):
    text = tell(ValueError("Give --data."), capsys, Path("out.json"))
    assert "Nothing came of it" in text and text.endswith("Give --data.")


def test_an_error_with_a_file_names_what_is_written(capsys):
    text = tell(OSError(28, "No space left"), capsys, Path("out.json"))
    assert "out.json: No space left." in text
    assert "out.json" not in tell(OSError(28, "No space left"), capsys)


def test_what_was_not_foreseen_is_raised():
    with pytest.raises(KeyError), failing("Nothing came of it"):
        raise KeyError("x")


def test_without_an_error_nothing_happens(capsys):
    with failing("Nothing came of it"):
        pass
    assert capsys.readouterr().out == ""
