"""`python -m spacy contrastive tune`, called as a user calls it."""

import re

import pytest
import spacy
from spacy.cli._util import app
from spacy.tokens import DocBin
from typer.testing import CliRunner

import spacy_contrastive_ner.cli.app  # noqa: F401
from spacy_contrastive_ner.cli import tune as command
from spacy_contrastive_ner.tuning import Tuned

from ..test_tuning import OTHERS, all_scores, make
from ..util import found, make_examples, predict


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model"
    make()[0].to_disk(path)
    return path


@pytest.fixture
def folder(tmp_path):
    docs = [example.reference for example in make_examples(spacy.blank("en"), OTHERS)]
    DocBin(docs=docs).to_disk(tmp_path / "dev.spacy")
    return tmp_path


def tune(*arguments, code=0):
    """What the command prints, as one line."""
    result = CliRunner().invoke(app, ["contrastive", "tune", *map(str, arguments)])
    assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
    assert "Traceback" not in result.output
    return " ".join(re.sub(r"\x1b\[[\d;]*m", "", result.output).split())


@pytest.mark.parametrize("score", ["micro", "macro"])
def test_the_tuned_pipeline(model, folder, score):
    """It has the threshold that the pipe chooses, and finds what is found with it."""
    out = folder / "deep" / "out"
    text = tune(model, folder / "dev.spacy", out, "--score", score)
    nlp = spacy.load(model)
    name = {"micro": "contrastive_ner_f", "macro": "contrastive_ner_macro_f"}[score]
    before = all_scores(nlp)[name]
    tuned = nlp.get_pipe("contrastive_ner").tune_threshold(make_examples(nlp, OTHERS), score=score)
    assert tuned.threshold != 0.35
    other = spacy.load(out)
    # What the config says, so that another can be given where it is loaded.
    chosen = other.config["components"]["contrastive_ner"]["threshold"]
    assert chosen == pytest.approx(tuned.threshold)
    given = {"components": {"contrastive_ner": {"threshold": 0.35}}}
    assert spacy.load(out, config=given).get_pipe("contrastive_ner").cfg["threshold"] == 0.35
    assert other.get_pipe("contrastive_ner").cfg["threshold"] == pytest.approx(tuned.threshold)
    assert all_scores(other)[name] == pytest.approx(tuned.after)
    for sentence, _ in OTHERS:
        assert found(predict(other, sentence)) == found(predict(nlp, sentence))
    assert f"{score.title()} F1 by threshold" in text
    assert f"{tuned.threshold:g} {100 * tuned.after:.1f} chosen" in text
    assert f"0.35 {100 * before:.1f} before" in text
    told = f"{score} F1 went from {100 * before:.1f} to {100 * tuned.after:.1f}"
    assert "By 10 entities in 5 documents" in text and told in text
    assert "10 entities are few to choose by" in text
    assert [path.name for path in (folder / "deep").iterdir()] == ["out"]


def test_a_threshold_at_the_edge_is_told(model, folder, monkeypatch, capsys):
    assert "threshold that is tried" not in tune(model, folder / "dev.spacy", folder / "a")
    chosen = spacy.load(folder / "a").get_pipe("contrastive_ner").cfg["threshold"]
    monkeypatch.setattr(command, "TRIED", [chosen, 0.99])
    text = tune(model, folder / "dev.spacy", folder / "b")
    assert f"{chosen:g} is the lowest threshold that is tried: the model may" in text
    # Not if the next does as well, and it was only nearer to what was set.
    command._tell(
        Tuned(chosen, 0.5, 1.0, dict.fromkeys((*command.SHOWN, chosen, 0.99), 1.0), {"A": 9}),
        chosen,
        "micro",
        3,
    )
    assert "threshold that is tried" not in capsys.readouterr().out


def test_silent(model, folder):
    assert tune(model, folder / "dev.spacy", folder / "out", "--silent") == ""
    assert (folder / "out" / "meta.json").exists()


def test_bad_input(model, folder):
    dev, out = folder / "dev.spacy", folder / "out"
    DocBin().to_disk(folder / "empty.spacy")
    plain = folder / "plain.spacy"
    DocBin(docs=[spacy.blank("en").make_doc("Anna left")]).to_disk(plain)
    full = folder / "full"
    full.mkdir()
    (full / "file").write_text("x")
    other = spacy.blank("en")
    other.add_pipe("sentencizer")
    other.to_disk(folder / "other")
    cases = [
        ((model, dev, out, "--score", "recall"), "score is 'recall', but must be micro or macro"),
        ((model, folder / "no.spacy", out), "Correct the path: it is given on the command line."),
        ((model, folder / "empty.spacy", out), "The corpus is empty"),
        ((model, plain, out), "has the span group 'sc'"),
        ((model, dev, full), "is not empty"),
        ((model, dev, dev), "is a file"),
        ((folder / "nothing", dev, out), "cannot be loaded"),
        ((folder / "other", dev, out), ""),
    ]
    before = sorted(folder.rglob("*"))
    for arguments, message in cases:
        text = tune(*arguments, code=1)
        assert "Nothing was written" in text and message in text, text
        assert sorted(folder.rglob("*")) == before


def test_a_pipe_without_a_threshold(folder):
    nlp, pipe = make()
    pipe.cfg["decoder"] = "viterbi"
    nlp.to_disk(folder / "model")
    text = tune(folder / "model", folder / "dev.spacy", folder / "out", code=1)
    assert "The decoder 'viterbi' has no threshold to choose" in text
    assert not (folder / "out").exists()
