"""Spans are typed one by one, each from its own tokens alone: an LSTM that reads it both ways, attention
over its states, a softmax over labels and NONE (SNG). Which spans, a proposer says."""

from typing import Callable, Dict, List, Optional, Sequence, Tuple, Union

import numpy
from spacy.tokens import Doc
from thinc.api import Model, chain, list2ragged, resizable, with_array
from thinc.types import Floats2d, Ragged

from .. import spans
from ..annotations import Gold
from ..layers.dropout import FixedDropout
from ..layers.held import set_gradient
from ..layers.span_typing import (
    SpanTyping,
    n_outputs,
    reset_typing,
    set_outputs,
)
from ..tracks import Found, Lost, Threshold
from ..tracks.decoding import FLOOR
from .names import add_label, labels, merge_names, require_known
from .proposals import (
    Proposed,
    Suggester,
    borders_of,
    fit_finder,
    suggest,
)
from .span_scores import (
    log_probabilities,
    proposals_of,
    score_spans,
    take_apart,
    type_spans,
    typing_of,
)
from .tagger import RESERVE, tags_tokens
from .typed_spans import cross_entropy, draw, make_lesson

InT = List[Doc]
OutT = Ragged

# So many spans of a batch are rehearsed.
REHEARSED = 1000


def build_span_typer(
    tok2vec: Model[List[Doc], List[Floats2d]],
    propose: Union[Model[List[Doc], Ragged], Callable[..., Ragged]],
    width: int = 200,
    dropout: float = 0.0,
    max_width: Optional[int] = None,
    coverage: float = 0.995,
    propose_threshold: float = 0.05,
    negatives: float = 10.0,
    hard: float = 1.0,
    none_weight: float = 1.0,
    label_weights: Optional[Dict[str, float]] = None,
) -> Model[InT, OutT]:
    """Type spans that are proposed.

    tok2vec (Model[List[Doc], List[Floats2d]]): The encoder: one row a token. With WordVectors a span's
        label depends on its own words and nothing else.
    propose (Union[Model[List[Doc], Ragged], Callable]): What says which spans are typed: a suggester as
        spaCy's `spancat` takes it, or a MultiHeadTagger, which is trained along to find entities of any
        label.
    width (int): The width of the states of the LSTM, in each direction.
    dropout (float): Dropout before the LSTM, on top of the one set for training.
    max_width (Optional[int]): The largest number of tokens of an entity. If None, it is read from the
        data.
    coverage (float): The share of the entities that `max_width` reaches when it is read.
    propose_threshold (float): How probable a span must be for a tagger to propose it.
    negatives (float): How many proposals that are no entities are learned, for each entity and each
        document. If there are more, those that are drawn count for the others.
    hard (float): How many spans are learned besides, for each entity, that miss one by a token.
    none_weight (float): What the loss of spans that are no entities counts.
    label_weights (Optional[Dict[str, float]]): What the loss of a label counts, 1 by default.
    RETURNS (Model[List[Doc], Ragged]): The model. Its rows are those of tokens, and beside them the
        scores of the tagger that proposes, if there is one.
    """
    _check_settings(dropout, max_width, coverage, propose_threshold, negatives, hard)
    for name, weight in {"none_weight": none_weight, **(label_weights or {})}.items():
        if weight < 0:
            raise ValueError(f"The weight of {name} is {weight}, but must not be negative.")
    typing = resizable(SpanTyping(width), set_outputs)
    over_rows = chain(FixedDropout(dropout), typing) if dropout else typing
    text: Model[InT, OutT] = chain(tok2vec, list2ragged(), with_array(over_rows))
    refs: Dict[str, Optional[Model]] = {"tok2vec": tok2vec, "typing": typing, "text": text}
    layers: List[Model] = [text]
    suggester: Optional[Suggester] = None
    if isinstance(propose, Model):
        if not tags_tokens(propose):
            raise ValueError(
                "propose of SpanTyper must be a suggester, such as spacy.ngram_range_suggester.v1, or a "
                "MultiHeadTagger."
            )
        layers.append(propose)
        refs["finder"] = propose
    else:
        suggester = propose
    model: Model[InT, OutT] = Model("span_typer", forward, init=init, layers=layers, refs=refs)
    model.attrs.update(
        names=[],
        silent=[],
        suggester=suggester,
        max_width=max_width,
        widest=0,
        coverage=coverage,
        propose_threshold=propose_threshold,
        negatives=negatives,
        hard=hard,
        none_weight=none_weight,
        label_weights=dict(label_weights or {}),
        decoders=spans.DECODERS,
        fit=fit,
        labels=labels,
        add_label=add_label,
        resize=resize,
        learn=learn,
        imitate=imitate,
        find=find,
        check=check,
        propose=proposals_of,
        type=type_spans,
    )
    return model


