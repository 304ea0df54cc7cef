"""What one model gets right that another one does not, and whether that is more than luck."""

from collections import Counter
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

import numpy as np

from ..evaluate import Evaluation
from ..significance import DRAWS, Counts, Settings, System, compare
from ..tables import Table
from .study import Case, Study

MICRO, MACRO = "all labels (micro)", "mean of the labels (macro)"
# Of each label and document. What is gained was not found before, what is lost is not found now.
CHANGES = ("gained", "lost", "spurious_gone", "spurious_new")
MEASURES = ("difference", "low", "high", "p", "p_holm", "can_tell")
DIFFERENCE = ("f_before", "f_after", *MEASURES)


class Gains(NamedTuple):
    """How two models differ.

    overall (Table): The F-scores over all labels: before, after, their difference with its interval,
        the p value, that corrected for the number of labels, and whether it can tell anything.
    labels (Table): By label how many gold spans there are, how many of them were gained and lost, how
        many spurious predictions went and came, and F as above, None for labels without gold.
    documents (Table): The same counts of each document, its errors (missed and spurious spans) and F
        before and after, and how many errors less it has. The most improved ones come first.
    notes (List[str]): What there is too little of to tell anything, a sentence each.
    """

    overall: Table
    labels: Table
    documents: Table
    notes: List[str]


def gains_of(
    before: Study,
    after: Study,
    names: Sequence[str] = ("before", "after"),
    seed: int = 0,
    draws: int = DRAWS,
) -> Gains:
    """Compare two models. Intervals are those of drawing documents anew, p values those of swapping
    outputs; see `significance`.

    before, after (Study): What they find in the same documents.
    names (Sequence[str]): What they are called.
    seed (int): What draws begin with.
    draws (int): How often documents are drawn, and outputs swapped.
    RETURNS (Gains): How they differ.
    """
    check_same(before, after, names)
    assert before.evaluation is not None and after.evaluation is not None
    support: Counter = Counter()
    changes: Dict[str, Counter] = {}
    for pair in zip(before.cases, after.cases):
        support.update(label for _, _, label in pair[1].gold_spans())
        for label, change in _changes(*pair):
            changes.setdefault(label, Counter())[change] += 1
    sides = (before.evaluation, after.evaluation)
    # Those that are predicted only, too.
    every = {label for side in sides for label in side.labels}
    labels = sorted(every, key=lambda label: (-support[label], label))
    systems = [System(name, counts_of(side, labels)) for name, side in zip(names, sides)]
    found = compare(systems, labels, Settings(draws, seed))["comparisons"][0]
    overall = [[MICRO, *_measured(found["micro"])], [MACRO, *_measured(found["macro"])]]
    rows = [
        [
            label,
            support[label],
            *(changes.get(label, Counter())[change] for change in CHANGES),
            *_measured(found["labels"].get(label)),
        ]
        for label in labels
    ]
    return Gains(
        Table.of("gains-overall", ("what", *DIFFERENCE), overall),
        Table.of("gains-by-label", ("label", "support", *CHANGES, *DIFFERENCE), rows),
        _documents_table(before, after),
        found["notes"],
    )


def check_same(before: Study, after: Study, names: Sequence[str]) -> None:
    """Stop if there is nothing to compare.

    before, after (Study): What two models find.
    names (Sequence[str]): What they are called.
    """
    for each, name in zip((before, after), names):
        if each.evaluation is None or not any(case.gold_spans() for case in each.cases):
            raise ValueError(
                f"There is no gold to score {name!r} against. Give annotated documents."
            )
    golds = [[(c.id, c.text, c.gold_spans()) for c in each.cases] for each in (before, after)]
    if golds[0] != golds[1]:
        raise ValueError(
            f"{names[0]!r} and {names[1]!r} were not studied on the same documents and gold, so that "
            "they cannot be compared. Study both on the same data."
        )


def counts_of(evaluation: Evaluation, labels: Sequence[str]) -> Counts:
    """RETURNS (Counts): Right, spurious and missed spans of one run by document and label."""
    places = {label: i for i, label in enumerate(labels)}
    found = np.zeros((1, len(evaluation.documents), len(labels), 3), dtype="int64")
    for row, document in zip(found[0], evaluation.documents):
        for label, counts in document["labels"].items():
            row[places[label]] = counts
    return found


def _changes(before: Case, after: Case) -> List[Tuple[str, str]]:
    """Spans of a document that are other than before, each with its label and what changed."""
    gold = after.gold_spans()
    old, new = before.predicted_spans(), after.predicted_spans()
    sides = ((new - old) & gold, (old - new) & gold, old - new - gold, new - old - gold)
    return [(span[2], change) for change, side in zip(CHANGES, sides) for span in side]


def _measured(measure: "Dict[str, Any] | None") -> List[Any]:
    if measure is None:
        return [None] * len(DIFFERENCE)
    return [measure["baseline"], measure["system"], *(measure[key] for key in MEASURES)]


def _documents_table(before: Study, after: Study) -> Table:
    assert before.evaluation is not None and after.evaluation is not None
    rows: List[List[Any]] = []
    pairs = zip(before.evaluation.documents, after.evaluation.documents)
    for old_case, new_case, (old, new) in zip(before.cases, after.cases, pairs):
        changes = Counter(change for _, change in _changes(old_case, new_case))
        errors = [side["fp"] + side["fn"] for side in (old, new)]
        counts = [changes[change] for change in CHANGES]
        rows.append([new_case.id, _f(old), _f(new), errors[0] - errors[1], *errors, *counts])
    # In their own order where they changed as much.
    rows.sort(key=lambda row: (-row[3], (row[1] or 0.0) - (row[2] or 0.0)))
    columns = ("f_before", "f_after", "change", "errors_before", "errors_after", *CHANGES)
    return Table.of("gains-by-document", ("document", *columns), rows)


def _f(counts: Dict[str, Any]) -> "float | None":
    total = 2 * counts["tp"] + counts["fp"] + counts["fn"]
    return 2 * counts["tp"] / total if total else None
