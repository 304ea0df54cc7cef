"""UIMA CAS as XMI and JSON, as INCEpTION and DKPro write them."""

from collections import Counter
from typing import Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from ...format import Format
from ...notes import BadInput, Kind, Notes
from ...records import Entity, Record, Stretch, Where, entity
from ...textfile import Head, TextFile
from ..shared.annotators import (
    NO_ANNOTATOR,
    FileKind,
    Group,
    agree,
    group_of_file,
    itself,
    pass_over,
    tell,
    wanted_of,
)
from ..shared.inception_layers import NAMED_ENTITY, label_feature, may_hold_entities, short
from ..shared.offsets import Ruler
from .cas import INITIAL_VIEW, Cas, Span, short_reason
from .sources import SUFFIXES, Source, looks_like_cas, names_in, sources_of, text_of

OTHER_TYPE = Kind("annotations of other types passed over")
OTHER_VIEW = Kind("annotations of other views passed over")
RELATION = Kind("relations passed over")
NO_LABEL = Kind("spans without a label passed over", is_loss=True)

FILES = FileKind(looks_like_cas, text_of)


class Choice(NamedTuple):
    """Which annotations are entities.

    types (List[str]): The types, by their name or the last part of it; none to choose.
    feature (str): The feature that is the label, or "auto".
    annotator (str): Whose annotations, or "auto", "every", "majority".
    """

    types: List[str]
    feature: str
    annotator: str


def read(
    file: TextFile,
    notes: Notes,
    *,
    type: Optional[List[str]] = None,
    feature: str = "auto",
    annotator: str = "auto",
) -> Iterator[Record]:
    """Read UIMA CAS files: XMI (its TypeSystem.xml is used if it stands beside), JSON, the older
    JSON of UIMA, and zip archives with them. Offsets count UTF-16 units; of several views the
    initial one is read.

    INCEpTION writes a folder for each document, with a file for each annotator. So files in one
    folder, with the same text, are taken for one document, and the reader of each looks which of
    them is to be read: it passes itself over, and counts that, if it is another. What INCEpTION
    parts into `annotation` and `curation` is put together again.

    file (TextFile): The file.
    notes (Notes): What is counted and decided.
    type (Optional[List[str]]): The types of the entities, by their names or the last parts of them.
        If none are given: NamedEntity if there are any, else all types whose annotations have a
        feature with a string, and are no tokens, sentences, tags or metadata.
    feature (str): The feature that is the label. "auto": "value", or else the first that may be.
        Types without features give their own name as the label.
    annotator (str): Whose annotations are read, by the name of the file. "auto": CURATION_USER, or
        else the first; "majority": what more than half of the annotators (without CURATION_USER)
        have; "every": each file is a document.
    YIELDS (Record): The documents.
    """
    choice = Choice(type or [], feature, annotator)
    try:
        if file.path.suffix.lower() == ".zip":
            groups = _groups_in_archive(file, sources_of(file), choice, notes)
        else:
            found = group_of_file(file, annotator, FILES, notes)
            sources = [
                source for item in (found.items if found else ()) for source in sources_of(item)
            ]
            groups = [Group(sources, found.folder, found.every)] if found else []
    except BadInput as error:
        notes.bad(error.where, error.found, error.advice)
        return
    for group in groups:
        try:
            yield _read_group(group, choice, notes)
        except BadInput as error:
            notes.bad(error.where, error.found, error.advice)


def recognise(head: Head) -> Optional[str]:
    """RETURNS (Optional[str]): Why a file is a UIMA CAS, None if it is not."""
    if head.data.startswith(b"PK\3\4"):
        names = names_in(head.path)
        return f"a zip archive with {names[0]}" if names else None
    return short_reason(head.data)


def _groups_in_archive(
    file: TextFile, sources: List[Source], choice: Choice, notes: Notes
) -> List[Group[Source]]:
    """Find what is read of an archive: what is in one folder and has the same text is one
    document."""
    if not sources:
        raise BadInput(
            file.where(), "it holds no UIMA CAS", "Export the documents as UIMA CAS XMI or JSON"
        )
    by_text: Dict[Tuple[str, str], List[Source]] = {}
    for source in sources:
        try:
            by_text.setdefault((source.document, source.cas().text), []).append(source)
        except BadInput as error:
            notes.bad(error.where, error.found, error.advice)
    folders = Counter(document for document, _ in by_text)
    groups = []
    for (document, _), same in by_text.items():
        if choice.annotator == "every":
            folder = document if len(same) > 1 else ""
            groups += [Group([source], folder, True) for source in same]
            continue
        wanted = wanted_of([source.annotator for source in same], choice.annotator)
        for source in same:
            if wanted and source.annotator not in wanted:
                pass_over(source.file.where(), source.annotator, notes)
        if not wanted:
            notes.add(NO_ANNOTATOR, same[0].file.where(), text=document)
            continue
        if len(same) > 1:
            tell(choice.annotator, notes)
        is_folder = len(same) > 1 or (folders[document] == 1 and len(by_text) > 1)
        chosen = [source for source in same if source.annotator in wanted]
        groups.append(Group(chosen, document if is_folder else "", False))
    return groups


