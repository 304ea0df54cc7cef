"""Writing columns, in our dialect of CoNLL-U Plus or as tokens and tags only."""

import re
import tempfile
from pathlib import Path
from typing import IO, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from ...notes import Kind, Notes
from ...records import Entity, Record, Stretch
from ..shared.spacing import escape
from ..shared.tags import Span, layers_of, write_tags
from .marks import DOCSTART
from .plus import write_discontinuous, write_json, write_label, write_value

NOT_AT_TOKENS = Kind("entity that does not begin and end with a token: not written", is_loss=True)
SPLIT_UP = Kind("discontinuous entity: its parts are written as entities", is_loss=True)
NO_TEXT = Kind("text that is not its tokens with a blank between them: spacing is lost")
NO_TOKENS = Kind("text without tokens: not written", is_loss=True)
NO_MISSING = Kind("stretch of unknown annotation: written as if nothing was there", is_loss=True)
NO_KB_ID = Kind("link to a knowledge base: not written", is_loss=True)
OTHER_LABEL = Kind("label with signs that end a cell: they are written as _", is_loss=True)
OTHER_TOKEN = Kind("token with a tab or line end: written as _", is_loss=True)
CROSSING = Kind("entity over the end of a sentence: the sentences are written as one", is_loss=True)

# What a cell of a token cannot have.
NOT_IN_FORM = re.compile("[\0\t\n\r\ud800-\udfff]")
# What a label in a plain column cannot have: it would end the cell or look like a second tag.
NOT_IN_PLAIN_LABEL = re.compile(
    r"[\t\n\r\ud800-\udfff]|[|,;+&/ ]+(?=[BIMESLU][-_:]|O(?:$|[|,;+&/ ]))|^ +| +$"
)


class Piece(NamedTuple):
    """Tokens that stand together in the file: a sentence, or all of a text.

    first (int): The first token.
    end (int): The token after the last.
    is_sentence (bool): Whether it is a sentence.
    """

    first: int
    end: int
    is_sentence: bool


class Mapped(NamedTuple):
    """The entities of a record, by tokens.

    spans (List[Span]): Those of one fragment.
    entities (List[Entity]): For each of these, the entity.
    others (List[Tuple[Entity, List[Tuple[int, int]]]]): The discontinuous ones, with the first and
        last token of each fragment.
    """

    spans: List[Span]
    entities: List[Entity]
    others: List[Tuple[Entity, List[Tuple[int, int]]]]


def write_plus(records: Iterable[Record], path: Path, notes: Notes, scheme: str) -> None:
    """Write our dialect of CoNLL-U Plus.

    records (Iterable[Record]): The records.
    path (Path): Where to.
    notes (Notes): Where losses are noted.
    scheme (str): BIO, BIOES or BILOU.
    """
    # How many layers there are is known at the end only, but stands in the first line.
    with tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n", dir=path.parent) as body:
        n_layers = 1
        for record in records:
            n_layers = max(n_layers, _write_record(record, body, notes, scheme))
        body.seek(0)
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.write(f"# global.columns = FORM {'NER ' * n_layers}MISC\n")
            file.write(f"# global.tags = {scheme}\n")
            for line in body:
                missing = n_layers - (line.count("\t") - 1)
                if missing and "\t" in line:
                    cells, misc = line.rsplit("\t", 1)
                    line = cells + "\tO" * missing + "\t" + misc
                file.write(line)


