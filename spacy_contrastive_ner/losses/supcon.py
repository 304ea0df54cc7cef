from functools import partial
from typing import Optional, Tuple

import numpy
from thinc.api import Ops
from thinc.types import ArrayXd, Floats2d

from .checks import require_positive
from .pairs import PairLoss, cosine_loss, masked_softmax, prepare


def make_supcon(temperature: float = 0.1) -> PairLoss:
    """Configure `supcon`.

    temperature (float): Divides the cosines.
    RETURNS (PairLoss): The loss.
    """
    require_positive(temperature=temperature)
    return partial(supcon, temperature=temperature)


def supcon(
    ops: Ops,
    rows: Floats2d,
    labels: ArrayXd,
    *,
    maybe: Optional[ArrayXd] = None,
    temperature: float = 0.1,
) -> Tuple[ArrayXd, Floats2d]:
    """Supervised contrast. With s the cosine over the temperature, P the positives of row i and A
    these and its negatives, the mean over the rows that have a positive of

        -1 / |P| * sum_p log(e^s_ip / sum_a e^s_ia) - log |P|

    The last term is the least that the rest can be, so that the loss can come down to 0.

    ops (Ops): The backend.
    rows (Floats2d): The rows. [n, width]
    labels (ArrayXd): Which labels each row has. [n, L]
    maybe (Optional[ArrayXd]): Which it may have besides, where annotation is missing. [n, L]
    temperature: See `make_supcon`.
    RETURNS (Tuple[ArrayXd, Floats2d]): The loss (0-d) and its gradient.
    """
    xp = ops.xp
    rows, relations = prepare(ops, rows, labels, maybe)
    m = relations.n_queries
    n = max(1, m)
    share = ops.asarray((1.0 / relations.n_positive).astype(rows.dtype))
    floor = ops.asarray(numpy.log(relations.n_positive).astype(rows.dtype))

    def step(
        scores: Floats2d, positive: ArrayXd, negative: ArrayXd, queries: slice
    ) -> Tuple[ArrayXd, Floats2d]:
        compared = negative
        compared[:, :m] |= positive
        against, d_scores = masked_softmax(xp, scores, compared)
        weight = positive * share[queries][:, None]
        d_scores[:, :m] -= weight
        d_scores /= n
        weight *= scores[:, :m]
        near = weight.sum(axis=1)
        return (against - near - floor[queries]).sum(dtype="float64") / n, d_scores

    return cosine_loss(ops, rows, temperature, relations, step)
