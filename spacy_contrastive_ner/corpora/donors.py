"""Mentions that can be replaced by others, and what is known about them."""

from collections import Counter
from typing import Dict, Iterable, List, NamedTuple, Optional, Tuple

import numpy
from spacy.tokens import Doc, Span

# What is kept about tokens, as strings, since a donor may come from another process.
TOKEN_ATTRS = ["TAG", "POS", "MORPH", "LEMMA"]

Labels = Tuple[str, ...]


class Stretch(NamedTuple):
    """A stretch of tokens with one mention, or several that begin and end together.

    start, end (int): Its tokens, end exclusive.
    labels (Labels): The labels of the mentions, sorted.
    """

    start: int
    end: int
    labels: Labels


class Inner(NamedTuple):
    """A span within a mention, on the tokens of the mention.

    start, end (int): Its tokens, end exclusive.
    label (str): Its label.
    kb_id (str): Its entry in a knowledge base.
    """

    start: int
    end: int
    label: str
    kb_id: str


class Donor(NamedTuple):
    """A mention that can take the place of another one. It holds strings only, no document.

    words (Tuple[str, ...]): Its words.
    spaces (Tuple[bool, ...]): Whether a space follows each.
    attrs (Tuple[Tuple[str, ...], ...]): The annotation of each token, see `TOKEN_ATTRS`.
    groups (Tuple[Tuple[str, Tuple[Inner, ...]], ...]): The spans within it, itself among them, of
        each span group of its document.
    ents (Optional[Tuple[Inner, ...]]): The entities within it, if they are known.
    unknown_spaces (bool): Whether the spaces are not known.
    """

    words: Tuple[str, ...]
    spaces: Tuple[bool, ...]
    attrs: Tuple[Tuple[str, ...], ...]
    groups: Tuple[Tuple[str, Tuple[Inner, ...]], ...]
    ents: Optional[Tuple[Inner, ...]]
    unknown_spaces: bool


def find_stretches(doc: Doc, spans_key: str) -> List[Stretch]:
    """Find the stretches that can be replaced or used as a replacement: those with labels, that no
    span of any group crosses, and no entity; that hold no start of a sentence but their own; and
    that neither are nor hold a part of a discontinuous mention, whose parts have the same id.

    doc (Doc): The document.
    spans_key (str): The key of the mentions in `doc.spans`.
    RETURNS (List[Stretch]): The stretches, by start, outer before inner.
    """
    if spans_key not in doc.spans:
        return []
    labels: Dict[Tuple[int, int], List[str]] = {}
    ids = Counter(span.id for span in doc.spans[spans_key] if span.id)
    for span in doc.spans[spans_key]:
        labels.setdefault((span.start, span.end), []).append(span.label_)
    parts = [span for span in doc.spans[spans_key] if ids[span.id] > 1]
    spans = [span for group in doc.spans.values() for span in group]
    starts, ends = _places([*spans, *doc.ents])
    part_starts, part_ends = _places(parts)
    sentences = numpy.concatenate([[0], numpy.cumsum(doc.to_array("SENT_START") == 1)])
    stretches: List[Stretch] = []
    for start, end in sorted(labels, key=lambda place: (place[0], -place[1])):
        crossed = ((starts < start) & (start < ends) & (ends < end)) | (
            (start < starts) & (starts < end) & (end < ends)
        )
        divided = (start <= part_starts) & (part_ends <= end)
        if (
            start < end
            and all(labels[start, end])
            and not crossed.any()
            and not divided.any()
            and sentences[end] == sentences[start + 1]
        ):
            stretches.append(Stretch(start, end, tuple(sorted(set(labels[start, end])))))
    return stretches


def find_outermost(doc: Doc, spans_key: str) -> List[Stretch]:
    """Find the stretches that can be replaced and are within no other mention.

    doc (Doc): The document.
    spans_key (str): The key of the mentions in `doc.spans`.
    RETURNS (List[Stretch]): The stretches, by start. They do not overlap.
    """
    outermost: List[Stretch] = []
    found = find_stretches(doc, spans_key)
    if found:
        starts, ends = _places(doc.spans[spans_key])
        for stretch in found:
            around = (starts <= stretch.start) & (stretch.end <= ends)
            if not (around & (ends - starts > stretch.end - stretch.start)).any():
                outermost.append(stretch)
    return outermost


def find_donors(
    docs: Iterable[Doc], spans_key: str, missing_key: Optional[str]
) -> Dict[Labels, List[Donor]]:
    """Find the mentions that can take the place of others: nested ones too, each once. Those in
    stretches whose annotation is unknown are left out.

    docs (Iterable[Doc]): The documents.
    spans_key (str): The key of the mentions in `doc.spans`.
    missing_key (Optional[str]): The key of the stretches whose annotation is unknown.
    RETURNS (Dict[Labels, List[Donor]]): The mentions, by their labels.
    """
    donors: Dict[Labels, Dict[Donor, None]] = {}
    for doc in docs:
        unknown = doc.spans.get(missing_key, ()) if missing_key is not None else ()
        starts, ends = _places(unknown)
        for stretch in find_stretches(doc, spans_key):
            if not ((starts < stretch.end) & (stretch.start < ends)).any():
                donors.setdefault(stretch.labels, {})[_donor(doc, stretch)] = None
    return {labels: list(found) for labels, found in donors.items()}


def _donor(doc: Doc, stretch: Stretch) -> Donor:
    tokens = list(doc[stretch.start : stretch.end])
    ents = _inner(doc.ents, stretch)
    known = numpy.array([token.ent_iob == 2 for token in tokens])
    for ent in ents:
        known[ent.start : ent.end] = True
    return Donor(
        words=tuple(token.text for token in tokens),
        spaces=tuple(bool(token.whitespace_) for token in tokens),
        attrs=tuple((token.tag_, token.pos_, str(token.morph), token.lemma_) for token in tokens),
        groups=tuple((key, _inner(group, stretch)) for key, group in sorted(doc.spans.items())),
        ents=ents if known.all() else None,
        unknown_spaces=doc.has_unknown_spaces,
    )


def _inner(spans: Iterable[Span], stretch: Stretch) -> Tuple[Inner, ...]:
    """The spans within a stretch. Their ids are left behind: in another document they could agree
    with those of others by chance, which would make them parts of one mention."""
    start, end = stretch.start, stretch.end
    return tuple(
        Inner(span.start - start, span.end - start, span.label_, span.kb_id_)
        for span in spans
        if start <= span.start and span.end <= end
    )


def _places(spans: Iterable[Span]) -> Tuple[numpy.ndarray, numpy.ndarray]:
    places = [(span.start, span.end) for span in spans]
    array = numpy.array(places, dtype="int64").reshape(len(places), 2)
    return array[:, 0], array[:, 1]
