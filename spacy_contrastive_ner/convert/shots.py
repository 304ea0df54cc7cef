"""Few-shot training sets: only so many mentions of a label stay known.

Two passes over the corpus are needed. In the first one `Mentions` keeps what labels each record has;
then `plan_shots` draws; in the second one `Shots.deal` masks the other mentions, or leaves out the
other documents.
"""

import random
from array import array
from collections import Counter
from dataclasses import replace
from typing import (
    Dict,
    Iterable,
    Iterator,
    List,
    Literal,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from .mending import in_order, place_of
from .notes import Kind, Notes
from .records import Entity, Record

MASKED = Kind("Mentions masked as unknown, as asked for")
LEFT_OUT = Kind("Mentions in documents that were not drawn left out, as asked for")

Mode = Literal["mentions", "documents"]


class Mentions:
    """What drawing has to know about the records."""

    def __init__(self) -> None:
        self.n_records = 0
        self.counts: Counter = Counter()
        # Of each label, which mentions overlap others of it, by number.
        self.overlapping: Dict[str, array] = {}
        # The document of each record, and how often it has each label.
        self.document_of = array("q")
        self.documents: List[Dict[str, int]] = []
        self._number: Dict[str, int] = {}

    def add(self, record: Record) -> None:
        """Take a record into account.

        record (Record): The next record.
        """
        number = len(self.documents)
        if record.document:
            number = self._number.setdefault(record.document, number)
        if number == len(self.documents):
            self.documents.append({})
        document = self.documents[number]
        overlapping = _overlapping(record.entities)
        for i, entity in enumerate(record.entities):
            label = entity.label
            if i in overlapping:
                self.overlapping.setdefault(label, array("q")).append(self.counts[label])
            self.counts[label] += 1
            document[label] = document.get(label, 0) + 1
        self.document_of.append(number)
        self.n_records += 1


class Shots(NamedTuple):
    """What stays known.

    n_records (int): How many records there are.
    mentions (Optional[Dict[str, Set[int]]]): Of each label that is masked, the mentions that stay
        known, by number in reading order. None if documents were drawn.
    records (Optional[bytearray]): Whether each record was drawn. None if mentions were drawn.
    kept (Counter): How many mentions stay known, by label.
    masked (Counter): How many do not, by label.
    told (List[str]): What the user should know: a sentence each.
    """

    n_records: int
    mentions: Optional[Dict[str, Set[int]]]
    records: Optional[bytearray]
    kept: Counter
    masked: Counter
    told: List[str]

    def deal(self, records: Iterable[Record], notes: Notes) -> Iterator[Record]:
        """Go through the corpus again.

        records (Iterable[Record]): The records, the same as before.
        notes (Notes): Where it is counted what is masked or left out.
        YIELDS (Record): The records, with what does not stay known among `missing`; or those that
            were drawn.
        """
        n_seen: Counter = Counter()
        n_records = 0
        for n_records, record in enumerate(records, 1):
            if n_records > self.n_records:
                break
            if self.mentions is not None:
                yield self._mask(record, n_seen, notes)
            elif self.records is not None and self.records[n_records - 1]:
                yield record
            else:
                place = place_of(record, notes)
                for entity in record.entities:
                    place.tell(LEFT_OUT, entity)
        if n_records != self.n_records:
            raise RuntimeError(
                f"The corpus had {self.n_records} records, but not when it was read again. Do not "
                "change files while they are converted."
            )

    def rows(self) -> List[Tuple[str, str, str]]:
        """RETURNS (List[Tuple[str, str, str]]): A table to be printed: the names of its columns,
        then how many mentions of each label stay known and how many do not.
        """
        gone = "left out" if self.mentions is None else "masked"
        labels = sorted({*self.kept, *self.masked})
        return [
            ("", "known", gone),
            *((label, str(self.kept[label]), str(self.masked[label])) for label in labels),
        ]

    def _mask(self, record: Record, n_seen: Counter, notes: Notes) -> Record:
        known: List[Entity] = []
        unknown: List[Entity] = []
        for entity in record.entities:
            stays = (self.mentions or {}).get(entity.label)
            is_known = stays is None or n_seen[entity.label] in stays
            (known if is_known else unknown).append(entity)
            n_seen[entity.label] += 1
        if not unknown:
            return record
        place = place_of(record, notes)
        for entity in unknown:
            place.tell(MASKED, entity)
        missing = in_order(dict.fromkeys([*record.missing, *unknown]))
        return replace(record, entities=known, missing=missing)


def plan_shots(
    mentions: Mentions,
    n_shots: int,
    labels: Sequence[str] = (),
    seed: int = 0,
    mode: Mode = "mentions",
) -> Shots:
    """Draw what stays known. With the same seed, the mentions that are drawn for more shots hold
    those that are drawn for fewer.

    mentions (Mentions): What is known about the records.
    n_shots (int): How many mentions of each label stay known.
    labels (Sequence[str]): These labels; all of them if there are none. All mentions of other
        labels stay known.
    seed (int): Another one draws others.
    mode (Literal["mentions", "documents"]): Whether mentions are drawn, and the others masked; or
        whole documents until they have enough mentions of each label, and the others left out.
    RETURNS (Shots): What was drawn.
    """
    if n_shots < 1:
        raise ValueError(f"--shots {n_shots}: at least one mention must stay known.")
    unknown = [label for label in labels if label not in mentions.counts]
    if unknown:
        there = ", ".join(sorted(mentions.counts)) or "no labels"
        raise ValueError(f"--labels: no entity has the label {unknown[0]!r}. There are: {there}.")
    wanted = sorted({*labels} or mentions.counts)
    told = [
        f"The label {label!r} has fewer mentions than the {n_shots} asked for: {mentions.counts[label]}."
        for label in wanted
        if mentions.counts[label] < n_shots
    ]
    if mode == "documents":
        return _draw_documents(mentions, n_shots, wanted, seed, told)
    return _draw_mentions(mentions, n_shots, wanted, seed, told)


def _draw_mentions(
    mentions: Mentions, n_shots: int, labels: List[str], seed: int, told: List[str]
) -> Shots:
    stays: Dict[str, Set[int]] = {}
    kept = Counter(mentions.counts)
    for label in labels:
        count = mentions.counts[label]
        order = random.Random(f"{seed} {label}").sample(range(count), count)
        # A mention is not fully known where another one of its label is masked that overlaps it.
        overlapping = set(mentions.overlapping.get(label, ()))
        order.sort(key=overlapping.__contains__)
        stays[label] = set(order[:n_shots])
        kept[label] = len(stays[label])
        doubtful = len(stays[label] & overlapping)
        if doubtful and kept[label] < count:
            told.append(
                f"{doubtful} of the {kept[label]} known mentions of {label!r} overlap others of "
                "that label: where these are masked, they are not known either."
            )
    masked = mentions.counts - kept
    return Shots(mentions.n_records, stays, None, kept, masked, told)


def _draw_documents(
    mentions: Mentions, n_shots: int, labels: List[str], seed: int, told: List[str]
) -> Shots:
    """Draw documents, for the rarest label first, then leave out those that are not needed."""
    documents = mentions.documents
    order = random.Random(seed).sample(range(len(documents)), len(documents))
    with_label: Dict[str, List[int]] = {label: [] for label in labels}
    for i in order:
        for label in documents[i]:
            if label in with_label:
                with_label[label].append(i)
    kept: Counter = Counter()
    drawn: Dict[int, None] = {}
    for label in sorted(labels, key=lambda label: (mentions.counts[label], label)):
        for i in with_label[label]:
            if kept[label] >= n_shots:
                break
            if i not in drawn:
                drawn[i] = None
                kept.update(documents[i])
    for i in list(drawn):
        content = documents[i].items()
        if not any(label in with_label and kept[label] - n < n_shots for label, n in content):
            del drawn[i]
            kept.subtract(documents[i])
    told.append(f"{len(drawn)} of {len(documents)} documents were drawn.")
    records = bytearray(number in drawn for number in mentions.document_of)
    return Shots(mentions.n_records, None, records, +kept, mentions.counts - kept, told)


def _overlapping(entities: Sequence[Entity]) -> Set[int]:
    """Which entities overlap another one of their label, by place. They are sorted by start."""
    found: Set[int] = set()
    # Of each label, the entity that ends last so far.
    last: Dict[str, int] = {}
    for i, entity in enumerate(entities):
        before = last.get(entity.label)
        if before is not None and entity.start < entities[before].end:
            found.update((before, i))
        if before is None or entity.end > entities[before].end:
            last[entity.label] = i
    return found
