"""`contrastive evaluate --protocol`, and `contrastive vectors`, called as a user calls them."""

import json

import numpy
import pytest
import spacy
from spacy.cli._util import app
from spacy.tokens import DocBin
from typer.testing import CliRunner

import spacy_contrastive_ner.cli.vectors  # noqa: F401
from spacy_contrastive_ner.layers.word_vectors import WordVectors

from ..models.test_span_typer import make
from ..util import make_examples, train
from .test_evaluate import evaluate


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("typing")
    nlp = make()
    train(nlp, steps=60)
    nlp.to_disk(path / "model")
    docs = [example.reference for example in make_examples(nlp)]
    DocBin(docs=docs).to_disk(path / "data.spacy")
    return path


def result_of(folder, *options):
    output = folder / "scores.json"
    shown = evaluate(folder / "model", folder / "data.spacy", "-G", "--output", output, *options)
    return shown, json.loads(output.read_text("utf8"))


def test_oracle_typing(folder):
    shown, found = result_of(folder, "--protocol", "oracle-typing")
    assert "ORACLE BOUNDARIES" in shown and "which is no F1: 100.00" in shown
    assert (
        found["format"] == "spacy-contrastive-ner.typing" and found["protocol"] == "oracle-typing"
    )
    assert found["typing"]["accuracy"] == 1 == found["sng_convention"]
    assert "baselines" not in found and not {"micro", "f", "f1"} & (
        set(found) | set(found["typing"])
    )


def test_honest_typing(folder):
    train_data = ("--train", folder / "data.spacy")
    shown, found = result_of(folder, "--protocol", "honest-typing", *train_data)
    assert "ORACLE BOUNDARIES" in shown and "Words unseen" in shown
    assert set(found["baselines"]) == {"majority", "lexicon", "context_free"}
    assert found["baselines"]["majority"]["accuracy"] == 3 / 8
    assert found["typing"]["unseen"]["mentions"] == 0 and found["typing"]["interval"] == [1, 1]


def test_detection_tells_what_was_looked_at(folder):
    shown, found = result_of(folder)
    assert found["protocol"] == "detection" and found["candidates"]["recall"] == 1
    assert "Candidate recall 100.00: of 8 gold spans" in shown and "ORACLE" not in shown
    assert found == {
        **found,
        **result_of(folder, "--protocol", "detection")[1],
        "speed": found["speed"],
    }


@pytest.mark.parametrize(
    "options, told",
    [
        (["honest-typing"], "give --train"),
        (["oracle-typing", "--rare", "3"], "--rare has no use"),
        (["oracle-typing", "--few-shot-labels", "PER"], "--few-shot-labels has no use"),
    ],
)
def test_options_that_cannot_be_meant(options, told, folder):
    shown = evaluate(folder / "model", folder / "data.spacy", "--protocol", *options, code=1)
    assert told in shown


def test_a_comparison_does_not_take_it(folder):
    result_of(folder, "--protocol", "oracle-typing")
    command = ["contrastive", "compare", str(folder / "scores.json"), str(folder / "scores.json")]
    assert CliRunner().invoke(app, command).exit_code == 1


# Vectors


def vectors(*arguments, code=0):
    result = CliRunner().invoke(app, ["contrastive", "vectors", *map(str, arguments)])
    assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
    return " ".join(result.output.split())


@pytest.mark.parametrize("mode", ["floret", "default"])
def test_vectors_of_texts(mode, tmp_path, folder):
    pytest.importorskip("floret")
    (tmp_path / "raw.txt").write_text("the cat sat on the mat . " * 20, encoding="utf8")
    output = tmp_path / "new" / "some.vec"
    options = ("--mode", mode, "--width", 8, "--buckets", 50, "--min-count", 1, "--epochs", 2)
    shown = vectors(output, tmp_path / "raw.txt", folder / "data.spacy", *options)
    command = shown[shown.index("init vectors") :].split()
    assert command[-1] == mode
    command[command.index("vectors", 2)] = str(tmp_path / "pipeline")
    result = CliRunner().invoke(app, [*command[:2], "en", str(output), *command[4:]])
    assert result.exit_code == 0, result.output
    nlp = spacy.load(tmp_path / "pipeline")
    assert nlp.vocab.vectors.shape[1] == 8 and nlp.vocab["Ministry"].vector.any()
    assert nlp.vocab["unheard"].vector.any() == (mode == "floret")
    first = output.read_bytes()
    vectors(output, tmp_path / "raw.txt", folder / "data.spacy", *options, "--silent")
    assert output.read_bytes() == first


def test_vectors_of_nothing(tmp_path):
    pytest.importorskip("floret")
    (tmp_path / "raw.txt").write_text(" \n", encoding="utf8")
    assert "hold no words" in vectors(tmp_path / "v", tmp_path / "raw.txt", code=1)
    assert "no such file" in vectors(tmp_path / "v", tmp_path / "none.txt", code=1)
    (tmp_path / "raw.txt").write_text("once only\n", encoding="utf8")
    assert "lower --min-count" in vectors(tmp_path / "v", tmp_path / "raw.txt", code=1)
    assert "--mode is 'x'" in vectors(tmp_path / "v", tmp_path / "raw.txt", "--mode", "x", code=1)
    assert not (tmp_path / "v").exists()


def test_vectors_without_floret(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "spacy_contrastive_ner.pretraining.word_vectors.find_spec", lambda name: None
    )
    (tmp_path / "raw.txt").write_text("a b", encoding="utf8")
    assert "spacy-contrastive-ner[vectors]" in vectors(tmp_path / "v", tmp_path / "raw.txt", code=1)


# The layer


def with_vectors(width=4):
    nlp = spacy.blank("en")
    for i, word in enumerate(("Anna", "left", "Paris")):
        nlp.vocab.set_vector(word, numpy.arange(width, dtype="f") + 10 * i)
    return nlp


@pytest.mark.parametrize("tune", [False, True])
def test_word_vectors(tune):
    nlp = with_vectors()
    docs = [nlp.make_doc("Anna left Oz"), nlp.make_doc(""), nlp.make_doc("Paris Anna")]
    layer = WordVectors(tune)
    layer.initialize(X=docs)
    rows, backprop = layer.begin_update(docs)
    assert [len(row) for row in rows] == [3, 0, 2]
    assert rows[0][1].tolist() == [10, 11, 12, 13] and not rows[0][2].any()
    assert [len(row) for row in layer.predict([docs[1]])] == [0]
    backprop([numpy.ones_like(row) for row in rows])
    if tune:
        # Each row of the table, as often as its word occurs; a word without a row changes none.
        gradient = layer.get_grad("E")
        places = nlp.vocab.vectors.find(
            keys=[nlp.vocab.strings[w] for w in ("Anna", "left", "Paris")]
        )
        assert [gradient[i, 0] for i in places] == [2, 1, 1] and gradient.sum() == 4 * 4
        layer.set_param("E", layer.get_param("E") + 1)
        moved = layer.predict(docs)
        assert (moved[0][:2] == rows[0][:2] + 1).all() and not moved[0][2].any()


def test_no_vectors_and_others():
    nlp = with_vectors()
    with pytest.raises(ValueError, match=r"no word vectors.*spacy contrastive vectors"):
        WordVectors().initialize(X=[spacy.blank("en").make_doc("a")])
    layer = WordVectors()
    layer.initialize(X=[nlp.make_doc("Anna")])
    with pytest.raises(ValueError, match="width of 3, but the model was trained with vectors of 4"):
        layer.predict([with_vectors(3).make_doc("Anna")])
