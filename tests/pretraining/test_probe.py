import math
import warnings

import numpy
import pytest

from spacy_contrastive_ner import spaces as module
from spacy_contrastive_ner.pretraining.probe import Report, probe

from ..clouds import cosine, make_case, multi_hot, rarest


@pytest.fixture(autouse=True)
def no_warnings():
    """Nothing may divide by zero on the way."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def naive_accuracy(rows, labels, documents, k):
    """Neighbours one by one; those that tie for the last places share them."""
    rows = rows.astype("float64").tolist()
    n, n_labels = labels.shape
    asked, right = [0] * n_labels, [0] * n_labels
    for i in range(n):
        if not labels[i].any():
            continue
        if len(set(documents.tolist())) > 1:
            others = [j for j in range(n) if documents[j] != documents[i]]
        else:
            others = [j for j in range(n) if j != i]
        near = sorted(((cosine(rows[i], rows[j]), j) for j in others), reverse=True)
        last = near[min(k, len(near)) - 1][0]
        closer = [pair for pair in near if pair[0] > last + 1e-6]
        tied = [pair for pair in near if abs(pair[0] - last) <= 1e-6]
        places = min(k, len(near)) - len(closer)
        votes = [[0.0, 0.0] for _ in range(n_labels + 1)]
        for voters, share in ((closer, 1.0), (tied, places / len(tied))):
            for similarity, j in voters:
                for c in numpy.flatnonzero(labels[j]).tolist() or [n_labels]:
                    votes[c][0] += share
                    votes[c][1] += share * similarity
        votes = [[round(number, 6) for number in vote] for vote in votes]
        winner = max(range(n_labels + 1), key=lambda c: votes[c])
        for c in numpy.flatnonzero(labels[i]).tolist():
            asked[c] += 1
            right[c] += winner < n_labels and labels[i, winner]
    return numpy.mean([hit / total for hit, total in zip(right, asked) if total])


def naive_silhouette(rows, own):
    rows = rows.astype("float64").tolist()
    own = own.tolist()
    scores = {c: [] for c in own}
    for i, c in enumerate(own):
        distances = {d: [] for d in own}
        for j, d in enumerate(own):
            if i != j:
                distances[d].append(1 - cosine(rows[i], rows[j]))
        if not distances[c]:
            scores[c].append(0.0)
            continue
        a = numpy.mean(distances.pop(c))
        b = min(numpy.mean(each) for each in distances.values())
        scores[c].append((b - a) / max(a, b))
    return numpy.mean([numpy.mean(each) for each in scores.values()])


@pytest.mark.parametrize("block", [1, 7, 256])
@pytest.mark.parametrize("k", [1, 2, 5, 1000])
@pytest.mark.parametrize("n_documents", [1, 2, 5])
def test_accuracy_is_that_of_a_naive_loop(n_documents, k, block, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", block)
    for seed in range(3):
        rows, labels, documents = make_case(seed, n_documents=n_documents)
        expected = naive_accuracy(rows, labels, documents, k)
        assert probe(rows, labels, documents, k=k).accuracy == pytest.approx(expected)


@pytest.mark.parametrize("k", [1, 3, 4])
def test_accuracy_with_rows_that_tie_does_not_depend_on_their_order(k):
    rng = numpy.random.default_rng(0)
    rows, labels, documents = make_case()
    # A dozen different vectors, as of words without context, with any labels.
    rows = rows[rng.integers(12, size=len(rows))]
    expected = naive_accuracy(rows, labels, documents, k)
    for _ in range(5):
        order = rng.permutation(len(rows))
        found = probe(rows[order], labels[order], documents[order], k=k).accuracy
        assert found == pytest.approx(expected)


def test_accuracy_is_macro():
    # Three of A that find each other, and one of B that finds A.
    rows = numpy.asarray([[1, 0], [1, 0.01], [1, 0.02], [1, 0.1]], dtype="float32")
    labels = multi_hot([0, 0, 0, 1], 2)
    assert probe(rows, labels, numpy.arange(4), k=1).accuracy == 0.5


def test_own_document_does_not_answer():
    # Each document holds pairs of equal rows of a label of its own.
    rows = numpy.asarray([[1, 0], [1, 0], [0.9, 0.1], [0.9, 0.1]], dtype="float32")
    labels = multi_hot([0, 0, 1, 1], 2)
    assert probe(rows, labels, numpy.asarray([3, 3, 8, 8]), k=1).accuracy == 0.0
    assert probe(rows, labels, numpy.asarray([3, 3, 3, 3]), k=1).accuracy == 1.0


def test_outside_is_a_class_of_its_own_but_not_asked_about():
    # The first row's neighbours: outside, outside, A.
    rows = numpy.asarray([[1, 0], [1, 0.1], [1, 0.2], [1, 0.3]], dtype="float32")
    labels = multi_hot([0, -1, -1, 0], 1)
    documents = numpy.arange(4)
    assert probe(rows, labels, documents, k=3).accuracy == 0.0
    assert probe(rows[[0, 3]], labels[[0, 3]], documents[:2], k=3).accuracy == 1.0


def test_token_without_neighbours_is_not_asked_about(monkeypatch):
    # A draw may leave a bank without any row of another document.
    monkeypatch.setattr(
        module, "_draw", lambda *args: (numpy.asarray([0, 1, 4]), numpy.asarray([2, 3]))
    )
    rows = numpy.asarray([[1, 0], [0, 1], [1, 0], [0, 1], [1, 0.1]], dtype="float32")
    labels = multi_hot([1, 0, 0, 1, 0], 2)
    # The first two would be wrong.
    assert probe(rows, labels, numpy.arange(5), k=1).accuracy == 0.25
    assert probe(rows, labels, numpy.asarray([7, 7, 7, 7, 5]), k=1).accuracy == 1.0


def test_draw_is_seeded():
    rows, labels, documents = make_case(n=300)
    first = probe(rows, labels, documents, most=20)
    assert probe(rows, labels, documents, most=20) == first
    # That of the accuracy only.
    others = [probe(rows, labels, documents, most=20, seed=seed) for seed in range(1, 6)]
    assert {report.accuracy for report in others} != {first.accuracy}
    assert {report[1:] for report in others} == {first[1:]}


def test_accuracy_of_a_draw_is_near_that_of_all_rows():
    rows, labels, documents = make_case(n=2000, n_documents=50)
    whole = probe(rows, labels, documents).accuracy
    drawn = [probe(rows, labels, documents, most=300, seed=seed).accuracy for seed in range(4)]
    assert whole > 0.4
    assert drawn == pytest.approx([whole] * 4, abs=0.12)


@pytest.mark.parametrize("offset", [0.0, 3.0])
@pytest.mark.parametrize("n, width", [(40, 7), (5, 30), (2, 3)])
def test_rank_is_that_of_the_singular_values(n, width, offset):
    rng = numpy.random.default_rng(0)
    rows = rng.normal(size=(n, width)) * numpy.linspace(0.1, 3, width) + offset
    rows = rows.astype("float32")
    centred = rows.astype("float64") - rows.astype("float64").mean(axis=0)
    squares = numpy.linalg.svd(centred, compute_uv=False) ** 2
    p = squares / squares.sum()
    expected = math.exp(-sum(x * math.log(x) for x in p.tolist() if x > 0))
    rank = probe(rows, numpy.zeros((n, 1), bool), numpy.arange(n)).rank
    assert rank == pytest.approx(expected, rel=1e-6)


def test_rank_of_known_spaces():
    labels, documents = numpy.zeros((16, 2), dtype=bool), numpy.arange(16)
    cross = numpy.concatenate([numpy.eye(8), -numpy.eye(8)]).astype("float32")
    assert probe(cross, labels, documents).rank == pytest.approx(8.0)
    line = numpy.linspace(-3, 5, 16)[:, None] * numpy.ones(8) + 2
    assert probe(line, labels, documents).rank == pytest.approx(1.0)
    # 0.1 has no exact mean, but equal rows are equal.
    assert probe(numpy.full((16, 8), 0.1), labels, documents).rank == 0.0


@pytest.mark.parametrize("n", [2, 3, 50])
def test_spread_is_that_of_all_pairs(n):
    rows, labels, documents = make_case(n=n)
    rows[1] = 0
    wide = rows.astype("float64").tolist()
    distances = [1 - cosine(wide[i], wide[j]) for i in range(n) for j in range(i)]
    assert probe(rows, labels, documents).spread == pytest.approx(numpy.mean(distances), rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_silhouette_is_that_of_a_naive_loop(seed):
    rows, labels, documents = make_case(seed)
    inside = labels.any(axis=1)
    # One label with one token, and one token without direction.
    labels = numpy.column_stack([labels, numpy.zeros(len(labels), dtype=bool)])
    labels[numpy.flatnonzero(inside)[3], -1] = True
    rows[numpy.flatnonzero(inside)[5]] = 0
    expected = naive_silhouette(rows[inside], rarest(labels[inside]))
    assert probe(rows, labels, documents).silhouette == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_silhouette_is_that_of_scikit_learn(seed):
    metrics = pytest.importorskip("sklearn.metrics")
    rows, labels, documents = make_case(seed)
    inside = labels.any(axis=1)
    labels = numpy.column_stack([labels, numpy.zeros(len(labels), dtype=bool)])
    labels[numpy.flatnonzero(inside)[3], -1] = True
    rows[numpy.flatnonzero(inside)[5]] = 0
    own = rarest(labels[inside])
    scores = metrics.silhouette_samples(rows[inside].astype("float64"), own, metric="cosine")
    expected = numpy.mean([scores[own == c].mean() for c in set(own.tolist())])
    assert probe(rows, labels, documents).silhouette == pytest.approx(expected, abs=1e-6)


def test_silhouette_takes_no_notice_of_rows_outside():
    rows, labels, documents = make_case()
    inside = labels.any(axis=1)
    whole = probe(rows, labels, documents).silhouette
    assert probe(rows[inside], labels[inside], documents[inside]).silhouette == pytest.approx(whole)


def test_silhouette_of_equal_rows_is_zero():
    # In float64 their distances are rounding errors, which must not be divided by each other.
    rows = numpy.tile(numpy.asarray([[0.1, 0.7, 0.3]], dtype="float32"), (30, 1))
    report = probe(rows, multi_hot([0, 1, 2] * 10, 3), numpy.arange(30))
    assert report.silhouette == 0.0


def test_spread_of_equal_rows_is_not_negative():
    rng = numpy.random.default_rng(0)
    for _ in range(20):
        rows = numpy.tile(rng.normal(size=(1, 5)), (30, 1))
        assert 0 <= probe(rows, multi_hot([0] * 30, 1), numpy.arange(30)).spread < 1e-12


def test_order_of_rows_does_not_matter():
    rows, labels, documents = make_case(n=80)
    # Of equally rare labels the first would be taken.
    assert len(set(labels.sum(axis=0).tolist())) == 4
    first = probe(rows, labels, documents)
    order = numpy.random.default_rng(1).permutation(len(rows))
    again = probe(rows[order], labels[order], documents[order])
    assert again[:4] == pytest.approx(first[:4])
    # Nor do the numbers of the documents, or the order and lengths of the rows.
    again = probe(rows * 3, labels[:, ::-1], 7 - 2 * documents)
    assert again[:4] == pytest.approx(first[:4])


def test_block_size_does_not_matter(monkeypatch):
    rows, labels, documents = make_case(n=300)
    reports = []
    for block in (1, 13, 300, 1000):
        monkeypatch.setattr(module, "BLOCK", block)
        reports.append(probe(rows, labels, documents, most=50))
    assert all(report == reports[0] for report in reports)


def test_labels_that_come_apart():
    rng = numpy.random.default_rng(0)
    kinds = rng.integers(-1, 5, size=600)
    centres = 5 * numpy.eye(6, 16)
    rows = (centres[kinds] + 0.1 * rng.normal(size=(600, 16))).astype("float32")
    documents = rng.integers(20, size=600)
    report = probe(rows, multi_hot(kinds, 5), documents)
    assert report.accuracy == 1.0
    assert report.silhouette > 0.95
    assert 4 < report.rank < 6
    assert report.collapsed is None


def test_labels_that_mean_nothing():
    rng = numpy.random.default_rng(0)
    kinds = rng.integers(5, size=2000)
    rows = rng.normal(size=(2000, 16)).astype("float32")
    report = probe(rows, multi_hot(kinds, 5), rng.integers(20, size=2000))
    assert report.accuracy == pytest.approx(0.2, abs=0.04)
    assert report.silhouette == pytest.approx(0.0, abs=0.02)
    assert report.rank > 15.5
    assert report.spread == pytest.approx(1.0, abs=0.01)
    assert report.collapsed is None


@pytest.mark.parametrize("value", [0.0, 0.1])
def test_equal_rows_have_collapsed(value):
    report = probe(numpy.full((20, 4), value), multi_hot([0, 1] * 10, 2), numpy.arange(20))
    assert report.rank == 0.0
    assert report.spread == pytest.approx(0.0 if value else 1.0)
    assert report.collapsed.startswith("All 20 token vectors are the same")
    assert "lower learn_rate in [pretraining.optimizer], raise the temp" in report.collapsed


@pytest.mark.parametrize("noise, has_collapsed", [(1e-3, True), (0.02, True), (0.05, False)])
def test_rows_that_point_the_same_way_have_collapsed(noise, has_collapsed):
    rng = numpy.random.default_rng(0)
    rows = 1 + noise * rng.normal(size=(50, 16))
    report = probe(rows, multi_hot([0, 1] * 25, 2), numpy.arange(50))
    assert report.rank > 10
    assert (report.spread < 1e-3) == has_collapsed
    assert (report.collapsed is not None) == has_collapsed
    if has_collapsed:
        assert "point almost the same way" in report.collapsed
        assert "learn_rate" in report.collapsed


@pytest.mark.parametrize(
    "n, width, n_directions, has_collapsed",
    [
        (60, 16, 1, True),
        (60, 8, 1, True),
        (8, 8, 1, True),
        (60, 16, 4, False),
        (7, 8, 1, False),
        (60, 7, 1, False),
    ],
)
def test_rows_on_a_line_have_collapsed(n, width, n_directions, has_collapsed):
    rng = numpy.random.default_rng(0)
    rows = rng.normal(size=(n, n_directions)) @ rng.normal(size=(n_directions, width)) + 0.1
    labels = multi_hot(rng.integers(3, size=n), 3)
    report = probe(rows, labels, numpy.arange(n))
    assert (report.rank < 2) == (n_directions == 1)
    assert report.accuracy < 0.9 and report.spread > 1e-3
    assert (report.collapsed is not None) == has_collapsed
    if has_collapsed:
        assert f"almost on a line (of {width} dimensions about 1.0" in report.collapsed
        assert "learn_rate" in report.collapsed
    # The same without entities, whose accuracy is not known.
    report = probe(rows, labels & False, numpy.arange(n))
    assert (report.collapsed is not None) == has_collapsed


def test_a_line_is_enough_for_one_label():
    kinds = [0, -1] * 20
    rows = numpy.where(numpy.asarray(kinds) < 0, -1.0, 1.0)[:, None] * numpy.arange(1, 9)
    report = probe(rows, multi_hot(kinds, 1), numpy.arange(40))
    assert report.rank == pytest.approx(1.0)
    assert report.accuracy == 1.0
    assert report.collapsed is None


@pytest.mark.parametrize("value", [numpy.nan, numpy.inf, -numpy.inf])
def test_rows_that_are_not_finite(value):
    rows, labels, documents = make_case()
    rows[[3, 9], 2] = value
    rows[3, 4] = value
    report = probe(rows, labels, documents)
    assert all(math.isnan(number) for number in report[:4])
    assert report.collapsed.startswith("2 of 70 token vectors are not finite")
    assert "learn_rate" in report.collapsed


def check(report, accuracy, silhouette, rank, spread):
    """Compare numbers that may be NaN, of a space that has not collapsed."""
    expected = (accuracy, silhouette, rank, spread)
    assert report[:4] == pytest.approx(expected, nan_ok=True)
    assert report.collapsed is None


def test_few_rows():
    nan = math.nan
    none = numpy.zeros((0, 4), dtype="float32")
    check(probe(none, numpy.zeros((0, 2), bool), numpy.zeros(0, int)), nan, nan, nan, nan)
    check(probe(none, numpy.zeros((0, 0), bool), numpy.zeros(0, int)), nan, nan, nan, nan)
    one = numpy.ones((1, 4), dtype="float32")
    check(probe(one, multi_hot([1], 2), numpy.zeros(1, int)), nan, nan, 0.0, nan)
    two = numpy.asarray([[1, 0], [-1, 0]], dtype="float32")
    for documents in ([0, 1], [0, 0]):
        # Each is the only neighbour of the other.
        report = probe(two, multi_hot([0, 1], 2), numpy.asarray(documents))
        check(report, 0.0, 0.0, 1.0, 2.0)
        check(probe(two, multi_hot([1, 1], 2), numpy.asarray(documents)), 1.0, nan, 1.0, 2.0)
        check(probe(two, multi_hot([1, -1], 2), numpy.asarray(documents)), 0.0, nan, 1.0, 2.0)


def test_no_entities_and_no_labels():
    rows, labels, documents = make_case()
    whole = probe(rows, labels, documents)
    for nothing in (labels & False, labels[:, :0]):
        check(probe(rows, nothing, documents), math.nan, math.nan, whole.rank, whole.spread)


def test_label_without_tokens_does_not_count():
    rows, labels, documents = make_case()
    more = numpy.column_stack([labels[:, :1] & False, labels, labels[:, :1] & False])
    assert probe(rows, more, documents) == probe(rows, labels, documents)


def test_rows_of_zeros_have_no_neighbours_of_their_own():
    # Rows of zeros are as far from each other as from all else that is at right angles.
    rows = numpy.zeros((4, 3), dtype="float32")
    rows[2:, 0] = 1
    report = probe(rows, multi_hot([0, 0, 1, 1], 2), numpy.arange(4), k=1)
    # To the rows of zeros all others are equally near, and most of them are of B.
    assert report.accuracy == 0.5
    assert report.silhouette == pytest.approx((0 + 1) / 2)
    assert report.spread == pytest.approx(5 / 6)


def test_very_large_and_very_small_rows():
    rows, labels, documents = make_case()
    usual = probe(rows, labels, documents)
    for scale in (1e30, 1e-30):
        scaled = (rows * numpy.float32(scale)).astype("float32")
        assert probe(scaled, labels, documents)[:4] == pytest.approx(usual[:4], rel=1e-4)


def test_rows_are_left_as_they_are():
    case = make_case()
    copies = [array.copy() for array in case]
    report = probe(*case)
    assert all((array == copy).all() for array, copy in zip(case, copies))
    assert isinstance(report, Report)
    assert all(type(number) is float for number in report[:4])


@pytest.mark.parametrize("settings", [{"k": 0}, {"most": 0}])
def test_settings_that_ask_for_nothing(settings):
    with pytest.raises(ValueError, match="must be at least 1"):
        probe(*make_case(), **settings)
