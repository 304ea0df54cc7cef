"""Which rows a contrastive loss compares, and what their labels are. Arrays only."""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple, Union

import numpy

from ..annotations import Gold
from ..losses.checks import require_weight

UNITS = ("tokens", "segments")
OUTSIDE = ("negative", "query", "ignore")
MERGES = ("label", "prefix")

# How far from an entity a token is still near.
NEAR = 3

# How often a place for a stretch outside entities is looked for.
TRIES = 10

# Where the class of a label like PER.NAM ends.
SEPARATORS = ".-/:"

Merge = Union[str, Dict[str, str]]
Triple = Tuple[int, int, str]


class Rows(NamedTuple):
    """Rows of one batch that are compared with one another. A row is the mean of a stretch.

    starts, ends (numpy.ndarray): The stretch of each row, in the tokens of the batch. [n]
    labels (numpy.ndarray): Which labels each row has. [n, L], bool
    maybe (numpy.ndarray): Which it may have besides, where annotation is missing. [n, L], bool
    names (List[str]): The names of the labels.
    """

    starts: numpy.ndarray
    ends: numpy.ndarray
    labels: numpy.ndarray
    maybe: numpy.ndarray
    names: List[str]


class Sampling(NamedTuple):
    """How rows are made, see `ContrastiveObjective`."""

    units: str = "tokens"
    outside: str = "negative"
    merge: Merge = "label"
    max_outside: Optional[int] = 1000
    near_share: float = 0.5
    background: float = 1.0
    hard_share: float = 0.5

    def check(self) -> "Sampling":
        """RETURNS (Sampling): Itself, if its settings make sense."""
        for name, value, known in (
            ("units", self.units, UNITS),
            ("outside", self.outside, OUTSIDE),
        ):
            if value not in known:
                raise ValueError(f"{name} is {value!r}, but must be one of {', '.join(known)}.")
        if isinstance(self.merge, str) and self.merge not in MERGES:
            raise ValueError(
                f"merge is {self.merge!r}, but must be one of {', '.join(MERGES)}, or a mapping "
                "from labels to classes."
            )
        for name in ("near_share", "hard_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}, but must lie in [0, 1].")
        require_weight(background=self.background)
        if self.max_outside is not None and self.max_outside < 0:
            raise ValueError(f"max_outside is {self.max_outside}, but must not be negative.")
        return self

    @property
    def bars_outside(self) -> str:
        """RETURNS (str): The setting by which no rows are outside of entities, "" if some are."""
        if self.outside == "ignore":
            return 'outside = "ignore"'
        if self.units == "tokens":
            return "max_outside = 0" if self.max_outside == 0 else ""
        return "background = 0" if self.background == 0 else ""


def class_of_label(merge: Merge) -> Callable[[str], str]:
    """RETURNS (Callable[[str], str]): What gives the class of a label."""
    if isinstance(merge, dict):
        mapping = merge
        return lambda label: mapping.get(label, label)
    if merge == "label":
        return lambda label: label

    def prefix(label: str) -> str:
        ends = [label.find(mark, 1) for mark in SEPARATORS]
        return label[: min((end for end in ends if end > 0), default=None)]

    return prefix


def with_classes(gold: Gold, merge: Merge) -> Gold:
    """RETURNS (Gold): The annotation of a document, with classes instead of labels."""
    to_class = class_of_label(merge)
    return gold._replace(
        spans=[(start, end, to_class(label)) for start, end, label in gold.spans],
        missing=[(start, end, to_class(label)) for start, end, label in gold.missing],
    )


def make_rows(
    gold: Sequence[Gold], offsets: Sequence[int], sampling: Sampling, rng: numpy.random.Generator
) -> Rows:
    """Choose the rows of documents whose labels may be compared.

    gold (Sequence[Gold]): The annotation of the documents, with classes for labels.
    offsets (Sequence[int]): Where the tokens of each document begin in the batch.
    sampling (Sampling): How rows are made.
    rng (numpy.random.Generator): What chance is drawn from.
    RETURNS (Rows): The rows.
    """
    spans = {label for doc in gold for _, _, label in doc.spans}
    # Two rows may share a label that is annotated nowhere in the batch, but unknown at both.
    unknown = {label for doc in gold for _, _, label in doc.missing if label}
    names = sorted(spans | unknown)
    # Outside counts as one more label if such rows are queries.
    columns = [*names, ""] if sampling.outside == "query" else names
    make = _token_rows if sampling.units == "tokens" else _segment_rows
    parts = [_no_rows(columns)]
    for doc, offset in zip(gold, offsets):
        rows = make(doc, columns, sampling, rng)
        parts.append(rows._replace(starts=rows.starts + offset, ends=rows.ends + offset))
    starts, ends, labels, maybe = (
        numpy.concatenate([part[field] for part in parts]) for field in range(4)
    )
    return _choose(Rows(starts, ends, labels, maybe, columns), gold, offsets, sampling, rng)


