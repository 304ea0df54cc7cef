"""Fragments of discontinuous entities are tied together: what a family of models needs for it.

A model that links has a reference "linker" to a `FragmentLinker` in a container, puts the encoder's
rows beside its scores (`layers/beside.py`), and has in `model.attrs["linked"]` the labels of which
discontinuous entities were seen, and in `model.attrs["shared"]` those of which fragments were seen that
belong to several entities. Only spans of the former are ever paired, only fragments of the latter shared.
"""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy
from thinc.api import Model
from thinc.types import Floats2d

from .. import links
from ..annotations import Gold
from ..layers.held import set_gradient
from ..layers.span_pairs import START, is_sized, make_ends, reset_linker, score_pairs, size_linker
from ..spans.space import softplus
from ..tracks import Found, Lost


def links_fragments(model: Model) -> bool:
    """RETURNS (bool): Whether the model ties fragments together: it has a linker, and there were
    discontinuous entities when it was initialised."""
    linker = get_linker(model)
    return linker is not None and is_sized(linker)


def get_linker(model: Model) -> Optional[Model[Floats2d, Floats2d]]:
    """RETURNS (Optional[Model[Floats2d, Floats2d]]): The layer that holds the network, if there is
    one."""
    return model.get_ref("linker").layers[0] if model.has_ref("linker") else None


def fit_links(model: Model, names: Sequence[str], gold: Sequence[Gold]) -> List[Lost]:
    """Find out which labels have discontinuous entities, and size the linker if there are any.

    model (Model[List[Doc], Ragged]): The model, before its parameters are initialised.
    names (Sequence[str]): Its labels.
    gold (Sequence[Gold]): The annotation of the training data.
    RETURNS (List[Lost]): The entities that cannot be learned as a whole.
    """
    linker = get_linker(model)
    if linker is None:
        return []
    reset_linker(model.get_ref("linker"))
    model.attrs.update(linked=[], shared=[])
    _see(model, names, gold)
    if not model.attrs["linked"]:
        return []
    target = _targets(model, names, gold, linker.attrs["max_distance"])
    label = target.spans.label[target.pairs.left]
    n_pairs = numpy.bincount(label, minlength=len(names))
    n_linked = numpy.bincount(label[target.is_linked], minlength=len(names))
    start = numpy.log((n_linked + 0.5) / (n_pairs - n_linked + 0.5))
    start[n_linked == 0] = START
    size_linker(model.get_ref("linker"), numpy.clip(start, START, -START))
    return target.lost


def _see(model: Model, names: Sequence[str], gold: Sequence[Gold]) -> None:
    """Note the labels that have discontinuous entities, and fragments of several, in their order."""
    linked = {fragments[0][2] for doc in gold for fragments in doc.entities}
    shared = links.shared_labels([doc.entities for doc in gold])
    for name, some in (("linked", linked), ("shared", shared)):
        known = some.union(model.attrs[name])
        model.attrs[name] = [label for label in names if label in known]


def _targets(
    model: Model, names: Sequence[str], gold: Sequence[Gold], max_distance: int
) -> links.Targets:
    linked = set(model.attrs["linked"])
    labels = {name: i for i, name in enumerate(names) if name in linked}
    documents, entities = [doc.spans for doc in gold], [doc.entities for doc in gold]
    return links.targets(labels, documents, entities, max_distance)


def add_label_to_links(model: Model, n_labels: int) -> None:
    """Make room for labels that were added. They are not linked until one of their entities is seen.

    model (Model[List[Doc], Ragged]): The model, after its parameters were initialised.
    n_labels (int): How many labels it has now.
    """
    if links_fragments(model):
        size_linker(model.get_ref("linker"), numpy.full(n_labels, START))


