from functools import partial
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple
from weakref import ref

import numpy
from thinc.api import Model
from thinc.types import ArrayXd, Floats2d

from ..neighbours import DISTANCES, SEARCHES, Abstract, Index, vote
from ..neighbours.distances import check_distance
from ..neighbours.variances import spread_of_classes

# The tag of a stored token on a track where it is not known.
UNKNOWN = -1

# So many tokens are looked up at once, which bounds the memory.
BLOCK = 4096

# How much a memory counts whose weight was not chosen.
WEIGHT = 0.3


def Memory(
    k: int = 16,
    weight: Optional[float] = None,
    temperature: float = 0.02,
    distance: str = "cosine",
    max_tokens: int = 50000,
    transitions: Optional[List[float]] = None,
    transition_power: float = 0.1,
    search: str = "exact",
) -> Model[Floats2d, Floats2d]:
    """Remember vectors of tokens together with their tags. What a new token's nearest neighbours are
    tagged as counts beside what the heads say of it. It is filled by `remember` of the pipe.

    k (int): How many neighbours are asked.
    weight (Optional[float]): The share of the neighbours in a probability, 0 to 1. If None it is 0.3,
        until `tune_memory` of the pipe chooses it.
    temperature (float): A neighbour counts `exp(-distance / temperature)`, with distances in units of
        the mean distance of stored tokens.
    distance (str): "cosine"; "euclidean", the squared one; or "gaussian", the symmetric divergence of
        Gaussians that are as wide as the stored tokens of their label.
    max_tokens (int): The largest number of tokens that are kept.
    transitions (Optional[List[float]]): For what the neighbours say of neighbouring tokens: the
        probabilities of going from O to O and into an entity, and from an entity to O, on within it,
        and into another one. If None, as in what was remembered.
    transition_power (float): The power these are raised to: 0 makes all steps alike.
    search (str): "exact", or by a library: "faiss", "hnswlib".
    RETURNS (Model[Floats2d, Floats2d]): The layer: rows of tokens to the probability of each tag on
        each track, [N, width] to [N, K * n_tags].
    """
    check_settings(k, weight, temperature)
    check_distance(distance)
    if max_tokens < 1:
        raise ValueError(f"max_tokens of the memory is {max_tokens}, but must be at least 1.")
    if search not in SEARCHES:
        raise ValueError(
            f"search of the memory is {search!r}, but must be one of {', '.join(SEARCHES)}."
        )
    if transition_power < 0:
        raise ValueError(f"transition_power is {transition_power}, but must not be negative.")
    if transitions is not None:
        check_transitions(transitions)
    return Model(
        "memory",
        forward,
        params={"rows": None, "tags": None},
        attrs={
            "k": k,
            "weight": weight,
            "temperature": temperature,
            "distance": distance,
            "max_tokens": max_tokens,
            "transitions": transitions,
            "transition_power": transition_power,
            "search": search,
            **empty(),
        },
    )


def check_settings(
    k: Optional[int] = None, weight: Optional[float] = None, temperature: Optional[float] = None
) -> None:
    """Stop if a setting of a memory cannot be meant."""
    if k is not None and k < 1:
        raise ValueError(f"k of the memory is {k}, but must be at least 1.")
    if weight is not None and not 0 <= weight <= 1:
        raise ValueError(f"weight of the memory is {weight}, but must lie in [0, 1].")
    if temperature is not None and not temperature > 0:
        raise ValueError(f"temperature of the memory is {temperature}, but must be positive.")


def check_transitions(transitions: Sequence[float]) -> None:
    """Stop if these are no abstract transitions, see `Abstract`."""
    values = numpy.asarray(transitions, dtype="float64")
    if len(values) != len(Abstract._fields) or not (values > 0).all():
        raise ValueError(
            f"transitions of the memory are {list(transitions)}, but must be five numbers above 0: "
            f"{', '.join(Abstract._fields)}."
        )
    if not numpy.allclose([values[:2].sum(), values[2:].sum()], 1, atol=1e-3):
        raise ValueError(
            f"transitions of the memory are {list(transitions)}, but the first two and the last "
            "three must each sum to 1."
        )


