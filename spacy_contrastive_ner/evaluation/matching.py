"""Which prediction stands for which gold span, where borders or labels may differ.

Nested spans overlap each other, so that the first prediction that overlaps a gold span is often not
the one that stands for it. Here each span is paired with one at most, so that the whole is best.
"""

from collections import Counter, deque
from typing import Collection, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Tuple

Mention = Tuple[int, int, str]
Pair = Tuple[Mention, Mention]
# The weight of each pair that is possible, by the places of gold span and prediction.
Weights = Mapping[Tuple[int, int], int]

SCHEMES = ("strict", "exact", "partial", "type")


class Outcomes(NamedTuple):
    """What became of the spans when they were paired.

    correct (int): Pairs of the same borders and the same label.
    other_label (int): Pairs of the same borders, with another label.
    other_borders (int): Pairs of the same label that overlap.
    other_both (int): Pairs that overlap.
    missed (int): Gold spans without a prediction.
    spurious (int): Predictions without a gold span.
    """

    correct: int = 0
    other_label: int = 0
    other_borders: int = 0
    other_both: int = 0
    missed: int = 0
    spurious: int = 0


def outcomes_of(gold: Collection[Mention], predicted: Collection[Mention]) -> Counter:
    """Pair the spans of a document and count what became of them.

    gold, predicted (Collection[Mention]): Distinct spans: (start, end, label).
    RETURNS (Counter): How often there was each of the fields of `Outcomes`.
    """
    pairs = match(gold, predicted)
    counts = Counter(_name(*pair) for pair in pairs)
    counts["missed"] = len(gold) - len(pairs)
    counts["spurious"] = len(predicted) - len(pairs)
    return counts


def _name(a: Mention, b: Mention) -> str:
    if a[:2] == b[:2]:
        return "correct" if a[2] == b[2] else "other_label"
    return "other_borders" if a[2] == b[2] else "other_both"


def scheme_of(outcomes: Outcomes, name: str) -> Dict[str, object]:
    """Score as the Message Understanding Conferences and SemEval 2013 (task 9.1) do.

    outcomes (Outcomes): What became of the spans.
    name (str): "strict": borders and label must be right; "exact": the borders; "partial": the
        borders, and an overlap counts half; "type": the label of a span that overlaps.
    RETURNS (Dict[str, object]): The numbers of correct, incorrect, partial, missed and spurious
        spans, precision, recall and F-score. What there is no number for is None.
    """
    labels, borders, both = outcomes.other_label, outcomes.other_borders, outcomes.other_both
    correct, incorrect, partial = {
        "strict": (0, labels + borders + both, 0),
        "exact": (labels, borders + both, 0),
        "partial": (labels, 0, borders + both),
        "type": (borders, labels + both, 0),
    }[name]
    correct += outcomes.correct
    n_paired = correct + incorrect + partial
    n_gold, n_predicted = n_paired + outcomes.missed, n_paired + outcomes.spurious
    credit = correct + 0.5 * partial
    return {
        "correct": correct,
        "incorrect": incorrect,
        "partial": partial,
        "missed": outcomes.missed,
        "spurious": outcomes.spurious,
        "precision": credit / n_predicted if n_predicted else None,
        "recall": credit / n_gold if n_gold else None,
        "f": 2 * credit / (n_gold + n_predicted) if n_gold + n_predicted else None,
    }


def match(gold: Collection[Mention], predicted: Collection[Mention]) -> List[Pair]:
    """Pair gold spans with predictions that overlap them, one to one, so that of all ways to do so
    there are the most pairs with the same borders and label; then, in this order, the most with the
    same borders, the most with the same label, the most pairs, and borders the least apart.

    gold, predicted (Collection[Mention]): Distinct spans: (start, end, label).
    RETURNS (List[Pair]): The pairs: gold span, prediction.
    """
    same = set(gold) & set(predicted)
    pairs = [(mention, mention) for mention in sorted(same)]
    for some_gold, some_predicted in _clusters(set(gold) - same, set(predicted) - same):
        places = best_pairs(_weights(some_gold, some_predicted))
        pairs += [(some_gold[i], some_predicted[j]) for i, j in places]
    return pairs


