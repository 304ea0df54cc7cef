"""How the memory of a tagger is filled and emptied, without training."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import numpy
from spacy.tokens import Doc
from thinc.api import Model, NumpyOps
from thinc.types import Floats2d

from .. import tracks
from ..annotations import Gold
from ..layers.memory import UNKNOWN, is_filled
from ..neighbours import choose_tokens, count_transitions, distances
from ..tracks import Layout, Lost
from .listeners import has_listener
from .memory import (
    fingerprint,
    forget_all,
    layout_of,
    of_labels,
    require_own_rows,
    the_memory,
)

# So many tokens are encoded at once.
BLOCK = 20000

# The mean distance of stored tokens is that of so many of them.
SOME = 512


class Remembered(NamedTuple):
    """What became of examples that were to be remembered.

    tokens (int): How many of their tokens are stored now.
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
    if not model.get_ref("heads").layers[0].has_param("W"):
        raise ValueError("The model is not initialised. Train it first.")
    if is_filled(memory):
        require_own_rows(model)
    if labels is not None:
        _check_labels(layout_of(model), gold, labels)
    rows = _encode(model, docs)
    # From here on nothing can go wrong: half a change would be worse than none.
    new = _add_labels(model, gold, max_layers)
    layout = layout_of(model)
    lengths = [doc.n_tokens for doc in gold]
    target = tracks.targets(layout, lengths, [g.spans for g in gold], [g.missing for g in gold])
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
    only = [*memory.attrs["only"], *new]
    _put(model, rows[kept], tags[kept], counts=counts.tolist(), only=only)
    n_outside = int((tags[kept] <= 0).all(axis=1).sum())
    return Remembered(len(kept), n_outside, left_out, left_out_of, n_unknown, new, target.lost)


def _encode(model: Model, docs: Sequence[Doc]) -> numpy.ndarray:
    """The encoder's rows of documents. [N, width]"""
    encoder = model.get_ref("tok2vec")
    is_shared = has_listener(encoder)
    parts: List[numpy.ndarray] = []
    batch: List[Doc] = []
    for i, doc in enumerate(docs):
        batch.append(doc)
        if i + 1 < len(docs) and sum(map(len, batch)) < BLOCK:
            continue
        for some, own in zip(encoder.predict(batch), batch):
            if is_shared and len(own) and not some.any():
                raise ValueError(
                    f"The document {own.text[:60]!r} did not go through the encoder, which is shared "
                    "with other pipes. Give examples whose predicted docs nlp() returned."
                )
            parts.append(model.ops.to_numpy(some))
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
    return rows


def _width(memory: Model[Floats2d, Floats2d]) -> Optional[int]:
    return memory.get_param("rows").shape[1] if is_filled(memory) else None


def _add_labels(model: Model, gold: Sequence[Gold], max_layers: int) -> List[str]:
    """Make room for labels that the model does not have. They are never predicted by the heads."""
    needed = tracks.layers_needed([doc.spans for doc in gold], max_layers)
    new = [label for label in needed if label not in layout_of(model).labels]
    for label in new:
        model.attrs["add_label"](model, label, needed[label], max_layers)
    return new


def _check_labels(layout: Layout, gold: Sequence[Gold], labels: Sequence[str]) -> None:
    """Stop if the examples cannot be annotated with these labels."""
    seen = {label for doc in gold for _, _, label in doc.spans}
    unknown = [label for label in labels if label not in {*seen, *layout.labels}]
    if unknown:
        raise ValueError(
            f"labels names {', '.join(unknown)}, which neither the model nor the examples have: they have "
            f"{', '.join(sorted({*seen, *layout.labels}))}."
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
    """Have a memory hold these tokens, and nothing else."""
    memory, ops = the_memory(model), model.ops
    if not len(rows):
        only = known.get("only", memory.attrs["only"])
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
    memory.attrs["encoder"] = fingerprint(model)


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
    layout = layout_of(model)
    if label not in layout.labels:
        raise ValueError(f"There is no label {label!r}. The labels are {', '.join(layout.labels)}.")
    if not is_filled(memory):
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
