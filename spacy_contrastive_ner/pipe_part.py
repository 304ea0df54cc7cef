"""What every part of the pipe relies on: its labels, and how it reads gold annotation."""

from typing import Any, Dict, Tuple

from spacy.pipeline import TrainablePipe
from spacy.training import Example
from spacy.vocab import Vocab

from .annotations import Gold, read_gold


class PipePart(TrainablePipe):
    """The base of the parts that make up `ContrastiveNER`, which sets what is declared here."""

    name: str
    vocab: Vocab
    model: Any
    cfg: Dict[str, Any]

    @property
    def key(self) -> str:
        """The key in `doc.spans` under which entities are read and written."""
        return str(self.cfg["spans_key"])

    @property
    def labels(self) -> Tuple[str, ...]:
        """RETURNS (Tuple[str, ...]): The labels."""
        return tuple(self.model.attrs["labels"](self.model))

    def _gold(self, example: Example) -> Gold:
        return read_gold(example, self.key, self.cfg["missing_key"])
