"""Spans and labels in one space: an entity is a span that is closer to a label than the label's
own threshold in that text."""

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import Linear, Model, chain, list2ragged, reduce_mean, resizable, with_array
from thinc.types import Floats2d, Ragged

from .. import spans
from ..annotations import Gold
from ..descriptions import Written
from ..layers.dropout import FixedDropout
from ..layers.held import set_gradient
from ..layers.memory import Memory, is_filled
from ..layers.text_row import MEAN, text_layers
from ..layers.type_space import TypeSpace, reset_space, set_size
from ..losses.span_contrast import make_span_contrast
from ..spans import Gradients, Weights
from ..spans.space import softplus
from ..tracks import Found, Layout, Lost, Threshold
from ..tracks.decoding import FLOOR
from .bi_encoder_settings import check_names, check_settings, check_types
from .calibration import Curves, calibrate
from .filling import MEMORY_FUNCTIONS
from .given_spans import type_with_margins
from .label_vectors import (
    DESCRIPTIONS,
    LEARNED,
    current,
    encode_types,
    forget_offset,
    keep_types,
    margins_of,
    places_of,
    vectors_of,
    with_sources,
)
from .memory import NEAREST, check_memory, forget_all, get_memory, layout_of
from .names import add_label, labels, merge_names
from .span_memory import find_nearest, mix_spans, opinion_of, read_with_memory
from .teaching import prepare, teach

InT = List[Doc]
OutT = Ragged


def build_bi_encoder(
    tok2vec: Model[List[Doc], List[Floats2d]],
    width: int = 64,
    fit_width: int = 0,
    dropout: float = 0.0,
    max_width: Optional[int] = None,
    coverage: float = 0.995,
    others: str = "negative",
    loss: Optional[Weights] = None,
    label_weights: Optional[Dict[str, float]] = None,
    corpus_weights: Optional[Dict[str, Dict[str, float]]] = None,
    offsets: Optional[Dict[str, float]] = None,
    types: str = LEARNED,
    descriptions: Optional[Written] = None,
    description_encoder: Optional[Model[List[Doc], List[Floats2d]]] = None,
    n_examples: int = 5,
    text_row: str = MEAN,
    memory: Optional[Model[Floats2d, Floats2d]] = None,
) -> Model[InT, OutT]:
    """Compare spans with labels: encoder, one affine map to six views of each token (four of width
    `width`, two of width `fit_width`), and the vectors of labels and widths. See `spans`.

    tok2vec (Model[List[Doc], List[Floats2d]]): The encoder: one row a token.
    width (int): The width of the vectors that are compared.
    fit_width (int): The width of two further views, whose cosine says how well a first and a last
        token go together, whatever the label. 0 for none.
    dropout (float): Dropout before the views, on top of the one set for training.
    max_width (Optional[int]): The largest number of tokens of an entity. If None, it is read from
        the data.
    coverage (float): The share of the entities that `max_width` reaches when it is read.
    others (str): What entities of other labels are for a label: "negative", as published, or
        "ignore".
    loss (Optional[Weights]): What the parts of the loss count, SpanContrast. If None, as published.
    label_weights (Optional[Dict[str, float]]): What the loss of a label counts, 1 by default.
    corpus_weights (Optional[Dict[str, Dict[str, float]]]): What the loss of a label counts besides in
        the texts of a corpus, by the name that the reader gives it: for labels that are not to be
        relied on there.
    offsets (Optional[Dict[str, float]]): What is added to the thresholds of labels, in the units of
        margins: the probability of a span is 0.5 where its margin is the offset.
    types (str): Where the vectors of labels come from. "learned": each has its own. "descriptions":
        what is written of the label, encoded. "prototypes": the mean of some of its mentions.
    descriptions (Optional[Written]): What is written of each label: by label, or a JSON Lines file.
        It is read when the model is initialised, and saved with it.
    description_encoder (Optional[Model[List[Doc], List[Floats2d]]]): What encodes descriptions. If
        None, the same encoder as for texts.
    n_examples (int): How many mentions of each label "prototypes" takes from the training data.
    text_row (str): What a text is as a whole, from which its thresholds come. "mean": a learned map
        of the mean of its tokens. "cls": the first piece of a transformer, as published.
    memory (Optional[Model[Floats2d, Floats2d]]): A Memory, with settings. It is empty until
        `remember` of the pipe fills it, and so is the one that the model has if this is None.
    RETURNS (Model[List[Doc], Ragged]): The model. Its rows are one more than tokens in each text.
    """
    weights = [label_weights or {}, *(corpus_weights or {}).values()]
    check_settings(width, fit_width, dropout, max_width, coverage, others, weights)
    check_types(types, descriptions, description_encoder, n_examples)
    over_rows: List[Model] = [FixedDropout(dropout)] if dropout else []
    space = resizable(TypeSpace(width), set_size)
    text: Model[InT, OutT] = chain(
        *text_layers(tok2vec, text_row),
        with_array(chain(*over_rows, Linear(nO=4 * width + 2 * fit_width), space)),
    )
    refs: Dict[str, Optional[Model]] = {"tok2vec": tok2vec, "space": space, "text": text}
    layers: List[Model] = [text]
    if types == DESCRIPTIONS:
        own = tok2vec if description_encoder is None else description_encoder
        layers.append(chain(own, list2ragged(), reduce_mean(), Linear(nO=3 * width)))
        refs["describer"] = layers[1]
    refs["memory"] = memory or Memory()
    layers.append(refs["memory"])
    model: Model[InT, OutT] = Model("bi_encoder", forward, init=init, layers=layers, refs=refs)
    model.attrs.update(
        types=types,
        descriptions=descriptions,
        n_examples=n_examples,
        sources={},
        made_by=[],
        names=[],
        silent=[],
        max_width=max_width,
        coverage=coverage,
        others=others,
        loss=(make_span_contrast() if loss is None else loss)._asdict(),
        label_weights=dict(label_weights or {}),
        corpus_weights={name: dict(some) for name, some in (corpus_weights or {}).items()},
        offsets=dict(offsets or {}),
        taught=[],
        calibration={},
        decoders=(*spans.DECODERS, NEAREST),
        # The tracks of the memory.
        layout=Layout.build("per_label", {}).to_dict(),
        **FUNCTIONS,
    )
    return model


