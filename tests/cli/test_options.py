"""Options that several commands have: told alike, and read alike."""

import pytest
from typer.main import get_command

from spacy_contrastive_ner.cli.app import app
from spacy_contrastive_ner.cli.options import keys_of, split_names


@pytest.mark.parametrize("name", ["--silent", "--code", "--gpu-id", "--train", "--rare"])
def test_an_option_is_called_and_told_alike(name):
    params = [param for made in get_command(app).commands.values() for param in made.params]
    found = [(param.opts, param.default, param.help) for param in params if name in param.opts]
    assert len(found) > 1
    assert all(way == found[0] for way in found)


def test_names_are_split():
    assert split_names(" B, A,,B ,") == ["B", "A"]
    assert split_names("") == []


def test_keys_must_differ():
    keys = keys_of("sc", "unknown")
    assert (keys.spans, keys.missing) == ("sc", "unknown")
    with pytest.raises(ValueError, match="are both 'sc'"):
        keys_of("sc", "sc")
