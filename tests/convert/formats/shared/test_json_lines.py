"""What the formats in JSON share: reading values, and seeing what the beginning of a file holds."""

import json

import pytest

from spacy_contrastive_ner.convert.formats.shared.json_lines import (
    closed,
    first_value,
    token_stretches,
    values,
)
from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.textfile import TextFile

from ..json_records import lines, recognised


def found(path, notes=None):
    return list(values(TextFile(path), notes or Notes()))


def written(tmp_path, text):
    path = tmp_path / "file.json"
    path.write_bytes(text.encode())
    return path


def test_lines_with_blank_ones_and_crlf(tmp_path):
    path = written(tmp_path, '\ufeff{"a": 1}\r\n\r\n  \n{"a": "x\u2028y"}')
    assert found(path) == [(1, {"a": 1}), (4, {"a": "x\u2028y"})]


@pytest.mark.parametrize("indent", [None, 1, "\t"])
def test_array(tmp_path, indent):
    path = written(tmp_path, "\n" + json.dumps([{"a": [1]}, {"b": {}}], indent=indent))
    assert [value for _, value in found(path)] == [{"a": [1]}, {"b": {}}]


def test_lines_of_an_array_are_counted(tmp_path):
    assert found(written(tmp_path, '[\n{"a":\n1},\n\n{"b": 2}\n]\n')) == [
        (2, {"a": 1}),
        (5, {"b": 2}),
    ]


def test_single_object_over_several_lines(tmp_path):
    assert found(written(tmp_path, '{\n "a": 1\n}\n{\n "b": 2\n}\n')) == [
        (1, {"a": 1}),
        (4, {"b": 2}),
    ]


def test_empty(tmp_path):
    assert found(written(tmp_path, "")) == found(written(tmp_path, "[]\n")) == []


@pytest.mark.parametrize(
    "text, line, reason",
    [
        ('{"a": 1}\n{"a": [1, 2\n{"a": 3}\n', 2, "breaks off"),
        ('{"a": 1}\n{"a": "x\n{"a": 3}\n', 2, "breaks off"),
        ('{"a": [1, 2\n{"a": 3}\n{"a": 3}\n', 1, "breaks off"),
        ('{"a": 1}\n{"a": 1]\n{"a": 3}\n', 2, "no JSON: .* column 8"),
        ('{"a": 1}\n{"a": ' + "[" * 100_000 + "\n", 2, "nested too deeply"),
        ('{"a": 1}\n{"a": "\\ud83d"}\n', 2, "half a character"),
        ('[\n{"a": 1},\n{"a": 2\n', 3, "breaks off"),
        ('[\n{"a": 1},\n{"a": 2}\n', 4, "array breaks off"),
        ('[\n{"a": 1},\n{"a": 2}{"a": 3}\n]', 3, "array goes wrong"),
        ('[\n{"a": 1}\n]\nmore', 3, "array goes wrong"),
    ],
)
def test_broken(tmp_path, text, line, reason):
    path = written(tmp_path, text)
    with pytest.raises(BadInput, match=reason) as error:
        found(path)
    assert error.value.where.line == line
    notes = Notes(skip_bad=True)
    assert (1 if text.startswith("{") and line > 1 else 2, {"a": 1}) in found(
        path, notes
    ) or line == 1
    assert notes.n_skipped == 1


def test_reading_goes_on_after_a_broken_line(tmp_path):
    notes = Notes(skip_bad=True)
    path = written(tmp_path, '{"a": 1}\n{"a": \n{"a": 3}\n')
    assert [line for line, _ in found(path, notes)] == [1, 3]


def test_escaped_emoji_are_whole(tmp_path):
    assert found(written(tmp_path, '{"a": "\\ud83e\\udd8a"}\n')) == [(1, {"a": "🦊"})]


SAMPLE = '[{"id": 1, "a": [[0, "x\\\\y\\u00e9"], {"b": "c"}], "d": "long text \\n"}, {"id": 2}]'


