"""What was gained and lost against another model."""

from functools import partial
from pathlib import PurePath
from typing import List, Sequence, Tuple

from ..convert.summary import number, shorten
from ..evaluation.analysis.gains import Gains, gains_of
from ..evaluation.analysis.study import Study
from ..evaluation.figures.gains import SHOWN, changes_figure, differences_figure, is_significant
from ..evaluation.significance import DRAWS
from ..evaluation.tables import Table
from .panels import Panel, Section
from .results import joined, percent

SHOWN_LABELS = SHOWN_DOCUMENTS = 25
# So long are names of models in figures.
MOST_NAME = 30


def gains_section(
    before: Study,
    after: Study,
    names: Sequence[str] = ("before", "after"),
    seed: int = 0,
    draws: int = DRAWS,
) -> Section:
    """Show how two models differ.

    before, after (Study): What they find in the same documents.
    names (Sequence[str]): What they are called.
    seed (int): What draws begin with.
    draws (int): How often documents are drawn, and outputs swapped.
    RETURNS (Section): The section.
    """
    title = "Two models"
    if not any(case.gold_spans() for case in after.cases):
        return Section(
            "gains",
            title,
            "",
            [Panel("gains-f", "F of both models", absent="There are no gold entities.")],
        )
    found = gains_of(before, after, names, seed, draws)
    names = first, second = told_apart(*names)
    text = (
        f"What {second} gets right that {first} does not, and the other way round. Gained: gold spans "
        f"that {second} finds and {first} does not. Lost: those that {first} finds and {second} does "
        "not."
    )
    better, worse = _documents(found.documents)
    panels = [_differences(found, names), _changes(found), better, worse]
    return Section("gains", title, text, panels)


def told_apart(first: str, second: str) -> Tuple[str, str]:
    """RETURNS (Tuple[str, str]): The names of two models, so short that they have room in a figure, and
    without the folders at the front that both are in, so that they are still told apart."""
    one, other = (list(PurePath(name).parts) for name in (first, second))
    while min(len(one), len(other)) > 1 and one[0] == other[0]:
        one, other = one[1:], other[1:]
    short = ["/".join(parts) for parts in (one, other)]
    if any(len(name) > MOST_NAME for name in short):
        # Most models are called model-best: what tells them apart is at the front.
        while min(len(one), len(other)) > 1 and one[-1] == other[-1]:
            one, other = one[:-1], other[:-1]
        short = ["/".join(parts) for parts in (one, other)]
    found = shorten(short[0], MOST_NAME), shorten(short[1], MOST_NAME)
    return found if found[0] != found[1] or first == second else ("before", "after")


def _differences(found: Gains, names: Sequence[str]) -> Panel:
    texts = [
        """On the left, F of both models: a circle before, a diamond after. On the right, by how much it
        changed, with an interval: if documents are drawn anew from these, with replacement, the difference
        lies in it in 95 of 100 draws. A filled point is hardly due to chance: if outputs were swapped
        between the models at random, so great a difference would come out in fewer than 5 of 100 cases,
        taking into account how many labels are looked at (p_holm). An empty one may be due to chance.""",
        " ".join(found.notes),
    ]
    if len(found.labels.rows) > SHOWN:
        texts.append(f"Of {number(len(found.labels.rows))} labels the first {SHOWN} are drawn.")
    micro = found.overall.records()[0]
    low, high = micro["low"], micro["high"]
    interval = "" if low is None else f", interval {100 * low:+.1f} to {100 * high:+.1f}"
    sure = is_significant(micro["p"], micro["p_holm"], micro["can_tell"])
    alt = (
        f"Micro F {percent(micro['f_before'])} before, {percent(micro['f_after'])} after: "
        f"{100 * micro['difference']:+.1f} points{interval}, "
        f"{'hardly' if sure else 'perhaps'} due to chance."
    )
    draw = partial(differences_figure, found.overall, found.labels, names)
    tables = [found.overall, found.labels]
    return Panel("gains-f", "F of both models", joined(texts), draw, alt, tables, -1)


def _changes(found: Gains) -> Panel:
    title = "Gained and lost by label"
    table = found.labels
    gained, lost = sum(table.column("gained")), sum(table.column("lost"))
    gone, new = sum(table.column("spurious_gone")), sum(table.column("spurious_new"))
    if not gained and not lost:
        return Panel("gains-labels", title, absent="Both models find the same gold spans.")
    text = f"""Gold spans that were missed before and are found now, to the right; those that were found and are
    missed now, to the left. Of wrong predictions {number(gone)} are gone and {number(new)} are new."""
    draw = partial(changes_figure, table)
    alt = f"{number(gained)} gold spans were gained, {number(lost)} lost."
    return Panel("gains-labels", title, joined([text]), draw, alt, [table], SHOWN_LABELS)


def _documents(table: Table) -> Tuple[Panel, Panel]:
    """The documents that changed most, for the better and for the worse."""
    found: List[Panel] = []
    for name, title, sign in (
        ("gains-documents", "Documents that improved", 1),
        ("losses-documents", "Documents that got worse", -1),
    ):
        place = list(table.columns).index("change")
        rows = [row for row in table.rows[::sign] if sign * row[place] > 0]
        if not rows:
            found.append(Panel(name, title, absent=f"There are none, of {len(table.rows)}."))
            continue
        text = f"""{number(len(rows))} of {number(len(table.rows))} documents have
        {"fewer" if sign > 0 else "more"} errors than before, missed and spurious spans together; those
        with the greatest change come first. Change is how many errors less there are."""
        some = Table(name, table.columns, rows)
        tables = [some, table] if sign > 0 else [some]
        found.append(Panel(name, title, joined([text]), tables=tables, show=SHOWN_DOCUMENTS))
    return found[0], found[1]
