"""Mending what is wrong with records where its meaning is certain, and dropping it where not."""

from dataclasses import replace
from typing import Dict, Iterable, List, NamedTuple, Optional, Tuple

from .notes import Kind, Notes
from .records import Entity, Record, Stretch, Where

TRIMMED = Kind("White space at the edges of entities cut off")
MERGED = Kind("Fragments that touch or overlap joined")
EMPTY = Kind("Empty entities left out")
EMPTY_FRAGMENT = Kind("Empty fragments left out")
DUPLICATE = Kind("Duplicates left out")
OTHER_KB_ID = Kind("Duplicates with another id in the knowledge base dropped", is_loss=True)
CUT = Kind("Entities that end with a line end beyond the text cut")
BEYOND = Kind("Entities beyond the text dropped", is_loss=True)
REVERSED = Kind("Entities with negative or reversed offsets dropped", is_loss=True)
MISSING_CUT = Kind("Unknown stretches cut to the text")
MISSING_REVERSED = Kind("Unknown stretches with reversed offsets dropped", is_loss=True)
SPACE_TOKENS = Kind("Tokens of white space left out")
BAD_TOKENS = Kind("Tokens that do not fit the text dropped", is_loss=True)
BAD_SENTS = Kind("Sentences that do not fit the text dropped", is_loss=True)

# What can be lost from the end of a text without anybody noticing: "\r\n".
LINE_END = 2


class Place(NamedTuple):
    """Where the mending happens: what it takes to write a note.

    text (str): The text of the record.
    where (Where): Where it was read.
    notes (Notes): Where it is counted.
    refuse (bool): Whether offsets that are certainly wrong are bad input.
    """

    text: str
    where: Where
    notes: Notes
    refuse: bool = False

    def tell(self, kind: Kind, entity: Entity, shown: str = "") -> None:
        """Count a decision about an entity, as it was before."""
        shown = shown or entity.text_in(self.text)
        fragments = [list(fragment) for fragment in entity.fragments]
        self.notes.add(kind, self.where, entity.label, shown, fragments=fragments)

    def drop(self, kind: Kind, entity: Entity) -> None:
        """Refuse an entity whose offsets are wrong, or count it as lost."""
        size = f"in a text of {len(self.text)} characters"
        if self.refuse:
            places = " and ".join(f"from {start} to {end}" for start, end in entity.fragments)
            self.notes.bad(
                self.where,
                f"an entity ({entity.label or 'without label'}) goes {places}, {size}",
                "Correct its offsets, or leave out such entities with --skip-bad",
            )
        self.tell(kind, entity, f"{_offsets(entity)} {size}")


def place_of(record: Record, notes: Notes, refuse: bool = False) -> Place:
    """RETURNS (Place): Where something happens to a record."""
    where = record.where
    if record.id and not where.id:
        where = where._replace(id=record.id)
    return Place(record.text, where, notes, refuse)


def mend(record: Record, notes: Notes, refuse: bool = False) -> Record:
    """Mend a record: every one passes through this after it was read. Afterwards all entities lie
    within the text, are not empty, have no white space at the edges of their fragments and are
    sorted by start, longest first; each is there once; tokens and sentences are in order.

    record (Record): The record.
    notes (Notes): Where it is counted what was mended or dropped.
    refuse (bool): Whether entities beyond the text, or with negative or reversed offsets, are bad
        input. Otherwise they are dropped.
    RETURNS (Record): The same record if nothing is wrong with it, else a new one.
    """
    place = place_of(record, notes, refuse)
    entities, missing = record.entities, record.missing
    if not is_sound(entities, record.text):
        entities = _mend_entities(entities, place)
    if not is_sound(missing, record.text):
        missing = _mend_missing(missing, place)
    tokens, sents = record.tokens, record.sents
    if tokens is not None:
        tokens = _mend_tokens(tokens, place)
    if sents is not None and (wrong := _first_wrong(sents, record.text, gaps=True)):
        notes.add(BAD_SENTS, place.where, "", wrong)
        sents = None
    if (
        entities is record.entities
        and missing is record.missing
        and tokens is record.tokens
        and sents is record.sents
    ):
        return record
    return replace(record, entities=entities, missing=missing, tokens=tokens, sents=sents)


def is_sound(entities: Iterable[Entity], text: str) -> bool:
    """RETURNS (bool): Whether it is plain that there is nothing to mend. It may be False where
    nothing is wrong.
    """
    n_chars = len(text)
    last: Tuple[int, int, str] = (-1, 0, "")
    for fragments, label, _ in entities:
        before = -1
        for start, end in fragments:
            if not before < start < end <= n_chars or text[start].isspace():
                return False
            if text[end - 1].isspace():
                return False
            before = end
        if before < 0:
            return False
        key = (fragments[0][0], -before, label)
        if key <= last:
            return False
        last = key
    return True


def in_order(entities: Iterable[Entity]) -> List[Entity]:
    """RETURNS (List[Entity]): The entities by start, longest first, then by label."""
    return sorted(entities, key=lambda e: (e.start, -e.end, e.label, e.fragments))


