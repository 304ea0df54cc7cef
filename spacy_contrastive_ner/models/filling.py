"""How the memory of a model is filled and emptied, without training."""

from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import Model, NumpyOps
from thinc.types import Floats2d

from .. import tracks
from ..annotations import Gold
from ..layers.memory import UNKNOWN, is_filled
from ..neighbours import choose_tokens, count_transitions, distances
from ..tracks import Layout, Lost, Subwords
from .listeners import require_rows
from .memory import (
    describe_memory,
    fingerprint,
    forget_all,
    has_heads,
    layout_of,
    of_labels,
    require_own_rows,
    resize_memory,
    set_memory,
    the_memory,
)
from .pieces import on_pieces, on_tokens

# So many tokens are encoded at once.
BLOCK = 20000

# The mean distance of stored tokens is that of so many of them.
SOME = 512


class Remembered(NamedTuple):
    """What became of examples that were to be remembered.

    tokens (int): How many tokens are stored now, or how many pieces of them.
    outside (int): How many of these are in no entity.
    left_out (int): How many tokens there is no room for. Tokens that were stored before are among
        them, if they had to make room.
    left_out_of (Dict[str, int]): How many of these are in entities of each label, "" for none.
    unknown (int): How many tokens nothing is known of.
    new_labels (List[str]): Labels that the model has from now on.
    lost (List[Lost]): The entities that the tracks cannot hold.
    """

    tokens: int
    outside: int
    left_out: int
    left_out_of: Dict[str, int]
    unknown: int
    new_labels: List[str]
    lost: List[Lost]


def remember(
    model: Model,
    docs: Sequence[Doc],
    gold: Sequence[Gold],
    max_layers: int,
    labels: Optional[Sequence[str]] = None,
) -> Remembered:
    """Add the tokens of documents to the memory, without training.

    model (Model[List[Doc], Ragged]): The model, which is initialised.
    docs (Sequence[Doc]): The documents, as the encoder is to see them.
    gold (Sequence[Gold]): Their annotation. Labels that the model does not have are added.
    max_layers (int): The largest number of layers a new label may have.
    labels (Optional[Sequence[str]]): The labels that were annotated, if not all: nothing is learned of
        the others. On a joint track, where they cannot be held apart, it says nothing.
    RETURNS (Remembered): What became of the tokens.
    """
    memory = the_memory(model)
    if not _is_initialised(model):
        raise ValueError("The model is not initialised. Train it first.")
    if is_filled(memory):
        require_own_rows(model)
    if labels is not None:
        _check_labels(model.attrs["labels"](model), gold, labels)
    rows, words = _encode(model, docs)
    # From here on nothing can go wrong: half a change would be worse than none.
    new = _add_labels(model, gold, max_layers)
    layout = layout_of(model)
    lost: List[Lost] = []
    if words is not None:
        gold, lost = on_pieces(words, gold)
    lengths = [doc.n_tokens for doc in gold]
    target = tracks.targets(layout, lengths, [g.spans for g in gold], [g.missing for g in gold])
    lost += target.lost if words is None else on_tokens(words, target.lost)
    tags: Any = target.tags.astype("int16")
    if target.allowed is not None:
        tags[target.allowed.sum(axis=2) > 1] = UNKNOWN
    if labels is not None:
        tags[:, _tracks_without(layout, {*labels, *new})] = UNKNOWN
    counts = numpy.asarray(memory.attrs["counts"]) + count_transitions(tags, lengths)
    known = (tags != UNKNOWN).any(axis=1)
    n_unknown = int((~known).sum())
    rows, tags = rows[known], tags[known]
    if is_filled(memory):
        before = [model.ops.to_numpy(memory.get_param(name)) for name in ("rows", "tags")]
        rows = numpy.concatenate((before[0], rows))
        tags = numpy.concatenate((before[1], tags))
    kept = choose_tokens(of_labels(layout, tags), memory.attrs["max_tokens"])
    left_out, left_out_of = len(tags) - len(kept), _count(layout, tags, kept)
    about = {"counts": counts.tolist(), "encoder": fingerprint(model)}
    _put(model, rows[kept], tags[kept], **about)
    n_outside = int((tags[kept] <= 0).all(axis=1).sum())
    return Remembered(len(kept), n_outside, left_out, left_out_of, n_unknown, new, lost)


