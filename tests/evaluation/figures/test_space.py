import warnings

import numpy
import pytest

from spacy_contrastive_ner.evaluation.analysis.space import (
    coordinates,
    measures_table,
    project_states,
    purity_table,
    silhouette_table,
)
from spacy_contrastive_ner.evaluation.tables import Table

from ..analysis.made import make_case
from ..analysis.spaces_made import make_space, many_labels

pytest.importorskip("matplotlib")

from spacy_contrastive_ner.evaluation.figures.space import (
    extent_figure,
    labels_figure,
    positions_figure,
    right_figure,
    states_figure,
)
from spacy_contrastive_ner.evaluation.figures.style import as_png, as_svg, looks, styled

HOSTILE = "<b>$x^2$ & \u202e\u0639\u0631\u0628 \u4e2d\u6587 \U0001f600 {} " + "n" * 200


@pytest.fixture(autouse=True)
def in_style():
    with styled():
        yield


def points_of(space, cases):
    planes, _ = project_states(space, ["pca"])
    explained = {state: some["pca"].explained for state, some in planes.items()}
    return coordinates(space, planes, cases), explained


def drawn(figure):
    """What each axes shows: how many points of which colour."""
    return [
        [(len(some.get_offsets()), tuple(some.get_facecolor()[0])) for some in ax.collections]
        for ax in figure.axes
    ]


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def colours_of(figure):
    return [handle.get_color() for handle in figure.legends[0].legend_handles]


def test_labels_have_a_look_in_all_states():
    cases, space = make_space()
    figure = labels_figure(*_with_titles(space, cases))
    assert [ax.get_title() for ax in figure.axes] == list(space.titles.values())
    assert legend_of(figure) == ["GPE (12)", "ORG (12)", "PER (12)"]
    expected = looks(["GPE", "ORG", "PER"])
    assert colours_of(figure) == [look.colour for look in expected.values()]
    assert len(drawn(figure)) == 3 and drawn(figure)[0] == drawn(figure)[2]
    assert [n for n, _ in drawn(figure)[0]] == [12, 12, 12]
    assert "% of variance" in figure.axes[0].get_xlabel()


def _with_titles(space, cases):
    points, explained = points_of(space, cases)
    return points, space.titles, explained


def test_points_are_where_the_table_says():
    cases, space = make_space()
    points, _ = points_of(space, cases)
    figure = labels_figure(points, space.titles)
    own = [row for row in points.records() if row["kind"] == "entity" and row["label"] == "ORG"]
    expected = [[row["stage1-pca-x"], row["stage1-pca-y"]] for row in own]
    found = figure.axes[1].collections[1].get_offsets()
    assert numpy.asarray(found).tolist() == expected
    assert figure.axes[1].get_xlabel() == ""


def test_what_is_beyond_the_legend_is_grey():
    cases, space = make_space(many_labels(40))
    figure = labels_figure(*_with_titles(space, cases), named=5)
    assert len(legend_of(figure)) == 6 and legend_of(figure)[0] == "35 others (140)"
    assert sum(n for n, _ in drawn(figure)[0]) == 160


def test_tokens_by_position():
    cases, space = make_space()
    figure = positions_figure(*_with_titles(space, cases))
    assert legend_of(figure) == [
        *("O: outside (24)", "B: begins (12)", "I: inside (36)"),
        *("L: ends (12)", "U: all of it (24)"),
    ]
    assert [n for n, _ in drawn(figure)[1]] == [24, 12, 36, 12, 24]


def test_entities_found_and_missed():
    cases, space = make_space()
    figure = right_figure(*_with_titles(space, cases))
    assert legend_of(figure) == ["found (18)", "missed (18)"]
    markers = {handle.get_marker() for handle in figure.legends[0].legend_handles}
    assert len(markers) == 2
    # There is but one kind if nothing is wrong.
    cases, space = make_space([make_case("x y", [(0, 1, "A")], [(0, 1, "A")])])
    assert legend_of(right_figure(*_with_titles(space, cases))) == ["found (1)"]


def test_states_of_labels():
    rows = [["A", 9, 0.1, 0.2], ["B", 5, -0.5, 0.4], ["C", 3, None, None], ["D", 2, 0.3, None]]
    table = Table.of("some", ["label", "n", "before", "stage2"], rows)
    titles = {"before": "First", "stage1": "Second", "stage2": "Third"}
    figure = states_figure(table, titles, "number", (-1, 1))
    (ax,) = figure.axes
    # By how much they changed; what there is nothing of is left out.
    assert [text.get_text() for text in ax.get_yticklabels()] == ["B", "D", "A"]
    assert legend_of(figure) == ["First", "Third"]
    scatters = [some for some in ax.collections if len(some.get_offsets()) == 3]
    places = [numpy.ma.filled(some.get_offsets()[:, 0], numpy.nan) for some in scatters]
    assert places[0].tolist() == [-0.5, 0.3, 0.1]
    assert places[1].tolist() == pytest.approx([0.4, numpy.nan, 0.2], nan_ok=True)
    assert [text.get_text() for text in ax.texts] == ["5", "2", "9", "n"]
    low, high = ax.get_xlim()
    assert -1 <= low < -0.5 and 0.4 < high <= 1


def test_states_of_many_labels_are_cut():
    cases, space = make_space(many_labels(70))
    figure = states_figure(purity_table(space), space.titles, "share", (0, 1), shown=20)
    assert len(figure.axes[0].get_yticklabels()) == 20


def test_extent():
    _, space = make_space()
    table = measures_table(space)
    figure = extent_figure(table, space.titles)
    widths = [[bar.get_width() for bar in ax.patches] for ax in figure.axes]
    assert widths == [table.column("spread"), table.column("rank")]
    assert legend_of(figure) == ["entities", "tokens"]
    assert figure.axes[1].get_xlabel() == "effective rank, of 6 dimensions"


def every_figure(space, cases):
    args = _with_titles(space, cases)
    yield from (labels_figure(*args), positions_figure(*args), right_figure(*args))
    yield states_figure(purity_table(space), space.titles, "share", (0, 1))
    yield states_figure(silhouette_table(space), space.titles, "silhouette", (-1, 1))
    yield extent_figure(measures_table(space), space.titles)


@pytest.mark.parametrize("states", [("stage2",), ("before", "stage1", "stage2")])
@pytest.mark.parametrize(
    "cases",
    [
        [make_case("x", [(0, 1, "A")], [(0, 1, "A")])],
        [make_case("x y x", [(0, 1, "A"), (4, 5, "A")]), make_case("x y", [(0, 1, "A")])],
        many_labels(18, HOSTILE),
    ],
    ids=["one point", "one label", "hostile names"],
)
def test_extremes_can_be_written(cases, states):
    _, space = make_space(cases, states)
    for figure in every_figure(space, cases):
        with warnings.catch_warnings():
            # Such as that there is no room for what should be drawn.
            warnings.simplefilter("error")
            svg = as_svg(figure, "some")
        assert svg.startswith("<?xml") and "<b>" not in svg
    assert as_png(figure, "some").startswith(b"\x89PNG")


def test_the_same_numbers_give_the_same_file():
    cases, space = make_space()
    one, other = ([as_svg(f, "some") for f in every_figure(space, cases)] for _ in range(2))
    assert one == other
