"""The part of a report about probabilities."""

from typing import Dict, List, Optional

from ..convert.summary import shorten
from ..evaluation.analysis.outputs import LEAST_LABELS, LEAST_PLACES, label_outputs
from ..evaluation.analysis.probabilities import (
    FEW,
    HIGHER,
    LOWER,
    Scored,
    best_threshold,
    by_threshold,
    calibration,
    calibration_errors,
    error_by_chance,
    reliability,
    score_differences,
    score_summary,
    scored_spans,
)
from ..evaluation.analysis.study import LEAST, Study
from ..evaluation.figures.probabilities import SHOWN_LABELS as SHOWN_VIOLINS
from ..evaluation.figures.probabilities import (
    difference_figure,
    label_reliability_figure,
    outputs_figure,
    reliability_figure,
    score_figure,
    threshold_figure,
)
from ..evaluation.tables import Table
from .panels import Panel, Section

BINS, LABEL_BINS, SHOWN_LABELS, LEAST_SPANS = 10, 5, 9, 20

NO_GOLD = "The documents are not annotated, so nobody knows which spans are right."
NO_SCORES = "The pipe gives its spans no probabilities."
NO_CANDIDATES = "Only the pipe of this package can be asked for the spans that it found too improbable to predict."
ABOUT = """A probability can be believed if of all spans with a probability of 0.8 eight in ten are \
right. One that cannot be believed may still tell right from wrong.

A span counts as right if its borders and its label are those of a gold span."""


def probabilities_section(study: Study, *, seed: int = 0) -> Section:
    """Tell how far the probabilities of a model can be believed.

    study (Study): What it found.
    seed (int): What draws begin with.
    RETURNS (Section): The part of the report.
    """
    every = scored_spans(study.cases, candidates=True)
    predicted = scored_spans(study.cases)
    has_candidates = any(case.candidates is not None for case in study.cases)
    shown = every if has_candidates else predicted
    reason = _reason(study, predicted, shown)
    panels = [
        _reliability(study, shown, has_candidates, reason, seed),
        _label_reliability(shown, reason),
        _thresholds(study, every, reason or ("" if has_candidates else NO_CANDIDATES)),
        _scores(study, predicted, reason),
        _differences(predicted, reason),
        _outputs(study, reason or ("" if has_candidates else NO_CANDIDATES), seed),
    ]
    return Section("probabilities", "Probabilities", ABOUT, panels)


def _reason(study: Study, predicted: Scored, shown: Scored) -> str:
    """Why nothing can be told of probabilities, if nothing can."""
    if all(case.gold is None for case in study.cases):
        return NO_GOLD
    if len(shown.probability):
        return ""
    found = any(case.predicted for case in study.cases)
    return NO_SCORES if found else "The model found no entities in the annotated documents."


def _spans_shown(study: Study, shown: Scored, has_candidates: bool) -> str:
    """Which spans a panel is about, and which it is not."""
    if has_candidates:
        text = (
            f"Shown are all {len(shown.probability)} spans with a probability of at least 0.01, "
            f"whether they were predicted or not. {shown.n_elsewhere} of {shown.n_gold} gold spans "
            "have less, or borders that are none of tokens, and are in no bin."
        )
    else:
        text = (
            f"Shown are the {len(shown.probability)} predicted spans. {NO_CANDIDATES} "
            f"{shown.n_elsewhere} of {shown.n_gold} gold spans were not predicted, and are in no bin."
        )
    annotated = sum(case.gold is not None for case in study.cases)
    if shown.documents < annotated:
        text += f" They come from the first {shown.documents} of {annotated} documents."
    if shown.left_out:
        text += (
            f" {shown.left_out} more are left out, as it is not known whether they are right, or "
            "their probability is no number."
        )
    return text


def _reliability(
    study: Study, shown: Scored, has_candidates: bool, reason: str, seed: int
) -> Panel:
    name, title = "reliability", "Do probabilities mean what they say?"
    if reason:
        return Panel(name, title, absent=reason)
    bins = {equal: reliability(shown, BINS, equal) for equal in ("width", "mass")}
    summary = calibration(shown, BINS)
    row = summary.records()[0]
    chance = error_by_chance(shown, BINS, seed=seed)
    text = f"""Spans are put in bins by their probability. Each point is a bin: across, its mean \
probability; up, the share of its spans that are right, with a 95 % interval (Wilson's), wide where \
there are few. On the dashed line probabilities are true; below it the model is too sure of itself, \
above it not sure enough. The bars are how many spans there are. Bins of equal width show the whole \
range; bins of equal counts show best where most spans are.

{_spans_shown(study, shown, has_candidates)}

The expected calibration error (ECE), the mean distance from the dashed line over all spans, is \
{row["ECE, equal width"]:.3f} with bins of equal width and {row["ECE, equal mass"]:.3f} with bins of \
equal counts; the greatest distance of a bin is {row["greatest, equal width"]:.3f} and \
{row["greatest, equal mass"]:.3f}. Were all probabilities true, chance alone would make an ECE of \
about {chance:.3f} with bins of equal width. The Brier score, the mean squared distance from 1 for \
right and 0 for wrong spans, is {row["Brier score"]:.3f}; less is better for all of these.

Intervals take spans for independent of each other, which those of one document are not quite."""
    alt = (
        f"Reliability diagrams of {row['spans']} spans. Expected calibration error "
        f"{row['ECE, equal width']:.3f}, Brier score {row['Brier score']:.3f}, mean probability "
        f"{row['mean probability']:.3f}, share of right spans {row['share right']:.3f}."
    )
    tables = [summary, *bins.values()]
    return Panel(name, title, text, lambda: reliability_figure(bins), alt, tables, show=-1)


