"""BioC JSON: collections of documents in passages, or a document a line."""

from typing import Any, Dict, Iterator, Literal, Optional

from ...format import Format
from ...notes import Notes
from ...records import Record
from ...textfile import Head, TextFile
from ..shared.json_lines import first_value, objects
from .documents import Options, read_document


def recognise(head: Head) -> Optional[str]:
    """Recognise documents in passages."""
    value = first_value(head)
    for document in _documents(value) if isinstance(value, dict) else ():
        passages = document.get("passages")
        first = passages[0] if isinstance(passages, list) and passages else None
        if isinstance(first, dict) and ("offset" in first or "infons" in first):
            return 'JSON with "passages" of documents, as in BioC'
    return None


def read(
    file: TextFile,
    notes: Notes,
    *,
    type_key: str = "type",
    types: Literal["split", "keep"] = "split",
    surfaces: Literal["check", "ignore"] = "check",
) -> Iterator[Record]:
    """Read BioC JSON: a collection, a list of documents, or a document in each line. Passages and
    mentions are read as those of BioC XML.

    type_key (str): Which infon of an annotation is its label.
    types (str): Whether a type such as "T1,T2" or "T1|T2" is split, so that the mention is an
        entity of each type, or kept as one label.
    surfaces (str): Whether the text of the mentions is compared with what stands at their offsets,
        to find out how these count, or ignored.
    """
    options = Options(type_key, types == "split", surfaces == "check")
    for line, value in objects(file, notes):
        n_documents = 0
        for document in _documents(value):
            n_documents += 1
            record = read_document(document, file.where(line), notes, options)
            if record is not None:
                yield record
        if not n_documents and not isinstance(value.get("documents"), list):
            notes.bad(
                file.where(line),
                "the JSON holds no documents with passages",
                'Give BioC JSON: {"documents": [{"passages": ...}]}',
            )


def _documents(value: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    """YIELDS (Dict[str, Any]): The documents in a JSON object: itself, or those of a list in it."""
    if "passages" in value:
        yield value
        return
    for inner in value.values():
        for document in inner if isinstance(inner, list) else ():
            if isinstance(document, dict) and "passages" in document:
                yield document


FORMAT = Format(
    name="bioc-json",
    about="BioC JSON",
    suffixes=(".json", ".jsonl"),
    recognise=recognise,
    read=read,
)
