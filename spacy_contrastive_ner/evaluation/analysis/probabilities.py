"""Probabilities of spans: do they mean what they say, and do they tell right from wrong?"""

import math
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from ..distributions import ALPHA, Floats, holm
from ..evaluate import touches
from ..tables import Table
from .rank_sums import rank_sum
from .study import LEAST, Case

# The 97.5th percentile of the standard normal distribution.
Z = 1.959963984540054
# Odds are compared as if no probability were closer to 0 or 1.
CLIP = 0.001
# From this difference of log2 odds on it is worth speaking of: the odds are twice as high.
WORTH = 1.0
HIGHER, LOWER, NEITHER, FEW = "higher", "lower", "neither", "too few"


class Scored(NamedTuple):
    """Spans with their probabilities, and whether they are gold. Arrays are of equal length.

    probability (Floats): The probability of each span.
    right (NDArray[np.bool_]): Whether it is gold.
    label (NDArray[np.int64]): The place of its label among the names.
    names (List[str]): All labels of spans and gold, those with the most gold first.
    gold (Dict[str, int]): How many gold spans of each label there are in the same documents.
    documents (int): How many documents these are.
    left_out (int): How many spans are left out, as it is not known whether they are right, or their
        probability is no number.
    """

    probability: Floats
    right: NDArray[np.bool_]
    label: NDArray[np.int64]
    names: List[str]
    gold: Dict[str, int]
    documents: int
    left_out: int = 0

    def of(self, name: str) -> "Scored":
        """RETURNS (Scored): The spans of one label."""
        some = self.label == self.names.index(name)
        return self._replace(
            probability=self.probability[some],
            right=self.right[some],
            label=self.label[some],
            gold={name: self.gold.get(name, 0)},
        )

    @property
    def n_gold(self) -> int:
        """RETURNS (int): How many gold spans there are."""
        return sum(self.gold.values())

    @property
    def n_elsewhere(self) -> int:
        """RETURNS (int): How many gold spans are none of these spans."""
        return self.n_gold - int(self.right.sum())


def scored_spans(cases: Iterable[Case], *, candidates: bool = False) -> Scored:
    """Collect spans with their probabilities, from annotated documents. Spans of which it is not
    known whether they are right are left out.

    cases (Iterable[Case]): The documents.
    candidates (bool): Whether all spans are wanted that have a probability of 0.01 at least, from the
        documents in which they were asked for. If not, those that were predicted.
    RETURNS (Scored): The spans.
    """
    found: List[Tuple[float, bool, str]] = []
    counts: Dict[str, int] = {}
    documents = left_out = 0
    for case in cases:
        spans = case.candidates if candidates else case.scores
        if case.gold is None or spans is None:
            continue
        documents += 1
        gold, missing = case.gold_spans(), case.gold.missing
        for *_, label in gold:
            counts[label] = counts.get(label, 0) + 1
        for span in sorted(spans):
            # Single precision may go beyond 1, and models can be broken.
            p = float(spans[span])
            if math.isfinite(p) and (span in gold or not touches([span], missing)):
                found.append((min(max(p, 0.0), 1.0), span in gold, span[2]))
            else:
                left_out += 1
    names = sorted({*counts, *(label for *_, label in found)}, key=lambda x: (-counts.get(x, 0), x))
    place = {name: i for i, name in enumerate(names)}
    return Scored(
        np.array([p for p, _, _ in found], dtype="float64"),
        np.array([right for _, right, _ in found], dtype="bool"),
        np.array([place[label] for *_, label in found], dtype="int64"),
        names,
        counts,
        documents,
        left_out,
    )


# Calibration


def wilson(hits: int, n: int) -> Tuple[float, float]:
    """RETURNS (Tuple[float, float]): Wilson's interval in which a share lies with 95 % confidence."""
    if not n:
        return 0.0, 1.0
    share, z2 = hits / n, Z * Z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def reliability(scored: Scored, n_bins: int = 10, equal: str = "width") -> Table:
    """Compare probabilities with how often spans are right.

    scored (Scored): The spans.
    n_bins (int): How many bins there are, at most: bins without spans are left out, and spans of the
        same probability stay together.
    equal (str): Whether bins have the same "width" or about the same number of spans, "mass".
    RETURNS (Table): For each bin where it begins and ends, how many spans are in it, their mean
        probability, and the share of right ones with its interval.
    """
    p, place = scored.probability, _bins(scored.probability, n_bins, equal)
    rows = []
    for i in np.unique(place).tolist():
        some = place == i
        n, hits = int(some.sum()), int(scored.right[some].sum())
        ends = (p[some].min(), p[some].max())
        if equal == "width":
            ends = (i / n_bins, (i + 1) / n_bins)
        rows.append((*ends, n, hits, p[some].mean(), hits / n, *wilson(hits, n)))
    columns = ("from", "to", "spans", "right", "probability", "share", "share low", "share high")
    return Table.of(f"reliability-{equal}", columns, rows)