def _check_settings(
    dropout: float,
    max_width: Optional[int],
    coverage: float,
    propose_threshold: float,
    negatives: float,
    hard: float,
) -> None:
    """Stop if a setting cannot be meant."""
    if not 0.0 <= dropout < 1.0:
        raise ValueError(f"dropout is {dropout}, but must lie in [0, 1).")
    if max_width is not None and max_width < 1:
        raise ValueError(f"max_width is {max_width}, but must be at least 1.")
    for name, value in (("coverage", coverage), ("propose_threshold", propose_threshold)):
        if not 0.0 < value <= 1.0:
            raise ValueError(f"{name} is {value}, but must lie in (0, 1].")
    for name, value in (("negatives", negatives), ("hard", hard)):
        if value < 0:
            raise ValueError(f"{name} is {value}, but must not be negative.")


def forward(
    model: Model[InT, OutT], docs: InT, is_train: bool
) -> Tuple[Proposed, Callable[[Ragged], InT]]:
    """The rows of the texts, with what is proposed for them."""
    rows, backprop_rows = model.get_ref("text")(docs, is_train)
    if not model.has_ref("finder"):
        proposals = suggest(model.ops, model.attrs["suggester"], docs)
        return Proposed(rows.dataXd, rows.lengths, proposals), backprop_rows
    scores, backprop_scores = model.get_ref("finder")(docs, is_train)
    xp, width = model.ops.xp, rows.dataXd.shape[1]

    def backprop(d_both: Ragged) -> InT:
        parts = d_both.dataXd[:, :width], d_both.dataXd[:, width:]
        d_rows, d_scores = (Ragged(xp.ascontiguousarray(d), d_both.lengths) for d in parts)
        backprop_scores(d_scores)
        return backprop_rows(d_rows)

    both = xp.concatenate((rows.dataXd, scores.dataXd), axis=1)
    return Proposed(both, rows.lengths, None), backprop


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[Ragged] = None) -> None:
    for layer in model.layers:
        layer.initialize(X=X)


def fit(
    model: Model[InT, OutT],
    gold: Sequence[Gold],
    given: Optional[Dict[str, int]],
    max_layers: int,
) -> List[Lost]:
    """Learn the labels and the widest span, and size the output.

    model (Model[List[Doc], Ragged]): The model, before its parameters are initialised.
    gold (Sequence[Gold]): The annotation of the training data, or of a sample.
    given (Optional[Dict[str, int]]): The labels, if they are known. If None, they come from the data.
    max_layers (int): For a tagger that proposes: how many entities, whatever their labels, may lie over
        each other.
    RETURNS (List[Lost]): The spans that are too wide, or that cannot be proposed.
    """
    names, silent = merge_names(model, gold, given)
    require_known("label_weights", model.attrs["label_weights"], names)
    documents = [doc.spans for doc in gold]
    widest = model.attrs["max_width"] or spans.width_for(documents, model.attrs["coverage"])
    model.attrs.update(names=names, widest=widest, silent=silent)
    counts = [sum(label == name for some in documents for _, _, label in some) for name in names]
    reset_typing(model.get_ref("typing"))
    set_outputs(model.get_ref("typing"), _first_bias(counts))
    target = spans.targets(
        names, widest, [doc.n_tokens for doc in gold], documents, [[] for _ in gold]
    )
    lost = list(target.lost)
    if model.has_ref("finder"):
        told = {(item.document, item.span[:2]) for item in lost}
        hidden = fit_finder(model.get_ref("finder"), gold, max_layers)
        lost += [item for item in hidden if (item.document, item.span[:2]) not in told]
    return lost


def _first_bias(counts: Sequence[int]) -> List[float]:
    """Half of the spans are none; the others are of labels as often as these are seen."""
    share = (numpy.asarray(counts, dtype="float64") + 1) / (sum(counts) + len(counts) + 1) / 2
    bias = numpy.log(share)
    bias[numpy.asarray(counts) == 0] -= RESERVE
    return [float(numpy.log(0.5)), *bias.tolist()]


def resize(model: Model[InT, OutT]) -> None:
    """Make room for labels that were added."""
    if n_outputs(typing_of(model)):
        set_outputs(model.get_ref("typing"), [-RESERVE] * (1 + len(model.attrs["names"])))


