"""Documents that several people annotated, each in a file of their own, as INCEpTION exports them."""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import (
    Callable,
    FrozenSet,
    Generic,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
)

from ...notes import BadInput, Kind, Notes
from ...records import Record, Where
from ...textfile import TextFile

Item = TypeVar("Item")

# What INCEpTION calls the result of curation, and the text that all annotators begin with.
CURATION, INITIAL = "CURATION_USER", "INITIAL_CAS"
# The folders of a project in which the documents have their folders.
PROJECT_FOLDERS = ("annotation", "curation")

OTHER_ANNOTATOR = Kind("files of other annotators passed over")
NO_ANNOTATOR = Kind("documents that the annotator did not annotate passed over")
NO_MAJORITY = Kind("entities that most annotators did not annotate")


class FileKind(NamedTuple):
    """How files of a format are told from others, and compared.

    is_one (Callable[[TextFile], bool]): Whether a file is of the format, by its beginning.
    text_of (Callable[[TextFile], str]): Reads the text of the document in a file.
    """

    is_one: Callable[[TextFile], bool]
    text_of: Callable[[TextFile], str]


@dataclass
class Group(Generic[Item]):
    """The files of one document that are read.

    items (List[Item]): The files, of one annotator or several.
    folder (str): What the folder calls the document, "" if it does not.
    every (bool): Whether each annotator's file is a record.
    """

    items: List[Item]
    folder: str
    every: bool

    def names(self, annotator: str, title: str = "", name: str = "") -> Tuple[str, str]:
        """Name the record of a file.

        annotator (str): Whose file it is.
        title (str): What the file itself calls the document, "" if it does not.
        name (str): What it is called if nothing else names it; the annotator's name if it is "".
        RETURNS (Tuple[str, str]): Its name, and the document that it is a part of, if it is one.
        """
        document = title or self.folder or name or annotator
        is_part = self.every and bool(self.folder)
        return (f"{document}/{annotator}", document) if is_part else (document, "")


def group_of_file(
    file: TextFile, annotator: str, kind: FileKind, notes: Notes
) -> Optional[Group[TextFile]]:
    """Find what is read for one file: it, it and others of its document, or nothing, because what
    is read of its document is another file. Files in one folder, with the same text, are of one
    document. So are those in folders of the same name in `annotation` and `curation`. If it is
    known which files are read together, these are all that count.

    file (TextFile): The file.
    annotator (str): Whose files are read: a name, or "auto", "majority", "every".
    kind (FileKind): The kind of files.
    notes (Notes): What is counted and decided.
    RETURNS (Optional[Group[TextFile]]): What is read, None if that is nothing.
    """
    paths, chosen, is_chosen = _siblings(file, annotator, kind)
    if annotator == "every":
        is_folder = any(_is_same(file, path, kind) for path in _others(file, paths[:4])[:3])
        return Group([file], file.path.parent.name if is_folder else "", True)
    if len(paths) == 1:
        return Group([file], "", False)
    if not chosen:
        skipped = NO_ANNOTATOR if file.path == paths[0] else OTHER_ANNOTATOR
        notes.add(skipped, file.where(), text=file.path.stem)
        return None
    if file.path == chosen[0]:
        # A few tell whether the folder is a document; a majority is asked of all.
        others = _others(file, paths if annotator == "majority" else paths[:4])
        same = [path for path in others if _is_same(file, path, kind)]
        if same:
            tell(annotator, notes)
        more = [TextFile(path, file.encoding, file.on_bytes) for path in same if path in is_chosen]
        return Group([file, *more], file.path.parent.name if same else "", False)
    if annotator in ("auto", "majority") and not _is_same(file, chosen[0], kind):
        return Group([file], "", False)
    if file.path not in is_chosen:
        tell(annotator, notes)
        pass_over(file.where(), file.path.stem, notes)
    return None


def wanted_of(names: Sequence[str], annotator: str) -> List[str]:
    """Choose among the annotators of a document.

    names (Sequence[str]): The annotators.
    annotator (str): Whose files are read: a name, or "auto", "majority".
    RETURNS (List[str]): Which of them are read; none if the document lacks the one that is wanted.
    """
    if annotator not in ("auto", "majority"):
        return [name for name in names if name == annotator]
    people = [name for name in names if name not in (CURATION, INITIAL)]
    if annotator == "majority" and people:
        return people
    return [CURATION] if CURATION in names else list(people or names)[:1]


def pass_over(where: Where, name: str, notes: Notes) -> None:
    """Count a file of an annotator who is not read.

    where (Where): The file.
    name (str): The annotator.
    notes (Notes): Where it is counted.
    """
    notes.add(OTHER_ANNOTATOR, where, text=name)