def forward(
    model: Model[InT, OutT], docs: InT, is_train: bool
) -> Tuple[Ragged, Callable[[Ragged], InT]]:
    """The rows of the texts. In an update the vectors of labels are made anew from their sources, if
    they have any; otherwise only if the encoder has changed, and a memory that is filled is asked."""
    names = with_sources(model)
    if not is_train:
        if names and docs:
            current(model, docs[0].vocab)
        memory = get_memory(model)
        if memory is not None and is_filled(memory):
            return read_with_memory(model, docs), lambda d_rows: []
    rows, backprop_rows = model.get_ref("text")(docs, is_train)
    if not is_train or not names or not docs:
        return rows, backprop_rows
    vocab = docs[0].vocab
    types, backprop_types = encode_types(model, vocab, names, True)
    keep_types(model, names, types)
    model.attrs["made_by"] = []
    places = places_of(model, names)

    def backprop(d_rows: Ragged) -> InT:
        waiting = model.get_ref("space").layers[0].attrs.get("gradient")
        if waiting:
            d_types = waiting["types"][places]
            waiting["types"][places] = 0
            backprop_types(d_types)
        return backprop_rows(d_rows)

    return rows, backprop


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[Ragged] = None) -> None:
    model.get_ref("text").initialize(X=X, Y=Y)
    if model.has_ref("describer"):
        model.get_ref("describer").initialize(X=X)


