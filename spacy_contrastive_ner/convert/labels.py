"""Renaming, merging, choosing and checking labels."""

import difflib
import json
import unicodedata
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, Collection, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from .mending import Place, in_order, place_of, without_duplicates
from .notes import Kind, Notes
from .records import Entity, Record

STRIPPED = Kind("White space at the edges of labels cut off")
NO_LABEL = Kind("Entities without a label dropped", is_loss=True)
LEFT_OUT = Kind("Labels left out as asked for")
SAME_NOW = Kind("Entities that were renamed to one that is there left out")

QUOTES = "\"'`\u00b4\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"
# Zero width joiners and non-joiners are part of the spelling of some languages.
JOINERS = "\u200c\u200d"


class Labels:
    """What is done to labels. White space at their edges is always cut off, and entities without
    a label are dropped unless "" is renamed.

    rename (Mapping[str, str]): The new name of a label.
    only (Collection[str]): The labels that stay; all of them if it is empty.
    drop (Collection[str]): The labels that do not stay. `only` and `drop` are about the names
        after renaming.
    merge (Mapping[str, Sequence[str]]): The labels that get a new name together.
    """

    def __init__(
        self,
        rename: Optional[Mapping[str, str]] = None,
        only: Collection[str] = (),
        drop: Collection[str] = (),
        merge: Optional[Mapping[str, Sequence[str]]] = None,
    ) -> None:
        self.only = set(only)
        self.drop = set(drop)
        self.rename: Dict[str, str] = {}
        # The option that each old name was given with.
        self.given: Dict[str, str] = {}
        for old, new in (rename or {}).items():
            self._add("--rename", old, new)
        for new, olds in (merge or {}).items():
            for old in olds:
                self._add("--merge", old, new)
        self._check()
        # How often each label occurred, as it was and as it is now, and what becomes of each.
        self.seen: Counter = Counter()
        self.seen_renamed: Counter = Counter()
        self._targets: Dict[str, Optional[str]] = {}

    def apply(self, record: Record, notes: Notes) -> Record:
        """Do it to the entities of a record, and to the stretches whose annotation is unknown for a
        label.

        record (Record): The record, which was mended.
        notes (Notes): Where it is counted what was changed.
        RETURNS (Record): The same record if nothing changes, else a new one.
        """
        self.seen.update(entity.label for entity in record.entities)
        entities, missing = record.entities, record.missing
        if any(self._target(entity.label) != entity.label for entity in entities):
            place = place_of(record, notes)
            kept = [new for entity in entities if (new := self._change(entity, place)) is not None]
            entities = without_duplicates(kept, place, SAME_NOW)
        # "" stands for all labels here.
        if any(e.label and self._target(e.label) != e.label for e in missing):
            targets = ((e, self._target(e.label) if e.label else "") for e in missing)
            changed = (e._replace(label=target) for e, target in targets if target is not None)
            missing = in_order(dict.fromkeys(changed))
        if entities is record.entities and missing is record.missing:
            return record
        return replace(record, entities=entities, missing=missing)

    def unused(self) -> List[str]:
        """RETURNS (List[str]): A sentence about each name that was given, but did not occur in any
        record so far.
        """
        seen = Counter({old.strip(): n for old, n in self.seen.items()})
        renamed = Counter(self.rename.get(label, label) for label in seen)
        told = [_never(self.given[old], old, seen) for old in self.rename if old not in seen]
        for flag, names in (("--only", self.only), ("--drop", self.drop)):
            told += [_never(flag, name, renamed) for name in sorted(names) if name not in renamed]
        return told

    def joined(self) -> List[str]:
        """RETURNS (List[str]): A sentence about each label that was renamed to one that occurred as
        well, so that nobody can tell them apart any more.
        """
        seen = {label.strip() for label in self.seen}
        return [
            f"{old!r} was renamed to {new!r}, which occurs as well: they are one label now."
            for old, new in self.rename.items()
            if self.given[old] == "--rename" and old in seen and new in seen - {*self.rename}
        ]

    def _add(self, flag: str, old: str, new: str) -> None:
        if not new.strip() or new != new.strip():
            raise ValueError(f"{flag}: {old!r} cannot be renamed to {new!r}: give it a real name.")
        if self.rename.get(old, new) != new:
            raise ValueError(
                f"{flag}: {old!r} cannot be both {self.rename[old]!r} and {new!r}. Name it once."
            )
        self.rename[old], self.given[old] = new, flag

    def _check(self) -> None:
        both = sorted(self.drop & self.only)
        if both:
            raise ValueError(f"{both[0]!r} is in --only and in --drop. Name it once.")
        new_names = set(self.rename.values())
        for flag, names in (("--only", self.only), ("--drop", self.drop)):
            for name in sorted(names):
                if self.rename.get(name, name) != name and name not in new_names:
                    raise ValueError(
                        f"{flag} {name}: by then it is called {self.rename[name]!r} "
                        f"({self.given[name]}). Write {flag} {self.rename[name]}."
                    )

    def _target(self, label: str) -> Optional[str]:
        """What becomes of a label: its new name, or None if it does not stay."""
        if label not in self._targets:
            name = label.strip()
            target: Optional[str] = self.rename.get(name, name)
            if not target or target in self.drop or (self.only and target not in self.only):
                target = None
            self._targets[label] = target
        return self._targets[label]

    def _change(self, entity: Entity, place: Place) -> Optional[Entity]:
        target = self._target(entity.label)
        name = entity.label.strip()
        if target is None:
            place.tell(LEFT_OUT if name or name in self.rename else NO_LABEL, entity)
            return None
        if name and name != entity.label:
            place.tell(STRIPPED, entity)
        return entity if target == entity.label else entity._replace(label=target)


