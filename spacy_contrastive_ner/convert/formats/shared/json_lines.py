"""What the formats that are written in JSON share: reading values, recognising them, writing."""

import json
import re
from pathlib import Path
from typing import Any, Collection, Dict, Iterable, Iterator, List, Optional, Tuple

from ...notes import Kind, Notes
from ...records import Entity, Record, Stretch, Where, entity
from ...textfile import BadLine, Head, TextFile

JOINED = Kind("discontinuous entity, written as one stretch with all between its parts", True)
NO_REFERENCE = Kind("reference to a knowledge base, not written: the format has no place", True)
NO_MISSING = Kind("stretch of unknown annotation, not written: the format has no place", True)
NOT_WRITTEN = Kind("not written: the format has no place for it")

# The tokens of JSON; what is left of a string that is cut off matches none.
JSON_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+)', re.DOTALL)
SKIP = re.compile(r"[\s]*")
PARTIAL_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\(u[0-9a-fA-F]{0,3})?$")
REST = ", and what comes after it in the file cannot be read"
# Enough structure to recognise a format by; more only costs time.
MAX_TOKENS = 5000


class Wrong(ValueError):
    """A record that cannot be read.

    found (str): What is wrong.
    advice (str): What to do about it.
    """

    def __init__(self, found: str, advice: str) -> None:
        super().__init__(found)
        self.found, self.advice = found, advice


def values(file: TextFile, notes: Notes) -> Iterator[Tuple[int, Any]]:
    """Read the values of a file of JSON lines, or those in a single array. Lines are streamed.

    file (TextFile): The file.
    notes (Notes): Told about JSON that cannot be read.
    YIELDS (Tuple[int, Any]): The line where a value starts, and the value.
    """
    yield from (_values_of_lines if _has_lines(file.head()) else _values_of_text)(file, notes)


def objects(file: TextFile, notes: Notes) -> Iterator[Tuple[int, Dict[str, Any]]]:
    """Read the objects of a file of JSON lines, or those in a single array.

    file (TextFile): The file.
    notes (Notes): Told about what is no object.
    YIELDS (Tuple[int, Dict[str, Any]]): The line where an object starts, and the object.
    """
    for line, value in values(file, notes):
        if isinstance(value, dict):
            yield line, value
        else:
            notes.bad(
                file.where(line),
                f"a JSON object is expected, not {kind_of(value)}",
                "Write each record as an object: {...}",
            )


def _has_lines(head: Head) -> bool:
    """Whether each line is a value, rather than a single value being spread over lines."""
    lines = [line.strip() for line in head.lines if line.strip()]
    if not lines:
        return not head.text.lstrip().startswith("[")
    try:
        first = json.loads(lines[0])
    except (ValueError, RecursionError):
        # A first line that is broken is told from the first line of an indented object by what
        # the next one starts with.
        return lines[0].startswith("{") and len(lines) > 1 and lines[1].startswith("{")
    # `["text", {"entities": ...}]` is a record, other lists hold records.
    return not isinstance(first, list) or bool(first and isinstance(first[0], str))


def _values_of_lines(file: TextFile, notes: Notes) -> Iterator[Tuple[int, Any]]:
    for number, line in file.lines(notes):
        if not line or line.isspace() or isinstance(line, BadLine):
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            _bad_json(file.where(number), error, len(line.rstrip()), notes)
            continue
        if not _is_halved(line, value, file.where(number), notes):
            yield number, value


def _values_of_text(file: TextFile, notes: Notes) -> Iterator[Tuple[int, Any]]:
    """Read the values of an array, or values one after the other, each over many lines."""
    text = file.text()
    decode = json.JSONDecoder().raw_decode
    place = _skip(text, 0)
    in_array = text.startswith("[", place)
    place, line, counted = _skip(text, place + in_array), 1, 0
    while place < len(text) and not (in_array and text[place] == "]"):
        line, counted = line + text.count("\n", counted, place), place
        try:
            value, end = decode(text, place)
        except (ValueError, RecursionError) as error:
            # Where the next value starts cannot be known.
            _bad_json(file.where(line), error, len(text.rstrip()), notes, REST)
            return
        if not _is_halved(text[place:end], value, file.where(line), notes):
            yield line, value
        place = _skip(text, end)
        if in_array and text.startswith(",", place):
            place = _skip(text, place + 1)
        elif in_array and not text.startswith("]", place):
            break
    if (in_array and _skip(text, place + 1) != len(text)) or (in_array and place >= len(text)):
        line += text.count("\n", counted, place)
        breaks_off = place >= len(text)
        found = "the JSON array breaks off" if breaks_off else f"the JSON array goes wrong{REST}"
        notes.bad(file.where(line), found, "Export the file again, or correct it")


