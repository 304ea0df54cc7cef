"""`python -m spacy contrastive evaluate`, called as a user calls it."""

import errno
import json
import re

import pytest
import spacy
from spacy.cli._util import app
from spacy.tokens import Doc, DocBin, Span
from typer.testing import CliRunner

import spacy_contrastive_ner.cli.evaluate  # noqa: F401
from spacy_contrastive_ner import files

from ..util import TEXTS, make_pipeline, train

PATTERNS = [
    {"label": "PER", "pattern": "the mayor of Paris"},
    {"label": "PER", "pattern": "Anna"},
    {"label": "GPE", "pattern": "Paris"},
]


@pytest.fixture(scope="module")
def vocab():
    return spacy.blank("en").vocab


def doc_of(vocab, text, spans=None, key="sc", ents=None, ids=()):
    doc = Doc(vocab, words=text.split())
    if spans is not None:
        ids = [*ids, *[0] * len(spans)]
        doc.spans[key] = [Span(doc, *span, span_id=id) for span, id in zip(spans, ids)]
    if ents is not None:
        doc.ents = [Span(doc, *ent) for ent in ents]
    return doc


def save(path, *docs):
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    return path


@pytest.fixture
def folder(tmp_path, vocab):
    """A ruler, and documents for it: 4 of 6 gold spans are found, 4 of 5 predictions are right."""
    nlp = spacy.blank("en")
    nlp.add_pipe("span_ruler", config={"spans_key": "sc"}).add_patterns(PATTERNS)
    nlp.add_pipe("entity_ruler").add_patterns(PATTERNS)
    nlp.to_disk(tmp_path / "model")
    first = [(0, 4, "PER"), (3, 4, "GPE"), (5, 6, "PER")]
    docs = [
        doc_of(vocab, "the mayor of Paris met Anna", first, ents=[first[0], first[2]]),
        doc_of(vocab, "Anna left for the moon", [(0, 1, "PER"), (4, 5, "LOC"), (3, 5, "LOC")]),
        doc_of(vocab, "Paris is not annotated"),
        doc_of(vocab, "Paris Hilton", []),
        Doc(vocab),
    ]
    docs[4].spans["sc"] = []
    save(tmp_path / "data.spacy", *docs)
    return tmp_path


def evaluate(*arguments, code=0):
    """What the command prints, as one line."""
    result = CliRunner().invoke(app, ["contrastive", "evaluate", *map(str, arguments)])
    assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    return " ".join(re.sub(r"\x1b\[[\d;]*m", "", result.output).split())


def scores(folder, *arguments):
    """What it writes."""
    output = folder / "new" / "scores.json"
    assert evaluate(folder / "model", *arguments, "--output", output, "--silent") == ""
    return json.loads(output.read_text("utf8"))


def fails(folder, *arguments):
    """What a command says that fails and leaves nothing behind."""
    before = sorted(folder.rglob("*"))
    text = evaluate(*arguments, code=1)
    assert "The model was not evaluated" in text
    assert sorted(folder.rglob("*")) == before
    return text


def test_tables(folder):
    text = evaluate(folder / "model", folder / "data.spacy")
    for part in (
        "Pipe span_ruler (span_ruler)",
        "Encoder started from random weights",
        f"Gold doc.spans['sc'] of {folder / 'data.spacy'}",
        "Predictions doc.spans['sc']",
        "Documents 4",
        "Spans, micro 80.00 66.67 72.73 6 5",
        "PER 100.00 100.00 100.00 3 3",
        "inside another one 100.00 50.00 66.67 2 1",
        "Flat view (doc.ents), micro 100.00 100.00 100.00 2 2",
        "a second",
        "not annotated and not scored: 1",
        "Documents without any words: 1",
        "the model does not know, so that they are missed: LOC (2)",
    ):
        assert part in text


def test_json(folder):
    found = scores(folder, folder / "data.spacy")
    assert found["format"] == "spacy-contrastive-ner.evaluation" and found["version"] == 1
    assert found["model"]["pipe"] == "span_ruler"
    assert set(found["model"]["labels"]) == {"PER", "GPE"}
    data = found["data"]
    assert (data["documents"], data["not_annotated"], data["empty"]) == (4, 1, 1)
    assert data["path"] == str(folder / "data.spacy") and len(data["digest"]) == 64
    assert found["scored"] == {"gold": "doc.spans['sc']", "predicted": "doc.spans['sc']"}
    assert found["micro"]["f"] == pytest.approx(8 / 11)
    assert found["unknown_labels"] == {"LOC": 2} and found["against"] is None
    assert [(d["id"], d["tp"], d["fp"], d["fn"]) for d in found["documents"]] == [
        ("1", 3, 0, 0),
        ("2", 1, 0, 2),
        ("4", 0, 1, 0),
        ("5", 0, 0, 0),
    ]
    assert found["documents"][1]["labels"] == {"LOC": [0, 0, 2], "PER": [1, 0, 0]}
    assert found["speed"]["words"] == 13 and found["speed"]["words_per_second"] > 0


