"""How good the encoder is on documents it does not learn from."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Set

import numpy
import srsly
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.api import Optimizer
from wasabi import msg

from ..corpora.marks import Mark, get_mark, set_mark
from ..corpora.sources import read_docs
from ..files import write_atomically
from .model import PretrainModel, split_by_space
from .probe import Report, probe
from .terms import ContrastTerm, Term

SELECT = ("loss", "accuracy")

# About so many words are judged at once.
BATCH = 2000

# What rows are drawn with.
SEED = 0

# The rows of so many words are kept at most, to look at the space.
PROBED = 50_000

# So much better must be better by.
LEAST_GAIN = 1e-4


NAME_THEM = (
    "Name them as the training corpus whose labels they have: by path = {...: ...} in the Corpus.v1 "
    "of [corpora.dev], or by space in the block of a Judge.v1."
)


class Verdict(NamedTuple):
    """What was found on the dev documents.

    loss (float): The loss, a mean over the batches in which something can be compared.
    losses (Dict[str, float]): That of each term.
    report (Report): What the embedding space looks like.
    """

    loss: float
    losses: Dict[str, float]
    report: Report

    def better_than(self, other: Optional["Verdict"], select: str) -> bool:
        """RETURNS (bool): Whether this is better by more than nothing."""
        if other is None:
            return True
        if select == "loss":
            mine, theirs = -self.loss, -other.loss
        else:
            mine, theirs = self.report.accuracy, other.report.accuracy
        return mine > theirs + LEAST_GAIN or (math.isnan(theirs) and not math.isnan(mine))

    def to_dict(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The figures, for a log. What cannot be had is None."""
        figures: Dict[str, Any] = {"dev_loss": self.loss, **self.report._asdict()}
        if len(self.losses) > 1:
            figures["dev_losses"] = self.losses
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in figures.items()
        }

    @classmethod
    def from_dict(cls, figures: Dict[str, Any]) -> "Verdict":
        """RETURNS (Verdict): What `to_dict` made a dict of."""

        def number(name: str) -> float:
            return math.nan if figures.get(name) is None else figures[name]

        report = Report(
            number("accuracy"),
            number("silhouette"),
            number("rank"),
            number("spread"),
            figures.get("collapsed"),
        )
        return cls(number("dev_loss"), {}, report)


def require_pairs(terms: Sequence[Term], docs: Sequence[Doc]) -> None:
    """Stop if documents to judge by are annotated, but nothing in them can be compared: their loss
    would be 0 from the first epoch on, so that none could be better.

    terms (Sequence[Term]): What is learned.
    docs (Sequence[Doc]): The documents.
    """
    for term in terms:
        batches = [[doc for doc in batch if len(doc)] for batch in _batches(docs)]
        parts = [part for batch in batches for part in split_by_space(batch, term)]
        if not isinstance(term, ContrastTerm) or not parts:
            continue
        if not any(doc.spans for part in parts for doc in part.gold):
            raise ValueError(_no_entity(docs))
        if not any(term.knows(part, numpy.random.default_rng(SEED)) for part in parts):
            rows = "tokens of entities" if term.sampling.units == "tokens" else "entities"
            raise ValueError(
                f"[pretraining] Nothing can be compared in the {len(docs)} documents to judge by, so "
                f"that their loss would be 0 whatever is learned: they need two {rows} with one "
                "label and text that is unlike them, of one label space and within about "
                f"{BATCH} words. Add annotated documents to them, or use others."
            )


def _no_entity(docs: Sequence[Doc]) -> str:
    return (
        f"[pretraining] The {len(docs)} documents to judge by are annotated, but hold no entity at "
        "all, so that nothing can be judged. Use others."
    )


def judge(model: PretrainModel, docs: Sequence[Doc]) -> Verdict:
    """Judge the encoder on annotated documents: always the same batches and the same rows. Batches
    in which nothing can be compared are left out of the loss.

    model (PretrainModel): The model.
    docs (Sequence[Doc]): The documents.
    RETURNS (Verdict): What was found.
    """
    totals: Dict[str, List[float]] = {}
    known = KnownTokens()
    batches = _batches(docs)
    probed = _draw(batches)
    for number, batch in enumerate(batches):
        rows = model.rows_of(batch)
        for name, loss in model.evaluate(batch, rows, SEED).items():
            totals.setdefault(name, []).append(loss)
        if number in probed:
            known.add(model, batch, model.ops.to_numpy(rows))
    without = [name for name in model.term_names if name not in totals]
    if without:
        spaces = sorted({get_mark(doc).space for doc in docs})
        raise ValueError(
            f"[pretraining] The {len(docs)} documents to judge by say nothing about "
            f"{' and '.join(without)}: they have no annotation, or none of the labels that were "
            f"learned, or are of the label space {', '.join(map(repr, spaces))}, of which nothing "
            f"was learned. {NAME_THEM}"
        )
    if not any(known.labels) and len(probed) == len(batches):
        raise ValueError(_no_entity(docs))
    losses = {name: sum(values) / len(values) for name, values in totals.items()}
    return Verdict(sum(losses.values()), losses, known.probe())


