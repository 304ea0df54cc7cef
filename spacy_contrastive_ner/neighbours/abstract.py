"""Transitions that know no labels: from outside to an entity, on within it, out of it. They can be
estimated from few examples, or from other labels (StructShot)."""

from typing import NamedTuple, Sequence, Tuple

import numpy

from ..tracks import Transitions
from ..tracks.layout import BEGIN, UNIT

# Counts start from this, so that nothing that was not seen is impossible.
PRIOR = 0.5


class Abstract(NamedTuple):
    """How probable it is that outside (O) or inside (I) of an entity the next token is outside,
    or inside: of the same entity, or of another one. Each of the two lines sums to 1.
    """

    outside_outside: float
    outside_inside: float
    inside_outside: float
    inside_same: float
    inside_other: float


def count_transitions(tags: numpy.ndarray, lengths: Sequence[int]) -> numpy.ndarray:
    """Count what follows what.

    tags (numpy.ndarray): The tag of each token on each track, less than 0 if unknown. [N, K]
    lengths (Sequence[int]): The number of tokens of each document, N in sum.
    RETURNS (numpy.ndarray): The counts, in the order of `Abstract`, float64. [5]
    """
    document = numpy.repeat(numpy.arange(len(lengths)), lengths)
    one, two = tags[:-1], tags[1:]
    together = (document[:-1] == document[1:])[:, None] & (one >= 0) & (two >= 0)
    kind = (two.astype("int64") - 1) % 4
    opens = (two > 0) & ((kind == BEGIN) | (kind == UNIT))
    goes_on = (two > 0) & ~opens
    inside = one > 0
    cases = (~inside & (two == 0), ~inside & opens, inside & (two == 0), goes_on, inside & opens)
    return numpy.asarray([(case & together).sum() for case in cases], dtype="float64")


def estimate(counts: numpy.ndarray) -> Abstract:
    """RETURNS (Abstract): The transitions that go with counts, see `count_transitions`."""
    smooth = counts + PRIOR
    outside, inside = smooth[:2] / smooth[:2].sum(), smooth[2:] / smooth[2:].sum()
    return Abstract(*(float(p) for p in (*outside, *inside)))


def expand(abstract: Abstract, n_labels: int, power: float = 1.0) -> Transitions:
    """Write abstract transitions as scores of the tags of a track, for all tracks alike. What enters
    an entity is divided among the labels; B and U, or I and L, are the same step.

    abstract (Abstract): The transitions.
    n_labels (int): M, the labels a track carries.
    power (float): The probabilities are raised to it and sum to 1 again: 0 makes all alike.
    RETURNS (Transitions): The scores.
    """
    outside = _raised(abstract[:2], power)
    inside = _raised(abstract[2:], power)
    M = n_labels
    closed = numpy.zeros((1, 2 + 2 * M, 1 + 2 * M), dtype="float32")
    # From O and from the start, then from L and U.
    for rows, stays, enters in (
        ([0, 1 + 2 * M], outside[0], outside[1]),
        (list(range(1, 1 + 2 * M)), inside[0], inside[2]),
    ):
        closed[:, rows, 0] = numpy.log(stays)
        closed[:, rows, 1:] = numpy.log(enters / max(M, 1))
    opened = numpy.full((1, 2, 2, M), numpy.log(inside[1]), dtype="float32")
    return Transitions(closed, opened, numpy.zeros((1, 1 + 2 * M), dtype="float32"))


def _raised(probabilities: Sequence[float], power: float) -> Tuple[float, ...]:
    some = numpy.asarray(probabilities, dtype="float64") ** power
    return tuple((some / some.sum()).tolist())
