"""Long documents are cut into pieces, with all that is annotated on them."""

import copy
from bisect import bisect_right
from collections import Counter
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy
from spacy.attrs import ENT_ID, ENT_IOB, ENT_KB_ID, ENT_TYPE
from spacy.tokens import Doc, Span, SpanGroup

ENTITY_ATTRS = [ENT_IOB, ENT_TYPE, ENT_KB_ID, ENT_ID]


class Pieces(NamedTuple):
    """A document in pieces.

    docs (List[Doc]): The pieces, in order.
    lost (List[Span]): The spans that no piece holds, since they cross a border. What is annotated
        twice, with the same label, counts once.
    total (int): How many spans the document has, counted in the same way.
    parted (List[Span]): The discontinuous entities that no piece holds, though each fragment is in
        one: from the first to the last.
    """

    docs: List[Doc]
    lost: List[Span]
    total: int
    parted: List[Span]


class Losses:
    """Counts what is lost where documents are cut."""

    def __init__(self) -> None:
        self.labels: Counter = Counter()
        self.parted: Counter = Counter()
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

        self.parted.update(span.label_ or "(no label)" for span in pieces.parted)

    def parted_message(self, max_length: int) -> str:
        """RETURNS (str): What is to be said of fragments, "" if none were torn apart."""
        if not self.parted:
            return ""
        each = ", ".join(f"{label} {n}" for label, n in self.parted.most_common())
        return (
            f"[Corpus] The fragments of {sum(self.parted.values())} discontinuous entities are no "
            f"longer tied together, as documents longer than max_length = {max_length} were cut "
            f"between them: {each}. Raise max_length."
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
    n_pieces = len(borders) - 1
    groups = {key: _Group(group) for key, group in doc.spans.items()}
    missing = groups.pop(missing_key, None) if missing_key is not None else None
    shares = {key: _deal(group.spans, borders) for key, group in groups.items()}
    cut_off = [
        [group.spans[i] for key, group in groups.items() for i in shares[key].cut[number]]
        for number in range(n_pieces)
    ]
    unknown = _deal(missing.spans if missing is not None else [], borders)
    data = _deal_user_data(doc, borders)
    docs: List[Doc] = []
    for number, piece in enumerate(_bare_pieces(doc, borders)):
        start, end = borders[number], borders[number + 1]
        piece.has_unknown_spaces = doc.has_unknown_spaces
        piece.user_data = data[number]
        piece.cats.update(_cats(doc, start, end) if doc.cats else {})
        for key, group in groups.items():
            piece.spans[key] = _cut_group(group, shares[key].whole[number], piece, start)
        if missing_key is not None:
            # In the order of the group; what lies in the piece and what reaches into it.
            kept = sorted(unknown.inside[number] + unknown.cut[number])
            stretch = (start, end)
            _cut_missing(missing, kept, cut_off[number], piece, stretch, missing_key)
        docs.append(piece)
    spans = _distinct(doc, missing_key)
    parted = [
        hull
        for fragments, hull in _hulls(doc, missing_key)
        if _crossing([hull], borders) and not _crossing(fragments, borders)
    ]
    return Pieces(docs, _crossing(spans, borders), len(spans), parted)


class _Group:
    """A group of spans, which are made only once: to ask the group for one takes as long as to ask
    it for all.

    group (SpanGroup): The group.
    """

    def __init__(self, group: SpanGroup) -> None:
        self.name, self.attrs, self.spans = group.name, group.attrs, list(group)


class _Shares(NamedTuple):
    """Which spans, by their numbers, each piece has.

    whole (List[List[int]]): Those that are the piece's: they lie in it, and one that is empty, on a
        border, is the next piece's.
    inside (List[List[int]]): Those that lie in it, but no empty ones on its borders.
    cut (List[List[int]]): Those of which it holds a part.
    """

    whole: List[List[int]]
    inside: List[List[int]]
    cut: List[List[int]]


def _deal(spans: List[Span], borders: List[int]) -> _Shares:
    """Find the pieces of each span, in time that grows with the spans and their pieces."""
    n_pieces = len(borders) - 1
    shares = _Shares(
        [[] for _ in range(n_pieces)], [[] for _ in range(n_pieces)], [[] for _ in range(n_pieces)]
    )
    places = [(span.start, span.end) for span in spans]
    firsts = numpy.searchsorted(borders, [start for start, _ in places], side="right") - 1
    lasts = numpy.searchsorted(borders, [end for _, end in places], side="left") - 1
    for i, (first, last) in enumerate(zip(firsts.tolist(), lasts.tolist())):
        start, end = places[i]
        if start == end:
            # The end of the document belongs to its last piece.
            shares.whole[min(first, n_pieces - 1)].append(i)
            if first == last:
                shares.inside[first].append(i)
        elif first == last:
            shares.whole[first].append(i)
            shares.inside[first].append(i)
        else:
            for number in range(first, last + 1):
                shares.cut[number].append(i)
    return shares


def _bare_pieces(doc: Doc, borders: List[int]) -> Iterator[Doc]:
    """Cut tokens and `doc.ents` only; entities that are cut are missing.

    doc (Doc): The document.
    borders (List[int]): Where pieces begin and end, from 0 to the length of the document.
    YIELDS (Doc): The pieces.
    """
    head = [attr for attr in doc._get_array_attrs() if attr not in ENTITY_ATTRS]
    # Made once for all pieces. (The stubs of as_doc do not know these arguments.)
    arrays: Dict[str, Any] = {"array_head": head, "array": doc.to_array(head)}
    # To make a piece, spaCy looks at all entities of the document: here there are none.
    bare = doc[:].as_doc(**arrays)
    entities = doc.to_array(ENTITY_ATTRS)
    for span in _crossing(doc.ents, borders):
        # As spaCy does it, ids stay.
        entities[span.start : span.end, :2] = 0
    for start, end in zip(borders, borders[1:]):
        piece = bare[start:end].as_doc(**arrays)
        piece.from_array(ENTITY_ATTRS, entities[start:end])
        yield piece


def _crossing(spans: Sequence[Span], borders: List[int]) -> List[Span]:
    """The spans that are cut."""
    afters = numpy.searchsorted(borders, [span.start for span in spans], side="right").tolist()
    return [span for span, i in zip(spans, afters) if i < len(borders) and borders[i] < span.end]


def _cats(doc: Doc, start: int, end: int) -> Dict[str, float]:
    """The categories that a document holds for just these tokens, as `Span.as_doc` takes them."""
    span = doc[start:end]
    place = (span.start_char, span.end_char)
    return {
        key[2]: value
        for key, value in doc.cats.items()
        if isinstance(key, tuple) and len(key) == 3 and key[:2] == place
    }


def find_borders(doc: Doc, max_length: int, missing_key: Optional[str] = None) -> List[int]:
    """Find where to cut a document.

    Each piece is as long as fits, up to the start of a sentence if there is one in reach. If that
    would cut a span, the border moves to the left, by half of `max_length` at most: to another
    start of a sentence, else to another token, where it cuts none. If there is no such place, it
    moves to the right, into the sentence that begins there, as far as fits; else it stays. Where it
    can, it keeps the fragments of a discontinuous entity together, too.

    doc (Doc): The document.
    max_length (int): The number of tokens of a piece, at most.
    missing_key (Optional[str]): The key of spans that may be cut.
    RETURNS (List[int]): The borders, from 0 to the length of the document.
    """
    n = len(doc)
    starts = numpy.flatnonzero(doc.to_array("SENT_START") == 1)
    spans = _distinct(doc, missing_key)
    crossed = _crossed(spans, n)
    hulls = [hull for _, hull in _hulls(doc, missing_key)]
    torn = crossed | _crossed(hulls, n) if hulls else crossed
    borders = [0]
    while n - borders[-1] > max_length:
        start, reach = borders[-1], borders[-1] + max_length
        first, end = numpy.searchsorted(starts, [start, reach], side="right")
        sentences = starts[first:end][::-1].tolist()
        border = sentences[0] if sentences else reach
        lowest = max(start + 1, border - max_length // 2)
        places = [place for place in sentences if place >= lowest]
        places.extend(range(border, lowest - 1, -1))
        places.extend(range(reach, border, -1))
        fitting = (place for some in (torn, crossed) for place in places if not some[place])
        borders.append(next(fitting, border))
    borders.append(n)
    return borders


def _crossed(spans: Sequence[Span], n: int) -> numpy.ndarray:
    """RETURNS (numpy.ndarray): Whether a border before each token would cut one of the spans."""
    crossings = numpy.zeros(n + 2, dtype="int64")
    for span in spans:
        if span.end - span.start > 1:
            crossings[span.start + 1] += 1
            crossings[span.end] -= 1
    return numpy.cumsum(crossings) > 0


def _hulls(doc: Doc, missing_key: Optional[str]) -> List[Tuple[List[Span], Span]]:
    """The discontinuous entities, spans of a group with the same label and id: their fragments, and all
    from the first to the last of them."""
    entities: Dict[Tuple[str, int, int], List[Span]] = {}
    for key, group in doc.spans.items():
        for span in group if key != missing_key else ():
            if span.id:
                entities.setdefault((key, span.id, span.label), []).append(span)
    return [
        (spans, Span(doc, min(s.start for s in spans), max(s.end for s in spans), spans[0].label))
        for spans in entities.values()
        if len(spans) > 1
    ]


def _distinct(doc: Doc, missing_key: Optional[str]) -> List[Span]:
    """The spans of all groups and the entities; with the same place and label only once."""
    spans = [span for key, group in doc.spans.items() if key != missing_key for span in group]
    spans.extend(doc.ents)
    seen: Dict[Tuple[int, int, int], Span] = {}
    for span in spans:
        seen.setdefault((span.start, span.end, span.label), span)
    return list(seen.values())


def _cut_group(group: _Group, kept: List[int], piece: Doc, start: int) -> SpanGroup:
    """What a piece holds of a group: the spans, and their share of lists in its attributes."""
    spans = [
        _move(group.spans[i], piece, group.spans[i].start - start, group.spans[i].end - start)
        for i in kept
    ]
    attrs = {key: _share(value, kept, len(group.spans)) for key, value in group.attrs.items()}
    return SpanGroup(piece, name=group.name, spans=spans, attrs=attrs)


def _cut_missing(
    group: Optional[_Group],
    kept: List[int],
    cut_off: List[Span],
    piece: Doc,
    stretch: Tuple[int, int],
    key: str,
) -> None:
    """Write the stretches of a piece whose annotation is unknown: those of the document, cut like
    its text, and what there is of lost spans."""
    if group is None and not cut_off:
        return
    start, end = stretch
    there = group.spans if group is not None else []
    spans = [
        _move(span, piece, max(span.start, start) - start, min(span.end, end) - start)
        for span in (*(there[i] for i in kept), *cut_off)
    ]
    attrs: Dict[str, Any] = {}
    for name, value in group.attrs.items() if group is not None else ():
        # Nothing is known that a list, one item a span, could hold about the remains of a span.
        if not (cut_off and is_list(value, len(there))):
            attrs[name] = _share(value, kept, len(there))
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


def _deal_user_data(doc: Doc, borders: List[int]) -> List[Dict[Any, Any]]:
    """What each piece has of the user data: all about the document, and the extension attributes of
    the tokens and spans that are in the piece, which are known by their characters."""
    pieces = [doc[start:end] for start, end in zip(borders, borders[1:])]
    begins = [piece.start_char for piece in pieces]
    data: List[Dict[Any, Any]] = [{} for _ in pieces]
    for key, value in doc.user_data.items():
        if not (
            isinstance(key, tuple) and len(key) == 4 and key[0] == "._." and key[2] is not None
        ):
            for piece_data in data:
                piece_data[key] = copy.copy(value)
            continue
        start, end = key[2], key[3]
        number = bisect_right(begins, start) - 1
        if number < 0 or max(start + 1, end or 0) > pieces[number].end_char:
            continue
        begin = begins[number]
        key = (*key[:2], start - begin, None if end is None else end - begin)
        data[number][key] = copy.copy(value)
    return data
