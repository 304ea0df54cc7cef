"""Cutting documents, against a naive version."""

import random
from collections import Counter

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span, SpanGroup

from spacy_contrastive_ner.corpora import cutting
from spacy_contrastive_ner.corpora.cutting import cut, find_borders

from .random_docs import plain_doc, random_doc, triples

VOCAB = spacy.blank("en").vocab
GROUPS = ("sc", "other", "empty")


def describe(span, offset=0):
    return (span.start + offset, span.end + offset, span.label_, span.kb_id_, span.id_, span.text)


def naive_borders(doc, max_length, uncut):
    """Try every place, best first."""
    borders, n = [0], len(doc)
    starts = [i for i in range(1, n) if doc[i].is_sent_start]
    while n - borders[-1] > max_length:
        begin = borders[-1]
        inside = [i for i in starts if begin < i <= begin + max_length]
        natural = max(inside, default=begin + max_length)
        near = [i for i in range(begin + 1, natural + 1) if natural - i <= max_length // 2]
        good = [i for i in near if not any(s.start < i < s.end for s in uncut)]
        at_sentences = [i for i in good if i in inside]
        beyond = range(natural + 1, begin + max_length + 1)
        right = [i for i in beyond if not any(s.start < i < s.end for s in uncut)]
        borders.append(max(at_sentences or good or right or [natural]))
    return [*borders, n]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 12),
    st.booleans(),
    st.sampled_from([0.05, 0.3, 1.0]),
    st.booleans(),
)
def test_random_documents(seed, max_length, sentences, density, with_key):
    rng = random.Random(seed)
    doc = random_doc(VOCAB, rng, sentences=sentences, density=density, missing=True)
    key = "unknown" if with_key else None
    spans = [s for name, group in doc.spans.items() if name != key for s in group]
    borders = find_borders(doc, max_length, key)
    assert borders == naive_borders(doc, max_length, [*spans, *doc.ents])

    pieces = cut(doc, max_length, key)
    places = list(zip(borders, borders[1:]))
    assert all(0 < len(piece) <= max_length for piece in pieces.docs)
    assert "".join(piece.text_with_ws for piece in pieces.docs) == doc.text_with_ws
    for name in doc.spans:
        if name == key:
            continue
        kept = Counter(
            describe(span, start)
            for piece, (start, end) in zip(pieces.docs, places)
            for span in piece.spans[name]
        )
        whole = Counter(
            describe(span)
            for span in doc.spans[name]
            if any(start <= span.start and span.end <= end for start, end in places)
        )
        assert kept == whole
    crossing = {
        (s.start, s.end, s.label_)
        for s in (*spans, *doc.ents)
        if any(s.start < border < s.end for border in borders[1:-1])
    }
    assert Counter(triples(pieces.lost)) == Counter(crossing)
    assert pieces.total == len({(s.start, s.end, s.label_) for s in (*spans, *doc.ents)})
    for piece, (start, end) in zip(pieces.docs, places):
        check_piece(doc, piece, start, end, key, spans)


def check_piece(doc, piece, start, end, key, spans):
    assert [t.tag_ for t in piece] == [t.tag_ for t in doc[start:end]]
    assert [t.is_sent_start for t in piece][1:] == [t.is_sent_start for t in doc[start:end]][1:]
    assert piece.user_data == doc.user_data
    # Entities: whole ones stay, what is left of others is missing.
    assert triples(piece.ents) == [
        (e.start - start, e.end - start, e.label_)
        for e in doc.ents
        if start <= e.start and e.end <= end
    ]
    for i in range(start, end):
        is_cut = any(e.start <= i < e.end and (e.start < start or e.end > end) for e in doc.ents)
        assert (piece[i - start].ent_iob == 0) == is_cut
    scores = [doc.spans["sc"].attrs["scores"][i] for i in kept_indices(doc, start, end)]
    assert piece.spans["sc"].attrs == {"scores": scores, "by": "me"}
    if key is None:
        return
    unknown = [*doc.spans[key]]
    unknown += [s for s in spans if not (start <= s.start and s.end <= end)]
    assert triples(piece.spans[key]) == sorted(
        (max(s.start, start) - start, min(s.end, end) - start, s.label_)
        for s in unknown
        if s.start < end and start < s.end
    )


