from typing import Dict, List, Optional, Sequence

import numpy
from spacy.tokens import Doc
from thinc.api import Maxout, Model, chain, list2ragged, resizable, with_array
from thinc.types import Floats2d, Ragged

from .. import tracks
from ..annotations import Gold
from ..layers.beside import Beside
from ..layers.crf import CRF, reset_crf, set_tracks
from ..layers.dropout import FixedDropout
from ..layers.heads import TrackHeads, reset_heads, set_width
from ..layers.memory import Memory, WithMemory
from ..layers.span_pairs import size_linker
from ..losses.cross_entropy_dice import Loss, make_cross_entropy_dice
from ..tracks import Layout, Lost
from ..tracks.decoding import DECODERS
from .filling import MEMORY_FUNCTIONS
from .given_spans import type_with_tracks
from .linking import add_label_to_links, check_links, fit_links
from .memory import (
    NEAREST,
    check_memory,
    forget_all,
    layout_of,
    not_learned,
    resize_memory,
)
from .names import require_known
from .tag_scores import find, imitate, learn

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
        shared=[],
        fit=fit,
        labels=labels,
        add_label=add_label,
        learn=learn,
        imitate=imitate,
        find=find,
        check=check,
    )
    return model


def tags_tokens(model: Model) -> bool:
    """RETURNS (bool): Whether a model is a tagger whose rows are those of tokens: a MultiHeadTagger. (One of
    pieces has the layout, too, and no rows of tokens before its heads.)"""
    return "layout" in model.attrs and model.layers[0] is model.get_ref("tok2vec")


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
    layout = layout_of(model)
    needed = tracks.layers_needed([doc.spans for doc in gold], max_layers)
    # Labels that were added by hand, or that the model had before, stay in front.
    wanted = dict(zip(layout.labels, layout.layers))
    for label, n in (needed if given is None else given).items():
        wanted.setdefault(label, n)
    layers = {label: max(n, needed.get(label, 0)) or max_layers for label, n in wanted.items()}
    layout = Layout.build(layout.heads, layers)
    require_known("label_weights", model.attrs["label_weights"], layout.labels)
    target = tracks.targets(layout, [doc.n_tokens for doc in gold], [doc.spans for doc in gold])
    # A model that is initialised again starts anew, as its encoder does.
    reset_heads(model.get_ref("heads"))
    reset_crf(model.get_ref("crf"))
    forget_all(model)
    not_learned(model, [label for label in layout.labels if label not in needed])
    lost = fit_links(model, layout.labels, gold)
    _resize(model, layout, target.tags)
    return target.lost + lost


def labels(model: Model[InT, OutT]) -> Dict[str, int]:
    """RETURNS (Dict[str, int]): The labels with their number of layers."""
    layout = layout_of(model)
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
        model.attrs["layout"] = layout_of(model).with_label(label, layers or 0).to_dict()
        return
    layout = layout_of(model).with_label(label, layers or max_layers)
    _resize(model, layout, numpy.zeros((0, layout.n_tracks), dtype="uint8"))
    add_label_to_links(model, len(layout.labels))
    not_learned(model, [label])


def _resize(model: Model[InT, OutT], layout: Layout, tags: numpy.ndarray) -> None:
    """Give the model the tracks of a layout. New heads start from the frequency of the tags in
    the given targets, [N, K]."""
    before = layout_of(model)
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
    resize_memory(model, before, layout)


def check(model: Model[InT, OutT]) -> Optional[str]:
    """RETURNS (Optional[str]): Why the arrays of a loaded model do not fit its labels, or None."""
    layout = layout_of(model)
    heads = model.get_ref("heads").layers[0]
    if heads.has_param("W") and heads.get_param("W").shape[0] != layout.width:
        return (
            f"its heads have {heads.get_param('W').shape[0]} outputs, but its "
            f"{len(layout.labels)} labels on {layout.n_tracks} tracks need {layout.width}"
        )
    return check_links(model, layout.labels) or check_memory(model, layout)
