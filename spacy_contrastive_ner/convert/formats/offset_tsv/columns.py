"""What the columns of a table of mentions hold, by their names or by their content."""

import re
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

# How columns are called, in lower case and without other signs than letters and digits.
NAMES = {
    "file": "filename file fileid docid documentid doc document articleid pmid tweetid textid",
    "label": "label entitytype type entitylabel tag class category entityclass semantictype",
    "start": "off0 start begin startspan startoffset offset0 beginoffset offsetstart startchar "
    "spanstart charstart offset1start",
    "end": "off1 end endspan endoffset offset1 offsetend endchar spanend charend stop",
    "offsets": "spans offsets pos position positions entityspan entityspans offset location",
    "text": "span text mention extraction surface entitytext entity mentiontext term spantext "
    "entityname evidence reference",
    "code": "ncbitax code codes umlscui cui cuis kbid conceptid concept identifier "
    "normalization snomed snomedid mesh meshid icd10 taxid ncbitaxid",
}
COLUMNS = {name: field for field, names in NAMES.items() for name in names.split()}
NO_VALUE = ("", "-", "nan", "NaN", "NA", "None", "_")

INTEGER = re.compile(r"\d+$")
PAIR = re.compile(r"(\d+)\s*[-\u2013: ]\s*(\d+)")
OFFSETS = re.compile(rf"\s*{PAIR.pattern}(?:\s*[,;|]\s*{PAIR.pattern})*\s*$")


class Columns(NamedTuple):
    """Which columns hold what; -1 if none does."""

    file: int = -1
    label: int = -1
    start: int = -1
    end: int = -1
    offsets: int = -1
    text: int = -1
    code: int = -1

    def __str__(self) -> str:
        return ", ".join(f"{name} {i + 1}" for name, i in self._asdict().items() if i >= 0)

    def are_enough(self) -> bool:
        """RETURNS (bool): Whether they tell where the mentions of a file are."""
        return self.file >= 0 and (self.offsets >= 0 or (self.start >= 0 and self.end >= 0))


def columns_by_name(rows: Sequence[List[str]]) -> Optional[Columns]:
    """RETURNS (Optional[Columns]): What the columns hold by the names in the first row, if it is a
    header.
    """
    names = [re.sub(r"[^0-9a-z]", "", name.lower()) for name in rows[0]]
    found: Dict[str, int] = {}
    for i, name in enumerate(names):
        field = COLUMNS.get(name)
        # "span" is the text in some tables, and the offsets in others.
        if field in ("text", "offsets"):
            cells = [row[i] for row in rows[1:] if i < len(row) and row[i] not in NO_VALUE]
            if cells:
                is_offsets = all(OFFSETS.match(cell) for cell in cells)
                field = "offsets" if is_offsets else "text"
        if field is not None:
            found.setdefault(field, i)
    columns = Columns(**found)
    return columns if columns.are_enough() else None


def columns_by_content(rows: Sequence[List[str]]) -> Optional[Columns]:
    """RETURNS (Optional[Columns]): What the columns hold, if some are offsets, and another is the
    text between them by its length. The file is the first column; the label is the one that has the
    fewest values.
    """
    n_columns = len(rows[0])
    if n_columns < 4 or any(len(row) != n_columns for row in rows):
        return None
    kinds = [_kind([row[i] for row in rows]) for i in range(n_columns)]
    words = [i for i in range(1, n_columns) if kinds[i] == "words"]
    for i in range(1, n_columns):
        start, end, offsets = i, i + 1, -1
        if kinds[i] == "offsets":
            start, end, offsets = -1, -1, i
        elif kinds[i : i + 2] != ["number", "number"]:
            continue
        columns = Columns(0, -1, start, end, offsets)
        lengths = [_length(row, columns) for row in rows]
        for text in words:
            # An end may be the last character, or the one after it.
            like = sum(0 <= len(row[text]) - n <= 1 for row, n in zip(rows, lengths))
            others = [j for j in words if j != text and not _are_marks(rows, j)]
            if others and like >= 0.9 * len(rows):
                label = min(others, key=lambda j: len({row[j] for row in rows}))
                return columns._replace(label=label, text=text)
    return None


def _kind(cells: List[str]) -> str:
    if all(INTEGER.match(cell.strip()) for cell in cells):
        return "number"
    return "offsets" if all(OFFSETS.match(cell) for cell in cells) else "words"


def _length(row: List[str], columns: Columns) -> int:
    """RETURNS (int): How long the text of a mention is by its offsets."""
    fragments = fragments_of(row, columns)
    return sum(end - start for start, end in fragments) + len(fragments) - 1


def _are_marks(rows: Sequence[List[str]], i: int) -> bool:
    """RETURNS (bool): Whether a column holds running marks, such as T1, T2."""
    return all(re.match(r"[A-Za-z]{0,3}\d+$", row[i]) for row in rows)


def fragments_of(row: List[str], columns: Columns) -> List[Tuple[int, int]]:
    """RETURNS (List[Tuple[int, int]]): The offsets in a row."""
    if columns.offsets < 0:
        return [(int(row[columns.start]), int(row[columns.end]))]
    cell = row[columns.offsets]
    if not OFFSETS.match(cell):
        raise ValueError(cell)
    return [(int(start), int(end)) for start, end in PAIR.findall(cell)]
