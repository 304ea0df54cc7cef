"""Which threshold is best: what would be right and found from each of many on."""

from typing import NamedTuple

import numpy

# What is tried. What is worth finding is less than 0.1 probable if there were few examples to learn from.
TRIED = numpy.asarray([*(i / 200 for i in range(2, 20)), *(i / 100 for i in range(10, 100))])

SCORES = ("micro", "macro")


class Tally(NamedTuple):
    """What would be found with each threshold.

    right (numpy.ndarray): How many of them are gold, by threshold and label. [T, K]
    found (numpy.ndarray): How many entities are found. [T, K]
    gold (numpy.ndarray): How many there are. [K]
    """

    right: numpy.ndarray
    found: numpy.ndarray
    gold: numpy.ndarray

    def f_scores(self, score: str) -> numpy.ndarray:
        """Score each threshold, as one for all labels.

        score (str): One of `SCORES`: F1 of all entities, or the mean over the labels that have gold.
        RETURNS (numpy.ndarray): F1, 0 if there is nothing to find. [T]
        """
        if score == "micro":
            return _f(self.right.sum(axis=1), self.found.sum(axis=1), self.gold.sum())
        there = self.gold > 0
        if not there.any():
            return numpy.zeros(len(self.found))
        return _f(self.right, self.found, self.gold)[:, there].mean(axis=1)


def count_from(
    probability: numpy.ndarray, right: numpy.ndarray, label: numpy.ndarray, n_labels: int
) -> numpy.ndarray:
    """Count what would be found with each threshold that is tried.

    probability (numpy.ndarray): How probable each candidate is. [S]
    right (numpy.ndarray): Whether it is gold. bool, [S]
    label (numpy.ndarray): The place of its label. [S]
    n_labels (int): How many labels there are.
    RETURNS (numpy.ndarray): How many are right, and how many are found. [2, T, K]
    """
    counts = numpy.zeros((2, len(TRIED), n_labels))
    # Single precision, in which decoders compare, and what equals a threshold is found.
    least = TRIED.astype("float32")
    for k in range(n_labels):
        mine = label == k
        for column, some in zip(counts, (right & mine, mine)):
            values = numpy.sort(probability[some].astype("float32"))
            column[:, k] = len(values) - numpy.searchsorted(values, least)
    return counts


def best_place(f_scores: numpy.ndarray, before: float) -> int:
    """RETURNS (int): The place of the threshold with the highest score, of equals the nearest to what it was
    before."""
    best = numpy.flatnonzero(f_scores >= f_scores.max() - 1e-12)
    return int(best[numpy.argmin(numpy.abs(TRIED[best] - before))])


def _f(right: numpy.ndarray, found: numpy.ndarray, gold: numpy.ndarray) -> numpy.ndarray:
    return 2 * right / numpy.maximum(found + gold, 1e-12)


def check_score(name: str, score: str) -> None:
    """Stop if something else is to be compared than can be.

    name (str): The name of the component.
    score (str): What is to be compared.
    """
    if score not in SCORES:
        raise ValueError(f"[{name}] score is {score!r}, but must be {' or '.join(SCORES)}.")