def parse_names(values: Sequence[str], flag: str) -> List[str]:
    """Read the names of labels as they are written on the command line: "A,B", or a JSON file with
    a list of names.

    values (Sequence[str]): What was given, as often as the option was.
    flag (str): The option, for errors.
    RETURNS (List[str]): The names.
    """
    names: List[str] = []
    for value in values:
        if value.endswith(".json"):
            read = _load(value, flag)
            if not isinstance(read, list) or not all(isinstance(name, str) for name in read):
                raise ValueError(f"{flag} {value}: the file must hold a list of names.")
            names += read
        else:
            names += _parts(value, ",", f"{flag} {value}", f"{flag} A,B")
    return names


def parse_rename(values: Sequence[str], flag: str = "--rename") -> Dict[str, str]:
    """Read new names as they are written on the command line: "OLD=NEW,OLD=NEW", or a JSON file
    with an object of old and new names. "=NEW" is for entities without a label.

    values (Sequence[str]): What was given, as often as the option was.
    flag (str): The option, for errors.
    RETURNS (Dict[str, str]): New names by old ones.
    """
    renamed: Dict[str, str] = {}
    for value, old, new in _pairs(values, flag, "OLD=NEW"):
        if not isinstance(new, str):
            raise ValueError(f"{flag} {value}: the new name of {old!r} is not a string.")
        if renamed.setdefault(old, new) != new:
            raise ValueError(f"{flag} {value}: {old!r} has two new names. Name it once.")
    return renamed


def parse_merge(values: Sequence[str], flag: str = "--merge") -> Dict[str, List[str]]:
    """Read which labels become one as it is written on the command line: "NEW=A+B,OTHER=C+D", or a
    JSON file with an object of new names and lists of old ones.

    values (Sequence[str]): What was given, as often as the option was.
    flag (str): The option, for errors.
    RETURNS (Dict[str, List[str]]): Lists of old names by new ones.
    """
    merged: Dict[str, List[str]] = {}
    for value, new, olds in _pairs(values, flag, "NEW=A+B"):
        if isinstance(olds, str):
            olds = _parts(olds, "+", f"{flag} {value}", f"{flag} NEW=A+B")
        if not isinstance(olds, list) or not all(isinstance(old, str) for old in olds):
            raise ValueError(f"{flag} {value}: {new!r} needs a list of old names.")
        merged.setdefault(new, []).extend(olds)
    return merged


def odd_names(labels: Mapping[str, int]) -> List[str]:
    """Find labels that may be a mistake.

    labels (Mapping[str, int]): How often each label occurs, as it is written out.
    RETURNS (List[str]): A sentence about each of those that are odd.
    """
    told: List[str] = []
    spellings: Dict[str, List[str]] = {}
    for label in sorted(labels):
        if any(_is_hidden(char) for char in label):
            told.append(f"The label {label!r} has characters that cannot be seen.")
        if label and (label[0] in QUOTES or label[-1] in QUOTES):
            told.append(f"The label {label!r} has a quotation mark at its edge.")
        plain = "".join(char for char in label.casefold() if char.isalnum())
        spellings.setdefault(plain or label, []).append(label)
        if label.startswith("B-") and "I-" + label[2:] in labels:
            told.append(f"The labels {label!r} and {'I-' + label[2:]!r} look like tags of tokens.")
    for same in spellings.values():
        if len(same) > 1:
            counts = ", ".join(f"{label!r} ({labels[label]})" for label in same)
            new = max(same, key=lambda label: labels[label])
            told.append(
                f"The labels {counts} differ only in case, white space or punctuation. If they are "
                f'one: --merge "{new}={"+".join(same)}".'
            )
    return told


def _is_hidden(char: str) -> bool:
    if char == " ":
        return False
    return unicodedata.category(char) in ("Cc", "Cf", "Co", "Cn", "Zl", "Zp") and (
        char not in JOINERS
    )


def _never(flag: str, name: str, there: Mapping[str, int]) -> str:
    """A sentence about a label that does not occur."""
    near = difflib.get_close_matches(name, there, n=1)
    same = [label for label in there if label.casefold() == name.casefold()]
    known = sorted(there)
    shown = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
    if same or near:
        return f"{flag}: no entity has the label {name!r}. Is it {(same or near)[0]!r}?"
    return f"{flag}: no entity has the label {name!r}. There are: {shown or 'no labels'}."


def _pairs(values: Sequence[str], flag: str, usage: str) -> Iterator[Tuple[str, str, Any]]:
    """What was given, the left and the right side of each assignment in it."""
    for value in values:
        if value.endswith(".json") and "=" not in value:
            read = _load(value, flag)
            if not isinstance(read, dict):
                raise ValueError(f"{flag} {value}: the file must hold an object of names.")
            for left, right in read.items():
                yield value, left, right
            continue
        for pair in _parts(value, ",", f"{flag} {value}", f"{flag} {usage}"):
            if pair.count("=") != 1:
                raise ValueError(
                    f"{flag} {value}: write {pair!r} as {usage}. Names that hold ',' or '=' are "
                    f"read from a JSON file: {flag} FILE.json."
                )
            left, _, right = pair.partition("=")
            yield value, left.strip(), right.strip()


def _parts(text: str, separator: str, given: str, usage: str) -> List[str]:
    parts = [part.strip() for part in text.split(separator)]
    if not all(parts):
        raise ValueError(f"{given}: there is nothing beside a {separator!r}. Write it as {usage}.")
    return parts


def _load(name: str, flag: str) -> Any:
    try:
        return json.loads(Path(name).read_text(encoding="utf-8-sig"))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ValueError(f"{flag} {name}: the file cannot be opened: {reason}.") from None
    except ValueError as error:
        raise ValueError(f"{flag} {name}: the file is no JSON: {error}.") from None
