"""What `annotate` and `vectors` share: a tokenizer is made, and texts are read."""

from pathlib import Path
from typing import Iterator, Mapping, Optional, Sequence

import spacy
from spacy.language import Language

from ..convert.raw import Item, read_items
from .progress import progress

# There is a limit for pipes that need much memory, which a tokenizer does not.
NO_LIMIT = 10**9


def make_tokenizer(lang: str) -> Language:
    """Make a pipeline that tokenizes texts of any length.

    lang (str): The code of the language.
    RETURNS (Language): The pipeline.
    """
    try:
        nlp = spacy.blank(lang)
    except ImportError as error:
        message = " ".join(str(error).split())
        raise ValueError(f"There is no tokenizer for --lang {lang}: {message}") from error
    nlp.max_length = NO_LIMIT
    return nlp


def read_files(
    files: Sequence[Path],
    nlp: Language,
    encoding: str,
    silent: bool,
    names: Optional[Mapping[Path, str]] = None,
) -> Iterator[Item]:
    """Read texts and documents, with a progress bar.

    files (Sequence[Path]): The files.
    nlp (Language): The pipeline whose vocabulary documents have.
    encoding (str): The encoding of texts.
    silent (bool): Whether there is no bar.
    names (Optional[Mapping[Path, str]]): What texts of some files are named, if not as the file.
    YIELDS (Item): A text or document each.
    """
    total = sum(file.stat().st_size for file in files)
    with progress(silent, total=total, unit="B", unit_scale=True) as bar:
        for file in files:
            yield from read_items(file, nlp, encoding, bar.update, (names or {}).get(file, ""))