def _no_rows(columns: List[str]) -> Rows:
    none, no_labels = numpy.zeros(0, dtype="int64"), numpy.zeros((0, len(columns)), dtype="bool")
    return Rows(none, none, no_labels, no_labels, columns)


def _unknown(
    doc: Gold, starts: numpy.ndarray, ends: numpy.ndarray, columns: List[str]
) -> numpy.ndarray:
    """Which labels each stretch may have, as missing annotation touches it. [n, L]"""
    maybe = numpy.zeros((len(starts), len(columns)), dtype="bool")
    for start, end, label in doc.missing:
        touched = (starts < end) & (ends > start)
        if not label:
            maybe[touched] = True
        else:
            maybe[touched, columns.index(label)] = True
    return maybe


def _token_rows(
    doc: Gold, columns: List[str], sampling: Sampling, rng: numpy.random.Generator
) -> Rows:
    """A row for each token."""
    starts = numpy.arange(doc.n_tokens)
    labels = numpy.zeros((doc.n_tokens, len(columns)), dtype="bool")
    for start, end, label in doc.spans:
        labels[start:end, columns.index(label)] = True
    return Rows(starts, starts + 1, labels, _unknown(doc, starts, starts + 1, columns), columns)


def _segment_rows(
    doc: Gold, columns: List[str], sampling: Sampling, rng: numpy.random.Generator
) -> Rows:
    """A row for each stretch that is an entity, and for some that are not."""
    entities = sorted({(start, end) for start, end, _ in doc.spans})
    wanted = sampling.background * len(entities)
    n = int(wanted) + int(rng.random() < wanted % 1)
    if not entities and doc.n_tokens and sampling.background:
        n = 1
    n_hard = int(rng.binomial(n, sampling.hard_share)) if n and entities else 0
    taken: Set[Tuple[int, int]] = set(entities)
    others = _hard_segments(doc.n_tokens, entities, n_hard, taken, rng)
    others += _random_segments(doc.n_tokens, entities, n - len(others), taken, rng)
    stretches = numpy.asarray([*entities, *others], dtype="int64").reshape((-1, 2))
    starts, ends = stretches[:, 0], stretches[:, 1]
    labels = numpy.zeros((len(starts), len(columns)), dtype="bool")
    at = {stretch: row for row, stretch in enumerate(entities)}
    for start, end, label in doc.spans:
        labels[at[start, end], columns.index(label)] = True
    return Rows(starts, ends, labels, _unknown(doc, starts, ends, columns), columns)


def _hard_segments(
    n_tokens: int,
    entities: Sequence[Tuple[int, int]],
    n: int,
    taken: Set[Tuple[int, int]],
    rng: numpy.random.Generator,
) -> List[Tuple[int, int]]:
    """Stretches that overlap an entity without being one: cut short, stretched or shifted by a
    token. What is found is added to `taken`."""
    found: List[Tuple[int, int]] = []
    changes = [(0, -1), (1, 0), (0, 1), (-1, 0), (1, 1), (-1, -1)]
    for _ in range(n):
        start, end = entities[int(rng.integers(len(entities)))]
        for change in rng.permutation(len(changes)).tolist():
            left, right = changes[change]
            other = (start + left, end + right)
            overlaps = max(start, other[0]) < min(end, other[1])
            if 0 <= other[0] < other[1] <= n_tokens and overlaps and other not in taken:
                taken.add(other)
                found.append(other)
                break
    return found


