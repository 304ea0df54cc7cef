"""The tasks of Label Studio and their annotations, in both of its JSON exports."""

from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

from ...notes import Kind, Notes
from ...records import Where
from ...textfile import TextFile
from ..shared.json_lines import kind_of, name_of, objects

PREDICTIONS = Kind("prediction of a model, passed over")

# What JSON_MIN adds to the data of a task.
MIN_KEYS = frozenset(("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"))


class Annotation(NamedTuple):
    """What one annotator marked in a task.

    names (Tuple[str, ...]): The id, email and name of the annotator, as far as they are known.
    result (List[Any]): What was marked, as it stands in the file.
    is_cancelled (bool): Whether the annotator skipped the task.
    """

    names: Tuple[str, ...]
    result: List[Any]
    is_cancelled: bool = False


class Task(NamedTuple):
    """A task.

    where (Where): Where it was read, with its id.
    data (Dict[str, Any]): Its data, among them the text.
    annotations (List[Annotation]): What was marked, by annotator.
    """

    where: Where
    data: Dict[str, Any]
    annotations: List[Annotation]


def tasks_of(file: TextFile, notes: Notes) -> Iterator[Task]:
    """Read the tasks of a file.

    file (TextFile): The file.
    notes (Notes): Told about what is no task.
    YIELDS (Task): The tasks. In JSON_MIN, where each annotation has a line, those of one task are
        put together.
    """
    minimal: Dict[str, Task] = {}
    for line, value in objects(file, notes):
        where = file.where(line, name_of(value.get("id")))
        annotations = value.get("annotations", value.get("completions"))
        data = value.get("data")
        if isinstance(data, dict) and isinstance(annotations, (list, type(None))):
            predictions = value.get("predictions")
            if isinstance(predictions, list) and predictions:
                notes.add(PREDICTIONS, where, n=len(predictions))
            items = [item for item in annotations or [] if isinstance(item, dict)]
            yield Task(where, data, [_annotation(item) for item in items])
        elif "annotation_id" in value or "annotator" in value:
            task = _minimal(value, where)
            known = minimal.setdefault(where.id or str(line), task)
            if known is not task:
                known.annotations.extend(task.annotations)
        else:
            found = f'"data" is {kind_of(data)}, "annotations" {kind_of(annotations)}'
            notes.bad(where, found, "Export the tasks as JSON or JSON_MIN")
    yield from minimal.values()


def _annotation(item: Dict[str, Any]) -> Annotation:
    result = item.get("result")
    is_cancelled = bool(item.get("was_cancelled") or item.get("skipped"))
    names = names_of(item.get("completed_by"))
    return Annotation(names, result if isinstance(result, list) else [], is_cancelled)


def names_of(person: Any) -> Tuple[str, ...]:
    """RETURNS (Tuple[str, ...]): What an annotator may be called by."""
    if not isinstance(person, dict):
        return (name_of(person),) if name_of(person) else ()
    full = " ".join(name_of(person.get(key)) for key in ("first_name", "last_name")).strip()
    names = (*(name_of(person.get(key)) for key in ("email", "id", "username")), full)
    return tuple(name for name in names if name)


def _minimal(value: Dict[str, Any], where: Where) -> Task:
    """Read a line of JSON_MIN, in which regions stand by the name of what they were marked with."""
    data: Dict[str, Any] = {}
    result: List[Any] = []
    for key, items in value.items():
        regions = items if isinstance(items, list) else []
        if regions and all(isinstance(item, dict) and "start" in item for item in regions):
            result += [{"type": "labels", "value": item} for item in regions]
        elif key not in MIN_KEYS and items != []:
            data[key] = items
    return Task(where, data, [Annotation(names_of(value.get("annotator")), result)])
