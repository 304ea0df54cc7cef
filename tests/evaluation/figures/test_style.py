"""Looks, and figures as files."""

import re

import matplotlib
import pytest

from spacy_contrastive_ner.evaluation.figures.style import (
    COLOURS,
    INK,
    MARKERS,
    as_png,
    as_svg,
    looks,
    name_text,
    new_figure,
    styled,
)


def test_looks_differ_as_long_as_they_can():
    names = [f"L{i}" for i in range(len(COLOURS) * len(MARKERS))]
    found = looks(names)
    assert list(found) == names and len(set(found.values())) == len(names)
    # The first ones differ in colour, and in marker besides.
    some = list(found.values())[: len(COLOURS)]
    assert (
        len({look.colour for look in some}) == len({look.marker for look in some}) == len(COLOURS)
    )
    assert looks(["A", "A", "B"]).keys() == {"A", "B"}


def draw(name="x"):
    with styled():
        figure, (axes,) = new_figure()
        axes.plot([0, 1], [1, 0], clip_on=True)
        axes.set_xlabel(name)
    return figure


def test_same_numbers_same_files():
    assert as_svg(draw(), "a") == as_svg(draw(), "a")
    assert as_png(draw(), "a") == as_png(draw(), "a")
    assert as_png(draw(), "a")[:8] == b"\x89PNG\r\n\x1a\n"


def test_ids_do_not_meet_on_a_page():
    ids = [set(re.findall(r'clip-path="url\(#([^)]+)\)', as_svg(draw(), name))) for name in "ab"]
    assert ids[0] and ids[1] and not ids[0] & ids[1]


def test_text_stays_text_in_ink():
    svg = as_svg(draw("precision"), "a")
    assert ">precision<" in svg and INK in svg


def test_the_users_own_style_neither_counts_nor_changes():
    plain = as_svg(draw(), "a")
    with matplotlib.rc_context({"axes.facecolor": "red", "font.size": 30, "svg.fonttype": "path"}):
        assert as_svg(draw(), "a") == plain
        assert matplotlib.rcParams["font.size"] == 30


@pytest.mark.parametrize("rows, columns", [(1, 1), (2, 3)])
def test_axes(rows, columns):
    with styled():
        figure, axes = new_figure(rows=rows, columns=columns)
    assert len(axes) == rows * columns and figure.axes == axes


@pytest.mark.parametrize("name", ["_PER", "$x_1$", "a\nb", "PER"])
def test_names_stand_in_legends(name):
    with styled():
        figure, (axes,) = new_figure()
        axes.plot([0, 1], label=name_text(name))
        figure.legend(*axes.get_legend_handles_labels())
    assert f">{' '.join(name.split())}<" in as_svg(figure, "a").replace("> ", ">")