def empty() -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): What is known of the tokens of a memory without any."""
    return {
        # How many tags a track has.
        "n_tags": 0,
        # The mean distance of stored tokens.
        "scale": 1.0,
        # What follows what in all that was remembered, see `count_transitions`.
        "counts": [0.0] * len(Abstract._fields),
        # Labels that the heads never learned.
        "only": [],
        # Which encoder the rows are from, "" for one that is shared with other pipes.
        "encoder": "",
    }


def is_filled(layer: Model[Floats2d, Floats2d]) -> bool:
    """RETURNS (bool): Whether there is anything in a memory."""
    return bool(layer.has_param("rows"))


class Part(NamedTuple):
    """The stored tokens whose tags are known on some tracks.

    finds (Index): Finds them.
    tracks (numpy.ndarray): The tracks.
    tags (ArrayXd): Their tags there. [n, tracks]
    """

    finds: Index
    tracks: numpy.ndarray
    tags: ArrayXd


class Store(NamedTuple):
    """A memory made ready for search.

    rows (ref): What it was made from.
    settings (Tuple): And how.
    parts (List[Part]): The stored tokens, by the tracks on which they are known.
    beside (ArrayXd): What is put beside a query: its variances, or nothing. [1, width or 0]
    """

    rows: "ref[Any]"
    settings: Tuple[Any, ...]
    parts: List[Part]
    beside: ArrayXd


# By the layer's id. They are not kept longer than the rows that they were made from.
_STORES: Dict[int, Store] = {}


def _drop(stores: Dict[int, Store], layer: int, rows: "ref[Any]") -> None:
    if layer in stores and stores[layer].rows is rows:
        del stores[layer]


def get_store(layer: Model[Floats2d, Floats2d]) -> Store:
    """Make a memory ready for search; what was made is used again until the memory changes."""
    rows, settings = layer.get_param("rows"), (layer.attrs["distance"], layer.attrs["search"])
    known = _STORES.get(layer.id)
    if known is not None and known.rows() is rows and known.settings == settings:
        return known
    ops = layer.ops
    tags: Any = ops.to_numpy(layer.get_param("tags"))
    values: Any = rows
    beside = values[:1, :0]
    if layer.attrs["distance"] == DISTANCES[-1]:
        classes = numpy.unique(tags > 0, axis=0, return_inverse=True)[1].ravel()
        var, pooled = spread_of_classes(ops.to_numpy(rows), classes)
        values = ops.xp.concatenate((values, ops.asarray(var)), axis=1)
        beside = ops.asarray(pooled)
    is_known = tags != UNKNOWN
    patterns, pattern = numpy.unique(is_known, axis=1, return_inverse=True)
    parts = []
    for i in range(patterns.shape[1]):
        some, tracks = numpy.flatnonzero(patterns[:, i]), numpy.flatnonzero(pattern.ravel() == i)
        if len(some):
            index = Index(ops, values[ops.asarray(some)], *settings)
            parts.append(Part(index, tracks, ops.asarray(tags[numpy.ix_(some, tracks)])))
    made = Store(ref(rows, partial(_drop, _STORES, layer.id)), settings, parts, beside)
    _STORES[layer.id] = made
    return made


def forward(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> Tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    xp, n_tags = model.ops.xp, model.attrs["n_tags"]
    store = get_store(model)
    n_tracks = model.get_param("tags").shape[1]
    # Where nothing is known, all tags are O.
    out = xp.zeros((len(X), n_tracks, n_tags), dtype="float32")
    out[:, :, 0] = 1.0
    temperature = model.attrs["temperature"] * model.attrs["scale"]
    for start in range(0, len(X), BLOCK):
        queries: Any = X[start : start + BLOCK]
        wide = xp.zeros((len(queries), 1), dtype=queries.dtype) + store.beside
        queries = xp.concatenate((queries, wide), axis=1)
        for finds, tracks, tags in store.parts:
            neighbours = finds.nearest(queries, model.attrs["k"])
            shares = vote(model.ops, neighbours, tags, n_tags, temperature)
            out[start : start + len(queries), model.ops.asarray(tracks)] = shares

    def backprop(dY: Floats2d) -> Floats2d:
        return xp.zeros_like(X)

    return out.reshape((len(X), n_tracks * n_tags)), backprop


def WithMemory(
    scorer: Model[Floats2d, Floats2d], memory: Model[Floats2d, Floats2d]
) -> Model[Floats2d, Floats2d]:
    """Put what a memory says of rows beside their scores, when it is filled. In training it is left
    out.

    scorer (Model[Floats2d, Floats2d]): What scores the rows: [N, nI] to [N, nO].
    memory (Model[Floats2d, Floats2d]): A `Memory`.
    RETURNS (Model[Floats2d, Floats2d]): The layer: [N, nI] to [N, nO] or [N, nO + width of memory].
    """
    return Model("with_memory", _forward_both, init=_init_both, layers=[scorer, memory])


def _forward_both(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> Tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    scorer, memory = model.layers
    Y, backprop = scorer(X, is_train)
    if is_train or not is_filled(memory):
        return Y, backprop
    return model.ops.xp.concatenate((Y, memory.predict(X)), axis=1), backprop


def _init_both(
    model: Model[Floats2d, Floats2d], X: Optional[Floats2d] = None, Y: Optional[Floats2d] = None
) -> None:
    model.layers[0].initialize(X=X)