def _is_initialised(model: Model) -> bool:
    """Whether there is something that the model has learned, or can learn."""
    layer = model.get_ref("heads" if has_heads(model) else "space").layers[0]
    return any(layer.has_param(name) for name in layer.param_names)


def _encode(model: Model, docs: Sequence[Doc]) -> Tuple[numpy.ndarray, Optional[Subwords]]:
    """The encoder's rows of documents, [N, width]; if they are those of pieces, whose pieces these are."""
    parts: List[numpy.ndarray] = []
    counts: List[numpy.ndarray] = []
    batch: List[Doc] = []
    for i, doc in enumerate(docs):
        batch.append(doc)
        if i + 1 < len(docs) and sum(map(len, batch)) < BLOCK:
            continue
        some, of_tokens = _encode_batch(model, batch)
        parts += some
        counts.append(of_tokens)
        batch = []
    if not sum(map(len, parts)):
        raise ValueError("The examples have no tokens.")
    rows = numpy.concatenate([part for part in parts if len(part)])
    if not numpy.isfinite(rows).all():
        raise ValueError(
            "The vectors of the encoder are not finite (NaN or infinite). Check word vectors, and "
            "whether training diverged."
        )
    width = _width(the_memory(model))
    if width not in (None, rows.shape[1]):
        raise ValueError(
            f"The encoder makes vectors of width {rows.shape[1]}, but those in the memory have {width}. "
            "Empty it with forget() first."
        )
    if not model.has_ref("pieces"):
        return rows, None
    return rows, Subwords(numpy.concatenate(counts), [len(doc) for doc in docs])


def _encode_batch(model: Model, docs: List[Doc]) -> Tuple[List[numpy.ndarray], numpy.ndarray]:
    """The rows of each document, and how many each token has."""
    require_rows(model, docs)
    counts = numpy.ones(sum(map(len, docs)), dtype="int64")
    if model.has_ref("pieces"):
        read = model.get_ref("pieces").predict(docs)
        counts = read.lengths
        sizes = Subwords(counts, [len(doc) for doc in docs]).lengths
        parts = numpy.split(model.ops.to_numpy(read.dataXd), numpy.cumsum(sizes)[:-1])
    else:
        parts = [model.ops.to_numpy(part) for part in model.get_ref("tok2vec").predict(docs)]
    return parts, counts


def _width(memory: Model[Floats2d, Floats2d]) -> Optional[int]:
    return memory.get_param("rows").shape[1] if is_filled(memory) else None


def _add_labels(model: Model, gold: Sequence[Gold], max_layers: int) -> List[str]:
    """Make room for labels that the model does not have. They are never predicted but from memory."""
    needed = tracks.layers_needed([doc.spans for doc in gold], max_layers)
    known = model.attrs["labels"](model)
    new = [label for label in needed if label not in known]
    for label in new:
        model.attrs["add_label"](model, label, needed[label], max_layers)
    if not has_heads(model):
        _lay_out(model, needed)
    return new


def _lay_out(model: Model, needed: Dict[str, int]) -> None:
    """Give a memory that has tracks of its own one for each label of the model, and as many as are needed."""
    old = layout_of(model)
    layers = dict(zip(old.labels, old.layers))
    for label in model.attrs["labels"](model):
        layers[label] = max(layers.get(label, 1), needed.get(label, 1))
    new = Layout.build(old.heads, layers)
    resize_memory(model, old, new)
    model.attrs["layout"] = new.to_dict()


