"""Figures of probabilities: they hold what they are given, and whatever is in it, they are drawn."""

import warnings

import numpy
import pytest

from spacy_contrastive_ner.evaluation.analysis.outputs import label_outputs
from spacy_contrastive_ner.evaluation.analysis.probabilities import (
    best_threshold,
    by_threshold,
    calibration_errors,
    reliability,
    score_differences,
    scored_spans,
)
from spacy_contrastive_ner.evaluation.figures.probabilities import (
    difference_figure,
    label_reliability_figure,
    outputs_figure,
    reliability_figure,
    score_figure,
    threshold_figure,
)
from spacy_contrastive_ner.evaluation.figures.style import as_svg, styled

from ..analysis.random_cases import make_case, make_study

HOSTILE = [
    "$x_1^{",
    "a$b$c",
    "<b>&amp;</b>",
    "日本語 😀",
    "\u202eعربي",
    "long " * 40,
    "\\",
    "%s {0}",
]


@pytest.fixture(scope="module", autouse=True)
def strict():
    with warnings.catch_warnings(), styled():
        warnings.simplefilter("error")
        yield


@pytest.fixture(scope="module")
def found():
    return make_study(documents=20)


def every_figure(found):
    candidates = scored_spans(found.cases, candidates=True)
    predicted = scored_spans(found.cases)
    table = by_threshold(candidates, found.threshold)
    bins = {equal: reliability(candidates, equal=equal) for equal in ("width", "mass")}
    labels = {name: reliability(candidates.of(name), 5, "mass") for name in candidates.names[:9]}
    errors = {name: calibration_errors(some)[0] for name, some in labels.items()}
    outputs = label_outputs(found.cases)
    yield reliability_figure(bins)
    yield label_reliability_figure(labels, errors)
    yield threshold_figure(table, found.threshold, best_threshold(table))
    yield score_figure(predicted, found.threshold or 0.0)
    yield difference_figure(score_differences(predicted))
    if outputs is not None:
        yield outputs_figure(outputs)


def texts_of(figure):
    return [text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text"))]


def test_hostile_names():
    """Also more of them than there are colours, and none is taken for mathematics."""
    figures = list(every_figure(make_study(HOSTILE * 2, documents=6)))
    assert len(figures) == 6
    for figure in figures:
        svg = as_svg(figure, "x")
        assert "<b>" not in svg
        assert max(map(len, texts_of(figure))) < 120
    assert "$x_1^{" in as_svg(figures[3], "x")


@pytest.mark.parametrize(
    "found",
    [
        make_study(["A"], documents=1, spans=1),
        make_study([f"L{i}" for i in range(60)], documents=10),
        make_study(["A", "B"], threshold=None or 0.0),
        make_study()._replace(cases=[make_case("1", [], {(0, 1, "A"): 1.0}, {(0, 1, "A"): 1.0})]),
        make_study()._replace(cases=[make_case("1", [(0, 1, "A")], {}, {(5, 6, "A"): 0.02})]),
    ],
)
def test_any_input(found):
    for figure in every_figure(found):
        figure.draw_without_rendering()


def test_same_input_same_figures():
    found = make_study(documents=3)
    for one, two in zip(every_figure(found), every_figure(found)):
        assert as_svg(one, "x") == as_svg(two, "x")


def test_reliability_is_drawn_where_it_is(found):
    table = reliability(scored_spans(found.cases, candidates=True))
    figure = reliability_figure({"width": table})
    above, below = figure.axes
    assert (table.column("probability"), table.column("share")) in [
        (list(line.get_xdata()), list(line.get_ydata())) for line in above.lines
    ]
    assert [bar.get_height() for bar in below.patches] == table.column("spans")
    assert {str(n) for n in table.column("spans")} <= set(texts_of(below))


def test_thresholds_are_marked(found):
    table = by_threshold(scored_spans(found.cases, candidates=True), 0.35)
    figure = threshold_figure(table, 0.35, {"threshold": 0.5, "F": 0.0})
    rows = {row["threshold"]: row for row in table.records()}
    for axes, names in zip(figure.axes, (("threshold", "F"), ("recall", "precision"))):
        spots = [
            tuple(xy)
            for line in axes.lines
            for xy in line.get_xydata()
            if len(line.get_xdata()) == 1
        ]
        assert spots == [tuple(rows[t][name] for name in names) for t in (0.35, 0.5)]
    assert "threshold of the pipe: 0.35" in texts_of(figure)
    unmarked = threshold_figure(table)
    assert not any("pipe" in text or "best" in text for text in texts_of(unmarked))


def test_few_predictions_are_points_and_none_leaks():
    scores = {(i, i + 1, "A"): 0.4 + i / 100 for i in range(40)}
    scores |= {(i, i + 1, "B"): 0.9 for i in range(100, 104)}
    gold = [span for span in scores if span[0] % 2]
    figure = score_figure(scored_spans([make_case("1", gold, scores)]), 0.35)
    (axes,) = figure.axes
    # All labels and A, right and wrong; of B there are two of either.
    assert len(axes.collections) == 4
    for area in axes.collections:
        x = numpy.concatenate([path.vertices[:, 0] for path in area.get_paths()])
        assert x.min() >= 0.35 and x.max() <= 1.0
    points = [line for line in axes.lines if line.get_linestyle() == "None"]
    assert [line.get_xdata().tolist() for line in points] == [[0.9, 0.9]] * 2
    assert [line.get_marker() for line in points] == ["o", "x"]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [
        "all labels\n22 right, 22 wrong",
        "A\n20 right, 20 wrong",
        "B\n2 right, 2 wrong",
    ]


def test_nothing_but_certainty():
    scores = {(i, i + 1, "A"): 1.0 for i in range(20)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = score_figure(scored_spans([make_case("1", list(scores)[:8], scores)]), 1.0)
    points = [
        line.get_xdata().tolist() for line in figure.axes[0].lines if len(line.get_xdata()) > 2
    ]
    assert points == [[1.0] * 8, [1.0] * 12]


def test_places_are_all_drawn(found):
    outputs = label_outputs(found.cases)
    figure = outputs_figure(outputs, shown=2)
    spots = [tuple(xy) for area in figure.axes[0].collections for xy in area.get_offsets().tolist()]
    points = zip(outputs.points.column("x"), outputs.points.column("y"))
    assert numpy.array(sorted(spots)) == pytest.approx(numpy.array(sorted(points)))
    counts = [text for text in texts_of(figure) if text.endswith(")") and "(" in text]
    labels = outputs.points.column("label")
    assert any(text == f"O: not annotated ({labels.count('O')})" for text in counts)
    assert any(text.startswith("other labels") for text in counts)


def test_volcano(found):
    table = score_differences(scored_spans(found.cases))
    figure = difference_figure(table)
    (axes,) = figure.axes
    spots = [xy for area in axes.collections for xy in area.get_offsets().tolist()]
    wanted = [[row["difference"], -numpy.log10(row["p Holm"])] for row in table.records()]
    assert numpy.array(sorted(spots)) == pytest.approx(numpy.array(sorted(wanted)))
    assert {"A", "p = 0.05"} <= set(texts_of(figure))
