"""Bars and matrices, read back from what was drawn."""

import random
import warnings

import numpy as np
import pytest

from spacy_contrastive_ner.evaluation.analysis.breakdowns import class_table, labels_table
from spacy_contrastive_ner.evaluation.analysis.errors import ERRORS, errors_of
from spacy_contrastive_ner.evaluation.figures.results import (
    NOTHING,
    OTHERS,
    classes_figure,
    confusion_matrix,
    confusions_figure,
    errors_by_label,
    kinds_figure,
    nestings_figure,
    scores_figure,
)
from spacy_contrastive_ner.evaluation.figures.style import as_png, as_svg, name_text, styled
from spacy_contrastive_ner.evaluation.tables import Table

from ..made import HOSTILE, case_of, evaluation_of, random_cases

MANY = [f"L{i}" for i in range(40)]


def cases_of(labels, n=6):
    return random_cases(random.Random(1), labels, n)


def names_of(ax):
    return [text.get_text() for text in ax.get_yticklabels()]


def texts_of(ax):
    return [text.get_text() for text in ax.texts]


def bars_of(ax):
    """By place, what the parts of its bar add up to."""
    found = {}
    for bar in ax.patches:
        place = round(bar.get_y() + bar.get_height() / 2)
        found[place] = found.get(place, 0) + np.nan_to_num(bar.get_width())
    return [found[place] for place in sorted(found)]


def test_bars_of_scores():
    table = labels_table(evaluation_of(cases_of("AB")).as_dict())
    with styled():
        (ax,) = scores_figure(table).axes
    assert names_of(ax) == table.column("label")
    assert bars_of(ax) == pytest.approx([100 * f for f in table.column("f")])
    marks = {line.get_label(): list(line.get_xdata()) for line in ax.lines}
    for key in ("precision", "recall"):
        assert marks[key.capitalize()] == pytest.approx([100 * v for v in table.column(key)])
    assert {str(n) for n in table.column("support")} <= set(texts_of(ax))


def test_scores_that_are_not_defined():
    columns = ("label", "precision", "recall", "f", "support")
    table = Table.of("x", columns, [["A", None, 0.0, 0.0, 3], ["B", None, None, None, 0]])
    with styled():
        (ax,) = scores_figure(table).axes
    assert bars_of(ax) == [0.0, 0.0] and names_of(ax) == ["A", "B"]


def test_many_labels_are_cut():
    table = labels_table(evaluation_of(cases_of(MANY, 40)).as_dict())
    with styled():
        (ax,) = scores_figure(table, shown=30).axes
    assert names_of(ax) == table.column("label")[:30]


def test_small_multiples():
    scores = evaluation_of(cases_of("AB")).as_dict()
    tables = {
        way: class_table(scores, way) for way in ("span_length", "structure", "nesting_depth")
    }
    with styled():
        axes = classes_figure(tables).axes
    assert [ax.get_title() for ax in axes[:3]] == list(tables) and not axes[3].axison
    for ax, table in zip(axes, tables.values()):
        assert names_of(ax) == table.column("class")
        assert bars_of(ax) == pytest.approx([100 * (f or 0) for f in table.column("f")])


def test_confusion_matrix():
    rows = [
        ("A", "A", 9, 9),
        ("B", "A", 2, 0),
        (None, "B", 4, 0),
        ("C", None, 3, 0),
        ("D", "C", 1, 1),
    ]
    table = Table.of("confusions", ("gold", "predicted", "count", "same_borders"), rows)
    names, counts = confusion_matrix(table)
    assert names == ["A", "B", "C", "D", NOTHING]
    assert counts.tolist() == [
        [9, 0, 0, 0, 0],
        [2, 0, 0, 0, 0],
        [0, 0, 0, 0, 3],
        [0, 0, 1, 0, 0],
        [0, 4, 0, 0, 0],
    ]
    names, counts = confusion_matrix(table, shown=2)
    assert names == ["A", "B", OTHERS, NOTHING]
    assert counts.tolist() == [[9, 0, 0, 0], [2, 0, 0, 0], [0, 0, 1, 3], [0, 4, 0, 0]]
    # One label alone is no others.
    assert confusion_matrix(table, shown=3)[0] == ["A", "B", "C", "D", NOTHING]
    with styled():
        (ax,) = confusions_figure(table).axes
    assert texts_of(ax) == ["9", "2", "3", "1", "4"]
    assert names_of(ax) == [text.get_text() for text in ax.get_xticklabels()]


