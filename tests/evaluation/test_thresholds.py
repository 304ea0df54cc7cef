import numpy
import pytest

from spacy_contrastive_ner.evaluation.thresholds import (
    TRIED,
    Tally,
    best_place,
    check_score,
    count_from,
)


def draw(seed, n_labels=3, n=60):
    """Candidates, of which some are as probable as thresholds that are tried, and gold beside them."""
    rng = numpy.random.default_rng(seed)
    p = rng.random(n)
    p[:20] = rng.choice(TRIED.astype("float32"), 20)
    right = rng.random(n) < p
    label = rng.integers(n_labels, size=n)
    gold = numpy.bincount(label[right], minlength=n_labels) + rng.integers(0, 4, n_labels)
    return p, right, label, gold


def f_of(pairs):
    right, found, gold = (sum(column) for column in zip(*pairs))
    return 2 * right / (found + gold) if found + gold else 0.0


def counted(p, right, label, gold, thresholds):
    """Right, found and gold of each label, one candidate after the other."""
    rows = []
    for k, threshold in enumerate(thresholds):
        kept = [r for q, r, j in zip(p, right, label) if j == k and q >= numpy.float32(threshold)]
        rows.append((sum(kept), len(kept), int(gold[k])))
    return rows


def tallied(p, right, label, gold):
    counts = count_from(p, right, label, len(gold))
    return Tally(counts[0], counts[1], gold)


def test_thresholds_that_are_tried():
    assert TRIED[0] == 0.01 and TRIED[-1] == 0.99 and (numpy.diff(TRIED) > 0.004).all()
    assert 0.35 in TRIED


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [60, 1, 0])
def test_each_threshold(seed, n):
    p, right, label, gold = draw(seed)
    p, right, label = p[:n], right[:n], label[:n]
    found = tallied(p, right, label, gold)
    micro, macro = found.f_scores("micro"), found.f_scores("macro")
    for i, threshold in enumerate(TRIED):
        rows = counted(p, right, label, gold, [threshold] * 3)
        assert micro[i] == pytest.approx(f_of(rows))
        assert macro[i] == pytest.approx(numpy.mean([f_of([row]) for row in rows if row[2]]))


def test_labels_without_gold_are_no_part_of_the_mean():
    p, right, label, gold = draw(5)
    right[label == 1], gold[1] = False, 0
    found = tallied(p, right, label, gold)
    rows = counted(p, right, label, gold, [TRIED[30]] * 3)
    assert found.f_scores("macro")[30] == pytest.approx((f_of([rows[0]]) + f_of([rows[2]])) / 2)
    nothing = Tally(found.right * 0, found.found, gold * 0)
    assert not nothing.f_scores("macro").any() and not nothing.f_scores("micro").any()


def test_of_equals_the_nearest():
    f = numpy.zeros(len(TRIED))
    f[[3, 50, 51, 90]] = 0.5
    assert best_place(f, 0.35) in (50, 51)
    assert best_place(f, TRIED[50]) == 50 and best_place(f, 1.0) == 90 and best_place(f, 0) == 3
    f[3] += 1e-6
    assert best_place(f, 1.0) == 3


def test_scores():
    check_score("pipe", "macro")
    with pytest.raises(ValueError, match=r"\[pipe\] score is 'weighted', but must be micro or mac"):
        check_score("pipe", "weighted")
