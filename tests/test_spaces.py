import warnings

import numpy
import pytest

from spacy_contrastive_ner import spaces as module
from spacy_contrastive_ner.spaces import (
    draw_balanced,
    in_turns,
    neighbour_accuracy,
    neighbour_purity,
    normalize,
    silhouettes,
)

from .clouds import cosine, make_case, multi_hot, rarest


@pytest.fixture(autouse=True)
def no_warnings():
    """Nothing may divide by zero on the way."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_neighbour_votes_for_all_its_labels_and_closer_ones_break_ties():
    rows = numpy.asarray([[1, 0], [1, 0.1], [1, 0.2], [1, 0.3]], dtype="float32")
    # Of the two neighbours of the first row the closer is B. If it is C as well, it makes no
    # difference; if the other one is C too, then C wins.
    labels = numpy.zeros((4, 3), dtype=bool)
    labels[0, 1] = labels[1, 1] = labels[2, 0] = True
    documents = numpy.asarray([0, 1, 1, 0])
    assert hit(rows, labels, documents) == 1.0
    labels[1, 2] = labels[2, 2] = True
    assert hit(rows, labels, documents) == 0.0
    labels[0, 2] = True
    assert hit(rows, labels, documents) == 1.0


def hit(rows, labels, documents):
    """Whether the first row's two neighbours find one of its labels."""
    voters = numpy.asarray([1, 2])
    similarity = numpy.asarray([[cosine(rows[0].tolist(), rows[j].tolist()) for j in voters]])
    classes = numpy.column_stack([labels, ~labels.any(axis=1)])[voters].astype("float32")
    winner = module._vote(similarity.astype("float32"), classes, 2)[0]
    return float(labels[0, winner])


def vote(similarity, kinds, k):
    """The winner among neighbours of one label each."""
    order = numpy.random.default_rng(0).permutation(len(kinds))
    similarity = numpy.asarray([similarity], dtype="float32")[:, order]
    classes = multi_hot(kinds, 3)[order].astype("float32")
    return module._vote(similarity, classes, k).tolist()[0]


def test_rounding_makes_no_difference_to_votes():
    above, below = 0.5 + 2e-7, 0.5 - 2e-7
    # All tie for both places: 1/2 against 3/2, 4/5 against 6/5.
    assert vote([above, 0.5, 0.5, 0.5], [0, 1, 1, 1], 2) == 1
    assert vote([0.5, 0.5, below, below, below], [1, 1, 0, 0, 0], 2) == 0
    # Equal votes of equal rows go to the first class.
    assert vote([below, below, above, above], [0, 0, 1, 1], 4) == 0
    # One vote for the closer class, and as many shares as add up to one for the other.
    for n in range(2, 100):
        assert vote([0.9, *[0.5] * n], [2, *[1] * n], 2) == 2


def test_draw_keeps_rare_labels_and_prefers_entities():
    kinds = numpy.asarray([0] * 300 + [1] * 60 + [2] * 3 + [-1] * 400)
    kinds = numpy.random.default_rng(0).permutation(kinds)
    labels = multi_hot(kinds, 3)
    queries, bank = module._draw(labels, 20, 0)
    counts = numpy.bincount(kinds[queries], minlength=3)
    assert counts.sum() == len(set(queries.tolist())) == 20
    assert counts[2] == 3 and set(counts[:2].tolist()) <= {8, 9}
    # Of 100 rows in the bank, 20 stay for the many that are outside.
    assert len(set(bank.tolist())) == len(bank) == 100
    assert (kinds[bank] < 0).sum() == 20 and (kinds[bank] == 2).sum() == 3
    # With more room than entities, all of them are in, and what is left is for those outside.
    queries, bank = module._draw(labels, 100, 0)
    assert len(queries) == 100 and (kinds[bank] >= 0).sum() == 363 and len(bank) == 500
    queries, bank = module._draw(labels, 10_000, 0)
    assert queries.tolist() == numpy.flatnonzero(kinds >= 0).tolist()
    assert sorted(bank.tolist()) == list(range(763))


def test_draw_takes_turns_with_tokens_of_several_labels():
    rng = numpy.random.default_rng(0)
    labels = rng.random((500, 6)) < 0.3
    labels[:, 0] = False
    labels[[17, 44]] = True
    for seed in range(5):
        queries, _ = module._draw(labels, 30, seed)
        assert len(queries) == 30 and {17, 44} <= set(queries.tolist())
        assert labels[queries].sum(axis=0)[1:].min() >= 5


def test_draw_is_fair():
    kinds = numpy.repeat([0, 1, -1], 20)
    labels = multi_hot(kinds, 2)
    draws = [module._draw(labels, 1, seed) for seed in range(100)]
    # One query, now of one label, now of the other, and any of their tokens.
    assert {kinds[queries].tolist()[0] for queries, _ in draws} == {0, 1}
    assert len({queries.tolist()[0] for queries, _ in draws}) > 30
    assert len({row for _, bank in draws for row in bank.tolist()}) > 50