def _read_group(group: Group[Source], choice: Choice, notes: Notes) -> Record:
    """Read a document: the file of one annotator, or what most of several have."""
    return agree([_read_cas(source, choice, group, notes) for source in group.items], notes)


def _read_cas(source: Source, choice: Choice, group: Group[Source], notes: Notes) -> Record:
    cas = source.cas()
    name, document = group.names(source.annotator, cas.title)
    where = source.file.where(0, name)
    ruler = Ruler(cas.text, "utf-16")
    record = Record(cas.text, [], where, name, document)
    by_type: Dict[str, List[Span]] = {}
    for span in cas.spans:
        by_type.setdefault(span.type, []).append(span)
    types = _choose_types(by_type, choice, notes)
    for type, spans in by_type.items():
        if type in types:
            record.entities += _entities(type, spans, choice, cas, ruler, where, notes)
        elif spans[0].is_relation:
            notes.add(RELATION, where, short(type), n=len(spans))
        elif may_hold_entities(type):
            notes.add(OTHER_TYPE, where, short(type), n=len(spans))
    record.tokens = _stretches(by_type, "Token", ruler, cas.text)
    record.sents = _stretches(by_type, "Sentence", ruler, cas.text)
    if cas.language not in ("", "x-unspecified"):
        record.meta["lang"] = cas.language
    for view, n in cas.other_views.items():
        notes.add(OTHER_VIEW, where, view, n=n)
    if cas.view != INITIAL_VIEW:
        notes.decided(f"there is no text in the initial view: the view {cas.view!r} is read")
    return record


def _choose_types(by_type: Dict[str, List[Span]], choice: Choice, notes: Notes) -> List[str]:
    """Choose the types of the entities in a document."""
    spans_of = {type: spans for type, spans in by_type.items() if not spans[0].is_relation}
    if choice.types:
        return [type for type in spans_of if {type, short(type)} & set(choice.types)]
    possible = [type for type in spans_of if may_hold_entities(type)]
    types = [type for type in possible if type.startswith(NAMED_ENTITY)]
    types = types or [
        type for type in possible if _feature(spans_of[type], choice.feature) is not None
    ]
    # Types without any feature say by their name what they are.
    types = types or [
        type for type in possible if not any(span.features for span in spans_of[type])
    ]
    for type in types:
        notes.decided(f"entities are read from the type {type}")
    return types


def _feature(spans: List[Span], wanted: str) -> Optional[str]:
    """RETURNS (Optional[str]): The feature that is the label of a type; None if there is none."""
    there = Counter(name for span in spans for name in span.features)
    if wanted != "auto":
        return wanted if wanted in there else None
    return label_feature(name for name, _ in there.most_common())


def _entities(
    type: str,
    spans: List[Span],
    choice: Choice,
    cas: Cas,
    ruler: Ruler,
    where: Where,
    notes: Notes,
) -> Iterator[Entity]:
    feature = _feature(spans, choice.feature)
    is_bare = choice.feature == "auto" and not any(span.features for span in spans)
    if feature is not None:
        notes.decided(f"the label is the feature {feature!r} of the type {type}")
    for span in spans:
        start, end = ruler.around(span.begin, span.end)
        labels = span.features.get(feature, []) if feature is not None else []
        if is_bare and not type.startswith(NAMED_ENTITY):
            labels = [short(type)]
        if not labels:
            notes.add(NO_LABEL, where, text=cas.text[start:end])
        kb_id = span.features.get("identifier", [""])[0] if feature != "identifier" else ""
        for label in labels:
            yield entity(start, end, label, kb_id)


def _stretches(
    by_type: Dict[str, List[Span]], name: str, ruler: Ruler, text: str
) -> Optional[List[Stretch]]:
    """RETURNS (Optional[List[Stretch]]): The tokens or sentences, None if there are none."""
    found: Set[Stretch] = set()
    for type, spans in by_type.items():
        if short(type) == name:
            found.update(ruler.around(span.begin, span.end) for span in spans)
    return sorted((start, end) for start, end in found if text[start:end].strip()) or None


FORMAT = Format(
    name="uima",
    about="UIMA CAS as XMI or JSON, an export of INCEpTION and DKPro",
    suffixes=SUFFIXES,
    recognise=recognise,
    read=read,
    instead=itself,
)
