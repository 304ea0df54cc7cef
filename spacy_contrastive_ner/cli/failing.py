"""Errors of a command, in place of a traceback."""

from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Optional

from wasabi import Printer

from ..convert.output import explain


@contextmanager
def failing(title: str, path: Optional[Path] = None) -> Iterator[None]:
    """Tell errors that were foreseen, and end with exit code 1.

    title (str): What was not done.
    path (Optional[Path]): What is written, for errors that name no file, or the one beside it. If
        None, errors with files are told as they are.
    """
    try:
        yield
    except OSError as error:
        text = str(error) if path is None else explain(error, str(path))
        Printer().fail(title, text, exits=1)
    except ValueError as error:
        Printer().fail(title, str(error), exits=1)