def _bins(probability: Floats, n_bins: int, equal: str) -> NDArray[np.int64]:
    """The bin of each span."""
    if equal == "width":
        return np.minimum((probability * n_bins).astype("int64"), n_bins - 1)
    if equal != "mass":
        raise ValueError(f'equal is {equal!r}, but must be "width" or "mass".')
    # By how many are less, which is the same for all that are equal.
    less = np.searchsorted(np.sort(probability), probability)
    return less * n_bins // max(1, len(probability))


def calibration_errors(bins: Table) -> Tuple[Optional[float], Optional[float]]:
    """RETURNS (Tuple[Optional[float], Optional[float]]): The mean difference between probability and
    share of right spans over the bins of `reliability`, each counting by its spans (expected
    calibration error), and the greatest. None without spans."""
    n, p, share = (np.array(bins.column(name)) for name in ("spans", "probability", "share"))
    if not len(n):
        return None, None
    gaps = np.abs(p - share)
    return float((gaps * n).sum() / n.sum()), float(gaps.max())


def calibration(scored: Scored, n_bins: int = 10) -> Table:
    """Sum up in numbers how far probabilities can be believed.

    scored (Scored): The spans.
    n_bins (int): How many bins there are.
    RETURNS (Table): For all labels together ("all labels" in the first column) and for each ("label"),
        those with the most gold first: the spans, their mean probability and share of right ones;
        the Brier score, which is the mean squared difference of the probability from 1 (right) or 0
        (wrong); the expected and the greatest calibration error with bins of both kinds.
    """
    parts = [("all labels", "", scored)]
    parts += [("label", label, scored.of(label)) for label in scored.names]
    rows: List[Sequence[object]] = []
    for kind, label, some in parts:
        n = len(some.probability)
        both = [calibration_errors(reliability(some, n_bins, equal)) for equal in ("width", "mass")]
        errors = [value for pair in both for value in pair]
        means: Sequence[Optional[float]] = (None, None, None)
        if n:
            brier = float(((some.probability - some.right) ** 2).mean())
            means = (float(some.probability.mean()), float(some.right.mean()), brier)
        rows.append((kind, label, some.n_gold, some.n_elsewhere, n, *means, *errors))
    counts = ("of", "label", "gold", "gold in no bin", "spans")
    means_of = ("mean probability", "share right", "Brier score")
    errors_of = (
        "ECE, equal width",
        "greatest, equal width",
        "ECE, equal mass",
        "greatest, equal mass",
    )
    return Table.of("calibration", (*counts, *means_of, *errors_of), rows)


def error_by_chance(
    scored: Scored, n_bins: int = 10, equal: str = "width", *, draws: int = 100, seed: int = 0
) -> Optional[float]:
    """Tell what the expected calibration error would be if all probabilities were true: not 0, as
    there is chance in which spans are right.

    scored (Scored): The spans.
    n_bins, equal: See `reliability`.
    draws (int): How often it is drawn which spans are right.
    seed (int): What draws begin with.
    RETURNS (Optional[float]): The mean error, None without spans.
    """
    p = scored.probability
    if not len(p):
        return None
    rng = np.random.default_rng(seed)
    place = _bins(p, n_bins, equal)
    # In each bin the error counts by its spans, so that it is the difference of two sums.
    errors = [
        float(np.abs(np.bincount(place, weights=p - (rng.random(len(p)) < p))).sum()) / len(p)
        for _ in range(draws)
    ]
    return math.fsum(errors) / draws


# Thresholds


def by_threshold(scored: Scored, threshold: Optional[float] = None) -> Table:
    """Score what would be predicted from other probabilities on.

    scored (Scored): All candidates.
    threshold (Optional[float]): A threshold to be among those that are tried.
    RETURNS (Table): For each hundredth from 0.01 to 0.99 how much would be predicted and right, and
        precision (None without predictions), recall (None without gold) and F.
    """
    tried = [step / 100 for step in range(1, 100)]
    if threshold is not None:
        # Less counts as this much.
        threshold = max(threshold, LEAST)
        tried = [t for t in tried if not math.isclose(t, threshold, abs_tol=1e-9)]
        tried = sorted([*tried, threshold])
    order = np.sort(scored.probability.astype("float32"))
    hits = np.sort(scored.probability[scored.right].astype("float32"))
    rows = []
    for t in tried:
        # As decoders compare: in single precision, and what equals it is predicted.
        least = np.float32(t)
        n = len(order) - int(np.searchsorted(order, least))
        right = len(hits) - int(np.searchsorted(hits, least))
        f = 2 * right / (n + scored.n_gold) if n + scored.n_gold else None
        recall = right / scored.n_gold if scored.n_gold else None
        rows.append((t, n, right, scored.n_gold, right / n if n else None, recall, f))
    columns = ("threshold", "predicted", "right", "gold", "precision", "recall", "F")
    return Table.of("thresholds", columns, rows)


