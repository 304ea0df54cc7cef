"""The space of an encoder in several states: points on planes, how far labels come apart, how much of
the space is in use."""

import math
from typing import TYPE_CHECKING, Any, Dict, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from ..analysis.points import ENTITY, OUTSIDE, TOKEN
from ..analysis.projections import PCA, TITLES
from ..tables import Table
from .results import REST, ROW, name_rows
from .style import COLOURS, INK, OTHER, RIGHT, WRONG, Look, looks, name_text, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# So many labels have a look of their own in a legend; in a chart with a row for each, so many rows.
NAMED, SHOWN = 14, 60
# What tells states apart, from the first to the last.
MARKS = ("o", "s", "D")
SIDE = 2.7

# What each state is called.
Titles = Mapping[str, str]
# Which share of the variance lies along the axes of a PCA, by state.
Explained = Mapping[str, Optional[Tuple[float, float]]]


class _Group(NamedTuple):
    """Points that look the same: what they are called, which they are, how they look."""

    name: str
    places: np.ndarray
    look: Look


def labels_figure(
    points: Table, titles: Titles, explained: Optional[Explained] = None, named: int = NAMED
) -> "Figure":
    """Draw entities by label, a column for each state and a row for each projection.

    points (Table): That of `space.coordinates`.
    titles (Mapping[str, str]): What the states are called.
    explained (Optional[Mapping[str, Optional[Tuple[float, float]]]]): Which share of the variance
        lies along each axis of the PCA, by state.
    named (int): How many labels have a look of their own, the most frequent ones.
    RETURNS (Figure): The figure.
    """
    own = [
        (i, label)
        for i, (kind, label) in enumerate(zip(points.column("kind"), points.column("label")))
        if kind == ENTITY
    ]
    counts = _counts([label for _, label in own])
    every = looks(list(counts))
    groups = [
        _Group(f"{name_text(label, 24)} ({counts[label]})", _those(own, [label]), every[label])
        for label in list(counts)[:named]
    ]
    rest = list(counts)[named:]
    if rest:
        n = sum(counts[label] for label in rest)
        groups.insert(0, _Group(f"{len(rest)} others ({n})", _those(own, rest), Look(OTHER, ".")))
    return _planes(points, groups, titles, explained)


def positions_figure(
    points: Table, titles: Titles, explained: Optional[Explained] = None
) -> "Figure":
    """Draw tokens by where in their entity they stand. The arguments are those of `labels_figure`.

    RETURNS (Figure): The figure.
    """
    names = {"B": "B: begins", "I": "I: inside", "L": "L: ends", "U": "U: all of it"}
    own = [
        (i, position)
        for i, (kind, position) in enumerate(zip(points.column("kind"), points.column("position")))
        if kind in (TOKEN, OUTSIDE)
    ]
    every = {**looks(list(names)), "O": Look(OTHER, ".")}
    counts = _counts([position for _, position in own])
    groups = [
        _Group(f"{name} ({counts[key]})", _those(own, [key]), every[key])
        for key, name in {"O": "O: outside", **names}.items()
        if key in counts
    ]
    return _planes(points, groups, titles, explained)


def right_figure(points: Table, titles: Titles, explained: Optional[Explained] = None) -> "Figure":
    """Draw entities by whether they were found. The arguments are those of `labels_figure`.

    RETURNS (Figure): The figure.
    """
    own = [
        (i, right)
        for i, (kind, right) in enumerate(zip(points.column("kind"), points.column("right")))
        if kind == ENTITY and right is not None
    ]
    groups = []
    for value, name, look in (
        (True, "found", Look(RIGHT, "o")),
        (False, "missed", Look(WRONG, "X")),
    ):
        places = _those(own, [value])
        if len(places):
            groups.append(_Group(f"{name} ({len(places)})", places, look))
    return _planes(points, groups, titles, explained)


