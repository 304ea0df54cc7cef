"""Files of documents: where they are, and what is in them."""

from itertools import islice
from pathlib import Path
from typing import List, Optional, Union

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

SUFFIX = ".spacy"
HINT = (
    "in the config that is the path in the block of that corpus, such as [corpora.train] or "
    "[corpora.dev], or paths.train or paths.dev (on the command line --paths.train, --paths.dev)"
)


def require_path(path: Optional[Union[str, Path]], what: str, hint: str = HINT) -> Path:
    """Stop if no path is given.

    path (Optional[Union[str, Path]]): The path.
    what (str): What it is the path of, for the error.
    hint (str): Where to set it.
    RETURNS (Path): The path.
    """
    if path is None or not str(path):
        raise ValueError(f"{what} has no path. Name a {SUFFIX} file or a folder of them: {hint}.")
    return Path(path)


def find_files(path: Path, what: str, hint: str = HINT) -> List[Path]:
    """List the files of a corpus.

    path (Path): A file, or a folder that is searched for .spacy files, folders in it too. What
        begins with a dot is passed over.
    what (str): What it is the path of, for the error.
    hint (str): Where to set it.
    RETURNS (List[Path]): The files, sorted by name.
    """
    if not path.exists():
        raise ValueError(
            f"{what} is to be read from {str(path)!r}, but there is no such file or folder. "
            f"Correct the path: {hint}."
        )
    if path.is_file():
        return [path]
    files = sorted(
        file
        for file in path.rglob(f"*{SUFFIX}")
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts)
    )
    if not files:
        raise ValueError(
            f"{what} is to be read from the folder {str(path)!r}, but it holds no {SUFFIX} files. "
            "Convert your data with `spacy contrastive convert`, save it with DocBin.to_disk, or "
            f"correct the path: {hint}."
        )
    return files


def read_docs(path: Path, vocab: Vocab, what: str, limit: int = 0, hint: str = HINT) -> List[Doc]:
    """Read the documents of a corpus; empty ones are passed over.

    path (Path): A .spacy file, or a folder of them.
    vocab (Vocab): The vocabulary of the documents.
    what (str): What it is the path of, for the error.
    limit (int): How many documents are read at most; 0 for all.
    hint (str): Where to set the path.
    RETURNS (List[Doc]): The documents, at least one.
    """
    docs: List[Doc] = []
    for file in find_files(path, what, hint):
        docs.extend(islice(_read_file(file, vocab, what), limit - len(docs) if limit else None))
        if limit and len(docs) == limit:
            break
    if not docs:
        raise ValueError(
            f"{what} is empty: no document of {str(path)!r} has any words. Check how the file "
            f"was made, or correct the path: {hint}."
        )
    return docs


def _read_file(file: Path, vocab: Vocab, what: str) -> List[Doc]:
    try:
        return [doc for doc in DocBin().from_disk(file).get_docs(vocab) if len(doc)]
    except Exception as error:
        raise ValueError(
            f"{what}: {str(file)!r} cannot be read as a file of spaCy documents (a DocBin): "
            f"{error} Write it with DocBin.to_disk, or convert your data with "
            "`spacy contrastive convert`."
        ) from error
