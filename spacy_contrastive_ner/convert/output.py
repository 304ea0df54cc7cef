"""Output is written beside its place and put there when it is whole."""

import os
import tempfile
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Iterable, Iterator, List

from .format import Format, Writer
from .notes import BadInput, Notes
from .records import Record, Where

# A file of documents is held in memory until it is written; in folders there are several, of so
# many tokens each.
SHARD = 1_000_000


def check_output(path: Path, is_folder: bool) -> None:
    """Stop before anything is read if the output cannot be written, or would be mixed with what is
    there.

    path (Path): The file or folder.
    is_folder (bool): Whether it is to be a folder.
    """
    if path.is_dir() and any(path.iterdir()):
        raise BadInput(
            Where(path), "the output folder is not empty", "Name another one, or empty it first"
        )
    if is_folder and path.exists() and not path.is_dir():
        raise BadInput(Where(path), "it is a file, but several are to be written", "Name a folder")
    whole = path.resolve()
    above = whole if whole.is_dir() else next(p for p in whole.parents if p.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise BadInput(Where(path), f"{above} cannot be written to", "Name another output")


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
def beside(path: Path, is_folder: bool) -> Iterator[Path]:
    """Give a place beside a file or folder. What is written there takes its name at the end, unless
    there was an error: then nothing is left of it, and what was there before is as it was.

    path (Path): The file or folder; a folder that is there is empty.
    is_folder (bool): Whether it is a folder.
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
            dir=above, prefix=f".{path.name}.", suffix=".part", ignore_cleanup_errors=True
        ) as room:
            place = Path(room) / path.name
            if is_folder:
                place.mkdir()
            yield place
            if is_there:
                _move_into(place, path)
            else:
                os.replace(place, path)
    except BaseException:
        for folder in new:
            with suppress(OSError):
                folder.rmdir()
        raise


def _move_into(place: Path, path: Path) -> None:
    """Move what is in a folder to another one, all of it or nothing."""
    moved: List[Path] = []
    try:
        for item in sorted(place.iterdir()):
            os.replace(item, path / item.name)
            moved.append(item)
    except BaseException:
        for item in moved:
            os.replace(path / item.name, item)
        raise
