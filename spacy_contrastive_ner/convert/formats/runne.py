"""The JSON lines of RuNNE and NEREL: {"id", "sentences", "ners": [[start, last, label]]}."""

from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, Literal, Optional

from ..format import Format
from ..notes import BadInput, Kind, Notes
from ..records import Entity, Record, entity
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
    whole_number,
    write_lines,
)
from .shared.offsets import Evidence, Reading, Sample, judge

NO_ENTITIES = Kind('record without "ners", read as having no entities')

# The second is misspelled in the test data of the shared task.
TEXT = ("sentences", "senences", "text")
# Enough spans to see whether ends are what the format says.
CHECKED = 300
ADVICE_SPAN = "Write each as [first character, last character, label]"


def recognise(head: Head) -> Optional[str]:
    """RETURNS (Optional[str]): The reason why these are records of RuNNE."""
    value = first_value(head)
    if not isinstance(value, dict):
        return None
    text = _text_key(value)
    if "ners" not in value:
        has_text = text in TEXT[:2] and isinstance(value[text], str)
        return f'JSON records with "{text}" as text' if has_text else None
    # Elsewhere, "ners" are those of each of several lists of tokens.
    if (text and not isinstance(value[text], str)) or not _are_ners(value["ners"]):
        return None
    return f'JSON records with "ners" and {f"{text!r}" if text else "no text"}'.replace("'", '"')


def _are_ners(items: Any) -> bool:
    if not isinstance(items, list):
        return False
    return all(isinstance(item, list) and item and not isinstance(item[0], list) for item in items)


def _text_key(value: Dict[str, Any]) -> Optional[str]:
    return next((key for key in TEXT if key in value), None)


def read(
    file: TextFile,
    notes: Notes,
    *,
    texts: Optional[Path] = None,
    ends: Literal["inclusive", "exclusive"] = "inclusive",
) -> Iterator[Record]:
    """Read records of RuNNE.

    file (TextFile): The file.
    notes (Notes): Told about records that cannot be read.
    texts (Optional[Path]): A file of the same format that has the texts, where this one has only
        ids and entities, as what is handed in for scoring.
    ends (str): "inclusive" if ends are the last character, as in the shared task, "exclusive" if
        they are the one after it.
    YIELDS (Record): The records.
    """
    known = _texts(file, texts, notes) if texts is not None else None
    checked: Optional[list] = []
    for line, value in objects(file, notes):
        where = file.where(line, name_of(value.get("id")))
        try:
            text = _text_of(value, where.id, known)
            entities = list(_entities(value.get("ners"), ends))
        except Wrong as error:
            notes.bad(where, error.found, error.advice)
            continue
        if value.get("ners") is None:
            notes.add(NO_ENTITIES, where, text=text)
        if checked is not None and entities:
            samples = [Sample(item.start, item.end, None) for item in entities]
            checked.append(Evidence(text, samples, where))
            if sum(len(each.samples) for each in checked) >= CHECKED:
                _check_ends(checked, ends, notes)
                checked = None
        meta = {key: item for key, item in value.items() if key not in ("id", "ners", *TEXT)}
        yield Record(text, entities, where, id=where.id, meta=meta)
    if checked:
        _check_ends(checked, ends, notes)


def _texts(file: TextFile, path: Path, notes: Notes) -> Dict[str, str]:
    other = file.at(path)
    if other is None:
        raise BadInput(TextFile(path).where(), "there is no such file", "Correct --read texts=FILE")
    known = {}
    for _, value in objects(other, notes):
        key = _text_key(value)
        if key is not None and isinstance(value[key], str):
            known[name_of(value.get("id"))] = value[key]
    return known


def _text_of(value: Dict[str, Any], id: str, known: Optional[Dict[str, str]]) -> str:
    key = _text_key(value)
    if known is not None and (key is None or id in known):
        if id not in known:
            raise Wrong(f"the file with texts has none with the id {id!r}", "Give the right file")
        return known[id]
    if key is None:
        raise Wrong(
            'the record has no text (no "sentences")',
            "If the texts are in another file, name it with --read texts=FILE",
        )
    return text_of(value, key, "Write the text as a string; lists of tokens are another format")


def _entities(items: Any, ends: str) -> Iterator[Entity]:
    if items is None:
        return
    if not isinstance(items, list):
        raise Wrong(f'"ners" is {kind_of(items)}, not a list', ADVICE_SPAN)
    for item in items:
        if not isinstance(item, list) or len(item) != 3 or not isinstance(item[2], str):
            raise Wrong(f"an entity is {item!r:.60}", ADVICE_SPAN)
        start, end = whole_number(item[0], "a start"), whole_number(item[1], "an end")
        yield entity(start, end + (ends == "inclusive"), item[2])


def _check_ends(checked: Iterable[Evidence], ends: str, notes: Notes) -> None:
    """Tell if the texts speak against what the format says of ends."""
    usual, other = Reading("characters", "exclusive"), Reading("characters", "inclusive")
    # Ends have been made exclusive. If that was wrong they are one too far.
    exclusive = [
        evidence._replace(
            samples=[
                sample._replace(end=sample.end - (ends == "inclusive"))
                for sample in evidence.samples
            ]
        )
        for evidence in checked
    ]
    readings = [other, usual] if ends == "inclusive" else [usual, other]
    verdict = judge(exclusive, readings)
    if verdict.reading == readings[0] or verdict.is_contradictory:
        notes.decided(f"ends are {ends}")
    else:
        notes.decided(
            f"ends are read as {ends}, though {verdict.fitting} of {verdict.total} spans begin and"
            f" end where words do if they are {verdict.reading.ends} (--read"
            f" ends={verdict.reading.ends})"
        )


def write(records: Iterable[Record], path: Path, notes: Notes, *, with_text: bool = True) -> None:
    """Write records of RuNNE.

    records (Iterable[Record]): The records.
    path (Path): The file.
    notes (Notes): Told about what the format cannot hold.
    with_text (bool): Whether the texts are written. Files to be scored have none.
    """
    write_lines((_as_value(record, notes, with_text) for record in records), path)


def _as_value(record: Record, notes: Notes, with_text: bool) -> Dict[str, Any]:
    value: Dict[str, Any] = {}
    if record.id:
        # Ids are numbers there.
        is_number = record.id.isascii() and record.id.isdigit() and len(record.id) < 16
        is_number = is_number and str(int(record.id)) == record.id
        value["id"] = int(record.id) if is_number else record.id
    elif not with_text:
        raise BadInput(record.where, "there is no id", "Without texts, each record needs an id")
    if with_text:
        value["sentences"] = record.text
    value["ners"] = [
        [item.start, item.end - 1, item.label] for item in flat_entities(record, notes)
    ]
    count_unwritten(record, notes, ("kb_id", "missing", "tokens", "sents", "document", "meta"))
    return value


FORMAT = Format(
    name="runne",
    about="JSON lines of RuNNE and NEREL",
    suffixes=(".jsonl", ".json"),
    recognise=recognise,
    read=read,
    write=write,
)