def _counts(names: Sequence[str]) -> Dict[str, int]:
    """How often each occurs, the most frequent first."""
    counts = {name: names.count(name) for name in set(names)}
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _those(own: Sequence[Tuple[int, Any]], names: Sequence[Any]) -> np.ndarray:
    return np.asarray([i for i, name in own if name in names], dtype="int64")


def _planes(
    points: Table, groups: Sequence[_Group], titles: Titles, explained: Optional[Explained]
) -> "Figure":
    """The planes of a table, those of one method in a row."""
    states = [name for name in titles if any(c.startswith(f"{name}-") for c in points.columns)]
    methods = [name for name in TITLES if f"{states[0]}-{name}-x" in points.columns]
    width = max(4.2, SIDE * len(states) + 0.4)
    # As many names beside each other as there is room for, by inches of their letters.
    longest = max(len(group.name) for group in groups)
    columns = max(1, min(len(groups), int(width / (0.5 + 0.09 * longest))))
    height = SIDE * len(methods) + 0.5 + 0.22 * math.ceil(len(groups) / columns)
    figure, axes = new_figure(width, height, len(methods), len(states))
    for at, ax in enumerate(axes):
        method, state = methods[at // len(states)], states[at % len(states)]
        x, y = (np.asarray(points.column(f"{state}-{method}-{axis}")) for axis in "xy")
        for group in groups:
            style: Dict[str, Any] = {"c": group.look.colour, "marker": group.look.marker}
            ax.scatter(x[group.places], y[group.places], 11, alpha=0.75, lw=0, **style)
        _frame(ax, method, (explained or {}).get(state))
        if at < len(states):
            ax.set_title(titles[state])
        if at % len(states) == 0:
            ax.set_ylabel(f"{TITLES[method]}\n{ax.get_ylabel()}".strip(), fontsize=9)
    handles = [_handle(group) for group in groups]
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=8)
    return figure


def _frame(ax: "Axes", method: str, explained: Optional[Tuple[float, float]]) -> None:
    """Axes of one scale whose numbers mean nothing."""
    ax.set(xlim=(-1.08, 1.08), ylim=(-1.08, 1.08), xticks=[], yticks=[], aspect="equal")
    for side in ("top", "right"):
        ax.spines[side].set_visible(True)
    for spine in ax.spines.values():
        spine.set_alpha(0.4)
    if method == PCA and explained is not None:
        ax.set_xlabel(f"axis 1: {100 * explained[0]:.0f} % of variance", fontsize=8)
        ax.set_ylabel(f"axis 2: {100 * explained[1]:.0f} % of variance", fontsize=8)


def _handle(group: _Group) -> Any:
    from matplotlib.lines import Line2D

    style: Dict[str, Any] = {"color": group.look.colour, "marker": group.look.marker}
    return Line2D([], [], lw=0, markersize=5, markeredgewidth=0, label=group.name, **style)


