from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import Maxout, Model, chain, list2ragged, resizable, with_array
from thinc.types import Floats2d, Floats3d, Ragged

from .. import tracks
from ..annotations import Gold
from ..layers.crf import CRF, get_transitions, reset_crf, set_tracks
from ..layers.dropout import FixedDropout
from ..layers.heads import TrackHeads, reset_heads, set_width
from ..layers.held import set_gradient
from ..losses.cross_entropy_dice import Loss, make_cross_entropy_dice
from ..tracks import Found, Layout, Lost, Transitions

InT = List[Doc]
OutT = Ragged

# How unlikely the tags of a label without any data start out, in nats.
RESERVE = 10.0


def build_multi_head_tagger(
    tok2vec: Model[List[Doc], List[Floats2d]],
    heads: str = "per_label",
    hidden_width: int = 0,
    dropout: float = 0.0,
    loss: Optional[Loss] = None,
    crf: Optional[Model[Floats2d, Floats2d]] = None,
    label_weights: Optional[Dict[str, float]] = None,
) -> Model[InT, OutT]:
    """Score BILOU tags on tracks: encoder, an optional hidden layer, one affine map for all heads.

    tok2vec (Model[List[Doc], List[Floats2d]]): The encoder: one row a token.
    heads (str): "per_label": each label has tracks of its own, entities may nest and cross.
        "joint": one track carries all labels, entities do not overlap.
    hidden_width (int): The width of a hidden layer before the heads, or 0 for none.
    dropout (float): Dropout before the heads, on top of the one set for training.
    loss (Optional[Loss]): A loss of the tags, such as CrossEntropyDice. If neither loss nor crf
        is given, it is cross-entropy.
    crf (Optional[Model[Floats2d, Floats2d]]): A conditional random field: its negative
        log-likelihood is added to the loss, and decoding uses its transitions.
    label_weights (Optional[Dict[str, float]]): What the loss of a label counts, 1 by default.
    RETURNS (Model[List[Doc], Ragged]): The model. Its scores are [N, K * (1 + 4M)].
    """
    Layout.build(heads, {})  # checks the name
    if label_weights and crf is not None and heads == "joint":
        raise ValueError(
            "label_weights cannot be used with a CRF on a joint track, which weighs whole tag "
            'sequences. Use heads = "per_label", or a loss instead of the CRF.'
        )
    if hidden_width < 0:
        raise ValueError(f"hidden_width is {hidden_width}, but must not be negative.")
    if not 0.0 <= dropout < 1.0:
        raise ValueError(f"dropout is {dropout}, but must lie in [0, 1).")
    for label, weight in (label_weights or {}).items():
        if weight < 0:
            raise ValueError(f"label_weights gives {label} {weight}, but a weight is not negative.")
    output = resizable(TrackHeads(), resize_layer=set_width)
    transitions = resizable(crf if crf is not None else CRF("constraints"), set_tracks)
    over_tokens: List[Model] = []
    if hidden_width:
        over_tokens.append(Maxout(nO=hidden_width, nP=3, normalize=True, dropout=0.0))
    if dropout:
        over_tokens.append(FixedDropout(dropout))
    model: Model[InT, OutT] = chain(
        tok2vec, list2ragged(), with_array(chain(*over_tokens, output, transitions))
    )
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("heads", output)
    model.set_ref("crf", transitions)
    if loss is None and crf is None:
        loss = make_cross_entropy_dice()
    model.attrs.update(
        layout=Layout.build(heads, {}).to_dict(),
        loss=loss,
        use_crf=crf is not None,
        label_weights=dict(label_weights or {}),
        fit=fit,
        labels=labels,
        add_label=add_label,
        learn=learn,
        imitate=imitate,
        find=find,
        check=check,
    )
    return model


def get_layout(model: Model[InT, OutT]) -> Layout:
    """RETURNS (Layout): Which track holds what."""
    return Layout.from_dict(model.attrs["layout"])


