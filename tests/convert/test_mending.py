"""Mending records: one test for each kind of mistake, and what must hold after any of them."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_contrastive_ner.convert import mending
from spacy_contrastive_ner.convert.mending import mend
from spacy_contrastive_ner.convert.notes import BadInput, Kind, Notes
from spacy_contrastive_ner.convert.records import Entity, Record, Where, entity

WHERE = Where(Path("corpus.jsonl"), 3)


def mended(text, entities, **more):
    """The mended record, and how often each kind was counted."""
    notes = Notes()
    record = mend(Record(text, entities, WHERE, id="a", **more), notes)
    return record, {kind: tally.total for kind, tally in notes.tallies.items()}


def fragments(*stretches, label="X", kb_id=""):
    return Entity(tuple(stretches), label, kb_id)


def test_a_sound_record_is_returned_as_it_is():
    record = Record(
        "New York City",
        [entity(0, 13, "LOC"), entity(0, 8, "LOC"), fragments((4, 8), (9, 13))],
        WHERE,
        tokens=[(0, 3), (4, 8), (9, 13)],
        sents=[(0, 13)],
        missing=[entity(0, 3, "")],
    )
    notes = Notes(strict=True)
    assert mend(record, notes) is record
    assert not notes.tallies


@pytest.mark.parametrize(
    "text, before, after, kind",
    [
        ("a  bc\n", (1, 6), (3, 5), mending.TRIMMED),
        ("a\u00a0b", (1, 3), (2, 3), mending.TRIMMED),
        ("in Rome", (3, 8), (3, 7), mending.CUT),
        ("in Rome", (3, 9), (3, 7), mending.CUT),
        ("Rome", (0, 5), (0, 4), mending.CUT),
    ],
)
def test_mended(text, before, after, kind):
    record, counts = mended(text, [entity(*before, "X", "Q1")])
    assert record.entities == [entity(*after, "X", "Q1")]
    assert counts == {kind: 1} and not kind.is_loss


WRONG_OFFSETS = "text, stretches, told", [
    ("Bob", [(0, 40)], r"line 3 \(document 'a'\): an entity \(X\) goes from 0 to 40, in a text of 3 characters"),
    ("Bob", [(0, 1), (-2, 2)], r"goes from 0 to 1 and from -2 to 2, .*offsets.*--skip-bad"),
    ("Bob", [(3, 1)], r"goes from 3 to 1"),
]  # fmt: skip


@pytest.mark.parametrize(*WRONG_OFFSETS)
def test_wrong_offsets_may_be_refused(text, stretches, told):
    record = Record(text, [fragments(*stretches), entity(0, 3, "Y")], WHERE, id="a")
    with pytest.raises(BadInput, match=told):
        mend(record, Notes(), refuse=True)
    notes = Notes(skip_bad=True)
    assert mend(record, notes, refuse=True).entities == [entity(0, 3, "Y")]
    assert notes.n_skipped == 1 and sum(t.labels["X"] for t in notes.tallies.values()) == 1
    # What is certain is mended all the same.
    record = Record(text, [entity(0, 4, "X")], WHERE)
    assert mend(record, Notes(), refuse=True).entities == [entity(0, 3, "X")]


@pytest.mark.parametrize(
    "text, stretches, kind",
    [
        ("in Rome", [(3, 10)], mending.BEYOND),
        ("in Rome", [(7, 8)], mending.BEYOND),
        ("in Rome", [(9, 12)], mending.BEYOND),
        ("in Rome", [(0, 2), (8, 9)], mending.BEYOND),
        # Begins within a word: all offsets may be shifted by one.
        ("in Rome", [(4, 8)], mending.BEYOND),
        ("in Rome", [(-1, -1)], mending.REVERSED),
        ("in Rome", [(-1, 2)], mending.REVERSED),
        ("in Rome", [(0, 2), (7, 3)], mending.REVERSED),
        ("in Rome", [(3, 3)], mending.EMPTY),
        ("in Rome", [(2, 3)], mending.EMPTY),
        ("in Rome", [], mending.EMPTY),
    ],
)
def test_dropped(text, stretches, kind):
    record, counts = mended(text, [fragments(*stretches), entity(0, 2, "Y")])
    assert record.entities == [entity(0, 2, "Y")]
    assert counts == {kind: 1}
    assert kind.is_loss == (kind is not mending.EMPTY)


def test_an_invisible_character_is_no_white_space():
    record, counts = mended("\ufeffa\u200b", [entity(0, 3, "X")])
    assert record.entities == [entity(0, 3, "X")] and not counts


@pytest.mark.parametrize(
    "before, after, kind",
    [
        ([(0, 3), (3, 5)], [(0, 5)], mending.MERGED),
        ([(0, 4), (4, 8)], [(0, 8)], mending.MERGED),
        ([(0, 3), (0, 8), (4, 8)], [(0, 8)], mending.MERGED),
        ([(0, 8), (4, 6)], [(0, 8)], mending.MERGED),
        ([(0, 3), (5, 5), (6, 8)], [(0, 3), (6, 8)], mending.EMPTY_FRAGMENT),
        ([(0, 4), (6, 8)], [(0, 3), (6, 8)], mending.TRIMMED),
        ([(0, 2), (3, 4), (6, 8)], [(0, 2), (6, 8)], mending.TRIMMED),
        ([(6, 8), (0, 3)], [(0, 3), (6, 8)], None),
        # White space between them keeps them apart.
        ([(0, 3), (4, 8)], [(0, 3), (4, 8)], None),
    ],
)
def test_fragments(before, after, kind):
    record, counts = mended("New York", [fragments(*before)])
    assert record.entities == [fragments(*after)]
    assert counts == ({kind: 1} if kind else {})


def test_duplicates():
    record, counts = mended(
        "in Rome",
        [
            entity(3, 7, "X"),
            entity(2, 7, "X", "Q220"),
            entity(3, 7, "X", "Q220"),
            entity(3, 7, "Y"),
            entity(3, 7, "X", "Q99"),
        ],
    )
    assert record.entities == [entity(3, 7, "X", "Q220"), entity(3, 7, "Y")]
    assert counts == {mending.TRIMMED: 1, mending.DUPLICATE: 2, mending.OTHER_KB_ID: 1}


def test_duplicates_of_what_is_sound():
    record, counts = mended("in Rome", [entity(3, 7, "X"), entity(3, 7, "X")])
    assert record.entities == [entity(3, 7, "X")] and counts == {mending.DUPLICATE: 1}


def test_order():
    record, counts = mended(
        "abcd", [entity(1, 2, "A"), entity(0, 2, "B"), entity(0, 2, "A"), entity(0, 4, "C")]
    )
    assert [e.label for e in record.entities] == ["C", "A", "B", "A"]
    assert not counts


def test_unknown_stretches():
    record, counts = mended(
        "in Rome",
        [],
        missing=[
            entity(3, 99, "X"),
            entity(-5, 3, ""),
            entity(3, 7, "X"),
            entity(5, 4, "X"),
            entity(2, 3, "X"),
        ],
    )
    assert record.missing == [entity(0, 2, ""), entity(3, 7, "X")]
    assert counts == {mending.MISSING_CUT: 2, mending.MISSING_REVERSED: 1}


@pytest.mark.parametrize(
    "tokens",
    [
        [(0, 2), (3, 8)],
        [(3, 7), (0, 2)],
        [(0, 2), (2, 2), (3, 7)],
        [(0, 4), (3, 7)],
        [(0, 2)],
        [(0, 1), (3, 7)],
        [(-1, 2), (3, 7)],
        [],
    ],
)
def test_wrong_tokens_are_dropped(tokens):
    record, counts = mended("in Rome", [], tokens=tokens)
    assert record.tokens is None
    assert counts == {mending.BAD_TOKENS: 1} and mending.BAD_TOKENS.is_loss


def test_tokens_of_white_space():
    record, counts = mended("in  Rome\n", [], tokens=[(0, 2), (3, 4), (4, 8), (8, 9)])
    assert record.tokens == [(0, 2), (4, 8)]
    assert counts == {mending.SPACE_TOKENS: 2}


def test_no_tokens_in_no_text():
    record, counts = mended(" \n", [], tokens=[], sents=[])
    assert record.tokens == [] and not counts


@pytest.mark.parametrize("sents", [[(0, 9)], [(0, 3), (2, 7)], [(0, 0)], [(3, 7), (0, 2)]])
def test_wrong_sentences_are_dropped(sents):
    record, counts = mended("in Rome", [], sents=sents)
    assert record.sents is None
    assert counts == {mending.BAD_SENTS: 1} and mending.BAD_SENTS.is_loss


def test_sentences_may_leave_something_out():
    record, counts = mended("Title. Text. End", [], sents=[(7, 12)])
    assert record.sents == [(7, 12)] and not counts


def test_losses_are_errors_if_strict():
    record = Record("in Rome", [entity(3, 50, "LOC")], WHERE, id="a")
    with pytest.raises(BadInput) as error:
        mend(record, Notes(strict=True))
    message = str(error.value)
    for part in ("corpus.jsonl, line 3", "'a'", "3-50", "LOC", "7 characters"):
        assert part in message


def test_the_input_is_not_changed():
    entities = [entity(0, 3, "X"), entity(0, 3, "X")]
    record = Record("in Rome", entities, WHERE, tokens=[(0, 2), (2, 3), (3, 7)])
    mend(record, Notes())
    assert len(record.entities) == 2 and len(record.tokens) == 3


stretches = st.tuples(st.integers(-1, 14), st.integers(-1, 14))
entities_of = st.lists(
    st.builds(
        Entity,
        st.one_of(st.lists(stretches, max_size=3), st.lists(stretches, min_size=1, max_size=1)).map(
            tuple
        ),
        st.sampled_from("XY"),
        st.sampled_from(["", "", "Q1", "Q2"]),
    ),
    max_size=6,
)


@settings(max_examples=300, deadline=None)
@given(st.text(" \nabé\u3000😀", max_size=12), entities_of, entities_of)
def test_what_holds_afterwards(text, entities, missing):
    record, counts = mended(text, entities, missing=missing)
    for e in [*record.entities, *record.missing]:
        last = -1
        for start, end in e.fragments:
            assert last < start < end <= len(text)
            assert text[start:end] == text[start:end].strip()
            last = end
        assert e.fragments
    assert record.entities == mending.in_order(record.entities)
    assert len({e[:2] for e in record.entities}) == len(record.entities)
    gone = (mending.BEYOND, mending.REVERSED, mending.EMPTY, mending.DUPLICATE, mending.OTHER_KB_ID)
    assert len(entities) - len(record.entities) == sum(counts.get(kind, 0) for kind in gone)
    again = Notes(strict=True)
    twice = mend(record, again)
    assert twice.entities == record.entities and twice.missing == record.missing
    assert not again.tallies


@settings(max_examples=200, deadline=None)
@given(st.text(" \nabé😀", max_size=12), entities_of)
def test_what_was_sound_stays(text, entities):
    """An entity that lies within the text and begins and ends with a character is kept."""
    record, _ = mended(text, entities)
    kept = {e[:2] for e in record.entities}
    for e in entities:
        if len(e.fragments) == 1:
            start, end = e.fragments[0]
            if 0 <= start < end <= len(text) and text[start:end] == text[start:end].strip():
                assert e[:2] in kept


def test_every_kind_has_its_own_words():
    kinds = [value for value in vars(mending).values() if isinstance(value, Kind)]
    assert len(kinds) == len({kind.name for kind in kinds}) == 14