def _clusters(
    gold: Iterable[Mention], predicted: Iterable[Mention]
) -> Iterator[Tuple[List[Mention], List[Mention]]]:
    """Part the spans so that those of different clusters do not overlap. Clusters in which nothing
    can be paired are left out."""
    sides: Tuple[List[Mention], List[Mention]] = ([], [])
    furthest = 0
    every = [(mention, 0) for mention in gold] + [(mention, 1) for mention in predicted]
    for mention, side in sorted(every):
        if mention[0] >= furthest:
            if sides[0] and sides[1]:
                yield sides
            sides = ([], [])
        sides[side].append(mention)
        furthest = max(furthest, mention[1])
    if sides[0] and sides[1]:
        yield sides


def _weights(gold: List[Mention], predicted: List[Mention]) -> Dict[Tuple[int, int], int]:
    """Weights whose sum is greater if more pairs have the same borders; if these are as many, if
    more have the same label; and so on. They are whole numbers, so that sums are exact."""
    found: Dict[Tuple[int, int], Tuple[int, int]] = {}
    base = min(len(gold), len(predicted)) + 1
    for i, a in enumerate(gold):
        for j, b in enumerate(predicted):
            if a[0] < b[1] and b[0] < a[1]:
                better = base * base * (a[:2] == b[:2]) + base * (a[2] == b[2]) + 1
                found[i, j] = (better, abs(a[0] - b[0]) + abs(a[1] - b[1]))
    furthest = max((apart for _, apart in found.values()), default=0)
    unit = base * (furthest + 1)
    return {key: better * unit - apart for key, (better, apart) in found.items()}


def best_pairs(weights: Weights) -> List[Tuple[int, int]]:
    """Find the one-to-one pairs with the greatest total weight, exactly.

    Pairs are added one at a time along the path that gains most: it leads from a free place on the
    left to a free one on the right, takes pairs up and lets others go by turns. Of all choices of
    as many pairs the result is the best one each time, and gains only fall, so that there is
    nothing more to find when no path gains anything.

    weights (Weights): The weight of each pair that is possible.
    RETURNS (List[Tuple[int, int]]): The pairs.
    """
    options: Dict[int, List[Tuple[int, int]]] = {}
    for (left, right), weight in weights.items():
        options.setdefault(left, []).append((right, weight))
    left_of: Dict[int, int] = {}
    while True:
        free = set(options) - set(left_of.values())
        end, came_from, given_up = _best_path(options, left_of, weights, free)
        if end is None:
            return sorted((left, right) for right, left in left_of.items())
        place: Optional[int] = end
        while place is not None:
            holder = came_from[place]
            left_of[place] = holder
            place = given_up[holder]


def _best_path(
    options: Mapping[int, List[Tuple[int, int]]],
    left_of: Mapping[int, int],
    weights: Weights,
    free: Iterable[int],
) -> Tuple[Optional[int], Dict[int, int], Dict[int, Optional[int]]]:
    """The path that gains most, by Bellman and Ford with a queue.

    RETURNS (Tuple[Optional[int], Dict[int, int], Dict[int, Optional[int]]]): The free place on the
        right where it ends, or None if there is nothing to gain; for each place on the right the
        one on the left that comes before it; and for each on the left the place that it gives up.
    """
    gains: Dict[int, int] = dict.fromkeys(sorted(free), 0)
    given_up: Dict[int, Optional[int]] = dict.fromkeys(gains)
    best: Dict[int, int] = {}
    came_from: Dict[int, int] = {}
    queue, waiting = deque(gains), set(gains)
    while queue:
        left = queue.popleft()
        waiting.discard(left)
        for right, weight in options[left]:
            gain, holder = gains[left] + weight, left_of.get(right)
            if holder == left or (right in best and gain <= best[right]):
                continue
            best[right], came_from[right] = gain, left
            if holder is None:
                continue
            # To take this place, its holder has to look for another one.
            without = gain - weights[holder, right]
            if holder not in gains or without > gains[holder]:
                gains[holder], given_up[holder] = without, right
                if holder not in waiting:
                    queue.append(holder)
                    waiting.add(holder)
    ends = [(gain, -right) for right, gain in best.items() if right not in left_of and gain > 0]
    return (-max(ends)[1] if ends else None), came_from, given_up
