import re
from html.parser import HTMLParser

import numpy
import pytest

from spacy_contrastive_ner.evaluation.figures.style import INK, as_svg, new_figure, styled
from spacy_contrastive_ner.report.figures_on_page import fit_svg

from .sample import ATTACK, draw


def drawn(name="figure", alt="what is seen"):
    with styled():
        figure = draw()
    return as_svg(figure, name), fit_svg(as_svg(figure, name), name, alt)


class Reader(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.elements = []
        self.texts = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.texts.append(data.strip())


@pytest.fixture(scope="module")
def figure():
    raw, fitted = drawn(alt=f"Bars of {ATTACK}")
    return raw, fitted, Reader(fitted)


def test_is_one_element_of_the_page(figure):
    raw, fitted, page = figure
    assert fitted.startswith("<svg ") and fitted.endswith("</svg>")
    assert not re.search(r"<\?|<!|xmlns|xlink|rdf|<style|style=|<script", fitted)
    # The size in points becomes one in pixels.
    width = float(re.search(r'width="([\d.]+)pt"', raw)[1])
    assert float(page.elements[0][1]["width"]) == pytest.approx(width * 4 / 3, abs=1)


def test_has_a_name(figure):
    attributes = figure[2].elements[0][1]
    assert attributes["role"] == "img"
    assert attributes["aria-label"] == f"Bars of {ATTACK}"


def test_texts_stay(figure):
    raw, fitted, page = figure
    assert ATTACK in page.texts
    assert len([text for text in page.texts if text]) == raw.count("</text>")


def test_ink_is_that_of_the_page(figure):
    raw, fitted, page = figure
    assert INK in raw and INK not in fitted
    texts = [attributes for tag, attributes in page.elements if tag == "text"]
    assert texts and all(each["fill"] == "currentColor" for each in texts)
    assert all("font-family" not in each and "font-size" in each for each in texts)


def test_only_the_background_goes(figure):
    raw, fitted, page = figure
    # One of the figure, one of each of the axes.
    white = re.compile('"(?:fill: )?#ffffff"')
    assert len(white.findall(raw)) == 3
    assert not white.search(fitted)


def test_white_that_is_drawn_stays():
    with styled():
        figure, [axes] = new_figure()
        axes.bar([0], [1], color="white", edgecolor="black")
        axes.text(0, 0.5, "here", color="white")
    fitted = fit_svg(as_svg(figure, "x"), "x", "")
    assert fitted.count("#ffffff") == 2


def test_styles_become_attributes():
    with styled():
        figure, [axes] = new_figure()
        axes.plot([0, 1], ls="--", color="#123456", alpha=0.5)
        axes.text(0, 0.5, "x", weight="bold", style="italic", size=13)
    page = Reader(fit_svg(as_svg(figure, "x"), "x", ""))
    [line] = [each for _, each in page.elements if each.get("stroke") == "#123456"]
    assert {"stroke-dasharray", "stroke-width", "stroke-opacity"} <= set(line)
    [text] = [each for _, each in page.elements if each.get("font-size") == "13px"]
    assert text["font-weight"] in ("700", "bold") and text["font-style"] == "italic"


def test_short_fonts_are_spelled_out():
    svg = (
        '<svg width="72pt" height="36pt"><text style="font: italic 700 9px \'A\', b">x</text></svg>'
    )
    [root, (_, text)] = Reader(fit_svg(svg, "n", "a")).elements
    assert (text["font-size"], text["font-weight"], text["font-style"]) == ("9px", "700", "italic")
    assert (root[1]["width"], root[1]["height"]) == ("96", "48")


def test_figures_share_no_ids():
    one, other = drawn("one")[1], drawn("other")[1]
    ids = [set(re.findall(r' id="([^"]+)"', each)) for each in (one, other)]
    assert ids[0] and ids[1] and not ids[0] & ids[1]
    for fitted, there in zip((one, other), ids):
        used = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', fitted)
        assert {a or b for a, b in used} == there


def test_the_same_twice():
    assert drawn("same") == drawn("same")


def test_pictures_are_data():
    with styled():
        figure, [axes] = new_figure()
        axes.imshow(numpy.eye(3))
    images = [
        each
        for tag, each in Reader(fit_svg(as_svg(figure, "x"), "x", "")).elements
        if tag == "image"
    ]
    assert images and all(each["href"].startswith("data:image/png") for each in images)


def test_what_xml_cannot_hold():
    svg = '<svg width="72pt" height="36pt"><text onclick="no()">a\x00b</text><script>no()</script></svg>'
    fitted = fit_svg(svg, "n", "nul \x00")
    assert "no()" not in fitted and "a\ufffdb" in fitted and "nul \ufffd" in fitted
