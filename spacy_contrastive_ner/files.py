"""Writing files so that they are whole or not there."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Union


def write_atomically(path: Union[str, Path], data: bytes) -> None:
    """Write a file beside its place and rename it, so that whoever reads finds the old one or the
    new one, also after a crash. After an error there are no new folders either.

    path (Union[str, Path]): The file.
    data (bytes): Its contents.
    """
    path = Path(path)
    new = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
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
        for folder in new:
            with suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError) and error.errno:
            # Which file it was, as the system names none, or the one beside it.
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
