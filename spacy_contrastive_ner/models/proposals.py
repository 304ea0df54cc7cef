"""Which spans are typed: what a suggester says, or what a tagger of borders alone finds."""

from typing import Any, Callable, Iterable, List, NamedTuple, Optional, Sequence

import numpy
from spacy.tokens import Doc
from thinc.api import Model, Ops, get_current_ops
from thinc.types import ArrayXd, Ragged
from thinc.util import partial

from ..annotations import Gold
from ..tracks import Lost

Suggester = Callable[..., Ragged]

# What a tagger of borders calls all entities.
ANY = "ENTITY"


class Proposals(NamedTuple):
    """Spans of a batch, each once, by document and start.

    document (numpy.ndarray): The index of the document.
    start (numpy.ndarray): The first token.
    end (numpy.ndarray): The token after the last.
    """

    document: numpy.ndarray
    start: numpy.ndarray
    end: numpy.ndarray

    @classmethod
    def of(cls, document: Any, start: Any, end: Any) -> "Proposals":
        """RETURNS (Proposals): These spans, sorted and without duplicates."""
        columns = [numpy.asarray(column, dtype="int64") for column in (document, start, end)]
        distinct = numpy.unique(numpy.stack(columns, axis=1).reshape((-1, 3)), axis=0)
        return cls(*distinct.T)

    def take(self, which: Any) -> "Proposals":
        """RETURNS (Proposals): Some of the spans, by index or mask."""
        return Proposals(*(column[which] for column in self))


class Proposed(Ragged):
    """The rows of a batch, and the spans that were suggested for it.

    proposals (Optional[Proposals]): The spans; None if they follow from the rows.
    """

    proposals: Optional[Proposals]

    def __init__(self, data: ArrayXd, lengths: Any, proposals: Optional[Proposals]) -> None:
        super().__init__(data, lengths)
        self.proposals = proposals


def suggest(ops: Ops, suggester: Suggester, docs: Sequence[Doc]) -> Proposals:
    """Ask a suggester, as spaCy's `spancat` does.

    ops (Ops): The backend.
    suggester (Suggester): The suggester.
    docs (Sequence[Doc]): The documents.
    RETURNS (Proposals): The spans.
    """
    found = suggester(docs, ops=ops)
    lengths: Any = ops.to_numpy(found.lengths)
    if len(lengths) != len(docs):
        raise ValueError(
            f"The suggester spoke of {len(lengths)} documents in place of {len(docs)}."
        )
    pairs = ops.to_numpy(found.dataXd).reshape((-1, 2))
    document = numpy.repeat(numpy.arange(len(docs)), lengths)
    size = numpy.asarray([len(doc) for doc in docs], dtype="int64")[document]
    start, end = pairs.T
    if not ((start >= 0) & (start < end) & (end <= size)).all():
        raise ValueError("The suggester proposed a span that is empty or not in its document.")
    return Proposals.of(document, start, end)


def make_group_suggester(spans_key: str) -> Suggester:
    """Make a suggester of the spans that an earlier pipe, or an annotator, left in `doc.spans`. Unlike
    `spacy.preset_spans_suggester.v1` it says so if no document has the group. While training, the earlier
    pipe has to be among `[training] annotating_components`.

    spans_key (str): The key of the group.
    RETURNS (Suggester): The suggester.
    """
    if not spans_key:
        raise ValueError("spans_key of group_suggester.v1 is empty. Name a key of doc.spans.")
    return partial(suggest_group, spans_key=spans_key)


def suggest_group(docs: Iterable[Doc], spans_key: str, *, ops: Optional[Ops] = None) -> Ragged:
    """Suggest the spans of a group. Documents without it have none, unless that is true of all of them.

    docs (Iterable[Doc]): The documents.
    spans_key (str): The key of the group.
    ops (Optional[Ops]): The backend.
    RETURNS (Ragged): First tokens and ends.
    """
    ops, docs = ops or get_current_ops(), list(docs)
    # The model is initialised on documents that went through nothing.
    if any(len(doc) for doc in docs) and not any(spans_key in doc.spans for doc in docs):
        there = sorted({key for doc in docs for key in doc.spans})
        raise ValueError(
            f"No document has the group doc.spans[{spans_key!r}] that spans are to be taken from (there "
            f"are: {', '.join(map(repr, there)) or 'none'}). A pipe before this one has to write it, and "
            "must be named in [training] annotating_components."
        )
    spans: List[List[int]] = []
    lengths = []
    for doc in docs:
        own = {(span.start, span.end) for span in doc.spans.get(spans_key, ())}
        spans += [[start, end] for start, end in sorted(own) if start < end]
        lengths.append(sum(start < end for start, end in own))
    data: Any = numpy.asarray(spans, dtype="int32").reshape((-1, 2))
    return Ragged(ops.asarray(data), ops.asarray(numpy.asarray(lengths, dtype="int32")))


def fit_finder(finder: Model, gold: Sequence[Gold], max_layers: int) -> List[Lost]:
    """Size a tagger of borders.

    finder (Model): The tagger.
    gold (Sequence[Gold]): The annotation.
    max_layers (int): How many entities may lie over each other.
    RETURNS (List[Lost]): The spans that it cannot find, each with one of its labels.
    """
    plain = [borders_of(doc) for doc in gold]
    lost = finder.attrs["fit"](finder, plain, {ANY: 0}, max_layers)
    found = []
    for document, (start, end, _), reason in lost:
        labels = sorted(label for a, b, label in gold[document].spans if (a, b) == (start, end))
        found.append(Lost(document, (start, end, labels[0]), reason))
    return found


def borders_of(doc: Gold) -> Gold:
    """RETURNS (Gold): The annotation with one label for all. What is unknown for one label is unknown."""
    spans = sorted({(start, end, ANY) for start, end, _ in doc.spans})
    missing = sorted({(start, end, "") for start, end, _ in doc.missing})
    return doc._replace(spans=spans, missing=missing, entities=())


def find_borders(
    finder: Model, lengths: Sequence[int], scores: Ragged, threshold: float
) -> Proposals:
    """RETURNS (Proposals): The spans that a tagger of borders thinks probable enough."""
    found = finder.attrs["find"](finder, lengths, scores, "posterior", threshold)
    return Proposals.of(found.document, found.start, found.end)
