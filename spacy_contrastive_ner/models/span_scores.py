"""What a span typer says about the spans of a batch."""

from typing import Any, Iterator, List, Sequence, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d, Ragged

from ..layers.span_typing import get_weights
from ..spans.typing import Scored, Weights, log_softmax
from .proposals import Proposals, find_borders

InT = List[Doc]
OutT = Ragged

# So many tokens in all spans are typed at once when nothing is learned, which bounds the memory.
BLOCK = 2**14


def typing_of(model: Model[InT, OutT]) -> Model[Floats2d, Floats2d]:
    """RETURNS (Model[Floats2d, Floats2d]): The layer that holds what spans are typed with."""
    return model.get_ref("typing").layers[0]


def weights_of(model: Model[InT, OutT]) -> Weights:
    """RETURNS (Weights): What spans are typed with."""
    weights = get_weights(typing_of(model))
    if weights is None:
        raise ValueError("The span typer was not initialised. Call nlp.initialize() first.")
    return weights


def take_apart(model: Model[InT, OutT], both: Ragged) -> Tuple[Floats2d, Ragged]:
    """RETURNS (Tuple[Floats2d, Ragged]): The rows, and beside them the scores of the tagger that proposes, if there is one."""
    width, xp = typing_of(model).get_dim("nI"), model.ops.xp
    data = both.dataXd
    scores = Ragged(xp.ascontiguousarray(data[:, width:]), both.lengths)
    return xp.ascontiguousarray(data[:, :width]), scores


def proposals_of(model: Model[InT, OutT], lengths: Sequence[int], rows: Ragged) -> Proposals:
    """Tell which spans are typed.

    model (Model[List[Doc], Ragged]): The model.
    lengths (Sequence[int]): The number of tokens of each document.
    rows (Ragged): What the model returned for the documents.
    RETURNS (Proposals): The spans that are not too wide.
    """
    if model.has_ref("finder"):
        _, scores = take_apart(model, rows)
        threshold = model.attrs["propose_threshold"]
        proposals = find_borders(model.get_ref("finder"), lengths, scores, threshold)
    else:
        said = getattr(rows, "proposals", None)
        if said is None:
            raise ValueError("These rows are not what the span typer returned for documents.")
        proposals = said
    return proposals.take(proposals.end - proposals.start <= model.attrs["widest"])


def score_spans(
    model: Model[InT, OutT], rows: Floats2d, lengths: Sequence[int], some: Proposals
) -> Scored:
    first = (numpy.cumsum(lengths) - lengths).astype("int64")[some.document]
    return Scored(model.ops, weights_of(model), rows, first + some.start, first + some.end)


def _blocks(some: Proposals) -> Iterator[slice]:
    """Cut spans into blocks of about as many tokens, those that begin together side by side."""
    sizes = numpy.cumsum(some.end - some.start)
    begin = 0
    while begin < len(sizes):
        reached = sizes[begin - 1] if begin else 0
        end = max(begin + 1, int(numpy.searchsorted(sizes, reached + BLOCK, side="right")))
        yield slice(begin, end)
        begin = end


def log_probabilities(
    model: Model[InT, OutT],
    rows: Floats2d,
    lengths: Sequence[int],
    some: Proposals,
    with_none: bool,
) -> numpy.ndarray:
    """The logarithm of the probability of each label for each span, after that of NONE. Labels that were
    never seen have none. [S, 1 + K]"""
    ops, names = model.ops, model.attrs["names"]
    is_open = numpy.asarray([with_none, *(name not in model.attrs["silent"] for name in names)])
    closed = numpy.where(is_open if is_open.any() else True, 0.0, -numpy.inf)
    shut: Any = ops.asarray(closed.astype("float32"))
    parts = [numpy.zeros((0, 1 + len(names)), dtype="float32")]
    for block in _blocks(some):
        scores = score_spans(model, rows, lengths, some.take(block)).scores
        parts.append(ops.to_numpy(log_softmax(ops.xp, scores + shut)))
    return numpy.concatenate(parts)


def type_spans(
    model: Model[InT, OutT], lengths: Sequence[int], rows: Ragged, given: Proposals
) -> numpy.ndarray:
    """Tell what given spans are, if they are entities: NONE is no choice. They may be of any width.

    model (Model[List[Doc], Ragged]): The model.
    lengths (Sequence[int]): The number of tokens of each document.
    rows (Ragged): What the model returned for them.
    given (Proposals): The spans, each once.
    RETURNS (numpy.ndarray): The logarithm of the probability of each label. [S, K]
    """
    own, _ = take_apart(model, rows)
    return log_probabilities(model, own, lengths, given, False)[:, 1:]
