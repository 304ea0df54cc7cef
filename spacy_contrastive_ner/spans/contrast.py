from typing import Any, NamedTuple, Optional, Tuple

import numpy
from thinc.api import Ops
from thinc.types import ArrayXd, Floats2d

from .margins import Gradients, Margins, SpanMargins
from .space import END, START, softplus
from .targets import Targets

# Exponentials of so many margins are kept for the way back; of more, they are computed again.
KEPT = 2**22

OTHERS = ("negative", "ignore")


class Weights(NamedTuple):
    """What the parts of the loss count. For the defaults see `losses.span_contrast`.

    entities (float): Gold entities against all that is none.
    thresholds (float): Thresholds against all that is no entity.
    start, end, span (float): Starts, ends and spans within both.
    anchor (float): The labels of a gold entity against all other labels.
    """

    entities: float
    thresholds: float
    start: float
    end: float
    span: float
    anchor: float


def contrast(
    ops: Ops,
    margins: Margins,
    targets: Targets,
    weights: Weights,
    *,
    others: str = "negative",
    label_weights: Optional[numpy.ndarray] = None,
) -> Tuple[float, Gradients]:
    """The contrastive loss of starts, ends and spans with a label as the anchor, and that of the
    dynamic thresholds.

    With margins m = s - theta above the threshold of text d and label k, and the sum over all
    negatives of the text (spans that are no entity of the label, entities of other labels too),

        V[d, k] = log(1 + sum_negatives exp(m))

    the loss of a gold entity is `softplus(V - m)`: its cross-entropy against all negatives and the
    threshold. That of a threshold is `V` itself: its cross-entropy against all negatives. One V
    serves all entities of a label in a text. The loss is

        entities * mean over entities of softplus(V - m) + thresholds * mean over texts and labels of V

    for starts, ends and spans, with their weights. Only annotated text gives negatives.

    ops (Ops): The backend.
    margins (Margins): The margins of the batch.
    targets (Targets): Its entities.
    weights (Weights): What the parts count.
    others (str): What entities of other labels are: "negative", or "ignore".
    label_weights (Optional[numpy.ndarray]): What each label counts, in all texts
        [K] or text by text. [B, K]
    RETURNS (Tuple[float, Gradients]): The loss and its gradients.
    """
    anchors = _Anchors(ops, margins, targets, weights, others, label_weights)
    loss: Any = 0.0
    for which, weight in ((START, weights.start), (END, weights.end)):
        if weight:
            loss = loss + weight * anchors.boundary_loss(which, weight)
    if weights.span or weights.anchor:
        loss = loss + anchors.span_loss(weights.span, weights.anchor)
    return float(loss), anchors.gradients


