"""Splitting a corpus into parts, such as those to train, tune and test with.

Two passes over the corpus are needed. In the first one `Groups` keeps a few bytes about each record;
then `plan_split` decides; in the second one `Split.deal` says where each record goes.
"""

import random
import re
from array import array
from collections import Counter
from hashlib import blake2b
from typing import Dict, Iterable, Iterator, List, Mapping, NamedTuple, Sequence, Tuple

from .records import Record

NAMES = {2: ("train", "dev"), 3: ("train", "dev", "test")}
MAX_PARTS = 20
# Measured: what is left to gain after three rounds cannot be seen in the counts.
MAX_ROUNDS = 3
# No more than the rounding of floats.
NO_GAIN = 1e-12

# A label by its number and how often it occurs. Number 0 is no label: it counts records.
Counts = List[Tuple[int, int]]


class Groups:
    """What a split has to know about the records. Those that must not be parted form a group: those
    of one document, those with identical texts (apart from white space), and so on from one to the
    next.

    shortest (int): Texts of fewer characters than this, white space not counted, do not tie
        documents to each other. Of sentences, short ones recur so often ("Yes.") that they could
        tie all documents together.
    """

    def __init__(self, shortest: int = 0) -> None:
        self.shortest = shortest
        self.n_repeated = 0
        # For each record: a member of its group, and what labels it has, by number.
        self._member = array("q")
        self._content = array("q")
        self._contents: Dict[Tuple[Tuple[str, int], ...], int] = {}
        # A forest: each points to another member of its group, the root to itself.
        self._parent = array("q")
        self._of_key: Dict[bytes, int] = {}

    def __len__(self) -> int:
        """RETURNS (int): How many records there are."""
        return len(self._member)

    def add(self, record: Record) -> None:
        """Take a record into account.

        record (Record): The next record.
        """
        keys: List[bytes] = []
        text = "".join(record.text.split())
        if record.document:
            keys.append(_digest("document", record.document))
        if text and (not record.document or len(text) >= self.shortest):
            keys.append(_digest("text", text))
            self.n_repeated += keys[-1] in self._of_key
        roots = {self._root(self._of_key[key]) for key in keys if key in self._of_key}
        root = min(roots) if roots else len(self._parent)
        if not roots:
            self._parent.append(root)
        for other in roots:
            self._parent[other] = root
        for key in keys:
            self._of_key[key] = root
        self._member.append(root)
        labels = tuple(sorted(Counter(entity.label for entity in record.entities).items()))
        self._content.append(self._contents.setdefault(labels, len(self._contents)))

    def labels(self) -> List[str]:
        """RETURNS (List[str]): The labels, sorted."""
        return sorted({label for labels in self._contents for label, _ in labels})

    def collect(self) -> Tuple[List[int], List[Counts]]:
        """Put the groups together.

        RETURNS (Tuple[List[int], List[Counts]]): The group of each record, by number in order of
            their first records; and how many records (0) and entities of each label (1 and
            further, in order of `labels`) each group has.
        """
        number = {label: i for i, label in enumerate(self.labels(), 1)}
        contents = [[(number[label], n) for label, n in labels] for labels in self._contents]
        places: Dict[int, int] = {}
        group_of: List[int] = []
        totals: List[Dict[int, int]] = []
        for member, content in zip(self._member, self._content):
            group = places.setdefault(self._root(member), len(places))
            if group == len(totals):
                totals.append({0: 0})
            total = totals[group]
            total[0] += 1
            for label, n in contents[content]:
                total[label] = total.get(label, 0) + n
            group_of.append(group)
        return group_of, [sorted(total.items()) for total in totals]

    def _root(self, member: int) -> int:
        parent = self._parent
        while parent[member] != member:
            # Halving the way makes the next search shorter.
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member


class Split(NamedTuple):
    """Which record goes where.

    parts (List[str]): The names of the parts.
    place (bytearray): The part of each record, by number.
    counts (List[Counter]): How often each label occurs in each part.
    n_records (List[int]): How many records each part has.
    n_groups (List[int]): How many groups of records that belong together each part has.
    told (List[str]): What the user should know: a sentence each.
    """

    parts: List[str]
    place: bytearray
    counts: List[Counter]
    n_records: List[int]
    n_groups: List[int]
    told: List[str]

    def deal(self, records: Iterable[Record]) -> Iterator[Tuple[str, Record]]:
        """Go through the corpus again.

        records (Iterable[Record]): The records, the same as before.
        YIELDS (Tuple[str, Record]): The name of its part, and the record.
        """
        n_records = 0
        for n_records, record in enumerate(records, 1):
            if n_records > len(self.place):
                break
            yield self.parts[self.place[n_records - 1]], record
        if n_records != len(self.place):
            raise RuntimeError(
                f"The corpus had {len(self.place)} records, but not when it was read again. Do not "
                "change files while they are converted."
            )

    def rows(self) -> List[Tuple[str, ...]]:
        """RETURNS (List[Tuple[str, ...]]): A table to be printed: the names of its columns, then how
        many records and documents each part has, then how often each label occurs there.
        """
        labels = sorted(set().union(*self.counts))
        rows: List[Tuple[str, Sequence[int]]] = [
            ("records", self.n_records),
            ("documents", self.n_groups),
            *((label, [counts[label] for counts in self.counts]) for label in labels),
        ]
        return [("", *self.parts), *((name, *map(str, numbers)) for name, numbers in rows)]


