"""What all figures have in common: colours, sizes, and how they become files."""

import io
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, NamedTuple, Sequence

from ...convert.summary import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which differ for every kind of colour vision, without the black and the
# yellow, which are not to be seen on one of a dark and a white page.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
RIGHT, WRONG, OTHER = COLOURS[2], COLOURS[3], "#888888"

# Axes and text. On a page it is exchanged for the colour of the text there.
INK = "#010203"

SETTINGS: Dict[str, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "legend.frameon": False,
    "svg.fonttype": "none",
    # Ids in a file depend on what is in it and on this, so that figures can stand on one page.
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor"), INK),
    **dict.fromkeys(("xtick.color", "ytick.color", "axes.titlecolor"), INK),
}


class Look(NamedTuple):
    """How one of many is told from the others.

    colour (str): Its colour.
    marker (str): Its marker.
    """

    colour: str
    marker: str


def looks(names: Sequence[str]) -> Dict[str, Look]:
    """RETURNS (Dict[str, Look]): A look for each name. When the colours are used up, they come again
    with other markers."""
    n, m = len(COLOURS), len(MARKERS)
    return {
        name: Look(COLOURS[i % n], MARKERS[i % m]) for i, name in enumerate(dict.fromkeys(names))
    }


def name_text(text: str, length: int = 30) -> str:
    """RETURNS (str): A name as it can stand in a figure: on one line, cut off if it is long, and with
    nothing in it that would be taken for mathematics."""
    name = shorten(text, length).replace("$", r"\$")
    # matplotlib leaves what begins with a line out of legends.
    return f" {name}" if name.startswith("_") else name


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the style of this package, whatever the user's own style is."""
    from matplotlib import style

    with style.context(["default", SETTINGS]):
        yield


def new_figure(
    width: float = 6.4, height: float = 3.6, rows: int = 1, columns: int = 1, **kwargs: Any
) -> "tuple[Figure, List[Axes]]":
    """Make a figure that no window knows of. To be called, like all that draws in it, in `styled`.

    width, height (float): Inches.
    rows, columns (int): How many axes it has.
    RETURNS (Tuple[Figure, List[Axes]]): The figure, and its axes row by row.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **kwargs)
    return figure, list(axes.ravel())


def as_svg(figure: "Figure", name: str) -> str:
    """RETURNS (str): The figure as SVG. What is in it has ids that no other name has."""
    return _saved(figure, "svg", name).decode("utf8")


def as_png(figure: "Figure", name: str) -> bytes:
    """RETURNS (bytes): The figure as PNG, on white."""
    return _saved(figure, "png", name)


def _saved(figure: "Figure", kind: str, name: str) -> bytes:
    from matplotlib import rc_context

    out = io.BytesIO()
    # Without a date, so that the same numbers give the same file.
    metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    with styled(), rc_context({"svg.hashsalt": name}), warnings.catch_warnings():
        # Fonts lack most of the world's characters; the browser's own have them.
        warnings.filterwarnings("ignore", r"(?s)Glyph .* missing from font")
        warnings.filterwarnings("ignore", "Matplotlib currently does not support")
        figure.savefig(out, format=kind, dpi=150, facecolor="white", metadata=metadata)
    return out.getvalue()
