"""The section on the space of the encoder: the same entities and tokens before and after training."""

from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from spacy.language import Language

from ..convert.summary import number, shorten
from ..evaluation.analysis.points import ENTITY, MOST_WORDS, OUTSIDE, TOKEN, Point
from ..evaluation.analysis.projections import PCA, TITLES, TSNE, UMAP, Projection
from ..evaluation.analysis.space import (
    K,
    Space,
    choose_shown,
    coordinates,
    look_into,
    measures_table,
    paired_tests,
    project_states,
    purity_table,
    silhouette_table,
)
from ..evaluation.analysis.study import Case
from ..evaluation.analysis.vectors import BEFORE, STAGE1, NoEncoder
from ..evaluation.figures.space import (
    NAMED,
    extent_figure,
    labels_figure,
    positions_figure,
    right_figure,
    states_figure,
)
from ..evaluation.predictor import Pipe, encoder_weights
from ..evaluation.tables import Table
from .panels import Panel, Section

NAME, TITLE = "space", "Space"
ABOUT = (
    "The encoder turns each token into a vector. Here are the vectors of the same entities and tokens "
    "in each state of the encoder. The closer those of one label lie together, and the farther from "
    "all others, the easier it is for what comes after the encoder."
)
# So long are texts on the page, and what stands around them.
TEXT, AROUND = 120, 30

MAPS = {
    PCA: (
        "PCA looks from the side from which the points differ most; distances are true as far as the "
        "share of the variance along the two axes goes."
    ),
    TSNE: (
        "t-SNE keeps neighbours together: groups mean something; their sizes, their distances from "
        "each other and the axes do not."
    ),
    UMAP: (
        "UMAP keeps neighbours together too, and a little of how groups lie to each other; the axes "
        "mean nothing."
    ),
}


class _Maps(NamedTuple):
    """The points that are shown, and where they are."""

    shown: Space
    planes: Dict[str, Dict[str, Projection]]
    points: Table
    notes: List[str]

    def explained(self) -> Dict[str, Any]:
        """Which share of the variance lies along the axes of each PCA."""
        return {state: some[PCA].explained for state, some in self.planes.items() if PCA in some}


def space_section(
    nlp: Language,
    pipe: Pipe,
    cases: Sequence[Case],
    *,
    stage1: Optional[Path] = None,
    must_fit: bool = True,
    seed: int = 0,
    on_step: Optional[Callable[[str], Any]] = None,
) -> Section:
    """Look into the space of the encoder of a pipe.

    nlp (Language): The pipeline. It stays as it is.
    pipe (Pipe): The pipe.
    cases (Sequence[Case]): The documents. Without gold, the entities are those that were predicted.
    stage1 (Optional[Path]): The weights of stage 1, or the folder that holds them.
    must_fit (bool): Whether it is an error if they are not those of this encoder. If not, it is said.
    seed (int): The seed of all that is drawn.
    on_step (Optional[Callable[[str], Any]]): Told what is done next.
    RETURNS (Section): The section.
    """
    tell = on_step or (lambda step: None)
    try:
        space = look_into(
            nlp, pipe.name, cases, stage1=stage1, must_fit=must_fit, seed=seed, on_step=on_step
        )
    except NoEncoder as error:
        return _absent(str(error))
    if not space.vectors:
        why = "There are no entities in the documents, neither in the gold nor predicted."
        return _absent(" ".join(space.notes) or why)
    shown = choose_shown(space, seed=seed)
    planes, notes = project_states(shown, seed=seed, on_step=on_step)
    maps = _Maps(shown, planes, coordinates(shown, planes, cases), notes)
    tell("silhouettes and neighbours")
    measures = measures_table(space, seed=seed)
    panels = [
        _map_panel(space, maps, cases, measures),
        _positions_panel(space, maps),
        _right_panel(space, maps),
        _silhouettes_panel(space),
        _neighbours_panel(space, seed),
        _extent_panel(space, measures),
    ]
    said = [ABOUT, _states(nlp, space, stage1), _sample(space), " ".join(space.notes)]
    return Section(NAME, TITLE, "\n\n".join(text for text in said if text), panels)


