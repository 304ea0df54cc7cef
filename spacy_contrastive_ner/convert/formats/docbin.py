"""Files of spaCy documents (DocBin), in and out."""

import zlib
from itertools import chain
from pathlib import Path
from typing import Iterable, Iterator, List, Optional, Tuple

import spacy
from spacy.tokens import Doc, DocBin, SpanGroup

from ..docbins import quick_codecs
from ..documents import ID, read_doc_record
from ..format import Format
from ..notes import BadInput, Kind, Notes
from ..records import Record
from ..textfile import Head, TextFile

NO_KEY = Kind("document without the span group, which is not annotated")
# What files that are compressed by zlib begin with.
COMPRESSED = b"\x78"


def recognise(head: Head) -> Optional[str]:
    """RETURNS (Optional[str]): Why a file is a DocBin, whose first key shows when it is unpacked."""
    if head.data[:1] != COMPRESSED:
        return None
    try:
        start = zlib.decompressobj().decompress(head.data[:1000], 100)
    except zlib.error:
        start = b""
    if head.path.suffix == ".spacy" or b"version" in start:
        return "a file of spaCy documents (DocBin)"
    return None


def read(
    file: TextFile, notes: Notes, *, key: str = "sc", missing: str = "missing", ents: bool = False
) -> Iterator[Record]:
    """Read documents of spaCy.

    file (TextFile): The file.
    notes (Notes): Told about documents without annotation.
    key (str): The key of the entities in `doc.spans`.
    missing (str): The key of the stretches whose annotation is unknown.
    ents (bool): Whether to read `doc.ents` instead.
    YIELDS (Record): The records.
    """
    docs = enumerate(_docs(file, notes), 1)
    # Documents are kept until there is one with the group: if there is none, that is an error.
    waiting: List[Tuple[int, Doc]] = []
    for number, doc in docs:
        waiting.append((number, doc))
        if ents or key in doc.spans:
            break
    else:
        if waiting:
            notes.bad(file.where(), f"no document has the span group {key!r}", _advice(waiting))
        return
    for number, doc in chain(waiting, docs):
        place = file.where(id=str(doc.user_data.get(ID) or number))
        if ents:
            _copy_ents(doc, key)
        if key not in doc.spans:
            notes.add(NO_KEY, place)
        record = read_doc_record(doc, place, key, missing)
        # Its number is for messages only: no name is made up.
        record.id = str(doc.user_data.get(ID) or "")
        doc.spans.pop(key, None)
        doc.spans.pop(missing, None)
        yield record


def _docs(file: TextFile, notes: Notes) -> Iterator[Doc]:
    """The documents, made one at a time."""
    data, n_read = file.raw(), 0
    try:
        with quick_codecs():
            vocab = spacy.blank("xx").vocab
            for doc in DocBin(store_user_data=True).from_bytes(data).get_docs(vocab):
                yield doc
                n_read += 1
    # What damaged data leads to is not foreseen in DocBin.
    except Exception as error:
        message = " ".join(str(error).split()) or type(error).__name__
        found = f"it is no file of spaCy documents (DocBin), or a damaged one: {message}"
        if n_read:
            found = f"document {n_read + 1} is damaged, those after it are not read: {message}"
        notes.bad(file.where(), found, "Write it anew with DocBin.to_disk")


def _advice(docs: List[Tuple[int, Doc]]) -> str:
    """What to read instead of a group that is not there."""
    keys = sorted({name for _, doc in docs for name in doc.spans})
    ways = []
    if keys:
        ways.append(f"--read key=NAME with one of these: {', '.join(map(repr, keys))}")
    if any(doc.ents for _, doc in docs):
        ways.append("--read ents=true to read doc.ents")
    return f"Use {', or '.join(ways)}" if ways else "Nothing in it is annotated"


def _copy_ents(doc: Doc, key: str) -> None:
    """Write `doc.ents` to the span group, if they are annotated."""
    doc.spans.pop(key, None)
    if doc.has_annotation("ENT_IOB"):
        doc.spans[key] = SpanGroup(doc, name=key, spans=list(doc.ents))


def write(records: Iterable[Record], path: Path, notes: Notes) -> None:
    """Write documents of spaCy. The caller has made them, and aligned the entities.

    records (Iterable[Record]): The records.
    path (Path): The file.
    notes (Notes): Told about what cannot be written.
    """
    docs = DocBin(store_user_data=True)
    with quick_codecs():
        for record in records:
            doc, record.doc = record.doc, None
            assert doc is not None
            try:
                docs.add(doc)
            except (OverflowError, TypeError, UnicodeEncodeError) as error:
                raise BadInput(
                    record.where,
                    f"what it has in doc.user_data cannot be written: {error}",
                    "Remove it",
                ) from error
        docs.to_disk(path)


FORMAT = Format(
    name="spacy",
    about="spaCy's own files of documents (DocBin)",
    suffixes=(".spacy",),
    recognise=recognise,
    read=read,
    write=write,
    needs_tokens=True,
)
