"""A page that shows annotated documents, drawn by displaCy."""

import html
import re
import unicodedata
from bisect import bisect_left, bisect_right
from functools import lru_cache
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Sequence
from zlib import crc32

from spacy import displacy
from spacy.displacy import SpanRenderer

from .records import Record, Stretch
from .summary import Summary, shorten

# displaCy looks at every entity for every piece of text, so long documents are drawn in parts.
PART = 50
# displaCy puts a blank behind text without entities, which languages without blanks do not have.
# Behind this character it is taken away.
NO_BLANK = "\x00"
# What is unknown stands between these while displaCy draws it.
UNKNOWN, KNOWN = "\x01", "\x02"
# They can have no place in HTML, so they are not missed in a text.
MARKS = str.maketrans(dict.fromkeys((NO_BLANK, UNKNOWN, KNOWN), "\ufffd"))

TEMPLATE = {
    "span": '<span class="piece" style="height: {total_height}px">'
    "{text}{span_slices}{span_starts}</span>",
    "slice": '<span class="bar" style="background: {bg}; top: {top_offset}px"></span>',
    "start": '<span class="bar first" style="background: {bg}; top: {top_offset}px">'
    '<span class="label" style="background: {bg}">{label}{kb_link}</span></span>',
}

PAGE = """<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font-family: sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }}
table {{ border-collapse: collapse; margin: 1rem 0; }}
td, th {{ padding: 0.1rem 1.5rem 0.1rem 0; text-align: left; vertical-align: top; }}
h2 {{ border-top: 1px solid #ccc; font-size: 1rem; margin-top: 3rem; padding-top: 1rem; }}
.chip {{ border-radius: 3px; padding: 0 0.4rem; }}
.spans {{ display: inline; overflow-wrap: anywhere; white-space: pre-wrap; }}
.piece {{ display: inline-block; font-weight: bold; position: relative; white-space: pre; }}
.bar {{ height: 4px; inset-inline-start: -1px; position: absolute; width: calc(100% + 2px); }}
.first {{ border-start-start-radius: 3px; border-end-start-radius: 3px; }}
.label {{ border-radius: 3px; font-size: 0.6em; line-height: 1; padding: 2px 3px;
  position: absolute; inset-inline-start: 0; top: -0.5em; white-space: nowrap; z-index: 10; }}
.label a {{ color: inherit; font-weight: normal; pointer-events: none; text-decoration: none; }}
.unknown {{ color: #999; }}
</style>
</head>
<body>
<h1>{title}</h1>
{counts}
<p>{shown}</p>
{documents}
</body>
</html>
"""


class Drawn(NamedTuple):
    """What is drawn below the text: an entity, or a fragment of one.

    start, end (int): Where it is, in code points.
    label, kb_id (str): What is written there, escaped.
    colour (str): In which colour.
    """

    start: int
    end: int
    label: str
    kb_id: str
    colour: str


def render_page(records: Sequence[Record], summary: Summary, title: str) -> str:
    """Draw documents with their entities.

    records (Sequence[Record]): The documents to draw.
    summary (Summary): The counts to show above them.
    title (str): The title.
    RETURNS (str): A page that needs nothing else. Fragments of discontinuous entities bear the same
        number; what is unknown is grey.
    """
    with_entities = summary.documents - summary.without_entities
    shown = (
        f"The first {len(records):,} of {with_entities:,} documents with entities. What is unknown "
        "is grey. The fragments of a discontinuous entity bear the same number."
    )
    return PAGE.format(
        title=html.escape(title),
        counts=_counts(summary),
        shown=shown,
        documents="\n".join(_section(record, i) for i, record in enumerate(records, 1)),
    )


def colour_of(label: str) -> str:
    """RETURNS (str): The colour of a label, which is the same on every page: displaCy's own, or one
    made from its name.
    """
    known = _colours_of_displacy().get(label.upper())
    # displaCy does not tell apart labels that differ in case.
    code = crc32(label.upper().encode("utf8", "surrogatepass"))
    return known or f"hsl({code % 360}, {60 + code // 360 % 3 * 15}%, {72 + code // 1080 % 3 * 6}%)"


@lru_cache(maxsize=None)
def _colours_of_displacy() -> Dict[str, str]:
    return dict(SpanRenderer({}).colors)


def _counts(summary: Summary) -> str:
    tables = [summary.document_rows(), summary.entity_rows()]
    if not summary.labels:
        tables.pop()
    parts = [_table(rows) for rows in tables]
    if summary.labels:
        header, *rows = summary.label_rows()
        cells = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
        parts.append(_table(rows, f"<tr>{cells}</tr>\n", list(summary.labels)))
    return "\n".join(parts)


def _table(rows: List[List[str]], header: str = "", labels: Iterable[str] = ()) -> str:
    """Rows of plain text as a table. What is a label is in its colour."""
    colours = {shorten(label): colour_of(label) for label in labels}
    lines = []
    for row in rows:
        cells = [html.escape(cell) for cell in row]
        if row[0] in colours:
            style = f'class="chip" style="background: {colours[row[0]]}"'
            cells[0] = f"<span {style}>{cells[0]}</span>"
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return f"<table>\n{header}" + "\n".join(lines) + "\n</table>"


