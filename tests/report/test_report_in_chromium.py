"""A page that the command has made of a trained pipeline, in a browser."""

import json
from pathlib import Path

import pytest
import spacy
from spacy.cli._util import app
from spacy.tokens import Doc, DocBin, Span
from typer.testing import CliRunner

import spacy_contrastive_ner.cli.app  # noqa: F401
from spacy_contrastive_ner.convert.documents import ID
from spacy_contrastive_ner.report import panel_files

from ..util import TEXTS, make_examples, make_pipeline, train
from .chromium import Page, complaints, requests
from .sample import ATTACK

# Names of a label and of documents that would be markup, mathematics or addresses, and are not unique.
HOSTILE = (f"{ATTACK} met Anna", [(0, 2, "<img src=x onerror=alert(1)>"), (3, 5, "PER")])
NAMES = ["same", "same", "a/b?c#d&at=0", ATTACK, "\u202eback", "plain"]
PANELS = {
    "results": {"overall", "labels", "lengths", "confusions", "error-kinds", "nestings", "errors"},
    "gains": {"gains-f", "gains-labels", "gains-documents"},
    "probabilities": {"reliability", "thresholds", "scores", "score-differences", "outputs"},
    "space": {"space-map", "space-positions", "space-right", "space-silhouettes", "space-extent"},
    "training": {"stage-1", "stage-1-probe", "stage-2-losses", "stage-2-scores", "learning-rate"},
}
STAGE_1 = [
    {"epoch": n, "updates": 9 * n, "words": 99 * n, "loss": 3.0 - n, "dev_loss": 2.0 - n / 2,
     "accuracy": 0.5, "silhouette": 0.1 * n, "rank": 3.0, "spread": 0.5, "best": n == 1}
    for n in range(3)
]  # fmt: skip
STAGE_2 = [
    {"epoch": n, "step": n, "losses": {"contrastive_ner": 9.0 - n}, "score": 0.1 * n,
     "scores": {"contrastive_ner_f": 10.0 * n}} for n in range(3)
]  # fmt: skip


class KEYS:
    """As a browser is told of them."""

    ARROW_DOWN, HOME, ENTER = "\ue015", "\ue011", "\ue007"


def write_lines(path, entries):
    path.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))


def write_models(folder):
    """A pipeline, one that has seen less, and a stage 1."""
    for name, steps in (("before", 25), ("after", 60)):
        nlp = make_pipeline()
        train(nlp, make_examples(nlp, [*TEXTS, HOSTILE]), steps=steps)
        nlp.to_disk(folder / name)
    (folder / "stage1").mkdir()
    weights = nlp.get_pipe("contrastive_ner").model.get_ref("tok2vec").to_bytes()
    (folder / "stage1" / "model-best.bin").write_bytes(weights)
    write_lines(folder / "stage1" / "log.jsonl", STAGE_1)
    write_lines(folder / "log.jsonl", STAGE_2)


def write_gold(path):
    vocab, docs = spacy.blank("en").vocab, []
    # One that both models get wrong is among them.
    wrong = ("Anna left Paris", [(0, 1, "GPE"), (1, 3, "ORG")])
    for name, (text, spans) in zip(NAMES, [*TEXTS, HOSTILE, wrong]):
        doc = Doc(vocab, words=text.split())
        doc.spans["sc"] = [Span(doc, *span) for span in spans]
        doc.user_data[ID] = name
        docs.append(doc)
    DocBin(docs=docs, store_user_data=True).to_disk(path)


@pytest.fixture(scope="module")
def report(tmp_path_factory, driver):
    folder = tmp_path_factory.mktemp("report")
    write_models(folder)
    write_gold(folder / "gold.spacy")
    options = {
        "--before": "before", "--stage1": "stage1", "--log": "log.jsonl", "--train": "gold.spacy"
    }  # fmt: skip
    arguments = [str(folder / name) for name in ("after", "gold.spacy", "out")]
    arguments += [word for key, name in options.items() for word in (key, str(folder / name))]
    with pytest.MonkeyPatch.context() as patch:
        # They take a while, and are not on the page.
        patch.setattr(panel_files, "as_png", lambda figure, name: b"PNG")
        result = CliRunner().invoke(app, ["contrastive", "report", *arguments])
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
    return folder / "out" / "index.html"


