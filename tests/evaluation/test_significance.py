"""Comparisons of systems, beside loops and enumeration."""

import json
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_contrastive_ner.evaluation import significance
from spacy_contrastive_ner.evaluation.scores import Score, macro, micro
from spacy_contrastive_ner.evaluation.significance import (
    Settings,
    System,
    bootstrap,
    compare,
    f_scores,
    randomise,
)

LABELS = ["PER", "ORG", "GPE"]


def make_pair(n_documents=8, runs=(1, 1), n_labels=3, skills=(0.5, 0.7), seed=0):
    """Counts of two systems on the same gold."""
    rng = np.random.default_rng(seed)
    gold = rng.poisson(1.0, size=(n_documents, n_labels))
    sides = []
    for n_runs, skill in zip(runs, skills):
        right = rng.binomial(gold, skill, size=(n_runs, *gold.shape))
        spurious = rng.poisson(0.5, size=right.shape)
        sides.append(np.stack([right, spurious, gold - right], axis=-1))
    return sides


def naive_f(counts):
    """F-scores of counts of labels, by the code of evaluation."""
    scores = [Score(r + m, r + s, r, r) for r, s, m in counts]
    has_gold = any(score.support for score in scores)
    overall = [micro(scores).f, macro(scores)["f"]] if has_gold else [None, None]
    labels = [score.f if score.support else None for score in scores]
    return np.array([*overall, *labels], dtype="float64")


def mean_difference(baseline, system):
    """How much better a system is. Of shape (runs, documents, labels, 3)."""
    means = [
        np.mean([naive_f(run.sum(axis=0).tolist()) for run in side], axis=0)
        for side in (baseline, system)
    ]
    return means[1] - means[0]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=4))
def test_f_scores_are_those_of_evaluation(counts):
    np.testing.assert_allclose(f_scores(np.array(counts)), naive_f(counts), equal_nan=True)


def test_bootstrap_is_a_loop_over_draws():
    baseline, system = make_pair()
    found = bootstrap(baseline, system, Settings(draws=50, seed=3))
    drawn = np.random.default_rng([3, 0]).integers(0, 8, size=(50, 8))
    expected = [mean_difference(baseline[:, some], system[:, some]) for some in drawn]
    np.testing.assert_allclose(found, expected, equal_nan=True)


@pytest.mark.parametrize("block", [significance.BLOCK, 64])
def test_bootstrap_draws_documents_and_runs_evenly(block, monkeypatch):
    """Beside all draws that there are: the same values, as often, if few are in memory too."""
    monkeypatch.setattr(significance, "BLOCK", block)
    baseline, system = make_pair(n_documents=2, runs=(2, 3), n_labels=2, seed=1)
    exact = []
    for some in product(range(2), repeat=2):
        for first in product(range(2), repeat=2):
            for second in product(range(3), repeat=3):
                sides = baseline[list(first)][:, some], system[list(second)][:, some]
                exact.append(mean_difference(*sides)[0])
    found = bootstrap(baseline, system, Settings(draws=20_000))[:, 0]
    assert len(found) == 20_000
    rounded = np.round(exact, 9)
    values, times = np.unique(np.round(found, 9), return_counts=True)
    assert set(values) <= set(rounded) and len(set(rounded)) > 10
    for value, n in zip(values, times):
        assert n / 20_000 == pytest.approx((rounded == value).mean(), abs=0.012)


@pytest.mark.parametrize("n_runs", [1, 2])
@pytest.mark.parametrize("block", [significance.BLOCK, 64])
def test_randomisation_swaps_documents(n_runs, block, monkeypatch):
    """Beside all ways to swap."""
    monkeypatch.setattr(significance, "BLOCK", block)
    baseline, system = make_pair(runs=(n_runs, n_runs), skills=(0.4, 0.7), seed=2)
    observed = np.abs(mean_difference(baseline, system))
    hits = []
    for swapped in product([False, True], repeat=8):
        mask = np.array(swapped)[:, None, None]
        sides = np.where(mask, system, baseline), np.where(mask, baseline, system)
        hits.append(np.abs(mean_difference(*sides)) >= observed - 1e-12)
    exact = np.mean(hits, axis=0)
    found = randomise(baseline, system, Settings(draws=20_000))
    assert exact.min() < 0.3 < exact.max()
    np.testing.assert_allclose(found, exact, atol=0.015)


