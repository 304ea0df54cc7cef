"""Few shots: so many mentions stay known, the others are unknown, nothing is lost."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_contrastive_ner.convert import shots as module
from spacy_contrastive_ner.convert.notes import Notes
from spacy_contrastive_ner.convert.records import Entity, Record, Where, entity
from spacy_contrastive_ner.convert.shots import Mentions, _overlapping, plan_shots

WHERE = Where(Path("corpus.jsonl"))


def record_of(labels, document=""):
    """A record with an entity of each label, one after another."""
    entities = [entity(2 * i, 2 * i + 1, label) for i, label in enumerate(labels)]
    return Record("x " * len(labels), entities, WHERE, document=document)


def dealt(records, *args, **more):
    """The plan, the records and the notes."""
    mentions, notes = Mentions(), Notes()
    for record in records:
        mentions.add(record)
    shots = plan_shots(mentions, *args, **more)
    return shots, list(shots.deal(records, notes)), notes


def counts_of(records):
    return Counter(e.label for record in records for e in record.entities)


def test_so_many_stay_known():
    records = [record_of("AAB"), record_of(""), record_of("ABAC")]
    shots, after, notes = dealt(records, 2)
    assert counts_of(after) == {"A": 2, "B": 2, "C": 1} == shots.kept
    assert shots.masked == {"A": 2}
    for old, new in zip(records, after):
        assert sorted(old.entities) == sorted([*new.entities, *new.missing])
    assert after[1] is records[1]
    assert notes.tallies[module.MASKED].labels == {"A": 2} and not module.MASKED.is_loss
    assert shots.told == ["The label 'C' has fewer mentions than the 2 asked for: 1."]


def test_only_these_labels():
    shots, after, _ = dealt([record_of("AABB")], 1, labels=["A"])
    assert counts_of(after) == {"A": 1, "B": 2} == shots.kept
    assert [e.label for e in after[0].missing] == ["A"]


def test_what_is_unknown_stays_so():
    record = record_of("AA")
    record.missing = [entity(2, 3, ""), entity(0, 1, "B")]
    _, (after,), _ = dealt([record], 1)
    assert len(after.missing) == 3 and {*record.missing} < {*after.missing}
    assert len(record.missing) == 2 and len(record.entities) == 2


def test_fragments_stay_together():
    record = Record("a b c", [Entity(((0, 1), (4, 5)), "X"), entity(2, 3, "X")], WHERE)
    for seed in range(5):
        _, (after,), _ = dealt([record], 1, seed=seed)
        assert sorted([*after.entities, *after.missing]) == sorted(record.entities)


def test_mentions_that_overlap_others_come_last():
    """Where a mention of the same label is masked that overlaps it, a mention is not known."""
    nested = Record("a b c d", [entity(0, 7, "X"), entity(0, 1, "X"), entity(2, 3, "Y")], WHERE)
    for seed in range(10):
        shots, after, _ = dealt([nested, record_of("X")], 1, labels=["X"], seed=seed)
        assert [e.label for e in after[1].entities] == ["X"] and not shots.told
    shots, _, _ = dealt([nested, record_of("X")], 2, labels=["X"])
    assert "1 of the 2 known mentions of 'X' overlap" in shots.told[0]
    shots, _, _ = dealt([nested, record_of("X")], 3, labels=["X"])
    assert not shots.told


def test_more_shots_hold_the_fewer():
    records = [record_of("AB" * 10) for _ in range(3)]
    known = [
        {(i, e) for i, record in enumerate(dealt(records, n)[1]) for e in record.entities}
        for n in (1, 5, 10)
    ]
    assert known[0] < known[1] < known[2]


def test_the_seed():
    records = [record_of("A" * 50)]
    known = [dealt(records, 5, seed=seed)[1][0].entities for seed in (0, 0, 1)]
    assert known[0] == known[1] != known[2]
    assert [e.start // 2 for e in known[0]] == [6, 7, 8, 30, 39]


def test_table():
    shots, _, _ = dealt([record_of("AAB")], 1)
    assert shots.rows() == [("", "known", "masked"), ("A", "1", "1"), ("B", "1", "0")]
    shots, _, _ = dealt([record_of("AB"), record_of("AB")], 1, mode="documents")
    assert shots.rows() == [("", "known", "left out"), ("A", "1", "1"), ("B", "1", "1")]


def test_whole_documents():
    records = [record_of("A" * 5, f"d{i // 2}") for i in range(20)]
    records += [record_of("B"), record_of("BC"), record_of("C" * 3), record_of("")]
    shots, after, notes = dealt(records, 2, mode="documents")
    assert counts_of(after) == shots.kept and shots.kept + shots.masked == counts_of(records)
    # One document of two records, and both with B.
    assert shots.kept["A"] == 10 and shots.kept["B"] == 2 and shots.kept["C"] >= 2
    assert after[0].document == after[1].document != ""
    assert all(any(record is old for old in records) for record in after)
    assert notes.tallies[module.LEFT_OUT].labels == shots.masked
    assert "14 documents were drawn" in shots.told[-1]


def test_documents_that_are_not_needed_are_left_out():
    """A document with both labels makes those needless that were drawn for the rarer one."""
    records = [record_of("A"), record_of("A" + "B" * 9), record_of("B")]
    for seed in range(10):
        shots, after, _ = dealt(records, 1, mode="documents", seed=seed)
        assert len(after) == 1 or shots.kept == {"A": 1, "B": 1}


def test_errors():
    with pytest.raises(ValueError, match="--shots 0: at least one"):
        dealt([record_of("A")], 0)
    with pytest.raises(ValueError, match=r"no entity has the label 'X'\. There are: A, B\."):
        dealt([record_of("AB")], 1, labels=["A", "X"])


@pytest.mark.parametrize("mode", ["mentions", "documents"])
def test_a_corpus_that_changed(mode):
    records = [record_of("A")] * 3
    shots, _, _ = dealt(records, 1, mode=mode)
    for others in (records[:2], [*records, record_of("A")]):
        with pytest.raises(RuntimeError, match="3 records"):
            list(shots.deal(others, Notes()))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.text("ABCD", max_size=6), st.sampled_from(["", "d1", "d2"])), max_size=10
    ),
    st.integers(1, 5),
    st.sets(st.sampled_from("AB")),
    st.integers(0, 3),
    st.sampled_from(["mentions", "documents"]),
)
def test_any_corpus(corpus, n_shots, labels, seed, mode):
    records = [record_of(text, document) for text, document in corpus]
    there = counts_of(records)
    labels = sorted(label for label in labels if there[label])
    shots, after, notes = dealt(records, n_shots, labels, seed, mode)
    kept = counts_of(after)
    assert kept == shots.kept and kept + shots.masked == there
    assert sum(tally.total for tally in notes.tallies.values()) == shots.masked.total()
    for label in labels or there:
        assert kept[label] >= min(n_shots, there[label])
        if mode == "mentions":
            assert kept[label] == min(n_shots, there[label])
        assert any(f"{label!r} has" in told for told in shots.told) == (there[label] < n_shots)
    if mode == "mentions":
        assert len(after) == len(records)
        assert all(kept[label] == there[label] for label in there if labels and label not in labels)
        return
    drawn = {id(record) for record in after}
    for document in ("d1", "d2"):
        same = [id(record) in drawn for record in records if record.document == document]
        assert len({*same}) < 2


@given(
    st.lists(
        st.builds(
            lambda start, n, label: entity(start, start + n, label),
            st.integers(0, 10),
            st.integers(1, 5),
            st.sampled_from("AB"),
        ),
        max_size=8,
        unique=True,
    )
)
def test_what_overlaps(entities):
    entities.sort(key=lambda e: (e.start, -e.end, e.label))
    expected = {
        i
        for i, a in enumerate(entities)
        for j, b in enumerate(entities)
        if i != j and a.label == b.label and a.start < b.end and b.start < a.end
    }
    assert _overlapping(entities) == expected
