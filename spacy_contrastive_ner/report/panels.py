"""What a page is made of."""

from typing import TYPE_CHECKING, Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from ..evaluation.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Panel(NamedTuple):
    """Something to look at.

    name (str): Its name, also that of its files: letters, digits and "-". No two panels share one.
    title (str): What it shows.
    text (str): How to read it: plain text, paragraphs parted by blank lines.
    draw (Optional[Callable[[], Figure]]): Draws it. Called in `figures.style.styled`.
    alt (str): What is to be seen, for those who do not see it.
    tables (Sequence[Table]): The numbers behind it. The first is shown on the page if `show` says so.
    show (int): How many rows of the first table are on the page: 0 for none of it, -1 for all.
    absent (str): Why there is nothing to look at; all else is empty then.
    data (Optional[Dict[str, Any]]): For panels that the page itself draws: what it needs, with
        "kind" telling which they are.
    """

    name: str
    title: str
    text: str = ""
    draw: Optional[Callable[[], "Figure"]] = None
    alt: str = ""
    tables: Sequence[Table] = ()
    show: int = 0
    absent: str = ""
    data: Optional[Dict[str, Any]] = None


class Section(NamedTuple):
    """Panels about one thing.

    name (str): Its name: letters, digits and "-".
    title (str): Its title.
    text (str): What it is about.
    panels (List[Panel]): The panels.
    """

    name: str
    title: str
    text: str
    panels: List[Panel]
