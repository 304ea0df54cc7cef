"""How two models differ: F-scores beside each other, what was gained and what was lost."""

from typing import TYPE_CHECKING, Any, List, Sequence

import numpy as np

from ..distributions import ALPHA
from ..tables import Table
from .results import REST, ROW, name_rows
from .style import COLOURS, INK, OTHER, RIGHT, WRONG, name_text, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# So many labels are drawn, the first ones; the tables have all.
SHOWN = 60


def differences_figure(
    overall: Table, labels: Table, names: Sequence[str], shown: int = SHOWN
) -> "Figure":
    """Draw the F-scores of two models, and the difference with its interval.

    overall, labels (Table): Those of `gains.gains_of`.
    names (Sequence[str]): What the models are called.
    shown (int): How many labels are drawn, the most frequent ones.
    RETURNS (Figure): The figure.
    """
    columns = ("f_before", "f_after", "difference", "low", "high", "p", "p_holm", "can_tell")
    rows: List[List[Any]] = [
        [name, *(record[key] for key in columns)]
        for table in (overall, labels)
        for name, record in zip(table.column(table.columns[0]), table.records())
        if record["f_before"] is not None
    ][: shown + len(overall.rows)]
    figure, (scores, change) = new_figure(
        7.6, REST + ROW * len(rows), 1, 2, sharey=True, gridspec_kw={"width_ratios": (3, 2)}
    )
    places = np.arange(len(rows))
    before, after, difference = (100 * np.array([row[i] for row in rows]) for i in (1, 2, 3))
    scores.hlines(places, before, after, color=OTHER, linewidth=2, zorder=1)
    for values, name, face, marker in (
        (before, names[0], "white", "o"),
        (after, names[1], COLOURS[0], "D"),
    ):
        style: Any = {"facecolor": face, "edgecolor": COLOURS[0], "zorder": 2}
        scores.scatter(values, places, 28, marker=marker, label=name_text(name), **style)
    scores.set_xlabel("F in %")
    scores.set_xlim(-2, 102)
    change.axvline(0, color=INK, linewidth=0.8)
    for place, row in enumerate(rows):
        is_sure = is_significant(*row[6:])
        colour = RIGHT if row[3] > 0 else WRONG if row[3] < 0 else OTHER
        if row[4] is not None:
            change.hlines(place, 100 * row[4], 100 * row[5], color=colour, linewidth=1.5)
        face = colour if is_sure else "white"
        change.scatter(difference[place], place, 28, facecolor=face, edgecolor=colour, zorder=2)
    change.set_xlabel("difference, 95 % interval")
    name_rows(scores, [row[0] for row in rows])
    change.tick_params(axis="y", length=0)
    figure.legend(*scores.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def is_significant(p: "float | None", p_holm: "float | None", can_tell: "bool | None") -> bool:
    """RETURNS (bool): Whether a difference is hardly due to chance, however many were looked at."""
    value = p if p_holm is None else p_holm
    return bool(can_tell) and value is not None and value < ALPHA


def changes_figure(table: Table, shown: int = SHOWN) -> "Figure":
    """Draw how many gold spans of each label were gained and lost.

    table (Table): The `labels` of `gains.gains_of`.
    shown (int): How many labels are drawn, those with the most changes.
    RETURNS (Figure): The figure.
    """
    rows = [
        (label, gained, lost)
        for label, gained, lost in zip(*map(table.column, ("label", "gained", "lost")))
        if gained or lost
    ]
    rows = sorted(rows, key=lambda row: (-row[1] - row[2], row[0]))[:shown]
    figure, (ax,) = new_figure(6.4, REST + ROW * len(rows))
    for sign, column, colour, hatch, label in (
        (-1, 2, WRONG, "///", "lost"),
        (1, 1, RIGHT, "", "gained"),
    ):
        counts = [row[column] for row in rows]
        style: Any = {"color": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0.5}
        ax.barh(range(len(rows)), [sign * n for n in counts], 0.7, label=label, **style)
        side: Any = {"ha": "left" if sign > 0 else "right", "va": "center", "fontsize": 8}
        for place, n in enumerate(counts):
            at: Any = {"xytext": (4 * sign, 0), "textcoords": "offset points"}
            ax.annotate(str(n), (sign * n, place), **at, **side)
    ax.axvline(0, color=INK, linewidth=0.8)
    limit = 1.25 * max((max(row[1:]) for row in rows), default=1)
    ax.set_xlim(-limit, limit)
    ax.xaxis.set_major_locator(_whole_numbers())
    ax.xaxis.set_major_formatter(lambda value, _: f"{abs(value):.0f}")
    ax.set_xlabel("gold spans")
    name_rows(ax, [row[0] for row in rows])
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def _whole_numbers() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator("auto", integer=True)