def test_the_pipe_of_this_package(folder, vocab):
    nlp = make_pipeline()
    train(nlp, steps=30)
    nlp.config["initialize"]["init_tok2vec"] = "pretrained/model-best.bin"
    nlp.config["pretraining"] = {"component": "contrastive_ner", "layer": "tok2vec"}
    nlp.to_disk(folder / "model")
    save(folder / "data.spacy", *[doc_of(vocab, text, spans) for text, spans in TEXTS])
    found = scores(folder, folder / "data.spacy")
    assert found["micro"]["f"] == 1.0 and found["structure"]["nested"]["f"] == 1.0
    assert found["model"]["init_tok2vec"] == "pretrained/model-best.bin"
    assert found["model"]["factory"] == "contrastive_ner"
    text = evaluate(folder / "model", folder / "data.spacy", "--n-process", 2, "--batch-size", 1)
    assert "Encoder started from pretrained/model-best.bin (init_tok2vec)" in text
    assert "Spans, micro 100.00 100.00 100.00" in text


def test_rare_and_few_shot_labels(folder, vocab):
    data = folder / "data.spacy"
    options = ["--rare", 2, "--rare-labels", "LOC", "--few-shot-labels", "LOC, GPE"]
    found = scores(folder, data, *options)
    assert found["rare"]["labels"] == ["GPE", "LOC"] and found["rare"]["below"] == 2
    assert found["runne"]["main"] == 1.0
    assert found["runne"]["few_shot"] == pytest.approx((0 + 2 / 3) / 2)
    assert found["surface"] is None
    training = save(folder / "train.spacy", doc_of(vocab, "Anna and", [(0, 1, "PER")] * 2))
    found = scores(folder, data, "--rare", 2, "--train", training)
    assert found["rare"]["labels"] == ["GPE", "LOC", "PER"]
    assert found["rare"]["counted_in"] == "training"
    assert found["surface"]["seen"]["support"] == 2


def test_other_places(folder, vocab):
    data = folder / "data.spacy"
    flat = scores(folder, data, "--ents")
    assert flat["scored"] == {"gold": "doc.ents", "predicted": "doc.ents"}
    assert flat["micro"]["f"] == 1.0 and flat["micro"]["support"] == 2
    mixed = scores(folder, data, "--pipe", "entity_ruler", "--spans-key", "sc")
    assert mixed["scored"] == {"gold": "doc.spans['sc']", "predicted": "doc.ents"}
    assert mixed["micro"]["right"] == 3
    save(data, doc_of(vocab, "Paris", [(0, 1, "GPE")], key="gold"))
    assert scores(folder, data, "--spans-key", "gold")["micro"]["f"] == 1.0


def test_unknown_annotation(folder, vocab):
    doc = doc_of(vocab, "Anna met Anna", [(0, 1, "PER")])
    doc.spans["gaps"] = [Span(doc, 2, 3)]
    save(folder / "data.spacy", doc)
    text = evaluate(folder / "model", folder / "data.spacy", "--missing-key", "gaps")
    assert "Predictions where annotation is unknown, not scored: 1" in text
    assert scores(folder, folder / "data.spacy")["micro"]["precision"] == 0.5


def test_other_tokens(folder, vocab):
    doc = Doc(vocab, words=["Anna", "ca", "n", "'t"], spaces=[True, False, False, False])
    doc.spans["sc"] = [Span(doc, 0, 1, "PER"), Span(doc, 1, 2, "PER"), Span(doc, 2, 3, "GPE")]
    save(folder / "data.spacy", doc)
    text = evaluate(folder / "model", folder / "data.spacy")
    assert "Documents that the model cuts into other tokens: 1" in text
    assert "Gold that cuts a token of the model and is missed: 1" in text
    assert "GPE 1: 'n', characters 7 to 8 of document '1'" in text
    found = scores(folder, folder / "data.spacy", "--gold-tokens")
    assert found["data"]["other_tokens"] == found["unreachable"]["count"] == 0
    assert found["micro"]["support"] == 3


RECORD = {
    "id": "r",
    "text": "Anna-Maria met the mayor of Paris",
    "spans": [
        {"start": 15, "end": 33, "label": "PER"},
        {"start": 1, "end": 4, "label": "PER"},
        {"fragments": [[0, 4], [5, 10]], "label": "PER"},
        {"start": 40, "end": 44, "label": "PER"},
    ],
}


