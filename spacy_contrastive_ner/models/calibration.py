"""Probabilities of the bi-encoder that mean what they say, learned on documents it was not trained on."""

from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import Model

from .. import spans
from ..annotations import Gold
from .label_vectors import margins_of
from .listeners import require_rows

# Spans with lower margins are not looked at: an entity among them would be a wonder.
LOWEST = -8.0

# A label with fewer entities stays as it is.
FEWEST = 5

BATCH = 64


class Curves(NamedTuple):
    """How margins become probabilities, by label: that of a margin x is the logistic function of
    `slope * (x - offset) + shift`.

    offsets, slopes, shifts (numpy.ndarray): float64. [K]
    """

    offsets: numpy.ndarray
    slopes: numpy.ndarray
    shifts: numpy.ndarray

    @classmethod
    def of(cls, model: Model) -> "Curves":
        """RETURNS (Curves): Those of a bi-encoder."""
        names = model.attrs["names"]
        offsets = numpy.asarray([model.attrs["offsets"].get(label, 0.0) for label in names])
        curves = [model.attrs["calibration"].get(label, (1.0, 0.0)) for label in names]
        return cls(offsets, *numpy.asarray(curves, dtype="float64").reshape((-1, 2)).T)

    def logits(self, margins: numpy.ndarray, label: Any = slice(None)) -> numpy.ndarray:
        """RETURNS (numpy.ndarray): The logits of the probabilities of margins, of these labels."""
        offsets, slopes, shifts = (column[label] for column in self)
        return slopes * (margins - offsets) + shifts

    def margins(self, logit: Any) -> numpy.ndarray:
        """RETURNS (numpy.ndarray): The margin of each label that has this logit, or its own. [K]"""
        return self.offsets + (logit - self.shifts) / self.slopes


def calibrate(model: Model, docs: Sequence[Doc], gold: Sequence[Gold]) -> Dict[str, int]:
    """Fit the probabilities of each label to the entities of some documents: a logistic function of
    the margin, after Platt. What spans are found at a threshold of 0.5 may change by it.

    model (Model): The bi-encoder.
    docs (Sequence[Doc]): Documents that it was not trained on, as the pipeline sees them.
    gold (Sequence[Gold]): Their entities.
    RETURNS (Dict[str, int]): How many entities each label was fitted to; labels that are not named
        have too few, or margins that say nothing, and stay as they are.
    """
    require_rows(model, docs)
    names = model.attrs["names"]
    margins: List[List[numpy.ndarray]] = [[] for _ in names]
    truths: List[List[numpy.ndarray]] = [[] for _ in names]
    for first in range(0, len(docs), BATCH):
        some = list(docs[first : first + BATCH])
        for k, (m, y) in enumerate(_look(model, some, gold[first : first + BATCH])):
            margins[k].append(m)
            truths[k].append(y)
    fitted: Dict[str, int] = {}
    curves = dict(model.attrs["calibration"])
    for k, label in enumerate(names):
        m, y = (numpy.concatenate(parts or [numpy.zeros(0)]) for parts in (margins[k], truths[k]))
        n = int(y.sum())
        if n < FEWEST or n == len(y):
            continue
        slope, shift = fit_logistic(m - model.attrs["offsets"].get(label, 0.0), y)
        if slope > 0:
            curves[label] = [slope, shift]
            fitted[label] = n
    model.attrs["calibration"] = curves
    return fitted


def _look(
    model: Model, docs: List[Doc], gold: Sequence[Gold]
) -> List[Tuple[numpy.ndarray, numpy.ndarray]]:
    """For each label, the margins of all spans that matter, and whether they are entities. Spans over
    text that is not annotated are left out."""
    names = model.attrs["names"]
    margins = margins_of(model, model.predict(docs))
    found = spans.decode(model.ops, margins, numpy.full(len(names), LOWEST))
    index = {label: i for i, label in enumerate(names)}
    true = {
        (d, start, end, index[label])
        for d, doc in enumerate(gold)
        for start, end, label in doc.spans
        if label in index
    }
    unknown = spans.targets(
        names,
        len(margins.space.widths),
        margins.n_tokens,
        [[] for _ in gold],
        [doc.missing for doc in gold],
    ).unknown
    columns = zip(*(column.tolist() for column in found[:4]))
    is_true = numpy.asarray([place in true for place in columns], dtype="bool")
    known = numpy.ones(len(is_true), dtype="bool")
    if unknown is not None:
        row = margins.texts.first[found.document] + 1
        over = unknown[row + found.end, found.label] - unknown[row + found.start, found.label]
        known = is_true | (over == 0)
    out = []
    for k in range(len(names)):
        mine = known & (found.label == k)
        out.append((found.probability[mine].astype("float64"), is_true[mine]))
    return out


def fit_logistic(x: numpy.ndarray, y: numpy.ndarray) -> Tuple[float, float]:
    """Fit `p = 1 / (1 + exp(-(slope x + shift)))` by the largest likelihood, with targets that are
    drawn in a little, so that classes that can be told apart do not send the slope to infinity.

    x (numpy.ndarray): Some numbers.
    y (numpy.ndarray): Whether each is positive.
    RETURNS (Tuple[float, float]): Slope and shift.
    """
    n_true, n_false = int(y.sum()), int((~y).sum())
    target = numpy.where(y, (n_true + 1) / (n_true + 2), 1 / (n_false + 2))
    scale = max(1e-6, float(numpy.abs(x).max(initial=0.0)))
    A = numpy.stack((x / scale, numpy.ones_like(x)), axis=1)
    beta = numpy.zeros(2)

    def loss(values: numpy.ndarray) -> float:
        z = A @ values
        return float((numpy.logaddexp(0, z) - target * z).sum())

    for _ in range(100):
        p = 1 / (1 + numpy.exp(-numpy.clip(A @ beta, -500, 500)))
        gradient = A.T @ (p - target)
        curvature = (A * (p * (1 - p))[:, None]).T @ A + 1e-9 * numpy.eye(2)
        step = numpy.linalg.solve(curvature, gradient)
        before = loss(beta)
        while loss(beta - step) > before:
            step = step / 2
        beta = beta - step
        if numpy.abs(step).max() < 1e-9:
            break
    return float(beta[0] / scale), float(beta[1])