def best_threshold(table: Table) -> Optional[Dict[str, float]]:
    """RETURNS (Optional[Dict[str, float]]): The row of `by_threshold` with the highest F, the first one
    of equals; None if nothing has an F."""
    rows = [row for row in table.records() if row["F"] is not None]
    return max(rows, key=lambda row: row["F"]) if rows else None


# Right and wrong predictions


def density(
    values: Floats, low: float = 0.0, high: float = 1.0, n_points: int = 201
) -> Tuple[Floats, Floats]:
    """Estimate how values are distributed that cannot lie outside of an interval: by normal kernels,
    of which what would lie beyond an end is folded back, so that nothing leaks out of it.

    values (Floats): The values, all within the interval.
    low, high (float): Its ends.
    n_points (int): At how many places the density is wanted.
    RETURNS (Tuple[Floats, Floats]): The places, and the density at each. Its integral is 1.
    """
    grid = np.linspace(low, high, n_points)
    if not len(values) or high <= low:
        return grid, np.zeros(n_points)
    length = high - low
    upper, lower = np.percentile(values, [75, 25])
    spread = min(float(values.std()), float(upper - lower) / 1.34) or float(values.std())
    # Silverman's rule, within what is seen: no spikes, and not just one hill.
    width = min(max(0.9 * spread * len(values) ** -0.2, 0.02 * length), 0.15 * length)
    found = np.zeros(n_points)
    for images in (values, 2 * low - values, 2 * high - values):
        for block in np.array_split(images, max(1, len(images) // 2000)):
            z = (grid[:, None] - block) / width
            found += np.exp(-0.5 * z * z).sum(axis=1)
    return grid, found / (len(values) * width * math.sqrt(2 * math.pi))


def score_summary(scored: Scored) -> Table:
    """Sum up the probabilities of right and wrong predictions.

    scored (Scored): The predictions.
    RETURNS (Table): For all labels together and for each, right and wrong: how many, and the least,
        the quartiles and the greatest.
    """
    parts = [("all labels", "", scored)]
    parts += [("label", label, scored.of(label)) for label in scored.names]
    rows: List[Sequence[object]] = []
    for kind, label, some in parts:
        for name, which in (("right", some.right), ("wrong", ~some.right)):
            values = some.probability[which]
            five = (
                np.percentile(values, [0, 25, 50, 75, 100]).tolist() if len(values) else [None] * 5
            )
            rows.append((kind, label, name, len(values), *five))
    columns = ("of", "label", "predictions", "spans", "least", "first quartile", "median")
    return Table.of("scores", (*columns, "third quartile", "greatest"), rows)


def log2_odds(probability: Floats) -> Floats:
    """RETURNS (Floats): The logarithm to base 2 of p / (1 - p), with p clipped to [0.001, 0.999]: one
    more are odds twice as high."""
    p = np.clip(probability, CLIP, 1 - CLIP)
    return np.log2(p) - np.log2(1 - p)


def score_differences(scored: Scored) -> Table:
    """Test for each label whether right predictions have other probabilities than wrong ones: by
    Mann and Whitney's test, corrected by Holm's method for the number of labels that have enough of
    both.

    scored (Scored): The predictions.
    RETURNS (Table): For each label how many are right and wrong; the mean log2 odds of both and
        their difference; how probable it is that a right one has the higher probability (AUC); the
        p values; and the verdict: "higher" or "lower" if the corrected p is under 0.05 and the odds
        differ at least twofold, "neither", or "too few" if no test could tell anything.
    """
    rows: List[List[object]] = []
    tests = []
    for label in scored.names:
        some = scored.of(label)
        right, wrong = some.probability[some.right], some.probability[~some.right]
        if not len(right) + len(wrong):
            continue
        test = rank_sum(right, wrong)
        odds = [float(log2_odds(side).mean()) if len(side) else None for side in (right, wrong)]
        difference = odds[0] - odds[1] if odds[0] is not None and odds[1] is not None else None
        rows.append([label, len(right), len(wrong), *odds, difference, test.auc, test.p])
        tests.append(test)
    enough = [i for i, test in enumerate(tests) if test.can_tell]
    corrected = dict(zip(enough, holm([tests[i].p or 0.0 for i in enough])))
    for i, row in enumerate(rows):
        row += [corrected.get(i), tests[i].is_exact, _verdict(row[5], corrected.get(i))]
    columns = ("label", "right", "wrong", "log2 odds right", "log2 odds wrong", "difference", "AUC")
    return Table.of("score-differences", (*columns, "p", "p Holm", "exact", "verdict"), rows)


def _verdict(difference: object, p: Optional[float]) -> str:
    if p is None or not isinstance(difference, float):
        return FEW
    if p >= ALPHA or abs(difference) < WORTH:
        return NEITHER
    return HIGHER if difference > 0 else LOWER