def _label_reliability(shown: Scored, reason: str) -> Panel:
    name, title = "reliability-labels", "And those of each label?"
    parts = {label: shown.of(label) for label in shown.names}
    labels = [label for label, some in parts.items() if len(some.probability) >= LEAST_SPANS]
    labels = labels[:SHOWN_LABELS]
    if not reason and len(shown.names) < 2:
        reason = "There is one label only, shown above."
    if not reason and not labels:
        reason = f"No label has {LEAST_SPANS} spans with a probability, too few for bins."
    if reason:
        return Panel(name, title, absent=reason)
    bins = {label: reliability(parts[label], LABEL_BINS, "mass") for label in labels}
    errors = {label: calibration_errors(table)[0] for label, table in bins.items()}
    text = f"""As above, for the {len(labels)} most frequent labels in gold with at least {LEAST_SPANS} \
spans, with {LABEL_BINS} bins of equal counts. The table above has the numbers of all labels, with \
{BINS} bins."""
    worst = max(labels, key=lambda label: errors[label] or 0.0)
    alt = (
        f"Reliability diagrams of {len(labels)} labels. The greatest expected calibration error is "
        f"that of {shorten(worst, 40)}, {errors[worst]:.3f}."
    )
    table = _joined(bins)
    return Panel(name, title, text, lambda: label_reliability_figure(bins, errors), alt, [table])


def _joined(tables: Dict[str, Table]) -> Table:
    """One table of several, with their labels in the first column."""
    columns = next(iter(tables.values())).columns
    rows = [(label, *row) for label, table in tables.items() for row in table.rows]
    return Table.of("reliability-labels", ("label", *columns), rows)


def _thresholds(study: Study, every: Scored, reason: str) -> Panel:
    name, title = "thresholds", "Which threshold is good?"
    if not reason and not every.n_gold:
        reason = "There are no gold entities in these documents."
    if reason:
        return Panel(name, title, absent=reason)
    table = by_threshold(every, study.threshold)
    best = best_threshold(table)
    assert best is not None
    ceiling = (every.n_gold - every.n_elsewhere) / every.n_gold
    if study.threshold is None:
        now = """It is not one threshold alone by which this pipe decides: its decoder is another, or labels \
have thresholds of their own. Shown is what `decoder = "posterior"` would find with one for all."""
    else:
        at = table.column("threshold").index(max(study.threshold, LEAST))
        row = table.records()[at]
        now = (
            f"The square is the threshold of the pipe, {study.threshold:.3g}, with F {row['F']:.3f}: "
            f"precision {_told(row['precision'])}, recall {_told(row['recall'])}."
        )
    text = f"""What would be predicted, if all spans were that have at least a given probability: the \
higher the threshold, the fewer and surer. F is the harmonic mean of precision and recall. To the \
right the same as precision against recall.

{now} The star is the highest F here, {best["F"]:.3f} at {best["threshold"]:.3g}. Chosen on the data \
it is scored on, it is too good to be true: choose a threshold on your dev set, with \
`spacy contrastive tune`, and score on other data.

No threshold finds what is no candidate. {every.n_elsewhere} of {every.n_gold} gold spans have a \
probability under 0.01, or borders that are none of tokens, so that recall ends at {ceiling:.3f}, \
the dotted line."""
    if every.documents < sum(case.gold is not None for case in study.cases):
        text += f" All of this is about the first {every.documents} documents."
    alt = (
        f"Precision, recall and F by threshold. The highest F is {best['F']:.3f} at "
        f"{best['threshold']:.3g}; recall ends at {ceiling:.3f}. "
        + ("" if study.threshold is None else f"The pipe's threshold is {study.threshold:.3g}.")
    )
    threshold = study.threshold
    return Panel(name, title, text, lambda: threshold_figure(table, threshold, best), alt, [table])


def _told(value: Optional[float]) -> str:
    return "none" if value is None else f"{value:.3f}"


