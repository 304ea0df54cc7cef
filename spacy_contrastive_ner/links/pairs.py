"""Pairs of spans that may be fragments of one entity."""

from typing import NamedTuple

import numpy

# Gaps of fewer tokens have a bucket each; wider ones share one with all up to twice as wide.
APART = 4


class Spans(NamedTuple):
    """Spans of a batch.

    document (numpy.ndarray): The index of the document of each. [n]
    start (numpy.ndarray): The first token. [n]
    end (numpy.ndarray): The token after the last. [n]
    label (numpy.ndarray): The index of the label. [n]
    """

    document: numpy.ndarray
    start: numpy.ndarray
    end: numpy.ndarray
    label: numpy.ndarray


class Pairs(NamedTuple):
    """Pairs of spans.

    left (numpy.ndarray): The index of the span that comes first. [P]
    right (numpy.ndarray): The index of the one that comes after it. [P]
    gap (numpy.ndarray): The number of tokens between them. [P]
    """

    left: numpy.ndarray
    right: numpy.ndarray
    gap: numpy.ndarray


def pair_up(spans: Spans, max_distance: int) -> Pairs:
    """List the pairs of spans that may be fragments of one entity: of the same label, in the same
    document, without overlap, and not too far from each other.

    spans (Spans): The spans.
    max_distance (int): The largest number of tokens between two fragments.
    RETURNS (Pairs): The pairs, by their left and then their right span.
    """
    document, start, end, label = spans
    none = numpy.zeros(0, dtype="int64")
    if len(start) < 2:
        return Pairs(none, none, none)
    # Spans on one line: each label of each document has a stretch of its own, wide enough that
    # nothing reaches from one into the next.
    stretch = int(end.max()) + max_distance + 2
    base = (document.astype("int64") * (int(label.max()) + 1) + label) * stretch
    order = numpy.argsort(base + start, kind="stable")
    places = (base + start)[order]
    first = numpy.searchsorted(places, base + end, side="left")
    last = numpy.searchsorted(places, base + end + max_distance, side="right")
    counts = last - first
    left = numpy.repeat(numpy.arange(len(start)), counts)
    within = numpy.arange(len(left)) - numpy.repeat(numpy.cumsum(counts) - counts, counts)
    right = order[numpy.repeat(first, counts) + within]
    sort = numpy.lexsort((right, left))
    left, right = left[sort], right[sort]
    return Pairs(left, right, start[right] - end[left])


def gap_bucket(gap: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (numpy.ndarray): The bucket of each gap: 0, 1, 2, 3, 4 to 7, 8 to 15, and so on."""
    wide = numpy.maximum(gap, APART).astype("float64")
    shared = numpy.floor(numpy.log2(wide)).astype("int64") + APART - 2
    return numpy.where(gap < APART, gap, shared)
