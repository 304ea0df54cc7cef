"""Writing files and folders so that they are whole or not there."""

import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Callable, Iterator, Optional, Union


def write_atomically(path: Union[str, Path], data: bytes) -> None:
    """Write a file beside its place and rename it, so that whoever reads finds the old one or the
    new one, also after a crash. After an error there are no new folders either.

    path (Union[str, Path]): The file.
    data (bytes): Its contents.
    """
    path = Path(path)
    with _new_folders(path.parent):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException as error:
            Path(name).unlink(missing_ok=True)
            if isinstance(error, OSError) and error.errno:
                # Which file it was, as the system names none, or the one beside it.
                raise OSError(error.errno, error.strerror, str(path)) from error
            raise


def require_free(path: Path, purpose: str) -> None:
    """Stop before the work is done if a folder is not free for its result.

    path (Path): The folder.
    purpose (str): What the folder is for, as in "to write the pipeline to".
    """
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path} is a file. Name a folder {purpose}.")
    if path.exists() and any(path.iterdir()):
        raise ValueError(f"{path} is not empty. Name another folder {purpose}.")
    is_current = False
    with suppress(OSError):  # also where the current folder is gone
        is_current = os.path.samefile(path, os.curdir)
    if is_current or os.path.ismount(path):
        what = "the current folder" if is_current else "a mount point"
        raise ValueError(
            f"{path} is {what}, which cannot be replaced. Name a folder in it {purpose}."
        )
    bar = find_bar(path.resolve().parent)
    if bar is not None:
        raise ValueError(
            f"{bar} cannot be written to, and {path} would be put there. Name another folder {purpose}."
        )


def find_bar(folder: Path) -> Optional[Path]:
    """Find what keeps one from writing to a folder, which need not be there yet.

    folder (Path): The folder.
    RETURNS (Optional[Path]): The folder, or the nearest above it that is there. None if nothing does.
    """
    there = next(some for some in (folder, *folder.parents) if some.exists())
    return None if there.is_dir() and os.access(there, os.W_OK) else there


def write_folder(path: Path, write: Callable[[Path], object], replace: bool = False) -> None:
    """Write a folder beside its place and rename it, so that whoever looks finds the old one or the
    new one. After an error there are no new folders either.

    path (Path): The folder, which must not exist or be empty.
    write (Callable[[Path], object]): Writes the contents into a folder that it is given.
    replace (bool): Whether a folder that is there is replaced, with all that is in it.
    """
    path = path.resolve()
    with _new_folders(path.parent):
        part = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
        try:
            write(part)
            part.chmod(0o755)
            if replace and path.exists():
                _replace(part, path)
            else:
                if os.name == "nt" and path.exists():
                    # Elsewhere an empty folder is replaced.
                    path.rmdir()
                os.rename(part, path)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise


def _replace(part: Path, path: Path) -> None:
    old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".old"))
    old.rmdir()
    os.rename(path, old)
    try:
        os.rename(part, path)
    except BaseException:
        os.rename(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _new_folders(folder: Path) -> Iterator[None]:
    """Make a folder and those above it; after an error those that are new and empty are gone."""
    new = [some for some in (folder, *folder.parents) if not some.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for some in new:
            with suppress(OSError):
                some.rmdir()
        raise
