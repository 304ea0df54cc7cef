"""How a tagger and the bi-encoder type spans that are given to them. (For the span typer that is its own
work.)"""

from typing import List, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Ragged

from .. import tracks
from ..spans.space import softplus
from ..tracks import LabelSpans
from .calibration import Curves
from .columns import read_scores, take_apart
from .label_vectors import margins_of
from .memory import layout_of
from .proposals import Proposals
from .span_memory import margin_of, opinion_of


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
    X, transitions, _ = read_scores(model, lengths, take_apart(model, scores), "posterior")
    layout = layout_of(model)
    every, shape = _with_every_label(given, len(layout.labels))
    p = tracks.probabilities(X, lengths, layout.track_labels(), every, transitions)
    with numpy.errstate(divide="ignore"):
        return numpy.log(p.reshape(shape))


def _with_every_label(given: Proposals, n_labels: int) -> Tuple[LabelSpans, Tuple[int, int]]:
    """Each span once with each label, and the shape of a table of them."""
    document, start, end = (numpy.repeat(column, n_labels) for column in given)
    label = numpy.tile(numpy.arange(n_labels), len(given.start))
    return LabelSpans(document, start, end, label), (len(given.start), n_labels)


def type_with_margins(
    model: Model[List[Doc], Ragged], lengths: Sequence[int], rows: Ragged, given: Proposals
) -> numpy.ndarray:
    """The probability of each label for each span, from its margin; a memory has its say.

    model (Model[List[Doc], Ragged]): The bi-encoder.
    lengths (Sequence[int]): The number of tokens of each document.
    rows (Ragged): Its rows.
    given (Proposals): The spans.
    RETURNS (numpy.ndarray): The logarithms; -infinity for spans that are wider than any it knows, of which
        no memory says more. [S, K]
    """
    names = model.attrs["names"]
    found = margin_of(margins_of(model, rows), *given)
    logs = -softplus(numpy, -Curves.of(model).logits(found))[0]
    logs[:, [name in model.attrs["silent"] for name in names]] = -numpy.inf
    opinion = opinion_of(model, rows)
    if opinion is None:
        return logs
    every, shape = _with_every_label(given, len(names))
    with numpy.errstate(divide="ignore"):
        theirs = numpy.log(opinion.of(lengths, every).reshape(shape))
        return numpy.logaddexp(
            numpy.log1p(-opinion.weights) + logs, numpy.log(opinion.weights) + theirs
        )