def without_duplicates(entities: Iterable[Entity], place: Place, kind: Kind) -> List[Entity]:
    """Keep one of the entities that have the same fragments and label, with the first id in the
    knowledge base that one of them has.

    entities (Iterable[Entity]): The entities.
    place (Place): Where they are.
    kind (Kind): What is counted when one is left out.
    RETURNS (List[Entity]): The entities that are left, sorted.
    """
    found: Dict[Tuple[Tuple[Stretch, ...], str], Entity] = {}
    for entity in entities:
        known = found.setdefault(entity[:2], entity)
        if known is entity:
            continue
        if known.kb_id and entity.kb_id not in ("", known.kb_id):
            place.tell(OTHER_KB_ID, entity, f"{entity.text_in(place.text)[:40]}: {entity.kb_id}")
        else:
            place.tell(kind, entity)
        found[entity[:2]] = known if known.kb_id else entity
    return in_order(found.values())


def _mend_entities(entities: Iterable[Entity], place: Place) -> List[Entity]:
    mended = (_mend_entity(entity, place) for entity in entities)
    return without_duplicates((e for e in mended if e is not None), place, DUPLICATE)


def _mend_entity(entity: Entity, place: Place) -> Optional[Entity]:
    """The entity with sound fragments, None if it has to be dropped."""
    text, n_chars = place.text, len(place.text)
    if any(start < 0 or end < start for start, end in entity.fragments):
        place.drop(REVERSED, entity)
        return None
    if not any(start < end for start, end in entity.fragments):
        place.tell(EMPTY, entity, _offsets(entity))
        return None
    fragments = _join(entity.fragments)
    if any(end > n_chars for _, end in fragments):
        if not _is_line_end(fragments, text):
            place.drop(BEYOND, entity)
            return None
        place.tell(CUT, entity)
        fragments[-1] = (fragments[-1][0], n_chars)
    trimmed = [_trim(start, end, text) for start, end in fragments]
    kept = tuple((start, end) for start, end in trimmed if start < end)
    if not kept:
        place.tell(EMPTY, entity, _offsets(entity))
        return None
    if kept == entity.fragments:
        return entity
    if trimmed != fragments:
        place.tell(TRIMMED, entity)
    n_full = sum(start < end for start, end in entity.fragments)
    if len(fragments) < n_full:
        place.tell(MERGED, entity)
    if n_full < len(entity.fragments):
        place.tell(EMPTY_FRAGMENT, entity)
    return entity._replace(fragments=kept)


def _mend_missing(missing: Iterable[Entity], place: Place) -> List[Entity]:
    """Sound stretches whose annotation is unknown. They may be cut to the text as it is: where
    there is no text there is nothing to know."""
    n_chars = len(place.text)
    found: Dict[Entity, None] = {}
    for entity in missing:
        if any(end < start for start, end in entity.fragments):
            place.tell(MISSING_REVERSED, entity, _offsets(entity))
            continue
        if any(start < 0 or end > n_chars for start, end in entity.fragments):
            place.tell(MISSING_CUT, entity, _offsets(entity))
        inside = [(min(max(s, 0), n_chars), min(max(e, 0), n_chars)) for s, e in entity.fragments]
        trimmed = [_trim(start, end, place.text) for start, end in _join(inside)]
        kept = tuple((start, end) for start, end in trimmed if start < end)
        if kept:
            found[entity._replace(fragments=kept)] = None
    return in_order(found)


def _mend_tokens(tokens: List[Stretch], place: Place) -> Optional[List[Stretch]]:
    text = place.text
    if not _first_wrong(tokens, text):
        return tokens
    words = [(s, e) for s, e in tokens if not (0 <= s < e <= len(text) and text[s:e].isspace())]
    wrong = _first_wrong(words, text)
    if wrong:
        place.notes.add(BAD_TOKENS, place.where, "", wrong)
        return None
    place.notes.add(SPACE_TOKENS, place.where, n=len(tokens) - len(words))
    return words


def _first_wrong(stretches: List[Stretch], text: str, gaps: bool = False) -> str:
    """What is wrong with tokens or sentences, "" if nothing is.

    stretches (List[Stretch]): The (start, end) of each.
    text (str): The text.
    gaps (bool): Whether they may leave out more of it than white space.
    RETURNS (str): The first one that is wrong, and why.
    """
    n_chars = len(text)
    before = 0
    for start, end in stretches:
        if not before <= start < end <= n_chars:
            return f"{start}-{end} after {before} in a text of {n_chars} characters"
        if not gaps:
            if start > before and not text[before:start].isspace():
                return f"{text[before:start]} before {start}-{end}"
            if text[start].isspace() and text[start:end].isspace():
                return f"{start}-{end} is white space"
        before = end
    if not gaps and text[before:].strip():
        return f"{text[before:]} after the last one"
    return ""


def _join(fragments: Iterable[Stretch]) -> List[Stretch]:
    """The fragments in order, those that touch or overlap as one, without the empty ones."""
    joined: List[Stretch] = []
    for start, end in sorted(fragments):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        elif start < end:
            joined.append((start, end))
    return joined


def _trim(start: int, end: int, text: str) -> Stretch:
    """The stretch without white space at its edges."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end


def _is_line_end(fragments: List[Stretch], text: str) -> bool:
    """Whether it is certain that what lies beyond the text is no more than a line end that was cut
    off from it. It is not if the entity begins within a word: then all offsets may be shifted."""
    start, end = fragments[-1]
    if start >= len(text) or end > len(text) + LINE_END:
        return False
    first = fragments[0][0]
    return first == 0 or not (text[first - 1].isalnum() and text[first].isalnum())


def _offsets(entity: Entity) -> str:
    return ";".join(f"{start}-{end}" for start, end in entity.fragments) or "no offsets"
