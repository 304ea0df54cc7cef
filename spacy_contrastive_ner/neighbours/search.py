from typing import Any, NamedTuple

from thinc.api import Ops
from thinc.types import ArrayXd, Floats2d

from .backends import SEARCHES, make_finder
from .distances import as_factors, between, normal_rows

# About so many pairs are compared at once, which bounds the memory.
BLOCK = 2**21

# So many candidates more than are asked for have their distance computed one by one, as products of
# matrices are exact only up to rounding.
SLACK = 8


class Neighbours(NamedTuple):
    """The nearest stored rows of each query, the nearest first; of equals the first in the store.

    index (ArrayXd): Which they are. [n, k], int
    distance (ArrayXd): How far they are. [n, k]
    """

    index: ArrayXd
    distance: ArrayXd


class Index:
    """Stored rows, made ready for search.

    ops (Ops): The backend.
    rows (Floats2d): The rows, at least one. [n, width]
    distance (str): One of DISTANCES.
    search (str): "exact": all pairs are compared, in blocks. "faiss" and "hnswlib": by these
        libraries, on the CPU; hnswlib may miss some.
    """

    def __init__(
        self, ops: Ops, rows: Floats2d, distance: str = "cosine", search: str = "exact"
    ) -> None:
        if search not in SEARCHES:
            raise ValueError(f"search is {search!r}, but must be one of {', '.join(SEARCHES)}.")
        if not len(rows):
            raise ValueError("There are no stored rows to search.")
        self.ops, self.distance = ops, distance
        self.rows = normal_rows(ops, distance, rows)
        self.center = self.rows.mean(axis=0, keepdims=True)
        self.right = as_factors(ops, distance, self.rows, self.center)[1]
        self.finder = make_finder(search, ops.to_numpy(self.right)) if search != "exact" else None

    def nearest(self, queries: Floats2d, k: int) -> Neighbours:
        """Find the nearest stored rows. Memory grows with block x store.

        queries (Floats2d): The queries. [n, width]
        k (int): How many to find, or all if there are fewer.
        RETURNS (Neighbours): What was found.
        """
        xp = self.ops.xp
        if k < 1:
            raise ValueError(f"k is {k}, but must be at least 1.")
        if queries.shape[1] != self.rows.shape[1]:
            raise ValueError(
                f"The queries have {queries.shape[1]} columns, but the stored rows have "
                f"{self.rows.shape[1]}."
            )
        queries = normal_rows(self.ops, self.distance, queries)
        k = min(k, len(self.rows))
        size = max(1, BLOCK // max(len(self.rows), (k + SLACK) * self.rows.shape[1]))
        parts = [self._nearest(queries[i : i + size], k) for i in range(0, len(queries), size)]
        if not parts:
            none = xp.zeros((0, k), dtype="float32")
            return Neighbours(none.astype("int64"), none)
        return Neighbours(*(xp.concatenate(columns) for columns in zip(*parts)))

    def _nearest(self, queries: Floats2d, k: int) -> Neighbours:
        """The nearest of one block."""
        xp = self.ops.xp
        n = min(k + SLACK, len(self.rows))
        left = as_factors(self.ops, self.distance, queries, self.center)[0]
        if self.finder is None:
            index = _smallest(xp, left @ self.right.T, n)
        else:
            index = self.ops.asarray(self.finder(self.ops.to_numpy(left), n))
        index = xp.sort(index, axis=1)
        exact: Any = between(self.distance, queries[:, None], self.rows[index])
        order = xp.argsort(exact, axis=1, kind="stable")[:, :k]
        return Neighbours(
            xp.take_along_axis(index, order, axis=1), xp.take_along_axis(exact, order, axis=1)
        )


def nearest(
    ops: Ops,
    queries: Floats2d,
    rows: Floats2d,
    k: int,
    distance: str = "cosine",
    search: str = "exact",
) -> Neighbours:
    """Find the nearest of some rows for each query, see `Index`.

    ops (Ops): The backend.
    queries (Floats2d): The queries. [n, width]
    rows (Floats2d): The stored rows. [m, width]
    k (int): How many to find, or all if there are fewer.
    distance (str): One of DISTANCES.
    search (str): One of SEARCHES.
    RETURNS (Neighbours): What was found.
    """
    return Index(ops, rows, distance, search).nearest(queries, k)


def _smallest(xp: Any, values: Floats2d, n: int) -> ArrayXd:
    """The places of the n smallest values of each line; of equals the first. [lines, n]"""
    if n >= values.shape[1]:
        return xp.zeros((len(values), 1), dtype="int64") + xp.arange(n)
    index = xp.argpartition(values, n - 1, axis=1)[:, :n]
    last = xp.take_along_axis(values, index, axis=1).max(axis=1, keepdims=True)
    tied = xp.flatnonzero((values <= last).sum(axis=1) > n)
    if len(tied):
        index[tied] = xp.argsort(values[tied], axis=1, kind="stable")[:, :n]
    return index
