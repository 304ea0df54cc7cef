"""Spans to tags and back."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_contrastive_ner import tracks
from spacy_contrastive_ner.tracks import Layout
from spacy_contrastive_ner.tracks.encoding import NO_LABEL, NO_ROOM, OUTSIDE, TWICE

from .. import oracle

LABELS = ("A", "B", "ä |x")


@st.composite
def documents(draw):
    """Lengths, and spans of any kind that lie inside."""
    lengths = draw(st.lists(st.integers(0, 12), max_size=4))
    docs = []
    for n in lengths:
        spans = []
        if n:
            starts = st.integers(0, n - 1)
            for start in draw(st.lists(starts, max_size=8)):
                end = draw(st.integers(start + 1, n))
                spans.append((start, end, draw(st.sampled_from(LABELS))))
        docs.append(spans)
    return lengths, docs


def read_back(layout, tags, lengths):
    table = layout.track_labels()
    return [
        (doc, (start, end, layout.labels[table[track, place]]))
        for doc, start, end, track, place in tracks.spans(tags, lengths).tolist()
    ]


@settings(deadline=None, max_examples=150)
@given(documents(), st.integers(1, 3), st.sampled_from(["per_label", "joint"]))
def test_round_trip(data, max_layers, heads):
    """Everything that was not reported as lost comes back, once, and nothing else."""
    lengths, docs = data
    layers = tracks.layers_needed(docs, max_layers)
    layout = Layout.build(heads, layers)
    target = tracks.targets(layout, lengths, docs)
    given_ = [(i, span) for i, spans in enumerate(docs) for span in spans]
    for item in target.lost:
        given_.remove((item.document, item.span))
    assert sorted(read_back(layout, target.tags, lengths)) == sorted(given_)
    assert target.allowed is None
    # All tag sequences are legal.
    offsets = numpy.cumsum([0, *lengths])
    for i in range(len(lengths)):
        for column in target.tags[offsets[i] : offsets[i + 1]].T:
            path = [0, *column.tolist(), 0]
            assert all(oracle.may_follow(a, b) for a, b in zip(path, path[1:]))


@settings(deadline=None, max_examples=100)
@given(documents())
def test_enough_layers_lose_nothing_but_duplicates(data):
    lengths, docs = data
    layers = tracks.layers_needed(docs, 8)
    layout = Layout.build("per_label", layers)
    reasons = {item.reason for item in tracks.targets(layout, lengths, docs).lost}
    assert reasons <= {TWICE}
    # No label has more layers than it needs.
    for label, n in layers.items():
        if n > 1:
            fewer = Layout.build("per_label", {**layers, label: n - 1})
            assert any(item.reason == NO_ROOM for item in tracks.targets(fewer, lengths, docs).lost)


def test_outer_spans_come_first():
    layout = Layout.build("per_label", {"A": 2})
    target = tracks.targets(layout, [5], [[(1, 2, "A"), (0, 4, "A")]])
    assert target.tags.T.tolist() == [[1, 2, 2, 3, 0], [0, 4, 0, 0, 0]]


def test_adjacent_spans_stay_apart():
    layout = Layout.build("joint", {"A": 1, "B": 1})
    target = tracks.targets(layout, [5], [[(0, 2, "A"), (2, 4, "A"), (4, 5, "B")]])
    assert target.tags[:, 0].tolist() == [1, 3, 1, 3, 8]
    assert not target.lost


@pytest.mark.parametrize(
    "heads, spans, reason",
    [
        ("per_label", [(0, 3, "A"), (1, 2, "A"), (1, 3, "A")], NO_ROOM),
        ("joint", [(0, 3, "A"), (1, 2, "B")], NO_ROOM),
        ("per_label", [(0, 1, "A"), (0, 1, "A")], TWICE),
        ("per_label", [(0, 1, "C")], NO_LABEL),
        ("per_label", [(2, 9, "A")], OUTSIDE),
        ("per_label", [(1, 1, "A")], OUTSIDE),
    ],
)
def test_says_why_a_span_does_not_fit(heads, spans, reason):
    layout = Layout.build(heads, {"A": 2, "B": 1})
    lost = tracks.targets(layout, [4], [spans]).lost
    assert [(item.document, item.reason) for item in lost] == [(0, reason)]


def test_missing_annotation_frees_the_tags_of_its_label():
    layout = Layout.build("per_label", {"A": 1, "B": 2})
    target = tracks.targets(layout, [1, 4], [[], [(1, 3, "A")]], [[], [(0, 9, "A"), (3, 4, "")]])
    free = target.allowed.sum(axis=2)
    # Track 0 is A: its O may be anything, its gold entity stays; the last token is free for all.
    assert free.tolist() == [[1, 1, 1], [5, 1, 1], [1, 1, 1], [1, 1, 1], [5, 5, 5]]
    gold = numpy.take_along_axis(target.allowed, target.tags[:, :, None].astype(int), axis=2)
    assert gold.all()


def test_missing_annotation_on_a_joint_track():
    layout = Layout.build("joint", {"A": 1, "B": 1})
    target = tracks.targets(layout, [2], [[]], [[(0, 1, "B")]])
    assert target.allowed[:, 0].astype(int).tolist() == [
        [1, 0, 0, 0, 0, 1, 1, 1, 1],
        [1, 0, 0, 0, 0, 0, 0, 0, 0],
    ]


def test_broken_tag_sequences_stand_for_nothing():
    # I without B; B never closed; L of another label; an entity across the border of a document.
    tags = numpy.asarray([[2, 1, 1, 7, 1], [3, 2, 3, 0, 2], [0, 2, 4, 4, 3]], dtype="uint8")
    assert tracks.spans(tags, [2, 1]).tolist() == [
        [0, 0, 2, 2, 0],
        [1, 0, 1, 2, 0],
        [1, 0, 1, 3, 0],
    ]


def test_layout_grows_behind():
    layout = Layout.build("per_label", {"A": 2, "B": 1}).with_label("C", 2)
    assert layout.n_tracks == 5 and layout.width == 25
    assert layout.slots() == [[(0, 0), (1, 0)], [(2, 0)], [(3, 0), (4, 0)]]
    assert layout.track_labels().tolist() == [[0], [0], [1], [2], [2]]
    joint = Layout.build("joint", {"A": 2, "B": 1}).with_label("C", 2)
    assert joint.n_tracks == 1 and joint.n_tags == 13
    assert joint.track_labels().tolist() == [[0, 1, 2]]
    assert Layout.from_dict(joint.to_dict()) == joint
    with pytest.raises(ValueError, match="per_label, joint"):
        Layout.build("flat", {})


def test_many_labels_on_one_track():
    """More than 255 tags do not overflow."""
    layout = Layout.build("joint", {f"L{i}": 1 for i in range(100)})
    target = tracks.targets(layout, [3], [[(1, 2, "L99")]])
    assert target.tags[1, 0] == 400
    assert tracks.spans(target.tags, [3]).tolist() == [[0, 1, 2, 0, 99]]
