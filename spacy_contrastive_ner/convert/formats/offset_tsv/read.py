"""Tables of mentions by offsets, with the texts in files of their own: LivingNER, BioNNE and kin."""

import re
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Dict, FrozenSet, Iterable, Iterator, List, Literal, Optional, Set, Tuple

from ...format import Format
from ...notes import BadInput, Kind, Notes
from ...records import Record, Where
from ...standoff import Mention, fit, settle, without_surfaces
from ...textfile import BadLine, Head, TextFile
from .columns import NO_VALUE, Columns, columns_by_content, columns_by_name, fragments_of

NOT_ANNOTATED = Kind("Texts without a line in the table, read as texts without entities")
LEFT_TO_OTHER = Kind("Texts without a line in this table, left to the other tables beside it")

NO_CODE = (*NO_VALUE, "NOCODE", "NO_CODE", "CUILESS", "CUI-less", "NIL")

TEXT_FOLDERS = re.compile(r"(?:raw)?[-_ ]?(?:texts?|txts?|documents?)(?:[-_ ]?files?)?$", re.I)
# So many lines tell what the columns hold, and so many folders up are texts looked for.
N_LOOKED_AT, N_UP = 200, 3


def recognise(head: Head) -> Optional[str]:
    """Recognise a header that names files and offsets, or columns of offsets beside texts which
    are as long as these say.
    """
    rows = [line.split("\t") for line in head.lines[: N_LOOKED_AT + 1] if line.strip()]
    if not rows or len(rows[0]) < 4 or rows[0][0][:1] in "#<{[":
        return None
    named = columns_by_name(rows)
    if named is not None and named.label >= 0:
        return f"a table with the columns {', '.join(rows[0][:8])}"
    if named is None and columns_by_content(rows) is not None:
        return "tab-separated columns, of which some are offsets and one is the text between them"
    return None


def read(
    file: TextFile,
    notes: Notes,
    *,
    texts: Optional[Path] = None,
    columns: Optional[List[str]] = None,
    label: str = "",
    ends: Literal["auto", "exclusive", "inclusive"] = "auto",
    unannotated: Literal["auto", "keep", "drop"] = "auto",
    surfaces: Literal["check", "ignore"] = "check",
) -> Iterator[Record]:
    """Read a table with a line for each mention, and the texts that it names. Codes that mean none
    (NOCODE, CUILESS, NIL) are taken as such.

    texts (Optional[Path]): The folder of the texts. By default they are looked for in the folder of
        the table, in folders such as texts or text-files in it, and in the folders above.
    columns (Optional[List[str]]): What the columns hold, in order: file, label, start, end, offsets
        ("0-5,8-10"), text, code, or "-" for one that is not read. By default this is found out from
        the header, or from the content if there is none.
    label (str): The label of all mentions, if the table has none.
    ends (str): Whether the end is the last character of a mention or the one after it.
    unannotated (str): Whether texts beside the annotated ones, but without a line in the table, are
        kept as texts without entities. "auto" keeps those that are in no other table beside this
        one, when the first of these is read.
    surfaces (str): Whether the text of the mentions is compared with what stands at their offsets,
        to find out how these count, or ignored.
    """
    layout = _find_columns(file, columns, label, notes)
    if layout is None:
        return
    found, has_header = layout
    rows = _read_rows(file, found, has_header, label, notes)
    by_length = ends == "auto" and surfaces == "check"
    if ends == "inclusive" or (by_length and _are_inclusive(rows.values())):
        notes.decided("the end of a mention is its last character")
        rows = {
            name: [
                m._replace(fragments=tuple((s, e + 1) for s, e in m.fragments)) for m in mentions
            ]
            for name, mentions in rows.items()
        }
    shelf = Shelf(file, texts)
    for name, mentions in rows.items():
        path = shelf.find(name)
        where = file.where(mentions[0].line if mentions else 0, _stem(name))
        if path is None:
            notes.bad(
                where,
                f"the text {name!r} is not found in {shelf.looked_in()}",
                "Say where the texts are: --read texts=FOLDER",
            )
            continue
        if surfaces == "ignore":
            mentions = without_surfaces(mentions)
        fitted = fit(_text(file, path), mentions)
        entities = settle(fitted, where, notes)
        if entities is not None:
            id = _stem(name)
            yield Record(fitted.text, entities, where, id=id, document=id)
    if unannotated != "drop":
        yield from _read_others(file, shelf, unannotated == "auto", notes)