def fit(
    model: Model[InT, OutT],
    gold: Sequence[Gold],
    given: Optional[Dict[str, int]],
    max_layers: int,
) -> List[Lost]:
    """Learn the labels and the widest span, and size the space.

    model (Model[List[Doc], Ragged]): The model, before its parameters are initialised.
    gold (Sequence[Gold]): The annotation of the training data, or of a sample.
    given (Optional[Dict[str, int]]): The labels, if they are known. If None, they come from the data.
    max_layers (int): Has no meaning here: entities overlap as they please.
    RETURNS (List[Lost]): The spans that are no candidates.
    """
    names, silent = merge_names(model, gold, given)
    for label in model.attrs["taught"]:
        forget_offset(model, label)
    check_names(model, names, {doc.corpus for doc in gold})
    documents = [doc.spans for doc in gold]
    width = model.attrs["max_width"] or spans.width_for(documents, model.attrs["coverage"])
    reset_space(model.get_ref("space"))
    forget_all(model)
    model.attrs.update(names=names, calibration={}, silent=silent)
    model.attrs["layout"] = Layout.build("per_label", {}).to_dict()
    set_size(model.get_ref("space"), len(names), width)
    lost = spans.targets(
        names, width, [doc.n_tokens for doc in gold], documents, [[] for _ in gold]
    ).lost
    return lost


def resize(model: Model[InT, OutT]) -> None:
    """Make room for labels that were added."""
    space = vectors_of(model)
    if space is not None:
        set_size(model.get_ref("space"), len(model.attrs["names"]), len(space.widths))


def learn(
    model: Model[InT, OutT], gold: Sequence[Gold], rows: Ragged
) -> Tuple[float, Ragged, List[Lost]]:
    """Compute the loss, a mean over entities and one over texts and labels, and its gradient. That
    of the vectors of labels and widths is left with their layer, which adds it at backpropagation.

    model (Model[List[Doc], Ragged]): The model.
    gold (Sequence[Gold]): The annotation of the documents.
    rows (Ragged): The rows of the documents.
    RETURNS (Tuple[float, Ragged, List[Lost]]): The loss, the gradient of the rows, and the spans
        that are no candidates.
    """
    margins, names = margins_of(model, rows, True), model.attrs["names"]
    target = spans.targets(
        names,
        len(margins.space.widths),
        margins.n_tokens,
        [doc.spans for doc in gold],
        [doc.missing for doc in gold],
    )
    loss, gradients = spans.contrast(
        model.ops,
        margins,
        target,
        Weights(**model.attrs["loss"]),
        others=model.attrs["others"],
        label_weights=_label_weights(model, gold),
    )
    _keep_gradient(model, gradients)
    if model.attrs["silent"]:
        seen = {names[i] for i in target.label.tolist()}
        model.attrs["silent"] = [label for label in model.attrs["silent"] if label not in seen]
    return loss, Ragged(gradients.rows, rows.lengths), target.lost


def _keep_gradient(model: Model[InT, OutT], gradients: Gradients) -> None:
    set_gradient(model.get_ref("space").layers[0], gradients.space._asdict())


def _label_weights(model: Model[InT, OutT], gold: Sequence[Gold]) -> numpy.ndarray:
    """What each label counts in each text. [B, K]"""
    names, always = model.attrs["names"], model.attrs["label_weights"]
    weights = numpy.ones((len(gold), len(names)))
    for row, doc in zip(weights, gold):
        here = model.attrs["corpus_weights"].get(doc.corpus, {})
        row[:] = [always.get(label, 1.0) * here.get(label, 1.0) for label in names]
    return weights


