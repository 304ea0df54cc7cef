"""The batcher: batches in which every label finds others of its kind."""

import itertools
import random
import warnings
from collections import Counter
from typing import Callable, Dict, Iterable, Iterator, List, Sequence, Set, TypeVar, Union

from spacy.tokens import Doc
from spacy.training import Example

from .composing import Composer
from .marks import get_mark, is_marked, set_mark

Sizing = Union[Sequence[int], int]
ItemT = TypeVar("ItemT", Doc, Example)

# From so many times the size of a batch on a single document is too long.
LONG = 2


def make_balanced_batcher(
    size: Sizing = 2000,
    mentions: int = 2,
    labels: int = 8,
    share: float = 0.5,
    spans_key: str = "sc",
    use_ents: bool = False,
    seed: int = 0,
) -> Callable[[Iterable[ItemT]], Iterator[List[ItemT]]]:
    """Make a batcher, for the config.

    size (Sizing): The words of a batch: a number, or a schedule of numbers.
    mentions (int): How many mentions of a label a batch is to have, so that they are compared.
    labels (int): How many labels are served in this way in each batch, at most. They take turns.
    share (float): The share of the words of a batch that this may take, 0 to 1.
    spans_key (str): The key of the mentions in `doc.spans`.
    use_ents (bool): Whether the mentions are those of `doc.ents` instead.
    seed (int): What the batches depend on, besides the documents and the number of the epoch.
    RETURNS (Callable): The batcher.
    """
    return BalancedBatcher(
        size=size,
        mentions=mentions,
        labels=labels,
        share=share,
        spans_key=spans_key,
        use_ents=use_ents,
        seed=seed,
    )


