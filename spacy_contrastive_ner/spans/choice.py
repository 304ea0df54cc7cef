"""Which spans stay when not all may."""

from typing import Dict, List, Sequence, Tuple, Union

import numpy

Scores = Union[Sequence[float], numpy.ndarray]


def flat_view(spans: Sequence[Tuple[int, int]], scores: Scores) -> List[int]:
    """Choose the non-overlapping spans with the highest total score, exactly. Of sets with equal
    scores the one that covers more tokens is taken.

    With spans sorted by their end, the best choice among the first i either leaves span i out, or
    takes it together with the best choice among those that end before it starts.

    spans (Sequence[Tuple[int, int]]): (start, end) of each span.
    scores (Scores): The score of each span.
    RETURNS (List[int]): The places of the chosen spans, by start.
    """
    if len(spans) < 2:
        return list(range(len(spans)))
    order = sorted(range(len(spans)), key=lambda i: spans[i][1])
    ends = [spans[i][1] for i in order]
    if all(spans[i][0] >= end for i, end in zip(order[1:], ends)):
        return order
    before = numpy.searchsorted(ends, [spans[i][0] for i in order], side="right").tolist()
    best: List[Tuple[float, int]] = [(0.0, 0)]
    for place, i in enumerate(order):
        score, tokens = best[before[place]]
        with_it = (score + float(scores[i]), tokens + spans[i][1] - spans[i][0])
        best.append(max(best[-1], with_it))
    chosen: List[int] = []
    place = len(order)
    while place:
        if best[place] != best[place - 1]:
            chosen.append(order[place - 1])
            place = before[place - 1]
        else:
            place -= 1
    return chosen[::-1]


def nested_view(spans: Sequence[Tuple[int, int]], scores: Scores) -> List[int]:
    """Choose spans that nest or lie apart: of two that cross, the one with the higher score stays,
    the higher ones being chosen first. Of equal scores the one that comes first is taken.

    spans (Sequence[Tuple[int, int]]): (start, end) of each span.
    scores (Scores): The score of each span.
    RETURNS (List[int]): The places of the chosen spans, in their order.
    """
    chosen: List[int] = []
    # Of the chosen ones that start at a token the last end, of those that end there the first start:
    # what crosses a span starts or ends within it.
    furthest: Dict[int, int] = {}
    earliest: Dict[int, int] = {}
    for i in sorted(range(len(spans)), key=lambda i: -float(scores[i])):
        start, end = spans[i]
        within = range(start + 1, end)
        if any(furthest.get(p, end) > end or earliest.get(p, start) < start for p in within):
            continue
        chosen.append(i)
        furthest[start] = max(end, furthest.get(start, end))
        earliest[end] = min(start, earliest.get(end, start))
    return sorted(chosen)
