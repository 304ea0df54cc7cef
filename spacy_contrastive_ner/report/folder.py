"""Writing a folder so that it is whole or not there."""

import json
import os
from pathlib import Path, PurePosixPath
from typing import Any, List, Mapping

from ..files import write_folder

PAGE = "index.html"
# Tells what else is in the folder, so that only this is ever replaced.
CONTENTS = "report.json"
GENERATOR = "spacy-contrastive-ner report"
# So many files that are in the way are named.
SHOWN = 5


def check_folder(out: Path, force: bool = False) -> None:
    """Stop before anything is computed if the folder cannot be written.

    out (Path): The folder.
    force (bool): Whether a report that is there may be replaced.
    """
    out = out.resolve()
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file. Name a folder.")
    above = next(folder for folder in out.parents if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise ValueError(f"{above} cannot be written to. Name another folder.")
    if not out.exists() or not any(out.iterdir()):
        return
    known = _contents(out)
    if known is None:
        raise ValueError(
            f"{out} is not empty, and what is in it is no report. Name another folder."
        )
    if not force:
        raise ValueError(f"{out} holds a report. Name another folder, or replace it with --force.")
    others = _others(out, known)
    if others:
        shown = ", ".join(others[:SHOWN]) + (", ..." if len(others) > SHOWN else "")
        raise ValueError(
            f"{out} holds files that are not the report's: {shown}. Move them, or name another "
            "folder."
        )


def write_report(out: Path, page: str, files: Mapping[str, bytes], force: bool = False) -> None:
    """Write a page and its files beside their place and rename the folder, so that whoever looks
    finds the old one or the new one. After an error there are no new folders.

    out (Path): The folder. It must be empty, or not there, or hold a report and nothing else.
    page (str): The page.
    files (Mapping[str, bytes]): Its files, by their paths in the folder, with "/".
    force (bool): Whether to replace a report.
    """
    check_folder(out, force)
    out = out.resolve()
    contents = {"generator": GENERATOR, "files": sorted(files)}
    every = {
        **files,
        PAGE: page.encode("utf8"),
        CONTENTS: json.dumps(contents, ensure_ascii=False, indent=1).encode("utf8"),
    }

    def write(part: Path) -> None:
        for name, data in every.items():
            _write(part, name, data)

    write_folder(out, write, replace=True)


def _write(folder: Path, name: str, data: bytes) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise ValueError(f"{name!r} is no path within a folder.")
    file = folder.joinpath(*path.parts)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _contents(out: Path) -> Any:
    """The files of the report that is in a folder, None if there is none."""
    try:
        told = json.loads((out / CONTENTS).read_text(encoding="utf8"))
    except (OSError, ValueError):
        return None
    ours = isinstance(told, dict) and told.get("generator") == GENERATOR
    return told["files"] if ours and isinstance(told.get("files"), list) else None


def _others(out: Path, known: List[str]) -> List[str]:
    """What is in a folder, links and empty folders too, and not of a report."""
    ours = {*known, PAGE, CONTENTS}
    folders = {str(above) for name in ours for above in PurePosixPath(str(name)).parents}
    found = ((path, path.relative_to(out).as_posix()) for path in sorted(out.rglob("*")))
    return [
        name
        for path, name in found
        if name not in (folders if path.is_dir() and not path.is_symlink() else ours)
        or (path.is_symlink())
    ]
