"""The counts agree with slow, obviously right ones, and are told in full."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_contrastive_ner.convert import Entity, Notes, Record, Where, entity
from spacy_contrastive_ner.convert.nesting import crossing, depth, nested
from spacy_contrastive_ner.convert.notes import Kind
from spacy_contrastive_ner.convert.summary import Summary

WHERE = Where(Path("some.txt"), 3, "doc-1")
STRETCHES = st.tuples(st.integers(0, 12), st.integers(1, 8)).map(lambda s: (s[0], s[0] + s[1]))
FRAGMENTS = st.lists(STRETCHES, min_size=1, max_size=3).map(
    lambda some: tuple(sorted(set(some))) if _apart(sorted(set(some))) else (some[0],)
)
ENTITIES = st.lists(st.builds(Entity, FRAGMENTS, st.sampled_from(["A", "B", "C"])), max_size=9)


def _apart(stretches):
    return all(a[1] < b[0] for a, b in zip(stretches, stretches[1:]))


def hull(entity):
    return entity.start, entity.end


def is_inside(a, b):
    return a != b and b[0] <= a[0] and a[1] <= b[1]


def is_across(a, b):
    return a[0] < b[0] < a[1] < b[1] or b[0] < a[0] < b[1] < a[1]


def longest_chain(stretches):
    def below(a):
        return 1 + max((below(b) for b in set(stretches) if is_inside(b, a)), default=0)

    return max(map(below, stretches), default=0)


@given(st.lists(STRETCHES, max_size=14))
def test_stretches_in_and_across_each_other(stretches):
    assert nested(stretches) == {a for a in stretches if any(is_inside(a, b) for b in stretches)}
    assert crossing(stretches) == {a for a in stretches if any(is_across(a, b) for b in stretches)}
    assert depth(stretches) == longest_chain(stretches)


@given(st.lists(ENTITIES, max_size=3))
def test_agrees_with_slow_counts(documents):
    text = "a bc, def. gh i jkl mn"
    summary = Summary()
    for entities in documents:
        summary.add(Record(text, entities, WHERE))
    every = [(e, others) for others in documents for e in others]
    tokens = [(0, 1), (2, 4), (4, 5), (6, 9), (9, 10), (11, 13), (14, 15), (16, 19), (20, 22)]

    def check(counts, some):
        assert counts.entities == len(some)
        assert counts.nested == sum(any(is_inside(hull(e), hull(o)) for o in os) for e, os in some)
        assert counts.same_label_nested == sum(
            any(is_inside(hull(e), hull(o)) and o.label == e.label for o in os) for e, os in some
        )
        assert counts.multi_label == sum(
            any(o.fragments == e.fragments and o.label != e.label for o in os) for e, os in some
        )
        assert counts.crossing == sum(
            any(is_across(hull(e), hull(o)) for o in os) for e, os in some
        )
        assert counts.discontinuous == sum(len(e.fragments) > 1 for e, _ in some)
        assert counts.longest == max(
            (
                sum(a < stop and start < b for start, stop in e.fragments for a, b in tokens)
                for e, _ in some
            ),
            default=0,
        )

    check(summary.entities, every)
    assert set(summary.labels) == {e.label for e, _ in every}
    for label, counts in summary.labels.items():
        check(counts, [(e, others) for e, others in every if e.label == label])
    assert summary.deepest == max(
        (longest_chain(list(map(hull, es))) for es in documents), default=0
    )
    assert summary.documents == len(documents)
    assert summary.without_entities == sum(not es for es in documents)
    assert summary.tokens == len(tokens) * len(documents)
    assert summary.characters == len(text) * len(documents)


def test_tokens_of_the_record_or_given():
    summary = Summary()
    summary.add(Record("ab cd", [entity(0, 5, "A")], WHERE, tokens=[(0, 1), (1, 2), (3, 5)]))
    assert summary.tokens == 3 and summary.longest.tokens == 3
    summary.add(Record("ab cd", [], WHERE), n_tokens=40)
    assert summary.tokens == 43


def test_what_is_unknown():
    summary = Summary()
    unknown = [entity(0, 2, ""), entity(3, 5, "")]
    summary.add(Record("ab cd", [], WHERE, missing=unknown))
    assert (summary.not_annotated, summary.missing, summary.without_entities) == (1, 0, 1)
    # Parts of it, one label of it, or an entity in it: something is annotated.
    summary.add(Record("ab cd", [], WHERE, missing=unknown[1:]))
    summary.add(Record("ab cd", [], WHERE, missing=[entity(0, 5, "A")]))
    summary.add(Record("ab cd", [entity(0, 2, "A")], WHERE, missing=unknown))
    summary.add(Record("", [], WHERE))
    assert (summary.not_annotated, summary.missing, summary.without_entities) == (1, 4, 4)


def test_many_entities_in_one_document():
    n = 5_000
    summary = Summary()
    nest = [entity(i, 2 * n - i, "A") for i in range(n)]
    chain = [entity(i, i + 2, "B") for i in range(2 * n - 1)]
    summary.add(Record("x" * 2 * n, nest + chain, WHERE, tokens=[(i, i + 1) for i in range(2 * n)]))
    assert summary.deepest == n
    assert summary.labels["A"].same_label_nested == n - 1
    assert summary.labels["B"].crossing == 2 * n - 1


@pytest.fixture
def filled():
    summary = Summary()
    text = "the Ministry of Health\nof France \x1b[31m 病院"
    entities = [
        entity(0, 32, "ORG"),
        entity(4, 22, "ORG"),
        entity(26, 32, "GPE"),
        Entity(((4, 12), (26, 32)), "病院"),
    ]
    summary.add(Record(text, entities, WHERE))
    return summary


def told(summary, notes=None):
    return [" ".join(line.split()) for line in summary.table(notes).splitlines()]


def test_the_table(filled):
    table = told(filled)
    for line in (
        "Documents 1",
        "- without entities 0",
        "Entities 4",
        "Inside another one 3 75.0 %",
        "Inside another one of the same label 1 25.0 %",
        "Crossing another one 0 0.0 %",
        "Discontinuous 1 25.0 %",
        "Deepest 3 levels",
        "Longest 6 tokens: 'the Ministry of Health of France' (ORG), some.txt, line 3 (document 'doc-1')",
        "Label Count Share Nested In own label Longest",
        "ORG 2 50.0 % 1 1 6",
        "病院 1 25.0 % 1 0 2",
    ):
        assert line in table, (line, table)
    assert "Stretches with unknown annotation 0" not in table


def test_columns_stand_below_each_other(filled):
    lines = filled.table().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("Label"))
    # A wide character takes two columns.
    ends = {len(line) + line.count("病") + line.count("院") for line in lines[start : start + 5]}
    assert len(ends) == 1


def test_nothing_at_all():
    assert "Documents 0" in told(Summary(), Notes())
    assert json.loads(json.dumps(Summary().as_dict()))["deepest"] == 0


def test_a_terminal_is_not_told_what_to_do():
    summary = Summary()
    summary.add(Record("a\x1b[2Jb", [entity(0, 6, "X\x1b[2JY")], WHERE))
    assert "\x1b[2J" not in summary.table()


def test_what_happened_to_the_data(filled):
    notes = Notes(skip_bad=True)
    notes.decided("tags are BIO")
    lost, mended = Kind("cuts a token, and was dropped", is_loss=True), Kind("Duplicates left out")
    for _ in range(5):
        notes.add(lost, WHERE, "ORG", "a\nb")
    notes.add(lost, WHERE, "GPE", "c", n=1000)
    notes.add(mended, WHERE)
    for i in range(12):
        notes.bad(WHERE._replace(line=i + 1), "no JSON", "Correct it")
    table = told(filled, notes)
    titles = [line.strip("=\x1b[01m ") for line in table if "====" in line]
    assert titles == [
        "Documents",
        "Entities",
        "Labels",
        "Input",
        "Lost or changed",
        "Mended or passed over",
        "Bad input, skipped",
    ]
    text = "\n".join(table)
    assert "- tags are BIO" in table
    assert "Cuts a token, and was dropped: 1,005 (GPE 1,000, ORG 5)" in text
    assert text.count("(ORG), some.txt, line 3 (document 'doc-1')") == 1 + 3
    assert "Duplicates left out: 1" in text
    assert "- some.txt, line 10 (document 'doc-1'): no JSON. Correct it." in table
    assert "line 11" not in text and "... and 2 more" in table


def test_as_json(filled):
    notes = Notes(skip_bad=True)
    notes.add(Kind("lost", is_loss=True), WHERE, "ORG", "a")
    notes.decided("tags are BIO")
    notes.bad(WHERE, "no JSON", "Correct it")
    found = json.loads(json.dumps(filled.as_dict(notes)))
    assert found["entities"] == 4 and found["deepest"] == 3 and found["documents"] == 1
    assert found["labels"]["ORG"]["same_label_nested"] == 1
    assert found["longest_entity"]["text"] == "the Ministry of Health\nof France"
    assert found["decided"] == ["tags are BIO"]
    assert found["notes"][0]["labels"] == {"ORG": 1} and found["notes"][0]["loss"]
    assert found["skipped"]["count"] == 1
    assert "notes" not in filled.as_dict()


def test_many_labels_are_cut_off():
    summary = Summary()
    entities = [entity(0, 1, f"L{i}") for i in range(120)]
    summary.add(Record("ab", entities, WHERE))
    assert "... and 20 labels more" in summary.table()
    assert len(summary.as_dict()["labels"]) == 120
    assert summary.entities.multi_label == 120
