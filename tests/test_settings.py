"""Settings that are changed by hand."""

import math

import numpy
import pytest
import spacy

from .util import TEXTS, found, make_pipeline, predict, train

NAME = "contrastive_ner"


@pytest.fixture(scope="module")
def trained():
    nlp = make_pipeline()
    train(nlp, steps=25)
    return nlp


@pytest.fixture
def cfg(trained):
    """The settings of the pipe, which are put back afterwards."""
    cfg = trained.get_pipe(NAME).cfg
    before = dict(cfg)
    yield cfg
    cfg.clear()
    cfg.update(before)


BAD = [
    ({"threshold": 7}, r"threshold is 7, but it must lie in \[0, 1\]"),
    ({"threshold": math.nan}, "threshold is nan, but it must lie in"),
    ({"threshold": "0.5"}, "threshold is '0.5', but it must be a number"),
    ({"threshold": None}, "threshold is None, but it must be a number"),
    ({"threshold": True}, "threshold is True, but it must be a number"),
    ({"threshold": {"PER": 0.6}}, "threshold is .* those of single labels go to thresholds"),
    ({"thresholds": 0.5}, "thresholds is 0.5, but it must have a number for each label"),
    ({"thresholds": {"PER": 1.5}}, "thresholds has 1.5 for 'PER', but it must lie in"),
    ({"thresholds": {"PER": "x"}}, "thresholds has 'x' for 'PER', but it must be a number"),
    ({"thresholds": {"DOG": 0.5}}, "thresholds names 'DOG', but the labels are GPE, ORG, PER"),
    ({"decoder": "virterbi"}, "decoder is 'virterbi', but it must be one of viterbi, posterior"),
    ({"decoder": ["viterbi"]}, "but it must be one of viterbi, posterior"),
    ({"spans_key": ""}, "spans_key is '', but it must be a key"),
    ({"spans_key": 3}, "spans_key is 3, but it must be a key"),
    ({"missing_key": 3}, "missing_key is 3, but it must be a key"),
    ({"set_ents": "false"}, "set_ents is 'false', but it must be true or false"),
    ({"overwrite_ents": None}, "overwrite_ents is None, but it must be true or false"),
    ({"max_layers": 4}, "max_layers is 4, but it must be a number between 1 and 3"),
    ({"max_layers": "2"}, "max_layers is '2', but it must be a number"),
    (
        {"treshold": 0.3},
        "no setting 'treshold' in cfg: there are .*decoder, threshold, thresholds,",
    ),
]


@pytest.mark.parametrize("settings, message", BAD, ids=str)
def test_what_cannot_be_meant_is_said_at_once(trained, cfg, settings, message, tmp_path):
    """Where it is used, and before it is saved."""
    cfg.update(settings)
    pipe = trained.get_pipe(NAME)
    for use in (
        lambda: predict(trained, "a b"),
        pipe.to_bytes,
        lambda: pipe.to_disk(tmp_path / "x"),
    ):
        with pytest.raises(ValueError, match=rf"^\[contrastive_ner\] .*{message}"):
            use()
    assert not (tmp_path / "x").exists()


def test_a_setting_that_is_gone(trained, cfg):
    del cfg["threshold"]
    with pytest.raises(
        ValueError, match=r"'threshold' is gone from cfg\. Set it, by default to 0\.35"
    ):
        predict(trained, "a b")


@pytest.mark.parametrize("settings, message", BAD[:5], ids=str)
def test_what_cannot_be_meant_at_load(trained, settings, message, tmp_path):
    trained.to_disk(tmp_path)
    with pytest.raises(ValueError, match="threshold"):
        spacy.load(tmp_path, config={"components": {NAME: settings}})


def test_what_was_saved_wrongly_is_not_loaded(trained, tmp_path):
    trained.to_disk(tmp_path)
    path = tmp_path / NAME / "cfg"
    path.write_text(path.read_text().replace('"decoder":"posterior"', '"decoder":"beam"', 1))
    with pytest.raises(ValueError, match="decoder is 'beam', but it must be one of viterbi"):
        spacy.load(tmp_path)


@pytest.mark.parametrize("number", [0, 1, numpy.float64(0.5), numpy.float32(0.5)], ids=repr)
def test_numbers_of_all_kinds_are_thresholds(trained, cfg, number, tmp_path):
    cfg["threshold"] = number
    cfg["thresholds"] = {"PER": number}
    predict(trained, TEXTS[0][0])
    trained.to_disk(tmp_path)
    assert spacy.load(tmp_path).get_pipe(NAME).cfg["threshold"] == number


def test_thresholds_that_are_changed_in_place_are_saved(tmp_path):
    nlp = make_pipeline(thresholds={"ORG": 0.5})
    train(nlp, steps=1)
    nlp.get_pipe(NAME).cfg["thresholds"]["PER"] = 0.9
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert loaded.get_pipe(NAME).cfg["thresholds"] == pytest.approx({"ORG": 0.5, "PER": 0.9})
    assert found(predict(loaded, TEXTS[1][0])) == found(predict(nlp, TEXTS[1][0]))


def test_a_setting_like_the_one_in_the_saved_config_overrides_nothing(tmp_path):
    """It cannot be told from none: that is what the page of settings says."""
    nlp = make_pipeline(threshold=0.5)
    train(nlp, steps=1)
    nlp.get_pipe(NAME).cfg["threshold"] = 0.3
    nlp.to_disk(tmp_path)
    for override, expected in ((0.5, 0.3), (0.35, 0.35)):
        config = {"components": {NAME: {"threshold": override}}}
        pipe = spacy.load(tmp_path, config=config).get_pipe(NAME)
        assert pipe.cfg["threshold"] == pytest.approx(expected)
