"""Which rows are compared: token rows against naive loops, segments by what must hold of them."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thinc.api import NumpyOps

from spacy_contrastive_ner.annotations import Gold
from spacy_contrastive_ner.pretraining.rows import (
    NEAR,
    OUTSIDE,
    Rows,
    Sampling,
    class_of_label,
    make_rows,
    pool_rows,
    with_classes,
)

from .. import oracle

OPS = NumpyOps()
RNG = numpy.random.default_rng


@st.composite
def documents(draw, most_tokens=9):
    """A batch: for each document its number of tokens, entities and unknown stretches."""
    docs = []
    for _ in range(draw(st.integers(0, 4))):
        n = draw(st.integers(0, most_tokens))

        def stretches(labels, most, n=n):
            found = []
            for _ in range(draw(st.integers(0, most)) if n else 0):
                start = draw(st.integers(0, n - 1))
                end = draw(st.integers(start + 1, n))
                found.append((start, end, draw(st.sampled_from(labels))))
            return found

        docs.append((n, stretches("ABC", 5), stretches(["A", "B", "D", ""], 2)))
    return docs


def make(docs, seed=0, **settings):
    """The rows of a batch in which the documents follow one another."""
    lengths = [n for n, _, _ in docs]
    offsets = (numpy.cumsum([0, *lengths])[:-1]).tolist()
    gold = [Gold(n, spans, missing, []) for n, spans, missing in docs]
    return make_rows(gold, offsets, Sampling(**settings).check(), RNG(seed)), offsets


def listed(rows):
    """The rows as the oracle writes them. Of labels that a row has, nothing is left to be known."""
    names = numpy.asarray(rows.names, dtype=object)
    return [
        (start, end, frozenset(names[has]), frozenset(names[may]))
        for start, end, has, may in zip(
            rows.starts.tolist(), rows.ends.tolist(), rows.labels, rows.maybe
        )
    ]


def require_shapes(rows):
    n = len(rows.starts)
    assert rows.starts.shape == rows.ends.shape == (n,)
    assert rows.labels.shape == rows.maybe.shape == (n, len(rows.names))
    assert rows.labels.dtype == rows.maybe.dtype == bool
    assert rows.starts.dtype.kind == rows.ends.dtype.kind == "i"


@pytest.mark.parametrize("outside", OUTSIDE)
@settings(deadline=None, max_examples=150)
@given(docs=documents())
def test_token_rows(outside, docs):
    rows, offsets = make(docs, outside=outside, max_outside=None)
    require_shapes(rows)
    assert listed(rows) == oracle.token_rows(docs, offsets, outside)


def test_token_rows_by_hand():
    docs = [(4, [(0, 3, "ORG"), (1, 2, "GPE")], [(3, 4, "GPE")]), (2, [], [(0, 1, "")])]
    rows, _ = make(docs)
    assert rows.names == ["GPE", "ORG"]
    # The token of which nothing is known is left out; the one after it is outside.
    assert rows.starts.tolist() == [0, 1, 2, 3, 5]
    assert rows.labels.tolist() == [[0, 1], [1, 1], [0, 1], [0, 0], [0, 0]]
    assert rows.maybe.tolist() == [[0, 0], [0, 0], [0, 0], [1, 0], [0, 0]]
    # As a class of its own, outside has to be certain.
    rows, _ = make(docs, outside="query")
    assert rows.names == ["GPE", "ORG", ""]
    assert rows.starts.tolist() == [0, 1, 2, 5]
    assert rows.labels[:, 2].tolist() == [False, False, False, True]


# The labels of `documents`, and one that none of them has.
UNIVERSE = frozenset("ABCD?")


def truth(rows, docs, offsets):
    """Which labels each row has, and which it may have, read off the annotation."""
    found = []
    for first, last in zip(rows.starts.tolist(), rows.ends.tolist()):
        number = max(i for i, n in enumerate(docs) if offsets[i] <= first and n[0])
        start, end = first - offsets[number], last - offsets[number]
        _, spans, missing = docs[number]
        gaps = {label for a, b, label in missing if a < end and b > start}
        found.append((start, end, spans, UNIVERSE if "" in gaps else frozenset(gaps)))
    return found


@pytest.mark.parametrize("units", ["tokens", "segments"])
@pytest.mark.parametrize("outside", OUTSIDE)
@pytest.mark.parametrize("merge", ["label", {"A": "B", "D": "C"}])
@settings(deadline=None, max_examples=60)
@given(docs=documents(), seed=st.integers(0, 9))
def test_only_what_is_certain_is_compared(units, outside, merge, docs, seed):
    """Against all that may be true where annotation is missing."""
    to_class = class_of_label(merge)
    docs = [(n, *([(a, b, to_class(c)) for a, b, c in some] for some in both)) for n, *both in docs]
    rows, offsets = make(docs, seed, units=units, outside=outside, max_outside=None)
    known = []
    for start, end, spans, maybe in truth(rows, docs, offsets):
        if units == "tokens":
            labels = frozenset(label for a, b, label in spans if a <= start < b)
        else:
            labels = frozenset(label for a, b, label in spans if (a, b) == (start, end))
        known.append((labels, maybe))
    positives, negatives = oracle.related(rows.labels, rows.maybe)
    for i, one in enumerate(known):
        for j, other in enumerate(known):
            wanted = oracle.relation(*one, *other)
            # Nothing is known of two rows without labels, unless outside is a class.
            if i == j or (outside != "query" and not (one[0] or other[0])):
                wanted = ""
            found = "alike" if j in positives[i] else "unlike" if j in negatives[i] else ""
            assert found == wanted, (rows.starts[i], rows.starts[j])


@pytest.mark.parametrize("units", ["tokens", "segments"])
@pytest.mark.parametrize("label", ["A", "X", ""])
def test_unknown_text_is_not_outside(units, label):
    """Also where the label that is unknown occurs nowhere in the batch."""
    docs = [(2, [(0, 2, "A")], []), (6, [], [(0, 6, label)])]
    for seed in range(10):
        rows, _ = make(docs, seed, units=units, outside="query", hard_share=0.0, background=3.0)
        assert (rows.starts < 2).all()


def test_rows_that_may_share_a_label_that_no_row_has_are_not_compared():
    docs = [(3, [(0, 1, "A"), (1, 2, "B"), (2, 3, "B")], [(0, 2, "X")])]
    rows, _ = make(docs)
    assert rows.names == ["A", "B", "X"]
    _, negatives = oracle.related(rows.labels, rows.maybe)
    assert negatives == [[2], [], [0]]


def test_what_is_in_an_entity_is_never_perhaps_outside():
    rows, _ = make([(2, [(0, 1, "A")], [(0, 1, "")])], outside="query")
    assert rows.labels.tolist() == [[True, False], [False, True]]
    assert rows.maybe.tolist() == [[True, False], [False, False]]


def test_offsets_need_not_be_dense():
    """Documents of other label spaces may lie in between."""
    gold = [Gold(2, [(0, 2, "A")], [], []), Gold(1, [(0, 1, "A")], [], [])]
    for units in ("tokens", "segments"):
        sampling = Sampling(units=units, outside="ignore")
        rows = make_rows(gold, [5, 40], sampling, RNG(0))
        assert rows.starts.tolist() == ([5, 6, 40] if units == "tokens" else [5, 40])
        assert rows.ends.tolist() == ([6, 7, 41] if units == "tokens" else [7, 41])


def outside_of(rows):
    return rows.starts[~rows.labels.any(axis=1)].tolist()


def near_tokens(docs, offsets):
    """Tokens outside entities, and which of them are near one, by loops."""
    near, far = set(), set()
    for (n, spans, _), offset in zip(docs, offsets):
        for token in range(n):
            if any(start <= token < end for start, end, _ in spans):
                continue
            gaps = [max(start - token, token - end + 1) for start, end, _ in spans]
            (near if gaps and min(gaps) <= NEAR else far).add(offset + token)
    return near, far


@settings(deadline=None, max_examples=150)
@given(docs=documents(), most=st.integers(0, 12), share=st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_cap_on_outside_rows(docs, most, share):
    docs = [(n, spans, []) for n, spans, _ in docs]
    every, offsets = make(docs, max_outside=None)
    rows, _ = make(docs, max_outside=most, near_share=share)
    near, far = near_tokens(docs, offsets)
    chosen = outside_of(rows)
    assert set(chosen) <= set(outside_of(every))
    assert len(chosen) == len(set(chosen)) == min(most, len(outside_of(every)))
    assert rows.starts.tolist() == sorted(rows.starts.tolist())
    if chosen:
        assert len(near & set(chosen)) >= min(len(near), round(most * share))
    labelled = [row for row in listed(every) if row[2]]
    assert [row for row in listed(rows) if row[2]] == labelled


def test_share_of_near_outside_rows():
    """6 tokens are near, 990 are not; 8 may stay."""
    docs = [(1000, [(500, 504, "A")], [])]
    near, _ = near_tokens(docs, [0])
    assert len(near) == 6
    mean = {}
    for share in (0.0, 0.5, 1.0):
        counts = []
        for seed in range(50):
            rows, _ = make(docs, seed, max_outside=8, near_share=share)
            chosen = outside_of(rows)
            assert len(chosen) == 8
            counts.append(len(near & set(chosen)))
        mean[share] = numpy.mean(counts)
        assert min(counts) >= {0.0: 0, 0.5: 4, 1.0: 6}[share]
    assert mean[0.0] < 0.3 and mean[0.5] < 4.3 and mean[1.0] == 6


def test_cap_also_holds_where_outside_rows_are_queries():
    rows, _ = make([(50, [(3, 5, "A")], [])], outside="query", max_outside=7)
    assert rows.labels.sum(axis=0).tolist() == [2, 7]


@pytest.mark.parametrize("units", ["tokens", "segments"])
def test_drawn_afresh_and_reproducibly(units):
    docs = [(60, [(3, 5, "A"), (20, 24, "B"), (40, 41, "A")], [])]
    settings = {"units": units, "max_outside": 10}
    first, again, other = (listed(make(docs, seed, **settings)[0]) for seed in (1, 1, 2))
    assert first == again != other


def is_hard(row, entities, n_tokens):
    """Whether a stretch is an entity cut, stretched or shifted by a token."""
    return any(
        abs(row[0] - start) <= 1
        and abs(row[1] - end) <= 1
        and max(row[0], start) < min(row[1], end)
        for start, end in entities
    )


@pytest.mark.parametrize("outside", OUTSIDE)
@settings(deadline=None, max_examples=150)
@given(docs=documents(), background=st.sampled_from([0.0, 0.5, 1.0, 3.0]), seed=st.integers(0, 9))
def test_segments(outside, docs, background, seed):
    rows, offsets = make(docs, seed, units="segments", outside=outside, background=background)
    require_shapes(rows)
    names = {label for _, spans, _ in docs for _, _, label in spans}
    every = names | {label for _, _, missing in docs for _, _, label in missing if label}
    there = listed(rows)
    assert len({row[:2] for row in there}) == len(there)
    for (n, spans, missing), offset in zip(docs, offsets):
        gold = {}
        for start, end, label in spans:
            gold.setdefault((offset + start, offset + end), set()).add(label)
        own = [row for row in there if offset <= row[0] < offset + n]
        others = []
        for start, end, labels, maybe in own:
            assert offset <= start < end <= offset + n
            gaps = {
                label
                for first, last, label in missing
                if start < offset + last and end > offset + first
            }
            assert maybe - {""} == (every if "" in gaps else gaps)
            if (start, end) in gold:
                # Each entity is one row that has all its labels.
                assert labels == gold.pop((start, end))
            else:
                others.append((start, end))
                assert labels == ({""} if outside == "query" else set())
                assert not (outside == "query" and gaps)
                assert not (outside == "negative" and names <= maybe)
        assert not gold
        distinct = len({(start, end) for start, end, _ in spans})
        assert len(others) <= (numpy.ceil(background * distinct) if distinct else background > 0)
        assert not (outside == "ignore" and others)


def test_two_labels_on_the_same_segment_are_one_row():
    docs = [(5, [(1, 3, "A"), (1, 3, "B"), (1, 3, "A"), (1, 4, "A")], [])]
    rows, _ = make(docs, units="segments", background=0.0)
    assert listed(rows) == [
        (1, 3, {"A", "B"}, set()),
        (1, 4, {"A"}, set()),
    ]


@pytest.mark.parametrize("background", [0.25, 1.0, 1.3])
@pytest.mark.parametrize("hard_share", [0.0, 0.4, 1.0])
def test_background_segments_in_expectation(background, hard_share):
    spans = [(40 * i + 3, 40 * i + 5 + i % 4, "A") for i in range(10)]
    entities = [span[:2] for span in spans]
    lengths = {end - start for start, end in entities}
    counts, hard = [], []
    for seed in range(300):
        rows, _ = make(
            [(400, spans, [])],
            seed,
            units="segments",
            background=background,
            hard_share=hard_share,
        )
        others = [row[:2] for row in listed(rows) if not row[2]]
        flags = [is_hard(row, entities, 400) for row in others]
        counts.append(len(others))
        hard.append(sum(flags))
        assert all(
            flag or row[1] - row[0] in lengths for flag, row in zip(flags, others, strict=True)
        )
    expected = 10 * background
    assert numpy.floor(expected) <= min(counts) and max(counts) <= numpy.ceil(expected)
    assert numpy.mean(counts) == pytest.approx(expected, abs=0.15)
    # Few of those that lie anywhere happen to be hard.
    assert numpy.mean(hard) == pytest.approx(expected * hard_share, abs=0.12 * expected + 0.1)
    if hard_share == 1.0:
        assert hard == counts


@pytest.mark.parametrize("units", ["tokens", "segments"])
@pytest.mark.parametrize("outside", OUTSIDE)
def test_small_documents(units, outside):
    settings = {"units": units, "outside": outside}
    # No documents, no tokens, no entities.
    for docs in ([], [(0, [], [])]):
        rows, _ = make(docs, **settings)
        require_shapes(rows)
        assert not len(rows.starts)
    n = len(make([(3, [], [])], **settings)[0].starts)
    # Without any label there is nothing that rows outside could differ from, unless they are asked.
    assert n == (0 if outside != "query" else {"tokens": 3, "segments": 1}[units])
    # One token, and a document that is one entity.
    for n_tokens in (1, 2):
        rows, _ = make([(n_tokens, [(0, n_tokens, "A")], [])], **settings)
        assert rows.labels[:, 0].sum() == (n_tokens if units == "tokens" else 1)
        if n_tokens == 1 or units == "tokens":
            assert rows.labels[:, 0].all()
    # All that a document of two tokens has besides are its single tokens.
    rows, _ = make([(2, [(0, 2, "A")], [])], units="segments", background=9.0)
    assert sorted(row[:2] for row in listed(rows)) == [(0, 1), (0, 2), (1, 2)]


@pytest.mark.parametrize("units", ["tokens", "segments"])
def test_documents_without_entities_are_background(units):
    docs = [(6, [(1, 3, "A")], []), (5, [], []), (0, [], []), (1, [], [])]
    rows, _ = make(docs, units=units, background=1.0, hard_share=0.0)
    outside = [row for row in listed(rows) if row[0] >= 6]
    assert len(outside) == (6 if units == "tokens" else 2)
    assert all(6 <= start < end <= 12 and not labels for start, end, labels, _ in outside)


@pytest.mark.parametrize(
    "merge, classes",
    [
        ("label", {}),
        (
            "prefix",
            {
                "PER.NAM": "PER",
                "art-other": "art",
                "a/b": "a",
                "a:b-c": "a",
                "x-y.z": "x",
                "-x-y": "-x",
                ".x.y": ".x",
            },
        ),
        ({"GPE": "LOC", "FAC": "LOC"}, {"GPE": "LOC", "FAC": "LOC"}),
    ],
)
def test_classes_of_labels(merge, classes):
    to_class = class_of_label(merge)
    for label in ("WORK_OF_ART", "PER.NAM", "art-other", ".x", "x.", "-", "", "GPE", "FAC"):
        expected = {**({"x.": "x"} if merge == "prefix" else {}), **classes}
        assert to_class(label) == expected.get(label, label)
    for label, name in classes.items():
        assert to_class(label) == name


def test_merged_labels_are_one_column():
    gold = with_classes(
        Gold(4, [(0, 1, "PER.NAM"), (1, 2, "PER.NOM"), (2, 3, "ORG")], [(3, 4, "ORG.NAM")], []),
        "prefix",
    )
    rows = make_rows([gold], [0], Sampling(), RNG(0))
    assert rows.names == ["ORG", "PER"]
    assert rows.labels[:, 1].tolist() == [True, True, False, False]
    assert rows.maybe[:, 0].tolist() == [False, False, False, True]
    assert with_classes(Gold(1, [], [(0, 1, "")], []), "prefix").missing == [(0, 1, "")]


@pytest.mark.parametrize(
    "name, value",
    [
        ("units", "words"),
        ("outside", "positive"),
        ("merge", "suffix"),
        ("near_share", 1.5),
        ("near_share", -0.1),
        ("hard_share", 2.0),
        ("background", -1.0),
        ("background", float("nan")),
        ("background", float("inf")),
        ("near_share", float("nan")),
        ("max_outside", -1),
    ],
)
def test_settings_are_checked(name, value):
    with pytest.raises(ValueError, match=rf"{name} is .*{value}.*must"):
        Sampling(**{name: value}).check()


def test_sensible_settings_pass():
    sampling = Sampling(max_outside=0, near_share=0.0, hard_share=1.0, background=0.0, merge={})
    assert sampling.check() is sampling


def stretches(*pairs):
    starts, ends = numpy.asarray(pairs, dtype="int64").reshape((-1, 2)).T
    none = numpy.zeros((len(starts), 0), dtype="bool")
    return Rows(starts, ends, none, none, [])


@pytest.mark.parametrize(
    "rows",
    [
        stretches((0, 1), (4, 5), (4, 5)),
        stretches((0, 3), (1, 3), (2, 7), (6, 7)),
        stretches((3, 4), (0, 7)),
        stretches((2, 4)),
        stretches((2, 4), (5, 5)),
        stretches(),
    ],
    ids=["tokens", "overlapping", "whole", "one", "empty", "none"],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pooled_rows_and_their_gradient(rows, dtype):
    tokens = RNG(0).normal(size=(7, 3)).astype(dtype)
    pooled, backprop = pool_rows(OPS, tokens, rows)
    assert pooled.dtype == dtype
    slow = oracle.pool(tokens, rows.starts, rows.ends)
    assert pooled.shape == slow.shape and numpy.allclose(pooled, slow, atol=1e-6)
    d_pooled = RNG(1).normal(size=pooled.shape).astype(dtype)
    d_tokens = backprop(d_pooled)
    assert d_tokens.shape == tokens.shape and d_tokens.dtype == dtype
    for at in numpy.ndindex(tokens.shape):
        moved = tokens.astype("float64")
        moved[at] += 1.0
        slope = (oracle.pool(moved, rows.starts, rows.ends) - slow) * d_pooled
        assert d_tokens[at] == pytest.approx(slope.sum(), abs=1e-5)


def test_pooling_a_view_of_wider_rows():
    """As the rows of a joint model are."""
    wide = RNG(0).normal(size=(5, 6)).astype("float32")
    rows = stretches((0, 2), (1, 2))
    pooled, backprop = pool_rows(OPS, wide[:, 4:], rows)
    assert numpy.allclose(pooled, oracle.pool(wide[:, 4:], rows.starts, rows.ends), atol=1e-6)
    d_tokens = backprop(numpy.ones_like(pooled))
    assert numpy.allclose(d_tokens[:, 0], [0.5, 1.5, 0, 0, 0])


def test_random_segments_touch_no_entity():
    gold = (30, [(3, 6, "A"), (10, 11, "B"), (15, 22, "A")], [])
    inside = {*range(3, 6), 10, *range(15, 22)}
    for seed in range(30):
        rows, _ = make([gold], seed, units="segments", background=2.0, hard_share=0.0)
        outside = ~rows.labels.any(axis=1)
        assert outside.any()
        for start, end in zip(rows.starts[outside], rows.ends[outside]):
            assert not inside & set(range(start, end))
    # Where there is no room, there are none.
    rows, _ = make([(3, [(0, 3, "A")], [])], units="segments", hard_share=0.0)
    assert len(rows.starts) == 1
