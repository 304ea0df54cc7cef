"""What became of each gold span and of each prediction: right, too long, split, missed ...

Gold spans and predictions of a document are paired one to one by `matching.match`; a pair overlaps,
and no span is of two pairs. A pair is, the first that holds:

- "right": the same borders and the same label;
- "wrong label": the same borders;
- "too long": the gold span lies inside the prediction;
- "too short": the prediction lies inside the gold span;
- "shifted": they overlap, and neither lies inside the other.

The labels of the last three may be the same or not. What has no partner then is a piece of a pair if
it can be:

- "split": a prediction without partner that lies inside a gold span whose partner is too short. All
  three have the same label, and the pieces of a gold span do not overlap each other. Gold span,
  partner and further pieces are "split" then.
- "joined": the other way round, a gold span without partner inside a prediction that is too long.

Pieces are taken in the order of the text, the longer one first of two that start together; each goes
to the shortest span that it can be a piece of, of these to the first. All that is left is "missed"
or "spurious". So each gold span has one kind, and each prediction. As right spans are paired first,
an inner entity that was found is never taken for a piece of the outer one.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from typing import Any, Collection, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from ...convert.nesting import outermost_first
from ...convert.records import Stretch
from ..classes import Ruler, Training, structures, surface
from ..matching import Mention, match
from ..tables import Table
from .study import Case

GOLD, PREDICTED = "gold", "predicted"
RIGHT, LABEL, MISSED, SPURIOUS, UNJUDGED = "right", "wrong label", "missed", "spurious", "unjudged"
LONG, SHORT, SHIFTED, SPLIT, JOINED = "too long", "too short", "shifted", "split", "joined"
ERRORS = (LABEL, LONG, SHORT, SHIFTED, SPLIT, JOINED, MISSED, SPURIOUS)
KINDS = (RIGHT, *ERRORS, UNJUDGED)
# So much of the text of a span is told.
MOST_TEXT = 500


class Verdict(NamedTuple):
    """What became of a span.

    side (str): "gold" or "predicted".
    span (Mention): The span.
    kind (str): What became of it; see `KINDS`.
    partner (Optional[Mention]): What stands for it on the other side; of a further piece, what it is
        a piece of.
    is_paired (bool): Whether both were paired, one to one. Further pieces are not.
    """

    side: str
    span: Mention
    kind: str
    partner: Optional[Mention] = None
    is_paired: bool = False

    @property
    def label_right(self) -> Optional[bool]:
        """RETURNS (Optional[bool]): Whether what stands for it has its label."""
        return None if self.partner is None else self.partner[2] == self.span[2]


def judge(gold: Collection[Mention], predicted: Collection[Mention]) -> List[Verdict]:
    """Tell what became of the spans of a document.

    gold, predicted (Collection[Mention]): Distinct spans: (start, end, label).
    RETURNS (List[Verdict]): One for each, those of the gold first, both in the order of the text.
    """
    pairs = match(gold, predicted)
    kinds = {pair: pair_kind(*pair) for pair in pairs}
    missed = set(gold) - {a for a, _ in pairs}
    spurious = set(predicted) - {b for _, b in pairs}
    same = {pair: kind for pair, kind in kinds.items() if pair[0][2] == pair[1][2]}
    splits = _pieces({a: b for (a, b), kind in same.items() if kind == SHORT}, spurious)
    joins = _pieces({b: a for (a, b), kind in same.items() if kind == LONG}, missed)
    parted, united = set(splits.values()), set(joins.values())
    found: List[Verdict] = []
    for (a, b), kind in kinds.items():
        kind = SPLIT if a in parted else JOINED if b in united else kind
        found += [Verdict(GOLD, a, kind, b, True), Verdict(PREDICTED, b, kind, a, True)]
    for side, rest, pieces, whole, alone in (
        (GOLD, missed, joins, JOINED, MISSED),
        (PREDICTED, spurious, splits, SPLIT, SPURIOUS),
    ):
        found += [
            Verdict(side, span, whole if span in pieces else alone, pieces.get(span))
            for span in rest
        ]
    return sorted(found, key=lambda verdict: (verdict.side, _order(verdict.span)))


def pair_kind(gold: Mention, predicted: Mention) -> str:
    """RETURNS (str): How a prediction differs from the gold span that it overlaps."""
    if gold[:2] == predicted[:2]:
        return RIGHT if gold[2] == predicted[2] else LABEL
    if _is_inside(gold, predicted):
        return LONG
    return SHORT if _is_inside(predicted, gold) else SHIFTED


def _pieces(wholes: Dict[Mention, Mention], rest: Collection[Mention]) -> Dict[Mention, Mention]:
    """What of the rest is a further piece of which span.

    wholes (Dict[Mention, Mention]): Spans with their first piece.
    rest (Collection[Mention]): What else may be a piece of one.
    """
    found: Dict[Mention, Mention] = {}
    taken = {whole: [piece] for whole, piece in wholes.items()}
    ordered = sorted(wholes)
    starts = [start for start, _, _ in ordered]
    longest = max((end - start for start, end, _ in ordered), default=0)
    for piece in sorted(rest, key=_order):
        start, end, label = piece
        near = ordered[bisect_left(starts, end - longest) : bisect_right(starts, start)]
        fitting = [
            (whole[1] - whole[0], whole)
            for whole in near
            if whole[2] == label
            and _is_inside(piece, whole)
            and not any(_overlap(piece, other) for other in taken[whole])
        ]
        if fitting:
            _, found[piece] = min(fitting)
            taken[found[piece]].append(piece)
    return found


def _order(span: Mention) -> Tuple[int, int, str]:
    return span[0], -span[1], span[2]


def _is_inside(a: Mention, b: Mention) -> bool:
    return b[0] <= a[0] and a[1] <= b[1]


def _overlap(a: Mention, b: Mention) -> bool:
    return a[0] < b[1] and b[0] < a[1]


class Errors(NamedTuple):
    """What a model gets wrong, as tables.

    errors (Table): Each error. What was paired is one row; each further piece has a row of its own
        with what it is a piece of. `start`, `end`, `text`, `nested`, `same_label_nested` (inside
        another one of its side, of the same label), `new` (its words were not annotated in training)
        and `length` (in words) are about the gold span, or about the prediction if there is none. Of
        long texts the beginning is told.
        `score` is the probability of the prediction, `gold_score` that of the gold span, if it is
        known.
    kinds (Table): How many gold spans and predictions of each label are of which kind, and of how
        many of them what stands for them has another label.
    confusions (Table): How often gold of a label is paired with a prediction of a label: in all, and
        with the same borders. None stands for nothing: gold without partner, or predictions. So rows
        of a gold label sum up to its gold spans, and those of a predicted one to its predictions.
    nestings (Table): By the labels of gold spans and of those directly inside them (in the shortest
        span around them) how many there are, and of how many both were found, or one, or none.
    """

    errors: Table
    kinds: Table
    confusions: Table
    nestings: Table


ERROR_COLUMNS = (
    *("document", "kind", "start", "end", "text", "gold_label", "predicted_label"),
    *("label_right", "predicted_start", "predicted_end", "predicted_text", "score", "gold_score"),
    *("nested", "same_label_nested", "new", "length"),
)


def errors_of(cases: Iterable[Case], training: Optional[Training] = None) -> Errors:
    """Look into what a model gets wrong.

    cases (Iterable[Case]): The documents. Those that are not annotated are left out.
    training (Optional[Training]): What is annotated in the training data.
    RETURNS (Errors): Its errors.
    """
    rows: List[List[Any]] = []
    kinds: Dict[Tuple[str, str], Counter] = {}
    confusions: Counter = Counter()
    same_borders: Counter = Counter()
    nestings: Dict[Tuple[str, str], Counter] = {}
    for case in cases:
        if case.gold is None:
            continue
        gold, predicted = case.gold_spans(), case.predicted_spans()
        verdicts = judge(gold, predicted)
        rows += _error_rows(case, verdicts, gold, predicted, training)
        for verdict in verdicts:
            key = (verdict.kind, verdict.span[2])
            counts = kinds.setdefault(key, Counter())
            counts[verdict.side] += 1
            counts[verdict.side, LABEL] += verdict.label_right is False
        for right, found in _paired(verdicts):
            labels = (right[2] if right else None, found[2] if found else None)
            confusions[labels] += 1
            same_borders[labels] += bool(right and found and right[:2] == found[:2])
        for outer, inner in nested_pairs(gold):
            which = (outer in predicted, inner in predicted)
            nestings.setdefault((outer[2], inner[2]), Counter())[which] += 1
    return Errors(
        Table.of("errors", ERROR_COLUMNS, rows),
        _kinds_table(kinds),
        Table.of(
            "confusions",
            ("gold", "predicted", "count", "same_borders"),
            (
                (*pair, n, same_borders[pair])
                for pair, n in sorted(confusions.items(), key=_by_count)
            ),
        ),
        _nestings_table(nestings),
    )


def _by_count(item: Tuple[Tuple[Any, ...], int]) -> Tuple[Any, ...]:
    """The most frequent first, then by name, nothing last."""
    return -item[1], [(name is None, name or "") for name in item[0]]


def _paired(
    verdicts: List[Verdict],
) -> Iterator[Tuple[Optional[Mention], Optional[Mention]]]:
    """Gold spans and predictions as they were paired, one to one."""
    for verdict in verdicts:
        if verdict.side == GOLD:
            yield verdict.span, verdict.partner if verdict.is_paired else None
        elif not verdict.is_paired:
            yield None, verdict.span


def _kinds_table(kinds: Dict[Tuple[str, str], Counter]) -> Table:
    order = {kind: place for place, kind in enumerate(KINDS)}
    counts = (GOLD, PREDICTED, (GOLD, LABEL), (PREDICTED, LABEL))
    return Table.of(
        "error-kinds",
        ("kind", "label", "gold", "predicted", "gold_wrong_label", "predicted_wrong_label"),
        (
            (*key, *(kinds[key][count] for count in counts))
            for key in sorted(kinds, key=lambda key: (order[key[0]], key[1]))
        ),
    )


def _nestings_table(nestings: Dict[Tuple[str, str], Counter]) -> Table:
    found = ((True, True), (True, False), (False, True), (False, False))
    # Those of which most was missed first.
    order = sorted(
        nestings.items(),
        key=lambda item: (item[1][found[0]] - item[1].total(), -item[1].total(), item[0]),
    )
    rows = ((*pair, counts.total(), *(counts[which] for which in found)) for pair, counts in order)
    columns = ("outer", "inner", "pairs", "both", "only_outer", "only_inner", "none")
    return Table.of("nestings", columns, rows)


def nested_pairs(spans: Iterable[Mention]) -> List[Tuple[Mention, Mention]]:
    """Tell which spans lie directly in which.

    spans (Iterable[Mention]): The spans of a document.
    RETURNS (List[Tuple[Mention, Mention]]): A span, and one directly inside it. Around each the
        shortest one counts, of several the first; those with the same borders all do.
    """
    at: Dict[Stretch, List[Mention]] = {}
    for span in sorted(spans):
        at.setdefault(span[:2], []).append(span)
    found: List[Tuple[Mention, Mention]] = []
    # What may still hold something of what comes.
    around: List[Stretch] = []
    for start, end in outermost_first(at):
        around = [stretch for stretch in around if stretch[1] > start]
        holding = [stretch for stretch in around if stretch[1] >= end]
        if holding:
            outer = min(holding, key=lambda stretch: stretch[1] - stretch[0])
            found += [(a, b) for a in at[outer] for b in at[start, end]]
        around.append((start, end))
    return found


def _error_rows(
    case: Case,
    verdicts: List[Verdict],
    gold: Collection[Mention],
    predicted: Collection[Mention],
    training: Optional[Training],
) -> Iterator[List[Any]]:
    ruler = Ruler(case.words(), None)
    inside = {GOLD: Inside(gold), PREDICTED: Inside(predicted)}
    for verdict in verdicts:
        side, span, kind, partner, is_paired = verdict
        # A pair has its row as gold already.
        if kind == RIGHT or (side == PREDICTED and is_paired):
            continue
        right, found = (span, partner) if side == GOLD else (partner, span)
        about, about_side = (right, GOLD) if right is not None else (span, PREDICTED)
        yield [
            case.id,
            kind,
            *about[:2],
            _beginning(case.text, about),
            right[2] if right is not None else None,
            found[2] if found is not None else None,
            verdict.label_right,
            *(found[:2] if found is not None else (None, None)),
            _beginning(case.text, found) if found is not None else None,
            case.scores.get(found) if found is not None else None,
            score_of(case, right) if right is not None else None,
            about in inside[about_side].any,
            about in inside[about_side].own,
            is_new(case.text, about, training),
            ruler.length(*about[:2]),
        ]


def _beginning(text: str, span: Mention) -> str:
    """The text of a span, cut off if it is long: each piece of a span has it in its row, and there may
    be thousands of them."""
    start, end, _ = span
    return text[start:end] if end - start <= MOST_TEXT else f"{text[start : start + MOST_TEXT]}..."


class Inside:
    """Which spans lie inside others with other borders.

    spans (Collection[Mention]): The spans of one side of a document.
    """

    def __init__(self, spans: Collection[Mention]) -> None:
        classes = list(structures(spans))
        self.any = {span for name, span in classes if name == "nested"}
        self.own = {span for name, span in classes if name == "same_label_nested"}


def score_of(case: Case, span: Mention) -> Optional[float]:
    """RETURNS (Optional[float]): The probability of a span, predicted or not, if it is known."""
    return case.scores.get(span, (case.candidates or {}).get(span))


def is_new(text: str, span: Mention, training: Optional[Training]) -> Optional[bool]:
    """RETURNS (Optional[bool]): Whether the words of a span were not annotated in training, as
    anything; None if training is not known."""
    if training is None:
        return None
    return surface(text, *span[:2]) not in training.labels_of
