"""`contrastive evaluate --episodes`, called as a user calls it."""

import json
import re
from pathlib import Path

import pytest
import spacy
from spacy.cli._util import app
from spacy.tokens import DocBin
from typer.testing import CliRunner

from .. import pages
from ..evaluation.test_few_shot import bi_encoder, texts
from ..util import make_examples, make_pipeline, train
from .test_evaluate import evaluate


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("episodes")
    nlp = make_pipeline()
    train(nlp, steps=30)
    nlp.to_disk(path / "model")
    docs = [example.reference for example in make_examples(nlp, list(texts()))]
    DocBin(docs=docs).to_disk(path / "data.spacy")
    return path


ASKED = ("--episodes", 6, "--ways", 2, "--shots", 2, "--queries", 3)


def result_of(folder, *options, model="model"):
    output = folder / "episodes.json"
    shown = evaluate(folder / model, folder / "data.spacy", *ASKED, "--output", output, *options)
    return shown, json.loads(output.read_text("utf8"))


def test_what_is_told(folder):
    shown, found = result_of(folder)
    assert "6 episodes: 2 labels, 2 shots" in shown and "decoder nearest; seed 0" in shown
    assert (found["format"], found["version"]) == ("spacy-contrastive-ner.episodes", 1)
    assert found["protocol"] == "episodes" and found["model"]["pipe"] == "contrastive_ner"
    assert found["data"]["documents"] == 24 and found["data"]["unfit"] == 0
    asked = {"episodes": 6, "ways": 2, "shots": 2, "queries": 3, "seed": 0}
    assert found["request"] == {**asked, "way": "memory", "decoder": "nearest"}
    micro = found["micro"]
    assert f"Micro F {100 * micro['mean']:.2f} {100 * micro['low']:.2f} to" in shown
    assert micro["episodes"] == 6 == len(found["each"])
    values = [each["micro"]["f"] for each in found["each"]]
    assert micro["mean"] == pytest.approx(sum(values) / 6) and micro["max"] == max(values)
    for each in found["each"]:
        assert len(each["names"]) == 2 and min(each["support"]["mentions"].values()) >= 2
        assert not set(each["support"]["documents"]) & set(each["queries"]["documents"])
        assert each["micro"]["support"] == sum(each["queries"]["mentions"].values())
    # Only GPE was trained.
    assert found["trained_labels"] == ["GPE"] and "are not new to it: GPE" in shown


def test_seeds_and_silence(folder):
    _, first = result_of(folder)
    shown, second = result_of(folder, "--silent")
    assert shown == "" and second == first
    _, other = result_of(folder, "--seed", 1)
    assert other["each"] != first["each"] and other["request"]["seed"] == 1


def test_heads(folder):
    shown, found = result_of(folder, "--with-heads", "--gold-tokens")
    assert "decoder posterior" in shown and found["request"]["decoder"] == "posterior"


def test_bi_encoder(folder):
    bi_encoder().to_disk(folder / "binder")
    shown, found = result_of(folder, model="binder")
    assert "labels get vectors" in shown and found["request"]["way"] == "vectors"
    assert "a bi-encoder is given vectors" in evaluate(
        folder / "binder", folder / "data.spacy", *ASKED, "--with-heads", code=1
    )


@pytest.mark.parametrize(
    "options, told",
    [
        (["--ways", 2], "--ways is about few-shot episodes: add --episodes N."),
        (["--seed", 0], "--seed is about few-shot episodes"),
        (["--with-heads"], "--with-heads is about few-shot episodes"),
        ([*ASKED, "--protocol", "oracle-typing"], "--protocol has no use with --episodes"),
        ([*ASKED, "--rare", 3], "--rare has no use with --episodes"),
        ([*ASKED, "--ents"], "--ents has no use with --episodes"),
        ([*ASKED, "--n-process", 2], "--n-process has no use with --episodes"),
        (["--episodes", 2], "'GPE' has 6 in 6 documents"),
        ([*ASKED, "--ways", 9], "there are 4: 'BIRD', 'DRINK', 'GPE', 'TOOL'"),
    ],
)
def test_what_cannot_be_meant(options, told, folder):
    shown = evaluate(folder / "model", folder / "data.spacy", *options, code=1)
    assert "The model was not evaluated" in shown and told in shown


def test_other_pipes(folder):
    nlp = spacy.blank("en")
    nlp.add_pipe("span_ruler", config={"spans_key": "sc"}).add_patterns(
        [{"label": "A", "pattern": "a"}]
    )
    nlp.to_disk(folder / "ruler")
    shown = evaluate(folder / "ruler", folder / "data.spacy", *ASKED, code=1)
    assert "'span_ruler' (span_ruler) cannot be shown labels without training" in shown


def test_a_comparison_does_not_take_it(folder):
    result_of(folder)
    (folder / "other.json").write_bytes((folder / "episodes.json").read_bytes())
    command = [
        "contrastive",
        "compare",
        *(str(folder / f"{n}.json") for n in ("episodes", "other")),
    ]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert "is no evaluation of this package" in " ".join(result.output.split())


def test_the_page(folder, tmp_path, monkeypatch):
    """Its command runs, and it names every key."""
    page = pages.read("docs/evaluation.md")
    page = page[page.index("## Few-shot episodes") :]
    (command,) = re.findall(r"```bash\n(.*?)```", page[: page.index("\n## ")], flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Path("training").mkdir()
    Path("training/model-best").symlink_to(folder / "model")
    Path("test.spacy").symlink_to(folder / "data.spacy")
    assert "--ways 3" in command
    pages.call(command.strip())
    found = json.loads(Path("episodes.json").read_text("utf8"))
    names = [*found, *found["request"], *found["micro"], *found["each"][0], *found["support"]]
    assert [name for name in names if f"`{name}`" not in page] == []
