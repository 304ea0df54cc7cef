"""JSON lines: a text and its entities as offsets, in the shapes that spaCy, Prodigy and doccano use."""

from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Literal, NamedTuple, Optional

from ..format import Format
from ..notes import Kind, Notes
from ..records import Entity, Record
from ..textfile import Head, TextFile
from .shared.json_lines import (
    Wrong,
    count_unwritten,
    first_value,
    flat_entities,
    kind_of,
    name_of,
    read_meta,
    text_of,
    values,
    write_lines,
    written_meta,
)
from .shared.json_spans import Span, read_pairs, read_spans, read_tokens
from .shared.offsets import Evidence, Reading, Ruler, Sample, Settler, stated

REJECTED = Kind("record that was rejected, passed over")
IGNORED = Kind("record that was ignored by the annotator, passed over")
NO_SPANS = Kind("record that says nothing about entities, read as having none")
NO_LABEL = Kind("span without a label, passed over", True)
RELATIONS = Kind("relation between entities, passed over")
BAD_TOKENS = Kind("tokens that do not fit the text, passed over")
CUT_CHARACTER = Kind("span that cuts a character, made longer", True)

# Where records keep things. Of several, the first.
SPANS = ("spans", "entities", "label", "labels", "ents", "annotations")
DOCUMENT = ("document", "document_id", "doc_id", "docid", "curid")
# The writer says how it counts, so that nobody needs to guess.
STATED, STATEMENT = "offsets", "characters, ends exclusive"
OUR_READING = Reading("characters", "exclusive")
OTHER_PARTS = ("id", "text", "tokens", "sents", "missing", "relations", "answer", "meta")
RESERVED = frozenset((*SPANS, *DOCUMENT, STATED, *OTHER_PARTS))
OTHER_FORMATS = {"ners": "runne", "entity_start_chars": "binder", "paragraphs": "spacy-json"}


class Draft(NamedTuple):
    """A record whose offsets are not read yet.

    record (Record): What is known of it.
    spans (List[Span]): Its entities.
    missing (List[Span]): Where its annotation is not known.
    tokens (Any): Its tokens, as they stand in the file.
    sents (Any): Its sentences, likewise.
    is_stated (bool): Whether the record says itself how it counts.
    """

    record: Record
    spans: List[Span]
    missing: List[Span]
    tokens: Any
    sents: Any
    is_stated: bool


class Keys(NamedTuple):
    """Where to look in a record.

    text (str): For the text.
    spans (Optional[str]): For the entities; None to find out.
    group (Optional[str]): For the entities, if there are several groups of them; None to find out.
    """

    text: str = "text"
    spans: Optional[str] = None
    group: Optional[str] = None


def recognise(head: Head) -> Optional[str]:
    """RETURNS (Optional[str]): The reason why this is JSON with texts and offsets."""
    value = first_value(head)
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):
        is_pair = isinstance(value[1], dict) and "entities" in value[1]
        return 'JSON lists of a text and {"entities"}' if is_pair else None
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        return None
    # The last is what Label Studio exports as JSON_MIN.
    if any(key in value for key in (*OTHER_FORMATS, "annotation_id")):
        return None
    found = _spans_key(value, None)
    return f'JSON records with "text" and "{found}"' if found else 'JSON records with "text"'


def read(
    file: TextFile,
    notes: Notes,
    *,
    offsets: Literal["auto", "characters", "bytes", "utf-16"] = "auto",
    ends: Literal["auto", "exclusive", "inclusive"] = "auto",
    text_key: str = "text",
    spans_key: Optional[str] = None,
    group: Optional[str] = None,
) -> Iterator[Record]:
    """Read JSON lines, or an array of such records.

    file (TextFile): The file.
    notes (Notes): Told about decisions, mended and passed over records.
    offsets (str): What offsets count. "auto" finds it out from the surface strings of spans, or
        from the words at their borders.
    ends (str): Whether an end is the last character or the one after it; "auto" likewise.
    text_key (str): Where the text of a record is.
    spans_key (Optional[str]): Where its entities are. If not given: in "spans", "entities",
        "label", "labels", "ents" or "annotations".
    group (Optional[str]): Which group of spans is read, where there are several. If not given: "sc",
        or the only one.
    YIELDS (Record): The records.
    """
    keys = Keys(text_key, spans_key, group)
    settler = Settler(stated(offsets, ends, OUR_READING), notes)
    drafts = ((draft, _evidence(draft)) for draft in _drafts(file, notes, keys))
    for draft, reading in settler.settle(drafts):
        yield _finish(draft, OUR_READING if draft.is_stated else reading, notes)