def parse_split(text: str) -> Dict[str, float]:
    """Read a split as it is written on the command line: "80/10/10" or "train=80,test=20".

    text (str): What was given.
    RETURNS (Dict[str, float]): What the part of each name gets, in any unit.
    """
    usage = "Write it as --split 80/10/10, or with names: --split train=80,dev=10,test=10."
    named = "=" in text
    pieces = text.split("," if named else "/")
    if not named and len(pieces) not in NAMES:
        raise ValueError(f"--split {text}: these are not two or three parts. {usage}")
    ratios: Dict[str, float] = {}
    for i, piece in enumerate(pieces):
        name, _, number = piece.rpartition("=")
        name = name.strip() if named else NAMES[len(pieces)][i]
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise ValueError(
                f"--split {text}: {piece!r} has no name that a file could have. {usage}"
            )
        if name.casefold() in map(str.casefold, ratios):
            raise ValueError(f"--split {text}: the name {name!r} is there twice. {usage}")
        try:
            ratios[name] = float(number)
        except ValueError:
            raise ValueError(f"--split {text}: {number!r} is not a number. {usage}") from None
        if not 0 < ratios[name] < float("inf"):
            raise ValueError(f"--split {text}: each part must be more than nothing. {usage}")
    if not 2 <= len(ratios) <= MAX_PARTS:
        raise ValueError(f"--split {text}: there must be 2 to {MAX_PARTS} parts. {usage}")
    return ratios


def plan_split(groups: Groups, ratios: Mapping[str, float], seed: int = 0) -> Split:
    """Decide which record goes where, so that each part has its share of the records and of the
    entities of each label, and that each label reaches each part.

    First the groups are dealt out, those with the rarest label first, each to the part that lacks
    most of what it has. Then they are moved as long as that brings the parts closer to their
    shares.

    groups (Groups): What is known about the records.
    ratios (Mapping[str, float]): What the part of each name gets, in any unit.
    seed (int): Another one gives another split.
    RETURNS (Split): The split.
    """
    group_of, contents = groups.collect()
    if len(contents) < len(ratios):
        raise ValueError(
            f"{len(contents)} documents with different texts cannot be split into {len(ratios)} "
            "parts."
        )
    whole = sum(ratios.values())
    shares = _Shares(contents, [ratio / whole for ratio in ratios.values()])
    rng = random.Random(seed)
    chosen = [-1] * len(contents)
    for i in _rarest_first(contents, shares.n_groups, rng):
        chosen[i] = shares.choose(contents[i], rng)
        shares.put(contents[i], chosen[i])
    order = rng.sample(range(len(contents)), len(contents))
    for _ in range(MAX_ROUNDS):
        if not sum(shares.move(contents[i], i, chosen) for i in order):
            break
    parts, labels = list(ratios), groups.labels()
    counts: List[Counter] = [Counter() for _ in parts]
    for content, part in zip(contents, chosen):
        for label, n in content[1:]:
            counts[part][labels[label - 1]] += n
    return Split(
        parts=parts,
        place=bytearray(chosen[group] for group in group_of),
        counts=counts,
        n_records=[shares.n_records(part) for part in range(len(parts))],
        n_groups=[chosen.count(part) for part in range(len(parts))],
        told=_tell(groups, contents, shares, parts),
    )


