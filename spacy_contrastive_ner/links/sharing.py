"""From scores of pairs to entities that may have fragments in common."""

from typing import Iterator, List

import numpy

from .pairs import Pairs
from .partition import among, connected, fragments_of, overlaps, partition

# Of more spans that are connected none is shared: their number of entities can grow with 3 to the
# power of a third of it.
MOST = 18


def share(
    start: numpy.ndarray, end: numpy.ndarray, pairs: Pairs, log_odds: numpy.ndarray
) -> List[List[int]]:
    """Find the entities of two or more spans, where a span may be a fragment of several: the largest
    sets of spans that are all linked with one another. If pairs are independent, the pairs of
    positive log-odds are the most probable links, and these sets tell of them and of nothing else.

    Spans that overlap are never put together; pairs that are not scored, being too far apart, speak
    neither for nor against it, as in `partition`: others have to hold the set together. More than
    MOST spans that links connect are divided by `partition`.

    start (numpy.ndarray): The first token of each span. [n]
    end (numpy.ndarray): The token after the last. [n]
    pairs (Pairs): The pairs that are scored. None overlap.
    log_odds (numpy.ndarray): The log-odds of each pair. [P]
    RETURNS (List[List[int]]): The spans of each entity, sorted; the entities, too.
    """
    found: List[List[int]] = []
    for spans in connected(pairs, log_odds):
        places = numpy.asarray(spans)
        parts = _parts(start[places], end[places], *among(places, pairs, log_odds))
        found += [[spans[i] for i in part] for part in parts]
    return sorted(found)


def _parts(
    start: numpy.ndarray, end: numpy.ndarray, pairs: Pairs, log_odds: numpy.ndarray
) -> List[List[int]]:
    n = len(start)
    if n > MOST:
        return fragments_of(partition(start, end, pairs, log_odds))
    is_linked = numpy.zeros((n, n), dtype="bool")
    is_linked[pairs.left, pairs.right] = is_linked[pairs.right, pairs.left] = log_odds > 0
    fits = ~overlaps(start, end)
    apart = pairs.left[log_odds <= 0], pairs.right[log_odds <= 0]
    fits[apart] = fits[apart[::-1]] = False
    linked, fitting = _as_bits(is_linked), _as_bits(fits)
    sets = {
        part for clique in _cliques(fitting, 0, (1 << n) - 1, 0) for part in _held(clique, linked)
    }
    largest = [part for part in sets if not any(part & other == part != other for other in sets)]
    return [[i for i in range(n) if part >> i & 1] for part in largest if part & (part - 1)]


def _as_bits(table: numpy.ndarray) -> List[int]:
    """The columns that are true in each row, as the bits of a number."""
    return [sum(1 << int(i) for i in numpy.flatnonzero(row)) for row in table]


def _cliques(near: List[int], chosen: int, open_: int, closed: int) -> Iterator[int]:
    """The largest sets of nodes that are all neighbours: those with all that are chosen, of the open
    nodes, and with none of the closed ones (Bron and Kerbosch, with a pivot)."""
    if not open_ and not closed:
        yield chosen
        return
    both = open_ | closed
    pivot = max(_bits(both), key=lambda i: bin(near[i] & open_).count("1"))
    for i in _bits(open_ & ~near[pivot]):
        yield from _cliques(near, chosen | 1 << i, open_ & near[i], closed & near[i])
        open_ &= ~(1 << i)
        closed |= 1 << i


def _held(some: int, linked: List[int]) -> Iterator[int]:
    """The parts of a set of spans that links hold together."""
    while some:
        part, grown = 0, some & -some
        while part != grown:
            part = grown
            for i in _bits(part):
                grown |= linked[i] & some
        yield part
        some &= ~part


def _bits(number: int) -> Iterator[int]:
    while number:
        low = number & -number
        yield low.bit_length() - 1
        number ^= low
