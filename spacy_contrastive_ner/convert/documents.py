"""Records and documents of spaCy: alignment, span groups."""

from bisect import bisect_left, bisect_right
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup

from ..annotations import flat_view
from .notes import Kind, Notes
from .records import Entity, Record, Stretch, Where
from .tokens import doc_of_tokens

ALIGNMENTS = ("expand", "contract", "strict", "retokenize")

# What is remembered of a record in doc.user_data.
ID, DOCUMENT, META = "id", "document", "meta"

EXPANDED = Kind("cuts a token, and was made longer", is_loss=True)
CONTRACTED = Kind("cuts a token, and was made shorter", is_loss=True)
MISALIGNED = Kind("cuts a token, and was dropped", is_loss=True)
SPLIT = Kind("cuts a token, which was split")
MERGED = Kind("the same as another after alignment, and was dropped", is_loss=True)
SENTENCES = Kind("document whose sentences were fitted to its tokens, without gaps")
REMADE = Kind("document with other tokens, without its tags, lemmas and span groups", is_loss=True)


class Keys(NamedTuple):
    """Where a document holds what.

    spans (str): The key of the entities in `doc.spans`.
    missing (str): The key of the stretches whose annotation is unknown.
    """

    spans: str = "sc"
    missing: str = "missing"


def annotate(
    record: Record, doc: Doc, nlp: Language, keys: Keys, alignment: str, notes: Notes
) -> Record:
    """Write the annotation of a record to a document.

    record (Record): The record.
    doc (Doc): A document with its text.
    nlp (Language): The pipeline whose vocabulary a document has that is made anew.
    keys (Keys): Where to write it.
    alignment (str): What becomes of an entity that cuts a token: "expand", "contract", "strict"
        (it is dropped), or "retokenize" (the token is split).
    notes (Notes): Where these are counted.
    RETURNS (Record): The record as the document has it, which is its `doc`.
    """
    if alignment == "retokenize":
        doc = _split_tokens(record, doc, nlp, notes)
    if record.doc is not None and record.doc is not doc:
        _move_rest(record, doc, keys, notes)
    tokens = _Tokens(doc)
    spans: List[Span] = []
    found: Set[Tuple[Tuple[Stretch, ...], str]] = set()
    for number, entity in enumerate(record.entities, 1):
        stretches = tokens.align(entity, record, alignment, notes)
        if not stretches:
            continue
        if (stretches, entity.label) in found:
            notes.add(MERGED, record.where, entity.label, entity.text_in(record.text))
            continue
        found.add((stretches, entity.label))
        span_id = str(number) if len(stretches) > 1 else ""
        spans.extend(
            Span(doc, start, end, entity.label, kb_id=entity.kb_id, span_id=span_id)
            for start, end in stretches
        )
    missing = [
        Span(doc, start, end, entity.label)
        for entity in record.missing
        for start, end in tokens.cover(entity)
    ]
    doc.spans[keys.spans] = SpanGroup(doc, name=keys.spans, spans=spans)
    if missing:
        doc.spans[keys.missing] = SpanGroup(doc, name=keys.missing, spans=missing)
    else:
        doc.spans.pop(keys.missing, None)
    write_flat_view(doc, spans, missing)
    if record.sents is not None and record.doc is not doc:
        _write_sents(doc, record.sents, tokens)
    for key, value in ((ID, record.id), (DOCUMENT, record.document), (META, record.meta)):
        if value:
            doc.user_data[key] = value
    written = read_doc_record(doc, record.where, keys.spans, keys.missing)
    # The place may have a name that is for messages only.
    written.id = record.id
    if record.sents and written.sents != record.sents:
        notes.add(SENTENCES, record.where)
    return written


def _move_rest(record: Record, doc: Doc, keys: Keys, notes: Notes) -> None:
    """Move what a document has beside the annotation to one with other tokens, as far as it is not
    about tokens."""
    old = record.doc
    assert old is not None
    for key, value in old.user_data.items():
        # Extension attributes are about the document, or a token or span by its characters.
        if not (isinstance(key, tuple) and key[0] == "._." and key[2:] != (None, None)):
            doc.user_data[key] = value
    doc.cats = dict(old.cats)
    is_tagged = any(old.has_annotation(name) for name in ("TAG", "POS", "LEMMA", "MORPH", "DEP"))
    if is_tagged or set(old.spans) - {*keys}:
        notes.add(REMADE, record.where)


def write_flat_view(doc: Doc, spans: Sequence[Span], missing: Sequence[Span] = ()) -> None:
    """Set `doc.ents` to as many entities as fit without overlap, of these the longest. Fragments
    of discontinuous entities are left out; what is unknown and no entity is unknown in `doc.ents`.

    doc (Doc): The document.
    spans (Sequence[Span]): Its entities.
    missing (Sequence[Span]): Stretches whose annotation is unknown.
    """
    whole = [span for span in spans if not span.id and span.label]
    places = flat_view([(span.start, span.end) for span in whole], [1.0] * len(whole))
    chosen = [whole[i] for i in places]
    unknown: List[Span] = []
    if missing:
        taken = {i for span in chosen for i in range(span.start, span.end)}
        free = {i for span in missing for i in range(span.start, span.end)} - taken
        unknown = [doc[i : i + 1] for i in sorted(free)]
    doc.set_ents(chosen, missing=unknown, default="outside")


