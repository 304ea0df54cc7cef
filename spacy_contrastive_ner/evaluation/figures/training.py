"""Curves of training: losses, probe, scores, learning rate."""

from math import ceil
from typing import TYPE_CHECKING, Dict, List, Optional, Sequence

import numpy as np

from ..analysis.training import PROBES, SUMMED_LOSS, Curves, Rates
from ..distributions import Floats
from .style import COLOURS, INK, MARKERS, OTHER, name_text, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLES = ("-", "--", "-.", ":")
# So many curves in one picture, and pictures of pipes; the tables have all.
SHOWN_CURVES, SHOWN_PIPES = 6, 6
UNITS = {"updates": "updates", "words": "words", "epoch": "epochs", "step": "steps"}
PROBE_TITLES = {
    "accuracy": "accuracy of neighbours",
    "silhouette": "silhouette",
    "rank": "effective rank",
    "spread": "spread",
}


def pretraining_figure(curves: Curves) -> "Figure":
    """Draw the losses of stage 1.

    curves (Curves): What `analysis.training.pretraining_curves` reads.
    RETURNS (Figure): The figure.
    """
    names = [curves.table.columns[3], "dev loss"]
    dev = [name for name in curves.table.columns if name.startswith("dev loss of ")]
    groups = [[*names, *dev]]
    if names[0] == SUMMED_LOSS:
        # A sum and a mean do not share an axis.
        groups = [names[:1], [*names[1:], *dev]]
    groups = [some for some in ([n for n in g if _has(curves, n)] for g in groups) if some]
    figure, axes = new_figure(3.2 + 3.2 * len(groups), 3.2, 1, len(groups))
    for ax, group in zip(axes, groups):
        _curves(ax, curves, group[:SHOWN_CURVES])
        ax.set_ylabel("loss" if len(group) > 1 else group[0])
        ax.legend(fontsize=7)
    return figure


def probe_figure(curves: Curves) -> "Figure":
    """Draw what the probe found after each epoch of stage 1.

    curves (Curves): What `analysis.training.pretraining_curves` reads.
    RETURNS (Figure): The figure.
    """
    figure, axes = new_figure(6.8, 4.4, 2, 2, sharex="all")
    for ax, name in zip(axes, PROBES):
        _curves(ax, curves, [name])
        ax.set_ylabel(PROBE_TITLES[name])
    for ax in axes[:2]:
        ax.set_xlabel("")
    _legend_of_best(figure, axes[0], curves)
    return figure


def losses_figure(curves: Curves) -> "Figure":
    """Draw the loss of each pipe in stage 2.

    curves (Curves): What `analysis.training.training_curves` reads.
    RETURNS (Figure): The figure.
    """
    names = [name for name in curves.table.columns if name.startswith("loss of ")][:SHOWN_PIPES]
    columns = min(2, len(names))
    rows = ceil(len(names) / columns)
    figure, axes = new_figure(0.6 + 3.2 * columns, 0.6 + 2.4 * rows, rows, columns)
    for ax, name in zip(axes, names):
        _curves(ax, curves, [name])
        ax.set_title(name_text(name.partition("loss of ")[2]))
        ax.set_ylabel("loss of a step")
    for ax in axes[len(names) :]:
        ax.set_axis_off()
    _legend_of_best(figure, axes[0], curves)
    return figure


def scores_figure(curves: Curves) -> "Figure":
    """Draw the scores of stage 2 on the dev set: the one by which the best is chosen, and those that it
    is made of if there are several.

    curves (Curves): What `analysis.training.training_curves` reads.
    RETURNS (Figure): The figure.
    """
    names = list(curves.table.columns[3:])
    names = [n for n in names if not n.startswith("loss of ") and n != "speed" and _has(curves, n)]
    # With all weight on one score, that one is the score.
    score = _numbers(curves, "score")
    names = [n for n in names if not np.allclose(_numbers(curves, n), score, equal_nan=True)]
    figure, (ax,) = new_figure(6.4, 3.4)
    _curves(ax, curves, ["score", *names[: SHOWN_CURVES - 1]])
    ax.set_ylabel("score on the dev set")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside right upper", fontsize=7)
    return figure


def rates_figure(rates: Dict[str, Rates]) -> "Figure":
    """Draw the learning rate of each update.

    rates (Dict[str, Rates]): What `analysis.training.learning_rates` finds, by title.
    RETURNS (Figure): The figure.
    """
    figure, axes = new_figure(0.6 + 3.2 * len(rates), 2.8, 1, len(rates))
    for ax, (title, some) in zip(axes, rates.items()):
        update, rate = (np.array(some.table.column(name)) for name in some.table.columns)
        ax.plot(update, rate, color=COLOURS[0], marker="o" if len(update) == 1 else "")
        ax.set(xlabel="updates", title=title, ylim=(0, (rate.max() or 1.0) * 1.1))
        _whole_numbers(ax)
        ax.ticklabel_format(axis="y", style="sci", scilimits=(-3, 4), useMathText=False)
    axes[0].set_ylabel("learning rate")
    return figure


def _has(curves: Curves, name: str) -> bool:
    return any(value is not None for value in curves.table.column(name))


def _curves(ax: "Axes", curves: Curves, names: Sequence[str]) -> None:
    """Draw columns over how far training was, with the best checkpoint."""
    x = _numbers(curves, curves.by)
    for i, name in enumerate(names):
        ax.plot(
            x,
            _numbers(curves, name),
            STYLES[i % len(STYLES)],
            color=COLOURS[i % len(COLOURS)],
            marker=MARKERS[i % len(MARKERS)],
            markersize=3.5 if len(x) <= 60 else 0.0,
            label=name_text(name),
        )
    if curves.best is not None:
        at = x[curves.best]
        told = f"best: at {at:,.0f} {UNITS[curves.by]}"
        ax.axvline(at, color=INK, linestyle=":", linewidth=1, label=told)
    ax.set_xlabel(UNITS[curves.by])
    _whole_numbers(ax)
    _mark_gaps(ax, x, [_numbers(curves, name) for name in names])


def _whole_numbers(ax: "Axes") -> None:
    """Few whole numbers along the axis, as large ones need room."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    def told(value: float, _: object) -> str:
        return f"{value:,.0f}" if value == round(value) else ""

    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
    ax.xaxis.set_major_formatter(FuncFormatter(told))


def _mark_gaps(ax: "Axes", x: Floats, columns: Sequence[Floats]) -> None:
    """Say where there is nothing to draw."""
    if not any(np.isfinite(column).any() for column in columns):
        ax.text(0.5, 0.5, "nothing known", ha="center", transform=ax.transAxes, color=OTHER)
        ax.set_xlim(min(x, default=0) - 1, max(x, default=0) + 1)


def _legend_of_best(figure: "Figure", ax: "Axes", curves: Curves) -> None:
    if curves.best is not None:
        handles, labels = ax.get_legend_handles_labels()
        figure.legend(handles[-1:], labels[-1:], loc="outside upper right", fontsize=8)


def _numbers(curves: Curves, column: str) -> Floats:
    values: List[Optional[float]] = curves.table.column(column)
    return np.array([np.nan if value is None else value for value in values], dtype="float64")
