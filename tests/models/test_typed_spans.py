"""The spans that a span typer learns from, and what it learns of each."""

import numpy
import pytest

from spacy_contrastive_ner.annotations import Gold
from spacy_contrastive_ner.models.proposals import Proposals
from spacy_contrastive_ner.models.typed_spans import cross_entropy, draw, make_lesson

LABELS = ("A", "B")


def lesson_of(spans, missing=(), proposals=None, n=6, negatives=100.0, hard=0.0, max_width=4):
    gold = [Gold(2, [], [], []), Gold(n, list(spans), list(missing), [])]
    if proposals is None:
        proposals = [(1, i, j) for i in range(n) for j in range(i + 1, n + 1)]
    some = Proposals.of(*(zip(*proposals) if proposals else [[]] * 3))
    return make_lesson(LABELS, max_width, gold, some, negatives, hard)


def rows_of(lesson):
    return {
        tuple(map(int, span)): (target.tolist(), float(weight))
        for *span, target, weight in zip(*lesson.spans, lesson.target, lesson.weight)
    }


def test_gold_and_all_else():
    rows = rows_of(lesson_of([(0, 2, "A"), (0, 2, "B"), (1, 2, "B")]))
    assert rows.pop((1, 0, 2)) == ([0, 0.5, 0.5], 1)
    assert rows.pop((1, 1, 2)) == ([0, 0, 1], 1)
    # Spans of up to four tokens of six: 6 + 5 + 4 + 3.
    assert len(rows) == 16 and all(row == ([1, 0, 0], 1) for row in rows.values())


def test_gold_that_is_not_proposed_is_learned():
    rows = rows_of(lesson_of([(0, 2, "A")], proposals=[]))
    assert rows == {(1, 0, 2): ([0, 1, 0], 1)}
    assert len(lesson_of([], proposals=[]).weight) == 0


def test_what_is_not_annotated_is_not_learned():
    rows = rows_of(lesson_of([(0, 2, "A")], missing=[(1, 3, "")]))
    assert (1, 0, 2) in rows and (1, 0, 1) in rows and (1, 3, 4) in rows
    assert not any(start < 3 and end > 1 for _, start, end in rows if (start, end) != (0, 2))


def test_what_is_not_annotated_for_a_label():
    """It may be none, or of that label, and nothing else."""
    lesson = lesson_of([(0, 2, "A")], missing=[(1, 3, "B")])
    assert lesson_of([(0, 2, "A")]).can_be is None
    assert len(lesson.weight) == 18
    for _, start, end, can_be in zip(*lesson.spans, lesson.can_be.tolist()):
        is_open = start < 3 and end > 1 and (start, end) != (0, 2)
        assert can_be == ([True, False, True] if is_open else [False] * 3)


def test_too_wide_gold_is_lost_and_what_is_in_it_is_none():
    lesson = lesson_of([(0, 5, "A")])
    assert [item.span for item in lesson.lost] == [(0, 5, "A")]
    assert len(lesson.weight) == 18 and lesson.can_be is None and (lesson.target[:, 0] == 1).all()


def test_few_stand_for_many():
    """Whatever is drawn, weights add up to how many spans there are."""
    for negatives in (0.4, 1.0, 3.0):
        lesson = lesson_of([(0, 2, "A")], negatives=negatives)
        none = lesson.target[:, 0] == 1
        assert none.sum() == numpy.ceil(negatives * 3)
        assert numpy.isclose(lesson.weight[none].sum(), 17)
    assert rows_of(lesson_of([(0, 2, "A")], negatives=0)) == {(1, 0, 2): ([0, 1, 0], 1)}


def test_hard_ones_miss_by_a_token():
    seen = set()
    for _ in range(60):
        lesson = lesson_of([(2, 4, "A")], proposals=[(1, 2, 3)], hard=3)
        rows = rows_of(lesson)
        assert rows.pop((1, 2, 4)) == ([0, 1, 0], 1)
        assert rows.pop((1, 2, 3)) == ([1, 0, 0], 1)
        assert all(row == ([1, 0, 0], 1) for row in rows.values())
        seen |= set(rows)
    assert seen == {(1, 2, 5), (1, 3, 4), (1, 1, 4), (1, 3, 5), (1, 1, 3)}
    # Never outside of the document, nor empty.
    for _ in range(20):
        rows = rows_of(lesson_of([(0, 1, "A")], proposals=[], n=1, hard=5))
        assert set(rows) == {(1, 0, 1)}


def test_draw():
    pool = Proposals.of([0] * 5, range(5), range(1, 6))
    some, share = draw(pool, 2)
    assert len(some.start) == 2 and share == 2.5 and (numpy.diff(some.start) > 0).all()
    assert draw(pool, 5) == (pool, 1.0)


@pytest.mark.parametrize("is_open", [False, True])
def test_cross_entropy(is_open):
    rng = numpy.random.default_rng(0)
    scores, target = rng.normal(size=(4, 3)), rng.dirichlet([1, 1, 1], 4)
    target[0] = [0, 0, 1]
    weight = numpy.array([1.0, 0.0, 2.0, 0.5])
    can_be = numpy.array([[0, 0, 0], [0, 0, 0], [1, 0, 1], [1, 1, 1]]) if is_open else None
    loss, gradient = cross_entropy(numpy, scores, target, weight, can_be)
    p = numpy.exp(scores) / numpy.exp(scores).sum(axis=1, keepdims=True)
    naive = 0.0
    for i in range(4):
        if is_open and can_be[i].any():
            naive -= weight[i] * numpy.log(sum(p[i, k] for k in range(3) if can_be[i, k]))
            continue
        for k in range(3):
            if target[i, k]:
                naive += weight[i] * target[i, k] * numpy.log(target[i, k] / p[i, k])
    assert numpy.isclose(loss, naive)
    for i in range(4):
        for k in range(3):
            moved = scores.copy()
            moved[i, k] += 1e-6
            rate = (cross_entropy(numpy, moved, target, weight, can_be)[0] - loss) / 1e-6
            assert numpy.isclose(rate, gradient[i, k], atol=1e-5)
