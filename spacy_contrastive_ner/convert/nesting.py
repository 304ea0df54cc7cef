"""How stretches of text lie in and across each other, in O(n log n)."""

from bisect import bisect_right
from typing import Iterable, List, Set

from .records import Stretch


def outermost_first(stretches: Iterable[Stretch]) -> List[Stretch]:
    """RETURNS (List[Stretch]): The distinct stretches by start, the longest first."""
    return sorted(set(stretches), key=lambda stretch: (stretch[0], -stretch[1]))


def nested(stretches: Iterable[Stretch]) -> Set[Stretch]:
    """RETURNS (Set[Stretch]): The stretches inside another one with other offsets."""
    found: Set[Stretch] = set()
    # What holds a stretch comes before it.
    furthest = -1
    for start, end in outermost_first(stretches):
        if end <= furthest:
            found.add((start, end))
        furthest = max(furthest, end)
    return found


def depth(stretches: Iterable[Stretch]) -> int:
    """RETURNS (int): How many stretches the longest chain has in which each is inside the one
    before. 0 if there are none.
    """
    # In this order a chain is a subsequence whose ends do not grow. At place i stands the negative
    # of the best last end of a chain of i + 1 stretches.
    last_ends: List[int] = []
    for _, end in outermost_first(stretches):
        place = bisect_right(last_ends, -end)
        last_ends[place : place + 1] = [-end]
    return len(last_ends)


def crossing(stretches: Iterable[Stretch]) -> Set[Stretch]:
    """RETURNS (Set[Stretch]): The stretches that share text with another one without either being
    inside the other.
    """
    distinct = set(stretches)
    mirrored = {(-end, -start) for start, end in distinct}
    to_the_left = {(-end, -start) for start, end in _crossed_at_end(mirrored)}
    return _crossed_at_end(distinct) | to_the_left


def _crossed_at_end(stretches: Set[Stretch]) -> Set[Stretch]:
    """The stretches in which another one starts that ends after them."""
    found: Set[Stretch] = set()
    # Of the stretches to the right those that end after all that start before them: the negatives
    # of their starts, which grow, and their ends, which fall.
    starts: List[int] = []
    ends: List[int] = []
    waiting: List[Stretch] = []
    for start, end in sorted(stretches, reverse=True):
        if waiting and waiting[0][0] != start:
            _put(waiting, starts, ends)
            waiting = []
        place = bisect_right(starts, -end)
        if place < len(starts) and ends[place] > end:
            found.add((start, end))
        waiting.append((start, end))
    return found


def _put(stretches: List[Stretch], starts: List[int], ends: List[int]) -> None:
    """Add stretches of the same start, the longest of which comes first."""
    start, end = stretches[0]
    while ends and ends[-1] <= end:
        starts.pop()
        ends.pop()
    starts.append(-start)
    ends.append(end)
