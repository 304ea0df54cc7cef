"""Spans, tokens and sentences as they stand in JSON records, in the shapes that are about."""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from ...records import Stretch
from .json_lines import Wrong, kind_of, name_of, token_stretches, whole_number
from .offsets import Ruler

START = ("start", "start_offset", "startOffset", "start_char", "begin")
END = ("end", "end_offset", "endOffset", "end_char", "stop")
LABEL = ("label", "type", "labels", "tag", "entity_type", "class", "category")
SURFACE = ("text", "name", "mention", "surface")


class Span(NamedTuple):
    """A span as it stands in the file.

    places (Tuple[Tuple[int, int], ...]): The starts and ends of its fragments.
    label (str): Its label.
    kb_id (str): What it refers to.
    surface (Optional[str]): Its text, if it is given.
    """

    places: Tuple[Tuple[int, int], ...]
    label: str
    kb_id: str = ""
    surface: Optional[str] = None


def read_spans(items: Any, name: str) -> List[Span]:
    """Read a list of spans.

    items (Any): The list, as it stands in the file; None for an empty one.
    name (str): Where it is, for errors.
    RETURNS (List[Span]): The spans, one for each label.
    """
    if items is None:
        return []
    if not isinstance(items, list):
        raise Wrong(f'"{name}" is {kind_of(items)}, not a list', "Write a list of spans")
    return [span for item in items for span in _span(item)]


def _span(item: Any) -> List[Span]:
    """Read a span, which may have several labels."""
    if isinstance(item, dict):
        places, label = _places(item), _first(item, LABEL)
        surface = _first(item, SURFACE)
        kb_id = name_of(item.get("kb_id"))
    elif isinstance(item, list) and len(item) >= 3:
        # Some put the label first.
        start, end, label = (item[1], item[2], item[0]) if isinstance(item[0], str) else item[:3]
        places = ((whole_number(start, "a start"), whole_number(end, "an end")),)
        surface, kb_id = item[3] if len(item) > 3 else None, ""
    else:
        raise Wrong(
            f"a span is {item!r:.60}", 'Write {"start", "end", "label"} or [start, end, label]'
        )
    if not isinstance(surface, str) or len(places) > 1:
        surface = None
    labels = label if isinstance(label, list) else [label]
    return [Span(places, _label(each), kb_id, surface) for each in labels or [None]]


def _places(item: Dict[str, Any]) -> Tuple[Tuple[int, int], ...]:
    fragments = item.get("fragments")
    if fragments is not None:
        pairs = read_pairs(fragments, '"fragments"')
        if not pairs:
            raise Wrong("a span has no fragments", "Write the offsets of each: [[start, end]]")
        return tuple(pairs)
    if isinstance(item.get("span"), list):
        return tuple(read_pairs([item["span"]], '"span"'))
    start, end = _first(item, START), _first(item, END)
    if start is None or end is None:
        raise Wrong(f"a span has no start or no end: {item!r:.60}", 'Write "start" and "end"')
    return ((whole_number(start, "a start"), whole_number(end, "an end")),)


def read_pairs(items: Any, name: str) -> List[Stretch]:
    """Read pairs of offsets: [start, end] or {"start", "end"}."""
    pairs = []
    try:
        for item in items:
            start, end = (item["start"], item["end"]) if isinstance(item, dict) else item
            if type(start) is not int or type(end) is not int:
                start, end = whole_number(start, "a start"), whole_number(end, "an end")
            pairs.append((start, end))
    except (TypeError, KeyError, ValueError) as error:
        if isinstance(error, Wrong):
            raise
        raise Wrong(f"{name} is no list of offsets", "Write [[start, end], ...]") from None
    return pairs


def _first(item: Dict[str, Any], keys: Tuple[str, ...]) -> Any:
    for key in keys:
        if item.get(key) is not None:
            return item[key]
    return None


def _label(label: Any) -> str:
    if isinstance(label, (dict, list)):
        raise Wrong(f"a label is {kind_of(label)}", "Write labels as strings")
    return name_of(label)


def read_tokens(tokens: Any, text: str, ruler: Ruler) -> Optional[List[Stretch]]:
    """Read tokens that are given as offsets, or as words.

    tokens (Any): The tokens, as they stand in the file.
    text (str): The text.
    ruler (Ruler): What offsets count.
    RETURNS (Optional[List[Stretch]]): The tokens; None if they do not fit the text.
    """
    if not isinstance(tokens, list):
        return None
    try:
        if tokens and isinstance(tokens[0], str):
            places, place = [], 0
            for word in tokens:
                place = text.index(word, place)
                places.append((place, place + len(word)))
                place += len(word)
        else:
            places = read_pairs(tokens, '"tokens"')
            if ruler.places is not None:
                places = [ruler.around(start, end) for start, end in places]
    except (ValueError, TypeError):
        return None
    return token_stretches(places, text)
