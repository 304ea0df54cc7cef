"""The JSON lines of BINDER: a text, and lists of the starts, ends and types of its entities."""

from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional

from ..format import Format
from ..notes import Kind, Notes
from ..records import Record, Stretch, Where, entity
from ..textfile import Head, TextFile
from .shared.json_lines import (
    Wrong,
    count_unwritten,
    first_value,
    flat_entities,
    kind_of,
    name_of,
    objects,
    text_of,
    token_stretches,
    whole_number,
    write_lines,
)

BAD_WORDS = Kind("words that do not fit the text, passed over")

TYPES, STARTS, ENDS = "entity_types", "entity_start_chars", "entity_end_chars"
WORD_STARTS, WORD_ENDS = "word_start_chars", "word_end_chars"
FIELDS = ("id", "text", TYPES, STARTS, ENDS, WORD_STARTS, WORD_ENDS)
ADVICE = "Write the three lists alike, with an item for each entity"


def recognise(head: Head) -> Optional[str]:
    """RETURNS (Optional[str]): The reason why these are records of BINDER."""
    value = first_value(head)
    if isinstance(value, dict) and TYPES in value and STARTS in value:
        return f'JSON records with "{TYPES}" and "{STARTS}"'
    return None


def read(file: TextFile, notes: Notes) -> Iterator[Record]:
    """Read records of BINDER. Ends are exclusive; words become tokens.

    file (TextFile): The file.
    notes (Notes): Told about records that cannot be read.
    YIELDS (Record): The records.
    """
    for line, value in objects(file, notes):
        where = file.where(line, name_of(value.get("id")))
        try:
            yield _record(value, where, notes)
        except Wrong as error:
            notes.bad(where, error.found, error.advice)


def _record(value: Dict[str, Any], where: Where, notes: Notes) -> Record:
    text = text_of(value, "text", 'Name the format with --from, if this is not BINDER\'s "text"')
    labels = _list(value, TYPES)
    if not all(isinstance(label, str) for label in labels):
        raise Wrong(f'"{TYPES}" holds something else than strings', "Write types as strings")
    places = _pairs(value, STARTS, ENDS)
    if len(labels) != len(places):
        raise Wrong(f'"{TYPES}" has {len(labels)} items, "{STARTS}" {len(places)}', ADVICE)
    tokens = None
    if value.get(WORD_STARTS) or not text.strip():
        words = _pairs(value, WORD_STARTS, WORD_ENDS) if value.get(WORD_STARTS) else []
        tokens = token_stretches(words, text)
        if tokens is None:
            notes.add(BAD_WORDS, where, text=text)
    return Record(
        text=text,
        entities=[entity(*place, label) for place, label in zip(places, labels)],
        where=where,
        id=where.id,
        tokens=tokens,
        meta={key: item for key, item in value.items() if key not in FIELDS},
    )


def _list(value: Dict[str, Any], key: str) -> List[Any]:
    items = value.get(key)
    if isinstance(items, list):
        return items
    found = f'"{key}" is {kind_of(items)}, not a list' if key in value else f'there is no "{key}"'
    raise Wrong(found, ADVICE)


def _pairs(value: Dict[str, Any], first: str, second: str) -> List[Stretch]:
    starts, ends = _list(value, first), _list(value, second)
    if len(starts) != len(ends):
        raise Wrong(f'"{first}" has {len(starts)} items, "{second}" {len(ends)}', ADVICE)
    return [
        (whole_number(start, "a start"), whole_number(end, "an end"))
        for start, end in zip(starts, ends)
    ]


def write(records: Iterable[Record], path: Path, notes: Notes) -> None:
    """Write records of BINDER.

    records (Iterable[Record]): The records.
    path (Path): The file.
    notes (Notes): Told about what the format cannot hold.
    """
    write_lines((_as_value(record, notes) for record in records), path)


def _as_value(record: Record, notes: Notes) -> Dict[str, Any]:
    entities = list(flat_entities(record, notes))
    count_unwritten(record, notes, ("kb_id", "missing", "sents", "document", "meta"))
    return {
        "text": record.text,
        TYPES: [item.label for item in entities],
        STARTS: [item.start for item in entities],
        ENDS: [item.end for item in entities],
        "id": record.id,
        WORD_STARTS: [start for start, _ in record.tokens or []],
        WORD_ENDS: [end for _, end in record.tokens or []],
    }


FORMAT = Format(
    name="binder",
    about="JSON lines of BINDER",
    suffixes=(".json", ".jsonl"),
    recognise=recognise,
    read=read,
    write=write,
    needs_tokens=True,
)
