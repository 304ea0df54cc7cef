"""The files beside the page: figures, and the numbers behind them."""

import json
from typing import Any, Callable, Dict, Optional, Sequence

from ..evaluation.figures.style import as_png, as_svg, styled
from .panels import Panel, Section


def files_of(
    sections: Sequence[Section], on_panel: Optional[Callable[[Panel], Any]] = None
) -> Dict[str, bytes]:
    """Draw all figures, and write all tables.

    sections (Sequence[Section]): What is on the page.
    on_panel (Optional[Callable[[Panel], Any]]): Called after each panel.
    RETURNS (Dict[str, bytes]): The files, by their paths beside the page: `figures/NAME.svg` and
        `.png`, `tables/NAME.csv` and `.json`.
    """
    files: Dict[str, bytes] = {}
    for section in sections:
        for panel in section.panels:
            _add_figure(panel, files)
            _add_tables(panel, files)
            if on_panel is not None:
                on_panel(panel)
    return files


def _add_figure(panel: Panel, files: Dict[str, bytes]) -> None:
    if panel.absent or panel.draw is None:
        return
    with styled():
        figure = panel.draw()
    _add(files, f"figures/{panel.name}.svg", as_svg(figure, panel.name).encode("utf8"))
    _add(files, f"figures/{panel.name}.png", as_png(figure, panel.name))


def _add_tables(panel: Panel, files: Dict[str, bytes]) -> None:
    for table in panel.tables:
        _add(files, f"tables/{table.name}.csv", table.as_csv().encode("utf8", "replace"))
        text = json.dumps(table.records(), ensure_ascii=False, indent=1)
        _add(files, f"tables/{table.name}.json", text.encode("utf8", "backslashreplace"))


def _add(files: Dict[str, bytes], name: str, data: bytes) -> None:
    """Two panels may show the same table, but no two different ones have one name."""
    if files.get(name, data) != data:
        raise ValueError(f"Two different files are called {name}.")
    files[name] = data