def _absent(why: str) -> Section:
    title = "Entities and tokens in the space of the encoder"
    return Section(NAME, TITLE, ABOUT, [Panel("space-map", title, absent=why)])


def _states(nlp: Language, space: Space, stage1: Optional[Path]) -> str:
    """Say what the states are."""
    parts = []
    if BEFORE in space.vectors:
        parts.append(
            "Before training: the encoder as the model's config makes it, with random weights by its "
            "seed, or with those of a transformer if it names one."
        )
    if STAGE1 in space.vectors:
        parts.append(f"After stage 1: with the weights in {stage1}.")
    elif stage1 is None:
        named = encoder_weights(nlp)["init_tok2vec"]
        begun = f" Training began with {named}." if named else ""
        parts.append(f"The state after stage 1 is left out, as --stage1 names no weights.{begun}")
    parts.append("After stage 2: the encoder of the model.")
    return " ".join(parts)


def _sample(space: Space) -> str:
    """Say what was drawn."""
    sample = space.sample
    what = "of the gold" if sample.is_gold else "that were predicted, as there is no gold"
    n, n_outside = sample.count(ENTITY), sample.count(OUTSIDE)
    return (
        f"Looked at: {number(n)} of the {number(sample.n_entities)} entities {what}, and "
        f"{number(n_outside)} tokens outside of entities, from {number(len(sample.cases))} of "
        f"{number(sample.n_cases)} documents (up to {number(MOST_WORDS)} tokens of text; labels take "
        "turns, so that rare ones stay). The vector of an entity is the mean of those of its tokens."
    )


def _map_panel(space: Space, maps: _Maps, cases: Sequence[Case], measures: Table) -> Panel:
    sample = maps.shown.sample
    methods = list(next(iter(maps.planes.values())))
    n_labels = len(sample.labels())
    text = [
        f"Each mark is an entity or a token: {number(sample.count(ENTITY))} entities, "
        f"{number(sample.count(TOKEN))} tokens inside of entities and "
        f"{number(sample.count(OUTSIDE))} outside, the same in all states. Labels that lie apart have "
        "marks of one kind in one place.",
        " ".join([*(MAPS[name] for name in methods), *maps.notes]),
    ]
    if n_labels > NAMED:
        text.append(f"The figure to keep names the {NAMED} most frequent of {n_labels} labels.")
    silhouettes = _list_of(space, measures, "silhouette", "entities")
    alt = (
        f"Scatter plots of {number(sample.count(ENTITY))} entities of {_labels(n_labels)} by "
        f"{' and '.join(TITLES[name] for name in methods)}, in {len(space.vectors)} states. The mean "
        f"silhouette of the labels: {silhouettes}."
    )
    draw = partial(labels_figure, maps.points, space.titles, maps.explained())
    title = "Entities and tokens in the space of the encoder"
    data = scatter_data(maps.shown, maps.planes, cases)
    return Panel("space-map", title, "\n\n".join(text), draw, alt, [maps.points], data=data)


