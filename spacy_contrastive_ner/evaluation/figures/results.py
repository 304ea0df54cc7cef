"""Bars of scores and of errors, and which label is taken for which."""

from math import ceil
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from ...convert.summary import shorten
from ..analysis.errors import ERRORS, JOINED, LABEL, LONG, MISSED, SHIFTED, SHORT, SPLIT, SPURIOUS
from ..tables import Table
from .style import COLOURS, INK, OTHER, RIGHT, WRONG, name_text, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# So many labels, or pairs of them, are drawn one by one; the tables have all.
SHOWN_BARS, SHOWN_LABELS, SHOWN_PAIRS = 60, 25, 25
# The heights of a row, and of axes and legend, in inches.
ROW, REST = 0.24, 1.1
MIDDLE: Dict[str, Any] = {"ha": "center", "va": "center"}
OTHERS, NOTHING = "(other labels)", "(nothing)"
# By kind: colour and hatch.
KIND_LOOKS = {
    LABEL: (COLOURS[1], ""),
    LONG: (COLOURS[0], ""),
    SHORT: (COLOURS[0], "///"),
    SHIFTED: (COLOURS[4], "xx"),
    SPLIT: (COLOURS[5], ""),
    JOINED: (COLOURS[5], "|||"),
    MISSED: (COLOURS[3], ""),
    SPURIOUS: (OTHER, "\\\\\\"),
}
NESTING_LOOKS = {
    "both": ("both found", RIGHT, ""),
    "only_outer": ("only the outer one", COLOURS[4], "///"),
    "only_inner": ("only the inner one", COLOURS[1], "|||"),
    "none": ("none", WRONG, "xx"),
}


def scores_figure(table: Table, shown: int = SHOWN_BARS) -> "Figure":
    """Draw F as bars, with precision and recall.

    table (Table): Labels or classes in its first column; "precision", "recall", "f", "support".
    shown (int): How many rows are drawn, the first ones.
    RETURNS (Figure): The figure.
    """
    n = min(len(table.rows), shown)
    figure, (ax,) = new_figure(6.4, REST + ROW * n)
    _score_bars(ax, table, shown)
    _score_legend(figure, ax)
    return figure


def classes_figure(tables: Dict[str, Table], columns: int = 2) -> "Figure":
    """Draw the scores of several ways to class spans beside each other.

    tables (Dict[str, Table]): By title, what `scores_figure` takes.
    columns (int): How many stand side by side.
    RETURNS (Figure): The figure.
    """
    columns = min(columns, len(tables))
    rows = ceil(len(tables) / columns)
    n = max(len(table.rows) for table in tables.values())
    height = 0.4 + rows * (REST + ROW * n)
    figure, axes = new_figure(3.8 * columns, height, rows, columns)
    for ax, (title, table) in zip(axes, tables.items()):
        _score_bars(ax, table, SHOWN_BARS)
        ax.set_ylim(n - 0.4, -0.6)
        ax.set_title(title, pad=18)
    for ax in axes[len(tables) :]:
        ax.set_axis_off()
    _score_legend(figure, axes[0])
    return figure


def _score_bars(ax: "Axes", table: Table, shown: int) -> None:
    names = table.column(table.columns[0])[:shown]
    places = np.arange(len(names))
    values = {
        key: np.array([np.nan if v is None else v for v in table.column(key)[:shown]], dtype=float)
        for key in ("precision", "recall", "f")
    }
    ax.barh(places, 100 * values["f"], 0.6, color=COLOURS[4], label="F")
    for key, marker, colour in (("precision", "D", COLOURS[3]), ("recall", "o", COLOURS[0])):
        style: Dict[str, Any] = {"ms": 4.5, "mec": "white", "mew": 0.5}
        label = key.capitalize()
        ax.plot(100 * values[key], places, marker, color=colour, label=label, **style)
    name_rows(ax, names)
    # Room for half a marker.
    ax.set_xlim(-2, 102)
    ax.set_xlabel("%")
    _count_rows(ax, [str(n) for n in table.column("support")[:shown]], "gold")


def _score_legend(figure: "Figure", ax: "Axes") -> None:
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=3)


