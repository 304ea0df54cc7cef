"""What is written of labels, read from a file or a config."""

import json
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Sequence, Tuple, Union

# Longer ones are texts, and no descriptions.
LONGEST = 300

# What a label is called in a line, and in BINDER's own files.
NAMES = ("label", "name")

Written = Union[str, Path, Dict[str, str]]


def read_descriptions(given: Written, labels: Sequence[str]) -> Dict[str, str]:
    """Read the descriptions of labels. Those of other labels are passed over.

    given (Written): A JSON Lines file with {"label": ..., "description": ...} in each line, where
        "name" may stand for "label" as in BINDER's own files; a JSON file with one object; or the
        descriptions themselves, by label.
    labels (Sequence[str]): The labels.
    RETURNS (Dict[str, str]): The description of each label.
    """
    where = "descriptions"
    if isinstance(given, (str, Path)):
        where = str(given)
        pairs: Iterable[Tuple[str, Any, Any]] = _read_file(Path(given))
    else:
        pairs = ((where, label, text) for label, text in given.items())
    found: Dict[str, str] = {}
    for place, label, text in pairs:
        if label not in labels:
            continue
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"{place}: the description of {label} is empty. Write what it means.")
        if label in found and found[label] != text:
            raise ValueError(
                f"{place}: {label} is described a second time, and otherwise. Keep one description."
            )
        if len(text.split()) > LONGEST:
            raise ValueError(
                f"{place}: the description of {label} has {len(text.split())} words. Say it in at "
                f"most {LONGEST}."
            )
        found[label] = text.strip()
    missing = [label for label in labels if label not in found]
    if missing:
        raise ValueError(
            f"{where}: no description of {', '.join(missing)}. Every label of the data needs one."
        )
    return {label: found[label] for label in labels}


def _read_file(path: Path) -> Iterator[Tuple[str, Any, Any]]:
    """YIELDS (Tuple[str, Any, Any]): Place, label and description."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"Cannot read the descriptions of labels in {path}: {error}.") from error
    try:
        # As pairs, so that what is there twice is seen.
        whole = json.loads(text, object_pairs_hook=list)
        keys = [key for key, _ in whole] if text.lstrip().startswith("{") else []
    except ValueError:
        keys = []
    # One object with all labels, which may be called "name" or "label" too, or a file of one line.
    is_line = any(name in keys for name in NAMES) and ("description" in keys or len(keys) == 1)
    if keys and not is_line:
        yield from ((str(path), label, value) for label, value in whole)
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield (place := f"{path}, line {number}", *_read_line(place, line))


def _read_line(place: str, line: str) -> List[Any]:
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{place}: this is no JSON ({error}).") from error
    label = (
        next((entry[name] for name in NAMES if name in entry), None)
        if isinstance(entry, dict)
        else None
    )
    if label is None or "description" not in entry:
        raise ValueError(
            f'{place}: expected {{"label": ..., "description": ...}}, found {line[:80]!r}.'
        )
    return [label, entry["description"]]
