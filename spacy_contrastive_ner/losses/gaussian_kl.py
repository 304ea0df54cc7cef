from functools import partial
from typing import Any, Optional, Tuple

from thinc.api import Ops
from thinc.types import ArrayXd, Floats2d

from .checks import require_positive
from .pairs import PairLoss, compare, masked_softmax, prepare


def make_gaussian_kl(width: Optional[int] = None, temperature: float = 1.0) -> PairLoss:
    """Configure `gaussian_kl`.

    width (Optional[int]): The number of means of a row, as many as there are variances. If None,
        half the width of the rows.
    temperature (float): Divides the distances.
    RETURNS (PairLoss): The loss.
    """
    require_positive(temperature=temperature)
    if width is not None and width < 1:
        raise ValueError(f"width is {width}, but must be at least 1.")
    return partial(gaussian_kl, width=width, temperature=temperature)


def gaussian_kl(
    ops: Ops,
    rows: Floats2d,
    labels: ArrayXd,
    *,
    maybe: Optional[ArrayXd] = None,
    width: Optional[int] = None,
    temperature: float = 1.0,
) -> Tuple[ArrayXd, Floats2d]:
    """Contrast of Gaussians. A row holds means m and variances v; the distance of two rows is the
    symmetric divergence

        d = 1/4 * sum(va / vb + vb / va + (ma - mb)^2 * (1 / va + 1 / vb)) - width / 2

    and the loss, with P the positives of a row and A these and its negatives, the mean over the
    rows that have a positive of -log(sum_P e^-d / sum_A e^-d). That is the loss of the papers less
    the least it can be, log |P|.

    ops (Ops): The backend.
    rows (Floats2d): Means and variances, side by side. [n, 2 * width]
    labels (ArrayXd): Which labels each row has. [n, L]
    maybe (Optional[ArrayXd]): Which it may have besides, where annotation is missing. [n, L]
    width, temperature: See `make_gaussian_kl`.
    RETURNS (Tuple[ArrayXd, Floats2d]): The loss (0-d) and its gradient.
    """
    xp = ops.xp
    rows, relations = prepare(ops, rows, labels, maybe)
    size = rows.shape[1] // 2
    if rows.shape[1] % 2 or (width is not None and width != size):
        raise ValueError(
            f"The rows have {rows.shape[1]} columns, but GaussianKL needs {width or 'n'} means "
            f"and {width or 'n'} variances. Use GaussianProjection with the same width."
        )
    if bool((rows[:, size:] <= 0).any()):
        raise ValueError(
            "GaussianKL was given variances that are not above 0. Set projection to "
            "GaussianProjection.v1 in [pretraining.objective]."
        )
    m = n = relations.n_queries
    if not n:
        return xp.zeros((), dtype="float64"), xp.zeros_like(rows)
    # Only differences of means matter, and small means lose fewer digits.
    mean, var = rows[:, :size] - rows[:, :size].mean(axis=0, keepdims=True), rows[:, size:]
    left, right = as_products(xp, mean, var)
    inverse, scaled = right[:, :size], right[:, 2 * size : 3 * size]

    def step(
        distances: Floats2d, positive: ArrayXd, negative: ArrayXd, queries: slice
    ) -> Tuple[ArrayXd, Floats2d]:
        scores = distances
        scores *= -0.25 / temperature
        compared = negative
        compared[:, :m] |= positive
        near, d_near = masked_softmax(xp, scores[:, :m], positive)
        against, d_scores = masked_softmax(xp, scores, compared)
        d_scores[:, :m] -= d_near
        d_scores *= -0.25 / (temperature * n)
        return (against - near).sum(dtype="float64") / n, d_scores

    loss, d_left, d_right = compare(ops, left, right, relations, step)
    d_square, d_inverse, d_mean, d_scaled = (d_left[:, i * size : (i + 1) * size] for i in range(4))
    d_own = d_left[:, -2:-1] + d_right[:, -1:]
    d_inverse = d_inverse + d_right[:, :size]
    d_square = d_square + d_right[:, size : 2 * size]
    d_scaled = d_right[:, 2 * size : 3 * size] - 2 * d_scaled + d_own * mean
    d_mean = d_right[:, 3 * size : 4 * size] - 2 * d_mean + d_own * scaled
    d_mean += 2 * mean * d_square + d_scaled * inverse
    d_inverse += d_scaled * mean
    d_var = d_square - d_inverse * inverse * inverse
    return loss, xp.concatenate((d_mean, d_var), axis=1)


def as_products(xp: Any, mean: Floats2d, var: Floats2d) -> Tuple[Floats2d, Floats2d]:
    """Write Gaussians so that four times the distances of all pairs are one product of matrices,
    `left @ right.T`.

    mean, var (Floats2d): Means and variances. [n, width]
    RETURNS (Tuple[Floats2d, Floats2d]): Left and right. [n, 4 * width + 2] each
    """
    size = mean.shape[1]
    inverse = 1 / var
    square = var + mean * mean
    scaled = mean * inverse
    one = xp.ones((len(mean), 1), dtype=mean.dtype)
    own = (mean * scaled).sum(axis=1, keepdims=True)
    left = xp.concatenate((square, inverse, mean * -2, scaled * -2, own, one), axis=1)
    right = xp.concatenate((inverse, square, scaled, mean, one, own - 2 * size), axis=1)
    return left, right