def _skip(text: str, place: int) -> int:
    """RETURNS (int): Where the white space that starts at a place ends."""
    match = SKIP.match(text, place)
    return match.end() if match else place


def _bad_json(where: Where, error: Exception, end: int, notes: Notes, rest: str = "") -> None:
    if not isinstance(error, json.JSONDecodeError):
        found = "the JSON is nested too deeply, or a number is too long"
    elif error.pos >= end or error.msg.startswith("Unterminated string"):
        found = "the JSON breaks off in the middle"
    else:
        found = f"this is no JSON: {error.msg} at column {error.colno}{rest * notes.skip_bad}"
    notes.bad(where, found, "Correct it, export the file again, or pass over it with --skip-bad")


def _is_halved(source: str, value: Any, where: Where, notes: Notes) -> bool:
    """Refuse halves of characters, which no file can hold. They come only from escapes."""
    if "\\ud" not in source and "\\uD" not in source:
        return False
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        notes.bad(
            where, "there is half a character (a lone surrogate \\ud8..)", "Export the file again"
        )
        return True
    return False


def first_value(head: Head) -> Any:
    """Find out what the values of a file look like.

    head (Head): The beginning of the file, which may be cut off within its first value.
    RETURNS (Any): The first value (that of an array, if there is one), as far as it is there. None
        if this is no JSON.
    """
    text = head.text.lstrip()
    if not text.startswith(("{", "[")):
        return None
    # If the first line is broken, the next one may tell.
    others = [line for line in head.lines[1:2] if line.startswith("{")]
    for source in (*(line for line in head.lines[:1] if line.strip()), *others, closed(text)):
        try:
            value = json.loads(source)
        except (ValueError, RecursionError):
            continue
        holds_values = isinstance(value, list) and value and not isinstance(value[0], str)
        return value[0] if holds_values else value
    return None


def closed(text: str) -> str:
    """Close JSON that is cut off.

    text (str): The beginning of a JSON text.
    RETURNS (str): As much of its first value as is there, with the missing brackets.
    """
    closers: List[str] = []
    # Up to where it can be cut, and what is missing then.
    safe: Tuple[int, Tuple[str, ...]] = (0, ())
    place, last = 0, ""
    for _ in range(MAX_TOKENS):
        match = JSON_TOKEN.match(text, place)
        if match is None:
            is_value = last in (":", "[") or (last == "," and closers[-1:] == ["]"])
            if is_value and text[place:].lstrip().startswith('"'):
                # A text that is cut off.
                return PARTIAL_ESCAPE.sub(r"\1", text) + '"' + "".join(reversed(closers))
            break
        token, start, place = match.group(1), match.start(1), match.end()
        if token in ("{", "["):
            closers.append("}" if token == "{" else "]")
        elif token in ("}", "]"):
            if not closers or closers.pop() != token:
                return ""
            if not closers:
                return text[:place]
        if token == ",":
            safe = (start, tuple(closers))
            if closers == ["]"] and last in ("}", "]"):
                # The first record of an array.
                break
        elif token in ("{", "[", "}", "]"):
            safe = (place, tuple(closers))
        last = token
    return text[: safe[0]] + "".join(reversed(safe[1]))


