"""Records and documents of spaCy: tokens, alignment, span groups."""

from bisect import bisect_left, bisect_right
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

from spacy.attrs import SENT_START
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup

from ..annotations import flat_view
from .notes import BadInput, Kind, Notes
from .records import Entity, Record, Stretch, Where

ALIGNMENTS = ("expand", "contract", "strict", "retokenize")
TOKENIZERS = ("auto", "given", "whitespace", "characters")

# What is remembered of a record in doc.user_data.
ID, DOCUMENT, META = "id", "document", "meta"

EXPANDED = Kind("cuts a token, and was made longer", is_loss=True)
CONTRACTED = Kind("cuts a token, and was made shorter", is_loss=True)
MISALIGNED = Kind("cuts a token, and was dropped", is_loss=True)
SPLIT = Kind("cuts a token, which was split")
MERGED = Kind("the same as another after alignment, and was dropped", is_loss=True)
UNCOVERED = Kind("text outside of the tokens of the source, which became tokens")
SENTENCES = Kind("document whose sentences were fitted to its tokens, without gaps")
REMADE = Kind("document with other tokens, without its tags, lemmas and span groups", is_loss=True)

Tokenizer = Callable[[Record], Doc]


class Keys(NamedTuple):
    """Where a document holds what.

    spans (str): The key of the entities in `doc.spans`.
    missing (str): The key of the stretches whose annotation is unknown.
    """

    spans: str = "sc"
    missing: str = "missing"


def make_tokenizer(how: str, nlp: Language, notes: Notes) -> Tokenizer:
    """Make what turns a record into a document without annotation.

    how (str): "given": the tokens of the source; "auto": these if there are any, else those of the
        pipeline; "whitespace", "characters".
    nlp (Language): The pipeline.
    notes (Notes): Where text outside of given tokens is counted.
    RETURNS (Tokenizer): The tokenizer.
    """

    def tokenize(record: Record) -> Doc:
        if record.doc is not None and how in ("auto", "given"):
            return record.doc
        if how == "characters":
            return doc_of_tokens(nlp, record.text, _characters(record.text))
        if how == "whitespace":
            return doc_of_tokens(nlp, record.text, _words(record.text))
        if record.tokens is not None and how in ("auto", "given"):
            return doc_of_tokens(nlp, record.text, _covering(record, notes))
        if how == "given":
            raise BadInput(
                record.where,
                "the source has no tokens here",
                "Use --tokenizer auto, whitespace or characters",
            )
        return nlp.make_doc(record.text)

    def check(record: Record) -> Doc:
        _check_characters(record)
        try:
            doc = tokenize(record)
        except ValueError as error:
            if isinstance(error, BadInput):
                raise
            raise BadInput(
                record.where, f"the text cannot be tokenized: {error}", ADVICE_TOKENS
            ) from error
        if doc.text != record.text:
            raise BadInput(record.where, "the tokenizer changes the text", ADVICE_TOKENS)
        return doc

    return check


ADVICE_TOKENS = "Use another --tokenizer, for instance whitespace"


def _check_characters(record: Record) -> None:
    """Refuse halves of characters, which JSON can hold, but spaCy cannot."""
    items = (*record.entities, *record.missing)
    for part in (record.text, *(text for item in items for text in item[1:])):
        try:
            part.encode("utf-8")
        except UnicodeEncodeError as error:
            raise BadInput(
                record.where,
                f"the character {part[error.start]!a} is half of one, and no text",
                "Remove it",
            ) from None


def _characters(text: str) -> List[Stretch]:
    return [(i, i + 1) for i, character in enumerate(text) if not character.isspace()]


def _words(text: str) -> List[Stretch]:
    words, end = [], 0
    for word in text.split():
        start = text.index(word, end)
        end = start + len(word)
        words.append((start, end))
    return words


def _covering(record: Record, notes: Notes) -> List[Stretch]:
    """The tokens of the source, and tokens for what they leave out."""
    tokens: List[Stretch] = []
    end = 0
    for token in [*(record.tokens or ()), (len(record.text), len(record.text))]:
        gap = record.text[end : token[0]]
        if gap and not gap.isspace():
            more = [(end + start, end + stop) for start, stop in _words(gap)]
            notes.add(UNCOVERED, record.where, text=gap.strip(), n=len(more))
            tokens.extend(more)
        tokens.append(token)
        end = token[1]
    return tokens[:-1]


def doc_of_tokens(nlp: Language, text: str, tokens: Sequence[Stretch]) -> Doc:
    """Make a document that has these tokens and exactly this text. White space between tokens
    that is more than one blank becomes a token of its own, as with spaCy's tokenizers.

    nlp (Language): The pipeline whose vocabulary the document has.
    text (str): The text.
    tokens (Sequence[Stretch]): The tokens; white space between them only.
    RETURNS (Doc): The document.
    """
    words: List[str] = []
    spaces: List[bool] = []
    end = 0
    for start, stop in [*tokens, (len(text), len(text))]:
        gap = text[end:start]
        if gap.startswith(" ") and words:
            spaces[-1] = True
            gap = gap[1:]
        if gap:
            blank = gap.endswith(" ") and len(gap) > 1
            words.append(gap[:-1] if blank else gap)
            spaces.append(blank)
        if stop > start:
            words.append(text[start:stop])
            spaces.append(False)
        end = stop
    return Doc(nlp.vocab, words=words, spaces=spaces)


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
    if not len(doc):
        return
    values = doc.to_array([SENT_START])
    values[:] = -1
    values[0] = 1
    for start, end in sents:
        cover = tokens.cover(Entity(((start, end),), ""))
        if cover:
            values[cover[0][0]] = 1
    doc.from_array([SENT_START], values)


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
        places = {place for fragment in entity.fragments for place in fragment} - borders
        # A place in white space is no cut.
        places = {
            p for p in places if record.text[p - 1 : p + 1].strip() == record.text[p - 1 : p + 1]
        }
        if places:
            notes.add(SPLIT, record.where, entity.label, entity.text_in(record.text))
            cuts |= places
    if not cuts:
        return doc
    places = sorted(cuts)
    tokens: List[Stretch] = []
    for token in doc:
        if not token.is_space:
            start, end = token.idx, token.idx + len(token)
            inner = places[bisect_right(places, start) : bisect_left(places, end)]
            limits = [start, *inner, end]
            tokens.extend(zip(limits, limits[1:]))
    return doc_of_tokens(nlp, record.text, tokens)