def _drafts(file: TextFile, notes: Notes, keys: Keys) -> Iterator[Draft]:
    for line, value in values(file, notes):
        where = file.where(line)
        try:
            if isinstance(value, list) and len(value) == 2 and isinstance(value[1], dict):
                # The training data of spaCy 2: a text, and its annotation.
                value = {**value[1], keys.text: value[0]}
            if not isinstance(value, dict):
                raise Wrong(
                    f"a JSON object is expected, not {kind_of(value)}",
                    'Write each record as an object with "text" and "spans"',
                )
            if value.get("answer") in ("reject", "ignore"):
                kind = REJECTED if value["answer"] == "reject" else IGNORED
                notes.add(kind, where, text=str(value.get(keys.text, "")))
            else:
                yield _draft(value, file, line, keys, notes)
        except Wrong as error:
            notes.bad(where, error.found, error.advice)


def _draft(value: Dict[str, Any], file: TextFile, line: int, keys: Keys, notes: Notes) -> Draft:
    other = next((name for key, name in OTHER_FORMATS.items() if key in value), None)
    advice = f"Name the format with --from {other}" if other else ADVICE_TEXT
    text = text_of(value, keys.text, advice)
    where = file.where(line, name_of(value.get("id")))
    spans_key = _spans_key(value, keys.spans)
    if spans_key is None:
        if other:
            raise Wrong(f'there are no spans, but what the format "{other}" has', advice)
        notes.add(NO_SPANS, where, text=text)
        spans_key = keys.spans or SPANS[0]
    _tell_rivals(value, spans_key, notes)
    spans = read_spans(_group(value.get(spans_key), keys.group, notes), spans_key)
    for span in spans:
        if not span.label:
            notes.add(NO_LABEL, where, text=span.surface or str(span.places))
    if value.get("relations") and isinstance(value["relations"], list):
        notes.add(RELATIONS, where, n=len(value["relations"]))
    document = next((key for key in DOCUMENT if name_of(value.get(key))), None)
    is_stated = value.get(STATED) == STATEMENT
    used = {keys.text, "tokens", "sents", "missing", spans_key}
    used |= {"relations"} if isinstance(value.get("relations"), list) else set()
    used |= {"id"} if where.id or value.get("id") is None else set()
    used |= {STATED} if is_stated else set()
    used |= {"answer"} if value.get("answer") == "accept" else set()
    used |= {document} if document else set()
    return Draft(
        record=Record(
            text=text,
            entities=[],
            where=where,
            id=where.id,
            document=name_of(value[document]) if document else "",
            meta=read_meta(value, used),
        ),
        spans=[span for span in spans if span.label],
        missing=read_spans(value.get("missing"), "missing"),
        tokens=value.get("tokens"),
        sents=value.get("sents"),
        is_stated=is_stated,
    )


ADVICE_TEXT = "Say where the text is with --read text_key=NAME, or name the format with --from"


def _spans_key(value: Dict[str, Any], wanted: Optional[str]) -> Optional[str]:
    """RETURNS (Optional[str]): Where the entities of a record are, if it has any list of them."""
    for key in (wanted,) if wanted else SPANS:
        items = value.get(key)
        if isinstance(items, list) and (not items or isinstance(items[0], (list, dict))):
            return key
        # Groups of spans.
        if isinstance(items, dict) and items and key in (wanted, "spans"):
            return key
        if wanted and items is not None:
            raise Wrong(f'"{key}" is no list of spans', "Say where they are: --read spans_key=NAME")
    return None


def _tell_rivals(value: Dict[str, Any], spans_key: str, notes: Notes) -> None:
    """Tell what else might be entities; it is kept as meta data."""
    for key in SPANS:
        items = value.get(key) if key != spans_key else None
        if items and isinstance(items, list) and isinstance(items[0], (list, dict)):
            notes.decided(f'entities are read from "{spans_key}", not from "{key}"')


def _group(items: Any, wanted: Optional[str], notes: Notes) -> Any:
    """Choose between groups of spans, as in `Doc.to_json`."""
    if not isinstance(items, dict):
        return items
    name = wanted if wanted is not None else "sc" if "sc" in items else None
    if name is None and len(items) == 1:
        name = next(iter(items))
    if name is None:
        raise Wrong(
            f"there are several groups of spans: {', '.join(items)}",
            "Choose one with --read group=NAME",
        )
    if len(items) > 1:
        notes.decided(f"of several groups of spans, {name!r} is read")
    return items.get(name, [])


def _evidence(draft: Draft) -> Optional[Evidence]:
    if draft.is_stated:
        return None
    samples = [
        Sample(span.places[0][0], span.places[-1][1], span.surface)
        for span in (*draft.spans, *draft.missing)
    ]
    return Evidence(draft.record.text, samples, draft.record.where)