class _Shares:
    """What the parts have and what they lack.

    contents (List[Counts]): What each group has.
    ratios (List[float]): The share of each part; their sum is 1.
    """

    def __init__(self, contents: List[Counts], ratios: List[float]) -> None:
        n_labels = max(label for content in contents for label, _ in content) + 1
        self.parts = range(len(ratios))
        self.totals, self.n_groups = [0] * n_labels, [0] * n_labels
        for content in contents:
            for label, n in content:
                self.totals[label] += n
                self.n_groups[label] += 1
        self.ratios = ratios
        self.lacks = [[ratio * total for total in self.totals] for ratio in ratios]
        # Deviations are relative, so that a rare label weighs as much as a frequent one. The number
        # of records weighs as much as all labels together.
        self.weights = [1 / total**2 for total in self.totals]
        self.weights[0] *= max(1, n_labels - 1)
        # How many groups with each label each part has, and how many are not dealt out.
        self.n_here = [[0] * n_labels for _ in ratios]
        self.n_left = list(self.n_groups)
        self.n_without = [len(ratios)] * n_labels

    def n_records(self, part: int) -> int:
        """RETURNS (int): How many records a part has."""
        return round(self.ratios[part] * self.totals[0] - self.lacks[part][0])

    def choose(self, content: Counts, rng: random.Random) -> int:
        """RETURNS (int): The part that lacks most of what a group has. A part that has nothing of a
        label comes first if there will not be enough groups for it later.
        """
        best, choice = (-1, 0.0, 0.0), 0
        urgent = [label for label, _ in content if self.n_left[label] <= self.n_without[label]]
        for part in self.parts:
            lacks, n_here = self.lacks[part], self.n_here[part]
            gain = 0.0
            # The function `sum` rounds differently in Python 3.12, which would change the split.
            for label, n in content:
                gain += n * lacks[label] * self.weights[label]
            key = (sum(not n_here[label] for label in urgent), gain, rng.random())
            if key > best or best[0] < 0:
                best, choice = key, part
        return choice

    def put(self, content: Counts, part: int) -> None:
        """Deal out a group."""
        for label, _ in content:
            self.n_left[label] -= 1
        self._take(content, part, 1)

    def move(self, content: Counts, group: int, chosen: List[int]) -> bool:
        """Move a group to another part if that is better.

        content (Counts): What it has.
        group (int): Its number.
        chosen (List[int]): The part of each group, which is updated.
        RETURNS (bool): Whether it was moved.
        """
        here = chosen[group]
        lacks, n_here = self.lacks[here], self.n_here[here]
        lost = sum(n_here[label] == 1 for label, _ in content)
        best, choice = (0, 0.0), here
        for part in self.parts:
            if part == here:
                continue
            other, n_there = self.lacks[part], self.n_here[part]
            reached = sum(not n_there[label] for label, _ in content) - lost
            # How much smaller the sum of squares becomes, halved.
            gain = 0.0
            for label, n in content:
                gain += self.weights[label] * n * (other[label] - lacks[label] - n)
            if (reached, gain) > best and (reached or gain > NO_GAIN):
                best, choice = (reached, gain), part
        if choice == here:
            return False
        self._take(content, here, -1)
        self._take(content, choice, 1)
        chosen[group] = choice
        return True

    def _take(self, content: Counts, part: int, sign: int) -> None:
        lacks, n_here = self.lacks[part], self.n_here[part]
        for label, n in content:
            lacks[label] -= sign * n
            before = n_here[label]
            n_here[label] += sign
            self.n_without[label] += (not n_here[label]) - (not before)


def _rarest_first(contents: List[Counts], n_groups: List[int], rng: random.Random) -> List[int]:
    """The numbers of the groups: those with the rarest label first, of these the largest."""
    order = rng.sample(range(len(contents)), len(contents))
    keys: List[Tuple[int, int, int]] = []
    for content in contents:
        _, label, n = min((n_groups[label], -label, n) for label, n in content)
        keys.append((n_groups[-label], label, -n))
    return sorted(order, key=keys.__getitem__)


def _tell(
    groups: Groups, contents: List[Counts], shares: _Shares, parts: Sequence[str]
) -> List[str]:
    """What the user should know about a split."""
    told: List[str] = []
    if groups.n_repeated:
        told.append(
            f"{groups.n_repeated} records have the same text as one before them: they are in the "
            "same part."
        )
    largest = max(content[0][1] for content in contents)
    if largest > min(shares.ratios) * len(groups) and largest > 1:
        told.append(
            f"{largest} of {len(groups)} records belong together (one document, or tied by "
            "identical texts), more than the smallest part should have."
        )
    for label, name in enumerate(groups.labels(), 1):
        without = [parts[part] for part in shares.parts if not shares.n_here[part][label]]
        if without:
            n_groups = shares.n_groups[label]
            told.append(
                f"The label {name!r} does not reach {' and '.join(without)}. It occurs in "
                f"{n_groups} {'document' if n_groups == 1 else 'documents'} that can be parted."
            )
    return told


def _digest(kind: str, text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return blake2b(data, digest_size=10, person=kind.encode()).digest()
