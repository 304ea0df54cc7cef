"""Nearest neighbours: which stored vectors lie closest to others, and what their tags say.

Arrays only: nothing in here knows spaCy. Distances, search and votes run on NumPy and CuPy alike,
through the `Ops` object handed in; what works on the few numbers of a whole store is NumPy.
"""

from .abstract import Abstract, count_transitions, estimate, expand
from .distances import DISTANCES, distances
from .mixing import as_chain, mix
from .sampling import choose_tokens
from .search import SEARCHES, Index, Neighbours, nearest
from .votes import vote

__all__ = [
    "DISTANCES",
    "SEARCHES",
    "Abstract",
    "Index",
    "Neighbours",
    "as_chain",
    "choose_tokens",
    "count_transitions",
    "distances",
    "estimate",
    "expand",
    "mix",
    "nearest",
    "vote",
]