def scatter_data(
    space: Space, planes: Dict[str, Dict[str, Projection]], cases: Sequence[Case]
) -> Dict[str, Any]:
    """Tell the page what to draw.

    space (Space): The points that are shown.
    planes (Dict[str, Dict[str, Projection]]): Where they are, by state and method.
    cases (Sequence[Case]): The documents.
    RETURNS (Dict[str, Any]): "states" and "projections" with "name" and "title"; "labels"; "points",
        each a list: "label" (its place in labels, -1 outside), "kind" ("entity" or "token"),
        "position" (of a token B, I, L, U or O, of an entity ""), "right" (None if it is not known),
        "text", "context" (what stands before and after), "document" (its place in the cases), "id"
        (the name of the document); "xy": by state and projection, all x and all y in [-1, 1];
        "axes": by state and projection, the shares of the variance along the axes, if there are any.
    """
    points = space.sample.points
    labels = space.sample.labels()
    labels += sorted({point.label for point in points if point.label} - set(labels))
    column = {label: at for at, label in enumerate(labels)}
    methods = list(next(iter(planes.values()), {}))
    return {
        "kind": "scatter",
        "states": [{"name": name, "title": space.titles[name]} for name in planes],
        "projections": [{"name": name, "title": TITLES[name]} for name in methods],
        "labels": labels,
        "points": {
            "label": [column.get(point.label, -1) for point in points],
            "kind": [ENTITY if point.kind == ENTITY else TOKEN for point in points],
            "position": ["" if point.kind == ENTITY else point.position for point in points],
            "right": [point.right for point in points],
            "text": [shorten(_text(cases, point), TEXT) for point in points],
            "context": [_around(cases[point.case].text, point) for point in points],
            "document": [point.case for point in points],
            "id": [shorten(cases[point.case].id, TEXT) for point in points],
        },
        "xy": {
            state: {name: _rounded(plane) for name, plane in some.items()}
            for state, some in planes.items()
        },
        "axes": {
            state: {name: plane.explained for name, plane in some.items() if plane.explained}
            for state, some in planes.items()
        },
    }


def _text(cases: Sequence[Case], point: Point) -> str:
    return cases[point.case].text[point.start : point.end]


def _around(text: str, point: Point) -> List[str]:
    """What stands before and after a point."""
    before, after = text[max(0, point.start - AROUND) : point.start], text[point.end :][:AROUND]
    return [shorten(before, AROUND), shorten(after, AROUND)]


def _rounded(plane: Projection) -> List[List[float]]:
    # No number is -0.0, which takes a character more.
    return [[round(float(value), 3) + 0.0 for value in axis] for axis in plane.xy.T]


def _positions_panel(space: Space, maps: _Maps) -> Panel:
    sample = maps.shown.sample
    counts = {
        key: sum(p.kind != ENTITY and p.position == key for p in sample.points) for key in "BILUO"
    }
    text = (
        "The tokens of the same map, by where in their entity they stand: they begin it (B), are "
        "inside (I), end it (L), are all of it (U), or are in none (O). An encoder that tells borders "
        "apart parts these as well as the labels."
    )
    alt = "Scatter plots of tokens by position: " + ", ".join(
        f"{key} {number(n)}" for key, n in counts.items()
    )
    draw = partial(positions_figure, maps.points, space.titles, maps.explained())
    title = "Tokens by where in their entity they stand"
    return Panel("space-positions", title, text, draw, f"{alt}.", [maps.points])


def _right_panel(space: Space, maps: _Maps) -> Panel:
    name, title = "space-right", "Entities that were found and missed"
    rights = [p.right for p in maps.shown.sample.points if p.kind == ENTITY]
    if not space.sample.is_gold:
        return Panel(name, title, absent="There is no gold to tell which entities are right.")
    n_found, n_missed = rights.count(True), rights.count(False)
    text = (
        "The entities of the same map: found if the model predicts just this span with this label. "
        "Where missed ones lie among those of another label, it is the encoder that does not tell "
        "them apart; where they lie among their own, it is what comes after."
    )
    alt = (
        f"Scatter plots of {number(n_found)} entities that were found and {number(n_missed)} that "
        "were missed."
    )
    draw = partial(right_figure, maps.points, space.titles, maps.explained())
    return Panel(name, title, text, draw, alt, [maps.points])


def _silhouettes_panel(space: Space) -> Panel:
    name, title = "space-silhouettes", "Silhouette of each label"
    table = silhouette_table(space)
    if not _has_numbers(table, space):
        why = (
            "A silhouette takes two labels, and two entities of one of them: there are not as many."
        )
        return Panel(name, title, absent=why)
    tests = paired_tests(table, list(space.vectors))
    text = [
        "How much closer an entity lies to the others of its label than to those of the nearest other "
        "label, by cosine distance, as a mean: 1 if labels are far apart, 0 if they are mixed, "
        "negative if another label is nearer. An entity with several labels stands for the rarest of "
        "them; a label of a single entity has no silhouette.",
        _say_tests(space, tests),
    ]
    draw = partial(states_figure, table, space.titles, "silhouette", (-1.0, 1.0))
    alt = f"Silhouettes of {_labels(len(table.rows))}. {_say_tests(space, tests, brief=True)}"
    return Panel(name, title, "\n\n".join(filter(None, text)), draw, alt, [table, tests], show=-1)