class BalancedBatcher:
    """Batches the documents of an epoch. The settings are those of `make_balanced_batcher`.

    All documents are visited, those with rare labels several times. A batch has documents of one
    label space only, and no two copies of one document. What it has to tell about the data it tells once, as a warning.
    """

    def __init__(
        self,
        *,
        size: Sizing,
        mentions: int,
        labels: int,
        share: float,
        spans_key: str,
        use_ents: bool,
        seed: int,
    ) -> None:
        if isinstance(size, int) and size < 1:
            raise ValueError(f"[BalancedBatcher] size is {size}, but a batch has words: 1 or more.")
        if mentions < 1 or labels < 0:
            raise ValueError(
                f"[BalancedBatcher] mentions is {mentions} and labels is {labels}, but there must "
                "be at least 1 mention, and 0 labels or more."
            )
        if not 0 <= share <= 1:
            raise ValueError(f"[BalancedBatcher] share is {share}, but must be between 0 and 1.")
        self.size = size
        self.mentions = mentions
        self.labels = labels
        self.share = share
        self.spans_key = spans_key
        self.use_ents = use_ents
        self.seed = seed
        # The epoch of documents that do not know theirs: each call is one.
        self.epoch = 0
        self._told = False
        self._forced_told = False
        self._long_told = False

    def __call__(self, items: Iterable[ItemT]) -> Iterator[List[ItemT]]:
        """Batch one epoch. All of its documents are taken into memory. The mark `last` is moved to
        a document of the last batch that is in no other, or to a copy.

        items (Iterable[ItemT]): Examples or documents.
        YIELDS (List[ItemT]): The batches.
        """
        items = list(items)
        docs = [_reference(item) for item in items]
        if not docs:
            return
        epoch = get_mark(docs[0]).epoch if is_marked(docs[0]) else self.epoch
        self.epoch += 1
        rng = random.Random(f"{self.seed}-{epoch}")
        places: Dict[str, List[int]] = {}
        for i, doc in enumerate(docs):
            mark = get_mark(doc)
            places.setdefault(mark.space, []).append(i)
            if mark.last:
                set_mark(doc, mark._replace(last=False))
        composers = {
            space: self._composer(items, docs, indices, rng) for space, indices in places.items()
        }
        self._tell_unpaired(docs, composers)
        self._tell_long(docs)
        sizes = _sizes(self.size)
        open_spaces = list(composers)
        visited: Set[int] = set()
        while open_spaces:
            left = [max(1, composers[space].left) for space in open_spaces]
            (space,) = rng.choices(open_spaces, weights=left)
            batch = [places[space][i] for i in composers[space].compose(next(sizes))]
            open_spaces = [space for space in open_spaces if not composers[space].done]
            chosen = [items[i] for i in batch]
            if not open_spaces:
                again = batch[0] in visited or sum(doc is docs[batch[0]] for doc in docs) > 1
                chosen[0] = _marked_last(chosen[0], again)
                self._tell_forced(composers)
            visited.update(batch)
            yield chosen

    def _composer(
        self, items: List[ItemT], docs: List[Doc], indices: List[int], rng: random.Random
    ) -> Composer:
        return Composer(
            [len(items[i]) for i in indices],
            [self._count(docs[i]) for i in indices],
            sources=[get_mark(docs[i]).source or id(docs[i]) for i in indices],
            mentions=self.mentions,
            labels=self.labels,
            share=self.share,
            rng=rng,
        )

    def _count(self, doc: Doc) -> Dict[str, int]:
        """Count the mentions of each label."""
        if self.use_ents:
            spans = list(doc.ents)
        else:
            spans = list(doc.spans[self.spans_key]) if self.spans_key in doc.spans else []
        return Counter(span.label_ for span in spans if span.label_)

    def _tell_unpaired(self, docs: List[Doc], composers: Dict[str, Composer]) -> None:
        """Warn if nothing can be balanced, or some labels cannot."""
        if self._told or not self.share or not self.labels:
            return
        if not any(composer.wanted or composer.single for composer in composers.values()):
            self._told = True
            keys = sorted({key for doc in docs for key in doc.spans})
            place = "doc.ents" if self.use_ents else f"doc.spans[{self.spans_key!r}]"
            there = f"There are span groups {', '.join(map(repr, keys))}. " if keys else ""
            warnings.warn(
                f"[BalancedBatcher] None of {len(docs)} documents has an entity with a label in "
                f"{place}: batches are not balanced. {there}Set spans_key or use_ents.",
                stacklevel=3,
            )
            return
        single = [
            f"{label!r} in the space {space!r}" if space else repr(label)
            for space, composer in composers.items()
            for label in composer.single
        ]
        if single:
            self._told = True
            warnings.warn(
                f"[BalancedBatcher] {len(single)} labels have one mention only, which cannot be "
                f"compared with another: for example {single[0]}. They are not balanced for. "
                "Annotate more of them, let corpora that have the label share a space, or give it the "
                "name of another: what an objective merges the batcher does not know.",
                stacklevel=3,
            )

    def _tell_long(self, docs: List[Doc]) -> None:
        """Warn if a document by itself is far longer than a batch should be."""
        longest = max(map(len, docs))
        # Of a schedule the largest size is not known.
        if isinstance(self.size, int) and longest > LONG * self.size and not self._long_told:
            self._long_told = True
            warnings.warn(
                f"[BalancedBatcher] A document has {longest} words, and batches are to have {self.size}: "
                "those with it are that long, and take as much memory. Set max_length in the reader "
                "to cut such documents, or raise size.",
                stacklevel=3,
            )

    def _tell_forced(self, composers: Dict[str, Composer]) -> None:
        """Warn if batches became longer than they should be."""
        forced: Counter = Counter()
        for composer in composers.values():
            forced.update(composer.forced)
        # Of batches with documents that are far too long by themselves that has been told.
        crowded = sum(composer.n_crowded for composer in composers.values())
        if forced and not self._forced_told and (crowded or not self._long_told):
            self._forced_told = True
            label = forced.most_common(1)[0][0]
            longest = max(composer.longest for composer in composers.values())
            warnings.warn(
                f"[BalancedBatcher] {sum(forced.values())} batches have more words than size, the "
                f"longest {longest}: documents are too long to be compared with others in one "
                f"batch, for example those with {label!r}. Raise size, or set max_length in the "
                "reader to cut them.",
                stacklevel=3,
            )


def _reference(item: Union[Doc, Example]) -> Doc:
    return item if isinstance(item, Doc) else item.reference


def _marked_last(item: ItemT, again: bool) -> ItemT:
    """Mark a document as the last one; a copy of it, if it was handed over before."""
    doc = _reference(item)
    if again:
        doc = doc.copy()
        item = doc if isinstance(item, Doc) else Example(item.predicted.copy(), doc)
    set_mark(doc, get_mark(doc)._replace(last=True))
    return item


def _sizes(size: Sizing) -> Iterator[float]:
    """The sizes of the batches. A schedule that ends goes on with its last size."""
    if isinstance(size, int):
        yield from itertools.repeat(size)
    else:
        value = 0
        for value in size:
            yield value
        if value < 1:
            raise ValueError("[BalancedBatcher] size is a schedule that has come to its end.")
        yield from itertools.repeat(value)
