import csv
import io
import json
from dataclasses import dataclass

import pytest

from spacy_contrastive_ner.evaluation.tables import Table
from spacy_contrastive_ner.report.panel_files import files_of
from spacy_contrastive_ner.report.panels import Panel, Section

from .sample import ATTACK, draw, sections


def test_files_of_all_panels():
    seen = []
    files = files_of(sections(), lambda panel: seen.append(panel.name))
    assert set(files) == {
        *("figures/bars.svg", "figures/bars.png", "tables/numbers.csv", "tables/numbers.json")
    }
    assert seen == ["points", "bars", "none"]
    assert files["figures/bars.png"].startswith(b"\x89PNG")
    assert b"<svg" in files["figures/bars.svg"]
    rows = list(csv.reader(io.StringIO(files["tables/numbers.csv"].decode())))
    assert rows[0] == ["name", "n", "F1", "known"] and len(rows) == 5
    assert json.loads(files["tables/numbers.json"])[2]["name"] == ATTACK


def test_the_same_twice():
    assert files_of(sections()) == files_of(sections())


def test_halves_of_characters_can_be_written():
    table = Table.of("odd", ["a"], [["half \ud83d"]])
    files = files_of([Section("s", "S", "", [Panel("p", "P", tables=[table])])])
    assert json.loads(files["tables/odd.json"]) == [{"a": "half \ud83d"}]
    assert files["tables/odd.csv"].split() == [b"a", b"half", b"?"]


def test_one_table_of_two_panels():
    table = Table.of("t", ["a"], [[1]])
    panels = [Panel("p", "P", tables=[table]), Panel("q", "Q", tables=[table])]
    assert set(files_of([Section("s", "S", "", panels)])) == {"tables/t.csv", "tables/t.json"}


def test_two_tables_of_one_name():
    panels = [Panel(str(i), "P", tables=[Table.of("t", ["a"], [[i]])]) for i in range(2)]
    with pytest.raises(ValueError, match=r"Two different files are called tables/t\.csv"):
        files_of([Section("s", "S", "", panels)])


def test_absent_panels_are_not_drawn():
    @dataclass
    class Never:
        def __call__(self):
            raise AssertionError

    assert files_of([Section("s", "S", "", [Panel("p", "P", draw=Never(), absent="No.")])]) == {}
    # While others are.
    assert files_of([Section("s", "S", "", [Panel("p", "P", draw=draw)])])
