"""Documents of BioC, as its JSON has them: texts in passages, mentions by offsets."""

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ...notes import Kind, Notes
from ...records import Record, Stretch, Where
from ...standoff import Fitted, Mention, fit, parts_of_types, settle

RELATIONS = Kind("Relations passed over")
NO_PLACE = Kind("Annotations of documents, without a place in the text, passed over")
SEVERAL_TYPES = Kind("Mentions with several types read as an entity for each")
JOINED = Kind("Passages whose offsets overlap or leave a wide gap, joined by a line end")

# Gaps between passages are kept up to this length, so that offsets stay what they were.
MAX_GAP = 100
NO_ID = ("", "-", "-1", "None")
IDS = re.compile(
    r"(mesh|omim|umls|cui|ncbi.*|.*[ _-]id|id|concept.*|uniprot.*|chebi.*|go|snomed.*|rxnorm.*"
    r"|.*taxonomy|.*ontology|cellosaurus|identifiers?)$",
    re.IGNORECASE,
)
MEASURES = (len, lambda text: len(text.encode("utf-16-le")) // 2, lambda text: len(text.encode()))


class Options(NamedTuple):
    """How annotations are read.

    type_key (str): Which infon of an annotation is its type.
    split_types (bool): Whether a type "T1,T2" makes two entities.
    check (bool): Whether the text of mentions is compared with what stands at their offsets.
    """

    type_key: str = "type"
    split_types: bool = True
    check: bool = True


@dataclass
class Part:
    """A piece of text that has an offset: a passage or a sentence.

    offset (int): Where it starts, as its document counts.
    text (str): The text.
    is_sentence (bool): Whether it is a sentence.
    begins_passage (bool): Whether it is the first part of a passage.
    mentions (List[Mention]): The mentions in it.
    """

    offset: int
    text: str
    is_sentence: bool
    begins_passage: bool
    mentions: List[Mention] = field(default_factory=list)


class Wrong(ValueError):
    """What makes a document unreadable."""


def read_document(
    document: Dict[str, Any], where: Where, notes: Notes, options: Options
) -> Optional[Record]:
    """Make the record of a document.

    document (Dict[str, Any]): The document as BioC JSON has it.
    where (Where): Where it was read.
    notes (Notes): Where decisions are told.
    options (Options): How annotations are read.
    RETURNS (Optional[Record]): The record, None if it is bad input.
    """
    id = str(document.get("id") or document.get("_id") or "")
    where = where._replace(id=id)
    try:
        parts, across = _collect(document, where, notes, options)
    except (Wrong, AttributeError, TypeError, KeyError) as error:
        found = str(error) if isinstance(error, Wrong) else "it is not built as BioC documents are"
        notes.bad(where, found, "Correct the document, or export it again")
        return None
    fitted, starts = _assemble(parts, across, where, notes)
    entities = settle(fitted, where, notes)
    if entities is None:
        return None
    sents: Optional[List[Stretch]] = None
    if parts and all(part.is_sentence for part in parts):
        sents = [(start, start + len(part.text)) for start, part in zip(starts, parts) if part.text]
    return Record(fitted.text, entities, where, id=id, document=id, sents=sents)


def _collect(
    document: Dict[str, Any], where: Where, notes: Notes, options: Options
) -> Tuple[List[Part], List[Mention]]:
    """RETURNS (Tuple[List[Part], List[Mention]]): The parts of a document with their mentions, and
    the mentions that stand in several.
    """
    all_parts: List[Part] = []
    across: List[Mention] = []
    n_relations = len(document.get("relations") or ())
    for passage in document.get("passages") or ():
        sentences = passage.get("sentences") or []
        parts = [_part(passage, False)] if passage.get("text") or not sentences else []
        loose = list(_mentions(passage, where, notes, options))
        for sentence in sentences:
            mentions = list(_mentions(sentence, where, notes, options))
            if parts and not parts[0].is_sentence:
                loose += mentions
                continue
            parts.append(_part(sentence, True))
            parts[-1].mentions += mentions
        parts[0].begins_passage = True
        across += _share(loose, parts)
        all_parts += parts
        for owner in (passage, *sentences):
            n_relations += len(owner.get("relations") or ())
    loose = list(_mentions(document, where, notes, options))
    if loose and not all_parts:
        raise Wrong("the document has annotations, but no text")
    across += _share(loose, all_parts)
    if n_relations:
        notes.add(RELATIONS, where, n=n_relations)
    return all_parts, across


def _part(owner: Dict[str, Any], is_sentence: bool) -> Part:
    return Part(_number(owner, "offset"), str(owner.get("text") or ""), is_sentence, False)


def _number(owner: Dict[str, Any], key: str) -> int:
    try:
        return int(str(owner[key]).strip())
    except (KeyError, ValueError):
        raise Wrong(f"the {key} {owner.get(key)!r} is no number") from None


def _share(mentions: List[Mention], parts: Sequence[Part]) -> List[Mention]:
    """Give mentions to the parts that they lie in.

    RETURNS (List[Mention]): Those that lie in several.
    """
    offsets = [part.offset for part in parts]
    several = []
    for mention in mentions:
        start = min(start for start, _ in mention.fragments)
        end = max(end for _, end in mention.fragments)
        first = max(bisect_right(offsets, start) - 1, 0)
        last = max(bisect_right(offsets, max(start, end - 1)) - 1, 0)
        if first == last:
            parts[first].mentions.append(mention)
        else:
            several.append(mention)
    return several


def _mentions(
    owner: Dict[str, Any], where: Where, notes: Notes, options: Options
) -> Iterator[Mention]:
    """YIELDS (Mention): The mentions annotated in a document, passage or sentence."""
    for annotation in owner.get("annotations") or ():
        infons = {str(key): str(value) for key, value in (annotation.get("infons") or {}).items()}
        surface = str(annotation.get("text") or "")
        places = annotation.get("locations") or ()
        key = next((key for key in infons if key.lower() == options.type_key.lower()), "")
        types = infons.get(key, "").strip()
        if not places:
            notes.add(NO_PLACE, where, types, surface)
            continue
        if not types:
            notes.bad(
                where,
                f"the annotation {surface[:60]!r} has no {options.type_key!r}, but "
                + (", ".join(map(repr, infons)) or "nothing"),
                "Say what holds the type: --read type_key=NAME",
            )
            continue
        spans = [(_number(place, "offset"), _number(place, "length")) for place in places]
        fragments = tuple((start, start + length) for start, length in spans)
        labels = parts_of_types(types) if options.split_types else [types]
        if len(labels) > 1:
            notes.add(SEVERAL_TYPES, where, types, surface)
        kb_id = _kb_id(infons)
        for label in labels:
            yield Mention(fragments, label, kb_id, surface if options.check else "")


def _kb_id(infons: Dict[str, str]) -> str:
    """RETURNS (str): What an annotation refers to: its identifier, or the infons that are named
    after a knowledge base, as "MESH:D003110".
    """
    found = {
        key: value.strip()
        for key, value in infons.items()
        if IDS.match(key) and value.strip() not in NO_ID
    }
    for key, value in found.items():
        if key.lower() in ("identifier", "identifiers"):
            return value
    return "|".join(
        value if value.lower().startswith(f"{key.lower()}:") else f"{key}:{value}"
        for key, value in found.items()
    )


def _assemble(
    parts: List[Part], across: List[Mention], where: Where, notes: Notes
) -> Tuple[Fitted, List[int]]:
    """Put the text of a document together. Gaps are filled with blanks, where the offsets of
    passages leave one with a line end first.

    RETURNS (Tuple[Fitted, List[int]]): The text with all mentions, and where its parts start.
    """
    gaps = _gaps(parts)
    whole = Fitted("", [], "", [], [])
    starts: List[int] = []
    for part, gap in zip(parts, gaps):
        fitted = fit(part.text, [mention.moved(-part.offset) for mention in part.mentions])
        joint = "\n" if part.begins_passage else " "
        if not starts or (gap == 0 and (not part.begins_passage or whole.text[-1:].isspace())):
            joint = ""
        elif 0 < gap <= MAX_GAP:
            joint = joint.ljust(gap)
        elif gap:
            notes.add(JOINED, where, text=part.text)
        start = len(whole.text) + len(joint)
        starts.append(start)
        n = len(whole.mentions)
        whole.text += joint + fitted.text
        whole.mentions += [mention.moved(start) for mention in fitted.mentions]
        whole.counting = whole.counting or fitted.counting
        whole.moved += [n + i for i in fitted.moved]
        whole.unlike += [n + i for i in fitted.unlike]
        part.text = fitted.text
    _add_across(whole, across, parts, starts)
    return whole, starts


def _add_across(whole: Fitted, across: List[Mention], parts: List[Part], starts: List[int]) -> None:
    """Add the mentions that lie in several parts."""
    offsets = [part.offset for part in parts]

    def place(offset: int, is_end: bool) -> int:
        i = max(bisect_right(offsets, offset - is_end) - 1, 0)
        return starts[i] + offset - offsets[i]

    placed = [
        m._replace(fragments=tuple((place(s, False), place(e, True)) for s, e in m.fragments))
        for m in across
    ]
    fitted = fit(whole.text, placed)
    n = len(whole.mentions)
    whole.mentions += fitted.mentions
    whole.moved += [n + i for i in fitted.moved]
    whole.unlike += [n + i for i in fitted.unlike]


def _gaps(parts: List[Part]) -> List[int]:
    """RETURNS (List[int]): How much stands between each part and the one before it, by their
    offsets. These count characters, UTF-16 units or bytes, whatever leaves the least between them.
    """
    best: Optional[List[int]] = None
    for measure in MEASURES:
        gaps = [0] + [
            after.offset - before.offset - measure(before.text)
            for before, after in zip(parts, parts[1:])
        ]
        if min(gaps) >= 0 and (best is None or sum(gaps) < sum(best)):
            best = gaps
        if measure is len:
            plain = gaps
    return plain if best is None else best
