"""Which files are read, and what format they have."""

import os
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from .format import Format
from .notes import BadInput
from .records import Where
from .textfile import TextFile, decode_head, likely_encoding, line_at

# So many files of a folder are looked at to recognise its format.
MAX_LOOKED_AT = 1000
# Files with these names are read only if they are recognised.
ABOUT = ("README", "LICENSE", "LICENCE", "COPYING", "CHANGELOG", "NOTICE", "CITATION", "AUTHORS")


class Found(NamedTuple):
    """What is to be read.

    format (Format): The format.
    reason (str): How it was recognised, "" if it was given.
    files (List[Path]): The files, in order.
    passed_over (List[Path]): Files of the folder that are not read.
    """

    format: Format
    reason: str
    files: List[Path]
    passed_over: List[Path]


def list_files(path: Path) -> List[Path]:
    """List a file, or the files of a folder and of the folders in it. What begins with a dot is
    passed over.

    path (Path): A file or folder.
    RETURNS (List[Path]): The files, sorted.
    """
    if not path.exists():
        raise BadInput(Where(path), "there is no such file or folder", "Correct the path of INPUT")
    if not path.is_dir():
        if not path.is_file():
            raise BadInput(Where(path), "it is no file and no folder", "Write it to a file first")
        return [path]
    files = sorted(_walk(path))
    if not files:
        raise BadInput(Where(path), "the folder is empty", "Correct the path of INPUT")
    return files


def _walk(path: Path) -> Iterator[Path]:
    """YIELDS (Path): The files of a folder and of the folders in it."""

    def refuse(error: OSError) -> None:
        place = Where(Path(error.filename or path))
        reason = (error.strerror or str(error)).lower()
        raise BadInput(place, f"cannot be opened: {reason}", "Check the path and its rights")

    for folder, inner, names in os.walk(path, onerror=refuse):
        inner[:] = (name for name in inner if not name.startswith("."))
        files = (Path(folder) / name for name in names if not name.startswith("."))
        yield from (file for file in files if file.is_file())


def find(
    path: Path, formats: Dict[str, Format], name: Optional[str] = None, encoding: str = "utf-8"
) -> Found:
    """Find the files to be read and their format.

    path (Path): A file or folder.
    formats (Dict[str, Format]): The formats there are, by name. Of several that recognise a file
        the first is taken.
    name (Optional[str]): The name of the format, None to recognise it.
    encoding (str): The encoding of the files.
    RETURNS (Found): What is to be read.
    """
    files = list_files(path)
    if name is not None:
        format = formats[name]
        if path.is_file():
            return _single(format, "", path)
        chosen = [file for file in files if _suffix(file, format) and not is_about(file)]
        return _found(format, "", chosen or files, files)
    known: List[Tuple[Path, Format, str]] = []
    unread: List[BadInput] = []
    for file in files[:MAX_LOOKED_AT]:
        try:
            recognised = _recognise(file, formats.values(), encoding)
        except BadInput as error:
            # Whoever reads it refuses it, or passes over it.
            unread.append(error)
            continue
        known += [(file, *recognised)] if recognised is not None else []
    if not known:
        if unread:
            raise unread[0]
        _unknown(path, files, encoding, formats)
    first, format, reason = known[0]
    for file, other, why in known:
        if other is not format:
            raise BadInput(
                Where(path),
                f"the folder holds several formats: {first.name} looks like {format.name} ("
                f"{reason}), and {file.name} like {other.name} ({why})",
                f"Convert them one after the other, or name the format to read only its files: "
                f"--from {format.name}",
            )
    if path.is_file():
        return _single(format, reason, path)
    # What is called like them may be damaged, and must not be passed over in silence.
    are_known = {file for file, *_ in known}
    suffixes = {_suffix(file, format) for file in are_known} - {""}
    chosen = [
        file
        for file in files
        if file in are_known or (_suffix(file, format) in suffixes and not is_about(file))
    ]
    return _found(format, reason, chosen, files)


def _found(format: Format, reason: str, chosen: List[Path], files: List[Path]) -> Found:
    taken = set(chosen)
    return Found(format, reason, chosen, [file for file in files if file not in taken])


def _suffix(file: Path, format: Format) -> str:
    """The suffix of the format that a file has, "" if it has none of them."""
    name = file.name.lower()
    return next((s.lower() for s in format.suffixes if name.endswith(s.lower())), "")


def is_about(file: Path) -> bool:
    """RETURNS (bool): Whether a file is about the others, by its name."""
    return file.name.split(".")[0].upper() in ABOUT


def _single(format: Format, reason: str, path: Path) -> Found:
    return Found(format, reason, [format.instead(path) if format.instead else path], [])


def _recognise(
    file: Path, formats: Iterable[Format], encoding: str
) -> Optional[Tuple[Format, str]]:
    head = TextFile(file, encoding).head()
    for format in formats:
        reason = format.recognise(head)
        if reason is not None:
            return format, reason
    return None


def _unknown(path: Path, files: List[Path], encoding: str, formats: Dict[str, Format]) -> None:
    """Stop: no file is of a known format."""
    head = TextFile(files[0], encoding).head()
    names = ", ".join(formats)
    if len(files) == 1 and not head.data:
        raise BadInput(Where(files[0]), "the file is empty", "Check how it was made")
    if head.data and not head.lines:
        raise BadInput(
            Where(files[0]),
            f"it is no text in {encoding}, and no known format{_why(head.data, encoding)}",
            f"Say which encoding it has, for instance --encoding {likely_encoding(head.data)}, or "
            f"which format: --from with one of {names}",
        )
    if len(files) == 1 and head.complete and not head.text.strip():
        raise BadInput(
            Where(files[0]), "there is nothing but white space in it", "Check how it was made"
        )
    line = next((line for line in head.lines if line.strip()), "")
    raise BadInput(
        Where(path),
        f"the format is not recognised; {files[0].name} begins with {line[:60]!r}",
        f"Say which it is: --from with one of {names}{_spreadsheet(files[0])}",
    )


def _spreadsheet(path: Path) -> str:
    """RETURNS (str): What to make of a table with commas."""
    if path.suffix.lower() != ".csv":
        return ""
    return (
        ". Tables with commas are not read: write JSON lines, or a table of offsets with tabs "
        "(offset-tsv)"
    )


def _why(data: bytes, encoding: str) -> str:
    """RETURNS (str): Which bytes are no text."""
    try:
        decode_head(data, encoding, complete=False)
    except UnicodeDecodeError as error:
        found = data[error.start : error.start + 4].hex(" ")
        return f" (the bytes {found} in line {line_at(data, error.start)})"
    return ""
