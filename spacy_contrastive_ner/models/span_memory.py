"""What the memory of the bi-encoder says about spans, and how it is mixed with what their margins say.

The memory knows tokens: on tracks of its own, some for each label, it gives the tags of each token their
probabilities, and with its transitions each span its posterior. That is mixed with the probability of the
span's margin, span by span, so that neither has to propose what the other finds.
"""

from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import ArrayXd, Floats2d, Ragged

from .. import tracks
from ..spans import Margins
from ..tracks import Found, LabelSpans, Threshold, Transitions
from ..tracks.decoding import MOST
from .calibration import Curves
from .memory import (
    NEAREST,
    as_scores,
    get_weight,
    known_tracks,
    layout_of,
    only_remembered,
    require_memory,
    require_own_rows,
    the_memory,
)

# Of what is as probable as the threshold nothing is lost by rounding.
SLACK = 1e-6


class Heard(Ragged):
    """The rows of a batch, and what the memory says of its tokens.

    said (Floats2d): The probabilities of the tags. [N, K * (1 + 4M)]
    """

    said: Floats2d

    def __init__(self, data: ArrayXd, lengths: Any, said: Floats2d) -> None:
        super().__init__(data, lengths)
        self.said = said


class Opinion(NamedTuple):
    """What the memory says about a batch.

    weights (numpy.ndarray): Its share in the probabilities of each label. [K]
    scores (numpy.ndarray): The scores of the tags, on the tracks of labels in which it has a share.
        [N, T, 1 + 4M]
    track_labels (numpy.ndarray): The labels of these. [T, M]
    transitions (Transitions): Their transitions.
    """

    weights: numpy.ndarray
    scores: numpy.ndarray
    track_labels: numpy.ndarray
    transitions: Transitions

    def propose(self, lengths: Sequence[int], threshold: float) -> Found:
        """RETURNS (Found): The spans that are as probable to the memory alone."""
        return tracks.decode(
            self.scores,
            lengths,
            self.track_labels,
            transitions=self.transitions,
            decoder="posterior",
            threshold=threshold,
        )

    def of(self, lengths: Sequence[int], some: LabelSpans) -> numpy.ndarray:
        """RETURNS (numpy.ndarray): The probability of given spans to the memory alone."""
        return tracks.probabilities(self.scores, lengths, self.track_labels, some, self.transitions)


def read_with_memory(model: Model[List[Doc], Ragged], docs: List[Doc]) -> Heard:
    """Read texts as the bi-encoder does, and ask the memory about their tokens.

    model (Model[List[Doc], Ragged]): The bi-encoder, whose memory is filled.
    docs (List[Doc]): The texts.
    RETURNS (Heard): The rows, and what the memory says.
    """
    *readers, views = model.get_ref("text").layers
    encoded: Any = docs
    for reader in readers:
        encoded = reader.predict(encoded)
    rows = views.predict(encoded)
    sizes: Any = model.ops.to_numpy(encoded.lengths)
    # The first row of a text is no token.
    tokens = numpy.delete(numpy.arange(int(sizes.sum())), numpy.cumsum(sizes) - sizes)
    said = the_memory(model).predict(encoded.dataXd[model.ops.asarray(tokens)])
    return Heard(rows.dataXd, rows.lengths, said)


def opinion_of(model: Model[List[Doc], Ragged], rows: Ragged) -> Optional[Opinion]:
    """Find out what the memory has to say.

    model (Model[List[Doc], Ragged]): The bi-encoder.
    rows (Ragged): What it returned for documents.
    RETURNS (Optional[Opinion]): What it says, None if that is nothing.
    """
    said = getattr(rows, "said", None)
    if said is None:
        return None
    require_own_rows(model)
    labels, weights = _labels_of_tracks(model), _weights_of(model)
    heard = numpy.flatnonzero(weights[labels[:, 0]] > 0)
    if not len(heard):
        return None
    scores, transitions = as_scores(model, said)
    return Opinion(weights, scores[:, heard], labels[heard], transitions)


def _labels_of_tracks(model: Model[List[Doc], Ragged]) -> numpy.ndarray:
    """The label of each track of the memory, as its place among those of the model. [T, 1]"""
    layout, names = layout_of(model), model.attrs["names"]
    return numpy.asarray([names.index(label) for label in layout.labels])[layout.track_labels()]


