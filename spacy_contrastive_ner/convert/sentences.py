"""Documents are cut into their sentences, with entities kept whole."""

from bisect import bisect_left, bisect_right
from itertools import count
from typing import Callable, Iterator, List, Optional, Set

from spacy.language import Language
from spacy.tokens import Doc

from ..corpora.cutting import cut_at
from .documents import DOCUMENT, ID, Keys, read_doc_record
from .notes import BadInput, Kind, Notes
from .records import Entity, Record

SENTENCES = ("keep", "given", "rules")
CROSSED = Kind("crosses the end of a sentence, and keeps both sentences together")

# Into so many pieces a document is cut at a time.
AT_ONCE = 8

Splitter = Callable[[Record], Iterator[Record]]


def make_splitter(how: str, nlp: Language, keys: Keys, notes: Notes) -> Optional[Splitter]:
    """Make what cuts records, as they are after alignment, into sentences.

    how (str): "keep": not at all; "given": at the sentences of the source; "rules": with spaCy's
        `sentencizer`, where the source has none.
    nlp (Language): The pipeline.
    keys (Keys): Where the annotation is.
    notes (Notes): Where sentences that stay together are counted.
    RETURNS (Optional[Splitter]): The splitter, None with "keep".
    """
    if how == "keep":
        return None
    sentencizer = nlp.create_pipe("sentencizer")
    numbers = count(1)

    def split(record: Record) -> Iterator[Record]:
        doc = record.doc
        assert doc is not None
        if record.sents is None:
            if how == "given" and len(record.tokens or ()) > 1:
                raise BadInput(
                    record.where, "the source has no sentences here", "Use --sentences rules"
                )
            sentencizer(doc)
        number = next(numbers)
        borders = _borders(doc, record, keys, notes)
        if len(borders) <= 2:
            yield record
            return
        # What was one document is not to be parted by splits.
        document = record.document or record.id or f"{record.where.path.stem}-{number}"
        for part, piece in enumerate(cut_at(doc, borders, keys.missing).docs, 1):
            piece.user_data[ID] = f"{record.id or document}-{part}"
            piece.user_data[DOCUMENT] = document
            yield read_doc_record(piece, record.where, keys.spans, keys.missing)

    return split


def _borders(doc: Doc, record: Record, keys: Keys, notes: Notes) -> List[int]:
    """Where sentences begin, unless that is within an entity, or a span of another group. White
    space between sentences belongs to the one before."""
    starts = _starts(doc)
    places = [doc[i].idx for i in starts]
    crossed: Set[int] = set()
    others = [
        Entity(((span.start_char, span.end_char),), span.label_)
        for key, group in doc.spans.items()
        if key not in keys
        for span in group
    ]
    for entity in (*record.entities, *others):
        inside = range(bisect_right(places, entity.start), bisect_left(places, entity.end))
        if inside:
            notes.add(CROSSED, record.where, entity.label, entity.text_in(record.text))
            crossed.update(inside)
    return [0, *(start for n, start in enumerate(starts) if n not in crossed), len(doc)]


def _starts(doc: Doc) -> List[int]:
    """The first token of each sentence but the first that is not white space."""
    starts: List[int] = []
    begins = False
    seen = False
    for token in doc:
        begins = begins or bool(token.is_sent_start)
        if not token.is_space:
            if begins and seen:
                starts.append(token.i)
            begins, seen = False, True
    return starts