def states_figure(
    table: Table, titles: Titles, xlabel: str, limits: Tuple[float, float], shown: int = SHOWN
) -> "Figure":
    """Draw a number for each label and state, those of a label on one line, sorted by how much it
    changed from the first state to the last.

    table (Table): One with "label", "n" and a column for each state, such as that of
        `space.silhouette_table`.
    titles (Mapping[str, str]): What the states are called.
    xlabel (str): What the number is.
    limits (Tuple[float, float]): The least and the greatest it can be; what is drawn is what there is.
    shown (int): How many labels are drawn, the most frequent ones.
    RETURNS (Figure): The figure.
    """
    states = [name for name in titles if name in table.columns]
    rows = [row for row in table.records() if any(row[state] is not None for state in states)]
    rows = sorted(rows[:shown], key=lambda row: -_change(row, states))
    values = np.array([_number(row[state]) for row in rows for state in states], dtype="float64")
    values = values.reshape(len(rows), len(states))
    figure, (ax,) = new_figure(6.8, REST + 0.2 + ROW * max(3, len(rows)))
    places = np.arange(len(rows))
    ax.axvline(0, color=INK, linewidth=0.8, alpha=0.5)
    some = np.nan_to_num(values, nan=0.0)
    low = np.where(np.isnan(values), np.inf, some).min(axis=1)
    high = np.where(np.isnan(values), -np.inf, some).max(axis=1)
    ax.hlines(places, low, high, color=OTHER, linewidth=2, zorder=1)
    for at, state in enumerate(states):
        # The last state counts most, so that it is filled and above the others.
        last = at == len(states) - 1
        colour = COLOURS[at % len(COLOURS)]
        style: Dict[str, Any] = {"facecolor": colour if last else "white", "edgecolor": colour}
        mark = MARKS[-1] if last else MARKS[at % (len(MARKS) - 1)]
        ax.scatter(
            values[:, at], places, 30, marker=mark, label=titles[state], zorder=2 + at, **style
        )
    name_rows(ax, [row["label"] for row in rows])
    for place, row in enumerate(rows):
        ax.text(
            1.02,
            place,
            f"{row['n']:,}",
            transform=ax.get_yaxis_transform(),
            va="center",
            fontsize=8,
        )
    ax.text(1.02, 1.01, "n", transform=ax.transAxes, va="bottom", fontsize=8)
    ax.set_xlim(*_limits(values, limits))
    ax.set_xlabel(xlabel)
    ax.grid(axis="x", alpha=0.3)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=len(states))
    return figure


def _number(value: Optional[float]) -> float:
    return float("nan") if value is None else value


def _change(row: Mapping[str, Any], states: Sequence[str]) -> float:
    """How much a number changed, or what it is if there is but one."""
    some = [row[state] for state in states if row[state] is not None]
    return some[-1] - some[0] if len(some) > 1 else some[0]


def _limits(values: np.ndarray, limits: Tuple[float, float]) -> Tuple[float, float]:
    """What is drawn: 0 in any case, and what there is, with a margin."""
    some = values[~np.isnan(values)]
    low, high = min(0.0, some.min(initial=0.0)), max(0.0, some.max(initial=0.0))
    margin = 0.05 * ((high - low) or 1.0)
    return max(limits[0] - margin, low - margin), min(limits[1] + margin, high + margin)


def extent_figure(table: Table, titles: Titles) -> "Figure":
    """Draw how wide the vectors of each state are spread, and how many dimensions they use.

    table (Table): That of `space.measures_table`.
    titles (Mapping[str, str]): What the states are called.
    RETURNS (Figure): The figure.
    """
    records = table.records()
    states = [name for name in titles if any(row["state"] == name for row in records)]
    kinds = list(dict.fromkeys(row["vectors"] for row in records))
    width = max(row["width"] for row in records)
    figure, axes = new_figure(7.2, 1.3 + 0.42 * len(states), 1, 2, sharey=True)
    places = np.arange(len(states))
    for ax, column, xlabel in (
        (axes[0], "spread", "spread: mean cosine distance"),
        (axes[1], "rank", f"effective rank, of {width} dimensions"),
    ):
        for at, kind in enumerate(kinds):
            of = {row["state"]: _number(row[column]) for row in records if row["vectors"] == kind}
            values = np.array([of.get(state, float("nan")) for state in states])
            style: Dict[str, Any] = {"color": COLOURS[at], "hatch": (None, "////")[at % 2]}
            bars = ax.barh(
                places + 0.4 * at - 0.2, values, 0.36, label=kind, edgecolor="white", **style
            )
            texts = [
                "" if np.isnan(v) else f"{v:.2f}" if column == "spread" else f"{v:.1f}"
                for v in values
            ]
            ax.bar_label(bars, texts, padding=3, fontsize=8)
        ax.set_xlabel(xlabel)
        ax.margins(x=0.15)
    name_rows(axes[0], [titles[state] for state in states])
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure
