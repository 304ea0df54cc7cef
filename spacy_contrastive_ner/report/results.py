"""What the scores are, and what is wrong where they are low."""

from functools import partial
from typing import Any, Iterable, Mapping, Optional, Sequence

from ..convert.summary import number, share, shorten
from ..evaluation.analysis.breakdowns import WAYS, class_table, labels_table, overall_table
from ..evaluation.analysis.errors import ERRORS, SPURIOUS, Errors, errors_of
from ..evaluation.analysis.study import Case
from ..evaluation.classes import Training
from ..evaluation.figures.results import (
    SHOWN_BARS,
    SHOWN_LABELS,
    SHOWN_PAIRS,
    classes_figure,
    confusions_figure,
    errors_by_label,
    kinds_figure,
    nestings_figure,
    scores_figure,
)
from ..evaluation.tables import Table
from .panels import Panel, Section

TEXT = """A prediction is right if its start, its end and its label are those of a gold entity. Precision is
the share of predictions that are right, recall the share of gold entities that were found, F their
harmonic mean. The fragments of a discontinuous entity count one by one."""

HOW_BARS = """Each bar is F; the diamond is precision, the circle recall. A diamond to the right of its circle:
what is predicted is mostly right, but too little is predicted. The other way round: too much is. The
number at the right says how many gold spans there are: below some twenty, a few spans more or less
move a bar far."""
HOW_CLASSES = """Recall is about gold spans of a class, precision about predictions of that class, wherever
their counterparts belong."""
LACKING = (
    """The evaluation was written by an earlier version, which did not tell this. Evaluate again."""
)
NO_TRAINING = """It is not known what is annotated in the training data. Name it with --train."""
NOTHING = "There are neither gold entities nor predictions."
SHOWN_ERRORS = 50


def results_section(
    scores: Mapping[str, Any], cases: Iterable[Case], training: Optional[Training] = None
) -> Section:
    """Show how good a model is and what it gets wrong.

    scores (Mapping[str, Any]): The evaluation, as `Evaluation.as_dict` gives it, or as `evaluate`
        wrote it.
    cases (Iterable[Case]): The same documents, with gold and predictions.
    training (Optional[Training]): What is annotated in the training data.
    RETURNS (Section): The section.
    """
    errors = errors_of(cases, training)
    panels = [
        _overall(scores),
        _labels(scores),
        _structure(scores),
        _lengths(scores),
        _depth(scores),
        _training(scores),
        _confusions(errors),
        _kinds(errors),
        _nestings(errors),
        _errors(errors),
    ]
    return Section("results", "Results", _flat(TEXT), panels)


def _overall(scores: Mapping[str, Any]) -> Panel:
    title = "Scores over all labels"
    if not scores["micro"]["support"] and not scores["micro"]["predicted"]:
        return Panel("overall", title, absent=NOTHING)
    text = """Micro counts all spans together, so that frequent labels weigh most; macro is the mean over the
    labels, so that rare ones weigh as much as frequent ones. Of partial matches, what overlaps is paired
    one to one. Found and right say how many gold spans were predicted and how many predictions are gold.
    Type accuracy: of the gold spans whose borders were predicted, the share whose label was, too."""
    return Panel("overall", title, _flat(text), tables=[overall_table(scores)], show=-1)


def _labels(scores: Mapping[str, Any]) -> Panel:
    table = labels_table(scores)
    return _bars("labels", "Scores by label", table, "label", [HOW_BARS], absent=NOTHING)


def _structure(scores: Mapping[str, Any]) -> Panel:
    text = """Nested entities lie inside another one with other borders; crossing ones share text with another
    one without either being inside the other. A span may be of several classes."""
    table = class_table(scores, "structure")
    return _bars(
        "structure", "Nested, crossing and flat", table, "class", [text, HOW_CLASSES], NOTHING
    )


def _depth(scores: Mapping[str, Any]) -> Panel:
    text = """How many other spans lie around a span: 0 is an outermost one, 1 lies inside one other, and so on.
    Gold is counted among gold, predictions among predictions."""
    table = class_table(scores, "nesting_depth")
    absent = NOTHING if "nesting_depth" in scores else LACKING
    title = "Scores by nesting depth"
    return _bars("nesting-depth", title, table, "class", [text, HOW_CLASSES], absent)


def _bars(
    name: str, title: str, table: Table, what: str, texts: Sequence[str], absent: str
) -> Panel:
    """A panel of scores in rows."""
    if not table.rows:
        return Panel(name, title, absent=absent)
    texts = [*texts, _cut(len(table.rows), SHOWN_BARS, "labels")]
    draw = partial(scores_figure, table)
    alt = f"Bars of F, by {what}: {_told(table)}"
    return Panel(name, title, joined(texts), draw, alt, [table], 0)


def _lengths(scores: Mapping[str, Any]) -> Panel:
    ways = ("span_length", "sentence_length", "document_length")
    texts = ["Lengths are in tokens, white space not counted.", HOW_CLASSES]
    if "sentence_length" in scores and not scores["sentence_length"]:
        texts.append("Sentences are not known: neither gold nor prediction has them.")
    return _multiples("lengths", "Scores by length", scores, ways, texts, NOTHING)


def _training(scores: Mapping[str, Any]) -> Panel:
    ways = ("training_frequency", "surface")
    absent = NO_TRAINING if "surface" in scores else LACKING
    texts = [
        """On one side, by how often the label of a span occurs in the training data, rare to frequent; on
        the other, by whether its very words were annotated there: with its label, with others only, or
        never. What is found of words never seen shows how much is recognised and how much remembered.""",
        HOW_CLASSES,
    ]
    if "training_frequency" not in scores:
        texts.append(LACKING.replace("this", "how often labels occur in training"))
    return _multiples("training-data", "Rare and new in training", scores, ways, texts, absent)


