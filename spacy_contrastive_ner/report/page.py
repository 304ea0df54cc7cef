"""The page: one file that needs nothing else, and no network."""

import base64
import hashlib
from functools import lru_cache
from importlib.resources import files as package_files
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..convert.summary import shorten
from ..evaluation.figures.style import OTHER, RIGHT, WRONG, looks
from ..evaluation.tables import Table
from .documents import Browser, encode
from .figures_on_page import fit_svg
from .folder import GENERATOR
from .markup import escape, isolated, json_block, marked, paragraphs, plain
from .panels import Panel, Section

STYLES = ("page.css", "tables.css", "scatter.css", "browser.css")
# In this order, as one script: each uses those before it.
SCRIPTS = (
    *("common.js", "nav.js", "tables.js", "points.js", "scatter.js"),
    *("documents.js", "filters.js", "blocks.js", "brackets.js", "list.js", "browser.js"),
)
# Kinds of panels that the page draws itself.
SCATTER = "scatter"
# Groups of points that are no labels.
OUTSIDE = "outside of entities"
JUDGED = {"right": (RIGHT, "o"), "wrong": (WRONG, "X"), "not judged": (OTHER, "s")}
DOCUMENTS = ("documents", "Documents")
# So much of a text is in a table on the page; the files have all.
MOST_TEXT = 200

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="{generator}">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the contents</a>
<header class="top">
<h1>{heading}</h1>
</header>
<nav class="contents" aria-label="Contents">
<ul>
{links}</ul>
</nav>
<main id="main" tabindex="-1">
{main}</main>
{data}<script>{script}</script>
</body>
</html>
"""


def render_page(
    title: str,
    about: Sequence[Tuple[str, str]],
    sections: Sequence[Section],
    browser: Optional[Browser] = None,
    files: Optional[Mapping[str, bytes]] = None,
    notes: Sequence[str] = (),
) -> str:
    """Write a page.

    title (str): Its title.
    about (Sequence[Tuple[str, str]]): Names and values that say what it is about.
    sections (Sequence[Section]): What is on it.
    browser (Optional[Browser]): The documents to look at, if any.
    files (Optional[Mapping[str, bytes]]): The files beside the page, as `files_of` makes them: its
        figures are taken from there, and what is there is linked to.
    notes (Sequence[str]): What is to be said before all else.
    RETURNS (str): The page.
    """
    there = files if files is not None else {}
    _check_names(sections)
    main = [_about(about, notes), *(_section(section, there) for section in sections)]
    data = [
        json_block(f"data-{panel.name}", plain(_scatter_data(panel.data)))
        for section in sections
        for panel in section.panels
        if _is_scatter(panel)
    ]
    contents = [(section.name, section.title) for section in sections]
    if browser is not None:
        contents.append(DOCUMENTS)
        main.append(_browser(browser))
        data += _documents(browser)
    style, script = static(STYLES), static(SCRIPTS)
    return PAGE.format(
        policy=policy(style, script),
        generator=GENERATOR,
        title=escape(title),
        heading=isolated(title),
        style=style,
        script=script,
        links="".join(
            f'<li><a href="#section-{escape(name)}">{escape(text)}</a></li>\n'
            for name, text in contents
        ),
        main="".join(main),
        data="".join(data),
    )


@lru_cache(maxsize=None)
def static(names: Tuple[str, ...]) -> str:
    """RETURNS (str): Files that come with the package, one after the other."""
    folder = package_files(__package__) / "static"
    text = "\n".join((folder / name).read_text(encoding="utf8") for name in names)
    return f"\n(() => {{\n'use strict';\n{text}}})();\n" if names == SCRIPTS else f"\n{text}"


def policy(style: str, script: str) -> str:
    """RETURNS (str): What the page may do: run this script, look like this, and nothing else."""
    return (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf8")).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _check_names(sections: Sequence[Section]) -> None:
    of_sections = [*(section.name for section in sections), DOCUMENTS[0]]
    of_panels = [panel.name for section in sections for panel in section.panels]
    for kind, names in (("sections", of_sections), ("panels", of_panels)):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"Several {kind} share a name: {', '.join(twice)}.")


def _about(about: Sequence[Tuple[str, str]], notes: Sequence[str]) -> str:
    rows = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{isolated(value)}</dd></div>\n" for name, value in about
    )
    facts = f'<dl class="about">\n{rows}</dl>\n' if rows else ""
    said = "".join(f'<p class="note">{marked(note)}</p>\n' for note in notes)
    return facts + said


def _section(section: Section, files: Mapping[str, bytes]) -> str:
    name = f"section-{escape(section.name)}"
    panels = "".join(_panel(panel, files) for panel in section.panels)
    return (
        f'<section id="{name}" aria-labelledby="{name}-title">\n'
        f'<h2 id="{name}-title">{escape(section.title)}</h2>\n'
        f"{paragraphs(section.text)}{panels}</section>\n"
    )


def _panel(panel: Panel, files: Mapping[str, bytes]) -> str:
    name = f"panel-{escape(panel.name)}"
    parts = [
        f'<article class="panel" id="{name}" aria-labelledby="{name}-title">\n',
        f'<h3 id="{name}-title">{escape(panel.title)}</h3>\n',
    ]
    if panel.absent:
        parts.append(f'<p class="absent">{marked(panel.absent)}</p>\n')
    else:
        parts.append(paragraphs(panel.text))
        if _is_scatter(panel):
            parts.append(_scatter(panel, files))
        else:
            parts.append(_figure(panel, files))
        if panel.show and panel.tables:
            parts.append(_table(panel.tables[0], panel))
        parts.append(_links(panel, files))
    return "".join([*parts, "</article>\n"])


def _figure(panel: Panel, files: Mapping[str, bytes]) -> str:
    svg = files.get(f"figures/{panel.name}.svg")
    if svg is None:
        return ""
    drawn = fit_svg(svg.decode("utf8"), panel.name, panel.alt or panel.title)
    return (
        f'<div class="figure" tabindex="0" role="group" aria-label="{escape(panel.title)}, figure">'
        f"{drawn}</div>\n"
    )


def _links(panel: Panel, files: Mapping[str, bytes]) -> str:
    """Links to a panel's files."""
    links = [
        f'<a href="figures/{escape(panel.name)}.{kind}">{kind.upper()}</a>'
        for kind in ("png", "svg")
        if f"figures/{panel.name}.{kind}" in files
    ]
    for table in panel.tables:
        kinds = [
            f'<a href="tables/{escape(table.name)}.{kind}">{kind.upper()}</a>'
            for kind in ("csv", "json")
            if f"tables/{table.name}.{kind}" in files
        ]
        if kinds:
            links.append(f"{escape(table.name)} as {' or '.join(kinds)}")
    return f'<p class="files">Files: {", ".join(links)}</p>\n' if links else ""


