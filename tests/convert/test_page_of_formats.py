"""Every example of docs/convert.md runs as it stands there, from top to bottom."""

import json
import re
import shlex
from pathlib import Path

import pytest
from spacy.cli._util import app
from typer.testing import CliRunner

import spacy_contrastive_ner.cli.app  # noqa: F401

PAGE = Path(__file__).parents[2] / "docs" / "convert.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text("utf8"), flags=re.DOTALL)
WORDS = {"Anna": "person", "Rom": "place", "ACME": "company", "SPD": "party", "Ding": "MISC"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("brat", "novels"):
        Path(name).mkdir()
    for i in range(10):
        Path(f"brat/d{i}.txt").write_text(f"Anna saw {i} birds.")
        Path(f"brat/d{i}.ann").write_text("T1\tPER 0 4\tAnna\n")
        Path(f"novels/n{i}.conll").write_text(f"Anna B-PER\nlief O\n\nRom{i} B-LOC\n\n")
    lines = [
        f"{word}\tB-{label}\n{'x' * i}\tO\n\n" for i in range(1, 6) for word, label in WORDS.items()
    ]
    Path("news.conll").write_text("".join(lines))
    Path("raw.txt").write_text("The Bank of England is in London.\n")
    Path("places.tsv").write_text("London\tLOC\nEngland\tLOC\n")
    return tmp_path


def call(command):
    assert command[:4] == ["python", "-m", "spacy", "contrastive"], command
    result = CliRunner().invoke(app, command[3:])
    assert result.exit_code == 0, f"{command}\n{result.output}\n{result.exception!r}"


def test_examples_run(folder, capsys):
    ran = {"bash": 0, "python": 0}
    for language, code in BLOCKS:
        ran[language] += 1
        if language == "python":
            exec(compile(code, str(PAGE), "exec"), {})
            continue
        for line in code.strip().splitlines():
            call(shlex.split(line))
            if "--merge" in line:
                call(["python", "-m", "spacy", "contrastive", "convert", "news.spacy", "m.jsonl"])
                labels = [
                    s["label"]
                    for r in Path("m.jsonl").read_text().splitlines()
                    for s in json.loads(r)["spans"]
                ]
                assert set(labels) == {"PER", "LOC", "ORG"}
    assert ran == {"bash": 5, "python": 1}
    assert "person Anna" in capsys.readouterr().out
    for path in ("corpus/train.spacy", "train.html", "novels.spacy", "plain.conll", "few.spacy",
                 "parts/train.spacy", "parts/dev.spacy", "parts/test.spacy", "distant.spacy"):  # fmt: skip
        assert Path(path).exists(), path


def test_options_are_those_of_the_command():
    text = re.sub(r"\x1b\[[\d;]*m", "", CliRunner().invoke(app, ["contrastive", "convert", "--help"]).output)  # fmt: skip
    named = set(re.findall(r"--[a-z][a-z-]+", PAGE.read_text("utf8")))
    others = {"--html", "--gazetteer", "--vouch", "--ignore-case"}
    assert named - others <= set(re.findall(r"--[a-z][a-z-]+", text))
