import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Optional

import spacy
from spacy.cli._util import Arg, Opt
from spacy.tokens import Doc
from wasabi import Printer

from ..annotations import read_doc
from ..convert.docbins import docs_in, quick_codecs
from ..convert.documents import ID, read_doc_record
from ..convert.notes import Kind, Notes
from ..convert.page import render_page
from ..convert.records import Entity, Record, Where
from ..convert.summary import Summary, shorten
from ..corpora.sources import find_files
from ..files import write_atomically
from . import options
from .app import app
from .failing import failing
from .progress import progress
from .signals import ending_cleanly

NO_GROUP = Kind("documents without this span group, which count as not annotated")
NO_WORDS = Kind("documents without any words")


@app.command("info")
@ending_cleanly("Interrupted")
def info_cli(
    path: Path = Arg(
        ..., readable=False, help="A .spacy file, or a folder that is searched for them"
    ),
    spans_key: str = options.SPANS_KEY,
    missing_key: str = options.MISSING_KEY,
    html: Optional[Path] = Opt(
        None,
        "--html",
        "-H",
        readable=False,
        help="Page to write that shows the first documents with entities",
    ),
    limit: int = Opt(20, "--limit", "-n", min=1, help="How many documents the page shows"),
    as_json: bool = Opt(False, "--json", "-j", help="Print JSON, and nothing else"),
    silent: bool = options.SILENT,
) -> None:
    """
    Tell what is in files of annotated documents: how many documents, tokens and
    entities of each label there are, how many entities lie in or across each
    other, and how deep.

    If no document has the span group, but there are entities in doc.ents, these
    are counted. With --html a page shows the first documents that have entities,
    nested ones below each other.
    """
    msg = Printer(no_print=silent or as_json)
    with failing("The documents cannot be shown", html or path):
        if html is not None and html.is_dir():
            raise ValueError(f"{html} is a folder. Name a file for the page.")
        survey = Survey(spans_key, missing_key, limit if html is not None else 0)
        _read(path, survey, silent or as_json)
        counted = survey.chosen
        if not counted.summary.documents:
            raise ValueError(f"{path} holds no documents. Check how it was made.")
        if html is not None:
            page = render_page(counted.shown, counted.summary, str(path))
            write_atomically(html, page.encode("utf8"))
        if as_json and not silent:
            print(json.dumps(survey.as_dict(), ensure_ascii=False, indent=2))
        if not silent and not as_json:
            print(counted.summary.table(counted.notes))
        _tell_source(survey, msg)
        if html is not None:
            msg.good(f"The first {len(counted.shown)} documents with entities are in {html}")


class Counted:
    """Documents that are counted, and the first that have entities.

    limit (int): How many are kept of these.
    """

    def __init__(self, limit: int) -> None:
        self.summary, self.notes, self.limit = Summary(), Notes(), limit
        self.shown: List[Record] = []

    def add(self, record: Record) -> None:
        """Count a record."""
        self.summary.add(record)
        if not record.tokens:
            self.notes.add(NO_WORDS, record.where)
        if record.entities and len(self.shown) < self.limit:
            self.shown.append(record)


class Survey:
    """Counts documents by a span group, and by `doc.ents` as long as no document has that group.

    spans_key (str): The key of the entities in `doc.spans`.
    missing_key (str): The key of the stretches whose annotation is unknown.
    limit (int): How many documents with entities are kept.
    """

    def __init__(self, spans_key: str, missing_key: str, limit: int) -> None:
        self.spans_key, self.missing_key = spans_key, missing_key
        self.by_group, self.by_ents = Counted(limit), Counted(limit)
        self.has_group = False
        # In how many documents each group is.
        self.groups: Counter = Counter()

    def add(self, doc: Doc, where: Where) -> None:
        """Count a document."""
        self.groups.update(list(doc.spans))
        self.has_group = self.has_group or self.spans_key in doc.spans
        record = read_doc_record(doc, where, self.spans_key, self.missing_key)
        self.by_group.add(record)
        if self.spans_key not in doc.spans:
            there = ", ".join(repr(key) for key in doc.spans) or "no other group"
            self.by_group.notes.add(NO_GROUP, record.where, there)
        if not self.has_group:
            self.by_ents.add(_by_ents(record))

    @property
    def uses_ents(self) -> bool:
        """RETURNS (bool): Whether `doc.ents` is all there is."""
        return not self.has_group and self.by_ents.summary.entities.entities > 0

    @property
    def chosen(self) -> Counted:
        """RETURNS (Counted): What to tell."""
        return self.by_ents if self.uses_ents else self.by_group

    def as_dict(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What to tell, as it can be written as JSON."""
        return {
            "read_from": "doc.ents" if self.uses_ents else f"doc.spans[{self.spans_key!r}]",
            "span_groups": dict(self.groups),
            **self.chosen.summary.as_dict(self.chosen.notes),
        }


def _by_ents(record: Record) -> Record:
    """The record as `doc.ents` has it."""
    doc = record.doc
    assert doc is not None
    entities = [Entity(((e.start_char, e.end_char),), e.label_, e.kb_id_) for e in doc.ents]
    missing = [
        Entity(((doc[start:end].start_char, doc[start:end].end_char),), label)
        for start, end, label in read_doc(doc, "", use_ents=True).missing
    ]
    return replace(record, entities=entities, missing=missing)


def _read(path: Path, survey: Survey, silent: bool) -> None:
    files = find_files(
        path, "The documents to tell about", "name a .spacy file or a folder of them"
    )
    vocab = spacy.blank("xx").vocab
    with quick_codecs(), progress(silent, unit=" documents") as bar:
        for file in files:
            for number, doc in enumerate(docs_in(file, vocab), 1):
                survey.add(doc, Where(file, id=str(doc.user_data.get(ID) or number)))
                bar.update()


def _tell_source(survey: Survey, msg: Printer) -> None:
    """Say what was read, if it is not what was asked for."""
    if survey.has_group:
        return
    there = ", ".join(f"{shorten(key)!r} ({n})" for key, n in survey.groups.most_common())
    text = f"The span groups that are there, and in how many documents: {there}." if there else ""
    if survey.uses_ents:
        title = (
            f"No document has doc.spans[{survey.spans_key!r}]: these are the entities of doc.ents"
        )
    else:
        title = f"No document has doc.spans[{survey.spans_key!r}], or entities in doc.ents"
    msg.warn(title, f"{text} Name one of them with --spans-key." if there else "")
