"""From XML with entities in the text to records."""

import re
from dataclasses import dataclass, field
from typing import Iterable, Iterator, List, Optional

from ...notes import Kind, Notes
from ...records import Entity, Record, Stretch, entity
from ...safe_xml import Event
from ...textfile import TextFile
from .elements import (
    ALTERNATIVES,
    BLOCKS,
    NAME_ATTRIBUTES,
    NAMES,
    UNKNOWN,
    Roles,
    attribute,
)

NO_LABEL = Kind("elements of entities without a label passed over")
ALTERNATIVE = Kind("other alternatives passed over")
UNEQUAL = Kind("alternatives with another text passed over", is_loss=True)
COMPOSITE = Kind("composite labels read as their parts")
OTHER_TEXT = Kind("text that is not in a document, or not in its text, passed over")
LOST = Kind("entities that are not in a document, or not in its text", is_loss=True)
EMPTY = Kind("documents without text passed over")


# What elements can only be in a text.
IN_TEXT = ("entity", "sentence", "alternatives", "unknown")


@dataclass(frozen=True)
class Choices:
    """How labels are read.

    roles (Roles): What the elements are.
    alternatives (str): Which of several are read: "first", "all", or "keep" them in the label.
    composite (str): What is made of composite labels: "each" of their parts, or "keep" them.
    prefix (bool): Whether what stands before a # is a part of the label.
    kb (str): The attribute with what the entity refers to.
    """

    roles: Roles
    alternatives: str
    composite: str
    prefix: bool
    kb: str


@dataclass
class Piece:
    """A text in the making: a document, or an alternative in one.

    parts (List[str]): The text.
    length (int): Its length.
    entities (List[Entity]): The entities in it.
    sents (List[Stretch]): The sentences in it.
    missing (List[Entity]): What is not annotated in it.
    glue (bool): Whether a block ends or starts here, so that words must not touch.
    waiting (List[Open]): The open elements that have no text yet.
    """

    parts: List[str] = field(default_factory=list)
    length: int = 0
    entities: List[Entity] = field(default_factory=list)
    sents: List[Stretch] = field(default_factory=list)
    missing: List[Entity] = field(default_factory=list)
    glue: bool = False
    waiting: List["Open"] = field(default_factory=list)

    def add(self, text: str) -> bool:
        """Add text.

        text (str): The text.
        RETURNS (bool): Whether a line break was put before it.
        """
        glued = self.glue and bool(self.length) and not (self.last.isspace() or text[0].isspace())
        self.glue = False
        if glued:
            self.parts.append("\n")
            self.length += 1
        for opened in self.waiting:
            opened.start, opened.part = self.length, len(self.parts)
        self.waiting.clear()
        self.parts.append(text)
        self.length += len(text)
        return glued

    @property
    def last(self) -> str:
        """RETURNS (str): The last character."""
        return self.parts[-1][-1]

    @property
    def text(self) -> str:
        """RETURNS (str): The text."""
        return "".join(self.parts)


@dataclass(eq=False)
class Open:
    """An element that is open.

    event (Event): Its start.
    role (str): What it is.
    start (int): Where its text starts, -1 until it has some.
    part (int): The number of the first part of its text.
    alternatives (List[Piece]): If it holds alternatives, these.
    """

    event: Event
    role: str
    start: int = -1
    part: int = 0
    alternatives: List[Piece] = field(default_factory=list)


