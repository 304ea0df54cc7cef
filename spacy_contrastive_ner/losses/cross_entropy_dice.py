from functools import partial
from typing import Any, Callable, Optional, Tuple

from thinc.api import Ops
from thinc.types import ArrayXd, Floats1d, Floats2d, Floats3d

from .checks import require_positive, require_weight

SCOPES = ("token", "batch")

# The score of a tag that cannot be. Finite, so that its difference from others is no NaN.
IMPOSSIBLE = -1e30

Loss = Callable[..., Tuple[ArrayXd, Floats3d]]


def make_cross_entropy_dice(
    alpha: float = 1.0,
    beta: float = 0.0,
    gamma: float = 1e-3,
    scope: str = "token",
    label_smoothing: float = 0.0,
) -> Loss:
    """Configure `cross_entropy_dice`.

    alpha (float): The weight of the cross-entropy over the tags of a track.
    beta (float): The weight of the dice loss over entity or not.
    gamma (float): Smooths the dice loss.
    scope (str): What a dice coefficient is taken over: each "token" or the whole "batch".
    label_smoothing (float): The share of the target that is spread over all tags.
    RETURNS (Loss): The loss.
    """
    if scope not in SCOPES:
        raise ValueError(f"scope is {scope!r}, but must be one of {', '.join(SCOPES)}.")
    require_weight(alpha=alpha, beta=beta)
    require_positive(gamma=gamma)
    if not 0.0 <= label_smoothing < 1.0:
        raise ValueError(f"label_smoothing is {label_smoothing}, but must lie in [0, 1).")
    return partial(
        cross_entropy_dice,
        alpha=alpha,
        beta=beta,
        gamma=gamma,
        scope=scope,
        label_smoothing=label_smoothing,
    )


def cross_entropy_dice(
    ops: Ops,
    scores: Floats3d,
    tags: ArrayXd,
    *,
    allowed: Optional[ArrayXd] = None,
    weights: Optional[ArrayXd] = None,
    legal: Optional[ArrayXd] = None,
    alpha: float = 1.0,
    beta: float = 0.0,
    gamma: float = 1e-3,
    scope: str = "token",
    label_smoothing: float = 0.0,
) -> Tuple[ArrayXd, Floats3d]:
    """Cross-entropy over the tags of each track, plus a dice loss over entity or not:

        alpha * CE + beta * (1 - (2 P Y + gamma) / (P^2 + Y^2 + gamma))

    P is the probability of all tags but O, Y is 1 inside entities. With scope "token" this stands
    for each token; with "batch" the products and squares are summed over all tokens of a track
    first, and each token is given the one dice loss of its track. The loss is the sum over tokens
    and tracks.

    Where annotation is missing, any of the allowed tags may be true: the cross-entropy is that of
    their joint probability, and the dice loss leaves the token out.

    ops (Ops): The backend.
    scores (Floats3d): The score of each tag. [N, K, T]
    tags (ArrayXd): The gold tags. [N, K]
    allowed (Optional[ArrayXd]): The tags that may be true where annotation is missing. [N, K, T]
    weights (Optional[ArrayXd]): What a token counts, by track and gold tag. [K, T]
    legal (Optional[ArrayXd]): The tags that a token can have at all, by default all. The others have
        no probability, no share of the smoothing and no gradient. [N, T], bool.
    alpha, beta, gamma, scope, label_smoothing: See `make_cross_entropy_dice`.
    RETURNS (Tuple[ArrayXd, Floats3d]): The loss (0-d) and its gradient.
    """
    xp = ops.xp
    N, K, T = scores.shape
    # Tags first, so that all that follows works along whole rows of memory. [T, N * K]
    logits = xp.ascontiguousarray(scores.reshape((-1, T)).T)
    shares: Any = 1.0 / T
    if legal is not None:
        can_be = xp.ascontiguousarray(xp.repeat(legal, K, axis=0).T)
        logits = xp.where(can_be, logits, xp.float32(IMPOSSIBLE))
        shares = (can_be / can_be.sum(axis=0)).astype("float32")
    logits -= logits.max(axis=0)
    gold = tags.reshape((-1,)).astype("int64")
    weight = xp.ones((N * K,), dtype="float32")
    if weights is not None:
        weight = weights[xp.arange(N * K) % K, gold].astype("float32")
    probs = xp.exp(logits)
    sums = probs.sum(axis=0)
    probs /= sums
    log_probs = logits
    log_probs -= xp.log(sums)
    losses, d_logits = _cross_entropy(xp, log_probs, probs, gold, label_smoothing, shares)
    known = weight
    if allowed is not None:
        may = xp.ascontiguousarray(allowed.reshape((-1, T)).T)
        one = may.sum(axis=0) == 1
        known = weight * one
        inside = (probs * may).sum(axis=0)
        inside = xp.maximum(inside, xp.float32(1e-30))
        losses = xp.where(one, losses, -xp.log(inside))
        d_logits = xp.where(one, d_logits, probs - probs * may / inside)
    losses *= alpha * weight
    d_logits *= alpha * weight
    if beta:
        is_entity = (gold > 0).astype("float32")
        dice, d_dice = _dice(1.0 - probs[0], is_entity, known, K, gamma, scope)
        losses += beta * dice
        # P = 1 - p_O, so dP/dz_j = p_O * (p_j - [j is O]).
        slope = beta * d_dice * probs[0]
        d_logits += slope * probs
        d_logits[0] -= slope
    return losses.sum(), xp.ascontiguousarray(d_logits.T).reshape((N, K, T))


def _cross_entropy(
    xp: Any,
    log_probs: Floats2d,
    probs: Floats2d,
    gold: ArrayXd,
    label_smoothing: float,
    shares: Any,
) -> Tuple[Floats1d, Floats2d]:
    """The cross-entropy of each column and its gradient. [n], [T, n]

    shares (float or Floats2d): How what is smoothed is shared out among the tags. [T, n]
    """
    columns = xp.arange(gold.shape[0])
    losses = -log_probs[gold, columns]
    d_logits = probs.copy()
    if label_smoothing:
        losses *= 1.0 - label_smoothing
        losses -= label_smoothing * (shares * log_probs).sum(axis=0)
        d_logits -= label_smoothing * shares
    d_logits[gold, columns] -= 1.0 - label_smoothing
    return losses, d_logits


def _dice(
    P: Floats1d, Y: Floats1d, counts: Floats1d, n_tracks: int, gamma: float, scope: str
) -> Tuple[Floats1d, Floats1d]:
    """The dice loss of each token on each track, and the gradient of their sum with respect to P.

    P (Floats1d): The probability of an entity, token by token, track by track. [N * K]
    Y (Floats1d): Whether there is one. [N * K]
    counts (Floats1d): What each counts, 0 if unknown. [N * K]
    """
    if scope == "token":
        upper = 2 * P * Y + gamma
        lower = P * P + Y * Y + gamma
        slope = -(2 * Y * lower - upper * 2 * P) / (lower * lower)
        return counts * (1 - upper / lower), counts * slope
    P, Y, counts = (array.reshape((-1, n_tracks)) for array in (P, Y, counts))
    seen = (counts > 0).astype("float32")
    upper = 2 * (seen * P * Y).sum(axis=0) + gamma
    lower = (seen * (P * P + Y * Y)).sum(axis=0) + gamma
    slope = -(2 * Y * lower - upper * 2 * P) / (lower * lower)
    total = counts.sum(axis=0)
    return (counts * (1 - upper / lower)).reshape((-1,)), (seen * total * slope).reshape((-1,))
