"""What is in annotated documents, counted and told."""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from wasabi import Printer

from .nesting import crossing, depth, nested
from .notes import Kind, Notes, Tally
from .records import Entity, Record, Stretch

# What counts as a token if there are none.
WORD = re.compile(r"\w+|[^\w\s]")
# So much of a long text, so many labels and so much bad input are shown.
SHOWN_TEXT, SHOWN_LABELS, SHOWN_SKIPPED = 60, 100, 10


class Longest(NamedTuple):
    """The longest entity.

    tokens (int): How many tokens its fragments touch.
    label (str): Its label.
    text (str): The beginning of its text.
    where (str): Where it stands.
    """

    tokens: int = 0
    label: str = ""
    text: str = ""
    where: str = ""


@dataclass
class Counts:
    """How many entities there are of what kind; see `Summary`."""

    entities: int = 0
    nested: int = 0
    same_label_nested: int = 0
    multi_label: int = 0
    crossing: int = 0
    discontinuous: int = 0
    longest: int = 0


@dataclass
class Summary:
    """Counts what is in annotated documents. Whether entities are nested or cross each other is
    judged by where they start and end: what lies between the fragments of a discontinuous entity
    counts as a part of it.

    documents (int): Records.
    without_entities (int): Records without entities, those that are not annotated too.
    not_annotated (int): Records all of whose text is unknown.
    tokens (int): Tokens, apart from white space. If a record has none, words and punctuation marks.
    characters (int): Code points.
    entities (Counts): Entities of all labels, of these: nested: inside another one with other
        offsets; same_label_nested: inside one of the same label; multi_label: with the same
        fragments as one of another label; crossing: sharing text with another one without either
        being inside the other; discontinuous: of several fragments; longest: in tokens that the
        fragments touch.
    labels (Dict[str, Counts]): The same by label.
    deepest (int): How many entities the longest chain has in which each is inside the one before.
    longest (Longest): The longest entity.
    missing (int): Stretches whose annotation is unknown, in records that are annotated elsewhere.
    """

    documents: int = 0
    without_entities: int = 0
    not_annotated: int = 0
    tokens: int = 0
    characters: int = 0
    entities: Counts = field(default_factory=Counts)
    labels: Dict[str, Counts] = field(default_factory=dict)
    deepest: int = 0
    longest: Longest = field(default_factory=Longest)
    missing: int = 0

    def add(self, record: Record, n_tokens: Optional[int] = None) -> None:
        """Count a record.

        record (Record): The record.
        n_tokens (Optional[int]): The number of its tokens, if that is not what it says itself.
        """
        self.documents += 1
        self.characters += len(record.text)
        tokens = _tokens_of(record)
        self.tokens += len(tokens) if n_tokens is None else n_tokens
        if _is_unknown(record):
            self.not_annotated += 1
        else:
            self.missing += len(record.missing)
        if not record.entities:
            self.without_entities += 1
            return
        self._count(record.entities)
        self._measure(record, tokens)

    def _count(self, entities: Sequence[Entity]) -> None:
        hulls: Dict[str, List[Stretch]] = {}
        labels_at: Dict[Tuple[Stretch, ...], Set[str]] = {}
        for entity in entities:
            hulls.setdefault(entity.label, []).append((entity.start, entity.end))
            labels_at.setdefault(entity.fragments, set()).add(entity.label)
        every = {hull for some in hulls.values() for hull in some}
        self.deepest = max(self.deepest, depth(every))
        inside, across = nested(every), crossing(every)
        inside_own = {label: nested(some) for label, some in hulls.items()}
        for entity in entities:
            hull = (entity.start, entity.end)
            for counts in (self.entities, self.labels.setdefault(entity.label, Counts())):
                counts.entities += 1
                counts.nested += hull in inside
                counts.same_label_nested += hull in inside_own[entity.label]
                counts.multi_label += len(labels_at[entity.fragments]) > 1
                counts.crossing += hull in across
                counts.discontinuous += len(entity.fragments) > 1

    def _measure(self, record: Record, tokens: Sequence[Stretch]) -> None:
        starts, ends = [start for start, _ in tokens], [end for _, end in tokens]
        for entity in record.entities:
            n = sum(
                max(bisect_left(starts, end) - bisect_right(ends, start), 0)
                for start, end in entity.fragments
            )
            counts = self.labels[entity.label]
            counts.longest = max(counts.longest, n)
            if n > self.longest.tokens:
                text = entity.text_in(record.text)[: 10 * SHOWN_TEXT]
                self.longest = Longest(n, entity.label, text, str(record.where))
        self.entities.longest = self.longest.tokens

    def as_dict(self, notes: Optional[Notes] = None) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The counts, and what was noted, as it can be written as JSON."""
        found = {
            "documents": self.documents,
            "documents_without_entities": self.without_entities,
            "documents_not_annotated": self.not_annotated,
            "tokens": self.tokens,
            "characters": self.characters,
            **vars(self.entities),
            "deepest": self.deepest,
            "longest_entity": self.longest._asdict(),
            "missing": self.missing,
            "labels": {label: dict(vars(counts)) for label, counts in self._by_count()},
        }
        if notes is not None:
            found["decided"] = list(notes.decisions)
            found["notes"] = [
                {
                    "kind": kind.name,
                    "loss": kind.is_loss,
                    "count": tally.total,
                    "labels": dict(tally.labels),
                    "examples": list(tally.examples),
                }
                for kind, tally in notes.tallies.items()
            ]
            found["skipped"] = {
                "count": notes.n_skipped,
                "examples": [str(error) for error in notes.skipped],
            }
        return found

    def table(self, notes: Optional[Notes] = None) -> str:
        """Tell it, as spaCy's `debug data` does.

        notes (Optional[Notes]): What else happened to the data.
        RETURNS (str): The text, to be printed.
        """
        parts = [_divider("Documents"), _rows(self.document_rows())]
        if self.labels:
            parts += [_divider("Entities"), _rows(self.entity_rows())]
            parts += [_divider("Labels"), _rows(self.label_rows(), header=True)]
            if len(self.labels) > SHOWN_LABELS:
                parts.append(f"... and {len(self.labels) - SHOWN_LABELS} labels more")
        if notes is not None:
            parts += _told(notes)
        return "\n".join(parts)

    def document_rows(self) -> List[List[str]]:
        """RETURNS (List[List[str]]): What there is, and how much of it."""
        rows = [["Documents", number(self.documents)]]
        rows.append(["- without entities", number(self.without_entities)])
        if self.not_annotated:
            rows.append(["- not annotated", number(self.not_annotated)])
        rows.append(["Tokens", number(self.tokens)])
        rows.append(["Characters", number(self.characters)])
        rows.append(["Entities", number(self.entities.entities)])
        if self.missing:
            rows.append(["Stretches with unknown annotation", number(self.missing)])
        return rows

    def entity_rows(self) -> List[List[str]]:
        """RETURNS (List[List[str]]): How many entities are of which kind, with their share."""
        counts, longest = self.entities, self.longest

        def row(name: str, n: int) -> List[str]:
            return [name, number(n), share(n, counts.entities)]

        return [
            row("Inside another one", counts.nested),
            row("Inside another one of the same label", counts.same_label_nested),
            row("Several labels on the same text", counts.multi_label),
            row("Crossing another one", counts.crossing),
            row("Discontinuous", counts.discontinuous),
            ["Deepest", number(self.deepest), _plural(self.deepest, "level")],
            [
                "Longest",
                number(longest.tokens),
                f"{_plural(longest.tokens, 'token')}: {shorten(longest.text)!r} "
                f"({shorten(longest.label)}), {shorten(longest.where, 1000)}",
            ],
        ]

    def label_rows(self) -> List[List[str]]:
        """RETURNS (List[List[str]]): A header, and a row for each label, the most frequent first."""
        rows = [["Label", "Count", "Share", "Nested", "In own label", "Longest"]]
        for label, counts in self._by_count()[:SHOWN_LABELS]:
            rows.append(
                [
                    shorten(label),
                    number(counts.entities),
                    share(counts.entities, self.entities.entities),
                    number(counts.nested),
                    number(counts.same_label_nested),
                    number(counts.longest),
                ]
            )
        return rows

    def _by_count(self) -> List[Tuple[str, Counts]]:
        return sorted(self.labels.items(), key=lambda item: (-item[1].entities, item[0]))


def _tokens_of(record: Record) -> List[Stretch]:
    if record.tokens is not None:
        return record.tokens
    if record.doc is not None:
        return [(t.idx, t.idx + len(t)) for t in record.doc if not t.is_space]
    return [match.span() for match in WORD.finditer(record.text)]


def _is_unknown(record: Record) -> bool:
    """Whether nothing of a record is annotated."""
    if record.entities or not record.missing:
        return False
    stretches = [part for entity in record.missing if not entity.label for part in entity.fragments]
    text, end = record.text, 0
    for start, stop in sorted(stretches):
        if text[end:start].strip():
            return False
        end = max(end, stop)
    return end > 0 and not text[end:].strip()


def _told(notes: Notes) -> List[str]:
    """What was decided, mended, lost and skipped."""
    parts: List[str] = []
    if notes.decisions:
        parts.append(_divider("Input"))
        parts += [f"- {shorten(text, 1000)}" for text in notes.decisions]
    for title, is_loss in (("Lost or changed", True), ("Mended or passed over", False)):
        some = [(kind, tally) for kind, tally in notes.tallies.items() if kind.is_loss == is_loss]
        if some:
            parts.append(_divider(title))
            parts += [_tally(kind, tally) for kind, tally in some]
    if notes.n_skipped:
        parts.append(_divider("Bad input, skipped"))
        shown = notes.skipped[:SHOWN_SKIPPED]
        parts += [f"- {shorten(str(error), 1000)}" for error in shown]
        if notes.n_skipped > len(shown):
            parts.append(f"... and {number(notes.n_skipped - len(shown))} more")
    return parts


def _tally(kind: Kind, tally: Tally) -> str:
    icon = "warn" if kind.is_loss else "info"
    labels = Counter({label: n for label, n in tally.labels.items() if label})
    title = f"{kind.name[:1].upper()}{kind.name[1:]}: {number(tally.total)}"
    if labels:
        most = labels.most_common(SHOWN_SKIPPED)
        by_label = ", ".join(f"{shorten(label)} {number(n)}" for label, n in most)
        title += f" ({by_label}{', ...' if len(labels) > len(most) else ''})"
    lines = [f"  - {shorten(example, 1000)}" for example in tally.examples]
    return "\n".join([getattr(Printer(no_print=True), icon)(title), *lines])


def number(n: int) -> str:
    """RETURNS (str): A number, with its thousands set apart."""
    return f"{n:,}"


def share(n: int, total: int) -> str:
    """RETURNS (str): Which share of the total it is."""
    return f"{100 * n / total:.1f} %" if total else "-"


def shorten(text: str, length: int = SHOWN_TEXT) -> str:
    """RETURNS (str): A text on one line and without what a terminal would obey, cut off if it is
    longer.
    """
    text = " ".join(text[: 10 * length].split())
    text = "".join(c if c.isprintable() else "\ufffd" for c in text)
    return text if len(text) <= length else f"{text[: length - 3]}..."


def _plural(n: int, word: str) -> str:
    return word if n == 1 else f"{word}s"


def _divider(text: str) -> str:
    return str(Printer(no_print=True).divider(text))


def _width(text: str) -> int:
    """How many columns a text takes in a terminal."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _rows(rows: List[List[str]], header: bool = False) -> str:
    """Rows as columns: the first to the left, numbers to the right, what comes last in a table
    without header to the left. wasabi's own tables take every character for one column wide."""
    rows = list(rows)
    n_columns = max(len(row) for row in rows)
    widths = [max(_width(row[i]) for row in rows if i < len(row)) for i in range(n_columns)]
    if header:
        rows.insert(1, ["-" * width for width in widths])
    lines = []
    for row in rows:
        cells = []
        for i, (cell, width) in enumerate(zip(row, widths)):
            blanks = " " * (width - _width(cell))
            cells.append(cell + blanks if i == 0 or (i == 2 and not header) else blanks + cell)
        lines.append("   ".join(cells).rstrip())
    return "\n".join(lines)
