"""Which pairs of gold spans are fragments of one entity."""

from typing import Dict, List, NamedTuple, Sequence, Set, Tuple

import numpy

from ..tracks import Lost
from ..tracks.layout import LabelledSpan
from .pairs import Pairs, Spans, pair_up
from .sharing import share

# Why a discontinuous entity cannot be learned as a whole.
FAR = "further apart than the linker looks"
SHARED = "its fragments are shared so that it cannot be told from other entities"
NO_LINKS = "the linker was initialized without discontinuous entities"

# The fragments of one entity.
Fragments = Tuple[LabelledSpan, ...]


class Targets(NamedTuple):
    """The gold links of a batch.

    spans (Spans): The gold spans of labels that have discontinuous entities, each once. [n]
    pairs (Pairs): Those that may be fragments of one entity.
    is_linked (numpy.ndarray): Whether they are. [P]
    lost (List[Lost]): The entities that cannot be learned as a whole, from the start of the first to
        the end of the last fragment.
    """

    spans: Spans
    pairs: Pairs
    is_linked: numpy.ndarray
    lost: List[Lost]


def targets(
    labels: Dict[str, int],
    documents: Sequence[Sequence[LabelledSpan]],
    entities: Sequence[Sequence[Fragments]],
    max_distance: int,
) -> Targets:
    """Pair the gold spans of a batch of documents.

    labels (Dict[str, int]): The labels whose spans are paired, with their indices.
    documents (Sequence[Sequence[LabelledSpan]]): The spans of each document, fragments among them.
    entities (Sequence[Sequence[Fragments]]): The discontinuous entities of each document.
    max_distance (int): The largest number of tokens between two fragments that are paired.
    RETURNS (Targets): The spans, their pairs, and which of them are linked.
    """
    spans: Dict[Tuple[int, LabelledSpan], int] = {}
    for i, spans_ in enumerate(documents):
        for span in spans_:
            if span[2] in labels:
                spans.setdefault((i, span), len(spans))
    columns = [(i, start, end, labels[label]) for i, (start, end, label) in spans]
    table = numpy.asarray(columns, dtype="int64").reshape((-1, 4))
    unique = Spans(*table.T)
    pairs = pair_up(unique, max_distance)
    linked: Set[Tuple[int, int]] = set()
    whole: List[Tuple[int, Fragments, List[int]]] = []
    for i, some in enumerate(entities):
        for fragments in some:
            if fragments[0][2] in labels:
                at = sorted(spans[i, span] for span in fragments)
                linked.update((a, b) for a in at for b in at)
                whole.append((i, fragments, at))
    both = zip(pairs.left.tolist(), pairs.right.tolist())
    is_linked = numpy.asarray([pair in linked for pair in both], dtype="bool")
    # What the very best scores would make of it.
    possible = share(unique.start, unique.end, pairs, numpy.where(is_linked, 1.0, -1.0))
    known = {tuple(some) for some in possible}
    lost: List[Lost] = []
    for i, fragments, at in whole:
        if _is_far(fragments, max_distance):
            lost.append(Lost(i, hull(fragments), FAR))
        elif tuple(at) not in known:
            lost.append(Lost(i, hull(fragments), SHARED))
    return Targets(unique, pairs, is_linked, lost)


def hull(fragments: Fragments) -> LabelledSpan:
    """RETURNS (LabelledSpan): All from the start of the first to the end of the last fragment."""
    return (
        min(start for start, _, _ in fragments),
        max(end for _, end, _ in fragments),
        fragments[0][2],
    )


def shared_labels(entities: Sequence[Sequence[Fragments]]) -> Set[str]:
    """RETURNS (Set[str]): The labels of fragments that belong to several entities of a document."""
    found: Set[str] = set()
    for some in entities:
        seen: Set[LabelledSpan] = set()
        for fragments in some:
            found.update(label for _, _, label in seen.intersection(fragments))
            seen.update(fragments)
    return found


def _is_far(fragments: Fragments, max_distance: int) -> bool:
    """Whether an entity is not held together: each fragment has to be in reach of the one before."""
    ordered = sorted(fragments)
    gaps = (after[0] - before[1] for before, after in zip(ordered, ordered[1:]))
    return any(gap > max_distance for gap in gaps)
