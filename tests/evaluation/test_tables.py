"""Tables as files and data frames."""

import csv
import io
import json

import numpy
import pytest

from spacy_contrastive_ner.evaluation.tables import Table

TABLE = Table.of(
    "scores",
    ["label", "f", "n"],
    [("A", numpy.float32(0.5), numpy.int64(3)), ('say "b", c', float("nan"), 0), ("", None, True)],
)


def test_numbers_are_pythons_own():
    assert TABLE.rows == [["A", 0.5, 3], ['say "b", c', None, 0], ["", None, True]]
    assert [type(value) for value in TABLE.rows[0]] == [str, float, int]
    assert Table.of("t", ["x"], [[float("inf")], [numpy.nan]]).rows == [[None], [None]]
    assert json.loads(json.dumps(TABLE.records()))[1] == {"label": 'say "b", c', "f": None, "n": 0}


def test_columns():
    assert TABLE.column("n") == [3, 0, True]
    with pytest.raises(ValueError):
        TABLE.column("m")


def test_csv_can_be_read():
    rows = list(csv.reader(io.StringIO(TABLE.as_csv(), newline="")))
    assert rows == [
        ["label", "f", "n"],
        ["A", "0.5", "3"],
        ['say "b", c', "", "0"],
        ["", "", "True"],
    ]


@pytest.mark.parametrize("text", ["=1+2", "+1", "-1", "@a", "\t=1", "\r=1"])
def test_texts_are_no_formulas(text):
    rows = list(csv.reader(io.StringIO(Table("t", ["x"], [[text]]).as_csv(), newline="")))
    assert rows[1] == [f"'{text}"]
    assert Table("t", ["x"], [[-1.5]]).as_csv() == "x\r\n-1.5\r\n"


def test_frame():
    frame = TABLE.frame()
    assert list(frame.columns) == ["label", "f", "n"] and len(frame) == 3
    assert frame["f"].isna().tolist() == [False, True, True]
    assert list(Table("none", ["a", "b"], []).frame().columns) == ["a", "b"]
