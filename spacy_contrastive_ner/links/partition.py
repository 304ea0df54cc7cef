"""From scores of pairs to entities."""

from typing import Dict, List, Tuple

import numpy

from .pairs import Pairs

# So many spans are divided exactly, in time that grows with 3 to the power of their number.
EXACT = 10


def partition(
    start: numpy.ndarray, end: numpy.ndarray, pairs: Pairs, log_odds: numpy.ndarray
) -> numpy.ndarray:
    """Divide spans into entities so that the sum of the log-odds of all pairs within one entity is
    the greatest. If pairs were independent this is the most probable division.

    Spans that overlap are never put together; pairs that are not scored, being too far apart, speak
    neither for nor against it. Of divisions with equal sums the one into more entities is taken.
    An entity that is not held together by pairs of positive log-odds would be better off in pieces,
    so only spans that these connect are looked at together. Up to EXACT of them are divided exactly;
    of more, the two parts that gain most are put together until none gain (which need not be best).

    start (numpy.ndarray): The first token of each span. [n]
    end (numpy.ndarray): The token after the last. [n]
    pairs (Pairs): The pairs that are scored. None overlap.
    log_odds (numpy.ndarray): The log-odds of each pair. [P]
    RETURNS (numpy.ndarray): For each span the index of the first span of its entity. [n]
    """
    entity = numpy.arange(len(start))
    for spans in connected(pairs, log_odds):
        if len(spans) == 2:
            entity[spans[1]] = spans[0]
            continue
        gains = _gains(spans, start, end, pairs, log_odds)
        divide = _divide_exactly if len(spans) <= EXACT else _divide_greedily
        for part in divide(gains):
            entity[[spans[i] for i in part]] = spans[part[0]]
    return entity


def connected(pairs: Pairs, log_odds: numpy.ndarray) -> List[List[int]]:
    """RETURNS (List[List[int]]): The spans that pairs of positive log-odds connect, sorted."""
    at: Dict[int, int] = {}

    def root_of(i: int) -> int:
        while at.setdefault(i, i) != i:
            at[i] = at[at[i]]
            i = at[i]
        return i

    positive = numpy.flatnonzero(log_odds > 0)
    for a, b in zip(pairs.left[positive].tolist(), pairs.right[positive].tolist()):
        a, b = root_of(a), root_of(b)
        at[max(a, b)] = min(a, b)
    found: Dict[int, List[int]] = {}
    for i in sorted(at):
        found.setdefault(root_of(i), []).append(i)
    return list(found.values())


def _gains(
    spans: List[int],
    start: numpy.ndarray,
    end: numpy.ndarray,
    pairs: Pairs,
    log_odds: numpy.ndarray,
) -> numpy.ndarray:
    """What putting two of these spans together gains. [n, n]"""
    places = numpy.asarray(spans)
    own, log_odds = among(places, pairs, log_odds)
    gains = numpy.zeros((len(places), len(places)))
    gains[own.left, own.right] = gains[own.right, own.left] = log_odds
    gains[overlaps(start[places], end[places])] = -numpy.inf
    numpy.fill_diagonal(gains, 0.0)
    return gains


def among(
    places: numpy.ndarray, pairs: Pairs, log_odds: numpy.ndarray
) -> Tuple[Pairs, numpy.ndarray]:
    """RETURNS (Tuple[Pairs, numpy.ndarray]): The pairs of some spans, which are counted anew, and the
    log-odds of these pairs."""
    some = numpy.isin(pairs.left, places) & numpy.isin(pairs.right, places)
    left, right = (numpy.searchsorted(places, x[some]) for x in (pairs.left, pairs.right))
    return Pairs(left, right, pairs.gap[some]), log_odds[some]


def fragments_of(entity: numpy.ndarray) -> List[List[int]]:
    """RETURNS (List[List[int]]): The spans of each entity of two or more, for what `partition` returned."""
    parts: Dict[int, List[int]] = {}
    for i, first in enumerate(entity.tolist()):
        parts.setdefault(first, []).append(i)
    return [part for part in parts.values() if len(part) > 1]


def overlaps(start: numpy.ndarray, end: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (numpy.ndarray): Which spans overlap, each with itself, too. [n, n]"""
    reaches = start[:, None] < end
    return reaches & reaches.T


def _divide_exactly(gains: numpy.ndarray) -> List[List[int]]:
    """The best division. For each set of spans, given as bits, it is the best among: one part with
    the first span of the set, and the best division of the rest."""
    n = len(gains)
    within = [0.0] * (1 << n)
    # The best of each set: its sum, the number of its parts, and the part with its first span.
    best: List[Tuple[float, int, int]] = [(0.0, 0, 0)] * (1 << n)
    rows = gains.tolist()
    for spans in range(1, 1 << n):
        low = spans & -spans
        row, rest = rows[low.bit_length() - 1], spans ^ low
        within[spans] = within[rest] + sum(row[j] for j in range(n) if rest >> j & 1)
        others = rest
        found = None
        while True:
            part = spans ^ others
            candidate = (within[part] + best[others][0], 1 + best[others][1], part)
            found = candidate if found is None or candidate[:2] > found[:2] else found
            if not others:
                break
            others = (others - 1) & rest
        best[spans] = found
    parts: List[List[int]] = []
    spans = (1 << n) - 1
    while spans:
        part = best[spans][2]
        parts.append([i for i in range(n) if part >> i & 1])
        spans ^= part
    return parts


def _divide_greedily(gains: numpy.ndarray) -> List[List[int]]:
    """Put the two parts together that gain most, until none gain."""
    between = gains.copy()
    numpy.fill_diagonal(between, -numpy.inf)
    parts = {i: [i] for i in range(len(gains))}
    while True:
        a, b = sorted(int(i) for i in numpy.unravel_index(between.argmax(), between.shape))
        if not between[a, b] > 0:
            return [sorted(part) for part in parts.values()]
        parts[a] += parts.pop(b)
        between[a] += between[b]
        between[:, a] = between[a]
        between[b] = between[:, b] = between[a, a] = -numpy.inf
