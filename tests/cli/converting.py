"""The command `convert` called as a user calls it, and what it wrote."""

import json
import re
from pathlib import Path

import spacy
from spacy.cli._util import app
from spacy.tokens import DocBin
from typer.testing import CliRunner

import spacy_contrastive_ner.cli.app  # noqa: F401

TEXTS = ["Anna met Bob in Paris.", "Eve left Rome. It rained.", "nothing happened", "Bob ran."]
LABELS = {"Anna": "PER", "Bob": "PER", "Eve": "PER", "Paris": "GPE", "Rome": "GPE"}


def call(*arguments, code=0):
    """What the command prints, as one line."""
    result = CliRunner().invoke(app, ["contrastive", "convert", *map(str, arguments)])
    assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    return " ".join(re.sub(r"\x1b\[[\d;]*m", "", result.output).split())


def fails(*arguments, told="Conversion failed", code=1):
    """The same, of a command that fails and leaves nothing behind."""
    before = {path: path.is_file() and path.read_bytes() for path in Path().rglob("*")}
    text = call(*arguments, code=code)
    assert told in text and len(text.split("\n\n")) == 1
    assert {path: path.is_file() and path.read_bytes() for path in Path().rglob("*")} == before
    return text


def lines(path):
    return [json.loads(line) for line in Path(path).read_text("utf8").splitlines()]


def docs(path, key="sc"):
    found = DocBin(store_user_data=True).from_disk(path).get_docs(spacy.blank("en").vocab)
    return [[(span.text, span.label_) for span in doc.spans[key]] for doc in found]
