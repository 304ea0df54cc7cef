"""The reader of training corpora: several at once, weighted, shuffled, cut, marked."""

import copy
import random
import warnings
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Set, Tuple, Union

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from ..encoders import require_encoder_while_pretrained
from .cutting import Losses, cut
from .marks import Mark, get_mark, set_mark
from .sources import HINT, read_docs, require_path

Augmenter = Callable[[Language, Example], Iterator[Example]]


def make_corpus(
    path: Optional[Union[Path, Dict[str, Optional[Path]]]],
    max_length: int = 0,
    limit: int = 0,
    shuffle: bool = True,
    seed: int = 0,
    weights: Optional[Dict[str, float]] = None,
    spaces: Optional[Dict[str, str]] = None,
    missing_key: Optional[str] = None,
    augmenter: Optional[Callable] = None,
) -> "Corpus":
    """Make a reader, for the config.

    path (Union[Path, Dict[str, Path]]): A .spacy file or a folder of them; or several, by name.
    max_length (int): Longer documents are cut into pieces of so many tokens at most; 0: none is.
    limit (int): How many documents of each corpus are read at most; 0 for all.
    shuffle (bool): Whether each epoch has an order of its own. If not, it is that of the files.
    seed (int): What order and draws depend on, besides the number of the epoch.
    weights (Optional[Dict[str, float]]): How often an epoch visits each document of a corpus: 2.0
        is twice, 0.25 a random quarter of the documents, 1.5 once and a random half again.
    spaces (Optional[Dict[str, str]]): The label space of a corpus. Labels are compared within a
        space only; by default a corpus is a space of its own.
    missing_key (Optional[str]): The key of stretches whose annotation is unknown; what is left of
        spans that are cut is added to them.
    augmenter (Optional[Callable]): What is made of each example; one of spaCy's augmenters.
    RETURNS (Corpus): The reader.
    """
    return Corpus(
        path,
        max_length=max_length,
        limit=limit,
        shuffle=shuffle,
        seed=seed,
        weights=weights,
        spaces=spaces,
        missing_key=missing_key,
        augmenter=augmenter,
    )


