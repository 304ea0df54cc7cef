"""Brackets of entities in CoNLL-U: "(e1-person-1-", "e1)", "(e2-place)"."""

import re
from typing import Dict, List, NamedTuple, Optional, Tuple
from urllib.parse import unquote

from ...notes import Kind, Notes
from ...textfile import TextFile

UNOPENED = Kind("bracket that closes nothing: passed over", is_loss=True)
UNCLOSED = Kind("bracket that is never closed: its entity is left out", is_loss=True)
INCOMPLETE = Kind("discontinuous entity that lacks a part: it has the others", is_loss=True)
NO_BRACKET = Kind("something beside the brackets: passed over", is_loss=True)

BRACKET = re.compile(r"\(([^()]*)(\)?)|([^()]+)\)")
# The part of a discontinuous entity: "e1[2/3]".
PART = re.compile(r"(.*)\[(\d+)/(\d+)\]")
# How the fields of a bracket are called.
GROUPS, TYPES, LINKS = ("eid", "GRP", "id"), ("etype", "entity", "type"), ("identity",)


class Fields(NamedTuple):
    """Which field of an opening bracket is what; None for those it does not have.

    n (int): How many there are; 0 if that was not said.
    group (Optional[int]): The name by which it is closed.
    type (Optional[int]): The label.
    link (Optional[int]): What it refers to in a knowledge base.
    """

    n: int
    group: Optional[int]
    type: Optional[int]
    link: Optional[int]


class Mention(NamedTuple):
    """An entity by words.

    ranges (List[Tuple[int, int]]): The first word of each fragment, and the one after its last.
    label (str): The label.
    kb_id (str): What it refers to, "" if that is not known.
    line (int): The line where it opens.
    """

    ranges: List[Tuple[int, int]]
    label: str
    kb_id: str
    line: int


class Open(NamedTuple):
    """A bracket that has been opened: its text, the name by which it is closed, its first word and
    its line.
    """

    text: str
    group: str
    word: int
    line: int


def fields_of(declared: str, type_field: str) -> Optional[Fields]:
    """Find out what the fields are.

    declared (str): Their names, between them "-"; "" if they are not declared.
    type_field (str): The name or number of the one with the label, or "auto".
    RETURNS (Optional[Fields]): The fields; None if there is no such type_field.
    """
    names = declared.split("-") if declared else []

    def find(known: Tuple[str, ...]) -> Optional[int]:
        return next((names.index(name) for name in known if name in names), None)

    type_ = find(TYPES)
    if type_field.isdigit() and int(type_field) > 0:
        type_ = int(type_field) - 1
        if names and type_ >= len(names):
            return None
    elif type_field in names:
        type_ = names.index(type_field)
    elif type_field != "auto":
        return None
    return Fields(len(names), find(GROUPS), type_, find(LINKS))


class Brackets:
    """Reads the brackets of a document.

    fields (Fields): What the fields are.
    notes (Notes): Where brackets that do not match are noted.
    file (TextFile): The file, for messages.
    """

    def __init__(self, fields: Fields, notes: Notes, file: TextFile) -> None:
        self.fields, self.notes, self.file = fields, notes, file
        self.open: List[Open] = []
        # The parts of discontinuous entities: by name and number of parts.
        self.parts: Dict[Tuple[str, int], List[Tuple[int, Mention]]] = {}

    def read(self, value: str, start: int, end: int, line: int) -> List[Mention]:
        """Read the brackets of a word.

        value (str): The brackets.
        start (int): The first word of what is opened here.
        end (int): The word after the last of what is closed here.
        line (int): The line.
        RETURNS (List[Mention]): The entities that are complete with them.
        """
        mentions: List[Mention] = []
        at = 0
        for match in BRACKET.finditer(value):
            if match.start() != at:
                self._note(NO_BRACKET, line, value)
            at = match.end()
            opened, closes, closed = match.groups()
            if closed is None:
                group = self._split(opened)[0]
                self.open.append(Open(opened, group, start, line))
                if closes:
                    mentions += self._close(len(self.open) - 1, end)
                continue
            found = [i for i, one in enumerate(self.open) if _closes(closed, one)]
            if found:
                mentions += self._close(found[-1], end)
            else:
                self._note(UNOPENED, line, f"{closed})")
        if at != len(value):
            self._note(NO_BRACKET, line, value)
        return mentions

    def finish(self) -> List[Mention]:
        """End a document. RETURNS (List[Mention]): Discontinuous entities that lack a part."""
        mentions: List[Mention] = []
        for one in self.open:
            self._note(UNCLOSED, one.line, f"({one.text}")
        for parts in self.parts.values():
            mention = _join(parts)
            self._note(INCOMPLETE, mention.line, mention.label)
            mentions.append(mention)
        self.open, self.parts = [], {}
        return mentions

    def _close(self, number: int, end: int) -> List[Mention]:
        """RETURNS (List[Mention]): The entity, if it is complete."""
        one = self.open.pop(number)
        group, label, kb_id = self._split(one.text)
        mention = Mention([(one.word, end)], label, kb_id, one.line)
        part = PART.fullmatch(group)
        if part is None:
            return [mention]
        key, n = (part[1], int(part[3])), int(part[3])
        parts = self.parts.setdefault(key, [])
        parts.append((int(part[2]), mention))
        if len(parts) < n:
            return []
        return [_join(self.parts.pop(key))]

    def _split(self, text: str) -> Tuple[str, str, str]:
        """RETURNS (Tuple[str, str, str]): The name of a bracket, its label and its link."""
        n, group, type_, link = self.fields
        values = text.split("-", n - 1) if n else text.split("-")
        if not n:
            # "e1-person" or "person-1": the name is a number, maybe with a letter before it.
            is_name = re.fullmatch(r"[a-z]?\d+(\[\d+/\d+\])?", values[0]) is not None
            group = 0 if is_name else 1 if len(values) > 1 else 0
            type_ = (1 if is_name else 0) if type_ is None else type_

        def get(i: Optional[int]) -> str:
            return values[i] if i is not None and i < len(values) else ""

        label = get(type_)
        name = get(group) or label
        part = PART.fullmatch(label)
        return name, part[1] if part and group is None else label, unquote(get(link))

    def _note(self, kind: Kind, line: int, text: str) -> None:
        self.notes.add(kind, self.file.where(line), text=text)


def _closes(closed: str, one: Open) -> bool:
    """Whether a closing bracket closes an open one: it has its name, or its first fields."""
    return closed == one.group or closed == one.text or one.text.startswith(f"{closed}-")


def _join(parts: List[Tuple[int, Mention]]) -> Mention:
    """RETURNS (Mention): The entity of several parts."""
    parts = sorted(parts, key=lambda at: at[0])
    first = next((mention for _, mention in parts if mention.label), parts[0][1])
    ranges = [mention.ranges[0] for _, mention in parts]
    return Mention(ranges, first.label, first.kb_id, first.line)