def _table(table: Table, panel: Panel) -> str:
    rows = table.rows if panel.show < 0 else table.rows[: panel.show]
    numeric = [_is_numeric([row[i] for row in rows]) for i in range(len(table.columns))]
    names = "".join(
        f'<th scope="col"{_number_class(number)}>{isolated(name)}</th>'
        for name, number in zip(table.columns, numeric)
    )
    body = "".join(
        f"<tr>{''.join(_cell(value, number) for value, number in zip(row, numeric))}</tr>\n"
        for row in rows
    )
    left = len(table.rows) - len(rows)
    more = f'<p class="more">{left:,} more rows are in the files.</p>\n' if left else ""
    return (
        f'<div class="table" tabindex="0" role="group" aria-label="{escape(panel.title)}, table">\n'
        f'<table class="sortable"><thead><tr>{names}</tr></thead>\n<tbody>\n{body}</tbody></table>\n'
        f"</div>\n{more}"
    )


def _is_numeric(values: Sequence[Any]) -> bool:
    kinds = {type(value) for value in values if value is not None}
    return bool(kinds) and kinds <= {int, float}


def _number_class(number: bool) -> str:
    return ' class="number"' if number else ""


def _cell(value: Any, number: bool) -> str:
    if value is None:
        return f"<td{_number_class(number)}></td>"
    if isinstance(value, bool):
        return f"<td>{'yes' if value else 'no'}</td>"
    if isinstance(value, (int, float)):
        return f'<td class="number" data-value="{value!r}">{_shown(value)}</td>'
    return f"<td>{isolated(shorten(str(value), MOST_TEXT))}</td>"


def _shown(value: float) -> str:
    """A number with as many digits as are worth reading."""
    if isinstance(value, int):
        return f"{value:,}"
    if value and abs(value) < 0.0005:
        return f"{value:.1e}"
    digits = 3 if abs(value) < 10 else 1 if abs(value) < 1000 else 0
    return f"{value:,.{digits}f}"


def _is_scatter(panel: Panel) -> bool:
    return not panel.absent and panel.data is not None and panel.data.get("kind") == SCATTER


def _scatter(panel: Panel, files: Mapping[str, bytes]) -> str:
    figure = _figure(panel, files)
    still = f"<details><summary>As a figure</summary>\n{figure}</details>\n" if figure else ""
    return (
        f'<div class="scatter" data-from="data-{escape(panel.name)}" '
        f'data-alt="{escape(panel.alt)}"></div>\n'
        "<noscript><p>The points are drawn by a script, and scripts are off.</p></noscript>\n"
        f"{still}"
    )


def _scatter_data(data: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
    """The data with the looks of what is in it."""
    assert data is not None
    positions = sorted({*data["points"].get("position", ())} - {""}, key="BILUO".find)
    groups: Dict[str, List[Tuple[str, str, str]]] = {
        "label": [(name, *look) for name, look in _looks(data["labels"]).items()],
        "position": [(name, *look) for name, look in _looks(positions).items()],
        "right": [(name, *look) for name, look in JUDGED.items()],
    }
    return {**data, "groups": groups, "outside": (OUTSIDE, OTHER, "o")}


def _looks(names: Sequence[str]) -> Dict[str, Tuple[str, str]]:
    return {name: (look.colour, look.marker) for name, look in looks(names).items()}


def _browser(browser: Browser) -> str:
    name, title = DOCUMENTS
    if browser.absent:
        body = f'<p class="absent">{marked(browser.absent)}</p>\n'
    else:
        body = (
            f'{paragraphs(browser.text)}<div id="browser"></div>\n'
            "<noscript><p>The documents are drawn by a script, and scripts are off.</p></noscript>\n"
        )
    return (
        f'<section id="section-{name}" aria-labelledby="section-{name}-title">\n'
        f'<h2 id="section-{name}-title">{title}</h2>\n{body}</section>\n'
    )


def _documents(browser: Browser) -> List[str]:
    if browser.absent:
        return []
    index, chunks = encode(browser.documents)
    blocks = [json_block("documents-index", index)]
    blocks += [json_block(f"documents-{i}", chunk) for i, chunk in enumerate(chunks)]
    return blocks
