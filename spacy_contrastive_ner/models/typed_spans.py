"""Which spans a typer learns from, and what each of them is."""

from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

import numpy

from .. import spans
from ..annotations import Gold
from ..spans.space import Texts
from ..spans.targets import TOO_WIDE
from ..spans.typing import log_softmax
from ..tracks import Lost
from ..tracks.layout import LabelledSpan
from .proposals import Proposals

# No probability that a logarithm is taken of is smaller.
TINY = 1e-30


class Lesson(NamedTuple):
    """The spans of an update.

    spans (Proposals): The spans, each once.
    target (numpy.ndarray): The probability that each is none, or an entity of a label. A span with several
        labels has equal parts of each. [S, 1 + K]
    can_be (Optional[numpy.ndarray]): For spans that are none as far as the annotation goes, but touch text
        that is not annotated for some labels: NONE and these labels. All False for other spans; None
        if there are only such. [S, 1 + K]
    weight (numpy.ndarray): What each counts. [S]
    lost (List[Lost]): The gold spans that are not among them.
    """

    spans: Proposals
    target: numpy.ndarray
    can_be: Optional[numpy.ndarray]
    weight: numpy.ndarray
    lost: List[Lost]


def make_lesson(
    labels: Sequence[str],
    max_width: int,
    gold: Sequence[Gold],
    proposals: Proposals,
    negatives: float,
    hard: float,
) -> Lesson:
    """Put together what is learned: all gold spans, of the proposals that are none as many as allowed, each
    for all those that were left out, and spans that miss a gold one by a token.

    labels (Sequence[str]): The labels.
    max_width (int): The largest number of tokens of a span.
    gold (Sequence[Gold]): The annotation.
    proposals (Proposals): What the proposer says about the same documents.
    negatives (float): How many proposals that are none, for each gold span and each document.
    hard (float): How many that are cut, stretched or shifted by a token, for each gold span.
    RETURNS (Lesson): The spans.
    """
    n_tokens = [doc.n_tokens for doc in gold]
    documents, lost = _not_too_wide(gold, max_width)
    missing = [doc.missing for doc in gold]
    target = spans.targets(labels, max_width, n_tokens, documents, missing)
    # The rows of `targets` have one more before each text.
    first = Texts.of(n_tokens).first
    start = target.start - first[target.text] - 1
    true, place = _distinct(target.text, start, start + target.width + 1)
    parts = numpy.zeros((len(true.start), 1 + len(labels)))
    parts[place, 1 + target.label] = 1
    parts /= parts.sum(axis=1, keepdims=True)
    others = _Others(first, target.unknown, true, n_tokens, max_width)
    pool = others.among(proposals)
    most = int(numpy.ceil(negatives * (len(true.start) + len(gold))))
    drawn, share = draw(pool, most)
    near = others.among(_off_by_one(true, int(numpy.ceil(hard * len(true.start)))), pool)
    every = [true, drawn, near]
    sizes = [len(some.start) for some in every]
    none = numpy.zeros((sizes[1] + sizes[2], 1 + len(labels)))
    none[:, 0] = 1
    chosen = Proposals(*(numpy.concatenate(columns) for columns in zip(*every)))
    can_be = others.can_be(chosen, sizes[0])
    weight = numpy.repeat([1.0, share, 1.0], sizes)
    return Lesson(chosen, numpy.concatenate((parts, none)), can_be, weight, [*target.lost, *lost])


def _not_too_wide(
    gold: Sequence[Gold], max_width: int
) -> Tuple[List[List[LabelledSpan]], List[Lost]]:
    """Leave out entities that are too wide, which are typed nowhere. What lies in them is none of them."""
    documents: List[List[LabelledSpan]] = []
    lost: List[Lost] = []
    for i, doc in enumerate(gold):
        wide = [
            span for span in doc.spans if max_width < span[1] - span[0] and span[1] <= doc.n_tokens
        ]
        documents.append([span for span in doc.spans if span not in wide] if wide else doc.spans)
        lost += [Lost(i, span, TOO_WIDE) for span in wide]
    return documents, lost


def draw(pool: Proposals, most: int) -> Tuple[Proposals, float]:
    """Draw some spans, all equally likely.

    pool (Proposals): The spans.
    most (int): How many at most.
    RETURNS (Tuple[Proposals, float]): Those drawn, and for how many each stands.
    """
    n = len(pool.start)
    if n <= most:
        return pool, 1.0
    if not most:
        return pool.take(slice(0, 0)), 1.0
    some = numpy.sort(numpy.random.choice(n, most, replace=False))
    return pool.take(some), n / most


