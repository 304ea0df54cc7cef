"""Errors of other libraries are told by what to do about them."""

import pytest
import spacy
from spacy.util import load_model_from_config
from thinc.api import ConfigValidationError

from spacy_contrastive_ner import __version__
from spacy_contrastive_ner.cli.explain import explain


def error_of(components):
    config = {"nlp": {"lang": "en", "pipeline": list(components)}, "components": components}
    with pytest.raises(ValueError) as caught:
        load_model_from_config(config, auto_fill=True)
    return caught.value


def test_a_component_that_is_not_installed():
    text = explain(error_of({"no_such": {"factory": "no_such"}}))
    assert "a component 'no_such', which is not installed here. Install the package" in text
    assert "Available" not in text


def test_a_transformer_that_is_not_installed():
    """As spaCy says it where the extra is missing."""
    text = explain(ValueError("[E002] Can't find factory for 'transformer' for language English"))
    assert 'pip install "spacy-contrastive-ner[transformers]"' in text


def model(**settings):
    return {"contrastive_ner": {"factory": "contrastive_ner", "model": settings}}


def test_a_function_of_another_version():
    name = "spacy-contrastive-ner.MultiHeadTagger.v0"
    text = explain(error_of(model(**{"@architectures": name})))
    assert text.startswith(f"Could not find function '{name}' (architectures)")
    assert f"{__version__} does not have" in text and "contrastive init-config" in text
    assert "spacy.Tok2Vec" not in text


def test_a_function_of_a_package_that_is_not_installed():
    name = "spacy-transformers.NoSuchThing.v9"
    assert "[transformers]" in explain(error_of(model(**{"@architectures": name})))
    assert "--code" in explain(error_of(model(**{"@architectures": "my.model"})))


def test_settings_of_another_version():
    error = error_of(model(old_setting=3))
    assert isinstance(error, ConfigValidationError)
    text = explain(error)
    assert "contrastive_ner.model -> old_setting unexpected argument. If" in text
    assert "init fill-config" in text and "{" not in text


def test_an_encoder_that_cannot_be_had():
    """Also if spaCy's error is about something else."""
    try:
        try:
            raise OSError("no/such is not a local folder and is not a valid model identifier")
        except OSError:
            raise ValueError("[E874] Could not initialize the tok2vec model") from None
    except ValueError as error:
        text = explain(error)
    assert "no folder here" in text and "--components.transformer.model.name FOLDER" in text


def test_a_name_for_a_folder_that_is_not_there(tmp_path, monkeypatch):
    pytest.importorskip("spacy_transformers")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    name = str(tmp_path / "no" / "encoder")
    nlp = spacy.blank("en")
    architecture = {"@architectures": "spacy-transformers.TransformerModel.v3", "name": name}
    nlp.add_pipe("transformer", config={"model": architecture})
    with pytest.raises((ValueError, OSError)) as caught:
        nlp.initialize()
    assert "no folder here" in explain(caught.value)


def test_other_errors_stay_as_they_are():
    assert explain(ValueError("this\n and  that")) == "this and that"
