"""Output is written beside its place and put there when it is whole."""

import os
import re
import tempfile
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Callable, Iterable, Iterator, List, Tuple

from ..files import find_bar
from .detect import is_about
from .format import Format, Writer
from .notes import BadInput, Notes
from .records import Record, Where

# A file of documents is held in memory until it is written; in folders there are several, of so
# many tokens each.
SHARD = 1_000_000
# How that which is not whole is called.
PART = ".part"
# So many old files are named.
SHOWN = 5


def check_output(path: Path, is_folder: bool, overwrite: bool = False) -> None:
    """Stop before anything is read if the output cannot be written, or would be mixed with what is
    there.

    path (Path): The file or folder.
    is_folder (bool): Whether it is to be a folder.
    overwrite (bool): Whether there may be something in the folder.
    """
    if path.is_dir() and not overwrite and any(path.iterdir()):
        raise BadInput(
            Where(path),
            "the output folder is not empty",
            "Name another one, empty it first, or say --overwrite to replace the files of the same "
            "names",
        )
    if is_folder and path.exists() and not path.is_dir():
        raise BadInput(Where(path), "it is a file, but several are to be written", "Name a folder")
    whole = path.resolve()
    bar = find_bar(whole if whole.is_dir() else whole.parent)
    if bar is not None:
        raise BadInput(Where(path), f"{bar} cannot be written to", "Name another output")


def check_left_over(path: Path, suffixes: Tuple[str, ...], is_new: Callable[[Path], bool]) -> None:
    """Stop if files stay in a folder that would be read together with the new ones: more parts or
    documents of an output that was there before.

    path (Path): The folder.
    suffixes (Tuple[str, ...]): How the files are called that are written.
    is_new (Callable[[Path], bool]): Whether a file, by its path in the folder, is replaced.
    """
    files = (file.relative_to(path) for file in path.rglob("*") if file.is_file())
    left = sorted(
        str(file)
        for file in files
        if file.name.lower().endswith(suffixes) and not is_about(file) and not is_new(file)
        # As when they are read.
        if not any(part.startswith(".") for part in file.parts)
    )
    if left:
        names = ", ".join(left[:SHOWN])
        more = f" and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
        raise BadInput(
            Where(path),
            f"old files would be left over among the new ones: {names}{more}",
            "Remove them, or name another output",
        )


def explain(error: OSError, path: str) -> str:
    """Say what went wrong with a file.

    error (OSError): What went wrong.
    path (str): What was to be written, for errors that name no file, or the one beside it.
    RETURNS (str): The file, what is wrong with it, and what to do.
    """
    name = str(error.filename or "")
    name = path if not name or PART in name else name
    return f"{name}: {error.strerror or error}. Check the path, its rights and the space there."


def write_records(
    records: Iterable[Record], place: Path, format: Format, write: Writer, notes: Notes
) -> None:
    """Write records to a file, or to an empty folder as one or several.

    records (Iterable[Record]): The records.
    place (Path): The file, or the folder, which is there.
    format (Format): The format.
    write (Writer): Its writer, with options.
    notes (Notes): Where is counted what the format cannot hold.
    """
    if format.to_folder or not place.is_dir():
        write(records, place, notes)
        return
    for number, shard in enumerate(_shards(records), 1):
        write(shard, place / f"part-{number:04}{format.suffixes[0]}", notes)


def is_shard(name: str, format: Format) -> bool:
    """RETURNS (bool): Whether one of several files may have this name."""
    return re.fullmatch(r"part-\d{4,}" + re.escape(format.suffixes[0]), name) is not None


def _shards(records: Iterable[Record]) -> Iterator[Iterator[Record]]:
    """Cut a stream of records after so many tokens. Each shard is used up before the next."""
    stream = iter(records)

    def shard(first: Record) -> Iterator[Record]:
        size = 0
        for record in chain([first], stream):
            size += len(record.tokens or record.text.split())
            yield record
            if size >= SHARD:
                return

    for first in stream:
        yield shard(first)


@contextmanager
def beside(path: Path, is_folder: bool, suffixes: Tuple[str, ...] = ()) -> Iterator[Path]:
    """Give a place beside a file or folder. What is written there takes its name at the end, unless
    there was an error: then nothing is left of it, and what was there before is as it was.

    path (Path): The file or folder. In a folder that is there, files of the same names are replaced.
    is_folder (bool): Whether it is a folder.
    suffixes (Tuple[str, ...]): Files that are called so must not be left over in it.
    YIELDS (Path): The place; if it is a folder it is there, and empty.
    """
    path = path.resolve()
    # A folder that is there may be all that can be written to: a volume, for instance.
    is_there = path.is_dir()
    above = path if is_there else path.parent
    new = [folder for folder in (above, *above.parents) if not folder.exists()]
    try:
        above.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=above, prefix=f".{path.name}.", suffix=PART, ignore_cleanup_errors=True
        ) as room:
            place = Path(room) / path.name
            if is_folder:
                place.mkdir()
            yield place
            if is_there:
                _move_into(place, path, Path(room) / "old", suffixes)
            else:
                os.replace(place, path)
    except BaseException:
        for folder in new:
            with suppress(OSError):
                folder.rmdir()
        raise


def _move_into(place: Path, path: Path, old: Path, suffixes: Tuple[str, ...]) -> None:
    """Move what is in a folder to another one, all of it or nothing.

    place (Path): The folder.
    path (Path): The other one. What is replaced there comes to `old`.
    old (Path): A folder that is not there yet, but could be.
    suffixes (Tuple[str, ...]): Files that are called so must not be left over.
    """
    files = sorted(file.relative_to(place) for file in place.rglob("*") if file.is_file())
    check_left_over(path, suffixes, set(files).__contains__)
    undo: List[Tuple[Path, Path]] = []
    made: List[Path] = []
    try:
        for file in files:
            above = (path / file).parent
            made += [folder for folder in (above.parent, above) if not folder.exists()]
            above.mkdir(parents=True, exist_ok=True)
            if (path / file).is_dir():
                raise BadInput(Where(path / file), "it is a folder, not a file", "Remove it")
            if (path / file).exists():
                (old / file).parent.mkdir(parents=True, exist_ok=True)
                os.replace(path / file, old / file)
                undo.append((old / file, path / file))
            os.replace(place / file, path / file)
            undo.append((path / file, place / file))
    except BaseException:
        for source, target in reversed(undo):
            os.replace(source, target)
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()
        raise