def _section(record: Record, number: int) -> str:
    """One document."""
    name = html.escape(record.id or record.where.id or str(number))
    direction = direction_of(record.text)
    drawn = _drawn(record)
    options = {"colors": {d.label: d.colour for d in drawn}, "template": TEMPLATE}
    body = "".join(
        displacy.render(
            {**part, "settings": {"direction": direction}},
            style="span",
            manual=True,
            jupyter=False,
            options=options,
        )
        for part in _parts(record, drawn)
    )
    body = body.replace(f"{NO_BLANK} ", "").replace(NO_BLANK, "")
    body = body.replace(UNKNOWN, '<span class="unknown">').replace(KNOWN, "</span>")
    return f'<h2>{name}</h2>\n<div dir="{direction}">{body}</div>'


def direction_of(text: str) -> str:
    """RETURNS (str): "rtl" if most of the letters at the beginning of a text are written from right
    to left, else "ltr".
    """
    kinds = [unicodedata.bidirectional(c) for c in text[:1000]]
    return "rtl" if kinds.count("R") + kinds.count("AL") > kinds.count("L") else "ltr"


def _drawn(record: Record) -> List[Drawn]:
    """The entities by start. displaCy escapes the text, but neither labels nor ids."""
    drawn: List[Drawn] = []
    n_discontinuous = 0
    for entity in record.entities:
        label = entity.label
        if len(entity.fragments) > 1:
            n_discontinuous += 1
            label = f"{label} #{n_discontinuous}"
        drawn += [
            Drawn(
                start, end, html.escape(label), html.escape(entity.kb_id), colour_of(entity.label)
            )
            for start, end in entity.fragments
        ]
    return sorted(drawn)


def _parts(record: Record, drawn: List[Drawn]) -> Iterator[Dict[str, Any]]:
    """A document as displaCy takes it, in parts that begin and end outside of entities."""
    text = _Text(record)
    starts = [d.start for d in drawn]
    islands = _union((d.start, d.end) for d in drawn)
    before = 0
    for place in range(0, len(islands), PART):
        pieces: List[str] = []
        # At which piece a place in the text is.
        at: Dict[int, int] = {}
        first, last = islands[place][0], islands[min(place + PART, len(islands)) - 1][1]
        for start, end in islands[place : place + PART]:
            if before < start:
                pieces.append(text.show(before, start) + NO_BLANK)
            for piece_start, piece_end in text.pieces(start, end):
                at[piece_start] = len(pieces)
                pieces.append(text.show(piece_start, piece_end, in_entity=True))
            at[end] = len(pieces)
            before = end
        some = drawn[bisect_left(starts, first) : bisect_left(starts, last)]
        spans = [
            {"start_token": at[d.start], "end_token": at[d.end], "label": d.label, "kb_id": d.kb_id}
            for d in some
        ]
        yield {"tokens": pieces, "spans": spans}
    if before < len(record.text):
        yield {"tokens": [text.show(before, len(record.text)) + NO_BLANK], "spans": []}


class _Text:
    """A text that is shown piece by piece."""

    def __init__(self, record: Record) -> None:
        self.text = record.text.translate(MARKS)
        words = record.tokens
        if words is None:
            words = [match.span() for match in re.finditer(r"\S+", self.text)]
        borders = {start for start, _ in words}
        borders |= {place for e in record.entities for part in e.fragments for place in part}
        self.borders = sorted(borders)
        self.unknown = _union(part for stretch in record.missing for part in stretch.fragments)
        self.unknown_ends = [end for _, end in self.unknown]

    def pieces(self, start: int, end: int) -> Iterator[Stretch]:
        """Cut a stretch at entities and before tokens, so that lines can be broken there."""
        inner = self.borders[bisect_right(self.borders, start) : bisect_left(self.borders, end)]
        return zip([start, *inner], [*inner, end])

    def show(self, start: int, end: int, in_entity: bool = False) -> str:
        """The text of a stretch, with marks around what is unknown."""
        parts: List[str] = []
        for place in range(bisect_right(self.unknown_ends, start), len(self.unknown)):
            first, last = self.unknown[place]
            if first >= end:
                break
            first, last = max(first, start), min(last, end)
            parts += [self.text[start:first], UNKNOWN, self.text[first:last], KNOWN]
            start = last
        shown = "".join([*parts, self.text[start:end]])
        if in_entity:
            # What has a bar below it is on one line.
            shown = shown.replace("\r\n", "\u21b5").replace("\n", "\u21b5").replace("\r", "\u21b5")
            # displaCy draws no bars below white space.
            shown = shown if shown.strip() else shown + NO_BLANK
        return shown


def _union(stretches: Iterable[Stretch]) -> List[Stretch]:
    """What these stretches cover, as stretches that do not overlap."""
    joined: List[Stretch] = []
    for start, end in sorted(stretches):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
