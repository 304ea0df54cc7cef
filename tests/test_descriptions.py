"""What is written of labels, in files of several kinds."""

import json

import pytest

from spacy_contrastive_ner.descriptions import read_descriptions

from .models.test_bi_encoder import WRITTEN


def write(path, *lines):
    path.write_text("\n".join(lines), encoding="utf8")
    return str(path)


def test_descriptions_are_read(tmp_path):
    lines = [json.dumps({"label": k, "description": v}) for k, v in WRITTEN.items()]
    more = json.dumps({"label": "OTHER", "description": ""})
    assert (
        read_descriptions(write(tmp_path / "a.jsonl", *lines, "", more), list(WRITTEN)) == WRITTEN
    )
    binder = [
        json.dumps({"dataset": "x", "name": k, "description": v, "description_source": "y"})
        for k, v in WRITTEN.items()
    ]
    assert read_descriptions(write(tmp_path / "b.json", *binder), list(WRITTEN)) == WRITTEN
    assert read_descriptions(write(tmp_path / "c.json", json.dumps(WRITTEN)), ["PER"]) == {
        "PER": WRITTEN["PER"]
    }
    assert read_descriptions(WRITTEN, ["PER"]) == {"PER": WRITTEN["PER"]}
    # Labels may be called what the fields of lines are called.
    odd = {"name": "a person", "label": "a brand", "date": "a day"}
    assert read_descriptions(write(tmp_path / "d.json", json.dumps(odd)), list(odd)) == odd
    # Files with a byte order mark, and with characters that only look like the end of a line.
    line = json.dumps({"label": "PER", "description": "a\u2028person"}, ensure_ascii=False)
    (tmp_path / "e.jsonl").write_text(line + "\n", encoding="utf-8-sig")
    assert read_descriptions(tmp_path / "e.jsonl", ["PER"]) == {"PER": "a\u2028person"}


@pytest.mark.parametrize(
    "lines, message",
    [
        (['{"label": "PER", "description": "a"}'], "no description of GPE"),
        (['{"label": "PER", "description": " "}'], "line 1: the description of PER is empty"),
        (['{"label": "PER", "description": 3}'], "line 1: the description of PER is empty"),
        (
            ['{"label": "PER", "description": "a"}'] * 2 + ['{"label": "PER", "description": "b"}'],
            "line 3: PER is described a second",
        ),
        ([json.dumps({"label": "PER", "description": "a " * 301})], "line 1: .* 301 words"),
        (['{"label": "PER", "description": "a"}', "{"], "line 2: this is no JSON"),
        (['{"label": "PER"}'], "line 1: expected"),
        (["[1]"], "line 1: expected"),
        (['{"PER": "a", "GPE": "b", "PER": "c"}'], "PER is described a second"),
        (["{}"], "line 1: expected"),
        ([], "no description of PER, GPE"),
    ],
)
def test_descriptions_that_are_no_good(tmp_path, lines, message):
    with pytest.raises(ValueError, match=message):
        read_descriptions(write(tmp_path / "a.jsonl", *lines), ["PER", "GPE"])


def test_files_of_descriptions_that_cannot_be_read(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.jsonl"):
        read_descriptions(tmp_path / "nowhere.jsonl", ["PER"])
    (tmp_path / "latin").write_bytes(b"\xe9")
    with pytest.raises(ValueError, match="latin"):
        read_descriptions(tmp_path / "latin", ["PER"])
