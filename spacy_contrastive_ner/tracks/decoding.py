from typing import Any, Iterator, NamedTuple, Optional, Sequence, Tuple, Union

import numpy
from thinc.api import NumpyOps, Ops
from thinc.types import ArrayXd, Floats3d

from .encoding import spans as read_spans
from .posterior import FLOOR, SpanPosteriors, TrackSpans
from .pruning import live_chains, live_documents, live_tokens
from .recursion import Recursion
from .transitions import Transitions

DECODERS = ("viterbi", "posterior")

# How probable an entity must be: one number, or one for each label. [K]
Threshold = Union[float, numpy.ndarray]

# About so many tokens x tracks are decoded at once, which bounds the memory.
BLOCK = 2**20

# So many tokens x tracks cost next to nothing.
FEW = 2**16

# Nothing is more probable than this, so that the logarithm of the rest stays finite.
MOST = 1 - 1e-12


class Found(NamedTuple):
    """The entities that were recognised, one entry each.

    document (numpy.ndarray): The index of the document.
    start (numpy.ndarray): The first token.
    end (numpy.ndarray): The token after the last.
    label (numpy.ndarray): The index of the label.
    probability (numpy.ndarray): The probability that the span is an entity of the label.
    group (numpy.ndarray): For fragments of a discontinuous entity a number above 0 that they share,
        in their document; for all others 0.
    """

    document: numpy.ndarray
    start: numpy.ndarray
    end: numpy.ndarray
    label: numpy.ndarray
    probability: numpy.ndarray
    group: numpy.ndarray

    def take(self, which: Any) -> "Found":
        """RETURNS (Found): Some of the entities, by index or mask."""
        return Found(*(column[which] for column in self))


class LabelSpans(NamedTuple):
    """Spans with their labels, one entry each.

    document (numpy.ndarray): The index of the document.
    start (numpy.ndarray): The first token.
    end (numpy.ndarray): The token after the last.
    label (numpy.ndarray): The index of the label.
    """

    document: numpy.ndarray
    start: numpy.ndarray
    end: numpy.ndarray
    label: numpy.ndarray


