"""The terms of an objective: what is learned from the rows of a batch, and how much it weighs."""

import warnings
from collections import Counter
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set, Tuple, Union

import numpy
from spacy.tokens import Doc
from thinc.api import Model, Ops, noop
from thinc.types import Floats2d, Ragged

from ..annotations import Gold, read_doc
from ..layers.held import scale_gradient
from ..losses.cross_entropy_dice import Loss
from ..losses.pairs import PairLoss, Relations
from ..models.tagger import build_multi_head_tagger
from ..tracks import Lost
from .rows import Merge, Rows, Sampling, make_rows, pool_rows, with_classes


class Part(NamedTuple):
    """The documents of a batch whose labels may be compared: those of one label space.

    space (str): The name of the space.
    gold (List[Gold]): Their annotation.
    offsets (List[int]): Where the tokens of each begin in the batch.
    """

    space: str
    gold: List[Gold]
    offsets: List[int]


class Reading(NamedTuple):
    """Where gold annotation stands in a document, see `read_doc`."""

    spans_key: str = "sc"
    missing_key: Optional[str] = None
    use_ents: bool = False

    def __call__(self, doc: Doc) -> Gold:
        return read_doc(doc, self.spans_key, self.missing_key, self.use_ents)

    def annotates(self, doc: Doc) -> bool:
        """RETURNS (bool): Whether the document has annotation at all."""
        if self.use_ents:
            return bool(len(doc)) and doc.has_annotation("ENT_IOB")
        return self.spans_key in doc.spans

    def __str__(self) -> str:
        return "doc.ents" if self.use_ents else f"doc.spans[{self.spans_key!r}]"


Term = Union["ContrastTerm", "TaggingTerm"]