def _check_labels(known: Iterable[str], gold: Sequence[Gold], labels: Sequence[str]) -> None:
    """Stop if the examples cannot be annotated with these labels."""
    seen = {label for doc in gold for _, _, label in doc.spans}
    unknown = [label for label in labels if label not in {*seen, *known}]
    if unknown:
        raise ValueError(
            f"labels names {', '.join(unknown)}, which neither the model nor the examples have: they have "
            f"{', '.join(sorted({*seen, *known}))}."
        )


def _tracks_without(layout: Layout, labels: Any) -> List[int]:
    """The tracks that hold none of these labels; on a joint track there are none."""
    if layout.heads == "joint":
        return []
    names = [layout.labels[i] for i in layout.track_labels()[:, 0].tolist()]
    return [track for track, name in enumerate(names) if name not in labels]


def _count(layout: Layout, tags: numpy.ndarray, kept: numpy.ndarray) -> Dict[str, int]:
    """How many tokens of each label are not kept, and "" of none."""
    is_left = numpy.ones(len(tags), dtype="bool")
    is_left[kept] = False
    classes = of_labels(layout, tags[is_left])
    counts = dict(zip(layout.labels, classes.sum(axis=0).tolist()))
    counts[""] = int((~classes.any(axis=1)).sum())
    return {label: n for label, n in counts.items() if n}


def _put(model: Model, rows: numpy.ndarray, tags: numpy.ndarray, **known: Any) -> None:
    """Have a memory hold these tokens, and nothing else. What is not known anew stays as it is."""
    memory, ops = the_memory(model), model.ops
    if not len(rows):
        only = memory.attrs["only"]
        forget_all(model)
        memory.attrs["only"] = only
        return
    at = numpy.linspace(0, len(rows) - 1, min(len(rows), SOME)).astype("int64")
    some = numpy.unique(rows[at], axis=0)
    kind = memory.attrs["distance"] if memory.attrs["distance"] != "gaussian" else "euclidean"
    pairs: Any = distances(NumpyOps(), kind, some, some)
    n = len(some)
    scale = float((pairs.sum() - numpy.trace(pairs)) / (n * (n - 1))) if n > 1 else 1.0
    if memory.attrs["distance"] == "gaussian":
        # Of Gaussians as wide as all of them, so a sum over columns.
        scale = float(rows.shape[1])
    memory.set_param("rows", ops.asarray(numpy.ascontiguousarray(rows, dtype="float32")))
    memory.set_param("tags", ops.asarray(numpy.ascontiguousarray(tags, dtype="int16")))
    memory.attrs.update(
        known, scale=scale if scale > 1e-12 else 1.0, n_tags=layout_of(model).n_tags
    )


def forget(model: Model, label: Optional[str] = None) -> int:
    """Remove what is known of a label from the memory, or all there is. Tokens of which nothing else is
    known go.

    model (Model[List[Doc], Ragged]): The model.
    label (Optional[str]): The label, or None for all.
    RETURNS (int): How many tokens are gone.
    """
    memory = the_memory(model)
    if label is None:
        n = len(memory.get_param("rows")) if is_filled(memory) else 0
        only = memory.attrs["only"]
        forget_all(model)
        memory.attrs["only"] = only
        return n
    layout, known = layout_of(model), model.attrs["labels"](model)
    if label not in known:
        raise ValueError(f"There is no label {label!r}. The labels are {', '.join(known)}.")
    if label not in layout.labels or not is_filled(memory):
        return 0
    rows, tags = (model.ops.to_numpy(memory.get_param(name)) for name in ("rows", "tags"))
    if layout.heads == "joint":
        gone = of_labels(layout, tags)[:, layout.labels.index(label)]
    else:
        tags = tags.copy()
        tags[:, [track for track, _ in layout.slots()[layout.labels.index(label)]]] = UNKNOWN
        gone = (tags == UNKNOWN).all(axis=1)
    _put(model, rows[~gone], tags[~gone])
    return int(gone.sum())


# What a model with a memory answers to besides.
MEMORY_FUNCTIONS: Dict[str, Any] = {
    "remember": remember,
    "forget": forget,
    "describe_memory": describe_memory,
    "set_memory": set_memory,
}