def kind_of(value: Any) -> str:
    """RETURNS (str): What a JSON value is, in words."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
    if value is None:
        return "null"
    return names.get(type(value), f"the number {value}")


def whole_number(value: Any, what: str) -> int:
    """Check an offset.

    value (Any): The value.
    what (str): What it is, for errors.
    RETURNS (int): The offset.
    """
    if type(value) is int:
        return value
    # Tables turn numbers to 3.0 where a column has gaps.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    found = repr(value) if isinstance(value, (str, float)) else kind_of(value)
    raise Wrong(f"{what} is {found}", "Write offsets as whole numbers")


def text_of(value: Dict[str, Any], key: str, advice: str) -> str:
    """Take the text of a record.

    value (Dict[str, Any]): The record.
    key (str): Where its text is.
    advice (str): What to do if it is not there.
    RETURNS (str): The text.
    """
    text = value.get(key)
    if isinstance(text, str):
        return text
    if key in value:
        raise Wrong(f'"{key}" is {kind_of(text)}, not a text', advice)
    keys = ", ".join(f'"{name}"' for name in list(value)[:8]) or "nothing"
    raise Wrong(f'there is no "{key}" in the record, which has {keys}', advice)


def name_of(value: Any) -> str:
    """RETURNS (str): An id as a string, "" if there is none."""
    return "" if value is None or isinstance(value, (dict, list)) else str(value)


def token_stretches(tokens: Iterable[Stretch], text: str) -> Optional[List[Stretch]]:
    """Check tokens, and leave out those that are white space.

    tokens (Iterable[Stretch]): Their places.
    text (str): The text.
    RETURNS (Optional[List[Stretch]]): The tokens; None if they do not cover the text in order.
    """
    kept: List[Stretch] = []
    last = 0
    for start, end in tokens:
        if start < last or end <= start or end > len(text):
            return None
        if start > last and not text[last:start].isspace():
            return None
        if not text[start:end].isspace():
            kept.append((start, end))
        last = end
    return kept if last == len(text) or text[last:].isspace() else None


def read_meta(value: Dict[str, Any], used: Collection[str]) -> Dict[str, Any]:
    """Keep what else a record holds; its own "meta" is put into one with it.

    value (Dict[str, Any]): The record.
    used (Collection[str]): The names that mean something in it.
    RETURNS (Dict[str, Any]): What is left.
    """
    meta = {key: item for key, item in value.items() if key not in used}
    nested = meta.get("meta")
    if isinstance(nested, dict):
        del meta["meta"]
        twice = {key: item for key, item in nested.items() if key in meta}
        meta.update((key, item) for key, item in nested.items() if key not in twice)
        if twice:
            meta["meta"] = twice
    return meta


def written_meta(meta: Dict[str, Any], reserved: Collection[str]) -> Dict[str, Any]:
    """Write what else is known of a record, so that `read_meta` gives it back.

    meta (Dict[str, Any]): What is known.
    reserved (Collection[str]): The names that mean something in a record, and "meta".
    RETURNS (Dict[str, Any]): What is added to the record. Reserved names are put into a "meta".
    """
    value = {key: item for key, item in meta.items() if key not in reserved}
    nested = {key: item for key, item in meta.items() if key in reserved}
    return {**value, "meta": nested} if nested else value


def flat_entities(record: Record, notes: Notes) -> Iterator[Entity]:
    """Write entities without fragments; what is lost is counted.

    record (Record): The record.
    notes (Notes): Told about discontinuous entities.
    YIELDS (Entity): The entities, each of one fragment.
    """
    for item in record.entities:
        if len(item.fragments) > 1:
            notes.add(JOINED, record.where, item.label, item.text_in(record.text))
            item = entity(item.start, item.end, item.label, item.kb_id)
        yield item


def count_unwritten(record: Record, notes: Notes, parts: Iterable[str]) -> None:
    """Count what a format has no place for.

    record (Record): The record.
    notes (Notes): Told about it.
    parts (Iterable[str]): What is not written: "kb_id", or names of attributes of the record.
    """
    for part in parts:
        if part == "kb_id":
            for item in record.entities:
                if item.kb_id:
                    notes.add(NO_REFERENCE, record.where, item.label, item.kb_id)
        elif part == "missing":
            for item in record.missing:
                notes.add(NO_MISSING, record.where, item.label, item.text_in(record.text))
        elif part == "meta":
            for key in record.meta:
                notes.add(NOT_WRITTEN, record.where, key)
        elif getattr(record, part):
            notes.add(NOT_WRITTEN, record.where, part)


def write_lines(items: Iterable[Dict[str, Any]], path: Path) -> None:
    """Write JSON lines.

    items (Iterable[Dict[str, Any]]): What is written, an object a line.
    path (Path): The file.
    """
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for item in items:
            file.write(json.dumps(item, ensure_ascii=False) + "\n")
