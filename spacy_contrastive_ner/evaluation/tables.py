"""Numbers in rows and columns, to be looked at, written to files or made a data frame of."""

import csv
import io
import math
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, NamedTuple, Sequence

if TYPE_CHECKING:
    import pandas


class Table(NamedTuple):
    """Numbers in rows and columns.

    name (str): What it is called, also as a file: letters, digits and "-".
    columns (Sequence[str]): The names of its columns.
    rows (List[Sequence[Any]]): Numbers, texts, truth values and None for what there is not.
    """

    name: str
    columns: Sequence[str]
    rows: List[Sequence[Any]]

    @classmethod
    def of(cls, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> "Table":
        """RETURNS (Table): The table, with Python's own numbers, and None for what is not finite."""
        return cls(name, columns, [[_plain(value) for value in row] for row in rows])

    def column(self, name: str) -> List[Any]:
        """RETURNS (List[Any]): The values of a column."""
        place = list(self.columns).index(name)
        return [row[place] for row in self.rows]

    def records(self) -> List[Dict[str, Any]]:
        """RETURNS (List[Dict[str, Any]]): The rows, as they can be written as JSON."""
        return [dict(zip(self.columns, row)) for row in self.rows]

    def as_csv(self) -> str:
        """RETURNS (str): The table with comma-separated values. Texts that a spreadsheet would take
        for formulas begin with an apostrophe."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(self.columns)
        writer.writerows([_cell(value) for value in row] for row in self.rows)
        return out.getvalue()

    def frame(self) -> "pandas.DataFrame":
        """RETURNS (pandas.DataFrame): The table, if pandas is installed."""
        import pandas

        return pandas.DataFrame([list(row) for row in self.rows], columns=list(self.columns))


def _plain(value: Any) -> Any:
    """A NumPy scalar as the number it is."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value
