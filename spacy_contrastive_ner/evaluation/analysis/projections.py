"""Vectors of many dimensions on a plane."""

import warnings
from importlib.util import find_spec
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy

PCA, TSNE, UMAP = "pca", "tsne", "umap"
TITLES = {PCA: "PCA", TSNE: "t-SNE", UMAP: "UMAP"}
# Where the libraries of the others come from.
LIBRARIES = {TSNE: ("sklearn", "scikit-learn"), UMAP: ("umap", "umap-learn")}

# Neighbours mean little among fewer points.
NEEDED = 10
# What the methods' authors take, for as many neighbours as there are.
PERPLEXITY, N_NEIGHBORS = 30.0, 15
# Of so many dimensions neighbours are sought.
MOST_DIMENSIONS = 50


class Projection(NamedTuple):
    """Points on a plane.

    xy (numpy.ndarray): Their coordinates, the middle of what they span at 0, in [-1, 1]. [n, 2]
    explained (Optional[Tuple[float, float]]): Which share of the variance lies along each axis, if
        the axes mean anything.
    """

    xy: numpy.ndarray
    explained: Optional[Tuple[float, float]] = None


class Projections(NamedTuple):
    """Points on planes.

    found (Dict[str, Projection]): The planes by method.
    notes (List[str]): Which methods could not be used and why, as sentences.
    """

    found: Dict[str, Projection]
    notes: List[str]


class Principal(NamedTuple):
    """Rows along the directions in which they vary most. Directions that there are not have zeros.

    points (numpy.ndarray): The rows along these directions. [n_rows, n]
    directions (numpy.ndarray): The directions, each with its largest weight positive. [n, width]
    shares (numpy.ndarray): Which share of the variance lies along each. [n]
    """

    points: numpy.ndarray
    directions: numpy.ndarray
    shares: numpy.ndarray


def principal(rows: numpy.ndarray, n: int = 2) -> Principal:
    """Find the directions in which rows vary most.

    rows (numpy.ndarray): The rows. [n_rows, width]
    n (int): How many directions.
    RETURNS (Principal): The directions, and the rows along them.
    """
    found = Principal(numpy.zeros((len(rows), n)), numpy.zeros((n, rows.shape[1])), numpy.zeros(n))
    if not rows.size:
        return found
    centred = rows.astype("float64") - rows.mean(axis=0, dtype="float64")
    _, sizes, axes = numpy.linalg.svd(centred, full_matrices=False)
    total = float((sizes**2).sum())
    if total == 0.0:
        return found
    axes = axes[:n]
    largest = numpy.abs(axes).argmax(axis=1)
    axes = axes * numpy.sign(axes[numpy.arange(len(axes)), largest])[:, None]
    found.points[:, : len(axes)] = centred @ axes.T
    found.directions[: len(axes)] = axes
    found.shares[: len(axes)] = sizes[:n] ** 2 / total
    return found


def fit(xy: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (numpy.ndarray): The points in [-1, 1], by one scale for both axes. [n, 2]"""
    if not len(xy):
        return xy.astype("float64")
    low, high = xy.min(axis=0).astype("float64"), xy.max(axis=0).astype("float64")
    half = float((high - low).max()) / 2.0
    return (xy - (low + high) / 2.0) / (half or 1.0)


def methods() -> List[str]:
    """RETURNS (List[str]): What can be used: PCA, and that whose library is installed."""
    return [PCA, *(name for name, (module, _) in LIBRARIES.items() if find_spec(module))]


def project(
    rows: numpy.ndarray, wanted: Optional[Sequence[str]] = None, *, seed: int = 0
) -> Projections:
    """Project rows to a plane.

    rows (numpy.ndarray): The rows. [n, width]
    wanted (Optional[Sequence[str]]): By which methods: "pca", "tsne", "umap". By default by all that
        can be used.
    seed (int): The seed of what is drawn.
    RETURNS (Projections): The planes.
    """
    result = Projections({}, [])
    ways: Dict[str, Callable[[numpy.ndarray, int], numpy.ndarray]] = {TSNE: _tsne, UMAP: _umap}
    reduced = None
    for name in methods() if wanted is None else wanted:
        if name == PCA:
            xy, _, shares = principal(rows)
            result.found[PCA] = Projection(fit(xy), (float(shares[0]), float(shares[1])))
            continue
        module, library = LIBRARIES[name]
        if not find_spec(module):
            result.notes.append(f"There is no {TITLES[name]}, as {library} is not installed.")
            continue
        if len(numpy.unique(rows, axis=0)) < NEEDED:
            result.notes.append(
                f"There is no {TITLES[name]}, which takes at least {NEEDED} different points."
            )
            continue
        if reduced is None:
            n = min(MOST_DIMENSIONS, *rows.shape)
            reduced = principal(rows, n).points.astype("float32")
        try:
            result.found[name] = Projection(fit(_alone(ways[name], reduced, seed)))
        # Of the many ways to go wrong inside of these libraries, none should cost all else.
        except Exception as error:
            result.notes.append(f"There is no {TITLES[name]}: {library} failed with {error!r:.200}")
    return result


def _alone(way: Callable[..., numpy.ndarray], rows: numpy.ndarray, seed: int) -> numpy.ndarray:
    """Project in one thread: the sums of several depend on who comes first."""
    from threadpoolctl import threadpool_limits

    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        xy = way(rows, seed)
    if not numpy.isfinite(xy).all():
        raise ValueError("coordinates that are not finite")
    return xy


def _tsne(rows: numpy.ndarray, seed: int) -> numpy.ndarray:
    from sklearn.manifold import TSNE as Method

    perplexity = min(PERPLEXITY, (len(rows) - 1) / 3.0)
    method: Any = Method(2, perplexity=perplexity, init="pca", random_state=seed, n_jobs=1)
    return method.fit_transform(rows)


def _umap(rows: numpy.ndarray, seed: int) -> numpy.ndarray:
    from umap import UMAP as Method

    neighbors = min(N_NEIGHBORS, len(rows) - 1)
    method: Any = Method(n_neighbors=neighbors, random_state=seed, n_jobs=1)
    return method.fit_transform(rows)