def naive_silhouettes(rows, own, n_labels):
    """Mean silhouettes by label, row by row."""
    rows, own = rows.astype("float64").tolist(), own.tolist()
    found = {}
    for i, c in enumerate(own):
        mine = [1 - cosine(rows[i], rows[j]) for j in range(len(own)) if own[j] == c and j != i]
        others = [
            numpy.mean([1 - cosine(rows[i], rows[j]) for j in range(len(own)) if own[j] == d])
            for d in set(own) - {c}
        ]
        a, b = numpy.mean(mine) if mine else None, min(others)
        found.setdefault(c, []).append(0.0 if a is None else (b - a) / max(a, b))
    return [numpy.mean(found[c]) if c in found else numpy.nan for c in range(n_labels)]


def naive_purity(rows, labels, documents, k):
    """Neighbours one by one, without ties."""
    rows = rows.astype("float64").tolist()
    n, n_labels = labels.shape
    shares = [[] for _ in range(n_labels)]
    alone = len(set(documents.tolist())) == 1
    for i in range(n):
        near = sorted(
            (
                (-cosine(rows[i], rows[j]), j)
                for j in range(n)
                if (j != i if alone else documents[j] != documents[i])
            )
        )[:k]
        for c in numpy.flatnonzero(labels[i]).tolist():
            shares[c].append(numpy.mean([labels[j, c] for _, j in near]))
    return [numpy.mean(some) if some else numpy.nan for some in shares]


@pytest.mark.parametrize("seed", range(3))
def test_silhouettes_of_labels_are_those_of_a_naive_loop(seed):
    rows, labels, _ = make_case(seed)
    # A label of one row, and one of none.
    more = numpy.zeros((len(labels), 2), dtype=bool)
    more[numpy.flatnonzero(labels.any(axis=1))[3], 0] = True
    labels = numpy.column_stack([more[:, 1:], labels, more[:, :1]])
    inside = labels.any(axis=1)
    own = rarest(labels[inside])
    found = silhouettes(normalize(rows), labels)
    assert found.values.tolist() == pytest.approx(
        naive_silhouettes(rows[inside], own, labels.shape[1]), abs=1e-9, nan_ok=True
    )
    assert found.sizes.tolist() == numpy.bincount(own, minlength=labels.shape[1]).tolist()
    assert found.values[-1] == 0.0 and numpy.isnan(found.values[0])
    assert found.mean == pytest.approx(numpy.nanmean(found.values))


def test_silhouettes_take_two_labels():
    rows, labels, _ = make_case()
    for some in (labels[:, :1], labels & False, labels[:, :0]):
        found = silhouettes(normalize(rows), some)
        assert numpy.isnan(found.values).all() and numpy.isnan(found.mean)
        assert found.sizes.tolist() == some.sum(axis=0).tolist()


@pytest.mark.parametrize("block", [7, 256])
@pytest.mark.parametrize("k", [1, 5, 1000])
@pytest.mark.parametrize("n_documents", [1, 5])
def test_purity_is_that_of_a_naive_loop(n_documents, k, block, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", block)
    rows, labels, documents = make_case(n_documents=n_documents)
    unit = normalize(rows).astype("float32")
    found = neighbour_purity(unit, labels, documents, k=k)
    expected = naive_purity(rows, labels, documents, k)
    assert found.tolist() == pytest.approx(expected, abs=1e-5)


def test_purity_and_accuracy_of_labels_that_are_not_asked_about():
    rows, labels, documents = make_case()
    more = numpy.column_stack([labels, labels[:, :1] & False])
    unit = normalize(rows).astype("float32")
    for measure in (neighbour_purity, neighbour_accuracy):
        found = measure(unit, more, documents)
        assert numpy.isnan(found).tolist() == [False] * 4 + [True]
        assert numpy.isnan(measure(unit[:1], labels[:1], documents[:1])).all()


def test_rows_that_tie_share_a_place():
    # The nearest of the first row is one of three others that are equal, one of them A.
    rows = numpy.asarray([[1, 0], [1, 1], [1, 1], [1, 1]], dtype="float32")
    labels = multi_hot([0, 0, 1, 1], 2)
    unit = normalize(rows).astype("float32")
    found = neighbour_purity(unit, labels, numpy.asarray([0, 1, 1, 1]), k=1)
    # The other A has only the first row for a neighbour, and the B have it too.
    assert found.tolist() == pytest.approx([(1 / 3 + 1) / 2, 0.0])


def test_turns_begin_with_one_row_of_each_label():
    kinds = numpy.repeat([0, 1, 2, -1], [50, 5, 2, 9])
    labels = multi_hot(kinds, 3)
    order = in_turns(numpy.random.default_rng(0), labels)
    assert sorted(order.tolist()) == numpy.flatnonzero(kinds >= 0).tolist()
    assert set(kinds[order[:3]].tolist()) == {0, 1, 2}
    assert (kinds[order[:6]] == 2).sum() == 2
    first = draw_balanced(numpy.random.default_rng(0), labels, 10)
    assert first.tolist() == sorted(order[:10].tolist())