def tell(annotator: str, notes: Notes) -> None:
    """Tell that there are several annotators, and who is read.

    annotator (str): Whose files are read: a name, or "auto", "majority".
    notes (Notes): What is told.
    """
    which = {
        "auto": f"{CURATION} is read, or else the first (--read annotator=NAME, majority or every)",
        "majority": "what more than half of them have is read",
    }.get(annotator, f"{annotator!r} is read")
    notes.decided(f"files of one text in one folder are annotators of one document: {which}")


def agree(records: Sequence[Record], notes: Notes) -> Record:
    """Take what more than half of the annotators of a document have.

    records (Sequence[Record]): The document as each of them annotated it, one at least.
    notes (Notes): Where it is counted what others have.
    RETURNS (Record): The first of the records, with these entities.
    """
    first = records[0]
    if len(records) == 1:
        return first
    votes = Counter(found for record in records for found in dict.fromkeys(record.entities))
    limit = len(records) / 2
    for found, n in votes.items():
        if n <= limit:
            notes.add(NO_MAJORITY, first.where, found.label, found.text_in(first.text))
    first.entities = [found for found, n in votes.items() if n > limit]
    return first


def itself(path: Path) -> Path:
    """RETURNS (Path): The file to read when it alone is the input."""
    return path


class Siblings(NamedTuple):
    """A file and those that may be of other annotators of its document.

    paths (Tuple[Path, ...]): The files, in order.
    chosen (Tuple[Path, ...]): Of these, the ones that are read if they are of one document.
    is_chosen (FrozenSet[Path]): The same, to look them up.
    """

    paths: Tuple[Path, ...]
    chosen: Tuple[Path, ...]
    is_chosen: FrozenSet[Path]


def _siblings(file: TextFile, annotator: str, kind: FileKind) -> Siblings:
    folder, suffix = file.path.parent, file.path.suffix.lower()
    folders = [folder]
    if folder.parent.name in PROJECT_FOLDERS and file.together:
        twins = [folder.parent.parent / name / folder.name for name in PROJECT_FOLDERS]
        folders = [twin for twin in twins if twin == folder or twin.is_dir()]
    like = [
        _list_like(folder, suffix, folder.stat().st_mtime, file.encoding, kind)
        for folder in folders
    ]
    # A file is read though it does not look like one of the kind, and then it tells why.
    is_like = any(file.path in found for found in like)
    is_known = is_like and (not file.together or file.path in file.together)
    return _choose(tuple(like), None if is_known else file.path, annotator, file.together)


# There may be thousands of files in a folder, each of which asks for the others.
@lru_cache(maxsize=8)
def _choose(
    like: Tuple[FrozenSet[Path], ...],
    more: Optional[Path],
    annotator: str,
    together: FrozenSet[Path],
) -> Siblings:
    found = {path for paths in like for path in paths}
    # What is not read itself must not be why a file is passed over.
    found = found & together if together else found
    paths = tuple(sorted(found | {more} if more else found))
    wanted = set(wanted_of([path.stem for path in paths], annotator))
    chosen = tuple(path for path in paths if path.stem in wanted)
    return Siblings(paths, chosen, frozenset(chosen))


def _others(file: TextFile, paths: Sequence[Path]) -> List[Path]:
    return [path for path in paths if path != file.path]


@lru_cache(maxsize=8)
def _list_like(
    folder: Path, suffix: str, stamp: float, encoding: str, kind: FileKind
) -> FrozenSet[Path]:
    """RETURNS (FrozenSet[Path]): The files of a kind in a folder. The last ones are kept."""

    def is_one(path: Path) -> bool:
        try:
            return kind.is_one(TextFile(path, encoding))
        except BadInput:
            # Who reads this file tells what is wrong with it.
            return False

    return frozenset(
        path
        for path in folder.iterdir()
        if path.suffix.lower() == suffix and path.is_file() and is_one(path)
    )


def _is_same(file: TextFile, path: Path, kind: FileKind) -> bool:
    """Whether two files have the same text, so that they are of one document."""
    text = _text(file.path, file.encoding, kind)
    return bool(text.strip()) and text == _text(path, file.encoding, kind)


def _text(path: Path, encoding: str, kind: FileKind) -> str:
    return _read_text(path, path.stat().st_mtime, encoding, kind)


@lru_cache(maxsize=8)
def _read_text(path: Path, stamp: float, encoding: str, kind: FileKind) -> str:
    """RETURNS (str): The text of a file, "" if it cannot be read. The last ones are kept."""
    try:
        return kind.text_of(TextFile(path, encoding))
    except BadInput:
        return ""
