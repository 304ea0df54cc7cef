"""What all losses over pairs of rows share: which pairs count, and the walk over them in blocks."""

from typing import Any, Callable, Optional, Tuple

import numpy
from thinc.api import Ops
from thinc.types import ArrayXd, Floats1d, Floats2d

# A loss of rows: f(ops, rows, labels, maybe=None) -> (loss, d_rows).
PairLoss = Callable[..., Tuple[ArrayXd, Floats2d]]

# About so many pairs are compared at once, which bounds the memory; few enough for the cache of a
# processor.
BLOCK = 2**18

# Rows shorter than this have no direction.
SHORT = 1e-8


class Relations:
    """Which rows are positives of one another, and which negatives.

    Two rows are positives if they share a label. They are negatives if they share none, cannot
    share one as far as is known, and at least one of them has a label: nothing is known of two
    rows without labels. A row is not compared with itself.

    Rows with the same labels relate alike, so all is worked out for the distinct patterns of
    labels. The queries, which are rows with a positive, come first, sorted by pattern.

    labels (ArrayXd): Which labels each row has. [n, L]
    maybe (Optional[ArrayXd]): Which labels each row may have besides, where annotation is
        missing. [n, L]
    """

    def __init__(self, labels: numpy.ndarray, maybe: Optional[numpy.ndarray] = None) -> None:
        has = labels.astype("bool")
        may = has if maybe is None else has | maybe.astype("bool")
        kinds, kind = _distinct(numpy.concatenate((has, may), axis=1))
        self.has, self.may = numpy.split(kinds.astype("float32"), 2, axis=1)
        self.sizes = numpy.bincount(kind, minlength=len(kinds))
        labelled: Any = self.has.any(axis=1)
        # How many positives and negatives a row of each kind has.
        positive, negative = numpy.zeros((2, len(kinds)), dtype="int64")
        for some in self._some_kinds():
            share, differ = self._relate(some)
            positive[some] = share @ self.sizes - labelled[some]
            negative[some] = differ @ self.sizes
        is_query = positive > 0
        self.order = numpy.lexsort((kind, ~is_query[kind]))
        self.kind = kind[self.order]
        self.n_queries = int(is_query[kind].sum())
        queries = self.kind[: self.n_queries]
        self.n_positive, self.n_negative = positive[queries], negative[queries]
        self.positives_of_kind, self.negatives_of_kind = positive, negative

    def _some_kinds(self) -> Any:
        step = max(1, BLOCK // max(1, len(self.has)))
        return (slice(i, i + step) for i in range(0, len(self.has), step))

    def _relate(self, kinds: Any) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """Whether kinds are positives and negatives of all others. [kinds, all kinds], bool"""
        share: Any = self.has[kinds] @ self.has.T > 0
        differ: Any = self.may[kinds] @ self.may.T == 0
        known: Any = self.has.any(axis=1)
        differ &= known[kinds][:, None] | known
        return share, differ

    def pairs_of_label(self) -> numpy.ndarray:
        """RETURNS (numpy.ndarray): How many ordered pairs of positives share each label, of
        queries that have negatives. [L]"""
        counts = self.sizes[:, None] * self.has
        others = counts.sum(axis=0) - 1
        return (counts * (self.negatives_of_kind > 0)[:, None]).sum(axis=0) * others

    def block(self, ops: Ops, queries: slice) -> Tuple[ArrayXd, ArrayXd]:
        """The relations of some queries with all rows, in the order of `order`.

        RETURNS (Tuple[ArrayXd, ArrayXd]): Which of the queries are positives
            [block, n_queries], and which of all rows negatives [block, n]. Both bool.
        """
        kinds, row = numpy.unique(self.kind[queries], return_inverse=True)
        share, differ = self._relate(kinds)
        row = ops.asarray(row)
        positive = ops.asarray(share[:, self.kind[: self.n_queries]])[row]
        own = ops.xp.arange(queries.stop - queries.start)
        positive[own, own + queries.start] = False
        return positive, ops.asarray(differ[:, self.kind])[row]


def _distinct(patterns: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """The distinct rows of a boolean matrix, and for each row which of them it is."""
    packed = numpy.ascontiguousarray(numpy.packbits(patterns, axis=1))
    if not packed.size:
        return patterns[:1], numpy.zeros(len(patterns), dtype="int64")
    keys = packed.view(f"V{packed.shape[1]}").ravel()
    _, first, kind = numpy.unique(keys, return_index=True, return_inverse=True)
    return patterns[first], kind.ravel()


# The loss of a block of queries, and its gradient with respect to their scores:
# step(scores [block, n], positive [block, n_queries], negative [block, n], queries).
Step = Callable[[Floats2d, ArrayXd, ArrayXd, slice], Tuple[ArrayXd, Floats2d]]


def compare(
    ops: Ops, left: Floats2d, right: Floats2d, relations: Relations, step: Step
) -> Tuple[ArrayXd, Floats2d, Floats2d]:
    """Compute a loss of the scores `left @ right.T` of all queries with all rows, block by block,
    so that memory grows with rows x block.

    ops (Ops): The backend.
    left, right (Floats2d): Each row as a query, and as one that is compared with. [n, width]
    relations (Relations): Which pairs count.
    step (Step): The loss of a block.
    RETURNS (Tuple[ArrayXd, Floats2d, Floats2d]): The loss and the gradients of left and right.
    """
    xp = ops.xp
    loss = xp.zeros((), dtype="float64")
    d_left, d_right = xp.zeros_like(left), xp.zeros_like(right)
    n, n_queries = len(left), relations.n_queries
    if not n_queries:
        return loss, d_left, d_right
    order = ops.asarray(relations.order)
    left, right = left[order[:n_queries]], right[order]
    d_queries, d_rows = xp.zeros_like(left), xp.zeros_like(right)
    size = max(1, BLOCK // n)
    for start in range(0, n_queries, size):
        queries = slice(start, min(start + size, n_queries))
        positive, negative = relations.block(ops, queries)
        part, d_scores = step(left[queries] @ right.T, positive, negative, queries)
        loss += part
        d_queries[queries] = d_scores @ right
        d_rows += d_scores.T @ left[queries]
    d_left[order[:n_queries]] = d_queries
    d_right[order] = d_rows
    return loss, d_left, d_right


def prepare(
    ops: Ops, rows: Floats2d, labels: ArrayXd, maybe: Optional[ArrayXd]
) -> Tuple[Floats2d, Relations]:
    """Check the arguments of a loss.

    RETURNS (Tuple[Floats2d, Relations]): The rows as floats, and how they relate.
    """
    if rows.dtype.kind != "f":
        rows = rows.astype("float32")
    for name, array in (("labels", labels), ("maybe", maybe)):
        if array is not None and (array.ndim != 2 or len(array) != len(rows)):
            raise ValueError(
                f"There are {len(rows)} rows, but the shape of {name} is {tuple(array.shape)}: it "
                "must have one row for each of them and one column for each label."
            )
    return rows, Relations(ops.to_numpy(labels), None if maybe is None else ops.to_numpy(maybe))


def unit_rows(ops: Ops, rows: Floats2d) -> Tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    """Scale each row to length 1. A row of zeros stays as it is and gets no gradient.

    RETURNS (Tuple[Floats2d, Callable]): The unit rows, and the way back for gradients.
    """
    xp = ops.xp
    if not rows.size:
        return rows, lambda d_unit: d_unit
    # The squares of large entries are infinite, so a power of two is taken out, which costs no digit.
    _, exponent = xp.frexp(xp.abs(rows).max(axis=1, keepdims=True))
    down = xp.ldexp(xp.ones(exponent.shape, dtype=rows.dtype), -xp.maximum(exponent, 0))
    unit = rows * down
    length = xp.sqrt((unit * unit).sum(axis=1, keepdims=True))
    scale = (length > SHORT) / xp.maximum(length, SHORT)
    scale = scale.astype(rows.dtype)
    unit *= scale

    def backprop(d_unit: Floats2d) -> Floats2d:
        along = (d_unit * unit).sum(axis=1, keepdims=True)
        return (d_unit - along * unit) * scale * down

    return unit, backprop


def cosine_loss(
    ops: Ops, rows: Floats2d, temperature: float, relations: Relations, step: Step
) -> Tuple[ArrayXd, Floats2d]:
    """A loss of the cosines of rows, over a temperature.

    RETURNS (Tuple[ArrayXd, Floats2d]): The loss and the gradient of the rows.
    """
    unit, backprop = unit_rows(ops, rows)
    loss, d_left, d_right = compare(ops, unit / temperature, unit, relations, step)
    d_left /= temperature
    d_left += d_right
    return loss, backprop(d_left)


def masked_softmax(xp: Any, scores: Floats2d, among: ArrayXd) -> Tuple[Floats1d, Floats2d]:
    """The log of the sum of e^score over some of the scores of each line, and their softmax, 0
    elsewhere. Where there are none, the former is -inf.

    scores (Floats2d): The scores. [block, n]
    among (ArrayXd): Which of them count. [block, n], bool
    RETURNS (Tuple[Floats1d, Floats2d]): [block], [block, n]
    """
    shares = xp.where(among, scores, xp.asarray(-xp.inf, dtype=scores.dtype))
    top = shares.max(axis=1, keepdims=True)
    top[top == -xp.inf] = 0
    shares -= top
    xp.exp(shares, out=shares)
    total = shares.sum(axis=1, keepdims=True)
    none = total == 0
    total += none
    shares /= total
    top += xp.log(total)
    top[none] = -xp.inf
    return top[:, 0], shares
