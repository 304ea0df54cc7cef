"""Where CAS files stand: alone, in zip archives, and one for each annotator of a document."""

import zipfile
import zlib
from functools import partial
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional

from ...notes import BadInput
from ...textfile import TextFile
from ..shared.annotators import PROJECT_FOLDERS
from .cas import Cas, Types, parse, parse_types, short_reason

TYPE_SYSTEM = "typesystem.xml"
SUFFIXES = (".xmi", ".json", ".zip")
# A file that unpacks to more than this is refused.
MAX_UNPACKED = 1 << 30


class Source(NamedTuple):
    """A CAS that can be read.

    file (TextFile): The file, or the name of one in an archive, for errors.
    annotator (str): Whose it is, by the name of the file.
    document (str): The document, by the name of the folder.
    data (Callable[[], bytes]): Reads its contents.
    types (Callable[[], Types]): Reads its type system.
    """

    file: TextFile
    annotator: str
    document: str
    data: Callable[[], bytes]
    types: Callable[[], Types]

    def cas(self) -> Cas:
        """RETURNS (Cas): The document with its annotations."""
        return parse(self.file, self.data(), self.types())


def sources_of(file: TextFile) -> List[Source]:
    """Find what is in a file: itself, or what it holds if it is an archive.

    file (TextFile): The file.
    RETURNS (List[Source]): What can be read, in order.
    """
    if file.path.suffix.lower() != ".zip":
        beside = next(
            (path for path in file.path.parent.iterdir() if path.name.lower() == TYPE_SYSTEM), None
        )
        types = file.at(beside) if beside is not None else None
        return [
            Source(
                file,
                file.path.stem,
                file.path.parent.name,
                file.raw,
                partial(_read_types, types) if types is not None else dict,
            )
        ]
    return list(_unpacked(file, file.raw(), file.path.stem, file.path.parent.name, 0))


def looks_like_cas(file: TextFile) -> bool:
    """RETURNS (bool): Whether a file looks like a CAS, or like an archive of them."""
    if file.path.suffix.lower() == ".zip":
        return bool(names_in(file.path))
    return short_reason(file.head().data) is not None


def names_in(path: Path) -> List[str]:
    """RETURNS (List[str]): The names of what may be CAS in an archive; none if it is no archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return []
    if any(name.lower().endswith(".xmi") for name in names):
        return [name for name in names if name.lower().endswith(".xmi")]
    # The export of a whole project has an archive for each annotator.
    return [name for name in names if _is_in_project(PurePosixPath(name))]


def text_of(file: TextFile) -> str:
    """RETURNS (str): The text of a file; "" of an archive with several."""
    sources = sources_of(file)
    return sources[0].cas().text if len(sources) == 1 else ""


def _is_in_project(path: PurePosixPath) -> bool:
    is_there = len(path.parts) > 2 and path.parts[-3] in PROJECT_FOLDERS
    return is_there and path.suffix in (".zip", ".json")


def _read_types(file: TextFile) -> Types:
    return parse_types(file, file.raw())


def _unpacked(file: TextFile, data: bytes, stem: str, folder: str, depth: int) -> Iterator[Source]:
    """Find the CAS files in an archive, and in archives in it."""
    try:
        archive = zipfile.ZipFile(BytesIO(data))
        infos = sorted(archive.infolist(), key=lambda info: info.filename)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise BadInput(
            file.where(), f"the archive cannot be read: {error}", "Get the file again"
        ) from None
    names = {PurePosixPath(info.filename): info for info in infos if not info.is_dir()}
    xmi = [path for path in names if path.suffix.lower() == ".xmi"]
    wanted = xmi or [path for path in names if _is_in_project(path) or path.suffix == ".json"]
    for path in wanted:
        inner = TextFile(file.path / str(path), file.encoding)
        if path.suffix.lower() == ".zip":
            if depth < 1:
                contents = _unpack(inner, archive, names[path])
                yield from _unpacked(inner, contents, path.stem, path.parent.name, depth + 1)
            continue
        contents = _unpack(inner, archive, names[path])
        if short_reason(contents[:4096]) is None:
            continue
        alone = len(wanted) == 1
        in_folder = path.parent.name != ""
        yield Source(
            inner,
            stem if alone and not in_folder else path.stem,
            path.parent.name if in_folder else folder,
            partial(bytes, contents),
            partial(_types_beside, inner, archive, names, path),
        )


def _types_beside(
    file: TextFile,
    archive: zipfile.ZipFile,
    names: Dict[PurePosixPath, zipfile.ZipInfo],
    path: PurePosixPath,
) -> Types:
    found: Optional[PurePosixPath] = None
    for other in names:
        if other.name.lower() == TYPE_SYSTEM and (other.parent == path.parent or found is None):
            found = other
    if found is None:
        return {}
    return parse_types(file, _unpack(file, archive, names[found]))


def _unpack(file: TextFile, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    try:
        if info.file_size <= MAX_UNPACKED:
            with archive.open(info) as member:
                return member.read(MAX_UNPACKED)
        reason = f"it unpacks to {info.file_size} bytes"
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError) as error:
        reason = str(error)
    raise BadInput(file.where(), f"it cannot be unpacked: {reason}", "Unpack the archive yourself")
