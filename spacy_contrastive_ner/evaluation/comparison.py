"""A comparison of systems as tables for the console."""

from typing import Any, Iterator, List, Mapping, Optional, Sequence

from wasabi import Printer, table

from ..convert.summary import number, shorten

# So many labels are shown; JSON has all. Names are cut so that tables fit 80 columns.
SHOWN_LABELS, SHOWN_NAME, SHOWN_TITLE = 100, 18, 30
HEADER = ("F in %", "Base", "F", "Diff", "{level} % interval", "p", "Holm")
TESTS_HEADER = ("Test", "n", "p", "Holm")
FEW = "few"


def render(found: Mapping[str, Any]) -> str:
    """Tell what came out.

    found (Mapping[str, Any]): The comparison, as it is written as JSON.
    RETURNS (str): The text, to be printed.
    """
    parts = [_divider("Comparison"), *_about(found)]
    for comparison in found["comparisons"]:
        parts += _comparison(comparison, found["settings"])
    return "\n".join(parts)


def _about(found: Mapping[str, Any]) -> Iterator[str]:
    """What was compared."""
    data, settings = found["data"], found["settings"]
    yield f"Gold       {shorten(str(data['path']), 1000)}"
    yield f"Documents  {number(data['documents'])}, with {number(data['support'])} gold spans"
    yield f"Draws      {number(settings['draws'])}, seed {settings['seed']}"
    for name, system in found["systems"].items():
        title = "Baseline " if name == found["baseline"] else "System   "
        runs = len(system["runs"])
        yield f"{title}  {shorten(name, SHOWN_TITLE)}, {runs} {'run' if runs == 1 else 'runs'}"


def _comparison(comparison: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[str]:
    """How one system differs from the baseline."""
    names = [shorten(comparison[key], SHOWN_TITLE) for key in ("system", "baseline")]
    yield _divider(f"{names[0]} against {names[1]}")
    n_labels = comparison["over_labels"]["n"]
    rows = [_row("Micro", comparison["micro"])]
    rows.append(_row(f"Macro ({n_labels} labels)", comparison["macro"]))
    shown = list(comparison["labels"].items())[:SHOWN_LABELS]
    rows += [_row(label, measure) for label, measure in shown]
    yield _table([cell.format(level=f"{100 * settings['level']:.0f}") for cell in HEADER], rows)
    if n_labels > len(shown):
        yield f"... and {n_labels - len(shown)} labels more"
    tests = list(_tests(comparison))
    yield _table(TESTS_HEADER, tests)
    if any(FEW in row for row in (*rows, *tests)):
        yield f"{FEW}: too few differences for a p value that tells anything\n"
    for note in comparison["notes"]:
        yield str(Printer(no_print=True).warn(note))


def _row(name: str, measure: Mapping[str, Any]) -> List[str]:
    low, high = measure["low"], measure["high"]
    return [
        shorten(name, SHOWN_NAME),
        f"{100 * measure['baseline']:.2f}",
        f"{100 * measure['system']:.2f}",
        f"{100 * measure['difference']:+.2f}",
        "-" if low is None else f"{100 * low:+.2f} to {100 * high:+.2f}",
        *_p(measure),
    ]


def _tests(comparison: Mapping[str, Any]) -> Iterator[List[str]]:
    """Rows of the tests over labels and over runs."""
    labels, runs = comparison["over_labels"], comparison["over_runs"]
    yield _test("Wilcoxon over labels", labels["wilcoxon"])
    yield _test("Paired t over labels", labels["t"])
    for measure in ("micro", "macro"):
        if runs[measure] is not None:
            yield _test(f"Paired t over runs, {measure} F", runs[measure]["t"])
            yield _test(f"Sign flips over runs, {measure} F", runs[measure]["sign_flip"])


def _test(name: str, test: Mapping[str, Any]) -> List[str]:
    return [name, number(test["n"]), *_p(test)]


def _p(test: Mapping[str, Any]) -> List[str]:
    """The p value and the corrected one, if they tell anything. That nothing differs does."""
    if test["p"] is not None and not test["can_tell"] and test["p"] < 1.0:
        return [FEW, ""]
    return [_small(test["p"]), _small(test["p_holm"]) if test["p_holm"] is not None else ""]


def _small(p: Optional[float]) -> str:
    if p is None:
        return "-"
    return f"{p:.4f}" if p >= 0.00005 else "<1e-4"


def _divider(text: str) -> str:
    return str(Printer(no_print=True).divider(text))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with names to the left and numbers to the right."""
    aligns = ("l", *"r" * (len(header) - 1))
    text = table(rows, header=header, divider=True, aligns=aligns, spacing=2, max_col=40)
    return f"{text.strip(chr(10))}\n"
