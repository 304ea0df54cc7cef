"""Long documents are cut into pieces, with all that is annotated on them."""

import copy
from collections import Counter
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy
from spacy.tokens import Doc, Span, SpanGroup


class Pieces(NamedTuple):
    """A document in pieces.

    docs (List[Doc]): The pieces, in order.
    lost (List[Span]): The spans that no piece holds, since they cross a border. What is annotated
        twice, with the same label, counts once.
    total (int): How many spans the document has, counted in the same way.
    """

    docs: List[Doc]
    lost: List[Span]
    total: int


class Losses:
    """Counts what is lost where documents are cut."""

    def __init__(self) -> None:
        self.labels: Counter = Counter()
        self.total = 0
        self.docs = 0
        self.example = ""

    def add(self, pieces: Pieces, where: str) -> None:
        """Count the spans of one document.

        pieces (Pieces): The document in pieces.
        where (str): The name of its corpus, for the example.
        """
        self.docs += 1
        self.total += pieces.total
        for span in pieces.lost:
            self.labels[span.label_ or "(no label)"] += 1
            self.example = (
                self.example or f"{span.text[:60]!r} ({span.label_ or 'no label'}){where}"
            )

    def message(self, max_length: int, missing_key: Optional[str]) -> str:
        """RETURNS (str): What is to be said, "" if nothing is lost."""
        if not self.labels:
            return ""
        each = ", ".join(f"{label} {n}" for label, n in self.labels.most_common())
        way_out = "Raise max_length"
        if missing_key is None:
            way_out += (
                ", or set missing_key here and in the pipe, so that what is left of them is not "
                "learned as text without entities"
            )
        return (
            f"[Corpus] {sum(self.labels.values())} of {self.total} spans are lost, as {self.docs} "
            f"documents longer than max_length = {max_length} were cut within them: {each}. For "
            f"example {self.example}. {way_out}."
        )


def cut(doc: Doc, max_length: int, missing_key: Optional[str] = None) -> Pieces:
    """Cut a document into pieces of at most `max_length` tokens.

    A piece has every span group of the document, also where it is empty, for a document without
    the group counts as not annotated. Entities that are cut are missing in the `doc.ents` of the
    pieces.

    doc (Doc): The document.
    max_length (int): The number of tokens of a piece, at most.
    missing_key (Optional[str]): The key of the stretches whose annotation is unknown. They are cut
        like the text, and what a piece has of a lost span is added to them.
    RETURNS (Pieces): The pieces, and what is lost.
    """
    return cut_at(doc, find_borders(doc, max_length, missing_key), missing_key)


def cut_at(doc: Doc, borders: List[int], missing_key: Optional[str] = None) -> Pieces:
    """Cut a document at given borders; see `cut`.

    doc (Doc): The document.
    borders (List[int]): Where pieces begin and end, from 0 to the length of the document.
    missing_key (Optional[str]): The key of the stretches whose annotation is unknown.
    RETURNS (Pieces): The pieces, and what is lost.
    """
    head = list(doc._get_array_attrs())
    # Made once for all pieces. (The stubs of as_doc do not know these arguments.)
    arrays: Dict[str, Any] = {"array_head": head, "array": doc.to_array(head)}
    docs: List[Doc] = []
    for start, end in zip(borders, borders[1:]):
        # The end of the document belongs to its last piece: an empty span may stand there.
        last = end == len(doc)
        piece = doc[start:end].as_doc(**arrays)
        piece.has_unknown_spaces = doc.has_unknown_spaces
        piece.user_data = _user_data(doc[start:end])
        cut_off: List[Span] = []
        for key, group in doc.spans.items():
            if key != missing_key:
                piece.spans[key] = _cut_group(group, piece, start, end, last)
                cut_off.extend(span for span in group if _is_cut(span, start, end))
        if missing_key is not None:
            _cut_missing(doc, piece, start, end, missing_key, cut_off)
        docs.append(piece)
    inner = borders[1:-1]
    spans = _distinct(doc, missing_key)
    lost = [span for span in spans if any(span.start < border < span.end for border in inner)]
    return Pieces(docs, lost, len(spans))