def write_plain(records: Iterable[Record], path: Path, notes: Notes, scheme: str) -> None:
    """Write tokens and tags only.

    records (Iterable[Record]): The records.
    path (Path): Where to.
    notes (Notes): Where losses are noted.
    scheme (str): BIO, BIOES or BILOU.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n", dir=path.parent) as body:
        n_layers = 1
        has_documents = False
        for record in records:
            has_documents = has_documents or record.sents is not None
            if has_documents:
                body.write(f"{DOCSTART}\n\n")
            n_layers = max(n_layers, _write_plainly(record, body, notes, scheme))
        body.seek(0)
        with path.open("w", encoding="utf-8", newline="\n") as file:
            for line in body:
                row = line.rstrip("\n")
                missing = n_layers - row.count("\t")
                file.write((row + "\tO" * missing if row else row) + "\n")


def _map(record: Record, notes: Notes) -> Mapped:
    """Find the tokens of the entities of a record."""
    tokens = record.tokens or []
    starts = {start: i for i, (start, _) in enumerate(tokens)}
    ends = {end: i for i, (_, end) in enumerate(tokens)}
    mapped = Mapped([], [], [])
    for entity in record.entities:
        if not all(start in starts and end in ends for start, end in entity.fragments):
            notes.add(NOT_AT_TOKENS, record.where, entity.label, entity.text_in(record.text))
            continue
        ranges = [(starts[start], ends[end]) for start, end in entity.fragments]
        if len(ranges) == 1:
            mapped.spans.append(Span(ranges[0][0], ranges[0][1] + 1, entity.label))
            mapped.entities.append(entity)
        else:
            mapped.others.append((entity, ranges))
    return mapped


def _pieces(record: Record, spans: Sequence[Span]) -> Optional[List[Piece]]:
    """RETURNS (Optional[List[Piece]]): The sentences by tokens, or all of it if there are none;
    None if they do not part the tokens, or cut an entity.
    """
    tokens = record.tokens or []
    if record.sents is None:
        return [Piece(0, len(tokens), False)]
    starts = {start: i for i, (start, _) in enumerate(tokens)}
    ends = {end: i for i, (_, end) in enumerate(tokens)}
    pieces: List[Piece] = []
    at = 0
    for start, end in record.sents:
        if starts.get(start) != at or end not in ends or ends[end] < at:
            return None
        pieces.append(Piece(at, ends[end] + 1, True))
        at = ends[end] + 1
    limits = {piece.first for piece in pieces}
    cut = any(i in limits for span in spans for i in range(span.start + 1, span.end))
    return None if at != len(tokens) or cut or not pieces else pieces


def _write_record(record: Record, body: IO[str], notes: Notes, scheme: str) -> int:
    """RETURNS (int): How many layers it needed."""
    tokens, text = record.tokens or [], record.text
    mapped = _map(record, notes)
    pieces = _pieces(record, mapped.spans)
    lines = [f"# newdoc id = {write_value(record.id)}" if record.id else "# newdoc"]
    if record.document:
        lines.append(f"# document = {write_value(record.document)}")
    if pieces is None:
        lines.append(f"# sents = {write_json(record.sents)}")
        pieces = [Piece(0, len(tokens), False)]
    if record.meta:
        lines.append(f"# meta = {write_json(record.meta)}")
    if record.missing:
        missing = [(at.fragments, at.label, at.kb_id) for at in record.missing]
        lines.append(f"# missing = {write_json(missing)}")
    for entity, ranges in mapped.others:
        lines.append(f"# discontinuous = {write_discontinuous(entity, ranges)}")
    layers = layers_of(mapped.spans)
    misc = _remarks(record, pieces)
    columns = _columns(mapped.spans, layers, len(tokens), scheme, write_label)
    for number, layer in enumerate(layers, 1):
        for i in layer:
            if mapped.entities[i].kb_id:
                remark = f"KB{number}={escape(mapped.entities[i].kb_id)}"
                at = mapped.spans[i].start
                misc[at] = remark if misc[at] == "_" else f"{misc[at]}|{remark}"
    if not tokens:
        lines.append(f"# text = {write_value(text)}")
    for number, piece in enumerate(pieces, 1):
        if piece.is_sentence:
            lines.append(f"# sent_id = {write_value(f'{record.id or 1}-{number}')}")
        if tokens:
            told = text[tokens[piece.first][0] : tokens[piece.end - 1][1]]
            lines.append(f"# text = {write_value(told)}")
        for i in range(piece.first, piece.end):
            form = NOT_IN_FORM.sub("_", text[slice(*tokens[i])])
            lines.append("\t".join((form, *(column[i] for column in columns), misc[i])))
        lines.append("")
    body.write("\n".join(lines) + "\n")
    return len(layers)


def _columns(
    spans: Sequence[Span], layers: List[List[int]], n: int, scheme: str, write: Callable[[str], str]
) -> List[List[str]]:
    """RETURNS (List[List[str]]): The cells of each layer."""
    columns = []
    for layer in layers:
        cells = ["O"] * n
        for i in layer:
            write_tags(cells, spans[i], write(spans[i].label), scheme)
        columns.append(cells)
    return columns


def _remarks(record: Record, pieces: Sequence[Piece]) -> List[str]:
    """RETURNS (List[str]): The last column: spacing where it is not the usual one, and tokens which
    their column cannot hold.
    """
    tokens, text = record.tokens or [], record.text
    if not tokens:
        return []
    usual = {piece.end - 1: "\n" for piece in pieces}
    usual[len(tokens) - 1] = ""
    remarks: List[str] = []
    for i, (start, end) in enumerate(tokens):
        gap = text[end : tokens[i + 1][0] if i + 1 < len(tokens) else len(text)]
        parts = []
        if gap != usual.get(i, " "):
            parts.append(f"SpacesAfter={escape(gap)}" if gap else "SpaceAfter=No")
        if i == 0 and start:
            parts.append(f"SpacesBefore={escape(text[:start])}")
        if NOT_IN_FORM.search(text, start, end):
            parts.append(f"Form={escape(text[start:end])}")
        remarks.append("|".join(parts) or "_")
    return remarks


def _write_plainly(record: Record, body: IO[str], notes: Notes, scheme: str) -> int:
    """RETURNS (int): How many layers it needed."""
    tokens, text, where = record.tokens or [], record.text, record.where
    if not tokens:
        notes.add(NO_TOKENS, where, text=text)
        return 0
    mapped = _map(record, notes)
    for entity, ranges in mapped.others:
        notes.add(SPLIT_UP, where, entity.label, entity.text_in(text))
        mapped.spans.extend(Span(first, last + 1, entity.label) for first, last in ranges)
    _note_losses(record, mapped, notes)
    pieces = _pieces(record, mapped.spans)
    if pieces is None:
        notes.add(CROSSING, where)
        pieces = [Piece(0, len(tokens), False)]
    layers = layers_of(mapped.spans)
    columns = _columns(mapped.spans, layers, len(tokens), scheme, _plain_label)
    lines: List[str] = []
    for piece in pieces:
        for i in range(piece.first, piece.end):
            form = text[slice(*tokens[i])]
            if NOT_IN_FORM.search(form):
                notes.add(OTHER_TOKEN, where, text=form)
                form = NOT_IN_FORM.sub("_", form)
            lines.append("\t".join((form, *(column[i] for column in columns))))
        lines.append("")
    body.write("\n".join(lines) + "\n")
    return len(layers)


def _plain_label(label: str) -> str:
    return NOT_IN_PLAIN_LABEL.sub("_", label) or "_"


def _note_losses(record: Record, mapped: Mapped, notes: Notes) -> None:
    """Count what tokens and tags alone do not say."""
    where, text = record.where, record.text
    tokens: List[Stretch] = record.tokens or []
    plain = text.replace("\n", " ") if record.sents else text
    if plain != " ".join(text[start:end] for start, end in tokens):
        notes.add(NO_TEXT, where, text=text)
    for missing in record.missing:
        notes.add(NO_MISSING, where, missing.label, missing.text_in(text))
    for entity in record.entities:
        if entity.kb_id:
            notes.add(NO_KB_ID, where, entity.label, entity.text_in(text))
    changed: Dict[str, int] = {}
    for span in mapped.spans:
        if _plain_label(span.label) != span.label:
            changed[span.label] = changed.get(span.label, 0) + 1
    for label, n in changed.items():
        notes.add(OTHER_LABEL, where, label, n=n)
