"""Documents as the page's browser reads them: what it filters by all at once, texts when asked."""

from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

# The kinds of marks that there are, in the order in which they are offered. Those of a comparison
# of the model before have the same.
KINDS = (
    *("right", "wrong label", "too long", "too short", "shifted", "split", "joined"),
    *("missed", "spurious", "unjudged"),
)
SIDES = ("gold", "predicted", "before")
CHANGES = (None, "gained", "lost")
KIND_BITS = {kind: number << 2 for number, kind in enumerate(KINDS)}
# A chunk, which is read as a whole, holds so many characters and documents, unless one has more.
CHUNK_CHARACTERS, CHUNK_DOCUMENTS = 200_000, 200
# So much of a text is seen in the list.
BEGINNING = 70
# What a place in a text holds: start, end, group, and its partner's start, end and label.
NOTHING = -1


class Browser(NamedTuple):
    """Documents to look at one by one.

    documents (Iterable[Mapping[str, Any]]): For each: "id", "text", and "marks": for each entity, or
        fragment of one, "start" and "end" in code points, "label", "side" ("gold" or "predicted"),
        "kind" (one of `KINDS`), and if known "label_right", "score", "group" (the same number for
        the fragments of an entity), "nested", "new", "partner" ([start, end, label] of what it was
        taken for) and "change" ("gained", "lost" or None). "before" may hold marks of another model.
    text (str): What is to be said about them: which they are, and how many of how many.
    absent (str): Why there are none; all else is empty then.
    """

    documents: Iterable[Mapping[str, Any]] = ()
    text: str = ""
    absent: str = ""


class Encoded(NamedTuple):
    """Documents as they are written.

    table (Dict[str, Any]): Of each document what the list shows, of each mark what filters need.
    chunks (List[List[Tuple[str, List[int]]]]): Texts, and the places of their marks.
    """

    table: Dict[str, Any]
    chunks: List[List[Tuple[str, List[int]]]]


def encode(documents: Iterable[Mapping[str, Any]]) -> Encoded:
    """RETURNS (Encoded): Documents as they are written. Places are in UTF-16 units, as JavaScript
    counts."""
    writer = _Writer()
    for document in documents:
        writer.add(document)
    return Encoded(writer.index, writer.chunks)


def utf16_places(text: str) -> Optional[np.ndarray]:
    """RETURNS (Optional[np.ndarray]): Where each code point begins and the last one ends, in UTF-16
    units. None if both are the same."""
    if text.isascii() or max(text) < "\U00010000":
        return None
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    return np.concatenate([[0], np.cumsum(1 + (points > 0xFFFF))])


class _Writer:
    """Collects documents."""

    def __init__(self) -> None:
        self.index: Dict[str, Any] = {"labels": [], "kinds": list(KINDS), "first": []}
        self.index.update({key: [] for key in ("ids", "begin", "marks", "label", "flags", "score")})
        self.chunks: List[List[Tuple[str, List[int]]]] = []
        self.labels: Dict[str, int] = {}
        self.room = 0

    def add(self, document: Mapping[str, Any]) -> None:
        text = document["text"]
        places = utf16_places(text)
        marks = [(SIDES.index(mark["side"]), mark) for mark in document["marks"]]
        before = document.get("before") or ()
        marks += [(2, mark) for mark in before if mark["side"] == "predicted"]
        marks.sort(key=lambda pair: (pair[1]["start"], -pair[1]["end"], pair[0], pair[1]["label"]))
        self._begin_chunk(len(text), len(self.index["ids"]))
        self.chunks[-1].append(
            (text, [number for _, mark in marks for number in self._place(mark, places)])
        )
        self.index["ids"].append(document["id"])
        self.index["begin"].append(" ".join(text[: 4 * BEGINNING].split())[:BEGINNING])
        self.index["marks"].append(len(marks))
        for side, mark in marks:
            self._add_mark(side, mark)

    def _begin_chunk(self, length: int, number: int) -> None:
        full = not self.chunks or len(self.chunks[-1]) >= CHUNK_DOCUMENTS or self.room < length
        if full:
            self.chunks.append([])
            self.index["first"].append(number)
            self.room = CHUNK_CHARACTERS
        self.room -= length

    def _label(self, name: str) -> int:
        if name not in self.labels:
            self.labels[name] = len(self.labels)
            self.index["labels"].append(name)
        return self.labels[name]

    def _place(self, mark: Mapping[str, Any], places: Optional[np.ndarray]) -> List[int]:
        partner = mark.get("partner")
        group = mark.get("group")
        spans: Sequence[int] = (mark["start"], mark["end"], *(partner[:2] if partner else ()))
        if places is not None:
            spans = places[list(spans)].tolist()
        found = [spans[0], spans[1], NOTHING if group is None else int(group)]
        if partner is None:
            return [*found, NOTHING, NOTHING, NOTHING]
        return [*found, spans[2], spans[3], self._label(partner[2])]

    def _add_mark(self, side: int, mark: Mapping[str, Any]) -> None:
        score = mark.get("score")
        flags = side | KIND_BITS[mark["kind"]] | _known(mark.get("label_right")) << 6
        flags |= bool(mark.get("nested")) << 8 | _known(mark.get("new")) << 9
        flags |= CHANGES.index(mark.get("change")) << 11
        self.index["label"].append(self._label(mark["label"]))
        self.index["flags"].append(flags)
        # Seven digits, so that next to nothing and next to certain are not shown as 0 and 1.
        known = float(score) if score is not None and 0 <= score < float("inf") else NOTHING
        self.index["score"].append(round(known, 7))


def _known(value: Optional[bool]) -> int:
    """0 if it is not known, 1 if it is true, 2 if it is not."""
    return 0 if value is None else 1 if value else 2
