"""What an embedding space is worth: do labels come apart in it, and has it collapsed?"""

from typing import NamedTuple, Optional, Tuple

import numpy

from ..spaces import NAN, effective_rank, neighbour_accuracy, normalize, silhouettes, spread

# A space with a smaller spread, or a smaller rank, has collapsed.
MIN_SPREAD = 1e-3
MIN_RANK = 2.0
# The rank says nothing about fewer rows or dimensions than these, nor about a space in which
# neighbours find the labels this well: one or two labels need no more than a line.
MIN_SIZE = 8
SEPARATED = 0.9

WAY_OUT = (
    "lower learn_rate in [pretraining.optimizer], raise the temperature of the loss, or use larger "
    "batches so that each holds more labels"
)


class Report(NamedTuple):
    """How good an embedding space is. A number that cannot be had is NaN.

    accuracy (float): The accuracy of the label of entity tokens by their k nearest neighbours:
        the mean over labels of the accuracy within the label (macro), so that rare labels count
        as much as frequent ones. A token of several labels counts within each.
    silhouette (float): The mean over labels of the mean silhouette of their tokens, by cosine
        distance, in [-1, 1]. A token of several labels counts for the rarest of them only, and
        tokens outside entities take no part.
    rank (float): The effective rank, in [0, width]: the exponential of the entropy of the squared
        singular values of the centred rows, normalised to sum to 1. 0 if all rows are equal.
    spread (float): The mean cosine distance of two different rows, in [0, 2].
    collapsed (Optional[str]): Why the space has collapsed and what to do, as a sentence.
    """

    accuracy: float
    silhouette: float
    rank: float
    spread: float
    collapsed: Optional[str]


def probe(
    rows: numpy.ndarray,
    labels: numpy.ndarray,
    documents: numpy.ndarray,
    *,
    k: int = 10,
    most: int = 2000,
    seed: int = 0,
) -> Report:
    """Judge an embedding space by the token vectors of a fixed set of documents. Rows that are not
    finite are no error: the report says so as `collapsed`, and its numbers are NaN.

    The cosine similarity with a row of zeros is 0. Where there are more rows than are looked at,
    which ones are is drawn, the same each time for the same rows; all else does not depend on the
    order of the rows.

    rows (numpy.ndarray): The token vectors, float32. [n, width]
    labels (numpy.ndarray): The labels of the entities around each token, none outside. Bool.
        [n, L]
    documents (numpy.ndarray): The document of each token. Int. [n]
    k (int): How many neighbours vote on the label of a token.
    most (int): How many entity tokens are asked about at most. Their neighbours are sought among
        5 * most rows.
    seed (int): The seed of the draw.
    RETURNS (Report): The report.
    """
    if k < 1 or most < 1:
        raise ValueError(f"k is {k} and most is {most}, but both must be at least 1.")
    rows = numpy.asarray(rows, dtype="float32")
    labels = numpy.asarray(labels, dtype=bool)
    documents = numpy.asarray(documents)
    broken = int((~numpy.isfinite(rows)).any(axis=1).sum())
    if broken:
        return Report(NAN, NAN, NAN, NAN, _say_broken(broken, len(rows)))
    rank = effective_rank(rows)
    unit = normalize(rows)
    wide = spread(unit)
    accuracies = neighbour_accuracy(
        unit.astype("float32"), labels, documents, k=k, most=most, seed=seed
    )
    known = accuracies[~numpy.isnan(accuracies)]
    accuracy = float(known.mean()) if len(known) else NAN
    collapsed = _say_collapsed(rows.shape, rank, wide, accuracy)
    return Report(accuracy, silhouettes(unit, labels).mean, rank, wide, collapsed)


def _say_broken(broken: int, n: int) -> str:
    return (
        f"{broken} of {n} token vectors are not finite (NaN or infinite), so training has "
        "diverged: lower learn_rate in [pretraining.optimizer] or set grad_clip there to 1.0, and "
        "go on from an earlier checkpoint."
    )


def _say_collapsed(
    shape: Tuple[int, ...], rank: float, spread: float, accuracy: float
) -> Optional[str]:
    """RETURNS (Optional[str]): What is wrong with the space and what to do, if it collapsed."""
    n, width = shape
    if n < 2:
        return None
    if rank == 0.0:
        return f"All {n} token vectors are the same, so labels cannot come apart: {WAY_OUT}."
    if spread < MIN_SPREAD:
        return (
            f"All token vectors point almost the same way (their mean cosine distance is "
            f"{spread:.1e}), so labels cannot come apart: {WAY_OUT}."
        )
    if rank < MIN_RANK and min(n, width) >= MIN_SIZE and not accuracy >= SEPARATED:
        return (
            f"The token vectors lie almost on a line (of {width} dimensions about {rank:.1f} are "
            f"in use), so most labels cannot come apart: {WAY_OUT}."
        )
    return None
