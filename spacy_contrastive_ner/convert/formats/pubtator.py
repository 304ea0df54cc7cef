"""PubTator: titles, abstracts and their mentions in lines."""

import re
from typing import Dict, Iterator, List, Literal, NamedTuple, Optional, Tuple

from ..format import Format
from ..notes import Kind, Notes
from ..records import Record
from ..standoff import Mention, fit, parts_of_types, settle, without_surfaces
from ..textfile import BadLine, Head, TextFile

RELATIONS = Kind("Relations passed over")
COMPOSITE = Kind("Composite mentions read as one entity with several ids")
SEVERAL_TYPES = Kind("Mentions with several types read as an entity for each")
SAME_DOCUMENT = Kind("Documents that stand there twice, read once")
OTHER_DOCUMENT = Kind("Documents that stand there twice and differ, both read")

SECTION = re.compile(r"([^|\t]+)\|([a-zA-Z])\|(.*)$")
INTEGER = re.compile(r"-?\d+$")
NO_ID = ("", "-", "-1", "None")
JOINTS = {"newline": "\n", "blank": " "}


class Block(NamedTuple):
    """The lines of a document.

    id (str): Its name.
    line (int): Where it begins.
    sections (List[str]): Its title, abstract and further parts of its text.
    rows (List[Tuple[int, List[str]]]): The numbers of its other lines, and their cells.
    bad (List[int]): The numbers of the lines of its text that cannot be decoded, which were noted.
    """

    id: str
    line: int
    sections: List[str]
    rows: List[Tuple[int, List[str]]]
    bad: List[int]


def recognise(head: Head) -> Optional[str]:
    """Recognise the line of a title."""
    first = next((line for line in head.lines if line.strip()), "")
    section = SECTION.match(first)
    if section and section[2] in "ta" and not section[1].lstrip().startswith(("<", "{", "[")):
        return f"a line such as {section[1].strip()[:20]}|{section[2]}|..."
    return None


def read(
    file: TextFile,
    notes: Notes,
    *,
    join: Literal["newline", "blank"] = "newline",
    types: Literal["split", "keep"] = "split",
    surfaces: Literal["check", "ignore"] = "check",
) -> Iterator[Record]:
    """Read PubTator files. The text of a document is its title, one character, and its abstract.
    Mentions refer to their concept as it is written, "D1|D2" for composite mentions, which are one
    entity each; "-1" and "-" are none.

    join (str): Which character stands between title and abstract: a line end or a blank.
    types (str): Whether a type such as "T1,T2" or "T1|T2" is split, so that the mention is an
        entity of each type, or kept as one label.
    surfaces (str): Whether the text of the mentions is compared with what stands at their offsets,
        to find out how these count, or ignored.
    """
    seen: Dict[str, int] = {}
    for block in _read_blocks(file, notes):
        if block.bad:
            continue
        where = file.where(block.line, block.id)
        text = JOINTS[join].join(block.sections)
        mentions = _read_mentions(block, file, notes, types == "split")
        content = hash((text, tuple(mention._replace(line=0) for mention in mentions)))
        if block.id in seen and seen[block.id] == content:
            notes.add(SAME_DOCUMENT, where)
            continue
        if block.id in seen:
            notes.add(OTHER_DOCUMENT, where)
        seen.setdefault(block.id, content)
        if surfaces == "ignore":
            mentions = without_surfaces(mentions)
        fitted = fit(text, mentions)
        entities = settle(fitted, where, notes)
        if entities is not None:
            yield Record(fitted.text, entities, where, id=block.id, document=block.id)


def _read_blocks(file: TextFile, notes: Notes) -> Iterator[Block]:
    """YIELDS (Block): The documents."""
    block: Optional[Block] = None
    for number, line in file.lines(notes):
        section = SECTION.match(line)
        if section:
            id, letter, text = section[1].strip(), section[2], section[3]
            if block is not None and (block.id != id or block.rows or letter == "t"):
                yield block
                block = None
            block = block or Block(id, number, [], [], [])
            # An empty abstract at the end adds nothing; an empty title does: offsets count the
            # character after it.
            if text or letter == "t":
                block.sections.append(text)
            if isinstance(line, BadLine):
                block.bad.append(number)
            continue
        cells = line.split("\t")
        if not line.strip() or isinstance(line, BadLine):
            continue
        if len(cells) < 2:
            notes.bad(
                file.where(number),
                f"{line[:60]!r} is neither text (id|t|title) nor a mention",
                "Remove it, or correct it",
            )
        elif block is None or cells[0].strip() != block.id:
            notes.bad(
                file.where(number),
                f"the mention belongs to {cells[0]!r}, but the text before it is that of "
                + ("nothing" if block is None else repr(block.id)),
                f"Put it after the lines {cells[0]}|t|... and {cells[0]}|a|...",
            )
        else:
            block.rows.append((number, cells))
    if block is not None:
        yield block


def _read_mentions(block: Block, file: TextFile, notes: Notes, split: bool) -> List[Mention]:
    """RETURNS (List[Mention]): The mentions of a document."""
    mentions = []
    for number, cells in block.rows:
        where = file.where(number, block.id)
        is_number = [bool(INTEGER.match(cell.strip())) for cell in cells[1:3]]
        if is_number and not is_number[0] and len(cells) >= 3:
            notes.add(RELATIONS, where, text=" ".join(cells[1:]))
            continue
        if is_number != [True, True] or len(cells) < 5 or not cells[4].strip():
            notes.bad(
                where,
                f"{' '.join(cells)[:60]!r} is no mention, but has {len(cells)} columns",
                "Mentions have the columns id, start, end, text, type and concept, with tabs "
                "between them",
            )
            continue
        start, end = int(cells[1]), int(cells[2])
        surface, types = cells[3], cells[4].strip()
        kb_id = cells[5].strip() if len(cells) > 5 else ""
        if len(cells) > 6 and cells[6].strip():
            notes.add(COMPOSITE, where, types, surface)
        labels = parts_of_types(types) if split else [types]
        if len(labels) > 1:
            notes.add(SEVERAL_TYPES, where, types, surface)
        kb_id = "" if kb_id in NO_ID else kb_id
        mentions += [Mention(((start, end),), label, kb_id, surface, number) for label in labels]
    return mentions


FORMAT = Format(
    name="pubtator",
    about="PubTator: titles, abstracts and mentions in lines",
    # Others (.txt) are read if they are recognised: a README.txt beside them is not.
    suffixes=(".pubtator", ".PubTator", ".PubTator.txt"),
    recognise=recognise,
    read=read,
)
