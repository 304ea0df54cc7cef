"""What the space of an encoder looks like in several states: do labels come apart in it?"""

from itertools import combinations
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy
from spacy.language import Language

from ...spaces import (
    effective_rank,
    in_turns,
    neighbour_purity,
    normalize,
    silhouettes,
    spread,
)
from ..distributions import holm, wilcoxon
from ..tables import Table
from .points import ENTITY, OUTSIDE, TOKEN, Sample, draw_sample, stretches
from .projections import Projection, Projections, project
from .study import Case
from .vectors import TITLES, encoder_states

# So many neighbours are asked.
K = 10
# So many points are drawn on a plane.
SHOWN = {ENTITY: 450, TOKEN: 150, OUTSIDE: 100}


class Space(NamedTuple):
    """The same entities and tokens in the space of an encoder, in several states.

    sample (Sample): What is looked at. All of it has a vector in each state.
    vectors (Dict[str, numpy.ndarray]): The vectors by state, from the first to the last. [n, width]
    titles (Dict[str, str]): What the states are called.
    notes (List[str]): What could not be had and why, as sentences.
    """

    sample: Sample
    vectors: Dict[str, numpy.ndarray]
    titles: Dict[str, str]
    notes: List[str]


class Measures(NamedTuple):
    """What the vectors of a state are like, see `spaces`. What cannot be had is NaN.

    n (int): How many vectors.
    width (int): Of how many dimensions.
    silhouette (float): The mean over labels of the silhouettes of their vectors.
    purity (float): The mean over labels of the share of neighbours that have the label.
    spread (float): The mean cosine distance of two vectors.
    rank (float): The effective rank.
    """

    n: int
    width: int
    silhouette: float
    purity: float
    spread: float
    rank: float


def look_into(
    nlp: Language,
    pipe: str,
    cases: Sequence[Case],
    *,
    stage1: Optional[Path] = None,
    must_fit: bool = True,
    seed: int = 0,
    on_step: Optional[Callable[[str], Any]] = None,
) -> Space:
    """Draw a sample of entities and tokens and find their vectors in each state of an encoder.

    nlp (Language): The pipeline.
    pipe (str): The pipe whose encoder it is about.
    cases (Sequence[Case]): The documents.
    stage1 (Optional[Path]): The weights of stage 1, or the folder that holds them.
    must_fit (bool): Whether it is an error if they are not those of this encoder. If not, it is noted.
    seed (int): The seed of the draw.
    on_step (Optional[Callable[[str], Any]]): Told what is done next.
    RETURNS (Space): The space. Its sample may be empty.
    """
    sample = draw_sample(cases, seed=seed)
    if not sample.points:
        return Space(sample, {}, {}, [])
    states = encoder_states(
        nlp, pipe, cases, sample.points, stage1=stage1, must_fit=must_fit, on_step=on_step
    )
    space = Space(sample, states.vectors, {name: TITLES[name] for name in states.vectors}, [])
    return only_finite(space._replace(notes=list(states.notes)))


def only_finite(space: Space) -> Space:
    """Leave out states in which no vector is finite, and of the others the points whose vector is not
    finite in all of them.

    space (Space): The space.
    RETURNS (Space): What is left of it, with a note of what is not.
    """
    finite = {name: numpy.isfinite(rows).all(axis=1) for name, rows in space.vectors.items()}
    notes = list(space.notes)
    kept = numpy.ones(len(space.sample.points), dtype="bool")
    vectors: Dict[str, numpy.ndarray] = {}
    for name, is_finite in finite.items():
        broken, title = int((~is_finite).sum()), space.titles[name].lower()
        if not is_finite.any():
            notes.append(
                f"No vector {title} is finite (all have NaN or infinite numbers), so that state is "
                "left out: training has diverged. Lower the learning rate or clip gradients."
            )
            continue
        vectors[name] = space.vectors[name]
        kept &= is_finite
        if broken:
            notes.append(
                f"{broken:,} of {len(is_finite):,} vectors {title} are not finite (NaN or "
                "infinite). These points are left out everywhere."
            )
    if not kept.any():
        vectors = {}
    places = numpy.flatnonzero(kept)
    titles = {name: space.titles[name] for name in vectors}
    some = {name: rows[places] for name, rows in vectors.items()}
    return Space(space.sample.only(places.tolist()), some, titles, notes)


class _Rows(NamedTuple):
    """Vectors with their labels, ready to be measured."""

    rows: numpy.ndarray
    unit: numpy.ndarray
    labels: numpy.ndarray
    documents: numpy.ndarray
    names: List[str]