def kept_indices(doc, start, end):
    return [i for i, s in enumerate(doc.spans["sc"]) if start <= s.start and s.end <= end]


def lengths(doc, max_length, **kwargs):
    return [len(piece) for piece in cut(doc, max_length, **kwargs).docs]


def make(n, sentence_starts=None, spans=()):
    starts = None
    if sentence_starts is not None:
        starts = [i == 0 or i in sentence_starts for i in range(n)]
    return plain_doc(VOCAB, " ".join(f"w{i}" for i in range(n)), spans, sent_starts=starts)


@pytest.mark.parametrize(
    "doc, max_length, expected",
    [
        (make(10), 4, [4, 4, 2]),
        (make(8), 4, [4, 4]),
        (make(10, [3, 5, 8]), 5, [5, 5]),  # as many sentences as fit
        (make(11, [3, 5, 9]), 5, [5, 4, 2]),
        (make(12, [2]), 5, [2, 5, 5]),  # a long sentence
        (make(10, [3, 5, 8], [(4, 6, "A")]), 5, [3, 5, 2]),  # to another sentence
        (make(10, [5], [(4, 6, "A")]), 5, [4, 5, 1]),  # to another token, then on to the right
        (make(10, None, [(3, 6, "A"), (2, 4, "A")]), 5, [5, 5]),  # too far: cut
        (make(10, None, [(3, 6, "A")]), 5, [3, 5, 2]),
        (make(3), 1, [1, 1, 1]),
    ],
)
def test_where_documents_are_cut(doc, max_length, expected):
    assert lengths(doc, max_length) == expected


def test_the_missing_group_does_not_move_borders():
    doc = make(10)
    doc.spans["unknown"] = [Span(doc, 0, 10, "")]
    assert lengths(doc, 4, missing_key="unknown") == [4, 4, 2]
    pieces = cut(doc, 4, "unknown").docs
    assert [triples(piece.spans["unknown"]) for piece in pieces] == [
        [(0, 4, "")],
        [(0, 4, "")],
        [(0, 2, "")],
    ]
    assert not cut(doc, 4, "unknown").lost and len(cut(doc, 4).lost) == 1


def test_the_missing_group_is_made_only_where_it_is_needed():
    doc = make(14, None, [(1, 9, "A")])
    *pieces, last = cut(doc, 4, "unknown").docs
    assert "unknown" not in last.spans and "sc" in last.spans
    assert [triples(piece.spans["unknown"]) for piece in pieces] == [
        [(1, 4, "A")],
        [(0, 4, "A")],
        [(0, 1, "A")],
    ]
    assert all("unknown" not in piece.spans for piece in cut(make(10), 4, "unknown").docs)


def test_arrays_in_attributes_are_shared_out():
    doc = make(6)
    spans = [Span(doc, 0, 1, "A"), Span(doc, 4, 5, "B"), Span(doc, 1, 2, "C")]
    attrs = {"scores": numpy.array([0.1, 0.2, 0.3]), "pair": (1, 2), "three": (1, 2, 3)}
    doc.spans["sc"] = SpanGroup(doc, spans=spans, attrs=attrs)
    first, second = (piece.spans["sc"] for piece in cut(doc, 3).docs)
    assert first.attrs["scores"].tolist() == [0.1, 0.3]
    assert second.attrs["scores"].tolist() == [0.2]
    assert first.attrs["pair"] == (1, 2) and first.attrs["three"] == (1, 3)


def test_unknown_spaces_and_extensions():
    if not Doc.has_extension("test_cutting"):
        Doc.set_extension("test_cutting", default=None)
        Span.set_extension("test_cutting", default=None)
    doc = Doc(VOCAB, words=["a", "b", "c", "d"])
    doc._.test_cutting = "doc"
    doc[2:4]._.test_cutting = "span"
    doc[0:1]._.test_cutting = "first"
    first, second = cut(doc, 2).docs
    assert first.has_unknown_spaces and second.has_unknown_spaces
    assert first._.test_cutting == second._.test_cutting == "doc"
    assert second[0:2]._.test_cutting == "span" and first[0:1]._.test_cutting == "first"
    assert len(first.user_data) == len(second.user_data) == 2


