"""What an embedding space is worth: do labels come apart in it, and has it collapsed?"""

from typing import NamedTuple, Optional, Tuple

import numpy

NAN = float("nan")

# Queries that are compared with the bank at once: memory grows with BLOCK x bank.
BLOCK = 256
# Stands for the similarity of rows that must not be neighbours. Cosines are at least -1.
FAR = -4.0
# What differs by less is equal up to rounding: float32 cosines, float64 distances.
SAME = 2e-6
ROUNDING = 1e-12

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
    rank = _effective_rank(rows)
    unit = _normalize(rows)
    spread = _spread(unit)
    accuracy = _accuracy(unit.astype("float32"), labels, documents, k, most, seed)
    silhouette = _silhouette(unit, labels)
    collapsed = _say_collapsed(rows.shape, rank, spread, accuracy)
    return Report(accuracy, silhouette, rank, spread, collapsed)


def _normalize(rows: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (numpy.ndarray): The rows at length 1 in float64; rows of zeros stay. [n, width]"""
    unit = rows.astype("float64")
    norms = numpy.sqrt(numpy.einsum("ij,ij->i", unit, unit))
    unit /= numpy.where(norms > 0, norms, 1.0)[:, None]
    return unit


def _effective_rank(rows: numpy.ndarray) -> float:
    """The effective rank of the centred rows: exp(-sum_i p_i log p_i), where p are the eigenvalues
    of their covariance, which are the squared singular values, divided by their sum.

    rows (numpy.ndarray): The rows. [n, width]
    RETURNS (float): The rank, 0 if all rows are equal, NaN if there are none.
    """
    if not len(rows):
        return NAN
    # The float64 mean of float32 numbers that are equal is exact, and leaves zeros.
    centred = rows - rows.mean(axis=0, dtype="float64")
    values = numpy.linalg.eigvalsh(centred.T @ centred)
    values = values[values > 0]
    if not len(values):
        return 0.0
    p = values / values.sum()
    return float(numpy.exp(-(p * numpy.log(p)).sum()))


def _spread(unit: numpy.ndarray) -> float:
    """The mean cosine distance over all pairs of different rows, from the sum of the unit vectors:

        1 - (|sum_i u_i|^2 - sum_i |u_i|^2) / (n (n - 1))

    unit (numpy.ndarray): The unit vectors. [n, width]
    RETURNS (float): The spread, NaN if there is no pair.
    """
    n = len(unit)
    if n < 2:
        return NAN
    total = unit.sum(axis=0)
    similarity = (total @ total - numpy.einsum("ij,ij->", unit, unit)) / (n * (n - 1))
    return max(0.0, float(1.0 - similarity))


def _silhouette(unit: numpy.ndarray, labels: numpy.ndarray) -> float:
    """The mean over labels of the mean silhouette of their tokens,

        s_i = (b_i - a_i) / max(a_i, b_i)

    where a_i is the mean cosine distance to the other tokens of the own label and b_i that to the
    tokens of the nearest other label. The only token of a label has 0. As the mean of 1 - u_i u_j
    over j is 1 minus the product of u_i with the mean of u_j, no pairs are needed, and no token
    need be left out.

    unit (numpy.ndarray): The unit vectors. [n, width]
    labels (numpy.ndarray): The labels of each. [n, L]
    RETURNS (float): The silhouette, NaN if fewer than two labels have tokens.
    """
    inside = labels.any(axis=1)
    unit, labels = unit[inside], labels[inside]
    # Each token stands for the rarest of its labels, the first one of equally rare ones.
    counts = numpy.where(labels, labels.sum(axis=0), len(labels) + 1)
    own = counts.argmin(axis=1) if len(labels) else numpy.zeros((0,), dtype="int64")
    kinds, own = numpy.unique(own, return_inverse=True)
    if len(kinds) < 2:
        return NAN
    member = own[:, None] == numpy.arange(len(kinds))
    sizes = member.sum(axis=0)
    # The sums of the distances of each token to the tokens of each label. [n, labels]
    sums = sizes - unit @ (member.T.astype("float64") @ unit).T
    # A token is no neighbour of its own; for rows of zeros that takes off a distance of 1.
    to_own = sums[member] - (1.0 - numpy.einsum("ij,ij->i", unit, unit))
    a = to_own / numpy.maximum(sizes[own] - 1, 1)
    b = numpy.where(member, numpy.inf, sums / sizes).min(axis=1)
    a, b = (numpy.where(distance > ROUNDING, distance, 0.0) for distance in (a, b))
    larger = numpy.maximum(a, b)
    scores = (b - a) / numpy.where(larger > 0, larger, 1.0)
    scores[sizes[own] == 1] = 0.0
    return float((numpy.bincount(own, weights=scores) / sizes).mean())


def _accuracy(
    unit: numpy.ndarray,
    labels: numpy.ndarray,
    documents: numpy.ndarray,
    k: int,
    most: int,
    seed: int,
) -> float:
    """How often the k nearest neighbours of an entity token know its label, as the mean over
    labels. The neighbours come from other documents, so that the token's own sentence does not
    answer for it; if there is only one document, they may be any other rows. A token that is left
    without neighbours is not asked about.

    unit (numpy.ndarray): The unit vectors, float32. [n, width]
    labels (numpy.ndarray): The labels of each. [n, L]
    documents (numpy.ndarray): The document of each. [n]
    k, most, seed: See `probe`.
    RETURNS (float): The accuracy, NaN if there is nothing to ask.
    """
    queries, bank = _draw(labels, most, seed)
    groups = documents if len(numpy.unique(documents)) > 1 else numpy.arange(len(unit))
    # What a neighbour votes for: its labels, or "outside", which is the last class. [bank, L + 1]
    classes = numpy.column_stack([labels, ~labels.any(axis=1)])[bank].astype("float32")
    across = unit[bank].T
    asked = numpy.zeros(labels.shape[1:], dtype="int64")
    right = numpy.zeros_like(asked)
    for start in range(0, len(queries), BLOCK):
        block = queries[start : start + BLOCK]
        similarity = unit[block] @ across
        similarity[groups[block][:, None] == groups[bank]] = FAR
        can_be = (similarity > FAR).any(axis=1)
        winners = _vote(similarity[can_be], classes, k)
        gold = labels[block[can_be]]
        wins = winners[:, None] == numpy.arange(labels.shape[1])
        hits = (wins & gold).any(axis=1)
        asked += gold.sum(axis=0)
        right += gold[hits].sum(axis=0)
    seen = asked > 0
    return float((right[seen] / asked[seen]).mean()) if seen.any() else NAN


def _vote(similarity: numpy.ndarray, classes: numpy.ndarray, k: int) -> numpy.ndarray:
    """Let the k nearest neighbours vote for all of their classes. Rows that tie for the last
    places share them, so that the order of the rows does not matter. Of classes with equal votes,
    the one whose voters are closer wins, and if these are equally close the first one.

    similarity (numpy.ndarray): Cosines, FAR for rows that are no neighbours. [queries, bank]
    classes (numpy.ndarray): The classes of each row of the bank. [bank, C]
    RETURNS (numpy.ndarray): The winning class. [queries]
    """
    k = min(k, similarity.shape[1])
    at = similarity.shape[1] - k
    last = numpy.partition(similarity, at, axis=1)[:, at, None]
    closer = similarity > last + SAME
    tied = (similarity >= last - SAME) ^ closer
    # With fewer than k neighbours, the last place is that of a row that is none.
    places = numpy.where(last > FAR, k - closer.sum(axis=1, keepdims=True), 0)
    share = places / numpy.maximum(tied.sum(axis=1, keepdims=True), 1)
    voices = numpy.where(tied, share, closer).astype("float32")
    votes = voices @ classes
    most_votes = votes >= votes.max(axis=1, keepdims=True) - SAME * k
    voices *= similarity
    closeness = numpy.where(most_votes, voices @ classes, -numpy.inf)
    closest = closeness >= closeness.max(axis=1, keepdims=True) - SAME * k
    return closest.argmax(axis=1)


def _draw(labels: numpy.ndarray, most: int, seed: int) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Draw the rows to ask about and those to seek neighbours among: rather the rows of entities
    than others, though up to `most` of the others are in the bank in any case, so that they can
    be confused with entities.

    labels (numpy.ndarray): The labels of each row. [n, L]
    RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): The queries, and the bank. [queries], [bank]
    """
    rng = numpy.random.default_rng(seed)
    others = numpy.flatnonzero(~labels.any(axis=1))
    queries = _draw_balanced(rng, labels, most)
    inside = _draw_balanced(rng, labels, 5 * most - min(len(others), most))
    room = 5 * most - len(inside)
    if len(others) > room:
        others = rng.permutation(others)[:room]
    return queries, numpy.sort(numpy.concatenate([inside, others]))


def _draw_balanced(rng: numpy.random.Generator, labels: numpy.ndarray, most: int) -> numpy.ndarray:
    """Draw rows of entities label by label in turn, so that rare labels are kept. In each turn a
    label gives one row, which may be one that another label has given already.

    labels (numpy.ndarray): The labels of each row. [n, L]
    RETURNS (numpy.ndarray): The rows, in order. [at most `most`]
    """
    inside = numpy.flatnonzero(labels.any(axis=1))
    if len(inside) <= most:
        return inside
    turns = numpy.full(len(labels), len(labels))
    for column in labels.T:
        members = rng.permutation(numpy.flatnonzero(column))
        turns[members] = numpy.minimum(turns[members], numpy.arange(len(members)))
    inside = rng.permutation(inside)
    return numpy.sort(inside[numpy.argsort(turns[inside], kind="stable")[:most]])


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
