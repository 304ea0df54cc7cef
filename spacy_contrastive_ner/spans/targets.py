from collections import Counter
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy

from ..tracks.encoding import NO_LABEL, OUTSIDE, TWICE, Lost
from ..tracks.layout import LabelledSpan
from .space import Texts

# The largest number of tokens of an entity if there is none to read it from.
UNSEEN_WIDTH = 12

# Why a span is no candidate.
TOO_WIDE = "wider than any span the model looks at"


class Targets(NamedTuple):
    """The gold entities of a batch, each once.

    text (numpy.ndarray): The text of each entity. [A]
    start (numpy.ndarray): The row of its first token. [A]
    width (numpy.ndarray): The distance of its last token from the first. [A]
    label (numpy.ndarray): The index of its label. [A]
    unknown (Optional[numpy.ndarray]): How many of the rows before each row are not annotated, for
        each label. None if all are. [n + 1, K]
    lost (List[Lost]): The spans that are no candidates.
    """

    text: numpy.ndarray
    start: numpy.ndarray
    width: numpy.ndarray
    label: numpy.ndarray
    unknown: Optional[numpy.ndarray]
    lost: List[Lost]


def targets(
    labels: Sequence[str],
    n_widths: int,
    n_tokens: Sequence[int],
    documents: Sequence[Sequence[LabelledSpan]],
    missing: Sequence[Sequence[LabelledSpan]],
) -> Targets:
    """Find the cells of gold entities. What is no candidate is returned, never silently left out.

    labels (Sequence[str]): The labels.
    n_widths (int): The largest number of tokens of a span.
    n_tokens (Sequence[int]): The number of tokens of each text.
    documents (Sequence[Sequence[LabelledSpan]]): The spans of each text.
    missing (Sequence[Sequence[LabelledSpan]]): For each text, stretches whose annotation is unknown:
        for one label, or for all of them if the label is not one of `labels`.
    RETURNS (Targets): The entities, and what is not annotated.
    """
    index = {name: i for i, name in enumerate(labels)}
    texts = Texts.of(n_tokens)
    found: List[Tuple[int, int, int, int]] = []
    lost: List[Lost] = []
    for text, spans in enumerate(documents):
        first, length = int(texts.first[text]) + 1, n_tokens[text]
        known = set()
        for span in spans:
            start, end, label = span
            reason = None
            if not 0 <= start < end <= length:
                reason = OUTSIDE
            elif label not in index:
                reason = NO_LABEL
            elif span in known:
                reason = TWICE
            elif end - start > n_widths:
                reason = TOO_WIDE
            if reason is not None:
                lost.append(Lost(text, span, reason))
                continue
            known.add(span)
            found.append((text, first + start, end - start - 1, index[label]))
    where, first_row, distance, kind = numpy.asarray(found, dtype="int64").reshape((-1, 4)).T
    unknown = _unknown(index, texts, n_tokens, missing, lost)
    return Targets(where, first_row, distance, kind, unknown, lost)


def _unknown(
    index: Dict[str, int],
    texts: Texts,
    n_tokens: Sequence[int],
    missing: Sequence[Sequence[LabelledSpan]],
    lost: Sequence[Lost],
) -> Optional[numpy.ndarray]:
    """Count the rows that are not annotated. An entity that is too wide to be learned is not taught
    to be none either: spans within it are unknown for its label."""
    stretches = [(text, *span) for text, spans in enumerate(missing) for span in spans]
    stretches += [(item.document, *item.span) for item in lost if item.reason == TOO_WIDE]
    stretches = [item for item in stretches if item[1] < item[2]]
    if not stretches:
        return None
    unknown = numpy.zeros((len(texts.text) + 1, len(index)), dtype="int32")
    for text, start, end, label in stretches:
        first = int(texts.first[text]) + 1
        rows = slice(first + max(start, 0) + 1, first + min(end, n_tokens[text]) + 1)
        unknown[rows, index.get(label, slice(None))] = 1
    return numpy.cumsum(unknown, axis=0, dtype="int32")


def width_for(documents: Sequence[Sequence[LabelledSpan]], coverage: float) -> int:
    """RETURNS (int): The smallest width that reaches a share of the spans; 12 if there are none."""
    counts = Counter(end - start for spans in documents for start, end, _ in set(spans))
    counts.pop(0, None)
    need, reached = coverage * sum(counts.values()), 0
    for width in sorted(counts):
        reached += counts[width]
        if reached >= need - 1e-9:
            return width
    return UNSEEN_WIDTH