def test_character_offsets(folder):
    gold = folder / "gold.jsonl"
    gold.write_text(json.dumps(RECORD), "utf8")
    text = evaluate(folder / "model", "--against", gold)
    assert "Gold character offsets of" in text and "Entities beyond the text dropped: 1" in text
    assert "PER 1: 'nna', characters 1 to 4 of document 'r'" in text
    found = scores(folder, "--against", gold)
    assert found["micro"]["support"] == 4 and found["micro"]["right"] == 2
    assert found["entities"]["micro"]["right"] == 1
    assert found["structure"]["discontinuous"]["recall"] == 0.0
    assert found["unreachable"]["labels"]["PER"]["count"] == 1
    assert found["data"]["mended"] and found["against"] is None
    both = scores(folder, folder / "data.spacy", "--against", gold)
    assert both["micro"]["support"] == 6
    assert both["against"]["micro"] == found["micro"]
    text = evaluate(folder / "model", folder / "data.spacy", "--against", gold)
    assert "Against character offsets" in text and "Documents 4" in text


def test_encoding(folder):
    gold = folder / "gold.jsonl"
    record = {"text": "Renée met Anna", "spans": [{"start": 10, "end": 14, "label": "PER"}]}
    gold.write_bytes(json.dumps(record, ensure_ascii=False).encode("latin-1"))
    assert "--encoding latin-1" in fails(folder, folder / "model", "--against", gold)
    found = scores(folder, "--against", gold, "--encoding", "latin-1")
    assert found["micro"]["f"] == 1.0


def test_what_cannot_be_done(folder, vocab):
    model, data = folder / "model", folder / "data.spacy"
    assert "nothing to score" in fails(folder, model)
    assert "no such file or folder" in fails(folder, model, folder / "x")
    assert "no such file or folder" in fails(folder, model, data, "--train", folder / "x")
    assert "is no file" in fails(folder, model, "--against", folder / "x")
    assert "cannot be loaded" in fails(folder, folder / "x", data)
    assert "no pipe 'ner'" in fails(folder, model, data, "--pipe", "ner")
    assert "'sc' (4)" in fails(folder, model, data, "--spans-key", "x")
    assert "leave out --spans-key" in fails(folder, model, data, "--ents", "--spans-key", "sc")
    assert "no label 'X'" in fails(folder, model, data, "--rare-labels", "X")
    assert "no label 'X'" in fails(folder, model, data, "--few-shot-labels", "PER,X")
    assert "is a folder" in fails(folder, model, data, "--output", folder)
    assert "is read and to be written" in fails(folder, model, data, "--output", data)
    save(data, doc_of(vocab, "nothing", []))
    assert "no gold entities" in fails(folder, model, data)
    data.write_bytes(b"nonsense")
    assert "is no file of spaCy documents" in fails(folder, model, data)


def test_a_model_without_a_pipe(folder):
    spacy.blank("en").to_disk(folder / "model")
    text = fails(folder, folder / "model", folder / "data.spacy")
    assert "no pipe that writes entities" in text


def test_a_damaged_model(folder):
    (folder / "model" / "config.cfg").write_text("[nlp]\nlang = 1", "utf8")
    assert "cannot be loaded" in fails(folder, folder / "model", folder / "data.spacy")


def test_a_gpu_that_is_not_there(folder):
    text = fails(folder, folder / "model", folder / "data.spacy", "--gpu-id", 77)
    assert "GPU 77 cannot be used" in text


def test_an_error_leaves_the_old_file(folder, monkeypatch):
    output = folder / "scores.json"
    output.write_text("old", "utf8")

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    text = fails(folder, folder / "model", folder / "data.spacy", "--output", output)
    assert "No space left on device" in text and output.read_text("utf8") == "old"


def test_code(folder):
    code = folder / "code.py"
    code.write_text(
        "from spacy.language import Language\n"
        "@Language.component('from_code')\n"
        "def from_code(doc):\n"
        "    return doc\n",
        "utf8",
    )
    config = folder / "model" / "config.cfg"
    nlp = spacy.load(folder / "model")
    text = config.read_text("utf8").replace('"entity_ruler"]', '"entity_ruler","from_code"]')
    text += '\n[components.from_code]\nfactory = "from_code"\n'
    config.write_text(text, "utf8")
    assert nlp.pipe_names == ["span_ruler", "entity_ruler"]
    found = scores(folder, folder / "data.spacy", "--code", code)
    assert found["model"]["pipeline"][-1] == "from_code"


def test_help():
    text = evaluate("--help")
    for option in ("--against", "--rare", "--few-shot-labels", "--spans-key", "--gold-tokens"):
        assert option in text
