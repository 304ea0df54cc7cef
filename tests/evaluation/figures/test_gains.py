"""Two models beside each other, read back from what was drawn."""

import random
import warnings

import pytest

from spacy_contrastive_ner.evaluation.analysis.gains import gains_of
from spacy_contrastive_ner.evaluation.figures.gains import (
    changes_figure,
    differences_figure,
    is_significant,
)
from spacy_contrastive_ner.evaluation.figures.style import OTHER, RIGHT, WRONG, as_svg, styled
from spacy_contrastive_ner.evaluation.tables import Table

from ..made import HOSTILE, random_cases, study_of
from .test_results import bars_of, names_of, texts_of


def gains(labels, seed=0):
    rng = random.Random(seed)
    cases = random_cases(rng, labels, 8)
    some = [c._replace(predicted=[e for e in c.predicted if rng.random() < 0.6]) for c in cases]
    return gains_of(study_of(cases), study_of(some), draws=100)


def test_differences():
    from matplotlib.colors import same_color

    found = gains("ABC")
    with styled():
        scores, change = differences_figure(found.overall, found.labels, ("old", "new")).axes
    rows = [*found.overall.records(), *found.labels.records()]
    assert names_of(scores) == [row.get("what", row.get("label")) for row in rows]
    dots = {d.get_label(): d.get_offsets()[:, 0].tolist() for d in scores.collections[1:]}
    assert dots["old"] == pytest.approx([100 * row["f_before"] for row in rows])
    assert dots["new"] == pytest.approx([100 * row["f_after"] for row in rows])
    lines, points = change.collections[::2], change.collections[1::2]
    for row, line, point in zip(rows, lines, points):
        ends = line.get_segments()[0][:, 0]
        assert ends == pytest.approx([100 * row["low"], 100 * row["high"]])
        assert point.get_offsets()[0, 0] == pytest.approx(100 * row["difference"])
        sure = is_significant(row["p"], row["p_holm"], row["can_tell"])
        wanted = RIGHT if row["difference"] > 0 else WRONG if row["difference"] < 0 else OTHER
        assert same_color(point.get_edgecolor()[0], wanted)
        assert same_color(point.get_facecolor()[0], wanted if sure else "white")
    assert len({is_significant(r["p"], r["p_holm"], r["can_tell"]) for r in rows}) == 2


def test_no_difference():
    from matplotlib.colors import same_color

    study = study_of(random_cases(random.Random(0), "AB", 8))
    found = gains_of(study, study, draws=100)
    with styled():
        _, change = differences_figure(found.overall, found.labels, ("old", "new")).axes
    for point in change.collections[1::2]:
        assert same_color(point.get_edgecolor()[0], OTHER)
        assert same_color(point.get_facecolor()[0], "white")


def test_what_is_significant():
    assert is_significant(0.01, None, True) and is_significant(0.01, 0.04, True)
    assert not is_significant(0.01, 0.06, True) and not is_significant(0.01, None, False)
    assert not is_significant(None, None, None)


def test_gained_and_lost():
    columns = ("label", "gained", "lost")
    table = Table.of("x", columns, [["A", 1, 0], ["B", 0, 0], ["C", 2, 5]])
    with styled():
        (ax,) = changes_figure(table).axes
    assert names_of(ax) == ["C", "A"]
    assert [bar.get_width() for bar in ax.patches] == [-5, 0, 2, 1]
    assert texts_of(ax) == ["5", "0", "2", "1"] and bars_of(ax) == [-3, 1]
    with styled():
        (ax,) = changes_figure(table, shown=1).axes
    assert names_of(ax) == ["C"]


@pytest.mark.parametrize("labels", [("A",), HOSTILE], ids=["one", "hostile"])
def test_any_labels_can_be_drawn(labels):
    found = gains(labels, 1)
    names = (HOSTILE[0], HOSTILE[1])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        files = []
        for _ in range(2):
            with styled():
                figures = [differences_figure(found.overall, found.labels, names)]
                figures.append(changes_figure(found.labels))
            files.append([as_svg(figure, "x") for figure in figures])
    assert files[0] == files[1] and "&lt;b&gt;$x_1$&lt;/b&gt;" in files[0][0]
