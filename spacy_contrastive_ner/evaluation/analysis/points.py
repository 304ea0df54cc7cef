"""Which entities and tokens of documents are looked at: a bounded sample, in which rare labels stay."""

from bisect import bisect_left, bisect_right
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

import numpy

from ...spaces import in_turns
from ..evaluate import spans_of
from ..matching import Mention
from .study import Case

# So many entities are looked at, in documents of so many words, with so many words outside. Only a
# document that is all there is may be longer.
MOST_ENTITIES, MOST_WORDS, MOST_OUTSIDE = 2000, 30_000, 1000
# So many tokens of a long entity.
MOST_INSIDE = 20

ENTITY, TOKEN, OUTSIDE = "entity", "token", "outside"
POSITIONS = ("B", "I", "L", "U", "O")


class Point(NamedTuple):
    """An entity, a token of one, or a token outside.

    kind (str): Which of these: "entity", "token" or "outside".
    case (int): The document: its place in the list of documents.
    first, last (int): Its tokens, `last` exclusive.
    start, end (int): Its place in the text, in characters.
    label (str): The label of the entity, "" outside.
    position (str): Where in the entity the token stands: it begins it (B), is inside (I), ends it
        (L), or is all of it (U); outside it is O. Of an entity: U if it is a single token, else "".
    right (Optional[bool]): Whether just this entity was predicted, or nothing over a token outside.
        None if it is not known.
    """

    kind: str
    case: int
    first: int
    last: int
    start: int
    end: int
    label: str
    position: str
    right: Optional[bool]


class Sample(NamedTuple):
    """What is looked at.

    points (List[Point]): Entities first, then their tokens, then tokens outside.
    cases (List[int]): The documents they are from.
    is_gold (bool): Whether the entities are those of the gold, or those that were predicted.
    n_entities (int): How many entities there are in all.
    n_cases (int): How many documents there are in all, of those that have such entities at all.
    """

    points: List[Point]
    cases: List[int]
    is_gold: bool
    n_entities: int
    n_cases: int

    def where(self, *kinds: str) -> numpy.ndarray:
        """RETURNS (numpy.ndarray): Which points are of these kinds."""
        places = [i for i, point in enumerate(self.points) if point.kind in kinds]
        return numpy.asarray(places, dtype="int64")

    def only(self, places: Sequence[int]) -> "Sample":
        """RETURNS (Sample): The same with some of the points."""
        return self._replace(points=[self.points[i] for i in places])

    def count(self, kind: str) -> int:
        """RETURNS (int): How many points are of a kind."""
        return sum(point.kind == kind for point in self.points)

    def labels(self) -> List[str]:
        """RETURNS (List[str]): The labels of the entities, the most frequent first."""
        counts: Dict[str, int] = {}
        for point in self.points:
            if point.kind == ENTITY:
                counts[point.label] = counts.get(point.label, 0) + 1
        return sorted(counts, key=lambda label: (-counts[label], label))


def draw_sample(
    cases: Sequence[Case],
    *,
    most: int = MOST_ENTITIES,
    most_words: int = MOST_WORDS,
    most_outside: int = MOST_OUTSIDE,
    seed: int = 0,
) -> Sample:
    """Draw entities label by label in turn, and tokens outside of entities from the same documents.
    If no document has gold with entities in it, they are those that were predicted.

    cases (Sequence[Case]): The documents.
    most (int): How many entities are drawn at most.
    most_words (int): How many tokens their documents have together.
    most_outside (int): How many tokens outside of entities are drawn at most.
    seed (int): The seed of the draw.
    RETURNS (Sample): The sample. It has no points if there are no entities.
    """
    rng = numpy.random.default_rng(seed)
    is_gold = any(case.gold_spans() for case in cases)
    mentions = [
        (i, mention)
        for i, case in enumerate(cases)
        if case.gold is not None or not is_gold
        for mention in sorted(case.gold_spans() if is_gold else spans_of(case.predicted))
    ]
    n_cases = sum(case.gold is not None or not is_gold for case in cases)
    entities: List[Point] = []
    tokens: List[Point] = []
    read: Dict[int, _Reading] = {}
    words = 0
    for at in _order(rng, mentions, [len(case.tokens) for case in cases], most_words):
        i, mention = mentions[at]
        if len(entities) >= most:
            break
        if i not in read:
            n = len(cases[i].tokens)
            if read and words + n > most_words:
                continue
            words += n
            read[i] = _Reading(cases[i], is_gold)
        found = read[i].points_of(i, mention)
        entities += found[:1]
        tokens += found[1:]
    outside = _outside(rng, read, most_outside)
    points = [*sorted(entities, key=_place), *sorted(tokens, key=_place), *outside]
    return Sample(points, sorted(read), is_gold, len(mentions), n_cases)