def _weights_of(model: Model[List[Doc], Ragged]) -> numpy.ndarray:
    """The memory's share in the probabilities of each label: of those that are only remembered it is all,
    and of those of which nothing is remembered it is nothing. [K]"""
    names = model.attrs["names"]
    weights = numpy.zeros(len(names))
    known = _labels_of_tracks(model)[known_tracks(model), 0]
    weights[known] = get_weight(the_memory(model))
    only = [names.index(label) for label in only_remembered(model)]
    weights[[label for label in only if label in known]] = 1.0
    return weights


def find_nearest(model: Model[List[Doc], Ragged], lengths: Sequence[int], rows: Ragged) -> Found:
    """Find the entities on the best paths of the memory alone.

    model (Model[List[Doc], Ragged]): The bi-encoder.
    lengths (Sequence[int]): The number of tokens of each document.
    rows (Ragged): What it returned for them.
    RETURNS (Found): The entities.
    """
    said = getattr(rows, "said", None)
    if said is None:
        require_memory(NEAREST)
    require_own_rows(model)
    scores, transitions = as_scores(model, said)
    return tracks.decode(scores, lengths, _labels_of_tracks(model), transitions=transitions)


def mix_spans(
    opinion: Opinion,
    margins: Margins,
    curves: Curves,
    lengths: Sequence[int],
    found: Found,
    threshold: Threshold,
) -> Tuple[Found, numpy.ndarray]:
    """Mix the probabilities of spans: `(1 - w) p_margin + w p_memory`. As a mixture is no larger than the
    larger of the two, each span that reaches the threshold is found by one of them.

    opinion (Opinion): What the memory says.
    margins (Margins): The margins of the batch.
    curves (Curves): What makes probabilities of them.
    lengths (Sequence[int]): The number of tokens of each document.
    found (Found): The spans that reach the threshold by their margin.
    threshold (Threshold): The threshold.
    RETURNS (Tuple[Found, numpy.ndarray]): The spans that reach it, by document, start, end (the longest
        first) and label; and by how much, in the units of margins.
    """
    remembered = opinion.propose(lengths, float(numpy.min(threshold)) * (1 - SLACK))
    both = [numpy.concatenate(columns) for columns in zip(found[:4], remembered[:4])]
    document, start, end, label = both
    columns = numpy.unique(numpy.stack((document, start, -end, label), axis=1), axis=0).T
    document, start, end, label = columns * numpy.asarray([1, 1, -1, 1])[:, None]
    weight = opinion.weights[label]
    least = numpy.broadcast_to(threshold, opinion.weights.shape)[label]
    margin = margin_of(margins, document, start, end)[numpy.arange(len(label)), label]
    logits = curves.logits(margin, label)
    own = numpy.exp(-numpy.logaddexp(0, -logits))
    theirs = opinion.of(lengths, LabelSpans(document, start, end, label))
    p = numpy.where(weight > 0, (1 - weight) * own + weight * theirs, own)
    kept = (p >= least) | (weight == 0)
    sure = numpy.clip(p, 1 - MOST, MOST)
    mixed = numpy.where(weight > 0, numpy.log(sure) - numpy.log1p(-sure), logits)
    over = (mixed - numpy.log(least) + numpy.log1p(-least)) / curves.slopes[label]
    apart = numpy.zeros(len(label), dtype="int64")
    spans = Found(document, start, end, label, p.astype("float32"), apart)
    return spans.take(kept), over[kept]


def margin_of(
    margins: Margins, document: numpy.ndarray, start: numpy.ndarray, end: numpy.ndarray
) -> numpy.ndarray:
    """The margins of given spans.

    margins (Margins): The margins of the batch.
    document, start, end (numpy.ndarray): The spans.
    RETURNS (numpy.ndarray): The margin of each label, -infinity for spans that are wider than any that has
        one. float64, [S, K]
    """
    found = numpy.full((len(start), margins.space.types.shape[0]), -numpy.inf)
    distance = end - start - 1
    some = numpy.flatnonzero(distance < len(margins.space.widths))
    if len(some):
        row = margins.texts.first[document[some]] + 1 + start[some]
        found[some] = margins.ops.to_numpy(margins.spans().at(row, distance[some]))
    return found
