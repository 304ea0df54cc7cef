from typing import Any, Tuple

from thinc.api import Ops
from thinc.types import Floats2d, FloatsXd

from ..losses.gaussian_kl import as_products
from ..losses.pairs import unit_rows

# "cosine": 1 less the cosine, which is half the squared distance of unit rows; so it is computed, as
# that keeps its digits, and a row without direction has 1/2 to all others. "euclidean": the squared distance. "gaussian": the symmetric
# divergence of two Gaussians, half of KL(a|b) + KL(b|a); rows hold means, then variances.
DISTANCES = ("cosine", "euclidean", "gaussian")


def check_distance(distance: str) -> None:
    """Stop if there is no such distance."""
    if distance not in DISTANCES:
        raise ValueError(f"distance is {distance!r}, but must be one of {', '.join(DISTANCES)}.")


def normal_rows(ops: Ops, distance: str, rows: Floats2d) -> Floats2d:
    """Bring rows into the form in which `between` and `as_factors` take them."""
    check_distance(distance)
    if rows.dtype.kind != "f":
        rows = rows.astype("float32")
    if distance == "cosine":
        return unit_rows(ops, rows)[0]
    if distance == "gaussian" and rows.shape[1] % 2:
        raise ValueError(
            f"The rows have {rows.shape[1]} columns, but the distance 'gaussian' needs as many "
            "variances as means."
        )
    if distance == "gaussian" and bool((rows[:, rows.shape[1] // 2 :] <= 0).any()):
        raise ValueError("The distance 'gaussian' was given variances that are not above 0.")
    return rows


def as_factors(
    ops: Ops, distance: str, rows: Floats2d, center: Floats2d
) -> Tuple[Floats2d, Floats2d]:
    """Write rows so that the distances of all pairs are one product of matrices: those of rows `a`
    and `b` are `left(a) @ right(b).T`, up to rounding.

    ops (Ops): The backend.
    distance (str): One of DISTANCES.
    rows (Floats2d): Rows as `normal_rows` makes them. [n, width]
    center (Floats2d): A row in the midst of them, the same for all that are compared: small
        differences of large numbers lose digits. [1, width]
    RETURNS (Tuple[Floats2d, Floats2d]): Left and right.
    """
    xp = ops.xp
    one = xp.ones((len(rows), 1), dtype=rows.dtype)
    if distance != "gaussian":
        rows = rows - center
        own = (rows * rows).sum(axis=1, keepdims=True)
        left = xp.concatenate((rows * -2, own, one), axis=1)
        scale = 0.5 if distance == "cosine" else 1.0
        return left * scale, xp.concatenate((rows, one, own), axis=1)
    size = rows.shape[1] // 2
    left, right = as_products(xp, rows[:, :size] - center[:, :size], rows[:, size:])
    return left * 0.25, right


def between(distance: str, a: FloatsXd, b: FloatsXd) -> FloatsXd:
    """The distances of pairs of rows, one by one: the same for a pair whatever stands beside it.

    distance (str): One of DISTANCES.
    a, b (FloatsXd): Rows as `normal_rows` makes them. [..., width]
    RETURNS (FloatsXd): [...]
    """
    x: Any = a
    y: Any = b
    if distance != "gaussian":
        gap = x - y
        return (gap * gap).sum(axis=-1) * (0.5 if distance == "cosine" else 1.0)
    size = x.shape[-1] // 2
    gap, u, v = x[..., :size] - y[..., :size], x[..., size:], y[..., size:]
    # (u / v + v / u - 2) as a square, which keeps its digits where the two are alike.
    return 0.25 * ((u - v) * (u - v) / (u * v) + gap * gap * (1 / u + 1 / v)).sum(axis=-1)


def distances(ops: Ops, distance: str, a: Floats2d, b: Floats2d) -> Floats2d:
    """The distances of all pairs of rows.

    ops (Ops): The backend.
    distance (str): One of DISTANCES.
    a, b (Floats2d): The rows. [n, width], [m, width]
    RETURNS (Floats2d): [n, m]
    """
    a, b = normal_rows(ops, distance, a), normal_rows(ops, distance, b)
    center = b.mean(axis=0, keepdims=True)
    return as_factors(ops, distance, a, center)[0] @ as_factors(ops, distance, b, center)[1].T
