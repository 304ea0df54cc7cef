import math
from functools import partial
from typing import Any, Optional, Tuple

from thinc.api import Ops
from thinc.types import ArrayXd, Floats2d

from .pairs import PairLoss, cosine_loss, prepare

# The least squared distance.
NEAR = 1e-7


def make_distance_logistic(
    margin: float = 1.0, label_smoothing: float = 0.001, temperature: float = 1.0
) -> PairLoss:
    """Configure `distance_logistic`.

    margin (float): The distance, over the temperature, around which two rows begin to differ.
    label_smoothing (float): How far the targets are from 0 and 1, both together.
    temperature (float): Divides the distances. On the unit sphere they are 2 at most, so that
        with 1, as published, even opposite rows are called alike with a probability of 0.368 (for
        a margin of 1), and only opposite counts as different. With 0.25 rows at a right angle
        differ.
    RETURNS (PairLoss): The loss.
    """
    if not 0.01 <= temperature <= 100:
        raise ValueError(f"temperature is {temperature}, but must lie between 0.01 and 100.")
    if not 0 <= margin <= 50:
        raise ValueError(f"margin is {margin}, but must lie between 0 and 50.")
    if not 0.0 <= label_smoothing < 1.0:
        raise ValueError(f"label_smoothing is {label_smoothing}, but must lie in [0, 1).")
    return partial(
        distance_logistic, margin=margin, label_smoothing=label_smoothing, temperature=temperature
    )


def distance_logistic(
    ops: Ops,
    rows: Floats2d,
    labels: ArrayXd,
    *,
    maybe: Optional[ArrayXd] = None,
    margin: float = 1.0,
    label_smoothing: float = 0.001,
    temperature: float = 1.0,
) -> Tuple[ArrayXd, Floats2d]:
    """Call pairs of rows alike or not by their distance. With D the Euclidean distance of two
    unit rows over the temperature, the probability that they are alike is

        p = (1 + e^-margin) / (1 + e^(D - margin))

    and the loss -y log(p) - (1 - y) log(1 - p), with y = 1 for positives and 0 for negatives,
    smoothed. Positives and negatives weigh the same: the loss is half the mean of each, less the
    least that can be reached.

    ops (Ops): The backend.
    rows (Floats2d): The rows. [n, width]
    labels (ArrayXd): Which labels each row has. [n, L]
    maybe (Optional[ArrayXd]): Which it may have besides, where annotation is missing. [n, L]
    margin, label_smoothing, temperature: See `make_distance_logistic`.
    RETURNS (Tuple[ArrayXd, Floats2d]): The loss (0-d) and its gradient.
    """
    xp = ops.xp
    rows, relations = prepare(ops, rows, labels, maybe)
    m = relations.n_queries
    n_positive = max(1, relations.n_positive.sum())
    n_negative = max(1, relations.n_negative.sum())
    target, other = 1.0 - label_smoothing / 2, label_smoothing / 2
    floor_positive = _least(target, margin, temperature)
    floor_negative = _least(other, margin, temperature)

    pull = 0.5 / n_positive
    push = 0.5 / n_negative

    def step(
        cosines: Floats2d, positive: ArrayXd, negative: ArrayXd, queries: slice
    ) -> Tuple[ArrayXd, Floats2d]:
        # The squared distance on the sphere, which rounding can make too small.
        distance = cosines
        distance *= -2
        distance += 2
        far = distance > NEAR
        xp.maximum(distance, NEAR, out=distance)
        xp.sqrt(distance, out=distance)
        distance /= temperature
        alike, unlike, d_alike, d_unlike = _log_odds(xp, distance, margin)
        near = target * alike[:, :m] + (1 - target) * unlike[:, :m] + floor_positive
        d_near = target * d_alike[:, :m] + (1 - target) * d_unlike[:, :m]
        losses, slope = unlike, d_unlike
        if other:
            losses = (1 - other) * unlike + other * alike
            slope = (1 - other) * d_unlike + other * d_alike
        losses += floor_negative
        losses *= negative
        near *= positive
        loss = -push * losses.sum(dtype="float64") - pull * near.sum(dtype="float64")
        slope *= negative
        slope *= -push
        d_near *= positive
        d_near *= pull
        slope[:, :m] -= d_near
        # dD / dcosine = -1 / (D temperature^2)
        slope *= far
        slope /= distance
        slope *= -1 / temperature**2
        return loss, slope

    return cosine_loss(ops, rows, 1.0, relations, step)


def _log_odds(xp: Any, D: Floats2d, margin: float) -> Tuple[Floats2d, Floats2d, Floats2d, Floats2d]:
    """log(p), log(1 - p) and their slopes. With E = e^-D,
    log(p) = log(1 + e^-margin) - log(1 + e^(D - margin)) and
    log(1 - p) = log(1 - E) - log(1 + e^margin E)."""
    E = xp.exp(-D)
    rest = -xp.expm1(-D)
    E *= math.exp(margin)
    E += 1
    both = xp.log(E)
    alike = (math.log1p(math.exp(-margin)) + margin) - both
    alike -= D
    unlike = xp.log(rest)
    unlike -= both
    d_alike = xp.divide(-1, E, out=E)
    d_unlike = xp.divide(1, rest, out=rest)
    d_unlike += d_alike
    return alike, unlike, d_alike, d_unlike


def _least(target: float, margin: float, temperature: float) -> float:
    """The least loss that a pair of unit rows can have."""
    top = 1 + math.exp(-margin)
    p_min = top / (1 + math.exp(2 / temperature - margin)) if 2 / temperature < 700 else 0.0
    p_max = top / (1 + math.exp(math.sqrt(NEAR) / temperature - margin))
    p = min(max(target, p_min), p_max)
    loss = 0.0
    if target > 0:
        loss -= target * math.log(p)
    if target < 1:
        loss -= (1 - target) * math.log1p(-p)
    return loss