def test_parsed_documents_are_cut_at_sentences():
    words = ["a", "b", "c", "d", "e"]
    doc = Doc(VOCAB, words=words, heads=[1, 1, 1, 4, 4], deps=["x", "ROOT", "x", "x", "ROOT"])
    pieces = cut(doc, 4).docs
    assert [len(piece) for piece in pieces] == [3, 2]
    assert [token.head.i for token in pieces[1]] == [1, 1]


def test_empty_spans_are_in_one_piece_each():
    doc = make(6)
    doc.spans["sc"] = [Span(doc, i, i, "A") for i in (0, 3, 6)]
    result = cut(doc, 3)
    assert [triples(piece.spans["sc"]) for piece in result.docs] == [
        [(0, 0, "A")],
        [(0, 0, "A"), (3, 3, "A")],
    ]
    assert not result.lost


def naive_cut_at(doc, borders, missing_key):
    """Every piece looks at all of the document."""
    docs = []
    for start, end in zip(borders, borders[1:]):
        piece = doc[start:end].as_doc(copy_user_data=False)
        piece.user_data = naive_user_data(doc[start:end])
        cut_off = []
        for key, group in doc.spans.items():
            if key == missing_key:
                continue
            kept = [
                i
                for i, s in enumerate(group)
                if start <= s.start and s.end <= end and (s.start < end or end == len(doc))
            ]
            naive_write(group, group, kept, piece, start, end, key)
            cut_off += [
                s
                for s in group
                if s.start < end and start < s.end and not (start <= s.start and s.end <= end)
            ]
        group = doc.spans.get(missing_key) if missing_key else None
        if missing_key and (group is not None or cut_off):
            spans = [*(group or []), *cut_off]
            kept = [i for i, s in enumerate(spans) if s.start < end and start < s.end]
            naive_write(group, spans, kept, piece, start, end, missing_key, bool(cut_off))
        docs.append(piece)
    return docs


def naive_write(group, spans, kept, piece, start, end, key, has_remains=False):
    moved = []
    for i in kept:
        a, b = max(spans[i].start, start) - start, min(spans[i].end, end) - start
        moved.append(Span(piece, a, b, spans[i].label, kb_id=spans[i].kb_id, span_id=spans[i].id))
    attrs = {}
    for name, value in group.attrs.items() if group is not None else ():
        if not isinstance(value, list) or len(value) != len(group):
            attrs[name] = value
        elif not has_remains:
            attrs[name] = [value[i] for i in kept]
    name = key if group is None else group.name
    piece.spans[key] = SpanGroup(piece, name=name, spans=moved, attrs=attrs)


def naive_user_data(span):
    data = {}
    for key, value in span.doc.user_data.items():
        if isinstance(key, tuple) and key[2] is not None:
            start, end = key[2], key[3]
            if start < span.start_char or max(start + 1, end or 0) > span.end_char:
                continue
            key = (*key[:2], start - span.start_char, end and end - span.start_char)
        data[key] = value
    return data


def everything(doc):
    groups = {
        key: (group.name, [describe(span) for span in group], group.attrs)
        for key, group in doc.spans.items()
    }
    tokens = [(t.text_with_ws, t.tag_, t.dep_, t.head.i, t.is_sent_start, t.ent_iob, t.ent_type_, t.ent_kb_id_, t.ent_id_) for t in doc]  # fmt: skip
    return tokens, groups, dict(doc.user_data), dict(doc.cats)


@pytest.fixture(scope="module")
def extension():
    for kind in (spacy.tokens.Token, Span):
        if not kind.has_extension("cutting"):
            kind.set_extension("cutting", default=None)


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10**6), parsed=st.booleans(),
       key=st.sampled_from([None, "unknown", "absent"]))  # fmt: skip
