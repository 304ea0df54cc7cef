"""Can probabilities be believed? Which threshold is good? How sure are wrong predictions?"""

from math import ceil, log10
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from ..analysis.outputs import OUTSIDE, Outputs
from ..analysis.probabilities import FEW, HIGHER, LOWER, NEITHER, WORTH, Scored, density
from ..distributions import ALPHA, Floats
from ..tables import Table
from .style import COLOURS, INK, OTHER, RIGHT, WRONG, Look, looks, name_text, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# So many labels are drawn one by one; the tables have all.
SHOWN_LABELS, SHOWN_NAMES = 12, 25
# Fewer values are drawn as points: their density would be made up.
LEAST_DENSITY = 5
# Smaller p values, of which some are too small for a float, are drawn as this one.
LEAST_P = 1e-30
TITLES = {"width": "Bins of equal width", "mass": "Bins of equal counts"}
VERDICTS = {
    HIGHER: (Look(RIGHT, "^"), "higher when right"),
    LOWER: (Look(WRONG, "v"), "lower when right"),
    NEITHER: (Look(OTHER, "o"), "not told apart"),
}
FOUND = "found, with 95 % interval"
SIDES = {"right": (RIGHT, "", 1), "wrong": (WRONG, "////", -1)}
NOTE: Dict[str, Any] = {"xytext": (3, 2), "textcoords": "offset points", "fontsize": 7}
SMALL: Dict[str, Any] = {"fontsize": 6, "ha": "center", "va": "bottom"}


def reliability_figure(bins: Dict[str, Table]) -> "Figure":
    """Draw how often spans are right against their probability, and below how many there are.

    bins (Dict[str, Table]): What `analysis.probabilities.reliability` makes, by the kind of its bins:
        "width" or "mass".
    RETURNS (Figure): The figure.
    """
    columns = len(bins)
    figure, axes = new_figure(
        3.4 * columns, 4.4, 2, columns, sharex="all", sharey="row", height_ratios=[3, 1]
    )
    for place, (kind, table) in enumerate(bins.items()):
        above, below = axes[place], axes[columns + place]
        _reliability(above, table)
        above.set_title(TITLES[kind])
        _counts(below, table)
        below.set_xlabel("probability")
    _count_scale(axes[columns], np.concatenate([_numbers(t, "spans") for t in bins.values()]))
    axes[0].set_ylabel("share of right spans")
    axes[columns].set_ylabel("spans")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def _reliability(ax: "Axes", table: Table) -> None:
    p, share = _numbers(table, "probability"), _numbers(table, "share")
    low, high = _numbers(table, "share low"), _numbers(table, "share high")
    ax.plot([0, 1], [0, 1], color=OTHER, linestyle="--", label="as it should be")
    whiskers = np.maximum([share - low, high - share], 0.0)
    ax.errorbar(
        p, share, whiskers, color=COLOURS[0], marker="o", markersize=4, capsize=2, label=FOUND
    )
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))


def _counts(ax: "Axes", table: Table) -> None:
    """How many spans each bin has, as bars between its ends, with numbers where there is room."""
    begin, end, n = (_numbers(table, name) for name in ("from", "to", "spans"))
    centre, width = (begin + end) / 2, np.maximum(end - begin, 0.004)
    ax.bar(centre, n, width, color=OTHER, edgecolor=INK, linewidth=0.5)
    last = -1.0
    for x, count in zip(centre, n):
        # Bins of equal counts crowd where most spans are.
        if x - last > 0.07:
            ax.annotate(f"{count:.0f}", (x, count), (0, 2), "data", "offset points", **SMALL)
            last = x


