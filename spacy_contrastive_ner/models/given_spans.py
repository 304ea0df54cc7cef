"""How a tagger and the bi-encoder type spans that are given to them. (For the span typer that is its own
work.)"""

from typing import List, Sequence

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Ragged

from ..spans.space import softplus
from ..tracks.posterior import SpanPosteriors, TrackSpans
from .columns import read_scores, take_apart
from .label_vectors import margins_of
from .memory import layout_of
from .proposals import Proposals


def type_with_tracks(
    model: Model[List[Doc], Ragged], lengths: Sequence[int], scores: Ragged, given: Proposals
) -> numpy.ndarray:
    """The posterior of each label for each span, on any of its layers; a memory has its say.

    model (Model[List[Doc], Ragged]): A tagger of tokens.
    lengths (Sequence[int]): The number of tokens of each document.
    scores (Ragged): Its scores.
    given (Proposals): The spans.
    RETURNS (numpy.ndarray): The logarithms; -infinity where a probability is too small for a number. [S, K]
    """
    layout = layout_of(model)
    X, transitions, _ = read_scores(model, lengths, take_apart(model, scores), "posterior")
    needed = numpy.ones((len(lengths), layout.n_tracks), dtype="bool")
    posteriors = SpanPosteriors(X, lengths, needed, transitions)
    absent = numpy.zeros((len(given.start), len(layout.labels)))
    for label, slots in enumerate(layout.slots()):
        for track, place in slots:
            at = numpy.full(len(given.start), track), numpy.full(len(given.start), place)
            p = posteriors.of(TrackSpans(*given, *at))
            absent[:, label] += numpy.log1p(-numpy.minimum(p, 1 - 1e-12))
    with numpy.errstate(divide="ignore"):
        return numpy.log(-numpy.expm1(absent))


def type_with_margins(
    model: Model[List[Doc], Ragged], lengths: Sequence[int], rows: Ragged, given: Proposals
) -> numpy.ndarray:
    """The probability of each label for each span, from its margin.

    model (Model[List[Doc], Ragged]): The bi-encoder.
    lengths (Sequence[int]): The number of tokens of each document.
    rows (Ragged): Its rows.
    given (Proposals): The spans.
    RETURNS (numpy.ndarray): The logarithms; NaN for spans that are wider than any it knows. [S, K]
    """
    margins, names = margins_of(model, rows), model.attrs["names"]
    found = numpy.full((len(given.start), len(names)), numpy.nan)
    row = margins.texts.first[given.document] + 1 + given.start
    width = given.end - given.start
    for w, values in margins.spans():
        some = numpy.flatnonzero(width == w + 1)
        if len(some):
            found[some] = model.ops.to_numpy(values[model.ops.asarray(row[some])])
    offsets = numpy.asarray([model.attrs["offsets"].get(name, 0.0) for name in names])
    curves = [model.attrs["calibration"].get(name, (1.0, 0.0)) for name in names]
    slopes, shifts = numpy.asarray(curves, dtype="float64").reshape((-1, 2)).T
    logs = -softplus(numpy, -(slopes * (found - offsets) + shifts))[0]
    logs[:, [name in model.attrs["silent"] for name in names]] = -numpy.inf
    return logs
