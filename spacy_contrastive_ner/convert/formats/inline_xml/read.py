"""XML with the entities as elements in the text, such as GENIA and HAREM."""

import re
from pathlib import Path
from typing import Dict, Iterator, List, Literal, Optional, Set

from ...format import Format
from ...notes import BadInput, Kind, Notes
from ...records import Record
from ...safe_xml import BadXML, Event, decode, encoding_of, text_events
from ...textfile import Head, TextFile, decode_head
from .elements import (
    SENTENCES,
    TEXTS,
    WRAP,
    Roles,
    Stats,
    find_documents,
    find_entities,
    find_label,
    survey,
)
from .walk import Choices, Walk

AMPERSAND = Kind("a bare & read as such")

PROLOG = re.compile(r"<\?xml\s.*?\?>|<!DOCTYPE[^\[>]*>", re.DOTALL)
BARE = re.compile(r"&(?!#[0-9]+;|#x[0-9a-fA-F]+;|[A-Za-z_][\w.-]*;)")
DECLARES = re.compile(
    r"(?:<\?xml\s.*?\?>|<!--.*?-->|\s)*<!DOCTYPE[^\[>]*\[.{0,2000}?<!ENTITY", re.DOTALL
)
CDATA = re.compile(r"(<!\[CDATA\[.*?\]\]>|<!--.*?-->)", re.DOTALL)
# What expat finds wrong with several roots: text before the first, something after it, and an XML
# declaration before the second.
SEVERAL_ROOTS = (2, 9, 30)
BARE_ERRORS = (4,)
TAG_MISMATCH = 7
NO_XML = re.compile(
    rb"<!doctype html|<html|xmi:XMI|http://www.omg.org/XMI|<typeSystemDescription|BioC\.dtd"
    rb"|<collection>|<rss|<svg|<feed",
    re.IGNORECASE,
)


def read(
    file: TextFile,
    notes: Notes,
    *,
    entities: Optional[List[str]] = None,
    label: str = "auto",
    document: str = "auto",
    sentence: str = "auto",
    text: str = "auto",
    alternatives: Literal["first", "all", "keep"] = "first",
    composite: Literal["each", "keep"] = "each",
    prefix: bool = False,
    kb: str = "",
) -> Iterator[Record]:
    """Read XML with entities as elements in the text. The text is kept as it is in the elements,
    with all its white space; a line break is put between blocks that touch. The file may have no
    root, and a & may stand for itself.

    file (TextFile): The file.
    notes (Notes): What is counted and decided.
    entities (Optional[List[str]]): The elements of entities. They are found by themselves if none
        are given: those that stand beside text, and say not only how it looks.
    label (str): The attribute with the label, or "tag" for the name of the element. "auto" decides
        from the attributes there are.
    document (str): The element of a document, or "" if the file is one. "auto": "doc", "document",
        "article" and the like, or what the root consists of.
    sentence (str): The element of a sentence, or "" if there is none. "auto": "s", "sentence".
    text (str): The element with the text of a document, or "" if all of it is. "auto": "text",
        "texto", "body", if all entities are in them. What names the document is no text.
    alternatives (Literal["first", "all", "keep"]): Which alternatives are read, of labels such as
        "PERSON|PLACE" and in elements <ALT>...|...</ALT>. "keep": labels as they are, the first
        of the elements.
    composite (Literal["each", "keep"]): What is made of labels such as "(AND G#dna G#rna)": an
        entity for each of its parts, or a label as it is.
    prefix (bool): Whether what stands before a # in a label is kept.
    kb (str): The attribute with what an entity refers to, "" if there is none.
    YIELDS (Record): The documents.
    """
    try:
        found = parse(file, file.raw(), notes)
    except BadInput as error:
        notes.bad(error.where, error.found, error.advice)
        return
    stats = survey(found)
    roles = _find_roles(found, stats, entities, label, document, sentence, text)
    _tell(roles, stats, notes)
    choices = Choices(roles, alternatives, composite, prefix, kb)
    yield from Walk(file, choices, notes).records(found)


def recognise(head: Head) -> Optional[str]:
    """RETURNS (Optional[str]): Why a file is XML with entities in the text, None if it is not."""
    if head.path.suffix.lower() in (".md", ".html", ".htm", ".xhtml", ".xmi"):
        return None
    if b"<" not in head.data or NO_XML.search(head.data[:4096]):
        return None
    start = _beginning(head).lstrip("\ufeff \t\r\n")
    if not re.match(r"<[A-Za-z_?!]", start):
        return None
    if DECLARES.match(start):
        # So that it is refused with the reason.
        return "XML that declares entities"
    start = "".join(
        part if index % 2 else BARE.sub("&amp;", part)
        for index, part in enumerate(CDATA.split(start))
    )
    names: List[str] = []
    for beginning in (start, _wrapped(start)):
        names = find_entities(survey(_possible(TextFile(head.path), beginning)))
        if names:
            break
    if not names:
        is_named_so = head.path.suffix.lower() in FORMAT.suffixes
        return "XML that is not well-formed" if is_named_so and _is_broken(start) else None
    shown = ", ".join(f"<{name}>" for name in names[:3])
    return f"XML with elements in the text, such as {shown}"


