from typing import Any, NamedTuple, Sequence, Tuple

import numpy
from thinc.api import Ops
from thinc.types import ArrayXd, Floats1d, Floats2d, Floats3d

# Scales are learned as logarithms, and held under these: exp() of any difference of two scores, summed
# over millions of spans, then fits into single precision.
LARGEST_SCALE = 30.0
LARGEST_FIT = 10.0

# Rows shorter than this have no direction.
SHORT = 1e-6

# The places of the scales, and of the first three among the vectors of a label.
START, END, SPAN, FIT = range(4)


class Space(NamedTuple):
    """What spans are compared with.

    types (Floats3d): The vectors of each label, for starts, ends and spans. [K, 3, D]
    widths (Floats2d): What the width of a span adds to its vector. [W, D]
    scales (Floats1d): Logarithms of the scales of starts, ends, spans, and of how well the first
        and the last token go together. [4]
    """

    types: Floats3d
    widths: Floats2d
    scales: Floats1d


class Texts(NamedTuple):
    """Where the texts of a batch lie among its rows.

    first (numpy.ndarray): The row that stands for each text as a whole. [B]
    text (numpy.ndarray): The text of each row. [n]
    end (numpy.ndarray): The row after the last of its text, for each row; 0 for rows that stand for
        a text, which begin no span. [n]
    """

    first: numpy.ndarray
    text: numpy.ndarray
    end: numpy.ndarray

    @classmethod
    def of(cls, n_tokens: Sequence[int]) -> "Texts":
        """RETURNS (Texts): Where texts of so many tokens lie."""
        sizes = numpy.asarray(n_tokens, dtype="int64") + 1
        ends = numpy.cumsum(sizes)
        first = ends - sizes
        end = numpy.repeat(ends, sizes)
        end[first] = 0
        return cls(first, numpy.repeat(numpy.arange(len(sizes)), sizes), end)


def products(ops: Ops, rows: Floats2d, vectors: Floats2d) -> Floats2d:
    """All dot products. Thinc's product of matrices gives the same bits for a vector whatever stands
    beside it, so that the scores of a label do not depend on the others; it has single precision only.

    rows (Floats2d): [n, D]
    vectors (Floats2d): [K, D]
    RETURNS (Floats2d): [n, K]
    """
    if rows.dtype == "float32":
        return ops.gemm(rows, ops.xp.ascontiguousarray(vectors), trans2=True)
    return rows @ vectors.T


class Cosines:
    """Scaled cosines of rows with vectors of unit length, and their gradient.

    rows (Floats2d): The rows. [n, D]
    units (Floats2d): Vectors of unit length. [K, D]
    scale (float): What cosines are multiplied with.
    """

    def __init__(self, ops: Ops, rows: Floats2d, units: Floats2d, scale: float) -> None:
        xp = ops.xp
        self.rows, self.units, self.scale = rows, units, scale
        self.inverse = 1 / xp.sqrt(xp.maximum((rows * rows).sum(axis=1, keepdims=True), SHORT**2))
        self.scores = products(ops, rows, units) * (self.inverse * scale)

    def backprop(self, d_scores: Floats2d) -> Tuple[Floats2d, Floats2d, ArrayXd]:
        """RETURNS (Tuple[Floats2d, Floats2d, ArrayXd]): The gradients of the rows, of the vectors
        and of the logarithm of the scale.
        """
        along = d_scores * self.scores
        sums = along.sum(axis=1, keepdims=True)
        d_products = d_scores * (self.inverse * self.scale)
        d_rows = d_products @ self.units - self.rows * (sums * self.inverse * self.inverse)
        return d_rows, d_products.T @ self.rows, along.sum()


def unit_vectors(ops: Ops, vectors: ArrayXd) -> Tuple[ArrayXd, ArrayXd]:
    """RETURNS (Tuple[ArrayXd, ArrayXd]): The vectors at unit length, and one over their lengths."""
    squares = (vectors * vectors).sum(axis=-1, keepdims=True)
    inverse = 1 / ops.xp.sqrt(ops.xp.maximum(squares, SHORT**2))
    return vectors * inverse, inverse


def backprop_unit_vectors(units: ArrayXd, inverse: ArrayXd, d_units: ArrayXd) -> ArrayXd:
    """RETURNS (ArrayXd): The gradient of the vectors that `unit_vectors` was given."""
    along = (d_units * units).sum(axis=-1, keepdims=True)
    return (d_units - units * along) * inverse


def softplus(xp: Any, X: ArrayXd) -> Tuple[ArrayXd, ArrayXd]:
    """RETURNS (Tuple[ArrayXd, ArrayXd]): log(1 + exp(X)) and its slope, the logistic function, both
    without overflow.
    """
    small = xp.exp(-xp.abs(X))
    slope = xp.where(X > 0, xp.ones_like(small), small) / (1 + small)
    return xp.maximum(X, 0) + xp.log1p(small), slope