def compared(baseline, system, labels=LABELS, draws=400, **more):
    systems = [System("a", baseline), System("b", system)]
    systems += [System(name, counts) for name, counts in more.items()]
    return compare(systems, labels, Settings(draws))


def test_the_same_system_twice():
    baseline, _ = make_pair(n_documents=40)
    found = compared(baseline, baseline.copy())["comparisons"][0]
    measures = [found["micro"], found["macro"], *found["labels"].values()]
    assert len(measures) == 5
    for measure in measures:
        assert measure["difference"] == measure["low"] == measure["high"] == 0.0
        assert measure["p"] == 1.0 and measure["differing"] == 0 and not measure["can_tell"]
    assert found["over_labels"]["wilcoxon"]["p"] == found["over_labels"]["t"]["p"] == 1.0
    assert "same counts in every document" in " ".join(found["notes"])


def test_an_obvious_difference():
    baseline, system = make_pair(n_documents=60, skills=(0.3, 0.9))
    result = compared(baseline, system)
    found = result["comparisons"][0]
    for name in ("micro", "macro"):
        measure = found[name]
        assert 0.1 < measure["low"] < measure["difference"] < measure["high"] < 0.8
        assert measure["p"] == pytest.approx(1 / 401) and measure["can_tell"]
        assert measure["difference"] == measure["system"] - measure["baseline"]
        assert result["systems"]["b"][name] == measure["system"]
    other_way = compared(system, baseline)["comparisons"][0]["micro"]
    assert other_way["difference"] == -found["micro"]["difference"]
    assert (other_way["low"], other_way["high"]) == pytest.approx(
        (-found["micro"]["high"], -found["micro"]["low"])
    )
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_chance_is_seldom_called_a_difference():
    """Of two systems that are equally good, about one in twenty comparisons has p under 0.05, and an
    interval without 0."""
    low, out = 0, 0
    for seed in range(200):
        sides = make_pair(n_documents=50, skills=(0.6, 0.6), seed=seed)
        found = compared(*sides, draws=200)["comparisons"][0]["micro"]
        low += found["p"] < 0.05
        out += not found["low"] <= 0 <= found["high"]
    assert 2 <= low <= 20 and 2 <= out <= 24


def test_labels_without_gold():
    baseline, system = make_pair(n_documents=30)
    baseline[..., 2, 0] = baseline[..., 2, 2] = system[..., 2, 0] = system[..., 2, 2] = 0
    result = compared(baseline, system)
    found = result["comparisons"][0]
    assert list(found["labels"]) == list(result["systems"]["a"]["labels"]) == ["PER", "ORG"]
    assert found["over_labels"]["n"] == 2
    # What is spurious there counts all the same.
    assert found["micro"]["system"] == naive_f(system[0].sum(axis=0).tolist())[0]


def test_draws_without_gold_of_a_label():
    baseline, system = make_pair(n_documents=60)
    for side in baseline, system:
        side[:, 1:, 2] = 0
        side[:, 0, 2] = [1, 0, 0] if side is system else [0, 0, 1]
    found = compared(baseline, system)["comparisons"][0]
    measure = found["labels"]["GPE"]
    assert measure["low"] == measure["high"] == measure["difference"] == 1.0
    assert measure["documents"] == measure["differing"] == 1 and not measure["can_tell"]
    notes = " ".join(found["notes"])
    assert "fewer than 20 documents" in notes and "too narrow: GPE (1)" in notes
    assert "differ in fewer than 6 documents" in notes and "under 0.05: GPE (1)" in notes


def test_few_documents():
    baseline, system = make_pair(n_documents=5)
    notes = " ".join(compared(baseline, system)["comparisons"][0]["notes"])
    assert "There are only 5 documents with gold" in notes
    assert "it takes 6 before randomisation" in notes


def test_few_labels():
    baseline, system = make_pair(n_documents=40)
    found = compared(baseline, system)["comparisons"][0]
    notes = " ".join(found["notes"])
    assert "F-scores of 3 of 3 labels differ; it takes 6" in notes
    assert "3 labels cannot carry a t test; it takes 4" in notes
    assert not found["over_labels"]["wilcoxon"]["can_tell"]
    sides = make_pair(n_documents=40, n_labels=6)
    found = compared(*sides, labels=list("uvwxyz"))["comparisons"][0]
    assert "Over labels" not in " ".join(found["notes"])
    differences = [measure["difference"] for measure in found["labels"].values()]
    assert found["over_labels"]["wilcoxon"]["p"] == significance.wilcoxon(differences).p
    assert found["over_labels"]["t"]["p"] == significance.paired_t(differences).p