def _count_scale(ax: "Axes", n: Floats) -> None:
    """Counts by their logarithm if they differ much, in plain numbers."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    top = float(n.max()) if len(n) else 1.0
    if len(n) and top > 20 * n.min():
        ax.set_yscale("log")
        ax.set_ylim(0.5, top * 6)
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    else:
        ax.set_ylim(0, top * 1.35)


def _numbers(table: Table, column: str) -> Floats:
    """A column as numbers, NaN for what there is not."""
    return np.array([np.nan if v is None else v for v in table.column(column)], dtype="float64")


def label_reliability_figure(
    bins: Dict[str, Table], errors: Dict[str, Optional[float]]
) -> "Figure":
    """Draw how often spans are right against their probability, for some labels.

    bins (Dict[str, Table]): By label, what `analysis.probabilities.reliability` makes.
    errors (Dict[str, Optional[float]]): By label, the expected calibration error.
    RETURNS (Figure): The figure.
    """
    columns = min(3, len(bins))
    rows = ceil(len(bins) / columns)
    size = (2.3 * columns + 0.4, 2.2 * rows + 0.4)
    figure, axes = new_figure(*size, rows, columns, sharex="all", sharey="all")
    for ax, (label, table) in zip(axes, bins.items()):
        _reliability(ax, table)
        error = errors.get(label)
        told = "" if error is None else f", ECE {error:.3f}"
        ax.set_title(f"{name_text(label, 24)}\nn = {sum(table.column('spans'))}{told}", fontsize=8)
    for ax in axes[len(bins) :]:
        ax.set_axis_off()
    figure.supxlabel("probability", fontsize=9)
    figure.supylabel("share of right spans", fontsize=9)
    return figure


def threshold_figure(
    table: Table, threshold: Optional[float] = None, best: Optional[Dict[str, float]] = None
) -> "Figure":
    """Draw precision, recall and F for each threshold, and precision against recall.

    table (Table): What `analysis.probabilities.by_threshold` makes.
    threshold (Optional[float]): The threshold of the pipe.
    best (Optional[Dict[str, float]]): The row with the best F.
    RETURNS (Figure): The figure.
    """
    figure, (left, right) = new_figure(7.2, 3.6, 1, 2)
    tried = _numbers(table, "threshold")
    lines = {"precision": (COLOURS[0], "--"), "recall": (COLOURS[1], "-."), "F": (COLOURS[2], "-")}
    for name, (colour, style) in lines.items():
        left.plot(tried, _numbers(table, name), style, color=colour, label=name)
    left.set(xlabel="threshold", ylabel="score", xlim=(0, 1), ylim=(0, 1.02))
    precision, recall = _numbers(table, "precision"), _numbers(table, "recall")
    right.plot(recall, precision, color=COLOURS[0])
    if len(recall) and np.isfinite(recall[0]):
        right.axvline(recall[0], color=OTHER, linestyle=":", label="recall of all candidates")
    right.set(xlabel="recall", ylabel="precision")
    right.set(xlim=(_least(recall), 1.02), ylim=(_least(precision), 1.02))
    marks = [(threshold, "threshold of the pipe", "s", INK)] if threshold is not None else []
    marks += [(best["threshold"], "best F on these data", "*", COLOURS[3])] if best else []
    for at, name, marker, colour in marks:
        i = int(np.abs(tried - at).argmin())
        told = f"{name}: {tried[i]:.3g}"
        for ax, x, y in (
            (left, tried[i], _numbers(table, "F")[i]),
            (right, recall[i], precision[i]),
        ):
            ax.plot([x], [y], marker, color=colour, markersize=8, fillstyle="none", label=told)
        left.axvline(tried[i], color=colour, linewidth=0.8, linestyle=":")
    left.legend(loc="lower center", fontsize=7)
    right.legend(loc="lower left", fontsize=7)
    return figure


def _least(values: Floats) -> float:
    """Where an axis from 0 to 1 can begin, with room for a legend."""
    some = values[np.isfinite(values)]
    return max(0.0, float(some.min()) * 1.5 - 0.55) if len(some) else 0.0


def score_figure(scored: Scored, low: float = 0.0, shown: int = SHOWN_LABELS) -> "Figure":
    """Draw how the probabilities of right predictions (above each line) and of wrong ones (below) are
    distributed. Each half is as high as another, however many predictions it has; fewer than 5 are
    drawn as points.

    scored (Scored): The predictions.
    low (float): The probability from which on a span is predicted: none is below.
    shown (int): How many labels are drawn, those with the most gold.
    RETURNS (Figure): The figure.
    """
    n = np.bincount(scored.label, minlength=len(scored.names))
    labels = [name for i, name in enumerate(scored.names) if n[i]][:shown]
    rows = [("all labels", scored)] if len(labels) != 1 else []
    rows += [(name_text(label), scored.of(label)) for label in labels]
    figure, (ax,) = new_figure(6.4, 1.2 + 0.5 * len(rows))
    for place, (_, some) in enumerate(rows):
        ax.axhline(-place, color=OTHER, linewidth=0.5)
        for name, which in (("right", some.right), ("wrong", ~some.right)):
            _half(ax, -place, some.probability[which], name, low)
    told = [f"{name}\n{s.right.sum()} right, {(~s.right).sum()} wrong" for name, s in rows]
    ax.set_yticks([-i for i in range(len(rows))], told, fontsize=7)
    ax.set(xlabel="probability", xlim=(max(0.0, low - 0.1), 1), ylim=(0.55 - len(rows), 0.55))
    if low > 0:
        ax.axvline(low, color=INK, linestyle=":", linewidth=0.8)
    _side_legend(figure)
    return figure


def _half(ax: "Axes", place: float, values: Floats, name: str, low: float) -> None:
    """One side of a violin: its density, with the median; or points, from left to right."""
    colour, hatch, sign = SIDES[name]
    if not len(values):
        return
    least = min(low, float(values.min()))
    # Where only 1 is predicted there is no room for a shape.
    if len(values) < LEAST_DENSITY or least >= 1.0:
        ax.plot(
            np.sort(values),
            np.full(len(values), place + 0.2 * sign),
            "o" if sign > 0 else "x",
            color=colour,
            markersize=5,
            clip_on=False,
        )
        return
    grid, height = density(values, least, 1.0)
    height = place + sign * 0.42 * height / height.max()
    ax.fill_between(
        grid, height, place, facecolor=colour, edgecolor=INK, hatch=hatch, alpha=0.7, linewidth=0.5
    )
    median = float(np.median(values))
    ends = [place, place + sign * 0.42]
    ax.plot([median, median], ends, color=INK, linewidth=1.6, clip_on=False)


def _side_legend(figure: "Figure") -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: List[Any] = [
        Patch(facecolor=colour, edgecolor=INK, hatch=hatch, alpha=0.7, label=name)
        for name, (colour, hatch, _) in SIDES.items()
    ]
    handles.append(Line2D([], [], color=INK, linewidth=1.6, label="median"))
    figure.legend(handles=handles, loc="outside upper right", ncols=3, fontsize=8)


def outputs_figure(outputs: Outputs, shown: int = len(COLOURS)) -> "Figure":
    """Draw places in texts by the probabilities of all labels there: those where all is right as
    points, the others as crosses, in the colour of the gold label, whose name stands amid its points.

    outputs (Outputs): What `analysis.outputs.label_outputs` makes.
    shown (int): How many labels have a colour, the most frequent ones; at most as many as there are
        colours.
    RETURNS (Figure): The figure.
    """
    points = outputs.points
    x, y = _numbers(points, "x"), _numbers(points, "y")
    right, labels = np.array(points.column("right"), dtype="bool"), points.column("label")
    counts: Dict[str, int] = {}
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
    some = sorted((n for n in counts if n != OUTSIDE), key=lambda n: (-counts[n], n))
    colours = {name: look.colour for name, look in looks(some[: min(shown, len(COLOURS))]).items()}
    groups = [*colours, *(["other labels"] if len(some) > len(colours) else []), OUTSIDE]
    figure, (ax,) = new_figure(6.4, 5.0)
    handles, centres = [], {}
    for group in groups:
        which = np.array([_group_of(label, colours) == group for label in labels], dtype="bool")
        colour = colours.get(group, INK if group == OUTSIDE else OTHER)
        name = "O: not annotated" if group == OUTSIDE else name_text(group)
        for side, marker in ((which & right, "o"), (which & ~right, "x")):
            ax.scatter(x[side], y[side], s=22, c=colour, marker=marker, alpha=0.55)
        if which.any():
            handles.append(_point(colour, "s", f"{name} ({which.sum()})"))
        if group in colours and (which & right).any():
            centres[group] = np.median(x[which & right]), np.median(y[which & right])
    _name_spots(ax, [(*centre, group) for group, centre in centres.items()], 16)
    handles += [_point(INK, "o", "right"), _point(INK, "x", "wrong")]
    figure.legend(handles=handles, loc="outside right upper", fontsize=7)
    first, second = outputs.shares
    ax.set_xlabel(f"first axis ({first:.0%} of the variance)")
    ax.set_ylabel(f"second axis ({second:.0%} of the variance)")
    ax.set_aspect("equal", adjustable="datalim")
    return figure


def _name_spots(ax: "Axes", spots: Sequence[Tuple[float, float, str]], length: int) -> None:
    """Write names beside their spots, the first ones first, as long as none hides another."""
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    named: List[Tuple[float, float]] = []
    for x, y, name in spots:
        place = (x - left) / (right - left), (y - bottom) / (top - bottom)
        if all(abs(place[0] - a) > 0.2 or abs(place[1] - b) > 0.04 for a, b in named):
            told = name_text(name, length)
            ax.annotate(told, (x, y), (5, 3), textcoords="offset points", fontsize=7)
            named.append(place)


def _group_of(label: str, colours: Dict[str, str]) -> str:
    if label in colours or label == OUTSIDE:
        return label
    return "other labels"


def _point(colour: str, marker: str, label: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, marker=marker, linestyle="", markersize=5, label=label)


def difference_figure(table: Table, shown: int = SHOWN_NAMES) -> "Figure":
    """Draw for each label how much surer right predictions are than wrong ones, against how certain
    this is: a "volcano".

    table (Table): What `analysis.probabilities.score_differences` makes.
    shown (int): How many labels are named at most, those with the least p values; names that would
        hide others are left out.
    RETURNS (Figure): The figure.
    """
    rows = [row for row in table.records() if row["verdict"] != FEW]
    figure, (ax,) = new_figure(6.4, 4.2)
    handles = []
    spots: List[Tuple[float, float, str]] = []
    for verdict, (look, name) in VERDICTS.items():
        some = [row for row in rows if row["verdict"] == verdict]
        at = [(row["difference"], -log10(max(row["p Holm"], LEAST_P))) for row in some]
        ax.scatter([x for x, _ in at], [y for _, y in at], s=36, c=look.colour, marker=look.marker)
        spots += [(x, y, row["label"]) for (x, y), row in zip(at, some)]
        handles.append(_point(look.colour, look.marker, f"{name} ({len(some)})"))
    for value in (-WORTH, WORTH):
        ax.axvline(value, color=OTHER, linestyle="--", linewidth=0.8)
    ax.axhline(-log10(ALPHA), color=OTHER, linestyle="--", linewidth=0.8)
    ax.annotate(f"p = {ALPHA}", (0, -log10(ALPHA)), xycoords=("axes fraction", "data"), **NOTE)
    ax.annotate("odds x 2", (WORTH, 1), xycoords=("data", "axes fraction"), **NOTE)
    ax.set_xlabel("difference of mean log2 odds, right less wrong predictions")
    ax.set_ylabel("-log10 of p, corrected (Holm)")
    widest = max([abs(x) for x, _, _ in spots] + [1.5 * WORTH])
    ax.set(xlim=(-1.25 * widest, 1.25 * widest), ylim=(-0.1, None))
    _name_spots(ax, sorted(spots, key=lambda spot: (-spot[1], spot[2]))[:shown], 20)
    figure.legend(handles=handles, loc="outside upper right", ncols=3, fontsize=8)
    return figure
