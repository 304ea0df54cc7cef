"""Where gold annotation is read, and where predictions are written."""

from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

import numpy
from spacy.attrs import ENT_IOB, ENT_TYPE, ORTH
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example

from .corpora.marks import get_mark
from .links import Fragments
from .spans.choice import Scores, flat_view
from .tracks import Found
from .tracks.layout import LabelledSpan


class Gold(NamedTuple):
    """The annotation of one document, on the tokens that the pipeline sees.

    n_tokens (int): The number of tokens.
    spans (List[LabelledSpan]): The entities: (start, end, label).
    missing (List[LabelledSpan]): Stretches whose annotation is unknown: for the given label, or
        for all labels if it is "".
    misaligned (List[Span]): Entities of the reference that cut a token of the pipeline.
    corpus (str): The name that the reader gave its corpus, if it has several.
    entities (Sequence[Fragments]): The discontinuous entities: the spans that are their fragments.
    """

    n_tokens: int
    spans: List[LabelledSpan]
    missing: List[LabelledSpan]
    misaligned: List[Span]
    corpus: str = ""
    entities: Sequence[Fragments] = ()


def read_gold(example: Example, spans_key: str, missing_key: Optional[str]) -> Gold:
    """Read the gold annotation of one example. A document without the span group is not
    annotated: all of it is missing. So is, for its label, what an entity covers that cuts a token.

    example (Example): The example.
    spans_key (str): The key of the entities in `doc.spans`.
    missing_key (Optional[str]): The key of the stretches whose annotation is unknown.
    RETURNS (Gold): The annotation.
    """
    n_tokens = len(example.predicted)
    groups, corpus = example.reference.spans, get_mark(example.reference).corpus
    if spans_key not in groups:
        return Gold(n_tokens, [], [(0, n_tokens, "")], [], corpus)
    unknown: Iterable[Span] = ()
    if missing_key is not None and missing_key in groups:
        unknown = groups[missing_key]
    if _same_tokens(example):
        given = list(groups[spans_key])
        spans = _triples(given)
        linked = discontinuous(given, spans)
        return Gold(n_tokens, _once(given, spans), _triples(unknown), [], corpus, linked)
    tokens = example.alignment.y2x
    spans = []
    aligned: List[Span] = []
    misaligned: List[Span] = []
    for span in groups[spans_key]:
        start, end = _cover(tokens[span.start : span.end])
        if start < end and _same_text(example.predicted[start:end], span):
            spans.append((start, end, span.label_))
            aligned.append(span)
        else:
            misaligned.append(span)
    missing = [
        (*_cover(tokens[span.start : span.end]), span.label_) for span in (*unknown, *misaligned)
    ]
    linked = discontinuous(aligned, spans)
    return Gold(n_tokens, _once(aligned, spans), missing, misaligned, corpus, linked)


def read_doc(
    doc: Doc, spans_key: str, missing_key: Optional[str] = None, use_ents: bool = False
) -> Gold:
    """Read the annotation of a document on its own tokens. Without the span group, all of it is
    missing; so are, with `use_ents`, the tokens that are not annotated.

    doc (Doc): The annotated document.
    spans_key (str): The key of the entities in `doc.spans`.
    missing_key (Optional[str]): The key of the stretches whose annotation is unknown.
    use_ents (bool): Whether to read `doc.ents` instead of the span group.
    RETURNS (Gold): The annotation.
    """
    missing: List[LabelledSpan] = []
    if missing_key is not None and missing_key in doc.spans:
        missing = _triples(doc.spans[missing_key])
    if use_ents:
        unknown = numpy.concatenate(([0], doc.to_array(ENT_IOB) == 0, [0]))
        borders = numpy.flatnonzero(numpy.diff(unknown)).tolist()
        missing += [(start, end, "") for start, end in zip(borders[::2], borders[1::2])]
        return Gold(len(doc), _triples(doc.ents), missing, [])
    if spans_key not in doc.spans:
        return Gold(len(doc), [], [(0, len(doc), "")], [])
    spans = [span for span in doc.spans[spans_key] if span.start < span.end]
    return Gold(len(doc), _once(spans, _triples(spans)), missing, [])


def _triples(spans: Iterable[Span]) -> List[LabelledSpan]:
    return [(span.start, span.end, span.label_) for span in spans]


def discontinuous(spans: Sequence[Span], triples: Sequence[LabelledSpan]) -> Sequence[Fragments]:
    """Find the discontinuous entities: spans of one label that share an id are their fragments.

    spans (Sequence[Span]): The spans of a group.
    triples (Sequence[LabelledSpan]): For each of them what stands for it.
    RETURNS (Sequence[Fragments]): For each entity its fragments, in the order of the text.
    """
    fragments: Dict[Tuple[int, str], List[LabelledSpan]] = {}
    for span, triple in zip(spans, triples):
        if span.id:
            fragments.setdefault((span.id, triple[2]), []).append(triple)
    found = (tuple(sorted(set(some))) for some in fragments.values())
    return tuple(some for some in found if len(some) > 1)


def _once(spans: Sequence[Span], triples: Sequence[LabelledSpan]) -> List[LabelledSpan]:
    """Leave out repetitions of a fragment that belongs to several entities: it has another id in each."""
    ids: Dict[LabelledSpan, List[int]] = {}
    kept: List[LabelledSpan] = []
    for span, triple in zip(spans, triples):
        before = ids.setdefault(triple, [])
        if not (before and span.id and 0 not in before and span.id not in before):
            kept.append(triple)
        before.append(span.id)
    return kept


