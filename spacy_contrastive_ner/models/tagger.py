from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import Maxout, Model, NumpyOps, chain, list2ragged, resizable, with_array
from thinc.types import ArrayXd, Floats2d, Floats3d, Ragged

from .. import tracks
from ..annotations import Gold
from ..layers.beside import Beside
from ..layers.crf import CRF, get_transitions, reset_crf, set_tracks
from ..layers.dropout import FixedDropout
from ..layers.heads import TrackHeads, reset_heads, set_width
from ..layers.held import set_gradient
from ..layers.memory import Memory, WithMemory
from ..layers.span_pairs import size_linker
from ..losses.cross_entropy_dice import Loss, make_cross_entropy_dice
from ..tracks import Found, Layout, Lost, Transitions
from ..tracks.decoding import DECODERS
from .filling import forget, remember
from .given_spans import type_with_tracks
from .linking import (
    add_label_to_links,
    cannot_link,
    check_links,
    find_links,
    fit_links,
    imitate_links,
    learn_links,
    put_together,
    take_apart,
    width_of_rows,
)
from .memory import (
    NEAREST,
    check_memory,
    consult,
    describe_memory,
    forget_all,
    learned,
    resize_memory,
    set_memory,
    take_memory,
)

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
    link: Optional[Model[Floats2d, Floats2d]] = None,
    memory: Optional[Model[Floats2d, Floats2d]] = None,
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
    link (Optional[Model[Floats2d, Floats2d]]): A FragmentLinker, which ties fragments of
        discontinuous entities together. If None, each fragment is an entity of its own.
    memory (Optional[Model[Floats2d, Floats2d]]): A Memory, with settings. It is empty until
        `remember` of the pipe fills it, and so is the one that the model has if this is None.
    RETURNS (Model[List[Doc], Ragged]): The model. Its scores are [N, K * (1 + 4M)]; with fragments to
        link the rows that are scored stand beside them, and then what the memory says, if anything.
    """
    rows: List[Model] = [tok2vec, list2ragged()]
    settings = (heads, hidden_width, dropout, loss, crf, label_weights, link)
    model = make_tagger(rows, tok2vec, *settings, memory=memory or Memory())
    model.attrs["type"] = type_with_tracks
    return model


def make_tagger(
    rows: List[Model],
    tok2vec: Model[List[Doc], List[Floats2d]],
    heads: str,
    hidden_width: int,
    dropout: float,
    loss: Optional[Loss],
    crf: Optional[Model[Floats2d, Floats2d]],
    label_weights: Optional[Dict[str, float]],
    link: Optional[Model[Floats2d, Floats2d]] = None,
    memory: Optional[Model[Floats2d, Floats2d]] = None,
) -> Model[InT, OutT]:
    """Put heads on rows, be they of tokens or of pieces.

    rows (List[Model]): The layers that make the rows, one after the other; what comes out is Ragged.
    tok2vec (Model[List[Doc], List[Floats2d]]): The encoder, which is in them.
    heads, hidden_width, dropout, loss, crf, label_weights, link: See `build_multi_head_tagger`.
    memory (Optional[Model[Floats2d, Floats2d]]): A Memory, or None for none.
    RETURNS (Model[List[Doc], Ragged]): The model, as a tagger of tokens.
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
    over_rows: List[Model] = []
    if hidden_width:
        over_rows.append(Maxout(nO=hidden_width, nP=3, normalize=True, dropout=0.0))
    if dropout:
        over_rows.append(FixedDropout(dropout))
    scorers: List[Model] = [output, transitions]
    if link is not None:
        linker = resizable(link, resize_layer=size_linker)
        scorers = [Beside(chain(*scorers), linker)]
    over_rows += scorers
    scorer = chain(*over_rows) if len(over_rows) > 1 else over_rows[0]
    if memory is not None:
        scorer = WithMemory(scorer, memory)
    model: Model[InT, OutT] = chain(*rows, with_array(scorer))
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("heads", output)
    model.set_ref("crf", transitions)
    if link is not None:
        model.set_ref("linker", linker)
    if memory is not None:
        model.set_ref("memory", memory)
        model.attrs.update(MEMORY_FUNCTIONS, decoders=(*DECODERS, NEAREST))
    if loss is None and crf is None:
        loss = make_cross_entropy_dice()
    model.attrs.update(
        layout=Layout.build(heads, {}).to_dict(),
        loss=loss,
        use_crf=crf is not None,
        label_weights=dict(label_weights or {}),
        linked=[],
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
    forget_all(model)
    lost = fit_links(model, layout.labels, gold)
    _resize(model, layout, target.tags)
    return target.lost + lost


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
    add_label_to_links(model, len(layout.labels))


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
    resize_memory(model, layout)


def output_width(model: Model[InT, OutT]) -> int:
    """RETURNS (int): The width of the output: of the scores, and of the rows that stand beside them
    if there are fragments to link."""
    return get_layout(model).width + width_of_rows(model)


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
    layout, ops = get_layout(model), model.ops
    scores, _ = take_memory(model, scores, output_width(model))
    learned(model, gold)
    scores, rows = take_apart(model, scores, layout.width)
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
) -> Tuple[float, Ragged]:
    """The cross-entropy of the tags' probabilities with those of an earlier version of the model,
    on the tracks that it has. Tracks that were added since are left alone.

    model (Model[List[Doc], Ragged]): The model.
    scores (Ragged): Its scores. [N, K * (1 + 4M)]
    teacher (Model[List[Doc], Ragged]): The earlier version.
    teacher_scores (Ragged): Its scores.
    legal (Optional[ArrayXd]): Which tags each row can have, by default all, for either of them.
        [N, 1 + 4M]
    RETURNS (Tuple[float, Ragged]): The loss, less the teacher's entropy, and the gradient.
    """
    xp = model.ops.xp
    layout, old = get_layout(model), get_layout(teacher)
    scores, _ = take_memory(model, scores, output_width(model))
    teacher_scores, _ = take_memory(teacher, teacher_scores, output_width(teacher))
    scores, rows = take_apart(model, scores, layout.width)
    teacher_scores, teacher_rows = take_apart(teacher, teacher_scores, old.width)
    X, T = _on_tracks(layout, scores), _on_tracks(old, teacher_scores)
    if legal is not None:
        X = tracks.mask_scores(model.ops, X, legal)
        T = tracks.mask_scores(model.ops, T, legal[:, : old.n_tags])
    d_scores = xp.zeros_like(X)
    ours, theirs = _log_softmax(xp, X[:, : old.n_tracks, : old.n_tags]), _log_softmax(xp, T)
    d_scores[:, : old.n_tracks, : old.n_tags] = xp.exp(ours) - xp.exp(theirs)
    loss = (xp.exp(theirs) * (theirs - ours)).sum()
    d_ragged = Ragged(d_scores.reshape((-1, layout.width)), scores.lengths)
    if rows is not None and teacher_rows is not None:
        lengths = model.ops.to_numpy(scores.lengths).tolist()
        found = _decode(teacher, lengths, teacher_scores, "viterbi", 0.5)
        part, d_rows = imitate_links(model, rows, teacher, teacher_rows, old.labels, lengths, found)
        loss, d_ragged = loss + part, put_together(model.ops, d_ragged, d_rows)
    return float(loss), d_ragged


