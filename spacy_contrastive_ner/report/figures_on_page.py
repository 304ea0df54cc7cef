"""matplotlib's SVG, made to fit into a page: in its colours, dark or light, and under its policy."""

import re
from typing import Dict, Iterator, Set
from xml.etree import ElementTree

from ..evaluation.figures.style import INK
from .markup import UNFIT

# Pixels of a page in a point of a figure.
PIXELS = 96 / 72
WHITE = ("#ffffff", "white", "#fff")
# How a page's elements refer to each other.
REFERENCE = re.compile(r"url\(#([^)]+)\)")
# matplotlib says these of all elements; here the figure's root does, and all in it inherit them.
INHERITED = {"stroke-linejoin": "round", "stroke-linecap": "butt"}
LEFT_OUT = ("metadata", "style", "script", "title")
Element = ElementTree.Element


def fit_svg(svg: str, name: str, alt: str) -> str:
    """Make a figure a part of a page.

    svg (str): The figure, as matplotlib writes it.
    name (str): What no other figure of the page is called.
    alt (str): What is to be seen.
    RETURNS (str): An `svg` element: without styles of its own, which a page's policy forbids, and
        without its white background; axes and text have the colour of the text around it.
    """
    root = ElementTree.fromstring(UNFIT.sub("\ufffd", svg).encode("utf8"))
    _clean(root)
    _remove_background(root)
    _rename(root, name)
    for key in ("width", "height"):
        points = float(root.attrib[key].removesuffix("pt"))
        root.set(key, f"{points * PIXELS:.0f}")
    root.attrib.pop("version", None)
    for key, value in {**INHERITED, "role": "img", "aria-label": UNFIT.sub("\ufffd", alt)}.items():
        root.set(key, value)
    # Paths are never white space, so what is between tags can go unless it is text.
    return re.sub(r">\s+<(?!/text|/tspan)", "><", ElementTree.tostring(root, "unicode"))


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _clean(root: Element) -> None:
    """Leave out what a page has no use for, and say as attributes what is said as styles."""
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {
            _local(key): value for key, value in element.attrib.items() if _allowed(_local(key))
        }
        for key, value in _styles(element.attrib.pop("style", "")):
            # The page's own is as good.
            if key != "font-family":
                element.attrib[key] = value
        for key, value in element.attrib.items():
            if value == INK:
                element.attrib[key] = "currentColor"
        for child in list(element):
            if _local(child.tag) in LEFT_OUT:
                element.remove(child)


def _allowed(attribute: str) -> bool:
    return not attribute.lower().startswith("on")


def _styles(text: str) -> Iterator["tuple[str, str]"]:
    for part in text.split(";"):
        key, colon, value = part.partition(":")
        if not colon:
            continue
        key, value = key.strip(), value.strip()
        if key == "font":
            yield from _font(value)
        else:
            yield key, value


def _font(value: str) -> Iterator["tuple[str, str]"]:
    """A font in short, which no attribute can hold, as what it stands for."""
    words = value.partition("'")[0].split()
    for word in words:
        if word[:1].isdigit() and word.rstrip("px") != word:
            yield "font-size", word
        elif word in ("bold", "lighter", "bolder") or word.isdigit():
            yield "font-weight", word
        elif word in ("italic", "oblique"):
            yield "font-style", word


def _remove_background(root: Element) -> None:
    """Remove the white rectangles behind the figure and behind its axes, and no others."""
    for group in root.iter("g"):
        if not group.get("id", "").startswith(("figure_", "axes_")):
            continue
        first = group.find("g")
        paths = list(first) if first is not None else []
        if first is None or not first.get("id", "").startswith("patch_") or len(paths) != 1:
            continue
        if paths[0].get("fill") in WHITE and paths[0].get("stroke", "none") == "none":
            group.remove(first)


def _rename(root: Element, name: str) -> None:
    """Keep ids that something refers to only, and none that another figure has."""
    used: Set[str] = set()
    for element in root.iter():
        for value in element.attrib.values():
            used.update(REFERENCE.findall(value))
        if element.get("href", "").startswith("#"):
            used.add(element.attrib["href"][1:])
    names: Dict[str, str] = {old: f"{name}-{old}" for old in used}
    for element in root.iter():
        old = element.attrib.pop("id", None)
        if old in names:
            element.set("id", names[old])
        for key, value in list(element.attrib.items()):
            if key == "href" and value.startswith("#"):
                element.set(key, f"#{names[value[1:]]}")
            elif "url(#" in value:
                element.set(
                    key, REFERENCE.sub(lambda found: f"url(#{names.get(found[1], '')})", value)
                )