def _distinct(*columns: numpy.ndarray) -> Tuple[Proposals, numpy.ndarray]:
    """Spans without duplicates, and where each of the given ones is among them."""
    found, place = numpy.unique(
        numpy.stack(columns, axis=1).reshape((-1, 3)), axis=0, return_inverse=True
    )
    return Proposals(*found.T), place.reshape(-1)


def _off_by_one(true: Proposals, most: int) -> Proposals:
    """Gold spans with one or both borders moved by a token, drawn by chance."""
    moves = numpy.asarray([(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, -1)])
    n = len(true.start)
    if not n or not most:
        return true.take(slice(0, 0))
    which = numpy.random.choice(n, most, replace=most > n)
    move = moves[numpy.random.choice(len(moves), most)]
    some = true.take(which)
    return Proposals.of(some.document, some.start + move[:, 0], some.end + move[:, 1])


class _Others:
    """Tells spans that are none from those that are gold, are too wide or outside of their document, or
    touch text that is not annotated."""

    def __init__(
        self,
        first: numpy.ndarray,
        unknown: Optional[numpy.ndarray],
        true: Proposals,
        n_tokens: Sequence[int],
        max_width: int,
    ) -> None:
        self._first, self._unknown, self._max_width = first, unknown, max_width
        self._size = numpy.asarray(n_tokens, dtype="int64")
        self._true = self._keys(true)

    def _keys(self, some: Proposals) -> numpy.ndarray:
        """A number for each span."""
        width = some.end - some.start
        return (self._first[some.document] + 1 + some.start) * (self._max_width + 1) + width

    def among(self, some: Proposals, others: Optional[Proposals] = None) -> Proposals:
        """RETURNS (Proposals): Those of the spans that are none, and not among the others."""
        width = some.end - some.start
        is_span = (some.start >= 0) & (width > 0) & (width <= self._max_width)
        some = some.take(is_span & (some.end <= self._size[some.document]))
        keys = self._keys(some)
        is_none = ~numpy.isin(keys, self._true)
        if others is not None:
            is_none &= ~numpy.isin(keys, self._keys(others))
        unknown = self._unknown_for(some)
        if unknown is not None:
            is_none &= ~unknown.all(axis=1)
        return some.take(is_none)

    def _unknown_for(self, some: Proposals) -> Optional[numpy.ndarray]:
        """For which labels it is not known whether spans are entities. [S, K]"""
        if self._unknown is None:
            return None
        row = self._first[some.document] + 1
        return self._unknown[row + some.end] > self._unknown[row + some.start]

    def can_be(self, some: Proposals, n_true: int) -> Optional[numpy.ndarray]:
        """RETURNS (Optional[numpy.ndarray]): See `Lesson`. The first spans are gold."""
        unknown = self._unknown_for(some)
        if unknown is None:
            return None
        unknown[:n_true] = False
        is_partly = unknown.any(axis=1, keepdims=True)
        return numpy.concatenate((is_partly, unknown), axis=1) if is_partly.any() else None


def cross_entropy(
    xp: Any, scores: Any, target: Any, weight: Any, can_be: Any = None
) -> Tuple[Any, Any]:
    """The cross-entropy, summed over spans.

    scores (Floats2d): [S, 1 + K]
    target (Floats2d): Probabilities. [S, 1 + K]
    weight (Floats1d): What each span counts. [S]
    can_be (Optional[Floats2d]): 1 for what spans can be of which no more is known, in the place of their
        target; 0 for all other spans. [S, 1 + K]
    RETURNS (Tuple[Any, Floats2d]): The loss less the entropy of the targets, and its gradient.
    """
    found = log_softmax(xp, scores)
    share = xp.exp(found)
    entropy = target * xp.log(xp.where(target > 0, target, xp.ones_like(target)))
    losses = (entropy - target * found).sum(axis=1)
    if can_be is not None:
        inside = share * can_be
        total = xp.maximum(inside.sum(axis=1), TINY)
        is_open = can_be.sum(axis=1) > 0
        losses = xp.where(is_open, -xp.log(total), losses)
        target = xp.where(is_open[:, None], inside / total[:, None], target)
    return (losses * weight).sum(), (share - target) * weight[:, None]
