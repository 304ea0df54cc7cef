"""What every part of the pipe relies on: its labels, how it reads gold annotation, what it recognises."""

import warnings
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

import numpy
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.types import Ragged

from .annotations import Gold, read_gold
from .checks import report_lost, require_labels_of_thresholds, way_to_layers
from .evaluation.evaluate import touches
from .models.listeners import find_listeners, find_unseen, name_encoder, require_rows
from .settings import check_settings
from .tracks import Found, Lost, Threshold
from .tracks.decoding import DECODERS

# So many documents are predicted at once.
BLOCK = 64

# What is told only once, beside the losses of gold entities.
UNSEEN = ("documents that a shared encoder has not seen", "")


class Scored(NamedTuple):
    """Some examples, and what the model returned for them.

    gold (List[Gold]): Their annotation.
    scores (Ragged): What the model returned.
    """

    gold: List[Gold]
    scores: Ragged

    @property
    def lengths(self) -> List[int]:
        """RETURNS (List[int]): The number of tokens of each document."""
        return [doc.n_tokens for doc in self.gold]

    def true(self, labels: Sequence[str]) -> numpy.ndarray:
        """RETURNS (numpy.ndarray): The entities that have one of these labels, each once. [S, 4]"""
        places = {label: i for i, label in enumerate(labels)}
        some = {
            (i, start, end, places[label])
            for i, doc in enumerate(self.gold)
            for start, end, label in doc.spans
            if label in places
        }
        return numpy.asarray(sorted(some), dtype="int64").reshape((-1, 4))

    def judge(self, found: Found, labels: Sequence[str]) -> Tuple[numpy.ndarray, numpy.ndarray]:
        """Tell which of the entities that were found are right. Of those that touch a stretch whose
        annotation is unknown only the right ones are judged.

        found (Found): What was found.
        labels (Sequence[str]): The labels.
        RETURNS (Tuple[numpy.ndarray, numpy.ndarray]): Which ones are right, and which are judged. bool, [S]
        """
        true = set(map(tuple, self.true(labels).tolist()))
        places = list(zip(*(column.tolist() for column in found[:4])))
        right = numpy.asarray([place in true for place in places], dtype="bool")
        unknown = [
            touches([(start, end, labels[label])], self.gold[i].missing)
            for i, start, end, label in places
        ]
        return right, right | ~numpy.asarray(unknown, dtype="bool")

    def count_judged(self, found: Found, labels: Sequence[str]) -> numpy.ndarray:
        """RETURNS (numpy.ndarray): How many of what was found are right, and how many are judged. [2, K]"""
        each = (found.label[which] for which in self.judge(found, labels))
        return numpy.stack([numpy.bincount(some, minlength=len(labels)) for some in each])

    def count_gold(self, labels: Sequence[str]) -> numpy.ndarray:
        """RETURNS (numpy.ndarray): How many entities of each label there are. [K]"""
        return numpy.bincount(self.true(labels)[:, 3], minlength=len(labels))


class PipePart(TrainablePipe):
    """The base of the parts that make up `ContrastiveNER`, which sets what is declared here."""

    name: str
    vocab: Vocab
    model: Any
    cfg: Dict[str, Any]
    _told: Set[Tuple[str, str]]

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

    @contextmanager
    def _naming_itself(self) -> Iterator[None]:
        """Have errors of the model say whose they are."""
        try:
            yield
        except ValueError as error:
            raise ValueError(f"[{self.name}] {error}") from error

    def _check_settings(self) -> None:
        """Stop if a setting cannot be meant, as `cfg` may have been changed by hand."""
        check_settings(self.name, self.cfg, self.model.attrs.get("decoders", DECODERS))
        if self.labels:
            require_labels_of_thresholds(self.name, self.cfg["thresholds"], self.labels)

    def _warn_of_unseen(self, docs: Sequence[Doc]) -> None:
        """Warn once about documents that a shared encoder has not seen: spaCy goes on with zeros."""
        if UNSEEN in self._told:
            return
        for listener in find_listeners(self.model):
            if find_unseen(listener, docs) is not None:
                self._told.add(UNSEEN)
                name = name_encoder(listener)
                warnings.warn(
                    f"[{self.name}] The encoder that it shares ({name!r}) did not run on these documents, so "
                    "that nothing can be found. Enable it before this pipe, or give the pipe its own, in the "
                    f"pipeline that has both: nlp.replace_listeners({name!r}, {self.name!r}, "
                    "['model.tok2vec']).",
                    stacklevel=3,
                )
                return

    def _report_lost(
        self,
        gold: Sequence[Gold],
        lost: Sequence[Lost],
        docs: Sequence[Doc],
        told: Set[Tuple[str, str]],
    ) -> None:
        """Warn about gold entities that are not learned, see `report_lost`."""
        way = way_to_layers(self.model, self.cfg["max_layers"])
        report_lost(self.name, gold, lost, docs, told, way)

    def _find(
        self, lengths: Sequence[int], scores: Ragged, threshold: Optional[float] = None
    ) -> Found:
        """What is recognised, with the decoder and the thresholds of the settings, or with another one for the
        labels that have none of their own."""
        own = self.cfg["thresholds"]
        common = float(self.cfg["threshold"]) if threshold is None else threshold
        every: Threshold = common
        if own:
            every = numpy.asarray([float(own.get(label, common)) for label in self.labels])
        with self._naming_itself():
            return self.model.attrs["find"](self.model, lengths, scores, self.cfg["decoder"], every)

    def _score(self, examples: Sequence[Example]) -> Iterator[Scored]:
        """Read examples and have the model score their predicted documents, some at a time."""
        self._check_settings()
        with self._naming_itself():
            require_rows(self.model, [example.predicted for example in examples])
        for start in range(0, len(examples), BLOCK):
            some = examples[start : start + BLOCK]
            gold = [self._gold(example) for example in some]
            docs = [example.predicted for example in some]
            if any(len(doc) for doc in docs):
                yield Scored(gold, self.model.predict(docs))

    def _require_group(self, examples: Sequence[Example], what: str) -> None:
        """Stop if there are no examples, or no annotation."""
        key = self.key
        if not examples:
            raise ValueError(
                f"[{self.name}] There are no examples {what}. Give some annotated documents."
            )
        if not any(key in example.reference.spans for example in examples):
            raise ValueError(
                f"[{self.name}] None of the {len(examples)} examples {what} has the span group "
                f"{key!r}. Write the entities of every document to doc.spans[{key!r}]."
            )
