from functools import partial
from typing import Any, Optional, Tuple

import numpy
from thinc.api import Ops
from thinc.types import ArrayXd, Floats2d

from .checks import require_positive
from .pairs import PairLoss, cosine_loss, masked_softmax, prepare

REDUCTIONS = ("pairs", "labels")


def make_info_nce(temperature: float = 0.1, reduction: str = "pairs") -> PairLoss:
    """Configure `info_nce`.

    temperature (float): Divides the cosines.
    reduction (str): "pairs": the mean over all pairs of positives. "labels": the mean over the
        pairs that share a label, summed over the labels, so that rare labels count as much.
    RETURNS (PairLoss): The loss.
    """
    require_positive(temperature=temperature)
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction is {reduction!r}, but must be one of {', '.join(REDUCTIONS)}.")
    return partial(info_nce, temperature=temperature, reduction=reduction)


def info_nce(
    ops: Ops,
    rows: Floats2d,
    labels: ArrayXd,
    *,
    maybe: Optional[ArrayXd] = None,
    temperature: float = 0.1,
    reduction: str = "pairs",
) -> Tuple[ArrayXd, Floats2d]:
    """Tell each positive of a row from all its negatives. With s the cosine over the temperature,
    for row i and its positive j:

        -log(e^s_ij / (e^s_ij + sum_n e^s_in)) = softplus(logsumexp_n s_in - s_ij)

    where n runs over the negatives of i. Rows without negatives do not count.

    ops (Ops): The backend.
    rows (Floats2d): The rows. [n, width]
    labels (ArrayXd): Which labels each row has. [n, L]
    maybe (Optional[ArrayXd]): Which it may have besides, where annotation is missing. [n, L]
    temperature, reduction: See `make_info_nce`.
    RETURNS (Tuple[ArrayXd, Floats2d]): The loss (0-d) and its gradient.
    """
    xp = ops.xp
    rows, relations = prepare(ops, rows, labels, maybe)
    m = relations.n_queries
    counted = relations.n_negative > 0
    by_label = reduction == "labels"
    n_pairs = relations.pairs_of_label() if by_label else relations.n_positive[counted].sum()
    share = counted / numpy.maximum(1, 0 if by_label else n_pairs)
    of_row = ops.asarray(share.astype(rows.dtype))
    if by_label:
        has = relations.has[relations.kind[:m]]
        with_label = ops.asarray(has.astype(rows.dtype))
        of_label = ops.asarray((has / numpy.maximum(1, n_pairs)).astype(rows.dtype))

    def step(
        scores: Floats2d, positive: ArrayXd, negative: ArrayXd, queries: slice
    ) -> Tuple[ArrayXd, Floats2d]:
        weight = positive * of_row[queries][:, None]
        if by_label:
            weight *= of_label[queries] @ with_label.T
        against, d_scores = masked_softmax(xp, scores, negative)
        losses, slope = _softplus(xp, against[:, None] - scores[:, :m])
        losses *= weight
        slope *= weight
        d_scores *= slope.sum(axis=1, keepdims=True)
        d_scores[:, :m] -= slope
        return losses.sum(dtype="float64"), d_scores

    return cosine_loss(ops, rows, temperature, relations, step)


def _softplus(xp: Any, X: Floats2d) -> Tuple[Floats2d, Floats2d]:
    """log(1 + e^x) and its slope, for any x, also -inf."""
    rest = xp.abs(X)
    rest *= -1
    xp.exp(rest, out=rest)
    slope = xp.where(X >= 0, xp.asarray(1, dtype=X.dtype), rest)
    rest += 1
    slope /= rest
    xp.log(rest, out=rest)
    rest += xp.maximum(X, 0)
    return rest, slope
