"""What Label Studio exports as JSON and as JSON_MIN: tasks, and what annotators marked in them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Literal, NamedTuple, Optional, Tuple

from ...format import Format
from ...notes import BadInput, Kind, Notes
from ...records import Entity, Record, entity
from ...textfile import Head, TextFile
from ..shared.json_lines import (
    Wrong,
    count_unwritten,
    first_value,
    flat_entities,
    kind_of,
    name_of,
    read_meta,
    written_meta,
)
from .regions import LINK, RULES, Region, Rulers, choose_rule, place_of, regions_of
from .tasks import Annotation, Task, tasks_of

CANCELLED = Kind("annotation that was cancelled or skipped, passed over")
NOT_ANNOTATED = Kind("task that nobody annotated, passed over")
NOT_BY = Kind("task that the chosen annotator did not annotate, passed over")
OTHERS = Kind("annotation of another annotator, passed over")
MINORITY = Kind("entity that fewer than half of the annotators marked, passed over")
OTHER_TEXT = Kind("region in another text of its task, passed over", True)

RESERVED = frozenset(("text", "id", "document_id", "meta"))
ADVICE_TEXT = "Say where the text is: --read text_key=NAME"


class Draft(NamedTuple):
    """A task whose offsets are not read yet.

    record (Record): What is known of it.
    marked (List[List[Region]]): The regions, for each annotator that counts.
    """

    record: Record
    marked: List[List[Region]]


def recognise(head: Head) -> Optional[str]:
    """RETURNS (Optional[str]): The reason why this was exported by Label Studio."""
    value = first_value(head)
    if not isinstance(value, dict):
        return None
    for key in ("annotations", "completions"):
        items = value.get(key)
        if isinstance(items, list):
            is_task = isinstance(value.get("data"), dict)
            # "data" may come late.
            if is_task or (items and isinstance(items[0], dict) and "result" in items[0]):
                return f'JSON tasks of Label Studio, with "data" and "{key}"'
    if "annotation_id" in value and ("annotator" in value or "lead_time" in value):
        return 'JSON_MIN of Label Studio, with "annotation_id"'
    return None


def read(
    file: TextFile,
    notes: Notes,
    *,
    annotator: str = "first",
    offsets: Literal["auto", "characters", "utf-16"] = "auto",
    text_key: Optional[str] = None,
) -> Iterator[Record]:
    """Read an export of Label Studio. All of it is held in memory.

    file (TextFile): The file.
    notes (Notes): Told about decisions, mended and passed over regions.
    annotator (str): Whose annotation is read: "first", "majority" (entities that at least half of
        them marked), or the id, email or name of one.
    offsets (str): What offsets count. "auto" finds it out from the texts of the regions; without
        them it is UTF-16 units, which is what browsers count.
    text_key (Optional[str]): Where in "data" the text is. If not given, it is found out from the
        regions.
    YIELDS (Record): The records, one for each task that is annotated.
    """
    tasks = list(tasks_of(file, notes))
    if annotator not in ("first", "majority"):
        _check_annotator(tasks, annotator, file)
    drafts = list(_drafts(tasks, annotator, text_key, notes))
    allowed = [rule for rule in RULES if offsets in ("auto", rule[0])]
    seen = (
        (draft.record.text, region) for draft in drafts for one in draft.marked for region in one
    )
    allowed = choose_rule(seen, allowed, notes)
    for draft in drafts:
        try:
            _place(draft, Rulers(draft.record.text, allowed), notes)
        except Wrong as error:
            notes.bad(draft.record.where, error.found, error.advice)
            continue
        yield draft.record


def _place(draft: Draft, rulers: Rulers, notes: Notes) -> None:
    """Read the offsets of a task, and take what its annotators agree on."""
    record, n_annotators = draft.record, len(draft.marked)
    marked = [_entities(record, regions, rulers, notes) for regions in draft.marked]
    if n_annotators == 1:
        record.entities = marked[0]
        return
    votes = Counter(item for found in marked for item in dict.fromkeys(found))
    for item, n in votes.items():
        if 2 * n >= n_annotators:
            record.entities.append(item)
        else:
            notes.add(MINORITY, record.where, item.label, item.text_in(record.text))


def _entities(
    record: Record, regions: Iterable[Region], rulers: Rulers, notes: Notes
) -> List[Entity]:
    return [
        entity(*place, label)
        for region in regions
        for place in [place_of(region, record, rulers, notes)]
        for label in region.labels
    ]


def _check_annotator(tasks: Iterable[Task], annotator: str, file: TextFile) -> None:
    names = Counter(one.names[0] for task in tasks for one in task.annotations if one.names)
    if any(annotator in one.names for task in tasks for one in task.annotations):
        return
    there = ", ".join(name for name, _ in names.most_common(10)) or "nobody with a name"
    raise BadInput(
        file.where(),
        f"there is no annotation by {annotator!r}, only by {there}",
        "Choose one of these with --read annotator=NAME, or first, or majority",
    )


def _drafts(
    tasks: List[Task], annotator: str, text_key: Optional[str], notes: Notes
) -> Iterator[Draft]:
    parsed: List[Tuple[Task, List[List[Region]]]] = []
    for task in tasks:
        chosen = _chosen(task, annotator, notes)
        try:
            if chosen:
                parsed.append((task, [list(regions_of(one, task.where, notes)) for one in chosen]))
        except Wrong as error:
            notes.bad(task.where, error.found, error.advice)
    targets = Counter(region.target for _, marked in parsed for one in marked for region in one)
    target = targets.most_common(1)[0][0] if targets else ""
    key = text_key or _text_key(parsed, target)
    if key not in ("text", target):
        notes.decided(f'the texts are those in "{key}"')
    for task, marked in parsed:
        try:
            yield _draft(task, marked, key, target, notes)
        except Wrong as error:
            notes.bad(task.where, error.found, error.advice)


def _chosen(task: Task, annotator: str, notes: Notes) -> List[Annotation]:
    """Choose the annotations of a task that are read."""
    valid = [one for one in task.annotations if not one.is_cancelled]
    if len(valid) < len(task.annotations):
        notes.add(CANCELLED, task.where, n=len(task.annotations) - len(valid))
    if not valid:
        if not task.annotations:
            notes.add(NOT_ANNOTATED, task.where)
        return []
    if annotator == "majority":
        return valid
    chosen = [one for one in valid if annotator in ("first", *one.names)][:1]
    if not chosen:
        notes.add(NOT_BY, task.where)
    elif len(valid) > 1:
        notes.add(OTHERS, task.where, n=len(valid) - 1)
        if annotator == "first":
            notes.decided(
                "of several annotators of a task, the first is read (others with --read"
                " annotator=majority or a name)"
            )
    return chosen


def _text_key(parsed: List[Tuple[Task, List[List[Region]]]], target: str) -> str:
    """Find out where in "data" the text is."""
    found = Counter[str]()
    there = Counter[str]()
    for task, marked in parsed:
        texts = {key: text for key, text in task.data.items() if isinstance(text, str)}
        there.update(texts.keys())
        for surface in (region.surface for one in marked for region in one):
            found.update(key for key, text in texts.items() if surface and surface in text)
    if target and target in there:
        return target
    if len(there) == 1:
        return next(iter(there))
    ranked = found.most_common(2)
    if ranked and (len(ranked) == 1 or ranked[0][1] > ranked[1][1]):
        return ranked[0][0]
    return "text"


def _draft(task: Task, marked: List[List[Region]], key: str, target: str, notes: Notes) -> Draft:
    text = task.data.get(key)
    if not isinstance(text, str):
        keys = ", ".join(f'"{name}"' for name in list(task.data)[:8]) or "nothing"
        found = f'"{key}" in "data" is {kind_of(text)}' if text is not None else f'no "{key}"'
        raise Wrong(f'the task has no text: {found}, "data" has {keys}', ADVICE_TEXT)
    kept: List[List[Region]] = []
    for regions in marked:
        kept.append([region for region in regions if region.target in ("", target)])
        for region in regions:
            if region.target not in ("", target):
                notes.add(OTHER_TEXT, task.where, region.labels[0], region.surface or "")
            elif region.end > len(text) and LINK.fullmatch(text):
                raise Wrong(
                    f"instead of the text there is only a link to it: {text!r:.60}",
                    "Export tasks that hold their texts",
                )
    own_id = name_of(task.data.get("id"))
    used = {key, "document_id"} | ({"id"} if own_id else set())
    record = Record(
        text=text,
        entities=[],
        where=task.where,
        id=own_id or task.where.id,
        document=name_of(task.data.get("document_id")),
        meta=read_meta(task.data, used),
    )
    return Draft(record, kept)


def write(records: Iterable[Record], path: Path, notes: Notes) -> None:
    """Write tasks that Label Studio imports, with one annotation each, for a labelling interface
    whose text is "text" and whose labels are "label". Offsets count UTF-16 units.

    records (Iterable[Record]): The records.
    path (Path): The file.
    notes (Notes): Told about what the format cannot hold.
    """
    with path.open("w", encoding="utf-8", newline="\n") as file:
        between = "[\n"
        for record in records:
            file.write(between + json.dumps(_as_task(record, notes), ensure_ascii=False))
            between = ",\n"
        file.write("\n]\n" if between != "[\n" else "[]\n")


def _as_task(record: Record, notes: Notes) -> Dict[str, Any]:
    text = record.text
    data: Dict[str, Any] = {"text": text}
    data.update({"id": record.id} if record.id else {})
    data.update({"document_id": record.document} if record.document else {})
    data.update(written_meta(record.meta, RESERVED))
    result = [
        {
            "id": f"r{number}",
            "from_name": "label",
            "to_name": "text",
            "type": "labels",
            "value": {
                "start": len(text[: item.start].encode("utf-16-le")) // 2,
                "end": len(text[: item.end].encode("utf-16-le")) // 2,
                "text": text[item.start : item.end],
                "labels": [item.label],
            },
        }
        for number, item in enumerate(flat_entities(record, notes), 1)
    ]
    count_unwritten(record, notes, ("kb_id", "missing", "tokens", "sents"))
    return {"data": data, "annotations": [{"result": result, "was_cancelled": False}]}


FORMAT = Format(
    name="label-studio",
    about="JSON and JSON_MIN exports of Label Studio",
    suffixes=(".json", ".jsonl"),
    recognise=recognise,
    read=read,
    write=write,
)
