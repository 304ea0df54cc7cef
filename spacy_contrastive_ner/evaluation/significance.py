"""Whether one system is better than another one, or luckier.

A system is one run, or several that differ in their seed. What is compared is counted in documents:
spans that are right, spurious and missed, by label. What is known of a difference:

- an interval, by drawing documents anew (and runs, if there are several);
- how often swapping the outputs of the two systems, document by document, gives as large a
  difference (approximate randomisation);
- whether the labels agree about it, and whether the runs do.
"""

from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from .caveats import notes_of
from .distributions import (
    NEEDED_SIGNS,
    TOLERANCE,
    Floats,
    Outcome,
    holm,
    paired_t,
    share_of,
    sign_flip,
    wilcoxon,
)

Counts = NDArray[np.int64]

DRAWS, LEVEL = 10_000, 0.95
# So many numbers of a table of draws are in memory at a time.
BLOCK = 2**21
MICRO, MACRO, LABELS = 0, 1, 2


class System(NamedTuple):
    """What a system got right and wrong.

    name (str): Its name.
    counts (Counts): Spans that are right, spurious and missed, by run, document and label. Two
        systems that are compared have the same documents and labels.
    """

    name: str
    counts: Counts


class Settings(NamedTuple):
    """How to compare.

    draws (int): How often documents are drawn, and outputs swapped.
    seed (int): What draws begin with.
    """

    draws: int = DRAWS
    seed: int = 0


def f_scores(counts: NDArray[Any]) -> Floats:
    """Compute F-scores from counts.

    counts (NDArray[Any]): Right, spurious and missed spans: of shape (..., labels, 3).
    RETURNS (Floats): Micro F, macro F (the mean of the labels that have gold) and F of each label, of
        shape (..., 2 + labels). What has no gold has no F.
    """
    right, spurious, missed = (counts[..., i].astype("float64") for i in range(3))
    gold, size = right + missed, 2 * right + spurious + missed
    with np.errstate(invalid="ignore", divide="ignore"):
        labels = np.where(gold > 0, 2 * right / size, np.nan)
        micro = np.where(gold.sum(-1) > 0, 2 * right.sum(-1) / size.sum(-1), np.nan)
        macro = np.where(gold > 0, labels, 0.0).sum(-1) / (gold > 0).sum(-1)
    return np.concatenate([micro[..., None], macro[..., None], labels], axis=-1)


def bootstrap(baseline: Counts, system: Counts, settings: Settings) -> Floats:
    """Draw documents anew, with replacement, the same for both systems; and the runs of each system,
    if there are several.

    baseline, system (Counts): The counts; see `System`.
    settings (Settings): How many draws.
    RETURNS (Floats): The differences of the F-scores, one row a draw. Not a number where a draw has
        no gold.
    """
    rng = np.random.default_rng([settings.seed, 0])
    n_documents, n_labels = baseline.shape[1:3]
    sides = [(len(side), _by_document(side)) for side in (baseline, system)]
    found = []
    width = max(n_documents, *(table.shape[1] for _, table in sides))
    for size in _blocks(settings.draws, width):
        drawn = rng.integers(0, n_documents, size=(size, n_documents))
        drawn += n_documents * np.arange(size)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
        means = []
        for n_runs, table in sides:
            sums = (weights.astype("float64") @ table).reshape(size, n_runs, n_labels, 3)
            shares = rng.multinomial(n_runs, np.full(n_runs, 1 / n_runs), size=size) / n_runs
            means.append(np.einsum("drf,dr->df", f_scores(sums), shares))
        found.append(means[1] - means[0])
    return np.concatenate(found)


def randomise(baseline: Counts, system: Counts, settings: Settings) -> Floats:
    """Swap the outputs of two systems for documents at random, in all runs alike, and see how often
    the difference is as large as it is.

    baseline, system (Counts): The counts, of as many runs; see `System`.
    settings (Settings): How many times.
    RETURNS (Floats): The p value of each F-score, two-sided.
    """
    rng = np.random.default_rng([settings.seed, 1])
    n_runs, _, n_labels = baseline.shape[:3]
    differs = (baseline != system).any(axis=(0, 2, 3))
    # Swapping documents with the same counts changes nothing.
    change = _by_document((system - baseline)[:, differs])
    sums = [side.sum(axis=1) for side in (baseline, system)]
    observed = np.abs(_mean_f(sums[1]) - _mean_f(sums[0]))
    hits = np.zeros(observed.shape, dtype="int64")
    for size in _blocks(settings.draws, max(change.shape)):
        swapped = rng.integers(0, 2, size=(size, len(change)), dtype="int8")
        moved = (swapped.astype("float64") @ change).reshape(size, n_runs, n_labels, 3)
        difference = _mean_f(sums[1] - moved) - _mean_f(sums[0] + moved)
        hits += (np.abs(difference) >= observed - TOLERANCE).sum(axis=0)
    return np.array([share_of(int(n), settings.draws) for n in hits])


def _by_document(counts: Counts) -> Floats:
    """Counts as a table with a row for each document, so that sums are products of matrices."""
    n_runs, n_documents, n_labels = counts.shape[:3]
    table = counts.transpose(1, 0, 2, 3).reshape(n_documents, n_runs * n_labels * 3)
    return table.astype("float64")


def _blocks(draws: int, width: int) -> Iterator[int]:
    """Draws in parts that fit in memory."""
    size = max(BLOCK // width, 1)
    for start in range(0, draws, size):
        yield min(size, draws - start)


def _mean_f(counts: NDArray[Any]) -> Floats:
    """F-scores as means over runs. counts (NDArray[Any]): of shape (..., runs, labels, 3)."""
    return f_scores(counts).mean(axis=-2)


def compare(systems: Sequence[System], labels: Sequence[str], settings: Settings) -> Dict[str, Any]:
    """Compare systems with the first one.

    systems (Sequence[System]): The systems; the first is the baseline.
    labels (Sequence[str]): The labels, as they are counted.
    settings (Settings): How to compare.
    RETURNS (Dict[str, Any]): Scores and comparisons, as they can be written as JSON;
        docs/evaluation.md explains the keys.
    """
    baseline = systems[0]
    comparisons = [Pair(baseline, each, labels, settings).as_dict() for each in systems[1:]]
    _correct(comparisons)
    for comparison in comparisons:
        comparison["notes"] = notes_of(comparison)
    return {
        "baseline": baseline.name,
        "systems": {each.name: _scores(each, labels) for each in systems},
        "comparisons": comparisons,
    }


def _scores(system: System, labels: Sequence[str]) -> Dict[str, Any]:
    """The F-scores of a system, means over its runs, and those of each run."""
    runs = f_scores(system.counts.sum(axis=1))
    means = runs.mean(axis=0)
    return {
        "micro": float(means[MICRO]),
        "macro": float(means[MACRO]),
        "labels": {k: float(f) for k, f in zip(labels, means[LABELS:]) if not np.isnan(f)},
        "runs": [{"micro": float(f[MICRO]), "macro": float(f[MACRO])} for f in runs],
    }


class Pair:
    """A comparison of a system with the baseline.

    baseline, system (System): Both.
    labels (Sequence[str]): The labels, as they are counted.
    settings (Settings): How to compare.
    """

    def __init__(
        self, baseline: System, system: System, labels: Sequence[str], settings: Settings
    ) -> None:
        self.names = (baseline.name, system.name)
        self.counts = (baseline.counts, system.counts)
        self.labels, self.settings = labels, settings
        # The F-scores of each run.
        self.runs = [f_scores(counts.sum(axis=1)) for counts in self.counts]
        self.means = [f.mean(axis=0) for f in self.runs]

    @property
    def is_paired(self) -> bool:
        """RETURNS (bool): Whether each run of one system has its counterpart in the other one."""
        return len(self.runs[0]) == len(self.runs[1])

    def as_dict(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): All differences."""
        measures = self._measures()
        labels = {k: m for k, m in zip(self.labels, measures[LABELS:]) if m is not None}
        return {
            "baseline": self.names[0],
            "system": self.names[1],
            "micro": measures[MICRO],
            "macro": measures[MACRO],
            "labels": labels,
            "over_labels": self._over_labels(labels),
            "over_runs": self._over_runs(),
        }

    def _measures(self) -> List[Optional[Dict[str, Any]]]:
        """Each F-score and its difference; None for labels without gold."""
        drawn = bootstrap(*self.counts, self.settings)
        p = randomise(*self.counts, self.settings) if self.is_paired else None
        documents, differing = self._documents()
        found: List[Optional[Dict[str, Any]]] = []
        for i, (first, second) in enumerate(zip(*self.means)):
            if np.isnan(first):
                found.append(None)
                continue
            low, high = _interval(drawn[:, i])
            measure = {
                "baseline": float(first),
                "system": float(second),
                "difference": float(second - first),
                "low": low,
                "high": high,
                "documents": int(documents[i]),
                "differing": int(differing[i]),
                "p": None if p is None else float(p[i]),
                "p_holm": None,
                "needed": NEEDED_SIGNS,
                "can_tell": p is not None and bool(differing[i] >= NEEDED_SIGNS),
            }
            found.append(measure)
        return found

    def _documents(self) -> Tuple[NDArray[Any], NDArray[Any]]:
        """For each F-score, how many documents have gold for it, and in how many the systems
        differ."""
        baseline, system = self.counts
        has_gold = (baseline[0, :, :, 0] + baseline[0, :, :, 2]) > 0
        some = has_gold.any(axis=1).sum()
        documents = np.concatenate([[some, some], has_gold.sum(axis=0)])
        if not self.is_paired:
            return documents, np.zeros(len(documents), dtype="int64")
        differs = (baseline != system).any(axis=(0, 3))
        micro = (baseline.sum(axis=2) != system.sum(axis=2)).any(axis=(0, 2)).sum()
        macro = differs[:, has_gold.any(axis=0)].any(axis=1).sum()
        return documents, np.concatenate([[micro, macro], differs.sum(axis=0)])

    def _over_labels(self, labels: Dict[str, Any]) -> Dict[str, Any]:
        differences = [measure["difference"] for measure in labels.values()]
        return {
            "n": len(differences),
            "wilcoxon": _as_dict(wilcoxon(differences)),
            "t": _as_dict(paired_t(differences)),
        }

    def _over_runs(self) -> Dict[str, Any]:
        sizes = tuple(map(len, self.runs))
        found: Dict[str, Any] = {"baseline": sizes[0], "system": sizes[1]}
        for name, i in (("micro", MICRO), ("macro", MACRO)):
            found[name] = None
            if self.is_paired and sizes[0] > 1:
                differences = [float(f) for f in self.runs[1][:, i] - self.runs[0][:, i]]
                found[name] = {
                    "differences": differences,
                    "t": _as_dict(paired_t(differences)),
                    "sign_flip": _as_dict(sign_flip(differences, self.settings.seed)),
                }
        return found


def _interval(drawn: Floats) -> Tuple[Optional[float], Optional[float]]:
    """What lies between the tails of the draws that have gold."""
    some = drawn[~np.isnan(drawn)]
    if not len(some):
        return None, None
    low, high = np.quantile(some, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _as_dict(outcome: Outcome) -> Dict[str, Any]:
    return {**outcome._asdict(), "p_holm": None, "can_tell": outcome.can_tell}


def _correct(comparisons: Sequence[Dict[str, Any]]) -> None:
    """Add Holm's correction where a question was asked more than once: of several systems, or of
    several labels. Tests that cannot tell anything, however the data turn out, are not counted."""
    families: Dict[Tuple[str, ...], List[Dict[str, Any]]] = {}
    for each in comparisons:
        for key, test in tests_of(each):
            families.setdefault(key, []).append(test)
        families.setdefault(("labels",), []).extend(each["labels"].values())
    for family in families.values():
        some = [test for test in family if test["can_tell"]]
        if len(some) > 1:
            for test, p in zip(some, holm([test["p"] for test in some])):
                test["p_holm"] = p


def tests_of(comparison: Dict[str, Any]) -> Iterator[Tuple[Tuple[str, ...], Dict[str, Any]]]:
    """YIELDS (Tuple[Tuple[str, ...], Dict[str, Any]]): The keys of each test, and the test, without
    those of single labels.
    """
    for name in ("micro", "macro"):
        yield (name,), comparison[name]
    for name in ("wilcoxon", "t"):
        yield ("over_labels", name), comparison["over_labels"][name]
    for measure in ("micro", "macro"):
        for name in ("t", "sign_flip"):
            if comparison["over_runs"][measure] is not None:
                yield ("over_runs", measure, name), comparison["over_runs"][measure][name]