def _rows(space: Space, state: str, *kinds: str) -> _Rows:
    """What is at the same place is one row, with all its labels."""
    places = space.sample.where(*kinds)
    points = [space.sample.points[i] for i in places.tolist()]
    firsts, labels, names = stretches(points)
    rows = space.vectors[state][places[firsts]]
    documents = numpy.asarray([points[i].case for i in firsts.tolist()], dtype="int64")
    return _Rows(rows, normalize(rows), labels, documents, names)


def silhouette_table(space: Space) -> Table:
    """Tell how well each label is set apart from the others, by the cosine distances of entities.

    space (Space): The space.
    RETURNS (Table): For each label, the most frequent first: how many entities stand for it (one with
        several labels stands for the rarest of them), and the mean of their silhouettes in each
        state, None for a label of a single one, or if there is no other label.
    """
    columns: List[List[float]] = []
    names: List[str] = []
    sizes = numpy.zeros(0, dtype="int64")
    for state in space.vectors:
        some = _rows(space, state, ENTITY)
        found, names = silhouettes(some.unit, some.labels), some.names
        sizes = found.sizes
        columns.append(numpy.where(sizes > 1, found.values, numpy.nan).tolist())
    order = sorted(range(len(names)), key=lambda i: (-sizes[i], names[i]))
    rows = [(names[i], sizes[i], *(column[i] for column in columns)) for i in order]
    return Table.of("space-silhouettes", ["label", "n", *space.vectors], rows)


def purity_table(space: Space, *, k: int = K, seed: int = 0) -> Table:
    """Tell which share of the nearest entities and tokens has the same label. They are sought in other
    documents if there are any.

    space (Space): The space.
    k (int): How many neighbours.
    seed (int): The seed of what is drawn of many rows.
    RETURNS (Table): For each label, the most frequent first: how many entities have it, and the mean
        share for them in each state, None if there are no neighbours.
    """
    columns: List[List[float]] = []
    names: List[str] = []
    counts = numpy.zeros(0, dtype="int64")
    for state in space.vectors:
        some = _rows(space, state, ENTITY, OUTSIDE)
        names, counts = some.names, some.labels.sum(axis=0)
        columns.append(_purity(some, k, seed).tolist())
    order = sorted(range(len(names)), key=lambda i: (-counts[i], names[i]))
    rows = [(names[i], counts[i], *(column[i] for column in columns)) for i in order]
    return Table.of("space-purity", ["label", "n", *space.vectors], rows)


def _purity(some: _Rows, k: int, seed: int) -> numpy.ndarray:
    unit = some.unit.astype("float32")
    return neighbour_purity(unit, some.labels, some.documents, k=k, seed=seed)


def paired_tests(table: Table, states: Sequence[str]) -> Table:
    """Test whether labels lie higher in one state than in another, by Wilcoxon's signed ranks, one
    difference a label.

    table (Table): A number for each label and state.
    states (Sequence[str]): The states.
    RETURNS (Table): For each pair of states: how many labels have both numbers, how many of them are
        higher in the later state and how many lower, the mean difference, the smaller sum of ranks,
        p, p corrected for the number of pairs by Holm's method, and whether there are differences
        enough for the test to tell anything.
    """
    rows: List[List[Any]] = []
    for one, other in combinations(states, 2):
        pairs = zip(table.column(one), table.column(other))
        differences = [b - a for a, b in pairs if a is not None and b is not None]
        outcome = wilcoxon(differences)
        mean = float(numpy.mean(differences)) if differences else None
        higher, lower = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
        counts = [len(differences), higher, lower]
        rows.append([one, other, *counts, mean, outcome.statistic, outcome.p, outcome.can_tell])
    corrected = iter(holm([row[7] for row in rows if row[7] is not None]))
    for row in rows:
        row.insert(8, None if row[7] is None else next(corrected))
    columns = ["from", "to", "labels", "higher", "lower", "mean_difference"]
    return Table.of(
        f"{table.name}-tests", [*columns, "rank_sum", "p", "p_corrected", "can_tell"], rows
    )