def name_rows(ax: "Axes", names: Sequence[str]) -> None:
    ax.set_yticks(range(len(names)), [name_text(name, 45) for name in names])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(names) - 0.4, -0.6)


def _count_rows(ax: "Axes", counts: Sequence[str], title: str) -> None:
    """Write counts to the right of each row."""
    transform = ax.get_yaxis_transform()
    style: Dict[str, Any] = {"transform": transform, "ha": "right", "fontsize": 8}
    for place, count in enumerate(counts):
        ax.text(1.13, place, count, va="center", **style)
    ax.text(1.13, -0.65, title, va="bottom", **style)


def kinds_figure(table: Table, shown: int = SHOWN_LABELS) -> "Figure":
    """Draw how many errors there are of each kind, and by label.

    table (Table): The `kinds` of `errors.errors_of`.
    shown (int): How many labels are drawn, those with the most errors.
    RETURNS (Figure): The figure.
    """
    counts, wrong = errors_by_label(table)
    names, parts = _most(counts, shown)
    heights = [len(ERRORS), len(names)]
    figure, (above, below) = new_figure(
        6.4, 2 * REST + ROW * sum(heights), 2, gridspec_kw={"height_ratios": heights}
    )
    totals = parts.sum(axis=0)
    for place, kind in enumerate(ERRORS):
        colour, hatch = KIND_LOOKS[kind]
        n = int(totals[place])
        above.barh(place, n, 0.7, **_filled(colour, hatch))
        label = f"{n} ({wrong[kind]} with another label)" if wrong[kind] else str(n)
        at: Dict[str, Any] = {"xytext": (4, 0), "textcoords": "offset points"}
        above.annotate(label, (n, place), va="center", fontsize=8, **at)
    name_rows(above, ERRORS)
    above.set_xlim(0, 1.02 * max(totals.max(), 1))
    looks = [(kind, *KIND_LOOKS[kind]) for kind in ERRORS]
    _stack(below, names, parts, looks)
    below.set_xlabel("errors")
    figure.legend(*below.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def errors_by_label(table: Table) -> "Tuple[Dict[str, List[int]], Dict[str, int]]":
    """Count errors: gold spans that were not found, and spurious predictions.

    table (Table): The `kinds` of `errors.errors_of`.
    RETURNS (Tuple[Dict[str, List[int]], Dict[str, int]]): By label how many errors there are of each
        of `ERRORS`; and by kind how many have a wrong label besides.
    """
    counts: Dict[str, List[int]] = {}
    wrong = dict.fromkeys(ERRORS, 0)
    for kind, label, gold, predicted, gold_wrong, _ in table.rows:
        n = predicted if kind == SPURIOUS else gold
        if kind in ERRORS and n:
            counts.setdefault(label, [0] * len(ERRORS))[ERRORS.index(kind)] += n
            wrong[kind] += gold_wrong if kind != LABEL else 0
    return counts, wrong


def _most(counts: Dict[str, List[int]], shown: int) -> "Tuple[List[str], np.ndarray]":
    """The labels with the highest counts, and the others together."""
    order = sorted(counts, key=lambda name: (-sum(counts[name]), name))
    rows = [counts[name] for name in order]
    # One label is no others.
    if len(order) > shown + 1:
        rows = [*rows[:shown], np.sum(rows[shown:], axis=0)]
        order = [*order[:shown], OTHERS]
    return order, np.array(rows).reshape(len(order), len(ERRORS))


def _stack(
    ax: "Axes", names: Sequence[str], parts: "np.ndarray", looks: Sequence[Tuple[str, str, str]]
) -> None:
    """Draw bars of several parts, with their counts where there is room."""
    places = np.arange(len(names))
    left = np.zeros(len(names))
    limit = max(int(parts.sum(axis=1).max(initial=0)), 1)
    for column, (name, colour, hatch) in zip(parts.T, looks):
        ax.barh(places, column, 0.7, left=left, label=name, **_filled(colour, hatch))
        for place, n in enumerate(column):
            if n > 0.02 * len(str(n)) * limit:
                box = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"}
                middle = left[place] + n / 2
                ax.text(middle, place, str(n), bbox=box, color="black", fontsize=7, **MIDDLE)
        left += column
    name_rows(ax, names)
    ax.set_xlim(0, 1.02 * limit)
    _count_rows(ax, [str(int(n)) for n in left], "all")


def _filled(colour: str, hatch: str) -> Dict[str, Any]:
    return {"color": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0.5}


def nestings_figure(table: Table, shown: int = SHOWN_PAIRS) -> "Figure":
    """Draw what was found of entities that lie in each other.

    table (Table): The `nestings` of `errors.errors_of`.
    shown (int): How many pairs of labels are drawn, the first ones.
    RETURNS (Figure): The figure.
    """
    pairs = zip(table.column("outer"), table.column("inner"))
    names = [f"{shorten(a, 20)} > {shorten(b, 20)}" for a, b in list(pairs)[:shown]]
    parts = np.array([table.column(key)[:shown] for key in NESTING_LOOKS]).T
    figure, (ax,) = new_figure(6.4, REST + ROW * len(names))
    _stack(ax, names, parts, list(NESTING_LOOKS.values()))
    ax.set_xlabel("pairs of gold spans")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def confusions_figure(table: Table, shown: int = SHOWN_LABELS) -> "Figure":
    """Draw which label is taken for which, and for nothing.

    table (Table): The `confusions` of `errors.errors_of`.
    shown (int): How many labels are drawn, the most frequent ones; the rest is drawn together.
    RETURNS (Figure): The figure.
    """
    from matplotlib.colors import LinearSegmentedColormap

    names, counts = confusion_matrix(table, shown)
    n = len(names)
    size = 2.2 + 0.3 * n
    figure, (ax,) = new_figure(max(size, 4.0), max(size - 0.4, 3.4))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    colours = LinearSegmentedColormap.from_list("shares", ["#e8f1fa", COLOURS[0], "#00263d"])
    # Cells as shapes, not as an image, and none where there is nothing.
    seen = np.ma.masked_array(shares, mask=counts == 0)
    ax.pcolormesh(np.arange(n + 1), np.arange(n + 1), seen, cmap=colours, vmin=0, vmax=1)
    for row, column in np.argwhere(counts).tolist():
        colour = "white" if shares[row, column] > 0.45 else "black"
        where = (column + 0.5, row + 0.5)
        ax.text(*where, str(counts[row, column]), color=colour, fontsize=6.5, **MIDDLE)
    for place in range(n - 1):
        ax.plot(*_square(place), color=INK, linewidth=0.8)
    texts = [name_text(name, 20) for name in names]
    ax.set_xticks(np.arange(n) + 0.5, texts, rotation=90)
    ax.set_yticks(np.arange(n) + 0.5, texts)
    ax.tick_params(length=0)
    ax.set_xlim(0, n)
    ax.set_ylim(n, 0)
    ax.set_aspect("equal")
    ax.set_xlabel("predicted")
    ax.set_ylabel("gold")
    return figure


def _square(place: int) -> Tuple[List[int], List[int]]:
    a, b = place, place + 1
    return [a, b, b, a, a], [a, a, b, b, a]


def confusion_matrix(table: Table, shown: int = SHOWN_LABELS) -> "Tuple[List[str], np.ndarray]":
    """Make a matrix of confusions.

    table (Table): The `confusions` of `errors.errors_of`.
    shown (int): How many labels have a row of their own, the most frequent ones.
    RETURNS (Tuple[List[str], np.ndarray]): The names of rows and columns: labels, the others together
        if there are more, and nothing; and the counts, by gold and prediction.
    """
    totals: Dict[str, int] = {}
    for gold, predicted, n, _ in table.rows:
        for label in {gold, predicted} - {None}:
            totals[label] = totals.get(label, 0) + n
    order = sorted(totals, key=lambda label: (-totals[label], label))
    has_others = len(order) > shown + 1
    own = order[:shown] if has_others else order
    names = [*own, *([OTHERS] if has_others else []), NOTHING]
    places: Dict[Optional[str], int] = {label: i for i, label in enumerate(own)}
    places[None] = len(names) - 1
    counts = np.zeros((len(names), len(names)), dtype="int64")
    for gold, predicted, n, _ in table.rows:
        row, column = (places.get(label, len(own)) for label in (gold, predicted))
        counts[row, column] += n
    return names, counts
