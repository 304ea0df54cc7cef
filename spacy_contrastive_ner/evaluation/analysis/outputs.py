"""What a model says of places in texts: the probabilities of all labels there, in two dimensions."""

from typing import Dict, Iterable, List, NamedTuple, Optional, Tuple

import numpy as np

from ...convert.records import Stretch
from ..tables import Table
from .projections import principal
from .study import Case

# Beyond so many places some are drawn.
MOST = 3000
# Fewer labels are drawn better in other ways, and fewer places show no pattern.
LEAST_LABELS, LEAST_PLACES = 3, 10
OUTSIDE = "O"


class Outputs(NamedTuple):
    """Probabilities of labels at places, projected to two dimensions by principal component analysis.

    points (Table): For each place where something is annotated or predicted: document, borders, the
        gold labels and the predicted ones, both joined by " + " ("O" if there are none), the one of
        the gold labels that is the most frequent, whether all are right, and the two coordinates.
    axes (Table): For each label how much it counts on either axis.
    shares (Tuple[float, float]): The share of the variance on either axis.
    places (int): How many places there are, of which the points may be some.
    """

    points: Table
    axes: Table
    shares: Tuple[float, float]
    places: int


def label_outputs(cases: Iterable[Case], *, most: int = MOST, seed: int = 0) -> Optional[Outputs]:
    """Lay out places by what the model says of them: of each stretch that is annotated or predicted
    the vector of the probabilities of all labels, 0 for those under 0.01.

    cases (Iterable[Case]): The documents. Those that are not annotated, or without candidates, are left
        out, as are predictions of which it is not known whether they are right.
    most (int): How many places at most; if there are more, so many are drawn.
    seed (int): What the draw begins with.
    RETURNS (Optional[Outputs]): The places, None if there are fewer than 10, or fewer than 3 labels.
    """
    found: List[Tuple[str, Stretch, List[str], List[str], Dict[str, float]]] = []
    counts: Dict[str, int] = {}
    for case in cases:
        if case.gold is None or case.candidates is None:
            continue
        gold, predicted = _by_stretch(case.gold_spans()), _by_stretch(case.predicted_spans())
        scores: Dict[Stretch, Dict[str, float]] = {}
        for (start, end, label), p in case.candidates.items():
            counts.setdefault(label, 0)
            scores.setdefault((start, end), {})[label] = float(np.nan_to_num(p))
        for labels in gold.values():
            for label in labels:
                counts[label] = counts.get(label, 0) + 1
        found += [
            (case.id, place, gold.get(place, []), predicted.get(place, []), scores.get(place, {}))
            for place in sorted({*gold, *predicted})
        ]
    names = sorted(counts, key=lambda name: (-counts[name], name))
    if len(names) < LEAST_LABELS or len(found) < LEAST_PLACES:
        return None
    n_places = len(found)
    if n_places > most:
        kept = np.random.default_rng(seed).choice(n_places, most, replace=False)
        found = [found[i] for i in sorted(kept.tolist())]
    vectors = np.array([[scores.get(name, 0.0) for name in names] for *_, scores in found])
    points, directions, shares = principal(vectors)
    rows = []
    for (id, (start, end), gold_labels, predicted_labels, _), (x, y) in zip(found, points):
        # Several labels of one place are rare: the most frequent of them stands for all.
        main = next((name for name in names if name in gold_labels), OUTSIDE)
        both = [" + ".join(labels) or OUTSIDE for labels in (gold_labels, predicted_labels)]
        rows.append((id, start, end, *both, main, gold_labels == predicted_labels, x, y))
    columns = ("document", "start", "end", "gold", "predicted", "label", "right", "x", "y")
    return Outputs(
        Table.of("outputs", columns, rows),
        Table.of("outputs-axes", ("label", "x", "y"), zip(names, *directions)),
        (float(shares[0]), float(shares[1])),
        n_places,
    )


def _by_stretch(spans: "Iterable[Tuple[int, int, str]]") -> Dict[Stretch, List[str]]:
    """The labels of each stretch, in order."""
    found: Dict[Stretch, List[str]] = {}
    for start, end, label in sorted(spans):
        found.setdefault((start, end), []).append(label)
    return found