def measure(space: Space, state: str, *kinds: str, k: int = K, seed: int = 0) -> Measures:
    """Measure the vectors of a state.

    space (Space): The space.
    state (str): The state.
    kinds (str): Of which points: "entity", "token". Those outside are always taken in, but for
        silhouettes.
    k (int): How many neighbours.
    seed (int): The seed of what is drawn of many rows.
    RETURNS (Measures): The numbers.
    """
    some = _rows(space, state, *(kinds or (ENTITY,)), OUTSIDE)
    found = silhouettes(some.unit, some.labels)
    several = found.values[(found.sizes > 1) & ~numpy.isnan(found.values)]
    purity = _purity(some, k, seed)
    purity = purity[~numpy.isnan(purity)]
    n, width = some.rows.shape
    return Measures(
        n,
        width,
        float(several.mean()) if len(several) else float("nan"),
        float(purity.mean()) if len(purity) else float("nan"),
        spread(some.unit),
        effective_rank(some.rows),
    )


def measures_table(space: Space, *, k: int = K, seed: int = 0) -> Table:
    """RETURNS (Table): The numbers of `measure` for entities and for tokens in each state."""
    rows = [
        # Threads that share a sum leave their trace in the last digits.
        (state, name, *(round(x, 9) for x in measure(space, state, kind, k=k, seed=seed)))
        for name, kind in (("entities", ENTITY), ("tokens", TOKEN))
        for state in space.vectors
    ]
    return Table.of("space-measures", ["state", "vectors", *Measures._fields], rows)


def choose_shown(space: Space, most: Optional[Dict[str, int]] = None, *, seed: int = 0) -> Space:
    """Draw the points that are shown on a plane, so that rare labels and positions stay.

    space (Space): The space.
    most (Optional[Dict[str, int]]): How many points of each kind.
    seed (int): The seed of the draw.
    RETURNS (Space): The space with these points only.
    """
    rng = numpy.random.default_rng(seed)
    chosen: List[int] = []
    for kind, limit in (SHOWN if most is None else most).items():
        places = space.sample.where(kind)
        points = [space.sample.points[i] for i in places.tolist()]
        groups = sorted({(point.label, point.position) for point in points})
        column = {group: at for at, group in enumerate(groups)}
        own = numpy.asarray([column[p.label, p.position] for p in points], dtype="int64")
        if len(points) > limit:
            places = places[in_turns(rng, own[:, None] == numpy.arange(len(groups)))[:limit]]
        chosen += places.tolist()
    chosen.sort()
    vectors = {state: rows[chosen] for state, rows in space.vectors.items()}
    return space._replace(sample=space.sample.only(chosen), vectors=vectors)


def project_states(
    space: Space,
    wanted: Optional[Sequence[str]] = None,
    *,
    seed: int = 0,
    on_step: Optional[Callable[[str], Any]] = None,
) -> Tuple[Dict[str, Dict[str, Projection]], List[str]]:
    """Project the points of each state to a plane, by their directions: at length 1, their distances
    are as their cosines.

    space (Space): The points that are shown, see `choose_shown`.
    wanted (Optional[Sequence[str]]): By which methods. By default by all that can be used.
    seed (int): The seed of what is drawn.
    on_step (Optional[Callable[[str], Any]]): Told what is done next.
    RETURNS (Tuple[Dict[str, Dict[str, Projection]], List[str]]): The planes by state and method, and
        what could not be had and why. A method that fails for one state is left out for all.
    """
    found: Dict[str, Projections] = {}
    for state, rows in space.vectors.items():
        if on_step is not None:
            on_step(f"projections {space.titles[state].lower()}")
        found[state] = project(normalize(rows), wanted, seed=seed)
    names = [
        name
        for name in (next(iter(found.values())).found if found else {})
        if all(name in each.found for each in found.values())
    ]
    planes = {state: {name: each.found[name] for name in names} for state, each in found.items()}
    return planes, list(dict.fromkeys(note for each in found.values() for note in each.notes))


def coordinates(
    space: Space, planes: Dict[str, Dict[str, Projection]], cases: Sequence[Case]
) -> Table:
    """RETURNS (Table): The points that are shown: what they are, and where they are in each plane."""
    columns = ["document", "id", "start", "end", "text", "kind", "label", "position", "right"]
    every = [
        (f"{state}-{name}-{axis}", plane.xy[:, at])
        for state, some in planes.items()
        for name, plane in some.items()
        for at, axis in enumerate("xy")
    ]
    rows = [
        [
            point.case,
            cases[point.case].id,
            point.start,
            point.end,
            cases[point.case].text[point.start : point.end],
            point.kind,
            point.label,
            point.position,
            point.right,
            *(round(float(values[i]), 6) for _, values in every),
        ]
        for i, point in enumerate(space.sample.points)
    ]
    return Table.of("space-points", [*columns, *(name for name, _ in every)], rows)
