"""Texts and documents that are to be labelled."""

import json
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Union

from spacy.language import Language
from spacy.tokens import Doc

from .detect import list_files
from .docbins import docs_in
from .documents import ID
from .notes import BadInput
from .records import Where
from .textfile import TextFile

SUFFIXES = (".txt", ".jsonl", ".spacy")


class Item(NamedTuple):
    """What is to be labelled.

    content (Union[str, Doc]): A text, or a document that has its tokens already.
    where (Where): Where it was read.
    id (str): Its name, if it has one.
    meta (Optional[Dict[str, Any]]): What else is known.
    """

    content: Union[str, Doc]
    where: Where
    id: str = ""
    meta: Optional[Dict[str, Any]] = None


def find_inputs(path: Path) -> List[Path]:
    """List the files with what is to be labelled.

    path (Path): A file (.txt, .jsonl, .spacy), or a folder that holds such files of one kind,
        folders in it too. What begins with a dot is passed over.
    RETURNS (List[Path]): The files, sorted by name.
    """
    kinds = ", ".join(SUFFIXES)
    if not path.exists():
        raise BadInput(Where(path), "there is no such file or folder", "Correct the path")
    if path.is_file():
        if path.suffix not in SUFFIXES:
            raise BadInput(
                Where(path),
                f"its name does not tell what it holds ({path.suffix or 'no suffix'})",
                f"Name a file with one of these suffixes, or a folder of them: {kinds}",
            )
        return [path]
    files = [file for file in list_files(path) if file.suffix in SUFFIXES]
    found = sorted({file.suffix for file in files})
    if len(found) != 1:
        holds = f"files of several kinds ({', '.join(found)})" if found else f"no files of {kinds}"
        raise BadInput(
            Where(path), f"the folder holds {holds}", "Name a folder with files of one kind"
        )
    return files


def read_items(
    path: Path,
    nlp: Language,
    encoding: str,
    on_bytes: Optional[Callable[[int], None]] = None,
    name: str = "",
) -> Iterator[Item]:
    """Read what is to be labelled.

    path (Path): A file: a text (.txt), lines of JSON with a "text" each (.jsonl), or documents
        (.spacy).
    nlp (Language): The pipeline whose vocabulary documents have.
    encoding (str): The encoding of texts.
    on_bytes (Optional[Callable[[int], None]]): Told how many bytes more have been read.
    name (str): What a text is named; by default the name of its file without suffix.
    YIELDS (Item): A text or document each.
    """
    file = TextFile(path, encoding, on_bytes, name)
    if path.suffix == ".txt":
        yield Item(file.text(), file.where(id=file.name), file.name)
    elif path.suffix == ".jsonl":
        yield from _read_lines(file)
    else:
        for number, doc in enumerate(docs_in(path, nlp.vocab), 1):
            yield Item(doc, file.where(id=str(doc.user_data.get(ID) or number)))
        if on_bytes is not None:
            on_bytes(path.stat().st_size)


def _read_lines(file: TextFile) -> Iterator[Item]:
    for number, line in file.lines():
        if not line.strip():
            continue
        where = file.where(number)
        entry = parse_object(line, where)
        text = entry.get("text")
        if not isinstance(text, str):
            raise BadInput(
                where,
                f"there is no 'text' in the object, only {', '.join(map(repr, entry)) or 'nothing'}"
                if "text" not in entry
                else f"'text' is no string: {text!r:.60}",
                'Write each document as a line {"text": "..."}',
            )
        id, meta = entry.get("id"), entry.get("meta")
        id = str(id) if isinstance(id, (str, int)) else ""
        yield Item(text, where._replace(id=id), id, meta if isinstance(meta, dict) else None)


def parse_object(line: str, where: Where) -> Dict[str, Any]:
    """Read a line of JSON.

    line (str): The line.
    where (Where): Where it stands.
    RETURNS (Dict[str, Any]): The object.
    """
    try:
        entry = json.loads(line)
        # A half of a surrogate pair, which JSON can hold, is no text.
        line.encode("utf8") if "\\u" not in line else json.dumps(entry, ensure_ascii=False).encode()
    except ValueError as error:
        raise BadInput(
            where, f"no valid JSON ({error}): {line[:60]!r}", "Correct the line, or remove it"
        ) from None
    if not isinstance(entry, dict):
        raise BadInput(where, f"no JSON object: {line[:60]!r}", "Write one object a line")
    return entry