def read_doc_record(
    doc: Doc, where: Where, spans_key: str = "sc", missing_key: str = "missing"
) -> Record:
    """Read the annotation of a document. Spans of the same label that share an id are the fragments
    of one entity.

    doc (Doc): The document. If it lacks the span group, all of it is missing.
    where (Where): Where it was read.
    spans_key (str): The key of the entities.
    missing_key (str): The key of the stretches whose annotation is unknown.
    RETURNS (Record): The record, whose `doc` it is.
    """
    fragments: Dict[Any, List[Span]] = {}
    for number, span in enumerate(doc.spans.get(spans_key, ())):
        if span.start < span.end:
            key = (span.id, span.label) if span.id else (number,)
            fragments.setdefault(key, []).append(span)
    entities = [
        Entity(
            tuple(sorted((span.start_char, span.end_char) for span in spans)),
            spans[0].label_,
            spans[0].kb_id_,
        )
        for spans in fragments.values()
    ]
    missing = [
        Entity(((span.start_char, span.end_char),), span.label_)
        for span in doc.spans.get(missing_key, ())
        if span.start < span.end
    ]
    if spans_key not in doc.spans and len(doc):
        missing.append(Entity(((0, len(doc.text)),), ""))
    meta = doc.user_data.get(META)
    id = str(doc.user_data.get(ID) or where.id)
    return Record(
        text=doc.text,
        entities=entities,
        where=where._replace(id=id),
        id=id,
        document=str(doc.user_data.get(DOCUMENT) or ""),
        tokens=[(t.idx, t.idx + len(t)) for t in doc if not t.is_space],
        sents=_read_sents(doc),
        missing=missing,
        meta=dict(meta) if isinstance(meta, dict) else {},
        doc=doc,
    )


def _read_sents(doc: Doc) -> Optional[List[Stretch]]:
    """The sentences without the white space around them, if there is more than one border."""
    if not len(doc) or not doc.has_annotation("SENT_START"):
        return None
    sents = []
    for sent in doc.sents:
        tokens = [token for token in sent if not token.is_space]
        if tokens:
            sents.append((tokens[0].idx, tokens[-1].idx + len(tokens[-1])))
    return sents


def _write_sents(doc: Doc, sents: Iterable[Stretch], tokens: "_Tokens") -> None:
    """Mark the first token of each sentence. White space before it belongs to the sentence before."""
    covers = (tokens.cover(Entity((sent,), "")) for sent in sents)
    starts = {cover[0][0] for cover in covers if cover}
    for token in doc:
        token.is_sent_start = token.i == 0 or token.i in starts


class _Tokens:
    """The places of the tokens of a document in its text."""

    def __init__(self, doc: Doc) -> None:
        self.starts = [token.idx for token in doc]
        self.ends = [token.idx + len(token) for token in doc]

    def cover(self, entity: Entity) -> Tuple[Stretch, ...]:
        """The tokens that a stretch touches, fragment by fragment."""
        found: List[Stretch] = []
        for start, end in entity.fragments:
            first, last = bisect_right(self.ends, start), bisect_left(self.starts, end)
            if first < last:
                found.append((first, last))
        return self.join(found)

    def align(
        self, entity: Entity, record: Record, alignment: str, notes: Notes
    ) -> Tuple[Stretch, ...]:
        """The tokens of an entity, fragment by fragment; none if it has to be dropped."""
        cover = self.cover(entity)
        if len(cover) == len(entity.fragments) and all(
            self.starts[first] == start and self.ends[last - 1] == end
            for (first, last), (start, end) in zip(cover, entity.fragments)
        ):
            return cover
        stretches: Tuple[Stretch, ...] = ()
        kind = MISALIGNED
        if alignment == "expand" and cover:
            stretches, kind = cover, EXPANDED
        elif alignment == "contract":
            inside = (
                (bisect_left(self.starts, start), bisect_right(self.ends, end))
                for start, end in entity.fragments
            )
            stretches = self.join([(first, last) for first, last in inside if first < last])
            kind = CONTRACTED if stretches else MISALIGNED
        notes.add(
            kind,
            record.where,
            entity.label,
            entity.text_in(record.text),
            fragments=[list(fragment) for fragment in entity.fragments],
            tokens=[[self.starts[a], self.ends[b - 1]] for a, b in stretches],
        )
        return stretches

    def join(self, stretches: Sequence[Stretch]) -> Tuple[Stretch, ...]:
        """Join fragments that share tokens, or between which there is nothing."""
        joined: List[Stretch] = []
        for start, end in sorted(stretches):
            before = joined[-1][1] if joined else -1
            if start < before or (start == before and self.ends[before - 1] == self.starts[start]):
                joined[-1] = (joined[-1][0], max(end, before))
            else:
                joined.append((start, end))
        return tuple(joined)


def _split_tokens(record: Record, doc: Doc, nlp: Language, notes: Notes) -> Doc:
    """Split the tokens that entities cut. A document with other tokens is a new one."""
    borders = {token.idx for token in doc} | {token.idx + len(token) for token in doc}
    cuts: Set[int] = set()
    for entity in record.entities:
        inside = {place for fragment in entity.fragments for place in fragment} - borders
        if inside:
            notes.add(SPLIT, record.where, entity.label, entity.text_in(record.text))
            cuts |= inside
    if not cuts:
        return doc
    places = sorted(cuts)
    tokens: List[Stretch] = []
    for token in doc:
        start, end = token.idx, token.idx + len(token)
        limits = [start, *places[bisect_right(places, start) : bisect_left(places, end)], end]
        for first, last in zip(limits, limits[1:]):
            # Tokens of the source may have white space in them.
            part = record.text[first:last]
            if part.strip():
                n_blank = len(part) - len(part.lstrip())
                tokens.append((first + n_blank, first + len(part.rstrip())))
    return doc_of_tokens(nlp, record.text, tokens)