def _find_columns(
    file: TextFile, given: Optional[List[str]], label: str, notes: Notes
) -> Optional[Tuple[Columns, bool]]:
    """RETURNS (Optional[Tuple[Columns, bool]]): What the columns hold, and whether the first line
    is a header.
    """
    head = file.head()
    rows = [line.split("\t") for line in head.lines[: N_LOOKED_AT + 1] if line.strip()]
    if not rows:
        # Undecodable bytes are an error of their own, with the line.
        what = "there is no table in it" if file.text() else "the file is empty"
        notes.bad(file.where(), what, "Check how it was made")
        return None
    named = columns_by_name(rows)
    if given is not None:
        columns = Columns(**{name: i for i, name in enumerate(given) if name in Columns._fields})
        wrong = [name for name in given if name not in (*Columns._fields, "-")]
        if wrong or not columns.are_enough():
            raise BadInput(
                file.where(),
                f"--read columns={','.join(given)} does not say where the mentions are",
                f"Name file, and start and end or offsets; each column is one of "
                f"{', '.join(Columns._fields)} or '-'",
            )
    elif (found := named or columns_by_content(rows)) is not None:
        columns = found
        unread = [i + 1 for i in range(len(rows[0])) if i not in columns]
        notes.decided(
            f"columns of the table, by {'their names' if named else 'their content'}: {columns}"
            + (f"; not read: {', '.join(map(str, unread))}" if unread else "")
        )
    else:
        notes.bad(
            file.where(1),
            f"the columns are not known from the first line: {' '.join(rows[0])[:80]!r}",
            "Say what they hold, for instance --read columns=file,-,label,start,end,text",
        )
        return None
    if columns.label < 0 and not label:
        notes.bad(
            file.where(1),
            "no column holds the label of the mentions",
            "Say which one: --read columns=..., or give the label of all: --read label=NAME",
        )
        return None
    first = rows[0]
    return columns, named is not None or not _has_offsets(first, columns)


def _has_offsets(row: List[str], columns: Columns) -> bool:
    try:
        return bool(fragments_of(row, columns))
    except (ValueError, IndexError):
        return False


def _read_rows(
    file: TextFile, columns: Columns, has_header: bool, label: str, notes: Notes
) -> Dict[str, List[Mention]]:
    """RETURNS (Dict[str, List[Mention]]): The mentions of each text, by its name."""
    needed = max(columns._replace(text=-1, code=-1))
    spots = [i for i in (columns.start, columns.end, columns.offsets) if i >= 0]
    texts: Dict[str, List[Mention]] = {}
    for number, line in file.lines(notes):
        is_bad = isinstance(line, BadLine)
        if is_bad or not line.strip() or (has_header and number == 1):
            continue
        row = line.split("\t")
        is_long = len(row) > needed
        name = row[columns.file].strip() if is_long else ""
        if name and all(row[i].strip() in NO_VALUE for i in spots):
            texts.setdefault(name, [])
            continue
        mention = _mention(row, columns, label, number) if is_long else None
        if not name or mention is None:
            notes.bad(
                file.where(number),
                f"{line[:80]!r} is no mention: of its {len(row)} columns, these are read: "
                f"{columns}",
                "Correct the line, or say what the columns hold: --read columns=...",
            )
            continue
        texts.setdefault(name, []).append(mention)
    return texts


def _mention(row: List[str], columns: Columns, label: str, line: int) -> Optional[Mention]:
    """RETURNS (Optional[Mention]): The mention in a row, None if it holds none."""
    try:
        fragments = fragments_of(row, columns)
    except ValueError:
        return None
    label = row[columns.label].strip() if columns.label >= 0 else label
    # Empty cells at the end of a line get lost in some programs.
    code = row[columns.code].strip() if 0 <= columns.code < len(row) else ""
    surface = row[columns.text] if 0 <= columns.text < len(row) else ""
    code = "" if code in NO_CODE else code
    return Mention(tuple(fragments), label, code, surface, line) if label else None


def _are_inclusive(rows: Iterable[List[Mention]]) -> bool:
    """RETURNS (bool): Whether most mentions are longer by one character than their offsets say."""
    votes: Counter = Counter()
    for mentions in rows:
        for mention in mentions:
            if mention.surface and len(mention.fragments) == 1:
                start, end = mention.fragments[0]
                votes[len(mention.surface) - (end - start)] += 1
    return votes[1] > 0.5 * votes.total()


