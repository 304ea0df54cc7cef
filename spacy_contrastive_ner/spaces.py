"""What an embedding space is worth, in numbers: how labels come apart in it, and how much of it is
in use. Arrays only. A number that cannot be had is NaN."""

from typing import Iterator, NamedTuple, Tuple

import numpy

NAN = float("nan")

# Queries that are compared with the bank at once: memory grows with BLOCK x bank.
BLOCK = 256
# Stands for the similarity of rows that must not be neighbours. Cosines are at least -1.
FAR = -4.0
# What differs by less is equal up to rounding: float32 cosines, float64 distances.
SAME = 2e-6
ROUNDING = 1e-12


def normalize(rows: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (numpy.ndarray): The rows at length 1 in float64; rows of zeros stay. [n, width]"""
    unit = rows.astype("float64")
    norms = numpy.sqrt(numpy.einsum("ij,ij->i", unit, unit))
    unit /= numpy.where(norms > 0, norms, 1.0)[:, None]
    return unit


def effective_rank(rows: numpy.ndarray) -> float:
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


def spread(unit: numpy.ndarray) -> float:
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


class Silhouettes(NamedTuple):
    """How well each label is set apart.

    values (numpy.ndarray): The mean silhouette of the rows of each label. 0 for the only row of a
        label, NaN for a label without rows, and for all if fewer than two labels have some. [L]
    sizes (numpy.ndarray): How many rows stand for each label. [L]
    """

    values: numpy.ndarray
    sizes: numpy.ndarray

    @property
    def mean(self) -> float:
        """RETURNS (float): The mean over the labels that have one."""
        known = self.values[~numpy.isnan(self.values)]
        return float(known.mean()) if len(known) else NAN


def silhouettes(unit: numpy.ndarray, labels: numpy.ndarray) -> Silhouettes:
    """The mean silhouette of the rows of each label,

        s_i = (b_i - a_i) / max(a_i, b_i)

    where a_i is the mean cosine distance to the other rows of the own label and b_i that to the rows
    of the nearest other label. The only row of a label has 0. A row of several labels stands for the
    rarest of them only, rows without any take no part. As the mean of 1 - u_i u_j over j is 1 minus
    the product of u_i with the mean of u_j, no pairs are needed, and no row need be left out.

    unit (numpy.ndarray): The unit vectors. [n, width]
    labels (numpy.ndarray): The labels of each. Bool. [n, L]
    RETURNS (Silhouettes): The silhouettes.
    """
    inside = labels.any(axis=1)
    unit, labels = unit[inside], labels[inside]
    values = numpy.full(labels.shape[1], NAN)
    own = rarest(labels)
    every = numpy.bincount(own, minlength=labels.shape[1])
    kinds, own = numpy.unique(own, return_inverse=True)
    if len(kinds) < 2:
        return Silhouettes(values, every)
    member = own[:, None] == numpy.arange(len(kinds))
    sizes = member.sum(axis=0)
    # The sums of the distances of each row to the rows of each label. [n, labels]
    sums = sizes - unit @ (member.T.astype("float64") @ unit).T
    # A row is no neighbour of its own; for rows of zeros that takes off a distance of 1.
    to_own = sums[member] - (1.0 - numpy.einsum("ij,ij->i", unit, unit))
    a = to_own / numpy.maximum(sizes[own] - 1, 1)
    b = numpy.where(member, numpy.inf, sums / sizes).min(axis=1)
    a, b = (numpy.where(distance > ROUNDING, distance, 0.0) for distance in (a, b))
    larger = numpy.maximum(a, b)
    scores = (b - a) / numpy.where(larger > 0, larger, 1.0)
    scores[sizes[own] == 1] = 0.0
    values[kinds] = numpy.bincount(own, weights=scores) / sizes
    return Silhouettes(values, every)


def rarest(labels: numpy.ndarray) -> numpy.ndarray:
    """Choose one label for each row.

    labels (numpy.ndarray): The labels of each, at least one. Bool. [n, L]
    RETURNS (numpy.ndarray): The rarest of its labels, the first one of equally rare ones. [n]
    """
    counts = numpy.where(labels, labels.sum(axis=0), len(labels) + 1)
    return counts.argmin(axis=1) if len(labels) else numpy.zeros((0,), dtype="int64")


def neighbour_accuracy(
    unit: numpy.ndarray,
    labels: numpy.ndarray,
    documents: numpy.ndarray,
    *,
    k: int = 10,
    most: int = 2000,
    seed: int = 0,
) -> numpy.ndarray:
    """How often the k nearest neighbours of a row know its label, when they vote. The neighbours
    come from other documents, so that the row's own sentence does not answer for it; if there is
    only one document, they may be any other rows. A row that is left without neighbours is not asked
    about, nor is one without labels; but it may be a neighbour, and vote for "outside".

    unit (numpy.ndarray): The unit vectors, float32. [n, width]
    labels (numpy.ndarray): The labels of each. Bool. [n, L]
    documents (numpy.ndarray): The document of each. [n]
    k (int): How many neighbours vote.
    most (int): How many rows are asked about at most. Their neighbours are sought among 5 * most.
    seed (int): The seed of the draw.
    RETURNS (numpy.ndarray): The accuracy within each label, NaN where nothing was asked. [L]
    """
    asked = numpy.zeros(labels.shape[1:], dtype="int64")
    right = numpy.zeros_like(asked)
    for queries, similarity, classes in _comparisons(unit, labels, documents, most, seed):
        winners = _vote(similarity, classes, k)
        gold = labels[queries]
        wins = winners[:, None] == numpy.arange(labels.shape[1])
        hits = (wins & gold).any(axis=1)
        asked += gold.sum(axis=0)
        right += gold[hits].sum(axis=0)
    return _shares(right, asked)


def neighbour_purity(
    unit: numpy.ndarray,
    labels: numpy.ndarray,
    documents: numpy.ndarray,
    *,
    k: int = 10,
    most: int = 2000,
    seed: int = 0,
) -> numpy.ndarray:
    """Which share of the k nearest neighbours of a row has its label. A row of several labels counts
    within each. All else is as in `neighbour_accuracy`.

    RETURNS (numpy.ndarray): The mean share within each label, NaN where nothing was asked. [L]
    """
    asked = numpy.zeros(labels.shape[1:], dtype="int64")
    pure = numpy.zeros(labels.shape[1:])
    for queries, similarity, classes in _comparisons(unit, labels, documents, most, seed):
        voices = _voices(similarity, min(k, similarity.shape[1]))
        votes = voices @ classes[:, :-1]
        gold = labels[queries]
        asked += gold.sum(axis=0)
        pure += (gold * votes / voices.sum(axis=1, keepdims=True)).sum(axis=0)
    return _shares(pure, asked)


def _shares(parts: numpy.ndarray, wholes: numpy.ndarray) -> numpy.ndarray:
    return numpy.where(wholes > 0, parts / numpy.maximum(wholes, 1), NAN)


def _comparisons(
    unit: numpy.ndarray, labels: numpy.ndarray, documents: numpy.ndarray, most: int, seed: int
) -> Iterator[Tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]]:
    """Compare rows with those that may be their neighbours, block by block.

    YIELDS (Tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]): Which rows they are, their cosines
        with the rows of a bank, FAR for those that are no neighbours, and the classes of the bank:
        its labels, or "outside", which is the last class. [queries], [queries, bank], [bank, L + 1]
    """
    queries, bank = _draw(labels, most, seed)
    groups = documents if len(numpy.unique(documents)) > 1 else numpy.arange(len(unit))
    classes = numpy.column_stack([labels, ~labels.any(axis=1)])[bank].astype("float32")
    across = unit[bank].T
    for start in range(0, len(queries), BLOCK):
        block = queries[start : start + BLOCK]
        similarity = unit[block] @ across
        similarity[groups[block][:, None] == groups[bank]] = FAR
        can_be = (similarity > FAR).any(axis=1)
        yield block[can_be], similarity[can_be], classes


def _voices(similarity: numpy.ndarray, k: int) -> numpy.ndarray:
    """Give each of the k nearest neighbours a voice. Rows that tie for the last places share them,
    so that the order of the rows does not matter.

    similarity (numpy.ndarray): Cosines, FAR for rows that are no neighbours. [queries, bank]
    k (int): How many there are at most, not more than there are rows in the bank.
    RETURNS (numpy.ndarray): The voice of each row of the bank, in [0, 1]. [queries, bank]
    """
    at = similarity.shape[1] - k
    last = numpy.partition(similarity, at, axis=1)[:, at, None]
    closer = similarity > last + SAME
    tied = (similarity >= last - SAME) ^ closer
    # With fewer than k neighbours, the last place is that of a row that is none.
    places = numpy.where(last > FAR, k - closer.sum(axis=1, keepdims=True), 0)
    share = places / numpy.maximum(tied.sum(axis=1, keepdims=True), 1)
    return numpy.where(tied, share, closer).astype("float32")


def _vote(similarity: numpy.ndarray, classes: numpy.ndarray, k: int) -> numpy.ndarray:
    """Let the k nearest neighbours vote for all of their classes. Of classes with equal votes, the
    one whose voters are closer wins, and if these are equally close the first one.

    similarity (numpy.ndarray): Cosines, FAR for rows that are no neighbours. [queries, bank]
    classes (numpy.ndarray): The classes of each row of the bank. [bank, C]
    RETURNS (numpy.ndarray): The winning class. [queries]
    """
    k = min(k, similarity.shape[1])
    voices = _voices(similarity, k)
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
    queries = draw_balanced(rng, labels, most)
    inside = draw_balanced(rng, labels, 5 * most - min(len(others), most))
    room = 5 * most - len(inside)
    if len(others) > room:
        others = rng.permutation(others)[:room]
    return queries, numpy.sort(numpy.concatenate([inside, others]))


def draw_balanced(rng: numpy.random.Generator, labels: numpy.ndarray, most: int) -> numpy.ndarray:
    """Draw rows that have labels, label by label in turn, so that rare labels are kept. In each turn
    a label gives one row, which may be one that another label has given already.

    rng (numpy.random.Generator): What chance is drawn from.
    labels (numpy.ndarray): The labels of each row. Bool. [n, L]
    most (int): How many are drawn at most.
    RETURNS (numpy.ndarray): The rows, in order. [at most `most`]
    """
    inside = numpy.flatnonzero(labels.any(axis=1))
    if len(inside) <= most:
        return inside
    return numpy.sort(in_turns(rng, labels)[:most])


def in_turns(rng: numpy.random.Generator, labels: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (numpy.ndarray): All rows that have labels, in the order in which `draw_balanced` takes
    them."""
    inside = numpy.flatnonzero(labels.any(axis=1))
    turns = numpy.full(len(labels), len(labels))
    for column in labels.T:
        members = rng.permutation(numpy.flatnonzero(column))
        turns[members] = numpy.minimum(turns[members], numpy.arange(len(members)))
    inside = rng.permutation(inside)
    return inside[numpy.argsort(turns[inside], kind="stable")]