def viterbi(
    ops: Ops,
    scores: Floats3d,
    lengths: Sequence[int],
    transitions: Optional[Transitions] = None,
) -> ArrayXd:
    """The legal tag sequence with the highest score, for each document and track.

    ops (Ops): The backend.
    scores (Floats3d): The score of each tag. [N, K, 1 + 4M]
    lengths (Sequence[int]): The number of tokens of each document, N in sum.
    transitions (Optional[Transitions]): Learned transitions, if any.
    RETURNS (ArrayXd): The tags. [N, K]
    """
    n_tracks, n_tags = scores.shape[1:]
    tags = ops.xp.zeros((len(scores), n_tracks), dtype="uint8" if n_tags <= 256 else "int16")
    known = transitions
    if known is not None:
        known = Transitions(*(ops.to_numpy(table) for table in known))
    live = live_tokens(ops.to_numpy(scores), 0.0, known)
    chains = live_chains(ops, live, lengths)
    recursion = Recursion(ops, chains, (n_tags - 1) // 4, transitions)
    path = recursion.follow(recursion.backward(recursion.pick(scores), best=True))
    tags[chains.rows, chains.tracks_of_token] = path.astype(tags.dtype)
    return tags


def decode(
    scores: numpy.ndarray,
    lengths: Sequence[int],
    track_labels: numpy.ndarray,
    *,
    transitions: Optional[Transitions] = None,
    decoder: str = "viterbi",
    threshold: Threshold = 0.5,
) -> Found:
    """Find the entities of a batch of documents, each with its probability: the exact posterior
    that the span is an entity of the label, by forward-backward. If a label has several layers,
    it is the probability that at least one of them holds the span.

    scores (numpy.ndarray): The score of each tag. [N, K, 1 + 4M]
    lengths (Sequence[int]): The number of tokens of each document, N in sum.
    track_labels (numpy.ndarray): The index of the label at each place of each track. [K, M]
    transitions (Optional[Transitions]): Learned transitions, if any.
    decoder (str): "viterbi": the entities on the best path of each track. "posterior": every
        span whose probability is at least `threshold`.
    threshold (Threshold): For "posterior". Less than FLOOR counts as FLOOR.
    RETURNS (Found): The entities, by document, start, end (the longest first) and label.
    """
    if decoder not in DECODERS:
        raise ValueError(f"decoder is {decoder!r}, but must be one of {', '.join(DECODERS)}.")
    least = numpy.maximum(threshold, FLOOR)
    none = numpy.zeros(0, dtype="int64")
    parts = [Found(none, none, none, none, numpy.zeros(0, dtype="float32"), none)]
    for docs, rows, tracks in _blocks(lengths, track_labels):
        args = (scores[rows, tracks], lengths[docs], track_labels[tracks])
        some = _of_tracks(transitions, tracks)
        if decoder == "viterbi":
            found = _on_best_path(*args, some)
        else:
            found = _probable(*args, some, float(least.min()))
        parts.append(found._replace(document=found.document + docs.start))
    found = Found(*(numpy.concatenate(columns) for columns in zip(*parts)))
    if decoder == "posterior" and least.ndim:
        found = found.take(found.probability >= least[found.label].astype("float32"))
    order = numpy.lexsort((found.label, -found.end, found.start, found.document))
    return found.take(order)


def probabilities(
    scores: numpy.ndarray,
    lengths: Sequence[int],
    track_labels: numpy.ndarray,
    spans: LabelSpans,
    transitions: Optional[Transitions] = None,
) -> numpy.ndarray:
    """The probability of given spans, see `decode`.

    scores (numpy.ndarray): The score of each tag. [N, K, 1 + 4M]
    lengths (Sequence[int]): The number of tokens of each document, N in sum.
    track_labels (numpy.ndarray): The index of the label at each place of each track. [K, M]
    spans (LabelSpans): The spans.
    transitions (Optional[Transitions]): Learned transitions, if any.
    RETURNS (numpy.ndarray): The probabilities, 0 for a label without a track. float64, [S]
    """
    absent = numpy.zeros(len(spans.label))
    for docs, rows, tracks in _blocks(lengths, track_labels):
        here = (docs.start <= spans.document) & (spans.document < docs.stop)
        span, track, place = numpy.nonzero(
            here[:, None, None] & (spans.label[:, None, None] == track_labels[tracks])
        )
        if not len(span):
            continue
        document, start, end, _ = (column[span] for column in spans)
        on_tracks = TrackSpans(document - docs.start, start, end, track, place)
        needed = numpy.zeros((docs.stop - docs.start, tracks.stop - tracks.start), dtype="bool")
        needed[on_tracks.document, track] = True
        some = _of_tracks(transitions, tracks)
        posteriors = SpanPosteriors(scores[rows, tracks], lengths[docs], needed, some)
        numpy.add.at(absent, span, numpy.log1p(-numpy.minimum(posteriors.of(on_tracks), MOST)))
    return -numpy.expm1(absent)


def _of_tracks(transitions: Optional[Transitions], tracks: slice) -> Optional[Transitions]:
    """The transitions of some tracks, unless all share them."""
    if transitions is None or len(transitions.closed) == 1:
        return transitions
    return Transitions(*(table[tracks] for table in transitions))


def _on_best_path(
    scores: numpy.ndarray,
    lengths: Sequence[int],
    track_labels: numpy.ndarray,
    transitions: Optional[Transitions],
) -> Found:
    """The entities on the best path of each track, with their probabilities."""
    tags = viterbi(NumpyOps(), scores, lengths, transitions)
    found = TrackSpans(*read_spans(tags, lengths).T)
    hit = numpy.zeros((len(lengths), len(track_labels)), dtype="bool")
    hit[found.document, found.track] = True
    posteriors = SpanPosteriors(scores, lengths, _all_layers(hit, track_labels), transitions)
    return _of_any_layer(found, [posteriors], track_labels)


def _probable(
    scores: numpy.ndarray,
    lengths: Sequence[int],
    track_labels: numpy.ndarray,
    transitions: Optional[Transitions],
    threshold: float,
) -> Found:
    """The spans whose probability is at least the threshold."""
    # With n layers, a probability of p takes at least 1 - (1 - p)^(1/n) on one of them.
    label = track_labels[:, 0]
    layers = (label[:, None] == label).sum(axis=1)
    least = -numpy.expm1(numpy.log1p(-min(threshold, 1 - 1e-9)) / layers) * (1 - 1e-6)
    live = live_tokens(scores, numpy.log(least) - numpy.log1p(-least), transitions)
    hit = live_documents(live, lengths)
    # The other layers of a label are asked for only where the label has been found at all, unless
    # they are so few that a pass of their own would cost more.
    known = _all_layers(hit, track_labels)
    if (known.sum(axis=1) * numpy.asarray(lengths)).sum() > FEW:
        known = hit
    posteriors = [SpanPosteriors(scores, lengths, known, transitions)]
    listed = posteriors[0].at_least(least)
    hit = numpy.zeros_like(known)
    hit[listed.document, listed.track] = True
    others = _all_layers(hit, track_labels) & ~known
    if others.any():
        posteriors.append(SpanPosteriors(scores, lengths, others, transitions))
    found = _of_any_layer(listed, posteriors, track_labels)
    return found.take(found.probability >= numpy.float32(threshold))


def _all_layers(hit: numpy.ndarray, track_labels: numpy.ndarray) -> numpy.ndarray:
    """Add to each track of a document all the others of the same label. [n_docs, K]"""
    label = track_labels[:, 0]
    same = (label[:, None] == label).astype("float32")
    return hit.astype("float32") @ same > 0


def _of_any_layer(
    found: TrackSpans, posteriors: Sequence[SpanPosteriors], track_labels: numpy.ndarray
) -> Found:
    """Give each span of each label the probability that at least one layer holds it.

    found (TrackSpans): The spans; the same span may stand on several layers.
    posteriors (Sequence[SpanPosteriors]): Together they know all layers of each found label in
        its document, each layer once.
    track_labels (numpy.ndarray): The index of the label at each place of each track. [K, M]
    RETURNS (Found): Each span once.
    """
    label = track_labels[found.track, found.place]
    at = _distinct(found.document, found.start, found.end, label)
    found, label = TrackSpans(*(column[at] for column in found)), label[at]
    # Only per-label tracks have siblings, and these have one place.
    if track_labels.shape[1] == 1:
        span, track = numpy.nonzero(label[:, None] == track_labels[:, 0])
    else:
        span, track = numpy.arange(len(label)), found.track
    absent = numpy.ones(len(label), dtype="float64")
    for part in posteriors:
        known = part.chain[found.document[span], track] >= 0
        some = span[known]
        on_tracks = TrackSpans(*(column[some] for column in found))._replace(track=track[known])
        numpy.multiply.at(absent, some, 1.0 - part.of(on_tracks))
    probability = (1.0 - absent).astype("float32")
    apart = numpy.zeros(len(label), dtype="int64")
    return Found(found.document, found.start, found.end, label, probability, apart)


def _distinct(*columns: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (numpy.ndarray): Where each distinct row of these columns stands first."""
    order = numpy.lexsort(columns)
    new = numpy.zeros(len(order), dtype="bool")
    new[:1] = True
    for column in columns:
        values = column[order]
        new[1:] |= values[1:] != values[:-1]
    return order[new]


def _blocks(
    lengths: Sequence[int], track_labels: numpy.ndarray
) -> Iterator[Tuple[slice, slice, slice]]:
    """Cut a batch into blocks of documents, and these by tracks if one document alone is too
    much. All tracks of a label stay together.

    YIELDS (Tuple[slice, slice, slice]): Documents, their rows, tracks.
    """
    ends = numpy.cumsum(lengths)
    n_tracks = len(track_labels)
    label = track_labels[:, 0]
    borders = [0, *(numpy.flatnonzero(label[1:] != label[:-1]) + 1).tolist(), n_tracks]
    doc = row = 0
    while doc < len(lengths) and n_tracks:
        fits = int(numpy.searchsorted(ends, row + BLOCK // n_tracks, side="right"))
        next_doc = max(doc + 1, fits)
        next_row = int(ends[next_doc - 1])
        most = max(1, BLOCK // max(1, next_row - row))
        track = 0
        while track < n_tracks:
            fitting = [border for border in borders if track < border <= track + most]
            next_track = max(fitting, default=min(b for b in borders if b > track))
            yield slice(doc, next_doc), slice(row, next_row), slice(track, next_track)
            track = next_track
        doc, row = next_doc, next_row
