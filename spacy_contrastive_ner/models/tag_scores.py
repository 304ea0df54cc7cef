"""What the scores of a tagger are learned by, and what is read from them."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import ArrayXd, Floats3d, Ragged

from .. import tracks
from ..annotations import Gold
from ..layers.crf import get_transitions
from ..layers.held import set_gradient
from ..tracks import Found, Layout, Lost, Threshold
from .columns import Columns, put_together, read_scores, take_apart
from .linking import cannot_link, find_links, imitate_links, learn_links
from .memory import layout_of, learned

InT = List[Doc]
OutT = Ragged


def learn(
    model: Model[InT, OutT],
    gold: Sequence[Gold],
    scores: Ragged,
    legal: Optional[ArrayXd] = None,
) -> Tuple[float, Ragged, List[Lost]]:
    """Compute the loss, summed over tokens and tracks, and its gradient. That of the transitions
    of a conditional random field is left with their layer, which adds it at backpropagation.

    model (Model[List[Doc], Ragged]): The model.
    gold (Sequence[Gold]): The annotation of the documents.
    scores (Ragged): The scores of the documents. [N, K * (1 + 4M)]
    legal (Optional[ArrayXd]): Which tags each row can have, by default all. [N, 1 + 4M]
    RETURNS (Tuple[float, Ragged, List[Lost]]): The loss, the gradient of the scores, and the
        spans that the tracks cannot hold.
    """
    layout, ops = layout_of(model), model.ops
    learned(model, gold)
    scores, rows, _ = take_apart(model, scores)
    lengths = [doc.n_tokens for doc in gold]
    target = tracks.targets(
        layout, lengths, [doc.spans for doc in gold], [doc.missing for doc in gold]
    )
    tags = ops.asarray(target.tags)
    allowed = None if target.allowed is None else ops.asarray(target.allowed)
    X = _on_tracks(layout, scores)
    only: Dict[str, ArrayXd] = {}
    if legal is not None:
        X, only = tracks.mask_scores(ops, X, legal), {"legal": legal}
    weights = _label_weights(layout, model.attrs["label_weights"])
    loss, d_scores = ops.xp.zeros((), dtype="float64"), ops.xp.zeros_like(X)
    if model.attrs["loss"] is not None:
        by_tag = None if weights is None else ops.asarray(weights)
        part, d_part = model.attrs["loss"](ops, X, tags, allowed=allowed, weights=by_tag, **only)
        loss, d_scores = loss + part, d_scores + d_part
    if model.attrs["use_crf"]:
        layer = model.get_ref("crf").layers[0]
        by_track = None if weights is None else ops.asarray(weights[:, -1])
        part, d_part, d_transitions = tracks.crf_loss(
            ops,
            X,
            lengths,
            tags,
            transitions=get_transitions(layer),
            allowed=allowed,
            weights=by_track,
        )
        loss, d_scores = loss + part, d_scores + d_part
        if d_transitions is not None:
            set_gradient(layer, d_transitions._asdict())
    d_ragged = Ragged(d_scores.reshape((-1, layout.width)), scores.lengths)
    lost = target.lost + cannot_link(model, layout.labels, gold)
    if rows is not None:
        given = model.attrs["label_weights"]
        part, d_rows, apart = learn_links(model, layout.labels, gold, rows, given)
        loss, lost, d_ragged = loss + part, lost + apart, put_together(ops, d_ragged, d_rows)
    return float(loss), d_ragged, lost


def _on_tracks(layout: Layout, scores: Ragged) -> Floats3d:
    """Look at the scores as [N, K, 1 + 4M]."""
    return scores.dataXd.reshape((-1, layout.n_tracks, layout.n_tags))


def _label_weights(layout: Layout, given: Dict[str, float]) -> Optional[numpy.ndarray]:
    """What the loss counts, by track and gold tag. [K, 1 + 4M]"""
    if not given:
        return None
    weights = numpy.ones((layout.n_tracks, layout.n_tags), dtype="float32")
    for label, slots in zip(layout.labels, layout.slots()):
        for track, place in slots:
            if layout.heads == "per_label":
                weights[track] = given.get(label, 1.0)
            else:
                weights[track, 1 + 4 * place : 5 + 4 * place] = given.get(label, 1.0)
    return weights


def imitate(
    model: Model[InT, OutT],
    scores: Ragged,
    teacher: Model[InT, OutT],
    teacher_scores: Ragged,
    legal: Optional[ArrayXd] = None,
    lengths: Optional[Sequence[int]] = None,
) -> Tuple[float, Ragged]:
    """The cross-entropy of the tags' probabilities with those of an earlier version of the model,
    on the tracks that it has. Tracks that were added since are left alone.

    model (Model[List[Doc], Ragged]): The model.
    scores (Ragged): Its scores. [N, K * (1 + 4M)]
    teacher (Model[List[Doc], Ragged]): The earlier version.
    teacher_scores (Ragged): Its scores.
    legal (Optional[ArrayXd]): Which tags each row can have, by default all, for either of them.
        [N, 1 + 4M]
    lengths (Optional[Sequence[int]]): The number of rows of each document, by default as the scores
        have it.
    RETURNS (Tuple[float, Ragged]): The loss, less the teacher's entropy, and the gradient.
    """
    xp = model.ops.xp
    layout, old = layout_of(model), layout_of(teacher)
    scores, rows, _ = take_apart(model, scores)
    wanted = take_apart(teacher, teacher_scores)
    X, T = _on_tracks(layout, scores), _on_tracks(old, wanted.scores)
    if legal is not None:
        X = tracks.mask_scores(model.ops, X, legal)
        T = tracks.mask_scores(model.ops, T, legal[:, : old.n_tags])
    d_scores = xp.zeros_like(X)
    ours, theirs = _log_softmax(xp, X[:, : old.n_tracks, : old.n_tags]), _log_softmax(xp, T)
    d_scores[:, : old.n_tracks, : old.n_tags] = xp.exp(ours) - xp.exp(theirs)
    loss = (xp.exp(theirs) * (theirs - ours)).sum()
    d_ragged = Ragged(d_scores.reshape((-1, layout.width)), scores.lengths)
    if rows is not None:
        d_rows = xp.zeros_like(rows)
        if wanted.rows is not None:
            if lengths is None:
                lengths = model.ops.to_numpy(scores.lengths).tolist()
            own = None if legal is None else model.ops.to_numpy(legal[:, : old.n_tags])
            # What its memory says is not what it learned.
            found = _decode(teacher, lengths, wanted._replace(said=None), "viterbi", 0.5, own)
            part, d_rows = imitate_links(
                model, rows, teacher, wanted.rows, old.labels, lengths, found
            )
            loss = loss + part
        d_ragged = put_together(model.ops, d_ragged, d_rows)
    return float(loss), d_ragged


def _log_softmax(xp: Any, X: Floats3d) -> Floats3d:
    X = X - X.max(axis=-1, keepdims=True)
    return X - xp.log(xp.exp(X).sum(axis=-1, keepdims=True))


def find(
    model: Model[InT, OutT],
    lengths: Sequence[int],
    scores: Ragged,
    decoder: str,
    threshold: Threshold,
    legal: Optional[numpy.ndarray] = None,
) -> Found:
    """Find the entities, see `tracks.decode`. The scores come to the CPU once.

    model (Model[List[Doc], Ragged]): The model.
    lengths (Sequence[int]): The number of tokens of each document.
    scores (Ragged): The scores. [N, K * (1 + 4M)]
    decoder (str): "viterbi" or "posterior"; "nearest" asks the memory alone.
    threshold (Threshold): For "posterior", one for all labels or one for each.
    legal (Optional[numpy.ndarray]): Which tags each row can have, by default all. [N, 1 + 4M]
    RETURNS (Found): The entities.
    """
    columns = take_apart(model, scores)
    found = _decode(model, lengths, columns, decoder, threshold, legal)
    if columns.rows is None:
        return found
    return find_links(model, layout_of(model).labels, lengths, found, columns.rows)


def _decode(
    model: Model[InT, OutT],
    lengths: Sequence[int],
    columns: Columns,
    decoder: str,
    threshold: Threshold,
    legal: Optional[numpy.ndarray] = None,
) -> Found:
    """Find the entities without their links, see `find`."""
    X, transitions, decoder = read_scores(model, lengths, columns, decoder, legal)
    return tracks.decode(
        X,
        lengths,
        layout_of(model).track_labels(),
        transitions=transitions,
        decoder=decoder,
        threshold=threshold,
    )