def learn_links(
    model: Model,
    names: Sequence[str],
    gold: Sequence[Gold],
    rows: Floats2d,
    weights: Dict[str, float],
) -> Tuple[Any, Floats2d, List[Lost]]:
    """The logistic loss of all pairs of gold spans of one label that are near each other, summed, and
    its gradient. That of the linker's parameters is left with it, to be added at backpropagation.

    model (Model[List[Doc], Ragged]): The model.
    names (Sequence[str]): Its labels.
    gold (Sequence[Gold]): The annotation of the documents.
    rows (Floats2d): The encoder's rows. [N, nI]
    weights (Dict[str, float]): What the loss of a label counts, 1 by default.
    RETURNS (Tuple[Any, Floats2d, List[Lost]]): The loss, the gradient of the rows, and the entities
        that cannot be learned as a whole.
    """
    linker, ops = get_linker(model), model.ops
    assert linker is not None
    _see(model, names, gold)
    target = _targets(model, names, gold, linker.attrs["max_distance"])
    if not len(target.is_linked):
        return 0.0, ops.xp.zeros_like(rows), target.lost
    offsets = _offsets([doc.n_tokens for doc in gold])
    ends = make_ends(ops, offsets, target.spans, target.pairs)
    scores, backprop = score_pairs(linker, rows, ends)
    label_weights = numpy.asarray([weights.get(name, 1.0) for name in names])
    share = label_weights[target.spans.label[target.pairs.left]] * linker.attrs["weight"]
    is_linked, share = ops.asarray(numpy.stack([target.is_linked, share]).astype("float32"))
    losses, slope = softplus(ops.xp, scores)
    loss = ((losses - is_linked * scores) * share).sum()
    d_rows, gradient = backprop((slope - is_linked) * share)
    set_gradient(linker, gradient)
    return loss, d_rows, target.lost


def cannot_link(model: Model, names: Sequence[str], gold: Sequence[Gold]) -> List[Lost]:
    """RETURNS (List[Lost]): The discontinuous entities that a linker without parameters has no use
    for: there were none when it was initialised."""
    if get_linker(model) is None or links_fragments(model):
        return []
    known = set(names)
    return [
        Lost(i, links.hull(fragments), links.NO_LINKS)
        for i, doc in enumerate(gold)
        for fragments in doc.entities
        if fragments[0][2] in known
    ]


def find_links(
    model: Model, names: Sequence[str], lengths: Sequence[int], found: Found, rows: Floats2d
) -> Found:
    """Tie the fragments among the spans that were found together, see `links.partition` and
    `links.share`. Only the scores of pairs come to the CPU.

    model (Model[List[Doc], Ragged]): The model.
    names (Sequence[str]): Its labels.
    lengths (Sequence[int]): The number of tokens of each document.
    found (Found): The spans.
    rows (Floats2d): The encoder's rows. [N, nI]
    RETURNS (Found): The spans, with their groups: a fragment of several entities once for each.
    """
    some, pairs, scores = _score_found(model, names, lengths, found, rows)
    if not len(pairs.left):
        return found._replace(group=numpy.zeros(len(found.start), dtype="int64"))
    start, end = found.start[some], found.end[some]
    log_odds = model.ops.to_numpy(scores).astype("float64")
    is_shared = numpy.isin(found.label[some], [names.index(name) for name in model.attrs["shared"]])
    parts: List[List[int]] = []
    for is_own, divide in ((~is_shared, _divide), (is_shared, links.share)):
        # Pairs are of one label.
        own = is_own[pairs.left]
        parts += divide(start, end, links.Pairs(*(x[own] for x in pairs)), log_odds[own])
    fragments = [(i, k) for k, part in enumerate(sorted(parts), 1) for i in some[part].tolist()]
    whole = set(range(len(found.start))).difference(i for i, _ in fragments)
    table = numpy.asarray(sorted([*fragments, *((i, 0) for i in whole)]), dtype="int64")
    found = found.take(table[:, 0])
    return found._replace(group=_number(found.document, table[:, 1]))


def _divide(
    start: numpy.ndarray, end: numpy.ndarray, pairs: links.Pairs, log_odds: numpy.ndarray
) -> List[List[int]]:
    """The entities of two or more spans, see `links.partition`."""
    return links.fragments_of(links.partition(start, end, pairs, log_odds))


