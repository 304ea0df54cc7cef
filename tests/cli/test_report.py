"""`python -m spacy contrastive report`, called as a user calls it."""

import errno
import html
import json
import re
import shutil
from pathlib import Path

import pytest
import spacy
from spacy.cli._util import app
from spacy.tokens import Doc, DocBin, Span
from typer.testing import CliRunner

import spacy_contrastive_ner.cli.app  # noqa: F401
from spacy_contrastive_ner.cli import report as cli
from spacy_contrastive_ner.evaluation.figures.style import as_svg, new_figure, styled
from spacy_contrastive_ner.report import folder as folder_module
from spacy_contrastive_ner.report import panel_files

from ..util import TEXTS, TOK2VEC, make_examples, make_pipeline, train

PATTERNS = [{"label": "PER", "pattern": "Anna"}, {"label": "GPE", "pattern": "Paris"}]
HOSTILE = ("<script>alert(1)</script> met Anna", [(0, 1, "PER"), (2, 3, "PER")])
LOG = [
    {"epoch": 0, "step": step, "losses": {"contrastive_ner": 9.0 - step}, "score": 0.1 * step,
     "scores": {"contrastive_ner_f": 10.0 * step}} for step in range(3)
]  # fmt: skip


def save(path, texts, key="sc"):
    vocab = spacy.blank("en").vocab
    docs = []
    for text, spans in texts:
        doc = Doc(vocab, words=text.split())
        if spans is not None:
            doc.spans[key] = [Span(doc, *span) for span in spans]
        docs.append(doc)
    DocBin(docs=docs, store_user_data=True).to_disk(path)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A trained pipeline, an earlier state of it, and one without the pipe."""
    folder = tmp_path_factory.mktemp("models")
    nlp = make_pipeline()
    train(nlp, steps=5)
    nlp.to_disk(folder / "old")
    nlp = make_pipeline()
    train(nlp)
    nlp.to_disk(folder / "new")
    ruler = spacy.blank("en")
    ruler.add_pipe("span_ruler", config={"spans_key": "sc"}).add_patterns(PATTERNS)
    ruler.to_disk(folder / "ruler")
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch, models):
    monkeypatch.chdir(tmp_path)
    for name in ("old", "new", "ruler"):
        (tmp_path / name).symlink_to(models / name)
    save("gold.spacy", [*TEXTS, HOSTILE, ("", [])])
    save("bare.spacy", [(text, None) for text, _ in TEXTS])
    return tmp_path


@pytest.fixture(scope="module")
def figure():
    with styled():
        return as_svg(new_figure(1, 1)[0], "any").encode()


@pytest.fixture
def quick(monkeypatch, figure):
    """The same figure everywhere, for what is not about figures."""

    def add(panel, files):
        if panel.draw is not None and not panel.absent:
            files[f"figures/{panel.name}.svg"] = figure

    monkeypatch.setattr(panel_files, "_add_figure", add)


def call(*arguments, code=0):
    """What the command prints, as one line."""
    result = CliRunner().invoke(app, ["contrastive", "report", *map(str, arguments)])
    assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    return " ".join(re.sub(r"\x1b\[[\d;]*m", "", result.output).split())


def fails(*arguments):
    """The same, of a command that fails and changes nothing."""
    before = {path: path.is_file() and path.read_bytes() for path in Path().rglob("*")}
    text = call(*arguments, code=1)
    assert "The report was not made" in text
    assert {path: path.is_file() and path.read_bytes() for path in Path().rglob("*")} == before
    return text


def sections(page):
    return re.findall(r'<section[^>]* id="section-([^"]+)"', page)


def test_all_of_it(folder):
    Path("log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LOG))
    told = call(
        *("new", "gold.spacy", "out", "--before", "old", "--train", "gold.spacy"),
        *("--log", "log.jsonl", "--rare", 2),
    )
    assert "The report is in out/index.html" in told
    page = Path("out/index.html").read_text("utf8")
    wanted = ["results", "gains", "probabilities", "space", "training", "documents"]
    assert [name for name in sections(page) if name in wanted] == wanted
    assert "<script>alert" not in page
    there = {path.relative_to("out").as_posix() for path in Path("out").rglob("*.*")}
    for name in ("figures/labels.svg", "figures/labels.png", "tables/labels.csv"):
        assert name in there
    assert {"tables/errors.json", "figures/gains-f.svg", "figures/stage-2-losses.svg"} <= there
    assert {"figures/space-map.png", "figures/thresholds.svg", "evaluation.json"} <= there
    # Numbers are those of `evaluate`.
    options = ["--train", "gold.spacy", "--rare", "2"]
    result = CliRunner().invoke(
        app,
        ["contrastive", "evaluate", "new", "gold.spacy", *options, "-o", "scores.json"],
    )
    assert result.exit_code == 0, result.output
    own, theirs = (
        json.loads(Path(path).read_text("utf8")) for path in ("out/evaluation.json", "scores.json")
    )
    own.pop("speed"), theirs.pop("speed")
    assert own == theirs
    # They can be given instead.
    call("new", "gold.spacy", "again", "--scores", "scores.json", "--silent")
    shown = json.loads(Path("again/evaluation.json").read_text("utf8"))
    assert shown["rare"]["below"] == 2


def test_nothing_is_printed_if_silent(folder, quick):
    assert call("new", "gold.spacy", "out", "--silent") == ""


def test_the_log_beside_the_model_is_found(folder, quick):
    shutil.copytree("new", "training/model-best")
    Path("training/log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LOG))
    call("training/model-best", "gold.spacy", "out")
    assert Path("out/figures/stage-2-losses.svg").is_file()


def test_without_gold(folder):
    told = call("new", "bare.spacy", "out")
    assert "nothing to compare predictions with: No document of bare.spacy has" in told
    assert "The data have no gold" in told
    page = Path("out/index.html").read_text("utf8")
    assert {"space", "documents"} <= set(sections(page))
    assert not Path("out/evaluation.json").exists()
    assert not Path("out/figures/labels.svg").exists()
    assert Path("out/figures/space-map.svg").is_file()


def test_two_models_without_gold(folder, quick):
    told = call("new", "bare.spacy", "out", "--before", "old")
    assert "F of both models: There are no gold entities" in told
    assert "gains" in sections(Path("out/index.html").read_text("utf8"))


@pytest.mark.parametrize(
    "texts",
    [
        TEXTS[:1],
        [("Anna", [(0, 1, "PER")])],
        [("nothing at all", []), ("Anna", [(0, 1, "PER")]), ("", [])],
    ],
    ids=["one document", "one word, one label", "hardly anything"],
)
def test_little_data(folder, texts):
    save("little.spacy", texts)
    call("new", "little.spacy", "out", "--before", "old")
    assert sections(Path("out/index.html").read_text("utf8"))


def test_a_model_without_the_pipe(folder, quick):
    told = call("ruler", "gold.spacy", "out", "--before", "new")
    page = Path("out/index.html").read_text("utf8")
    assert {"results", "gains", "documents"} <= set(sections(page))
    assert Path("out/figures/labels.svg").is_file() and "probabilit" in told
    assert not Path("out/figures/thresholds.svg").exists()


def test_what_is_not_scored_is_said(folder, quick):
    save("some.spacy", [TEXTS[1], ("nobody knows", None), ("Anna", [(0, 1, "NEW")])])
    told = call("new", "some.spacy", "out")
    page = Path("out/index.html").read_text("utf8")
    for words in (
        "Documents without doc.spans[&#x27;sc&#x27;], which are not annotated and not scored: 1.",
        "Labels of the gold that the model does not know, so that they are missed: NEW (1).",
    ):
        assert words in page and html.unescape(words) in told


def test_weights_of_stage_1_that_are_only_named_by_the_config(folder, quick):
    """Somebody may have trained another encoder since, and stored it at the same place."""
    other = make_pipeline(model={"tok2vec": {**TOK2VEC, "width": 16}})
    other.initialize(lambda: make_examples(other))
    Path("weights.bin").write_bytes(
        other.get_pipe("contrastive_ner").model.get_ref("tok2vec").to_bytes()
    )
    nlp = spacy.load("new")
    nlp.config["initialize"]["init_tok2vec"] = "weights.bin"
    nlp.config["pretraining"] = {"component": "contrastive_ner", "layer": "tok2vec"}
    nlp.to_disk("named")
    call("named", "gold.spacy", "out")
    page = Path("out/index.html").read_text("utf8")
    assert "The weights of stage 1 in weights.bin are none of the encoder" in page
    assert "After stage 2: the encoder of the model." in page
    Path("out").rename("first")
    assert "weights.bin" in fails("named", "gold.spacy", "out", "--stage1", "weights.bin")


def test_errors_tell_which_model_they_are_about(folder):
    nlp = spacy.load("new")
    for node in nlp.get_pipe("contrastive_ner").model.walk():
        for name in node.param_names:
            if node.has_param(name):
                node.set_param(name, float("nan") * node.get_param(name))
    nlp.to_disk("broken")
    assert "made [contrastive_ner] The scores" in fails("broken", "gold.spacy", "out")
    told = fails("new", "gold.spacy", "out", "--before", "broken")
    assert "broken, for --before: [contrastive_ner] The scores of the model are not finite" in told


@pytest.mark.parametrize(
    "change",
    [{"micro": None}, {"data": 1}, {"labels": []}, {"rare": 3}, {"model": "x"}, {"structure": {}}],
    ids=str,
)
def test_damaged_scores(folder, change):
    runner = CliRunner()
    runner.invoke(app, ["contrastive", "evaluate", "new", "gold.spacy", "-o", "scores.json"])
    found = json.loads(Path("scores.json").read_text("utf8"))
    Path("bad.json").write_text(json.dumps({**found, **change}))
    told = fails("new", "gold.spacy", "out", "--scores", "bad.json")
    assert "bad.json, for --scores, is damaged" in told


def test_not_more_documents_than_wanted(folder, quick):
    call("new", "gold.spacy", "out", "--max-docs", 2)
    assert "2 of 6 documents" in Path("out/index.html").read_text("utf8")


def test_an_earlier_report_gives_way_if_told(folder, quick):
    call("new", "gold.spacy", "out", "--silent")
    assert "--force" in fails("new", "gold.spacy", "out")
    Path("out/figures/mine.svg").write_text("<svg/>")
    assert "figures/mine.svg" in fails("new", "gold.spacy", "out", "--force")
    Path("out/figures/mine.svg").unlink()
    call("new", "bare.spacy", "out", "--force", "--silent")
    assert not Path("out/evaluation.json").exists()


def test_other_folders_do_not_give_way(folder):
    Path("mine").mkdir()
    Path("mine/thesis.tex").write_text("years of work")
    for options in ((), ("--force",)):
        assert "mine" in fails("new", "gold.spacy", "mine", *options)
    Path("file").write_text("a file")
    assert "file" in fails("new", "gold.spacy", "file", "--force")


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["new", "nowhere.spacy", "out"], "nowhere.spacy"),
        (["nowhere", "gold.spacy", "out"], "'nowhere' cannot be loaded"),
        (["new", "gold.spacy", "out", "--before", "nowhere"], "'nowhere' cannot be loaded"),
        (["new", "gold.spacy", "out", "--stage1", "nowhere"], "nowhere, for --stage1"),
        (["new", "gold.spacy", "out", "--stage1", "empty"], "empty"),
        (["new", "gold.spacy", "out", "--log", "nowhere"], "nowhere, for --log"),
        (["new", "gold.spacy", "out", "--train", "bare.spacy"], "No document of bare.spacy has"),
        (["new", "gold.spacy", "out", "--pipe", "ner"], "no pipe 'ner'"),
        (["new", "none.spacy", "out"], "none.spacy holds no documents"),
        (["new", "gold.spacy", "out", "--scores", "gold.spacy"], "is no JSON"),
        (["new", "gold.spacy", "out", "--scores", "other.json"], "was not written by"),
        (["new", "bare.spacy", "out", "--scores", "scores.json"], "have no gold"),
        (["new", "few.spacy", "out", "--scores", "scores.json"], "scores on other data"),
        (["old", "gold.spacy", "out", "--scores", "scores.json"], "the scores of another model"),
    ],
)
def test_bad_input(folder, arguments, told):
    save("none.spacy", [])
    save("few.spacy", TEXTS[:2])
    Path("empty").mkdir()
    Path("other.json").write_text("[]")
    if "scores.json" in arguments:
        CliRunner().invoke(
            app, ["contrastive", "evaluate", "new", "gold.spacy", "-o", "scores.json"]
        )
    assert told in fails(*arguments)


def test_without_the_extra(folder, monkeypatch):
    there = cli.find_spec
    monkeypatch.setattr(cli, "find_spec", lambda name: None if name == "sklearn" else there(name))
    told = fails("new", "gold.spacy", "out")
    assert 'A report needs sklearn, which is not installed: pip install "' in told
    assert "spacy-contrastive-ner[report]" in told


def test_disk_full(folder, quick, monkeypatch):
    synced = []

    def full(handle):
        synced.append(handle)
        if len(synced) == 5:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(folder_module.os, "fsync", full)
    assert "No space left on device" in fails("new", "gold.spacy", "out")
    assert len(synced) == 5