def _scores(study: Study, predicted: Scored, reason: str) -> Panel:
    name, title = "scores", "How sure is the model where it is right, and where it is wrong?"
    if not reason and not len(predicted.probability):
        reason = "No predicted span has a probability."
    if reason:
        return Panel(name, title, absent=reason)
    table = score_summary(predicted)
    right, wrong = table.records()[:2]
    low = study.threshold or 0.0
    text = f"""Predicted spans by their probability: right ones above each line, wrong ones below and \
hatched, with the median as a stroke. All halves are equally high, so compare shapes, not sizes; \
numbers are beside the names. Fewer than five are drawn one by one, as points and crosses. The {
        SHOWN_VIOLINS
    } most \
frequent labels are shown, the table has all.

Shapes are smoothed, but nothing leaks out of what is possible: a probability is at most 1{
        f", and no span is predicted under {low:.3g}, the dotted line" if low else " and at least 0"
    }. The further right the wrong ones lie, the less a look at probabilities helps to find errors."""
    alt = (
        f"Distribution of the probabilities of {right['spans']} right predictions, median "
        f"{_told(right['median'])}, and of {wrong['spans']} wrong ones, median "
        f"{_told(wrong['median'])}, for all labels and by label."
    )
    return Panel(name, title, text, lambda: score_figure(predicted, low), alt, [table])


def _differences(predicted: Scored, reason: str) -> Panel:
    name, title = "score-differences", "Of which labels do probabilities tell right from wrong?"
    table = score_differences(predicted)
    rows = table.records()
    tested = [row for row in rows if row["verdict"] != FEW]
    few = [row["label"] for row in rows if row["verdict"] == FEW]
    if not reason and not tested:
        reason = "No label has enough right and wrong predictions for a test."
    if reason:
        tables = [table] if rows else []
        return Panel(name, title, absent=reason, tables=tables)
    told = {v: [row["label"] for row in tested if row["verdict"] == v] for v in (HIGHER, LOWER)}
    text = f"""A "volcano": each point is a label. Across: how much surer right predictions are than \
wrong ones, as the difference of their mean log2 odds (one more: odds twice as high; probabilities \
count as at least 0.001 and at most 0.999). Up: how hard it is to put down to chance, as minus the \
logarithm of the p value.

The test is Mann and Whitney's, two-sided, exact where few predictions are right or wrong, with \
Holm's correction for {len(tested)} labels. Dashed lines: p = 0.05, and odds twice or half as high. Beyond \
both, probabilities tell right from wrong: right predictions have higher ones (triangles) or, which is \
strange, lower ones (triangles on their heads). {len(told[HIGHER])} labels are of the first kind, \
{len(told[LOWER])} of the second, {len(tested) - len(told[HIGHER]) - len(told[LOWER])} of neither. The \
table has AUC too: how often a right prediction has a higher probability than a wrong one.

Predictions are taken for independent of each other; those of one document are not quite, so p values \
are rather too small. {_few_text(few)}"""
    alt = (
        f"Difference in log2 odds between right and wrong predictions against minus log10 p for "
        f"{len(tested)} labels; higher when right: {_names(told[HIGHER]) or 'none'}; lower when "
        f"right: {_names(told[LOWER]) or 'none'}."
    )
    return Panel(name, title, text, lambda: difference_figure(table), alt, [table], show=-1)


def _few_text(labels: List[str]) -> str:
    if not labels:
        return "All labels that were predicted could be tested."
    return f"Too few right or too few wrong predictions for a test have: {_names(labels)}."


def _names(labels: List[str], most: int = 20) -> str:
    """Labels in a sentence."""
    told = ", ".join(shorten(label, 40) for label in labels[:most])
    return told + (f" and {len(labels) - most} more" if len(labels) > most else "")


def _outputs(study: Study, reason: str, seed: int) -> Panel:
    name, title = "outputs", "What does the model take places for?"
    outputs = None if reason else label_outputs(study.cases, seed=seed)
    if not reason and outputs is None:
        reason = (
            f"This takes {LEAST_LABELS} labels and {LEAST_PLACES} places that are annotated or "
            "predicted."
        )
    if reason or outputs is None:
        return Panel(name, title, absent=reason)
    n, n_right = len(outputs.points.rows), sum(outputs.points.column("right"))
    which = f"the {n}" if n == outputs.places else f"{n} (drawn by chance) of the {outputs.places}"
    first, second = outputs.shares
    text = f"""Each point is a place in a text, from a start to an end: {which} that are annotated or \
predicted. What the model says of it, the probability of each label there (0 if under 0.01), is \
projected to the two directions in which places differ most (principal component analysis): they show \
{first + second:.0%} of all differences.

Corners are places of which the model is sure; between them lie those it wavers about. Colours \
are gold labels (of several at one place, the most frequent one); crosses are places where the labels \
found are not exactly the gold ones. A cross in a corner of another colour is an error that the model \
is sure of; black crosses are predictions where nothing is annotated. The second table tells how \
much each label counts on the axes."""
    alt = (
        f"Principal components of the probabilities at {n} places, {n_right} of them right; the two "
        f"axes show {first:.0%} and {second:.0%} of the variance."
    )
    tables = [outputs.points, outputs.axes]
    return Panel(name, title, text, lambda: outputs_figure(outputs), alt, tables)