class Shelf:
    """Where the texts of a table are.

    table (TextFile): The table.
    folder (Optional[Path]): The folder of the texts, None to look for them.
    """

    def __init__(self, table: TextFile, folder: Optional[Path]) -> None:
        if folder is not None and not folder.is_dir():
            raise BadInput(Where(folder), "there is no such folder", "Correct --read texts=FOLDER")
        self.folders = [folder] if folder is not None else _text_folders(table.path)
        self.table, self.is_given = table, folder is not None
        self.index: Dict[Path, Dict[str, Path]] = {}
        self.used: Set[Path] = set()

    def find(self, name: str) -> Optional[Path]:
        """RETURNS (Optional[Path]): The text of this name, if there is one."""
        for folder in self.folders:
            if folder not in self.index:
                # The folder of the table may hold anything; only its own files are looked at.
                is_own = not self.is_given and folder == self.table.path.parent
                files = sorted(folder.glob("*") if is_own else folder.rglob("*"), reverse=True)
                self.index[folder] = {path.name: path for path in files if path.is_file()}
            for way in (name, f"{name}.txt", f"{name}.TXT"):
                path = self.index[folder].get(way)
                if path is not None and path != self.table.path:
                    self.used.add(path)
                    return path
        return None

    def others(self) -> List[Path]:
        """RETURNS (List[Path]): The texts in the same folders that were not asked for."""
        return [
            path
            for folder in sorted({path.parent for path in self.used})
            for path in sorted(folder.glob("*.txt"))
            if path not in self.used
            and not path.stem.lower().startswith(("readme", "license", "licence"))
        ]

    def looked_in(self) -> str:
        """RETURNS (str): Where it looked, for messages."""
        return " or ".join(str(folder) for folder in self.folders)


def _text_folders(table: Path) -> List[Path]:
    """RETURNS (List[Path]): Where the texts of a table may be, the likeliest first."""
    home = table.resolve().parent
    near = [home, *home.parents][: N_UP + 1]
    folders = [
        folder
        for base in near
        for folder in sorted(base.iterdir())
        if folder.is_dir() and TEXT_FOLDERS.match(folder.name)
    ]
    return [table.parent, *folders]


def _read_others(file: TextFile, shelf: Shelf, share: bool, notes: Notes) -> Iterator[Record]:
    """YIELDS (Record): The texts without a line in the table."""
    others = shelf.others()
    tables = _tables_beside(file) if share and others else {}
    if tables and min(tables) < file.path:
        named = {name for path, names in tables.items() for name in names}
        n = sum(path.stem not in named and path.name not in named for path in others)
        if n:
            notes.add(LEFT_TO_OTHER, file.where(), n=n)
        return
    named = {name for names in tables.values() for name in names}
    for path in others:
        if path.stem not in named and path.name not in named:
            where = Where(path, id=path.stem)
            notes.add(NOT_ANNOTATED, where)
            text = _text(file, path)
            yield Record(text, [], where, id=path.stem, document=path.stem)


def _tables_beside(file: TextFile) -> Dict[Path, FrozenSet[str]]:
    """RETURNS (Dict[Path, Set[str]]): The other tables in the folder, and the texts they name."""
    tables = {}
    for path in file.path.parent.glob(f"*{file.path.suffix}"):
        if path != file.path and path.is_file():
            stat = path.stat()
            names = _names_in(path, file.encoding, (stat.st_mtime_ns, stat.st_size))
            if names is not None:
                tables[path] = names
    return tables


@lru_cache(maxsize=10000)
def _names_in(path: Path, encoding: str, state: Tuple[int, int]) -> Optional[FrozenSet[str]]:
    """Read which texts a table names. It is asked for each table of a folder about each other one,
    so it is kept as long as the file does not change.

    RETURNS (Optional[FrozenSet[str]]): The names, None if it is no such table.
    """
    table = TextFile(path, encoding)
    if recognise(table.head()) is None:
        return None
    rows = [line.split("\t") for line in table.head().lines[: N_LOOKED_AT + 1]]
    columns = columns_by_name(rows) or columns_by_content(rows)
    at = columns.file if columns is not None else 0
    cells = (line.split("\t") for _, line in table.lines())
    return frozenset(row[at].strip() for row in cells if at < len(row))


def _text(file: TextFile, path: Path) -> str:
    return TextFile(path, file.encoding).text(keep_mark=True)


def _stem(name: str) -> str:
    return name[:-4] if name.lower().endswith(".txt") else name


FORMAT = Format(
    name="offset-tsv",
    about="tables of mentions by offsets, texts beside (LivingNER, BioNNE)",
    suffixes=(".tsv", ".tab"),
    recognise=recognise,
    read=read,
)