@pytest.mark.parametrize(
    "n_runs, note",
    [
        (1, "Train both with the same 6 seeds or more"),
        (2, "2 of each are too few to tell: it takes 6 before"),
        (3, "and the t test 4"),
        (4, "4 of each are too few to tell"),
        (6, None),
    ],
)
def test_runs(n_runs, note):
    baseline, system = make_pair(n_documents=30, runs=(n_runs, n_runs), skills=(0.3, 0.9))
    result = compared(baseline, system)
    found = result["comparisons"][0]
    runs = found["over_runs"]
    assert runs["baseline"] == runs["system"] == n_runs
    text = " ".join(found["notes"])
    assert note in text if note else "each" not in text and "seed" not in text
    if n_runs == 1:
        assert runs["micro"] is runs["macro"] is None
        return
    scores = [[run["micro"] for run in result["systems"][name]["runs"]] for name in "ab"]
    differences = [b - a for a, b in zip(*scores)]
    assert runs["micro"]["differences"] == pytest.approx(differences)
    assert runs["micro"]["sign_flip"]["p"] == 2 / 2**n_runs
    assert runs["micro"]["sign_flip"]["can_tell"] == (n_runs >= 6)
    assert runs["micro"]["t"]["can_tell"] == (n_runs >= 4)
    assert found["micro"]["difference"] == pytest.approx(np.mean(differences))


def test_runs_widen_the_interval():
    """What differs between seeds is a part of what is not known."""
    baseline, _ = make_pair(n_documents=200, n_labels=1, runs=(1, 1))
    good, bad = baseline.copy(), baseline.copy()
    good[..., 0] += good[..., 2]
    good[..., 2] = 0
    one = compared(np.concatenate([good, good]), np.concatenate([good, good]), ["PER"])
    two = compared(np.concatenate([good, bad]), np.concatenate([good, bad]), ["PER"])
    assert one["comparisons"][0]["micro"]["low"] == one["comparisons"][0]["micro"]["high"]
    spread = two["comparisons"][0]["micro"]
    assert spread["difference"] == 0.0 and spread["low"] < -0.1 and spread["high"] > 0.1


def test_as_many_runs_of_each_are_needed():
    baseline, system = make_pair(n_documents=30, runs=(3, 2))
    found = compared(baseline, system)["comparisons"][0]
    assert found["micro"]["p"] is None and not found["micro"]["can_tell"]
    assert found["micro"]["low"] < found["micro"]["high"]
    assert found["over_runs"]["micro"] is None
    assert "baseline has 3 runs, the system 2" in " ".join(found["notes"])
    assert not any("randomisation can give" in note for note in found["notes"])


def test_several_systems_are_corrected():
    baseline, system = make_pair(n_documents=60, skills=(0.5, 0.6))
    third = make_pair(n_documents=60, skills=(0.5, 0.5))[1]
    alone = compared(baseline, system)["comparisons"][0]
    assert alone["micro"]["p_holm"] is None
    found = compared(baseline, system, c=third)["comparisons"]
    assert [each["system"] for each in found] == ["b", "c"]
    # What another system did does not matter but for the correction.
    assert found[0]["micro"] == {**alone["micro"], "p_holm": found[0]["micro"]["p_holm"]}
    p = [each["micro"]["p"] for each in found]
    assert [each["micro"]["p_holm"] for each in found] == significance.holm(p)
    p = [measure["p"] for each in found for measure in each["labels"].values()]
    holm = [measure["p_holm"] for each in found for measure in each["labels"].values()]
    assert len(p) == 6 and holm == significance.holm(p)
    # Three labels cannot tell anything, and are not corrected.
    assert found[0]["over_labels"]["wilcoxon"]["p_holm"] is None


def test_the_seed_is_all_that_matters():
    baseline, system = make_pair(n_documents=30, runs=(2, 2))
    systems = [System("a", baseline), System("b", system)]
    assert compare(systems, LABELS, Settings(200, 1)) == compare(systems, LABELS, Settings(200, 1))
    other = compare(systems, LABELS, Settings(200, 2))
    assert other != compare(systems, LABELS, Settings(200, 1))
