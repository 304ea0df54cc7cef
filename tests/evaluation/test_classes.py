"""Kinds of spans, against comparing each span with each."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_contrastive_ner.evaluation.classes import (
    NESTING_DEPTHS,
    SPAN_LENGTHS,
    TRAINING_FREQUENCIES,
    Ruler,
    Training,
    class_names,
    length_class,
    nesting_depths,
    structures,
)

from .random_mentions import mentions


def kinds(a, every):
    others = [b for b in every if b != a]
    overlapping = [b for b in others if b[0] < a[1] and a[0] < b[1]]
    around = [b for b in overlapping if b[0] <= a[0] and a[1] <= b[1] and b[:2] != a[:2]]
    if around:
        yield "nested"
    if any(b[2] == a[2] for b in around):
        yield "same_label_nested"
    if any(b[0] < a[0] < b[1] < a[1] or a[0] < b[0] < a[1] < b[1] for b in others):
        yield "crossing"
    if any(b[:2] == a[:2] for b in others):
        yield "multi_label"
    if not overlapping:
        yield "flat"


@settings(max_examples=300, deadline=None)
@given(mentions(10, 7))
def test_structures(every):
    found = sorted(structures(every))
    assert found == sorted((kind, a) for a in every for kind in kinds(a, every))


@settings(max_examples=300, deadline=None)
@given(mentions(10, 8))
def test_nesting_depths(every):
    def depth(a):
        around = {b[:2] for b in every if b[0] <= a[0] and a[1] <= b[1]} - {a[:2]}
        return ("0", "1", "2", "3+")[min(len(around), 3)]

    assert sorted(nesting_depths(every)) == sorted((depth(a), a) for a in every)


def test_depths_in_sum():
    assert class_names(NESTING_DEPTHS) == ["0", "1", "2", "3+"]
    chain = [(0, n, "A") for n in range(1, 6)]
    assert [name for name, _ in nesting_depths(chain)] == ["3+", "3+", "2", "1", "0"]
    # Two labels on the same text are one layer, and not around each other.
    two = [(0, 5, "A"), (0, 5, "B"), (1, 2, "A")]
    assert [name for name, _ in nesting_depths(two)] == ["0", "0", "1"]


def test_length_classes():
    assert class_names(SPAN_LENGTHS) == ["1", "2", "3", "4-5", "6-10", "11+"]
    for n, name in {0: "1", 1: "1", 3: "3", 4: "4-5", 5: "4-5", 10: "6-10", 11: "11+"}.items():
        assert length_class(n, SPAN_LENGTHS) == name


WORDS = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), max_size=8)


@settings(max_examples=200, deadline=None)
@given(WORDS, st.integers(0, 30), st.integers(1, 10))
def test_length_in_tokens(gaps, start, n):
    words, end = [], 0
    for gap, length in gaps:
        words.append((end + gap, end + gap + length))
        end = words[-1][1]
    touched = [w for w in words if w[0] < start + n and start < w[1]]
    assert Ruler(words, None).length(start, start + n) == len(touched)


def test_lengths_of_sentences_and_documents():
    words = [(2 * i, 2 * i + 1) for i in range(30)]
    ruler = Ruler(words, [(0, 9), (10, 59)])
    short, long = (8, 13, "A"), (10, 11, "A")
    assert list(ruler.sentence_lengths([short, long])) == [("1-10", short), ("21-30", long)]
    assert list(ruler.document_lengths([long])) == [("26-50", long)]
    assert list(ruler.span_lengths([short])) == [("3", short)]
    assert list(Ruler(words, None).sentence_lengths([short])) == []


def test_surfaces():
    training = Training()
    training.add("New  York and Paris", {(0, 9, "GPE"), (14, 19, "PER")})
    text = "New York, Paris, york"
    some = [(0, 8, "GPE"), (10, 15, "GPE"), (17, 21, "GPE")]
    assert list(training.surfaces(text, some)) == list(zip(("seen", "other_label", "unseen"), some))
    assert training.counts == {"GPE": 1, "PER": 1}


def test_training_frequencies():
    training = Training()
    for label, n in {"A": 1, "B": 5, "C": 6, "D": 500, "E": 501}.items():
        for _ in range(n):
            training.add("x", [(0, 1, label)])
    some = [(0, 1, label) for label in "ABCDEF"]
    names = ["1-5", "1-5", "6-20", "101-500", "501+", "0"]
    assert list(training.frequencies(some)) == list(zip(names, some))
    assert class_names(TRAINING_FREQUENCIES) == ["0", "1-5", "6-20", "21-100", "101-500", "501+"]
    # To be asked for a label is not to have it.
    assert "F" not in training.counts


@pytest.mark.parametrize("every", [set(), {(0, 1, "A")}])
def test_few_spans(every):
    assert list(structures(every)) == [("flat", a) for a in every]