class KnownTokens:
    """Collects the rows of tokens whose annotation is known, with their labels."""

    def __init__(self) -> None:
        self.rows: List[numpy.ndarray] = []
        self.documents: List[int] = []
        self.labels: List[List[str]] = []
        self.n_documents = 0

    def add(self, model: PretrainModel, batch: Sequence[Doc], rows: numpy.ndarray) -> None:
        """Take in a batch, as the first term reads it.

        model (PretrainModel): The model.
        batch (Sequence[Doc]): The documents.
        rows (numpy.ndarray): The rows of all their tokens. [N, width]
        """
        term = model.terms[0]
        for part in split_by_space([doc for doc in batch if len(doc)], term):
            for doc, offset in zip(part.gold, part.offsets):
                labels = _labels_of_tokens(part.space, term.classes(doc))
                missing = {token for start, end, _ in doc.missing for token in range(start, end)}
                # A token with a label is known, whatever else it may be.
                kept = [i for i, some in enumerate(labels) if some or i not in missing]
                self.rows.append(rows[[offset + i for i in kept]])
                self.labels.extend(labels[i] for i in kept)
                self.documents.extend([self.n_documents] * len(kept))
                self.n_documents += 1

    def probe(self) -> Report:
        """RETURNS (Report): What the space of these rows looks like."""
        names = sorted({name for some in self.labels for name in some})
        column = {name: at for at, name in enumerate(names)}
        labels = numpy.zeros((len(self.labels), len(names)), dtype="bool")
        for row, some in enumerate(self.labels):
            labels[row, [column[name] for name in some]] = True
        rows = self.rows or [numpy.zeros((0, 1), dtype="float32")]
        return probe(numpy.concatenate(rows), labels, numpy.asarray(self.documents, dtype="int64"))


def _batches(docs: Sequence[Doc]) -> List[List[Doc]]:
    """Cut the documents in batches, in their order."""
    batches: List[List[Doc]] = [[]]
    size = 0
    for doc in docs:
        if size and size + len(doc) > BATCH:
            batches.append([])
            size = 0
        batches[-1].append(doc)
        size += len(doc)
    return [batch for batch in batches if any(len(doc) for doc in batch)]


def _draw(batches: Sequence[Sequence[Doc]]) -> Set[int]:
    """Draw the batches by which the space is looked at, always the same; all if there is room."""
    drawn: Set[int] = set()
    room = PROBED
    for number in numpy.random.default_rng(SEED).permutation(len(batches)).tolist():
        room -= sum(map(len, batches[number]))
        if room < 0 and drawn:
            break
        drawn.add(number)
    return drawn


def _labels_of_tokens(space: str, gold: Any) -> List[List[str]]:
    """The labels of each token, told apart by their label space."""
    labels: List[List[str]] = [[] for _ in range(gold.n_tokens)]
    for start, end, label in gold.spans:
        name = f"{space}\t{label}"
        for token in range(start, end):
            if name not in labels[token]:
                labels[token].append(name)
    return labels


def read_dev(path: Path, vocab: Vocab, space: str = "") -> List[Doc]:
    """Read the documents of a judge.

    path (Path): A .spacy file, or a folder of them.
    vocab (Vocab): The vocabulary.
    space (str): Their label space.
    RETURNS (List[Doc]): The documents.
    """
    docs = read_docs(path, vocab, "[Judge] dev", hint="dev in [pretraining.objective.judge]")
    for doc in docs:
        set_mark(doc, Mark(space, space))
    return docs


@dataclass
class JudgeEachEpoch:
    """Judges the encoder when an epoch ends, keeps the best weights, and stops in time. See
    `make_judge`."""

    dev: Path
    best: Optional[Path] = None
    patience: int = 0
    select: str = "loss"
    space: str = ""

    def __post_init__(self) -> None:
        if self.select not in SELECT:
            raise ValueError(f"select is {self.select!r}, but must be one of {', '.join(SELECT)}.")
        if self.patience < 0:
            raise ValueError(f"patience is {self.patience}, but must not be negative.")

    def begin(
        self, vocab: Vocab, terms: Sequence[Term] = ()
    ) -> Callable[[PretrainModel, Optimizer], None]:
        """Read the documents, and stop if nothing can be judged by them.

        vocab (Vocab): The vocabulary.
        terms (Sequence[Term]): What is to be learned.
        RETURNS (Callable): What is called when an epoch ends.
        """
        if self.best is not None and self.best.exists():
            raise ValueError(
                f"[Judge] best is {str(self.best)!r}, which is there already: the weights of another "
                "run. Name another file, or move it away."
            )
        docs = read_dev(self.dev, vocab, self.space)
        require_pairs(terms, docs)
        history: List[Verdict] = []
        best: List[int] = []

        def at_epoch_end(model: PretrainModel, optimizer: Optimizer) -> None:
            import typer

            with model.use_params(optimizer.averages):
                verdict = judge(model, docs)
                is_best = verdict.better_than(history[best[-1]] if best else None, self.select)
                if is_best and self.best is not None:
                    write_atomically(self.best, model.get_ref("tok2vec").to_bytes())
            history.append(verdict)
            if is_best:
                best.append(len(history) - 1)
            msg.text(describe(len(history), verdict, is_best))
            if verdict.report.collapsed:
                msg.warn(verdict.report.collapsed)
            if self.best is not None:
                log = self.best.parent / "judge.jsonl"
                lines = [{"epoch": i, **item.to_dict()} for i, item in enumerate(history)]
                text = "".join(srsly.json_dumps(line) + "\n" for line in lines)
                write_atomically(log, text.encode("utf8"))
            if self.patience and len(history) - 1 - best[-1] >= self.patience:
                msg.good(
                    f"Stopped: {self.patience} epochs brought nothing better than epoch "
                    f"{best[-1] + 1}."
                )
                raise typer.Exit(0)

        return at_epoch_end


def describe(epoch: int, verdict: Verdict, is_best: bool) -> str:
    """RETURNS (str): What was found, as one line."""
    report = verdict.report
    return (
        f"epoch {epoch}: dev loss {verdict.loss:.4f}, neighbours {report.accuracy:.3f}, "
        f"silhouette {report.silhouette:.3f}, rank {report.rank:.1f}"
        + (" (best so far)" if is_best else "")
    )