def learn(
    model: Model[InT, OutT], gold: Sequence[Gold], rows: Ragged
) -> Tuple[float, Ragged, List[Lost]]:
    """Compute the loss, summed over spans, and its gradient; a tagger that proposes adds its own. The
    gradient of the LSTM and what follows it is left with their layer, which adds it at backpropagation.

    model (Model[List[Doc], Ragged]): The model.
    gold (Sequence[Gold]): The annotation of the documents.
    rows (Ragged): What the model returned for the documents.
    RETURNS (Tuple[float, Ragged, List[Lost]]): The loss, the gradient of the rows, and the spans
        that are too wide.
    """
    ops, attrs, names = model.ops, model.attrs, model.attrs["names"]
    lengths = [doc.n_tokens for doc in gold]
    proposals = proposals_of(model, lengths, rows)
    lesson = make_lesson(names, attrs["widest"], gold, proposals, attrs["negatives"], attrs["hard"])
    by_column = numpy.asarray(
        [attrs["none_weight"], *(attrs["label_weights"].get(name, 1.0) for name in names)]
    )
    weight = lesson.weight * (lesson.target @ by_column)
    seen = set(numpy.flatnonzero(lesson.target[:, 1:].any(axis=0)).tolist())
    attrs["silent"] = [name for name in attrs["silent"] if names.index(name) not in seen]
    own, scores = take_apart(model, rows)
    scored = score_spans(model, own, lengths, lesson.spans)
    dtype = own.dtype
    loss, d_scores = cross_entropy(
        ops.xp,
        scored.scores,
        ops.asarray(lesson.target.astype(dtype)),
        ops.asarray(weight.astype(dtype)),
        None if lesson.can_be is None else ops.asarray(lesson.can_be.astype(dtype)),
    )
    d_own, d_weights = scored.backprop(d_scores)
    set_gradient(typing_of(model), d_weights._asdict())
    loss = float(loss)
    if not model.has_ref("finder"):
        return loss, Ragged(d_own, rows.lengths), lesson.lost
    finder = model.get_ref("finder")
    plain = [borders_of(doc) for doc in gold]
    # What it cannot find is told when it is fitted; all of it is typed nevertheless.
    part, d_part, _ = finder.attrs["learn"](finder, plain, scores)
    d_both = ops.xp.concatenate((d_own, d_part.dataXd), axis=1)
    return loss + part, Ragged(d_both, rows.lengths), lesson.lost


def imitate(
    model: Model[InT, OutT], rows: Ragged, teacher: Model[InT, OutT], teacher_rows: Ragged
) -> Tuple[float, Ragged]:
    """The cross-entropy of the probabilities of spans with those of an earlier version of the model, for
    the labels that it has: of the spans that it proposes, a thousand if there are more. Labels that were
    added since are left alone.

    model (Model[List[Doc], Ragged]): The model.
    rows (Ragged): What it returned.
    teacher (Model[List[Doc], Ragged]): The earlier version.
    teacher_rows (Ragged): What it returned.
    RETURNS (Tuple[float, Ragged]): The loss, less the teacher's entropy, and the gradient.
    """
    ops = model.ops
    lengths = ops.to_numpy(rows.lengths).tolist()
    some, share = draw(proposals_of(teacher, lengths, teacher_rows), REHEARSED)
    own, scores = take_apart(model, rows)
    theirs, teacher_scores = take_apart(teacher, teacher_rows)
    wanted = log_probabilities(teacher, theirs, lengths, some, True)
    scored = score_spans(model, own, lengths, some)
    old = wanted.shape[1]
    d_scores = ops.xp.zeros_like(scored.scores)
    weight = numpy.full(len(some.start), share, dtype=own.dtype)
    loss, d_scores[:, :old] = cross_entropy(
        ops.xp,
        scored.scores[:, :old],
        ops.asarray(numpy.exp(wanted).astype(own.dtype)),
        ops.asarray(weight),
    )
    d_own, d_weights = scored.backprop(d_scores)
    set_gradient(typing_of(model), d_weights._asdict())
    loss = float(loss)
    if not model.has_ref("finder"):
        return loss, Ragged(d_own, rows.lengths)
    finder, former = model.get_ref("finder"), teacher.get_ref("finder")
    part, d_part = finder.attrs["imitate"](finder, scores, former, teacher_scores)
    return loss + part, Ragged(ops.xp.concatenate((d_own, d_part.dataXd), axis=1), rows.lengths)


def find(
    model: Model[InT, OutT],
    lengths: Sequence[int],
    rows: Ragged,
    decoder: str,
    threshold: Threshold,
) -> Found:
    """Find the entities: of what is proposed, the spans and labels whose probability is at least the
    threshold.

    model (Model[List[Doc], Ragged]): The model.
    lengths (Sequence[int]): The number of tokens of each document.
    rows (Ragged): What the model returned for them.
    decoder (str): One of `spans.DECODERS`.
    threshold (Threshold): The smallest probability, one for all labels or one for each.
    RETURNS (Found): The entities.
    """
    some = proposals_of(model, lengths, rows)
    own, _ = take_apart(model, rows)
    probability = numpy.exp(log_probabilities(model, own, lengths, some, True))[:, 1:]
    which, label = numpy.nonzero(probability >= numpy.maximum(threshold, FLOOR).astype("float32"))
    value = probability[which, label]
    places = some.take(which)
    order = numpy.lexsort((label, -places.end, places.start, places.document))
    apart = numpy.zeros(len(order), dtype="int64")
    found = Found(*places, label, value.astype("float32"), apart).take(order)
    return spans.choose(found, found.probability, decoder)


def check(model: Model[InT, OutT]) -> Optional[str]:
    """RETURNS (Optional[str]): Why the arrays of a loaded model do not fit its labels, or None."""
    n = n_outputs(typing_of(model))
    if n and n != 1 + len(model.attrs["names"]):
        return (
            f"its softmax has {n} outputs, but its {len(model.attrs['names'])} labels and NONE "
            f"need {1 + len(model.attrs['names'])}"
        )
    if model.has_ref("finder"):
        finder = model.get_ref("finder")
        return finder.attrs["check"](finder)
    return None