def fit(
    model: Model[InT, OutT],
    gold: Sequence[Gold],
    given: Optional[Dict[str, int]],
    max_layers: int,
) -> List[Lost]:
    """Lay out the tracks and size the output.

    model (Model[List[Doc], Ragged]): The model, before its parameters are initialised.
    gold (Sequence[Gold]): The annotation of the training data, or of a sample.
    given (Optional[Dict[str, int]]): The labels with their number of layers, if they are known;
        0 means that the data says. If None, labels come from the data too.
    max_layers (int): The largest number of layers a label may have.
    RETURNS (List[Lost]): The spans that the tracks cannot hold.
    """
    layout = get_layout(model)
    needed = tracks.layers_needed([doc.spans for doc in gold], max_layers)
    # Labels that were added by hand, or that the model had before, stay in front.
    wanted = dict(zip(layout.labels, layout.layers))
    for label, n in (needed if given is None else given).items():
        wanted.setdefault(label, n)
    layers = {label: max(n, needed.get(label, 0)) or max_layers for label, n in wanted.items()}
    layout = Layout.build(layout.heads, layers)
    unknown = set(model.attrs["label_weights"]) - set(layout.labels)
    if unknown:
        raise ValueError(
            f"label_weights names {', '.join(sorted(unknown))}, but the labels are "
            f"{', '.join(layout.labels)}."
        )
    target = tracks.targets(layout, [doc.n_tokens for doc in gold], [doc.spans for doc in gold])
    # A model that is initialised again starts anew, as its encoder does.
    reset_heads(model.get_ref("heads"))
    reset_crf(model.get_ref("crf"))
    _resize(model, layout, target.tags)
    return target.lost


def labels(model: Model[InT, OutT]) -> Dict[str, int]:
    """RETURNS (Dict[str, int]): The labels with their number of layers."""
    layout = get_layout(model)
    return dict(zip(layout.labels, layout.layers))


def add_label(model: Model[InT, OutT], label: str, layers: Optional[int], max_layers: int) -> None:
    """Make room for one more label. It starts out as never predicted; the scores of the others
    do not change.

    model (Model[List[Doc], Ragged]): The model.
    label (str): The new label.
    layers (Optional[int]): Its number of layers. If None, `fit` will look at the data, or it is
        `max_layers` if the model has been initialised.
    max_layers (int): The largest number of layers a label may have.
    """
    if not model.get_ref("heads").layers[0].has_param("W"):
        model.attrs["layout"] = get_layout(model).with_label(label, layers or 0).to_dict()
        return
    layout = get_layout(model).with_label(label, layers or max_layers)
    _resize(model, layout, numpy.zeros((0, layout.n_tracks), dtype="uint8"))


def _resize(model: Model[InT, OutT], layout: Layout, tags: numpy.ndarray) -> None:
    """Give the model the tracks of a layout. New heads start from the frequency of the tags in
    the given targets, [N, K]."""
    model.attrs["layout"] = layout.to_dict()
    if not layout.n_tracks:
        return
    counts = numpy.stack([(tags == tag).sum(axis=0) for tag in range(layout.n_tags)], axis=1)
    share = (counts + 1.0) / (counts.sum(axis=1, keepdims=True) + layout.n_tags)
    bias = numpy.log(share)
    places = (layout.n_tracks, layout.labels_per_track, 4)
    unseen = counts[:, 1:].reshape(places).sum(axis=2) == 0
    bias[:, 1:][numpy.repeat(unseen, 4, axis=1)] -= RESERVE
    set_width(model.get_ref("heads"), layout.width, bias.ravel().tolist())
    set_tracks(model.get_ref("crf"), layout.n_tracks, layout.labels_per_track)


