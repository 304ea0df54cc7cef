"""What the reader tells the training objective about a document."""

from typing import Any, Dict, NamedTuple

from spacy.tokens import Doc

USER_DATA_KEY = "contrastive_ner"


class Mark(NamedTuple):
    """Where a document comes from and when it is read.

    corpus (str): The name of its corpus, "" if the corpus has none.
    space (str): The name of its label space: labels are compared within a space only.
    epoch (int): The number of the epoch, from 0.
    last (bool): Whether it is the last document of the epoch, or one of its last batch.
    number (int): The number of the visit within the epoch, from 0.
    source (str): What was read: the corpus, the number of the document in it, and of its piece.
        Copies and variants of a document have the same, and are never compared with each other;
        "" if it is not known.
    """

    corpus: str = ""
    space: str = ""
    epoch: int = 0
    last: bool = False
    number: int = 0
    source: str = ""


def get_mark(doc: Doc) -> Mark:
    """Read the mark of a document.

    doc (Doc): The document.
    RETURNS (Mark): Its mark; the defaults if it has none.
    """
    data: Dict[str, Any] = doc.user_data.get(USER_DATA_KEY) or {}
    return Mark(**{key: value for key, value in data.items() if key in Mark._fields})


def is_marked(doc: Doc) -> bool:
    """RETURNS (bool): Whether the document has a mark."""
    return USER_DATA_KEY in doc.user_data


def set_mark(doc: Doc, mark: Mark) -> None:
    """Write the mark of a document to its user data, as a plain dict that can be serialised.

    doc (Doc): The document.
    mark (Mark): Its mark.
    """
    doc.user_data[USER_DATA_KEY] = mark._asdict()
