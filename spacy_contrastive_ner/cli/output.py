"""What commands write."""

import json
from pathlib import Path
from typing import Any, Iterable, Optional

from ..files import write_atomically


def check_not_read(output: Path, inputs: Iterable[Optional[Path]]) -> None:
    """Stop before the work is done if its result would take the place of what it is made of.

    output (Path): What is to be written.
    inputs (Iterable[Optional[Path]]): What is read.
    """
    if any(path is not None and path.resolve() == output.resolve() for path in inputs):
        raise ValueError(f"{output} is read and to be written. Name another output.")


def write_json(path: Path, found: Any) -> None:
    """Write a result.

    path (Path): The file.
    found (Any): What can be written as JSON.
    """
    text = json.dumps(found, ensure_ascii=False, indent=2)
    write_atomically(path, f"{text}\n".encode())