def test_a_label_that_is_called_others():
    rows = [(label, label, 1, 1) for label in (OTHERS, NOTHING, "A")]
    table = Table.of("confusions", ("gold", "predicted", "count", "same_borders"), rows)
    assert confusion_matrix(table)[1].trace() == 3


def test_kinds_of_errors():
    cases = cases_of("ABC", 10)
    errors = errors_of(cases)
    counts, wrong = errors_by_label(errors.kinds)
    missed = sum(len(c.gold_spans() - c.predicted_spans()) for c in cases)
    spurious = sum(1 for row in errors.errors.rows if row[1] == "spurious")
    assert np.sum(list(counts.values())) == missed + spurious
    short = [r for r in errors.errors.records() if r["kind"] == "too short"]
    assert wrong["too short"] == sum(r["label_right"] is False for r in short) > 0
    with styled():
        above, below = kinds_figure(errors.kinds).axes
    totals = np.sum(list(counts.values()), axis=0).tolist()
    assert names_of(above) == list(ERRORS) and bars_of(above) == totals
    assert f"{len(short)} ({wrong['too short']} with another label)" in texts_of(above)
    sums = sorted((sum(n) for n in counts.values()), reverse=True)
    assert bars_of(below) == sums


def test_errors_of_many_labels():
    kinds = errors_of(cases_of(MANY, 40)).kinds
    with styled():
        _, below = kinds_figure(kinds, shown=5).axes
    assert len(names_of(below)) == 6 and names_of(below)[-1] == OTHERS
    assert sum(bars_of(below)) == np.sum(list(errors_by_label(kinds)[0].values()))


def test_right_labels_have_no_row_of_errors():
    case = case_of([(0, 1, "A"), (2, 3, "B")], [(0, 1, "A"), (2, 4, "C")])
    assert list(errors_by_label(errors_of([case]).kinds)[0]) == ["B"]


def test_nestings():
    table = errors_of(cases_of("ABC", 10)).nestings
    with styled():
        (ax,) = nestings_figure(table, shown=4).axes
    assert names_of(ax) == [f"{a} > {b}" for a, b, *_ in table.rows[:4]]
    assert bars_of(ax) == table.column("pairs")[:4]
    # The parts stand one after the other.
    both, *_, none = (table.column(key)[:4] for key in ("both", "only_outer", "only_inner", "none"))
    edges = [bar.get_x() for bar in ax.patches]
    assert edges[4:8] == both
    assert edges[-4:] == [n - rest for n, rest in zip(table.column("pairs"), none)]


@pytest.mark.parametrize("labels", [("A",), HOSTILE], ids=["one", "hostile"])
def test_any_labels_can_be_drawn(labels):
    cases = cases_of(labels)
    errors, table = errors_of(cases), labels_table(evaluation_of(cases).as_dict())
    draws = (
        (scores_figure, table),
        (kinds_figure, errors.kinds),
        (confusions_figure, errors.confusions),
        (nestings_figure, errors.nestings),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for draw, some in draws:
            files = []
            for _ in range(2):
                with styled():
                    figure = draw(some)
                files.append(as_svg(figure, "x"))
            assert files[0] == files[1]
            if labels is HOSTILE:
                assert "&lt;b&gt;$x_1$&lt;/b&gt;" in files[0] and "a" * 46 not in files[0]
        assert as_png(figure, "x")[:4] == b"\x89PNG"


def test_names_are_no_mathematics():
    assert name_text("$x$") == r"\$x\$"
    assert name_text("a\nb") == "a b" and len(name_text("a" * 200)) == 30
