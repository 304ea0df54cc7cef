"""Precision, recall and F-scores: of all, by label, as a mean over labels."""

from dataclasses import dataclass
from math import fsum
from typing import (
    Any,
    Callable,
    Container,
    Dict,
    Iterable,
    Mapping,
    Optional,
    Sequence,
    Set,
    Tuple,
    TypeVar,
)

ItemT = TypeVar("ItemT")


@dataclass
class Score:
    """Counts of gold items and of predictions. They are kept apart, as a selection of gold items (the
    nested ones) and the same selection of predictions need not agree on what they have in common.

    support (int): Gold items.
    predicted (int): Predictions.
    found (int): Gold items that were predicted.
    right (int): Predictions that are gold.
    """

    support: int = 0
    predicted: int = 0
    found: int = 0
    right: int = 0

    @property
    def precision(self) -> Optional[float]:
        """RETURNS (Optional[float]): The share of predictions that are right, None without any."""
        return self.right / self.predicted if self.predicted else None

    @property
    def recall(self) -> Optional[float]:
        """RETURNS (Optional[float]): The share of gold that was found, None without any."""
        return self.found / self.support if self.support else None

    @property
    def f(self) -> Optional[float]:
        """RETURNS (Optional[float]): The harmonic mean of both. 0 if one of them is 0 or undefined,
        None if both are undefined.
        """
        if not self.support and not self.predicted:
            return None
        if self.found == self.right:
            return 2 * self.found / (self.support + self.predicted)
        precision, recall = self.precision or 0.0, self.recall or 0.0
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0

    def add(self, other: "Score") -> None:
        """Add the counts of another score.

        other (Score): The score.
        """
        self.support += other.support
        self.predicted += other.predicted
        self.found += other.found
        self.right += other.right

    def as_dict(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The score, as it can be written as JSON."""
        return {"precision": self.precision, "recall": self.recall, "f": self.f, **vars(self)}


Scores = Dict[str, Score]


def tally(
    scores: Scores,
    gold: Set[ItemT],
    predicted: Set[ItemT],
    classify: Callable[[Set[ItemT]], Iterable[Tuple[str, ItemT]]],
) -> None:
    """Count what there is of each class, and what of it is on both sides, of whatever class there.

    scores (Scores): The score of each class, added to.
    gold, predicted (Set[ItemT]): The items.
    classify (Callable[[Set[ItemT]], Iterable[Tuple[str, ItemT]]]): Tells the classes of the items of
        one side; an item may be of several, or of none.
    """
    for name, item in classify(gold):
        score = scores.setdefault(name, Score())
        score.support += 1
        score.found += item in predicted
    for name, item in classify(predicted):
        score = scores.setdefault(name, Score())
        score.predicted += 1
        score.right += item in gold


def micro(scores: Iterable[Score]) -> Score:
    """RETURNS (Score): The counts of all together."""
    total = Score()
    for score in scores:
        total.add(score)
    return total


def macro(scores: Iterable[Score]) -> Dict[str, Any]:
    """Average over labels. Labels without gold do not count; where there is gold, but no prediction,
    precision counts as 0.

    scores (Iterable[Score]): The score of each label.
    RETURNS (Dict[str, Any]): The means, None without labels, and the number of labels.
    """
    some = [score for score in scores if score.support]
    n = len(some)
    # A sum that does not depend on the order of labels, to the last digit.
    return {
        "precision": fsum(score.precision or 0.0 for score in some) / n if n else None,
        "recall": fsum(score.recall or 0.0 for score in some) / n if n else None,
        "f": fsum(score.f or 0.0 for score in some) / n if n else None,
        "labels": n,
    }


def by_label(labels: Mapping[str, Score]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): Scores of all and of each label, the most frequent first."""
    order = sorted(labels, key=lambda label: (-labels[label].support, label))
    return {
        "micro": micro(labels.values()).as_dict(),
        "macro": macro(labels.values()),
        "labels": {label: labels[label].as_dict() for label in order},
    }


def of_group(labels: Mapping[str, Score], group: Container[str]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The micro and macro scores of some of the labels."""
    some = [score for label, score in labels.items() if label in group]
    return {"micro": micro(some).as_dict(), "macro": macro(some)}


def runne(labels: Mapping[str, Score], few_shot: Sequence[str]) -> Dict[str, Any]:
    """The scores of the shared task RuNNE 2022: the mean F-score of the labels that have gold and
    are not few-shot ones, and that of the few-shot ones, in which a label without gold counts as 0.

    labels (Mapping[str, Score]): The score of each label.
    few_shot (Sequence[str]): The few-shot labels.
    RETURNS (Dict[str, Any]): Both scores, and the few-shot labels.
    """
    main = macro(score for label, score in labels.items() if label not in few_shot)
    some = [(labels[label].f or 0.0) if label in labels else 0.0 for label in few_shot]
    return {
        "few_shot_labels": list(few_shot),
        "main": main["f"],
        "few_shot": sum(some) / len(some) if some else None,
    }