def parse(file: TextFile, data: bytes, notes: Notes) -> List[Event]:
    """Read XML; what is not quite XML is mended: several roots, bare &.

    file (TextFile): The file.
    data (bytes): Its contents.
    notes (Notes): What is counted and decided.
    RETURNS (List[Event]): Its elements and texts.
    """
    text = "".join(decode(file, [data]))
    # White space before the XML declaration.
    text = re.sub(
        r"^(\s+)(<\?xml\s.*?\?>)", lambda match: match[1] + _blank(match[2]), text, count=1
    )
    wrapped = mended = False
    while True:
        try:
            found = list(text_events(file, [text]))
            break
        except BadXML as error:
            if error.code in SEVERAL_ROOTS and not wrapped:
                text, wrapped = _wrapped(text), True
            elif error.code in BARE_ERRORS and not mended and BARE.search(text):
                text, mended = _mended(text, file, notes), True
            elif wrapped and error.code == TAG_MISMATCH:
                # It may be the end of the added root that does not fit.
                list(text_events(file, [text.removesuffix(f"</{WRAP}>")]))
                raise
            else:
                raise
    if wrapped:
        notes.decided("some files have no root element: they are read as if they had one")
    return found


def _beginning(head: Head) -> str:
    """RETURNS (str): How a file begins, in the encoding that it names."""
    try:
        return decode_head(head.data, encoding_of(head.data, "utf-8"), head.complete)
    except Exception:
        # A declaration may name anything that Python can decode, such as zip.
        return head.text or head.data.decode("latin-1")


def _wrapped(text: str) -> str:
    text = PROLOG.sub(lambda match: _blank(match[0]), text)
    return f"<{WRAP}>{text}</{WRAP}>"


def _blank(text: str) -> str:
    """RETURNS (str): As much white space, so that lines keep their numbers."""
    return re.sub(r"\S", " ", text)


def _mended(text: str, file: TextFile, notes: Notes) -> str:
    parts = CDATA.split(text)
    for index in range(0, len(parts), 2):
        for match in BARE.finditer(parts[index]):
            line = "".join(parts[:index]).count("\n") + parts[index].count("\n", 0, match.start())
            near = parts[index][max(0, match.start() - 15) : match.end() + 15]
            notes.add(AMPERSAND, file.where(line + 1), text=near)
        parts[index] = BARE.sub("&amp;", parts[index])
    return "".join(parts)


def _possible(file: TextFile, text: str) -> Iterator[Event]:
    """YIELDS (Event): The pieces of XML up to the first error."""
    try:
        yield from text_events(file, [text])
    except BadInput:
        return


def _is_broken(text: str) -> bool:
    """Whether elements end that have not begun. It is refused when it is read, with the line."""
    try:
        list(text_events(TextFile(Path("")), [text]))
    except BadXML as error:
        return error.code == TAG_MISMATCH
    except BadInput:
        pass
    return False


def _find_roles(
    events: List[Event],
    stats: Dict[str, Stats],
    entities: Optional[List[str]],
    label: str,
    document: str,
    sentence: str,
    text: str,
) -> Roles:
    """Find what the elements of a file are, as far as it was not said."""
    found = find_entities(stats) if entities is None else entities
    documents = [document] if document else []
    if document == "auto":
        documents = find_documents(stats, found)
    sentences = [sentence] if sentence else []
    if sentence == "auto":
        sentences = [name for name in stats if name.lower() in SENTENCES]
    texts = [text] if text else []
    if text == "auto":
        texts = [name for name in stats if name.lower() in TEXTS and name not in documents]
        if _stand_outside(events, set(texts), set(found)):
            texts = []
    return Roles(
        frozenset(documents),
        frozenset(texts),
        frozenset(sentences),
        frozenset(found),
        find_label(stats, found) if label == "auto" else label,
    )


def _stand_outside(events: List[Event], texts: Set[str], entities: Set[str]) -> bool:
    """Whether entities stand outside of some elements."""
    depth = 0
    for event in events:
        if event.name in texts:
            depth += 1 if event.kind == "start" else -1
        elif event.kind == "start" and event.name in entities and not depth:
            return True
    return False


def _tell(roles: Roles, stats: Dict[str, Stats], notes: Notes) -> None:
    if not roles.entities:
        notes.decided("some files have no elements that look like entities (--read entities=NAMES)")
        return
    names = [name for name in stats if name in roles.entities] or sorted(roles.entities)
    shown = ", ".join(f"<{name}>" for name in names[:12]) + ", ..." * (len(names) > 12)
    what = "the name of the element" if roles.label == "tag" else f"the attribute {roles.label!r}"
    notes.decided(f"entities are the elements {shown}; the label is {what}")
    for elements, what in (
        (roles.documents, "documents"),
        (roles.texts, "the texts of documents"),
        (roles.sentences, "sentences"),
    ):
        for name in sorted(elements):
            notes.decided(f"{what} are the elements <{name}>")


FORMAT = Format(
    name="inline-xml",
    about="XML or SGML with the entities as elements in the text",
    suffixes=(".xml", ".sgml", ".sgm"),
    recognise=recognise,
    read=read,
)
