"""`python -m spacy contrastive remember`, called as a user calls it."""

import re

import pytest
import spacy
from spacy.cli._util import app
from spacy.tokens import DocBin
from typer.testing import CliRunner

import spacy_contrastive_ner.cli.app  # noqa: F401

from ..models.test_bi_encoder import make as make_bi_encoder
from ..util import TEXTS, found, make_examples, make_pipeline, predict, train

DRINKS = [("she drank red wine", [(2, 4, "DRINK")]), ("cold beer is nice", [(0, 2, "DRINK")])]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model"
    nlp = make_pipeline()
    train(nlp, steps=40)
    nlp.to_disk(path)
    return path


@pytest.fixture
def folder(tmp_path):
    nlp = spacy.blank("en")
    for name, texts in (("old", TEXTS), ("new", DRINKS)):
        docs = [example.reference for example in make_examples(nlp, texts)]
        DocBin(docs=docs).to_disk(tmp_path / f"{name}.spacy")
    return tmp_path


def remember(*arguments, code=0):
    """What the command prints, as one line."""
    result = CliRunner().invoke(app, ["contrastive", "remember", *map(str, arguments)])
    assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
    assert "Traceback" not in result.output
    return " ".join(re.sub(r"\x1b\[[\d;]*m", "", result.output).split())


def fails(folder, *arguments):
    """The same, of a command that fails and leaves nothing behind."""
    before = sorted(folder.rglob("*"))
    text = remember(*arguments, code=1)
    assert "Nothing was written" in text
    assert sorted(folder.rglob("*")) == before
    return text


def test_a_new_label(model, folder):
    out = folder / "deep" / "out"
    text = remember(
        model, folder / "new.spacy", out, "--labels", "DRINK", "--weight", "0.6", "-n", 4
    )
    assert "tokens 8 (4 of them in no entity)" in text and "DRINK 4" in text
    assert "new labels DRINK" in text and "neighbours 4, by cosine distance" in text
    assert "weight 0.6" in text
    nlp = spacy.load(out)
    assert (0, 2, "DRINK") in found(predict(nlp, DRINKS[1][0]))
    assert found(predict(nlp, TEXTS[1][0])) == sorted(TEXTS[1][1])
    assert list(folder.iterdir()) and not [p for p in (folder / "deep").iterdir() if p != out]


def test_bi_encoder(folder):
    nlp = make_bi_encoder()
    train(nlp, steps=30)
    nlp.to_disk(folder / "model")
    new, out = folder / "new.spacy", folder / "out"
    text = remember(folder / "model", new, out, "--nearest", "--dev", new, "--labels", "DRINK")
    assert "DRINK 4" in text and "new labels DRINK" in text and "PER 0" in text
    nlp = spacy.load(out)
    assert nlp.get_pipe("contrastive_ner").cfg["decoder"] == "nearest"
    for text, spans in DRINKS:
        assert found(predict(nlp, text)) == spans


def test_choosing(model, folder):
    out = folder / "out"
    text = remember(model, folder / "old.spacy", out, "--dev", folder / "old.spacy")
    assert "Micro F1 by weight and temperature" in text and "0.7 100.0 100.0 100.0" in text
    assert "The memory is of no use on these data" in text
    memory = spacy.load(out).get_pipe("contrastive_ner").memory
    assert memory["weight"] == 0 and memory["tokens"] == 19
    # What is remembered is added to, or not.
    assert "tokens 27 (" in remember(out, folder / "new.spacy", folder / "more")
    assert "tokens 8 (" in remember(out, folder / "new.spacy", folder / "anew", "--anew")


def test_memory_alone(model, folder):
    out = folder / "out"
    args = ("--nearest", "-n", "1", "--dev", folder / "old.spacy", "--score", "macro")
    assert "Macro F1" in remember(model, folder / "old.spacy", out, *args)
    nlp = spacy.load(out)
    assert nlp.get_pipe("contrastive_ner").cfg["decoder"] == "nearest"
    for text, spans in TEXTS:
        assert found(predict(nlp, text)) == sorted(spans)
    assert remember(model, folder / "old.spacy", folder / "other", "--silent") == ""


def test_bad_input(model, folder, tmp_path_factory):
    new, out = folder / "new.spacy", folder / "out"
    assert "cannot be loaded" in fails(folder, folder / "none", new, out)
    assert "none.spacy" in fails(folder, model, folder / "none.spacy", out)
    assert "is a file" in fails(folder, model, new, new)
    assert "is not empty" in fails(folder, model, new, folder)
    assert "weight of the memory is 3" in fails(folder, model, new, out, "--weight", "3")
    assert "must be micro or macro" in fails(folder, model, new, out, "--score", "f")
    nlp = spacy.blank("en")
    DocBin(docs=[nlp.make_doc("a b")]).to_disk(folder / "bare.spacy")
    assert "has the span group 'sc'" in fails(folder, model, folder / "bare.spacy", out)
    other = tmp_path_factory.mktemp("other") / "model"
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "A", "pattern": "a"}])
    nlp.to_disk(other)
    assert "'entity_ruler' has no memory" in fails(folder, other, new, out)