@pytest.fixture
def opened(report: Path, driver):
    requests(driver), complaints(driver)
    yield Page(driver).open(report.as_uri())
    asked = requests(driver)
    assert report.as_uri() in asked
    assert all(url.startswith(("data:", "about:", report.as_uri())) for url in asked), asked
    assert complaints(driver) == []
    assert driver.execute_script("return typeof window.hacked") == "undefined"


def test_each_section_has_its_panels(opened, report):
    script = """
        return Array.from(document.querySelectorAll('main > section'), (section) => [section.id,
            Array.from(section.querySelectorAll('.panel'), (panel) => panel.id.slice(6))])"""
    there = {name.partition("-")[2]: set(panels) for name, panels in opened.run(script)}
    assert list(there) == [*PANELS, "documents"]
    for name, panels in PANELS.items():
        assert panels <= there[name], name
    # With so little data some panels say what they lack; all others have what they are about.
    empty = """
        return Array.from(document.querySelectorAll('.panel')).filter((panel) => !panel.querySelector(
            '.figure svg path, table tbody tr, .absent, .scatter canvas')).map((panel) => panel.id)"""
    assert opened.run(empty) == []
    for name in (
        "labels",
        "gains-f",
        "reliability",
        "space-silhouettes",
        "stage-1",
        "stage-2-scores",
    ):
        assert opened.all(f"#panel-{name} .figure svg"), name
    links = opened.run(
        "return Array.from(document.querySelectorAll('.files a'), (a) => a.getAttribute('href'))"
    )
    assert len(links) > 60
    assert [link for link in links if not (report.parent / link).is_file()] == []


def test_points_lead_to_documents(opened):
    states = [each.text for each in opened.all("#panel-space-map h4")]
    assert states == ["Before training", "After stage 1", "After stage 2"]
    opened.type("search", "Ministry")
    opened.wait("#panel-space-map .status", "with this text")
    box = opened.find("#panel-space-map .points")
    opened.run("arguments[0].focus()", box)
    opened.press(KEYS.ARROW_DOWN)
    said = opened.text("#panel-space-map .readout")
    assert any(name in said for name in ("same", "a/b?c", "plain", "script", "back"))
    opened.press(KEYS.ENTER)
    assert opened.text(".heading .id").strip() in said


def test_documents_are_filtered_and_stepped_through(opened):
    marks = "return document.querySelectorAll('.text .mark.gained').length"
    # Those that changed most are first; the one that nobody gets right changed least.
    assert opened.run(marks) > 0
    opened.choose("change", "1")
    opened.wait(".counter", "Document 1 of")
    first = opened.text(".counter")
    opened.choose("change", "")
    opened.choose("sort", "lost")
    # What the model before found is shown if it is asked for.
    before = "return document.querySelectorAll('.text .mark.before').length"
    assert not opened.run(before)
    opened.click("[name=before]")
    opened.find(".list").send_keys(KEYS.HOME)
    seen = [opened.run(before)]
    for _ in NAMES[1:]:
        opened.press(KEYS.ARROW_DOWN)
        seen.append(opened.run(before))
    assert any(seen)
    opened.choose("kind", "error")
    opened.wait(".counter", " in all")
    assert opened.text(".counter") != first
    opened.find(".list").send_keys("n")
    assert opened.run("return document.querySelectorAll('.text .mark.on.error').length") == 1
    assert opened.text(".card").strip()
    # A label and a name that would be markup are text; a link leads to the document.
    opened.choose("kind", "")
    opened.type("text", "<script>")
    opened.wait(".counter", " of 2, ")
    href = opened.find(".permalink").get_attribute("href")
    opened.open(href)
    assert ATTACK[:20] in opened.text(".document")
    assert not opened.all(".document img, .document script")
