"""Libraries for search, used where they are installed and asked for."""

from importlib import import_module
from typing import Any, Callable

import numpy

SEARCHES = ("exact", "faiss", "hnswlib")

# How many links a row has in the graph of hnswlib, and how many rows are looked at while it is
# made: what its authors advise for rows of this width.
LINKS, WIDTH = 32, 200

PACKAGES = {"faiss": "faiss-cpu", "hnswlib": "hnswlib"}

# From the left factors of queries and a number to the places of as many rows. [n, k]
Finder = Callable[[numpy.ndarray, int], numpy.ndarray]


def make_finder(search: str, right: numpy.ndarray) -> Finder:
    """Make an index of a library.

    search (str): "faiss" or "hnswlib".
    right (numpy.ndarray): The stored rows, as right factors, see `as_factors`.
    RETURNS (Finder): Finds the rows whose product with the query is smallest.
    """
    try:
        library = import_module(search)
    except ImportError as error:
        raise ValueError(
            f"search is {search!r}, but the library is not installed: pip install "
            f'{PACKAGES[search]}, or set search = "exact".'
        ) from error
    make = _faiss if search == "faiss" else _hnswlib
    return make(library, numpy.ascontiguousarray(right, dtype="float32"))


def _faiss(library: Any, right: numpy.ndarray) -> Finder:
    index = library.IndexFlatIP(right.shape[1])
    index.add(right)

    def find(left: numpy.ndarray, k: int) -> numpy.ndarray:
        return index.search(numpy.ascontiguousarray(-left, dtype="float32"), k)[1]

    return find


def _hnswlib(library: Any, right: numpy.ndarray) -> Finder:
    index = library.Index(space="ip", dim=right.shape[1])
    index.init_index(max_elements=len(right), M=LINKS, ef_construction=WIDTH, random_seed=0)
    # One thread: with several the graph differs from run to run.
    index.add_items(right, num_threads=1)

    def find(left: numpy.ndarray, k: int) -> numpy.ndarray:
        index.set_ef(max(WIDTH, 2 * k))
        return index.knn_query(-left, k=k)[0].astype("int64")

    return find
