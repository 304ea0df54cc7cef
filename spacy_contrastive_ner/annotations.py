"""Where gold annotation is read, and where predictions are written."""

from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

import numpy
from spacy.attrs import ORTH
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example

from .tracks.layout import LabelledSpan


class Gold(NamedTuple):
    """The annotation of one document, on the tokens that the pipeline sees.

    n_tokens (int): The number of tokens.
    spans (List[LabelledSpan]): The entities: (start, end, label).
    missing (List[LabelledSpan]): Stretches whose annotation is unknown: for the given label, or
        for all labels if it is "".
    misaligned (List[Span]): Entities of the reference that cut a token of the pipeline.
    """

    n_tokens: int
    spans: List[LabelledSpan]
    missing: List[LabelledSpan]
    misaligned: List[Span]


def read_gold(example: Example, spans_key: str, missing_key: Optional[str]) -> Gold:
    """Read the gold annotation of one example. A document without the span group is not
    annotated: all of it is missing.

    example (Example): The example.
    spans_key (str): The key of the entities in `doc.spans`.
    missing_key (Optional[str]): The key of the stretches whose annotation is unknown.
    RETURNS (Gold): The annotation.
    """
    n_tokens = len(example.predicted)
    groups = example.reference.spans
    if spans_key not in groups:
        return Gold(n_tokens, [], [(0, n_tokens, "")], [])
    same = _same_tokens(example)
    spans, misaligned = _align(example, groups[spans_key], same)
    missing: List[LabelledSpan] = []
    if missing_key is not None and missing_key in groups:
        # What a cut token hides is unknown as a whole.
        missing = [_cover(example, span, same) for span in groups[missing_key]]
    return Gold(n_tokens, spans, missing, misaligned)


def _same_tokens(example: Example) -> bool:
    """Whether reference and prediction have the same tokens, so that nothing need be aligned."""
    x, y = example.predicted, example.reference
    return len(x) == len(y) and bool((x.to_array(ORTH) == y.to_array(ORTH)).all())


def _align(
    example: Example, spans: Iterable[Span], same: bool
) -> Tuple[List[LabelledSpan], List[Span]]:
    """Find the tokens of the prediction that each span covers."""
    if same:
        return [(span.start, span.end, span.label_) for span in spans], []
    aligned: List[LabelledSpan] = []
    misaligned: List[Span] = []
    for span in spans:
        found = example.get_aligned_spans_y2x([span], allow_overlap=True)
        if found:
            aligned.append((found[0].start, found[0].end, span.label_))
        else:
            misaligned.append(span)
    return aligned, misaligned


def _cover(example: Example, span: Span, same: bool) -> LabelledSpan:
    """The tokens of the prediction that have any part in a stretch of the reference."""
    if same:
        return span.start, span.end, span.label_
    tokens = example.alignment.y2x[span.start : span.end]
    if not len(tokens):
        return 0, 0, span.label_
    return int(tokens.min()), int(tokens.max()) + 1, span.label_


def count_keys(examples: Sequence[Example]) -> Dict[str, int]:
    """RETURNS (Dict[str, int]): In how many references each span group occurs."""
    counts: Dict[str, int] = {}
    for example in examples:
        for key in example.reference.spans:
            counts[key] = counts.get(key, 0) + 1
    return counts


def write_spans(
    doc: Doc,
    spans_key: str,
    starts: Sequence[int],
    ends: Sequence[int],
    labels: Sequence[int],
    scores: numpy.ndarray,
) -> List[Span]:
    """Write entities to a fresh span group, with their probabilities as its attribute "scores".

    doc (Doc): The document.
    spans_key (str): The key of the group.
    starts, ends (Sequence[int]): Tokens, end exclusive.
    labels (Sequence[int]): Their labels, as in the string store.
    scores (numpy.ndarray): Their probabilities.
    RETURNS (List[Span]): The spans.
    """
    spans = [Span(doc, start, end, label) for start, end, label in zip(starts, ends, labels)]
    doc.spans[spans_key] = SpanGroup(doc, name=spans_key, spans=spans, attrs={"scores": scores})
    return spans


def write_ents(doc: Doc, spans: Sequence[Span], scores: Sequence[float], overwrite: bool) -> None:
    """Set `doc.ents` to the non-overlapping set of spans with the highest total score.

    doc (Doc): The document.
    spans (Sequence[Span]): The spans.
    scores (Sequence[float]): Their scores.
    overwrite (bool): Whether entities that are on the doc give way. If not, they stay and the
        spans have to fit around them.
    """
    kept: List[Span] = [] if overwrite else list(doc.ents)
    if kept and spans:
        taken = numpy.zeros(len(doc), dtype="bool")
        for ent in kept:
            taken[ent.start : ent.end] = True
        free = [not taken[span.start : span.end].any() for span in spans]
        scores = [score for score, is_free in zip(scores, free) if is_free]
        spans = [span for span, is_free in zip(spans, free) if is_free]
    chosen = flat_view([(span.start, span.end) for span in spans], scores)
    doc.set_ents([*kept, *(spans[i] for i in chosen)], default="outside")


def flat_view(spans: Sequence[Tuple[int, int]], scores: Sequence[float]) -> List[int]:
    """Choose the non-overlapping spans with the highest total score, exactly. Of sets with equal
    scores the one that covers more tokens is taken.

    With spans sorted by their end, the best choice among the first i either leaves span i out, or
    takes it together with the best choice among those that end before it starts.

    spans (Sequence[Tuple[int, int]]): (start, end) of each span.
    scores (Sequence[float]): The score of each span.
    RETURNS (List[int]): The places of the chosen spans, by start.
    """
    order = sorted(range(len(spans)), key=lambda i: spans[i][1])
    ends = [spans[i][1] for i in order]
    if all(spans[i][0] >= end for i, end in zip(order[1:], ends)):
        return order
    before = numpy.searchsorted(ends, [spans[i][0] for i in order], side="right").tolist()
    best: List[Tuple[float, int]] = [(0.0, 0)]
    for place, i in enumerate(order):
        score, tokens = best[before[place]]
        with_it = (score + float(scores[i]), tokens + spans[i][1] - spans[i][0])
        best.append(max(best[-1], with_it))
    chosen: List[int] = []
    place = len(order)
    while place:
        if best[place] != best[place - 1]:
            chosen.append(order[place - 1])
            place = before[place - 1]
        else:
            place -= 1
    return chosen[::-1]