class ContrastTerm:
    """Compare rows by a contrastive loss.

    loss (PairLoss): The loss.
    projection (Optional[Model[Floats2d, Floats2d]]): What rows go through before they are
        compared, if anything.
    sampling (Sampling): How rows are made.
    reading (Reading): Where gold annotation stands.
    weight (float): What the loss counts.
    """

    name = "contrast"
    # How often a label must occur for anything to be learned.
    least_mentions = 2
    # Whether documents are compared with each other, so that copies of one teach nothing.
    compares = True

    def __init__(
        self,
        loss: PairLoss,
        projection: Optional[Model[Floats2d, Floats2d]],
        sampling: Sampling,
        reading: Reading,
        weight: float = 1.0,
    ) -> None:
        self.loss, self.sampling, self.reading, self.weight = loss, sampling, reading, weight
        self.projection = projection

    @property
    def merge(self) -> Merge:
        """RETURNS (Union[str, Dict[str, str]]): Which labels are one class, as in `Sampling`."""
        return self.sampling.merge

    def fresh(self, weight: float = 1.0) -> "ContrastTerm":
        """RETURNS (ContrastTerm): A copy, with parameters of its own, that weighs as much more."""
        projection = None if self.projection is None else self.projection.copy()
        weight *= self.weight
        return ContrastTerm(self.loss, projection, self.sampling, self.reading, weight)

    def classes(self, gold: Gold) -> Gold:
        """RETURNS (Gold): The annotation with classes instead of labels."""
        return with_classes(gold, self.sampling.merge)

    @property
    def layers(self) -> List[Model]:
        """RETURNS (List[Model]): The layers it has besides the encoder."""
        return [] if self.projection is None else [self.projection]

    def knows(self, part: Part, rng: numpy.random.Generator) -> bool:
        """RETURNS (bool): Whether documents can be judged: if of the rows that are drawn two are
        alike, and a third is unlike them. The loss of others would tell nothing."""
        rows = self._draw(part, rng)
        return bool((Relations(rows.labels, rows.maybe).n_negative > 0).any())

    @property
    def least_classes(self) -> int:
        """RETURNS (int): How many classes there must be: rows are told from others, which are
        those outside of entities or those of another class."""
        return 2 if self.sampling.bars_outside else 1

    def learns_from(self, part: Part) -> bool:
        """RETURNS (bool): Whether documents have rows to compare: two of a class, and others."""
        n_rows: Counter = Counter()
        for doc in part.gold:
            for start, end, label in self.classes(doc).spans:
                n_rows[label] += end - start if self.sampling.units == "tokens" else 1
        if self.sampling.outside == "query" and not self.sampling.bars_outside:
            # What is outside is a class, too, and has rows enough.
            return bool(n_rows)
        return len(n_rows) >= self.least_classes and max(n_rows.values()) > 1

    def initialize(self, tokens: Floats2d) -> None:
        """Infer the shapes of the layers from some rows."""
        if self.projection is not None:
            self.projection.initialize(X=tokens)

    def get_state(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What `set_state` needs, besides the parameters."""
        return {}

    def set_state(self, state: Dict[str, Any], width: int) -> None:
        """Bring the layers to the shape they had."""

    def learn(
        self,
        ops: Ops,
        part: Part,
        tokens: Floats2d,
        rng: numpy.random.Generator,
        is_train: bool,
        scale: float = 1.0,
    ) -> Tuple[float, Floats2d]:
        """Compute the loss of one part of a batch.

        ops (Ops): The backend.
        part (Part): The documents.
        tokens (Floats2d): The rows of all tokens of the batch. [N, width]
        rng (numpy.random.Generator): What rows are drawn with.
        is_train (bool): Whether gradients are wanted: those of the layers are then collected.
        scale (float): What loss and gradients are multiplied by, besides the weight.
        RETURNS (Tuple[float, Floats2d]): The loss, and its gradient.
        """
        rows = self._draw(part, rng)
        if not len(rows.starts):
            return 0.0, ops.xp.zeros_like(tokens)
        pooled, backprop_pool = pool_rows(ops, tokens, rows)
        backprop: Callable[[Floats2d], Floats2d] = lambda dY: dY  # noqa: E731
        if self.projection is not None:
            pooled, backprop = self.projection(pooled, is_train)
        loss, d_pooled = self._compare(ops, pooled, rows)
        scale *= self.weight
        if not is_train:
            return loss * scale, ops.xp.zeros_like(tokens)
        return loss * scale, backprop_pool(backprop(d_pooled * scale))

    def _draw(self, part: Part, rng: numpy.random.Generator) -> Rows:
        gold = [self.classes(doc) for doc in part.gold]
        return make_rows(gold, part.offsets, self.sampling, rng)

    def _compare(self, ops: Ops, pooled: Floats2d, rows: Rows) -> Tuple[float, Floats2d]:
        maybe = rows.maybe if rows.maybe.any() else None
        loss, d_pooled = self.loss(ops, pooled, rows.labels, maybe=maybe)
        return float(loss), d_pooled


class TaggingTerm:
    """Tag entities, with a set of heads for each label space: what stage 2 learns, on any number
    of corpora at once.

    make_heads (Callable[[], Model]): Makes a set of heads on rows.
    merge: What gives the class of a label, see `Sampling`.
    reading (Reading): Where gold annotation stands.
    max_layers (int): How many entities of one label may lie over each other.
    weight (float): What the loss counts.
    """

    name = "tagging"
    # How often a label must occur for anything to be learned.
    least_mentions = 1
    # How many classes there must be.
    least_classes = 1
    # Whether documents are compared with each other, so that copies of one teach nothing.
    compares = False

    def __init__(
        self,
        make_heads: Callable[[], Model],
        merge: Merge,
        reading: Reading,
        max_layers: int,
        weight: float = 1.0,
    ) -> None:
        self.make_heads, self.merge, self.reading = make_heads, merge, reading
        self.max_layers, self.weight = max_layers, weight
        self.heads: Dict[str, Model] = {}
        self.told: Set[Tuple[str, str]] = set()
        # The heads are found while learning, so they hang on a layer that is there from the start.
        self.container: Model = Model("heads_of_spaces", _container_forward)

    def fresh(self, weight: float = 1.0) -> "TaggingTerm":
        """RETURNS (TaggingTerm): A copy without heads, that weighs as much more."""
        weight *= self.weight
        return TaggingTerm(self.make_heads, self.merge, self.reading, self.max_layers, weight)

    @property
    def layers(self) -> List[Model]:
        """RETURNS (List[Model]): The layers it has besides the encoder."""
        return [self.container]

    def knows(self, part: Part, rng: numpy.random.Generator) -> bool:
        """RETURNS (bool): Whether documents can be judged: if there are heads for their label
        space, and for one of their labels at least."""
        heads = self.heads.get(part.space)
        labels = {label for doc in part.gold for _, _, label in self.classes(doc).spans}
        return heads is not None and (not labels or bool(labels & {*heads.attrs["labels"](heads)}))

    def learns_from(self, part: Part) -> bool:
        """RETURNS (bool): Whether documents have something to learn: tokens that heads tag."""
        return part.space in self.heads and any(doc.n_tokens for doc in part.gold)

    def initialize(self, tokens: Floats2d) -> None:
        """Infer the shapes of the layers: they are made when labels are known."""

    def get_state(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What `set_state` needs, besides the parameters."""
        labels = {space: heads.attrs["labels"](heads) for space, heads in self.heads.items()}
        return {"labels": labels}

    def set_state(self, state: Dict[str, Any], width: int) -> None:
        """Bring the layers to the shape they had."""
        self.heads.clear()
        self.container.layers.clear()
        for space, labels in state["labels"].items():
            self._make_heads(space, [], labels, self.container.ops.alloc2f(1, width))

    def _make_heads(
        self, space: str, gold: List[Gold], labels: Dict[str, int], tokens: Floats2d
    ) -> None:
        """Make the heads of a space, for labels with their number of layers."""
        heads = self.make_heads()
        heads.attrs["fit"](heads, gold, labels, self.max_layers)
        heads.initialize(X=[tokens[:1]])
        self.heads[space] = heads
        self.container.layers.append(heads)

    def _tell(self, lost: List[Lost]) -> None:
        """Say once for each reason and label what the heads cannot hold."""
        for _, (_, _, label), reason in lost:
            if (reason, label) not in self.told:
                self.told.add((reason, label))
                warnings.warn(
                    f"[pretraining] Entities with the label {label} are left out of tagging "
                    f"({reason}). Raise max_layers of TaggingObjective, at most to 3.",
                    stacklevel=2,
                )

    def _learn_labels(self, space: str, gold: List[Gold], tokens: Floats2d) -> None:
        """Make heads for the labels that have not been seen before."""
        labels = {label for doc in gold for _, _, label in doc.spans}
        heads = self.heads.get(space)
        if heads is None and labels:
            # All layers that are allowed: what the first batch needs says nothing about the others.
            self._make_heads(space, gold, dict.fromkeys(sorted(labels), self.max_layers), tokens)
        elif heads is not None:
            for label in sorted(labels - set(heads.attrs["labels"](heads))):
                heads.attrs["add_label"](heads, label, None, self.max_layers)

    def classes(self, gold: Gold) -> Gold:
        """RETURNS (Gold): The annotation with classes instead of labels."""
        return with_classes(gold, self.merge)

    def learn(
        self,
        ops: Ops,
        part: Part,
        tokens: Floats2d,
        rng: numpy.random.Generator,
        is_train: bool,
        scale: float = 1.0,
    ) -> Tuple[float, Floats2d]:
        """Compute the loss of one part of a batch, a mean over its tokens, see `ContrastTerm`."""
        d_tokens = ops.xp.zeros_like(tokens)
        gold = [self.classes(doc) for doc in part.gold]
        if is_train:
            self._learn_labels(part.space, gold, tokens)
        heads = self.heads.get(part.space)
        n_tokens = sum(doc.n_tokens for doc in part.gold)
        if heads is None or not n_tokens:
            return 0.0, d_tokens
        slices = [
            slice(offset, offset + doc.n_tokens) for doc, offset in zip(part.gold, part.offsets)
        ]
        scores, backprop = heads([tokens[some] for some in slices], is_train)
        loss, d_scores, lost = heads.attrs["learn"](heads, gold, scores)
        if is_train:
            self._tell(lost)
        scale *= self.weight / n_tokens
        if is_train:
            scale_gradient(heads.get_ref("crf").layers[0], scale)
            d_scores = Ragged(d_scores.dataXd * scale, d_scores.lengths)
            for some, d_rows in zip(slices, backprop(d_scores)):
                d_tokens[some] = d_rows
        return loss * scale, d_tokens


def _container_forward(model: Model, X: Any, is_train: bool) -> Tuple[Any, Callable]:
    raise NotImplementedError("The heads of pretraining are called one by one.")


def tagging_heads(
    kind: str, loss: Optional[Loss], crf: Optional[Model], dropout: float
) -> Callable[[], Model]:
    """RETURNS (Callable[[], Model]): What makes a set of heads on the rows of documents."""

    def make() -> Model:
        rows: Model = noop()
        own = None if crf is None else crf.copy()
        return build_multi_head_tagger(rows, kind, dropout=dropout, loss=loss, crf=own)

    return make
