"""The model that `spacy pretrain` trains: the encoder, and what its terms learn from its rows."""

from contextlib import contextmanager
from functools import partial
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Set, Tuple

import numpy
from spacy.tokens import Doc
from thinc.api import Model, Ops, Optimizer
from thinc.types import Floats2d

from ..corpora.marks import get_mark
from ..layers.token_rows import TokenRows
from .terms import Part, Term
from .watch import Watch

# Called with the model and the optimizer at the end of an epoch.
AtEpochEnd = Callable[["PretrainModel", Optimizer], None]


class PretrainModel(Model[List[Doc], Floats2d]):
    """The encoder with the layers of all terms. `spacy pretrain` calls `finish_update` after each
    batch; that is where gradients are accumulated, schedules step, and epochs end.

    tok2vec (Model): The encoder.
    terms (Sequence[Term]): What is learned.
    accumulate_gradient (int): After how many batches the parameters are updated.
    at_epoch_end (Optional[AtEpochEnd]): What is done when an epoch ends.
    """

    def __init__(
        self,
        tok2vec: Model,
        terms: Sequence[Term],
        accumulate_gradient: int = 1,
        at_epoch_end: Optional[AtEpochEnd] = None,
    ) -> None:
        to_rows = TokenRows()
        layers = [tok2vec, to_rows, *(layer for term in terms for layer in term.layers)]
        super().__init__(
            "contrastive_pretrain",
            _forward,
            init=_init,
            layers=layers,
            refs={"tok2vec": tok2vec, "to_rows": to_rows},
        )
        self.terms = list(terms)
        self.term_names = [
            term.name if term.name not in [t.name for t in terms[:i]] else f"{term.name} {i + 1}"
            for i, term in enumerate(terms)
        ]
        self.watch = Watch(terms)
        self.accumulate_gradient = accumulate_gradient
        self.at_epoch_end = at_epoch_end
        # How many batches wait for an update; how many updates and epochs there were; how many epochs
        # end with this batch, and which goes on.
        self.n_batches = 0
        self.n_updates = 0
        self.n_epochs = 0
        self.n_ends = 0
        self.open_epoch: Optional[int] = None
        # Whether the reader says when an epoch ends. Who runs the epochs knows better.
        self.heeds_marks = True
        self.losses: Dict[str, float] = {}
        # The width of the rows, once it is known.
        self.width = 0
        self.attrs["loss"] = partial(_loss, self)

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the parameters once there were batches enough, or the epoch ends.

        optimizer (Optimizer): The optimizer.
        """
        self.n_batches += 1
        for _ in range(self.n_ends):
            self.end_epoch(optimizer)
        self.n_ends = 0
        if self.n_batches >= self.accumulate_gradient:
            self._update(optimizer)

    def heed(self, docs: Sequence[Doc]) -> None:
        """See whether an epoch ends with a batch. One whose last document never came, as the batcher
        left it out, ends with the first batch of the next.

        docs (Sequence[Doc]): The documents of the batch.
        """
        marks = [get_mark(doc) for doc in docs]
        epoch = max((mark.epoch for mark in marks), default=0)
        missed = self.open_epoch is not None and epoch > self.open_epoch
        ends = any(mark.last for mark in marks)
        self.n_ends = missed + ends
        self.open_epoch = None if ends else epoch
        if missed and self.at_epoch_end is not None:
            self.watch.tell_of_lost_end()

    def end_epoch(self, optimizer: Optimizer) -> None:
        """Make the last update of an epoch, if batches are left, and do what is due.

        optimizer (Optimizer): The optimizer.
        """
        if self.n_batches:
            self._update(optimizer)
        self.n_epochs += 1
        self.watch.end_epoch()
        if self.at_epoch_end is not None:
            self.at_epoch_end(self, optimizer)

    def _update(self, optimizer: Optimizer) -> None:
        super().finish_update(optimizer)
        optimizer.step_schedules()
        self.n_batches = 0
        self.n_updates += 1

    @contextmanager
    def use_params(self, params: Optional[Dict]) -> Iterator[None]:
        """Use other parameters for a while, such as the averages of an optimizer: those of an
        optimizer that keeps none are None, and nothing changes. The model's own come back also
        after an error, unlike with Thinc's models.

        params (Optional[Dict]): The parameters.
        """
        if not params:
            yield
        else:
            error: Optional[BaseException] = None
            with super().use_params(params):
                try:
                    yield
                except BaseException as caught:
                    error = caught
            if error is not None:
                raise error

    def rows_of(self, docs: Sequence[Doc]) -> Floats2d:
        """RETURNS (Floats2d): The rows of the encoder for all tokens of some documents."""
        return self.predict(list(docs))

    def evaluate(self, docs: Sequence[Doc], rows: Floats2d, seed: int = 0) -> Dict[str, float]:
        """The loss of some documents, without learning from them: for each term the mean over the
        label spaces that say something about the encoder.

        docs (Sequence[Doc]): The annotated documents.
        rows (Floats2d): Their rows. [N, width]
        seed (int): What the rows of each label space are drawn with.
        RETURNS (Dict[str, float]): The loss of each term that has one for these documents.
        """
        docs = [doc for doc in docs if len(doc)]
        losses: Dict[str, float] = {}
        for name, term in zip(self.term_names, self.terms):
            known = [
                term.learn(self.ops, part, rows, numpy.random.default_rng(seed), False)[0]
                for part in split_by_space(docs, term)
                if term.knows(part, numpy.random.default_rng(seed))
            ]
            if known:
                losses[name] = sum(known) / len(known)
        return losses


def _forward(
    model: Model[List[Doc], Floats2d], docs: List[Doc], is_train: bool
) -> Tuple[Floats2d, Callable[[Floats2d], List[Doc]]]:
    """Rows of all tokens. Documents without tokens never reach the encoder."""
    docs = [doc for doc in docs if len(doc)]
    tok2vec, to_rows = model.get_ref("tok2vec"), model.get_ref("to_rows")
    if not docs:
        width = tok2vec.get_dim("nO") if tok2vec.has_dim("nO") else 0
        return model.ops.alloc2f(0, width), lambda d_rows: []
    encoded, backprop_encoder = tok2vec(docs, is_train)
    rows, backprop_rows = to_rows(encoded, is_train)

    def backprop(d_rows: Floats2d) -> List[Doc]:
        backprop_encoder(backprop_rows(d_rows))
        return docs

    return rows, backprop


def _init(
    model: Model[List[Doc], Floats2d],
    X: Optional[List[Doc]] = None,
    Y: Optional[Floats2d] = None,
) -> None:
    assert isinstance(model, PretrainModel)
    model.get_ref("tok2vec").initialize(X=X)
    if X is not None:
        rows = model.predict(X)
        model.width = rows.shape[1]
        for term in model.terms:
            term.initialize(rows)


def _loss(
    model: PretrainModel, ops: Ops, docs: Sequence[Doc], rows: Floats2d
) -> Tuple[float, Floats2d]:
    """What `spacy pretrain` calls: the loss of a batch of annotated documents, and its gradient.

    model (PretrainModel): The model.
    ops (Ops): The backend.
    docs (Sequence[Doc]): The documents.
    rows (Floats2d): The rows of the encoder. [N, width]
    RETURNS (Tuple[float, Floats2d]): The loss and its gradient.
    """
    rng = numpy.random.default_rng(int(numpy.random.randint(2**31 - 1)))
    model.watch.see(docs)
    model.watch.lose_patience()
    if model.heeds_marks:
        model.heed(docs)
    scale = 1.0 / model.accumulate_gradient
    losses, d_rows, learned = _losses(model, ops, docs, rows, rng, scale)
    model.losses = losses
    total = sum(losses.values())
    model.watch.require_finite(total, docs)
    model.watch.heard(learned)
    if model.at_epoch_end is not None:
        model.watch.require_marks(docs)
    return total, d_rows


def _losses(
    model: PretrainModel,
    ops: Ops,
    docs: Sequence[Doc],
    rows: Floats2d,
    rng: numpy.random.Generator,
    scale: float,
) -> Tuple[Dict[str, float], Floats2d, bool]:
    """The loss of each term: a mean over the label spaces of the batch; the gradient; and whether
    there was anything to learn from. All gradients, also those that the layers of the terms
    collect, are multiplied by `scale`."""
    docs = [doc for doc in docs if len(doc)]
    d_rows = ops.xp.zeros_like(rows)
    losses: Dict[str, float] = {}
    learned = False
    for name, term in zip(model.term_names, model.terms):
        parts = split_by_space(docs, term)
        total = 0.0
        for part in parts:
            loss, d_part = term.learn(ops, part, rows, rng, True, scale / len(parts))
            total += loss / scale
            learned = learned or term.learns_from(part)
            d_rows += d_part
        losses[name] = total
    return losses, d_rows, learned


def split_by_space(docs: Sequence[Doc], term: Term) -> List[Part]:
    """Sort the annotated documents of a batch by their label space. If they are to be compared,
    further copies of a document are left out.

    docs (Sequence[Doc]): The documents.
    term (Term): What reads their annotation.
    RETURNS (List[Part]): The label spaces.
    """
    parts: Dict[str, Part] = {}
    sources: Set[str] = set()
    offset = 0
    for doc in docs:
        mark = get_mark(doc)
        is_copy = term.compares and mark.source in sources
        if term.reading.annotates(doc) and not is_copy:
            sources.update([mark.source] if mark.source else [])
            part = parts.setdefault(mark.space, Part(mark.space, [], []))
            part.gold.append(term.reading(doc))
            part.offsets.append(offset)
        offset += len(doc)
    return list(parts.values())
