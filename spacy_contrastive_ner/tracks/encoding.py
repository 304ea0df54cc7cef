from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy

from .layout import BEGIN, IN, LAST, UNIT, LabelledSpan, Layout, outermost_first

# Why a span could not be put on the tracks.
NO_LABEL = "unknown label"
NO_ROOM = "no layer left"
TWICE = "duplicate"
OUTSIDE = "empty or outside the document"


class Lost(NamedTuple):
    """A span that the tracks cannot hold.

    document (int): The index of its document.
    span (LabelledSpan): (start, end, label).
    reason (str): Why it does not fit.
    """

    document: int
    span: LabelledSpan
    reason: str


class Targets(NamedTuple):
    """The gold tags of a batch.

    tags (numpy.ndarray): The tag of each token on each track, [N, K], uint8 or int16.
    allowed (Optional[numpy.ndarray]): Where annotation is missing, all the tags that may be true,
        [N, K, 1 + 4M], bool. None if nothing is missing: then only `tags` is true.
    lost (List[Lost]): The spans that do not fit.
    """

    tags: numpy.ndarray
    allowed: Optional[numpy.ndarray]
    lost: List[Lost]


def targets(
    layout: Layout,
    lengths: Sequence[int],
    documents: Sequence[Sequence[LabelledSpan]],
    missing: Optional[Sequence[Sequence[LabelledSpan]]] = None,
) -> Targets:
    """Write the spans of a batch of documents on the tracks.

    An outer span takes the first layer of its label, a span that overlaps it the second, and so
    on. What does not fit is returned, never silently left out.

    layout (Layout): The tracks.
    lengths (Sequence[int]): The number of tokens of each document.
    documents (Sequence[Sequence[LabelledSpan]]): The spans of each document.
    missing (Optional[Sequence[Sequence[LabelledSpan]]]): For each document, stretches of text
        whose annotation is unknown: for one label, or for all of them if the label is not one of
        the layout's. Gold spans inside such a stretch stay gold.
    RETURNS (Targets): The tags, what is allowed where annotation is missing, what was lost.
    """
    offsets = numpy.cumsum((0, *lengths))
    dtype = "uint8" if layout.n_tags <= 256 else "int16"
    tags = numpy.zeros((int(offsets[-1]), layout.n_tracks), dtype=dtype)
    slots = dict(zip(layout.labels, layout.slots()))
    lost: List[Lost] = []
    for i, spans_ in enumerate(documents):
        seen = set()
        view = tags[offsets[i] : offsets[i + 1]]
        for span in outermost_first(spans_):
            reason = TWICE if span in seen else _write(view, span, slots.get(span[2]))
            seen.add(span)
            if reason is not None:
                lost.append(Lost(i, span, reason))
    allowed = None
    if missing is not None and any(missing):
        allowed = _allowed(layout, tags, offsets, missing)
    return Targets(tags, allowed, lost)


def _write(
    tags: numpy.ndarray, span: LabelledSpan, slots: Optional[List[Tuple[int, int]]]
) -> Optional[str]:
    """Write one span on the first of its label's tracks that has room, or say why not."""
    start, end, _ = span
    if slots is None:
        return NO_LABEL
    if not 0 <= start < end <= len(tags):
        return OUTSIDE
    for track, place in slots:
        column = tags[start:end, track]
        if not column.any():
            first = 1 + 4 * place
            if end - start == 1:
                column[0] = first + UNIT
            else:
                column[:] = first + IN
                column[0] = first + BEGIN
                column[-1] = first + LAST
            return None
    return NO_ROOM


def _allowed(
    layout: Layout,
    tags: numpy.ndarray,
    offsets: numpy.ndarray,
    missing: Sequence[Sequence[LabelledSpan]],
) -> numpy.ndarray:
    """Which tags may be true: the gold tag, and where annotation is missing every tag of the
    label in question. [N, K, 1 + 4M]
    """
    allowed = tags[:, :, None] == numpy.arange(layout.n_tags, dtype=tags.dtype)
    outside = tags == 0
    slots = dict(zip(layout.labels, layout.slots()))
    everywhere = [slot for places in slots.values() for slot in places]
    for i, stretches in enumerate(missing):
        n = int(offsets[i + 1] - offsets[i])
        for start, end, label in stretches:
            rows = slice(offsets[i] + max(start, 0), offsets[i] + min(end, n))
            for track, place in slots.get(label, everywhere):
                four = slice(1 + 4 * place, 5 + 4 * place)
                allowed[rows, track, four] |= outside[rows, track, None]
    return allowed


def spans(tags: numpy.ndarray, lengths: Sequence[int]) -> numpy.ndarray:
    """Read the spans off tag sequences; the inverse of `targets` for everything that fits.

    An entity is B I* L or U with one label. Tags that do not form one (an I that continues
    nothing, a B that is never closed) stand for nothing.

    tags (numpy.ndarray): The tag of each token on each track, [N, K].
    lengths (Sequence[int]): The number of tokens of each document.
    RETURNS (numpy.ndarray): One row a span: document, start, end (exclusive), track, place of the
        label in the track. [n_spans, 5], by document, track and start.
    """
    n_tracks = tags.shape[1]
    offsets = numpy.cumsum((0, *lengths))
    document = numpy.repeat(numpy.arange(len(lengths)), lengths)
    track, row = numpy.nonzero(tags.T)
    tag = tags[row, track].astype("int64") - 1
    kind, place = tag % 4, tag // 4
    doc = document[row]
    # A run continues if this token is I or L, the one before it B or I, with the same label on
    # the same track of the same document.
    continues = numpy.zeros(len(row), dtype="bool")
    continues[1:] = (
        ((kind[1:] == IN) | (kind[1:] == LAST))
        & ((kind[:-1] == BEGIN) | (kind[:-1] == IN))
        & (place[1:] == place[:-1])
        & (track[1:] == track[:-1])
        & (doc[1:] == doc[:-1])
        & (row[1:] == row[:-1] + 1)
    )
    heads = numpy.flatnonzero(~continues)
    tails = numpy.append(heads, len(row))[1:] - 1
    whole = (kind[heads] == BEGIN) & (kind[tails] == LAST)
    whole |= (kind[heads] == UNIT) & (heads == tails)
    heads, tails = heads[whole], tails[whole]
    found = numpy.stack(
        [
            doc[heads],
            row[heads] - offsets[doc[heads]],
            row[tails] + 1 - offsets[doc[heads]],
            track[heads],
            place[heads],
        ],
        axis=1,
    )
    order = numpy.argsort(found[:, 0] * n_tracks + found[:, 3], kind="stable")
    return found[order]