@pytest.mark.parametrize("length", range(1, len(SAMPLE) + 1))
def test_cut_off_anywhere(length):
    value = json.loads(closed(SAMPLE[:length]))
    assert isinstance(value, list)
    if length > SAMPLE.index(', "a"'):
        assert value[0]["id"] == 1
    if length > SAMPLE.index("long") and not SAMPLE[:length].endswith('\\n"'):
        assert value[0]["d"] == json.loads(SAMPLE)[0]["d"][: len(value[0]["d"])]


def test_head_of_a_long_text(tmp_path):
    path = lines(tmp_path / "a.jsonl", {"id": "x", "text": "word \\ " * 30_000, "spans": []})
    head = TextFile(path).head()
    assert not head.complete and first_value(head)["id"] == "x"
    assert recognised(path) == ["jsonl"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Just a text.\nWith two lines.\n",
        "[Chapter 1]\n\nIt was {dark}.\n",
        "{{template}} # README\n",
        "T1\tPER 0 4\tAnna\n",
        "Anna\tB-PER\nran\tO\n\n",
        "123|t|Title\n123|a|Abstract\n123\t0\t5\tTitle\tDisease\tD1\n",
        '<?xml version="1.0"?>\n<collection/>\n',
        "#FORMAT=WebAnno TSV 3.3\n",
        "# newdoc id = 1\n1\tAnna\t_\t_\t_\t_\t_\t_\t_\tEntity=(PER)\n",
        '{"%TYPES": {}, "%FEATURE_STRUCTURES": [{"%ID": 1}], "%VIEWS": {}}',
        '{"_context": {"_types": {}}, "_views": {}, "_referenced_fss": {}}',
        '{"source": "PubMed", "documents": [{"id": "1", "passages": [{"text": "x"}]}]}',
        '{"doc_key": "d", "sentences": [["a", "b"]], "ner": [[[0, 1, "X"]]]}\n',
        '{"sentences": [["a", "b"]], "ners": [[[0, 1, "X"]]]}\n',
        '{"tokens": ["a"], "ner_tags": [0]}\n',
        '{"version": 1, "data": [{"paragraphs": [{"context": "x", "qas": []}]}]}',
        '{"name": "package", "version": "1.0"}',
        "[1, 2, 3]\n",
        '["a", "b"]\n',
        '"text"\n',
        "null",
        "{",
        "[",
        '{"a": ]',
        "[" * 100_000,
    ],
)
def test_other_formats_are_not_recognised(tmp_path, text):
    assert recognised(written(tmp_path, text)) == []


def test_bytes_are_not_recognised(tmp_path):
    path = tmp_path / "docs.spacy"
    path.write_bytes(b"x\x9c\xff\xfe{[" * 50)
    assert recognised(path) == []


def test_tokens_must_cover_the_text():
    assert token_stretches([(0, 1), (1, 2), (2, 3), (3, 4)], "a b.") == [(0, 1), (2, 3), (3, 4)]
    for wrong in ([(0, 1)], [(2, 3), (0, 1)], [(0, 2), (1, 4)], [(0, 5)], [(0, 0), (0, 4)]):
        assert token_stretches(wrong, "a b.") is None
    assert token_stretches([], " \n") == []


def test_undecodable_lines_are_passed_over(tmp_path):
    path = tmp_path / "file.json"
    path.write_bytes(b'{"a": 1}\n{"a": "\xff"}\n{"a": 3}\n')
    notes = Notes(skip_bad=True)
    assert found(path, notes) == [(1, {"a": 1}), (3, {"a": 3})] and notes.n_skipped == 1


def test_what_comes_after_in_an_array_is_said_to_be_lost(tmp_path):
    notes = Notes(skip_bad=True)
    assert len(found(written(tmp_path, '[{"a": 1},\n{"b": x},\n{"c": 1}]'), notes)) == 1
    assert "line 2" in str(notes.skipped[0])
    assert "what comes after it in the file cannot be read" in str(notes.skipped[0])


def test_a_broken_first_line_does_not_hide_the_others(tmp_path):
    path = written(tmp_path, '{"a": "xy\n{"a": 2}\n')
    assert first_value(TextFile(path).head()) == {"a": 2}
