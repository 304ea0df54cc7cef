"""Renaming, merging, choosing and checking labels."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_contrastive_ner.convert import labels as module
from spacy_contrastive_ner.convert.labels import (
    Labels,
    odd_names,
    parse_merge,
    parse_names,
    parse_rename,
)
from spacy_contrastive_ner.convert.notes import BadInput, Notes
from spacy_contrastive_ner.convert.records import Record, Where, entity

WHERE = Where(Path("corpus.jsonl"), 3)
TEXT = "abcdefghij"


def record_of(*names, missing=()):
    """A record with an entity of each label, one after another."""
    return Record(
        TEXT,
        [entity(i, i + 1, name) for i, name in enumerate(names)],
        WHERE,
        missing=[entity(i, i + 1, name) for i, name in enumerate(missing)],
    )


def applied(labels, *names, **more):
    notes = Notes()
    record = labels.apply(record_of(*names, **more), notes)
    counts = {kind: dict(tally.labels) for kind, tally in notes.tallies.items()}
    return [e.label for e in record.entities], counts


def test_nothing_to_do():
    record = record_of("A", "B", missing=["", "A"])
    assert Labels().apply(record, Notes(strict=True)) is record


def test_rename_is_done_at_once():
    names, counts = applied(Labels(rename={"A": "B", "B": "A"}), "A", "B", "C")
    assert names == ["B", "A", "C"] and not counts


def test_merge():
    names, counts = applied(Labels(merge={"LOC": ["GPE", "FAC"]}), "GPE", "FAC", "LOC", "PER")
    assert names == ["LOC", "LOC", "LOC", "PER"] and not counts


def test_only_and_drop_are_about_new_names():
    names, counts = applied(Labels(rename={"A": "X"}, only=["X", "B"]), "A", "B", "C")
    assert names == ["X", "B"]
    assert counts == {module.LEFT_OUT: {"C": 1}} and not module.LEFT_OUT.is_loss
    names, counts = applied(Labels(rename={"A": "X"}, drop=["X"]), "A", "B")
    assert names == ["B"] and counts == {module.LEFT_OUT: {"A": 1}}


def test_names_that_change_places_can_be_chosen():
    names, _ = applied(Labels(rename={"A": "B", "B": "A"}, only=["A"]), "A", "B", "B")
    assert names == ["A", "A"]


def test_what_is_the_same_after_renaming():
    record = Record(TEXT, [entity(0, 3, "A"), entity(0, 3, "B", "Q1"), entity(0, 2, "A")], WHERE)
    notes = Notes()
    changed = Labels(rename={"B": "A"}).apply(record, notes)
    assert changed.entities == [entity(0, 3, "A", "Q1"), entity(0, 2, "A")]
    assert notes.tallies[module.SAME_NOW].total == 1
    assert len(record.entities) == 3


def test_entities_stay_sorted():
    record = Record(TEXT, [entity(0, 3, "A"), entity(0, 3, "B")], WHERE)
    changed = Labels(rename={"A": "Z"}).apply(record, Notes())
    assert [e.label for e in changed.entities] == ["B", "Z"]


def test_white_space_and_no_label():
    names, counts = applied(Labels(), " A", "B\t", "", " ", "C D")
    assert names == ["A", "B", "C D"]
    assert counts == {module.STRIPPED: {" A": 1, "B\t": 1}, module.NO_LABEL: {"": 1, " ": 1}}
    assert module.NO_LABEL.is_loss
    with pytest.raises(BadInput, match="without a label"):
        Labels().apply(record_of(""), Notes(strict=True))


def test_what_has_no_label_can_get_one():
    names, counts = applied(Labels(rename=parse_rename(["=THING"])), "", "A")
    assert names == ["THING", "A"] and not counts


def test_unknown_stretches_are_renamed_too():
    labels = Labels(rename={"A": "X"}, drop=["B"])
    changed = labels.apply(record_of("C", missing=["", "A", "B"]), Notes())
    assert changed.missing == [entity(0, 1, ""), entity(1, 2, "X")]
    assert [e.label for e in changed.entities] == ["C"]


def test_names_that_never_occur():
    labels = Labels(rename={"per": "X"}, only=["X", "B", "F"], merge={"M": ["N"]})
    labels.apply(record_of("PER", "B"), Notes())
    assert labels.unused() == [
        "--rename: no entity has the label 'per'. Is it 'PER'?",
        "--merge: no entity has the label 'N'. There are: B, PER.",
        "--only: no entity has the label 'F'. There are: B, PER.",
        "--only: no entity has the label 'X'. There are: B, PER.",
    ]
    labels.apply(record_of("per ", "N", "F"), Notes())
    assert labels.unused() == []


def test_nothing_occurs():
    assert Labels(drop=["A"]).unused() == [
        "--drop: no entity has the label 'A'. There are: no labels."
    ]


def test_a_new_name_that_is_taken_is_told():
    labels = Labels(rename={"A": "B", "C": "D", "E": "F", "F": "E"})
    for name in "ABCEF":
        labels.apply(record_of(name), Notes())
    assert len(labels.joined()) == 1 and "'A' was renamed to 'B'" in labels.joined()[0]


@pytest.mark.parametrize(
    "given, message",
    [
        ({"only": ["A"], "drop": ["A"]}, "'A' is in --only and in --drop"),
        ({"rename": {"A": "B"}, "only": ["A"]}, "--only A: by then it is called 'B'"),
        ({"merge": {"B": ["A"]}, "drop": ["A"]}, "--drop A: by then .* (--merge)"),
        ({"rename": {"A": "B"}, "merge": {"C": ["A"]}}, "'A' cannot be both 'B' and 'C'"),
        ({"rename": {"A": " "}}, "'A' cannot be renamed to ' '"),
    ],
)
def test_contradictions(given, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(")", r"\)")):
        Labels(**given)


def test_parse():
    assert parse_names(["A,B", "creative-work"], "--only") == ["A", "B", "creative-work"]
    assert parse_rename(["A=B, C=D", "E=F"]) == {"A": "B", "C": "D", "E": "F"}
    assert parse_merge(["LOC=GPE+FAC,X=Y", "LOC=Z"]) == {"LOC": ["GPE", "FAC", "Z"], "X": ["Y"]}
    assert parse_names([], "--only") == [] and parse_rename([]) == {} and parse_merge([]) == {}


def test_parse_files(tmp_path):
    def file(value):
        path = tmp_path / "names.json"
        path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
        return [str(path)]

    assert parse_names(file(["a,b", "c=d"]), "--only") == ["a,b", "c=d"]
    assert parse_rename(file({"a,b": "ü"})) == {"a,b": "ü"}
    assert parse_merge(file({"X": ["a,b", "+"], "Y": "A+B"})) == {
        "X": ["a,b", "+"],
        "Y": ["A", "B"],
    }
    with pytest.raises(ValueError, match="must hold a list of names"):
        parse_names(file({"a": "b"}), "--only")
    with pytest.raises(ValueError, match="must hold an object"):
        parse_rename(file(["a"]))
    with pytest.raises(ValueError, match="is not a string"):
        parse_rename(file({"a": 1}))
    with pytest.raises(ValueError, match="needs a list"):
        parse_merge(file({"a": [1]}))
    (tmp_path / "names.json").write_text("{")
    with pytest.raises(ValueError, match=r"names.json: the file is no JSON"):
        parse_rename([str(tmp_path / "names.json")])
    with pytest.raises(ValueError, match=r"none.json: the file cannot be opened: no such file"):
        parse_rename([str(tmp_path / "none.json")])


@pytest.mark.parametrize("wrong", ["A", "A=B=C", "A=B,", ""])
def test_parse_errors(wrong):
    with pytest.raises(ValueError, match="OLD=NEW"):
        parse_rename([wrong])
    with pytest.raises(ValueError, match="NEW=A"):
        parse_merge([wrong])


def test_two_new_names():
    with pytest.raises(ValueError, match="'A' has two new names"):
        parse_rename(["A=B,A=C"])
    with pytest.raises(ValueError, match="Write it as --only A,B"):
        parse_names(["A,,B"], "--only")


@pytest.mark.parametrize(
    "labels, part",
    [
        (["A\u200bB"], "cannot be seen"),
        (["A\x00"], "cannot be seen"),
        (["A\nB"], "cannot be seen"),
        (["“PER"], "quotation mark"),
        (["PER'"], "quotation mark"),
        (["PER", "per"], "'PER' (1), 'per' (2) differ only in case"),
        (["creative-work", "creative work"], "differ only"),
        (["creative_work", "CreativeWork"], '--merge "CreativeWork=CreativeWork+creative_work"'),
        (["B-PER", "I-PER"], "look like tags"),
    ],
)
def test_odd_names(labels, part):
    told = odd_names(Counter({label: i for i, label in enumerate(labels, 1)}))
    assert len(told) == 1 and part in told[0]


def test_names_that_are_not_odd():
    names = [
        "PER",
        "LOCderiv",
        "creative-work",
        "PER.NAM",
        "PER.NOM",
        "人名",
        "नाम\u200d",
        "B-X",
        "+",
    ]
    assert odd_names(Counter(names)) == []


names = st.text("AB c", max_size=3)


@given(
    st.lists(names, max_size=8),
    st.dictionaries(st.sampled_from("ABc"), st.sampled_from(["A", "X"])),
    st.sets(st.sampled_from(["B", "X", "c"])),
)
def test_what_is_left_is_accounted_for(given_names, rename, drop):
    drop -= set(rename)
    got, counts = applied(Labels(rename=rename, drop=drop), *given_names)
    expected = [rename.get(name.strip(), name.strip()) for name in given_names]
    assert got == [name for name in expected if name and name not in drop]
    gone = sum(sum(counts.get(kind, {}).values()) for kind in (module.LEFT_OUT, module.NO_LABEL))
    assert len(got) + gone == len(given_names)