def learn(
    model: Model[InT, OutT], gold: Sequence[Gold], scores: Ragged
) -> Tuple[float, Ragged, List[Lost]]:
    """Compute the loss, summed over tokens and tracks, and its gradient. That of the transitions
    of a conditional random field is left with their layer, which adds it at backpropagation.

    model (Model[List[Doc], Ragged]): The model.
    gold (Sequence[Gold]): The annotation of the documents.
    scores (Ragged): The scores of the documents. [N, K * (1 + 4M)]
    RETURNS (Tuple[float, Ragged, List[Lost]]): The loss, the gradient of the scores, and the
        spans that the tracks cannot hold.
    """
    layout, ops = get_layout(model), model.ops
    lengths = [doc.n_tokens for doc in gold]
    target = tracks.targets(
        layout, lengths, [doc.spans for doc in gold], [doc.missing for doc in gold]
    )
    tags = ops.asarray(target.tags)
    allowed = None if target.allowed is None else ops.asarray(target.allowed)
    X = _on_tracks(layout, scores)
    weights = _label_weights(layout, model.attrs["label_weights"])
    loss, d_scores = ops.xp.zeros((), dtype="float64"), ops.xp.zeros_like(X)
    if model.attrs["loss"] is not None:
        by_tag = None if weights is None else ops.asarray(weights)
        part, d_part = model.attrs["loss"](ops, X, tags, allowed=allowed, weights=by_tag)
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
    return float(loss), d_ragged, target.lost


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
    model: Model[InT, OutT], scores: Ragged, teacher: Model[InT, OutT], teacher_scores: Ragged
) -> Tuple[float, Ragged]:
    """The cross-entropy of the tags' probabilities with those of an earlier version of the model,
    on the tracks that it has. Tracks that were added since are left alone.

    model (Model[List[Doc], Ragged]): The model.
    scores (Ragged): Its scores. [N, K * (1 + 4M)]
    teacher (Model[List[Doc], Ragged]): The earlier version.
    teacher_scores (Ragged): Its scores.
    RETURNS (Tuple[float, Ragged]): The loss, less the teacher's entropy, and the gradient.
    """
    xp = model.ops.xp
    layout, old = get_layout(model), get_layout(teacher)
    X, T = _on_tracks(layout, scores), _on_tracks(old, teacher_scores)
    d_scores = xp.zeros_like(X)
    ours, theirs = _log_softmax(xp, X[:, : old.n_tracks, : old.n_tags]), _log_softmax(xp, T)
    d_scores[:, : old.n_tracks, : old.n_tags] = xp.exp(ours) - xp.exp(theirs)
    loss = (xp.exp(theirs) * (theirs - ours)).sum()
    return float(loss), Ragged(d_scores.reshape((-1, layout.width)), scores.lengths)


def _log_softmax(xp: Any, X: Floats3d) -> Floats3d:
    X = X - X.max(axis=-1, keepdims=True)
    return X - xp.log(xp.exp(X).sum(axis=-1, keepdims=True))


def find(
    model: Model[InT, OutT],
    lengths: Sequence[int],
    scores: Ragged,
    decoder: str,
    threshold: float,
) -> Found:
    """Find the entities, see `tracks.decode`. The scores come to the CPU once.

    model (Model[List[Doc], Ragged]): The model.
    lengths (Sequence[int]): The number of tokens of each document.
    scores (Ragged): The scores. [N, K * (1 + 4M)]
    decoder (str): "viterbi" or "posterior".
    threshold (float): For "posterior".
    RETURNS (Found): The entities.
    """
    layout = get_layout(model)
    transitions = get_transitions(model.get_ref("crf").layers[0])
    if transitions is not None:
        transitions = Transitions(*(model.ops.to_numpy(table) for table in transitions))
        if not all(numpy.isfinite(table).all() for table in transitions):
            raise ValueError(
                "The transitions of the CRF are not finite (NaN or infinite): training diverged. "
                "Lower the learning rate or clip gradients, and train again."
            )
    X = model.ops.to_numpy(scores.dataXd)
    return tracks.decode(
        X.reshape((-1, layout.n_tracks, layout.n_tags)),
        lengths,
        layout.track_labels(),
        transitions=transitions,
        decoder=decoder,
        threshold=threshold,
    )


def check(model: Model[InT, OutT]) -> Optional[str]:
    """RETURNS (Optional[str]): Why the arrays of a loaded model do not fit its labels, or None."""
    layout = get_layout(model)
    heads = model.get_ref("heads").layers[0]
    if heads.has_param("W") and heads.get_param("W").shape[0] != layout.width:
        return (
            f"its heads have {heads.get_param('W').shape[0]} outputs, but its "
            f"{len(layout.labels)} labels on {layout.n_tracks} tracks need {layout.width}"
        )
    return None