def imitate(
    model: Model[InT, OutT], rows: Ragged, teacher: Model[InT, OutT], teacher_rows: Ragged
) -> Tuple[float, Ragged]:
    """The cross-entropy of the probabilities of all spans with those of an earlier version of the
    model, for the labels that it has, by text. Labels that were added since are left alone.

    model (Model[List[Doc], Ragged]): The model.
    rows (Ragged): Its rows.
    teacher (Model[List[Doc], Ragged]): The earlier version.
    teacher_rows (Ragged): Its rows.
    RETURNS (Tuple[float, Ragged]): The loss, less the teacher's entropy, and the gradient.
    """
    xp = model.ops.xp
    margins, former = margins_of(model, rows, True), margins_of(teacher, teacher_rows, True)
    gradients, old = Gradients.zeros(margins), len(former.units)
    own, theirs = margins.spans(), former.spans()
    share = 1.0 / max(1, sum(1 for n in margins.n_tokens if n))
    backward = own.backward(gradients)
    loss: Any = 0.0
    for w, wanted in theirs:
        is_span = xp.isfinite(wanted)
        values = own.at_width(w)
        d_values = xp.zeros_like(values)
        wanted = xp.where(is_span, wanted, 0)
        found = xp.where(is_span, values[:, :old], 0)
        (softplus_wanted, p), (softplus_found, q) = (softplus(xp, X) for X in (wanted, found))
        # p log(p / q) + (1 - p) log((1 - p) / (1 - q)), of logits.
        loss = loss + (p * (wanted - found) - softplus_wanted + softplus_found).sum()
        d_values[:, :old] = (q - p) * share
        backward.add(w, d_values)
    backward.finish()
    _keep_gradient(model, gradients)
    return float(loss) * share, Ragged(gradients.rows, rows.lengths)


def find(
    model: Model[InT, OutT],
    lengths: Sequence[int],
    rows: Ragged,
    decoder: str,
    threshold: Threshold,
) -> Found:
    """Find the entities: spans whose probability, the logistic function of their margin, is at least
    the threshold. Only these come to the CPU. (Calibrated, it is that of a linear function of it.)
    A memory has its say, see `mix_spans`.

    model (Model[List[Doc], Ragged]): The model.
    lengths (Sequence[int]): The number of tokens of each document.
    rows (Ragged): The rows.
    decoder (str): One of `spans.DECODERS`; "nearest" asks the memory alone.
    threshold (Threshold): The smallest probability, one for all labels or one for each.
    RETURNS (Found): The entities.
    """
    if decoder == NEAREST:
        return find_nearest(model, lengths, rows)
    silent, curves = set(model.attrs["silent"]), Curves.of(model)
    p = numpy.clip(threshold, FLOOR, 1 - 1e-7)
    least = curves.margins(numpy.log(p) - numpy.log1p(-p))
    least[[label in silent for label in model.attrs["names"]]] = numpy.inf
    margins = margins_of(model, rows)
    found = spans.decode(model.ops, margins, least)
    opinion = opinion_of(model, rows)
    if opinion is not None:
        return spans.choose(*mix_spans(opinion, margins, curves, lengths, found, p), decoder)
    over = found.probability - least[found.label]
    logits = curves.logits(found.probability, found.label)
    probability = (1 / (1 + numpy.exp(-logits))).astype("float32")
    return spans.choose(found._replace(probability=probability), over, decoder)


def check(model: Model[InT, OutT]) -> Optional[str]:
    """RETURNS (Optional[str]): Why the arrays of a loaded model do not fit its labels, or None."""
    space = vectors_of(model)
    if space is not None and len(space.types) != len(model.attrs["names"]):
        return (
            f"its space holds {len(space.types)} labels, but it is to have "
            f"{len(model.attrs['names'])}"
        )
    return check_memory(model, layout_of(model))


# What the model answers to.
FUNCTIONS: Dict[str, Any] = {
    "calibrate": calibrate,
    "fit": fit,
    "prepare": prepare,
    "labels": labels,
    "add_label": add_label,
    "resize": resize,
    "teach": teach,
    "learn": learn,
    "imitate": imitate,
    "find": find,
    "check": check,
    "type": type_with_margins,
    **MEMORY_FUNCTIONS,
}
