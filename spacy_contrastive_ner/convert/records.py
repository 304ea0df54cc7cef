"""What every format is read to, and written from."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from spacy.tokens import Doc

Stretch = Tuple[int, int]


class Where(NamedTuple):
    """Where something stands.

    path (Path): The file.
    line (int): The line, from 1; 0 if it is about the file as a whole.
    id (str): The name of the document, if it has one.
    """

    path: Path
    line: int = 0
    id: str = ""

    def __str__(self) -> str:
        text = str(self.path)
        if self.line:
            text += f", line {self.line}"
        return f"{text} (document {self.id!r})" if self.id else text


class Entity(NamedTuple):
    """An annotated entity.

    fragments (Tuple[Stretch, ...]): The (start, end) of its parts in the text, in code points, end
        exclusive, in order. Most entities have one.
    label (str): The label.
    kb_id (str): What it refers to in a knowledge base, "" if that is not known.
    """

    fragments: Tuple[Stretch, ...]
    label: str
    kb_id: str = ""

    @property
    def start(self) -> int:
        """RETURNS (int): Where the first fragment starts."""
        return self.fragments[0][0]

    @property
    def end(self) -> int:
        """RETURNS (int): Where the last fragment ends."""
        return self.fragments[-1][1]

    def text_in(self, text: str) -> str:
        """RETURNS (str): Its text; fragments are joined by a blank."""
        return " ".join(text[start:end] for start, end in self.fragments)


def entity(start: int, end: int, label: str, kb_id: str = "") -> Entity:
    """RETURNS (Entity): An entity of one fragment."""
    return Entity(((start, end),), label, kb_id)


@dataclass
class Record:
    """An annotated text: a document, or a sentence where the source has no more.

    text (str): The text.
    entities (List[Entity]): The entities.
    where (Where): Where it was read, for messages.
    id (str): Its name, as unique as in the source.
    document (str): The document that it is a part of. Records of one document are not parted by
        splits. "" if it stands for itself.
    tokens (Optional[List[Stretch]]): The tokens, if the source has them: in order, not empty, not
        overlapping, white space between them only.
    sents (Optional[List[Stretch]]): The sentences, if the source has them.
    missing (List[Entity]): Stretches whose annotation is unknown: for their label, or for all
        labels if that is "".
    meta (Dict[str, Any]): What else is known and can be written as JSON: language, genre.
    doc (Optional[Doc]): The document of spaCy that it was read from or made into, if any.
    """

    text: str
    entities: List[Entity]
    where: Where
    id: str = ""
    document: str = ""
    tokens: Optional[List[Stretch]] = None
    sents: Optional[List[Stretch]] = None
    missing: List[Entity] = field(default_factory=list)
    meta: Dict[str, Any] = field(default_factory=dict)
    doc: Optional[Doc] = None