class _Reading:
    """A document, with its entities and predictions on tokens.

    case (Case): The document.
    is_gold (bool): Whether the entities are those of the gold.
    """

    def __init__(self, case: Case, is_gold: bool) -> None:
        self.case, self.is_gold = case, is_gold
        self.starts = [start for start, _ in case.tokens]
        self.ends = [end for _, end in case.tokens]
        self.predicted = spans_of(case.predicted)

    def touched(self, start: int, end: int) -> Tuple[int, int]:
        """RETURNS (Tuple[int, int]): The tokens that a stretch touches, the second exclusive. If that
        is not greater, there are none."""
        return bisect_right(self.ends, start), bisect_left(self.starts, end)

    def covered(self, spans: Iterable[Mention]) -> Set[int]:
        """RETURNS (Set[int]): All tokens that some spans touch."""
        return {at for start, end, _ in spans for at in range(*self.touched(start, end))}

    def points_of(self, i: int, mention: Mention) -> List[Point]:
        """RETURNS (List[Point]): An entity and its tokens, of a long one some. Nothing if it touches
        no token."""
        start, end, label = mention
        first, last = self.touched(start, end)
        if first >= last:
            return []
        right = mention in self.predicted if self.is_gold else None
        whole = "U" if last - first == 1 else ""
        found = [Point(ENTITY, i, first, last, start, end, label, whole, right)]
        n = min(last - first, MOST_INSIDE)
        for at in numpy.linspace(first, last - 1, n).round().astype("int64").tolist():
            position = whole or ("B" if at == first else "L" if at == last - 1 else "I")
            own = (self.starts[at], self.ends[at])
            found.append(Point(TOKEN, i, at, at + 1, *own, label, position, right))
        return found

    def outside(self) -> List[int]:
        """RETURNS (List[int]): The words that are in no entity for certain."""
        case = self.case
        inside = self.covered(case.gold_spans() if self.is_gold else self.predicted)
        if case.gold is not None:
            inside |= self.covered(case.gold.missing)
        words = (at for at, (a, b) in enumerate(case.tokens) if case.text[a:b].strip())
        return [at for at in words if at not in inside]


def _place(point: Point) -> Tuple[int, int, int, str]:
    return point.case, point.first, -point.last, point.label


def _order(
    rng: numpy.random.Generator,
    mentions: Sequence[Tuple[int, Mention]],
    sizes: Sequence[int],
    most_words: int,
) -> Iterator[int]:
    """Mentions in turns of their labels. Those in documents that are too long by themselves come
    last, the shortest of these documents first."""
    names = sorted({mention[2] for _, mention in mentions})
    column = {name: at for at, name in enumerate(names)}
    own = numpy.asarray([column[mention[2]] for _, mention in mentions], dtype="int64")
    labels = own[:, None] == numpy.arange(len(names))
    order = in_turns(rng, labels).tolist() if len(mentions) else []
    yield from (at for at in order if sizes[mentions[at][0]] <= most_words)
    long = [at for at in order if sizes[mentions[at][0]] > most_words]
    yield from sorted(long, key=lambda at: sizes[mentions[at][0]])


def _outside(rng: numpy.random.Generator, read: Dict[int, _Reading], most: int) -> List[Point]:
    """Draw tokens outside of entities."""
    found = [(i, at) for i in sorted(read) for at in read[i].outside()]
    chosen = sorted(found[at] for at in rng.permutation(len(found))[:most].tolist())
    wrong = {i: read[i].covered(read[i].predicted) for i in {i for i, _ in chosen}}
    points: List[Point] = []
    for i, at in chosen:
        start, end = read[i].case.tokens[at]
        right = at not in wrong[i] if read[i].is_gold else None
        points.append(Point(OUTSIDE, i, at, at + 1, start, end, "", "O", right))
    return points


def stretches(points: Sequence[Point]) -> Tuple[numpy.ndarray, numpy.ndarray, List[str]]:
    """Put together what stands at the same place, as an entity with several labels does.

    points (Sequence[Point]): Points.
    RETURNS (Tuple[numpy.ndarray, numpy.ndarray, List[str]]): The first point of each place, the
        labels of each, and their names. [n], bool [n, L]
    """
    names = sorted({point.label for point in points if point.label})
    column = {name: at for at, name in enumerate(names)}
    rows: Dict[Tuple[int, int, int], int] = {}
    firsts: List[int] = []
    for at, point in enumerate(points):
        if (point.case, point.first, point.last) not in rows:
            rows[point.case, point.first, point.last] = len(firsts)
            firsts.append(at)
    labels = numpy.zeros((len(firsts), len(names)), dtype="bool")
    for point in points:
        if point.label:
            labels[rows[point.case, point.first, point.last], column[point.label]] = True
    return numpy.asarray(firsts, dtype="int64"), labels, names