class Walk:
    """Goes through the elements of a file.

    file (TextFile): The file.
    choices (Choices): How labels are read.
    notes (Notes): What is counted and decided.
    """

    def __init__(self, file: TextFile, choices: Choices, notes: Notes) -> None:
        self.file, self.choices, self.notes = file, choices, notes
        self.roles = choices.roles
        self.stack: List[Open] = []
        # The text of the document, and of the alternative in it that is open.
        self.pieces: List[Piece] = []
        self.begin: Optional[Event] = None
        self.n_records = 0
        self.n_texts = self.n_sentences = 0
        # The name of the document: its text while it is read, and what was found.
        self.naming: Optional[List[str]] = None
        self.name = ""

    def records(self, events: Iterable[Event]) -> Iterator[Record]:
        """YIELDS (Record): The documents."""
        if not self.roles.documents:
            self.pieces = [Piece()]
        for event in events:
            if event.kind == "text":
                self._text(event)
            elif event.kind == "start":
                self._start(event)
            else:
                is_document = self._end()
                if is_document:
                    yield from self._record()
        if not self.roles.documents:
            yield from self._record()

    def _record(self) -> Iterator[Record]:
        piece, begin = self.pieces.pop(), self.begin
        name, self.name, self.begin = self.name, "", None
        attrs = begin.attrs if begin is not None else {}
        for key in NAME_ATTRIBUTES:
            name = name or (attribute(attrs, key) or "").strip()
        self.n_records += 1
        if not name:
            name = self.file.name
            name += f"-{self.n_records}" if self.roles.documents else ""
        where = self.file.where(begin.line if begin is not None else 1, name)
        if not piece.text.strip():
            self.notes.add(EMPTY, where)
            return
        yield Record(
            piece.text,
            piece.entities,
            where,
            name,
            sents=piece.sents if self.roles.sentences else None,
            missing=piece.missing,
        )

    def _is_in_text(self) -> bool:
        is_text = not self.roles.texts or self.n_texts > 0
        return bool(self.pieces) and is_text and self.naming is None

    def _role(self, name: str) -> str:
        lower = name.lower()
        if name in self.roles.documents:
            return "other" if self.pieces else "document"
        if name in self.roles.entities:
            return "entity"
        if name in self.roles.sentences:
            return "other" if self.n_sentences else "sentence"
        if lower == ALTERNATIVES:
            return "alternatives"
        if lower in NAMES and self.pieces and self.naming is None:
            return "name"
        if name in self.roles.texts:
            return "text"
        return "unknown" if lower in UNKNOWN else "other"

    def _start(self, event: Event) -> None:
        opened = Open(event, self._role(event.name))
        self.stack.append(opened)
        self.n_texts += event.name in self.roles.texts
        if opened.role == "document":
            self.pieces, self.begin = [Piece()], event
        elif opened.role == "name":
            self.naming = []
        elif opened.role == "entity" and not self._is_in_text():
            for label in self._labels(event):
                self.notes.add(LOST, self.file.where(event.line), label)
        if not self._is_in_text():
            opened.role = "other" if opened.role in IN_TEXT else opened.role
            return
        piece = self.pieces[-1]
        piece.glue = piece.glue or self._is_block(opened)
        if opened.role in ("entity", "sentence", "unknown"):
            piece.waiting.append(opened)
            self.n_sentences += opened.role == "sentence"
        elif opened.role == "alternatives":
            opened.alternatives.append(Piece())
            self.pieces.append(opened.alternatives[0])

    def _is_block(self, opened: Open) -> bool:
        return opened.role in ("sentence", "text") or (
            opened.role != "entity" and opened.event.name.lower() in BLOCKS
        )

    def _text(self, event: Event) -> None:
        if self.naming is not None:
            self.naming.append(event.text)
        elif not self._is_in_text():
            if event.text.strip():
                self.notes.add(OTHER_TEXT, self.file.where(event.line), text=event.text.strip())
        elif self.stack and self.stack[-1].role == "alternatives":
            first, *others = event.text.split("|")
            if first:
                self.pieces[-1].add(first)
            for other in others:
                self.pieces[-1] = Piece()
                self.stack[-1].alternatives.append(self.pieces[-1])
                if other:
                    self.pieces[-1].add(other)
        else:
            self.pieces[-1].add(event.text)

    def _end(self) -> bool:
        """RETURNS (bool): Whether it was the end of a document."""
        opened = self.stack.pop()
        if opened.role == "name":
            self.name = self.name or "".join(self.naming or ()).strip()
            self.naming = None
        elif opened.role == "alternatives":
            self.pieces.pop()
            self._choose(opened)
        elif opened.role in ("entity", "sentence", "unknown"):
            piece = self.pieces[-1]
            if opened.start < 0:
                piece.waiting.remove(opened)
                opened.start = piece.length
            if opened.role == "entity":
                labels = self._labels(opened.event)
                piece.entities += self._entities(opened, labels, piece)
            elif opened.role == "unknown":
                piece.missing.append(entity(opened.start, piece.length, ""))
            else:
                self.n_sentences -= 1
                if opened.start < piece.length:
                    inner = "".join(piece.parts[opened.part :])
                    piece.sents.append(_trimmed(inner, opened.start))
        if self._is_in_text():
            self.pieces[-1].glue = self.pieces[-1].glue or self._is_block(opened)
        self.n_texts -= opened.event.name in self.roles.texts
        return opened.role == "document"

    def _entities(self, opened: Open, labels: List[str], piece: Piece) -> List[Entity]:
        kb_id = attribute(opened.event.attrs, self.choices.kb) if self.choices.kb else ""
        start, end = opened.start, piece.length
        return [entity(start, end, label, kb_id or "") for label in labels]

    def _labels(self, event: Event) -> List[str]:
        """RETURNS (List[str]): The labels of an element."""
        where, label = self.file.where(event.line), self.roles.label
        raw = event.name if label == "tag" else (attribute(event.attrs, label) or "").strip()
        if not raw:
            self.notes.add(NO_LABEL, where, text=f"<{event.name}>")
            return []
        labels = [raw]
        if raw.startswith("(") and raw.endswith(")") and self.choices.composite == "each":
            labels = parts_of(raw)
            self.notes.add(COMPOSITE, where, raw)
        elif "|" in raw and self.choices.alternatives != "keep":
            labels = [part.strip() for part in raw.split("|") if part.strip()] or [raw]
            if self.choices.alternatives == "first":
                for other in labels[1:]:
                    self.notes.add(ALTERNATIVE, where, self._plain(other))
                labels = labels[:1]
        return list(dict.fromkeys(self._plain(label) for label in labels))

    def _plain(self, label: str) -> str:
        return label if self.choices.prefix else label.rpartition("#")[2] or label

    def _choose(self, opened: Open) -> None:
        """Put the first of several alternatives into the text, and the entities of the others as
        far as they are wanted."""
        outer, (chosen, *others) = self.pieces[-1], opened.alternatives
        # White space beside the bar belongs to it.
        text = chosen.text.rstrip() if others else chosen.text
        last = others[-1].text if others else ""
        if text:
            outer.add(text)
        start = outer.length - len(text)
        entities = _shifted(chosen.entities, start)
        outer.sents += [(start + first, start + end) for first, end in chosen.sents]
        outer.missing += _shifted(chosen.missing, start)
        lead = len(text) - len(text.lstrip())
        for other in others:
            inner = other.text
            shift = start + lead - (len(inner) - len(inner.lstrip()))
            is_equal = inner.strip() == text.strip()
            for other_entity in other.entities:
                moved = _shifted([other_entity], shift)[0]
                if is_equal and moved in entities:
                    continue
                if is_equal and self.choices.alternatives == "all":
                    entities.append(moved)
                    continue
                kind = UNEQUAL if self.choices.alternatives == "all" else ALTERNATIVE
                where = self.file.where(opened.event.line)
                self.notes.add(kind, where, other_entity.label, other_entity.text_in(inner))
        outer.entities += entities
        if last and last[len(last.rstrip()) :]:
            outer.add(last[len(last.rstrip()) :])


def parts_of(expression: str) -> List[str]:
    """Take a composite label apart: "(AND G#dna (OR G#dna G#rna))" has the parts G#dna and G#rna.

    expression (str): The label.
    RETURNS (List[str]): Its parts, each once.
    """
    parts: List[str] = []
    before = ""
    for word in re.findall(r"[()]|[^\s()]+", expression):
        # What follows a bracket is the operator.
        if word not in "()" and before != "(" and word not in parts:
            parts.append(word)
        before = word
    return parts or [expression]


def _shifted(entities: Iterable[Entity], by: int) -> List[Entity]:
    return [
        found._replace(fragments=tuple((start + by, end + by) for start, end in found.fragments))
        for found in entities
    ]


def _trimmed(text: str, start: int) -> Stretch:
    """RETURNS (Stretch): A text that starts there, without the white space at its edges."""
    return start + len(text) - len(text.lstrip()), start + len(text.rstrip())
