"""What is counted and told."""

import io
import json
from pathlib import Path

import pytest

from spacy_contrastive_ner.convert.notes import BadInput, Kind, Notes
from spacy_contrastive_ner.convert.records import Where

WHERE = Where(Path("a.txt"), 7, "d1")
LOST, SEEN = Kind("something lost", is_loss=True), Kind("something seen")


def test_where():
    assert str(WHERE) == "a.txt, line 7 (document 'd1')"
    assert str(Where(Path("a.txt"))) == "a.txt"


def test_bad_input():
    error = BadInput(WHERE, "it is wrong.", "Mend it.")
    assert str(error) == "a.txt, line 7 (document 'd1'): it is wrong. Mend it."
    assert isinstance(error, ValueError)


def test_counting():
    notes = Notes(examples=2)
    for i in range(4):
        notes.add(LOST, WHERE._replace(line=i + 1), "AB"[i % 2], f"word {i}", n=i)
    notes.add(SEEN, WHERE)
    tally = notes.tallies[LOST]
    assert tally.labels == {"A": 2, "B": 4} and tally.total == 6
    assert tally.examples == [
        "'word 0' (A), a.txt, line 1 (document 'd1')",
        "'word 1' (B), a.txt, line 2 (document 'd1')",
    ]
    assert notes.tallies[SEEN].examples == ["a.txt, line 7 (document 'd1')"]


def test_decisions_are_told_once():
    report = io.StringIO()
    notes = Notes(report=report)
    for text in ("BIO tags", "tabs", "BIO tags"):
        notes.decided(text)
    assert notes.decisions == ["BIO tags", "tabs"]
    assert len(report.getvalue().splitlines()) == 2


@pytest.mark.parametrize(
    ("label", "text", "told"),
    [("X", "word", "something lost: 'word' (X)."), ("", "word", "something lost: 'word'."),
     ("", "", "something lost. Correct"), ("X", "", "something lost (X).")],
)  # fmt: skip
def test_strict(label, text, told):
    notes = Notes(strict=True)
    notes.add(SEEN, WHERE, label, text)
    with pytest.raises(BadInput) as error:
        notes.add(LOST, WHERE, label, text)
    assert told in str(error.value) and "leave out --strict" in str(error.value)


def test_bad_is_an_error_or_counted():
    with pytest.raises(BadInput, match="line 7"):
        Notes().bad(WHERE, "it is wrong", "Mend it")
    notes = Notes(skip_bad=True)
    for _ in range(150):
        notes.bad(WHERE, "it is wrong", "Mend it")
    assert notes.n_skipped == 150 and len(notes.skipped) == 100


def test_report():
    report = io.StringIO()
    notes = Notes(skip_bad=True, report=report)
    notes.add(LOST, WHERE, "X", "e\u0301 \ud800", fragments=[[0, 1]])
    notes.bad(WHERE, "it is wrong", "Mend it")
    first, second = map(json.loads, report.getvalue().splitlines())
    assert first == {
        "kind": "something lost",
        "loss": True,
        "label": "X",
        "text": "e\u0301 \ud800",
        "n": 1,
        "file": "a.txt",
        "line": 7,
        "id": "d1",
        "fragments": [[0, 1]],
    }
    assert (second["kind"], second["text"], second["line"]) == ("skipped", "it is wrong", 7)