class Corpus:
    """Reads one corpus or several from .spacy files. The settings are those of `make_corpus`.

    names (List[str]): The names of the corpora, in order; "" if there is one without a name.
    epoch (int): The number of the epoch that is read next. Set it to go on where a run ended.
    """

    def __init__(
        self,
        path: Optional[Union[str, Path, Dict[str, Optional[Path]]]],
        *,
        max_length: int = 0,
        limit: int = 0,
        shuffle: bool = True,
        seed: int = 0,
        weights: Optional[Dict[str, float]] = None,
        spaces: Optional[Dict[str, str]] = None,
        missing_key: Optional[str] = None,
        augmenter: Optional[Augmenter] = None,
    ) -> None:
        self.paths = _check_paths(path)
        self.max_length = _check_count("max_length", max_length)
        self.limit = _check_count("limit", limit)
        self.shuffle = shuffle
        self.seed = seed
        self.weights = {**dict.fromkeys(self.names, 1.0), **self._check_names("weights", weights)}
        self.spaces = {
            **{name: name for name in self.names},
            **self._check_names("spaces", spaces),
        }
        self.missing_key = missing_key
        self.augmenter = augmenter
        self.epoch = 0
        # What has been said about the documents. Shared with `whole`.
        self._told: Set[str] = set()
        _check_weights(self.weights)

    @property
    def names(self) -> List[str]:
        """RETURNS (List[str]): The names of the corpora, in order."""
        return list(self.paths)

    def whole(self) -> "Corpus":
        """RETURNS (Corpus): A reader of the same documents that visits each once, but for corpora of
        weight 0."""
        other = copy.copy(self)
        other.weights = {name: float(weight > 0) for name, weight in self.weights.items()}
        return other

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Read one epoch. Its number is taken, and counted up, when the first example is asked
        for.

        nlp (Language): The pipeline, whose tokenizer makes the documents to be predicted.
        YIELDS (Example): The examples. Their references are marked: see `Mark`.
        """
        require_encoder_while_pretrained(nlp)
        epoch = self.epoch
        self.epoch += 1
        held: Optional[Example] = None
        visits = self._visits(nlp.vocab, epoch)
        for number, doc in enumerate(visits):
            # An augmenter may want to know, too.
            set_mark(doc, get_mark(doc)._replace(epoch=epoch, number=number))
        for mark, example in self._examples(nlp, visits):
            if held is not None:
                yield held
            set_mark(example.reference, mark)
            held = example
        if held is not None:
            set_mark(held.reference, mark._replace(last=True))
            yield held

    def _visits(self, vocab: Vocab, epoch: int) -> List[Doc]:
        """Draw which documents an epoch visits, and in which order. A document that is visited
        again is a copy, so that what is done to one visit leaves the others alone."""
        rng = random.Random(f"{self.seed}-{epoch}")
        corpora = self._read(vocab)
        visits: List[Doc] = []
        for name, docs in corpora.items():
            passes, part = divmod(float(self.weights[name]), 1.0)
            # Rounded up or down at random, so that over the epochs the weight is met exactly.
            again = rng.sample(range(len(docs)), int(part * len(docs) + rng.random()))
            order = [*list(range(len(docs))) * int(passes), *sorted(again)]
            seen = set()
            for i in order:
                visits.extend(doc.copy() if i in seen else doc for doc in docs[i])
                seen.add(i)
        if not visits:
            # Small weights on few documents: an epoch without any would end training.
            visits = list(rng.choice(corpora[rng.choice(list(corpora))]))
        if self.shuffle:
            rng.shuffle(visits)
        return visits

    def _read(self, vocab: Vocab) -> Dict[str, List[List[Doc]]]:
        """Read the corpora whose weight is not 0, each document as a list of its pieces. They are
        marked, and so are their copies."""
        losses = Losses()
        corpora: Dict[str, List[List[Doc]]] = {}
        for name, path in self.paths.items():
            if not self.weights[name]:
                continue
            corpora[name] = []
            for doc in read_docs(path, vocab, _title(name), self.limit, _hint(name)):
                if self.max_length and len(doc) > self.max_length:
                    pieces = cut(doc, self.max_length, self.missing_key)
                    losses.add(pieces, f" in {str(path)!r}")
                    corpora[name].append(pieces.docs)
                else:
                    corpora[name].append([doc])
            for i, docs in enumerate(corpora[name]):
                for j, doc in enumerate(docs):
                    set_mark(doc, Mark(name, self.spaces[name], source=f"{name}:{i}:{j}"))
        messages = (
            losses.message(self.max_length, self.missing_key),
            losses.parted_message(self.max_length),
        )
        for message in messages:
            if message and message not in self._told:
                self._told.add(message)
                warnings.warn(message, stacklevel=4)
        return corpora

    def _examples(self, nlp: Language, docs: List[Doc]) -> Iterator[Tuple[Mark, Example]]:
        """Make examples of marked documents, and of each what the augmenter makes of it."""
        for doc in docs:
            mark, example = get_mark(doc), Example(_unannotated(nlp, doc), doc)
            if self.augmenter is None:
                yield mark, example
                continue
            seen: List[Doc] = []
            for variant in self.augmenter(nlp, example):
                if any(variant.reference is other for other in seen):
                    # Each has a mark of its own.
                    variant = Example(variant.predicted.copy(), variant.reference.copy())
                seen.append(variant.reference)
                yield mark, variant

    def _check_names(self, setting: str, values: Optional[Dict[str, Any]]) -> Dict[str, Any]:
        """Stop if a setting is about corpora that are not there."""
        unknown = [name for name in values or {} if name not in self.paths]
        if not unknown:
            return dict(values or {})
        if self.names == [""]:
            there = (
                "path is a single file or folder, so the corpus has no name; give path by name, "
                f"path = {{{unknown[0]!r}: ...}}, to use {setting}"
            )
        else:
            there = f"the corpora in path are {', '.join(map(repr, self.names))}"
        raise ValueError(f"[Corpus] {setting} names {unknown[0]!r}, but {there}.")


def _unannotated(nlp: Language, doc: Doc) -> Doc:
    """The document as the pipeline sees it: by its own tokenizer, if the text is known."""
    if doc.has_unknown_spaces:
        spaces = [bool(token.whitespace_) for token in doc]
        return Doc(nlp.vocab, words=[token.text for token in doc], spaces=spaces)
    return nlp.make_doc(doc.text)


def _title(name: str) -> str:
    return f"[Corpus] The corpus {name!r}" if name else "[Corpus] The corpus"


def _hint(name: str) -> str:
    return (
        f"it is set by {name} = ... in the block [corpora. ... .path] of the config"
        if name
        else HINT
    )


def _check_paths(
    path: Optional[Union[str, Path, Dict[str, Optional[Path]]]],
) -> Dict[str, Path]:
    if not isinstance(path, dict):
        return {"": require_path(path, _title(""))}
    if not path:
        raise ValueError("[Corpus] path is an empty dict: name at least one corpus in it.")
    return {name: require_path(value, _title(name), _hint(name)) for name, value in path.items()}


def _check_count(setting: str, value: int) -> int:
    if value < 0:
        raise ValueError(f"[Corpus] {setting} is {value}, but must be 0 (for no limit) or more.")
    return value


def _check_weights(weights: Dict[str, float]) -> None:
    for name, weight in weights.items():
        if not 0 <= weight < float("inf"):
            raise ValueError(
                f"[Corpus] The weight of the corpus {name!r} is {weight}, but it says how often "
                "an epoch visits each document: 0 or more."
            )
    if not any(weights.values()):
        raise ValueError(
            "[Corpus] All weights are 0, so that no document is read. Give a corpus a weight over 0."
        )