def find_borders(doc: Doc, max_length: int, missing_key: Optional[str] = None) -> List[int]:
    """Find where to cut a document.

    Each piece is as long as fits, up to the start of a sentence if there is one in reach. If that
    would cut a span, the border moves to the left, by half of `max_length` at most: to another
    start of a sentence, else to another token, where it cuts none. If there is no such place, it
    moves to the right, into the sentence that begins there, as far as fits; else it stays.

    doc (Doc): The document.
    max_length (int): The number of tokens of a piece, at most.
    missing_key (Optional[str]): The key of spans that may be cut.
    RETURNS (List[int]): The borders, from 0 to the length of the document.
    """
    n = len(doc)
    starts = numpy.flatnonzero(doc.to_array("SENT_START") == 1)
    crossings = numpy.zeros(n + 2, dtype="int64")
    for span in _distinct(doc, missing_key):
        if span.end - span.start > 1:
            crossings[span.start + 1] += 1
            crossings[span.end] -= 1
    crossed = numpy.cumsum(crossings) > 0
    borders = [0]
    while n - borders[-1] > max_length:
        start, reach = borders[-1], borders[-1] + max_length
        sentences = starts[(starts > start) & (starts <= reach)][::-1].tolist()
        border = sentences[0] if sentences else reach
        lowest = max(start + 1, border - max_length // 2)
        places = [place for place in sentences if place >= lowest]
        places.extend(range(border, lowest - 1, -1))
        places.extend(range(reach, border, -1))
        borders.append(next((place for place in places if not crossed[place]), border))
    borders.append(n)
    return borders


def _distinct(doc: Doc, missing_key: Optional[str]) -> List[Span]:
    """The spans of all groups and the entities; with the same place and label only once."""
    spans = [span for key, group in doc.spans.items() if key != missing_key for span in group]
    spans.extend(doc.ents)
    seen: Dict[Tuple[int, int, int], Span] = {}
    for span in spans:
        seen.setdefault((span.start, span.end, span.label), span)
    return list(seen.values())


def _is_cut(span: Span, start: int, end: int) -> bool:
    """Whether a piece holds a part of a span only."""
    overlaps = span.start < end and start < span.end
    return overlaps and not (start <= span.start and span.end <= end)


def _cut_group(group: SpanGroup, piece: Doc, start: int, end: int, last: bool) -> SpanGroup:
    """What a piece holds of a group: the spans, and their share of lists in its attributes."""
    kept = [
        i
        for i, span in enumerate(group)
        if start <= span.start and span.end <= end and (span.start < end or last)
    ]
    spans = [_move(group[i], piece, group[i].start - start, group[i].end - start) for i in kept]
    attrs = {key: _share(value, kept, len(group)) for key, value in group.attrs.items()}
    return SpanGroup(piece, name=group.name, spans=spans, attrs=attrs)


def _cut_missing(doc: Doc, piece: Doc, start: int, end: int, key: str, cut_off: List[Span]) -> None:
    """Write the stretches of a piece whose annotation is unknown: those of the document, cut like
    its text, and what there is of lost spans."""
    group = doc.spans.get(key)
    if group is None and not cut_off:
        return
    unknown: List[Span] = [*(group or ()), *cut_off]
    kept = [i for i, span in enumerate(unknown) if span.start < end and start < span.end]
    spans = [
        _move(
            unknown[i],
            piece,
            max(unknown[i].start, start) - start,
            min(unknown[i].end, end) - start,
        )
        for i in kept
    ]
    attrs: Dict[str, Any] = {}
    for name, value in group.attrs.items() if group is not None else ():
        # Nothing is known that a list, one item a span, could hold about the remains of a span.
        if not (cut_off and is_list(value, len(group or ()))):
            attrs[name] = _share(value, kept, len(group or ()))
    piece.spans[key] = SpanGroup(
        piece, name=group.name if group is not None else key, spans=spans, attrs=attrs
    )


def _move(span: Span, doc: Doc, start: int, end: int) -> Span:
    return Span(doc, start, end, label=span.label, kb_id=span.kb_id, span_id=span.id)


def is_list(value: Any, n: int) -> bool:
    """Whether an attribute of a group holds one item a span."""
    if isinstance(value, (list, tuple)):
        return len(value) == n
    return bool(getattr(value, "shape", ())) and len(value) == n


def _share(value: Any, kept: List[int], n: int) -> Any:
    if not is_list(value, n):
        return value
    if isinstance(value, (list, tuple)):
        return type(value)([value[i] for i in kept])
    return value[kept]


def _user_data(span: Span) -> Dict[Any, Any]:
    """What a piece has of the user data: all about the document, and the extension attributes of
    the tokens and spans that are in the piece, which are known by their characters."""
    data: Dict[Any, Any] = {}
    for key, value in span.doc.user_data.items():
        if isinstance(key, tuple) and len(key) == 4 and key[0] == "._." and key[2] is not None:
            start, end = key[2], key[3]
            if start < span.start_char or max(start + 1, end or 0) > span.end_char:
                continue
            end = None if end is None else end - span.start_char
            key = (*key[:2], start - span.start_char, end)
        data[key] = copy.copy(value)
    return data