def _multiples(
    name: str,
    title: str,
    scores: Mapping[str, Any],
    ways: Sequence[str],
    texts: Sequence[str],
    absent: str,
) -> Panel:
    """A panel of several ways to class spans."""
    tables = {WAYS[way]: class_table(scores, way) for way in ways}
    tables = {way: table for way, table in tables.items() if table.rows}
    if not tables:
        return Panel(name, title, absent=absent)
    alt = " ".join(f"{way}: {_told(table)}" for way, table in tables.items())
    draw = partial(classes_figure, tables)
    return Panel(name, title, joined(texts), draw, f"Bars of F. {alt}", list(tables.values()))


def _confusions(errors: Errors) -> Panel:
    title = "Which label is taken for which"
    table = errors.confusions
    if not table.rows:
        return Panel("confusions", title, absent=NOTHING)
    text = """Each row is a gold label, each column a predicted one. Gold spans and predictions that overlap are
    paired one to one, the best way; the framed cells on the diagonal have the right label, though the
    borders may differ. The last column counts gold spans that have no counterpart, the last row
    predictions that have none. The darker a cell, the greater its share of its row. In the table,
    same_borders says how many of the pairs have the same borders."""
    labels = {name for row in table.rows for name in row[:2] if name is not None}
    texts = [text, _cut_others(len(labels))]
    wrong = [row for row in table.rows if None not in row[:2] and row[0] != row[1]]
    most = ", ".join(
        f"{shorten(gold)} as {shorten(found)} {number(n)}" for gold, found, n, _ in wrong[:5]
    )
    alt = f"A matrix of {len(labels)} labels. Most often confused: {most or 'none'}."
    draw = partial(confusions_figure, table)
    return Panel("confusions", title, joined(texts), draw, alt, [table])


def _kinds(errors: Errors) -> Panel:
    title = "Kinds of errors"
    table, counts = errors.kinds, dict.fromkeys(ERRORS, 0)
    for kind, _, gold, predicted, *_ in table.rows:
        if kind in counts:
            counts[kind] += predicted if kind == SPURIOUS else gold
    if not table.rows:
        return Panel("error-kinds", title, absent=NOTHING)
    if not any(counts.values()):
        return Panel("error-kinds", title, absent="There are no errors.")
    text = """Each gold span that was not found counts once, by its counterpart: it has the right borders and a
    wrong label, is too long, too short, or shifted (they overlap in part). Split: several predictions of
    its label lie inside it. Joined: one prediction of its label covers several gold spans. Missed: it
    has no counterpart. Spurious predictions, which have none, come last."""
    labels = errors_by_label(table)[0]
    texts = [text, _cut_others(len(labels))]
    told = ", ".join(f"{kind} {number(n)}" for kind, n in counts.items())
    draw = partial(kinds_figure, table)
    return Panel("error-kinds", title, joined(texts), draw, f"Errors: {told}.", [table])


def _nestings(errors: Errors) -> Panel:
    title = "Which nestings are missed"
    table = errors.nestings
    if not table.rows:
        return Panel("nestings", title, absent="No gold entity lies inside another one.")
    text = """Pairs of gold spans, one directly inside the other, by their labels: outer > inner. A bar tells of
    how many both were found, and of how many only one or none. Those of which most was missed come
    first."""
    columns = ("pairs", "both", "only_outer", "only_inner", "none")
    pairs, both, outer, inner, none = (sum(table.column(column)) for column in columns)
    alt = (
        f"Of {number(pairs)} nested pairs both were found in {number(both)}, only the outer one in "
        f"{number(outer)}, only the inner one in {number(inner)}, none in {number(none)}."
    )
    texts = [text, _cut(len(table.rows), SHOWN_PAIRS, "pairs of labels")]
    draw = partial(nestings_figure, table)
    return Panel("nestings", title, joined(texts), draw, alt, [table])


def _errors(errors: Errors) -> Panel:
    title = "All errors"
    table = errors.errors
    if not table.rows:
        absent = "There are no errors." if errors.kinds.rows else NOTHING
        return Panel("errors", title, absent=absent)
    text = f"""The first of {number(len(table.rows))} errors; the files have all. Places are in characters; nested,
    new and length are about the gold span, or about the prediction if there is none; score is the
    probability of the prediction, gold_score that which the model gives to the gold span."""
    return Panel("errors", title, _flat(text), tables=[table], show=SHOWN_ERRORS)


def _told(table: Table) -> str:
    """The F-scores of a table in words."""
    values = zip(table.column(table.columns[0]), table.column("f"))
    rows = [f"{shorten(name)}: {percent(f)}" for name, f in list(values)[:SHOWN_LABELS]]
    return f"{', '.join(rows)}{', ...' if len(table.rows) > len(rows) else ''}."


def percent(value: Optional[float]) -> str:
    """RETURNS (str): A fraction in percent."""
    return "-" if value is None else share(round(1000 * value), 1000)


def _cut(n: int, shown: int, what: str) -> str:
    """That not all is drawn, if it is so."""
    if n <= shown:
        return ""
    return f"The first {shown} of {number(n)} {what} are drawn; the table has all."


def _cut_others(n: int) -> str:
    """The same where one label more has room, as it is no others."""
    if n <= SHOWN_LABELS + 1:
        return ""
    return f"{SHOWN_LABELS} of {number(n)} labels are drawn one by one, the others together."


def _flat(text: str) -> str:
    return " ".join(text.split())


def joined(texts: Sequence[str]) -> str:
    """RETURNS (str): Paragraphs, each on one line, without those that are empty."""
    return "\n\n".join(_flat(text) for text in texts if text)