def _neighbours_panel(space: Space, seed: int) -> Panel:
    name, title = "space-neighbours", "Neighbours with the same label"
    table = purity_table(space, seed=seed)
    if not _has_numbers(table, space):
        return Panel(name, title, absent="There are no neighbours: it takes two entities.")
    tests = paired_tests(table, list(space.vectors))
    many = len({point.case for point in space.sample.points}) > 1
    where = "in other documents" if many else "in the one document that there is"
    text = [
        f"Of the {K} entities and outside tokens that lie nearest {where}, the share that has the "
        "label of the entity. Frequent labels are met by chance too; what counts is the change.",
        _say_tests(space, tests),
    ]
    label = f"share of the {K} nearest neighbours with the label"
    draw = partial(states_figure, table, space.titles, label, (0.0, 1.0))
    alt = f"Neighbours of {_labels(len(table.rows))}. {_say_tests(space, tests, brief=True)}"
    return Panel(name, title, "\n\n".join(filter(None, text)), draw, alt, [table, tests], show=-1)


def _extent_panel(space: Space, measures: Table) -> Panel:
    text = (
        "The spread is the mean cosine distance of two vectors: near 0 all of them point the same "
        "way, and the space has collapsed. The effective rank says how many dimensions are in use: "
        "few are enough for few labels, but 1 or 2 for many labels are a line or a plane. Both are of "
        "all that was looked at, entities or tokens, with the tokens outside."
    )
    alt = (
        f"Spread of the vectors of entities: {_list_of(space, measures, 'spread', 'entities')}. "
        f"Effective rank: {_list_of(space, measures, 'rank', 'entities')}."
    )
    draw = partial(extent_figure, measures, space.titles)
    title = "How much of the space is in use"
    return Panel("space-extent", title, text, draw, alt, [measures], show=-1)


def _has_numbers(table: Table, space: Space) -> bool:
    return any(value is not None for state in space.vectors for value in table.column(state))


def _labels(n: int) -> str:
    return "1 label" if n == 1 else f"{number(n)} labels"


def _list_of(space: Space, measures: Table, column: str, vectors: str) -> str:
    """A number in each state, in words."""
    found = [
        f"{'unknown' if row[column] is None else format(row[column], '.2f')} "
        f"{space.titles[row['state']].lower()}"
        for row in measures.records()
        if row["vectors"] == vectors
    ]
    return ", ".join(found)


def _say_tests(space: Space, tests: Table, brief: bool = False) -> str:
    """What changed from one state to another, and whether that is more than chance."""
    rows = [row for row in tests.records() if row["labels"]]
    said = []
    for row in rows:
        one, other = (space.titles[row[key]].lower() for key in ("from", "to"))
        change = (
            f"From {one} to {other}, {row['higher']} of {_labels(row['labels'])} rise and "
            f"{row['lower']} fall, by {row['mean_difference']:+.3f} on average"
        )
        if brief:
            said.append(f"{change}.")
        elif row["can_tell"]:
            said.append(f"{change} (p = {row['p']:.3f}, {row['p_corrected']:.3f} corrected).")
        else:
            said.append(f"{change}; too few labels differ for a test.")
    if not brief and any(row["can_tell"] for row in rows):
        said.append(
            "p by Wilcoxon's signed ranks, a difference for each label; corrected for the number of "
            "comparisons by Holm's method. It says whether labels differ more than by chance in these "
            "two encoders, not whether training again would give the same."
        )
    return " ".join(said)