class _Anchors:
    """The labels of each text as anchors, with what they are compared with, see `contrast`."""

    def __init__(
        self,
        ops: Ops,
        margins: Margins,
        targets: Targets,
        weights: Weights,
        others: str,
        label_weights: Optional[numpy.ndarray],
    ) -> None:
        if others not in OTHERS:
            raise ValueError(f"others is {others!r}, but must be one of {', '.join(OTHERS)}.")
        self.ops, self.margins, self.targets, self.others = ops, margins, targets, others
        self.gradients = Gradients.zeros(margins)
        n_labels, dtype = len(margins.units), margins.views.start.dtype
        counts = numpy.ones(n_labels) if label_weights is None else label_weights
        counts = numpy.broadcast_to(counts, (len(margins.n_tokens), n_labels))
        has_tokens = numpy.asarray(margins.n_tokens, dtype="int64")[:, None] > 0
        # What the threshold of each label counts in each text [B, K], and what each entity does [A].
        of_threshold = has_tokens * counts * weights.thresholds
        of_threshold /= max(1, has_tokens.sum() * n_labels)
        of_entity = (
            counts[targets.text, targets.label] * weights.entities / max(1, len(targets.label))
        )
        self._of_threshold = ops.asarray(of_threshold.astype(dtype))
        self._of_entity = ops.asarray(of_entity.astype(dtype))
        text, start, width, label = targets[:4]
        columns = numpy.stack((text * n_labels + label, start, start + width, label))
        self._text_label, self._start, self._end, self._label = ops.asarray(columns)
        unknown = targets.unknown
        self._unknown: Any = None if unknown is None else ops.asarray(unknown)
        # The entities of each width.
        order = numpy.argsort(width, kind="stable")
        self._widths, firsts = numpy.unique(width[order], return_index=True)
        self._of_width = dict(zip(self._widths.tolist(), numpy.split(order, firsts[1:])))

    def compare(self, total: Floats2d, own: ArrayXd) -> Tuple[Any, Floats2d, ArrayXd]:
        """Compare entities and thresholds with the negatives.

        total (Floats2d): The sum of exp(m) over the negatives of each text and label. [B, K]
        own (ArrayXd): The margins of the entities. [A]
        RETURNS (Tuple[Any, Floats2d, ArrayXd]): The loss, what the gradient of a negative is beside
            exp(m) [B, K], and the gradient of the entities' margins [A].
        """
        xp = self.ops.xp
        V = xp.log1p(total)
        behind = V.ravel()[self._text_label] - own
        of_each, slope = softplus(xp, behind)
        slope *= self._of_entity
        loss = (of_each * self._of_entity).sum() + (V * self._of_threshold).sum()
        beside = self._of_threshold.ravel().copy()
        self.ops.scatter_add(beside, self._text_label, slope)
        return loss, beside.reshape(V.shape) * xp.exp(-V), -slope

    def leave_out(
        self, values: Floats2d, w: int, row: ArrayXd, label: ArrayXd, others: str
    ) -> None:
        """Take what is no negative out of the margins of one width, or of starts or ends (w = 0)."""
        if others == "ignore":
            values[row] = -numpy.inf
        else:
            values[row, label] = -numpy.inf
        if self._unknown is not None:
            n = len(values)
            values[self._unknown[w + 1 : w + 1 + n] > self._unknown[:n]] = -numpy.inf

    def boundary_loss(self, which: int, weight: float) -> Any:
        """RETURNS (Any): The loss of starts or ends. Its gradient is added with the weight."""
        ops, margins = self.ops, self.margins
        boundary = margins.boundary(which)
        values = boundary.values
        row = self._start if which == START else self._end
        own = values[row, self._label]
        self.leave_out(values, 0, row, self._label, self.others)
        odds = ops.xp.exp(values)
        loss, beside, d_own = self.compare(margins.of_texts(odds), own)
        d_values = odds * margins.at_rows(beside)
        self.add_at(d_values, row, self._label, d_own)
        boundary.backprop(d_values * weight, self.gradients)
        return loss

    def add_at(self, values: Floats2d, row: ArrayXd, label: ArrayXd, more: ArrayXd) -> None:
        """Add to some cells of an array, more than once to the same if need be."""
        flat = values.reshape((-1,))
        self.ops.scatter_add(flat, row * values.shape[1] + label, more)

    def odds(self, spans: SpanMargins, w: int, own: ArrayXd) -> Floats2d:
        """The exponentials of the margins of the negatives of one width; those of the entities are
        written to `own`. [n - w, K]"""
        values = spans.at_width(w)
        some = self._of_width.get(w)
        if some is None:
            row = label = self._start[:0]
        else:
            at = self.ops.asarray(some)
            row, label = self._start[at], self._label[at]
            own[at] = values[row, label]
        self.leave_out(values, w, row, label, self.others)
        return self.ops.xp.exp(values, out=values)

    def span_loss(self, weight: float, anchor: float) -> Any:
        """RETURNS (Any): The loss of spans, with its weights. Its gradient is added."""
        xp, margins = self.ops.xp, self.margins
        spans = margins.spans()
        n, n_labels = len(spans.a), len(margins.units)
        widths = spans.distances()
        own = xp.zeros((len(self.targets.label),), dtype=spans.a.dtype)
        sums = xp.zeros((n, n_labels), dtype=spans.a.dtype)
        keep = n * n_labels * len(widths) <= KEPT
        kept = []
        for w in widths:
            odds = self.odds(spans, w, own)
            sums[: n - w] += odds
            if keep:
                kept.append(odds)
        loss, beside, d_own = self.compare(margins.of_texts(sums), own)
        loss, beside = loss * weight, margins.at_rows(beside * weight)
        gradient = spans.backward(self.gradients)
        for w in widths:
            d_values = kept[w] if keep else self.odds(spans, w, own)
            d_values *= beside[: n - w]
            if w in self._of_width:
                at = self.ops.asarray(self._of_width[w])
                self.add_at(d_values, self._start[at], self._label[at], d_own[at] * weight)
                if anchor:
                    loss = loss + self.anchor_loss(spans, w, at, anchor, d_values)
            gradient.add(w, d_values)
        gradient.finish()
        return loss

    def anchor_loss(
        self, spans: SpanMargins, w: int, at: ArrayXd, weight: float, d_values: Floats2d
    ) -> Any:
        """The cross-entropy of the label of each entity of one width against the labels that its
        span does not have. The gradient is added to that of the margins.

        RETURNS (Any): The loss.
        """
        xp = self.ops.xp
        row, label, counts = self._start[at], self._label[at], self._of_entity[at] * weight
        values = spans.at_width(w)
        own = values[row, label]
        self.leave_out(values, w, row, label, "negative")
        rivals = values[row]
        top = xp.maximum(rivals.max(axis=1), own)
        odds = xp.exp(rivals - top[:, None])
        total = odds.sum(axis=1) + xp.exp(own - top)
        loss = ((top + xp.log(total) - own) * counts).sum()
        d_rivals = odds / total[:, None] * counts[:, None]
        self.ops.scatter_add(d_values, row, d_rivals)
        self.add_at(d_values, row, label, (xp.exp(own - top) / total - 1) * counts)
        return loss