def _finish(draft: Draft, reading: Reading, notes: Notes) -> Record:
    """Read the offsets of a record."""
    record, more = draft.record, int(reading.ends == "inclusive")
    ruler = Ruler(record.text, reading.units)
    record.entities = [_entity(span, ruler, more, record, notes) for span in draft.spans]
    record.missing = [_entity(span, ruler, more, record, notes) for span in draft.missing]
    if draft.tokens is not None:
        record.tokens = read_tokens(draft.tokens, record.text, ruler)
        if record.tokens is None:
            notes.add(BAD_TOKENS, record.where, text=record.text)
    if draft.sents is not None:
        try:
            record.sents = [ruler.around(*pair) for pair in read_pairs(draft.sents, '"sents"')]
        except Wrong:
            record.meta["sents"] = draft.sents
    return record


def _entity(span: Span, ruler: Ruler, more: int, record: Record, notes: Notes) -> Entity:
    if ruler.places is None:
        fragments = span.places
        if more:
            fragments = tuple((start, end + more) for start, end in fragments)
        return Entity(fragments, span.label, span.kb_id)
    fragments = tuple(ruler.around(start, end + more) for start, end in span.places)
    if any(
        ruler.at(offset) is None for start, end in span.places for offset in (start, end + more)
    ):
        item = Entity(fragments, span.label)
        notes.add(CUT_CHARACTER, record.where, span.label, item.text_in(record.text))
    return Entity(fragments, span.label, span.kb_id)


def write(
    records: Iterable[Record],
    path: Path,
    notes: Notes,
    *,
    shape: Literal["records", "prodigy", "doccano"] = "records",
) -> None:
    """Write JSON lines.

    records (Iterable[Record]): The records.
    path (Path): The file.
    notes (Notes): Told about what a shape cannot hold.
    shape (str): "records" for all that is known: {"id", "text", "spans", "tokens", ...}, "prodigy"
        for what Prodigy reads, "doccano" for {"text", "label": [[start, end, label]]}.
    """
    make: Callable[[Record], Dict[str, Any]] = _as_record
    if shape != "records":
        make = partial(_as_prodigy if shape == "prodigy" else _as_doccano, notes=notes)
    write_lines((make(record) for record in records), path)


def _as_record(record: Record) -> Dict[str, Any]:
    value = _named(record)
    value["spans"] = [_as_span(item) for item in record.entities]
    _add_parts(value, record)
    if record.tokens is not None:
        value["tokens"] = record.tokens
    return _with_meta(value, record)


def _as_prodigy(record: Record, notes: Notes) -> Dict[str, Any]:
    value = _named(record)
    tokens = record.tokens or []
    starts = {start: index for index, (start, _) in enumerate(tokens)}
    ends = {end: index for index, (_, end) in enumerate(tokens)}
    value["spans"] = []
    for item in flat_entities(record, notes):
        span = _as_span(item)
        if item.start in starts and item.end in ends:
            span["token_start"], span["token_end"] = starts[item.start], ends[item.end]
        value["spans"].append(span)
    if record.tokens is not None:
        following = [start for start, _ in tokens[1:]] + [len(record.text)]
        value["tokens"] = [
            {"text": record.text[start:end], "start": start, "end": end, "id": index}
            | {"ws": end < after}
            for index, ((start, end), after) in enumerate(zip(tokens, following))
        ]
    _add_parts(value, record)
    value["answer"] = "accept"
    return _with_meta(value, record)


def _as_doccano(record: Record, notes: Notes) -> Dict[str, Any]:
    value = _named(record)
    flat = flat_entities(record, notes)
    value["label"] = [[item.start, item.end, item.label] for item in flat]
    if record.document:
        value["document"] = record.document
    count_unwritten(record, notes, ("kb_id", "missing", "tokens", "sents"))
    return _with_meta(value, record)


def _named(record: Record) -> Dict[str, Any]:
    return {"id": record.id, "text": record.text} if record.id else {"text": record.text}


def _as_span(item: Entity) -> Dict[str, Any]:
    span: Dict[str, Any] = {"start": item.start, "end": item.end, "label": item.label}
    if len(item.fragments) > 1:
        span = {"fragments": item.fragments, "label": item.label}
    if item.kb_id:
        span["kb_id"] = item.kb_id
    return span


def _add_parts(value: Dict[str, Any], record: Record) -> None:
    if record.sents is not None:
        value["sents"] = record.sents
    if record.missing:
        value["missing"] = [_as_span(item) for item in record.missing]
    if record.document:
        value["document"] = record.document


def _with_meta(value: Dict[str, Any], record: Record) -> Dict[str, Any]:
    value.update(written_meta(record.meta, RESERVED))
    value[STATED] = STATEMENT
    return value


FORMAT = Format(
    name="jsonl",
    about="JSON records of a text and its entities: spaCy, Prodigy, doccano",
    suffixes=(".jsonl", ".json", ".ndjson", ".jl", ".json1"),
    recognise=recognise,
    read=read,
    write=write,
)