def _log_softmax(xp: Any, X: Floats3d) -> Floats3d:
    X = X - X.max(axis=-1, keepdims=True)
    return X - xp.log(xp.exp(X).sum(axis=-1, keepdims=True))


def find(
    model: Model[InT, OutT],
    lengths: Sequence[int],
    scores: Ragged,
    decoder: str,
    threshold: float,
    legal: Optional[numpy.ndarray] = None,
) -> Found:
    """Find the entities, see `tracks.decode`. The scores come to the CPU once.

    model (Model[List[Doc], Ragged]): The model.
    lengths (Sequence[int]): The number of tokens of each document.
    scores (Ragged): The scores. [N, K * (1 + 4M)]
    decoder (str): "viterbi" or "posterior"; "nearest" asks the memory alone.
    threshold (float): For "posterior".
    legal (Optional[numpy.ndarray]): Which tags each row can have, by default all. [N, 1 + 4M]
    RETURNS (Found): The entities.
    """
    labels = get_layout(model).labels
    scores, said = take_memory(model, scores, output_width(model))
    scores, rows = take_apart(model, scores, get_layout(model).width)
    found = _decode(model, lengths, scores, decoder, threshold, legal, said)
    return found if rows is None else find_links(model, labels, lengths, found, rows)


def _decode(
    model: Model[InT, OutT],
    lengths: Sequence[int],
    scores: Ragged,
    decoder: str,
    threshold: float,
    legal: Optional[numpy.ndarray] = None,
    said: Optional[Floats2d] = None,
) -> Found:
    """Find the entities without their links, see `find`."""
    layout = get_layout(model)
    transitions = get_transitions(model.get_ref("crf").layers[0])
    if transitions is not None:
        transitions = Transitions(*(model.ops.to_numpy(table) for table in transitions))
        if not all(numpy.isfinite(table).all() for table in transitions):
            raise ValueError(
                "The transitions of the CRF are not finite (NaN or infinite): training diverged. "
                "Lower the learning rate or clip gradients, and train again."
            )
    X = model.ops.to_numpy(scores.dataXd).reshape((-1, layout.n_tracks, layout.n_tags))
    if legal is not None:
        X = tracks.mask_scores(NumpyOps(), X, legal)
    X, transitions, decoder = consult(model, X, lengths, transitions, said, decoder)
    return tracks.decode(
        X,
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
    return check_links(model, layout.labels) or check_memory(model, layout)


# What a model with a memory answers to besides.
MEMORY_FUNCTIONS: Dict[str, Any] = {
    "remember": remember,
    "forget": forget,
    "describe_memory": describe_memory,
    "set_memory": set_memory,
}
