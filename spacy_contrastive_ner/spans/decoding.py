from typing import List

import numpy
from thinc.api import Ops

from ..tracks import Found
from .choice import flat_view, nested_view
from .margins import Margins

# "posterior": every span that is probable enough. "nested": of those that cross another only the more
# probable one, so that entities nest or lie apart. "flat": those that do not overlap, of highest total.
DECODERS = ("posterior", "nested", "flat")


def decode(ops: Ops, margins: Margins, least: numpy.ndarray) -> Found:
    """Find the spans whose margin reaches what their label needs. Width by width only these come
    to the CPU.

    ops (Ops): The backend.
    margins (Margins): The margins.
    least (numpy.ndarray): The smallest margin that will do, for each label. [K]
    RETURNS (Found): The spans by text, outer ones first, with margins in the place of probabilities.
    """
    xp, texts = ops.xp, margins.texts
    least = ops.asarray(least.astype(margins.views.start.dtype))
    starts, widths, labels, values = [], [], [], []
    for w, at_width in margins.spans():
        row, label = xp.nonzero(at_width >= least)
        if not len(row):
            continue
        starts.append(row)
        labels.append(label)
        values.append(at_width[row, label])
        widths.append(numpy.full(len(row), w))
    if not starts:
        none = numpy.zeros(0, dtype="int64")
        return Found(none, none, none, none, numpy.zeros(0, dtype="float32"), none)
    start, label = (ops.to_numpy(xp.concatenate(parts)) for parts in (starts, labels))
    value = ops.to_numpy(xp.concatenate(values))
    text = texts.text[start]
    token = start - texts.first[text] - 1
    end = token + numpy.concatenate(widths) + 1
    order = numpy.lexsort((label, -end, token, text))
    apart = numpy.zeros(len(text), dtype="int64")
    return Found(text, token, end, label, value, apart).take(order)


def choose(found: Found, over: numpy.ndarray, decoder: str) -> Found:
    """Keep what may stand together.

    found (Found): The spans of all texts, sorted by text.
    over (numpy.ndarray): By how much the margin of each is above what its label needs.
    decoder (str): One of `DECODERS`.
    RETURNS (Found): Those that stay.
    """
    if decoder == "posterior":
        return found
    view = nested_view if decoder == "nested" else flat_view
    borders = numpy.flatnonzero(numpy.diff(found.document)) + 1
    keep: List[int] = []
    for some in numpy.split(numpy.arange(len(over)), borders):
        spans = list(zip(found.start[some].tolist(), found.end[some].tolist()))
        keep.extend(some[view(spans, over[some])].tolist() if len(some) else [])
    return found.take(keep)