def _random_segments(
    n_tokens: int,
    entities: Sequence[Tuple[int, int]],
    n: int,
    taken: Set[Tuple[int, int]],
    rng: numpy.random.Generator,
) -> List[Tuple[int, int]]:
    """Stretches that touch no entity, as long as entities are; fewer if they are hard to find. What
    is found is added to `taken`."""
    found: List[Tuple[int, int]] = []
    lengths = [end - start for start, end in entities] or [1, 2, 3]
    inside = numpy.zeros(n_tokens + 1, dtype="int64")
    for start, end in entities:
        inside[start + 1 : end + 1] = 1
    before = numpy.cumsum(inside)
    for _ in range(n):
        for _ in range(TRIES):
            length = min(lengths[int(rng.integers(len(lengths)))], n_tokens)
            start = int(rng.integers(n_tokens - length + 1))
            touches = before[start + length] > before[start]
            if not touches and (start, start + length) not in taken:
                taken.add((start, start + length))
                found.append((start, start + length))
                break
    return found


def _choose(
    rows: Rows,
    gold: Sequence[Gold],
    offsets: Sequence[int],
    sampling: Sampling,
    rng: numpy.random.Generator,
) -> Rows:
    """Leave out rows of which nothing is known, and rows outside entities as is set."""
    labelled = rows.labels.any(axis=1)
    if sampling.outside == "query":
        known = labelled | ~rows.maybe.any(axis=1)
        rows.labels[known & ~labelled, -1] = True
        # What is in an entity is not outside, whatever else it may be in.
        rows.maybe[labelled, -1] = False
    else:
        # What may be of every label that there is differs from nothing.
        there = rows.labels.any(axis=0)
        known = labelled | ~rows.maybe[:, there].all(axis=1)
    outside = numpy.flatnonzero(known & ~labelled)
    if sampling.outside == "ignore":
        outside = outside[:0]
    if sampling.units == "tokens":
        outside = _some_outside(rows, outside, gold, offsets, sampling, rng)
    chosen = numpy.sort(numpy.concatenate((numpy.flatnonzero(labelled), outside)))
    starts, ends, labels, maybe = (array[chosen] for array in rows[:4])
    return Rows(starts, ends, labels, maybe, rows.names)


def _some_outside(
    rows: Rows,
    outside: numpy.ndarray,
    gold: Sequence[Gold],
    offsets: Sequence[int],
    sampling: Sampling,
    rng: numpy.random.Generator,
) -> numpy.ndarray:
    """Draw as many of the outside rows as are allowed, a share of them from near entities."""
    most = sampling.max_outside
    if most is None or len(outside) <= most:
        return outside
    close: Set[int] = set()
    for doc, offset in zip(gold, offsets):
        for start, end, _ in doc.spans:
            first, last = max(0, start - NEAR), min(doc.n_tokens, end + NEAR)
            close.update(range(offset + first, offset + last))
    near = numpy.isin(rows.starts[outside], numpy.fromiter(close, dtype="int64", count=len(close)))
    n_near = min(int(near.sum()), round(most * sampling.near_share))
    drawn = rng.permutation(outside[near])[:n_near]
    rest = rng.permutation(numpy.setdiff1d(outside, drawn))[: most - len(drawn)]
    return numpy.concatenate((drawn, rest))


def pool_rows(ops: Any, tokens: Any, rows: Rows) -> Tuple[Any, Callable[[Any], Any]]:
    """Average the tokens of each row.

    ops (Ops): The backend.
    tokens (Floats2d): The tokens of the batch. [N, width]
    rows (Rows): The rows.
    RETURNS (Tuple[Floats2d, Callable]): [n, width], and the way back for gradients.
    """
    lengths = rows.ends - rows.starts
    total = int(lengths.sum())
    first = numpy.repeat(rows.starts - numpy.cumsum(lengths) + lengths, lengths)
    at = ops.asarray1i(first + numpy.arange(total))
    single = bool((lengths == 1).all())
    sizes = ops.asarray1i(lengths)
    pooled = tokens[at] if single else ops.reduce_mean(tokens[at], sizes)

    def backprop(d_pooled: Any) -> Any:
        d_tokens = ops.xp.zeros_like(tokens)
        if not total:
            return d_tokens
        d_each = d_pooled if single else ops.backprop_reduce_mean(d_pooled, sizes)
        ops.scatter_add(d_tokens, at, d_each)
        return d_tokens

    return pooled, backprop
