"""BioC XML: collections of documents in passages."""

import re
from typing import Any, Dict, Iterator, Literal, Optional
from xml.etree.ElementTree import Element

from ...format import Format
from ...notes import Notes
from ...records import Record
from ...safe_xml import BadXML, elements
from ...textfile import Head, TextFile
from .documents import Options, read_document

COLLECTION = re.compile(r"<collection[\s>]")
INSIDE = re.compile(r"<passage[\s>/]|<document[\s>/]|BioC\.dtd")
LISTS = {"passage": "passages", "sentence": "sentences", "annotation": "annotations"}


def recognise(head: Head) -> Optional[str]:
    """Recognise the elements of BioC."""
    start = head.text.lstrip()
    if start.startswith("<") and COLLECTION.search(start) and INSIDE.search(start):
        return "XML with <collection> and <document>, as in BioC"
    return None


def read(
    file: TextFile,
    notes: Notes,
    *,
    type_key: str = "type",
    types: Literal["split", "keep"] = "split",
    surfaces: Literal["check", "ignore"] = "check",
) -> Iterator[Record]:
    """Read BioC XML, document by document. Its passages become one text: a line end stands between
    them, and a blank between sentences, with as many blanks more as their offsets leave room for.
    Mentions with several locations have as many fragments. They refer to their infon "identifier",
    or to those that are named after a knowledge base (MESH, OMIM, "NCBI GENE").

    type_key (str): Which infon of an annotation is its label.
    types (str): Whether a type such as "T1,T2" or "T1|T2" is split, so that the mention is an
        entity of each type, or kept as one label.
    surfaces (str): Whether the text of the mentions is compared with what stands at their offsets,
        to find out how these count, or ignored.
    """
    options = Options(type_key, types == "split", surfaces == "check")
    try:
        for element, line in elements(file, ["document"]):
            record = read_document(_document(element), file.where(line), notes, options)
            if record is not None:
                yield record
    except BadXML as error:
        # What comes after broken XML cannot be read.
        notes.bad(error.where, error.found, error.advice)


def _document(element: Element) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): An element as BioC JSON has it."""
    found: Dict[str, Any] = {"infons": {}, "relations": [], "locations": []}
    for child in element:
        name = child.tag
        if name in LISTS:
            found.setdefault(LISTS[name], []).append(_document(child))
        elif name == "infon":
            key, value = child.get("key", ""), child.text or ""
            known = found["infons"].get(key)
            found["infons"][key] = value if known is None else f"{known},{value}"
        elif name == "location":
            found["locations"].append(dict(child.attrib))
        elif name == "relation":
            found["relations"].append(child.attrib)
        elif name in ("id", "offset", "text"):
            found[name] = "".join(child.itertext())
    return found


FORMAT = Format(
    name="bioc",
    about="BioC XML",
    suffixes=(".xml", ".bioc", ".XML"),
    recognise=recognise,
    read=read,
)