def _score_found(
    model: Model, names: Sequence[str], lengths: Sequence[int], found: Found, rows: Floats2d
) -> Tuple[numpy.ndarray, links.Pairs, Any]:
    """Which spans are of labels that are linked, their pairs, and the log-odds of these, if any."""
    linker, linked = get_linker(model), set(model.attrs["linked"])
    assert linker is not None
    is_linked = numpy.asarray([name in linked for name in names], dtype="bool")
    some = numpy.flatnonzero(is_linked[found.label])
    spans = _spans_of(found.take(some))
    pairs = links.pair_up(spans, linker.attrs["max_distance"])
    if not len(pairs.left):
        return some, pairs, None
    ends = make_ends(model.ops, _offsets(lengths), spans, pairs)
    return some, pairs, score_pairs(linker, rows, ends)[0]


def _number(document: numpy.ndarray, group: numpy.ndarray) -> numpy.ndarray:
    """Number the groups of each document from 1 on, in the order of their first spans."""
    numbers: Dict[Tuple[int, int], int] = {}
    counts: Dict[int, int] = {}
    out = numpy.zeros_like(group)
    for i in numpy.flatnonzero(group).tolist():
        key = int(document[i]), int(group[i])
        if key not in numbers:
            counts[key[0]] = numbers[key] = counts.get(key[0], 0) + 1
        out[i] = numbers[key]
    return out


def imitate_links(
    model: Model,
    rows: Floats2d,
    teacher: Model,
    teacher_rows: Floats2d,
    names: Sequence[str],
    lengths: Sequence[int],
    found: Found,
) -> Tuple[Any, Floats2d]:
    """The cross-entropy of the links' probabilities with those of an earlier version of the model,
    between the spans that it finds.

    model (Model[List[Doc], Ragged]): The model.
    rows (Floats2d): The rows of its encoder. [N, nI]
    teacher (Model[List[Doc], Ragged]): The earlier version.
    teacher_rows (Floats2d): Its rows.
    names (Sequence[str]): Its labels.
    lengths (Sequence[int]): The number of tokens of each document.
    found (Found): What it finds.
    RETURNS (Tuple[Any, Floats2d]): The loss, less the teacher's entropy, and the gradient of the rows.
    """
    linker, ops = get_linker(model), model.ops
    assert linker is not None
    some, pairs, wanted = _score_found(teacher, names, lengths, found, teacher_rows)
    if not len(pairs.left):
        return 0.0, ops.xp.zeros_like(rows)
    spans = _spans_of(found.take(some))
    ends = make_ends(ops, _offsets(lengths), spans, pairs)
    scores, backprop = score_pairs(linker, rows, ends)
    (soft_wanted, p), (soft, q) = (softplus(ops.xp, X) for X in (wanted, scores))
    # p log(p / q) + (1 - p) log((1 - p) / (1 - q)), of logits.
    weight = linker.attrs["weight"]
    loss = weight * (p * (wanted - scores) - soft_wanted + soft).sum()
    d_rows, gradient = backprop((q - p) * weight)
    set_gradient(linker, gradient)
    return loss, d_rows


def _spans_of(found: Found) -> links.Spans:
    return links.Spans(found.document, found.start, found.end, found.label)


def _offsets(lengths: Sequence[int]) -> numpy.ndarray:
    """The row of the first token of each document."""
    return numpy.cumsum((0, *lengths))[:-1]


def check_links(model: Model, names: Sequence[str]) -> Optional[str]:
    """RETURNS (Optional[str]): Why the arrays of a loaded linker do not fit its labels, or None."""
    linker = get_linker(model)
    if linker is None or not linker.has_param("b"):
        return None
    n = len(linker.get_param("b"))
    return (
        None if n == len(names) else f"its linker knows {n} labels, but it is to have {len(names)}"
    )


def width_of_rows(model: Model) -> int:
    """RETURNS (int): The width of the rows beside the scores, 0 if there is nothing to be linked."""
    linker = get_linker(model)
    if linker is None or not linker.has_param("W"):
        return 0
    return linker.get_param("W").shape[1] // 4
