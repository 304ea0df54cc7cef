"""What is found, against all spans one by one."""

from itertools import combinations

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from thinc.api import NumpyOps

from spacy_contrastive_ner.spans import Margins, choose, decode
from spacy_contrastive_ner.spans.choice import nested_view
from spacy_contrastive_ner.tracks import Found

from ..device import DeviceOps
from . import oracle
from .oracle import torch
from .test_contrast import make

OPS = NumpyOps()


def by_hand(rows, space, n_tokens, least):
    """(text, start, end, label, margin) of every span whose margin is enough."""
    tensors = [torch.tensor(part) for part in (rows, *space)]
    types, widths, scales = tensors[1:]
    texts = oracle.views(tensors[0], n_tokens, types.shape[2])
    out = []
    for d, n in enumerate(n_tokens):
        for i in range(n):
            for j in range(i, min(n, i + len(widths))):
                for k in range(len(types)):
                    args = (texts[d], types, widths, scales, i, j, k)
                    margin = float(oracle.span_margin(*args))
                    if margin >= least[k]:
                        out.append((d, i, j + 1, k, margin))
    return sorted(out, key=lambda span: (span[0], span[1], -span[2], span[3]))


@pytest.mark.parametrize("seed", range(6))
def test_decoding_finds_what_is_enough(seed):
    rng = numpy.random.default_rng(seed)
    n_tokens = [int(n) for n in rng.integers(0, 8, size=4)]
    rows, space = make(n_tokens, W=int(rng.integers(1, 5)), R=seed % 3, seed=seed)
    least = rng.normal(0, 0.5, 3)
    expected = by_hand(rows, space, n_tokens, least)
    found = decode(OPS, Margins(OPS, rows, n_tokens, space), least)
    assert list(zip(*(column.tolist() for column in found[:4]))) == [e[:4] for e in expected]
    assert numpy.allclose(found.probability, [e[4] for e in expected], atol=1e-9)


def test_nothing_found():
    rows, space = make([4, 0])
    for n_tokens in ([4, 0], [0]):
        some = rows[: sum(n_tokens) + len(n_tokens)]
        found = decode(OPS, Margins(OPS, some, n_tokens, space), numpy.full(3, numpy.inf))
        assert [len(column) for column in found] == [0] * 6


def test_texts_do_not_depend_on_one_another():
    n_tokens = [5, 0, 3]
    rows, space = make(n_tokens)
    least = numpy.full(3, -0.5)
    both = decode(OPS, Margins(OPS, rows, n_tokens, space), least)
    last = decode(OPS, Margins(OPS, rows[7:], [3], space), least)
    assert numpy.allclose(both.probability[both.document == 2], last.probability, atol=1e-12)
    assert both.label[both.document == 2].tolist() == last.label.tolist()


def test_only_what_is_found_comes_from_a_device():
    device = DeviceOps()
    rows, space = make([6, 3], dtype="float32")
    least = numpy.zeros(3)
    near = decode(OPS, Margins(OPS, rows, [6, 3], space), least)
    there = type(space)(*(device.asarray(part) for part in space))
    margins = Margins(device, device.asarray(rows), [6, 3], there)
    device.to_host = 0
    far = decode(device, margins, least)
    assert device.to_host == 3 and len(near.start)
    for a, b in zip(near, far):
        assert numpy.allclose(a, b, atol=1e-5)


spans = st.lists(st.tuples(st.integers(0, 8), st.integers(1, 5), st.floats(0.01, 5)), max_size=7)


def cross(a, b):
    """Whether two spans overlap, and neither holds the other."""
    first, second = sorted((a, b))
    return first[0] < second[0] < first[1] < second[1]


@given(spans)
def test_nested_view_compares_with_all_that_were_chosen(drawn):
    places = [(start, start + size) for start, size, _ in drawn]
    scores = [score for *_, score in drawn]
    chosen = []
    for i in sorted(range(len(places)), key=lambda i: -scores[i]):
        if not any(cross(places[i], places[j]) for j in chosen):
            chosen.append(i)
    assert nested_view(places, scores) == sorted(chosen)


def test_nested_view_of_a_long_text():
    """Were all compared with all, this would take a minute."""
    places = [(start, start + size) for start in range(0, 60_000, 5) for size in (5, 3, 2)]
    assert len(nested_view(places, [1.0] * len(places))) == len(places)


@given(spans)
def test_nested_view_crosses_nothing_and_drops_only_what_crosses_something_better(drawn):
    places = [(start, start + size) for start, size, _ in drawn]
    scores = [score for *_, score in drawn]
    kept = nested_view(places, scores)
    assert not any(cross(places[a], places[b]) for a, b in combinations(kept, 2))
    for i in set(range(len(places))) - set(kept):
        assert any(cross(places[i], places[j]) and scores[j] >= scores[i] for j in kept)


@given(spans, spans)
def test_flat_choice_is_the_best_of_all(first, second):
    found = Found(
        numpy.asarray([0] * len(first) + [1] * len(second), dtype="int64"),
        *(
            numpy.asarray(column, dtype="int64")
            for column in (
                [start for start, _, _ in first + second],
                [start + size for start, size, _ in first + second],
                list(range(len(first + second))),
            )
        ),
        numpy.asarray([score for *_, score in first + second]),
        numpy.zeros(len(first + second), dtype="int64"),
    )
    over = found.probability
    flat = choose(found, over, "flat")
    for text, drawn in enumerate((first, second)):
        mine = flat.probability[flat.document == text].sum()
        best = 0.0
        for size in range(len(drawn) + 1):
            for some in combinations(drawn, size):
                ordered = sorted((start, start + n) for start, n, _ in some)
                if all(a[1] <= b[0] for a, b in zip(ordered, ordered[1:])):
                    best = max(best, sum(score for *_, score in some))
        assert mine == pytest.approx(best)
    assert len(choose(found, over, "posterior").start) == len(first + second)
    nested = choose(found, over, "nested")
    assert set(flat.label.tolist()) <= set(range(len(first + second)))
    assert set(nested.document.tolist()) <= {0, 1}