def test_pieces_are_as_if_each_was_cut_from_the_whole(extension, seed, parsed, key):
    rng = random.Random(seed)
    doc = random_doc(VOCAB, rng, missing=rng.random() < 0.7)
    n = len(doc)
    if parsed:
        root = rng.randrange(n)
        # Without circles: each token hangs on one that is nearer to the root.
        heads = [i if i == root else rng.randrange(i + 1, root + 1) if i < root else rng.randrange(root, i) for i in range(n)]  # fmt: skip
        doc = with_heads(doc, heads)
    doc.spans["void"] = SpanGroup(doc, spans=[Span(doc, i, i, "V") for i in rng.choices(range(n + 1), k=4)], attrs={"n": [1, 2, 3, 4]})  # fmt: skip
    if "unknown" in doc.spans:
        doc.spans["unknown"] += [Span(doc, i, i, "V") for i in rng.choices(range(n + 1), k=3)]
        doc.spans["unknown"].attrs["n"] = list(range(len(doc.spans["unknown"])))
    for _ in range(4):
        a = rng.randrange(n)
        doc[a]._.cutting = a
        doc[a : rng.randint(a + 1, n)]._.cutting = a
    borders = sorted({0, n, *rng.choices(range(n + 1), k=rng.randint(0, 20))})
    some = doc[borders[0] : borders[1]]
    doc.cats[(some.start_char, some.end_char, "first")] = 0.5
    found = cutting.cut_at(doc, borders, key).docs
    expected = naive_cut_at(doc, borders, key)
    assert [everything(piece) for piece in found] == [everything(piece) for piece in expected]
    assert found[0].cats == {"first": 0.5}


def with_heads(doc, heads):
    """The same document with a tree."""
    parsed = Doc(
        doc.vocab,
        words=[t.text for t in doc],
        spaces=[bool(t.whitespace_) for t in doc],
        tags=[t.tag_ for t in doc],
        heads=heads,
        deps=["dep"] * len(doc),
    )
    for key, group in doc.spans.items():
        spans = [Span(parsed, s.start, s.end, s.label, kb_id=s.kb_id, span_id=s.id) for s in group]
        parsed.spans[key] = SpanGroup(parsed, name=group.name, spans=spans, attrs=group.attrs)
    parsed.set_ents([Span(parsed, e.start, e.end, e.label) for e in doc.ents])
    parsed.user_data.update(doc.user_data)
    return parsed


def test_groups_are_read_once(monkeypatch):
    """To read a group takes as long as it has spans, and pieces are as many."""
    doc = make(300, spans=[(i, i + 2, "A") for i in range(0, 290, 3)])
    doc.set_ents([Span(doc, i, i + 2, "A") for i in range(0, 290, 3)])
    made, real = [], cutting._Group
    monkeypatch.setattr(cutting, "_Group", lambda group: made.append(1) or real(group))
    assert len(cut(doc, 2).docs) >= 150 and len(made) == 1


def linked(doc, *fragments, id="1"):
    return [Span(doc, start, end, "A", span_id=id) for start, end in fragments]


def test_fragments_stay_together_where_they_can():
    doc = make(10)
    doc.spans["sc"] = linked(doc, (4, 5), (7, 8))
    assert find_borders(doc, 6) == [0, 4, 10]
    assert not cut(doc, 6).parted
    # Spans are not cut for it.
    doc.spans["sc"] = [*linked(doc, (4, 5), (7, 8)), Span(doc, 0, 5, "B")]
    assert find_borders(doc, 6) == [0, 6, 10]
    pieces = cut(doc, 6)
    assert triples(pieces.parted) == [(4, 8, "A")] and not pieces.lost
    assert [describe(s)[:3] for s in pieces.docs[1].spans["sc"]] == [(1, 2, "A")]
    # An id that is all over the document keeps nothing together.
    doc.spans["sc"] = [*linked(doc, (0, 1), (9, 10)), Span(doc, 4, 7, "B")]
    assert find_borders(doc, 6) == [0, 4, 10]


def test_parted_entities_are_told_by_label():
    doc = make(10)
    doc.spans["sc"] = [*linked(doc, (0, 1), (9, 10)), *linked(doc, (1, 2), (2, 3), id="2")]
    doc.spans["unknown"] = linked(doc, (0, 1), (9, 10))
    losses = cutting.Losses()
    losses.add(cut(doc, 6, "unknown"), "")
    assert not losses.message(6, None)
    message = losses.parted_message(6)
    assert "fragments of 1 discontinuous entities" in message and "A 1" in message
    # A fragment that is cut is lost, and told as such.
    del doc.spans["unknown"]
    doc.spans["sc"] = linked(doc, (0, 4), (5, 10))
    losses = cutting.Losses()
    losses.add(cut(doc, 3), "")
    assert "2 of 2 spans are lost" in losses.message(3, None) and not losses.parted_message(3)
