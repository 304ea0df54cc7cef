"""What is drawn over the text of a document: gold and predicted spans, and what became of them."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from ..classes import Training
from ..evaluate import Whole, spans_of
from ..matching import Mention
from .errors import GOLD, PREDICTED, UNJUDGED, Inside, Verdict, is_new, judge, score_of
from .study import Case

GAINED, LOST = "gained", "lost"


class Mark(NamedTuple):
    """A span to be drawn.

    start, end (int): Where it is, in characters.
    label (str): Its label.
    side (str): "gold" or "predicted".
    kind (str): What became of it; see `errors.KINDS`.
    score (Optional[float]): Its probability, if it is known. Of gold that was not predicted, too, if
        candidates were asked for.
    group (Optional[int]): For fragments of a discontinuous entity a number that they have in common,
        and no others of the document.
    nested (bool): Whether it lies inside another one of its side with other borders.
    new (Optional[bool]): Whether its words were not annotated in training; None if training is not
        known.
    partner (Optional[Mention]): What stands for it on the other side.
    label_right (Optional[bool]): Whether that has its label; None if there is nothing.
    change (Optional[str]): "gained" if it is right and was not found by another model, "lost" if that
        model found it and this one did not.
    """

    start: int
    end: int
    label: str
    side: str
    kind: str
    score: Optional[float]
    group: Optional[int]
    nested: bool
    new: Optional[bool]
    partner: Optional[Mention]
    label_right: Optional[bool] = None
    change: Optional[str] = None

    def as_dict(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The mark, as it can be written as JSON."""
        partner = None if self.partner is None else list(self.partner)
        return {**self._asdict(), "partner": partner}


def marks_of(
    case: Case, training: Optional[Training] = None, before: Optional[Case] = None
) -> List[Mark]:
    """Tell what is to be drawn over a document. Predictions of which it is not known whether they are
    right are "unjudged"; all of them are if the document is not annotated. A fragment that several
    entities share is there once for each.

    case (Case): The document.
    training (Optional[Training]): What is annotated in the training data.
    before (Optional[Case]): What another model found in the same document, to tell what changed.
    RETURNS (List[Mark]): The marks in the order of the text, longer ones first.
    """
    gold, every = case.gold_spans(), spans_of(case.predicted)
    judged = case.predicted_spans() if case.gold is not None else set()
    verdicts = judge(gold, judged)
    verdicts += [Verdict(PREDICTED, span, UNJUDGED) for span in every - judged]
    wholes = {GOLD: case.gold.entities if case.gold is not None else [], PREDICTED: case.predicted}
    groups: Dict[Tuple[str, Mention], List[Optional[int]]] = {}
    first = 0
    for side, entities in wholes.items():
        first = _group(side, entities, first, groups)
    # Whether predictions are scored as nested does not depend on those that are not scored.
    inside: Dict[str, Set[Mention]] = {GOLD: Inside(gold).any, PREDICTED: Inside(judged).any}
    inside[UNJUDGED] = Inside(every).any
    changes = changes_of(before, case) if before is not None else {}
    found = [
        Mark(
            *verdict.span,
            verdict.side,
            verdict.kind,
            score_of(case, verdict.span),
            group,
            verdict.span in inside[UNJUDGED if verdict.kind == UNJUDGED else verdict.side],
            is_new(case.text, verdict.span, training),
            verdict.partner,
            verdict.label_right,
            changes.get(verdict.span),
        )
        for verdict in verdicts
        for group in groups[verdict.side, verdict.span]
    ]
    return sorted(found, key=_order)


def changes_of(before: Case, after: Case) -> Dict[Mention, str]:
    """RETURNS (Dict[Mention, str]): The gold spans of a document that only one of two models finds:
    "gained" or "lost"."""
    gold = after.gold_spans()
    sides = [gold & each.predicted_spans() for each in (before, after)]
    return {
        **dict.fromkeys(sides[1] - sides[0], GAINED),
        **dict.fromkeys(sides[0] - sides[1], LOST),
    }


def _order(mark: Mark) -> Tuple[Any, ...]:
    return mark.start, -mark.end, mark.side, mark.label, mark.group is not None, mark.group or 0


def _group(
    side: str,
    entities: Sequence[Whole],
    first: int,
    groups: Dict[Tuple[str, Mention], List[Optional[int]]],
) -> int:
    """Number the discontinuous entities of a side, and tell the numbers of each span."""
    for parts, label in dict.fromkeys(entities):
        number = None
        if len(parts) > 1:
            number, first = first, first + 1
        for start, end in dict.fromkeys(parts):
            numbers = groups.setdefault((side, (start, end, label)), [])
            if number not in numbers:
                numbers.append(number)
    return first