def _cover(tokens: Sequence[int]) -> Tuple[int, int]:
    """The stretch of the prediction that these tokens take, empty if there are none."""
    return (int(min(tokens)), int(max(tokens)) + 1) if len(tokens) else (0, 0)


def _same_text(a: Span, b: Span) -> bool:
    """Whether two spans hold the same text, apart from case and white space around it, which
    tokenizers and augmenters change."""
    return a.text.strip().lower() == b.text.strip().lower()


def _same_tokens(example: Example) -> bool:
    """Whether reference and prediction have the same tokens, so that nothing need be aligned."""
    x, y = example.predicted, example.reference
    return len(x) == len(y) and bool((x.to_array(ORTH) == y.to_array(ORTH)).all())


def count_keys(examples: Sequence[Example]) -> Dict[str, int]:
    """RETURNS (Dict[str, int]): In how many references each span group occurs."""
    counts: Dict[str, int] = {}
    for example in examples:
        for key in example.reference.spans:
            counts[key] = counts.get(key, 0) + 1
    return counts


def write_found(
    docs: Sequence[Doc],
    spans_key: str,
    found: Optional[Found],
    labels: Sequence[int],
    set_ents: bool,
    overwrite: bool,
) -> None:
    """Write what was recognised to its documents: to `doc.spans`, and the flat view to `doc.ents`,
    which is without the fragments of discontinuous entities, as that of the converters is.

    docs (Sequence[Doc]): The documents.
    spans_key (str): The key of the group in `doc.spans`.
    found (Optional[Found]): The entities of all documents, sorted by document. None if there are none.
    labels (Sequence[int]): The labels, as in the string store.
    set_ents (bool): Whether `doc.ents` is set.
    overwrite (bool): Whether entities that are there give way, see `write_ents`.
    """
    starts = ends = names = documents = []
    probabilities = numpy.zeros(0, dtype="float32")
    groups: List[int] = []
    if found is not None:
        groups = found.group.tolist() if found.group.any() else []
        documents, starts, ends = (column.tolist() for column in found[:3])
        names = [labels[i] for i in found.label.tolist()]
        probabilities = found.probability
    counts = [0] * len(docs)
    for i in documents:
        counts[i] += 1
    first = 0
    for doc, count in zip(docs, counts):
        some = slice(first, first + count)
        own = probabilities[some]
        ids = groups[some]
        spans = write_spans(doc, spans_key, starts[some], ends[some], names[some], own, ids)
        if set_ents:
            if any(ids):
                whole = [i for i, group in enumerate(ids) if not group]
                spans, own = [spans[i] for i in whole], own[whole]
            write_ents(doc, spans, own, overwrite)
        first += count


def write_spans(
    doc: Doc,
    spans_key: str,
    starts: Sequence[int],
    ends: Sequence[int],
    labels: Sequence[int],
    scores: numpy.ndarray,
    groups: Sequence[int] = (),
) -> List[Span]:
    """Write entities to a fresh span group, with their probabilities as its attribute "scores".
    Fragments of one entity share their `Span.id`.

    doc (Doc): The document.
    spans_key (str): The key of the group.
    starts, ends (Sequence[int]): Tokens, end exclusive.
    labels (Sequence[int]): Their labels, as in the string store.
    scores (numpy.ndarray): Their probabilities.
    groups (Sequence[int]): For fragments the number of their entity, 0 for others; none if there are
        no fragments.
    RETURNS (List[Span]): The spans.
    """
    if any(groups):
        spans = [
            Span(doc, start, end, label, span_id=str(group) if group else "")
            for start, end, label, group in zip(starts, ends, labels, groups)
        ]
    else:
        spans = [Span(doc, start, end, label) for start, end, label in zip(starts, ends, labels)]
    doc.spans[spans_key] = SpanGroup(doc, name=spans_key, spans=spans, attrs={"scores": scores})
    return spans


def write_ents(doc: Doc, spans: Sequence[Span], scores: Scores, overwrite: bool) -> None:
    """Set `doc.ents` to the non-overlapping set of spans with the highest total score. Scores count in
    thousandths: of two spans that are as good as certain, the outer one is taken.

    doc (Doc): The document.
    spans (Sequence[Span]): The spans.
    scores (Scores): Their scores.
    overwrite (bool): Whether entities that are on the doc give way. If not, they and blocked
        tokens stay and the spans have to fit around them.
    """
    kept: List[Span] = []
    blocked: List[Span] = []
    # Most documents come without any annotation, and to ask so is cheap.
    if not overwrite and doc.has_annotation(ENT_IOB):
        iob, kind = doc.to_array([ENT_IOB, ENT_TYPE]).T
        taken = (iob == 1) | (iob == 3)
        if taken.any():
            kept = list(doc.ents)
            # A token that begins an entity of no type is blocked: it must not be one.
            blocked = [doc[i : i + 1] for i in numpy.flatnonzero((iob == 3) & (kind == 0)).tolist()]
            free = [not taken[span.start : span.end].any() for span in spans]
            scores = [score for score, is_free in zip(scores, free) if is_free]
            spans = [span for span, is_free in zip(spans, free) if is_free]
    # Whole numbers, whose sums are exact, so that rounding does not choose.
    thousandths = numpy.rint(numpy.asarray(scores, dtype="float64") * 1000)
    chosen = flat_view([(span.start, span.end) for span in spans], thousandths)
    doc.set_ents([*kept, *(spans[i] for i in chosen)], blocked=blocked, default="outside")
